"""WebSub as the adapter of feeds speaks it: where a hub is found, what it is asked, and what is believed of what it says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest

from providers.errors import ForbiddenAddress, Malformed, RateLimited, Refused, Unavailable
from providers.feeds import hub as feed_hub
from providers.feeds.adapter import Feed
from providers.feeds.document import read_xml
from providers.feeds.json_feed import read_json
from providers.http import Response, Session
from providers.push import Call, Heard, Unasked
from providers.records import Activity
from providers.session import Kept
from tests.providers.conftest import HandClock, Remembered, SessionMaker
from tests.providers.feed_site import atom, rss
from tests.providers.stub_http import Answer, Request, running
from tests.providers.websub_hub import Hub, Subscribed, signed

CALLBACK = "https://kith.example.org/hooks/feeds/" + "t" * 43
SECRET = "s" * 43


class Letterbox:
    """An inbox with the name of the subscription in it."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.calls: list[Kept] = []

    async def subscription(self) -> str | None:
        return self.name

    async def after(self, position: int, limit: int) -> list[Kept]:
        return [call for call in self.calls if call.position > position][:limit]

    async def forget(self, position: int) -> None:
        self.calls = [call for call in self.calls if call.position > position]

    def put(self, heard: Heard) -> None:
        """What the gateway keeps of a hint."""
        assert heard.hint
        assert heard.keep
        self.calls.append(Kept(position=self.calls[-1].position + 1 if self.calls else 1, body=heard.keep))


class Account:
    """A feed at a site with a hub, and what is kept of it between two runs."""

    def __init__(self, hub: Hub, new_session: SessionMaker) -> None:
        self.hub = hub
        self.memory = Remembered()
        self.inbox = Letterbox()
        self._new_session = new_session

    @property
    def session(self) -> Session:
        return self._new_session(self.hub.topic, provider="feeds", memory=self.memory, inbox=self.inbox)

    async def subscribe(self, url: str = CALLBACK) -> Any:
        made = await Feed(self.session).subscribe(url, SECRET, self.inbox.name)
        self.inbox.name = made.key
        return made

    async def hear(self, body: bytes = b"", headers: dict[str, str] | None = None, **query: Any) -> Heard:
        call = Call(query={f"hub.{name}": str(value) for name, value in query.items()}, headers=headers or {}, body=body)
        return await feed_hub.hear(self.session, call, SECRET)

    async def confirm(self, lease: int = 864_000) -> Heard:
        return await self.hear(mode="subscribe", topic=self.hub.topic, challenge="c", lease_seconds=lease)

    async def deliver(self, body: bytes, method: str = "sha256") -> Heard:
        return await self.hear(body, {"x-hub-signature": signed(self.hub.last["hub.secret"], body, method)})

    async def look(self, cursor: bytes | None) -> bytes:
        async for page in Feed(self.session).pages(cursor):
            cursor = page.cursor or cursor
        assert cursor is not None
        return cursor


@pytest.fixture
async def account(new_session: SessionMaker) -> AsyncIterator[Account]:
    hub = Hub()
    hub.posts = ["One"]
    async with running(hub):
        yield Account(hub, new_session)
    assert hub.violations == []


# --- where a hub is found (§4) --------------------------------------------------------------------------------------------


def _named(body: bytes, link: str = "", url: str = "https://blog.example/feed") -> tuple[list[str], str] | None:
    text = body.decode()
    document = read_json(text) if text.startswith("{") else read_xml(text, url)
    answer = Response(status=200, headers=httpx.Headers({"link": link} if link else {}), content=body, url=url)
    found = feed_hub.named(answer, document.hubs, document.topic)
    return None if found is None else (list(found.hubs), found.topic)


LINKS = '<{0}link rel="hub" href="https://hub.example/"/><{0}link rel="self" href="https://blog.example/canonical"/>'
ATOM_IN_RSS = LINKS.format("a:").replace("<a:link", '<a:link xmlns:a="http://www.w3.org/2005/Atom"')


