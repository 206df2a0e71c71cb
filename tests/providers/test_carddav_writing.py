"""Contacts written back to real CardDAV servers, and to one that does what others have been seen to do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from xml.sax.saxutils import escape

import msgspec
import pytest

from providers import carddav
from providers.errors import Conflict, Refused
from providers.records import Contact, ContactField, Email, Name, Phone
from tests.mail_servers import MailServer
from tests.providers.conftest import Exchange, SessionMaker, http_answer, scripted
from tests.providers.contract import Mirror
from tests.providers.test_carddav import ADA, CARD, BookRig, Dav, multistatus, opened
from tests.servers import CardDav

_numbers = itertools.count(100)

ODD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:odd-1\r\nFN:Grace Hopper\r\nN:Hopper;Grace;;;\r\n"
    "EMAIL;TYPE=home:grace@example.org\r\nitem1.EMAIL;X-ODD=1:hopper@navy.example\r\nitem1.X-ABLABEL:Ship\r\n"
    "X-UNKNOWN;X-P=1:keep me\\, as I am\r\nIMPP;X-SERVICE-TYPE=Jabber:xmpp:grace@example.org\r\nEND:VCARD\r\n"
)
NEW = Contact(
    key="",
    relation="ADDRESS_BOOK",
    names=(Name(full="Ada Lovelace", given="Ada", family="Lovelace"),),
    emails=(Email(raw="ada@example.org", address="ada@example.org", label="work"),),
    phones=(Phone(raw="+44 7700 900123", number="+447700900123", label="cell", mobile=True),),
    note="Wrote the first program",
    uid="7d2f8c1e-5a07-4a5e-9a4e-1f0f6f6f0001",
)


@pytest.fixture(params=["radicale", "xandikos", "cyrus"])
def rig(request: pytest.FixtureRequest) -> Iterator[BookRig]:
    server = request.getfixturevalue(f"{request.param}_server")
    yield BookRig(server.address_books(server.new_user()) if isinstance(server, MailServer) else server)


def book(new_session: SessionMaker, rig: BookRig) -> carddav.CardDav:
    return opened(new_session, rig.book, rig.secret, user_id="ada")


async def only(new_session: SessionMaker, rig: BookRig) -> Contact:
    mirror = await Mirror().follow(book(new_session, rig))
    (contact,) = mirror.contacts.values()
    assert isinstance(contact, Contact)
    return contact


def put(rig: BookRig, card: str, uid: str = "odd-1") -> None:
    rig._server.put(uid, card, rig.book)


async def test_a_new_contact_is_a_card_that_the_next_poll_shows(new_session: SessionMaker, rig: BookRig) -> None:
    made = await book(new_session, rig).create_contact(NEW, again=False)
    shown = await only(new_session, rig)
    assert shown == made
    assert (shown.names, shown.emails, shown.note, shown.uid) == (NEW.names, NEW.emails, NEW.note, NEW.uid)
    assert shown.key == f"{rig.path}{NEW.uid}.vcf"
    assert shown.etag is not None


async def test_a_contact_made_twice_is_there_once(new_session: SessionMaker, rig: BookRig) -> None:
    made = await book(new_session, rig).create_contact(NEW, again=False)
    assert await book(new_session, rig).create_contact(NEW, again=False) == made
    assert await only(new_session, rig) == made


async def test_a_change_leaves_what_nobody_understands_byte_for_byte(new_session: SessionMaker, rig: BookRig) -> None:
    put(rig, ODD)
    before = await only(new_session, rig)
    wanted = msgspec.structs.replace(before, note="New note", emails=before.emails[:1])
    after = await book(new_session, rig).update_contact(wanted, frozenset({"note", "emails"}))
    assert after == await only(new_session, rig)
    assert (after.note, after.emails) == ("New note", before.emails[:1])
    assert after.etag != before.etag
    assert before.vcard is not None
    assert after.vcard is not None
    lines = set(after.vcard.splitlines())
    gone = [line for line in before.vcard.splitlines() if line not in lines]
    assert sorted(line for line in gone if "REV" not in line) == [
        "item1.EMAIL;X-ODD=1:hopper@navy.example",
        "item1.X-ABLABEL:Ship",
    ]


async def test_a_card_changed_meanwhile_is_a_conflict_that_shows_it(new_session: SessionMaker, rig: BookRig) -> None:
    put(rig, ODD)
    before = await only(new_session, rig)
    put(rig, ODD.replace("Grace Hopper", "Grace Murray"))
    with pytest.raises(Conflict) as caught:
        await book(new_session, rig).update_contact(msgspec.structs.replace(before, note="Mine"), frozenset({"note"}))
    now = await only(new_session, rig)
    assert caught.value.current == now
    assert now.names[0].full == "Grace Murray"
    with pytest.raises(Conflict):
        await book(new_session, rig).delete_contact(before.key, before.etag)
    assert await only(new_session, rig) == now


async def test_a_change_without_a_version_wins_and_keeps_what_others_wrote(new_session: SessionMaker, rig: BookRig) -> None:
    put(rig, ODD)
    before = await only(new_session, rig)
    put(rig, ODD.replace("Grace Hopper", "Grace Murray"))
    wanted = msgspec.structs.replace(before, note="Mine", etag=None)
    after = await book(new_session, rig).update_contact(wanted, frozenset({"note"}))
    assert (after.names[0].full, after.note) == ("Grace Murray", "Mine")


async def test_a_change_made_twice_is_one_even_when_its_answer_was_lost(new_session: SessionMaker, rig: BookRig) -> None:
    put(rig, ODD)
    wanted = msgspec.structs.replace(await only(new_session, rig), note="Mine")
    after = await book(new_session, rig).update_contact(wanted, frozenset({"note"}))
    assert await book(new_session, rig).update_contact(wanted, frozenset({"note"})) == after


async def test_a_deleted_contact_is_gone_and_deleting_it_again_changes_nothing(new_session: SessionMaker, rig: BookRig) -> None:
    put(rig, ODD)
    before = await only(new_session, rig)
    for _ in range(2):
        await book(new_session, rig).delete_contact(before.key, before.etag)
    assert (await Mirror().follow(book(new_session, rig))).contacts == {}
    with pytest.raises(Refused) as caught:
        await book(new_session, rig).update_contact(msgspec.structs.replace(before, note="x"), frozenset({"note"}))
    assert caught.value.provider_code == "not-found"


async def test_several_books_are_containers_of_their_own_and_a_new_contact_goes_where_it_is_wanted(
    new_session: SessionMaker, xandikos_server: CardDav
) -> None:
    first, second = BookRig(xandikos_server), BookRig(xandikos_server)
    put(first, ODD)
    home = opened(new_session, xandikos_server.home, first.secret, user_id="ada")
    made = await home.create_contact(
        msgspec.structs.replace(NEW, container=second.path, uid=f"{NEW.uid}{next(_numbers)}"), again=False
    )
    assert made.container == second.path
    mirror = await Mirror().follow(opened(new_session, xandikos_server.home, first.secret, user_id="ada"))
    assert {c.container for c in mirror.contacts.values() if isinstance(c, Contact)} >= {first.path, second.path}
    assert mirror.contacts[made.key] == made


async def test_a_group_that_is_a_card_names_its_members(new_session: SessionMaker, rig: BookRig) -> None:
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:friends\r\nFN:Friends\r\nN:Friends;;;;\r\nX-ADDRESSBOOKSERVER-KIND:group\r\n"
        "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:odd-1\r\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:4FBE8971-0BC3-424C-9C26-36C3E1EFF6B1\r\n"
        "END:VCARD\r\n"
    )
    put(rig, card, "friends")
    group = await only(new_session, rig)
    assert (group.nature, sorted(group.members)) == ("GROUP", ["4fbe8971-0bc3-424c-9c26-36c3e1eff6b1", "odd-1"])


# --- a server that does what others have been seen to do -------------------------------------------------------------------


class WritableDav(Dav):
    """The scripted server, with PUT and DELETE. `refusal` answers every write; `lost` cuts the first answer to a write."""

    def __init__(self) -> None:
        super().__init__(1)
        self.refusal: bytes | None = None
        self.lost = 0
        self.weak = False
        self.silent = False  # no ETag in answers to GET
        self.conditions: list[tuple[str, str]] = []
        self.versions_written = 0
        self.intruder: str | None = None  # somebody who writes right before us

    def __call__(self, exchange: Exchange) -> bytes:
        if exchange.method == "GET" and self.silent:
            return super().__call__(exchange).replace(b"\r\nETag: ", b"\r\nX-Tag: ")
        if exchange.method == "PROPFIND" and exchange.path in self.cards:
            etag = f"<D:getetag>{escape(self.cards[exchange.path][0])}</D:getetag>"
            return multistatus(self._response(exchange.path, etag), "D")
        if exchange.method not in ("PUT", "DELETE"):
            return super().__call__(exchange)
        wanted = exchange.headers.get("if-match", "")
        self.conditions.append((exchange.headers.get("if-match", ""), exchange.headers.get("if-none-match", "")))
        if self.refusal is not None:
            return self.refusal
        path = exchange.path
        if self.intruder is not None and path in self.cards:
            self.cards[path] = ('"intruder"', self.intruder)
            self.intruder = None
        held = self.cards.get(path)
        if (wanted and (held is None or held[0] != wanted)) or (exchange.headers.get("if-none-match") == "*" and held):
            return http_answer(412)
        if exchange.method == "DELETE":
            return http_answer(204 if self.cards.pop(path, None) else 404)
        self.versions_written += 1
        etag = f'"w{self.versions_written}"'
        self.cards[path] = (f"W/{etag}" if self.weak else etag, exchange.body.decode())
        if self.lost:
            self.lost -= 1
            return http_answer(502)
        return http_answer(204)


def held(dav: Dav, path: str = "/b/0.vcf") -> Contact:
    return Contact(key=path, relation="ADDRESS_BOOK", etag=dav.cards[path][0], note="Mine")


NOTE: frozenset[ContactField] = frozenset({"note"})


async def test_an_answer_that_was_lost_is_no_conflict(new_session: SessionMaker) -> None:
    dav = WritableDav()
    dav.lost = 1
    async with scripted(dav) as server:
        after = await opened(new_session, f"{server.url}/", user_id="ada").update_contact(held(dav), NOTE)
        assert (after.note, after.etag) == ("Mine", '"w1"')
        dav.lost = 1
        made = await opened(new_session, f"{server.url}/", user_id="ada").create_contact(NEW, again=False)
    assert made.uid == NEW.uid
    assert len(dav.cards) == 2


async def test_a_change_that_is_to_win_is_made_anew_when_somebody_writes_in_between(new_session: SessionMaker) -> None:
    dav = WritableDav()
    dav.intruder = CARD.format(uid="u0", name="Theirs")
    async with scripted(dav) as server:
        wanted = msgspec.structs.replace(held(dav), etag=None)
        after = await opened(new_session, f"{server.url}/", user_id="ada").update_contact(wanted, NOTE)
    assert (after.names[0].full, after.note) == ("Theirs", "Mine")


async def test_somebody_who_writes_in_between_makes_a_conflict_for_others(new_session: SessionMaker) -> None:
    dav = WritableDav()
    dav.intruder = CARD.format(uid="u0", name="Theirs")
    async with scripted(dav) as server:
        with pytest.raises(Conflict) as caught:
            await opened(new_session, f"{server.url}/", user_id="ada").update_contact(held(dav), NOTE)
    assert caught.value.current is not None
    assert caught.value.current.names[0].full == "Theirs"


async def test_a_weak_etag_is_compared_and_never_sent(new_session: SessionMaker) -> None:
    dav = WritableDav()
    dav.weak = True
    dav.cards["/b/0.vcf"] = ('W/"e0"', dav.cards["/b/0.vcf"][1])
    async with scripted(dav) as server:
        adapter = opened(new_session, f"{server.url}/", user_id="ada")
        assert (await adapter.update_contact(held(dav), NOTE)).note == "Mine"
        with pytest.raises(Conflict):
            await adapter.update_contact(msgspec.structs.replace(held(dav), etag='W/"older"', note="x"), NOTE)
    assert dav.conditions == [("", "")]


async def test_an_etag_that_no_answer_bears_is_asked_for(new_session: SessionMaker) -> None:
    dav = WritableDav()
    dav.silent = True
    async with scripted(dav) as server:
        after = await opened(new_session, f"{server.url}/", user_id="ada").update_contact(
            msgspec.structs.replace(held(dav), etag=None), NOTE
        )
    assert after.etag == '"w1"'


@pytest.mark.parametrize(
    ("status", "condition", "said"),
    [
        (403, "", "does not allow to change"),
        (403, "<C:no-uid-conflict><D:href>/b/9.vcf</D:href></C:no-uid-conflict>", "holds this contact already"),
        (403, "<D:need-privileges/>", "only be read"),
        (413, "", "larger"),
        (507, "<D:quota-not-exceeded/>", "full"),
        (423, "", "locked"),
        (400, "", "status 400"),
    ],
)
async def test_a_refused_card_says_why(new_session: SessionMaker, status: int, condition: str, said: str) -> None:
    dav = WritableDav()
    body = f'<?xml version="1.0"?><D:error xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">{condition}</D:error>'
    dav.refusal = http_answer(status, body, Content_Type="application/xml")
    async with scripted(dav) as server:
        adapter = opened(new_session, f"{server.url}/", user_id="ada")
        for write in (
            adapter.update_contact(held(dav), NOTE),
            adapter.create_contact(NEW, again=False),
            adapter.delete_contact("/b/0.vcf", None),
        ):
            with pytest.raises(Refused, match=said) as caught:
                await write
            assert not isinstance(caught.value, Conflict)


async def test_a_book_that_can_only_be_read_takes_no_new_contact(new_session: SessionMaker) -> None:
    dav = WritableDav()
    privileges = "<D:current-user-privilege-set><D:privilege><D:read/></D:privilege></D:current-user-privilege-set>"
    real = dav._response

    def response(href: str, properties: str) -> str:
        return real(href, properties + (privileges if "addressbook/>" in properties else ""))

    dav._response = response  # type: ignore[method-assign]
    async with scripted(dav) as server:
        with pytest.raises(Refused, match="only be read"):
            await opened(new_session, f"{server.url}/", user_id="ada").create_contact(NEW, again=False)
    assert dav.conditions == []


async def test_the_password_goes_along_with_a_card_only_to_its_own_server(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200)) as other:
        dav = WritableDav()

        def leading_away(exchange: Exchange) -> bytes:
            return http_answer(307, Location=f"{other.url}/steal") if exchange.method == "PUT" else dav(exchange)

        async with scripted(leading_away) as server:
            with pytest.raises(Refused, match="redirects what was sent"):
                await opened(new_session, f"{server.url}/", ADA, user_id="ada").create_contact(NEW, again=False)
    assert other.seen == []
