"""Messages that were edited or deleted here, on their way to their network, and what they show meanwhile.

A correction is the request of a write in the outbox (kind `correct`). It is shown at once; what the network last said of the message is kept
in it (`before`), so that a refused one leaves no trace. Until it is settled it lies over what the network says, unless that is the
new text already. Corrections of one message are carried out one after the other. Knows no networks.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations, deletions, reactions
from resolvers.ingest.amendments import amend
from resolvers.ingest.prepared import fingerprint
from resolvers.ingest.removal import remove_messages
from resolvers.ingest.states import sum_up
from store import outbox
from store.feed import Recorder
from store.tables import attachment, message, message_html, message_source, reaction

KIND: Final = "correct"


class Correction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request: what is done to the message with this key since `at`; exactly one of `edit` and `deletion` is set.

    `seen` is when the network's own message says that the edit took place, once a sync has shown it.
    """

    key: str
    at: datetime
    before: records.Message
    edit: records.OutgoingEdit | None = None
    deletion: records.OutgoingDeletion | None = None
    seen: datetime | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the network said of a correction that is done: when it edited the message, or that it shows it no more at all."""

    edited_at: datetime | None = None
    removed: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a correction that is done; `text` is the fingerprint of an edit's, None of a deletion."""

    key: str
    at: datetime
    told: Told
    text: bytes | None = None


def encoded(correction: Correction) -> bytes:
    return msgspec.msgpack.encode(correction)


def decoded(request: bytes) -> Correction:
    return msgspec.msgpack.decode(request, type=Correction)


def report(correction: Correction, told: Told) -> bytes:
    """What a write says when it is done and its request goes."""
    text = None if correction.edit is None else fingerprint(shown(correction, correction.before))
    return msgspec.msgpack.encode(Report(key=correction.key, at=correction.at, told=told, text=text))


def shown(correction: Correction, item: records.Message) -> records.Message:
    """A message with a correction over it."""
    if correction.edit is None:
        unread = None if item.unread is None else False
        return msgspec.structs.replace(item, deleted_at=correction.at, unread=unread, reactions=None)
    return msgspec.structs.replace(
        item, text=correction.edit.text, html=None, body_state="AVAILABLE", edited_at=correction.at
    )  # fmt: skip


def apply(
    conn: Connection, viewer: str, account_id: str, message_id: str, correction: Correction, recorder: Recorder, now: datetime
) -> None:
    """Show a correction that was just accepted."""
    if correction.edit is None:
        deletions.take_back(conn, viewer, account_id, correction.key, correction.at, recorder, now)
    else:
        _put(conn, viewer, account_id, message_id, shown(correction, correction.before), recorder)


def over(conn: Connection, viewer: str, account_id: str, items: Sequence[records.Message]) -> list[records.Message]:
    """What a network says of messages, with the corrections over it that are on their way there."""
    found = list(items)
    places = {item.key: n for n, item in enumerate(found) if item.conversation_kind != "EMAIL_THREAD"}
    if not places:
        return found
    for write in outbox.unsettled_at(conn, viewer, KIND, account_id):
        correction = None if write.request is None else decoded(write.request)
        n = None if correction is None else places.get(correction.key)
        if correction is None or n is None:
            continue
        item = found[n]
        if is_echo(correction, item):
            correction = msgspec.structs.replace(correction, seen=item.edited_at)
        else:
            correction = msgspec.structs.replace(correction, before=_kept(item, correction.before))
            found[n] = shown(correction, item)
        if (request := encoded(correction)) != write.request:
            outbox.amend(conn, viewer, write.id, request)
    return found


def settled(conn: Connection, viewer: str, write: outbox.Write, recorder: Recorder, now: datetime) -> None:
    """What the end of a write means here."""
    (message_id,) = write.node_ids
    if write.state == "DONE" and write.step is not None:
        done = msgspec.msgpack.decode(write.step, type=Report)
        _keep(conn, viewer, write.account_id, message_id, done, recorder, now)
    elif write.state in ("REFUSED", "UNCONFIRMED", "CANCELLED") and write.request is not None:
        _take_back(conn, viewer, write.account_id, message_id, decoded(write.request), recorder, now)


def stored(conn: Connection, viewer: str, account_id: str, message_id: str, key: str) -> records.Message:
    """What a message says here, as far as a correction can change it."""
    m, h, f, s, r = message.c, message_html.c, attachment.c, message_source.c, reaction.c
    row = conn.execute(select(message).where(m.viewer_id == viewer, m.id == message_id)).one()
    html = conn.execute(select(h.html).where(h.viewer_id == viewer, h.message_id == message_id)).scalar_one_or_none()
    files = conn.execute(select(attachment).where(f.viewer_id == viewer, f.message_id == message_id).order_by(f.position))
    unread = conn.execute(
        select(s.unread).where(s.viewer_id == viewer, s.account_id == account_id, s.key == key)
    ).scalar_one_or_none()
    signs = conn.execute(
        select(reaction).where(r.viewer_id == viewer, r.account_id == account_id, r.message_key == key).order_by(r.at, r.key)
    )
    return records.Message(
        key=key, sent_at=row.sent_at, edited_at=row.edited_at, subject=row.subject, body_state=row.body_state, unread=unread,
        text="" if row.body is None else zlib.decompress(row.body).decode("utf-8", "replace"),
        html=None if html is None else zlib.decompress(html).decode("utf-8", "replace"),
        attachment_count=row.attachment_count, attachments=tuple(_file(file) for file in files),
        reactions=tuple(_reaction(sign) for sign in signs),
    )  # fmt: skip


