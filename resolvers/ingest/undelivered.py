"""Messages that their network took from here and could not deliver: they failed, with its reason, where they were said to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest.target import Result, Target
from store import outbox
from store.among import among, asked
from store.feed import Recorder
from store.outbox import Trouble
from store.tables import message, message_source

_PLACES: Final = select(message_source.c.key, message_source.c.message_id).where(
    among(message_source.c.key), message_source.c.account_id == sa.bindparam("account")
)
_NEWER: Final = (
    sa.update(message).where(among(message.c.id)).values(version=message.c.version + 1).returning(message.c.id, message.c.version)
)


def put_undelivered(
    conn: Connection, viewer: str, target: Target, items: Sequence[records.Undelivered], recorder: Recorder, now: datetime
) -> list[Result]:
    """Let the sending of these messages have failed; one result each. UNCHANGED what was not sent from here, or is told again."""
    places = {
        row.key: row.message_id
        for row in conn.execute(_PLACES, asked(viewer, {item.key for item in items}, account=target.account_id))
    }
    sent = outbox.latest(conn, viewer, "send", sorted(set(places.values()))) if places else {}
    failed: set[str] = set()
    for item in items:
        write = sent.get(places.get(item.key, ""))
        if write is None or write.account_id != target.account_id:
            continue
        trouble = Trouble(code="PROVIDER_REFUSED", message=item.message)
        if outbox.deny(conn, viewer, write.id, trouble, recorder, now, said=("DONE", "UNCONFIRMED")):
            failed.add(places[item.key])
    for row in conn.execute(_NEWER, asked(viewer, failed)).all() if failed else ():
        recorder.upsert("MESSAGE", row.id, row.version, fields=("delivery",))
    return [
        Result(outcome="UPDATED" if places.get(item.key) in failed else "UNCHANGED", node_id=places.get(item.key))
        for item in items
    ]
