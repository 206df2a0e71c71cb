"""Discord against a stub held to its API's description, which counts calls: servers, channels, messages, limits, the line, sending."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers.discord import adapter as discord
from providers.discord import api as discord_api
from providers.discord import line as discord_line
from providers.discord.adapter import Discord
from providers.discord.rooms import Position
from providers.errors import Conflict, ProviderError, RateLimited, ReauthRequired, Refused
from providers.records import (
    Contact,
    ConversationHead,
    Gone,
    Message,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingFile,
    OutgoingReaction,
    Unreadable,
)
from providers.session import Secret
from tests.patience import PATIENCE
from tests.providers import discord_stub
from tests.providers.conftest import NOON, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Rig
from tests.providers.discord_stub import CONTENT, GUILD, ME, PEOPLE, problem, running
from tests.providers.stub_http import Answer

GRANT = Secret(access_token="token-1")
THEN = NOON.timestamp() - 86_400 * 30
LATELY = NOON.timestamp() - 3_600
ADA, BO = "100000000000000001", "100000000000000002"
HALL, DECK, CHAT = "700000000000000001", "700000000000000002", "700000000000000003"
LIST = "/channels/{channel_id}/messages"
Open = Callable[..., Discord]


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[discord_stub.Discord]:
    net = discord_stub.Discord(lambda: clock.now().timestamp())
    async with running(net):
        yield net
    assert net.violations == []


@pytest.fixture
def boats(net: discord_stub.Discord) -> discord_stub.Discord:
    """A server with two members and two channels."""
    net.guild()
    net.member(ADA, "ada", global_name="Ada Ray", avatar="a1b2")
    net.member(BO, "bo")
    net.channel(HALL)
    net.channel(DECK, "deck")
    return net


@pytest.fixture
def opened(net: discord_stub.Discord, new_session: SessionMaker) -> Open:
    def open_(**more: Any) -> Discord:
        more.setdefault("secret", GRANT)
        more.setdefault("quota", discord.PROVIDER.quota)
        return Discord(new_session(net.url, provider="discord", user_id=ME, **more))

    return open_


class DiscordRig:
    """Twenty-three members, a channel and a thread."""

    provider = msgspec.structs.replace(discord.PROVIDER, quota=None)
    path = ""
    secret = GRANT

    def __init__(self, net: discord_stub.Discord, clock: HandClock) -> None:
        self.net = net
        self.clock = clock
        self.server_url = net.url
        net.lenient = True  # faults are tried by the thousand within no time: limits are tried for themselves

    def fill(self) -> None:
        self.net.guild()
        for number in range(23):
            self.net.member(str(100_000_000_000_000_001 + number))
        self.net.channel(HALL)
        self.net.thread(CHAT, HALL)
        for number in range(7):
            self.net.say(HALL, ADA if number % 2 else ME, f"News {number}", THEN + number)
        self.net.say(CHAT, ADA, "In a thread", THEN + 60)

    def names(self) -> set[str]:
        return self.net.keys()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        """Members are looked at again after six hours."""
        self.clock.time += timedelta(hours=7)
        del self.net.members[GUILD][BO]
        return BO

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = msgspec.json.decode(cursor, type=Position)
        place.walk = f"{int(GUILD) + 5}/7"
        return msgspec.json.encode(place)


class TestContract(AdapterContract):
    lasting = False

    @pytest.fixture
    def rig(self, net: discord_stub.Discord, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> DiscordRig:
        monkeypatch.setattr(discord, "LISTED", 15)
        monkeypatch.setattr(discord, "SAID", 4)
        return DiscordRig(net, clock)

    async def test_everything_arrives_once_over_several_pages(self, rig: Rig, opened: Any) -> None:
        """Discord does not say how many messages there are."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert sorted(item.key for item in found) == sorted(rig.names())
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        stated = {statement.container: statement.expected for page in pages for statement in page.statements}
        assert stated == {"members": 23, HALL: None, CHAT: None}


