"""Hearing of news at once: NOTIFY for all folders (RFC 5465), else IDLE on the inbox (RFC 2177).

What a server says unasked is a hint and nothing more; the next run of the sync finds out what it was. A line is opened anew
long before routers and servers forget it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from providers.errors import Refused
from providers.imap4.connection import Connection
from providers.imap4.syntax import Data

#: RFC 2177: at most 29 minutes; routers at home forget a silent line after ten to fifteen.
IDLE_SECONDS: Final = 9 * 60.0
#: RFC 5465 §5: what happens in any folder; the inbox is selected for servers that tell only of that.
_NOTIFY: Final = b"NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange)) (PERSONAL (MessageNew MessageExpunge FlagChange))"
_NEWS: Final = frozenset({"EXISTS", "EXPUNGE", "VANISHED", "FETCH", "UIDFETCH", "STATUS", "LIST"})


async def hints(connect: Callable[[], Awaitable[Connection]]) -> AsyncGenerator[None]:
    """One hint as soon as the line stands (nobody listened before), then one for every piece of news.

    Raises ProviderError; Refused with the code `no-push` where the server cannot tell.
    """
    connection = await connect()
    try:
        if not connection.has("IDLE", "IMAP4REV2"):
            message = f"{connection.host} does not tell of new mail by itself; it is asked every few minutes."
            raise Refused(message, provider_code="no-push")
        await connection.run(b"EXAMINE INBOX", doing="to open the inbox")
        if connection.has("NOTIFY"):
            await connection.attempt(_NOTIFY)  # refused: then IDLE tells of the inbox alone
        yield None
        while True:
            async with aclosing(connection.idle(IDLE_SECONDS)) as said:
                async for one in said:
                    if is_news(one):
                        yield None
    finally:
        await connection.logout()


def is_news(one: Data) -> bool:
    """Whether something may have changed; RECENT and a reminder that somebody is there are no news."""
    return one.name in _NEWS
