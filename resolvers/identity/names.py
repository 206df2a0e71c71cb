"""Display names taken apart, and whether two of them can be one person's.

People, networks and mail programs write names in every order, with titles, degrees, employers, pronouns and pictures around
them. `parse` says which words are the name and what kind of name it is; `compare` answers with one of the `Likeness` grades.
A comparison says CONTRADICTS only where a careful reader would: two full names whose given names or family names cannot be
spellings of each other.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import lru_cache
from typing import Final, Literal

import msgspec
from anyascii import anyascii

from resolvers.identity import spelling
from resolvers.identity.spelled_alike import similarity, slips
from resolvers.identity.tables import names_apart, pet_forms, readings, sections
from store.words import fold

Kind = Literal["PERSON", "COUPLE", "ROLE", "RELATION", "EMPTY"]


class Likeness(IntEnum):
    """How two names stand to each other, worst first."""

    CONTRADICTS = 0  # two people's
    UNSURE = 1  # cannot be told: an unknown single word, a script that is not read
    SILENT = 2  # says nothing: no name, "Mom"
    PARTLY = 3  # one given name, spelled one way, and two family names: married, or two people
    COMPATIBLE = 4  # an initial, a single word of the other name, a pet form of it
    AGREES = 5  # the same name as somebody else may spell it
    SAME = 6  # the same words


class Word(msgspec.Struct, frozen=True, gc=False):
    """One word of a name: in Latin letters, with every way in which it may be read; empty `forms` when it cannot be read."""

    text: str
    forms: tuple[str, ...]
    native: str = ""

    @property
    def initial(self) -> bool:
        """Whether only its first letter is given."""
        return len(self.text) == 1


class Name(msgspec.Struct, frozen=True):
    """A name: the words before the family name, those of the family name, and which generation it names."""

    text: str
    kind: Kind
    given: tuple[Word, ...] = ()
    family: tuple[Word, ...] = ()
    generation: Literal["", "YOUNGER", "ELDER"] = ""
    ordered: bool = False  # which words are the family name was said, not guessed

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, in the order given first."""
        return self.given + self.family

    @property
    def full(self) -> bool:
        """Whether it has a given name and a family name, both written out."""
        return len([w for w in self.words if not w.initial]) >= 2


EMPTY: Final = Name(text="", kind="EMPTY")

_SECTIONS: Final = sections("words.txt")
_MEDIATED: Final = re.compile(
    r"\b(?:on behalf of|im auftrag von|de la part de|per conto di|en nombre de|p\.\s?p\.|o/b/o)(?!\w)|\s(?:for|pp)\s(?=\S)|\(\s*(?:via|über|par)\b",
    re.I,
)
_THROUGH: Final = re.compile(r"\s(?:via|through)\s+(?=\S)", re.I)
_AT_WORK: Final = re.compile(r"\s(?:from|von|of|at|@)\s+(?=\S)", re.I)
_BRACKETS: Final = re.compile(r"[(\[{<（【]([^)\]}>）】]*)[)\]}>）】]?")
_QUOTED: Final = re.compile(r"[\"“”„«»]([^\"“”„«»]*)[\"“”„«»]")
_TAIL: Final = re.compile(r"\s+[-–—|/•·:~]+\s+.*|\s*[|•·].*")
# single letters only as a small word: John E Smith is one person
_JOINED: Final = re.compile(
    r"\s(?:and|und|et|og|och|en|ja|u\.|és|oraz|with|w/|samt|и|та|και|と|和|(?-i:[yeiі]|ve))\s|\s*[&+]\s*", re.I
)
_JOINS_NAMES: Final = frozenset(
    {"and", "und", "u.", "et", "&", "+", "og", "och", "és", "ve", "oraz", "with", "w/", "samt", "и", "та", "και", "と", "和"}
)
_BESIDE: Final = re.compile(r"[(\[]\s*(?:and|und|et|og|och|with|&|\+)\s", re.I)  # Rosa Berg (and Oskar)
_OF_ANOTHER: Final = re.compile(r"\w(?:['’]s|s['’])\s+\w", re.I)  # Rosa's mother
_THE_BERGS: Final = re.compile(r"the\s+\w+s", re.I)
_SEPARATORS: Final = re.compile(r"[\s.,;_]+")
_ADDRESS: Final = re.compile(r"\S+@\S+")
NEARLY: Final = 0.75  # similarity of two spellings that may be of one family name (Mikhailov, Mihajlov), though no rule says so
_UMLAUTS: Final = re.compile(r"([aou])e")
_CHEERS: Final = re.compile(r"[!?#*=]+.*")


