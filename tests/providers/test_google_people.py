"""Google contacts against a stub held to the People API's discovery document: lists, tokens that end, groups, names, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers.errors import Conflict, RateLimited, ReauthRequired, Refused, Unavailable
from providers.google import people as google_people
from providers.google.api import SCOPE
from providers.google.people import Google
from providers.records import Address, Contact, ContactField, Email, Name, Organization, PartialDate, Phone, Unreadable, Url
from providers.session import Secret
from tests.providers.conftest import NOON, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Mirror
from tests.providers.google_stub import People, refusal
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="token-1", scope=" ".join(google_people.SCOPES))


@pytest.fixture
async def account(clock: HandClock) -> AsyncIterator[People]:
    account = People()
    account.now = clock.now().timestamp()
    async with running(account):
        yield account
    assert account.violations == []


Open = Callable[..., Google]


@pytest.fixture
def opened(account: People, new_session: SessionMaker, clock: HandClock) -> Open:
    def open_(**more: Any) -> Google:
        account.now = clock.now().timestamp()
        more.setdefault("secret", GRANT)
        return Google(new_session(account.url, provider="google", user_id="people/77", quota=None, **more))

    return open_


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_people, "LISTED", 10)


class PeopleRig:
    """23 people in three lists."""

    provider = msgspec.structs.replace(google_people.PROVIDER, quota=None)
    path = ""
    secret = GRANT

    def __init__(self, account: People) -> None:
        self.account = account
        self.server_url = account.url

    def fill(self) -> None:
        for number in range(23):
            list_ = {3: "otherContacts", 4: "otherContacts", 5: "people"}.get(number, "connections")
            self.account.put(list_, 1000 + number)

    def names(self) -> set[str]:
        return {
            ("directory/" if list_ == "people" else "") + name for list_, people in self.account.lists.items() for name in people
        }

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact)
        return contact.key

    def remove(self) -> str:
        self.account.drop("connections", "people/c1007")
        return "people/c1007"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        marks = msgspec.json.decode(cursor, type=google_people.Marks)
        for mark in marks.books.values():
            mark.token = "unknown"
        return msgspec.json.encode(marks)


class TestContract(AdapterContract):
    @pytest.fixture
    def rig(self, account: People) -> PeopleRig:
        return PeopleRig(account)


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random, among them all totals."""

    @pytest.fixture
    def rig(self, account: People) -> PeopleRig:
        account.forgetful = 0.4
        return PeopleRig(account)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


# --- a person -------------------------------------------------------------------------------------------------------------


