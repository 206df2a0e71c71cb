"""When a feed is worth another look: what its entries show of its author's habits, within what it and its server ask for.

`ttl`, `skipHours`, `skipDays` (RSS 2.0), `sy:updatePeriod` (RSS 1.0 Syndication) and Cache-Control (RFC 9111 §5.2.2.1) are obeyed, but
none longer than a day. Looks at no clock.
"""

from __future__ import annotations

import hashlib
import re
import statistics
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

SHORTEST: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(days=1)
#: Where nothing is known of the author's habits.
USUAL: Final = timedelta(hours=1)
#: A feed that has been silent is looked at after this part of the silence.
SILENCE: Final = 8
#: Feeds that are due together are spread over this part of their interval.
SPREAD: Final = 0.1
_LATEST: Final = 20  # entries whose distances are looked at
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


def habit(moments: Iterable[datetime]) -> timedelta:
    """Half of what usually lies between two entries."""
    latest = sorted(moments, reverse=True)[:_LATEST]
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(latest)]
    return timedelta(seconds=statistics.median(gaps) / 2) if gaps else USUAL


def max_age(cache_control: str) -> timedelta:
    """How long the server calls its answer fresh."""
    found = _MAX_AGE.search(cache_control)
    return timedelta(seconds=int(found[1])) if found else timedelta()


def due(
    now: datetime,
    *,
    usual: timedelta,
    latest: datetime | None,
    floor: timedelta,
    skip_hours: Collection[int] = (),
    skip_days: Collection[int] = (),
    seed: str = "",
) -> datetime:
    """The moment of the next look. `floor` is what feed and server ask for at least."""
    silence = (now - latest) / SILENCE if latest is not None and latest < now else timedelta()
    interval = min(max(usual, silence, floor, SHORTEST), LONGEST)
    interval += interval * SPREAD * (hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=1).digest()[0] / 255)
    moment = now + interval
    for _ in range(8 * 24):  # a week of skipped hours is no wish
        if moment.hour not in skip_hours and moment.weekday() not in skip_days:
            return moment
        moment = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return now + interval


def postponed(now: datetime, failures: int) -> datetime:
    """The next try after so many failures in a row: an hour, then twice as long each time, up to a day."""
    return now + min(timedelta(hours=2 ** min(max(failures, 1) - 1, 5)), LONGEST)
