"""Bluesky, mirrored: whom one follows and is followed by as contacts, chat as conversations, posts as activities.

An account lives on a server of its own choosing (a PDS of the AT Protocol), which keeps what the account wrote and passes all other
questions on: to an AppView for profiles and followers (`app.bsky.*`), to the chat service for messages (`chat.bsky.*`). Whether anything
of one's own changed is told by the revision of the repository; chat has a log; followers have neither and are listed again each hour.
Sessions and errors are in `atproto.py`, messages in `bluesky_chat.py` and
`bluesky_sending.py`, posts in `bluesky_post.py`. Knows nothing of feeds and lists.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import httpx2 as httpx
import msgspec

from providers import atproto, atproto_oauth, bluesky_chat, cursors
from providers.archives.bluesky_car import CarArchive
from providers.atproto import DID, HANDLE, Xrpc, instant, origin, readable, typed_name
from providers.base import FormField, LinkForm, Provider, SignedIn
from providers.bluesky_chat import Cast, Convo, Entry, Known, MessageView
from providers.bluesky_post import (
    KEY,
    POSTS,
    TIMELINE,
    Author,
    FeedItem,
    Record,
    activity,
    handle_of,
    long,
    own_activity,
    profile_url,
    short,
    web,
)
from providers.bluesky_sending import delete, react, read_up_to, say, was_said
from providers.bluesky_watch import Place, hints
from providers.errors import CursorExpired, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.quota import Quota
from providers.records import (
    Contact,
    Gone,
    Handle,
    MessageState,
    Name,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingReaction,
    OwnAddress,
    Page,
    Photo,
    Profile,
    Relation,
    Row,
    Statement,
    Submitted,
    Unreadable,
    Url,
)
from providers.session import Secret

PEOPLE: Final = "follows"
CHAT: Final = "chat"
FOLLOWS: Final = "app.bsky.graph.follow"
#: The two lists in the order of a walk.
FOLLOWING, FOLLOWERS = "following", "followers"
#: The largest pages that the lexicons allow.
LIST: Final = 100
PROFILES: Final = 25
#: A million of anything, or a server that never ends.
MAX_PAGES: Final = 10_000
#: Followers have no delta: they are listed again after so long.
WALK: Final = timedelta(hours=1)
#: Keys of a walk that are kept, so that it can be taken up; of more people only an uninterrupted walk shows who is gone.
KEPT: Final = 20_000
RECENT: Final = 100  # own posts of which a deletion is noticed
#: How far back the timeline is read: at first, and after an absence.
FIRST_TIMELINE, LATER_TIMELINE = 5, 20
#: What happens in a conversation that shows it in another way.
RESHAPED: Final = frozenset(
    {"logBeginConvo", "logAcceptConvo", "logAddMember", "logRemoveMember", "logMemberJoin", "logMemberLeave", "logEditGroup"}
)


class Own(msgspec.Struct, frozen=True):
    """com.atproto.server.getSession."""

    did: str
    handle: str
    active: bool = True


class Commit(msgspec.Struct, frozen=True):
    """com.atproto.sync.getLatestCommit."""

    rev: str


class Records(msgspec.Struct, frozen=True):
    """com.atproto.repo.listRecords."""

    records: list[msgspec.Raw]
    cursor: str | None = None


class Follow(msgspec.Struct, frozen=True):
    subject: str


class Viewer(msgspec.Struct, frozen=True):
    """app.bsky.actor.defs#viewerState."""

    following: str | None = None
    followedBy: str | None = None


class Person(Author, frozen=True):
    """app.bsky.actor.defs#profileView and #profileViewDetailed."""

    description: str | None = None
    website: str | None = None
    pronouns: str | None = None
    followersCount: int | None = None
    followsCount: int | None = None
    createdAt: str | None = None
    viewer: Viewer = Viewer()


class People(msgspec.Struct, frozen=True):
    """app.bsky.actor.getProfiles."""

    profiles: list[msgspec.Raw]


class Followers(msgspec.Struct, frozen=True):
    """app.bsky.graph.getFollowers."""

    followers: list[msgspec.Raw]
    cursor: str | None = None


class Feed(msgspec.Struct, frozen=True):
    """app.bsky.feed.getTimeline."""

    feed: list[msgspec.Raw]
    cursor: str | None = None


