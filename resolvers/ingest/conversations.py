"""Conversation rows are sums over their messages: counts, latest message, members, flags. Rebuilt for those touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import whereabouts
from resolvers.ingest.contacts import upsert
from resolvers.ingest.findable import index_conversations
from store import search_index
from store.feed import Recorder
from store.tables import (
    conversation,
    conversation_member,
    conversation_source,
    message,
    message_participant,
    message_source,
    thread_reference,
)

ASKED_AT_ONCE: Final = 500  # messages of a statement
#: What is summed up over a conversation's messages.
SUMS: Final = (
    "subject",
    "last_activity_at",
    "message_count",
    "unread_count",
    "last_message_id",
    "category",
    "flags",
    "redirect_to",
    "live",
)
_WANTED: Final = sa.and_(
    message.c.viewer_id == sa.bindparam("viewer"), message.c.conversation_id.in_(sa.bindparam("wanted", expanding=True))
)
_RANK: Final = (message.c.sent_at, message.c.id)
_NUMBERED: Final = (
    select(
        message.c.conversation_id, message.c.id, message.c.subject, message.c.category,
        sa.func.row_number().over(partition_by=message.c.conversation_id, order_by=_RANK).label("up"),
        sa.func.row_number().over(partition_by=message.c.conversation_id, order_by=[c.desc() for c in _RANK]).label("down"),
    )
    .where(_WANTED)
    .subquery()
)  # fmt: skip
# made once: to build it takes longer than to run it
_ENDS: Final = select(_NUMBERED).where(sa.or_(_NUMBERED.c.up == 1, _NUMBERED.c.down == 1))

#: Roles that somebody has in a conversation without writing or being written to.
STANDING: Final = ("MEMBER", "OWNER")


def join(conn: Connection, viewer: str, joined: Mapping[str, str], recorder: Recorder) -> None:
    """Move everything of absorbed conversations to their survivors; the absorbed ids lead there from now on."""
    for absorbed, survivor in sorted(joined.items()):
        exists = conn.execute(
            select(conversation.c.id).where(conversation.c.viewer_id == viewer, conversation.c.id == absorbed)
        ).one_or_none()
        conn.execute(
            sa.update(message).where(message.c.viewer_id == viewer, message.c.conversation_id == absorbed)
            .values(conversation_id=survivor)
        )  # fmt: skip
        for table in (conversation_source, conversation_member):
            rows = [
                {**row._mapping, "conversation_id": survivor}
                for row in conn.execute(select(table).where(table.c.viewer_id == viewer, table.c.conversation_id == absorbed))
            ]
            conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, table.c.conversation_id == absorbed))
            key = [c.name for c in table.primary_key if c.name != "viewer_id"]
            upsert(conn, table, rows, key)
        theirs = sa.or_(conversation.c.id == absorbed, conversation.c.redirect_to == absorbed)
        conn.execute(sa.update(conversation).where(conversation.c.viewer_id == viewer, theirs).values(redirect_to=survivor))
        search_index.drop(conn, viewer, [absorbed])
        if exists is not None:
            recorder.merge("CONVERSATION", survivor, [absorbed])


def rebuild(
    conn: Connection,
    viewer: str,
    touched: Collection[str],
    recorder: Recorder,
    now: datetime,
    *,
    kinds: Mapping[str, records.ConversationKind] | None = None,
    reason: str = "DELETED",
) -> None:
    """Sum up the mirrored messages of these conversations; make missing rows, delete empty ones, tell the feed.

    `kinds` says what new ones are where they are no threads of mail, `reason` why empty ones go.
    """
    if not touched:
        return
    wanted = sorted(touched)
    sums = {
        r.conversation_id: r
        for r in conn.execute(
            select(message.c.conversation_id, sa.func.count().label("n"), sa.func.max(message.c.sent_at).label("latest"),
                   sa.func.min(message.c.sent_at).label("first"))
            .where(message.c.viewer_id == viewer, message.c.conversation_id.in_(wanted)).group_by(message.c.conversation_id)
        )
    }  # fmt: skip
    ends = _ends(conn, viewer, wanted)
    unread, flags = _states(conn, viewer, wanted)
    known = {
        r.id: r
        for r in conn.execute(select(conversation).where(conversation.c.viewer_id == viewer, conversation.c.id.in_(wanted)))
    }
    living: list[str] = []
    lines: list[dict[str, Any]] = []
    for conversation_id in wanted:
        row, total = known.get(conversation_id), sums.get(conversation_id)
        if total is None:
            if row is not None and row.redirect_to is None:
                delete(conn, viewer, conversation_id, recorder, reason)
            continue
        first, last = ends[conversation_id]
        waiting = unread.get(conversation_id)
        state = sorted({*flags.get(conversation_id, ()), *(["UNREAD"] if waiting else [])})
        values = {
            "subject": first.subject or (row.subject if row is not None and row.kind != "EMAIL_THREAD" else None),
            "last_activity_at": total.latest, "message_count": total.n, "unread_count": waiting,
            "last_message_id": last.id, "category": last.category, "flags": " ".join(state), "redirect_to": None, "live": False,
        }  # fmt: skip
        living.append(conversation_id)
        if row is not None and all(getattr(row, name) == value for name, value in values.items()):
            continue
        version = 1 if row is None else (row.version or 0) + 1
        lines.append(
            {
                "viewer_id": viewer,
                "id": conversation_id,
                "kind": (kinds or {}).get(conversation_id, "EMAIL_THREAD"),
                "created_at": now,
                "version": version,
                **values,
            }
        )
        recorder.upsert("CONVERSATION", conversation_id, version, created=row is None)
    upsert(conn, conversation, lines, ["id"], [*SUMS, "version"])
    index_conversations(conn, viewer, living)


def add_members(conn: Connection, viewer: str, rows: Sequence[dict[str, Any]]) -> None:
    """Remember who takes part, with the latest moment at which they did; `rows` hold the columns of conversation_member."""
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = row["conversation_id"], row["kind"], row["address"]
        old = latest.get(key)
        if old is None or row["last_active_at"] > old["last_active_at"]:
            latest[key] = row | ({"name": old["name"]} if old is not None and not row["name"] else {})
        elif not old["name"]:
            old["name"] = row["name"]
    conversation_ids = sorted({key[0] for key in latest})
    known = {
        (r.conversation_id, r.kind, r.address): r
        for r in conn.execute(
            select(conversation_member).where(
                conversation_member.c.viewer_id == viewer, conversation_member.c.conversation_id.in_(conversation_ids)
            )
        )
    }
    newer = []
    for key, row in latest.items():
        old_row = known.get(key)
        if old_row is None or row["last_active_at"] > old_row.last_active_at or old_row.contact_id != row["contact_id"]:
            kept_at = row["last_active_at"] if old_row is None else max(row["last_active_at"], old_row.last_active_at)
            newer.append(row | {"last_active_at": kept_at, "name": row["name"] or (old_row.name if old_row is not None else "")})
    put_members(conn, newer)


def put_members(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of conversation_member as they are."""
    key, values = ["conversation_id", "kind", "address"], ["name", "role", "contact_id", "last_active_at"]
    upsert(conn, conversation_member, rows, key, values)


