"""vCard 2.1, 3.0 and 4.0 as lines: split a file into cards, a card into properties, and back, byte for byte.

Speaks RFC 6350 §3 (4.0), RFC 2426 §2 (3.0), the versit specification (2.1) and RFC 6868 (`^n` in parameters). Every property
keeps the bytes that it was read from, folds and line ends included, so that a card comes out exactly as it went in
(RFC 6350 §3.2 leaves folding to the writer) and one property can be changed with all others left alone. Bytes are unfolded
before they are decoded: a fold may stand inside a character. Refuses to know what a property means: see `vcard.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec

from providers.formats import charset

MAX_CARD = 10 * 1024 * 1024  # bytes; a larger card is reported, not read
MAX_LINES = 400_000  # of one card: ten megabytes of base64 have a third of that
MAX_PROPERTIES = 5_000  # that are told apart; the bytes of any further ones are kept as one
MAX_STRUCTURED = 100_000  # characters of a structured or list value
CHUNK = 256 * 1024
FOLD_AT = 75  # octets, RFC 6350 §3.2

Problem = Literal["CUT", "STRAY", "TOO_LARGE"]
Version = Literal["2.1", "3.0", "4.0"]

# The marker may follow a byte order mark where files were glued together, and blanks where a card was pasted.
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?([ \t]*)BEGIN[ \t]*:[ \t]*VCARD[ \t]*\r*\n?\Z", re.I)
_END = re.compile(rb"([ \t]*)END[ \t]*:[ \t]*VCARD[ \t]*\r*\n?\Z", re.I)
_AGENT = re.compile(rb"[ \t]*(?:[^.:;\s]{1,64}\.)?AGENT(?:;[^:]*)?:[ \t]*(BEGIN[ \t]*:[ \t]*VCARD)?[ \t]*\r*\n?\Z", re.I)
_VERSION = re.compile(rb"^[ \t]*VERSION[^:\r\n]*:[ \t]*(2\.1|3\.0|4\.0)[ \t]*\r*$", re.I | re.M)
_NAME = re.compile(rb"[ \t]*(?:([^.:;\s\"=,]{1,255})\.)?([^.:;\s\"=,]{1,255})(?=[ \t]*[:;])")
_PARAMETER = re.compile(rb'[ \t]*([^=:;,"\s]*)[ \t]*(=?)')
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/=]+[ \t]*[\r\n]*\Z")
_QUOTED_PRINTABLE = re.compile(rb"[^:]*;[ \t]*(?:ENCODING[ \t]*=[ \t]*\"?)?QUOTED-PRINTABLE\b", re.I)
_BASE64 = re.compile(rb"[^:]*;[ \t]*(?:ENCODING[ \t]*=[ \t]*\"?)?(?:BASE64|B)\"?[ \t]*[;:]", re.I)
_CARET = re.compile(r"\^(['n^])")
_CARETS = {"'": '"', "n": "\n", "^": "^"}
_ESCAPED = re.compile(r"\\(.)", re.S)
_BARE_ENCODINGS = frozenset({"QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT", "B"})
_BARE_VALUES = frozenset({"INLINE", "URL", "URI", "CONTENT-ID", "CID"})


class ByteStream(Protocol):
    """Anything that gives the next bytes of a file."""

    def read(self, size: int, /) -> bytes: ...


class RawCard(msgspec.Struct, frozen=True, kw_only=True):
    """One card as it stands in a file, BEGIN to END with their line ends.

    `position` counts cards from 1, `line` lines from 1; `start` and `end` are byte offsets, `end_line` is the line after it.
    With a `problem` the data is only the beginning: CUT (no END), STRAY (an END without BEGIN), TOO_LARGE (over MAX_CARD).
    """

    position: int
    line: int
    start: int
    end: int
    end_line: int
    data: bytes
    problem: Problem | None = None


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """One property: the bytes it was read from, and its parts. A line that is no property has an empty name."""

    raw: bytes
    name: str = ""  # upper case
    group: str = ""
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()  # names in upper case, in order
    value: bytes = b""  # unfolded, still encoded
    version: Version = "3.0"

    def parameter(self, name: str) -> tuple[str, ...]:
        """All values of a parameter, in order."""
        return tuple(value for key, values in self.parameters if key == name for value in values)

    @property
    def types(self) -> frozenset[str]:
        """TYPE values in lower case; a comma list in quotes is a list (RFC 6350 §5.6, as written in the wild)."""
        return frozenset(part.strip().lower() for value in self.parameter("TYPE") for part in value.split(",") if part.strip())

    @property
    def encoding(self) -> str:
        """QUOTED-PRINTABLE, BASE64 or empty, whichever way it was spelled."""
        named = (self.parameter("ENCODING") or ("",))[0].upper()
        return "BASE64" if named in ("B", "BASE64") else named if named == "QUOTED-PRINTABLE" else ""

    @property
    def undecoded(self) -> str:
        """The value as text with its backslash escapes left as they are."""
        data = self.value
        if self.encoding == "QUOTED-PRINTABLE":
            data = binascii.a2b_qp(data)
        return charset.decode(data, (self.parameter("CHARSET") or (None,))[0])

    @property
    def text(self) -> str:
        """The value as one text, escapes undone."""
        return unescaped(self.undecoded, self.version)

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """A structured value: components at `;`, each a list at `,` (2.1 knows no lists)."""
        components = _split(self.undecoded[:MAX_STRUCTURED], ";")
        return tuple(
            tuple(unescaped(item, self.version) for item in ((component,) if self.version == "2.1" else _split(component, ",")))
            for component in components
        )

    @property
    def items(self) -> tuple[str, ...]:
        """A list value, at its commas."""
        return tuple(unescaped(item, self.version) for item in _split(self.undecoded[:MAX_STRUCTURED], ","))

    @property
    def data(self) -> bytes:
        """A BASE64 value decoded; empty when it is none."""
        try:
            return base64.b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", self.value) + b"==", validate=False)
        except (binascii.Error, ValueError):
            return b""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card as an ordered list of properties, BEGIN and END among them."""

    version: Version
    properties: tuple[Property, ...]

    def serialise(self) -> bytes:
        """The card's bytes: those it was read from, where nothing was changed."""
        return b"".join(item.raw for item in self.properties)

    def all(self, *names: str) -> Iterator[Property]:
        """Properties of these names (upper case), in the card's order."""
        return (item for item in self.properties if item.name in names)

    def first(self, *names: str) -> Property | None:
        """The first property of these names that has a value."""
        return next((item for item in self.all(*names) if item.value.strip()), None)

    def replaced(self, old: Property, new: Property | None) -> Card:
        """The card with `old` (one of its own properties) exchanged for `new`, or removed; everything else as it was."""
        kept = [new if item is old else item for item in self.properties]
        return Card(version=self.version, properties=tuple(item for item in kept if item is not None))

    def added(self, new: Property) -> Card:
        """The card with a property more, before its END."""
        end = next((index for index, item in enumerate(self.properties) if item.name == "END"), len(self.properties))
        return Card(version=self.version, properties=(*self.properties[:end], new, *self.properties[end:]))

    def new_property(
        self,
        name: str,
        text: str,
        *,
        group: str = "",
        parameters: tuple[tuple[str, tuple[str, ...]], ...] = (),
        escaped: bool = False,
    ) -> Property:
        """A new property for this card, in its version's escapes and line ends, folded at 75 octets.

        `escaped` says that `text` is a structured or list value that carries its escapes already.
        """
        newline = b"\n" if self.properties and not self.properties[0].raw.endswith(b"\r\n") else b"\r\n"
        value = text if escaped else escape(text, self.version)
        if self.version == "2.1" and not (value.isascii() and "\n" not in value):
            parameters = (*parameters, ("CHARSET", ("UTF-8",)), ("ENCODING", ("QUOTED-PRINTABLE",)))
            encoded = _quoted_printable(value.encode(), newline)
        else:
            encoded = value.encode()
        head = (f"{group}." if group else "") + name.upper() + "".join(_written(item, self.version) for item in parameters) + ":"
        if self.version == "2.1":  # 2.1 folds only at blanks; a long line is legal and safer
            raw = head.encode() + encoded + newline
        else:
            raw = _folded(head.encode() + encoded, newline)
        return next(
            item for item in parse(b"BEGIN:VCARD\nVERSION:%s\n" % self.version.encode() + raw).properties if item.raw == raw
        )


