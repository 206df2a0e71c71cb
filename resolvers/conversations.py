"""Conversations as they are shown: lists of all or of one person, their participants, and their messages paged both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers import freshness, labels, messages, paging, sources, web
from resolvers.loaders import batched, gathered, load
from resolvers.messages import Message
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order, Position
from resolvers.refusals import Refusal
from resolvers.sources import Answered, Freshness
from store import search_index
from store.among import VIEWER, among, asked
from store.prepared import Prepared
from store.tables import (
    account,
    contact,
    conversation,
    conversation_label,
    conversation_member,
    conversation_source,
    message,
    person,
)

MAX_ACCOUNTS: Final = 20
MAX_MATCHES: Final = 1_000  # conversations that a text filter can find
DEFAULT_MESSAGES: Final = 50
ORDER: Final = Order((conversation.c.last_activity_at, conversation.c.id), descending=True)
AFTER: Final = ("after_at", "after_id")
SHOWN: Final = (
    conversation.c.id, conversation.c.version, conversation.c.kind, conversation.c.subject, conversation.c.last_activity_at,
    conversation.c.message_count, conversation.c.unread_count, conversation.c.last_message_id, conversation.c.url,
    conversation.c.flags, conversation.c.live,
)  # fmt: skip
MESSAGE_ORDER: Final = Order((message.c.sent_at, message.c.id))
Marker = Literal["FIRST_UNREAD", "OLDEST", "LATEST"]


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations; what is None does not count. Tuples, so that it can name a loader."""

    text: str | None = None
    account_ids: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    label_ids: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    person_ids: tuple[str, ...] | None = None
    unread: bool | None = None
    flags: tuple[str, ...] | None = None
    without_flags: tuple[str, ...] | None = ("TRASHED", "SPAM")
    categories: tuple[str, ...] | None = None
    active_after: datetime | None = None
    active_before: datetime | None = None


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one place in a conversation."""

    message_id: str | None = None
    at: datetime | None = None
    marker: Marker | None = None


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
def _first_of_each(where: Narrowed, size: int, after: bool) -> sa.Select[Any]:
    """The latest conversations of each person, numbered all together: PostgreSQL's way."""
    query, group = _with_people(_later(_passing(select(*SHOWN), VIEWER, where), after))
    ranked = paging.ranked(query, group, ORDER, size).subquery("ranked")
    return select(ranked).order_by(ranked.c.group_key, ranked.c.place)


