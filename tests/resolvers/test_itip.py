"""What is known of a meeting follows from what was said of it, not from the order in which it came."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers import records
from resolvers.ingest import itip

ADA, BO, ME = "ada@example.org", "bo@example.org", "robin@example.org"
STARTS = tuple(datetime(2026, 5, day, 10, tzinfo=UTC) for day in (5, 12, 19))


def said(dice: random.Random, number: int) -> itip.Said:
    method: Any = dice.choice(["REQUEST", "REQUEST", "PUBLISH", "CANCEL", "REPLY", "COUNTER"])
    answers = method in ("REPLY", "COUNTER")
    sender = dice.choice([BO, ME]) if answers else ADA
    response: Any = dice.choice(["ACCEPTED", "DECLINED", "NEEDS_ACTION"])
    people = [sender] if answers else dice.sample([BO, ME, "cy@example.org"], 2)
    moment = dice.choice([None, None, *STARTS])
    return itip.Said(
        message_id=f"m_{number}", position=0, sent_at=STARTS[0] - timedelta(days=number % 3), sender=sender, name=sender[:2],
        invitation=records.Invitation(
            method=method, uid="u", sequence=dice.randrange(3), recurrence_id=moment, following=dice.random() < 0.2,
            stamped_at=dice.choice([None, STARTS[0] - timedelta(days=dice.randrange(3))]), rule="FREQ=WEEKLY" if moment is None else None,
            starts=() if dice.random() < 0.2 else STARTS if moment is None else (moment + timedelta(hours=dice.randrange(3)),),
            cancelled=method == "CANCEL" and dice.random() < 0.7, organizer=records.Invited(address=ADA), title=f"Title {number}",
            invited=tuple(records.Invited(address=one, response=response) for one in people), count=len(people),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_words_in_any_order_say_the_same(seed: int) -> None:
    dice = random.Random(seed)
    words = [said(dice, number) for number in range(dice.randrange(1, 9))]
    known = itip.events(ADA, words, {ME})
    for _ in range(5):
        assert itip.events(ADA, dice.sample(words, len(words)), {ME}) == known
    keys = [time.key for event in known for time in event.times]
    assert len(keys) == len(set(keys))  # no time of a series is there twice
    if not any(word.invitation.starts for word in words):
        assert known == []
