"""One address for all accounts: Google proves that it calls, everybody who has the mailbox is woken, and nobody learns of anybody."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from sqlalchemy import Connection, select

from gateway import pushing, worker
from gateway.accounts import Held
from gateway.doctor import Finding, examine
from gateway.installation import Installation
from gateway.people import named
from gateway.rotation import rotate
from gateway.settings import SettingsError, load
from gateway.worker import Worker
from providers.gmail import adapter as gmail
from providers.google import identity as google_identity
from providers.google.api import SCOPE
from providers.session import Account, Secret
from store import accounts, leases, push_routes, viewers
from store.leases import Job
from store.tables import message_source, push_route
from store.vault import Vault
from tests.gateway.running import TestClock, asking, opened
from tests.providers.google_callers import CALLER, Caller, key, notice
from tests.providers.stub_http import Answer, running

TOPIC = "projects/kith-example/topics/kith-gmail"
GRANT = Secret(access_token="token-1", scope=SCOPE + "gmail.readonly")
ADDRESS = "/hooks/gmail"
AUDIENCE = "https://kith.example.org/hooks/gmail"
ADA = "ada@example.org"
SET = {"google_pubsub_topic": TOPIC, "google_pubsub_email": CALLER, "public_url": "https://kith.example.org"}


def mail(number: int) -> bytes:
    return (
        f"From: Bob <bob@example.net>\r\nTo: {ADA}\r\nSubject: Mail {number}\r\nMessage-ID: <{number}@example.net>\r\n"
        "Date: Sun, 1 Mar 2026 12:00:00 +0000\r\n\r\nHello\r\n"
    ).encode()


@dataclass
class Linked:
    """One viewer's account."""

    viewer: str
    account_id: str


@dataclass
class Post:
    """An installation, Google on the other side, and who has linked the mailbox."""

    there: Installation
    worker: Worker
    client: httpx.AsyncClient
    google: Caller
    clock: TestClock
    url: str
    home: Path

    async def link(self, name: str | None = None) -> Linked:
        whose = (await named(self.there, name)).id
        provider = self.there.providers["gmail"]
        assert provider.open is not None
        profile = await provider.open(
            self.there.accounts.session(Account(provider="gmail", base_url=self.url), Held(GRANT), provider)
        ).profile()
        account_id = await self.there.accounts.add(whose, provider, profile, GRANT, base_url=self.url)
        linked = Linked(whose, account_id)
        await self.work(linked, "sync")
        return linked

    async def work(self, whose: Linked, kind: str) -> bool:
        return await self.worker.run_one(whose.viewer, kind, whose.account_id)

    async def job(self, whose: Linked, kind: str = "sync") -> Job | None:
        return await self.there.database.read(whose.viewer, leases.pending, kind, whose.account_id)

    async def woken(self, whose: Linked) -> bool:
        job = await self.job(whose)
        return job is not None and job.due <= self.clock.now() + pushing.SOON

    async def live(self, whose: Linked) -> bool:
        return await self.there.database.system_read(push_routes.live, whose.viewer, whose.account_id, self.clock.now())

    async def held(self, whose: Linked) -> list[str]:
        """The keys of the messages that the viewer has."""

        def keys(conn: Connection, viewer: str) -> list[str]:
            return list(conn.execute(select(message_source.c.key).where(message_source.c.viewer_id == viewer)).scalars())

        return sorted(await self.there.database.read(whose.viewer, keys))

    async def history(self, whose: Linked) -> int:
        """Where the account's next sync goes on."""
        found = await self.there.database.read(whose.viewer, accounts.get, whose.account_id)
        assert found is not None and found.cursor is not None
        return int(json.loads(found.cursor)["history"])

    async def call(self, token: str | None = None, body: Any = None) -> int:
        return await self.said(self.google.token(AUDIENCE) if token is None else token, body)

    async def said(self, token: str, body: Any = None) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return (await self.client.post(ADDRESS, json=body or notice(ADA), headers=headers)).status_code


@asynccontextmanager
async def post(home: Path, monkeypatch: pytest.MonkeyPatch, google: Caller | None = None, **settings: Any) -> AsyncIterator[Post]:
    google, clock = google or Caller(), TestClock()
    google.clock = lambda: clock.now().timestamp()
    async with running(google) as url:
        monkeypatch.setenv("KITH_GMAIL_URL", url)
        allowed = (f"127.0.0.1/32:{urlsplit(url).port}",)
        given = {**SET, "allow_private_hosts": allowed, **settings}
        async with opened(home, clock=clock, schema=None, **given) as there, asking(there) as client:
            yield Post(there, worker.of(there), client, google, clock, url, home)
    assert google.violations == []


