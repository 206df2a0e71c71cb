"""An e-mail address is enough: what is known, what a domain publishes, what DNS says; and what none of it may lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2 as httpx
import pytest

from providers import mail_settings
from providers.addresses import Guard
from providers.base import Found
from providers.errors import Malformed
from providers.http import Session
from providers.session import Account, Secret
from providers.transport import Transport
from providers.wire import Answer

DOCUMENT = """<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="example.org">
<incomingServer type="pop3"><hostname>pop.example.org</hostname><port>995</port><socketType>SSL</socketType></incomingServer>
<incomingServer type="imap"><hostname>plain.example.org</hostname><port>143</port><socketType>plain</socketType></incomingServer>
<incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.org</hostname><port>587</port><socketType>STARTTLS</socketType></outgoingServer>
</emailProvider></clientConfig>"""


class Nobody:
    async def read(self) -> Secret:
        return Secret()

    async def refreshed(self, old: Secret) -> Secret:
        return old


class Still:
    def now(self) -> datetime:
        return datetime(2026, 5, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        return None


class Web(Transport):
    """The web as it is at a few addresses, and nothing elsewhere."""

    def __init__(self, guard: Guard, pages: Mapping[str, str]) -> None:
        super().__init__(guard)
        self._pages = pages
        self.asked: list[str] = []

    async def exchange(self, method: str, url: httpx.URL, *rest: Any, **bounds: Any) -> Answer:
        self.asked.append(str(url))
        found = self._pages.get(str(url).partition("?")[0])
        return Answer(404 if found is None else 200, [], (found or "").encode())


async def found(
    address: str,
    *,
    pages: Mapping[str, str] | None = None,
    exchanges: Sequence[str] = (),
    services: Mapping[str, tuple[str, int]] | None = None,
    **values: str,
) -> tuple[list[Found], list[str]]:
    """Every try for an address, and the pages that were asked for."""

    async def mx(domain: str) -> Sequence[str]:
        return exchanges

    async def srv(name: str) -> Sequence[tuple[str, int]]:
        entry = (services or {}).get(name)
        return () if entry is None else (entry,)

    web = Web(Guard(services=srv, exchanges=mx), pages or {})
    session = Session(
        account=Account(provider="imap", base_url=""), credentials=Nobody(), clock=Still(), transport=web, interactive=True
    )
    tries = [one async for one in mail_settings.discover(session, {"address": address, **values})]
    await web.aclose()
    return tries, web.asked


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("robin@yahoo.com", "imap.mail.yahoo.com"),
        ("robin@aol.com", "imap.aol.com"),
        ("robin@ICLOUD.com", "imap.mail.me.com"),
        ("robin@fastmail.com", "imap.fastmail.com"),
        ("robin@gmx.de", "imap.gmx.net"),
        ("robin@gmail.com", "imap.gmail.com"),
    ],
)
async def test_a_well_known_provider_needs_no_question(address: str, host: str) -> None:
    tries, asked = await found(address)
    assert [(t.succeeded, t.values["host"], t.values["security"]) for t in tries] == [(True, host, "TLS")]
    assert asked == []


async def test_a_domain_of_ones_own_is_known_by_who_takes_its_mail() -> None:
    tries, asked = await found("robin@robin.example", exchanges=["in1-smtp.messagingengine.com"])
    assert tries[-1].values["host"] == "imap.fastmail.com"
    assert not tries[0].succeeded
    assert asked == []


async def test_what_the_domain_publishes_by_tls_is_taken_and_plain_servers_are_not() -> None:
    page = {"https://autoconfig.example.org/mail/config-v1.1.xml": DOCUMENT}
    tries, asked = await found("robin@example.org", pages=page)
    assert tries[-1].succeeded
    assert not tries[-1].foreign
    assert tries[-1].values == {
        "host": "imap.example.org", "port": "993", "security": "TLS", "username": "robin", "smtp_host": "smtp.example.org",
        "smtp_port": "587", "smtp_security": "STARTTLS", "smtp_user": "robin@example.org",
    }  # fmt: skip
    assert asked == ["https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=robin@example.org"]


async def test_dns_is_asked_when_nothing_is_published() -> None:
    records = {"_imaps._tcp.example.org": ("mail.example.org", 993), "_submissions._tcp.example.org": ("mail.example.org", 465)}
    tries, asked = await found("robin@example.org", services=records)
    assert [t.succeeded for t in tries] == [False, False, False, False, True]
    assert tries[-1].values["host"] == tries[-1].values["smtp_host"] == "mail.example.org"
    assert tries[-1].values["smtp_user"] == "robin@example.org"
    assert len(asked) == 2


async def test_a_host_of_another_domain_that_only_dns_names_is_to_be_looked_at_first() -> None:
    tries, _ = await found("robin@example.org", services={"_imaps._tcp.example.org": ("imap.example.com", 993)})
    assert tries[-1].foreign
    assert "imap.example.com" in tries[-1].message


async def test_a_way_out_at_another_domain_that_only_dns_names_is_not_taken() -> None:
    records = {"_imaps._tcp.example.org": ("imap.example.org", 993), "_submissions._tcp.example.org": ("smtp.example.com", 465)}
    tries, _ = await found("robin@example.org", services=records)
    assert "smtp_host" not in tries[-1].values
    assert not tries[-1].foreign


async def test_of_a_well_known_host_that_was_named_the_way_out_is_known() -> None:
    tries, _ = await found("robin@robin.example", host="imap.mail.me.com")
    assert tries[-1].values["smtp_host"] == "smtp.mail.me.com"
    assert tries[-1].values["smtp_security"] == "STARTTLS"


async def test_each_try_says_where_it_looked_and_the_last_one_what_to_do() -> None:
    tries, _ = await found("robin@example.org")
    assert all(t.target and t.message and not t.succeeded for t in tries)
    assert "type it in" in tries[-1].message


async def test_mail_behind_a_bridge_is_said_to_be_there() -> None:
    tries, asked = await found("robin@proton.me")
    assert "Bridge" in tries[0].message
    assert asked == []


async def test_a_named_host_is_not_second_guessed() -> None:
    assert await found("robin@example.org", host="imap.example.net") == ([], [])


@pytest.mark.parametrize("address", ["", "robin", "@example.org", "robin@"])
async def test_what_is_no_address_finds_nothing(address: str) -> None:
    assert await found(address) == ([], [])


@pytest.mark.parametrize(
    "document",
    [
        "not xml",
        '<!DOCTYPE a [<!ENTITY b "c">]><clientConfig>&b;</clientConfig>',
        "<clientConfig>" + "<a>" * 5_000,
    ],
)
def test_a_hostile_document_is_malformed(document: str) -> None:
    with pytest.raises(Malformed):
        mail_settings.read_document(document.encode(), "robin@example.org")


@pytest.mark.parametrize("host", ["-", "a b.example", "x", "http://evil.example/", "a..b", "é.example", "a" * 300 + ".example"])
def test_a_name_that_is_no_host_is_not_taken(host: str) -> None:
    text = DOCUMENT.replace("imap.%EMAILDOMAIN%", host)
    assert mail_settings.read_document(text.encode(), "robin@example.org") == {}
