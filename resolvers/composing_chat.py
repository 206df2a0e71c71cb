"""What a message to a conversation of a chat network will say and where, from what the caller asked and what the store knows.

An answer goes where the message is that it answers, by the account that shows it. A new message goes into a conversation that is
there: one that is named, or the direct one with somebody. Chats have no copies and no subject, and take as many files with a message as
their network says (`Provider.files`); who asks for more is told so before anything is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import Provider
from resolvers import enclosing, people
from resolvers.composing import (
    Answer,
    Draft,
    NewMessage,
    Recipient,
    Senders,
    body_of,
    original_of,
    own_handles,
    senders_of,
    thread_of,
    wrong,
)
from resolvers.enclosing import Chosen
from resolvers.ingest.messages import outbox_key
from resolvers.mistakes import NodeMistake, not_found
from resolvers.writing import Mistaken
from store import outbox
from store.tables import (
    contact,
    conversation,
    conversation_member,
    conversation_source,
    message_source,
)

MAX_TO: Final = 100  # recipients of the message that are shown beside it
_NO_LETTER: Final = "A chat message has a text and a place: no subject, no copies and no other recipients."


class ComposedChat(msgspec.Struct, frozen=True, kw_only=True):
    """A message to a chat, the account it leaves by, its files, and what is shown of it until the network shows it."""

    account_id: str
    message: records.OutgoingChat
    shown: records.Message
    files: tuple[Chosen, ...] = ()


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as one account has it."""

    conversation_id: str
    account_id: str
    key: str
    kind: records.ConversationKind


def compose(
    conn: Connection, viewer: str, providers: Mapping[str, Provider], draft: Draft, date: datetime, now: datetime
) -> ComposedChat | None:
    """The message of a draft, dated `date`; None where it is a mail. The uploads that it takes along stay until the transaction ends.

    Raises Mistaken.
    """
    begin = draft.begin
    senders = senders_of(conn, viewer, providers)
    if isinstance(begin, NewMessage):
        provider = senders.provider(begin.account_id)
        if provider is None or provider.kind == "MAIL":
            return None
        at: tuple[str, ...] = ("compose", "newMessage")
        senders.account(begin.account_id, (*at, "accountId"))
        if begin.subject or begin.cc or begin.bcc:
            raise wrong("UNSUPPORTED", _NO_LETTER, *at, "subject" if begin.subject else "cc" if begin.cc else "bcc")
        room = _room(conn, viewer, begin, at)
        return _composed(conn, viewer, senders, draft, begin.from_address, room, at, date, now, None)
    if isinstance(begin, Answer):
        at = ("compose", "reply")
        original = original_of(conn, viewer, begin.message_id, (*at, "messageId"))
        kind = _kind(conn, viewer, original.conversation_id)
        if kind == "EMAIL_THREAD":
            return None
        if begin.add_to or begin.cc:
            raise wrong("UNSUPPORTED", _NO_LETTER, *at, "addTo" if begin.add_to else "cc")
        room, answers = _answered(conn, viewer, senders, original, kind, (*at, "messageId"))
        return _composed(
            conn, viewer, senders, draft, begin.from_address, room, at, date, now, original, answers, in_thread=begin.in_thread
        )  # fmt: skip
    provider = None if begin.account_id is None else senders.provider(begin.account_id)
    if provider is not None and provider.kind != "MAIL":
        text = f"Nothing can be forwarded to {provider.name}: send what it says as a new message."
        raise wrong("UNSUPPORTED", text, "compose", "forward", "accountId")
    return None


