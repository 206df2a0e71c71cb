"""Hints that something happened at Bluesky, where nothing tells of itself what happens to one account.

Two small questions are asked again and again: how far the chat's log goes (`chat.bsky.convo.getLog`), and which commit of the account's
repository is the latest (`com.atproto.sync.getLatestCommit`). Somebody may write at any time: the log is asked for every second, as
Bluesky's own program does while a chat is open, and more seldom the more accounts are watched at one server, which counts calls by the
address they come from. The commit is asked for beside it while something goes on, and seldom when all is quiet. A server of one's own is
listened to as well (`atproto_stream.py`), and then asked at once; a crowded one is not, nor is Jetstream, which tells all of the network
and would know whom one listens for. Knows nothing of what happened.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import msgspec

from providers.atproto_stream import listen
from providers.errors import ProviderError, Unavailable
from providers.http import Session
from providers.session import Clock

OFTEN: Final = 1.0  # seconds between two looks into the chat's log
TOGETHER: Final = 4  # accounts at one server that are looked at so often: 4 calls of the 10 a second that it allows
SELDOM: Final = 15.0  # seconds between two looks at the repository when all is quiet
AWAKE: Final = 120.0  # seconds after the last thing that happened in which something still goes on
AGAIN: Final = 60.0  # seconds before a server is listened to again whose line has ended
_watched: Final = Counter[str]()  # by server: the accounts that this process watches there


class Place(msgspec.Struct, frozen=True):
    """How far things are. `log` is empty where the sign-in shows no chat, `rev` where the repository was not asked for yet."""

    log: str
    rev: str


class Look(Protocol):
    """How far things are now, and whether anything happened since `place`; None asks for the place alone, and `posts` for the repository."""

    def __call__(self, place: Place | None, *, posts: bool) -> Awaitable[tuple[Place, bool]]: ...


async def hints(clock: Clock, look: Look, heard: asyncio.Event, pause: Callable[[], float]) -> AsyncGenerator[None]:
    """One at the beginning, one for each look at which something had happened. Raises what `look` raises.

    `pause` gives the seconds until the next look. It is looked at once, and at everything, when `heard` is set.
    """
    place, _ = await look(None, posts=True)
    yield None
    happened = whole = clock.now().timestamp()  # when anything happened last, and when all was looked at
    while True:
        await _either(clock.sleep(pause()), heard)
        now = clock.now().timestamp()
        awake, fresh = 0 <= now - happened < AWAKE, 0 <= now - whole < SELDOM
        posts = heard.is_set() or awake or not fresh
        heard.clear()
        place, news = await look(place, posts=posts)
        whole = now if posts else whole
        if news:
            happened = now
            yield None


@contextmanager
def watched(server: str) -> Iterator[Callable[[], float]]:
    """Seconds between two looks at an account, which grow with the number of accounts that are watched at its server."""
    _watched[server] += 1
    try:
        yield lambda: OFTEN * max(1.0, _watched[server] / TOGETHER)
    finally:
        _watched[server] -= 1
        if not _watched[server]:
            del _watched[server]


async def keep_listening(session: Session, did: str, heard: asyncio.Event) -> None:
    """Set `heard` whenever the server tells of the account; ends where it does not tell, or tells too much of others."""
    while True:
        try:
            return await listen(session, did, heard.set)
        except Unavailable:
            await session.clock.sleep(AGAIN)  # the line was cut: what was missed meanwhile, a look shows
        except ProviderError:
            return


async def _either(sleep: Awaitable[None], heard: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(sleep), asyncio.ensure_future(heard.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
