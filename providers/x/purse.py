"""What reading X costs, and how much of a month's money is left: nothing is asked for that could cost more than that.

X charges for every resource that an answer holds, one and the same only once a UTC day (docs.x.com, Pricing, August 2026). Money is
counted in mills, thousandths of a US dollar, and remembered with the account: a cursor may be lost, what was spent stays spent. Knows no
calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from providers.errors import RateLimited
from providers.session import Memory

#: "Read operations" and "Write operations"; OWNED is "Owned Reads", for whoever owns the developer app.
POST: Final = 5
USER: Final = 10
EVENT: Final = 10  # of direct messages
FOLLOW: Final = 10
OWNED: Final = 1
SENDING: Final = 15
DEFAULT_LIMIT: Final = "5"
LARGEST: Final = 1_000_000  # dollars
PAID: Final = 2_000  # resources of a day that are remembered; what is more is counted again, never too little
#: For the estimate, where nothing was typed.
TYPICAL: Final = {"following": 200, "followers": 200, "posts": 30, "mentions": 30, "messages": 50}
WALKS: Final = 5  # of both lists in a month: at first, and once a week
SPENT: Final = "spending-limit"


class Account(msgspec.Struct, omit_defaults=True):
    """What a month has cost so far. `month` and `day` are UTC's; `paid` are those that X charges no second time that day."""

    month: str = ""
    spent: int = 0
    day: str = ""
    paid: list[str] = []


async def recalled(memory: Memory, told: Account) -> Account:
    """What the account has cost: as it is remembered, or as a cursor of before tells it where that is more."""
    try:
        kept = msgspec.json.decode(await memory.read() or b"{}", type=Account)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return told
    return max(kept, told, key=lambda account: (account.month, account.spent))


class Purse:
    """A month's limit and what is left of it. `account` is kept up to date, and in `memory` once it is settled."""

    def __init__(self, account: Account, settings: Mapping[str, str], now: datetime, memory: Memory) -> None:
        self._account = account
        self._memory = memory
        self._settled = account.spent
        self._limit = limit(settings)
        self._now = now.astimezone(UTC)
        self.owned = OWNED if owner(settings) else 0
        if account.month != f"{self._now:%Y-%m}":
            account.month, account.spent = f"{self._now:%Y-%m}", 0
        if account.day != f"{self._now:%Y-%m-%d}":
            account.day, account.paid = f"{self._now:%Y-%m-%d}", []

    def own(self, price: int) -> int:
        """The price of something of one's own."""
        return self.owned or price

    def room(self, price: int, most: int, least: int = 1) -> int:
        """How many resources may be asked for. Raises RateLimited (`spending-limit`) until next month when `least` are too many."""
        found = min(most, max(0, self._limit - self._account.spent) // price)
        if found < least:
            raise self.empty()
        return found

    def charge(self, kind: str, keys: Iterable[str], price: int) -> None:
        """Note what an answer held."""
        known = set(self._account.paid)
        for key in keys:
            name = f"{kind}{key}"
            if name not in known:
                known.add(name)
                self._account.spent += price
                self._account.paid = [*self._account.paid[-PAID + 1 :], name]

    async def settle(self) -> None:
        """Remember what an answer has cost, before anything else is done with it."""
        if self._account.spent != self._settled:
            await self._memory.keep(msgspec.json.encode(self._account))
            self._settled = self._account.spent

    def empty(self) -> RateLimited:
        """That nothing more is read this month, with what to do."""
        following = (self._now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        return RateLimited(
            f"This month's limit of {dollars(self._limit)} for reading X leaves no room ({dollars(self._account.spent)} spent): it goes on "
            f"on {following:%-d %B}. Link X again with a higher limit to read on now, or import your archive from X, which costs nothing.",
            retry_at=following,
            provider_code=SPENT,
        )


def limit(settings: Mapping[str, str]) -> int:
    """The most that a month may cost, in mills; what was typed and is no amount counts as the default."""
    try:
        found = Decimal(settings.get("monthly_limit", DEFAULT_LIMIT).strip().lstrip("$").rstrip("$").strip())
    except InvalidOperation:
        found = Decimal(DEFAULT_LIMIT)
    if not found.is_finite() or found < 0:
        found = Decimal(DEFAULT_LIMIT)
    return int(min(found, Decimal(LARGEST)) * 1000)


def owner(settings: Mapping[str, str]) -> bool:
    """Whether the account that is linked owns the developer app."""
    return settings.get("own_app", "").strip().lower() in ("true", "on", "yes", "1")


def estimate(values: Mapping[str, str]) -> str:
    """What the first and each later month will cost about, from what somebody knows of their account: a sentence."""
    counts = {name: _count(values.get(name), typical) for name, typical in TYPICAL.items()}
    own = OWNED if owner(values) else 0
    people = (counts["following"] + counts["followers"]) * (own or FOLLOW)
    posts = counts["posts"] * ((own or POST) + POST)  # every second one answers or repeats another, which comes along
    mentions = counts["mentions"] * ((own or POST) + POST + USER)
    messages = counts["messages"] * (EVENT + USER)
    looks = 31 * (EVENT + USER)  # the newest message is looked at each day whether it is new or not
    later = WALKS * (people + USER) + posts + mentions + messages + looks
    most = limit(values)
    text = f"Reading X costs about {dollars(later)} a month"
    said = ", ".join(f"{number} {name}" for name, number in counts.items())
    text += f" ({said}, at X's prices of August 2026)"
    if later <= most:
        return f"{text}; it stops at your limit of {dollars(most)}."
    return (
        f"{text}, which is more than your limit of {dollars(most)}: reading stops there until the next month. "
        "Importing your archive from X costs nothing."
    )


def dollars(mills: int) -> str:
    return f"${mills / 1000:,.2f}"


def _count(text: str | None, typical: int) -> int:
    digits = (text or "").strip().replace(",", "")
    return min(int(digits[:9]), 10**8) if digits.isascii() and digits.isdigit() else typical
