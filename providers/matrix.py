"""Matrix, mirrored: rooms as conversations, their messages with edits, deletions and read state, their people as contacts.

Speaks the Client-Server API (v1.1 to v1.15) as one more device of the user. Deltas come from `/sync`; what a sync leaves out
(`limited`) and everything before the first one is read backwards from `/messages`, newest first over all rooms. A password
is traded for tokens and not kept. Events are read in `matrix_event.py`, what is remembered between runs is in
`matrix_rooms.py`; how messages leave is in `matrix_sending.py`. Knows nothing of encryption or other networks behind bridges.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2 as httpx
import msgspec

from providers.base import FormField, LinkForm, Provider, SignedIn
from providers.errors import CursorExpired, Malformed, ReauthRequired, Refused, Unavailable
from providers.formats import picture
from providers.http import Response, Session
from providers.matrix_api import CLOSED, ask, decoded, get, origin, refusal, said, segment, who
from providers.matrix_event import (
    KEY,
    Event,
    Setting,
    instant,
    is_user,
    latest_replacement,
    localpart,
    media,
    message,
    participant,
    profile_url,
    reaction,
    readable,
    short,
)
from providers.matrix_rooms import KNOWN, Gap, Position, Room, position
from providers.matrix_sending import delete, edit, react, read_up_to, say, was_said
from providers.quota import Quota
from providers.records import (
    Contact,
    ConversationHead,
    Gone,
    Handle,
    MessageState,
    Name,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
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
)
from providers.session import Secret

PEOPLE: Final = "people"
DEVICE: Final = "Kith"
EVENTS: Final = 100  # of a room's history at a time
RECENT: Final = 50  # of a room that a sync gives; what is more, is a gap
BATCH: Final = 50  # contacts a page
SYNC_BYTES: Final = 96 * 1024 * 1024
FILE_BYTES: Final = 64 * 1024 * 1024
PHOTO_BYTES: Final = 1024 * 1024
PIECE: Final = 256 * 1024
PHOTO_EDGE: Final = 96
PHOTO_FAILURES: Final = 3  # pictures in a row that cannot be had: then no more are asked for in this run
#: A long poll ends before our own patience with a silent server does.
WATCH_SECONDS: Final = 25
_STATE: Final = ["m.room.create", "m.room.name", "m.room.canonical_alias", "m.room.member"]
_MEMBERS: Final = {"lazy_load_members": True, "include_redundant_members": True}


def _filter(events: int) -> dict[str, Any]:
    """What a sync is to tell: no presence, no typing, no account data but direct rooms and read markers; of members those who spoke."""
    return {
        "presence": {"types": []},
        "account_data": {"types": ["m.direct"]},
        "room": {
            "account_data": {"types": ["m.fully_read"]},
            "ephemeral": {"types": ["m.receipt"]},
            "state": {"types": _STATE, **_MEMBERS},
            "timeline": {"limit": events, **_MEMBERS},
        },
    }


class Versions(msgspec.Struct, frozen=True):
    versions: list[str]


class Tokens(msgspec.Struct, frozen=True):
    """The answer to /login and /refresh."""

    access_token: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None
    user_id: str | None = None
    device_id: str | None = None


class Events(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw] = []


class Timeline(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw] = []
    limited: bool = False
    prev_batch: str | None = None


class Joined(msgspec.Struct, frozen=True):
    summary: dict[str, Any] = {}
    state: Events = Events()
    timeline: Timeline = Timeline()
    ephemeral: Events = Events()
    account_data: Events = Events()


class Rooms(msgspec.Struct, frozen=True):
    join: dict[str, Joined] = {}
    leave: dict[str, Joined] = {}


class Sync(msgspec.Struct, frozen=True):
    next_batch: str
    rooms: Rooms = Rooms()
    account_data: Events = Events()


class History(msgspec.Struct, frozen=True):
    """The answer to /messages. No `end`: the beginning, or `to`, was reached."""

    start: str
    chunk: list[msgspec.Raw]
    end: str | None = None
    state: list[msgspec.Raw] = []


class Member(msgspec.Struct, frozen=True):
    display_name: str | None = None
    avatar_url: str | None = None


class Members(msgspec.Struct, frozen=True):
    joined: dict[str, Member]


class JoinedRooms(msgspec.Struct, frozen=True):
    joined_rooms: list[str]


class UserProfile(msgspec.Struct, frozen=True):
    displayname: str | None = None
    avatar_url: str | None = None


class Acquaintance(msgspec.Struct):
    """Somebody in one of the account's rooms."""

    user: str
    name: str
    avatar: str
    relation: Relation

    @property
    def print(self) -> str:
        """What tells whether something of them changed."""
        said = "\x00".join((self.name, self.avatar, self.relation)).encode("utf-8", "surrogatepass")
        return base64.b64encode(hashlib.blake2b(said, digest_size=6).digest()).decode()


