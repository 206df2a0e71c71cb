"""Why contacts are held for one person: the stored edges between them, told in the words of `identity/explain.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import addresses
from resolvers.identity.explain import mutual, sentence, tied
from store import web_links
from store.tables import account, contact, contact_key, decision, decision_contact, evidence
from store.web_links import WebLink

MAX_EVIDENCE: Final = 100
MAX_CONTACTS: Final = 10  # that one piece of evidence names
DECISION_WEIGHT: Final = 50.0  # log-odds: what the viewer says is beyond what any facts could bring
TIES: Final = frozenset({"LINKED", "VOUCHED"})  # kinds of edges that the open web proves (identity/clusters.py)
_decode = msgspec.msgpack.Decoder(records.Contact).decode


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What all evidence has."""

    strength: str
    weight: float
    sentence: str
    contact_ids: tuple[str, ...]
    observed_at: datetime


class EmailEvidence(Evidence, frozen=True, kw_only=True):
    """A common e-mail address; the accounts whose network vouches for it."""

    address: str
    shared: bool
    verifying_account_ids: list[str]


class PhoneEvidence(Evidence, frozen=True, kw_only=True):
    """A common phone number."""

    number: str
    line: str
    shared: bool


class ProfileLinkEvidence(Evidence, frozen=True, kw_only=True):
    """A link from one record's page to the other's profile. Until when it holds and how checks of it went: store/web_links.py."""

    from_: str
    to: str
    claim: str
    verifier: str | None = None
    verified_at: datetime | None = None
    due_at: datetime | None = None
    checked_at: datetime | None = None
    failing_since: datetime | None = None
    lapsed_at: datetime | None = None


class ProviderIdEvidence(Evidence, frozen=True, kw_only=True):
    """The same user at one network."""

    provider: str
    handle: str | None


class DecisionEvidence(Evidence, frozen=True, kw_only=True):
    """What the viewer said."""

    verdict: str
    merge_id: str


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Evidence]]:
    """What makes the contacts of each person one, strongest first; four statements however many people."""
    e = evidence.c
    query = (
        select(evidence, contact.c.person_id)
        .join(contact, sa.and_(contact.c.viewer_id == e.viewer_id, contact.c.id == e.left_id))
        .where(e.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .order_by(e.weight.desc(), e.left_id, e.right_id, e.kind, e.value)
    )
    edges: dict[str, list[Any]] = {person_id: [] for person_id in person_ids}
    for row in conn.execute(query):
        if len(edges[row.person_id]) < MAX_EVIDENCE:
            edges[row.person_id].append(row)
    proofs = told(conn, viewer, edges, today=True)
    said = _said(conn, viewer, person_ids)
    return {person_id: [*said.get(person_id, ()), *found][:MAX_EVIDENCE] for person_id, found in proofs.items()}


def _said(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Evidence]]:
    """The joins by hand that hold the contacts of each person together."""
    d, c = decision.c, decision_contact.c
    rows = conn.execute(
        select(d.id, d.at, c.contact_id, c.side, contact.c.person_id)
        .join(decision_contact, sa.and_(c.viewer_id == d.viewer_id, c.decision_id == d.id))
        .join(contact, sa.and_(contact.c.viewer_id == c.viewer_id, contact.c.id == c.contact_id))
        .where(
            d.viewer_id == viewer,
            d.action == "MERGED",
            d.rule.is_(None),
            d.undone_by.is_(None),
            contact.c.person_id.in_(person_ids),
        )
        .order_by(d.number.desc(), c.side, c.contact_id)
    )
    joins: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        joins.setdefault((row.person_id, row.id), []).append(row)
    found: dict[str, list[Evidence]] = {}
    for (person_id, decision_id), members in joins.items():
        if len({row.side for row in members}) > 1:
            found.setdefault(person_id, []).append(
                by_hand("SAME", decision_id, [row.contact_id for row in members], members[0].at)
            )
    return found


def by_hand(verdict: str, decision_id: str, contact_ids: Sequence[str], at: datetime) -> DecisionEvidence:
    """What the viewer said of some contacts."""
    same = verdict == "SAME"
    return DecisionEvidence(
        strength="PROOF" if same else "VETO",
        weight=DECISION_WEIGHT if same else -DECISION_WEIGHT,
        sentence=f"You said that they are {'one person' if same else 'different people'}.",
        contact_ids=tuple(contact_ids[:MAX_CONTACTS]),
        observed_at=at,
        verdict=verdict,
        merge_id=decision_id,
    )


