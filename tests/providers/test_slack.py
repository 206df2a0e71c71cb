"""Slack against a stub held to its Web API's description: members, conversations, threads, news, tiers, tokens, events, sending."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers import oauth
from providers.errors import Conflict, Malformed, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import TokenBudget
from providers.push import Call, Forged, Line
from providers.records import (
    Contact,
    ConversationHead,
    Gone,
    Message,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingFile,
    Unreadable,
)
from providers.session import Secret
from providers.slack import adapter as slack
from providers.slack import api as slack_api
from providers.slack import events as slack_events
from providers.slack.adapter import Slack
from tests.providers import slack_stub
from tests.providers.conftest import NOON, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Mirror, Rig
from tests.providers.slack_stub import ME, TEAM, denied
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="xoxp-1")
THEN = NOON.timestamp() - 86_400 * 5


@pytest.fixture
async def team(clock: HandClock) -> AsyncIterator[slack_stub.Slack]:
    team = slack_stub.Slack(lambda: clock.now().timestamp())
    async with running(team):
        yield team
    assert team.violations == []


Open = Callable[..., Slack]


@pytest.fixture
def opened(team: slack_stub.Slack, new_session: SessionMaker) -> Open:
    def open_(**more: Any) -> Slack:
        more.setdefault("secret", GRANT)
        more.setdefault("quota", slack.PROVIDER.quota)
        return Slack(new_session(team.url + "/api", provider="slack", user_id=f"{TEAM}/{ME}", **more))

    return open_


class SlackRig:
    """Twenty-three members, of whom some have written."""

    provider = slack.PROVIDER
    path = "/api"
    secret = GRANT

    def __init__(self, team: slack_stub.Slack) -> None:
        self.team = team
        self.server_url = team.url

    def fill(self) -> None:
        self.team.page = 9
        for number in range(100, 123):
            self.team.member(number, f"user{number}")
        self.team.member(200, "robot", is_bot=True)
        self.team.member(201, "former", deleted=True)
        general = self.team.channel(1, "general")
        for number in range(12):
            self.team.post(general, "U00000100", f"News {number}", THEN + number)
        root = self.team.post(general, ME, "A question", THEN + 60)
        self.team.post(general, "U00000101", "An answer", THEN + 61, thread_ts=root)
        direct = self.team.channel(2, user="U00000101")
        self.team.post(direct, "U00000101", "Hello", THEN + 70)

    def names(self) -> set[str]:
        return self.team.keys()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        self.team.members["U00000107"]["deleted"] = True
        return "U00000107"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(msgspec.json.decode(cursor, type=slack.Position), walk="unknown"))


class TestContract(AdapterContract):
    @pytest.fixture
    def rig(self, team: slack_stub.Slack, monkeypatch: pytest.MonkeyPatch) -> SlackRig:
        # faults are tried by the thousand within no time: what tiers allow is tried for itself
        monkeypatch.setattr(slack_stub, "ALLOWED", {name: (10**9, need) for name, (_, need) in slack_stub.ALLOWED.items()})
        rig = SlackRig(team)
        rig.provider = msgspec.structs.replace(slack.PROVIDER, quota=None)
        return rig

    async def test_everything_arrives_once_over_several_pages(self, rig: Rig, opened: Any) -> None:
        """Slack does not say how many messages there are."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert sorted(item.key for item in found) == sorted(rig.names())
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        stated = {statement.container: statement.expected for page in pages for statement in page.statements}
        assert stated == {"members": 23, "C00000001": None, "D00000002": None}


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, team: slack_stub.Slack, monkeypatch: pytest.MonkeyPatch) -> SlackRig:
        monkeypatch.setattr(slack_stub, "ALLOWED", {name: (10**9, need) for name, (_, need) in slack_stub.ALLOWED.items()})
        team.forgetful = 0.4
        rig = SlackRig(team)
        rig.provider = msgspec.structs.replace(slack.PROVIDER, quota=None)
        return rig

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


async def _rows(adapter: Slack, cursor: bytes | None = None) -> list[Any]:
    return [row.item async for page in adapter.pages(cursor) for row in page.rows]


def _texts(rows: list[Any]) -> list[str]:
    return [item.text for item in rows if isinstance(item, Message)]


# --- members --------------------------------------------------------------------------------------------------------------


