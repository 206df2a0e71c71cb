"""The log of what has left about people: a row before the first byte, closed with what came of it.

A row that asks by consent is only written while that consent stands, and in one transaction with the look at it: consent that is
withdrawn meanwhile is withdrawn before anything leaves. So is one of a claim that is checked again by itself, for which there is a consent of
its own, whoever is asked. A row that was never closed is of a process that died. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids
from store.tables import disclosure, enrichment_consent

OPEN: Final = "OPEN"
FORGOTTEN_AT_ONCE: Final = 500
NOT_SENT: Final = "NOT_SENT"  # no connection came about: nothing has left
CONSENT: Final = "CONSENT"
LOOKUP: Final = "LOOKUP"
RECHECK: Final = "RECHECK"
#: By which consent claims are checked again, as `enrichment_consent.source` has it.
RECHECKS: Final = "RECHECKS"
_D: Final = disclosure.c
_sentences = msgspec.json.Decoder(list[str]).decode


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `kind` and `value` are the identifier that it is about; `price` in millionths of a US dollar."""

    id: str
    source: str
    purpose: str
    consented_at: datetime | None
    kind: str
    value: str
    recipient: str
    method: str
    url: str
    body: bytes | None
    sent: list[str]
    price: int
    outcome: str
    http_status: int | None
    sent_at: datetime
    answered_at: datetime | None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be sent, to whom, about whom and why."""

    source: str
    purpose: str
    kind: str
    value: str
    recipient: str
    method: str
    url: str
    body: bytes | None
    sent: list[str]
    price: int = 0


def begin(conn: Connection, viewer: str, entries: Sequence[Entry], now: datetime) -> list[str | None]:
    """Write down what is about to leave; its ids, None for what its consent does not stand for any more: that must not leave."""
    asked = {by for entry in entries if (by := _consented_by(entry)) is not None}
    consents: dict[str, Any] = {}
    if asked:
        c = enrichment_consent.c
        rows = conn.execute(
            select(enrichment_consent)
            .where(c.viewer_id == viewer, c.source.in_(sorted(asked)))
            .order_by(c.source)
            .with_for_update()
        )
        consents = {row.source: row for row in rows if row.granted}
    made: list[str | None] = []
    for entry in entries:
        by = _consented_by(entry)
        consent = None if by is None else consents.get(by)
        if by is not None and (consent is None or (entry.purpose == CONSENT and entry.kind not in consent.fields.split())):
            made.append(None)
            continue
        made.append(ids.mint("DISCLOSURE"))
        values = msgspec.structs.asdict(entry) | {"sent": msgspec.json.encode(entry.sent).decode()}
        at = None if consent is None else consent.changed_at
        conn.execute(
            disclosure.insert().values(viewer_id=viewer, id=made[-1], outcome=OPEN, sent_at=now, consented_at=at, **values)
        )
    return made


def _consented_by(entry: Entry) -> str | None:
    """By which consent something leaves; None for what its viewer does themselves."""
    return {CONSENT: entry.source, RECHECK: RECHECKS}.get(entry.purpose)


def rechecks_allowed(conn: Connection, viewer: str) -> bool:
    """Whether claims of this viewer's look-ups may be checked again."""
    c = enrichment_consent.c
    allowed = select(c.granted).where(c.viewer_id == viewer, c.source == RECHECKS)
    return bool(conn.execute(allowed).scalar_one_or_none())


def end(conn: Connection, viewer: str, ended: Sequence[tuple[str, str, int | None]], now: datetime) -> None:
    """Close rows: (id, outcome, HTTP status). What did not leave has cost nothing."""
    for disclosure_id, outcome, status in ended:
        values: dict[str, Any] = {"outcome": outcome, "http_status": status, "answered_at": now}
        if outcome == NOT_SENT:
            values["price"] = 0
        conn.execute(sa.update(disclosure).where(_D.viewer_id == viewer, _D.id == disclosure_id).values(**values))


def latest(conn: Connection, viewer: str, source: str, kind: str, value: str, since: datetime) -> Disclosure | None:
    """The last thing that left for a source about an identifier, not before `since`."""
    row = conn.execute(
        select(disclosure)
        .where(_D.viewer_id == viewer, _D.source == source, _D.kind == kind, _D.value == value, _D.sent_at >= since,
               _D.purpose == CONSENT, _D.outcome != NOT_SENT)
        .order_by(_D.sent_at.desc(), _D.id.desc()).limit(1)
    ).one_or_none()  # fmt: skip
    return None if row is None else of_row(row)


def priced(conn: Connection, viewer: str, source: str, kind: str, value: str, since: datetime, price: int) -> None:
    """What the questions that left since have cost after all: the last one, the others nothing."""
    found = latest(conn, viewer, source, kind, value, since)
    if found is not None and found.price != price:
        conn.execute(sa.update(disclosure).where(_D.viewer_id == viewer, _D.id == found.id).values(price=price))


def by_id(conn: Connection, viewer: str, disclosure_ids: Sequence[str]) -> dict[str, Disclosure]:
    rows = conn.execute(select(disclosure).where(_D.viewer_id == viewer, _D.id.in_(disclosure_ids)))
    return {row.id: of_row(row) for row in rows}


def forget(conn: Connection, viewer: str, before: datetime) -> bool:
    """Erase what left before a moment, the oldest first; True when there may be more. What the viewer has decided is not touched."""
    old = select(_D.id).where(_D.viewer_id == viewer, _D.sent_at < before).order_by(_D.sent_at, _D.id)
    gone = conn.execute(old.limit(FORGOTTEN_AT_ONCE)).scalars().all()
    conn.execute(sa.delete(disclosure).where(_D.viewer_id == viewer, _D.id.in_(gone)))
    return len(gone) == FORGOTTEN_AT_ONCE


def of_row(row: Any) -> Disclosure:
    """The disclosure of a row. Raises MsgspecError for a damaged one."""
    values = {name: getattr(row, name) for name in Disclosure.__struct_fields__}
    return Disclosure(**(values | {"sent": _sentences(row.sent)}))


def following(conn: Connection, viewer: str, after: tuple[datetime, str] | None, limit: int) -> list[Disclosure]:
    """A page of the log from its beginning on, behind (moment, id)."""
    query = select(disclosure).where(_D.viewer_id == viewer)
    if after is not None:
        at, last = after
        query = query.where(sa.or_(_D.sent_at > at, sa.and_(_D.sent_at == at, _D.id > last)))
    return [of_row(row) for row in conn.execute(query.order_by(_D.sent_at, _D.id).limit(limit))]
