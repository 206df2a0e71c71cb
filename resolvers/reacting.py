"""Reacting to messages: shown here at once, at the network by the outbox after, taken back if it is refused there.

Until the network has named a reaction it is known by the key `outbox:…`; whatever a sync tells of it meanwhile is the same person with
the same sign and counts once. Doing it twice is doing it once; what got no answer at all for days stays in doubt, until a sync shows what
became of it (`ingest/doubts.py`).
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import Provider
from resolvers.composing import own_handles, thread_of
from resolvers.ingest import reactions
from resolvers.ingest.doubts import REACT, Reacting
from resolvers.ingest.reactions import MAX_EMOJI
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import outbox
from store.feed import Recorder
from store.tables import account, message, message_source, reaction

KIND: Final = REACT


async def react(operation: Operation, message_id: str, emoji: str, remove: bool, key: str | None) -> Payload:
    """Add the viewer's reaction to a message, or take it back. What is so already is answered as done."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        sign = _checked(emoji)
        place = _place(conn, viewer, operation.services.providers, message_id)
        r = reaction.c
        given = conn.execute(
            select(r.key, r.emoji, r.at).where(
                r.viewer_id == viewer, r.account_id == place.account_id, r.message_key == place.key, r.address == place.own
            )
        ).all()
        mine = [row for row in given if row.emoji == sign]
        if bool(mine) is not remove:
            return Answer(node_id=message_id)
        ours = records.Reaction(
            emoji=sign, key=f"{reactions.OURS}{secrets.token_hex(16)}", at=now,
            participant=records.Participant(role="MEMBER", address=place.own, kind="HANDLE", provider=place.provider, key=place.own),
        )  # fmt: skip
        replaced = [row for row in given if row.emoji != sign] if place.single and not remove else []
        taken = tuple(msgspec.structs.replace(ours, key=row.key, emoji=row.emoji, at=row.at) for row in [*mine, *replaced])
        outgoing = records.OutgoingReaction(
            id=(ours.key or "").removeprefix(reactions.OURS), conversation=place.conversation, message=place.key, emoji=sign,
            remove=remove, keys=tuple(row.key for row in mine),
        )  # fmt: skip
        if remove and (leaving := [row.key for row in mine if row.key.startswith(reactions.OURS)]):
            _cancel(conn, viewer, message_id, leaving, operation)
            reactions.withdraw(conn, viewer, place.account_id, leaving, recorder)
            return Answer(node_id=message_id)
        if remove:
            reactions.withdraw(conn, viewer, place.account_id, [row.key for row in mine], recorder)
        else:
            reactions.withdraw(conn, viewer, place.account_id, [row.key for row in replaced], recorder)
            reactions.restore(conn, viewer, place.account_id, place.key, [ours], recorder)
        outbox.add(
            conn, viewer, account_id=place.account_id, kind=KIND, mutation="react", node_ids=[message_id], now=now, key=key,
            request=msgspec.msgpack.encode(Reacting(outgoing=outgoing, key=ours.key or "", taken=taken)),
            lane=f"{KIND}:{message_id}",
        )  # fmt: skip
        return Answer(node_id=message_id)

    done = await perform(operation, "react", key, [message_id, emoji, remove], write)
    return payload(operation, done, message_id="node_id")


def _cancel(conn: Connection, viewer: str, message_id: str, keys: Sequence[str], operation: Operation) -> None:
    """Take back what has not left yet. Raises Mistaken for what is just leaving."""
    for write in outbox.unsettled(conn, viewer, KIND, [message_id]):
        if decoded(write).key in keys and not outbox.cancel(conn, viewer, write.id, operation.now()):
            text = "This reaction is just leaving: take it back when it is there."
            raise Mistaken(NodeMistake(code="TOO_LATE", message=text, field=("messageId",), node_id=message_id))


def settled(conn: Connection, viewer: str, write: outbox.Write, recorder: Recorder) -> None:
    """What the end of a write means here: its network's key for the reaction, or that all is as before."""
    if write.request is None:
        return
    request = decoded(write)
    place = request.outgoing.message
    undone = write.state in ("REFUSED", "UNCONFIRMED")
    if undone and request.outgoing.remove:
        reactions.restore(conn, viewer, write.account_id, place, request.taken, recorder)
    elif undone:
        reactions.withdraw(conn, viewer, write.account_id, [request.key], recorder)
        stood = [each for each in request.taken if not (each.key or "").startswith(reactions.OURS)]
        if stood:
            reactions.restore(conn, viewer, write.account_id, place, stood, recorder)


def named(conn: Connection, viewer: str, account_id: str, request: Reacting, key: str | None) -> None:
    """The network has the reaction, under a key of its own where it has such."""
    if not request.outgoing.remove:
        reactions.rename(conn, viewer, account_id, request.key, key)


def decoded(write: outbox.Write) -> Reacting:
    """The request of a write."""
    return msgspec.msgpack.decode(write.request or b"", type=Reacting)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message can be reacted to, and as whom. `single`: a reaction takes the place of the one before."""

    account_id: str
    provider: str
    conversation: str
    key: str
    own: str
    single: bool = False


def _checked(emoji: str) -> str:
    sign = emoji.strip()
    if not sign or len(sign) > MAX_EMOJI or any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in sign):
        text = f"A reaction is an emoji or a short name of at most {MAX_EMOJI} characters."
        raise Mistaken(Mistake(code="INVALID", message=text, field=("emoji",)))
    return sign


def _place(conn: Connection, viewer: str, providers: Mapping[str, Provider], message_id: str) -> Place:
    """Raises Mistaken where nobody can react."""
    field = ("messageId",)
    row = conn.execute(select(message).where(message.c.viewer_id == viewer, message.c.id == message_id)).one_or_none()
    if row is None:
        raise Mistaken(not_found(message_id, *field))
    if row.deleted_at is not None:
        raise Mistaken(NodeMistake(code="NOT_WRITABLE", message="This message was deleted.", field=field, node_id=message_id))
    s = message_source.c
    places = conn.execute(
        select(s.account_id, s.key, account.c.provider, account.c.status)
        .join(account, sa.and_(account.c.viewer_id == s.viewer_id, account.c.id == s.account_id))
        .where(s.viewer_id == viewer, s.message_id == message_id, s.container != outbox.CONTAINER)
        .order_by(s.account_id, s.key)
    ).all()
    for place in places:
        found = providers.get(place.provider)
        if found is None or "REACT" not in found.capabilities or place.status in ("PAUSED", "UNLINKING"):
            continue
        conversation, own = thread_of(conn, viewer, row, place.account_id), own_handles(conn, viewer, place.account_id)
        if conversation is not None and own:
            return Place(
                account_id=place.account_id, provider=place.provider, conversation=conversation, key=place.key, own=own[0],
                single=found.single_reaction,
            )  # fmt: skip
    raise Mistaken(_refusal(places, message_id))


def _refusal(places: Any, message_id: str) -> NodeMistake:
    text = "Nobody can react to this message: its network or account takes no reactions from here."
    if not places:
        text = "This message has not left yet: one can react to it when its network shows it."
    return NodeMistake(code="NOT_WRITABLE", message=text, field=("messageId",), node_id=message_id)