@pytest.fixture
async def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    async with post(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
async def ada(there: Post) -> Linked:
    """The only one who has linked the mailbox, with a watch on it."""
    ada = await there.link()
    assert await there.work(ada, "push")
    return ada


# --- who is woken ---------------------------------------------------------------------------------------------------------


async def test_a_call_wakes_every_viewer_of_the_mailbox_and_neither_sees_the_other(there: Post, ada: Linked) -> None:
    bob = await there.link("bob")
    await there.work(bob, "push")
    assert there.google.watched is not None and there.google.watched[0] == TOPIC
    id_ = there.google.deliver(mail(1))
    assert not await there.woken(ada) and not await there.woken(bob)
    assert await there.call() == 204
    assert await there.woken(ada) and await there.woken(bob)
    there.clock.pass_by(seconds=2)
    await there.work(ada, "sync")
    assert await there.held(ada) == [id_]
    assert await there.held(bob) == []
    await there.work(bob, "sync")
    assert await there.held(bob) == [id_]
    assert await there.there.database.read(ada.viewer, accounts.get, bob.account_id) is None


async def test_a_mailbox_that_nobody_has_is_acknowledged_like_any_other(there: Post, ada: Linked) -> None:
    headers = {"authorization": f"Bearer {there.google.token(AUDIENCE)}"}
    known = await there.client.post(ADDRESS, json=notice(ADA), headers=headers)
    strange = await there.client.post(ADDRESS, json=notice("eve@example.org"), headers=headers)
    assert (known.status_code, known.content, known.headers) == (strange.status_code, strange.content, strange.headers)
    assert known.status_code == 204


async def test_the_spelling_of_a_mailbox_does_not_matter_another_mailbox_does(there: Post, ada: Linked) -> None:
    assert await there.call(body=notice("adam@example.org")) == 204
    assert not await there.woken(ada)
    assert await there.call(body=notice(" ADA@Example.ORG")) == 204
    assert await there.woken(ada)


async def test_a_disabled_viewer_is_called_in_vain(there: Post, ada: Linked) -> None:
    await there.there.database.system(viewers.disable, ada.viewer, there.clock.now())
    assert await there.call() == 204
    assert not await there.woken(ada)


# --- who may call ---------------------------------------------------------------------------------------------------------


def forged(google: Caller, how: str) -> str:
    now = int(google.clock())
    match how:
        case "wrong audience":
            return google.token("https://other.example.org/hooks/gmail")
        case "wrong issuer":
            return google.token(AUDIENCE, iss="https://accounts.example.com")
        case "issuer without scheme":
            return google.token(AUDIENCE, iss="accounts.google.com")
        case "wrong e-mail":
            return google.token(AUDIENCE, email="eve@eve-project.iam.gserviceaccount.com")
        case "e-mail not verified":
            return google.token(AUDIENCE, email_verified=False)
        case "expired":
            return google.token(AUDIENCE, iat=now - 7200, exp=now - 3600)
        case "of tomorrow":
            return google.token(AUDIENCE, iat=now + 86_400, exp=now + 90_000)
        case "signed by another":
            return google.token(AUDIENCE, by=key("key-1", "a stranger's"))
        case "key of its own":
            stranger = key("key-1", "a stranger's")
            return google.token(AUDIENCE, by=stranger, header={"jwk": stranger.as_dict(private=False)})
        case "unknown key":
            return google.token(AUDIENCE, by=key("key-9"))
        case "no key named":
            return google.token(AUDIENCE, header={"kid": ""})
        case "alg none":
            return google.unsigned(AUDIENCE)
        case "HS256 with the public key":
            return google.confused(AUDIENCE)
        case "changed afterwards":
            head, _, signature = google.token(AUDIENCE).split(".")
            claims = google.token(AUDIENCE, sub="1").split(".")[1]
            return f"{head}.{claims}.{signature}"
        case "critical extension":
            return google.token(AUDIENCE, header={"crit": ["speed"], "speed": 1})
    without = how.removeprefix("without ")
    return google.token(AUDIENCE, **{without: None})


@pytest.mark.parametrize(
    "how",
    [
        "wrong audience", "wrong issuer", "issuer without scheme", "wrong e-mail", "e-mail not verified", "expired", "of tomorrow",
        "signed by another", "key of its own", "unknown key", "no key named", "alg none", "HS256 with the public key",
        "changed afterwards", "critical extension", "without aud", "without iss", "without email", "without email_verified",
        "without exp", "without iat",
    ],
)  # fmt: skip
async def test_a_forged_token_wakes_nobody(there: Post, ada: Linked, how: str) -> None:
    before = await there.job(ada)
    assert await there.call(forged(there.google, how)) == 403
    assert await there.job(ada) == before


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "Bearer .." , "Bearer " + "a" * 9000, "Bearer a.b.c.d.e",
               "Bearer " + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.x"]
)  # fmt: skip
async def test_what_is_no_token_wakes_nobody(there: Post, ada: Linked, header: str) -> None:
    before = await there.job(ada)
    headers = {"authorization": header} if header else {}
    assert (await there.client.post(ADDRESS, json=notice(ADA), headers=headers)).status_code == 403
    assert await there.job(ada) == before


