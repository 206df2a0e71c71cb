"""The header of a mail: fields apart, unfolded, and decoded as mail programs really write them.

Speaks RFC 5322 §2.2 (fields, folding), RFC 2047 (encoded words) and RFC 2231 (parameters). Tolerates raw 8-bit text, encoded
words cut in the middle of a character or put in quotes, and lines that are no field. Every step is linear in the input. Knows
no field by name: what From or Date mean is for the modules beside it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, KeysView, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from providers import records
from providers.formats import charset

MAX_HEADER = 1024 * 1024  # bytes
MAX_FIELDS = 10_000
MAX_VALUE = 32 * 1024  # characters of one field that are looked at
MAX_KEPT = 500  # fields of a record
MAX_KEPT_VALUE = 4 * 1024  # characters of one of them
KEPT_NAME = 60  # characters of a name, and of a value with parameters, that is remembered: most come again with every mail
KEPT_PARAMETERS = 100

_FOLD = re.compile(rb"\r*\n(?=[ \t])")
_NAME = re.compile(r"[!-9;-~]+(?=[ \t]*:)")
_CHARSET_HINT = re.compile(rb"charset[ \t]*=[ \t]*\"?([\w.:-]{2,40})", re.I)
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,64})\?([bBqQ])\?([^?]*)\?=")
_BLANKS = re.compile(r"[ \t\r\n]+")


class Fields:
    """The fields of one header in order, unfolded; encoded words are decoded when asked for."""

    __slots__ = ("_values", "items")

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self.items = items
        values: dict[str, list[str]] = {}
        for name, value in items:
            name = name.lower()
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> str:
        """The first field of this name (lower case) as it stands; empty when there is none."""
        found = self._values.get(name)
        return found[0] if found else ""

    def text(self, name: str) -> str:
        """The first field of this name, decoded and in one line."""
        return decoded(self.get(name))

    def all(self, name: str) -> Sequence[str]:
        """Every field of this name (lower case), in order."""
        return self._values.get(name, ())

    def names(self) -> KeysView[str]:
        """The names that occur, in lower case, in the order of the header."""
        return self._values.keys()

    def kept(self) -> tuple[records.Header, ...]:
        """The fields for a record: decoded, at most MAX_KEPT, each cut to MAX_KEPT_VALUE."""
        return tuple(records.Header(name=name, value=decoded(value)[:MAX_KEPT_VALUE]) for name, value in self.items[:MAX_KEPT])


def split(data: bytes, start: int = 0, end: int | None = None) -> tuple[Fields, int]:
    """The header at `start` of `data`, and where the body after it begins.

    A line that is no field is skipped when fields follow it before the empty line, else the body begins with it.
    """
    end = len(data) if end is None else end
    if data.startswith((b"\n", b"\r\n"), start):
        return Fields([]), data.index(b"\n", start) + 1
    limit = min(end, start + MAX_HEADER)
    bare = data.find(b"\n\n", start, limit)
    carriage = data.find(b"\n\r\n", start, bare if bare >= 0 else limit)
    if carriage >= 0:
        stop, body = carriage + 1, carriage + 3
    elif bare >= 0:
        stop, body = bare + 1, bare + 2
    else:
        stop = body = limit
    block = data[start:stop]
    return _fields(block, start, body)


def _fields(block: bytes, start: int, body: int) -> tuple[Fields, int]:
    hint: str | None = None
    unfolded = _FOLD.sub(b"", block) if b"\n " in block or b"\n\t" in block else block
    usual = unfolded.isascii() and b"\x1b" not in unfolded
    if usual:
        lines = unfolded.decode("ascii").split("\n")
    else:
        found = _CHARSET_HINT.search(unfolded)
        hint = found[1].decode("ascii") if found else None
        lines = [charset.decode(line, hint) for line in unfolded.split(b"\n")]
    items: list[tuple[str, str]] = []
    last_field = -1
    for index, line in enumerate(lines):
        word, colon, value = line.partition(":")
        if colon and (name := _name(word) if len(word) <= KEPT_NAME else _checked_name(word)):
            items.append((name, value.strip(" \t\r\n")[:MAX_VALUE]))
            if len(items) == MAX_FIELDS:
                break
        elif line.strip() and not line.lstrip(">").startswith("From "):
            if last_field < 0:
                last_field = max((place for place, later in enumerate(lines) if _NAME.match(later)), default=0)
            if index > last_field:
                body = _line_start(block, line, hint, start, body)
                break
    if not usual or b"\x00" in unfolded:
        items = [(name, charset.storable(value)) for name, value in items]
    return Fields(items), body


def _checked_name(word: str) -> str:
    """The field name in what stands before a line's first colon; empty where it is none."""
    found = _NAME.match(word + ":")
    return found[0] if found else ""


