"""The conversations of a person who has several addresses: one list, the latest first, each conversation once. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from providers import records
from tests.asking import Desk, nodes
from tests.household import ME, NOW, Household, card, follower, mail

PAGE = """query ($of: PersonIdentifier!, $n: Int, $after: Cursor) { person(by: $of) { contacts(first: 9) { edges { node { id } } }
  conversations(first: $n, after: $after) { pageInfo { hasNextPage endCursor } edges { node { subject } } } } }"""
HOME, WORK, OTHER = "ada@home.example", "ada@engine.example", "grace@example.org"


async def test_conversations_under_all_addresses_of_a_person_are_one_list(household: Household) -> None:
    book, box = await household.account("vcard", "cards"), await household.account("imap", ME, own=[ME])
    both = (
        records.Participant(role="FROM", address=HOME, name="Ada Byron"),
        records.Participant(role="CC", address=WORK, name="Ada Byron"),
        records.Participant(role="TO", address=ME),
    )
    await household.take(book, card("ada", "Ada Byron", HOME, WORK), card("grace", "Grace Hopper", OTHER))
    await household.take(
        box,
        *(mail(n, (HOME, WORK, OTHER)[n % 3], name=("Ada Byron", "Ada Byron", "Grace Hopper")[n % 3]) for n in range(12)),
        *(mail(n, HOME, participants=both) for n in (12, 13)),
    )
    await household.resolve()
    desk = Desk(household)
    found: list[str] = []
    after = None
    while True:
        person: dict[str, Any] = (await desk.ask(PAGE, of={"email": HOME}, n=3, after=after))["person"]
        assert len(person["contacts"]["edges"]) > 1
        page = person["conversations"]
        found += [edge["node"]["subject"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        assert len(page["edges"]) == 3
    assert found == [f"Subject {n}" for n in (13, 12, 10, 9, 7, 6, 4, 3, 1, 0)]


@pytest.mark.parametrize("listing", [False, True], ids=["it says so", "it lists them no more"])
async def test_whoever_is_followed_no_more_keeps_the_messages_that_they_wrote(household: Household, listing: bool) -> None:
    net = await household.account("mastodon", "robin@social.example", own=["robin@social.example"])
    ada = records.Participant(
        role="FROM", address="ada@social.example", kind="HANDLE", name="Ada", provider="mastodon", key="ada@social.example"
    )
    said = records.Message(
        key="1",
        sent_at=NOW,
        container="dm",
        conversation_key="talk",
        conversation_kind="DIRECT",
        text="Hello",
        participants=(ada,),
    )
    await household.take(net, follower("ada", "Ada"), follower("bob", "Bob"), said)
    await household.resolve()
    desk = Desk(household)
    everybody = """{ viewer { people { edges { node { id name contacts { edges { node { relation } } }
      conversations { edges { node { messages { edges { node { text sender { person { name } } } } } } } } } } } } }"""
    before = nodes((await desk.ask(everybody))["viewer"]["people"])
    gone = ["ada@social.example", "bob@social.example"]
    if listing:
        await household.unlist(net, gone)
    else:
        await household.take(net, *(records.Gone(kind="CONTACT", key=key) for key in gone))
    await household.resolve()
    (left,) = nodes((await desk.ask(everybody))["viewer"]["people"])
    (then,) = [one for one in before if one["name"] == "Ada"]
    assert nodes(left.pop("contacts")) == [{"relation": "CORRESPONDENT"}]
    assert nodes(then.pop("contacts")) == [{"relation": "FOLLOWING"}]
    assert left == then