async def test_every_field_arrives(account: People, opened: Open) -> None:
    account.groups["contactGroups/7af"] = "Sailing"
    mine = {"source": {"type": "CONTACT", "id": "3e8"}}
    account.put(
        "connections",
        1000,
        names=[{
            "displayName": "Dr. Grace Brewster Hopper", "honorificPrefix": "Dr.", "givenName": "Grace", "middleName": "Brewster",
            "familyName": "Hopper", "phoneticGivenName": "Greis", "metadata": {"primary": True, **mine},
        }],
        nicknames=[{"value": "Amazing Grace"}],
        emailAddresses=[
            {"value": "grace@work.example", "type": "work"},
            {"value": "Grace@Example.ORG", "type": "home", "metadata": {"primary": True, "verified": True, **mine}},
        ],
        phoneNumbers=[
            {"value": "(202) 555-0143", "canonicalForm": "+12025550143", "type": "mobile"},
            {"value": "extension 9", "type": "work"},
        ],
        organizations=[
            {"name": "Old Navy Yard"},
            {"name": "Example Corp", "title": "Rear Admiral", "department": "Compilers", "current": True},
        ],
        addresses=[{
            "formattedValue": "1 Pier\nHarbour 12345\nUS", "streetAddress": "1 Pier", "city": "Harbour", "postalCode": "12345",
            "country": "United States", "countryCode": "US", "type": "home",
        }],
        birthdays=[{"date": {"year": 1906, "month": 12, "day": 9}}, {"text": "in winter"}],
        events=[{"date": {"month": 6, "day": 1}, "type": "anniversary"}, {"date": {"year": 1604, "month": 2, "day": 3}, "type": "other"}],
        urls=[{"value": "grace.example.org", "type": "homePage"}, {"value": "javascript:alert(1)"}],
        imClients=[{"protocol": "googleTalk", "username": "grace"}],
        biographies=[{"value": "Found the first bug.", "contentType": "TEXT_PLAIN"}],
        photos=[
            {"url": "https://lh3.googleusercontent.example/a/default=s100", "default": True, "metadata": {"primary": True}},
            {"url": "https://lh3.googleusercontent.example/c/x=s100"},
        ],
        memberships=[
            {"contactGroupMembership": {"contactGroupResourceName": "contactGroups/7af"}},
            {"contactGroupMembership": {"contactGroupResourceName": "contactGroups/myContacts"}},
        ],
    )  # fmt: skip
    (found,) = (await Mirror().follow(opened())).contacts.values()
    assert found.key == "people/c1000"
    assert found.relation == "ADDRESS_BOOK"
    assert found.container == "Contacts"
    name = found.names[0]
    assert (name.full, name.prefix, name.given, name.family) == ("Dr. Grace Brewster Hopper", "Dr.", "Grace", "Hopper")
    assert (name.nickname, name.phonetic) == ("Amazing Grace", "Greis")
    assert [(each.address, each.label, each.preferred, each.verified) for each in found.emails] == [
        ("grace@work.example", "work", False, False),
        ("Grace@example.org", "home", True, False),
    ]
    assert [(each.number, each.mobile) for each in found.phones] == [("+12025550143", True), (None, False)]
    assert [(each.name, each.title) for each in found.organizations] == [
        ("Example Corp", "Rear Admiral"),
        ("Old Navy Yard", None),
    ]
    assert (found.addresses[0].locality, found.addresses[0].postal_code) == ("Harbour", "12345")
    assert [(each.year, each.month, each.day, each.label) for each in found.dates] == [
        (1906, 12, 9, "birthday"),
        (None, 6, 1, "anniversary"),
        (None, 2, 3, "other"),
    ]
    assert [each.url for each in found.urls] == ["https://grace.example.org"]
    assert [(each.provider, each.handle) for each in found.handles] == [("google-talk", "grace")]
    assert found.note == "Found the first bug."
    assert found.photo is not None
    assert found.photo.url == "https://lh3.googleusercontent.example/c/x=s512"
    assert found.groups == ("Sailing",)
    assert found.etag == "#e0"
    assert found.updated_at is not None


async def test_who_has_no_name_is_shown_by_what_there_is(account: People, opened: Open) -> None:
    account.put("connections", 1, names=[], emailAddresses=[{"value": "only@example.org"}])
    account.put("connections", 2, names=[], emailAddresses=[], organizations=[{"name": "Example Boats"}])
    account.put("connections", 3, names=[], emailAddresses=[])
    found = (await Mirror().follow(opened())).contacts
    assert [[name.full for name in found[f"people/c{n}"].names] for n in (1, 2, 3)] == [
        ["only@example.org"],
        ["Example Boats"],
        [],
    ]
    assert found["people/c2"].nature == "ORGANIZATION"


async def test_what_google_collected_by_itself_was_not_written_down_by_anybody(account: People, opened: Open) -> None:
    account.put("otherContacts", 5)
    account.put("people", 6, emailAddresses=[
        {"value": "six@corp.example", "metadata": {"verified": True, "source": {"type": "DOMAIN_PROFILE", "id": "6"}}},
    ])  # fmt: skip
    found = (await Mirror().follow(opened())).contacts
    assert (found["otherContacts/c5"].relation, found["otherContacts/c5"].container) == ("CONNECTION", "Other contacts")
    assert (found["directory/people/6"].relation, found["directory/people/6"].emails[0].verified) == ("MEMBER", True)


async def test_a_person_that_cannot_be_read_is_named(account: People, opened: Open) -> None:
    account.put("connections", 1)
    account.put("connections", 2)
    broken = {"resourceName": "people/c3", "names": "none"}
    good = list(account.lists["connections"].values())
    account.troubled = {"connections": [Answer(200, {"connections": [*good, broken], "nextSyncToken": "s1", "totalItems": 3})]}
    rows = [row.item async for page in opened().pages(None) for row in page.rows]
    assert [item.key for item in rows if isinstance(item, Unreadable)] == ["people/c3"]
    assert len(rows) == 3


# --- what changes ---------------------------------------------------------------------------------------------------------


