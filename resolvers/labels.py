"""Folders and labels as they are shown: of an account, of a conversation, of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.ingest.states import keys_of
from store import ids
from store.tables import conversation_label, label, message_source

MAX_OF_ACCOUNT: Final = 2_000
MAX_SHOWN: Final = 100  # of a conversation or message
#: In which order labels are listed: those with a use first, then by name.
ORDER: Final = ("INBOX", "DRAFTS", "SENT", "ARCHIVE", "IMPORTANT", "ALL", "SPAM", "TRASH", "OTHER")
CUSTOM: Final = "CUSTOM"  # what the schema calls a folder or label that is for nothing special


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or label of an account."""

    id: str
    version: int
    account_id: str
    name: str
    role: str
    writable: bool


def of_row(row: Any) -> Label:
    """The label of a row."""
    role = CUSTOM if row.role == "OTHER" else row.role
    return Label(id=row.id, version=row.version, account_id=row.account_id, name=row.name, role=role, writable=row.writable)


def by_id(conn: Connection, viewer: str, label_ids: Sequence[str]) -> dict[str, Label]:
    """Labels by id."""
    rows = conn.execute(select(label).where(label.c.viewer_id == viewer, label.c.id.in_(label_ids)))
    return {row.id: of_row(row) for row in rows}


def of_accounts(conn: Connection, viewer: str, account_ids: Sequence[str]) -> dict[str, list[Label]]:
    """The labels of each account, those with a use first."""
    rows = conn.execute(select(label).where(label.c.viewer_id == viewer, label.c.account_id.in_(account_ids)))
    found: dict[str, list[Label]] = {account_id: [] for account_id in account_ids}
    for row in sorted(rows, key=_place):
        if len(found[row.account_id]) < MAX_OF_ACCOUNT:
            found[row.account_id].append(of_row(row))
    return found


def of_conversations(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, list[Label]]:
    """The labels of each conversation: those of any of its messages."""
    c = conversation_label.c
    rows = conn.execute(
        select(c.conversation_id, label)
        .join(label, sa.and_(label.c.viewer_id == c.viewer_id, label.c.id == c.label_id))
        .where(c.viewer_id == viewer, c.conversation_id.in_(conversation_ids))
    )
    return _shown(conversation_ids, [(row.conversation_id, row) for row in rows])


def of_messages(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, list[Label]]:
    """The labels of each message at any of its places."""
    s = message_source.c
    query = select(s.message_id, s.account_id, s.label_keys).where(s.viewer_id == viewer, s.message_id.in_(message_ids))
    borne = {
        (row.message_id, ids.derive("LABEL", row.account_id, key))
        for row in conn.execute(query)
        for key in keys_of(row.label_keys) or ()
    }
    wanted = sorted({label_id for _, label_id in borne})
    rows = {row.id: row for row in conn.execute(select(label).where(label.c.viewer_id == viewer, label.c.id.in_(wanted)))}
    return _shown(message_ids, [(message_id, rows[label_id]) for message_id, label_id in borne if label_id in rows])


def unread(conn: Connection, viewer: str, label_ids: Sequence[str]) -> dict[str, int]:
    """How many unread messages bear each label."""
    c = conversation_label.c
    rows = conn.execute(
        select(c.label_id, sa.func.sum(c.unread).label("n"))
        .where(c.viewer_id == viewer, c.label_id.in_(label_ids), c.unread > 0)
        .group_by(c.label_id)
    )
    found = {row.label_id: int(row.n) for row in rows}
    return {label_id: found.get(label_id, 0) for label_id in label_ids}


def with_roles(conn: Connection, viewer: str, roles: Sequence[str]) -> list[str]:
    """The ids of the labels that are for any of these, as the schema calls them."""
    stored = ["OTHER" if role == CUSTOM else role for role in roles]
    query = select(label.c.id).where(label.c.viewer_id == viewer, label.c.role.in_(stored)).order_by(label.c.id)
    return list(conn.execute(query).scalars())


def _shown(node_ids: Sequence[str], borne: Sequence[tuple[str, Any]]) -> dict[str, list[Label]]:
    found: dict[str, list[Label]] = {node_id: [] for node_id in node_ids}
    for node_id, row in sorted(borne, key=lambda one: _place(one[1])):
        if len(found[node_id]) < MAX_SHOWN:
            found[node_id].append(of_row(row))
    return found


def _place(row: Any) -> tuple[int, str, str]:
    return ORDER.index(row.role), row.name.casefold(), row.id
