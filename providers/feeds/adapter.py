"""Feeds of sites: RSS, Atom (RFC 4287) and JSON Feed, found from a site's address and kept up by polite conditional requests.

An account is one feed. `page.py` finds it, `fetch.py` gets it, `document.py` and `json_feed.py` read it, `item.py` makes
activities of its entries, `schedule.py` says when to look again, and `hub.py` has us called where a hub does that. A feed is a window:
what is no longer in it is not gone, and what passed through it unseen is fetched from its archive (RFC 5005) or said to be missing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Final

import httpx2 as httpx
import msgspec

from providers import cursors
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.errors import Malformed, ProviderError, Refused, Unavailable
from providers.feeds import document as feed_document
from providers.feeds import hub as feed_hub
from providers.feeds import page as feed_page
from providers.feeds import schedule as feed_schedule
from providers.feeds.document import Document
from providers.feeds.fetch import Fetched, Validators, fetch
from providers.feeds.item import CONTAINER, Items
from providers.feeds.json_feed import read_json
from providers.formats.vcard import web_address
from providers.http import Response, Session
from providers.push import Subscription
from providers.quota import Quota
from providers.records import Activity, Page, Profile, Row, Unreadable

KEY: Final = "feeds"
#: Entries that are remembered, to see whether the window has moved past all that was known.
KNOWN: Final = 500
#: Documents of an archive that are read, and tries at one that cannot be.
MAX_OLDER: Final = 50
OLDER_TRIES: Final = 3
#: Feeds of a page that are tried.
MAX_TRIED: Final = 3
#: For so long an address has to say that it has moved for good before it is believed.
MOVED_AFTER: Final = timedelta(days=1)
READING_SECONDS: Final = 60.0
#: Calls of a hub that are read at a time, and those that are remembered: one that is repeated is no news.
TOLD: Final = 100


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The cursor. `url` is where the feed has moved for good, `target` where it says since `since` that it has.

    `known` are digests of the entries last seen; while `older` is on its way, `before` are those of the run before. `usual`, `floor`
    (seconds), `latest`, `hours` and `days` are what the time of the next look, `due`, is made of. `heard` is the last call of the
    hub's that was followed by a look, `told` are digests of those before.
    """

    version: int
    url: str = ""
    validators: Validators = Validators()
    known: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    older: str = ""
    walked: int = 0
    usual: float = feed_schedule.USUAL.total_seconds()
    floor: float = 0.0
    latest: datetime | None = None
    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    due: datetime | None = None
    failures: int = 0
    target: str = ""
    since: datetime | None = None
    gone: bool = False
    heard: int = 0
    told: tuple[str, ...] = ()


