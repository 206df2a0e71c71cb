"""Bluesky's conversations: all of them once, then what the chat's log tells, and the history of each backwards, the latest active first.

Speaks `chat.bsky.convo.*` through the account's own server. What a conversation and a message are is in `chat.py`. A sign-in that
shows no chat is said with each run, and nobody else waits for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from providers.atproto import Xrpc, readable
from providers.bluesky import chat as bluesky_chat
from providers.bluesky.chat import Cast, Convo, Entry, Known, MessageView
from providers.bluesky.lists import LIST, MAX_PAGES, cursor_of, onward, unreadable
from providers.bluesky.position import Position
from providers.bluesky.post import Author
from providers.errors import CursorExpired, Malformed, Refused
from providers.records import Gone, MessageState, Page, Row, Statement, Unreadable

CHAT: Final = "chat"
#: What happens in a conversation that shows it in another way.
RESHAPED: Final = frozenset(
    {"logBeginConvo", "logAcceptConvo", "logAddMember", "logRemoveMember", "logMemberJoin", "logMemberLeave", "logEditGroup"}
)


class Convos(msgspec.Struct, frozen=True):
    """chat.bsky.convo.listConvos."""

    convos: list[msgspec.Raw]
    cursor: str | None = None


class OneConvo(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getConvo."""

    convo: Convo


