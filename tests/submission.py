"""A submission server for tests that keeps what it takes and can be cut, refuse or be too busy at any point (RFC 5321, RFC 4954).

It stands for the servers that one cannot ask to break off between the final dot and their answer. What it has taken is in `taken`:
this is the other side's truth, which only tests may look at.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from tests.ports import free_port

#: Points at which the line can be cut: before the reply to a command, or around the final dot.
Point = Literal["greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot", "taken", "answered"]
POINTS: tuple[Point, ...] = ("greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot", "taken", "answered")


@dataclass
class Letter:
    """What was taken: envelope and content, dots unstuffed."""

    sender: str
    recipients: list[str]
    data: bytes
    utf8: bool = False


@dataclass
class Submission:
    """One server. `cut` names the next points at which the line breaks, `said` what is said instead of the usual reply."""

    port: int = 0
    password: str = "secret"
    offers: tuple[str, ...] = (
        "SIZE 30000000",
        "8BITMIME",
        "SMTPUTF8",
        "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER",
        "ENHANCEDSTATUSCODES",
    )
    taken: list[Letter] = field(default_factory=list)
    files: bool = True  # whether the sender's side keeps what was sent, as many servers do
    filed: list[bytes] = field(default_factory=list)
    cut: list[Point] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    at: Callable[[Point], None] = lambda point: None

    def take(self, letter: Letter) -> None:
        """The moment from which the message is on its way."""
        self.taken.append(letter)
        if self.files:
            self.filed.append(letter.data)

    def envelope(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(letter.sender, tuple(letter.recipients)) for letter in self.taken]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Talk(self, reader, writer).run()
        except (_Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort()


class _Cut(Exception):
    pass


class _Talk:
    def __init__(self, server: Submission, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.sender = ""
        self.recipients: list[str] = []
        self.utf8 = False

    async def run(self) -> None:
        await self.reply("greeting", "220 sink.example ESMTP")
        while True:
            line = (await self.reader.readuntil(b"\r\n")).decode("utf-8").rstrip("\r\n")
            self.server.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            match verb:
                case "EHLO":
                    lines = ("sink.example", *self.server.offers)
                    await self.reply(
                        "EHLO", "\r\n".join(f"250{' ' if n == len(lines) else '-'}{o}" for n, o in enumerate(lines, 1))
                    )
                case "AUTH":
                    await self.auth(line)
                case "MAIL":
                    self.sender, self.recipients = line[line.index("<") + 1 : line.index(">")], []
                    self.utf8 = line.upper().endswith("SMTPUTF8")
                    await self.reply("MAIL", "250 2.1.0 ok")
                case "RCPT":
                    address = line[line.index("<") + 1 : line.rindex(">")]
                    refused = self.server.said.get(f"RCPT {address}")
                    self.recipients.append(address)
                    await self.reply("RCPT", refused[0] if refused else "250 2.1.5 ok")
                case "DATA":
                    await self.reply("DATA", "354 go ahead")
                    await self.data()
                case "QUIT":
                    self.writer.write(b"221 2.0.0 bye\r\n")
                    return
                case _:
                    self.writer.write(b"502 5.5.1 what?\r\n")

    async def data(self) -> None:
        self.passed("body")
        lines = []
        while (line := await self.reader.readuntil(b"\n")) != b".\r\n":
            assert line.endswith(b"\r\n")
            lines.append(line[1:] if line.startswith(b".") else line)
        self.passed("dot")
        if refused := self.server.said.get("dot"):
            self.writer.write(refused.pop(0).encode() + b"\r\n")
            return
        self.server.take(Letter(self.sender, self.recipients, b"".join(lines), self.utf8))
        await self.reply("taken", f"250 2.0.0 queued as {len(self.server.taken)}")
        await self.writer.drain()
        self.passed("answered")

    async def auth(self, line: str) -> None:
        mechanism, *first = line.split(" ")[1:]
        if mechanism == "LOGIN":
            words = []
            for _ in range(2):
                self.writer.write(b"334 VXNlcm5hbWU6\r\n")
                words.append(_plain((await self.reader.readuntil(b"\r\n")).decode().strip()))
            good = words[1] == self.server.password
        elif mechanism == "PLAIN":
            good = _plain(first[0]).split("\x00")[2] == self.server.password
        else:
            good = f"auth=Bearer {self.server.password}\x01" in _plain(first[0])
            if not good:
                self.writer.write(b"334 " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
                await self.reader.readuntil(b"\r\n")
        await self.reply("AUTH", "235 2.7.0 ok" if good else "535 5.7.8 wrong")

    async def reply(self, point: Point, usual: str) -> None:
        self.passed(point)
        said = self.server.said.get(point)
        self.writer.write((said.pop(0) if said else usual).encode() + b"\r\n")

    def passed(self, point: Point) -> None:
        self.server.at(point)
        if self.server.cut and self.server.cut[0] == point:
            self.server.cut.pop(0)
            raise _Cut


def _plain(words: str) -> str:
    return base64.b64decode(words).decode("utf-8")


@asynccontextmanager
async def submission() -> AsyncIterator[Submission]:
    """A server on a free port of the loopback."""
    found = Submission()
    listening = await asyncio.start_server(found.serve, "127.0.0.1", free_port(), limit=1 << 20)
    found.port = listening.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        listening.close()
