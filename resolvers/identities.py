"""The identities of people: handles and profiles that their contacts carry, and those that look-ups have tied to them.

What hangs on an address of theirs by links that are returned or vouched for is theirs to that degree; what such an address alone claims is
shown as a claim; what strangers claim of them is not shown at all. An account, its actor and its page are one identity. Whom these join is
`identity/ties.py`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.lookup import resources
from providers.lookup.protocols import SEEN
from resolvers.evidence import Evidence, ProfileLinkEvidence, ProviderIdEvidence
from resolvers.identity import addresses
from resolvers.identity.clusters import SHARED_WEIGHT, WEIGHTS
from resolvers.identity.keys import is_role, normalise_url
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from store import ids, web_links
from store.among import among, asked
from store.tables import contact, contact_key
from store.web_links import CLAIMED, PROVEN, REVOKED, SAME, WebLink

MAX_IDENTITIES: Final = 100
MAX_EVIDENCE: Final = 20
#: People who may carry one page before it says nothing of any of them.
MAX_SHARING: Final = 5
#: Steps over proven links, and addresses that are looked at for all people of one answer.
STEPS: Final = 4
MAX_ADDRESSES: Final = 5_000
WEB: Final = "web"
PROFILES: Final[Mapping[str, str]] = {"github.com": "github"}
_RANK: Final = {REVOKED: 0, CLAIMED: 1, "RECIPROCAL": 2, "VERIFIED": 3}
_decode = msgspec.msgpack.Decoder(records.Contact).decode


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A handle or profile; `contact_id` is the contact through which it is the person's."""

    id: str
    provider: str
    handle: str | None
    name: str
    url: str | None
    claim: str
    person_id: str | None
    contact_id: str
    evidence: tuple[Evidence, ...]
    version: None = None


class _Draft(msgspec.Struct):
    """An identity while it is put together from what is said of it."""

    key: str
    provider: str
    handle: str | None
    url: str | None
    claim: str
    contact_id: str
    evidence: list[Evidence]


async def of_person(operation: Operation, person_id: str) -> list[Identity]:
    """Everything that is theirs or that they claim, the surest first; what clients are shown by an id can be found by it ever after."""

    async def read(person_ids: list[str]) -> dict[str, list[Identity]]:
        found = await operation.read(of_people, person_ids)
        through = {one.id: one.contact_id for each in found.values() for one in each}
        known = await operation.read(web_links.shown_through, list(through))
        if through.keys() - known.keys():
            await operation.write(web_links.show, through)
        return found

    return await batched(operation, ("identities",), read, person_id) or []


def by_id(conn: Connection, viewer: str, identity_ids: Sequence[str]) -> dict[str, Identity]:
    """Identities that were shown; what is no longer anybody's is gone."""
    through = web_links.shown_through(conn, viewer, identity_ids)
    rows = conn.execute(select(contact.c.id, contact.c.person_id).where(among(contact.c.id)), asked(viewer, through.values()))
    people = {row.person_id for row in rows if row.person_id is not None}
    shown = {one.id: one for each in of_people(conn, viewer, sorted(people)).values() for one in each}
    return {identity_id: shown[identity_id] for identity_id in through if identity_id in shown}


def id_of(viewer: str, uri: str) -> str:
    """The id of the identity that an address is, if it is one."""
    return ids.derive("IDENTITY", viewer, resources.key(uri))


async def get(operation: Operation, identity_id: str) -> Identity | None:
    """One identity."""
    return await load(operation, by_id, identity_id)


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Identity]]:
    """The identities of each person; the number of statements does not depend on how many."""
    columns = (contact.c.id, contact.c.person_id, contact.c.relation, contact.c.record, contact.c.updated_at)
    rows = conn.execute(
        select(*columns).where(among(contact.c.person_id)).order_by(contact.c.born), asked(viewer, person_ids)
    ).all()
    drafts: dict[str, dict[str, _Draft]] = {person_id: {} for person_id in person_ids}
    roots: dict[str, dict[str, str]] = {
        person_id: {} for person_id in person_ids
    }  # key of an address → the contact that carries it
    for row in rows:
        try:
            record = _decode(row.record)
        except msgspec.MsgspecError:
            continue  # the contact itself says that it is damaged
        _carried(drafts[row.person_id], roots[row.person_id], row, record)
    shared = _shared(conn, viewer, {key for each in roots.values() for key in each})
    for each in roots.values():
        for key in each.keys() & shared:
            del each[key]
    links = _reachable(conn, viewer, {key for each in roots.values() for key in each})
    for person_id in person_ids:
        if links:
            _tied(drafts[person_id], roots[person_id], links)
    return {person_id: _shown(viewer, person_id, drafts[person_id].values()) for person_id in person_ids}


# --- what contacts carry ------------------------------------------------------------------------------------------------------


