"""What a file brings of an account whose network says more: what the network has told already stays as it told it.

Who told something is in its container: that of a file is its name, that of the network one of the network's lists. Somebody who is only
known from messages is told by nobody. An edit that is newer than the known one counts, whoever tells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest.target import Result, Target
from store import outbox
from store.among import among, asked
from store.tables import activity, contact, message, message_source

_ACCOUNT: Final = sa.bindparam("account", type_=sa.Text)
_CONTACTS: Final = select(contact.c.key, contact.c.id, contact.c.container, sa.null().label("edited_at")).where(
    among(contact.c.key), contact.c.account_id == _ACCOUNT, contact.c.relation != "CORRESPONDENT"
)  # fmt: skip
_ACTIVITIES: Final = select(activity.c.key, activity.c.id, activity.c.container, activity.c.edited_at).where(
    among(activity.c.key), activity.c.account_id == _ACCOUNT
)  # fmt: skip
_MESSAGES: Final = (
    select(message_source.c.key, message.c.id, message_source.c.container, message.c.edited_at)
    .join(message, sa.and_(message.c.viewer_id == message_source.c.viewer_id, message.c.id == message_source.c.message_id))
    .where(among(message_source.c.key), message_source.c.account_id == _ACCOUNT, message_source.c.container != outbox.CONTAINER)
)  # fmt: skip


def told_already(conn: Connection, viewer: str, target: Target, rows: Sequence[records.Row]) -> dict[int, Result]:
    """The rows, by place, that another source of the account has told."""
    found: dict[int, Result] = {}
    for kind, query in ((records.Contact, _CONTACTS), (records.Activity, _ACTIVITIES), (records.Message, _MESSAGES)):
        items = {n: row.item for n, row in enumerate(rows) if isinstance(row.item, kind)}
        if not items:
            continue
        known: Mapping[str, Any] = {
            row.key: row
            for row in conn.execute(query, asked(viewer, [item.key for item in items.values()], account=target.account_id))
        }
        for n, item in items.items():
            row = known.get(item.key)
            if row is not None and row.container != item.container and not _is_newer(item, row.edited_at):
                found[n] = Result(outcome="UNCHANGED", node_id=row.id)
    return found


def _is_newer(item: records.Contact | records.Activity | records.Message, known: datetime | None) -> bool:
    """Whether it is an edit that nobody has told."""
    if isinstance(item, records.Contact) or item.edited_at is None:
        return False
    return known is None or item.edited_at > known
