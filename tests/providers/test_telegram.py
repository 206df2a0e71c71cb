"""Telegram's bots against a stub held to the Bot API's description: chats of all kinds, what changes in them, who else asks, sending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers.errors import RateLimited, ReauthRequired, Refused, Unavailable
from providers.push import Call, Forged
from providers.records import (
    Contact,
    ConversationHead,
    Gone,
    Message,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingReaction,
    Page,
    Reacted,
    Unreadable,
)
from providers.session import Secret
from providers.telegram import adapter as telegram
from providers.telegram.adapter import Telegram
from providers.telegram.item import chat_id, peer
from tests.providers.conftest import HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Rig, run
from tests.providers.stub_http import Answer, running
from tests.providers.telegram_stub import BOT, TOKEN, BotApi, channel, group, private, refused, supergroup, user

GRANT = Secret(access_token=TOKEN)
ADA = user(5, "Ada", last_name="Byron", username="ada_b", language_code="en")
BOB = user(6, "Bob")
EVE = user(7, "Eve")
CLUB = group(40, "Reading club")
FORUM = supergroup(50, "Harbour", is_forum=True)
Open = Callable[..., Telegram]


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[BotApi]:
    net = BotApi(lambda: clock.now().timestamp())
    async with running(net):
        yield net
    assert net.violations == []


@pytest.fixture
def opened(net: BotApi, new_session: SessionMaker) -> Open:
    def open_(settings: dict[str, str] | None = None, **more: Any) -> Telegram:
        more.setdefault("secret", GRANT)
        more.setdefault("user_id", str(BOT))
        session = new_session(net.url, provider="telegram", quota=telegram.PROVIDER.quota, **more)
        session.account = msgspec.structs.replace(session.account, settings=settings or {})
        return Telegram(session)

    return open_


class TelegramRig:
    """A bot with a private chat, a group, and the chats of somebody who attached it. Here Telegram tells everything again."""

    provider = telegram.PROVIDER
    path = ""
    secret = GRANT

    def __init__(self, net: BotApi) -> None:
        self.net = net
        self.server_url = net.url
        self.said: dict[str, str] = {}
        net.patient = True

    def fill(self) -> None:
        self.net.administrators[CLUB["id"]] = [EVE]
        self.net.attach(EVE)
        for number in range(12):
            self._say("user5", self.net.post(private(ADA), ADA, f"News {number}"))
        for number in range(9):
            self._say("chat40", self.net.post(CLUB, BOB, f"Talk {number}"))
        for number in range(6):
            self._say("user7/user6", self.net.post(private(BOB), BOB, f"Order {number}", business_connection_id="biz-1"))

    def _say(self, home: str, said: dict[str, Any]) -> None:
        self.said[f"{home}/{said['message_id']}"] = said["text"]

    def names(self) -> set[str]:
        people = {"user5", "user6", "user7"} if self.said else set()
        return people | set(self.said)

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        self.net.delete("biz-1", private(BOB), 2)
        self.net.administrators[-41] = [EVE]
        self._say("chat41", self.net.post(group(41, "Another"), BOB, "Here, too"))
        del self.said["user7/user6/2"]
        return "user7/user6/2"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return cursor.replace(b"{", b'{"unheard_of":1,', 1)


class TestContract(AdapterContract):
    lasting = False

    @pytest.fixture
    def rig(self, net: BotApi, monkeypatch: pytest.MonkeyPatch) -> TelegramRig:
        monkeypatch.setattr(telegram, "LISTED", 9)
        return TelegramRig(net)

    async def test_everything_arrives_once_over_several_pages(self, rig: Rig, opened: Any) -> None:
        """Telegram does not say how much there is."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item for page in pages for row in page.rows]
        messages = [item.key for item in found if isinstance(item, Message)]
        assert sorted({*messages, *(item.key for item in found if isinstance(item, Contact))}) == sorted(rig.names())
        assert len(messages) == len(set(messages)) == 27
        assert sum(1 for page in pages if page.rows) > 1
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        assert [page.only_copy for page in pages] == [True] * (len(pages) - 1) + [False]


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, net: BotApi, monkeypatch: pytest.MonkeyPatch) -> TelegramRig:
        monkeypatch.setattr(telegram, "LISTED", 9)
        net.forgetful = 0.4
        return TelegramRig(net)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


