"""What a Mastodon-compatible server tells while it happens: heard on either kind of line, hinted at no more often than can be looked.

Against the tests' own server, through a line that is cut, and against answers that other servers give.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from providers import http
from providers.base import Watcher
from providers.errors import Malformed, ProviderError, ReauthRequired, Refused, Unavailable
from providers.mastodon import streaming as mastodon_streaming
from providers.mastodon.adapter import Mastodon
from providers.mastodon.streaming import BURST, EVERY, OPENED, POSTS_EVERY, TOGETHER, Pace
from providers.session import Secret
from tests import servers
from tests.fediverse import Person
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.providers.conftest import Exchange, HandClock, SessionMaker, http_answer, scripted
from tests.providers.test_mastodon import Api
from tests.tcp_proxy import tcp_proxy

SECRET = Secret(access_token="a-token")


@pytest.fixture
def ada(mastodon_server: servers.Mastodon) -> Person:
    return Person(mastodon_server, "ada")


@pytest.fixture
def robin(ada: Person) -> Person:
    robin = Person(ada.server, "robin")
    robin.follows(ada)
    return robin


async def soon(hints: AsyncIterator[None]) -> None:
    async with asyncio.timeout(PATIENCE):
        await anext(hints)


# --- the tests' server ------------------------------------------------------------------------------------------------------


async def test_what_is_said_posted_edited_done_and_deleted_is_hinted_at(
    new_session: SessionMaker, robin: Person, ada: Person
) -> None:
    adapter = Mastodon(new_session(robin.server.url, secret=Secret(access_token=robin.token)))
    assert isinstance(adapter, Watcher)
    mine = robin.posts("My own post")
    async with aclosing(adapter.watch()) as hints:
        await soon(hints)
        said = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
        await soon(hints)
        ada.does("PUT", f"statuses/{said['id']}", status=f"@{robin.name} Lunch at one?")
        await soon(hints)
        ada.does("POST", f"statuses/{mine['id']}/favourite")
        await soon(hints)
        posted = ada.posts("A heron")
        ada.does("DELETE", f"statuses/{posted['id']}")
        await soon(hints)


async def test_a_line_that_is_cut_is_taken_up_again_and_that_is_a_hint(
    new_session: SessionMaker, robin: Person, ada: Person, clock: HandClock
) -> None:
    with tcp_proxy(urlsplit(robin.server.url).port or 0) as line:
        session = new_session(f"http://127.0.0.1:{line.port}", secret=Secret(access_token=robin.token))
        async with aclosing(Mastodon(session).watch()) as hints:
            await soon(hints)
            for _ in range(3):
                await asyncio.to_thread(line.cut)
                ada.posts(f"@{robin.name} while nobody listened", visibility="direct")
                await soon(hints)
    assert line.cuts >= 3
    assert clock.slept
    assert clock.slept[0] < mastodon_streaming.STOOD


async def test_a_revoked_token_ends_the_watch_with_a_request_to_sign_in(new_session: SessionMaker, robin: Person) -> None:
    with pytest.raises(ReauthRequired):
        await first_of(Mastodon(new_session(robin.server.url, secret=Secret(access_token="revoked"))))


# --- other servers ----------------------------------------------------------------------------------------------------------


async def first_of(adapter: Mastodon) -> None:
    async with aclosing(adapter.watch()) as hints:
        await soon(hints)


def telling(stream: bytes | Callable[[Exchange], bytes | Awaitable[bytes | None] | None], address: str = "ws://{host}") -> Api:
    """A server that says where its streams are, and answers there with `stream`."""
    api = Api()
    api.answers["/api/v2/instance"] = lambda exchange: {
        "domain": "example.org",
        "configuration": {"urls": {"streaming": address.format(host=exchange.headers["host"])}},
    }
    for name in ("user", "direct"):
        api.answers[f"/api/v1/streaming/{name}"] = stream
    return api


def stream(*lines: str, kind: str = "text/event-stream") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + "\n".join(lines).encode() + b"\n"


async def test_heartbeats_announcements_and_filters_are_no_hints(new_session: SessionMaker) -> None:
    told = stream(":)", "", ":thump", "", "event: announcement", "data: {}", "", "event: filters_changed", "data:", "")
    api = telling(told)
    del api.answers["/api/v1/streaming/direct"]  # a second line that opens after the first hint would be a hint of its own
    async with scripted(api) as server:
        async with aclosing(Mastodon(new_session(server.url, secret=SECRET)).watch()) as hints:
            await soon(hints)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(hints)


async def test_a_line_on_which_nothing_comes_any_more_is_taken_up_again(
    new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SILENT_SECONDS", 0.5)
    async with scripted(telling(stream(":)", ""))) as server:
        async with aclosing(Mastodon(new_session(server.url, secret=SECRET)).watch()) as hints:
            await soon(hints)
            await soon(hints)


async def test_a_line_that_never_stands_is_left_to_the_poll_after_longer_and_longer_pauses(
    new_session: SessionMaker, clock: HandClock
) -> None:
    async with scripted(telling(http_answer(503))) as server:
        with pytest.raises(Unavailable):
            await first_of(Mastodon(new_session(server.url, secret=SECRET, jitter=lambda: 1.0)))
    assert set(clock.slept) == {0.5, 1.0, 2.0, 4.0, 8.0, 16.0}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http_answer(401, "{}"), ReauthRequired),
        (http_answer(403, "{}"), Refused),
        (stream("data: " + "x" * 3_000_000), Malformed),
    ],
    ids=["401", "403", "endless line"],
)
async def test_what_is_wrong_with_a_line_has_its_name(
    new_session: SessionMaker, answer: bytes, error: type[ProviderError]
) -> None:
    async with scripted(telling(answer)) as server:
        adapter = Mastodon(new_session(server.url, secret=SECRET))
        with pytest.raises(error):
            async with aclosing(adapter.watch()) as hints:
                await soon(hints)
                await soon(hints)


@pytest.mark.parametrize(
    "address", ["wss://streams.example.net", "ws://127.0.0.1:9"], ids=["another domain", "another port in plain"]
)
async def test_no_secret_goes_to_streams_at_another_place(new_session: SessionMaker, address: str) -> None:
    async with scripted(telling(b"", address)) as server:
        with pytest.raises(Refused) as refusal:
            await first_of(Mastodon(new_session(server.url, secret=SECRET)))
    assert refusal.value.provider_code == "other-host"
    assert [exchange.path for exchange in server.seen] == ["/api/v2/instance"]


async def test_a_server_without_streams_says_so(new_session: SessionMaker) -> None:
    async with scripted(Api()) as server:
        with pytest.raises(Refused) as refusal:
            await first_of(Mastodon(new_session(server.url, secret=SECRET)))
    assert refusal.value.provider_code == "no-streaming"


# --- servers that have the WebSocket alone ------------------------------------------------------------------------------------


class Sockets:
    """As Pleroma and GoToSocial are: no event stream, the token as subprotocol; `queue` is what they tell, None a close."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.heard: list[str] = []
        self.tokens: list[str] = []
        self.opened = 0
        self.url = ""

    async def instance(self, request: web.Request) -> web.Response:
        return web.json_response({"uri": "example.org", "urls": {"streaming_api": self.url.replace("http", "ws")}})

    async def talk(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Sec-WebSocket-Protocol", ""))
        assert request.query == {"stream": "user"}
        socket = web.WebSocketResponse(protocols=("a-token",))
        await socket.prepare(request)
        self.opened += 1
        self.heard.append((await socket.receive()).data)
        while (told := await self.queue.get()) is not None:
            await socket.send_str(told)
        await socket.close()
        return socket


@asynccontextmanager
async def sockets(**other: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Sockets]:
    stub = Sockets()
    answers = {"instance": stub.instance, "streaming": stub.talk, **other}
    app = web.Application()
    app.add_routes([web.get(f"/api/v1/{name}", answer) for name, answer in answers.items()])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", free_port())
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        await runner.cleanup()


async def test_where_there_is_no_event_stream_one_socket_carries_both_streams_and_is_opened_again(
    new_session: SessionMaker,
) -> None:
    async with sockets() as stub:
        async with aclosing(Mastodon(new_session(stub.url, secret=SECRET)).watch()) as hints:
            await soon(hints)
            for told in ('{"stream":["direct"],"event":"conversation","payload":"{}"}', None):
                stub.queue.put_nowait("no JSON")
                stub.queue.put_nowait(told)
                await soon(hints)
    assert stub.opened == 2
    assert set(stub.tokens) == {"a-token"}
    assert stub.heard == ['{"type":"subscribe","stream":"direct"}'] * 2


async def test_a_socket_that_is_redirected_elsewhere_is_not_followed(new_session: SessionMaker) -> None:
    reached: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound("/api/v1/elsewhere")

    async with sockets(elsewhere=elsewhere, streaming=away) as stub:
        with pytest.raises(ProviderError):
            await first_of(Mastodon(new_session(stub.url, secret=SECRET)))
    assert reached == []


# --- how often --------------------------------------------------------------------------------------------------------------


def test_events_of_one_act_are_one_hint() -> None:
    pace = Pace(0.0)
    assert pace.wait(0.0) is None
    pace.heard("notification", 1.0)
    pace.heard("conversation", 1.05)
    assert pace.wait(1.05) == pytest.approx(TOGETHER - 0.05)
    pace.given(1.1)
    assert pace.wait(1.1) is None


def test_when_events_come_thick_hints_come_as_often_as_can_be_looked() -> None:
    pace, now = Pace(0.0), 0.0
    given = 0
    for _ in range(600):  # a minute
        pace.heard("notification", now)
        if pace.wait(now) == 0.0:
            pace.given(now)
            given += 1
        now += 0.1
    assert BURST + 60 / EVERY - 2 <= given <= BURST + 60 / EVERY


def test_mere_posts_wait_longer_and_something_urgent_takes_them_along() -> None:
    pace = Pace(0.0)
    pace.heard(OPENED, 0.0)
    pace.given(0.1)
    pace.heard("update", 1.0)
    assert pace.wait(1.0) == pytest.approx(POSTS_EVERY - 0.9)
    pace.heard("conversation", 2.0)
    assert pace.wait(2.0) == 0.0
