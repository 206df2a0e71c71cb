"""The straight way from a whole request to its whole answer: it says what uvicorn's way says, and ends where that has to go on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.installation import Installation
from tests.gateway.running import key_of, listening, opened

ME = b'{"query":"{me}"}'
SLOW = b'{"query":"{slow(seconds:0.05)}"}'
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Answer = tuple[str, dict[str, str], bytes]


class Line:
    """A client that is told each byte it sends."""

    def __init__(self, streams: Streams, key: str) -> None:
        self.reader, self.writer = streams
        self._key = key

    def send(self, body: bytes = ME, **given: str) -> None:
        self.writer.write(self.request(body, **given))

    def request(self, body: bytes, *, method: str = "POST", target: str = "/graphql", version: str = "1.1", **more: str) -> bytes:
        headers = {"host": "kith.example", "authorization": f"Bearer {self._key}", "content-type": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        if headers.get("transfer-encoding") == "chunked":
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif body or method == "POST":
            headers["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        return f"{method} {target} HTTP/{version}\r\n{lines}\r\n".encode() + body

    async def answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        return head[0], headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def ended(self) -> bool:
        return await self.reader.read(1) == b""


@contextlib.asynccontextmanager
async def calling(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Installation, Line, str, tuple[str, int]]]:
    async with opened(tmp_path, **settings) as installation, listening(installation) as place:
        key, _ = await key_of(installation)
        host, _, port = place.rpartition(":")
        line = Line(await asyncio.open_connection(host, int(port)), key)
        try:
            yield installation, line, key, (host, int(port))
        finally:
            line.writer.close()


async def test_both_ways_give_the_same_answer_to_the_same_request(tmp_path: Path) -> None:
    requests: list[tuple[bytes, dict[str, str]]] = [
        (ME, {}),
        (ME, {"accept": "application/graphql-response+json", "accept_encoding": "gzip"}),
        (b'{"query":"{long}"}', {"accept_encoding": "gzip"}),
        (b'{"query":"{boom}"}', {}),
        (b'{"query":"{nothing}"}', {"accept": "application/graphql-response+json"}),
        (b"no json", {}),
        (b"", {}),
        (ME, {"authorization": "Bearer nonsense"}),
        (ME, {"authorization": ""}),
        (ME, {"authorization": "", "cookie": "kith-session=0123456789012345678901234567890123456789"}),
        (ME, {"content_type": "text/plain"}),
        (ME, {"content_encoding": "gzip"}),
        (ME, {"accept": "image/png"}),
        (b"", {"method": "GET", "target": f"/graphql?query={quote('{me}')}"}),
        (b"", {"method": "GET", "target": f"/graphql?query={quote('mutation{touch}')}"}),
        (b"", {"method": "GET"}),
        (ME, {"method": "PUT"}),
        (ME, {"target": "/graphql/"}),
    ]
    async with calling(tmp_path) as (_, line, _, _):
        for body, given in requests:
            line.send(body, **given)
            straight = await line.answer()
            line.send(body, **given, transfer_encoding="chunked")
            other = await line.answer()
            for answer in (straight, other):
                assert answer[1].pop("date")
            assert straight[0] == other[0] and straight[1] == other[1], given
            if b"boom" not in body:  # its error has a reference of its own
                assert straight[2] == other[2], given


async def test_requests_in_pieces_and_ahead_of_their_turn_are_answered_in_their_order(tmp_path: Path) -> None:
    async with calling(tmp_path) as (_, line, _, _):
        whole = [line.request(body) for body in (ME, SLOW, ME)]
        for byte in whole[0]:
            line.writer.write(bytes([byte]))
            await line.writer.drain()
        line.writer.write(whole[1] + whole[2])
        answers = [json.loads((await line.answer())[2])["data"] for _ in whole]
    assert [list(data) for data in answers] == [["me"], ["slow"], ["me"]]


async def test_a_long_body_is_read_to_its_end_however_its_length_is_written(tmp_path: Path) -> None:
    async with calling(tmp_path) as (_, line, _, _):
        for zeros in (0, 20):
            request = line.request(ME + b" " * 900_000)
            line.writer.write(request.replace(b"content-length: ", b"content-length: " + b"0" * zeros))
            assert json.loads((await line.answer())[2])["data"].keys() == {"me"}


async def test_the_connection_ends_with_the_answer_where_that_was_said_or_too_much_came_or_the_process_drains(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path, max_body_bytes=4_000) as (installation, line, key, place):
        line.send(connection="close")
        assert (await line.answer())[1]["connection"] == "close" and await line.ended()
        old = Line(await asyncio.open_connection(*place), key)
        old.send(version="1.0")
        assert (await old.answer())[0].endswith("200 OK") and await old.ended()
        long = Line(await asyncio.open_connection(*place), key)
        long.send(b'{"query":"' + b"x" * 5_000 + b'"}')
        assert " 413 " in (await long.answer())[0] and await long.ended()
        waiting = Line(await asyncio.open_connection(*place), key)
        waiting.send(SLOW)
        late = Line(await asyncio.open_connection(*place), key)
        await asyncio.sleep(0.02)
        installation.draining.set()
        late.send()
        for one in (late, waiting):
            status, headers, _ = await one.answer()
            assert status.endswith("200 OK") and headers["connection"] == "close" and await one.ended()
        for one in (old, long, waiting, late):
            one.writer.close()


async def test_who_goes_away_while_the_answer_is_made_takes_nothing_from_the_others(tmp_path: Path) -> None:
    async with calling(tmp_path) as (_, line, key, place):
        gone = Line(await asyncio.open_connection(*place), key)
        gone.send(SLOW)
        await gone.writer.drain()
        line.send(SLOW)
        gone.writer.transport.abort()
        assert json.loads((await line.answer())[2])["data"] == {"slow": "done"}


async def test_a_head_like_the_one_before_stands_for_what_it_says_and_no_more(tmp_path: Path) -> None:
    aliases = [b'{"query":"{%c:me}"}' % letter for letter in b"abcde"]  # all of one length, so all with the same head
    async with calling(tmp_path) as (_, line, key, _):
        for body in aliases:
            line.send(body)
            assert list(json.loads((await line.answer())[2])["data"]) == [body[11:12].decode()]
        line.writer.write(line.request(aliases[0]) + line.request(aliases[1]))
        for body in aliases[:2]:
            assert list(json.loads((await line.answer())[2])["data"]) == [body[11:12].decode()]
        pieces = line.request(b'\r\n{"query":"{f:me}"}')
        line.writer.write(pieces[:-4])
        await asyncio.sleep(0.01)
        line.writer.write(pieces[-4:])
        assert json.loads((await line.answer())[2])["data"].keys() == {"f"}
        line.send(aliases[2], authorization=f"Bearer {key[:-1]}x")  # as long as the right one
        assert " 401 " in (await line.answer())[0]
        line.send(aliases[2])
        assert " 200 " in (await line.answer())[0]
