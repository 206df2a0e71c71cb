"""vCard files (.vcf): the address book export of phones, mail programs and web services.

Speaks RFC 6350, RFC 2426 and vCard 2.1 through `formats/vcard.py`. A file holds any number of cards of mixed versions and is
streamed; a card that is broken, cut or too large is reported and the next one read. Refuses to know whose contacts they are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from providers import records
from providers.archives import files, text_stream
from providers.archives.address_book import AddressBook
from providers.base import ArchiveFormat, Provider
from providers.formats import vcard
from providers.formats.vcard_syntax import Problem

_BEGIN = re.compile(rb"^[ \t]*BEGIN[ \t]*:[ \t]*VCARD[ \t]*\r?$", re.I | re.M)
_FIRST_BEGIN = re.compile(rb"\s*BEGIN[ \t]*:[ \t]*VCARD\b", re.I)
_HEADER = re.compile(rb"\s*(?:From |[!-9;-~]+:)")
_LINE = 4096  # characters that the counter reads at once

_PROBLEMS: dict[Problem, tuple[records.SkipReason, str]] = {
    "CUT": (
        "UNREADABLE",
        "The card has no END:VCARD, so a part of it may be missing. Export it again and import that file.",
    ),
    "STRAY": (
        "UNREADABLE",
        "Here ends a card that never began: its BEGIN:VCARD is missing. Export it again and import that file.",
    ),
    "TOO_LARGE": (
        "TOO_LARGE",
        "The card is larger than 10 MB, or has too many lines. Take out its pictures where it comes from and export it again.",
    ),
}


class VCardArchive(AddressBook):
    """vCard files: cards, counted line by line; pictures that lie beside them come with them."""

    format: ArchiveFormat = "VCARD"

    def recognise(self, path: Path) -> bool:
        """Whether a file begins with a card, or holds one early and is not a mail."""
        data = files.head(path).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return _FIRST_BEGIN.match(data) is not None or (_BEGIN.search(data) is not None and _HEADER.match(data) is None)

    def read(self, source: files.Source, mark: files.Mark, region: str | None) -> Iterator[files.Read]:
        pictures = _pictures(source.path)
        with files.open_file(source.path) as handle:
            stream = text_stream.utf8(handle, mark.offset)
            for raw in vcard.split_cards(stream, offset=mark.offset, position=mark.position, line=mark.line):
                item = _item(raw, source.shown, region)
                if pictures and isinstance(item, records.Contact) and item.names:
                    item = _with_picture(item, pictures)
                photo = item.photo.data or b"" if isinstance(item, records.Contact) and item.photo else b""
                yield raw, item, len(raw.data) + len(photo) + 1000

    def counted(self, path: Path) -> int | None:
        return _counted(path)


def _pictures(path: Path) -> dict[str, Path]:
    """The pictures that lie beside a file of an archive, by name: Google Takeout writes each contact's picture so."""
    if path.exists():
        return {}
    return {file.stem: file for file in files.entries(path.parent) if file.suffix.lower() in (".jpg", ".jpeg", ".png")}


def _with_picture(contact: records.Contact, pictures: Mapping[str, Path]) -> records.Contact:
    """The contact with the picture that bears its name; a link gives way to it."""
    path = pictures.get(contact.names[0].full)
    if path is None or (contact.photo is not None and contact.photo.data is not None):
        return contact
    try:
        with files.open_file(path) as handle:
            data = handle.read(vcard.MAX_PHOTO + 1)
    except OSError:
        return contact
    media_type = vcard.image_type(data)
    if media_type is None or len(data) > vcard.MAX_PHOTO:
        return contact
    return msgspec.structs.replace(contact, photo=records.Photo(media_type=media_type, data=data))


def _item(raw: vcard.RawCard, container: str, region: str | None) -> records.Contact | records.Unreadable:
    if raw.problem is not None:
        reason, message = _PROBLEMS[raw.problem]
        return _unreadable(raw, container, "SKIPPED" if reason == "TOO_LARGE" else "FAILED", reason, message)
    try:
        card = vcard.parse(raw.data)
        if vcard.is_empty(card):
            return _unreadable(
                raw, container, "SKIPPED", "EMPTY", "The card is empty: there is no name, address or number to import."
            )
        found = vcard.to_contact(card, key=None, region=region, container=container)
        return msgspec.structs.replace(found, vcard=vcard.kept_beside(card))
    except Exception as error:  # a card is a stranger's file: whatever it does, the next one is read
        message = f"The card could not be understood ({type(error).__name__}). Export it again, or enter this contact by hand."
        return _unreadable(raw, container, "FAILED", "UNREADABLE", message)


def _unreadable(
    raw: vcard.RawCard, container: str, outcome: records.Outcome, reason: records.SkipReason, message: str
) -> records.Unreadable:
    return records.Unreadable(
        key=f"{container}#{raw.position}",
        outcome="SKIPPED" if outcome == "SKIPPED" else "FAILED",
        reason=reason,
        message=message,
        excerpt=files.excerpt(raw.data) or None,
        container=container,
    )


def _counted(path: Path) -> int | None:
    """How many cards begin in a file, or end without having begun; None when it cannot be read.

    The witness against the reader: it looks at text lines alone and shares no code with `split_cards`.
    """
    total = opened = 0
    indent, fresh, agent = "", True, False
    try:
        with files.open_file(path) as handle:
            mark = handle.read(2)
            handle.seek(0)
            codec = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
            with io.TextIOWrapper(handle, encoding=codec, errors="replace", newline=None) as text:
                while line := text.readline(_LINE):
                    begun, fresh = fresh, line.endswith("\n")
                    if not begun or (not fresh and len(line) == _LINE):
                        continue
                    if ":" not in line:
                        agent = agent and not line.strip()
                        continue
                    bare = line.lstrip("\ufeff").rstrip("\n")
                    word = bare.replace(" ", "").replace("\t", "").upper() if len(bare) < 200 else ""
                    margin = bare[: len(bare) - len(bare.lstrip(" \t"))]
                    if word == "BEGIN:VCARD":
                        if opened and agent:
                            opened += 1
                        else:
                            total, opened, indent = total + 1, 1, margin
                    elif word == "END:VCARD" and (not opened or margin in ("", indent)):
                        total, opened = (total, opened - 1) if opened else (total + 1, 0)
                    elif opened and word.endswith(":BEGIN:VCARD") and _is_agent(word):
                        opened += 1
                    agent = opened > 0 and word.endswith(":") and _is_agent(word)
    except OSError:
        return None
    return total


def _is_agent(word: str) -> bool:
    return word.partition(":")[0].partition(";")[0].rpartition(".")[2] == "AGENT"


PROVIDER = Provider(
    key="vcard",
    name="vCard file",
    kind="ARCHIVE",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "IMPORT", "MIRROR"}),
    limitations=(
        "A file is a snapshot: what changes in the address book arrives with the next import.",
        "Pictures over 5 MB are left out; cards over 10 MB are reported and not read.",
    ),
    archive_formats=("VCARD",),
    docs_path="docs/providers/vcard.md",
    archive=VCardArchive(),
)
