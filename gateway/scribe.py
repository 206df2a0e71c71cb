"""A process beside the worker that writes what long runs bring: reading and writing then take a processor each.

A network's answers are read and understood in the worker while what they said is written here; in one process Python does one of
the two at a time. A run begins in the worker's own process and goes on here once it is known to be long; the process ends when
nothing has come for a while, and when the worker is gone, however it went. It is an aid only: what it does not write, because it
died or the database refused, the worker writes itself, where the failure is told as any other.

    worker ──▶ request: number, viewer, slices ──▶ scribe ──▶ the database
           ◀── answer: number, what was written ◀──

Slices that come together are one transaction as long as nobody else wants to write: what it costs to end one is shared by them all,
and who comes waits for one slice at most.

Frames on its standard input and output are a length of four bytes and MessagePack; the first one names the database. Knows no
adapter, no account's secret and no settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
from sqlalchemy import Connection

from gateway import slices
from gateway.memory import share_one_arena
from gateway.slices import LONG, Slice
from resolvers.ingest import Result
from store import search_index
from store.database import Database

TOGETHER_SECONDS: Final = 0.15  # of work that is one transaction, while nobody waits: what it touches is to fit into memory
BUSY: Final = 2.0  # times as long as alone a slice may take on a busy machine
IDLE_SECONDS: Final = 60.0  # without a slice, after which the process ends
STOP_SECONDS: Final = 10.0
REST_SECONDS: Final = 300.0  # after it failed, until one is started again
PAGES_KIB: Final = 24_000  # of the database that are kept in memory: keys are hashes, and every slice touches pages everywhere
MAX_FRAME: Final = 256 * 1024 * 1024
log = structlog.get_logger()


class _Request(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    number: int
    viewer: str
    parts: list[bytes]


class Taken(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What became of a slice's rows, and the seconds that it took, of a processor or on the clock (`_took`)."""

    results: list[Result]
    seconds: float


