"""What is remembered of an account's rooms between two runs: the cursor of the Matrix adapter.

`since` is the place in the server's stream. Of each room there are its name and kind, what is unread, and its gaps: stretches
of its history that are still to be read. A gap is written down together with the events beside it, so that nothing is ever
between two places that nobody remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from providers.errors import CursorExpired
from providers.matrix.event import Event, short
from providers.records import ConversationKind

VERSION: Final = 2  # 1 knew no reactions
#: A room of at most so many is a group, whose members a message is meant for.
GROUP: Final = 20
#: Whoever is in a room with more people than this is no acquaintance for it.
KNOWN: Final = 100
UNREAD: Final = 100  # messages of a room that count as unread; what is older counts as read


class Gap(msgspec.Struct, array_like=True):
    """A stretch of history, read backwards from the token `start` to `to`, or to the room's beginning where that is empty.

    `at` is the time of the oldest event read so far, all of the gap is older; `read`: what is older than this has been read by the user.
    """

    start: str
    to: str = ""
    at: int = 0
    read: bool = False


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """A message of somebody else that is unread."""

    event_id: str
    at: int
    thread: str = ""


class Room(msgspec.Struct, omit_defaults=True):
    name: str = ""
    alias: str = ""
    heroes: tuple[str, ...] = ()
    count: int = 0  # who joined; 0 as long as nobody said
    space: bool = False
    left: bool = False
    at: int = 0  # the latest event
    mark: str = ""  # the event up to which the user has read
    waiting: list[Waiting] = []
    gaps: list[Gap] = []

    def see(self, event: Event) -> bool:
        """Learn from a state event; whether the room shows in another way now."""
        before = (self.name, self.alias, self.space)
        match event.type, event.state_key:
            case "m.room.name", "":
                self.name = short(event.content.get("name"))
            case "m.room.canonical_alias", "":
                self.alias = short(event.content.get("alias"))
            case "m.room.create", "":
                self.space = event.content.get("type") == "m.space"
        return before != (self.name, self.alias, self.space)

    def summed_up(self, summary: Mapping[str, Any]) -> bool:
        """Learn from a sync's summary, which is there only when it changed; whether it told anything new."""
        before = (self.heroes, self.count)
        heroes, count = summary.get("m.heroes"), summary.get("m.joined_member_count")
        if isinstance(heroes, list):
            self.heroes = tuple(hero for hero in heroes if isinstance(hero, str))[:5]
        if isinstance(count, int) and count >= 0:
            self.count = count
        return before != (self.heroes, self.count)

    def kind(self, direct: bool) -> ConversationKind:
        if direct:
            return "DIRECT"
        return "GROUP" if self.count <= GROUP and not self.alias else "CHANNEL"

    def subject(self, direct: bool, names: Mapping[str, str]) -> str | None:
        """ "Calculating the display name for a room", without names for what is only the two of you."""
        if self.name or self.alias:
            return self.name or self.alias
        return None if direct else ", ".join(names.get(hero) or hero for hero in self.heroes) or None

    def wait(self, event: Event) -> list[str]:
        """Remember a message as unread; the messages that are too many now and count as read from here on."""
        self.waiting.append(Waiting(event.event_id, event.origin_server_ts, event.thread))
        self.waiting.sort(key=lambda one: one.at)
        dropped, self.waiting = self.waiting[:-UNREAD], self.waiting[-UNREAD:]
        return [one.event_id for one in dropped]

    def read(self, event_id: str, thread: str | None, at: int | None) -> list[str]:
        """What became read by a receipt for an event ("Threaded read receipts": None stands for all, "main" for what is in none).

        `at` is the event's time, where that is known.
        """
        self.mark = event_id
        place = next((n for n, one in enumerate(self.waiting) if one.event_id == event_id), None)
        if place is not None:
            at = self.waiting[place].at
        if at is None:
            return []
        for gap in self.gaps:
            gap.read = gap.read or at >= gap.at
        done: list[Waiting] = []
        left: list[Waiting] = []
        for n, one in enumerate(self.waiting):
            before = n <= place if place is not None else one.at <= at
            meant = thread is None or one.thread == ("" if thread == "main" else thread)
            (done if before and meant else left).append(one)
        self.waiting = left
        return [one.event_id for one in done]

    def waits(self, event_id: str) -> bool:
        return any(one.event_id == event_id for one in self.waiting)

    def forget(self, event_id: str) -> None:
        """A message was taken back: nobody has to read it any more."""
        self.waiting = [one for one in self.waiting if one.event_id != event_id]


class Position(msgspec.Struct):
    """The cursor. `people` are the contacts handed over so far, with a print of what was said of them; `stale` when someone
    may have come, gone or changed since."""

    version: int
    since: str = ""
    rooms: dict[str, Room] = {}
    direct: list[str] = []
    people: dict[str, str] = {}
    stale: bool = True

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)

    def newest_gap(self, refused: Iterable[str]) -> tuple[str, Room] | None:
        """The room whose history goes on next: of those that may be read, the one whose unread stretch is the newest."""
        without = frozenset(refused)
        open_ = [(id_, room) for id_, room in self.rooms.items() if room.gaps and id_ not in without]
        return max(open_, key=lambda one: one[1].gaps[-1].at, default=None)


def position(cursor: bytes | None) -> Position:
    """The remembered place. Raises CursorExpired for what is none of ours."""
    if cursor is None:
        return Position(version=VERSION)
    try:
        found = msgspec.json.decode(cursor, type=Position)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CursorExpired("The stored position cannot be read: everything is listed again.") from None
    if found.version != VERSION:
        raise CursorExpired("The stored position is of another version: everything is listed again.")
    return found
