"""What a mirrored account takes in beyond its follows: direct conversations, the home timeline, notifications, favourites.

Each list is walked from its newest entry down to what the last run had seen (`Mark.newest`), or until it ends; the place on the way is
in the cursor. No list tells of changes, so the newest entries of each are looked at with every run: those that are edited come anew,
those that are no longer listed are asked for one by one, since somebody who is not followed any more has deleted nothing.
Ids are compared by length, then as text: Mastodon's are numbers, others' are not (docs.joinmastodon.org/api/guidelines#id).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from providers.errors import Refused
from providers.mastodon_entity import Account, Context, Conversation, Notification, Status, instant, segment
from providers.mastodon_item import NOTICES, Items, key_of, kind_of, liking_key
from providers.mastodon_server import Server, decoded, readable
from providers.records import Gone, Row

CONVERSATIONS, HOME, NOTIFICATIONS, FAVOURITES = "conversations", "home", "notifications", "favourites"
#: In the order of a walk: what was said to the account first.
WALKS: Final = (CONVERSATIONS, HOME, NOTIFICATIONS, FAVOURITES)
PATHS: Final = {
    CONVERSATIONS: "/api/v1/conversations",
    HOME: "/api/v1/timelines/home",
    NOTIFICATIONS: "/api/v1/notifications",
    FAVOURITES: "/api/v1/favourites",
}
#: The largest pages (docs.joinmastodon.org/methods/conversations#get, /timelines#home, /notifications#get, /favourites#get).
PAGE: Final = 40
#: Entries that are missing and asked for one by one with a run.
CHECKED: Final = 20
#: Refusals after which the other lists are read all the same: not granted when the account was linked, or not there on this server.
LEFT_OUT: Final = frozenset({"scope", "403", "404", "not-found"})
LOST: Final = frozenset({"404", "410", "not-found"})


class Mark(msgspec.Struct, omit_defaults=True, frozen=True):
    """How far a list was taken in: its newest id, and the entries of its first page by id, with the key of what each became."""

    newest: str = ""
    recent: dict[str, str] = {}


class Step(msgspec.Struct, frozen=True):
    """A page of a list: its rows, the query of the next one (empty at the end), and what the list is marked with when it ends."""

    rows: list[Row]
    query: str
    mark: Mark


class Entry(msgspec.Struct, frozen=True):
    """One entry of a list: its id there, the key of what it became, and its rows."""

    id: str
    key: str
    rows: list[Row]


class Mirrored:
    """The lists of one account."""

    def __init__(self, server: Server, items: Items, me: Account) -> None:
        self._server = server
        self._items = items
        self._me = me

    async def walk(self, walk: str, query: str, seen: Mark, begun: Mark) -> AsyncIterator[Step]:
        """A list from the page `query` on (its newest when empty), down to `seen`. `begun` is the mark of a walk that goes on."""
        mark = begun
        top = not query
        try:
            async for items, broken, following in self._server.listed(PATHS[walk], query, self._first(walk), msgspec.Raw):
                rows, listed = await self._rows(walk, items, seen, top)
                if top:
                    mark = Mark(newest=max(listed, key=_age, default=seen.newest), recent=listed)
                    rows += await self._missing(walk, seen, listed, whole=not following)
                    top = False
                reached = any(_is_known(walk, entry, seen) for entry in listed)
                yield Step(broken + rows, "" if reached else following, mark)
                if reached:
                    return
        except Refused as error:
            if error.provider_code not in LEFT_OUT:
                raise
            yield Step([], "", seen)

    def _first(self, walk: str) -> Sequence[tuple[str, str]]:
        limit = ("limit", str(PAGE))
        return (limit, *(("types[]", kind) for kind in NOTICES)) if walk == NOTIFICATIONS else (limit,)

    async def _rows(self, walk: str, items: Sequence[msgspec.Raw], seen: Mark, top: bool) -> tuple[list[Row], dict[str, str]]:
        """The rows of a page, and its entries by id. Of entries that were seen only those of the first page come again."""
        rows: list[Row] = []
        listed: dict[str, str] = {}
        for item in items:
            found: Entry | None
            if walk == CONVERSATIONS:
                talks, broken = readable([item], Conversation, walk)
                found = await self._talk(talks[0], seen) if talks else None
            elif walk == NOTIFICATIONS:
                notices, broken = readable([item], Notification, walk)
                found = self._notice(notices[0], bytes(item)) if notices else None
            else:
                posts, broken = readable([item], Status, walk)
                make = self._liking if walk == FAVOURITES else self._post
                found = make(posts[0], bytes(item), seen) if posts else None
            rows += broken
            if found is not None:
                listed[found.id] = found.key
                if top or not _is_known(walk, found.id, seen):
                    rows += found.rows
        return rows, listed

    def _post(self, post: Status, original: bytes, seen: Mark) -> Entry | None:
        if post.visibility == "direct":  # it is in a conversation
            return None
        return Entry(post.id, key_of(post), [Row(item=self._items.post(post, original, HOME))])

    def _liking(self, post: Status, original: bytes, seen: Mark) -> Entry:
        # of what was a favourite before the account was linked it is only certain that it is no older than the post
        at = None if seen.recent else instant(post.created_at)
        known = post.id in seen.recent  # an entry never changes, and its moment would
        return Entry(
            post.id,
            liking_key(post),
            [] if known else [Row(item=self._items.liking(post, self._me, original, FAVOURITES, at))],
        )

    def _notice(self, told: Notification, original: bytes) -> Entry:
        act = self._items.notice(told, self._me, original, NOTIFICATIONS)
        return Entry(told.id, "" if act is None else act.key, [] if act is None else [Row(item=act)])

    async def _talk(self, talk: Conversation, seen: Mark) -> Entry | None:
        """A conversation's posts and who is in it; only the latest post where nothing was said since. None once all are deleted."""
        last = talk.last_status
        if last is None:
            return None
        kind = kind_of(talk)
        posts = [last]
        if not _is_known(CONVERSATIONS, last.id, seen):
            before, after = await self._around(last)
            posts = [*before, last, *after]
            if before:  # what answers an earlier post stands beside the latest one, not around it
                posts += (await self._around(before[0]))[1]
        rows = []
        for post in {post.id: post for post in posts}.values():
            unread = bool(talk.unread) if post.id == last.id and post.account.id != self._me.id else False
            rows.append(Row(item=self._items.message(post, talk, kind, unread)))
        head = msgspec.structs.replace(self._items.head(talk, last), last_message=None)
        return Entry(last.id, key_of(last), [*rows, Row(item=head)])

    async def _around(self, post: Status) -> tuple[list[Status], list[Status]]:
        """The posts above and below one in its thread; none where it was deleted since it was listed."""
        try:
            answer = await self._server.get(f"/api/v1/statuses/{segment(post.id)}/context")
        except Refused as error:
            if error.provider_code in LOST:
                return [], []
            raise
        context = decoded(answer, Context)
        return readable(context.ancestors, Status)[0], readable(context.descendants, Status)[0]

    async def _missing(self, walk: str, seen: Mark, listed: dict[str, str], *, whole: bool) -> list[Row]:
        """What the first page showed the last time and does not show now, of that which is really gone. `whole`: it is the only page."""
        if walk == NOTIFICATIONS:  # one that was dismissed is no less true
            return []
        oldest = min(listed, key=_age, default="")
        gone: list[Row] = []
        checked = 0
        for entry, key in seen.recent.items():
            if entry in listed or (not whole and walk != FAVOURITES and _age(entry) < _age(oldest)) or checked >= CHECKED:
                continue
            checked += 1
            if await self._is_gone(walk, entry):
                gone.append(Row(item=Gone(kind="MESSAGE" if walk == CONVERSATIONS else "ACTIVITY", key=key)))
        return gone

    async def _is_gone(self, walk: str, entry: str) -> bool:
        try:
            answer = await self._server.get(f"/api/v1/statuses/{segment(entry)}")
        except Refused as error:
            if error.provider_code in LOST:
                return True
            raise
        return walk == FAVOURITES and decoded(answer, Status).favourited is False


def _age(entry: str) -> tuple[int, str]:
    return len(entry), entry


def _is_known(walk: str, entry: str, seen: Mark) -> bool:
    """Whether everything from this entry down was taken in before. Favourites stand in an order of their own."""
    if walk == FAVOURITES:
        return entry in seen.recent
    return bool(seen.newest) and _age(entry) <= _age(seen.newest)
