"""LDIF address books (.ldif): what Thunderbird, Evolution and directories export.

Speaks RFC 2849 through `formats/ldif.py`; an entry becomes a card and then a contact like any other. What is no entry of a person
is left out and said so, what is broken is reported with its line, and the next one is read. Fetches nothing that a file names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from providers import records
from providers.archives import files, text_stream
from providers.base import ArchiveFormat, Provider, Scan
from providers.formats import ldif, ldif_person, vcard

_FIRST = re.compile(
    rb"(?:\s|#[^\n]*\n(?: [^\n]*\n)*|version[ \t]*:[ \t]*\d+[ \t]*\r?\n)*dn[ \t]*:(?:[^\n]*=|:[ \t]*[A-Za-z0-9+/])", re.I
)
_LINE = 4096  # characters that the counter reads at once
_TOO_LARGE = "The entry is larger than 10 MB. Take out its pictures where it comes from and export it again."
_NO_PERSON = "The entry is a branch of the directory, not a person or a list. It is left out."
_EMPTY = "The entry names nobody: there is no name, address or number to import."


class LdifArchive:
    """The Archive contract for LDIF files."""

    format: ArchiveFormat = "LDIF"

    def recognise(self, path: Path) -> bool:
        """Whether a file begins with an entry's distinguished name, after comments and a version."""
        return _FIRST.match(files.head(path).replace(b"\r\n", b"\n")) is not None

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """Entries by file, counted line by line."""
        sources = files.named(paths, names)
        counted = {source.shown: count for source in sources if (count := _counted(source.path)) is not None}
        return Scan(format=self.format, paths=tuple(source.shown for source in sources), expected=counted)

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
                records.Statement(container=source.shown, kind="CONTACT", expected=_counted(source.path)) for source in sources
            )

        return files.paged(_steps(sources, start, region), start, statements)


def _steps(sources: list[files.Source], start: files.Mark, region: str | None) -> Iterator[files.Step]:
    mark = start
    for index, source in enumerate(sources[start.file :], start.file):
        if index > mark.file:
            mark = files.Mark(file=index, position=mark.position)
        try:
            with files.open_file(source.path) as handle:
                stream = text_stream.utf8(handle, mark.offset)
                for raw in ldif.split_entries(stream, offset=mark.offset, position=mark.position, line=mark.line):
                    mark = files.Mark(index, raw.end, raw.position, raw.end_line)
                    place = records.Place(position=raw.position, path=source.shown, line=raw.line)
                    yield records.Row(item=_item(raw, source.shown, region), place=place), mark, len(raw.data) + 1000
        except OSError as error:
            unopened = files.unopened(source, error, mark)
            mark = unopened[1]
            yield unopened


def _item(raw: ldif.RawEntry, container: str, region: str | None) -> records.Contact | records.Unreadable:
    def unreadable(reason: records.SkipReason, message: str) -> records.Unreadable:
        return records.Unreadable(
            key=f"{container}#{raw.position}", outcome="FAILED" if reason == "UNREADABLE" else "SKIPPED", reason=reason, message=message,
            excerpt=files.excerpt(raw.data) or None, container=container,
        )  # fmt: skip

    if raw.too_large:
        return unreadable("TOO_LARGE", _TOO_LARGE)
    try:
        card = ldif_person.card(ldif.attributes(raw.data))
        if card is None:
            return unreadable("UNSUPPORTED", _NO_PERSON)
        found = vcard.to_contact(card, key=None, region=region, container=container, keep_card=True)
        if not (found.names or found.emails or found.phones or found.handles):
            return unreadable("EMPTY", _EMPTY)
        return found
    except ldif.Broken as broken:
        return unreadable("UNREADABLE", str(broken))
    except Exception as error:  # an entry is a stranger's text: whatever it does, the next one is read
        return unreadable("UNREADABLE", f"The entry could not be understood ({type(error).__name__}). Export it again.")


def _counted(path: Path) -> int | None:
    """How many entries a file has; None when it cannot be read. The witness: it looks at lines alone and shares no code."""
    total, within, fresh = 0, False, True
    try:
        with files.open_file(path) as handle:
            mark = handle.read(2)
            handle.seek(0)
            codec = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
            with io.TextIOWrapper(handle, encoding=codec, errors="replace", newline="\n") as text:
                while line := text.readline(_LINE):
                    begun, fresh = fresh, line.endswith("\n")
                    if not begun:
                        continue
                    bare = line.strip("\r\n\xef\xbb\xbf\ufeff")
                    if not bare.strip(" \t\r\x0b\x0c"):
                        within = within and len(line) == _LINE
                    elif not within and bare[0] not in "# ":
                        name, colon, rest = bare.partition(":")
                        if not (
                            name.strip(" \t").lower() == "version" and colon and rest.strip(" \t").isdecimal() and rest.isascii()
                        ):
                            total, within = total + 1, True
    except OSError:
        return None
    return total


PROVIDER = Provider(
    key="ldif",
    name="LDIF address book",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "IMPORT", "MIRROR"}),
    limitations=(
        "A file is a snapshot: what changes in the address book arrives with the next import.",
        "Entries rarely carry an id: one is known by its addresses, numbers and name.",
        "Changes to entries, values that are only named by a URL, and passwords are not taken.",
    ),
    archive_formats=("LDIF",),
    docs_path="docs/providers/ldif.md",
    archive=LdifArchive(),
)
