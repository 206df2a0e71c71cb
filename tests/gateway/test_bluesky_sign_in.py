"""A Bluesky account linked by its server's page, from the first click to the renewal: a real PDS and the whole of Kith's way to it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2 as httpx
import msgspec
import pytest

from gateway.accounts import Accounts, Grant, Held
from gateway.installation import Installation
from gateway.linking.service import LinkService
from gateway.people import named
from gateway.web import application
from providers import atproto
from providers.bluesky import sign_in
from providers.bluesky.adapter import PROVIDER
from providers.errors import ReauthRequired
from providers.session import Account
from resolvers.linking import LinkSession, OAuthRedirect
from store import accounts
from tests.atproto_browser import SignInPage
from tests.atproto_servers import AtProto, AtUser
from tests.gateway.running import opened
from tests.patience import PATIENCE

#: Under a domain that is nobody's: servers refuse the reserved ones.
PUBLIC = "https://kith.home.zz"
DOCUMENT = "/oauth/bluesky/client-metadata.json"


@pytest.fixture
def user(atproto_server: AtProto, monkeypatch: pytest.MonkeyPatch) -> AtUser:
    monkeypatch.setattr(atproto, "DIRECTORY", atproto_server.directory)
    return atproto_server.new_user()


class Front:
    """An installation with a public address, and a browser in front of it."""

    def __init__(self, installation: Installation, client: httpx.AsyncClient, viewer: str) -> None:
        self.installation = installation
        self.client = client
        self.viewer = viewer
        self.service = LinkService(installation)

    async def begin(self, user: AtUser) -> LinkSession:
        return await self.service.begin(self.viewer, provider="bluesky", method="OAUTH_REDIRECT", address=user.did)

    async def ticket(self, session: LinkSession) -> httpx.Response:
        assert isinstance(session.step, OAuthRedirect)
        return await self.client.get(urlsplit(session.step.authorization_url).path)

    async def linked(self, user: AtUser) -> str:
        """Through the server's page and back; the account's id."""
        session = await self.begin(user)
        sent = await self.ticket(session)
        assert sent.status_code == 303, sent.text
        came = SignInPage(sent.headers["location"]).allow(user)
        back = f"{came.pop('')}?{urlencode(came)}"
        done = await self.service.complete(self.viewer, session.id, callback_url=back)
        assert (done.state, done.error_message) == ("LINKED", None)
        return done.account_id or ""

    async def grant(self, account_id: str) -> dict[str, Any]:
        """What is kept of the sign-in, opened."""
        held = await self.installation.database.read(self.viewer, accounts.sealed, account_id)
        assert held is not None
        table, column = accounts.PLACE
        opened_: dict[str, Any] = msgspec.json.decode(
            self.installation.vault.open(held.blob, self.viewer, table, account_id, column)
        )
        return opened_


@asynccontextmanager
async def front(tmp_path: Path, public_url: str = PUBLIC) -> AsyncIterator[Front]:
    async with opened(tmp_path, public_url=public_url, allow_private_hosts=("127.0.0.0/8:*",)) as installation:
        transport = httpx.ASGITransport(app=application(installation))
        async with httpx.AsyncClient(transport=transport, base_url=public_url) as client:
            yield Front(installation, client, (await named(installation, "ada")).id)


async def test_an_account_is_linked_by_its_servers_page_and_its_grant_is_sealed_with_its_key(
    user: AtUser, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with front(tmp_path) as at:
        document = (await at.client.get(DOCUMENT)).json()
        assert document["client_id"] == PUBLIC + DOCUMENT
        assert "d" not in document["jwks"]["keys"][0]
        assert (await at.client.get(DOCUMENT)).json() == document, "the key is made once"
        atproto_server.publish(document["client_id"], document)
        account_id = await at.linked(user)
        found = await at.installation.database.read(at.viewer, accounts.get, account_id)
        assert found is not None
        assert (found.base_url, found.user_id, found.label) == (user.url, user.did, f"@{user.handle}")
        kept = await at.grant(account_id)
        assert kept["client_id"] == PUBLIC + DOCUMENT
        private = msgspec.json.decode(kept["extra"]["dpop_key"])["d"]
    for file in (tmp_path / "kith").glob("kith.db*"):
        assert private.encode() not in file.read_bytes()


async def test_two_workers_that_renew_at_once_lose_no_grant(user: AtUser, tmp_path: Path) -> None:
    """The renewal token is good for one use: the second one's would end the grant."""
    async with front(tmp_path, "http://127.0.0.1:8000") as at:
        account_id = await at.linked(user)
        first = at.installation.accounts
        second = Accounts(
            database=first.database, vault=first.vault, clock=first.clock, transport=first.transport, providers=first.providers
        )
        grants = [Grant(one, at.viewer, account_id, user.url, PROVIDER) for one in (first, second, first, second)]
        for _ in range(3):
            old = await grants[0].read()
            newer = await asyncio.gather(*(grant.refreshed(old) for grant in grants))
            assert len({one.refresh_token for one in newer}) == 1
            assert newer[0].refresh_token != old.refresh_token
        adapter = await first.open(at.viewer, account_id)
        assert (await adapter._who()).did == user.did  # type: ignore[attr-defined]  # asked of the server itself, with the last token
        assert first.renewals == set()


async def test_a_renewal_whose_answer_died_with_its_process_is_told_as_that_until_somebody_signs_in_again(
    user: AtUser, tmp_path: Path
) -> None:
    """The server takes a second use of a renewal token for a theft (RFC 9700 §4.14.2)."""
    async with front(tmp_path, "http://127.0.0.1:8000") as at:
        account_id = await at.linked(user)
        opener, clock = at.installation.accounts, at.installation.clock
        grant = Grant(opener, at.viewer, account_id, user.url, PROVIDER)
        old, held = await grant._read()
        await at.installation.database.write(at.viewer, accounts.begin_refresh, account_id, held.fence, clock.now(), _dead())
        session = opener.session(Account(provider="bluesky", base_url=user.url), Held(old), PROVIDER)
        await sign_in.renew(session, old)  # and nobody was left to store what it gave
        for _ in range(2):  # the second time as well, when it is asked again
            with pytest.raises(ReauthRequired, match=r"was interrupted and its answer lost\. .* Link the account again"):
                await grant.refreshed(old)
        assert await at.linked(user) == account_id
        fresh = await grant.read()
        assert (await grant.refreshed(fresh)).refresh_token != fresh.refresh_token


def _dead() -> str:
    """A holder that is no more."""
    program = "from gateway.holders import holder_name; print(holder_name())"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout.strip()


async def test_a_server_that_lets_us_in_nowhere_says_so_in_the_browser(user: AtUser, tmp_path: Path) -> None:
    async with front(tmp_path, "https://unread.home.zz") as at:
        session = await at.begin(user)
        answer = await at.ticket(session)
        assert answer.status_code == 502
        assert "KITH_PUBLIC_URL" in answer.text
        failed = await at.service.get(at.viewer, session.id)
        assert failed is not None
        assert (failed.state, failed.error_code) == ("FAILED", "PROVIDER_REFUSED")


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8000", "https://203.0.113.7", "https://kith.local", "https://kith"])
async def test_an_installation_without_a_public_name_has_no_document(tmp_path: Path, public_url: str) -> None:
    async with front(tmp_path, public_url) as at:
        assert (await at.client.get(DOCUMENT)).status_code == 404


async def test_only_networks_that_read_one_have_a_document(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        assert (await at.client.get("/oauth/mastodon/client-metadata.json")).status_code == 404
        assert (await at.client.get("/oauth/nobody/client-metadata.json")).status_code == 404
