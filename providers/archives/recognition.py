"""Which files are what: looks into each file and folder of an import and groups them by the format they are in.

Names and endings decide nothing, content does: exports are renamed, localised and staged. What is not recognised is listed
with a reason and, for the usual other formats, with what to do. Knows the formats only through the provider catalogue.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from providers.archives import files
from providers.base import ArchiveFormat, Provider, catalogue

MAX_FILES = 100_000

# Asked in this order: an mbox begins like nothing else; a mail may have a card attached.
_ORDER: tuple[ArchiveFormat, ...] = ("MAILDIR", "MBOX", "VCARD", "EML")
_IGNORED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".localized"})  # left by file managers, nothing of the user's
_KNOWN_OTHERS = (
    (b"PK\x03\x04", "This is a zip archive. Unpack it and import the folder."),
    (b"\x1f\x8b", "This is a compressed archive. Unpack it and import the folder."),
    (
        b"!BDN",
        "This is an Outlook data file (.pst). Export its mail as mbox or .eml, its contacts as vCard, and import those.",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "This is an Outlook message (.msg) or an old Office file. Save mails as .eml, contacts as vCard, and import those.",
    ),
    (b"%PDF", "This is a PDF: there are no contacts or mails in it that could be read."),
    (b"SQLite format 3", "This is a database of some program. Export vCard or mbox from that program and import the export."),
    (b"BEGIN:VCALENDAR", "This is a calendar. Only contacts and mail are imported from files."),
)
_EMPTY = "The file is empty."
_UNKNOWN = "This is neither vCard nor mail. Export contacts as vCard (.vcf), mail as mbox, Maildir or .eml, and import that."


class Recognised(msgspec.Struct, frozen=True):
    """What an import is made of: paths by provider, and what could not be told, with the reason."""

    groups: list[tuple[Provider, list[Path]]]
    unrecognised: list[tuple[Path, str]]


def recognise(paths: list[Path]) -> Recognised:
    """Groups files and folders by format. Folders are walked (at most 100,000 files, links left out).

    A Maildir, and a folder of .eml files, is one path; every other file is one of its own.
    """
    archives = {provider.archive.format: provider for provider in catalogue().values() if provider.archive is not None}
    groups: dict[ArchiveFormat, list[Path]] = {}
    unrecognised: list[tuple[Path, str]] = []
    looked_at = 0

    def look(path: Path, within_folder: bool) -> None:
        for name in _ORDER:
            if name not in archives or name == "MAILDIR":
                continue
            archive = archives[name].archive
            if archive is not None and archive.recognise(path):
                found = groups.setdefault(name, [])
                where = path.parent if name == "EML" and within_folder else path
                if not found or found[-1] != where:
                    found.append(where)
                return
        unrecognised.append((path, _reason(path)))

    def is_maildir(folder: Path) -> bool:
        provider = archives.get("MAILDIR")
        return provider is not None and provider.archive is not None and provider.archive.recognise(folder)

    def enter(folder: Path) -> bool:
        """Whether to walk into a folder as one of loose files; a Maildir is taken whole."""
        if not is_maildir(folder):
            return True
        groups.setdefault("MAILDIR", []).append(folder)
        return False

    for path in paths:
        if path.is_dir():
            if not enter(path):
                continue
            for file in files.walk(path, into=enter):
                looked_at += 1
                if looked_at > MAX_FILES:
                    unrecognised.append((path, f"There are more than {MAX_FILES:,} files. Import the folder in parts."))
                    break
                if file.name not in _IGNORED:
                    look(file, True)
        elif path.is_file():
            look(path, False)
        else:
            unrecognised.append((path, "There is no such file or folder."))
    ordered = [(archives[name], list(dict.fromkeys(groups[name]))) for name in _ORDER if name in groups]
    return Recognised(ordered, unrecognised)


def _reason(path: Path) -> str:
    data = files.head(path)
    if not data:
        return _EMPTY if path.stat().st_size == 0 else "The file cannot be read. Check its permissions."
    return next((advice for magic, advice in _KNOWN_OTHERS if data.startswith(magic)), _UNKNOWN)
