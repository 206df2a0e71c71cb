"""Sending by Gmail's and Microsoft's own interfaces: handed over once, found again after a cut, certain where the network can be."""

from __future__ import annotations

import base64
import email
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec
import pytest

from providers.base import Sender
from providers.errors import ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.gmail import adapter as gmail
from providers.gmail import sending as gmail_sending
from providers.microsoft import adapter as microsoft
from providers.microsoft import sending as microsoft_sending
from providers.records import Outgoing, OutgoingFile, Submitted
from providers.session import Secret
from tests.providers.conftest import HandClock, SessionMaker
from tests.providers.google_stub import SCOPE, Mailbox, refusal
from tests.providers.graph_stub import Graph
from tests.providers.graph_stub import refusal as graph_refusal
from tests.providers.stub_http import Answer, running

MAIL = Outgoing(
    message_id="abc@example.org", sender="ada@example.org", recipients=("bo@example.org", "eve@example.org"),
    blind=b"Bcc: eve@example.org\r\n",
    data=b"Message-ID: <abc@example.org>\r\nFrom: ada@example.org\r\nTo: bo@example.org\r\nSubject: Tea\r\n\r\nAt four?\r\n",
)  # fmt: skip


class Network(Protocol):
    """A network that tests can look into and break."""

    adapter: Sender

    def sent(self) -> list[bytes]: ...
    def cut_after(self) -> None: ...
    def fail_before(self) -> None: ...
    def say(self, answer: Answer) -> None: ...


class Google:
    def __init__(self, stub: Mailbox, adapter: gmail.Gmail) -> None:
        self.stub = stub
        self.adapter: Sender = adapter

    def sent(self) -> list[bytes]:
        return [each.raw for each in self.stub.messages.values() if "SENT" in each.labels]

    def cut_after(self) -> None:
        self.stub.cuts = [refusal(503, "backendError")]

    def fail_before(self) -> None:
        self.say(refusal(503, "backendError"))

    def say(self, answer: Answer) -> None:
        self.stub.troubled = {"/send": [answer]}


class Microsoft:
    def __init__(self, stub: Graph, adapter: microsoft.Microsoft) -> None:
        self.stub = stub
        self.adapter: Sender = adapter

    def sent(self) -> list[bytes]:
        return self.stub.sent

    def cut_after(self) -> None:
        self.stub.cuts = [graph_refusal(504, "UnknownError")]

    def fail_before(self) -> None:
        self.stub.sending_fails = [graph_refusal(503, "ErrorServerBusy")]

    def say(self, answer: Answer) -> None:
        self.stub.troubled = {"/send": [answer]}


@pytest.fixture
async def google(new_session: SessionMaker, clock: HandClock) -> AsyncIterator[Google]:
    stub = Mailbox()
    stub.clock = lambda: clock.time.timestamp()
    stub.tokens = {"token-1": frozenset({SCOPE + "gmail.readonly", SCOPE + "gmail.send"})}
    async with running(stub):
        secret = Secret(access_token="token-1")
        yield Google(stub, gmail.Gmail(new_session(stub.url, provider="gmail", secret=secret, quota=gmail.PROVIDER.quota)))
    assert stub.violations == []


@pytest.fixture
async def outlook(new_session: SessionMaker) -> AsyncIterator[Microsoft]:
    stub = Graph()
    stub.tokens = {"token-1": {"Mail.ReadWrite", "Mail.Send", "User.Read"}}
    async with running(stub):
        secret = Secret(access_token="token-1")
        session = new_session(stub.url + stub.base, provider="microsoft", secret=secret, quota=microsoft.PROVIDER.quota)
        yield Microsoft(stub, microsoft.Microsoft(session))
    assert stub.violations == []


@pytest.fixture(params=["google", "outlook"])
def network(request: pytest.FixtureRequest) -> Network:
    found: Network = request.getfixturevalue(request.param)
    return found


