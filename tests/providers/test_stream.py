"""A connection is read the same way however its bytes come: all at once, or one by one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import aclosing

import pytest

from gateway.clock import SystemClock
from providers.errors import Malformed
from providers.imap4.connection import Connection
from providers.imap4.syntax import Data
from providers.stream import Stream

LETTER = b"Subject: Boats\r\n\r\nSee you at the quay.\r\n"
SAID = (
    b"* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {%d}\r\n%s)\r\n* 2 FETCH (UID 8 FLAGS () BODY[] {0}\r\n)\r\n"
    b"* 3 FETCH (UID 9 BODY[] {10}\r\n0123456789 FLAGS ())\n* 3 EXISTS\r\nk1 OK done\r\n" % (len(LETTER), LETTER)
)


async def heard(pieces: Iterable[bytes], keep: int) -> list[Data]:
    """What a command brings of a server that sends these."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    _, server = await asyncio.open_connection(sock=theirs)

    async def send() -> None:
        for piece in pieces:
            server.write(piece)
            await server.drain()

    sending = asyncio.create_task(send())
    stream = Stream(reader, writer, "mail.example.org", encrypted=False)
    try:
        connection = Connection(stream, SystemClock().now)
        async with aclosing(connection.each(b"UID FETCH 7:9 BODY[]", keep=keep)) as said:
            return [one async for one in said]
    finally:
        await sending
        server.close()
        await stream.close()


@pytest.mark.parametrize("keep", [1_000, 5])
async def test_messages_that_come_at_once_are_those_that_come_byte_by_byte(keep: int) -> None:
    at_once = await heard([SAID], keep)
    assert [one.name for one in at_once] == ["FETCH", "FETCH", "FETCH", "EXISTS"]
    assert at_once[0].values == [["UID", "7", "FLAGS", ["\\Seen"], "BODY[]", LETTER[:keep]]]
    assert at_once[2].values == [["UID", "9", "BODY[]", b"0123456789"[:keep], "FLAGS", []]]
    assert await heard([bytes([byte]) for byte in SAID], keep) == at_once


async def test_a_line_that_is_there_already_and_too_long_is_refused_as_one_that_is_waited_for() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    stream = Stream(reader, writer, "mail.example.org", encrypted=False)
    try:
        theirs.sendall(b"short\r\n" + b"a" * 50 + b"\r\n")
        assert await stream.line(10) == b"short"
        assert (stream.line_at_hand(10), stream.at_hand(99)) == (None, None)
        with pytest.raises(Malformed):
            await stream.line(10)
    finally:
        theirs.close()
        await stream.close()
