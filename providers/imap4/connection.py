"""Commands and responses over one stream (RFC 9051 §2.2): tags, literals, continuations, and what a server says unasked.

What comes before the end of a command is bounded as a whole, in number, bytes and time: each of it may be as short as a server likes.

One command at a time. `run` collects what a command brings; `each` gives it piece by piece while it arrives, so that a folder
of any size needs the memory of one message. Untagged data may come at any moment and of any kind: who asked takes what it
knows. A connection on which something went wrong is `broken` and used no more. Knows no folder's state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import TypeVar

import msgspec

from providers.errors import Malformed, ProviderError, Unavailable
from providers.imap4 import refusal
from providers.imap4.syntax import Condition, Continuation, Data, literal_size, raw, response, text
from providers.stream import Stream

#: One response without its literals; the answer to SEARCH in a folder of a million messages is one line.
MAX_RESPONSE = 16 * 1024 * 1024
MAX_LITERALS = 10_000
#: A literal is kept up to what its command asks for; the rest is read and dropped, up to this size.
LITERAL = 256 * 1024
MAX_LITERAL = 512 * 1024 * 1024
#: What a command may bring that is collected: responses and their bytes.
MAX_COLLECTED = 200_000
MAX_COLLECTED_BYTES = 64 * 1024 * 1024
#: Responses before a command's end, whatever they are, for a command that reads its data one by one; and their bytes, read or skipped.
MAX_STREAMED = 5_000_000
MAX_STREAMED_BYTES = 64 * 1024**3
#: Of these, remarks and requests to go on, which bring nothing: a server that is at it says so every few minutes ("Hang in there").
MAX_REMARKS = 20_000
#: Seconds that a command may have us wait in all, and what must come for each second more: a search in an old folder takes minutes.
COMMAND_SECONDS = 1_800.0
LEAST = 256
TOGETHER = 50
ENDLESS = "does not come to an end"
SHORT_LITERAL = 4096  # RFC 7888 §5: LITERAL- sends these without waiting

T = TypeVar("T")
_SAFE = frozenset(b" !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~")


class Literal(bytes):
    """A word of a command that is sent as a literal (RFC 9051 §4.3)."""


class Reply(msgspec.Struct, frozen=True):
    """How a command ended, and what came before: data, and conditions with a code by their code."""

    end: Condition
    data: list[Data]
    codes: dict[str, Condition]

    def code(self, name: str) -> bytes | None:
        """What a response code said: on the command's own end, else on the last untagged condition that bore it."""
        if self.end.code == name:
            return self.end.argument
        return self.codes[name].argument if name in self.codes else None