def _composed(
    conn: Connection,
    viewer: str,
    senders: Senders,
    draft: Draft,
    from_address: str | None,
    room: Room,
    at: tuple[str, ...],
    date: datetime,
    now: datetime,
    original: Any,
    answers: str | None = None,
    *,
    in_thread: bool = False,
) -> ComposedChat:
    provider = senders.provider(room.account_id)
    assert provider is not None
    files = _files(conn, viewer, senders, provider, room.account_id, draft, now)
    text, html = body_of(draft, "")
    if not text.strip() and not files:
        raise wrong("REQUIRED", "A chat message needs a text or a file.", "text")
    sender = _sender(conn, viewer, room.account_id, from_address, (*at, "fromAddress"))
    message = records.OutgoingChat(
        id=secrets.token_hex(16), conversation=room.key, text=text, html=html, answers=answers, in_thread=in_thread
    )
    named = None if original is None else original.internet_message_id
    shown = records.Message(
        key=outbox_key(message.id) or "", sent_at=date, container=outbox.CONTAINER, conversation_key=room.key,
        conversation_kind=room.kind, references=() if named is None else (named,), text=text, html=html,
        participants=(
            records.Participant(role="FROM", address=sender, kind="HANDLE", provider=provider.key, key=sender),
            *_others(conn, viewer, room, provider.key),
        ),
        category_reason="You wrote it.", authentication="NOT_CHECKED", attachment_count=len(files),
        # how the network names them is told when it shows the message
        attachments=tuple(
            records.Attachment(part=f"{message.id}.{n}", name=f.name, media_type=f.media_type, size=f.size, sha256=f.sha256)
            for n, f in enumerate(files)
        ),
    )  # fmt: skip
    return ComposedChat(account_id=room.account_id, message=message, shown=shown, files=files)


def _files(
    conn: Connection, viewer: str, senders: Senders, provider: Provider, account_id: str, draft: Draft, now: datetime
) -> tuple[Chosen, ...]:
    """The files of a draft. Raises Mistaken where the network, or the account's grant, does not take them."""
    if not draft.attachments:
        return ()
    if not provider.files:
        raise wrong("UNSUPPORTED", f"Files cannot be sent to {provider.name} from here.", "attachments")
    granted = senders.granted(account_id)
    if provider.file_scopes and granted and provider.file_scopes.isdisjoint(granted):
        text = f"Sending files was not allowed when {provider.name} was linked: authorise the account again with beginLink and accountId."
        raise wrong("REAUTH_REQUIRED", text, "attachments")
    files = enclosing.choose(conn, viewer, draft.attachments, now)
    if len(files) > provider.files:
        most = "one file" if provider.files == 1 else f"{provider.files} files"
        raise wrong(
            "LIMIT_REACHED", f"{provider.name} takes {most} with a message: send the others by themselves.", "attachments"
        )
    return files


# --- where ----------------------------------------------------------------------------------------------------------------


def _answered(
    conn: Connection,
    viewer: str,
    senders: Senders,
    original: Any,
    kind: records.ConversationKind,
    field: tuple[str, ...],
) -> tuple[Room, str]:
    """Where a message is answered, and its key there: by an account that shows it and can send. Raises Mistaken."""
    s = message_source.c
    places = conn.execute(
        select(s.account_id, s.key)
        .where(s.viewer_id == viewer, s.message_id == original.id, s.container != outbox.CONTAINER)
        .order_by(s.account_id, s.key)
    ).all()
    if not places:
        text = "This message has not left yet: it can be answered when its network shows it."
        raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=field, node_id=original.id))
    refusal: Mistaken | None = None
    for place in places:
        try:
            senders.account(place.account_id, field)
        except Mistaken as error:
            refusal = refusal or error
            continue
        key = thread_of(conn, viewer, original, place.account_id)
        if key is not None:
            room = Room(conversation_id=original.conversation_id, account_id=place.account_id, key=key, kind=kind)
            return room, str(place.key)
    if refusal is not None:
        raise refusal
    text = "This message came without the conversation that it is in: it cannot be answered."
    raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=field, node_id=original.id))


