"""Writing to people: what they get, what the viewer sees meanwhile, and that nothing is ever sent twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from gateway import writes
from gateway.worker import Worker
from providers import records
from providers.formats import mime
from store import accounts, leases, outbox
from tests.asking import Desk, nodes
from tests.household import ME, Household, card, mail
from tests.letterbox import PostOffice, post_office
from tests.submission import POINTS, Point, submission

TO = '[{ email: "ada@example.org" }]'


@pytest.fixture
async def office(household: Household, tmp_path: Path) -> AsyncIterator[PostOffice]:
    async with submission() as server, post_office(household, tmp_path, server) as found:
        yield found


def new(office: PostOffice, fields: str = "", to: str = TO) -> str:
    return f'newMessage: {{ accountId: "{office.account_id}", to: {to}, {fields} }}'


def arrived(office: PostOffice) -> EmailMessage:
    """The one message that the recipients' side has."""
    (letter,) = office.server.taken
    found = message_from_bytes(letter.data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


async def taken(office: PostOffice, *items: records.Message) -> list[str]:
    return [str(r.node_id) for r in await office.household.take(office.account_id, *items)]


# --- what the viewer sees -----------------------------------------------------------------------------------------------------


async def test_a_message_is_in_its_conversation_at_once_and_leaves_when_it_may(office: PostOffice) -> None:
    done = await office.send(new(office, 'subject: "Tea?"'), 'text: "At four?"', undo=10)
    assert done["errors"] == []
    assert (done["message"]["text"], done["message"]["direction"]) == ("At four?", "OUTBOUND")
    assert done["conversation"]["subject"] == "Tea?"
    assert (done["message"]["delivery"]["state"], done["message"]["delivery"]["attempts"]) == ("HELD", 0)
    assert done["message"]["delivery"]["undoableUntil"] == done["message"]["delivery"]["sendAt"]
    assert await office.work() == timedelta(seconds=10)
    assert office.server.taken == []
    await office.work_to_the_end()
    assert office.server.envelope() == [(ME, ("ada@example.org",))]
    assert await office.state(done["message"]["id"]) == "SENT"


async def test_the_feed_tells_of_the_message_and_of_its_way_with_the_clients_key(office: PostOffice) -> None:
    head = await office.household.head()
    message = await office.write(key="my-key")
    await office.work_to_the_end()
    changes = [c for c in await office.household.changes(head) if c.node_id == message["id"] or c.op == "SETTLE"]
    assert [(c.op, c.idempotency_key) for c in changes] == [("UPSERT", "my-key")] * 2 + [("SETTLE", "my-key"), ("UPSERT", None)]
    assert changes[-1].fields == ("delivery",)
    assert changes[2].names == (message["id"],)


async def test_the_same_key_never_sends_twice_and_another_text_under_it_is_refused(office: PostOffice) -> None:
    first = await office.write(key="same")
    again = await office.write(key="same")
    assert first["id"] == again["id"]
    await office.work_to_the_end()
    assert (await office.write(key="same"))["id"] == first["id"]
    await office.work_to_the_end()
    assert len(office.server.taken) == 1
    other = await office.send(new(office, 'subject: "Hello"'), 'text: "Other"', key="same")
    assert [e["code"] for e in other["errors"]] == ["IDEMPOTENCY_CONFLICT"]


async def test_the_copy_that_the_network_files_is_the_same_message(office: PostOffice) -> None:
    message = await office.write(text="Grüße aus Łódź")
    await office.work_to_the_end()
    copy = mime.message(office.server.filed[0], key="Sent:1", container="Sent")
    assert await taken(office, copy) == [message["id"]]
    query = "query($id: ID!) { node(id: $id) { ... on Message { sources { container externalId } } } }"
    shown = (await office.desk.ask(query, id=message["id"]))["node"]
    assert shown["sources"] == [{"container": "Sent", "externalId": "Sent:1"}]
    count = await office.shop.count(office.household.viewer, "select count(*) from message")
    assert count == 1


async def test_a_copy_that_the_network_has_rewritten_is_known_by_the_key_that_it_told(office: PostOffice) -> None:
    office.box.key = "n-17"
    message = await office.write()
    await office.work_to_the_end()
    rewritten = mail(1, ME, "ada@example.org", key="n-17", text="Hello\n\nSent by a kind network", container="Sent")
    assert await taken(office, rewritten) == [message["id"]]
    # the key is the network's word: a stranger's mail under another one stays a message of its own
    assert await taken(office, mail(2, "eve@example.org", key="n-18")) != [message["id"]]


async def test_a_message_can_be_taken_back_until_it_leaves_and_stays_as_a_draft(office: PostOffice) -> None:
    message = await office.write(undo=10)
    undone = await office.undo(message["id"])
    assert undone == {"message": {"flags": ["DRAFT"], "delivery": {"state": "CANCELLED"}}, "errors": []}
    assert (await office.undo(message["id"]))["errors"] == []
    await office.work_to_the_end()
    assert office.server.taken == []


async def test_what_has_left_cannot_be_taken_back(office: PostOffice) -> None:
    message = await office.write()
    await office.work_to_the_end()
    undone = await office.undo(message["id"])
    assert undone["errors"] == [{"code": "TOO_LATE", "field": ["messageId"]}]
    assert await office.state(message["id"]) == "SENT"


async def test_a_message_that_was_only_received_has_no_delivery_and_cannot_be_undone(office: PostOffice) -> None:
    (received,) = await taken(office, mail(1, "ada@example.org"))
    query = "query($id: ID!) { node(id: $id) { ... on Message { delivery { state } } } }"
    assert (await office.desk.ask(query, id=received))["node"]["delivery"] is None
    assert (await office.undo(received))["errors"] == [{"code": "NOT_WRITABLE", "field": ["messageId"]}]


async def test_a_message_for_later_waits_until_then(office: PostOffice) -> None:
    later = office.clock.now() + timedelta(days=2)
    await office.send(new(office), f'text: "x", sendAt: "{later.isoformat()}"')
    assert await office.work() == timedelta(days=2)
    await office.work_to_the_end()
    assert mime.message(office.server.taken[0].data).sent_at == later.replace(microsecond=0)


async def test_who_was_written_to_becomes_a_person(office: PostOffice) -> None:
    await office.write("bo@example.org")
    people = await office.desk.ask("{ viewer { people { edges { node { emails { address } } } } } }")
    assert [p["emails"] for p in nodes(people["viewer"]["people"])] == [[{"address": "bo@example.org"}]]


async def test_what_is_settled_is_forgotten_after_thirty_days_and_what_waits_is_kept(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FORGOTTEN_AT_ONCE", 1)
    later = office.clock.now() + timedelta(days=90)
    done = await office.send(new(office), f'text: "x", sendAt: "{later.isoformat()}"', key="later")
    sent = await office.write(key="one")
    back = await office.write(key="two", undo=60)
    await office.work()
    await office.undo(back["id"])
    database, viewer = office.household.database, office.household.viewer
    for days, left in ((29, 3), (1, 1)):
        office.clock.time += timedelta(days=days, seconds=1)
        await database.system(leases.enqueue, viewer, "compact", viewer, office.clock.now())
        worker = Worker(
            database=database,
            clock=office.clock,
            accounts=office.shop.accounts,
            imports=office.shop.imports,
            scribe=office.shop.worker.scribe,
        )
        assert await worker.run_one(viewer, "compact", viewer)
        for table in ("outbox", "outbox_node"):
            assert await office.shop.count(viewer, f"select count(*) from {table}") == left
    assert await office.state(done["message"]["id"]) == "HELD"
    query = "query($id: ID!) { node(id: $id) { ... on Message { text delivery { state } } } }"
    assert (await office.desk.ask(query, id=sent["id"]))["node"] == {"text": "Hello", "delivery": None}


# --- what the others get --------------------------------------------------------------------------------------------------------


async def test_bcc_gets_it_and_nobody_can_see_that(office: PostOffice) -> None:
    await office.send(new(office, 'cc: [{ email: "cy@example.org" }], bcc: [{ email: "eve@example.org" }]'), 'text: "x"')
    await office.work_to_the_end()
    assert office.server.envelope() == [(ME, ("ada@example.org", "cy@example.org", "eve@example.org"))]
    assert b"eve" not in office.server.taken[0].data
    assert b"eve" not in office.server.filed[0]


async def test_a_page_is_sent_safe_and_with_a_text_for_those_who_cannot_read_it(office: PostOffice) -> None:
    html = "<p onclick='x()'>Hi <b>Ada</b><script>alert(1)</script><img src='http://127.0.0.1/x'></p>"
    await office.send(new(office), f'html: "{html}"')
    await office.work_to_the_end()
    message = arrived(office)
    assert message.get_content_type() == "multipart/alternative"
    page = message.get_body(("html",))
    text = message.get_body(("plain",))
    assert page is not None and text is not None
    assert text.get_param("format") == "flowed"
    assert text.get_content().strip() == "Hi Ada"
    for bad in ("script", "onclick", "127.0.0.1"):
        assert bad not in page.get_content()
    assert "<b>Ada</b>" in page.get_content()


async def test_a_person_is_written_to_at_their_best_address(office: PostOffice) -> None:
    book = await office.household.account("vcard", "book")
    await office.household.take(book, card("c", "Zoë Ünal", "zoe@example.org"))
    people = await office.desk.ask("{ viewer { people { edges { node { id } } } } }")
    person = nodes(people["viewer"]["people"])[0]["id"]
    await office.send(new(office, to=f'[{{ personId: "{person}" }}]'), 'text: "x"')
    await office.work_to_the_end()
    assert arrived(office)["to"] == "Zoë Ünal <zoe@example.org>"


async def test_an_answer_names_what_it_answers_and_joins_its_conversation(office: PostOffice) -> None:
    ids = await taken(
        office,
        mail(1, "ada@example.org", subject="Tea", name="Ada"),
        mail(
            2,
            "ada@example.org",
            subject="RE: Tea",
            name="Ada",
            answers=[1],
            headers=(records.Header(name="References", value="<1@mail.example>"),),
        ),
    )
    done = await office.send(f'reply: {{ messageId: "{ids[1]}", all: false }}', 'text: "Yes"')
    assert done["errors"] == []
    original = await office.desk.ask("query($id: ID!) { node(id: $id) { ... on Message { conversation { id } } } }", id=ids[0])
    assert done["conversation"]["id"] == original["node"]["conversation"]["id"]
    await office.work_to_the_end()
    sent = arrived(office)
    assert sent["in-reply-to"] == "<2@mail.example>"
    assert sent["references"].split() == ["<1@mail.example>", "<2@mail.example>"]
    assert (sent["subject"], sent["to"]) == ("Re: Tea", "Ada <ada@example.org>")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Tea", "Re: Tea"),
        ("Re: Tea", "Re: Tea"),
        ("AW: Re[2]: Fwd: Tea", "Re: Tea"),
        ("", "Re:"),
        ("回复：茶", "Re: 茶"),
        ("Ré", "Re: Ré"),
    ],
)
async def test_prefixes_do_not_pile_up(office: PostOffice, before: str, after: str) -> None:
    (original,) = await taken(office, mail(1, "ada@example.org", subject=before))
    done = await office.send(f'reply: {{ messageId: "{original}", all: false }}', 'text: "x"')
    assert done["message"]["subject"] == after


