"""What speaks for and against two groups being one person, as numbers. Which of them counts how much is learnt (`weights.json`)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from anyascii import anyascii

from resolvers.identity.looks import bands, near
from resolvers.identity.mailboxes import site, speaks_for
from resolvers.identity.names import Likeness, Name, compare
from resolvers.identity.spelled_alike import similarity, slips
from resolvers.identity.vetoes import birthdays_differ, birthdays_far
from resolvers.identity.wholes import Whole

NAMES: Final = (
    "bias", "same", "agrees", "compatible", "single", "partly", "unsure", "silent", "contradicts", "rarity", "namesakes",
    "employer", "employer_rarity", "employer_differs", "employer_same", "stem", "stem_rarity", "stem_near", "user_says_name",
    "says_initial", "says_word", "local_equal", "photo", "photo_rarity", "birthday", "birthday_differs", "street", "city",
    "city_differs", "value_shared", "line_shared", "role_shared", "claim", "claim_mail", "network_twice", "book_twice",
    "phones_differ", "nobody", "lookalike", "lookalike_same_name", "mail_only", "unnamed", "size", "same_rare",
    "same_employer_rare", "same_stem", "same_city", "initial_employer", "generation", "both_mail",
)  # fmt: skip
MAX_WEARERS: Final = 6  # groups that show a picture, of which more are a logo's or a default's and say nothing
INDEX: Final = {name: n for n, name in enumerate(NAMES)}


class Frequencies:
    """How often each word, employer, user name and picture occurs among the groups: what is rare says more."""

    def __init__(self, wholes: Iterable[Whole]) -> None:
        self.tokens: Counter[str] = Counter()
        self.full: Counter[str] = Counter()
        self.employers: Counter[str] = Counter()
        self.stems: Counter[str] = Counter()
        self.photos: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self.total = 0
        self._by_band: dict[str, set[str]] | None = None
        for one in wholes:
            self.add(one, 1)

    def add(self, one: Whole, step: int) -> None:
        """Count a group in (1) or out (-1)."""
        self.total += step
        self._by_band = None
        for counter, keys in (
            (self.tokens, one.tokens), (self.full, one.keys), (self.employers, one.employers), (self.stems, one.stems), (self.photos, one.photos),
            (self.looks, one.looks),
        ):  # fmt: skip
            for key in keys:
                counter[key] += step

    def wearers(self, one: str, other: str) -> int:
        """How many groups show what looks nearly like one of these: a logo comes in many sizes."""
        if self._by_band is None:
            self._by_band = {}
            for look in self.looks:
                for band in bands(look):
                    self._by_band.setdefault(band, set()).add(look)
        known = {look for band in (*bands(one), *bands(other)) for look in self._by_band.get(band, ())}
        return sum(self.looks[look] for look in known if near(look, one) or near(look, other))

    def rarity(self, counter: Mapping[str, int], key: str) -> float:
        """The log of one in how many groups has it."""
        return math.log((self.total + 1) / (counter.get(key, 0) + 1))


def features(a: Whole, b: Whole, seen: Frequencies) -> list[float]:
    """The numbers of one pair, in the order of NAMES; the same whichever of the two comes first."""
    f = [0.0] * len(NAMES)
    f[0] = 1.0
    grade, pair = best_names(a.names, b.names)
    _names(f, grade, pair, a, b, seen)
    same = grade >= Likeness.AGREES
    _work(f, a, b, seen, same=same, initial=grade == Likeness.COMPATIBLE)
    _users(f, a, b, seen, same=same)
    _pictures(f, a, b, seen)
    _life(f, a, b, same=same)
    _values(f, a, b)
    _against(f, a, b, same=same)
    return f


@lru_cache(100_000)
def best_names(ours: tuple[Name, ...], theirs: tuple[Name, ...]) -> tuple[Likeness, tuple[Name, Name] | None]:
    """The best likeness among two groups' names, and which names have it."""
    best, pair = Likeness.SILENT if not ours or not theirs else Likeness.CONTRADICTS, None
    for x in ours:
        for y in theirs:
            grade = compare(x, y)
            if (
                pair is None
                or grade > best
                or (grade == best and len(x.words) + len(y.words) > len(pair[0].words) + len(pair[1].words))
            ):
                best, pair = grade, (x, y)
    return best, pair