class Notes:
    """What was noted, and what had left by then."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.steps: list[bytes] = []
        self.left: list[int] = []

    async def __call__(self, step: bytes) -> None:
        self.steps.append(step)
        self.left.append(len(self.network.sent()))


async def send(network: Network, mail: Outgoing = MAIL) -> tuple[Submitted, Notes]:
    notes = Notes(network)
    return await network.adapter.send(mail, notes), notes


async def test_a_message_is_sent_once_under_a_key_that_stays(network: Network) -> None:
    sent, notes = await send(network)
    assert (sent.fate, len(network.sent()), notes.left) == ("TAKEN", 1, [0])
    assert sent.key
    message = email.message_from_bytes(network.sent()[0])
    assert (message["bcc"], message["subject"]) == ("eve@example.org", "Tea")  # the network reads it and takes it out
    found = await network.adapter.look_up(MAIL, notes.steps[-1])
    assert (found.fate, found.key) == ("TAKEN", sent.key)


async def test_a_cut_after_the_network_took_it_is_unknown_and_then_found(network: Network) -> None:
    network.cut_after()
    sent, notes = await send(network)
    assert sent.fate == "UNKNOWN"
    assert sent.evidence
    assert (await network.adapter.look_up(MAIL, notes.steps[-1])).fate == "TAKEN"
    assert len(network.sent()) == 1


async def test_what_did_not_leave_is_known_only_after_a_while(network: Network, clock: HandClock) -> None:
    network.fail_before()
    sent, notes = await send(network)
    assert sent.fate == "UNKNOWN"
    assert (await network.adapter.look_up(MAIL, notes.steps[-1])).fate == "UNKNOWN"
    await clock.sleep(microsoft_sending.SURE)
    assert (await network.adapter.look_up(MAIL, notes.steps[-1])).fate == "NOT_TAKEN"
    sent, _ = await send(network)
    assert (sent.fate, len(network.sent())) == ("TAKEN", 1)


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (400, Refused)], ids=["throttled", "refused"])
async def test_a_no_is_an_error_and_nothing_was_sent(network: Network, status: int, error: type[ProviderError]) -> None:
    network.say(refusal(status, "quotaExceeded") if isinstance(network, Google) else graph_refusal(status, "ErrorInvalidRequest"))
    with pytest.raises(error):
        await send(network)
    assert network.sent() == []


async def test_a_grant_without_the_permission_is_told_from_a_refusal(google: Google) -> None:
    google.stub.tokens = {"token-1": frozenset({SCOPE + "gmail.readonly"})}
    with pytest.raises(ReauthRequired):
        await send(google)


async def test_gmail_is_told_the_thread_and_takes_large_messages_as_a_file(google: Google) -> None:
    large = Outgoing(
        message_id="big@example.org", sender="ada@example.org", recipients=("bo@example.org",), thread="t-7",
        data=b"Message-ID: <big@example.org>\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * gmail_sending.LARGE + b"\r\n",
    )  # fmt: skip
    for mail in (MAIL, large):
        sent, _ = await send(google, mail)
        assert sent.key is not None
        stored = google.stub.messages[sent.key]
        assert stored.raw == mail.blind + mail.data
        assert stored.thread == (mail.thread or sent.key)


async def test_gmail_is_not_believed_that_nothing_was_sent_when_something_was(google: Google, clock: HandClock) -> None:
    google.fail_before()
    _, notes = await send(google)
    google.stub.deliver(b"Message-ID: <rewritten@mail.gmail.example>\r\n\r\nx", ["SENT"], date=int(clock.time.timestamp() * 1000))
    await clock.sleep(10 * gmail_sending.SURE)
    assert (await google.adapter.look_up(MAIL, notes.steps[-1])).fate == "UNKNOWN"


async def test_outlook_uses_the_draft_that_a_crash_left_behind(outlook: Microsoft) -> None:
    class Crash(BaseException):
        pass

    async def die(step: bytes) -> None:
        raise Crash

    for _ in range(3):
        with pytest.raises(Crash):
            await outlook.adapter.send(MAIL, die)
    assert (await send(outlook))[0].fate == "TAKEN"
    assert (len(outlook.stub.messages), len(outlook.sent())) == (1, 1)


def with_files(*sizes: int) -> Outgoing:
    """A message with files of so many bytes, of which no two are alike."""
    files = tuple(
        OutgoingFile(name=f"{n}.bin", media_type="application/x-test", data=bytes([n + 1]) * size) for n, size in enumerate(sizes)
    )
    data = MAIL.data + b"".join(base64.encodebytes(each.data) for each in files)
    return msgspec.structs.replace(MAIL, data=data, bare=MAIL.data, files=files)


def attached(outlook: Microsoft) -> list[tuple[str, str, bytes]]:
    """The files of the one message that was sent."""
    (key,) = outlook.stub.messages
    return outlook.stub.files.get(key, [])


async def test_outlook_gets_large_messages_file_by_file_in_their_order(outlook: Microsoft) -> None:
    mail = with_files(100_000, 9_000_000, 2_899_999, 2_900_000)
    assert (await send(outlook, mail))[0].fate == "TAKEN"
    assert outlook.sent() == [mail.blind + mail.bare]
    assert attached(outlook) == [(each.name, each.media_type, each.data) for each in mail.files]


async def test_outlook_never_sends_a_draft_that_lacks_a_file(outlook: Microsoft) -> None:
    mail = with_files(100_000, 9_000_000)
    outlook.stub.pieces_fail = [graph_refusal(404, "UploadSessionNotFound")]
    with pytest.raises(Unavailable, match=r"1\.bin"):
        await send(outlook, mail)
    assert (len(outlook.stub.messages), outlook.sent()) == (1, [])
    assert (await send(outlook, mail))[0].fate == "TAKEN"
    assert attached(outlook) == [(each.name, each.media_type, each.data) for each in mail.files]


async def test_outlook_uses_a_draft_again_that_has_all_its_files(outlook: Microsoft) -> None:
    class Crash(BaseException):
        pass

    async def die(step: bytes) -> None:
        raise Crash

    mail = with_files(3_500_000)
    with pytest.raises(Crash):
        await outlook.adapter.send(mail, die)
    (draft,) = outlook.stub.messages
    assert (await send(outlook, mail))[0].key == draft
    assert len(attached(outlook)) == 1


async def test_outlook_says_what_is_too_large_for_it(outlook: Microsoft) -> None:
    text = b"x" * (microsoft_sending.LARGEST + 1)
    mail = Outgoing(message_id="1@x", sender="a@x", recipients=("b@x",), data=text, bare=text)
    with pytest.raises(Refused, match="up to 3 MB"):
        await send(outlook, mail)
    assert outlook.stub.messages == {}


async def test_a_message_that_its_owner_deleted_meanwhile_leaves_a_question(outlook: Microsoft) -> None:
    _, notes = await send(outlook)
    outlook.stub.delete(next(iter(outlook.stub.messages)))
    assert (await outlook.adapter.look_up(MAIL, notes.steps[-1])).fate == "UNKNOWN"


@pytest.mark.parametrize("provider", [gmail.PROVIDER, microsoft.PROVIDER], ids=lambda p: p.key)
def test_the_permission_to_send_is_asked_for_at_linking(provider: Any) -> None:
    assert {"SEND", "REPLY"} <= provider.capabilities
    assert provider.send_scopes & set(provider.link_forms[0].scopes)