def on(*people: tuple[str, str]) -> dict[str, Any]:
    return {"participants": tuple(records.Participant(role=role, address=address) for role, address in people)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("people", "everybody", "to", "cc"),
    [
        ([("FROM", "ada@x.example"), ("TO", ME)], False, ["ada@x.example"], []),
        ([("FROM", "ada@x.example"), ("REPLY_TO", "desk@x.example"), ("TO", ME)], False, ["desk@x.example"], []),
        ([("FROM", "ada@x.example"), ("TO", ME), ("TO", "bo@x.example"), ("CC", "cy@x.example")], False, ["ada@x.example"], []),
        (
            [
                ("FROM", "ada@x.example"),
                ("TO", ME.upper()),
                ("TO", "bo@x.example"),
                ("CC", "cy@x.example"),
                ("CC", "Ada@x.example"),
            ],
            True,
            ["ada@x.example"],
            ["bo@x.example", "cy@x.example"],
        ),
        ([("FROM", ME), ("TO", "ada@x.example"), ("CC", "bo@x.example")], True, ["ada@x.example"], ["bo@x.example"]),
        ([("FROM", ME), ("TO", ME)], True, [ME], []),
    ],
)
async def test_an_answer_goes_to_whom_it_should(
    office: PostOffice, people: list[tuple[str, str]], everybody: bool, to: list[str], cc: list[str]
) -> None:
    (original,) = await taken(office, mail(1, "x", **on(*people)))
    done = await office.send(f'reply: {{ messageId: "{original}", all: {str(everybody).lower()} }}', 'text: "x"')
    assert done["errors"] == []
    await office.work_to_the_end()
    sent = arrived(office)
    assert [a.addr_spec for a in sent["to"].addresses] == to
    assert ([a.addr_spec for a in sent["cc"].addresses] if sent["cc"] else []) == cc