@Prepared
def _first_of_contacts(where: Narrowed, size: int, after: bool) -> sa.Select[Any]:
    """The latest conversations of each contact of each person, looked up contact by contact: SQLite's way, which takes half the time of
    numbering all of them.
    """
    c, m, shown = conversation.c, conversation_member.c, conversation.alias("shown")
    latest = (
        _later(_passing(select(c.id), VIEWER, where), after)
        .join(conversation_member, sa.and_(m.viewer_id == c.viewer_id, m.conversation_id == c.id))
        .where(m.viewer_id == contact.c.viewer_id, m.contact_id == contact.c.id)
        .group_by(c.id)  # a contact may take part under two addresses
        .order_by(*(column.desc() for column in ORDER.columns))
        .limit(size + 1)
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
    narrowed = _narrowed(conn, viewer, where, silent)
    values = asked(viewer, person_ids, **further)
    if conn.dialect.name == "sqlite":
        return paging.merged(_first_of_contacts.rows(conn, narrowed, size, after is not None, **values), size, key=_key)
    return paging.grouped(_first_of_each.rows(conn, narrowed, size, after is not None, **values), size)


def _counts(
    conn: Connection, viewer: str, person_ids: Sequence[str], where: ConversationFilter, silent: frozenset[str]
) -> dict[str, int]:
    query, group = _with_people(wanted(conn, viewer, where, silent))
    counted = query.with_only_columns(group.label("person_id"), sa.func.count().label("n")).group_by(group)
    return {row.person_id: row.n for row in conn.execute(counted, asked(viewer, person_ids))}


class Narrowed(msgspec.Struct, frozen=True, kw_only=True):
    """A filter whose parts that take a look at the store have been looked up: what is left decides a statement."""

    where: ConversationFilter
    silent: frozenset[str] = frozenset()
    label_ids: tuple[str, ...] | None = None  # of the roles
    people: frozenset[str] = frozenset()  # survivors of `person_ids`
    holding: tuple[str, ...] | None = None  # conversations with the text


def _narrowed(conn: Connection, viewer: str, where: ConversationFilter, silent: frozenset[str]) -> Narrowed:
    roles, text = where.roles, where.text
    return Narrowed(
        where=where,
        silent=silent,
        label_ids=None if roles is None else tuple(labels.with_roles(conn, viewer, roles)),
        people=_survivors(conn, viewer, frozenset(where.person_ids)) if where.person_ids else frozenset(),
        holding=tuple(_holding(conn, viewer, text)) if text is not None and text.strip() else None,
    )


def wanted(conn: Connection, viewer: str, where: ConversationFilter, silent: frozenset[str] = frozenset()) -> sa.Select[Any]:
    """The conversations that pass the filter; live ones of accounts that gave no answer are left out."""
    return _passing(select(conversation), viewer, _narrowed(conn, viewer, where, silent))


def _passing(query: sa.Select[Any], viewer: str | sa.BindParameter[str], narrowed: Narrowed) -> sa.Select[Any]:
    c, where, silent = conversation.c, narrowed.where, narrowed.silent
    query = query.where(c.viewer_id == viewer, c.redirect_to.is_(None))
    if silent:
        query = query.where(sa.not_(sa.and_(c.live, _through(silent))))
    if where.account_ids is not None:
        query = query.where(_through(where.account_ids))
    if where.kinds is not None:
        query = query.where(c.kind.in_(where.kinds))
    if where.label_ids is not None:
        query = query.where(_labelled(where.label_ids))
    if narrowed.label_ids is not None:
        query = query.where(_labelled(narrowed.label_ids))
    if where.unread is not None:
        query = query.where(c.unread_count > 0 if where.unread else sa.func.coalesce(c.unread_count, 0) == 0)
    for flag in where.flags or ():
        query = query.where(flagged(c.flags, flag))
    if where.without_flags:  # hardly any conversation has a flag at all: the short comparison first
        query = query.where(sa.or_(c.flags == "", sa.not_(sa.or_(*(flagged(c.flags, flag) for flag in where.without_flags)))))
    if where.categories is not None:
        query = query.where(c.category.in_(where.categories))
    if where.active_after is not None:
        query = query.where(c.last_activity_at > where.active_after)
    if where.active_before is not None:
        query = query.where(c.last_activity_at < where.active_before)
    if narrowed.people:
        query = query.where(c.id.in_(_with_all(viewer, narrowed.people)))
    if narrowed.holding is not None:
        query = query.where(c.id.in_(narrowed.holding))
    return query


def _survivors(conn: Connection, viewer: str, wanted: frozenset[str]) -> frozenset[str]:
    """These people, each that was joined with another as that one."""
    rows = conn.execute(
        select(person.c.id, person.c.redirect_to).where(person.c.viewer_id == viewer, person.c.id.in_(sorted(wanted)))
    )
    led = {row.id: row.redirect_to or row.id for row in rows}
    return frozenset(led.get(person_id, person_id) for person_id in wanted)


def _with_all(viewer: str | sa.BindParameter[str], wanted: frozenset[str]) -> sa.Select[Any]:
    """The ids of conversations in which every one of these people takes part."""
    m = conversation_member.c
    return (
        select(m.conversation_id)
        .join(contact, sa.and_(contact.c.viewer_id == m.viewer_id, contact.c.id == m.contact_id))
        .where(m.viewer_id == viewer, contact.c.person_id.in_(sorted(wanted)))
        .group_by(m.conversation_id)
        .having(sa.func.count(contact.c.person_id.distinct()) == len(wanted))
    )


def _through(account_ids: Sequence[str] | frozenset[str]) -> sa.ColumnElement[bool]:
    s = conversation_source
    return (
        select(sa.literal(1))
        .where(
            s.c.viewer_id == conversation.c.viewer_id,
            s.c.conversation_id == conversation.c.id,
            s.c.account_id.in_(sorted(account_ids)),
        )
        .exists()
    )


def _labelled(label_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    c = conversation_label.c
    return (
        select(sa.literal(1))
        .where(
            c.viewer_id == conversation.c.viewer_id,
            c.label_id.in_(label_ids),
            c.conversation_id == conversation.c.id,
        )
        .exists()
    )


def flagged(column: sa.ColumnElement[str], flag: str) -> sa.ColumnElement[bool]:
    """Whether a space-separated column holds the word."""
    return (sa.literal(" ") + column + sa.literal(" ")).like(f"% {flag} %")


def _holding(conn: Connection, viewer: str, words: str) -> list[str]:
    hits = search_index.match(conn, viewer, words, kinds=("CONVERSATION", "MESSAGE"), limit=MAX_MATCHES)
    found = [hit.node_id for hit in hits if hit.kind == "CONVERSATION"]
    in_messages = [hit.node_id for hit in hits if hit.kind == "MESSAGE"]
    rows = conn.execute(
        select(message.c.conversation_id).where(message.c.viewer_id == viewer, message.c.id.in_(in_messages)).distinct()
    )
    return sorted({*found, *rows.scalars()})


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


MEMBER_ORDER: Final = Order(
    (conversation_member.c.last_active_at, conversation_member.c.kind, conversation_member.c.address), descending=True
)


def _members(viewer: str, conversation_ids: Sequence[str]) -> sa.Select[Any]:
    m = conversation_member
    return (
        select(m, contact.c.person_id)
        .outerjoin(contact, sa.and_(contact.c.viewer_id == m.c.viewer_id, contact.c.id == m.c.contact_id))
        .where(m.c.viewer_id == viewer, m.c.conversation_id.in_(conversation_ids))
    )


def _participants(
    conn: Connection, viewer: str, conversation_ids: Sequence[str], size: int, after: Position | None
) -> dict[str, tuple[Cut, frozenset[tuple[str, str]]]]:
    query = _members(viewer, conversation_ids)
    if after is not None:
        query = query.where(paging.beyond(MEMBER_ORDER, after, forwards=True))
    own = messages.own_values(conn, viewer)
    cuts = paging.tops(conn, query, conversation_member.c.conversation_id, MEMBER_ORDER, size)
    return {i: (cuts.get(i, paging.EMPTY), own) for i in conversation_ids}


def _participant_counts(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, int]:
    m = conversation_member
    rows = conn.execute(
        select(m.c.conversation_id, sa.func.count().label("n"))
        .where(m.c.viewer_id == viewer, m.c.conversation_id.in_(conversation_ids))
        .group_by(m.c.conversation_id)
    )
    return {row.conversation_id: row.n for row in rows}


async def participants(operation: Operation, conversation_id: str, ask: Ask) -> Listing:
    """Who takes part, latest active first."""
    scope = paging.bound("participants", conversation_id)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str, str])
    found = await load(operation, _participants, conversation_id, size, after)
    assert found is not None
    cut, own = found

    async def count() -> int:
        return (await load(operation, _participant_counts, conversation_id)) or 0

    if after is not None:
        cut = Cut(cut.rows, has_next=cut.has_next, has_previous=True)
    return paging.listing(
        operation,
        scope,
        cut,
        key=lambda row: (row.last_active_at, row.kind, row.address),
        node=lambda row: messages.participant(row, own),
        count=count,
    )


