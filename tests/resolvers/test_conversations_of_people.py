"""The conversations of a person who has several addresses: one list, the latest first, each conversation once. On both databases."""

from __future__ import annotations

from typing import Any

from providers import records
from tests.asking import Desk
from tests.household import ME, Household, card, mail

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
