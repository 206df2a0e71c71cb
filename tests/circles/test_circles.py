"""Circles through GraphQL, on both databases: who is together, by which name, and what becomes of them when people and accounts change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from providers import records
from resolvers.influence.drawing import draw
from store import standings
from tests.asking import Desk, nodes, statements
from tests.household import ME, NOW, Household, card

CIRCLES = """query($first: Int = 50) { viewer { circles { id version name commonality
  people(first: $first) { totalCount complete pageInfo { hasNextPage endCursor } edges { node { id name } } } } } }"""
OF_PEOPLE = "{ viewer { people(first: 50) { edges { node { id name circles { id name } } } } } }"
FAMILY = ("Ann Oak", "Ben Oak", "Cid Oak", "Dot Oak")
WORK = ("Eve Fox", "Fay Elm", "Gus Ash", "Hal Yew", "Ida Bay")
CLIMBERS = ("@jo:example.org", "@kay:example.org", "@lee:example.org", "@may:example.org")


def address(name: str, host: str) -> str:
    return f"{name.split()[0].lower()}@{host}"


def letter(number: int, addresses: list[str], sender: str = ME, **more: Any) -> records.Message:
    to = tuple(records.Participant(role="TO", address=one) for one in addresses if one != sender)
    return records.Message(
        key=f"key-{number}", internet_message_id=f"{number}@mail.example", sent_at=NOW - timedelta(days=number),
        subject=f"Matter {number}", text="Hello.", participants=(records.Participant(role="FROM", address=sender), *to), **more,
    )  # fmt: skip


def climber(handle: str, role: records.Role = "MEMBER") -> records.Participant:
    return records.Participant(role=role, address=handle, kind="HANDLE", name=handle, provider="matrix", key=handle)


class Place:
    """A viewer with a family, colleagues and a room of climbers."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self.desk = Desk(household)
        self.box = self.book = self.chat = ""

    async def settle(self) -> None:
        self.box = await self.household.account("imap", ME, own=[ME])
        self.book = await self.household.account("vcard", "cards")
        self.chat = await self.household.account("matrix", "@robin:example.org", own=["@robin:example.org"])
        mill = (records.Organization(name="Mill & Sons"),)
        cards = [card(name, name, address(name, "mail.example")) for name in FAMILY]
        cards += [card(name, name, address(name, "mill.example"), organizations=mill) for name in WORK]
        await self.household.take(self.book, *cards)
        family = [address(name, "mail.example") for name in FAMILY]
        work = [address(name, "mill.example") for name in WORK]
        mails = [letter(n, family) for n in range(1, 7)] + [letter(n, work, work[n % 5]) for n in range(10, 20)]
        news = records.Header(name="List-Id", value="<news.example.com>")
        mails += [letter(n, [*work, *family], "news@example.com", category="NEWSLETTER", headers=(news,)) for n in range(30, 40)]
        await self.household.take(self.box, *mails)
        said = [
            records.Message(
                key=f"$e{n}", sent_at=NOW, container="!r", conversation_key="!r", conversation_kind="GROUP", text="Up!",
                participants=(climber(handle, "FROM"),),
            )
            for n, handle in enumerate(CLIMBERS)
        ]  # fmt: skip
        head = records.ConversationHead(
            key="!r", kind="GROUP", last_activity_at=NOW, subject="Climbing", participants=tuple(map(climber, CLIMBERS))
        )
        await self.household.take(self.chat, *said, head)
        await self.household.resolve()
        await self.draw()

    async def draw(self) -> None:
        await draw(self.household.database, self.household.viewer, self.desk.clock.now())

    async def circles(self, **asked: Any) -> dict[str, Any]:
        return {one["name"]: one for one in (await self.desk.ask(CIRCLES, **asked))["viewer"]["circles"]}


@pytest.fixture
async def place(household: Household) -> Place:
    found = Place(household)
    await found.settle()
    return found


def names(circle: Any) -> set[str]:
    return {one["name"] for one in nodes(circle["people"])}


async def test_who_is_together_is_a_circle_called_by_what_they_share(place: Place) -> None:
    found = await place.circles()
    assert set(found) == {"mail.example", "Mill & Sons", "Climbing"}
    assert names(found["mail.example"]) == {*FAMILY}
    assert names(found["Mill & Sons"]) == {*WORK}
    assert names(found["Climbing"]) == {*CLIMBERS}
    assert found["Mill & Sons"]["commonality"] == ["5 of 5 are with Mill & Sons.", "5 of 5 have an address at mill.example."]
    assert found["Climbing"]["commonality"] == ["4 of 4 are in the group Climbing."]
    people = nodes((await place.desk.ask(OF_PEOPLE))["viewer"]["people"])
    shown = {one["name"]: [circle["name"] for circle in one["circles"]] for one in people}
    assert all(shown[name] == ["Mill & Sons"] for name in WORK)


async def test_the_same_facts_give_the_same_circles_and_nothing_is_told_twice(place: Place) -> None:
    before, head = await place.circles(), await place.household.head()
    told = [one for one in await place.household.changes() if one.kind == "CIRCLE"]
    assert {(one.op, one.node_id, one.created) for one in told} == {("UPSERT", one["id"], True) for one in before.values()}
    await place.draw()
    assert await place.circles() == before
    assert await place.household.head() == head


