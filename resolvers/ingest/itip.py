"""What is known of a meeting when all is heard that mails say of it: which update counts, what was called off, who answered what.

Speaks iTIP (RFC 5546): what its organizer sends counts by SEQUENCE, then by when it was made (§2.1.4, §2.1.5); answers count for who gave
them, as long as they answer what holds. The result follows from what was said, in whatever order it came. What was said is bound to who
really wrote it before it comes here: see `meetings.py`. Knows no database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from providers import records

_ANSWERS: Final = frozenset({"REPLY", "COUNTER"})
_Rank = tuple[int, datetime, bool, str, int]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one mail says. `sender` is who wrote it, in lower case; of an answer `invitation.invited` is who answers, and nobody else."""

    message_id: str
    position: int
    sent_at: datetime
    sender: str
    name: str
    invitation: records.Invitation

    @property
    def rank(self) -> _Rank:
        """The later, the higher; of two of one moment the one that calls off (RFC 5546 §2.1.5)."""
        one = self.invitation
        return one.sequence, one.stamped_at or self.sent_at, one.method == "CANCEL", self.message_id, self.position

    @property
    def answers(self) -> bool:
        return self.invitation.method in _ANSWERS


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """A time at which it takes place; `key` is its original beginning, empty where there is but one."""

    key: str
    starts_at: datetime
    cancelled: bool


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting, a series with its times, or a time of a series that differs from the others (`key`).

    `invited` are those who are, with their answers, `count` how many; `told` is the mail that it is known from, None where that is an answer.
    """

    key: str
    organizer: records.Invited
    details: records.Invitation
    invited: tuple[records.Invited, ...]
    count: int
    told: str | None
    times: tuple[Time, ...]

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.details.seconds)


def events(organizer: str, said: Sequence[Said], own: Collection[str]) -> list[Event]:
    """What is known of the meetings of one UID that this address organizes; `own` are the viewer's addresses, in lower case."""
    if organizer in own:
        # who passes on an invitation of somebody else does not invite
        said = [one for one in said if one.answers or one.invitation.organizer is None or one.invitation.organizer.address in own]
    by_moment: dict[datetime | None, list[Said]] = {}
    for one in said:
        by_moment.setdefault(one.invitation.recurrence_id, []).append(one)
    whole = _event("", organizer, by_moment.get(None, ()), (), own)
    series = whole is not None and (whole.details.rule is not None or len(whole.details.starts) > 1)
    calls_off = _calling_off(by_moment.get(None, ()), own)
    apart: dict[datetime, Event] = {}
    off: set[datetime] = set()
    for moment, about in by_moment.items():
        if moment is None:
            continue
        event = _event(_key(moment), organizer, about, by_moment.get(None, ()), own)
        if event is not None:
            known = whole is None or moment in whole.details.starts or event.details.sequence >= whole.details.sequence
            if known and (whole is None or series):
                gone = calls_off is not None and calls_off.rank > _latest(about).rank
                apart[moment] = _called_off(event) if gone else event
        elif _calling_off(about, own) is not None:
            off.add(moment)
    for one in said:
        calls = one.invitation
        if calls.method == "CANCEL" and calls.following and calls.recurrence_id is not None and whole is not None:
            off.update(moment for moment in whole.details.starts if moment >= calls.recurrence_id)
    if whole is None:
        return [apart[moment] for moment in sorted(apart)]
    times = [
        Time(key=_key(moment) if series else "", starts_at=moment, cancelled=_is_off(whole) or moment in off)
        for moment in whole.details.starts
        if moment not in apart
    ]
    return [msgspec.structs.replace(whole, times=tuple(times)), *(apart[moment] for moment in sorted(apart))]


