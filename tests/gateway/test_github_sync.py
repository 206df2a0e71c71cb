"""A GitHub account through the whole of Kith, on both databases: the stub, the sync job, and what the API answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.session import Secret
from schema import build_schema
from store import accounts
from tests.asking import Context
from tests.gateway import rooms
from tests.household import Household
from tests.providers.github_stub import SCOPES, GitHub
from tests.providers.stub_http import running
from tests.workshop import Workshop, workshop

QUESTION = """{ viewer {
  activities(first: 10) { edges { node { verb summary actor { person { name } } object { kind name } } } }
  contacts(first: 20) { edges { node { relation person { name } } } }
  conversations(first: 20) { edges { node { id subject kind unreadCount
    messages(last: 50) { edges { node { text direction category } } } } } } } }"""


MARK = """mutation($id: ID!, $read: Boolean) { markConversations(input: { conversationIds: [$id], read: $read }) { errors { code message } } }"""


async def ask(shop: Workshop, household: Household) -> Any:
    result = await build_schema().execute(QUESTION, context_value=Context(shop.operation(household.viewer)))
    assert not result.errors, result.errors
    assert result.data is not None
    return result.data["viewer"]


async def test_reading_a_thread_here_is_reading_it_there_as_far_as_it_was_read(household: Household, tmp_path: Path) -> None:
    github = GitHub(time.time)
    leak = github.thread(12, "Leak", github.me, "05-01T10:00:00")
    github.comment(leak, github.user(100, "grace"), "Where?", "05-01T11:00:00")
    github.notify(leak, read="2026-05-01T10:30:00Z")
    github.tokens["token-1"], github.pause = SCOPES, 0
    async with running(github) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "github", url, Secret(access_token="token-1"))

        async def unread() -> tuple[str, int]:
            ((edge),) = (await ask(shop, household))["conversations"]["edges"]
            return edge["node"]["id"], edge["node"]["unreadCount"]

        async def mark(**wish: bool) -> list[str]:
            conversation_id, _ = await unread()
            done = (await rooms.ask(shop, household, MARK, id=conversation_id, **wish))["markConversations"]
            await shop.write_back(household.viewer, account_id)
            return [error["code"] for error in done["errors"]]

        assert await mark(read=False) == ["UNSUPPORTED"]
        github.comment(leak, github.users[100], "There!", "05-01T12:00:00")  # and Kith does not know it yet
        github.notify(leak, read="2026-05-01T10:30:00Z")
        assert await mark(read=True) == []
        assert (github.read, (await unread())[1]) == ([], 1)  # it is as unread as before
        await shop.sync(household.viewer, account_id)
        assert (await unread())[1] == 2
        assert await mark(read=True) == []
        assert (github.read, (await unread())[1]) == ([12], 0)
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert ((await unread())[1], await household.head()) == (0, head)
    assert github.violations == []


async def test_people_and_threads_arrive_and_a_withheld_part_is_said_until_it_is_given(
    household: Household, tmp_path: Path
) -> None:
    github = GitHub(time.time)
    for number, name in enumerate(("Grace Hopper", "Joan Clarke", "Linus Ray"), 100):
        github.user(number, name.split()[0].lower(), name=name)
    github.following, github.followers, github.organizations = [100], [100], {"acme": [77, 101]}
    github.tokens["token-1"] = SCOPES - {"read:org"}
    leak = github.thread(12, "Leak", github.me, "05-01T10:00:00")
    github.comment(leak, github.users[100], "Where, @ada?", "05-01T11:00:00")
    github.comment(leak, github.users[102], "Below.", "05-01T12:00:00")
    github.event("WatchEvent", github.users[100], {"action": "started"}, repo="acme/sails")
    github.notify(leak, read="2026-05-01T11:30:00Z")
    async with running(github) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "github", url, Secret(access_token="token-1"))
        found = await ask(shop, household)
        people = {edge["node"]["person"]["name"]: edge["node"]["relation"] for edge in found["contacts"]["edges"]}
        assert people.items() >= {"Grace Hopper": "CONNECTION", "Linus Ray": "CORRESPONDENT"}.items()
        assert "Joan Clarke" not in people
        (thread,) = (edge["node"] for edge in found["conversations"]["edges"])
        assert (thread["subject"], thread["kind"], thread["unreadCount"]) == ("Leak (acme/boats#12)", "POST", 1)
        assert [(edge["node"]["text"], edge["node"]["direction"]) for edge in thread["messages"]["edges"]] == [
            ("About Leak.", "OUTBOUND"), ("Where, @ada?", "INBOUND"), ("Below.", "INBOUND"),
        ]  # fmt: skip
        (star,) = (edge["node"] for edge in found["activities"]["edges"])
        assert star == {
            "verb": "LIKE", "summary": "starred acme/sails", "actor": {"person": {"name": "Grace Hopper"}},
            "object": {"kind": "REPOSITORY", "name": "acme/sails"},
        }  # fmt: skip
        account = await household.database.read(household.viewer, accounts.get, account_id)
        assert account is not None
        assert account.status == "ACTIVE"
        assert "read:org" in (account.status_reason or "")
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head  # nothing happened, nothing is told
        github.tokens["token-1"] = SCOPES
        github.following = [100, 102]
        await shop.sync(household.viewer, account_id)
        found = await ask(shop, household)
        people = {edge["node"]["person"]["name"]: edge["node"]["relation"] for edge in found["contacts"]["edges"]}
        assert people.items() >= {"Joan Clarke": "MEMBER", "Linus Ray": "FOLLOWING"}.items()
        account = await household.database.read(household.viewer, accounts.get, account_id)
        assert account is not None
        assert account.status_reason is None
        assert await shop.count(household.viewer, "select count(*) from gap") == 0
    assert github.violations == []
