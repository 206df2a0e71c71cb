"""Every way out of this process, given every spelling of a private place: nothing arrives there, and who asked is told why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import chain, repeat

import pytest

from providers.addresses import Guard
from providers.errors import ForbiddenAddress, Malformed, ProviderError, Refused, Unavailable
from providers.http import RetryPolicy, Session
from providers.stream import Security
from providers.transport import Transport
from tests.providers.conftest import SessionMaker, http_answer, scripted
from tests.providers.private_places import INSIDE, listening


@pytest.fixture
async def strict() -> AsyncIterator[Transport]:
    """An installation whose operator has opened nothing; DNS has one name, which is this machine's."""

    async def lookup(host: str, port: int) -> Sequence[str]:
        if host != "inside.example":
            raise OSError(f"{host} is unknown")
        return ["127.0.0.1"]

    transport = Transport(Guard(lookup=lookup))
    yield transport
    await transport.aclose()


async def _fetch(session: Session, host: str, port: int) -> None:
    await session.request("GET", f"http://{host}:{port}/")


async def _fetch_encrypted(session: Session, host: str, port: int) -> None:
    await session.request("POST", f"https://{host}:{port}/", content=b"x", auth=False)


async def _web_socket(session: Session, host: str, port: int) -> None:
    async with session.web_socket(f"ws://{host}:{port}/", ended=1000):
        pass


def _line(security: Security) -> Callable[[Session, str, int], Awaitable[None]]:
    async def opened(session: Session, host: str, port: int) -> None:
        stream = await session.stream(host, port, security=security)
        await stream.close()

    return opened


WAYS = {
    "HTTP": _fetch,
    "HTTPS": _fetch_encrypted,
    "WebSocket": _web_socket,
    "TLS line": _line("TLS"),
    "STARTTLS line": _line("STARTTLS"),
    "plain line": _line("NONE"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_no_way_out_leads_inside(way: str, new_session: SessionMaker, strict: Transport) -> None:
    async with listening() as vault:
        for host in INSIDE:
            session = new_session(f"http://{host}:{vault.port}", transport=strict, interactive=True)
            with pytest.raises((ForbiddenAddress, Malformed, Refused)):
                await WAYS[way](session, host, vault.port)
    assert vault.visits == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_inside(status: int, new_session: SessionMaker) -> None:
    async with listening() as vault:
        for host in INSIDE:
            async with scripted(http_answer(status, location=f"http://{host}:{vault.port}/")) as script:
                transport = Transport(Guard([f"127.0.0.1/32:{script.port}"], lookup=_inside))
                session = new_session(script.url, transport=transport, interactive=True)
                with pytest.raises((ForbiddenAddress, Malformed)):
                    await session.request("GET", "/")
                await transport.aclose()
    assert vault.visits == 0


async def test_a_name_is_judged_again_at_each_connection_and_reached_where_it_was_judged(new_session: SessionMaker) -> None:
    """DNS rebinding: the first answer is a place that is open, all later ones are not."""
    answers = chain([["127.0.0.1"]], repeat(["127.0.0.2"]))

    async def lookup(host: str, port: int) -> Sequence[str]:
        return next(answers)

    closing = http_answer(200, b"ok", Connection="close")
    async with scripted(closing) as script, listening("127.0.0.2", script.port) as vault:
        transport = Transport(Guard([f"127.0.0.1/32:{script.port}"], lookup=lookup))
        session = new_session(f"http://rebind.example:{script.port}", transport=transport, retry=RetryPolicy(attempts=1))
        await session.request("GET", "/")
        await transport.aclose()
        for _ in range(3):
            with pytest.raises(ProviderError) as refused:
                await session.request("GET", "/")
            assert isinstance(refused.value, ForbiddenAddress | Unavailable)
            await transport.aclose()
        assert len(script.seen) == 1
    assert vault.visits == 0


async def _inside(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]
