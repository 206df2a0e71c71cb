"""Signing in by a code that is typed in on another device (RFC 8628), as networks answer: also with errors in answers of 200."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers import device
from providers.base import Authorization
from providers.errors import Malformed, ProviderError, Refused, Unavailable
from providers.github import api as github_api
from providers.session import Secret
from tests.providers.conftest import SessionMaker, http_answer, scripted

GIVEN: dict[str, Any] = {
    "device_code": "d",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://github.com/login/device",
    "expires_in": 900,
}


def authorization(url: str) -> Authorization:
    return Authorization(
        authorization_endpoint=f"{url}/authorize", token_endpoint=f"{url}/token", client_id="kith", client_secret="s3cret",
        scopes=("read:user", "notifications"), device_endpoint=f"{url}/device", base_url=url,
    )  # fmt: skip


def said(body: Any, status: int = 200) -> bytes:
    return http_answer(status, json.dumps(body), Content_Type="application/json")


async def test_codes_are_asked_for_with_our_id_and_what_we_want(new_session: SessionMaker) -> None:
    async with scripted(said({**GIVEN, "interval": 7})) as script:
        found = await device.codes(new_session(script.url), authorization(script.url))
        assert (found.user_code, found.interval, found.expires_in) == ("WDJB-MJHT", 7, 900)
        (asked,) = script.seen
        assert (asked.method, asked.path, asked.headers["accept"]) == ("POST", "/device", "application/json")
        assert asked.body == b"client_id=kith&scope=read%3Auser+notifications"
        assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said({"error": "device_flow_disabled"}, 400), Refused),
        (said({"error": "unauthorized_client"}, 400), Refused),
        (said({**GIVEN, "verification_uri": "javascript:alert(1)"}), Malformed),
        (said({"user_code": "x"}), ProviderError),
        (http_answer(200, "<html>"), ProviderError),
        (http_answer(502, ""), Unavailable),
    ],
)
async def test_what_is_no_code_is_refused(new_session: SessionMaker, answer: bytes, error: type[ProviderError]) -> None:
    async with scripted(answer) as script:
        with pytest.raises(error):
            await device.codes(new_session(script.url, interactive=True), authorization(script.url))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (said({"error": "authorization_pending"}, 400), 5),
        (said({"error": "authorization_pending"}), 5),  # GitHub's status
        (said({"error": "slow_down", "interval": 10}), 10),
        (said({"access_token": "gho_1", "token_type": "bearer", "scope": "read:user"}), "gho_1"),
    ],
)
async def test_the_network_is_asked_until_somebody_has_typed_it_in(new_session: SessionMaker, answer: bytes, found: Any) -> None:
    async with scripted(answer) as script:
        given = device.Codes(**GIVEN)
        done = await device.ask(new_session(script.url), authorization(script.url), given)
        assert (done.access_token if isinstance(done, Secret) else done) == found
        assert b"device_code=d" in script.seen[0].body and b"client_secret=s3cret" in script.seen[0].body


async def test_github_and_its_enterprise_servers_give_out_codes_at_their_sites(new_session: SessionMaker) -> None:
    for base, site in (
        ("https://api.github.com", "https://github.com"),
        ("https://git.example.org/api/v3", "https://git.example.org"),
    ):
        session = new_session(base, secret=Secret(client_id="kith", client_secret="s"))
        made = await github_api.authorize(session, {}, "https://kith.example.org/link/callback")
        assert made.device_endpoint == f"{site}/login/device/code"
