"""The body of a mail: its parts, the text that a person wrote, and how many files hang on it.

Speaks MIME (RFC 2045, 2046), format=flowed (RFC 3676), and knows the outside of OpenPGP and S/MIME (RFC 3156, 8551). Parts are
offsets into the mail's bytes: nothing is copied but the text itself, attachments are never decoded, and nesting, number of
parts and size are bounded. Prefers text/plain; HTML is reduced to text. Knows no addresses, dates or people.
"""

from __future__ import annotations

import binascii
import re

import msgspec

from providers import records
from providers.formats import charset, flowed, html_text, mail_header

MAX_DEPTH = 30  # parts within parts
MAX_PARTS = 1000
MAX_ENCODED = 3 * 1024 * 1024  # bytes of a text part that are decoded
MAX_TEXT = 500_000  # characters kept

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset[ \t]*=[ \t]*[\"']?([\w.:-]{2,40})", re.I)
_LINE_REST = re.compile(rb"(--)?[ \t]*(?:\r*\n|\Z)")
_PGP = "-----BEGIN PGP MESSAGE-----"
_PLAIN = frozenset({"text/plain", "text", "plain", "text/enriched", "text/markdown", "text/x-markdown", "text/unknown"})
_HTML = frozenset({"text/html", "text/xhtml", "application/xhtml+xml", "html"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail's body comes to."""

    text: str
    state: records.BodyState
    attachments: int
    media_type: str  # of the whole, lower case
    report_type: str = ""  # RFC 6522: delivery-status, disposition-notification, feedback-report


class _Part:
    """A node of the MIME tree; `start` and `end` bound its content within the mail."""

    __slots__ = ("children", "disposition", "encoding", "end", "filename", "identified", "media_type", "parameters", "start")

    def __init__(self, fields: mail_header.Fields, start: int, end: int, default: str) -> None:
        self.media_type, self.parameters = mail_header.parameters(fields.get("content-type"))
        if "/" not in self.media_type and self.media_type not in ("text", "html", "plain"):
            self.media_type = default  # RFC 2045 §5.2
        self.disposition, disposition = mail_header.parameters(fields.get("content-disposition"))
        self.filename = "filename" in disposition or "name" in self.parameters
        self.identified = "content-id" in fields
        self.encoding = mail_header.parameters(fields.get("content-transfer-encoding"))[0].strip('" ')
        self.start, self.end = start, end
        self.children: list[_Part] | None = None  # None: a leaf; empty: a multipart in which none was found


def read(data: bytes, fields: mail_header.Fields, start: int) -> Body:
    """The body that begins at `start` of a mail whose header is `fields`. Never raises."""
    root = _Part(fields, start, len(data), "text/plain")
    whole = _grow(data, root)
    text = _text(data, root, root).strip("\n").rstrip()[:MAX_TEXT]
    attachments = _attachments(root)
    state: records.BodyState = "AVAILABLE"
    if _encrypted(root) or text.lstrip().startswith(_PGP):
        text, state = "", "ENCRYPTED"
    elif not text.strip():
        broken = not whole or (root.children is not None and not root.children and data[start:].strip() != b"")
        text, state = "", "UNPARSABLE" if broken or root.media_type in _PKCS7 else "EMPTY"
    report = root.parameters.get("report-type", "").lower() if root.media_type == "multipart/report" else ""
    return Body(text=text, state=state, attachments=attachments, media_type=root.media_type, report_type=report)


def _grow(data: bytes, root: _Part) -> bool:
    """Builds the tree; False when it is deeper or larger than what is looked at."""
    pending = [(root, 0)]
    count, whole = 1, True
    while pending:
        part, depth = pending.pop()
        if not part.media_type.startswith("multipart/"):
            continue
        part.children = []
        boundary = part.parameters.get("boundary", "").rstrip()
        if depth >= MAX_DEPTH or not boundary:
            whole = False
            continue
        default = "message/rfc822" if part.media_type == "multipart/digest" else "text/plain"  # RFC 2046 §5.1.5
        for start, end in _sections(data, boundary.encode("utf-8", "replace"), part.start, part.end):
            count += 1
            if count > MAX_PARTS:
                return False
            fields, body = mail_header.split(data, start, end)
            child = _Part(fields, min(body, end), end, default)
            part.children.append(child)
            pending.append((child, depth + 1))
    return whole


def _sections(data: bytes, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the parts between boundary lines stand (RFC 2046 §5.1.1); a missing last boundary is forgiven."""
    mark = b"--" + boundary
    found: list[tuple[int, int]] = []
    opened = -1
    index = data.find(mark, start, end)
    while index >= 0:
        after = index + len(mark)
        if index == start or data[index - 1] in b"\r\n":
            rest = _LINE_REST.match(data, after, end)
            if rest is not None:
                if opened >= 0:
                    # the line end before a boundary belongs to the boundary
                    stop = index - (2 if data[index - 2 : index] == b"\r\n" else 1)
                    found.append((opened, max(opened, stop)))
                opened = -1 if rest[1] else rest.end()
                if rest[1] or len(found) > MAX_PARTS:
                    return found
        index = data.find(mark, after, end)
    if opened >= 0:
        found.append((opened, end))
    return found


def _text(data: bytes, part: _Part, root: _Part) -> str:
    """The text of a part and what is in it; depth is bounded by the tree."""
    if part.children is None:
        if part.disposition == "attachment" and part is not root:
            return ""
        if part.media_type in _PLAIN and (not part.filename or part.disposition == "inline" or part is root):
            return _plain(data, part)
        return _from_html(data, part) if part.media_type in _HTML else ""
    if part.media_type == "multipart/alternative":
        for child in part.children:  # the plainest that says something (RFC 2046 §5.1.4 puts it first)
            if child.media_type in _PLAIN and (text := _text(data, child, root)).strip():
                return text
        return next((text for child in reversed(part.children) if (text := _text(data, child, root)).strip()), "")
    if part.media_type in ("multipart/related", "multipart/signed", "multipart/report"):
        return next((text for child in part.children if (text := _text(data, child, root)).strip()), "")
    texts = (_text(data, child, root) for child in part.children)
    return "\n\n".join(text.strip("\n").rstrip() for text in texts if text.strip())


def _plain(data: bytes, part: _Part) -> str:
    text = _decoded(data, part)
    if part.parameters.get("format", "").lower() == "flowed":
        text = flowed.unflowed(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text


def _from_html(data: bytes, part: _Part) -> str:
    return html_text.text_of(_decoded(data, part))


def _decoded(data: bytes, part: _Part) -> str:
    raw = data[part.start : min(part.end, part.start + MAX_ENCODED)]
    if part.encoding == "base64":
        raw = mail_header.base64_bytes(raw)
    elif part.encoding == "quoted-printable":
        raw = binascii.a2b_qp(raw)
    elif part.encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        raw = _uudecoded(raw)
    named = part.parameters.get("charset")
    if charset.codec_for(named) is None and part.media_type in _HTML and not raw.isascii():
        meta = _META_CHARSET.search(raw[:4096])
        named = meta[1].decode("ascii") if meta else named
    text = charset.decode(raw, named)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _uudecoded(raw: bytes) -> bytes:
    out = []
    for line in raw.splitlines()[1:]:
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            continue
    return b"".join(out)


def _attachments(root: _Part) -> int:
    """Files that hang on the mail: not the text, its alternatives and signatures, nor the pictures that HTML shows inside."""
    count = 0
    pending: list[tuple[_Part, _Part | None]] = [(root, None)]
    while pending:
        part, parent = pending.pop()
        if part.children is not None:
            pending.extend((child, part) for child in part.children)
            continue
        within = parent.media_type if parent else ""
        if part.media_type in _SIGNATURES or part.media_type in _PKCS7 or within in ("multipart/encrypted", "multipart/report"):
            continue
        if part.disposition == "attachment":
            count += parent is not None or part.media_type not in _PLAIN | _HTML
        elif part.media_type in _PLAIN | _HTML:
            count += part.filename and parent is not None and part.disposition != "inline"
        elif (within == "multipart/related" and part.identified) or within == "multipart/alternative":
            continue
        elif not part.media_type.startswith("multipart/"):
            count += 1
    return count


def _encrypted(root: _Part) -> bool:
    """RFC 3156 §4, RFC 8551 §3.3; the wrapper that mailing lists put around is looked into once."""
    inside = root.children or [] if root.media_type == "multipart/mixed" else []
    for part in (root, *(inside if len(inside) <= 3 else ())):
        if part.media_type == "multipart/encrypted":
            return True
        if part.media_type in _PKCS7 and part.parameters.get("smime-type", "enveloped-data").lower() in (
            "enveloped-data",
            "authenveloped-data",
        ):
            return True
    return False