@lru_cache(100_000)
def parse(full: str, given: str = "", family: str = "") -> tuple[Name, ...]:
    """The names that a display name holds: one, none, or two where it is written in two scripts. Structured parts win."""
    if given and family and not _JOINED.search(given) and not _odd(given) and not _odd(family):
        name = _structured(full, given, family)
        return (name, *(n for n in _parsed(full) if n.kind == "PERSON" and not _like_words(n, name)))
    return tuple(_parsed(full))


def mediated(full: str) -> bool:
    """Whether the sender speaks for somebody else: lists, assistants, services that send in the names of their users."""
    text = _clean(full)
    return any(pattern.search(text) for pattern in (_MEDIATED, _THROUGH, _AT_WORK))


def at_work(full: str) -> tuple[Name, ...]:
    """Who sends as "Ada from Acme"; a stranger to us where that is "Assistant of Ada" or her mother."""
    text = _clean(full)
    found = None if _MEDIATED.search(text) or _THROUGH.search(text) else _AT_WORK.search(text)
    names = parse(text[: found.start()]) if found is not None else ()
    return tuple(msgspec.structs.replace(n, kind="ROLE") if n.kind == "RELATION" else n for n in names if n.kind != "EMPTY")


def parties(full: str) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
    """Of a sender who speaks for or through another, the names before and behind the word that says so."""
    text = _clean(full)
    found = next((m for pattern in (_MEDIATED, _THROUGH) if (m := pattern.search(text)) is not None), None)
    if found is None:
        return (), ()
    before, behind = (parse(part.strip(" ()'‘’\"")) for part in (text[: found.start()], text[found.end() :]))
    return tuple(n for n in before if n.kind == "PERSON"), tuple(n for n in behind if n.kind == "PERSON")


def people(texts: tuple[str, ...]) -> tuple[Name, ...]:
    """The persons' names among display names, those of other senders through whom they speak left out."""
    return tuple(n for text in texts if not mediated(text) for n in parse(text))


def _odd(part: str) -> bool:
    return len(part) > 60 or "@" in part


def _parsed(full: str) -> list[Name]:
    text = _clean(full)
    if not text or "@" in text:
        text = _ADDRESS.sub(" ", text).strip(" <>'\"")
        if not text:
            return [EMPTY]
    asides = [aside.strip() for aside in _BRACKETS.findall(text)]
    if _BESIDE.search(text):
        return [Name(text=text, kind="COUPLE")]
    bare = _QUOTED.sub(" ", _BRACKETS.sub(" ", text))
    text = _CHEERS.sub("", bare if _two_in_a_row(bare) else _TAIL.sub("", bare)).strip(" -–'’`")
    names = [_one(text)]
    # the same name in another script stands in brackets; everything else there is pronouns, employers, programs
    if asides and names[0].kind == "PERSON" and spelling.script(asides[0]) != spelling.script(text):
        other = _one(asides[0])
        if other.kind == "PERSON" and other.full:
            names.append(other)
    return names


def _clean(full: str) -> str:
    text = unicodedata.normalize("NFKC", full)
    kept = (c if unicodedata.category(c)[0] in "LMNPZ" or c in "+|~" else " " for c in text if unicodedata.category(c) != "Cf")
    return " ".join("".join(kept).split())