def told(conn: Connection, viewer: str, edges: Mapping[str, Sequence[Any]], *, today: bool = False) -> dict[str, list[Evidence]]:
    """Edges in words, by whatever they belong to; two statements however many, and two more where the open web says any of it.
    `today`: it is told as it was seen last, not as it was seen when it was kept."""
    involved = sorted({i for rows in edges.values() for row in rows for i in (row.left_id, row.right_id)})
    cards = {
        row.id: row
        for row in conn.execute(
            select(contact.c.id, contact.c.account_id, contact.c.record, account.c.label)
            .join(account, sa.and_(account.c.viewer_id == contact.c.viewer_id, account.c.id == contact.c.account_id))
            .where(contact.c.viewer_id == viewer, contact.c.id.in_(involved))
        )
    }
    k = contact_key.c
    keys = {
        (row.contact_id, row.kind, row.value): row
        for row in conn.execute(select(contact_key).where(k.viewer_id == viewer, k.contact_id.in_(involved)))
    }
    links = _links(conn, viewer, [row for rows in edges.values() for row in rows if row.kind in TIES])
    return {
        owner: [_tied(row, cards, links, today=today) if row.kind in TIES else _told(row, cards, keys) for row in rows]
        for owner, rows in edges.items()
    }


def _links(conn: Connection, viewer: str, rows: Sequence[Any]) -> dict[tuple[str, str], WebLink]:
    """What is proven today between the addresses of chains, by both, in the order in which it was read."""
    keys = {key for row in rows for key in _chain(row)}
    found = web_links.proven(conn, viewer, keys) if keys else []
    return {(link.speaker, link.target): link for link in sorted(found, key=lambda link: (link.relation == "ALIAS", link.place))}


def _tied(row: Any, cards: Mapping[str, Any], links: Mapping[tuple[str, str], WebLink], *, today: bool) -> Evidence:
    """What the open web proves, with how it stands today: until when the first of it holds, since when any of it could not be confirmed."""
    chain = _chain(row)
    said = [[link for way in (pair, pair[::-1]) if (link := links.get((way[0], way[1]))) is not None] for pair in pairwise(chain)]
    steps = [link for both in said for link in both]
    seen = min(max(link.read_at for link in both) for both in said) if today and all(said) else row.observed_at
    vouching = next((link for link in steps if link.verifier is not None), None)
    still = row.strength == "PROOF"
    verifier = None if vouching is None else vouching.verifier
    return ProfileLinkEvidence(
        strength=row.strength,
        weight=row.weight,
        sentence=tied(chain, seen, vouched=row.kind == "VOUCHED", verifier=verifier, still=still),
        contact_ids=tuple(i for i in (row.left_id, row.right_id) if i in cards),
        observed_at=seen,
        from_=addresses.uri(chain[0]),
        to=addresses.uri(chain[-1]),
        claim="VERIFIED" if row.kind == "VOUCHED" else "RECIPROCAL",
        verifier=verifier,
        verified_at=None if vouching is None else vouching.verified_at,
        due_at=min((link.due_at for link in steps if link.due_at is not None), default=None),
        checked_at=min((link.checked_at for link in steps if link.checked_at is not None), default=None),
        failing_since=min((link.failing_since for link in steps if link.failing_since is not None), default=None),
    )


def _chain(row: Any) -> list[str]:
    """The addresses of a chain, by their keys."""
    return [row.value, *row.detail.split(" ")]


def _told(row: Any, cards: Mapping[str, Any], keys: Mapping[tuple[str, str, str], Any]) -> Evidence:
    pair = [i for i in (row.left_id, row.right_id) if i in cards]
    said = {i: keys[i, row.kind, row.value].source for i in pair if (i, row.kind, row.value) in keys}
    common: dict[str, Any] = {
        "strength": row.strength,
        "weight": row.weight,
        "sentence": sentence(
            row.kind,
            row.value,
            [cards[i].label for i in pair],
            shared=row.shared,
            vouching=[cards[i].label for i in pair if said.get(i) == "verified"],
        ),
        "contact_ids": tuple(pair),
        "observed_at": row.observed_at,
    }
    if row.kind == "EMAIL":
        vouching = sorted({cards[i].account_id for i in pair if said.get(i) == "verified"})
        return EmailEvidence(**common, address=row.value, shared=row.shared, verifying_account_ids=vouching)
    if row.kind == "PHONE":
        strong = any(keys[i, row.kind, row.value].strong for i in said)
        return PhoneEvidence(**common, number=row.value, line="MOBILE" if strong else "UNKNOWN", shared=row.shared)
    if row.kind == "HANDLE":
        provider, _, handle = row.value.partition(":")
        return ProviderIdEvidence(**common, provider=provider, handle=handle or None)
    to = f"https://{row.value}"
    if row.detail is not None:
        common["sentence"] = mutual(row.value, row.detail)
        return ProfileLinkEvidence(**common, from_=f"https://{row.detail}", to=to, claim="RECIPROCAL")
    pages = [_page(cards[i]) for i in pair if said.get(i) != "own"]
    claim = "VERIFIED" if "verified" in said.values() else "RECIPROCAL" if all(s == "own" for s in said.values()) else "CLAIMED"
    return ProfileLinkEvidence(**common, from_=next((p for p in pages if p), to), to=to, claim=claim)


def _page(card: Any) -> str | None:
    """The page of a record itself, where the link stands; an address book's card has none."""
    try:
        return _decode(card.record).url
    except msgspec.MsgspecError:
        return None
