"""How close two people are, from what they exchanged: pure, with the moment handed in.

Only what goes both ways makes a tie: whoever never answers, or was never answered, has a score of 0, however much they wrote. The score
is the weighted mean of seven parts, each between 0 and 1 (`WEIGHTS`, docs/relationship.md). They are among what Granovetter names as the
strength of a tie ("The Strength of Weak Ties", American Journal of Sociology 78(6), 1973: time, intimacy, reciprocity) and what predicts
it best in practice (Gilbert and Karahalios, "Predicting Tie Strength With Social Media", CHI 2009: days since the last and since the first
exchange, and how much was exchanged, come first). Ties decay unless they are used (Burt, "Decay Functions", Social Networks 22, 2000): what
was exchanged loses half of its weight in HALF_LIFE days. Whole counts come in, so that the same messages give the same score.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt
from statistics import median
from typing import Final, Literal

import msgspec

from resolvers.relationship.counting import PERIOD, WHOLE, Answer, start_of

Factor = Literal["FREQUENCY", "RECENCY", "RECIPROCITY", "RESPONSE_TIME", "HISTORY", "INITIATIVE", "CHANNELS"]
Trend = Literal["RISING", "STEADY", "FALLING", "NEW"]
#: Share of each part in the score.
WEIGHTS: Final[dict[Factor, float]] = {
    "FREQUENCY": 0.30, "RECENCY": 0.25, "RECIPROCITY": 0.15, "RESPONSE_TIME": 0.10, "HISTORY": 0.10, "INITIATIVE": 0.05, "CHANNELS": 0.05,
}  # fmt: skip
HALF_LIFE: Final = 90.0  # days in which what was exchanged loses half of its weight
OFTEN: Final = 3.0  # messages a week each way that are worth one half
SILENCE: Final = 60.0  # days of silence that leave one half
PROMPT: Final = 12.0  # hours until an answer that are worth one half
LONG: Final = 2.0  # years since the first exchange that are worth one half
KNOWN: Final = 28.0  # days over which at least an exchange is spread: a lively first afternoon is no friendship yet
NEW: Final = timedelta(days=90)  # since the first exchange: too little to see a trend
LATELY, BEFORE = 45.0, 180.0  # half-lives, in days, of the two averages whose quotient is the trend
RISES, FALLS = 1.5, 0.6  # the quotient from which it rises, up to which it falls
SEEN_BACK: Final = timedelta(days=390)  # answers and days of exchange that are looked at: a year and a little
MEETINGS: Final = 3  # days with an exchange before an interval can be told
_DAY: Final = timedelta(days=1)


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What was exchanged in one period over one network; as `counting.Tally`."""

    period: int
    network: str
    inbound: int
    outbound: int
    heard: int
    said: int
    begun: int
    opened: int
    first_at: datetime
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """All that was exchanged with somebody. `days` (since 1970) and `answers` of SEEN_BACK."""

    sums: tuple[Sums, ...] = ()
    days: frozenset[int] = frozenset()
    answers: tuple[Answer, ...] = ()  # latest first


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a score."""

    factor: Factor
    value: float
    weight: float
    sentence: str


class Closeness(msgspec.Struct, frozen=True, kw_only=True):
    """How close, and why."""

    score: int
    parts: tuple[Part, ...]
    trend: Trend
    inbound_count: int
    outbound_count: int
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    first_contact_at: datetime | None
    usual_interval: timedelta | None
    longest_usual: timedelta | None  # nine silences in ten were no longer
    next_due_at: datetime | None
    their_response: timedelta | None  # median
    own_response: timedelta | None
    sentence: str


def closeness(of: Exchanged, now: datetime) -> Closeness:
    """What was exchanged until `now`, weighed."""
    sums = [one for one in of.sums if start_of(one.period) <= now]
    inbound, outbound = sum(one.inbound for one in sums), sum(one.outbound for one in sums)
    last_in = max((one.last_inbound_at for one in sums if one.last_inbound_at is not None), default=None)
    last_out = max((one.last_outbound_at for one in sums if one.last_outbound_at is not None), default=None)
    first = min((one.first_at for one in sums), default=None)
    mutual = last_in is not None and last_out is not None
    theirs, own = _response(of.answers, own=False), _response(of.answers, own=True)
    parts = _parts(sums, first, last_in, last_out, theirs, own, now) if mutual else _nothing(inbound, outbound)
    gaps = _gaps(of.days)
    usual = timedelta(days=median(gaps)) if gaps else None
    longest = timedelta(days=gaps[(len(gaps) * 9) // 10]) if gaps else None
    last = max((at for at in (last_in, last_out) if at is not None), default=None)
    score = round(100 * sum(part.value * part.weight for part in parts))
    trend = _trend(sums, first, now)
    return Closeness(
        score=score, parts=parts, trend=trend, inbound_count=inbound, outbound_count=outbound, last_inbound_at=last_in,
        last_outbound_at=last_out, first_contact_at=first, usual_interval=usual, longest_usual=longest,
        next_due_at=last + usual if mutual and last is not None and usual is not None else None, their_response=theirs, own_response=own,
        sentence=_sentence(score, trend, inbound, outbound, last, now),
    )  # fmt: skip


def _parts(
    sums: Sequence[Sums],
    first: datetime | None,
    last_in: datetime | None,
    last_out: datetime | None,
    theirs: timedelta | None,
    own: timedelta | None,
    now: datetime,
) -> tuple[Part, ...]:
    assert first is not None and last_in is not None and last_out is not None
    heard, said = _rates(sums, first, now, HALF_LIFE)
    both = sqrt(heard * said) * 7
    silence = max(0.0, (now - min(last_in, last_out)) / _DAY)
    share = 2 * min(heard, said) / (heard + said) if heard + said > 0 else 0.0
    answered = [_half(0, wait / timedelta(hours=1), PROMPT) for wait in (theirs, own) if wait is not None]
    begun, opened = sum(one.begun for one in sums), sum(one.opened for one in sums)
    begins = 2 * min(begun, opened) / (begun + opened) if begun + opened else 0.0
    networks = sorted({one.network for one in sums if one.inbound and one.outbound} or {one.network for one in sums})
    years = max(0.0, (now - first) / timedelta(days=365.25))
    told: dict[Factor, tuple[float, str]] = {
        "FREQUENCY": (_more(both, OFTEN), f"About {_number(both)} messages a week each way of late."),
        "RECENCY": (0.5 ** (silence / SILENCE), f"You last heard from each other {_ago(now - min(last_in, last_out))}."),
        "RECIPROCITY": (share, f"Of what was exchanged of late, {_percent(heard, heard + said)} % came from them."),
        "RESPONSE_TIME": (sum(answered) / len(answered) if answered else 0.0, _responses(theirs, own)),
        "HISTORY": (_more(years, LONG), f"The first exchange was {_ago(now - first)}."),
        "INITIATIVE": (begins, f"They began {_counted(begun, 'conversation')}, you {opened}."),
        "CHANNELS": (1 - 0.5 ** len(networks), f"You write to each other over {_listed(networks)}."),
    }
    return tuple(
        Part(factor=factor, value=round(told[factor][0], 4), weight=weight, sentence=told[factor][1])
        for factor, weight in WEIGHTS.items()
    )


def _nothing(inbound: int, outbound: int) -> tuple[Part, ...]:
    if inbound:
        why = "They write, and you have never written to them."
    elif outbound:
        why = "You have written, and they have never written to you."
    else:
        why = "Nothing personal was exchanged."
    return tuple(Part(factor=factor, value=0.0, weight=weight, sentence=why) for factor, weight in WEIGHTS.items())


def _rates(sums: Sequence[Sums], first: datetime, now: datetime, half_life: float) -> tuple[float, float]:
    """Messages a day heard and said, what is older weighing less: a steady exchange has its own rate, whatever the half-life."""
    heard = said = days = 0.0
    by_period: dict[int, tuple[int, int]] = {}
    for one in sums:
        before = by_period.get(one.period, (0, 0))
        by_period[one.period] = before[0] + one.heard, before[1] + one.said
    oldest, newest = min(by_period), max(*by_period, (now - start_of(0)) // PERIOD)
    for period in range(oldest, newest + 1):
        start, end = max(first, start_of(period)), min(now, start_of(period + 1))
        span = max((end - start) / _DAY, 0.0)
        weight = 0.5 ** (max(0.0, (now - start - (end - start) / 2) / _DAY) / half_life)
        told = by_period.get(period, (0, 0))
        heard, said, days = heard + weight * told[0], said + weight * told[1], days + weight * span
    days = max(days, KNOWN)
    return heard / WHOLE / days, said / WHOLE / days


def _trend(sums: Sequence[Sums], first: datetime | None, now: datetime) -> Trend:
    if first is None or now - first < NEW:
        return "NEW"
    lately, before = (sum(_rates(sums, first, now, half_life)) for half_life in (LATELY, BEFORE))
    quotient = lately / before if before > 0 else 1.0
    return "RISING" if quotient >= RISES else "FALLING" if quotient <= FALLS else "STEADY"


def _response(answers: Sequence[Answer], *, own: bool) -> timedelta | None:
    """The median wait; of an even number of them the mean of the two in the middle, in whole microseconds."""
    waits = [answer.waited for answer in answers if answer.own == own]
    return timedelta(microseconds=int(median(waits))) if waits else None


def _gaps(days: Collection[int]) -> list[int]:
    """Days between one day of exchange and the next, shortest first."""
    if len(days) < MEETINGS:
        return []
    ordered = sorted(days)
    return sorted(later - earlier for earlier, later in pairwise(ordered))


def _more(value: float, half: float) -> float:
    """0 at 0, one half at `half`, ever closer to 1."""
    return float(1 - 0.5 ** (value / half))


def _half(best: float, value: float, half: float) -> float:
    """1 at `best`, one half at `half` above it, ever closer to 0 (hyperbolically: a day late is late, a week is not much later)."""
    return half / (half + max(0.0, value - best))


# --- in words -------------------------------------------------------------------------------------------------------------


def _sentence(score: int, trend: Trend, inbound: int, outbound: int, last: datetime | None, now: datetime) -> str:
    if last is None:
        return "Nothing personal was exchanged yet."
    if not inbound or not outbound:
        many = inbound or outbound
        who = "They wrote" if inbound else "You wrote"
        return f"{who} {_counted(many, 'message')}, and nothing went the other way."
    close = next(
        word for least, word in ((70, "Very close"), (45, "Close"), (20, "Acquainted"), (0, "Distant")) if score >= least
    )
    moving = {"RISING": ", and getting closer", "FALLING": ", and drifting apart", "NEW": ", and new", "STEADY": ""}[trend]
    return f"{close}{moving}: {_counted(inbound, 'message')} from them, {outbound} from you, the last one {_ago(now - last)}."


def _responses(theirs: timedelta | None, own: timedelta | None) -> str:
    said = []
    if theirs is not None:
        said.append(f"They usually answer within {length(theirs)}")
    if own is not None:
        said.append(f"{'you' if said else 'You'} within {length(own)}")
    return f"{', '.join(said)}." if said else "Neither of you has answered the other within the last year."


def length(span: timedelta) -> str:
    """How long that is, in the largest unit that has two of it."""
    seconds = max(0, round(span.total_seconds()))
    for size, unit in (
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return _counted(seconds, "second")


def _ago(span: timedelta) -> str:
    return "within the hour" if span < timedelta(hours=1) else f"{length(span)} ago"


def _counted(many: int, what: str) -> str:
    return f"{many} {what}" if many == 1 else f"{many} {what}s"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _percent(part: float, whole: float) -> int:
    return round(100 * part / whole) if whole > 0 else 50


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
