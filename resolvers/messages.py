"""Messages as they are shown: one row however many accounts hold it, its parts loaded for all messages of a page at once.

Of a LIVE account the store has the key only: subject, first words and text come from `sources.message_of`, asked once an
operation. A live message whose network does not answer in time has no text yet: NOT_FETCHED, never an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import quoting
from resolvers import paging, sources, web
from resolvers.loaders import gathered, load
from resolvers.operation import Operation
from resolvers.refusals import ItemUnreadable
from store.among import among, asked
from store.prepared import Prepared
from store.tables import contact, message, message_participant, message_source, own_address

SNIPPET: Final = 200  # characters
MAX_TEXT: Final = 64 * 1024 * 1024  # bytes a stored text may unpack to
MAX_HEADERS: Final = 500
MAX_SOURCES: Final = 50
RECIPIENT_ROLES: Final = ("TO", "CC", "BCC")
COLUMNS: Final = tuple(c for c in message.c if c.name not in ("viewer_id", "body", "headers", "fingerprint"))
_headers = msgspec.msgpack.Decoder(tuple[records.Header, ...]).decode


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a conversation or message; `person_id` is null for the viewer and while unknown."""

    name: str
    address: str
    kind: str
    role: str
    viewer: bool
    person_id: str | None


class MessageSource(msgspec.Struct, frozen=True, kw_only=True):
    """A place a message was reached through."""

    account_id: str
    container: str | None
    external_id: str
    url: str | None
    seen_at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message without its text and headers."""

    id: str
    version: int | None
    conversation_id: str
    internet_message_id: str | None
    in_reply_to_id: str | None
    sent_at: datetime
    received_at: datetime | None
    edited_at: datetime | None
    deleted_at: datetime | None
    subject: str | None
    snippet: str
    body_state: str
    direction: str
    category: str
    category_reason: str
    authentication: str
    flags: list[str]
    attachment_count: int
    url: str | None
    live: bool

    @property
    def occurred_at(self) -> datetime:
        return self.sent_at


def of_row(row: Any) -> Message:
    """The message of a row with `COLUMNS`."""
    return Message(
        id=row.id,
        version=row.version,
        conversation_id=row.conversation_id,
        internet_message_id=row.internet_message_id,
        in_reply_to_id=row.in_reply_to,
        sent_at=row.sent_at,
        received_at=row.received_at,
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
        subject=row.subject,
        snippet=row.snippet,
        body_state=row.body_state,
        direction=row.direction,
        category=row.category,
        category_reason=row.category_reason,
        authentication=row.authentication,
        flags=row.flags.split(),
        attachment_count=row.attachment_count,
        url=web.safe(row.url),
        live=row.live,
    )


def by_id(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Message]:
    """Messages by id."""
    return {row.id: paging.readable(row, of_row) for row in _of_ids.rows(conn, **asked(viewer, message_ids))}


@Prepared
def _of_ids() -> sa.Select[Any]:
    return select(*COLUMNS).where(among(message.c.id))


def get(operation: Operation, message_id: str) -> Awaitable[Message | None]:
    """One message, loaded together with the others that the operation asks for."""
    return load(operation, by_id, message_id)


def by_internet_id(conn: Connection, viewer: str, internet_ids: Sequence[str]) -> dict[str, Message]:
    """Messages by Message-ID (RFC 5322 §3.6.4); the earliest where several carry one, never one whose sender was forged."""
    rows = conn.execute(
        select(*COLUMNS)
        .where(
            message.c.viewer_id == viewer,
            message.c.internet_message_id.in_(internet_ids),
            message.c.authentication != "FAILED",
        )
        .order_by(message.c.sent_at.desc(), message.c.id.desc())
    )
    return {row.internet_message_id: of_row(row) for row in rows}


async def answered(operation: Operation, reply: Message) -> Message | None:
    """The message that this one answers, where we have it."""
    if reply.in_reply_to_id is None:
        return None
    return await load(operation, by_internet_id, reply.in_reply_to_id)


# --- who ----------------------------------------------------------------------------------------------------------------


def own_values(conn: Connection, viewer: str) -> frozenset[tuple[str, str]]:
    """(kind, case-folded value) of the addresses that are the viewer's."""
    rows = conn.execute(
        select(own_address.c.kind, own_address.c.value).where(own_address.c.viewer_id == viewer, own_address.c.mine)
    )
    return frozenset((row.kind, row.value.casefold()) for row in rows)


def participant(row: Any, own: frozenset[tuple[str, str]]) -> Participant:
    """The participant of a row with kind, address, name, role, contact_id and person_id."""
    return Participant(
        name=row.name or row.address,
        address=row.address,
        kind=row.kind,
        role=row.role,
        viewer=row.contact_id is None and (row.kind, row.address.casefold()) in own,
        person_id=row.person_id,
    )


def _people_of(viewer: str, message_ids: Sequence[str]) -> sa.Select[Any]:
    p = message_participant
    return (
        select(p.c.message_id, p.c.position, p.c.kind, p.c.address, p.c.name, p.c.role, p.c.contact_id, contact.c.person_id)
        .outerjoin(contact, sa.and_(contact.c.viewer_id == p.c.viewer_id, contact.c.id == p.c.contact_id))
        .where(p.c.viewer_id == viewer, p.c.message_id.in_(message_ids))
    )


