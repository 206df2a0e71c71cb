"""Where a bot's account stands between two runs: the channels, threads and direct conversations, and how far each of them has been read.

A channel is read from `top` down to `low`, `whole` when that is its beginning; `last` is its newest message as a listing tells it. Knows no
calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from providers.discord.message import PARENTS, ROOMS, THREADS, Channel, User, moment
from providers.formats import charset

LIVELY: Final = 7 * 86_400.0  # seconds after its newest message in which a channel is looked through again
LOOK: Final = 3_600.0  # seconds between two such looks while no line tells what changes
CLOSED: Final = 86_400.0  # seconds for which a channel that the bot may not read is left alone


class Room(msgspec.Struct, omit_defaults=True):
    """`recent` are its latest messages by id, `looked` when that was, `closed` when it was last refused (POSIX seconds)."""

    type: int = 0
    name: str = ""
    guild: str = ""
    parent: str = ""
    other: User | None = None
    last: str = ""
    top: str = ""
    low: str = ""
    whole: bool = False
    looked: float = 0.0
    recent: list[str] = []
    closed: float = 0.0

    @property
    def news(self) -> bool:
        """Whether a listing has told of a message that is newer than all that were read."""
        return bool(self.top and self.last) and int(self.last) > int(self.top)

    def shut(self, now: float) -> bool:
        return bool(self.closed) and now - self.closed < CLOSED

    def lively(self, now: float) -> bool:
        return bool(self.top) and now - moment(self.top).timestamp() < LIVELY

    def read(self, number: str) -> bool:
        """Whether a message with this id lies in what was read."""
        return (
            bool(self.top) and int(number) <= int(self.top) and (self.whole or (bool(self.low) and int(number) >= int(self.low)))
        )


class Shelf(msgspec.Struct, omit_defaults=True):
    """The archived threads of a channel: listed down to those archived at `mark`, last `looked` for at (POSIX seconds)."""

    mark: str = ""
    looked: float = 0.0


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor. `session` and `number` are how far the line's news were seen to, `due` the channels in which some were missed; `walk` is the
    server and member up to which members are listed; `listed` and `counted` when channels and members last were (POSIX seconds).
    `under_way`: a run has not come to its end."""

    version: int = 1
    me: User | None = None
    flags: int = 0
    guilds: dict[str, str] = {}
    rooms: dict[str, Room] = {}
    shelves: dict[str, Shelf] = {}
    due: list[str] = []
    under_way: bool = False
    unseen: list[str] = []  # servers whose channels were refused
    walk: str = ""
    listed: float = 0.0
    counted: float = 0.0
    stirred: bool = False  # whether the line has told of members since
    session: str = ""
    number: int = 0

    def meet(self, channel: Channel, guild: str) -> None:
        """What a listing says of a channel. Its reading goes on where it was."""
        if channel.type not in ROOMS:
            return
        room = self.rooms.setdefault(channel.id, Room())
        room.type, room.name, room.guild = channel.type, charset.line(channel.name or "") or room.name, guild
        room.parent = channel.parent_id or ""
        room.other = channel.recipients[0] if channel.recipients else room.other
        if channel.last_message_id is not None and channel.last_message_id.isdigit():
            room.last = channel.last_message_id
            room.whole = room.whole and bool(room.top)  # it was empty
        elif not room.top:
            room.whole = True

    def keep(self, listed: set[str]) -> list[str]:
        """Forget the channels that are not there any more, but for archived threads, which no list has. Gives those whose server is."""
        gone = {
            id_: room.guild
            for id_, room in self.rooms.items()
            if room.guild not in (*self.unseen, "") and id_ not in listed and not (room.type in THREADS and room.parent in listed)
        }
        for id_ in gone:
            del self.rooms[id_]
        self.shelves = {id_: shelf for id_, shelf in self.shelves.items() if id_ in listed}
        return [id_ for id_, guild in gone.items() if guild in self.guilds]

    def read_again(self) -> None:
        """All messages, from the newest down: they show more than they did."""
        for room in self.rooms.values():
            room.low, room.whole = "", not (room.top or room.last)

    def title(self, id_: str) -> str:
        """What a channel is called, as the data package calls it."""
        room = self.rooms[id_]
        server = self.guilds.get(room.guild, "")
        if not room.guild:
            return ""
        return f"{room.name} ({server})" if room.name and server and server not in room.name else room.name or server


def parents(channels: Iterable[Channel]) -> list[str]:
    """The channels that may have threads."""
    return [channel.id for channel in channels if channel.type in PARENTS]
