"""Ten thousand rules over a stream of activities: what the job takes for each, whether it finds what a naive reading of every rule finds,
whether history gives what the moment gave, also after a circle that rules name was drawn anew, and whether a client that is cut off again and
again misses anything.

    ingest ──feed──▶ job "streams" ──▶ matches ──▶ changes(filter: {streamId}) ──▶ a client that comes and goes

Everything goes the way of every installation, on SQLite: rows are taken in, read from the feed, matched and written with the job's place. The
rules are written by the store, since ten thousand are more than a viewer may save.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from providers import records
from resolvers.streams.documents import document
from resolvers.streams.matcher import Matcher
from resolvers.streams.matching import Matching
from resolvers.streams.rules import parse
from resolvers.streams.tokens import Circles
from resolvers.streams.tree import circles_of
from store import circles, feed, ids, standings, streams
from store.circles import Kept
from store.database import Database
from store.feed import Recorder
from store.streams import Stream
from store.tables import contact, stream_match
from tests.asking import Desk, nodes
from tests.chaos.report import Report
from tests.household import NOW, Household, open_sqlite
from tests.naive_rules import meets

WORDS: Final = 50_000  # of a language, the n-th said 1/n as often as the first
COMMON: Final = 200  # the words that are in nearly everything
LENGTH: Final = 40  # words of a post
PEOPLE: Final = 500
CIRCLES: Final = 20  # of these people, as large as one another
MOVING: Final = 5  # people whom one of them loses to another
SLICE: Final = 100
CHANGES: Final = """query($since: Cursor, $id: ID!) { viewer { changes(since: $since, first: 50, filter: { streamId: $id }, coalesce: false) {
  upToDate edges { node { __typename cursor ... on NodeUpserted { nodeId } } } } } }"""
FOLLOWED: Final = (
    """mutation($id: ID!, $rule: String!) { updateStream(input: { streamId: $id, rule: $rule }) { stream { id } } }"""
)
NAMES: Final = Circles(names={f"C_{n}": f"C_{n}" for n in range(CIRCLES)}, bound={})
Met = set[tuple[str, str]]


class Language:
    """What people say and what rules look for, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.words = [f"w{n:x}q" for n in range(WORDS)]
        self.moved: set[int] = set()  # who changed circles
        self.circles = {f"C_{n}": {*range(n, PEOPLE, CIRCLES)} for n in range(CIRCLES)}
        self.heights = list(itertools.accumulate(1 / (n + 1) for n in range(WORDS)))

    def post(self, number: int, who: int | None = None) -> records.Activity:
        said = self.dice.choices(self.words, cum_weights=self.heights, k=LENGTH + 1)
        who = self.dice.randrange(PEOPLE) if who is None else who
        uri = f"https://social.example/users/p{who}"
        thing = records.ActivityObject(
            kind="NOTE", uri=f"{uri}/{number}", text=" ".join(said[:LENGTH]), hashtags=(said[LENGTH],),
            language=self.dice.choice(("en", "en-GB", "de", "fr")),
        )  # fmt: skip
        return records.Activity(
            key=f"{uri}/{number}",
            actor=records.Actor(uri=uri, name=f"Person {who}", handle=f"p{who}@social.example", provider="mastodon", key=uri),
            verb="CREATE",
            object=thing,
            occurred_at=NOW - timedelta(days=30) + timedelta(seconds=number),
        )

    def circles_of(self, one: records.Activity) -> list[str]:
        """The circles of whoever did something."""
        who = int(one.actor.uri.rpartition("/p")[2])
        return [circle_id for circle_id, members in self.circles.items() if who in members]

    def rule(self) -> str:
        rare = [self.words[self.dice.randrange(COMMON, WORDS)] for _ in range(3)]
        common = [self.words[self.dice.randrange(COMMON)] for _ in range(2)]
        circle = f"in-circle:C_{self.dice.randrange(CIRCLES)}"
        return self.dice.choice(
            (
                rare[0],
                f"{common[0]} {rare[0]}",
                f'"{rare[0]} {common[0]}" OR #{rare[1]}',
                f"({rare[0]} OR {rare[1]} OR {rare[2]}) lang:en -{common[0]}",
                f"from:p{self.dice.randrange(PEOPLE * 10)} {common[0]}",
                f"{rare[0]} -({common[0]} OR lang:fr)",
                f"{circle} {common[0]} {common[1]}",
                f"{rare[0]} -{circle}",
                f"lang:de {common[0]} {common[1]} has:hashtags {rare[0]}",
            )
        )