@pytest.mark.parametrize(
    "body",
    [
        atom("", LINKS.format("")),
        rss("<item><guid>1</guid></item>", ATOM_IN_RSS),
        b'{"version": "https://jsonfeed.org/version/1.1", "feed_url": "https://blog.example/canonical", "items": [],'
        b' "hubs": [{"type": "rssCloud", "url": "https://cloud.example/"}, 7, {"type": "WebSub", "url": "https://hub.example/"}]}',
    ],
    ids=["atom", "rss", "json"],
)
def test_a_feed_names_its_hub_and_the_address_that_it_is_known_by(body: bytes) -> None:
    assert _named(body) == (["https://hub.example/"], "https://blog.example/canonical")


def test_the_link_header_comes_before_the_document() -> None:
    link = '</first>; rel="hub", <https://second.example/>; rel=hub, </other>; rel="self"'
    assert _named(atom("", LINKS.format("")), link) == (
        ["https://blog.example/first", "https://second.example/"],
        "https://blog.example/other",
    )


def test_a_hub_without_tls_is_first_asked_with_it() -> None:
    link = '<http://hub.example/>; rel="hub", <http://blog.example/feed>; rel="self"'
    assert _named(atom(""), link) == (["https://hub.example/", "http://hub.example/"], "http://blog.example/feed")


@pytest.mark.parametrize(
    "links",
    [
        "",
        '<link rel="hub" href="https://hub.example/"/>',
        '<link rel="self" href="https://blog.example/feed"/>',
        '<link rel="hub" href="javascript:alert(1)"/><link rel="self" href="https://blog.example/feed"/>',
        '<link rel="hub" href="https://hub.example/"/><link rel="self" href="file:///etc/passwd"/>',
        f'<link rel="hub" href="https://hub.example/"/><link rel="self" href="https://blog.example/{"x" * 3_000}"/>',
    ],
)
def test_a_feed_that_does_not_name_both_has_no_hub(links: str) -> None:
    assert _named(atom("", links)) is None


# --- asking (§5.1) --------------------------------------------------------------------------------------------------------


async def test_a_hub_is_asked_for_the_topic_and_has_promised_nothing_before_it_asks_back(
    account: Account, clock: HandClock
) -> None:
    made = await account.subscribe()
    assert account.hub.last == {
        "hub.callback": CALLBACK,
        "hub.mode": "subscribe",
        "hub.topic": account.hub.topic,
        "hub.lease_seconds": "864000",
        "hub.secret": feed_hub.given(SECRET, f"{account.hub.url}/hub", account.hub.topic),
    }
    assert made.expires_at == clock.now()
    heard = await account.confirm(lease=7_200)
    assert (heard.echo, heard.until) == ("c", clock.now() + timedelta(hours=2))
    clock.time += timedelta(minutes=59)
    assert (await account.subscribe()).expires_at == heard.until
    assert len(account.hub.requests) == 1, "it is early"
    clock.time += timedelta(minutes=1)
    assert (await account.subscribe()).expires_at == heard.until, "the old promise stands until there is a new one"
    assert len(account.hub.requests) == 2
    assert account.hub.requests[0] == account.hub.requests[1]


async def test_what_a_hub_is_given_is_never_our_own_secret_nor_another_hubs(account: Account) -> None:
    given = {feed_hub.given(SECRET, hub, topic) for hub in ("https://a.example/", "https://b.example/") for topic in ("1", "2")}
    assert len(given) == 4
    assert SECRET not in given
    assert {len(one) for one in given} == {64}


async def test_a_hub_that_never_asks_back_is_asked_less_and_less_often(account: Account, clock: HandClock) -> None:
    hours = []
    for _ in range(7):
        made = await account.subscribe()
        assert made.expires_at <= clock.now()
        assert made.again is not None
        hours.append((made.again - clock.now()) / timedelta(hours=1))
        clock.time = made.again
    assert hours == [1, 2, 4, 8, 16, 24, 24]


