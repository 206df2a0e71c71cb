"""Who looks like somebody else: addresses, handles and names made to be taken for another's, as a glance would take them.

A text is brought to its skeleton (Unicode Technical Standard #39 §4, for what is confused with Latin letters and digits) and to what a
hasty reader sees in it (`rn` for `m`, `1` for `l`). Two that differ and have one skeleton are a strong likeness: nobody picks such a
name by chance. A word put before or behind (`-support`, `_official`), or another ending of a domain, is a weak one, which people also
have by themselves. Pure; knows nothing of who is known better, nor of what scores count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import product
from typing import Final, Literal

import msgspec

from providers import records
from resolvers.identity.mailboxes import Mailbox, free_hosts, mailbox, parts, readable, site
from resolvers.identity.names import Likeness, Name, compare, parse
from resolvers.identity.spelled_alike import slips
from resolvers.identity.tables import text

Kind = Literal["NAME", "HANDLE", "DOMAIN"]
Manner = Literal["LETTERS", "FORGED", "SLIP", "ADDED", "ENDING", "SAME"]
STRONG: Final = frozenset({"LETTERS", "FORGED", "SLIP"})
MAX_TEXTS: Final = 30  # of one kind that one person is looked at by
# what is put before or behind to pass for somebody, or for somebody's office
AFFIXES: Final = (
    "official", "support", "helpdesk", "help", "real", "the", "team", "office", "ceo", "private", "work", "finance", "personal", "secure",
    "security", "verified", "verify", "account", "accounts", "billing", "payments", "mail", "email", "home", "new", "hq", "desk", "group",
    "online", "login", "service", "services", "x",
)  # fmt: skip
_BARE: Final = 3  # letters that must be left of a name without what was put to it
_GLANCE: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "3": "e", "5": "s"})
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_LINKS: Final = str.maketrans("", "", "-_.")
_GENERIC: Final = frozenset({"com", "co", "org", "net", "ac", "gov", "edu", "or", "ne", "www", "mail"})


class Bearing(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is known by."""

    names: tuple[Name, ...] = ()
    boxes: tuple[Mailbox, ...] = ()
    handles: tuple[tuple[str, str], ...] = ()  # (network, handle)


class Disguise(msgspec.Struct, frozen=True, kw_only=True):
    """In what two people are alike: `left` and `right` are the texts, in the order in which the people were given. FORGED is one text by
    itself; the other one, that of whoever has only their name in common with it, is empty."""

    kind: Kind
    manner: Manner
    left: str
    right: str

    @property
    def strong(self) -> bool:
        """Whether nobody has it by chance."""
        return self.manner in STRONG

    def turned(self) -> Disguise:
        """The same, the other way round."""
        return msgspec.structs.replace(self, left=self.right, right=self.left)


def bearing(cards: Iterable[records.Contact]) -> Bearing:
    """What the contacts of a person make them known by."""
    names: dict[str, Name] = {}
    boxes: dict[str, Mailbox] = {}
    handles: dict[tuple[str, str], None] = {}
    for card in cards:
        for said in card.names:
            names.update({n.text: n for n in parse(said.full, said.given or "", said.family or "") if n.kind == "PERSON"})
        for email in card.emails:
            box = mailbox(email.address or "")
            if box is not None and box.owner == "PERSON":
                boxes.setdefault(f"{box.local}@{box.domain}", box)
        for handle in card.handles:
            if not handle.claimed:
                handles[handle.provider, readable(handle.handle.casefold().lstrip("@"))] = None
    return Bearing(
        names=tuple(names[key] for key in sorted(names)[:MAX_TEXTS]),
        boxes=tuple(boxes[key] for key in sorted(boxes)[:MAX_TEXTS]),
        handles=tuple(sorted(handles)[:MAX_TEXTS]),
    )


# --- what somebody sees at a glance ----------------------------------------------------------------------------------------------


