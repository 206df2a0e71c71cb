"""Outlook's contacts, mirrored folder by folder.

Speaks contacts and contactFolders of Microsoft Graph v1.0 with their delta function. Changes are told in part, so each changed
contact is asked for whole; what left one folder may be in another. A write bears the etag of the version that it was made from
(RFC 9110 §13.1.1). Knows nothing of mail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final, get_args

import msgspec

from providers.errors import Conflict, CursorExpired, Malformed, Refused, Unavailable
from providers.http import SUCCESS, Session
from providers.microsoft.folders import Folder, Mark, emptied, ids_in, is_gone, readable, renamed, statement, tree, unreadable
from providers.microsoft.graph import Item, ask, batch, decoded, listed, path_of, tell
from providers.microsoft.item import FIELDS, Card, contact
from providers.microsoft.writing import body, holds, mark_filter, marked
from providers.records import Contact, ContactField, Gone, Page, Row, Statement

LISTED = 100
ANSWER_BYTES = 24 * 1024 * 1024
CENSUS = timedelta(days=7)
#: What the default folder is called here; Graph gives it no name of its own.
CONTACTS = "Contacts"
#: How often a change that is to win is made anew, when others write in between.
WINNING_TRIES: Final = 3
WRITTEN: Final[tuple[ContactField, ...]] = get_args(ContactField)


class Cards(msgspec.Struct, frozen=True):
    value: list[Card] = []


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

    async def create(self, wanted: Contact, *, again: bool) -> Contact:
        """Makes a contact that bears our mark, by which it is found again when an answer was lost."""
        await self.know_books()
        where = _book_path(self._book_of(wanted.container))
        if again:
            found = await ask(self._session, path_of(*where, filter=mark_filter(wanted.uid or ""), select=FIELDS))
            for each in decoded(found.content, Cards).value:
                return self._written(each)
        every: frozenset[ContactField] = frozenset(name for name in WRITTEN if getattr(wanted, name))
        properties = {name: value for name, value in body({}, wanted, every).items() if value not in (None, [])}
        answer = await tell(self._session, "POST", path_of(*where), {**properties, **marked(wanted.uid or "")})
        return self._written(decoded(answer.content, Card))

    async def update(self, wanted: Contact, fields: frozenset[ContactField]) -> Contact:
        """Changes fields of a contact as Outlook has it now. Raises Conflict when that is another version than `wanted.etag`."""
        await self.know_books()
        for attempt in range(WINNING_TRIES):
            held, now = await self._held(wanted.key)
            new = body(held, wanted, fields)
            if holds(held, new):
                return now
            if wanted.etag is not None and now.etag != wanted.etag:
                raise Conflict("The contact was changed at Outlook meanwhile.", current=now, provider_code="conflict")
            try:
                answer = await tell(self._session, "PATCH", path_of("me", "contacts", wanted.key), new, etag=now.etag)
                return self._written(decoded(answer.content, Card))
            except Refused as error:  # somebody wrote in between: look again
                if error.provider_code != "conflict" or attempt == WINNING_TRIES - 1:
                    raise
        raise AssertionError  # the last attempt raises or returns

    async def delete(self, key: str, etag: str | None) -> None:
        """Deletes a contact; one that is gone is deleted. Raises Conflict when it is another version than `etag`."""
        await self.know_books()
        try:
            await tell(self._session, "DELETE", path_of("me", "contacts", key), etag=etag)
        except Refused as error:
            if error.provider_code == "conflict":
                _, now = await self._held(key)
                text = "The contact was changed at Outlook meanwhile."
                raise Conflict(text, current=now, provider_code="conflict") from None
            if error.provider_code != "not-found":
                raise

    async def _held(self, key: str) -> tuple[dict[str, Any], Contact]:
        """A contact as Outlook has it, its properties and what they mean."""
        answer = await ask(self._session, path_of("me", "contacts", key, select=FIELDS))
        return decoded(answer.content, dict[str, Any]), self._written(decoded(answer.content, Card))

    def _written(self, card: Card) -> Contact:
        return self._contact(card, self._books.get(card.parent_folder_id or "", CONTACTS))

    def _book_of(self, container: str) -> str:
        """The folder of this path; the default one where none is named. Raises Refused."""
        found = next((id_ for id_, path in self._books.items() if path == container), None)
        if found is None and container:
            raise Refused(f"There is no folder of contacts '{container[:100]}' at Outlook.", provider_code="no-folder")
        return found or ""

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