def _carried(drafts: dict[str, _Draft], roots: dict[str, str], row: Any, record: records.Contact) -> None:
    own = record.relation != "ADDRESS_BOOK"
    for email in record.emails:
        if email.address is not None and not is_role(email.address.casefold()):
            roots.setdefault(addresses.mailbox(email.address), row.id)
    for handle in record.handles:
        uri = handle_uri(handle.provider, handle.handle)
        page = resources.web(handle.url) if handle.url else None
        key = resources.key(uri or page or f"{handle.provider}:{handle.handle}")
        evidence = ProviderIdEvidence(
            strength="PROOF" if own else "HINT",
            weight=WEIGHTS["HANDLE"] if own else SHARED_WEIGHT,
            sentence=f"{'The network' if own else 'A card'} names {handle.handle}.",
            contact_ids=(row.id,),
            observed_at=row.updated_at,
            provider=handle.provider,
            handle=handle.handle,
        )
        claim = "VERIFIED" if own else CLAIMED
        _add(drafts, _Draft(key, handle.provider, handle.handle, page, claim, row.id, [evidence]))
        for address in (uri, page):
            if address:
                roots.setdefault(resources.key(address), row.id)
    for url in record.urls:
        page = resources.web(url.url)
        if page is None or (own and not url.verified):
            continue  # what somebody says of themselves at a network is where nobody has to link back
        roots.setdefault(resources.key(page), row.id)
        if url.verified:
            evidence_ = _evidence(
                record.url or page, page, "VERIFIED", "The network has seen this page link back.", row.id, row.updated_at
            )
            _add(drafts, _Draft(resources.key(page), provider_of(page), None, page, "VERIFIED", row.id, [evidence_]))


def handle_uri(provider: str, handle: str) -> str | None:
    """The address that a handle is, where its network's handles are addresses."""
    scheme = addresses.SCHEMES.get(provider)
    found = resources.known(f"{scheme}{handle.lstrip('@')}") if scheme else None
    return found.uri if found is not None else None


def provider_of(uri: str) -> str:
    """The network that an address belongs to; `web` for a site of their own."""
    if uri.startswith(("at://", "did:")):
        return "bluesky"
    if uri.startswith("acct:"):
        return "mastodon"
    return PROFILES.get(resources.host(uri), WEB)


# --- what look-ups have tied to them ------------------------------------------------------------------------------------------


def _shared(conn: Connection, viewer: str, keys: set[str]) -> set[str]:
    """The pages that more people carry than a page is of one of: a company's, a club's."""
    by_value: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if not key.startswith(("mailto:", "acct:", "at://", "did:")):
            by_value[normalise_url(f"https://{key}")].append(key)
    rows = conn.execute(
        select(contact_key.c.value)
        .join(contact, sa.and_(contact.c.viewer_id == contact_key.c.viewer_id, contact.c.id == contact_key.c.contact_id))
        .where(among(contact_key.c.value), contact_key.c.kind == "URL")
        .group_by(contact_key.c.value)
        .having(sa.func.count(contact.c.person_id.distinct()) > MAX_SHARING),
        asked(viewer, by_value),
    )
    return {key for value in rows.scalars() for key in by_value[value]}


def _reachable(conn: Connection, viewer: str, roots: set[str]) -> list[WebLink]:
    """All that is said by, and proven of, the addresses that hang together with `roots`."""
    links: dict[tuple[str, str, str], WebLink] = {}
    frontier, seen = set(roots), set(roots)
    for _ in range(STEPS):
        if not frontier or len(seen) > MAX_ADDRESSES:
            break
        came = [*web_links.said_by(conn, viewer, frontier), *web_links.said_of(conn, viewer, frontier)]
        links.update({(one.speaker, one.target, one.relation): one for one in came if one.relation in SAME})
        proven = {key for one in came if one.relation in SAME and one.claim in PROVEN for key in (one.speaker, one.target)}
        frontier = proven - seen
        seen |= frontier
    return list(links.values())


def _tied(drafts: dict[str, _Draft], roots: Mapping[str, str], links: Sequence[WebLink]) -> None:
    """Adds what the proven names of a person say that they are."""
    ways: dict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.claim in PROVEN:
            ways[link.speaker].add(link.target)
            ways[link.target].add(link.speaker)
    through = dict(roots)  # every address that is theirs, by the contact that it hangs on
    queue = sorted(roots)
    while queue:
        here = queue.pop(0)
        for there in sorted(ways[here] - through.keys()):
            through[there] = through[here]
            queue.append(there)
    names = _names(links)
    for link in links:
        if link.claim == REVOKED or link.speaker not in through:
            continue
        key = names.get(link.target, link.target)
        if (
            link.relation == "ALIAS"
            and link.claim in PROVEN
            and names.get(link.speaker, link.speaker) == key
            and key not in roots
        ):
            continue  # another name of what is shown already
        uri = next((one for one in _spellings(link, links, key)), link.target_uri)
        resource = resources.known(uri)
        if resource is None or resource.kind in ("mailto", "tel") or (link.claim == CLAIMED and key in through):
            continue
        page = next((one for one in _pages(key, names, links)), None)
        evidence = msgspec.structs.replace(
            _evidence(link.speaker_uri, link.target_uri, link.claim, _sentence(link), through[link.speaker], link.read_at),
            verifier=link.verifier,
            verified_at=link.verified_at,
            due_at=link.due_at,
            checked_at=link.checked_at,
            failing_since=link.failing_since,
            lapsed_at=link.lapsed_at,
        )
        handle = resource.name if resource.kind in ("acct", "at") else None
        _add(drafts, _Draft(key, provider_of(uri), handle, page, link.claim, through[link.speaker], [evidence]))


