"""Marks that were set here and are on their way to their source, and what a message shows meanwhile.

A marking is the request of a write in the outbox (kind `mark`): the messages of one account, what is set on them, and what their
source said before. Until it is settled it lies over what the source says, which is kept in it, so that a refused one leaves no trace.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from store import outbox
from store.tables import conversation_source, message, message_source

KIND: Final = "mark"
Item = TypeVar("Item", records.Message, records.MessageState)


class Before(msgspec.Struct, frozen=True, array_like=True):
    """The state of a message as its source said it last."""

    unread: bool | None
    flagged: bool
    role: records.FolderRole | None = None
    label_keys: tuple[str, ...] | None = None


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """The request: messages by key, with what they were before."""

    marking: records.Marking
    before: dict[str, Before]


def encoded(marked: Marked) -> bytes:
    return msgspec.msgpack.encode(marked)


def decoded(request: bytes) -> Marked:
    return msgspec.msgpack.decode(request, type=Marked)


def over(conn: Connection, viewer: str, account_id: str, items: Sequence[Item]) -> list[Item]:
    """What a source says of messages, with the marks over it that are on their way there."""
    if not items:
        return []
    found = list(items)
    for write in outbox.unsettled_at(conn, viewer, KIND, account_id):
        if write.request is None:
            continue
        request = decoded(write.request)
        said: dict[str, Before] = {}
        for n, item in enumerate(found):
            if item.key in request.before:
                said[item.key] = Before(item.unread, item.flagged, item.role, item.label_keys)
                found[n] = applied(item, request.marking)
        if any(request.before[key] != now for key, now in said.items()):
            later = msgspec.structs.replace(request, before={**request.before, **said})
            outbox.amend(conn, viewer, write.id, encoded(later))
    return found


def applied(item: Item, marking: records.Marking) -> Item:
    """An item with the marks set; a source that keeps no read state keeps none."""
    unread = item.unread if marking.unread is None or item.unread is None else marking.unread
    flagged = item.flagged if marking.flagged is None else marking.flagged
    role = item.role if marking.role is None else marking.role
    labels = labelled(item.label_keys, marking)
    return msgspec.structs.replace(item, unread=unread, flagged=flagged, role=role, label_keys=labels)


def labelled(keys: tuple[str, ...] | None, marking: records.Marking) -> tuple[str, ...] | None:
    """The labels of a place with the marks set."""
    return None if keys is None else tuple(sorted({*keys} - {*marking.removed} | {*marking.added}))


def latest_read(conn: Connection, viewer: str, account_id: str, keys: Collection[str]) -> dict[str, str]:
    """Of these messages the latest of each conversation: the account's key of the conversation → of the message."""
    s, m, c = message_source.c, message.c, conversation_source.c
    rows = conn.execute(
        select(c.key, s.key.label("latest"))
        .select_from(message_source)
        .join(message, sa.and_(m.viewer_id == s.viewer_id, m.id == s.message_id))
        .join(conversation_source, sa.and_(c.viewer_id == m.viewer_id, c.conversation_id == m.conversation_id,
                                           c.account_id == s.account_id))
        .where(s.viewer_id == viewer, s.account_id == account_id, s.key.in_(sorted(keys)))
        .order_by(m.sent_at, m.id)
    )  # fmt: skip
    return {row.key: row.latest for row in rows}


def moves(step: bytes) -> dict[str, records.Moved]:
    """Where a settled write has put messages, by the keys that they had."""
    return msgspec.msgpack.decode(step, type=dict[str, records.Moved])


def rename(conn: Connection, viewer: str, account_id: str, keys: Mapping[str, str]) -> None:
    """Messages have other keys now, also in what is still on its way."""
    for write in outbox.unsettled_at(conn, viewer, KIND, account_id):
        request = decoded(write.request or b"") if write.request else None
        if request is not None and not keys.keys().isdisjoint(request.before):
            before = {keys.get(key, key): state for key, state in request.before.items()}
            outbox.amend(conn, viewer, write.id, encoded(msgspec.structs.replace(request, before=before)))