async def test_an_audience_that_the_operator_chose_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with post(tmp_path, monkeypatch, google_pubsub_audience="kith") as there:
        assert await there.call(there.google.token("kith")) == 204
        assert await there.call(there.google.token(AUDIENCE)) == 403


# --- Google's keys --------------------------------------------------------------------------------------------------------


async def test_keys_are_kept_as_long_as_google_says(there: Post, ada: Linked) -> None:
    for _ in range(5):
        assert await there.call() == 204
    assert there.google.asked_for_keys == 1
    there.clock.pass_by(seconds=20_001)
    assert await there.call() == 204
    assert there.google.asked_for_keys == 2


async def test_a_new_key_is_found_at_once_and_unknown_ones_make_nobody_ask_again_and_again(there: Post, ada: Linked) -> None:
    assert await there.call() == 204
    there.clock.pass_by(seconds=120)
    there.google.keys = [key("key-2")]
    assert await there.call() == 204
    assert there.google.asked_for_keys == 2
    for number in range(5):
        assert await there.call(there.google.token(AUDIENCE, header={"kid": f"guess-{number}"})) == 403
    assert there.google.asked_for_keys == 2


async def test_without_googles_keys_nothing_is_believed_and_google_is_asked_to_come_again(there: Post, ada: Linked) -> None:
    there.google.no_keys = [Answer(500, {}), Answer(200, {"keys": []}), Answer(200, b"<html>")]
    before = await there.job(ada)
    for _ in range(3):
        assert await there.call() == 503
        assert await there.call() == 503  # and not asked for again so soon
        there.clock.pass_by(minutes=2)
    assert there.google.asked_for_keys == 3
    assert await there.job(ada) == before
    assert await there.call() == 204


# --- what is said ---------------------------------------------------------------------------------------------------------


def wrapped(data: Any) -> bytes:
    return json.dumps({"message": {"data": data, "messageId": "1"}, "subscription": "s"}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"message": {}, "subscription": "s"}',
        b'{"message": {"data": 1}, "subscription": "s"}',
        wrapped("not base64!"),
        wrapped("YQ="),
        wrapped(""),
        wrapped("bnVsbA=="),
        wrapped(base64.b64encode(b'{"emailAddress": 1}').decode()),
        wrapped(base64.b64encode(b'{"historyId": 1}').decode()),
        wrapped(base64.b64encode(b"\xff\xfe").decode()),
        wrapped("W" * 50_000),
    ],
)
async def test_a_broken_body_is_refused_and_wakes_nobody(there: Post, ada: Linked, body: bytes) -> None:
    before = await there.job(ada)
    headers = {"authorization": f"Bearer {there.google.token(AUDIENCE)}"}
    assert (await there.client.post(ADDRESS, content=body, headers=headers)).status_code == 400
    assert await there.job(ada) == before


async def test_a_body_that_is_too_long_is_not_read(there: Post) -> None:
    headers = {"authorization": f"Bearer {there.google.token(AUDIENCE)}"}
    assert (await there.client.post(ADDRESS, content=b"x" * 65_537, headers=headers)).status_code == 413
    assert (await there.client.get(ADDRESS)).status_code == 405


