"""Attachments as they are shown, and where their bytes are: at any source of their message that keeps files, never here.

What only an imported file brought has lost its attachments with that file: they are listed and GONE. Sources are asked in the order
in which they showed the message, the one that named the part first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.base import Provider
from resolvers import links, paging
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.paging import Ask
from store import outbox
from store.tables import account, attachment, message_source

MAX_PLACES: Final = 10


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a message; `hash` (SHA-256) and with it the exact `size` once somebody has fetched it."""

    id: str
    message_id: str
    account_id: str
    part: str
    name: str
    media_type: str
    size: int | None
    hash: str | None
    inline: bool
    content_id: str | None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A source of a message: the account, its provider and its address there, and the message's key."""

    account_id: str
    provider: str
    base_url: str
    key: str


def of_row(row: Any) -> Attachment:
    """The attachment of a row."""
    return Attachment(
        id=row.id,
        message_id=row.message_id,
        account_id=row.account_id,
        part=row.part,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        hash=row.sha256,
        inline=row.inline,
        content_id=row.content_id,
    )


def by_id(conn: Connection, viewer: str, attachment_ids: Sequence[str]) -> dict[str, Attachment]:
    """Attachments by id."""
    rows = conn.execute(select(attachment).where(attachment.c.viewer_id == viewer, attachment.c.id.in_(attachment_ids)))
    return {row.id: of_row(row) for row in rows}


def of_messages(conn: Connection, viewer: str, message_ids: Sequence[str], first: int) -> dict[str, list[Attachment]]:
    """At most `first` attachments of each message, in the order of the mail."""
    query = select(attachment).where(attachment.c.viewer_id == viewer, attachment.c.message_id.in_(message_ids))
    cuts = paging.tops(conn, query, attachment.c.message_id, paging.Order((attachment.c.position,)), first)
    return {message_id: [of_row(row) for row in cut.rows] for message_id, cut in cuts.items()}


async def of_message(operation: Operation, message_id: str, first: int | None) -> Sequence[Attachment]:
    """The files of a message, loaded together with those of the other messages of a page."""
    return await load(operation, of_messages, message_id, Ask(first=first).size) or ()


def places(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, list[Place]]:
    """Where each message is, first seen first."""
    s = message_source
    rows = conn.execute(
        select(s.c.message_id, s.c.account_id, s.c.key, account.c.provider, account.c.base_url)
        .join(account, sa.and_(account.c.viewer_id == s.c.viewer_id, account.c.id == s.c.account_id))
        .where(
            s.c.viewer_id == viewer,
            s.c.message_id.in_(message_ids),
            account.c.status != "UNLINKING",
            s.c.container != outbox.CONTAINER,
        )
        .order_by(s.c.seen_at, s.c.account_id, s.c.key)
    )
    found: dict[str, list[Place]] = {}
    for row in rows:
        place = Place(account_id=row.account_id, provider=row.provider, base_url=row.base_url, key=row.key)
        found.setdefault(row.message_id, []).append(place)
    return found


def reachable(providers: Mapping[str, Provider], file: Attachment, found: Sequence[Place]) -> list[Place]:
    """The places that can hand over a file, the one that named the part first."""
    open_ones = [place for place in found if _keeps_files(providers.get(place.provider), place.base_url)]
    return sorted(open_ones, key=lambda place: place.account_id != file.account_id)[:MAX_PLACES]


def _keeps_files(provider: Provider | None, base_url: str) -> bool:
    if provider is None or provider.open is None or "ATTACHMENTS" not in provider.capabilities:
        return False
    return provider.follows(base_url)  # files alone have nobody behind them


async def state(operation: Operation, file: Attachment) -> str:
    """AVAILABLE or GONE."""
    found = await load(operation, places, file.message_id) or []
    return "AVAILABLE" if reachable(operation.services.providers, file, found) else "GONE"


async def download(operation: Operation, file: Attachment, *, inline: bool) -> links.SignedUrl | None:
    """A short-lived address of the file; None when it is gone."""
    if await state(operation, file) == "GONE":
        return None
    return links.link(operation, "ATTACHMENT", file.id, inline=inline)


def get(operation: Operation, attachment_id: str) -> Awaitable[Attachment | None]:
    """One attachment, loaded together with the others that the operation asks for."""
    return load(operation, by_id, attachment_id)


def learned(conn: Connection, viewer: str, attachment_id: str, size: int, sha256: str) -> None:
    """Keep what a whole download has shown."""
    conn.execute(
        sa.update(attachment)
        .where(attachment.c.viewer_id == viewer, attachment.c.id == attachment_id)
        .values(size=size, sha256=sha256)
    )
