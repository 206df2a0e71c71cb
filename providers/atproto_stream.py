"""What an account's server tells of all its accounts at once, listened to for one of them: `com.atproto.sync.subscribeRepos`.

An event stream (atproto.com/specs/event-stream): each message is two DAG-CBOR objects, what it is and what happened. What was said while nobody
listened is not asked for: it is a hint, and the repository knows the rest. A server of one's own tells a few things an hour; at one with
many accounts all that they do would come here, so that it is left as soon as it is seen to be crowded. Asks for nothing in anybody's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from providers.http import Session
from providers.server_address import origin

STREAM: Final = "/xrpc/com.atproto.sync.subscribeRepos"
GOING_AWAY: Final = 1001  # RFC 6455 §7.4.1
SILENCE: Final = 60.0  # seconds to wait for a message, and then for the next
#: So many events of others within WINDOW seconds are more than one account is worth.
CROWD: Final = 300
WINDOW: Final = 300.0


async def listen(session: Session, did: str, happened: Callable[[], None]) -> None:
    """Tells of everything that happens to an account. Comes back when its server is crowded.

    Raises Refused where there is no such stream, Unavailable when it ends, and ProviderError.
    """
    async with session.web_socket(origin(session.account.base_url) + STREAM, ended=GOING_AWAY) as line:
        began, others = session.clock.now().timestamp(), 0
        while others <= CROWD:
            message = await line.receive(SILENCE)
            now = session.clock.now().timestamp()
            if not 0 <= now - began < WINDOW:
                began, others = now, 0
            if message is not None and concerns(message, did):
                happened()
            elif message is not None:
                others += 1


def concerns(message: bytes, did: str) -> bool:
    """Whether a message tells of an account: of a commit it is `repo`, of all else `did`. What cannot be read tells of nobody."""
    import libipld  # with the first message of a stream

    try:
        header, body = libipld.decode_dag_cbor_multi(message)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    if not isinstance(header, dict) or not isinstance(body, dict) or header.get("op") != 1:
        return False
    return did in (body.get("repo"), body.get("did"))
