"""The clients: so many connections, each with one request after another, for so many seconds and until the last answer.

`python -m benchmarks.gateway_workload.load PORT SECONDS CONNECTIONS` reads the whole request from its standard input and prints one
line of JSON: how many answers came, how many were no 200, and how long they took.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Final, cast

import uvloop

PATIENCE: Final = 30.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED_END: Final = b"\r\n0\r\n\r\n"


class Client(asyncio.Protocol):
    """One connection. Asks again as soon as an answer is whole, until told to stop."""

    def __init__(self, request: bytes, told: Told) -> None:
        self._request = request
        self._told = told
        self._buffer = bytearray()
        self._length = -1  # of the whole answer, head included; 0 for one in chunks
        self._idle = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if self._length < 0:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(buffer, 0, end)
            self._length = end + 4 + int(found[1]) if found else 0
        if len(buffer) < self._length if self._length else not buffer.endswith(_CHUNKED_END):
            return
        self._told.answer(buffer.startswith(b"HTTP/1.1 200"), time.perf_counter() - self._began)
        buffer.clear()
        self._length = -1
        if self._told.over:
            self._idle = True
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._told.lost += not self._idle
        self._told.left()


class Told:
    """What all connections have seen. `ended` is done when the last of them has closed."""

    def __init__(self, connections: int) -> None:
        self.over = False
        self.ended = asyncio.get_running_loop().create_future()
        self._open = connections
        self.bad = self.lost = 0
        self.seconds: list[float] = []

    def answer(self, good: bool, seconds: float) -> None:
        self.bad += not good
        self.seconds.append(seconds)

    def left(self) -> None:
        self._open -= 1
        if not self._open:
            self.ended.set_result(None)

    def shown(self, lasted: float) -> dict[str, float]:
        ordered = sorted(self.seconds) or [0.0]
        return {
            "answers": len(self.seconds),
            "bad": self.bad + self.lost,
            "seconds": lasted,
            "p50": ordered[len(ordered) // 2] * 1000,
            "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
        }


async def ask(port: int, seconds: float, connections: int, request: bytes) -> dict[str, float]:
    """Milliseconds for p50 and p99."""
    told, loop = Told(connections), asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(request, told), "127.0.0.1", port)
    await asyncio.sleep(seconds)
    told.over = True
    await asyncio.wait_for(told.ended, PATIENCE)  # what was asked is answered: its cost and its calls are counted, too
    return told.shown(time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(ask(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer.read()))))
