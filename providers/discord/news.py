"""What a bot's line has heard since it was opened, for the runs in the same process: where something happened, never what.

A line counts its events within a session (Developer Docs, "Gateway", `s`); a run remembers the session and the number up to which it has
seen to them. Whoever comes with another session, or with a number that is forgotten here, has missed something and looks for itself.
Knows no network.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

KEPT: Final = 10_000  # events
#: Of what an event is that is about no message.
CHANNELS, RENEWED, DELETED = "channels", "renewed", "deleted"


class Event(NamedTuple):
    """`message` is one that changed or went, empty where something new was said in the channel. `what` says that the channel
    is new or another (RENEWED), or DELETED; without a channel, that CHANNELS or members came, went or changed."""

    number: int
    channel: str = ""
    message: str = ""
    what: str = ""


class News:
    """The events of one line. `session` is empty while there is none."""

    def __init__(self) -> None:
        self.session = ""
        self.number = 0
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._since = 0

    def begin(self, session: str, number: int) -> None:
        """A session begins with the event of this number, which says that it has."""
        self.session, self.number, self._since = session, number, number
        self._events.clear()

    def add(self, session: str, event: Event) -> None:
        """An event of a session; where another line of the same bot is the one that is kept, it is that line's to tell."""
        if session != self.session:
            return
        if len(self._events) == KEPT:
            self._since = self._events[0].number
        self._events.append(event)
        self.number = event.number

    def passed(self, session: str, number: int) -> None:
        """An event came that is no news."""
        if session == self.session:
            self.number = number

    def end(self, session: str) -> None:
        """The session is over, if it is still this one."""
        if self.session == session:
            self.session = ""

    def after(self, session: str, number: int) -> list[Event] | None:
        """The events since one; None where some may be missing."""
        if not session or session != self.session or number < self._since:
            return None
        return [event for event in self._events if event.number > number]