class Run:
    """What a run gave."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.cursor: bytes | None = None

    def all(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.rows if isinstance(item, kind)]

    def texts(self) -> list[str]:
        return [item.text for item in self.all(Message)]


async def run(adapter: Discord, cursor: bytes | None = None) -> Run:
    found = Run()
    async for page in adapter.pages(cursor):
        found.rows += [row.item for row in page.rows]
        found.cursor = page.cursor
    return found


def asked(net: discord_stub.Discord, call: str) -> list[str]:
    """The channels or servers that a call was made for."""
    return [major for _, name, major in net.calls if name == call]


# --- people and places ----------------------------------------------------------------------------------------------------


async def test_every_field_of_a_member_arrives_under_the_key_of_the_package(boats: discord_stub.Discord, opened: Open) -> None:
    boats.member(ADA, nick="Captain")
    boats.member("100000000000000009", "helper", bot=True)
    found = {each.key: each for each in (await run(opened())).all(Contact)}
    assert set(found) == {ADA, BO}
    ada = found[ADA]
    assert (ada.relation, ada.names[0].full, ada.names[0].nickname) == ("MEMBER", "Ada Ray", "Captain")
    assert (ada.handles[0].handle, ada.url) == ("ada@discord.com", f"https://discord.com/users/{ADA}")
    assert ada.photo.url == f"https://cdn.discordapp.com/avatars/{ADA}/a1b2.png?size=256"
    assert ada.created_at == datetime(2024, 5, 1, 10, tzinfo=UTC)


async def test_who_is_in_two_servers_is_one_contact_and_stays_until_gone_from_both(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    other = boats.guild("800000000000000002", "Trains")
    boats.member(ADA, guild=other)
    first = await run(opened())
    assert sorted(each.key for each in first.all(Contact)) == [ADA, BO]
    del boats.members[GUILD][ADA]
    clock.time += timedelta(hours=7)
    assert sorted(each.key for each in (await run(opened(), first.cursor)).all(Contact)) == [ADA, BO]


async def test_the_account_is_the_bots_and_a_persons_token_is_refused(net: discord_stub.Discord, opened: Open) -> None:
    profile = await opened().profile()
    assert (profile.user_id, profile.label, profile.own_addresses[0].value) == (ME, "kithbot (bot)", "kithbot@discord.com")
    del net.me["bot"]
    with pytest.raises(Refused, match="forbids"):
        await opened().profile()


async def test_a_token_may_be_pasted_with_the_word_before_it_and_other_texts_are_none(
    net: discord_stub.Discord, opened: Open
) -> None:
    assert (await opened(secret=Secret(access_token=" Bot token-1 ")).profile()).user_id == ME
    with pytest.raises(ReauthRequired):
        await opened(secret=Secret(access_token="two words")).profile()


async def test_channels_threads_and_archived_threads_are_read_with_their_names(boats: discord_stub.Discord, opened: Open) -> None:
    boats.channel("700000000000000008", "voice", kind=2)
    boats.channel("700000000000000009", "forum", kind=15)
    boats.thread("700000000000000010", HALL, "Sails")
    boats.thread("700000000000000011", "700000000000000009", "Old ropes", archived=THEN)
    for channel in (HALL, "700000000000000008", "700000000000000010", "700000000000000011"):
        boats.say(channel, ADA, "Hello", THEN)
    found = await run(opened())
    assert {(each.key, each.kind, each.subject) for each in found.all(ConversationHead)} == {
        (HALL, "CHANNEL", "general (Boats)"),
        ("700000000000000008", "CHANNEL", "voice (Boats)"),
        ("700000000000000010", "THREAD", "Sails (Boats)"),
        ("700000000000000011", "THREAD", "Old ropes (Boats)"),
    }
    assert len(found.texts()) == 4


async def test_many_archived_threads_are_listed_once_and_later_only_what_is_new(
    boats: discord_stub.Discord, opened: Open, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord, "SHELF", 2)
    for number in range(5):
        boats.say(
            boats.thread(str(710_000_000_000_000_000 + number), HALL, archived=THEN + number),
            ADA,
            f"Talk {number}",
            THEN + number,
        )
    first = await run(opened())
    assert sorted(first.texts()) == [f"Talk {number}" for number in range(5)]
    clock.time += timedelta(hours=7)
    boats.calls.clear()
    boats.say(boats.thread("720000000000000000", HALL, archived=NOON.timestamp()), ADA, "Missed", NOON.timestamp() - 9)
    assert (await run(opened(), first.cursor)).texts() == ["Missed"]
    assert asked(boats, "GET /channels/{channel_id}/threads/archived/public").count(HALL) == 1


async def test_a_deleted_channel_goes_and_one_of_a_server_that_was_left_stays(boats: discord_stub.Discord, opened: Open) -> None:
    boats.say(HALL, ADA, "Hello", THEN)
    boats.say(DECK, ADA, "Hello", THEN)
    other = boats.guild("800000000000000002", "Trains")
    boats.say(boats.channel(CHAT, "track", guild=other), ADA, "Hello", THEN)
    first = await run(opened())
    del boats.channels[DECK], boats.guilds[other]
    assert (await run(opened(), first.cursor)).all(Gone) == [Gone(kind="CONVERSATION", key=DECK)]


# --- messages -------------------------------------------------------------------------------------------------------------


async def test_a_message_has_its_text_files_people_and_what_it_answers(boats: discord_stub.Discord, opened: Open) -> None:
    question = boats.say(HALL, BO, "Tea?", THEN)
    file = {
        "id": "1",
        "filename": "a/b.jpg",
        "size": 9,
        "url": f"{boats.url}/cdn/b.jpg",
        "proxy_url": "x",
        "content_type": "image/jpeg",
    }
    number = boats.say(
        HALL, ADA, f"<@{BO}> in <#{DECK}> at <t:1777896000:f> <a:party:123456789012345678> <@&5>", THEN + 1, type=19, attachments=[file],
        mentions=[boats.users[BO]], message_reference={"type": 0, "channel_id": HALL, "message_id": question},
        edited_timestamp="2026-05-01T00:00:00+00:00",
    )  # fmt: skip
    boats.say(HALL, ADA, "", THEN + 2, type=7)  # somebody has joined
    boats.files["/cdn/b.jpg"] = b"a picture"
    adapter = opened()
    found = {each.key: each for each in (await run(adapter)).all(Message)}
    assert set(found) == {question, number}
    said = found[number]
    assert said.text == "@bo in #deck at 2026-05-04 12:00 UTC :party: @role"
    assert said.references == (found[question].internet_message_id,)
    assert (said.sent_at, said.edited_at) == (datetime.fromtimestamp(THEN + 1, UTC), datetime(2026, 5, 1, tzinfo=UTC))
    assert [(each.role, each.address, each.key, each.name) for each in said.participants] == [
        ("FROM", "ada@discord.com", ADA, "Ada Ray")
    ]
    assert (said.attachments[0].name, said.attachments[0].media_type, said.attachments[0].size) == ("b.jpg", "image/jpeg", 9)
    assert b"".join([piece async for piece in adapter.part(number, said.attachments[0].part)]) == b"a picture"
    boats.delete(HALL, number)
    with pytest.raises(Refused):
        await anext(adapter.part(number, said.attachments[0].part))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"embeds": [{"type": "rich", "title": "Build", "description": "failed"}]}, "Build\nfailed"),
        ({"embeds": [{"type": "link", "title": "A page"}]}, ""),
        ({"poll": {"question": {"text": "Tea or coffee?"}}}, "Tea or coffee?"),
        ({"sticker_items": [{"id": "1", "name": "Wave", "format_type": 1}]}, ":Wave:"),
    ],
    ids=["program", "preview", "poll", "sticker"],
)
async def test_what_stands_in_the_place_of_a_text_is_shown(
    boats: discord_stub.Discord, opened: Open, more: dict[str, Any], text: str
) -> None:
    boats.say(HALL, ADA, "", THEN, **more)
    assert (await run(opened())).texts() == [text]


async def test_reactions_are_named_where_they_are_few_and_new_and_counted_else(boats: discord_stub.Discord, opened: Open) -> None:
    old, new = boats.say(HALL, ADA, "Old", THEN), boats.say(HALL, ADA, "New", LATELY)
    for number in (old, new):
        boats.react(HALL, number, ADA, "👍")
        boats.react(HALL, number, ME, "👍")
        boats.react(HALL, number, BO, "party", "123456789012345678")
    found = {each.key: each.reactions for each in (await run(opened())).all(Message)}

    def signs(number: str) -> list[tuple[str, str | None, int]]:
        return [(each.emoji, each.participant and each.participant.key, each.count) for each in found[number]]

    assert signs(new) == [("👍", ADA, 1), ("👍", ME, 1), (":party:", BO, 1)]
    assert signs(old) == [("👍", ME, 1), ("👍", None, 1), (":party:", None, 1)]


async def test_only_channels_with_news_are_asked_and_only_for_what_is_newer(boats: discord_stub.Discord, opened: Open) -> None:
    for channel in (HALL, DECK):
        boats.say(channel, ADA, "Hello", THEN)
    first = await run(opened())
    for number in range(3):
        boats.say(DECK, ADA, f"News {number}", THEN + 9 + number)
    boats.calls.clear()
    assert sorted((await run(opened(), first.cursor)).texts()) == ["News 0", "News 1", "News 2"]
    assert asked(boats, f"GET {LIST}") == [DECK]


async def test_without_a_line_edits_and_deletions_of_lively_channels_are_found_within_an_hour(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    kept, gone = boats.say(HALL, ADA, "Tea", LATELY), boats.say(HALL, ADA, "Oops", LATELY)
    first = await run(opened())
    boats.edit(HALL, kept, "Coffee")
    boats.delete(HALL, gone)
    assert (await run(opened(), first.cursor)).texts() == []
    clock.time += timedelta(hours=1, minutes=1)
    later = await run(opened(), first.cursor)
    assert (later.texts(), later.all(Gone)) == (["Coffee"], [Gone(kind="MESSAGE", key=gone)])


# --- what is withheld -----------------------------------------------------------------------------------------------------


async def test_without_the_privileged_intents_the_account_says_what_to_switch_on_and_reads_all_again_afterwards(
    boats: discord_stub.Discord, opened: Open
) -> None:
    boats.flags = 0
    boats.say(HALL, ADA, "Tea?", THEN)
    boats.say(HALL, ME, "Yes.", THEN + 1)
    first = await run(opened())
    assert {each.key for each in first.all(Unreadable) if each.reason == "FORBIDDEN"} == {"content", "members"}
    assert all("Intent" in each.message for each in first.all(Unreadable))
    assert {(each.text, each.body_state) for each in first.all(Message)} == {("", "NOT_FETCHED"), ("Yes.", "AVAILABLE")}
    boats.flags = PEOPLE | CONTENT
    later = await run(opened(), first.cursor)
    assert (sorted(later.texts()), later.all(Unreadable), len(later.all(Contact))) == (["Tea?", "Yes."], [], 2)


async def test_a_channel_that_is_closed_to_the_bot_is_named_and_knocked_at_once_a_day(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    boats.say(HALL, ADA, "Hello", THEN)
    boats.say(DECK, ADA, "Secret", THEN)
    boats.close(DECK)
    found = await run(opened())
    for _ in range(3):
        clock.time += timedelta(hours=1)
        found = await run(opened(), found.cursor)
        (said,) = found.all(Unreadable)
        assert said.reason == "FORBIDDEN"
        assert "deck (Boats)" in said.message
    assert asked(boats, f"GET {LIST}").count(DECK) == 1
    boats.closed.clear()
    clock.time += timedelta(days=1)
    later = await run(opened(), found.cursor)
    assert (later.texts(), later.all(Unreadable)) == (["Secret"], [])


# --- limits ---------------------------------------------------------------------------------------------------------------


async def test_no_bucket_is_overdrawn_and_each_channel_has_its_own(
    boats: discord_stub.Discord, opened: Open, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord, "SAID", 2)
    for number in range(24):
        boats.say(HALL, ADA, f"Hall {number}", THEN + number)
        boats.say(DECK, ADA, f"Deck {number}", THEN + number)
    found = await run(opened())
    assert len(set(found.texts())) == 48
    assert sum(clock.slept) < 20  # two buckets side by side: one for both would have taken twice as long
    again = await run(opened(), found.cursor)  # another run knows what the one before has used up
    assert again.texts() == []


async def test_a_limit_is_waited_out_as_long_as_discord_says_and_a_long_one_ends_the_run(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 3.5, "global": False}
    boats.troubled = {"/users/@me": [Answer(429, limited, X_RateLimit_Scope="shared"), Answer(429, limited | {"global": True})]}
    await opened().profile()
    assert clock.slept == [3.5, 3.5]
    boats.troubled = {"/users/@me": [Answer(429, limited | {"retry_after": 600.25})]}
    with pytest.raises(RateLimited) as refusal:
        await opened().profile()
    assert refusal.value.retry_at == clock.now() + timedelta(seconds=600.25)
    calls = len(boats.calls)
    with pytest.raises(RateLimited):
        await opened().profile()
    assert len(boats.calls) == calls


async def test_after_a_global_limit_nothing_at_all_is_asked(boats: discord_stub.Discord, opened: Open) -> None:
    boats.troubled = {"/users/@me": [Answer(429, {"message": "No.", "retry_after": 99, "global": True})]}
    with pytest.raises(RateLimited):
        await opened().profile()
    with pytest.raises(RateLimited):
        await run(opened())
    assert boats.calls == []


async def test_long_before_refused_calls_close_the_address_nothing_is_asked_any_more(
    boats: discord_stub.Discord, opened: Open, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord_api, "INVALID", 3)
    boats.troubled = {"/users/@me": [problem(403, 40002)] * 5}
    for _ in range(3):
        with pytest.raises(Refused):
            await opened().profile()
    with pytest.raises(RateLimited) as refusal:
        await opened().profile()
    assert refusal.value.retry_at == NOON + timedelta(minutes=10)
    assert len(boats.troubled["/users/@me"]) == 2
    clock.time += timedelta(minutes=11)
    boats.troubled.clear()
    assert (await opened().profile()).user_id == ME


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (problem(401, 0, "401: Unauthorized"), ReauthRequired, "reset it at"),
        (problem(403, 40002, "You need to verify your account"), Refused, "verify your account"),
        (Answer(429, b"<html>error code: 1015</html>", Retry_After="900"), RateLimited, "no more calls"),
        (problem(400, 50035, "Invalid Form Body"), Refused, "Invalid Form Body"),
    ],
)
async def test_each_refusal_says_what_to_do(
    net: discord_stub.Discord, opened: Open, answer: Answer, kind: type[ProviderError], words: str
) -> None:
    net.troubled = {"/users/@me": [answer]}
    with pytest.raises(kind, match=words):
        await opened().profile()


# --- the line -------------------------------------------------------------------------------------------------------------


class Watched:
    """A line that is open, and the account behind it."""

    def __init__(self, adapter: Discord, net: discord_stub.Discord) -> None:
        self.net = net
        self._adapter = adapter
        self._hints = adapter.watch()

    async def hint(self) -> None:
        await asyncio.wait_for(anext(self._hints), PATIENCE)

    async def heard(self) -> None:
        """Until all that was told so far has come: one hint is enough for several events, of which the last may come after it."""
        ((_, events),) = self.net.gateway.sessions.values()
        news = (await discord_api.bot_of(self._adapter._session)).news
        async with asyncio.timeout(PATIENCE):
            while news.number < len(events):
                assert news.session, "the line has ended"
                await asyncio.sleep(0.005)

    async def run(self, cursor: bytes | None) -> Run:
        return await run(self._adapter, cursor)

    async def aclose(self) -> None:
        await self._hints.aclose()


@pytest.fixture
async def line(boats: discord_stub.Discord, opened: Open, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(discord_line, "TOGETHER", 0.01)
    monkeypatch.setattr(discord_line, "EVERY", 0.0)
    async with aclosing(Watched(opened(), boats)) as watched:
        yield watched


async def until(net: discord_stub.Discord, holds: Callable[[], bool]) -> None:
    """Waits for the stub to see something."""
    while not holds():
        net.gateway.told.clear()
        if not holds():
            await asyncio.wait_for(net.gateway.told.wait(), PATIENCE)


async def test_a_new_message_is_a_hint_and_takes_one_call(line: Watched) -> None:
    line.net.say(HALL, ADA, "Before", THEN)
    await line.hint()
    first = await line.run(None)
    line.net.say(HALL, ADA, "Now", NOON.timestamp())
    await line.hint()
    line.net.calls.clear()
    assert (await line.run(first.cursor)).texts() == ["Now"]
    assert [name for _, name, _ in line.net.calls] == [f"GET {LIST}"]


async def test_edits_deletions_and_reactions_of_old_messages_arrive_by_the_line(line: Watched) -> None:
    edited, gone, liked = (line.net.say(HALL, ADA, text, THEN) for text in ("Tea", "Oops", "Good"))
    await line.hint()
    first = await line.run(None)
    line.net.edit(HALL, edited, "Coffee")
    line.net.delete(HALL, gone)
    line.net.react(HALL, liked, BO, "👍")
    await line.hint()
    await line.heard()
    later = await line.run(first.cursor)
    found = {each.key: each for each in later.all(Message)}
    assert (found[edited].text, later.all(Gone)) == ("Coffee", [Gone(kind="MESSAGE", key=gone)])
    assert [each.participant.key for each in found[liked].reactions] == [BO]
    assert (await line.run(later.cursor)).rows == []


async def test_a_direct_message_to_the_bot_is_met_by_the_line(line: Watched) -> None:
    await line.hint()
    first = await line.run(None)
    line.net.say(line.net.channel(CHAT, kind=1, user=ADA), ADA, "Psst", NOON.timestamp())
    await line.hint()
    later = await line.run(first.cursor)
    (said,), (head,) = later.all(Message), later.all(ConversationHead)
    assert (said.text, said.conversation_kind) == ("Psst", "DIRECT")
    assert [(each.role, each.key) for each in said.participants] == [("FROM", ADA), ("TO", ME)]
    assert {each.key for each in head.participants} == {ME, ADA}
    await line.aclose()
    line.net.say(CHAT, ADA, "Still there?", NOON.timestamp())
    assert (await line.run(later.cursor)).texts() == ["Still there?"]  # without a line, too


async def test_what_becomes_of_channels_is_told_by_the_line(line: Watched) -> None:
    line.net.say(HALL, ADA, "Tea", THEN)
    line.net.say(DECK, ADA, "Sails", THEN)
    await line.hint()
    first = await line.run(None)
    line.net.channels[HALL]["name"] = "lobby"
    line.net.gateway.push("CHANNEL_UPDATE", line.net.channels[HALL])
    line.net.gateway.push("CHANNEL_DELETE", line.net.channels.pop(DECK))
    line.net.say(line.net.thread(CHAT, HALL, "Ropes"), ADA, "New here", NOON.timestamp())
    line.net.say(HALL, ADA, "And here", NOON.timestamp())
    await line.hint()
    await line.heard()
    line.net.calls.clear()
    later = await line.run(first.cursor)
    assert sorted(later.texts()) == ["And here", "New here"]
    assert {each.subject for each in later.all(ConversationHead)} == {"lobby (Boats)", "Ropes (Boats)"}
    assert later.all(Gone) == [Gone(kind="CONVERSATION", key=DECK)]
    assert asked(line.net, "GET /guilds/{guild_id}/channels") == []


async def test_a_run_in_a_process_without_the_line_leaves_its_news_to_the_other(line: Watched, opened: Open) -> None:
    old = line.net.say(HALL, ADA, "Tea", THEN)
    await line.hint()
    first = await line.run(None)
    line.net.edit(HALL, old, "Coffee")
    await line.hint()
    elsewhere = discord_api._bots.copy()
    discord_api._bots.clear()
    between = await line.run(first.cursor)
    discord_api._bots.update(elsewhere)
    assert between.texts() == []
    assert (await line.run(between.cursor)).texts() == ["Coffee"]


async def test_a_line_that_is_cut_is_taken_up_and_what_was_missed_is_told(line: Watched) -> None:
    old = line.net.say(HALL, ADA, "Tea", THEN)
    await line.hint()
    first = await line.run(None)
    for number in range(3):
        line.net.gateway.cut()
        await until(line.net, lambda: not line.net.gateway.lines)
        line.net.edit(HALL, old, f"Tea {number}")
        await line.hint()
        first = await line.run(first.cursor)
        assert first.texts() == [f"Tea {number}"]
    assert (line.net.gateway.began, line.net.gateway.resumed) == (1, 3)


@pytest.mark.parametrize("code", [4000, 4007, 4009, 1001])
async def test_after_a_lost_session_a_new_one_begins_and_lively_channels_are_looked_through(line: Watched, code: int) -> None:
    kept = line.net.say(HALL, ADA, "Tea", LATELY)
    await line.hint()
    first = await line.run(None)
    gateway = line.net.gateway
    gateway.sessions.clear()  # what happens now is told to nobody
    line.net.edit(HALL, kept, "Coffee")
    await gateway.end(code)
    await line.hint()
    assert gateway.began == 2
    assert (await line.run(first.cursor)).texts() == ["Coffee"]


async def test_discord_may_ask_for_a_new_connection(line: Watched) -> None:
    await line.hint()
    waiting = asyncio.ensure_future(line.hint())
    await line.net.gateway.order(7)
    await until(line.net, lambda: line.net.gateway.resumed == 1)
    line.net.say(HALL, ADA, "Still there", NOON.timestamp())
    await waiting
    assert line.net.gateway.began == 1
    assert 4000 in line.net.gateway.closed  # with 1000 the session would have ended


async def test_heartbeats_carry_the_last_number_and_a_line_without_answers_is_given_up(line: Watched) -> None:
    gateway = line.net.gateway
    gateway.interval = 40.0
    await line.hint()
    waiting = asyncio.ensure_future(line.hint())
    await until(line.net, lambda: gateway.beats.count(1) >= 2)
    assert set(gateway.beats[gateway.beats.index(1) :]) == {1}  # the first may have been due before anything had come
    resumed, gateway.deaf = gateway.resumed, True
    await until(line.net, lambda: gateway.resumed > resumed)
    gateway.deaf = False
    line.net.say(HALL, ADA, "Hello", NOON.timestamp())
    await waiting


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [(4004, ReauthRequired, "reset it at"), (4013, Refused, "polled"), (4014, Refused, "Server Members Intent")],
)
async def test_what_makes_no_sense_to_try_again_is_told(line: Watched, code: int, kind: type[ProviderError], words: str) -> None:
    await line.hint()
    waiting = asyncio.ensure_future(line.hint())
    await line.net.gateway.end(code)
    with pytest.raises(kind, match=words):
        await waiting
    assert line.net.gateway.began == 1


async def test_the_line_asks_for_members_only_where_the_bot_may_see_them(line: Watched) -> None:
    line.net.flags = 0
    await line.hint()
    ((intents, _),) = line.net.gateway.sessions.values()
    assert intents & 1 << 1 == 0


async def test_sessions_that_are_used_up_for_today_leave_the_poll(line: Watched) -> None:
    line.net.gateway.starts = 0
    with pytest.raises(RateLimited) as refusal:
        await line.hint()
    assert refusal.value.retry_at == NOON + timedelta(hours=1)


async def test_the_token_goes_to_no_other_host(line: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    async def elsewhere(*_: Any) -> str:
        return "wss://gateway.example.org"

    monkeypatch.setattr(discord_line.Line, "_address", elsewhere)
    with pytest.raises(Refused, match="not given your secret"):
        await line.hint()


# --- sending --------------------------------------------------------------------------------------------------------------

SAID = OutgoingChat(id="0123456789abcdef0123456789abcdef", conversation=HALL, text="Tea & <cake> *now*")
STEPS: list[bytes] = []


async def _note(step: bytes) -> None:
    STEPS.append(step)


async def test_a_message_is_sent_into_its_channel_once_and_may_answer_another(boats: discord_stub.Discord, opened: Open) -> None:
    question = boats.say(HALL, ADA, "Tea?", THEN)
    said = await opened().say(msgspec.structs.replace(SAID, answers=question), _note)
    assert said.fate == "TAKEN"
    found = {each.key: each for each in (await run(opened())).all(Message)}
    assert found[said.key or ""].text == SAID.text
    assert found[said.key or ""].references == (found[question].internet_message_id,)


async def test_a_line_that_is_cut_after_sending_is_made_good_by_the_same_nonce(boats: discord_stub.Discord, opened: Open) -> None:
    boats.troubled = {"after sending": [Answer(502), Answer(200, b"<html>")]}
    said = await opened().say(SAID, _note)
    assert [each["id"] for each in boats.messages[HALL]] == [said.key]


async def test_files_go_with_a_message_and_it_is_known_by_them_after_a_cut(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    files = (
        OutgoingFile(name="a plan “é”.png", media_type="image/png", data=bytes(range(256)) * 9),
        OutgoingFile(name="b.txt", media_type="text/plain", data=b"--\r\nb"),
    )
    wanted = msgspec.structs.replace(SAID, files=files)
    STEPS.clear()
    boats.say(HALL, ME, SAID.text, NOON.timestamp())  # the same without files
    said = await opened().say(wanted, _note)
    adapter = opened()
    found = {each.key: each for each in (await run(adapter)).all(Message)}[said.key or ""]
    assert [each.size for each in found.attachments] == [9 * 256, 5]
    for file, shown in zip(files, found.attachments, strict=True):
        assert b"".join([piece async for piece in adapter.part(found.key, shown.part)]) == file.data
    bare = tuple(msgspec.structs.replace(each, data=b"") for each in files)
    looked = await opened().was_said(msgspec.structs.replace(wanted, files=bare), STEPS[-1])
    assert (looked.fate, looked.key) == ("TAKEN", said.key)
    large = OutgoingFile(name="film.mp4", media_type="video/mp4", data=b"x" * (10 * 2**20 + 1))
    with pytest.raises(Refused, match=r"film\.mp4"):
        await opened().say(msgspec.structs.replace(SAID, files=(large,)), _note)


async def test_what_stays_unknown_is_looked_up_in_the_channel(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    boats.say(HALL, ME, SAID.text, THEN)  # the same, long ago
    boats.troubled = {"after sending": [Answer(502)] * 3}
    STEPS.clear()
    assert (await opened().say(SAID, _note)).fate == "UNKNOWN"
    found = await opened().was_said(SAID, STEPS[-1])
    assert (found.fate, found.key) == ("TAKEN", boats.messages[HALL][-1]["id"])
    boats.messages[HALL].pop()
    assert (await opened().was_said(SAID, STEPS[-1])).fate == "UNKNOWN"
    clock.time += timedelta(minutes=11)
    assert (await opened().was_said(SAID, STEPS[-1])).fate == "NOT_TAKEN"


async def test_what_discord_does_not_take_is_refused_and_nothing_is_sent(boats: discord_stub.Discord, opened: Open) -> None:
    with pytest.raises(Refused, match="2,000"):
        await opened().say(msgspec.structs.replace(SAID, text="x" * 2001), _note)
    boats.close(HALL)
    with pytest.raises(Refused, match="Missing Access"):
        await opened().say(SAID, _note)
    assert boats.messages[HALL] == []


async def test_a_message_is_edited_once_and_a_later_word_stays(
    boats: discord_stub.Discord, opened: Open, clock: HandClock
) -> None:
    number = boats.say(HALL, ME, "Tea", THEN)
    change = OutgoingEdit(id="1", conversation=HALL, message=number, text="Coffee", at=clock.now())
    for again in (False, True):
        assert await opened().edit(change, again=again) == NOON
        clock.time += timedelta(minutes=1)
    assert boats.messages[HALL][0]["content"] == "Coffee"
    boats.edit(HALL, number, "Cocoa")
    with pytest.raises(Conflict):
        await opened().edit(change, again=True)
    assert boats.messages[HALL][0]["content"] == "Cocoa"
    theirs = boats.say(HALL, ADA, "Water", THEN)
    with pytest.raises(Refused, match="only those who wrote"):
        await opened().edit(msgspec.structs.replace(change, message=theirs), again=False)


async def test_a_message_is_deleted_as_often_as_one_likes(boats: discord_stub.Discord, opened: Open) -> None:
    number, theirs = boats.say(HALL, ME, "Tea", THEN), boats.say(HALL, ADA, "Water", THEN)
    wanted = OutgoingDeletion(id="1", conversation=HALL, message=number, everyone=True)
    for _ in range(2):
        assert await opened().delete(wanted) == Gone(kind="MESSAGE", key=number)
    assert [each["id"] for each in boats.messages[HALL]] == [theirs]
    with pytest.raises(Refused, match="Manage Messages"):
        await opened().delete(msgspec.structs.replace(wanted, message=theirs))


async def test_a_reaction_is_made_and_taken_back_as_often_as_one_likes(boats: discord_stub.Discord, opened: Open) -> None:
    number = boats.say(HALL, ADA, "Tea", THEN)
    boats.react(HALL, number, ADA, "party", "123456789012345678")
    for emoji, sign in (("👍", "👍"), (":party:", "party:123456789012345678")):
        wanted = OutgoingReaction(id="1", conversation=HALL, message=number, emoji=emoji)
        for _ in range(2):
            await opened().react(wanted)
        assert boats.signs[number, sign].count(ME) == 1
        for _ in range(2):
            await opened().react(msgspec.structs.replace(wanted, remove=True))
        assert ME not in boats.signs[number, sign]


@pytest.mark.parametrize("emoji", [":nowhere:", "thumbsup"])
async def test_a_sign_that_discord_does_not_know_is_refused(boats: discord_stub.Discord, opened: Open, emoji: str) -> None:
    number = boats.say(HALL, ADA, "Tea", THEN)
    with pytest.raises(Refused, match="sign"):
        await opened().react(OutgoingReaction(id="1", conversation=HALL, message=number, emoji=emoji))
