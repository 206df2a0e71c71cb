"""What a mirrored account takes in beyond its follows: direct conversations, the home timeline, notifications, own posts, favourites.

Each list is walked from its newest entry down to what the last run had seen (`Mark.newest`), or until it ends; the place on the way is
in the cursor, so that nothing is left out however often a line is cut. No list tells of changes, so the newest entries of each are looked
at with every run: those that are edited come anew, those that are no longer listed are asked for one by one, since somebody who is not
followed any more has deleted nothing. What a conversation means is in `talks.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from providers.errors import Refused
from providers.mastodon.entity import Account, Conversation, Notification, Status, instant, segment
from providers.mastodon.item import DIRECT, NOTICES, Items, key_of, liking_key
from providers.mastodon.server import Server, decoded, readable
from providers.mastodon.talks import LOST, Remembered, Talks, age
from providers.records import Gone, Reacted, Row, Unreadable

CONVERSATIONS, HOME, NOTIFICATIONS, OWN, FAVOURITES = "conversations", "home", "notifications", "own", "favourites"
#: In the order of a walk: what was said to the account first.
WALKS: Final = (CONVERSATIONS, HOME, NOTIFICATIONS, OWN, FAVOURITES)
PATHS: Final = {
    CONVERSATIONS: "/api/v1/conversations",
    HOME: "/api/v1/timelines/home",
    NOTIFICATIONS: "/api/v1/notifications",
    OWN: "/api/v1/accounts/{me}/statuses",
    FAVOURITES: "/api/v1/favourites",
}
#: What people call each list, and the scope that it takes (docs.joinmastodon.org/api/oauth-scopes).
SHOWN: Final = {
    CONVERSATIONS: ("direct conversations", "read:statuses"), HOME: ("home timeline", "read:statuses"),
    NOTIFICATIONS: ("notifications", "read:notifications"), OWN: ("own posts", "read:statuses"), FAVOURITES: ("favourites", "read:favourites"),
}  # fmt: skip
#: The largest pages (docs.joinmastodon.org/methods/conversations#get, /timelines#home, /notifications#get, /accounts#statuses, /favourites#get).
PAGE: Final = 40
#: Entries that are missing and asked for one by one with a run.
CHECKED: Final = 20
#: Refusals after which the other lists are read all the same: not granted when the account was linked, or not there on this server.
LEFT_OUT: Final = frozenset({"scope", "403", "404", "not-found"})


class Mark(msgspec.Struct, omit_defaults=True, frozen=True):
    """How far a list was taken in: its newest id, and the entries of its first page by id, with the key of what each became.

    Of conversations, `posts` are the latest of all of them.
    """

    newest: str = ""
    recent: dict[str, str] = {}
    posts: dict[str, Remembered] = {}


class Step(msgspec.Struct, frozen=True):
    """A page of a list: its rows, the query of the next one (empty at the end), and what the list is marked with when it ends.

    `talks` are the numbers that the server has for its conversations, `posts` what is known of the latest direct posts now.
    """

    rows: list[Row]
    query: str
    mark: Mark
    talks: tuple[str, ...] = ()
    posts: dict[str, Remembered] = {}


class Entry(msgspec.Struct, frozen=True):
    """One entry of a list: its id there, the key of what it became, and its rows."""

    id: str
    key: str
    rows: list[Row]


class Mirrored:
    """The lists of one account."""

    def __init__(self, server: Server, items: Items, me: Account, talks: Talks) -> None:
        self._server = server
        self._items = items
        self._me = me
        self._talks = talks
        self._posts: set[str] = set()  # told by the home timeline in this run

    async def walk(self, walk: str, query: str, seen: Mark, begun: Mark) -> AsyncIterator[Step]:
        """A list from the page `query` on (its newest when empty), down to `seen`. `begun` is the mark of a walk that goes on."""
        mark = begun
        top = not query
        path = PATHS[walk].format(me=segment(self._me.id))
        try:
            async for items, broken, following in self._server.listed(path, query, self._first(walk), msgspec.Raw):
                rows, listed = await self._rows(walk, items, seen, top)
                if top:
                    mark = Mark(newest=max(listed, key=age, default=seen.newest), recent={} if walk == CONVERSATIONS else listed)
                    rows += await self._missing(walk, seen, listed, whole=not following)
                    top = False
                if walk == CONVERSATIONS:
                    rows += await self._talks.again()
                    mark = Mark(newest=max(mark.newest, seen.newest, key=age), posts=self._talks.recent())
                reached = any(_is_known(walk, entry, seen) for entry in listed)
                yield Step(
                    broken + rows, "" if reached else following, mark, self._talks.take_numbers(), self._talks.recent()
                )  # fmt: skip
                if reached:
                    return
        except Refused as error:
            if error.provider_code not in LEFT_OUT:
                raise
            yield Step(_withheld(walk) if error.provider_code == "scope" else [], "", seen, posts=self._talks.recent())

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
                told, broken = readable([item], Conversation, walk)
                found = await self._talk(told[0]) if told else None
            elif walk == NOTIFICATIONS:
                notices, broken = readable([item], Notification, walk)
                found = await self._notice(notices[0], bytes(item), seen) if notices else None
            else:
                posts, broken = readable([item], Status, walk)
                make = self._liking if walk == FAVOURITES else self._own if walk == OWN else self._post
                found = await make(posts[0], bytes(item), seen) if posts else None
            rows += broken
            if found is not None:
                listed[found.id] = found.key
                if top or not _is_known(walk, found.id, seen):
                    rows += found.rows
        return rows, listed

    async def _talk(self, talk: Conversation) -> Entry | None:
        """A conversation; None once all of its posts are deleted."""
        last = talk.last_status
        return None if last is None else Entry(last.id, key_of(last), await self._talks.talk(talk))

    async def _post(self, post: Status, original: bytes, seen: Mark) -> Entry | None:
        if post.visibility == DIRECT:  # it is in a conversation
            return None
        self._posts.add(post.id)
        return Entry(post.id, key_of(post), [Row(item=self._items.post(post, original, HOME))])

    async def _own(self, post: Status, original: bytes, seen: Mark) -> Entry | None:
        """What the account posted itself, of which the home timeline has the latest only."""
        if post.visibility != DIRECT:
            told = post.id in self._posts
            return Entry(post.id, key_of(post), []) if told else await self._post(post, original, seen)
        return Entry(post.id, "", [] if _is_known(OWN, post.id, seen) else await self._talks.mentioned(post))

    async def _liking(self, post: Status, original: bytes, seen: Mark) -> Entry:
        known = post.id in seen.recent  # an entry never changes, and its moment would
        if post.visibility == DIRECT:
            return Entry(post.id, "", [] if known else self._reaction(post, self._me))
        # of what was a favourite before the account was linked it is only certain that it is no older than the post
        at = None if seen.recent else instant(post.created_at)
        liking = Row(item=self._items.liking(post, self._me, original, FAVOURITES, at))
        return Entry(post.id, liking_key(post), [] if known else [liking])

    async def _notice(self, told: Notification, original: bytes, seen: Mark) -> Entry:
        post = told.status
        if post is not None and post.visibility == DIRECT:
            if _is_known(NOTIFICATIONS, told.id, seen):
                return Entry(told.id, "", [])
            if told.type == "favourite":
                return Entry(told.id, "", self._reaction(post, told.account))
            return Entry(told.id, "", await self._talks.mentioned(post) if told.type == "mention" else [])
        act = self._items.notice(told, self._me, original, NOTIFICATIONS)
        return Entry(told.id, "" if act is None else act.key, [] if act is None else [Row(item=act)])

    def _reaction(self, post: Status, who: Account) -> list[Row]:
        """A favourite among direct posts, which is a reaction to a message, where that is not one of the latest."""
        reaction = Reacted(message=key_of(post), reaction=self._items.reaction(who), container=DIRECT)
        return [] if self._talks.knows(post) else [Row(item=reaction)]

    async def _missing(self, walk: str, seen: Mark, listed: dict[str, str], *, whole: bool) -> list[Row]:
        """What the first page showed the last time and does not show now, of that which is really gone. `whole`: it is the only page."""
        if walk in (NOTIFICATIONS, CONVERSATIONS):  # a notice that was dismissed is no less true; of posts `Talks` sees to it
            return []
        oldest = min(listed, key=age, default="")
        gone: list[Row] = []
        checked = 0
        for entry, key in seen.recent.items():
            if (
                entry in listed
                or not key
                or (not whole and walk != FAVOURITES and age(entry) < age(oldest))
                or checked >= CHECKED
            ):
                continue
            checked += 1
            if await self._is_gone(walk, entry):
                gone.append(Row(item=Gone(kind="ACTIVITY", key=key)))
        return gone

    async def _is_gone(self, walk: str, entry: str) -> bool:
        try:
            answer = await self._server.get(f"/api/v1/statuses/{segment(entry)}")
        except Refused as error:
            if error.provider_code in LOST:
                return True
            raise
        return walk == FAVOURITES and decoded(answer, Status).favourited is False


def _withheld(walk: str) -> list[Row]:
    """What the account says of a list that it was not allowed."""
    called, scope = SHOWN[walk]
    text = f"The server was not allowed to show your {called}. Link the account again and allow {scope}."
    return [Row(item=Unreadable(key=walk, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=walk))]


def _is_known(walk: str, entry: str, seen: Mark) -> bool:
    """Whether everything from this entry down was taken in before. Favourites stand in an order of their own."""
    if walk == FAVOURITES:
        return entry in seen.recent
    return bool(seen.newest) and age(entry) <= age(seen.newest)
