"""Who is heard, about what, and who knows whom: through GraphQL, on both databases, beside what was planted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from resolvers.influence.drawing import draw, linked, place, show
from store import standings
from store.tables import activity
from tests.asking import Desk, nodes, statements
from tests.household import Household
from tests.influence.audiences import Town, settle, town

EVERYBODY = """query($first: Int = 200) { viewer { people(first: $first) { edges { node { id name
  influence { score percentile sentence computedAt parts { factor value weight sentence } topics(first: 2) { name score } }
  topics(first: 1) { name score evidence(first: 2) { __typename ... on Activity { actor { name } object { hashtags } } } }
  acquaintances(first: 3) { totalCount edges { node { name } strength evidence { sentence weight strength
    ... on AcquaintanceEvidence { count latest { __typename } } } } } } } } } }"""


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


async def drawn(desk: Desk, found: Town) -> dict[str, Any]:
    await settle(desk.household, found)
    await draw(desk.household.database, desk.household.viewer, desk.clock.now())
    people = nodes((await desk.ask(EVERYBODY))["viewer"]["people"])
    return {one["name"].split()[0].lower(): one for one in people}


async def test_planted_experts_come_out_on_top_for_their_topics_and_a_farm_does_not_help_anybody(desk: Desk) -> None:
    found = town(people=24, farm=30)
    seen = await drawn(desk, found)
    score = {name: one["influence"]["score"] for name, one in seen.items()}
    ranked = sorted(score, key=lambda name: -score[name])
    assert set(ranked[:4]) == set(found.experts.values())
    for topic, expert in found.experts.items():
        assert seen[expert]["topics"][0]["name"] == topic
        assert all(one["actor"]["name"] == expert.title() for one in seen[expert]["topics"][0]["evidence"])
    assert score[found.impostor] < min(score[name] for name in found.experts.values())
    parts = {part["factor"]: part["value"] for part in seen[found.impostor]["influence"]["parts"]}
    assert (parts["REACH"], parts["ENGAGEMENT"], parts["POSITION"]) == (0.0, 0.0, 0.0)


def told(seen: dict[str, Any]) -> dict[str, list[float]]:
    """Reach and engagement of those whom the viewer follows."""
    return {
        name: [part["value"] for part in one["influence"]["parts"] if part["factor"] in ("REACH", "ENGAGEMENT")]
        for name, one in seen.items()
        if name.startswith("p")
    }


async def test_a_farm_of_any_size_is_heard_by_nobody_and_changes_nobodys_audience(household: Household, desk: Desk) -> None:
    small = await drawn(desk, town(people=14, farm=0))
    other = Desk(await Household.open(household.database, "u_else"))
    large = await drawn(other, town(people=14, farm=40))
    assert told(small) == told(large)


async def test_the_score_is_the_sum_of_its_parts_and_each_part_says_what_it_is_in_words(desk: Desk) -> None:
    seen = await drawn(desk, town(people=14, farm=3))
    for one in seen.values():
        influence = one["influence"]
        assert influence["score"] == round(100 * sum(part["value"] * part["weight"] for part in influence["parts"]))
        assert all(part["sentence"].endswith(".") for part in influence["parts"])
        lower = sum(other["influence"]["score"] < influence["score"] for other in seen.values())
        assert influence["percentile"] == pytest.approx(100 * lower / len(seen), abs=0.06)


async def test_people_of_one_message_know_each_other_and_the_list_says_how_that_is_known(desk: Desk) -> None:
    found = town(people=14, farm=3)
    seen = await drawn(desk, found)
    one, other = found.together[0]
    (edge,) = seen[one]["acquaintances"]["edges"]
    assert edge["node"]["name"].lower().startswith(other)
    assert edge["evidence"][0]["sentence"] == "They are together in 4 messages."
    assert (edge["evidence"][0]["count"], edge["evidence"][0]["latest"]) == (4, {"__typename": "Message"})
    expert = found.experts["beekeeping"]
    assert seen[expert]["acquaintances"]["totalCount"] >= found.heard[expert]


async def test_until_somebody_was_weighed_there_is_no_influence_and_no_topic(desk: Desk) -> None:
    await settle(desk.household, town(people=8, farm=0))
    people = nodes((await desk.ask(EVERYBODY))["viewer"]["people"])
    assert {(one["influence"], tuple(one["topics"]), one["acquaintances"]["totalCount"]) for one in people} == {(None, (), 0)}


async def test_a_page_of_people_with_influence_and_acquaintances_costs_the_same_statements_however_long_it_is(desk: Desk) -> None:
    await drawn(desk, town(people=20, farm=3))
    counts = []
    for first in (2, 20):
        with statements() as sent:
            await desk.ask(EVERYBODY, first=first)
        counts.append(len(sent))
    # two fields may ask for the same at two depths: one read or two, as the database answers
    assert counts[1] <= counts[0] + 8, counts


async def test_another_viewer_weighs_only_their_own_people(household: Household, desk: Desk) -> None:
    await drawn(desk, town(people=8, farm=0))
    other = Desk(await Household.open(household.database, "u_else"))
    assert await draw(household.database, other.household.viewer, desk.clock.now()) == 0
    mine = nodes((await desk.ask(EVERYBODY))["viewer"]["people"])
    ask = "query($id: ID!) { node(id: $id) { ... on Person { influence { score } } } }"
    assert await other.ask(ask, id=mine[0]["id"]) == {"node": None}


async def test_a_new_picture_takes_the_place_of_the_old_one_whole(desk: Desk) -> None:
    account_town = town(people=10, farm=0)
    first = await drawn(desk, account_town)
    await desk.household.take(await desk.household.account("imap"), *account_town.mails)
    await draw(desk.household.database, desk.household.viewer, desk.clock.now())
    again = nodes((await desk.ask(EVERYBODY))["viewer"]["people"])
    assert {one["name"]: one["influence"]["score"] for one in again} == {
        one["name"]: one["influence"]["score"] for one in first.values()
    }


async def test_a_picture_whose_painter_died_is_never_shown_and_the_next_one_clears_it_away(desk: Desk) -> None:
    found = town(people=8, farm=0)
    before = await drawn(desk, found)
    database, viewer = desk.household.database, desk.household.viewer
    run = await database.read(viewer, standings.begin)
    half = {"person_id": next(iter(before.values()))["id"], "score": 99, "percentile": 99.0, "parts": b"broken"}
    await database.write(viewer, standings.write, run, [half], [])
    again = nodes((await desk.ask(EVERYBODY))["viewer"]["people"])
    assert {one["name"]: one["influence"]["score"] for one in again} == {
        one["name"]: one["influence"]["score"] for one in before.values()
    }
    await draw(database, viewer, desk.clock.now())
    assert await database.read(viewer, standings.begin) > run
    assert not await database.write(viewer, standings.forget_others)


async def test_an_activity_that_cannot_be_read_costs_nobody_their_picture(desk: Desk) -> None:
    await settle(desk.household, town(people=8, farm=0))
    database, viewer = desk.household.database, desk.household.viewer

    def damage(conn: Connection, viewer: str) -> None:
        first = select(activity.c.id).where(activity.c.viewer_id == viewer).limit(1).scalar_subquery()
        conn.execute(activity.update().where(activity.c.viewer_id == viewer, activity.c.id == first).values(record=b"\xc1"))

    await database.write(viewer, damage)
    assert await draw(database, viewer, desk.clock.now()) > 0


async def test_a_picture_of_an_account_that_was_unlinked_meanwhile_is_not_shown(desk: Desk) -> None:
    gone = await settle(desk.household, town(people=8, farm=0))
    database, viewer, now = desk.household.database, desk.household.viewer, desk.clock.now()
    accounts = await database.read(viewer, linked)
    await desk.household.forget(gone)
    assert not await database.write(viewer, show, 1, accounts, now)
    assert await database.read(viewer, standings.computed_at) is None
    assert await database.write(viewer, show, 1, accounts - {gone}, now)


SEARCH = """query($query: String!) { viewer { search(query: $query, scopes: [PEOPLE]) { edges { node { ... on Person { name } } } }
  people(filter: { text: $query }) { edges { node { name } } } } }"""


async def test_people_are_found_by_what_they_speak_about_as_long_as_the_picture_shows_it(desk: Desk) -> None:
    async def found(query: str) -> tuple[list[str], list[str]]:
        data = (await desk.ask(SEARCH, query=query))["viewer"]
        return [one["name"] for one in nodes(data["search"])], [one["name"] for one in nodes(data["people"])]

    planted = town(people=24, farm=0)
    account = await settle(desk.household, planted)
    expert = f"{planted.experts['typography'].title()} Planted"
    assert await found("typography") == ([], [])
    await draw(desk.household.database, desk.household.viewer, desk.clock.now())
    assert await found("typography") == ([expert], [expert])
    assert await found(f"{expert} typogr") == ([expert], [expert]), "with other words, and begun"
    assert await found("typograhpy") == ([], []), "topics are words, not names: nothing stands for another"
    stranger = Desk(await Household.open(desk.household.database, "u_kim"))
    assert nodes((await stranger.ask(SEARCH, query="typography"))["viewer"]["search"]) == []
    await desk.household.forget(account)
    await desk.household.database.write(desk.household.viewer, standings.forget_all)
    await place(desk.household.database, desk.household.viewer)
    assert await found("typography") == ([], [])
