"""A Slack account through the whole of Kith: the stub, the sync job on both databases, messages from here, and calls from there."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from gateway import pushing, worker
from gateway.accounts import Held
from gateway.doctor import examine
from gateway.people import named
from gateway.settings import SettingsError, load
from providers.base import catalogue
from providers.quota import Quota
from providers.session import Account, Secret
from providers.slack import adapter as slack
from providers.slack.events import sign
from store import accounts, leases
from tests.gateway.rooms import ask
from tests.gateway.running import TestClock, asking, opened
from tests.household import Household
from tests.providers.slack_stub import ME, TEAM, Slack
from tests.providers.stub_http import running
from tests.workshop import workshop

SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id delivery { state } inReplyTo { text } } conversation { kind } errors { code message } } }"""
ROOMS = """{ viewer { conversations(first: 20) { edges { node { id subject kind unreadCount
  participants(first: 20) { edges { node { name } } }
  messages(last: 50) { edges { node { id text direction delivery { state } inReplyTo { text } reactions { emoji count } } } } } } } } }"""
MARK = """mutation($id: ID!, $read: Boolean, $flagged: Boolean) {
  markConversations(input: { conversationIds: [$id], read: $read, flagged: $flagged }) { errors { code message } } }"""
APP, SIGNING = "A0123456789", "a signing secret"