def _one(text: str) -> Name:
    whole = text.casefold()
    if _two_in_a_row(text) or _THE_BERGS.fullmatch(text):
        return Name(text=text, kind="COUPLE")
    if _OF_ANOTHER.search(text):
        return Name(text=text, kind="ROLE")
    if _JOINED.search(text) and len(text.split()) > 1:
        parts = [p for p in _JOINED.split(text) if p.strip()]
        if len(parts) == 2 and all(len(p.strip()) > 1 for p in parts) and _two_people(text, parts):
            return Name(text=text, kind="COUPLE")
    plain = [w for w in _SEPARATORS.split(whole) if w]
    if _stands_in(plain) and "," not in text:
        return Name(text=text, kind="ROLE")
    if any(w in _SECTIONS["groups"] for w in plain):
        return Name(text=text, kind="COUPLE" if any(w in _SECTIONS["households"] for w in plain) else "ROLE")
    if len(plain) > 1 and any(w in _SECTIONS["companies"] for w in plain[1:]):
        return Name(text=text, kind="ROLE")
    if plain and plain[0] in _SECTIONS["relations"] and (len(plain) == 1 or not _capitals(text)):
        return Name(text=text, kind="RELATION")
    if any(c.isdigit() for c in whole):
        return Name(text=text, kind="RELATION" if " " in text or "-" in text else "EMPTY")
    before, comma, after = text.partition(",")
    generation: Literal["", "YOUNGER", "ELDER"] = ""
    swapped = False
    if comma:
        rest = [w for w in re.split(r"[\s,]+", after) if w]
        kept = [w for w in rest if not _is_credential(w)]
        found = _generation(rest)
        generation = found or generation
        kept = [w for w in kept if not _generation([w])]
        swapped = bool(kept)
        text = f"{' '.join(kept)} \x00{before}" if swapped else before
    words = [w for w in re.split(r"[\s;_]+|(?<=[^\W\d_])\.(?=[^\W\d_])", text) if w]
    if not swapped:
        while len(words) > 1 and words[0].casefold().strip(".") in _SECTIONS["titles"]:
            words = words[1:]
        while len(words) > 2 and _generation(words[-1:]):
            generation = _generation(words[-1:]) or generation
            words = words[:-1]
        while len(words) > 1 and _is_credential(words[-1]) and (words[-1].isupper() or "." in words[-1]):
            words = words[:-1]
    cut = next((n for n, w in enumerate(words) if w.startswith("\x00")), None)
    words = [w.strip("\x00") for w in words]
    words = [w for w in words if w]
    return _built(" ".join(words), words, cut, generation)


def _capitals(text: str) -> bool:
    return sum(w[:1].isupper() for w in text.split()) > 1 and not any(c.isdigit() for c in text)


def _two_people(text: str, parts: list[str]) -> bool:
    # "Ortega y Gasset" is one family name: the small words join two people only between words that could each be a name
    joint = text[len(parts[0]) :].strip().split()[0].casefold() if text[len(parts[0]) :].split() else ""
    return joint in _JOINS_NAMES or (len(parts[0].split()) == 1 and text != text.casefold())


def _two_in_a_row(text: str) -> bool:
    """Rosa / Oskar Berg; Rosa Berg / Oskar Berg, also with a bar or a comma; what else stands behind those is an employer or a name."""
    return any(mark in text and _two(text.split(mark), short=mark == "/") for mark in "/|,")


def _two(parts: list[str], *, short: bool) -> bool:
    first, *rest = (part.casefold().split() for part in parts)
    if len(rest) != 1 or not all(word.isalpha() for word in (*first, *rest[0])) or _SECTIONS["companies"] & {*rest[0]}:
        return False
    if short and len(first) == 1 and len(rest[0]) == 2:
        return True
    return len(first) > 1 and len(rest[0]) > 1 and not {*first}.isdisjoint(rest[0])


