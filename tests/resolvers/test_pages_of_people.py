"""A page of people with all that is said of each takes a fixed number of statements, however many people there are on it. On both databases."""

from __future__ import annotations

import pytest

from providers import records
from resolvers.relationship.tallying import tally
from tests.asking import Desk, nodes, statements
from tests.household import ME, Household, card, mail

PAGE = """query ($n: Int) { viewer { people(first: $n) { edges { node { id name
  relationship { score trend sentence parts { factor value } } influence { score percentile }
  conflicts { field sentence values { preferred chosen sources { contact { id } account { id } } } }
  lookAlikes { person { id name } sentence suspicious } impersonates { person { id } }
  suggestions { id probability candidates { id name } evidenceFor { sentence } preview { name } conflicts { field } }
  lastMessage { id subject sentAt } } } } } }"""
MOST = 60  # statements of a page: what is read for all of it, and nothing for each


@pytest.fixture
async def desk(household: Household) -> Desk:
    home, work = await household.account("vcard", "home"), await household.account("vcard", "work")
    letters = await household.account("imap", "mail", own=[ME])
    given = ("Ada", "Grace", "Mary", "Edith", "Joan", "Ruth", "Emmy", "Rosa", "Vera", "Nora")
    family = ("Byron", "Hopper", "Clarke", "Lovell", "Somerset", "Noether", "Franklin", "Rubin", "Peter", "Ross")
    cards: list[records.Contact] = []
    others: list[records.Contact] = []
    for n in range(100):
        name, address = f"{given[n % 10]} {family[n // 10]}", f"p{n}@nimbus{n}.example"
        cards.append(card(f"c{n}", name, address, organizations=(records.Organization(name=f"Engine{n}"),)))
        if n % 2:  # the same person, in disagreement
            others.append(card(f"o{n}", name, address, organizations=(records.Organization(name=f"Loom{n}"),)))
        else:  # somebody who may be the same one, or only look so
            others.append(card(f"o{n}", name, f"me{n}@home{n}.example", organizations=(records.Organization(name=f"Engine{n}"),)))
    await household.take(home, *cards)
    await household.take(work, *others)
    await household.take(letters, *(mail(n, f"p{n}@nimbus{n}.example", name=cards[n].names[0].full) for n in range(100)))
    await household.resolve()
    await tally(household.database, household.viewer)
    return Desk(household)


async def test_a_page_of_people_with_scores_conflicts_look_alikes_suggestions_and_messages_is_read_at_once(desk: Desk) -> None:
    counts = []
    for size in (50, 100):
        with statements() as seen:
            people = nodes((await desk.ask(PAGE, n=size))["viewer"]["people"])
        assert len(people) == size
        for what in ("conflicts", "suggestions", "lastMessage", "relationship"):
            assert sum(bool(p[what]) for p in people) >= size // 5, what
        counts.append(len(seen))
    assert counts[0] == counts[1] <= MOST, counts
