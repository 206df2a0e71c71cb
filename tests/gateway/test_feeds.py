"""A feed through the whole of Kith, on both databases: linked by the address of its site, shown, edited, ended, unlinked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.linking.service import LinkService
from gateway.people import named
from providers.session import Secret
from resolvers.linking import CredentialForm
from store import accounts
from tests.gateway.rooms import ask
from tests.gateway.running import opened
from tests.household import Household
from tests.providers.feed_site import Site, page
from tests.providers.stub_http import Answer, running
from tests.workshop import Workshop, workshop

ACTIVITIES = """{ viewer { activities(first: 20) { edges { node { verb actor { name } occurredAt
  object { kind name text html url } } } } } }"""


async def _posts(shop: Workshop, household: Household) -> list[Any]:
    data = await ask(shop, household, ACTIVITIES)
    return [edge["node"] for edge in data["viewer"]["activities"]["edges"]]


async def test_what_a_site_publishes_arrives_is_edited_and_stays_until_it_is_unlinked(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site()
    site.posts = ["One", "Two"]
    async with running(site), workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        site.pages["/"] = page('<link rel="alternate" type="application/atom+xml" href="/feed.xml">')
        account_id = await shop.link(household.viewer, "feeds", site.url + "/", Secret())
        found = await household.database.read(household.viewer, accounts.get, account_id)
        assert found is not None
        assert (found.label, found.base_url, found.status) == ("Ada's blog", f"{site.url}/feed.xml", "ACTIVE")
        newest, oldest = await _posts(shop, household)
        assert (newest["verb"], newest["actor"]["name"]) == ("CREATE", "Ada Ray")
        assert (newest["object"]["kind"], newest["object"]["name"], newest["object"]["text"]) == ("ARTICLE", "Two", "Post 1.")
        assert oldest["object"]["url"] == "https://blog.example/0"
        asked = len(site.asked)
        await shop.sync(household.viewer, account_id)
        assert len(site.asked) == asked, "it is not due"

        def later(days: int) -> None:
            monkeypatch.setattr(shop.clock, "now", lambda: datetime.now(UTC) + timedelta(days=days))

        later(2)
        site.posts = ["One", "Two, better", "Three"]
        await shop.sync(household.viewer, account_id)
        assert [one["object"]["name"] for one in await _posts(shop, household)] == ["Three", "Two, better", "One"]
        later(4)
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head, "nothing happened, nothing is told"
        later(6)
        site.pages["/feed.xml"] = Answer(410, b"")
        await shop.sync(household.viewer, account_id)
        found = await household.database.read(household.viewer, accounts.get, account_id)
        assert found is not None
        assert "ended (410)" in (found.status_reason or "")
        assert len(await _posts(shop, household)) == 3
        await household.forget(account_id)
        assert await _posts(shop, household) == []


async def test_a_feed_is_linked_by_its_address_alone(tmp_path: Path) -> None:
    site = Site()
    site.posts = ["One"]
    async with running(site), opened(tmp_path, allow_private_hosts=["127.0.0.0/8:*"]) as installation:
        site.pages["/"] = page("")
        viewer = (await named(installation, "ada")).id
        session = await LinkService(installation).begin(viewer, provider="feeds")
        assert isinstance(session.step, CredentialForm)
        assert (session.step.method, [field.name for field in session.step.fields]) == ("NO_SECRET", ["url"])
        refused = await LinkService(installation).complete(viewer, session.id, form={"url": "file:///etc/passwd"})
        assert refused.state == "FAILED"
        session = await LinkService(installation).begin(viewer, provider="feeds")
        linked = await LinkService(installation).complete(viewer, session.id, form={"url": site.url})
        assert linked.state == "LINKED"
        assert [one.label for one in await installation.database.read(viewer, accounts.listed)] == ["Ada's blog"]