async def begun(opened: Open) -> bytes | None:
    """The cursor of a bot that has been asked once: from then on Telegram tells what has to be named."""
    return (await run(opened())).cursor


# --- whose it is ----------------------------------------------------------------------------------------------------------


async def test_an_account_is_the_bot_and_says_which_person_uses_it(opened: Open) -> None:
    found = await opened({"own_user_id": "5"}).profile()
    assert (found.user_id, found.label) == (str(BOT), "Harbour (@harbour_bot)")
    assert [each.value for each in found.own_addresses] == [f"user{BOT}@t.me", "user5@t.me"]
    with pytest.raises(Refused, match="number"):
        await opened({"own_user_id": "ada"}).profile()


async def test_a_revoked_token_and_one_that_is_none_ask_for_another(net: BotApi, opened: Open) -> None:
    with pytest.raises(ReauthRequired, match="no bot token"):
        await opened(secret=Secret(access_token="../getMe?x=")).profile()
    assert net.calls == []
    net.token = "777000111:another_token_that_BotFather_made_anew"
    with pytest.raises(ReauthRequired, match="BotFather") as refusal:
        await opened().profile()
    assert TOKEN not in refusal.value.message


# --- each thing once ------------------------------------------------------------------------------------------------------


async def test_nothing_is_confirmed_before_the_page_that_brought_it_is_stored(
    net: BotApi, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "LISTED", 2)
    for number in range(5):
        net.post(private(ADA), ADA, f"News {number}")
    stored, cursor = 0, None
    async for page in opened().pages(None):
        held = [update["message"]["text"] for update in net.waiting()]
        assert held == [f"News {number}" for number in range(stored, 5)]  # all that is not stored is still there
        stored += sum(isinstance(row.item, Message) for row in page.rows)
        cursor = page.cursor
    assert net.waiting() == []
    assert (await run(opened(), cursor)).rows == []


async def test_a_run_that_died_before_it_stored_gets_the_same_again(net: BotApi, opened: Open) -> None:
    net.post(private(ADA), ADA, "Hello")
    first: Page | None = None
    pages = opened().pages(None)
    async for page in pages:
        first = page
        break
    assert first is not None
    again = await run(opened())
    assert [item.text for item in again.all(Message)] == ["Hello"]


async def test_updates_that_somebody_else_got_are_said_to_be_lost(net: BotApi, opened: Open, clock: HandClock) -> None:
    net.post(private(ADA), ADA, "One")
    first = await run(opened())
    for _ in range(3):
        net.post(private(ADA), ADA, "Taken")
        net.updates.clear()  # another program was quicker
    net.post(private(ADA), ADA, "Two")
    second = await run(opened(), first.cursor)
    assert [item.text for item in second.all(Message)] == ["Two"]
    (lost,) = second.all(Unreadable)
    assert (lost.reason, lost.message[:30]) == ("FORBIDDEN", "3 updates of this bot never ca")
    assert (await run(opened(), second.cursor)).all(Unreadable) == [lost]
    clock.time += timedelta(days=8)
    third = await run(opened(), second.cursor)
    assert third.rows == []
    net.number += 1_000_000  # after a quiet week numbers begin anywhere
    net.post(private(ADA), ADA, "Three")
    assert (await run(opened(), third.cursor)).all(Unreadable) == []


async def test_another_program_that_asks_is_named_in_words(net: BotApi, opened: Open, clock: HandClock) -> None:
    conflict = refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
    net.troubled["getUpdates"] = [conflict]  # once: our own watch
    assert (await run(opened())).cursor
    net.troubled["getUpdates"] = [conflict] * 5
    with pytest.raises(Unavailable, match="Another program"):
        await run(opened())
    net.troubled["getUpdates"] = [conflict] * 5
    with pytest.raises(Unavailable, match="Another program"):
        await anext(opened().watch())


