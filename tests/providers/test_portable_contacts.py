"""PortableContacts as a source against an endpoint that is held to the draft: the draft's own example, finding one, changes, deletions, declines."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest

from providers.errors import RateLimited, ReauthRequired, Refused
from providers.portable_contacts import adapter as portable_contacts
from providers.portable_contacts import discovery
from providers.portable_contacts.adapter import PortableContacts, Position
from providers.portable_contacts.entry import contact
from providers.records import (
    Address,
    Contact,
    Email,
    Handle,
    Name,
    Organization,
    PartialDate,
    Phone,
    Photo,
    Statement,
    Unreadable,
    Url,
)
from providers.session import Secret
from tests.providers.conftest import Exchange, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Mirror, run
from tests.providers.portable_contacts_stub import PASSWORD, REL, TOKEN, Endpoint
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token=TOKEN)
#: Appendix A of the draft, at domains of nobody's: `primary` a text, an account without a user name, a number that is a word.
EXAMPLE: Final[dict[str, Any]] = {
    "id": "703887",
    "displayName": "Mork Hashimoto",
    "name": {"familyName": "Hashimoto", "givenName": "Mork"},
    "birthday": "0000-01-16",
    "gender": "male",
    "drinker": "heavily",
    "tags": ["plaxo guy", "favorite"],
    "emails": [
        {"value": "mhashimoto-04@plaxo.example", "type": "work", "primary": "true"},
        {"value": "mhashimoto-04@plaxo.example", "type": "home"},
        {"value": "mhashimoto@plaxo.example", "type": "home"},
    ],
    "urls": [
        {"value": "http://www.seeyellow.example", "type": "work"},
        {"value": "http://www.angryalien.example", "type": "home"},
    ],
    "phoneNumbers": [{"value": "KLONDIKE5", "type": "work"}, {"value": "650-253-0000", "type": "mobile"}],
    "photos": [{"value": "http://sample.site.example/photos/12345.jpg", "type": "thumbnail"}],
    "ims": [{"value": "plaxodev8", "type": "aim"}],
    "addresses": [
        {
            "type": "home",
            "streetAddress": "742 Evergreen Terrace\nSuite 123",
            "locality": "Springfield",
            "region": "VT",
            "postalCode": "12345",
            "country": "USA",
            "formatted": "742 Evergreen Terrace\nSuite 123\nSpringfield, VT 12345 USA",
        }
    ],
    "organizations": [{"name": "Burns Worldwide", "title": "Head Bee Guy"}],
    "accounts": [{"domain": "plaxo.example", "userid": "2706"}],
}


@pytest.fixture
async def endpoint(clock: HandClock) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(clock.now)
    async with running(endpoint):
        yield endpoint
    assert endpoint.violations == []


Open = Callable[..., PortableContacts]


@pytest.fixture
def opened(endpoint: Endpoint, new_session: SessionMaker) -> Open:
    def open_(path: str = "/poco/@me/@all", **more: Any) -> PortableContacts:
        more.setdefault("secret", GRANT)
        more.setdefault("user_id", "robin")
        return PortableContacts(new_session(endpoint.url + path, provider="portable_contacts", **more))

    return open_


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable_contacts, "COUNT", 8)
    monkeypatch.setattr(portable_contacts, "IDS", 13)


class Rig:
    provider = msgspec.structs.replace(portable_contacts.PROVIDER, quota=None)
    path = "/poco/@me/@all"
    secret = GRANT

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.server_url = endpoint.url

    def fill(self) -> None:
        for number in range(24):
            self.endpoint.put(f"c{number}", f"Contact {number}", emails=[{"value": f"c{number}@example.org"}])

    def names(self) -> set[str]:
        return {entry["displayName"] for entry in self.endpoint.entries.values()}

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact)
        return contact.names[0].full

    def remove(self) -> str:
        return str(self.endpoint.entries.pop("c4")["displayName"])

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return msgspec.json.encode(Position(version=1, since=datetime(2100, 1, 1, tzinfo=UTC)))


class TestContract(AdapterContract):
    least = 2

    def kind_of(self, exchange: Exchange) -> str:
        """Everybody, changes, ids, the total: they differ by what is asked, not by where."""
        return re.sub(r"startIndex=\d+", "", exchange.path)

    @pytest.fixture
    def rig(self, endpoint: Endpoint) -> Rig:
        return Rig(endpoint)


class TestForgetfulContract(TestContract):
    """The same at a server that declines what it may."""

    @pytest.fixture
    def rig(self, endpoint: Endpoint) -> Rig:
        endpoint.declines = {"updatedSince", "fields"}
        rig = Rig(endpoint)
        rig.provider = msgspec.structs.replace(rig.provider, capabilities=frozenset({"CONTACTS", "MIRROR"}))
        return rig

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


# --- entries ----------------------------------------------------------------------------------------------------------------


def test_the_drafts_own_example_is_read_field_by_field() -> None:
    mork = contact(EXAMPLE, "703887", "US")
    assert mork.names == (Name(full="Mork Hashimoto", given="Mork", family="Hashimoto"),)
    assert mork.dates == (PartialDate(month=1, day=16, label="birthday"),)
    assert mork.groups == ("plaxo guy", "favorite")
    assert mork.emails[0] == Email(
        raw="mhashimoto-04@plaxo.example", address="mhashimoto-04@plaxo.example", label="work", preferred=True
    )
    assert [one.preferred for one in mork.emails] == [True, False, False]
    assert mork.urls == (
        Url(url="http://www.seeyellow.example", label="work"),
        Url(url="http://www.angryalien.example", label="home"),
    )
    assert mork.phones == (
        Phone(raw="KLONDIKE5", label="work"),
        Phone(raw="650-253-0000", number="+16502530000", label="cell", mobile=True),
    )
    assert mork.photo == Photo(url="http://sample.site.example/photos/12345.jpg")
    assert mork.handles == (Handle(provider="plaxo.example", handle="2706"), Handle(provider="aim", handle="plaxodev8"))
    assert mork.organizations == (Organization(name="Burns Worldwide", title="Head Bee Guy"),)
    assert mork.addresses == (
        Address(
            formatted="742 Evergreen Terrace\nSuite 123\nSpringfield, VT 12345 USA",
            street="742 Evergreen Terrace\nSuite 123",
            locality="Springfield",
            region="VT",
            postal_code="12345",
            country="USA",
            label="home",
        ),
    )


def test_a_display_name_that_only_stands_in_for_a_name_is_none() -> None:
    assert contact({"id": "1", "displayName": "ada@example.org", "emails": [{"value": "ada@example.org"}]}, "1", None).names == ()
    assert contact({"id": "1", "displayName": "ada", "accounts": [{"domain": "x.com", "username": "ada"}]}, "1", None).names == ()


STRANGE: Final[list[Any]] = [
    {"emails": "ada@example.org"}, {"emails": {"value": None}}, {"emails": [[], 5, None, {"value": {"value": "x"}}]}, {"name": "Ada"},
    {"tags": {"a": 1}}, {"accounts": [{"domain": 5}]}, {"birthday": 19700101}, {"updated": "yesterday"}, {"urls": ["javascript:alert(1)"]},
    {"photos": [{"value": "data:image/png;base64,AA"}]}, {"addresses": ["x"]}, {"note": "a\x00b"}, {"connected": "perhaps"},
    {"phoneNumbers": [{"value": 5551234}]}, {"updated": "99999-01-01T00:00:00Z"}, {"emails": [{"value": "a@example.org"}] * 9_000},
]  # fmt: skip


@pytest.mark.parametrize("fields", STRANGE, ids=lambda fields: next(iter(fields)))
def test_what_is_written_in_no_way_of_the_drafts_costs_its_field_and_no_more(fields: dict[str, Any]) -> None:
    found = contact({"id": "1", "displayName": "Ada Ray", **fields}, "1", None)
    assert found.names[0].full in ("Ada Ray", "Ada")
    assert len(found.emails) <= 500
    assert "\x00" not in (found.note or "")
    assert found.photo is None
    assert found.urls == ()


async def test_a_contact_without_an_id_is_said_and_the_others_are_read(endpoint: Endpoint, opened: Open) -> None:
    endpoint.put("a", "Ada")
    endpoint.entries["b"] = {"displayName": "Nobody"}
    found = await run(opened())
    assert [one.key for one in found.all(Contact)] == ["a"]
    (unreadable,) = found.all(Unreadable)
    assert "without an id" in unreadable.message
    endpoint.put("c", "Cai")
    found = await run(opened(), found.cursor)
    assert [one.key for one in found.all(Contact)] == ["c"]


async def test_a_single_entry_may_stand_in_the_place_of_a_list(endpoint: Endpoint, opened: Open) -> None:
    endpoint.places["/poco/@me/@all"] = Answer(200, {"totalResults": "1", "entry": {"id": 7, "displayName": "Ada"}})
    mirror = await Mirror().follow(opened())
    assert set(mirror.contacts) == {"7"}


# --- changes and deletions --------------------------------------------------------------------------------------------------


async def test_only_what_changed_is_read_again(endpoint: Endpoint, opened: Open, clock: HandClock) -> None:
    for number in range(20):
        endpoint.put(f"c{number}", f"Contact {number}")
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(hours=1)
    await mirror.follow(opened())
    endpoint.put("c3", "Contact Three")
    endpoint.put("new", "Somebody New")
    mirror.rows = 0
    endpoint.asked.clear()
    await mirror.follow(opened())
    assert mirror.rows == 2
    assert {mirror.contacts[key].names[0].full for key in ("c3", "new")} == {"Contact Three", "Somebody New"}
    assert endpoint.asked[0].one("updatedSince") == "2026-05-04T12:58:00Z"  # two minutes before its own clock at the last run
    mirror.rows = 0
    await mirror.follow(opened())
    assert mirror.rows == 0


async def test_somebody_in_and_somebody_out_shows_within_a_day(endpoint: Endpoint, opened: Open, clock: HandClock) -> None:
    for number in range(5):
        endpoint.put(f"c{number}", f"Contact {number}")
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(hours=1)
    del endpoint.entries["c1"]
    endpoint.put("new", "Somebody New")
    await mirror.follow(opened())
    assert set(mirror.contacts) == {"c0", "c1", "c2", "c3", "c4", "new"}
    clock.time += timedelta(days=1)
    await mirror.follow(opened())
    assert set(mirror.contacts) == {"c0", "c2", "c3", "c4", "new"}


async def test_a_list_that_does_not_agree_with_its_own_total_deletes_nobody(
    endpoint: Endpoint, opened: Open, clock: HandClock
) -> None:
    for number in range(5):
        endpoint.put(f"c{number}", f"Contact {number}")
    mirror = await Mirror().follow(opened())
    del endpoint.entries["c1"]
    endpoint.total = 5
    clock.time += timedelta(days=2)
    pages = [page async for page in opened().pages(mirror.cursor)]
    assert [one for page in pages for one in page.statements] == [Statement(container="contacts", kind="CONTACT", expected=5)]


async def test_a_server_that_gives_one_page_whatever_is_asked_ends(endpoint: Endpoint, opened: Open) -> None:
    for number in range(12):
        endpoint.put(f"c{number}", f"Contact {number}")
    whole = {"totalResults": 40, "entry": list(endpoint.entries.values())}
    endpoint.trouble = Answer(200, whole)
    assert {one.key for one in (await run(opened())).all(Contact)} == endpoint.entries.keys()
    assert len(endpoint.asked) < 12


async def test_a_server_over_its_limit_says_when_to_come_back(endpoint: Endpoint, opened: Open, clock: HandClock) -> None:
    endpoint.trouble = Answer(503, {}, Retry_After="600")
    with pytest.raises(RateLimited) as refusal:
        await Mirror().follow(opened())
    assert refusal.value.retry_at == clock.now() + timedelta(minutes=10)


# --- finding ----------------------------------------------------------------------------------------------------------------

XRDS: Final = """<?xml version="1.0" encoding="UTF-8"?>
<XRDS xmlns="xri://$xrds"><XRD xmlns="xri://$XRD*($v*2.0)" version="2.0"><Type>xri://$xrds*simple</Type>
<Service priority="10"><Type>http://oauth.net/core/1.0/endpoint/access</Type><URI>/oauth</URI></Service>
<Service priority="10"><Type>http://portablecontacts.net/spec/1.0</Type><URI priority="20">/nowhere</URI><URI priority="10">/poco</URI></Service>
</XRD></XRDS>"""
XRD: Final = f"""<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="{REL}" href="/poco/"/></XRD>"""
JRD: Final = {"subject": "acct:robin@example.org", "links": [{"rel": "me", "href": "/"}, {"rel": REL, "href": "/poco"}]}


def ways() -> dict[str, tuple[str, dict[str, Answer]]]:
    """What is typed, and what a site says at which of its addresses."""
    document = Answer(200, XRDS.encode(), Content_Type="application/xrds+xml")
    page = b"<html><head><meta http-equiv='X-XRDS-Location' content='/about'></head></html>"
    return {
        "the endpoint": ("/poco", {}),
        "the collection": ("/poco/@me/@all", {}),
        "XRDS-Simple": ("/", {"/": document}),
        "a header": ("/", {"/": Answer(200, b"hello", X_XRDS_Location="/about"), "/about": document}),
        "a page": ("/", {"/": Answer(200, page, Content_Type="text/html"), "/about": document}),
        "host-meta": ("/", {"/.well-known/host-meta": Answer(200, XRD.encode(), Content_Type="application/xrd+xml")}),
        "host-meta in JSON": ("/", {"/.well-known/host-meta.json": Answer(200, JRD)}),
        "WebFinger": (
            "/.well-known/webfinger?resource=acct%3Arobin%40example.org",
            {"/.well-known/webfinger": Answer(200, JRD, Content_Type="application/jrd+json")},
        ),
    }


@pytest.mark.parametrize("way", ways())
async def test_an_endpoint_is_found_from_what_people_type(endpoint: Endpoint, opened: Open, way: str) -> None:
    typed, endpoint.places = ways()[way]
    profile = await opened(typed, user_id=None).profile()
    assert profile.base_url == f"{endpoint.url}/poco/@me/@all"
    assert (profile.user_id, profile.label) == ("robin", "Robin Ray")
    assert [one.value for one in profile.own_addresses] == ["robin@example.org"]


async def test_a_password_opens_it_and_a_server_without_a_self_is_known_by_the_user_name(
    endpoint: Endpoint, opened: Open
) -> None:
    endpoint.owner = None
    secret = Secret(username=PASSWORD[0], password=PASSWORD[1])
    profile = await opened("/poco", user_id=None, secret=secret).profile()
    assert profile.user_id == profile.label == "robin@127.0.0.1"


async def test_a_secret_that_is_not_accepted_is_asked_for_again(endpoint: Endpoint, opened: Open) -> None:
    with pytest.raises(ReauthRequired):
        await opened("/poco", user_id=None, secret=Secret(access_token="wrong")).profile()


async def test_a_site_without_contacts_is_told_to_be_one(opened: Open) -> None:
    with pytest.raises(Refused) as refusal:
        await opened("/elsewhere", user_id=None).profile()
    assert refusal.value.provider_code == "no-contacts"
    assert "name@example.org" in refusal.value.message


async def test_a_secret_goes_to_no_other_host_that_a_document_names(endpoint: Endpoint, opened: Open, clock: HandClock) -> None:
    other = Endpoint(clock.now)
    async with running(other):
        endpoint.places["/"] = Answer(200, XRDS.replace("/poco", f"{other.url}/poco").encode())
        with pytest.raises(Refused) as refusal:
            await opened("/", user_id=None).profile()
    assert refusal.value.provider_code == "other-host"
    assert not any("authorization" in one.headers for one in other.asked)


async def test_a_page_of_nothing_but_beginnings_costs_no_more_than_its_length(endpoint: Endpoint, opened: Open) -> None:
    endpoint.places["/"] = Answer(200, b"<meta http-equiv=" * 14_000, Content_Type="text/html")
    with pytest.raises(Refused):
        await opened("/", user_id=None).profile()


def test_an_address_that_is_typed_is_asked_of_its_host() -> None:
    assert discovery.base_url({"url": " ada@social.example "}) == (
        "https://social.example/.well-known/webfinger?resource=acct%3Aada%40social.example&rel=http%3A%2F%2Fportablecontacts.net%2Fspec%2F1.0"
    )
    assert discovery.base_url({"url": "contacts.example/poco#x"}) == "https://contacts.example/poco"


@pytest.mark.parametrize("typed", ["", "ftp://example.org", "a b", "ada@", "https://"])
def test_what_is_no_address_is_told_to_be_none(typed: str) -> None:
    with pytest.raises(Refused) as refusal:
        discovery.base_url({"url": typed})
    assert "PortableContacts" in refusal.value.message
