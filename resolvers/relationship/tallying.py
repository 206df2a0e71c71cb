"""Counting what is marked (resolvers/ingest/tallies.py): each step takes marks, counts their stretches anew and writes what differs.

A step is one transaction: whoever takes the work up after a crash finds every mark that was not counted. On PostgreSQL marks are taken
before the messages are read, and those that an ingest is just setting are left to the next step: nothing that is committed meanwhile is
missed. The counts of a stretch follow from its messages alone, whatever was counted before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.ingest.contacts import upsert
from resolvers.ingest.tallies import NOTHING, mark_messages
from resolvers.relationship import counting
from resolvers.relationship.counting import LOOK_BACK, Event, Letter, start_of
from store import places
from store.accounts import own_values
from store.among import VIEWER, among, asked
from store.database import Database
from store.tables import account, conversation, exchange, message, message_participant, untallied

STEP: Final = 100  # marks
MESSAGES: Final = 1_500  # that a step reads, about; one mark at least
SHORT: Final = 50  # messages up to which a conversation is read whole, together with others
LONG: Final = 1_000  # items after which a sync is let through first
PATIENCE: Final = timedelta(minutes=10)  # and how long after its beginning
MARKED: Final = 500  # messages that one step of a recount marks
#: Whom a message of the viewer's is for.
RECIPIENTS: Final = ("TO", "CC", "BCC")
WRITERS: Final = ("FROM", "SENDER")
_AHEAD: Final = 24 * 3600 * 1_000_000  # by how many microseconds a date may be later than the arrival and still be believed
_FROM: Final = sa.bindparam("earliest", type_=message.c.sent_at.type)
_TO: Final = sa.bindparam("end", type_=message.c.sent_at.type)
_sent, _received = (sa.type_coerce(column, sa.BigInteger) for column in (message.c.sent_at, message.c.received_at))
#: Newsletters, lists, robots and mail of a forged sender count for nothing, and so does what only passed by.
COUNTS: Final = sa.and_(
    message.c.category == "PERSONAL",
    message.c.authentication != "FAILED",
    message.c.direction.in_(("INBOUND", "OUTBOUND")),
    message.c.live.is_(False),
    sa.or_(message.c.received_at.is_(None), _sent - _received <= _AHEAD),
)
_COLUMNS: Final = (message.c.id, message.c.conversation_id, message.c.sent_at, message.c.direction, message.c.flags)
_WHOLE: Final = select(*_COLUMNS).where(among(message.c.conversation_id), COUNTS).order_by(message.c.sent_at, message.c.id)
_LETTERS: Final = (
    select(*_COLUMNS)
    .where(
        message.c.viewer_id == VIEWER, message.c.conversation_id == sa.bindparam("conversation"), message.c.sent_at >= _FROM,
        message.c.sent_at < _TO, COUNTS,
    )
    .order_by(message.c.sent_at, message.c.id)
)  # fmt: skip
_SIZE: Final = select(sa.func.count()).where(
    message.c.viewer_id == VIEWER, message.c.conversation_id == sa.bindparam("conversation"), message.c.sent_at >= _FROM,
    message.c.sent_at < _TO,
)  # fmt: skip
_PEOPLE: Final = select(
    message_participant.c.message_id, message_participant.c.role, message_participant.c.kind, message_participant.c.address,
    message_participant.c.contact_id,
).where(among(message_participant.c.message_id), message_participant.c.role.in_((*WRITERS, *RECIPIENTS)))  # fmt: skip
_KINDS: Final = select(conversation.c.id, conversation.c.kind, conversation.c.message_count).where(among(conversation.c.id))
_KEPT: Final = select(exchange).where(among(exchange.c.conversation_id))
_SUMS: Final = tuple(c.name for c in exchange.c if c.name not in ("viewer_id", "contact_id", "period", "conversation_id"))
_encode = msgspec.msgpack.Encoder().encode
read_answers = msgspec.msgpack.Decoder(list[counting.Answer]).decode


async def tally(database: Database, viewer: str) -> None:
    """Count whatever is marked."""
    while await database.write_behind(viewer, step):
        pass


def is_early(conn: Connection, viewer: str, now: datetime) -> bool:
    """Whether somebody waits for a long sync that has just begun: counting would only make it longer, and can be done after it."""
    a = account.c
    much = sa.or_(a.done > LONG, a.total > LONG)  # mostly its source says so from the beginning
    long = select(a.id).where(a.viewer_id == viewer, a.phase.is_not(None), much, a.progress_started_at > now - PATIENCE)
    return conn.execute(long.limit(1)).first() is not None


def recount(conn: Connection, viewer: str, after: str) -> str | None:
    """Mark the next messages behind this id; where to go on, None at the end."""
    query = select(message.c.id).where(message.c.viewer_id == viewer, message.c.id > after).order_by(message.c.id).limit(MARKED)
    found = list(conn.execute(query).scalars())
    mark_messages(conn, viewer, found)
    return found[-1] if found else None


def step(conn: Connection, viewer: str) -> bool:
    """Count the stretches of some marks; False when there are none that can be taken."""
    mine = untallied.c
    marks = conn.execute(
        select(mine.conversation_id, mine.period).where(mine.viewer_id == viewer)
        .order_by(mine.conversation_id, mine.period).limit(STEP).with_for_update(skip_locked=True)
    ).all()  # fmt: skip
    if not marks:
        return False
    taken: dict[str, set[int]] = defaultdict(set)
    known = _known(conn, viewer, {row.conversation_id for row in marks})
    read = 0
    for conversation_id, period in marks:
        if read > MESSAGES:
            break
        taken[conversation_id].add(period)
        if _short(known.get(conversation_id)):
            read += known[conversation_id].message_count
        else:
            read += conn.execute(_SIZE, _stretch(viewer, conversation_id, [period, period + 1])).scalar_one()
    for conversation_id, periods in taken.items():
        conn.execute(
            sa.delete(untallied).where(
                mine.viewer_id == viewer, mine.conversation_id == conversation_id, mine.period.in_(sorted(periods))
            )
        )
    _count(conn, viewer, {c: periods | {p + 1 for p in periods} for c, periods in taken.items()})
    return True


def counted(conn: Connection, viewer: str, wanted: dict[str, set[int]]) -> dict[str, list[Event]]:
    """What the messages of these periods of conversations count for."""
    known = _known(conn, viewer, wanted)
    rows_of: dict[str, dict[str, Any]] = {conversation_id: {} for conversation_id in wanted}
    short = [conversation_id for conversation_id in wanted if _short(known.get(conversation_id))]
    for row in conn.execute(_WHOLE, asked(viewer, short)) if short else ():
        rows_of[row.conversation_id][row.id] = row
    for conversation_id in wanted.keys() - {*short}:
        for stretch in _stretches(wanted[conversation_id]):  # these may overlap by what they look back
            rows = conn.execute(_LETTERS, _stretch(viewer, conversation_id, stretch))
            rows_of[conversation_id].update((row.id, row) for row in rows)
    found = {
        conversation_id: sorted(
            (row for row in rows.values() if NOTHING.isdisjoint(row.flags.split())), key=lambda row: (row.sent_at, row.id)
        )
        for conversation_id, rows in rows_of.items()
    }
    ids = [row.id for rows in found.values() for row in rows]
    people: dict[str, list[Any]] = defaultdict(list)
    for one in conn.execute(_PEOPLE, asked(viewer, ids)) if ids else ():
        people[one.message_id].append(one)
    own = own_values(conn, viewer)
    counts: dict[str, list[Event]] = {}
    for conversation_id, letters in found.items():
        kind = known[conversation_id].kind if conversation_id in known else counting.MAIL
        events = counting.events((_letter(row, people[row.id], own) for row in letters), kind)
        counts[conversation_id] = [event for event in events if counting.period_of(event.at) in wanted[conversation_id]]
    return counts


def _known(conn: Connection, viewer: str, conversation_ids: Iterable[str]) -> dict[str, Any]:
    """What each conversation is, and how long."""
    return {row.id: row for row in conn.execute(_KINDS, asked(viewer, conversation_ids))}


def _short(row: Any | None) -> bool:
    return row is not None and row.message_count is not None and row.message_count <= SHORT


def _letter(row: Any, people: Sequence[Any], own: Collection[str]) -> Letter:
    sent = row.direction == "OUTBOUND"
    others = [one for one in people if one.address.casefold() not in own]
    met = [one for one in others if (one.role in RECIPIENTS) == sent and one.contact_id is not None]
    return Letter(
        id=row.id, at=row.sent_at, own=sent, others=len({(one.kind, one.address.casefold()) for one in others}),
        contacts=tuple(sorted({one.contact_id for one in met})),
    )  # fmt: skip


def _stretches(periods: Iterable[int]) -> list[list[int]]:
    """Periods in a row, each such row by itself."""
    found: list[list[int]] = []
    for period in sorted(periods):
        if found and found[-1][-1] == period - 1:
            found[-1].append(period)
        else:
            found.append([period])
    return found


def _stretch(viewer: str, conversation_id: str, periods: Sequence[int]) -> dict[str, Any]:
    """The parameters of what has to be read to count these periods, which are in a row."""
    earliest = datetime.min.replace(tzinfo=start_of(0).tzinfo) if periods[0] == 0 else start_of(periods[0]) - LOOK_BACK
    return {"viewer": viewer, "conversation": conversation_id, "earliest": earliest, "end": start_of(periods[-1] + 1)}


def _count(conn: Connection, viewer: str, wanted: dict[str, set[int]]) -> None:
    """Write the counts of these periods of conversations; what is the same stays untouched."""
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    for conversation_id, events in counted(conn, viewer, wanted).items():
        for (contact_id, period), sums in counting.tally(events).items():
            values = {name: getattr(sums, name) for name in _SUMS} | {"answers": _encode(sums.answers) if sums.answers else None}
            rows[contact_id, period, conversation_id] = values
    gone: list[tuple[str, int, str]] = []
    for row in conn.execute(_KEPT, asked(viewer, wanted)):
        if row.period not in wanted[row.conversation_id]:
            continue
        key = (row.contact_id, row.period, row.conversation_id)
        known = rows.get(key)
        if known is None:
            gone.append(key)
        elif all(getattr(row, name) == value for name, value in known.items()):
            del rows[key]
    for contact_id, period, conversation_id in gone:
        mine = exchange.c
        conn.execute(
            sa.delete(exchange).where(
                mine.viewer_id == viewer,
                mine.contact_id == contact_id,
                mine.period == period,
                mine.conversation_id == conversation_id,
            )
        )
    named = [
        {"viewer_id": viewer, "contact_id": key[0], "period": key[1], "conversation_id": key[2], **values}
        for key, values in sorted(rows.items())
    ]
    upsert(conn, exchange, named, ["contact_id", "period", "conversation_id"], _SUMS)
    places.mark_of(conn, viewer, {key[0] for key in (*gone, *rows)})
