"""Timelines hold messages, notes and decisions in one order that any page size pages through, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.asking import Desk, nodes, pages, statements
from tests.household import ME, NOW, Household, card, mail

ITEM = """{ node { __typename occurredAt ... on Message { id text } ... on Note { id body } ... on Merge { id action sentence } } }"""
EVERYBODY = f"""query($first: Int, $after: Cursor, $filter: TimelineFilter, $from: DateTime) {{ viewer {{
  timeline(first: $first, after: $after, filter: $filter, from: $from) {{ totalCount pageInfo {{ hasNextPage endCursor }} edges {ITEM} }} }} }}"""
OF_ONE = f"""query($id: ID!, $first: Int = 50, $after: Cursor, $filter: TimelineFilter, $from: DateTime) {{ person(by: {{ id: $id }}) {{
  timeline(first: $first, after: $after, filter: $filter, from: $from) {{ totalCount pageInfo {{ hasNextPage endCursor }} edges {ITEM} }} }} }}"""
NOTE = """mutation($id: ID!, $body: String!, $at: DateTime) { annotate(input: {
  aboutId: $id, add: { note: { body: $body, occurredAt: $at } } }) { errors { message } } }"""
KEPT = {"kinds": ["MESSAGE", "NOTE", "MERGE"]}


class Table:
    """A desk whose viewer knows Ada, from a card and from mail, and Bo, and has written notes on both."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self.desk = Desk(household)
        self.ids: dict[str, str] = {}
        self.box = ""

    async def lay(self) -> None:
        self.box = await self.household.account("mbox", ME, own=[ME])
        book = await self.household.account("vcard", "cards")
        await self.household.take(self.box, *(mail(60 * n, "ada@example.org", name="Ada", text=f"ada {n}") for n in range(4)))
        await self.household.take(self.box, mail(90, "bo@example.org", name="Bo", text="bo 0"))
        await self.household.take(book, card("ada", "Ada Lovelace", "ada@example.org"))
        await self.household.resolve()
        people = nodes((await self.desk.ask("{ viewer { people { edges { node { id name } } } } }"))["viewer"]["people"])
        self.ids = {one["name"].split()[0].lower(): one["id"] for one in people}
        for n in range(3):
            await self.note("ada", f"note {n}", NOW + timedelta(minutes=60 * n + 30))
        await self.note("bo", "on bo", NOW + timedelta(minutes=45))

    async def note(self, whom: str, body: str, at: Any) -> None:
        done = await self.desk.ask(NOTE, id=self.ids[whom], body=body, at=at.isoformat())
        assert done["annotate"]["errors"] == []

    async def of(self, whom: str, **asked: Any) -> list[Any]:
        found = await pages(self.desk, OF_ONE, ["person", "timeline"], id=self.ids[whom], **({"filter": KEPT} | asked))
        return [one for page in found for one in page]


@pytest.fixture
async def table(household: Household) -> Table:
    found = Table(household)
    await found.lay()
    return found


def told(items: list[Any]) -> list[str]:
    return [one.get("text") or one.get("body") or one["action"] for one in items]


async def test_notes_stand_between_messages_at_the_moments_they_tell_of_and_decisions_where_they_were_made(table: Table) -> None:
    ada = await table.of("ada")
    assert [one for one in told(ada) if one != "MERGED"] == [
        "ada 3", "note 2", "ada 2", "note 1", "ada 1", "note 0", "ada 0",
    ]  # fmt: skip
    (merge,) = [one for one in ada if one["__typename"] == "Merge"]
    assert "ada@example.org" in merge["sentence"]
    assert [one["occurredAt"] for one in ada] == sorted((one["occurredAt"] for one in ada), reverse=True)
    assert told(await table.of("bo")) == ["bo 0", "on bo"]


async def test_pages_of_any_size_hold_every_item_once(table: Table) -> None:
    whole = nodes((await table.desk.ask(EVERYBODY, first=50, filter=KEPT))["viewer"]["timeline"])
    assert len(whole) == 10
    for size in (1, 2, 3, 4):
        found = [
            one for page in await pages(table.desk, EVERYBODY, ["viewer", "timeline"], first=size, filter=KEPT) for one in page
        ]
        assert found == whole
        assert await table.of("ada", first=size) == await table.of("ada")
    counted = await table.desk.ask(EVERYBODY, first=1, filter=KEPT)
    assert counted["viewer"]["timeline"]["totalCount"] == 10
    assert (await table.desk.ask(OF_ONE, id=table.ids["ada"], filter=KEPT))["person"]["timeline"]["totalCount"] == 8


async def test_kinds_accounts_and_dates_narrow_a_timeline(table: Table) -> None:
    assert told(await table.of("ada", filter={"kinds": ["NOTE"]})) == ["note 2", "note 1", "note 0"]
    assert told(await table.of("ada", filter={"kinds": ["MERGE"]})) == ["MERGED"]
    assert {one["__typename"] for one in await table.of("ada", filter={"accountIds": [table.box], **KEPT})} == {"Message"}
    assert {one["__typename"] for one in await table.of("ada", filter={"providers": ["mbox"], **KEPT})} == {"Message"}
    until = {"from": (NOW + timedelta(minutes=90)).isoformat(), "filter": {"kinds": ["MESSAGE", "NOTE"]}}
    assert told(await table.of("ada", **until)) == ["note 1", "ada 1", "note 0", "ada 0"]
    assert told(await table.of("ada", first=1, **until)) == ["note 1", "ada 1", "note 0", "ada 0"]


async def test_joined_people_have_one_timeline_and_parted_each_their_own(table: Table) -> None:
    before = {whom: await table.of(whom) for whom in ("ada", "bo")}
    merge = "mutation($ids: [ID!]!) { mergePeople(input: { personIds: $ids }) { errors { message } merge { id } } }"
    done = (await table.desk.ask(merge, ids=[table.ids["ada"], table.ids["bo"]]))["mergePeople"]
    joined = told(await table.of("ada"))
    assert {"bo 0", "on bo", "ada 3", "note 2"} <= {*joined}
    assert joined.count("MERGED") == 2
    assert await table.of("bo") == await table.of("ada")  # the former id leads there
    back = "mutation($id: ID!) { unmerge(input: { mergeId: $id }) { errors { message } } }"
    assert (await table.desk.ask(back, id=done["merge"]["id"]))["unmerge"]["errors"] == []
    for whom, was in before.items():
        decided = {"MERGED", "UNMERGED"}
        after = await table.of(whom)
        assert [one for one in told(after) if one not in decided] == [one for one in told(was) if one not in decided]
        assert "UNMERGED" in told(after)


async def test_timelines_of_many_people_cost_the_statements_of_one(table: Table) -> None:
    query = f"query($first: Int) {{ viewer {{ people(first: $first) {{ edges {{ node {{ timeline(first: 3) {{ edges {ITEM} }} }} }} }} }} }}"
    counts = []
    for first in (1, 2):
        with statements() as seen:
            await table.desk.ask(query, first=first)
        counts.append(len(seen))
    assert counts[0] == counts[1], counts


async def test_notes_and_decisions_are_each_viewers_own(table: Table) -> None:
    other = Desk(await Household.open(table.household.database, "u_kim"))
    assert nodes((await other.ask(EVERYBODY, first=50, filter=KEPT))["viewer"]["timeline"]) == []
    assert await other.ask(OF_ONE, id=table.ids["ada"], filter=KEPT) == {"person": None}
