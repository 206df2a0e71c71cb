"""People as they are shown: the stored projection with what hangs on it, found by any identifier, listed in any stored order.

The id of a person that was joined with another leads to the survivor everywhere but in the change feed (`exactly`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import freshness, messages, paging, sources, web
from resolvers.conversation_filter import flagged
from resolvers.conversations import contacts_of
from resolvers.disagreeing import Conflict, conflicts
from resolvers.identity.keys import normalise_url
from resolvers.loaders import load
from resolvers.messages import Message
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order, Position
from resolvers.projection import (
    Projection,
    SourcedAddress,
    SourcedDate,
    SourcedEmail,
    SourcedName,
    SourcedOrganization,
    SourcedPhone,
    SourcedText,
    SourcedUrl,
)
from resolvers.refusals import Refusal
from store import circles, ids, search_index, tags
from store.among import VIEWER, among, asked
from store.prepared import Prepared
from store.tables import (
    account,
    circle_member,
    contact,
    contact_key,
    contacted_at,
    conversation,
    conversation_member,
    message,
    message_participant,
    person,
)

MAX_NAMES: Final = 50
MAX_FORMER: Final = 100
MAX_LOOKUPS: Final = 100
MAX_MATCHES: Final = 1_000
AFTER: Final = ("after_key", "after_id")
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_decode = msgspec.msgpack.Decoder(Projection).decode


class PersonFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which people; what is None does not count."""

    text: str | None = None
    tags: tuple[str, ...] | None = None
    circle_id: str | None = None
    account_ids: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    relations: tuple[str, ...] | None = None
    natures: tuple[str, ...] | None = ("INDIVIDUAL", "ORGANIZATION")
    has_unread: bool | None = None
    contacted_after: datetime | None = None
    contacted_before: datetime | None = None
    min_relationship: int | None = None
    trends: tuple[str, ...] | None = None


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one way to name a person; `handle` is (provider, handle)."""

    id: str | None = None
    email: str | None = None
    phone: str | None = None
    handle: tuple[str, str] | None = None
    url: str | None = None

    def key(self) -> tuple[str, str]:
        """(kind, value) as identifiers are kept (resolvers/identity/keys.py)."""
        if self.email is not None:
            return "EMAIL", self.email.casefold()
        if self.phone is not None:
            return "PHONE", self.phone
        if self.handle is not None:
            return "HANDLE", f"{self.handle[0]}:{self.handle[1].casefold().lstrip('@')}"
        if self.url is not None:
            return "URL", normalise_url(self.url)
        return "ID", self.id or ""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person: the row's id and version, everything else from the projection."""

    id: str
    version: int
    name: str
    sort_name: str
    nature: str
    facts: Projection

    @property
    def initials(self) -> str:
        return self.facts.initials

    @property
    def names(self) -> tuple[SourcedName, ...]:
        return self.facts.names[:MAX_NAMES]

    @property
    def emails(self) -> tuple[SourcedEmail, ...]:
        return self.facts.emails

    @property
    def phones(self) -> tuple[SourcedPhone, ...]:
        return self.facts.phones

    @property
    def urls(self) -> list[SourcedUrl]:
        return [u for u in self.facts.urls if web.safe(u.url)]

    @property
    def organizations(self) -> tuple[SourcedOrganization, ...]:
        return self.facts.organizations

    @property
    def addresses(self) -> tuple[SourcedAddress, ...]:
        return self.facts.addresses

    @property
    def birthday(self) -> SourcedDate | None:
        return next((d for d in self.facts.dates if d.label == "birthday"), None)

    @property
    def conflicts(self) -> list[Conflict]:
        return conflicts(self.facts)

    @property
    def bio(self) -> SourcedText | None:
        return self.facts.bio


def of_row(row: Any) -> Person:
    """The person of a row; raises MsgspecError when the projection is damaged."""
    return Person(
        id=row.id, version=row.version, name=row.name, sort_name=row.sort_name, nature=row.nature, facts=_decode(row.projection)
    )