async def test_a_webhook_of_somebody_else_is_named_and_left_alone(net: BotApi, opened: Open) -> None:
    net.webhook = {"url": "https://shop.example.com/bot", "secret": "", "most": 40}
    with pytest.raises(Unavailable, match=r"shop\.example\.com"):
        await run(opened())
    with pytest.raises(Refused, match=r"shop\.example\.com"):
        await opened().subscribe("https://kith.example.org/hooks/telegram/x", "secret", None)
    await opened().leave()
    assert net.webhook["url"] == "https://shop.example.com/bot"


async def test_a_watch_hints_at_what_waits_and_confirms_nothing(net: BotApi, opened: Open, clock: HandClock) -> None:
    net.post(private(ADA), ADA, "Hello")
    hints = opened().watch()
    await anext(hints)
    await anext(hints)
    assert len(net.waiting()) == 1
    assert clock.slept == [2.0]
    await hints.aclose()


async def test_a_call_without_the_secret_is_forged() -> None:
    async def judged(secret: str) -> bool:
        call = Call(query={}, headers={"x-telegram-bot-api-secret-token": secret}, body=b'{"update_id":1}')
        return (await telegram.hear(None, call, "right")).hint  # type: ignore[arg-type]  # nobody's session is not looked at

    assert await judged("right")
    for wrong in ("", "Right", "rightt"):
        with pytest.raises(Forged):
            await judged(wrong)


async def test_an_update_that_cannot_be_read_costs_itself_alone(net: BotApi, opened: Open) -> None:
    net.strange = True
    net.post(private(ADA), ADA, "Before")
    net.updates.append((net.number + 1, net.now(), {"update_id": net.number + 1, "message": {"message_id": "x", "text": "\x00"}}))
    net.number += 1
    net.post(private(ADA), ADA, "After")
    found = await run(opened())
    assert [item.text for item in found.all(Message)] == ["Before", "After"]
    (broken,) = found.all(Unreadable)
    assert (broken.outcome, broken.key) == ("FAILED", str(net.number - 1))


# --- chats ----------------------------------------------------------------------------------------------------------------


async def test_ids_of_chats_and_keys_lead_to_each_other() -> None:
    for number in (5, 2**40, -40, -(10**12) - 50, -(10**12) - 2**40):
        assert chat_id(peer(number)) == number
    for key in ("user", "user-5", "channelx", "saved", "user٣", ""):
        assert chat_id(key) is None


async def test_a_private_chat_is_between_the_bot_and_somebody(net: BotApi, opened: Open) -> None:
    said = net.post(private(ADA), ADA, "Hello")
    net.post(private(ADA), ADA, "Again", reply_to_message=said)
    found = await run(opened())
    first, second = found.all(Message)
    assert (first.key, first.conversation_key, first.conversation_kind) == ("user5/1", "user5", "DIRECT")
    assert [(each.role, each.address, each.name) for each in first.participants] == [
        ("FROM", "user5@t.me", "Ada Byron"),
        ("TO", f"user{BOT}@t.me", "Harbour"),
    ]
    assert second.references == (first.internet_message_id,)
    (ada,) = found.all(Contact)
    assert (ada.key, ada.names[0].full, ada.names[0].family) == ("user5", "Ada Byron", "Byron")
    assert (ada.handles[0].handle, ada.url, ada.languages) == ("user5@t.me", "https://t.me/ada_b", ("en",))


async def test_a_group_has_its_title_and_the_members_that_are_given(net: BotApi, opened: Open) -> None:
    cursor = await begun(opened)
    net.administrators[CLUB["id"]] = [EVE, net.bot]
    net.post(CLUB, BOB, "Hello")
    found = await run(opened(), cursor)
    (head,) = found.all(ConversationHead)
    assert (head.key, head.kind, head.subject) == ("chat40", "GROUP", "Reading club")
    assert {each.key for each in head.participants} == {"user6", "user7"}
    net.join(CLUB, ADA)
    net.join(CLUB, EVE, "left")
    net.post(CLUB, BOB, None, new_chat_title="Writing club")
    net.post(group(40, "Writing club"), BOB, None, left_chat_member=ADA)
    heads = (await run(opened(), found.cursor)).all(ConversationHead)
    members = [sorted(each.key for each in head.participants) for head in heads]
    assert members == [["user5", "user6", "user7"], ["user5", "user6"], ["user5", "user6"], ["user6"]]
    assert heads[-1].subject == "Writing club"
    assert net.calls.count("getChatAdministrators") == 1


