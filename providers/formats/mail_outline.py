"""A mail that a network tells in pieces, put together as MIME again, so that one parser reads all mail.

For mails too large to be fetched whole: the header fields and the texts are there, the files are left at the network and stand in
the outline as parts without content. Speaks RFC 2045 and 2046. Knows no network.
"""

from __future__ import annotations

import base64

import msgspec

from providers.formats import mail_header

MAX_DEPTH = 30
_REPLACED = frozenset({"content-type", "content-transfer-encoding", "content-length"})


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A part: its header fields in order, its decoded content (None where it stayed behind) and the parts within it."""

    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "text/plain"
    content: bytes | None = None
    pieces: tuple[Piece, ...] = ()


def put_together(root: Piece) -> bytes:
    """The mail as bytes that `formats/mime.py` reads. Never raises."""
    out: list[bytes] = []
    _write(out, root, "0", 0)
    return b"".join(out)


def _write(out: list[bytes], piece: Piece, number: str, depth: int) -> None:
    for name, value in piece.headers:
        if name.lower() not in _REPLACED and name.isascii() and name.isprintable():
            out.append(f"{name}: {_one_line(value)}\r\n".encode("utf-8", "replace"))
    written = next((value for name, value in piece.headers if name.lower() == "content-type"), piece.media_type)
    media_type, given = mail_header.parameters(_one_line(written))
    parameters = dict(given)
    media_type = media_type or piece.media_type
    if media_type.startswith("multipart/") and depth < MAX_DEPTH:
        boundary = f"=_outline_{number}"
        parameters["boundary"] = boundary
        out.append(_content_type(media_type, parameters))
        for n, inner in enumerate(piece.pieces):
            out.append(f"\r\n--{boundary}\r\n".encode())
            _write(out, inner, f"{number}.{n}", depth + 1)
        out.append(f"\r\n--{boundary}--\r\n".encode())
        return
    content = piece.content or b""
    if media_type.startswith("text/") and not content.isascii() and _is_utf8(content):
        parameters["charset"] = "utf-8"  # networks tell texts in UTF-8 and leave the old name in the header
    out.append(_content_type(media_type, parameters))
    if media_type.startswith("message/"):  # RFC 2046 §5.2.1: no base64 here
        out += [b"\r\n", content]
    else:
        out += [b"Content-Transfer-Encoding: base64\r\n\r\n", base64.encodebytes(content)]


def _content_type(media_type: str, parameters: dict[str, str]) -> bytes:
    words = [media_type if media_type.isprintable() else "application/octet-stream"]
    for name, value in parameters.items():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        words.append(f'{name}="{quoted}"')
    return ("Content-Type: " + "; ".join(words) + "\r\n").encode("utf-8", "replace")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _one_line(value: str) -> str:
    return " ".join(value.replace("\x00", "").split("\n")).replace("\r", " ")