async def test_a_forward_brings_text_and_files_along(office: PostOffice) -> None:
    office.box.parts["f-1", "2"] = b"%PDF " * 1000
    file = records.Attachment(part="2", name="plän.pdf", media_type="application/pdf", size=5000)
    (original,) = await taken(
        office,
        mail(1, "ada@example.org", key="f-1", subject="Fwd: Plan", text="See below", attachments=(file,), attachment_count=1),
    )
    done = await office.send(f'forward: {{ messageId: "{original}", to: [{{ email: "bo@example.org" }}] }}', 'text: "Look"')
    assert done["errors"] == []
    await office.work_to_the_end()
    sent = arrived(office)
    assert sent["subject"] == "Fwd: Plan"
    body = sent.get_body(("plain",))
    assert body is not None
    assert (
        body.get_content()
        .replace("\r\n", "\n")
        .startswith("Look\n\n---------- Forwarded message ---------\nFrom: ada@example.org\n")
    )
    assert "See below" in body.get_content()
    (attached,) = sent.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("plän.pdf", b"%PDF " * 1000)


# --- whatever breaks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", POINTS)
async def test_a_line_that_is_cut_anywhere_delivers_once_or_says_that_nobody_knows(office: PostOffice, point: Point) -> None:
    office.server.cut = [point]
    message = await office.write()
    await office.work_to_the_end()
    state = await office.state(message["id"])
    assert len(office.server.taken) <= 1
    assert state == ("UNCONFIRMED" if point in ("body", "dot") else "SENT")
    assert len(office.server.taken) == (0 if state == "UNCONFIRMED" else 1)


