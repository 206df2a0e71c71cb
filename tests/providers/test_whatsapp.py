"""WhatsApp's business numbers against a stub held to Meta's description: what is called in, what changes in it, sending, and what is not given."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.push import Call, Forged, Heard
from providers.records import Contact, Gone, Message, OutgoingChat, OutgoingReaction, Reacted, Unreadable
from providers.session import Kept, Secret
from providers.whatsapp import adapter as whatsapp
from providers.whatsapp.adapter import WhatsApp
from tests.providers.conftest import NOON, HandClock, OpenCredentials, SessionMaker
from tests.providers.contract import AdapterContract, Open, Proxy, Rig, run
from tests.providers.stub_http import Answer, running
from tests.providers.whatsapp_stub import ACCOUNT, APP_SECRET, DIGITS, NUMBER, TOKEN, CloudApi, fault

GRANT = Secret(access_token=TOKEN, client_secret=APP_SECRET)
SETTINGS = {"phone_number_id": NUMBER, "waba_id": ACCOUNT}
ADA, BOB = "447700900123", "447700900456"
Opened = Callable[..., WhatsApp]


class HandInbox:
    """What a stub called out, kept in memory. With `patient` nothing is forgotten."""

    def __init__(self, net: CloudApi, *, patient: bool = False) -> None:
        self.net = net
        self.patient = patient
        self.forgotten = 0
        self.address: str | None = "https://kith.example.org/hooks/whatsapp/x"
        net.callback = {"override_callback_uri": self.address}

    async def subscription(self) -> str | None:
        return self.address

    async def after(self, position: int, limit: int) -> list[Kept]:
        start = position if self.patient else max(position, self.forgotten)
        found = [Kept(position=n, body=body) for n, body in enumerate(self.net.bodies, 1)]
        return found[start : start + limit]

    async def forget(self, position: int) -> None:
        self.forgotten = position


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[CloudApi]:
    net = CloudApi(lambda: clock.now().timestamp())
    async with running(net):
        yield net
    assert net.violations == []


@pytest.fixture
def inbox(net: CloudApi) -> HandInbox:
    return HandInbox(net)


@pytest.fixture
def opened(net: CloudApi, inbox: HandInbox, new_session: SessionMaker) -> Opened:
    def open_(settings: dict[str, str] | None = None, **more: Any) -> WhatsApp:
        more.setdefault("secret", GRANT)
        session = new_session(net.url, provider="whatsapp", user_id=NUMBER, inbox=inbox, quota=whatsapp.PROVIDER.quota, **more)
        session.account = msgspec.structs.replace(session.account, settings=settings or SETTINGS)
        return WhatsApp(session)

    return open_


class WhatsAppRig:
    """A number with two customers. Here everything that was called in is told again."""

    provider = whatsapp.PROVIDER
    path = ""
    secret = GRANT

    def __init__(self, net: CloudApi) -> None:
        self.net = net
        self.server_url = net.url
        self.said: set[str] = set()

    def fill(self) -> None:
        for number in range(24):
            who, name = ((ADA, "Ada"), (BOB, "Bob"))[number % 2]
            self.said.add(self.net.writes(who, name, f"Order {number}"))

    def names(self) -> set[str]:
        return {ADA, BOB, *self.said} if self.said else set()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        gone = min(self.said)
        self.said.remove(gone)
        self.net.says(ADA, "Ada", official=False, type="revoke", revoke={"original_message_id": gone})
        return gone

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return cursor.replace(b"{", b'{"unheard_of":1,', 1)


class TestContract(AdapterContract):
    lasting = False
    least = 1  # there is nothing to ask for but whose number it is

    @pytest.fixture
    def rig(self, net: CloudApi, monkeypatch: pytest.MonkeyPatch) -> WhatsAppRig:
        monkeypatch.setattr(whatsapp, "LISTED", 9)
        return WhatsAppRig(net)

    @pytest.fixture
    def opened(self, rig: Rig, proxy: Proxy, net: CloudApi, new_session: SessionMaker) -> Open:
        inbox = HandInbox(net, patient=True)

        def open_(at: Rig = rig, **more: Any) -> WhatsApp:
            more.setdefault("secret", at.secret)
            more.setdefault("user_id", "linked before")
            session = new_session(proxy.url, provider="whatsapp", inbox=inbox, quota=whatsapp.PROVIDER.quota, **more)
            session.account = msgspec.structs.replace(session.account, settings=SETTINGS)
            return WhatsApp(session)

        return open_

    async def test_everything_arrives_once_over_several_pages(self, rig: Rig, opened: Any) -> None:
        """WhatsApp does not say how much there is."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item.key for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert sorted(found) == sorted(rig.names())
        assert [page.done for page in pages] == [False] * 3 + [True]


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, net: CloudApi, monkeypatch: pytest.MonkeyPatch) -> WhatsAppRig:
        monkeypatch.setattr(whatsapp, "LISTED", 9)
        net.forgetful = 0.5
        return WhatsAppRig(net)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


