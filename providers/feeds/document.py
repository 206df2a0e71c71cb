"""What a feed says, whatever it is written in: RSS 0.9x, 1.0 and 2.0, Atom (RFC 4287), both read by feedparser, and JSON Feed (`json_feed.py`).

Bytes become text here first, by what really decodes them (RFC 7303 §3, XML 1.0 appendix F), and what stands before the root element is
taken off: a document type that declares entities is refused, any other is not read. So no entity of a stranger's is ever expanded,
and feedparser is given neither an address nor a file name. Asks nothing of the network and knows no records.
"""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from html.entities import html5
from typing import Any, Final
from xml.parsers import expat

import msgspec

from providers.errors import Malformed
from providers.formats.charset import byte_order_mark, codec_for, decode, line, storable
from providers.formats.vcard import web_address

MAX_ENTRIES: Final = 5_000
MAX_AUTHORS: Final = 20
MAX_MEDIA: Final = 20
MAX_TAGS: Final = 50
MAX_TEXT: Final = 100_000  # characters of a body
MAX_SHORT: Final = 1_000
MAX_BROKEN: Final = 256 * 1024  # characters of a document that is not well-formed, or deeper than
MAX_DEPTH: Final = 300
#: Characters at the beginning in which a channel says when it is not to be asked.
_HEAD: Final = 64 * 1024
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_ROOT: Final = re.compile(r"<(?:[\w-]+:)?(?:rss|feed|rdf|channel)[\s>]", re.IGNORECASE)
#: backend.userland.com/skipHoursDays; the RSS 1.0 module Syndication.
_SKIPPED: Final = re.compile(r"<skip(hours|days)>(.{0,4000}?)</skip\1>", re.IGNORECASE | re.DOTALL)
_VALUE: Final = re.compile(r">\s*([A-Za-z]{6,9}|\d{1,2})\s*<")
_REFERENCE: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_MARKS: Final = frozenset("<>&\"'")
#: `ple (Ada Ray`, `Ada Ray <ple>` and `ple`, of ada@blog.example.
_REST: Final = re.compile(r"[a-z0-9-]+(?: \((?P<after>[^()]*)\)?)?|(?P<before>[^<>]*)<[a-z0-9-]+>")
_BLANKS: Final = re.compile(r"\s*")
_PERIODS: Final = {"hourly": 1, "daily": 24, "weekly": 168, "monthly": 720, "yearly": 8760}
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@cache
def _feedparser() -> Any:
    """The library, loaded with the first feed."""
    import feedparser
    from feedparser.mixin import _FeedParserMixin

    # RFC 4287 §4.2.6.1: ids are compared as they stand and never resolved, or a feed that moves has none of its entries any more
    _FeedParserMixin.can_be_relative_uri = _FeedParserMixin.can_be_relative_uri - {"id"}
    return feedparser


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote, as named there. Mail addresses are left out: in feeds they are roles, or made up."""

    name: str = ""
    uri: str | None = None
    photo_url: str | None = None


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """An enclosure."""

    url: str
    media_type: str
    alt: str | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `title` and `summary` may hold HTML where `marked_up`; `html` has its links resolved; `original` is JSON."""

    original: bytes
    id: str = ""
    link: str | None = None
    title: str = ""
    marked_up: bool = True
    summary: str = ""
    html: str | None = None
    text: str | None = None
    published: datetime | None = None
    updated: datetime | None = None
    authors: tuple[Author, ...] = ()
    media: tuple[Attached, ...] = ()
    tags: tuple[str, ...] = ()
    language: str | None = None
    in_reply_to: str | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A feed as it was answered. `older` is where it goes on (RFC 5005), `rhythm` how often it asks to be looked at at most; hours are of
    UTC, days begin with Monday as 0. `unread` are the positions of entries that are none.
    """

    title: str = ""
    home: str | None = None
    language: str | None = None
    authors: tuple[Author, ...] = ()
    icon: str | None = None
    older: str | None = None
    hubs: tuple[str, ...] = ()
    topic: str | None = None
    rhythm: timedelta = timedelta()
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    entries: tuple[Entry, ...] = ()
    unread: tuple[int, ...] = ()


def decoded(content: bytes, content_type: str) -> str:
    """The text of an answer. The header comes before the document's own word (RFC 7303 §3.2), unless the bytes give it the lie."""
    if (mark := byte_order_mark(content)) is not None:
        return storable(content.decode(mark, "replace")).lstrip("\ufeff")
    if content[:2] in (b"<\x00", b"\x00<"):  # XML 1.0 appendix F: UTF-16 without a mark
        return storable(content.decode("utf-16-le" if content[0] else "utf-16-be", "replace"))
    said = re.search(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", content_type, re.IGNORECASE)
    declared = _DECLARED.search(content[:1_000])
    names = [said[1] if said else None, declared[1].decode("ascii") if declared else None]
    # a text that can be read up to here is in no code of two or four bytes a letter
    codecs = [codec for name in names if (codec := codec_for(name)) and not codec.startswith(("utf-16", "utf-32"))]
    for codec in codecs:
        try:
            return storable(content.decode(codec))
        except (UnicodeDecodeError, ValueError):
            continue
    return decode(content, codecs[0] if codecs else None)


def is_xml(text: str) -> bool:
    """Whether the text begins as one of the XML formats does."""
    return _ROOT.match(body(text)[:200]) is not None


def body(text: str) -> str:
    """The document from its root element on; empty where it has no such beginning.

    Raises Malformed when it declares entities, which no feed needs.
    """
    at, typed = _BLANKS.match(text).end(), False  # type: ignore[union-attr]  # it matches anything
    while text.startswith(("<?", "<!"), at):
        if text.startswith("<?", at):
            end, width = text.find("?>", at), 2
        elif text.startswith("<!--", at):
            end, width = text.find("-->", at + 4), 3
        elif typed or text[at : at + 9].upper() != "<!DOCTYPE":  # XML 1.0 §2.8: there is one at most
            return ""
        else:
            end, width, typed = _doctype_end(text, at), 1, True
        if end < 0:
            return ""
        at = _BLANKS.match(text, end + width).end()  # type: ignore[union-attr]  # it always matches
    return text[at:]


def _letter(match: re.Match[str]) -> str:
    """What HTML has a name for and XML has not, so that it breaks nothing; marks of markup stay references."""
    letter = html5.get(match[1] + ";", "<")
    return match[0] if _MARKS.intersection(letter) else letter


def _well_formed(root: str) -> bool:
    """Whether it is XML of a sane depth: feedparser reads anything else too, in a time that grows faster than its length."""
    depth = 0

    def opened(name: str, attributes: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(depth)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    try:
        parser.Parse(root.encode("utf-8", "replace"), True)
    except (expat.ExpatError, ValueError):
        return False
    return True


def _doctype_end(text: str, at: int) -> int:
    end, subset = text.find(">", at), text.find("[", at)
    if 0 <= subset < end:
        end = text.find("]", subset)
        if "<!ENTITY" in text[subset : end if end >= 0 else len(text)].upper():
            raise Malformed("The feed declares entities of its own: nothing of it was read.", provider_code="entities")
        end = text.find(">", end) if end >= 0 else -1
    return end


def read_xml(text: str, url: str) -> Document:
    """The feed in an XML document that came from `url`. Raises Malformed for what is none.

    Not well-formed ones are read as far as they can be, as their readers do.
    """
    root = _REFERENCE.sub(_letter, body(text))
    if _ROOT.match(root[:200]) is None:
        raise Malformed("What came is no feed.", provider_code="not-a-feed")
    if len(root) > MAX_BROKEN and not _well_formed(root):
        raise Malformed("The feed is broken, and too large to be read all the same.", provider_code="too-large")
    try:
        found = _feedparser().parse(
            io.BytesIO(root.encode("utf-8", "replace")),
            response_headers={"content-type": "application/xml; charset=utf-8", "content-location": url},
            sanitize_html=False,  # it is made safe when it is shown
            resolve_relative_uris=True,
        )
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError):
        raise Malformed("The feed cannot be read.", provider_code="not-a-feed") from None
    if not found.get("version") and not found.get("entries"):
        raise Malformed("What came is no feed.", provider_code="not-a-feed")
    feed: Mapping[str, Any] = found["feed"]
    atom = str(found["version"]).startswith("atom")
    skipped = {kind.lower(): _VALUE.findall(said) for kind, said in _SKIPPED.findall(root[:_HEAD])}
    return Document(
        title=line(feed.get("title"), MAX_SHORT),
        home=web(feed.get("link")),
        language=line(feed.get("language"), 40) or None,
        authors=_authors(feed),
        icon=web(feed.get("icon") or _mapping(feed.get("image")).get("href")),
        older=_related(feed, "prev-archive") or _related(feed, "next"),
        hubs=tuple(_all_related(feed, "hub")),
        topic=_related(feed, "self"),
        rhythm=max(minutes(feed.get("ttl")), _syndicated(feed)),
        skip_hours=frozenset(int(hour) % 24 for hour in skipped.get("hours", ()) if hour.isdigit()),
        skip_days=frozenset(_DAYS.index(day.lower()) for day in skipped.get("days", ()) if day.lower() in _DAYS),
        entries=tuple(_entry(entry, atom=atom) for entry in found["entries"][:MAX_ENTRIES]),
        unread=tuple(range(MAX_ENTRIES, len(found["entries"]))[:1]),
    )


def minutes(value: Any) -> timedelta:
    """RSS 2.0 `ttl`; nothing for what is no number."""
    text = str(value or "").strip()
    return timedelta(minutes=int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else timedelta()


def web(value: Any) -> str | None:
    """An absolute web address, None for anything else."""
    return web_address(value) if isinstance(value, str) and "://" in value else None


def _syndicated(feed: Mapping[str, Any]) -> timedelta:
    """web.resource.org/rss/1.0/modules/syndication: so many times in a period."""
    period = _PERIODS.get(str(feed.get("sy_updateperiod", "")).strip().lower())
    if period is None:
        return timedelta()
    times = str(feed.get("sy_updatefrequency", "1")).strip()
    return timedelta(hours=period) / (int(times) if times.isascii() and times.isdigit() and int(times[:6]) > 0 else 1)


def _entry(entry: Mapping[str, Any], *, atom: bool) -> Entry:
    contents = [part for part in _mappings(entry.get("content")) if part.get("value")]
    chosen = next((part for part in contents if "html" in str(part.get("type"))), contents[0] if contents else None)
    summary = str(entry.get("summary") or "")
    plain = chosen is not None and chosen.get("type") == "text/plain"
    full = str(chosen["value"]) if chosen is not None else summary
    title = _mapping(entry.get("title_detail"))
    reply = _mapping(entry.get("thr_in-reply-to"))  # RFC 4685 §3
    tags = [line(tag.get("term") or tag.get("label"), 200) for tag in _mappings(entry.get("tags"))]
    return Entry(
        id=line(entry.get("id"), 2_000),
        link=web(entry.get("link")),
        title=storable(str(entry.get("title") or ""))[:MAX_SHORT],
        # RSS does not say; who writes `AT&amp;amp;T` there means HTML
        marked_up=not atom or title.get("type") != "text/plain",
        summary=storable(summary)[:MAX_TEXT] if chosen is not None and summary != full else "",
        html=None if plain else storable(full)[:MAX_TEXT] or None,
        text=storable(full)[:MAX_TEXT] if plain else None,
        published=_instant(entry, "published_parsed"),
        updated=_instant(entry, "updated_parsed"),
        authors=_authors(entry) or _authors(_mapping(entry.get("source"))),
        media=tuple(_media(entry)),
        tags=tuple(tag for tag in tags[:MAX_TAGS] if tag),
        language=line(_mapping(chosen).get("language") or title.get("language"), 40) or None,
        in_reply_to=line(reply.get("ref"), 2_000) or None,
        original=msgspec.json.encode(_plain(entry)),
    )


def _authors(thing: Mapping[str, Any]) -> tuple[Author, ...]:
    """Those who are named; an address alone names nobody."""
    found: dict[tuple[str, str | None], Author] = {}
    for one in [*_mappings(thing.get("authors")), _mapping(thing.get("author_detail"))][:MAX_AUTHORS]:
        name = _without_rest(line(one.get("name"), MAX_SHORT), str(one.get("email") or ""))
        uri = web(one.get("href"))
        if "@" in name and " " not in name:
            name = ""
        if name or uri:
            found.setdefault((name, uri), Author(name=name, uri=uri))
    return tuple(found.values())


def _without_rest(name: str, address: str) -> str:
    """A name without the rest of its address: to feedparser no top-level domain is longer than four letters."""
    if len(address.rpartition(".")[2]) != 4 or (cut := _REST.fullmatch(name)) is None:
        return name
    return str(cut["after"] or cut["before"] or "").strip()


def _media(entry: Mapping[str, Any]) -> Iterable[Attached]:
    """Enclosures of RSS and Atom, then those of Media RSS, each once."""
    seen: set[str] = set()
    for one in [*_mappings(entry.get("enclosures")), *_mappings(entry.get("media_content"))]:
        address = web(one.get("href") or one.get("url"))
        if address and address not in seen and len(seen) < MAX_MEDIA:
            seen.add(address)
            kind = line(one.get("type"), 100) or (f"{line(one.get('medium'), 20)}/*" if one.get("medium") else "")
            yield Attached(url=address, media_type=kind or "application/octet-stream")


def _related(feed: Mapping[str, Any], relation: str) -> str | None:
    return next(_all_related(feed, relation), None)


def _all_related(feed: Mapping[str, Any], relation: str) -> Iterator[str]:
    for link in _mappings(feed.get("links")):
        if link.get("rel") == relation and (address := web(link.get("href"))):
            yield address


def _instant(entry: Mapping[str, Any], name: str) -> datetime | None:
    """feedparser's moments are in UTC; asked for by `in`, since `get` takes one date for the other."""
    try:
        return None if name not in entry else datetime.fromtimestamp(calendar.timegm(entry[name]), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """What feedparser read as JSON has it; the moments stand there as they were written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items() if not str(key).endswith("_parsed")}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return storable(value) if isinstance(value, str) else value if isinstance(value, bool | int | None) else str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
