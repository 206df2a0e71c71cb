"""What FTS5 holds of the documents on SQLite, written beside them: one statement for many, in the order of their row ids.

Triggers on each document do the same and take twice as long (measured: a sixth of what a first sync writes). SQLite guards a statement
that fires triggers by a savepoint, at which FTS5 writes out all that it has gathered (`xSavepoint`), and so it does whenever a row id
comes before the last one: each document becomes a segment of its own, which has to be merged with others soon after. The triggers are
still there for whoever else writes documents, and for those that go; what is written here says so (INDEXED).

The index keeps no text ("External Content Tables"): what is taken out has to be told with the words it was put in with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
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


def write(conn: Connection, former: Mapping[str, tuple[Any, ...]], rows: Iterable[Mapping[str, Any]]) -> None:
    """Index documents as `rows` have them now. `former`: the (row id, *WORDS) of those that were indexed before, by node id."""
    entries: list[tuple[Any, ...]] = []
    for row in rows:
        now = (row["n"], *(row[name] for name in WORDS))
        old = former.get(row["node_id"])
        if old == now:
            continue
        if old is not None:
            entries.append(("delete", *old))
        entries.append((None, *now))
    if entries:
        entries.sort(key=itemgetter(1))  # of one row id, what was goes before what is
        conn.exec_driver_sql(_WRITE, entries)


def _free(conn: Connection, place: int) -> bool:
    return conn.execute(sa.select(search_doc.c.n).where(search_doc.c.n == place)).one_or_none() is None
