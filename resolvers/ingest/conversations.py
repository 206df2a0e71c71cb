"""Conversation rows are sums over their messages: counts, latest message, members, flags.

Where messages only arrive, the sum grows by them, which costs the same however long a conversation is; whatever else happens, it is
summed up anew. Both give the same row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import tallies, whereabouts
from resolvers.ingest.contacts import upsert
from resolvers.ingest.findable import Arrival, add_to_conversation, index_conversations
from store import ids, search_index
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.prepared import Prepared
from store.tables import (
    conversation,
    conversation_label,
    conversation_member,
    conversation_source,
    label,
    message,
    message_participant,
    message_source,
    thread_reference,
)

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
#: Roles that somebody has in a conversation without writing or being written to.
STANDING: Final = ("MEMBER", "OWNER")
_WANTED: Final = among(message.c.conversation_id)
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
_ENDS: Final = select(_NUMBERED).where(sa.or_(_NUMBERED.c.up == 1, _NUMBERED.c.down == 1))
_SUMS: Final = (
    select(message.c.conversation_id, sa.func.count().label("n"), sa.func.max(message.c.sent_at).label("latest"))
    .where(_WANTED).group_by(message.c.conversation_id)
)  # fmt: skip
_ROWS: Final = select(conversation).where(among(conversation.c.id))
_FIRST_SUBJECT: Final = (
    select(message.c.subject).where(message.c.viewer_id == VIEWER, message.c.conversation_id == conversation.c.id)
    .order_by(*_RANK).limit(1).correlate(conversation).scalar_subquery()
)  # fmt: skip
_GROWN: Final = Prepared(lambda: select(conversation, _FIRST_SUBJECT.label("first_subject")).where(among(conversation.c.id)))
_HELD: Final = select(message.c.id, message.c.conversation_id, message.c.flags, message.c.direction).where(_WANTED)
_TOLD: Final = select(
    message_source.c.message_id, message_source.c.account_id, message_source.c.unread, message_source.c.role,
    message_source.c.label_keys,
).where(among(message_source.c.message_id))  # fmt: skip
_LABELS: Final = Prepared(lambda: select(conversation_label).where(among(conversation_label.c.conversation_id)))
_RECOUNTED: Final = (
    sa.update(label).where(among(label.c.id)).values(version=label.c.version + 1).returning(label.c.id, label.c.version)
)
_MEMBERS: Final = Prepared(lambda: select(conversation_member).where(among(conversation_member.c.conversation_id)))
_P: Final = message_participant.c
_M: Final = conversation_member.c
_STILL_ON: Final = (
    select(message.c.conversation_id, _P.kind, _P.address, _P.name, _P.role, _P.contact_id, _P.sent_at)
    .join(message, sa.and_(message.c.viewer_id == _P.viewer_id, message.c.id == _P.message_id))
    .where(_WANTED, _P.role != "REPLY_TO", sa.or_(among(_P.address, "addresses"), among(_P.contact_id, "contacts")))
    .order_by(_P.sent_at.desc(), _P.message_id.desc(), _P.position)
)  # fmt: skip
_ON_GONE: Final = select(conversation_member).where(
    among(_M.conversation_id), _M.role.not_in(STANDING), sa.or_(among(_M.address, "addresses"), among(_M.contact_id, "contacts"))
)
#: Flags of a message that its conversation shows.
SHOWN: Final = frozenset({"FLAGGED", "DRAFT"})


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
        tallies.move(conn, viewer, absorbed, survivor)
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
        _unlabel(conn, viewer, absorbed)
        search_index.drop(conn, viewer, [absorbed])
        if exists is not None:
            recorder.merge("CONVERSATION", survivor, [absorbed])


def grow(
    conn: Connection,
    viewer: str,
    account_id: str,
    arrivals: Mapping[str, Sequence[Arrival]],
    recorder: Recorder,
    now: datetime,
    *,
    kinds: Mapping[str, records.ConversationKind],
) -> None:
    """Add messages that have just been written (conversation id → these) to their conversations; make those that are new, tell the feed."""
    known = {row.id: row for row in _GROWN.rows(conn, **asked(viewer, arrivals))}
    moved = _whereabouts(conn, viewer, known, arrivals)
    before = _labels(conn, viewer, known)
    after: dict[str, dict[str, int]] = {}
    lines: list[dict[str, Any]] = []
    docs: list[search_index.Doc] = []
    other: set[str] = set()
    for conversation_id, arrived in sorted(arrivals.items()):
        row = known.get(conversation_id)
        if row is not None and (row.live or row.redirect_to is not None or row.message_count is None):
            other.add(conversation_id)
            continue
        ranked = sorted(arrived, key=lambda one: (one.item.sent_at, one.id))
        tracked = ["UNREAD" in one.flags for one in ranked if any(place.unread is not None for place in one.places)]
        waiting = None if row is None else row.unread_count
        if tracked:
            waiting = (waiting or 0) + sum(tracked)
        state = {flag for one in ranked for flag in one.flags & SHOWN} | ({"UNREAD"} if waiting else set())
        if row is None:
            state |= whereabouts.of_conversation([(one.own, one.flags) for one in ranked if _placed(one)])
        last = ranked[-1]
        latest, last_id, category = last.item.sent_at, last.id, last.item.category
        if row is None:
            subject = ranked[0].item.subject or None
        else:
            subject = row.first_subject or (row.subject if row.kind != "EMAIL_THREAD" else None)
            former = set(row.flags.split()) - {"UNREAD"}
            state |= (former - whereabouts.FLAGS) | moved[conversation_id] if conversation_id in moved else former
            if (row.last_activity_at, row.last_message_id) > (latest, last_id):
                latest, last_id, category = row.last_activity_at, row.last_message_id, row.category
        version = 1 if row is None else (row.version or 0) + 1
        lines.append(
            {
                "viewer_id": viewer, "id": conversation_id, "kind": kinds.get(conversation_id, "EMAIL_THREAD"), "created_at": now,
                "version": version, "subject": subject, "last_activity_at": latest,
                "message_count": len(ranked) + (0 if row is None else row.message_count), "unread_count": waiting,
                "last_message_id": last_id, "category": category, "flags": " ".join(sorted(state)), "redirect_to": None, "live": False,
            }
        )  # fmt: skip
        recorder.upsert("CONVERSATION", conversation_id, version, created=row is None)
        after[conversation_id] = dict(before.get(conversation_id, {}))
        for one in ranked:
            for label_id in {
                ids.derive_again("LABEL", account_id, key) for place in one.places for key in place.label_keys or ()
            }:
                after[conversation_id][label_id] = after[conversation_id].get(label_id, 0) + ("UNREAD" in one.flags)
        unread = None if waiting is None else waiting > 0
        docs.append(add_to_conversation(conversation_id, subject, latest, account_id, unread=unread, arrivals=ranked))
    upsert(conn, conversation, lines, ["id"], [*SUMS, "version"])
    _put_labels(conn, viewer, before, after, recorder)
    search_index.put(conn, viewer, docs, onto=True)
    rebuild(conn, viewer, other, recorder, now, kinds=kinds)


def _whereabouts(
    conn: Connection, viewer: str, known: Mapping[str, Any], arrivals: Mapping[str, Sequence[Arrival]]
) -> dict[str, set[str]]:
    """Where those conversations are that were there and have got messages whose places are known (conversation id → flags).

    It follows from all messages of a conversation; mostly those that arrived leave no doubt.
    """
    found: dict[str, set[str]] = {}
    doubtful: list[str] = []
    for conversation_id, row in known.items():
        placed = [(one.own, one.flags) for one in arrivals[conversation_id] if _placed(one)]
        if not placed:
            continue
        flags = whereabouts.of_grown(whereabouts.FLAGS.intersection(row.flags.split()), placed)
        if flags is None:
            doubtful.append(conversation_id)
        else:
            found[conversation_id] = set(flags)
    if doubtful:
        _, moved, _ = _states(conn, viewer, doubtful)
        found.update(moved)
    return found


def _placed(arrival: Arrival) -> bool:
    """Whether anybody says what the folder is for in which a message lies."""
    return any(place.role is not None for place in arrival.places)


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
    sums = {r.conversation_id: r for r in conn.execute(_SUMS, asked(viewer, wanted))}
    ends = _ends(conn, viewer, wanted)
    unread, flags, labels = _states(conn, viewer, wanted)
    relabelled = _put_labels(conn, viewer, _labels(conn, viewer, wanted), {c: labels.get(c, {}) for c in wanted}, recorder)
    known = {r.id: r for r in conn.execute(_ROWS, asked(viewer, wanted))}
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
        same = row is not None and all(getattr(row, name) == value for name, value in values.items())
        if same and conversation_id not in relabelled:
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


def add_members(conn: Connection, viewer: str, rows: Sequence[dict[str, Any]], *, beneath: bool = False) -> None:
    """Remember who takes part, with the latest moment at which they did; `rows` hold the columns of conversation_member.

    Whose handle is another than before stands there once, under the one that is told now; `beneath`, under the handle and name
    that were known.
    """
    there = _MEMBERS.rows(conn, **asked(viewer, {row["conversation_id"] for row in rows})) if rows else []
    rows = _renamed(conn, viewer, rows, there, beneath=beneath)
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = row["conversation_id"], row["kind"], row["address"]
        old = latest.get(key)
        if old is None or row["last_active_at"] > old["last_active_at"]:
            latest[key] = row | ({"name": old["name"]} if old is not None and not row["name"] else {})
        elif not old["name"]:
            old["name"] = row["name"]
    known = {(r.conversation_id, r.kind, r.address): r for r in there}
    newer = []
    for key, row in latest.items():
        old_row = known.get(key)
        if old_row is None:
            newer.append(row)
            continue
        later = row["last_active_at"] > old_row.last_active_at
        whose = row["contact_id"] or old_row.contact_id  # a mail whose sender was forged says nothing of who that is
        if later or whose != old_row.contact_id:
            kept_at = max(row["last_active_at"], old_row.last_active_at)
            name = (old_row.name or row["name"]) if beneath else (row["name"] or old_row.name)
            newer.append(row | {"last_active_at": kept_at, "name": name, "contact_id": whose})
        elif row["name"] and not old_row.name:  # an older one, that came later, says how they are called
            newer.append(dict(old_row._asdict()) | {"name": row["name"]})
    put_members(conn, newer)


def _renamed(
    conn: Connection, viewer: str, rows: Sequence[dict[str, Any]], there: Sequence[Any], *, beneath: bool
) -> Sequence[dict[str, Any]]:
    """The rows with one handle for each contact of a conversation; those under whose other handles somebody was known are deleted."""
    handles = {
        (row["conversation_id"], row["contact_id"]): row["address"]
        for row in sorted(rows, key=lambda row: bool(row["name"]))
        if row["kind"] == "HANDLE" and row["contact_id"] is not None
    }
    if not handles:
        return rows
    known = {(r.conversation_id, r.contact_id): r for r in there if r.kind == "HANDLE" and r.contact_id is not None}
    named = {(row["conversation_id"], row["contact_id"]) for row in rows if row["name"]}
    stay = [key for key, row in known.items() if key in handles and not outranks(key in named, row.name, beneath=beneath)]
    handles |= {key: known[key].address for key in stay}
    found: list[dict[str, Any]] = []
    for row in rows:
        whose = row["conversation_id"], row["contact_id"]
        if row["kind"] == "HANDLE" and whose in handles:
            row = row | {"address": handles[whose]}
            old = known.get(whose)
            if old is not None and old.address != row["address"]:
                at = max(row["last_active_at"], old.last_active_at)
                row |= {"name": row["name"] or old.name, "last_active_at": at}
        found.append(row)
    drop_members(conn, viewer, [r for key, r in known.items() if handles.get(key, r.address) != r.address])
    return found


def outranks(named: str | bool, known: str, *, beneath: bool) -> bool:
    """Whether how somebody is told of now counts more than how they are known: with a name first, then what does not lie `beneath`."""
    return not beneath if bool(named) == bool(known) else bool(named)


def drop_members(conn: Connection, viewer: str, rows: Iterable[Any]) -> None:
    """Nobody takes part under these addresses any more."""
    mine = conversation_member.c
    for row in rows:
        conn.execute(
            sa.delete(conversation_member).where(
                mine.viewer_id == viewer, mine.conversation_id == row.conversation_id, mine.kind == row.kind, mine.address == row.address
            )
        )  # fmt: skip


def put_members(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of conversation_member as they are."""
    key, values = ["conversation_id", "kind", "address"], ["name", "role", "contact_id", "last_active_at"]
    upsert(conn, conversation_member, rows, key, values)