async def test_a_topic_of_a_forum_is_a_conversation_of_its_own(net: BotApi, opened: Open) -> None:
    net.administrators[FORUM["id"]] = []
    topic = {"message_thread_id": 3, "is_topic_message": True}
    net.post(FORUM, ADA, None, forum_topic_created={"name": "Boats", "icon_color": 1}, **topic)
    net.post(FORUM, ADA, "In the topic", **topic)
    net.post(FORUM, BOB, "In general")
    net.post(FORUM, BOB, "In a thread of answers", message_thread_id=9)
    found = await run(opened())
    places = [(item.conversation_key, item.conversation_kind) for item in found.all(Message)]
    assert places == [("channel50/3", "THREAD"), ("channel50", "GROUP"), ("channel50", "GROUP")]
    assert [(head.key, head.kind, head.subject) for head in found.all(ConversationHead)] == [
        ("channel50/3", "THREAD", "Harbour › Boats"),
        ("channel50", "GROUP", "Harbour"),
    ]
    net.post(FORUM, ADA, None, forum_topic_edited={"name": "Ships"}, **topic)
    heads = (await run(opened(), found.cursor)).all(ConversationHead)
    assert [head.subject for head in heads] == ["Harbour › Ships", "Harbour"]


async def test_a_channels_posts_are_nobodys_letters(net: BotApi, opened: Open) -> None:
    net.post(channel(60, "Harbour news"), None, "High water at nine")
    found = await run(opened())
    (post,) = found.all(Message)
    assert (post.key, post.conversation_kind, post.category) == ("channel60/1", "CHANNEL", "NEWSLETTER")
    assert [each.address for each in post.participants] == ["channel60@t.me"]
    assert [each.nature for each in found.all(Contact)] == ["GROUP"]
    assert found.all(ConversationHead)[0].subject == "Harbour news"


async def test_business_chats_are_between_their_owner_and_others(net: BotApi, opened: Open) -> None:
    net.attach(EVE)
    net.post(private(BOB), BOB, "One loaf, please", business_connection_id="biz-1")
    net.post(private(BOB), EVE, "With pleasure", business_connection_id="biz-1")
    net.post(private(BOB), BOB, "Something else")  # to the bot itself
    found = await run(opened())
    order, answer, other = found.all(Message)
    assert (order.key, order.conversation_key, order.conversation_kind) == ("user7/user6/1", "user6@biz-1", "DIRECT")
    assert [(each.role, each.key) for each in order.participants] == [("FROM", "user6"), ("TO", "user7")]
    assert [(each.role, each.key) for each in answer.participants] == [("FROM", "user7"), ("TO", "user6")]
    assert (other.key, other.conversation_key) == ("user6/3", "user6")
    net.edit({**net_message(3, private(BOB), BOB, "x"), "business_connection_id": "biz-1", "message_id": 1}, text="Two loaves")
    net.delete("biz-1", private(BOB), 1, 2)
    later = await run(opened(), found.cursor)
    assert [(item.key, item.text) for item in later.all(Message)] == [("user7/user6/1", "Two loaves")]
    assert [(item.kind, item.key, item.deleted_at) for item in later.all(Gone)] == [
        ("MESSAGE", "user7/user6/1", None),
        ("MESSAGE", "user7/user6/2", None),
    ]


def net_message(number: int, chat: dict[str, Any], sender: dict[str, Any], text: str) -> dict[str, Any]:
    return {"message_id": number, "date": 1_777_896_000, "chat": chat, "from": sender, "text": text}


async def test_business_chats_are_known_whoever_tells_of_them_first(net: BotApi, opened: Open) -> None:
    net.connections["biz-2"] = {
        "id": "biz-2", "user": EVE, "user_chat_id": 7, "date": 1, "is_enabled": True, "rights": {},
    }  # fmt: skip
    net.post(private(BOB), BOB, "Hello", business_connection_id="biz-2")
    assert [item.key for item in (await run(opened())).all(Message)] == ["user7/user6/1"]


