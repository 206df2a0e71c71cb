"""When a page will be asked for next, learnt from when it was: odds by what is known at the moment.

The question is always the same: *now that something has changed that this page shows, will it be asked for before something of that changes
again?* Whatever was made ahead is of no use after that. It is opened at each occasion (a change, the beginning of an hour, the viewer's
arrival), together with what is known then (`context`), and closed by the next one with a yes or a no. The odds of a page are how many were
answered yes in the same context, the older ones counting less. Nothing depends on what was made ahead, so that guesses do not prove themselves.

Contexts are few: while a stream of changes is open (then clients are told, and ask again for what they show), whether the page is one of
those that were asked for last, or lately; the same while programs ask without a stream; right after an arrival, by the page that it began
with; a moment before a program asks that asks by the clock (`Habit.every`); else the hour (UTC), on working days and at weekends. Knows no
store, no clock, no answers: whoever calls says when.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import orjson

from store.revision import ALL, Revision

MEMORY: Final = 40.0  # questions of one context after which an answer counts a third (1/e)
UNKNOWN: Final = (0.5, 2.0)  # yes and all, before anything was seen of a viewer
WEIGHT: Final = 2.0  # questions that the odds of the viewer's other pages stand for
NONE: Final = [0.0, 0.0]
PRESENT: Final = timedelta(minutes=5)  # since the last request, in which programs without a stream may ask again
TOGETHER: Final = timedelta(seconds=5)  # within which pages were asked for as one
HALF: Final = timedelta(days=7)  # after which a page that nobody asks for weighs half
FORGOTTEN: Final = timedelta(days=30)
GAPS: Final = (
    5  # between the last times that a page was asked for, by which it is seen whether a program asks for it by the clock
)
ALIKE: Final = 3  # of these at least have to be as long as each other
SLACK: Final = 0.1  # of their length, by which they may differ
SHORTEST: Final = 30.0  # seconds: who asks more often needs nothing ahead
DUE: Final = "due"  # the context of a page that will be asked for in a moment by the clock
TOLD: Final = "stream change"  # what the contexts of changes begin with that were told to who follows them
ENOUGH: Final = 8  # characters of a document's digest, by which the few of a viewer are told from each other
HOURS: Final = "we"  # what the names of hours begin with, and those of no other context
Occasion = Literal["change", "noticed", "hour", "arrival"]  # noticed: a change that was not told, by who asks after it


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: a document by its text's digest, of which operation, with which variables, by whom with what scopes."""

    viewer: str
    document: str
    operation: str
    variables: Mapping[str, Any]
    scopes: frozenset[str]

    @property
    def id(self) -> str:
        parts = (self.document, self.operation, self.written, " ".join(sorted(self.scopes)))
        return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()

    @property
    def written(self) -> str:
        return orjson.dumps(self.variables, option=orjson.OPT_SORT_KEYS).decode() if self.variables else ""


