"""A viewer's revision: random numbers, one for each part of what a viewer has, that are others after every commit that could change an answer.

What is read between two looks at the same numbers is one state of the store, and as long as the numbers of the parts stay that an answer was
read from, so does the answer, if it is from the store alone. The change feed's position would say less: it stands still for what clients are
not told (keys of LIVE accounts, evidence, the index). So the database itself writes them, last in each write transaction of a viewer that has
touched a row, unless all it touched is named below; nobody who writes or reads has to think of it: which tables a statement writes, and which
it names at all, is read off its text. The numbers are random and not counted, so that a database restored from a backup never comes back to
numbers that something outside still knows.

The release before knows one number for everything and leaves the parts as they are; so `parted` says for which number the parts were written,
and where it is another one, each part has changed.

The row is locked last and by the commit's own transaction, so it can close no circle of locks. Knows nothing of answers.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event, select

from store.tables import metadata, revision
from store.upserts import insert_into

T = TypeVar("T")
Revision = tuple[int, ...]  # a number for each part, in their order

#: Tables of which no field is kept (schema/lasting.py): work to be done, secrets, ledgers, progress.
UNSHOWN: Final = frozenset(
    {
        "revision", "job", "session", "oauth_state", "client_registration", "push_route", "public_name", "secret", "container", "gap",
        "kept_call", "dirty", "clue", "unpaired", "idempotency", "upload", "upload_use", "webhook", "webhook_delivery", "enrichment_consent",
        "enrichment_answer", "enrichment_spending", "enrichment_run", "enrichment_item", "disclosure", "import_run", "import_row",
        "stream_past", "api_key", "untallied", "unplaced", "habit", "photo_look",
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
#: What a viewer has, in parts that change at different times: a mail that arrives changes `mail`, whoever is found to be whom then `people`
#: and what is only asked of the viewer `doubts`. Of triggers there are those alone that keep `search_fts`; no key cascades.
PARTS: Final[dict[str, frozenset[str]]] = {
    "mail": frozenset(
        {
            "conversation", "conversation_member", "conversation_source", "conversation_label", "message", "message_html",
            "message_participant", "message_source", "thread_reference",
        }
    ),
    "people": frozenset({"person", "anchor", "contact", "contact_key", "identity"}),
    "doubts": frozenset({"suggestion", "decision", "decision_contact", "decision_evidence", "evidence"}),
    "exchanges": frozenset({"exchange"}),
    "words": frozenset({"search_doc", "search_fts", "kith_find", "kith_search"}),  # the last two: PostgreSQL's functions that read it
    "feed": frozenset({"feed", "feed_head"}),
    "rest": frozenset(),  # every other table
}  # fmt: skip
ALL: Final = (1 << len(PARTS)) - 1  # parts are bits, the first one the lowest
NEVER: Final[Revision] = (0,) * len(PARTS)  # before the first commit
FEED: Final = 1 << list(PARTS).index("feed")
_PLACES: Final = {table: 1 << n for n, tables in enumerate(PARTS.values()) for table in tables}
_REST: Final = 1 << list(PARTS).index("rest")
_TABLES: Final = frozenset(metadata.tables) | frozenset(_PLACES)
_TOUCHED: Final = "kith.touched"
_NAMED: Final = "kith.named"
_WRITES: Final = re.compile(
    r"\b(INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE\s+FROM)\s+\"?(\w+)", re.IGNORECASE
)
_WORDS: Final = re.compile(r"(?<![\w.])(?:public\.|main\.)?(\w+)")  # after any other point stands a column
_SET: Final = re.compile(r"\bSET\s+(.*?)(?:\s+WHERE\b|\s+RETURNING\b|\s+FROM\b|$)", re.IGNORECASE | re.DOTALL)
_COLUMN: Final = re.compile(r"(?:^|,)\s*\"?(\w+)\"?\s*=")


def of(conn: Connection, viewer: str) -> Revision:
    """The viewer's revision; NEVER before the first commit."""
    row = conn.execute(_READ, {"viewer": viewer}).one_or_none()
    if row is None:
        return NEVER
    number, parted, *parts = row
    return tuple(parts) if number == parted else (number,) * len(PARTS)