def _room(conn: Connection, viewer: str, begin: NewMessage, at: tuple[str, ...]) -> Room:
    """The conversation that is meant: the one that is named, or the direct one with somebody. Raises Mistaken."""
    if len(begin.to) != 1:
        text = "A chat message goes to one place: name a conversation, a person or a handle."
        raise wrong("INVALID" if begin.to else "REQUIRED", text, *at, "to")
    (asked,) = begin.to
    field = (*at, "to", "0")
    if asked.email is not None or asked.phone is not None:
        text = "This account writes to conversations: name one, or a person or handle of its network."
        raise wrong("UNSUPPORTED", text, *field, "email" if asked.email is not None else "phone")
    c, s = conversation.c, conversation_source.c
    query = (
        select(c.id, c.kind, s.key)
        .join(conversation_source, sa.and_(s.viewer_id == c.viewer_id, s.conversation_id == c.id))
        .where(c.viewer_id == viewer, s.account_id == begin.account_id, c.kind != "EMAIL_THREAD")
        .order_by(c.last_activity_at.desc(), c.id, s.key)
        .limit(1)
    )
    if asked.conversation_id is not None:
        found = conn.execute(query.where(c.id == asked.conversation_id)).one_or_none()
        if found is None:
            raise Mistaken(not_found(asked.conversation_id, *field, "conversationId"))
    else:
        m = conversation_member.c
        with_them = select(m.conversation_id).where(m.viewer_id == viewer, _meant(conn, viewer, begin.account_id, asked, field))
        found = conn.execute(query.where(c.kind == "DIRECT", c.id.in_(with_them))).one_or_none()
        if found is None:
            text = "There is no direct conversation with them at this account yet. Begin one with the network's own client."
            if asked.person_id is None:
                raise wrong("NOT_WRITABLE", text, *field, "handle")
            at_person = (*field, "personId")
            raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=at_person, node_id=asked.person_id))
    return Room(conversation_id=found.id, account_id=begin.account_id, key=found.key, kind=found.kind)


def _meant(conn: Connection, viewer: str, account_id: str, asked: Recipient, field: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """Whose conversations are looked for. Raises Mistaken."""
    m = conversation_member.c
    if asked.person_id is None:
        return sa.and_(m.kind == "HANDLE", m.address == asked.handle)
    found = people.by_id(conn, viewer, [asked.person_id]).get(asked.person_id)
    if not isinstance(found, people.Person):
        raise Mistaken(not_found(asked.person_id, *field, "personId"))
    theirs = select(contact.c.id).where(
        contact.c.viewer_id == viewer, contact.c.person_id == found.id, contact.c.account_id == account_id
    )
    return m.contact_id.in_(theirs)


def _kind(conn: Connection, viewer: str, conversation_id: str) -> records.ConversationKind:
    c = conversation.c
    kind: records.ConversationKind | None = conn.execute(
        select(c.kind).where(c.viewer_id == viewer, c.id == conversation_id)
    ).scalar_one_or_none()
    return kind or "EMAIL_THREAD"


# --- who ------------------------------------------------------------------------------------------------------------------


def _sender(conn: Connection, viewer: str, account_id: str, wanted: str | None, field: tuple[str, ...]) -> str:
    """The account's own handle. Raises Mistaken where another one is wanted."""
    mine = own_handles(conn, viewer, account_id)
    if not mine:
        raise wrong("REQUIRED", "This account has no handle to write by. Link it again.", *field)
    if wanted is None:
        return mine[0]
    if wanted not in mine:
        raise wrong("INVALID", "This is not one of the account's own handles.", *field)
    return wanted


def _others(conn: Connection, viewer: str, room: Room, provider: str) -> list[records.Participant]:
    """Whom a message in a room of acquaintances is meant for; in a channel it is for nobody by name."""
    if room.kind == "CHANNEL":
        return []
    m, c = conversation_member.c, contact.c
    rows = conn.execute(
        select(m.address, m.name, c.key)
        .join(contact, sa.and_(c.viewer_id == m.viewer_id, c.id == m.contact_id, c.account_id == room.account_id))
        .where(m.viewer_id == viewer, m.conversation_id == room.conversation_id, m.kind == "HANDLE")
        .order_by(m.address)
        .limit(MAX_TO)
    )
    return [
        records.Participant(role="TO", address=row.address, kind="HANDLE", name=row.name, provider=provider, key=row.key)
        for row in rows
    ]
