"""Re-evaluate what changed: the contacts marked dirty, everybody they may belong with, and nothing else.

A step is: read the component of some dirty contacts (by strong keys, by present people, by what the viewer joined and by what the open
web proves, to closure),
compute its groups outside any transaction, and write them only if the facts read are still the facts. The order of steps does
not matter. What the viewer decides is carried out at once by the same means (`carry_out`), inside the transaction that says it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import decisions, memory, pairing, webs
from resolvers.identity.cards import Address
from resolvers.identity.clusters import MAX_CARRIERS, Fact, Partition, partition
from resolvers.identity.decisions import By, Said
from resolvers.identity.keys import Key
from resolvers.identity.people import regroup
from store import leases, locks, pairs
from store.among import VIEWER, among, asked
from store.database import Database
from store.feed import Recorder
from store.tables import contact, contact_key, dirty, evidence

STEP: Final = 200  # dirty contacts a step begins with
MAX_TRIES: Final = 20
CROWD: Final = MAX_CARRIERS * 4  # more than so many carry a value: it joins nobody
_k: Final = contact_key.c
_NEXT: Final = (
    select(dirty.c.contact_id).where(dirty.c.viewer_id == VIEWER).order_by(dirty.c.contact_id)
    .limit(sa.bindparam("step", type_=sa.Integer))
)  # fmt: skip
_DONE: Final = sa.delete(dirty).where(among(dirty.c.contact_id))
_mine: Final = contact.alias("mine")
# whoever has these contacts, with all that they have: of a contact that is nobody's there is none
_MEMBERS: Final = select(
    contact.c.id, contact.c.born, contact.c.minted_id, contact.c.person_id, contact.c.fingerprint, contact.c.record, contact.c.relation,
    contact.c.account_id,
).where(
    contact.c.viewer_id == VIEWER, contact.c.person_id.in_(select(_mine.c.person_id).where(among(_mine.c.id)))
)  # fmt: skip
_LOCKED: Final = (
    select(contact.c.id, contact.c.fingerprint, contact.c.person_id)
    .where(among(contact.c.id))
    .order_by(contact.c.id)
    .with_for_update()
)
_KEYS: Final = select(contact_key).where(among(_k.contact_id))
# of addresses and numbers only those that prove something count; `strong` is read along: of what the primary key has by itself SQLite
# would walk through all of a viewer's
_CARRIED: Final = sa.and_(among(_k.value), _k.kind == sa.bindparam("kind"))
_CARRIERS: Final = {
    proving: select(_k.contact_id, _k.strong).where(_CARRIED, _k.strong if proving else sa.true()) for proving in (True, False)
}
_FIRST: Final = {proving: carriers.limit(CROWD + 1) for proving, carriers in _CARRIERS.items()}
_CROWDS: Final = {
    proving: carriers.with_only_columns(_k.value).group_by(_k.value).having(sa.func.count() > CROWD)
    for proving, carriers in _CARRIERS.items()
}
_WHOSE: Final = select(contact.c.person_id).where(among(contact.c.id))


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about some contacts and everybody they may belong with."""

    dirty: tuple[str, ...]
    facts: tuple[Fact, ...]
    minted: dict[str, str]
    current: dict[str, str]
    prints: dict[str, bytes]
    crowded: frozenset[tuple[str, str]] = frozenset()  # values that too many carry
    known: frozenset[str] = frozenset()  # every contact that was looked at, also such as are nobody's
    said: Said = Said()
    web: webs.Web = webs.Web()

    def present(self) -> dict[str, tuple[bytes, str]]:
        """What each contact is, as its row says."""
        return {c: (self.prints[c], self.current[c]) for c in self.prints}

    def groups(self) -> Partition:
        """Who is one person."""
        leads = dict(self.said.leads)
        leading = {c: leads[person_id] for c, person_id in self.minted.items() if person_id in leads}
        return partition(self.facts, self.crowded, self.said.decisions, leading, self.web.open(self.crowded))


