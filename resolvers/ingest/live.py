"""Conversations and messages that are only read live: their keys, moments and members are kept, never their content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations
from resolvers.ingest.contacts import Correspondent, put_correspondents, upsert
from resolvers.ingest.messages import put_messages
from resolvers.ingest.target import Target
from store import ids
from store.feed import Recorder
from store.tables import conversation, conversation_source, message


def take_in_heads(
    conn: Connection, viewer: str, target: Target, heads: Sequence[records.ConversationHead], recorder: Recorder, now: datetime
) -> dict[str, str]:
    """Keep the keys of live conversations and of their latest messages: the network's key → conversation id."""
    found: dict[str, str] = {}
    members = []
    people = [
        Correspondent(kind=p.kind, address=p.address, name=p.name, provider=p.provider, url=p.url, key=p.key)
        for head in heads
        for p in head.participants
        if p.address.casefold() not in target.own
    ]
    contacts = put_correspondents(conn, viewer, target, people, recorder, now)
    rows, sources = [], []
    for head in heads:
        conversation_id = ids.derive("CONVERSATION", target.account_id, head.key)
        found[head.key] = conversation_id
        rows.append(
            {"viewer_id": viewer, "id": conversation_id, "kind": head.kind, "last_activity_at": head.last_activity_at, "live": True,
             "created_at": now, "unread_count": None, "flags": "UNREAD" if head.unread else "", "url": head.url,
             "category": head.last_message.category if head.last_message else "PERSONAL", "version": None}
        )  # fmt: skip
        sources.append(
            {"viewer_id": viewer, "conversation_id": conversation_id, "account_id": target.account_id, "key": head.key}
        )
        members += [
            {"viewer_id": viewer, "conversation_id": conversation_id, "kind": p.kind, "address": p.address, "name": p.name,
             "role": p.role, "contact_id": contacts.get((p.kind, p.address)), "last_active_at": head.last_activity_at}
            for p in head.participants if p.address.casefold() not in target.own
        ]  # fmt: skip
    upsert(conn, conversation, rows, ["id"], ["kind", "last_activity_at", "flags", "url", "category"])
    upsert(conn, conversation_source, sources, ["conversation_id", "account_id", "key"])
    conversations.add_members(conn, viewer, members)
    latest = [head.last_message for head in heads if head.last_message is not None]
    if latest:
        take_in_messages(conn, viewer, target, latest, recorder, now)
    return found


def take_in_messages(
    conn: Connection, viewer: str, target: Target, items: Sequence[records.Message], recorder: Recorder, now: datetime
) -> list[str]:
    """Keep the keys of live messages; their ids in order. Points their conversations at the latest one."""
    results = put_messages(conn, viewer, target, items, recorder, now)
    touched = {ids.derive("CONVERSATION", target.account_id, i.conversation_key) for i in items if i.conversation_key is not None}
    for conversation_id in sorted(touched):
        last = conn.execute(
            select(message.c.id).where(message.c.viewer_id == viewer, message.c.conversation_id == conversation_id)
            .order_by(message.c.sent_at.desc(), message.c.id.desc()).limit(1)
        ).scalar_one_or_none()  # fmt: skip
        conn.execute(
            sa.update(conversation).where(conversation.c.viewer_id == viewer, conversation.c.id == conversation_id)
            .values(last_message_id=last)
        )  # fmt: skip
    return [r.node_id for r in results if r.node_id is not None]