async def test_a_hub_that_is_down_is_left_alone_for_longer_each_time(account: Account, clock: HandClock) -> None:
    for hours in (1, 2, 4):
        account.hub.refuses = [Answer(503, b"")]
        with pytest.raises(Unavailable) as caught:
            await account.subscribe()
        assert caught.value.retry_at == clock.now() + timedelta(hours=hours)
        clock.time = caught.value.retry_at
    assert len(account.hub.requests) == 3
    await account.subscribe()
    await account.confirm()
    assert account.hub.violations == []


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (404, Refused), (429, RateLimited), (302, Malformed)])
async def test_a_hub_that_refuses_is_asked_again_later(account: Account, clock: HandClock, status: int, error: Any) -> None:
    account.hub.refuses = [Answer(status, b"<b>no</b>", Content_Type="text/plain", Retry_After="7200")]
    with pytest.raises(error) as caught:
        await account.subscribe()
    assert caught.value.retry_at is not None
    assert caught.value.retry_at >= clock.now() + timedelta(hours=1)
    assert "<b>" not in caught.value.message


async def test_what_a_hub_says_of_its_limits_does_not_keep_us_from_the_feed(account: Account, clock: HandClock) -> None:
    account.hub.refuses = [Answer(429, b"", Retry_After="80000", X_RateLimit_Remaining="0", X_RateLimit_Reset="80000")]
    session = account.session
    with pytest.raises(RateLimited):
        await Feed(session).subscribe(CALLBACK, SECRET, None)
    assert [page async for page in Feed(session).pages(None)]
    assert clock.slept == []


async def test_a_hub_may_ask_back_before_it_answers(account: Account, clock: HandClock) -> None:
    class Hasty(Hub):
        def answer(self, request: Request) -> Answer:
            answer = super().answer(request)
            if request.path == "/hub":
                with contextlib.suppress(StopIteration):  # nothing of it waits
                    account.confirm(lease=7_200).send(None)
            return answer

    hub = account.hub = Hasty()
    async with running(hub):
        made = await account.subscribe()
    assert (made.expires_at, made.again) == (clock.now() + timedelta(hours=2), clock.now() + timedelta(hours=1))


async def test_a_feed_that_cannot_be_had_is_asked_for_its_hub_later(account: Account, clock: HandClock) -> None:
    account.hub.pages["/feed.xml"] = Answer(200, b"<html>", Content_Type="text/html")
    for hours in (1, 2):
        with pytest.raises(Malformed) as caught:
            await account.subscribe()
        assert caught.value.retry_at == clock.now() + timedelta(hours=hours)
        clock.time = caught.value.retry_at
    assert account.hub.requests == []


async def test_a_hub_that_leads_to_another_one_is_followed_with_all_that_was_asked(account: Account) -> None:
    account.hub.refuses = [Answer(307, b"", Location="/hub?again=1"), Answer(308, b"", Location="/hub")]
    await account.subscribe()
    assert len(account.hub.requests) == 3
    assert account.hub.requests[0] == account.hub.requests[2]
    account.hub.refuses = [Answer(307, b"", Location="/hub")] * 10
    with pytest.raises(Malformed):
        await account.subscribe("https://kith.example.org/hooks/feeds/" + "u" * 43)
    assert len(account.hub.requests) == 8


@pytest.mark.parametrize(
    "place", ["http://10.0.0.1/hub", "http://169.254.169.254/latest", "https://[fd00::1]/", "http://192.168.1.1:80/"]
)
async def test_a_feed_cannot_lead_us_into_a_private_network_by_its_hub(account: Account, place: str) -> None:
    account.hub.headers["Link"] = f'<{place}>; rel="hub"'
    with pytest.raises(ForbiddenAddress) as caught:
        await account.subscribe()
    assert caught.value.retry_at is not None
    assert account.hub.requests == []