async def test_a_group_that_becomes_a_supergroup_goes_on(net: BotApi, opened: Open, clock: HandClock) -> None:
    net.administrators |= {CLUB["id"]: [], supergroup(55, "")["id"]: []}
    net.post(CLUB, BOB, "Before")
    first = await run(opened())
    bigger = supergroup(55, "Reading club")
    net.post(CLUB, BOB, None, migrate_to_chat_id=bigger["id"])
    net.post(bigger, BOB, None, migrate_from_chat_id=CLUB["id"])
    net.post(bigger, BOB, "After")
    second = await run(opened(), first.cursor)
    (after,) = second.all(Message)
    assert (after.key, after.conversation_key) == ("channel55/2", "chat40")
    assert second.all(ConversationHead) == []  # it is the conversation that it was
    net.migrated[CLUB["id"]] = bigger["id"]
    sent = await opened().say(OutgoingChat(id="1", conversation="chat40", text="Me, too", answers="channel55/2"), noted)
    assert (sent.fate, sent.key) == ("TAKEN", "channel55/3")
    assert [each["chat_id"] for each in net.sent] == [bigger["id"]]


# --- what changes ---------------------------------------------------------------------------------------------------------


async def test_an_edited_message_is_the_same_one(net: BotApi, opened: Open, clock: HandClock) -> None:
    said = net.post(private(ADA), ADA, "Helo")
    clock.time += timedelta(minutes=1)
    net.edit(said, text="Hello")
    first, second = (await run(opened())).all(Message)
    assert (first.key, first.edited_at) == (second.key, None)
    assert (second.text, second.edited_at, second.sent_at) == ("Hello", clock.time, first.sent_at)


async def test_reactions_come_and_go(net: BotApi, opened: Open) -> None:
    cursor = await begun(opened)
    net.administrators[CLUB["id"]] = []
    said = net.post(CLUB, ADA, "Cake?")
    net.react(said, BOB, [], ["👍", "🔥"])
    net.react(said, BOB, ["👍", "🔥"], ["👍"])
    found = await run(opened(), cursor)
    given = found.all(Reacted)
    assert [(each.message, each.reaction.emoji, each.reaction.participant.key) for each in given] == [
        ("chat40/1", "👍", "user6"),
        ("chat40/1", "🔥", "user6"),
    ]
    (gone,) = found.all(Gone)
    assert (gone.kind, gone.key) == ("REACTION", given[1].reaction.key)


async def test_counted_reactions_are_as_many_as_were_told_last(net: BotApi, opened: Open) -> None:
    cursor = await begun(opened)
    news = channel(60, "Harbour news")
    said = net.post(news, None, "High water")

    def count(**signs: int) -> None:
        counted = [{"type": {"type": "emoji", "emoji": sign}, "total_count": number} for sign, number in signs.items()]
        net.push(
            "message_reaction_count",
            {"chat": news, "message_id": said["message_id"], "date": int(net.now()), "reactions": counted},
        )

    count(**{"👍": 3, "🔥": 1})
    first = await run(opened(), cursor)
    assert [(each.reaction.emoji, each.reaction.count) for each in first.all(Reacted)] == [("👍", 3), ("🔥", 1)]
    count(**{"👍": 4})
    second = await run(opened(), first.cursor)
    assert [(each.reaction.emoji, each.reaction.count) for each in second.all(Reacted)] == [("👍", 4)]
    assert [each.key for each in second.all(Gone)] == [first.all(Reacted)[1].reaction.key]


# --- what is said ---------------------------------------------------------------------------------------------------------


async def test_links_say_where_they_lead_by_utf_16_offsets(net: BotApi, opened: Open) -> None:
    link = {"type": "text_link", "offset": 3, "length": 4, "url": "https://harbour.example/"}
    bold = {"type": "bold", "offset": 0, "length": 2}
    net.post(private(ADA), ADA, "🚢 here, or there", entities=[bold, link])
    net.post(private(ADA), ADA, "x", entities=[{**link, "offset": 900}, {**link, "offset": -5, "length": 2}])
    first, second = (await run(opened())).all(Message)
    assert first.text == "🚢 here (https://harbour.example/), or there"
    assert second.text.startswith("x") or second.text.endswith("x")


