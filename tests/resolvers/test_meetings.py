"""Meetings of which mails tell: in timelines with whoever is there, as the latest word of who invited has it, whatever order words come in."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import mime
from resolvers.ingest.own import reassign
from store import accounts
from store.feed import Recorder
from store.tables import own_address
from tests.asking import Desk, nodes, pages, statements
from tests.household import ME, NOW, Household, card, mail

ITEM = """{ node { __typename occurredAt ... on Meeting { id version title cancelled allDay startsAt endsAt startsOn viewerResponse seriesId
  organizer { address viewer person { name } } attendeeCount attendees { response participant { address viewer person { name } } }
  invitation { subject } accounts { id } } } }"""
EVERYBODY = f"""query($first: Int = 50, $after: Cursor, $from: DateTime, $filter: TimelineFilter) {{ viewer {{
  timeline(first: $first, after: $after, from: $from, filter: $filter) {{ totalCount pageInfo {{ hasNextPage endCursor }} edges {ITEM} }} }} }}"""
OF_ONE = f"""query($id: ID!, $filter: TimelineFilter, $from: DateTime) {{ person(by: {{ id: $id }}) {{
  timeline(filter: $filter, from: $from) {{ totalCount edges {ITEM} }}
  meetings(from: "2026-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") {{ totalCount edges {{ node {{ title }} }} }} }} }}"""
ONLY = {"kinds": ["MEETING"]}
LATER = "2030-01-01T00:00:00Z"
ADA, BO = "ada@example.org", "bo@example.org"


def at(hour: int, day: int = 5) -> datetime:
    return datetime(2026, 5, day, hour, tzinfo=UTC)


def who(address: str, response: Any = "NEEDS_ACTION", **more: Any) -> records.Invited:
    return records.Invited(address=address, response=response, **more)


def word(method: Any = "REQUEST", uid: str = "lunch", organizer: str | None = ADA, **more: Any) -> records.Invitation:
    invited = more.pop("invited", (who(ME), who(BO)))
    known: dict[str, Any] = {"starts": (at(10),), "seconds": 3600, "title": "Lunch"} if method in ("REQUEST", "PUBLISH") else {}
    return records.Invitation(
        method=method, uid=uid, organizer=None if organizer is None else who(organizer), invited=invited, count=len(invited),
        **(known | more),
    )  # fmt: skip


def told(number: int, sender: str, *words: records.Invitation, **more: Any) -> records.Message:
    return mail(number, sender, ME if sender != ME else ADA, invitations=words, **more)


class Table:
    def __init__(self, household: Household, box: str) -> None:
        self.household, self.box, self.desk = household, box, Desk(household)

    async def hear(self, *mails: records.Message) -> None:
        await self.household.take(self.box, *mails)

    async def meetings(self, **where: Any) -> list[Any]:
        found = (await self.desk.ask(EVERYBODY, **({"from": LATER} | {"filter": ONLY | where})))["viewer"]["timeline"]
        assert found["totalCount"] == len(found["edges"])
        return nodes(found)

    async def told(self) -> list[tuple[str, str, bool]]:
        return [(one["title"], one["startsAt"][5:13], one["cancelled"]) for one in await self.meetings()]


@pytest.fixture
async def table(household: Household) -> Table:
    return Table(household, await household.account("mbox", ME, own=[ME]))


async def test_an_invitation_is_a_meeting_with_all_who_are_there(table: Table) -> None:
    mails = told(1, ADA, word(invited=(who(ME), who(BO, "ACCEPTED"), who("room@example.org", role="RESOURCE"))), name="Ada")
    await table.hear(mails, told(2, ME, word("REPLY", invited=(who(ME, "TENTATIVE"),))))
    (one,) = await table.meetings()
    assert one["organizer"] == {"address": ADA, "viewer": False, "person": {"name": "Ada"}}
    assert [(a["participant"]["address"], a["response"]) for a in one["attendees"]] == [
        (ME, "TENTATIVE"), (BO, "ACCEPTED"), ("room@example.org", "NEEDS_ACTION"),
    ]  # fmt: skip
    assert [a["participant"]["viewer"] for a in one["attendees"]] == [True, False, False]
    assert one["attendees"][2]["participant"]["person"] is None
    assert (one["viewerResponse"], one["attendeeCount"], one["seriesId"]) == ("TENTATIVE", 3, None)
    assert (one["startsAt"], one["endsAt"]) == ("2026-05-05T10:00:00.000Z", "2026-05-05T11:00:00.000Z")
    assert (one["invitation"]["subject"], [a["id"] for a in one["accounts"]]) == ("Subject 1", [table.box])
    people = nodes((await table.desk.ask("{ viewer { people { edges { node { id name } } } } }"))["viewer"]["people"])
    assert sorted(p["name"] for p in people) == ["Ada", BO]
    for person in people:
        found = (await table.desk.ask(OF_ONE, id=person["id"], filter=ONLY, **{"from": LATER}))["person"]
        assert [m["title"] for m in nodes(found["timeline"])] == ["Lunch"]
        assert (found["timeline"]["totalCount"], found["meetings"]["totalCount"]) == (1, 1)
    message = "{ viewer { conversations { edges { node { messages { edges { node { subject meeting { title } } } } } } } } }"
    shown = [m for c in nodes((await table.desk.ask(message))["viewer"]["conversations"]) for m in nodes(c["messages"])]
    assert sorted((m["subject"], m["meeting"]["title"]) for m in shown) == [("Subject 1", "Lunch"), ("Subject 2", "Lunch")]


async def test_meetings_stand_between_messages_and_what_lies_ahead_is_asked_for(table: Table) -> None:
    await table.hear(
        told(1, ADA, word(starts=(at(10, 4),))),  # before the first mail
        told(2, ADA, word(uid="later", title="Later", starts=(at(12, 5) + timedelta(minutes=30),))),
        told(3, ADA, word(uid="ahead", title="Ahead", starts=(at(15, 6),))),
    )
    table.desk.clock.time = at(12, 5)
    kinds = {"filter": {"kinds": ["MESSAGE", "MEETING"]}}
    whole = nodes((await table.desk.ask(EVERYBODY, **kinds))["viewer"]["timeline"])
    assert [one.get("title") or one["__typename"] for one in whole] == ["Later", "Message", "Message", "Message", "Lunch"]
    for first in (1, 2):
        assert [
            one for page in await pages(table.desk, EVERYBODY, ["viewer", "timeline"], first=first, **kinds) for one in page
        ] == whole
    assert [one["title"] for one in await table.meetings()] == ["Ahead", "Later", "Lunch"]
    upcoming = "{ viewer { meetings { totalCount complete edges { node { title startsAt } } } } }"
    found = (await table.desk.ask(upcoming))["viewer"]["meetings"]
    assert ([one["title"] for one in nodes(found)], found["totalCount"]) == (["Later", "Ahead"], 2)
    listed = """query($first: Int, $after: Cursor) { viewer { meetings(first: $first, after: $after, from: "2026-05-01T00:00:00Z") {
      pageInfo { hasNextPage endCursor } edges { node { title } } } } }"""
    paged = await pages(table.desk, listed, ["viewer", "meetings"], first=1)
    assert [one["title"] for page in paged for one in page] == ["Lunch", "Later", "Ahead"]


MOVED = word(sequence=1, title="Lunch, later", starts=(at(12),))
WORDS = [
    told(1, ADA, word(stamped_at=at(8, 1))),
    told(2, ADA, word(stamped_at=at(9, 1), title="Lunch!")),  # of one sequence the later one counts
    told(3, BO, word("REPLY", invited=(who(BO, "DECLINED"),))),  # to what was before it was moved
    told(4, ADA, MOVED),
    told(5, BO, word("REPLY", sequence=1, stamped_at=at(9, 2), invited=(who(BO, "TENTATIVE"),))),
    told(6, BO, word("REPLY", sequence=1, stamped_at=at(9, 3), invited=(who(BO, "ACCEPTED"),))),
]


async def test_whatever_order_words_come_in_the_same_is_known(table: Table) -> None:
    dice = random.Random(5)
    for order in dice.sample(list(permutations(WORDS)), 3):
        for one in order:
            await table.hear(one)
        (found,) = await table.meetings()
        assert (found["title"], found["startsAt"][11:13]) == ("Lunch, later", "12")
        assert [a["response"] for a in found["attendees"]] == ["NEEDS_ACTION", "ACCEPTED"]
        gone = [records.Gone(kind="MESSAGE", key=one.key) for one in dice.sample(WORDS, len(WORDS))]
        await table.household.take(table.box, *gone)
        assert await table.meetings() == []


async def test_what_is_called_off_stays_and_says_so_until_it_is_on_again(table: Table) -> None:
    await table.hear(told(1, ADA, word()), told(2, ADA, word("CANCEL", sequence=1, cancelled=True)))
    assert await table.told() == [("Lunch", "05-05T10", True)]
    await table.hear(told(3, ADA, word(sequence=2, starts=(at(14),))))
    assert await table.told() == [("Lunch", "05-05T14", False)]
    await table.hear(told(4, ADA, word("CANCEL", sequence=2, stamped_at=NOW + timedelta(days=9), invited=(who(BO),))))
    assert await table.told() == [("Lunch", "05-05T14", False)]  # Bo alone need not come
    assert [a["participant"]["address"] for a in (await table.meetings())[0]["attendees"]] == [ME]


async def test_a_stranger_changes_nothing_of_a_meeting_they_know_of(table: Table) -> None:
    mallory = "mallory@example.net"
    await table.hear(told(1, ADA, word()))
    before = await table.meetings()
    await table.hear(
        told(2, mallory, word("CANCEL", sequence=9, cancelled=True)),
        told(3, mallory, word("REPLY", sequence=9, invited=(who(BO, "DECLINED"),))),
        told(4, ADA, word("CANCEL", sequence=9, cancelled=True), authentication="FAILED"),
        told(5, ADA, word(sequence=9, title="Forged"), category="SPAM"),
        told(6, BO, word("REPLY", organizer=None, invited=(who(BO, "DECLINED"),))),
    )
    assert await table.meetings() == before
    await table.hear(told(7, mallory, word(sequence=9, title="Bring money"), name="Ada"))
    spoofed, real = sorted(await table.meetings(), key=lambda one: str(one["title"]))
    assert [real] == before
    assert (spoofed["title"], spoofed["organizer"]["address"]) == (
        "Bring money",
        mallory,
    )  # who wrote it invites, whoever it names


async def test_who_invites_tells_the_direction_and_answers_tell_of_what_one_sent_elsewhere(table: Table) -> None:
    await table.hear(told(1, ADA, word()))
    mine = word("REPLY", uid="mine", organizer=ME, starts=(at(9),), title="My own", invited=(who(BO, "ACCEPTED"),))
    theirs = word("REPLY", uid="theirs", organizer="cy@example.org", starts=(at(9),), invited=(who(BO, "ACCEPTED"),))
    await table.hear(told(2, BO, mine, theirs), told(3, ME, word(uid="passed-on", organizer=ADA)))
    assert [one["title"] for one in await table.meetings(direction="INBOUND")] == ["Lunch"]
    (own,) = await table.meetings(direction="OUTBOUND")
    assert (own["title"], own["organizer"]["viewer"], own["viewerResponse"], own["invitation"]) == ("My own", True, None, None)
    assert [(a["participant"]["address"], a["response"]) for a in own["attendees"]] == [(BO, "ACCEPTED")]


async def test_each_time_of_a_series_is_a_meeting_and_one_may_differ_or_be_off(table: Table) -> None:
    starts = tuple(at(10, day) for day in (5, 12, 19, 26))
    await table.hear(told(1, ADA, word(starts=starts, rule="FREQ=WEEKLY;COUNT=4")))
    await table.hear(
        told(2, ADA, word(recurrence_id=starts[1], title="Dinner", starts=(at(19, 12),))),
        told(3, ADA, word("CANCEL", recurrence_id=starts[2], cancelled=True)),
    )
    assert await table.told() == [
        ("Lunch", "05-26T10", False), ("Lunch", "05-19T10", True), ("Dinner", "05-12T19", False), ("Lunch", "05-05T10", False),
    ]  # fmt: skip
    assert len({one["seriesId"] for one in await table.meetings()}) == 1
    await table.hear(told(4, ADA, word("CANCEL", recurrence_id=starts[3], following=True, cancelled=True)))
    assert [off for _, _, off in await table.told()] == [True, True, False, False]
    await table.hear(told(5, ADA, word("CANCEL", sequence=3, cancelled=True)))
    assert {off for _, _, off in await table.told()} == {True}
    moved = tuple(moment + timedelta(hours=1) for moment in starts[:2])
    await table.hear(told(6, ADA, word(sequence=4, starts=moved, rule="FREQ=WEEKLY;COUNT=2")))
    assert await table.told() == [("Lunch", "05-12T11", False), ("Lunch", "05-05T11", False)]  # what differed was of other times


FOUND = """query($text: String!) { viewer { search(query: $text, scopes: [PEOPLE]) { totalCount edges { node { ... on Person { name } } } } } }"""


async def test_people_are_found_by_where_they_were_met(table: Table) -> None:
    async def found(text: str) -> list[str]:
        listed = (await table.desk.ask(FOUND, text=text))["viewer"]["search"]
        names = [one["name"] for one in nodes(listed)]
        assert listed["totalCount"] == len(names) == len(set(names))
        return sorted(names)

    book = await table.household.account("vcard", "cards")
    town = records.Address(formatted="Lisbon", locality="Lisbon")
    await table.household.take(
        book,
        card("bo", "Bo Diddley", BO),
        card("ada", "Ada Lovelace", ADA),
        card("cy", "Cy Young", "cy@example.org", addresses=(town,)),
    )
    regatta = word(
        title="The Regatta", location="Café Central, Lisbon", invited=(who(ME), who(BO), who("dee@example.org", "DECLINED"))
    )
    remote = word(uid="remote", title="Planning", location="https://meet.example/lisbon", invited=(who(ME),))
    await table.hear(told(1, ADA, regatta, remote, name="Ada"))
    await table.household.resolve()
    both = ["Ada Lovelace", "Bo Diddley"]
    assert await found("met in Lisbon") == await found("met at the regat") == await found("met in cafe") == both
    assert await found("ada met in lisbon") == await found("lovelace planning") == ["Ada Lovelace"]
    assert await found("lisbon") == [*both, "Cy Young"]
    assert await found("met in lisbon oslo") == await found("met in meet.example") == []
    assert await table.desk.ask(FOUND.replace("$text, scopes", "$text, orderBy: RECENCY, scopes"), text="met in") is not None
    kim = Desk(await Household.open(table.household.database, "u_kim"))
    assert nodes((await kim.ask(FOUND, text="met in lisbon"))["viewer"]["search"]) == []

    await table.hear(told(2, ADA, word("CANCEL", sequence=1, cancelled=True)))
    assert await found("met in Lisbon") == []
    await table.hear(told(3, ADA, word(sequence=2, title="Dinner", location="Oslo", invited=(who(ME),))))
    assert (await found("met in Lisbon"), await found("met in Oslo")) == ([], ["Ada Lovelace"])
    await table.household.take(table.box, *(records.Gone(kind="MESSAGE", key=f"key-{n}") for n in (1, 2, 3)))
    assert await found("met in Oslo") == []


async def test_what_is_said_again_changes_nothing_and_changes_are_in_the_feed(table: Table) -> None:
    await table.hear(told(1, ADA, word()))
    head = await table.household.head()
    await table.hear(told(1, ADA, word()))
    assert await table.household.head() == head
    (before,) = await table.meetings()
    await table.hear(told(2, ADA, MOVED))
    (change,) = [c for c in await table.household.changes(head) if c.kind == "MEETING"]
    (after,) = await table.meetings()
    assert (change.op, change.node_id, change.node_version, change.created) == ("UPSERT", before["id"], 2, False)
    assert (after["id"], after["version"]) == (before["id"], 2)
    known = await table.desk.ask("query($id: ID!) { node(id: $id) { ... on Meeting { title version } } }", id=after["id"])
    assert known["node"] == {"title": "Lunch, later", "version": 2}
    head = await table.household.head()
    await table.household.take(table.box, *(records.Gone(kind="MESSAGE", key=f"key-{n}") for n in (1, 2)))
    assert [(c.op, c.node_id) for c in await table.household.changes(head) if c.kind == "MEETING"] == [("DELETE", before["id"])]


async def test_mail_that_was_there_before_meetings_were_read_brings_them_when_it_is_read_again(table: Table) -> None:
    await table.hear(told(1, ADA))
    assert await table.meetings() == []
    assert [one.outcome for one in await table.household.take(table.box, told(1, ADA, word()))] == ["UNCHANGED"]
    assert await table.told() == [("Lunch", "05-05T10", False)]


async def test_a_meeting_of_two_accounts_is_one_and_goes_with_the_last(table: Table) -> None:
    other = await table.household.account("gmail", "more", own=["robin@more.example"])
    book = await table.household.account("vcard", "cards")
    await table.household.take(book, card("bo", "Bo Diddley", BO))
    await table.hear(told(1, ADA, word(), name="Ada"))
    await table.household.resolve()
    before = await table.meetings()
    await table.household.take(other, told(1, ADA, word(), name="Ada"))
    await table.household.resolve()
    (one,) = await table.meetings()
    assert {a["id"] for a in one["accounts"]} == {table.box, other}
    assert [len(await table.meetings(accountIds=[account])) for account in (table.box, other, book)] == [1, 1, 0]
    assert [len(await table.meetings(providers=[name])) for name in ("mbox", "gmail", "vcard")] == [1, 1, 0]
    stranger = Table(await Household.open(table.household.database, "u_kim"), table.box)
    assert await stranger.meetings() == []
    assert await stranger.desk.ask("query($id: ID!) { node(id: $id) { id } }", id=one["id"]) == {"node": None}
    await table.household.forget(table.box)
    await table.household.resolve()
    (left,) = await table.meetings()
    people = [a["participant"]["person"] for a in left["attendees"]]
    assert (left["organizer"]["person"], people[1]) == (before[0]["organizer"]["person"], {"name": "Bo Diddley"})
    assert [a["id"] for a in left["accounts"]] == [other]
    await table.household.forget(other)
    assert await table.meetings() == []


async def test_an_address_that_is_the_viewer_s_or_no_more_turns_its_meetings(table: Table) -> None:
    await table.hear(
        told(1, ADA, word()), told(2, ADA, word(uid="large", invited=tuple(who(f"p{n}@example.org") for n in range(60))))
    )

    def say(conn: Connection, viewer: str, mine: bool) -> None:
        accounts.put_own_address(conn, viewer, table.box, ADA, Recorder(NOW))
        row = conn.execute(select(own_address.c.id).where(own_address.c.viewer_id == viewer, own_address.c.value == ADA)).one()
        conn.execute(
            sa.update(own_address).where(own_address.c.viewer_id == viewer, own_address.c.id == row.id).values(mine=mine)
        )
        assert reassign(conn, viewer, row.id, NOW) is False

    async def seen() -> list[Any]:
        return [(one["title"], one["organizer"]["viewer"], one["organizer"]["person"]) for one in await table.meetings()]

    before = await seen()
    assert {viewer for _, viewer, _ in before} == {False}
    await table.household.database.write(table.household.viewer, say, True)
    assert await seen() == [("Lunch", True, None)] * 2
    assert [len(await table.meetings(direction=way)) for way in ("OUTBOUND", "INBOUND")] == [2, 0]
    await table.household.database.write(table.household.viewer, say, False)
    assert await seen() == before


async def test_a_mail_as_outlook_and_google_send_it_is_a_meeting(table: Table) -> None:
    text = """From: Ada <ada@example.org>