# --- whose it is ----------------------------------------------------------------------------------------------------------


async def test_an_account_is_a_number_of_the_business_account(net: CloudApi, opened: Opened) -> None:
    found = await opened().profile()
    assert (found.user_id, found.label) == (NUMBER, "Harbour Bakery (+49 30 901820)")
    assert [(each.kind, each.value) for each in found.own_addresses] == [("HANDLE", f"{DIGITS}@wa.me"), ("PHONE", "+4930901820")]
    with pytest.raises(Refused, match="digits alone"):
        await opened({"phone_number_id": "../me", "waba_id": ACCOUNT}).profile()
    with pytest.raises(Refused):
        await opened({"phone_number_id": "999", "waba_id": ACCOUNT}).profile()
    net.token = "EAAanother"
    with pytest.raises(ReauthRequired, match="expired"):
        await opened().profile()


async def test_what_is_typed_becomes_a_token_and_the_secret_that_proves_calls(new_session: SessionMaker) -> None:
    typed = Secret(access_token=" EAAtoken ", extra={"app_secret": APP_SECRET})
    signed_in = await whatsapp.sign_in(new_session("https://graph.example", secret=typed))
    assert (signed_in.secret, signed_in.base_url) == (GRANT, "https://graph.example")


async def test_a_number_is_told_to_call_its_own_address_and_to_call_it_no_more(
    net: CloudApi, opened: Opened, inbox: HandInbox
) -> None:
    assert inbox.address is not None
    net.callback = {}
    made = await opened().subscribe(inbox.address, "shown", None)
    assert made.expires_at == NOON + timedelta(days=1)
    assert net.callback == {"override_callback_uri": inbox.address, "verify_token": "shown"}
    inbox.address = None
    await opened().leave()
    assert net.callback["override_callback_uri"]
    inbox.address = made.key
    await opened().leave()
    assert net.callback == {"override_callback_uri": ""}


async def test_another_who_gets_a_numbers_messages_is_named_and_left_alone(
    net: CloudApi, opened: Opened, inbox: HandInbox, clock: HandClock
) -> None:
    assert inbox.address is not None
    await opened().subscribe(inbox.address, "shown", None)
    first = await run(opened())
    clock.time += timedelta(hours=1)
    net.callback = {"override_callback_uri": "https://shop.example.com/hook"}
    with pytest.raises(Refused, match=r"shop\.example\.com"):
        await opened().subscribe(inbox.address, "shown", inbox.address)
    (said,) = (await run(opened(), first.cursor)).all(Unreadable)
    assert (said.reason, "shop.example.com" in said.message) == ("FORBIDDEN", True)
    await opened().leave()
    assert net.callback == {"override_callback_uri": "https://shop.example.com/hook"}


