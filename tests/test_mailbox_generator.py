"""The seeded mailbox that benchmarks and proofs read: the same each time, of every kind, and all of it taken in."""

from __future__ import annotations

from collections import Counter

from benchmarks.mailbox import SHARES, Mailbox
from benchmarks.universe import ME
from providers import records
from providers.archives import mails


def test_the_same_seed_gives_the_same_letters_in_the_order_of_their_arrival() -> None:
    first, second = list(Mailbox(300).letters()), list(Mailbox(300).letters())
    assert first == second
    assert first != list(Mailbox(300, seed=12).letters())
    assert [letter.at for letter in first] == sorted(letter.at for letter in first)


def test_letters_of_every_kind_lie_in_every_folder_that_was_asked_for() -> None:
    box = Mailbox(3_000, folders=40, huge=2, huge_bytes=10_000)
    letters = list(box.letters())
    assert {letter.kind for letter in letters} == {*SHARES, "huge"}
    assert Counter(letter.kind for letter in letters)["huge"] == 2
    assert {letter.folder for letter in letters} == set(box.names())
    assert len(box.names()) == 40


def test_every_letter_is_understood_or_shown_for_what_it_is() -> None:
    for letter in Mailbox(2_000).letters():
        found = mails.item(letter.content, container=letter.folder, fallback_key="1", own=frozenset({ME}))
        assert isinstance(found, records.Message)
        assert found.internet_message_id == letter.message_id
        if letter.kind == "encrypted":
            assert found.body_state == "ENCRYPTED"
