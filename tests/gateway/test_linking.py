"""Linking: nothing is stored before the network has said whose account it is, and no browser links for somebody else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.installation import Installation
from gateway.linking.service import OPEN_SESSIONS, LinkService
from gateway.people import named
from providers.base import Authorization, FormField, LinkForm, Mode, Provider, SignedIn
from providers.errors import ReauthRequired, Unavailable
from providers.http import Session
from providers.quota import Quota
from providers.records import Profile
from providers.session import Secret
from resolvers.linking import CredentialForm, DeviceCode, LinkRefused, OAuthRedirect
from store import accounts, leases
from tests.gateway.running import TestClock, asking, key_of, opened
from tests.gateway.test_sign_in import signed_in

NETWORK = "https://network.example.org"
SERVER = FormField(name="server", label="Server")


class Opened:
    """An adapter that only knows whose account it is."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        secret = await self._session.credentials()
        if secret.password == "slow":
            raise Unavailable("The server does not answer.")
        if secret.password == "correct horse" or secret.access_token == "t0ken":
            return Profile(user_id="7", label="ada at the network")
        raise ReauthRequired("The server does not take this password.")


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    return Authorization(
        authorization_endpoint=f"{NETWORK}/authorize", token_endpoint=f"{NETWORK}/token", client_id="kith", client_secret=None,
        scopes=("read",), issuer=NETWORK, base_url=NETWORK, device_endpoint=f"{NETWORK}/device",
    )  # fmt: skip


PROVIDER = Provider(
    key="network",
    name="The Network",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS"}),
    link_forms=(
        LinkForm(method="OAUTH_REDIRECT", label="Sign in there", fields=()),
        LinkForm(method="DEVICE_CODE", label="Sign in with a code", fields=()),
        LinkForm(
            method="PASSWORD", label="With a password",
            fields=(SERVER, FormField(name="password", label="Password", kind="PASSWORD", secret=True)),
        ),
    ),
    quota=Quota(calls=1000, seconds=1.0),
    open=Opened,  # type: ignore[arg-type]  # asked for nothing but the profile
    authorize=authorize,
    base_url=lambda values: f"https://{values.get('server', 'network.example.org')}",
)  # fmt: skip
asked: list[dict[str, str]] = []
"""What the network's token endpoint was sent."""
answers: list[str] = []
"""What it says next to who asks whether a code was typed in."""


async def device(request: Request) -> JSONResponse:
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    assert form == {"client_id": "kith", "scope": "read"}
    given = {"device_code": "d3vice", "user_code": "ABCD-1234", "verification_uri": f"{NETWORK}/type", "expires_in": 600}
    return JSONResponse({**given, "interval": 5})


async def token(request: Request) -> JSONResponse:
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    asked.append(form)
    if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code":
        assert (form["device_code"], form["client_id"]) == ("d3vice", "kith")
        said = answers.pop(0) if answers else "authorization_pending"
        if said != "typed in":
            return JSONResponse({"error": said}, 400)
        return JSONResponse({"access_token": "t0ken", "token_type": "Bearer", "scope": "read"})
    if form.get("code") != "c0de":
        return JSONResponse({"error": "invalid_grant"}, 400)
    return JSONResponse({"access_token": "t0ken", "token_type": "Bearer", "scope": "read"})


@contextlib.asynccontextmanager
async def with_network(tmp_path: Path, **settings: Any) -> AsyncIterator[Installation]:
    """An installation that knows one more network, reached without a socket."""
    asked.clear()
    async with opened(tmp_path, **settings) as installation:
        installation.providers["network"] = PROVIDER
        answers.clear()
        routes = [Route("/token", token, methods=["POST"]), Route("/device", device, methods=["POST"])]
        installation.accounts.transport = httpx.ASGITransport(app=Starlette(routes=routes))
        yield installation


def service(installation: Installation) -> LinkService:
    return LinkService(installation)


async def stored(installation: Installation, viewer: str) -> list[str]:
    return [account.label for account in await installation.database.read(viewer, accounts.listed)]


async def begin_oauth(installation: Installation, viewer: str) -> tuple[str, str]:
    """A link that waits for a browser: (its id, the path of its ticket)."""
    session = await service(installation).begin(viewer, provider="network", method="OAUTH_REDIRECT")
    assert isinstance(session.step, OAuthRedirect) and session.state == "AWAITING_REDIRECT"
    return session.id, urlsplit(session.step.authorization_url).path


