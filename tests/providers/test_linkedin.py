"""LinkedIn against a stub held to what its pages say: the profile, the snapshot as the archive reads it, changes, grants, versions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import exports as written
from providers import oauth
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused
from providers.linkedin import adapter as linkedin
from providers.linkedin import api as linkedin_api
from providers.linkedin.adapter import LinkedIn, Position
from providers.records import Activity, Contact, ConversationHead, Message, Unreadable
from providers.session import Secret
from tests.providers import exports, linkedin_stub
from tests.providers.conftest import NOON, Exchange, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Open, Rig
from tests.providers.linkedin_stub import SLUG, problem, url
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="token-1", scope="email,openid,profile,r_dma_portability_3rd_party")
OWN = Secret(access_token="own-token")
SNAPSHOT, CHANGES, INFO = "/rest/memberSnapshotData", "/rest/memberChangeLogs", "/v2/userinfo"
Opened = Callable[..., LinkedIn]


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[linkedin_stub.LinkedIn]:
    net = linkedin_stub.LinkedIn(lambda: clock.now().timestamp())
    async with running(net):
        yield net
    assert net.violations == []


def known(session: Any, **settings: str) -> Any:
    """The session of an account whose user has typed in the address of the profile."""
    session.account = msgspec.structs.replace(session.account, settings={"profile": url(SLUG), **settings})
    return session


@pytest.fixture
def opened(net: linkedin_stub.LinkedIn, new_session: SessionMaker) -> Opened:
    def open_(settings: dict[str, str] | None = None, **more: Any) -> LinkedIn:
        more.setdefault("secret", GRANT)
        more.setdefault("quota", linkedin.PROVIDER.quota)
        return LinkedIn(known(new_session(net.url, provider="linkedin", **more), **(settings or {})))

    return open_


class LinkedInRig:
    """Twenty-three connections, and messages with two of them."""

    provider = msgspec.structs.replace(linkedin.PROVIDER, quota=None)
    path = ""
    secret = GRANT

    def __init__(self, net: linkedin_stub.LinkedIn, clock: HandClock) -> None:
        self.net = net
        self.clock = clock
        self.server_url = net.url
        net.lenient = True

    def fill(self) -> None:
        self.net.page = 12
        for number in range(23):
            self.net.connection(f"person-{number}", f"Person {number}")
        for number in range(4):
            self.net.message("2-a==", "person-1", "Person 1 Ray", (SLUG,), f"2024-01-1{number} 10:00:00 UTC", f"News {number}")
        self.net.change("messages")

    def names(self) -> set[str]:
        return self.net.keys() | {row["CONTENT"] for row in self.net.domains.get("INBOX", ())}

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key if isinstance(contact, Contact) else contact.text

    def remove(self) -> str:
        """All is read again after a day."""
        self.clock.time += timedelta(days=1)
        self.net.change("connections")
        return self.net.domains["CONNECTIONS"].pop(7)["URL"]

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = msgspec.json.decode(cursor, type=Position)
        place.walk, place.start, place.whole = ["CONNECTIONS", "INBOX"], 99, True
        return msgspec.json.encode(place)


class TestContract(AdapterContract):
    lasting = False

    def kind_of(self, exchange: Exchange) -> str:
        """The parts that hold people and messages, and all the others together."""
        path, _, query = exchange.path.partition("?")
        return path + next((name for name in ("PROFILE", "CONNECTIONS", "INBOX") if f"domain={name}" in query), "")

    @pytest.fixture
    def rig(self, net: linkedin_stub.LinkedIn, clock: HandClock) -> LinkedInRig:
        return LinkedInRig(net, clock)

    @pytest.fixture
    def opened(self, rig: Rig, proxy: Any, new_session: SessionMaker) -> Open:
        def open_(at: Rig = rig, **more: Any) -> LinkedIn:
            more.setdefault("secret", at.secret)
            return LinkedIn(known(new_session(proxy.url + at.path, provider="linkedin", **more)))

        return open_


class Run:
    """What a run gave."""

    def __init__(self, rows: list[Any], cursor: bytes | None) -> None:
        self.rows = rows
        self.cursor = cursor

    def all(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.rows if isinstance(item, kind)]


async def run(adapter: LinkedIn, cursor: bytes | None = None) -> Run:
    rows: list[Any] = []
    async for page in adapter.pages(cursor):
        rows += [row.item for row in page.rows]
        cursor = page.cursor
    return Run(rows, cursor)


# --- one account with the archive -----------------------------------------------------------------------------------------


async def test_all_that_the_archive_has_comes_with_the_same_keys_and_the_same_words(
    net: linkedin_stub.LinkedIn, opened: Opened, tmp_path: Path
) -> None:
    path = written.linkedin(written.World(people=30, talks=12), tmp_path / "copy of my data")
    net.domains = linkedin_stub.tables(path)
    net.page = 7
    me = {"profile": url(written.MY_SLUG)}
    found = await run(opened(me))
    kind: type[Any]
    for kind in (Contact, Message, Activity, ConversationHead):
        theirs = {item.key: item for item in exports.items(path, "linkedin", kind)}
        ours = {item.key: item for item in found.all(kind)}
        assert set(ours) == set(theirs) != set()
        for key, item in ours.items():
            if kind is not ConversationHead:
                assert item == msgspec.structs.replace(theirs[key], container=item.container, **_original(item)), key
    profile = await opened(me).profile()
    its = exports.scan(path, "linkedin").profile
    assert its is not None
    assert (profile.user_id, profile.own_addresses[0]) == (its.user_id, its.own_addresses[0])


def _original(item: Any) -> dict[str, Any]:
    """The row as it came, which is no more than that."""
    return {"original": item.original} if isinstance(item, Activity) else {}


async def test_a_row_that_cannot_be_read_is_named_and_takes_nobody_with_it(net: linkedin_stub.LinkedIn, opened: Opened) -> None:
    net.connection("ada", "Ada")
    net.domains["CONNECTIONS"] += [
        {"First Name": "", "Company": "Boats", "Connected On": "1 Jan 2020"},
        {"First Name": "", "URL": ""},
    ]
    net.message("2-a==", "ada", "Ada Ray", (SLUG,), "yesterday", "Hello")
    found = await run(opened())
    assert [each.key for each in found.all(Contact)] == [url("ada")]
    assert {each.container for each in found.all(Unreadable)} == {"CONNECTIONS", "INBOX"}


# --- who ------------------------------------------------------------------------------------------------------------------


async def test_the_profile_comes_by_openid_connect_everywhere(net: linkedin_stub.LinkedIn, opened: Opened) -> None:
    profile = await opened(secret=Secret(access_token="token-1", scope="openid profile email")).profile()
    assert (profile.user_id, profile.label) == (SLUG, "Robin Ray")
    assert [(each.value, each.kind) for each in profile.own_addresses] == [
        ("robin-ray@linkedin.com", "HANDLE"),
        ("robin@example.org", "EMAIL"),
    ]
    assert profile.contact is not None
    assert (profile.contact.names[0].given, profile.contact.photo and profile.contact.photo.url) == (
        "Robin",
        "https://media.example/r.jpg",
    )
    net.info["email_verified"] = False
    assert len((await opened().profile()).own_addresses) == 1


async def test_a_members_own_token_gives_name_and_addresses_by_the_snapshot(net: linkedin_stub.LinkedIn, opened: Opened) -> None:
    profile = await opened(secret=OWN).profile()
    assert (profile.user_id, profile.label, profile.own_addresses[1].value) == (SLUG, "Robin Ray", "robin@example.org")
    net.tokens["own-token"] = frozenset({"w_member_social"})
    with pytest.raises(Refused, match="r_dma_portability_self_serve"):
        await opened(secret=OWN).profile()


@pytest.mark.parametrize("typed", ["", "robin-ray", "https://example.org/in/robin-ray", "https://www.linkedin.com/company/boats"])
async def test_without_the_address_of_a_profile_it_is_asked_for(net: linkedin_stub.LinkedIn, opened: Opened, typed: str) -> None:
    with pytest.raises(Refused, match="as your browser shows it"):
        await opened({"profile": typed}).profile()


@pytest.mark.parametrize("typed", ["de.linkedin.com/in/Robin-Ray/", "https://www.linkedin.com/in/robin-ray?trk=x"])
async def test_any_spelling_of_the_address_is_the_same_account(net: linkedin_stub.LinkedIn, opened: Opened, typed: str) -> None:
    assert (await opened({"profile": typed}).profile()).user_id == SLUG


# --- what changes ---------------------------------------------------------------------------------------------------------


def domains(net: linkedin_stub.LinkedIn, calls: list[tuple[float, str]]) -> int:
    return sum(1 for _, path in calls if path == SNAPSHOT)


async def test_between_two_days_only_what_the_change_log_names_is_read_again(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock
) -> None:
    net.connection("ada", "Ada")
    net.message("2-a==", "ada", "Ada Ray", (SLUG,), "2024-01-10 10:00:00 UTC", "Hello")
    first = await run(opened())
    clock.time += timedelta(hours=1)
    net.calls.clear()
    quiet = await run(opened(), first.cursor)
    assert (quiet.rows, [path for _, path in net.calls]) == ([], [CHANGES])
    net.message("2-a==", "ada", "Ada Ray", (SLUG,), "2024-01-11 10:00:00 UTC", "Still there?")
    net.change("messages")
    net.change("somethingNew")
    net.calls.clear()
    later = await run(opened(), quiet.cursor)
    assert {each.text for each in later.all(Message)} == {"Hello", "Still there?"}
    assert later.all(Contact) == []
    again = await run(opened(), later.cursor)  # the last change is told once more
    assert again.rows == []


async def test_a_long_list_is_read_again_once_a_day_however_much_changes_in_it(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkedin, "AGAIN", 2)
    net.page = 1
    for number in range(4):
        net.message("2-a==", "ada", "Ada Ray", (SLUG,), f"2024-01-1{number} 10:00:00 UTC", f"News {number}")
    first = await run(opened())
    for hours in (1, 24):
        clock.time += timedelta(hours=hours)
        net.change("messages")
        net.calls.clear()
        later = await run(opened(), first.cursor)
        assert len(later.all(Message)) == (0 if hours == 1 else 4)
        assert (domains(net, net.calls) == 0) == (hours == 1)


async def test_many_changes_of_one_moment_are_all_looked_at(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock
) -> None:
    first = await run(opened())
    clock.time += timedelta(hours=1)
    for _ in range(60):
        net.change("ugcPosts")
    clock.time += timedelta(seconds=1)
    net.connection("ada", "Ada")
    net.change("connections")
    assert [each.key for each in (await run(opened(), first.cursor)).all(Contact)] == [url("ada")]


async def test_a_connection_that_ended_is_gone_after_a_day_and_after_a_long_silence_all_is_read(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock
) -> None:
    net.connection("ada", "Ada")
    net.connection("bo", "Bo")
    first = await run(opened())
    for days in (1, 40):
        clock.time += timedelta(days=days)
        net.domains["CONNECTIONS"] = net.domains["CONNECTIONS"][:1]
        pages = [page async for page in opened().pages(first.cursor)]
        (stated,) = (each for page in pages for each in page.statements if each.container == "CONNECTIONS")
        assert stated.keys == frozenset({url("ada")})


async def test_data_that_are_not_ready_yet_are_waited_for_and_asked_for(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock
) -> None:
    net.prepared = net.registered = False
    assert (await opened(secret=OWN).profile()).label == SLUG
    with pytest.raises(RateLimited, match="still preparing") as trouble:
        await run(opened())
    assert trouble.value.retry_at == NOON + timedelta(minutes=30)
    assert net.registered
    net.prepared = True
    net.connection("ada", "Ada")
    clock.time += timedelta(minutes=30)
    assert len((await run(opened())).all(Contact)) == 1


# --- grants, limits, versions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["openid profile email", None], ids=["named", "not named"])
async def test_outside_the_eea_the_account_says_to_import_the_archive(
    net: linkedin_stub.LinkedIn, opened: Opened, scope: str | None
) -> None:
    net.tokens["token-1"] = linkedin_stub.OPENID
    found = await run(opened(secret=Secret(access_token="token-1", scope=scope)))
    (said,) = found.all(Unreadable)
    assert said.reason == "FORBIDDEN"
    assert "import it" in said.message and "Switzerland" in said.message
    net.tokens["token-1"] = linkedin_stub.EVERYTHING  # what was granted later is read then
    net.connection("ada", "Ada")
    assert len((await run(opened(), found.cursor)).all(Contact)) == 1


@pytest.mark.parametrize(
    "answer", [problem(400, "domain is invalid"), problem(403, "Not enough permissions")], ids=["unknown", "forbidden"]
)
async def test_a_part_that_linkedin_does_not_give_is_named_and_everything_else_comes(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock, answer: Answer
) -> None:
    net.connection("ada", "Ada")
    net.message("2-a==", "ada", "Ada Ray", (SLUG,), "2024-01-10 10:00:00 UTC", "Hello")
    net.withheld = {"CONNECTIONS": answer}
    found = await run(opened())
    assert [each.text for each in found.all(Message)] == ["Hello"]
    for _ in range(2):
        (said,) = found.all(Unreadable)
        assert (said.key, said.reason) == ("CONNECTIONS", "FORBIDDEN")
        clock.time += timedelta(hours=1)
        found = await run(opened(), found.cursor)
    net.withheld.clear()
    clock.time += timedelta(days=1)
    later = await run(opened(), found.cursor)
    assert (len(later.all(Contact)), later.all(Unreadable)) == (1, [])


async def test_a_sign_in_that_ends_soon_is_told_ahead(net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock) -> None:
    secret = msgspec.structs.replace(GRANT, expires_at=NOON + timedelta(days=11))
    assert (await run(opened(secret=secret))).all(Unreadable) == []
    clock.time += timedelta(days=2)
    (said,) = (await run(opened(secret=secret))).all(Unreadable)
    assert "ends on 15 May 2026" in said.message


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (problem(401, "Revoked", serviceErrorCode=65601, code="REVOKED_ACCESS_TOKEN"), ReauthRequired, "Link the account again"),
        (problem(426, "Requested version is not active"), Malformed, "no longer speaks version 202312"),
        (problem(400, "Version is wrong", code="NONEXISTENT_VERSION"), Malformed, "newer one"),
        (problem(400, "startTime is invalid"), Refused, "startTime is invalid"),
        (problem(429, "Resource level throttle"), RateLimited, "used up"),
        (problem(404, "Not here"), Refused, "nothing"),
    ],
)
async def test_each_refusal_says_what_to_do(
    net: linkedin_stub.LinkedIn, opened: Opened, answer: Answer, kind: type[ProviderError], words: str
) -> None:
    net.troubled = {SNAPSHOT: [answer]}
    with pytest.raises(kind, match=words) as refusal:
        await run(opened())
    if kind is RateLimited:
        assert refusal.value.retry_at == datetime(2026, 5, 5, tzinfo=UTC)


async def test_a_newer_version_can_be_typed_in(net: linkedin_stub.LinkedIn, opened: Opened) -> None:
    net.version = "202611"
    with pytest.raises(Malformed):
        await run(opened())
    net.connection("ada", "Ada")
    assert len((await run(opened({"version": "202611"}))).all(Contact)) == 1


async def test_a_days_calls_that_are_used_up_lose_nothing(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkedin_stub, "DAY_CALLS", 6)
    net.page = 2
    for number in range(9):
        net.connection(f"person-{number}", f"Person {number}")
    found: set[str] = set()
    cursor: bytes | None = None
    with pytest.raises(RateLimited):
        async for page in opened().pages(None):
            cursor = page.cursor
            found |= {row.item.key for row in page.rows if isinstance(row.item, Contact)}
    assert 0 < len(found) < 9
    monkeypatch.setattr(linkedin_stub, "DAY_CALLS", 60)
    clock.time += timedelta(days=1)
    assert found | {each.key for each in (await run(opened(), cursor)).all(Contact)} == net.keys()


async def test_a_list_that_is_longer_than_a_days_calls_is_read_over_several_days(
    net: linkedin_stub.LinkedIn, opened: Opened, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkedin_stub, "DAY_CALLS", 8)
    monkeypatch.setattr(linkedin, "AGAIN", 1)
    net.page = 1
    for number in range(20):
        net.connection(f"person-{number}", f"Person {number}")
    found: set[str] = set()
    cursor: bytes | None = None
    for _ in range(9):
        with contextlib.suppress(RateLimited):
            async for page in opened().pages(cursor):
                cursor = page.cursor
                found |= {row.item.key for row in page.rows if isinstance(row.item, Contact)}
                assert all(each.keys is None for each in page.statements if each.container == "CONNECTIONS")
            break
        clock.time += timedelta(days=1)
    assert found == net.keys()


async def test_signing_in_asks_for_portability_only_where_it_is_ticked(
    net: linkedin_stub.LinkedIn, new_session: SessionMaker
) -> None:
    session = new_session(net.url, secret=Secret(client_id="client", client_secret="secret"))
    for values, wanted in (({}, False), ({"portability": "true"}, True)):
        made = await linkedin_api.authorize(session, values, "https://kith.example.org/link/callback")
        address = oauth.authorization_url(made, "https://kith.example.org/link/callback", "state", "v" * 43)
        assert ("r_dma_portability_3rd_party" in address, "code_challenge" in address) == (wanted, False)
    with pytest.raises(Refused, match="KITH_LINKEDIN_CLIENT_ID"):
        await linkedin_api.authorize(new_session(net.url), {}, "https://kith.example.org/link/callback")
