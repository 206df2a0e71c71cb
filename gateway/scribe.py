"""A process beside the worker that writes what long runs bring: reading and writing then take a processor each.

A network's answers are read and understood in the worker while what they said is written here; in one process Python does one of
the two at a time. A run begins in the worker's own process and goes on here once it is known to be long; the worker then gives back what it
had taken to write. The process ends soon after the last run, when nothing has come for a while, and when the worker is gone, however it
went. It is an aid only: what it does not write, because it
died or the database refused, the worker writes itself, where the failure is told as any other.

    worker ──▶ request: number, viewer, slices ──▶ scribe ──▶ the database
           ◀── answer: number, what was written ◀──

Slices that come together are one transaction as long as nobody else wants to write: what it costs to end one is shared by them all.
Those of mail are taken several as one piece (`slices.joined`), which spares a fifth of the work; who comes waits for one piece at
most. A run hands the next ones over while those before them are being written, so that neither
process waits for the other's messages; where those before were not written, those after them are not either, until the worker has
written all of them in their order.

Frames on its standard input and output are a length of four bytes and MessagePack; the first one names the database. Knows no
adapter, no account's secret and no settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection

from gateway import slices
from gateway.memory import give_back, settle, share_one_arena
from gateway.slices import LONG, Slice
from providers import records
from resolvers.ingest import Result
from resolvers.ingest.intake import SLICE
from store import search_index
from store.database import Database

TOGETHER_SECONDS: Final = 0.8  # of work that is one transaction, while nobody waits: what it touches is to fit into memory
PIECE_SECONDS: Final = 0.2  # that mail which is taken as one may need: who comes meanwhile waits for it
PIECE_ROWS: Final = 600
PIECE_BYTES: Final = 4_000_000
BUSY: Final = 2.0  # times as long as alone a slice may take on a busy machine
IDLE_SECONDS: Final = 60.0  # without a slice, after which the process ends
OVER_SECONDS: Final = 10.0  # after the last run's end, until it does: what follows a run needs the memory
STOP_SECONDS: Final = 10.0
REST_SECONDS: Final = 300.0  # after it failed, until one is started again
PAGES_KIB: Final = 24_000  # of the database that are kept in memory: keys are hashes, and every slice touches pages everywhere
MAX_FRAME: Final = 256 * 1024 * 1024
log = structlog.get_logger()


class _Request(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    number: int
    viewer: str
    parts: list[bytes]
    after: int = 0  # the request of the same run that has to be written before it


class Taken(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What became of a slice's rows, and the seconds that it took, of a processor or on the clock (`_took`)."""

    results: list[Result]
    seconds: float


_Outline = tuple[records.Row | None, ...]


class Written(NamedTuple):
    """What became of a slice: its rows, None for messages, and what was `taken` of them."""

    rows: _Outline
    taken: Taken


