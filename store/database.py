"""The database: transactions for one viewer, on SQLite or PostgreSQL, with the same SQLAlchemy Core functions.

A store function is a plain `def f(conn, viewer, ...)`. `read` and `write` run it inside one transaction that is bound to the
viewer: on PostgreSQL through `set_config('kith.viewer', …)` in the message that begins it, which row-level security checks
(store/security.py), and which finds out besides whether the connection still stands. On SQLite the
sync engine runs in threads: one writer connection a process behind a lock with two priorities, and a pool of
`query_only` readers. One hop a call, never one a statement. Knows nothing of what the tables mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool, SingletonThreadPool

from store import revision
from store.checkpoints import NET, Checkpoints
from store.revision import Revision
from store.turns import Turns

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")

READER_KIB: Final = 8_000
WRITER_KIB: Final = 16_000
READERS: Final = 4
BUSY_SECONDS: Final = 30.0  # how long SQLite waits for another process' write transaction
POOL: Final = 10
_USED: Final = "kith.used"  # in `Connection.info`: it has begun a transaction before
REVISIONS: Final = 10_000  # viewers whose revision a process remembers


class DatabaseUnavailable(Exception):
    """The database cannot be reached; the message says which one and what to check."""


class _Turnstile:
    """A lock with two queues: who waits for a person goes before who works in the background."""

    def __init__(self) -> None:
        self._held = False
        self._queues: tuple[deque[asyncio.Future[None]], deque[asyncio.Future[None]]] = (deque(), deque())

    async def acquire(self, *, background: bool) -> None:
        if not self._held:
            self._held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._queues[background]
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # the turn was ours already: hand it on
            else:
                with contextlib.suppress(ValueError):
                    queue.remove(turn)
            raise

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for it."""
        return any(self._queues)

    def release(self) -> None:
        for queue in self._queues:
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._held = False


