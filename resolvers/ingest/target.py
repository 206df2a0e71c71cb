"""For which account records are taken in, and what happened to each."""

from __future__ import annotations

import msgspec

from providers.records import Outcome, SkipReason


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The account; `own` are the viewer's own addresses, case-folded, of all accounts. `beneath`: what comes lies under what was told before
    by another source of the account. `gathers`: the account is made of sources that know different people of one message (gathering.py).
    """

    account_id: str
    live: bool = False
    beneath: bool = False
    gathers: bool = False
    own: frozenset[str] = frozenset()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row."""

    outcome: Outcome
    node_id: str | None = None
    reason: SkipReason | None = None
    message: str | None = None
