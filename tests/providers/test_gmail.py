"""Gmail against a stub held to its discovery document: first sync, history, labels, lost histories, limits, large mails."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers import oauth
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.formats import mime
from providers.gmail import adapter as gmail
from providers.gmail import message as gmail_message
from providers.gmail.adapter import Gmail
from providers.google.api import SCOPE
from providers.records import Message, MessageState, Unreadable
from providers.session import Secret
from tests.providers.conftest import NOON, HandClock, OpenCredentials, SessionMaker
from tests.providers.contract import AdapterContract, Mirror
from tests.providers.google_stub import Mailbox, refusal
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="token-1", scope=SCOPE + "gmail.readonly")


def mail(number: int, text: str = "Hello Ada", **headers: str) -> bytes:
    """A mail from somebody invented."""
    lines = {
        "From": f"Person {number} <person{number}@example.com>",
        "To": "Ada <ada@example.org>",
        "Subject": f"Mail {number}",
        "Date": "Mon, 04 May 2026 10:00:00 +0000",
        "Message-ID": f"<mail-{number}@example.com>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return ("".join(f"{name}: {value}\r\n" for name, value in lines.items()) + f"\r\n{text}\r\n").encode()


def with_file(number: int, size: int, charset: str = "utf-8") -> bytes:
    """A mail of two parts: a text with a name in it, and a file of `size` bytes."""
    text = "Grüße aus Łódź" if charset == "utf-8" else "Grüße aus Köln"
    head = mail(number, "").rstrip().decode() + "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xyz\r\n\r\n"
    return (
        head.encode()
        + f"--xyz\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
        + text.encode(charset)
        + b'\r\n--xyz\r\nContent-Type: image/jpeg; name="boat.jpg"\r\nContent-Disposition: attachment; filename="boat.jpg"\r\n\r\n'
        + random.Random(number).randbytes(size).hex().encode()[:size]
        + b"\r\n--xyz--\r\n"
    )


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    async with running(mailbox):
        yield mailbox
    assert mailbox.violations == []


Open = Callable[..., Gmail]


@pytest.fixture
def opened(mailbox: Mailbox, new_session: SessionMaker) -> Open:
    def open_(**more: Any) -> Gmail:
        more.setdefault("secret", GRANT)
        more.setdefault("user_id", "ada@example.org")
        return Gmail(new_session(mailbox.url, provider="gmail", quota=gmail.PROVIDER.quota, **more))

    return open_


# --- the conformance kit --------------------------------------------------------------------------------------------------


class MailRig:
    """A mailbox of 23 mails, some of them in the trash or in spam."""

    provider = gmail.PROVIDER
    path = ""
    secret = GRANT

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.server_url = mailbox.url

    def fill(self) -> None:
        for number in range(23):
            labels = {3: {"TRASH"}, 8: {"SPAM"}}.get(number, {"INBOX"}) | ({"UNREAD"} if number % 3 else set())
            self.mailbox.deliver(mail(number), labels)

    def names(self) -> set[str]:
        return set(self.mailbox.messages)

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Message)
        return contact.key

    def remove(self) -> str:
        id_ = sorted(self.mailbox.messages)[7]
        self.mailbox.delete(id_)
        return id_

    def foreign_cursor(self, cursor: bytes) -> bytes:
        position = msgspec.json.decode(cursor, type=gmail.Position)
        return msgspec.json.encode(msgspec.structs.replace(position, history="987654321987"))


class TestContract(AdapterContract):
    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gmail, "FETCHED", 7)

    @pytest.fixture
    def rig(self, mailbox: Mailbox) -> MailRig:
        return MailRig(mailbox)


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random, and history that does not say which labels a message has."""

    @pytest.fixture
    def rig(self, mailbox: Mailbox) -> MailRig:
        mailbox.forgetful = 0.4
        mailbox.says_labels = False
        return MailRig(mailbox)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


# --- what a message is ----------------------------------------------------------------------------------------------------


