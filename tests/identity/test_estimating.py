"""Doubles in a plain list, whose likenesses are weighed by the list itself."""

from __future__ import annotations

import random

from benchmarks.linkage.__main__ import pairwise
from resolvers.identity.accepting import accept
from resolvers.identity.cards import Card, CardAddress, CardName
from resolvers.identity.estimating import Estimate, is_plain

GIVEN = [
    "ada",
    "boris",
    "carla",
    "daniel",
    "edda",
    "felix",
    "greta",
    "hugo",
    "ines",
    "jonas",
    "klara",
    "louis",
    "mira",
    "nils",
    "olga",
    "paul",
    "runa",
    "sven",
    "tilda",
    "viktor",
]
FAMILY = [
    "abbott",
    "brandt",
    "castillo",
    "dvorak",
    "eriksen",
    "fontaine",
    "gruber",
    "halvorsen",
    "ivanov",
    "janssen",
    "keller",
    "lindqvist",
    "moreau",
    "novak",
    "okafor",
]
TOWNS = ["harbour", "lakeside", "millbrook", "northfield", "oldbridge"]


def someone(contact_id: str, given: str, family: str, born: str, town: str, street: str) -> Card:
    name = CardName(full=f"{given} {family}", given=given, family=family)
    return Card(id=contact_id, names=(name,), birthday=born or None, addresses=(CardAddress(street=street, city=town),))


def slipped(draw: random.Random, text: str) -> str:
    at = draw.randrange(1, len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def listed(people: int = 250) -> tuple[list[Card], dict[str, str]]:
    """People, and of two in three a copy with a slip in the name and another field mistyped or left out."""
    draw = random.Random(4)
    cards, truth = [], {}
    for n in range(people):
        given, family, town = draw.choice(GIVEN), draw.choice(FAMILY), draw.choice(TOWNS)
        born = f"{draw.randrange(1940, 2000)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
        street = f"{draw.randrange(1, 200)} {draw.choice(FAMILY)} street"
        cards.append(someone(f"{n:04}a", given, family, born, town, street))
        if n % 3:
            kept = draw.choice((born, "", born[:-1] + str(draw.randrange(10))))
            cards.append(
                someone(f"{n:04}b", given, slipped(draw, family), kept, town, draw.choice((street, slipped(draw, street))))
            )
    truth = {card.id: card.id[:4] for card in cards}
    return cards, truth


def groups(cards: list[Card]) -> dict[str, str]:
    weighed = Estimate(cards)
    found = accept([(card.id,) for card in cards], weighed.suggestions(), 0.5, weighed.apart)
    return {contact_id: group[0] for group in found for contact_id in group}


def test_mistyped_copies_are_found_and_namesakes_stay_apart() -> None:
    cards, truth = listed()
    found = pairwise(truth, groups(cards))
    assert found["precision"] >= 0.99
    assert found["recall"] >= 0.95


def test_the_order_of_the_list_changes_nothing() -> None:
    cards, _ = listed(80)
    mixed = cards[:]
    random.Random(2).shuffle(mixed)
    assert Estimate(cards).suggestions() == Estimate(mixed).suggestions()
    assert groups(cards) == groups(mixed)


def test_an_agreement_on_a_rare_name_counts_more_than_on_a_common_one() -> None:
    cards, _ = listed()
    often = [someone(f"c{n}", "ada", "smith", "", TOWNS[n % 5], f"{n} mill lane") for n in range(40)]
    rare = [someone(f"r{n}", "thorvald", "quintana", "", TOWNS[n], f"{n} quay") for n in range(2)]
    odds = {(s.left, s.right): s.score for s in Estimate([*cards, *often, *rare]).suggestions(floor=-50)}
    assert odds["r0", "r1"] > odds["c0", "c1"]


def test_one_chance_likeness_does_not_chain_two_groups() -> None:
    cards, _ = listed()
    ours = [someone(f"x{n}", "ada", "quintana", "1971-06-24", "harbour", "12 quay") for n in range(3)]
    theirs = [someone(f"y{n}", "nils", "lovelace", "1950-01-30", "lakeside", "77 mill lane") for n in range(3)]
    weighed = Estimate([*cards, *ours, *theirs])
    assert weighed.apart([c.id for c in ours], [c.id for c in theirs])
    assert not weighed.apart(["x0"], ["x1", "x2"])


def test_only_a_list_that_names_no_account_and_no_network_is_plain() -> None:
    assert is_plain([Card(id="a"), Card(id="b")])
    assert not is_plain([Card(id="a"), Card(id="b", network="x")])


def test_a_list_of_one_or_of_empty_cards_has_no_doubles() -> None:
    for cards in ([], [Card(id="a")], [Card(id="a"), Card(id="b")]):
        assert Estimate(cards).suggestions() == []


def test_pairs_are_counted_by_hand() -> None:
    truth = {"a": "1", "b": "1", "c": "1", "d": "2"}
    assert pairwise(truth, {"a": "x", "b": "x", "c": "y", "d": "y"}) == {"precision": 0.5, "recall": 0.3333, "F1": 0.4}
    assert pairwise(truth, {}) == {"precision": 1.0, "recall": 0.0, "F1": 0.0}
