"""Who is who: proof joins, hints do not, and the order in which facts come makes no difference."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from providers import records
from resolvers.identity.clusters import Fact, partition
from resolvers.identity.keys import keys_of
from tests.household import card, follower


def facts(*contacts: records.Contact) -> list[Fact]:
    return [
        Fact(contact_id=f"c{n}", born=n, names=tuple(name.full for name in c.names), keys=keys_of(c), relation=c.relation)
        for n, c in enumerate(contacts)
    ]


def groups(*contacts: records.Contact) -> list[set[int]]:
    return [{int(c[1:]) for c in group} for group in partition(facts(*contacts)).groups]


def test_a_private_address_joins() -> None:
    assert groups(card("1", "Ada Lovelace", "ada@example.org"), card("2", "A. Lovelace", "ADA@example.org")) == [{0, 1}]


def test_a_private_mobile_number_joins_and_a_fixed_line_does_not() -> None:
    mobile = card("1", "Ada Lovelace", phones=["+491711234567"]), card("2", "Ada", phones=["+491711234567"])
    assert groups(*mobile) == [{0, 1}]
    fixed = records.Phone(raw="+49301234567", number="+49301234567", mobile=False)
    office = [records.Contact(key=k, relation="ADDRESS_BOOK", names=(records.Name(full="Ada"),), phones=(fixed,)) for k in "12"]
    assert groups(*office) == [{0}, {1}]


def test_a_role_address_joins_nobody() -> None:
    assert groups(card("1", "Ada Lovelace", "info@example.org"), card("2", "Ada Lovelace", "info@example.org")) == [{0}, {1}]


def test_a_list_and_a_desk_on_the_card_of_somebody_join_nobody() -> None:
    for shared in ("sailing@groups.io", "buchhaltung@harbour.example", "noemail@example.org", "throwaway@mailinator.com"):
        one = card("1", "Ada Lovelace", "ada@example.org", shared)
        assert groups(one, card("2", "Ada Lovelace", "ada@example.com", shared)) == [{0}, {1}]


def test_an_equal_name_alone_joins_nobody() -> None:
    assert groups(card("1", "Ada Lovelace", "ada@example.org"), card("2", "Ada Lovelace", "ada@example.com")) == [{0}, {1}]


def test_a_profile_that_the_viewer_wrote_on_a_card_joins_the_card_with_the_profile() -> None:
    book = card("1", "Ada Lovelace", urls=["https://social.example/@ada/"])
    assert groups(book, follower("ada", "ada")) == [{0, 1}]


def test_a_link_that_only_its_owner_claims_joins_nobody() -> None:
    book = card("1", "Ada Lovelace", urls=["https://ada.example"])
    claimed = follower("impostor", "Ada", urls=[records.Url(url="https://ada.example")])
    verified = follower("ada", "Ada", urls=[records.Url(url="https://ada.example", verified=True)])
    assert groups(book, claimed) == [{0}, {1}]
    assert groups(book, verified) == [{0, 1}]


def test_a_name_at_another_network_that_a_profile_only_claims_joins_nobody() -> None:
    def known(network: str, key: str, *handles: records.Handle) -> records.Contact:
        own = records.Handle(provider=network, handle=key, url=f"https://{network}.example/{key}")
        return records.Contact(key=key, relation="FOLLOWER", names=(records.Name(full=key),), handles=(own, *handles))

    famous = records.Handle(provider="x", handle="grace", url="https://x.example/grace")
    impostor = known("github", "mallory", records.Handle(provider="x", handle="grace", url=famous.url, claimed=True))
    assert groups(known("x", "grace"), impostor) == [{0}, {1}]
    book = records.Contact(key="b", relation="ADDRESS_BOOK", names=(records.Name(full="Grace"),), handles=(famous,))
    assert groups(known("x", "grace"), book) == [{0, 1}]


def test_two_cards_with_the_same_company_page_stay_apart() -> None:
    assert groups(card("1", "Ada", urls=["https://firm.example"]), card("2", "Bob", urls=["https://firm.example"])) == [{0}, {1}]


def test_an_address_of_two_people_with_other_names_joins_neither_and_lets_go_of_who_it_had_joined() -> None:
    ada, a_l = card("1", "Ada Lovelace", "home@example.org"), card("2", "Ada L. Lovelace", "home@example.org")
    assert groups(ada, a_l) == [{0, 1}]
    assert groups(ada, a_l, card("3", "William King", "home@example.org")) == [{0}, {1}, {2}]


def test_a_number_that_a_crowd_carries_joins_nobody() -> None:
    crowd = [card(str(n), "Desk", phones=["+491711234567"]) for n in range(40)]
    assert len(groups(*crowd)) == 40


@given(st.integers(0, 10_000), st.integers(2, 14))
def test_the_groups_do_not_depend_on_the_order_of_the_facts(seed: int, count: int) -> None:
    r = random.Random(seed)
    contacts = [
        card(str(n), r.choice(["Ada Lovelace", "Bob Ray", "A. Lovelace", "Ada"]),
             *(f"x{r.randrange(4)}@example.org" for _ in range(r.randrange(3))), phones=[f"+4917112345{r.randrange(60, 63)}"] * r.randrange(2))
        for n in range(count)
    ]  # fmt: skip
    known = facts(*contacts)
    shuffled = known[:]
    r.shuffle(shuffled)
    assert partition(known) == partition(shuffled)


def test_a_card_of_two_does_not_bridge_them() -> None:
    david, lorraine = card("1", "David Lloyd", "david@example.org"), card("2", "Lorraine Lloyd", "lorraine@example.org")
    assert groups(david, lorraine, card("3", "David & Lorraine Lloyd", "david@example.org", "lorraine@example.org")) == [
        {0}, {1}, {2},
    ]  # fmt: skip


def test_one_bad_address_does_not_weld_two_people_who_had_joined_others() -> None:
    ada = card("1", "Ada Lovelace", "ada@example.org"), card("2", "Lovelace, Ada", "ada@example.org", "both@example.org")
    nameless = msgspec.structs.replace(card("4", "?", "bob@example.org", "both@example.org"), names=())
    bob = card("3", "Bob Ray", "bob@example.org"), nameless
    assert groups(*ada, *bob) == [{0, 1}, {2, 3}]


def test_profiles_that_name_each_other_join_and_the_reason_names_both() -> None:
    one = follower("ada", "ada", urls=[records.Url(url="https://other.example/@ada")])
    back = msgspec.structs.replace(
        follower("ada2", "ada"), handles=(), url="https://other.example/@ada", urls=(records.Url(url=one.url or ""),)
    )
    assert groups(one, back) == [{0, 1}]
    (edge,) = partition(facts(one, back)).edges
    assert edge.detail is not None
    assert {edge.value, edge.detail} == {"social.example/@ada", "other.example/@ada"}
    assert groups(one, msgspec.structs.replace(back, urls=())) == [{0}, {1}]


def test_birthdays_keep_a_father_and_his_son_apart_whatever_they_share() -> None:
    born = [records.PartialDate(year=y, month=m, day=3, label="birthday") for y, m in ((1948, 2), (1979, 5))]
    pair = [msgspec.structs.replace(card(str(n), "Jan Novak", "novak@example.org"), dates=(d,)) for n, d in enumerate(born)]
    known = [
        msgspec.structs.replace(f, birthday=f"{d.year}-{d.month:02d}-{d.day:02d}")
        for f, d in zip(facts(*pair), born, strict=True)
    ]
    assert [set(g) for g in partition(known).groups] == [{"c0"}, {"c1"}]