async def test_where_nobody_can_call_it_is_said_that_nothing_arrives(
    net: CloudApi, opened: Opened, inbox: HandInbox, clock: HandClock
) -> None:
    net.callback, inbox.address = {}, None
    first = await run(opened())
    assert first.rows == []  # it is only just being set up
    clock.time += timedelta(minutes=11)
    (said,) = (await run(opened(), first.cursor)).all(Unreadable)
    assert (said.reason, "KITH_PUBLIC_URL" in said.message) == ("FORBIDDEN", True)


# --- calls ----------------------------------------------------------------------------------------------------------------


async def test_a_call_counts_when_the_apps_secret_signed_its_bytes(net: CloudApi, new_session: SessionMaker) -> None:
    net.writes(ADA, "Ada", "Hello")
    (body,) = net.bodies

    async def judged(body: bytes, headers: dict[str, str], secret: Secret = GRANT) -> Heard:
        session = new_session(net.url, credentials=OpenCredentials(secret))
        return await whatsapp.hear(session, Call(query={}, headers=headers, body=body), "shown")

    assert (await judged(body, net.signed(body))).hint
    for wrong in ({}, net.signed(body, "another"), net.signed(body + b" ")):
        with pytest.raises(Forged):
            await judged(body, wrong)
    with pytest.raises(Forged):
        await judged(body, net.signed(body, ""), Secret(access_token=TOKEN))
    for strange in (b"[]", b'{"object":"page","entry":[]}', b"\xff"):
        with pytest.raises(Malformed):
            await judged(strange, net.signed(strange))


async def test_the_address_is_shown_to_be_ours_to_who_knows_the_token(new_session: SessionMaker) -> None:
    async def asked(**query: str) -> str | None:
        call = Call(query={f"hub.{name}": value for name, value in query.items()}, headers={}, body=b"")
        session = new_session("https://graph.example", credentials=OpenCredentials(GRANT))
        return (await whatsapp.hear(session, call, "shown")).echo

    assert await asked(mode="subscribe", verify_token="shown", challenge="1158201444") == "1158201444"
    with pytest.raises(Forged):
        await asked(mode="subscribe", verify_token="guessed", challenge="1")


async def test_a_message_is_between_a_customer_and_the_business(net: CloudApi, opened: Opened) -> None:
    first = net.writes(ADA, "Ada Byron", "Two loaves, please")
    found = await run(opened())
    (message,) = found.all(Message)
    assert (message.key, message.conversation_key, message.conversation_kind) == (first, ADA, "DIRECT")
    assert (message.text, message.sent_at, message.unread) == ("Two loaves, please", NOON, True)
    assert [(each.role, each.address, each.name) for each in message.participants] == [
        ("FROM", f"{ADA}@wa.me", "Ada Byron"),
        ("TO", f"{DIGITS}@wa.me", "Harbour Bakery"),
    ]
    (ada,) = found.all(Contact)
    assert (ada.key, ada.names[0].full, ada.url) == (ADA, "Ada Byron", f"https://wa.me/{ADA}")
    assert [(each.number, each.mobile, each.verified) for each in ada.phones] == [("+447700900123", True, True)]
    net.writes(ADA, "Ada Byron", "Thank you")
    net.writes(ADA, "Countess of Lovelace", "Still here")
    later = await run(opened(), found.cursor)
    assert [each.names[0].full for each in later.all(Contact)] == ["Countess of Lovelace"]


async def test_people_who_hide_their_number_are_the_same_as_before(net: CloudApi, opened: Opened) -> None:
    hidden = {"profile": {"name": "Ada", "username": "ada_b"}, "user_id": "GB.1349"}
    both = {**hidden, "wa_id": ADA}

    def says(person: dict[str, Any], **who: str) -> None:
        message = {"id": net.wamid(), "timestamp": "1777896000", "type": "text", "text": {"body": "Hello"}, **who}
        net.notify("messages", {"contacts": [person], "messages": [message]}, official=False)

    says(both, **{"from": ADA, "from_user_id": "GB.1349"})
    says(hidden, from_user_id="GB.1349")
    says({**hidden, "user_id": "GB.777"}, from_user_id="GB.777")
    found = await run(opened())
    assert [item.conversation_key for item in found.all(Message)] == [ADA, ADA, "GB.777"]
    assert [(each.key, len(each.phones)) for each in found.all(Contact)] == [(ADA, 1), ("GB.777", 0)]


