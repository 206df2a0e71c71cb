"""Folders and labels: which ones an account has, and where its messages are among them.

The list is the network's; a folder that it lists no more is gone here, too. Messages that were stored before anybody asked are told
of once, from the list: one in a folder is where that folder is; one that bears labels is where the first of these puts it, archived
without any. What is in no folder that is still listed stays as it is until its source speaks of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, get_args

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import markings
from resolvers.ingest.states import put_whereabouts
from store import ids, outbox
from store.feed import Recorder
from store.tables import label, message_source

MAX_LABELS: Final = 2_000  # of an account, as the contract says
AT_ONCE: Final = 100  # messages of a transaction
#: Uses of folders in which a message can lie.
PLACES: Final[Mapping[records.LabelRole, records.FolderRole]] = {role: role for role in get_args(records.FolderRole)}
#: Of several labels the first of these says where a message lies.
DECIDING: Final[tuple[records.FolderRole, ...]] = ("TRASH", "SPAM", "DRAFTS", "INBOX", "SENT")
#: In one of these at most a message is, where labels say it.
APART: Final[tuple[records.FolderRole, ...]] = ("INBOX", "TRASH", "SPAM")


def put_list(conn: Connection, viewer: str, account_id: str, labels: Sequence[records.Label], recorder: Recorder) -> None:
    """Write the list of an account's folders and labels, and tell what is new, another, or gone."""
    mine = label.c
    stored = {
        row.id: row for row in conn.execute(select(label).where(mine.viewer_id == viewer, mine.account_id == account_id)).all()
    }
    listed = {ids.derive("LABEL", account_id, each.key): each for each in labels[:MAX_LABELS]}
    for label_id, each in listed.items():
        values = _columns(each)
        row = stored.get(label_id)
        if row is None:
            conn.execute(label.insert().values(viewer_id=viewer, id=label_id, account_id=account_id, version=1, **values))
            recorder.upsert("LABEL", label_id, 1, created=True)
        elif any(getattr(row, name) != value for name, value in values.items()):
            theirs = sa.update(label).where(mine.viewer_id == viewer, mine.id == label_id)
            conn.execute(theirs.values(version=row.version + 1, **values))
            recorder.upsert("LABEL", label_id, row.version + 1)
    drop(conn, viewer, sorted(stored.keys() - listed.keys()), recorder)


def drop(conn: Connection, viewer: str, label_ids: Sequence[str], recorder: Recorder, reason: str = "DELETED") -> None:
    """Folders and labels that are no more."""
    if label_ids:
        conn.execute(sa.delete(label).where(label.c.viewer_id == viewer, label.c.id.in_(label_ids)))
    for label_id in label_ids:
        recorder.delete("LABEL", label_id, reason=reason)


def listed(conn: Connection, viewer: str, account_ids: Collection[str]) -> dict[str, list[records.Label]]:
    """The folders and labels of each of these accounts."""
    rows = conn.execute(select(label).where(label.c.viewer_id == viewer, label.c.account_id.in_(sorted(account_ids))))
    found: dict[str, list[records.Label]] = {}
    for row in rows:
        found.setdefault(row.account_id, []).append(of_row(row))
    return found


def of_row(row: Any) -> records.Label:
    """The label of a row."""
    return records.Label(
        key=row.key, name=row.name, place=row.place, role=row.role, folder=row.folder, writable=row.writable
    )  # fmt: skip


def _columns(each: records.Label) -> dict[str, Any]:
    return {
        "key": each.key, "name": each.name, "place": each.place, "role": each.role, "folder": each.folder, "writable": each.writable,
    }  # fmt: skip


# --- where a message is -----------------------------------------------------------------------------------------------------


def role_of(keys: Collection[str], labels: Iterable[records.Label]) -> records.FolderRole | None:
    """What these labels of a message say that its place is for; None when they say nothing."""
    labels = list(labels)
    for each in labels:
        if each.folder and each.key in keys:
            return PLACES.get(each.role)
    if all(each.folder for each in labels):
        return None
    told = {each.role for each in labels if each.key in keys}
    return next((role for role in DECIDING if role in told), "ARCHIVE")


def moved_to(
    role: records.FolderRole, keys: Collection[str], labels: Iterable[records.Label]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that a message with these gets and loses when it is moved to where this role is."""
    labels = list(labels)
    target = next((each for each in labels if each.role == role and (each.folder or role in APART)), None)
    left = {
        each.key
        for each in labels
        if each.key in keys and each is not target and (each.folder or each.role in APART)
    }  # fmt: skip
    return (() if target is None or target.key in keys else (target.key,)), tuple(sorted(left))


# --- what was stored before anybody asked -------------------------------------------------------------------------------------


def is_settled(conn: Connection, viewer: str, account_id: str) -> bool:
    """Whether nothing that was set here is on its way to the account: what would be told is what its source says."""
    return not outbox.unsettled_at(conn, viewer, markings.KIND, account_id)


def tell_whereabouts(
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
        .where(
            mine.viewer_id == viewer, mine.account_id == account_id, mine.key > after,
            sa.or_(mine.role.is_(None), mine.label_keys.is_(None)),
        )
        .order_by(mine.key)
        .limit(AT_ONCE)
    ).all()  # fmt: skip
    told: dict[str, tuple[records.FolderRole, tuple[str, ...]]] = {}
    for row in rows:
        keys = _named(row.container, row.labels.split("\n"), labels)
        role = role_of(keys, labels)
        if role is not None and row.container != outbox.CONTAINER:
            told[row.key] = role, keys
    put_whereabouts(conn, viewer, account_id, told, recorder, now)
    return rows[-1].key if len(rows) == AT_ONCE else None


def _named(container: str, borne: Sequence[str], labels: Iterable[records.Label]) -> tuple[str, ...]:
    lower = {name.lower() for name in borne}
    return tuple(
        each.key for each in labels if (each.place == container if each.folder else each.place.lower() in lower)
    )  # fmt: skip