async def test_a_circle_keeps_its_id_while_most_of_its_members_stay(place: Place) -> None:
    before = (await place.circles())["Mill & Sons"]
    work = [address(name, "mill.example") for name in WORK]
    new = [address(name, "mill.example") for name in ("Kit", "Liz")]
    await place.household.take(place.box, *(letter(n, [*work[1:], *new], work[n % 4 + 1]) for n in range(50, 60)))
    await place.household.resolve()
    head = await place.household.head()
    await place.draw()
    after = (await place.circles())["mill.example"]  # which all of them have, and of the Mill are only five
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    assert len(names(after)) == 7
    told = [one for one in await place.household.changes(head) if one.kind == "CIRCLE"]
    assert [(one.op, one.node_id, one.node_version) for one in told] == [("UPSERT", after["id"], after["version"])]
    node = "query($id: ID!) { node(id: $id) { id ... on Circle { name version } } }"
    assert (await place.desk.ask(node, id=after["id"]))["node"]["version"] == after["version"]


async def test_a_member_who_was_joined_with_another_is_there_once_and_again_twice_when_parted(place: Place) -> None:
    ids = {one["name"]: one["id"] for one in nodes((await place.circles())["Mill & Sons"]["people"])}
    merge = "mutation($ids: [ID!]!) { mergePeople(input: { personIds: $ids }) { errors { message } merge { id } } }"
    done = (await place.desk.ask(merge, ids=[ids["Eve Fox"], ids["Fay Elm"]]))["mergePeople"]
    assert done["errors"] == []
    circle = (await place.circles())["Mill & Sons"]
    assert circle["people"]["totalCount"] == len(nodes(circle["people"])) == 4
    back = "mutation($id: ID!) { unmerge(input: { mergeId: $id }) { errors { message } } }"
    assert (await place.desk.ask(back, id=done["merge"]["id"]))["unmerge"]["errors"] == []
    assert names((await place.circles())["Mill & Sons"]) == {*WORK}


async def test_an_account_that_goes_takes_its_circles_with_it(place: Place) -> None:
    kept = (await place.circles())["Climbing"]["id"]
    gone = {one["id"] for one in (await place.circles()).values()} - {kept}
    await place.household.forget(place.box)
    await place.household.database.write(place.household.viewer, standings.forget_all)
    assert await place.circles() == {}
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert await place.desk.ask(node, id=kept) == {"node": None}
    await place.household.resolve()
    await place.draw()
    assert {one["id"] for one in (await place.circles()).values()} == {kept}
    told = await place.household.changes()
    assert {one.node_id for one in told if (one.kind, one.op) == ("CIRCLE", "DELETE")} == gone


async def test_people_are_listed_by_their_circle_page_by_page_and_most_central_first(place: Place) -> None:
    circle = (await place.circles(first=2))["Mill & Sons"]
    page = """query($id: ID!, $after: Cursor) { node(id: $id) { ... on Circle {
      people(first: 2, after: $after) { pageInfo { hasNextPage endCursor } edges { node { name } } } } } }"""
    seen, after = [one["name"] for one in nodes(circle["people"])], circle["people"]["pageInfo"]["endCursor"]
    more = circle["people"]["pageInfo"]["hasNextPage"]
    while more:
        found = (await place.desk.ask(page, id=circle["id"], after=after))["node"]["people"]
        seen += [one["name"] for one in nodes(found)]
        more, after = found["pageInfo"]["hasNextPage"], found["pageInfo"]["endCursor"]
    assert sorted(seen) == sorted(WORK)
    listed = "query($filter: PersonFilter) { viewer { people(filter: $filter) { totalCount edges { node { name } } } } }"
    found = (await place.desk.ask(listed, filter={"circleId": circle["id"]}))["viewer"]["people"]
    assert (found["totalCount"], {one["name"] for one in nodes(found)}) == (5, {*WORK})
    assert (await place.desk.ask(listed, filter={"circleId": "C_nobody"}))["viewer"]["people"]["totalCount"] == 0


async def test_circles_and_their_people_cost_the_same_statements_however_many_they_are(place: Place) -> None:
    with statements() as all_of_them:
        await place.desk.ask(CIRCLES, first=5)
    with statements() as one:
        await place.desk.ask(CIRCLES, first=1)
    assert len(all_of_them) == len(one)
    with statements() as many:
        await place.desk.ask(OF_PEOPLE)
    with statements() as few:
        await place.desk.ask(OF_PEOPLE.replace("first: 50", "first: 2"))
    assert len(many) == len(few)


async def test_circles_are_each_viewers_own(place: Place) -> None:
    other = Desk(await Household.open(place.household.database, "u_kim"))
    assert (await other.ask(CIRCLES))["viewer"]["circles"] == []
    (mine, *_) = (await place.circles()).values()
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert await other.ask(node, id=mine["id"]) == {"node": None}
    listed = "query($filter: PersonFilter) { viewer { people(filter: $filter) { totalCount } } }"
    assert (await other.ask(listed, filter={"circleId": mine["id"]}))["viewer"]["people"]["totalCount"] == 0
