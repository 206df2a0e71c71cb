"""How long what look-ups have read of others holds: which claims are to be read again, and what becomes of those that nobody can confirm.

A claim that was read again is a new row (`web_links.put`), one that was taken back is REVOKED. What could not be confirmed keeps its worth
for a while, since hosts are away for a day; then it is a claim like any other, with the moment at which it lapsed. Which claims are being
looked at stands in the rows, so that a process that dies while it asks does not ask the same hosts again at once. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import web_links
from store.disclosures import rechecks_allowed
from store.tables import web_link
from store.web_links import CLAIMED, REVOKED, WebLink

JOB: Final = "recheck"
_L: Final = web_link.c


class Troubled(msgspec.Struct, frozen=True, kw_only=True):
    """How many claims are in which trouble: `failing` since when at the earliest, `lapsed`, and `waiting` for how long already."""

    failing: int
    since: datetime | None
    lapsed: int
    waiting: int


def take(conn: Connection, viewer: str, now: datetime, limit: int, in_hand_until: datetime) -> list[WebLink]:
    """The claims of one speaker whose time is over, at most `limit`, those that wait the longest; nobody else takes them until then.
    None of them while the viewer does not allow it."""
    if not rechecks_allowed(conn, viewer):
        return []
    over = (_L.viewer_id == viewer, _L.due_at <= now, _L.claim != REVOKED)
    speaker = conn.execute(select(_L.speaker).where(*over).order_by(_L.due_at, _L.speaker).limit(1)).scalar_one_or_none()
    if speaker is None:
        return []
    mine = select(web_link).where(*over, _L.speaker == speaker).order_by(_L.due_at, _L.target, _L.relation).limit(limit)
    taken = [web_links.of_row(row) for row in conn.execute(mine)]
    postpone(conn, viewer, taken, in_hand_until)
    return taken


def next_due(conn: Connection, viewer: str) -> datetime | None:
    """When the next claim's time is over; None where there is none, or nobody may look."""
    if not rechecks_allowed(conn, viewer):
        return None
    due: datetime | None = conn.execute(
        select(_L.due_at).where(_L.viewer_id == viewer, _L.due_at.is_not(None), _L.claim != REVOKED).order_by(_L.due_at).limit(1)
    ).scalar_one_or_none()
    return due


def postpone(conn: Connection, viewer: str, links: Collection[WebLink], until: datetime) -> None:
    """Look at these again then."""
    for one in links:
        conn.execute(sa.update(web_link).where(web_links.at(viewer, one.place)).values(due_at=until))


def unconfirmed(
    conn: Connection, viewer: str, failed: Sequence[tuple[WebLink, datetime | None, bool]], now: datetime
) -> list[WebLink]:
    """Notes of each claim that nobody could confirm it: (claim, when to try again, whether it is proof no more). Those that are worth less."""
    lapsed = []
    for one, again, lapses in failed:
        now_worth = msgspec.structs.replace(
            one,
            claim=CLAIMED if lapses else one.claim,
            due_at=again,
            checked_at=now,
            failures=one.failures + 1,
            failing_since=one.failing_since or now,
            lapsed_at=one.lapsed_at or (now if lapses else None),
        )
        names = ("claim", "due_at", "checked_at", "failures", "failing_since", "lapsed_at")
        values = {name: getattr(now_worth, name) for name in names}
        # what a look-up of the viewer's own has read meanwhile stands
        same = sa.and_(web_links.at(viewer, one.place), _L.read_at == one.read_at, _L.claim == one.claim)
        if conn.execute(sa.update(web_link).where(same).values(**values)).rowcount and now_worth.claim != one.claim:
            lapsed.append(now_worth)
    return lapsed


def troubled(conn: Connection, viewer: str, before: datetime) -> Troubled:
    """What is wrong with the viewer's claims; `waiting` are those whose time was over `before` and nobody looked, though it is allowed."""
    mine = (_L.viewer_id == viewer, _L.claim != REVOKED)
    failing, since = conn.execute(
        select(sa.func.count(), sa.func.min(_L.failing_since)).where(*mine, _L.failures > 0, _L.lapsed_at.is_(None))
    ).one()
    lapsed = conn.execute(select(sa.func.count()).where(*mine, _L.lapsed_at.is_not(None))).scalar_one()
    waiting = 0
    if rechecks_allowed(conn, viewer):
        waiting = conn.execute(select(sa.func.count()).where(*mine, _L.due_at < before)).scalar_one()
    return Troubled(failing=int(failing), since=since, lapsed=int(lapsed), waiting=int(waiting))