# --- pieces ---------------------------------------------------------------------------------------------------------------


def is_as_before(correction: Correction, item: records.Message) -> bool:
    """Whether a network still says what it said before an edit."""
    before = correction.before
    return item.deleted_at is None and item.edited_at == before.edited_at and fingerprint(item) == fingerprint(before)


def is_echo(correction: Correction, item: records.Message) -> bool:
    """Whether a network says the new text already, and has said another one after what was there before."""
    if correction.edit is None or item.edited_at is None:
        return False
    before = correction.before.edited_at
    later = before is None or item.edited_at > before
    return later and fingerprint(item) == fingerprint(shown(correction, correction.before))


def _kept(item: records.Message, before: records.Message) -> records.Message:
    """Of what a network says, what a correction changes."""
    return records.Message(
        key=item.key, sent_at=item.sent_at, edited_at=item.edited_at, subject=item.subject, body_state=item.body_state,
        unread=item.unread, text=item.text, html=item.html, attachment_count=item.attachment_count, attachments=item.attachments,
        reactions=before.reactions if item.reactions is None else item.reactions,
    )  # fmt: skip


def _put(conn: Connection, viewer: str, account_id: str, message_id: str, item: records.Message, recorder: Recorder) -> None:
    amend(conn, viewer, account_id, {message_id: item}, recorder)


def _keep(
    conn: Connection, viewer: str, account_id: str, message_id: str, done: Report, recorder: Recorder, now: datetime
) -> None:
    """A correction is done: the message is known by the network's own time of it, or is gone where the network shows it no more."""
    if done.told.removed:
        remove_messages(conn, viewer, account_id, [done.key], recorder, now)
        return
    edited_at = done.told.edited_at
    if done.text is None or edited_at is None:
        return
    m = message.c
    ours = sa.and_(m.viewer_id == viewer, m.id == message_id, m.fingerprint == done.text, m.edited_at == done.at)
    newer = sa.update(message).where(ours, m.deleted_at.is_(None)).values(edited_at=edited_at, version=m.version + 1)
    version = conn.execute(newer.returning(m.version)).scalar_one_or_none()
    if version is not None:
        recorder.upsert("MESSAGE", message_id, version, fields=("editedAt",))
    following = _following(conn, viewer, message_id)
    if following is not None and following[1].before.edited_at == done.at:
        write, later = following
        known = msgspec.structs.replace(later.before, edited_at=edited_at)
        outbox.amend(conn, viewer, write.id, encoded(msgspec.structs.replace(later, before=known)))


def _take_back(
    conn: Connection, viewer: str, account_id: str, message_id: str, correction: Correction, recorder: Recorder, now: datetime
) -> None:
    """A correction is not done: the message says what it said before, or what was wanted later is made from that."""
    if (following := _following(conn, viewer, message_id)) is not None:
        write, later = following
        outbox.amend(conn, viewer, write.id, encoded(msgspec.structs.replace(later, before=correction.before)))
        return
    m, s = message.c, message_source.c
    row = conn.execute(
        select(m.fingerprint, m.edited_at, m.deleted_at).where(m.viewer_id == viewer, m.id == message_id)
    ).one_or_none()
    if row is None or correction.seen is not None:
        return
    if correction.edit is not None:
        mine = fingerprint(shown(correction, correction.before))
        if row.deleted_at is None and (row.fingerprint, row.edited_at) == (mine, correction.at):
            _put(conn, viewer, account_id, message_id, correction.before, recorder)
        return
    if row.deleted_at != correction.at:
        return  # it was taken back at the network, too
    _put(conn, viewer, account_id, message_id, correction.before, recorder)
    reactions.restore(conn, viewer, account_id, correction.key, correction.before.reactions or (), recorder)
    place = sa.update(message_source).where(s.viewer_id == viewer, s.account_id == account_id, s.key == correction.key)
    conn.execute(place.values(unread=correction.before.unread))
    conversations.rebuild(conn, viewer, sum_up(conn, viewer, [message_id], recorder), recorder, now)


def _following(conn: Connection, viewer: str, message_id: str) -> tuple[outbox.Write, Correction] | None:
    """The next correction of a message that is still on its way."""
    waiting = outbox.unsettled(conn, viewer, KIND, [message_id])
    return next(((write, decoded(write.request)) for write in waiting if write.request is not None), None)


def _file(row: Any) -> records.Attachment:
    return records.Attachment(
        part=row.part, name=row.name, media_type=row.media_type, size=row.size, content_id=row.content_id, inline=row.inline,
        sha256=row.sha256,
    )  # fmt: skip


def _reaction(row: Any) -> records.Reaction:
    who = None
    if row.kind is not None:
        who = records.Participant(role="MEMBER", address=row.address, kind=row.kind, name=row.name, key=row.contact_key)
    return records.Reaction(emoji=row.emoji, participant=who, count=row.count, at=row.at, key=row.key)
