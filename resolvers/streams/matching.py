"""Stored activities carried through the rules: what arrives as the feed tells it, what was there before by a replay.

One leased job a viewer does them in turns, so that none overtakes another:

    live    feed rows after the reader's place → activities as they are now → rules → matches and the new place, one transaction
    again   the activities of whoever came into a circle that a rule names, or left it → matches and how far it came, one transaction
    replay  the latest stored activities first, for all streams that begin together → matches and how far it came, one transaction

What an activity meets is asked of its present state, and of who is of a circle by then (store/stream_circles.py): a row of the feed only says
that it is time to ask. A process that dies leaves places that
agree with the matches; whoever comes next goes on from them. Rules are compiled once a process and kept while they are the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, select

from providers import records
from resolvers.operation import Clock
from resolvers.streams.documents import Document, document
from resolvers.streams.matcher import Matcher
from resolvers.streams.rules import parse
from resolvers.streams.tokens import BadRule, Circles
from store import feed, stream_circles, streams
from store.among import among, asked
from store.database import Database
from store.feed import Recorder
from store.streams import Match, Reader, Stream
from store.tables import account, activity

log = structlog.get_logger("kith.streams")

PAGE: Final = 500  # activities that are looked at in one go
AGAIN: Final = 100  # activities of somebody that are asked again in one go; for those that come or go the feed is written
MATCHES_AT_ONCE: Final = 2_000  # in one transaction, which is about 20 ms
TURN: Final = 20.0  # seconds that one viewer may keep a worker before others get a turn
KEPT: Final = 50  # viewers whose rules stay compiled
SAMPLE: Final = 1_000  # activities that say how common words are
WORTH_IT: Final = 100  # rules from which on that is asked
_decode = msgspec.msgpack.Decoder(records.Activity).decode
_COLUMNS: Final = (activity.c.id, activity.c.account_id, activity.c.contact_id, activity.c.occurred_at, activity.c.record)
_BY_ID: Final = select(*_COLUMNS).where(among(activity.c.id))


class Rules(NamedTuple):
    """A viewer's rules, compiled: of the streams with their revisions, and who is of the circles that they name, as of a state of the rules."""

    as_of: int
    matcher: Matcher
    revisions: dict[str, int]
    circles: Mapping[str, tuple[str, ...]]  # by contact
    naming: bool  # whether they name any


class _Source(NamedTuple):
    """What the rules are compiled from."""

    reader: Reader | None
    listed: list[Stream]
    circles: Mapping[str, tuple[str, ...]]
    sample: list[Found]
    unsure: bool  # a circle is named of which it is not known yet who is of it


class Found(NamedTuple):
    """A row of an activity, and what a rule sees of it; None when the record is damaged."""

    id: str
    occurred_at: datetime
    document: Document | None


class _News(NamedTuple):
    """What the feed has for the streams: (position, activity) in order, each activity once, and where that ends."""

    seen: Reader
    until: Reader
    places: list[tuple[int, str]]
    rows: dict[str, Any]
    networks: dict[str, str]
    lost: bool
    unsure: bool = False  # whether who is of a circle has to be looked at first


