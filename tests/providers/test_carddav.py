"""CardDAV against Radicale and Xandikos, and against a server that does what others have been seen to do."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from providers import carddav
from providers.addresses import Guard
from providers.errors import Malformed, ReauthRequired, Refused, Unavailable
from providers.http import Transport
from providers.records import Contact, Unreadable
from providers.session import Secret
from tests.providers.conftest import Exchange, SessionMaker, http_answer, scripted
from tests.providers.contract import AdapterContract, Mirror
from tests.servers import CardDav

_numbers = itertools.count()

CARD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\nEMAIL;TYPE=home:{uid}@example.org\r\n"
    "TEL;TYPE=cell:+1 202 555 0143\r\nEND:VCARD\r\n"
)


class BookRig:
    """One address book of its own at a real server."""

    provider = carddav.PROVIDER

    def __init__(self, server: CardDav) -> None:
        self._server = server
        self._uids: set[str] = set()
        self.server_url = server.url
        self.book = server.create_book(f"book{next(_numbers)}")
        self.path = urlsplit(self.book).path
        self.secret = Secret(username=server.username, password=server.password or "unasked")

    def fill(self) -> None:
        for number in range(23):
            uid = f"person-{number:02}"
            self._server.put(uid, CARD.format(uid=uid, name=f"Person {number}"), self.book)
            self._uids.add(uid)

    def names(self) -> set[str]:
        return set(self._uids)

    def name_of(self, contact: Contact) -> str:
        return contact.uid or ""

    def remove(self) -> str:
        self._server.delete("person-07", self.book)
        self._uids.discard("person-07")
        return "person-07"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        head, mark, token = cursor.partition(b'"token":"')
        return head + mark + b"http://example.org/ns/unknown/" + token[-60:]


class BookContract(AdapterContract):
    lasting = True

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(carddav, "MULTIGET", 10)


class TestRadicale(BookContract):
    @pytest.fixture
    def rig(self, radicale_server: CardDav) -> Iterator[BookRig]:
        yield BookRig(radicale_server)


class TestXandikos(BookContract):
    @pytest.fixture
    def rig(self, xandikos_server: CardDav) -> Iterator[BookRig]:
        yield BookRig(xandikos_server)


# --- discovery at the real servers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "ada/", ".well-known/carddav", "nowhere/at/all/"])
async def test_radicale_is_found_from_any_of_its_addresses(
    radicale_server: CardDav, new_session: SessionMaker, place: str
) -> None:
    adapter = opened(new_session, radicale_server.url + place, Secret(username="ada", password="secret"))
    assert (await adapter.profile()).user_id == radicale_server.url + "ada/"


@pytest.mark.parametrize("place", ["", "ada/contacts/addressbook/", ".well-known/carddav"])
async def test_xandikos_is_found_from_any_of_its_addresses(
    xandikos_server: CardDav, new_session: SessionMaker, place: str
) -> None:
    adapter = opened(new_session, xandikos_server.url + place, Secret(username="ada", password="x"))
    assert (await adapter.profile()).user_id == xandikos_server.url + "ada/"


async def test_radicale_refuses_a_wrong_password(radicale_server: CardDav, new_session: SessionMaker) -> None:
    with pytest.raises(ReauthRequired):
        await opened(new_session, radicale_server.url, Secret(username="ada", password="wrong")).profile()


async def test_a_changed_card_arrives_alone_with_its_etag_and_its_text(
    radicale_server: CardDav, new_session: SessionMaker
) -> None:
    rig = BookRig(radicale_server)
    rig.fill()
    secret = Secret(username="ada", password="secret")
    mirror = await Mirror().follow(opened(new_session, rig.book, secret, user_id="ada"))
    before = {contact.uid: contact for contact in mirror.contacts.values()}
    radicale_server.put("person-03", CARD.format(uid="person-03", name="Ada Renamed"), rig.book)
    mirror.rows = 0
    await mirror.follow(opened(new_session, rig.book, secret, user_id="ada"))
    changed = {contact.uid: contact for contact in mirror.contacts.values()}["person-03"]
    assert mirror.rows == 1
    assert changed.names[0].full == "Ada Renamed"
    assert changed.etag is not None
    assert changed.etag.startswith('"')
    assert changed.etag != before["person-03"].etag
    assert changed.vcard is not None
    assert "Ada Renamed" in changed.vcard
    assert changed.container == rig.path


async def test_a_group_card_is_no_person(radicale_server: CardDav, new_session: SessionMaker) -> None:
    rig = BookRig(radicale_server)
    for uid, kind in (
        ("apple", "X-ADDRESSBOOKSERVER-KIND:group\r\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:x"),
        ("four", "KIND:group"),
    ):
        card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:Friends\r\nN:Friends;;;;\r\n{kind}\r\nEND:VCARD\r\n"
        radicale_server.put(uid, card, rig.book)
    mirror = await Mirror().follow(opened(new_session, rig.book, rig.secret, user_id="ada"))
    assert {contact.nature for contact in mirror.contacts.values()} == {"GROUP"}


async def test_a_book_that_was_deleted_takes_its_cards_along(xandikos_server: CardDav, new_session: SessionMaker) -> None:
    rig = BookRig(xandikos_server)
    xandikos_server.put("only", CARD.format(uid="only", name="Only One"), rig.book)
    home = xandikos_server.home
    mirror = await Mirror().follow(opened(new_session, home, rig.secret, user_id="ada"))
    assert any(contact.container == rig.path for contact in mirror.contacts.values())
    await new_session(xandikos_server.url).request("DELETE", rig.path)
    await mirror.follow(opened(new_session, home, rig.secret, user_id="ada"))
    assert not any(contact.container == rig.path for contact in mirror.contacts.values())


# --- a server that does what others have been seen to do -------------------------------------------------------------------


class Dav:
    """A CardDAV server of one book, as a function for `scripted`. The attributes are its habits."""

    def __init__(self, count: int = 7) -> None:
        self.cards = {
            f"/b/{number}.vcf": (f'"e{number}"', CARD.format(uid=f"u{number}", name=f"N {number}")) for number in range(count)
        }
        self.gone: list[str] = []
        self.sync = True
        self.ctag: str | None = "c1"
        self.token = "t1"
        self.truncate_at: int | None = None  # RFC 6578 §3.6: so many cards an answer, then 507
        self.stuck = False  # truncated for ever at the same token
        self.unknown_token: tuple[int, str] | None = None  # status and body for any token
        self.left_out: set[str] = set()  # multiget forgets these
        self.multiget_status: int | None = None
        self.spelling: Callable[[str], str] = str
        self.broken_xml: set[str] = set()  # cards with a control character
        self.seen: list[tuple[str, str, str]] = []
        self.get_answer: bytes | None = None
        self.prefix = "D"
        self.versions = ""
        self.extra_books = ""

    def __call__(self, exchange: Exchange) -> bytes:
        body = exchange.body.decode()
        self.seen.append((exchange.method, exchange.path, body))
        if exchange.method == "GET":
            return self.get_answer or self._get(exchange.path)
        if exchange.method == "PROPFIND":
            return self._propfind(exchange)
        if "sync-collection" in body:
            return self._sync(body)
        return self._multiget(body)

    def _get(self, path: str) -> bytes:
        for known, (etag, card) in self.cards.items():
            if unquote(path) == unquote(known):
                return http_answer(200, card, ETag=etag, Content_Type="text/vcard")
        return http_answer(404)

    def _propfind(self, exchange: Exchange) -> bytes:
        if exchange.path == "/b/" and exchange.headers["depth"] == "1":
            rows = self._response("/b/", "<D:resourcetype><D:collection/><C:addressbook/></D:resourcetype>")
            return multistatus(rows + "".join(self._etag(path) for path in self.cards), self.prefix)
        book = (
            "<D:resourcetype><D:collection/><C:addressbook/></D:resourcetype>"
            "<D:current-user-principal><D:href>/p/</D:href></D:current-user-principal>"
            "<C:addressbook-home-set><D:href>/h/</D:href></C:addressbook-home-set>"
            + (f"<D:sync-token>{self.token}</D:sync-token>" if self.sync else "")
            + (f"<S:getctag>{self.ctag}</S:getctag>" if self.ctag else "")
            + (f"<C:supported-address-data>{self.versions}</C:supported-address-data>" if self.versions else "")
        )
        if exchange.path == "/h/":
            return multistatus(
                self._response("/h/", "<D:resourcetype><D:collection/></D:resourcetype>")
                + self._response("/b/", book)
                + self.extra_books,
                self.prefix,
            )
        if exchange.path in ("/b/", "/p/", "/"):
            if exchange.path != "/b/":
                book = book.replace("<C:addressbook/>", "")
            return multistatus(self._response(exchange.path, book), self.prefix)
        return http_answer(404)

    def _sync(self, body: str) -> bytes:
        token = body.partition("sync-token>")[2].partition("<")[0]
        if token and self.unknown_token:
            return http_answer(self.unknown_token[0], self.unknown_token[1], Content_Type="application/xml")
        paths = list(self.cards)
        start = int(token.partition("+")[2] or 0) if "+" in token else 0
        if token == self.token:
            paths = []
        rows = "".join(
            f"<D:response><D:href>{self.spelling(path)}</D:href><D:status>HTTP/1.1 404 Gone</D:status></D:response>"
            for path in self.gone
        )
        if self.truncate_at is None:
            return multistatus(rows + "".join(map(self._etag, paths)), self.prefix, self.token)
        end = start + self.truncate_at
        rows += "".join(map(self._etag, paths[start:end]))
        if end >= len(paths) and not self.stuck:
            return multistatus(rows, self.prefix, self.token)
        rows += "<D:response><D:href>/b/</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status></D:response>"
        return multistatus(rows, self.prefix, "part+0" if self.stuck else f"part+{end}")

    def _multiget(self, body: str) -> bytes:
        if self.multiget_status:
            return http_answer(self.multiget_status)
        rows = ""
        for href in re.findall(r"<D:href>([^<]*)</D:href>", body):
            path = unquote(href)
            if path not in {unquote(known) for known in self.cards}:
                rows += f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>"
            elif path not in self.left_out:
                etag, card = next(value for known, value in self.cards.items() if unquote(known) == path)
                data = escape(card) + ("\x0b" if path in self.broken_xml else "")
                rows += self._response(href, f"<D:getetag>{escape(etag)}</D:getetag><C:address-data>{data}</C:address-data>")
        return multistatus(rows, self.prefix)

    def _etag(self, path: str) -> str:
        etag = self.cards[path][0]
        return self._response(self.spelling(path), f"<D:getetag>{escape(etag)}</D:getetag>" if etag else "<D:x/>")

    def _response(self, href: str, properties: str) -> str:
        return (
            f"<D:response><D:href>{href}</D:href><D:propstat><D:prop>{properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status>"
            "</D:propstat><D:propstat><D:prop><D:quota/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>"
        )


def multistatus(rows: str, prefix: str, token: str | None = None) -> bytes:
    body = (
        '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav" '
        f'xmlns:S="http://calendarserver.org/ns/">{rows}{f"<D:sync-token>{token}</D:sync-token>" if token else ""}</D:multistatus>'
    )
    if prefix != "D":
        body = body.replace("<D:", f"<{prefix}:").replace("</D:", f"</{prefix}:").replace("xmlns:D=", f"xmlns:{prefix}=")
    return http_answer(207, body, Content_Type='text/xml; encoding="utf-8"')


ADA = Secret(username="ada", password="secret")


def opened(
    new_session: SessionMaker, url: str, secret: Secret = ADA, *, user_id: str | None = None, **more: Any
) -> carddav.CardDav:
    return carddav.CardDav(
        new_session(url, provider="carddav", secret=secret, user_id=user_id, quota=carddav.PROVIDER.quota, **more)
    )


async def mirrored(dav: Dav, new_session: SessionMaker, mirror: Mirror | None = None) -> Mirror:
    async with scripted(dav) as server:
        return await (mirror or Mirror()).follow(opened(new_session, f"{server.url}/", user_id="ada"))


def uids(mirror: Mirror) -> list[str]:
    return sorted(contact.uid or "" for contact in mirror.contacts.values())


ALL = [f"u{number}" for number in range(7)]


@pytest.mark.parametrize("prefix", ["D", "d", "ns0", "x-y"])
async def test_any_namespace_prefix_is_understood(new_session: SessionMaker, prefix: str) -> None:
    dav = Dav()
    dav.prefix = prefix
    assert uids(await mirrored(dav, new_session)) == ALL


async def test_a_truncated_listing_is_followed_to_its_end(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.truncate_at = 2
    mirror = await mirrored(dav, new_session)
    assert uids(mirror) == ALL
    assert sum("sync-collection" in body for _, _, body in dav.seen) == 4


async def test_a_truncated_listing_that_does_not_get_on_is_malformed_and_deletes_nothing(new_session: SessionMaker) -> None:
    dav = Dav()
    mirror = await mirrored(dav, new_session)
    dav.token, dav.truncate_at, dav.stuck = "t2", 2, True
    with pytest.raises(Malformed):
        await mirrored(dav, new_session, mirror)
    assert uids(mirror) == ALL


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, '<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>'),
        (412, '<ns0:error xmlns:ns0="DAV:"><ns0:valid-sync-token/></ns0:error>'),
        (409, ""),
        (400, "<html>bad request"),
        (410, "rubbish"),
    ],
)
async def test_a_forgotten_token_lists_everything_and_finds_what_is_gone(
    new_session: SessionMaker, status: int, body: str
) -> None:
    dav = Dav()
    mirror = await mirrored(dav, new_session)
    del dav.cards["/b/3.vcf"]
    dav.token, dav.unknown_token = "t2", (status, body)
    await mirrored(dav, new_session, mirror)
    assert uids(mirror) == [uid for uid in ALL if uid != "u3"]


async def test_a_card_left_out_of_multiget_is_fetched_by_itself(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.left_out = {"/b/2.vcf", "/b/5.vcf"}
    assert uids(await mirrored(dav, new_session)) == ALL


async def test_a_card_left_out_and_really_gone_is_gone(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.left_out = {"/b/2.vcf"}
    dav.get_answer = http_answer(404)
    async with scripted(dav) as server:
        pages = [page async for page in opened(new_session, server.url).pages(None)]
    mirror = Mirror()
    for page in pages:
        mirror.take(page)
    assert uids(mirror) == [uid for uid in ALL if uid != "u2"]
    assert [statement.expected for page in pages for statement in page.statements] == [6]


async def test_a_sign_in_page_in_place_of_a_card_is_about_the_account_not_the_card(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.left_out = {"/b/2.vcf"}
    dav.get_answer = http_answer(200, "<html>Sign in", Content_Type="text/html")
    with pytest.raises(Malformed, match="web page"):
        await mirrored(dav, new_session)


async def test_a_control_character_in_one_card_does_not_cost_the_others(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.broken_xml = {"/b/4.vcf"}
    assert uids(await mirrored(dav, new_session)) == ALL


@pytest.mark.parametrize("status", [400, 405, 415, 501])
async def test_a_server_without_multiget_is_read_card_by_card(new_session: SessionMaker, status: int) -> None:
    dav = Dav()
    dav.multiget_status = status
    if status == 501:
        with pytest.raises(Unavailable):
            await mirrored(dav, new_session)
    else:
        assert uids(await mirrored(dav, new_session)) == ALL


@pytest.mark.parametrize("etag", ["unquoted", 'W/"weak"', '"q"uo"ted"', ""])
async def test_an_etag_is_kept_as_the_server_spells_it(new_session: SessionMaker, etag: str) -> None:
    dav = Dav(1)
    dav.cards["/b/0.vcf"] = (etag, dav.cards["/b/0.vcf"][1])
    (contact,) = (await mirrored(dav, new_session)).contacts.values()
    assert contact.etag == (etag or None)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda path: f"http://127.0.0.1{path}",
        lambda path: path.replace("é", "%C3%A9"),
        lambda path: path.replace("@", "%40").replace(" ", "%20").replace("é", "%c3%a9"),
        lambda path: path.removeprefix("/b/"),
    ],
    ids=["absolute", "half encoded", "encoded", "relative"],
)
async def test_an_href_may_be_spelled_in_any_way(new_session: SessionMaker, spelling: Callable[[str], str]) -> None:
    dav = Dav(0)
    dav.cards = {"/b/a@b é.vcf": ('"1"', CARD.format(uid="u0", name="N"))}
    dav.spelling = spelling
    mirror = await mirrored(dav, new_session)
    assert list(mirror.contacts) == ["/b/a@b%20%C3%A9.vcf"]
    dav.spelling = lambda path: path
    dav.token = "t2"
    dav.gone, dav.cards = ["/b/a@b é.vcf"], {}
    await mirrored(dav, new_session, mirror)
    assert mirror.contacts == {}


async def test_cards_outside_of_their_book_are_not_an_empty_book(new_session: SessionMaker) -> None:
    dav = Dav()
    mirror = await mirrored(dav, new_session)
    dav.token, dav.unknown_token = "t2", (403, "")
    dav.spelling = lambda path: "/behind/the/proxy" + path
    with pytest.raises(Malformed, match="proxy"):
        await mirrored(dav, new_session, mirror)
    assert uids(mirror) == ALL


async def test_without_sync_collection_the_ctag_and_etags_tell_what_changed(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.sync = False
    mirror = await mirrored(dav, new_session)
    assert uids(mirror) == ALL
    dav.seen.clear()
    await mirrored(dav, new_session, mirror)
    assert not any(method in ("REPORT", "GET") or "getetag" in body for method, _, body in dav.seen)
    dav.ctag = "c2"
    del dav.cards["/b/1.vcf"]
    dav.cards["/b/2.vcf"] = ('"new"', CARD.format(uid="u2", name="Changed"))
    mirror.rows = 0
    await mirrored(dav, new_session, mirror)
    assert mirror.rows == 1
    assert uids(mirror) == [uid for uid in ALL if uid != "u1"]


@pytest.mark.parametrize("emptied", ["/b/", "/h/"], ids=["book", "home"])
async def test_a_listing_without_even_the_collection_itself_is_malformed_and_deletes_nothing(
    new_session: SessionMaker, emptied: str
) -> None:
    dav = Dav()
    dav.sync = False
    mirror = await mirrored(dav, new_session)
    dav.ctag = "c2"

    def answer(exchange: Exchange) -> bytes:
        return multistatus("", "D") if (exchange.path, exchange.headers["depth"]) == (emptied, "1") else dav(exchange)

    async with scripted(answer) as server:
        with pytest.raises(Malformed):
            await mirror.follow(opened(new_session, server.url, user_id="ada"))
    assert uids(mirror) == ALL


async def test_without_ctag_and_etags_everything_is_read_again(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.sync, dav.ctag = False, None
    dav.cards = {path: ("", card) for path, (_, card) in dav.cards.items()}
    mirror = await mirrored(dav, new_session)
    del dav.cards["/b/1.vcf"]
    mirror.rows = 0
    await mirrored(dav, new_session, mirror)
    assert mirror.rows == 6
    assert uids(mirror) == [uid for uid in ALL if uid != "u1"]


async def test_version_4_is_asked_for_only_where_it_is_offered(new_session: SessionMaker) -> None:
    for versions, expected in (("", False), ('<C:address-data-type content-type="text/vcard" version="4.0"/>', True)):
        dav = Dav()
        dav.versions = versions
        await mirrored(dav, new_session)
        assert any('version="4.0"' in body for _, _, body in dav.seen) is expected


@pytest.mark.parametrize(
    ("card", "outcome"),
    [
        ("BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n", "SKIPPED"),
        ("<html>", "FAILED"),
        ("", None),
        ("hello", "FAILED"),
    ],
)
async def test_a_card_that_is_none_is_reported_and_the_others_arrive(
    new_session: SessionMaker, card: str, outcome: str | None
) -> None:
    dav = Dav()
    dav.cards["/b/9.vcf"] = ('"x"', card)
    async with scripted(dav) as server:
        rows = [row async for page in opened(new_session, server.url).pages(None) for row in page.rows]
    broken = [row.item for row in rows if isinstance(row.item, Unreadable)]
    assert sorted(row.item.uid or "" for row in rows if isinstance(row.item, Contact)) == ALL
    assert [(item.key, item.outcome) for item in broken] == [("/b/9.vcf", outcome or "FAILED")]


async def test_one_broken_book_does_not_stop_the_others(new_session: SessionMaker) -> None:
    dav = Dav()
    dav.extra_books = dav._response("/a/", "<D:resourcetype><C:addressbook/></D:resourcetype><D:sync-token>x</D:sync-token>")
    mirror = Mirror()

    def answer(exchange: Exchange) -> bytes:
        return http_answer(500) if exchange.path == "/a/" else dav(exchange)

    async with scripted(answer) as server:
        with pytest.raises(Unavailable):
            await mirror.follow(opened(new_session, server.url, user_id="ada"))
        assert uids(mirror) == ALL
        assert mirror.cursor is not None


async def test_a_virtual_book_of_recent_contacts_is_left_alone(new_session: SessionMaker) -> None:
    dav = Dav()
    path = "/h/z-app-generated--contactsinteraction--recent/"
    dav.extra_books = dav._response(path, "<D:resourcetype><C:addressbook/></D:resourcetype>")
    await mirrored(dav, new_session)
    assert not any(asked == path for _, asked, _ in dav.seen)


async def test_an_absent_book_that_still_answers_keeps_its_cards(new_session: SessionMaker) -> None:
    dav = Dav()
    mirror = await mirrored(dav, new_session)
    before = mirror.cursor or b""
    mirror.cursor = before.replace(b'{"books":{', b'{"books":{"/p/":{"token":"z"},')
    mirror.contacts["/p/1"] = Contact(key="/p/1", relation="ADDRESS_BOOK", container="/p/")
    await mirrored(dav, new_session, mirror)
    assert "/p/1" in mirror.contacts


# --- discovery, further ---------------------------------------------------------------------------------------------------


async def test_discovery_goes_on_past_a_web_site_to_the_well_known_place(new_session: SessionMaker) -> None:
    dav = Dav()

    def site(exchange: Exchange) -> bytes:
        if exchange.path == "/.well-known/carddav":
            return http_answer(301, Location="/p/")
        return http_answer(200, "<html>Welcome", Content_Type="text/html") if exchange.path == "/" else dav(exchange)

    async with scripted(site) as server:
        profile = await opened(new_session, server.url).profile()
    assert profile.user_id == f"{server.url}/p/"
    assert profile.base_url == f"{server.url}/p/"


async def test_a_service_record_is_asked_last_and_the_password_does_not_follow_to_a_stranger(
    new_session: SessionMaker,
) -> None:
    asked: list[str] = []
    async with scripted(http_answer(404)) as server:

        async def services(name: str) -> list[tuple[str, int]]:
            asked.append(name)
            return [("dav.provider.example", 443)]

        async def lookup(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        transport = Transport(Guard(["127.0.0.0/8:*"], lookup=lookup, services=services))
        with pytest.raises(Unavailable):  # nobody listens there on 443
            await opened(new_session, f"http://example.org:{server.port}/", transport=transport, interactive=True).profile()
        await transport.aclose()
    assert asked == ["_carddavs._tcp.example.org"]
    assert len(server.seen) >= 4


async def test_a_server_without_address_books_says_what_to_give_instead(new_session: SessionMaker) -> None:
    async with scripted(http_answer(405)) as server:
        with pytest.raises(Refused, match="full address"):
            await opened(new_session, server.url).profile()
        server.answers = [http_answer(200, "<html>Hi", Content_Type="text/html")]
        with pytest.raises(Malformed, match="web page"):
            await opened(new_session, server.url).profile()


async def test_a_wrong_password_is_tried_once(new_session: SessionMaker) -> None:
    async with scripted(http_answer(401)) as server:
        with pytest.raises(ReauthRequired):
            await opened(new_session, server.url).profile()
    assert len(server.seen) == 1


async def test_a_home_at_another_host_is_not_given_the_password(new_session: SessionMaker) -> None:
    async with scripted(http_answer(401)) as other:
        home = (
            "<D:response><D:href>/</D:href><D:propstat><D:prop><D:current-user-principal><D:href>/p/</D:href>"
            f"</D:current-user-principal><C:addressbook-home-set><D:href>{other.url}/h/</D:href></C:addressbook-home-set>"
            "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
        async with scripted(multistatus(home, "D")) as server:
            with pytest.raises(Refused, match="was not given to it"):
                await opened(new_session, server.url).profile()
    assert all("authorization" not in exchange.headers for exchange in other.seen)


def test_the_password_may_follow_to_icloud_s_own_shards(new_session: SessionMaker) -> None:
    session = new_session(carddav.base_url({"server": "ada@icloud.com"}), secret=ADA)
    carddav.CardDav(session)
    assert session.may_carry(session.absolute("https://p42-contacts.icloud.com:443/123/carddavhome/"))
    assert not session.may_carry(session.absolute("https://p42-contacts.icloud.com.example.net/"))


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("dav.example.org", "https://dav.example.org/"),
        ("https://cloud.example.org/remote.php/dav/", "https://cloud.example.org/remote.php/dav/"),
        ("https://ada:pw@dav.example.org:8443/x#y", "https://dav.example.org:8443/x"),
        ("ada@example.org", "https://example.org/"),
        (" Ada@Example.ORG ", "https://example.org/"),
        ("ada@icloud.com", "https://contacts.icloud.com/"),
        ("http://127.0.0.1:5232/ada/", "http://127.0.0.1:5232/ada/"),
        ("https://dav.example.org/a%40b/", "https://dav.example.org/a%40b/"),
    ],
)
def test_the_server_is_found_in_what_people_type(typed: str, url: str) -> None:
    assert carddav.base_url({"server": typed}) == url


@pytest.mark.parametrize(
    "typed", ["", "ftp://dav.example.org", "a b", "https://", "@", "ada@gmail.com", "http://[::1", "x:99999"]
)
def test_what_is_no_server_is_refused_with_advice(typed: str) -> None:
    with pytest.raises(Refused):
        carddav.base_url({"server": typed})