def split_cards(stream: ByteStream, *, offset: int = 0, position: int = 0, line: int = 1) -> Iterator[RawCard]:
    """The cards of a file, one after another, holding no more than one in memory. Never raises for bad content.

    `offset`, `position` and `line` are those of the last card's end where reading goes on in the middle.
    """
    pieces: list[bytes] = []
    size = start = start_line = depth = 0
    inside = too_large = agent = False
    indent = b""

    def card(end: int, end_line: int, problem: Problem | None) -> RawCard:
        return RawCard(
            position=position,
            line=start_line,
            start=start,
            end=end,
            end_line=end_line,
            data=b"".join(pieces) if not too_large else b"".join(pieces)[:1000],
            problem="TOO_LARGE" if too_large else problem,
        )

    for text, whole in _lines(stream):
        marked = whole and b":" in text and len(text) < 200  # else it is no frame: nearly all lines are base64
        begins = _BEGIN.match(text) if marked else None
        if begins and not (inside and agent):
            if inside:
                yield card(offset, line, "CUT")
            inside, too_large, depth, pieces, size = True, False, 0, [], 0
            position, start, start_line, indent = position + 1, offset, line, begins[1]
            pieces.append(text)
        elif inside:
            size += len(text)
            if not too_large and (size > MAX_CARD or len(pieces) > MAX_LINES):
                too_large, pieces = True, [b"".join(pieces)[:1000]]
            elif not too_large:
                pieces.append(text)
            nested = _AGENT.match(text) if marked else None
            if (begins and agent) or (nested and nested[1]):
                depth += 1
            ends = _END.match(text) if marked else None
            if ends and (not ends[1] or ends[1] == indent):
                if depth:
                    depth -= 1
                else:
                    yield card(offset + len(text), line + 1, None)
                    inside, pieces = False, []
            if agent or nested:
                agent = bool(nested and not nested[1]) or not text.strip()
        elif marked and _END.match(text):
            position, start, start_line, too_large, pieces = position + 1, offset, line, False, [text]
            yield card(offset + len(text), line + 1, "STRAY")
        offset += len(text)
        line += text.endswith((b"\n", b"\r"))
    if inside:
        yield card(offset, line, "CUT")


