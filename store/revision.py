"""A viewer's revision: a random number that is another one after every commit that could change an answer.

What is read between two looks at the same revision is one state of the store, and as long as the revision stays, so does every
answer from the store alone. The change feed's position would say less: it stands still for what clients are not told (keys of LIVE
accounts, evidence, the index). So the database itself writes the revision, last in each write transaction of a viewer that has
touched a row, unless all it touched is named below; nobody who writes has to think of it. The number is random and not counted, so that a
database restored from a backup never comes back to a number that something outside still knows.

Its row is locked last and by the commit's own transaction, so it can close no circle of locks. Knows nothing of answers.
"""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, event, select
from sqlalchemy.dialects import postgresql, sqlite

from store.tables import revision

#: Tables of which no field is kept (schema/lasting.py): work to be done, secrets, ledgers, progress.
UNSHOWN: Final = frozenset(
    {
        "revision", "job", "session", "oauth_state", "client_registration", "push_route", "public_name", "secret", "container", "gap",
        "kept_call", "dirty", "clue", "unpaired", "idempotency", "upload", "upload_use", "webhook", "webhook_delivery", "enrichment_consent",
        "enrichment_answer", "enrichment_spending", "enrichment_run", "enrichment_item", "disclosure", "import_run", "import_row",
        "stream_past", "api_key", "untallied", "unplaced", "habit",
        "standing", "acquaintance",  # rows are shown once `standing_run` says so, and forgotten when it no longer does
    }
)  # fmt: skip
#: Columns of the others that are progress or the store's own: an UPDATE of nothing else changes no answer that is kept.
UNSHOWN_COLUMNS: Final = {
    "account": frozenset(
        {
            "cursor",
            "memory",
            "phase",
            "done",
            "total",
            "progress_started_at",
            "progress_at",
            "last_synced_at",
            "next_sync_at",
            "retry_at",
        }
    ),
    "search_doc": frozenset({"pairs"}),
}
_TOUCHED: Final = "kith.touched"
_WRITES: Final = re.compile(
    r"\b(INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE\s+FROM)\s+\"?(\w+)", re.IGNORECASE
)
_SET: Final = re.compile(r"\bSET\s+(.*?)(?:\s+WHERE\b|\s+RETURNING\b|\s+FROM\b|$)", re.IGNORECASE | re.DOTALL)
_COLUMN: Final = re.compile(r"(?:^|,)\s*\"?(\w+)\"?\s*=")


def of(conn: Connection, viewer: str) -> int:
    """The viewer's revision; 0 before the first commit."""
    found = conn.execute(select(revision.c.number).where(revision.c.viewer_id == viewer)).scalar_one_or_none()
    return 0 if found is None else int(found)


def watch(engine: sa.Engine) -> None:
    """Have every connection of an engine that writes remember whether it has touched something that answers show."""
    event.listen(engine, "after_cursor_execute", _executed)


def begin(conn: Connection) -> None:
    """A transaction begins: nothing is touched yet."""
    conn.info[_TOUCHED] = False


def turn(conn: Connection, viewer: str) -> None:
    """Give the viewer another revision, if the transaction has touched something; the last statement before commit."""
    if conn.info.get(_TOUCHED):
        conn.execute(_TURN[conn.dialect.name], {"viewer_id": viewer, "number": secrets.randbits(63)})


def _executed(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    # with RETURNING, SQLite's driver counts no row before the last one is fetched
    if shows(statement) and (cursor.rowcount != 0 or "RETURNING" in statement):
        conn.info[_TOUCHED] = True


@lru_cache(2_000)
def shows(statement: str) -> bool:
    """Whether the rows that a statement writes could be in an answer that is kept. What is not understood could."""
    return any(
        table.lower() not in UNSHOWN and not _only_unshown(statement, how, table.lower())
        for how, table in _WRITES.findall(statement)
        if table.upper() != "SET"  # ON CONFLICT … DO UPDATE SET: the table was named before
    )


def _only_unshown(statement: str, how: str, table: str) -> bool:
    """Whether a statement is one UPDATE of columns that no answer shows."""
    unshown = UNSHOWN_COLUMNS.get(table)
    if unshown is None or how.upper() != "UPDATE" or len(_WRITES.findall(statement)) != 1:
        return False
    assigned = _SET.search(statement)
    columns = _COLUMN.findall(assigned[1]) if assigned is not None else []
    return bool(columns) and unshown.issuperset(columns)


def _upsert(dialect: Any) -> Any:
    put = dialect.insert(revision).values(viewer_id=sa.bindparam("viewer_id"), number=sa.bindparam("number"))
    return put.on_conflict_do_update(index_elements=[revision.c.viewer_id], set_={"number": put.excluded.number})


_TURN: Final = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}
