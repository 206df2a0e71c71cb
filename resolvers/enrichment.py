"""What outside sources say about people: each question put once, by consent, within the viewer's money, and kept with where it is from.

    person ──strong identifiers──▶ questions ──what is known──▶ answers
                                       │ what is not
                                       ▼
        begin (consent, pause, money, one transaction) ──▶ log ──▶ wire ──▶ end (facts, price)

An answer hangs on the identifier that was asked about and so follows it through joining and parting; nobody is joined by what was said.
Identifiers that are only hints of a person (an office's address, a page somebody claims) are not sent, and nothing about organisations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from providers.enrichment import answer as said
from providers.enrichment.ask import Enrichers
from providers.enrichment.offer import BY_KEY, SOURCES, Source, dollars
from resolvers import people
from resolvers.disclosures import About, Ledger
from resolvers.loaders import load, once
from resolvers.operation import Operation, Services
from store import enrichment
from store.disclosures import CONSENT
from store.enrichment import Answer, Consent, Fact, Holder, Question, Turn
from store.tables import contact, contact_key

MAX_FACTS: Final = 200
#: Identifiers of one person that a source is asked by, until it knows one.
TRIES: Final = 3
#: Kinds and how they were had, the surest first (resolvers/identity/keys.py).
RANK: Final[Mapping[str, int]] = {"verified": 0, "own": 1, "written": 2, "claimed": 3}
WORDS: Final[Mapping[str, str]] = {"EMAIL": "the e-mail address", "PHONE": "the phone number", "URL": "the address"}
#: An outcome as the state of a source; what is missing is UNAVAILABLE.
STATES: Final[Mapping[str, str]] = {
    "FOUND": "FRESH", "NOT_FOUND": "FRESH", "OPTED_OUT": "FRESH", "PENDING": "REFRESHING", "ASKING": "REFRESHING",
    "RATE_LIMITED": "RATE_LIMITED", "BUDGET_SPENT": "BUDGET_SPENT", "TIMED_OUT": "TIMED_OUT", "INVALID": "UNSUPPORTED",
    "NO_CONSENT": "UNSUPPORTED", "NOTHING_TO_ASK": "UNSUPPORTED", "NOT_SET_UP": "UNSUPPORTED",
}  # fmt: skip
#: After which nothing more is put to a source for a while, by whomever: it would only learn more and say the same.
PAUSES: Final = frozenset({"RATE_LIMITED", "OUT_OF_CREDIT", "REFUSED"})
#: After which the next identifier of the same person is tried.
GOES_ON: Final = frozenset({"NOT_FOUND", "INVALID"})
SPENT: Final = "This month's money for enrichment is used up, or the rest is less than a match costs."
Key = tuple[str, str]


class EnrichedFact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact, with who said so, when and for how much the answer that it came with."""

    source: str
    field: str
    value: str
    label: str | None
    confidence: float | None
    as_of: datetime
    price: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How one source answered. `outcome` is its name, `state` what it means for the answer."""

    source: str
    state: str
    outcome: str
    found: bool | None = None
    price: str | None = None
    as_of: datetime | None = None
    message: str | None = None
    retry_at: datetime | None = None


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """What all sources said."""

    facts: list[EnrichedFact]
    sources: list[Status]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How one question stands."""

    outcome: str
    facts: tuple[Fact, ...] = ()
    price: int = 0
    as_of: datetime | None = None
    message: str | None = None
    until: datetime | None = None


# --- one person -----------------------------------------------------------------------------------------------------------------


async def of_person(operation: Operation, person: people.Person, sources: Sequence[str] | None) -> Enrichment | None:
    """What sources say about somebody, asked as far as it is not known; None where nothing is allowed."""
    allowed = await consents(operation)
    granted = [source.key for source in SOURCES if source.key in allowed and allowed[source.key].granted]
    if not granted:
        return None
    wanted = granted if sources is None else list(dict.fromkeys(sources))
    keys = await load(operation, identifiers, person.id) or []
    asked = [_of_source(operation, person, BY_KEY[source], allowed.get(source), keys) for source in wanted]
    return merged(dict(zip(wanted, await asyncio.gather(*asked), strict=True)))


async def _of_source(
    operation: Operation, person: people.Person, source: Source, consent: Consent | None, keys: Sequence[Key]
) -> Told:
    enrichers = operation.services.enrichers
    if consent is None or not consent.granted:
        return Told(outcome="NO_CONSENT", message="You have not allowed this source to be asked.")
    usable = questions(enrichers, person, source, consent.fields, keys)
    told = Told(outcome="NOTHING_TO_ASK", message="There is no identifier of theirs that may be sent.")
    for question in usable:
        told = await _put(operation, question)
        if told.outcome not in GOES_ON:
            break
    return told


