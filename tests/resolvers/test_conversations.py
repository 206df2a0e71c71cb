"""Conversations: filtered by what they are, who takes part and what they say; with their people and messages."""

from __future__ import annotations

from typing import Any

import pytest

from providers import records
from tests.asking import Desk, nodes
from tests.household import ME, NOW, Household, mail

SUBJECTS = "query($f: ConversationFilter) { viewer { conversations(filter: $f) { totalCount edges { node { subject } } } } }"


@pytest.fixture
async def desk(household: Household) -> Desk:
    box = await household.account("mbox", ME, own=[ME])
    other = await household.account("imap", "work")
    both = (
        records.Participant(role="FROM", address="ada@example.org", name="Ada"),
        records.Participant(role="TO", address=ME),
        records.Participant(role="CC", address="grace@example.org", name="Grace"),
    )
    await household.take(
        box,
        mail(1, "ada@example.org", subject="Alone", unread=True, name="Ada"),
        mail(2, "ada@example.org", subject="Together", participants=both, unread=False, text="about the engine"),
        mail(3, "news@example.com", subject="News", category="NEWSLETTER", unread=False),
        mail(4, "ida@example.org", subject="Starred", flagged=True, unread=False),
    )
    await household.take(other, mail(5, "ida@example.org", subject="At work", unread=True))
    await household.resolve()
    return Desk(household)


async def subjects(desk: Desk, **wanted: Any) -> set[str]:
    found = (await desk.ask(SUBJECTS, f=wanted))["viewer"]["conversations"]
    assert found["totalCount"] == len(nodes(found))
    return {c["subject"] for c in nodes(found)}


async def ids_of(desk: Desk, *addresses: str) -> list[str]:
    query = "query($by: [PersonIdentifier!]!) { people(by: $by) { id } }"
    return [p["id"] for p in (await desk.ask(query, by=[{"email": a} for a in addresses]))["people"]]


async def test_each_filter_leaves_out_what_does_not_pass(desk: Desk) -> None:
    everything = {"Alone", "Together", "News", "Starred", "At work"}
    assert await subjects(desk) == everything
    assert await subjects(desk, unread=True) == {"Alone", "At work"}
    assert await subjects(desk, unread=False) == {"Together", "News", "Starred"}
    assert await subjects(desk, flags=["FLAGGED"]) == {"Starred"}
    assert await subjects(desk, withoutFlags=["FLAGGED", "UNREAD"]) == {"Together", "News"}
    assert await subjects(desk, categories=["NEWSLETTER"]) == {"News"}
    assert await subjects(desk, kinds=["DIRECT"]) == set()
    assert await subjects(desk, kinds=["EMAIL_THREAD", "DIRECT"]) == everything
    assert await subjects(desk, text="engine") == {"Together"}
    assert await subjects(desk, text="tog") == {"Together"}
    assert await subjects(desk, activeAfter="2026-05-04T12:03:30Z") == {"Starred", "At work"}
    assert await subjects(desk, activeBefore="2026-05-04T12:01:30Z") == {"Alone"}
    (account,) = [
        a["id"]
        for a in nodes((await desk.ask("{ viewer { accounts { edges { node { id label } } } } }"))["viewer"]["accounts"])
        if a["label"] == "imap work"
    ]
    assert await subjects(desk, accountIds=[account]) == {"At work"}
    assert await subjects(desk, accountIds=[]) == set()


async def test_all_of_the_people_named_take_part(desk: Desk) -> None:
    ada, grace, ida = await ids_of(desk, "ada@example.org", "grace@example.org", "ida@example.org")
    assert await subjects(desk, personIds=[ada]) == {"Alone", "Together"}
    assert await subjects(desk, personIds=[ada, grace]) == {"Together"}
    assert await subjects(desk, personIds=[grace, grace]) == {"Together"}
    assert await subjects(desk, personIds=[ada, ida]) == set()
    assert await subjects(desk, personIds=[ada, "p_nobody"]) == set()


