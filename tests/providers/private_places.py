"""What no stranger may lead us to: something that listens in private, and the spellings of where it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: This machine in disguise; `inside.example` is a name whose address is 127.0.0.1.
INSIDE = [
    "127.0.0.1", "127.0.0.2", "localhost", "app.localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
    "2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1", "0.0.0.0", "inside.example",
]  # fmt: skip


class Vault:
    """Something that listens in private; whoever connects is counted."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0


@asynccontextmanager
async def listening(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Vault]:
    vault = Vault()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        vault.visits += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        writer.close()

    server = await asyncio.start_server(visited, host, port)
    vault.port = server.sockets[0].getsockname()[1]
    try:
        yield vault
    finally:
        server.close()