def delete(conn: Connection, viewer: str, conversation_id: str, recorder: Recorder, reason: str = "DELETED") -> None:
    """Drop a conversation that has no messages left, and the ids that led to it."""
    for table in (conversation_source, conversation_member):
        conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, table.c.conversation_id == conversation_id))
    theirs = sa.or_(conversation.c.id == conversation_id, conversation.c.redirect_to == conversation_id)
    conn.execute(sa.delete(conversation).where(conversation.c.viewer_id == viewer, theirs))
    if reason == "UNLINKED":  # a mail that was only deleted may come back, and belongs where it was
        conn.execute(
            sa.delete(thread_reference).where(
                thread_reference.c.viewer_id == viewer, thread_reference.c.conversation_id == conversation_id
            )
        )
    search_index.drop(conn, viewer, [conversation_id])
    recorder.delete("CONVERSATION", conversation_id, reason=reason)


def rebuild_members(conn: Connection, viewer: str, conversation_ids: Collection[str]) -> None:
    """After messages went: only those stay members who are on a message that is left, or of whom the network says so."""
    for conversation_id in sorted(conversation_ids):
        still = (
            select(message_participant.c.kind, message_participant.c.address)
            .join(
                message,
                sa.and_(message.c.viewer_id == message_participant.c.viewer_id, message.c.id == message_participant.c.message_id),
            )
            .where(message.c.viewer_id == viewer, message.c.conversation_id == conversation_id)
        )
        there = {(r.kind, r.address) for r in conn.execute(still)}
        mine = conversation_member.c
        for r in conn.execute(
            select(mine.kind, mine.address).where(
                mine.viewer_id == viewer, mine.conversation_id == conversation_id, mine.role.not_in(STANDING)
            )
        ).all():
            if (r.kind, r.address) not in there:
                conn.execute(
                    sa.delete(conversation_member).where(
                        mine.viewer_id == viewer,
                        mine.conversation_id == conversation_id,
                        mine.kind == r.kind,
                        mine.address == r.address,
                    )
                )


