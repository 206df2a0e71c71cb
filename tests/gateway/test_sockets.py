"""graphql-transport-ws on a real socket: who may open one, what it takes, and when it ends. Event streams beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.installation import Installation
from gateway.people import named
from gateway.signin import browser
from store import viewers
from tests.gateway import running
from tests.gateway.running import key_of, listening, opened
from tests.patience import PATIENCE

PROTOCOL = Subprotocol("graphql-transport-ws")


@contextlib.asynccontextmanager
async def socket(place: str, **headers: str) -> AsyncIterator[ClientConnection]:
    # on a busy machine neither side takes the other's silence for its end
    patient: dict[str, Any] = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "ping_interval": None}
    async with connect(f"ws://{place}/graphql", subprotocols=[PROTOCOL], additional_headers=headers, **patient) as found:
        yield found


async def say(client: ClientConnection, **message: Any) -> None:
    await client.send(orjson.dumps(message).decode())


async def hear(client: ClientConnection) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = orjson.loads(await asyncio.wait_for(client.recv(), PATIENCE))
        if message["type"] != "ping":
            return message


async def sign_in(client: ClientConnection, key: str) -> None:
    await say(client, type="connection_init", payload={"Authorization": f"Bearer {key}"})
    assert (await hear(client))["type"] == "connection_ack"


async def closing_code(client: ClientConnection) -> int:
    """What the server closes with; what it says until then is heard and dropped."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                await client.recv()
    except ConnectionClosed as error:
        assert error.rcvd is not None
        return int(error.rcvd.code)


async def test_operations_of_every_kind_run_over_one_socket(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place:
        key, kept = await key_of(installation)
        async with socket(place) as client:
            await sign_in(client, key)
            await say(client, id="1", type="subscribe", payload={"query": "{me}"})
            assert (await hear(client))["payload"]["data"] == {"me": kept.viewer_id}
            assert await hear(client) == {"id": "1", "type": "complete"}
            await say(client, id="2", type="subscribe", payload={"query": "subscription{count(to:2)}"})
            heard = [await hear(client) for _ in range(3)]
            assert [m.get("payload", {}).get("data") for m in heard] == [{"count": 1}, {"count": 2}, None]
            await say(client, id="3", type="subscribe", payload={"query": "subscription{nope}"})
            error = await hear(client)
            assert (error["type"], error["id"]) == ("error", "3") and "nope" in error["payload"][0]["message"]
            await say(client, type="ping", payload={"at": 1})
            assert await hear(client) == {"type": "pong", "payload": {"at": 1}}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"id": "1", "type": "subscribe", "payload": {"query": "{me}"}}], 4401),
        ([{"type": "connection_init"}], 4401),
        ([{"type": "connection_init", "payload": {"Authorization": "Bearer nonsense"}}], 4403),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer kith_aaaaaa_" + "a" * 52}}], 4403),
        ([{"type": "connection_init", "payload": []}], 4400),
        ([{"type": "nonsense"}], 4400),
        (["no json"], 4400),
        ([[]], 4400),
        ([None], 4400),
    ],
)
async def test_who_breaks_the_protocol_or_is_nobody_is_told_by_the_closing_code(
    tmp_path: Path, messages: list[Any], code: int
) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place, socket(place) as client:
        for message in messages:
            await client.send(message if isinstance(message, str) else orjson.dumps(message).decode())
        assert await closing_code(client) == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "connection_init"}, 4429),
        ({"id": "", "type": "subscribe", "payload": {"query": "{me}"}}, 4400),
        ({"id": "2", "type": "subscribe"}, 4400),
        ({"id": "2", "type": "subscribe", "payload": {"query": 7}}, 4400),
        ({"id": "busy", "type": "subscribe", "payload": {"query": "{me}"}}, 4409),
    ],
)
async def test_a_signed_in_client_that_breaks_the_protocol_is_told(tmp_path: Path, message: dict[str, Any], code: int) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place, socket(place) as client:
        key, _ = await key_of(installation)
        await sign_in(client, key)
        await say(client, id="busy", type="subscribe", payload={"query": "subscription{endless}"})
        await hear(client)
        await say(client, **message)
        assert await closing_code(client) == code


async def test_another_subprotocol_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place:
        async with connect(f"ws://{place}/graphql", subprotocols=[Subprotocol("graphql-ws")], open_timeout=PATIENCE) as client:
            assert await closing_code(client) == 4406


async def test_a_client_that_never_says_who_it_is_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.subscriptions.INIT_SECONDS", 0.1)
    async with opened(tmp_path) as installation, listening(installation) as place, socket(place) as client:
        assert await closing_code(client) == 4408


async def test_a_socket_takes_a_hundred_operations_at_once_and_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place, socket(place) as client:
        key, _ = await key_of(installation)
        await sign_in(client, key)
        for n in range(101):
            await say(client, id=str(n), type="subscribe", payload={"query": "subscription{endless}"})
        assert await closing_code(client) == 1013


