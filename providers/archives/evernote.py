"""Evernote's exports of notebooks (`.enex`): notes, and business cards that were scanned or written down, as contacts.

Reads the elements of `note` of evernote-export 2 to 4 (Evernote's published DTDs) and in a card's own text (ENML 2) what Evernote has
marked as name, number or address. Any other note is something that its owner wrote (ActivityStreams 2.0 Vocabulary, Note), seen by nobody
else. No document type is ever fetched or interpreted. A note has no id: it is known by its title and when it was made, by what it says
where that is not said.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from providers import records
from providers.archives import export, files, text_stream, xml_items
from providers.archives.export import Export, Part, Stood
from providers.base import ArchiveFormat, Provider
from providers.formats import charset, email_address, enml, html_text, html_tokens, phone_number, vcard

KEY: Final = "evernote"
MAX_CONTENT: Final = 1_000_000  # characters of a note that are looked at
MAX_VALUES: Final = 50  # of one card or note
MAX_SUMMARY: Final = 200  # characters of a note without a title
ME: Final = "me@evernote.com"  # the owner of a notebook, whom no export names
_NOTE: Final = ("note",)
_BEGINS: Final = re.compile(
    rb"\s*+(?:<\?[^>]*+>\s*+|<!--(?:(?!-->).)*+-->\s*+|<!DOCTYPE\s++en-export\b[^>\[]*+>\s*+)*+<en-export[\s>/]", re.DOTALL
)
_CARD: Final = "evernote.contact.1"  # content-class of a business card
_MARK: Final = re.compile(r"x-evernote:\s*([a-z-]+)", re.I)
#: What Evernote marks; what it finds under other marks is not read.
_NAME, _TITLE, _COMPANY, _ADDRESS = "display-as", "contact-title", "contact-org", "address"
_PHONES: Final = {"phone": "work", "mobile": "cell", "fax": "fax"}
_MAIL, _URL = "email", "url"
_READ: Final = frozenset({_NAME, _TITLE, _COMPANY, _ADDRESS, _MAIL, _URL, *_PHONES})
_EMPTY_ELEMENTS: Final = frozenset({"br", "img", "hr", "en-media", "en-todo", "input", "col", "area"})
_BLOCKS: Final = frozenset({"br", "div", "p", "li", "tr", "td"})

_EMPTY: Final = "The note is empty: it has no title and no text."
_NOBODY: Final = "The business card names nobody: there is no name, address or number to take in."
_CUT: Final = (
    "The note does not end: the file is cut, or damaged, here. Export the notebook again and import it; what was taken already stays as "
    "it is."
)
_TOO_LARGE: Final = "The note is longer than 16 MB without its files, or made of more than 200,000 parts. It is left out."
_BROKEN: Final = "The note is no XML ({error}). Export the notebook again and import it."
_STRANGE: Final = "The note could not be understood ({error}). The rest of the file was read."


class Notebook(Part[str | None]):
    """A notebook's file, of cards and notes. What all files say together is nothing; they are read in a region."""

    kind = "ACTIVITY"

    def begins(self, head: bytes, path: Path) -> bool:
        return _BEGINS.match(head) is not None

    def read(self, source: files.Source, mark: files.Mark, about: str | None) -> Iterator[files.Read]:
        with files.open_file(source.path) as handle:
            for element in xml_items.items(text_stream.utf8(handle, 0), _NOTE):
                if element.number <= mark.offset:
                    continue
                position = mark.position + element.number - mark.offset
                item = _item(element, source, position, about)
                yield Stood(position, element.line, element.number, element.end_line), item, export.weight(item)

    def counted(self, path: Path) -> int:
        with files.open_file(path) as handle:
            return xml_items.count(text_stream.utf8(handle, 0), _NOTE)


class EvernoteArchive(Export[str | None]):
    """The Archive contract for Evernote's exports."""

    format: ArchiveFormat = "EVERNOTE"
    parts = (Notebook(),)

    def look(self, sources: Sequence[tuple[Part[str | None], files.Source]], own: frozenset[str]) -> str | None:
        return None

    def settled(self, about: str | None, region: str | None) -> str | None:
        return region

    def profile(self, about: str | None) -> records.Profile | None:
        """Nothing says whose notebook it is; what is in it is its owner's."""
        return records.Profile(user_id="", label="notebooks", own_addresses=(records.OwnAddress(value=ME, kind="HANDLE"),))

    def remarks(self, about: str | None, sources: Sequence[files.Source]) -> tuple[str, ...]:
        return ()


def _item(
    element: xml_items.Item, source: files.Source, position: int, region: str | None
) -> records.Contact | records.Activity | records.Unreadable:
    if element.problem == "TOO_LARGE":
        return export.unreadable(source, position, _TOO_LARGE, element.data, outcome="SKIPPED", reason="TOO_LARGE")
    if element.problem == "CUT":
        return export.unreadable(source, position, _CUT, element.data)
    try:
        note = xml_items.parsed(element)
        content = note.findtext("content", "")[:MAX_CONTENT]
        title = charset.line(note.findtext("title", ""))
        if note.findtext("note-attributes/content-class", "") != _CARD and "x-evernote:contact" not in content.lower():
            written = _written(note, title, content, source)
            return written or export.unreadable(source, position, _EMPTY, b"", outcome="SKIPPED", reason="EMPTY")
        found = _contact(note, title, _marked(content), source, region)
    except ParseError as error:
        return export.unreadable(source, position, _BROKEN.format(error=str(error)[:100]), element.data[:2_000])
    except Exception as error:  # a note is a stranger's text: whatever it does, the next one is read
        return export.unreadable(source, position, _STRANGE.format(error=type(error).__name__), element.data[:2_000])
    if not (found.names or found.emails or found.phones):
        return export.unreadable(source, position, _NOBODY, title.encode(), outcome="SKIPPED", reason="EMPTY")
    return found


