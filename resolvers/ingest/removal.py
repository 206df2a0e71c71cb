"""What is gone at its source goes here too: the contact or source row, then whatever nothing else holds any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import anchoring, decisions
from resolvers.identity.keys import Key
from resolvers.identity.people import reproject
from resolvers.ingest import (
    categories,
    conversations,
    deletions,
    edits,
    filing,
    groups,
    inheriting,
    meetings,
    profile_changes,
    reactions,
    tallies,
)
from resolvers.ingest.activities import remove_activities
from resolvers.ingest.contacts import carriers, look_again, only_correspond
from resolvers.ingest.content import drop_content
from resolvers.ingest.states import sum_up
from resolvers.ingest.target import Result, Target
from store import choices, grant_marks, ids, last_contact, leases, outbox, pairs, photos, places, push_routes, search_index
from store.feed import Recorder
from store.tables import (
    account,
    activity,
    contact,
    contact_key,
    container,
    conversation,
    conversation_member,
    conversation_source,
    dirty,
    evidence,
    gap,
    import_run,
    kept_call,
    label,
    message,
    message_participant,
    message_source,
    own_address,
    reaction,
    secret,
)

BATCH: Final = 200
#: Where the items are that a statement counts, each with its account, container and key.
KEPT: Final[dict[str, sa.Table]] = {"CONTACT": contact, "MESSAGE": message_source, "ACTIVITY": activity}
# a listing that suddenly lacks more than this share of what is stored is not believed at once
SUSPICIOUS_SHARE: Final = 0.5
SUSPICIOUS_COUNT: Final = 20


def remove(conn: Connection, viewer: str, target: Target, item: records.Gone, recorder: Recorder, now: datetime) -> Result:
    """One item that its source says is gone; UNCHANGED when we never had it."""
    if item.kind == "CONTACT":
        gone = contact_ids(conn, viewer, target, [item.key])
        done = unlist(conn, viewer, target, gone, recorder, now)
        return Result(outcome="UPDATED" if done else "UNCHANGED", node_id=gone[0] if done else None)
    if item.kind == "REACTION":
        taken_back = reactions.take_back(conn, viewer, target, item.key, recorder)
        return Result(outcome="UPDATED" if taken_back else "UNCHANGED")
    if item.kind == "MESSAGE" and item.deleted_at is not None:
        emptied = deletions.take_back(conn, viewer, target.account_id, item.key, item.deleted_at, recorder, now)
        return Result(outcome="UPDATED" if emptied is not None else "UNCHANGED", node_id=emptied)
    if item.kind == "MESSAGE":
        done = remove_messages(conn, viewer, target.account_id, [item.key], recorder, now)
        return Result(outcome="UPDATED" if done else "UNCHANGED")
    if item.kind == "ACTIVITY":
        done = remove_activities(conn, viewer, target.account_id, [item.key], recorder)
        return Result(outcome="UPDATED" if done else "UNCHANGED")
    rows = conn.execute(
        select(message_source.c.key)
        .join(message, sa.and_(message.c.viewer_id == message_source.c.viewer_id, message.c.id == message_source.c.message_id))
        .where(message_source.c.viewer_id == viewer, message_source.c.account_id == target.account_id,
               message.c.conversation_id == ids.derive("CONVERSATION", target.account_id, item.key))
    ).scalars().all()  # fmt: skip
    done = remove_messages(conn, viewer, target.account_id, rows, recorder, now)
    return Result(outcome="UPDATED" if done else "UNCHANGED")


def contact_ids(conn: Connection, viewer: str, target: Target, keys: Sequence[str]) -> list[str]:
    """The ids of the account's contacts with these keys, of those that are there."""
    mine = contact.c
    known = select(mine.id).where(mine.viewer_id == viewer, mine.account_id == target.account_id, mine.key.in_(keys))
    return list(conn.execute(known).scalars())


