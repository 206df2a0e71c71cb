"""CSV address books: what Google, Outlook, Outlook.com, Yahoo, Thunderbird and spreadsheets write.

The table is read by `formats/csv_table.py`, its columns are told by `formats/contact_columns.py`, a row becomes a card and then a
contact like any other. One look through the file finds its charset and the order of its dates. A broken row is reported with
its number, the reason and what to do, and the next one is read. Refuses tables in which nobody can be reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from providers import records
from providers.archives import files, table_witness, text_stream
from providers.archives.address_book import AddressBook
from providers.base import ArchiveFormat, Provider
from providers.formats import contact_columns, csv_contact, csv_table, vcard
from providers.formats.charset_guess import Watcher
from providers.formats.contact_columns import Dialect, plain
from providers.formats.vcard_syntax import ByteStream

MAX_COLUMNS = 1_000
MAX_REMARKS = 10  # columns named in a remark
_PIECE = 256 * 1024
_SENTENCE = re.compile(r".{12}[.!?:]\Z|[^\x00-\x7f]{60}|.{100}", re.S)  # no column is called so
_NAMES = ("full", "given", "family", "nickname", "org")

_OPEN = (
    'A cell begins with a quotation mark (") that is never closed. Close it, or take it out, and import the file again; '
    "what was taken already stays as it is."
)
_TOO_LARGE = "The row is longer than 1 MB. Shorten its longest cell and import the file again."
_EMPTY = "The row names nobody: there is no name, address or number in it. Fill it in, or leave it."
_HEADINGS = "The row repeats the names of the columns: two tables were put together. It is left out."
_NO_ADDRESS = "All that the row says is an e-mail address that is none. Correct it and import the file again."


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How one file is to be read, found by looking through it. `offset` and `line` are where its first row begins."""

    codec: str
    returns: bool  # lines end in carriage returns alone
    separator: str
    headers: tuple[str, ...]
    dialect: Dialect
    offset: int
    line: int
    orders: dict[int, csv_contact.Order] = {}


class CsvArchive(AddressBook):
    """CSV address books: rows, counted line by line, with a sentence on how each table was understood."""

    format: ArchiveFormat = "CSV"

    def recognise(self, path: Path) -> bool:
        """Whether a file's first row names columns by which somebody can be reached."""
        data = files.head(path)
        if not data or data[:1] in b"<{[":
            return False
        watcher = Watcher()
        watcher.feed(data[: data.rfind(b"\n") + 1 or len(data)])
        codec = watcher.codec()
        if codec.startswith("utf-16"):
            data = data.decode(codec, "replace").encode("utf-8", "replace")
        if b"\x00" in data[:4096]:
            return False
        return _headings(text_stream.Bytes(data.replace(b"\r", b"\n") if b"\n" not in data else data), codec) is not None

    def read(self, source: files.Source, mark: files.Mark, region: str | None) -> Iterator[files.Read]:
        layout = _layout(source.path)
        if layout is None:
            return
        if not mark.offset:
            mark = files.Mark(mark.file, layout.offset, mark.position, layout.line)
        with files.open_file(source.path) as handle:
            for raw in _rows(handle, layout, mark):
                yield raw, _item(raw, layout, source.shown, region), 2 * len(raw.data) + 1000

    def counted(self, path: Path) -> int | None:
        try:
            layout = _layout(path)
        except OSError:
            return None
        return 0 if layout is None else _counted(path, layout)

    def look(self, source: files.Source) -> tuple[int | None, str | None]:
        try:
            layout = _layout(source.path)
        except OSError:
            return None, None
        return (None, None) if layout is None else (_counted(source.path, layout), _remark(source, layout))


def _rows(handle: BinaryIO, layout: Layout, mark: files.Mark) -> Iterator[csv_table.RawRow]:
    stream = _stream(handle, layout.codec, layout.returns, mark.offset)
    return csv_table.split_rows(
        stream,
        layout.separator,
        layout.codec,
        width=len(layout.headers),
        offset=mark.offset,
        position=mark.position,
        line=mark.line,
    )


