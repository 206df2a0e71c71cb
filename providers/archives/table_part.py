"""A table among the files of an export: told by the names of its columns, which may stand below a few lines of explanation.

Reads what `formats/csv_table.py` splits, in UTF-8 or what a spreadsheet has saved it as, with the separator that its header has. A row
that is broken is reported alone. Knows no network.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from providers.archives import export, files, table_witness, text_stream
from providers.archives.export import About, Misread, Part, Stood, Taken
from providers.formats import charset_guess, csv_table
from providers.formats.vcard_syntax import ByteStream

MAX_PREAMBLE: Final = 10  # rows that may stand above the names of the columns
MAX_COLUMNS: Final = 200
_PIECE: Final = 256 * 1024
_OPEN: Final = (
    'A cell begins with a quotation mark (") that is never closed. Download the export again, or close it, and import it again; '
    "what was taken already stays as it is."
)
_TOO_LARGE: Final = "The row is longer than 1 MB. It is left out."
_EMPTY: Final = "The row is empty, as those of people are who have left the network or hide themselves. It is left out."
_WIDE: Final = (
    "The row has {said} cells, its table {width} columns: a cell that holds “{separator}” has to stand in quotation marks. Download the "
    "export again, or correct the row, and import it again."
)
_STRANGE: Final = "The row could not be understood ({error}). Download the export again, or correct the row, and import it again."


class Heading(msgspec.Struct, frozen=True):
    """The columns of a table, its separator and charset, and where the first row begins."""

    columns: tuple[str, ...]
    separator: str
    codec: str
    offset: int
    line: int


class TablePart(Part[About]):
    """A table of an export. `columns` are those by which it is told, in lower case."""

    columns: frozenset[str]

    @abstractmethod
    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterable[Taken]:
        """What a row means: an item, then what is to be said beside it; rows have the names of columns in lower case. Raises Misread."""

    def begins(self, head: bytes, path: Path) -> bool:
        if head[:1] in b"{[<":
            return False
        found = _heading(text_stream.Bytes(head), self.columns, "utf-8")
        return found is not None

    def heading(self, path: Path) -> Heading | None:
        """How a file is to be read; None when it is no such table. Raises OSError as the file does."""
        with files.open_file(path) as handle:
            codec = charset_guess.guessed(iter(lambda: handle.read(_PIECE), b""))
            handle.seek(0)
            return _heading(text_stream.utf8(handle, 0, codec), self.columns, codec)

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        if self.kind is None:
            return
        for raw, row, problem in self.rows(source.path, mark):
            stood = Stood(raw.position, raw.line, raw.end, raw.end_line)
            if problem is not None:
                skipped = problem in (_TOO_LARGE, _EMPTY)
                item = export.unreadable(
                    source, raw.position, problem, raw.data, outcome="SKIPPED" if skipped else "FAILED",
                    reason="TOO_LARGE" if problem == _TOO_LARGE else "EMPTY" if skipped else "UNREADABLE",
                )  # fmt: skip
                yield stood, item, export.ITEM_WEIGHT
                continue
            for one in self.understood(row, source, about, raw.position, raw.data):
                yield stood, one, export.weight(one)

    def understood(self, row: Mapping[str, str], source: files.Source, about: About, position: int, data: bytes) -> list[Taken]:
        """What a row means; one that cannot be is Unreadable. `data` is how it was written."""
        try:
            return list(self.taken(row, source, about))
        except Misread as error:
            message = str(error) if str(error).endswith(".") else f"{error}."
            return [export.unreadable(source, position, message, data)]
        except Exception as error:  # a row is a stranger's text: whatever it does, the next one is read
            return [export.unreadable(source, position, _STRANGE.format(error=type(error).__name__), data)]

    def rows(self, path: Path, mark: files.Mark | None = None) -> Iterator[tuple[csv_table.RawRow, dict[str, str], str | None]]:
        """The rows with their cells by the names of columns, and what is wrong with one. Raises OSError as the file does."""
        mark = mark or files.Mark()
        heading = self.heading(path)
        if heading is None:
            return
        if not mark.offset:
            mark = files.Mark(mark.file, heading.offset, mark.position, heading.line)
        with files.open_file(path) as handle:
            split = csv_table.split_rows(
                text_stream.utf8(handle, mark.offset, heading.codec), heading.separator, heading.codec, width=len(heading.columns),
                offset=mark.offset, position=mark.position, line=mark.line,
            )  # fmt: skip
            for raw in split:
                yield raw, *_read(raw, heading)

    def counted(self, path: Path) -> int:
        heading = self.heading(path)
        if heading is None:
            return 0
        with files.open_file(path) as handle:
            stream = text_stream.utf8(handle, heading.offset, heading.codec)
            return table_witness.count(stream, heading.separator, heading.codec, width=len(heading.columns))


def _read(raw: csv_table.RawRow, heading: Heading) -> tuple[dict[str, str], str | None]:
    """The cells of a row, and what is wrong with it."""
    if raw.problem is not None:
        return {}, _TOO_LARGE if raw.problem == "TOO_LARGE" else _OPEN
    cells = csv_table.cells(raw.data, heading.separator, heading.codec)
    width = len(heading.columns)
    if any(cells[width:]):
        said = len(cells) - next(n for n, cell in enumerate(reversed(cells)) if cell)
        return {}, _WIDE.format(said=said, width=width, separator=heading.separator)
    if not any(cells):
        return {}, _EMPTY
    return dict(zip(heading.columns, cells + [""] * (width - len(cells)), strict=False)), None


def _heading(stream: ByteStream, wanted: frozenset[str], codec: str) -> Heading | None:
    """The first row that names the columns that are wanted; None when none of the first ones does."""
    for number, raw in enumerate(csv_table.split_rows(stream, ",", codec, width=0)):
        if number == MAX_PREAMBLE:
            return None
        if raw.problem is not None:
            continue
        text = raw.data.removeprefix(b"\xef\xbb\xbf")
        for separator in csv_table.SEPARATORS:
            columns = [name.strip().lower() for name in csv_table.cells(text, separator, codec)[:MAX_COLUMNS]]
            while columns and not columns[-1]:
                columns.pop()
            if wanted.issubset(columns):
                return Heading(tuple(columns), separator, codec, raw.end, raw.end_line)
    return None