def _stands_in(plain: list[str]) -> bool:
    """Whether a name is that of somebody whom the viewer knows by another one: Rosa mum, mother of Rosa, Rosa Berg assistant."""
    if len(plain) < 2:
        return bool(plain) and plain[0] in _SECTIONS["assistants"]
    of = plain[0] in _SECTIONS["kin"] | _SECTIONS["assistants"] and plain[1] in _SECTIONS["of"]
    return of or (plain[0] not in _SECTIONS["relations"] and plain[-1] in _SECTIONS["spoken_kin"] | _SECTIONS["assistants"])


def _is_credential(word: str) -> bool:
    return word.casefold().strip(".®™") in _SECTIONS["credentials"] or word.casefold() in _SECTIONS["credentials"]


def _generation(words: list[str]) -> Literal["", "YOUNGER", "ELDER"]:
    for word in words:
        plain = word.casefold().strip(".")
        if plain in _SECTIONS["younger"]:
            return "YOUNGER"
        if plain in _SECTIONS["elder"]:
            return "ELDER"
    return ""


def _built(text: str, words: list[str], cut: int | None, generation: Literal["", "YOUNGER", "ELDER"]) -> Name:
    if not words:
        return EMPTY
    written = spelling.script(text)
    if written == "HAN" and len(words) <= 2:
        joined = "".join(words)
        size = 2 if joined[:2] in readings("surnames.txt") else 1
        if len(words) == 2:
            given_first = cut not in (None, 0)
            size = len(words[1 if given_first else 0])
            joined = words[1] + words[0] if given_first else joined
        if len(joined) > size:
            return Name(
                text=text,
                kind="PERSON",
                given=(_han(joined[size:], family=False),),
                family=(_han(joined[:size], family=True),),
                ordered=True,
            )
        return Name(text=text, kind="PERSON", given=(_han(joined, family=joined in readings("surnames.txt")),))
    if written == "HANGUL" and len(words) <= 2:
        joined = "".join(words) if len(words[0]) <= len(words[-1]) else words[-1] + words[0]
        size = 2 if joined[:2] in readings("surnames.txt") else 1
        if 2 < len(joined) <= 5:
            return Name(
                text=text, kind="PERSON", given=(_word(joined[size:]),), family=(_hangul_family(joined[:size]),), ordered=True
            )
        return Name(text=text, kind="PERSON", given=(_word(joined),))
    made = _words(words[:cut] if cut is not None else words)
    last = _words(words[cut:]) if cut is not None else []
    if cut is None:
        made, last = made[:-1] if len(made) > 1 else made, made[-1:] if len(made) > 1 else []
    if not made and not last:
        return EMPTY
    return Name(text=text, kind="PERSON", given=tuple(made), family=tuple(last), generation=generation, ordered=cut is not None)


def _structured(full: str, given: str, family: str) -> Name:
    younger = _generation(full.replace(",", " ").split()[2:])
    if spelling.script(family) == "HAN":
        return Name(
            text=full, kind="PERSON", given=(_han(given, family=False),), family=(_han(family, family=True),), ordered=True
        )
    if spelling.script(family) == "HANGUL":
        return Name(text=full, kind="PERSON", given=(_word(given),), family=(_hangul_family(family),), ordered=True)
    clean = _clean(given).split()
    while len(clean) > 1 and clean[0].casefold().strip(".") in _SECTIONS["titles"]:
        clean = clean[1:]
    tail = [w for w in _clean(family).replace(",", " ").split() if not _is_credential(w) and not _generation([w])]
    return Name(
        text=f"{given} {family}",
        kind="PERSON",
        given=tuple(_words(clean)),
        family=tuple(_words(tail)),
        generation=younger,
        ordered=True,
    )


