"""Reactions to messages: rows beside the message, known by its source's key, so that one may be told before its message is.

Some networks tell each reaction by itself (`records.Reacted`), others all of a message with it (`Message.reactions`); what is stored is
the same. A message whose reactions are others now has a newer version. Of LIVE accounts nothing is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest.contacts import upsert
from resolvers.ingest.target import Result, Target
from store.among import among, asked
from store.feed import Recorder
from store.tables import message, message_source, reaction

OURS: Final = "outbox:"  # how keys of reactions begin that are on their way from here
MAX_EMOJI: Final = 100  # characters of a sign or short name
_HERE: Final = select(reaction).where(among(reaction.c.key), reaction.c.account_id == sa.bindparam("account"))
_OF: Final = select(reaction).where(among(reaction.c.message_key), reaction.c.account_id == sa.bindparam("account"))
_SHOWN: Final = select(message_source.c.key, message_source.c.message_id).where(
    among(message_source.c.key), message_source.c.account_id == sa.bindparam("account")
)
_EMPTIED: Final = (
    select(message_source.c.key)
    .join(message, sa.and_(message.c.viewer_id == message_source.c.viewer_id, message.c.id == message_source.c.message_id))
    .where(among(message_source.c.key), message_source.c.account_id == sa.bindparam("account"), message.c.deleted_at.is_not(None))
)  # what was taken back has no reactions any more, whatever is told of it later
_NEWER: Final = (
    sa.update(message).where(among(message.c.id), message.c.version.is_not(None)).values(version=message.c.version + 1)
    .returning(message.c.id, message.c.version)
)  # fmt: skip


def put_reactions(
    conn: Connection, viewer: str, target: Target, items: Sequence[records.Reacted], recorder: Recorder
) -> list[Result]:
    """Write reactions that are told one by one; one result each, in order."""
    if target.live:
        return [Result(outcome="UNCHANGED") for _ in items]
    rows = [_row(viewer, target, item.message, item.reaction) for item in items]
    known = _by_key(conn.execute(_HERE, asked(viewer, {row["key"] for row in rows}, account=target.account_id)))
    emptied = (
        conn.execute(_EMPTIED, asked(viewer, {row["message_key"] for row in rows}, account=target.account_id)).scalars().all()
    )
    changed = {row["key"]: row for row in rows if known.get(row["key"]) != row and row["message_key"] not in emptied}
    _write(conn, list(changed.values()))
    shown = _tell(conn, viewer, target, {row["message_key"] for row in changed.values()}, recorder)
    return [
        Result(
            outcome="UNCHANGED" if row["key"] not in changed else "UPDATED" if row["key"] in known else "CREATED",
            node_id=shown.get(row["message_key"]),
        )
        for row in rows
    ]


def put_all(conn: Connection, viewer: str, target: Target, items: Sequence[records.Message], recorder: Recorder) -> None:
    """Write the reactions of messages that come with all of them; those that are not among them are gone."""
    if target.live:
        return
    told = {item.key: item.reactions for item in items if item.reactions is not None}
    if not told:
        return
    wanted = {
        row["key"]: row for key, given in told.items() for each in given for row in [_row(viewer, target, key, each)]
    }  # fmt: skip
    known = _by_key(conn.execute(_OF, asked(viewer, told, account=target.account_id)))
    gone = sorted(key for key in known.keys() - wanted.keys() if not key.startswith(OURS))
    changed = [row for key, row in wanted.items() if known.get(key) != row]
    _drop(conn, viewer, target.account_id, reaction.c.key, gone)
    _write(conn, changed)
    others = {known[key]["message_key"] for key in gone} | {row["message_key"] for row in changed}
    _tell(conn, viewer, target, others, recorder)


def take_back(conn: Connection, viewer: str, target: Target, key: str, recorder: Recorder) -> bool:
    """A reaction is gone; False when it was never told of."""
    known = _by_key(conn.execute(_HERE, asked(viewer, [key], account=target.account_id)))
    _drop(conn, viewer, target.account_id, reaction.c.key, list(known))
    _tell(conn, viewer, target, {row["message_key"] for row in known.values()}, recorder)
    return bool(known)


def restore(
    conn: Connection, viewer: str, account_id: str, message_key: str, given: Sequence[records.Reaction], recorder: Recorder
) -> None:
    """Show reactions to a message that were made here, or whose removal was refused."""
    target = Target(account_id=account_id)
    _write(conn, [_row(viewer, target, message_key, each) for each in given])
    _tell(conn, viewer, target, {message_key}, recorder)


def withdraw(conn: Connection, viewer: str, account_id: str, keys: Sequence[str], recorder: Recorder) -> None:
    """Show these reactions no more."""
    for key in keys:
        take_back(conn, viewer, Target(account_id=account_id), key, recorder)


def rename(conn: Connection, viewer: str, account_id: str, ours: str, theirs: str | None) -> None:
    """A reaction that was made here has the network's key, or the one by which it will be told; a sync may have been quicker."""
    mine = reaction.c
    at = sa.and_(mine.viewer_id == viewer, mine.account_id == account_id)
    row = conn.execute(select(reaction).where(at, mine.key == ours)).one_or_none()
    if row is None:
        return
    key = theirs or _derived(row.message_key, row.emoji, row.address)
    if conn.execute(select(mine.key).where(at, mine.key == key)).one_or_none() is not None:
        conn.execute(sa.delete(reaction).where(at, mine.key == ours))
    else:
        conn.execute(sa.update(reaction).where(at, mine.key == ours).values(key=key))