def _event(key: str, organizer: str, about: Sequence[Said], answers: Sequence[Said], own: Collection[str]) -> Event | None:
    """What these say together; `answers` are to the whole series. None as long as nobody has said when it is."""
    dated = [one for one in about if one.invitation.starts]
    invites = [one for one in dated if one.invitation.method in ("REQUEST", "PUBLISH")]
    # an answer tells of its meeting to who invited, and who answered knows what (RFC 5546 §3.2.3 lets it say all of it)
    ours = [one for one in dated if one.answers and (organizer in own or one.sender in own)]
    best = max(
        invites or [one for one in dated if one.invitation.method == "CANCEL"] or ours, key=lambda one: one.rank, default=None
    )
    if best is None:
        return None
    details = best.invitation
    people = {one.address: one for one in details.invited}
    count = details.count
    if best.answers:
        people = {person.address: person for one in sorted(ours, key=lambda one: one.rank) for person in one.invitation.invited}
        count = len(people)
    removed = {
        person.address
        for one in about
        if one.invitation.method == "CANCEL" and one.rank > best.rank and not _whole(one, own)
        for person in one.invitation.invited
    }
    given = _given([one for one in (*about, *answers) if one.answers and one.invitation.sequence >= details.sequence], own)
    invited = tuple(
        msgspec.structs.replace(one, response=_response(one, given, own)) for one in people.values() if one.address not in removed
    )
    calls_off = _calling_off(about, own)
    event = Event(
        key=key, organizer=_organizer(organizer, best), details=details, invited=invited, count=max(len(invited), count - len(removed)),
        told=None if best.answers else best.message_id,
        times=tuple(Time(key=key, starts_at=at, cancelled=details.cancelled) for at in details.starts[:1]),
    )  # fmt: skip
    return _called_off(event) if calls_off is not None and calls_off.rank >= best.rank else event


def _organizer(address: str, best: Said) -> records.Invited:
    named = best.invitation.organizer
    name = named.name if named is not None and named.address == address else ""
    return records.Invited(address=address, name=name or (best.name if best.sender == address else ""), role="ORGANIZER")


def _calling_off(about: Iterable[Said], own: Collection[str]) -> Said | None:
    """The latest that calls all of it off, unless an invitation came after it."""
    latest = max((one for one in about if not one.answers and _counts(one, own)), key=lambda one: one.rank, default=None)
    return latest if latest is not None and latest.invitation.method == "CANCEL" else None


def _counts(one: Said, own: Collection[str]) -> bool:
    return one.invitation.method != "CANCEL" or (not one.invitation.following and _whole(one, own))


def _whole(one: Said, own: Collection[str]) -> bool:
    """Whether it calls off for the viewer, or only for others (RFC 5546 §3.2.5: without STATUS:CANCELLED for those it names)."""
    calls = one.invitation
    return calls.cancelled or not calls.invited or any(person.address in own for person in calls.invited)


def _called_off(event: Event) -> Event:
    times = tuple(msgspec.structs.replace(one, cancelled=True) for one in event.times)
    return msgspec.structs.replace(event, details=msgspec.structs.replace(event.details, cancelled=True), times=times)


def _is_off(event: Event) -> bool:
    return event.details.cancelled


def _given(answers: Iterable[Said], own: Collection[str]) -> Mapping[str, records.MeetingResponse]:
    """The latest answer of each; the viewer's addresses answer for each other."""
    found: dict[str, records.MeetingResponse] = {}
    for one in sorted(answers, key=lambda one: one.rank[1:]):
        for person in one.invitation.invited:
            said = person.response
            if said == "NEEDS_ACTION" and one.invitation.method == "COUNTER":
                said = "TENTATIVE"  # another time would do
            if said != "NEEDS_ACTION":
                found["" if person.address in own else person.address] = said
    return found


def _response(
    one: records.Invited, given: Mapping[str, records.MeetingResponse], own: Collection[str]
) -> records.MeetingResponse:
    """What somebody said themselves, else what their invitation says they said."""
    return given.get("" if one.address in own else one.address, one.response)


def _latest(about: Iterable[Said]) -> Said:
    return max(about, key=lambda one: one.rank)


def _key(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")
