"""What the sources of a message say of its state, and the one state that is shown.

Read state, flags and labels belong to each place a message is at (`message_source`). The message itself shows their sum: unread
when it is unread wherever somebody keeps track, flagged, answered or a draft when it is so anywhere, in the trash when it
is so everywhere (whereabouts.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations, markings, tallies, whereabouts
from resolvers.ingest.contacts import upsert
from resolvers.ingest.findable import refresh_states
from resolvers.ingest.markings import Before
from resolvers.ingest.target import Result, Target
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.tables import message, message_source

#: What a message row knows besides what its sources say.
INHERENT: Final = frozenset({"ENCRYPTED"})
_SAID: Final = select(message_source.c.message_id, message_source.c.unread, message_source.c.flags, message_source.c.role).where(
    among(message_source.c.message_id)
)
_SHOWN: Final = select(message.c.id, message.c.conversation_id, message.c.flags, message.c.version).where(among(message.c.id))
_SHOW: Final = (
    sa.update(message).where(message.c.viewer_id == VIEWER, message.c.id == sa.bindparam("whose"))
    .values(flags=sa.bindparam("now"), version=sa.bindparam("next"))
)  # fmt: skip
UNKNOWN: Final = "The source speaks of a message that was never taken in; it is asked for again."


def place(item: records.Message | records.MessageState) -> dict[str, Any]:
    """The columns of `message_source` that a record fills, besides its keys."""
    labels = item.labels
    values: dict[str, Any] = {"container": item.container, "unread": item.unread, "flags": flags_at(item), "role": item.role}
    if labels is not None:
        values["labels"] = "\n".join(sorted(labels))
    if item.label_keys is not None or isinstance(item, records.Message):
        values["label_keys"] = keys_at(item.label_keys)
    if isinstance(item, records.Message):
        values["url"] = item.url
    return values


def keys_at(keys: Collection[str] | None) -> str | None:
    """The keys of the labels at one place, as stored: sorted, a line each."""
    return None if keys is None else "\n".join(sorted(keys))


def keys_of(stored: str | None) -> tuple[str, ...] | None:
    """What `keys_at` has stored."""
    return None if stored is None else tuple(key for key in stored.split("\n") if key)


def flags_at(item: records.Message | records.MessageState) -> str:
    """The flags of one place, as stored: sorted, separated by spaces."""
    if not (item.answered or item.draft or item.flagged):
        return ""
    state = {"ANSWERED": item.answered, "DRAFT": item.draft, "FLAGGED": item.flagged}
    return " ".join(name for name, on in state.items() if on)


def flags_of(places: Sequence[records.Message]) -> str:
    """The flags of a message from all the places at which it was just seen."""
    encrypted = any(item.body_state == "ENCRYPTED" for item in places)
    return _flags(tuple([(flags_at(item), item.role, item.unread) for item in places]), encrypted)


@lru_cache(500)
def _flags(places: tuple[tuple[str, records.FolderRole | None, bool | None], ...], encrypted: bool) -> str:
    state = {flag for flags, _, _ in places for flag in flags.split()} | whereabouts.of_message(role for _, role, _ in places)
    tracked = [unread for _, _, unread in places if unread is not None]
    if tracked and all(tracked):
        state.add("UNREAD")
    if encrypted:
        state.add("ENCRYPTED")
    return " ".join(sorted(state))


def put_states(
    conn: Connection, viewer: str, target: Target, items: Sequence[records.MessageState], recorder: Recorder, now: datetime
) -> list[Result]:
    """Write what a source says anew of messages it showed before; one result each, in order."""
    mine = message_source.c
    rows = {
        row.key: row
        for row in conn.execute(
            select(message_source).where(
                mine.viewer_id == viewer, mine.account_id == target.account_id, mine.key.in_(sorted({i.key for i in items}))
            )
        )
    }
    results: list[Result] = []
    changed: dict[str, dict[str, Any]] = {}
    for item in items:
        row = rows.get(item.key)
        if row is None:
            results.append(Result(outcome="FAILED", message=UNKNOWN))
            continue
        values = place(item)
        if not item.container:
            del values["container"], values["role"]
        if all(getattr(row, name) == value for name, value in values.items()):
            results.append(Result(outcome="UNCHANGED", node_id=row.message_id))
            continue
        changed[item.key] = {**row._mapping, **values}
        results.append(Result(outcome="UPDATED", node_id=row.message_id))
    if changed:
        upsert(
            conn,
            message_source,
            list(changed.values()),
            ["account_id", "key"],
            ["container", "unread", "flags", "labels", "label_keys", "role"],
        )
        touched = sum_up(conn, viewer, {row["message_id"] for row in changed.values()}, recorder)
        conversations.rebuild(conn, viewer, touched, recorder, now)
    return results


def put_marks(
    conn: Connection,
    viewer: str,
    account_id: str,
    states: Mapping[str, Before],
    recorder: Recorder,
    now: datetime,
    *,
    instead_of: records.Marking | None = None,
) -> None:
    """Set read state, flag and role of an account's messages, by key; with `instead_of` only where they are still as that set them."""
    mine = message_source.c
    rows = conn.execute(
        select(message_source).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.key.in_(sorted(states)))
    ).all()
    changed: list[dict[str, Any]] = []
    for row in rows:
        state = states[row.key]
        flags = set(row.flags.split())
        unread, flagged = row.unread, "FLAGGED" in flags
        if instead_of is None or instead_of.unread == unread:
            unread = state.unread
        if instead_of is None or instead_of.flagged == flagged:
            flagged = state.flagged
        role = state.role if instead_of is None or instead_of.role == row.role else row.role
        labels = state.label_keys if instead_of is None else _unlabelled(keys_of(row.label_keys), state.label_keys, instead_of)
        written = " ".join(sorted((flags - {"FLAGGED"}) | ({"FLAGGED"} if flagged else set())))
        values = {"unread": unread, "flags": written, "role": role, "label_keys": keys_at(labels)}
        if any(getattr(row, name) != value for name, value in values.items()):
            changed.append({**row._mapping, **values})
    upsert(conn, message_source, changed, ["account_id", "key"], ["unread", "flags", "role", "label_keys"])
    if changed:
        touched = sum_up(conn, viewer, {row["message_id"] for row in changed}, recorder)
        conversations.rebuild(conn, viewer, touched, recorder, now)