async def test_what_has_no_text_says_what_it_is_and_service_messages_nothing(net: BotApi, opened: Open) -> None:
    net.post(private(ADA), ADA, contact={"phone_number": "+442079460000", "first_name": "Grace", "last_name": "Hopper"})
    net.post(private(ADA), ADA, location={"latitude": 51.5, "longitude": -0.1})
    net.post(private(ADA), ADA, dice={"emoji": "🎲", "value": 6})
    net.post(private(ADA), ADA, sticker={
        "file_id": "s", "file_unique_id": "s", "type": "regular", "width": 1, "height": 1, "is_animated": False, "is_video": False, "emoji": "🙂",
    })  # fmt: skip
    net.post(private(ADA), ADA, pinned_message={"chat": private(ADA), "message_id": 1, "date": 0})
    found = (await run(opened())).all(Message)
    assert [item.text for item in found] == ["Grace Hopper +442079460000", "51.5, -0.1", "🎲 6", "🙂"]
    assert [item.attachment_count for item in found] == [0, 0, 0, 1]


async def test_files_are_named_and_their_bytes_come_when_asked_up_to_20_mb(net: BotApi, opened: Open) -> None:
    sizes = [{"file_id": f"p{n}", "file_unique_id": "p", "width": n, "height": n, "file_size": n} for n in (90, 800)]
    document = {
        "file_id": "d1",
        "file_unique_id": "d",
        "file_name": "../plan.pdf",
        "mime_type": "application/pdf",
        "file_size": 9,
    }
    net.post(private(ADA), ADA, photo=sizes, caption="Look")
    net.post(private(ADA), ADA, document=document)
    net.files |= {"p800": b"picture", "d1": b"%PDF-1.7 "}
    photo, pdf = (await run(opened())).all(Message)
    assert (photo.text, photo.attachments[0].part, photo.attachments[0].media_type) == ("Look", "p800", "image/jpeg")
    assert (pdf.body_state, pdf.attachments[0].name, pdf.attachments[0].size) == ("EMPTY", "plan.pdf", 9)
    assert b"".join([piece async for piece in opened().part(pdf.key, "d1")]) == b"%PDF-1.7 "
    net.files["big"] = b"x" * (20 * 1024 * 1024 + 1)
    for part, code in (("big", "too-large"), ("none", "400")):
        with pytest.raises(Refused) as refusal:
            await anext(aiter(opened().part(pdf.key, part)))
        assert refusal.value.provider_code == code


# --- sending --------------------------------------------------------------------------------------------------------------


async def noted(step: bytes) -> None:
    assert step


async def test_a_message_goes_to_its_chat_or_topic_and_names_what_it_answers(net: BotApi, opened: Open, clock: HandClock) -> None:
    sent = await opened().say(OutgoingChat(id="1", conversation="channel50/3", text="Aye", answers="channel50/7"), noted)
    assert (sent.fate, sent.key) == ("TAKEN", "channel50/1")
    clock.time += timedelta(seconds=2)
    sent = await opened().say(OutgoingChat(id="2", conversation="user5", text="<b>Hello</b> & *you*"), noted)
    assert (sent.fate, sent.key) == ("TAKEN", "user5/1")
    assert net.sent == [
        {
            "chat_id": FORUM["id"], "text": "Aye", "message_thread_id": 3,
            "reply_parameters": {"message_id": 7, "allow_sending_without_reply": True},
        },
        {"chat_id": 5, "text": "<b>Hello</b> & *you*"},
    ]  # fmt: skip


async def test_in_business_chats_it_writes_for_their_owner_where_that_is_allowed(net: BotApi, opened: Open) -> None:
    net.attach(EVE)
    order = OutgoingChat(id="1", conversation="user6@biz-1", text="Soon", answers="user7/user6/1")
    sent = await opened().say(order, noted)
    assert (sent.fate, sent.key) == ("TAKEN", "user7/user6/1")
    assert (net.sent[0]["business_connection_id"], net.sent[0]["reply_parameters"]["message_id"]) == ("biz-1", 1)
    net.attach(EVE, can_reply=False)
    with pytest.raises(Refused, match="may not write"):
        await opened().say(order, noted)
    net.attach(EVE, enabled=False)
    with pytest.raises(Refused, match="no longer attached"):
        await opened().say(order, noted)
    assert len(net.sent) == 1


