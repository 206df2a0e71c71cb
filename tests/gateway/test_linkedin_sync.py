"""LinkedIn through the whole of Kith: its archive and the linked account of one member, in either order, on both databases."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from benchmarks import exports
from gateway import worker
from gateway.linking.service import LinkService
from gateway.people import named
from providers.session import Secret
from resolvers.linking import OAuthRedirect
from store import accounts
from tests.gateway.rooms import ask
from tests.gateway.running import TestClock, opened
from tests.household import Household
from tests.providers.linkedin_stub import LinkedIn, tables, url
from tests.providers.stub_http import running
from tests.workshop import Workshop, workshop

GRANT = Secret(access_token="own-token")
SEEN = """{ viewer { contacts(first: 50) { edges { node { id } } }
  conversations(first: 50) { edges { node { id kind messages(last: 50) { edges { node { id text } } } } } }
  activities(first: 50) { edges { node { id } } } } }"""


async def seen(shop: Workshop, household: Household) -> dict[str, set[str]]:
    """What there is, by ids."""
    viewer = (await ask(shop, household, SEEN))["viewer"]
    found: dict[str, set[str]] = {name: {edge["node"]["id"] for edge in viewer[name]["edges"]} for name in viewer}
    found["messages"] = {
        edge["node"]["id"] for each in viewer["conversations"]["edges"] for edge in each["node"]["messages"]["edges"]
    }
    return found


@pytest.mark.parametrize("archive_first", [True, False], ids=["archive first", "linked first"])
async def test_the_archive_and_the_linked_account_are_one_with_nothing_twice(
    household: Household, tmp_path: Path, archive_first: bool
) -> None:
    file = exports.linkedin(exports.World(people=8, talks=3, messages=4), tmp_path / "copy.zip")
    net = LinkedIn(time.time)
    net.domains = tables(file)
    async with running(net) as at, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(at).port}") as shop:

        async def link() -> Any:
            return await shop.link(household.viewer, "linkedin", at, GRANT, settings={"profile": url(exports.MY_SLUG)})

        async def bring() -> Any:
            (report,) = await shop.bring(household.viewer, file)
            assert report.state == "DONE"
            return report

        await (bring() if archive_first else link())
        first = await seen(shop, household)
        assert all(first.values())
        if archive_first:
            await link()
        else:
            assert (await bring()).created == 0
        assert await seen(shop, household) == first
        (account,) = await household.database.read(household.viewer, accounts.listed)
        assert (account.user_id, account.base_url, account.status) == (exports.MY_SLUG, at, "ACTIVE")
    assert net.violations == []


async def test_a_member_outside_the_eea_has_the_profile_and_is_told_to_import(household: Household, tmp_path: Path) -> None:
    net = LinkedIn(time.time)
    net.tokens["token-1"] = frozenset({"openid", "profile", "email"})
    secret = Secret(access_token="token-1", scope="openid,profile,email")
    async with running(net) as at, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(at).port}") as shop:
        await shop.link(household.viewer, "linkedin", at, secret, settings={"profile": url(exports.MY_SLUG)})
        (account,) = await household.database.read(household.viewer, accounts.listed)
        assert account.status == "ACTIVE"
        assert "import it" in (account.status_reason or "")
    assert net.violations == []


async def test_while_linkedin_prepares_the_data_the_account_is_not_empty_but_waiting(
    household: Household, tmp_path: Path
) -> None:
    net = LinkedIn(time.time)
    net.prepared = False
    async with running(net) as at, workshop(household.database, tmp_path / "home", f"127.0.0.1/32:{urlsplit(at).port}") as shop:
        await shop.link(household.viewer, "linkedin", at, GRANT, settings={"profile": url(exports.MY_SLUG)})
        (account,) = await household.database.read(household.viewer, accounts.listed)
        assert account.status == "SYNCING", account
        assert "still preparing" in (account.status_reason or "")
    assert net.violations == []


async def test_a_member_links_with_the_address_of_the_profile_and_a_token_or_by_signing_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TestClock()
    net = LinkedIn(lambda: clock.now().timestamp())
    net.connection("ada", "Ada")
    async with running(net) as at:
        monkeypatch.setenv("KITH_LINKEDIN_URL", at)
        monkeypatch.setenv("KITH_LINKEDIN_CLIENT_ID", "client")
        monkeypatch.setenv("KITH_LINKEDIN_CLIENT_SECRET", "secret")
        allowed = (f"127.0.0.1/32:{urlsplit(at).port}",)
        async with opened(tmp_path, clock=clock, schema=None, allow_private_hosts=allowed) as there:
            viewer = (await named(there, None)).id
            service = LinkService(there)
            session = await service.begin(viewer, provider="linkedin", method="TOKEN")
            form = {"profile": "https://ie.linkedin.com/in/Robin-Ray/", "access_token": "own-token"}
            session = await service.complete(viewer, session.id, form=form)
            assert session.error is None, session.error
            (account,) = await there.database.read(viewer, accounts.listed)
            assert (account.user_id, account.label) == ("robin-ray", "Robin Ray")
            await worker.of(there).run_one(viewer, "sync", account.id)
            (account,) = await there.database.read(viewer, accounts.listed)
            assert account.status == "ACTIVE", account.status_reason
            session = await service.begin(viewer, provider="linkedin", method="OAUTH_REDIRECT")
            form = {"profile": "https://www.linkedin.com/in/robin-ray", "portability": "true"}
            session = await service.complete(viewer, session.id, form=form)
            assert isinstance(session.step, OAuthRedirect)
            started = await service.start(session.step.authorization_url.rpartition("/")[2])
            assert started is not None
            address, cookie = started
            wanted = dict(parse_qsl(urlsplit(address).query))
            assert wanted["scope"] == "openid profile email r_dma_portability_3rd_party"
            link = await service.returned({"code": "c0de", "state": wanted["state"]}, cookie)
            session = await service.finish(link)
            assert session.error is None, session.error
            (account,) = await there.database.read(viewer, accounts.listed)
            assert (account.user_id, session.account_id) == ("robin-ray", account.id)
            net.calls.clear()
            await worker.of(there).run_one(viewer, "sync", account.id)
            (account,) = await there.database.read(viewer, accounts.listed)
            assert (account.status, account.status_reason) == ("ACTIVE", None)
            assert len(net.calls) > 0
    assert net.violations == []
