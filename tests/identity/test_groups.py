"""What joins contacts by itself, what never does, and that the order in which they come makes no difference."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import people
from resolvers.identity.cards import Card, CardName, Facts, Kind, read
from resolvers.identity.grouping import component, group
from resolvers.identity.verdicts import Decisions, Saying
from resolvers.identity.verdicts import read as heard
from tests.identity.town import build


def card(contact_id: str, name: str = "", kind: Kind = "ADDRESS_BOOK", **values: Any) -> Card:
    account = {"ADDRESS_BOOK": "book", "CORRESPONDENT": "mail"}.get(kind, values.get("network", "net"))
    return Card(id=contact_id, account=account, kind=kind, names=(CardName(full=name),) if name else (), **values)


def facts(*cards: Card) -> dict[str, Facts]:
    return {one.id: read(one, "GB") for one in cards}


def together(*cards: Card, decisions: Decisions | None = None) -> list[str]:
    return ["".join(g) for g in group(facts(*cards), decisions).groups]


def test_a_private_address_joins_however_gmail_lets_it_be_written() -> None:
    assert together(
        card("a", "Ada Byron", emails=("ada.byron@gmail.com",)),
        card("b", "", "CORRESPONDENT", emails=("AdaByron+news@googlemail.com",)),
    ) == ["ab"]


def test_dots_and_look_alike_letters_make_another_address_elsewhere() -> None:
    assert together(
        card("a", "Ada Byron", emails=("ada.byron@harbour.example",)),
        card("b", "Ada Byron", emails=("adabyron@harbour.example",)),
    ) == ["a", "b"]
    assert together(
        card("a", "Ada Byron", emails=("ada@harbour.example",)), card("b", "Ada Byron", emails=("аda@harbour.example",))
    ) == ["a", "b"]


def test_a_mobile_number_joins_and_a_fixed_line_does_not() -> None:
    assert together(
        card("a", "Ada Byron", phones=("07700 900123",)),
        card("b", "Ada", "CORRESPONDENT", network="whatsapp", phones=("+447700900123",)),
    ) == ["ab"]
    assert together(card("a", "Ada Byron", phones=("020 7946 0123",)), card("b", "Ada Byron", phones=("+442079460123",))) == [
        "a",
        "b",
    ]


def test_a_value_stops_joining_when_it_shows_itself_as_shared() -> None:
    one, two = (
        card("a", "Ada Byron", emails=("bluebird7@harbour.example",)),
        card("b", "", "CORRESPONDENT", emails=("bluebird7@harbour.example",)),
    )
    assert together(one, two) == ["ab"]
    assert together(one, two, card("c", "Boris Keller", emails=("bluebird7@harbour.example",))) == ["a", "b", "c"]


def test_an_address_pasted_on_a_wrong_card_still_joins_those_for_whom_it_speaks() -> None:
    mine = (
        card("a", "Margit Balázs", "CORRESPONDENT", emails=("margit_balazs@example.org",)),
        card("b", "Balázs, Margit", emails=("margit_balazs@example.org",)),
    )
    assert together(*mine, card("c", "Paola Carreño", emails=("paola@example.org", "margit_balazs@example.org"))) == ["ab", "c"]


def test_role_addresses_lists_and_machines_join_nobody() -> None:
    for address in (
        "info@harbour.example",
        "sailing-dev@lists.example",
        "noreply@harbour.example",
        "notifications@harbour.example",
    ):
        assert together(
            card("a", "Ada Byron", emails=(address,)), card("b", "Ada Byron", "CORRESPONDENT", emails=(address,))
        ) == ["a", "b"]


def test_a_card_of_a_couple_does_not_bridge_them() -> None:
    cards = (
        card("a", "David Lloyd", emails=("dlloyd@example.org",)), card("b", "Lorraine Lloyd", emails=("lorraine@example.org",)),
        card("c", "Lorraine and David Lloyd", emails=("dlloyd@example.org", "lorraine@example.org")),
    )  # fmt: skip
    assert together(*cards) == ["a", "b", "c"]


def test_a_profile_the_viewer_wrote_down_joins_and_one_its_owner_claims_does_not() -> None:
    profile = card("p", "ada b", "FOLLOWING", network="x", handles=("x:@adab",))
    assert together(card("a", "Ada Byron", urls=("https://twitter.com/adab/",)), profile) == ["ap"]
    liar = card(
        "l",
        "ada b",
        "FOLLOWER",
        network="bluesky",
        handles=("bluesky:ada.bsky.social",),
        urls=("https://x.com/adab", "mailto:ada@example.org"),
    )
    assert together(profile, liar, card("m", "Ada Byron", "CORRESPONDENT", emails=("ada@example.org",))) == ["l", "m", "p"]


def test_profiles_that_name_each_other_are_one() -> None:
    assert together(
        card("a", "Ada", "FOLLOWING", network="x", handles=("x:@adab",), urls=("https://social.example/@ada",)),
        card("b", "Ada Byron", "FOLLOWER", network="mastodon", handles=("mastodon:@ada@social.example",), urls=("https://x.com/adab",)),
    ) == ["ab"]  # fmt: skip


def test_a_domain_that_one_account_knows_on_two_profiles_has_changed_hands_and_joins_nobody() -> None:
    domain = ("bluesky:jamesbrown.example",)
    first = card("a", "James Brown", "FOLLOWER", network="bluesky", handles=domain)
    next_ = card("b", "James Brown", "FOLLOWING", network="bluesky", handles=domain)
    written = card("c", "James Brown", urls=("https://bsky.app/profile/jamesbrown.example",))
    assert together(first, written) == ["ac"]
    assert together(first, next_, written) == ["a", "b", "c"]


def test_a_handle_of_another_network_is_only_what_the_profile_says() -> None:
    profile = card("a", "Ada Byron", "FOLLOWING", network="x", handles=("x:@adab",))
    liar = card("b", "Ada Byron", "CONNECTION", network="linkedin", handles=("linkedin:someone", "x:@adab"))
    assert together(profile, liar) == ["a", "b"]


def test_birthdays_and_generations_keep_apart_whoever_shares_an_address() -> None:
    for old, new in ((("1948-02-03", "Jan Novak"), ("1979-05-06", "Jan Novak")), (("", "Jan Novak Sr."), ("", "Jan Novak Jr."))):
        pair = [
            card(key, name, birthday=born or None, emails=("novak@example.org",))
            for key, (born, name) in zip("ab", (old, new), strict=True)
        ]
        assert together(*pair) == ["a", "b"]


def test_a_secretary_is_not_those_for_whom_she_writes() -> None:
    assert together(
        card("a", "Ida Berg", emails=("ida.berg@harbour.example",)),
        Card(
            id="b", account="mail", kind="CORRESPONDENT", names=(CardName(full="Olaf Dahl"), CardName(full="Ida Berg")),
            emails=("ida.berg@harbour.example",),
        ),
        card("c", "Olaf Dahl", "CORRESPONDENT", emails=("olaf.dahl@harbour.example",)),
    ) == ["ab", "c"]  # fmt: skip


def test_what_the_viewer_said_goes_before_evidence_and_never_before_always() -> None:
    pair = card("a", "Ada Byron", emails=("ada@example.org",)), card("b", "Ada Byron", emails=("ada@example.org",))
    other = card("c", "Countess", phones=("07700 900123",))
    assert together(*pair, decisions=Decisions(never=frozenset({("a", "b")}))) == ["a", "b"]
    assert together(*pair, other, decisions=Decisions(always=(("a", "c"),))) == ["abc"]
    assert together(*pair, other, decisions=Decisions(never=frozenset({("b", "c")}), always=(("a", "c"), ("b", "c")))) == [
        "ac",
        "b",
    ]


def test_people_whom_the_viewer_joined_each_take_in_whom_they_would_have_taken_in_alone() -> None:
    byron, king = card("a", "Mary Evans", emails=("mary@example.org",)), card("b", "George Eliot", phones=("07700 900123",))
    more = card("c", "Mary Evans", emails=("mary@example.org",)), card("d", "G. Eliot", phones=("07700 900123",))
    stranger = card("e", "Boris Keller", phones=("07700 900123",))
    joined = Decisions(always=(("a", "b"),))
    assert together(byron, king, *more, decisions=joined) == ["abcd"]
    assert together(byron, king, *more, stranger, decisions=joined) == ["abc", "d", "e"]


def test_an_address_on_two_names_that_the_viewer_joined_is_still_proof() -> None:
    names = (("a", "Mary Evans"), ("b", "George Eliot"), ("c", "George Eliot"))
    cards = [card(key, name, emails=("bluebird@example.org",)) for key, name in names]
    assert together(*cards) == ["a", "b", "c"]
    assert together(*cards, decisions=Decisions(always=(("a", "b"),))) == ["abc"]


def test_never_holds_between_any_two_members_whoever_would_bring_them_together() -> None:
    chain = [card(key, "Ada", emails=(f"{n}@example.org", f"{n + 1}@example.org")) for n, key in enumerate("abcd")]
    assert together(*chain) == ["abcd"]
    for left, right in (("a", "b"), ("a", "c"), ("a", "d")):
        found = together(*chain, decisions=Decisions(never=frozenset({(left, right)}), always=(("b", "d"),)))
        assert not any({left, right} <= set(group) for group in found)


def test_the_last_word_on_a_pair_counts_whatever_the_order_in_which_it_is_heard() -> None:
    said = [
        Saying(number=1, verdict="DIFFERENT", sides=(("a",), ("b",))), Saying(number=2, verdict="SAME", sides=(("a", "c"), ("b",))),
        Saying(number=3, verdict="DIFFERENT", sides=(("c",), ("b",))),
    ]  # fmt: skip
    for order in permutations(said):
        assert heard(order) == Decisions(never=frozenset({("b", "c")}), always=(("a", "b"),))


def test_a_town_is_resolved_without_one_false_join() -> None:
    town = build(7, 150)
    found = group({c.id: read(c, "GB") for c in town.cards})
    persons = [{town.truth[c] for c in g} for g in found.groups]
    assert [p for p in persons if len(p) > 1] == []
    by_value = defaultdict(set)
    for c in town.cards:
        if c.id not in town.traps:
            for value in (*(e.casefold() for e in c.emails), *(p.replace("0049 ", "+49") for p in c.phones)):
                by_value[value].add(c.id)
    labels = found.labels()
    missed = [ids for ids in by_value.values() if len({labels[c] for c in ids}) > 1]
    assert missed == []


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_groups_do_not_depend_on_the_order_of_the_facts(seed: int, shuffle: int) -> None:
    read_ = [(c.id, read(c, "GB")) for c in build(seed, 12).cards]
    mixed = read_[:]
    random.Random(shuffle).shuffle(mixed)
    assert group(dict(read_)) == group(dict(mixed))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_components_resolved_one_by_one_give_the_groups_of_the_whole(seed: int) -> None:
    everything = {c.id: read(c, "GB") for c in build(seed, 12).cards}
    apart = set()
    for start in everything:
        part = component(everything, [start])
        apart |= set(group({c: everything[c] for c in part}).groups)
    assert apart == set(group(everything).groups)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_who_leaves_leaves_the_others_as_if_never_met(seed: int) -> None:
    everything = {c.id: read(c, "GB") for c in build(seed, 12).cards}
    without = {key: one for key, one in everything.items() if one.account != "mail"}
    assert group(without) == group(dict(sorted(without.items(), reverse=True)))
    assert {c for g in group(without).groups for c in g} == set(without)


def test_the_proof_in_small_walks_into_no_trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNIVERSE", raising=False)
    report = people.resolve(tmp_path, people=60, seeds=(1,))
    assert report.broken == []
    assert report.figures["town-1: wrong joins"] == 0