async def test_what_nobody_could_say_is_known_once_the_accounts_own_copy_turns_up(office: PostOffice) -> None:
    office.server.cut, office.server.files = ["taken"], False
    message = await office.write()
    await office.work_to_the_end()
    assert await office.state(message["id"]) == "UNCONFIRMED"
    head = await office.household.head()
    copy = mime.message(office.server.taken[0].data, key="Sent:9", container="Sent")
    assert await taken(office, copy) == [message["id"]]
    assert await office.state(message["id"]) == "SENT"
    changes = await office.household.changes(head)
    assert [c.reason for c in changes if c.op == "SETTLE"] == ["DONE"]
    assert ["delivery" in c.fields for c in changes if c.node_id == message["id"]] == [True]


async def test_the_recipients_copy_decides_nothing_even_when_it_is_ones_own(office: PostOffice) -> None:
    office.server.cut, office.server.files = ["taken"], False
    message = await office.write(ME)
    await office.work_to_the_end()
    await taken(office, mime.message(office.server.taken[0].data, key="INBOX:9", container="INBOX"))
    assert await office.state(message["id"]) == "UNCONFIRMED"


async def test_a_network_that_can_say_for_sure_leaves_nothing_unconfirmed(office: PostOffice) -> None:
    office.box.certain = True
    office.server.cut = ["dot", "taken"]
    message = await office.write()
    await office.work_to_the_end()
    assert await office.state(message["id"]) == "SENT"
    assert len(office.server.taken) == 1


