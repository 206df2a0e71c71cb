"""What a mirrored network says of conversations as a whole: the name of a room, what it is, and who is in it without writing.

A conversation is there once a message of it is; what is said before that is said again by its adapter beside the first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations
from resolvers.ingest.contacts import Correspondent, correspondent_key, put_correspondents
from resolvers.ingest.findable import index_conversations
from resolvers.ingest.target import Result, Target
from store import ids
from store.feed import Recorder
from store.tables import conversation, conversation_member


def put_heads(
    conn: Connection, viewer: str, target: Target, heads: Sequence[records.ConversationHead], recorder: Recorder, now: datetime
) -> list[Result]:
    """Write names, kinds and members; one result each, in order. UNCHANGED where there is no message yet, or nothing new."""
    wanted = {ids.derive("CONVERSATION", target.account_id, head.key): head for head in heads}
    known = {
        row.id: row
        for row in conn.execute(
            select(conversation).where(conversation.c.viewer_id == viewer, conversation.c.id.in_(sorted(wanted)))
        )
    }
    told: set[str] = set()
    for conversation_id, head in wanted.items():
        row = known.get(conversation_id)
        if row is None:
            continue
        subject = head.subject if head.whole or head.subject is not None else row.subject
        values = {"kind": head.kind, "subject": subject, "url": head.url}
        changed = any(getattr(row, name) != value for name, value in values.items())
        if not _members(conn, viewer, target, conversation_id, head, recorder, now) and not changed:
            continue
        told.add(conversation_id)
        version = (row.version or 0) + 1
        conn.execute(
            sa.update(conversation)
            .where(conversation.c.viewer_id == viewer, conversation.c.id == conversation_id)
            .values(**values, version=version)
        )
        recorder.upsert("CONVERSATION", conversation_id, version)
    index_conversations(conn, viewer, told)
    results = []
    for head in heads:
        conversation_id = ids.derive("CONVERSATION", target.account_id, head.key)
        outcome: records.Outcome = "UPDATED" if conversation_id in told else "UNCHANGED"
        results.append(Result(outcome=outcome, node_id=conversation_id if conversation_id in known else None))
    return results


def _members(
    conn: Connection,
    viewer: str,
    target: Target,
    conversation_id: str,
    head: records.ConversationHead,
    recorder: Recorder,
    now: datetime,
) -> bool:
    """Bring those who are in it without writing up to date; whether anybody came, left or has another name or handle."""
    others = {(p.kind, p.address): p for p in head.participants if p.address.casefold() not in target.own}
    contacts = {
        key: ids.derive("CONTACT", target.account_id, correspondent_key(p.kind, p.address, p.key)) for key, p in others.items()
    }
    mine = conversation_member.c
    held = {
        (row.kind, row.address): row
        for row in conn.execute(
            select(conversation_member).where(mine.viewer_id == viewer, mine.conversation_id == conversation_id)
        )
    }
    handles = {row.contact_id: row for row in held.values() if row.kind == "HANDLE" and row.contact_id is not None}
    known = {
        key: held.get(key) or (handles.get(contacts[key]) if p.kind == "HANDLE" else None) for key, p in others.items()
    }  # also who is known by another handle
    still = {row.address for row in known.values() if row is not None}
    left = [
        row for row in held.values()
        if head.whole and row.role in conversations.STANDING and row.address not in still
    ]  # fmt: skip
    conversations.drop_members(conn, viewer, left)
    new = [p for key, p in others.items() if _is_news(p, known[key], beneath=target.beneath)]
    if new:
        conversations.drop_members(conn, viewer, [row for p in new if (row := known[p.kind, p.address]) is not None])
        people = [
            Correspondent(kind=p.kind, address=p.address, name=p.name, provider=p.provider, url=p.url, key=p.key) for p in new
        ]
        put_correspondents(conn, viewer, target, people, recorder, now)
        rows = []
        for p in new:
            old = known[p.kind, p.address]
            rows.append(
                {"viewer_id": viewer, "conversation_id": conversation_id, "kind": p.kind,
                 "address": p.address, "name": p.name or ("" if old is None else old.name),
                 "role": p.role if old is None else old.role, "contact_id": contacts[p.kind, p.address],
                 "last_active_at": head.last_activity_at if old is None else old.last_active_at}
            )  # fmt: skip
        conversations.put_members(conn, rows)
    return bool(left or new)


def _is_news(told: records.Participant, known: Any, *, beneath: bool) -> bool:
    """Whether somebody (`known`, their row) is new, or called otherwise by who counts more."""
    if known is None:
        return True
    other = known.address != told.address or bool(told.name and known.name != told.name)
    return other and conversations.outranks(told.name, known.name, beneath=beneath)