async def match(
    home: Path, *, rules: int, activities: int, sample: int, growth: Sequence[int], cuts: int, seed: int = 6
) -> Report:
    """So many rules over so many activities; `sample` of these are asked naively, `growth` are numbers of rules to time beside."""
    report = Report()
    language = Language(seed)
    async with open_sqlite(_folder(home)) as database:
        household = await Household.open(database)
        desk = Desk(household)
        matching = Matching(database, desk.clock)
        account = await household.account("mastodon")
        await _without_a_rule(report, database, language)
        known = [language.post(n, n) for n in range(PEOPLE)]  # everybody has said something before
        await _take(household, account, known)
        for circle_id in language.circles:
            await database.write(household.viewer, _draw, account, circle_id, language)
        written = {f"{n}": language.rule() for n in range(rules)}
        named = await database.write(household.viewer, _save, written, desk.clock.now())
        await _done(matching, household.viewer)
        posts = [language.post(PEOPLE + n) for n in range(activities)]
        await _take(household, account, posts)
        report.figures["rules, activities"] = f"{rules:,}, {activities:,}"
        used, began = time.process_time(), time.monotonic()
        await _done(matching, household.viewer)
        used, took = time.process_time() - used, time.monotonic() - began
        live = await _met(database, household.viewer)
        report.figures["live: activities a second of one core"] = round(activities / used)
        report.figures["live: activities a second of the clock"] = round(activities / took)
        report.figures["matches an activity"] = round(len(live) / activities, 2)
        asked = language.dice.sample(posts, sample)
        _compare(report, live, asked, account, named, written, language)
        live = await _redraw(report, household, matching, language, account)
        moved = [one for one in posts if int(one.actor.uri.rpartition("/p")[2]) in language.moved]
        _compare(report, live, language.dice.sample(moved, min(sample, len(moved))), account, named, written, language)
        await _replay(report, database, matching, household.viewer, live, activities + PEOPLE)
        await _reconnect(report, desk, matching, language, account, next(iter(named)), first=activities + PEOPLE, cuts=cuts)
    for n in growth:
        _grow(report, language, posts[: max(sample, 200)], n)
    return report


def _folder(home: Path) -> Path:
    home.mkdir(parents=True)
    return home


async def _without_a_rule(report: Report, database: Database, language: Language) -> None:
    """What somebody who has no stream pays for those who have: one look at an empty table for each slice."""
    household = await Household.open(database, "u_wren")
    account = await household.account("mastodon")
    posts = [language.post(n) for n in range(5 * SLICE)]
    used = time.process_time()
    await _take(household, account, posts)
    slice_costs = (time.process_time() - used) / 5

    def look(conn: Connection, viewer: str) -> float:
        began = time.process_time()
        for _ in range(500):
            feed.look(conn, viewer)
        return (time.process_time() - began) / 500

    looked = await database.write(household.viewer, look)
    report.figures["without a stream: ms for a slice of 100, of which for streams"] = (
        f"{slice_costs * 1e3:.1f}, {looked * 1e3:.3f}"
    )


def _draw(conn: Connection, viewer: str, account: str, circle_id: str, language: Language) -> None:
    """Write a circle as the job that finds them does."""
    contacts = {ids.derive("CONTACT", account, f"https://social.example/users/p{n}") for n in language.circles[circle_id]}
    query = select(contact.c.person_id).where(contact.c.viewer_id == viewer, contact.c.id.in_(contacts))
    members = {str(person_id): 1.0 for person_id in conn.execute(query).scalars()}
    standings.show(conn, viewer, 1, NOW)
    recorder = Recorder(NOW, origin="SYSTEM")
    circles.put(conn, viewer, Kept(circle_id, circle_id, (), 1, members), recorder)
    recorder.flush(conn, viewer)


async def _redraw(report: Report, household: Household, matching: Matching, language: Language, account: str) -> Met:
    """Some people change from one circle into another: what that costs, and all that is met then."""
    database, viewer = household.database, household.viewer
    language.moved = {*sorted(language.circles["C_0"])[:MOVING]}
    language.circles["C_0"] -= language.moved
    language.circles["C_1"] |= language.moved
    before = await _met(database, viewer)
    for circle_id in ("C_0", "C_1"):
        await database.write(viewer, _draw, account, circle_id, language)
    used = time.process_time()
    await _done(matching, viewer)
    used = time.process_time() - used
    after = await _met(database, viewer)
    report.figures[f"{MOVING} of {PEOPLE} people in another circle: s of one core, matches that came, that went"] = (
        f"{used:.2f}, {len(after - before):,}, {len(before - after):,}"
    )
    return after


def _named_in(rule: str) -> dict[str, str]:
    """The circles that a rule names."""
    return circles_of(parse(rule, circles=NAMES))


def _save(conn: Connection, viewer: str, written: dict[str, str], now: Any) -> dict[str, str]:
    """The streams: id → which rule. The first is one that many activities meet, to be followed."""
    since = feed.advance(conn, viewer, 0)
    named = {}
    for n, rule in written.items():
        new = Stream(
            id=ids.mint("STREAM"), name=n, rule=rule, circles=_named_in(rule), enabled=True, revision=1, since=since, replayed=0, replay_total=0,
            replay_at=None, replay_id=None, replayed_at=None, created_at=now, version=1,
        )  # fmt: skip
        streams.add(conn, viewer, new)
        named[new.id] = n
    streams.begin(conn, viewer, next(iter(named)), since, now)
    return named


