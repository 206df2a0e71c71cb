"""Where a conversation is follows from all of its messages: what those that arrive tell of it by themselves has to be the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resolvers.ingest.whereabouts import of_conversation, of_grown

PLACES = st.sampled_from([frozenset[str](), frozenset({"ARCHIVED"}), frozenset({"SPAM"}), frozenset({"TRASHED"})])
OTHERS = st.frozensets(st.sampled_from(["UNREAD", "FLAGGED", "DRAFT"]))
LETTERS = st.lists(st.tuples(st.booleans(), st.builds(frozenset[str].union, PLACES, OTHERS)), max_size=6)
IN_THE_INBOX = frozenset[str]()
ARCHIVED = frozenset({"ARCHIVED"})


@given(before=LETTERS, arrived=LETTERS.filter(len))
def test_what_is_told_from_arrivals_alone_is_what_all_messages_tell(
    before: list[tuple[bool, frozenset[str]]], arrived: list[tuple[bool, frozenset[str]]]
) -> None:
    told = of_grown(of_conversation(before), arrived)
    assert told is None or told == of_conversation([*before, *arrived])


def test_a_letter_to_the_inbox_an_answer_in_sent_and_more_of_an_archived_list_leave_no_doubt() -> None:
    assert of_grown(frozenset({"TRASHED"}), [(False, {"UNREAD"})]) == IN_THE_INBOX
    assert of_grown(IN_THE_INBOX, [(True, set())]) == IN_THE_INBOX
    assert of_grown(ARCHIVED, [(False, {"ARCHIVED"})]) == ARCHIVED
    assert of_grown(ARCHIVED, [(True, set())]) is None
