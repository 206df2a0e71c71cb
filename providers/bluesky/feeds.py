"""What a Bluesky account wrote, from its own repository, and what those wrote whom it follows, from its timeline: as activities.

The repository is read newest first, and beyond what is known only as far as that (keys are TIDs, in the order of time); the timeline back
to where it was read the last time (`app.bsky.feed.getTimeline`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec

from providers.atproto import Xrpc, readable
from providers.bluesky.lists import LIST, cursor_of, onward, records, unreadable
from providers.bluesky.position import Position
from providers.bluesky.post import POSTS, TIMELINE, Author, FeedItem, Record, activity, own_activity
from providers.records import Gone, Page, Row
from providers.session import Clock

RECENT: Final = 100  # own posts of which a deletion is noticed
#: How far back the timeline is read: at first, and after an absence.
FIRST_TIMELINE, LATER_TIMELINE = 5, 20


class Feed(msgspec.Struct, frozen=True):
    """app.bsky.feed.getTimeline."""

    feed: list[msgspec.Raw]
    cursor: str | None = None


class Feeds:
    """The posts of an account and of those whom it follows, at its server."""

    def __init__(self, calls: Xrpc, clock: Clock, me: Author) -> None:
        self._calls = calls
        self._clock = clock
        self._me = me

    async def own(self, place: Position, rev: str) -> AsyncIterator[Page]:
        """What the account wrote, from its own repository: news first, then what was before."""
        if place.posts_rev not in ("", rev):
            async for page in self._new_posts(place):
                yield page
        place.posts_rev = rev
        if place.older is None:
            return
        async for found, following in records(self._calls, self._me.did, POSTS, place.older):
            place.recent = (place.recent + [record.key for record in found])[:RECENT]
            place.older = following or None
            yield Page(rows=tuple(self._posted(found)), cursor=place.encoded())

    async def _new_posts(self, place: Position) -> AsyncIterator[Page]:
        known = set(place.recent)
        newest, oldest = max(known, default=""), min(known, default="")
        recent: list[str] = []
        rows: list[Row] = []
        async for found, _ in records(self._calls, self._me.did, POSTS, ""):
            recent += [record.key for record in found]
            rows += self._posted([record for record in found if record.key > newest])
            if recent and min(recent) <= oldest:
                break
        # keys are TIDs, in the order of time: what was there and is not on these pages, was deleted
        gone = sorted(known.difference(recent))
        rows += [Row(item=Gone(kind="ACTIVITY", key=f"at://{self._me.did}/{POSTS}/{key}")) for key in gone]
        place.recent = sorted({*recent, *known.difference(gone)}, reverse=True)[:RECENT]
        for start in range(0, len(rows), LIST):
            yield Page(rows=tuple(rows[start : start + LIST]), cursor=place.encoded())

    def _posted(self, found: Iterable[Record]) -> list[Row]:
        now = self._clock.now()
        return [Row(item=own_activity(record, self._me, now)) for record in found]

    async def timeline(self, place: Position) -> AsyncIterator[Page]:
        """What those posted who are followed, back to where it was read the last time."""
        token, newest = "", place.shown
        for _ in range(LATER_TIMELINE if place.shown else FIRST_TIMELINE):
            answer = await self._calls.query("app.bsky.feed.getTimeline", Feed, [("limit", str(LIST)), *cursor_of(token)])
            found, broken = readable(answer.feed, FeedItem)
            rows = [unreadable(raw, reason, TIMELINE) for raw, reason in broken] if not place.shown else []
            new = [item for item in found if item.shown_at > place.shown]
            newest = max([newest, *(item.shown_at for item in new)])
            # one's own are in the repository
            rows += [Row(item=activity(item)) for item in new if item.repost is not None or item.post.author.did != self._me.did]
            if rows:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not answer.cursor or (found and not new):
                break
            token = onward(token, answer.cursor)
        if newest != place.shown:
            place.shown = newest