def void(conn: Connection, viewer: str, target: Target, item: records.Voided, recorder: Recorder, now: datetime) -> Result:
    """Up to BATCH messages whose keys name nothing any more; the caller repeats until the answer is UNCHANGED."""
    mine = message_source.c
    # by length, not LIKE: a folder's name may hold anything
    begins = sa.func.substr(mine.key, 1, len(item.prefix)) == item.prefix
    keys = conn.execute(
        select(mine.key).where(mine.viewer_id == viewer, mine.account_id == target.account_id,
                               mine.container == item.container, begins).limit(BATCH)
    ).scalars().all()  # fmt: skip
    done = remove_messages(conn, viewer, target.account_id, keys, recorder, now)
    return Result(outcome="UPDATED" if done else "UNCHANGED")


def unlist(conn: Connection, viewer: str, target: Target, contact_ids: Sequence[str], recorder: Recorder, now: datetime) -> int:
    """Contacts that their network lists no more go, but for those who are on messages that are still there; how many there were."""
    met, news = only_correspond(conn, viewer, target, contact_ids, recorder, now)
    return news + remove_contacts(conn, viewer, [i for i in contact_ids if i not in met], recorder, now)


def remove_contacts(
    conn: Connection, viewer: str, contact_ids: Sequence[str], recorder: Recorder, now: datetime, reason: str = "DELETED"
) -> int:
    """Delete contacts; people without contacts go with them, the others are rebuilt and looked at again."""
    columns = (
        contact.c.id,
        contact.c.account_id,
        contact.c.person_id,
        contact.c.minted_id,
        contact.c.version,
        contact.c.nature,
        contact.c.photo_hash,
        contact.c.record,
    )
    mine = select(*columns).where(contact.c.viewer_id == viewer, contact.c.id.in_(contact_ids))
    rows = conn.execute(mine.order_by(contact.c.id).with_for_update()).all()  # nobody joins or parts their people meanwhile
    if not rows:
        return 0
    gone = [row.id for row in rows]
    people = sorted({row.person_id for row in rows if row.person_id is not None})
    for row in rows:
        if row.version is not None:
            recorder.delete("CONTACT", row.id, parent_id=row.person_id, reason=reason)
    owned = {row.id: (row.person_id, row.minted_id) for row in rows if row.person_id is not None}
    choices.outlive(conn, viewer, owned)
    anchoring.let_go(conn, viewer, owned)
    held = conn.execute(select(contact_key).where(contact_key.c.viewer_id == viewer, contact_key.c.contact_id.in_(gone))).all()
    others = carriers(conn, viewer, {Key(k.kind, k.value, k.strong, k.source) for k in held}) - set(gone)
    for table, column in ((contact, contact.c.id), (contact_key, contact_key.c.contact_id), (dirty, dirty.c.contact_id)):
        conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, column.in_(gone)))
    for row in rows:
        group = groups.read(row)
        groups.tell(conn, viewer, row.account_id, {row.id: (group, None)}, recorder, now)
        if group is not None:
            categories.tell(
                conn, viewer, categories.follow(conn, viewer, row.account_id, {}, {row.id: group}, recorder), recorder
            )
    categories.forget(conn, viewer, gone, recorder)
    profile_changes.forget(conn, viewer, gone)
    either = sa.or_(evidence.c.left_id.in_(gone), evidence.c.right_id.in_(gone))
    conn.execute(sa.delete(evidence).where(evidence.c.viewer_id == viewer, either))
    decisions.forget(conn, viewer, gone, recorder)
    pairs.doubt(conn, viewer, people, recorder)
    for table in (message_participant, conversation_member):
        conn.execute(sa.update(table).where(table.c.viewer_id == viewer, table.c.contact_id.in_(gone)).values(contact_id=None))
    meetings.part_with(conn, viewer, gone, recorder)
    tallies.drop_contacts(conn, viewer, gone)
    places.mark(conn, viewer, people)
    # what the gone contact held together, or kept apart, is looked at again
    left = (
        conn.execute(select(contact.c.id).where(contact.c.viewer_id == viewer, contact.c.person_id.in_(people))).scalars().all()
    )
    look_again(conn, viewer, [*left, *others])
    last_contact.settle(conn, viewer, people)
    reproject(conn, viewer, people, recorder, now)
    shown = {row.photo_hash for row in rows if row.photo_hash is not None}
    photos.let_go(conn, viewer, shown, partial(edits.held_photos, conn, viewer))
    return len(gone)


