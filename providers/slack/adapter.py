"""Slack, mirrored: the members of a workspace, and every conversation that the user is in, with threads and files.

Speaks the Web API with a user's token. Slack tells neither what changed nor how much there is: what has news is found by one search, or
where that is not allowed by looking into every conversation; history is read by times, since Slack's own places in lists do not last.
Being called is in `events.py`, sending and read marks in `sending.py`. Knows nothing of bots, workflows or administration.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from providers import cursors
from providers.archives.slack import SlackArchive
from providers.base import Adapter, Authorization, FormField, LinkForm, Provider
from providers.entries import readable
from providers.errors import CursorExpired, Malformed, Refused
from providers.http import Session
from providers.push import Line, Subscription
from providers.quota import Quota
from providers.records import (
    ConversationHead,
    ConversationKind,
    Gone,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OwnAddress,
    Page,
    Profile,
    Row,
    Statement,
    Submitted,
    Unreadable,
)
from providers.slack import events as slack_events
from providers.slack import files as slack_files
from providers.slack import sending as slack_sending
from providers.slack.api import HOME, KEY, PARTIAL, ask, give_back, instant_text, signed_in
from providers.slack.message import (
    MAX_REACTIONS,
    MEMBERS,
    Place,
    Post,
    User,
    channel_name,
    contact,
    instant,
    message,
    participant,
    seconds,
    short,
)
from providers.slack.permitted import types, withheld

#: docs.slack.dev/apis/web-api/pagination: "no more than 200 results at a time".
LISTED: Final = 200
FOUND: Final = 100  # the most that a page of a search may have
#: What apps outside of Slack's Marketplace get of a history, once a minute (changelog of 29 May 2025).
FEW: Final = 15
#: Messages of a conversation that are known by name, to see which were taken back: a whole page of a lively one, of others a few.
RECENT: Final = 20
#: Of lively conversations one page a run is read again, round after round, down to here: for edits and reactions below the latest page.
AGAIN: Final = timedelta(days=7)
MAX_PAGES: Final = 10_000
SEARCHES: Final = 10  # pages of news; what is more, is looked for in every conversation
#: Slack's search runs behind its messages.
OVERLAP: Final = timedelta(minutes=10)
#: A conversation of the last day is looked at so often though nothing was written: for edits, deletions, and what was read.
ACTIVE: Final = timedelta(days=1)
LOOK: Final = timedelta(hours=1)
#: Members are listed with each run where few pages hold them all, else so often.
FEW_PAGES: Final = 5
CENSUS: Final = timedelta(hours=6)
FILE_BYTES: Final = 64 * 1024 * 1024
PIECE: Final = 256 * 1024
ENDED: Final = "\n"  # a walk that was taken up in the middle has ended: no cursor of Slack's looks so
APPS: Final = "https://api.slack.com/apps"
READING: Final = (
    "users:read", "users:read.email", "channels:read", "channels:history", "groups:read", "groups:history", "im:read", "im:history",
    "mpim:read", "mpim:history", "search:read", "files:read",
)  # fmt: skip
SCOPES: Final = (*READING, *slack_sending.SENDING, *slack_files.SCOPES, *slack_sending.MARKING)


class Me(msgspec.Struct, frozen=True):
    """auth.test."""

    url: str
    team: str
    user: str
    team_id: str
    user_id: str
    bot_id: str | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "slack.com"


class Next(msgspec.Struct, frozen=True):
    next_cursor: str = ""


class Members(msgspec.Struct, frozen=True):
    """users.list."""

    members: list[msgspec.Raw]
    response_metadata: Next = Next()


class OneUser(msgspec.Struct, frozen=True):
    user: User


class Channel(msgspec.Struct, frozen=True):
    """docs.slack.dev/reference/objects/conversation-object."""

    id: str
    name: str = ""
    is_im: bool = False
    is_mpim: bool = False
    is_archived: bool = False
    user: str | None = None
    last_read: str | None = None

    @property
    def kind(self) -> ConversationKind:
        return "DIRECT" if self.is_im else "GROUP" if self.is_mpim else "CHANNEL"


class Channels(msgspec.Struct, frozen=True):
    channels: list[Channel]
    response_metadata: Next = Next()


class OneChannel(msgspec.Struct, frozen=True):
    channel: Channel


class Ids(msgspec.Struct, frozen=True):
    members: list[str]


class History(msgspec.Struct, frozen=True):
    """conversations.history and conversations.replies."""

    messages: list[msgspec.Raw]
    has_more: bool = False


class FoundIn(msgspec.Struct, frozen=True):
    id: str


class Match(msgspec.Struct, frozen=True):
    ts: str
    channel: FoundIn
    permalink: str = ""

    @property
    def thread(self) -> str | None:
        """The thread that a message is in is told by its address alone."""
        return next(iter(parse_qs(urlsplit(self.permalink).query).get("thread_ts", [])), None)


class Paging(msgspec.Struct, frozen=True):
    pages: int = 1


class Matches(msgspec.Struct, frozen=True):
    matches: list[Match]
    paging: Paging = Paging()


class Search(msgspec.Struct, frozen=True):
    messages: Matches


class OneFile(msgspec.Struct, frozen=True):
    class Body(msgspec.Struct, frozen=True):
        url_private: str | None = None

    file: Body


class Room(msgspec.Struct, omit_defaults=True):
    """A conversation between two runs. It has been read from `top` down to `low`, `whole` when that is its beginning; `recent` are
    its latest messages by name, `looked` when that was (POSIX seconds). Below them it is read again from `again` on, the last time at
    `turned`."""

    top: str = ""
    low: str = ""
    whole: bool = False
    looked: float = 0.0
    recent: list[str] = []
    again: str = ""
    turned: float = 0.0


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor. `walk` is Slack's own place in the list of members; `mark` the time (POSIX seconds) up to which news were looked for."""

    walk: str = ""
    listed: float = 0.0
    pages: int = 0
    rooms: dict[str, Room] = {}
    mark: float = 0.0
    few: bool = False  # whether Slack gives this app no more than FEW messages at a time
    version: int = 1