class Database:
    """Reads and writes of one installation. Make it with `Database(url)` inside a running loop; `await close()` ends it.

    `pages` is the memory, in KiB, for the pages that SQLite's writer touches.
    """

    def __init__(self, url: str, *, pages: int = WRITER_KIB) -> None:
        parsed = make_url(url)
        self.url = parsed
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.dialect = "sqlite" if self.sqlite else "postgresql"
        self._turnstile = _Turnstile()
        self._revisions: dict[str, tuple[int, Revision]] = {}  # viewer → data_version when it was read, revision
        self.on_write: Callable[[str], None] | None = None  # told of each viewer's commit in this process, or for it
        if self.sqlite:
            path = parsed.database or ""
            self._write_engine = _sqlite_engine(path, pages=pages)
            revision.watch(self._write_engine, reads=False)
            self._read_engine = _sqlite_engine(path, pages=READER_KIB, read_only=True)
            revision.watch(self._read_engine, writes=False)
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="kith-writer")
            self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kith-reader")
            self._watcher = ThreadPoolExecutor(1, thread_name_prefix="kith-watcher")
            self._watch_connection: sqlite3.Connection | None = None
            self._glance: sqlite3.Connection | None = None
            self._path = path
            self._turns = Turns(path)
            self._checkpointer = ThreadPoolExecutor(1, thread_name_prefix="kith-checkpointer")
            self._checkpoints = Checkpoints(path)
            self._checkpoint: asyncio.Task[None] | None = None
        else:
            from sqlalchemy.ext.asyncio import create_async_engine  # a fifth of a second that SQLite can do without

            self._async: AsyncEngine = create_async_engine(
                parsed.set(drivername="postgresql+asyncpg"),
                pool_size=POOL,
                max_overflow=POOL,
                pool_timeout=10,
                isolation_level="AUTOCOMMIT",  # transactions begin with what they need, in one round trip
            )
            revision.watch(self._async.sync_engine)

    async def read(self, viewer: str, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f(conn, viewer, …)` in a read-only transaction (one snapshot)."""
        return await self._run(viewer, lambda conn: f(conn, viewer, *args, **kwargs), write=False, background=False)

    async def read_noting(
        self, viewer: str, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T, int]:
        """`read`, and the parts of what the viewer has (store/revision.py) that it was read from."""

        def noting(conn: Connection) -> tuple[T, int]:
            return revision.noting(conn, lambda conn: f(conn, viewer, *args, **kwargs))

        return await self._run(viewer, noting, write=False, background=False)

    async def write(self, viewer: str, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f(conn, viewer, …)` in a write transaction, before work in the background."""
        result = await self._run(viewer, lambda conn: f(conn, viewer, *args, **kwargs), write=True, background=False)
        self.written(viewer)
        return result

    async def write_behind(
        self, viewer: str, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Like `write`, giving way to everybody who waits for an answer."""
        result = await self._run(viewer, lambda conn: f(conn, viewer, *args, **kwargs), write=True, background=True)
        self.written(viewer)
        return result

    async def system(self, f: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f(conn, …)` on system tables, without a viewer: owned tables are invisible to it on PostgreSQL."""
        return await self._run("", lambda conn: f(conn, *args, **kwargs), write=True, background=False)

    async def system_read(self, f: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`system` for what only reads."""
        return await self._run("", lambda conn: f(conn, *args, **kwargs), write=False, background=False)

    async def give_way(self) -> None:
        """After a transaction in the background: let other processes that wait for SQLite's one writer in."""
        if self.sqlite:
            await self._turns.give_way()

    async def forget_pages(self) -> None:
        """Free the pages that SQLite's writer keeps in memory: another process goes on with what it wrote."""
        if self.sqlite:
            await self._turnstile.acquire(background=True)
            try:
                await asyncio.get_running_loop().run_in_executor(self._writer, _shrink, self._write_engine)
            finally:
                self._turnstile.release()

    def somebody_waits(self) -> bool:
        """Whether another process, or another thread's work in this one, wants to write; on PostgreSQL nobody can know."""
        return not self.sqlite or self._turnstile.wanted or self._turns.somebody_waits()

    async def changed(self) -> int:
        """A number that differs once another connection has committed: SQLite's data_version; 0 on PostgreSQL."""
        if not self.sqlite:
            return 0
        return await asyncio.get_running_loop().run_in_executor(self._watcher, self._data_version)

    async def revision(self, viewer: str) -> Revision:
        """The viewer's revision now (store/revision.py). On SQLite it is only read when somebody has committed something since."""
        if not self.sqlite:
            return await self.read(viewer, revision.of)
        version = self._version_now()
        known = self._revisions.get(viewer)
        if known is not None and known[0] == version:
            return known[1]
        # the version was read first: a commit in between makes what is remembered here old at the next look, not wrong
        found = await self.read(viewer, revision.of)
        if len(self._revisions) >= REVISIONS:
            self._revisions.clear()
        self._revisions[viewer] = (version, found)
        return found

    async def close(self) -> None:
        if not self.sqlite:
            await self._async.dispose()
            return
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        for pool in (self._writer, self._readers, self._watcher, self._checkpointer):
            await asyncio.to_thread(pool.shutdown, wait=True)
        self._checkpoints.close()
        self._turns.close()
        if self._glance is not None:
            self._glance.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def written(self, viewer: str) -> None:
        """There was a commit for a viewer, in this process or in one that writes for it."""
        if self.on_write is not None:
            self.on_write(viewer)

    async def _run(self, viewer: str, body: Callable[[Connection], T], *, write: bool, background: bool) -> T:
        if write and viewer:
            body = partial(_turning, body, viewer)
        if not self.sqlite:
            return await self._run_postgresql(viewer, body, write=write)
        loop = asyncio.get_running_loop()
        if not write:
            return await loop.run_in_executor(self._readers, _in_snapshot, self._read_engine, body)
        await self._turnstile.acquire(background=background)
        try:
            # shielded: a caller that goes away must not free the lock while its transaction still runs
            work = loop.run_in_executor(self._writer, _in_transaction, self._write_engine, body, self._turns)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work])
                raise
        finally:
            self._turnstile.release()
            if self._checkpoint is None and self._checkpoints.due():
                self._checkpoint = asyncio.create_task(self._put_back())

    async def _put_back(self) -> None:
        """Put the log back beside everybody's work, and its last pages in a turn of our own."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._checkpointer, self._checkpoints.put_back)
            await self._turnstile.acquire(background=True)
            try:
                await loop.run_in_executor(self._writer, _put_back_rest, self._write_engine)
            finally:
                self._turnstile.release()
        except (sqlite3.Error, sa.exc.DBAPIError):
            pass  # the next commit asks for it again
        finally:
            self._checkpoint = None

    async def _run_postgresql(self, viewer: str, body: Callable[[Connection], T], *, write: bool) -> T:
        begin = _beginning(viewer, write=write)
        while True:
            try:
                connection = await self._async.connect()
            except (OSError, sa.exc.DBAPIError) as error:
                raise self._away(error) from error
            try:
                return await connection.run_sync(_in_block, begin, body)
            except _Stale:
                continue  # closed since it was used last, as others may be: the next one, and in the end a new one
            except _Refused as error:
                raise self._away(error.__cause__) from error
            finally:
                await connection.close()

    def _away(self, error: BaseException | None) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"PostgreSQL at {self.url.host}:{self.url.port} does not answer: {error}")

    def _version_now(self) -> int:
        """SQLite's data_version, looked up in this thread: a few microseconds in memory that the processes share, and no file."""
        if self._glance is None:
            self._glance = sqlite3.connect(self._path, isolation_level=None)
        return int(self._glance.execute("PRAGMA data_version").fetchone()[0])

    def _data_version(self) -> int:
        if self._watch_connection is None:
            self._watch_connection = sqlite3.connect(self.url.database or "", check_same_thread=False)
        return int(self._watch_connection.execute("PRAGMA data_version").fetchone()[0])


def _in_snapshot(engine: sa.Engine, body: Callable[[Connection], T]) -> T:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("BEGIN")  # touches no file, and nothing that could fail
        try:
            return body(connection)
        finally:
            driver.execute("COMMIT")


def _in_transaction(engine: sa.Engine, body: Callable[[Connection], T], turns: Turns) -> T:
    with engine.connect() as connection:
        with turns.knocking():
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            result = body(connection)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
        return result


class _Stale(Exception):
    """A connection that was used before takes nothing more."""


class _Refused(Exception):
    """A new connection takes nothing."""


@lru_cache(1_000)
def _beginning(viewer: str, *, write: bool) -> str:
    """What begins a transaction for a viewer on PostgreSQL. The id is written in hexadecimal digits, which end no literal."""
    how = "BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    return f"{how}; SELECT set_config('kith.viewer', convert_from('\\x{viewer.encode().hex()}'::bytea, 'UTF8'), true)"


def _in_block(conn: Connection, begin: str, body: Callable[[Connection], T]) -> T:
    """`body` in a transaction on PostgreSQL. What begins it is one message, and says as well whether the connection still stands."""
    driver: Any = conn.connection.dbapi_connection
    try:
        driver.run_async(lambda postgresql: postgresql.execute(begin))
    except Exception as error:
        used = conn.info.get(_USED, False)
        conn.invalidate(error)
        raise (_Stale if used else _Refused) from error
    conn.info[_USED] = True
    try:
        result = body(conn)
        conn.exec_driver_sql("COMMIT")
    except BaseException:
        try:
            driver.run_async(lambda postgresql: postgresql.execute("ROLLBACK"))
        except BaseException as error:
            conn.invalidate(error)  # nobody else gets it with a transaction that is open
        raise
    return result


def _turning(body: Callable[[Connection], T], viewer: str, conn: Connection) -> T:
    """`body`, and the viewer's next revision when it has written something that answers show (store/revision.py)."""
    revision.begin(conn)
    result = body(conn)
    revision.turn(conn, viewer)
    return result


def _put_back_rest(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def _shrink(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA shrink_memory")  # sqlite.org/pragma.html


def sqlite_engine(path: str) -> sa.Engine:
    """A plain engine for migrations and checks, with our pragmas."""
    return _sqlite_engine(path, pages=WRITER_KIB, pool=False)


def _sqlite_engine(path: str, *, pages: int, read_only: bool = False, pool: bool = True) -> sa.Engine:
    # isolation_level=None: the driver's own transactions begin too late and DEFERRED, which double-claims leases
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=SingletonThreadPool if pool else NullPool,
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
        isolation_level="AUTOCOMMIT",
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA cache_size=-{pages}")
        connection.execute(f"PRAGMA wal_autocheckpoint={NET}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    return engine
