"""The people of a Matrix account: everybody in its rooms of acquaintances, as contacts.

There is no list of contacts: whoever shares a direct room, or one of at most a hundred people, is one. Whoever was handed over is remembered by a
print of what is shown of them, so that only who is new or different is handed over again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from providers.errors import Malformed, Refused, Unavailable
from providers.formats import picture
from providers.http import Session
from providers.matrix import media as matrix_media
from providers.matrix.api import get, segment
from providers.matrix.event import KEY, is_user, localpart, media, profile_url, short
from providers.matrix.rooms import KNOWN, Position
from providers.matrix.talks import Talks
from providers.records import Contact, Handle, Name, Page, Photo, Relation, Row, Statement

PEOPLE: Final = "people"
BATCH: Final = 50  # contacts a page
PHOTO_BYTES: Final = 1024 * 1024
PHOTO_EDGE: Final = 96
PHOTO_FAILURES: Final = 3  # pictures in a row that cannot be had: then no more are asked for in this run


class JoinedRooms(msgspec.Struct, frozen=True):
    joined_rooms: list[str]


class UserProfile(msgspec.Struct, frozen=True):
    displayname: str | None = None
    avatar_url: str | None = None


class Acquaintance(msgspec.Struct):
    """Somebody in one of the account's rooms."""

    user: str
    name: str
    avatar: str
    relation: Relation

    @property
    def print(self) -> str:
        """What tells whether something of them changed."""
        said = "\x00".join((self.name, self.avatar, self.relation)).encode("utf-8", "surrogatepass")
        return base64.b64encode(hashlib.blake2b(said, digest_size=6).digest()).decode()


class People:
    """Whom an account has to do with."""

    def __init__(self, session: Session, me: str) -> None:
        self._session = session
        self._me = me
        self._failures = 0

    async def own(self) -> Contact:
        """The account's own contact."""
        known = await self._profile_of(self._me)
        name, avatar = short(known.displayname), known.avatar_url or ""
        return msgspec.structs.replace(await self._contact(Acquaintance(self._me, name, avatar, "PROFILE")), container="")

    async def pages(self, place: Position, talks: Talks) -> AsyncIterator[Page]:
        """Everybody in the rooms of acquaintances; whoever is new or different is handed over, whoever left is no member any more.

        Ends with all their keys, unless a room did not tell.
        """
        people: dict[str, Acquaintance] = {}
        whole = True
        rooms = (await get(self._session, "/_matrix/client/v3/joined_rooms", JoinedRooms)).joined_rooms
        for room_id in rooms:
            room = place.rooms.get(room_id)
            if room is None or room.space or room.count > KNOWN:
                continue
            members = await talks.joined(room_id, room)
            whole &= members is not None
            relation: Relation = "CONNECTION" if room_id in place.direct else "MEMBER"
            for user, member in (members or {}).items():
                if user == self._me or not is_user(user):
                    continue
                name, avatar = short(member.display_name), member.avatar_url or ""
                known = people.setdefault(user, Acquaintance(user, name, avatar, relation))
                if relation == "CONNECTION":
                    people[user] = Acquaintance(user, name or known.name, avatar or known.avatar, relation)
        new = [one for user, one in sorted(people.items()) if place.people.get(user) != one.print]
        for start in range(0, len(new), BATCH):
            rows = []
            for one in new[start : start + BATCH]:
                contact = await self._contact(one)
                rows.append(Row(item=contact))
                # a picture that could not be had is asked for with the next change
                place.people[one.user] = one.print if contact.photo is not None or not one.avatar else ""
            yield Page(rows=tuple(rows), cursor=place.encoded(), total=len(people) or None)
        if not whole:
            return
        gone = sorted(set(place.people) - set(people))
        for start in range(0, len(gone), BATCH):
            rows = [Row(item=await self._former(user)) for user in gone[start : start + BATCH]]
            for user in gone[start : start + BATCH]:
                del place.people[user]
            yield Page(rows=tuple(rows), cursor=place.encoded())
        place.stale = False
        keys = frozenset(people)
        statement = Statement(container=PEOPLE, kind="CONTACT", expected=len(keys), keys=keys)
        yield Page(cursor=place.encoded(), statements=(statement,))

    async def _former(self, user: str) -> Contact:
        """Somebody who shares no room with us any more: they stay whom we had to do with."""
        known = await self._profile_of(user)
        one = Acquaintance(user, short(known.displayname), known.avatar_url or "", "CORRESPONDENT")
        return msgspec.structs.replace(await self._contact(one), container="")

    async def _contact(self, one: Acquaintance) -> Contact:
        url = profile_url(one.user)
        return Contact(
            key=one.user,
            relation=one.relation,
            names=(Name(full=one.name or localpart(one.user)),),
            handles=(Handle(provider=KEY, handle=one.user, url=url),),
            photo=await self._photo(one.avatar),
            url=url,
            container=PEOPLE,
        )

    async def _photo(self, uri: str) -> Photo | None:
        """A small picture. Other people's servers may be gone for good: then there is none, and nobody waits for the next."""
        found = media(uri)
        if found is None or self._failures >= PHOTO_FAILURES:
            return None
        size = (("width", str(PHOTO_EDGE)), ("height", str(PHOTO_EDGE)), ("method", "crop"))
        try:
            data = (await matrix_media.fetch(self._session, "thumbnail", *found, size, PHOTO_BYTES)).content
        except (Refused, Malformed, Unavailable):
            self._failures += 1
            return None
        self._failures = 0
        kind = picture.media_type(data[: picture.HEAD])
        return None if kind is None else Photo(media_type=kind, data=data)

    async def _profile_of(self, user: str) -> UserProfile:
        try:
            return await get(self._session, f"/_matrix/client/v3/profile/{segment(user)}", UserProfile)
        except Refused as error:
            if error.provider_code not in ("M_NOT_FOUND", "M_FORBIDDEN", "not-found"):
                raise
            return UserProfile()
