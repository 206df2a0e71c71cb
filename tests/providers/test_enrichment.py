"""FullContact and People Data Labs, spoken with as they describe themselves: what they are sent, what is read, and each way to fail by its name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from providers.addresses import Guard
from providers.disclosing import Outgoing
from providers.enrichment import full_contact, people_data_labs
from providers.enrichment.answer import Answer, Fact
from providers.enrichment.ask import AGAIN, Enrichers
from providers.enrichment.offer import SOURCES, Terms, dollars
from providers.errors import Refused
from providers.lookup.crawl import Web
from providers.transport import Transport
from tests.providers.conftest import NOON, HandClock
from tests.providers.enrichment_stub import KEY, Sources
from tests.providers.stub_http import running

PAID = ("FULLCONTACT", "PEOPLE_DATA_LABS")
ADA = {"name": "Ada Example", "title": "Engineer", "organization": "Example Works", "linkedin": "linkedin.com/in/ada-example",
       "emails": ["ada@works.example"], "phones": ["+493012345678"]}  # fmt: skip


class Kept:
    """A log in memory; `refuses`: it does not let anything pass."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.rows: list[tuple[Outgoing, str | None, int | None]] = []
        self.refuses = refuses

    async def begin(self, outgoing: Outgoing) -> str:
        if self.refuses:
            raise Refused("No.", provider_code="no-consent")
        self.rows.append((outgoing, None, None))
        return str(len(self.rows) - 1)

    async def end(self, entry: str, outcome: str, status: int | None) -> None:
        self.rows[int(entry)] = (self.rows[int(entry)][0], outcome, status)


class Full(Kept):
    """A log whose disk is full."""

    async def begin(self, outgoing: Outgoing) -> str:
        raise OSError("No space left on device")


@asynccontextmanager
async def asking(stub: Sources, *, key: str = KEY) -> AsyncIterator[Enrichers]:
    async with running(stub) as url:
        transport = Transport(Guard([f"127.0.0.1/32:{url.rpartition(':')[2]}"]))
        clock = HandClock()
        terms = {source: Terms(key=key, price=280_000, url=url) for source in PAID}
        yield Enrichers(transport=transport, web=Web(transport, clock, seconds=60.0), clock=clock, terms=terms)
        await transport.aclose()


async def ask(stub: Sources, source: str, kind: str, value: str, log: Kept | None = None, *, key: str = KEY) -> Answer:
    async with asking(stub, key=key) as enrichers:
        return await enrichers.ask(source, kind, value, log or Kept())


@pytest.mark.parametrize("source", PAID)
async def test_what_is_known_is_read_field_by_field_and_nothing_sensitive_with_it(source: str) -> None:
    stub = Sources()
    stub.knows("ada@example.org", **ADA)
    log = Kept()
    answer = await ask(stub, source, "EMAIL", "ada@example.org", log)
    said = {(fact.field, fact.value) for fact in answer.facts}
    assert answer.outcome == "FOUND" and answer.charged == 1.0
    assert {("NAME", "Ada Example"), ("EMAIL", "ada@works.example"), ("PHONE", "+493012345678")} <= said
    assert {field for field, _ in said} <= {
        "NAME",
        "PHOTO",
        "EMAIL",
        "PHONE",
        "URL",
        "ORGANIZATION",
        "JOB_TITLE",
        "ADDRESS",
        "BIO",
    }
    assert all("emale" not in value and value != "25-34" for _, value in said)
    assert all(fact.confidence == 0.8 for fact in answer.facts)
    assert stub.violations == []
    # what left is what was told, byte for byte
    assert [(o.method, o.url, o.body or b"", outcome, status) for o, outcome, status in log.rows] == [
        (*received, "ANSWERED", 200) for received in stub.received
    ]
    assert len(stub.received) == 1


@pytest.mark.parametrize("source", PAID)
@pytest.mark.parametrize(
    ("kind", "value", "arrives"),
    [
        ("EMAIL", "o'hara+x@example.org", "o'hara+x@example.org"),
        ("PHONE", "+493012345678", "+493012345678"),
        ("URL", "linkedin.com/in/ada", "https://linkedin.com/in/ada"),
    ],
)
async def test_one_identifier_is_sent_and_nothing_else_of_the_person(source: str, kind: str, value: str, arrives: str) -> None:
    stub = Sources()
    assert (await ask(stub, source, kind, value)).outcome == "NOT_FOUND"
    assert stub.asked == {(source, arrives): 1}
    assert stub.violations == []


@pytest.mark.parametrize("source", PAID)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, "PENDING"), (400, "INVALID"), (401, "REFUSED"), (402, "OUT_OF_CREDIT"), (403, "REFUSED"), (404, "NOT_FOUND"),
        (418, "REFUSED"), (422, "INVALID"), (429, "RATE_LIMITED"), (451, "OPTED_OUT"), (500, "UNAVAILABLE"), (503, "UNAVAILABLE"),
        (301, "REFUSED"),
    ],
)  # fmt: skip
async def test_each_status_has_its_name_costs_nothing_and_says_when_to_come_back(source: str, status: int, outcome: str) -> None:
    stub = Sources()
    stub.always = status
    answer = await ask(stub, source, "EMAIL", "ada@example.org")
    assert (answer.outcome, answer.charged, answer.facts) == (outcome, 0.0, ())
    usual = AGAIN.get(outcome)
    assert answer.again_at == (None if usual is None else NOON + usual)
    assert outcome == "NOT_FOUND" or answer.message
    assert sum(stub.asked.values()) == 1  # nothing is repeated, whatever the status


