"""Streams as front-ends use them: saved rules, what met them live and in history, the feed of one, and a dry run; on both databases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from providers import records
from resolvers.streams import matching
from resolvers.streams.matching import Matching
from resolvers.streams.rules import parse
from store import feed, leases, streams
from store.database import Database
from store.feed import STREAM_JOB
from store.tables import stream_match
from tests.asking import Clock, Desk, nodes, pages, statements
from tests.household import NOW, Household, open_sqlite
from tests.naive_rules import meets
from tests.posts import DAY, actor, post

CREATE = """mutation($input: CreateStreamInput!) { createStream(input: $input) { feedCursor
  stream { id version name rule enabled matchCount replay { done total finishedAt } matchedTo createdAt }
  errors { __typename code message field ... on StreamRuleError { span { start end line column } expected } } } }"""
UPDATE = """mutation($input: UpdateStreamInput!) { updateStream(input: $input) {
  stream { id version rule enabled replay { done finishedAt } } errors { code field message } } }"""
DELETE = "mutation($id: ID!) { deleteStream(input: { streamId: $id }) { streamId errors { code field } } }"
LIST = """{ viewer { streams { id name matchCount matchedTo replay { done total finishedAt }
  activities(first: 50) { totalCount complete edges { node { id object { text } streams { name } } } } } } }"""
OF_STREAM = """query($id: ID!, $first: Int = 50, $after: Cursor, $from: DateTime) { node(id: $id) { ... on Stream {
  activities(first: $first, after: $after, from: $from) { complete pageInfo { hasNextPage endCursor }
    edges { cursor node { id object { text } } } } } } }"""
FILTERED = """query($id: ID!) { viewer { activities(filter: { streamId: $id }) { edges { node { object { text } } } } } }"""
CHANGES = """query($since: Cursor, $id: ID!) { viewer { changes(since: $since, filter: { streamId: $id }, coalesce: false) { upToDate
  edges { node { __typename cursor ... on NodeUpserted { nodeId node { ... on Activity { object { text } streams { name } } } }
    ... on NodeDeleted { nodeId } } } } } }"""
PREVIEW = """query($text: String!, $first: Int = 20, $after: Cursor, $from: DateTime) { streamRule(text: $text) { valid canonical
  errors { code message field span { start end line column } expected }
  matches(first: $first, after: $after, from: $from) { lookedAt reached pageInfo { hasNextPage endCursor }
    edges { cursor node { object { text } } highlights { field text spans { start end } } } } } }"""
FOLLOW = "subscription($id: ID!) { activities(filter: { streamId: $id }) { object { text } } }"


@dataclass
class Bank:
    """A viewer's desk with the job that matches, and an account whose posts are taken in."""

    desk: Desk
    account: str
    matching: Matching

    async def said(self, *texts: str, first: int = 0) -> None:
        await self.desk.household.take(self.account, *(post(first + n, text) for n, text in enumerate(texts)))

    async def match(self) -> None:
        while await self.matching.run(self.desk.household.viewer) is not None:
            pass

    async def stream(self, rule: str, name: str = "Birds") -> str:
        done = (await self.desk.ask(CREATE, input={"name": name, "rule": rule}))["createStream"]
        assert done["errors"] == []
        return str(done["stream"]["id"])

    async def met(self, stream_id: str) -> list[str]:
        shown = (await self.desk.ask(OF_STREAM, id=stream_id))["node"]["activities"]
        return [node["object"]["text"] for node in nodes(shown)]


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_sqlite(tmp_path) as database:
        yield await open_bank(await Household.open(database))


@pytest.fixture
async def either(household: Household) -> Bank:
    """A bank on SQLite and on PostgreSQL: for what asks more of a database than a list by its key."""
    return await open_bank(household)


async def open_bank(household: Household) -> Bank:
    desk = Desk(household)
    return Bank(desk, await household.account("mastodon"), Matching(household.database, desk.clock))


