"""CardDAV address books, mirrored: found from a URL or a mail domain, kept current by the cheapest delta a server has.

Speaks RFC 6352 (CardDAV) with RFC 6764 (discovery), RFC 6578 (sync-collection) and, for servers without it, CalendarServer's
ctag and ETags. A card is known by its path, its version by its ETag exactly as received. A book whose delta token is no
longer known is listed in full again and says so by a Statement; one broken book does not stop the others. What is written is a
card of the server's own with some properties changed, by If-Match (RFC 6352 §6.3.2), and is read back, since servers rewrite
what they store. Knows nothing of what a card means (`formats/vcard.py`, `formats/vcard_editing.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import httpx2 as httpx
import msgspec

from providers import cursors, webdav
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.errors import (
    Conflict,
    CursorExpired,
    ForbiddenAddress,
    Malformed,
    ProviderError,
    RateLimited,
    ReauthRequired,
    Refused,
    Unavailable,
)
from providers.formats import vcard, vcard_editing
from providers.formats.vcard_syntax import Card
from providers.http import SUCCESS, Response, Session
from providers.quota import Quota
from providers.records import Contact, ContactField, Gone, Page, Profile, Row, Statement, Unreadable

CARD = "{urn:ietf:params:xml:ns:carddav}"
SERVER = "{http://calendarserver.org/ns/}"
DAV = webdav.DAV

#: Cards in one addressbook-multiget: servers have cut answers of about 180 cards short.
MULTIGET = 50
#: One card with its photo.
CARD_BYTES = 8 * 1024 * 1024
#: RFC 6578 §3.6: truncated answers followed before we take the server for one that never ends.
MAX_TRUNCATIONS = 1000
#: Where a server's address books are, tried in this order after the address itself (RFC 6764 §5; Cyrus, sabre/dav).
PLACES = ("/.well-known/carddav", "/", "/dav/", "/remote.php/dav/")
#: Providers whose mail domain does not lead to their address books.
DOMAINS = {
    "icloud.com": "https://contacts.icloud.com/",
    "me.com": "https://contacts.icloud.com/",
    "mac.com": "https://contacts.icloud.com/",
    "fastmail.com": "https://carddav.fastmail.com/",
    "fastmail.fm": "https://carddav.fastmail.com/",
    "yahoo.com": "https://carddav.address.yahoo.com/",
}
#: Providers that keep accounts on further hosts of theirs, to which the password may go.
REALMS = {"contacts.icloud.com": ("icloud.com",)}
#: Providers that take no password here.
ELSEWHERE = {"gmail.com": "Google", "googlemail.com": "Google"}
#: Virtual books that are made of other books (Nextcloud), and fail or repeat.
SKIPPED_BOOKS = frozenset({"z-app-generated--contactsinteraction--recent"})
#: RFC 6578 §3.2 and what servers really answer: with a token, these mean that the token is not known.
TOKEN_REFUSED = frozenset({400, 403, 405, 409, 410, 412, 415, 422, 501})

#: RFC 3744 §3: what allows to put cards into a book. A server that tells no privileges is tried.
WRITING = tuple(DAV + name for name in ("all", "write", "write-content", "bind"))
#: Statuses of a write whose bodies say why (RFC 6352 §6.3.2.1, RFC 4918 §16), 412 being the one that RFC 9110 §13.1 is for.
WRITE_REFUSED = frozenset({400, 403, 404, 405, 409, 410, 412, 413, 415, 422, 423, 507})
#: What a precondition means to people.
CONDITIONS = {
    CARD + "no-uid-conflict": "The address book holds this contact already, under another address.",
    CARD + "supported-address-data": "The address book does not take this kind of card.",
    CARD + "valid-address-data": "The address book finds this card faulty.",
    CARD + "max-resource-size": "The card is larger than the address book allows.",
    DAV + "quota-not-exceeded": "The address book is full.",
    DAV + "need-privileges": "This address book can only be read.",
}
#: How often a change that is to win is made anew, when others write in between.
WINNING_TRIES = 3

HOME_PROPERTIES = "<D:current-user-principal/><C:addressbook-home-set/><D:resourcetype/><D:displayname/>"
BOOK_PROPERTIES = (
    "<D:resourcetype/><D:displayname/><D:sync-token/><S:getctag/><D:supported-report-set/><C:supported-address-data/>"
    "<D:current-user-privilege-set/>"
)


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """An address book as the server describes it; `path` is its name in cursors, containers and statements."""

    url: str
    path: str
    token: str | None
    ctag: str | None
    syncs: bool
    version_4: bool
    writable: bool = True


class Mark(msgspec.Struct, omit_defaults=True):
    """How far one book is mirrored.

    `token` is the sync token of what is known, or, while `after` is set, of the moment the first listing began: cards after
    that path are still to be fetched. `ctag` and `etags` (path → short hash) serve books without sync-collection.
    """

    token: str | None = None
    after: str | None = None
    ctag: str | None = None
    etags: dict[str, str] = {}


class Marks(msgspec.Struct, omit_defaults=True):
    """The cursor: a mark for every book."""

    books: dict[str, Mark] = {}
    version: int = 1


class Listed(msgspec.Struct, frozen=True):
    """A card in a listing: its href as the server spells it, and its ETag as received."""

    href: str
    etag: str | None


Step = tuple[tuple[Row, ...], tuple[Statement, ...], int | None]


class CardDav:
    """An account at a CardDAV server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.realm = REALMS.get(session.home.host, ())

    async def profile(self) -> Profile:
        """The principal that the password opens. Raises Refused when there is no address book to be found."""
        found = await self._discover()
        await self._books(found)
        secret = await self._session.credentials()
        return Profile(
            user_id=found.principal,
            label=found.name or secret.username or httpx.URL(found.principal).host,
            base_url=found.start,
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Changed cards, book by book. A book listed in full has a Statement with the paths of all its cards.

        Raises CursorExpired for a cursor that is not one of ours; unknown sync tokens are dealt with here.
        """
        marks = cursors.read(cursor, Marks) or Marks()
        books = await self._books(await self._discover())
        trouble: ProviderError | None = None
        for book in books:
            mark = marks.books.setdefault(book.path, Mark())
            try:
                async for rows, statements, total in self._book(book, mark):
                    yield Page(rows=rows, statements=statements, cursor=cursors.written(marks), total=total)
            except (RateLimited, ReauthRequired):
                raise
            except ProviderError as error:
                if isinstance(error, Unavailable) and not _is_only_this(error):
                    raise
                trouble = trouble or error
        for path in sorted(marks.books.keys() - {book.path for book in books}):
            if await self._is_gone(path):
                del marks.books[path]
                statement = Statement(container=path, kind="CONTACT", expected=0, keys=frozenset())
                yield Page(statements=(statement,), cursor=cursors.written(marks))
        if trouble is not None:
            raise trouble
        yield Page(cursor=cursors.written(marks), done=True)

    # --- discovery (RFC 6764 §6) -----------------------------------------------------------------------------------

    async def _discover(self) -> Found:
        start = self._session.home
        trouble: ProviderError | None = None
        async for place in self._places(start):
            try:
                if found := await self._found_at(place):
                    return found
            except (ReauthRequired, RateLimited, ForbiddenAddress):
                raise
            except ProviderError as error:
                if isinstance(error, Unavailable) and not _is_only_this(error):
                    raise
                if trouble is None or error.provider_code == "other-host":
                    trouble = error
        if trouble is not None and (isinstance(trouble, Unavailable | Malformed) or trouble.provider_code == "other-host"):
            raise trouble
        raise Refused(
            f"No address book was found at {start.host}. Give the full address that your provider names for CardDAV.",
            provider_code="no-address-book",
        )

    async def _places(self, start: httpx.URL) -> AsyncIterator[str]:
        """Where to ask, likeliest first. DNS comes last: it is slow where nobody set it up (RFC 6764 §3).

        A linked account begins where it was found: one bad answer there must not make other books its own.
        """
        yield str(start)
        if self._session.account.user_id is not None:
            return
        for place in PLACES:
            if (url := str(start.copy_with(raw_path=place.encode()))) != str(start):
                yield url
        if start.path in ("", "/") and not start.host.replace(".", "").isdigit() and ":" not in start.host:
            # The unencrypted _carddav._tcp is not followed with a password in hand.
            for host, port in await self._session.services(f"_carddavs._tcp.{start.host}"):
                yield f"https://{host}{'' if port == 443 else f':{port}'}/.well-known/carddav"

    async def _found_at(self, url: str) -> Found | None:
        answer = await self._session.request(
            "PROPFIND",
            url,
            headers={"Depth": "0", "Content-Type": webdav.XML_TYPE},
            content=webdav.element("D:propfind", f"<D:prop>{HOME_PROPERTIES}</D:prop>"),
        )
        resource = _first(await webdav.multistatus(answer))
        given = (answer.url,) if resource.contains(DAV + "resourcetype", CARD + "addressbook") else ()
        principals = resource.hrefs(DAV + "current-user-principal")
        if not principals:
            homes = _absolute(resource.hrefs(CARD + "addressbook-home-set"), answer.url)
            if not homes and not given:
                return None
            return Found(start=answer.url, principal=answer.url, homes=homes, given=given, name=None)
        principal = _absolute(principals[:1], answer.url)[0]
        described = _first(await webdav.propfind(self._session, principal, HOME_PROPERTIES, depth=0))
        homes = _absolute(described.hrefs(CARD + "addressbook-home-set"), principal)
        if not homes and not given:
            return None
        return Found(start=answer.url, principal=principal, homes=homes, given=given, name=described.text(DAV + "displayname"))

    async def _books(self, found: Found) -> list[Book]:
        """The address books of all homes, or only the one that the user named, in a stable order.

        Raises Refused where there is none.
        """
        books: dict[str, Book] = {}
        for url in found.given:
            resource = _first(await webdav.propfind(self._session, url, BOOK_PROPERTIES, depth=0))
            if book := _book(resource, url):
                return [book]
        for home in found.homes:
            listing = await webdav.propfind(self._session, home, BOOK_PROPERTIES, depth=1)
            if not listing.resources:
                raise Malformed("The server lists a home that does not even hold itself.", provider_code="empty-listing")
            books.update((book.path, book) for resource in listing.resources if (book := _book(resource, home)))
        if not books:
            raise Refused("This account has no address book.", provider_code="no-address-book")
        return sorted(books.values(), key=lambda book: book.path)

    async def _is_gone(self, path: str) -> bool:
        """Whether a book that no listing shows any more is really gone: asked of the book itself."""
        try:
            await webdav.propfind(self._session, path, "<D:resourcetype/>", depth=0)
        except Refused as error:
            return error.provider_code == "not-found"
        except Malformed:
            return False
        return False

    # --- one book --------------------------------------------------------------------------------------------------

    async def _book(self, book: Book, mark: Mark) -> AsyncIterator[Step]:
        """What changed in one book, `mark` moved along with every step."""
        if not book.syncs:
            async for step in self._by_etags(book, mark):
                yield step
            return
        if mark.token is not None and mark.after is None:
            try:
                async for step in self._by_token(book, mark):
                    yield step
                return
            except CursorExpired:  # RFC 6578 §3.2: everything again, compared by the Statement
                mark.token = None
        try:
            async for step in self._in_full(book, mark):
                yield step
        except _NoSync:
            async for step in self._by_etags(book, mark):
                yield step

    async def _by_token(self, book: Book, mark: Mark) -> AsyncIterator[Step]:
        """RFC 6578 §3.3 to §3.6: what changed since the token; a truncated answer is followed by the next one."""
        if book.token is not None and book.token == mark.token:
            return
        for _ in range(MAX_TRUNCATIONS):
            token = mark.token
            change = await self._sync(book, token)
            gone = tuple(Row(item=Gone(kind="CONTACT", key=path)) for path in change.gone)
            batches = list(_batches(change.cards))
            if gone or not batches:
                if not batches:
                    mark.token = change.token
                yield gone, (), None
            for batch in batches:
                rows, _ = await self._fetch(book, batch)
                if batch is batches[-1]:
                    mark.token = change.token
                yield rows, (), None
            if not change.truncated:
                return
            if change.token == token:
                raise Malformed("The server's address book does not get on: its sync token stays.", provider_code="sync-token")
        raise Malformed("The server's list of changes does not end.", provider_code="sync-token")

    async def _in_full(self, book: Book, mark: Mark) -> AsyncIterator[Step]:
        """The first listing, resumable: then what changed since it began."""
        cards: dict[str, Listed] = {}
        token: str | None = None
        for _ in range(MAX_TRUNCATIONS):
            change = await self._sync(book, token)
            for path in change.gone:
                cards.pop(path, None)
            cards.update(change.cards)
            if change.truncated and change.token == token:
                raise Malformed("The server's address book does not get on: its sync token stays.", provider_code="sync-token")
            token = change.token
            if not change.truncated:
                break
        else:
            raise Malformed("The server's list of cards does not end.", provider_code="sync-token")
        resumed = mark.after if mark.token is not None else None
        if resumed is None:
            mark.token = token
        todo = {path: cards[path] for path in sorted(cards) if resumed is None or path > resumed}
        keys = set(cards)
        for batch in _batches(todo):
            rows, missing = await self._fetch(book, batch)
            keys -= missing
            mark.after = max(batch)
            yield rows, (), len(cards)
        mark.after = None
        yield (), (_statement(book, keys),), len(cards)
        if resumed is not None:
            async for step in self._book(book, mark):
                yield step

    async def _by_etags(self, book: Book, mark: Mark) -> AsyncIterator[Step]:
        """Without sync-collection: a list of ETags, read only when the collection's tag has changed."""
        mark.token = mark.after = None
        if book.ctag is not None and book.ctag == mark.ctag:
            return
        mark.ctag = None
        listing = await webdav.propfind(self._session, book.url, "<D:getetag/><D:resourcetype/>", depth=1)
        if not listing.resources:  # RFC 4918 §9.1: the collection itself is always there
            raise Malformed("The server lists a book that does not even hold itself.", provider_code="empty-listing")
        cards = _cards(book, listing)
        mark.etags = {path: mark.etags[path] for path in cards if path in mark.etags}
        todo = {path: card for path, card in cards.items() if card.etag is None or mark.etags.get(path) != _short(card.etag)}
        keys = set(cards)
        for batch in _batches(todo):
            rows, missing = await self._fetch(book, batch)
            keys -= missing
            mark.etags.update((path, _short(card.etag or "")) for path, card in batch.items() if path not in missing)
            yield rows, (), len(cards)
        mark.ctag = book.ctag
        yield (), (_statement(book, keys),), len(cards)

    async def _sync(self, book: Book, token: str | None) -> _Change:
        """One sync-collection report. Raises CursorExpired for a token the server does not know, _NoSync without one."""
        answer = await self._session.request(
            "REPORT",
            book.url,
            headers={"Depth": "0", "Content-Type": webdav.XML_TYPE},  # RFC 6578 §3.2
            content=webdav.element(
                "D:sync-collection",
                f"<D:sync-token>{escape(token or '')}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>",
            ),
            accept_statuses={*SUCCESS, *TOKEN_REFUSED},
        )
        if answer.status in TOKEN_REFUSED:
            if token is not None or DAV + "valid-sync-token" in webdav.conditions(answer):
                raise CursorExpired("The address book's sync token is no longer known.", provider_code="valid-sync-token")
            raise _NoSync
        found = await webdav.multistatus(answer)
        if found.sync_token is None:  # RFC 6578 §6.4: always there; without it an empty answer would say "all deleted"
            raise Malformed("The server gave a list of changes without its token.", provider_code="sync-token")
        return _Change(
            cards=_cards(book, found),
            gone=[each.path for each in found.resources if each.status in (404, 410) and _is_within(book, each.path)],
            token=found.sync_token,
            truncated=any(each.status == 507 and _same(each.path, book.path) for each in found.resources),
        )

    # --- cards -----------------------------------------------------------------------------------------------------

    async def _fetch(self, book: Book, batch: dict[str, Listed]) -> tuple[tuple[Row, ...], set[str]]:
        """The rows of these cards, and which of them are gone by now."""
        kind = '<C:address-data content-type="text/vcard" version="4.0"/>' if book.version_4 else "<C:address-data/>"
        hrefs = "".join(f"<D:href>{escape(card.href)}</D:href>" for card in batch.values())
        answered: dict[str, webdav.Resource] = {}
        try:
            found = await webdav.report(
                self._session,
                book.url,
                webdav.element("C:addressbook-multiget", f"<D:prop><D:getetag/>{kind}</D:prop>{hrefs}"),
            )
            answered = {each.path: each for each in found.resources}
        except Malformed as error:
            # One card with a control character breaks the whole answer, fifty photos make it too large: one by one then.
            if error.provider_code not in ("xml", "too-large"):
                raise
        except Refused as error:
            if error.provider_code not in ("403", "405", "415", "501", "400", "not-found"):
                raise
        rows: list[Row] = []
        missing: set[str] = set()
        for path, card in batch.items():
            resource = answered.get(path)
            text = resource.properties.get(CARD + "address-data") if resource is not None else None
            if resource is not None and isinstance(text, Element) and text.text:
                rows.append(self._row(book, path, text.text.encode(), resource.text(DAV + "getetag") or card.etag))
            else:
                # Left out, or 404 for an href that the listing spelled: it is gone only if the card itself says so.
                row = await self._get(book, path, card)
                if row is None:
                    missing.add(path)
                else:
                    rows.append(row)
        rows.extend(Row(item=Gone(kind="CONTACT", key=path)) for path in sorted(missing))
        return tuple(rows), missing

    async def _get(self, book: Book, path: str, card: Listed) -> Row | None:
        """One card by itself; None when it is gone."""
        try:
            answer = await self._session.request("GET", _url(book, path), headers={"Accept": "text/vcard"}, max_bytes=CARD_BYTES)
        except Refused as error:
            if error.provider_code == "not-found":
                return None
            return _unreadable(book, path, "SKIPPED", error.message, "FORBIDDEN")
        except Malformed as error:
            if error.provider_code != "too-large":
                raise
            return _unreadable(book, path, "SKIPPED", "The card is larger than 8 MB.", "TOO_LARGE")
        if answer.media_type in ("text/html", "application/xhtml+xml"):
            raise answer.malformed("vCard")  # a sign-in page is about the account, not about this card
        return self._row(book, path, answer.content, answer.headers.get("etag") or card.etag)

    def _row(self, book: Book, path: str, content: bytes, etag: str | None) -> Row:
        if b"BEGIN:VCARD" not in content[:1000].upper():
            return _unreadable(book, path, "FAILED", "This is no vCard.", "UNREADABLE", content)
        if len(content) > CARD_BYTES:
            return _unreadable(book, path, "SKIPPED", "The card is larger than 8 MB.", "TOO_LARGE")
        card = vcard.parse(content)
        if vcard.is_empty(card):
            return _unreadable(book, path, "SKIPPED", "The card is empty.", "EMPTY")
        return Row(item=self._contact(book, path, card, etag))

    # --- writing ---------------------------------------------------------------------------------------------------

    async def create_contact(self, wanted: Contact, *, again: bool) -> Contact:
        """Puts a card of a new name into a book: the one named, else the first that may be written. Raises Refused.

        The name is made of the uid, so that a second call finds what the first one put there.
        """
        books = await self._books(await self._discover())
        open_ = [book for book in books if book.writable]
        book = next((book for book in open_ if book.path == wanted.container), open_[0] if open_ else None)
        if book is None:
            raise Refused("The address books of this account can only be read.", provider_code="read-only")
        path = book.path.rstrip("/") + f"/{wanted.uid}.vcf"
        made = vcard_editing.made(wanted, "3.0", now=self._session.clock.now())  # the version that every server takes
        answer = await self._put(book, path, made.serialise(), {"If-None-Match": "*"})
        found = await self._held(book, path)
        if found is not None and (answer.status in SUCCESS or found.uid == wanted.uid):
            return found
        raise self._refused(answer)

    async def update_contact(self, wanted: Contact, fields: frozenset[ContactField]) -> Contact:
        """Edits the card that the server has now. Raises Conflict when it is another than `wanted.etag`, Refused when it is gone."""
        book = await self._book_of(wanted.key)
        answer: Response | None = None
        for _ in range(WINNING_TRIES):
            card, etag = await self._card(book, wanted.key)
            edited = vcard_editing.edited(
                card, wanted, fields, region=self._session.account.region, now=self._session.clock.now()
            )
            if edited == card:
                return await self._still_held(book, wanted.key)
            if wanted.etag is not None and not _equal(etag, wanted.etag):
                current = await self._still_held(book, wanted.key)
                raise Conflict("The card was changed in its address book meanwhile.", current=current, provider_code="412")
            answer = await self._put(book, wanted.key, edited.serialise(), _if_match(etag))
            if answer.status in SUCCESS:
                return await self._still_held(book, wanted.key)
            if answer.status != 412:
                break
        assert answer is not None
        raise self._refused(answer)

    async def delete_contact(self, key: str, etag: str | None) -> None:
        """Deletes a card. Raises Conflict when it is another one than `etag`."""
        book = await self._book_of(key)
        held = await self._held(book, key) if etag is not None else None
        if etag is not None and held is None:
            return
        if held is not None and not _equal(held.etag, etag):
            raise Conflict("The card was changed in its address book meanwhile.", current=held, provider_code="412")
        answer = await self._session.request(
            "DELETE", _url(book, key), headers=_if_match(held.etag if held else None), accept_statuses={*SUCCESS, *WRITE_REFUSED}
        )
        if answer.status == 412:
            current = await self._held(book, key)
            if current is not None:
                raise Conflict("The card was changed in its address book meanwhile.", current=current, provider_code="412")
        elif answer.status not in SUCCESS and answer.status not in (404, 410):
            raise self._refused(answer)

    async def _book_of(self, key: str) -> Book:
        books = await self._books(await self._discover())
        book = max((book for book in books if _is_within(book, key)), key=lambda book: len(book.path), default=None)
        if book is None:
            raise Refused("The address book of this contact is gone.", provider_code="not-found")
        return book

    async def _card(self, book: Book, path: str) -> tuple[Card, str | None]:
        """A card as the server stores it, and its ETag. Raises Refused (`not-found`), Malformed."""
        answer = await self._session.request("GET", _url(book, path), headers={"Accept": "text/vcard"}, max_bytes=CARD_BYTES)
        if b"BEGIN:VCARD" not in answer.content[:1000].upper():
            raise answer.malformed("vCard")
        etag = answer.headers.get("etag") or None
        if etag is None:
            found = _first(await webdav.propfind(self._session, _url(book, path), "<D:getetag/>", depth=0))
            etag = found.text(DAV + "getetag")
        return vcard.parse(answer.content), etag

    async def _held(self, book: Book, path: str) -> Contact | None:
        """The contact as the next poll would show it; None when it is gone. Raises Malformed when it is no contact."""
        rows, _ = await self._fetch(book, {path: Listed(path, None)})
        item = rows[0].item
        if isinstance(item, Unreadable):
            raise Malformed(item.message, provider_code="not-vcard")
        return item if isinstance(item, Contact) else None

    async def _still_held(self, book: Book, path: str) -> Contact:
        if (found := await self._held(book, path)) is None:
            raise Refused("The card was deleted in its address book meanwhile.", provider_code="not-found")
        return found

    async def _put(self, book: Book, path: str, content: bytes, condition: dict[str, str]) -> Response:
        return await self._session.request(
            "PUT",
            _url(book, path),
            headers={"Content-Type": "text/vcard; charset=utf-8", **condition},
            content=content,
            accept_statuses={*SUCCESS, *WRITE_REFUSED},
        )

    def _contact(self, book: Book, path: str, card: Card, etag: str | None) -> Contact:
        contact = vcard.to_contact(card, key=path, region=self._session.account.region, container=book.path, keep_card=True)
        return msgspec.structs.replace(contact, etag=etag)

    def _refused(self, answer: Response) -> Refused:
        """Why a card was not taken, by the precondition that the server names."""
        named = webdav.conditions(answer)
        said = next((text for condition, text in CONDITIONS.items() if condition in named), None)
        host = self._session.home.host
        text = said or {
            403: f"{host} does not allow to change this address book.",
            404: "The card or its address book is gone.",
            405: f"{host} does not allow to change this address book.",
            412: "The card is changed by somebody else all the time; try again later.",
            413: CONDITIONS[CARD + "max-resource-size"],
            423: "The card is locked by somebody else.",
            507: CONDITIONS[DAV + "quota-not-exceeded"],
        }.get(answer.status, f"{host} refused the card (status {answer.status}).")
        return Refused(text, provider_code="not-found" if answer.status in (404, 410) else str(answer.status))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where an account's books are: `start` answered first, `homes` hold books, `given` is itself one."""

    start: str
    principal: str
    homes: list[str]
    given: tuple[str, ...]
    name: str | None


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    cards: dict[str, Listed]
    gone: list[str]
    token: str
    truncated: bool


class _NoSync(Exception):
    """The server offers sync-collection and does not do it. Never leaves this module."""


def base_url(values: dict[str, str]) -> str:
    """The address to start from: a URL as typed, or the domain of a mail address (RFC 6764 §6). Raises Refused."""
    text = values.get("server", "").strip()
    scheme, separator, _ = text.partition("://")
    if not separator and "@" in text:
        domain = text.rpartition("@")[2].lower().rstrip(".")
        if provider := ELSEWHERE.get(domain):
            raise Refused(f"{provider} takes no password for address books: link it as {provider} instead.")
        text = DOMAINS.get(domain, f"https://{domain}/")
    elif not separator:
        text = f"https://{text}"
    elif scheme.lower() not in ("http", "https"):
        raise Refused("The server's address has to begin with https://.", provider_code="not-a-url")
    try:
        url = httpx.URL(text)
        valid = bool(url.host) and (url.port is None or 0 < url.port < 65536) and not any(sign.isspace() for sign in text)
    except (httpx.InvalidURL, ValueError):
        valid = False
    if not valid:
        raise Refused(
            "This is no address of a server: give one like https://dav.example.org, or your e-mail address.",
            provider_code="not-a-url",
        )
    return str(url.copy_with(username=None, password=None, fragment=None, raw_path=url.raw_path.partition(b"#")[0] or b"/"))


def _first(found: webdav.Multistatus) -> webdav.Resource:
    if not found.resources:
        raise Malformed("The server describes nothing.", provider_code="empty-listing")
    return found.resources[0]


def _absolute(hrefs: list[str], base: str) -> list[str]:
    """Absolute URLs of hrefs; what is no URL is left out."""
    found = []
    for href in hrefs:
        try:
            found.append(str(httpx.URL(base).join(href)))
        except (httpx.InvalidURL, ValueError, TypeError):
            continue
    return found


def _book(resource: webdav.Resource, base: str) -> Book | None:
    """The book that a listing describes, None for anything else."""
    if not resource.contains(DAV + "resourcetype", CARD + "addressbook"):
        return None
    if resource.path.rstrip("/").rpartition("/")[2] in SKIPPED_BOOKS:
        return None
    token = resource.text(DAV + "sync-token")
    versions = resource.properties.get(CARD + "supported-address-data")
    return Book(
        url=str(httpx.URL(base).join(resource.path)),
        path=resource.path,
        token=token,
        ctag=resource.text(SERVER + "getctag"),
        syncs=token is not None or resource.contains(DAV + "supported-report-set", DAV + "sync-collection"),
        version_4=versions is not None and any(each.get("version") == "4.0" for each in versions.iter()),
        writable=DAV + "current-user-privilege-set" not in resource.properties
        or any(resource.contains(DAV + "current-user-privilege-set", each) for each in WRITING),
    )


def _cards(book: Book, found: webdav.Multistatus) -> dict[str, Listed]:
    """The cards of a listing by path, without the book itself and what is below it."""
    cards: dict[str, Listed] = {}
    strangers = 0
    for each in found.resources:
        if _same(each.path, book.path):
            continue
        if not _is_within(book, each.path):
            strangers += 1
        elif each.status in (None, 200) and not each.contains(DAV + "resourcetype", DAV + "collection"):
            cards[each.path] = Listed(each.href, each.text(DAV + "getetag"))
    if strangers and not cards:
        # A proxy that rewrites paths makes every card look like somebody else's, and the book look empty.
        raise Malformed("The server lists cards outside of their address book: its proxy rewrites paths.", provider_code="path")
    return cards


def _is_within(book: Book, path: str) -> bool:
    return path.startswith(book.path.rstrip("/") + "/") and not _same(path, book.path)


def _same(first: str, second: str) -> bool:
    return first.rstrip("/") == second.rstrip("/")


def _batches(cards: dict[str, Listed]) -> Iterator[dict[str, Listed]]:
    paths = sorted(cards)
    for start in range(0, len(paths), MULTIGET):
        yield {path: cards[path] for path in paths[start : start + MULTIGET]}


def _statement(book: Book, keys: set[str]) -> Statement:
    return Statement(container=book.path, kind="CONTACT", expected=len(keys), keys=frozenset(keys))


def _unreadable(book: Book, path: str, outcome: Any, message: str, reason: Any, content: bytes = b"") -> Row:
    excerpt = content[:200].decode("utf-8", "replace").replace("\x00", "\ufffd") or None
    return Row(item=Unreadable(key=path, outcome=outcome, message=message, reason=reason, excerpt=excerpt, container=book.path))


def _short(etag: str) -> str:
    return hashlib.blake2s(etag.encode(), digest_size=6).hexdigest()


def _url(book: Book, path: str) -> str:
    return str(httpx.URL(book.url).join(path))


def _if_match(etag: str | None) -> dict[str, str]:
    """The ETag exactly as it was received; a weak one matches nothing (RFC 9110 §13.1.1) and was compared by us before."""
    return {"If-Match": etag} if etag and not etag.startswith("W/") else {}


def _equal(found: str | None, known: str | None) -> bool:
    """Whether two spellings name one version: proxies that compress make ETags weak or mark them."""

    def bare(etag: str | None) -> str:
        return (etag or "").removeprefix("W/").strip('"').removesuffix("-gzip")

    return bare(found) == bare(known)


def _is_only_this(error: Unavailable) -> bool:
    """Whether a failure is this resource's (a 5xx), not the whole server's."""
    return error.provider_code in ("500", "501", "502", "503", "504", "507") and error.retry_at is None


def _open(session: Session) -> Adapter:
    return CardDav(session)


PROVIDER = Provider(
    key="carddav",
    name="CardDAV address book",
    kind="ADDRESS_BOOK",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONTACTS_WRITE", "DELTA", "MIRROR"}),
    limitations=(
        "Address books hold contacts only: no conversations, no read state.",
        "The protocol has no push: changes arrive with the next poll.",
    ),
    link_forms=(
        LinkForm(
            method="PASSWORD",
            label="Server and password",
            fields=(
                FormField(
                    name="server",
                    label="Server or e-mail address",
                    placeholder="https://dav.example.org or ada@example.org",
                    help="The address that your provider names for CardDAV, or your e-mail address to look for it.",
                ),
                FormField(name="username", label="User name"),
                FormField(
                    name="password",
                    label="Password",
                    kind="PASSWORD",
                    secret=True,
                    help="With two-step sign-in most providers want an app password here.",
                ),
            ),
            help="Works with Nextcloud, Radicale, Xandikos, Cyrus, Fastmail, iCloud and other CardDAV servers.",
        ),
    ),
    quota=Quota(
        calls=300,
        seconds=60.0,
        concurrency=3,
        sentence="CardDAV servers name no limit; Kith makes at most 300 calls a minute to one account.",
    ),
    docs_path="docs/providers/carddav.md",
    poll_seconds=900,
    open=_open,
    base_url=base_url,
)