async def test_what_others_send_is_text_or_a_named_file(net: CloudApi, opened: Opened) -> None:
    context = {"from": DIGITS, "id": "wamid.first"}
    medium = {"mime_type": "image/jpeg", "sha256": "x", "id": "f1"}
    net.says(ADA, "Ada", type="image", image={**medium, "caption": "Like this"})
    net.says(ADA, "Ada", type="document", document={**medium, "mime_type": "application/pdf", "filename": "../plan.pdf"})
    net.says(ADA, "Ada", type="location", location={"latitude": 51.5, "longitude": -0.1, "name": "Quay", "address": "1 Quay"})
    net.says(ADA, "Ada", type="button", button={"text": "Yes", "payload": "y"}, context=context)
    net.says(
        ADA,
        "Ada",
        type="contacts",
        contacts=[{"name": {"formatted_name": "Bob", "first_name": "Bob"}, "phones": [{"phone": "+1 555"}]}],
    )
    net.says(ADA, "Ada", type="unsupported", errors=[
        {"code": 131051, "title": "Message type unknown", "message": "Message type unknown", "error_data": {"details": "x"}},
    ])  # fmt: skip
    found = await run(opened())
    messages = found.all(Message)
    assert [item.text for item in messages] == ["Like this", "", "Quay, 1 Quay, 51.5, -0.1", "Yes", "Bob +1 555"]
    assert [[(each.part, each.name) for each in item.attachments] for item in messages[:2]] == [
        [("f1", "image.jpg")], [("f1", "plan.pdf")],
    ]  # fmt: skip
    assert messages[3].references == ("wamid.first",)
    (left,) = found.all(Unreadable)
    assert (left.reason, "Message type unknown" in left.message) == ("UNSUPPORTED", True)


async def test_reactions_come_go_and_take_each_others_place(net: CloudApi, opened: Opened) -> None:
    said = net.writes(ADA, "Ada", "Hello")
    for emoji in ("👍", "🔥", ""):
        net.says(ADA, "Ada", type="reaction", reaction={"message_id": said, "emoji": emoji})
    found = await run(opened())
    given = found.all(Reacted)
    assert [(each.message, each.reaction.emoji, each.reaction.participant.key) for each in given] == [
        (said, "👍", ADA),
        (said, "🔥", ADA),
    ]
    assert {each.reaction.key for each in given} == {each.key for each in found.all(Gone)}


async def test_edits_and_deletions_change_the_message_they_name(net: CloudApi, opened: Opened, clock: HandClock) -> None:
    said = net.writes(ADA, "Ada", "Helo")
    clock.time += timedelta(minutes=1)
    edited = {"original_message_id": said, "message": {"type": "text", "text": {"body": "Hello"}}}
    net.says(ADA, "Ada", official=False, type="edit", edit=edited)
    net.says(ADA, "Ada", official=False, type="revoke", revoke={"original_message_id": said})
    net.bodies.append(net.bodies[0])  # called again, out of order
    found = await run(opened())
    assert [(item.key, item.text, item.edited_at) for item in found.all(Message)] == [
        (said, "Helo", None), (said, "Hello", clock.time),
    ]  # fmt: skip
    assert [(each.kind, each.key, each.deleted_at) for each in found.all(Gone)] == [("MESSAGE", said, clock.time)]


