"""An mbox file as mails, streamed: where one begins, where it ends, and its body without the quoting that the file needs.

Speaks RFC 4155 and the dialects that came before it: mboxo, mboxrd (`>From ` quoting), mboxcl and mboxcl2 (Content-Length),
Thunderbird's `From - ` and bare `From ` lines, and Google Takeout's. A line that begins with `From ` is a separator only after
an empty line, with a date in it (or, undated, before a field that mails begin with), and with a header after it; a body that
quotes a mail is not cut. A gigabyte is read through a window of one megabyte. Knows nothing of what is inside a mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

MAX_MAIL = 32 * 1024 * 1024  # bytes of one mail that are handed over; what follows is attachments, which are not read
WINDOW = 1024 * 1024
AHEAD = 4096  # bytes after a `From ` that decide whether it separates
MAX_HEADER = 256 * 1024  # bytes in which Content-Length is looked for

_DATED = re.compile(rb"From (?=[^\n]*\s\d{1,2}:\d\d(?::\d\d)?(?:\s|$))(?=[^\n]*\s(?:19|20)\d\d(?:\s|$))[^\n]{0,1000}\n", re.M)
_UNDATED = re.compile(rb"From (?:-|\S+@\S+)?[ \t]*\r?\n")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|>+From |[!-9;-~]*\Z")
_FIRST_FIELD = re.compile(
    rb"(?:X-Mozilla-|X-Account-Key|X-UIDL|Return-Path|Received|Delivered-To|Date|From|Message-ID|MIME-Version|Subject|To|"
    rb"Status|Content-Type|Reply-To|Sender)[!-9;-~]*[ \t]*:",
    re.I,
)
_CONTENT_LENGTH = re.compile(rb"^Content-Length[ \t]*:[ \t]*(\d{1,12})[ \t]*\r?$", re.I | re.M)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.M)
_PLAIN_FROM = re.compile(rb"^From ", re.M)


class RawMail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail of an mbox file.

    `position` counts from 1, `line` is that of its separator (from 1); `start` and `end` are byte offsets, separator included;
    `envelope` is the separator without its line end, empty for what stands before the first one. `data` is the mail, unquoted,
    at most MAX_MAIL bytes of it.
    """

    position: int
    line: int
    start: int
    end: int
    end_line: int
    envelope: bytes
    data: bytes


def is_separator(data: bytes, at: int = 0) -> bool:
    """Whether a mail begins at `at`, which must be a line's start. `data` should reach AHEAD bytes further."""
    if not data.startswith(b"From ", at):
        return False
    match = _DATED.match(data, at)
    if match is not None:
        return _FIELD.match(data, match.end()) is not None
    match = _UNDATED.match(data, at)
    return match is not None and _FIRST_FIELD.match(data, match.end()) is not None


def split_mails(handle: BinaryIO, *, offset: int = 0, position: int = 0, line: int = 1) -> Iterator[RawMail]:
    """The mails of a file, one after another. Never raises for bad content; OSError as the file does.

    `offset`, `position` and `line` are those of the last mail's end where reading goes on in the middle.
    """
    window = _Window(handle)
    if offset == 0:
        head = window.read(0, AHEAD)
        blank = len(head) - len(head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))
        line += head[:blank].count(b"\n")
        offset = blank
    while offset < window.size:
        head = window.read(offset, offset + AHEAD)
        begins = is_separator(head)
        body = offset + (head.find(b"\n") + 1 if begins else 0)
        end = (_stated_end(window, body) if begins else None) or _next_separator(window, body)
        position += 1
        end_line = line + window.count_lines(offset, end)
        data = window.read(body, min(end, body + MAX_MAIL))
        yield RawMail(
            position=position,
            line=line,
            start=offset,
            end=end,
            end_line=end_line,
            envelope=head[: head.find(b"\n")].rstrip(b"\r") if begins else b"",
            data=_unquoted(data),
        )
        offset, line = end, end_line


def _next_separator(window: _Window, body: int) -> int:
    """Where the next mail after `body` begins, or the end of the file."""
    start = window.find(b"\nFrom ", body) + 1
    while start > 0:
        before = window.read(start - 3, start)
        if before.endswith((b"\n\n", b"\n\r\n")) and is_separator(window.read(start, start + AHEAD)):
            return start
        start = window.find(b"\nFrom ", start) + 1
    return window.size


def _stated_end(window: _Window, body: int) -> int | None:
    """The end that a Content-Length states, when a separator, or the end of the file, is really there (mboxcl, mboxcl2)."""
    for length in (AHEAD, MAX_HEADER):
        header = window.read(body, body + length)
        blank = min((place for mark in (b"\n\n", b"\n\r\n") if (place := header.find(mark)) >= 0), default=-1)
        if blank >= 0:
            break
    else:
        return None
    stated = _CONTENT_LENGTH.search(header, 0, blank + 1)
    if stated is None:
        return None
    end = body + blank + (3 if header.startswith(b"\n\r\n", blank) else 2) + int(stated[1])
    if end > window.size:
        return None
    rest = window.read(end, end + AHEAD)
    blanks = len(rest) - len(rest.lstrip(b"\r\n"))
    if blanks > 4 or (not blanks and window.read(end - 1, end) != b"\n"):
        return None
    return end + blanks if end + blanks == window.size or is_separator(rest, blanks) else None


def _unquoted(data: bytes) -> bytes:
    """A mail without the `>` that mboxrd and mboxo put before `From `; one that holds plain `From ` lines was never quoted."""
    if b">From " in data and _PLAIN_FROM.search(data) is None:
        data = _QUOTED_FROM.sub(rb"\1", data)
    # the empty line before the next separator is the file's, not the mail's
    if data.endswith(b"\r\n\r\n"):
        return data[:-2]
    return data[:-1] if data.endswith(b"\n\n") else data


class _Window:
    """A file of any size through one buffer."""

    def __init__(self, handle: BinaryIO) -> None:
        self._file = handle
        self.size = handle.seek(0, 2)
        self._base = 0
        self._data = b""

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer at the end of the file."""
        start, end = max(start, 0), min(end, self.size)
        if start >= end:
            return b""
        if not (self._base <= start and end <= self._base + len(self._data)):
            if end - start > WINDOW:
                return self._load(start, end - start)
            self._base = start
            self._data = self._load(start, WINDOW + AHEAD)
        return self._data[start - self._base : end - self._base]

    def find(self, mark: bytes, start: int) -> int:
        """Where `mark` occurs first at or after `start`; -1 when it does not."""
        while start + len(mark) <= self.size:
            if not (self._base <= start and start + len(mark) <= self._base + len(self._data)):
                self._base, self._data = start, self._load(start, WINDOW + AHEAD)
            place = self._data.find(mark, start - self._base)
            if place >= 0:
                return self._base + place
            if not self._data:  # the file was cut while it was read
                break
            start = max(start + 1, self._base + len(self._data) - len(mark) + 1)
        return -1

    def count_lines(self, start: int, end: int) -> int:
        """How many lines end between two offsets."""
        if end - start <= WINDOW:
            return self.read(start, end).count(b"\n")
        return sum(self._load(at, min(WINDOW, end - at)).count(b"\n") for at in range(start, end, WINDOW))

    def _load(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)