To: robin@example.org
Date: Mon, 4 May 2026 08:00:00 +0000
Message-ID: <a@mail.example>
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

Please come
--b
Content-Type: text/calendar; charset=utf-8; method=REQUEST

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
UID:040000008200E00074C5B7101A82E008
DTSTAMP:20260504T080000Z
DTSTART;TZID=W. Europe Standard Time:20260505T100000
DTEND;TZID=W. Europe Standard Time:20260505T110000
SUMMARY:Lunch
ORGANIZER;CN=Ada:mailto:ada@example.org
ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:Robin@Example.org
END:VEVENT
END:VCALENDAR
--b--
"""
    await table.hear(mime.message(text.encode(), container="in", own=frozenset({ME})))
    (one,) = await table.meetings()
    assert (one["startsAt"], one["endsAt"]) == ("2026-05-05T08:00:00.000Z", "2026-05-05T09:00:00.000Z")
    assert (one["organizer"]["person"], one["viewerResponse"]) == ({"name": "Ada"}, "NEEDS_ACTION")


async def test_meetings_of_many_people_cost_the_statements_of_one(table: Table) -> None:
    await table.hear(
        *(told(n, f"p{n}@example.org", word(uid=str(n), organizer=f"p{n}@example.org", invited=(who(ME),))) for n in range(8))
    )
    item = ITEM.replace("invitation { subject }", "invitation { subject meeting { title } }")
    query = f"""query($first: Int) {{ viewer {{ people(first: $first) {{ edges {{ node {{ timeline(first: 3, from: "{LATER}") {{ edges {item} }}
      meetings(from: "2026-01-01T00:00:00Z", to: "{LATER}") {{ totalCount edges {item} }} }} }} }} }} }}"""
    counts = []
    for first in (1, 8):
        with statements() as seen:
            found = await table.desk.ask(query, first=first)
        assert [len(nodes(person["meetings"])) for person in nodes(found["viewer"]["people"])] == [1] * first
        counts.append(len(seen))
    assert counts[0] == counts[1], counts


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_large_meeting_makes_nobody_an_acquaintance_but_who_invites(table: Table) -> None:
    crowd = tuple(who(f"p{n}@example.org") for n in range(60))
    await table.hear(told(1, ADA, word(invited=crowd), name="Ada"))
    people = nodes((await table.desk.ask("{ viewer { people { edges { node { name } } } } }"))["viewer"]["people"])
    assert [p["name"] for p in people] == ["Ada"]
    (one,) = await table.meetings()
    assert (one["attendeeCount"], len(one["attendees"])) == (60, 50)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_of_a_live_account_no_meetings_are_kept(household: Household) -> None:
    live = await household.account("imap", ME, mode="LIVE", own=[ME])
    await household.take(live, told(1, ADA, word()), live=True)
    assert await Table(household, live).meetings() == []