async def test_a_number_used_on_a_phone_too_brings_what_was_written_there(net: CloudApi, opened: Opened) -> None:
    text = {"id": "wamid.e1", "timestamp": "1777896000", "type": "text", "text": {"body": "From the phone"}}
    net.notify("smb_message_echoes", {"message_echoes": [{"from": DIGITS, "to": ADA, **text}]}, official=False)
    old = [{"from": ADA, **text, "id": "wamid.h1"}, {"from": DIGITS, "to": ADA, **text, "id": "wamid.h2"}]
    net.notify("history", {"history": [{"threads": [{"id": ADA, "messages": old}]}]}, official=False)
    entry = {"type": "contact", "action": "add", "contact": {"full_name": "Ada B.", "first_name": "Ada", "phone_number": ADA}}
    net.notify("smb_app_state_sync", {"state_sync": [entry, {**entry, "action": "remove"}]}, official=False)
    found = await run(opened())
    assert [(item.key, item.conversation_key, item.participants[0].key, item.unread) for item in found.all(Message)] == [
        ("wamid.e1", ADA, DIGITS, False), ("wamid.h1", ADA, ADA, False), ("wamid.h2", ADA, DIGITS, False),
    ]  # fmt: skip
    assert [(each.key, each.relation) for each in found.all(Contact)] == [(ADA, "ADDRESS_BOOK"), (ADA, "CORRESPONDENT")]


async def test_groups_have_a_conversation_of_their_own(net: CloudApi, opened: Opened, clock: HandClock) -> None:
    net.writes(ADA, "Ada", "Hello all", group_id="Y2FwaV9n")
    (message,) = (await run(opened())).all(Message)
    assert (message.conversation_key, message.conversation_kind) == ("group:Y2FwaV9n", "GROUP")
    net.heard["Y2FwaV9n"] = clock.now().timestamp()
    await opened().say(OutgoingChat(id="1", conversation="group:Y2FwaV9n", text="Hello"), noted)
    assert (net.sent[0]["recipient_type"], net.sent[0]["to"]) == ("group", "Y2FwaV9n")


