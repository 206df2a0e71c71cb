"""A card changed in an address book arrives in every open subscription, by itself, and only at its own viewer's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.chaos.clients import Event, by_event_source, by_event_stream, by_websocket, position
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:followed\r\nFN:{name}\r\nN:{family};Ada;;;\r\nEMAIL:ada@example.org\r\nEND:VCARD\r\n"
Stream = Callable[[Gateway, str, str | None], AsyncIterator[Event]]


@pytest.fixture(scope="module")
def book() -> Iterator[servers.CardDav]:
    with servers.radicale() as server:
        server.put("followed", CARD.format(name="Ada Lovelace", family="Lovelace"))
        yield server


@pytest.fixture(scope="module")
def gateway(book: servers.CardDav, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An installation whose owner has linked the address book."""
    home: Path = tmp_path_factory.mktemp("kith")
    with kith_serve(home, KITH_ALLOW_PRIVATE_HOSTS=f"127.0.0.1/32:{book.server.port}") as running:
        running.kith(
            "link", "carddav", f"server={book.url}", f"username={book.username}", "--password-stdin", stdin=f"{book.password}\n"
        )
        yield running


async def until(stream: AsyncIterator[Event], wanted: Callable[[Event], bool]) -> Event:
    """The first event that is wanted."""
    async for event in stream:
        if wanted(event):
            return event
    raise AssertionError("the stream ended")


def is_contact(event: Event) -> bool:
    return bool(event["__typename"] == "NodeUpserted" and event["nodeKind"] == "CONTACT")


async def test_a_changed_card_arrives_in_open_subscriptions_over_websocket_and_sse(
    gateway: Gateway, book: servers.CardDav
) -> None:
    key, stranger = gateway.token("owner"), gateway.token("somebody-else")
    here = position(gateway, key)
    streams: list[Stream] = [by_websocket, by_event_stream, by_event_source]
    open_ones = [asyncio.create_task(until(stream(gateway, key, here), is_contact)) for stream in streams]
    theirs = by_websocket(gateway, stranger, position(gateway, stranger))
    # but of the stream that gave them their place
    other = asyncio.create_task(until(theirs, lambda event: event.get("nodeKind") not in (None, "STREAM")))
    book.put("followed", CARD.format(name="Ada King", family="King"))
    async with asyncio.timeout(PATIENCE):
        events = await asyncio.gather(*open_ones)
    assert len({event["nodeId"] for event in events}) == 1
    assert len({event["cursor"] for event in events}) == 1
    assert not other.done(), "another viewer was told"
    other.cancel()


async def test_who_comes_back_with_the_last_cursor_gets_what_was_missed(gateway: Gateway, book: servers.CardDav) -> None:
    key = gateway.token("owner")
    stream = by_websocket(gateway, key, position(gateway, key))
    first = asyncio.create_task(until(stream, is_contact))
    book.put("followed", CARD.format(name="Ada Byron", family="Byron"))
    async with asyncio.timeout(PATIENCE):
        seen = await first
    book.put("followed", CARD.format(name="Ada Noel", family="Noel"))
    gateway.kith("sync")
    async with asyncio.timeout(PATIENCE):
        missed = await until(by_event_source(gateway, key, seen["cursor"]), is_contact)
    assert missed["nodeId"] == seen["nodeId"]
    assert missed["nodeVersion"] == seen["nodeVersion"] + 1
