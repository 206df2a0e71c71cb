"""Contacts as they are shown: one record of one account, its values each with the record itself as their source."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import vcard_writing
from resolvers import freshness, group_cards, paging, sources, web
from resolvers import projection as facts
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order, Position
from store import search_index
from store.tables import contact
from store.words import fold

MAX_GROUPS: Final = 100  # that are shown of a contact
MAX_MATCHES = 1_000  # people and contacts that a text filter can find
_VERSION_4: Final = re.compile(r"^VERSION:4\.0\s*$", re.MULTILINE | re.IGNORECASE)
_decode = msgspec.msgpack.Decoder(records.Contact).decode


class ContactGroup(msgspec.Struct, frozen=True):
    """A group of the record's address book; the name is its key."""

    key: str
    name: str


class ContactFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which contacts; what is None does not count."""

    text: str | None = None
    account_ids: list[str] | None = None
    relations: list[str] | None = None
    updated_after: datetime | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A contact; `record` is what the source holds (of a LIVE account name and identifiers only)."""

    id: str
    version: int | None
    account_id: str
    person_id: str | None
    etag: str | None
    seen_at: datetime
    photo_hash: str | None
    record: records.Contact

    @property
    def relation(self) -> str:
        return self.record.relation

    @property
    def names(self) -> list[facts.SourcedName]:
        return [
            facts.SourcedName(
                full=n.full,
                prefix=n.prefix,
                given=n.given,
                middle=n.middle,
                family=n.family,
                suffix=n.suffix,
                nickname=n.nickname,
                phonetic=n.phonetic,
                sources=self._source(),
                preferred=at == 0,
            )
            for at, n in enumerate(self.record.names)
        ]

    @property
    def emails(self) -> list[facts.SourcedEmail]:
        best = _best(self.record.emails)
        return [
            facts.SourcedEmail(
                raw=e.raw,
                address=e.address,
                label=e.label,
                verified=e.verified,
                sources=self._source(e.verified),
                preferred=at == best,
            )
            for at, e in enumerate(self.record.emails)
        ]

    @property
    def phones(self) -> list[facts.SourcedPhone]:
        best = _best(self.record.phones)
        return [
            facts.SourcedPhone(
                raw=p.raw,
                number=p.number,
                extension=p.extension,
                label=p.label,
                verified=p.verified,
                sources=self._source(p.verified),
                preferred=at == best,
            )
            for at, p in enumerate(self.record.phones)
        ]

    @property
    def urls(self) -> list[facts.SourcedUrl]:
        shown = [u for u in self.record.urls if web.safe(u.url)]
        return [
            facts.SourcedUrl(url=u.url, label=u.label, sources=self._source(u.verified), preferred=at == 0)
            for at, u in enumerate(shown)
        ]

    @property
    def organizations(self) -> list[facts.SourcedOrganization]:
        return [
            facts.SourcedOrganization(
                name=o.name, department=o.department, title=o.title, sources=self._source(), preferred=at == 0
            )
            for at, o in enumerate(self.record.organizations)
        ]

    @property
    def addresses(self) -> list[facts.SourcedAddress]:
        return [
            facts.SourcedAddress(
                formatted=a.formatted,
                street=a.street,
                locality=a.locality,
                region=a.region,
                postal_code=a.postal_code,
                country=a.country,
                label=a.label,
                sources=self._source(),
                preferred=at == 0,
            )
            for at, a in enumerate(self.record.addresses)
        ]

    @property
    def dates(self) -> list[facts.SourcedDate]:
        return [
            facts.SourcedDate(year=d.year, month=d.month, day=d.day, label=d.label, sources=self._source(), preferred=at == 0)
            for at, d in enumerate(self.record.dates)
        ]

    @property
    def bio(self) -> facts.SourcedText | None:
        if self.record.bio is None:
            return None
        return facts.SourcedText(value=self.record.bio, sources=self._source(), preferred=True)

    @property
    def note(self) -> str | None:
        return self.record.note

    @property
    def languages(self) -> tuple[str, ...]:
        return self.record.languages

    @property
    def followers(self) -> int | None:
        return self.record.followers

    @property
    def following(self) -> int | None:
        return self.record.following

    @property
    def url(self) -> str | None:
        return web.safe(self.record.url)

    @property
    def provider_created_at(self) -> datetime | None:
        return self.record.created_at

    @property
    def provider_updated_at(self) -> datetime | None:
        return self.record.updated_at

    @property
    def vcard(self) -> str:
        """The card as it came when it came as 4.0, else the record written as one."""
        card = self.record.vcard
        return card if card is not None and _VERSION_4.search(card) else vcard_writing.written(self.record)

    def _source(self, verified: bool = False) -> tuple[facts.Source, ...]:
        return (facts.Source(account_id=self.account_id, contact_id=self.id, as_of=self.seen_at, verified=verified),)


def _best(values: Sequence[records.Email | records.Phone]) -> int:
    """Which of a record's own values is shown first: the one it prefers, else the first."""
    return next((at for at, value in enumerate(values) if value.preferred), 0)


