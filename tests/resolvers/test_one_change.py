"""One contact that changes among many: what is done for it does not grow with those whom it does not concern."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from providers import records
from tests.asking import statements
from tests.household import Household, card, open_sqlite

#: Of what there is more of with each person.
GROWING: Final = "category|clue|contact|contact_key|decision_contact|evidence|look_alike|person|search_doc|suggestion|tagged"
WALK: Final = re.compile(rf"^(?:SCAN (?:{GROWING})\b|SEARCH (?:{GROWING})\b.* \(viewer_id=\?(?: AND \w+[<>]\?)*\))")
#: Statements of a card that says something new, of one that joins somebody new here, and of one that leaves.
SAYS, JOINS, LEAVES = 47, 79, 84
COUNTED: Final = "SELECT count(*) AS count_1 \nFROM person"  # while they are few (store/pairs.py)


async def test_nothing_that_a_change_asks_for_walks_through_all_people(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database:
        household = await Household.open(database)
        book, other = await household.account("vcard", "cards"), await household.account("vcard", "other cards")
        ada, elsewhere = "ada@quay.example", "ada@elsewhere.example"
        await household.take(book, card("a", "Ada Quay", ada), card("b", "Bo Sand", "bo@sand.example"))
        await household.resolve()
        asked: list[str] = []
        for account, item, most in (
            (book, card("a", "Ada Quay", ada, organizations=(records.Organization(name="Harbour Works"),)), SAYS),
            (other, card("guest", "Ada Quay", ada), JOINS),
            (other, card("guest", "Ada Quay", elsewhere), LEAVES),
        ):
            with statements() as sent:
                await household.take(account, item)
                await household.resolve()
            assert len(sent) <= most, "each costs PostgreSQL a round trip"
            asked += sent
        assert "decision" in " ".join(asked), "somebody joined and left"
        assert await database.read(household.viewer, _walks, dict.fromkeys(asked)) == {}


def _walks(conn: Connection, viewer: str, asked: dict[str, Any]) -> dict[str, list[str]]:
    """The statements that walk through all of a viewer, with how; not those that stop after some."""
    found = {}
    for statement in asked:
        if statement.startswith("PRAGMA"):
            continue
        plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?")).all()
        walks = [row[3] for row in plan if WALK.match(row[3])]
        if walks and "LIMIT" not in statement and not statement.startswith(COUNTED):
            found[statement] = walks
    return found