async def go_to_network(client: httpx.AsyncClient, ticket: str) -> dict[str, str]:
    """Open the ticket; what the network is asked for."""
    answer = await client.get(ticket)
    assert answer.status_code == 303 and answer.headers["location"].startswith(f"{NETWORK}/authorize?")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def test_a_form_is_tried_before_anything_is_stored(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, provider="network", method="PASSWORD")
        assert isinstance(session.step, CredentialForm) and [f.name for f in session.step.fields] == ["server", "password"]
        form = {"server": "network.example.org", "password": "wrong"}
        failed = await service(installation).complete(viewer, session.id, form=form)
        assert (failed.state, failed.error_code) == ("FAILED", "REAUTH_REQUIRED")
        assert failed.error_message == "The server does not take this password."
        assert [attempt.succeeded for attempt in failed.attempts] == [False]
        assert await stored(installation, viewer) == []


async def test_a_form_that_works_links_seals_and_queues_the_first_sync(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, provider="network", method="PASSWORD")
        form = {"server": "network.example.org", "password": "correct horse"}
        linked = await service(installation).complete(viewer, session.id, form=form)
        assert linked.state == "LINKED" and linked.account_id is not None
        assert await stored(installation, viewer) == ["ada at the network"]
        assert await installation.database.system_read(leases.pending, viewer, "sync", linked.account_id) is not None
        with pytest.raises(LinkRefused):
            await service(installation).complete(viewer, session.id, form=form)
    for file in (tmp_path / "kith").glob("kith.db*"):
        assert b"correct horse" not in file.read_bytes()


async def test_what_can_be_read_live_is_mirrored_unless_the_viewer_wants_otherwise(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        form = {"server": "network.example.org", "password": "correct horse"}

        async def linked(mode: Mode) -> Any:
            session = await service(installation).begin(viewer, provider="network", method="PASSWORD")
            done = await service(installation).complete(viewer, session.id, form=form, mode=mode)
            return await installation.database.read(viewer, accounts.get, done.account_id or "")

        with pytest.raises(LinkRefused) as refusal:
            await linked("LIVE")
        assert refusal.value.mistake.code == "UNSUPPORTED"
        both = PROVIDER.capabilities | {"LIVE", "MIRROR"}
        installation.providers["network"] = msgspec.structs.replace(PROVIDER, capabilities=both)
        assert (await linked("LIVE")).mode == "LIVE"
        assert (await linked("MIRRORED")).mode == "LIVE"  # it is known in that mode until it is unlinked


async def test_a_network_with_a_sign_in_of_its_own_keeps_a_grant_and_no_password(tmp_path: Path) -> None:
    async def sign_in(session: Session) -> SignedIn:
        typed = await session.credentials()
        if typed.password != "correct horse":
            raise ReauthRequired("The server does not take this password.")
        return SignedIn(secret=Secret(access_token="t0ken", refresh_token="r3new"), base_url="https://found.example.org")

    async with with_network(tmp_path) as installation:
        installation.providers["network"] = msgspec.structs.replace(PROVIDER, sign_in=sign_in)
        viewer = (await named(installation, "ada")).id
        for password, state in (("wrong", "FAILED"), ("correct horse", "LINKED")):
            session = await service(installation).begin(viewer, provider="network", method="PASSWORD")
            form = {"server": "network.example.org", "password": password}
            linked = await service(installation).complete(viewer, session.id, form=form)
            assert linked.state == state
        assert linked.account_id is not None
        found = await installation.database.read(viewer, accounts.get, linked.account_id)
        held = await installation.database.read(viewer, accounts.sealed, linked.account_id)
        assert found is not None and held is not None
        assert found.base_url == "https://found.example.org"
        kept = installation.vault.open(held.blob, viewer, accounts.PLACE[0], linked.account_id, accounts.PLACE[1])
        assert b"r3new" in kept and b"correct horse" not in kept


@pytest.mark.parametrize("address", ["@ada.example.org", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"])
async def test_a_handle_of_bluesky_is_known_by_its_form(tmp_path: Path, address: str) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, address=address, method="APP_PASSWORD")
        assert session.provider == "bluesky"
        assert isinstance(session.step, CredentialForm)
        assert {field.name: field.default for field in session.step.fields} == {
            "username": address, "password": None, "server": None,
        }  # fmt: skip


async def test_a_matrix_id_is_known_by_its_form(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, address="@ada:example.org")
        assert session.provider == "matrix"
        assert isinstance(session.step, CredentialForm)
        assert {field.name: field.default for field in session.step.fields}["username"] == "@ada:example.org"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"password": "correct horse"}, ("credentials", "form", "server")),
        ({"server": " ", "password": "correct horse"}, ("credentials", "form", "server")),
        ({"server": "x", "password": "p", "other": "x"}, ("credentials", "form")),
        ({"server": "x" * 5_000, "password": "p"}, ("credentials", "form", "server")),
        ({"server": "x\r\nHost: evil", "password": "p"}, ("credentials", "form", "server")),
    ],
)
async def test_a_mistake_in_a_form_is_told_with_its_place(tmp_path: Path, form: dict[str, str], field: tuple[str, ...]) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, provider="network", method="PASSWORD")
        with pytest.raises(LinkRefused) as refused:
            await service(installation).complete(viewer, session.id, form=form)
        assert refused.value.mistake.field == field


