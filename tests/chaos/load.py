"""Many clients that ask one query again and again, each on its own connection, and remember every answer that was none."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.gateway_process import Gateway
from tests.patience import PATIENCE

SMALL_PAGE = """{ viewer { people(first: 5) { edges { node { name emails { address }
  conversations(first: 1) { edges { node { subject } } } } } } } }"""


@dataclass
class Load:
    """`answers` counts complete answers with data and without errors; `failed` says what else happened, `refused` how often nobody
    listened. Clients that `come_anew` open a connection for each request, the others keep theirs."""

    gateway: Gateway
    key: str
    clients: int
    query: str = SMALL_PAGE
    pause: float = 0.0
    come_anew: bool = False
    answers: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    extensions: list[dict[str, Any]] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _nobody: asyncio.Event = field(default_factory=asyncio.Event)  # listened, once at least
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Begin to ask."""
        self._tasks = [asyncio.create_task(self._client(n)) for n in range(self.clients)]

    async def stop(self) -> None:
        """Let everybody finish the request at hand."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def answered(self, more: int, patience: float = PATIENCE) -> None:
        """Until so many further answers have come. Raises TimeoutError."""
        wanted = self.answers + more
        async with asyncio.timeout(patience):
            while self.answers < wanted and not self._stop.is_set():  # noqa: ASYNC110  a count, not an event
                await asyncio.sleep(0.02)

    async def turned_away(self, patience: float = PATIENCE) -> None:
        """Until somebody found that nobody listens. Raises TimeoutError."""
        async with asyncio.timeout(patience):
            await self._nobody.wait()

    async def _client(self, number: int) -> None:
        connector = aiohttp.TCPConnector(limit=1, force_close=self.come_anew)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
            while not self._stop.is_set():
                await self._ask(session, number)
                await asyncio.sleep(self.pause)

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        began = time.perf_counter()
        headers = {"authorization": f"Bearer {self.key}"}
        try:
            async with session.post(self.gateway.endpoint, json={"query": self.query}, headers=headers) as response:
                body = await response.read()
        except aiohttp.ClientConnectorError:
            self.refused += 1  # nobody took the request
            self._nobody.set()
            await asyncio.sleep(0.05)
            return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.failed.append(f"client {number}: {type(error).__name__}: {error}")
            await asyncio.sleep(0.05)
            return
        self._judge(response.status, body)
        self.seconds.append(time.perf_counter() - began)

    def _judge(self, status: int, body: bytes) -> None:
        answer = json.loads(body) if body.startswith(b"{") else {}
        if status == 200 and not answer.get("errors") and answer.get("data", {}).get("viewer"):
            self.answers += 1
            self.extensions.append(answer.get("extensions", {}).get("kith", {}))
        else:
            self.failed.append(f"{status}: {body[:300].decode(errors='replace')}")

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        ordered = sorted(self.seconds)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) if ordered else 0.0