def _derived(message_key: str, emoji: str, address: str) -> str:
    """The key of a reaction that its network gives none: nobody reacts twice with one sign."""
    return "\n".join((message_key, emoji, address))


def drop_reactions(conn: Connection, viewer: str, account_id: str, message_keys: Collection[str]) -> None:
    """Forget the reactions to messages that are gone, or say nothing any more."""
    _drop(conn, viewer, account_id, reaction.c.message_key, sorted(message_keys))


def _row(viewer: str, target: Target, message_key: str, given: records.Reaction) -> dict[str, Any]:
    who = given.participant
    address = "" if who is None else who.address
    emoji = given.emoji[:MAX_EMOJI]
    return {
        "viewer_id": viewer, "account_id": target.account_id, "message_key": message_key, "emoji": emoji,
        "key": given.key or _derived(message_key, emoji, address),
        "kind": None if who is None else who.kind, "address": address, "name": "" if who is None else who.name,
        "contact_key": None if who is None else who.key, "count": max(1, given.count), "at": given.at,
    }  # fmt: skip


def _by_key(rows: sa.CursorResult[Any]) -> dict[str, Mapping[str, Any]]:
    return {row.key: dict(row._mapping) for row in rows}


def _write(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    columns = ["message_key", "emoji", "kind", "address", "name", "contact_key", "count", "at"]
    upsert(conn, reaction, rows, ["account_id", "key"], columns)


def _drop(conn: Connection, viewer: str, account_id: str, column: sa.Column[Any], keys: Sequence[str]) -> None:
    if keys:
        mine = reaction.c
        conn.execute(sa.delete(reaction).where(mine.viewer_id == viewer, mine.account_id == account_id, column.in_(keys)))


def _tell(conn: Connection, viewer: str, target: Target, message_keys: Collection[str], recorder: Recorder) -> dict[str, str]:
    """Tell of the messages with these keys, of those that are here; their ids by key."""
    if not message_keys:
        return {}
    shown = {row.key: row.message_id for row in conn.execute(_SHOWN, asked(viewer, message_keys, account=target.account_id))}
    for row in conn.execute(_NEWER, asked(viewer, shown.values())).all() if shown else ():
        recorder.upsert("MESSAGE", row.id, row.version, fields=("reactions",))
    return shown
