"""The threads of a GitHub account that take part in its mirror: those that involve the viewer, latest updated first, by search.

A search tells no more than its first thousand: it goes on below the oldest thread of each page, and a later run goes down to where the last
one began. Knows nothing of what is in a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from providers.entries import readable
from providers.errors import Malformed, Unavailable
from providers.github import thread as github_thread
from providers.github.api import query
from providers.github.person import instant
from providers.github.run import MAX_PAGES, Run, Search
from providers.github.thread import FEW, PageInfo, Thread
from providers.github.whole import THREADS, whole
from providers.records import Page

SEARCHES: Final = {"issues": github_thread.ISSUES, "discussions": github_thread.DISCUSSIONS}
MINE: Final = "involves:@me sort:updated-desc"
#: GitHub's search runs behind its data; what was updated so shortly before the last one is looked for again.
OVERLAP: Final = timedelta(minutes=10)


class Results(msgspec.Struct, frozen=True, rename="camel"):
    page_info: PageInfo
    nodes: list[msgspec.Raw] | None = None


class Found(msgspec.Struct, frozen=True):
    search: Results


async def threads(run: Run, name: str) -> AsyncIterator[Page]:
    """The threads of one kind that were updated since the last run, all of them in the first one; resumable after each page."""
    place = run.place
    search = place.searches.setdefault(name, Search())
    size = THREADS
    for _ in range(MAX_PAGES):
        asked = {"query": _words(search), "first": size, "after": search.after or None, "few": FEW}
        try:
            answer, _ = await query(run.session, SEARCHES[name], asked, Found)
        except Unavailable:
            if size == 1:
                raise
            size //= 2  # GitHub gives up on a query after ten seconds: a smaller one may do
            continue
        found, broken = readable(answer.search.nodes or (), Thread, name)
        new = [t for t in found if t.id not in run.seen and search.recent.get(t.id) != t.updated_at]
        rows, statements = await whole(run, new)
        ended = not answer.search.page_info.has_next_page
        _advance(search, found, answer.search.page_info, ended=ended)
        if broken or rows:
            yield Page(rows=(*broken, *rows), statements=statements, cursor=run.cursor())
        if ended:
            return
    raise Malformed("GitHub's search does not end.", provider_code="paging")


def _words(search: Search) -> str:
    """The search that a walk goes on with (search-github/searching-on-github/searching-issues-and-pull-requests)."""
    floor = instant(search.floor)
    lower = "" if floor is None else (floor - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
    if lower and search.at:
        return f"{MINE} updated:{lower}..{search.at}"
    if lower:
        return f"{MINE} updated:>={lower}"
    return f"{MINE} updated:<={search.at}" if search.at else MINE


def _advance(search: Search, found: Sequence[Thread], page: PageInfo, *, ended: bool) -> None:
    """Go down to the oldest thread of a page, whose second is asked for again, or within it where it fills the whole page."""
    search.top = max([search.top, *(thread.updated_at for thread in found)])
    search.recent |= {thread.id: thread.updated_at for thread in found}
    if ended:
        search.floor, search.top, search.at, search.after = max(search.floor, search.top), "", "", ""
    elif found and found[-1].updated_at != search.at:
        search.at, search.after = found[-1].updated_at, ""
    else:
        search.after = page.end_cursor or ""
    edge = instant(search.floor or search.top)
    if edge is not None:
        search.recent = {id_: at for id_, at in search.recent.items() if (instant(at) or edge) >= edge - OVERLAP}
