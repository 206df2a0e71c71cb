"""aiohttp's sockets behind the guard. A module of its own, since whoever asks for none of them does without aiohttp.

Knows nothing of HTTP.
"""

from __future__ import annotations

import socket

import aiohttp
import aiohttp.abc

from providers.addresses import Guard


def connector(
    guard: Guard, *, connections: int = 200, per_host: int = 16, keepalive_seconds: float = 20.0
) -> aiohttp.TCPConnector:
    """An aiohttp connector that only knows addresses from this guard and only opens sockets through it."""
    return aiohttp.TCPConnector(
        resolver=Resolver(guard),
        socket_factory=lambda info: guard.open(int(info[0]), info[4]),
        limit=connections,
        limit_per_host=per_host,
        keepalive_timeout=keepalive_seconds,
        ttl_dns_cache=10,
    )


class Resolver(aiohttp.abc.AbstractResolver):
    """aiohttp's view of a guard: what it resolves is judged, so what it connects to is."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=pinned.ip,
                port=port,
                family=pinned.family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for pinned in await self._guard.resolve(host, port)
            if family in (socket.AF_UNSPEC, pinned.family)
        ]

    async def close(self) -> None:
        return None