async def killed_and_gone_on_with(bank: Bank, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The job that matches dies where it would write for the so-manieth time; another one takes it up."""
    database, left = bank.desk.household.database, after
    write = database.write_behind

    async def until_killed(viewer: str, f: Callable[..., Any], *args: Any, **more: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Cut
        left -= 1
        return await write(viewer, f, *args, **more)

    monkeypatch.setattr(database, "write_behind", until_killed)
    with pytest.raises(Cut):
        await bank.match()
    monkeypatch.setattr(database, "write_behind", write)
    bank.matching = Matching(database, bank.desk.clock)
    await bank.match()


async def test_a_rule_is_asked_of_what_is_stored_and_then_of_what_arrives(bank: Bank) -> None:
    await bank.said("A heron at dawn", "A boat", "Two herons, one heron")
    done = (await bank.desk.ask(CREATE, input={"name": " Birds ", "rule": "heron  -cat"}))["createStream"]
    made = done["stream"]
    assert (made["name"], made["rule"], made["enabled"], made["matchCount"]) == ("Birds", "heron  -cat", True, None)
    assert made["replay"] == {"done": 0, "total": 3, "finishedAt": None}
    await bank.match()
    assert await bank.met(made["id"]) == ["Two herons, one heron", "A heron at dawn"]
    await bank.said("Heron again", "The cat and the heron", first=3)
    await bank.match()
    (shown,) = (await bank.desk.ask(LIST))["viewer"]["streams"]
    assert (shown["matchCount"], shown["activities"]["totalCount"], shown["replay"]["done"]) == (0, 3, 3)  # none of today
    (latest, *_) = nodes(shown["activities"])
    assert (latest["object"]["text"], latest["streams"]) == ("Heron again", [{"name": "Birds"}])
    filtered = nodes((await bank.desk.ask(FILTERED, id=made["id"]))["viewer"]["activities"])
    assert [n["object"]["text"] for n in filtered] == ["Heron again", "Two herons, one heron", "A heron at dawn"]


async def test_the_last_day_is_counted(bank: Bank) -> None:
    bank.desk.clock.time = NOW
    stream_id = await bank.stream("heron OR boat")
    await bank.desk.household.take(bank.account, post(1, "heron"), post(-5, "boat"), post(2, "cat"))
    await bank.match()
    assert (await bank.desk.ask(LIST))["viewer"]["streams"][0]["matchCount"] == 1
    assert len(await bank.met(stream_id)) == 2


async def test_an_edit_ends_a_match_and_begins_another_and_a_deletion_takes_it_away(either: Bank) -> None:
    stream_id = await either.stream("heron")
    await either.said("A heron", "A boat", "One more heron")
    await either.match()
    edited = timedelta(minutes=1)
    await either.desk.household.take(
        either.account, post(0, "A stork", edited_at=NOW + edited), post(1, "A boat and a heron", edited_at=NOW + edited),
        records.Gone(kind="ACTIVITY", key=post(2).key),
    )  # fmt: skip
    await either.match()
    assert await either.met(stream_id) == ["A boat and a heron"]


async def test_a_list_of_a_stream_is_paged_and_begins_where_it_is_told(either: Bank) -> None:
    stream_id = await either.stream("number")
    await either.said(*(f"Number {n}" for n in range(7)))
    await either.match()
    found = [node for page in await pages(either.desk, OF_STREAM, ["node", "activities"], id=stream_id, first=3) for node in page]
    assert [node["object"]["text"] for node in found] == [f"Number {n}" for n in reversed(range(7))]
    start = (NOW - DAY + timedelta(minutes=2)).isoformat()
    shown = (await either.desk.ask(OF_STREAM, **{"id": stream_id, "from": start}))["node"]["activities"]
    assert [node["object"]["text"] for node in nodes(shown)] == ["Number 2", "Number 1", "Number 0"]


async def test_what_is_gone_is_remembered_as_long_as_the_feed_tells_of_it(bank: Bank) -> None:
    await bank.stream("heron")
    await bank.said("A heron", "Another heron")
    await bank.match()
    await bank.desk.household.take(bank.account, records.Gone(kind="ACTIVITY", key=post(0).key))
    await bank.match()
    household = bank.desk.household
    await household.database.write(household.viewer, streams.forget_ended, NOW - 2 * DAY)
    assert await rows(bank) == 2
    await household.database.write(household.viewer, streams.forget_ended, NOW)
    assert await rows(bank) == 1


async def test_another_rule_begins_from_nothing_and_one_that_was_off_misses_nothing(either: Bank) -> None:
    stream_id = await either.stream("heron")
    await either.said("A heron", "A boat")
    await either.match()
    changed = (await either.desk.ask(UPDATE, input={"streamId": stream_id, "rule": "boat"}))["updateStream"]["stream"]
    assert (changed["version"], changed["replay"]) == (3, {"done": 0, "finishedAt": None})
    assert await either.met(stream_id) == []
    await either.match()
    assert await either.met(stream_id) == ["A boat"]
    await either.desk.ask(UPDATE, input={"streamId": stream_id, "enabled": False, "name": "Off"})
    await either.said("Another boat", first=2)
    await either.match()
    assert await either.met(stream_id) == ["A boat"]
    await either.desk.ask(UPDATE, input={"streamId": stream_id, "enabled": True})
    await either.match()
    assert await either.met(stream_id) == ["Another boat", "A boat"]
    assert await rows(either) == 2  # what met the rules before is erased


async def test_deleting_a_stream_erases_what_met_it(bank: Bank) -> None:
    stream_id = await bank.stream("heron")
    await bank.said("A heron")
    await bank.match()
    assert (await bank.desk.ask(DELETE, id=stream_id))["deleteStream"] == {"streamId": stream_id, "errors": []}
    assert (await bank.desk.ask(DELETE, id=stream_id))["deleteStream"]["errors"] == [{"code": "NOT_FOUND", "field": ["streamId"]}]
    await bank.match()
    assert (await bank.desk.ask("{ viewer { streams { id } } }"))["viewer"]["streams"] == []
    assert await rows(bank) == 0
    refused = await bank.desk.execute(CHANGES, id=stream_id)
    assert refused.errors[0].extensions == {"code": "UNKNOWN_NODE"}


async def rows(bank: Bank) -> int:
    def read(conn: Connection, viewer: str) -> int:
        return len(conn.execute(select(stream_match.c.stream_id).where(stream_match.c.viewer_id == viewer)).all())

    household = bank.desk.household
    return await household.database.read(household.viewer, read)


async def test_mistakes_in_a_rule_come_back_with_their_places_and_nothing_is_saved(bank: Bank) -> None:
    done = (await bank.desk.ask(CREATE, input={"name": "x", "rule": '🐦 a\n form:ada "b'}))["createStream"]
    assert (done["stream"], done["feedCursor"]) == (None, None)
    # offsets as editors count: the bird is two units
    assert [(e["__typename"], e["code"], e["field"], e["span"]) for e in done["errors"]] == [
        ("StreamRuleError", "INVALID_RULE", ["rule"], {"start": 0, "end": 2, "line": 1, "column": 1}),
        ("StreamRuleError", "INVALID_RULE", ["rule"], {"start": 6, "end": 11, "line": 2, "column": 2}),
        ("StreamRuleError", "INVALID_RULE", ["rule"], {"start": 15, "end": 17, "line": 2, "column": 11}),
    ]
    assert done["errors"][1]["expected"][0] == "from:"
    for wanted, code in (({"name": " ", "rule": "a"}, "REQUIRED"), ({"name": "n" * 201, "rule": "a"}, "TOO_LONG")):
        (error,) = (await bank.desk.ask(CREATE, input=wanted))["createStream"]["errors"]
        assert (error["code"], error["field"]) == (code, ["name"])
    stream_id = await bank.stream("heron")
    (error,) = (await bank.desk.ask(UPDATE, input={"streamId": stream_id, "rule": "-a"}))["updateStream"]["errors"]
    assert (error["code"], error["field"]) == ("INVALID_RULE", ["rule"])
    (error,) = (await bank.desk.ask(UPDATE, input={"streamId": bank.account, "name": "x"}))["updateStream"]["errors"]
    assert error["code"] == "WRONG_KIND"


async def test_the_same_key_saves_a_rule_once_and_there_are_at_most_so_many(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"name": "Birds", "rule": "heron", "idempotencyKey": "k-1"}
    made = [(await bank.desk.ask(CREATE, input=wanted))["createStream"]["stream"]["id"] for _ in range(2)]
    assert made == [one["id"] for one in (await bank.desk.ask("{ viewer { streams { id } } }"))["viewer"]["streams"]] * 2
    monkeypatch.setattr("resolvers.streams.writing.MAX_STREAMS", 1)
    (error,) = (await bank.desk.ask(CREATE, input={"name": "x", "rule": "a"}))["createStream"]["errors"]
    assert error["code"] == "LIMIT_REACHED"


async def test_a_dry_run_shows_what_would_have_met_a_rule_with_the_words_marked(bank: Bank) -> None:
    await bank.said("A grey heron, early", "A boat", "Ada's heron", "Nothing")
    tried = (await bank.desk.ask(PREVIEW, text='heron OR from:nobody OR "grey heron"'))["streamRule"]
    assert (tried["valid"], tried["errors"]) == (True, [])
    shown = tried["matches"]
    assert (shown["lookedAt"], shown["pageInfo"]["hasNextPage"]) == (4, False)
    assert [n["object"]["text"] for n in nodes(shown)] == ["Ada's heron", "A grey heron, early"]
    (mark,) = shown["edges"][1]["highlights"]
    assert (mark["field"], mark["text"], mark["spans"]) == ("object.text", "A grey heron, early", [{"start": 2, "end": 12}])
    by_name = (await bank.desk.ask(PREVIEW, text="from:ada -boat", first=1))["streamRule"]["matches"]
    assert by_name["edges"][0]["highlights"][0]["field"] == "actor.name"
    rest = (await bank.desk.ask(PREVIEW, text="from:ada -boat", after=by_name["pageInfo"]["endCursor"]))["streamRule"]["matches"]
    assert [n["object"]["text"] for n in [*nodes(by_name), *nodes(rest)]] == ["Nothing", "Ada's heron", "A grey heron, early"]
    wrong = (await bank.desk.ask(PREVIEW, text="on:mastodon -"))["streamRule"]
    assert (wrong["valid"], wrong["canonical"], wrong["matches"]) == (False, None, None)
    assert wrong["errors"][0]["field"] == ["text"]


async def test_a_dry_run_stops_when_it_has_looked_at_enough_and_goes_on_from_there(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.streams.reading.LOOKED_AT", 3)
    monkeypatch.setattr("resolvers.streams.reading.MAX_LOOKED_AT", 6)
    await bank.said("heron", *(f"Boat {n}" for n in range(9)), "heron")
    found, after = [], None
    for _ in range(3):
        shown = (await bank.desk.ask(PREVIEW, text="heron", after=after))["streamRule"]["matches"]
        found.append([shown["lookedAt"], len(shown["edges"]), shown["pageInfo"]["hasNextPage"]])
        after = shown["pageInfo"]["endCursor"]
        if not shown["pageInfo"]["hasNextPage"]:
            break
    assert found == [[6, 1, True], [5, 1, False]]


# --- following ------------------------------------------------------------------------------------------------------------


async def test_nothing_is_missed_between_a_list_and_the_feed_that_goes_on_from_it(bank: Bank) -> None:
    stream_id = await bank.stream("heron")
    await bank.said("Heron 1")
    await bank.match()
    await bank.said("Heron 2", "Boat", first=1)  # stored, not matched yet
    (shown,) = (await bank.desk.ask(LIST))["viewer"]["streams"]
    assert [n["object"]["text"] for n in nodes(shown["activities"])] == ["Heron 1"]
    changes = (await bank.desk.ask(CHANGES, id=stream_id, since=shown["matchedTo"]))["viewer"]["changes"]
    assert (changes["upToDate"], [n["__typename"] for n in nodes(changes)]) == (False, [])
    await bank.match()
    changes = (await bank.desk.ask(CHANGES, id=stream_id, since=shown["matchedTo"]))["viewer"]["changes"]
    assert changes["upToDate"]
    told = [n["node"] for n in nodes(changes) if n["__typename"] == "NodeUpserted"]
    assert told == [{"object": {"text": "Heron 2"}, "streams": [{"name": "Birds"}]}]


async def test_what_no_longer_meets_the_rule_comes_once_more_and_what_is_gone_is_told(either: Bank) -> None:
    stream_id = await either.stream("heron")
    await either.said("Heron 1", "Heron 2", "Boat")
    await either.match()
    since = (await either.desk.ask(LIST))["viewer"]["streams"][0]["matchedTo"]
    await either.desk.household.take(
        either.account, post(0, "Stork", edited_at=NOW), records.Gone(kind="ACTIVITY", key=post(1).key), post(2, "Ship", edited_at=NOW),
        records.Gone(kind="ACTIVITY", key=post(2).key),
    )  # fmt: skip
    await either.match()
    told = nodes((await either.desk.ask(CHANGES, id=stream_id, since=since))["viewer"]["changes"])
    assert [(n["__typename"], n.get("node")) for n in told if n["__typename"] != "FeedAdvanced"] == [
        ("NodeUpserted", {"object": {"text": "Stork"}, "streams": []}),
        ("NodeDeleted", None),
    ]


async def test_a_filling_reader_waits_for_the_replay_and_then_gets_all_that_meets_the_rule(bank: Bank) -> None:
    await bank.said("Heron 1", "Heron 2", "Boat")
    stream_id = await bank.stream("heron")
    changes = (await bank.desk.ask(CHANGES, id=stream_id))["viewer"]["changes"]
    assert changes["upToDate"] is False
    assert [n["__typename"] for n in nodes(changes)] in ([], ["FeedAdvanced"])
    await bank.match()
    changes = (await bank.desk.ask(CHANGES, id=stream_id))["viewer"]["changes"]
    assert changes["upToDate"]
    assert [n["node"]["object"]["text"] for n in nodes(changes) if n["__typename"] == "NodeUpserted"] == ["Heron 1", "Heron 2"]


async def test_a_subscription_gives_what_meets_the_rule_as_it_is_matched(bank: Bank) -> None:
    stream_id = await bank.stream("heron")
    await bank.match()

    class Later(Clock):
        """Time at whose first tick, which is after the first look, something is said."""

        said = False

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if not self.said:
                self.said = True
                await bank.said("Boat", "Heron 1", "Heron 2")
                await bank.match()

    told = await Desk(bank.desk.household, clock=Later()).follow(FOLLOW, 2, id=stream_id)
    assert [event["activities"]["object"]["text"] for event in told] == ["Heron 1", "Heron 2"]


async def test_a_client_that_is_cut_off_at_any_moment_misses_none_and_gets_none_twice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "PAGE", 7)
    monkeypatch.setattr(matching, "MATCHES_AT_ONCE", 2)
    dice = random.Random(6)
    stream_id = await bank.stream("heron")
    await bank.match()
    since = (await bank.desk.ask(LIST))["viewer"]["streams"][0]["matchedTo"]
    told: list[str] = []
    text = CHANGES.replace("coalesce: false", "coalesce: false, first: 3")
    for n in range(12):
        await bank.said(*(f"{dice.choice(('Heron', 'Boat'))} {n} {k}" for k in range(dice.randrange(6))), first=n * 10)
        if dice.random() < 0.7:
            await bank.match()
        for _ in range(dice.randrange(4)):  # it comes back as often as it likes, and keeps the last cursor that it applied
            got = nodes((await bank.desk.ask(text, id=stream_id, since=since))["viewer"]["changes"])
            for change in got[: dice.randrange(len(got) + 1)]:
                since = change["cursor"]
                if change["__typename"] == "NodeUpserted":
                    told.append(change["node"]["object"]["text"])
    await bank.match()
    while got := nodes((await bank.desk.ask(text, id=stream_id, since=since))["viewer"]["changes"]):
        since = got[-1]["cursor"]
        told += [change["node"]["object"]["text"] for change in got if change["__typename"] == "NodeUpserted"]
        if got[-1]["__typename"] == "FeedAdvanced":
            break
    assert told == list(reversed(await bank.met(stream_id)))
    assert len(told) == len(set(told)) > 5


# --- the job --------------------------------------------------------------------------------------------------------------


async def test_replay_equals_live_and_both_equal_a_naive_reading_of_every_rule(
    either: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "PAGE", 10)
    monkeypatch.setattr(matching, "MATCHES_AT_ONCE", 5)
    monkeypatch.setattr(matching, "WORTH_IT", 2)
    dice = random.Random(3)
    words = ["heron", "boat", "river", "dawn", "cat", "café"]
    rules = [
        "heron",
        "boat -cat",
        '"river dawn"',
        "(heron OR cafe) (dawn OR cat)",
        "from:bob river",
        "lang:und -heron",
        "#tide OR dawn",
    ]
    people = [actor(), actor("bob@social.example", "Bob Low")]
    posts = [post(n, " ".join(dice.choices(words, k=4)), by=dice.choice(people)) for n in range(40)]
    await either.desk.household.take(either.account, *posts[:20])
    live = [await either.stream(rule, f"live {rule}") for rule in rules]
    for n in range(20, 40, 10):
        await either.desk.household.take(either.account, *posts[n : n + 10])
        await either.match()
    later = [await either.stream(rule, f"later {rule}") for rule in rules]
    await either.match()
    for rule, one, other in zip(rules, live, later, strict=True):
        wanted = [p.object.text for p in reversed(posts) if p.object and meets(parse(rule), p, "mastodon")]
        assert await either.met(one) == wanted, rule
        assert await either.met(other) == wanted, rule


class Cut(Exception):
    """The process is killed here."""


@pytest.mark.parametrize("after", [0, 1, 3, 6])
async def test_a_job_that_is_killed_is_gone_on_with_and_nothing_is_matched_twice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(matching, "PAGE", 5)
    monkeypatch.setattr(matching, "MATCHES_AT_ONCE", 2)
    await bank.said(*(f"heron {n}" for n in range(9)))
    stream_id = await bank.stream("heron")
    await bank.said(*(f"heron {n}" for n in range(9, 18)), first=9)
    await killed_and_gone_on_with(bank, monkeypatch, after)
    assert await bank.met(stream_id) == [f"heron {n}" for n in reversed(range(18))]
    assert await rows(bank) == 18


async def test_two_who_believe_to_hold_the_job_do_not_mix(either: Bank) -> None:
    await either.said(*(f"heron {n}" for n in range(20)))
    stream_id = await either.stream("heron")
    other = Matching(either.desk.household.database, either.desk.clock)
    await either.said(*(f"heron {n}" for n in range(20, 40)), first=20)
    viewer = either.desk.household.viewer
    await asyncio.gather(either.match(), other.run(viewer), either.match(), other.run(viewer))
    await either.match()
    assert len(await either.met(stream_id)) == await rows(either) == 40


async def test_a_feed_that_was_cut_behind_the_reader_has_all_matched_anew_but_what_is_off(bank: Bank) -> None:
    stream_id, off = await bank.stream("heron"), await bank.stream("stork", "Off")
    await bank.said("stork", first=9)
    await bank.match()
    await bank.desk.ask(UPDATE, input={"streamId": off, "enabled": False})
    await bank.match()
    await bank.said("heron")
    household = bank.desk.household
    await household.take(bank.account, records.Gone(kind="ACTIVITY", key="nobody"), post(1, "boat"))
    await household.take(bank.account, records.Gone(kind="ACTIVITY", key=post(1).key))
    await household.database.write(household.viewer, feed.compact, household.now + timedelta(days=1))
    await bank.match()
    assert await bank.met(stream_id) == ["heron"]
    assert await bank.met(off) == ["stork"]


async def test_the_job_is_asked_for_with_new_activities_and_only_where_there_is_a_rule(bank: Bank) -> None:
    def jobs(conn: Connection, viewer: str) -> int:
        return len(leases.listed(conn, viewer=viewer, kind=STREAM_JOB))

    household = bank.desk.household
    await bank.said("heron")
    assert await household.database.read(household.viewer, jobs) == 0
    stream_id = await bank.stream("heron")
    assert await household.database.read(household.viewer, jobs) == 1
    await bank.desk.ask(UPDATE, input={"streamId": stream_id, "enabled": False})
    with statements() as sent:
        await bank.said("heron", first=5)
    assert sum("FROM stream" in one for one in sent) == 1  # what it costs whoever has no rule


async def test_lists_of_streams_take_as_many_statements_as_one(either: Bank) -> None:
    async def asked() -> int:
        with statements() as sent:
            found = (await either.desk.ask(LIST))["viewer"]["streams"]
        assert all(len(one["activities"]["edges"]) > 0 for one in found)
        return len(sent)

    await either.said("heron and boat")
    for n in range(2):
        await either.stream("heron", f"{n}")
    await either.match()
    few = await asked()
    for n in range(8):
        await either.stream("boat", f"more {n}")
    await either.match()
    assert await asked() == few


async def test_nobody_sees_or_matches_what_is_another_viewers(database: Database) -> None:
    mine = await open_bank(await Household.open(database, "u_robin"))
    theirs = await open_bank(await Household.open(database, "u_wren"))
    stream_id = await mine.stream("heron")
    await theirs.said("their heron")
    await mine.said("my heron", first=50)
    await mine.match()
    await theirs.match()
    assert await mine.met(stream_id) == ["my heron"]
    assert (await theirs.desk.ask("{ viewer { streams { id } } }"))["viewer"]["streams"] == []
    assert (await theirs.desk.ask(OF_STREAM, id=stream_id))["node"] is None
    assert nodes((await theirs.desk.ask(FILTERED, id=stream_id))["viewer"]["activities"]) == []
    (error,) = (await theirs.desk.ask(UPDATE, input={"streamId": stream_id, "name": "x"}))["updateStream"]["errors"]
    assert error["code"] == "NOT_FOUND"
    assert await theirs.desk.refused(CHANGES, id=stream_id) == "UNKNOWN_NODE"
    shown = (await theirs.desk.ask(PREVIEW, text="heron"))["streamRule"]["matches"]
    assert [n["object"]["text"] for n in nodes(shown)] == ["their heron"]
    assert await database.read("u_wren", streams.listed) == []
