"""What a mirrored network says of conversations as a whole: the name of a room, what it is, and who is in it without writing.

A conversation is there once a message of it is; what is said before that is said again by its adapter beside the first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations
from resolvers.ingest.contacts import Correspondent, put_correspondents
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
    """Bring those who are in it without writing up to date; whether anybody came, left or has another name."""
    others = {(p.kind, p.address): p for p in head.participants if p.address.casefold() not in target.own}
    mine = conversation_member.c
    held = {
        (row.kind, row.address): row
        for row in conn.execute(
            select(conversation_member).where(mine.viewer_id == viewer, mine.conversation_id == conversation_id)
        )
    }
    left = [key for key, row in held.items() if head.whole and row.role in conversations.STANDING and key not in others]
    for kind, address in left:
        conn.execute(
            sa.delete(conversation_member).where(
                mine.viewer_id == viewer, mine.conversation_id == conversation_id, mine.kind == kind, mine.address == address
            )
        )
    new = [p for key, p in others.items() if key not in held or (p.name and held[key].name != p.name)]
    if new:
        people = [
            Correspondent(kind=p.kind, address=p.address, name=p.name, provider=p.provider, url=p.url, key=p.key) for p in new
        ]
        contacts = put_correspondents(conn, viewer, target, people, recorder, now)
        rows = []
        for p in new:
            old = held.get((p.kind, p.address))
            rows.append(
                {"viewer_id": viewer, "conversation_id": conversation_id, "kind": p.kind, "address": p.address, "name": p.name,
                 "role": p.role if old is None else old.role, "contact_id": contacts.get((p.kind, p.address)),
                 "last_active_at": head.last_activity_at if old is None else old.last_active_at}
            )  # fmt: skip
        conversations.put_members(conn, rows)
    return bool(left or new)
