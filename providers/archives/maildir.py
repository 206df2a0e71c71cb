"""Maildir folders: one file a mail, as Dovecot, Courier, mutt and offlineimap keep them.

Speaks the Maildir layout (`cur`, `new`, `tmp`) and Maildir++ (subfolders whose names begin with a dot); flags stand in the file
name after `:2,`, or `;2,` and `!2,` where the file system forbids colons. `tmp` holds deliveries that never finished and is
left alone, trashed mails are left out and said so. Never changes a folder, and follows no link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from providers import records
from providers.archives import files, mails
from providers.base import ArchiveFormat, Provider, Scan
from providers.formats import mail_header, mail_state, mbox
from providers.formats.own_address import OwnAddressInference

_SHELVES = ("cur", "new")
_DELIVERED = re.compile(r"(\d{9,10})[._]")  # a name begins with the second of delivery
_FLAGS = re.compile(r"[:;!,]2,[A-Za-z]*\Z")


class MaildirArchive:
    """The Archive contract for Maildir folders."""

    format: ArchiveFormat = "MAILDIR"

    def recognise(self, path: Path) -> bool:
        """Whether a folder has `cur` and `new` (`tmp` is empty, and often not copied)."""
        return all(files.is_folder(path / shelf) and not (path / shelf).is_symlink() for shelf in _SHELVES)

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """Mails by folder, counted by directory entries, and whose they seem to be."""
        inference = OwnAddressInference()
        folders = self._folders(paths, names)
        for folder in folders:
            for name, new in _mails(folder.path):
                path = _place(folder.path, name, new)
                fields, _ = mail_header.split(files.head(path))
                if mails.looks_like_mail(fields):
                    mails.feed(inference, fields)
        return Scan(
            format=self.format,
            paths=tuple(folder.shown for folder in folders),
            expected={folder.shown: count for folder in folders if (count := _counted(folder.path)) is not None},
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
        """The mails, folder by folder, in the order of their file names, which is that of their delivery."""
        folders = self._folders(paths, names)
        start = files.mark_of(cursor)

        def statements() -> tuple[records.Statement, ...]:
            return tuple(
                records.Statement(container=item.shown, kind="MESSAGE", expected=_counted(item.path)) for item in folders
            )

        return files.paged(_steps(folders, start, own), start, statements)

    def _folders(self, paths: list[Path], names: Mapping[Path, str] | None) -> list[files.Source]:
        """The Maildirs given and those inside them, each once, the outer before the inner."""
        found: dict[Path, files.Source] = {}
        for source in files.named(paths, names):
            for folder in files.folders(source.path, leave=(*_SHELVES, "tmp")):
                if self.recognise(folder):
                    below = folder.relative_to(source.path).as_posix()
                    found.setdefault(folder, files.Source(folder, source.shown if below == "." else f"{source.shown}/{below}"))
        return list(found.values())


def _steps(folders: list[files.Source], start: files.Mark, own: frozenset[str]) -> Iterator[files.Step]:
    mark = start
    for index, folder in enumerate(folders[start.file :], start.file):
        read = mark.offset if index == mark.file else 0
        for number, (name, new) in enumerate(_mails(folder.path)[read:], read + 1):
            path = _place(folder.path, name, new)
            mark = files.Mark(file=index, offset=number, position=mark.position + 1)
            item = _item(path, new, f"{folder.shown}#{number}", folder.shown, own)
            place = records.Place(position=mark.position, path=f"{folder.shown}/{path.parent.name}/{path.name}")
            yield records.Row(item=item, place=place), mark, mails.weight(item)


def _item(path: Path, new: bool, key: str, container: str, own: frozenset[str]) -> records.Message | records.Unreadable:
    try:
        with files.open_file(path) as handle:
            data = handle.read(mbox.MAX_MAIL)
    except OSError as error:
        return mails.unopened(key, container, error)
    delivered = _DELIVERED.match(path.name)
    return mails.item(
        data,
        container=container,
        fallback_key=key,
        own=own,
        envelope=datetime.fromtimestamp(int(delivered[1]), UTC) if delivered else None,
        state=mail_state.from_maildir(path.name, new),
    )


def _mails(folder: Path) -> list[tuple[str, bool]]:
    """The names of one Maildir's mails with whether they are new, in an order that changed flags do not disturb."""
    found = [(name, shelf == "new") for shelf in _SHELVES for name in files.names(folder / shelf) if not name.startswith(".")]
    found.sort(key=lambda pair: (_FLAGS.sub("", pair[0]), pair[0]))
    return found


def _place(folder: Path, name: str, new: bool) -> Path:
    return folder / ("new" if new else "cur") / name


def _counted(folder: Path) -> int | None:
    """How many mails lie in a Maildir by the file system's own list: the witness against the reader."""
    total = 0
    for shelf in _SHELVES:
        if not folder.is_dir():  # in a zip archive
            total += sum(1 for path in files.entries(folder / shelf) if path.name[0] != ".")
            continue
        try:
            with os.scandir(folder / shelf) as entries:
                total += sum(1 for entry in entries if entry.name[0] != "." and entry.is_file() and not entry.is_symlink())
        except OSError:
            return None
    return total


PROVIDER = Provider(
    key="maildir",
    name="Maildir folder",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "READ_STATE", "IMPORT", "MIRROR"}),
    limitations=(
        "A folder is imported as it stands: newer mail arrives with the next import.",
        "Whether the sender of a mail is who it says cannot be seen in a file.",
        "Attachments are counted, not kept; of a mail over 32 MB the beginning is read.",
    ),
    archive_formats=("MAILDIR",),
    docs_path="docs/providers/maildir.md",
    archive=MaildirArchive(),
)