def of_parts(whole: Revision, parts: int) -> Revision:
    """What of a revision is of these parts."""
    return whole if parts == ALL else tuple(number for n, number in enumerate(whole) if parts >> n & 1)


def changed(before: Revision, after: Revision) -> int:
    """The parts that differ."""
    return sum(1 << n for n, (one, other) in enumerate(zip(before, after, strict=True)) if one != other)


def watch(engine: sa.Engine, *, writes: bool = True, reads: bool = True) -> None:
    """Have every connection of an engine remember what is touched of that which answers show, and what is named where `noting` asks."""
    if writes:
        event.listen(engine, "after_cursor_execute", _executed)
    if reads:
        event.listen(engine, "after_cursor_execute", _looked)


def begin(conn: Connection) -> None:
    """A transaction begins: nothing is touched yet."""
    conn.info[_TOUCHED] = 0


def turn(conn: Connection, viewer: str) -> None:
    """Give the viewer another revision, if the transaction has touched something; the last statement before commit."""
    if touched := conn.info.get(_TOUCHED):
        conn.execute(_turning(conn.dialect.name, touched), {"viewer_id": viewer, "number": secrets.randbits(63)})


def noting(conn: Connection, body: Callable[[Connection], T]) -> tuple[T, int]:
    """What `body` gives, and the parts that it was read from: those of all tables that its statements name."""
    conn.info[_NAMED] = 0
    try:
        result = body(conn)
        return result, conn.info[_NAMED]
    finally:
        del conn.info[_NAMED]


def _executed(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    # with RETURNING, SQLite's driver counts no row before the last one is fetched
    if (touched := shown(statement)) and (cursor.rowcount != 0 or "RETURNING" in statement):
        conn.info[_TOUCHED] = conn.info.get(_TOUCHED, 0) | touched


def _looked(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    info = conn.info
    if _NAMED in info:
        info[_NAMED] |= named(statement)


@lru_cache(2_000)
def shown(statement: str) -> int:
    """The parts whose rows a statement writes, if they could be in an answer that is kept. What is not understood could."""
    parts = 0
    for how, table in _WRITES.findall(statement):
        name = table.lower()
        # ON CONFLICT … DO UPDATE SET: the table was named before
        if table.upper() != "SET" and name not in UNSHOWN and not _only_unshown(statement, how, name):
            parts |= _PLACES.get(name, _REST)
    return parts


@lru_cache(2_000)
def named(statement: str) -> int:
    """The parts of all tables that a statement names: no row of another table is in what it gives."""
    parts = 0
    for word in _WORDS.findall(statement.lower()):
        if word in _TABLES:
            parts |= _PLACES.get(word, _REST)
    return parts


def _only_unshown(statement: str, how: str, table: str) -> bool:
    """Whether a statement is one UPDATE of columns that no answer shows."""
    unshown = UNSHOWN_COLUMNS.get(table)
    if unshown is None or how.upper() != "UPDATE" or len(_WRITES.findall(statement)) != 1:
        return False
    assigned = _SET.search(statement)
    columns = _COLUMN.findall(assigned[1]) if assigned is not None else []
    return bool(columns) and unshown.issuperset(columns)


@lru_cache(1 << len(PARTS))
def _turning(dialect: str, touched: int) -> Any:
    """Another number for everything, for the parts that were touched, and for all where the release before has written since."""
    put = insert_into(revision, dialect).values(
        viewer_id=sa.bindparam("viewer_id"), **dict.fromkeys(("number", "parted", *PARTS), sa.bindparam("number"))
    )
    new, kept = put.excluded.number, revision.c.parted == revision.c.number
    changes = {part: new if touched >> n & 1 else sa.case((kept, revision.c[part]), else_=new) for n, part in enumerate(PARTS)}
    return put.on_conflict_do_update(index_elements=[revision.c.viewer_id], set_={"number": new, "parted": new, **changes})


_READ: Final = select(revision.c.number, revision.c.parted, *(revision.c[part] for part in PARTS)).where(
    revision.c.viewer_id == sa.bindparam("viewer")
)
