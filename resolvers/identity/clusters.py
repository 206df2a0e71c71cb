"""Groups of contacts as the store keeps them: the engine's answer (`grouping.py`) for contacts with stored keys, and what to write.

A value is proof only while those who carry it can be one person: as soon as two of them have names that contradict, or too many
carry it, it is a shared mailbox or a switchboard, joins nobody, and what it had joined falls apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from resolvers.identity import addresses, profiles, proof
from resolvers.identity.cards import (
    Address,
    Basis,
    CardName,
    Facts,
    Kind,
    Value,
    ValueKind,
    birthday,
    names_of,
    nobody_of,
    relations_of,
)
from resolvers.identity.grouping import Groups, group
from resolvers.identity.keys import Key
from resolvers.identity.mailboxes import mailbox
from resolvers.identity.ties import Tie
from resolvers.identity.verdicts import Decisions

MAX_CARRIERS: Final = proof.MAX_USERS  # more contacts than this with one value: nobody's own
# log-odds that two contacts with this in common are one person; frozen with the release
WEIGHTS: Final[dict[str, float]] = {"EMAIL": 9.2, "PHONE": 8.1, "HANDLE": 11.5, "URL": 7.6, "LINKED": 7.6, "VOUCHED": 7.6}
SHARED_WEIGHT: Final = 0.4

KINDS: Final[dict[str, Kind]] = {
    "CONNECTION": "CONNECTION", "MEMBER": "MEMBER", "FOLLOWER": "FOLLOWER", "FOLLOWING": "FOLLOWING", "CORRESPONDENT": "CORRESPONDENT",
    "ATTENDEE": "CORRESPONDENT", "PROFILE": "MEMBER",
}  # fmt: skip
# what an address or number on a record is worth when nothing more is said of it
_BASES: Final[dict[Kind, Basis]] = {
    "ADDRESS_BOOK": "WRITTEN", "CONNECTION": "CHECKED", "MEMBER": "CHECKED", "CORRESPONDENT": "USED", "FOLLOWER": "CLAIMED",
    "FOLLOWING": "CLAIMED",
}  # fmt: skip
_SOURCES: Final[dict[str, Basis]] = {"own": "OWN", "written": "WRITTEN", "verified": "CHECKED", "claimed": "CLAIMED"}


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What identity may know of a contact. `born` orders contacts by arrival, ties by id."""

    contact_id: str
    born: int
    names: tuple[str, ...]
    keys: tuple[Key, ...]
    relation: str = "ADDRESS_BOOK"
    account_id: str = ""
    birthday: str = ""
    addresses: tuple[Address, ...] = ()