class Habit:
    """A page of a viewer's and the odds that it is asked for."""

    __slots__ = ("asked", "asked_at", "asking", "context", "gaps", "made", "odds", "parts", "recent", "weight")

    def __init__(self, asking: Asking, at: datetime, odds: dict[str, list[float]] | None = None, weight: float = 0.0) -> None:
        self.asking = asking
        self.odds = odds if odds is not None else {}  # context → how many said yes, how many there were
        self.weight = weight
        self.asked_at = at
        self.context = ""  # of the open question; empty: none is open
        self.asked = False  # its answer so far
        self.made = 0.0  # processor seconds that an answer took which was made ahead, and nobody has asked for so far
        self.recent = False  # whether it was asked for since the change before the last that was told
        self.parts = ALL  # of what the viewer has, those that it was made from last (store/revision.py)
        self.gaps: deque[float] = deque(maxlen=GAPS)  # seconds between the last times it was asked for

    def likely(self, others: Mapping[str, list[float]]) -> float:
        """How likely it is asked for before the next change; `others`: the odds of all pages of the viewer, for what is not known of this one."""
        return self.odds_of(self.context, others)

    def odds_of(self, context: str, others: Mapping[str, list[float]]) -> float:
        """The same, were the question asked in this context."""
        yes, times = self.odds.get(context, NONE)
        all_yes, all_times = others.get(context, NONE)
        usual = (all_yes + UNKNOWN[0]) / (all_times + UNKNOWN[1])
        return (yes + WEIGHT * usual) / (times + WEIGHT)

    def close(self) -> None:
        """The open question has its answer; what was asked for without a question is over as well."""
        context, asked = self.context, self.asked
        self.context, self.asked = "", False
        if not context or (not asked and context[0] in HOURS and context not in self.odds):
            return  # an hour in which it was never asked for needs no row
        learn(self.odds.setdefault(context, [0.0, 0.0]), asked)

    @property
    def every(self) -> tuple[float, float] | None:
        """Seconds from when it was asked for until it will be again, from and to; None unless most of the last pauses were alike, as those of a
        program are.
        """
        if len(self.gaps) < ALIKE:
            return None
        middle = sorted(self.gaps)[len(self.gaps) // 2]
        alike = [gap for gap in self.gaps if abs(gap - middle) <= SLACK * middle]
        return (min(alike), middle * (1.0 + SLACK)) if len(alike) >= ALIKE and middle >= SHORTEST else None

    def expect(self) -> None:
        """It will be asked for in a moment, as it is every so often."""
        self.context = DUE

    def weighs(self, now: datetime) -> float:
        return float(self.weight * 0.5 ** max(0.0, (now - self.asked_at) / HALF))


def learn(seen: list[float], asked: bool) -> None:
    """One more answer: yes and all of them, the older ones counting less."""
    keep = 1.0 - 1.0 / MEMORY
    seen[0] = seen[0] * keep + asked
    seen[1] = seen[1] * keep + 1.0


class Habits:
    """What is known of one viewer: at most `most` pages, who is there, and which revision of theirs was seen last."""

    __slots__ = ("before", "hour", "last", "most", "odds", "pages", "revision", "seen", "streams", "unwritten")

    def __init__(self, most: int) -> None:
        self.most = most
        self.pages: dict[str, Habit] = {}
        self.odds: dict[str, list[float]] = {}  # of all pages together
        self.streams = 0
        self.seen: datetime | None = None  # the last request, or stream that opened or closed
        self.last: datetime | None = None  # the last request for one of the pages
        self.revision: Revision | None = None
        self.before: Revision | None = None  # the revision before
        self.hour = ""
        self.unwritten = False

    def present(self, now: datetime) -> bool:
        return self.streams > 0 or (self.seen is not None and now - self.seen < PRESENT)

    def awaited(self, bar: float, now: datetime) -> bool:
        """Whether any page is as likely as that to be asked for after a change that nothing tells of."""
        present = self.present(now)
        return any(
            habit.odds_of(self._context(habit, "change", present, False), self.odds) >= bar for habit in self.pages.values()
        )

    def occur(self, occasion: Occasion, now: datetime, *, besides: Habit | None = None, parts: int = ALL) -> Iterator[Habit]:
        """Close all questions and open the next ones. Gives the pages whose questions were opened; `besides` is the one that arrives, `parts`
        are those of what the viewer has that have changed: what is made from others stays true, and its question open.
        """
        present, following = self.present(now), self.streams > 0
        after = "" if besides is None else f" {besides.asking.document[:ENOUGH]}"
        self.hour = hour(now)
        for habit in self.pages.values():
            if habit is besides or not habit.parts & parts:
                continue
            asked, context = habit.asked, habit.context
            habit.close()
            if context and context[0] not in HOURS:
                learn(self.odds.setdefault(context, [0.0, 0.0]), asked)
            if occasion == "change" and context.startswith(TOLD) and not asked:
                habit.recent = False  # who follows was told, and did not ask for it
            habit.context = self._context(habit, occasion, present, following, after)
            yield habit

    def remember(self, habits: Iterable[Habit]) -> None:
        """Take up what was learnt before; what is known already counts."""
        for habit in habits:
            if len(self.pages) < self.most and habit.asking.id not in self.pages:
                self.pages[habit.asking.id] = habit
                for context, seen in habit.odds.items():
                    if context[0] not in HOURS:
                        total = self.odds.setdefault(context, [0.0, 0.0])
                        total[0], total[1] = total[0] + seen[0], total[1] + seen[1]
        if self.last is None and self.pages:  # what was shown last is what clients will ask for again
            self.last = max(habit.asked_at for habit in self.pages.values())
            for habit in self.pages.values():
                habit.recent = self.last - habit.asked_at <= TOGETHER

    def ask(self, asking: Asking, now: datetime) -> Habit:
        """The page was asked for."""
        name = asking.id
        habit = self.pages.get(name)
        if habit is None:
            if len(self.pages) >= self.most:
                del self.pages[min(self.pages, key=lambda other: self.pages[other].weighs(now))]
            habit = self.pages[name] = Habit(asking, now)
        return self.again(habit, now)

    def again(self, habit: Habit, now: datetime) -> Habit:
        if not habit.asked:
            habit.weight = habit.weighs(now) + 1.0
            habit.asked = True
            self.unwritten = True
        if habit.asked_at < now:
            habit.gaps.append((now - habit.asked_at).total_seconds())
        habit.asked_at = self.last = now
        habit.recent = True
        return habit

    def _context(self, habit: Habit, occasion: Occasion, present: bool, following: bool, after: str = "") -> str:
        if not present:
            return self.hour
        if occasion == "arrival":
            return f"arrival{after}"
        if following and occasion == "noticed":
            return ""  # who asks is on the way already, and nobody else was told: there is nothing to learn
        with_last = self.last is not None and habit.recent and self.last - habit.asked_at <= TOGETHER
        shown = "last" if with_last else "lately" if habit.recent else "other"
        if following:
            return f"stream {occasion} {shown}"
        return f"polls {shown}"


def hour(now: datetime) -> str:
    """The name of an hour: w08 on a working day, e08 at a weekend (UTC)."""
    return f"{'e' if now.weekday() >= 5 else 'w'}{now.hour:02}"


def pack(odds: dict[str, list[float]]) -> bytes:
    """Odds for the store."""
    return msgspec.msgpack.encode({name: [round(value, 3) for value in seen] for name, seen in odds.items()})


def unpack(packed: bytes) -> dict[str, list[float]]:
    """Odds from the store. Raises msgspec.MsgspecError for what is none."""
    return msgspec.msgpack.decode(packed, type=dict[str, list[float]])
