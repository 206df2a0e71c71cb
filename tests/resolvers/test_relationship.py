"""How close people are follows from the messages that there are, whatever came and went before, on both databases."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from providers import records
from resolvers.relationship.tallying import recount, tally
from store import leases
from store.tables import exchange, untallied
from tests.asking import Clock, Desk, nodes, statements
from tests.household import ME, NOW, Household, card, mail

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
ADA, WORK, BO = "ada@example.org", "ada@work.example", "bo@example.org"
ASK = """query ($email: EmailAddress) { person(by: {email: $email}) { id relationship {
  score trend sentence inboundCount outboundCount lastInboundAt lastOutboundAt firstContactAt usualInterval nextDueAt
  theirResponseTime ownResponseTime computedAt
  parts { factor value weight sentence messages(first: 10) { subject } }
  answers { waited direction answeredAt answer { subject } question { subject } } } } }"""


def letter(number: int, other: str, *, mine: bool = False, hours: float = 0, **more: Any) -> records.Message:
    sender, to = (ME, other) if mine else (other, ME)
    values: dict[str, Any] = {"sent_at": NOW + timedelta(hours=hours), "subject": f"Mail {number}"} | more
    return mail(number, sender, to, **values)


async def counts(household: Household) -> list[Any]:
    """Everything that is counted, without who it is of."""
    await tally(household.database, household.viewer)

    def read(conn: Connection, viewer: str) -> list[Any]:
        names = [c for c in exchange.c if c.name != "viewer_id"]
        return [tuple(row) for row in conn.execute(select(*names).where(exchange.c.viewer_id == viewer).order_by(*names[:3]))]

    return await household.database.read(household.viewer, read)


async def marked(household: Household) -> int:
    def read(conn: Connection, viewer: str) -> int:
        return len(conn.execute(select(untallied).where(untallied.c.viewer_id == viewer)).all())

    return await household.database.read(household.viewer, read)


async def relationship(household: Household, email: str = ADA, days: int = 3) -> Any:
    await tally(household.database, household.viewer)
    desk = Desk(household, clock=Clock(NOW + timedelta(days=days)))
    return (await desk.ask(ASK, email=email))["person"]["relationship"]


async def test_every_number_of_a_relationship_leads_to_its_messages(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(
        box,
        letter(1, ADA), letter(2, ADA, mine=True, hours=2, references=("1@mail.example",)),
        letter(3, ADA, hours=5, references=("1@mail.example", "2@mail.example")), letter(4, ADA, mine=True, hours=30),
    )  # fmt: skip
    await household.resolve()
    found = await relationship(household)
    assert (found["inboundCount"], found["outboundCount"], found["trend"]) == (2, 2, "NEW")
    assert (found["theirResponseTime"], found["ownResponseTime"]) == ("PT3H", "PT2H")
    assert [(a["waited"], a["direction"], a["question"]["subject"], a["answer"]["subject"]) for a in found["answers"]] == [
        ("PT3H", "INBOUND", "Mail 2", "Mail 3"), ("PT2H", "OUTBOUND", "Mail 1", "Mail 2"),
    ]  # fmt: skip
    parts = {part["factor"]: part for part in found["parts"]}
    assert [m["subject"] for m in parts["FREQUENCY"]["messages"]] == ["Mail 4", "Mail 3", "Mail 2", "Mail 1"]
    assert [m["subject"] for m in parts["INITIATIVE"]["messages"]] == ["Mail 4", "Mail 1"]
    assert [m["subject"] for m in parts["RESPONSE_TIME"]["messages"]] == ["Mail 3", "Mail 2"]
    assert parts["INITIATIVE"]["sentence"] == "They began 1 conversation, you 1."
    assert found["score"] == round(100 * sum(part["value"] * part["weight"] for part in found["parts"])) > 30
    assert found["sentence"] == "Close, and new: 2 messages from them, 2 from you, the last one 42 hours ago."
    assert found["lastOutboundAt"] == "2026-05-05T18:00:00.000Z"


async def test_newsletters_lists_robots_forgeries_drafts_and_junk_count_for_nothing(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    categories = ("LIST", "NEWSLETTER", "NOTIFICATION", "AUTO_REPLY", "BOUNCE", "SPAM", "SYSTEM")
    await household.take(
        box,
        letter(1, ADA, mine=True),
        *(letter(n, ADA, hours=n, category=category) for n, category in enumerate(categories, 2)),
        letter(20, ADA, hours=20, authentication="FAILED"), letter(21, ADA, mine=True, hours=21, draft=True),
        letter(22, ADA, hours=22, role="SPAM"), letter(23, ADA, hours=999, received_at=NOW + timedelta(hours=23)),
    )  # fmt: skip
    await household.resolve()
    found = await relationship(household)
    assert (found["inboundCount"], found["outboundCount"], found["score"], found["answers"]) == (0, 1, 0, [])
    assert found["sentence"] == "You wrote 1 message, and nothing went the other way."
    # out of the junk, sent after all
    await household.take(
        box, records.MessageState(key="key-22", container="INBOX", role="INBOX"), records.MessageState(key="key-21")
    )
    found = await relationship(household)
    assert (found["inboundCount"], found["outboundCount"]) == (1, 2)


async def test_in_any_order_and_any_slices_the_counts_are_the_same_and_what_goes_leaves_no_trace(household: Household) -> None:
    chance = random.Random(5)
    wanted = [
        letter(n, chance.choice([ADA, BO]), mine=chance.random() < 0.5, hours=n * chance.choice([3, 40]),
               references=(f"{n - 1}@mail.example",) if chance.random() < 0.5 and n else ())
        for n in range(60)
    ]  # fmt: skip
    other = await Household.open(household.database, "u_kim")
    boxes = [await each.account("imap", ME, own=[ME]) for each in (household, other)]
    await other.take(boxes[1], *wanted)
    passing = [letter(n, ADA, mine=n % 2 == 0, hours=n * 7, references=("3@mail.example",)) for n in range(100, 140)]
    waiting = chance.sample([*wanted, *passing], len(wanted) + len(passing))
    while waiting:
        part, waiting = waiting[: (size := chance.choice([1, 5, 20]))], waiting[size:]
        await household.take(boxes[0], *part)
        if chance.random() < 0.5:
            await tally(household.database, household.viewer)
    await household.take(boxes[0], *(records.Gone(kind="MESSAGE", key=item.key) for item in passing))
    found, alike = await counts(household), await counts(other)
    # ids are each viewer's own: sums, moments and waits are what is alike
    assert sorted(row[3:-1] for row in found) == sorted(row[3:-1] for row in alike)
    assert len(found) > 20
    # counted anew from nothing but the messages it is what it was
    place: str | None = ""
    while place is not None:
        place = await household.database.write(household.viewer, recount, place)
    assert await marked(household) > 20
    assert await counts(household) == found
    await household.forget(boxes[0])
    assert await counts(household) == []


async def test_a_person_of_several_contacts_has_the_sum_of_what_each_exchanged(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(
        box, letter(1, ADA), letter(2, WORK, mine=True, hours=1), letter(3, WORK, hours=2, references=("2@mail.example",))
    )
    await household.resolve()
    apart = [await relationship(household, email) for email in (ADA, WORK)]
    assert [(one["inboundCount"], one["outboundCount"]) for one in apart] == [(1, 0), (1, 1)]
    book = await household.account("vcard", "cards")
    await household.take(book, card("ada", "Ada Lovelace", ADA, WORK))
    await household.resolve()
    together = [await relationship(household, email) for email in (ADA, WORK)]
    assert together[0] == together[1]
    assert (together[0]["inboundCount"], together[0]["outboundCount"]) == (2, 1)
    await household.forget(book)
    await household.resolve()
    assert [await relationship(household, email) for email in (ADA, WORK)] == apart


@ON_ONE
async def test_threads_that_turn_out_to_be_one_are_counted_as_one(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, letter(1, ADA))
    await household.take(box, letter(3, ADA, hours=4, references=("2@mail.example",)))
    assert len(await counts(household)) == 2
    await household.take(box, letter(2, ADA, mine=True, hours=1, references=("1@mail.example",)))
    (row,) = await counts(household)
    await household.resolve()
    found = await relationship(household)
    assert [one["waited"] for one in found["answers"]] == ["PT3H", "PT1H"]
    assert row[3:5] == (2, 1)


@ON_ONE
async def test_counting_is_asked_for_by_what_arrives_and_not_by_what_says_nothing(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])

    async def asked_for() -> bool:
        jobs = await household.database.system_read(leases.listed, viewer=household.viewer)
        return any(job.kind == "tally" for job in jobs)

    await household.take(box, letter(1, ADA, category="NEWSLETTER"))
    assert not await asked_for()
    await household.take(box, letter(2, ADA))
    assert await asked_for()


@ON_ONE
async def test_a_page_of_people_takes_as_many_statements_with_their_relationships_however_many_they_are(
    household: Household,
) -> None:
    box = await household.account("imap", ME, own=[ME])
    for n in range(12):
        who = f"friend-{n}@example.org"
        await household.take(box, letter(3 * n + 1, who), letter(3 * n + 2, who, mine=True, hours=2))
    await household.resolve()
    await tally(household.database, household.viewer)
    desk = Desk(household)
    page = """query ($first: Int) { viewer { people(first: $first) { edges { node { name relationship {
      score sentence parts { factor value } answers { waited } } } } } } }"""
    counted = []
    for first in (1, 12):
        with statements() as seen:
            people = nodes((await desk.ask(page, first=first))["viewer"]["people"])
        counted.append(len(seen))
        assert len(people) == first and all(person["relationship"]["score"] > 20 for person in people)
    assert counted[0] == counted[1]


@ON_ONE
async def test_nobody_counts_what_another_viewer_exchanged(household: Household) -> None:
    other = await Household.open(household.database, "u_kim")
    for each in (household, other):
        box = await each.account("imap", ME, own=[ME])
        await each.take(box, letter(1, ADA), *([letter(2, ADA, mine=True, hours=1)] if each is other else []))
        await each.resolve()
    assert (await relationship(household))["outboundCount"] == 0
    assert (await relationship(other))["outboundCount"] == 1


@ON_ONE
async def test_live_accounts_are_read_and_not_counted(household: Household) -> None:
    box = await household.account("mastodon", "robin@social.example", mode="LIVE", own=[ME])
    await household.take(box, letter(1, ADA), letter(2, ADA, mine=True), live=True)
    assert await counts(household) == []