async def test_a_changed_contact_arrives_alone_with_its_new_etag(account: People, opened: Open) -> None:
    for number in range(30):
        account.put("connections", number)
    mirror = await Mirror().follow(opened())
    mirror.rows = 0
    account.put("connections", 7, nicknames=[{"value": "Seven"}])
    account.asked.clear()
    await mirror.follow(opened())
    assert mirror.rows == 1
    assert mirror.contacts["people/c7"].names[0].nickname == "Seven"
    assert mirror.contacts["people/c7"].etag == "#e30"
    assert len(account.asked) == 4  # groups and three lists


async def test_a_linked_profile_renames_a_contact_and_it_stays_the_same(account: People, opened: Open) -> None:
    account.put("connections", 1000)
    mirror = await Mirror().follow(opened())
    account.rename("people/c1000", "people/998877")
    await mirror.follow(opened())
    assert set(mirror.contacts) == {"people/c1000"}
    assert mirror.deleted == []


async def test_tokens_end_after_seven_days_and_nobody_is_there_twice_or_missing(
    account: People, opened: Open, clock: HandClock
) -> None:
    for number in range(25):
        account.put("connections", number)
    mirror = await Mirror().follow(opened())
    before = dict(mirror.contacts)
    clock.time += timedelta(days=5)
    await mirror.follow(opened())  # using a token does not make it last
    clock.time += timedelta(days=5)
    account.drop("connections", "people/c3")
    account.put("connections", 99)
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(account.lists["connections"])
    assert mirror.deleted == ["people/c3"]
    assert all(mirror.contacts[key] == before[key] for key in mirror.contacts if key != "people/c99")
    mirror.rows = 0
    await mirror.follow(opened())
    assert mirror.rows == 0


async def test_a_token_that_ends_before_its_time_is_dealt_with_list_by_list(account: People, opened: Open) -> None:
    for number in range(25):
        account.put("connections", number)
    account.put("otherContacts", 50)
    mirror = await Mirror().follow(opened())
    account.sync_tokens = {name: held for name, held in account.sync_tokens.items() if held[0] != "connections"}
    account.drop("connections", "people/c3")
    mirror.rows = 0
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(account.lists["connections"]) | {"otherContacts/c50"}
    assert mirror.rows == 24