async def test_what_cannot_be_sent_is_refused_before_anything_leaves(net: BotApi, opened: Open) -> None:
    for conversation, text, word in (("user5", "x" * 4097, "4,096"), ("user5", "🚢" * 2049, "4,096"), ("saved", "x", "no chat")):
        with pytest.raises(Refused, match=word):
            await opened().say(OutgoingChat(id="1", conversation=conversation, text=text), noted)
    net.blocked.add(5)
    with pytest.raises(Refused, match="blocked by the user"):
        await opened().say(OutgoingChat(id="1", conversation="user5", text="x"), noted)
    assert net.sent == []


async def test_a_second_message_within_a_second_waits_as_long_as_telegram_says(
    net: BotApi, opened: Open, clock: HandClock
) -> None:
    await opened().say(OutgoingChat(id="1", conversation="user5", text="One"), noted)
    with pytest.raises(RateLimited) as refusal:
        await opened().say(OutgoingChat(id="2", conversation="user5", text="Two"), noted)
    assert refusal.value.retry_at == clock.now() + timedelta(seconds=3)
    assert len(net.sent) == 1


async def test_after_a_cut_nobody_can_tell(net: BotApi, opened: Open) -> None:
    net.cuts.append(Answer(502, b"Bad Gateway"))
    message = OutgoingChat(id="1", conversation="user5", text="One")
    assert (await opened().say(message, noted)).fate == "UNKNOWN"
    assert (await opened().was_said(message, b"sent")).fate == "UNKNOWN"
    assert net.calls.count("sendMessage") == 1


async def test_what_the_bot_wrote_is_edited_and_deleted_as_often_as_one_likes(
    net: BotApi, opened: Open, clock: HandClock
) -> None:
    sent = await opened().say(OutgoingChat(id="1", conversation="channel50/3", text="Ay"), noted)
    assert sent.key == "channel50/1"
    change = OutgoingEdit(id="2", conversation="channel50/3", message=sent.key, text="Aye", at=clock.now())
    assert await opened().edit(change, again=False) == clock.now()
    assert await opened().edit(change, again=True) is None
    assert net.own[FORUM["id"], 1]["text"] == "Aye"
    with pytest.raises(Refused, match="can't be edited"):
        await opened().edit(msgspec.structs.replace(change, message="channel50/7"), again=False)
    with pytest.raises(Refused, match="4,096"):
        await opened().edit(msgspec.structs.replace(change, text="x" * 4097), again=False)
    deletion = OutgoingDeletion(id="3", conversation="channel50/3", message=sent.key, everyone=True)
    clock.time += timedelta(hours=49)
    with pytest.raises(Refused, match="48 hours"):
        await opened().delete(deletion)
    clock.time -= timedelta(hours=9)
    for _ in range(2):
        assert await opened().delete(deletion) == Gone(kind="MESSAGE", key=sent.key)
    assert net.own == {}
    net.attach(EVE)
    await opened().delete(msgspec.structs.replace(deletion, conversation="user6@biz-1", message="user7/user6/4"))
    assert net.removed == [4]


async def test_a_reaction_is_the_bots_only_one_and_can_be_taken_back(net: BotApi, opened: Open) -> None:
    given = OutgoingReaction(id="1", conversation="chat40", message="chat40/1", emoji="👍")
    assert await opened().react(given) == f"chat40/1\nuser{BOT}\n👍"
    assert await opened().react(msgspec.structs.replace(given, remove=True)) is None
    assert [each["reaction"] for each in net.reacted] == [[{"type": "emoji", "emoji": "👍"}], []]
    with pytest.raises(Refused, match="takes no 🦀"):
        await opened().react(msgspec.structs.replace(given, emoji="🦀"))
    with pytest.raises(Refused, match="attached"):
        await opened().react(msgspec.structs.replace(given, message="user7/user6/1"))
