"""Look-ups as a client sees them: the graph, the outcome of each item of a batch, the person it is, and what stays between viewers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from providers.lookup.crawl import Web
from resolvers import lookup
from resolvers.operation import Operation
from store.database import Database
from tests.asking import SCOPES, Desk
from tests.household import Household, card
from tests.planted_web import PlantedWeb
from tests.sites import Document, Sites, page

ONE = """query One($resource: String!, $thirdParties: [String!]) { lookup(resource: $resource, thirdParties: $thirdParties) {
  resource subject { uri kind name person { name } } nodes { uri kind name bio person { name } }
  links { from to relation claim protocols evidenceUrl asOf verifier verifiedAt } sources { url protocol state message } } }"""
MANY = """query Many($resources: [String!]!) { lookups(resources: $resources) {
  resource state message lookup { links { from to relation claim } sources { url state } } } }"""


@asynccontextmanager
async def looking(database: Database, planted: Sites, viewer: str = "u_robin") -> AsyncIterator[Desk]:
    """A desk with a way to the planted web."""
    async with planted.serving(patience=0.5) as transport:
        desk = Desk(await Household.open(database, viewer))
        desk.services.web = Web(transport, desk.clock, seconds=60.0)  # a busy machine takes its time
        yield desk


def edges(found: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    return {(link["from"], link["to"], link["relation"]): link["claim"] for link in found["links"]}


async def test_an_account_leads_to_the_site_and_profiles_of_its_owner_who_is_known(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    async with looking(database, planted) as desk:
        book = await desk.household.account("vcard", "cards")
        await desk.household.take(book, card("c-3", "Person Three", "three@example.org", urls=[planted.sites[3]]))
        await desk.household.resolve()
        found = (await desk.ask(ONE, resource="@person3@s3.example"))["lookup"]
    assert found["resource"] == "acct:person3@s3.example"
    assert found["subject"]["kind"] == "HANDLE"
    said = edges(found)
    assert all(planted.edges[edge] == claim for edge, claim in said.items() if edge[0] == planted.sites[3])
    assert len([edge for edge in said if edge[0] == planted.sites[3] and edge[2] == "ME"]) == 4
    assert {node["person"]["name"] for node in found["nodes"] if node["uri"] == planted.sites[3]} == {"Person Three"}
    assert {link["evidenceUrl"] for link in found["links"] if link["from"] == planted.sites[3]} == {planted.sites[3]}
    vouched = [link for link in found["links"] if link["claim"] == "VERIFIED"]
    assert vouched
    assert all((link["verifier"], link["verifiedAt"]) == ("s3.example", link["asOf"]) for link in vouched)
    assert all(source["state"] == "FRESH" for source in found["sources"])


async def test_each_item_of_a_batch_has_its_own_outcome(database: Database) -> None:
    planted = PlantedWeb(hanging=1)
    asked = ["https://p02.example/", "what", "tel:+493012345678", "https://h0.example/", "https://p02.example/", "acct:no@s1.example",
             "https://127.0.0.1:22/", "https://unknown.example/"]  # fmt: skip
    async with looking(database, planted) as desk:
        found = (await desk.ask(MANY, resources=asked))["lookups"]
    assert [one["resource"] for one in found] == asked
    assert [one["state"] for one in found] == [
        "FOUND", "INVALID", "NOT_FOUND", "UNAVAILABLE", "FOUND", "NOT_FOUND", "UNAVAILABLE", "UNAVAILABLE",
    ]  # fmt: skip
    assert "write it like" in found[1]["message"]
    assert "may connect to" in found[6]["message"]
    assert planted.asked["p02.example", "/"] == 1


async def test_what_was_not_reached_is_said_and_asking_again_goes_on_from_there(database: Database) -> None:
    pages = {f"https://a.example/{n}": f"<!doctype html><a rel=me href=https://b.example/{n}>x</a>".encode() for n in range(30)}
    planted = PlantedWeb(hanging=0)
    for url, body in pages.items():
        planted.put(url, Document(body, headers={"Content-Type": "text/html"}))
    planted.hosts.add("b.example")
    async with looking(database, planted) as desk:
        desk.services.max_deadline_ms = 6_000
        rounds = []
        for _ in range(12):
            found = (await desk.ask(MANY, resources=list(pages)))["lookups"]
            rounds.append([one["state"] for one in found])
            if "BUDGET_SPENT" not in rounds[-1] and "PARTIAL" not in rounds[-1]:
                break
    assert "BUDGET_SPENT" in rounds[0]
    assert set(rounds[-1]) == {"FOUND"}
    assert [ask for ask, count in planted.asked.items() if count > 1] == []


async def test_what_one_viewer_looked_up_is_not_there_for_another_and_is_there_for_them(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    async with looking(database, planted) as desk:
        site = planted.sites[4]
        for _ in range(2):
            await desk.ask(ONE, resource=site)
        assert planted.asked["p04.example", "/"] == 1
        other = await Household.open(database, "u_other")
        operation = Operation(desk.services, other.viewer, SCOPES)
        found = await lookup.one(operation, site, None)
        assert found is not None and found.links
        assert planted.asked["p04.example", "/"] == 2


async def test_a_third_party_that_nobody_knows_is_refused_before_anything_is_sent(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    async with looking(database, planted) as desk:
        assert await desk.refused(ONE, resource="mailto:ada@example.org", thirdParties=["everybody"]) == "BAD_ARGUMENTS"
        assert await desk.refused(ONE, resource="nothing", thirdParties=[]) == "BAD_ARGUMENTS"
        assert not planted.asked


async def test_pages_that_name_more_than_anybody_has_are_kept_all_the_same(database: Database) -> None:
    pages = [f"https://a.example/{n}" for n in range(14)]
    sites = Sites({url: page(*(("me", f"https://b.example/{n}/{k}") for k in range(100))) for n, url in enumerate(pages)})
    async with looking(database, sites) as desk:
        book = await desk.household.account("vcard", "cards")
        await desk.household.take(book, card("c-1", "Ada", urls=[pages[13]]))
        await desk.household.resolve()
        head = await desk.household.head()
        desk.services.max_deadline_ms = 60_000
        found = (await desk.ask(MANY, resources=pages))["lookups"]
        assert {one["state"] for one in found} <= {"FOUND", "PARTIAL"}
        assert [(row.kind, row.fields) for row in await desk.household.changes(head)] == [("PERSON", ("identities",))]
