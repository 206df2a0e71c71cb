"""Names become addresses by threads of their own: whatever one name's servers do, another name is found.

getaddrinfo(3) cannot be ended by who asked: where a name's servers say nothing it goes on for twice five seconds for each server that
resolv.conf(5) lists, and longer. The loop that this product runs on lets few such questions be asked at once (uvloop asks libuv, which has
four threads, of which half may be slow), asyncio's as many as the machine has processors and four, by threads which it shares with all
other work: a handful of names that nobody answers for would keep everybody from every network. Here a name is asked for once at a time, whoever
wants it, so that it has one thread at most, however many wait for it. Judges no address, and remembers none.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

#: Questions at once; a thread that waits costs some tens of kilobytes. Further ones wait in line.
THREADS: Final = 64
Resolver = Callable[[str, int], Sequence[str]]
_Asked = asyncio.Future[Sequence[str]]


class Names:
    """Questions to a `resolver` that blocks and may raise. Belongs to the loop that it is first asked in."""

    def __init__(self, resolver: Resolver, *, threads: int = THREADS) -> None:
        self._resolver = resolver
        self._free = threads
        self._asked: dict[tuple[str, int], _Asked] = {}
        self._line: deque[tuple[str, int]] = deque()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name. Raises what the resolver raises. Who stops waiting stops nobody else's waiting."""
        asked = self._asked.get((host, port))
        if asked is None:
            asked = self._asked[host, port] = asyncio.get_running_loop().create_future()
            asked.add_done_callback(_seen)
            self._line.append((host, port))
            self._begin()
        return await asyncio.shield(asked)

    def _begin(self) -> None:
        while self._free and self._line:
            question = self._line.popleft()
            self._free -= 1
            # a daemon: nobody who stops the process waits for a name that nobody answers for
            threading.Thread(target=self._ask, args=(*question, self._asked[question]), name="kith-name", daemon=True).start()

    def _ask(self, host: str, port: int, asked: _Asked) -> None:
        found: Sequence[str] = ()
        trouble: Exception | None = None
        try:
            found = self._resolver(host, port)
        except Exception as error:
            trouble = error
        with contextlib.suppress(RuntimeError):  # the loop is gone
            asked.get_loop().call_soon_threadsafe(self._told, (host, port), asked, found, trouble)

    def _told(self, question: tuple[str, int], asked: _Asked, found: Sequence[str], trouble: Exception | None) -> None:
        del self._asked[question]
        if trouble is None:
            asked.set_result(found)
        else:
            asked.set_exception(trouble)
        self._free += 1
        self._begin()


def _seen(asked: _Asked) -> None:
    """Nobody may be waiting any more, and an error that nobody has looked at would be logged."""
    if not asked.cancelled():
        asked.exception()
