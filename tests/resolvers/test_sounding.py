"""Words by which people are found who are spelled otherwise, in the index of both databases."""

from __future__ import annotations

import pytest

from resolvers import sounding
from store import search_index
from store.search_index import Doc, Term
from tests.household import Household

PEOPLE = {"p_1": "Юрий Чайковский", "p_2": "Robert Hale", "p_3": "王伟", "p_4": "Thorvald Quintana", "p_5": "Ottilie Zweig"}


async def found(household: Household, word: str, *, prefix: bool = False, slips: bool = False) -> list[str]:
    words = sounding.slips_of(word) if slips else sounding.sounds_of(word)
    terms = [Term(column="facets", words=words, prefix=prefix)]
    hits = await household.database.read(household.viewer, search_index.find, terms, kinds=["PERSON"], limit=10)
    counted = await household.database.read(household.viewer, search_index.count, terms, kinds=["PERSON"])
    assert counted == len(hits)
    return [hit.node_id for hit in hits]


@pytest.fixture
async def people(household: Household) -> Household:
    docs = [
        Doc(
            node_id=node_id,
            kind="PERSON",
            title=name,
            facets=sounding.of_person([name], ["Harbour Works"] if node_id == "p_2" else []),
        )
        for node_id, name in PEOPLE.items()
    ]
    await household.database.write(household.viewer, search_index.put, docs)
    return household


@pytest.mark.parametrize(
    ("word", "who"),
    [
        ("tchaikovsky", "p_1"),
        ("yuri", "p_1"),
        ("bob", "p_2"),
        ("harbour", "p_2"),
        ("wang", "p_3"),
        ("thorwald", "p_4"),
        ("quintanna", "p_4"),
    ],
)
async def test_a_name_is_found_by_its_sound_in_any_script_and_by_what_is_short_for_it(
    people: Household, word: str, who: str
) -> None:
    assert await found(people, word) == [who]


async def test_an_unfinished_word_is_found_by_the_beginning_of_its_sound(people: Household) -> None:
    assert await found(people, "tchaik") == []
    assert await found(people, "tchaik", prefix=True) == ["p_1"]


@pytest.mark.parametrize("word", ["quimtana", "quintna", "qiuntana"])
async def test_one_letter_amiss_is_forgiven(people: Household, word: str) -> None:
    assert await found(people, word) == []
    assert await found(people, word, slips=True) == ["p_4"]


async def test_what_is_another_name_is_not_found(people: Household) -> None:
    for word in ("rupert", "santana", "halle", "ada"):
        assert "p_4" not in await found(people, word, slips=True)
    assert await found(people, "santana", slips=True) == []


def test_nobody_brings_more_words_than_the_index_should_hold() -> None:
    names = [" ".join(f"{a}{b}rasmundsen" for b in "abcdefghij") for a in "klmnoprstu"]
    assert len(sounding.of_person(names, [])) == sounding.MAX_WORDS
    assert sounding.sounds_of("2024") == sounding.slips_of("2024") == ()