def _ends(conn: Connection, viewer: str, wanted: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """The first and the last message of each conversation, by (sent_at, id)."""
    found: dict[str, tuple[Any, Any]] = {}
    firsts: dict[str, Any] = {}
    lasts: dict[str, Any] = {}
    for row in conn.execute(_ENDS, {"viewer": viewer, "wanted": wanted}):
        if row.up == 1:
            firsts[row.conversation_id] = row
        if row.down == 1:
            lasts[row.conversation_id] = row
    for conversation_id, first in firsts.items():
        found[conversation_id] = (first, lasts[conversation_id])
    return found


def _states(conn: Connection, viewer: str, wanted: Sequence[str]) -> tuple[dict[str, int], dict[str, set[str]]]:
    """By conversation: how many messages are unread in all their sources, where any keeps read state; and the flags.

    In two steps: of a join SQLite, which knows no figures of the tables, walks through all sources that the viewer has.
    """
    mine = select(message.c.id, message.c.conversation_id, message.c.flags, message.c.direction)
    held = {row.id: row for row in conn.execute(mine.where(message.c.viewer_id == viewer, message.c.conversation_id.in_(wanted)))}
    state = sa.case((message_source.c.unread.is_(None), None), (message_source.c.unread, 1), else_=0)
    found: dict[str, int] = {}
    placed: dict[str, list[tuple[bool, list[str]]]] = defaultdict(list)
    ids = sorted(held)
    for n in range(0, len(ids), ASKED_AT_ONCE):
        of_part = (message_source.c.viewer_id == viewer, message_source.c.message_id.in_(ids[n : n + ASKED_AT_ONCE]))
        columns = (
            message_source.c.message_id,
            sa.func.min(state).label("unread"),
            sa.func.max(message_source.c.role).label("role"),
        )
        for row in conn.execute(select(*columns).where(*of_part).group_by(message_source.c.message_id)):
            of = held[row.message_id]
            if row.unread is not None:
                found[of.conversation_id] = found.get(of.conversation_id, 0) + int(row.unread)
            if row.role is not None:
                placed[of.conversation_id].append((of.direction == "OUTBOUND", of.flags.split()))
    flags: dict[str, set[str]] = defaultdict(set)
    for one in held.values():
        flags[one.conversation_id].update(flag for flag in one.flags.split() if flag in ("FLAGGED", "DRAFT"))
    for conversation_id, messages in placed.items():
        flags[conversation_id] |= whereabouts.of_conversation(messages)
    return found, flags