class Edge(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Why two contacts belong together (or why that is not enough, when `shared`).

    `detail` is the other link where two profiles name each other. What the open web proves is LINKED where all of it is said from both
    sides, else VOUCHED; `value` is then the address at which it begins, `detail` are those that follow, separated by spaces.
    """

    left: str
    right: str
    kind: str
    value: str
    shared: bool
    weight: float
    detail: str | None = None
    seen_at: datetime | None = None


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of contact ids, each in order of birth but for one that leads, and the edges within groups."""

    groups: tuple[tuple[str, ...], ...]
    edges: tuple[Edge, ...]


def partition(
    facts: Iterable[Fact],
    crowded: Collection[tuple[str, str]] = (),
    said: Decisions | None = None,
    leads: Mapping[str, int] | None = None,
    ties: Iterable[Tie] = (),
) -> Partition:
    """The groups that follow from `facts`, from what the viewer said and from what the open web proves (`ties`), oldest group first.

    (kind, value) in `crowded` are carried by too many to count. The contacts in `leads` go before older ones, the highest first.
    """
    known = {fact.contact_id: fact for fact in facts}
    found = group({contact_id: _read(fact, crowded) for contact_id, fact in sorted(known.items())}, said, ties)
    leading = leads or {}

    def age(contact_id: str) -> tuple[int, str]:
        return known[contact_id].born, contact_id

    def place(contact_id: str) -> tuple[int, int, str]:
        return -leading.get(contact_id, 0), *age(contact_id)

    groups = sorted((tuple(sorted(members, key=place)) for members in found.groups), key=lambda g: min(map(age, g)))
    return Partition(groups=tuple(groups), edges=_once([*map(_joining, found.edges), *_shared(found, groups)]))


def _read(fact: Fact, crowded: Collection[tuple[str, str]]) -> Facts:
    kind = KINDS.get(fact.relation, "ADDRESS_BOOK")
    values, boxes = [], []
    for key in fact.keys:
        if (key.kind, key.value) in crowded:
            continue
        if key.kind in ("EMAIL", "PHONE"):
            if not key.strong:
                continue  # a role's or a house's: said once and for all of the value, and proof to nobody
            box = mailbox(key.value) if key.kind == "EMAIL" else None
            if box is not None:
                boxes.append(box)
            basis = _SOURCES[key.source] if key.source != "claimed" else _BASES[kind]
            private = box is None or (box.owner == "PERSON" and not box.disposable)
            values.append(Value(_value_kind(key), key.value, basis, private, "MOBILE" if key.kind == "PHONE" else ""))
        else:
            values.append(Value("PROFILE", f"{key.kind} {key.value}", _SOURCES[key.source], _one_persons(key), key.kind))
    written = tuple(CardName(full=name) for name in fact.names)
    names = names_of(written, kind, boxes)
    return Facts(
        id=fact.contact_id, account=fact.account_id, network="", kind=kind, names=tuple(n for n in names if n.kind == "PERSON"),
        values=tuple(sorted(values)), mailboxes=tuple(boxes), users=(), employers=(), streets=(), cities=(), birthday=birthday(fact.birthday),
        photo="", relations=relations_of(names),
        nobody=nobody_of(kind, names, boxes, has_phone=any(k.kind == "PHONE" for k in fact.keys), written=written),
        addresses=fact.addresses,
    )  # fmt: skip


def _value_kind(key: Key) -> ValueKind:
    return "EMAIL" if key.kind == "EMAIL" else "PHONE"


def _one_persons(key: Key) -> bool:
    """Whether the page itself is one person's: a profile of a network is, a site may be a company's."""
    if key.kind == "HANDLE":
        return True
    profile = profiles.of_url(f"https://{key.value}")
    return profile is not None and bool(profile.network)


def _joining(edge: proof.Edge) -> Edge:
    if edge.path is not None:
        kind = "VOUCHED" if edge.path.vouched else "LINKED"
        # told from a site to an account, whichever contact is which
        keys = min(edge.path.keys, edge.path.keys[::-1], key=lambda k: (addresses.is_account(k[0]), k))
        return Edge(
            left=edge.left, right=edge.right, kind=kind, value=keys[0], shared=False, weight=WEIGHTS[kind],
            detail=" ".join(keys[1:]), seen_at=edge.path.seen_at,
        )  # fmt: skip
    if edge.kind in ("EMAIL", "PHONE"):
        return Edge(left=edge.left, right=edge.right, kind=edge.kind, value=edge.value, shared=False, weight=WEIGHTS[edge.kind])
    value, _, back = edge.value.partition(" URL ") if edge.kind == "LINKS" else (edge.value, "", "")
    kind, _, value = value.partition(" ")
    return Edge(left=edge.left, right=edge.right, kind=kind, value=value, shared=False, weight=WEIGHTS[kind], detail=back or None)


def _once(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Each value once between two contacts: that one is the other's page goes before that they name each other."""
    kept: dict[tuple[str, str, str, str], Edge] = {}
    for edge in sorted(edges, key=lambda e: (e.shared, e.detail is not None)):
        kept.setdefault((edge.left, edge.right, edge.kind, edge.value), edge)
    return tuple(kept[key] for key in sorted(kept))


def _shared(found: Groups, groups: Sequence[tuple[str, ...]]) -> Iterable[Edge]:
    """What those of one group have in common although it joins nobody: a star from the oldest."""
    place = {contact_id: (n, k) for n, members in enumerate(groups) for k, contact_id in enumerate(members)}
    joined = {(edge.kind, edge.value, edge.left, edge.right) for edge in found.edges}
    for one in found.shared:
        if one.kind == "PROFILE":
            continue
        first: dict[int, str] = {}
        for contact_id in sorted(one.users, key=place.__getitem__):
            oldest = first.setdefault(place[contact_id][0], contact_id)
            left, right = sorted((oldest, contact_id))
            if oldest != contact_id and (one.kind, one.value, left, right) not in joined:
                yield Edge(left=left, right=right, kind=one.kind, value=one.value, shared=True, weight=SHARED_WEIGHT)