class Convos(msgspec.Struct, frozen=True):
    """chat.bsky.convo.listConvos."""

    convos: list[msgspec.Raw]
    cursor: str | None = None


class OneConvo(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getConvo."""

    convo: Convo


class Members(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getConvoMembers."""

    members: list[Author]
    cursor: str | None = None


class History(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getMessages."""

    messages: list[msgspec.Raw]
    cursor: str | None = None
    relatedProfiles: list[Author] = []


class Log(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getLog."""

    logs: list[msgspec.Raw]
    cursor: str | None = None


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor.

    `log` is the place in the chat's log, `convos` what is known of conversations, all of which are `listed` once. `walk` names the list
    that is being walked, from `token` on; `keys` are those met so far, None when they are too many to be kept. `follows` are those of the
    last whole walk, at `walked` (POSIX seconds), when the repository was at `rev`. `recent` are own posts, newest first, at `posts_rev`;
    `older` is the place in the posts before them, None when all are read. `shown` is the newest of the timeline.
    """

    version: int = 1
    log: str = ""
    listed: bool = False
    refused: bool = False
    convos: dict[str, Known] = {}
    walk: str = ""
    token: str = ""
    keys: list[str] | None = []
    follows: list[str] = []
    walked: float = 0.0
    rev: str = ""
    recent: list[str] = []
    posts_rev: str = ""
    older: str | None = ""
    shown: str = ""

    def encoded(self) -> bytes:
        return cursors.written(self)


Entity = TypeVar("Entity")


class Bluesky:
    """An account at its server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = Xrpc(session)
        self._me = ""
        self._casts: dict[str, Cast] = {}

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no server of the AT Protocol at the address."""
        me = await self._who()
        secret = await self._session.credentials()
        handle = None if me.handle == "handle.invalid" else me.handle
        try:
            person = (await self._profiles([me.did])).get(me.did)
        except (Refused, Unavailable):
            person = None  # the server itself has said who it is; how they look can wait
        addresses = [OwnAddress(value=me.did, kind="HANDLE")]
        if handle is not None:
            addresses.insert(0, OwnAddress(value=handle, kind="HANDLE", primary=True))
        contact = None if person is None else self._contact(person, "PROFILE")
        return Profile(
            user_id=me.did,
            label=f"@{handle}" if handle is not None else me.did,
            own_addresses=tuple(addresses),
            base_url=origin(self._session.account.base_url),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=None if contact is None else msgspec.structs.replace(contact, container=""),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Chat since the cursor, its history, then people and posts. A chat service in trouble keeps nobody else waiting.

        Raises CursorExpired when a service does not know the place to go on from.
        """
        place = cursors.read(cursor, Position) or Position()
        if place.walk not in ("", FOLLOWING, FOLLOWERS):
            raise CursorExpired("The stored position is of another version: everything is listed again.")
        me = await self._who()
        self._me = me.did
        trouble: ProviderError | None = None
        try:
            async for page in self._chat(place):
                yield page
        except (Unavailable, RateLimited) as error:
            trouble = error
        rev = (await self._calls.query("com.atproto.sync.getLatestCommit", Commit, [("did", self._me)])).rev
        async for page in self._people(place, rev):
            yield page
        async for page in self._own_posts(place, rev, Author(did=me.did, handle=me.handle)):
            yield page
        async for page in self._timeline(place):
            yield page
        if trouble is not None:
            raise trouble
        yield Page(cursor=place.encoded(), done=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints that the chat's log or the account's repository goes on. Raises ProviderError."""
        me = (await self._who()).did
        chats = await self._may_chat()

        async def look(place: Place | None) -> tuple[Place, bool]:
            answer = await self._log(place.log if place is not None else "") if chats else Log(logs=[])
            commit = await self._calls.query("com.atproto.sync.getLatestCommit", Commit, [("did", me)])
            now = Place(log=answer.cursor or (place.log if place is not None else ""), rev=commit.rev)
            return now, place is not None and (bool(answer.logs) or commit.rev != place.rev)

        async with aclosing(hints(self._session.clock, look)) as found:
            async for hint in found:
                yield hint

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a conversation. Raises ProviderError when it was certainly not taken."""
        return await say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its conversation. Raises ProviderError."""
        return await was_said(self._session, message, step, (await self._who()).did)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """React, or take a reaction back. Raises ReauthRequired (`scope`) where the sign-in may not, and ProviderError."""
        await react(self._session, reaction)
        return None  # it has no key of its own

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Delete a message for oneself. Raises ReauthRequired (`scope`) where the sign-in may not, and ProviderError."""
        return await delete(self._session, deletion)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Say what was read. Raises ReauthRequired (`scope`) where the sign-in may not, and ProviderError."""
        await read_up_to(self._session, latest)

    # --- chat -------------------------------------------------------------------------------------------------------

    async def _chat(self, place: Position) -> AsyncIterator[Page]:
        try:
            if not await self._may_chat():
                raise Refused("This sign-in does not show direct messages.", provider_code="scope")
            if not place.listed:
                async for page in self._convos(place):
                    yield page
            async for page in self._happened(place):
                yield page
        except Refused as error:
            if isinstance(error, CursorExpired) or error.provider_code not in ("scope", "not-found", "403"):
                raise
            if not place.refused:  # said once, not with each run
                place.refused = True
                text = f"Chat is not shown: {error.message} Link again, with an app password that allows direct messages or at your server."
                row = Row(item=Unreadable(key=CHAT, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=CHAT))
                yield Page(rows=(row,), cursor=place.encoded())
            return
        place.refused = False
        while (found := _newest_open(place)) is not None:
            yield await self._history(place, *found)

    async def _may_chat(self) -> bool:
        return atproto.may_chat((await self._session.credentials()).scope)

    async def _convos(self, place: Position) -> AsyncIterator[Page]:
        """All conversations, once, after the log's end was asked for: what happens in between is in the log."""
        place.log = (await self._log("")).cursor or ""
        token = ""
        for _ in range(MAX_PAGES):
            answer = await self._ask_chat("listConvos", Convos, [("limit", str(LIST)), *_cursor(token)])
            found, broken = readable(answer.convos, Convo)
            rows = [_unreadable(raw, reason, CHAT) for raw, reason in broken]
            for convo in found:
                last = convo.lastMessage
                known = Known(at="" if last is None else last.sentAt, unread=max(0, min(convo.unreadCount, bluesky_chat.UNREAD)))
                place.convos.setdefault(convo.id, known)
                rows += await self._head(convo)
            place.listed = not answer.cursor
            if rows or place.listed:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not answer.cursor:
                return
            token = _onward(token, answer.cursor)
        raise Malformed("The list of conversations does not end.", provider_code="paging")

    async def _happened(self, place: Position) -> AsyncIterator[Page]:
        """What the log tells since the last time, in its order."""
        for _ in range(MAX_PAGES):
            try:
                answer = await self._log(place.log)
            except Refused as error:
                if place.log and error.provider_code in ("InvalidRequest", "InvalidCursor", "400"):
                    raise CursorExpired("The chat service no longer knows this place in its log.") from error
                raise
            entries, broken = readable(answer.logs, Entry)
            rows = [_unreadable(raw, reason, CHAT) for raw, reason in broken]
            for entry in entries:
                rows += await self._entry(place, entry)
            before, place.log = place.log, answer.cursor or place.log
            if rows:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not answer.logs or place.log == before:
                return
        raise Malformed("The chat's log does not end.", provider_code="paging")

    async def _entry(self, place: Position, entry: Entry) -> list[Row]:
        if not entry.convoId or (entry.name == "logLeaveConvo" and entry.convoId not in place.convos):
            return []
        rows: list[Row] = []
        known = place.convos.get(entry.convoId)
        if known is None or entry.name in RESHAPED:
            convo = await self._convo(entry.convoId)
            if convo is None:
                return []
            rows += await self._head(convo)
            known = place.convos.setdefault(
                entry.convoId, Known(at="" if convo.lastMessage is None else convo.lastMessage.sentAt)
            )
        view = entry.message
        match entry.name:
            case "logLeaveConvo":
                known.open = False
            case "logCreateMessage" if view is not None and view.shows:
                rows += await self._arrived(known, entry.convoId, view)
            case "logAddReaction" | "logRemoveReaction" if view is not None and view.shows:
                # it comes with all its reactions
                cast = await self._cast(entry.convoId)
                rows.append(Row(item=bluesky_chat.message(view, entry.convoId, cast, unread=view.id in known.waiting)))
            case "logDeleteMessage" | "logCreateMessage" if view is not None:
                known.waiting = [one for one in known.waiting if one != view.id]
                rows.append(Row(item=Gone(kind="MESSAGE", key=view.id)))
            case "logReadMessage" | "logReadConvo" if view is not None:
                known.unread = 0
                rows += _read(entry.convoId, known.read(view.id))
        return rows

    async def _arrived(self, known: Known, convo_id: str, view: MessageView) -> list[Row]:
        """A new message; whoever writes has read what was before."""
        cast = await self._cast(convo_id)
        mine = view.sender is not None and view.sender.did == self._me
        rows = [Row(item=bluesky_chat.message(view, convo_id, cast, unread=not mine))]
        if mine:
            known.unread = 0
            return rows + _read(convo_id, known.read(view.id))
        return rows + _read(convo_id, known.wait(view.id))

    async def _history(self, place: Position, convo_id: str, known: Known) -> Page:
        """One step back in one conversation. What is not shown to us is said."""
        try:
            asked = [("convoId", convo_id), ("limit", str(LIST)), *_cursor(known.token)]
            answer = await self._ask_chat("getMessages", History, asked)
            cast = await self._cast(convo_id)
        except Refused as error:
            if error.provider_code not in ("InvalidConvo", "InvalidRequest", "not-found", "403"):
                raise
            known.open = False
            text = f"The messages of this conversation are not shown. {error.message}"
            row = Row(item=Unreadable(key=convo_id, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=convo_id))
            return Page(rows=(row,), cursor=place.encoded())
        cast.meet(answer.relatedProfiles)
        found, broken = readable(answer.messages, MessageView)
        rows = [_unreadable(raw, reason, convo_id) for raw, reason in broken]
        for view in found:
            known.at = view.sentAt
            if view.deleted:
                rows.append(Row(item=Gone(kind="MESSAGE", key=view.id)))
            elif view.shows:
                rows.append(Row(item=bluesky_chat.message(view, convo_id, cast, unread=self._unread(known, view))))
        if answer.cursor:
            known.token = _onward(known.token, answer.cursor)
            return Page(rows=tuple(rows), cursor=place.encoded())
        known.open = False
        # the beginning was met; the service counts nothing that could be held against what was read
        statement = Statement(container=convo_id, kind="MESSAGE", expected=None)
        return Page(rows=tuple(rows), cursor=place.encoded(), statements=(statement,))

    def _unread(self, known: Known, view: MessageView) -> bool:
        """Whether a message of the past is unread: it is one of the newest so many that others wrote."""
        if view.sender is not None and view.sender.did == self._me:
            known.unread = 0
            return False
        if view.id in known.waiting:
            return True
        if known.unread <= 0:
            return False
        known.unread -= 1
        known.waiting.insert(0, view.id)
        return True

    async def _head(self, convo: Convo) -> list[Row]:
        cast = self._casts[convo.id] = bluesky_chat.cast_of(convo, self._casts)
        if cast.kind == "GROUP":
            try:
                asked = [("convoId", convo.id), ("limit", str(LIST))]
                cast.meet((await self._ask_chat("getConvoMembers", Members, asked)).members)
            except Refused as error:
                if error.provider_code == "scope":
                    raise
        head = bluesky_chat.head(convo, cast)
        return [] if head is None else [Row(item=head)]

    async def _cast(self, convo_id: str) -> Cast:
        if convo_id not in self._casts:
            convo = await self._convo(convo_id)
            if convo is None:
                return Cast(kind="DIRECT")
            await self._head(convo)
        return self._casts[convo_id]

    async def _convo(self, convo_id: str) -> Convo | None:
        """One conversation; None when we are no longer in it."""
        try:
            return (await self._ask_chat("getConvo", OneConvo, [("convoId", convo_id)])).convo
        except Refused as error:
            if error.provider_code not in ("InvalidConvo", "InvalidRequest", "not-found", "403"):
                raise
            return None

    async def _log(self, place: str) -> Log:
        return await self._ask_chat("getLog", Log, _cursor(place))

    async def _ask_chat(self, name: str, kind: type[Entity], parameters: Sequence[tuple[str, str]]) -> Entity:
        return await self._calls.query(f"chat.bsky.convo.{name}", kind, parameters, proxy=bluesky_chat.SERVICE)

    # --- people -----------------------------------------------------------------------------------------------------

    async def _people(self, place: Position, rev: str) -> AsyncIterator[Page]:
        """Whoever is followed and follows: a whole walk when it is time or somebody was unfollowed, else only who is new."""
        now = self._session.clock.now().timestamp()
        due = not place.walked or not 0 <= now - place.walked < WALK.total_seconds()
        if not place.walk and not due and rev != place.rev:
            async for page in self._newly_followed(place):
                yield page
            if not place.walk:
                place.rev = rev
        elif not place.walk and due:
            place.walk = FOLLOWING
        if not place.walk:
            return
        if not place.token and place.walk == FOLLOWING:
            place.rev, place.keys = rev, []
        seen = set(place.keys or ())
        whole = place.keys is not None
        if place.walk == FOLLOWING:
            async for page in self._following(place, seen):
                yield page
        async for page in self._followers(place, seen):
            yield page
        place.walk, place.token, place.keys, place.walked = "", "", [], now
        statements = (Statement(container=PEOPLE, kind="CONTACT", expected=len(seen), keys=frozenset(seen)),) if whole else ()
        yield Page(statements=statements, cursor=place.encoded())

    async def _newly_followed(self, place: Position) -> AsyncIterator[Page]:
        """Contacts for those followed since the last time; begins a walk when one of those known is no longer followed."""
        known = set(place.follows)
        now_followed: dict[str, None] = {}
        async for records, _ in self._records(FOLLOWS, ""):
            now_followed.update((subject, None) for subject, _ in _subjects(records) if subject is not None)
        if not known <= now_followed.keys():
            place.walk = FOLLOWING
            return
        new = [subject for subject in now_followed if subject not in known]
        for start in range(0, len(new), LIST):
            rows = await self._followed(new[start : start + LIST])
            place.follows += new[start : start + LIST]
            yield Page(rows=tuple(rows), cursor=place.encoded())

    async def _following(self, place: Position, seen: set[str]) -> AsyncIterator[Page]:
        async for records, following in self._records(FOLLOWS, place.token):
            subjects = _subjects(records)
            broken = [_unreadable(record.value, "it names nobody", PEOPLE, record.uri) for one, record in subjects if one is None]
            new = [one for one in dict.fromkeys(one for one, _ in subjects) if one is not None and one not in seen]
            rows = broken + await self._followed(new)
            seen.update(new)
            seen.update(row.item.key for row in broken if isinstance(row.item, Unreadable))
            place.token = following
            _keep(place, seen)
            if not following:
                place.follows = sorted(one for one in seen if DID.fullmatch(one))
                place.walk = FOLLOWERS
            yield Page(rows=tuple(rows), cursor=place.encoded())

    async def _followed(self, dids: Sequence[str]) -> list[Row]:
        """Contacts of those who are followed; of some the AppView shows nothing any more."""
        people = await self._profiles(dids)
        rows = []
        for did in dids:
            if (person := people.get(did)) is not None:
                both = person.viewer.followedBy is not None
                rows.append(Row(item=self._contact(person, "CONNECTION" if both else "FOLLOWING")))
            else:
                text = "This account is deactivated, suspended or deleted, or blocks you."
                rows.append(Row(item=Unreadable(key=did, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=PEOPLE)))
        return rows

    async def _followers(self, place: Position, seen: set[str]) -> AsyncIterator[Page]:
        for _ in range(MAX_PAGES):
            asked = [("actor", self._me), ("limit", str(LIST)), *_cursor(place.token)]
            try:
                answer = await self._calls.query("app.bsky.graph.getFollowers", Followers, asked)
            except Refused as error:
                raise _expired(error, place.token) from error
            found, broken = readable(answer.followers, Person)
            rows = [_unreadable(raw, reason, PEOPLE) for raw, reason in broken]
            new = [person for person in found if person.did not in seen]
            rows += [Row(item=self._contact(person, "FOLLOWER")) for person in {one.did: one for one in new}.values()]
            seen.update(row.item.key for row in rows if isinstance(row.item, Contact | Unreadable))
            following = _onward(place.token, answer.cursor) if answer.cursor else ""
            place.token = following
            _keep(place, seen)
            if rows and following:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            elif rows:  # the last ones go with a cursor from which they would be asked for again
                place.token = asked[2][1] if len(asked) > 2 else ""
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not following:
                return
        raise Malformed("The list of followers does not end.", provider_code="paging")

    async def _profiles(self, dids: Sequence[str]) -> dict[str, Person]:
        people: dict[str, Person] = {}
        for start in range(0, len(dids), PROFILES):
            asked = [("actors", did) for did in dids[start : start + PROFILES]]
            answer = await self._calls.query("app.bsky.actor.getProfiles", People, asked)
            people.update((person.did, person) for person in readable(answer.profiles, Person)[0])
        return people

    def _contact(self, person: Person, relation: Relation) -> Contact:
        handle = handle_of(person)
        page = profile_url(person.did)
        website = web(person.website)
        picture = web(person.avatar)
        return Contact(
            key=person.did,
            relation=relation,
            names=(Name(full=short(person.displayName) or handle or person.did),),
            urls=(Url(url=website),) if website is not None else (),
            handles=(Handle(provider=KEY, handle=handle, url=page),) if handle is not None else (),
            bio=long(person.description).strip() or None,
            photo=Photo(url=picture) if picture is not None else None,
            url=page,
            followers=_count(person.followersCount),
            following=_count(person.followsCount),
            created_at=instant(person.createdAt),
            container=PEOPLE,
        )

    # --- posts ------------------------------------------------------------------------------------------------------

    async def _own_posts(self, place: Position, rev: str, author: Author) -> AsyncIterator[Page]:
        """What the account wrote, from its own repository: news first, then what was before."""
        if place.posts_rev not in ("", rev):
            async for page in self._new_posts(place, author):
                yield page
        place.posts_rev = rev
        if place.older is None:
            return
        async for records, following in self._records(POSTS, place.older):
            place.recent = (place.recent + [record.key for record in records])[:RECENT]
            place.older = following or None
            yield Page(rows=tuple(self._posted(records, author)), cursor=place.encoded())

    async def _new_posts(self, place: Position, author: Author) -> AsyncIterator[Page]:
        known = set(place.recent)
        newest, oldest = max(known, default=""), min(known, default="")
        recent: list[str] = []
        rows: list[Row] = []
        async for records, _ in self._records(POSTS, ""):
            recent += [record.key for record in records]
            rows += self._posted([record for record in records if record.key > newest], author)
            if recent and min(recent) <= oldest:
                break
        # keys are TIDs, in the order of time: what was there and is not on these pages, was deleted
        gone = sorted(known.difference(recent))
        rows += [Row(item=Gone(kind="ACTIVITY", key=f"at://{self._me}/{POSTS}/{key}")) for key in gone]
        place.recent = sorted({*recent, *known.difference(gone)}, reverse=True)[:RECENT]
        for start in range(0, len(rows), LIST):
            yield Page(rows=tuple(rows[start : start + LIST]), cursor=place.encoded())

    def _posted(self, records: Iterable[Record], author: Author) -> list[Row]:
        now = self._session.clock.now()
        return [Row(item=own_activity(record, author, now)) for record in records]

    async def _timeline(self, place: Position) -> AsyncIterator[Page]:
        """What those posted who are followed, back to where it was read the last time."""
        token, newest = "", place.shown
        for _ in range(LATER_TIMELINE if place.shown else FIRST_TIMELINE):
            answer = await self._calls.query("app.bsky.feed.getTimeline", Feed, [("limit", str(LIST)), *_cursor(token)])
            found, broken = readable(answer.feed, FeedItem)
            rows = [_unreadable(raw, reason, TIMELINE) for raw, reason in broken] if not place.shown else []
            new = [item for item in found if item.shown_at > place.shown]
            newest = max([newest, *(item.shown_at for item in new)])
            # one's own are in the repository
            rows += [Row(item=activity(item)) for item in new if item.repost is not None or item.post.author.did != self._me]
            if rows:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not answer.cursor or (found and not new):
                break
            token = _onward(token, answer.cursor)
        if newest != place.shown:
            place.shown = newest

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _who(self) -> Own:
        try:
            me = await self._calls.query("com.atproto.server.getSession", Own)
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            host = urlsplit(self._session.account.base_url).hostname
            raise Refused(f"There is no server of Bluesky's protocol at {host}.", provider_code="no-server") from error
        if not DID.fullmatch(me.did):
            raise Malformed("The server gave the account an id that is none.", provider_code="id")
        return me

    async def _records(self, collection: str, token: str) -> AsyncIterator[tuple[list[Record], str]]:
        """A collection of the account's repository, newest first: records, and the place of the next page (empty at the end)."""
        for _ in range(MAX_PAGES):
            asked = [("repo", self._me), ("collection", collection), ("limit", str(LIST)), *_cursor(token)]
            try:
                answer = await self._calls.query("com.atproto.repo.listRecords", Records, asked)
            except Refused as error:
                raise _expired(error, token) from error
            found, broken = readable(answer.records, Record)
            if broken:
                raise Malformed(f"The server's list of {collection} is not as it should be.", provider_code="records")
            following = _onward(token, answer.cursor) if answer.cursor else ""
            yield found, following
            if not following:
                return
            token = following
        raise Malformed(f"The server's list of {collection} does not end.", provider_code="paging")


# --- signing in -----------------------------------------------------------------------------------------------------------


async def sign_in(session: Session) -> SignedIn:
    """A session for a handle and an app password, at the server that the handle leads to unless one was named; or a grant of OAuth, proven.

    Raises ReauthRequired for a wrong password, Refused where nobody is called so.
    """
    typed = await session.credentials()
    if atproto_oauth.bound(typed):
        return await atproto_oauth.proven(session)
    name, server, did = typed_name(typed.username or ""), origin(session.account.base_url), None
    if (HANDLE.fullmatch(name) or DID.fullmatch(name)) and server == _place_of(name):
        identity = await atproto.identify(session, name)
        server, did = identity.server, identity.did
    tokens = await atproto.create_session(session, server, name, (typed.password or "").strip())
    if did is not None and tokens.did != did:
        raise Refused(f"{urlsplit(server).hostname} answered for another account.", provider_code="did")
    return SignedIn(secret=atproto.secret_of(tokens), base_url=server)


async def renew(session: Session, old: Secret) -> Secret:
    """A new pair of tokens. Raises ReauthRequired when the app password or grant was revoked or the account has moved."""
    if atproto_oauth.bound(old):
        return await atproto_oauth.renew(session, old)
    if not old.refresh_token:
        raise ReauthRequired("This sign-in cannot be renewed. Link the account again.", provider_code="no-refresh-token")
    return atproto.secret_of(await atproto.refresh_session(session, old))


def base_url(values: dict[str, str]) -> str:
    """Where a form's account is looked for: the named server, else the place that knows the handle or DID. Raises Refused."""
    server, name = values.get("server", "").strip(), typed_name(values.get("username", ""))
    if not server:
        if not (HANDLE.fullmatch(name) or DID.fullmatch(name)):
            raise Refused("Enter your whole handle, such as ada.bsky.social, or name your server.", provider_code="handle")
        return _place_of(name)
    scheme, separator, _ = server.partition("://")
    try:
        if separator and scheme.lower() not in ("http", "https"):
            raise ValueError(scheme)
        url = httpx.URL(server if separator else f"https://{server}")
        if not url.host or any(sign.isspace() for sign in server):
            raise ValueError(server)
    except (httpx.InvalidURL, ValueError):
        raise Refused("This is no address of a server: give one like bsky.social.", provider_code="not-a-url") from None
    return origin(str(url))


def _place_of(name: str) -> str:
    if name.startswith("did:plc:"):
        return atproto.DIRECTORY
    return "https://" + unquote(name.removeprefix("did:web:"))


# --- answers --------------------------------------------------------------------------------------------------------------


def _newest_open(place: Position) -> tuple[str, Known] | None:
    """The conversation whose history goes on next: the one whose unread stretch is the newest."""
    return max(((id_, known) for id_, known in place.convos.items() if known.open), key=lambda one: one[1].at, default=None)


def _read(convo_id: str, keys: Iterable[str]) -> list[Row]:
    return [Row(item=MessageState(key=key, container=convo_id, unread=False)) for key in keys]


def _subjects(records: Iterable[Record]) -> list[tuple[str | None, Record]]:
    """Whom each record follows; None where it names nobody."""
    found: list[tuple[str | None, Record]] = []
    for record in records:
        follow, _ = readable([record.value], Follow)
        found.append((follow[0].subject if follow and DID.fullmatch(follow[0].subject) else None, record))
    return found


def _keep(place: Position, seen: set[str]) -> None:
    place.keys = sorted(seen) if place.keys is not None and len(seen) <= KEPT else None


def _unreadable(raw: msgspec.Raw, reason: str, container: str, key: str = "") -> Row:
    text = f"This entry is not as its lexicon describes it: {reason}"
    excerpt = bytes(raw)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return Row(
        item=Unreadable(
            key=key or _id_of(raw), outcome="FAILED", message=text, reason="UNREADABLE", excerpt=excerpt, container=container
        )
    )


def _id_of(raw: msgspec.Raw) -> str:
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    names = ("did", "uri", "id") if isinstance(value, dict) else ()
    return next((short(value[name]) for name in names if isinstance(value.get(name), str)), "")


def _expired(error: Refused, token: str) -> Refused:
    """What a refusal means in the middle of a list: the place is no longer known."""
    if token and error.provider_code in ("InvalidRequest", "InvalidCursor", "400"):
        return CursorExpired("The server no longer knows this place in the list.")
    return error


def _onward(token: str, following: str) -> str:
    if following == token:
        raise Malformed("The server's list goes in circles.", provider_code="paging")
    return following


def _cursor(token: str) -> list[tuple[str, str]]:
    return [("cursor", token)] if token else []


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**31 else None


HANDLE_FIELD: Final = FormField(name="username", label="Handle", placeholder="ada.bsky.social")
SERVER_FIELD: Final = FormField(
    name="server",
    label="Server",
    required=False,
    placeholder="bsky.social",
    help="Only where it is not found by your handle.",
)
CHATTING: Final = frozenset({atproto.FULL, atproto.WITH_CHAT, atproto.CHAT_SCOPE})

PROVIDER = Provider(
    key=KEY,
    name="Bluesky",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "READ_STATE",
            "DELTA",
            "PUSH",
            "MIRROR",
            "ACTIVITIES",
            "SEND",
            "REPLY",
            "REACT",
            "DELETE_MESSAGE",
            "IMPORT",
        }
    ),
    marks=frozenset({"READ"}),
    deletes=frozenset({"ONESELF"}),
    limitations=(
        "The network tells nobody's e-mail address or phone number.",
        "Chat needs a sign-in that was given access to direct messages.",
        "Followers have no list of changes: who has gone is seen when all were listed again, once an hour.",
        "The chat service does not count messages: a conversation is complete when its beginning was reached.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in at your server",
            fields=(HANDLE_FIELD, SERVER_FIELD),
            help="You sign in at your own server, and Kith sees no password.",
            help_url="https://bsky.app/settings",
            scopes=atproto_oauth.SCOPES,
        ),
        LinkForm(
            method="APP_PASSWORD",
            label="Handle and app password",
            fields=(
                HANDLE_FIELD,
                FormField(
                    name="password",
                    label="App password",
                    kind="PASSWORD",
                    secret=True,
                    placeholder="xxxx-xxxx-xxxx-xxxx",
                    help="From Settings → Privacy and security → App passwords; allow access to direct messages to see your chats.",
                ),
                SERVER_FIELD,
            ),
            help="The app password is used once, for a session, and not kept.",
            help_url="https://bsky.app/settings/app-passwords",
        ),
    ),
    quota=Quota(
        calls=3_000,
        seconds=300.0,
        concurrency=4,
        sentence="Bluesky's servers allow 3,000 calls in five minutes.",
    ),
    docs_path="docs/providers/bluesky.md",
    send_scopes=CHATTING,
    write_scopes={"READ_STATE": CHATTING},
    poll_seconds=900,
    archive_formats=("BLUESKY_CAR",),
    archive=CarArchive(),
    open=lambda session: Bluesky(session),
    base_url=base_url,
    authorize=atproto_oauth.authorize,
    client_metadata={"scope": " ".join(atproto_oauth.SCOPES)},
    sign_in=sign_in,
    renew=renew,
)