async def test_a_link_of_somebody_else_does_not_exist(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation:
        ada, ben = (await named(installation, "ada")).id, (await named(installation, "ben")).id
        session = await service(installation).begin(ada, provider="network", method="PASSWORD")
        assert await service(installation).get(ben, session.id) is None
        for attempt in (service(installation).cancel(ben, session.id), service(installation).complete(ben, session.id, form={})):
            with pytest.raises(LinkRefused) as refused:
                await attempt
            assert refused.value.mistake.code == "NOT_FOUND"


async def test_a_link_ends_after_a_quarter_of_an_hour_and_when_it_is_cancelled(tmp_path: Path) -> None:
    clock = TestClock()
    async with with_network(tmp_path, clock=clock) as installation:
        viewer = (await named(installation, "ada")).id
        first = await service(installation).begin(viewer, provider="network", method="PASSWORD")
        second = await service(installation).begin(viewer, provider="network", method="PASSWORD")
        assert (await service(installation).cancel(viewer, first.id)).state == "CANCELLED"
        clock.pass_by(minutes=16)
        late = await service(installation).get(viewer, second.id)
        assert late is not None and (late.state, late.step) == ("EXPIRED", None)


async def test_so_many_links_are_under_way_at_once_and_one_that_is_done_or_cancelled_makes_room(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation:
        ada, ben = (await named(installation, "ada")).id, (await named(installation, "ben")).id
        begun = [await service(installation).begin(ada, provider="network", method="PASSWORD") for _ in range(OPEN_SESSIONS)]
        wrong, right = ({"server": "network.example.org", "password": said} for said in ("wrong", "correct horse"))
        await service(installation).complete(ada, begun[2].id, form=wrong)  # it may still be tried
        with pytest.raises(LinkRefused) as refused:
            await service(installation).begin(ada, provider="network", method="PASSWORD")
        assert refused.value.mistake.code == "LIMIT_REACHED"
        await service(installation).begin(ben, provider="network", method="PASSWORD")
        await service(installation).complete(ada, begun[0].id, form=right)
        await service(installation).cancel(ada, begun[1].id)
        for _ in range(2):
            await service(installation).begin(ada, provider="network", method="PASSWORD")
        with pytest.raises(LinkRefused):
            await service(installation).begin(ada, provider="network", method="PASSWORD")


async def test_a_browser_that_is_signed_in_as_the_viewer_links_without_a_question(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client:
        viewer = (await named(installation, "ada")).id
        await signed_in(installation, client, "ada")
        link_id, ticket = await begin_oauth(installation, viewer)
        wanted = await go_to_network(client, ticket)
        assert wanted["code_challenge_method"] == "S256" and wanted["redirect_uri"].endswith("/link/callback")
        back = await client.get("/link/callback", params={"code": "c0de", "state": wanted["state"], "iss": NETWORK})
        assert "Linked" in back.text
        assert await stored(installation, viewer) == ["ada at the network"]
        session = await service(installation).get(viewer, link_id)
        assert session is not None and session.state == "LINKED"
    assert asked[0]["code_verifier"] and asked[0]["grant_type"] == "authorization_code"


async def test_a_browser_of_nobody_is_asked_whose_account_it_is_and_can_say_yes(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client:
        viewer = (await named(installation, "ada")).id
        _, ticket = await begin_oauth(installation, viewer)
        wanted = await go_to_network(client, ticket)
        page = await client.get("/link/callback", params={"code": "c0de", "state": wanted["state"], "iss": NETWORK})
        assert "<strong>ada</strong>" in page.text and asked == []
        assert await stored(installation, viewer) == []
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        forged = await client.post("/link/confirm", data={**fields, "form": "0" * 64})
        assert forged.status_code == 403 and asked == []
        assert "Linked" in (await client.post("/link/confirm", data=fields)).text
        assert await stored(installation, viewer) == ["ada at the network"]


async def test_a_browser_signed_in_as_somebody_else_is_asked_and_never_linked_silently(tmp_path: Path) -> None:
    """The attack: ben begins a link and sends ada the address, so that her account lands with him."""
    async with with_network(tmp_path) as installation, asking(installation) as client:
        ben = (await named(installation, "ben")).id
        await signed_in(installation, client, "ada")
        _, ticket = await begin_oauth(installation, ben)
        wanted = await go_to_network(client, ticket)
        page = await client.get("/link/callback", params={"code": "c0de", "state": wanted["state"], "iss": NETWORK})
        assert "<strong>ben</strong>" in page.text
        assert asked == [] and await stored(installation, ben) == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": "forged"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"code": None},
        {"code": None, "error": "access_denied"},
        {"code": "another"},
    ],
)
async def test_an_answer_that_is_not_the_networks_stores_nothing(tmp_path: Path, change: dict[str, str | None]) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client:
        viewer = (await named(installation, "ada")).id
        await signed_in(installation, client, "ada")
        _, ticket = await begin_oauth(installation, viewer)
        wanted = await go_to_network(client, ticket)
        answer: dict[str, str | None] = {"code": "c0de", "state": wanted["state"], "iss": NETWORK, **change}
        back = await client.get("/link/callback", params={name: value for name, value in answer.items() if value is not None})
        assert back.status_code >= 400
        assert await stored(installation, viewer) == []


async def test_the_networks_answer_counts_only_in_the_browser_that_went_there(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client, asking(installation) as other:
        viewer = (await named(installation, "ada")).id
        _, ticket = await begin_oauth(installation, viewer)
        wanted = await go_to_network(client, ticket)
        await signed_in(installation, other, "ada")
        back = await other.get("/link/callback", params={"code": "c0de", "state": wanted["state"], "iss": NETWORK})
        assert back.status_code == 400 and asked == []
        assert await stored(installation, viewer) == []


async def test_a_ticket_works_once(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client:
        _, ticket = await begin_oauth(installation, (await named(installation, "ada")).id)
        await go_to_network(client, ticket)
        assert (await client.get(ticket)).status_code == 410


async def test_our_client_is_registered_once_for_a_server(tmp_path: Path) -> None:
    made: list[str] = []

    async def counting(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
        made.append(redirect_uri)
        return await authorize(session, values, redirect_uri)

    async with with_network(tmp_path) as installation:
        installation.providers["network"] = msgspec.structs.replace(PROVIDER, authorize=counting)
        viewer = (await named(installation, "ada")).id
        for _ in range(3):
            await begin_oauth(installation, viewer)
    assert len(made) == 1


async def test_a_return_address_elsewhere_is_refused(tmp_path: Path) -> None:
    async with with_network(tmp_path, cors_origins="https://app.example.org") as installation:
        viewer = (await named(installation, "ada")).id
        with pytest.raises(LinkRefused) as refused:
            await service(installation).begin(viewer, provider="network", return_url="https://evil.example/x")
        assert refused.value.mistake.field == ("returnUrl",)
        session = await service(installation).begin(viewer, provider="network", return_url="https://app.example.org/done")
        assert session.state == "AWAITING_REDIRECT"


async def test_the_page_offers_every_network_and_links_from_its_forms(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client:
        viewer = (await named(installation, "ada")).id
        assert (await client.get("/link")).status_code == 401
        await signed_in(installation, client, "ada")
        page = (await client.get("/link")).text
        for name in ("The Network", "CardDAV", "Mastodon"):
            assert name in page
        token = re.search(r'name="form" value="(\w+)"', page)
        assert token is not None
        form = {"form": token[1], "provider": "network", "method": "PASSWORD", "server": "network.example.org"}
        forged = await client.post("/link", data={**form, "form": "x", "password": "correct horse"})
        wrong = await client.post("/link", data={**form, "password": "wrong"})
        assert forged.status_code == 403
        assert "does not take this password" in wrong.text and "wrong" not in re.sub(r'class="[^"]*"', "", wrong.text)
        assert (await client.post("/link", data={**form, "password": "correct horse"})).status_code == 303
        assert await stored(installation, viewer) == ["ada at the network"]


async def test_linking_needs_the_scope_admin(tmp_path: Path) -> None:
    async with opened(tmp_path, schema=None) as installation:
        key, _ = await key_of(installation, scopes=["read", "write"])
        async with asking(installation, key) as client:
            mutation = 'mutation{beginLink(input:{provider:"carddav"}){link{id}}}'
            answer = await client.post("/graphql", json={"query": mutation})
    assert answer.json()["errors"][0]["extensions"]["missingScopes"] == ["ADMIN"]


async def test_many_settings_that_may_stay_empty_are_folded_away_and_sent_all_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client, "ada")
        page = (await client.get("/link")).text
        mailbox = page[page.index("E-mail (IMAP)") :].partition("</form>")[0]
        shown, _, folded = mailbox.partition("<details>")
        assert 'name="address"' in shown and 'name="password"' in shown
        assert 'name="host"' in folded and 'name="smtp_host"' in folded
        book = page[page.index("CardDAV address book") :].partition("</form>")[0]
        assert 'name="username"' in book and "<details>" not in book


# --- a code that is typed in elsewhere (RFC 8628) --------------------------------------------------------------------------


async def test_a_code_that_is_typed_in_links_and_the_network_is_asked_no_more_often_than_it_said(tmp_path: Path) -> None:
    clock = TestClock()
    async with with_network(tmp_path, clock=clock) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, provider="network", method="DEVICE_CODE")
        assert session.state == "AWAITING_DEVICE" and isinstance(session.step, DeviceCode)
        assert (session.step.user_code, session.step.verification_url, session.step.poll_seconds) == (
            "ABCD-1234", f"{NETWORK}/type", 5,
        )  # fmt: skip
        assert session.expires_at == clock.now() + timedelta(seconds=600)
        answers.extend(["authorization_pending", "slow_down", "typed in"])
        waits = []
        while session.state == "AWAITING_DEVICE":
            for _ in range(3):  # whoever is in a hurry asks us, not the network
                session = await service(installation).complete(viewer, session.id)
            waits.append(len(asked))
            clock.pass_by(seconds=5)
        assert waits == [1, 2, 2, 3]  # it was slowed down to ten seconds
        assert (session.state, await stored(installation, viewer)) == ("LINKED", ["ada at the network"])
    for file in (tmp_path / "kith").glob("kith.db*"):
        assert b"d3vice" not in file.read_bytes() and b"t0ken" not in file.read_bytes()


@pytest.mark.parametrize(
    ("said", "words"), [("access_denied", "said no"), ("expired_token", "its time"), ("invalid_client", "register")]
)
async def test_a_code_that_is_refused_says_why(tmp_path: Path, said: str, words: str) -> None:
    async with with_network(tmp_path) as installation:
        viewer = (await named(installation, "ada")).id
        session = await service(installation).begin(viewer, provider="network", method="DEVICE_CODE")
        answers.append(said)
        failed = await service(installation).complete(viewer, session.id)
        assert (failed.state, words in (failed.error_message or "")) == ("FAILED", True), failed.error_message
        assert await stored(installation, viewer) == []


async def test_a_code_ends_with_its_time_with_somebody_who_cancels_and_is_nobody_elses(tmp_path: Path) -> None:
    clock = TestClock()
    async with with_network(tmp_path, clock=clock) as installation:
        viewer = (await named(installation, "ada")).id
        late = await service(installation).begin(viewer, provider="network", method="DEVICE_CODE")
        gone = await service(installation).begin(viewer, provider="network", method="DEVICE_CODE")
        assert (await service(installation).cancel(viewer, gone.id)).state == "CANCELLED"
        with pytest.raises(LinkRefused):
            await service(installation).complete("u_stranger", late.id)
        with pytest.raises(LinkRefused) as refusal:
            await service(installation).complete(viewer, late.id, form={"password": "x"})
        assert refusal.value.mistake.code == "WRONG_KIND"
        clock.pass_by(seconds=601)
        assert (await service(installation).complete(viewer, late.id)).state == "EXPIRED"
        assert asked == []


async def test_the_page_shows_the_code_and_goes_on_when_it_was_typed_in(tmp_path: Path) -> None:
    async with with_network(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client, "ada")
        form = re.search(r'name="form" value="([^"]+)"', (await client.get("/link")).text)
        assert form is not None
        shown = await client.post("/link", data={"form": form[1], "provider": "network", "method": "DEVICE_CODE"})
        assert "ABCD-1234" in shown.text and f'href="{NETWORK}/type"' in shown.text
        link = re.search(r'name="link" value="([^"]+)"', shown.text)
        assert link is not None
        answers.append("typed in")
        done = await client.post("/link", data={"form": form[1], "link": link[1]})
        assert (done.status_code, done.headers["location"]) == (303, "/")