async def test_a_hub_cannot_lead_us_into_a_private_network_either(account: Account) -> None:
    account.hub.refuses = [Answer(307, b"", Location="http://10.0.0.1/hub")]
    with pytest.raises(ForbiddenAddress) as caught:
        await account.subscribe()
    assert caught.value.retry_at is not None


async def test_of_several_hubs_the_next_one_is_asked_when_one_fails_and_the_one_that_works_is_kept(
    account: Account, clock: HandClock
) -> None:
    account.hub.headers["Link"] = f'<{account.hub.url}/dead>; rel="hub", <{account.hub.url}/hub>; rel="hub"'
    with pytest.raises(Refused):
        await account.subscribe()
    clock.time += timedelta(hours=1)
    await account.subscribe()
    await account.confirm()
    clock.time += timedelta(days=5)
    await account.subscribe()
    assert len(account.hub.requests) == 2
    assert sum(request.path == "/dead" for request in account.hub.asked) == 1


async def test_a_feed_without_a_hub_is_asked_again_after_a_week_and_one_that_lost_its_hub_is_called_for_no_more(
    account: Account, clock: HandClock
) -> None:
    await account.subscribe()
    await account.confirm()
    body = account.hub.feed()
    account.hub.named = False
    clock.time += timedelta(days=5)
    made = await account.subscribe()
    assert (made.expires_at, made.again) == (clock.now(), clock.now() + timedelta(days=7))
    assert await account.deliver(body) == Heard()
    looks = account.hub.looks
    clock.time += timedelta(days=6)
    assert (await account.subscribe()).again == clock.now() + timedelta(days=1)
    assert account.hub.looks == looks


async def test_another_address_of_ours_is_told_at_once(account: Account) -> None:
    await account.subscribe()
    await account.confirm()
    other = "https://kith.example.net/hooks/feeds/" + "n" * 43
    await account.subscribe(other)
    assert account.hub.last["hub.callback"] == other


# --- what a hub says (§5.2, §5.3) -----------------------------------------------------------------------------------------


async def test_only_what_was_asked_for_is_confirmed(account: Account) -> None:
    with pytest.raises(Unasked):
        await account.confirm()
    await account.subscribe()
    with pytest.raises(Unasked):
        await account.hear(mode="subscribe", topic=account.hub.topic + "?", challenge="c", lease_seconds=60)
    with pytest.raises(Unasked):
        await account.hear(mode="subscribe", challenge="c", lease_seconds=60)
    with pytest.raises(Unasked):
        await account.hear(mode="unsubscribe", topic=account.hub.topic, challenge="c")
    for wrong in ("", "x" * 1_001, "a\nb"):
        with pytest.raises(Malformed):
            await account.hear(mode="subscribe", topic=account.hub.topic, challenge=wrong, lease_seconds=60)
    with pytest.raises(Malformed):
        await account.hear(mode="publish", topic=account.hub.topic, challenge="c")
    assert (await account.hear(mode="unsubscribe", topic="https://other.example/", challenge="c")).echo == "c"


@pytest.mark.parametrize(("said", "days"), [("99999999999999", 30), ("", 1), ("-5", 1), ("soon", 1), ("٣", 1), ("172800", 2)])
async def test_a_lease_is_believed_within_reason(account: Account, clock: HandClock, said: str, days: int) -> None:
    await account.subscribe()
    heard = await account.hear(mode="subscribe", topic=account.hub.topic, challenge="c", lease_seconds=said)
    assert heard.until == clock.now() + timedelta(days=days)


async def test_a_lease_of_seconds_has_us_ask_once_an_hour(account: Account, clock: HandClock) -> None:
    await account.subscribe()
    await account.confirm(lease=1)
    assert (await account.subscribe()).again == clock.now() + timedelta(hours=1)


async def test_a_hub_that_says_no_is_asked_again_after_a_week(account: Account, clock: HandClock) -> None:
    await account.subscribe()
    await account.confirm()
    assert await account.hear(mode="denied", topic="https://other.example/") == Heard()
    assert await account.hear(mode="denied", topic=account.hub.topic, reason="<b>") == Heard(until=clock.now())
    assert (await account.subscribe()).again == clock.now() + timedelta(days=7)
    assert len(account.hub.requests) == 1