def _names(links: Sequence[WebLink]) -> dict[str, str]:
    """For each address with several names the one that it goes by: its account, else the shortest."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while (above := parent.get(key, key)) != key:
            key = above
        return key

    for link in links:
        if link.relation == "ALIAS" and link.claim in PROVEN:
            one, other = sorted((root(link.speaker), root(link.target)), key=_rank)
            if one != other:
                parent[other] = one
    return {key: root(key) for link in links for key in (link.speaker, link.target) if root(key) != key}


def _rank(key: str) -> tuple[int, int, str]:
    order = 0 if key.startswith(("acct:", "at://")) else 2 if key.startswith("did:") else 1
    return order, len(key), key


def _spellings(link: WebLink, links: Sequence[WebLink], key: str) -> Iterable[str]:
    for one in (link, *links):
        if one.target == key:
            yield one.target_uri
        if one.speaker == key:
            yield one.speaker_uri


def _pages(key: str, names: Mapping[str, str], links: Sequence[WebLink]) -> list[str]:
    """The web addresses of an identity: those that people link to first, then the shortest."""
    linked = {one.target for one in links if one.relation == "ME"}
    found = {k: uri for one in links for k, uri in ((one.speaker, one.speaker_uri), (one.target, one.target_uri))}
    pages = {k: uri for k, uri in found.items() if names.get(k, k) == key and uri.startswith(("https://", "http://"))}
    return [pages[k] for k in sorted(pages, key=lambda k: (k not in linked, len(k), k))]


def _sentence(link: WebLink) -> str:
    how = link.protocols.replace(" ", ", ")
    seen = "" if link.verified_at is None else f"; {link.verifier} has seen it on {link.verified_at:%Y-%m-%d}"
    if link.claim == "RECIPROCAL" or (link.claim == "VERIFIED" and SEEN in link.protocols.split()):
        return f"{link.speaker_uri} and {link.target_uri} name each other ({how}){seen}."
    if link.claim == "VERIFIED":
        return f"{link.verifier or resources.host(link.url) or link.speaker_uri} vouches for {link.target_uri} ({how})."
    if link.lapsed_at is not None and link.failing_since is not None:
        return f"{link.speaker_uri} named {link.target_uri} ({how}); since {link.failing_since:%Y-%m-%d} that could not be confirmed."
    by_its_word = "" if link.verified_at is None else f"; {link.verifier} says that it did on {link.verified_at:%Y-%m-%d}"
    return f"{link.speaker_uri} names {link.target_uri}, which does not name it back ({how}){by_its_word}."


def _evidence(from_: str, to: str, claim: str, sentence: str, contact_id: str, at: datetime) -> ProfileLinkEvidence:
    proven = claim in PROVEN
    return ProfileLinkEvidence(
        strength="PROOF" if proven else "HINT",
        weight=WEIGHTS["URL"] if proven else SHARED_WEIGHT,
        sentence=sentence,
        contact_ids=(contact_id,),
        observed_at=at,
        from_=from_,
        to=to,
        claim=claim,
    )


# --- together -----------------------------------------------------------------------------------------------------------------


def _add(drafts: dict[str, _Draft], draft: _Draft) -> None:
    known = drafts.get(draft.key)
    if known is None:
        drafts[draft.key] = draft
        return
    known.claim = max(known.claim, draft.claim, key=_RANK.__getitem__)
    known.handle = known.handle or draft.handle
    known.url = known.url or draft.url
    known.evidence += [one for one in draft.evidence if one not in known.evidence]


def _shown(viewer: str, person_id: str, drafts: Iterable[_Draft]) -> list[Identity]:
    ordered = sorted(drafts, key=lambda d: (-_RANK[d.claim], d.provider, d.key))
    return [
        Identity(
            id=ids.derive("IDENTITY", viewer, draft.key),
            provider=draft.provider,
            handle=draft.handle,
            name=draft.handle or draft.url or draft.key,
            url=draft.url,
            claim=draft.claim,
            person_id=person_id,
            contact_id=draft.contact_id,
            evidence=tuple(draft.evidence[:MAX_EVIDENCE]),
        )
        for draft in ordered[:MAX_IDENTITIES]
    ]