async def test_a_person_who_was_joined_is_found_by_the_former_id(desk: Desk) -> None:
    data = await desk.ask(
        '{ person(by: { email: "ida@example.org" }) { formerIds conversations { edges { node { subject } } } } }'
    )
    (former,) = data["person"]["formerIds"]
    assert await subjects(desk, personIds=[former]) == {"Starred", "At work"}
    assert {c["subject"] for c in nodes(data["person"]["conversations"])} == {"Starred", "At work"}


async def test_participants_come_latest_active_first_and_page(desk: Desk) -> None:
    query = """query($after: Cursor) { viewer { conversations(filter: { text: "engine" }) { edges { node {
      participants(first: 1, after: $after) { totalCount pageInfo { hasNextPage endCursor } edges { node {
        name address kind role viewer person { name } } } } } } } } }"""
    seen = []
    after = None
    for _ in range(2):
        (found,) = nodes((await desk.ask(query, after=after))["viewer"]["conversations"])
        seen += nodes(found["participants"])
        after = found["participants"]["pageInfo"]["endCursor"]
        assert found["participants"]["totalCount"] == 2
    assert {p["name"] for p in seen} == {"Ada", "Grace"}
    assert found["participants"]["pageInfo"]["hasNextPage"] is False


async def test_a_message_shows_everything_that_is_known_of_it(desk: Desk) -> None:
    header = records.Header(name="Message-ID", value="<10@mail.example>")
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(
        box,
        mail(10, "mary@example.org", subject="First", name="Mary", text="One\ntwo  three", headers=(header,), attachment_count=2,
             authentication="PASSED", received_at=NOW, url="https://mail.example.org/10"),
        mail(11, ME, "mary@example.org", answers=[10], subject="Re: First", text="Four"),
    )  # fmt: skip
    data = await desk.ask(
        """{ person(by: { email: "mary@example.org" }) { conversations { edges { node { messageCount url kind lastActivityAt flags
        accounts { label } firstMessage { id } lastMessage { id } messages { edges { node {
          id version sentAt receivedAt editedAt occurredAt subject snippet bodyState text flags direction category categoryReason
          authentication attachmentCount internetMessageId url headers { name value } sources { account { label } container externalId }
          sender { name address viewer role } recipients { address viewer role } recipientCount inReplyTo { id } conversation { id }
        } } } } } } } }"""
    )
    (conversation,) = nodes(data["person"]["conversations"])
    first, answer = nodes(conversation["messages"])
    assert (conversation["messageCount"], conversation["firstMessage"]["id"], conversation["lastMessage"]["id"]) == (
        2,
        first["id"],
        answer["id"],
    )
    assert (first["text"], first["snippet"]) == ("One\ntwo  three", "One two three")
    assert first["headers"] == [{"name": "Message-ID", "value": "<10@mail.example>"}]
    assert (first["direction"], answer["direction"]) == ("INBOUND", "OUTBOUND")
    assert (first["authentication"], first["attachmentCount"], first["url"]) == ("PASSED", 2, "https://mail.example.org/10")
    assert first["sender"] == {"name": "Mary", "address": "mary@example.org", "viewer": False, "role": "FROM"}
    assert first["recipients"] == [{"address": ME, "viewer": True, "role": "TO"}]
    assert (first["recipientCount"], answer["inReplyTo"]) == (1, {"id": first["id"]})
    assert first["occurredAt"] == first["sentAt"]
    assert [s["externalId"] for s in first["sources"]] == ["key-10"]


@pytest.mark.parametrize("backwards", [False, True])
async def test_whoever_takes_part_is_called_as_any_mail_calls_them_whatever_comes_first(
    household: Household, backwards: bool
) -> None:
    box = await household.account("imap", ME, own=[ME])
    thread = [mail(1, "ada@example.org", name="Ada Lovelace"), mail(2, ME, "ada@example.org", answers=[1])]
    for one in reversed(thread) if backwards else thread:
        await household.take(box, one)
    asked = "{ viewer { conversations { edges { node { participants { edges { node { name address role } } } } } } } }"
    (talk,) = nodes((await Desk(household).ask(asked))["viewer"]["conversations"])
    assert nodes(talk["participants"]) == [{"name": "Ada Lovelace", "address": "ada@example.org", "role": "TO"}]