async def test_whoever_leaves_agrees_to_be_called_no_more(account: Account) -> None:
    await account.subscribe()
    await account.confirm()
    account.hub.subscriptions[account.hub.topic, CALLBACK] = Subscribed(account.hub.last["hub.secret"], 864_000)
    await Feed(account.session).leave()
    assert account.hub.last == {"hub.callback": CALLBACK, "hub.mode": "unsubscribe", "hub.topic": account.hub.topic}
    assert (await account.hear(mode="unsubscribe", topic=account.hub.topic, challenge="c")).echo == "c"
    with pytest.raises(Unasked):
        await account.confirm()


def test_an_address_that_is_nobodys_agrees_to_be_called_no_more_and_to_nothing_else() -> None:
    def said(**query: str) -> str | None:
        return feed_hub.unheard(Call(query={f"hub.{name}": value for name, value in query.items()}, headers={}, body=b""))

    assert said(mode="unsubscribe", topic="https://blog.example/", challenge="c") == "c"
    assert said(mode="unsubscribe", topic="https://blog.example/") is None
    assert said(mode="subscribe", topic="https://blog.example/", challenge="c") is None
    assert said() is None


# --- what a hub delivers (§7) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
async def test_a_delivery_that_our_secret_signed_is_a_hint(account: Account, method: str) -> None:
    await account.subscribe()
    heard = await account.deliver(b"<feed/>", method)
    assert (heard.hint, heard.until, heard.echo) == (True, None, None)


async def test_a_delivery_that_nobody_or_somebody_else_signed_is_ignored(account: Account) -> None:
    body = b"<feed/>"
    assert await account.hear(body, {"x-hub-signature": signed("", body)}) == Heard()
    await account.subscribe()
    secret = account.hub.last["hub.secret"]
    right = signed(secret, body)
    for wrong in (
        "",
        right.replace("sha256", "sha512"),
        right[:-1],
        right.partition("=")[2],
        signed(secret, body, "md5"),
        signed(SECRET, body),
        signed("", body),
        "sha256=\udcff",
        "=",
    ):
        assert await account.hear(body, {"x-hub-signature": wrong}) == Heard()
    assert await account.hear(b"<feed />", {"x-hub-signature": right}) == Heard()
    assert await account.hear(body) == Heard()


async def test_a_hint_makes_the_feed_due_once_however_often_it_comes(account: Account) -> None:
    cursor = await account.look(None)
    await account.subscribe()
    looks = account.hub.looks
    cursor = await account.look(cursor)
    assert account.hub.looks == looks, "it is not due"
    account.hub.posts.append("Two")
    heard = await account.deliver(account.hub.feed())
    account.inbox.put(heard)
    account.inbox.put(heard)
    cursor = await account.look(cursor)
    assert account.hub.looks == looks + 1
    account.inbox.put(heard)  # replayed, much later
    cursor = await account.look(cursor)
    await account.look(cursor)
    assert account.hub.looks == looks + 1
    assert account.inbox.calls == []


async def test_a_hint_that_came_while_the_site_was_away_is_followed_when_it_is_back(account: Account) -> None:
    cursor = await account.look(None)
    await account.subscribe()
    account.hub.posts.append("Two")
    account.inbox.put(await account.deliver(account.hub.feed()))
    account.hub.pages["/feed.xml"] = Answer(404, b"")
    failing = Feed(account.session).pages(cursor)
    with pytest.raises(Refused):
        async for page in failing:
            cursor = page.cursor or cursor
    del account.hub.pages["/feed.xml"]
    rows = [row.item async for page in Feed(account.session).pages(cursor) for row in page.rows]
    assert [item.object.name for item in rows if isinstance(item, Activity) and item.object] == ["Two", "One"]
