"""Statements that are made once, on both databases: the same rows as SQLAlchemy's own way gives, whatever is asked and by whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import among, asked
from store.prepared import Prepared
from store.tables import message
from tests.household import ME, Household, mail

built: list[Any] = []


@Prepared
def letters(flags: tuple[str, ...], size: int) -> sa.Select[Any]:
    built.append((flags, size))
    m = message.c
    before = sa.bindparam("before", type_=m.sent_at.type)
    chosen = select(m.subject, m.sent_at, m.edited_at, m.live, m.sent_at.label("again"))
    return chosen.where(among(m.subject), m.sent_at < before, m.flags.in_(flags)).order_by(m.sent_at).limit(size)


def taken(conn: Connection, viewer: str, wanted: list[str], before: datetime, size: int) -> list[Any]:
    return letters.rows(conn, ("", "UNREAD"), size, **asked(viewer, wanted, before=before))


def compared(conn: Connection, viewer: str, wanted: list[str], before: datetime, size: int) -> tuple[list[Any], list[Any]]:
    values = asked(viewer, wanted, before=before)
    usual = conn.execute(letters._build(("", "UNREAD"), size), values).all()
    return [tuple(row) for row in letters.rows(conn, ("", "UNREAD"), size, **values)], [tuple(row) for row in usual]


async def test_rows_are_what_the_columns_types_make_of_them(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, *(mail(n, "ada@example.org", subject=f"No. {n}") for n in range(5)))
    late = datetime(2090, 1, 1, tzinfo=UTC)
    rows, usual = await household.database.read(household.viewer, compared, ["No. 1", "No. 3", "it's"], late, 10)
    assert rows == usual
    first, second = await household.database.read(household.viewer, taken, ["No. 1", "No. 3"], late, 10)
    assert (first.subject, first.live, first.edited_at) == ("No. 1", False, None)
    assert first.sent_at == first.again < second.sent_at
    assert first.sent_at.tzinfo is UTC


async def test_each_shape_is_built_once_and_values_are_not_part_of_it(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, *(mail(n, "ada@example.org", subject=f"No. {n}") for n in range(5)))
    late, read = datetime(2090, 1, 1, tzinfo=UTC), household.database.read
    built.clear()
    for size in (2, 4):
        for wanted in (["No. 0"], [f"No. {n}" for n in range(4)], []):
            found = await read(household.viewer, taken, wanted, late, size)
            assert [row.subject for row in found] == wanted[:size]
    assert await read(household.viewer, taken, ["No. 0"], datetime(1990, 1, 1, tzinfo=UTC), 2) == []
    assert built == [(("", "UNREAD"), 2), (("", "UNREAD"), 4)]


async def test_another_viewer_finds_nothing_by_the_same_statement(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "ada@example.org", subject="Mine"))
    other, late = await Household.open(household.database, "u_other"), datetime(2090, 1, 1, tzinfo=UTC)
    assert len(await household.database.read(household.viewer, taken, ["Mine"], late, 5)) == 1
    assert await household.database.read(other.viewer, taken, ["Mine"], late, 5) == []
