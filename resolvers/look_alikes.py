"""People who look like others and are kept apart: in what they are alike, which of the two seems to pose as the other, and that in words.

Who is the impostor follows from how the viewer knows them: whom they wrote down, confirmed or wrote to goes before whoever only turned up.
A strong likeness (identity/disguises.py) is always suspicious; a weak one only where somebody whom the viewer does not know wears it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity.disguises import STRONG
from resolvers.loaders import load
from resolvers.operation import Operation
from store.among import among, asked
from store.tables import contact, exchange, look_alike, person

MAX_SHOWN: Final = 20
_L: Final = look_alike.c
_PAIRS: Final = sa.union(*(select(look_alike).where(among(side)) for side in (_L.left_id, _L.right_id)))
_NAMES: Final = select(person.c.id, person.c.name, person.c.born).where(among(person.c.id), person.c.redirect_to.is_(None))
_KNOWN: Final = select(contact.c.person_id, contact.c.relation).where(among(contact.c.person_id)).distinct()
_WRITTEN: Final = (
    select(contact.c.person_id, sa.func.sum(exchange.c.outbound).label("out"), sa.func.sum(exchange.c.inbound).label("in_"))
    .select_from(contact)
    .join(exchange, sa.and_(exchange.c.viewer_id == contact.c.viewer_id, exchange.c.contact_id == contact.c.id))
    .where(among(contact.c.person_id))
    .group_by(contact.c.person_id)
)
_RANK: Final = {"ADDRESS_BOOK": 0, "CONNECTION": 1, "PROFILE": 1, "FOLLOWING": 3, "MEMBER": 3}
_STRANGE: Final = 2  # from this rank on the viewer has not said that they know them
_HOW: Final = {
    "LETTERS": "only looks like", "SLIP": "is a letter away from", "ADDED": "adds something to", "ENDING": "has another ending than",
}  # fmt: skip


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How well the viewer knows somebody."""

    name: str
    rank: int
    outbound: int
    inbound: int
    born: int


class LookAlike(msgspec.Struct, frozen=True, kw_only=True):
    """A person who looks like another."""

    person_id: str
    likeness: str
    sentence: str
    suspicious: bool
    impostor_id: str | None


async def of_person(operation: Operation, person_id: str) -> list[LookAlike]:
    """Whom somebody looks like, suspicious ones first; read together with the others that the operation asks for."""
    return await load(operation, of_people, person_id) or []


async def impersonated(operation: Operation, person_id: str) -> LookAlike | None:
    """Whom somebody seems to pose as."""
    return next((one for one in await of_person(operation, person_id) if one.impostor_id == person_id), None)


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[LookAlike]]:
    """The look-alikes of each person; four statements however many."""
    rows = conn.execute(_PAIRS, asked(viewer, person_ids)).all()
    standings = _standings(conn, viewer, {i for row in rows for i in (row.left_id, row.right_id)})
    found: dict[str, list[LookAlike]] = {person_id: [] for person_id in person_ids}
    for row in rows:
        if standings.keys() >= {row.left_id, row.right_id}:
            impostor = _impostor(row, standings)
            for me, other in ((row.left_id, row.right_id), (row.right_id, row.left_id)):
                if me in found:
                    found[me].append(_shown(row, me, other, impostor, standings))
    return {
        i: sorted(each, key=lambda one: (not one.suspicious, one.likeness == "NAME", one.person_id))[:MAX_SHOWN]
        for i, each in found.items()
    }


def _standings(conn: Connection, viewer: str, person_ids: Collection[str]) -> dict[str, Standing]:
    asked_for = asked(viewer, person_ids)
    ranks: dict[str, int] = {}
    for person_id, relation in conn.execute(_KNOWN, asked_for):
        ranks[person_id] = min(ranks.get(person_id, 9), _RANK.get(relation, 4))
    written = {row.person_id: (int(row.out), int(row.in_)) for row in conn.execute(_WRITTEN, asked_for)}
    found: dict[str, Standing] = {}
    for row in conn.execute(_NAMES, asked_for).all():
        out, in_ = written.get(row.id, (0, 0))
        rank = ranks.get(row.id, 9)
        found[row.id] = Standing(
            name=row.name, rank=min(rank, _STRANGE) if out else rank, outbound=out, inbound=in_, born=row.born
        )
    return found


def _impostor(row: Any, standings: Mapping[str, Standing]) -> str | None:
    """Which of a pair seems to pose as the other; None where neither does."""
    if row.manner == "SAME":
        return None
    left, right = standings[row.left_id], standings[row.right_id]
    if row.manner == "FORGED":
        forger, other = (row.left_id, row.right_id) if row.left else (row.right_id, row.left_id)
        return forger if standings[forger].rank >= _STRANGE and standings[other].rank <= standings[forger].rank else None
    texts = {row.left_id: row.left, row.right_id: row.right}
    worse: str = max(
        (row.left_id, row.right_id),
        key=lambda i: (
            standings[i].rank, not standings[i].outbound, _odd(texts[i]), -standings[i].inbound, standings[i].born, i,
        ),
    )  # fmt: skip
    if row.manner == "LETTERS":
        return worse
    known = left.rank < _STRANGE and right.rank < _STRANGE
    if row.manner in STRONG:
        return None if known else worse
    better = right if worse == row.left_id else left
    strange = standings[worse].rank >= _STRANGE and not standings[worse].outbound
    return worse if strange and (better.rank, -better.outbound) < (standings[worse].rank, 0) else None


def _odd(text: str) -> tuple[bool, int, int]:
    """How much a text looks made: letters of another script, digits among letters, length."""
    return not text.isascii(), sum(c.isdigit() for c in text), len(text)


def _shown(row: Any, me: str, other: str, impostor: str | None, standings: Mapping[str, Standing]) -> LookAlike:
    mine, theirs = (row.left, row.right) if me == row.left_id else (row.right, row.left)
    name = standings[other].name
    if row.manner == "SAME":
        sentence = f"Both are called {mine}; the same name alone joins nobody."
    elif row.manner == "FORGED":
        sentence = _forged(mine or theirs, name, posing=impostor == me, known=impostor is None)
    elif impostor == me:
        sentence = f"{_spelled(mine)} {_HOW[row.manner]} {theirs}, by which you know {name}: whoever this is may pose as them."
    elif impostor == other:
        sentence = f"{_spelled(theirs)} {_HOW[row.manner]} {mine}: {name} may pose as this person, and is kept apart."
    else:
        sentence = f"{mine} and {theirs} are much alike; that alone joins nobody."
    return LookAlike(person_id=other, likeness=row.kind, sentence=sentence, suspicious=impostor is not None, impostor_id=impostor)


def _forged(text: str, name: str, *, posing: bool, known: bool) -> str:
    made = f"{_spelled(text)} looks made to deceive"
    if known:
        return f"{made}; the same name alone joins nobody."
    if posing:
        return f"{made} and bears the name of somebody you know, {name}: whoever this is may pose as them."
    return f"{made} and bears this name: {name} may pose as this person, and is kept apart."


def _spelled(text: str) -> str:
    """A text with the letters of other scripts named in it: on a screen they cannot be told."""
    strange = [c for c in dict.fromkeys(text) if not c.isascii() and not unicodedata.name(c, "").startswith("LATIN")]
    named = ", ".join(unicodedata.name(c, f"U+{ord(c):04X}").lower() for c in strange[:3])
    return f"{text} (with {named})" if named and any(c.isascii() and c.isalpha() for c in text) else text
