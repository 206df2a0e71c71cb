"""What look-ups have read of who is whom, as it is kept: each claim with its worth and until when it holds, and told to whom it concerns.

In the transaction in which a claim changes, the contacts that hang on either end of it are marked for the job that says who is who.

How long a claim holds depends on how it was said: a handle that is a domain passes to another owner sooner than a page drops a link. Claims
of one moment do not all end at one moment. Who asks, and who asks again when that time is over, is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.enrichment.offer import GITHUB, GRAVATAR, PUBLIC_WEB
from providers.lookup import resources, walk
from providers.lookup.graph import Link
from providers.lookup.reading import Ask
from resolvers import people
from resolvers.disclosures import About
from resolvers.identity.addresses import known_by
from resolvers.identity.keys import normalise_url
from resolvers.identity.webs import Reader
from resolvers.ingest import contacts
from resolvers.operation import Services
from store import leases, locks, web_checks, web_links
from store.disclosures import rechecks_allowed
from store.feed import Recorder
from store.tables import person
from store.web_links import CLAIMED, SAME, WebLink

#: How long a claim holds, by how it was said; of one that was said in several ways the shortest.
LIFETIMES: Final[Mapping[str, timedelta]] = {
    "at-protocol": timedelta(days=7),  # a handle is a domain, and passes with it
    "did-document": timedelta(days=7),
    "nip-05": timedelta(days=14),
    "moved-to": timedelta(days=90),
    "also-known-as": timedelta(days=90),
    "keybase": timedelta(days=90),
}
LIFETIME: Final = timedelta(days=30)
#: Said by third parties, who are asked only when somebody names them: nobody asks again by themselves.
ONLY_WHEN_NAMED: Final = frozenset({"gravatar", "github-search"})
#: The part of a lifetime by which it may be shorter, so that hosts are not asked about everybody on one day.
JITTER: Final = 0.2
#: Bytes of who speaks and of whom, together: databases find claims by both, and longer ones are nobody's names.
MAX_NAMES: Final = 2_000
#: Addresses whose words are kept in one transaction.
SLICE: Final = 30


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What look-ups have read: the claims by who makes them, the documents, and who was listened to to the end (`walk.Found.heard`)."""

    by_speaker: dict[str, list[WebLink]]
    urls: frozenset[str]
    heard: frozenset[str]


async def keep(services: Services, viewer: str, found: Sequence[walk.Found]) -> None:
    """Keeps what was read of who is whom, so that people have it as their identities; in several transactions where there is much."""
    everything = heard(viewer, found)
    speakers = sorted(everything.by_speaker)
    for n in range(0, len(speakers), SLICE):
        await services.database.write(viewer, put, everything, speakers[n : n + SLICE], services.clock.now())


def put(conn: Connection, viewer: str, everything: Heard, speakers: Collection[str], now: datetime) -> None:
    """Keeps what some of them say, tells whom it concerns, and sees to it that it is looked at again where that is allowed."""
    locks.people(conn, viewer)  # whoever says meanwhile who is who does so before or after
    said = [link for speaker in speakers for link in everything.by_speaker[speaker]]
    changed = web_links.put(conn, viewer, speakers, said, everything.urls, everything.heard)
    tell(conn, viewer, changed, now)
    due = min((link.due_at for link in said if link.due_at is not None), default=None)
    if due is not None and rechecks_allowed(conn, viewer):
        leases.enqueue(conn, viewer, web_checks.JOB, viewer, now, due=due)


