"""mbox files: what Thunderbird, Apple Mail, mutt, Gmail's Takeout and most servers export mail as.

Speaks RFC 4155 and its dialects through `formats/mbox.py`, mails through `formats/mime.py`. Streams files of any size; a mail
that its program has marked as deleted is left out and said so. Gmail's thread numbers are not used: mails are threaded by what
they refer to, as everywhere. Refuses to guess folders from labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from providers import records
from providers.archives import files, mails
from providers.base import ArchiveFormat, Provider, Scan
from providers.formats import charset, mail_date, mbox
from providers.formats.own_address import OwnAddressInference

_LINE = 64 * 1024  # bytes that the witness reads at once
_NOTED = (b"from", b"to", b"cc", b"delivered-to", b"content-length")
_MAX_NOTED = 16 * 1024  # bytes of a field that the witness keeps
_FIRST_FIELDS = (
    b"x-mozilla-",
    b"x-account-key",
    b"x-uidl",
    b"return-path",
    b"received",
    b"delivered-to",
    b"date",
    b"from",
    b"message-id",
    b"mime-version",
    b"subject",
    b"to",
    b"status",
    b"content-type",
    b"reply-to",
    b"sender",
)
_NOT_BEGUN = "This stands before the first mail of the file and is none. If a mail is missing, export the file again."


class MboxArchive:
    """The Archive contract for mbox files."""

    format: ArchiveFormat = "MBOX"

    def recognise(self, path: Path) -> bool:
        """Whether a file begins with an mbox separator."""
        return mbox.is_separator(files.head(path).lstrip(b"\r\n"))

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """Mails by file, counted line by line, and whose they seem to be."""
        inference = OwnAddressInference()
        sources = files.named(paths, names)
        counted = {source.shown: count for source in sources if (count := _witness(source.path, inference)) is not None}
        return Scan(
            format=self.format,
            paths=tuple(source.shown for source in sources),
            expected=counted,
            own_addresses=inference.candidates(),
            inferred=inference.inferred(known_own),
        )

    def pages(
        self,
        paths: list[Path],
        cursor: bytes | None,
        *,
        own: frozenset[str],
        region: str | None,
        names: Mapping[Path, str] | None = None,
    ) -> Iterator[records.Page]:
        """The mails in the order of the files; `names` says what staged files are called."""
        sources = files.named(paths, names)
        start = files.mark_of(cursor)

        def statements() -> tuple[records.Statement, ...]:
            return tuple(
                records.Statement(container=source.shown, kind="MESSAGE", expected=_witness(source.path, None))
                for source in sources
            )

        return files.paged(files.steps(sources, start, lambda source, mark: _read(source, mark, own)), start, statements)


def _read(source: files.Source, mark: files.Mark, own: frozenset[str]) -> Iterator[files.Read]:
    with files.open_file(source.path) as handle:
        for raw in mbox.split_mails(handle, offset=mark.offset, position=mark.position, line=mark.line):
            item = _item(raw, source.shown, own)
            yield raw, item, mails.weight(item)


def _item(raw: mbox.RawMail, container: str, own: frozenset[str]) -> records.Message | records.Unreadable:
    key = f"{container}#{raw.position}"
    if not raw.envelope:
        return mails.unreadable(key, raw.data, container, _NOT_BEGUN)
    envelope = mail_date.asctime(charset.decode(raw.envelope[:500]))
    return mails.item(raw.data, container=container, fallback_key=key, own=own, envelope=envelope)


def _witness(path: Path, inference: OwnAddressInference | None) -> int | None:
    """How many mails a file holds, by reading it line by line; None when it cannot be read.

    The witness against the reader: it shares no code with `formats/mbox.py`. On the way it feeds addresses to `inference`.
    """
    try:
        with files.open_file(path) as handle:
            return _count(handle, inference)
    except OSError:
        return None


def _count(handle: BinaryIO, inference: OwnAddressInference | None) -> int:
    total = 0
    after_empty, fresh, header, started = True, True, False, False
    noted: dict[bytes, list[bytes]] = {}
    name = b""
    pushed: bytes | None = None
    while line := pushed if pushed is not None else handle.readline(_LINE):
        pushed = None
        begun, fresh = fresh, line.endswith(b"\n")
        if not begun:
            continue
        if not started:
            line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip(b"\r\n"):
                continue
        if after_empty and line.startswith(b"From ") and fresh:
            pushed = handle.readline(_LINE)
            if _separates(line, pushed):
                total, header, noted, name, started = total + 1, True, {}, b"", True
                after_empty = False
                continue
        if not started:
            total, started = 1, True  # something stands before the first mail: one item that is none
        empty = not line.rstrip(b"\r\n")
        after_empty = empty
        if not header:
            continue
        if not empty:
            if line[:1] not in b" \t":
                name = line.partition(b":")[0].strip().lower()
                if name in _NOTED:
                    noted.setdefault(name, []).append(line.partition(b":")[2][:_MAX_NOTED])
            elif name in _NOTED and len(noted[name][-1]) < _MAX_NOTED:
                noted[name][-1] += line
            continue
        header = False
        if inference is not None:
            _feed(inference, noted)
        length = (noted.get(b"content-length") or [b""])[0].strip()
        if length.isdigit() and len(length) <= 12:
            here = handle.tell()
            if _lands(handle, here + int(length)):
                after_empty = True
            else:
                handle.seek(here)
    if header and inference is not None:
        _feed(inference, noted)
    return total


def _separates(line: bytes, following: bytes) -> bool:
    if len(line) > 1000:
        return False
    words = line.split()[1:]
    colon = following.partition(b":")
    field = colon[0].rstrip(b" \t")
    is_field = bool(field) and bool(colon[1]) and all(33 <= byte <= 126 for byte in field)
    cut = not colon[1] and not following.endswith(b"\n") and all(33 <= byte <= 126 for byte in following)
    dated = words if line[5:6].isspace() else words[1:]  # a date stands behind a sender
    if any(_is_time(word) for word in dated) and any(_is_year(word) for word in dated):
        return is_field or cut or (following.startswith(b">") and following.lstrip(b">").startswith(b"From "))
    undated = line[5:].strip(b" \t\r\n")
    if undated and undated != b"-" and (len(words) != 1 or b"@" not in undated.strip(b"@")):
        return False
    return is_field and field.lower().startswith(_FIRST_FIELDS)


def _is_time(word: bytes) -> bool:
    parts = word.split(b":")
    return (
        len(parts) in (2, 3)
        and len(parts[0]) in (1, 2)
        and all(part.isdigit() for part in parts)
        and all(len(p) == 2 for p in parts[1:])
    )


def _is_year(word: bytes) -> bool:
    return len(word) == 4 and word.isdigit() and word[:2] in (b"19", b"20")


def _lands(handle: BinaryIO, target: int) -> bool:
    """Whether a Content-Length leads to a separator or the end of the file; leaves the handle before it if so."""
    size = handle.seek(0, 2)
    if target > size:
        return False
    handle.seek(max(target - 1, 0))
    joined = handle.read(1) == b"\n"
    blanks = 0
    while blanks <= 4 and (byte := handle.read(1)) in (b"\n", b"\r") and byte:
        blanks += 1
        joined = True
    if blanks > 4:
        return False
    place = target + blanks
    handle.seek(place)
    if place == size:
        return joined
    line = handle.readline(_LINE)
    if not (joined and line.startswith(b"From ") and line.endswith(b"\n") and _separates(line, handle.readline(_LINE))):
        return False
    handle.seek(place)
    return True


def _feed(inference: OwnAddressInference, noted: dict[bytes, list[bytes]]) -> None:
    def texts(*fields: bytes) -> list[str]:
        return [
            charset.decode(value).replace("\r", "").replace("\n", "").strip()
            for field in fields
            for value in noted.get(field, ())
        ]

    inference.feed(", ".join(texts(b"from")[:1]), texts(b"to", b"cc"), texts(b"delivered-to"))


PROVIDER = Provider(
    key="mbox",
    name="mbox file",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "READ_STATE", "IMPORT", "MIRROR"}),
    limitations=(
        "A file is a snapshot: newer mail arrives with the next import.",
        "Whether the sender of a mail is who it says cannot be seen in a file.",
        "Attachments are counted, not kept; of a mail over 32 MB the beginning is read.",
        "Read state is known only where the exporting program wrote it.",
    ),
    archive_formats=("MBOX",),
    docs_path="docs/providers/mbox.md",
    archive=MboxArchive(),
)