@cache
def _prototypes() -> dict[int, str]:
    found: dict[int, str] = {}
    for line in text("confusables.txt").splitlines():
        if not line.startswith("#"):
            ours, *theirs = line.split()
            found.update({ord(other): ours for other in theirs})
    return found


@lru_cache(100_000)
def skeleton(written: str) -> str:
    """What a text looks like: in our letters where it has others that look so, without marks, in lower case."""
    plain = unicodedata.normalize("NFKC", written).translate(_prototypes()).casefold().translate(_prototypes())
    marked = unicodedata.normalize("NFD", plain)
    seen = "".join(c for c in marked if unicodedata.category(c) not in ("Mn", "Cf")).translate(_GLANCE)
    for two, one in _PAIRS:
        seen = seen.replace(two, one)
    return seen


@cache
def _affixes() -> tuple[str, ...]:
    return tuple(sorted({skeleton(word) for word in AFFIXES}, key=lambda a: (-len(a), a)))


@lru_cache(100_000)
def bared(written: str) -> str:
    """The skeleton of a user name or a domain's own word without what may have been put to it, or a number behind."""
    plain = _plain(written)
    for word in AFFIXES:  # before letters are taken for others: a number before the word is no part of the name either
        if plain.endswith(word) and len(plain) - len(word) >= _BARE:
            return skeleton(_plain(plain.removesuffix(word))).translate(_LINKS)
    seen = skeleton(plain).translate(_LINKS)
    for affix in _affixes():
        if seen.endswith(affix) and len(seen) - len(affix) >= _BARE:
            return seen.removesuffix(affix)
        if seen.startswith(affix) and len(seen) - len(affix) >= _BARE:
            return seen.removeprefix(affix)
    return seen


def _plain(written: str) -> str:
    kept = written.casefold().strip("-_.")
    return kept.rstrip("0123456789").strip("-_.") or kept


@lru_cache(100_000)
def _shape(name: Name) -> str:
    """The skeleton of a full name, its words in any order; empty where there is only one."""
    words = skeleton(name.text).split()
    return " ".join(sorted(words)) if len(words) > 1 else ""


def _words_of(domain: str) -> list[str]:
    """The words of a domain that somebody chose: not its ending, nor `co` and the like before it."""
    labels = domain.split(".")[:-1]
    return [label for label in labels if label not in _GENERIC] or labels[-1:]


# --- who is to be held against whom ----------------------------------------------------------------------------------------------


def clues(one: Bearing) -> set[str]:
    """The keys by which those who may look alike meet: whoever looks like somebody shares one with them."""
    found = {f"name {shape}" for name in one.names if (shape := _shape(name))}
    for box in one.boxes:
        local = bared(box.local)
        if len(local) > 4:
            found.add(f"local {local}")
        found |= {f"domain {local} {bared(word)}" for word in _words_of(box.domain)}
        found |= {
            f"seen {skeleton(box.local)} {skeleton(word)}" for word in _words_of(box.domain)
        }  # where the others are a crowd's
        # a slip in a domain leaves its beginning or its end as it was
        found |= {f"near {local} {part}" for word in _words_of(box.domain) if len(word) > 5 for part in (word[:4], word[-4:])}
    for network, handle in one.handles:
        user, _, _ = handle.partition("@")
        found |= {f"handle {network} {bared(user)}", f"user {network} {skeleton(user)}"}
    return found


# --- what they are alike in ------------------------------------------------------------------------------------------------------


def disguise(one: Bearing, other: Bearing) -> Disguise | None:
    """The strongest likeness of two people; None where they are not alike, or are plainly two people."""
    named = _named(one.names, other.names)
    if named is False:
        return None
    found = [*_letters_of_names(one, other)]
    for box, theirs in product(one.boxes, other.boxes):
        found += _boxes(box, theirs, named=named is True)
    if named:
        for (network, handle), (where, name) in product(one.handles, other.handles):
            if network == where and handle != name:
                found += _handles(handle, name)
            elif network != where and handle == name and skeleton(network) == skeleton(where):
                found.append(Disguise(kind="DOMAIN", manner="LETTERS", left=f"{network}:{handle}", right=f"{where}:{name}"))
        found += _namesakes(one, other)
        found += _forged(one, other)
        found += [seen.turned() for seen in _forged(other, one)]
    return min(found, key=lambda d: (_ORDER.index(d.manner), d.kind, d.left, d.right), default=None)


