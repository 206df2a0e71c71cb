"""The HTML of messages as it may be shown: what was sent, sanitised, its pictures from our own short-lived addresses.

Pictures that are parts of the mail are linked when its source still has them. Pictures on other hosts are left out, since fetching
them tells their sender who reads when; asked for, they come through this installation, which tells the sender no more than that.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from providers.formats import safe_html
from resolvers import attachments, links, messages, web
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.refusals import ItemUnreadable
from store.tables import message_html

MAX_HTML: Final = 8 * 1024 * 1024  # bytes that stored HTML may unpack to
MAX_PICTURES: Final = 500  # of one message that are linked
MAX_ADDRESS: Final = 2_000  # characters of a picture's address on another host


def stored(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Any]:
    """The HTML of each message that has some, as it was sent."""
    rows = conn.execute(
        select(message_html).where(message_html.c.viewer_id == viewer, message_html.c.message_id.in_(message_ids))
    )
    return {row.message_id: _unpacked(row.message_id, row.html) for row in rows}


def _unpacked(message_id: str, packed: bytes) -> str | Exception:
    try:
        return zlib.decompressobj().decompress(packed, MAX_HTML).decode("utf-8", "replace")
    except zlib.error:
        return ItemUnreadable(message_id)


async def of_message(operation: Operation, shown: messages.Message, *, proxy: bool) -> str | None:
    """The page to show; None when there is only plain text. with `proxy`, pictures on other hosts are fetched by us."""
    if shown.live:
        found = await messages.content(operation, shown.id)
        source = found.html if found else None
    else:
        source = await load(operation, stored, shown.id)
    if not source:
        return None
    files = await load(operation, attachments.of_messages, shown.id, MAX_PICTURES) if "cid:" in source.lower() else None
    parts: dict[str, str] = {}
    for file in files or ():
        if file.content_id is not None and (link := await attachments.download(operation, file, inline=True)) is not None:
            parts.setdefault(file.content_id.casefold(), link.url)
    room = MAX_PICTURES

    def part(content_id: str) -> str | None:
        return parts.get(content_id.casefold())

    def remote(address: str) -> str | None:
        nonlocal room
        if not proxy or room <= 0 or len(address) > MAX_ADDRESS or web.safe(address) is None:
            return None
        room -= 1
        return links.link(operation, "PICTURE", address, inline=True).url

    # a page of a megabyte takes a moment, and others wait for this thread
    return await asyncio.to_thread(safe_html.sanitised, source, part=part, remote=remote)
