"""One IMAP response, as bytes, to values: lists, strings and atoms (RFC 9051 §4, §9).

A response is a line with literals in it; the connection hands it over as fragments, text and literal in turn. Atoms become
`str`, strings and literals `bytes`, NIL None, parentheses lists. Whatever a server sends ends as values or as Malformed: no
recursion, no backtracking. Knows no command.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from providers.errors import Malformed

#: Parentheses inside each other; a BODYSTRUCTURE has two for every level of a message.
MAX_DEPTH = 2_000
MAX_CODE = 4_000

Value = Any  # None | str | bytes | list[Value]: what a response is made of, looked at by those who know its name

# What is in brackets belongs to its atom: BODY[HEADER.FIELDS (DATE FROM)]<0>. No bracket in brackets, or `[ [ [` is quadratic.
_TOKEN = re.compile(
    rb' +|(\()|(\))|"((?:[^"\\\r\n]|\\.)*)"|([^ ()"\[\]]*\[[^\[\]\r\n]*\][^ ()"\[\]]*)|([^ ()"]+)|(")',
)
_LITERAL = re.compile(rb"~?\{([0-9]{1,18})\+?\}\Z")
_ESCAPED = re.compile(rb"\\(.)", re.S)
_CODE = re.compile(rb"\[([^\] ]{1,60})(?: ([^\]]*))?\] ?")
_NUMBERED = re.compile(rb"([0-9]{1,10}) ([A-Za-z]+) ?")


class Condition(msgspec.Struct, frozen=True):
    """OK, NO, BAD, PREAUTH or BYE (RFC 9051 §7.1); `tag` is empty for an untagged one. `code` in upper case."""

    tag: str
    status: str
    code: str
    argument: bytes
    text: str


class Data(msgspec.Struct, frozen=True):
    """An untagged response: its name in upper case, the message number before it where it has one, what follows."""

    name: str
    number: int | None
    values: list[Value]


class Continuation(msgspec.Struct, frozen=True):
    """The server waits for more of a command (RFC 9051 §7.6)."""

    text: bytes


def literal_size(line: bytes) -> int | None:
    """The size of the literal that a line announces at its end (RFC 9051 §4.3, RFC 7888, RFC 3516), or None."""
    if not line.endswith(b"}"):
        return None
    found = _LITERAL.search(line[-24:])
    return int(found[1]) if found else None


def response(fragments: Sequence[bytes]) -> Condition | Data | Continuation:
    """What a server said, from text and literals in turn. Raises Malformed."""
    head = fragments[0]
    if head.startswith(b"+"):
        return Continuation(head[1:].lstrip(b" "))
    tag, _, rest = head.partition(b" ")
    word = rest[:9].partition(b" ")[0].upper()
    if word in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
        return _condition(tag, word, rest[len(word) + 1 :])
    if tag != b"*":
        raise Malformed("The server's answer is no IMAP.", provider_code="imap-syntax")
    number = None
    if numbered := _NUMBERED.match(rest):
        number, name, rest = int(numbered[1]), numbered[2], rest[numbered.end() :]
    else:
        name, _, rest = rest.partition(b" ")
    text = name.decode("ascii", "replace").upper()
    return Data(text, number, values([rest, *fragments[1:]]))


def values(fragments: Sequence[bytes]) -> list[Value]:
    """The values in text and literals in turn. Raises Malformed for parentheses and quotes that do not match."""
    here: list[Value] = []
    above: list[list[Value]] = []
    for n, fragment in enumerate(fragments):
        if n & 1:
            here.append(fragment)
            continue
        if n + 1 < len(fragments):
            fragment = fragment[: fragment.rfind(b"{")].removesuffix(b"~")
        for token in _TOKEN.finditer(fragment):
            kind = token.lastindex
            if kind is None:
                continue
            if kind >= 4:
                if kind == 6:
                    raise Malformed("The server's answer has a quote without an end.", provider_code="imap-syntax")
                atom = token[kind].decode("latin-1")
                here.append(None if atom in ("NIL", "nil") else atom)
            elif kind == 1:
                if len(above) >= MAX_DEPTH:
                    raise Malformed("The server's answer is nested too deep.", provider_code="imap-syntax")
                above.append(here)
                inner: list[Value] = []
                here.append(inner)
                here = inner
            elif kind == 2:
                if not above:
                    raise Malformed("The server's answer closes what it did not open.", provider_code="imap-syntax")
                here = above.pop()
            else:
                quoted = token[3]
                here.append(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
    if above:
        raise Malformed("The server's answer does not close what it opened.", provider_code="imap-syntax")
    return here


def pairs(found: Value) -> dict[str, Value]:
    """A list of names and values in turn, as FETCH and STATUS have it, by the names in upper case."""
    if not isinstance(found, list):
        return {}
    names = iter(found)
    return {name.upper(): value for name, value in zip(names, names, strict=False) if isinstance(name, str)}


def number(value: Value, most: int = 2**63 - 1) -> int | None:
    """A number that is one and is not larger than `most`; None for everything else."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 20:
        return None
    found = int(value)
    return found if found <= most else None


def text(value: Value) -> str:
    """An atom or a string as text; empty for everything else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def raw(value: Value) -> bytes | None:
    """An atom or a string as bytes; None for everything else. A name like NIL is an atom that names a folder."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    return value if isinstance(value, bytes) else None


def _condition(tag: bytes, status: bytes, rest: bytes) -> Condition:
    code, argument = "", b""
    if rest.startswith(b"[") and (found := _CODE.match(rest)):
        code = found[1].decode("ascii", "replace").upper()
        argument = found[2] or b""
        rest = rest[found.end() :]
    said = rest[:MAX_CODE].decode("utf-8", "replace")
    return Condition("" if tag == b"*" else tag.decode("ascii", "replace"), status.decode("ascii"), code, argument, said)
