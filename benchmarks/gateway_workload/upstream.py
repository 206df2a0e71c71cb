"""The static upstream: `python -m benchmarks.gateway_workload.upstream PORT` answers GET with the workload's documents.

As fast as Python goes (one pass over the bytes, ready answers), so that what is measured is the gateway. `GET /calls` tells how many
of its documents were asked for so far.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final, cast

import uvloop

from benchmarks.gateway_workload.workload import documents

_END: Final = b"\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection, kept open for as long as the client likes."""

    calls = 0
    answers: Final[dict[bytes, bytes]] = {}

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        *requests, self._rest = data.split(_END)  # a GET has no body
        for request in requests:
            path = request.split(b" ", 2)[1]
            if path == b"/calls":
                self._transport.write(_response(str(Upstream.calls).encode()))
                continue
            Upstream.calls += 1
            self._transport.write(Upstream.answers.get(path) or _response(b"{}", b"404 Not Found"))


def _response(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
    return head + body


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    Upstream.answers.update({path.encode(): _response(body) for path, body in documents().items()})
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1_024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
