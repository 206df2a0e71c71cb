"""Groups as what they say together: the unit in which suggestions are made, since two groups are compared by all that each knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any, Final, TypeVar

import msgspec

from resolvers.identity.cards import Facts
from resolvers.identity.mailboxes import stem
from resolvers.identity.names import Name
from resolvers.identity.vetoes import spoken

T = TypeVar("T")
_PROFILE_KINDS: Final = frozenset({"CONNECTION", "MEMBER", "FOLLOWER", "FOLLOWING"})
# what people put around a user name that is taken
_PREFIXES: Final = ("the", "real", "its", "iam", "mr", "mrs", "dr", "official", "hey", "just")
_SUFFIXES: Final = (
    "official",
    "codes",
    "code",
    "dev",
    "irl",
    "real",
    "tweets",
    "writes",
    "hq",
    "xx",
    "x",
    "online",
    "art",
    "photo",
    "music",
)


class Whole(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All that the contacts of one group say."""

    label: str
    members: tuple[str, ...]
    names: tuple[Name, ...]
    tokens: frozenset[str]  # sounds of the words of the names that are written out
    keys: frozenset[str]  # each full name by its words' first sounds, order-free
    private: frozenset[tuple[str, str]]
    common: frozenset[tuple[str, str]]  # values that are no proof: fixed lines, roles
    claims: frozenset[tuple[str, str]]
    locals: frozenset[str]
    addresses: frozenset[tuple[str, str]]  # (local part, domain) as written
    users: frozenset[tuple[str, str]]
    stems: frozenset[str]
    employers: frozenset[str]
    streets: frozenset[str]
    cities: frozenset[str]
    birthdays: frozenset[str]
    photos: frozenset[str]  # digests of those without a look
    looks: frozenset[str]
    books: frozenset[str]  # accounts whose address book has a card
    networks: frozenset[str]  # networks of which a profile is here
    kinds: frozenset[str]
    nobody: bool
    named: bool


def whole(members: Iterable[Facts]) -> Whole:
    """What a group says together."""
    cards = sorted(members, key=lambda f: f.id)
    names = tuple(dict.fromkeys(n for f in cards for n in f.names)) or tuple(dict.fromkeys(n for f in cards for n in spoken(f)))
    values = [v for f in cards for v in f.values]
    boxes = [b for f in cards for b in f.mailboxes if b.owner == "PERSON"]
    users = _set(u for f in cards for u in f.users if u[0] not in ("facebook", "slack", "whatsapp") and not u[1].isdigit())
    locals_ = _set(b.local for b in boxes)
    return Whole(
        label=cards[0].id,
        members=tuple(f.id for f in cards),
        names=names,
        tokens=_set(form for n in names for w in n.words if not w.initial for form in w.forms[:3]),
        keys=_set(key for n in names for key in full_keys(n)),
        private=_set((v.kind, v.key) for v in values if v.private and v.basis != "CLAIMED"),
        common=_set((v.kind, v.key) for v in values if not v.private and v.basis != "CLAIMED"),
        claims=_set((v.kind, v.key) for v in values if v.basis == "CLAIMED"),
        locals=locals_,
        addresses=_set((b.local, b.domain) for b in boxes),
        users=users,
        stems=_set(
            s
            for text in (*locals_, *(u for _, u in users))
            if len(s := bare(stem(text.partition(".")[0] if text not in locals_ else text))) > 3
        ),
        employers=_set(e for f in cards for e in f.employers),
        streets=_set(s for f in cards for s in f.streets),
        cities=_set(c for f in cards for c in f.cities),
        birthdays=_set(f.birthday for f in cards if f.birthday),
        photos=_set(f.photo for f in cards if f.photo),
        looks=_set(f.look for f in cards if f.look),
        books=_set(f.account for f in cards if f.kind == "ADDRESS_BOOK" and f.account),
        networks=_set(f.network for f in cards if f.kind in _PROFILE_KINDS),
        kinds=_set(f.kind for f in cards),
        nobody=any(f.nobody for f in cards),
        named=any(f.names for f in cards),
    )


_EMPTY: Final[frozenset[Any]] = frozenset()


def _set(values: Iterable[T]) -> frozenset[T]:
    """Most sets of most people are empty: these are all one."""
    return frozenset(values) or _EMPTY


def wholes(facts: Mapping[str, Facts], groups: Iterable[tuple[str, ...]]) -> list[Whole]:
    """Each group as a whole, in order of labels."""
    return [whole(facts[contact_id] for contact_id in group) for group in groups]


@lru_cache(100_000)
def full_keys(name: Name) -> tuple[str, ...]:
    """The pairs of sounds by which a full name is found, however its words are ordered."""
    words = [w for w in name.words if not w.initial and w.forms]
    if len(words) < 2:
        return ()
    return tuple(dict.fromkeys(
        "+".join(sorted((x, y))) for a, b in combinations(words[:4], 2) for x in a.forms[:3] for y in b.forms[:3]
    ))  # fmt: skip


@lru_cache(100_000)
def bare(user: str) -> str:
    """A user name without what was put around it because the bare one was taken."""
    for prefix in _PREFIXES:
        if user.startswith(prefix) and len(user) - len(prefix) > 4:
            user = user[len(prefix) :]
            break
    for suffix in _SUFFIXES:
        if user.endswith(suffix) and len(user) - len(suffix) > 4:
            return user[: -len(suffix)]
    return user