class _Answer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The slices that are written, in order; where some are missing, `error` says why."""

    number: int
    taken: list[Taken] = []
    error: str = ""


class Scribe:
    """Writes slices, in a process of its own once a run is `long` (rows). One a worker; `await close()` ends it.

    `idle` are the seconds without a slice after which that process ends, `over` those after the last run.
    """

    def __init__(self, database: Database, *, long: int = LONG, idle: float = IDLE_SECONDS, over: float = OVER_SECONDS) -> None:
        self._database = database
        self._long = long
        self._idle_seconds = idle
        self._over_seconds = over
        self._runs = 0
        self._giving_back: asyncio.Task[None] | None = None
        self._aide: _Aide | None = None
        self._starting: asyncio.Task[_Aide] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._rest_until = 0.0

    @property
    def pid(self) -> int | None:
        """The process that writes, while there is one."""
        return None if self._aide is None else self._aide.pid

    def writing(self, viewer: str) -> Writing:
        """For one run, which says when it is over (`Writing.end`)."""
        self._runs += 1
        return Writing(self, self._database, viewer)

    def over(self) -> None:
        """A run is."""
        self._runs -= 1
        if self._aide is not None:
            self._later()

    async def write(self, viewer: str, parts: Sequence[Slice]) -> list[Taken]:
        """Write slices in their order, giving way to whoever waits; one answer each.

        Raises what the database raises; the slices before the one that it refused are written then.
        """
        writing = self.writing(viewer)
        try:
            return [done.taken for done in [*await writing.put(list(parts)), *await writing.rest()]]
        finally:
            writing.end()

    async def close(self) -> None:
        """End the process after what it is writing."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self._giving_back is not None:
            await asyncio.wait([self._giving_back])
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
        self._giving_back = asyncio.get_running_loop().create_task(self._give_back())

    async def _give_back(self) -> None:
        """The other process has its own pages of the database now; ours were for what is written there."""
        await self._database.forget_pages()
        give_back()

    async def hand_over(self, viewer: str, parts: Sequence[Slice], before: _Asked | None) -> _Asked | None:
        """Have the other process write a long run's slices, after what it was asked for `before`; None where there is no such process."""
        if not parts or not self._is_long(parts[-1]) or not any(part.rows for part in parts):
            return None
        self._start()
        aide = self._aide
        if aide is None or (before is not None and before.aide is not aide):
            return None
        self._later()
        try:
            data = []
            for part in parts:
                data.append(slices.packed(part))
                await asyncio.sleep(0)  # it takes its time, and others have their turn
        except (UnicodeEncodeError, OverflowError):  # it has no form between processes
            return None
        return await aide.ask(viewer, data, [_outline(part) for part in parts], before)

    def _is_long(self, part: Slice) -> bool:
        """Whether the run is; mostly its source says so from the beginning."""
        return max(part.done, part.total or 0) > self._long

    def _later(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(
            self._idle_seconds if self._runs else min(self._over_seconds, self._idle_seconds), self._when_idle
        )

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


class Writing:
    """What one run brings, in its order. `await rest()` before what came of it is looked at, `drop()` where nobody will; `end()` it."""

    def __init__(self, scribe: Scribe, database: Database, viewer: str) -> None:
        self._scribe = scribe
        self._database = database
        self._viewer = viewer
        self._under_way: _Asked | None = None
        self._doubtful = False  # what is under way was handed over behind something that had to be written here

    async def put(self, parts: list[Slice]) -> list[Written]:
        """Write these or hand them over, emptying the list; gives what came of those that are written by now, in order.

        Raises what the database raises, for these or for those before them.
        """
        done = await self.rest() if self._doubtful else []
        asked = await self._scribe.hand_over(self._viewer, parts, self._under_way)
        if asked is not None:
            parts.clear()  # those before them are awaited now, and bytes need a third of the memory
        try:
            done += await self.rest()
        except BaseException:
            if asked is not None:
                asked.drop()
            raise
        if asked is None:
            return done + [Written(_outline(part), await _write_here(self._database, self._viewer, part)) for part in parts]
        self._under_way = asked
        return done

    async def rest(self) -> list[Written]:
        """What came of those under way; those that the other process did not write are written here. Raises as `put`."""
        if self._under_way is None:
            self._doubtful = False
            return []
        asked, self._under_way = self._under_way, None
        said = await asked.answer()
        taken = said.taken
        self._doubtful = len(taken) < len(asked.parts)
        if self._doubtful:
            log.warning("a slice was not written elsewhere; it is written here", error=said.error)
        if taken:
            self._database.written(self._viewer)
        for part in asked.parts[len(taken) :]:
            taken.append(await _write_here(self._database, self._viewer, slices.unpacked(part)))
        return [Written(*one) for one in zip(asked.outlines, taken, strict=True)]

    def drop(self) -> None:
        """Wait for nothing any more; what was handed over may be written."""
        if self._under_way is not None:
            self._under_way.drop()
            self._under_way = None

    def end(self) -> None:
        """The run is over."""
        self._scribe.over()


class _Asked:
    """A request that is under way to the other process; its slices are kept as the bytes that they were sent as, in a third of the memory."""

    def __init__(
        self, aide: _Aide, number: int, parts: list[bytes], outlines: list[_Outline], waiting: asyncio.Future[_Answer]
    ) -> None:
        self.aide = aide
        self.number = number
        self.parts = parts
        self.outlines = outlines
        self._waiting = waiting

    async def answer(self) -> _Answer:
        """Its answer. Without one, because it has ended, some may have been written: to write them again changes nothing."""
        try:
            return await self._waiting
        finally:
            self.drop()

    def drop(self) -> None:
        self.aide.forget(self.number)


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

    async def ask(self, viewer: str, parts: list[bytes], outlines: list[_Outline], before: _Asked | None) -> _Asked:
        """Send a request, to be done after the one `before`."""
        self._number += 1
        number = self._number
        waiting: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        if self.gone:
            waiting.set_result(_Answer(number=number, error="the process has ended"))
        else:
            self._waiting[number] = waiting
            request = _Request(number=number, viewer=viewer, parts=parts, after=0 if before is None else before.number)
            try:
                # it is gone, as the end of its answers says; RuntimeError: uvloop, of a pipe that is closed already
                with contextlib.suppress(OSError, RuntimeError):
                    await _send(self._stdin, msgspec.msgpack.encode(request))
            except BaseException:
                self.forget(number)
                raise
        return _Asked(self, number, parts, outlines, waiting)

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
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


def _outline(part: Slice) -> _Outline:
    """A slice's rows without its mail, which is most of it."""
    return tuple(None if isinstance(row.item, records.Message) else row for row in part.rows)


async def _write_here(database: Database, viewer: str, part: Slice) -> Taken:
    """One transaction in this process, after which others get their turn."""
    [taken] = await _write_together(database, viewer, [[part]], _Pace())
    return taken


class _Pace:
    """How many rows are one piece: what the last one took says how long the next one will."""

    def __init__(self) -> None:
        self.rows = SLICE

    def took(self, rows: int, seconds: float) -> None:
        if rows:
            self.rows = int(min(PIECE_ROWS, rows * PIECE_SECONDS / max(seconds, 0.001)))


def _pieces(parts: Sequence[bytes], pace: _Pace) -> Iterator[list[Slice]]:
    """The slices in their order, those together that are taken as one; unpacked when it is their turn: as objects they take three times
    the memory."""
    piece: list[Slice] = []
    rows = size = 0
    for data in parts:
        part = slices.unpacked(data)
        rows, size = rows + len(part.rows), size + len(data)
        if piece and (rows > pace.rows or size > PIECE_BYTES or not slices.alike(piece[-1], part)):
            yield piece
            piece, rows, size = [], len(part.rows), len(data)
        piece.append(part)
    yield piece


async def _write_together(database: Database, viewer: str, pieces: Iterable[Sequence[Slice]], pace: _Pace) -> list[Taken]:
    """The first of the pieces, each of one slice or of several that are alike, in one transaction, and as many after it as nobody
    waits for; then others get their turn. One answer a slice."""

    def write(conn: Connection, viewer: str) -> list[Taken]:
        taken: list[Taken] = []
        opened = time.thread_time()  # a busy machine takes longer for it, and what it touches is no more
        with search_index.gathered(conn):
            for piece in pieces:
                began = time.perf_counter(), time.thread_time()
                results = slices.take(conn, viewer, slices.joined(piece))
                seconds = _took(*began)
                pace.took(len(results), seconds)
                taken += _shared(piece, results, seconds)
                if time.thread_time() - opened > TOGETHER_SECONDS or database.somebody_waits():
                    break
        return taken

    taken = await database.write_behind(viewer, write)
    await database.give_way()
    return taken


def _shared(piece: Sequence[Slice], results: list[Result], seconds: float) -> list[Taken]:
    """What came of each slice of a piece; the time is shared by their rows."""
    taken: list[Taken] = []
    first = 0
    for part in piece:
        end = first + len(part.rows)
        taken.append(Taken(results=results[first:end], seconds=seconds * (end - first) / max(1, len(results))))
        first = end
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
    under_way: dict[int, asyncio.Task[bool]] = {}
    pace = _Pace()
    unwritten: set[int] = set()  # requests of which something is missing

    async def answer(request: _Request) -> bool:
        taken: list[Taken] = []
        error = ""
        try:
            before = under_way.get(request.after)
            if request.after in unwritten or (before is not None and not await before):
                raise RuntimeError("what comes before it was not written")
            while len(taken) < len(request.parts):
                pieces = _pieces(request.parts[len(taken) :], pace)
                taken += await _write_together(database, request.viewer, pieces, pace)
        except Exception as failure:  # the worker tries it itself, and tells
            error = f"{type(failure).__name__}: {failure}"[:500]
            unwritten.add(request.number)
        await _send(stdout, msgspec.msgpack.encode(_Answer(number=request.number, taken=taken, error=error)))
        return not error

    try:
        await _send(stdout, b"")
        while True:
            request = decode(await _frame(stdin))
            task = under_way[request.number] = asyncio.create_task(answer(request))
            task.add_done_callback(partial(_ended, under_way, request.number))
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        if under_way:
            await asyncio.wait(under_way.values())
        await database.close()


def _ended(under_way: dict[int, asyncio.Task[bool]], number: int, _: asyncio.Task[bool]) -> None:
    del under_way[number]


async def _main() -> None:
    settle()  # a piece is some hundred thousand objects, all of them in use until it is written
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