async def test_conversations_arrive_and_what_is_sent_from_here_is_there_once_and_here_once(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the pace that Slack's tiers ask for would take a minute here: tests/providers/test_slack.py is about it
    monkeypatch.setitem(catalogue(), "slack", msgspec.structs.replace(slack.PROVIDER, quota=Quota(calls=10_000, seconds=60.0)))
    team = Slack(time.time)
    grace = team.member(100, "grace", real_name="Grace Hopper", display_name="Grace Hopper")
    direct = team.channel(2, user=grace, last_read=f"{time.time() - 1000:.6f}")
    asked = team.post(direct, grace, "Lunch?", time.time() - 900)
    team.post(direct, grace, "At noon", time.time() - 800, thread_ts=asked)
    async with running(team) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-1"))

        async def room() -> Any:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return edge["node"]

        found = await room()
        assert (found["kind"], found["unreadCount"]) == ("DIRECT", 2)
        assert [edge["node"]["name"] for edge in found["participants"]["edges"]] == ["Grace Hopper"]
        said = [edge["node"] for edge in found["messages"]["edges"]]
        assert [(m["text"], m["direction"], m["inReplyTo"]) for m in said] == [
            ("Lunch?", "INBOUND", None), ("At noon", "INBOUND", {"text": "Lunch?"}),
        ]  # fmt: skip
        compose = {"reply": {"messageId": said[1]["id"]}}
        wanted = {"idempotencyKey": "k", "compose": compose, "text": "Yes & gladly", "undoSeconds": 0}
        done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
        assert done["errors"] == []
        await shop.write_back(household.viewer, account_id)
        assert [(post["text"], post["thread_ts"]) for post in team.posts[direct] if post["user"] == ME] == [
            ("Yes &amp; gladly", asked)
        ]
        for _ in range(2):
            await shop.sync(household.viewer, account_id)
            mine = [edge["node"] for edge in (await room())["messages"]["edges"] if edge["node"]["direction"] == "OUTBOUND"]
            assert [(m["id"], m["text"], m["delivery"]["state"]) for m in mine] == [
                (done["message"]["id"], "Yes & gladly", "SENT")
            ]
        team.posts[direct][0]["reactions"] = [{"name": "spaghetti", "users": [grace, ME], "count": 2}]
        await shop.sync(household.viewer, account_id)
        first = (await room())["messages"]["edges"][0]["node"]
        assert (first["text"], first["reactions"]) == ("Lunch?", [{"emoji": "spaghetti", "count": 2}])
    assert team.violations == []


async def test_reading_here_is_reading_there_and_what_slack_cannot_keep_is_refused_at_once(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue(), "slack", msgspec.structs.replace(slack.PROVIDER, quota=Quota(calls=10_000, seconds=60.0)))
    team = Slack(time.time)
    direct = team.channel(2, user=team.member(100, "grace"), last_read=f"{time.time() - 1000:.6f}")
    team.post(direct, "U00000100", "Lunch?", time.time() - 900)
    last = team.post(direct, "U00000100", "At noon", time.time() - 800)
    async with running(team) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-1"))

        async def room() -> Any:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return edge["node"]

        async def mark(**wish: bool) -> list[str]:
            done = (await ask(shop, household, MARK, id=(await room())["id"], **wish))["markConversations"]
            return [each["code"] for each in done["errors"]]

        assert await mark(read=False) == await mark(flagged=True) == ["UNSUPPORTED"]
        assert (await room())["unreadCount"] == 2
        assert await mark(read=True) == []
        await shop.write_back(household.viewer, account_id)
        assert team.channels[direct]["last_read"] == last
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert (await room())["unreadCount"] == 0
        assert await household.head() == head  # its echo is no event
    assert team.violations == []


async def test_a_slack_token_that_may_not_mark_says_what_to_do(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue(), "slack", msgspec.structs.replace(slack.PROVIDER, quota=Quota(calls=10_000, seconds=60.0)))
    team = Slack(time.time)
    team.tokens["xoxp-1"] = frozenset(slack.SCOPES) - {"channels:write", "groups:write", "im:write", "mpim:write"}
    direct = team.channel(2, user=team.member(100, "grace"), last_read=f"{time.time() - 1000:.6f}")
    team.post(direct, "U00000100", "Lunch?", time.time() - 900)
    async with running(team) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-1"))
        ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
        done = (await ask(shop, household, MARK, id=edge["node"]["id"], read=True))["markConversations"]
        (error,) = done["errors"]
        assert (error["code"], "beginLink" in error["message"]) == ("REAUTH_REQUIRED", True)
    assert team.violations == []


async def test_slack_calls_one_address_and_everybody_of_the_workspace_is_woken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TestClock()
    team = Slack(lambda: clock.now().timestamp())
    async with running(team) as url:
        monkeypatch.setenv("KITH_SLACK_URL", url + "/api")
        given: dict[str, Any] = {
            "public_url": "https://kith.example.org", "slack_events_topic": APP, "slack_events_secret": SIGNING,
            "allow_private_hosts": (f"127.0.0.1/32:{urlsplit(url).port}",),
        }  # fmt: skip
        async with opened(tmp_path, clock=clock, schema=None, **given) as there, asking(there) as client:

            async def call(body: dict[str, Any], secret: str = SIGNING) -> tuple[int, str]:
                raw, stamp = json.dumps(body).encode(), str(int(clock.now().timestamp()))
                headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": sign(secret, stamp, raw)}
                answer = await client.post("/hooks/slack", content=raw, headers=headers)
                return answer.status_code, answer.text

            assert await call({"type": "url_verification", "challenge": "c1"}) == (200, "c1")
            assert (await call({"type": "url_verification", "challenge": "c1"}, "another"))[0] == 403
            event = {"type": "event_callback", "api_app_id": APP, "team_id": TEAM}
            assert await call(event) == (204, "")  # that nobody is called so is no news to it
            whose = (await named(there, None)).id
            provider = there.providers["slack"]
            assert provider.open is not None
            secret = Secret(access_token="xoxp-1")
            account = Account(provider="slack", base_url=url + "/api")
            profile = await provider.open(there.accounts.session(account, Held(secret), provider)).profile()
            account_id = await there.accounts.add(whose, provider, profile, secret, base_url=url + "/api")
            work = worker.of(there)
            await work.run_one(whose, "sync", account_id)
            assert await work.run_one(whose, "push", account_id)
            before = await there.database.read(whose, leases.pending, "sync", account_id)
            assert before is not None and before.due > clock.now() + pushing.SOON
            assert await call({**event, "team_id": "T00000009"}) == (204, "")
            assert await call(event) == (204, "")
            after = await there.database.read(whose, leases.pending, "sync", account_id)
            assert after is not None and after.due <= clock.now() + pushing.SOON
            (finding,) = [one for one in await examine(there.settings) if one.check == "push" and "Slack" in one.message]
            assert (finding.level, SIGNING in finding.message) == ("ok", False)
    assert team.violations == []


def test_an_app_id_without_its_secret_is_said_and_one_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_SLACK_EVENTS_TOPIC", "my app")
    with pytest.raises(SettingsError, match="A0123456789"):
        load()


async def test_a_message_at_slack_is_edited_and_deleted_from_here(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue(), "slack", msgspec.structs.replace(slack.PROVIDER, quota=Quota(calls=10_000, seconds=60.0)))
    team = Slack(time.time)
    direct = team.channel(2, user=team.member(100, "grace"))
    team.post(direct, "U00000100", "Lunch?", time.time() - 900)
    team.post(direct, ME, "Yse & gladly", time.time() - 800)
    edit = """mutation($id: ID!) { editMessage(input: { messageId: $id, text: "Yes & gladly" }) { message { text } errors { code } } }"""
    delete = "mutation($id: ID!) { deleteMessage(input: { messageId: $id, forEveryone: true }) { messageId errors { code } } }"
    async with running(team) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-1"))

        async def texts() -> list[tuple[str, str | None]]:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return [(each["node"]["id"], each["node"]["text"]) for each in edge["node"]["messages"]["edges"]]

        (theirs, _), (mine, _) = await texts()
        done = (await ask(shop, household, edit, id=mine))["editMessage"]
        assert done == {"message": {"text": "Yes & gladly"}, "errors": []}
        await shop.write_back(household.viewer, account_id)
        assert team.posts[direct][1]["text"] == "Yes &amp; gladly"
        await shop.sync(household.viewer, account_id)
        assert await texts() == [(theirs, "Lunch?"), (mine, "Yes & gladly")]
        for message_id in (mine, theirs):
            assert (await ask(shop, household, delete, id=message_id))["deleteMessage"]["errors"] == []
        assert await texts() == [(theirs, None), (mine, None)]
        await shop.write_back(household.viewer, account_id)
        assert [post["text"] for post in team.posts[direct]] == [
            "Lunch?"
        ]  # Slack does not let everybody delete what others wrote
        await shop.sync(household.viewer, account_id)
        assert await texts() == [(theirs, "Lunch?")]
    assert team.violations == []


async def test_files_go_into_a_slack_conversation_where_the_token_may(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue(), "slack", msgspec.structs.replace(slack.PROVIDER, quota=Quota(calls=10_000, seconds=60.0)))
    team = Slack(time.time)
    direct = team.channel(2, user=team.member(100, "grace"))
    team.files["F00000900"] = b"the plan"
    file = {"id": "F00000900", "name": "plan.pdf", "mimetype": "application/pdf", "size": 8}
    team.post(direct, "U00000100", "Look", time.time() - 900, files=[file])
    async with running(team) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-1"))
        rooms = """{ viewer { conversations(first: 1) { edges { node { messages(last: 9) { edges { node {
          id text attachments { id name } } } } } } } } }"""

        async def said() -> list[Any]:
            ((edge),) = (await ask(shop, household, rooms))["viewer"]["conversations"]["edges"]
            return [each["node"] for each in edge["node"]["messages"]["edges"]]

        async def send(key: str) -> Any:
            (first, *_) = await said()
            wanted = {
                "idempotencyKey": key, "compose": {"reply": {"messageId": first["id"]}}, "text": "Mine, too", "undoSeconds": 0,
                "attachments": [{"attachmentId": first["attachments"][0]["id"]}],
            }  # fmt: skip
            return (await ask(shop, household, SEND, input=wanted))["sendMessage"]

        done = await send("k")
        assert done["errors"] == []
        await shop.write_back(household.viewer, account_id)
        post = team.posts[direct][-1]
        assert (post["text"], [team.files[each["id"]] for each in post["files"]]) == ("Mine, too", [b"the plan"])
        await shop.sync(household.viewer, account_id)
        shown = (await said())[-1]
        assert (shown["id"], shown["text"], [each["name"] for each in shown["attachments"]]) == (
            done["message"]["id"], "Mine, too", ["plan.pdf"],
        )  # fmt: skip
        team.tokens["xoxp-2"] = frozenset(slack.SCOPES) - {"files:write"}
        await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-2"))
        assert [each["code"] for each in (await send("k-2"))["errors"]] == ["REAUTH_REQUIRED"]
    assert team.violations == []


def export_of(team: Slack, path: Path) -> Path:
    """What the workspace's owner exports."""
    members = [{"id": each["id"], "team_id": TEAM, **each} for each in team.members.values()]
    direct = [{"id": id_, "created": 1, "members": found["people"]} for id_, found in team.channels.items()]
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("users.json", json.dumps(members))
        out.writestr("dms.json", json.dumps(direct))
        for id_, posts in team.posts.items():
            out.writestr(f"{id_}/2026-03-07.json", json.dumps(posts))
    return path


@pytest.mark.parametrize("order", ["export first", "linked first"])
async def test_an_export_and_the_linked_workspace_are_one_account_that_has_everything_once(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setitem(catalogue(), "slack", msgspec.structs.replace(slack.PROVIDER, quota=Quota(calls=10_000, seconds=60.0)))
    team = Slack(time.time)
    team.members[ME]["profile"]["email"] = "ada@example.org"
    grace = team.member(100, "grace", real_name="Grace Hopper", display_name="Grace Hopper")
    direct = team.channel(2, user=grace, last_read=f"{time.time() - 1000:.6f}")
    asked = team.post(direct, grace, "Lunch?", time.time() - 900)
    team.post(direct, ME, "Gladly", time.time() - 800, thread_ts=asked)
    file = export_of(team, tmp_path / "Boats Slack export.zip")
    team.post(direct, grace, "At noon", time.time() - 100)
    people = "{ viewer { contacts(first: 20) { edges { node { names { full } } } } } }"
    async with running(team) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:

        async def link() -> str:
            return await shop.link(household.viewer, "slack", url + "/api", Secret(access_token="xoxp-1"))

        async def bring() -> Any:
            (report,) = await shop.bring(household.viewer, file, me="ada@example.org")
            assert report.state == "DONE"
            return report

        async def texts() -> list[list[str]]:
            rooms = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return [[edge["node"]["text"] for edge in room["node"]["messages"]["edges"]] for room in rooms]

        if order == "export first":
            await bring()
            assert await texts() == [["Lunch?", "Gladly"]]
            account_id = await link()
        else:
            account_id = await link()
            assert (await bring()).created == 1  # whose export it is: a linked account does not list its own user
        (found,) = await household.database.read(household.viewer, accounts.listed)
        assert (found.id, found.provider, found.base_url, found.status) == (account_id, "slack", url + "/api", "ACTIVE")
        for _ in range(2):
            assert await texts() == [["Lunch?", "Gladly", "At noon"]]
            names = [name["full"] for edge in (await ask(shop, household, people))["viewer"]["contacts"]["edges"]
                     for name in edge["node"]["names"]]  # fmt: skip
            assert sorted(names) == ["Ada Byron", "Grace Hopper"]
            assert (await bring()).created == 0
            await shop.sync(household.viewer, account_id)
        await household.forget(account_id)
        assert await texts() == []
    assert team.violations == []
