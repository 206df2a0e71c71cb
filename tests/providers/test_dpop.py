"""Proof of possession (RFC 9449) and a client that signs for itself (RFC 7523): what a server gets to see."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx2 as httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from providers import client_assertion, dpop
from providers.errors import ReauthRequired, Unavailable
from providers.http import RetryPolicy
from tests.providers.conftest import NOON, Exchange, SessionMaker, http_answer, scripted

ANSWERS = {200, 400, 401}


def opened(proof: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a proof, checked with the key that it carries."""
    header = json.loads(base64.urlsafe_b64decode(proof.partition(".")[0] + "=="))
    assert "d" not in header["jwk"], "the private half stays here"
    token = jwt.decode(proof, ECKey.import_key(header["jwk"]), algorithms=["ES256"])
    return dict(token.header), dict(token.claims)


def test_a_proof_is_bound_to_method_address_moment_and_token() -> None:
    prover = dpop.Prover(dpop.new_key())
    header, claims = opened(prover.proof("POST", httpx.URL("https://pds.example.org/xrpc/a.b?c=d#e"), 1_000.9, "t0ken"))
    assert (header["typ"], header["alg"], header["jwk"]["crv"]) == ("dpop+jwt", "ES256", "P-256")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"t0ken").digest()).decode().rstrip("=")
    assert {name: claims[name] for name in ("htm", "htu", "iat", "ath")} == {
        "htm": "POST", "htu": "https://pds.example.org/xrpc/a.b", "iat": 1_000, "ath": digest,
    }  # fmt: skip
    _, other = opened(prover.proof("POST", httpx.URL("https://pds.example.org/xrpc/a.b"), 1_000.9))
    assert other["jti"] != claims["jti"]
    assert "ath" not in other


@pytest.mark.parametrize(
    "wish",
    [
        http_answer(400, '{"error":"use_dpop_nonce"}', DPoP_Nonce="n1"),
        http_answer(401, '{"error":"x"}', DPoP_Nonce="n1", WWW_Authenticate='DPoP algs="ES256", error="use_dpop_nonce"'),
    ],
)
async def test_a_server_that_wants_its_nonce_is_asked_once_more_and_then_gets_the_newest(
    new_session: SessionMaker, wish: bytes
) -> None:
    key = dpop.new_key()
    async with scripted(wish, http_answer(200, "{}", DPoP_Nonce="n2"), http_answer(200, "{}")) as server:
        for _ in range(2):
            answer = await dpop.request(
                new_session(server.url), key, "POST", f"{server.url}/a", token="t", accept_statuses=ANSWERS
            )
            assert answer.status == 200
    assert [opened(one.headers["dpop"])[1].get("nonce") for one in server.seen] == [None, "n1", "n2"]
    assert {one.headers["authorization"] for one in server.seen} == {"DPoP t"}


async def test_a_server_that_always_wants_another_nonce_is_not_asked_for_ever(new_session: SessionMaker) -> None:
    async with scripted(http_answer(401, '{"error":"use_dpop_nonce"}', DPoP_Nonce="n")) as server:
        answer = await dpop.request(new_session(server.url), dpop.new_key(), "GET", f"{server.url}/a", accept_statuses=ANSWERS)
    assert (answer.status, len(server.seen)) == (401, 2)


async def test_each_server_has_a_nonce_of_its_own(new_session: SessionMaker) -> None:
    key = dpop.new_key()
    async with scripted(http_answer(200, DPoP_Nonce="one")) as first, scripted(http_answer(200, DPoP_Nonce="two")) as second:
        for server in (first, second, first):
            await dpop.request(new_session(server.url), key, "GET", f"{server.url}/a", accept_statuses=ANSWERS)
        assert [opened(one.headers["dpop"])[1].get("nonce") for one in first.seen + second.seen] == [None, "one", None]


async def test_a_call_that_is_tried_again_has_a_proof_of_its_own(new_session: SessionMaker) -> None:
    """A server takes each proof once (RFC 9449 §11.1)."""
    async with scripted(http_answer(503), http_answer(200)) as server:
        await dpop.request(new_session(server.url), dpop.new_key(), "GET", f"{server.url}/a", accept_statuses=ANSWERS)
    first, second = (opened(one.headers["dpop"])[1]["jti"] for one in server.seen)
    assert first != second


async def test_trouble_stays_trouble(new_session: SessionMaker) -> None:
    def cut(exchange: Exchange) -> None:
        return None

    async with scripted(cut) as server:
        session = new_session(server.url, retry=RetryPolicy(attempts=1))
        with pytest.raises(Unavailable):
            await dpop.request(session, dpop.new_key(), "POST", f"{server.url}/a", accept_statuses=ANSWERS)


@pytest.mark.parametrize("key", ["", "{}", "[]", '{"kty":"oct","k":"AAAA"}', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'])
def test_what_is_no_private_key_asks_for_a_new_sign_in(key: str) -> None:
    with pytest.raises(ReauthRequired, match="Link the account again"):
        dpop.prover(key)


def test_a_client_signs_who_it_is_for_one_server_and_a_minute() -> None:
    key, at = client_assertion.new_key(), NOON.timestamp()
    said = client_assertion.assertion(key, "https://kith.example.org/client.json", "https://pds.example.org", at)
    shown = client_assertion.public(key)
    assert "d" not in shown
    assert (shown["use"], shown["alg"]) == ("sig", "ES256")
    token = jwt.decode(said["client_assertion"], ECKey.import_key(shown), algorithms=["ES256"])
    assert token.header["kid"] == shown["kid"]
    claims = dict(token.claims)
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": "https://kith.example.org/client.json", "sub": "https://kith.example.org/client.json",
        "aud": "https://pds.example.org", "iat": int(at), "exp": int(at) + 60,
    }  # fmt: skip
