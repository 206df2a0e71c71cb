"""Ids of people are handed out for ever: whatever becomes of records, each leads to whoever carries what it stood for, or to nobody."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from providers import records
from store import ids
from store.database import Database
from tests.asking import nodes
from tests.household import card
from tests.worlds import MERGE, UNMERGE, WORDS, Step, World, keys

MINE: Final = ("note", "note", "through", "through", "through", "clear")
STEPS = st.lists(st.tuples(st.sampled_from(WORDS + MINE), st.integers(0, 63), st.integers(0, 255)), min_size=6, max_size=14)
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

WHOSE = """{ viewer { people(first: 200, filter: { natures: null }) { edges { node { id formerIds notes { body }
  contacts { edges { node { id } } } } } } } }"""
NOTE = """mutation($about: ID!, $body: String!) { annotate(input: { aboutId: $about, add: { note: { body: $body } } }) {
  about { ... on Person { id } } errors { code } } }"""
CHOOSE = """mutation($person: ID!, $contact: ID!) { choosePreferred(input: { personId: $person, field: NAME, contactId: $contact }) {
  person { id name } errors { code } } }"""
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Person { name notes { body } } } }"


class Followed(World):
    """A world in which every id that was ever handed out is followed, with the records of its person and what was noted under it."""

    def __init__(self, *opened: Any) -> None:
        super().__init__(*opened)
        self.carried: dict[str, frozenset[str]] = {}  # the records of the person that an id leads to
        self.ever: dict[str, set[str]] = {}
        self.noted: dict[str, str] = {}  # body → the id under which it was written

    async def step(self, word: str, a: int, b: int) -> None:
        match word:
            case "note":
                if people := await self.people():
                    body = f"noted {len(self.noted)}"
                    done = await self.must(NOTE, about=people[a % len(people)]["id"], body=body)
                    self.noted[body] = done["about"]["id"]
            case "through":
                await self.through(a, b)
            case "clear":  # all records of somebody at once
                if people := await self.people():
                    await self.lose(*(c["id"] for c in nodes(people[a % len(people)]["contacts"])))
            case _:
                await super().step(word, a, b)
        await self.look()

    async def lose(self, *contact_ids: str) -> None:
        for which, account in sorted(self.accounts.items()):
            known = await keys(self.household, account)
            gone = [records.Gone(kind="CONTACT", key=known[c]) for c in contact_ids if c in known]
            await self.household.take(await self.account(which), *gone)

    async def through(self, a: int, b: int) -> None:
        """Two people are joined, some of their records go, and the join is taken back: no id changes sides."""
        await self.household.resolve()
        people = await self.people()
        if len(people) < 2:
            return
        two = [people[a % len(people)], people[(a + 1 + b % (len(people) - 1)) % len(people)]]
        sides = tuple(tuple(sorted(c["id"] for c in nodes(p["contacts"]))) for p in two)
        stood_for = {i: set(side) for p, side in zip(two, sides, strict=True) for i in (p["id"], *p["formerIds"])}
        await self.merge([p["id"] for p in two], sides)
        await self.look()
        await self.lose(*(c for n, c in enumerate(sum(sides, ())) if (a * 64 + b) >> n & 1 and n < 5))
        if b & 1:
            await self.household.resolve()
        await self.look()
        await self.take_back(len(self.said) - 1)
        await self.household.resolve()
        holds = await self.look()
        there = {c for held in holds.values() for c in held}
        for person_id, side in stood_for.items():
            if left := side & there:
                assert holds.get(person_id, frozenset()) & left, "an id stayed with people that were parted from its own"

    async def look(self) -> dict[str, frozenset[str]]:
        """Hold every id against what it led to before; returns the records that each leads to now."""
        people = nodes((await self.desk.ask(WHOSE))["viewer"]["people"])
        mine = {p["id"]: frozenset(c["id"] for c in nodes(p["contacts"])) for p in people}
        there = frozenset(c for held in mine.values() for c in held)
        leads = {i: p["id"] for p in people for i in (p["id"], *p["formerIds"])}
        own = {ids.derive("PERSON", c): c for c in there}
        assert own.keys() <= leads.keys(), "the id of a record that is there leads nowhere"
        for person_id in sorted({*self.carried, *leads}):
            held = mine.get(leads.get(person_id, ""), frozenset())
            still = self.carried.get(person_id, frozenset()) & there
            if person_id in own:
                assert own[person_id] in held, "the id of a record leads to somebody else"
            elif still:
                assert held & still, "an id leads to others than those who carry what its person carried"
            elif held:
                assert held & self.ever[person_id], "an id leads to a stranger"
            self.carried[person_id] = held
            self.ever.setdefault(person_id, set()).update(held)
        for p in people:
            wanted = {body for body, about in self.noted.items() if leads.get(about) == p["id"]}
            assert {n["body"] for n in p["notes"]} == wanted, "a note is shown of somebody else than its id leads to"
        return {person_id: held for person_id, held in self.carried.items() if held}

    async def check(self) -> None:
        await super().check()
        asked = sorted(self.carried)[:100]
        answered = (await self.desk.ask(NODES, ids=asked))["nodes"]
        assert [n is not None for n in answered] == [bool(self.carried[i]) for i in asked], (
            "what is gone is null, and nothing else"
        )


@settings(max_examples=8, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), suppress_health_check=CHECKS)
@given(STEPS)
@example(
    [
        ("put", 0, 8),
        ("put", 2, 8),
        ("resolve", 0, 0),
        ("put", 4, 16),
        ("note", 0, 0),
        ("note", 1, 0),
        ("through", 1, 1),
        ("through", 0, 3),
    ]
)
async def test_every_id_leads_to_who_carries_what_it_stood_for_whatever_happens(database: Database, steps: list[Step]) -> None:
    world = await Followed.open(database)
    assert isinstance(world, Followed)
    await world.live(steps)
    await world.look()
    await world.check()


async def shared(database: Database) -> tuple[Followed, dict[str, str]]:
    """Ada with two cards that share an address, and Bob, whose card is older than both; the person ids of their cards by key."""
    world = await Followed.open(database)
    assert isinstance(world, Followed)
    book = await world.account(0)
    await world.household.take(book, card("bob", "Bob Ray", "bob@example.org"))
    await world.household.take(book, card("ada", "Ada Byron", "ada@example.org"))
    await world.household.take(book, card("work", "Ada Byron", "ada@example.org", "ada@work.example"))
    await world.household.resolve()
    return world, {key: ids.derive("PERSON", c) for c, key in (await keys(world.household, book)).items()}


async def names(world: World, *person_ids: str) -> list[str | None]:
    found = (await world.desk.ask(NODES, ids=list(person_ids)))["nodes"]
    return [None if n is None else n["name"] for n in found]


async def test_an_id_whose_record_goes_while_its_person_is_joined_by_mistake_comes_out_with_its_own(database: Database) -> None:
    world, of = await shared(database)
    book = await world.account(0)
    await world.must(NOTE, about=of["ada"], body="Likes herons")
    contact_id = next(c for c, key in (await keys(world.household, book)).items() if key == "ada")
    await world.must(CHOOSE, person=of["ada"], contact=contact_id)
    merge = (await world.must(MERGE, ids=[of["bob"], of["ada"]]))["merge"]["id"]
    await world.household.take(book, records.Gone(kind="CONTACT", key="ada"))
    await world.household.resolve()
    assert await names(world, of["ada"], of["work"], of["bob"]) == ["Ada Byron", "Ada Byron", "Ada Byron"]  # chosen for them all
    await world.must(UNMERGE, merge=merge)
    assert await names(world, of["ada"], of["work"], of["bob"]) == ["Ada Byron", "Ada Byron", "Bob Ray"]
    noted = (await world.desk.ask(NODES, ids=[of["bob"], of["work"]]))["nodes"]
    assert [n["notes"] for n in noted] == [[], [{"body": "Likes herons"}]]


async def test_an_id_comes_out_with_its_own_when_what_joined_them_shows_itself_as_shared(database: Database) -> None:
    world, of = await shared(database)
    book = await world.account(0)
    await world.household.take(book, card("bob", "Byron", "bob@example.org", "ada@example.org"))
    await world.household.resolve()
    assert (await world.desk.ask(NODES, ids=[of["ada"]]))["nodes"][0]["id"] == of["bob"]  # joined by the address
    await world.household.take(book, records.Gone(kind="CONTACT", key="ada"))
    await world.household.resolve()
    await world.household.take(book, card("bob", "Bob Ray", "bob@example.org"))
    await world.household.resolve()
    assert await names(world, of["ada"], of["work"], of["bob"]) == ["Ada Byron", "Ada Byron", "Bob Ray"]


async def test_an_account_that_is_linked_again_brings_back_what_its_ids_led_to(database: Database) -> None:
    world, of = await shared(database)
    book = await world.account(0)
    await world.must(NOTE, about=of["ada"], body="Likes herons")
    await world.household.take(book, records.Gone(kind="CONTACT", key="ada"))
    await world.household.resolve()
    await world.step("forget", 0, 0)
    assert await names(world, *of.values()) == [None, None, None]
    done = (await world.desk.ask(NOTE, about=of["ada"], body="Is gone"))["annotate"]
    assert [e["code"] for e in done["errors"]] == ["NOT_FOUND"]
    head = await world.household.head()
    await world.household.take(await world.account(0), card("work", "Ada Byron", "ada@work.example"))
    (found,) = (await world.desk.ask(NODES, ids=[of["ada"]]))["nodes"]
    assert found == {"id": of["work"], "name": "Ada Byron", "notes": [{"body": "Likes herons"}]}
    told = [(c.op, c.node_id, c.names) for c in await world.household.changes(head) if c.kind == "PERSON"]
    assert told == [("MERGE", of["work"], (of["ada"],)), ("UPSERT", of["work"], ())]
    await world.household.take(await world.account(0), card("ada", "Ada King", "ada@king.example"))
    assert await names(world, of["ada"], of["work"]) == ["Ada King", "Ada Byron"]
    told = [(c.op, c.node_id, c.names) for c in await world.household.changes(head) if c.kind == "PERSON"]
    assert told[2:] == [("SPLIT", of["work"], (of["work"], of["ada"])), ("UPSERT", of["work"], ()), ("UPSERT", of["ada"], ())]