def _stream(handle: BinaryIO, codec: str, returns: bool, offset: int) -> ByteStream:
    stream = text_stream.utf8(handle, offset, codec)
    return text_stream.LineFeeds(stream) if returns else stream


def _item(raw: csv_table.RawRow, layout: Layout, container: str, region: str | None) -> records.Contact | records.Unreadable:
    def unreadable(outcome: str, reason: records.SkipReason, message: str) -> records.Unreadable:
        return records.Unreadable(
            key=f"{container}#{raw.position}", outcome="SKIPPED" if outcome == "SKIPPED" else "FAILED", reason=reason, message=message,
            excerpt=files.excerpt(csv_table.decoded(raw.data, layout.codec).encode("utf-8", "replace")) or None, container=container,
        )  # fmt: skip

    if raw.problem is not None:
        large = raw.problem == "TOO_LARGE"
        return unreadable(
            "SKIPPED" if large else "FAILED", "TOO_LARGE" if large else "UNREADABLE", _TOO_LARGE if large else _OPEN
        )
    try:
        row = csv_table.cells(raw.data, layout.separator, layout.codec)
        width = len(layout.headers)
        if any(row[width:]):
            said = len(row) - next(n for n, cell in enumerate(reversed(row)) if cell)
            message = (
                f"The row has {said} cells, its table {width} columns: a cell that holds “{layout.separator}” has to stand in quotation "
                f"marks. Correct it and import the file again."
            )
            return unreadable("FAILED", "UNREADABLE", message)
        row = row[:width]
        if [plain(cell) for cell in row] == [plain(header) for header in layout.headers]:
            return unreadable("SKIPPED", "EXCLUDED", _HEADINGS)
        if not any(row):
            return unreadable("SKIPPED", "EMPTY", _EMPTY)
        if csv_contact.wrong_email(row, layout.dialect):
            return unreadable("FAILED", "UNREADABLE", _NO_ADDRESS)
        card = csv_contact.card(row, layout.headers, layout.dialect, layout.orders)
        found = vcard.to_contact(card, key=None, region=region, container=container, keep_card=True)
        if not (found.names or found.emails or found.phones or found.handles or found.urls):
            return unreadable("SKIPPED", "EMPTY", _EMPTY)
        return found
    except Exception as error:  # a row is a stranger's text: whatever it does, the next one is read
        message = f"The row could not be understood ({type(error).__name__}). Correct it and import the file again."
        return unreadable("FAILED", "UNREADABLE", message)


# --- how a file is to be read ---------------------------------------------------------------------------------------------


def _layout(path: Path) -> Layout | None:
    """How a file is to be read; None when its first row names no columns. Raises OSError as the file does."""
    watcher, feeds, returns = Watcher(), 0, 0
    with files.open_file(path) as handle:
        while piece := handle.read(_PIECE):
            watcher.feed(piece)
            feeds, returns = feeds + piece.count(b"\n"), returns + piece.count(b"\r")
        codec, lone = watcher.codec(), not feeds and returns > 0
        handle.seek(0)
        found = _headings(_stream(handle, codec, lone, 0), codec)
        if found is None:
            return None
        separator, headers, offset, line = found
        dialect = contact_columns.recognised(headers)
        layout = Layout(
            codec=codec, returns=lone, separator=separator, headers=tuple(headers), dialect=dialect, offset=offset, line=line
        )
        if not dialect.has("birthday", "anniversary", "event"):
            return layout
        handle.seek(0)
        rows = (
            csv_table.cells(raw.data, separator, codec)
            for raw in _rows(handle, layout, files.Mark(offset=offset, line=line))
            if raw.problem is None
        )
        return msgspec.structs.replace(layout, orders=csv_contact.date_orders(rows, dialect))