async def test_every_field_of_a_member_arrives(team: slack_stub.Slack, opened: Open) -> None:
    team.member(
        100, "grace", real_name="Grace Hopper", display_name="amazing", first_name="Grace", last_name="Hopper", email="Grace@Example.org",
        phone="+1 202 555 0143", title="Rear Admiral", image_512="https://avatars.example/g.png",
    )  # fmt: skip
    (found,) = (await Mirror().follow(opened())).contacts.values()
    assert (found.key, found.relation, found.container) == ("U00000100", "MEMBER", "members")
    assert (found.names[0].full, found.names[0].family, found.names[0].nickname) == ("Grace Hopper", "Hopper", "amazing")
    assert [each.address for each in found.emails] == ["Grace@example.org"]
    assert [each.number for each in found.phones] == ["+12025550143"]
    assert found.organizations[0].title == "Rear Admiral"
    assert (found.handles[0].handle, found.url) == ("grace@acme.slack.com", "https://acme.slack.com/team/U00000100")
    assert found.photo is not None


async def test_programs_and_former_members_are_no_contacts(team: slack_stub.Slack, opened: Open) -> None:
    team.member(100, "robot", is_bot=True)
    team.member(101, "former", deleted=True)
    assert (await Mirror().follow(opened())).contacts == {}


async def test_a_large_workspace_is_listed_every_six_hours(
    team: slack_stub.Slack, opened: Open, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack, "LISTED", 4)
    for number in range(100, 130):
        team.member(number, f"user{number}")
    mirror = await Mirror().follow(opened())
    team.members["U00000107"]["deleted"] = True
    clock.time += timedelta(hours=1)
    await mirror.follow(opened())
    assert mirror.deleted == []
    clock.time += timedelta(hours=6)
    await mirror.follow(opened())
    assert mirror.deleted == ["U00000107"]


# --- conversations --------------------------------------------------------------------------------------------------------


async def test_conversations_are_what_they_are_at_slack(team: slack_stub.Slack, opened: Open) -> None:
    grace, joan = team.member(100, "grace", real_name="Grace Hopper"), team.member(101, "joan")
    general, direct = team.channel(1, "general"), team.channel(2, user=grace)
    group = team.channel(3, members=(ME, grace, joan))
    for channel in (general, direct, group):
        team.post(channel, grace, f"In {channel}", THEN)
    rows = await _rows(opened())
    heads = {item.key: item for item in rows if isinstance(item, ConversationHead)}
    assert {key: (head.kind, head.subject) for key, head in heads.items()} == {
        general: ("CHANNEL", "#general"), direct: ("DIRECT", None), group: ("GROUP", None),
    }  # fmt: skip
    assert {p.address for p in heads[group].participants} == {f"{name}@acme.slack.com" for name in ("ada", "grace", "joan")}
    said = next(item for item in rows if isinstance(item, Message) and item.container == direct)
    assert [(p.role, p.address, p.name, p.key) for p in said.participants] == [
        ("FROM", "grace@acme.slack.com", "grace", grace), ("TO", "ada@acme.slack.com", "ada", ME),
    ]  # fmt: skip
    assert said.url == f"https://acme.slack.com/archives/{direct}/p{said.key.partition('/')[2].replace('.', '')}"


async def test_what_is_marked_up_is_read_as_people_see_it(team: slack_stub.Slack, opened: Open) -> None:
    grace = team.member(100, "grace", display_name="Amazing Grace")
    general = team.channel(1, "general")
    text = (
        f"<@{grace}> &amp; <!here>: see <https://example.org/a|the page> in <#C00000001|general>, 1 &lt; 2 <https://example.org>"
    )
    team.post(general, grace, text, THEN)
    assert _texts(await _rows(opened())) == [
        "@Amazing Grace & @here: see the page (https://example.org/a) in #general, 1 < 2 https://example.org"
    ]


async def test_threads_stay_in_their_conversation_and_name_what_they_answer(team: slack_stub.Slack, opened: Open) -> None:
    grace = team.member(100, "grace")
    general = team.channel(1, "general")
    root = team.post(general, grace, "Question", THEN)
    for number in range(450):
        team.post(general, ME, f"Answer {number}", THEN + 1 + number, thread_ts=root)
    found = {item.text: item for item in await _rows(opened()) if isinstance(item, Message)}
    assert len(found) == 451
    assert found["Answer 449"].references == (found["Question"].internet_message_id,)
    assert found["Answer 449"].conversation_key == general


async def test_edits_files_programs_and_what_the_workspace_says_of_itself(team: slack_stub.Slack, opened: Open) -> None:
    grace = team.member(100, "grace")
    general = team.channel(1, "general")
    team.post(general, grace, "has joined", THEN, subtype="channel_join")
    team.post(general, grace, "Mended", THEN + 1, edited={"user": grace, "ts": f"{THEN + 9:.6f}"})
    file = {"id": "F00000001", "name": "plan.pdf", "mimetype": "application/pdf", "size": 9}
    team.post(general, grace, "", THEN + 2, files=[file])
    team.post(general, None, "", THEN + 3, subtype="bot_message", attachments=[{"fallback": "Build failed", "id": 1}])
    team.files["F00000001"] = b"%PDF-1.7\n"
    adapter = opened()
    said, picture, mended = [item for item in await _rows(adapter) if isinstance(item, Message)]
    assert (said.text, said.category) == ("Build failed", "NOTIFICATION")
    assert (mended.text, mended.edited_at) == ("Mended", datetime.fromtimestamp(THEN + 9, NOON.tzinfo))
    (attachment,) = picture.attachments
    assert (attachment.name, attachment.media_type, attachment.size) == ("plan.pdf", "application/pdf", 9)
    assert b"".join([piece async for piece in adapter.part(picture.key, attachment.part)]) == b"%PDF-1.7\n"
    with pytest.raises(Refused):
        [piece async for piece in adapter.part(picture.key, "F00000009")]


