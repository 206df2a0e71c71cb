"""Entries of a feed as activities: a CREATE of an ARTICLE, or of a NOTE where there is no title, by the entry's author.

An entry's author is its own, else that of the feed it was taken from, else this feed's, else the feed itself. Who has an address of their
own is known by it; a bare name only means somebody at this site. Asks nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import httpx2 as httpx

from providers.feeds.document import MAX_TEXT, Author, Document, Entry
from providers.formats.html_text import text_of
from providers.formats.mail_date import plausible
from providers.mastodon.entity import language
from providers.records import Activity, ActivityObject, Actor, Media, Row, Unreadable

CONTAINER: Final = "feed"
#: How far ahead of us another clock may be.
AHEAD: Final = timedelta(days=1)
_MARKUP: Final = re.compile(r"<[A-Za-z/!]|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


class Items:
    """The records of one document that came from `url`, read at `now`."""

    def __init__(self, document: Document, url: str, now: datetime) -> None:
        self._document = document
        self._home = document.home or url
        self._now = now
        self.label = line_of(document.title) or httpx.URL(url).host

    def rows(self) -> list[Row]:
        """All entries, each once, and what could not be read."""
        found: dict[str, Row] = {}
        for entry, key in zip(self._document.entries, keys(self._document.entries), strict=True):
            found.setdefault(key, Row(item=self.activity(entry, key)))
        broken = [
            Row(
                item=Unreadable(
                    key=f"entry:{number}",
                    outcome="SKIPPED",
                    reason="UNREADABLE",
                    message="An entry of the feed has no id and no address, or stands beyond what is read of one feed.",
                    container=CONTAINER,
                )
            )
            for number in self._document.unread
        ]
        return [*found.values(), *broken]

    def activity(self, entry: Entry, key: str) -> Activity:
        authors = entry.authors or self._document.authors
        actor = self._actor(authors[0]) if authors else self._itself()
        published, updated = self._moment(entry.published), self._moment(entry.updated)
        title = line_of(entry.title) if entry.marked_up else " ".join(entry.title.split())
        return Activity(
            key=key,
            actor=actor,
            verb="CREATE",
            object=ActivityObject(
                kind="ARTICLE" if title else "NOTE",
                uri=entry.id if _is_uri(entry.id) else entry.link or key,
                name=title or None,
                summary=_text(entry.summary) or None,
                text=entry.text or (_text(entry.html) if entry.html else None) or None,
                html=entry.html,
                language=language(entry.language or self._document.language),
                url=entry.link,
                attributed_to=actor,
                in_reply_to=entry.in_reply_to,
                media=tuple(Media(media_type=one.media_type, url=one.url, alt=one.alt) for one in entry.media),
                hashtags=entry.tags,
                published_at=published or updated,
            ),
            occurred_at=published or updated,
            edited_at=updated if updated is not None and published is not None and updated > published else None,
            original=entry.original,
            url=entry.link,
            container=CONTAINER,
        )

    def moments(self) -> list[datetime]:
        """When its entries were published, as far as they say."""
        said = (self._moment(entry.published) or self._moment(entry.updated) for entry in self._document.entries)
        return [moment for moment in said if moment is not None]

    def _actor(self, author: Author) -> Actor:
        sole = {one.name for one in self._document.authors} == {author.name}
        uri = author.uri or (self._home if sole else f"{self._home}#{quote(author.name, safe='')}")
        return Actor(uri=uri, name=author.name or uri, url=author.uri or self._home, photo_url=author.photo_url)

    def _itself(self) -> Actor:
        """Nobody says that a person writes it."""
        return Actor(uri=self._home, kind="SERVICE", name=self.label, url=self._home, photo_url=self._document.icon)

    def _moment(self, said: datetime | None) -> datetime | None:
        """A date that can be one: not of 1970, and not of next year."""
        return said if plausible(said) and said <= self._now + AHEAD else None


def keys(entries: Iterable[Entry]) -> list[str]:
    """What each entry is known by: its id (which is what an id is for, RFC 4287 §4.2.6), its link, or what it says.

    An id that stands at entries with different links is no id.
    """
    listed = list(entries)
    places: dict[str, set[str | None]] = {}
    for entry in listed:
        places.setdefault(entry.id, set()).add(entry.link)
    links = Counter(entry.link for entry in listed)
    return [_key(entry, len(places[entry.id]) == 1, links[entry.link] == 1) for entry in listed]


def _key(entry: Entry, id_tells: bool, link_tells: bool) -> str:
    if entry.id and id_tells:
        return entry.id
    if entry.link and link_tells:
        return entry.link
    date = "" if entry.published is None else entry.published.isoformat()
    said = "\x00".join((entry.id, entry.link or "", entry.title, date, entry.html or entry.text or ""))
    return "digest:" + hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest()


def line_of(markup: str) -> str:
    """A title as one line of text, also where it is HTML."""
    return " ".join((_text(markup) if _MARKUP.search(markup) else markup).split())


def _text(markup: str) -> str:
    return text_of(markup)[:MAX_TEXT].strip()


def _is_uri(text: str) -> bool:
    """Whether an id is the same everywhere: a web address, a tag or a URN."""
    return text.startswith(("http://", "https://", "tag:", "urn:"))