def by_id(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, Any]:
    """People by id, former ids included."""
    found = {row.id: row for row in _rows(conn, viewer, person_ids)}
    led = {i: row.redirect_to for i, row in found.items() if row.redirect_to is not None}
    if led:
        survivors = {row.id: row for row in _rows(conn, viewer, sorted(set(led.values())))}
        found = {i: survivors.get(led[i]) if i in led else row for i, row in found.items()}
    return {i: paging.readable(row, of_row) for i, row in found.items() if row is not None and row.projection is not None}


def exactly(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, Any]:
    """People by id, absorbed ones left out."""
    rows = _rows(conn, viewer, person_ids)
    return {r.id: paging.readable(r, of_row) for r in rows if r.redirect_to is None and r.projection is not None}


def _rows(conn: Connection, viewer: str, person_ids: Sequence[str]) -> Sequence[Any]:
    return conn.execute(select(person).where(person.c.viewer_id == viewer, person.c.id.in_(person_ids))).all()


def get(operation: Operation, person_id: str) -> Awaitable[Person | None]:
    """One person, loaded together with the others that the operation asks for."""
    return load(operation, by_id, person_id)


def former_ids(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids that lead to each person, latest first."""
    rows = conn.execute(
        select(person.c.id, person.c.redirect_to)
        .where(person.c.viewer_id == viewer, person.c.redirect_to.in_(person_ids))
        .order_by(person.c.born.desc(), person.c.id)
    )
    found: dict[str, list[str]] = {person_id: [] for person_id in person_ids}
    for row in rows:
        if len(found[row.redirect_to]) < MAX_FORMER:
            found[row.redirect_to].append(row.id)
    return found


# --- finding ------------------------------------------------------------------------------------------------------------


async def find(operation: Operation, wanted: Sequence[Identifier]) -> list[Person | None]:
    """The person of each identifier, None where nobody is known by it; at most 100."""
    if len(wanted) > MAX_LOOKUPS:
        raise Refusal("TOO_MANY_IDS", f"ask for at most {MAX_LOOKUPS} people at once")
    keys = [one.key() for one in wanted]
    known = await operation.read(owners, sorted(set(keys)))
    found: list[Person | None] = []
    for key in keys:
        person_id = known.get(key)
        found.append(None if person_id is None else await get(operation, person_id))
    return found


_OWNERS: Final = (
    select(contact_key.c.value, contact.c.person_id)
    .join(contact, sa.and_(contact.c.viewer_id == contact_key.c.viewer_id, contact.c.id == contact_key.c.contact_id))
    .where(among(contact_key.c.value), contact_key.c.kind == sa.bindparam("kind"), contact.c.person_id.is_not(None))
    # the one for whom it is proof goes before those who only mention it; among equals the one known longest
    .order_by(contact_key.c.strong, contact.c.born.desc())
)


def owners(conn: Connection, viewer: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The person of each (kind, value), as `Identifier.key` makes them."""
    found: dict[tuple[str, str], str] = {}
    contact_ids = [value for kind, value in keys if kind == "ID" and ids.kind_of(value) == "CONTACT"]
    found.update({("ID", v): v for kind, v in keys if kind == "ID" and ids.kind_of(v) == "PERSON"})
    if contact_ids:
        rows = conn.execute(
            select(contact.c.id, contact.c.person_id).where(
                contact.c.viewer_id == viewer, contact.c.id.in_(contact_ids), contact.c.person_id.is_not(None)
            )
        )
        found.update({("ID", row.id): row.person_id for row in rows})
    for kind in sorted({kind for kind, _ in keys} - {"ID"}):
        rows = conn.execute(_OWNERS, asked(viewer, (value for each, value in keys if each == kind), kind=kind))
        found.update({(kind, row.value): row.person_id for row in rows})
    return found


# --- lists --------------------------------------------------------------------------------------------------------------


#: What each order goes by, and what a cursor of it holds; each has its index.
_BY: Final[dict[str, tuple[sa.ColumnElement[Any], Any]]] = {
    "NAME": (person.c.sort_name, tuple[str, str]),
    "RELATIONSHIP": (person.c.relationship, tuple[int, str]),
    "LAST_CONTACT": (contacted_at, tuple[datetime, str]),
    "INFLUENCE": (person.c.influence, tuple[int, str]),
    "CREATED": (person.c.created_at, tuple[datetime, str]),
}


def _order(by: str, descending: bool) -> Order:
    return Order((_BY[by][0], person.c.id), descending)


async def page(
    operation: Operation, ask: Ask, where: PersonFilter, fresh: sources.Freshness, by: str = "NAME", descending: bool = False
) -> Listing:
    """The viewer's people."""
    column, shape = _BY[by]
    order = _order(by, descending)
    scope = paging.bound("people", where, by, descending)
    size = ask.size
    after: Position | None = None if ask.after is None else paging.position(operation, scope, ask.after, shape)
    accounts = None if where.account_ids is None else frozenset(where.account_ids)
    answered = await freshness.stored(operation, fresh, accounts)

    def read(conn: Connection, viewer: str) -> Cut:
        if where.text is not None:
            return paging.cut(conn, _wanted(conn, viewer, where), order, size, after=after)
        further = {} if after is None else dict(zip(AFTER, after, strict=True))
        rows = _of_page.rows(conn, where, by, descending, after is not None, viewer=viewer, most=size + 1, **further)
        return paging.page_of(rows, size, after=after)

    def count(conn: Connection, viewer: str) -> int:
        return int(conn.execute(select(sa.func.count()).select_from(_wanted(conn, viewer, where).subquery())).scalar_one())

    def key(row: Any) -> Position:
        return (row.last_contact_at or _NEVER if by == "LAST_CONTACT" else getattr(row, column.key or ""), row.id)

    return paging.listing(
        operation, scope, await operation.read(read), key=key, node=of_row, count=lambda: operation.read(count), answered=answered
    )


@Prepared
def _of_page(where: PersonFilter, by: str, descending: bool, after: bool) -> sa.Select[Any]:
    at: Position | None = tuple(sa.bindparam(name) for name in AFTER) if after else None
    return paging.following(_passing(VIEWER, where), _order(by, descending), paging.MOST, after=at)


def _wanted(conn: Connection, viewer: str, where: PersonFilter) -> sa.Select[Any]:
    query = _passing(viewer, where)
    if where.text is not None and where.text.strip():
        hits = search_index.match(conn, viewer, where.text, kinds=("PERSON",), limit=MAX_MATCHES)
        query = query.where(person.c.id.in_([hit.node_id for hit in hits]))
    return query


def _passing(viewer: str | sa.BindParameter[str], where: PersonFilter) -> sa.Select[Any]:
    query = select(person).where(person.c.viewer_id == viewer, person.c.redirect_to.is_(None))
    if where.natures is not None:
        query = query.where(person.c.nature.in_(where.natures))
    known = [contact.c.viewer_id == viewer, contact.c.person_id == person.c.id]
    if where.account_ids is not None:
        known.append(contact.c.account_id.in_(where.account_ids))
    if where.providers is not None:
        of_provider = select(account.c.id).where(account.c.viewer_id == viewer, account.c.provider.in_(where.providers))
        known.append(contact.c.account_id.in_(of_provider))
    if where.relations is not None:
        known.append(contact.c.relation.in_(where.relations))
    if len(known) > 2:
        query = query.where(select(sa.literal(1)).where(*known).exists())
    if where.tags is not None:
        query = query.where(person.c.id.in_(tags.borne(viewer, where.tags)))
    if where.circle_id is not None:
        of_circle = circles.memberships(viewer).where(circle_member.c.circle_id == where.circle_id).subquery()
        query = query.where(person.c.id.in_(select(of_circle.c.person_id)))
    if where.has_unread is not None:
        unread = _unread_from(viewer).with_only_columns(contact.c.person_id).where(contact.c.person_id.is_not(None))
        query = query.where(person.c.id.in_(unread) if where.has_unread else person.c.id.not_in(unread))
    if where.contacted_after is not None:
        query = query.where(person.c.last_contact_at > where.contacted_after)
    if where.contacted_before is not None:
        query = query.where(person.c.last_contact_at < where.contacted_before)
    if where.min_relationship is not None:
        query = query.where(person.c.relationship >= where.min_relationship)
    if where.trends is not None:
        query = query.where(person.c.trend.in_(where.trends))
    return query


# --- what hangs on a person -----------------------------------------------------------------------------------------------


def _unread_from(viewer: str | sa.BindParameter[str]) -> sa.Select[Any]:
    """Unread messages with the contact that wrote them. Conversations without any are not looked into."""
    p = message_participant
    return (
        select(message.c.id)
        .select_from(conversation)
        .join(message, sa.and_(message.c.viewer_id == conversation.c.viewer_id, message.c.conversation_id == conversation.c.id))
        .join(p, sa.and_(p.c.viewer_id == message.c.viewer_id, p.c.message_id == message.c.id, p.c.role == "FROM"))
        .join(contact, sa.and_(contact.c.viewer_id == p.c.viewer_id, contact.c.id == p.c.contact_id))
        .where(conversation.c.viewer_id == viewer, conversation.c.unread_count > 0, flagged(message.c.flags, "UNREAD"))
    )


def unread_counts(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, int]:
    """Unread messages from each person; a person is missing when no conversation with them keeps a read state."""
    m = conversation_member
    told = conn.execute(
        select(contact.c.person_id)
        .select_from(m)
        .join(contact, sa.and_(contact.c.viewer_id == m.c.viewer_id, contact.c.id == m.c.contact_id))
        .join(conversation, sa.and_(conversation.c.viewer_id == m.c.viewer_id, conversation.c.id == m.c.conversation_id))
        .where(
            m.c.viewer_id == viewer, m.c.contact_id.in_(contacts_of(viewer, person_ids)), conversation.c.unread_count.is_not(None)
        )
        .distinct()
    )
    counts = dict.fromkeys(told.scalars(), 0)
    rows = conn.execute(
        _unread_from(viewer)
        .with_only_columns(contact.c.person_id, sa.func.count(message.c.id.distinct()).label("n"))
        .where(contact.c.person_id.in_(person_ids))
        .group_by(contact.c.person_id)
    )
    counts.update({row.person_id: row.n for row in rows})
    return counts


def last_message_ids(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, str]:
    """The latest direct message with each person, either way: one look into an index for each of their contacts."""
    p = message_participant
    direct = sa.or_(
        sa.and_(message.c.direction == "INBOUND", p.c.role == "FROM"),
        sa.and_(message.c.direction == "OUTBOUND", p.c.role.in_(messages.RECIPIENT_ROLES)),
    )
    latest = (
        select(message.c.id)
        .select_from(p)
        .join(message, sa.and_(message.c.viewer_id == p.c.viewer_id, message.c.id == p.c.message_id))
        .where(
            p.c.viewer_id == viewer,
            p.c.contact_id == contact.c.id,
            direct,
            message.c.category == "PERSONAL",
            message.c.authentication != "FAILED",
        )
        .order_by(p.c.sent_at.desc(), p.c.message_id.desc())
        .limit(1)
        .correlate(contact)
        .scalar_subquery()
    )
    each = (
        select(contact.c.person_id, latest.label("message_id"))
        .where(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .subquery()
    )
    rows = conn.execute(
        select(each.c.person_id, message.c.id)
        .join(message, sa.and_(message.c.viewer_id == viewer, message.c.id == each.c.message_id))
        .order_by(message.c.sent_at, message.c.id)
    )
    return {row.person_id: row.id for row in rows}


async def last_message(operation: Operation, person_id: str) -> Message | None:
    """The latest direct message either way; newsletters and lists do not count."""
    message_id = await load(operation, last_message_ids, person_id)
    return None if message_id is None else await messages.get(operation, message_id)