def _set(f: list[float], name: str, value: float = 1.0) -> None:
    f[INDEX[name]] = value


def _names(f: list[float], grade: Likeness, pair: tuple[Name, Name] | None, a: Whole, b: Whole, seen: Frequencies) -> None:
    single = pair is not None and min(len(pair[0].words), len(pair[1].words)) == 1
    if grade >= Likeness.COMPATIBLE and single:
        _set(f, "single")
    else:
        _set(f, grade.name.lower())
    if not (a.named and b.named):
        _set(f, "unnamed")
    if pair is None:
        return
    common = a.tokens & b.tokens
    rare = sum(sorted((seen.rarity(seen.tokens, t) for t in common), reverse=True)[:3])
    if not common and grade >= Likeness.COMPATIBLE:
        rare = 2.0
    _set(f, "rarity", rare / 10)
    if grade >= Likeness.AGREES and not single:
        keys = (a.keys & b.keys) or (a.keys | b.keys)
        wearers = min((seen.full.get(k, 0) for k in keys), default=0)
        _set(f, "namesakes", math.log(1 + max(0, wearers - 2)))
        _set(f, "same_rare", (rare / 10) ** 2)
    if {n.generation for n in a.names if n.generation} != {n.generation for n in b.names if n.generation}:
        _set(f, "generation")


def _work(f: list[float], a: Whole, b: Whole, seen: Frequencies, *, same: bool, initial: bool) -> None:
    common = a.employers & b.employers
    if common:
        rare = max(seen.rarity(seen.employers, e) for e in common)
        _set(f, "employer")
        _set(f, "employer_rarity", rare / 5)
        if same:
            _set(f, "employer_same")
            _set(f, "same_employer_rare", f[INDEX["rarity"]])
        if initial:
            _set(f, "initial_employer")
    elif a.employers and b.employers:
        near = any(_near_employer(x, y) for x in a.employers for y in b.employers)
        _set(f, "employer" if near else "employer_differs")


def _near_employer(x: str, y: str) -> bool:
    return min(len(x), len(y)) > 4 and (x.startswith(y) or y.startswith(x) or slips(x, y) <= 1)


def _users(f: list[float], a: Whole, b: Whole, seen: Frequencies, *, same: bool) -> None:
    common = a.stems & b.stems
    if common:
        _set(f, "stem")
        _set(f, "stem_rarity", max(seen.rarity(seen.stems, s) * min(len(s), 14) for s in common) / 100)
        if same:
            _set(f, "same_stem")
    elif a.stems and b.stems:
        near = max(_near_stem(x, y) for x in a.stems for y in b.stems)
        _set(f, "stem_near", near)
    if a.locals & b.locals:
        _set(f, "local_equal")
    said = max(_says(a, b), _says(b, a))
    if said == 3:
        _set(f, "user_says_name")
    elif said == 2:
        _set(f, "says_initial")
    elif said == 1:
        _set(f, "says_word")


@lru_cache(100_000)
def _near_stem(x: str, y: str) -> float:
    if min(len(x), len(y)) < 5:
        return 0.0
    shared = 0
    for p, q in zip(x, y, strict=False):
        if p != q:
            break
        shared += 1
    if shared >= 6:
        return min(shared, 12) / 12
    return 0.7 if similarity(x, y) > 0.93 else 0.0


def _says(a: Whole, b: Whole) -> int:
    texts = [*a.locals, *(u for _, u in a.users)]
    return max((speaks_for(text, n) for text in texts for n in b.names), default=0)


def _pictures(f: list[float], a: Whole, b: Whole, seen: Frequencies) -> None:
    if not (a.photos and b.photos) and not (a.looks and b.looks):
        return
    wearers = [seen.photos.get(p, 0) for p in a.photos & b.photos]
    wearers += [seen.wearers(x, y) for x in a.looks for y in b.looks if near(x, y)]
    if wearers and min(wearers) <= MAX_WEARERS:
        _set(f, "photo")
        _set(f, "photo_rarity", 1 / max(1, min(wearers) - 1))