async def test_a_message_is_what_the_same_bytes_are_in_an_archive(mailbox: Mailbox, opened: Open) -> None:
    raw = with_file(1, 500, "iso-8859-1")
    id_ = mailbox.deliver(raw, {"INBOX", "UNREAD", "STARRED", "Label_1"})
    mailbox.labels["Label_1"] = "Family/Boats"
    (found,) = (await Mirror().follow(opened())).contacts.values()
    archived = mime.message(raw)
    for name in ("internet_message_id", "subject", "text", "participants", "headers", "attachment_count", "category", "sent_at"):
        assert getattr(found, name) == getattr(archived, name)
    assert (found.key, found.container, found.unread, found.flagged) == (id_, "All Mail", True, True)
    assert found.labels == ("Family/Boats", "INBOX")
    assert found.conversation_key is None


async def test_the_places_and_flags_follow_from_the_labels(mailbox: Mailbox, opened: Open) -> None:
    ids = {
        "Spam": mailbox.deliver(mail(1), {"SPAM", "UNREAD"}),
        "Trash": mailbox.deliver(mail(2), {"TRASH", "SPAM"}),
        "draft": mailbox.deliver(mail(3), {"DRAFT"}),
        "bare": mailbox.deliver(mail(4), ()),
    }
    found = (await Mirror().follow(opened())).contacts
    assert found[ids["Spam"]].container == "Spam"
    assert found[ids["Spam"]].category == "SPAM"
    assert found[ids["Trash"]].container == "Trash"
    assert found[ids["draft"]].draft
    assert (found[ids["bare"]].unread, found[ids["bare"]].labels) == (False, ())


async def test_mails_of_one_thread_at_gmail_name_one_reference_that_strangers_cannot_know(mailbox: Mailbox, opened: Open) -> None:
    first = mailbox.deliver(mail(1), thread="18f0aa")
    second = mailbox.deliver(mail(2, References="<elsewhere@example.net>"), thread="18f0aa")
    found = (await Mirror().follow(opened())).contacts
    assert found[first].references[0] == found[second].references[0]
    assert found[second].references[1:] == ("elsewhere@example.net",)
    other = (await Mirror().follow(opened(user_id="bob@example.org"))).contacts
    assert other[first].references != found[first].references


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("mx.google.com; dkim=pass header.i=@example.com; dmarc=pass (p=NONE) header.from=example.com", "PASSED"),
        ("mx.google.com; spf=fail smtp.mailfrom=x@evil.example; dmarc=fail header.from=example.com", "FAILED"),
        ("mx.google.com; dkim=pass header.i=@mail.example.com; spf=none", "PASSED"),
        ("mx.google.com; dkim=pass header.i=@elsewhere.example; spf=pass smtp.mailfrom=b@elsewhere.example", "NOT_CHECKED"),
        ("evil.example; dmarc=pass header.from=example.com", "NOT_CHECKED"),
    ],
)
async def test_the_sender_is_who_it_says_as_far_as_google_found(
    mailbox: Mailbox, opened: Open, result: str, expected: str
) -> None:
    forged = b"Authentication-Results: mx.google.com; dmarc=pass header.from=example.com\r\n"
    mailbox.deliver(b"Authentication-Results: " + result.encode() + b"\r\n" + forged + mail(1))
    (found,) = (await Mirror().follow(opened())).contacts.values()
    assert found.authentication == expected


async def test_a_large_mail_comes_without_its_file_and_says_the_same(
    mailbox: Mailbox, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gmail, "LARGE", 50_000)
    raws = {mailbox.deliver(raw): raw for raw in (with_file(1, 90_000), with_file(2, 90_000, "iso-8859-1"), mail(3))}
    found = (await Mirror().follow(opened())).contacts
    for id_, raw in raws.items():
        whole = mime.message(raw)
        for name in ("subject", "text", "participants", "internet_message_id", "attachment_count", "sent_at", "category"):
            assert getattr(found[id_], name) == getattr(whole, name)