class _Answer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The slices that are written, in order; where some are missing, `error` says why."""

    number: int
    taken: list[Taken] = []
    error: str = ""


class Scribe:
    """Writes slices, in a process of its own once a run is `long` (rows). One a worker; `await close()` ends it.

    `idle` are the seconds without a slice after which that process ends.
    """

    def __init__(self, database: Database, *, long: int = LONG, idle: float = IDLE_SECONDS) -> None:
        self._database = database
        self._long = long
        self._idle_seconds = idle
        self._aide: _Aide | None = None
        self._starting: asyncio.Task[_Aide] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._rest_until = 0.0

    @property
    def pid(self) -> int | None:
        """The process that writes, while there is one."""
        return None if self._aide is None else self._aide.pid

    async def write(self, viewer: str, parts: Sequence[Slice]) -> list[Taken]:
        """Write slices in their order, giving way to whoever waits; one answer each.

        Raises what the database raises; the slices before the one that it refused are written then.
        """
        taken: list[Taken] = []
        if parts and parts[-1].done > self._long and any(part.rows for part in parts):
            self._start()
            taken = await self._elsewhere(viewer, parts)
        for part in parts[len(taken) :]:
            taken.append(await _write_here(self._database, viewer, part))
        return taken

    async def close(self) -> None:
        """End the process after what it is writing."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if (aide := self._let_go()) is not None:
            await aide.ended()

    def _start(self) -> None:
        """Have a process soon; until then slices are written here."""
        loop = asyncio.get_running_loop()
        if self._aide is not None and self._aide.gone:
            self._let_go()
            self._rest_until = loop.time() + REST_SECONDS
        if self._aide is None and self._starting is None and loop.time() >= self._rest_until:
            self._starting = loop.create_task(_Aide.start(self._database.url.render_as_string(hide_password=False)))
            self._starting.add_done_callback(self._started)

    def _started(self, starting: asyncio.Task[_Aide]) -> None:
        self._starting = None
        if starting.cancelled():
            return
        if (error := starting.exception()) is not None:
            self._rest_until = asyncio.get_running_loop().time() + REST_SECONDS
            log.warning("no process to write in could be started; this one goes on alone", error=str(error))
            return
        self._aide = starting.result()
        self._later()

    async def _elsewhere(self, viewer: str, parts: Sequence[Slice]) -> list[Taken]:
        """What the other process made of them; those that are missing at the end are to be written here."""
        if self._aide is None:
            return []
        try:
            data = []
            for part in parts:
                data.append(slices.packed(part))
                await asyncio.sleep(0)  # it takes its time, and others have their turn
        except (UnicodeEncodeError, OverflowError):  # it has no form between processes
            return []
        self._later()
        said = await self._aide.ask(viewer, data)
        if len(said.taken) < len(parts):
            log.warning("a slice was not written elsewhere; it is written here", error=said.error)
        if said.taken:
            self._database.written(viewer)
        return said.taken

    def _later(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._when_idle)

    def _when_idle(self) -> None:
        if self._aide is not None and self._aide.busy:
            self._later()
        else:
            self._let_go()

    def _let_go(self) -> _Aide | None:
        """Let the process end after what it has."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        aide, self._aide = self._aide, None
        if aide is not None:
            aide.end()
        return aide


class _Aide:
    """The other process, as the worker sees it."""

    def __init__(self, process: asyncio.subprocess.Process, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self.pid = process.pid
        self.gone = False
        self._process = process
        self._stdin = stdin
        self._stdout = stdout
        self._waiting: dict[int, asyncio.Future[_Answer]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, url: str) -> _Aide:
        """A process that has opened the database at `url`. Raises OSError, IncompleteReadError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.scribe", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            await _send(process.stdin, url.encode())
            await _frame(process.stdout)  # it is there
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        return cls(process, process.stdin, process.stdout)

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    async def ask(self, viewer: str, parts: list[bytes]) -> _Answer:
        """Its answer. Without one, because it has ended, some may have been written: to write them again changes nothing."""
        self._number += 1
        number = self._number
        if self.gone:
            return _Answer(number=number, error="the process has ended")
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            with contextlib.suppress(OSError):  # it is gone: so says the end of its answers
                await _send(self._stdin, msgspec.msgpack.encode(_Request(number=number, viewer=viewer, parts=parts)))
            return await answer
        finally:
            self._waiting.pop(number, None)

    def end(self) -> None:
        """Let it end after what it has: its input does."""
        self._stdin.close()

    async def ended(self) -> None:
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        """Hand answers to those who wait, until it ends; then nothing is written any more that was not."""
        decode = msgspec.msgpack.Decoder(_Answer).decode
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, msgspec.DecodeError):
            while True:
                said = decode(await _frame(self._stdout))
                waiting = self._waiting.get(said.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(said)
        self.gone = True
        self._stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        for number, waiting in self._waiting.items():
            if not waiting.done():
                waiting.set_result(_Answer(number=number, error="the process has ended"))


async def _write_here(database: Database, viewer: str, part: Slice) -> Taken:
    """One transaction in this process, after which others get their turn."""
    [taken] = await _write_together(database, viewer, [part])
    return taken


async def _write_together(database: Database, viewer: str, parts: Sequence[Slice]) -> list[Taken]:
    """The first of the slices in one transaction, and as many after it as nobody waits for; then others get their turn."""

    def write(conn: Connection, viewer: str) -> list[Taken]:
        taken: list[Taken] = []
        opened = time.thread_time()  # a busy machine takes longer for it, and what it touches is no more
        with search_index.gathered(conn):
            for part in parts:
                began = time.perf_counter(), time.thread_time()
                results = slices.take(conn, viewer, part)
                taken.append(Taken(results=results, seconds=_took(*began)))
                if time.thread_time() - opened > TOGETHER_SECONDS or database.somebody_waits():
                    break
        return taken

    taken = await database.write_behind(viewer, write)
    await database.give_way()
    return taken


def _took(clock: float, work: float) -> float:
    """The seconds since these two, by which the next slice is cut.

    On a busy machine the clock runs on while others work: cut by it alone, slices would become small, and what each one costs by itself
    would make the machine busier still. A slow disk, though, is waited for by everybody.
    """
    return max(time.thread_time() - work, (time.perf_counter() - clock) / BUSY)


async def _send(stream: asyncio.StreamWriter, data: bytes) -> None:
    stream.write(len(data).to_bytes(4, "big") + data)
    await stream.drain()


async def _frame(stream: asyncio.StreamReader) -> bytes:
    """The next frame. Raises IncompleteReadError at the end, OSError for one that is too large to be ours."""
    size = int.from_bytes(await stream.readexactly(4), "big")
    if size > MAX_FRAME:
        raise OSError("a frame that is too large")
    return await stream.readexactly(size)


async def serve(stdin: asyncio.StreamReader, stdout: asyncio.StreamWriter) -> None:
    """The process itself: write what comes until nothing comes any more."""
    try:
        database = Database((await _frame(stdin)).decode(), pages=PAGES_KIB)
    except asyncio.IncompleteReadError:
        return
    decode = msgspec.msgpack.Decoder(_Request).decode
    under_way: set[asyncio.Task[None]] = set()

    async def answer(request: _Request) -> None:
        taken: list[Taken] = []
        error = ""
        try:
            parts = [slices.unpacked(part) for part in request.parts]
            while len(taken) < len(parts):
                taken += await _write_together(database, request.viewer, parts[len(taken) :])
        except Exception as failure:  # the worker tries it itself, and tells
            error = f"{type(failure).__name__}: {failure}"[:500]
        await _send(stdout, msgspec.msgpack.encode(_Answer(number=request.number, taken=taken, error=error)))

    try:
        await _send(stdout, b"")
        while True:
            task = asyncio.create_task(answer(decode(await _frame(stdin))))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        if under_way:
            await asyncio.wait(under_way)
        await database.close()


async def _main() -> None:
    gc.freeze()  # what is loaded stays: to look through all of it for garbage stops a transaction for 50 ms
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGINT, signal.SIGTERM):  # they are for the worker, and its end is ours
        loop.add_signal_handler(stop, lambda: None)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever is printed goes to the log, not between the answers
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(answers, "wb"))
    await serve(stdin, asyncio.StreamWriter(transport, protocol, None, loop))


if __name__ == "__main__":
    share_one_arena()
    asyncio.run(_main())
