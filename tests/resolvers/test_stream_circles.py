"""Rules that name circles: who is of one now counts, live, in history and in a dry run, and no rule loses its circle unsaid."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from providers import records
from resolvers.streams import matching
from resolvers.streams.rules import parse
from resolvers.streams.tokens import Circles
from store import circles, leases, standings
from store.circles import Kept
from store.database import Database
from store.feed import DELIVERY_JOB, Recorder
from tests.asking import nodes, statements
from tests.household import Household, open_sqlite
from tests.naive_rules import meets
from tests.posts import DAY, actor, post
from tests.resolvers.test_streams import CHANGES, CREATE, PREVIEW, UPDATE, Bank, killed_and_gone_on_with, open_bank

ADA, BOB, CAI, DORA = (
    actor(f"{name.split()[0].lower()}@social.example", name) for name in ("Ada Ray", "Bob Low", "Cai Fen", "Dora Quay")
)
STATE: Final = """query($id: ID!) { node(id: $id) { ... on Stream { version rule
  namedCircles { written circleId problem circle { id name } } } } }"""
PEOPLE: Final = "{ viewer { people(first: 50) { edges { node { id name } } } } }"
MERGE: Final = "mutation($ids: [ID!]) { mergePeople(input: { personIds: $ids }) { merge { id } errors { code } } }"
UNMERGE: Final = "mutation($merge: ID) { unmerge(input: { mergeId: $merge }) { errors { code } } }"
FAMILY, MILL = "C_family", "C_mill"


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_sqlite(tmp_path) as database:
        yield await open_bank(await Household.open(database))


@pytest.fixture
async def either(household: Household) -> Bank:
    """A bank on SQLite and on PostgreSQL."""
    return await open_bank(household)


async def said(bank: Bank, who: records.Actor, *texts: str, first: int) -> None:
    await bank.desk.household.take(bank.account, *(post(first + n, text, by=who) for n, text in enumerate(texts)))


async def people(bank: Bank) -> dict[str, str]:
    return {one["name"]: one["id"] for one in nodes((await bank.desk.ask(PEOPLE))["viewer"]["people"])}


async def draw(bank: Bank, circle_id: str, name: str, *members: str, version: int = 1) -> None:
    """Have a circle of these people, as the job that finds circles writes it."""
    ids = await people(bank)

    def write(conn: Connection, viewer: str) -> None:
        standings.show(conn, viewer, 1, bank.desk.household.now)
        recorder = Recorder(bank.desk.household.now, origin="SYSTEM")
        circles.put(conn, viewer, Kept(circle_id, name, (), version, {ids[one]: 1.0 for one in members}), recorder)
        recorder.flush(conn, viewer)

    await bank.desk.household.database.write(bank.desk.household.viewer, write)


async def dissolve(bank: Bank, circle_id: str) -> None:
    def write(conn: Connection, viewer: str) -> None:
        recorder = Recorder(bank.desk.household.now, origin="SYSTEM")
        circles.drop(conn, viewer, circle_id, recorder)
        recorder.flush(conn, viewer)

    await bank.desk.household.database.write(bank.desk.household.viewer, write)


async def tried(bank: Bank, rule: str) -> list[str]:
    shown = (await bank.desk.ask(PREVIEW, text=rule, first=50))["streamRule"]
    assert shown["errors"] == []
    return [node["object"]["text"] for node in nodes(shown["matches"])]


async def wrong(bank: Bank, rule: str) -> tuple[int, int, str, list[str]]:
    (error,) = (await bank.desk.ask(PREVIEW, text=rule))["streamRule"]["errors"]
    assert error["code"] == "INVALID_RULE"
    return error["span"]["start"], error["span"]["end"], error["message"], error["expected"]


async def state(bank: Bank, stream_id: str) -> Any:
    return (await bank.desk.ask(STATE, id=stream_id))["node"]


async def a_family(bank: Bank) -> None:
    await said(bank, ADA, "heron 1", "boat 2", first=1)
    await said(bank, BOB, "heron 3", first=3)
    await said(bank, CAI, "heron 4", first=4)
    await draw(bank, FAMILY, "Família Ray", "Ada Ray", "Bob Low")


async def test_a_circle_is_named_by_name_or_id_and_met_by_what_its_people_do_now_and_later(bank: Bank) -> None:
    await a_family(bank)
    by_name = await bank.stream('heron in-circle:"familia RAY"')
    by_id = await bank.stream(f"in-circle:{FAMILY} heron", "by id")
    others = await bank.stream('heron -in-circle:"Família Ray"', "others")
    await bank.match()
    assert await bank.met(by_name) == await bank.met(by_id) == ["heron 3", "heron 1"]
    assert await bank.met(others) == ["heron 4"]
    assert await tried(bank, f"heron in-circle:{FAMILY}") == ["heron 3", "heron 1"]
    await said(bank, CAI, "heron 5", first=5)
    await said(bank, ADA, "heron 6", "boat 7", first=6)
    await bank.match()
    assert await bank.met(by_name) == await bank.met(by_id) == ["heron 6", "heron 3", "heron 1"]
    assert await bank.met(others) == ["heron 5", "heron 4"]
    (named,) = (await state(bank, by_name))["namedCircles"]
    circle = {"id": FAMILY, "name": "Família Ray"}
    assert named == {"written": "familia RAY", "circleId": FAMILY, "problem": None, "circle": circle}


async def test_who_comes_into_a_circle_or_leaves_it_brings_or_takes_what_they_said_and_readers_are_told(either: Bank) -> None:
    await a_family(either)
    stream_id = await either.stream('heron in-circle:"Família Ray"')
    await either.match()
    hook = 'mutation($id: ID!) { createWebhook(input: { targetUrl: "https://example.org/hook", streamId: $id }) { errors { code } } }'
    assert (await either.desk.ask(hook, id=stream_id))["createWebhook"]["errors"] == []
    household = either.desk.household
    for job in await household.database.system(leases.claim, "w", household.now + DAY, kinds=(DELIVERY_JOB,)):
        await household.database.system(leases.finish, job.id, "w", household.now + DAY)
    assert await household.database.read(household.viewer, leases.pending, DELIVERY_JOB) is None
    since = (await either.desk.ask("query($id: ID!) { node(id: $id) { ... on Stream { matchedTo } } }", id=stream_id))["node"][
        "matchedTo"
    ]
    await draw(either, FAMILY, "Família Ray", "Ada Ray", "Cai Fen", version=2)
    await either.match()
    assert await either.met(stream_id) == ["heron 4", "heron 1"]
    assert await household.database.read(household.viewer, leases.pending, DELIVERY_JOB) is not None
    told = nodes((await either.desk.ask(CHANGES, id=stream_id, since=since))["viewer"]["changes"])
    assert {one["node"]["object"]["text"]: one["node"]["streams"] for one in told if one["__typename"] == "NodeUpserted"} == {
        "heron 3": [],
        "heron 4": [{"name": "Birds"}],
    }
    assert await tried(either, "heron in-circle:Família-Ray") == ["heron 4", "heron 1"]


async def test_a_rule_means_the_circle_that_it_was_saved_with_whatever_that_is_called_later(bank: Bank) -> None:
    await a_family(bank)
    stream_id = await bank.stream('heron in-circle:"Família Ray"')
    await bank.match()
    await draw(bank, FAMILY, "Climbing", "Ada Ray", "Bob Low", version=2)
    await draw(bank, MILL, "Familia Ray", "Cai Fen")
    await bank.match()
    assert await bank.met(stream_id) == ["heron 3", "heron 1"]
    shown = await state(bank, stream_id)
    assert shown["namedCircles"][0]["circle"] == {"id": FAMILY, "name": "Climbing"}
    await bank.desk.ask(UPDATE, input={"streamId": stream_id, "rule": shown["rule"]})  # once more as it is
    await bank.match()
    assert await bank.met(stream_id) == ["heron 3", "heron 1"]
    await bank.desk.ask(UPDATE, input={"streamId": stream_id, "rule": shown["rule"] + " -boat"})  # and as a new one
    await bank.match()
    assert await bank.met(stream_id) == ["heron 4"]


async def test_a_circle_that_is_dissolved_ends_its_matches_and_the_stream_says_so(bank: Bank) -> None:
    await a_family(bank)
    stream_id = await bank.stream('heron in-circle:"Família Ray"')
    await bank.match()
    before = (await state(bank, stream_id))["version"]
    await dissolve(bank, FAMILY)
    await bank.match()
    shown = await state(bank, stream_id)
    assert await bank.met(stream_id) == []
    assert shown["version"] > before
    assert shown["namedCircles"][0]["circle"] is None
    assert "no such circle any more" in shown["namedCircles"][0]["problem"]
    (error,) = (await bank.desk.ask(UPDATE, input={"streamId": stream_id, "rule": shown["rule"]}))["updateStream"]["errors"]
    assert error["code"] == "INVALID_RULE"
    await draw(bank, FAMILY, "Família Ray", "Ada Ray", "Bob Low")
    await bank.match()
    assert await bank.met(stream_id) == ["heron 3", "heron 1"]
    assert (await state(bank, stream_id))["namedCircles"][0]["problem"] is None


async def test_people_who_are_joined_are_of_the_circle_together_and_parted_again_only_who_was(either: Bank) -> None:
    await a_family(either)
    await said(either, DORA, "heron 8", first=8)
    stream_id = await either.stream('heron in-circle:"Família Ray"')
    await either.match()
    ids = await people(either)
    done = (await either.desk.ask(MERGE, ids=[ids["Ada Ray"], ids["Dora Quay"]]))["mergePeople"]
    assert done["errors"] == []
    await either.match()
    assert await either.met(stream_id) == ["heron 8", "heron 3", "heron 1"]
    assert await tried(either, 'heron in-circle:"Família Ray"') == ["heron 8", "heron 3", "heron 1"]
    assert (await either.desk.ask(UNMERGE, merge=done["merge"]["id"]))["unmerge"]["errors"] == []
    await either.match()
    assert await either.met(stream_id) == ["heron 3", "heron 1"]


async def test_while_circles_are_drawn_anew_those_of_before_count_and_none_can_be_named(bank: Bank) -> None:
    await a_family(bank)
    stream_id = await bank.stream('heron in-circle:"Família Ray"')
    await bank.match()
    household = bank.desk.household
    await household.database.write(household.viewer, standings.forget_all)
    await said(bank, BOB, "heron 9", first=9)
    await bank.match()
    assert await bank.met(stream_id) == ["heron 9", "heron 3", "heron 1"]
    assert "drawn anew" in (await state(bank, stream_id))["namedCircles"][0]["problem"]
    assert "drawn anew" in (await wrong(bank, 'heron in-circle:"Família Ray"'))[2]
    await draw(bank, FAMILY, "Família Ray", "Bob Low", version=2)
    await bank.match()
    assert await bank.met(stream_id) == ["heron 9", "heron 3"]


async def test_a_circle_that_there_is_not_is_a_mistake_with_its_place_and_what_may_be_meant(bank: Bank) -> None:
    start, end, message, expected = await wrong(bank, "heron in-circle:family")
    assert (start, end, expected) == (6, 22, [])
    assert "There are none yet" in message
    await a_family(bank)
    await draw(bank, MILL, "Mill & Sons", "Cai Fen")
    assert await wrong(bank, '🐦b in-circle:"Mil & Son"') == (
        4, 25, "You have no circle called Mil & Son. Did you mean Mill & Sons?", ["Família Ray", "Mill & Sons"],
    )  # fmt: skip
    await draw(bank, "C_other", "Mill, Sons", "Ada Ray")
    *_, message, expected = await wrong(bank, 'in-circle:"mill sons"')
    assert "Several of your circles" in message
    assert expected == ["in-circle:C_mill", "in-circle:C_other"]
    assert await tried(bank, "boat in-circle:C_other") == ["boat 2"]


async def test_nobody_can_name_or_probe_the_circles_of_somebody_else(database: Database) -> None:
    mine = await open_bank(await Household.open(database, "u_robin"))
    theirs = await open_bank(await Household.open(database, "u_wren"))
    await a_family(mine)
    stream_id = await mine.stream('heron in-circle:"Família Ray"')
    await mine.match()
    await said(theirs, ADA, "their heron", first=1)
    unknown = await wrong(theirs, "in-circle:C_nobody")
    for rule in (f"in-circle:{FAMILY}", 'in-circle:"Família Ray"'):
        *_, message, expected = await wrong(theirs, rule)
        assert message.partition(".")[2] == unknown[2].partition(".")[2]
        assert expected == []
    await draw(theirs, FAMILY, "Theirs", "Ada Ray")  # an id is nobody's alone
    other = await theirs.stream(f"in-circle:{FAMILY}")
    await theirs.match()
    assert await theirs.met(other) == ["their heron"]
    assert await mine.met(stream_id) == ["heron 3", "heron 1"]
    assert (await theirs.desk.ask(STATE, id=stream_id))["node"] is None


@pytest.mark.parametrize("after", [1, 3])
async def test_a_job_that_is_killed_while_it_asks_again_is_gone_on_with(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(matching, "AGAIN", 2)
    await a_family(bank)
    await said(bank, CAI, *(f"heron {n}" for n in range(10, 15)), first=10)
    stream_id = await bank.stream(f"heron in-circle:{FAMILY}")
    await bank.match()
    await draw(bank, FAMILY, "Família Ray", "Cai Fen", version=2)
    await killed_and_gone_on_with(bank, monkeypatch, after)
    assert await bank.met(stream_id) == [*(f"heron {n}" for n in reversed(range(10, 15))), "heron 4"]


async def test_live_history_and_a_dry_run_say_what_a_naive_reading_says_whatever_becomes_of_circles(
    either: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = either
    monkeypatch.setattr(matching, "PAGE", 7)
    monkeypatch.setattr(matching, "AGAIN", 3)
    monkeypatch.setattr(matching, "MATCHES_AT_ONCE", 4)
    dice = random.Random(1)
    everybody = (ADA, BOB, CAI, DORA)
    posts: list[records.Activity] = []
    members: dict[str, set[str]] = {FAMILY: {"Ada Ray", "Bob Low"}, MILL: {"Cai Fen"}}

    async def say(count: int) -> None:
        new = [
            post(len(posts) + n, f"{dice.choice(('heron', 'boat'))} {len(posts) + n}", by=dice.choice(everybody))
            for n in range(count)
        ]
        posts.extend(new)
        await bank.desk.household.take(bank.account, *new)

    for n, one in enumerate(everybody):
        posts.append(post(n, f"heron {n}", by=one))
    await bank.desk.household.take(bank.account, *posts)
    for circle_id, names in members.items():
        await draw(bank, circle_id, circle_id, *names)
    rules = [
        f"in-circle:{FAMILY}", f"heron in-circle:{MILL}", f"heron -in-circle:{FAMILY}", f"boat (in-circle:{FAMILY} OR in-circle:{MILL})",
        f"heron -(in-circle:{FAMILY} -in-circle:{MILL})",
    ]  # fmt: skip
    live = {rule: await bank.stream(rule, f"live {rule}") for rule in rules}
    for turn in range(4):
        await say(dice.randrange(1, 8))
        for circle_id in members:
            if dice.random() < 0.6:
                members[circle_id] = {one.name or "" for one in dice.sample(everybody, dice.randrange(1, 4))}
                await draw(bank, circle_id, f"{circle_id} {turn}", *members[circle_id], version=turn + 2)
        if dice.random() < 0.8:
            await bank.match()
    await bank.match()
    later = {rule: await bank.stream(rule, f"later {rule}") for rule in rules}
    await bank.match()
    for rule in rules:
        wanted = naive(rule, posts, members)
        assert await bank.met(live[rule]) == wanted, rule
        assert await bank.met(later[rule]) == wanted, rule
        assert await tried(bank, rule) == wanted, rule


def naive(rule: str, posts: list[records.Activity], members: Mapping[str, set[str]]) -> list[str]:
    node = parse(rule, circles=Circles(names={one: one for one in members}, bound={}))
    found = []
    for one in reversed(posts):
        mine = [circle_id for circle_id, names in members.items() if one.actor.name in names]
        if one.object is not None and meets(node, one, "mastodon", mine):
            found.append(one.object.text or "")
    return found


async def test_what_arrives_costs_the_same_statements_whoever_is_of_the_circle_and_however_many_rules_name_it(bank: Bank) -> None:
    async def asked(first: int) -> int:
        await said(bank, ADA, "heron", first=first)
        with statements() as sent:
            await bank.match()
        return len(sent)

    await a_family(bank)
    await bank.stream(f"heron in-circle:{FAMILY}")
    await bank.match()
    few = await asked(100)
    crowd = [actor(f"p{n}@social.example", f"Person {n}") for n in range(30)]
    await bank.desk.household.take(bank.account, *(post(200 + n, "boat", by=one) for n, one in enumerate(crowd)))
    for n in range(10):
        await bank.stream(f"(boat OR stork{n}) in-circle:{FAMILY}", f"{n}")
    await draw(bank, FAMILY, "Família Ray", "Ada Ray", *(one.name or "" for one in crowd), version=2)
    await bank.match()
    assert await asked(300) == few


async def test_a_stream_that_names_no_circle_is_not_bound_to_one(bank: Bank) -> None:
    done = (await bank.desk.ask(CREATE, input={"name": "x", "rule": '"in-circle" heron'}))["createStream"]
    assert done["errors"] == []
    assert (await state(bank, done["stream"]["id"]))["namedCircles"] == []
