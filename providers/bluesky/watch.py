"""Hints that something happened at Bluesky, where nothing tells of itself what happens to one account.

Two small questions are asked again and again: how far the chat's log goes (`chat.bsky.convo.getLog`), and which commit of the account's
repository is the latest (`com.atproto.sync.getLatestCommit`): every second while something goes on, less and less often when all is quiet,
as Bluesky's own programs do. A server of one's own is listened to beside (`atproto_stream.py`), and then asked at once; a crowded one is
not, nor is Jetstream, which tells all of the network and would know whom one listens for. Knows nothing of what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import msgspec

from providers.atproto_stream import listen
from providers.errors import ProviderError, Unavailable
from providers.http import Session
from providers.session import Clock

OFTEN: Final = 1.0  # seconds between two looks while something goes on
SELDOM: Final = 15.0  # at most, when all is quiet
AWAKE: Final = 120.0  # seconds after the last thing that happened in which something still goes on
AGAIN: Final = 60.0  # seconds before a server is listened to again whose line has ended


class Place(msgspec.Struct, frozen=True):
    """How far things are. `log` is empty where the sign-in shows no chat."""

    log: str
    rev: str


Look = Callable[[Place | None], Awaitable[tuple[Place, bool]]]


async def hints(clock: Clock, look: Look, heard: asyncio.Event) -> AsyncGenerator[None]:
    """One at the beginning, one for each look at which something had happened. Raises what `look` raises.

    `look(place)` gives how far things are now, and whether anything happened since `place`; None asks for the place alone. It is asked at
    once when `heard` is set.
    """
    place, _ = await look(None)
    yield None
    happened, wait = clock.now().timestamp(), OFTEN
    while True:
        await _either(clock.sleep(wait), heard)
        heard.clear()
        place, news = await look(place)
        now = clock.now().timestamp()
        if news:
            happened, wait = now, OFTEN
            yield None
        elif not 0 <= now - happened < AWAKE:
            wait = min(wait * 2, SELDOM)


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