class Matching:
    """The job, with the rules that this process has compiled."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._rules: OrderedDict[str, Rules] = OrderedDict()

    async def run(self, viewer: str) -> timedelta | None:
        """Match what there is. Returns when to go on, None when all is done."""
        ends = time.monotonic() + TURN
        while time.monotonic() < ends:
            if not (
                await self._live(viewer) or await self._again(viewer) or await self._replay(viewer) or await self._erase(viewer)
            ):
                return None
        return timedelta()

    async def _live(self, viewer: str) -> bool:
        """A stretch of the feed; whether there was something."""
        news = await self._database.read(viewer, _news, self._rules.get(viewer))
        if news is None:
            return False
        if news.lost:
            log.warning("the feed was cut behind the place of the streams; all are matched anew", viewer=viewer)
            await self._database.write_behind(viewer, _restart, self._clock.now())
            return True
        if news.unsure:
            return await self._circles(viewer, news.until.position)
        if news.until.position == news.seen.position:
            return False
        rules = await self._compiled(viewer, news.seen.rules)
        if rules is None:
            return True
        met = await asyncio.to_thread(_live_matches, news, rules)
        for end, part, looked_at, gone in _portions(news, met):
            seen, now = news.seen, self._clock.now()
            if not await self._database.write_behind(
                viewer, streams.settle, seen, end, part, looked_at, gone, rules.revisions, now
            ):
                return True  # somebody was faster, or a rule has changed: from the rows anew
            news = news._replace(seen=end)
        return True

    async def _circles(self, viewer: str, head: int) -> bool:
        """Look who is of the circles that rules name; whoever came or went waits to be asked again."""
        moved = await self._database.read(viewer, stream_circles.moved, head)
        if moved is None:
            return False
        await self._database.write_behind(viewer, stream_circles.adopt, moved, self._clock.now())
        return True

    async def _again(self, viewer: str) -> bool:
        """A stretch of the activities of somebody who came into a circle or left it; whether there was somebody."""
        stretch = await self._database.read(viewer, _of_somebody)
        if stretch is None:
            return False
        seen, of, rows, networks = stretch
        rules = await self._compiled(viewer, seen.rules)
        if rules is None:
            return True
        met, looked_at, last = await asyncio.to_thread(_again_matches, rules, rows, networks)
        now = self._clock.now()
        await self._database.write_behind(
            viewer, stream_circles.asked_again, seen, of, met, looked_at, rules.revisions, last, now
        )
        return True

    async def _replay(self, viewer: str) -> bool:
        """A stretch of what is stored, for the streams that have waited longest; whether there were any."""
        stretch = await self._database.read(viewer, _stretch)
        if stretch is None:
            return False
        seen, group, rows, networks = stretch
        rules = await self._compiled(viewer, seen.rules)
        if rules is None:
            return True
        found = await asyncio.to_thread(_replay_matches, rules, group, rows, networks)
        now = self._clock.now()
        for part, last, looked_at in found:
            if not await self._database.write_behind(viewer, _replayed, seen, group, part, last, looked_at, now):
                return True
            if last is not None:
                group = [msgspec.structs.replace(one, replay_at=last[0], replay_id=last[1]) for one in group]
        return True

    async def _erase(self, viewer: str) -> bool:
        return await self._database.write_behind(viewer, streams.erase_past)

    async def _compiled(self, viewer: str, as_of: int) -> Rules | None:
        """The rules as of a state; None when they have changed since. Only what is new is compiled."""
        known = self._rules.get(viewer)
        if known is not None and known.as_of == as_of:
            self._rules.move_to_end(viewer)
            return known
        source = await self._database.read(viewer, _wanted, known is None)
        if source.reader is None or source.reader.rules != as_of:
            return None
        if source.unsure:
            await self._circles(viewer, source.reader.circles_at)
            return None
        rules = await asyncio.to_thread(_renewed, known, as_of, source)
        self._rules[viewer] = rules
        self._rules.move_to_end(viewer)
        while len(self._rules) > KEPT:
            self._rules.popitem(last=False)
        return rules


def _news(conn: Connection, viewer: str, rules: Rules | None) -> _News | None:
    """What has come since; None when nobody wants anything matched. `rules` are those that are compiled."""
    seen = streams.reader(conn, viewer)
    if seen is None or not streams.wanted(conn, viewer):
        return None
    head = feed.head(conn, viewer)
    if seen.position < head.horizon or seen.position > head.position:
        return _News(seen, seen, [], {}, {}, lost=True)
    end = seen._replace(position=head.position, circles_at=head.position)
    # which circles are named changes with the rules only: of those that are compiled it is known who is of them
    as_compiled = rules is not None and rules.as_of == seen.rules
    if stream_circles.unsure(conn, viewer, seen, head, naming=rules.naming if as_compiled and rules is not None else None):
        return _News(seen, end, [], {}, {}, lost=False, unsure=True)
    changes = feed.read(conn, viewer, seen.position, PAGE, kinds=("ACTIVITY",))
    if len(changes) == PAGE:
        end = end._replace(position=changes[-1].position)
    places: dict[str, int] = {}
    for change in changes:
        places.setdefault(change.node_id, change.position)
    rows = {row.id: row for row in conn.execute(_BY_ID, asked(viewer, places)).all()}
    return _News(seen, end, [(at, node_id) for node_id, at in places.items()], rows, _networks(conn, viewer), lost=False)


def _restart(conn: Connection, viewer: str, now: datetime) -> None:
    streams.restart(conn, viewer, feed.head(conn, viewer).position, now)


def _networks(conn: Connection, viewer: str) -> dict[str, str]:
    """Of which network each account is."""
    rows = conn.execute(select(account.c.id, account.c.provider).where(account.c.viewer_id == viewer))
    return {row.id: row.provider for row in rows}


def _wanted(conn: Connection, viewer: str, fresh: bool) -> _Source:
    """The rules, and where they are compiled from nothing a sample of what they will meet."""
    listed = [one for one in streams.listed(conn, viewer) if one.enabled]
    kept = stream_circles.kept(conn, viewer)
    circles = stream_circles.by_contact(kept)
    sample: list[Found] = []
    if fresh and len(listed) >= WORTH_IT:
        latest = select(*_COLUMNS).where(activity.c.viewer_id == viewer).order_by(activity.c.occurred_at.desc()).limit(SAMPLE)
        networks = _networks(conn, viewer)
        sample = [looked_at(row, networks, circles) for row in conn.execute(latest)]
    unsure = any(circle_id not in kept for one in listed for circle_id in one.circles.values())
    return _Source(streams.reader(conn, viewer), listed, circles, sample, unsure)


def _renewed(known: Rules | None, as_of: int, source: _Source) -> Rules:
    if known is None:
        common = Counter(key for found in source.sample if found.document is not None for key in found.document.keys)
        known = Rules(as_of, Matcher(common), {}, {}, naming=False)
    revisions = {one.id: one.revision for one in source.listed}
    for stream_id in known.revisions.keys() - revisions.keys():
        known.matcher.remove(stream_id)
    for one in source.listed:
        if known.revisions.get(one.id) != one.revision:
            enter(known.matcher, one)
    naming = any(one.circles for one in source.listed)
    return Rules(as_of, known.matcher, revisions, source.circles, naming)


def enter(matcher: Matcher, one: Stream) -> None:
    """Have a stream's rule matched, if it can be understood: one that a later language refuses meets nothing."""
    try:
        matcher.add(one.id, parse(one.rule, circles=Circles(names={}, bound=one.circles)))
    except BadRule as error:
        matcher.remove(one.id)
        log.warning("the rule of a stream cannot be understood any more", stream=one.id, error=str(error))


