"""What the messages of a conversation count for: pure, and the same whoever counts and in whatever pieces.

A message counts for each contact who wrote it to the viewer, or to whom the viewer wrote it. What it counts for depends on nothing that is
further back than LOOK_BACK, so that a stretch of a conversation is counted rightly from that much before it on. Counts are whole numbers,
kept by contact, conversation and period: they add up to the same sums in any order, and a person that is joined or parted is another sum
of the same numbers. Knows no tables and no clock.

An answer is the first message of one side after messages of the other. How long these waited is the time from the first of them. A thread
of mail is one matter; a chat goes on for ever, and what comes after it was QUIET begins something and answers nothing. There, whoever
writes again after NAG waits anew: "thank you" at noon is no question that waits for the evening's answer. (Most answers to mail come
within two days, hardly any after two weeks: Kooti et al., "Evolution of Conversations in the Age of Email Overload", WWW 2015.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

PERIOD: Final = timedelta(days=30)  # what counts are kept by; its days are bits of one number
LOOK_BACK: Final = timedelta(days=14)
#: Of mail, and of chats: how long a conversation is silent before somebody begins it again, before a side that writes again waits anew,
#: and after what time nothing is answered any more.
QUIET: Final = {True: timedelta(days=7), False: timedelta(hours=12)}
NAG: Final = {True: LOOK_BACK, False: timedelta(hours=6)}
LATEST: Final = {True: LOOK_BACK, False: timedelta(hours=12)}
FEW: Final = 5  # to how many others a message may go at once and still be answered by each of them
WHOLE: Final = 1000  # what a message between two counts; one among more counts its share
UNTOLD: Final = 10  # how many others a group is taken to have that does not say
MAIL: Final = "EMAIL_THREAD"
NUMEROUS: Final = frozenset({"GROUP", "CHANNEL", "THREAD", "POST"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that counts. `contacts` wrote it, or are those to whom the viewer (`own`) did; `others` is how many there are besides
    the viewer."""

    id: str
    at: datetime
    own: bool
    others: int
    contacts: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """An answer with what it answers; `waited` in microseconds, `own` when the viewer gave it."""

    message_id: str
    question_id: str
    at: datetime
    waited: int
    own: bool


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What one message counts for with one contact. `begins`: it opened the conversation, or opened it again."""

    message_id: str
    contact_id: str
    at: datetime
    own: bool
    weight: int
    few: bool
    begins: bool
    answer: Answer | None


class Tally(msgspec.Struct, kw_only=True):
    """Sums over the events of a contact in a conversation and a period. `begun` by the contact, `opened` by the viewer; `heard` from the
    contact and `said` to them in thousandths of a message; `days` has a bit for each day on which few spoke with one another.
    """

    inbound: int = 0
    outbound: int = 0
    heard: int = 0
    said: int = 0
    begun: int = 0
    opened: int = 0
    days: int = 0
    first_at: datetime
    last_inbound_at: datetime | None = None
    last_outbound_at: datetime | None = None
    answers: list[Answer] = []


class _Turn(msgspec.Struct):
    """Whose turn it was last between the viewer and a contact: what waits for an answer."""

    own: bool
    waiting: list[Letter]


def period_of(at: datetime) -> int:
    """The number of the period of a moment; what is older than 1970 is of the first one."""
    return max(0, (at - _EPOCH) // PERIOD)


def start_of(period: int) -> datetime:
    return _EPOCH + period * PERIOD


def day_of(at: datetime) -> int:
    """The day within its period, from 0."""
    return (at - start_of(period_of(at))).days if at >= _EPOCH else 0


def size_of(others: int, kind: str) -> int:
    """How many others a message goes to: as many as it names, or as a group is taken to have that names only its writer."""
    return max(others, UNTOLD) if kind in NUMEROUS and others <= 1 else max(others, 1)


def events(letters: Iterable[Letter], kind: str) -> list[Event]:
    """What these messages of one conversation count for; `letters` by (at, id)."""
    mail = kind == MAIL
    found: list[Event] = []
    turns: dict[str, _Turn] = {}
    before: datetime | None = None
    for letter in letters:
        size = size_of(letter.others, kind)
        few = size <= FEW
        fresh = before is None or letter.at - before >= QUIET[mail]
        before = letter.at
        for contact_id in letter.contacts:
            answer = _take_turn(turns, contact_id, letter, mail) if few else None
            found.append(
                Event(
                    message_id=letter.id, contact_id=contact_id, at=letter.at, own=letter.own, weight=WHOLE // size, few=few,
                    begins=fresh and few and answer is None, answer=answer,
                )
            )  # fmt: skip
    return found


def _take_turn(turns: dict[str, _Turn], contact_id: str, letter: Letter, mail: bool) -> Answer | None:
    turn = turns.get(contact_id)
    if turn is not None and turn.own == letter.own:
        if letter.at - turn.waiting[-1].at >= NAG[mail]:
            turn.waiting.clear()
        turn.waiting.append(letter)
        return None
    turns[contact_id] = _Turn(own=letter.own, waiting=[letter])
    if turn is None:
        return None
    question = next((one for one in turn.waiting if letter.at - one.at < LATEST[mail]), None)
    if question is None:
        return None
    waited = (letter.at - question.at) // timedelta(microseconds=1)
    return Answer(letter.id, question.id, letter.at, waited, letter.own)


def tally(counted: Sequence[Event]) -> dict[tuple[str, int], Tally]:
    """The sums of events, by contact and period."""
    found: dict[tuple[str, int], Tally] = {}
    for event in counted:
        key = (event.contact_id, period_of(event.at))
        if (sums := found.get(key)) is None:
            sums = found[key] = Tally(first_at=event.at)
        sums.first_at = min(sums.first_at, event.at)
        if event.own:
            sums.outbound += 1
            sums.said += event.weight
            sums.opened += event.begins
            sums.last_outbound_at = max(event.at, sums.last_outbound_at or event.at)
        else:
            sums.inbound += 1
            sums.heard += event.weight
            sums.begun += event.begins
            sums.last_inbound_at = max(event.at, sums.last_inbound_at or event.at)
        if event.few:
            sums.days |= 1 << day_of(event.at)
        if event.answer is not None:
            sums.answers.append(event.answer)
    return found


def day_number(at: datetime) -> int:
    """The day since 1970, in UTC."""
    return (at - _EPOCH).days
