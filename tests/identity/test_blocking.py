"""Which groups are compared: those who share something, and of many pairs that do the likeliest at a glance."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from benchmarks.people import FEW, judge_growth, telling
from resolvers.identity.blocking import COMPARED, PLENTY, candidates
from resolvers.identity.cards import Card, CardName, CardOrganization, read
from resolvers.identity.grouping import group
from resolvers.identity.wholes import Whole, wholes
from tests.chaos.report import Report

CROWD = 240


def read_all(cards: Sequence[Card]) -> list[Whole]:
    facts = {card.id: read(card, "GB") for card in cards}
    return wholes(facts, group(facts).groups)


def compared(cards: Sequence[Card], plenty: int = PLENTY) -> set[tuple[str, str]]:
    everybody = read_all(cards)
    return {(everybody[a].label, everybody[b].label) for a, b in candidates(everybody, plenty)}


def crowd(chance: random.Random) -> list[Card]:
    """Namesakes at many employers: each shares a little with most of the others."""
    given, works = (
        ("Ada", "Adam", "Ava", "Alma"),
        ("Harbour", "Lantern", "Meridian", "Orchard", "Granite", "Quarry", "Foundry", "Tannery"),
    )
    return [
        Card(
            id=f"c{n:04}",
            network="linkedin",
            kind="CONNECTION",
            names=(CardName(full=f"{chance.choice(given)} {chance.choice('BCDEFGH')}rasmussen"),),
            organizations=tuple(CardOrganization(name=f"{work} Ltd") for work in chance.sample(works, 3)),
        )
        for n in range(CROWD)
    ]


def test_of_a_crowd_that_shares_names_and_employers_only_so_many_pairs_are_compared_as_grow_as_n_log_n() -> None:
    cards = crowd(random.Random(1))
    bound = COMPARED * CROWD * math.log2(CROWD + 1)
    assert CROWD / 4 < len(compared(cards, plenty=0)) <= bound < len(compared(cards)) / 4
    assert compared(cards, plenty=0) < compared(cards, plenty=2_000) < compared(cards)
    assert len(compared(cards, plenty=2_000)) <= 2_000


def test_of_namesakes_on_a_network_none_is_compared_before_one_who_is_not_on_it_and_of_as_likely_ones_all_or_none() -> None:
    name = (CardName(full="Ada Quintana"),)
    connections = [
        Card(id=f"n{n}", network="linkedin", kind="CONNECTION", names=name, handles=(f"linkedin:n{n}x",)) for n in range(8)
    ]
    cards = [plain("a", "Ada Quintana", "aq@example.org"), *connections]
    assert compared(cards, plenty=8) == {("a", one.id) for one in connections}
    assert compared(cards, plenty=35) == compared(cards, plenty=8)
    assert len(compared(cards, plenty=36)) == 36


def test_two_cards_of_one_profile_are_compared_first_though_a_person_seldom_has_two_profiles_on_a_network() -> None:
    def on_linkedin(contact_id: str, name: str, user: str) -> Card:
        return Card(
            id=contact_id, network="linkedin", kind="CONNECTION", names=(CardName(full=name),), handles=(f"linkedin:{user}",)
        )

    cards = [on_linkedin(f"n{n}", "Ada Quintana", f"quintanan{n}") for n in range(8)]
    two = [on_linkedin("x1", "Bruno Vale", "vale"), on_linkedin("x2", "Karl Holm", "vale")]
    assert compared([*cards, *two], plenty=0) == {("x1", "x2")}


def test_pairs_that_outgrow_the_contacts_are_told_of() -> None:
    few, many = (
        {f"{name}: contacts": n, f"{name}: candidate pairs": pairs}
        for name, n, pairs in (("a", 10**5, 4 * 10**5), ("b", 10**6, 5 * 10**6))
    )
    report = Report()
    report.figures.update(few | many)
    judge_growth(report)
    assert not report.broken
    report.figures["b: candidate pairs"] = 6 * 10**6
    judge_growth(report)
    assert len(report.broken) == 1


def test_who_shares_what_nobody_else_has_is_compared_whatever_crowd_they_stand_in() -> None:
    cards = crowd(random.Random(2))
    cards[3] = Card(id="c0003", kind="CORRESPONDENT", names=cards[200].names, emails=("quintessence.vale@example.org",))
    cards[200] = Card(
        id="c0200", network="github", kind="FOLLOWER", names=cards[200].names, handles=("github:quintessencevale",),
        organizations=cards[200].organizations,
    )  # fmt: skip
    assert ("c0003", "c0200") in compared(cards)


def plain(contact_id: str, name: str, *emails: str) -> Card:
    return Card(id=contact_id, kind="CORRESPONDENT", names=(CardName(full=name),) if name else (), emails=emails)


def test_who_says_one_word_meets_all_who_have_it_and_these_do_not_meet_each_other() -> None:
    found = compared(
        [plain("a", "Ada Quintana"), plain("b", "Bruno Quintana"), plain("c", "Quintana"), plain("d", "B. Quintana")]
    )
    assert found == {("a", "c"), ("b", "c"), ("b", "d"), ("c", "d")}


def test_spellings_pet_forms_and_addresses_lead_to_a_name() -> None:
    cards = [plain("a", "Robert Quintana"), plain("b", "Bobby Quintana"), plain("c", "Сергей Щербаков"), plain("d", "Sergei Scherbakow"),
             plain("e", "", "thorvald@harbour.example"), plain("f", "Thorvald"), plain("g", "", "quintessencealex@example.org"),
             plain("h", "Alex Quintessence")]  # fmt: skip
    assert {("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")} <= compared(cards)


def test_of_namesakes_of_whom_nothing_tells_who_is_meant_none_is_compared() -> None:
    namesakes = [plain(f"n{n:03}", "Ada Quintana") for n in range(FEW + 2)]
    assert compared(namesakes) == set()
    assert len(compared(namesakes[:10])) == 45
    two = [plain(n, "Ada Quintana", f"quintessence{n}@example.org") for n in ("x1", "x2")]
    assert compared([*namesakes, *two]) == {("x1", "x2")}


def test_two_of_a_crowd_share_what_few_do_only_by_something_else() -> None:
    crowd_ = [plain(f"n{n:03}", "Ada Quintana") for n in range(FEW + 1)]
    known = read_all(
        [*crowd_, *(plain(n, "Ada Quintana", f"quintessence{n}@example.org") for n in ("x1", "x2")), plain("y", "Bo")]
    )
    x1, x2, y = len(crowd_), len(crowd_) + 1, len(crowd_) + 2
    assert telling(known, [(0, 1), (x1, x2), (0, x1), (0, y)]) == [False, True, False, False]


def test_what_is_compared_does_not_depend_on_the_order_of_the_contacts() -> None:
    cards = crowd(random.Random(3))
    shuffled = random.Random(4).sample(cards, len(cards))
    assert compared(cards) == compared(shuffled)
    assert compared(cards, plenty=1_000) == compared(shuffled, plenty=1_000)


def test_nobody_and_one_alone_are_compared_with_nobody() -> None:
    assert compared([]) == compared(crowd(random.Random(5))[:1]) == set()
