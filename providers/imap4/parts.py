"""A part of a message, streamed while it is decoded (RFC 9051 §6.4.5: sections and partial fetches; RFC 2045 §6).

Works for a file of any size in the memory of two pieces, on every server: a piece after the other by offset, decoded here.
The connection lives as long as the stream.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Final

from providers.errors import Malformed, Refused
from providers.imap4 import body_structure, folders
from providers.imap4.connection import Connection, quoted
from providers.imap4.content import uid_of
from providers.imap4.marks import parsed
from providers.imap4.syntax import Value, number, text

PIECE: Final = 512 * 1024
_SECTION: Final = re.compile(r"[1-9][0-9]{0,3}(\.[1-9][0-9]{0,3}){0,60}\Z")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")
_GONE: Final = "This message is no longer where it was. Look at it again in a moment: it may have moved."


class Download:
    """The bytes of a part, to be read once; `aclose` ends it early."""

    def __init__(self, connection: Connection, uid: int, section: str, encoding: str) -> None:
        self._connection = connection
        self._uid = uid
        self._section = section
        self._decoder = _decoder(encoding)
        self._at = 0
        self._done = False

    def __aiter__(self) -> Download:
        return self

    async def __anext__(self) -> bytes:
        """A piece that is not empty. Raises ProviderError."""
        try:
            while not self._done:
                piece = await self._piece()
                self._at += len(piece)
                self._done = len(piece) < PIECE
                if found := self._decoder(piece, self._done):
                    return found
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._done = True
        await self._connection.logout()

    async def _piece(self) -> bytes:
        wanted = f"(UID BODY.PEEK[{self._section}]<{self._at}.{PIECE}>)".encode()
        found = await _fetch(self._connection, self._uid, wanted)
        name = f"BODY[{self._section}]"
        piece = next((value for item, value in found.items() if item.startswith(name) and isinstance(value, bytes)), None)
        if piece is None and self._at == 0:
            raise Refused(_GONE, provider_code="not-found")
        return piece or b""


async def opened(connect: Callable[[], Awaitable[Connection]], key: str, section: str) -> Download:
    """The part `section` of the message `key`; the whole message when `section` is empty. Raises Refused when it is gone."""
    place = parsed(key)
    if place is None or (section and not _SECTION.match(section)):
        raise Refused("There is no such part.", provider_code="not-found")
    ident, validity, uid = place
    connection = await connect()
    try:
        name = folders.name_of(ident)
        if name is None:
            known = {folders.ident(raw, told): raw for raw, told in (await folders.ids(connection)).items()}
            name = known.get(ident)
        if name is None:
            raise Refused(_GONE, provider_code="not-found")
        reply = await connection.run(b"EXAMINE ", quoted(name), doing="to open the folder of this message")
        if number(reply.code("UIDVALIDITY") or b"") != validity:
            raise Refused(_GONE, provider_code="not-found")
        if not section:
            return Download(connection, uid, "", "")
        described = await _fetch(connection, uid, b"(UID BODYSTRUCTURE)")
        if not described:
            raise Refused(_GONE, provider_code="not-found")
        return Download(connection, uid, section, _encoding(described.get("BODYSTRUCTURE"), section))
    except BaseException:
        await connection.logout()
        raise


def _encoding(structure: Value, section: str) -> str:
    root = body_structure.read(structure)
    if root is None:
        raise Malformed("The server cannot say how this part is encoded.", provider_code="body-structure")
    todo = [root]
    while todo:
        node = todo.pop()
        if node.section == section:
            return node.encoding
        todo += node.children
        todo += node.enclosed
    raise Refused("There is no such part.", provider_code="not-found")


async def _fetch(connection: Connection, uid: int, wanted: bytes) -> dict[str, Value]:
    reply = await connection.run(b"UID FETCH %d " % uid, wanted, doing="to hand over a part", keep=PIECE)
    found: dict[str, Value] = {}
    for one in reply.data:
        if (told := uid_of(one)) and told[0] == uid:
            found.update(told[1])
    return found


Decoder = Callable[[bytes, bool], bytes]


def _decoder(encoding: str) -> Decoder:
    match text(encoding).lower():
        case "base64":
            return _Base64()
        case "quoted-printable":
            return _QuotedPrintable()
        case _:
            return lambda piece, last: piece


class _Base64:
    """RFC 2045 §6.8: four characters at a time, whatever stands between them."""

    def __init__(self) -> None:
        self._left = b""

    def __call__(self, piece: bytes, last: bool) -> bytes:
        clean = self._left + _NOT_BASE64.sub(b"", piece)
        whole = len(clean) if last else len(clean) // 4 * 4
        clean, self._left = clean[:whole], clean[whole:]
        if last and len(clean) % 4 == 1:  # one character alone is no byte
            clean = clean[:-1]
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


class _QuotedPrintable:
    """RFC 2045 §6.7: line by line, since white space at a line's end does not count."""

    def __init__(self) -> None:
        self._left = b""

    def __call__(self, piece: bytes, last: bool) -> bytes:
        held = self._left + piece
        cut = len(held) if last or len(held) > 2 * PIECE else held.rfind(b"\n") + 1
        held, self._left = held[:cut], held[cut:]
        return binascii.a2b_qp(held)
