"""What outside sources may be asked for a viewer, what each question came to, and what a month has cost.

A question is an identifier and whom it is put to. It is OPEN from before anything leaves until its answer is kept, together with the money
that it may cost; a question that is OPEN for longer than any call takes is of a process that died. If something of it has left it may have
been paid for: it becomes UNCONFIRMED and is not put again unless somebody wants so. Money is in millionths of a US dollar, months are
UTC's. Knows no source and no HTTP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import disclosures
from store.tables import contact_key, enrichment_answer, enrichment_consent, enrichment_spending
from store.upserts import insert_into

OPEN: Final = "OPEN"
UNCONFIRMED: Final = "UNCONFIRMED"
OPTED_OUT: Final = "OPTED_OUT"
FOUND: Final = "FOUND"
#: Longer than a call may take (providers/enrichment/ask.py): a question that is open for longer is nobody's.
ABANDONED: Final = timedelta(seconds=150)
#: What is remembered of a source whose consent is withdrawn: that somebody does not want to be asked about, and what may have been paid for.
LASTING: Final = (OPEN, UNCONFIRMED, OPTED_OUT)
_A: Final = enrichment_answer.c
_C: Final = enrichment_consent.c
_S: Final = enrichment_spending.c


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer said of a source; `fields` are the kinds of identifiers that may be sent."""

    source: str
    granted: bool
    fields: tuple[str, ...]
    changed_at: datetime
    paused_until: datetime | None = None
    paused_outcome: str | None = None
    paused_message: str | None = None


class Question(msgspec.Struct, frozen=True, order=True):
    """An identifier, as contacts have it (resolvers/identity/keys.py), and whom it is put to."""

    source: str
    kind: str
    value: str


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a source said. `confidence` is 0 to 1, as the source says."""

    field: str
    value: str
    label: str | None = None
    confidence: float | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a question came to."""

    question: Question
    outcome: str
    message: str | None
    price: int
    facts: tuple[Fact, ...]
    asked_at: datetime
    answered_at: datetime | None
    again_at: datetime | None
    holder: str = ""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who puts questions: a run, alone since `since`. What it has left open before that, its dead forerunner did."""

    run: str
    since: datetime


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a question may be put now. Other than ASK: nothing may leave."""

    verdict: Literal["ASK", "KNOWN", "WAITS", "PAUSED", "NO_CONSENT", "BUDGET_SPENT"]
    answer: Answer | None = None
    outcome: str | None = None
    message: str | None = None
    until: datetime | None = None


_facts = msgspec.msgpack.Decoder(tuple[Fact, ...]).decode


# --- consent ------------------------------------------------------------------------------------------------------------------


def consents(conn: Connection, viewer: str) -> dict[str, Consent]:
    """Everything the viewer ever decided, by source."""
    return {row.source: _consent(row) for row in conn.execute(select(enrichment_consent).where(_C.viewer_id == viewer))}


def decide(conn: Connection, viewer: str, source: str, granted: bool, fields: Sequence[str], now: datetime) -> int:
    """Keep what the viewer decided. Withdrawn: what was got of the source is erased; how many facts these were."""
    values = {"granted": granted, "fields": " ".join(fields), "changed_at": now, "paused_until": None, "paused_outcome": None,
              "paused_message": None}  # fmt: skip
    _upsert(conn, enrichment_consent, {"viewer_id": viewer, "source": source}, values)
    if granted:
        return 0
    mine = (_A.viewer_id == viewer, _A.source == source)
    rows = conn.execute(select(_A.facts).where(*mine, _A.facts.is_not(None))).scalars().all()
    conn.execute(sa.delete(enrichment_answer).where(*mine, _A.outcome.not_in(LASTING)))
    return sum(len(_read(facts)) for facts in rows)


def pause(conn: Connection, viewer: str, source: str, outcome: str, message: str | None, until: datetime) -> None:
    """Put nothing more to a source for a while: it would say no, and would have been told all the same."""
    mine = sa.update(enrichment_consent).where(_C.viewer_id == viewer, _C.source == source)
    conn.execute(mine.values(paused_until=until, paused_outcome=outcome, paused_message=message))


# --- questions ----------------------------------------------------------------------------------------------------------------


