"""The lists of events of a GitHub account, as far as they are new since the last run (rest/activity/events).

A list is asked for only if it has changed, and no more often than GitHub says. What an event means is in `events.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import msgspec

from providers.entries import readable
from providers.errors import Refused
from providers.github import events as github_events
from providers.github.api import decoded, get, site
from providers.github.run import PARTIAL, Feed, Run, skipped
from providers.records import Page, Row

EVENTS: Final = 100
EVENT_PAGES: Final = 3  # GitHub keeps 300


async def events(run: Run, name: str) -> AsyncIterator[Page]:
    """The events of one list that are new, the latest first; the list is known up to there once all of them were handed over."""
    place = run.place
    feed = place.feeds.setdefault(name, Feed())
    if run.now() < feed.ask_after or not place.login:
        return
    where = site(run.session.account.base_url)
    latest, etag, pause = feed.latest, "", ""
    for number in range(1, EVENT_PAGES + 1):
        asked = {"per_page": str(EVENTS), "page": str(number)}
        known = {"If-None-Match": feed.etag} if feed.etag and number == 1 else {}
        try:
            answer = await get(run.session, f"/users/{quote(place.login, safe='')}/{name}", asked, unless=known)
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            yield Page(rows=(skipped(name, f"What people do was not shown: {error.message}"),), cursor=run.cursor())
            return
        if answer is None:
            feed.ask_after = run.after("")
            return
        if number == 1:
            etag, pause = answer.headers.get("etag", ""), answer.headers.get("x-poll-interval", "")
        listed = decoded(answer, list[msgspec.Raw])
        rows: list[Row] = []
        old = False
        for raw in listed:
            events, broken = readable([raw], github_events.Event, name)
            rows += broken
            for event in events:
                old = old or event.number <= feed.latest
                if event.number > feed.latest:
                    latest = max(latest, event.number)
                    if (found := github_events.activity(event, where, name, bytes(raw))) is not None:
                        rows.append(Row(item=found))
        if rows:
            yield Page(rows=tuple(rows), cursor=run.cursor())
        if old or "next" not in answer.links():
            break
    feed.etag, feed.latest = etag, latest
    feed.ask_after = run.after(pause)