def delete(conn: Connection, viewer: str, conversation_id: str, recorder: Recorder, reason: str = "DELETED") -> None:
    """Drop a conversation that has no messages left, and the ids that led to it."""
    _unlabel(conn, viewer, conversation_id)
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


def _unlabel(conn: Connection, viewer: str, conversation_id: str) -> None:
    c = conversation_label.c
    conn.execute(sa.delete(conversation_label).where(c.viewer_id == viewer, c.conversation_id == conversation_id))


def rebuild_members(conn: Connection, viewer: str, conversation_ids: Collection[str], gone: Sequence[Any]) -> None:
    """After messages went, `gone` being who was on them (kind, address, contact_id): each of these stays a member as the messages say that
    are left, or as the network does; who is on none of them is none any more."""
    wanted = asked(
        viewer,
        conversation_ids,
        addresses=[r.address for r in gone],
        contacts=[r.contact_id for r in gone if r.contact_id is not None],
    )
    members = conn.execute(_ON_GONE, wanted).all()
    left: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in conn.execute(_STILL_ON, wanted) if members else ():
        left[row.conversation_id, row.kind, row.address].append(row)
        if row.kind == "HANDLE" and row.contact_id is not None:  # who may have had another handle then
            left[row.conversation_id, row.contact_id, ""].append(row)
    others: list[dict[str, Any]] = []
    nobody: list[Any] = []
    for member in members:
        said = (
            left[member.conversation_id, member.kind, member.address] or left[member.conversation_id, member.contact_id or "", ""]
        )
        if not said:
            nobody.append(member)
            continue
        last = said[0]
        before = dict(member._mapping)
        now = before | {"role": last.role, "last_active_at": last.sent_at}
        if member.kind == "EMAIL":  # elsewhere the network says how somebody is called now
            now["name"] = next((one.name for one in said if one.name), "")
            now["contact_id"] = next((one.contact_id for one in said if one.contact_id is not None), None)
        if now != before:
            others.append(now)
    drop_members(conn, viewer, nobody)
    put_members(conn, others)


