"""An X account through the whole of Kith: its price before it is linked, the sync job on both databases, a message from here, its archive."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from benchmarks import exports
from gateway.linking.service import LinkService
from gateway.people import named
from providers.session import Secret
from resolvers.linking import CredentialForm, OAuthRedirect
from store import accounts, leases
from tests.gateway.rooms import ask
from tests.gateway.running import asking, opened
from tests.gateway.test_sign_in import signed_in
from tests.household import Household
from tests.providers.stub_http import running
from tests.providers.x_stub import ME, SCOPES, X
from tests.workshop import workshop

GRANT = Secret(access_token="token-1", scope=" ".join(sorted(SCOPES)))
SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id delivery { state } } errors { code message } } }"""
ROOMS = """{ viewer { conversations(first: 20) { edges { node { kind participants(first: 20) { edges { node { name } } }
  messages(last: 50) { edges { node { id text direction delivery { state } } } } } } } } }"""
GROUPS = """{ viewer { conversations(first: 50) { edges { node { subject messageCount
  participants(first: 20) { edges { node { address } } } } } } } }"""
SEEN = """{ viewer { accounts { edges { node { status statusReason nextSyncAt } } }
  activities(first: 50) { edges { node { verb actor { name } } } }
  contacts(first: 100) { edges { node { names { full } } } } } }"""


def network() -> X:
    net = X(time.time)
    net.following.append(net.person("100", "grace", name="Grace Hopper"))
    net.event("10-100", "100", "Lunch?", time.time() - 900)
    net.post("100", "@ada Lunch was good", time.time() - 100)
    return net


async def test_what_is_there_arrives_and_what_is_sent_from_here_is_there_once_and_here_once(
    household: Household, tmp_path: Path
) -> None:
    net = network()
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "x", url, GRANT)

        async def room() -> Any:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return edge["node"]

        found = await room()
        assert found["kind"] == "DIRECT"
        assert [edge["node"]["name"] for edge in found["participants"]["edges"]] == ["Grace Hopper"]
        ((edge),) = found["messages"]["edges"]
        assert (edge["node"]["text"], edge["node"]["direction"]) == ("Lunch?", "INBOUND")
        wanted = {
            "idempotencyKey": "k",
            "compose": {"reply": {"messageId": edge["node"]["id"]}},
            "text": "Gladly",
            "undoSeconds": 0,
        }
        done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
        assert done["errors"] == []
        await shop.write_back(household.viewer, account_id)
        assert [event["text"] for event in net.events if event["sender_id"] == ME] == ["Gladly"]
        for _ in range(2):
            await shop.sync(household.viewer, account_id)
            mine = [edge["node"] for edge in (await room())["messages"]["edges"] if edge["node"]["direction"] == "OUTBOUND"]
            assert [(m["id"], m["text"], m["delivery"]["state"]) for m in mine] == [(done["message"]["id"], "Gladly", "SENT")]
        seen = (await ask(shop, household, SEEN))["viewer"]
        assert [(edge["node"]["verb"], edge["node"]["actor"]["name"]) for edge in seen["activities"]["edges"]] == [
            ("CREATE", "Grace Hopper")
        ]
    assert net.violations == []


async def test_at_its_limit_an_account_says_what_to_do(household: Household, tmp_path: Path) -> None:
    net = network()
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "x", url, GRANT, sync=False)

        def limit(conn: Any, viewer: str) -> None:
            accounts.change(conn, viewer, account_id, None, settings=b'{"monthly_limit":"0.02"}')

        await household.database.write(household.viewer, limit)
        for _ in range(3):
            await shop.sync(household.viewer, account_id)
        ((edge),) = (await ask(shop, household, SEEN))["viewer"]["accounts"]["edges"]
        assert "Link X again with a higher limit" in edge["node"]["statusReason"]
        found = await household.database.read(household.viewer, accounts.get, account_id)
        assert found is not None
        assert found.retry_at is not None
        assert net.spent <= 20

        def lose(conn: Any, viewer: str) -> None:
            accounts.change(conn, viewer, account_id, None, cursor=None)

        await household.database.write(household.viewer, lose)
        again = await shop.link(household.viewer, "x", url, GRANT, sync=False)
        assert again == account_id  # signing in again gives none back either
        await household.database.write(household.viewer, limit)
        await shop.sync(household.viewer, account_id)
        assert 0 < net.spent <= 20
    assert net.violations == []


async def test_a_group_keeps_the_name_and_the_members_that_only_its_archive_has(household: Household, tmp_path: Path) -> None:
    world = exports.World(people=8, talks=10, messages=3)
    (*_, group) = [talk for talk in world.conversations() if talk.title]
    net = X(time.time, me=exports.MY_X_ID)
    net.person(exports.MY_X_ID, exports.MY_HANDLE, name="Robin Vale")
    talkative = world.person(group.members[0])
    net.person(exports.x_id(talkative), "talkative", name=talkative.name)
    net.event(exports.x_talk_id(world, group), exports.x_id(talkative), "And now?", time.time() - 60)
    file = exports.x_twitter(world, tmp_path / "twitter.zip")

    async def seen() -> Any:
        rooms = [edge["node"] for edge in (await ask(shop, household, GROUPS))["viewer"]["conversations"]["edges"]]
        return next(room for room in rooms if room["subject"] == group.title)

    async with running(net) as url, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        await shop.bring(household.viewer, file)
        before = await seen()
        assert len(before["participants"]["edges"]) == len(group.members)
        await shop.link(household.viewer, "x", url, GRANT)
        after = await seen()
        assert after["messageCount"] == before["messageCount"] + 1
        silent = {f"{exports.x_id(world.person(n))}@x.com" for n in group.members[1:]}
        assert silent < {edge["node"]["address"] for edge in after["participants"]["edges"]}


