"""Bluesky's chat: what a conversation and a message of it are, and what is remembered of them between two runs.

Lexicons `chat.bsky.convo.defs`, `chat.bsky.actor.defs`. The log (`chat.bsky.convo.getLog`) tells everything that happens, in order; what
was before it is read backwards from `getMessages`. Messages are never edited. Does no calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers import atproto
from providers.bluesky.post import KEY, Author, handle_of, long, profile_url, short, text_of
from providers.records import ConversationHead, ConversationKind, Message, Participant, Reaction, Role

#: The service that holds the messages, to which the account's server passes calls on.
SERVICE: Final = "did:web:api.bsky.chat#bsky_chat"
UNREAD: Final = 100  # messages of a conversation that count as unread; what is older counts as read
EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Kind(msgspec.Struct, frozen=True):
    """#directConvo or #groupConvo."""

    type: str = msgspec.field(name="$type", default="")
    name: str | None = None


class Sender(msgspec.Struct, frozen=True):
    did: str


class ReactionView(msgspec.Struct, frozen=True):
    """#reactionView: one sign of one person."""

    value: str
    sender: Sender
    createdAt: str | None = None


class Answered(msgspec.Struct, frozen=True):
    """The message that another one answers; no id where it was written before one came."""

    id: str = ""


class MessageView(msgspec.Struct, frozen=True):
    """#messageView, #deletedMessageView (no text) or #systemMessageView (no sender)."""

    id: str
    sentAt: str
    type: str = msgspec.field(name="$type", default="")
    sender: Sender | None = None
    text: str | None = None
    facets: list[object] = []
    embed: msgspec.Raw | None = None
    reactions: list[ReactionView] = []
    replyTo: Answered | None = None

    @property
    def shows(self) -> bool:
        return self.sender is not None and self.text is not None and not self.deleted

    @property
    def deleted(self) -> bool:
        return self.type.endswith("#deletedMessageView")


class Convo(msgspec.Struct, frozen=True):
    """#convoView. `members` are all of a direct conversation, the first few of a group."""

    id: str
    members: list[Author]
    unreadCount: int
    lastMessage: MessageView | None = None
    kind: Kind | None = None
    status: str | None = None

    @property
    def conversation_kind(self) -> ConversationKind:
        group = self.kind is not None and self.kind.type.endswith("#groupConvo")
        return "GROUP" if group or len(self.members) > 2 else "DIRECT"


class Entry(msgspec.Struct, frozen=True):
    """A line of the log; kinds that are not known are passed over (chat.bsky.convo.getLog)."""

    type: str = msgspec.field(name="$type", default="")
    convoId: str = ""
    message: MessageView | None = None

    @property
    def name(self) -> str:
        return self.type.rpartition("#")[2]


class Known(msgspec.Struct, omit_defaults=True):
    """A conversation in the cursor: how far its history was read, and which messages of others are unread, oldest first.

    `open` while there is more to read, from `token` backwards; `at` is the time of the oldest message read; `unread` how many of the
    newest count as unread when reading begins.
    """

    open: bool = True
    token: str = ""
    at: str = ""
    unread: int = 0
    waiting: list[str] = []

    def wait(self, key: str) -> list[str]:
        """Remember a message as unread; those that are too many now and count as read from here on."""
        if key not in self.waiting:
            self.waiting.append(key)
        dropped, self.waiting = self.waiting[:-UNREAD], self.waiting[-UNREAD:]
        return dropped

    def read(self, key: str) -> list[str]:
        """What became read by reading this message: ids are TIDs, in the order of time (atproto.com/specs/tid)."""
        done = [one for one in self.waiting if one <= key]
        self.waiting = [one for one in self.waiting if one > key]
        return done


class Cast(msgspec.Struct):
    """Who is in a conversation, as far as this run knows."""

    kind: ConversationKind
    subject: str | None = None
    people: dict[str, Author] = {}

    def meet(self, people: list[Author]) -> None:
        self.people.update((one.did, one) for one in people)


def head(convo: Convo, cast: Cast) -> ConversationHead | None:
    """What a conversation is; None for one in which nobody has written."""
    if convo.lastMessage is None:
        return None
    return ConversationHead(
        key=convo.id,
        kind=convo.conversation_kind,
        last_activity_at=atproto.instant(convo.lastMessage.sentAt) or EPOCH,
        subject=cast.subject,
        participants=tuple(participant(one, "MEMBER") for one in sorted(cast.people.values(), key=lambda one: one.did)),
        url=url(convo.id),
    )


def message(view: MessageView, convo_id: str, cast: Cast, *, unread: bool) -> Message:
    """A message; in a conversation of a few it is meant for all others in it."""
    assert view.sender is not None
    text = text_of({"text": view.text, "facets": view.facets})
    sender = cast.people.get(view.sender.did) or Author(did=view.sender.did, handle="")
    others = [one for one in sorted(cast.people.values(), key=lambda one: one.did) if one.did != sender.did]
    return Message(
        key=view.id,
        container=convo_id,
        conversation_key=convo_id,
        conversation_kind=cast.kind,
        sent_at=atproto.instant(view.sentAt) or EPOCH,
        internet_message_id=_everywhere(view.id, convo_id),
        references=(_everywhere(view.replyTo.id, convo_id),) if view.replyTo is not None and view.replyTo.id else (),
        text=text,
        body_state="AVAILABLE" if text or view.embed is not None else "EMPTY",
        participants=(participant(sender, "FROM"), *(participant(one, "TO") for one in others)),
        authentication="NOT_CHECKED",
        unread=unread,
        reactions=tuple(_reaction(one, cast) for one in view.reactions),
        url=url(convo_id),
    )


def _everywhere(id_: str, convo_id: str) -> str:
    """What answers name; ids are unique in their conversation."""
    return f"{id_}@{convo_id}"


def _reaction(view: ReactionView, cast: Cast) -> Reaction:
    sender = cast.people.get(view.sender.did) or Author(did=view.sender.did, handle="")
    return Reaction(emoji=short(view.value), participant=participant(sender, "MEMBER"), at=atproto.instant(view.createdAt))


def participant(person: Author, role: Role) -> Participant:
    return Participant(
        role=role,
        address=handle_of(person) or person.did,
        kind="HANDLE",
        name=short(person.displayName),
        provider=KEY,
        key=person.did,
        url=profile_url(person.did),
    )


def subject(convo: Convo) -> str | None:
    return (short(long(convo.kind.name)) or None) if convo.kind is not None else None


def cast_of(convo: Convo, known: Mapping[str, Cast]) -> Cast:
    """Who is in it, added to those whom this run has met there."""
    cast = known.get(convo.id) or Cast(kind=convo.conversation_kind)
    cast.kind, cast.subject = convo.conversation_kind, subject(convo)
    cast.meet(convo.members)
    return cast


def url(convo_id: str) -> str | None:
    return f"https://bsky.app/messages/{convo_id}" if convo_id.isalnum() and convo_id.isascii() else None