def _ends(conn: Connection, viewer: str, wanted: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """The first and the last message of each conversation, by (sent_at, id)."""
    found: dict[str, tuple[Any, Any]] = {}
    firsts: dict[str, Any] = {}
    lasts: dict[str, Any] = {}
    for row in conn.execute(_ENDS, asked(viewer, wanted)):
        if row.up == 1:
            firsts[row.conversation_id] = row
        if row.down == 1:
            lasts[row.conversation_id] = row
    for conversation_id, first in firsts.items():
        found[conversation_id] = (first, lasts[conversation_id])
    return found


def _states(
    conn: Connection, viewer: str, wanted: Sequence[str]
) -> tuple[dict[str, int], dict[str, set[str]], dict[str, dict[str, int]]]:
    """By conversation: how many messages are unread in all their sources, where any keeps read state; the flags; the ids of the labels,
    each with the number of unread messages that bear it.

    In two steps: of a join SQLite, which knows no figures of the tables, walks through all sources that the viewer has.
    """
    held = {row.id: row for row in conn.execute(_HELD, asked(viewer, wanted)).all()}
    waiting: dict[str, bool] = {}  # message → unread in every source that keeps read state
    placed: set[str] = set()
    named: dict[tuple[str, str], str] = {}
    borne: dict[str, set[str]] = defaultdict(set)
    for row in conn.execute(_TOLD, asked(viewer, held)).all():
        if row.unread is not None:
            waiting[row.message_id] = waiting.get(row.message_id, True) and row.unread
        if row.role is not None:
            placed.add(row.message_id)
        for key in row.label_keys.split("\n") if row.label_keys else ():
            if (row.account_id, key) not in named:
                named[row.account_id, key] = ids.derive_again("LABEL", row.account_id, key)
            borne[row.message_id].add(named[row.account_id, key])
    unread: dict[str, int] = {}
    for message_id, waits in waiting.items():
        home = held[message_id].conversation_id
        unread[home] = unread.get(home, 0) + waits
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    for message_id, label_ids in borne.items():
        of = labels[held[message_id].conversation_id]
        for label_id in label_ids:
            of[label_id] = of.get(label_id, 0) + waiting.get(message_id, False)
    flags: dict[str, set[str]] = defaultdict(set)
    where: dict[str, list[tuple[bool, list[str]]]] = defaultdict(list)
    for one in held.values():
        flags[one.conversation_id].update(SHOWN.intersection(one.flags.split()))
        if one.id in placed:
            where[one.conversation_id].append((one.direction == "OUTBOUND", one.flags.split()))
    for conversation_id, messages in where.items():
        flags[conversation_id] |= whereabouts.of_conversation(messages)
    return unread, flags, labels


def _labels(conn: Connection, viewer: str, wanted: Collection[str]) -> dict[str, dict[str, int]]:
    """The ids of the labels that these conversations bear, each with the number of unread messages that bear it."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in _LABELS.rows(conn, **asked(viewer, wanted)) if wanted else ():
        found[row.conversation_id][row.label_id] = row.unread
    return found


def _put_labels(
    conn: Connection,
    viewer: str,
    before: Mapping[str, Mapping[str, int]],
    after: Mapping[str, Mapping[str, int]],
    recorder: Recorder,
) -> set[str]:
    """Write the labels of the conversations in `after`, and tell of labels with other numbers; the conversations that bear others now."""
    c = conversation_label.c
    changed: set[str] = set()
    grown: dict[str, int] = defaultdict(int)  # label → unread messages more
    fresh: list[dict[str, Any]] = []
    for conversation_id, now in sorted(after.items()):
        then = before.get(conversation_id, {})
        if then == now:
            continue
        if then.keys() != now.keys():
            changed.add(conversation_id)
        if gone := sorted(then.keys() - now.keys()):
            conn.execute(
                sa.delete(conversation_label)
                .where(c.viewer_id == viewer, c.conversation_id == conversation_id, c.label_id.in_(gone))
            )  # fmt: skip
        for label_id in then.keys() | now.keys():
            grown[label_id] += now.get(label_id, 0) - then.get(label_id, 0)
        fresh += [
            {"viewer_id": viewer, "label_id": label_id, "conversation_id": conversation_id, "unread": count}
            for label_id, count in sorted(now.items())
            if then.get(label_id) != count
        ]
    upsert(conn, conversation_label, fresh, ["label_id", "conversation_id"], ["unread"])
    if others := {label_id for label_id, more in grown.items() if more}:
        for row in conn.execute(_RECOUNTED, asked(viewer, others)):  # nothing is told of one that is not listed
            recorder.upsert("LABEL", row.id, row.version, fields=("unreadCount",))
    return changed
