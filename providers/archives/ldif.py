"""LDIF address books (.ldif): what Thunderbird, Evolution and directories export.

Speaks RFC 2849 through `formats/ldif.py`; an entry becomes a card and then a contact like any other. What is no entry of a person
is left out and said so, what is broken is reported with its line, and the next one is read. Fetches nothing that a file names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from providers import records
from providers.archives import files, text_stream
from providers.archives.address_book import AddressBook
from providers.base import ArchiveFormat, Provider
from providers.formats import ldif, ldif_person, vcard

_FIRST = re.compile(
    rb"(?:\s|#[^\n]*\n(?: [^\n]*\n)*|version[ \t]*:[ \t]*\d+[ \t]*\r?\n)*dn[ \t]*:(?:[^\n]*=|:[ \t]*[A-Za-z0-9+/])", re.I
)
_LINE = 4096  # characters that the counter reads at once
_TOO_LARGE = "The entry is larger than 10 MB. Take out its pictures where it comes from and export it again."
_NO_PERSON = "The entry is a branch of the directory, not a person or a list. It is left out."
_EMPTY = "The entry names nobody: there is no name, address or number to import."


class LdifArchive(AddressBook):
    """LDIF files: entries, counted line by line."""

    format: ArchiveFormat = "LDIF"

    def recognise(self, path: Path) -> bool:
        """Whether a file begins with an entry's distinguished name, after comments and a version."""
        return _FIRST.match(files.head(path).replace(b"\r\n", b"\n")) is not None

    def read(self, source: files.Source, mark: files.Mark, region: str | None) -> Iterator[files.Read]:
        with files.open_file(source.path) as handle:
            stream = text_stream.utf8(handle, mark.offset)
            for raw in ldif.split_entries(stream, offset=mark.offset, position=mark.position, line=mark.line):
                yield raw, _item(raw, source.shown, region), len(raw.data) + 1000

    def counted(self, path: Path) -> int | None:
        return _counted(path)


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
