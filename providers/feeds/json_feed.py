"""JSON Feed 1.1 and 1.0 (jsonfeed.org/version/1.1) as a `feed_document.Document`.

Fields of the wrong type are as good as absent, an item that is no object or has no id is none. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from providers.errors import Malformed
from providers.feeds.document import (
    MAX_AUTHORS,
    MAX_ENTRIES,
    MAX_MEDIA,
    MAX_SHORT,
    MAX_TAGS,
    MAX_TEXT,
    Attached,
    Author,
    Document,
    Entry,
    web,
)
from providers.formats.charset import line, storable
from providers.mastodon.entity import instant


def read_json(text: str) -> Document:
    """The feed in a JSON document. Raises Malformed for what is none."""
    try:
        feed = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Malformed("What came is no feed.", provider_code="not-a-feed") from None
    if not isinstance(feed, dict) or not isinstance(feed.get("items"), list):
        raise Malformed("What came is no feed.", provider_code="not-a-feed")
    items = list(enumerate(feed["items"][:MAX_ENTRIES]))
    return Document(
        title=line(feed.get("title"), MAX_SHORT),
        home=web(feed.get("home_page_url")),
        language=line(feed.get("language"), 40) or None,
        authors=_authors(feed),
        icon=web(feed.get("icon") or feed.get("favicon")),
        older=web(feed.get("next_url")),
        hubs=tuple(_hubs(feed.get("hubs"))),
        topic=web(feed.get("feed_url")),
        entries=tuple(_entry(item) for _, item in items if _is_item(item)),
        unread=tuple(number for number, item in items if not _is_item(item)),
    )


def _is_item(item: Any) -> bool:
    """An item has an id, which older writers made a number."""
    return isinstance(item, dict) and any(item.get(name) not in (None, "") for name in ("id", "url", "external_url"))


def _entry(item: Mapping[str, Any]) -> Entry:
    identifier = item.get("id")
    html, text = (storable(_text(item.get(name)))[:MAX_TEXT] or None for name in ("content_html", "content_text"))
    tags = item.get("tags")
    return Entry(
        id=line(str(identifier) if isinstance(identifier, int | float) else identifier, 2_000),
        link=web(item.get("url")) or web(item.get("external_url")),
        title=line(item.get("title"), MAX_SHORT),
        marked_up=False,
        summary=storable(_text(item.get("summary")))[:MAX_TEXT],
        html=html,
        text=text,
        published=_instant(item.get("date_published")),
        updated=_instant(item.get("date_modified")),
        authors=_authors(item),
        media=tuple(_media(item)),
        tags=tuple(filter(None, (line(tag, 200) for tag in tags[:MAX_TAGS]))) if isinstance(tags, list) else (),
        language=line(item.get("language"), 40) or None,
        original=msgspec.json.encode(item),
    )


def _authors(thing: Mapping[str, Any]) -> tuple[Author, ...]:
    """1.1 has a list, 1.0 one author."""
    listed = thing.get("authors")
    given = listed if isinstance(listed, list) else [thing.get("author")]
    found = [
        Author(name=line(one.get("name"), MAX_SHORT), uri=web(one.get("url")), photo_url=web(one.get("avatar")))
        for one in given[:MAX_AUTHORS]
        if isinstance(one, dict)
    ]
    return tuple(author for author in found if author.name or author.uri)


def _media(item: Mapping[str, Any]) -> Iterable[Attached]:
    if picture := web(item.get("image")):
        yield Attached(url=picture, media_type="image/*")
    attachments = item.get("attachments")
    for one in attachments[:MAX_MEDIA] if isinstance(attachments, list) else ():
        if isinstance(one, dict) and (address := web(one.get("url"))):
            kind = line(one.get("mime_type"), 100) or "application/octet-stream"
            yield Attached(url=address, media_type=kind, alt=line(one.get("title"), MAX_SHORT) or None)


def _hubs(given: Any) -> Iterable[str]:
    """Those that speak WebSub; there are others (rssCloud)."""
    for one in given[:MAX_MEDIA] if isinstance(given, list) else ():
        if isinstance(one, dict) and _text(one.get("type")).lower() == "websub" and (address := web(one.get("url"))):
            yield address


def _instant(value: Any) -> datetime | None:
    return instant(value) if isinstance(value, str) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