class Feed:
    """One feed, at the account's address."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """The feed at the address, or the first one that the page there names. Raises Refused (`no-feed`) when there is none."""
        url = self._session.account.base_url
        found = await fetch(self._session, url)
        if found.gone:
            raise _gone(url)
        try:
            return await self._found(url, found)
        except Malformed as error:
            if error.provider_code != "not-feed":
                raise
        named = await asyncio.to_thread(_named, found.response)
        place = found.response.url
        guessed = [str(httpx.URL(place).join(path)) for path in feed_page.COMMON_PATHS]
        for candidate in named[:MAX_TRIED] or guessed:
            try:
                answer = await fetch(self._session, candidate)
                if not answer.gone:
                    return await self._found(candidate, answer)
            except (Refused, Malformed):
                continue
        raise Refused(
            f"{httpx.URL(place).host} names no feed at this address. Give the address of the feed itself, if there is one.",
            provider_code="no-feed",
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What is in the feed since it was last seen to change; nothing, without a request, before it is due or its hub says that it is.

        Raises CursorExpired for a cursor that is none, Refused (`gone`) for a feed that has ended.
        """
        position = cursors.read(cursor, Position) or Position(version=1)
        now = self._session.clock.now()
        if position.heard:
            await self._session.inbox.forget(position.heard)
        if position.gone:
            raise _gone(self._address(position))
        followed = position
        if not position.older:
            position = await self._listened(position)
            if position.due is not None and now < position.due and position.told == followed.told:
                yield Page(cursor=cursors.written(position), done=True)
                return
        try:
            if not position.older:
                position, rows = await self._look(position, now)
                if position.gone:
                    yield Page(cursor=cursors.written(position))
                    raise _gone(self._address(position))
                followed = position
                yield Page(rows=rows, cursor=cursors.written(position), done=not position.older)
            while position.older:
                position, rows = await self._go_back(position, now)
                yield Page(rows=rows, cursor=cursors.written(position), done=not position.older)
        except (Refused, Malformed, Unavailable) as error:
            if not position.gone:
                failed = msgspec.structs.replace(
                    position, failures=position.failures + 1, heard=followed.heard, told=followed.told
                )  # what was heard is still to be followed
                yield Page(cursor=cursors.written(failed))
                later = feed_schedule.postponed(now, failed.failures)
                error.retry_at = later if error.retry_at is None else max(error.retry_at, later)
            raise

    async def subscribe(self, url: str, secret: str, known: str | None) -> Subscription:
        """Have a hub of the feed, where it names one, call `url` (hub.py). Raises ProviderError, with the time of the next try."""
        standing = await feed_hub.standing(self._session, url, known)
        if standing is not None:
            return standing
        try:
            found = await fetch(self._session, self._session.account.base_url)
            document = Document() if found.gone else await _read(found)
        except ProviderError as error:
            await feed_hub.postpone(self._session, error)
            raise
        named = feed_hub.named(found.response, document.hubs, document.topic)
        return await feed_hub.subscribe(self._session, None if found.gone else named, url, secret)

    async def leave(self) -> None:
        """Have the hub call no more. Raises ProviderError."""
        await feed_hub.leave(self._session)

    async def _listened(self, position: Position) -> Position:
        """The position behind all that the hub has called with; `told` changes where there is news in it."""
        heard, told = position.heard, list(position.told)
        while kept := await self._session.inbox.after(heard, TOLD):
            heard = kept[-1].position
            told += dict.fromkeys(digest for call in kept if (digest := call.body.hex()) not in told)
        return msgspec.structs.replace(position, heard=heard, told=tuple(told[-TOLD:]))

    async def _look(self, position: Position, now: datetime) -> tuple[Position, tuple[Row, ...]]:
        """Asks for the feed; the rows of what it holds, unless it is as it was."""
        url = self._address(position)
        found = await fetch(self._session, url, position.validators)
        position = msgspec.structs.replace(_moved(position, found.moved, now), failures=0, gone=found.gone)
        if found.gone:
            return position, ()
        rows: tuple[Row, ...] = ()
        if found.changed:
            document = await _read(found)
            items = Items(document, url, now)
            rows = tuple(items.rows())
            position = _learned(position, document, items, rows)
            if position.before and position.known and not set(position.before) & set(position.known) and not position.older:
                rows = (*rows, _overrun())
            position.before = position.before if position.older else ()
        fresh = feed_schedule.max_age(found.response.headers.get("cache-control", ""))
        due = feed_schedule.due(
            now,
            usual=timedelta(seconds=position.usual),
            latest=position.latest,
            floor=max(fresh, timedelta(seconds=position.floor)),
            skip_hours=position.hours,
            skip_days=position.days,
            seed=url,
        )
        return msgspec.structs.replace(position, validators=found.validators, due=due), rows

    async def _go_back(self, position: Position, now: datetime) -> tuple[Position, tuple[Row, ...]]:
        """One document further into the past (RFC 5005), until it is known, ends, or cannot be had several times."""
        url = position.older
        ended = msgspec.structs.replace(position, older="", before=(), walked=0, failures=0)
        try:
            found = await fetch(self._session, url)
            document = await _read(found)
        except (Refused, Malformed):
            if position.failures + 1 < OLDER_TRIES:
                raise
            return ended, (_overrun(),)
        rows = tuple(Items(document, self._address(position), now).rows())
        known = not set(position.before).isdisjoint(_digests(rows))
        following = document.older or ""
        if known or not following or following == url or position.walked + 1 >= MAX_OLDER:
            return ended, rows
        return msgspec.structs.replace(position, older=following, walked=position.walked + 1, failures=0), rows

    async def _found(self, url: str, found: Fetched) -> Profile:
        document = await _read(found)
        address = found.moved or url
        return Profile(user_id=address, label=Items(document, address, self._session.clock.now()).label, base_url=address)

    def _address(self, position: Position) -> str:
        return position.url or self._session.account.base_url


def _learned(position: Position, document: Document, items: Items, rows: Iterable[Row]) -> Position:
    """What a document says of itself, for the next time."""
    known = _digests(rows)[:KNOWN]
    moments = items.moments()
    # the first time all of the archive is news; later what lies behind the window, if nothing in it is known
    wanted = not position.known or set(position.known).isdisjoint(known)
    return msgspec.structs.replace(
        position,
        known=known or position.known,
        before=position.known,
        older=(document.older or "") if wanted else "",
        walked=0,
        usual=feed_schedule.habit(moments).total_seconds(),
        floor=min(document.rhythm, feed_schedule.LONGEST).total_seconds(),
        latest=max(moments, default=position.latest),
        hours=tuple(sorted(document.skip_hours)),
        days=tuple(sorted(document.skip_days)),
    )