async def resolve(database: Database, viewer: str, now: datetime, *, step: int = STEP) -> int:
    """Work off all dirty contacts of a viewer; returns how many were looked at. Raises nothing but the database's errors."""
    seen = 0
    tries = 0
    while True:
        component = await database.read(viewer, read_component, step)
        if not component.dirty:
            return seen
        groups = component.groups()
        if await database.write_behind(viewer, write_groups, component, groups, now):
            seen += len(component.dirty)
            memory.compared(len(component.dirty))
            tries = 0
            if len(component.dirty) < step:
                return seen  # those were all; whoever marks others meanwhile asks for another run
        else:
            tries += 1  # somebody wrote meanwhile: read again
            if tries >= MAX_TRIES:
                return seen


def read_component(conn: Connection, viewer: str, step: int) -> Component:
    """The next dirty contacts with their component, in one snapshot."""
    begin = tuple(conn.execute(_NEXT, {"viewer": viewer, "step": step}).scalars())
    if not begin:
        return Component(dirty=(), facts=(), minted={}, current={}, prints={})
    return read_around(conn, viewer, begin)


def read_around(conn: Connection, viewer: str, begin: Collection[str]) -> Component:
    """Some contacts with everybody they may belong with."""
    known: set[str] = set()
    said = Said()
    keys: dict[str, list[Key]] = {}
    rows: dict[str, Any] = {}
    frontier, unheard = set(begin), set[str]()
    values_seen: set[tuple[str, str]] = set()
    crowded: set[tuple[str, str]] = set()
    reader = webs.Reader(conn, viewer)
    while frontier:
        if strangers := frontier - rows.keys():
            rows.update((row.id, row) for row in conn.execute(_MEMBERS, asked(viewer, strangers)))
        fresh = (frontier | rows.keys()) - known
        known |= fresh
        unheard |= fresh
        fresh_keys = _keys(conn, viewer, fresh)
        keys.update(fresh_keys)
        values: set[tuple[str, str]] = {(k.kind, k.value) for found in fresh_keys.values() for k in found if _counts(k)}
        values = (values | reader.follow(values)) - values_seen
        values_seen |= values
        frontier = _carriers(conn, viewer, values, crowded) - known
        if not frontier:  # of all of them at once: few people are decided about
            heard = decisions.said_of(conn, viewer, unheard)
            unheard = set()
            said = decisions.both(said, heard)
            frontier = heard.joined() - known
    members = [rows[contact_id] for contact_id in sorted(rows)]
    web = reader.read()
    tied = web.around(crowded)
    facts = tuple(_fact(row, own := keys.get(row.id, []), webs.carried(row, own, tied)) for row in members)
    return Component(
        dirty=tuple(begin),
        facts=facts,
        minted={r.id: r.minted_id for r in members},
        current={r.id: r.person_id for r in members},
        prints={r.id: r.fingerprint for r in members},
        crowded=frozenset(crowded),
        known=frozenset(known),
        said=said,
        web=web,
    )


def carry_out(
    conn: Connection, viewer: str, begin: Collection[str], recorder: Recorder, now: datetime, by: By | None = None
) -> None:
    """Group some contacts and everybody they may belong with anew, at once: after a decision about them, or before some of them go. Lock
    them first."""
    component = read_around(conn, viewer, begin)
    _locked(conn, viewer, component)
    again = regroup(conn, viewer, component.groups(), component.minted, component.current, recorder, now, by)
    pairs.mark(conn, viewer, again | _people(conn, viewer, begin if by is None else by.contacts))
    leases.enqueue(conn, viewer, "identity", viewer, now)  # whom they look like now is looked for behind the answer


def lock(conn: Connection, viewer: str, contact_ids: Collection[str]) -> set[str]:
    """Keep what is known of these contacts, and of whoever they may belong with, from being changed by others; returns them all.

    Whoever writes people takes their turn first (`locks.people`), then the rows of contacts, and the head of the feed last.
    """
    for _ in range(MAX_TRIES):
        component = read_around(conn, viewer, set(contact_ids))
        if _locked(conn, viewer, component) == component.present():
            break  # no sync wrote between reading and locking
    return set(component.prints)


def _locked(conn: Connection, viewer: str, component: Component) -> dict[str, tuple[bytes, str]]:
    """What the contacts of a component are now, kept from changing until the transaction ends."""
    return {r.id: (r.fingerprint, r.person_id) for r in conn.execute(_LOCKED, asked(viewer, component.prints))}


