"""Which files are what: looks into each file and folder of an import and groups them by the format they are in.

Names and endings decide nothing, content does: exports are renamed, localised and staged. What is not recognised is listed
with a reason and, for the usual other formats, with what to do. Knows the formats only through the provider catalogue.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from providers.archives import files, zipped
from providers.base import ArchiveFormat, Provider, catalogue

MAX_FILES = 100_000
MAX_FOLDERS = 100_000

# Asked in this order: an mbox begins like nothing else; a mail may have a card attached, and its header may have commas.
# Tables of a network's export have names and addresses in them too, which makes none of them an address book.
_ORDER: tuple[ArchiveFormat, ...] = (
    *("MAILDIR", "MBOX", "VCARD", "JSCONTACT"),
    *("LINKEDIN", "X_TWITTER", "INSTAGRAM", "FACEBOOK", "MASTODON", "GOOGLE_TAKEOUT", "TELEGRAM", "SLACK", "DISCORD", "WHATSAPP"),
    *("BLUESKY_CAR", "ANDROID_SMS", "IMESSAGE", "EVERNOTE"),
    *("LDIF", "EML", "CSV"),
)
#: Formats that are many files of many kinds, most of which hold nothing that is taken in.
_EXPORTS: frozenset[ArchiveFormat] = frozenset(
    {"LINKEDIN", "X_TWITTER", "INSTAGRAM", "FACEBOOK", "MASTODON", "SLACK", "DISCORD", "WHATSAPP", "TELEGRAM"}
)
_MEDIA = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"\x1aE\xdf\xa3", b"OggS", b"ID3")  # asked of no format
_IGNORED = frozenset(
    {".DS_Store", "Thumbs.db", "desktop.ini", ".localized", "archive_browser.html"}
)  # left by file managers, nothing of the user's
_PICTURE = "This is a picture. Pictures come in with the contact whose name they bear, in the same folder of an archive."
_PAGE = "This is a web page, made to be looked at. Where a network offers its export as JSON, too, choose JSON when you ask for it, and import that."
_KNOWN_OTHERS = (
    (b"<html", _PAGE),
    (b"<!DOCTYPE html", _PAGE),
    (b"<!doctype html", _PAGE),
    (b"PK\x03\x04", "This is a zip archive within another. Unpack the outer one and import the folder."),
    (b"\x1f\x8b", "This is a compressed archive. Unpack it and import the folder."),
    (
        b"!BDN",
        "This is an Outlook data file (.pst). Export its mail as mbox or .eml, its contacts as vCard, and import those.",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "This is an Outlook message (.msg) or an old Office file. Save mails as .eml, contacts as vCard, and import those.",
    ),
    (b"\xff\xd8\xff", _PICTURE),
    (b"\x89PNG", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"%PDF", "This is a PDF: there are no contacts or mails in it that could be read."),
    (b"SQLite format 3", "This is a database of some program. Export vCard or mbox from that program and import the export."),
    (b"BEGIN:VCALENDAR", "This is a calendar. Only contacts and mail are imported from files."),
)
_EMPTY = "The file is empty."
_LINK = "It is a link, which is not followed. Import what it leads to by its own name, if you want it."
_STRANGE = "It is no file: a device, pipe or socket, which is not read."
_CROWDED = f"The folder has more than {files.MAX_ENTRIES:,} entries. Move them into several folders and import these one by one."
_MANY_FILES = f"There are more than {MAX_FILES:,} files. Import the folder in parts."
_MANY_FOLDERS = f"There are more than {MAX_FOLDERS:,} folders. Import the folder in parts."
_UNKNOWN = (
    "This is neither an address book nor mail, nor an export of a network that is known here. Export contacts as vCard (.vcf), CSV with "
    "column names, or LDIF, mail as mbox, Maildir or .eml, and import that."
)
_REST = "{count:,} other files of this export hold nothing that is taken in (pictures, settings, advertising) and are left out."


class Recognised(msgspec.Struct, frozen=True):
    """What an import is made of: paths by provider, and what could not be told, with the reason."""

    groups: list[tuple[Provider, list[Path]]]
    unrecognised: list[tuple[Path, str]]


def recognise(paths: list[Path]) -> Recognised:
    """Groups files and folders by format. Folders are walked (at most 100,000 files, links left out).

    A zip archive is a folder like any other. A Maildir is one path, and so is a folder that holds single mails and no other
    format; every other file is one of its own.
    """
    archives = {provider.archive.format: provider for provider in catalogue().values() if provider.archive is not None}
    groups: dict[ArchiveFormat, list[Path]] = {}
    unrecognised: list[tuple[Path, str]] = []
    tops: dict[Path, Path] = {}  # single mails found in a folder that was given, with that folder

    def look(path: Path, top: Path | None) -> None:
        with files.looking_at(path) as head:
            for name in () if head.startswith(_MEDIA) else _ORDER:
                archive = archives[name].archive if name in archives and name != "MAILDIR" else None
                if archive is not None and archive.recognise(path):
                    groups.setdefault(name, []).append(path)
                    if name == "EML" and top is not None:
                        tops[path] = top
                    return
            unrecognised.append((path, _reason(path)))

    entered = 0

    def readable(folder: Path) -> bool:
        """Whether a folder can be read as one; what in it is not is named."""
        nonlocal entered
        entered += 1
        if entered > MAX_FOLDERS:
            if entered == MAX_FOLDERS + 1:
                unrecognised.append((folder, _MANY_FOLDERS))
            return False
        seen = files.look(folder)
        unrecognised.extend((folder / name, _LINK) for name in seen.links)
        unrecognised.extend((folder / name, _STRANGE) for name in seen.strange)
        if seen.crowded:
            unrecognised.append((folder, _CROWDED))
        return not seen.crowded

    def enter(folder: Path) -> bool:
        """Whether to walk into a folder as one of loose files; a Maildir is taken whole."""
        if not readable(folder):
            return False
        maildir = archives["MAILDIR"].archive if "MAILDIR" in archives else None
        if maildir is None or not maildir.recognise(folder):
            return True
        if all(readable(inner) for inner in files.folders(folder) if inner != folder):
            groups.setdefault("MAILDIR", []).append(folder)
        return False

    def explore(folder: Path, top: Path) -> None:
        """All files of a folder, and of the zip archives right in it."""
        unrecognised.extend(_refused(folder))
        for number, file in enumerate(files.walk(folder, into=enter) if enter(folder) else ()):
            if number == MAX_FILES:
                unrecognised.append((folder, _MANY_FILES))
                break
            if file.name in _IGNORED or "__MACOSX" in file.parts or _is_half(file):
                continue
            if file.exists() and files.is_folder(file):  # a zip archive; one within another does not exist for the file system
                explore(file, file)
            else:
                look(file, top)

    for path in paths:
        if files.is_folder(path):
            explore(path, path)
        elif path.is_file():
            look(path, None)
        else:
            unrecognised.append((path, "There is no such file or folder."))
    if "EML" in groups:
        others = [path for name, found in groups.items() if name != "EML" for path in found]
        groups["EML"] = _gathered(groups["EML"], tops, others)
    for name in sorted(_EXPORTS & groups.keys()):
        unrecognised = _without_the_rest(unrecognised, groups[name])
    ordered = [(archives[name], list(dict.fromkeys(groups[name]))) for name in _ORDER if name in groups]
    return Recognised(ordered, unrecognised)


def _is_half(file: Path) -> bool:
    """Whether a file is what SQLite keeps beside a database: it comes with it."""
    return file.name.endswith(("-wal", "-shm")) and file.with_name(file.name[:-4]).is_file()


def _without_the_rest(unrecognised: list[tuple[Path, str]], taken: list[Path]) -> list[tuple[Path, str]]:
    """What of an export is not taken as one line, in the place of one for each file; what is refused or broken stays."""
    within = {path: zipped.place(path) for path in taken}
    roots = sorted({place[0] for place in within.values() if place is not None})
    if loose := [path.parent for path, place in within.items() if place is None]:
        roots.append(Path(os.path.commonpath(loose)))
    for root in roots:
        rest = {path for path, reason in unrecognised if reason in (_UNKNOWN, _PICTURE, _EMPTY, _PAGE) and root in path.parents}
        if rest:
            unrecognised = [line for line in unrecognised if line[0] not in rest]
            unrecognised.append((root, _REST.format(count=len(rest))))
    return unrecognised


def _gathered(found: list[Path], tops: dict[Path, Path], others: list[Path]) -> list[Path]:
    """Single mails as the highest folders that hold nothing of another format; those beside something else as they are."""
    mixed = {folder for path in others for folder in path.parents}
    gathered: list[Path] = []
    for path in found:
        place = path
        while path in tops and place != tops[path] and place.parent not in mixed:
            place = place.parent
        gathered.append(place)
    return gathered


def _refused(path: Path) -> list[tuple[Path, str]]:
    """What of a zip archive is not read, or that all of it is not, with the reasons; nothing for other folders."""
    if path.is_dir():
        return []
    try:
        return [(path / name, reason) for name, reason in zipped.listing(path).refused]
    except zipped.BadArchive as error:
        return [(path, str(error))]
    except OSError:
        return [(path, "The file cannot be read. Check its permissions.")]


def _reason(path: Path) -> str:
    data = files.head(path)
    if not data:
        try:
            with files.open_file(path) as handle:
                return _EMPTY if not handle.read(1) else "The file cannot be read. Check its permissions."
        except zipped.BadArchive as error:
            return str(error)
        except OSError:
            return "The file cannot be read. Check its permissions."
    return next((advice for magic, advice in _KNOWN_OTHERS if data.startswith(magic)), _UNKNOWN)