def _moved(position: Position, target: str, now: datetime) -> Position:
    """An address that leads elsewhere for good is followed there once it has said so for a while: configurations are mistaken."""
    if not target:
        return msgspec.structs.replace(position, target="", since=None)
    if target != position.target or position.since is None:
        return msgspec.structs.replace(position, target=target, since=now)
    if now - position.since < MOVED_AFTER:
        return position
    return msgspec.structs.replace(position, url=target, target="", since=None)


async def _read(found: Fetched) -> Document:
    """The document in an answer, read beside everything else. Raises Malformed for what is no feed."""
    try:
        async with asyncio.timeout(READING_SECONDS):
            return await asyncio.to_thread(_document, found.response)
    except TimeoutError:
        raise Malformed("The feed takes too long to read.", provider_code="too-large") from None


def _document(response: Response) -> Document:
    text = _text(response)
    try:
        return feed_document.read_xml(text, response.url) if feed_document.is_xml(text) else read_json(text)
    except Malformed as error:
        if error.provider_code != "not-a-feed":
            raise
        raise response.malformed("Feed") from None


def _text(response: Response) -> str:
    return feed_document.decoded(response.content, response.headers.get("content-type", ""))


def _named(response: Response) -> list[str]:
    """The feeds that a page names. Raises Malformed where it is a feed itself, which is not to be replaced by another one."""
    text = _text(response)
    if feed_document.is_xml(text):
        raise Malformed("The feed at this address cannot be read.", provider_code="feed")
    return feed_page.feeds(text, response.headers.get("link", ""), response.url)


def _digests(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(
        hashlib.blake2b(row.item.key.encode("utf-8", "replace"), digest_size=6).hexdigest()
        for row in rows
        if isinstance(row.item, Activity)
    )


def _overrun() -> Row:
    return Row(
        item=Unreadable(
            key="window",
            outcome="SKIPPED",
            reason="OUTSIDE_WINDOW",
            message="The feed no longer shows what was last seen in it: entries in between may be missing.",
            container=CONTAINER,
        )
    )


def _gone(url: str) -> ProviderError:
    return Refused(
        f"{httpx.URL(url).host} says that this feed has ended (410). What it showed stays; unlink it when you like.",
        provider_code="gone",
    )


def base_url(values: dict[str, str]) -> str:
    """The address that was typed, https where it names no scheme. Raises Refused."""
    text = values.get("url", "").strip()
    address = web_address(text)
    if address is not None:
        try:
            url = httpx.URL(address)
            if url.host and not url.userinfo:
                return str(url.copy_with(fragment=None))
        except (httpx.InvalidURL, ValueError):
            pass
    raise Refused(
        "This is no address of a site or feed: give one like blog.example.org or https://blog.example.org/feed.xml.",
        provider_code="not-a-url",
    )


def _open(session: Session) -> Adapter:
    return Feed(session)


PROVIDER = Provider(
    key=KEY,
    name="Feed",
    kind="FEED",
    mode="MIRRORED",
    capabilities=frozenset({"ACTIVITIES", "DELTA", "MIRROR", "PUSH"}),
    limitations=(
        "A feed shows its latest entries: what was published before it was linked comes only where it names its archive.",
        "An entry that is deleted at its site stays, since feeds do not tell.",
        "Who writes is what the feed says; nothing proves that a name in it is the person of that name.",
        "A feed is looked at every fifteen minutes to once a day, by its author's habits; one that names a hub (WebSub) is news at once, "
        "where this installation has an https address of its own.",
    ),
    link_forms=(
        LinkForm(
            method="NO_SECRET",
            label="Address of a site or feed",
            fields=(
                FormField(
                    name="url",
                    label="Address",
                    kind="URL",
                    placeholder="blog.example.org",
                    help="Of a site that names its feed, or of the feed itself.",
                ),
            ),
        ),
    ),
    quota=Quota(
        calls=60, seconds=60.0, concurrency=1, sentence="Each host is asked one thing at a time, and no feed before it is due."
    ),
    docs_path="docs/providers/feeds.md",
    poll_seconds=900,
    open=_open,
    hear=feed_hub.hear,
    unheard=feed_hub.unheard,
    keeps=True,
    call_bytes=1024 * 1024,
    base_url=base_url,
)