async def _put(operation: Operation, question: Question) -> Told:
    """How a question stands for somebody who waits: as it is known, else asked; what takes too long goes on and is there the next time."""
    services = operation.services
    now = moment(operation)
    known = (await load(operation, answers, (question.kind, question.value), now)) or []
    for answer in known:
        if answer.question == question and enrichment.settled(answer, now):
            return _known(answer)
    place = (operation.viewer, "enrichment", question.source, question.kind, question.value)
    flight: asyncio.Task[Told] | None = services.flights.get(place)
    operation.spending.planned += 1
    if flight is None:
        operation.spending.made += 1
        flight = services.flights[place] = asyncio.create_task(
            put(services, operation.viewer, question), name="flight:enrichment"
        )
        flight.add_done_callback(lambda _: services.flights.pop(place, None))
    else:
        operation.spending.avoided += 1
    seconds = max(operation.remaining(), services.max_deadline_ms / 1000 - operation.elapsed())
    done, _ = await asyncio.wait({flight}, timeout=seconds)
    return (
        flight.result()
        if done
        else Told(outcome="TIMED_OUT", message="It is still being asked: the answer is there the next time.")
    )


async def put(
    services: Services, viewer: str, question: Question, *, again: bool = False, waits: bool = False, holder: Holder | None = None
) -> Told:
    """Put one question, if it has to be and may be. The row in the store is there before anything leaves, and is closed after."""
    enrichers, database = services.enrichers, services.database
    if enrichers is None or not enrichers.available(question.source):
        return Told(outcome="NOT_SET_UP", message=BY_KEY[question.source].how)
    asked_at = services.clock.now()
    price = enrichers.price(question.source)
    turn = await database.write(
        viewer, enrichment.begin, question, price, services.enrichment_budget, asked_at, again=again, holder=holder
    )
    if turn.verdict != "ASK":
        return _not_asked(turn)
    source = BY_KEY[question.source]
    ledger = Ledger(database, services.clock, viewer)
    about = About(
        source=question.source, purpose=CONSENT, kind=question.kind, value=question.value, sent=tuple(sends(source, question)),
        price=price,
    )  # fmt: skip
    answer = await enrichers.ask(question.source, question.kind, question.value, ledger.about(about), waits=waits)
    await ledger.settled()
    return await _end(services, viewer, question, asked_at, price, answer)


async def _end(services: Services, viewer: str, question: Question, asked_at: datetime, price: int, answer: said.Answer) -> Told:
    now = services.clock.now()
    source = BY_KEY[question.source]
    facts = tuple(Fact(**msgspec.structs.asdict(fact)) for fact in answer.facts)
    again_at = answer.again_at
    if answer.outcome == "FOUND":
        again_at = None if source.stays is None else now + source.stays
    elif answer.outcome in GOES_ON:
        again_at = now + source.nothing_stays
    cost = round(price * answer.charged)
    kept = facts if answer.outcome in ("FOUND", "NOT_FOUND", "OPTED_OUT") else None

    def end(conn: Connection, whose: str) -> None:
        enrichment.end(conn, whose, question, asked_at, answer.outcome, answer.message, cost, kept, again_at, now)
        if source.asks_one and answer.outcome in PAUSES and answer.again_at is not None:
            enrichment.pause(conn, whose, question.source, answer.outcome, answer.message, answer.again_at)

    await services.database.write(viewer, end)
    return Told(outcome=answer.outcome, facts=facts, price=cost, as_of=now, message=answer.message, until=again_at)


def _not_asked(turn: Turn) -> Told:
    known = Told(outcome="") if turn.answer is None else _known(turn.answer)
    match turn.verdict:
        case "KNOWN":
            return known
        case "WAITS":
            return msgspec.structs.replace(known, outcome="ASKING", until=turn.until, message="It is being asked just now.")
        case "PAUSED":
            return msgspec.structs.replace(known, outcome=turn.outcome or "RATE_LIMITED", until=turn.until, message=turn.message)
        case "BUDGET_SPENT":
            return msgspec.structs.replace(known, outcome="BUDGET_SPENT", until=turn.until, message=SPENT)
        case _:
            return Told(outcome="NO_CONSENT", message="You have not allowed this source to be asked by such an identifier.")


def _known(answer: Answer) -> Told:
    return Told(
        outcome=answer.outcome,
        facts=answer.facts,
        price=answer.price,
        as_of=answer.answered_at or answer.asked_at,
        message=answer.message,
        until=answer.again_at,
    )