def _words(words: list[str]) -> list[Word]:
    """Words that count, with particles joined to what follows them or left out."""
    found = []
    n = 0
    while n < len(words):
        word = words[n]
        plain = spelling.latin(word)
        if plain in ("abd", "abdul", "abdel") and n + 1 < len(words):
            following = re.sub(r"^(?:al|el|ul|ur|ar)[-’']?", "", words[n + 1].casefold())
            found.append(_word(f"abdul{following}"))
            n += 2
            continue
        if word == "عبد" and n + 1 < len(words):
            found.append(_word(f"{word}{words[n + 1]}"))
            n += 2
            continue
        if plain in _SECTIONS["particles"] and len(words) > 1 and not (len(plain) == 1 and word.isupper()):
            n += 1
            continue
        if plain or spelling.script(word) != "LATIN":
            found.append(_word(word))
        n += 1
    return found


@lru_cache(100_000)
def _word(word: str) -> Word:
    written = spelling.script(word)
    bare = re.sub(r"^(?:al|el)[-’']|^ال(?=..)", "", word.casefold()) if written in ("LATIN", "VOWELLESS") else word
    text = spelling.latin(bare)
    forms = [spelling.sound(text)] if text else []
    if text.startswith(("abdel", "abder")) and len(text) > 6:
        forms.append(spelling.sound(f"abdu{text[4:]}"))  # the article in the middle, which is said as one likes
    if written == "LATIN" and text.startswith(("al", "el")) and len(text) > 6:
        forms.append(spelling.sound(text[2:]))  # Alhusseini, Elsayed: the article grown onto the name
    if written == "LATIN" and "-" in bare:
        forms += [spelling.sound(part) for piece in bare.split("-") if len(part := spelling.latin(piece)) > 3]
    return Word(text=text, forms=tuple(dict.fromkeys(forms)), native="" if written == "LATIN" else word)


@lru_cache(50_000)
def _han(word: str, *, family: bool) -> Word:
    known = readings("surnames.txt" if family else "given_han.txt").get(word, ())
    syllables = [s.lower() for s in re.findall(r"[A-Z][a-z]*", anyascii(word))]
    mandarin = ["".join(syllables), "".join(map(spelling.wade, syllables))]
    spelled = list(dict.fromkeys([*known, *mandarin]))
    return Word(text=spelled[0] if spelled else "", forms=tuple(dict.fromkeys(map(spelling.sound, spelled))), native=word)


def _hangul_family(word: str) -> Word:
    known = (*readings("surnames.txt").get(word, ()), spelling.latin(word))
    return Word(text=known[0], forms=tuple(dict.fromkeys(map(spelling.sound, known))), native=word)


# --- comparing ----------------------------------------------------------------------------------------------------------------

_NONE, _TYPO, _INITIAL, _PET, _SOUNDS_LIKE, _EQUAL = range(6)


@lru_cache(100_000)
def alike(a: Word, b: Word) -> int:
    """How like two words are: 0 not at all, then a slip of the pen, an initial, a pet form, another spelling, equal."""
    if (a.text and a.text == b.text) or (a.native and a.native == b.native):
        return _EQUAL
    if a.native and b.native and spelling.script(a.native) == spelling.script(b.native) == "HAN":
        return _NONE
    if frozenset((a.text, b.text)) in names_apart():
        return _NONE
    if set(a.forms) & set(b.forms):
        return _SOUNDS_LIKE
    if a.initial or b.initial:
        return _INITIAL if a.text[:1] == b.text[:1] or any(f[:1] == g[:1] for f in a.forms for g in b.forms) else _NONE
    if b.text in pet_forms().get(a.text, ()) or _pet_sound(a, b):
        return _PET
    if "VOWELLESS" in (spelling.script(a.native), spelling.script(b.native)):
        # ch may be the guttural h of Hebrew and Arabic or a k
        both = [[spelling.bones(w.text), spelling.bones(w.text.replace("ch", "h").replace("kh", "h"))] for w in (a, b)]
        return _SOUNDS_LIKE if any(_same_bones(x, y) for x in both[0] for y in both[1]) else _NONE
    if _names_of_their_own(a.text, b.text):
        return _NONE
    across = bool(a.native) != bool(b.native)
    if any(_same_consonants(x, y, across=across) for x in a.forms for y in b.forms):
        return _SOUNDS_LIKE
    if a.text and b.text and _slip(a.text, b.text):
        return _TYPO
    return _NONE