async def test_a_batch_that_is_too_large_is_fetched_in_smaller_ones(
    mailbox: Mailbox, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gmail, "ANSWER_BYTES", 60_000)
    for number in range(8):
        mailbox.deliver(with_file(number, 90_000) if number == 5 else mail(number, "x" * 9_000))
    found = (await Mirror().follow(opened())).contacts
    assert set(found) == set(mailbox.messages)
    assert all(each.text for each in found.values())


async def test_a_file_is_streamed_by_its_section_number(mailbox: Mailbox, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmail, "PIECE", 4_000)
    id_ = mailbox.deliver(with_file(1, 30_000))
    plain = mailbox.deliver(mail(2, "only text"))
    pieces = [piece async for piece in opened().part(id_, "2")]
    assert len(pieces) > 5
    assert b"".join(pieces) == random.Random(1).randbytes(30_000).hex().encode()[:30_000]
    assert b"only text" in b"".join([piece async for piece in opened().part(plain, "1")])
    for key, part in ((id_, "7"), ("18f0", "1"), ("../../x", "1")):
        with pytest.raises(Refused):
            _ = [piece async for piece in opened().part(key, part)]


# --- the first time -------------------------------------------------------------------------------------------------------


async def test_the_newest_come_first(mailbox: Mailbox, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmail, "FETCHED", 4)
    ids = [mailbox.deliver(mail(number), date=1_777_000_000_000 + number * 1000) for number in range(15)]
    arrived = [row.item.key async for page in opened().pages(None) for row in page.rows if isinstance(row.item, Message)]
    assert arrived == ids[::-1]


async def test_news_do_not_wait_for_the_end_of_a_long_list(mailbox: Mailbox, opened: Open) -> None:
    for number in range(60):
        mailbox.deliver(mail(number))
    arrived: list[str] = []
    new = ""
    async for page in opened().pages(None):
        arrived += [row.item.key for row in page.rows if isinstance(row.item, Message)]
        if len(arrived) > 10 and not new:
            new = mailbox.deliver(mail(99), date=int(NOON.timestamp() * 1000))
    assert arrived.index(new) < 40


async def test_a_place_in_the_list_that_gmail_forgot_costs_a_new_list_and_loses_nothing(
    mailbox: Mailbox, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gmail, "FETCHED", 4)
    for number in range(30):
        mailbox.deliver(mail(number))
    mirror = await Mirror().follow(opened(), pages=5)
    mailbox.page_tokens.clear()
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(mailbox.messages)


async def test_what_happens_while_the_first_list_is_read_is_there_in_the_end(
    mailbox: Mailbox, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gmail, "FETCHED", 4)
    ids = [mailbox.deliver(mail(number)) for number in range(30)]
    mirror = await Mirror().follow(opened(), pages=4)
    new = mailbox.deliver(mail(99))
    mailbox.delete(ids[2])
    mailbox.delete(ids[28])
    mailbox.relabel(ids[29], add={"TRASH"}, remove={"INBOX"})
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(mailbox.messages) >= {new}
    assert mirror.contacts[ids[29]].container == "Trash"
    assert {name: said.expected for name, said in mirror.stated.items()} == {"All Mail": 28, "Spam": 0, "Trash": 1}


# --- what changed ---------------------------------------------------------------------------------------------------------


async def test_a_check_without_changes_is_two_calls_however_large_the_mailbox(mailbox: Mailbox, opened: Open) -> None:
    for number in range(40):
        mailbox.deliver(mail(number))
    mirror = await Mirror().follow(opened())
    mailbox.asked.clear()
    await mirror.follow(opened())
    assert mailbox.asked == ["gmail.users.labels.list", "gmail.users.history.list"]


