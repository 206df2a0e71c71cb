"""Conversations as they are shown, and their lists: of all accounts, and of one person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers import freshness, paging, sources, web
from resolvers.conversation_filter import ConversationFilter, Narrowed, narrowed, passing, wanted
from resolvers.loaders import batched, gathered, load
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order, Position
from resolvers.sources import Answered, Freshness
from store.among import VIEWER, among, asked
from store.prepared import Prepared
from store.tables import (
    account,
    contact,
    conversation,
    conversation_member,
    conversation_source,
)

MAX_ACCOUNTS: Final = 20
ORDER: Final = Order((conversation.c.last_activity_at, conversation.c.id), descending=True)
AFTER: Final = ("after_at", "after_id")
SHOWN: Final = (
    conversation.c.id, conversation.c.version, conversation.c.kind, conversation.c.subject, conversation.c.last_activity_at,
    conversation.c.message_count, conversation.c.unread_count, conversation.c.last_message_id, conversation.c.url,
    conversation.c.flags, conversation.c.live,
)  # fmt: skip


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation; a live one has its subject at its network."""

    id: str
    version: int | None
    kind: str
    stored_subject: str | None
    last_activity_at: datetime
    message_count: int | None
    unread_count: int | None
    last_message_id: str | None
    stored_url: str | None
    flags: list[str]
    live: bool


def of_row(row: Any) -> Conversation:
    """The conversation of a row."""
    return Conversation(
        id=row.id,
        version=row.version,
        kind=row.kind,
        stored_subject=row.subject,
        last_activity_at=row.last_activity_at,
        message_count=row.message_count,
        unread_count=row.unread_count,
        last_message_id=row.last_message_id,
        stored_url=web.safe(row.url),
        flags=row.flags.split(),
        live=row.live,
    )


def by_id(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, Conversation]:
    """Conversations by id; the id of a thread that was joined with another gives the survivor."""
    found = {row.id: row for row in _rows(conn, viewer, conversation_ids)}
    led = {i: row.redirect_to for i, row in found.items() if row.redirect_to is not None}
    if led:
        survivors = {row.id: row for row in _rows(conn, viewer, sorted(set(led.values())))}
        found = {i: survivors.get(led[i]) if i in led else row for i, row in found.items()}
    return {i: paging.readable(row, of_row) for i, row in found.items() if row is not None}


def exactly(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, Conversation]:
    """Conversations by id, without following any redirect."""
    return {r.id: paging.readable(r, of_row) for r in _rows(conn, viewer, conversation_ids) if r.redirect_to is None}


