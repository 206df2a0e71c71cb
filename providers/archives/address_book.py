"""What address books in files have in common, whatever their format: one contact after the other, counted by a witness of its own.

A format says how its files are recognised, read and counted; this makes scans and pages of it. Knows no format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path

from providers import records
from providers.archives import files
from providers.base import ArchiveFormat, Scan


class AddressBook(ABC):
    """The Archive contract for files of contacts."""

    format: ArchiveFormat

    @abstractmethod
    def recognise(self, path: Path) -> bool:
        """Whether a file is of this format, from its content."""

    @abstractmethod
    def read(self, source: files.Source, mark: files.Mark, region: str | None) -> Iterator[files.Read]:
        """The contacts of a file from `mark` on; what is broken is Unreadable. Raises OSError as the file does."""

    @abstractmethod
    def counted(self, path: Path) -> int | None:
        """How many contacts a file has; None when it cannot be read. The witness: it shares no code with `read`."""

    def look(self, source: files.Source) -> tuple[int | None, str | None]:
        """How many contacts a file has, and one sentence on how it was understood, if there is anything to say."""
        return self.counted(source.path), None

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """Contacts by file. Address books do not say whose they are, so there are no own addresses."""
        sources = files.named(paths, names)
        looks = {source.shown: self.look(source) for source in sources}
        return Scan(
            format=self.format,
            paths=tuple(source.shown for source in sources),
            expected={shown: count for shown, (count, _) in looks.items() if count is not None},
            remarks=tuple(remark for _, remark in looks.values() if remark is not None),
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
        """The contacts in the order of the files; `names` says what staged files are called."""
        sources = files.named(paths, names)
        start = files.mark_of(cursor)

        def statements() -> tuple[records.Statement, ...]:
            return tuple(
                records.Statement(container=source.shown, kind="CONTACT", expected=self.counted(source.path))
                for source in sources
            )

        return files.paged(files.steps(sources, start, lambda source, mark: self.read(source, mark, region)), start, statements)