class Matrix:
    """An account at one homeserver."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._me = ""
        self._names: dict[str, dict[str, str]] = {}
        self._members: dict[str, dict[str, Member] | None] = {}
        self._told: set[str] = set()  # rooms of which this run has said what they are
        self._refused: set[str] = set()
        self._failures = 0

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no homeserver at the address."""
        me = await self._who()
        known = await self._profile_of(me)
        name, avatar = short(known.displayname), known.avatar_url or ""
        contact = await self._contact(Acquaintance(me, name, avatar, "PROFILE"))
        return Profile(
            user_id=me,
            label=me,
            own_addresses=(OwnAddress(value=me, kind="HANDLE", primary=True),),
            base_url=origin(self._session.account.base_url),
            contact=msgspec.structs.replace(contact, container=""),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What happened since the cursor, then the history that is still missing, then the people where anybody changed.

        Raises CursorExpired when the server does not know the place to go on from.
        """
        place = position(cursor)
        self._me = await self._who()
        page = await self._delta(place)
        if page.rows:  # else its place is kept with the next page: a run that is always cut off early still gets on
            yield page
        while (found := place.newest_gap(self._refused)) is not None:
            yield await self._history(place, *found)
        if place.stale:
            async for page in self._people(place):
                yield page
        yield Page(cursor=place.encoded(), done=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints that `pages` has something to tell, by a long poll of /sync that passes nothing on. Raises ProviderError."""
        nothing: dict[str, Any] = {"presence": {"types": []}, "account_data": {"types": []}, "room": {"rooms": []}}
        since = (await self._sync("", nothing)).next_batch
        yield None
        while True:
            answer = await self._sync(since, _filter(1), wait=WATCH_SECONDS)
            since = answer.next_batch
            if answer.rooms.join or answer.rooms.leave or answer.account_data.events:
                yield None

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The bytes of a file, named by its `mxc:` URI. Raises Refused (`not-found`) when it is gone."""
        found = media(part)
        if found is None:
            raise Refused("This file is encrypted, or there is none.", provider_code="not-found")
        answer = await self._media("download", *found, (), FILE_BYTES)
        for start in range(0, len(answer.content), PIECE):
            yield answer.content[start : start + PIECE]

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a room. Raises ProviderError when it was certainly not taken."""
        return await say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its room. Raises ProviderError."""
        return await was_said(self._session, message, step)

    async def edit(self, change: OutgoingEdit, *, again: bool) -> datetime | None:
        """Replace what an own message says. Raises ProviderError."""
        return await edit(self._session, change)

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Redact a message. Raises ProviderError."""
        return await delete(self._session, deletion)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """Make a reaction in a room or take it back. Raises ProviderError."""
        return await react(self._session, reaction)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Receipts and read markers for rooms. Raises ProviderError."""
        await read_up_to(self._session, latest)

    # --- what happened ----------------------------------------------------------------------------------------------

    async def _delta(self, place: Position) -> Page:
        """One sync. Every event of it, and every gap it leaves, is in the page and the cursor together."""
        first = not place.since
        try:
            answer = await self._sync(place.since, _filter(1 if first else RECENT))
        except Refused as error:
            if place.since and error.provider_code in ("M_UNKNOWN", "M_UNKNOWN_POS", "M_INVALID_PARAM", "M_BAD_JSON"):
                raise CursorExpired("The server no longer knows this place in its stream.") from error
            raise
        rows: list[Row] = []
        renamed: set[str] = set()
        direct = _direct(answer.account_data.events)
        if direct is not None and direct != set(place.direct):
            renamed |= direct ^ set(place.direct)
            place.direct = sorted(direct)
            place.stale = True
        for left, rooms in ((False, answer.rooms.join), (True, answer.rooms.leave)):
            for room_id, joined in rooms.items():
                if left and room_id not in place.rooms:
                    continue  # an invitation that was declined, or left before we knew of it
                if await self._room(place, room_id, joined, rows, first=first, left=left, token=answer.next_batch):
                    renamed.add(room_id)
        for room_id in sorted(renamed):
            if not first and room_id in place.rooms and room_id not in self._told:
                rows += await self._head(place, room_id)
        place.since = answer.next_batch
        return Page(rows=tuple(rows), cursor=place.encoded())

    async def _room(
        self, place: Position, room_id: str, said: Joined, rows: list[Row], *, first: bool, left: bool, token: str
    ) -> bool:
        """Take in what a sync says of one room; whether it shows in another way now."""
        new = room_id not in place.rooms
        room = place.rooms.setdefault(room_id, Room())
        changed = room.summed_up(said.summary)
        events, broken = readable(said.timeline.events, room_id)
        state, _ = readable(said.state.events, room_id)
        for event in (*state, *events):
            if event.state_key is not None:
                changed |= room.see(event)
            self._met(room_id, event)
        # members in the state are those who spoke; who came or left is in the timeline, or in what it leaves out
        came = any(event.type == "m.room.member" for event in events)
        place.stale |= came or new or left != room.left or said.timeline.limited
        room.left = left
        room.at = max([room.at, *(event.origin_server_ts for event in events)])
        if new:
            # from this sync's own place backwards, so that nothing depends on what it happened to show
            room.gaps.append(Gap(token if first else said.timeline.prev_batch or token, at=room.at))
        elif said.timeline.limited and said.timeline.prev_batch:
            oldest = min((event.origin_server_ts for event in events), default=room.at)
            room.gaps.append(Gap(said.timeline.prev_batch, to=place.since, at=oldest))
        if room.space:
            room.gaps.clear()
            return False
        if not first:
            rows += broken + await self._rows(place, room_id, events, None)
        await self._receipts(room_id, room, said, rows, first=first)
        return changed

    async def _receipts(self, room_id: str, room: Room, said: Joined, rows: list[Row], *, first: bool) -> None:
        """What the user has read, here or in another client ("Receipts", "Fully read markers")."""
        marks = _marks(said, self._me)
        if first:
            room.mark = marks[-1][0] if marks else ""
            return
        for event_id, thread in marks:
            at = None
            if room.waiting and not room.waits(event_id):
                found = await self._event(room_id, event_id)
                at = None if found is None else found.origin_server_ts
            rows += _states(room_id, room.read(event_id, thread, at))

    # --- what was before --------------------------------------------------------------------------------------------

    async def _history(self, place: Position, room_id: str, room: Room) -> Page:
        """One step back in one room. What the server keeps from us is said, and asked for again in the next run."""
        gap = room.gaps[-1]
        query = [("dir", "b"), ("from", gap.start), ("limit", str(EVENTS)), ("filter", _json(_MEMBERS))]
        if gap.to:
            query.append(("to", gap.to))
        try:
            answer = await get(self._session, f"/_matrix/client/v3/rooms/{segment(room_id)}/messages", History, query)
        except Refused as error:
            if error.provider_code in ("M_UNKNOWN", "M_INVALID_PARAM"):
                raise CursorExpired("The server no longer knows a place in a room's history.") from error
            if error.provider_code not in CLOSED:
                raise
            self._refused.add(room_id)
            text = f"The server does not show the history of this room ({error.provider_code})."
            return Page(
                rows=(Row(item=Unreadable(key=room_id, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=room_id)),)
            )
        for event in readable(answer.state, room_id)[0]:
            self._met(room_id, event)
        events, broken = readable(answer.chunk, room_id)
        for event in events:
            self._met(room_id, event, older=True)
        rows = broken + await self._rows(place, room_id, events[::-1], gap)
        if events:
            gap.at = events[-1].origin_server_ts
        ended = answer.end is None or answer.end == gap.start
        statements: tuple[Statement, ...] = ()
        if answer.end is not None and not ended:
            gap.start = answer.end
        else:
            room.gaps.remove(gap)
            if not room.gaps:
                # the walk met the beginning; Matrix counts nothing, so that there is no number to hold against ours
                statements = (Statement(container=room_id, kind="MESSAGE", expected=None),)
                if room.left:
                    del place.rooms[room_id]
        return Page(rows=tuple(rows), cursor=place.encoded(), statements=statements)

    # --- events -----------------------------------------------------------------------------------------------------

    async def _rows(self, place: Position, room_id: str, events: Sequence[Event], gap: Gap | None) -> list[Row]:
        """What a stretch of a room means, oldest first; `gap` is that which it closes, None for what just happened."""
        room = place.rooms[room_id]
        rows: list[Row] = []
        edits: dict[str, list[Event]] = {}
        for event in events:
            if event.replaces is not None and not event.redacted:
                edits.setdefault(event.replaces, []).append(event)
        unread = self._unread(room, events, gap, rows, room_id)
        setting: Setting | None = None
        for event in events:
            if (removed := event.removes) is not None and not event.redacted:
                # it names a message or a reaction, and does not say which
                at = instant(event.origin_server_ts)
                rows += [Row(item=Gone(kind="MESSAGE", key=removed, deleted_at=at)), Row(item=Gone(kind="REACTION", key=removed))]
                room.forget(removed)
            elif event.type == "m.reaction" and event.redacted:
                rows.append(Row(item=Gone(kind="REACTION", key=event.event_id)))
            elif (reacted := reaction(event, room_id, self._names.setdefault(room_id, {}))) is not None:
                rows.append(Row(item=reacted))
            elif event.shows and event.redacted:
                rows.append(Row(item=Gone(kind="MESSAGE", key=event.event_id, deleted_at=event.removed_at)))
            elif event.shows:
                setting = setting or await self._setting(place, room_id)
                replacement = latest_replacement(event, edits.pop(event.event_id, ()))
                item = message(event, setting, unread=event.event_id in unread, replacement=replacement)
                rows.append(Row(item=item))
        if gap is None or gap.to:  # on the way to the beginning, the text comes with the message itself
            for target, others in edits.items():
                original = await self._event(room_id, target)
                if original is None or not original.shows or original.redacted:
                    continue
                replacement = latest_replacement(original, others)
                if replacement is not None:
                    setting = setting or await self._setting(place, room_id)
                    item = message(original, setting, unread=room.waits(target), replacement=replacement)
                    rows.append(Row(item=item))
        if setting is not None and room_id not in self._told:
            rows += await self._head(place, room_id)
        return rows

    def _unread(self, room: Room, events: Sequence[Event], gap: Gap | None, rows: list[Row], room_id: str) -> set[str]:
        """Which of these are unread. Whoever writes, or has just come in, has read what was before."""
        unread: set[str] = set()
        for event in events if gap is None else reversed(events):
            if gap is not None:
                gap.read = gap.read or event.event_id == room.mark or self._shows_presence(event)
            elif self._shows_presence(event):
                read = room.read(event.event_id, None, event.origin_server_ts)
                rows += _states(room_id, (key for key in read if key not in unread))
                unread.difference_update(read)
            if event.shows and event.sender != self._me and not event.redacted and not (gap is not None and gap.read):
                unread.add(event.event_id)
                dropped = room.wait(event)
                rows += _states(room_id, (key for key in dropped if key not in unread))
                unread.difference_update(dropped)
        return unread

    def _shows_presence(self, event: Event) -> bool:
        if event.type == "m.room.member":
            before = (event.unsigned or {}).get("prev_content")
            was = before.get("membership") if isinstance(before, dict) else None
            return event.state_key == self._me and event.content.get("membership") == "join" and was != "join"
        return event.sender == self._me and event.shows

    async def _setting(self, place: Position, room_id: str) -> Setting:
        room = place.rooms[room_id]
        kind = room.kind(room_id in place.direct)
        members = await self._joined(room_id, room) if kind != "CHANNEL" else None
        others = tuple(sorted(user for user in members or {} if is_user(user)))
        return Setting(room_id=room_id, kind=kind, names=self._names.setdefault(room_id, {}), members=others)

    async def _head(self, place: Position, room_id: str) -> list[Row]:
        """What a room is, once a run. Nothing for one that was never written in: it is no conversation yet."""
        room = place.rooms[room_id]
        if room.space:
            return []
        self._told.add(room_id)
        direct = room_id in place.direct
        members = await self._joined(room_id, room)
        names = self._names.setdefault(room_id, {})
        return [
            Row(
                item=ConversationHead(
                    key=room_id,
                    kind=room.kind(direct),
                    last_activity_at=instant(room.at),
                    subject=room.subject(direct, names),
                    participants=tuple(
                        participant(user, names.get(user, ""), "MEMBER") for user in sorted(members or {}) if is_user(user)
                    ),
                    url=f"https://matrix.to/#/{quote(room_id, safe='')}",
                )
            )
        ]

    def _met(self, room_id: str, event: Event, *, older: bool = False) -> None:
        """Learn a name from a membership; an older one only where there is none yet."""
        if event.type != "m.room.member" or event.state_key is None:
            return
        name = short(event.content.get("displayname"))
        names = self._names.setdefault(room_id, {})
        if name and not (older and event.state_key in names):
            names[event.state_key] = name

    async def _joined(self, room_id: str, room: Room) -> dict[str, Member] | None:
        """Who is in a room of acquaintances, asked once a run; None where there are too many, or nobody tells."""
        if room.left or room.count > KNOWN:
            return None
        if room_id not in self._members:
            try:
                path = f"/_matrix/client/v3/rooms/{segment(room_id)}/joined_members"
                found: dict[str, Member] | None = (await get(self._session, path, Members)).joined
            except Refused as error:
                if error.provider_code not in CLOSED:
                    raise
                found = None
            self._members[room_id] = found
            for user, member in (found or {}).items():
                if name := short(member.display_name):
                    self._names.setdefault(room_id, {})[user] = name
        return self._members[room_id]

    async def _event(self, room_id: str, event_id: str) -> Event | None:
        """One event as it is now; None where it may not be seen."""
        path = f"/_matrix/client/v3/rooms/{segment(room_id)}/event/{segment(event_id)}"
        try:
            raw = await get(self._session, path, msgspec.Raw)
        except Refused:
            return None
        found, _ = readable([raw], room_id)
        return found[0] if found else None

    # --- people -----------------------------------------------------------------------------------------------------

    async def _people(self, place: Position) -> AsyncIterator[Page]:
        """Everybody in the rooms of acquaintances; whoever is new or different is handed over, whoever left is no member any more.

        Ends with all their keys, unless a room did not tell.
        """
        people: dict[str, Acquaintance] = {}
        whole = True
        rooms = (await get(self._session, "/_matrix/client/v3/joined_rooms", JoinedRooms)).joined_rooms
        for room_id in rooms:
            room = place.rooms.get(room_id)
            if room is None or room.space or room.count > KNOWN:
                continue
            members = await self._joined(room_id, room)
            whole &= members is not None
            relation: Relation = "CONNECTION" if room_id in place.direct else "MEMBER"
            for user, member in (members or {}).items():
                if user == self._me or not is_user(user):
                    continue
                name, avatar = short(member.display_name), member.avatar_url or ""
                known = people.setdefault(user, Acquaintance(user, name, avatar, relation))
                if relation == "CONNECTION":
                    people[user] = Acquaintance(user, name or known.name, avatar or known.avatar, relation)
        new = [one for user, one in sorted(people.items()) if place.people.get(user) != one.print]
        for start in range(0, len(new), BATCH):
            rows = []
            for one in new[start : start + BATCH]:
                contact = await self._contact(one)
                rows.append(Row(item=contact))
                # a picture that could not be had is asked for with the next change
                place.people[one.user] = one.print if contact.photo is not None or not one.avatar else ""
            yield Page(rows=tuple(rows), cursor=place.encoded(), total=len(people) or None)
        if not whole:
            return
        gone = sorted(set(place.people) - set(people))
        for start in range(0, len(gone), BATCH):
            rows = [Row(item=await self._former(user)) for user in gone[start : start + BATCH]]
            for user in gone[start : start + BATCH]:
                del place.people[user]
            yield Page(rows=tuple(rows), cursor=place.encoded())
        place.stale = False
        keys = frozenset(people)
        statement = Statement(container=PEOPLE, kind="CONTACT", expected=len(keys), keys=keys)
        yield Page(cursor=place.encoded(), statements=(statement,))

    async def _former(self, user: str) -> Contact:
        """Somebody who shares no room with us any more: they stay whom we had to do with."""
        known = await self._profile_of(user)
        one = Acquaintance(user, short(known.displayname), known.avatar_url or "", "CORRESPONDENT")
        return msgspec.structs.replace(await self._contact(one), container="")

    async def _contact(self, one: Acquaintance) -> Contact:
        url = profile_url(one.user)
        return Contact(
            key=one.user,
            relation=one.relation,
            names=(Name(full=one.name or localpart(one.user)),),
            handles=(Handle(provider=KEY, handle=one.user, url=url),),
            photo=await self._photo(one.avatar),
            url=url,
            container=PEOPLE,
        )

    async def _photo(self, uri: str) -> Photo | None:
        """A small picture. Other people's servers may be gone for good: then there is none, and nobody waits for the next."""
        found = media(uri)
        if found is None or self._failures >= PHOTO_FAILURES:
            return None
        size = (("width", str(PHOTO_EDGE)), ("height", str(PHOTO_EDGE)), ("method", "crop"))
        try:
            data = (await self._media("thumbnail", *found, size, PHOTO_BYTES)).content
        except (Refused, Malformed, Unavailable):
            self._failures += 1
            return None
        self._failures = 0
        kind = picture.media_type(data[: picture.HEAD])
        return None if kind is None else Photo(media_type=kind, data=data)

    async def _profile_of(self, user: str) -> UserProfile:
        try:
            return await get(self._session, f"/_matrix/client/v3/profile/{segment(user)}", UserProfile)
        except Refused as error:
            if error.provider_code not in ("M_NOT_FOUND", "M_FORBIDDEN", "not-found"):
                raise
            return UserProfile()

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _who(self) -> str:
        try:
            return (await who(self._session)).user_id
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            raise _no_server(origin(self._session.account.base_url)) from error

    async def _sync(self, since: str, asked: Mapping[str, Any], *, wait: int = 0) -> Sync:
        """`set_presence=offline`: else the user would seem to be there all day."""
        query = [("filter", _json(asked)), ("timeout", str(wait * 1000)), ("set_presence", "offline")]
        if since:
            query.append(("since", since))
        return await get(self._session, "/_matrix/client/v3/sync", Sync, query, max_bytes=SYNC_BYTES)

    async def _media(self, what: str, server: str, id_: str, query: Sequence[tuple[str, str]], max_bytes: int) -> Response:
        """Content repository, v1.11: only for those who are signed in; older servers know the older path."""
        place = f"{what}/{segment(server)}/{segment(id_)}"
        try:
            return await ask(self._session, f"/_matrix/client/v1/media/{place}", query, max_bytes, statuses={500, 502, 503, 504})
        except Refused as error:
            if error.provider_code not in ("M_UNRECOGNIZED", "not-found"):
                raise
        return await ask(self._session, f"/_matrix/media/v3/{place}", query, max_bytes, statuses={500, 502, 503, 504})


# --- signing in -----------------------------------------------------------------------------------------------------------


async def sign_in(session: Session) -> SignedIn:
    """Tokens for a name and password ("Password-based"), or a token that somebody has; with the server's real address.

    Raises ReauthRequired for a wrong password, Refused where a server has no sign-in by password or is none.
    """
    typed = await session.credentials()
    base = await _homeserver(session)
    if typed.access_token:
        return SignedIn(secret=Secret(access_token=typed.access_token.strip()), base_url=base)
    flows = (await session.request("GET", f"{base}/_matrix/client/v3/login", auth=False)).json()
    offered = flows.get("flows") if isinstance(flows, dict) else None
    kinds = {flow.get("type") for flow in offered if isinstance(flow, dict)} if isinstance(offered, list) else set()
    host = urlsplit(base).hostname
    if "m.login.password" not in kinds:
        raise Refused(
            f"{host} signs people in on a page of its own. Link it with an access token instead.", provider_code="no-password"
        )
    answer = await session.request(
        "POST",
        f"{base}/_matrix/client/v3/login",
        json={
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": (typed.username or "").strip()},
            "password": typed.password or "",
            "initial_device_display_name": DEVICE,
            "refresh_token": True,
        },
        auth=False,
        accept_statuses={200, 400, 401, 403, 429},
        follow=False,
    )
    if answer.status in (401, 403) and said(answer)[0] in ("M_FORBIDDEN", "M_UNAUTHORIZED", ""):
        raise ReauthRequired(f"{host} does not know this name and password together.", provider_code="M_FORBIDDEN")
    if answer.status != 200:
        raise refusal(session, answer)
    return SignedIn(secret=_secret(session, decoded(answer, Tokens), None), base_url=base)


async def renew(session: Session, old: Secret) -> Secret:
    """A new pair of tokens ("Refreshing access tokens"). Raises ReauthRequired when the device was signed out."""
    if not old.refresh_token:
        raise ReauthRequired("The server no longer accepts this token. Link the account again.", provider_code="M_UNKNOWN_TOKEN")
    answer = await session.request(
        "POST",
        f"{origin(session.account.base_url)}/_matrix/client/v3/refresh",
        json={"refresh_token": old.refresh_token},
        auth=False,
        accept_statuses={200, 400, 401, 403, 429},
        follow=False,
    )
    if answer.status in (400, 401, 403):
        raise ReauthRequired(
            f"{urlsplit(answer.url).hostname} has signed Kith out. Link the account again.", provider_code=said(answer)[0]
        )
    if answer.status != 200:
        raise refusal(session, answer)
    return _secret(session, decoded(answer, Tokens), old)


async def _homeserver(session: Session) -> str:
    """The server's address for clients ("Well-known URI"): what the domain says, else the domain itself. Raises Refused."""
    home = origin(session.account.base_url)
    base = home
    try:
        answer = await session.request("GET", f"{home}/.well-known/matrix/client", auth=False, max_bytes=64 * 1024)
        said = answer.json()
        named = said.get("m.homeserver") if isinstance(said, dict) else None
        found = named.get("base_url") if isinstance(named, dict) else None
        if isinstance(found, str) and found:
            base = origin(found)
    except (Refused, Malformed):
        pass  # 404, or a web page at the domain: then it is asked itself
    if home.startswith("https:") and not base.startswith("https:"):
        raise Refused(f"{urlsplit(home).hostname} names an unencrypted server. Ask whoever runs it.", provider_code="downgrade")
    try:
        versions = await session.request("GET", f"{base}/_matrix/client/versions", auth=False, max_bytes=256 * 1024)
        decoded(versions, Versions)
    except (Refused, Malformed) as error:
        raise _no_server(base) from error
    return base


def base_url(values: dict[str, str]) -> str:
    """The place where a form's homeserver is looked for: the named one, or the domain of the Matrix id. Raises Refused."""
    text = values.get("server", "").strip() or values.get("username", "").strip()
    scheme, separator, _ = text.partition("://")
    if not separator:
        text = "https://" + (text.partition(":")[2] if text.startswith("@") else text)
    try:
        if separator and scheme.lower() not in ("http", "https"):
            raise ValueError(scheme)
        url = httpx.URL(text)
        if not url.host or any(sign.isspace() for sign in text) or (url.port is not None and not 0 < url.port < 65536):
            raise ValueError(text)
    except (httpx.InvalidURL, ValueError):
        raise Refused(
            "Enter your whole Matrix id, such as @ada:example.org, or the name of your server.", provider_code="not-a-url"
        ) from None
    return origin(str(url))


def _secret(session: Session, tokens: Tokens, old: Secret | None) -> Secret:
    expires_at = None
    if tokens.expires_in_ms is not None and 0 < tokens.expires_in_ms < 10**12:
        expires_at = session.clock.now() + timedelta(milliseconds=tokens.expires_in_ms)
    extra = dict(old.extra) if old is not None else {}
    if tokens.device_id:
        extra["device_id"] = tokens.device_id
    kept = old.refresh_token if old is not None else None
    return Secret(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token or kept, expires_at=expires_at, extra=extra
    )


# --- answers --------------------------------------------------------------------------------------------------------------


def _states(room_id: str, read: Iterable[str]) -> list[Row]:
    return [Row(item=MessageState(key=key, container=room_id, unread=False)) for key in read]


def _direct(events: Iterable[msgspec.Raw]) -> set[str] | None:
    """The rooms that clients keep as direct ("Direct Messaging"); None where nothing was said of them."""
    for raw in events:
        data = _loose(raw)
        if data.get("type") == "m.direct" and isinstance(data.get("content"), dict):
            lists = (rooms for rooms in data["content"].values() if isinstance(rooms, list))
            return {room for rooms in lists for room in rooms if isinstance(room, str)}
    return None


def _marks(said: Joined, me: str) -> list[tuple[str, str | None]]:
    """The events up to which the user has read, and of which thread, in the order in which they said so."""
    found: list[tuple[int, str, str | None]] = []
    for raw in said.account_data.events:
        data = _loose(raw)
        content = data.get("content")
        if data.get("type") == "m.fully_read" and isinstance(content, dict) and isinstance(content.get("event_id"), str):
            found.append((-1, content["event_id"], None))
    for raw in said.ephemeral.events:
        data = _loose(raw)
        if data.get("type") != "m.receipt" or not isinstance(data.get("content"), dict):
            continue
        for event_id, kinds in data["content"].items():
            for kind in ("m.read", "m.read.private"):
                users = kinds.get(kind) if isinstance(kinds, dict) else None
                mine = users.get(me) if isinstance(users, dict) else None
                if isinstance(mine, dict):
                    at, thread = mine.get("ts"), mine.get("thread_id")
                    found.append((at if isinstance(at, int) else 0, event_id, thread if isinstance(thread, str) else None))
    return [(event_id, thread) for _, event_id, thread in sorted(found, key=lambda one: one[0])]


def _loose(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _no_server(base: str) -> Refused:
    return Refused(
        f"There is no Matrix server at {urlsplit(base).hostname}. Name your homeserver as your client shows it.",
        provider_code="no-server",
    )


_SERVER = FormField(
    name="server",
    label="Homeserver",
    required=False,
    placeholder="matrix.example.org",
    help="Only where it is not found by the domain of your Matrix id.",
)

PROVIDER = Provider(
    key=KEY,
    name="Matrix",
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
            "REACT",
            "READ_STATE",
            "DELTA",
            "PUSH",
            "MIRROR",
            "ATTACHMENTS",
        }
    ),
    marks=frozenset({"READ"}),
    moderates=True,
    files=1,
    limitations=(
        "Encrypted messages show who wrote when, not what: Kith has no keys. It writes into no room that is encrypted.",
        "Messages go to rooms that are there: Kith makes none. A message takes one file.",
        "There is no list of contacts: they are those in your direct rooms and in rooms of at most a hundred people.",
        "The network tells nobody's e-mail address or phone number.",
        "Servers do not count messages: a room's history is known to be complete when its beginning was reached.",
        "Polls and calls are not shown.",
    ),
    link_forms=(
        LinkForm(
            method="PASSWORD",
            label="Matrix id and password",
            fields=(
                FormField(name="username", label="Matrix id", placeholder="@ada:example.org"),
                FormField(name="password", label="Password", kind="PASSWORD", secret=True),
                _SERVER,
            ),
            help="The password is used once, for a sign-in named Kith among your sessions, and not kept.",
        ),
        LinkForm(
            method="TOKEN",
            label="Access token",
            fields=(
                FormField(
                    name="server", label="Homeserver or Matrix id", placeholder="@ada:example.org", help="Where your account is."
                ),
                FormField(
                    name="access_token",
                    label="Access token",
                    kind="PASSWORD",
                    secret=True,
                    help="For servers that sign people in on a page of their own. In Element: Settings → Help & About → Advanced.",
                ),
            ),
        ),
    ),
    quota=Quota(
        calls=600,
        seconds=60.0,
        concurrency=4,
        sentence="Homeservers set their own limits and say when they are reached; Kith makes at most 600 calls a minute.",
    ),
    docs_path="docs/providers/matrix.md",
    poll_seconds=900,
    open=lambda session: Matrix(session),
    base_url=base_url,
    sign_in=sign_in,
    renew=renew,
)