_ORDER: Final[tuple[Manner, ...]] = ("LETTERS", "FORGED", "SLIP", "ADDED", "ENDING", "SAME")


def _named(ours: Sequence[Name], theirs: Sequence[Name]) -> bool | None:
    """Whether they go by one name; None where at least one of them has none that says anything."""
    if not ours or not theirs:
        return None
    if {_shape(n) for n in ours} & {_shape(n) for n in theirs} - {""}:
        return True
    best = max(compare(a, b) for a, b in product(ours, theirs))
    return best >= Likeness.COMPATIBLE if best not in (Likeness.SILENT, Likeness.UNSURE) else None


def _letters_of_names(one: Bearing, other: Bearing) -> Iterator[Disguise]:
    for ours, theirs in product(one.names, other.names):
        if _shape(ours) and _shape(ours) == _shape(theirs) and mixed(ours.text) != mixed(theirs.text):
            yield Disguise(kind="NAME", manner="LETTERS", left=ours.text, right=theirs.text)


@lru_cache(100_000)
def mixed(written: str) -> bool:
    """Whether one word has letters of ours beside others that only look like ours (UTS #39 §5.1): no language writes so."""
    for word in written.split():
        ours = any(c.isascii() and c.isalpha() for c in word)
        if ours and any(ord(c) in _prototypes() and not unicodedata.name(c, "").startswith("LATIN") for c in word):
            return True
    return False


def _boxes(one: Mailbox, other: Mailbox, *, named: bool) -> Iterator[Disguise]:
    left, right = f"{one.local}@{one.domain}", f"{other.local}@{other.domain}"
    if left == right or one.key == other.key:
        return
    same_local = skeleton(one.local) == skeleton(other.local)
    near_local = same_local or bared(one.local) == bared(other.local)
    if one.domain == other.domain or site(one.domain) == site(other.domain):
        if not named or one.local.translate(_LINKS) == other.local.translate(_LINKS):
            return
        if same_local:
            yield Disguise(kind="HANDLE", manner="LETTERS", left=left, right=right)
        elif near_local and len(bared(one.local)) > _BARE:
            yield Disguise(kind="HANDLE", manner="ADDED", left=left, right=right)
        return
    if near_local and (manner := _domains(one.domain, other.domain, free=one.free and other.free)) is not None:
        if named or (one.local == other.local and (manner in STRONG or len(parts(one.local)) > 1)):
            yield Disguise(kind="DOMAIN", manner=manner, left=left, right=right)
    elif named and not same_local and len(bared(one.local)) > 4 and _lengthened(one.local, other.local):
        yield Disguise(kind="HANDLE", manner="ADDED", left=left, right=right)


def _lengthened(one: str, other: str) -> bool:
    """Whether a word, and not only a number, was put to one of two user names."""
    plain = sorted((skeleton(u.rstrip("0123456789")).translate(_LINKS) for u in (one, other)), key=len)
    return plain[0] != plain[1] and bared(one) == bared(other) and plain[0] in plain[1]