def _rows(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> Sequence[Any]:
    return conn.execute(
        select(conversation).where(conversation.c.viewer_id == viewer, conversation.c.id.in_(conversation_ids))
    ).all()


def get(operation: Operation, conversation_id: str) -> Awaitable[Conversation | None]:
    """One conversation, loaded together with the others that the operation asks for."""
    return load(operation, by_id, conversation_id)


def head(operation: Operation, conversation_id: str) -> Awaitable[records.ConversationHead | None]:
    """The content of a live conversation; None when its network does not answer in time."""
    return gathered(operation, sources.head_of, conversation_id)


async def subject(operation: Operation, shown: Conversation) -> str | None:
    """The subject or the room's name, wherever it is kept."""
    if not shown.live:
        return shown.stored_subject
    found = await head(operation, shown.id)
    return found.subject if found else None


async def url(operation: Operation, shown: Conversation) -> str | None:
    """Where to open it at the network."""
    if not shown.live or shown.stored_url is not None:
        return shown.stored_url
    found = await head(operation, shown.id)
    return web.safe(found.url) if found else None


# --- lists --------------------------------------------------------------------------------------------------------------


async def live_accounts(operation: Operation) -> frozenset[str]:
    """The accounts that are only asked live."""
    return frozenset(a.id for a in await sources.linked(operation) if a.mode == "LIVE")


async def page(operation: Operation, ask: Ask, where: ConversationFilter, fresh: Freshness) -> Listing:
    """Conversations of all accounts, latest first."""
    scope = paging.bound("conversations", where)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    accounts = None if where.account_ids is None else frozenset(where.account_ids)
    if await live_accounts(operation):
        answered = await sources.refresh_conversations(
            operation, fresh, account_ids=accounts, before=after[0] if after else where.active_before, count=size
        )
    else:
        answered = await freshness.stored(operation, fresh, accounts)
    answered = await freshness.having(operation, answered, "CONVERSATIONS")
    silent = answered.silent_accounts

    def read(conn: Connection, viewer: str) -> Cut:
        return paging.cut(conn, wanted(conn, viewer, where, silent), ORDER, size, after=after)

    def count(conn: Connection, viewer: str) -> int:
        rows = wanted(conn, viewer, where, silent).subquery()
        return int(conn.execute(select(sa.func.count()).select_from(rows)).scalar_one())

    return paging.listing(
        operation,
        scope,
        await operation.read(read),
        key=_key,
        node=of_row,
        count=lambda: operation.read(count),
        answered=answered,
    )


def of_person(
    operation: Operation, person_id: str, ask: Ask, where: ConversationFilter, fresh: Freshness
) -> Awaitable[Listing | None]:
    """Conversations that a person takes part in, latest first. First pages of many people are read, and made, at once."""
    size = ask.size
    after = None
    if ask.after is not None:
        after = paging.position(operation, _scope(person_id, where), ask.after, tuple[datetime, str])

    async def batch(person_ids: list[str]) -> Mapping[str, Listing]:
        answers = await _refreshed(operation, person_ids, where, fresh, after, size)
        silent = frozenset[str]().union(*(a.silent_accounts for a in answers.values()))
        cuts = await operation.read(_firsts, person_ids, where, silent, size, after)
        return {
            p: _listed(operation, p, where, cuts.get(p, paging.EMPTY), answers[p], further=after is not None) for p in person_ids
        }

    return batched(operation, ("person.conversations", where, fresh, size, after), batch, person_id)


def _listed(
    operation: Operation, person_id: str, where: ConversationFilter, cut: Cut, answered: Answered, *, further: bool
) -> Listing:
    async def count() -> int:
        return (await load(operation, _counts, person_id, where, answered.silent_accounts)) or 0

    if further:
        cut = Cut(cut.rows, has_next=cut.has_next, has_previous=True)
    return paging.listing(operation, _scope(person_id, where), cut, key=_key, node=of_row, count=count, answered=answered)


def _scope(person_id: str, where: ConversationFilter) -> paging.Scope:
    return paging.bound("person.conversations", person_id, where)


async def _refreshed(
    operation: Operation, person_ids: list[str], where: ConversationFilter, fresh: Freshness, after: Position | None, size: int
) -> dict[str, Answered]:
    accounts = None if where.account_ids is None else frozenset(where.account_ids)
    if not await live_accounts(operation):
        answered = await freshness.stored(operation, fresh, accounts)
        return dict.fromkeys(person_ids, await freshness.having(operation, answered, "CONVERSATIONS"))
    before = after[0] if after else where.active_before
    answers = await asyncio.gather(
        *(
            sources.refresh_conversations(operation, fresh, account_ids=accounts, person_id=p, before=before, count=size)
            for p in person_ids
        )
    )
    return {p: await freshness.having(operation, a, "CONVERSATIONS") for p, a in zip(person_ids, answers, strict=True)}


def contacts_of(viewer: str, person_ids: Sequence[str]) -> sa.Select[tuple[str]]:
    """The ids of all contacts of these people."""
    mine = contact.alias("mine")
    return select(mine.c.id).where(mine.c.viewer_id == viewer, mine.c.person_id.in_(person_ids))


def _with_people(query: sa.Select[Any]) -> tuple[sa.Select[Any], sa.ColumnElement[str]]:
    """`query`, a row for each of the people asked for who takes part (store/among.py), and the column that says who."""
    m, mine = conversation_member, contact.alias("mine")
    pairs = (
        select(contact.c.person_id, m.c.conversation_id)
        .join(contact, sa.and_(contact.c.viewer_id == m.c.viewer_id, contact.c.id == m.c.contact_id))
        # named here, so that SQLite begins with their contacts: of a viewer it believes that they have ten rows in all
        .where(m.c.viewer_id == VIEWER, m.c.contact_id.in_(select(mine.c.id).where(among(mine.c.person_id))))
        .distinct()
        .subquery("pairs")
    )
    return query.join(pairs, pairs.c.conversation_id == conversation.c.id), pairs.c.person_id


@Prepared
def _first_of_each(where: Narrowed, after: bool) -> sa.Select[Any]:
    """The latest conversations of each person, numbered all together: PostgreSQL's way."""
    query, group = _with_people(_later(passing(select(*SHOWN), VIEWER, where), after))
    ranked = paging.ranked(query, group, ORDER, paging.MOST).subquery("ranked")
    return select(ranked).order_by(ranked.c.group_key, ranked.c.place)


@Prepared
def _first_of_contacts(where: Narrowed, after: bool) -> sa.Select[Any]:
    """The latest conversations of each contact of each person, looked up contact by contact: SQLite's way, which takes half the time of
    numbering all of them.
    """
    c, m, shown = conversation.c, conversation_member.c, conversation.alias("shown")
    latest = (
        _later(passing(select(c.id), VIEWER, where), after)
        .join(conversation_member, sa.and_(m.viewer_id == c.viewer_id, m.conversation_id == c.id))
        .where(m.viewer_id == contact.c.viewer_id, m.contact_id == contact.c.id)
        .group_by(c.id)  # a contact may take part under two addresses
        .order_by(*(column.desc() for column in ORDER.columns))
        .limit(paging.MOST)
        .correlate(contact)
    )
    of_contact = sa.and_(shown.c.viewer_id == contact.c.viewer_id, shown.c.id.in_(latest))
    columns = [shown.c[column.key] for column in SHOWN]
    return select(*columns, contact.c.person_id.label("group_key")).join_from(contact, shown, of_contact).where(
        among(contact.c.person_id)
    )  # fmt: skip


def _later(query: sa.Select[Any], after: bool) -> sa.Select[Any]:
    """`query` from the place on that is bound as `AFTER`."""
    return query.where(paging.beyond(ORDER, tuple(sa.bindparam(name) for name in AFTER), forwards=True)) if after else query


def _firsts(
    conn: Connection,
    viewer: str,
    person_ids: Sequence[str],
    where: ConversationFilter,
    silent: frozenset[str],
    size: int,
    after: Position | None,
) -> dict[str, Cut]:
    further = {} if after is None else dict(zip(AFTER, after, strict=True))
    narrow = narrowed(conn, viewer, where, silent)
    values = asked(viewer, person_ids, most=size + 1, **further)
    if conn.dialect.name == "sqlite":
        return paging.merged(_first_of_contacts.rows(conn, narrow, after is not None, **values), size, key=_key)
    return paging.grouped(_first_of_each.rows(conn, narrow, after is not None, **values), size)


def _counts(
    conn: Connection, viewer: str, person_ids: Sequence[str], where: ConversationFilter, silent: frozenset[str]
) -> dict[str, int]:
    query, group = _with_people(wanted(conn, viewer, where, silent))
    counted = query.with_only_columns(group.label("person_id"), sa.func.count().label("n")).group_by(group)
    return {row.person_id: row.n for row in conn.execute(counted, asked(viewer, person_ids))}


def _key(row: Any) -> Position:
    return (row.last_activity_at, row.id)


# --- what hangs on a conversation -----------------------------------------------------------------------------------------


def account_ids(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, list[str]]:
    """The accounts that each conversation was reached through, the one linked first first."""
    s = conversation_source
    rows = conn.execute(
        select(s.c.conversation_id, s.c.account_id, account.c.created_at)
        .join(account, sa.and_(account.c.viewer_id == s.c.viewer_id, account.c.id == s.c.account_id))
        .where(s.c.viewer_id == viewer, s.c.conversation_id.in_(conversation_ids))
        .distinct()
        .order_by(account.c.created_at, s.c.account_id)
    )
    found: dict[str, list[str]] = {conversation_id: [] for conversation_id in conversation_ids}
    for row in rows:
        if len(found[row.conversation_id]) < MAX_ACCOUNTS:
            found[row.conversation_id].append(row.account_id)
    return found