async def test_the_parameters_of_a_token_are_those_of_its_first_call(
    account: People, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put("connections", 1)
    mirror = await Mirror().follow(opened())
    monkeypatch.setattr(google_people, "LISTED", 50)  # a release that asks for other pages
    account.put("connections", 2)
    await mirror.follow(opened())
    assert set(mirror.contacts) == {"people/c1", "people/c2"}


async def test_without_tokens_every_run_is_a_whole_listing(account: People, opened: Open) -> None:
    account.gives_tokens = False
    for number in range(15):
        account.put("connections", number)
    mirror = await Mirror().follow(opened())
    account.drop("connections", "people/c3")
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(account.lists["connections"])


async def test_a_group_that_is_renamed_is_shown_by_its_new_name(account: People, opened: Open) -> None:
    account.groups["contactGroups/1a"] = "Boats"
    account.put("connections", 1, memberships=[{"contactGroupMembership": {"contactGroupResourceName": "contactGroups/1a"}}])
    mirror = await Mirror().follow(opened())
    account.groups["contactGroups/1a"] = "Ships"
    await mirror.follow(opened())
    assert mirror.contacts["people/c1"].groups == ("Ships",)


async def test_a_place_in_the_list_that_google_forgot_begins_it_again(account: People, opened: Open) -> None:
    for number in range(35):
        account.put("connections", number)
    mirror = await Mirror().follow(opened(), pages=2)
    account.page_tokens.clear()
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(account.lists["connections"])
    assert mirror.deleted == []


# --- what is not allowed --------------------------------------------------------------------------------------------------


async def test_a_consumer_account_has_no_directory_and_that_is_no_trouble(
    account: People, opened: Open, clock: HandClock
) -> None:
    account.workspace = False
    account.put("connections", 1)
    mirror = await Mirror().follow(opened())
    assert set(mirror.contacts) == {"people/c1"}
    account.asked.clear()
    await mirror.follow(opened())
    assert "people.people.listDirectoryPeople" not in account.asked
    clock.time += timedelta(days=2)
    await mirror.follow(opened())
    assert "people.people.listDirectoryPeople" in account.asked


async def test_a_list_whose_box_was_unticked_is_not_asked_for(account: People, opened: Open) -> None:
    narrow = Secret(access_token="token-1", scope=f"openid {SCOPE}contacts.readonly")
    account.put("connections", 1)
    account.put("otherContacts", 2)
    mirror = await Mirror().follow(opened(secret=narrow))
    assert set(mirror.contacts) == {"people/c1"}
    assert "people.otherContacts.list" not in account.asked


async def test_an_account_whose_contacts_were_not_allowed_asks_for_a_new_sign_in(opened: Open) -> None:
    with pytest.raises(ReauthRequired):
        await opened(secret=Secret(access_token="token-1", scope="openid")).profile()


async def test_the_own_addresses_are_those_of_the_account(opened: Open) -> None:
    profile = await opened().profile()
    assert (profile.user_id, profile.label) == ("people/77", "ada@example.org")
    assert [(each.value, each.primary) for each in profile.own_addresses] == [("ada@example.org", True)]


async def test_the_quota_of_first_pages_is_waited_for_and_the_list_goes_on_where_it_was(account: People, opened: Open) -> None:
    for number in range(35):
        account.put("connections", number)
    mirror = await Mirror().follow(opened(), pages=2)
    account.troubled = {"connections": [Answer(429, refusal(429, "RATE_LIMIT_EXCEEDED", old=False).content)]}
    with pytest.raises(RateLimited) as refused:
        await mirror.follow(opened())
    assert refused.value.retry_at == NOON + timedelta(seconds=60)
    account.asked.clear()
    await mirror.follow(opened())
    assert set(mirror.contacts) == set(account.lists["connections"])


async def test_a_switched_off_interface_is_the_operators_to_mend(account: People, opened: Open) -> None:
    account.throttled = [refusal(403, "SERVICE_DISABLED", old=False)]
    with pytest.raises(Refused) as refused:
        await opened().profile()
    assert "operator" in refused.value.message


async def test_contacts_that_are_missing_are_asked_for_by_name(account: People, opened: Open) -> None:
    for number in range(30):
        account.put("connections", number)
    account.put("otherContacts", 50)
    mirror = await Mirror().follow(opened())
    for key in ("people/c4", "people/c9", "otherContacts/c50"):
        del mirror.contacts[key]
    await mirror.verify(opened())
    assert set(mirror.contacts) == set(account.lists["connections"]) | {"otherContacts/c50"}


# --- writing ----------------------------------------------------------------------------------------------------------------

ADA = Contact(
    key="",
    relation="ADDRESS_BOOK",
    names=(Name(full="Ada Lovelace", given="Ada", family="Lovelace", nickname="A"),),
    emails=(Email(raw="ada@example.org", address="ada@example.org", label="work"),),
    phones=(Phone(raw="+44 7700 900123", label="cell"),),
    urls=(Url(url="https://ada.example/", label="blog"),),
    organizations=(Organization(name="Engines", title="Countess"),),
    addresses=(Address(formatted="x", street="12 St James's Square", locality="London", label="home"),),
    dates=(PartialDate(month=12, day=10, label="birthday"),),
    note="Wrote the first program",
    groups=("Sailing",),
    uid="7d2f8c1e-5a07-4a5e-9a4e-1f0f6f6f0001",
)


async def listed(opened: Open) -> dict[str, Contact]:
    mirror = await Mirror().follow(opened())
    return {key: item for key, item in mirror.contacts.items() if isinstance(item, Contact)}


async def test_a_new_contact_is_shown_by_the_next_poll_as_it_was_answered(account: People, opened: Open) -> None:
    account.groups["contactGroups/7af"] = "Sailing"
    made = await opened().create_contact(ADA, again=False)
    assert (await listed(opened)) == {made.key: made}
    assert made.names[0].full == "Ada Lovelace"
    assert [(e.address, e.label) for e in made.emails] == [("ada@example.org", "work")]
    assert (made.note, made.groups, made.dates) == (ADA.note, ("Sailing",), ADA.dates)
    assert [(a.street, a.locality, a.label) for a in made.addresses] == [("12 St James's Square", "London", "home")]


async def test_a_contact_whose_answer_was_lost_is_found_by_its_mark(account: People, opened: Open) -> None:
    account.groups["contactGroups/7af"] = "Sailing"
    for number in range(15):
        account.put("connections", number)
    account.lost = [refusal(503, "backendError")]
    with pytest.raises(Unavailable):
        await opened().create_contact(ADA, again=False)
    found = await opened().create_contact(ADA, again=True)
    assert [key for key, item in (await listed(opened)).items() if item.names[0].full == "Ada Lovelace"] == [found.key]


async def test_a_change_leaves_everything_else_of_a_person_as_it_was(account: People, opened: Open) -> None:
    phones = [{"value": "+1 202 555 0143", "type": "Boat", "formattedType": "Boat", "metadata": {"source": {"type": "CONTACT"}}}]
    other = {"sipAddresses": [{"value": "sip:x"}], "userDefined": [{"key": "Berth", "value": "7"}]}
    name = account.put("connections", 1000, phoneNumbers=phones, **other)
    before = (await listed(opened))[name]
    new = Email(raw="second@example.org", label="Ship")
    after = await opened().update_contact(msgspec.structs.replace(before, emails=(*before.emails, new)), frozenset({"emails"}))
    assert [(e.raw, e.label) for e in after.emails] == [("person1000@example.org", "home"), ("second@example.org", "Ship")]
    assert (await listed(opened))[name] == after
    held = account.lists["connections"][name]
    assert {field: held[field] for field in ("phoneNumbers", *other)} == {"phoneNumbers": phones, **other}


async def test_a_person_changed_meanwhile_is_a_conflict_that_shows_it(account: People, opened: Open) -> None:
    name = account.put("connections", 1000)
    before = (await listed(opened))[name]
    account.put("connections", 1000, biographies=[{"value": "Theirs"}])
    mine = msgspec.structs.replace(before, note="Mine")
    with pytest.raises(Conflict) as caught:
        await opened().update_contact(mine, frozenset({"note"}))
    assert caught.value.current == (await listed(opened))[name]
    with pytest.raises(Conflict):
        await opened().delete_contact(name, before.etag)
    after = await opened().update_contact(msgspec.structs.replace(mine, etag=None), frozenset({"note"}))
    assert after.note == "Mine"


async def test_somebody_who_writes_in_between_makes_a_conflict_or_another_try(account: People, opened: Open) -> None:
    name = account.put("connections", 1000)
    before = (await listed(opened))[name]

    def intrude(_: str) -> None:
        account.put("connections", 1000, nicknames=[{"value": "Theirs"}])

    account.intruders = [intrude]
    mine = msgspec.structs.replace(before, note="Mine")
    with pytest.raises(Conflict):
        await opened().update_contact(mine, frozenset({"note"}))
    account.intruders = [intrude]
    after = await opened().update_contact(msgspec.structs.replace(mine, etag=None), frozenset({"note"}))
    assert (after.note, after.names[0].nickname) == ("Mine", "Theirs")


async def test_a_change_whose_answer_was_lost_is_no_conflict(account: People, opened: Open) -> None:
    name = account.put("connections", 1000)
    before = (await listed(opened))[name]
    account.lost = [refusal(503, "backendError")]
    wanted = msgspec.structs.replace(before, note="Mine", names=ADA.names, phones=ADA.phones, dates=ADA.dates)
    fields: frozenset[ContactField] = frozenset({"note", "names", "phones", "dates"})
    with pytest.raises(Unavailable):
        await opened().update_contact(wanted, fields)
    assert (await opened().update_contact(wanted, fields)).note == "Mine"


async def test_a_deleted_contact_is_gone_and_can_be_deleted_again(account: People, opened: Open) -> None:
    name = account.put("connections", 1000)
    before = (await listed(opened))[name]
    await opened().delete_contact(name, before.etag)
    await opened().delete_contact(name, before.etag)
    assert await listed(opened) == {}


async def test_a_group_that_google_does_not_have_is_refused(account: People, opened: Open) -> None:
    name = account.put("connections", 1000)
    wanted = msgspec.structs.replace((await listed(opened))[name], groups=("Nowhere",))
    with pytest.raises(Refused, match="no group 'Nowhere'"):
        await opened().update_contact(wanted, frozenset({"groups"}))


async def test_a_grant_that_only_reads_says_what_to_do(account: People, opened: Open) -> None:
    grant = Secret(access_token="token-1", scope=SCOPE + "contacts.readonly")
    with pytest.raises(ReauthRequired, match="box for it"):
        await opened(secret=grant).create_contact(ADA, again=False)
    assert not google_people.PROVIDER.may("CONTACTS_WRITE", [SCOPE + "contacts.readonly"])