def parse(data: bytes) -> Card:
    """The properties of one card. Whatever is not a property is kept as a nameless one; nothing raises."""
    lines = data.splitlines(keepends=True)
    named = _VERSION.search(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))  # of several, the first wins
    version: Version = "3.0"
    if named:
        version = "2.1" if named[1] == b"2.1" else "4.0" if named[1] == b"4.0" else "3.0"
    opening = _BEGIN.match(lines[0]) if lines else None
    indent = len(opening[1]) if opening else 0
    properties: list[Property] = []
    index = 0
    while index < len(lines):
        if len(properties) == MAX_PROPERTIES and index < len(lines) - 1:
            properties.append(Property(raw=b"".join(lines[index:-1]), version=version))
            index = len(lines) - 1
        end = _extent(lines, index, indent)
        properties.append(_property(lines[index:end], indent, version))
        index = end
    return Card(version=version, properties=tuple(properties))


def escape(text: str, version: Version) -> str:
    """`text` with the escapes of its version: RFC 6350 §3.4; 2.1 knows only the semicolon's."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if version == "2.1":
        return text.replace(";", "\\;")
    return text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n")


def unescaped(text: str, version: Version) -> str:
    """The reverse; an escape that does not exist stays as it is, but for the colon that some writers escape too."""
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        character = match[1]
        if character in ",;:":
            return character
        if version != "2.1":
            return "\n" if character in "nN" else character if character == "\\" else match[0]
        return match[0]

    return _ESCAPED.sub(one, text)


def _lines(stream: ByteStream) -> Iterator[tuple[bytes, bool]]:
    """Physical lines with their ends (CRLF, LF or CR); a line over CHUNK comes in pieces, of which none is `whole`."""
    rest, broken = b"", False
    while chunk := stream.read(CHUNK):
        pieces = (rest + chunk).splitlines(keepends=True)
        # The last piece may go on, and a CR at the very end may be half of a CRLF.
        rest = pieces.pop() if not pieces[-1].endswith(b"\n") else b""
        for piece in pieces:
            yield piece, not broken
            broken = False
        if len(rest) > CHUNK and not rest.endswith(b"\r"):
            yield rest, False
            rest, broken = b"", True
    if rest:
        yield rest, not broken


def _extent(lines: list[bytes], index: int, indent: int) -> int:
    """The index after the last physical line of the property that starts at `index`."""
    first = lines[index][indent:]
    end = index + 1
    agent = _AGENT.match(first)
    if agent and (agent[1] or (end < len(lines) and _BEGIN.match(lines[end]))):
        return _nested_end(lines, end if not agent[1] else index, bool(agent[1]))
    soft_breaks = _QUOTED_PRINTABLE.match(first) is not None
    base64_value = not soft_breaks and _BASE64.match(first) is not None
    while end < len(lines):
        if soft_breaks and lines[end - 1].rstrip(b"\r\n").endswith(b"=") and not _END.match(lines[end]):
            end += 1  # a quoted-printable soft break: the value goes on without a blank (2.1, RFC 2045 §6.7)
            continue
        following = lines[end][indent:]
        if following[:1] in (b" ", b"\t") and _name_starts(first):
            end += 1
        elif base64_value and _BASE64_LINE.match(following):
            end += 1  # writers of 2.1 that forget the leading blank
        else:
            break
    return end


def _nested_end(lines: list[bytes], index: int, opened: bool) -> int:
    """The index after the END of the card inside an AGENT (2.1, RFC 2426 §3.5.4), else that of the last line."""
    depth = 1 if opened else 0
    for place in range(index + depth, len(lines)):
        nested = _AGENT.match(lines[place])
        if _BEGIN.match(lines[place]) or (nested and nested[1]):
            depth += 1
        elif _END.match(lines[place]):
            depth -= 1
            if depth <= 0:
                return place + 1
    return max(index + 1, len(lines) - 1)


def _name_starts(first: bytes) -> bool:
    """Whether a line can have continuations: an empty one cannot."""
    return bool(first.strip())


def _property(lines: list[bytes], indent: int, version: Version) -> Property:
    raw = b"".join(lines)
    logical = _unfolded(lines, indent, version)
    named = _NAME.match(logical.removeprefix(b"\xef\xbb\xbf"))
    if named is None:
        return Property(raw=raw, version=version)
    if logical.startswith(b"\xef\xbb\xbf"):
        logical = logical[3:]
    parameters, colon = _parameters(logical, named.end(), version)
    if colon < 0:
        return Property(raw=raw, version=version)
    return Property(
        raw=raw,
        name=named[2].decode("ascii", "replace").upper(),
        group=(named[1] or b"").decode("ascii", "replace"),
        parameters=parameters,
        value=logical[colon + 1 :],
        version=version,
    )


def _unfolded(lines: list[bytes], indent: int, version: Version) -> bytes:
    if len(lines) == 1:
        return lines[0][indent:].rstrip(b"\r\n")
    first = lines[0][indent:]
    if _AGENT.match(first):
        return first.rstrip(b"\r\n") + b"".join(lines[1:])
    quoted = _QUOTED_PRINTABLE.match(first) is not None
    pieces = [first.rstrip(b"\r\n")]
    for line in lines[1:]:
        text = line[indent:].rstrip(b"\r\n") if indent and line[:indent].isspace() else line.rstrip(b"\r\n")
        if quoted and pieces[-1].endswith(b"="):
            pieces[-1] = pieces[-1][:-1]
            # Outlook both breaks softly and folds: one blank too many.
            pieces.append(text)
        elif text[:1] in (b" ", b"\t"):
            # 2.1 folds at an existing blank, which stays; later versions add one, which goes (RFC 6350 §3.2).
            pieces.append(text if version == "2.1" else text[1:])
        else:
            pieces.append(text)
    return b"".join(pieces)


def _parameters(logical: bytes, index: int, version: Version) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], int]:
    """The parameters from `index` on, and where the colon before the value stands (-1: there is none)."""
    found: list[tuple[str, tuple[str, ...]]] = []
    length = len(logical)
    while index < length:
        while logical[index : index + 1] in (b" ", b"\t"):
            index += 1
        mark = logical[index : index + 1]
        if mark == b":":
            return tuple(found), index
        if mark != b";":
            break
        head = _PARAMETER.match(logical, index + 1)
        assert head is not None  # the pattern matches the empty string
        index = head.end()
        name = _text(head[1])
        if not head[2]:
            if name:
                found.append(_bare(name))
            if logical[index : index + 1] not in (b";", b":"):
                break
            continue
        values: list[str] = []
        while True:
            value, index = _parameter_value(logical, index)
            values.append(_CARET.sub(lambda match: _CARETS[match[1]], value) if version != "2.1" and "^" in value else value)
            if logical[index : index + 1] != b",":
                break
            index += 1
        found.append((name.upper(), tuple(values)))
    # Not as the grammar wants it: whatever stands behind the first colon is the value.
    return tuple(found), logical.find(b":")


def _parameter_value(logical: bytes, index: int) -> tuple[str, int]:
    while logical[index : index + 1] == b" ":
        index += 1
    if logical[index : index + 1] == b'"':
        close = logical.find(b'"', index + 1)
        if close > 0:
            return _text(logical[index + 1 : close]), close + 1
    end = index
    while end < len(logical) and logical[end] not in b";:,":
        end += 1
    return _text(logical[index:end].strip()), end


def _bare(name: str) -> tuple[str, tuple[str, ...]]:
    """A parameter without a name, as 2.1 allows: what it means follows from the word."""
    word = name.upper()
    if word in _BARE_ENCODINGS:
        return "ENCODING", (word,)
    return ("VALUE", (word,)) if word in _BARE_VALUES else ("TYPE", (name,))


def _text(data: bytes) -> str:
    return data.decode("ascii") if data.isascii() else charset.decode(data)


def _split(text: str, separator: str) -> list[str]:
    """`text` at its unescaped separators."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, index = [], 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 2
            continue
        if text[index] == separator:
            parts.append(text[start:index])
            start = index + 1
        index += 1
    parts.append(text[start:])
    return parts