@pytest.mark.parametrize("says_labels", [True, False])
async def test_a_changed_label_changes_the_state_and_fetches_no_text(mailbox: Mailbox, opened: Open, says_labels: bool) -> None:
    mailbox.says_labels = says_labels
    ids = [mailbox.deliver(mail(number)) for number in range(5)]
    mirror = await Mirror().follow(opened())
    mailbox.asked.clear()
    mailbox.relabel(ids[0], remove={"UNREAD"})
    mailbox.relabel(ids[1], add={"STARRED", "IMPORTANT"}, remove={"INBOX"})
    mailbox.relabel(ids[2], add={"SPAM"}, remove={"INBOX", "UNREAD"})
    mailbox.relabel(ids[3], remove={"INBOX", "UNREAD"})
    rows = [row.item async for page in opened().pages(mirror.cursor) for row in page.rows]
    assert all(isinstance(item, MessageState) for item in rows)
    assert says_labels is ("gmail.users.messages.get" not in mailbox.asked) or ids[3]
    await mirror.follow(opened())
    found = [mirror.contacts[id_] for id_ in ids]
    assert not found[0].unread
    assert found[1].flagged
    assert found[1].labels == ("IMPORTANT",)
    assert (found[2].container, found[2].unread) == ("Spam", False)
    assert found[3].labels == ()
    assert found[4].labels == ("INBOX",)


async def test_arrivals_and_removals_are_told_once_each(mailbox: Mailbox, opened: Open) -> None:
    ids = [mailbox.deliver(mail(number)) for number in range(12)]
    mirror = await Mirror().follow(opened())
    mirror.rows = 0
    new = mailbox.deliver(mail(50))
    passing = mailbox.deliver(mail(51))
    mailbox.relabel(new, add={"STARRED"})
    mailbox.delete(passing)
    mailbox.delete(ids[0])
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(mailbox.messages)
    assert mirror.contacts[new].flagged
    assert mirror.rows == 3  # the new one, and two that are gone
    assert mirror.stated["All Mail"].expected == 12


async def test_a_label_that_is_renamed_is_shown_by_its_new_name(mailbox: Mailbox, opened: Open) -> None:
    mailbox.labels["Label_7"] = "Boats"
    ids = [mailbox.deliver(mail(number), {"INBOX", *(["Label_7"] if number < 2 else [])}) for number in range(5)]
    mirror = await Mirror().follow(opened())
    mailbox.labels["Label_7"] = "Ships"
    await mirror.follow(opened())
    assert [mirror.contacts[id_].labels for id_ in ids[1:3]] == [("INBOX", "Ships"), ("INBOX",)]


async def test_a_lost_history_costs_the_mails_of_the_meantime_and_no_others(
    mailbox: Mailbox, opened: Open, clock: HandClock
) -> None:
    old = int((NOON - timedelta(days=400)).timestamp() * 1000)
    mailbox.labels["Label_1"] = "Boats"
    ids = [mailbox.deliver(mail(number), {"INBOX", "UNREAD"}, date=old + number * 1000) for number in range(60)]
    mirror = await Mirror().follow(opened())
    before = dict(mirror.contacts)
    clock.time += timedelta(days=3)
    mailbox.delete(ids[5])
    mailbox.relabel(ids[6], remove={"UNREAD"})
    mailbox.relabel(ids[7], add={"Label_1", "STARRED"})
    mailbox.relabel(ids[8], add={"TRASH"}, remove={"INBOX"})
    new = mailbox.deliver(mail(90), date=int(clock.now().timestamp() * 1000))
    mailbox.forget_history()
    mailbox.asked.clear()
    mirror.deleted.clear()
    await mirror.follow(opened())
    assert mailbox.asked.count("gmail.users.messages.get") == 1
    assert set(mirror.contacts) == set(mailbox.messages) >= {new}
    assert mirror.deleted == [ids[5]]
    assert not mirror.contacts[ids[6]].unread
    assert (mirror.contacts[ids[7]].flagged, mirror.contacts[ids[7]].labels) == (True, ("Boats", "INBOX"))
    assert mirror.contacts[ids[8]].container == "Trash"
    assert all(mirror.contacts[id_] == before[id_] for id_ in ids[9:])
    mailbox.asked.clear()
    await mirror.follow(opened())
    assert len(mailbox.asked) == 2


