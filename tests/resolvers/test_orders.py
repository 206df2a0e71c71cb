"""People in the order of closeness, influence, last contact and age: from what was exchanged, page by page, by an index, on both databases."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from providers import records
from resolvers.influence.drawing import draw, place
from resolvers.relationship import placing, tallying
from store import leases, standings
from store.feed import TALLY_JOB
from tests.asking import Clock, Desk, nodes, pages
from tests.household import ME, NOW, Household, card, mail
from tests.influence.audiences import settle, town
from tests.resolvers.test_hot_paths import asked

PEOPLE = """query($first: Int, $after: Cursor, $filter: PersonFilter, $orderBy: PersonOrder) {
  viewer { people(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node { id name relationship { score trend } influence { score } } } } } }"""
CLOSEST = {"by": "RELATIONSHIP", "direction": "DESC"}
NAMES = ("ada", "bo", "cleo", "dora", "ezra")


def letters(name: str, many: int, *, until: float = 0) -> list[records.Message]:
    """So many letters there and back, an exchange a day, the last one so many days ago."""
    found = []
    for n in range(many):
        at = NOW - timedelta(days=until + n)
        number = (NAMES.index(name) + 1) * 1_000 + 2 * n
        who = f"{name}@example.org"
        found += [
            mail(number, who, ME, name=name, sent_at=at, subject=f"{name} {n}"),
            mail(number + 1, ME, who, sent_at=at + timedelta(hours=1), answers=[number], subject=f"Re: {name} {n}"),
        ]
    return found


async def write(household: Household) -> str:
    """Ada is very close, Bo less, Cleo was close long ago, Dora only writes, Ezra was only written to."""
    box = await household.account("imap", ME, own=[ME])
    one_way = [
        mail(1, "dora@example.org", ME, name="dora", sent_at=NOW - timedelta(days=400)),
        mail(2, ME, "ezra@example.org", sent_at=NOW - timedelta(days=1)),
    ]
    await household.take(box, *letters("ada", 40), *letters("bo", 6, until=10), *letters("cleo", 40, until=250), *one_way)
    await household.resolve()
    await count(household)
    return box


async def count(household: Household, days: float = 0) -> None:
    await tallying.tally(household.database, household.viewer)
    await placing.place(household.database, household.viewer, NOW + timedelta(days=days))


def desk(household: Household, days: float = 0) -> Desk:
    return Desk(household, clock=Clock(NOW + timedelta(days=days)))


async def shown(asking: Desk, **variables: Any) -> list[Any]:
    return [one for page in await pages(asking, PEOPLE, ["viewer", "people"], **{"first": 50, **variables}) for one in page]


def called(people: list[Any]) -> list[str]:
    return [one["name"].split("@")[0] for one in people]


async def test_whoever_is_closest_comes_first_and_whoever_never_answered_last(household: Household) -> None:
    await write(household)
    people = await shown(desk(household), orderBy=CLOSEST, first=2)
    assert called(people)[:3] == ["ada", "bo", "cleo"]
    scores = [one["relationship"]["score"] for one in people]
    assert scores == sorted(scores, reverse=True)
    assert scores[3:] == [0, 0]
    backwards = await shown(desk(household), orderBy={"by": "RELATIONSHIP", "direction": "ASC"}, first=2)
    assert called(backwards) == called(people)[::-1]


async def test_who_drifts_away_and_who_is_close_enough_is_found(household: Household) -> None:
    await write(household)
    asking = desk(household)
    drifting = await shown(asking, filter={"trends": ["FALLING"]}, orderBy=CLOSEST)
    assert called(drifting) == ["cleo", "dora"]
    assert {one["relationship"]["trend"] for one in drifting} == {"FALLING"}
    everybody = {one["name"]: one["relationship"]["score"] for one in await shown(asking)}
    least = sorted(everybody.values())[-2]
    close = await shown(asking, filter={"minRelationship": least})
    assert {one["name"] for one in close} == {name for name, score in everybody.items() if score >= least}
    assert await shown(asking, filter={"minRelationship": least, "trends": []}) == []


async def test_a_person_moves_up_with_what_is_written_and_down_with_time(household: Household) -> None:
    box = await write(household)
    await household.take(box, *letters("dora", 60))
    await count(household)
    assert called(await shown(desk(household), orderBy=CLOSEST))[:2] == ["ada", "dora"]
    later = desk(household, days=700)
    assert len(await shown(later, filter={"minRelationship": 50})) >= 2  # as they were placed last
    await placing.place_everybody(household.database, household.viewer, NOW + timedelta(days=700))
    assert await shown(later, filter={"minRelationship": 50}) == []
    trends = {one["name"]: one["relationship"]["trend"] for one in await shown(later, filter={"trends": ["FALLING"]})}
    assert len(trends) >= 3
    assert set(trends.values()) == {"FALLING"}


async def test_a_joined_person_stands_where_the_sum_puts_them_and_parted_where_they_stood(household: Household) -> None:
    await write(household)
    asking = desk(household)
    before = await shown(asking, orderBy=CLOSEST)
    ids = {one["name"].split("@")[0]: one["id"] for one in before}
    merge = "mutation($ids: [ID!]!) { mergePeople(input: { personIds: $ids }) { errors { message } merge { id } } }"
    done = (await asking.ask(merge, ids=[ids["dora"], ids["ezra"]]))["mergePeople"]
    assert done["errors"] == []
    jobs = await household.database.system_read(leases.listed, viewer=household.viewer, kind=TALLY_JOB)
    assert len(jobs) == 1  # the worker is told
    await count(household)
    together = await shown(asking, filter={"minRelationship": 1})
    assert len(together) == 4  # what one wrote and what the other was written goes both ways
    back = "mutation($id: ID!) { unmerge(input: { mergeId: $id }) { errors { message } } }"
    assert (await asking.ask(back, id=done["merge"]["id"]))["unmerge"]["errors"] == []
    await count(household)
    assert await shown(asking, orderBy=CLOSEST) == before


async def test_an_account_that_goes_takes_closeness_and_influence_with_it(household: Household) -> None:
    box = await write(household)
    await household.resolve()
    book = await household.account("vcard", "cards")
    await household.take(book, card("ada", "Ada Lovelace", "ada@example.org"))
    await household.resolve()
    await count(household)
    await draw(household.database, household.viewer, NOW)
    asking = desk(household)
    assert (await shown(asking, orderBy=CLOSEST))[0]["relationship"]["score"] > 0
    await household.forget(box)
    await household.database.write(household.viewer, standings.forget_all)
    await place(household.database, household.viewer)
    await household.resolve()
    await count(household)
    (left,) = await shown(asking)
    assert (left["name"], left["relationship"]["score"], left["influence"]) == ("Ada Lovelace", 0, None)
    assert await shown(asking, filter={"minRelationship": 1}) == []

    def stands(conn: Connection, viewer: str) -> Any:
        return conn.exec_driver_sql("SELECT relationship, influence, trend FROM person").all()

    assert {tuple(row) for row in await household.database.read(household.viewer, stands)} == {(0, 0, "NEW")}


async def test_whoever_is_heard_most_comes_first_and_whoever_was_not_weighed_last(household: Household) -> None:
    await settle(household, town(people=12, farm=2))
    asking = Desk(household)
    order = {"by": "INFLUENCE", "direction": "DESC"}
    assert {one["influence"] for one in await shown(asking, orderBy=order)} == {None}
    await draw(household.database, household.viewer, asking.clock.now())
    people = await shown(asking, orderBy=order, first=3)
    scores = [one["influence"]["score"] for one in people]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert len({one["id"] for one in people}) == len(people)


async def test_places_are_each_viewers_own(household: Household) -> None:
    await write(household)
    other = await Household.open(household.database, "u_kim")
    await placing.place_everybody(household.database, other.viewer, NOW)
    assert await shown(desk(other), orderBy=CLOSEST) == []
    assert called(await shown(desk(household), orderBy=CLOSEST))[0] == "ada"


@pytest.mark.parametrize("by", ["NAME", "RELATIONSHIP", "LAST_CONTACT", "INFLUENCE", "CREATED"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_a_page_of_each_order_is_a_walk_along_its_index(household: Household, by: str, direction: str) -> None:
    await write(household)
    asking, order = desk(household), {"by": by, "direction": direction}
    query = PEOPLE.replace("totalCount ", "").replace("relationship { score trend } influence { score }", "")
    first = (await asking.ask(query, first=2, orderBy=order))["viewer"]["people"]
    for after in (None, first["pageInfo"]["endCursor"]):
        with asked() as sent:
            page = (await asking.ask(query, first=2, orderBy=order, after=after))["viewer"]["people"]
        assert len(nodes(page)) == 2
        (statement, parameters) = next(one for one in sent if re.search(r"FROM person\b", one[0]))
        plan = await household.database.read(household.viewer, _plan, statement, parameters)
        assert "Sort" not in plan and "TEMP B-TREE" not in plan, plan
        assert "person_by_" in plan and "SCAN person" not in plan and "Seq Scan" not in plan, plan
    assert len(sent) <= 6


def _plan(conn: Connection, viewer: str, statement: str, parameters: Any) -> str:
    if conn.dialect.name == "sqlite":
        return "\n".join(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
    return "\n".join(row[0] for row in conn.exec_driver_sql(f"EXPLAIN (COSTS OFF) {statement}", parameters))