def _names_of_their_own(a: str, b: str) -> bool:
    """Robin and Ruben: two names that both exist are no spellings of each other, however near they sound."""
    return a in pet_forms() and b in pet_forms()


def _pet_sound(a: Word, b: Word) -> bool:
    if not a.native and not b.native and _names_of_their_own(a.text, b.text):
        return False  # both are in the table, which would have said so: Bobby is not Bobbie, nor Ian Jan
    sounds = _pet_sounds()
    least = 1 if a.native or b.native else 4  # Keith is not Kit
    return any(y in sounds.get(x, ()) for x in a.forms for y in b.forms if min(len(x), len(y)) >= least)


@lru_cache(1)
def _pet_sounds() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, others in pet_forms().items():
        found.setdefault(spelling.sound(name.replace(" ", "")), set()).update(spelling.sound(o) for o in others)
    return {name: frozenset(others) for name, others in found.items()}


def _same_bones(x: str, y: str) -> bool:
    return bool(x and y) and (x == y or (min(len(x), len(y)) > 2 and slips(x, y) <= 1))


def _same_consonants(x: str, y: str, *, across: bool) -> bool:
    """Two sounds with the same consonants and nearly the same vowels."""
    one, other = spelling.skeleton(x), spelling.skeleton(y)
    if one != other or len(one) < 2 or (not across and min(len(x), len(y)) < 4):
        return False
    if (x[-1] in "aeiou") != (y[-1] in "aeiou") or (x[-1] != y[-1] and x[-1] in "ao" and y[-1] in "ao"):
        return False  # Daniel and Daniela, Mario and Maria
    u, v = spelling.vowels(x), spelling.vowels(y)
    classes = u.translate(spelling.VOWEL_CLASSES), v.translate(spelling.VOWEL_CLASSES)
    if across:
        return slips(*classes) <= 1
    off = [(p, q) for p, q in zip(u, v, strict=False) if p != q]
    if len(u) != len(v) or len(off) > 1 or ("v" in x) != ("v" in y):
        return False  # Robin and Ruben, Calvin and Colin
    if classes[0] == classes[1]:
        return True
    # Mohamed and Mohamad, yet neither Karsten and Kirsten nor Karim and Karam
    return len(one) + ("v" in x) > 2 and set(off[0]) == {"a", "e"}


def _slip(a: str, b: str) -> bool:
    """One letter left out, doubled, swapped with its neighbour or mistyped, inside a word long enough that it is no other name."""
    if min(len(a), len(b)) < 4 or abs(len(a) - len(b)) > 1 or a[0] != b[0]:
        return False
    if slips(a, b) > 1:
        return False
    if len(a) == len(b):
        off = [n for n, (p, q) in enumerate(zip(a, b, strict=True)) if p != q]
        if len(off) == 1:  # Marion and Marian, Jannis and Jannes are names of their own
            return len(a) >= 7 and off[0] < len(a) - 1 and a[off[0]] not in "aeiou" and b[off[0]] not in "aeiou"
        return (a[-1] == "a") == (b[-1] == "a")  # Kristian and Kristina
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[:-1] != shorter  # Daniel and Daniela