def remove_messages(
    conn: Connection,
    viewer: str,
    account_id: str,
    keys: Sequence[str],
    recorder: Recorder,
    now: datetime,
    reason: str = "DELETED",
) -> int:
    """Drop one account's sources of messages; a message without a source is deleted, the others stay."""
    mine = message_source.c
    shown = (mine.message_id, mine.account_id, mine.container, mine.unread, mine.flags, mine.labels, mine.label_keys, mine.url)
    left = conn.execute(
        select(*shown).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.key.in_(keys))
    ).all()  # fmt: skip
    held = [row.message_id for row in left]
    if not held:
        return 0
    conn.execute(sa.delete(message_source).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.key.in_(keys)))
    places = conn.execute(select(*shown).where(mine.viewer_id == viewer, mine.message_id.in_(held))).all()
    still = {row.message_id for row in places}
    # one that is at just such a place under another key was numbered anew, and nobody sees a difference
    news = {row.message_id for row in set(left) - set(places)}
    rows = conn.execute(
        select(message.c.id, message.c.conversation_id, message.c.version, message.c.sent_at).where(
            message.c.viewer_id == viewer, message.c.id.in_(held)
        )
    ).all()
    gone = [row for row in rows if row.id not in still]
    dead = [row.id for row in gone]
    tallies.mark(conn, viewer, ((row.conversation_id, row.sent_at) for row in gone))
    for row in gone:
        if row.version is not None:
            recorder.delete("MESSAGE", row.id, parent_id=row.conversation_id, reason=reason)
    sum_up(conn, viewer, still & news, recorder)
    on = message_participant.c
    away = sa.delete(message_participant).where(on.viewer_id == viewer, on.message_id.in_(dead))
    people = conn.execute(away.returning(on.kind, on.address, on.contact_id)).all()
    conn.execute(sa.delete(message).where(message.c.viewer_id == viewer, message.c.id.in_(dead)))
    drop_content(conn, viewer, dead)
    meetings.forget(conn, viewer, dead, recorder)
    reactions.drop_reactions(conn, viewer, account_id, keys)
    search_index.drop(conn, viewer, dead)
    last_contact.settle_records(conn, viewer, {row.contact_id for row in people if row.contact_id is not None})
    touched = {row.conversation_id for row in rows}
    conversations.rebuild_members(conn, viewer, touched, people)
    conversations.rebuild(conn, viewer, touched, recorder, now, reason=reason)
    return len(held)


def unlisted(
    conn: Connection, viewer: str, target: Target, statement: records.Statement, since: datetime
) -> tuple[list[str], int]:
    """The keys that are stored for a container and that its full listing does not name, and how many are stored.

    A contact that was written after `since`, when the listing may have been made, is not judged: it may be newer than the list.
    """
    if statement.keys is None:
        return [], 0
    query = stored_keys(viewer, target.account_id, statement)
    if statement.kind == "CONTACT":
        query = query.where(contact.c.relation != "CORRESPONDENT", contact.c.updated_at <= since)
    stored = conn.execute(query).scalars().all()
    return [key for key in stored if key not in statement.keys], len(stored)


def stored_keys(viewer: str, account_id: str, statement: records.Statement) -> sa.Select[Any]:
    """The keys that are stored in the container that a statement is about."""
    mine = KEPT[statement.kind].c
    return select(mine.key).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.container == statement.container)


def believable(missing: int, stored: int, agreed: int | None) -> bool:
    """Whether a listing that lacks `missing` of what is stored is believed: servers have been seen to answer an empty list
    after an error. `agreed` is how many were missing the last time: what is said twice is believed.
    """
    return missing <= SUSPICIOUS_COUNT or missing <= SUSPICIOUS_SHARE * stored or missing == agreed


