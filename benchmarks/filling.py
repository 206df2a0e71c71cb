"""A viewer with any number of people and messages, put into a store in minutes: one person is taken in as everybody is, the others are copies.

What ingest and identity have made of the first person is read back row by row; a copy has another number wherever theirs stands,
in names, addresses, keys, ids and within packed records, and its own moments. So copies look like what the product writes, at the price of
an INSERT. Nothing of a search index is made. Knows the tables and nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import rows
from store.database import Database
from store.tables import (
    contact,
    contact_key,
    conversation,
    conversation_member,
    conversation_source,
    message,
    message_participant,
    message_source,
    person,
    thread_reference,
)
from tests.household import Household, card, mail

MARK: Final = "000000"  # the number of the first person, found nowhere else
_PACKED: Final = MARK.encode()
TABLES: Final = (
    contact, contact_key, person, conversation, conversation_source, conversation_member, thread_reference, message, message_source,
    message_participant,
)  # fmt: skip
THREAD: Final = 5  # messages of a conversation
SLICE: Final = 500  # copies in one transaction
ME: Final = "robin@example.org"
Rows = dict[str, list[dict[str, Any]]]


async def fill(database: Database, viewer: str, *, people: int, messages: int) -> None:
    """Give a viewer that has nothing yet so many people, and the messages shared out among them evenly."""
    household = Household(database, viewer)
    each = max(1, messages // people)
    await _first(household, each)
    await database.write(viewer, _mark)
    pattern = await database.read(viewer, _pattern)
    for start in range(1, people, SLICE):
        await database.write_behind(viewer, _copy, pattern, range(start, min(people, start + SLICE)))


async def _first(household: Household, messages: int) -> None:
    book = await household.account("vcard", "cards")
    box = await household.account("mbox", ME, own=[ME])
    now = household.now
    for account in (book, box):
        await household.database.write(household.viewer, synced, account, now)
    name, address = f"Person Number {MARK}", f"p{MARK}@people.example"
    await household.take(book, card(f"card-{MARK}", name, address))
    mails = []
    for n in range(messages):
        first = n - n % THREAD
        mails.append(
            mail(
                n, address, name=name, subject=f"About {first} with {MARK}", key=f"{MARK}-{n}", text=f"Line {n} of {MARK}",
                internet_message_id=f"{MARK}.{n}@mail.example",
                references=tuple(f"{MARK}.{k}@mail.example" for k in range(first, n)),
            )
        )  # fmt: skip
    for n in range(0, len(mails), 100):
        await household.take(box, *mails[n : n + 100])
    await household.resolve()


def synced(conn: Connection, viewer: str, account_id: str, now: datetime) -> None:
    """The account has been read to its end once: what is made from it is whole, and is kept for later."""
    from store import accounts

    accounts.change(conn, viewer, account_id, None, last_synced_at=now)


def _mark(conn: Connection, viewer: str) -> None:
    """Put the mark into the ids too: their last characters make room for it."""
    ids = [
        i
        for table in (contact, person, conversation, message)
        for i in conn.execute(select(table.c.id).where(table.c.viewer_id == viewer)).scalars()
    ]
    for table in TABLES:
        found = [dict(row) for row in conn.execute(select(table).where(table.c.viewer_id == viewer)).mappings()]
        conn.execute(sa.delete(table).where(table.c.viewer_id == viewer))
        _insert(conn, table, [_replaced(row, [(i, i[: -len(MARK)] + MARK) for i in ids]) for row in found])


def _pattern(conn: Connection, viewer: str) -> Rows:
    return {
        table.name: [dict(row) for row in conn.execute(select(table).where(table.c.viewer_id == viewer)).mappings()]
        for table in TABLES
    }


def _copy(conn: Connection, viewer: str, pattern: Rows, numbers: range) -> None:
    for table in TABLES:
        _insert(conn, table, list(_copies(pattern[table.name], numbers)))


def _copies(pattern: list[dict[str, Any]], numbers: range) -> Iterator[dict[str, Any]]:
    differing = [_differing(row) for row in pattern]
    for number in numbers:
        text, packed, later = f"{number:06d}", f"{number:06d}".encode(), timedelta(seconds=number)
        for row, (texts, bodies, moments) in zip(pattern, differing, strict=True):
            copy = row.copy()
            for name in texts:
                copy[name] = row[name].replace(MARK, text)
            for name in bodies:
                copy[name] = row[name].replace(_PACKED, packed)
            for name in moments:
                copy[name] = row[name] + later
            if "born" in row:
                copy["born"] = row["born"] + number
            yield copy


def _differing(row: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """The columns in which a copy of the row differs: those with the mark in a text, or in something packed, and moments."""
    texts = [name for name, value in row.items() if isinstance(value, str) and MARK in value]
    bodies = [name for name, value in row.items() if isinstance(value, bytes) and _PACKED in value]
    return texts, bodies, [name for name, value in row.items() if isinstance(value, datetime)]


def _replaced(row: dict[str, Any], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    found = dict(row)
    for name, value in row.items():
        for old, new in pairs:
            if isinstance(value, str):
                value = value.replace(old, new)
            elif isinstance(value, bytes):
                value = value.replace(old.encode(), new.encode())
        found[name] = value
    return found


def _insert(conn: Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    rows.insert(conn, table.insert(), values)