async def test_an_unconfirmed_message_can_be_sent_again_by_its_author(office: PostOffice) -> None:
    office.server.cut = ["dot"]
    doubtful = await office.write(key="one")
    await office.work_to_the_end()
    query = "query($id: ID!) { node(id: $id) { ... on Message { delivery { state error { code message } } } } }"
    told = (await office.desk.ask(query, id=doubtful["id"]))["node"]["delivery"]
    assert told["state"] == "UNCONFIRMED"
    assert "not in Sent" in told["error"]["message"]
    again = await office.write(key="two")
    await office.work_to_the_end()
    assert await office.state(again["id"]) == "SENT"
    assert len(office.server.taken) == 1


async def test_recipients_that_are_nobody_fail_the_message_with_the_servers_words(office: PostOffice) -> None:
    office.server.said = {"RCPT ada@example.org": ["550 5.1.1 no such person"]}
    message = await office.write()
    await office.work_to_the_end()
    query = "query($id: ID!) { node(id: $id) { ... on Message { delivery { state error { code message ... on ProviderError { providerCode } } } } } }"
    told = (await office.desk.ask(query, id=message["id"]))["node"]["delivery"]
    assert (told["state"], told["error"]["code"], told["error"]["providerCode"]) == ("FAILED", "PROVIDER_REFUSED", "5.1.1")
    assert "no such person" in told["error"]["message"]


async def test_a_server_that_is_busy_gets_it_later(office: PostOffice) -> None:
    office.server.said = {"RCPT ada@example.org": ["451 4.7.1 greylisted"]}
    message = await office.write()
    await office.work()
    assert await office.state(message["id"]) == "HELD"
    office.server.said = {}
    await office.work_to_the_end()
    assert await office.state(message["id"]) == "SENT"
    assert len(office.server.taken) == 1


async def test_a_file_that_is_gone_when_it_should_leave_fails_the_message(office: PostOffice) -> None:
    file = records.Attachment(part="2", name="plan.pdf", size=10)
    await taken(office, mail(1, "ada@example.org", key="f-1", attachments=(file,), attachment_count=1))
    listed = await office.desk.ask("{ viewer { conversations { edges { node { lastMessage { attachments { id } } } } } } }")
    attachment = nodes(listed["viewer"]["conversations"])[0]["lastMessage"]["attachments"][0]["id"]
    done = await office.send(new(office), f'text: "x", attachments: [{{ attachmentId: "{attachment}" }}]')
    assert done["errors"] == []
    await office.work_to_the_end()
    assert await office.state(done["message"]["id"]) == "FAILED"
    assert office.server.taken == []


# --- what is refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "to", "rest", "code", "field"),
    [
        ('subject: "a\\r\\nBcc: eve@example.org"', TO, 'text: "x"', "INVALID", ["compose", "newMessage", "subject"]),
        ('subject: "a\\u2028b"', TO, 'text: "x"', "INVALID", ["compose", "newMessage", "subject"]),
        (f'subject: "{"x" * 501}"', TO, 'text: "x"', "TOO_LONG", ["compose", "newMessage", "subject"]),
        ("", "[]", 'text: "x"', "REQUIRED", ["compose", "newMessage", "to"]),
        ("", TO, 'text: "  "', "REQUIRED", ["text"]),
        ("", TO, f'text: "{"x" * 1001}"' + "", None, None),
        ("", '[{ phone: "+4930123456" }]', 'text: "x"', "UNSUPPORTED", ["compose", "newMessage", "to", "0"]),
        ("", '[{ personId: "p_nobody" }]', 'text: "x"', "NOT_FOUND", ["compose", "newMessage", "to", "0", "personId"]),
        ('fromAddress: "boss@example.org"', TO, 'text: "x"', "INVALID", ["compose", "newMessage", "fromAddress"]),
        ("", TO, 'text: "x", attachments: [{ attachmentId: "f_none" }]', "NOT_FOUND", ["attachments", "0", "attachmentId"]),
        ("", TO, 'text: "x", sendAt: "2036-01-01T00:00:00Z"', "INVALID", ["sendAt"]),
    ],
)
async def test_a_mistake_is_told_with_its_place_and_nothing_is_written(
    office: PostOffice, fields: str, to: str, rest: str, code: str | None, field: list[str] | None
) -> None:
    done = await office.send(new(office, fields, to), rest)
    found = [(e["code"], e["field"]) for e in done["errors"]]
    assert found == ([] if code is None else [(code, field)])
    count = await office.shop.count(office.household.viewer, "select count(*) from outbox")
    assert count == (1 if code is None else 0)
    assert await office.shop.count(office.household.viewer, "select count(*) from message") == count