async def test_other_numbers_and_what_cannot_be_read_cost_nobody_else_anything(net: CloudApi, opened: Opened) -> None:
    net.writes(ADA, "Ada", "Before")
    other = json.loads(net.bodies[0])
    other["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "5"
    net.bodies.append(json.dumps(other).encode())
    net.notify(
        "messages",
        {"contacts": [], "messages": [{"id": 5}, "x", {"id": "wamid.n", "timestamp": "x", "type": "text"}]},
        official=False,
    )
    net.notify("account_update", {"event": "VERIFIED_ACCOUNT"}, official=False)
    net.writes(ADA, "Ada", "After")
    found = await run(opened())
    assert [item.text for item in found.all(Message)] == ["Before", "After"]
    assert [each.outcome for each in found.all(Unreadable)] == ["FAILED", "FAILED", "SKIPPED"]


async def test_a_message_that_was_taken_and_not_delivered_is_said_for_a_week(
    net: CloudApi, opened: Opened, clock: HandClock
) -> None:
    net.late = True
    sent = await opened().say(OutgoingChat(id="1", conversation=ADA, text="Your bread is ready"), noted)
    assert sent.fate == "TAKEN"
    net.becomes(sent.key or "", "failed", ADA, {"code": 131047, "title": "Re-engagement message"})  # called twice
    first = await run(opened())
    (said,) = first.all(Unreadable)
    assert (said.key, said.reason) == (sent.key, "FORBIDDEN")
    assert f"+{ADA}" in said.message
    assert "template" in said.message
    assert (await run(opened(), first.cursor)).all(Unreadable) == [said]
    clock.time += timedelta(days=8)
    assert (await run(opened(), first.cursor)).rows == []


# --- sending --------------------------------------------------------------------------------------------------------------


async def noted(step: bytes) -> None:
    assert step


async def test_an_answer_goes_to_its_chat_within_a_day_and_later_a_template_is_needed(
    net: CloudApi, opened: Opened, clock: HandClock
) -> None:
    said = net.writes(ADA, "Ada", "Two loaves, please")
    sent = await opened().say(OutgoingChat(id="1", conversation=ADA, text="At six", answers=said), noted)
    assert (sent.fate, sent.key) == ("TAKEN", "wamid.HBgL000002=")
    assert net.sent == [
        {
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": ADA, "type": "text",
            "text": {"body": "At six", "preview_url": False}, "context": {"message_id": said},
        }
    ]  # fmt: skip
    clock.time += timedelta(hours=25)
    with pytest.raises(Refused, match="template") as refusal:
        await opened().say(OutgoingChat(id="2", conversation=ADA, text="Still open"), noted)
    assert refusal.value.provider_code == "window"
    with pytest.raises(Refused, match="4,096"):
        await opened().say(OutgoingChat(id="3", conversation=ADA, text="x" * 4097), noted)
    assert len(net.sent) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "word"),
    [
        (401, 190, ReauthRequired, "no longer accepts"),
        (400, 4, RateLimited, "no more"),
        (400, 130429, RateLimited, "no more"),
        (400, 131056, RateLimited, "no more"),
        (400, 131048, RateLimited, "no more"),
        (400, 131047, Refused, "template"),
        (400, 131026, Refused, "deliver"),
        (400, 131031, Refused, "locked"),
        (400, 368, Refused, "blocked"),
        (400, 10, Refused, "allow"),
        (400, 100, Refused, "did not take"),
        (500, 131016, Unavailable, "trouble"),
        (400, 131000, Unavailable, "trouble"),
    ],
)
async def test_each_error_says_what_it_means_and_nothing_was_sent(
    net: CloudApi, opened: Opened, status: int, code: int, kind: type[ProviderError], word: str
) -> None:
    net.troubled["/{Version}/{Phone-Number-ID}/messages"] = [fault(status, code)]
    message = OutgoingChat(id="1", conversation=ADA, text="Hello")
    if status == 500:  # nobody knows who says so
        assert (await opened().say(message, noted)).fate == "UNKNOWN"
        return
    with pytest.raises(kind, match=word) as error:
        await opened().say(message, noted)
    if kind is RateLimited:
        assert error.value.retry_at is not None
    assert net.sent == []


async def test_after_a_cut_nobody_can_tell(net: CloudApi, opened: Opened) -> None:
    net.writes(ADA, "Ada", "Hello")
    net.cuts.append(Answer(502, b"Bad Gateway"))
    message = OutgoingChat(id="1", conversation=ADA, text="One")
    assert (await opened().say(message, noted)).fate == "UNKNOWN"
    assert (await opened().was_said(message, b"sent")).fate == "UNKNOWN"
    assert len(net.sent) == 1


async def test_reactions_and_read_marks_are_sent_by_the_names_of_messages(net: CloudApi, opened: Opened) -> None:
    said = net.writes(ADA, "Ada", "Hello")
    given = OutgoingReaction(id="1", conversation=ADA, message=said, emoji="👍")
    assert await opened().react(given) == f"{said}\n{DIGITS}"
    assert await opened().react(msgspec.structs.replace(given, remove=True)) is None
    assert [each["reaction"]["emoji"] for each in net.sent] == ["👍", ""]
    await opened().read_up_to({ADA: said})
    assert net.read == [said]
    net.troubled["/{Version}/{Phone-Number-ID}/messages"] = [fault(400, 100)]
    await opened().read_up_to({ADA: "wamid.old"})


async def test_files_come_when_asked_for_thirty_days(net: CloudApi, opened: Opened, clock: HandClock) -> None:
    net.files["f1"] = (b"a picture", clock.now().timestamp())
    assert b"".join([piece async for piece in opened().part("m", "f1")]) == b"a picture"
    for part in ("f1", "f2"):
        clock.time += timedelta(days=31)
        with pytest.raises(Refused, match="30 days") as refusal:
            await anext(aiter(opened().part("m", part)))
        assert refusal.value.provider_code == "not-found"