def begin(
    conn: Connection,
    viewer: str,
    question: Question,
    price: int,
    budget: int,
    now: datetime,
    *,
    again: bool = False,
    holder: Holder | None = None,
) -> Turn:
    """Whether a question may be put now. ASK: it is open, and its price is set aside. `budget` is what a month may cost where the viewer
    has set nothing; `again`: somebody wants it put although it was answered or may have been paid for."""
    consent = conn.execute(
        select(enrichment_consent).where(_C.viewer_id == viewer, _C.source == question.source).with_for_update()
    ).one_or_none()
    if consent is None or not consent.granted or question.kind not in consent.fields.split():
        return Turn(verdict="NO_CONSENT")
    mine = (_A.viewer_id == viewer, _A.source == question.source, _A.kind == question.kind, _A.value == question.value)
    row = conn.execute(select(enrichment_answer).where(*mine).with_for_update()).one_or_none()
    known = None if row is None else _answer(row)
    if known is not None:
        dead = holder is not None and known.holder == holder.run and known.asked_at < holder.since
        known = _abandoned(conn, viewer, known, now, dead=dead)
        if known.outcome == OPEN and known.asked_at > now - ABANDONED and not dead:
            return Turn(verdict="WAITS", answer=known, until=known.asked_at + ABANDONED)
        # what this very run has put before is not put again by it, whoever was killed in between
        wanted = again and known.outcome in (UNCONFIRMED, FOUND) and (holder is None or known.holder != holder.run)
        if settled(known, now) and not wanted:
            return Turn(verdict="KNOWN", answer=known)
    if consent.paused_until is not None and consent.paused_until > now:
        return Turn(
            verdict="PAUSED",
            answer=known,
            outcome=consent.paused_outcome,
            message=consent.paused_message,
            until=consent.paused_until,
        )
    if price and not _set_aside(conn, viewer, price, budget, now):
        return Turn(verdict="BUDGET_SPENT", answer=known, until=_following(now))
    at = {"viewer_id": viewer, **msgspec.structs.asdict(question)}
    values: dict[str, Any] = {
        "outcome": OPEN,
        "message": None,
        "price": price,
        "asked_at": now,
        "answered_at": None,
        "again_at": None,
        "holder": "" if holder is None else holder.run,
    }
    if known is None or known.outcome in LASTING:
        values["facts"] = None
    _upsert(conn, enrichment_answer, at, values)
    return Turn(verdict="ASK")


def end(
    conn: Connection,
    viewer: str,
    question: Question,
    asked_at: datetime,
    outcome: str,
    message: str | None,
    price: int,
    facts: Sequence[Fact] | None,
    again_at: datetime | None,
    now: datetime,
) -> None:
    """Keep what a question came to and give back what it did not cost. `facts` None: what was known before stays. Where consent was
    withdrawn meanwhile nothing is kept."""
    at = (_A.viewer_id == viewer, _A.source == question.source, _A.kind == question.kind, _A.value == question.value)
    granted = conn.execute(
        select(_C.granted).where(_C.viewer_id == viewer, _C.source == question.source).with_for_update()
    ).scalar()
    row = conn.execute(select(_A.price, _A.asked_at, _A.outcome).where(*at).with_for_update()).one_or_none()
    if row is not None and (row.asked_at, row.outcome) == (asked_at, OPEN):
        if row.price != price:
            month = (_S.viewer_id == viewer, _S.month == _month(asked_at))
            conn.execute(sa.update(enrichment_spending).where(*month).values(spent=_S.spent + price - row.price))
            disclosures.priced(conn, viewer, question.source, question.kind, question.value, asked_at, price)
        if not granted and outcome not in LASTING:
            conn.execute(sa.delete(enrichment_answer).where(*at))
            return
        values: dict[str, Any] = {
            "outcome": outcome,
            "message": message,
            "price": price,
            "answered_at": now,
            "again_at": again_at,
        }
        if facts is not None:
            values["facts"] = msgspec.msgpack.encode(tuple(facts)) if granted else None
        conn.execute(sa.update(enrichment_answer).where(*at).values(**values))


def answers(
    conn: Connection, viewer: str, keys: Collection[tuple[str, str]], now: datetime
) -> dict[tuple[str, str], list[Answer]]:
    """What is known by each (kind, value), of all sources; an abandoned question is told as what it is."""
    found: dict[tuple[str, str], list[Answer]] = {}
    values = sorted({value for _, value in keys})
    for n in range(0, len(values), 500):
        rows = conn.execute(select(enrichment_answer).where(_A.viewer_id == viewer, _A.value.in_(values[n : n + 500])))
        for row in rows.all():
            if (row.kind, row.value) in keys:
                found.setdefault((row.kind, row.value), []).append(_told(conn, viewer, _answer(row), now))
    return found


def settled(answer: Answer, now: datetime) -> bool:
    """Whether a question needs not be put again now, unless somebody wants so."""
    if answer.outcome == OPEN:
        return False
    return answer.outcome in (OPTED_OUT, UNCONFIRMED) or answer.again_at is None or answer.again_at > now


def unconfirmed(conn: Connection, viewer: str, now: datetime) -> list[Answer]:
    """The questions of which nobody knows whether they were answered and paid for, the oldest first."""
    rows = conn.execute(
        select(enrichment_answer).where(_A.viewer_id == viewer, _A.outcome.in_((OPEN, UNCONFIRMED))).order_by(_A.asked_at)
    )
    told = [_told(conn, viewer, _answer(row), now) for row in rows.all()]
    return [answer for answer in told if answer.outcome == UNCONFIRMED]