async def test_more_recipients_than_a_message_takes_are_refused(office: PostOffice) -> None:
    to = "[" + ", ".join(f'{{ email: "p{n}@example.org" }}' for n in range(501)) + "]"
    done = await office.send(new(office, to=to), 'text: "x"')
    assert [e["code"] for e in done["errors"]] == ["LIMIT_REACHED"]


@pytest.mark.parametrize("undo", [-1, 121])
async def test_the_time_to_take_it_back_has_limits(office: PostOffice, undo: int) -> None:
    done = await office.send(new(office), 'text: "x"', undo=undo)
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("INVALID", ["undoSeconds"])]


async def test_an_imported_account_cannot_send(office: PostOffice) -> None:
    book = await office.household.account("mbox", "old")
    done = await office.send(f'newMessage: {{ accountId: "{book}", to: {TO} }}', 'text: "x"')
    assert [e["code"] for e in done["errors"]] == ["NOT_WRITABLE"]


async def test_a_stranger_can_use_nobody_elses_account_message_or_file(office: PostOffice) -> None:
    file = records.Attachment(part="2", name="plan.pdf", size=10)
    (theirs,) = await taken(office, mail(1, "ada@example.org", key="f-1", attachments=(file,), attachment_count=1))
    query = "query($id: ID!) { node(id: $id) { ... on Message { attachments { id } } } }"
    attachment = (await office.desk.ask(query, id=theirs))["node"]["attachments"][0]["id"]
    sent = await office.write(undo=60)
    eve = await Household.open(office.household.database, "u_eve")
    own = await eve.account("letterbox", "eve@example.org", own=["eve@example.org"])
    victim, office.desk = office.desk, Desk(eve, clock=office.clock, providers=office.desk.providers)
    for compose, rest in (
        (f'newMessage: {{ accountId: "{office.account_id}", to: {TO} }}', ""),
        (f'reply: {{ messageId: "{theirs}", all: true }}', ""),
        (f'forward: {{ messageId: "{theirs}", accountId: "{own}", to: {TO} }}', ""),
        (f'newMessage: {{ accountId: "{own}", to: {TO} }}', f'attachments: [{{ attachmentId: "{attachment}" }}]'),
    ):
        done = await office.send(compose, f'text: "x", {rest}')
        assert [e["code"] for e in done["errors"]] == ["NOT_FOUND"]
    assert (await office.undo(sent["id"]))["errors"] == [{"code": "NOT_FOUND", "field": ["messageId"]}]
    office.desk = victim
    assert await office.state(sent["id"]) == "HELD"


async def test_a_hostile_mail_is_answered_without_its_tricks(office: PostOffice) -> None:
    people = (
        records.Participant(role="FROM", address="ada@example.org", name='Ada"\r\nBcc: eve@example.org'),
        records.Participant(role="CC", address="x\r\ny@example.org", name="x"),
        records.Participant(role="TO", address=ME),
    )
    (original,) = await taken(
        office,
        mail(1, "x", subject="Tea\r\nBcc: eve@example.org", internet_message_id="a> \r\nX: y", participants=people),
    )
    done = await office.send(f'reply: {{ messageId: "{original}", all: true }}', 'text: "x"')
    assert done["errors"] == []
    await office.work_to_the_end()
    sent = arrived(office)
    assert office.server.taken[0].recipients == ["ada@example.org"]
    assert (sent["bcc"], sent["x"], sent["in-reply-to"]) == (None, None, None)
    assert sent["subject"] == "Re: Tea Bcc: eve@example.org"


async def test_pausing_keeps_what_waits_and_the_wait_is_no_attempt(office: PostOffice) -> None:
    message = await office.write(undo=5)

    def pause(conn: Any, viewer: str) -> None:
        accounts.change(conn, viewer, office.account_id, None, status="PAUSED")

    await office.household.database.write(office.household.viewer, pause)
    office.clock.time += writes.PATIENCE / 2
    assert await office.work() is None
    assert await office.state(message["id"]) == "HELD"
    assert office.server.taken == []
