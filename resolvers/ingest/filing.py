"""What the folders of messages are for, where these were stored before anybody asked: told once, from the account's own list.

A message in a folder is where that folder is; one that bears labels is where the first of these puts it, archived without any. What is
in no folder that is still listed stays as it is until its source speaks of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, get_args

from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import markings
from resolvers.ingest.states import put_roles
from store import outbox
from store.feed import Recorder
from store.tables import message_source

AT_ONCE: Final = 100  # messages of a transaction
#: Uses of folders in which a message can lie.
PLACES: Final[Mapping[records.LabelRole, records.FolderRole]] = {role: role for role in get_args(records.FolderRole)}
#: Of several labels the first of these says where a message lies.
DECIDING: Final[tuple[records.FolderRole, ...]] = ("TRASH", "SPAM", "DRAFTS", "INBOX", "SENT")


def is_settled(conn: Connection, viewer: str, account_id: str) -> bool:
    """Whether nothing that was set here is on its way to the account: what would be told is what its source says."""
    return not outbox.unsettled_at(conn, viewer, markings.KIND, account_id)


def tell_roles(
    conn: Connection,
    viewer: str,
    account_id: str,
    labels: Sequence[records.Label],
    after: str,
    recorder: Recorder,
    now: datetime,
) -> str | None:
    """Say it of the next messages after this key that nobody said it of; the key to go on after, None at the end."""
    mine = message_source.c
    rows = conn.execute(
        select(mine.key, mine.container, mine.labels)
        .where(mine.viewer_id == viewer, mine.account_id == account_id, mine.key > after, mine.role.is_(None))
        .order_by(mine.key)
        .limit(AT_ONCE)
    ).all()
    found = {row.key: _role(row.container, row.labels.split("\n"), labels) for row in rows if row.container != outbox.CONTAINER}
    put_roles(conn, viewer, account_id, {key: role for key, role in found.items() if role is not None}, recorder, now)
    return rows[-1].key if len(rows) == AT_ONCE else None


def _role(container: str, borne: Sequence[str], labels: Sequence[records.Label]) -> records.FolderRole | None:
    for label in labels:
        if label.folder and label.place == container:
            return PLACES.get(label.role)
    if all(label.folder for label in labels):
        return None
    lower = {name.lower() for name in borne}
    told = {label.role for label in labels if not label.folder and label.place.lower() in lower}
    return next((role for role in DECIDING if role in told), "ARCHIVE")
