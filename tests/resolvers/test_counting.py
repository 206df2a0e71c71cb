"""What the messages of a conversation count for, and how close somebody is who exchanged them."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.relationship import counting
from resolvers.relationship.closeness import WEIGHTS, Exchanged, Sums, closeness
from resolvers.relationship.counting import Event, Letter
from resolvers.relationship.reading import duration
from tests.household import NOW

ADA = "c_ada"
MAIL, CHAT = "EMAIL_THREAD", "DIRECT"
letters = st.lists(st.tuples(st.integers(0, 90 * 24 * 60), st.booleans(), st.integers(1, 9)), max_size=60)


def said(*turns: tuple[float, bool], kind: str = MAIL, others: int = 1) -> list[Event]:
    """Messages so many hours after each other's beginning: (hours, whether the viewer wrote it)."""
    return counting.events(
        [
            Letter(id=f"m_{n}", at=NOW + timedelta(hours=hours), own=own, others=others, contacts=(ADA,))
            for n, (hours, own) in enumerate(turns)
        ],
        kind,
    )


def waits(*turns: tuple[float, bool], kind: str = MAIL) -> list[float]:
    return [event.answer.waited / 3_600_000_000 for event in said(*turns, kind=kind) if event.answer is not None]


def test_an_answer_is_the_first_message_after_messages_of_the_other_side_and_these_waited_since_the_first_of_them() -> None:
    assert waits((0, False), (1, False), (5, True), (6, True), (7, False)) == [5, 2]


def test_a_mail_that_comes_after_a_fortnight_answers_nothing() -> None:
    assert waits((0, False), (24 * 13, True)) == [24 * 13]
    assert waits((0, False), (24 * 14, True)) == []


def test_a_chat_that_was_quiet_begins_again_and_answers_nothing() -> None:
    events = said((0, True), (1, False), (24, True), (24.5, False), kind=CHAT)
    assert [event.answer is not None for event in events] == [False, True, False, True]
    assert [event.begins for event in events] == [True, False, True, False]


def test_whoever_writes_again_in_a_chat_hours_later_waits_anew() -> None:
    assert waits((0, False), (7, False), (8, True), kind=CHAT) == [1]
    assert waits((0, False), (7, False), (8, True), kind=MAIL) == [8]


def test_what_goes_to_many_counts_its_share_and_is_no_answer() -> None:
    events = said((0, False), (1, True), others=30, kind="GROUP")
    assert [event.weight for event in events] == [33, 33]
    assert [event.answer for event in events] == [None, None]
    assert not any(event.begins for event in events)


def test_a_group_that_names_only_who_writes_is_taken_for_one_of_ten() -> None:
    assert [event.weight for event in said((0, False), kind="GROUP")] == [100]
    assert [event.weight for event in said((0, False), kind=CHAT)] == [1000]


@settings(max_examples=100, deadline=None)
@given(letters, st.sampled_from([MAIL, CHAT]))
def test_a_conversation_counted_in_pieces_is_the_one_counted_whole(drawn: list[tuple[int, bool, int]], kind: str) -> None:
    known = [
        Letter(id=f"m_{n}", at=NOW + timedelta(minutes=at), own=own, others=others, contacts=(ADA, "c_bo")[: 1 + others % 2])
        for n, (at, own, others) in enumerate(sorted(drawn))
    ]
    whole = counting.tally(counting.events(known, kind))
    pieces: dict[tuple[str, int], counting.Tally] = {}
    for period in {counting.period_of(letter.at) for letter in known}:
        start, end = counting.start_of(period), counting.start_of(period + 1)
        read = [letter for letter in known if start - counting.LOOK_BACK <= letter.at < end]
        pieces |= {key: sums for key, sums in counting.tally(counting.events(read, kind)).items() if key[1] == period}
    assert pieces == whole


def of_months(*months: tuple[int, int], per: int = 20) -> Exchanged:
    """So many messages heard and said in each of the last months, the latest last."""
    now = counting.period_of(NOW)
    sums = []
    for age, (inbound, outbound) in enumerate(reversed(months)):
        if not inbound and not outbound:
            continue
        at = min(counting.start_of(now - age) + timedelta(days=29), NOW)
        sums.append(
            Sums(
                period=now - age, network="imap", inbound=inbound, outbound=outbound, heard=1000 * inbound, said=1000 * outbound, begun=1,
                opened=1, first_at=counting.start_of(now - age), last_inbound_at=at if inbound else None,
                last_outbound_at=at if outbound else None,
            )
        )  # fmt: skip
    return Exchanged(sums=tuple(sums))


def test_the_parts_weigh_one_together_and_make_the_score() -> None:
    assert abs(sum(WEIGHTS.values()) - 1) < 1e-9
    found = closeness(of_months((20, 18), (20, 18), (20, 18)), NOW)
    assert found.score == round(100 * sum(part.value * part.weight for part in found.parts))
    assert {part.factor for part in found.parts} == set(WEIGHTS)
    assert all(0 <= part.value <= 1 and part.sentence.endswith(".") for part in found.parts)


def test_whoever_is_never_answered_is_not_close_however_much_they_write() -> None:
    assert closeness(of_months((900, 0), (900, 0)), NOW).score == 0
    assert closeness(of_months((0, 900), (0, 900)), NOW).score == 0
    assert closeness(Exchanged(), NOW).score == 0


def test_what_is_long_ago_weighs_less_and_more_weighs_more() -> None:
    lately, before = (
        closeness(of_months((20, 20), (0, 0), (20, 20)), NOW),
        closeness(of_months((20, 20), (20, 20), (0, 0), (0, 0)), NOW),
    )
    assert lately.score > before.score
    assert closeness(of_months((40, 40), (40, 40)), NOW).score > closeness(of_months((2, 2), (2, 2)), NOW).score


def test_the_trend_says_who_is_drifting() -> None:
    busy, rare, none = (20, 20), (2, 2), (0, 0)
    assert closeness(of_months(*[busy] * 12), NOW).trend == "STEADY"
    assert closeness(of_months(*[busy] * 10, none, none, none), NOW).trend == "FALLING"
    assert closeness(of_months(*[rare] * 10, busy, busy), NOW).trend == "RISING"
    assert closeness(of_months(busy), NOW).trend == "NEW"


def test_the_usual_interval_is_the_median_of_silences_and_says_when_one_is_due() -> None:
    today = counting.day_number(NOW)
    days = frozenset(today - n for n in (3, 10, 17, 24, 54))
    found = closeness(Exchanged(sums=of_months((5, 5)).sums, days=days), NOW)
    assert (found.usual_interval, found.longest_usual) == (timedelta(days=7), timedelta(days=30))
    assert found.next_due_at == (found.last_inbound_at or datetime.max) + timedelta(days=7)
    assert closeness(Exchanged(sums=of_months((5, 5)).sums, days=frozenset({today, today - 7})), NOW).usual_interval is None


def test_a_span_is_written_as_in_iso_8601() -> None:
    spans = [timedelta(0), timedelta(days=3, hours=4), timedelta(seconds=90.5), timedelta(days=400)]
    assert [duration(span) for span in spans] == ["PT0S", "P3DT4H", "PT1M30.5S", "P400D"]