async def test_a_mail_of_long_ago_that_appeared_while_the_history_was_lost_is_found_by_comparing_ids(
    mailbox: Mailbox, opened: Open, clock: HandClock
) -> None:
    for number in range(20):
        mailbox.deliver(mail(number))
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(days=30)
    imported = mailbox.deliver(mail(77), date=1_200_000_000_000)
    mailbox.forget_history()
    await mirror.follow(opened())
    assert imported in mirror.contacts


async def test_a_quiet_mailbox_whose_history_is_forgotten_is_not_listed_again_and_again(mailbox: Mailbox, opened: Open) -> None:
    mailbox.deliver(mail(1))
    mirror = await Mirror().follow(opened())
    mailbox.forget_history(all_of_it=True)
    mailbox.asked.clear()
    mirror.rows = 0
    for _ in range(3):
        await mirror.follow(opened())
    assert mirror.rows == 0
    assert "gmail.users.messages.list" not in mailbox.asked


async def test_a_history_that_is_forgotten_as_soon_as_it_is_told_loses_nothing_either(mailbox: Mailbox, opened: Open) -> None:
    for number in range(10):
        mailbox.deliver(mail(number))
    mirror = await Mirror().follow(opened())
    for number in (50, 51):
        mailbox.delete(min(mailbox.messages))
        new = mailbox.deliver(mail(number), date=int(NOON.timestamp() * 1000))
        mailbox.forget_history(all_of_it=True)
        mailbox.asked.clear()
        await mirror.follow(opened())
        assert set(mirror.contacts) == set(mailbox.messages) >= {new}
        assert mailbox.asked.count("gmail.users.messages.get") <= 2


async def test_what_the_history_kept_silent_is_found_within_a_week(mailbox: Mailbox, opened: Open, clock: HandClock) -> None:
    for number in range(10):
        mailbox.deliver(mail(number))
    mirror = await Mirror().follow(opened())
    silent = mailbox.deliver(mail(55))
    mailbox.history.pop()
    await mirror.follow(opened())
    assert silent not in mirror.contacts
    clock.time += timedelta(days=8)
    await mirror.follow(opened())
    assert silent in mirror.contacts


# --- limits and refusals --------------------------------------------------------------------------------------------------


async def test_the_budget_counts_units_as_gmail_does(mailbox: Mailbox, opened: Open, clock: HandClock) -> None:
    for number in range(100):
        mailbox.deliver(mail(number))
    quota = msgspec.structs.replace(gmail.PROVIDER.quota, calls=1_000, seconds=60.0, interactive_reserve=0.0)  # type: ignore[type-var]
    session = opened()._session
    adapter = Gmail(
        type(session)(
            account=session.account, credentials=OpenCredentials(GRANT), clock=clock, transport=session._transport, quota=quota
        )
    )
    mirror = await Mirror().follow(adapter)
    assert len(mirror.contacts) == 100
    assert mailbox.spent >= 2_000
    assert sum(clock.slept) == pytest.approx((mailbox.spent - 1_000) * 60 / 1_000, abs=2)


async def test_a_part_that_is_throttled_is_asked_for_again_alone(mailbox: Mailbox, opened: Open) -> None:
    ids = [mailbox.deliver(mail(number)) for number in range(9)]
    mailbox.troubled = {
        ids[4]: [refusal(429, "rateLimitExceeded")],
        ids[6]: [refusal(403, "userRateLimitExceeded"), Answer(503, {})],
    }
    mirror = await Mirror().follow(opened())
    assert set(mirror.contacts) == set(ids)
    assert mailbox.asked.count("gmail.users.messages.get") == 9 + 2 + 1


