"""Connections that are kept: how many there are, what becomes of one that ended, and what is no clean answer."""

from __future__ import annotations

import asyncio
import gzip
import os
from contextlib import AsyncExitStack

import pytest

from providers.addresses import Guard
from providers.errors import Malformed, Unavailable
from providers.quota import Quota
from providers.transport import Transport
from providers.wire import ASIDE_BYTES, HEAD_BYTES
from tests.providers.conftest import Exchange, SessionMaker, http_answer, scripted


async def test_a_connection_that_its_server_closed_meanwhile_is_replaced(new_session: SessionMaker) -> None:
    """It says that it keeps the connection, and then does not; what arrives is the second request, once."""
    async with scripted(http_answer(200, "first"), lambda _: None, http_answer(200, "second")) as server:
        session = new_session(server.url, interactive=True)
        assert (await session.request("GET", "/")).content == b"first"
        assert (await session.request("GET", "/")).content == b"second"
    assert server.connections == 2


async def test_what_may_not_be_done_twice_is_not_sent_again_when_a_kept_connection_ends(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200, "first"), lambda _: None, http_answer(200, "second")) as server:
        session = new_session(server.url, interactive=True)
        await session.request("GET", "/")
        with pytest.raises(Unavailable):
            await session.request("POST", "/", content=b"once")
    assert [exchange.method for exchange in server.seen] == ["GET", "POST"]


async def test_no_more_connections_are_open_than_a_host_may_have_and_everybody_has_a_turn(new_session: SessionMaker) -> None:
    transport = Transport(Guard(["127.0.0.0/8:*"]), connections=3, per_host=2)
    async with scripted(http_answer(200, "ok")) as server:
        session = new_session(server.url, transport=transport, quota=None, interactive=True)
        answers = await asyncio.gather(*(session.request("GET", f"/{n}") for n in range(20)))
        assert len(answers) == 20 and server.connections == 2
    await transport.aclose()


async def test_one_who_gives_up_leaves_the_connection_to_the_next(new_session: SessionMaker) -> None:
    transport = Transport(Guard(["127.0.0.0/8:*"]), connections=1, per_host=1)
    asked, going = asyncio.Event(), asyncio.Event()

    async def held(_: Exchange) -> bytes:
        asked.set()
        await going.wait()
        return http_answer(200, "ok")

    async with scripted(held) as server:
        session = new_session(server.url, transport=transport, interactive=True)
        first, second, third = (asyncio.create_task(session.request("GET", f"/{n}")) for n in range(3))
        await asked.wait()
        second.cancel()
        going.set()
        assert (await first).content == (await third).content == b"ok"
    await transport.aclose()