async def _take(household: Household, account: str, posts: Sequence[records.Activity]) -> None:
    for n in range(0, len(posts), SLICE):
        await household.take(account, *posts[n : n + SLICE])


async def _done(matching: Matching, viewer: str) -> None:
    while await matching.run(viewer) is not None:
        pass


async def _met(database: Database, viewer: str) -> Met:
    def read(conn: Connection, viewer: str) -> Met:
        m = stream_match.c
        held = conn.execute(select(m.stream_id, m.activity_id, m.revision, m.ended).where(m.viewer_id == viewer))
        now = {one.id: one.revision for one in streams.listed(conn, viewer)}
        return {(row.stream_id, row.activity_id) for row in held if now.get(row.stream_id) == row.revision and not row.ended}

    return await database.read(viewer, read)


def _compare(
    report: Report, live: Met, asked: Sequence[records.Activity], account: str, named: dict[str, str], written: dict[str, str],
    language: Language,
) -> None:  # fmt: skip
    """Every rule asked of some activities, one by one."""
    rules = {stream_id: parse(written[n], circles=NAMES) for stream_id, n in named.items()}
    node_ids = {ids.derive("ACTIVITY", account, one.key): one for one in asked}
    naive = {
        (stream_id, node_id)
        for node_id, one in node_ids.items()
        for stream_id, rule in rules.items()
        if meets(rule, one, "mastodon", language.circles_of(one))
    }
    found = {pair for pair in live if pair[1] in node_ids}
    told = "of whoever changed circles, " if language.moved else ""
    report.figures[f"{told}asked naively: activities, matches"] = f"{len(asked):,}, {len(naive):,}"
    report.expect(f"{told}found otherwise than naively", len(naive ^ found), 0)


async def _replay(report: Report, database: Database, matching: Matching, viewer: str, live: Met, activities: int) -> None:
    """All streams once more from nothing, over what is stored."""

    def again(conn: Connection, viewer: str) -> None:
        streams.restart(conn, viewer, feed.advance(conn, viewer, 0), NOW)

    await database.write(viewer, again)
    used = time.process_time()
    await _done(matching, viewer)
    report.figures["replay: activities a second of one core"] = round(activities / (time.process_time() - used))
    report.expect("in history otherwise than live", len(live ^ await _met(database, viewer)), 0)


async def _reconnect(
    report: Report, desk: Desk, matching: Matching, language: Language, account: str, stream_id: str, *, first: int, cuts: int
) -> None:
    """A client follows one stream, is cut off at any moment and comes back with the last cursor that it applied."""
    household = desk.household
    rule = f"{language.words[3]} OR {language.words[5]}"
    await desk.ask(FOLLOWED, id=stream_id, rule=rule)
    await _done(matching, household.viewer)
    since = (await desk.ask("query($id: ID!) { node(id: $id) { ... on Stream { matchedTo } } }", id=stream_id))["node"][
        "matchedTo"
    ]
    before = {activity for one, activity in await _met(household.database, household.viewer) if one == stream_id}
    told: list[str] = []
    finished = asyncio.Event()

    async def arrive() -> None:
        for n in range(cuts):
            await household.take(account, *(language.post(first + n * 10 + k) for k in range(10)))
            await matching.run(household.viewer)
        finished.set()

    async def follow() -> None:
        nonlocal since
        last = False
        while not last:
            last = finished.is_set()
            changes = (await desk.ask(CHANGES, id=stream_id, since=since))["viewer"]["changes"]
            got = nodes(changes)
            for change in got if last else got[: language.dice.randrange(len(got) + 1)]:
                since = change["cursor"]
                if change["__typename"] == "NodeUpserted":
                    told.append(change["nodeId"])
            last = last and changes["upToDate"]
            await asyncio.sleep(0)

    await asyncio.gather(arrive(), follow())
    after = {activity for one, activity in await _met(household.database, household.viewer) if one == stream_id}
    report.figures["followed through cuts: activities, of which met"] = f"{cuts * 10:,}, {len(told):,}"
    report.expect("missed by the client", len(after - before - set(told)), 0)
    report.expect("told twice, or without need", len(told) - len(set(told) & (after - before)), 0)


def _grow(report: Report, language: Language, posts: Sequence[records.Activity], rules: int) -> None:
    """What one activity costs among so many rules, and what of that is each match."""
    said = [document(one, "mastodon", language.circles_of(one)) for one in posts]
    common: dict[str, int] = {}
    for one in said:
        for key in one.keys:
            common[key] = common.get(key, 0) + 1
    matcher = Matcher(common)
    for n in range(rules):
        matcher.add(n, parse(language.rule(), circles=NAMES))
    used = time.process_time()
    matches = sum(len(matcher.match(one)) for one in said)
    used = (time.process_time() - used) / len(said)
    report.figures[f"{rules:,} rules: us and matches an activity"] = f"{used * 1e6:.0f}, {matches / len(said):.2f}"