class Members(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getConvoMembers."""

    members: list[Author]
    cursor: str | None = None


class History(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getMessages."""

    messages: list[msgspec.Raw]
    cursor: str | None = None
    relatedProfiles: list[Author] = []


class Log(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getLog."""

    logs: list[msgspec.Raw]
    cursor: str | None = None


Entity = TypeVar("Entity")


class Talks:
    """The conversations of an account. `allowed`: its sign-in shows them."""

    def __init__(self, calls: Xrpc, me: str, *, allowed: bool) -> None:
        self._calls = calls
        self._me = me
        self._allowed = allowed
        self._casts: dict[str, Cast] = {}
        self._heads: dict[str, Row] = {}  # not yet said beside a message, without which there is no conversation to be called so

    async def pages(self, place: Position) -> AsyncIterator[Page]:
        """What happened since the place, then what is missing of the past. Raises CursorExpired and ProviderError."""
        try:
            if not self._allowed:
                raise Refused("This sign-in does not show direct messages.", provider_code="scope")
            if not place.listed:
                async for page in self._convos(place):
                    yield page
            async for page in self._happened(place):
                yield page
        except Refused as error:
            if isinstance(error, CursorExpired) or error.provider_code not in ("scope", "not-found", "403"):
                raise
            text = f"Chat is not shown: {error.message} Link again, with an app password that allows direct messages or at your server."
            row = Row(item=Unreadable(key=CHAT, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=CHAT))
            yield Page(rows=(row,), cursor=place.encoded())  # with each run: what is not said any more is shown
            return
        while (found := _newest_open(place)) is not None:
            yield await self._history(place, *found)

    async def _convos(self, place: Position) -> AsyncIterator[Page]:
        """All conversations, once, after the log's end was asked for: what happens in between is in the log."""
        place.log = (await self.log("")).cursor or ""
        token = ""
        for _ in range(MAX_PAGES):
            answer = await self._ask_chat("listConvos", Convos, [("limit", str(LIST)), *cursor_of(token)])
            found, broken = readable(answer.convos, Convo)
            rows = [unreadable(raw, reason, CHAT) for raw, reason in broken]
            for convo in found:
                last = convo.lastMessage
                known = Known(at="" if last is None else last.sentAt, unread=max(0, min(convo.unreadCount, bluesky_chat.UNREAD)))
                place.convos.setdefault(convo.id, known)
                rows += await self._head(convo)
            place.listed = not answer.cursor
            if rows or place.listed:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not answer.cursor:
                return
            token = onward(token, answer.cursor)
        raise Malformed("The list of conversations does not end.", provider_code="paging")

    async def _happened(self, place: Position) -> AsyncIterator[Page]:
        """What the log tells since the last time, in its order."""
        for _ in range(MAX_PAGES):
            try:
                answer = await self.log(place.log)
            except Refused as error:
                if place.log and error.provider_code in ("InvalidRequest", "InvalidCursor", "400"):
                    raise CursorExpired("The chat service no longer knows this place in its log.") from error
                raise
            entries, broken = readable(answer.logs, Entry)
            rows = [unreadable(raw, reason, CHAT) for raw, reason in broken]
            for entry in entries:
                rows += await self._entry(place, entry)
            before, place.log = place.log, answer.cursor or place.log
            if rows:
                yield Page(rows=tuple(rows), cursor=place.encoded())
            if not answer.logs or place.log == before:
                return
        raise Malformed("The chat's log does not end.", provider_code="paging")

    async def _entry(self, place: Position, entry: Entry) -> list[Row]:
        if not entry.convoId or (entry.name == "logLeaveConvo" and entry.convoId not in place.convos):
            return []
        rows: list[Row] = []
        known = place.convos.get(entry.convoId)
        if known is None or entry.name in RESHAPED:
            convo = await self._convo(entry.convoId)
            if convo is None:
                return []
            rows += await self._head(convo)
            known = place.convos.setdefault(
                entry.convoId, Known(at="" if convo.lastMessage is None else convo.lastMessage.sentAt)
            )
        view = entry.message
        match entry.name:
            case "logLeaveConvo":
                known.open = False
            case "logCreateMessage" if view is not None and view.shows:
                rows += await self._arrived(known, entry.convoId, view)
            case "logAddReaction" | "logRemoveReaction" if view is not None and view.shows:
                # it comes with all its reactions
                cast = await self._cast(entry.convoId)
                rows.append(Row(item=bluesky_chat.message(view, entry.convoId, cast, unread=view.id in known.waiting)))
            case "logDeleteMessage" | "logCreateMessage" if view is not None:
                known.waiting = [one for one in known.waiting if one != view.id]
                rows.append(Row(item=Gone(kind="MESSAGE", key=view.id)))
            case "logReadMessage" | "logReadConvo" if view is not None:
                known.unread = 0
                rows += _read(entry.convoId, known.read(view.id))
        return rows

    async def _arrived(self, known: Known, convo_id: str, view: MessageView) -> list[Row]:
        """A new message; whoever writes has read what was before."""
        cast = await self._cast(convo_id)
        mine = view.sender is not None and view.sender.did == self._me
        rows = [Row(item=bluesky_chat.message(view, convo_id, cast, unread=not mine)), *self._called(convo_id)]
        if mine:
            known.unread = 0
            return rows + _read(convo_id, known.read(view.id))
        return rows + _read(convo_id, known.wait(view.id))

    async def _history(self, place: Position, convo_id: str, known: Known) -> Page:
        """One step back in one conversation. What is not shown to us is said."""
        try:
            asked = [("convoId", convo_id), ("limit", str(LIST)), *cursor_of(known.token)]
            answer = await self._ask_chat("getMessages", History, asked)
            cast = await self._cast(convo_id)
        except Refused as error:
            if error.provider_code not in ("InvalidConvo", "InvalidRequest", "not-found", "403"):
                raise
            known.open = False
            text = f"The messages of this conversation are not shown. {error.message}"
            row = Row(item=Unreadable(key=convo_id, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=convo_id))
            return Page(rows=(row,), cursor=place.encoded())
        cast.meet(answer.relatedProfiles)
        found, broken = readable(answer.messages, MessageView)
        rows = [unreadable(raw, reason, convo_id) for raw, reason in broken]
        for view in found:
            known.at = view.sentAt
            if view.deleted:
                rows.append(Row(item=Gone(kind="MESSAGE", key=view.id)))
            elif view.shows:
                rows.append(Row(item=bluesky_chat.message(view, convo_id, cast, unread=self._unread(known, view))))
                rows += self._called(convo_id)
        if answer.cursor:
            known.token = onward(known.token, answer.cursor)
            return Page(rows=tuple(rows), cursor=place.encoded())
        known.open = False
        # the beginning was met; the service counts nothing that could be held against what was read
        statement = Statement(container=convo_id, kind="MESSAGE", expected=None)
        return Page(rows=tuple(rows), cursor=place.encoded(), statements=(statement,))

    def _unread(self, known: Known, view: MessageView) -> bool:
        """Whether a message of the past is unread: it is one of the newest so many that others wrote."""
        if view.sender is not None and view.sender.did == self._me:
            known.unread = 0
            return False
        if view.id in known.waiting:
            return True
        if known.unread <= 0:
            return False
        known.unread -= 1
        known.waiting.insert(0, view.id)
        return True

    async def _head(self, convo: Convo) -> list[Row]:
        cast = self._casts[convo.id] = bluesky_chat.cast_of(convo, self._casts)
        if cast.kind == "GROUP":
            try:
                asked = [("convoId", convo.id), ("limit", str(LIST))]
                cast.meet((await self._ask_chat("getConvoMembers", Members, asked)).members)
            except Refused as error:
                if error.provider_code == "scope":
                    raise
        head = bluesky_chat.head(convo, cast)
        if head is None:
            return []
        self._heads[convo.id] = Row(item=head)
        return [self._heads[convo.id]]

    def _called(self, convo_id: str) -> list[Row]:
        """What a conversation is, once beside the first of its messages that are handed over."""
        head = self._heads.pop(convo_id, None)
        return [] if head is None else [head]

    async def _cast(self, convo_id: str) -> Cast:
        if convo_id not in self._casts:
            convo = await self._convo(convo_id)
            if convo is None:
                return Cast(kind="DIRECT")
            await self._head(convo)
        return self._casts[convo_id]

    async def _convo(self, convo_id: str) -> Convo | None:
        """One conversation; None when we are no longer in it."""
        try:
            return (await self._ask_chat("getConvo", OneConvo, [("convoId", convo_id)])).convo
        except Refused as error:
            if error.provider_code not in ("InvalidConvo", "InvalidRequest", "not-found", "403"):
                raise
            return None

    async def log(self, place: str) -> Log:
        """What happened after a place; without one its end alone. Nothing where the sign-in shows no chat."""
        if not self._allowed:
            return Log(logs=[])
        return await self._ask_chat("getLog", Log, cursor_of(place))

    async def _ask_chat(self, name: str, kind: type[Entity], parameters: Sequence[tuple[str, str]]) -> Entity:
        return await self._calls.query(f"chat.bsky.convo.{name}", kind, parameters, proxy=bluesky_chat.SERVICE)


def _newest_open(place: Position) -> tuple[str, Known] | None:
    """The conversation whose history goes on next: the one whose unread stretch is the newest."""
    return max(((id_, known) for id_, known in place.convos.items() if known.open), key=lambda one: one[1].at, default=None)


def _read(convo_id: str, keys: Iterable[str]) -> list[Row]:
    return [Row(item=MessageState(key=key, container=convo_id, unread=False)) for key in keys]
