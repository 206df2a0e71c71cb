"""One contact that changes among many: what is done for it does not grow with those whom it does not concern.

PostgreSQL plans here for large tables that nobody has analysed, as it does after a first sync, and for any values (a generic plan).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from providers import records
from store.database import Database
from tests import fresh, servers
from tests.asking import statements
from tests.household import Household, card, open_sqlite

#: Of what there is more of with each person.
GROWING: Final = "category|clue|contact|contact_key|decision_contact|evidence|look_alike|person|search_doc|suggestion|tagged"
WALK: Final = re.compile(rf"^(?:SCAN (?:{GROWING})\b|SEARCH (?:{GROWING})\b.* \(viewer_id=\?(?: AND \w+[<>]\?)*\))")
#: Statements of a card that says something new, of one that joins somebody new here, and of one that leaves.
MOST: Final = {"sqlite": (47, 79, 84), "postgresql": (45, 74, 76)}
LOOKED_UP: Final = 3  # of them look up one value of a list after the other
#: Nobody gathers statistics of them meanwhile.
UNSEEN: Final = "".join(f"ALTER TABLE {table} SET (autovacuum_enabled = false);" for table in GROWING.split("|"))
#: Many rows, as PostgreSQL reckons: so many to each page that the file has (row estimation, in its manual's chapter 14).
LARGE: Final = f"UPDATE pg_class SET relpages = 1, reltuples = 20000 WHERE relkind = 'r' AND relname ~ '^({GROWING})$'"
#: What PostgreSQL does for them: an index with what it is asked for, and a table that is read from end to end.
SCAN: Final = re.compile(r"(?:using|Bitmap Index Scan on) (\w+).*(?:\n +Index Cond: (.*))?")
WHOLE: Final = re.compile(rf"Seq Scan on (?:{GROWING})\b.*")
_SECOND: Final = """
    SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS of, pg_get_indexdef(i.indexrelid, 2, true) AS column
    FROM pg_index i WHERE i.indnatts > 1
"""
COUNTED: Final = "SELECT count(*) AS count_1 \nFROM person"  # while they are few (store/pairs.py)


async def test_nothing_that_a_change_asks_for_walks_through_all_people(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database:
        asked = await _changes(database)
        assert await database.read("u_robin", _walks, asked) == {}


async def test_postgresql_finds_whom_a_change_concerns_by_their_own_keys_before_it_has_statistics(
    postgres_server: servers.Postgres,
) -> None:
    place = await fresh.postgresql(postgres_server)
    database = Database(place.app_url)
    try:
        place.sql(UNSEEN)
        asked = [statement for statement in await _changes(database) if "LATERAL" in statement]
        assert len(asked) == LOOKED_UP
        place.sql(LARGE)
        assert await database.read("u_robin", _astray, asked) == {}
    finally:
        await database.close()
        place.drop()


async def _changes(database: Database) -> dict[str, Any]:
    """The statements of three changes, each once, when none of them takes more than it may."""
    household = await Household.open(database)
    book, other = await household.account("vcard", "cards"), await household.account("vcard", "other cards")
    ada, elsewhere = "ada@quay.example", "ada@elsewhere.example"
    await household.take(book, card("a", "Ada Quay", ada), card("b", "Bo Sand", "bo@sand.example"))
    await household.resolve()
    asked: list[str] = []
    says, joins, leaves = MOST[database.dialect]
    for account, item, most in (
        (book, card("a", "Ada Quay", ada, organizations=(records.Organization(name="Harbour Works"),)), says),
        (other, card("guest", "Ada Quay", ada), joins),
        (other, card("guest", "Ada Quay", elsewhere), leaves),
    ):
        with statements() as sent:
            await household.take(account, item)
            await household.resolve()
        assert len(sent) <= most, "each costs PostgreSQL a round trip"
        asked += sent
    assert "decision" in " ".join(asked), "somebody joined and left"
    return dict.fromkeys(asked)


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


def _astray(conn: Connection, viewer: str, asked: list[str]) -> dict[str, list[str]]:
    """Statements that read more of a viewer's rows than they name, with how: a table from end to end, or an index whose second column,
    behind the viewer, they do not say."""
    second = {row.name: row.column for row in conn.exec_driver_sql(_SECOND) if re.fullmatch(GROWING, row.of)}
    found = {}
    conn.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    for n, statement in enumerate(asked):
        values = len(set(re.findall(r"\$\d+", statement)))
        conn.exec_driver_sql(f"PREPARE plan_{n} AS {statement}")
        given = f"({', '.join(['NULL'] * values)})" if values else ""
        plan = "\n".join(conn.exec_driver_sql(f"EXPLAIN (COSTS OFF) EXECUTE plan_{n}{given}").scalars())
        walks = [
            f"{index}: {by}" for index, by in SCAN.findall(plan) if index in second and not re.search(rf"\b{second[index]}\b", by)
        ] + WHOLE.findall(plan)  # fmt: skip
        if walks:
            found[statement] = walks
    return found