def _unlabelled(now: tuple[str, ...] | None, before: tuple[str, ...] | None, marking: records.Marking) -> tuple[str, ...] | None:
    """The labels of a place without what a marking has put on and with what it has taken off."""
    if now is None or before is None:
        return now
    put_on, taken_off = {*marking.added} - {*before}, {*marking.removed} & {*before}
    return tuple(sorted({*now} - put_on | taken_off))


def put_moved(
    conn: Connection, viewer: str, account_id: str, moved: Mapping[str, records.Moved], recorder: Recorder, now: datetime
) -> None:
    """Messages are elsewhere at their source now, under the keys and names by which the sync will tell of them: its echo is no news."""
    mine = message_source.c
    keys = sorted({*moved, *(place.key for place in moved.values())})
    query = select(message_source).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.key.in_(keys))
    rows = {row.key: row for row in conn.execute(query)}
    changed: list[dict[str, Any]] = []
    left: list[str] = []
    for key, place in moved.items():
        row = rows.get(key)
        if row is None:
            continue
        if key != place.key:
            left.append(key)
            if place.key in rows:  # the sync was quicker
                changed.append({**rows[place.key]._mapping})
                continue
        labels = {label for label in row.labels.split("\n") if label} - {*place.labels_removed} | {*place.labels_added}
        values = {"key": place.key, "labels": "\n".join(sorted(labels))}
        if place.container is not None:
            values["container"] = place.container
        if place.label_keys is not None:
            values["label_keys"] = keys_at(place.label_keys) or ""
        if any(getattr(row, name) != value for name, value in values.items()):
            changed.append({**row._mapping, **values})
    if left:
        conn.execute(sa.delete(message_source).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.key.in_(left)))
        markings.rename(conn, viewer, account_id, {key: moved[key].key for key in left})
    upsert(conn, message_source, changed, ["account_id", "key"], ["container", "labels", "label_keys"])
    if changed:
        touched = sum_up(conn, viewer, {row["message_id"] for row in changed}, recorder)
        conversations.rebuild(conn, viewer, touched, recorder, now)


