"""Matrix's rooms: what a sync tells of them, and the history that it leaves out, read backwards from `/messages`.

Every event of a sync and every gap it leaves are in one page and one cursor. What an event means is in `event.py`, what is remembered of
rooms in `rooms.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from providers.errors import CursorExpired, Refused
from providers.http import Session
from providers.matrix.api import CLOSED, get, segment
from providers.matrix.event import (
    Event,
    Setting,
    instant,
    is_user,
    latest_replacement,
    message,
    participant,
    reaction,
    readable,
    short,
    taken_back,
)
from providers.matrix.rooms import KNOWN, Gap, Position, Room
from providers.matrix.sync import MEMBERS, Joined, direct_rooms, json, read_marks, sync, told
from providers.records import ConversationHead, Gone, MessageState, Page, Row, Statement, Unreadable

EVENTS: Final = 100  # of a room's history at a time
RECENT: Final = 50  # of a room that a sync gives; what is more, is a gap


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


class Talks:
    """The rooms of an account, for one run."""

    def __init__(self, session: Session, me: str) -> None:
        self._session = session
        self._me = me
        self._names: dict[str, dict[str, str]] = {}
        self._members: dict[str, dict[str, Member] | None] = {}
        self._told: set[str] = set()  # rooms of which this run has said what they are
        self.refused: set[str] = set()

    async def delta(self, place: Position) -> Page:
        """One sync. Every event of it, and every gap it leaves, is in the page and the cursor together."""
        first = not place.since
        try:
            answer = await sync(self._session, place.since, told(1 if first else RECENT))
        except Refused as error:
            if place.since and error.provider_code in ("M_UNKNOWN", "M_UNKNOWN_POS", "M_INVALID_PARAM", "M_BAD_JSON"):
                raise CursorExpired("The server no longer knows this place in its stream.") from error
            raise
        rows: list[Row] = []
        renamed: set[str] = set()
        direct = direct_rooms(answer.account_data.events)
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
        marks = read_marks(said, self._me)
        if first:
            room.mark = marks[-1][0] if marks else ""
            return
        for event_id, thread in marks:
            at = None
            if room.waiting and not room.waits(event_id):
                found = await self._event(room_id, event_id)
                at = None if found is None else found.origin_server_ts
            rows += _states(room_id, room.read(event_id, thread, at))

    async def history(self, place: Position, room_id: str, room: Room) -> Page:
        """One step back in one room. What the server keeps from us is said, and asked for again in the next run."""
        gap = room.gaps[-1]
        query = [("dir", "b"), ("from", gap.start), ("limit", str(EVENTS)), ("filter", json(MEMBERS))]
        if gap.to:
            query.append(("to", gap.to))
        try:
            answer = await get(self._session, f"/_matrix/client/v3/rooms/{segment(room_id)}/messages", History, query)
        except Refused as error:
            if error.provider_code in ("M_UNKNOWN", "M_INVALID_PARAM"):
                raise CursorExpired("The server no longer knows a place in a room's history.") from error
            if error.provider_code not in CLOSED:
                raise
            self.refused.add(room_id)
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
                setting = setting or await self._setting(place, room_id)
                rows.append(Row(item=taken_back(event, setting)))
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
        members = await self.joined(room_id, room) if kind != "CHANNEL" else None
        others = tuple(sorted(user for user in members or {} if is_user(user)))
        return Setting(room_id=room_id, kind=kind, names=self._names.setdefault(room_id, {}), members=others)

    async def _head(self, place: Position, room_id: str) -> list[Row]:
        """What a room is, once a run. Nothing for one that was never written in: it is no conversation yet."""
        room = place.rooms[room_id]
        if room.space:
            return []
        self._told.add(room_id)
        direct = room_id in place.direct
        members = await self.joined(room_id, room)
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

    async def joined(self, room_id: str, room: Room) -> dict[str, Member] | None:
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


def _states(room_id: str, read: Iterable[str]) -> list[Row]:
    return [Row(item=MessageState(key=key, container=room_id, unread=False)) for key in read]
