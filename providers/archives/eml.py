"""Single mails as files (.eml), loose or in folders: what Outlook, Thunderbird and webmail save, and Apple Mail keeps (.emlx).

Speaks RFC 5322 through `formats/mime.py`. In a folder whatever begins like a mail is one, whatever it is called; the folder is
the container, and a loose file its own. Apple's files begin with the length of the mail and end with a property list, whose flags
are read. Other files in the folder are none of its business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from providers import records
from providers.archives import files, mails
from providers.base import ArchiveFormat, Provider, Scan
from providers.formats import mail_header, mail_state, mbox
from providers.formats.own_address import OwnAddressInference

# Two of these in the header make a file a mail; one occurs in other text files too.
_SIGNS = frozenset(
    {"from", "to", "date", "subject", "message-id", "received", "return-path", "delivered-to", "mime-version", "x-unsent", "cc"}
)
_APPLE_LENGTH = re.compile(rb"\s{0,4}(\d{1,10})[ \t]*\r?\n")
_APPLE_FLAGS = re.compile(rb"<key>flags</key>\s*<integer>(\d{1,19})</integer>")
_READ, _DELETED, _ANSWERED, _FLAGGED, _DRAFT = 1 << 0, 1 << 1, 1 << 2, 1 << 4, 1 << 6  # as Apple Mail packs them


class EmlArchive:
    """The Archive contract for single mails."""

    format: ArchiveFormat = "EML"

    def recognise(self, path: Path) -> bool:
        """Whether a file begins with the header of a mail, or a folder holds such files."""
        if files.is_folder(path):
            return any(self.recognise(file) for file in files.walk(path, into=_not_maildir))
        head = files.head(path)
        apple = _APPLE_LENGTH.match(head)
        head = head[apple.end() :] if apple else head
        first = head.split(b"\n", 1)[0]
        if not re.match(rb"[!-9;-~]+[ \t]*:", first) or re.match(rb"BEGIN[ \t]*:", first, re.I):
            return False
        return len(_SIGNS & mail_header.split(head)[0].names()) >= 2

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """Mails by folder, counted by another way of looking at them, and whose they seem to be."""
        inference = OwnAddressInference()
        listed = self._files(paths, names)
        for _, file in listed:
            data = files.head(file.path)
            apple = _APPLE_LENGTH.match(data)
            fields, _ = mail_header.split(data, apple.end() if apple else 0)
            if mails.looks_like_mail(fields):
                mails.feed(inference, fields)
        return Scan(
            format=self.format,
            paths=tuple(dict.fromkeys(container for container, _ in listed)),
            expected=_counted(paths, names),
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
        """The mails by folder and file name."""
        listed = self._files(paths, names)
        start = files.mark_of(cursor)

        def statements() -> tuple[records.Statement, ...]:
            counted = _counted(paths, names)
            containers = dict.fromkeys([container for container, _ in listed] + list(counted))
            return tuple(records.Statement(container=item, kind="MESSAGE", expected=counted.get(item, 0)) for item in containers)

        return files.paged(_steps(listed, start, own), start, statements)

    def _files(self, paths: list[Path], names: Mapping[Path, str] | None) -> list[tuple[str, files.Source]]:
        """Each mail with the folder that it is in; files that are given are mails by decree, those found must look like one."""
        found: dict[Path, tuple[str, files.Source]] = {}
        for source in files.named(paths, names):
            if not files.is_folder(source.path):
                found.setdefault(source.path, (source.shown, source))
                continue
            for path in files.walk(source.path, into=_not_maildir):
                if path not in found and self.recognise(path):
                    shown = f"{source.shown}/{path.relative_to(source.path).as_posix()}"
                    found[path] = (shown.rpartition("/")[0], files.Source(path, shown))
        return list(found.values())


def _not_maildir(folder: Path) -> bool:
    return not (files.is_folder(folder / "cur") and files.is_folder(folder / "new"))


def _steps(listed: list[tuple[str, files.Source]], start: files.Mark, own: frozenset[str]) -> Iterator[files.Step]:
    for index, (container, file) in enumerate(listed[start.file :], start.file + 1):
        item = _item(file, container, own)
        place = records.Place(position=index, path=file.shown, line=1)
        yield records.Row(item=item, place=place), files.Mark(file=index, position=index), mails.weight(item)


def _item(file: files.Source, container: str, own: frozenset[str]) -> records.Message | records.Unreadable:
    try:
        with files.open_file(file.path) as handle:
            data = handle.read(mbox.MAX_MAIL)
    except OSError as error:
        return mails.unopened(file.shown, container, error)
    state = None
    apple = _APPLE_LENGTH.match(data)
    if apple:
        end = apple.end() + int(apple[1])
        flags = _APPLE_FLAGS.search(data, end)
        state = _apple_state(int(flags[1])) if flags else None
        data = data[apple.end() : end]
    return mails.item(data.removeprefix(b"\xef\xbb\xbf"), container=container, fallback_key=file.shown, own=own, state=state)


def _apple_state(flags: int) -> mail_state.State:
    return mail_state.State(
        unread=not flags & _READ,
        deleted=bool(flags & _DELETED),
        answered=bool(flags & _ANSWERED),
        flagged=bool(flags & _FLAGGED),
        draft=bool(flags & _DRAFT),
    )


def _counted(paths: list[Path], names: Mapping[Path, str] | None) -> dict[str, int]:
    """Mails by folder, found by another walk and judged line by line: the witness against the reader."""
    total: dict[str, int] = {}
    seen: set[str] = set()
    for source in files.named(paths, names):
        if not files.is_folder(source.path):
            if os.fspath(source.path) not in seen:
                seen.add(os.fspath(source.path))
                total[source.shown] = 1
            continue
        if not source.path.is_dir():
            for path in files.walk(source.path, into=_not_maildir):
                if os.fspath(path) not in seen and _parses_as_mail(files.head(path)):
                    seen.add(os.fspath(path))
                    shown = f"{source.shown}/{path.relative_to(source.path).as_posix()}".rpartition("/")[0]
                    total[shown] = total.get(shown, 0) + 1
            continue
        for folder, below, contained in os.walk(source.path):
            if "cur" in below and "new" in below and folder != os.fspath(source.path):
                below.clear()
                continue
            within = os.path.relpath(folder, source.path).replace(os.sep, "/")
            shown = source.shown if within == "." else f"{source.shown}/{within}"
            for name in contained:
                at = os.path.join(folder, name)
                if at not in seen and not os.path.islink(at) and os.path.isfile(at) and _parses_as_mail(_beginning(at)):
                    seen.add(at)
                    total[shown] = total.get(shown, 0) + 1
    return total


def _beginning(at: str) -> bytes:
    try:
        with open(at, "rb") as handle:
            return handle.read(files.HEAD).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return b""


def _parses_as_mail(data: bytes) -> bool:
    first, _, rest = data.lstrip().partition(b"\n")
    data = rest if first.strip().isdigit() else data
    signs = set()
    for number, line in enumerate(data.split(b"\n")):
        name, colon, _ = line.partition(b":")
        if not number and (not colon or name[:1].isspace() or b" " in name.strip() or name.strip().upper() == b"BEGIN"):
            return False
        if not line.strip():
            break
        if colon and not line[:1].isspace():
            signs.add(name.strip().lower().decode("latin-1"))
    return len(signs & _SIGNS) >= 2


PROVIDER = Provider(
    key="eml",
    name="Single mails (.eml)",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "IMPORT", "MIRROR"}),
    limitations=(
        "Files are a snapshot: newer mail arrives with the next import.",
        "Single mails do not say whether they were read; only Apple Mail's do.",
        "Whether the sender of a mail is who it says cannot be seen in a file.",
        "Attachments are counted, not kept; of a mail over 32 MB the beginning is read.",
    ),
    archive_formats=("EML",),
    docs_path="docs/providers/eml.md",
    archive=EmlArchive(),
)