def put_whereabouts(
    conn: Connection,
    viewer: str,
    account_id: str,
    told: Mapping[str, tuple[records.FolderRole, tuple[str, ...]]],
    recorder: Recorder,
    now: datetime,
) -> None:
    """Say where an account's messages are, by key: what their folders are for, and their labels. What nobody sees a difference in is
    no news.
    """
    mine = message_source.c
    alike: dict[tuple[records.FolderRole, str | None], list[str]] = {}
    for key, (role, labels) in sorted(told.items()):
        alike.setdefault((role, keys_at(labels)), []).append(key)
    changed: set[str] = set()
    for (role, stored), keys in alike.items():
        theirs = sa.update(message_source).where(
            mine.viewer_id == viewer, mine.account_id == account_id, mine.key.in_(keys)
        )  # fmt: skip
        changed.update(conn.execute(theirs.values(role=role, label_keys=stored).returning(mine.message_id)).scalars())
    if changed:
        touched = sum_up(conn, viewer, changed, recorder, news_only=True)
        conversations.rebuild(conn, viewer, touched, recorder, now)


def already_there(conn: Connection, viewer: str, account_id: str, items: Mapping[str, records.Message]) -> set[str]:
    """Messages that are known at just such a place of the account, under another key: numbered anew, and no news to anybody."""
    mine = message_source.c
    rows = conn.execute(
        select(message_source).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.message_id.in_(sorted(items)))
    )
    return {
        row.message_id for row in rows if all(getattr(row, name) == value for name, value in place(items[row.message_id]).items())
    }


def sum_up(
    conn: Connection, viewer: str, message_ids: Collection[str], recorder: Recorder, *, news_only: bool = False
) -> set[str]:
    """Show again what the sources of these messages say together; returns the conversations they are in.

    With `news_only` a message whose flags stay the same is not told of.
    """
    touched: set[str] = set()
    if not message_ids:
        return touched
    said: dict[str, list[Any]] = {}
    for row in conn.execute(_SAID, asked(viewer, message_ids)):
        said.setdefault(row.message_id, []).append(row)
    changed: list[dict[str, Any]] = []
    recount: list[str] = []
    for shown in conn.execute(_SHOWN, asked(viewer, message_ids)):
        touched.add(shown.conversation_id)
        if shown.version is None:
            continue  # LIVE: its state is asked for when it is shown
        places = said.get(shown.id, [])
        tracked = [place.unread for place in places if place.unread is not None]
        state = {flag for place in places for flag in place.flags.split()} | (INHERENT & set(shown.flags.split()))
        state |= whereabouts.of_message(place.role for place in places)
        if tracked and all(tracked):
            state.add("UNREAD")
        if news_only and state == set(shown.flags.split()):
            continue
        changed.append({"viewer": viewer, "whose": shown.id, "now": " ".join(sorted(state)), "next": shown.version + 1})
        recorder.upsert("MESSAGE", shown.id, shown.version + 1, fields=("flags", "labels", "sources"))
        if not tallies.NOTHING.isdisjoint(state ^ set(shown.flags.split())):
            recount.append(shown.id)
    if changed:
        conn.execute(_SHOW, changed)
    tallies.mark_messages(conn, viewer, recount)
    refresh_states(conn, viewer, message_ids)
    return touched