async def test_reactions_are_told_with_who_gave_them_and_how_many_more(team: slack_stub.Slack, opened: Open) -> None:
    grace = team.member(100, "grace")
    general = team.channel(1, "general")
    team.post(general, ME, "Look", THEN, reactions=[{"name": "tada", "users": [grace, ME], "count": 5}])
    (said,) = [item for item in await _rows(opened()) if isinstance(item, Message)]
    assert [(one.emoji, one.participant and one.participant.address, one.count) for one in said.reactions or ()] == [
        ("tada", "grace@acme.slack.com", 1), ("tada", "ada@acme.slack.com", 1), ("tada", None, 3),
    ]  # fmt: skip


async def test_what_came_after_the_read_mark_is_unread(team: slack_stub.Slack, opened: Open) -> None:
    grace = team.member(100, "grace")
    direct = team.channel(2, user=grace, last_read=f"{THEN + 1:.6f}")
    for number, author in enumerate((grace, grace, ME, grace)):
        team.post(direct, author, f"At {number}", THEN + number)
    found = {item.text: item.unread for item in await _rows(opened()) if isinstance(item, Message)}
    assert found == {"At 0": False, "At 1": False, "At 2": False, "At 3": True}


async def test_long_histories_come_whole_the_latest_conversation_first(team: slack_stub.Slack, opened: Open) -> None:
    old, new = team.channel(1, "old"), team.channel(2, "new")
    for number in range(450):
        team.post(old, ME, f"Old {number}", THEN - 1e6 + number)
        team.post(new, ME, f"New {number}", THEN + number)
    texts = _texts(await _rows(opened()))
    assert len(set(texts)) == len(texts) == 900
    assert texts.index("New 0") < texts.index("Old 0")


# --- news -----------------------------------------------------------------------------------------------------------------


