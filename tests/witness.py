"""What statements read and write by the word of the database itself, beside what store/revision.py reads off their text.

SQLite tells each table that a statement will read or write while it prepares it, triggers included
(https://www.sqlite.org/c3ref/set_authorizer.html); PostgreSQL counts for each table what a transaction has read and written, functions and
triggers included (pg_stat_xact_user_tables). Both know views, sub-selects and functions that no reader of texts can look into.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, event

from store import revision

_READS: Final = sqlite3.SQLITE_READ
_WRITES: Final = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_SAID: Final = "kith.tests.said"  # in `Connection.info`: the statements of this transaction
_COUNTED: Final = """SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0), n_tup_ins + n_tup_del, n_tup_upd
  FROM pg_stat_xact_user_tables WHERE schemaname = 'public'"""


class Witness:
    """What was seen: tables that were read and written, and where a text had not said so."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.unsaid: list[str] = []
        self.of: dict[str, set[str]] = {}  # SQLite's statements → tables that they read
        self._now: dict[int, str] = {}  # SQLite's connections → what each one executes

    def _looked(self, table: str, said: int, text: str) -> None:
        if table in revision._TABLES:
            self.read.add(table)
            if not said & _part(table):
                self.unsaid.append(f"read {table}: {text}")

    def _changed(self, table: str, said: int, text: str) -> None:
        if table in revision._TABLES - revision.UNSHOWN:
            self.written.add(table)
            if not said & _part(table):
                self.unsaid.append(f"wrote {table}: {text}")

    def connected(self, connection: Any, record: Any) -> None:
        driver = connection
        if not isinstance(driver, sqlite3.Connection):
            return

        def asked(action: int, table: str | None, column: str | None, schema: str | None, inner: str | None) -> int:
            text = self._now.get(id(driver), "")
            if action == _READS and table and text:
                self.of.setdefault(text, set()).add(table)
                self._looked(table, revision.named(text), text)
            hidden = revision.UNSHOWN_COLUMNS.get(table or "", frozenset())
            if action in _WRITES and table and text and not (action == sqlite3.SQLITE_UPDATE and column in hidden):
                self._changed(table, revision.shown(text), text)
            return sqlite3.SQLITE_OK

        driver.set_authorizer(asked)

    def executed(self, conn: Connection, cursor: Any, text: str, parameters: Any, context: Any, many: bool) -> None:
        if conn.dialect.name == "sqlite":
            self._now[id(conn.connection.driver_connection)] = "" if text.startswith("DROP") else text
        elif text == "COMMIT":
            self._committing(conn)
        elif "pg_stat_" not in text:
            conn.info.setdefault(_SAID, []).append(text)

    def _committing(self, conn: Connection) -> None:
        texts = conn.info.pop(_SAID, [])
        rows = conn.exec_driver_sql(_COUNTED).all() if texts else []
        conn.exec_driver_sql("SELECT pg_stat_force_next_flush()")  # the next transaction counts its own
        named = shown = 0
        for text in texts:
            named, shown = named | revision.named(text), shown | revision.shown(text)
        for table, looks, put, changed in rows:
            if looks:
                self._looked(table, named, "; ".join(texts))
            if put or (changed and table not in revision.UNSHOWN_COLUMNS):
                self._changed(table, shown, "; ".join(texts))


def _part(table: str) -> int:
    return revision._PLACES.get(table, revision._REST)


@contextmanager
def witnessed() -> Iterator[Witness]:
    """Look at all that connections do that are opened within the block."""
    witness = Witness()
    listening = (("connect", witness.connected), ("before_cursor_execute", witness.executed))
    for name, listener in listening:
        event.listen(sa.Engine, name, listener)
    try:
        yield witness
    finally:
        for name, listener in listening:
            event.remove(sa.Engine, name, listener)