def looked_at(row: Any, networks: Mapping[str, str], circles: Mapping[str, tuple[str, ...]]) -> Found:
    """What a rule sees of a stored activity; `circles` by contact."""
    try:
        said = document(_decode(row.record), networks.get(row.account_id, ""), circles.get(row.contact_id, ()))
        return Found(row.id, row.occurred_at, said)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return Found(row.id, row.occurred_at, None)  # damaged: its list says so where it is shown


def _matches(rules: Rules, revisions: Mapping[str, int], row: Any, networks: Mapping[str, str]) -> list[Match]:
    found = looked_at(row, networks, rules.circles)
    if found.document is None:
        return []
    met = (str(name) for name in rules.matcher.match(found.document))
    return [Match(name, revisions[name], found.id, found.occurred_at) for name in met if name in revisions]


def _live_matches(news: _News, rules: Rules) -> dict[str, list[Match]]:
    return {node_id: _matches(rules, rules.revisions, row, news.networks) for node_id, row in news.rows.items()}


def _portions(news: _News, met: Mapping[str, list[Match]]) -> list[tuple[Reader, list[Match], list[str], list[str]]]:
    """The news in parts that are one transaction each: where it ends, what is met, what was looked at and what is gone."""
    parts: list[tuple[Reader, list[Match], list[str], list[str]]] = []
    part: list[Match] = []
    there: list[str] = []
    gone: list[str] = []
    for n, (_, node_id) in enumerate(news.places):
        part += met.get(node_id, ())
        (there if node_id in news.rows else gone).append(node_id)
        if len(part) >= MATCHES_AT_ONCE and n + 1 < len(news.places):
            # all rows before the next one's are done: an activity's later rows find it looked at already
            parts.append((news.until._replace(position=news.places[n + 1][0] - 1), part, there, gone))
            part, there, gone = [], [], []
    parts.append((news.until, part, there, gone))
    return parts


