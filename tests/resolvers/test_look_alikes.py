"""Whoever only looks like somebody the viewer knows: never joined with them, named as an impostor, and nobody else is. On both databases."""

from __future__ import annotations

from typing import Any

import idna
import msgspec
import pytest

from providers import records
from resolvers.identity import pairing
from resolvers.identity.pairing import read_neighbourhood, write_pairs
from resolvers.relationship.tallying import tally
from store import pairs
from tests.asking import Desk, nodes, statements
from tests.household import ME, Household, card, mail

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
ADA = "ada.byron@nimbus.example"
PEOPLE = """{ viewer { people(first: 200, filter: { natures: null }) { edges { node { id version name emails { address }
  contacts { edges { node { id } } }
  impersonates { person { id name } likeness sentence suspicious }
  lookAlikes { person { id name } likeness sentence suspicious impostor { id } } } } } } }"""
MERGE = "mutation ($ids: [ID!]) { mergePeople(input: {personIds: $ids}) { merge { id } errors { code } } }"
UNMERGE = "mutation ($merge: ID) { unmerge(input: {mergeId: $merge}) { people { id } errors { code } } }"


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


def wrote(key: str, name: str, *emails: str) -> records.Contact:
    """Somebody whom only message headers name."""
    names = (records.Name(full=name),) if name else ()
    return msgspec.structs.replace(card(key, "?", *emails), relation="CORRESPONDENT", names=names)


def profile(network: str, handle: str, name: str, relation: records.Relation = "FOLLOWER") -> records.Contact:
    return records.Contact(
        key=f"{network}:{handle}", relation=relation, names=(records.Name(full=name),),
        handles=(records.Handle(provider=network, handle=handle),),
    )  # fmt: skip


async def take(desk: Desk, *cards: records.Contact, user: str = "cards") -> str:
    account = await desk.household.account("vcard", user)
    await desk.household.take(account, *cards)
    await desk.household.resolve()
    return account


async def people(desk: Desk) -> list[Any]:
    return nodes((await desk.ask(PEOPLE))["viewer"]["people"])


async def flagged(desk: Desk) -> list[tuple[str, str]]:
    """Who poses as whom, by their first address, and in what."""
    found = await people(desk)
    first = {p["id"]: p["emails"][0]["address"] if p["emails"] else p["name"] for p in found}
    return sorted((first[p["id"]], first[p["impersonates"]["person"]["id"]]) for p in found if p["impersonates"])


@ON_ONE
@pytest.mark.parametrize(
    ("fake", "likeness"),
    [
        ("ada.byron@nirnbus.example", "DOMAIN"),  # rn for m
        ("ada.byron@nlmbus.example", "DOMAIN"),  # l for i
        ("ada.byron@nimbuss.example", "DOMAIN"),  # a letter too many
        (f"ada.byron@{idna.encode('nіmbus').decode()}.example", "DOMAIN"),  # a Cyrillic letter, as it goes over the wire
        ("ada.byron@nιmbus.example", "DOMAIN"),  # a Greek letter
        ("ada.byron@nimbus-support.example", "DOMAIN"),
        ("ada.byron@mail-nimbus.example", "DOMAIN"),
        ("ada.byron@nimbus.test", "DOMAIN"),  # another ending
        ("ada.byron@nimbus.example.co", "DOMAIN"),
        ("ada.byron@nimbus-example.test", "DOMAIN"),
        ("ada.byr0n@nimbus.example", "HANDLE"),
        ("аda.byron@nimbus.example", "HANDLE"),  # a Cyrillic а
        ("ada.byron.ceo@gmail.com", "HANDLE"),
        ("ada_byron_official@outlook.com", "HANDLE"),
    ],
)
async def test_an_address_made_to_look_like_that_of_somebody_known_is_never_joined_and_its_owner_is_flagged(
    desk: Desk, fake: str, likeness: str
) -> None:
    await take(desk, card("ada", "Ada Byron", ADA), wrote("fake", "Ada Byron", fake))
    found = {p["emails"][0]["address"]: p for p in await people(desk)}
    assert len(found) == 2
    real, impostor = found.pop(ADA), next(iter(found.values()))
    flag = impostor["impersonates"]
    assert (flag["person"]["id"], flag["likeness"], flag["suspicious"]) == (real["id"], likeness, True)
    assert ADA in flag["sentence"] and "Ada Byron" in flag["sentence"] and flag["sentence"].endswith("may pose as them.")
    assert impostor["lookAlikes"][0] == {**flag, "impostor": {"id": impostor["id"]}}
    assert real["impersonates"] is None
    (warned,) = real["lookAlikes"]
    assert (warned["person"]["id"], warned["suspicious"], warned["impostor"]["id"]) == (impostor["id"], True, impostor["id"])