def _written(parameter: tuple[str, tuple[str, ...]], version: Version) -> str:
    name, values = parameter
    written = []
    for value in values:
        if version != "2.1":  # RFC 6868 §3.1
            value = value.replace("^", "^^").replace("\n", "^n").replace('"', "^'")
        written.append(f'"{value}"' if any(character in value for character in ",;:") else value)
    return f";{name}={','.join(written)}"


def _folded(line: bytes, newline: bytes) -> bytes:
    pieces, start = [], 0
    while start < len(line):
        end = min(start + (FOLD_AT if not start else FOLD_AT - 1), len(line))
        while end < len(line) and line[end] & 0xC0 == 0x80:  # keep characters whole, though no reader may ask for it
            end -= 1
        pieces.append(line[start:end])
        start = end
    return (newline + b" ").join(pieces) + newline


def _quoted_printable(data: bytes, newline: bytes) -> bytes:
    """RFC 2045 §6.7, with line ends as =0D=0A as 2.1 wants them."""
    encoded = "".join(
        chr(byte) if (33 <= byte <= 126 and byte != 61) or byte == 32 else "=0D=0A" if byte == 10 else f"={byte:02X}"
        for byte in data
    )
    pieces, start = [], 0
    while len(encoded) - start > 70:
        end = start + 70
        while encoded[end - 1] == "=" or encoded[end - 2] == "=":
            end -= 1
        pieces.append(encoded[start:end])
        start = end
    pieces.append(encoded[start:])
    return ("=" + newline.decode()).join(pieces).encode("ascii")
