"""The invented universe is what its book says, and the benchmark runs in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import address_book, hostile
from benchmarks.universe import Universe, count_cards, count_mails


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = Universe(30, 200).write(tmp_path / "a"), Universe(30, 200).write(tmp_path / "b")
    assert first.mail.read_bytes() == second.mail.read_bytes()
    assert first.cards.read_bytes() == second.cards.read_bytes()
    assert Universe(30, 200, seed=8).write(tmp_path / "c").mail.read_bytes() != first.mail.read_bytes()


@pytest.mark.parametrize(("people", "messages"), [(1, 0), (1, 1), (7, 100), (400, 1500)])
def test_what_is_written_is_as_many_as_asked_for_when_counted_from_the_bytes(tmp_path: Path, people: int, messages: int) -> None:
    written = Universe(people, messages).write(tmp_path)
    assert (count_cards(written.cards), count_mails(written.mail)) == (people, messages)
    assert written.messages == messages
    assert written.mail.read_bytes().count(b"\nMessage-ID: ") == messages


def test_no_two_people_share_a_name_or_an_address() -> None:
    universe = Universe(20_000, 0)
    people = [universe.person(n) for n in range(universe.people)]
    assert len({p.name for p in people}) == len({p.email for p in people}) == len({p.sort_key for p in people}) == 20_000


def test_everybody_on_the_first_page_has_as_many_conversations_as_the_page_shows(tmp_path: Path) -> None:
    written = Universe(200, 3000).write(tmp_path)
    assert all(len(written.latest[person.number]) == 3 for person in written.page(50))


def test_the_same_seed_gives_the_same_address_book_and_the_same_hostility() -> None:
    assert address_book.people(40) == address_book.people(40) != address_book.people(40, seed=8)
    for kind in hostile.WORDS:
        assert list(hostile.mutations([b"whole"], kind, 20)) == list(hostile.mutations([b"whole"], kind, 20))
    assert hostile.mails() == hostile.mails()


def test_nobody_in_an_address_book_is_somebody_else_and_no_form_lacks_what_there_is_not() -> None:
    cards = address_book.people(5_000)
    assert len({card.emails[0] for card in cards}) == 5_000
    assert set().union(*address_book.LACKS.values()) <= set(address_book.FIELDS)
    assert address_book.LACKS.keys() == address_book.WRITERS.keys() == address_book.PROVIDER_OF.keys()