async def test_completing_closes_the_source_and_keeps_the_socket(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place, socket(place) as client:
        key, kept = await key_of(installation)
        await sign_in(client, key)
        await say(client, id="1", type="subscribe", payload={"query": 'subscription{endless(name:"completed")}'})
        await hear(client)
        await say(client, id="1", type="complete")
        await say(client, id="2", type="subscribe", payload={"query": "{me}"})
        while (message := await hear(client))["id"] != "2":
            pass
        assert message["payload"]["data"] == {"me": kept.viewer_id}
        await _until(lambda: "completed" in running.closed)


async def test_a_client_that_is_gone_closes_the_sources_of_its_operations(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place:
        key, _ = await key_of(installation)
        async with socket(place) as client:
            await sign_in(client, key)
            await say(client, id="1", type="subscribe", payload={"query": 'subscription{endless(name:"gone by socket")}'})
            await hear(client)
        await _until(lambda: "gone by socket" in running.closed)
        headers = {"authorization": f"Bearer {key}", "accept": "text/event-stream"}
        async with httpx.AsyncClient(base_url=f"http://{place}", headers=headers, timeout=PATIENCE) as http:
            body = {"query": 'subscription{endless(name:"gone by stream")}'}
            async with http.stream("POST", "/graphql", json=body) as answer:
                async for _ in answer.aiter_lines():
                    break
        await _until(lambda: "gone by stream" in running.closed)


@pytest.mark.parametrize("end", ["revoked", "disabled"])
async def test_a_credential_that_ends_closes_open_sockets_and_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("gateway.signin.door.MEMORY", 0.05)
    monkeypatch.setattr("gateway.signin.door.WATCH", 0.05)
    async with opened(tmp_path) as installation, listening(installation) as place:
        key, kept = await key_of(installation, "ada")
        told = asyncio.Event()
        stream = asyncio.create_task(_stream(place, key, "subscription{endless}", told))
        async with socket(place) as client:
            await sign_in(client, key)
            await say(client, id="1", type="subscribe", payload={"query": "subscription{endless}"})
            await hear(client)
            await told.wait()
            now = installation.clock.now()
            if end == "revoked":
                await installation.database.system(viewers.revoke_key, kept.viewer_id, kept.id, now)
            else:
                await installation.database.system(viewers.disable, kept.viewer_id, now)
            assert await closing_code(client) == 4403
        lines = await asyncio.wait_for(stream, PATIENCE)
        assert lines and "event: complete" not in lines  # so that the client comes back, and is told 401


def test_revocation_takes_less_than_five_seconds_with_the_figures_that_are_shipped() -> None:
    from gateway.signin.door import MEMORY, WATCH

    assert MEMORY + WATCH < 5.0


async def test_a_page_of_our_own_may_use_the_cookie_and_a_foreign_one_may_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place:
        cookie = await _cookie(installation)
        for origin, code in ((f"http://{place}", None), ("https://evil.example", 4403), ("null", 4403), (None, 4403)):
            headers = {"cookie": cookie, **({"origin": origin} if origin else {})}
            async with socket(place, **headers) as client:
                await say(client, type="connection_init")
                if code is None:
                    assert (await hear(client))["type"] == "connection_ack"
                else:
                    assert await closing_code(client) == code


async def test_a_stopping_server_closes_sockets_with_1012_and_streams_without_an_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, listening(installation) as place:
        key, _ = await key_of(installation)
        told = asyncio.Event()
        stream = asyncio.create_task(_stream(place, key, "subscription{endless}", told))
        async with socket(place) as client:
            await sign_in(client, key)
            await say(client, id="1", type="subscribe", payload={"query": "subscription{endless}"})
            await hear(client)
            await told.wait()
            installation.draining.set()
            assert await closing_code(client) == 1012
        lines = await asyncio.wait_for(stream, PATIENCE)
        async with httpx.AsyncClient(base_url=f"http://{place}", timeout=PATIENCE) as http:
            ready, alive = await http.get("/readyz"), await http.get("/healthz")
    assert lines and "event: complete" not in lines
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert ready.headers["connection"] == "close"


async def _stream(place: str, key: str, query: str, told: asyncio.Event | None = None) -> list[str]:
    """All lines of a stream; `told` is set with the first."""
    headers = {"authorization": f"Bearer {key}", "accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=f"http://{place}", headers=headers, timeout=PATIENCE) as http:
        async with http.stream("POST", "/graphql", json={"query": query}) as answer:
            lines = []
            async for line in answer.aiter_lines():
                lines += [line] if line else []
                if told is not None:
                    told.set()
            return lines


async def _cookie(installation: Installation) -> str:
    link = await installation.door.login_link((await named(installation, None)).id)
    return f"{browser.cookie_name(installation.settings)}={await installation.door.sign_in(link)}"


async def _until(true: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.02)