def _life(f: list[float], a: Whole, b: Whole, *, same: bool) -> None:
    if a.birthdays and b.birthdays:
        if not any(birthdays_differ(x, y) for x in a.birthdays for y in b.birthdays):
            _set(f, "birthday")
        elif any(birthdays_far(x, y) for x in a.birthdays for y in b.birthdays):
            _set(f, "birthday_differs")
    if a.streets & b.streets:
        _set(f, "street")
    if a.cities and b.cities:
        met = bool(a.cities & b.cities)
        _set(f, "city" if met else "city_differs")
        if met and same:
            _set(f, "same_city")


def _values(f: list[float], a: Whole, b: Whole) -> None:
    for kind, _ in a.private & b.private:
        _set(f, "value_shared", f[INDEX["value_shared"]] + (1.0 if kind != "PHONE" else 0.8))
    for kind, _ in a.common & b.common:
        _set(f, "line_shared" if kind == "PHONE" else "role_shared")
    for one, other in ((a, b), (b, a)):
        for kind, _ in one.claims & other.private:
            _set(f, "claim_mail" if kind == "EMAIL" else "claim")


def _against(f: list[float], a: Whole, b: Whole, *, same: bool) -> None:
    _set(f, "network_twice", float(len(a.networks & b.networks)))
    _set(f, "book_twice", float(len(a.books & b.books)))
    ours, theirs = ({k for k, _ in w.private} for w in (a, b))
    if "PHONE" in ours & theirs:
        _set(f, "phones_differ")
    if "EMAIL" in ours & theirs:
        _set(f, "both_mail")
    _set(f, "nobody", float(a.nobody or b.nobody))
    _set(f, "mail_only", float(a.kinds == b.kinds == {"CORRESPONDENT"}))
    _set(f, "size", math.log(min(len(a.members), len(b.members))) + math.log(max(len(a.members), len(b.members))) / 2)
    if look_alikes(a, b):
        _set(f, "lookalike")
        if same:
            _set(f, "lookalike_same_name")


def look_alikes(a: Whole, b: Whole) -> list[tuple[str, str]]:
    """Addresses and handles that only look alike: what somebody would choose who wants to be taken for the other."""
    found = []
    for local, domain in sorted(a.addresses):
        for other, place in sorted(b.addresses):
            if (local, domain) != (other, place) and _look_alike(local, domain, other, place):
                found.append((f"{local}@{domain}", f"{other}@{place}"))
    for network, user in sorted(a.users):
        for theirs, name in sorted(b.users):
            if network == theirs and user != name and _confusable(user, name):
                found.append((f"{network}:{user}", f"{network}:{name}"))
    return found


@lru_cache(100_000)
def _look_alike(local: str, domain: str, other: str, place: str) -> bool:
    if local == other:
        if site(domain) == site(place):
            return False
        one, two = sorted((domain, place), key=len)
        return (
            _confusable(domain, place)
            or two.startswith(f"{one}.")
            or (two.endswith(one) and len(two) - len(one) <= 12 and len(one) > 6)
        )
    if domain == place:
        return local.replace(".", "") != other.replace(".", "") and _confusable(local, other)
    one, two = sorted((local, other), key=len)
    return len(one) > 4 and two.startswith(one) and two[len(one) :].strip("._-") in _POSTS


_POSTS: Final = frozenset(
    {"ceo", "office", "private", "work", "real", "official", "finance", "personal", "secure", "mail", "home", "new"}
)
# letters that are taken for one another (Unicode UTS #39 has the long list; anyascii brings other scripts to Latin)
_CONFUSED: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "3": "e", "5": "s", "|": "l"})


@lru_cache(100_000)
def _confusable(one: str, other: str) -> bool:
    """Whether two different texts look alike at a glance."""
    shapes = []
    for text in (one, other):
        plain = anyascii(text).lower().translate(_CONFUSED)
        shapes.append(plain.replace("rn", "m").replace("vv", "w").replace("-", "").replace("_", "").replace(".", ""))
    if shapes[0] == shapes[1]:
        return True
    if min(map(len, shapes)) < 6:
        return False
    longer, shorter = sorted(shapes, key=len, reverse=True)
    return (
        (longer.startswith(shorter) and longer[len(shorter) :].strip("0123456789") in {"", "x", "real", *_POSTS})
        or longer.removeprefix("real") == shorter
        or longer.removeprefix("x") == shorter
    )