def _headings(stream: ByteStream, codec: str) -> tuple[str, list[str], int, int] | None:
    """The separator, the names of the columns, and offset and line of the first row; None when nobody can be reached by them."""
    separators: tuple[str, ...] = csv_table.SEPARATORS
    for number, raw in enumerate(csv_table.split_rows(stream, ",", codec, width=0)):
        text = csv_table.decoded(raw.data.removeprefix(b"\xef\xbb\xbf"), codec)
        if not number and text[:4].lower() == "sep=" and text[4:5] in separators:  # what Excel takes as an instruction
            separators = (text[4],)
            continue
        if raw.problem is not None:
            return None
        best: tuple[int, str, list[str]] | None = None
        for separator in separators:
            headers = csv_table.cells(text.encode("utf-8", "replace"), separator, "utf-8")[:MAX_COLUMNS]
            while headers and not headers[-1]:
                headers.pop()
            dialect = contact_columns.recognised(headers)
            if best is None or dialect.understood > best[0]:
                best = (dialect.understood, separator, headers)
        if best is None or any(_SENTENCE.search(header) for header in best[2]):
            return None
        if not _reaches(contact_columns.recognised(best[2])):
            return None
        return best[1], best[2], raw.end, raw.end_line
    return None


def _reaches(dialect: Dialect) -> bool:
    """Whether somebody can be found in such a table: an address, or a name with a number, a place or a day."""
    if dialect.understood * 4 < len(dialect.columns):
        return False
    return dialect.has("email") or (dialect.has(*_NAMES) and dialect.has("tel", "adr", "birthday", "birth", "im"))


def _remark(source: files.Source, layout: Layout) -> str:
    """One sentence on what a file was taken for, so that a wrong guess is seen at once."""
    if layout.dialect.name.startswith("table"):
        said = f"{source.shown}: read as a table by the words of its columns"
    else:
        said = f"{source.shown}: read as the address book of {layout.dialect.name}"
    unsure = [layout.headers[n] for n, order in layout.orders.items() if order == "UNKNOWN"]
    if unsure:
        first = "the month" if layout.dialect.month_first else "the day"
        said += f"; the order of dates in {', '.join(unsure)} cannot be told, {first} is taken to come first"
    if unknown := _not_understood(source.path, layout):
        more = f" and {len(unknown) - MAX_REMARKS} more" if len(unknown) > MAX_REMARKS else ""
        said += f"; not understood and kept as they are: {', '.join(unknown[:MAX_REMARKS])}{more}"
    return said + "."


def _not_understood(path: Path, layout: Layout) -> list[str]:
    """The columns without a meaning in which any row says something."""
    unknown = {n for n, column in enumerate(layout.dialect.columns) if column is None and layout.headers[n]}
    found: set[int] = set()
    with files.open_file(path) as handle:
        for raw in _rows(handle, layout, files.Mark(offset=layout.offset, line=layout.line)):
            if found == unknown:
                break
            row = csv_table.cells(raw.data, layout.separator, layout.codec) if raw.problem is None else []
            found.update(n for n in unknown - found if n < len(row) and csv_contact.says(row[n]))
    return [layout.headers[n] for n in sorted(found)]


def _counted(path: Path, layout: Layout) -> int | None:
    """How many rows a file has, or None when it cannot be read.

    The witness against the reader: it goes through characters, not through a parser, and shares no code with `csv_table.py`.
    """
    try:
        with files.open_file(path) as handle:
            stream = _stream(handle, layout.codec, layout.returns, layout.offset)
            return table_witness.count(stream, layout.separator, layout.codec, width=len(layout.headers))
    except OSError:
        return None


PROVIDER = Provider(
    key="csv",
    name="CSV address book",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "IMPORT", "MIRROR"}),
    limitations=(
        "A file is a snapshot: what changes in the address book arrives with the next import.",
        "A table gives no ids: a row is known by its addresses, numbers and name, so one that was renamed arrives as another contact.",
        "Numbers that a spreadsheet has rounded are kept as text; pictures are links at most.",
    ),
    archive_formats=("CSV",),
    docs_path="docs/providers/csv.md",
    archive=CsvArchive(),
)
