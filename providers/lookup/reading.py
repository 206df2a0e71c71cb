"""What one place says: who it shows, what it states about which addresses, and where else the same is said.

A statement is only ever its speaker's. `mutual` ones can answer a claim from the other side; `vouched` ones come from somebody who checked,
or who runs both; of a `seen` one the speaker's own host says that it has been answered. What became of it is weighed in `graph.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from providers.formats import charset
from providers.lookup import resources
from providers.lookup.crawl import Fetched

Relation = Literal["ME", "ALIAS", "MOVED_TO", "KNOWS", "MEMBER_OF", "PUBLISHES"]
State = Literal["FRESH", "TIMED_OUT", "RATE_LIMITED", "BUDGET_SPENT", "UNAVAILABLE", "UNSUPPORTED"]

#: Statements of each kind that are read of one document, and addresses of it that are looked at next.
MAX_STATEMENTS: Final = 100
MAX_NEXT: Final = 10
#: How long a document is good for when its host says nothing of it, and the least and most of what a host may say (RFC 9111 §5.2).
LIFETIMES: Final[dict[str, timedelta]] = {
    "webfinger": timedelta(days=1),
    "page": timedelta(days=1),
    "actor": timedelta(days=1),
    "mastodon": timedelta(days=1),
    "foaf": timedelta(days=7),
    "at-handle": timedelta(hours=6),
    "did": timedelta(hours=6),
    "nip-05": timedelta(days=1),
    "gravatar": timedelta(days=7),
    "github": timedelta(days=1),
    "github-search": timedelta(days=7),
    "keybase": timedelta(days=7),
}
SHORTEST: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=30)
#: Of what is not there, and of what did not answer.
NEGATIVE: Final = timedelta(days=1)
TROUBLE: Final = timedelta(minutes=10)


class Ask(msgspec.Struct, frozen=True, order=True):
    """One document to read: by which protocol, where, and which address it is about.

    `crawled`: nobody asked for this page, it was named by another one; its host's robots.txt is obeyed.
    """

    protocol: str
    url: str
    subject: str
    crawled: bool = False


class Statement(msgspec.Struct, frozen=True, order=True):
    """`speaker` says that `target` is in this relation to it; `protocol` is how, such as rel-me. `seen`: when the speaker's host has
    seen the target say the same, by its own word (RFC 3339); empty where it says nothing of it.
    """

    speaker: str
    target: str
    relation: Relation
    protocol: str
    mutual: bool = False
    vouched: bool = False
    seen: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of somebody at an address."""

    uri: str
    name: str | None = None
    photo: str | None = None
    bio: str | None = None
    organization: str | None = None
    title: str | None = None
    place: str | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one document said when it was read. `url` is where it was found; `moved` is where the asked address leads for good,
    `target` where it leads, be it for today. `read_as`: the protocol of what was there, where that is another than was asked for.
    """

    ask: Ask
    url: str
    state: State = "FRESH"
    message: str | None = None
    found: bool = False
    profiles: tuple[Profile, ...] = ()
    statements: tuple[Statement, ...] = ()
    next: tuple[Ask, ...] = ()
    moved: str | None = None
    target: str | None = None
    read_as: str = ""
    size: int = 0
    read_at: datetime
    expires_at: datetime


class Notes:
    """A reading while it is made. What is said of what cannot be looked up, or by somebody of themselves, is left out."""

    def __init__(self, ask: Ask, speaker: str) -> None:
        self.ask = ask
        self.speaker = speaker
        self._profiles: list[Profile] = []
        self._statements: dict[Statement, None] = {}
        self._counts: Counter[Relation] = Counter()
        self._next: dict[Ask, None] = {}

    def says(
        self,
        target: Any,
        relation: Relation,
        protocol: str,
        *,
        mutual: bool = False,
        vouched: bool = False,
        seen: datetime | None = None,
        speaker: str | None = None,
    ) -> str | None:
        """Notes a statement; the target in its usual spelling, None where there is none."""
        found = resources.known(target) if isinstance(target, str) else None
        who = speaker or self.speaker
        if found is None or resources.key(found.uri) == resources.key(who):
            return None
        at = "" if seen is None else seen.astimezone(UTC).isoformat()
        statement = Statement(who, found.uri, relation, protocol, mutual, vouched, at)
        if statement not in self._statements and self._counts[relation] < MAX_STATEMENTS:
            self._counts[relation] += 1
            self._statements[statement] = None
        return found.uri

    def shows(
        self,
        *,
        name: Any = None,
        photo: Any = None,
        bio: Any = None,
        organization: Any = None,
        title: Any = None,
        place: Any = None,
        uri: str | None = None,
    ) -> None:
        """Notes what is shown of the speaker."""
        picture = resources.web(photo) if isinstance(photo, str) else None
        shown = Profile(
            uri=uri or self.speaker,
            name=_line(name),
            photo=picture,
            bio=_line(bio, 2_000),
            organization=_line(organization),
            title=_line(title),
            place=_line(place),
        )
        if shown.name or shown.photo or shown.bio:
            self._profiles.append(shown)

    def goes_on(self, ask: Ask) -> None:
        """The same is said in another document, which is to be read too."""
        if len(self._next) < MAX_NEXT:
            self._next[ask] = None

    def done(self, fetched: Fetched | None, now: datetime, *, size: int = 0, url: str = "") -> Reading:
        """What was read."""
        headers = {} if fetched is None else fetched.response.headers
        return Reading(
            ask=self.ask,
            url=url or (fetched.url if fetched is not None else self.ask.url),
            found=True,
            profiles=tuple(self._profiles),
            statements=tuple(self._statements),
            next=tuple(self._next),
            moved=None if fetched is None else fetched.moved,
            target=None if fetched is None else fetched.target,
            size=size or (0 if fetched is None else len(fetched.response.content)),
            read_at=now,
            expires_at=now + _lifetime(self.ask.protocol, headers.get("cache-control", "")),
        )


def nothing(ask: Ask, now: datetime, fetched: Fetched | None = None, message: str | None = None) -> Reading:
    """There is no such thing at this place."""
    return Reading(
        ask=ask,
        url=ask.url if fetched is None else fetched.url,
        message=message or "There is nothing at this address.",
        size=0 if fetched is None else len(fetched.response.content),
        read_at=now,
        expires_at=now + NEGATIVE,
    )


def trouble(ask: Ask, now: datetime, state: State, message: str, *, lasting: bool = False) -> Reading:
    """A place that did not answer; `lasting`: and will not tomorrow."""
    return Reading(
        ask=ask, url=ask.url, state=state, message=message, read_at=now, expires_at=now + (NEGATIVE if lasting else TROUBLE)
    )


def _lifetime(protocol: str, cache_control: str) -> timedelta:
    said = re.search(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", cache_control.lower())
    if said is None:
        return LIFETIMES.get(protocol, NEGATIVE)
    return min(max(timedelta(seconds=int(said[1])), SHORTEST), LONGEST)


def _line(value: Any, limit: int = 200) -> str | None:
    text = " ".join(charset.storable(value).split()) if isinstance(value, str) else ""
    return text[:limit] or None