def _ends(conn: Connection, viewer: str, conversation_ids: Sequence[str], last: bool) -> dict[str, Message]:
    cuts = paging.tops(
        conn,
        select(*messages.COLUMNS).where(message.c.viewer_id == viewer, message.c.conversation_id.in_(conversation_ids)),
        message.c.conversation_id,
        MESSAGE_ORDER,
        1,
        back=last,
    )
    return {i: messages.of_row(cut.rows[0]) for i, cut in cuts.items() if cut.rows}


async def first_message(operation: Operation, shown: Conversation) -> Message | None:
    """The message that began it."""
    return await load(operation, _ends, shown.id, False)


def last_message(operation: Operation, shown: Conversation) -> Awaitable[Message | None]:
    """The latest message."""
    if shown.last_message_id is not None:
        return messages.get(operation, shown.last_message_id)
    return load(operation, _ends, shown.id, True)


# --- its messages ---------------------------------------------------------------------------------------------------------


async def messages_of(operation: Operation, shown: Conversation, ask: Ask, around: Anchor | None) -> Listing:
    """Messages, oldest first; without arguments the last 50. `around` centres the page and excludes cursors."""
    if around is not None and (ask.after is not None or ask.before is not None):
        raise Refusal(
            "BAD_ARGUMENTS", "around centres the page by itself: leave out after and before, and page on from its cursors"
        )
    if ask.first is not None and ask.last is not None:
        raise Refusal("BAD_ARGUMENTS", "ask for first or for last, not for both")
    if ask.first is None and ask.last is None:
        forwards = around is not None or ask.after is not None
        ask = msgspec.structs.replace(ask, **{"first" if forwards else "last": DEFAULT_MESSAGES})
    size, back = ask.size, ask.last is not None
    scope = paging.bound("messages", shown.id)
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    before = None if ask.before is None else paging.position(operation, scope, ask.before, tuple[datetime, str])
    answered = await _messages_refreshed(operation, shown)
    if around is not None:
        cut = await operation.read(_around, shown.id, around, size)
    elif after is None and before is None:
        cut = await load(operation, _tails, shown.id, size, back) or paging.EMPTY
    else:
        cut = await operation.read(_between, shown.id, size, after, before, back)

    async def count() -> int:
        return (await load(operation, _message_counts, shown.id)) or 0

    return paging.listing(
        operation, scope, cut, key=lambda row: (row.sent_at, row.id), node=messages.of_row, count=count, answered=answered
    )


