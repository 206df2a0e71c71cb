"""Microsoft Graph against a stub held to its paths and types: folders, rounds of changes, lost marks, moves, contacts, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers import oauth
from providers.errors import Conflict, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.formats import mime
from providers.microsoft import adapter as microsoft
from providers.microsoft import contacts as microsoft_contacts
from providers.microsoft import mail as microsoft_mail
from providers.microsoft.adapter import Microsoft
from providers.records import (
    Address,
    Contact,
    ContactField,
    Email,
    Message,
    MessageState,
    Name,
    Organization,
    PartialDate,
    Phone,
    Unreadable,
    Url,
)
from providers.session import Secret
from tests.providers.conftest import NOON, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Mirror
from tests.providers.graph_stub import Graph, refusal
from tests.providers.stub_http import Answer, running
from tests.providers.test_gmail import mail, with_file

GRANT = Secret(access_token="token-1", scope="https://graph.microsoft.com/Mail.Read Contacts.Read User.Read openid")
INBOX = "Posteingang"


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    graph = Graph()
    async with running(graph):
        yield graph
    assert graph.violations == []


Open = Callable[..., Microsoft]


@pytest.fixture
def opened(graph: Graph, new_session: SessionMaker) -> Open:
    def open_(**more: Any) -> Microsoft:
        more.setdefault("secret", GRANT)
        session = new_session(graph.url + graph.base, provider="microsoft", user_id="u-1", quota=microsoft.PROVIDER.quota, **more)
        return Microsoft(session)

    return open_


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microsoft_mail, "LISTED", 8)
    monkeypatch.setattr(microsoft_mail, "ROUND", 9)
    monkeypatch.setattr(microsoft_contacts, "LISTED", 7)


def messages(mirror: Mirror) -> dict[str, Message]:
    return {key: item for key, item in mirror.contacts.items() if isinstance(item, Message)}


def cards(mirror: Mirror) -> dict[str, Contact]:
    return {key: item for key, item in mirror.contacts.items() if isinstance(item, Contact)}


class Rig:
    """23 mails in several folders, and a few contacts."""

    provider = microsoft.PROVIDER
    path = "/v1.0"
    secret = GRANT

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.server_url = graph.url

    def fill(self) -> None:
        below = self.graph.add_folder("Boats", self.graph.well_known["inbox"])
        for number in range(23):
            folder = {3: "junkemail", 5: "deleteditems", 8: below, 9: below}.get(number, "inbox")
            self.graph.deliver(with_file(number, 100) if number in (4, 6) else mail(number), folder)
        for number in range(4):
            self.graph.put_contact(number)

    def names(self) -> set[str]:
        return {*self.graph.messages, *self.graph.contacts}

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Message | Contact)
        return contact.key

    def remove(self) -> str:
        id_ = sorted(self.graph.messages)[11]
        self.graph.delete(id_)
        return id_

    def foreign_cursor(self, cursor: bytes) -> bytes:
        marks = msgspec.json.decode(cursor, type=microsoft.Marks)
        for mark in (*marks.folders.values(), *marks.books.values()):
            mark.link = mark.link.partition("=")[0] + "=unknown"
        return msgspec.json.encode(marks)


class TestContract(AdapterContract):
    @pytest.fixture
    def rig(self, graph: Graph) -> Rig:
        return Rig(graph)


class TestForgetfulContract(TestContract):
    """The same with optional fields left out, changes told twice and in any order, and texts in batches as they are."""

    @pytest.fixture
    def rig(self, graph: Graph) -> Rig:
        graph.forgetful, graph.replays, graph.text_in_batches = 0.4, True, True
        return Rig(graph)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


# --- what a message is ----------------------------------------------------------------------------------------------------


async def test_a_message_is_what_the_same_bytes_are_in_an_archive(graph: Graph, opened: Open) -> None:
    raw = with_file(1, 300, "iso-8859-1")
    id_ = graph.deliver(raw, categories=["Family", "Boats"], flag={"flagStatus": "flagged"}, isRead=True)
    (found,) = messages(await Mirror().follow(opened())).values()
    archived = mime.message(raw)
    for name in (
        "internet_message_id",
        "subject",
        "text",
        "participants",
        "headers",
        "attachments",
        "category",
        "sent_at",
        "references",
    ):
        assert getattr(found, name) == getattr(archived, name)
    assert (found.key, found.container, found.unread, found.flagged, found.labels) == (
        id_,
        INBOX,
        False,
        True,
        ("Boats", "Family"),
    )
    assert found.conversation_key is None
    assert found.url == "https://outlook.example/owa/?ItemID=1"


async def test_junk_is_spam_and_drafts_are_drafts_in_whatever_language_folders_are_called(graph: Graph, opened: Open) -> None:
    junk = graph.deliver(mail(1), "junkemail")
    draft = graph.deliver(mail(2), "drafts", isDraft=True)
    found = messages(await Mirror().follow(opened()))
    assert (found[junk].category, found[junk].container) == ("SPAM", "Junk-E-Mail")
    assert found[draft].draft


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dkim=pass header.d=example.com;dmarc=pass action=none",
            "PASSED",
        ),
        (
            "spf=fail smtp.mailfrom=evil.example; dkim=none; dmarc=fail action=quarantine header.from=example.com;compauth=fail",
            "FAILED",
        ),
        ("evil.example; dmarc=pass", "NOT_CHECKED"),
    ],
)
async def test_the_sender_is_who_it_says_as_far_as_exchange_found(graph: Graph, opened: Open, result: str, expected: str) -> None:
    graph.deliver(b"Authentication-Results: " + result.encode() + b"\r\n" + mail(1))
    (found,) = messages(await Mirror().follow(opened())).values()
    assert found.authentication == expected


async def test_a_mail_that_is_too_large_comes_without_its_file(
    graph: Graph, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microsoft_mail, "LARGE", 50_000)
    monkeypatch.setattr(microsoft_mail, "ANSWER_BYTES", 60_000)
    raw = with_file(1, 90_000)
    body = {"contentType": "text", "content": "Grüße aus Łódź"}
    big = graph.deliver(raw, body=body)
    sent = graph.deliver(
        with_file(2, 90_000), "sentitems", body={"contentType": "html", "content": "<p>Grüße</p>"}, internetMessageHeaders=[],
        sender={"emailAddress": {"name": "Ada", "address": "ada@example.org"}},
        toRecipients=[{"emailAddress": {"name": "Łukasz", "address": "l@example.org"}}], sentDateTime="2026-05-04T10:00:00Z",
    )  # fmt: skip
    graph.messages[sent].properties["from"] = {"emailAddress": {"name": "Ada", "address": "ada@example.org"}}
    small = [graph.deliver(mail(number)) for number in range(3, 9)]
    found = messages(await Mirror().follow(opened()))
    assert set(found) == {big, sent, *small}
    whole = mime.message(raw)
    for name in ("subject", "text", "participants", "internet_message_id", "attachment_count", "sent_at"):
        assert getattr(found[big], name) == getattr(whole, name)
    assert [each.name for each in found[big].attachments] == ["boat.jpg"]
    assert (found[sent].text, found[sent].participants[1].name) == ("Grüße", "Łukasz")


async def test_a_file_is_streamed_by_its_section_number(graph: Graph, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microsoft_mail, "PIECE", 1_000)
    id_ = graph.deliver(with_file(1, 5_000))
    pieces = [piece async for piece in opened().part(id_, "2")]
    assert len(pieces) == 5
    assert b"".join(pieces) in with_file(1, 5_000)
    for key, part in ((id_, "7"), ("gone", "1")):
        with pytest.raises(Refused):
            _ = [piece async for piece in opened().part(key, part)]
    monkeypatch.setattr(microsoft_mail, "PART_BYTES", 1_000)
    with pytest.raises(Refused, match="Open it at Outlook"):
        _ = [piece async for piece in opened().part(id_, "2")]


# --- the first time -------------------------------------------------------------------------------------------------------


async def test_the_inbox_comes_first_and_in_it_the_newest(graph: Graph, opened: Open) -> None:
    graph.deliver(mail(99), "deleteditems")
    ids = [graph.deliver(mail(number)) for number in range(20)]
    arrived = [row.item.key async for page in opened().pages(None) for row in page.rows if isinstance(row.item, Message)]
    assert arrived[:20] == ids[::-1]


async def test_what_happens_while_folders_are_read_is_there_in_the_end(graph: Graph, opened: Open) -> None:
    ids = [graph.deliver(mail(number)) for number in range(30)]
    mirror = await Mirror().follow(opened(), pages=2)
    new = graph.deliver(mail(50), received="2026-05-04T12:01:00Z")
    graph.change(ids[29], isRead=True)
    graph.delete(ids[28])
    graph.move(ids[27], "sentitems")
    await mirror.follow(opened())
    found = messages(mirror)
    assert set(found) == set(graph.messages) >= {new}
    assert (found[ids[29]].unread, found[ids[27]].container) == (False, "Gesendete Elemente")
    assert mirror.stated[INBOX].expected == 29


async def test_news_in_a_finished_folder_do_not_wait_for_a_large_one(
    graph: Graph, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microsoft_mail, "REFRESHED", 2)
    graph.deliver(mail(1))
    for number in range(60):
        graph.deliver(mail(100 + number), "deleteditems")
    arrived: list[str] = []
    new = ""
    async for page in opened().pages(None):
        arrived += [row.item.key for row in page.rows if isinstance(row.item, Message)]
        if len(arrived) > 20 and not new:
            new = graph.deliver(mail(2), received="2026-05-04T12:00:30Z")
    assert arrived.index(new) < len(arrived) - 10


async def test_a_place_in_a_list_that_graph_forgot_begins_the_folder_again(graph: Graph, opened: Open) -> None:
    for number in range(30):
        graph.deliver(mail(number))
    mirror = await Mirror().follow(opened(), pages=2)
    graph.pages.clear()
    await mirror.follow(opened())
    assert set(messages(mirror)) == set(graph.messages)


# --- what changed ---------------------------------------------------------------------------------------------------------


async def test_a_check_without_changes_does_not_depend_on_the_size_of_the_mailbox(graph: Graph, opened: Open) -> None:
    calls = []
    for count in (3, 40):
        for number in range(count):
            graph.deliver(mail(count * 100 + number))
        mirror = await Mirror().follow(opened())
        graph.asked.clear()
        mirror.rows = 0
        await mirror.follow(opened())
        assert mirror.rows == 0
        calls.append(len(graph.asked))
    assert calls[0] == calls[1] < 25


async def test_a_change_told_in_part_is_the_state_and_fetches_no_text(graph: Graph, opened: Open) -> None:
    ids = [graph.deliver(mail(number), categories=["Boats"]) for number in range(6)]
    mirror = await Mirror().follow(opened())
    graph.change(ids[0], isRead=True)
    graph.change(ids[1], flag={"flagStatus": "flagged"})
    graph.asked.clear()
    rows = [row.item async for page in opened().pages(mirror.cursor) for row in page.rows]
    assert all(isinstance(item, MessageState) for item in rows)
    assert "/me/messages/{message-id}/$value" not in graph.asked
    await mirror.follow(opened())
    found = messages(mirror)
    assert (found[ids[0]].unread, found[ids[0]].labels) == (False, ("Boats",))
    assert (found[ids[1]].flagged, found[ids[1]].unread) == (True, True)


async def test_a_message_that_is_moved_stays_the_same(graph: Graph, opened: Open) -> None:
    ids = [graph.deliver(mail(number)) for number in range(6)]
    mirror = await Mirror().follow(opened())
    graph.move(ids[2], "deleteditems")
    graph.move(ids[3], "sentitems")
    graph.delete(ids[4])
    await mirror.follow(opened())
    assert mirror.deleted == [ids[4]]
    assert messages(mirror)[ids[2]].container == "Gelöschte Elemente"
    assert messages(mirror)[ids[3]].container == "Gesendete Elemente"


async def test_marks_that_graph_lost_cost_the_mails_of_the_meantime_and_no_others(
    graph: Graph, opened: Open, clock: HandClock
) -> None:
    ids = [graph.deliver(mail(number)) for number in range(40)]
    graph.put_contact(1)
    mirror = await Mirror().follow(opened())
    before = messages(mirror)
    clock.time += timedelta(days=5)
    graph.delete(ids[3])
    graph.change(ids[4], isRead=True)
    graph.move(ids[5], "junkemail")
    new = graph.deliver(mail(80), received=clock.now().isoformat())
    graph.forget_marks()
    graph.asked.clear()
    await mirror.follow(opened())
    found = messages(mirror)
    assert graph.asked.count("/me/messages/{message-id}/$value") == 1
    assert set(found) == set(graph.messages) >= {new}
    assert mirror.deleted == [ids[3]]
    assert (found[ids[4]].unread, found[ids[5]].container) == (False, "Junk-E-Mail")
    assert all(found[id_] == before[id_] for id_ in ids[6:])
    mirror.rows = 0
    await mirror.follow(opened())
    assert mirror.rows == 0


@pytest.mark.parametrize(
    "answer",
    [refusal(410, "SyncStateNotFound"), refusal(400, "syncStateNotFound"), refusal(404, "resyncRequired"), Answer(410, b"")],
    ids=["410", "400", "404", "bare"],
)
async def test_a_mark_that_is_lost_while_a_round_is_under_way_is_dealt_with(graph: Graph, opened: Open, answer: Answer) -> None:
    ids = [graph.deliver(mail(number)) for number in range(40)]
    mirror = await Mirror().follow(opened())
    graph.delete(ids[3])
    graph.troubled = {"delta": [answer]}
    await mirror.follow(opened())
    assert set(messages(mirror)) == set(graph.messages)
    assert mirror.deleted == [ids[3]]


async def test_marks_that_are_always_lost_are_trouble_of_microsofts_and_no_reason_to_read_everything_again(
    graph: Graph, opened: Open
) -> None:
    graph.deliver(mail(1))
    mirror = await Mirror().follow(opened())
    graph.troubled = {"delta": [refusal(410, "SyncStateNotFound") for _ in range(9)]}
    with pytest.raises(Unavailable):
        await mirror.follow(opened())


async def test_a_folder_that_is_renamed_takes_its_mails_along(graph: Graph, opened: Open) -> None:
    boats = graph.add_folder("Boats")
    inner = graph.add_folder("Old ones", boats)
    ids = [graph.deliver(mail(number), inner if number % 2 else boats) for number in range(12)]
    mirror = await Mirror().follow(opened())
    graph.folders[boats]["displayName"] = "Ships"
    graph.asked.clear()
    await mirror.follow(opened())
    assert [messages(mirror)[id_].container for id_ in ids[:2]] == ["Ships", "Ships/Old ones"]
    assert mirror.deleted == []
    assert "/me/messages/{message-id}/$value" not in graph.asked
    assert mirror.gaps == set()


async def test_a_folder_that_is_deleted_takes_its_mails_along(graph: Graph, opened: Open) -> None:
    boats = graph.add_folder("Boats")
    id_ = graph.deliver(mail(1), boats)
    kept = graph.deliver(mail(2))
    mirror = await Mirror().follow(opened())
    graph.delete(id_)
    del graph.folders[boats]
    await mirror.follow(opened())
    assert set(messages(mirror)) == {kept}


async def test_a_folder_that_only_shows_what_is_elsewhere_is_not_read(graph: Graph, opened: Open) -> None:
    graph.add_folder("Unread", **{"@odata.type": "#microsoft.graph.mailSearchFolder"})
    id_ = graph.deliver(mail(1))
    mirror = await Mirror().follow(opened())
    assert set(messages(mirror)) == {id_}
    assert "Unread" not in mirror.stated


async def test_a_mail_of_long_ago_that_appears_is_found(graph: Graph, opened: Open) -> None:
    graph.deliver(mail(1))
    mirror = await Mirror().follow(opened())
    imported = graph.deliver(mail(2), received="2009-01-01T00:00:00Z")
    await mirror.follow(opened())
    assert imported in messages(mirror)


async def test_what_the_changes_kept_silent_is_found_within_a_week(graph: Graph, opened: Open, clock: HandClock) -> None:
    graph.deliver(mail(1))
    mirror = await Mirror().follow(opened())
    silent = graph.deliver(mail(2))
    graph.log.pop()
    await mirror.follow(opened())
    assert silent not in messages(mirror)
    clock.time += timedelta(days=8)
    await mirror.follow(opened())
    assert silent in messages(mirror)


# --- contacts -------------------------------------------------------------------------------------------------------------


async def test_every_field_of_a_contact_arrives(graph: Graph, opened: Open) -> None:
    graph.put_contact(
        1, displayName="Grace Hopper", givenName="Grace", middleName="Brewster", surname="Hopper", title="Dr.", nickName="Amazing",
        emailAddresses=[{"name": "Grace", "address": "Grace@Example.ORG"}, {"name": "x", "address": "/O=EXCHANGELABS/CN=grace"}],
        mobilePhone="+1 202 555 0143", homePhones=["+1 202 555 0144"], businessPhones=[], companyName="Example Corp", department="Compilers",
        jobTitle="Admiral", birthday="1906-12-09T11:59:00Z", personalNotes="First bug.", imAddresses=["grace@chat.example"],
        businessHomePage="grace.example.org", categories=["Sailing"],
        homeAddress={"street": "1 Pier", "city": "Harbour", "postalCode": "12345", "countryOrRegion": "US"}, businessAddress={}, otherAddress={},
        createdDateTime="2020-01-01T00:00:00Z", lastModifiedDateTime="2026-01-01T00:00:00Z",
    )  # fmt: skip
    (found,) = cards(await Mirror().follow(opened())).values()
    name = found.names[0]
    assert (name.full, name.prefix, name.given, name.family, name.nickname) == (
        "Grace Hopper",
        "Dr.",
        "Grace",
        "Hopper",
        "Amazing",
    )
    assert [each.address for each in found.emails] == ["Grace@example.org"]
    assert [(each.number, each.label, each.mobile) for each in found.phones] == [
        ("+12025550143", "mobile", True),
        ("+12025550144", "home", False),
    ]
    assert (found.organizations[0].name, found.organizations[0].title) == ("Example Corp", "Admiral")
    assert [(each.year, each.month, each.day) for each in found.dates] == [(1906, 12, 9)]
    assert (found.note, found.groups, found.urls[0].url) == ("First bug.", ("Sailing",), "https://grace.example.org")
    assert [(each.locality, each.label) for each in found.addresses] == [("Harbour", "home")]
    assert found.etag is not None
    assert found.relation == "ADDRESS_BOOK"


async def test_contacts_of_all_folders_are_kept_current(graph: Graph, opened: Open) -> None:
    graph.books["AAMkBook="] = {"id": "AAMkBook=", "displayName": "Sailing"}
    ids = [graph.put_contact(number, "AAMkBook=" if number > 20 else "") for number in range(25)]
    mirror = await Mirror().follow(opened())
    assert {each.container for each in cards(mirror).values()} == {"Contacts", "Sailing"}
    graph.drop_contact(ids[3])
    graph.put_contact(4, displayName="Renamed", jobTitle="Captain")
    mirror.rows = 0
    await mirror.follow(opened())
    assert set(cards(mirror)) == set(graph.contacts)
    assert mirror.rows == 2
    changed = cards(mirror)[ids[4]]
    assert (changed.names[0].full, changed.organizations[0].title, changed.emails[0].address) == (
        "Renamed",
        "Captain",
        "person4@example.org",
    )


async def test_a_year_that_nobody_knows_is_left_out(graph: Graph, opened: Open) -> None:
    graph.put_contact(1, birthday="1604-02-29T00:00:00Z")
    (found,) = cards(await Mirror().follow(opened())).values()
    assert [(each.year, each.month, each.day) for each in found.dates] == [(None, 2, 29)]


async def test_contacts_that_were_not_allowed_are_not_asked_for(graph: Graph, opened: Open) -> None:
    graph.deliver(mail(1))
    mirror = await Mirror().follow(opened(secret=Secret(access_token="token-1", scope="Mail.Read User.Read")))
    assert len(messages(mirror)) == 1
    assert not any("contact" in path for path in graph.asked)


# --- limits and refusals --------------------------------------------------------------------------------------------------


async def test_a_part_of_a_batch_that_is_throttled_is_asked_for_again_alone(graph: Graph, opened: Open, clock: HandClock) -> None:
    ids = [graph.deliver(mail(number)) for number in range(8)]
    graph.troubled = {
        f"{ids[4]}/$value": [refusal(429, "ApplicationThrottled", Retry_After="7")],
        f"{ids[6]}/$value": [Answer(503, {}), Answer(424, {})],
    }
    mirror = await Mirror().follow(opened())
    assert set(messages(mirror)) == set(ids)
    assert 7 in clock.slept
    assert graph.asked.count("/me/messages/{message-id}/$value") == 8 + 2 + 1


async def test_a_long_pause_is_not_slept_through_but_said(graph: Graph, opened: Open) -> None:
    ids = [graph.deliver(mail(number)) for number in range(8)]
    graph.troubled = {f"{ids[4]}/$value": [refusal(429, "ApplicationThrottled", Retry_After="300")]}
    mirror = Mirror()
    with pytest.raises(RateLimited) as refused:
        await mirror.follow(opened())
    assert refused.value.retry_at == NOON + timedelta(seconds=300)
    await mirror.follow(opened())
    assert set(messages(mirror)) == set(ids)


async def test_a_mail_that_graph_cannot_give_is_named_and_asked_for_again(graph: Graph, opened: Open) -> None:
    ids = [graph.deliver(mail(number)) for number in range(8)]
    graph.troubled = {f"{ids[4]}/$value": [Answer(500, {}) for _ in range(3)]}
    pages = [page async for page in opened().pages(None)]
    assert [row.item.key for page in pages for row in page.rows if isinstance(row.item, Unreadable)] == [ids[4]]
    mirror = Mirror()
    for page in pages:
        mirror.take(page)
    assert mirror.gaps == {INBOX}
    await mirror.verify(opened())
    assert set(messages(mirror)) == set(ids)


@pytest.mark.parametrize("body", [b"{}", b"null", b"what is this", b"<!DOCTYPE html><p>Sign in"])
async def test_what_is_no_mail_is_not_taken_for_one(graph: Graph, opened: Open, body: bytes) -> None:
    ids = [graph.deliver(mail(number)) for number in range(3)]
    graph.troubled = {f"{ids[1]}/$value": [Answer(200, body, Content_Type="text/plain")]}
    mirror = await Mirror().follow(opened())
    assert set(messages(mirror)) == set(ids)
    assert all(each.subject for each in messages(mirror).values())


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (refusal(401, "InvalidAuthenticationToken"), ReauthRequired, "401"),
        (refusal(403, "ErrorAccessDenied"), ReauthRequired, "scope"),
        (refusal(403, "Authorization_RequestDenied"), ReauthRequired, "scope"),
        (refusal(403, "Something"), Refused, "403"),
        (refusal(404, "MailboxNotEnabledForRESTAPI"), Refused, "no-mailbox"),
        (refusal(404, "ErrorItemNotFound"), Refused, "not-found"),
        (refusal(400, "ErrorInvalidIdMalformed"), Refused, "400"),
        (refusal(429, "TooManyRequests"), RateLimited, "429"),
        (refusal(503, "ErrorServerBusy"), Unavailable, "503"),
        (Answer(200, {"value": []}), Malformed, "not-json"),
    ],
    ids=lambda value: str(getattr(value, "content", value))[:50],
)
async def test_each_refusal_has_its_name(
    graph: Graph, opened: Open, answer: Answer, error: type[ProviderError], code: str
) -> None:
    graph.throttled = [answer] * 3
    with pytest.raises(error) as refused:
        await opened().profile()
    assert refused.value.provider_code == code


async def test_a_list_that_goes_in_circles_ends(graph: Graph, opened: Open) -> None:
    graph.deliver(mail(1))
    link = f"https://graph.microsoft.com{graph.base}/me/mailFolders?$skiptoken=again"
    graph.throttled = []
    original = graph._called

    def circling(template: str, ids: list[str], request: Any, prefer: str) -> Answer:
        if template == "/me/mailFolders":
            return Answer(200, {"value": [], "@odata.nextLink": link})
        return original(template, ids, request, prefer)

    graph._called = circling  # type: ignore[method-assign]
    with pytest.raises(Malformed) as refused:
        await Mirror().follow(opened())
    assert refused.value.provider_code == "paging"


async def test_a_link_to_another_interface_is_not_followed(graph: Graph, opened: Open) -> None:
    graph.well_known.clear()
    original = graph._called

    def leading_away(template: str, ids: list[str], request: Any, prefer: str) -> Answer:
        if template == "/me/mailFolders":
            return Answer(200, {"value": [], "@odata.nextLink": "https://evil.example/beta/me/mailFolders?x=1"})
        return original(template, ids, request, prefer)

    graph._called = leading_away  # type: ignore[method-assign]
    with pytest.raises(Malformed):
        await Mirror().follow(opened())


# --- signing in -----------------------------------------------------------------------------------------------------------


async def test_a_personal_account_is_known_by_its_principal_name(opened: Open) -> None:
    profile = await opened().profile()
    assert (profile.user_id, profile.label) == ("u-1", "ada@outlook.example")
    assert [each.value for each in profile.own_addresses] == ["ada@outlook.example"]
    assert "Mail.Read" in profile.granted_scopes


async def test_a_guests_name_is_no_address(graph: Graph, opened: Open) -> None:
    graph.user.update(userPrincipalName="ada_example.org#EXT#@corp.example", mail="ada@example.org")
    assert [each.value for each in (await opened().profile()).own_addresses] == ["ada@example.org"]


async def test_an_account_of_which_nothing_was_allowed_asks_for_a_new_sign_in(opened: Open) -> None:
    with pytest.raises(ReauthRequired):
        await opened(secret=Secret(access_token="token-1", scope="openid User.Read")).profile()


async def test_without_an_application_the_steps_name_the_exact_redirect_address(new_session: SessionMaker) -> None:
    session = new_session("https://graph.microsoft.com/v1.0", provider="microsoft")
    with pytest.raises(Refused) as refused:
        await microsoft.PROVIDER.authorize(session, {}, "https://kith.example.org/link/callback")  # type: ignore[misc]
    assert "https://kith.example.org/link/callback" in refused.value.message


async def test_the_sign_in_is_for_personal_and_work_accounts_and_for_what_is_done_with_it(new_session: SessionMaker) -> None:
    session = new_session("https://graph.microsoft.com/v1.0", secret=Secret(client_id="app-1"))
    authorization = await microsoft.PROVIDER.authorize(session, {}, "https://kith.example.org/link/callback")  # type: ignore[misc]
    url = oauth.authorization_url(authorization, "https://kith.example.org/link/callback", "state", "v" * 43)
    assert url.startswith("https://login.microsoftonline.com/common/oauth2/v2.0/authorize?")
    for part in ("code_challenge_method=S256", "offline_access", "Mail.ReadWrite", "Mail.Send", "Contacts.ReadWrite"):
        assert part in url


# --- writing contacts -----------------------------------------------------------------------------------------------------

WRITER = Secret(access_token="token-1", scope="Mail.Read Contacts.ReadWrite User.Read openid")
ADA = Contact(
    key="",
    relation="ADDRESS_BOOK",
    names=(Name(full="Ada Lovelace", given="Ada", family="Lovelace", prefix="Lady", nickname="A"),),
    emails=(Email(raw="ada@example.org", address="ada@example.org"),),
    phones=(Phone(raw="+44 7700 900123", label="cell", mobile=True), Phone(raw="+44 20 7946 0000", label="work")),
    urls=(Url(url="https://ada.example/"),),
    organizations=(Organization(name="Engines", title="Countess"),),
    addresses=(Address(formatted="x", street="12 St James's Square", locality="London", label="home"),),
    dates=(PartialDate(month=12, day=10, label="birthday"),),
    note="Wrote the first program",
    groups=("Sailing",),
    uid="7d2f8c1e-5a07-4a5e-9a4e-1f0f6f6f0001",
)


@pytest.fixture
def writer(graph: Graph, opened: Open) -> Callable[[], Microsoft]:
    graph.tokens["token-1"].add("Contacts.ReadWrite")
    return lambda: opened(secret=WRITER)


Writer = Callable[[], Microsoft]


async def listed(writer: Writer) -> dict[str, Contact]:
    return cards(await Mirror().follow(writer()))


async def test_a_new_contact_is_shown_by_the_next_poll_as_it_was_answered(writer: Writer) -> None:
    made = await writer().create_contact(ADA, again=False)
    assert (await listed(writer)) == {made.key: made}
    assert (made.names[0].full, made.names[0].prefix, made.names[0].nickname) == ("Ada Lovelace", "Lady", "A")
    assert [(e.address, e.label) for e in made.emails] == [("ada@example.org", None)]
    assert [(p.number, p.label) for p in made.phones] == [("+447700900123", "mobile"), ("+442079460000", "work")]
    assert (made.note, made.groups, made.dates, made.organizations) == (ADA.note, ADA.groups, ADA.dates, ADA.organizations)
    assert [(a.street, a.locality, a.label) for a in made.addresses] == [("12 St James's Square", "London", "home")]
    assert (made.urls[0].url, made.container) == ("https://ada.example/", "Contacts")


async def test_a_new_contact_goes_into_the_folder_that_is_named(graph: Graph, writer: Writer) -> None:
    graph.books["AAMkBook="] = {"id": "AAMkBook=", "displayName": "Sailing"}
    made = await writer().create_contact(msgspec.structs.replace(ADA, container="Sailing"), again=False)
    assert {key: each.container for key, each in (await listed(writer)).items()} == {made.key: "Sailing"}
    with pytest.raises(Refused, match="no folder of contacts 'Nowhere'"):
        await writer().create_contact(msgspec.structs.replace(ADA, container="Nowhere"), again=False)


async def test_a_contact_whose_answer_was_lost_is_found_by_its_mark(graph: Graph, writer: Writer) -> None:
    graph.lost = [refusal(503, "ErrorServerBusy")]
    with pytest.raises(Unavailable):
        await writer().create_contact(ADA, again=False)
    found = await writer().create_contact(ADA, again=True)
    assert list(await listed(writer)) == [found.key]


async def test_a_change_leaves_everything_else_of_a_contact_as_it_was(graph: Graph, writer: Writer) -> None:
    directory = {"name": "Exchange", "address": "/O=EXCHANGELABS/CN=grace"}
    emails = [directory, {"name": "Grace at work", "address": "grace@example.org"}]
    other: dict[str, Any] = {
        "spouseName": "Vincent",
        "officeLocation": "7",
        "imAddresses": ["x@chat.example"],
        "homePhones": ["+1 202 555 0144"],
    }
    id_ = graph.put_contact(1, emailAddresses=emails, **other)
    before = (await listed(writer))[id_]
    new = Email(raw="second@example.org")
    after = await writer().update_contact(msgspec.structs.replace(before, emails=(*before.emails, new)), frozenset({"emails"}))
    assert [each.raw for each in after.emails] == ["grace@example.org", "second@example.org"]
    assert (await listed(writer))[id_] == after
    held = graph.contacts[id_][1]
    assert held["emailAddresses"][:2] == emails
    assert {name: held[name] for name in other} == other


async def test_what_is_taken_away_is_gone(graph: Graph, writer: Writer) -> None:
    made = await writer().create_contact(ADA, again=False)
    bare = Contact(key=made.key, relation="ADDRESS_BOOK", names=(Name(full="Ada"),), etag=made.etag)
    fields: frozenset[ContactField] = frozenset(
        {"names", "emails", "phones", "urls", "organizations", "addresses", "dates", "note", "groups"}
    )
    after = await writer().update_contact(bare, fields)
    assert (after.emails, after.phones, after.urls, after.organizations, after.addresses, after.dates) == ((),) * 6
    assert (after.note, after.groups, after.names) == (None, (), (Name(full="Ada"),))
    assert (await listed(writer)) == {made.key: after}


async def test_a_contact_changed_meanwhile_is_a_conflict_that_shows_it(graph: Graph, writer: Writer) -> None:
    id_ = graph.put_contact(1)
    before = (await listed(writer))[id_]
    graph.put_contact(1, personalNotes="Theirs")
    mine = msgspec.structs.replace(before, note="Mine")
    with pytest.raises(Conflict) as caught:
        await writer().update_contact(mine, frozenset({"note"}))
    assert caught.value.current == (await listed(writer))[id_]
    with pytest.raises(Conflict) as caught:
        await writer().delete_contact(id_, before.etag)
    assert caught.value.current == (await listed(writer))[id_]
    after = await writer().update_contact(msgspec.structs.replace(mine, etag=None), frozenset({"note"}))
    assert after.note == "Mine"


async def test_somebody_who_writes_in_between_makes_a_conflict_or_another_try(graph: Graph, writer: Writer) -> None:
    id_ = graph.put_contact(1)
    before = (await listed(writer))[id_]

    def intrude(_: str) -> None:
        graph.put_contact(1, nickName="Theirs")

    graph.intruders = [intrude]
    mine = msgspec.structs.replace(before, note="Mine")
    with pytest.raises(Conflict):
        await writer().update_contact(mine, frozenset({"note"}))
    graph.intruders = [intrude]
    after = await writer().update_contact(msgspec.structs.replace(mine, etag=None), frozenset({"note"}))
    assert (after.note, after.names[0].nickname) == ("Mine", "Theirs")


async def test_a_change_whose_answer_was_lost_is_no_conflict(graph: Graph, writer: Writer) -> None:
    id_ = graph.put_contact(1)
    before = (await listed(writer))[id_]
    graph.lost = [refusal(503, "ErrorServerBusy")]
    wanted = msgspec.structs.replace(
        before, note="Mine", names=ADA.names, phones=ADA.phones, dates=ADA.dates, addresses=ADA.addresses
    )
    fields: frozenset[ContactField] = frozenset({"note", "names", "phones", "dates", "addresses"})
    with pytest.raises(Unavailable):
        await writer().update_contact(wanted, fields)
    assert (await writer().update_contact(wanted, fields)).note == "Mine"


async def test_a_deleted_contact_is_gone_and_can_be_deleted_again(graph: Graph, writer: Writer) -> None:
    id_ = graph.put_contact(1)
    before = (await listed(writer))[id_]
    await writer().delete_contact(id_, before.etag)
    await writer().delete_contact(id_, before.etag)
    assert await listed(writer) == {}
    with pytest.raises(Refused) as refused:
        await writer().update_contact(msgspec.structs.replace(before, note="Mine"), frozenset({"note"}))
    assert refused.value.provider_code == "not-found"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("emails", tuple(Email(raw=f"{n}@example.org") for n in range(4)), "3 e-mail addresses"),
        ("phones", (Phone(raw="1", label="cell"), Phone(raw="2", label="mobile")), "one mobile number"),
        ("urls", (Url(url="https://a.example/"), Url(url="https://b.example/")), "one web address"),
        ("organizations", (Organization(name="A"), Organization(name="B")), "one organisation"),
        ("addresses", (Address(formatted="a", label="home"), Address(formatted="b", label="home")), "one address each"),
        ("addresses", tuple(Address(formatted=str(n)) for n in range(4)), "three addresses"),
        ("dates", (PartialDate(year=1815, label="birthday"),), "day and month"),
    ],
)
async def test_what_outlook_has_no_room_for_is_refused_and_nothing_is_written(
    graph: Graph, writer: Writer, field: ContactField, value: Any, said: str
) -> None:
    id_ = graph.put_contact(1)
    before = (await listed(writer))[id_]
    with pytest.raises(Refused, match=said):
        await writer().update_contact(msgspec.structs.replace(before, **{field: value}), frozenset({field}))
    assert (await listed(writer))[id_] == before


async def test_numbers_and_addresses_without_a_label_take_the_first_free_place(writer: Writer) -> None:
    phones = (
        Phone(raw="+44 7700 900123", mobile=True),
        Phone(raw="+44 7700 900124", mobile=True),
        Phone(raw="+44 20 7946 0000", label="Ship"),
    )
    addresses = (
        Address(formatted="1 Pier"),
        Address(formatted="x", street="2 Pier", label="work"),
        Address(formatted="3 Pier", label="Boat"),
    )
    made = await writer().create_contact(msgspec.structs.replace(ADA, phones=phones, addresses=addresses), again=False)
    assert [(p.raw, p.label) for p in made.phones] == [
        ("+44 7700 900123", "mobile"), ("+44 7700 900124", "work"), ("+44 20 7946 0000", "work"),
    ]  # fmt: skip
    assert {(a.street, a.label) for a in made.addresses} == {("1 Pier", "other"), ("2 Pier", "work"), ("3 Pier", "home")}


async def test_a_grant_that_only_reads_contacts_says_what_to_do(opened: Open) -> None:
    with pytest.raises(ReauthRequired, match="link the account again"):
        await opened().create_contact(ADA, again=False)
    assert not microsoft.PROVIDER.may("CONTACTS_WRITE", ["Mail.ReadWrite", "Contacts.Read"])
    assert microsoft.PROVIDER.may("CONTACTS_WRITE", ["Contacts.ReadWrite"])
