"""Who is on a message, where each source of an account knows only some: of a group the network may name those who have written, its archive
everybody.

Both are brought together, in whichever order they come: as the network has it first, then whom only files name. Nobody is on a message
twice, under whatever address each source knows them. Only for networks whose account is made of both (`Target.gathers`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations, findable, tallies
from resolvers.ingest.messages import correspondents, hear, participant_rows
from resolvers.ingest.target import Target
from store.among import among, asked
from store.feed import Recorder
from store.rows import insert
from store.tables import conversation, message, message_participant

_COLUMNS: Final = ("role", "kind", "address", "name", "contact_id")
_HELD: Final = (
    select(message_participant).where(among(message_participant.c.message_id))
    .order_by(message_participant.c.message_id, message_participant.c.position)
)  # fmt: skip
_MESSAGES: Final = select(
    message.c.id, message.c.conversation_id, message.c.version, message.c.category, message.c.direction, message.c.sent_at
).where(among(message.c.id))


def gather(
    conn: Connection, viewer: str, target: Target, told: Mapping[str, records.Message], recorder: Recorder, now: datetime
) -> set[str]:
    """Bring together who is on stored messages and whom a source names now (id → what it tells); the ids of those that have others now."""
    held: dict[str, list[dict[str, Any]]] = {message_id: [] for message_id in told}
    for row in conn.execute(_HELD, asked(viewer, told)):
        held[row.message_id].append(dict(row._mapping))
    contacts = correspondents(conn, viewer, target, list(told.values()), recorder, now)
    changed: dict[str, list[dict[str, Any]]] = {}
    for message_id, item in told.items():
        named = participant_rows(viewer, message_id, item, target, contacts)
        before = held[message_id]
        after = _together(before, named, target.own) if target.beneath else _together(named, before, target.own)
        if [_shown(row) for row in after] != [_shown(row) for row in before]:
            changed[message_id] = [row | {"position": n} for n, row in enumerate(after)]
    if changed:
        _write(conn, viewer, target, held, changed, recorder)
    return set(changed)


def _write(
    conn: Connection,
    viewer: str,
    target: Target,
    before: Mapping[str, Sequence[dict[str, Any]]],
    changed: Mapping[str, Sequence[dict[str, Any]]],
    recorder: Recorder,
) -> None:
    conn.execute(sa.delete(message_participant).where(among(message_participant.c.message_id)), asked(viewer, changed))
    insert(conn, message_participant, [row for rows in changed.values() for row in rows])
    members: list[dict[str, Any]] = []
    heard: dict[str, datetime] = {}
    touched: set[str] = set()
    for row in conn.execute(_MESSAGES, asked(viewer, changed)).all():
        version = (row.version or 0) + 1
        conn.execute(sa.update(message).where(message.c.viewer_id == viewer, message.c.id == row.id).values(version=version))
        recorder.upsert("MESSAGE", row.id, version, fields=("recipients", "recipientCount"))
        touched.add(row.conversation_id)
        known = {each["contact_id"] for each in before[row.id]}
        for each in changed[row.id]:
            if each["role"] == "REPLY_TO" or each["address"].casefold() in target.own:
                continue
            members.append(
                {"viewer_id": viewer, "conversation_id": row.conversation_id, "last_active_at": row.sent_at}
                | {name: each[name] for name in _COLUMNS}
            )
            whose = each["contact_id"]
            if whose is not None and whose not in known and row.category == "PERSONAL" and row.direction != "BETWEEN_OTHERS":
                heard[whose] = max(row.sent_at, heard.get(whose, row.sent_at))
    conversations.add_members(conn, viewer, members, beneath=target.beneath)
    hear(conn, viewer, heard)
    tallies.mark_messages(conn, viewer, changed.keys())
    findable.index_messages(conn, viewer, changed.keys())
    findable.index_conversations(conn, viewer, touched)
    again = (
        sa.update(conversation).where(among(conversation.c.id)).values(version=sa.func.coalesce(conversation.c.version, 0) + 1)
        .returning(conversation.c.id, conversation.c.version)
    )  # fmt: skip
    for told in conn.execute(again, asked(viewer, touched)).all():
        recorder.upsert("CONVERSATION", told.id, told.version)


def _together(first: Sequence[dict[str, Any]], more: Sequence[dict[str, Any]], own: frozenset[str]) -> list[dict[str, Any]]:
    """All of `first`, called as in `more` where it has no name, then who is in `more` alone."""
    called = {_who(row, own): {"address": row["address"], "name": row["name"]} for row in more if row["name"]}
    found = [row if row["name"] else row | called.get(_who(row, own), {}) for row in first]
    known = {_who(row, own) for row in first}
    return [*found, *(row for row in more if _who(row, own) not in known)]


def _who(row: Mapping[str, Any], own: frozenset[str]) -> Hashable:
    """Somebody, under whatever address."""
    if row["address"].casefold() in own:
        return "own"
    return row["contact_id"] or (row["kind"], row["address"])


def _shown(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _COLUMNS)