async def _messages_refreshed(operation: Operation, shown: Conversation) -> Answered:
    if shown.live:
        return await sources.refresh_messages(operation, Freshness(), [shown.id])
    through = await load(operation, account_ids, shown.id) or []
    return await freshness.stored(operation, Freshness(), frozenset(through))


def _in(viewer: str, conversation_ids: Sequence[str]) -> sa.Select[Any]:
    return select(*messages.COLUMNS).where(message.c.viewer_id == viewer, message.c.conversation_id.in_(conversation_ids))


def _tails(conn: Connection, viewer: str, conversation_ids: Sequence[str], size: int, back: bool) -> dict[str, Cut]:
    return paging.tops(conn, _in(viewer, conversation_ids), message.c.conversation_id, MESSAGE_ORDER, size, back=back)


def _between(
    conn: Connection, viewer: str, conversation_id: str, size: int, after: Position | None, before: Position | None, back: bool
) -> Cut:
    return paging.cut(conn, _in(viewer, [conversation_id]), MESSAGE_ORDER, size, after=after, before=before, back=back)


def _message_counts(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, int]:
    rows = conn.execute(
        select(message.c.conversation_id, sa.func.count().label("n"))
        .where(message.c.viewer_id == viewer, message.c.conversation_id.in_(conversation_ids))
        .group_by(message.c.conversation_id)
    )
    return {row.conversation_id: row.n for row in rows}


def _around(conn: Connection, viewer: str, conversation_id: str, around: Anchor, size: int) -> Cut:
    """A page whose middle is the anchor: half of it before, the rest from the anchor on; full wherever there is enough."""
    query = _in(viewer, [conversation_id])
    if around.marker == "OLDEST":
        return paging.cut(conn, query, MESSAGE_ORDER, size)
    at = None if around.marker == "LATEST" else _anchor(conn, query, around)
    if at is None:
        return paging.cut(conn, query, MESSAGE_ORDER, size, back=True)
    older = paging.cut(conn, query, MESSAGE_ORDER, size, before=at, back=True)
    from_here = query.where(paging.beyond(MESSAGE_ORDER, at, forwards=True, inclusive=True))
    newer = paging.cut(conn, from_here, MESSAGE_ORDER, size)
    ahead = min(len(newer.rows), max(size - size // 2, size - len(older.rows)))
    behind = min(len(older.rows), size - ahead)
    return Cut(
        older.rows[len(older.rows) - behind :] + newer.rows[:ahead],
        has_next=newer.has_next or ahead < len(newer.rows),
        has_previous=older.has_previous or behind < len(older.rows),
    )


def _anchor(conn: Connection, query: sa.Select[Any], around: Anchor) -> tuple[datetime, str] | None:
    """The place of the anchor; None means the end."""
    found = query.order_by(message.c.sent_at, message.c.id).limit(1)
    if around.message_id is not None:
        row = conn.execute(found.where(message.c.id == around.message_id)).one_or_none()
        if row is None:
            raise Refusal("UNKNOWN_NODE", "there is no such message in this conversation; open it without around")
    elif around.at is not None:
        row = conn.execute(found.where(message.c.sent_at >= around.at)).one_or_none()
    else:
        row = conn.execute(found.where(flagged(message.c.flags, "UNREAD"))).one_or_none()
    return None if row is None else (row.sent_at, row.id)