def forget_orphans(conn: Connection, viewer: str) -> int:
    """Erase what was got by identifiers that no contact has any more, up to 500 at a time; how many."""
    carried = select(contact_key.c.contact_id).where(
        contact_key.c.viewer_id == viewer, contact_key.c.kind == _A.kind, contact_key.c.value == _A.value
    )
    rows = conn.execute(
        select(_A.source, _A.kind, _A.value)
        .where(_A.viewer_id == viewer, _A.outcome.not_in(LASTING), ~carried.correlate(enrichment_answer).exists())
        .limit(500)
    ).all()
    for row in rows:
        conn.execute(
            sa.delete(enrichment_answer).where(
                _A.viewer_id == viewer, _A.source == row.source, _A.kind == row.kind, _A.value == row.value
            )
        )
    return len(rows)


# --- money --------------------------------------------------------------------------------------------------------------------


def spent(conn: Connection, viewer: str, now: datetime) -> tuple[int, int | None]:
    """What this month has cost and what is set aside, and the most that the viewer allows; None where they have set nothing."""
    row = conn.execute(
        select(enrichment_spending).where(_S.viewer_id == viewer, _S.month <= _month(now)).order_by(_S.month.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return 0, None
    return (row.spent if row.month == _month(now) else 0), row.allowed


def allow(conn: Connection, viewer: str, allowed: int | None, now: datetime) -> None:
    """Set what a month may cost, from this one on."""
    _upsert(conn, enrichment_spending, {"viewer_id": viewer, "month": _month(now)}, {"allowed": allowed}, {"spent": 0})


def _set_aside(conn: Connection, viewer: str, price: int, budget: int, now: datetime) -> bool:
    """Take the price off this month's money in one statement, so that two who ask at once cannot both have the last of it."""
    _, allowed = spent(conn, viewer, now)
    at = {"viewer_id": viewer, "month": _month(now)}
    insert = insert_into(enrichment_spending, conn.dialect.name)
    conn.execute(insert.values(**at, spent=0, allowed=allowed).on_conflict_do_nothing())
    limit = budget if allowed is None else min(allowed, budget)
    taken = sa.update(enrichment_spending).where(_S.viewer_id == viewer, _S.month == at["month"], _S.spent + price <= limit)
    return conn.execute(taken.values(spent=_S.spent + price)).rowcount == 1


def _month(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m}"


def _following(now: datetime) -> datetime:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


# --- rows ---------------------------------------------------------------------------------------------------------------------


def _told(conn: Connection, viewer: str, answer: Answer, now: datetime, *, dead: bool = False) -> Answer:
    """An answer as it stands: one whose process died before it was kept may have been paid for."""
    if answer.outcome != OPEN or answer.price == 0 or (answer.asked_at > now - ABANDONED and not dead):
        return answer  # a free question is simply put again
    q = answer.question
    if disclosures.latest(conn, viewer, q.source, q.kind, q.value, answer.asked_at) is None:
        return answer
    text = "The process ended before an answer came: the question may have been answered, and paid for."
    return msgspec.structs.replace(answer, outcome=UNCONFIRMED, message=text)


def _abandoned(conn: Connection, viewer: str, known: Answer, now: datetime, *, dead: bool) -> Answer:
    """The same, kept; of a question that never left the money is given back."""
    told = _told(conn, viewer, known, now, dead=dead)
    if known.outcome != OPEN or (known.asked_at > now - ABANDONED and not dead):
        return known
    q = known.question
    price = known.price if told.outcome == UNCONFIRMED else 0
    end(conn, viewer, q, known.asked_at, told.outcome if price else "UNAVAILABLE", told.message, price, None, now, now)
    return told


def _upsert(
    conn: Connection, table: sa.Table, at: dict[str, Any], values: dict[str, Any], first: dict[str, Any] | None = None
) -> None:
    insert = insert_into(table, conn.dialect.name)
    keys: Iterable[str] = at
    conn.execute(insert.values(**at, **(first or {}), **values).on_conflict_do_update(index_elements=list(keys), set_=values))


def _consent(row: Any) -> Consent:
    values = {name: getattr(row, name) for name in Consent.__struct_fields__}
    return Consent(**(values | {"fields": tuple(row.fields.split())}))


def _answer(row: Any) -> Answer:
    return Answer(
        question=Question(row.source, row.kind, row.value),
        outcome=row.outcome,
        message=row.message,
        price=row.price,
        facts=_read(row.facts),
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        again_at=row.again_at,
        holder=row.holder,
    )


def _read(facts: bytes | None) -> tuple[Fact, ...]:
    try:
        return () if facts is None else _facts(facts)
    except msgspec.MsgspecError:
        return ()
