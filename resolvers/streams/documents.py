"""What of an activity a rule can meet: its words by column, and the facts that hold for it.

    column   words of
    text     title, content warning, content, hashtags, place and the texts beside pictures, of what it is about and where it goes to
    from     name and handle of who did it
    to       names and handles of the people named, and of the profile or group that it goes to
    about    title and hashtags; who made what is shared, liked or answered; the profile that is followed
    url      the links in it, and the address of an article, page or the like; never where the post itself stands

Parts of a column are no neighbours: a phrase stands within one of them. All of it comes from the record as its network told it, so that the
same activity says the same today and when it is looked at again; only of which circles its author is by now is Kith's own, and whoever asks
says it. Knows no rule and no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from providers import records
from providers.formats.html_links import attributes
from providers.formats.html_text import text_of
from resolvers.streams.tree import CIRCLE, Column, host_of
from store.words import BREAK, fold

MAX_TEXT: Final = 100_000  # characters of one part that are looked at, as many as the search looks at
MAX_LINKS: Final = 100
MAX_PEOPLE: Final = 200  # people named
#: What is its author's own words, the place of which is no link; of everything else the address is what it is about.
_SAID: Final = frozenset({"NOTE", "PROFILE", "TOMBSTONE"})
_ADDRESSED: Final = frozenset({"PROFILE", "OTHER", "RELATIONSHIP"})
_COLUMNS: Final[tuple[Column, ...]] = ("text", "from", "to", "about", "url")
_LINK: Final = re.compile(r"https?://[^\s<>\"'\u201c\u201d]{1,2000}", re.IGNORECASE)
_ANCHOR: Final = re.compile(r"<a\s([^<>]{1,4000})>", re.IGNORECASE)
_INWARD: Final = frozenset(
    {"mention", "hashtag", "u-url"}
)  # classes of links that Mastodon and its like make of @names and #tags
_TRAILING: Final = ".,;:!?)]}'\u2026"
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


class Link(NamedTuple):
    """A link as rules compare it: host as `host_of` gives it, path with what follows a question mark."""

    host: str
    path: str


class Document(NamedTuple):
    """An activity as rules see it. `columns` hold folded words between blanks; `keys` all that may be looked for at once: words,
    of columns other than text under the column's name, and facts.
    """

    keys: frozenset[str]
    columns: dict[Column, str]
    links: tuple[Link, ...]


def document(activity: records.Activity, network: str, circles: Iterable[str] = ()) -> Document:
    """What an activity says that was seen through an account of `network`, by somebody who is of these circles."""
    things = [thing for thing in (activity.object, activity.target) if thing is not None]
    links = list(dict.fromkeys(_links(things)))[:MAX_LINKS]
    texts: dict[Column, list[str]] = {
        "text": [part for thing in things for part in _said(thing)],
        "from": _names([activity.actor]),
        "to": _names(activity.mentions[:MAX_PEOPLE]) + [name for name in _addressed(activity.target) if name],
        "about": [part for thing in things for part in _topics(thing, activity.actor)],
        "url": links,
    }
    columns = {column: f" {_folded(parts)} " for column, parts in texts.items() if parts}
    keys: set[str] = set()
    for column, folded in columns.items():
        words = {*folded.split()}
        if not folded.isascii():
            words |= {letter for word in words for letter in _CJK.findall(word)}
        keys |= words if column == "text" else {f"{column}:{word}" for word in words}
    found = [link for link in map(_link, links) if link is not None]
    keys.update(_facts(activity, things, network, found))
    keys.update(f"{CIRCLE}{circle_id}" for circle_id in circles)
    return Document(keys=frozenset(keys), columns=columns, links=tuple(found))


def _folded(parts: Iterable[str]) -> str:
    return fold(BREAK.join(part[:MAX_TEXT].replace(BREAK, " ") for part in parts))


def _said(thing: records.ActivityObject) -> Iterator[str]:
    yield from (part for part in (thing.name, thing.summary, content(thing), thing.location) if part)
    yield from thing.hashtags
    yield from (one.alt for one in thing.media if one.alt)


def content(thing: records.ActivityObject) -> str | None:
    """The content as plain text."""
    if thing.text is None and thing.html:
        return text_of(thing.html[:MAX_TEXT])
    return thing.text


def _names(actors: Iterable[records.Actor]) -> list[str]:
    return [part for actor in actors for part in (actor.name, actor.handle) if part]


def _addressed(target: records.ActivityObject | None) -> tuple[str | None, ...]:
    return () if target is None or target.kind not in _ADDRESSED else (target.name,)


def _topics(thing: records.ActivityObject, actor: records.Actor) -> Iterator[str]:
    if thing.name:
        yield thing.name
    yield from thing.hashtags
    if thing.attributed_to is not None and thing.attributed_to.uri != actor.uri:
        yield from _names([thing.attributed_to])


def _links(things: Iterable[records.ActivityObject]) -> Iterator[str]:
    for thing in things:
        if thing.url and thing.kind not in _SAID:
            yield thing.url
        for part in (thing.summary, thing.text):
            if part and "://" in part:
                yield from (found.group().rstrip(_TRAILING) for found in _LINK.finditer(part[:MAX_TEXT]))
        for anchor in _ANCHOR.finditer((thing.html or "")[:MAX_TEXT]):
            said = attributes(anchor[1])
            if _INWARD.isdisjoint(said.get("class", "").split()) and _LINK.match(said.get("href", "")):
                yield said["href"]


def _link(url: str) -> Link | None:
    try:
        parts = urlsplit(url)
        host = host_of(parts.hostname or "")
    except ValueError:
        return None
    return Link(host, parts.path + (f"?{parts.query}" if parts.query else "")) if host else None


def _facts(activity: records.Activity, things: list[records.ActivityObject], network: str, links: list[Link]) -> Iterator[str]:
    yield f"on:{network}"
    yield f"from={activity.actor.uri}"
    for host in {link.host for link in links}:
        labels = host.split(".")
        yield from (f"url={'.'.join(labels[n:])}" for n in range(len(labels)))
    languages = [thing.language.lower() for thing in things if thing.language]
    for language in languages or ["und"]:  # RFC 4647 §3.3.1: a range matches what begins with it, part by part
        subtags = language.replace("_", "-").split("-")
        yield from (f"lang:{'-'.join(subtags[:n])}" for n in range(1, len(subtags) + 1))
    for thing in things:
        yield from (f"#{''.join(fold(tag).split())}" for tag in thing.hashtags)
    media = {one.media_type.partition("/")[0] for thing in things for one in thing.media}
    has = {
        "links": links, "mentions": activity.mentions, "hashtags": any(thing.hashtags for thing in things),
        "media": media, "images": "image" in media, "videos": "video" in media, "audio": "audio" in media,
        "location": any(thing.location for thing in things), "title": any(thing.name for thing in things), "language": languages,
    }  # fmt: skip
    yield from (f"has:{name}" for name, there in has.items() if there)