async def test_repeated_and_disordered_calls_are_one_sync_and_move_no_cursor(there: Post, ada: Linked) -> None:
    before = await there.history(ada)
    ids = [there.google.deliver(mail(number)) for number in range(3)]
    for history_id in (999_999_999_999, 5, "1000", 999_999_999_999, 0, 7):
        assert await there.call(body=notice(ADA, history_id)) == 204
    assert await there.history(ada) == before
    there.clock.pass_by(seconds=2)
    await there.work(ada, "sync")
    assert await there.held(ada) == sorted(ids)
    assert await there.history(ada) == there.google.position
    assert not await there.woken(ada)
    assert await there.call(body=notice(ADA, 1)) == 204  # late, and about nothing any more
    there.clock.pass_by(seconds=2)
    await there.work(ada, "sync")
    assert await there.history(ada) == there.google.position
    assert await there.held(ada) == sorted(ids)


async def test_a_lost_call_is_made_up_for_by_the_poll_which_is_rarer_while_gmail_calls(there: Post, ada: Linked) -> None:
    await there.work(ada, "sync")
    job = await there.job(ada)
    assert job is not None
    assert job.due - there.clock.now() == timedelta(seconds=12 * gmail.PROVIDER.poll_seconds)
    id_ = there.google.deliver(mail(1))
    there.clock.time = job.due
    await there.work(ada, "sync")
    assert await there.held(ada) == [id_]
    there.clock.pass_by(days=8)  # nobody prolonged it
    await there.work(ada, "sync")
    silent = await there.job(ada)
    assert silent is not None
    assert silent.due - there.clock.now() <= timedelta(seconds=4 * gmail.PROVIDER.poll_seconds)


# --- the watch ------------------------------------------------------------------------------------------------------------


async def test_a_watch_is_prolonged_daily_long_before_it_ends_and_made_anew_when_it_was_lost(there: Post, ada: Linked) -> None:
    for day in range(10):
        job = await there.job(ada, "push")
        assert job is not None
        assert job.due - there.clock.now() == timedelta(days=1)
        there.clock.time = job.due
        if day == 5:
            there.google.watched = None
        assert await there.work(ada, "push")
        assert there.google.watched is not None
        assert there.google.watched[1] - there.clock.now().timestamp() == 7 * 86_400
        assert await there.live(ada)


async def test_a_watch_that_is_refused_costs_nothing_but_the_push(there: Post) -> None:
    there.google.troubled["/watch"] = [
        Answer(403, {"error": {"code": 403, "message": "Error sending test message to Cloud PubSub"}})
    ]
    ada = await there.link()
    await there.work(ada, "push")
    assert not await there.live(ada)
    job = await there.job(ada, "push")
    assert job is not None
    there.clock.time = job.due
    await there.work(ada, "push")
    assert await there.live(ada)


@pytest.mark.parametrize("said", [{}, {"expiration": "soon"}, {"expiration": "-1"}])
async def test_a_watch_without_an_end_is_no_promise(there: Post, said: dict[str, str]) -> None:
    there.google.troubled["/watch"] = [Answer(200, said)]
    ada = await there.link()
    await there.work(ada, "push")
    assert not await there.live(ada)


async def test_no_promise_of_gmails_is_believed_for_longer_than_a_week(there: Post) -> None:
    there.google.troubled["/watch"] = [Answer(200, {"expiration": "9" * 400})]
    ada = await there.link()
    await there.work(ada, "push")
    assert await there.live(ada)
    there.clock.pass_by(days=7)
    assert not await there.live(ada)


async def unlink(there: Post, whose: Linked) -> None:
    def begin(conn: Connection, viewer: str) -> None:
        accounts.change(conn, viewer, whose.account_id, None, status="UNLINKING")
        leases.drop(conn, viewer, whose.account_id)
        leases.enqueue(conn, viewer, "unlink", whose.account_id, there.clock.now())

    await there.there.database.write(whose.viewer, begin)
    assert await there.work(whose, "unlink")
    assert await there.there.database.read(whose.viewer, accounts.get, whose.account_id) is None


async def test_unlinking_ends_the_watch_unless_somebody_else_has_the_mailbox(there: Post, ada: Linked) -> None:
    bob = await there.link("bob")
    await there.work(bob, "push")
    await unlink(there, ada)
    assert there.google.watched is not None
    assert await there.call() == 204
    assert await there.woken(bob)
    await unlink(there, bob)
    assert there.google.watched is None
    assert await there.call() == 204


async def test_unlinking_does_not_wait_for_a_google_that_does_not_answer(there: Post, ada: Linked) -> None:
    there.google.troubled["/stop"] = [Answer(503, {})]
    await unlink(there, ada)
    assert there.google.watched is not None  # it ends by itself
    assert await there.call() == 204