async def test_an_archive_that_comes_after_the_link_takes_nobodys_name_away(household: Household, tmp_path: Path) -> None:
    world = exports.World(people=4, talks=1, messages=2)
    net = X(time.time, me=exports.MY_X_ID)
    net.person(exports.MY_X_ID, exports.MY_HANDLE, name="Robin Vale")
    net.following = [net.person(exports.x_id(one), f"user{one.number}", name=one.name) for one in exports.x_follows(world)[0]]
    async with running(net) as url, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        await shop.link(household.viewer, "x", url, GRANT)
        await shop.bring(household.viewer, exports.x_twitter(world, tmp_path / "twitter.zip"))
        nodes = [edge["node"] for edge in (await ask(shop, household, SEEN))["viewer"]["contacts"]["edges"]]
        names = {name["full"] for node in nodes for name in node["names"]}
        assert {one.name for one in exports.x_follows(world)[0]} <= names


async def test_the_archive_and_the_linked_account_are_one(household: Household, tmp_path: Path) -> None:
    world = exports.World(people=8, talks=3, messages=4)
    net = X(time.time, me=exports.MY_X_ID)
    net.person(exports.MY_X_ID, exports.MY_HANDLE, name="Robin Vale")
    (followed, *_), _ = exports.x_follows(world)
    net.following.append(net.person(exports.x_id(followed), "handle", name=f"{followed.given} by the network"))
    file = exports.x_twitter(world, tmp_path / "twitter.zip")
    async with running(net) as url, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        (report,) = await shop.bring(household.viewer, file)
        assert report.state == "DONE"
        (alone,) = await household.database.read(household.viewer, accounts.listed)
        await household.database.system(leases.enqueue, household.viewer, "sync", alone.id, shop.clock.now())
        await shop.sync(household.viewer, alone.id)  # no network keeps it up: nobody is asked, and nothing is wrong
        (alone,) = await household.database.read(household.viewer, accounts.listed)
        assert (alone.status, alone.status_reason, net.spent) == ("ACTIVE", None, 0)
        before = len((await ask(shop, household, SEEN))["viewer"]["contacts"]["edges"])
        account_id = await shop.link(household.viewer, "x", url, GRANT)
        (found,) = await household.database.read(household.viewer, accounts.listed)
        assert (found.id, found.base_url, found.status) == (account_id, url, "ACTIVE")
        names = [
            name["full"]
            for edge in (await ask(shop, household, SEEN))["viewer"]["contacts"]["edges"]
            for name in edge["node"]["names"]
        ]
        assert len((await ask(shop, household, SEEN))["viewer"]["contacts"]["edges"]) == before
        assert f"{followed.given} by the network" in names
        (again,) = await shop.bring(household.viewer, file)
        assert (again.state, again.created) == ("DONE", 0)
        (found,) = await household.database.read(household.viewer, accounts.listed)
        assert (found.base_url, found.status) == (url, "ACTIVE")
    assert net.violations == []


BEGIN = """mutation { beginLink(input: { provider: "x", method: OAUTH_REDIRECT }) { link { id } errors { message } } }"""
COMPLETE = """mutation($link: ID!, $form: [FormValue!]!) { completeLink(input: { linkId: $link, credentials: { form: $form } }) {
  errors { message } link { attempts { method message } step { ... on OAuthRedirect { authorizationUrl } } } } }"""


async def asked_for(client: httpx.AsyncClient, query: str, variables: dict[str, Any]) -> Any:
    """By GraphQL, as a front-end in a browser asks."""
    answer = (await client.post("/graphql", json={"query": query, "variables": variables}, headers={"X-Kith-CSRF": "1"})).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def test_a_months_price_is_told_before_the_browser_goes_to_x(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_X_CLIENT_ID", "client")
    async with opened(tmp_path, schema=None) as there, asking(there) as client:
        viewer = (await named(there, "ada")).id
        service = LinkService(there)
        session = await service.begin(viewer, provider="x", method="OAUTH_REDIRECT")
        assert isinstance(session.step, CredentialForm)
        form = {"monthly_limit": "20", "following": "100", "followers": "50", "own_app": "true"}
        session = await service.complete(viewer, session.id, form=form)
        assert isinstance(session.step, OAuthRedirect)
        assert [(one.method, "costs about $" in one.message, "limit of $20.00" in one.message) for one in session.attempts] == [
            ("price", True, True)
        ]
        await signed_in(there, client, "ada")
        began = await asked_for(client, BEGIN, {})
        credentials = [{"name": name, "value": value} for name, value in form.items()]
        linked = await asked_for(client, COMPLETE, {"link": began["beginLink"]["link"]["id"], "form": credentials})
        (price,) = linked["completeLink"]["link"]["attempts"]
        assert (price["method"], price["message"]) == ("price", session.attempts[0].message)
        assert "authorizationUrl" in linked["completeLink"]["link"]["step"], "what a front-end opens comes with what it costs"
        page = await client.get("/link")
        hidden = re.search(r'name="form" value="([^"]*)"', page.text)
        assert hidden is not None
        wanted = {"form": hidden[1], "provider": "x", "method": "OAUTH_REDIRECT", "monthly_limit": "1"}
        gone = await client.post("/link", data=wanted)
        assert "more than your limit of $1.00" in gone.text