@ON_ONE
@pytest.mark.parametrize(
    ("network", "real", "fake"),
    [
        ("x", "adabyron", "adabyr0n"),
        ("x", "adabyron", "adabyron_official"),
        ("x", "adabyron", "realadabyron"),
        ("x", "adabyron", "adabyron_"),
        ("x", "adabyron", "adabyron1"),
        ("bluesky", "ada.bsky.social", "аda.bsky.social"),
        ("mastodon", "adabyron@social.example", "adabyron@soclal.example"),
        ("mastodon", "adabyron@social.example", "adabyron@social.test"),
    ],
)
async def test_a_handle_made_to_look_like_that_of_somebody_known_is_flagged(
    desk: Desk, network: str, real: str, fake: str
) -> None:
    await take(desk, profile(network, real, "Ada Byron", "CONNECTION"), profile(network, fake, "Ada Byron"))
    found = await people(desk)
    assert len(found) == 2
    (impostor,) = [p for p in found if p["impersonates"]]
    assert fake in impostor["impersonates"]["sentence"]
    assert all(one["suspicious"] for p in found for one in p["lookAlikes"])


@ON_ONE
async def test_a_name_in_letters_of_another_script_is_flagged_whatever_else_it_comes_with(desk: Desk) -> None:
    await take(desk, card("ada", "Ada Byron", ADA), profile("x", "somebody", "Аda Byron"))
    (flag,) = [p["impersonates"] for p in await people(desk) if p["impersonates"]]
    assert (flag["likeness"], flag["person"]["name"]) == ("NAME", "Ada Byron")
    assert "cyrillic capital letter a" in flag["sentence"]


@ON_ONE
async def test_a_forged_address_under_the_name_of_somebody_known_is_flagged_whatever_address_they_have(desk: Desk) -> None:
    await take(desk, card("ada", "Ada Byron", ADA), wrote("fake", "Ada Byron", "lovelace@gmai1.com"))
    (flag,) = [p["impersonates"] for p in await people(desk) if p["impersonates"]]
    assert (flag["likeness"], flag["suspicious"]) == ("DOMAIN", True)
    assert flag["sentence"] == (
        "lovelace@gmai1.com looks made to deceive and bears the name of somebody you know, Ada Byron: whoever this is may pose as them."
    )
    (real,) = [p for p in await people(desk) if not p["impersonates"]]
    assert real["lookAlikes"][0]["sentence"].endswith("Ada Byron may pose as this person, and is kept apart.")


@ON_ONE
async def test_a_forged_looking_address_that_the_viewer_wrote_down_is_flagged_as_nobody(desk: Desk) -> None:
    await take(desk, card("ada", "Ada Byron", ADA), card("also", "Ada Byron", "lovelace@gmail.com.co"))
    assert [p["impersonates"] for p in await people(desk)] == [None, None]


@ON_ONE
async def test_an_impostor_without_a_name_is_known_by_the_domain(desk: Desk) -> None:
    await take(desk, card("ada", "Ada Byron", ADA), wrote("fake", "", "ada.byron@nirnbus.example"))
    assert await flagged(desk) == [("ada.byron@nirnbus.example", ADA)]