def _written(note: Element, title: str, content: str, source: files.Source) -> records.Activity | None:
    """A note as what its owner wrote."""
    page = charset.storable(enml.to_html(content))
    text = html_text.text_of(page).strip()
    if not (title or text):
        return None
    made, changed = _moment(note.findtext("created", "")), _moment(note.findtext("updated", ""))
    link = vcard.web_address(note.findtext("note-attributes/source-url", ""))
    return records.Activity(
        key=f"note:{_key(title, note.findtext('created', '') or text)}",
        actor=records.Actor(uri=f"https://www.evernote.com/#{ME}", name="You", handle=ME, provider=KEY),
        verb="CREATE",
        summary=f"You noted: {title or charset.line(text)[:MAX_SUMMARY]}",
        object=records.ActivityObject(
            kind="NOTE", name=title or None, text=text or None, html=page or None, published_at=made, hashtags=_tags(note), url=link,
            location=charset.line(note.findtext("note-attributes/place-name", "")) or None,
        ),
        occurred_at=made or changed,
        edited_at=changed if made and changed and changed > made else None,
        visibility="LIMITED",
        container=source.shown,
    )  # fmt: skip


def _key(title: str, rest: str) -> str:
    return hashlib.blake2b(f"{title}\x00{rest}".encode("utf-8", "replace"), digest_size=16).hexdigest()


def _tags(note: Element) -> tuple[str, ...]:
    return tuple(tag for each in note.findall("tag")[:MAX_VALUES] if (tag := charset.line(each.text or "")))


def _marked(content: str) -> list[tuple[str, str]]:
    """What stands under Evernote's marks, by the innermost one; a field that nobody has filled holds its own mark."""
    found: list[tuple[str, list[str]]] = []
    open_: list[int | None] = []  # elements that are open: which of `found` each adds to
    for kind, what, attributes in html_tokens.tokens(content):
        here = open_[-1] if open_ else None
        if kind == "text":
            if here is not None:
                found[here][1].append(html.unescape(what))
        elif kind == "close":
            if open_:
                open_.pop()
        else:
            if here is not None and what in _BLOCKS:
                found[here][1].append("\n")
            if what in _EMPTY_ELEMENTS or attributes.rstrip().endswith("/"):
                continue
            marks = [mark.lower() for mark in _MARK.findall(attributes)]
            name = next((mark for mark in marks if mark in _READ), None)
            if name is not None and len(found) < MAX_VALUES:
                found.append((name, []))
                here = len(found) - 1
            open_.append(here)
    said = [(name, charset.storable("".join(pieces)).strip()) for name, pieces in found]
    return [(name, text) for name, text in said if text and "x-evernote:" not in text.lower()]


def _contact(note: Element, title: str, said: list[tuple[str, str]], source: files.Source, region: str | None) -> records.Contact:
    def first(name: str) -> str:
        return next((charset.line(text) for mark, text in said if mark == name), "")

    name, company, role = first(_NAME) or title, first(_COMPANY), first(_TITLE)
    mails = [
        (charset.line(text), email_address.normalised(charset.line(text).removeprefix("mailto:")))
        for mark, text in said
        if mark == _MAIL
    ]
    phones = [
        phone_number.read(charset.line(text), region, label=_PHONES[mark], line="MOBILE" if mark == "mobile" else "UNKNOWN")
        for mark, text in said
        if mark in _PHONES
    ]
    urls = [address for mark, text in said if mark == _URL and (address := vcard.web_address(text)) is not None]
    created = note.findtext("created", "")
    return records.Contact(
        key=_key(title, created),
        relation="ADDRESS_BOOK",
        names=(records.Name(full=name),) if name else (),
        emails=tuple(records.Email(raw=raw, address=address) for raw, address in mails),
        phones=tuple(phones),
        urls=tuple(records.Url(url=address) for address in urls),
        organizations=(records.Organization(name=company, title=role or None),) if company or role else (),
        addresses=tuple(records.Address(formatted=text) for mark, text in said if mark == _ADDRESS),
        groups=_tags(note),
        container=source.shown,
        created_at=_moment(created),
        updated_at=_moment(note.findtext("updated", "")),
    )


def _moment(text: str) -> datetime | None:
    """`20240506T101500Z`."""
    try:
        return datetime.strptime(text.strip(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


PROVIDER = Provider(
    key=KEY,
    name="Evernote",
    kind="NOTES",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "ACTIVITIES", "IMPORT", "MIRROR"}),
    limitations=(
        "An export is a snapshot: newer notes and cards arrive with the next one.",
        "Files in notes and pictures of cards are not taken.",
    ),
    archive_formats=("EVERNOTE",),
    docs_path="docs/providers/evernote.md",
    archive=EvernoteArchive(),
)