class News(msgspec.Struct):
    """Where something was written: conversations, and threads as (conversation, first message). None: nobody tells."""

    rooms: set[str]
    threads: set[tuple[str, str]]


class Slack:
    """A person's account in one workspace."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.realm = ("slack.com",)  # files lie on a host of their own
        self._me = Me(url="", team="", user="", team_id="", user_id="")
        self._people: dict[str, User] = {}
        self._rooms: dict[str, Channel] = {}
        self._others: dict[str, tuple[str, ...]] = {}

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused for a program's: it sees nobody's direct messages."""
        me, granted = await signed_in(self._session, Me)
        token = (await self._session.credentials()).access_token or ""
        if me.bot_id is not None or token.startswith(("xoxb-", "xapp-")):
            raise Refused("This token is a program's. Enter the User OAuth Token, which begins with xoxp.", provider_code="bot")
        user = (await ask(self._session, "users.info", OneUser, user=me.user_id)).user
        own = contact(user, me.host)
        addresses = [OwnAddress(value=own.handles[0].handle, kind="HANDLE", primary=True)]
        addresses += [OwnAddress(value=each.address) for each in own.emails if each.address]
        return Profile(
            user_id=f"{me.team_id}/{me.user_id}",
            label=f"{user.shown} ({short(me.team)})",
            own_addresses=tuple(addresses),
            base_url=self._session.account.base_url,
            granted_scopes=granted,
            contact=msgspec.structs.replace(own, relation="PROFILE", container=""),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Members, then what is new in conversations, then the history that is still missing, the latest first.

        Raises CursorExpired when Slack does not know the place to go on from.
        """
        place = cursors.read(cursor, Position) or Position()
        self._me, granted = await signed_in(self._session, Me)
        began = self._now()
        listing = place.pages <= FEW_PAGES or began - place.listed > CENSUS.total_seconds()
        if place.walk != ENDED and (place.walk or listing):
            async for page in self._members(place):
                yield page
        await self._list_rooms(place, types(granted))
        first = not place.mark
        news = None if first else await self._news(place)
        for channel in [] if first else self._due(place, news, began):
            async for page in self._latest(place, channel, began):
                yield page
        for channel, root in sorted(news.threads) if news is not None else ():
            if channel in place.rooms:
                rows = await self._thread(channel, root, place.mark - OVERLAP.total_seconds())
                if rows:
                    yield Page(rows=tuple(rows), cursor=cursors.written(place))
        place.mark = began
        if not first and (turn := self._turn(place, began)) is not None:
            rows = await self._again(place, turn, began)
            if rows:
                yield Page(rows=tuple(rows), cursor=cursors.written(place))
        while (unread := self._unfinished(place)) is not None:
            yield await self._older(place, unread, began)
        place.walk = ""
        for room in place.rooms.values():
            if not _lively(room, began):
                room.recent, room.again = room.recent[:RECENT], ""
        rows = [*withheld(granted), *([_few()] if place.few else [])]
        yield Page(rows=tuple(rows), cursor=cursors.written(place), done=True)

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The bytes of a file, named by its id. Raises Refused when it is gone."""
        found = (await ask(self._session, "files.info", OneFile, file=part)).file.url_private
        if not found:
            raise Refused("This file is kept somewhere else than at Slack, or is gone.", provider_code="not-found")
        answer = await self._session.request("GET", found, max_bytes=FILE_BYTES)
        if answer.media_type == "text/html" and urlsplit(found).path.rpartition(".")[2] not in ("html", "htm"):
            raise Refused(
                "Slack shows a sign-in page in the place of this file: the token lacks files:read.", provider_code="scope"
            )
        for start in range(0, len(answer.content), PIECE):
            yield answer.content[start : start + PIECE]

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a conversation (sending.py)."""
        return await slack_sending.say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its conversation."""
        return await slack_sending.was_said(self._session, message, step)

    async def edit(self, change: OutgoingEdit, *, again: bool) -> datetime | None:
        """Change what an own message says. Raises ProviderError."""
        return await slack_sending.edit(self._session, change, again=again)

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Delete a message for everybody. Raises ProviderError."""
        return await slack_sending.delete(self._session, deletion)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Move read marks forward. Raises ReauthRequired (`scope`) where the token may not, and ProviderError."""
        await slack_sending.read_up_to(self._session, latest)

    async def join(self, line: Line) -> Subscription:
        """Slack calls for everybody who has installed the app, as long as they have: there is nothing to ask it for."""
        me = await ask(self._session, "auth.test", Me)
        return Subscription(key=me.team_id, expires_at=self._session.clock.now() + timedelta(days=1))

    async def leave(self) -> None:
        """It ends with the app's grant."""

    # --- people -----------------------------------------------------------------------------------------------------

    async def _members(self, place: Position) -> AsyncIterator[Page]:
        """Everybody in the workspace, programs and those who left aside; a walk from the beginning ends with all their keys."""
        whole = not place.walk
        keys: set[str] = set()
        pages = 0
        known: set[str] = set()
        while True:
            try:
                asked = {"limit": str(LISTED), **({"cursor": place.walk} if place.walk else {})}
                page = await ask(self._session, "users.list", Members, **asked)
            except Refused as error:
                if error.provider_code == "invalid_cursor":
                    raise CursorExpired("Slack no longer knows this place in the list of members.") from error
                raise
            users, broken = readable(page.members, User, MEMBERS)
            self._people.update((user.id, user) for user in users)
            wanted = [user for user in users if not user.deleted and not user.automated and user.id != self._me.user_id]
            keys.update(user.id for user in wanted)
            whole = whole and not broken  # whoever cannot be read is not gone
            pages += 1
            after = page.response_metadata.next_cursor
            if after in known:
                raise Malformed("Slack's list goes in circles.", provider_code="paging")
            known.add(after)
            place.walk = after or ENDED
            rows = [*broken, *(Row(item=contact(user, self._me.host)) for user in wanted)]
            if after:
                yield Page(rows=tuple(rows), cursor=cursors.written(place))
                continue
            statements: tuple[Statement, ...] = ()
            if whole:
                place.walk, place.listed, place.pages = "", self._now(), pages
                statements = (Statement(container=MEMBERS, kind="CONTACT", expected=len(keys), keys=frozenset(keys)),)
            else:
                place.pages = 0
            yield Page(rows=tuple(rows), cursor=cursors.written(place), statements=statements)
            return

    async def _know(self, users: Iterable[str | None]) -> None:
        """Learn who these are; a stranger from another workspace may stay an id."""
        for user in dict.fromkeys(user for user in users if user and user not in self._people):
            try:
                self._people[user] = (await ask(self._session, "users.info", OneUser, user=user)).user
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                self._people[user] = User(id=user)

    # --- conversations ----------------------------------------------------------------------------------------------

    async def _list_rooms(self, place: Position, shown: str) -> None:
        """Every conversation of these kinds that the user is in; one that they left keeps its messages and gets no more."""
        after = ""
        for _ in range(MAX_PAGES if shown else 0):
            asked = {"types": shown, "limit": str(LISTED), **({"cursor": after} if after else {})}
            page = await ask(self._session, "users.conversations", Channels, **asked)
            self._rooms.update((each.id, each) for each in page.channels)
            following = page.response_metadata.next_cursor
            if not following or following == after:
                break
            after = following
        place.rooms = {id_: place.rooms.get(id_, Room()) for id_ in self._rooms}

    async def _news(self, place: Position) -> News | None:
        """Where something was written since the last run, by one search; None where that is not allowed, or there is too much."""
        since = place.mark - OVERLAP.total_seconds()
        day = (
            datetime.fromtimestamp(since, UTC) - timedelta(days=2)
        ).date()  # "after" leaves the day out, in the user's own zone
        found = News(set(), set())
        for number in range(1, SEARCHES + 1):
            asked = {
                "query": f"after:{day.isoformat()}",
                "sort": "timestamp",
                "sort_dir": "desc",
                "count": str(FOUND),
                "page": str(number),
            }
            try:
                answer = (await ask(self._session, "search.messages", Search, **asked)).messages
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                return None
            for match in answer.matches:
                if seconds(match.ts) < since:
                    return found
                found.rooms.add(match.channel.id)
                if (root := match.thread) is not None and root != match.ts:
                    found.threads.add((match.channel.id, root))
            if number >= answer.paging.pages or not answer.matches:
                return found
        return None

    def _due(self, place: Position, news: News | None, now: float) -> list[str]:
        """The conversations to look into: with news, or lively and not looked at for long; all where nobody tells."""
        due = []
        for id_, room in place.rooms.items():
            lively = _lively(room, now) and now - room.looked >= LOOK.total_seconds()
            if room.top and (news is None or id_ in news.rooms or lively):
                due.append(id_)
            elif not room.top and room.whole and (news is None or id_ in news.rooms):
                due.append(id_)  # it was empty
        return due

    async def _latest(self, place: Position, channel: str, now: float) -> AsyncIterator[Page]:
        """What is new in a conversation, and its latest messages as they are by now."""
        room = place.rooms[channel]
        top, latest = "", ""
        while True:
            page = await self._history(place, channel, latest)
            if page is None:
                room.whole, room.looked = True, now
                return
            posts, broken, more = page
            stamps = [post.ts for post in posts]
            rows = [*broken, *await self._rows(channel, posts)]
            if not latest:
                rows += self._taken_back(room, channel, stamps, more)
                top = max([room.top, *stamps], key=seconds)
                room.recent, room.looked = stamps[: LISTED if now - seconds(top) < ACTIVE.total_seconds() else RECENT], now
            since = place.mark - OVERLAP.total_seconds()
            for post in posts:
                if post.reply_count and seconds(post.latest_reply or "") >= since:
                    rows += await self._thread(channel, post.ts, since)
            ended = not more or not stamps or seconds(stamps[-1]) <= seconds(room.top)
            if ended:
                room.top = top
            rows += await self._head(channel, top)
            yield Page(rows=tuple(rows), cursor=cursors.written(place))
            if ended:
                return
            latest = stamps[-1]

    def _turn(self, place: Position, now: float) -> str | None:
        """The lively conversation whose turn it is to be read again below its latest page; none for apps that get few messages."""
        waiting = [(room.turned, id_) for id_, room in place.rooms.items() if _lively(room, now) and len(room.recent) >= LISTED]
        return min(waiting)[1] if waiting and not place.few else None

    async def _again(self, place: Position, channel: str, now: float) -> list[Row]:
        """One page that was read before, as it is by now."""
        room = place.rooms[channel]
        room.turned = now
        page = await self._history(place, channel, room.again or room.recent[-1])
        if page is None:
            return []
        posts, broken, more = page
        oldest = min((post.ts for post in posts), key=seconds, default="")
        ended = not more or not oldest or now - seconds(oldest) > AGAIN.total_seconds()
        room.again = "" if ended else oldest
        return [*broken, *await self._rows(channel, posts)]

    async def _older(self, place: Position, channel: str, now: float) -> Page:
        """One step back in one conversation, with the threads that begin there."""
        room = place.rooms[channel]
        began = not room.low
        page = await self._history(place, channel, room.low)
        if page is None:
            room.whole = True
            text = "Slack does not show the history of this conversation."
            item = Unreadable(key=channel, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=channel)
            return Page(rows=(Row(item=item),), cursor=cursors.written(place))
        posts, broken, more = page
        stamps = [post.ts for post in posts]
        rows = [*broken, *await self._rows(channel, posts)]
        for post in posts:
            if post.reply_count:
                rows += await self._thread(channel, post.ts, 0.0)
        if began:
            room.top, room.looked = max(stamps, key=seconds, default=""), now
            room.recent = stamps[: LISTED if _lively(room, now) else RECENT]
        if stamps:
            rows += await self._head(channel, room.top)
        room.low = min(stamps, key=seconds, default=room.low)
        room.whole = not more or not stamps
        # Slack counts nothing: a history is known to be whole when its beginning was reached
        statements = (Statement(container=channel, kind="MESSAGE", expected=None),) if room.whole else ()
        return Page(rows=tuple(rows), cursor=cursors.written(place), statements=statements)

    async def _history(self, place: Position, channel: str, latest: str) -> tuple[list[Post], list[Row], bool] | None:
        """A page of a conversation, the latest first; None where Slack does not show it."""
        asked = {"channel": channel, "limit": str(LISTED), **({"latest": latest} if latest else {})}
        try:
            page = await ask(self._session, "conversations.history", History, **asked)
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            return None
        place.few = place.few or (page.has_more and len(page.messages) == FEW)
        posts, broken = readable(page.messages, Post, channel)
        posts = [post for post in posts if instant_text(post.ts)]
        return posts, broken, page.has_more

    async def _thread(self, channel: str, root: str, since: float) -> list[Row]:
        """The answers of a thread since a time, in their conversation."""
        oldest = f"{since:.6f}" if since else root
        rows: list[Row] = []
        for _ in range(MAX_PAGES):
            asked = {"channel": channel, "ts": root, "oldest": oldest, "limit": str(LISTED)}
            try:
                page = await ask(self._session, "conversations.replies", History, **asked)
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                return rows
            posts, broken = readable(page.messages, Post, channel)
            answers = [post for post in posts if post.ts != root and instant_text(post.ts)]
            rows += [*broken, *await self._rows(channel, answers)]
            following = max((post.ts for post in answers), key=seconds, default=oldest)
            if not page.has_more or following == oldest:
                return rows
            oldest = following
        raise Malformed("Slack's thread does not end.", provider_code="paging")

    async def _rows(self, channel: str, posts: Sequence[Post]) -> list[Row]:
        await self._know(post.user for post in posts)
        await self._know(user for post in posts for sign in post.reactions or () for user in sign.users[:MAX_REACTIONS])
        setting = await self._setting(channel)
        # of the first message of a thread that was deleted the place stays; Slack does not say since when
        gone = [
            Gone(kind="MESSAGE", key=f"{channel}/{post.ts}", deleted_at=self._session.clock.now())
            for post in posts
            if post.removed
        ]
        return [*(Row(item=message(post, setting)) for post in posts if post.shows), *(Row(item=item) for item in gone)]

    async def _setting(self, channel: str) -> Place:
        """A conversation with those in it and up to where the user has read it, asked once a run."""
        room = self._rooms[channel]
        if channel not in self._others:
            self._others[channel] = await self._who(room)
            await self._know(self._others[channel])
            try:
                told = (await ask(self._session, "conversations.info", OneChannel, channel=channel)).channel
                self._rooms[channel] = room = msgspec.structs.replace(room, last_read=told.last_read)
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
        return Place(
            channel=channel, kind=room.kind, team=self._me.host, me=self._me.user_id, people=self._people,
            others=self._others[channel], read=room.last_read or "",
        )  # fmt: skip

    async def _who(self, room: Channel) -> tuple[str, ...]:
        """For whom a message is meant: in a channel for nobody by name."""
        if room.is_im:
            return tuple(dict.fromkeys(user for user in (room.user, self._me.user_id) if user))
        if not room.is_mpim:
            return ()
        try:
            return tuple((await ask(self._session, "conversations.members", Ids, channel=room.id, limit=str(LISTED))).members)
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            return ()

    async def _head(self, channel: str, top: str) -> list[Row]:
        setting, room = await self._setting(channel), self._rooms[channel]
        people = tuple(participant(user, setting, "MEMBER") for user in setting.others)
        subject = None if room.kind != "CHANNEL" else channel_name(room.name)
        item = ConversationHead(
            key=channel, kind=room.kind, last_activity_at=instant(top), subject=subject, participants=people,
            url=f"https://{self._me.host}/archives/{channel}",
        )  # fmt: skip
        return [Row(item=item)]

    def _taken_back(self, room: Room, channel: str, stamps: Sequence[str], more: bool) -> list[Row]:
        """Messages of the last look that are not there any more, as far down as this page goes."""
        end = seconds(stamps[-1]) if stamps and more else 0.0
        gone = [ts for ts in room.recent if ts not in stamps and seconds(ts) >= end]
        return [Row(item=Gone(kind="MESSAGE", key=f"{channel}/{ts}")) for ts in gone]

    def _unfinished(self, place: Position) -> str | None:
        """The conversation whose history goes on next: one that was never looked at, else that whose unread part is the newest."""
        waiting = [(id_, room) for id_, room in place.rooms.items() if not room.whole]
        return max(waiting, key=lambda one: seconds(one[1].low) if one[1].low else float("inf"), default=("", None))[0] or None

    def _now(self) -> float:
        return self._session.clock.now().timestamp()


def _lively(room: Room, now: float) -> bool:
    return now - seconds(room.top) < ACTIVE.total_seconds()


def _few() -> Row:
    text = (
        "Slack gives apps that are distributed outside of its Marketplace 15 messages a minute, so that the history takes very long. "
        "An app made in your own workspace has no such limit: link with its token."
    )
    return Row(item=Unreadable(key="history", outcome="SKIPPED", message=text, reason="FORBIDDEN", container="history"))


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """Slack's sign-in for a user's token, with the operator's own app. Raises Refused with the steps to one where none is set."""
    mine = await session.credentials()
    if not mine.client_id:
        raise Refused(
            f"Signing in at Slack needs an app of this installation's own, made once by its operator at {APPS} with the redirect URL "
            f"{redirect_uri} , then set KITH_SLACK_CLIENT_ID and KITH_SLACK_CLIENT_SECRET. docs/providers/slack.md has the steps.",
            provider_code="no-client",
        )
    parts = urlsplit(session.account.base_url)
    return Authorization(
        authorization_endpoint=f"{parts.scheme}://{parts.netloc}/oauth/v2/authorize",
        token_endpoint=f"{session.account.base_url.rstrip('/')}/oauth.v2.access",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=(),
        pkce=False,
        base_url=session.account.base_url,
        extra={"user_scope": ",".join(SCOPES), "token_endpoint_auth_method": "client_secret_post", "token_member": "authed_user"},
    )


def _open(session: Session) -> Adapter:
    return Slack(session)


PROVIDER = Provider(
    key=KEY,
    name="Slack",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "SEND",
            "REPLY",
            "EDIT_MESSAGE",
            "DELETE_MESSAGE",
            "READ_STATE",
            "PUSH",
            "MIRROR",
            "IMPORT",
            "ATTACHMENTS",
        }
    ),
    marks=frozenset({"READ"}),
    moderates=True,
    files=slack_files.MOST,
    file_scopes=frozenset(slack_files.SCOPES),
    limitations=(
        "Free workspaces show the last 90 days, and Slack deletes what is older than a year.",
        "Edits and reactions are seen in the latest 200 messages of a conversation, and in those of a week where something was written within a day; "
        "deletions in the latest 200.",
        "What you read elsewhere shows when a conversation is looked at: at its next message, or within an hour on lively days.",
        "E-mail addresses are shown where the workspace shows them to you.",
        "No conversations are made from here.",
        "An export is a snapshot. Most hold public channels only; private ones and direct messages need a larger plan and Slack's consent.",
        "Files in an export are named, not kept; read state is not in it.",
    ),
    archive_formats=("SLACK",),
    archive=SlackArchive(),
    link_forms=(
        LinkForm(
            method="TOKEN",
            label="User token",
            fields=(
                FormField(name="access_token", label="User OAuth Token", kind="PASSWORD", secret=True, placeholder="xoxp-…"),
            ),
            help="From an app of your own in your workspace: OAuth & Permissions → User OAuth Token.",
            help_url=APPS,
            scopes=SCOPES,
        ),
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with Slack",
            help="Needs an app of this installation's own.",
            help_url=APPS,
            scopes=SCOPES,
        ),
    ),
    quota=Quota(
        calls=50,
        seconds=60.0,
        concurrency=2,
        sentence="Slack allows 20 to 100 calls a minute, by method; Kith counts units, so that none of these is exceeded.",
    ),
    docs_path="docs/providers/slack.md",
    write_scopes={
        "READ_STATE": frozenset(slack_sending.MARKING),
        "EDIT_MESSAGE": frozenset(slack_sending.SENDING),
        "DELETE_MESSAGE": frozenset(slack_sending.SENDING),
    },
    poll_seconds=300,
    default_url=HOME,
    open=_open,
    authorize=authorize,
    give_back=give_back,
    send_scopes=frozenset(slack_sending.SENDING),
    switchboard=slack_events.switchboard,
    line="slack_events",
)
