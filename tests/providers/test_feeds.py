"""Feeds against a site of our own that behaves as the RFCs say, and does what sites do besides."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers.errors import ForbiddenAddress, Malformed, ProviderError, RateLimited, Refused, Unavailable
from providers.feeds import document as feed_document
from providers.feeds import page as feed_page
from providers.feeds import schedule as feed_schedule
from providers.feeds.adapter import PROVIDER, Feed, base_url
from providers.records import Activity, Page, Unreadable
from providers.session import Secret
from tests.ports import free_port
from tests.providers.conftest import NOON, HandClock, SessionMaker
from tests.providers.contract import FAULTS, AdapterContract, Open, Proxy
from tests.providers.contract import Mirror as ContactMirror
from tests.providers.feed_site import Site, atom, document, entry, page, rss
from tests.providers.stub_http import Answer, Request, running


class Mirror(ContactMirror):
    """Keeps activities; nothing but a `Gone` takes one away."""

    def _take(self, row: Any) -> None:
        if isinstance(row.item, Activity):
            self.contacts[row.item.key] = row.item
        super()._take(row)

    @property
    def titles(self) -> set[str]:
        return {item.object.name for item in self.contacts.values()}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with running(site):
        yield site


OpenFeed = Callable[..., Feed]


@pytest.fixture
def feed(site: Site, new_session: SessionMaker) -> OpenFeed:
    def open_(path: str = "/feed.xml", **more: Any) -> Feed:
        return Feed(new_session(site.url + path, provider="feeds", **more))

    return open_


async def _activities(feed: Feed, cursor: bytes | None = None) -> list[Activity]:
    return [row.item for page in await _pages(feed, cursor) for row in page.rows if isinstance(row.item, Activity)]


async def _pages(feed: Feed, cursor: bytes | None = None) -> list[Page]:
    return [page async for page in feed.pages(cursor)]


# --- the conformance kit --------------------------------------------------------------------------------------------------


class Rig:
    """A feed with an archive of three documents; its entries are what the kit calls contacts."""

    provider = msgspec.structs.replace(PROVIDER, quota=None)
    path = "/feed.xml"
    secret = Secret()

    def __init__(self, site: Site, clock: HandClock) -> None:
        self.site = site
        self.clock = clock
        self.server_url = site.url

    def fill(self) -> None:
        self.site.posts = [f"Post {number}" for number in range(24)]

    def names(self) -> set[str]:
        return set(self.site.posts)

    def name_of(self, contact: Any) -> str:
        return str(contact.object.name)

    def remove(self) -> str:
        return self.site.posts.pop()

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return msgspec.json.encode({**msgspec.json.decode(cursor), "version": 99})


class TestFeedsContract(AdapterContract):
    """What the kit says of contacts is said of entries; a feed is a window, so that nothing is gone because it is not in it."""

    @pytest.fixture
    def rig(self, site: Site, clock: HandClock) -> Rig:
        return Rig(site, clock)

    async def test_everything_arrives_once_over_several_pages(self, rig: Any, opened: Open) -> None:
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        items = [row.item for page in pages for row in page.rows if isinstance(row.item, Activity)]
        assert {rig.name_of(item) for item in items} == rig.names()
        assert len(items) == len({item.key for item in items}) == len(rig.names())
        assert [page.done for page in pages] == [False, False, True]

    async def test_a_run_can_be_taken_up_after_every_page(self, rig: Any, opened: Open) -> None:
        rig.fill()
        mirror = Mirror()
        for _ in range(10):
            await mirror.follow(opened(), pages=1)
            if mirror.done:
                break
        assert mirror.titles == rig.names()

    async def test_a_wrong_secret_asks_for_a_new_sign_in(self, rig: Any, opened: Open, proxy: Proxy) -> None:
        """Nobody signs in to read a feed: one that wants to know who asks is not for everybody."""
        for fault in ("401", "403"):
            proxy.tamper = FAULTS[fault]
            for ask in (opened().profile, lambda: Mirror().follow(opened())):
                with pytest.raises(Refused, match=f"does not show this feed to everybody .status {fault}"):
                    await ask()

    async def test_what_is_deleted_at_the_source_is_gone_after_the_next_run(self, rig: Any, opened: Open) -> None:
        """Of a feed the contrary is right."""
        rig.fill()
        mirror = await Mirror().follow(opened())
        removed = rig.remove()
        rig.clock.time += timedelta(days=2)
        await mirror.follow(opened())
        assert removed in mirror.titles

    async def test_a_cursor_the_server_does_not_know_ends_in_everything_without_what_is_gone(
        self, rig: Any, opened: Open
    ) -> None:
        rig.fill()
        mirror = await Mirror().follow(opened())
        mirror.cursor = rig.foreign_cursor(mirror.cursor or b"")
        mirror.contacts.clear()
        await mirror.follow(opened())
        assert mirror.titles == rig.names()

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_bad_answer_loses_nothing_and_deletes_nothing(
        self, rig: Any, opened: Open, proxy: Proxy, clock: HandClock, fault: str
    ) -> None:
        rig.fill()
        for bad in range(3):
            mirror = Mirror()
            begun = len(proxy.seen)
            proxy.tamper = lambda exchange, real, at=begun + bad: (
                FAULTS[fault](exchange, real) if len(proxy.seen) - 1 >= at else real
            )
            await self._recovered(mirror, opened, proxy, clock)
            assert mirror.titles == rig.names(), f"request {bad}"
            rig.site.posts.append(f"Later {bad}")
            proxy.tamper = FAULTS[fault]
            await self._recovered(mirror, opened, proxy, clock)
            assert mirror.titles == rig.names(), f"request {bad}"

    async def _recovered(self, mirror: Mirror, opened: Open, proxy: Proxy, clock: HandClock) -> None:
        """A run that goes wrong, and the next one."""
        with contextlib.suppress(ProviderError):
            await mirror.follow(opened())
        proxy.tamper = None
        clock.time += timedelta(days=2)
        await mirror.follow(opened())
        clock.time += timedelta(days=2)


# --- finding the feed of a site ---------------------------------------------------------------------------------------------


async def test_a_site_leads_to_the_feed_that_its_page_names(site: Site, feed: OpenFeed) -> None:
    site.posts = ["Hello"]
    site.pages["/"] = page(
        '<link rel="alternate" type="application/rss+xml" href="/comments/feed" title="Comments">'
        '<link rel=stylesheet href="x.css"><link REL="Alternate home" type=application/atom+xml href="feed.xml">'
    )
    profile = await feed("/").profile()
    assert (profile.user_id, profile.base_url, profile.label) == (f"{site.url}/feed.xml", f"{site.url}/feed.xml", "Ada's blog")


async def test_a_link_header_names_a_feed_as_well(site: Site, feed: OpenFeed) -> None:
    site.pages["/"] = Answer(
        200, b"Hi", Content_Type="text/plain", Link='</feed.xml>; rel="alternate"; type="application/atom+xml"'
    )
    assert (await feed("/").profile()).base_url == f"{site.url}/feed.xml"


async def test_common_places_are_looked_at_where_a_site_names_none(site: Site, feed: OpenFeed) -> None:
    site.pages["/"] = page("")
    assert (await feed("/").profile()).base_url == f"{site.url}/feed.xml"
    assert [request.path for request in site.asked] == ["/", "/feed", "/feed.xml"]


async def test_a_site_without_a_feed_is_told_as_such_after_four_looks(site: Site, feed: OpenFeed) -> None:
    site.pages = {"/": page(""), "/feed.xml": Answer(404, b"")}
    with pytest.raises(Refused, match="names no feed") as refused:
        await feed("/").profile()
    assert refused.value.provider_code == "no-feed"
    assert len(site.asked) == 5


async def test_a_page_cannot_lead_us_into_a_private_network(site: Site, feed: OpenFeed) -> None:
    site.pages = {"/": page('<link rel=alternate type="application/rss+xml" href="http://169.254.169.254/x">')}
    with pytest.raises(Refused):
        await feed("/").profile()
    site.pages["/away"] = Answer(301, b"", Location="http://10.0.0.1/feed")
    with pytest.raises(ForbiddenAddress):
        await feed("/away").profile()


def test_feeds_of_a_page_come_in_the_order_of_their_use() -> None:
    head = (
        '<base href="https://cdn.example/a/"><link rel="alternate" type="application/rss+xml" href="/r?a=1&amp;b=2">'
        '<link rel="alternate" type="application/feed+json" href="j"><link rel="alternate" type="application/atom+xml" href="a">'
        '<link rel="alternate" type="text/html" hreflang="de" href="de"><link rel="feed" href="https://blog.example/own">'
        '<link rel="alternate" type="application/rss+xml" href="file:///etc/passwd">'
    )
    assert feed_page.feeds(head, "", "https://blog.example/") == [
        "https://blog.example/own", "https://cdn.example/a/a", "https://cdn.example/a/j", "https://cdn.example/r?a=1&b=2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "address"),
    [("blog.example.org", "https://blog.example.org"), (" https://b.example/x?y=1#z ", "https://b.example/x?y=1")],
)
def test_what_people_type_becomes_an_address(typed: str, address: str) -> None:
    assert base_url({"url": typed}) == address


@pytest.mark.parametrize(
    "typed", ["", "ada", "feed://b.example/x", "file:///etc/passwd", "https://a:b@b.example/", "https://b example"]
)
def test_what_is_no_address_of_the_web_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(Refused, match=r"blog\.example\.org"):
        base_url({"url": typed})


# --- asking politely --------------------------------------------------------------------------------------------------------


async def test_validators_go_back_as_they_came_and_a_304_costs_nothing(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.posts = ["One"]
    mirror = await Mirror().follow(feed())
    clock.time += timedelta(days=2)
    mirror.rows = 0
    await mirror.follow(feed())
    assert site.asked[-1].headers["if-none-match"].startswith('W/"')
    assert site.asked[-1].headers["if-modified-since"] == "Mon, 04 May 2026 09:00:00 GMT"
    clock.time += timedelta(days=2)
    await mirror.follow(feed())
    assert "if-modified-since" in site.asked[-1].headers  # kept through a 304 that left it out
    assert (mirror.rows, mirror.done) == (0, True)


async def test_a_body_that_did_not_change_is_known_without_validators(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.validators = False
    site.posts = ["One"]
    mirror = await Mirror().follow(feed())
    mirror.rows = 0
    clock.time += timedelta(days=2)
    await mirror.follow(feed())
    assert mirror.rows == 0
    assert "if-none-match" not in site.asked[-1].headers


async def test_no_request_is_made_before_the_feed_is_due(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.posts = [f"Post {number}" for number in range(8)]  # one a day
    mirror = await Mirror().follow(feed())
    clock.time += timedelta(hours=11)
    await mirror.follow(feed())
    assert len(site.asked) == 1
    clock.time += timedelta(hours=16)
    await mirror.follow(feed())
    assert len(site.asked) == 2


async def test_a_server_says_how_long_its_answer_is_fresh(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.headers = {"Cache_Control": "public, max-age=72000"}
    site.pages["/feed.xml"] = document(rss("<item><guid>1</guid></item>"), Cache_Control="public, max-age=72000")
    mirror = await Mirror().follow(feed())
    clock.time += timedelta(hours=19)
    await mirror.follow(feed())
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("<ttl>600</ttl>", 10),
        ("<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", 12),
        ("<ttl>99999999999</ttl>", 1),
        ("<ttl>-1</ttl>", 1),
        ("<ttl>900000</ttl>", 24),
        ("<skipHours><hour>13</hour><hour>14</hour></skipHours>", 3),
        ("<skipDays><day>Monday</day></skipDays>", 12),
    ],
)
async def test_a_feed_says_how_often_and_when_it_is_to_be_asked(site: Site, feed: OpenFeed, said: str, hours: int) -> None:
    site.pages["/feed.xml"] = document(rss("<item><guid>1</guid></item>", said))
    cursor = (await _pages(feed()))[-1].cursor
    due = datetime.fromisoformat(msgspec.json.decode(cursor or b"")["due"])
    assert timedelta(hours=hours) <= due - NOON <= timedelta(hours=hours) * (1 + feed_schedule.SPREAD)


def test_all_hours_skipped_is_no_wish() -> None:
    moment = feed_schedule.due(NOON, usual=timedelta(hours=1), latest=None, floor=timedelta(), skip_hours=range(24))
    assert moment - NOON < timedelta(hours=2)


def test_who_writes_often_is_looked_at_often_and_who_is_silent_less() -> None:
    hourly = feed_schedule.habit(NOON - timedelta(hours=n) for n in range(5))
    assert hourly == timedelta(minutes=30)
    soon = feed_schedule.due(NOON, usual=hourly, latest=NOON, floor=timedelta())
    late = feed_schedule.due(NOON, usual=hourly, latest=NOON - timedelta(days=300), floor=timedelta())
    assert soon - NOON < timedelta(minutes=40)
    assert late - NOON >= timedelta(days=1)


async def test_a_feed_that_has_ended_is_never_asked_for_again(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.posts = ["One"]
    mirror = await Mirror().follow(feed())
    site.pages["/feed.xml"] = Answer(410, b"")
    for _ in range(3):
        clock.time += timedelta(days=2)
        with pytest.raises(Refused, match="ended"):
            await mirror.follow(feed())
    assert len(site.asked) == 2
    assert mirror.titles == {"One"}


async def test_an_address_that_has_moved_for_good_is_left_after_a_day(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.posts = ["One"]
    site.pages["/old"] = Answer(301, b"", Location="/feed.xml")
    mirror = await Mirror().follow(feed("/old"))
    for _ in range(2):
        clock.time += timedelta(days=2)
        await mirror.follow(feed("/old"))
    assert [request.path for request in site.asked] == ["/old", "/feed.xml", "/old", "/feed.xml", "/feed.xml"]


@pytest.mark.parametrize("status", [302, 303, 307])
async def test_an_address_that_leads_elsewhere_for_now_is_kept(site: Site, feed: OpenFeed, clock: HandClock, status: int) -> None:
    site.posts = ["One"]
    site.pages["/old"] = Answer(status, b"", Location="/feed.xml")
    mirror = await Mirror().follow(feed("/old"))
    for _ in range(3):
        clock.time += timedelta(days=2)
        await mirror.follow(feed("/old"))
    assert site.asked[-2].path == "/old"


async def test_trouble_is_waited_for_longer_each_time(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.pages["/feed.xml"] = Answer(404, b"")
    mirror = Mirror()
    waits = []
    for _ in range(7):
        with pytest.raises(Refused) as refused:
            await mirror.follow(feed())
        waits.append((refused.value.retry_at or NOON) - clock.now())
    assert waits == [timedelta(hours=n) for n in (1, 2, 4, 8, 16, 24, 24)]


async def test_a_server_that_is_asked_too_often_says_until_when(site: Site, feed: OpenFeed) -> None:
    site.pages["/feed.xml"] = Answer(429, b"", Retry_After="600")
    with pytest.raises(RateLimited) as refused:
        await _pages(feed())
    assert refused.value.retry_at == NOON + timedelta(minutes=10)


async def test_a_host_is_asked_one_thing_at_a_time(new_session: SessionMaker) -> None:
    under_way = most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                under_way += 1
                most = max(most, under_way)
                for _ in range(20):
                    await asyncio.sleep(0)
                under_way -= 1
                writer.write(Answer(200, atom(entry(1, "One"))).encoded())

    server = await asyncio.start_server(serve, "127.0.0.1", free_port())
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*(_pages(Feed(new_session(f"{address}/{number}", provider="feeds"))) for number in range(6)))
    server.close()
    assert most == 1


# --- a window into a past ---------------------------------------------------------------------------------------------------


async def test_what_passed_the_window_between_two_looks_comes_from_the_archive(
    site: Site, feed: OpenFeed, clock: HandClock
) -> None:
    site.posts = ["Post 0"]
    mirror = await Mirror().follow(feed())
    site.posts += [f"Post {number}" for number in range(1, 30)]
    clock.time += timedelta(days=2)
    await mirror.follow(feed())
    assert mirror.titles == set(site.posts)


async def test_what_passed_the_window_without_an_archive_is_said(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.archived = False
    site.posts = ["Post 0"]
    first = (await _pages(feed()))[-1]
    site.posts += [f"Post {number}" for number in range(1, 30)]
    clock.time += timedelta(days=2)
    rows = [row.item for page in await _pages(feed(), first.cursor) for row in page.rows]
    assert [item.reason for item in rows if isinstance(item, Unreadable)] == ["OUTSIDE_WINDOW"]
    assert len(rows) == 9


async def test_an_archive_without_end_is_left_after_some_documents(
    site: Site, feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.feeds.adapter.MAX_OLDER", 4)
    numbers = iter(range(1000))

    def endless(_: Request) -> Answer:
        number = next(numbers)
        return document(atom(entry(number, "x"), f'<link rel="next" href="/feed.xml?n={number}"/>'))

    site.pages["/feed.xml"] = endless
    assert (await _pages(feed()))[-1].done
    assert len(site.asked) == 5


async def test_a_page_of_the_archive_that_cannot_be_had_is_given_up_and_said(site: Site, feed: OpenFeed) -> None:
    site.pages["/feed.xml"] = document(atom(entry(1, "One"), '<link rel="prev-archive" href="/gone"/>'))
    mirror = Mirror()
    for _ in range(2):
        with pytest.raises(Refused):
            await mirror.follow(feed())
    await mirror.follow(feed())
    assert mirror.done
    assert mirror.titles == {"One"}


# --- what is in it ----------------------------------------------------------------------------------------------------------


async def _one(site: Site, feed: OpenFeed, body: bytes, media_type: str = "text/xml") -> Activity:
    site.pages["/feed.xml"] = document(body, media_type)
    (found,) = await _activities(feed())
    return found


async def test_an_entry_of_atom_is_an_article_by_its_author(site: Site, feed: OpenFeed) -> None:
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0" xml:base="http://b.example/x/">'
        '<title>T</title><link href="/"/><entry xml:lang="de"><id>tag:b.example,2026:1</id><title type="html">A &amp;lt;b&amp;gt; '
        '&lt;i>c&lt;/i></title><link href="one"/><link rel="enclosure" type="audio/mpeg" href="one.mp3"/>'
        "<author><name>Ada Ray</name><uri>/ada</uri><email>a@b.example</email></author><category term='boats'/>"
        '<thr:in-reply-to ref="tag:c.example,2026:9"/><published>2026-05-01T10:00:00+02:00</published>'
        '<updated>2026-05-02T10:00:00Z</updated><summary>Short.</summary><content type="html" xml:base="pics/">'
        '&lt;p>Long &lt;a href="a.png">one&lt;/a>.&lt;/p></content></entry></feed>'
    )
    found = await _one(site, feed, body.encode())
    thing = found.object
    assert thing is not None
    assert (found.key, found.verb, thing.kind, thing.name) == ("tag:b.example,2026:1", "CREATE", "ARTICLE", "A <b> c")
    assert (found.actor.name, found.actor.uri, found.actor.kind) == ("Ada Ray", "http://b.example/ada", "PERSON")
    assert (found.url, thing.in_reply_to, thing.hashtags) == ("http://b.example/x/one", "tag:c.example,2026:9", ("boats",))
    assert 'href="http://b.example/x/pics/a.png"' in (thing.html or "")
    assert (thing.summary, thing.text) == ("Short.", "Long one.")
    assert found.occurred_at == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert found.edited_at == datetime(2026, 5, 2, 10, tzinfo=UTC)
    assert [(m.url, m.media_type) for m in thing.media] == [("http://b.example/x/one.mp3", "audio/mpeg")]
    assert json.loads(found.original or b"")["id"] == "tag:b.example,2026:1"


async def test_an_item_of_rss_2_is_read_with_its_modules(site: Site, feed: OpenFeed) -> None:
    body = rss(
        "<item><guid isPermaLink='false'>g1</guid><link>https://blog.example/1</link><title>AT&amp;amp;T &amp;amp; <![CDATA[<b>x</b>]]>"
        "</title><dc:creator>Ada Ray</dc:creator><pubDate>Fri, 01 May 2026 10:00:00 EST</pubDate><description>Short</description>"
        "<content:encoded><![CDATA[<p>Long&nbsp;one.</p>]]></content:encoded></item>"
    )
    found = await _one(site, feed, body)
    assert found.object is not None
    assert (found.key, found.object.name, found.object.text) == ("g1", "AT&T & x", "Long one.")
    assert found.actor.uri == "https://blog.example/#Ada%20Ray"
    assert found.occurred_at == datetime(2026, 5, 1, 15, tzinfo=UTC)


async def test_rss_1_and_0_91_are_read_as_well(site: Site, feed: OpenFeed) -> None:
    rdf = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="http://b.example/"><title>T</title></channel>'
        '<item rdf:about="http://b.example/1"><title>One</title><link>http://b.example/1</link><dc:creator>Ada</dc:creator>'
        "<dc:date>2026-05-01T10:00:00Z</dc:date></item></rdf:RDF>"
    )
    found = await _one(site, feed, rdf.encode())
    assert (found.key, found.actor.name, found.occurred_at) == ("http://b.example/1", "Ada", datetime(2026, 5, 1, 10, tzinfo=UTC))
    old = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">'
        '<rss version="0.91"><channel><title>T</title><item><title>Caf&eacute;</title><link>http://b.example/2</link></item>'
        "</channel></rss>"
    )
    found = await _one(site, feed, old.encode())
    assert found.object is not None
    assert (found.key, found.object.name, found.occurred_at) == ("http://b.example/2", "Café", None)


async def test_a_json_feed_is_read_though_its_server_calls_it_something_else(site: Site, feed: OpenFeed) -> None:
    item = {
        "id": 7, "url": "https://b.example/7", "content_html": "<p>Hi.</p>", "date_published": "2026-05-01T10:00:00Z",
        "authors": [{"name": "Ada", "url": "https://ada.example/", "avatar": "https://ada.example/a.png"}], "tags": ["x", 5],
        "attachments": [{"url": "https://b.example/7.mp3", "mime_type": "audio/mpeg"}, "?"], "_mine": {"kept": True},
    }  # fmt: skip
    body = {"version": "https://jsonfeed.org/version/1.1", "title": "B", "items": [item, 5, {}]}
    site.pages["/feed.xml"] = document(json.dumps(body).encode(), "text/plain")
    rows = [row.item for page in await _pages(feed()) for row in page.rows]
    found = rows[0]
    assert isinstance(found, Activity) and found.object is not None
    assert (found.key, found.object.kind, found.object.text) == ("7", "NOTE", "Hi.")
    assert (found.actor.uri, found.actor.photo_url) == ("https://ada.example/", "https://ada.example/a.png")
    assert json.loads(found.original or b"") == item
    assert [type(row) for row in rows[1:]] == [Unreadable, Unreadable]


async def test_an_old_json_feed_has_one_author_for_all(site: Site, feed: OpenFeed) -> None:
    body = {
        "title": "B",
        "home_page_url": "https://b.example/",
        "author": {"name": "Ada"},
        "items": [{"id": "1", "content_text": "a<b"}],
    }
    found = await _one(site, feed, json.dumps(body).encode(), "application/json")
    assert (found.actor.name, found.actor.uri) == ("Ada", "https://b.example/")
    assert found.object is not None and found.object.text == "a<b"


async def test_who_is_named_by_nobody_is_the_feed_itself(site: Site, feed: OpenFeed) -> None:
    found = await _one(site, feed, atom(entry(1, "One"), author=""))
    assert (found.actor.kind, found.actor.name, found.actor.uri) == ("SERVICE", "Ada's blog", "https://blog.example/")


async def test_the_author_is_the_entrys_then_its_sources_then_the_feeds(site: Site, feed: OpenFeed) -> None:
    source = "<source><author><name>Ben</name><uri>https://ben.example/</uri></author></source>"
    own = "<author><name>Cleo</name></author>"
    site.pages["/feed.xml"] = document(atom(entry(1, "a") + entry(2, "b", source) + entry(3, "c", source + own)))
    assert [one.actor.name for one in await _activities(feed())] == ["Ada Ray", "Ben", "Cleo"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("<author>ada@blog.org (Ada Ray)</author>", "Ada Ray"),
        ("<author>ada@blog.example (Ada Ray)</author>", "Ada Ray"),
        ("<author>Ada Ray &lt;ada@blog.example></author>", "Ada Ray"),
        ("<author>ada@blog.example (Ben)</author><dc:creator>Ada Ray</dc:creator>", "Ben"),
        ("<dc:creator>Ada Ray</dc:creator>", "Ada Ray"),
        ("<author>ada@blog.example</author>", "Ada"),
        ("<author>ada@blog.org</author>", "Ada"),
    ],
)
async def test_the_author_of_an_item_is_a_name_and_never_an_address(site: Site, feed: OpenFeed, written: str, name: str) -> None:
    """An address alone names nobody: then it is the feed, whose title is Ada."""
    found = await _one(site, feed, rss(f"<item><guid>1</guid>{written}</item>"))
    assert found.actor.name == name


async def test_entries_without_ids_are_known_by_their_link_or_what_they_say(site: Site, feed: OpenFeed) -> None:
    link = "<link>https://blog.example/{}</link>"
    site.pages["/feed.xml"] = document(
        rss(
            f"<item>{link.format(1)}<title>a</title></item><item><title>b</title></item><item><title>c</title></item>"
            f"<item><guid>x</guid>{link.format(3)}</item><item><guid>x</guid>{link.format(4)}</item>"
            f"<item><guid>y</guid>{link.format(5)}</item><item><guid>y</guid>{link.format(5)}</item>"
        )
    )
    first, second = await _activities(feed()), await _activities(feed())
    assert [one.key for one in first] == [one.key for one in second]
    assert len({one.key for one in first}) == len(first) == 6
    assert [one.key for one in first if not one.key.startswith("digest:")] == [
        "https://blog.example/1", "https://blog.example/3", "https://blog.example/4", "y",
    ]  # fmt: skip


async def test_an_id_that_is_no_address_stays_as_it_is_wherever_the_feed_lies(site: Site, feed: OpenFeed) -> None:
    site.pages["/feed.xml"] = site.pages["/deep/feed"] = document(rss("<item><guid>12</guid></item><item><guid>13</guid></item>"))
    for path in ("/feed.xml", "/deep/feed"):
        assert [(one.key, one.url) for one in await _activities(feed(path))] == [("12", None), ("13", None)]


async def test_an_edit_has_the_same_key_and_tells_when(site: Site, feed: OpenFeed, clock: HandClock) -> None:
    site.pages["/feed.xml"] = document(atom(entry(1, "One")))
    mirror = await Mirror().follow(feed())
    site.pages["/feed.xml"] = document(atom(entry(1, "Two", "<updated>2026-05-03T10:00:00Z</updated>")))
    clock.time += timedelta(days=2)
    await mirror.follow(feed())
    (found,) = mirror.contacts.values()
    assert (found.object.name, found.edited_at) == ("Two", datetime(2026, 5, 3, 10, tzinfo=UTC))


@pytest.mark.parametrize("date", ["1970-01-01T00:00:00Z", "2031-01-01T00:00:00Z", "2. November 2026", "", "9999-99-99"])
async def test_a_date_that_is_none_leaves_the_moment_open(site: Site, feed: OpenFeed, date: str) -> None:
    found = await _one(site, feed, atom(f"<entry><id>1</id><title>x</title><published>{date}</published></entry>"))
    assert (found.occurred_at, found.edited_at) == (None, None)


@pytest.mark.parametrize(
    ("title", "shown"),
    [("5 &lt; 6", "5 < 6"), ("&lt;b&gt;Bold&lt;/b&gt; move", "Bold move"), ("a &amp;mdash; b", "a — b"), ("Q&amp;A", "Q&A")],
)
async def test_titles_that_are_html_become_text(site: Site, feed: OpenFeed, title: str, shown: str) -> None:
    found = await _one(site, feed, rss(f"<item><guid>1</guid><title>{title}</title></item>"))
    assert found.object is not None and found.object.name == shown


# --- what strangers send ----------------------------------------------------------------------------------------------------


BILLION = (
    '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    "<rss><channel><title>&c;</title></channel></rss>"
)
OUTSIDE = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]><rss><channel><title>&x;</title></channel></rss>'


@pytest.mark.parametrize("text", [BILLION, OUTSIDE])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-le"])
async def test_entities_of_a_strangers_are_refused_in_any_encoding(site: Site, feed: OpenFeed, text: str, codec: str) -> None:
    site.pages["/feed.xml"] = document(text.encode(codec))
    with pytest.raises(Malformed, match="entities"):
        await _pages(feed())
    with pytest.raises(Malformed, match="entities"):
        await feed().profile()


@pytest.mark.parametrize("subset", ['<!ATTLIST a b CDATA "]>"> <!ENTITY x "y">]', '] <!DOCTYPE b [<!ENTITY x "y">]'])
async def test_a_document_type_that_hides_something_is_not_read(site: Site, feed: OpenFeed, subset: str) -> None:
    site.pages["/feed.xml"] = document(f"<!DOCTYPE a [{subset}><rss><channel><title>&x;</title></channel></rss>".encode())
    with pytest.raises(Malformed):
        await _pages(feed())


async def test_writing_about_entities_is_no_crime(site: Site, feed: OpenFeed) -> None:
    body = rss("<item><guid>1</guid><description><![CDATA[<code>&lt;!DOCTYPE a [&lt;!ENTITY x>]</code>]]></description></item>")
    found = await _one(site, feed, b"<!-- <rss> --><?xml-stylesheet href='x'?>" + body)
    assert found.object is not None and "<!ENTITY" in (found.object.text or "")


@pytest.mark.parametrize(
    ("codec", "media_type", "declared"),
    [
        ("windows-1251", "text/xml; charset=utf-8", ""),
        ("windows-1251", "text/xml", "windows-1251"),
        ("windows-1251", "text/xml; charset=windows-1251", "utf-8"),
        ("utf-8", "text/xml", "utf-16"),
        ("utf-16", "text/xml; charset=iso-8859-1", "utf-16"),
        ("utf-8-sig", "text/html", "koi8-r"),
        ("utf-8", "application/rss+xml; charset=unicode_escape", "punycode"),
    ],
)
async def test_text_is_read_by_what_decodes_it(site: Site, feed: OpenFeed, codec: str, media_type: str, declared: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared or "windows-1251"}"?>'
    text = declaration + rss("<item><guid>1</guid><title>Привет, мир</title></item>").decode()
    found = await _one(site, feed, text.encode(codec), media_type)
    assert found.object is not None and found.object.name == "Привет, мир"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"<rss><channel>" + b"<a " * 700_000,
        b"<rss><channel><item>" + b"<b>" * 300_000,
        b"<rss><channel><item>" + b"<b>" * 100_000 + b"</b>" * 100_000 + b"</item></channel></rss>",
        b"<rss><channel><item><title>" + b"&" * 2_000_000,
        b"<!DOCTYPE>" * 900_000,
        b" " * 9_000_000,
        b"[" * 1_000_000,
        b"{" * 1_000_000,
    ],
)
async def test_what_would_keep_a_reader_busy_is_refused_at_once(site: Site, feed: OpenFeed, rubbish: bytes) -> None:
    site.pages["/feed.xml"] = document(rubbish)
    with pytest.raises(Malformed):
        await _pages(feed())


async def test_a_feed_of_more_than_ten_megabytes_is_refused(site: Site, feed: OpenFeed) -> None:
    site.pages["/feed.xml"] = document(rss("<item><title>" + "x" * 11_000_000 + "</title></item>"))
    with pytest.raises(Malformed) as refused:
        await _pages(feed())
    assert refused.value.provider_code == "too-large"


async def test_a_broken_feed_is_read_as_far_as_it_goes(site: Site, feed: OpenFeed) -> None:
    found = await _one(site, feed, b"<rss version='2.0'><channel><item><guid>1</guid><title>You & me</title></item>")
    assert found.object is not None and found.object.name == "You & me"


async def test_many_entries_are_read_to_a_limit_and_the_rest_is_said(
    site: Site, feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_document, "MAX_ENTRIES", 3)
    site.pages["/feed.xml"] = document(rss("".join(f"<item><guid>{number}</guid></item>" for number in range(9))))
    rows = [row.item for page in await _pages(feed()) for row in page.rows]
    assert [isinstance(item, Unreadable) for item in rows] == [False, False, False, True]


async def test_a_site_that_is_away_is_unavailable_and_looked_for_again_later(site: Site, feed: OpenFeed) -> None:
    site.pages["/feed.xml"] = Answer(503, b"", Retry_After="7200")
    with pytest.raises(Unavailable) as refused:
        await _pages(feed())
    assert refused.value.retry_at is not None and refused.value.retry_at >= NOON + timedelta(hours=1)
