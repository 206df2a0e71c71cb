"""Editing and deleting messages: shown here at once, at the network by the outbox after, taken back if it is refused there.

People edit what they wrote themselves. Whether and for whom a message can be deleted is the network's to say (`Provider.deletes`,
`Provider.moderates`); what cannot be done there is refused in words before anything is written. Nothing here waits for a network.
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
from providers.base import Capability, Provider
from resolvers.composing import MAX_TEXT, thread_of, wrong
from resolvers.ingest import corrections
from resolvers.ingest.corrections import KIND, Correction
from resolvers.ingest.messages import PREFIX
from resolvers.mistakes import NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, outbox
from store.feed import Recorder
from store.tables import account, message, message_source

_FIELD: Final = ("messageId",)
#: How a sentence says what is refused.
_DONE: Final[Mapping[Capability, str]] = {"EDIT_MESSAGE": "edited", "DELETE_MESSAGE": "deleted"}
_MAIL: Final[Mapping[Capability, str]] = {
    "EDIT_MESSAGE": "Mail cannot be changed once it has left: everybody has a copy. Send another one.",
    "DELETE_MESSAGE": "Mail is not deleted at its source from here: put it into the trash with markConversations.",
}


_UNKNOWN: Final = ("NOT_WRITABLE", "Its network is not known to this installation.")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message is, by its network's keys."""

    account_id: str
    provider: Provider
    conversation: str
    key: str


async def edit(operation: Operation, message_id: str, text: str, key: str | None) -> Payload:
    """Put another text in the place of a message's own. What it says already is answered as done."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        if not text.strip():
            raise wrong("REQUIRED", "A message needs a text: deleteMessage takes the whole message back.", "text")
        if len(text) > MAX_TEXT:
            raise wrong("TOO_LONG", f"A message has at most {MAX_TEXT:,} characters.", "text")
        row = _message(conn, viewer, message_id)
        if row.deleted_at is not None:
            raise _refused("NOT_WRITABLE", "This message was deleted.", message_id)
        place = _place(conn, viewer, operation.services.providers, row, "EDIT_MESSAGE")
        if row.direction != "OUTBOUND":
            raise _refused("NOT_WRITABLE", "Only those who wrote a message can edit it.", message_id)
        before = corrections.stored(conn, viewer, place.account_id, message_id, place.key)
        if before.text == text:
            return Answer(node_id=message_id)
        change = records.OutgoingEdit(
            id=secrets.token_hex(16), conversation=place.conversation, message=place.key, text=text, at=now
        )
        _accept(conn, viewer, place, message_id, Correction(key=place.key, at=now, before=before, edit=change),
                "editMessage", recorder, now, key)  # fmt: skip
        return Answer(node_id=message_id)

    done = await perform(operation, "editMessage", key, [message_id, text], write)
    return payload(operation, done, message_id="node_id")


async def delete(operation: Operation, message_id: str, everyone: bool, key: str | None) -> Payload:
    """Delete a message at its network, for everybody or for the viewer alone. One that is deleted already is answered as done."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = _message(conn, viewer, message_id)
        if row.deleted_at is None:
            take_back(conn, viewer, operation.services.providers, row, everyone, "deleteMessage", recorder, now, key)
        return Answer(node_id=message_id, node_ids=(row.conversation_id,))

    done = await perform(operation, "deleteMessage", key, [message_id, everyone], write)
    return payload(operation, done, message_id="node_id", node_ids="node_ids")


def deletable(conn: Connection, viewer: str, providers: Mapping[str, Provider], row: Any) -> bool:
    """Whether a message of the viewer's (its row) can be taken back from everybody, so that `take_back` raises nothing."""
    try:
        _check_reach(_place(conn, viewer, providers, row, "DELETE_MESSAGE").provider, row, everyone=True)
    except Mistaken:
        return False
    return True


def take_back(
    conn: Connection,
    viewer: str,
    providers: Mapping[str, Provider],
    row: Any,
    everyone: bool,
    mutation: str,
    recorder: Recorder,
    now: datetime,
    key: str | None,
) -> None:
    """Accept that a message (its row) is to be deleted at its network, and show that. Raises Mistaken."""
    place = _place(conn, viewer, providers, row, "DELETE_MESSAGE")
    _check_reach(place.provider, row, everyone)
    before = corrections.stored(conn, viewer, place.account_id, row.id, place.key)
    deletion = records.OutgoingDeletion(
        id=secrets.token_hex(16), conversation=place.conversation, message=place.key, everyone=everyone
    )
    _accept(conn, viewer, place, row.id, Correction(key=place.key, at=now, before=before, deletion=deletion),
            mutation, recorder, now, key)  # fmt: skip