class Connection:
    """A server that talks to us. `capabilities` are in upper case, as last heard."""

    def __init__(self, stream: Stream, now: Callable[[], datetime]) -> None:
        self.stream = stream
        self.host = stream.host
        self.capabilities: frozenset[str] = frozenset()
        self.enabled: frozenset[str] = frozenset()
        self.broken = False
        self.commands = 0
        self._now = now

    def has(self, *names: str) -> bool:
        """Whether the server offers any of these."""
        return any(name in self.capabilities for name in names)

    async def greeting(self) -> bool:
        """Reads the greeting (RFC 9051 §7.1): True when we are signed in already. Raises ProviderError."""
        said = await self._next(LITERAL)
        if not isinstance(said, Condition) or said.tag:
            self.broken = True
            raise refusal.unexpected(self.host, "does not greet as an IMAP server does; check the port and the encryption")
        if said.status not in ("OK", "PREAUTH"):
            self.broken = True
            raise refusal.refusal(said, self.host, "the connection", self._now())
        return said.status == "PREAUTH"

    async def run(self, *words: bytes, doing: str = "a command", keep: int = LITERAL, answers: tuple[bytes, ...] = ()) -> Reply:
        """A command to its end. `answers` are sent in turn to continuations (RFC 9051 §6.2.2), then empty lines.

        Raises what `refusal` makes of a NO or BAD, Unavailable, Malformed.
        """
        reply = await self.attempt(*words, keep=keep, answers=answers)
        if reply.end.status != "OK":
            raise refusal.refusal(reply.end, self.host, doing, self._now())
        return reply

    async def attempt(self, *words: bytes, keep: int = LITERAL, answers: tuple[bytes, ...] = ()) -> Reply:
        """As `run`, for those who look at the end themselves."""
        data: list[Data] = []
        codes: dict[str, Condition] = {}
        size = kept = 0
        left = list(answers)
        async with aclosing(self._command(words, keep)) as said:
            async for one in said:
                if isinstance(one, Continuation):
                    await self.stream.write((left.pop(0) if left else b"") + b"\r\n")
                    continue
                if isinstance(one, Data):
                    data.append(one)
                elif one.tag:
                    return Reply(one, data, codes)
                elif one.code:
                    codes[one.code] = one
                else:
                    continue
                kept += 1
                size += self._size
                if kept > MAX_COLLECTED or size > MAX_COLLECTED_BYTES:
                    raise refusal.unexpected(self.host, ENDLESS)
        raise refusal.unexpected(self.host, "did not finish its answer")

    async def together(self, commands: list[tuple[bytes, ...]]) -> list[Data]:
        """Commands that do not depend on each other, sent before the first is answered (RFC 9051 §5.5), and all their data.

        What one of them is refused is missing from it. Those with a literal go alone.
        """
        data: list[Data] = []
        size = 0
        plain = [words for words in commands if not any(isinstance(word, Literal) for word in words)]
        for n in range(0, len(plain), TOGETHER):
            if self.broken:
                raise Unavailable(f"The connection to {self.host} is no longer of use.", provider_code="cut")
            self.broken = True
            self._begin()
            tags = set()
            out = bytearray()
            for words in plain[n : n + TOGETHER]:
                self.commands += 1
                tags.add(f"k{self.commands}")
                out += f"k{self.commands} ".encode() + b"".join(words) + b"\r\n"
            await self.stream.write(out)
            while tags:
                said = await self._next(LITERAL)
                if isinstance(said, Data):
                    data.append(said)
                    size += self._size
                    if len(data) > MAX_COLLECTED or size > MAX_COLLECTED_BYTES:
                        raise refusal.unexpected(self.host, ENDLESS)
                elif isinstance(said, Condition):
                    if said.status == "BYE":
                        raise refusal.refusal(said, self.host, "to go on", self._now())
                    self._asked(said, tags)
                    tags.discard(said.tag)
            self.broken = False
        for words in commands:
            if any(isinstance(word, Literal) for word in words):
                data += (await self.attempt(*words)).data
        return data

    async def each(self, *words: bytes, doing: str = "a command", keep: int = LITERAL) -> AsyncGenerator[Data]:
        """What a command brings, while it arrives. Left in the middle, the connection is broken. Raises as `run`."""
        async with aclosing(self._command(words, keep)) as said:
            async for one in said:
                if isinstance(one, Data):
                    yield one
                elif isinstance(one, Condition) and one.tag and one.status != "OK":
                    raise refusal.refusal(one, self.host, doing, self._now())

    async def idle(self, seconds: float) -> AsyncGenerator[Data]:
        """IDLE (RFC 2177) for `seconds`, giving what the server says; ends well or raises Unavailable.

        The caller may leave whenever it wants; the connection is of use only after the iterator has ended by itself.
        """
        self.broken = True
        self._begin()
        tag = await self._send((b"IDLE",))
        waiting = False
        clock = asyncio.get_running_loop()
        until = clock.time() + seconds  # some servers say every two minutes that they are still there
        try:
            while (left := until - clock.time()) > 0 or not waiting:
                if waiting:
                    self._waited = 0.0  # to wait is what it is for
                said = await self._next(LITERAL, seconds=max(left, 0.001))
                if isinstance(said, Continuation):
                    waiting = True
                elif isinstance(said, Data):
                    yield said
                elif said.tag == tag or said.status == "BYE":
                    raise refusal.refusal(said, self.host, "to tell of news", self._now())
        except Unavailable as silence:
            if silence.provider_code != "timeout" or not waiting:
                raise
        self._begin()
        await self.stream.write(b"DONE\r\n")
        while not (isinstance(said := await self._next(LITERAL), Condition) and said.tag == tag):
            if isinstance(said, Data):
                yield said
        self.broken = False

    async def hear(self, seconds: float) -> Data | None:
        """What the server says without being asked (NOTIFY, RFC 5465); None after `seconds` of silence.

        Raises Unavailable when it says goodbye.
        """
        self._begin()
        try:
            said = await self._next(LITERAL, seconds=seconds)
        except Unavailable as silence:
            if silence.provider_code == "timeout" and not self._inside:
                return None
            raise
        return said if isinstance(said, Data) else None

    async def enable(self, *names: str) -> None:
        """ENABLE (RFC 5161): only what the server says that it enabled counts; some never say so (iCloud)."""
        reply = await self.attempt(b"ENABLE " + " ".join(names).encode())
        found = {text(value).upper() for one in reply.data if one.name == "ENABLED" for value in one.values}
        self.enabled |= found

    async def logout(self) -> None:
        """Says goodbye when there is somebody to say it to, and closes. Never raises."""
        try:
            if not self.broken:
                self.broken = True
                await self.stream.write(b"k0 LOGOUT\r\n")
        except ProviderError:
            pass
        finally:
            await self.stream.close()

    def heard(self, reply: Reply) -> None:
        """Takes capabilities from a reply, wherever it has them (RFC 9051 §7.2.2)."""
        listed = reply.code("CAPABILITY")
        words = listed.decode("ascii", "replace").split() if listed else []
        for one in reply.data:
            if one.name == "CAPABILITY":
                words = [text(value) for value in one.values]
        if words:
            self.capabilities = frozenset(word.upper() for word in words[:1000])

    # --- the wire ------------------------------------------------------------------------------------------------------

    async def _command(self, words: tuple[bytes, ...], keep: int) -> AsyncGenerator[Data | Condition | Continuation]:
        """Everything from a command to its tagged end, that one last."""
        if self.broken:
            raise Unavailable(f"The connection to {self.host} is no longer of use.", provider_code="cut")
        self.broken = True  # until this one has ended as it should
        self._begin()
        tag = ""
        try:
            async with aclosing(self._sent(words)) as early:
                async for before in early:
                    if isinstance(before, str):
                        tag = before
                        continue
                    if isinstance(before, Condition) and before.tag:  # the literal is not wanted
                        self.broken = False
                        yield before
                        return
                    yield before
            while True:
                one = await self._next(keep)
                if isinstance(one, Condition):
                    self._asked(one, {tag})
                    if one.tag:
                        self.broken = False
                        yield one
                        return
                    if one.status == "BYE":
                        raise refusal.refusal(one, self.host, "to go on", self._now())
                yield one
        except Malformed:
            await self.stream.close()
            raise

    async def _sent(self, words: tuple[bytes, ...]) -> AsyncGenerator[str | Data | Condition]:
        """Sends a command; gives its tag, and what the server says while it waits for a literal."""
        self.commands += 1
        tag = f"k{self.commands}"
        out = bytearray(f"{tag} ".encode())
        for word in words:
            if not isinstance(word, Literal):
                out += word
                continue
            at_once = self.has("LITERAL+") or (self.has("LITERAL-", "IMAP4REV2") and len(word) <= SHORT_LITERAL)
            out += b"{%d%s}\r\n" % (len(word), b"+" if at_once else b"")
            if not at_once:
                await self.stream.write(out)
                out.clear()
                while not isinstance(said := await self._next(LITERAL), Continuation):
                    if isinstance(said, Condition):
                        if said.status == "BYE":
                            raise refusal.refusal(said, self.host, "to go on", self._now())
                        self._asked(said, {tag})
                    yield said
            out += word
        out += b"\r\n"
        await self.stream.write(out)
        yield tag

    async def _send(self, words: tuple[bytes, ...]) -> str:
        async with aclosing(self._sent(words)) as said:
            async for one in said:
                if isinstance(one, str):
                    return one
        raise refusal.unexpected(self.host, "did not take a command")

    def _asked(self, said: Condition, tags: set[str]) -> None:
        """Raises Malformed when a command ends that is not under way (RFC 9051 §2.2.2): who waits on would wait in vain."""
        if said.tag and said.tag not in tags:
            raise refusal.unexpected(self.host, "answers what was not asked")

    _size = 0
    _inside = False
    # of what is under way, with all that came before its end
    _responses = 0
    _remarks = 0
    _received = 0
    _waited = 0.0

    def _begin(self) -> None:
        """A command begins, or a wait: what it may bring is counted from here."""
        self._responses = self._remarks = self._received = 0
        self._waited = 0.0

    async def _next(self, keep: int, *, seconds: float | None = None) -> Data | Condition | Continuation:
        """One response. Raises Malformed or Unavailable where those before the end of a command are more, or slower, than any command's.

        Only the time that we wait for the server counts, not what whoever reads does with what comes.
        """
        one = await self._read(keep, seconds)
        self._responses += 1
        self._remarks += not isinstance(one, Data)
        if self._responses > MAX_STREAMED or self._remarks > MAX_REMARKS:
            self.broken = True
            raise refusal.unexpected(self.host, ENDLESS)
        return one

    async def _read(self, keep: int, seconds: float | None) -> Data | Condition | Continuation:
        """A literal beyond `keep` is cut there: who asked for no more than that sees by its length."""
        # of many messages most have come already when it is their turn: nobody waits for those
        stream = self.stream
        line = stream.line_at_hand(MAX_RESPONSE)
        if line is None:
            line = await self._came(stream.line(MAX_RESPONSE, seconds=seconds))
        size = literal_size(line)
        self._size = len(line) + 200
        if size is None:
            return response([line])
        self._inside = True
        fragments = [line]
        while size is not None:
            if size > MAX_LITERAL or len(fragments) > 2 * MAX_LITERALS:
                self.broken = True
                raise refusal.unexpected(self.host, "sends more at once than it was asked for")
            kept = min(size, keep)
            literal = stream.at_hand(kept)
            fragments.append(await self._came(stream.exactly(kept)) if literal is None else literal)
            if kept < size:
                await self._came(stream.skip(size - kept))
            following = stream.line_at_hand(MAX_RESPONSE)
            line = await self._came(stream.line(MAX_RESPONSE)) if following is None else following
            fragments.append(line)
            self._size += kept + len(line) + 100
            if self._size > MAX_COLLECTED_BYTES:
                self.broken = True
                raise refusal.unexpected(self.host, "sends more at once than it was asked for")
            size = literal_size(line)
        self._inside = False
        return response(fragments)

    async def _came(self, reading: Awaitable[T]) -> T:
        """What is read, while it all comes fast enough and there is not too much of it."""
        clock = asyncio.get_running_loop()
        began, before = clock.time(), self.stream.received
        try:
            found = await reading
        finally:
            self._waited += clock.time() - began
            self._received += self.stream.received - before
        if self._received > MAX_STREAMED_BYTES or self._waited > COMMAND_SECONDS + self._received / LEAST:
            self.broken = True
            raise Unavailable(f"{self.host} {ENDLESS}.", provider_code="endless")
        return found


def quoted(word: bytes | str) -> bytes:
    """A string argument: in quotes where that is safe, else a literal."""
    data = word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word
    if len(data) <= 1000 and _SAFE.issuperset(data):
        return b'"' + data + b'"'
    return Literal(data)


def uids_found(reply: Reply) -> bytes:
    """The UIDs of a SEARCH, as a set's text: from ESEARCH (RFC 4731) or the old form; empty when there are none."""
    found: list[bytes] = []
    for one in reply.data:
        if one.name == "ESEARCH":
            words = [value for value in one.values if not isinstance(value, list)]
            for n, word in enumerate(words[:-1]):
                if isinstance(word, str) and word.upper() == "ALL":
                    found.append(raw(words[n + 1]) or b"")
        elif one.name == "SEARCH":
            numbers = [value for value in one.values if isinstance(value, str)]  # not the (MODSEQ n) at its end
            found.append(",".join(numbers).encode("latin-1"))
    return b",".join(part for part in found if part)
