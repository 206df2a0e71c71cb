"""Whom a Bluesky account follows and who follows it, as contacts.

Follows are records of the account's own repository (`app.bsky.graph.follow`), so that a commit tells that there are others; followers have no
delta and are listed again each hour (`app.bsky.graph.getFollowers`). Profiles come from the AppView, in twenty-fives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from providers.atproto import Xrpc, instant, readable
from providers.bluesky.lists import LIST, MAX_PAGES, cursor_of, expired, onward, records, unreadable
from providers.bluesky.position import FOLLOWERS, FOLLOWING, Position
from providers.bluesky.post import KEY, Author, Record, handle_of, long, profile_url, short, web
from providers.errors import Malformed, Refused
from providers.formats.at_identifier import DID
from providers.records import Contact, Handle, Name, Page, Photo, Relation, Row, Statement, Unreadable, Url
from providers.session import Clock

PEOPLE: Final = "follows"
FOLLOWS: Final = "app.bsky.graph.follow"
PROFILES: Final = 25
#: Followers have no delta: they are listed again after so long.
WALK: Final = timedelta(hours=1)
#: Keys of a walk that are kept, so that it can be taken up; of more people only an uninterrupted walk shows who is gone.
KEPT: Final = 20_000


class Follow(msgspec.Struct, frozen=True):
    subject: str


class Viewer(msgspec.Struct, frozen=True):
    """app.bsky.actor.defs#viewerState."""

    following: str | None = None
    followedBy: str | None = None


class Person(Author, frozen=True):
    """app.bsky.actor.defs#profileView and #profileViewDetailed."""

    description: str | None = None
    website: str | None = None
    pronouns: str | None = None
    followersCount: int | None = None
    followsCount: int | None = None
    createdAt: str | None = None
    viewer: Viewer = Viewer()


class Profiles(msgspec.Struct, frozen=True):
    """app.bsky.actor.getProfiles."""

    profiles: list[msgspec.Raw]


class Followers(msgspec.Struct, frozen=True):
    """app.bsky.graph.getFollowers."""

    followers: list[msgspec.Raw]
    cursor: str | None = None


