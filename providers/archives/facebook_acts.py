"""What the owner of a Facebook export did: posts, comments, reactions, and answers to events, as ActivityStreams 2.0 calls such acts.

Their files are told by how they begin, their members standing in any order. None of them has an id: an act is known by its time and by
what it says. To whose post somebody reacted or commented stands in a sentence in the account's language only, which is kept and
never taken apart. Knows nothing of people and threads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from providers import records
from providers.archives import files, json_head
from providers.archives.export import Misread, Taken
from providers.archives.json_stream import Item, Pattern
from providers.archives.meta import FACEBOOK, About, MetaPart, address, key_of, line, seconds

MAX_TEXT: Final = 100_000
_TIMELESS: Final = "There is no time in it. Download the export again and import it again"
_NUMBER: Final = re.compile(rb"-?\d")
_LIST: Final = re.compile(rb"\[")
_ACTS: Final = re.compile(rb'\[\s*(?:\]|\{\s*"(?:timestamp|data|title|attachments)")')
#: How an answer to an event is called, by the list that it stands in.
ANSWERS: Final[dict[str, records.ActivityVerb]] = {
    "events_joined": "ACCEPT", "events_interested": "TENTATIVE_ACCEPT", "events_declined": "REJECT",
}  # fmt: skip


class Acts(MetaPart):
    """A file of acts of one kind, `listed` by themselves as in younger exports, or in an object under one of the names `within`; `member` is
    what each act has in its `data`."""

    kind = "ACTIVITY"
    member: str
    within: tuple[str, ...]

    def __init__(self, host: str, *, listed: bool) -> None:
        super().__init__(host)
        self._listed = listed
        self.items: tuple[Pattern, ...] = (("*",),) if listed else tuple((name, "*") for name in self.within)
        self._own = re.compile(rb'\[\s*\{\s*"' + self.member.encode() + rb'"')

    def begins(self, head: bytes, path: Path) -> bool:
        first = json_head.look(head)
        if first.listed is not self._listed:
            return False
        if self._listed:
            return self.alike(first)
        return any(_ACTS.match(first.members.get(name, b"")) for name in self.within)

    def alike(self, first: json_head.Head) -> bool:
        """Whether the first act of a list is one of this kind."""
        return self._own.match(first.members.get("data", b"")) is not None

    def said(self, value: Any) -> Iterator[Any]:
        """What stands in the `data` of an act under the name of its kind."""
        yield from (one[self.member] for one in value.get("data", ()) if isinstance(one, dict) and one.get(self.member))

    def act(
        self, value: Any, source: files.Source, about: About, at: datetime, verb: records.ActivityVerb, *said: str
    ) -> records.Activity:
        """An act of the owner's, known by its time and by what is `said` in it."""
        title = line(value.get("title"))
        known = "\x00".join((str(int(at.timestamp())), title, *said)).encode("utf-8", "surrogatepass")
        return records.Activity(
            key=hashlib.blake2b(known, digest_size=16).hexdigest(), actor=owner(about), verb=verb, summary=title, occurred_at=at,
            visibility="LIMITED", original=msgspec.json.encode(value), container=source.shown,
        )  # fmt: skip


class Posts(Acts):
    """What the owner posted, in groups too."""

    member = "post"
    within = ("group_posts_v2",)

    def alike(self, first: json_head.Head) -> bool:
        """Posts need not say anything: a list is one of posts where it has times and parts, or times and titles, and nothing else."""
        parts = (first.members.get("data"), first.members.get("attachments"))
        timed = _NUMBER.match(first.members.get("timestamp", b"")) is not None
        begun = next(iter(first.members), "") in ("data", "attachments")  # which may be longer than what is looked at
        return (timed and "title" in first.members) or ((timed or begun) and any(part and _LIST.match(part) for part in parts))

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        at = _time(value)
        texts = [str(one) for one in self.said(value)]
        shared = [part for one in value.get("attachments", ()) for part in one.get("data", ()) if isinstance(part, dict)]
        links = [
            str(part["external_context"]["url"])
            for part in shared
            if isinstance(part.get("external_context"), dict) and "url" in part["external_context"]
        ]
        text = "\n".join([*texts, *(link for link in links if not any(link in one for one in texts))])[:MAX_TEXT]
        act = self.act(value, source, about, at, "CREATE", text)
        yield msgspec.structs.replace(
            act, object=records.ActivityObject(kind="NOTE", text=text or None, summary=act.summary or None, published_at=at)
        )


class Comments(Acts):
    """What the owner said about posts."""

    member = "comment"
    within = ("comments_v2", "comments", "group_comments_v2")

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        comment: dict[str, Any] = next((one for one in self.said(value) if isinstance(one, dict)), {})
        at = _time(comment if comment.get("timestamp") else value)
        text = comment.get("comment")
        text = text[:MAX_TEXT] if isinstance(text, str) else ""  # a picture alone says nothing
        act = self.act(value, source, about, at, "CREATE", text)
        yield msgspec.structs.replace(
            act, object=records.ActivityObject(kind="NOTE", text=text or None, summary=act.summary or None, published_at=at)
        )


class Reactions(Acts):
    """How the owner reacted to posts and comments: with what, and in a sentence to whose."""

    member = "reaction"
    within = ("reactions_v2", "reactions")

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        kinds = [line(one.get("reaction")) for one in self.said(value) if isinstance(one, dict)]
        act = self.act(value, source, about, _time(value), "LIKE", *kinds)
        yield msgspec.structs.replace(act, object=records.ActivityObject(kind="NOTE", summary=act.summary or None))


class Events(MetaPart):
    """What the owner answered to invitations. An answer has no time of its own: it stands where its event begins."""

    kind = "ACTIVITY"
    shape = re.compile(rb'\s*\{\s*"event_responses(?:_v2)?"\s*:\s*\{')
    items = tuple((top, answer, "*") for top in ("event_responses_v2", "event_responses") for answer in ANSWERS)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        name, begin = line(value.get("name")), seconds(value.get("start_timestamp"))
        if not name:
            raise Misread("The event has no name. Download the export again and import it again")
        verb, place = ANSWERS[item.path[1]], value.get("place")
        known = "\x00".join((verb, name, str(value.get("start_timestamp")))).encode("utf-8", "surrogatepass")
        yield records.Activity(
            key=f"event:{hashlib.blake2b(known, digest_size=16).hexdigest()}", actor=owner(about), verb=verb, occurred_at=begin,
            object=records.ActivityObject(
                kind="EVENT", name=name, starts_at=begin, ends_at=seconds(value.get("end_timestamp")),
                location=line(place.get("name")) or None if isinstance(place, dict) else None,
            ),
            visibility="LIMITED", original=msgspec.json.encode(value), container=source.shown,
        )  # fmt: skip


def owner(about: About) -> records.Actor:
    """The export's owner as the one who did something."""
    return records.Actor(
        uri=about.url or f"https://www.facebook.com/#{key_of(about.name)}", name=about.name, handle=address(about.name, FACEBOOK),
        provider="facebook", url=about.url,
    )  # fmt: skip


def _time(value: Any) -> datetime:
    """Raises Misread."""
    at = seconds(value.get("timestamp"))
    if at is None:
        raise Misread(_TIMELESS)
    return at
