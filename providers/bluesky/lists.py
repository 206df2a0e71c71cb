"""Lists of the AT Protocol's services: pages that are followed by their cursors to the end, entries that cannot be read as rows that say so.

A page may be short or empty and the list still go on; it ends where no cursor comes (atproto.com/specs/xrpc#cursors-and-pagination).
Knows nothing of what is listed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from providers.atproto import Xrpc, readable
from providers.bluesky.post import Record, short
from providers.errors import CursorExpired, Malformed, Refused
from providers.records import Row, Unreadable

#: The largest pages that the lexicons allow.
LIST: Final = 100
#: A million of anything, or a server that never ends.
MAX_PAGES: Final = 10_000


class Records(msgspec.Struct, frozen=True):
    """com.atproto.repo.listRecords."""

    records: list[msgspec.Raw]
    cursor: str | None = None


async def records(calls: Xrpc, me: str, collection: str, token: str) -> AsyncIterator[tuple[list[Record], str]]:
    """A collection of the account's repository, newest first: records, and the place of the next page (empty at the end)."""
    for _ in range(MAX_PAGES):
        asked = [("repo", me), ("collection", collection), ("limit", str(LIST)), *cursor_of(token)]
        try:
            answer = await calls.query("com.atproto.repo.listRecords", Records, asked)
        except Refused as error:
            raise expired(error, token) from error
        found, broken = readable(answer.records, Record)
        if broken:
            raise Malformed(f"The server's list of {collection} is not as it should be.", provider_code="records")
        following = onward(token, answer.cursor) if answer.cursor else ""
        yield found, following
        if not following:
            return
        token = following
    raise Malformed(f"The server's list of {collection} does not end.", provider_code="paging")


def unreadable(raw: msgspec.Raw, reason: str, container: str, key: str = "") -> Row:
    """What is said of an entry that its lexicon does not allow."""
    text = f"This entry is not as its lexicon describes it: {reason}"
    excerpt = bytes(raw)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return Row(
        item=Unreadable(
            key=key or _id_of(raw), outcome="FAILED", message=text, reason="UNREADABLE", excerpt=excerpt, container=container
        )
    )


def _id_of(raw: msgspec.Raw) -> str:
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    names = ("did", "uri", "id") if isinstance(value, dict) else ()
    return next((short(value[name]) for name in names if isinstance(value.get(name), str)), "")


def expired(error: Refused, token: str) -> Refused:
    """What a refusal means in the middle of a list: the place is no longer known."""
    if token and error.provider_code in ("InvalidRequest", "InvalidCursor", "400"):
        return CursorExpired("The server no longer knows this place in the list.")
    return error


def onward(token: str, following: str) -> str:
    """The place of the next page. Raises Malformed where it is this one again."""
    if following == token:
        raise Malformed("The server's list goes in circles.", provider_code="paging")
    return following


def cursor_of(token: str) -> list[tuple[str, str]]:
    """The parameter that asks for the page at a place."""
    return [("cursor", token)] if token else []