_name = lru_cache(2_000)(_checked_name)


def _line_start(block: bytes, line: str, hint: str | None, start: int, body: int) -> int:
    """Where in the data the first line stands that is not a field: there the body begins (no empty line before it)."""
    for found in re.finditer(rb"[^\n]+", block):
        if charset.decode(found[0], hint).rstrip("\r") == line.rstrip("\r"):
            return start + found.start()
    return body


def decoded(value: str) -> str:
    """A field's text: encoded words decoded (RFC 2047 §6.2: blanks between two of them go), blanks reduced to one."""
    if "=?" in value:
        value = _decode_words(value)
    if "  " in value or "\t" in value or "\n" in value or "\r" in value:
        value = _BLANKS.sub(" ", value)
    return value.strip()


def _decode_words(value: str) -> str:
    out: list[str] = []
    pending: list[bytes] = []  # neighbours in one charset are joined before decoding: writers cut inside characters
    codec = ""
    index = 0
    for match in _ENCODED_WORD.finditer(value):
        between = value[index : match.start()]
        name = match[1].partition("*")[0].lower()  # RFC 2231 §5: charset*language
        data = _word(match[2], match[3])
        if pending and not between.strip() and name == codec:
            pending.append(data)
        else:
            if pending:
                out.append(charset.decode(b"".join(pending), codec))
                between = between if between.strip() else ""
            out.append(between)
            pending, codec = [data], name
        index = match.end()
    if pending:
        out.append(charset.decode(b"".join(pending), codec))
    out.append(value[index:])
    return "".join(out)


def _word(encoding: str, text: str) -> bytes:
    data = text.encode("ascii", "ignore")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    return base64_bytes(data)


def base64_bytes(data: bytes) -> bytes:
    """RFC 2045 §6.8 for what is sent as it: other characters ignored, padding supplied, a lone last character dropped."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        if len(clean) % 4 == 1:
            clean = clean[:-1]
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """A field such as Content-Type: its main value in lower case, and its parameters (names in lower case).

    Continuations and charsets of RFC 2231 are joined and decoded, and encoded words too, though RFC 2047 §5 forbids them there.
    """
    if not value:
        return "", _NONE
    return _kept_parameters(value) if len(value) <= KEPT_PARAMETERS else _parameters(value)


def _parameters(value: str) -> tuple[str, Mapping[str, str]]:
    main, semicolon, _ = value.partition(";")
    main = main.strip().lower()
    if not semicolon:
        return main, _NONE
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in _raw_parameters(value, len(value.partition(";")[0]) + 1):
        base, star, rest = name.partition("*")
        if not star:
            plain.setdefault(name, decoded(text))
            continue
        number = rest.rstrip("*")
        order = int(number) if number.isdecimal() and len(number) < 4 else 0
        pieces.setdefault(base, {}).setdefault(order, (text, name.endswith("*")))
    for base, numbered in pieces.items():
        plain[base] = _joined(numbered)
    return main, MappingProxyType(plain)


_NONE: Mapping[str, str] = MappingProxyType({})
_kept_parameters = lru_cache(1_000)(_parameters)


def _raw_parameters(value: str, index: int) -> Iterator[tuple[str, str]]:
    """Name and unquoted text of each parameter. One pass: an unclosed quote is searched for only once."""
    open_quote = False
    while index < len(value):
        equals = value.find("=", index)
        if equals < 0:
            return
        semicolon = value.find(";", index, equals)
        if semicolon >= 0:  # a word without a value
            index = semicolon + 1
            continue
        name = value[index:equals].strip().lower()
        index = equals + 1
        while value[index : index + 1].isspace():
            index += 1
        if value[index : index + 1] == '"' and not open_quote:
            close = value.find('"', index + 1)
            while close > 0 and value[close - 1] == "\\" and not value[:close].endswith("\\\\"):
                close = value.find('"', close + 1)
            if close > 0:
                if name:
                    yield name, value[index + 1 : close].replace("\\\\", "\\").replace('\\"', '"')
                index = close + 1
                semicolon = value.find(";", index)
                index = semicolon + 1 if semicolon >= 0 else len(value)
                continue
            open_quote = True
        semicolon = value.find(";", index)
        semicolon = semicolon if semicolon >= 0 else len(value)
        if name:
            yield name, value[index:semicolon].strip().strip('"')
        index = semicolon + 1


def _joined(numbered: dict[int, tuple[str, bool]]) -> str:
    data, codec = b"", None
    for order in sorted(numbered):
        text, encoded = numbered[order]
        if encoded and not data and codec is None and text.count("'") >= 2:
            codec, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    return charset.decode(data, codec)
