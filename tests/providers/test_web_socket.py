"""A WebSocket goes through the guard, carries no secret to strangers, follows no redirect, and ends by a name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from providers.addresses import Guard
from providers.errors import ForbiddenAddress, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Transport
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.providers.conftest import SessionMaker, http_answer, scripted

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """The address of a server that says on a WebSocket what `talk` says."""

    async def serve(request: web.Request) -> web.StreamResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        await talk(line)
        return line

    application = web.Application()
    application.router.add_get("/", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", free_port()).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_both_sides_write_and_our_end_has_its_code(new_session: SessionMaker) -> None:
    codes: list[int | None] = []
    over = asyncio.Event()

    async def echo(line: web.WebSocketResponse) -> None:
        async for message in line:
            if message.type is WSMsgType.TEXT:
                await line.send_str(message.data + "!")
                await line.send_bytes(b"and bytes")
        codes.append(line.close_code)
        over.set()

    async with talking(echo) as at:
        async with new_session(at).web_socket(at.replace("http", "ws") + "/", ended=4000) as line:
            await line.send("Grüße".encode())
            assert await line.receive(PATIENCE) == "Grüße!".encode()
            assert await line.receive(PATIENCE) == b"and bytes"
            assert await line.receive(0.01) is None
        await asyncio.wait_for(over.wait(), PATIENCE)
    assert codes == [4000]


@pytest.mark.parametrize("code", [1000, 4014])
async def test_their_end_is_named_by_its_code(new_session: SessionMaker, code: int) -> None:
    async def leave(line: web.WebSocketResponse) -> None:
        await line.close(code=code)

    async with talking(leave) as at, new_session(at).web_socket(at, ended=4000) as line:
        with pytest.raises(Unavailable) as trouble:
            await line.receive(PATIENCE)
        assert trouble.value.provider_code == str(code)
        with pytest.raises(Unavailable):
            await line.send(b"still there?")


async def test_more_than_may_be_said_at_once_is_not_read(new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.http.MAX_BYTES", 1_000)

    async def shout(line: web.WebSocketResponse) -> None:
        await line.send_str("x" * 5_000)
        await line.receive()

    async with talking(shout) as at, new_session(at).web_socket(at, ended=4000) as line:
        with pytest.raises((Malformed, Unavailable)):
            await line.receive(PATIENCE)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http_answer(401), ReauthRequired),
        (http_answer(403), Refused),
        (http_answer(429), RateLimited),
        (http_answer(500), Unavailable),
        (http_answer(200, "no line here"), ProviderError),
        (b"220 ftp ready\r\n", Unavailable),
    ],
    ids=["401", "403", "429", "500", "200", "no http"],
)
async def test_a_server_that_opens_none_is_named_for_what_it_said(
    new_session: SessionMaker, answer: bytes, kind: type[ProviderError]
) -> None:
    async with scripted(answer) as server:
        with pytest.raises(kind):
            async with new_session(server.url).web_socket(server.url, ended=4000):
                pass


async def test_a_redirect_is_not_followed(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200)) as other, scripted(http_answer(302, Location=other.url)) as server:
        with pytest.raises(ProviderError):
            async with new_session(server.url).web_socket(server.url, ended=4000):
                pass
        assert other.seen == []


async def test_no_line_is_opened_to_strangers_or_past_the_guard(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as other, scripted(http_answer()) as server:
        with pytest.raises(Refused, match="not given your secret"):
            async with new_session(server.url).web_socket(other.url.replace("http", "ws"), ended=4000):
                pass
        transport = Transport(Guard())
        with pytest.raises(ForbiddenAddress):
            async with new_session(server.url, transport=transport).web_socket(server.url, ended=4000):
                pass
        await transport.aclose()
        assert (other.seen, server.seen) == ([], [])


async def test_a_host_that_fails_again_and_again_is_left_alone(new_session: SessionMaker) -> None:
    async with scripted(http_answer(500)) as server:
        session = new_session(server.url)
        codes = []
        for _ in range(6):
            with pytest.raises(Unavailable) as trouble:
                async with session.web_socket(server.url, ended=4000):
                    pass
            codes.append(trouble.value.provider_code)
        assert codes == ["500"] * 5 + ["circuit-open"]
        assert len(server.seen) == 5