def merged(told: Mapping[str, Told]) -> Enrichment:
    """What sources said as one answer, field by field."""
    facts = [
        EnrichedFact(
            source=source, field=fact.field, value=fact.value, label=fact.label, confidence=fact.confidence, as_of=one.as_of,
            price=dollars(one.price),
        )
        for source, one in told.items() if one.as_of is not None for fact in one.facts
    ]  # fmt: skip
    return Enrichment(facts=facts[:MAX_FACTS], sources=[_status(source, one) for source, one in told.items()])


def _status(source: str, told: Told) -> Status:
    answered = told.as_of is not None
    return Status(
        source=source,
        state=STATES.get(told.outcome, "UNAVAILABLE"),
        outcome=told.outcome,
        found=told.outcome == "FOUND" if told.outcome in ("FOUND", "NOT_FOUND", "OPTED_OUT") else None,
        price=dollars(told.price) if answered else None,
        as_of=told.as_of,
        message=told.message,
        retry_at=None if told.outcome in ("FOUND", "NOT_FOUND") else told.until,
    )


# --- what may be sent -----------------------------------------------------------------------------------------------------------


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a source would be sent about somebody, with consent for `sent`; nothing of it has left."""

    source: str
    recipient: str
    sent: list[str]
    price: str
    known: bool


async def preview(operation: Operation, person: people.Person) -> list[Preview]:
    """What each source would be sent about somebody if it were asked now, and what that would cost at most. Asks nobody."""
    allowed = await consents(operation)
    keys = await load(operation, identifiers, person.id) or []
    enrichers = operation.services.enrichers
    now = moment(operation)
    found = []
    for source in SOURCES:
        consent = allowed.get(source.key)
        fields = consent.fields if consent is not None and consent.granted else source.usual
        usable = questions(enrichers, person, source, fields, keys)
        known = False
        for question in usable:
            told = await load(operation, answers, (question.kind, question.value), now) or []
            known = known or any(one.question == question and enrichment.settled(one, now) for one in told)
        price = 0 if enrichers is None or not usable or known else enrichers.price(source.key)
        found.append(
            Preview(
                source=source.key, recipient=source.recipient, price=dollars(price), known=known,
                sent=[sentence for question in usable for sentence in sends(source, question)],
            )
        )  # fmt: skip
    return found


def questions(
    enrichers: Enrichers | None, person: people.Person, source: Source, fields: Sequence[str], keys: Sequence[Key]
) -> list[Question]:
    """The questions that a source may be asked about somebody, in the order in which they are put."""
    if person.nature != "INDIVIDUAL" or enrichers is None or source not in SOURCES:
        return []
    allowed = [kind for kind in source.kinds if kind in fields]
    usable = [(kind, value) for kind, value in keys if kind in allowed and enrichers.takes(source.key, kind, value)]
    usable.sort(key=lambda key: allowed.index(key[0]))
    return [Question(source.key, kind, value) for kind, value in usable[:TRIES]]


def sends(source: Source, question: Question) -> list[str]:
    """What leaves with a question, in words."""
    value = f"https://{question.value}" if question.kind == "URL" else question.value
    if source.key == "GRAVATAR":
        return [f"the SHA-256 of {value}"]
    return [f"{WORDS[question.kind]} {value}"]


def identifiers(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Key]]:
    """What proves each person, the surest first: (kind, value) as contacts have it."""
    k = contact_key.c
    rows = conn.execute(
        select(contact.c.person_id, k.kind, k.value, k.source)
        .join(contact, (contact.c.viewer_id == k.viewer_id) & (contact.c.id == k.contact_id))
        .where(k.viewer_id == viewer, contact.c.person_id.in_(person_ids), k.strong, k.kind.in_(("EMAIL", "PHONE", "URL")))
    ).all()
    best: dict[str, dict[Key, int]] = {person_id: {} for person_id in person_ids}
    for row in rows:
        rank = RANK.get(row.source, len(RANK))
        key = (row.kind, row.value)
        best[row.person_id][key] = min(rank, best[row.person_id].get(key, rank))
    return {person_id: sorted(found, key=lambda key: (found[key], key)) for person_id, found in best.items()}


def answers(conn: Connection, viewer: str, keys: Sequence[Key], now: datetime) -> dict[Key, list[Answer]]:
    """What is known by each identifier."""
    return enrichment.answers(conn, viewer, set(keys), now)


async def consents(operation: Operation) -> dict[str, Consent]:
    """What the viewer has decided, read once an operation."""
    return await once(operation, ("consents",), lambda: operation.read(enrichment.consents))


def moment(operation: Operation) -> datetime:
    """The operation's now: one for all that is loaded together."""
    found: datetime = operation.loaders.setdefault(("moment",), operation.now())
    return found
