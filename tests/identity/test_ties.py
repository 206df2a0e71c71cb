"""Whom links of the open web join, whom they do not, and that it makes no difference in which order they were read."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import records
from resolvers.identity import addresses, webs
from resolvers.identity.cards import Address, Card, CardName, Facts, Kind, read
from resolvers.identity.explain import tied
from resolvers.identity.grouping import group
from resolvers.identity.keys import keys_of
from resolvers.identity.ties import MAX_NEIGHBOURS, MAX_STEPS, Tie
from resolvers.identity.verdicts import Decisions
from tests import household

SEEN = datetime(2026, 5, 4, tzinfo=UTC)
SITE, MASTODON, GITHUB = "ada.example", "social.example/@ada", "github.com/ada"


def one(contact_id: str, name: str, *keys: str | Address, kind: Kind = "ADDRESS_BOOK", birthday: str | None = None) -> Facts:
    """A contact with these addresses; a site is as doubtful as one that the viewer wrote down."""
    facts = read(Card(id=contact_id, kind=kind, names=(CardName(full=name),) if name else (), birthday=birthday))
    theirs = tuple(k if isinstance(k, Address) else Address(k, 0 if addresses.is_account(k) else 1) for k in keys)
    return msgspec.structs.replace(facts, addresses=theirs)


def ties(*pairs: tuple[str, str], alias: bool = False, vouched: bool = False) -> list[Tie]:
    found = []
    for pair in pairs:
        left, right = sorted(pair)
        found.append(Tie(left=left, right=right, alias=alias, vouched=vouched, seen_at=SEEN))
    return found


def together(facts: Iterable[Facts], known: Iterable[Tie], said: Decisions | None = None) -> list[str]:
    return ["".join(members) for members in group({f.id: f for f in facts}, said, known).groups]


def test_a_site_on_a_card_and_a_profile_that_link_to_each_other_are_one_persons() -> None:
    people = [one("a", "Ada Lovelace", SITE), one("b", "", MASTODON, kind="FOLLOWING")]
    assert together(people, ties((SITE, MASTODON))) == ["ab"]
    assert together(people, []) == ["a", "b"]


def test_a_chain_joins_its_ends_as_far_as_identities_reach_and_no_farther() -> None:
    chain = [f"{n}.example" for n in range(MAX_STEPS + 2)]
    links = ties(*pairwise(chain))
    assert together([one("a", "Ada", chain[0]), one("b", "Ada", chain[MAX_STEPS])], links) == ["ab"]
    assert together([one("a", "Ada", chain[0]), one("b", "Ada", chain[MAX_STEPS + 1])], links) == ["a", "b"]


def test_names_birthdays_generations_and_what_the_viewer_said_hold_against_it() -> None:
    link = ties((SITE, MASTODON))

    def pair(name: str, other: str, birthday: str | None = None) -> list[Facts]:
        return [one("a", name, SITE, birthday=birthday), one("b", other, MASTODON, birthday="1985-01-01")]

    assert together(pair("Ada Lovelace", "Grace Hopper"), link) == ["a", "b"]
    assert together(pair("Ada Lovelace", "Ada Lovelace", birthday="1990-01-01"), link) == ["a", "b"]
    assert together(pair("John Miller Jr.", "John Miller Sr."), link) == ["a", "b"]
    assert together(pair("Ada Lovelace", "Ada"), link, Decisions(never=frozenset({("a", "b")}))) == ["a", "b"]
    assert together(pair("Ada Lovelace", "Ada"), link) == ["ab"]


def test_of_people_whom_the_viewer_parted_nobody_is_joined_by_what_both_have() -> None:
    people = [one("a", "Ada Lovelace", SITE), one("b", "Ada Lovelace", GITHUB), one("c", "", MASTODON)]
    links = ties((SITE, MASTODON), (GITHUB, MASTODON))
    assert together(people, links) == ["abc"]
    assert together(people, links, Decisions(never=frozenset({("a", "b")}))) == ["a", "b", "c"]


def test_a_page_of_several_people_joins_at_most_those_of_one_full_name() -> None:
    team, bob, carol = "team.example", "github.com/bob", "gitlab.com/carol"
    members = [one("b", "Bob Miller", bob), one("c", "Carol Jones", carol), one("s", "", "social.example/@owl")]
    links = ties((team, bob), (team, carol), (team, "social.example/@owl"))
    assert together(members, links) == ["b", "c", "s"]
    assert together([*members, one("x", "Bob Miller", team)], links) == ["bx", "c", "s"]


def test_a_page_with_a_third_account_at_one_host_is_a_teams_whoever_of_it_is_known() -> None:
    team = "team.example"
    accounts = [f"social.example/@{n}" for n in ("owl", "fox", "bee")]
    known = [one("a", "", accounts[0]), one("b", "", accounts[1]), one("c", "Ada Lovelace", team)]
    assert together(known, ties(*((team, each) for each in accounts))) == ["a", "b", "c"]
    assert together(known, ties(*((team, each) for each in accounts[:2]))) == ["abc"]


def test_several_names_of_one_account_are_one_account() -> None:
    names = ["acct:ada@social.example", "social.example/users/ada", MASTODON]
    alias = ties((names[0], names[1]), (names[0], names[2]), (names[1], names[2]), alias=True, vouched=True)
    site = ties((SITE, names[1]), (SITE, names[2]))
    found = group({f.id: f for f in (one("a", "Ada", SITE), one("b", "ada", names[0]))}, None, [*alias, *site])
    (edge,) = found.edges
    assert edge.path is not None and (len(edge.path.keys), edge.path.vouched) == (3, False)


def test_an_address_with_more_neighbours_than_a_person_has_leads_nowhere() -> None:
    hub = "links.example"
    spokes = [f"{n}.example" for n in range(MAX_NEIGHBOURS + 1)]
    people = [one("a", "Ada", spokes[0]), one("b", "Ada", spokes[1])]
    assert together(people, ties(*((hub, each) for each in spokes[:-1]))) == ["ab"]
    assert together(people, ties(*((hub, each) for each in spokes))) == ["a", "b"]


def test_a_company_that_links_back_is_not_whoever_has_its_page_on_their_card() -> None:
    company, account = "acme.example", "social.example/@acme"
    link = ties((company, account))
    assert together([one("b", "Bob Miller", Address(company, 2)), one("c", "owl", account)], link) == ["b", "c"]
    assert together([one("b", "Bob Miller", company), one("c", "Acme", account)], link) == ["b", "c"]
    assert together([one("b", "Bob Miller", Address(company, 2)), one("c", "bob", account)], link) == ["bc"]


def test_a_shared_address_that_two_cards_have_joins_neither_with_the_other_by_itself() -> None:
    assert together([one("a", "Ada", SITE), one("b", "Ada", SITE)], ties((SITE, "else.example"))) == ["a", "b"]


def carried(contact: records.Contact) -> list[Address]:
    row = SimpleNamespace(relation=contact.relation, record=msgspec.msgpack.encode(contact))
    tied = {
        SITE,
        MASTODON,
        "acct:ada@social.example",
        "mailto:ada@example.org",
        "acme.example",
        "blue.example",
        "github.com/acme",
    }
    return list(webs.carried(row, keys_of(contact), tied))


WORK = records.Url(url="https://blue.example", label="WORK")


@pytest.mark.parametrize(
    ("contact", "found"),
    [
        (household.card("a", "Ada Lovelace", "ada@example.org", urls=[f"https://{SITE}/"]), {"mailto:ada@example.org": 0, SITE: 1}),
        (household.card("a", "Bob Miller", "bob@acme.example", urls=["https://www.acme.example"]), {"acme.example": 2}),
        (household.card("a", "Ada Lovelace", "me@ada.example", urls=[f"https://{SITE}"]), {SITE: 1}),
        (
            household.card("a", "Bob Miller", urls=["https://acme.example"], organizations=(records.Organization(name="Acme Robotics"),)),
            {"acme.example": 2},
        ),
        (msgspec.structs.replace(household.card("a", "Bob Miller"), urls=(WORK,)), {"blue.example": 2}),
        (household.card("a", "Bob Miller", urls=["https://blue.example"]), {"blue.example": 1}),
        (
            household.card("a", "Bob Miller", urls=["https://github.com/acme"], organizations=(records.Organization(name="Acme Ltd"),)),
            {"github.com/acme": 2},
        ),
        (household.card("a", "Bob Miller", urls=["https://github.com/acme"]), {"github.com/acme": 0}),
        (household.card("a", "Team", "info@acme.example"), {}),
        (household.follower("ada", "Ada"), {"acct:ada@social.example": 0, MASTODON: 0}),
        (household.follower("thief", "Ada", urls=[records.Url(url=f"https://{SITE}")]), {}),
        (household.follower("eve", "Ada", urls=[records.Url(url=f"https://{SITE}", verified=True)]), {SITE: 0}),
    ],
    ids=["own", "domain-of-its-mail", "says-the-name", "employer", "labelled", "nothing-speaks-for-it", "profile-of-the-employer", "profile",
         "role", "account", "claimed", "checked"],
)  # fmt: skip
def test_an_address_is_its_contacts_as_far_as_the_record_shows(contact: records.Contact, found: dict[str, int]) -> None:
    assert {address.key: address.doubt for address in carried(contact)} == found


NAMES = ("Ada Lovelace", "Ada", "Grace Hopper", "", "owl", "Bob Miller")
PLACES = (*(f"{n}.example" for n in range(5)), *(f"social.example/@{n}" for n in "abc"), "mailto:ada@example.org", GITHUB)
PEOPLE = st.lists(st.tuples(st.sampled_from(NAMES), st.sets(st.sampled_from(PLACES), max_size=2)), min_size=2, max_size=6)
LINKS = st.sets(st.tuples(st.sampled_from(PLACES), st.sampled_from(PLACES)).filter(lambda p: p[0] < p[1]), max_size=9)


@settings(max_examples=60, deadline=None)
@given(PEOPLE, LINKS, st.randoms(use_true_random=False))
def test_the_same_facts_and_links_in_any_order_are_the_same_people_for_the_same_reasons(
    people: list[tuple[str, set[str]]], links: set[tuple[str, str]], order: random.Random
) -> None:
    facts = [one(f"c{n}", name, *sorted(keys)) for n, (name, keys) in enumerate(people)]
    known = ties(*sorted(links))
    found = group({f.id: f for f in facts}, None, known)
    again = [msgspec.structs.replace(t, seen_at=SEEN - timedelta(days=1)) for t in known]
    order.shuffle(facts)
    mixed = [*known, *again]
    order.shuffle(mixed)
    other = group({f.id: f for f in facts}, None, mixed)
    assert (found.groups, found.edges) == (other.groups, other.edges)


def test_the_reason_is_a_sentence_that_says_which_addresses_and_when() -> None:
    assert tied([SITE, MASTODON], SEEN, vouched=False) == (
        "ada.example and social.example/@ada link to each other, seen on 2026-05-04."
    )
    assert tied([SITE, MASTODON, GITHUB], SEEN, vouched=False, still=False) == (
        "ada.example, social.example/@ada and github.com/ada linked each to the next and back, seen last on 2026-05-04."
    )
    assert tied(["keybase.io/ada", SITE], SEEN, vouched=True, verifier="keybase.io") == (
        "keybase.io vouches that keybase.io/ada and ada.example belong to one person, seen on 2026-05-04."
    )
