"""Facebook and Instagram accounts through the whole of Kith: the sync job on both databases, an answer from here, their exports, being called."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarks import exports
from benchmarks.universe import MY_NAME
from gateway import pushing, worker
from gateway.accounts import Grant, Held
from gateway.linking.service import LinkService
from gateway.people import named
from gateway.settings import SettingsError, load
from providers.instagram.adapter import SCOPES as INSTAGRAM_SCOPES
from providers.meta.webhook import sign
from providers.session import Account, Secret
from resolvers.linking import OAuthRedirect
from store import accounts, leases
from tests.gateway.rooms import ask
from tests.gateway.running import TestClock, asking, opened
from tests.household import Household
from tests.providers.meta_stub import APP, ME, SECRET, Graph
from tests.providers.stub_http import Answer, running
from tests.workshop import RealClock, Workshop, workshop

GRANT = Secret(access_token="token-1", client_id=APP, client_secret=SECRET, scope=" ".join(INSTAGRAM_SCOPES))
GRACE, GRACE_THERE = {"id": "9001", "name": "Grace Hopper"}, {"id": "9001", "username": "grace"}
SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id delivery { state } } errors { code message } } }"""
ROOMS = """{ viewer { conversations(first: 50) { edges { node { kind participants(first: 20) { edges { node { name } } }
  messages(last: 50) { edges { node { id text direction delivery { state } } } } } } } } }"""
SEEN = """{ viewer { accounts { edges { node { status statusReason } } }
  activities(first: 50) { edges { node { verb actor { name } } } }
  contacts(first: 100) { edges { node { names { full } } } } } }"""


def facebook() -> Graph:
    net = Graph(time.time)
    net.own_page("700", "Bakery")
    net.said(net.thread("700", GRACE), "Rolls?", time.time() - 900)
    net.commented(net.posted("700", "Fresh rolls", time.time() - 800), GRACE, "Yum", time.time() - 700)
    return net


def instagram() -> Graph:
    net = Graph(time.time, instagram=True)
    owner = net.account["user_id"]
    net.said(net.thread(owner, GRACE_THERE, "instagram"), "Rolls?", time.time() - 900)
    net.commented(net.posted(owner, "Fresh rolls", time.time() - 800), GRACE_THERE, "Yum", time.time() - 700)
    return net


async def rooms(shop: Workshop, household: Household) -> list[Any]:
    return [edge["node"] for edge in (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]]


@pytest.mark.parametrize(("provider", "name"), [("facebook", "Grace Hopper"), ("instagram", "grace")])
async def test_what_is_there_arrives_and_an_answer_from_here_is_there_once_and_here_once(
    household: Household, tmp_path: Path, provider: str, name: str
) -> None:
    net = facebook() if provider == "facebook" else instagram()
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, provider, url, GRANT)
        (found,) = await rooms(shop, household)
        assert found["kind"] == "DIRECT"
        assert [edge["node"]["name"] for edge in found["participants"]["edges"]] == [name]
        ((edge),) = found["messages"]["edges"]
        assert (edge["node"]["text"], edge["node"]["direction"]) == ("Rolls?", "INBOUND")
        compose = {"reply": {"messageId": edge["node"]["id"]}}
        wanted = {"idempotencyKey": "k", "compose": compose, "text": "Gladly", "undoSeconds": 0}
        done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
        assert done["errors"] == []
        assert (await ask(shop, household, SEND, input=wanted))["sendMessage"]["message"]["id"] == done["message"]["id"]
        await shop.write_back(household.viewer, account_id)
        assert [body["message"]["text"] for body in net.sent] == ["Gladly"]
        for _ in range(2):
            await shop.sync(household.viewer, account_id)
            (found,) = await rooms(shop, household)
            mine = [edge["node"] for edge in found["messages"]["edges"] if edge["node"]["direction"] == "OUTBOUND"]
            assert [(m["id"], m["text"], m["delivery"]["state"]) for m in mine] == [(done["message"]["id"], "Gladly", "SENT")]
        seen = (await ask(shop, household, SEEN))["viewer"]
        assert sorted((edge["node"]["verb"], edge["node"]["actor"]["name"]) for edge in seen["activities"]["edges"]) == sorted(
            [("CREATE", name), ("CREATE", "Bakery" if provider == "facebook" else "Robin Vale")]
        )
        ((edge),) = seen["accounts"]["edges"]
        assert (edge["node"]["status"], edge["node"]["statusReason"]) == ("ACTIVE", None)
    assert net.violations == []


