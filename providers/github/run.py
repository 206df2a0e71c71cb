"""Where a run of the GitHub mirror stands: the cursor, what this run has spoken of already, and when lists may be asked for again.

Knows what is remembered, and nothing of how it is found.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers import cursors
from providers.http import Session
from providers.records import Row, Unreadable

#: Refusals of one part that leave the others as they are.
PARTIAL: Final = frozenset({"scope", "sso", "403", "FORBIDDEN", "not-found"})
MAX_PAGES: Final = 10_000
#: "X-Poll-Interval" of the notifications, where it is missing.
POLL_SECONDS: Final = 60


class Search(msgspec.Struct, omit_defaults=True):
    """Where a search stands. All that was updated before `floor` has been read; a walk that goes on began at `top`, has come down to
    `at`, and to GitHub's own place `after` among the threads of that second. `recent` are the threads near the floor, as updated then."""

    floor: str = ""
    top: str = ""
    at: str = ""
    after: str = ""
    recent: dict[str, str] = {}


class Waiting(msgspec.Struct, omit_defaults=True):
    """A thread of the inbox: when it was updated, up to when it was read, and which messages of it are unread, the latest last.

    `note` is its notification.
    """

    updated: str
    note: str = ""
    read: str = ""
    thread: str = ""
    keys: list[str] = []


class Feed(msgspec.Struct, omit_defaults=True):
    """A list of events: its ETag, the latest event of it, and when it may be asked for again (POSIX seconds)."""

    etag: str = ""
    latest: int = 0
    ask_after: float = 0.0


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor.

    `walk` is the list of people that goes on, `after` the place in it. `user` is the ETag of the viewer's own record and `listed` the
    time (POSIX seconds) of the last walk that saw everybody; `colleagues` are whom it met only in organisations and repositories.
    `inbox` is the notifications' Last-Modified, `ask_after` when they may be asked for again.
    """

    walk: str = ""
    after: str = ""
    user: str = ""
    login: str = ""
    listed: float = 0.0
    withheld: dict[str, str] = {}  # what the last walk was not shown, in sentences: said again with each run
    colleagues: list[str] = []
    searches: dict[str, Search] = {}
    inbox: str = ""
    ask_after: float = 0.0
    tells: bool = False  # whether the notifications are shown to us at all
    unread: dict[str, Waiting] = {}
    feeds: dict[str, Feed] = {}
    version: int = 1


class Run:
    """One run: the session, the place that it has reached, and of whom and what it has spoken."""

    def __init__(self, session: Session, place: Position) -> None:
        self.session = session
        self.place = place
        self.met: set[str] = set()  # users, by key
        self.seen: set[str] = set()  # threads, by id

    def cursor(self) -> bytes:
        """The cursor of a page that ends here."""
        return cursors.written(self.place)

    def now(self) -> float:
        """POSIX seconds."""
        return self.session.clock.now().timestamp()

    def after(self, interval: str) -> float:
        """When a list may be asked for again: `X-Poll-Interval`, in seconds."""
        return self.now() + (int(interval[:4]) if interval.isascii() and interval.isdigit() else POLL_SECONDS)


def skipped(key: str, text: str) -> Row:
    """A part that is not shown, and what to do about it."""
    return Row(item=Unreadable(key=key, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=key.partition("/")[0]))