async def test_throttling_without_end_says_when_to_come_back_and_loses_nothing(mailbox: Mailbox, opened: Open) -> None:
    ids = [mailbox.deliver(mail(number)) for number in range(9)]
    mailbox.troubled = {ids[4]: [refusal(429, "rateLimitExceeded") for _ in range(3)]}
    mirror = Mirror()
    with pytest.raises(RateLimited) as refused:
        await mirror.follow(opened())
    assert refused.value.retry_at is not None
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(ids)


async def test_a_mail_that_gmail_cannot_give_is_named_and_asked_for_again(mailbox: Mailbox, opened: Open) -> None:
    ids = [mailbox.deliver(mail(number)) for number in range(9)]
    mailbox.troubled = {ids[4]: [Answer(500, {}) for _ in range(3)]}
    pages = [page async for page in opened().pages(None)]
    unreadable = [row.item for page in pages for row in page.rows if isinstance(row.item, Unreadable)]
    assert [(item.key, item.outcome) for item in unreadable] == [(ids[4], "FAILED")]
    mirror = Mirror()
    for page in pages:
        mirror.take(page)
    assert mirror.gaps == {"All Mail"}
    await mirror.verify(opened())
    assert set(mirror.contacts) == set(ids)


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (refusal(403, "rateLimitExceeded"), RateLimited, "403"),
        (refusal(403, "userRateLimitExceeded"), RateLimited, "403"),
        (refusal(403, "dailyLimitExceeded"), RateLimited, "quota"),
        (refusal(403, "quotaExceeded"), RateLimited, "quota"),
        (refusal(429, "rateLimitExceeded"), RateLimited, "429"),
        (refusal(403, "insufficientPermissions"), ReauthRequired, "scope"),
        (refusal(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", old=False), ReauthRequired, "scope"),
        (refusal(403, "accessNotConfigured"), Refused, "disabled"),
        (refusal(403, "SERVICE_DISABLED", old=False), Refused, "disabled"),
        (refusal(403, "domainPolicy"), Refused, "403"),
        (refusal(400, "failedPrecondition", "Mail service not enabled"), Refused, "400"),
        (refusal(401, "authError"), ReauthRequired, "401"),
        (refusal(500, "backendError"), Unavailable, "500"),
        (Answer(403, b"<html>no"), Refused, "403"),
    ],
    ids=lambda value: str(getattr(value, "content", value))[:40],
)
async def test_each_refusal_has_its_name(
    mailbox: Mailbox, opened: Open, answer: Answer, error: type[ProviderError], code: str
) -> None:
    mailbox.throttled = [answer] * 3
    with pytest.raises(error) as refused:
        await opened().profile()
    assert refused.value.provider_code == code
    if error is RateLimited:
        assert refused.value.retry_at is not None


@pytest.mark.parametrize("days", [7.0, 7.5])
async def test_a_grant_that_ends_after_a_week_is_named_as_testing_mode_with_what_mends_it(
    mailbox: Mailbox, opened: Open, days: float
) -> None:
    with pytest.raises(ReauthRequired) as refused:
        await opened(credentials=_Lost(NOON - timedelta(days=days))).profile()
    assert refused.value.provider_code == "testing-mode"
    assert "Publish app" in refused.value.message


async def test_a_grant_that_google_gave_for_a_time_is_named_so_however_late_that_is_seen(mailbox: Mailbox, opened: Open) -> None:
    lost = _Lost(NOON - timedelta(days=40), ends=NOON - timedelta(days=33))
    with pytest.raises(ReauthRequired) as refused:
        await opened(credentials=lost).profile()
    assert refused.value.provider_code == "testing-mode"


async def test_a_grant_that_ends_otherwise_is_not_blamed_on_testing_mode(mailbox: Mailbox, opened: Open) -> None:
    with pytest.raises(ReauthRequired) as refused:
        await opened(credentials=_Lost(NOON - timedelta(days=30))).profile()
    assert refused.value.provider_code == "invalid_grant"


