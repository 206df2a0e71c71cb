"""A desk with a way to outside sources of facts: stubs of the paid ones, and a small web with Gravatar, GitHub and people's pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from providers.addresses import Guard
from providers.enrichment.ask import Enrichers
from providers.enrichment.offer import Terms
from providers.lookup.crawl import Web
from providers.transport import Transport
from store.database import Database
from tests.asking import Desk
from tests.household import Household, card
from tests.providers.enrichment_stub import KEY, Sources
from tests.providers.stub_http import running
from tests.sites import Document, Sites

PRICE = 280_000
CONSENT = """mutation ($source: EnrichmentSource!, $granted: Boolean!, $fields: [PersonField!], $budget: String) {
  setEnrichmentConsent(input: {source: $source, granted: $granted, fields: $fields, monthlyBudget: $budget}) {
    consent { source granted fields changedAt price recipient } erasedCount errors { code field message } } }"""
ASK = """query ($id: ID!, $sources: [EnrichmentSource!]) { person(by: {id: $id}) { id enrichment(sources: $sources) {
  facts { source field value label confidence asOf price } sources { source state outcome found price asOf message retryAt } } } }"""
LOG = """query ($first: Int, $after: Cursor) { viewer { disclosures(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor }
  edges { node { id source recipient request body sent purpose consentedAt outcome httpStatus price sentAt answeredAt person { id } } } } } }"""


@dataclass
class Office:
    """A desk with everything that it may ask."""

    desk: Desk
    stub: Sources
    sites: Sites

    async def person(self, name: str, *emails: str, **more: Any) -> str:
        """Somebody in the viewer's address book; their id."""
        household = self.desk.household
        book = await household.account("vcard", "cards")
        (taken,) = await household.take(book, card(name.lower().replace(" ", "-"), name, *emails, **more))
        await household.resolve()
        found = await self.desk.ask("query ($id: ID!) { node(id: $id) { ... on Contact { person { id } } } }", id=taken.node_id)
        return str(found["node"]["person"]["id"])

    async def allow(self, source: str, granted: bool = True, **more: Any) -> Any:
        answer = (await self.desk.ask(CONSENT, source=source, granted=granted, **more))["setEnrichmentConsent"]
        assert answer["errors"] == [], answer
        return answer

    async def enrichment(self, person_id: str, *sources: str) -> Any:
        return (await self.desk.ask(ASK, id=person_id, sources=list(sources) or None))["person"]["enrichment"]

    async def outcome(self, person_id: str, source: str) -> str:
        (status,) = (await self.enrichment(person_id, source))["sources"]
        return str(status["outcome"])

    async def log(self) -> list[Any]:
        found = (await self.desk.ask(LOG, first=200))["viewer"]["disclosures"]
        return [edge["node"] for edge in found["edges"]]

    def gravatar(self, email: str, **profile: Any) -> None:
        path = f"https://api.gravatar.com/v3/profiles/{sha256(email.encode()).hexdigest()}"
        self.sites.put(path, Document(json.dumps(profile).encode(), headers={"Content-Type": "application/json"}))


@asynccontextmanager
async def opened(database: Database, viewer: str = "u_robin", *, budget: int = 5_000_000) -> AsyncIterator[Office]:
    """An office of one viewer."""
    stub, sites = Sources(), Sites()
    sites.hosts |= {"api.gravatar.com", "api.github.com"}
    async with running(stub) as url, sites.serving() as web_transport:
        transport = Transport(Guard([f"127.0.0.1/32:{url.rpartition(':')[2]}"]))
        desk = Desk(await Household.open(database, viewer))
        desk.services.web = Web(web_transport, desk.clock, seconds=60.0)
        terms = {source: Terms(key=KEY, price=PRICE, url=url) for source in ("FULLCONTACT", "PEOPLE_DATA_LABS")}
        desk.services.enrichers = Enrichers(transport=transport, web=desk.services.web, clock=desk.clock, terms=terms)
        desk.services.enrichment_budget = budget
        try:
            yield Office(desk, stub, sites)
        finally:
            await transport.aclose()