async def test_a_source_that_says_when_to_come_back_is_believed_within_a_day() -> None:
    for text, wait in (("90", timedelta(seconds=90)), ("999999999", timedelta(days=1)), ("soon", AGAIN["RATE_LIMITED"])):
        stub = Sources()
        stub.always, stub.retry_after = 429, text
        assert (await ask(stub, "FULLCONTACT", "EMAIL", "ada@example.org")).again_at == NOON + wait


@pytest.mark.parametrize("source", PAID)
async def test_a_key_that_is_refused_is_the_operators_business(source: str) -> None:
    answer = await ask(Sources(), source, "EMAIL", "ada@example.org", key="wrong")
    assert answer.outcome == "REFUSED" and "operator" in (answer.message or "")


@pytest.mark.parametrize("source", PAID)
async def test_a_line_that_breaks_after_the_question_leaves_it_unconfirmed(source: str) -> None:
    stub = Sources()
    stub.always = Sources.CUT
    log = Kept()
    answer = await ask(stub, source, "EMAIL", "ada@example.org", log)
    assert (answer.outcome, answer.charged) == ("UNCONFIRMED", 1.0)
    assert [outcome for _, outcome, _ in log.rows] == ["CUT"]


@pytest.mark.parametrize("source", PAID)
async def test_a_host_that_cannot_be_reached_has_learnt_nothing(source: str) -> None:
    transport = Transport(Guard(["127.0.0.1/32:9"]))
    clock = HandClock()
    terms = {source: Terms(key=KEY, price=1, url="http://127.0.0.1:9")}
    log = Kept()
    answer = await Enrichers(transport=transport, web=Web(transport, clock, seconds=60.0), clock=clock, terms=terms).ask(
        source, "EMAIL", "ada@example.org", log
    )
    await transport.aclose()
    assert (answer.outcome, answer.charged) == ("UNAVAILABLE", 0.0)
    assert [outcome for _, outcome, _ in log.rows] == ["NOT_SENT"]


@pytest.mark.parametrize("source", PAID)
async def test_what_the_log_refuses_or_cannot_keep_does_not_leave(source: str) -> None:
    stub = Sources()
    answer = await ask(stub, source, "EMAIL", "ada@example.org", Kept(refuses=True))
    assert answer.outcome == "NO_CONSENT"
    answer = await ask(stub, source, "EMAIL", "ada@example.org", Full())
    assert (answer.outcome, answer.charged) == ("UNAVAILABLE", 0.0)
    assert stub.received == []


@pytest.mark.parametrize("source", PAID)
@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html><p>Sign in", b"[]", b"null", b'{"data": ', b"\xff\xfe", b'"' + b"x" * 100]
)
async def test_an_answer_that_cannot_be_read_will_have_been_charged(source: str, body: bytes) -> None:
    stub = Sources()
    stub.says["ada@example.org"] = body
    answer = await ask(stub, source, "EMAIL", "ada@example.org")
    assert (answer.outcome, answer.charged) == ("UNCONFIRMED", 1.0)


WRONG: list[Any] = [
    None,
    True,
    7,
    1e308,
    "x",
    "",
    "javascript:alert(1)",
    [],
    {},
    [None],
    [[]],
    {"value": []},
    "\x00\ud800",
    "https://[::1",
]


@pytest.mark.parametrize("read", [full_contact.facts, people_data_labs.facts])
def test_whatever_stands_in_a_field_is_read_or_left_out(read: Callable[[Any], Sequence[Fact]]) -> None:
    names = ["fullName", "details", "bio", "avatar", "website", "data", "likelihood", "organization"]
    inner = [
        "emails",
        "phones",
        "profiles",
        "urls",
        "employment",
        "locations",
        "photos",
        "full_name",
        "personal_emails",
        "linkedin_url",
    ]
    for wrong in WRONG:
        for value in (
            wrong,
            dict.fromkeys(inner, wrong),
            {name: [wrong] for name in inner},
            {name: [{"value": wrong}] for name in inner},
        ):
            facts = read(dict.fromkeys(names, value))
            assert all(fact.value and "javascript" not in fact.value for fact in facts if fact.field in ("URL", "PHOTO"))
            json.dumps([fact.value for fact in facts]).encode()


def test_no_source_is_sent_a_name_and_each_says_what_it_is_sent_at_which_price() -> None:
    for source in SOURCES:
        assert set(source.usual) <= set(source.kinds) <= {"EMAIL", "PHONE", "URL"}
        assert source.sends and source.recipient
        assert bool(source.how) == source.paid
    assert [dollars(micros) for micros in (0, 280_000, 1_234_567, 5_000_000)] == [
        "0.00 USD",
        "0.28 USD",
        "1.234567 USD",
        "5.00 USD",
    ]
