"""A line to a source on which answers can be held back, and clients that wait for them: `python -m tests.chaos.held_line PORT TARGET`.

What is asked by way of PORT is passed on to TARGET at once, so that the source does the same work whether its answers are held or not; a
held answer is passed on after so many seconds, or as soon as nothing is held any more. Clients ask a GraphQL endpoint again and again, each at
its own fixed times. This is a process of its own: whoever measures others beside it shares no interpreter with those who wait.

Commands come as lines of JSON to standard input, each answered by a line when it is done:

    {"ask": {"port": 1, "headers": {}, "bodies": ["", …], "each": 1.6}}   a client for each body, which says how many at `%d`
    {"hold": 3.0}   once every client waits for an answer that it asked for since
    {"release": true}   once nobody waits for what was asked for before
    {"hear": true}   once every client has heard an answer that it asked for since the line was held, or was not any more

The answer to the last three has what clients have `heard` of what they asked for since the command before: how often each state of a source.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections import Counter
from typing import Any, Final

LOCAL: Final = "127.0.0.1"
PIECE: Final = 65_536  # bytes
SIZES: Final = (
    100  # a client asks for so many different numbers, each time for another: what is under way is not what it asks for
)


class Line:
    """Between whoever comes and the source."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._free = asyncio.Event()
        self._free.set()
        self._seconds = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self, seconds: float) -> None:
        self._seconds = seconds
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    async def take(self, asking: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Pass on what one connection has to say, and the answers, until either end is gone."""
        answers, on = await asyncio.open_connection(LOCAL, self._target)
        asked_at = 0.0
        loop = asyncio.get_running_loop()

        async def there() -> None:
            nonlocal asked_at
            while piece := await asking.read(PIECE):
                asked_at = loop.time()
                on.write(piece)
                await on.drain()

        async def again() -> None:
            while piece := await answers.read(PIECE):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(asked_at + self._seconds):
                        await self._free.wait()
                back.write(piece)
                await back.drain()

        ways = [asyncio.ensure_future(way()) for way in (there, again)]
        self._tasks.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            self._tasks.difference_update(ways)
            on.close()
            back.close()


class Clients:
    """Who asks by a connection each, and what they hear."""

    def __init__(self, port: int, headers: dict[str, str], bodies: list[str], each: float) -> None:
        self._port = port
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._each = each
        self._epoch = 0
        self._sizes = itertools.count()
        self._asked = [-1] * len(bodies)  # the epoch in which each asked last
        self._answered = [-1] * len(bodies)  # and of what it heard last
        self._news = asyncio.Condition()
        self._heard: Counter[str] = Counter()
        began = asyncio.get_running_loop().time()
        self._tasks = [
            asyncio.create_task(self._client(number, body, began + each * number / len(bodies)))
            for number, body in enumerate(bodies)
        ]

    def next(self) -> dict[str, int]:
        """Another epoch begins; what was heard in the last one."""
        heard, self._heard = self._heard, Counter()
        self._epoch += 1
        return dict(heard)

    async def all_wait(self) -> None:
        """Until every client waits for what it asked for in this epoch."""
        async with self._news:
            await self._news.wait_for(lambda: all(asked == self._epoch for asked in self._asked))

    async def none_waits(self) -> None:
        """Until no client waits for what it asked for in an epoch before."""
        async with self._news:
            await self._news.wait_for(
                lambda: all(asked in (self._epoch, answered) for asked, answered in zip(self._asked, self._answered, strict=True))
            )

    async def all_heard(self) -> None:
        """Until every client has heard of what it asked for in this epoch."""
        async with self._news:
            await self._news.wait_for(lambda: all(answered == self._epoch for answered in self._answered))

    async def _client(self, number: int, body: str, due: float) -> None:
        loop = asyncio.get_running_loop()
        answers, asking = await asyncio.open_connection(LOCAL, self._port)
        while True:
            await asyncio.sleep(due - loop.time())
            due += self._each
            epoch = await self._note(self._asked, number, self._epoch)
            said = body.replace("%d", str(50 + next(self._sizes) % SIZES)).encode()
            asking.write(f"POST /graphql HTTP/1.1\r\n{self._head}Content-Length: {len(said)}\r\n\r\n".encode() + said)
            states = _states(await _answer(answers))
            if epoch == self._epoch:
                self._heard.update(states)
            await self._note(self._answered, number, epoch)

    async def _note(self, of: list[int], number: int, epoch: int) -> int:
        async with self._news:
            of[number] = epoch
            self._news.notify_all()
        return epoch


async def _answer(answers: asyncio.StreamReader) -> Any:
    head = (await answers.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    return json.loads(await answers.readexactly(length))


def _states(answer: Any) -> list[str]:
    if answer.get("errors"):
        return [f"error: {answer['errors'][0]['message']}"]
    return [source["state"] for source in answer["data"]["viewer"]["conversations"]["sources"]]


async def _run(port: int, target: int) -> None:
    line = Line(target)
    server = await asyncio.start_server(line.take, LOCAL, port)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    clients: Clients | None = None
    _say({"listens": port})
    while command := await commands.readline():
        ((what, value),) = json.loads(command).items()
        if what == "ask":
            clients = Clients(**value)
            _say({})
            continue
        assert clients is not None
        if what == "hear":
            await clients.all_heard()
            _say({"heard": clients.next()})
            continue
        heard = clients.next()
        if what == "hold":
            line.hold(value)
            await clients.all_wait()
        else:
            line.release()
            await clients.none_waits()
        _say({"heard": heard})
    server.close()


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2])))
