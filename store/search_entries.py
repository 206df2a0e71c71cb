"""What FTS5 holds of the documents on SQLite, written beside them: one statement for many, in the order of their row ids.

Triggers on each document do the same and take twice as long (measured: a sixth of what a first sync writes). SQLite guards a statement
that fires triggers by a savepoint, at which FTS5 writes out all that it has gathered (`xSavepoint`), and so it does whenever a row id
comes before the last one: each document becomes a segment of its own, which has to be merged with others soon after. The triggers are
still there for whoever else writes documents, and for those that go; what is written here says so (INDEXED).

A transaction that writes documents again and again gathers their entries and writes them once, last (`gathered`): FTS5 makes one
segment of them instead of one each time, and a document that grew several times is taken out and put in once.

The index keeps no text ("External Content Tables"): what is taken out has to be told with the words it was put in with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, text

from store.tables import search_doc

WORDS: Final = ("title", "sender", "receivers", "body", "facets")
#: The first value is the command: null puts in, 'delete' takes out (sqlite.org/fts5.html §6.2).
_WRITE: Final = "INSERT INTO search_fts(search_fts, rowid, title, sender, receivers, body, facets) VALUES (?, ?, ?, ?, ?, ?, ?)"
#: `search_doc.pairs` of a document that is indexed here, and what an UPDATE makes of it: another one, which the triggers look at.
INDEXED: Final = "1"
AGAIN: Final[sa.ColumnElement[str]] = sa.literal_column("CASE search_doc.pairs WHEN '1' THEN '2' ELSE '1' END")
_GATHERED: Final = "search entries"  # in `Connection.info`, while they are gathered
_Entry = tuple[Any, ...]  # the row id and the WORDS of a document
_TAKEN: Final = text("SELECT n FROM search_doc WHERE n IN (SELECT value FROM json_each(:places))")


def settle(conn: Connection, rows: list[dict[str, Any]], known: Mapping[str, int]) -> None:
    """Give each row a row id that nobody else has: its place, or the next one free. `known`: those that have one."""
    places = msgspec.json.encode([row["place"] for row in rows]).decode()
    taken = set(conn.execute(_TAKEN, {"places": places}).scalars())
    given: set[int] = set()
    for row in rows:
        mine = known.get(row["node_id"])
        if mine is not None and 0 <= mine - row["place"] < 64:
            row["n"] = row["place"] = mine  # where it stands already, or as near as it got
            given.add(mine)
            continue
        while row["place"] in given or (row["place"] in taken and not _free(conn, row["place"])):
            row["place"] += 1
            taken.add(row["place"])
        given.add(row["place"])
        row["n"] = row["place"]


@contextlib.contextmanager
def gathered(conn: Connection) -> Iterator[None]:
    """Write the entries of all documents that are written herein at its end, before the transaction's."""
    conn.info[_GATHERED] = {}
    try:
        yield
        catch_up(conn)
    finally:
        del conn.info[_GATHERED]  # after a failure the transaction is rolled back


def catch_up(conn: Connection) -> None:
    """Write what is gathered so far: what comes next looks at the index itself."""
    waiting: dict[str, tuple[_Entry | None, _Entry]] | None = conn.info.get(_GATHERED)
    if waiting:
        _put(conn, waiting.values())
        waiting.clear()


def write(conn: Connection, former: Mapping[str, _Entry], rows: Iterable[Mapping[str, Any]]) -> None:
    """Index documents as `rows` have them now. `former`: the (row id, *WORDS) of those that were indexed before, by node id."""
    waiting: dict[str, tuple[_Entry | None, _Entry]] | None = conn.info.get(_GATHERED)
    changes = {} if waiting is None else waiting
    for row in rows:
        node_id = row["node_id"]
        indexed = changes[node_id][0] if node_id in changes else former.get(node_id)
        changes[node_id] = indexed, (row["n"], *(row[name] for name in WORDS))
    if waiting is None:
        _put(conn, changes.values())


def _put(conn: Connection, changes: Iterable[tuple[_Entry | None, _Entry]]) -> None:
    """Bring the index from what it has of each document (None: nothing) to what it is to have."""
    entries: list[_Entry] = []
    for old, now in changes:
        if old == now:
            continue
        if old is not None:
            entries.append(("delete", *old))
        entries.append((None, *now))
    if entries:
        entries.sort(key=lambda entry: (entry[1], entry[0] is None))  # of one row id, what was goes before what is
        conn.exec_driver_sql(_WRITE, entries)


def _free(conn: Connection, place: int) -> bool:
    return conn.execute(sa.select(search_doc.c.n).where(search_doc.c.n == place)).one_or_none() is None