async def test_everybody_in_line_is_answered_by_a_server_that_keeps_no_connection(new_session: SessionMaker) -> None:
    transport = Transport(Guard(["127.0.0.0/8:*"]), connections=1, per_host=1)
    async with scripted(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok") as server:
        session = new_session(server.url, transport=transport, interactive=True)
        answers = await asyncio.gather(*(session.request("GET", f"/{n}") for n in range(5)))
        assert {answer.content for answer in answers} == {b"ok"} and server.connections == 5
    await transport.aclose()


async def test_two_hosts_share_the_only_connection_there_may_be(new_session: SessionMaker) -> None:
    transport = Transport(Guard(["127.0.0.0/8:*"]), connections=1, per_host=1)
    async with scripted(http_answer(200, "one")) as one, scripted(http_answer(200, "other")) as other:
        sessions = [new_session(server.url, transport=transport, interactive=True) for server in (one, other, one, other)]
        answers = await asyncio.gather(*(session.request("GET", "/") for session in sessions))
        assert [answer.content for answer in answers] == [b"one", b"other", b"one", b"other"]
    await transport.aclose()


@pytest.mark.parametrize(("connections", "had"), [(8, [4, 2, 1]), (9, [5, 2, 1]), (16, [6, 5, 3])])
async def test_hosts_that_hang_leave_connections_to_others(new_session: SessionMaker, connections: int, had: list[int]) -> None:
    """Each has as many as it leaves at most, so that there is one for whoever comes next, and an answer."""
    transport = Transport(Guard(["127.0.0.0/8:*"]), connections=connections, per_host=6)
    asked = asyncio.Semaphore(0)
    going = asyncio.Event()

    async def held(_: Exchange) -> bytes:
        asked.release()
        await going.wait()
        return http_answer(200, "late")

    async with AsyncExitStack() as stack:
        hung = [await stack.enter_async_context(scripted(held)) for _ in had]
        waiting = []
        for server, count in zip(hung, had, strict=True):
            session = new_session(server.url, transport=transport, quota=Quota(calls=1_000, seconds=1.0, concurrency=20))
            waiting += [asyncio.create_task(session.request("GET", f"/{n}")) for n in range(10)]
            for _ in range(count):
                await asked.acquire()
        well = await stack.enter_async_context(scripted(http_answer(200, "ok")))
        session = new_session(well.url, transport=transport, quota=None, interactive=True)
        assert (await session.request("GET", "/")).content == b"ok"
        assert [server.connections for server in hung] == had
        going.set()
        await asyncio.gather(*waiting, return_exceptions=True)  # who had waited in line for too long has been told
    await transport.aclose()


async def test_framings_may_differ_from_answer_to_answer_of_one_connection(new_session: SessionMaker) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    early = b"HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n"
    async with scripted(chunked, b"HTTP/1.1 204 No Content\r\n\r\n", early + http_answer(200, "last")) as server:
        session = new_session(server.url, interactive=True)
        found = [(await session.request("GET", f"/{n}")).content for n in range(3)]
        assert found == [b"abc", b"", b"last"] and server.connections == 1


async def test_more_than_one_answer_to_a_request_is_not_taken_for_the_next_one(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200, "mine") + http_answer(200, "planted"), http_answer(200, "next")) as server:
        session = new_session(server.url, interactive=True)
        assert (await session.request("GET", "/")).content == b"mine"
        assert (await session.request("GET", "/")).content == b"next"
    assert server.connections == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + http_answer(200, "ok"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
    ],
)
async def test_an_answer_ends_where_its_framing_says(new_session: SessionMaker, raw: bytes) -> None:
    async with scripted(raw) as server:
        assert (await new_session(server.url).request("GET", "/")).content == b"ok"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * (HEAD_BYTES + 1) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_an_answer_that_can_be_read_in_two_ways_or_has_no_end_is_none(new_session: SessionMaker, raw: bytes) -> None:
    async with scripted(raw) as server:
        with pytest.raises((Unavailable, Malformed)):
            await new_session(server.url, interactive=True).request("GET", "/")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        CHUNKED + b"1\r\n \r\n" * 2_000 + b"0\r\n\r\n",
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"Trailer: %b\r\n" % (b"a" * 10_000) * 30,
        CHUNKED + b"2;%b\r\nok\r\n" % (b"a" * 300_000),
    ],
    ids=["pieces", "trailers", "extensions"],
)
async def test_an_answer_that_is_next_to_nothing_but_framing_is_too_large(new_session: SessionMaker, raw: bytes) -> None:
    """Reading a page that comes byte by byte would keep everybody else from theirs."""
    async with scripted(raw) as server:
        with pytest.raises(Malformed) as refusal:
            await new_session(server.url).request("GET", "/", max_bytes=HEAD_BYTES)
    assert refusal.value.provider_code == "too-large"


async def test_an_answer_may_come_in_many_lines(new_session: SessionMaker) -> None:
    async with scripted(CHUNKED + b"32\r\n%b\r\n" % (b"x" * 50) * 1_000 + b"0\r\n\r\n") as server:
        answer = await new_session(server.url).request("GET", "/", max_bytes=HEAD_BYTES)
    assert answer.content == b"x" * 50_000


async def test_a_large_compressed_answer_is_unpacked_whole(new_session: SessionMaker) -> None:
    content = os.urandom(2 * ASIDE_BYTES)
    packed = gzip.compress(content)
    assert len(packed) > ASIDE_BYTES
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    async with scripted(raw) as server:
        assert (await new_session(server.url).request("GET", "/")).content == content