@lru_cache(100_000)
def compare(a: Name, b: Name) -> Likeness:
    """Whether two names can be one person's."""
    if a.kind != "PERSON" or b.kind != "PERSON":
        return Likeness.SILENT
    if a.generation and b.generation and a.generation != b.generation:
        return Likeness.CONTRADICTS
    one, other = (a, b) if len(a.words) <= len(b.words) else (b, a)
    if len(one.words) == 1:
        return _single(one.words[0], other)
    pairs = _matched(one.words, other.words)
    grades = [grade for _, _, grade in pairs]
    unmatched = [w for n, w in enumerate(one.words) if n not in {i for i, _, _ in pairs}]
    left = [w for n, w in enumerate(other.words) if n not in {j for _, j, _ in pairs}]
    if not unmatched:
        if not any(g not in (_INITIAL,) for g in grades):
            return Likeness.COMPATIBLE
        if all(g == _EQUAL for g in grades):
            return Likeness.SAME
        if any(g in (_INITIAL, _PET) for g in grades):
            return Likeness.COMPATIBLE if _INITIAL in grades else Likeness.AGREES
        return Likeness.AGREES
    if not pairs:
        opaque = any(not w.forms for w in (*one.words, *other.words))
        return Likeness.UNSURE if opaque else Likeness.CONTRADICTS
    return _half(one, other, pairs, unmatched, left)


def _single(word: Word, other: Name) -> Likeness:
    best = max((alike(word, w) for w in other.words), default=_NONE)
    if len(other.words) == 1:
        if best == _NONE:
            return (
                Likeness.UNSURE
                if word.initial or other.words[0].initial or not (word.forms and other.words[0].forms)
                else Likeness.CONTRADICTS
            )
        return Likeness.SAME if best == _EQUAL else Likeness.AGREES if best > _INITIAL else Likeness.COMPATIBLE
    # an initial is no more of Audrey's than of Aino's
    return Likeness.COMPATIBLE if best > _INITIAL or (best and word.initial) else Likeness.UNSURE


def _matched(one: tuple[Word, ...], other: tuple[Word, ...]) -> list[tuple[int, int, int]]:
    """The pairing of words with the best grades, each word once."""
    found = sorted(((alike(a, b), -abs(i - j), i, j) for i, a in enumerate(one) for j, b in enumerate(other)), reverse=True)
    pairs, left, right = [], set(), set()
    for grade, _, i, j in found:
        if grade and i not in left and j not in right:
            pairs.append((i, j, grade))
            left.add(i)
            right.add(j)
    return pairs


def _half(one: Name, other: Name, pairs: list[tuple[int, int, int]], unmatched: list[Word], left: list[Word]) -> Likeness:
    """Some words are common and each name has a word that the other lacks."""
    if all(w.initial for w in unmatched) and all(w.initial for w in left) and len(pairs) >= 2:
        return Likeness.CONTRADICTS  # John A. and John B.
    if len(pairs) >= 2 and not any(w.initial for w in (*unmatched, *left)):
        strong = [p for p in pairs if p[2] >= _PET]
        if len(strong) >= 2:
            return Likeness.COMPATIBLE  # a second given name against a second family name
    if any(not w.forms for w in (*unmatched, *left)):
        return Likeness.COMPATIBLE if pairs else Likeness.UNSURE
    first = max((g for i, j, g in pairs if i == j == 0 and one.given and other.given), default=_NONE)
    if first >= _PET:
        return Likeness.PARTLY if first > _PET and _married(one, other) else Likeness.UNSURE
    return Likeness.CONTRADICTS


def _married(one: Name, other: Name) -> bool:
    """Whether two names whose first words are alike may be one person's before and after a wedding. Who spells the first word another
    way and has a family name of another sound may as well be somebody else (Carl Berg, Karl Holm), unless script or umlaut (Jürgen,
    Juergen) spell it."""
    first, second = one.words[0], other.words[0]
    if spelling.script(first.native) != spelling.script(second.native):
        return True
    if first.native == second.native and _UMLAUTS.sub(r"\1", first.text) == _UMLAUTS.sub(r"\1", second.text):
        return True
    return any(similarity(a.text, b.text) >= NEARLY for a in one.words[1:] for b in other.words[1:])


def _like_words(a: Name, b: Name) -> bool:
    return sorted(w.text for w in a.words) == sorted(w.text for w in b.words)


def folded(name: Name) -> str:
    """The words of a name in an order that does not depend on how it is written."""
    return " ".join(sorted(w.text or fold(w.native) for w in name.words))
