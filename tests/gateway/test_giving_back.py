"""Unlinking tells the network, where it takes grants back, on both databases; what it says keeps nothing here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from providers.records import OwnAddress, Profile
from providers.session import Secret
from store import accounts
from tests.atproto_servers import AtProto
from tests.chat_servers import Matrix
from tests.gateway.rooms import ask, place, stored
from tests.household import Household
from tests.providers.conftest import HandClock
from tests.providers.github_stub import GitHub
from tests.providers.meta_stub import APP, ME, Graph
from tests.providers.meta_stub import SECRET as APP_SECRET
from tests.providers.slack_stub import SCOPES, Slack
from tests.providers.stub_http import Answer, Request, running
from tests.workshop import Workshop, workshop

ADA = (OwnAddress(value="ada@example.org", primary=True),)
UNLINK = "mutation($id: ID!) { unlinkAccount(input: { accountId: $id }) { errors { code message } } }"


class Revoking:
    """A network's revocation endpoint (RFC 7009), and one that renews tokens."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.renewed = ""

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return Answer(200, {"access_token": self.renewed, "token_type": "bearer"})
        assert (request.method, request.path) == ("POST", "/revoke")
        self.asked.append({name: values[0] for name, values in parse_qs(request.body.decode()).items()})
        return Answer(self.status, b"")

    def grant(self, token: str) -> Secret:
        extra = {
            "token_endpoint": f"{self.url}/token",
            "revocation_endpoint": f"{self.url}/revoke",
            "token_endpoint_auth_method": "client_secret_post",
        }
        return Secret(access_token=f"access-{token}", refresh_token=token, client_id="kith", client_secret="hidden", extra=extra)


@asynccontextmanager
async def open_shop(household: Household, home: Path) -> AsyncIterator[tuple[Workshop, Revoking]]:
    net = Revoking()
    async with running(net), workshop(household.database, home, "127.0.0.0/8:*") as shop:
        yield shop, net


async def linked(shop: Workshop, household: Household, provider: str, user: str, secret: Secret, url: str) -> str:
    profile = Profile(user_id=user, label=user, own_addresses=ADA)
    return await shop.accounts.add(household.viewer, shop.providers[provider], profile, secret, base_url=url)


async def unlink(shop: Workshop, household: Household, account_id: str) -> None:
    done = await ask(shop, household, UNLINK, id=account_id)
    assert done["unlinkAccount"]["errors"] == []
    await shop.worker.run_one(household.viewer, "unlink", account_id)
    assert await household.database.read(household.viewer, accounts.get, account_id) is None
    assert await household.database.read(household.viewer, accounts.sealed, account_id) is None


async def test_an_account_that_is_unlinked_gives_its_grant_back(household: Household, tmp_path: Path) -> None:
    async with open_shop(household, tmp_path) as (shop, net):
        account_id = await linked(shop, household, "gmail", "ada@example.org", net.grant("refresh-1"), net.url)
        await unlink(shop, household, account_id)
        assert net.asked == [
            {"token": "refresh-1", "token_type_hint": "refresh_token", "client_id": "kith", "client_secret": "hidden"}
        ]


async def test_a_grant_that_another_account_of_the_same_person_lives_from_is_given_back_with_the_last_one(
    household: Household, tmp_path: Path
) -> None:
    async with open_shop(household, tmp_path) as (shop, net):
        mail = await linked(shop, household, "gmail", "ada@example.org", net.grant("refresh-1"), net.url)
        people = await linked(shop, household, "google", "people/1", net.grant("refresh-2"), net.url)
        await unlink(shop, household, mail)
        assert net.asked == []
        await unlink(shop, household, people)
        assert [form["token"] for form in net.asked] == ["refresh-2"]


async def test_a_grant_that_another_viewers_account_lives_from_is_given_back_with_the_last_one(
    household: Household, tmp_path: Path
) -> None:
    other = await Household.open(household.database, "u_partner")
    async with open_shop(household, tmp_path) as (shop, net):
        mine = await linked(shop, household, "gmail", "ada@example.org", net.grant("refresh-1"), net.url)
        theirs = await linked(shop, other, "gmail", "ada@example.org", net.grant("refresh-2"), net.url)
        await unlink(shop, household, mine)  # nothing that is said here tells of the other
        assert net.asked == []
        await unlink(shop, other, theirs)
        assert [form["token"] for form in net.asked] == ["refresh-2"]


async def test_somebody_elses_grant_keeps_none(household: Household, tmp_path: Path) -> None:
    other = await Household.open(household.database, "u_partner")
    async with open_shop(household, tmp_path) as (shop, net):
        mine = await linked(shop, household, "gmail", "ada@example.org", net.grant("refresh-1"), net.url)
        profile = Profile(user_id="bo@example.org", label="Bo", own_addresses=(OwnAddress(value="bo@example.org", primary=True),))
        await shop.accounts.add(other.viewer, shop.providers["gmail"], profile, net.grant("refresh-2"), base_url=net.url)
        await unlink(shop, household, mine)
        assert [form["token"] for form in net.asked] == ["refresh-1"]