@ON_ONE
@pytest.mark.parametrize(
    "cards",
    [
        # family under one domain
        (card("a", "Ada Byron", "ada@byron.example"), wrote("b", "Anna Byron", "anna@byron.example")),
        (card("a", "Ann Byron", "ann@byron.example"), wrote("b", "Anna Byron", "anna@byron.example")),
        (card("a", "John Ray", "john.ray@gmail.com"), wrote("b", "Jon Ray Jr", "john.ray.jr@gmail.com")),
        # where somebody worked before, works now, and lives
        (card("a", "Ada Byron", "ada@looms.example"), wrote("b", "Ada Byron", "ada@estates.example")),
        (card("a", "Ada Byron", ADA), wrote("b", "Ada Byron", "ada.byron@gmail.com")),
        (card("a", "Ada Byron", "ada.byron@yahoo.com"), wrote("b", "Ada Byron", "ada.byron@yahoo.co.uk")),
        (card("a", "Ada Byron", "ada.byron@gmail.com"), wrote("b", "Ada Byron", "ada.byron@gmx.de")),
        # one person in two networks, on two servers, in two scripts
        (profile("x", "adabyron", "Ada Byron"), profile("github", "adabyron", "Ada Byron")),
        (profile("mastodon", "ada@social.example", "Ada Byron"), profile("mastodon", "ada@science.example", "Ada Byron")),
        (card("a", "Ada Byron", ADA), profile("x", "ada", "Ада Байрон")),
        # both written down by the viewer: another ending, another office
        (card("a", "Ada Byron", ADA), card("b", "Ada Byron", "ada.byron@nimbus.test")),
        (card("a", "Ada Byron", "ada.byron@gmail.com"), card("b", "Ada Byron", "ada.byron.work@gmail.com")),
        # colleagues with names much alike
        (card("a", "Ian Lee", "i.lee@nimbus.example"), wrote("b", "Liz Lee", "l.lee@nimbus.example")),
        # dots and case are no disguise
        (card("a", "Ada Byron", ADA), wrote("b", "Ada Byron", "adabyron@nimbus.example")),
    ],
)  # fmt: skip
async def test_the_same_or_a_kindred_person_is_not_flagged(desk: Desk, cards: tuple[records.Contact, ...]) -> None:
    await take(desk, *cards)
    assert [p["impersonates"] for p in await people(desk)] == [None] * len(await people(desk))
    assert not any(one["suspicious"] for p in await people(desk) for one in p["lookAlikes"])


async def test_whom_the_viewer_writes_to_is_the_real_one_although_the_other_came_first(desk: Desk) -> None:
    fake, account = "ada.byron@nirnbus.example", await desk.household.account("imap", "mail", own=[ME])
    await desk.household.take(account, mail(9, fake, name="Ada Byron"))
    await desk.household.take(account, mail(1, ADA, name="Ada Byron"), mail(2, ME, ADA))
    await desk.household.resolve()
    await tally(desk.household.database, desk.household.viewer)
    assert await flagged(desk) == [(fake, ADA)]


async def test_likenesses_come_and_go_with_what_they_rest_on_and_are_told_in_the_feed(desk: Desk) -> None:
    book = await take(desk, card("ada", "Ada Byron", ADA), user="book")
    assert (await people(desk))[0]["lookAlikes"] == []
    head = await desk.household.head()
    mailbox = await take(desk, wrote("fake", "Ada Byron", "ada.byron@nirnbus.example"), user="mail")
    assert await flagged(desk) == [("ada.byron@nirnbus.example", ADA)]
    ids = {p["id"] for p in await people(desk)}
    told = [c for c in await desk.household.changes(head) if c.kind == "PERSON" and "lookAlikes" in c.fields]
    assert {c.node_id for c in told} <= ids and told
    await desk.household.take(mailbox, wrote("fake", "Grace Hopper", "ada.byron@nirnbus.example"))
    await desk.household.resolve()
    assert await flagged(desk) == []
    await desk.household.take(mailbox, wrote("fake", "Ada Byron", "ada.byron@nirnbus.example"))
    await desk.household.resolve()
    assert len(await flagged(desk)) == 1
    head = await desk.household.head()
    await desk.household.forget(book)
    (left,) = await people(desk)
    assert (left["impersonates"], left["lookAlikes"]) == (None, [])
    assert any(c.node_id == left["id"] and c.op == "UPSERT" for c in await desk.household.changes(head))
    kept = await desk.household.database.read(
        desk.household.viewer, lambda conn, viewer: conn.exec_driver_sql("select count(*) from look_alike").scalar_one()
    )
    assert kept == 0
    await take(desk, card("ada", "Ada Byron", ADA), user="book")
    assert await flagged(desk) == [("ada.byron@nirnbus.example", ADA)]


async def test_a_pair_that_the_viewer_joins_looks_like_nobody_and_parted_it_does_again(desk: Desk) -> None:
    await take(desk, card("ada", "Ada Byron", ADA), wrote("fake", "Ada Byron", "ada.byron@nimbus-mail.example"))
    before = await people(desk)
    assert len(await flagged(desk)) == 1
    merge = (await desk.ask(MERGE, ids=[p["id"] for p in before]))["mergePeople"]["merge"]["id"]
    (one,) = await people(desk)
    assert (one["lookAlikes"], one["impersonates"]) == ([], None)
    await desk.household.resolve()
    assert (await people(desk))[0]["lookAlikes"] == []
    await desk.ask(UNMERGE, merge=merge)
    await desk.household.resolve()
    after = await people(desk)
    assert [p | {"version": 0} for p in after] == [p | {"version": 0} for p in before]