class People:
    """The people of an account, at its server."""

    def __init__(self, calls: Xrpc, clock: Clock, me: str) -> None:
        self._calls = calls
        self._clock = clock
        self._me = me

    async def pages(self, place: Position, rev: str) -> AsyncIterator[Page]:
        """Whoever is followed and follows: a whole walk when it is time or somebody was unfollowed, else only who is new."""
        now = self._clock.now().timestamp()
        due = not place.walked or not 0 <= now - place.walked < WALK.total_seconds()
        if not place.walk and not due and rev != place.rev:
            async for page in self._newly_followed(place):
                yield page
            if not place.walk:
                place.rev = rev
        elif not place.walk and due:
            place.walk = FOLLOWING
        if not place.walk:
            return
        if not place.token and place.walk == FOLLOWING:
            place.rev, place.keys = rev, []
        seen = set(place.keys or ())
        whole = place.keys is not None
        if place.walk == FOLLOWING:
            async for page in self._following(place, seen):
                yield page
        async for page in self._followers(place, seen):
            yield page
        place.walk, place.token, place.keys, place.walked = "", "", [], now
        statements = (Statement(container=PEOPLE, kind="CONTACT", expected=len(seen), keys=frozenset(seen)),) if whole else ()
        yield Page(statements=statements, cursor=place.encoded())

    async def _newly_followed(self, place: Position) -> AsyncIterator[Page]:
        """Contacts for those followed since the last time; begins a walk when one of those known is no longer followed."""
        known = set(place.follows)
        now_followed: dict[str, None] = {}
        async for found, _ in records(self._calls, self._me, FOLLOWS, ""):
            now_followed.update((subject, None) for subject, _ in _subjects(found) if subject is not None)
        if not known <= now_followed.keys():
            place.walk = FOLLOWING
            return
        new = [subject for subject in now_followed if subject not in known]
        for start in range(0, len(new), LIST):
            rows = await self._followed(new[start : start + LIST])
            place.follows += new[start : start + LIST]
            yield Page(rows=tuple(rows), cursor=place.encoded())

    async def _following(self, place: Position, seen: set[str]) -> AsyncIterator[Page]:
        async for found, following in records(self._calls, self._me, FOLLOWS, place.token):
            subjects = _subjects(found)
            broken = [unreadable(record.value, "it names nobody", PEOPLE, record.uri) for one, record in subjects if one is None]
            new = [one for one in dict.fromkeys(one for one, _ in subjects) if one is not None and one not in seen]
            rows = broken + await self._followed(new)
            seen.update(new)
            seen.update(row.item.key for row in broken if isinstance(row.item, Unreadable))
            place.token = following
            _keep(place, seen)
            if not following:
                place.follows = sorted(one for one in seen if DID.fullmatch(one))
                place.walk = FOLLOWERS
            yield Page(rows=tuple(rows), cursor=place.encoded())

    async def _followed(self, dids: Sequence[str]) -> list[Row]:
        """Contacts of those who are followed; of some the AppView shows nothing any more."""
        people = await profiles(self._calls, dids)
        rows = []
        for did in dids:
            if (person := people.get(did)) is not None:
                both = person.viewer.followedBy is not None
                rows.append(Row(item=contact(person, "CONNECTION" if both else "FOLLOWING")))
            else:
                text = "This account is deactivated, suspended or deleted, or blocks you."
                rows.append(Row(item=Unreadable(key=did, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=PEOPLE)))
        return rows

    async def _followers(self, place: Position, seen: set[str]) -> AsyncIterator[Page]:
        for _ in range(MAX_PAGES):
            asked = [("actor", self._me), ("limit", str(LIST)), *cursor_of(place.token)]
            try:
                answer = await self._calls.query("app.bsky.graph.getFollowers", Followers, asked)
            except Refused as error:
                raise expired(error, place.token) from error
            found, broken = readable(answer.followers, Person)
            rows = [unreadable(raw, reason, PEOPLE) for raw, reason in broken]
            new = [person for person in found if person.did not in seen]
            rows += [Row(item=contact(person, "FOLLOWER")) for person in {one.did: one for one in new}.values()]
            seen.update(row.item.key for row in rows if isinstance(row.item, Contact | Unreadable))
            following = onward(place.token, answer.cursor) if answer.cursor else ""
            place.token = following
            _keep(place, seen)
            if rows and following:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            elif rows:  # the last ones go with a cursor from which they would be asked for again
                place.token = asked[2][1] if len(asked) > 2 else ""
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not following:
                return
        raise Malformed("The list of followers does not end.", provider_code="paging")


async def profiles(calls: Xrpc, dids: Sequence[str]) -> dict[str, Person]:
    """Those whom the AppView shows, by DID."""
    people: dict[str, Person] = {}
    for start in range(0, len(dids), PROFILES):
        asked = [("actors", did) for did in dids[start : start + PROFILES]]
        answer = await calls.query("app.bsky.actor.getProfiles", Profiles, asked)
        people.update((person.did, person) for person in readable(answer.profiles, Person)[0])
    return people


def contact(person: Person, relation: Relation) -> Contact:
    """Somebody, as a profile shows them."""
    handle = handle_of(person)
    page = profile_url(person.did)
    website = web(person.website)
    picture = web(person.avatar)
    return Contact(
        key=person.did,
        relation=relation,
        names=(Name(full=short(person.displayName) or handle or person.did),),
        urls=(Url(url=website),) if website is not None else (),
        handles=(Handle(provider=KEY, handle=handle, url=page),) if handle is not None else (),
        bio=long(person.description).strip() or None,
        photo=Photo(url=picture) if picture is not None else None,
        url=page,
        followers=_count(person.followersCount),
        following=_count(person.followsCount),
        created_at=instant(person.createdAt),
        container=PEOPLE,
    )


def _subjects(records: Iterable[Record]) -> list[tuple[str | None, Record]]:
    """Whom each record follows; None where it names nobody."""
    found: list[tuple[str | None, Record]] = []
    for record in records:
        follow, _ = readable([record.value], Follow)
        found.append((follow[0].subject if follow and DID.fullmatch(follow[0].subject) else None, record))
    return found


def _keep(place: Position, seen: set[str]) -> None:
    place.keys = sorted(seen) if place.keys is not None and len(seen) <= KEPT else None


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**31 else None
