"""JSContact files (RFC 9553): cards one after the other, or an array of them, as Kith's own export writes and other programs do.

A card becomes a vCard by RFC 9555 (`formats/jscontact.py`) and then a contact like any other; the vCard is kept beside it, so that what a contact
has no place for is not lost. Streamed, whatever the file's size. Refuses to know whose contacts they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from providers import records
from providers.archives import files, json_stream, text_stream
from providers.archives.address_book import AddressBook
from providers.archives.json_stream import Item, Pattern
from providers.base import ArchiveFormat, Provider
from providers.formats import jscontact, vcard

_FIRST: Final = re.compile(rb"\s*(\[\s*)?\{")
_CARD: Final = re.compile(rb'"@type"\s*:\s*"Card"')
_CUT: Final = "The file ends, or is damaged, here: the rest of it is not read. Export it again and import that file."
_TOO_LARGE: Final = "The card is larger than 16 MB, or has more than 200,000 values. Take out its pictures where it comes from and export it again."
_BROKEN: Final = "This is no JSON. Export it again, or enter this contact by hand."
_STRANGE: Final = "This is no card of JSContact (RFC 9553): it is left out."
_EMPTY: Final = "The card is empty: there is no name, address or number to import."


class _Stood(msgspec.Struct, frozen=True):
    """Where a card stood: a `files.Raw`."""

    position: int
    line: int
    end: int
    end_line: int


class JsContactArchive(AddressBook):
    """JSContact files: cards, counted by their brackets."""

    format: ArchiveFormat = "JSCONTACT"

    def recognise(self, path: Path) -> bool:
        """Whether a file begins with an object, or an array of them, and names one a card early."""
        head = files.head(path)
        return _FIRST.match(head) is not None and _CARD.search(head) is not None

    def read(self, source: files.Source, mark: files.Mark, region: str | None) -> Iterator[files.Read]:
        position = mark.position
        with files.open_file(source.path) as handle:
            for item in json_stream.items(text_stream.utf8(handle, 0), _pattern(source.path)):
                if item.end <= mark.offset:
                    continue
                position += 1
                found = _contact(item, position, source.shown, region)
                photo = found.photo.data or b"" if isinstance(found, records.Contact) and found.photo else b""
                yield _Stood(position, item.line, item.end, item.end_line), found, len(item.data) + len(photo) + 1000

    def counted(self, path: Path) -> int | None:
        try:
            with files.open_file(path) as handle:
                return json_stream.count(text_stream.utf8(handle, 0), _pattern(path))
        except OSError:
            return None


def _pattern(path: Path) -> Pattern:
    """Where the cards stand: in an array, or one after the other."""
    first = _FIRST.match(files.head(path))
    return ("*",) if first is not None and first[1] else ()


def _contact(item: Item, position: int, container: str, region: str | None) -> records.Contact | records.Unreadable:
    def unreadable(reason: records.SkipReason, message: str) -> records.Unreadable:
        return records.Unreadable(
            key=f"{container}#{position}", outcome="FAILED" if reason == "UNREADABLE" else "SKIPPED", reason=reason, message=message,
            excerpt=files.excerpt(item.data) or None, container=container,
        )  # fmt: skip

    if item.problem is not None:
        return unreadable("TOO_LARGE", _TOO_LARGE) if item.problem == "TOO_LARGE" else unreadable("UNREADABLE", _CUT)
    try:
        card = jscontact.card(msgspec.json.decode(item.data))
        if card is None:
            return unreadable("UNSUPPORTED", _STRANGE)
        if vcard.is_empty(card):
            return unreadable("EMPTY", _EMPTY)
        found = vcard.to_contact(card, key=None, region=region, container=container)
        return msgspec.structs.replace(found, vcard=vcard.kept_beside(card))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unreadable("UNREADABLE", _BROKEN)
    except Exception as error:  # a card is a stranger's file: whatever it does, the next one is read
        return unreadable("UNREADABLE", f"The card could not be understood ({type(error).__name__}). Export it again.")


PROVIDER = Provider(
    key="jscontact",
    name="JSContact file",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "IMPORT", "MIRROR"}),
    limitations=(
        "A file is a snapshot: what changes in the address book arrives with the next import.",
        "Of localised cards the main language is read; the others are kept and exported again.",
    ),
    archive_formats=("JSCONTACT",),
    docs_path="docs/providers/jscontact.md",
    archive=JsContactArchive(),
)
