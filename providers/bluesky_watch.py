"""Hints that something happened at Bluesky, where nothing tells of itself what happens to one account.

Two small questions are asked again and again: how far the chat's log goes (`chat.bsky.convo.getLog`), and which commit of the account's
repository is the latest (`com.atproto.sync.getLatestCommit`): every second while something goes on, less and less often when all is quiet,
as Bluesky's own programs do. The streams that there are tell of everybody (`com.atproto.sync.subscribeRepos`, all accounts of a server;
Jetstream, all of the network): for one account that is far more than these questions, and a stranger would know whom one listens for.
Knows nothing of what happened.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import msgspec

from providers.session import Clock

OFTEN: Final = 1.0  # seconds between two looks while something goes on
SELDOM: Final = 15.0  # at most, when all is quiet
AWAKE: Final = 120.0  # seconds after the last thing that happened in which something still goes on


class Place(msgspec.Struct, frozen=True):
    """How far things are. `log` is empty where the sign-in shows no chat."""

    log: str
    rev: str


Look = Callable[[Place | None], Awaitable[tuple[Place, bool]]]


async def hints(clock: Clock, look: Look) -> AsyncGenerator[None]:
    """One at the beginning, one for each look at which something had happened. Raises what `look` raises.

    `look(place)` gives how far things are now, and whether anything happened since `place`; None asks for the place alone.
    """
    place, _ = await look(None)
    yield None
    happened, wait = clock.now().timestamp(), OFTEN
    while True:
        await clock.sleep(wait)
        place, news = await look(place)
        now = clock.now().timestamp()
        if news:
            happened, wait = now, OFTEN
            yield None
        elif not 0 <= now - happened < AWAKE:
            wait = min(wait * 2, SELDOM)
