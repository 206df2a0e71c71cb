"""LinkedIn through the whole of Kith: its archive and the linked account of one member, in either order, on both databases."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks import exports
from providers.session import Secret
from store import accounts
from tests.gateway.rooms import ask
from tests.household import Household
from tests.providers.linkedin_stub import LinkedIn, url
from tests.providers.stub_http import running
from tests.providers.test_linkedin import tables
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