def remove_keys(
    conn: Connection, viewer: str, target: Target, kind: str, keys: Sequence[str], recorder: Recorder, now: datetime
) -> int:
    """Delete what is stored under these keys, BATCH at most at a time. Returns how many were there."""
    if kind == "CONTACT":
        return unlist(conn, viewer, target, contact_ids(conn, viewer, target, keys), recorder, now)
    if kind == "ACTIVITY":
        return remove_activities(conn, viewer, target.account_id, keys, recorder)
    return remove_messages(conn, viewer, target.account_id, keys, recorder, now)


def forget_account(conn: Connection, viewer: str, account_id: str, recorder: Recorder, now: datetime) -> bool:
    """A step of unlinking: up to BATCH items of the account, and at last the account itself. True when all is gone."""
    acts = conn.execute(
        select(activity.c.key).where(activity.c.viewer_id == viewer, activity.c.account_id == account_id).limit(BATCH)
    ).scalars().all()  # fmt: skip
    if acts:
        remove_activities(conn, viewer, account_id, acts, recorder, reason="UNLINKED")
        return False
    keys = conn.execute(
        select(message_source.c.key).where(message_source.c.viewer_id == viewer, message_source.c.account_id == account_id).limit(BATCH)
    ).scalars().all()  # fmt: skip
    if keys:
        remove_messages(conn, viewer, account_id, keys, recorder, now, reason="UNLINKED")
        return False
    contacts = conn.execute(
        select(contact.c.id).where(contact.c.viewer_id == viewer, contact.c.account_id == account_id).limit(BATCH)
    ).scalars().all()  # fmt: skip
    if contacts:
        if inheriting.inherit(conn, viewer, account_id, contacts, recorder, now):
            return False
        remove_contacts(conn, viewer, contacts, recorder, now, reason="UNLINKED")
        return False
    _forget_live_conversations(conn, viewer, account_id)
    tables: tuple[tuple[sa.Table, Any], ...] = (
        (own_address, own_address.c.account_id), (container, container.c.account_id), (gap, gap.c.account_id),
        (conversation_source, conversation_source.c.account_id), (import_run, import_run.c.account_id),
        (reaction, reaction.c.account_id), (kept_call, kept_call.c.account_id),
    )  # fmt: skip
    for table, column in tables:
        conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, column == account_id))
    labels = conn.execute(select(label.c.id).where(label.c.viewer_id == viewer, label.c.account_id == account_id)).scalars().all()
    filing.drop(conn, viewer, sorted(labels), recorder, reason="UNLINKED")
    waiting = [edits.decoded(one.request) for one in outbox.unsettled_at(conn, viewer, edits.KIND, account_id) if one.request]
    outbox.forget(conn, viewer, account_id)
    photos.let_go(conn, viewer, set().union(*map(edits.photos_of, waiting)), partial(edits.held_photos, conn, viewer))
    push_routes.drop(conn, viewer, account_id)
    grant_marks.drop(conn, viewer, account_id)
    conn.execute(sa.delete(secret).where(secret.c.viewer_id == viewer, secret.c.row_id == account_id))
    conn.execute(sa.delete(account).where(account.c.viewer_id == viewer, account.c.id == account_id))
    recorder.delete("ACCOUNT", account_id, reason="UNLINKED")
    leases.drop(conn, viewer, account_id)
    return True


def sweep_photos(conn: Connection, viewer: str, after: str) -> str | None:
    """A step of looking through photos for those that nobody shows any more. After which digest to go on; None at the end."""
    return photos.sweep(conn, viewer, after, partial(edits.held_photos, conn, viewer))


def _forget_live_conversations(conn: Connection, viewer: str, account_id: str) -> None:
    held: Collection[str] = conn.execute(
        select(conversation_source.c.conversation_id)
        .join(conversation, sa.and_(conversation.c.viewer_id == conversation_source.c.viewer_id,
                                    conversation.c.id == conversation_source.c.conversation_id))
        .where(conversation_source.c.viewer_id == viewer, conversation_source.c.account_id == account_id, conversation.c.live)
    ).scalars().all()  # fmt: skip
    for table, column in ((conversation_member, conversation_member.c.conversation_id), (conversation, conversation.c.id)):
        conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, column.in_(held)))
