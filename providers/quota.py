"""What a network allows, as its adapter states it. Knows nobody who counts."""

from __future__ import annotations

import msgspec


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` in `seconds`, `concurrency` at once; `sentence` says it to people.

    `interactive_reserve` is the share (0 to 1) of the calls kept for somebody who waits. `by_route`: what the network says is left is so
    of one kind of call alone, which its adapter counts.
    """

    calls: int
    seconds: float
    concurrency: int = 4
    interactive_reserve: float = 0.2
    sentence: str = ""
    by_route: bool = False
