"""Outlook's contacts, mirrored folder by folder.

Speaks contacts and contactFolders of Microsoft Graph v1.0 with their delta function. Changes are told in part, so each changed
contact is asked for whole; what left one folder may be in another. Knows nothing of mail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec

from providers.errors import CursorExpired, Malformed, Unavailable
from providers.graph import Item, batch, decoded, listed, path_of
from providers.http import SUCCESS, Session
from providers.microsoft_folders import Folder, Mark, emptied, ids_in, is_gone, readable, renamed, statement, tree, unreadable
from providers.microsoft_item import FIELDS, Card, contact
from providers.records import Contact, Gone, Page, Row, Statement

LISTED = 100
ANSWER_BYTES = 24 * 1024 * 1024
CENSUS = timedelta(days=7)
#: What the default folder is called here; Graph gives it no name of its own.
CONTACTS = "Contacts"


class AddressBook:
    """The contacts of one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._books: dict[str, str] = {}
        self._keys: dict[str, set[str]] = {}

    async def listing(self) -> AsyncIterator[Statement]:
        """Every id of each folder."""
        for book in await self.know_books():
            yield statement(book.path, "CONTACT", await ids_in(self._session, _book_path(book.id)))

    async def fetch(self, keys: Sequence[str]) -> AsyncIterator[Page]:
        """These contacts again, wherever they are by now."""
        await self.know_books()
        yield Page(rows=tuple(row for row in await self._contacts_by_id(keys) if not isinstance(row.item, Gone)))

    async def pages(self, marks: dict[str, Mark]) -> AsyncIterator[Page]:
        """Folder by folder: everything, or what changed; `marks` move along."""
        books = await self.know_books()
        for book in books:
            mark = marks.setdefault(book.id, Mark(path=book.path))
            renamed(mark, book.path)
            try:
                async for page in self._round(book, mark):
                    yield page
            except CursorExpired:
                mark.link, mark.counted = "", 0.0
                try:
                    async for page in self._round(book, mark):
                        yield page
                except CursorExpired as error:
                    raise Unavailable(
                        "Microsoft forgets its marks at once. It is tried again.", provider_code="resync"
                    ) from error
        statements = []
        for id_ in sorted(marks.keys() - {book.id for book in books}):
            if await is_gone(self._session, "contactFolders", id_):
                statements.append(statement(marks.pop(id_).path, "CONTACT", set()))
        for book in books:  # at the end, for what left one folder may be in another
            if book.id in self._keys:
                marks[book.id].counted = self._now()
                statements.append(statement(book.path, "CONTACT", self._keys.pop(book.id)))
                statements += emptied(marks[book.id], "CONTACT", self._books.values())
        if statements:
            yield Page(statements=tuple(statements))

    async def _round(self, book: Folder, mark: Mark) -> AsyncIterator[Page]:
        """What changed in a folder of contacts, or all of it. Changes are told in part: they are asked for whole."""
        first = not mark.link
        keys: set[str] | None = set() if first else None
        path = mark.link or path_of(*_book_path(book.id), "delta", select=FIELDS)
        async for found in listed(self._session, path, page_size=LISTED):
            if not found.next and not found.delta:
                raise Malformed("Microsoft ended a round of changes without its mark.", provider_code="delta")
            items = {item.id: item for item in readable(found.items, Item)}
            there = [id_ for id_, item in items.items() if item.removed is None]
            if keys is not None:
                keys = (keys - items.keys()) | set(there)
                cards = {card.id: card for card in readable(found.items, Card)}
                rows = [Row(item=self._contact(cards[id_], book.path)) for id_ in there]
            else:
                rows = await self._contacts_by_id(list(items))
            mark.link = found.next or found.delta
            if rows:
                yield Page(rows=tuple(rows))
        if not mark.counted or self._now() - mark.counted > CENSUS.total_seconds():
            if keys is None:
                keys = await ids_in(self._session, _book_path(book.id))
            self._keys[book.id] = keys

    async def _contacts_by_id(self, ids: Sequence[str]) -> list[Row]:
        """These contacts as they are now, or that they are gone."""
        parts = await batch(self._session, [path_of("me", "contacts", id_, select=FIELDS) for id_ in ids], max_bytes=ANSWER_BYTES)
        rows = []
        for id_, part in zip(ids, parts, strict=True):
            if part.status in SUCCESS:
                card = decoded(bytes(part.body), Card)
                rows.append(Row(item=self._contact(card, self._books.get(card.parent_folder_id or "", CONTACTS))))
            elif part.status == 404:
                rows.append(Row(item=Gone(kind="CONTACT", key=id_)))
            else:
                rows.append(Row(item=unreadable(self._session, id_, part)))
        return rows

    def _contact(self, card: Card, container: str) -> Contact:
        return contact(card, container=container, region=self._session.account.region)

    async def know_books(self) -> list[Folder]:
        """The default folder of contacts, then the others by path."""
        found = await tree(self._session, ("me", "contactFolders"), "id,displayName")
        taken = {CONTACTS}
        books = [Folder(id="", path=CONTACTS)]
        for each in found:
            path = each.path if each.path not in taken else f"{each.path} ({each.id[-6:]})"
            taken.add(path)
            books.append(msgspec.structs.replace(each, path=path))
        self._books = {book.id: book.path for book in books}
        return books

    def _now(self) -> float:
        return self._session.clock.now().timestamp()


def _book_path(id_: str) -> tuple[str, ...]:
    return ("me", "contactFolders", id_, "contacts") if id_ else ("me", "contacts")
