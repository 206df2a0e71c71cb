"""Matrix, mirrored: rooms as conversations, their messages with edits, deletions and read state, their people as contacts.

Speaks the Client-Server API (v1.1 to v1.15) as one more device of the user. Deltas come from `/sync`; what a sync leaves out
(`limited`) and everything before the first one is read backwards, newest first over all rooms. Here is in which order: rooms are in
`talks.py`, people in `people.py`, what leaves in `sending.py`, signing in in `sign_in.py`. Knows nothing of
encryption or other networks behind bridges.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from providers.base import Provider
from providers.errors import Refused
from providers.http import Session
from providers.matrix import media as matrix_media
from providers.matrix.api import origin, who
from providers.matrix.event import KEY, media
from providers.matrix.people import People
from providers.matrix.rooms import position
from providers.matrix.sending import delete, edit, react, read_up_to, say, was_said
from providers.matrix.sign_in import FORMS, base_url, no_server, renew, sign_in, sign_out
from providers.matrix.sync import NOTHING, sync, told
from providers.matrix.talks import Talks
from providers.quota import Quota
from providers.records import (
    Gone,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingReaction,
    OwnAddress,
    Page,
    Profile,
    Submitted,
)

FILE_BYTES: Final = 64 * 1024 * 1024
PIECE: Final = 256 * 1024
#: A long poll ends before our own patience with a silent server does.
WATCH_SECONDS: Final = 25


class Matrix:
    """An account at one homeserver."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no homeserver at the address."""
        me = await self._who()
        return Profile(
            user_id=me,
            label=me,
            own_addresses=(OwnAddress(value=me, kind="HANDLE", primary=True),),
            base_url=origin(self._session.account.base_url),
            contact=await People(self._session, me).own(),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What happened since the cursor, then the history that is still missing, then the people where anybody changed.

        Raises CursorExpired when the server does not know the place to go on from.
        """
        place = position(cursor)
        me = await self._who()
        talks = Talks(self._session, me)
        page = await talks.delta(place)
        if page.rows:  # else its place is kept with the next page: a run that is always cut off early still gets on
            yield page
        while (found := place.newest_gap(talks.refused)) is not None:
            yield await talks.history(place, *found)
        if place.stale:
            async for page in People(self._session, me).pages(place, talks):
                yield page
        yield Page(cursor=place.encoded(), done=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints that `pages` has something to tell, by a long poll of /sync that passes nothing on. Raises ProviderError."""
        since = (await sync(self._session, "", NOTHING)).next_batch
        yield None
        while True:
            answer = await sync(self._session, since, told(1), wait=WATCH_SECONDS)
            since = answer.next_batch
            if answer.rooms.join or answer.rooms.leave or answer.account_data.events:
                yield None

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The bytes of a file, named by its `mxc:` URI. Raises Refused (`not-found`) when it is gone."""
        found = media(part)
        if found is None:
            raise Refused("This file is encrypted, or there is none.", provider_code="not-found")
        answer = await matrix_media.fetch(self._session, "download", *found, (), FILE_BYTES)
        for start in range(0, len(answer.content), PIECE):
            yield answer.content[start : start + PIECE]

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a room. Raises ProviderError when it was certainly not taken."""
        return await say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its room. Raises ProviderError."""
        return await was_said(self._session, message, step)

    async def edit(self, change: OutgoingEdit, *, again: bool) -> datetime | None:
        """Replace what an own message says. Raises ProviderError."""
        return await edit(self._session, change)

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Redact a message. Raises ProviderError."""
        return await delete(self._session, deletion)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """Make a reaction in a room or take it back. Raises ProviderError."""
        return await react(self._session, reaction)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Receipts and read markers for rooms. Raises ProviderError."""
        await read_up_to(self._session, latest)

    async def _who(self) -> str:
        try:
            return (await who(self._session)).user_id
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            raise no_server(origin(self._session.account.base_url)) from error


PROVIDER = Provider(
    key=KEY,
    name="Matrix",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "SEND",
            "REPLY",
            "EDIT_MESSAGE",
            "DELETE_MESSAGE",
            "REACT",
            "READ_STATE",
            "DELTA",
            "PUSH",
            "MIRROR",
            "ATTACHMENTS",
        }
    ),
    marks=frozenset({"READ"}),
    moderates=True,
    files=1,
    limitations=(
        "Encrypted messages show who wrote when, not what: Kith has no keys. It writes into no room that is encrypted.",
        "Messages go to rooms that are there: Kith makes none. A message takes one file.",
        "There is no list of contacts: they are those in your direct rooms and in rooms of at most a hundred people.",
        "The network tells nobody's e-mail address or phone number.",
        "Servers do not count messages: a room's history is known to be complete when its beginning was reached.",
        "Polls and calls are not shown.",
    ),
    link_forms=FORMS,
    quota=Quota(
        calls=600,
        seconds=60.0,
        concurrency=4,
        sentence="Homeservers set their own limits and say when they are reached; Kith makes at most 600 calls a minute.",
    ),
    docs_path="docs/providers/matrix.md",
    poll_seconds=900,
    open=lambda session: Matrix(session),
    base_url=base_url,
    sign_in=sign_in,
    sign_out=sign_out,
    renew=renew,
)
