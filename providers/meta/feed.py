"""Reading what was posted, and what was said about it: posts newest first down to one that is known, comments likewise.

The Graph tells neither what changed nor how much there is. Each run looks at the latest posts again, whose comments and counts grow;
what is added to older ones is not seen. A post is taken in with the comments that came with it; more of them are asked for, post by post,
so that a run that was cut goes on where it was. Knows no fields.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Final

import msgspec

from providers.errors import Malformed, Refused
from providers.meta.api import Edge, Graph, part
from providers.records import Page, Row, Unreadable

LISTED: Final = 25  # posts and comments at a time
MAX_LISTS: Final = 10_000
MAX_COMMENTS: Final = 40  # pages of comments of one post, a run


class Reading(msgspec.Struct, omit_defaults=True):
    """Posts between two runs: read down to `mark` (POSIX seconds); from `after` on, with `top` as the newest met on the way and the keys
    of those `done` of the page that is being read. Comments were looked for at `looked`. `over`: this run is done with it, which may go on
    elsewhere.
    """

    mark: float = 0.0
    top: float = 0.0
    after: str = ""
    done: list[str] = []
    looked: float = 0.0
    over: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A post as rows, or a comment: it has none where nobody says whose it is; `at` is None where nobody says when."""

    key: str
    at: datetime | None
    rows: tuple[Row, ...]
    comments: Edge | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for, and how it is read. `post` and `comment` read an entry as the network wrote it; `comment` is told the post's key."""

    container: str
    path: str
    fields: str
    comment_params: tuple[tuple[str, str], ...]
    post: Callable[[msgspec.Raw], Told]
    comment: Callable[[msgspec.Raw, str], Told]
    token: str | None = None

    def __repr__(self) -> str:
        return f"Feed({self.path})"


async def walk(graph: Graph, feed: Feed, reading: Reading, position: Callable[[], bytes]) -> AsyncIterator[Page]:
    """Posts down to the newest that is known; `position` gives the cursor to store with a page. Raises ProviderError."""
    began = graph.session.clock.now().timestamp()
    for _ in range(MAX_LISTS):
        asked = [("fields", feed.fields), ("limit", str(LISTED)), *([("after", reading.after)] if reading.after else [])]
        try:
            answer = await graph.ask(feed.path, Edge, asked, token=feed.token)
        except Refused as error:
            if not reading.after or error.provider_code != "100":
                raise
            reading.after, reading.done = "", []  # the place is not known any more
            continue
        rows: list[Row] = []
        done = list(reading.done)  # counts once its rows are handed over
        oldest: float | None = None
        for raw in answer.data:
            told = feed.post(raw)
            if told.at is not None:
                oldest = told.at.timestamp() if oldest is None else min(oldest, told.at.timestamp())
                reading.top = max(reading.top, told.at.timestamp())
            if told.key in done:
                continue
            rows += told.rows
            if told.comments is not None:
                said, more = await _comments(graph, feed, told.key, told.comments, reading.looked)
                rows += said
                done.append(told.key)
                if more:
                    reading.done = list(done)
                    yield Page(rows=tuple(rows), cursor=position())
                    rows = []
        ended = not answer.after or (oldest is not None and oldest <= reading.mark)  # a page in between may be empty
        if answer.after and answer.after == reading.after:
            raise Malformed("The list of posts goes in circles.", provider_code="paging")
        reading.after, reading.done = "" if ended else answer.after, []
        if ended:
            reading.mark, reading.top, reading.looked, reading.over = max(reading.mark, reading.top), 0.0, began, True
        if rows:
            yield Page(rows=tuple(rows), cursor=position())
        if ended:
            return
    raise Malformed("The list of posts does not end.", provider_code="paging")


async def _comments(graph: Graph, feed: Feed, post: str, edge: Edge, looked: float) -> tuple[list[Row], bool]:
    """The comments on a post that are not known: those that came with it, and older ones from there on; whether more had to be asked."""
    rows: list[Row] = []
    nameless = asked = 0
    while True:
        oldest: datetime | None = None
        for raw in edge.data:
            told = feed.comment(raw, post)
            oldest = told.at or oldest
            nameless += not told.rows
            rows += told.rows
        known = oldest is not None and oldest.timestamp() < looked
        if not edge.after or known or asked == MAX_COMMENTS:
            break
        asked += 1
        params = [*feed.comment_params, ("limit", str(LISTED)), ("after", edge.after)]
        edge = await graph.ask(f"{part(post)}/comments", Edge, params, token=feed.token)
    if nameless:
        text = f"It is not said who wrote {nameless} of the comments on this post. They are left out."
        item = Unreadable(key=f"{post}:comments", outcome="SKIPPED", message=text, reason="UNREADABLE", container=feed.container)
        rows.append(Row(item=item))
    return rows, asked > 0
