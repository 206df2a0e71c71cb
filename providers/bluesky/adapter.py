"""Bluesky, mirrored: whom one follows and is followed by as contacts, chat as conversations, posts as activities.

An account lives on a server of its own choosing (a PDS of the AT Protocol), which keeps what the account wrote and passes all other
questions on: to an AppView for profiles and followers (`app.bsky.*`), to the chat service for messages (`chat.bsky.*`). Here is in which
order they are asked: `talks.py`, `people.py` and `feeds.py` ask, `sending.py` writes, `watch.py` waits,
`sign_in.py` and `atproto.py` open the account. Knows nothing of feeds and lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final
from urllib.parse import urlsplit

import msgspec

from providers import atproto, atproto_oauth, cursors
from providers.archives.bluesky_car import CarArchive
from providers.atproto import Xrpc
from providers.base import Provider
from providers.bluesky.feeds import Feeds
from providers.bluesky.people import People, contact, profiles
from providers.bluesky.position import FOLLOWERS, FOLLOWING, Position
from providers.bluesky.post import KEY, Author
from providers.bluesky.sending import delete, react, read_up_to, say, was_said
from providers.bluesky.sign_in import FORMS, base_url, renew, sign_in, sign_out
from providers.bluesky.talks import Talks
from providers.bluesky.watch import Place, hints, keep_listening, watched
from providers.errors import CursorExpired, Malformed, ProviderError, RateLimited, Refused, Unavailable
from providers.formats.at_identifier import DID
from providers.http import Session
from providers.quota import Quota
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingReaction, OwnAddress, Page, Profile, Submitted
from providers.server_address import origin


class Own(msgspec.Struct, frozen=True):
    """com.atproto.server.getSession."""

    did: str
    handle: str
    active: bool = True


class Commit(msgspec.Struct, frozen=True):
    """com.atproto.sync.getLatestCommit."""

    rev: str


class Bluesky:
    """An account at its server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = Xrpc(session)

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no server of the AT Protocol at the address."""
        me = await self._who()
        secret = await self._session.credentials()
        handle = None if me.handle == "handle.invalid" else me.handle
        try:
            person = (await profiles(self._calls, [me.did])).get(me.did)
        except (Refused, Unavailable):
            person = None  # the server itself has said who it is; how they look can wait
        addresses = [OwnAddress(value=me.did, kind="HANDLE")]
        if handle is not None:
            addresses.insert(0, OwnAddress(value=handle, kind="HANDLE", primary=True))
        own = None if person is None else contact(person, "PROFILE")
        return Profile(
            user_id=me.did,
            label=f"@{handle}" if handle is not None else me.did,
            own_addresses=tuple(addresses),
            base_url=origin(self._session.account.base_url),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=None if own is None else msgspec.structs.replace(own, container=""),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Chat since the cursor, its history, then people and posts. A chat service in trouble keeps nobody else waiting.

        Raises CursorExpired when a service does not know the place to go on from.
        """
        place = cursors.read(cursor, Position) or Position()
        if place.walk not in ("", FOLLOWING, FOLLOWERS):
            raise CursorExpired("The stored position is of another version: everything is listed again.")
        me = await self._who()
        talks = await self._talks(me.did)
        feeds = Feeds(self._calls, self._session.clock, Author(did=me.did, handle=me.handle))
        trouble: ProviderError | None = None
        try:
            async for page in talks.pages(place):
                yield page
        except (Unavailable, RateLimited) as error:
            trouble = error
        rev = (await self._calls.query("com.atproto.sync.getLatestCommit", Commit, [("did", me.did)])).rev
        async for page in People(self._calls, self._session.clock, me.did).pages(place, rev):
            yield page
        async for page in feeds.own(place, rev):
            yield page
        async for page in feeds.timeline(place):
            yield page
        if trouble is not None:
            raise trouble
        yield Page(cursor=place.encoded(), done=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints that the chat's log or the account's repository goes on. Raises ProviderError."""
        me = (await self._who()).did
        talks = await self._talks(me)

        async def look(place: Place | None, *, posts: bool) -> tuple[Place, bool]:
            before = place or Place(log="", rev="")
            log = await talks.log(before.log)
            rev = before.rev
            if posts:
                rev = (await self._calls.query("com.atproto.sync.getLatestCommit", Commit, [("did", me)])).rev
            now = Place(log=log.cursor or before.log, rev=rev)
            return now, place is not None and (bool(log.logs) or rev != before.rev)

        heard = asyncio.Event()
        listening = asyncio.create_task(keep_listening(self._session, me, heard))
        try:
            with watched(self._session.account.base_url) as pause:
                async with aclosing(hints(self._session.clock, look, heard, pause)) as found:
                    async for hint in found:
                        yield hint
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a conversation. Raises ProviderError when it was certainly not taken."""
        return await say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its conversation. Raises ProviderError."""
        return await was_said(self._session, message, step, (await self._who()).did)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """React, or take a reaction back. Raises ReauthRequired (`scope`) where the sign-in may not, and ProviderError."""
        await react(self._session, reaction)
        return None  # it has no key of its own

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Delete a message for oneself. Raises ReauthRequired (`scope`) where the sign-in may not, and ProviderError."""
        return await delete(self._session, deletion)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Say what was read. Raises ReauthRequired (`scope`) where the sign-in may not, and ProviderError."""
        await read_up_to(self._session, latest)

    async def _talks(self, me: str) -> Talks:
        allowed = atproto.may_chat((await self._session.credentials()).scope)
        return Talks(self._calls, me, allowed=allowed)

    async def _who(self) -> Own:
        try:
            me = await self._calls.query("com.atproto.server.getSession", Own)
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            host = urlsplit(self._session.account.base_url).hostname
            raise Refused(f"There is no server of Bluesky's protocol at {host}.", provider_code="no-server") from error
        if not DID.fullmatch(me.did):
            raise Malformed("The server gave the account an id that is none.", provider_code="id")
        return me


CHATTING: Final = frozenset({atproto.FULL, atproto.WITH_CHAT, atproto.CHAT_SCOPE})

PROVIDER = Provider(
    key=KEY,
    name="Bluesky",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "READ_STATE",
            "DELTA",
            "PUSH",
            "MIRROR",
            "ACTIVITIES",
            "SEND",
            "REPLY",
            "REACT",
            "DELETE_MESSAGE",
            "IMPORT",
        }
    ),
    marks=frozenset({"READ"}),
    deletes=frozenset({"ONESELF"}),
    limitations=(
        "The network tells nobody's e-mail address or phone number.",
        "Chat needs a sign-in that was given access to direct messages.",
        "Followers have no list of changes: who has gone is seen when all were listed again, once an hour.",
        "The chat service does not count messages: a conversation is complete when its beginning was reached.",
    ),
    link_forms=FORMS,
    quota=Quota(
        calls=3_000,
        seconds=300.0,
        concurrency=4,
        sentence="Bluesky's servers allow 3,000 calls in five minutes.",
    ),
    docs_path="docs/providers/bluesky.md",
    send_scopes=CHATTING,
    write_scopes={"READ_STATE": CHATTING},
    poll_seconds=900,
    archive_formats=("BLUESKY_CAR",),
    archive=CarArchive(),
    open=lambda session: Bluesky(session),
    base_url=base_url,
    authorize=atproto_oauth.authorize,
    client_metadata={"scope": " ".join(atproto_oauth.SCOPES)},
    sign_in=sign_in,
    sign_out=sign_out,
    renew=renew,
)
