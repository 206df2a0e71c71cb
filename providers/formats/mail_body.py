"""The body of a mail: its parts, the text that a person wrote, the HTML it came in, and the files that hang on it.

Speaks MIME (RFC 2045, 2046), format=flowed (RFC 3676), and knows the outside of OpenPGP and S/MIME (RFC 3156, 8551). Parts are
offsets into the mail's bytes and are named as IMAP names them (RFC 9051 §6.4.5.1): nothing is copied but text, attachments are
never decoded, and nesting, number of parts and size are bounded. Prefers text/plain; without it HTML is reduced to text. Knows no
addresses, dates or people.
"""

from __future__ import annotations

import binascii
import html as html_entities
import mimetypes
import re
from collections.abc import Iterator

import msgspec

from providers import records
from providers.formats import charset, file_name, flowed, html_text, mail_header

MAX_DEPTH = 30  # parts within parts
MAX_PARTS = 1000
MAX_ENCODED = 3 * 1024 * 1024  # bytes of a text part that are decoded
MAX_TEXT = 500_000  # characters kept
MAX_HTML = 1_000_000  # characters; longer HTML is left out, its text stays
MAX_FILES = 500
MAX_ID = 998  # characters
MAX_CALENDAR = 512 * 1024  # bytes of a calendar as it is encoded; a larger one is a file and no more
MAX_MEASURED = 1024 * 1024  # bytes of quoted-printable that are decoded to learn a size

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset[ \t]*=[ \t]*[\"']?([\w.:-]{2,40})", re.I)
_LINE_REST = re.compile(rb"(--)?[ \t]*(?:\r*\n|\Z)")
_PGP = "-----BEGIN PGP MESSAGE-----"
_PLAIN = frozenset({"text/plain", "text", "plain", "text/enriched", "text/markdown", "text/x-markdown", "text/unknown"})
_HTML = frozenset({"text/html", "text/xhtml", "application/xhtml+xml", "html"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_TYPES = mimetypes.MimeTypes()  # Python's own, not those of the machine
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_CALENDAR = frozenset({"text/calendar", "application/ics"})


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail's body comes to."""

    text: str
    state: records.BodyState
    attachments: int  # how many files hang on it, without pictures that HTML shows
    files: tuple[records.Attachment, ...] = ()
    html: str | None = None
    calendar: tuple[bytes, str | None, str | None] | None = None  # of an invitation: its bytes, charset and method, as declared
    media_type: str  # of the whole, lower case
    report_type: str = ""  # RFC 6522: delivery-status, disposition-notification, feedback-report


class _Part:
    """A node of the MIME tree; `start` and `end` bound its content within the mail."""

    __slots__ = (
        "children", "content_id", "disposition", "encoding", "end", "filename", "identified", "media_type", "name", "number", "parameters",
        "start",
    )  # fmt: skip

    def __init__(self, fields: mail_header.Fields, start: int, end: int, default: str, number: str) -> None:
        self.number = number
        self.media_type, self.parameters = mail_header.parameters(fields.get("content-type"))
        if "/" not in self.media_type and self.media_type not in ("text", "html", "plain"):
            self.media_type = default  # RFC 2045 §5.2
        self.disposition, disposition = mail_header.parameters(fields.get("content-disposition"))
        self.filename = "filename" in disposition or "name" in self.parameters
        self.name = disposition.get("filename") or self.parameters.get("name") or ""
        self.identified = "content-id" in fields
        self.content_id = fields.get("content-id").strip("<> \t")[:MAX_ID] or None
        self.encoding = mail_header.parameters(fields.get("content-transfer-encoding"))[0].strip('" ')
        self.start, self.end = start, end
        self.children: list[_Part] | None = None  # None: a leaf; empty: a multipart in which none was found


_Leaf = tuple[_Part, _Part | None]  # a part that holds no parts, and the one that it stands in


def read(data: bytes, fields: mail_header.Fields, start: int) -> Body:
    """The body that begins at `start` of a mail whose header is `fields`. Never raises."""
    root = _Part(fields, start, len(data), "text/plain", "")
    whole = _grow(data, root)
    text = _text(data, root, root).strip("\n").rstrip()[:MAX_TEXT]
    leaves = list(_leaves(root))
    # not the text, its alternatives and signatures, nor the pictures that HTML shows inside
    attachments = sum(_role(part, parent) == "file" for part, parent in leaves)
    state: records.BodyState = "AVAILABLE"
    if _encrypted(root) or text.lstrip().startswith(_PGP):
        text, state = "", "ENCRYPTED"
    elif not text.strip():
        broken = not whole or (root.children is not None and not root.children and data[start:].strip() != b"")
        text, state = "", "UNPARSABLE" if broken or root.media_type in _PKCS7 else "EMPTY"
    report = root.parameters.get("report-type", "").lower() if root.media_type == "multipart/report" else ""
    html = None if state == "ENCRYPTED" else _html(data, root)
    return Body(
        text=text,
        state=state,
        attachments=attachments,
        files=_files(data, leaves, html),
        html=html,
        calendar=None if state == "ENCRYPTED" else _calendar(data, leaves),
        media_type=root.media_type,
        report_type=report,
    )


def content(data: bytes, number: str) -> bytes | None:
    """The decoded bytes of the part that `records.Attachment.part` names; None when there is none of that number."""
    fields, start = mail_header.split(data)
    root = _Part(fields, start, len(data), "text/plain", "")
    _grow(data, root)
    part = next((part for part, _ in _leaves(root) if (part.number or "1") == number), None)
    return None if part is None else _bytes(part, data[part.start : part.end])


def _bytes(part: _Part, raw: bytes) -> bytes:
    """What was sent, of bytes of a part as they were sent (RFC 2045 §6)."""
    if part.encoding == "base64":
        return mail_header.base64_bytes(raw)
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(raw)
    return _uudecoded(raw) if part.encoding in ("x-uuencode", "uuencode", "x-uue", "uue") else raw


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
        for n, (start, end) in enumerate(_sections(data, boundary.encode("utf-8", "replace"), part.start, part.end), 1):
            count += 1
            if count > MAX_PARTS:
                return False
            fields, body = mail_header.split(data, start, end)
            child = _Part(fields, min(body, end), end, default, f"{part.number}.{n}" if part.number else str(n))
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
    raw = _bytes(part, data[part.start : min(part.end, part.start + MAX_ENCODED)])
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


def _html(data: bytes, root: _Part) -> str | None:
    """The HTML that shows the whole mail, as sent; plain parts beside it become HTML. None without any, or with too much."""
    parts = list(_shown(root))
    if not any(part.media_type in _HTML for part in parts):
        return None
    pieces: list[str] = []
    room = MAX_HTML
    for part in parts:
        text = _decoded(data, part)
        if part.media_type not in _HTML:
            text = f'<div style="white-space: pre-wrap">{html_entities.escape(text, quote=False)}</div>' if text.strip() else ""
        room -= len(text)
        if room < 0:
            return None
        pieces.append(text)
    return "\n".join(pieces)


def _shown(part: _Part) -> Iterator[_Part]:
    """The texts that a mail program with HTML shows, in order; depth is bounded by the tree."""
    if part.children is None:
        if part.disposition == "attachment" and part.number:
            return
        is_text = part.media_type in _PLAIN and (not part.filename or part.disposition == "inline" or not part.number)
        if is_text or part.media_type in _HTML:
            yield part
    elif part.media_type == "multipart/alternative":
        for child in reversed(part.children):  # RFC 2046 §5.1.4: the richest is last
            best = list(_shown(child))
            if any(inner.media_type in _HTML for inner in best):
                yield from best
                return
        yield from next((best for child in part.children if (best := list(_shown(child)))), [])
    elif part.media_type in ("multipart/related", "multipart/signed", "multipart/report"):
        yield from next((best for child in part.children if (best := list(_shown(child)))), [])
    else:
        for child in part.children:
            yield from _shown(child)


def _calendar(data: bytes, leaves: list[_Leaf]) -> tuple[bytes, str | None, str | None] | None:
    """The invitation that a mail is (RFC 6047 §2.4), which often hangs on it once more as a file: the first part that is one."""
    found = [part for part, _ in leaves if part.media_type in _CALENDAR]
    if not found:
        return None
    found.sort(key=lambda one: "method" not in one.parameters)
    part = next((one for one in found if 0 < one.end - one.start <= MAX_CALENDAR), None)
    if part is None:
        return None
    return _bytes(part, data[part.start : part.end]), part.parameters.get("charset"), part.parameters.get("method")


def _files(data: bytes, leaves: list[_Leaf], html: str | None) -> tuple[records.Attachment, ...]:
    """The files with what they are called, the pictures that HTML shows, and what is encrypted, for those who can read it."""
    found: list[records.Attachment] = []
    for part, parent in leaves:
        role = _role(part, parent)
        if not role or len(found) == MAX_FILES:
            continue
        media_type = part.media_type if "/" in part.media_type else f"text/{part.media_type}"
        name = file_name.safe(part.name)
        if media_type == "application/octet-stream" and name and role != "sealed":
            media_type = _TYPES.guess_type(name)[0] or media_type
        found.append(
            records.Attachment(
                part=part.number or "1",
                name=name or _called(data, part, media_type),
                media_type=media_type[:200],
                size=_size(data, part),
                content_id=part.content_id,
                inline=_is_shown(part, html),
            )
        )
    return tuple(found)


def _leaves(root: _Part) -> Iterator[_Leaf]:
    """Every part that holds no parts, with the one that it stands in, in the order of the mail."""
    pending: list[tuple[_Part, _Part | None]] = [(root, None)]
    while pending:
        part, parent = pending.pop()
        if part.children is None:
            yield part, parent
        else:
            pending.extend((child, part) for child in reversed(part.children))


def _role(part: _Part, parent: _Part | None) -> str:
    """What a leaf is besides text: a `file`, a picture that belongs to the HTML (`related`), something `sealed`, or nothing."""
    within = parent.media_type if parent else ""
    if within == "multipart/encrypted":
        return "" if part.media_type == "application/pgp-encrypted" else "sealed"
    if part.media_type in _PKCS7:
        return "sealed"
    if part.media_type in _SIGNATURES or within == "multipart/report":
        return ""
    if part.disposition == "attachment":
        return "file" if parent is not None or part.media_type not in _PLAIN | _HTML else ""
    if part.media_type in _PLAIN | _HTML:
        return "file" if part.filename and parent is not None and part.disposition != "inline" else ""
    if within == "multipart/related" and part.identified:
        return "related"
    if within == "multipart/alternative":
        return "alternative" if part.filename or part.media_type == "text/calendar" else ""
    return "" if part.media_type.startswith("multipart/") else "file"


def _is_shown(part: _Part, html: str | None) -> bool:
    """Whether the HTML shows a file: it names its Content-ID (RFC 2392)."""
    if html is None or part.content_id is None:
        return False
    return f"cid:{part.content_id}" in html or f"cid:{part.content_id.replace('@', '%40')}" in html


def _called(data: bytes, part: _Part, media_type: str) -> str:
    """A name for a file that has none."""
    if media_type == "message/rfc822":
        inner, _ = mail_header.split(data, part.start, part.end)
        return file_name.safe(f"{inner.text('subject') or 'message'}.eml")
    known = {"text/calendar": "invitation.ics", "application/pkcs7-mime": "smime.p7m", "application/x-pkcs7-mime": "smime.p7m"}
    return known.get(media_type) or f"attachment{_TYPES.guess_extension(media_type) or ''}"


def _size(data: bytes, part: _Part) -> int | None:
    """Bytes of a file once decoded; None where that takes decoding."""
    length = part.end - part.start
    if part.encoding == "base64":
        blanks = sum(data.count(blank, part.start, part.end) for blank in (b"\n", b"\r", b" ", b"\t"))
        padding = data[max(part.start, part.end - 8) : part.end].count(b"=")
        return max(0, (length - blanks) * 3 // 4 - padding)
    if part.encoding == "quoted-printable":
        return len(binascii.a2b_qp(data[part.start : part.end])) if length <= MAX_MEASURED else None
    return None if part.encoding in ("x-uuencode", "uuencode", "x-uue", "uue") else length


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
