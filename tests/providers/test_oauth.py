"""Signing in to a network by OAuth 2: what is asked, what is believed, and what each refusal means."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest

from providers import oauth
from providers.base import Authorization
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.session import Secret
from tests.providers.conftest import NOON, Exchange, SessionMaker, http_answer, scripted

VERIFIER = "v" * 43
BACK = "https://kith.example.org/link/callback"


def authorization(base: str = "https://m.example.org", **more: Any) -> Authorization:
    return Authorization(
        authorization_endpoint=f"{base}/oauth/authorize",
        token_endpoint=f"{base}/oauth/token",
        client_id="kith",
        client_secret="hush",
        scopes=("read", "write"),
        base_url=base,
        **more,
    )


def said(exchange: Exchange) -> dict[str, str]:
    return dict(parse_qsl(exchange.body.decode()))


def json_answer(value: Any, status: int = 200) -> bytes:
    return http_answer(status, msgspec.json.encode(value), Content_Type="application/json")


def test_the_browser_is_sent_with_state_scopes_and_a_pkce_challenge() -> None:
    url = oauth.authorization_url(authorization(extra={"force_login": "true"}), BACK, "state-1", VERIFIER)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    assert url.startswith("https://m.example.org/oauth/authorize?")
    assert query == {
        "response_type": "code",
        "client_id": "kith",
        "redirect_uri": BACK,
        "scope": "read write",
        "state": "state-1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "force_login": "true",
    }


def test_where_a_network_forbids_pkce_none_is_sent() -> None:
    assert "code_challenge" not in oauth.authorization_url(authorization(pkce=False), BACK, "s", VERIFIER)


def test_our_own_extra_keys_are_not_shown_to_the_browser() -> None:
    extra = {"token_endpoint_auth_method": "client_secret_post", "revocation_endpoint": "https://m.example.org/revoke"}
    url = oauth.authorization_url(authorization(extra=extra), BACK, "s", VERIFIER)
    assert "revo" not in url
    assert "auth_method" not in url
    assert "hush" not in url


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_code_becomes_a_secret(new_session: SessionMaker, method: str) -> None:
    token = {"access_token": "A", "refresh_token": "R", "token_type": "Bearer", "expires_in": 3600, "scope": "read"}
    async with scripted(json_answer(token)) as server:
        secret = await oauth.exchange(
            new_session(server.url),
            authorization(server.url, extra={"token_endpoint_auth_method": method}),
            BACK,
            "c0de",
            VERIFIER,
        )
    asked = said(server.seen[0])
    assert {name: asked[name] for name in ("grant_type", "code", "redirect_uri", "code_verifier")} == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    if method == "client_secret_post":
        assert (asked["client_id"], asked["client_secret"]) == ("kith", "hush")
    else:
        assert server.seen[0].headers["authorization"] == "Basic " + base64.b64encode(b"kith:hush").decode()
    assert (secret.access_token, secret.refresh_token, secret.scope) == ("A", "R", "read")
    assert secret.expires_at == NOON + timedelta(hours=1)
    assert secret.extra == {
        "token_endpoint": f"{server.url}/oauth/token",
        "token_endpoint_auth_method": method,
        "granted_at": NOON.isoformat(),
    }


async def test_a_grant_that_the_network_gives_for_a_time_says_when_it_ends(new_session: SessionMaker) -> None:
    token = {"access_token": "A", "refresh_token": "R", "token_type": "Bearer", "refresh_token_expires_in": 604_799}
    async with scripted(json_answer(token)) as server:
        secret = await oauth.exchange(new_session(server.url), authorization(server.url), BACK, "c0de", VERIFIER)
    assert secret.extra["grant_ends_at"] == (NOON + timedelta(seconds=604_799)).isoformat()


async def test_the_accounts_own_token_is_not_sent_to_the_token_endpoint(new_session: SessionMaker) -> None:
    async with scripted(json_answer({"access_token": "B", "token_type": "bearer"})) as server:
        session = new_session(server.url, secret=Secret(access_token="A"))
        await oauth.refresh(session, authorization(server.url), Secret(refresh_token="R"))
    assert "Bearer" not in server.seen[0].headers.get("authorization", "")


@pytest.mark.parametrize(("given", "kept"), [({"refresh_token": "R2"}, "R2"), ({}, "R1")], ids=["rotated", "kept"])
async def test_a_refresh_keeps_the_renewal_that_is_valid(new_session: SessionMaker, given: dict[str, str], kept: str) -> None:
    async with scripted(json_answer({"access_token": "B", "token_type": "Bearer", **given})) as server:
        old = Secret(access_token="A", refresh_token="R1", scope="read", extra={"home": "x"})
        secret = await oauth.refresh(new_session(server.url), authorization(server.url), old)
    assert said(server.seen[0])["refresh_token"] == "R1"
    assert (secret.access_token, secret.refresh_token, secret.scope, secret.extra) == ("B", kept, "read", {"home": "x"})
    assert secret.expires_at is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer({"error": "invalid_grant"}, 400), ReauthRequired),
        (json_answer({"error": "invalid_client"}, 401), Refused),
        (json_answer({"error": "invalid_scope"}, 400), Refused),
        (json_answer({"error": "temporarily_unavailable"}, 400), Unavailable),
        (json_answer({"error": "<script>\n"}, 400), Refused),
        (json_answer({"error": {"nested": 1}}, 400), Refused),
        (json_answer({"error": "invalid_grant"}, 200), ReauthRequired),
        (http_answer(429, Retry_After="5"), RateLimited),
        (http_answer(500), Unavailable),
        (http_answer(302, Location="/elsewhere"), Malformed),
        (http_answer(200, "<html>Sign in", Content_Type="text/html"), Malformed),
        (json_answer({}), Malformed),
        (json_answer([1]), Malformed),
        (json_answer("text"), Malformed),
        (json_answer({"access_token": 5}), Malformed),
        (json_answer({"access_token": "A", "token_type": "Bearer", "expires_in": "soon"}), Malformed),
        (json_answer({"access_token": "A", "token_type": "mac"}), Malformed),
        (http_answer(200, b"{" * 1_000_000), Malformed),
        (lambda exchange: None, Unavailable),
    ],
)
async def test_a_refused_or_broken_sign_in_has_its_own_name(
    new_session: SessionMaker, answer: Any, error: type[ProviderError]
) -> None:
    async with scripted(answer) as server:
        with pytest.raises(error) as refusal:
            await oauth.exchange(new_session(server.url), authorization(server.url), BACK, "c0de", VERIFIER)
    assert "<" not in refusal.value.message
    assert len(server.seen) == 1, "a code is never sent twice"


@pytest.mark.parametrize("expires_in", [-5, 0, None, 1e300, "7200"])
async def test_an_odd_lifetime_is_no_error(new_session: SessionMaker, expires_in: Any) -> None:
    async with scripted(json_answer({"access_token": "A", "token_type": "Bearer", "expires_in": expires_in})) as server:
        secret = await oauth.exchange(new_session(server.url), authorization(server.url), BACK, "c0de", VERIFIER)
    assert secret.expires_at is None or secret.expires_at > NOON


async def test_a_secret_without_a_renewal_asks_for_a_new_sign_in(new_session: SessionMaker) -> None:
    with pytest.raises(ReauthRequired):
        await oauth.refresh(new_session("https://m.example.org"), authorization(), Secret(access_token="A"))


async def test_a_grant_is_given_back_where_the_network_takes_it(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200)) as server:
        asked = authorization(server.url, extra={"revocation_endpoint": f"{server.url}/oauth/revoke"})
        assert await oauth.revoke(new_session(server.url), asked, Secret(access_token="A"))
        assert said(server.seen[0])["token"] == "A"
        server.answers = [http_answer(403)]
        assert not await oauth.revoke(new_session(server.url), asked, Secret(access_token="A"))
    assert not await oauth.revoke(new_session(server.url), authorization(server.url), Secret(access_token="A"))


@pytest.mark.parametrize("iss", [None, "", "https://evil.example.com", "https://m.example.org/"])
def test_a_redirect_from_another_issuer_is_refused(iss: str | None) -> None:
    with pytest.raises(Refused):
        oauth.check_issuer(authorization(issuer="https://m.example.org"), iss)


def test_a_redirect_from_the_right_or_an_unknown_issuer_is_taken() -> None:
    oauth.check_issuer(authorization(issuer="https://m.example.org"), "https://m.example.org")
    oauth.check_issuer(authorization(), None)


async def test_a_server_is_described_by_itself_only(new_session: SessionMaker) -> None:
    async with scripted() as server:
        server.answers = [lambda _: json_answer({"issuer": server.url + "/", "x": 1})]
        assert await oauth.metadata(new_session(server.url), server.url) == {"issuer": server.url + "/", "x": 1}
        server.answers = [json_answer({"issuer": "https://evil.example.com"})]
        with pytest.raises(Malformed):
            await oauth.metadata(new_session(server.url), server.url)
        for nothing in (http_answer(404), http_answer(200, "<html>"), json_answer([])):
            server.answers = [nothing]
            assert await oauth.metadata(new_session(server.url), server.url) is None