def write_groups(conn: Connection, viewer: str, component: Component, groups: Partition, now: datetime) -> bool:
    """Write the groups if nothing that they rest on has changed since; False when something has."""
    locks.people(conn, viewer)
    if _locked(conn, viewer, component) != component.present():
        return False
    if decisions.said_of(conn, viewer, component.known) != component.said or not component.web.still(conn, viewer):
        return False
    recorder = Recorder(now, origin="IDENTITY")
    again = regroup(conn, viewer, groups, component.minted, component.current, recorder, now)
    looked_at = set(component.dirty)
    again |= {component.minted[group[0]] for group in groups.groups if not looked_at.isdisjoint(group)}
    pairing.look_again(conn, viewer, again)
    conn.execute(_DONE, asked(viewer, component.dirty))
    recorder.flush(conn, viewer)
    return True


class _Said(msgspec.Struct):
    """The part of a contact's record that identity reads besides its keys."""

    names: list[_Name] = []
    dates: list[records.PartialDate] = []


class _Name(msgspec.Struct):
    full: str


_decode = msgspec.msgpack.Decoder(_Said).decode


def _fact(row: Any, keys: Sequence[Key], addresses: tuple[Address, ...]) -> Fact:
    said = _decode(row.record)
    return Fact(
        contact_id=row.id, born=row.born, names=tuple(n.full for n in said.names), keys=tuple(sorted(keys)), relation=row.relation,
        account_id=row.account_id, birthday=next((day for d in said.dates if (day := _birthday(d))), ""),
        addresses=addresses,
    )  # fmt: skip


def _birthday(date: records.PartialDate) -> str:
    if date.label != "birthday" or date.month is None or date.day is None:
        return ""
    return f"{'-' if date.year is None else f'{date.year:04d}'}-{date.month:02d}-{date.day:02d}"


def _counts(key: Key) -> bool:
    """Whether contacts must be decided together because they carry this: proof, and links, which may be returned."""
    return key.strong or key.kind in ("URL", "HANDLE")


def _keys(conn: Connection, viewer: str, contact_ids: Collection[str]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for row in conn.execute(_KEYS, asked(viewer, contact_ids)):
        found.setdefault(row.contact_id, []).append(Key(row.kind, row.value, row.strong, row.source))
    return found


def _carriers(conn: Connection, viewer: str, values: Collection[tuple[str, str]], crowded: set[tuple[str, str]]) -> set[str]:
    """Who carries these; what too many carry is added to `crowded`, and of these only those are walked whom it has joined."""
    found: set[str] = set()
    by_kind: dict[str, set[str]] = {}
    for kind, value in values:
        by_kind.setdefault(kind, set()).add(value)
    for kind, wanted in sorted(by_kind.items()):
        proving = kind in ("EMAIL", "PHONE")
        first = conn.execute(_FIRST[proving], asked(viewer, wanted, kind=kind)).scalars().all()
        if len(first) <= CROWD:
            found.update(first)  # so few that none of the values can be a crowd's
            continue
        crowds = set(conn.execute(_CROWDS[proving], asked(viewer, wanted, kind=kind)).scalars())
        crowded.update((kind, value) for value in crowds)
        found |= _joined_by(conn, viewer, kind, crowds)
        found.update(conn.execute(_CARRIERS[proving], asked(viewer, wanted - crowds, kind=kind)).scalars())
    return found


def _joined_by(conn: Connection, viewer: str, kind: str, values: Collection[str]) -> set[str]:
    """Whom these values joined while few carried them: they fall apart now, unless something else holds them together."""
    e = evidence.c
    told = sa.or_(sa.and_(e.kind == kind, e.value.in_(sorted(values))), e.detail.in_(sorted(values)))
    rows = conn.execute(select(e.left_id, e.right_id).where(e.viewer_id == viewer, told))
    return {contact_id for row in rows for contact_id in row}


def _people(conn: Connection, viewer: str, contact_ids: Collection[str]) -> set[str]:
    return set(conn.execute(_WHOSE, asked(viewer, contact_ids)).scalars()) - {None}