async def test_another_viewer_sees_nothing_of_it(desk: Desk) -> None:
    await take(desk, card("ada", "Ada Byron", ADA))
    other = Desk(await Household.open(desk.household.database, "u_other"))
    await take(other, wrote("fake", "Ada Byron", "ada.byron@nirnbus.example"))
    assert [p["lookAlikes"] for p in (*await people(desk), *await people(other))] == [[], []]


async def test_in_any_order_and_any_steps_the_same_likenesses_are_found(desk: Desk) -> None:
    cards = [
        card("ada", "Ada Byron", ADA), wrote("f1", "Ada Byron", "ada.byron@nirnbus.example"), wrote("f2", "Ada Byron", "ada.byr0n@nimbus.example"),
        card("bob", "Bob Ray", "bob.ray@gmail.com"), wrote("f3", "Bob Ray", "bob.ray.office@gmail.com"), wrote("n", "Bob Ray", "b@ray.example"),
    ]  # fmt: skip
    await take(desk, *cards)
    other = Desk(await Household.open(desk.household.database, "u_other"))
    account = await other.household.account("vcard", "cards")
    for one in reversed(cards):
        await other.household.take(account, one)
        await other.household.resolve()

    async def seen(of: Desk) -> set[tuple[str, str, str, bool]]:
        found = await people(of)
        first = {p["id"]: p["emails"][0]["address"] for p in found}
        return {
            (first[p["id"]], first[a["person"]["id"]], a["likeness"], a["suspicious"]) for p in found for a in p["lookAlikes"]
        }

    assert await seen(desk) == await seen(other)
    assert len(await seen(desk)) > 6


async def test_a_step_that_others_have_overtaken_writes_nothing(desk: Desk) -> None:
    household = desk.household
    account = await household.account("vcard", "cards")
    await household.take(account, card("ada", "Ada Byron", ADA), wrote("fake", "Ada Byron", "ada.byron@nirnbus.example"))
    await pairing.pair(household.database, household.viewer, household.now)  # nothing is marked before people are
    await household.resolve()
    await household.database.write(
        household.viewer,
        lambda conn, viewer: pairs.mark(conn, viewer, [row[0] for row in conn.exec_driver_sql("select id from person")]),
    )
    _, known = await household.database.read(household.viewer, pairing.read_unmet)
    await household.database.write(household.viewer, pairing.write_keys, dict.fromkeys(known.wholes, ()), known.prints)
    near = await household.database.read(household.viewer, read_neighbourhood, 10)
    await household.take(account, wrote("fake", "Grace Hopper", "ada.byron@nirnbus.example"))
    assert not await household.database.write(household.viewer, write_pairs, near, near.alike(), {}, household.now)
    await household.resolve()
    assert await flagged(desk) == []


@ON_ONE
async def test_a_crowd_of_namesakes_costs_no_pairs_and_hides_no_impostor(desk: Desk) -> None:
    hosts = [f"{'bcdfg'[n // 10]}{'aeiouyqvwz'[n % 10]}tos.example" for n in range(45)]
    crowd = [card(f"n{n}", "John Smith", f"js{n:03}@{host}") for n, host in enumerate(hosts)]
    await take(desk, *crowd, wrote("fake", "John Smith", "js007@bvt0s.example"))
    assert await flagged(desk) == [("js007@bvt0s.example", "js007@bvtos.example")]
    assert sum(len(p["lookAlikes"]) for p in await people(desk)) == 2


async def test_the_look_alikes_of_a_page_take_as_many_statements_for_fifty_people_as_for_ten(desk: Desk) -> None:
    cards = [
        one for n in range(30)
        for one in (card(f"r{n}", f"Ada Byron{n}", f"ada@nimbus{n}.example"), wrote(f"f{n}", f"Ada Byron{n}", f"ada@nirnbus{n}.example"))
    ]  # fmt: skip
    await take(desk, *cards)
    asked = PEOPLE.replace("first: 200", "first: $n").replace("{ viewer", "query ($n: Int) { viewer", 1)
    counts = []
    for size in (10, 50):
        with statements() as seen:
            found = nodes((await desk.ask(asked, n=size))["viewer"]["people"])
        assert len(found) == size and all(p["lookAlikes"] for p in found)
        counts.append(len(seen))
    # two fields may ask for the same at two depths: one read or two, as the database answers
    assert counts[1] <= counts[0] + 8, counts