def senders(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Participant]:
    """The author of each message."""
    own = own_values(conn, viewer)
    rows = conn.execute(
        _people_of(viewer, message_ids)
        .where(message_participant.c.role == "FROM")
        .order_by(message_participant.c.position.desc())
    )
    return {row.message_id: participant(row, own) for row in rows}


def recipients(conn: Connection, viewer: str, message_ids: Sequence[str], first: int) -> dict[str, list[Participant]]:
    """At most `first` recipients of each message, in the order of its header."""
    own = own_values(conn, viewer)
    order = paging.Order((message_participant.c.position,))
    query = _people_of(viewer, message_ids).where(message_participant.c.role.in_(RECIPIENT_ROLES))
    cuts = paging.tops(conn, query, message_participant.c.message_id, order, first)
    return {message_id: [participant(row, own) for row in cut.rows] for message_id, cut in cuts.items()}


def recipient_counts(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, int]:
    """To how many each message went."""
    p = message_participant
    rows = conn.execute(
        select(p.c.message_id, sa.func.count().label("n"))
        .where(p.c.viewer_id == viewer, p.c.message_id.in_(message_ids), p.c.role.in_(RECIPIENT_ROLES))
        .group_by(p.c.message_id)
    )
    return {row.message_id: row.n for row in rows}


# --- what ---------------------------------------------------------------------------------------------------------------


def texts(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Any]:
    """The stored text of each message that has one."""
    rows = conn.execute(
        select(message.c.id, message.c.body).where(
            message.c.viewer_id == viewer, message.c.id.in_(message_ids), message.c.body.is_not(None)
        )
    )
    return {row.id: _unpacked(row.id, row.body) for row in rows}


def _unpacked(message_id: str, packed: bytes) -> str | Exception:
    try:
        return _inflate(packed).decode("utf-8", "replace")
    except zlib.error:
        return ItemUnreadable(message_id)


def headers(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Any]:
    """The header fields of each message, decoded."""
    rows = conn.execute(
        select(message.c.id, message.c.headers).where(
            message.c.viewer_id == viewer, message.c.id.in_(message_ids), message.c.headers.is_not(None)
        )
    )
    found: dict[str, Any] = {}
    for row in rows:
        try:
            found[row.id] = unpacked_headers(row.headers)
        except (zlib.error, msgspec.MsgspecError):
            found[row.id] = ItemUnreadable(row.id)
    return found


def unpacked_headers(packed: bytes) -> tuple[records.Header, ...]:
    """Stored header fields. Raises zlib.error or MsgspecError when they are damaged."""
    return _headers(_inflate(packed))[:MAX_HEADERS]


def _inflate(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, MAX_TEXT)


def places(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, list[MessageSource]]:
    """Every place each message was reached through, the first one first."""
    s = message_source
    rows = conn.execute(
        select(s).where(s.c.viewer_id == viewer, s.c.message_id.in_(message_ids)).order_by(s.c.seen_at, s.c.account_id, s.c.key)
    )
    found: dict[str, list[MessageSource]] = {message_id: [] for message_id in message_ids}
    for row in rows:
        if len(found[row.message_id]) < MAX_SOURCES:
            found[row.message_id].append(
                MessageSource(
                    account_id=row.account_id,
                    container=row.container or None,
                    external_id=row.key,
                    url=web.safe(row.url),
                    seen_at=row.seen_at,
                )
            )
    return found


# --- what only the network knows ------------------------------------------------------------------------------------------


def content(operation: Operation, message_id: str) -> Awaitable[records.Message | None]:
    """The content of a live message; None when its network does not answer in time."""
    return gathered(operation, sources.message_of, message_id)


async def subject(operation: Operation, shown: Message) -> str | None:
    """The subject, wherever it is kept."""
    if not shown.live:
        return shown.subject
    found = await content(operation, shown.id)
    return found.subject if found else None


async def snippet(operation: Operation, shown: Message) -> str:
    """The first words."""
    if not shown.live:
        return shown.snippet
    found = await content(operation, shown.id)
    return " ".join(found.text[: SNIPPET * 4].split())[:SNIPPET] if found else ""


async def body_state(operation: Operation, shown: Message) -> str:
    """Whether there is a text, and why not."""
    if not shown.live:
        return shown.body_state
    found = await content(operation, shown.id)
    return found.body_state if found else "NOT_FETCHED"


async def text(operation: Operation, shown: Message) -> str | None:
    """The plain text; None when there is none to read."""
    if not shown.live:
        return await load(operation, texts, shown.id)
    found = await content(operation, shown.id)
    return found.text if found and found.body_state == "AVAILABLE" else None


async def new_text(operation: Operation, shown: Message) -> str | None:
    """The plain text without quoted history and signature; None when there is none to read."""
    whole = await text(operation, shown)
    return None if whole is None else quoting.new_text(whole, await subject(operation, shown))