def heard(viewer: str, found: Sequence[walk.Found]) -> Heard:
    """What several look-ups have read, each claim once, as the one that has seen most of it weighs it."""
    kept: dict[web_links.Place, WebLink] = {}
    speakers: set[str] = set()
    listened: set[str] = set()
    urls: set[str] = set()
    for one in found:
        for reading in one.readings:
            if reading.found:
                urls.add(reading.url)
                speakers |= {resources.key(reading.ask.subject), *(resources.key(each.speaker) for each in reading.statements)}
        listened |= one.heard()
        for link in one.graph.links():
            place = resources.key(link.from_), resources.key(link.to), link.relation
            if link.relation not in SAME or len("".join(place).encode("utf-8", "surrogatepass")) > MAX_NAMES:
                continue
            if place not in kept or kept[place].claim == CLAIMED:
                kept[place] = _kept(viewer, place, link)
    by_speaker: dict[str, list[WebLink]] = {speaker: [] for speaker in speakers}
    for kept_link in kept.values():
        by_speaker.setdefault(kept_link.speaker, []).append(kept_link)
    return Heard(by_speaker=by_speaker, urls=frozenset(urls), heard=frozenset(listened))


def due(viewer: str, speaker: str, protocols: Iterable[str], since: datetime) -> datetime | None:
    """Until when a claim holds that was read at a moment; None for what nobody is asked about again by itself."""
    said = [each for each in protocols if each not in ONLY_WHEN_NAMED]
    if not said:
        return None
    # by the speaker, so that all that one says is read again together
    digest = hashlib.sha256(f"{viewer} {speaker}".encode()).digest()
    return since + min(LIFETIMES.get(each, LIFETIME) for each in said) * (1 - JITTER * digest[0] / 255)


def _kept(viewer: str, place: web_links.Place, link: Link) -> WebLink:
    return WebLink(
        speaker=place[0],
        target=place[1],
        relation=link.relation,
        claim=link.claim,
        protocols=" ".join(link.protocols),
        speaker_uri=link.from_,
        target_uri=link.to,
        url=link.url,
        read_at=link.read_at,
        verifier=link.verifier,
        verified_at=link.verified_at,
        due_at=due(viewer, place[0], link.protocols, link.read_at),
        checked_at=link.read_at,
    )


# --- whom it concerns -----------------------------------------------------------------------------------------------------------


def hung(conn: Connection, viewer: str, links: Collection[WebLink]) -> set[str]:
    """The people on one of whose addresses these claims hang, by whatever is proven now."""
    known = Reader(conn, viewer).beside(links)
    return set(people.owners(conn, viewer, sorted(known)).values())


def tell(conn: Connection, viewer: str, changed: Collection[WebLink], now: datetime) -> None:
    """Tells clients of everybody whose identities are others than they were: who hangs on either end of what is worth more or less now;
    and has it looked at whom that joins, or joins no more. Whoever calls has taken their turn (`locks.people`)."""
    if not changed:
        return
    known = Reader(conn, viewer).beside(changed)
    carrying = contacts.carrying(conn, viewer, known)
    if carrying:
        contacts.look_again(conn, viewer, carrying)
        leases.enqueue(conn, viewer, "identity", viewer, now)
    theirs = sorted(set(people.owners(conn, viewer, sorted(known)).values()))
    if not theirs:
        return
    recorder = Recorder(now, origin="SYSTEM")
    mine = sa.and_(person.c.viewer_id == viewer, person.c.id.in_(theirs))
    conn.execute(sa.update(person).where(mine).values(version=person.c.version + 1))
    for row in conn.execute(select(person.c.id, person.c.version).where(mine).order_by(person.c.id)):
        recorder.upsert("PERSON", row.id, row.version, fields=("identities",))
    recorder.flush(conn, viewer)


def told(ask: Ask, purpose: str) -> About:
    """What the log says of a document that is asked for."""
    kind, value = known_by(ask.subject) or ("URL", normalise_url(ask.subject))
    hashed = ask.protocol == GRAVATAR.lower()
    return About(
        source={"gravatar": GRAVATAR, "github": GITHUB, "github-search": GITHUB}.get(ask.protocol, PUBLIC_WEB),
        purpose=purpose,
        kind=kind,
        value=value,
        sent=(f"the SHA-256 of {ask.subject}" if hashed else ask.subject,),
    )