class _Lost:
    """A grant that is gone, as oauth.refresh finds it."""

    def __init__(self, given: datetime, ends: datetime | None = None) -> None:
        extra = {"granted_at": given.isoformat(), **({"grant_ends_at": ends.isoformat()} if ends else {})}
        self._secret = Secret(access_token="old", refresh_token="r", scope=SCOPE + "gmail.readonly", extra=extra)

    async def read(self) -> Secret:
        return self._secret

    async def refreshed(self, old: Secret) -> Secret:
        raise ReauthRequired("The network no longer accepts this sign-in.", provider_code="invalid_grant")


# --- signing in -----------------------------------------------------------------------------------------------------------


async def test_reading_that_was_not_allowed_asks_for_a_new_sign_in(opened: Open) -> None:
    with pytest.raises(ReauthRequired) as refused:
        await opened(secret=Secret(access_token="token-1", scope=SCOPE + "gmail.metadata")).profile()
    assert refused.value.provider_code == "scope"


async def test_the_addresses_one_sends_from_are_ones_own(mailbox: Mailbox, opened: Open) -> None:
    mailbox.identities += [
        {"sendAsEmail": "ada@boats.example", "verificationStatus": "accepted"},
        {"sendAsEmail": "not.mine@example.net", "verificationStatus": "pending"},
    ]
    profile = await opened().profile()
    assert [(each.value, each.primary) for each in profile.own_addresses] == [
        ("ada@example.org", True),
        ("ada@boats.example", False),
    ]


async def test_without_a_client_the_steps_name_the_exact_redirect_address(new_session: SessionMaker) -> None:
    session = new_session("https://gmail.googleapis.com", provider="gmail")
    with pytest.raises(Refused) as refused:
        await gmail.PROVIDER.authorize(session, {}, "https://kith.example.org/link/callback")  # type: ignore[misc]
    assert refused.value.provider_code == "no-client"
    assert "https://kith.example.org/link/callback" in refused.value.message
    assert "KITH_GMAIL_CLIENT_ID" in refused.value.message


async def test_the_sign_in_is_asked_for_with_pkce_offline_and_for_what_is_done_with_it(new_session: SessionMaker) -> None:
    session = new_session("https://gmail.googleapis.com", secret=Secret(client_id="ours.apps", client_secret="hush"))
    authorization = await gmail.PROVIDER.authorize(session, {}, "https://kith.example.org/link/callback")  # type: ignore[misc]
    url = oauth.authorization_url(authorization, "https://kith.example.org/link/callback", "state", "v" * 43)
    assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    for part in (
        "code_challenge_method=S256",
        "access_type=offline",
        "prompt=consent",
        "gmail.readonly",
        "gmail.send",
        "client_id=ours.apps",
    ):
        assert part in url
    assert "mail.google.com" not in url.partition("scope=")[2]  # whoever may change labels need not delete for good
    assert "hush" not in url


@pytest.mark.parametrize("raw", ["%%%", "a"])
async def test_bytes_that_are_no_base64_are_a_gap_and_not_an_end(mailbox: Mailbox, opened: Open, raw: str) -> None:
    ids = [mailbox.deliver(mail(number)) for number in range(3)]
    mailbox.troubled = {ids[1]: [Answer(200, {"id": ids[1], "raw": raw})]}
    rows = [row.item async for page in opened().pages(None) for row in page.rows]
    assert [isinstance(item, Unreadable) for item in rows] == [False, True, False]


def test_times_that_are_none_are_left_out() -> None:
    account = type("A", (), {"own_addresses": (), "user_id": None})()
    for text in (None, "", "-5", "９", "9" * 30, "abc"):
        found = gmail_message.message(
            account, {}, "1", gmail_message.Mail(id="1", internal_date=text, raw="RnJvbTogYUBleGFtcGxlLm9yZwo")
        )
        assert found.sent_at <= datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(Malformed):
        gmail_message.message(account, {}, "1", gmail_message.Mail(id="1", raw="%"))