def _of_somebody(conn: Connection, viewer: str) -> tuple[Reader, stream_circles.Waiting, list[Any], dict[str, str]] | None:
    """Whose activities are asked again next, and a stretch of these, the latest first."""
    seen, of = streams.reader(conn, viewer), stream_circles.waiting(conn, viewer)
    if seen is None or of is None:
        return None
    query = select(*_COLUMNS).where(activity.c.viewer_id == viewer, activity.c.contact_id == of.contact_id)
    if of.at is not None and of.id is not None:
        mark = sa.tuple_(sa.literal(of.at, activity.c.occurred_at.type), sa.literal(of.id))
        query = query.where(sa.tuple_(activity.c.occurred_at, activity.c.id) < mark)
    rows = conn.execute(query.order_by(activity.c.occurred_at.desc(), activity.c.id.desc()).limit(AGAIN)).all()
    return seen, of, list(rows), _networks(conn, viewer)


def _again_matches(
    rules: Rules, rows: Sequence[Any], networks: Mapping[str, str]
) -> tuple[list[Match], list[str], tuple[datetime, str] | None]:
    """What a stretch meets, as much as one transaction writes: matches, what was looked at, its last activity (None at the end)."""
    met: list[Match] = []
    for n, row in enumerate(rows):
        met += _matches(rules, rules.revisions, row, networks)
        if len(met) >= MATCHES_AT_ONCE and n + 1 < len(rows):
            return met, [one.id for one in rows[: n + 1]], (row.occurred_at, row.id)
    last = None if len(rows) < AGAIN else (rows[-1].occurred_at, rows[-1].id)
    return met, [row.id for row in rows], last


def _stretch(conn: Connection, viewer: str) -> tuple[Reader, list[Stream], list[Any], dict[str, str]] | None:
    """The streams whose replay goes on next, those that began together, and the activities that it comes to."""
    seen = streams.reader(conn, viewer)
    waiting = streams.waiting(conn, viewer)
    if seen is None or not waiting:
        return None
    first = min(waiting, key=lambda one: one.since)
    group = [one for one in waiting if (one.replay_at, one.replay_id) == (first.replay_at, first.replay_id)]
    query = select(*_COLUMNS).where(activity.c.viewer_id == viewer)
    if first.replay_at is not None and first.replay_id is not None:
        mark = sa.tuple_(sa.literal(first.replay_at, activity.c.occurred_at.type), sa.literal(first.replay_id))
        query = query.where(sa.tuple_(activity.c.occurred_at, activity.c.id) < mark)
    rows = conn.execute(query.order_by(activity.c.occurred_at.desc(), activity.c.id.desc()).limit(PAGE)).all()
    return seen, group, list(rows), _networks(conn, viewer)


def _replay_matches(
    rules: Rules, group: Sequence[Stream], rows: Sequence[Any], networks: Mapping[str, str]
) -> list[tuple[list[Match], tuple[datetime, str] | None, int]]:
    """What a stretch meets, in parts that are one transaction each: matches, the last activity (None at the end), how many."""
    revisions = {one.id: one.revision for one in group}
    parts: list[tuple[list[Match], tuple[datetime, str] | None, int]] = []
    part: list[Match] = []
    count = 0
    for n, row in enumerate(rows):
        part += _matches(rules, revisions, row, networks)
        count += 1
        if len(part) >= MATCHES_AT_ONCE and n + 1 < len(rows):
            parts.append((part, (row.occurred_at, row.id), count))
            part, count = [], 0
    ended = len(rows) < PAGE
    parts.append((part, None if ended else (rows[-1].occurred_at, rows[-1].id), count))
    return parts


def _replayed(
    conn: Connection, viewer: str, seen: Reader, group: Sequence[Stream], met: Sequence[Match], last: tuple[datetime, str] | None,
    count: int, now: datetime,
) -> bool:  # fmt: skip
    """Write what a stretch meets; at the end clients are told that the streams are whole."""
    if not streams.replayed(conn, viewer, seen, group, met, last, count, now):
        return False
    if last is None:
        recorder = Recorder(now, origin="SYSTEM")
        for one in group:
            recorder.upsert("STREAM", one.id, one.version + 1, fields=("matchCount", "replay"))
        recorder.flush(conn, viewer)
    return True