class Later(RealClock):
    """Now, or so much later."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.mark.parametrize(("provider", "synced"), [("facebook", "before it is looked for"), ("instagram", "after")])
async def test_an_answer_whose_line_was_cut_is_looked_for_and_not_sent_twice(
    household: Household, tmp_path: Path, provider: str, synced: str
) -> None:
    net, clock = facebook() if provider == "facebook" else instagram(), Later()
    async with (
        running(net) as url,
        workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}", clock=clock) as shop,
    ):
        account_id = await shop.link(household.viewer, provider, url, GRANT)
        (found,) = await rooms(shop, household)
        compose = {"reply": {"messageId": found["messages"]["edges"][0]["node"]["id"]}}
        wanted = {"idempotencyKey": "k", "compose": compose, "text": "Gladly", "undoSeconds": 0}
        done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
        net.cuts = [Answer(503)]
        await shop.write_back(household.viewer, account_id)
        if synced == "before it is looked for":
            await shop.sync(household.viewer, account_id)
        clock.ahead = timedelta(seconds=5)
        await shop.write_back(household.viewer, account_id)
        await shop.sync(household.viewer, account_id)
        (found,) = await rooms(shop, household)
        (mine,) = [edge["node"] for edge in found["messages"]["edges"] if edge["node"]["direction"] == "OUTBOUND"]
        assert (mine["id"], mine["delivery"]["state"]) == (done["message"]["id"], "SENT")
        assert [body["message"]["text"] for body in net.sent] == ["Gladly"]
    assert net.violations == []


async def test_an_answer_that_comes_too_late_fails_with_the_reason_and_is_not_sent(household: Household, tmp_path: Path) -> None:
    net = facebook()
    talk = next(iter(net.threads.values()))
    talk["messages"][0] |= {"at": time.time() - 90_000, "created_time": "2026-01-01T00:00:00+0000"}
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "facebook", url, GRANT)
        (found,) = await rooms(shop, household)
        compose = {"reply": {"messageId": found["messages"]["edges"][0]["node"]["id"]}}
        wanted = {"idempotencyKey": "k", "compose": compose, "text": "Gladly", "undoSeconds": 0}
        assert (await ask(shop, household, SEND, input=wanted))["sendMessage"]["errors"] == []
        await shop.write_back(household.viewer, account_id)
        (found,) = await rooms(shop, household)
        (mine,) = [edge["node"] for edge in found["messages"]["edges"] if edge["node"]["direction"] == "OUTBOUND"]
        assert (mine["delivery"]["state"], net.sent) == ("FAILED", [])
    assert net.violations == []


async def test_what_was_declined_and_what_was_revoked_show_at_the_account(household: Household, tmp_path: Path) -> None:
    net = facebook()
    net.declined = frozenset({"user_posts"})
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "facebook", url, GRANT)

        async def status() -> tuple[str, str]:
            ((edge),) = (await ask(shop, household, SEEN))["viewer"]["accounts"]["edges"]
            return edge["node"]["status"], edge["node"]["statusReason"]

        assert (await status())[0] == "ACTIVE"
        assert "You did not allow user_posts" in (await status())[1]
        net.tokens.clear()
        await shop.sync(household.viewer, account_id)
        assert (await status())[0] == "REAUTH_REQUIRED"
        assert "Link the account again" in (await status())[1]
        assert len(await rooms(shop, household)) == 1  # what was there stays
    assert net.violations == []


@pytest.mark.parametrize(("provider", "first"), [("facebook", "export"), ("facebook", "link"), ("instagram", "export")])
async def test_the_export_and_the_linked_account_are_one_whichever_came_first(
    household: Household, tmp_path: Path, provider: str, first: str
) -> None:
    world = exports.World(people=8, talks=3, messages=4)
    write = exports.facebook if provider == "facebook" else exports.instagram
    file = write(world, tmp_path / f"{provider}-export.zip")
    net = facebook() if provider == "facebook" else instagram()
    net.me["name"] = MY_NAME
    net.account |= {"username": exports.MY_INSTAGRAM}
    async with running(net) as url, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        for step in (first, "link" if first == "export" else "export", "export", "link"):
            if step == "link":
                await shop.link(household.viewer, provider, url, GRANT)
            else:
                (report,) = await shop.bring(household.viewer, file)
                assert report.state == "DONE"
        (found,) = await household.database.read(household.viewer, accounts.listed)
        assert (found.base_url, found.status) == (url, "ACTIVE")
        texts = {edge["node"]["text"] for room in await rooms(shop, household) for edge in room["messages"]["edges"]}
        assert "Rolls?" in texts
        assert len(texts) > 1
    assert net.violations == []


async def test_the_export_of_somebody_else_is_an_account_of_its_own(household: Household, tmp_path: Path) -> None:
    file = exports.facebook(exports.World(people=3, talks=1, messages=2), tmp_path / "facebook-export.zip")
    net = facebook()
    net.me |= {"name": "Cai Moss", "email": "cai@example.org"}
    async with running(net) as url, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        await shop.link(household.viewer, "facebook", url, GRANT)
        await shop.bring(household.viewer, file)
        found = await household.database.read(household.viewer, accounts.listed)
        assert sorted(each.user_id for each in found) == sorted([ME, MY_NAME.casefold()])


@pytest.mark.parametrize("provider", ["facebook", "instagram"])
async def test_signing_in_at_the_network_makes_an_account_whose_grant_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    net = facebook() if provider == "facebook" else instagram()
    async with running(net) as url:
        for name, value in (("URL", url), ("CLIENT_ID", APP), ("CLIENT_SECRET", SECRET)):
            monkeypatch.setenv(f"KITH_{provider.upper()}_{name}", value)
        async with opened(tmp_path, schema=None, allow_private_hosts=(f"127.0.0.1/32:{urlsplit(url).port}",)) as there:
            viewer = (await named(there, "ada")).id
            service = LinkService(there)
            session = await service.begin(viewer, provider=provider, method="OAUTH_REDIRECT")
            assert isinstance(session.step, OAuthRedirect)
            begun = await service.start(session.step.authorization_url.rpartition("/")[2])
            assert begun is not None
            asked = parse_qs(urlsplit(begun[0]).query)
            assert asked["client_id"] == [APP]
            back = f"{session.step.redirect_uri}?code=code-1&state={asked['state'][0]}"
            done = await service.complete(viewer, session.id, callback_url=back)
            assert (done.state, done.error) == ("LINKED", None)
            (found,) = await there.database.read(viewer, accounts.listed)
            held = await Grant(there.accounts, viewer, found.id, url, there.providers[provider]).read()
            assert held.access_token == "token-2"
            assert held.expires_at is not None
            await worker.of(there).run_one(viewer, "sync", found.id)
            (found,) = await there.database.read(viewer, accounts.listed)
            assert found.status == "ACTIVE"
            again = await service.begin(viewer, account_id=found.id, method="OAUTH_REDIRECT")  # and once more, where it has ended
            assert isinstance(again.step, OAuthRedirect)
    assert net.violations == []


async def test_meta_calls_one_address_and_whoever_manages_the_page_is_woken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TestClock()
    net = Graph(lambda: clock.now().timestamp())
    for number in ("700", "800"):
        net.own_page(number, f"Page {number}")
    async with running(net) as url:
        monkeypatch.setenv("KITH_FACEBOOK_URL", url)
        given: dict[str, Any] = {
            "public_url": "https://kith.example.org", "facebook_webhooks_topic": APP, "facebook_webhooks_secret": SECRET,
            "facebook_webhooks_audience": "verify me", "allow_private_hosts": (f"127.0.0.1/32:{urlsplit(url).port}",),
        }  # fmt: skip
        async with opened(tmp_path, clock=clock, schema=None, **given) as there, asking(there) as client:

            async def call(page: str, secret: str = SECRET) -> int:
                entry = {"id": page, "time": int(clock.now().timestamp()), "messaging": [{"message": {"mid": "m_1"}}]}
                raw = json.dumps({"object": "page", "entry": [entry]}).encode()
                answer = await client.post("/hooks/facebook", content=raw, headers={"x-hub-signature-256": sign(secret, raw)})
                return answer.status_code

            query = {"hub.mode": "subscribe", "hub.verify_token": "verify me", "hub.challenge": "1158201444"}
            answer = await client.get("/hooks/facebook", params=query)
            assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
                200,
                "1158201444",
                "text/plain; charset=utf-8",
            )
            assert (await client.get("/hooks/facebook", params={**query, "hub.verify_token": "guessed"})).status_code == 403
            assert (await client.get("/hooks/facebook")).status_code == 403
            assert (await client.get("/hooks/facebook", params={**query, "hub.challenge": "<b>"})).status_code == 400
            assert (await client.get("/hooks/gmail", params=query)).status_code == 405
            assert (await client.post("/hooks/facebook", params=query)).status_code == 403
            assert await call("700", "another secret") == 403
            assert await call("700") == 204  # that nobody is called so is no news to it
            provider = there.providers["facebook"]
            assert provider.open is not None
            viewers = [(await named(there, name)).id for name in ("ada", "bob")]
            account = Account(provider="facebook", base_url=url)
            linked = {}
            for viewer in viewers:
                profile = await provider.open(there.accounts.session(account, Held(GRANT), provider)).profile()
                linked[viewer] = await there.accounts.add(viewer, provider, profile, GRANT, base_url=url)

            async def due(viewer: str) -> bool:
                job = await there.database.read(viewer, leases.pending, "sync", linked[viewer])
                return job is not None and job.due <= clock.now() + pushing.SOON

            work = worker.of(there)
            for viewer in viewers:
                await work.run_one(viewer, "sync", linked[viewer])
                assert await work.run_one(viewer, "push", linked[viewer])
            assert set(net.subscribed) == {"700", "800"}
            assert [await due(viewer) for viewer in viewers] == [False, False]
            assert await call("900") == 204
            assert [await due(viewer) for viewer in viewers] == [False, False]
            assert await call("800") == 204  # of two names that the account goes by
            assert [await due(viewer) for viewer in viewers] == [True, True]
            await pushing.end(there.accounts, there.database, viewers[0], linked[viewers[0]])
            assert set(net.subscribed) == {"700", "800"}  # the other one's, too
            await pushing.end(there.accounts, there.database, viewers[1], linked[viewers[1]])
            assert net.subscribed == {}
    assert net.violations == []


def test_an_app_id_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_INSTAGRAM_WEBHOOKS_TOPIC", "my app")
    with pytest.raises(SettingsError, match="digits alone"):
        load()