def _accept(
    conn: Connection,
    viewer: str,
    place: Place,
    message_id: str,
    correction: Correction,
    mutation: str,
    recorder: Recorder,
    now: datetime,
    key: str | None,
) -> None:
    corrections.apply(conn, viewer, place.account_id, message_id, correction, recorder, now)
    outbox.add(
        conn, viewer, account_id=place.account_id, kind=KIND, mutation=mutation, node_ids=[message_id], now=now, key=key,
        request=corrections.encoded(correction), lane=f"{KIND}:{message_id}",
    )  # fmt: skip


def _message(conn: Connection, viewer: str, message_id: str) -> Any:
    """Raises Mistaken for what is no message of the viewer's."""
    row = conn.execute(select(message).where(message.c.viewer_id == viewer, message.c.id == message_id)).one_or_none()
    if row is None:
        if ids.kind_of(message_id) in (None, "MESSAGE"):
            raise Mistaken(not_found(message_id, *_FIELD))
        raise _refused("WRONG_KIND", "This is no message.", message_id)
    return row


def _place(conn: Connection, viewer: str, providers: Mapping[str, Provider], row: Any, wanted: Capability) -> Place:
    """Where a message can be edited or deleted. Raises Mistaken with the reason of the first place where it cannot."""
    s, a = message_source.c, account.c
    places = conn.execute(
        select(s.account_id, s.key, a.provider, a.status, a.mode, a.base_url, a.granted_scopes)
        .join(account, sa.and_(a.viewer_id == s.viewer_id, a.id == s.account_id))
        # until its network has told the key of what was sent from here, only the outbox has it
        .where(s.viewer_id == viewer, s.message_id == row.id, ~s.key.startswith(PREFIX))
        .order_by(s.account_id, s.key)
    ).all()
    refusals: list[Mistaken] = []
    for found in places:
        provider = providers.get(found.provider)
        conversation = thread_of(conn, viewer, row, found.account_id)
        unable = _UNKNOWN if provider is None else _unable(provider, found, wanted)
        if provider is None or unable is not None:
            refusals.append(_refused(*(unable or _UNKNOWN), row.id))
        elif conversation is not None:
            return Place(account_id=found.account_id, provider=provider, conversation=conversation, key=found.key)
    if refusals:
        raise refusals[0]
    text = "This message came without the conversation that it is in: nothing can be done to it there."
    if not places:
        text = "This message has not left yet: take it back with undoSend, and send another one."
    raise _refused("NOT_WRITABLE", text, row.id)


def _unable(provider: Provider, place: Any, wanted: Capability) -> tuple[str, str] | None:
    """Why an account cannot do it, as code and sentence."""
    if not provider.follows(place.base_url):
        return "UNSUPPORTED", f"This message only came from files, where nothing can be {_DONE[wanted]}."
    if wanted not in provider.capabilities or place.mode == "LIVE":
        if provider.kind == "MAIL":
            return "UNSUPPORTED", _MAIL[wanted]
        return "UNSUPPORTED", f"{provider.name} does not let messages be {_DONE[wanted]} from here."
    if place.status in ("PAUSED", "UNLINKING"):
        return "NOT_WRITABLE", "Its account is paused or being unlinked."
    if not provider.may(wanted, place.granted_scopes.split()):
        text = f"This was not allowed when {provider.name} was linked: authorise the account again with beginLink and accountId."
        return "REAUTH_REQUIRED", text
    return None


def _check_reach(provider: Provider, row: Any, everyone: bool) -> None:
    """Raises Mistaken for whom the network does not delete messages."""
    if everyone and "EVERYONE" not in provider.deletes:
        text = f"{provider.name} deletes messages for you alone: ask without forEveryone, and the others keep it."
        raise Mistaken(NodeMistake(code="UNSUPPORTED", message=text, field=("forEveryone",), node_id=row.id))
    if not everyone and "ONESELF" not in provider.deletes:
        text = f"{provider.name} deletes messages for everybody or not at all: say so with forEveryone: true."
        raise Mistaken(NodeMistake(code="UNSUPPORTED", message=text, field=("forEveryone",), node_id=row.id))
    if everyone and row.direction != "OUTBOUND" and not provider.moderates:
        raise _refused("NOT_WRITABLE", "Only those who wrote a message can delete it for everybody.", row.id)


def _refused(code: str, text: str, message_id: str) -> Mistaken:
    return Mistaken(NodeMistake(code=code, message=text, field=_FIELD, node_id=message_id))
