"""Reading an inbox of Meta's: the conversations of a page or of an Instagram account, the latest first, and their messages.

The Graph has no delta token: conversations stand in the order of their last message, so that a run ends at the first that is older than
the last one seen, and each conversation is read down to what was known; those of the last day are looked at again, for reactions and what
was taken back. Lists are taken by cursors, never by time ("time-based
pagination is not available for the conversations endpoint"). Of an Instagram conversation the 20 latest messages can be read
(graph-api/reference/conversation). Knows no tokens' owners.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

import msgspec

from providers.entries import readable
from providers.errors import Malformed, Refused
from providers.meta.api import Edge, Graph, instant, part
from providers.meta.item import MESSAGE_FIELDS, TALK_FIELDS, Inbox, Said, Thread, head, message, when
from providers.records import Gone, Page, Row, Statement, Unreadable

LISTED: Final = 25  # conversations at a time
READ: Final = 50  # messages at a time
INSTAGRAM_READ: Final = 20  # what can be read of an Instagram conversation at all
OVERLAP: Final = 60.0  # seconds by which the order of conversations may be behind
#: A conversation of the last day is looked at so often though nothing was written; of how many, and how many of its messages are known.
ACTIVE: Final = timedelta(days=1)
LOOK: Final = timedelta(hours=1)
LIVELY, RECENT = 10, 20
MAX_LISTS: Final = 10_000


class Talk(msgspec.Struct, omit_defaults=True):
    """A conversation that is to be read down to `since` (POSIX seconds), from `after` on; so many messages of it were, on so many pages.

    `again`: only its latest ones are looked at. `missed`: it was not shown once, which may pass.
    """

    thread: Thread
    since: float
    after: str = ""
    read: int = 0
    pages: int = 0
    again: bool = False
    missed: bool = False


class Lively(msgspec.Struct, omit_defaults=True):
    """A conversation with its latest messages by their ids, and when they were looked at (POSIX seconds)."""

    thread: Thread
    looked: float
    ids: list[str]


class Walk(msgspec.Struct, omit_defaults=True):
    """An inbox between two runs: read down to `mark` (POSIX seconds). While a walk is under way, `top` is the newest that it met, `talks`
    are the conversations that are to be read, `after` is where the list goes on, None at its end, and `lists` how many pages it took.
    `met` is the newest of the pass before this one: what moved up meanwhile was on none of its pages. `lively` are the latest conversations.
    `over`: this run is done with it, which may go on elsewhere. `missed` are tried once more by the next one.
    """

    mark: float = 0.0
    top: float = 0.0
    met: float | None = None
    talks: list[Talk] = []
    after: str | None = None
    lists: int = 0
    lively: dict[str, Lively] = {}
    missed: list[Talk] = []
    over: bool = False


async def walk(
    graph: Graph, inbox: Inbox, place: Walk, cursor: Callable[[], bytes], *, token: str | None = None, path: str | None = None
) -> AsyncIterator[Page]:
    """What is new in an inbox, a page of messages at a time; `cursor` gives the position to store with each. Raises ProviderError."""
    until = place.mark - OVERLAP
    asked = path or f"{inbox.owner}/conversations"
    seen: set[str] = set()
    if not place.lists and not place.talks:
        place.talks, place.missed = place.missed, []
    for _ in range(MAX_LISTS):
        while place.talks:
            yield Page(rows=tuple(await _messages(graph, inbox, place, token)), cursor=cursor())
        if place.lists and place.after is None:
            if place.lists == 1 or place.met == place.top:
                break
            place.met, place.lists = place.top, 0
            seen.clear()
        broken = await _listed(graph, inbox, place, until, asked, token)
        if place.after is not None:
            if place.after in seen:
                raise Malformed("The list of conversations goes in circles.", provider_code="paging")
            seen.add(place.after)
        if broken:
            yield Page(rows=tuple(broken), cursor=cursor())
    else:
        raise Malformed("The list of conversations does not end.", provider_code="paging")
    place.mark, place.top, place.met, place.lists = max(place.mark, place.top), 0.0, None, 0
    _look_again(place, graph.session.clock.now().timestamp())
    while place.talks:
        yield Page(rows=tuple(await _messages(graph, inbox, place, token)), cursor=cursor())
    place.over = True
    # nobody counts messages: down to the newest that was known they are complete
    yield Page(cursor=cursor(), statements=(Statement(container=inbox.container, kind="MESSAGE", expected=None),))


async def _listed(graph: Graph, inbox: Inbox, place: Walk, until: float, path: str, token: str | None) -> list[Row]:
    """The next page of conversations into `place.talks`. From the beginning where the Graph does not know the place any more."""
    fields = [("platform", inbox.platform), ("fields", TALK_FIELDS), ("limit", str(LISTED))]
    after = place.after
    try:
        page = await graph.ask(path, Edge, [*fields, *([("after", after)] if after else [])], token=token)
    except Refused as error:
        if not after or error.provider_code != "100":
            raise
        page = await graph.ask(path, Edge, fields, token=token)
    threads, broken = readable(page.data, Thread, inbox.container)
    place.lists, place.after = place.lists + 1, page.after or None
    for thread in threads:
        at = instant(thread.updated_time)
        if at is None:
            broken.append(_lost(thread.id, "This conversation has no time that is understood.", inbox))
        elif at.timestamp() < until or (place.met is not None and at.timestamp() <= place.met):
            place.after = None  # what follows is older still
        else:
            place.top = max(place.top, at.timestamp())
            place.talks.append(Talk(thread=thread, since=until))
    return broken


async def _messages(graph: Graph, inbox: Inbox, place: Walk, token: str | None) -> list[Row]:
    """The next page of the first conversation that is to be read, which is done when it reaches what was known."""
    talk = place.talks[0]
    instagram = inbox.platform == "instagram"
    most = INSTAGRAM_READ - talk.read if instagram else READ
    asked = [("fields", MESSAGE_FIELDS), ("limit", str(RECENT if talk.again else most))]
    try:
        page = await graph.ask(
            f"{part(talk.thread.id)}/messages", Edge, [*asked, *([("after", talk.after)] if talk.after else [])], token=token
        )
    except Refused as error:
        if error.provider_code not in ("not-found", "100"):
            raise
        place.talks.pop(0)  # a conversation that was deleted meanwhile, or whose rest is not shown
        if not talk.missed:
            place.missed.append(Talk(thread=talk.thread, since=talk.since, missed=True))
            return []
        place.lively.pop(talk.thread.id, None)
        return [_lost(talk.thread.id, f"This conversation is not shown (any more): {error.message}", inbox)]
    messages, rows = readable(page.data, Said, inbox.container)
    talk.read, talk.pages = talk.read + len(page.data), talk.pages + 1
    if talk.pages > MAX_LISTS:
        raise Malformed("A conversation does not end.", provider_code="paging")
    ended = talk.again or not page.after or page.after == talk.after
    if not talk.after:
        rows += _taken_back(graph, place, talk, messages, whole=not page.after)
    for said in messages:
        at = when(said)
        if at is None or said.sender is None:
            rows.append(_lost(said.id, "This message is shown without its time or its author. It is left out.", inbox))
            continue
        ended = ended or at.timestamp() < talk.since
        rows.append(Row(item=message(said, at, talk.thread, inbox)))
    updated = instant(talk.thread.updated_time)
    if not talk.after and updated is not None:
        rows.append(Row(item=head(talk.thread, updated, inbox)))
    if not ended and instagram and talk.read >= INSTAGRAM_READ:
        rows.append(_unshown(talk.thread, inbox))
        ended = True
    if ended:
        place.talks.pop(0)
    else:
        talk.after = page.after
    return rows


def _taken_back(graph: Graph, place: Walk, talk: Talk, messages: list[Said], *, whole: bool) -> list[Row]:
    """Messages of the last look that are not there any more, as far down as this page goes, which may be the `whole` conversation; what is
    there now is remembered."""
    ids = [said.id for said in messages]
    known = place.lively.pop(talk.thread.id, None)
    gone: list[str] = []
    if known is not None and ids:
        # of what was known, all down to the last that is still there; below it the page may just end
        there = [n for n, each in enumerate(known.ids) if each in ids]
        end = len(known.ids) if whole else max(there, default=0)
        gone = [each for each in known.ids[:end] if each not in ids]
    if ids:
        place.lively[talk.thread.id] = Lively(talk.thread, graph.session.clock.now().timestamp(), ids[:RECENT])
    latest = sorted(place.lively.values(), key=lambda each: str(each.thread.updated_time), reverse=True)
    place.lively = {each.thread.id: each for each in latest[:LIVELY]}
    return [Row(item=Gone(kind="MESSAGE", key=each)) for each in gone]


def _look_again(place: Walk, now: float) -> None:
    """Lively conversations that were not looked at for some time."""
    for each in place.lively.values():
        at = instant(each.thread.updated_time)
        if at is not None and now - at.timestamp() < ACTIVE.total_seconds() and now - each.looked >= LOOK.total_seconds():
            place.talks.append(Talk(thread=each.thread, since=now, again=True))


def _lost(key: str, text: str, inbox: Inbox) -> Row:
    return Row(item=Unreadable(key=key, outcome="SKIPPED", message=text, reason="UNREADABLE", container=inbox.container))


def _unshown(thread: Thread, inbox: Inbox) -> Row:
    text = f"Instagram shows the {INSTAGRAM_READ} latest messages of a conversation; older ones come with its export."
    return Row(
        item=Unreadable(key=thread.id, outcome="SKIPPED", message=text, reason="OUTSIDE_WINDOW", container=inbox.container)
    )