@pytest.mark.parametrize("off", [{"google_pubsub_topic": ""}, {"google_pubsub_email": ""}, {"public_url": ""}])
async def test_push_that_was_turned_off_is_ended_at_google(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: dict[str, str]
) -> None:
    google = Caller()
    async with post(tmp_path, monkeypatch, google) as before:
        ada = await before.link()
        await before.work(ada, "push")
        time = before.clock.now()
    assert google.watched is not None
    async with post(tmp_path, monkeypatch, google, **off) as after:
        after.clock.time = time + timedelta(hours=1)
        monkeypatch.setattr(after.there.accounts, "session", _moved(after))
        await after.work(ada, "sync")
        job = await after.job(ada, "push")
        assert job is not None and job.due <= after.clock.now()
        await after.work(ada, "push")
        assert google.watched is None
        assert not await after.live(ada)
        assert await after.job(ada, "push") is None
        assert await after.call() == 404
        await after.work(ada, "sync")
        assert await after.job(ada, "push") is None


def _moved(there: Post) -> Any:
    """The stub has another port after a restart: accounts that were linked before are asked there."""
    session = there.there.accounts.session

    def at_the_new_place(account: Account, *rest: Any, **more: Any) -> Any:
        return session(Account(provider=account.provider, base_url=there.url, user_id=account.user_id), *rest, **more)

    return at_the_new_place


async def test_without_a_topic_nobody_is_asked_to_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with post(tmp_path, monkeypatch, google_pubsub_topic="") as there:
        assert (await there.client.post("/hooks/nobody", json=notice(ADA))).status_code == 404
        assert (await there.client.post("/hooks/microsoft", json=notice(ADA))).status_code == 404
        ada = await there.link()
        assert await there.job(ada, "push") is None
        assert there.google.watched is None
        assert await there.call() == 404


# --- what is kept ---------------------------------------------------------------------------------------------------------


async def test_what_is_kept_of_a_mailbox_for_callers_cannot_be_guessed_without_the_key(there: Post, ada: Linked) -> None:
    def hashes(conn: Connection) -> list[bytes]:
        return list(conn.execute(select(push_route.c.name)).scalars())

    (kept,) = await there.there.database.system_read(hashes)
    assert kept not in (push_routes.digest(ADA), push_routes.digest_of_name(b"", "gmail", ADA))


async def test_a_mailbox_is_known_by_what_was_kept_before_the_key_was_changed(there: Post, ada: Linked) -> None:
    await rotate(there.there)
    keys = [key.encode() for key in (there.there.home / "secret.key").read_text().split()]
    assert len(keys) == 2
    there.there.accounts.vault = Vault(keys)
    assert await there.call() == 204
    assert await there.woken(ada)


# --- the settings ---------------------------------------------------------------------------------------------------------


async def said(home: Path, **settings: Any) -> list[Finding]:
    return [finding for finding in await examine(load(home=home / "kith", **settings)) if finding.check == "push"]


async def test_doctor_says_what_is_missing_for_google_to_call(tmp_path: Path) -> None:
    assert await said(tmp_path) == []
    (fine,) = await said(tmp_path, **SET)
    assert fine.level == "ok" and AUDIENCE in fine.message
    (nobody,) = await said(tmp_path, **{**SET, "google_pubsub_email": ""})
    assert nobody.level == "wrong" and "KITH_GOOGLE_PUBSUB_EMAIL" in nobody.message
    (plain,) = await said(tmp_path, **{**SET, "public_url": "http://kith.example.org"})
    assert plain.level == "wrong" and "KITH_PUBLIC_URL" in plain.message
    both = await said(tmp_path, google_pubsub_topic=TOPIC)
    assert [finding.level for finding in both] == ["wrong", "wrong"]
    (half,) = await said(tmp_path, google_pubsub_email=CALLER)
    assert half.level == "wrong" and "KITH_GOOGLE_PUBSUB_TOPIC" in half.message


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"google_pubsub_topic": "kith-gmail"}, "KITH_GOOGLE_PUBSUB_TOPIC: write it like projects/my-project/topics/kith-gmail"),
        ({"google_pubsub_email": "kith-push"}, "KITH_GOOGLE_PUBSUB_EMAIL: write it like"),
    ],
)
def test_a_setting_that_cannot_be_used_says_how_to_write_it(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(**settings)


def test_keys_are_asked_for_where_google_publishes_them() -> None:
    assert google_identity.CERTIFICATES == "https://www.googleapis.com/oauth2/v3/certs"