async def test_a_token_that_somebody_typed_in_is_left_to_them(household: Household, tmp_path: Path) -> None:
    async with open_shop(household, tmp_path) as (shop, net):
        typed = Secret(access_token="theirs", extra=net.grant("theirs").extra)
        await unlink(shop, household, await linked(shop, household, "mastodon", "1", typed, net.url))
        assert net.asked == []


@pytest.mark.parametrize("status", [400, 403, 503])
async def test_a_network_that_takes_nothing_back_keeps_nothing_here(household: Household, tmp_path: Path, status: int) -> None:
    async with open_shop(household, tmp_path) as (shop, net):
        net.status = status
        await unlink(shop, household, await linked(shop, household, "gmail", "ada@example.org", net.grant("refresh-1"), net.url))
        assert net.asked


async def test_a_token_that_is_over_is_renewed_to_give_the_grant_back(household: Household, tmp_path: Path) -> None:
    team = Slack(time.time)
    team.tokens = {"xoxe-2": SCOPES}
    async with open_shop(household, tmp_path) as (shop, net), running(team) as url:
        net.renewed = "xoxe-2"
        extra = {"token_endpoint": f"{net.url}/token", "token_endpoint_auth_method": "client_secret_post"}
        over = shop.clock.now() - timedelta(hours=1)
        granted = Secret(
            access_token="xoxe-1", refresh_token="r", expires_at=over, client_id="app", client_secret="hidden", extra=extra
        )
        await unlink(shop, household, await linked(shop, household, "slack", "U1", granted, f"{url}/api"))
        assert team.tokens == {}
    assert team.violations == []


async def test_facebook_takes_the_app_off_the_account_with_the_last_viewer_who_linked_it(
    household: Household, tmp_path: Path
) -> None:
    other = await Household.open(household.database, "u_partner")
    net = Graph(time.time)
    async with running(net) as url, workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        granted = Secret(access_token="token-1", client_id=APP, client_secret=APP_SECRET)
        mine, theirs = [await linked(shop, who, "facebook", ME, granted, url) for who in (household, other)]
        await unlink(shop, household, mine)
        assert set(net.tokens) == {"token-1"}
        await unlink(shop, other, theirs)
        assert net.tokens == {}
    assert net.violations == []


async def test_github_ends_what_was_granted_to_an_app_with_a_secret(household: Household, tmp_path: Path) -> None:
    net = GitHub(time.time)
    net.apps["app/1"] = "hidden"
    granted = Secret(access_token="token-1", client_id="app/1")
    async with running(net) as url, workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        await unlink(shop, household, await linked(shop, household, "github", "77", granted, url))
        assert set(net.tokens) == {"token-1"}, "without the app's secret GitHub takes nothing back"
        granted = msgspec.structs.replace(granted, client_secret="hidden")
        await unlink(shop, household, await linked(shop, household, "github", "77", granted, url))
        assert net.tokens == {}
    assert net.violations == []


async def test_bluesky_closes_the_session_of_an_app_password_and_no_other(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    user = atproto_server.new_user()
    typed = Secret(username=user.handle, password=user.app_password("kith", privileged=False))
    other = await Household.open(household.database, "u_partner")
    async with workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        kept = await shop.link(other.viewer, "bluesky", user.url, typed, sync=False)
        account_id = await shop.link(household.viewer, "bluesky", user.url, typed, sync=False)
        mine, theirs = await stored(shop, household, account_id), await stored(shop, other, kept)
        await unlink(shop, household, account_id)
        assert [user.renews(one.refresh_token or "") for one in (mine, theirs)] == [False, True]


async def test_matrix_signs_out_the_session_of_a_password_and_leaves_a_token_that_was_typed_in(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    ada = synapse_server.new_user("ada")
    before = ada.devices()
    clock = HandClock()
    clock.time = datetime.now(UTC)
    async with workshop(household.database, tmp_path, place(synapse_server), clock=clock) as shop:
        by_password = Secret(username=ada.user_id, password=ada.password)
        account_id = await shop.link(household.viewer, "matrix", ada.url, by_password, sync=False)
        assert ada.devices() == sorted([*before, "Kith"])
        clock.time += timedelta(minutes=6)  # its access token has ended
        await unlink(shop, household, account_id)
        assert ada.devices() == before
        await unlink(
            shop, household, await shop.link(household.viewer, "matrix", ada.url, Secret(access_token=ada.token), sync=False)
        )
        assert ada.devices() == before


async def test_slack_ends_the_token_that_a_sign_in_gave(household: Household, tmp_path: Path) -> None:
    team = Slack(time.time)
    team.tokens = {"xoxp-1": SCOPES, "xoxp-2": SCOPES}
    async with running(team) as url, workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        granted = Secret(access_token="xoxp-1", client_id="app", client_secret="hidden")
        await unlink(shop, household, await linked(shop, household, "slack", "U1", granted, f"{url}/api"))
        assert set(team.tokens) == {"xoxp-2"}
        await unlink(shop, household, await linked(shop, household, "slack", "U2", Secret(access_token="xoxp-2"), f"{url}/api"))
        assert set(team.tokens) == {"xoxp-2"}
    assert team.violations == []
