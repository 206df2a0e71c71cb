"""How likely two groups that share keys are one person, at a first glance: what decides which pairs are worth a comparison in full.

Log-odds but for a constant, in hundredths, as whole numbers: what each key in common is worth by its kind, less the more the fewest are
who share one, and less for what a person seldom has twice. Learnt by logistic regression over all pairs that share a key in generated
universes of 7,000 and 100,000 contacts, and frozen. Knows nothing of who meets whom (`blocking.py`) nor of how a pair is weighed that is
compared (`scoring.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

from resolvers.identity.wholes import Whole

#: What a key in common is worth, whose kind is not told here nothing. Of a profile it is set by hand, so that the same profile is never taken
#: for two of a network: too few pairs share one to learn from.
KEYS: Final = {
    "EMAIL": 156, "PHONE": 70, "PROFILE": 600, "photo": 210, "stem": 58, "full": -22, "street": -44, "day": 79, "single": 45, "prefix": 15,
    "bones": 70,
}  # fmt: skip
CROWD: Final = -217  # for each natural logarithm of how many share the rarest key in common
NETWORK_TWICE: Final = -559  # for each network of which both have a profile
BOOK_TWICE: Final = -151  # for each address book in which both have a card
PHONES_DIFFER: Final = -327
MAILS_DIFFER: Final = -189
MAIL_ONLY: Final = 119  # both are known from messages alone
NAMED: Final = -48
PEOPLE: Final = 360  # neither is a robot's or nobody's
NAMES_DIFFER: Final = -297
EMPLOYERS_DIFFER: Final = -127
_PHONE, _MAIL, _MAIL_ONLY, _NAMED, _PERSON, _FULL, _EMPLOYED = (1 << n for n in range(7))
_OTHERS: Final = 7  # bits before those of networks and books


def key_worth(kind: str) -> int:
    """What one key in common is worth."""
    return KEYS.get(kind, 0)


@cache
def first_worth(sharers: int) -> int:
    """What it is worth that the rarest key in common is that of so many groups."""
    return round(CROWD * math.log(sharers))


class Glances:
    """What speaks against any two of some groups, seen from afar: what both have as bits, so that most pairs cost one operation."""

    def __init__(self, wholes: Sequence[Whole]) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._worth: dict[int, int] = {}
        self._traits = [self._traits_of(one) for one in wholes]
        self._keys = [one.keys for one in wholes]
        self._employers = [one.employers for one in wholes]

    def against(self, a: int, b: int) -> int:
        """What is added for the groups at two positions, the same whichever comes first."""
        both = self._traits[a] & self._traits[b]
        worth = self._worth.get(both)
        if worth is None:
            worth = self._worth[both] = self._worth_of(both)
        if both & _FULL and self._keys[a].isdisjoint(self._keys[b]):
            worth += NAMES_DIFFER
        if both & _EMPLOYED and self._employers[a].isdisjoint(self._employers[b]):
            worth += EMPLOYERS_DIFFER
        return worth

    def _traits_of(self, one: Whole) -> int:
        kinds = {kind for kind, _ in one.private}
        traits = (
            _PHONE * ("PHONE" in kinds) | _MAIL * ("EMAIL" in kinds) | _MAIL_ONLY * (one.kinds == {"CORRESPONDENT"}) | _NAMED * one.named
            | _PERSON * (not one.nobody) | _FULL * bool(one.keys) | _EMPLOYED * bool(one.employers)
        )  # fmt: skip
        for place in (*(("network", network) for network in one.networks), *(("book", book) for book in one.books)):
            traits |= 1 << _OTHERS + self._places.setdefault(place, len(self._places))
        return traits

    def _worth_of(self, both: int) -> int:
        known = (
            (_PHONE, PHONES_DIFFER), (_MAIL, MAILS_DIFFER), (_MAIL_ONLY, MAIL_ONLY), (_NAMED, NAMED), (_PERSON, PEOPLE),
        )  # fmt: skip
        worth = sum(value for bit, value in known if both & bit)
        for (kind, _), place in self._places.items():
            if both >> _OTHERS + place & 1:
                worth += NETWORK_TWICE if kind == "network" else BOOK_TWICE
        return worth