def of_row(row: Any) -> Contact:
    """The contact of a row; raises MsgspecError when what is stored is damaged."""
    return Contact(
        id=row.id,
        version=row.version,
        account_id=row.account_id,
        person_id=row.person_id,
        etag=row.etag,
        seen_at=row.updated_at,
        photo_hash=row.photo_hash,
        record=_decode(row.record),
    )


def by_id(conn: Connection, viewer: str, contact_ids: Sequence[str]) -> dict[str, Any]:
    """Contacts by id; a damaged one is an error in its place."""
    rows = conn.execute(select(contact).where(contact.c.viewer_id == viewer, contact.c.id.in_(contact_ids)))
    return {row.id: paging.readable(row, of_row) for row in rows}


def get(operation: Operation, contact_id: str) -> Awaitable[Contact | None]:
    """One contact, loaded together with the others that the operation asks for."""
    return load(operation, by_id, contact_id)


async def groups(operation: Operation, shown: Contact) -> list[ContactGroup]:
    """The groups that its record names, and those whose cards name it."""
    found = {name: ContactGroup(name, name) for name in shown.record.groups}
    for card in await group_cards.of(operation, shown.account_id, shown.record.uid):
        found.setdefault(card.name, ContactGroup(card.key, card.name))
    return [*found.values()][:MAX_GROUPS]


def members(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Any]]:
    """The rows of the contacts of each person, oldest first."""
    rows = conn.execute(
        select(contact)
        .where(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .order_by(contact.c.born, contact.c.id)
    )
    found: dict[str, list[Any]] = {person_id: [] for person_id in person_ids}
    for row in rows:
        found[row.person_id].append(row)
    return found


async def of_person(operation: Operation, person_id: str, ask: Ask) -> Listing:
    """The records that a person is made of, oldest first. All people of a page are read at once."""
    scope = paging.bound("person.contacts", person_id)
    rows = await load(operation, members, person_id) or []
    size = ask.size
    after = (-1, "") if ask.after is None else paging.position(operation, scope, ask.after, tuple[int, str])
    rest = [row for row in rows if (row.born, row.id) > after]

    async def count() -> int:
        return len(rows)

    answered = await freshness.stored(operation, sources.Freshness(), frozenset(row.account_id for row in rows))
    cut = paging.Cut(rest[:size], has_next=len(rest) > size, has_previous=ask.after is not None)
    return paging.listing(operation, scope, cut, key=lambda row: (row.born, row.id), node=of_row, count=count, answered=answered)


async def page(operation: Operation, ask: Ask, where: ContactFilter, fresh: sources.Freshness) -> Listing:
    """Contacts of all accounts, by name."""
    order = Order((contact.c.sort_name, contact.c.id))
    scope = paging.bound("contacts", where)
    accounts = None if where.account_ids is None else frozenset(where.account_ids)
    answered = await freshness.stored(operation, fresh, accounts)

    def read(conn: Connection, viewer: str, after: Position | None) -> paging.Cut:
        return paging.cut(conn, _wanted(conn, viewer, where), order, ask.size, after=after)

    def count(conn: Connection, viewer: str) -> int:
        rows = _wanted(conn, viewer, where).subquery()
        return int(conn.execute(select(sa.func.count()).select_from(rows)).scalar_one())

    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[str, str])
    return paging.listing(
        operation,
        scope,
        await operation.read(read, after),
        key=lambda row: (row.sort_name, row.id),
        node=of_row,
        count=lambda: operation.read(count),
        answered=answered,
    )


def _wanted(conn: Connection, viewer: str, where: ContactFilter) -> sa.Select[Any]:
    query = select(contact).where(contact.c.viewer_id == viewer)
    if where.account_ids is not None:
        query = query.where(contact.c.account_id.in_(where.account_ids))
    if where.relations is not None:
        query = query.where(contact.c.relation.in_(where.relations))
    if where.updated_after is not None:
        query = query.where(contact.c.updated_at > where.updated_after)
    if where.text is not None and where.text.strip():
        # a person's document holds the words of all its contacts; the record decides below which of them it was
        people = [hit.node_id for hit in search_index.match(conn, viewer, where.text, kinds=("PERSON",), limit=MAX_MATCHES)]
        rows = conn.execute(
            select(contact.c.id, contact.c.record).where(contact.c.viewer_id == viewer, contact.c.person_id.in_(people))
        )
        words = fold(where.text).split()
        query = query.where(contact.c.id.in_([row.id for row in rows if _holds(row.record, words)]))
    return query


def _holds(record: bytes, words: Sequence[str]) -> bool:
    """Whether names, addresses or organisations of the record hold every word, as a beginning."""
    try:
        c = _decode(record)
    except msgspec.MsgspecError:
        return False
    values = [n.full for n in c.names] + [e.raw for e in c.emails] + [p.raw for p in c.phones] + [h.handle for h in c.handles]
    values += [f"{o.name} {o.title or ''}" for o in c.organizations]
    there = fold(" ".join(values)).split()
    return all(any(have.startswith(word) for have in there) for word in words)