@lru_cache(100_000)
def _domains(one: str, other: str, *, free: bool) -> Manner | None:
    """How two domains look alike. Hosts that give addresses to anybody are no disguise of one another."""
    if free:
        return None
    if skeleton(one) == skeleton(other):
        return "LETTERS"
    short, long = sorted((one, other), key=len)
    if long.startswith(f"{short}."):
        return "LETTERS"  # nimbus.example.co: the whole of the other stands before
    if any(label == short.replace(".", "-") for label in long.split(".")):
        return "LETTERS"  # nimbus-example.test
    if short in _without_a_word(long):
        return "ADDED"
    ours, theirs = _words_of(one), _words_of(other)
    if ours[-1] == theirs[-1] and len(ours) == len(theirs):
        return "ENDING"
    for a, b in product(ours, theirs):
        if a != b and skeleton(a).translate(_LINKS) == skeleton(b).translate(_LINKS):
            return "LETTERS"
        if a != b and min(len(a), len(b)) > 5 and slips(skeleton(a), skeleton(b)) == 1 and _ending(one) == _ending(other):
            return "SLIP"
        if a != b and len(bared(a)) > _BARE and bared(a) == bared(b):
            return "ADDED"
    return None


def _without_a_word(domain: str) -> tuple[str, ...]:
    """What a domain is without a word put to its first label by a stroke: web.de for mail-web.de and web-mail.de."""
    label, dot, rest = domain.partition(".")
    words = label.split("-")
    if len(words) != 2:
        return ()
    return tuple(f"{kept}{dot}{rest}" for kept, put in (words, words[::-1]) if put in AFFIXES)


def _forged(one: Bearing, other: Bearing) -> Iterator[Disguise]:
    """The addresses of one that are forged whoever else has which, where both go by one full name."""
    if {_shape(n) for n in one.names}.isdisjoint({_shape(n) for n in other.names} - {""}):
        return
    for box in one.boxes:
        if any(mixed(part) for part in (box.local, *box.domain.split("."))):
            yield Disguise(kind="HANDLE", manner="FORGED", left=f"{box.local}@{box.domain}", right="")
        elif not box.free and imitates_a_host(box.domain):
            yield Disguise(kind="DOMAIN", manner="FORGED", left=f"{box.local}@{box.domain}", right="")


@lru_cache(20_000)
def imitates_a_host(domain: str) -> bool:
    """Whether a domain is made to be taken for one of those that give addresses to anybody: gmai1.com, gmail.com.co, mail-gmx.de."""
    hosts = free_hosts()
    if _free_skeletons().get(skeleton(domain), domain) != domain or not hosts.isdisjoint(_without_a_word(domain)):
        return True
    labels = domain.split(".")
    # some of them have the countries below their name: yahoo.com.ar
    return any(
        ".".join(labels[:n]) in hosts and not (labels[0] in _COUNTRIES_BELOW and len(labels[-1]) == 2)
        for n in range(2, len(labels))
    )


@cache
def _free_skeletons() -> dict[str, str]:
    return {skeleton(host): host for host in sorted(free_hosts())}


_COUNTRIES_BELOW: Final = frozenset({"yahoo", "hotmail", "outlook", "live", "msn", "uol", "terra", "tim"})


def _ending(domain: str) -> str:
    return domain.rpartition(".")[2]


def _handles(one: str, other: str) -> Iterator[Disguise]:
    ours, _, here = one.partition("@")
    theirs, _, there = other.partition("@")
    if here != there:
        # one user name on two servers of a network is mostly one person; not where one server passes for the other
        if ours == theirs and (manner := _domains(here, there, free=False)) is not None:
            yield Disguise(kind="DOMAIN", manner=manner, left=one, right=other)
        return
    if skeleton(ours) == skeleton(theirs):
        yield Disguise(kind="HANDLE", manner="LETTERS", left=one, right=other)
    elif len(bared(ours)) > _BARE and bared(ours) == bared(theirs):
        yield Disguise(kind="HANDLE", manner="ADDED", left=one, right=other)


def _namesakes(one: Bearing, other: Bearing) -> Iterator[Disguise]:
    for ours, theirs in product(one.names, other.names):
        if _shape(ours) and _shape(ours) == _shape(theirs):
            yield Disguise(kind="NAME", manner="SAME", left=ours.text, right=theirs.text)