async def test_a_later_run_looks_only_where_something_was_written(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    channels = [team.channel(number, f"c{number}") for number in range(1, 9)]
    for channel in channels:
        team.post(channel, ME, f"First in {channel}", THEN)
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(minutes=5)
    team.post(channels[3], ME, "Second", clock.now().timestamp() - 30)
    team.calls.clear()
    rows = await _rows(opened(), mirror.cursor)
    assert "Second" in _texts(rows)
    assert [method for _, method in team.calls].count("conversations.history") == 1


async def test_an_answer_in_an_old_thread_arrives(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    general = team.channel(1, "general")
    root = team.post(general, ME, "Long ago", THEN - 1e6)
    for number in range(250):
        team.post(general, ME, f"Since {number}", THEN + number)
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(minutes=5)
    team.post(general, ME, "At last", clock.now().timestamp() - 30, thread_ts=root)
    assert "At last" in _texts(await _rows(opened(), mirror.cursor))


async def test_without_a_search_every_conversation_is_looked_into(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    team.tokens["xoxp-1"] = slack_stub.SCOPES - {"search:read"}
    channels = [team.channel(number, f"c{number}") for number in range(1, 5)]
    for channel in channels:
        team.post(channel, ME, f"First in {channel}", THEN)
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(minutes=5)
    team.post(channels[3], ME, "Second", clock.now().timestamp() - 30)
    assert "Second" in _texts(await _rows(opened(), mirror.cursor))


async def test_what_the_search_did_not_know_yet_is_found_by_the_next(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general = team.channel(1, "general")
    team.post(general, ME, "First", THEN)
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(minutes=5)
    team.post(general, ME, "Late", clock.now().timestamp() - 1)
    team.unsearched.add("Late")
    await mirror.follow(opened())
    team.unsearched.clear()
    clock.time += timedelta(minutes=5)
    assert "Late" in _texts(await _rows(opened(), mirror.cursor))


async def test_an_edit_and_a_deletion_on_a_lively_day_are_seen_within_the_hour(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general = team.channel(1, "general")
    for number in range(3):
        team.post(general, ME, f"Note {number}", clock.now().timestamp() - 3600 + number)
    mirror = await Mirror().follow(opened())
    del team.posts[general][1]
    team.posts[general][0]["text"] = "Mended"
    clock.time += timedelta(minutes=61)
    rows = await _rows(opened(), mirror.cursor)
    assert [item.key for item in rows if isinstance(item, Gone)] == [f"{general}/{NOON.timestamp() - 3599:.6f}"]
    assert "Mended" in _texts(rows)


async def test_what_is_deleted_anywhere_in_the_latest_page_of_a_lively_conversation_is_seen(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general, calm = team.channel(1, "general"), team.channel(2, "calm")
    for number in range(150):
        team.post(general, ME, f"Note {number}", clock.now().timestamp() - 7200 + number)
        team.post(calm, ME, f"Calm {number}", THEN + number)
    mirror = await Mirror().follow(opened())
    place = msgspec.json.decode(mirror.cursor or b"", type=slack.Position)
    assert {id_: len(room.recent) for id_, room in place.rooms.items()} == {general: 150, calm: slack.RECENT}
    gone = team.posts[general].pop(20)
    clock.time += timedelta(minutes=61)
    rows = await _rows(opened(), mirror.cursor)
    assert [item.key for item in rows if isinstance(item, Gone)] == [f"{general}/{gone['ts']}"]


async def test_an_edit_below_the_latest_page_is_seen_round_after_round_by_one_call_a_run(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general = team.channel(1, "general")
    for number in range(650):
        team.post(general, ME, f"Note {number}", clock.now().timestamp() - 7200 + number)
    cursor = (await Mirror().follow(opened())).cursor
    team.posts[general][300]["text"], team.posts[general][40]["text"] = "Mended", "Mended, too"
    seen: list[str] = []
    for _ in range(6):
        clock.time += timedelta(minutes=5)
        before = len(team.calls)
        async for page in opened().pages(cursor):
            seen += [text for text in _texts([row.item for row in page.rows]) if text.startswith("Mended")]
            cursor = page.cursor or cursor
        assert [method for _, method in team.calls[before:]].count("conversations.history") <= 1
    assert sorted(set(seen)) == ["Mended", "Mended, too"]
    assert len(seen) > 2  # the next round has begun


async def test_the_first_message_of_a_thread_that_was_deleted_leaves_its_place(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general = team.channel(1, "general")
    root = team.post(general, ME, "Question", clock.now().timestamp() - 3600)
    team.post(general, ME, "Answer", clock.now().timestamp() - 3000, thread_ts=root)
    mirror = await Mirror().follow(opened())
    team.posts[general][0] |= {"subtype": "tombstone", "text": "This message was deleted."}
    clock.time += timedelta(minutes=61)
    rows = await _rows(opened(), mirror.cursor)
    assert [item for item in rows if isinstance(item, Gone)] == [
        Gone(kind="MESSAGE", key=f"{general}/{root}", deleted_at=clock.now())
    ]


async def test_a_first_message_in_an_empty_conversation_arrives(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    direct = team.channel(2, user=team.member(100, "grace"))
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(minutes=5)
    team.post(direct, "U00000100", "Hello", clock.now().timestamp() - 30)
    assert _texts(await _rows(opened(), mirror.cursor)) == ["Hello"]


async def test_a_conversation_that_was_left_keeps_what_it_had(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    general = team.channel(1, "general")
    team.post(general, ME, "First", THEN)
    mirror = await Mirror().follow(opened())
    del team.channels[general]
    clock.time += timedelta(hours=2)
    await mirror.follow(opened())
    assert len(mirror.contacts) == 1


# --- limits ---------------------------------------------------------------------------------------------------------------


async def test_no_tier_is_exceeded(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    """The stub takes the call after the last allowed one for a violation."""
    team.page = 5
    for number in range(100, 230):
        team.member(number, f"user{number}")
    for number in range(1, 41):
        channel = team.channel(number, f"c{number}")
        for note in range(6):
            team.post(channel, ME, f"Note {note}", THEN + note)
    budget, mirror, waits = TokenBudget(slack.PROVIDER.quota or pytest.fail(), clock), Mirror(), 0
    while not mirror.done and waits < 20:
        try:
            await mirror.follow(opened(budget=budget))
        except RateLimited as limit:
            waits += 1
            clock.time = limit.retry_at or pytest.fail()
    assert set(mirror.contacts) == team.keys()
    assert len(team.calls) > 150


async def test_a_short_limit_is_waited_out_and_a_long_one_ends_the_run(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    team.channel(1, "general")
    team.troubled = [lambda: team.close("auth.test", 10)]
    assert await _rows(opened()) == []
    assert 10 in [round(seconds) for seconds in clock.slept]
    team.troubled = [lambda: team.close("auth.test", 300)]
    with pytest.raises(RateLimited) as limit:
        await _rows(opened())
    assert limit.value.retry_at == clock.now() + timedelta(seconds=300)


async def test_an_app_that_gets_fifteen_messages_at_a_time_gets_all_and_is_told_why_it_is_slow(
    team: slack_stub.Slack, opened: Open
) -> None:
    team.few = 15
    general = team.channel(1, "general")
    for number in range(40):
        team.post(general, ME, f"Note {number}", THEN + number)
    rows = await _rows(opened())
    assert len(_texts(rows)) == 40
    (said,) = [item for item in rows if isinstance(item, Unreadable)]
    assert "15 messages a minute" in said.message


# --- tokens ---------------------------------------------------------------------------------------------------------------


async def test_the_profile_says_who_it_is(team: slack_stub.Slack, opened: Open) -> None:
    team.members[ME]["profile"]["email"] = "ada@example.org"
    found = await opened().profile()
    assert (found.user_id, found.label) == (f"{TEAM}/{ME}", "ada (Acme)")
    assert [(each.value, each.kind) for each in found.own_addresses] == [
        ("ada@acme.slack.com", "HANDLE"), ("ada@example.org", "EMAIL"),
    ]  # fmt: skip
    assert set(found.granted_scopes) == slack_stub.SCOPES


async def test_a_program_s_token_is_refused(team: slack_stub.Slack, opened: Open) -> None:
    team.tokens["xoxb-1"] = slack_stub.SCOPES
    with pytest.raises(Refused, match="xoxp"):
        await opened(secret=Secret(access_token="xoxb-1")).profile()


async def test_a_token_without_a_scope_says_which_one(team: slack_stub.Slack, opened: Open) -> None:
    team.tokens["xoxp-1"] = slack_stub.SCOPES - {"users:read"}
    with pytest.raises(Refused, match="users:read"):
        await _rows(opened())


async def test_a_kind_of_conversation_that_was_not_allowed_is_named_and_read_whole_once_it_is(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    grace = team.member(100, "grace")
    for room, text in ((team.channel(1, "general"), "To all"), (team.channel(2, user=grace), "To you")):
        team.post(room, grace, text, THEN)
    team.tokens["xoxp-1"] = slack_stub.SCOPES - {"im:history", "groups:read"}
    mirror, rows = Mirror(), await _rows(opened())
    assert _texts(rows) == ["To all"]
    (said,) = [item for item in rows if isinstance(item, Unreadable)]
    assert said.reason == "FORBIDDEN"
    assert "does not show your private channels, direct messages: the token lacks groups:read, im:history." in said.message
    await mirror.follow(opened())
    team.tokens["xoxp-1"] = slack_stub.SCOPES
    clock.time += timedelta(minutes=15)
    rows = await _rows(opened(), mirror.cursor)
    assert _texts(rows) == ["To you"]
    assert [item for item in rows if isinstance(item, Unreadable)] == []


async def test_a_conversation_that_is_not_shown_is_named_and_does_not_stop_the_others(
    team: slack_stub.Slack, opened: Open
) -> None:
    closed, general = team.channel(1, "closed"), team.channel(2, "general")
    team.post(general, ME, "Hello", THEN)
    del team.posts[closed]
    rows = await _rows(opened())
    assert _texts(rows) == ["Hello"]
    assert [(item.key, item.reason) for item in rows if isinstance(item, Unreadable)] == [(closed, "FORBIDDEN")]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("token_revoked", ReauthRequired),
        ("account_inactive", ReauthRequired),
        ("ratelimited", RateLimited),
        ("internal_error", Unavailable),
        ("ekm_access_denied", Refused),
    ],
)
async def test_what_slack_says_no_with_is_told_apart(
    team: slack_stub.Slack, opened: Open, error: str, kind: type[Exception]
) -> None:
    team.troubled = [lambda: denied(error)] * 4
    with pytest.raises(kind):
        await opened().profile()


async def test_a_sign_in_gives_the_person_s_token_and_not_the_app_s(team: slack_stub.Slack, new_session: SessionMaker) -> None:
    base = team.url + "/api"
    session = new_session(base, provider="slack", secret=Secret(client_id="1.2", client_secret="shh"))
    found = await slack.authorize(session, {}, "https://kith.example/link/callback")
    address = oauth.authorization_url(found, "https://kith.example/link/callback", "state", "v" * 43)
    assert address.startswith(f"{team.url}/oauth/v2/authorize?")
    assert "user_scope=users%3Aread%2C" in address
    assert "token_member" not in address
    grant = {"id": ME, "scope": "users:read,chat:write", "access_token": "xoxp-9", "token_type": "user"}
    answer = team.answer
    team.answer = lambda request: Answer(200, {"ok": True, "app_id": "A1", "team": {"id": TEAM}, "authed_user": grant})  # type: ignore[method-assign]
    secret = await oauth.exchange(session, found, "https://kith.example/link/callback", "code", "v" * 43)
    team.answer = answer  # type: ignore[method-assign]
    assert (secret.access_token, secret.scope) == ("xoxp-9", "users:read,chat:write")


async def test_signing_in_needs_an_app_of_the_operator_and_says_how_to_get_one(new_session: SessionMaker) -> None:
    with pytest.raises(Refused, match="KITH_SLACK_CLIENT_ID"):
        await slack.authorize(new_session(slack_api.HOME, provider="slack"), {}, "https://kith.example/link/callback")


# --- sending --------------------------------------------------------------------------------------------------------------


async def _note(step: bytes) -> None:
    STEPS.append(step)


STEPS: list[bytes] = []


async def test_a_message_is_said_once_and_found_by_its_key(team: slack_stub.Slack, opened: Open) -> None:
    direct = team.channel(2, user=team.member(100, "grace"))
    done = await opened().say(OutgoingChat(id="1", conversation=direct, text="1 < 2 & <@U1>"), _note)
    (post,) = team.posts[direct]
    assert (done.fate, done.key) == ("TAKEN", f"{direct}/{post['ts']}")
    assert post["text"] == "1 &lt; 2 &amp; &lt;@U1&gt;"
    (shown,) = [item for item in await _rows(opened()) if isinstance(item, Message)]
    assert (shown.key, shown.text) == (done.key, "1 < 2 & <@U1>")


async def test_an_answer_goes_where_it_belongs(team: slack_stub.Slack, opened: Open) -> None:
    grace = team.member(100, "grace")
    general = team.channel(1, "general")
    root = team.post(general, grace, "Question", THEN)
    inside = team.post(general, grace, "Anybody?", THEN + 1, thread_ts=root)
    alone = team.post(general, grace, "Alone", THEN + 2)
    for answers, in_thread, thread in ((inside, False, root), (alone, False, None), (alone, True, alone)):
        message = OutgoingChat(id="1", conversation=general, text="Me", answers=f"{general}/{answers}", in_thread=in_thread)
        assert (await opened().say(message, _note)).fate == "TAKEN"
        assert team.posts[general][-1].get("thread_ts") == thread
        team.posts[general].pop()


async def test_after_a_cut_the_conversation_itself_tells(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    general = team.channel(1, "general")
    root = team.post(general, ME, "Question", THEN)
    for in_thread in (False, True):
        message = OutgoingChat(id="1", conversation=general, text="A & B 🎉", answers=f"{general}/{root}", in_thread=in_thread)
        STEPS.clear()
        answer = team.answer

        def cut(request: Any, answer: Callable[[Any], Answer] = answer) -> Answer:
            said = answer(request)
            return Answer(502, {}) if request.method == "POST" else said

        team.answer = cut  # type: ignore[method-assign]
        assert (await opened().say(message, _note)).fate == "UNKNOWN"
        team.answer = answer  # type: ignore[method-assign]
        there = team.posts[general].pop()
        assert (await opened().was_said(message, STEPS[-1])).fate == "UNKNOWN"  # it may still appear
        clock.time += timedelta(minutes=11)
        assert (await opened().was_said(message, STEPS[-1])).fate == "NOT_TAKEN"
        team.posts[general].append(there)
        found = await opened().was_said(message, STEPS[-1])
        assert (found.fate, found.key) == ("TAKEN", f"{general}/{there['ts']}")
        team.posts[general].pop()


async def test_what_slack_refuses_was_not_said(team: slack_stub.Slack, opened: Open) -> None:
    with pytest.raises(Refused, match="channel_not_found"):
        await opened().say(OutgoingChat(id="1", conversation="C00000009", text="Hello"), _note)
    with pytest.raises(Refused, match="at most"):
        await opened().say(OutgoingChat(id="1", conversation="C00000009", text="x" * 40_001), _note)


PLAN = OutgoingFile(name="plan.pdf", media_type="application/pdf", data=b"%PDF the plan")
BOAT = OutgoingFile(name="boat.png", media_type="image/png", data=b"a boat")


async def test_files_are_shown_once_with_their_text_where_they_belong(team: slack_stub.Slack, opened: Open) -> None:
    general = team.channel(1, "general")
    root = team.post(general, ME, "Question", THEN)
    message = OutgoingChat(
        id="1", conversation=general, text="Look & see", answers=f"{general}/{root}", in_thread=True, files=(PLAN, BOAT)
    )
    done = await opened().say(message, _note)
    post = team.posts[general][-1]
    assert (done.fate, done.key) == ("TAKEN", f"{general}/{post['ts']}")
    assert (post["text"], post["thread_ts"]) == ("Look &amp; see", root)
    assert [(file["name"], team.files[file["id"]]) for file in post["files"]] == [
        ("plan.pdf", PLAN.data), ("boat.png", BOAT.data),
    ]  # fmt: skip
    alone = await opened().say(OutgoingChat(id="2", conversation=general, text="", files=(BOAT,)), _note)
    assert (alone.fate, team.posts[general][-1]["text"]) == ("TAKEN", "")


async def test_files_that_slack_shows_later_are_found_by_their_names_there(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general = team.channel(1, "general")
    message = OutgoingChat(id="1", conversation=general, text="Look", files=(PLAN,))
    team.lazy = True
    assert (await opened().say(message, _note)).fate == "UNKNOWN"
    team.post(general, ME, "Look", clock.now().timestamp())  # the same words without the file
    assert (await opened().was_said(message, STEPS[-1])).fate == "UNKNOWN"
    clock.time += timedelta(seconds=2)
    team.hurry()
    found = await opened().was_said(message, STEPS[-1])
    assert (found.fate, found.key) == ("TAKEN", f"{general}/{team.posts[general][-1]['ts']}")
    team.posts[general].pop()
    clock.time += timedelta(minutes=11)
    assert (await opened().was_said(message, STEPS[-1])).fate == "NOT_TAKEN"


async def test_what_slack_does_not_take_of_files_is_asked_before_a_byte_leaves(team: slack_stub.Slack, opened: Open) -> None:
    general = team.channel(1, "general")
    message = OutgoingChat(id="1", conversation=general, text="Look", files=(PLAN, BOAT))
    steps = len(STEPS)
    team.largest = len(PLAN.data) - 1
    with pytest.raises(Refused, match=r"plan\.pdf"):
        await opened().say(message, _note)
    team.tokens["xoxp-1"] = slack_stub.SCOPES - {"files:write"}
    with pytest.raises(ReauthRequired, match="files:write"):
        await opened().say(message, _note)
    assert (team.files, team.posts[general], len(STEPS)) == ({}, [], steps)


def _edit(channel: str, ts: str, text: str, at: datetime = NOON) -> OutgoingEdit:
    return OutgoingEdit(id="1", conversation=channel, message=f"{channel}/{ts}", text=text, at=at)


async def test_an_edit_replaces_the_text_and_says_when(team: slack_stub.Slack, opened: Open, clock: HandClock) -> None:
    general = team.channel(1, "general")
    ts = team.post(general, ME, "helo", THEN)
    at = await opened().edit(_edit(general, ts, "hello <@U1> 👋"), again=False)
    assert at == clock.now()
    assert team.posts[general][0]["text"] == "hello &lt;@U1&gt; :wave:"
    (shown,) = [item for item in await _rows(opened()) if isinstance(item, Message)]
    assert (shown.text, shown.edited_at) == ("hello <@U1> :wave:", at)


async def test_an_edit_that_is_told_again_never_replaces_a_later_word(
    team: slack_stub.Slack, opened: Open, clock: HandClock
) -> None:
    general = team.channel(1, "general")
    root = team.post(general, ME, "Question", THEN)
    for ts in (root, team.post(general, ME, "helo", THEN + 1, thread_ts=root)):
        change = _edit(general, ts, "hello 👋", clock.now())
        at = await opened().edit(change, again=True)  # the first call never reached Slack
        calls = len(team.calls)
        clock.time += timedelta(seconds=5)
        assert await opened().edit(change, again=True) == at
        assert "chat.update" not in {method for _, method in team.calls[calls:]}
        post = next(each for each in team.posts[general] if each["ts"] == ts)
        post |= {"text": "something else", "edited": {"user": ME, "ts": f"{clock.now().timestamp():.6f}"}}
        with pytest.raises(Conflict, match="somewhere else"):
            await opened().edit(change, again=True)
        assert post["text"] == "something else"


async def test_a_deletion_happens_once_and_answers_stay(team: slack_stub.Slack, opened: Open) -> None:
    general = team.channel(1, "general")
    ts = team.post(general, ME, "Question", THEN)
    team.post(general, ME, "Answer", THEN + 1, thread_ts=ts)
    deletion = OutgoingDeletion(id="1", conversation=general, message=f"{general}/{ts}", everyone=True)
    for _ in range(2):
        assert await opened().delete(deletion) == Gone(kind="MESSAGE", key=f"{general}/{ts}")
    assert [post["text"] for post in team.posts[general]] == ["Answer"]


async def test_what_slack_does_not_let_one_change_is_said(team: slack_stub.Slack, opened: Open) -> None:
    general = team.channel(1, "general")
    ts = team.post(general, team.member(100, "grace"), "Mine", THEN)
    with pytest.raises(Refused, match="those who wrote"):
        await opened().edit(_edit(general, ts, "Yours"), again=False)
    with pytest.raises(Refused, match="does not let you delete"):
        await opened().delete(OutgoingDeletion(id="1", conversation=general, message=f"{general}/{ts}", everyone=True))
    with pytest.raises(Refused, match="not at Slack any more"):
        await opened().edit(_edit(general, "1.000000", "Gone"), again=True)
    with pytest.raises(Refused, match="at most"):
        await opened().edit(_edit(general, ts, "x" * 40_001), again=False)


# --- what was read ----------------------------------------------------------------------------------------------------------


async def test_the_read_mark_goes_forward_and_never_back(team: slack_stub.Slack, opened: Open) -> None:
    general = team.channel(1, "general", last_read=f"{THEN:.6f}")
    first, second = team.post(general, ME, "One", THEN + 1), team.post(general, ME, "Two", THEN + 2)
    await opened().read_up_to({general: f"{general}/{first}", "C00000009": "C00000009/1.000000"})  # nobody is in the other one
    assert team.channels[general]["last_read"] == first
    for ts in (second, first):  # the one that was read elsewhere meanwhile is further on
        await opened().read_up_to({general: f"{general}/{ts}"})
        assert team.channels[general]["last_read"] == second


async def test_a_read_mark_that_the_token_may_not_move_asks_for_the_scopes(team: slack_stub.Slack, opened: Open) -> None:
    direct = team.channel(2, user=team.member(100, "grace"))
    ts = team.post(direct, ME, "One", THEN)
    team.tokens["xoxp-1"] = slack_stub.SCOPES - {"im:write"}
    with pytest.raises(ReauthRequired, match="im:write") as refused:
        await opened().read_up_to({direct: f"{direct}/{ts}"})
    assert refused.value.provider_code == "scope"


# --- events ---------------------------------------------------------------------------------------------------------------

APP = "A0123456789"
LINE = Line(url="https://kith.example/hooks/slack", topic=APP, secret="8f742231b10e8888abcd99yyyzzz85a5")


def _call(body: dict[str, Any] | bytes, stamp: float, secret: str = LINE.secret) -> Call:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = slack_events.sign(secret, str(int(stamp)), raw)
    return Call(query={}, headers={"x-slack-request-timestamp": str(int(stamp)), "x-slack-signature": signature}, body=raw)


EVENT = {
    "token": "x", "team_id": TEAM, "api_app_id": APP, "type": "event_callback", "event_id": "Ev1", "event_time": 1,
    "event": {"type": "message", "channel": "C1", "text": "never read"}, "authorizations": [{"team_id": "T00000002", "user_id": ME}],
}  # fmt: skip


def test_the_signature_is_slack_s() -> None:
    """The example of docs.slack.dev/authentication/verifying-requests-from-slack."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
        b"&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert slack_events.sign("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body) == signature


async def test_an_event_names_the_workspaces_that_it_is_for(new_session: SessionMaker) -> None:
    answered = await slack_events.switchboard(LINE).answer(new_session(slack_api.HOME), _call(EVENT, NOON.timestamp() + 200))
    assert answered == frozenset({TEAM, "T00000002"})


async def test_a_challenge_is_given_back(new_session: SessionMaker) -> None:
    body = {"type": "url_verification", "challenge": "3eZbrw1aB10FEMAGAZd4FyFQ", "token": "x"}
    answered = await slack_events.switchboard(LINE).answer(new_session(slack_api.HOME), _call(body, NOON.timestamp()))
    assert answered == "3eZbrw1aB10FEMAGAZd4FyFQ"


@pytest.mark.parametrize(
    "call",
    [
        _call(EVENT, NOON.timestamp(), secret="another"),
        _call(EVENT, NOON.timestamp() - 301),
        _call(EVENT, NOON.timestamp() + 301),
        _call({**EVENT, "api_app_id": "A9"}, NOON.timestamp()),
        msgspec.structs.replace(_call(EVENT, NOON.timestamp()), body=b"{}"),
        Call(query={}, headers={}, body=b"{}"),
        Call(query={}, headers={"x-slack-request-timestamp": "soon", "x-slack-signature": "v0=\udcff"}, body=b"{}"),
    ],
)
async def test_what_slack_did_not_sign_just_now_is_forged(new_session: SessionMaker, call: Call) -> None:
    with pytest.raises(Forged):
        await slack_events.switchboard(LINE).answer(new_session(slack_api.HOME), call)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 50_000, b'{"type": "url_verification"}'])
async def test_what_is_no_event_is_malformed(new_session: SessionMaker, body: bytes) -> None:
    with pytest.raises(Malformed):
        await slack_events.switchboard(LINE).answer(new_session(slack_api.HOME), _call(body, NOON.timestamp()))


async def test_an_account_is_called_by_its_workspace(team: slack_stub.Slack, opened: Open) -> None:
    made = await opened().join(LINE)
    assert made.key == TEAM
    assert made.expires_at > NOON
