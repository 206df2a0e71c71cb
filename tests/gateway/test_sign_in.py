"""Who comes in: keys, sign-in links, browsers; and what a page of somebody else cannot do with a browser's cookie."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx2 as httpx
import pytest

from gateway.installation import Installation
from gateway.people import named
from store import viewers
from tests.gateway.running import TestClock, ask, asking, key_of, opened

JSON = {"content-type": "application/json"}


async def signed_in(installation: Installation, client: httpx.AsyncClient, viewer: str | None = None) -> None:
    """Sign the client in by a link, as a person would."""
    whose = await named(installation, viewer)
    link = await installation.door.login_link(whose.id)
    assert (await client.post(f"/login/{link}")).status_code == 303


async def test_without_a_credential_nothing_is_read_not_even_the_body(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        for body in (b'{"query":"{me}"}', b"no json", b"{" * 200_000):
            answer = await client.post("/graphql", content=body, headers=JSON)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer kith_aaaaaa_" + "a" * 52, "Basic dTpw", "Bearer", "", "Bearer " + "x" * 5_000]
)
async def test_a_credential_that_opens_nothing_is_refused(tmp_path: Path, header: str) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        answer = await client.post("/graphql", json={"query": "{me}"}, headers={"authorization": header})
        assert answer.status_code == 401


async def test_a_key_answers_for_its_viewer_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, kept = await key_of(installation, "ada")
        async with asking(installation, key) as client:
            answer = await ask(client, "{me}")
        assert answer.json()["data"]["me"] == kept.viewer_id
        assert re.fullmatch(r"kith_[a-z2-7]{6}_[a-z2-7]{52}", key)
    assert key.rpartition("_")[2].encode() not in (tmp_path / "kith" / "kith.db").read_bytes()


async def test_a_key_without_the_scope_is_refused_by_name_before_anything_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation, scopes=["read", "write"])
        async with asking(installation, key) as client:
            allowed, refused = await ask(client, "mutation{touch}"), await ask(client, "mutation{createApiKey}")
        reader, _ = await key_of(installation, scopes=["read"])
        async with asking(installation, reader) as client:
            hidden = await ask(client, "mutation{...F} fragment F on Mutation{touch}")
    assert allowed.json()["data"] == {"touch": "touched"}
    (error,) = refused.json()["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "missingScopes": ["ADMIN"]}
    assert hidden.json()["errors"][0]["extensions"]["missingScopes"] == ["WRITE"]
    assert "data" not in hidden.json()


async def test_over_http_a_key_makes_and_shows_keys_as_far_as_its_own_scopes_go(tmp_path: Path) -> None:
    call = 'mutation {{ createApiKey(input: {{ name: "x", scopes: [{}] }}) {{ secret apiKey {{ id }} errors {{ code }} }} }}'
    async with opened(tmp_path, schema=None) as installation:
        key, _ = await key_of(installation, scopes=["read", "admin"])
        async with asking(installation, key) as client:
            made = (await ask(client, call.format("READ"))).json()["data"]["createApiKey"]
            beyond = (await ask(client, call.format("SEND"))).json()["data"]["createApiKey"]
            shown = (await ask(client, f'{{ node(id: "{made["apiKey"]["id"]}") {{ ... on ApiKey {{ name }} }} }}')).json()
        async with asking(installation, made["secret"]) as client:
            assert (await ask(client, "{ viewer { name } }")).json()["data"]["viewer"]
    assert (made["errors"], shown["data"]["node"]) == ([], {"name": "x"})
    assert (beyond["secret"], beyond["errors"]) == (None, [{"code": "INVALID"}])


async def test_an_expired_key_a_revoked_one_and_a_shut_out_viewer_are_refused(tmp_path: Path) -> None:
    clock = TestClock()
    async with opened(tmp_path, clock=clock) as installation:
        whose = await named(installation, "ada")
        revoked, kept = await key_of(installation, "ada")
        await installation.database.system(viewers.revoke_key, whose.id, kept.id, clock.now())
        other, _ = await key_of(installation, "ben")
        ben = await named(installation, "ben")
        await installation.database.system(viewers.disable, ben.id, clock.now())
        for key in (revoked, other):
            async with asking(installation, key) as client:
                assert (await ask(client, "{me}")).status_code == 401


async def test_revocation_is_noticed_within_the_memory_of_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.signin.door.MEMORY", 0.05)
    async with opened(tmp_path) as installation:
        key, kept = await key_of(installation)
        async with asking(installation, key) as client:
            assert (await ask(client, "{me}")).status_code == 200
            await installation.database.system(viewers.revoke_key, kept.viewer_id, kept.id, installation.clock.now())
            await asyncio.sleep(0.1)
            assert (await ask(client, "{me}")).status_code == 401


async def test_a_sign_in_link_that_somebody_opens_signs_in_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        whose = await named(installation, "ada")
        link = await installation.door.login_link(whose.id)
        by_hand = {"sec-fetch-site": "none"}
        first, second = await client.get(f"/login/{link}", headers=by_hand), await client.get(f"/login/{link}", headers=by_hand)
        assert (first.status_code, second.status_code) == (303, 410)
        assert "Hello, ada" in (await client.get("/")).text


async def test_a_sign_in_link_that_another_site_leads_to_says_first_whom_it_signs_in(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        whose = await named(installation, "ada")
        link = await installation.door.login_link(whose.id)
        for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none", "sec-purpose": "prefetch"}):
            assert "ada" in (await client.get(f"/login/{link}", headers=headers)).text
        first, second = await client.post(f"/login/{link}"), await client.post(f"/login/{link}")
        assert (first.status_code, second.status_code) == (303, 410)
        assert "Hello, ada" in (await client.get("/")).text


async def test_a_sign_in_link_ends_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    clock = TestClock()
    async with opened(tmp_path, clock=clock) as installation, asking(installation) as client:
        link = await installation.door.login_link((await named(installation, None)).id)
        clock.pass_by(minutes=16)
        assert (await client.post(f"/login/{link}")).status_code == 410


async def test_a_session_cookie_is_out_of_reach_for_scripts_and_other_hosts(tmp_path: Path) -> None:
    async with opened(tmp_path, public_url="https://kith.example.org") as installation, asking(installation) as client:
        link = await installation.door.login_link((await named(installation, None)).id)
        cookie = (await client.post(f"/login/{link}")).headers["set-cookie"]
    assert cookie.startswith("__Host-kith-session=")
    for attribute in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert attribute in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "text/plain"}, b'{"query":"{me}"}'),
        ({"content-type": "application/x-www-form-urlencoded"}, b"query={me}"),
        ({"content-type": "application/json", "origin": "https://evil.example"}, b'{"query":"{me}"}'),
        ({"content-type": "application/json", "origin": "null"}, b'{"query":"{me}"}'),
        ({"x-kith-csrf": "1", "content-type": "application/json", "origin": "http://127.0.0.1:9999"}, b'{"query":"{me}"}'),
    ],
)
async def test_a_foreign_page_cannot_ask_with_the_browsers_cookie(tmp_path: Path, headers: dict[str, str], body: bytes) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client)
        assert (await client.post("/graphql", content=body, headers=headers)).status_code in (403, 415)
        assert (await client.post("/graphql", json={"query": "{me}"})).status_code == 200


async def test_a_get_with_a_cookie_needs_a_sign_of_our_own_page(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client)
        statuses = [
            (await client.get("/graphql", params={"query": "{me}"}, headers=headers)).status_code
            for headers in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-origin"}, {"x-kith-csrf": "1"})
        ]
    assert statuses == [403, 403, 200, 200]


async def test_a_front_end_that_the_operator_named_may_use_cookies_and_no_other(tmp_path: Path) -> None:
    async with opened(tmp_path, cors_origins="https://app.example.org") as installation, asking(installation) as client:
        await signed_in(installation, client)
        named_one = {"origin": "https://app.example.org", **JSON}
        answer = await client.post("/graphql", content=b'{"query":"{me}"}', headers=named_one)
        preflight = await client.options(
            "/graphql", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
        )
    assert answer.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "access-control-allow-origin" not in preflight.headers


async def test_signing_out_ends_the_session_and_needs_our_own_form(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client)
        assert (await client.post("/logout", data={"form": "forged"})).status_code == 403
        token = re.search(r'name="form" value="([0-9a-f]{64})"', (await client.get("/")).text)
        assert token is not None
        cookie = dict(client.cookies)
        left = await client.post("/logout", data={"form": token[1]})
        assert left.headers["clear-site-data"] == '"cache"'
        client.cookies.update(cookie)
        assert (await client.post("/graphql", json={"query": "{me}"})).status_code == 401


async def test_every_page_carries_the_security_headers_and_no_script_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client)
        for address in ("/", "/link", "/login/unknown", "/graphql", "/healthz"):
            answer = await client.get(address)
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self'" in policy and "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "<script" not in answer.text and " style=" not in answer.text and " on" + "click" not in answer.text


async def test_names_of_viewers_are_shown_as_text(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client, "<b>ada & co")
        text = (await client.get("/")).text
    assert "&lt;b&gt;ada &amp; co" in text and "<b>ada" not in text
