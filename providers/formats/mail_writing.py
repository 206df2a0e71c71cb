"""A letter to the bytes that leave: RFC 5322 and MIME, written by Python's `email` and folded where that folds wrongly.

Everything is 7-bit (RFC 2045 §6): texts with other characters are quoted-printable, names and subjects encoded words (RFC 2047),
file names RFC 2231. Plain text flows (RFC 3676), so that phones need not scroll. A domain in another script is written as its
A-label (RFC 5890); only a local part in another script needs UTF-8 in the header (RFC 6532) and SMTPUTF8 on the way. Bcc is in no
byte that `compose` writes. A line break in any value is refused: nobody writes a header field through another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.charset import QP, Charset
from email.encoders import encode_base64
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime
from io import BytesIO
from typing import Final

import msgspec

FLOWED: Final = 72  # characters of a line that flows (RFC 3676 §4.2: under 78, with room for quote marks)
MAX_LINE: Final = 998  # bytes (RFC 5322 §2.1.1)
MAX_HEADER_REFERENCES: Final = 100  # ids; the beginning names the thread, the end the parent
_ATTACHABLE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}\Z")  # RFC 6838 §4.2
_BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u0085\u2028\u2029]")
_SPECIAL: Final = re.compile(r'[()<>\[\]:;@\\,."]')  # RFC 5322 §3.2.3
_QUOTE: Final = re.compile(r">+")
_LINES = compat32.clone(linesep="\r\n", max_line_length=0)  # what is folded here stays as it is

_QUOTED = Charset("utf-8")
_QUOTED.body_encoding = QP


class Unwritable(ValueError):
    """A value that no header can hold, such as one with a line break; the message says which."""


class Mailbox(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address, normalised, with the name to show."""

    address: str
    name: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be sent, without its files. `message_id` and `references` (oldest first) without angle brackets."""

    message_id: str
    date: datetime
    sender: Mailbox
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    subject: str = ""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    text: str = ""
    html: str | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file to go with a letter."""

    name: str
    media_type: str
    data: bytes


def compose(letter: Letter, files: Sequence[File] = ()) -> bytes:
    """The message, lines ended by CRLF, without Bcc. Raises Unwritable."""
    body = _plain(letter.text) if letter.html is None else _alternative(letter.text, letter.html)
    if files:
        whole = MIMEMultipart("mixed", policy=_LINES)
        whole.attach(body)
        for file in files:
            whole.attach(_attachment(file))
        body = _without_version(whole)
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, policy=_LINES).flatten(body, linesep="\r\n")
    return _header(letter) + out.getvalue()


def blind(letter: Letter) -> bytes:
    """The Bcc field for networks that read recipients from the message and take it out themselves; empty without any."""
    return _addresses("Bcc", letter.bcc)


def needs_utf8(addresses: Iterable[str]) -> bool:
    """Whether any of these can only be written in UTF-8 (RFC 6531): one whose local part is not ASCII."""
    return any(not address.rpartition("@")[0].isascii() for address in addresses)


def on_the_wire(address: str) -> str:
    """An address with its domain as A-labels. Raises Unwritable for a domain that has none."""
    local, _, domain = _one_line("address", address).rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            raise Unwritable(f"the domain of {address} cannot be written") from None
    return f"{local}@{domain}"


def _header(letter: Letter) -> bytes:
    lines = [
        b"Date: " + format_datetime(letter.date).encode("ascii"),
        b"Message-ID: " + _ids([letter.message_id]),
    ]
    fields = [_addresses("From", [letter.sender]), _addresses("To", letter.to), _addresses("Cc", letter.cc)]
    if letter.subject:
        fields.append(b"Subject: " + _words(_one_line("subject", letter.subject), "Subject") + b"\r\n")
    if letter.in_reply_to:
        fields.append(b"In-Reply-To: " + _ids([letter.in_reply_to]) + b"\r\n")
    if letter.references:
        kept = letter.references
        if len(kept) > MAX_HEADER_REFERENCES:
            kept = (kept[0], *kept[-(MAX_HEADER_REFERENCES - 1) :])
        fields.append(b"References: " + _ids(kept) + b"\r\n")
    return b"\r\n".join(lines) + b"\r\n" + b"".join(fields) + b"MIME-Version: 1.0\r\n"


