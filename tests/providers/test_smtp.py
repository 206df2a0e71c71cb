"""Handing a message over: once, to all or nobody, and never a guess about what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from providers.errors import ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.records import Outgoing, Submitted
from providers.session import Secret
from providers.smtp import DATA, Place, submit
from tests.ports import free_port
from tests.providers.conftest import OpenCredentials, SessionMaker
from tests.submission import POINTS, Point, Submission, submission

MAIL = Outgoing(
    message_id="1@example.org", sender="robin@example.org", recipients=("ada@example.org", "bob@example.org"),
    data=b"Subject: x\r\n\r\n.one dot\r\n..two\r\n.\r\nno end\r\n",
)  # fmt: skip
SECRET = Secret(username="robin@example.org", password="secret")


@pytest.fixture
async def server() -> AsyncIterator[Submission]:
    async with submission() as found:
        yield found


class Hand:
    """Hands mail over and remembers what was noted."""

    def __init__(self, new_session: SessionMaker, server: Submission) -> None:
        self.new_session, self.server = new_session, server
        self.steps: list[bytes] = []
        self.taken_when_noted: int | None = None

    async def over(self, mail: Outgoing = MAIL, *, secret: Secret = SECRET, **more: Any) -> Submitted:
        async def note(step: bytes) -> None:
            self.steps.append(step)
            self.taken_when_noted = len(self.server.taken)

        place = Place(host="127.0.0.1", port=self.server.port, security="NONE", user=secret.username or "robin@example.org")
        return await submit(self.new_session("imap://127.0.0.1", secret=secret, **more), place, mail, note)


@pytest.fixture
def hand(new_session: SessionMaker, server: Submission) -> Hand:
    return Hand(new_session, server)


async def test_a_message_arrives_as_it_was_written_at_everybody_it_is_for(hand: Hand) -> None:
    sent = await hand.over()
    assert sent.fate == "TAKEN"
    (letter,) = hand.server.taken
    assert (letter.sender, letter.recipients, letter.data) == (MAIL.sender, list(MAIL.recipients), MAIL.data)
    assert (hand.steps, hand.taken_when_noted) == ([DATA], 0)  # noted before the dot


@pytest.mark.parametrize("point", POINTS)
async def test_a_cut_before_the_dot_is_an_error_and_after_it_a_question(hand: Hand, point: Point) -> None:
    hand.server.cut = [point]
    if POINTS.index(point) < POINTS.index("body"):
        with pytest.raises(Unavailable):
            await hand.over()
        assert hand.server.taken == []
        return
    sent = await hand.over()
    assert sent.fate == ("TAKEN" if point == "answered" else "UNKNOWN")
    assert len(hand.server.taken) == (1 if point in ("taken", "answered") else 0)
    assert hand.steps == [DATA]


@pytest.mark.parametrize(
    ("point", "said", "error", "code"),
    [
        ("greeting", "554 5.7.1 go away", Refused, "5.7.1"),
        ("greeting", "421 4.7.0 too many connections", RateLimited, "4.7.0"),
        ("MAIL", "550 5.7.60 not your address", Refused, "5.7.60"),
        ("MAIL", "530 5.7.0 sign in first", ReauthRequired, "5.7.0"),
        ("RCPT", "550 5.1.1 no such user", Refused, "5.1.1"),
        ("RCPT", "451 4.7.1 greylisted", Unavailable, "4.7.1"),
        ("DATA", "452 4.3.1 full", Unavailable, "4.3.1"),
        ("dot", "554 5.7.1 spam", Refused, "5.7.1"),
        ("dot", "451 try later", Unavailable, "451"),
    ],
)
async def test_a_no_is_told_by_its_code_and_nothing_was_sent(
    hand: Hand, point: str, said: str, error: type[ProviderError], code: str
) -> None:
    hand.server.said = {point: [said]}
    with pytest.raises(error) as raised:
        await hand.over()
    assert type(raised.value) is error
    assert raised.value.provider_code == code
    assert hand.server.taken == []


async def test_one_recipient_that_is_nobody_keeps_the_message_from_all(hand: Hand) -> None:
    hand.server.said = {"RCPT bob@example.org": ["550 5.1.1 nobody"]}
    with pytest.raises(Refused, match=r"does not deliver to bob@example\.org; nothing was sent"):
        await hand.over()
    assert hand.server.taken == []


@pytest.mark.parametrize("offers", ["AUTH PLAIN", "AUTH LOGIN", "AUTH=LOGIN PLAIN"])
async def test_a_password_is_told_in_the_way_the_server_takes_it(hand: Hand, offers: str) -> None:
    hand.server.offers = (offers,)
    assert (await hand.over()).fate == "TAKEN"
    with pytest.raises(ReauthRequired):
        await hand.over(secret=Secret(username="robin", password="wrong"))


@pytest.mark.parametrize("offers", ["AUTH XOAUTH2", "AUTH OAUTHBEARER"])
async def test_an_expired_token_is_renewed_once(hand: Hand, offers: str) -> None:
    hand.server.offers = (offers,)
    old = Secret(username="robin@example.org", access_token="old", refresh_token="r")
    credentials = OpenCredentials(old, Secret(username="robin@example.org", access_token="secret"))
    assert (await hand.over(credentials=credentials, secret=old)).fate == "TAKEN"
    assert credentials.refreshes == 1


async def test_what_is_too_large_for_the_server_is_not_even_begun(hand: Hand) -> None:
    hand.server.offers = ("SIZE 1000", "AUTH PLAIN")
    with pytest.raises(Refused, match="takes messages up to"):
        await hand.over(Outgoing(message_id="1@x", sender="r@x.example", recipients=("a@x.example",), data=b"x" * 5000))
    assert not any(line.startswith("MAIL") for line in hand.server.commands)


async def test_an_address_in_another_script_needs_a_server_that_knows_it(hand: Hand) -> None:
    mail = Outgoing(message_id="1@x", sender="r@x.example", recipients=("zoë@bücher.example",), data=b"x\r\n")
    assert (await hand.over(mail)).fate == "TAKEN"
    assert (hand.server.taken[0].utf8, hand.server.taken[0].recipients) == (True, ["zoë@xn--bcher-kva.example"])
    hand.server.offers = ("AUTH PLAIN",)
    with pytest.raises(Refused, match="such letters before the @"):
        await hand.over(mail)


@pytest.mark.parametrize("address", ["a@x.example>\r\nRCPT TO:<eve@x.example", "a\r\nDATA\r\n@x.example"])
async def test_no_command_can_be_written_through_an_address(hand: Hand, address: str) -> None:
    with pytest.raises(Refused):
        await hand.over(Outgoing(message_id="1@x", sender="r@x.example", recipients=(address,), data=b"x\r\n"))
    assert hand.server.taken == []


@pytest.mark.parametrize("said", ["no number", "2500 ok", "\x00", "250-more\r\n" * 200])
async def test_a_server_that_speaks_something_else_is_told_from_one_that_refuses(hand: Hand, said: str) -> None:
    hand.server.said = {"greeting": [said]}
    with pytest.raises(ProviderError):
        await hand.over()


async def test_starttls_is_required_where_it_was_chosen(hand: Hand, new_session: SessionMaker) -> None:
    async def note(step: bytes) -> None:
        raise AssertionError

    place = Place(host="127.0.0.1", port=hand.server.port, security="STARTTLS", user="robin")
    with pytest.raises(Refused, match="offers no encryption"):
        await submit(new_session("imap://127.0.0.1", secret=SECRET), place, MAIL, note)
    assert not any(line.startswith("AUTH") for line in hand.server.commands)


class Kept:
    """An aiosmtpd handler that keeps what arrives."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 kept"


async def test_a_server_of_other_authors_takes_it_the_same_way(new_session: SessionMaker) -> None:
    kept = Kept()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(kept, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", free_port())

    async def note(step: bytes) -> None:
        assert kept.envelopes == []

    async with listening:
        place = Place(host="127.0.0.1", port=listening.sockets[0].getsockname()[1], security="NONE", user="robin")
        assert (await submit(new_session("imap://127.0.0.1", secret=SECRET), place, MAIL, note)).fate == "TAKEN"
    (envelope,) = kept.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos, envelope.content) == (MAIL.sender, list(MAIL.recipients), MAIL.data)
