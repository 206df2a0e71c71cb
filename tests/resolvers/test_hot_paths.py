"""What the pages that are asked for most do in the database: as many statements for many people as for few, each through its index.

The plans of both databases are kept beside this file. They are those of a store that nobody has analysed, so they follow from the statements
alone. When one changes on purpose, remove its file: the next run writes it anew, and fails so that somebody reads it.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from benchmarks.filling import fill
from benchmarks.people_page import QUERY as PEOPLE
from gateway.execution.compiled.run import Call
from providers.base import catalogue
from resolvers.composing import senders_of
from resolvers.conversations import Conversation
from resolvers.paging import Placed
from resolvers.people import last_message_ids
from store.accounts import put_own_address
from store.database import Database
from store.feed import Recorder
from store.tables import account, person
from tests.asking import Clock, Desk, statements
from tests.household import NOW, Household

CONVERSATIONS: Final = "{ viewer { conversations(first: 20) { edges { node { subject lastActivityAt unreadCount } } } } }"
TIMELINE: Final = "{ viewer { timeline(first: 20) { edges { node { occurredAt ... on Message { snippet } } } } } }"
PAGES: Final = {"people": PEOPLE, "conversations": CONVERSATIONS, "timeline": TIMELINE}
PLANS: Final = Path(__file__).parent / "plans"


def desk(household: Household) -> Desk:
    return Desk(household, clock=Clock(NOW), providers=dict(catalogue()))


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_takes_as_many_statements_whoever_asks(database: Database, page: str) -> None:
    counted = []
    for viewer, people, messages in (("u_few", 8, 16), ("u_many", 60, 300)):
        household = await Household.open(database, viewer)
        await fill(database, viewer, people=people, messages=messages)
        with statements() as seen:
            await desk(household).ask(PAGES[page])
        counted.append(len(seen))
    assert counted[0] == counted[1] <= 10


@pytest.mark.parametrize("page", PAGES)
async def test_each_statement_of_a_page_goes_through_its_index(household: Household, page: str) -> None:
    await fill(household.database, household.viewer, people=3, messages=6)
    with asked() as found:
        await desk(household).ask(PAGES[page])
    plans = await household.database.read(household.viewer, _explained, found)
    file = PLANS / f"{page}.{household.database.dialect}.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(plans)
        pytest.fail(f"{file.name} was missing and is written now: read it")
    assert plans == file.read_text()
    assert not re.search(r"^ *SCAN (?:person|contact|message|conversation)\b", plans, re.MULTILINE)


async def test_names_of_writers_and_last_messages_are_found_through_narrow_indexes(
    household: Household,
) -> None:
    database, viewer = household.database, household.viewer
    await fill(database, viewer, people=3, messages=6)
    account_id = await database.read(viewer, lambda conn, v: conn.execute(sa.select(account.c.id)).scalars().first())
    assert account_id is not None
    await database.write(viewer, put_own_address, account_id, "robin@example.com", Recorder(NOW))
    people = await database.read(viewer, lambda conn, v: conn.execute(sa.select(person.c.id)).scalars().all())
    with asked() as found:
        await database.read(viewer, senders_of, {})
        await database.read(viewer, last_message_ids, people)
    plans = await database.read(viewer, _explained, found)
    assert "message_participant_by_writer" in plans
    assert "message_participant_of_contact" in plans


async def test_an_answered_page_leaves_nothing_for_the_collector_to_find(household: Household) -> None:
    await fill(household.database, household.viewer, people=3, messages=6)
    at = desk(household)
    await at.ask(PEOPLE)  # what is made once stays
    gc.collect()
    gc.disable()
    others = _kept()  # of tests that ran before in this process
    try:
        operation = at.operation()
        result = await at.execute(PEOPLE, operation)
        operation.close()
        del operation
        assert not result.errors
        assert [kept for kept in _kept() if not any(kept is other for other in others)] == []
    finally:
        gc.enable()


def _kept() -> list[Any]:
    return [kept for kept in gc.get_objects() if isinstance(kept, Call | Conversation | Placed)]


async def test_pages_of_all_sizes_are_the_same_statements(household: Household) -> None:
    await fill(household.database, household.viewer, people=4, messages=20)
    sent = []
    for people, conversations in ((1, 1), (3, 2), (50, 40)):
        with asked() as found:
            result = await desk(household).ask(PEOPLE, people=people, conversations=conversations)
        edges = result["viewer"]["people"]["edges"]
        assert len(edges) == min(people, 4)
        assert all(len(edge["node"]["conversations"]["edges"]) <= conversations for edge in edges)
        sent.append([statement for statement, _ in found])
    assert sent[0] == sent[1] == sent[2]


@contextmanager
def asked() -> Iterator[list[tuple[str, Any]]]:
    """The statements sent meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.startswith(("SELECT", "WITH")) and "set_config" not in statement:
            seen.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def _explained(conn: Connection, viewer: str, found: list[tuple[str, Any]]) -> str:
    parts = []
    for statement, parameters in found:
        tables = ", ".join(dict.fromkeys(re.findall(r"(?:FROM|JOIN) (\w+)", statement)))
        if conn.dialect.name == "sqlite":
            rows = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            lines = [row[3] for row in rows]
        else:
            lines = [row[0] for row in conn.exec_driver_sql(f"EXPLAIN (COSTS OFF) {statement}", parameters)]
            lines = [
                line
                for line in lines
                if re.match(r" *(?:->|[A-Z][a-z]+ )", line) and "Filter:" not in line and "Cond:" not in line
            ]
        parts.append("\n".join([f"# {tables}", *lines]))
    return "\n\n".join(parts) + "\n"