def _addresses(name: str, mailboxes: Sequence[Mailbox]) -> bytes:
    if not mailboxes:
        return b""
    return f"{name}: ".encode() + b",\r\n ".join(_mailbox(one) for one in mailboxes) + b"\r\n"


def _mailbox(one: Mailbox) -> bytes:
    address = on_the_wire(one.address).encode()
    name = _one_line("name", one.name).strip()
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        return _words(name, "Reply-To") + b"\r\n <" + address + b">"
    if _SPECIAL.search(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return name.encode("ascii") + b" <" + address + b">"


def _words(text: str, field: str) -> bytes:
    """Text as encoded words where it must be, folded so that no line is longer than 76 characters (RFC 2047 §2)."""
    charset = "us-ascii" if text.isascii() and "=?" not in text else "utf-8"
    return Header(text, charset, maxlinelen=76, header_name=field).encode(linesep="\r\n").encode("ascii")


def _ids(ids: Sequence[str]) -> bytes:
    for one in ids:
        if not one.isascii() or len(one) > MAX_LINE - 20 or any(c.isspace() or c in "<>" for c in _one_line("id", one)):
            raise Unwritable("a Message-ID cannot be written")
    return "\r\n ".join(f"<{one}>" for one in ids).encode("ascii")


def _one_line(what: str, value: str) -> str:
    if _BREAKS.search(value) or any("\ud800" <= c <= "\udfff" for c in value):
        raise Unwritable(f"the {what} holds a line break or another control character")
    return value


def _alternative(text: str, html: str) -> Message:
    both = MIMEMultipart("alternative", policy=_LINES)
    both.attach(_plain(text))
    page = MIMENonMultipart("text", "html", policy=_LINES)
    page.set_payload(html, _QUOTED)
    both.attach(_without_version(page))
    return _without_version(both)


def _plain(text: str) -> Message:
    part = MIMENonMultipart("text", "plain", policy=_LINES, format="flowed")
    part.set_payload(flowed(text), _QUOTED)
    return _without_version(part)


def _attachment(file: File) -> Message:
    name = _one_line("file name", file.name)
    kind = file.media_type.lower() if _ATTACHABLE.match(file.media_type.lower()) else "application/octet-stream"
    if kind.startswith(
        ("multipart/", "message/")
    ):  # a part that would have to be parsed again: RFC 2046 §5.2.1 forbids base64 there
        kind = "application/octet-stream"
    part = MIMEBase(*kind.split("/", 1), policy=_LINES)
    part.set_payload(file.data)
    encode_base64(part)
    shown = name if name.isascii() else ("utf-8", "", name)
    part.add_header("Content-Disposition", "attachment", filename=shown)
    return _without_version(part)


def _without_version(part: Message) -> Message:
    del part["MIME-Version"]
    return part


def flowed(text: str) -> str:
    """Text as `format=flowed` (RFC 3676 §4): paragraphs wrapped with a blank at the end of all lines but their last."""
    out: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        marks = _QUOTE.match(line)
        quote = marks[0] if marks else ""
        content = line[len(quote) :].removeprefix(" ") if quote else line
        content = content if content == "-- " else content.rstrip(" ")
        out += [_stuffed(quote, piece) for piece in _wrapped(content, FLOWED - len(quote))]
    return "\n".join(out)


def _wrapped(content: str, width: int) -> list[str]:
    pieces: list[str] = []
    while len(content) > max(width, 20):
        at = content.rfind(" ", 0, max(width, 20))
        if at < 0:
            at = content.find(" ")
        if at < 0:
            break
        while at + 1 < len(content) and content[at + 1] == " ":  # a line must not begin with the blanks that it is broken at
            at += 1
        pieces.append(content[: at + 1])
        content = content[at + 1 :]
    return [*pieces, content]


def _stuffed(quote: str, piece: str) -> str:
    # §4.4: what begins like a quote, a blank or a mailbox separator is told apart by one more blank
    if quote:
        return f"{quote} {piece}" if piece else quote
    return f" {piece}" if piece.startswith((" ", ">", "From ")) else piece
