"""Identities of people: what their contacts carry and what look-ups have tied to them, each as sure as its evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from providers import records
from resolvers import nodes
from resolvers.operation import Operation
from store.database import Database
from tests.asking import SCOPES, Desk
from tests.household import Household, card
from tests.planted_web import PlantedWeb
from tests.resolvers.test_lookup import looking
from tests.sites import CLAIMED, RECIPROCAL, VERIFIED, Document, Sites, page

NAMES = ("Ada", "Grace", "Ida", "Mary", "Karen", "Zoe")
_MONTH = timedelta(days=31)
LOOK = "query Look($resource: String!) { lookup(resource: $resource) { nodes { uri identity { id claim } person { name } } } }"
WHO = """query Who($url: URL!) { person(by: { url: $url }) { name identities { id handle name url claim provider { key name }
  person { name } evidence { __typename sentence strength contacts { id } ... on ProfileLinkEvidence { from to claim verifier verifiedAt } } } } }"""


async def known(desk: Desk, name: str, *urls: str, **more: Any) -> None:
    """Somebody on a card."""
    book = await desk.household.account("vcard", "cards")
    await desk.household.take(book, card("c-1", name, urls=list(urls), **more))
    await desk.household.resolve()


async def identities(desk: Desk, url: str) -> dict[str, dict[str, Any]]:
    """By address or handle."""
    found = (await desk.ask(WHO, url=url))["person"]["identities"]
    return {one["url"] or one["name"]: one for one in found}


async def test_what_a_look_up_ties_to_somebody_is_theirs_as_far_as_it_is_proven(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    site = planted.sites[4]  # its account links back, its profiles do or do not
    async with looking(database, planted) as desk:
        await known(desk, "Person Four", site)
        assert await identities(desk, site) == {}
        await desk.ask(LOOK, resource=site)
        found = await identities(desk, site)
    profiles = {
        target: claim for (speaker, target, relation), claim in planted.edges.items() if speaker == site and relation == "ME"
    }
    claims = {one: found[one]["claim"] for one in profiles if one in found}
    account = "https://s4.example/@person4"
    assert claims == profiles
    assert claims[account] == RECIPROCAL
    assert found[account]["handle"] == "person4@s4.example"
    assert {one["person"]["name"] for one in found.values()} == {"Person Four"}
    for one in found.values():
        strengths = {each["strength"] for each in one["evidence"]}
        assert ("PROOF" in strengths) == (one["claim"] != CLAIMED)
        assert all(len(each["contacts"]) == 1 for each in one["evidence"])


async def test_what_strangers_claim_of_somebody_is_nowhere_among_their_identities(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    async with looking(database, planted) as desk:
        await known(desk, "Person Zero", planted.victim)
        for stranger in (*planted.ring, "acct:person0@l0.example", "https://l1.example/", planted.victim):
            await desk.ask(LOOK, resource=stranger)
        found = await identities(desk, planted.victim)
    assert found
    assert not any(host in str(found) for host in ("x0.example", "x1.example", "x7.example", "l0.example", "l1.example"))


async def test_a_claim_that_is_no_longer_made_is_no_longer_theirs_and_what_was_seen_from_one_side_stays(
    database: Database,
) -> None:
    one, two = "https://a.example/", "https://b.example/"
    sites = Sites({one: page(("me", two)), two: page(("me", one)), "https://c.example/": page(("me", one))})
    async with looking(database, sites) as desk:
        await known(desk, "Ada", one)
        await desk.ask(LOOK, resource=one)
        assert (await identities(desk, one))[two]["claim"] == RECIPROCAL
        desk.clock.time += _MONTH
        sites.put(two, Document(b"", 503))
        await desk.ask(LOOK, resource=one)  # the other side is away: nothing is known to be otherwise
        assert (await identities(desk, one))[two]["claim"] == RECIPROCAL
        desk.clock.time += _MONTH
        sites.put(two, page())
        await desk.ask(LOOK, resource=one)
        assert (await identities(desk, one))[two]["claim"] == CLAIMED
        desk.clock.time += _MONTH
        sites.put(one, page())
        await desk.ask(LOOK, resource=one)
        assert await identities(desk, one) == {}


async def test_who_has_seen_a_link_returned_and_when_stands_at_its_evidence(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    page_of, site = "https://m0.example/@mira", "https://back.m0.example/"
    async with looking(database, planted) as desk:
        await known(desk, "Mira", page_of)
        await desk.ask(LOOK, resource="acct:mira@m0.example")
        found = await identities(desk, page_of)
    seen = found[site]
    assert seen["claim"] == VERIFIED
    by = {one["verifier"]: one for one in seen["evidence"]}
    assert by["m0.example"]["verifiedAt"] == "2025-11-03T08:15:00.123Z"
    assert by["m0.example"]["sentence"].endswith(
        "name each other (activitypub-field, mastodon-field); m0.example has seen it on 2025-11-03."
    )
    (once,) = found["https://gone.m0.example/"]["evidence"]
    assert (once["claim"], once["strength"], once["verifier"]) == (CLAIMED, "HINT", "m0.example")
    assert "m0.example says that it did on 2025-11-03" in once["sentence"]


async def test_handles_that_networks_name_are_verified_and_those_on_cards_are_claimed(database: Database) -> None:
    async with looking(database, Sites()) as desk:
        handle = records.Handle(provider="github", handle="ada", url="https://github.com/ada")
        await known(desk, "Ada", "https://ada.example.org/", handles=(handle,))
        found = await identities(desk, "https://github.com/ada")
        assert {url: (one["claim"], one["handle"], one["provider"]["key"]) for url, one in found.items()} == {
            "https://github.com/ada": (CLAIMED, "ada", "github")
        }


async def test_an_identity_is_found_again_by_its_id_by_its_viewer_alone(database: Database) -> None:
    planted = PlantedWeb(hanging=0)
    site = planted.sites[4]
    async with looking(database, planted) as desk:
        await known(desk, "Person Four", site)
        await desk.ask(LOOK, resource=site)
        found = await identities(desk, site)
        one = found["https://s4.example/@person4"]
        query = "query Again($id: ID!) { node(id: $id) { ... on Identity { id handle claim person { name } } } }"
        again = (await desk.ask(query, id=one["id"]))["node"]
        assert again == {
            "id": one["id"],
            "handle": "person4@s4.example",
            "claim": one["claim"],
            "person": {"name": "Person Four"},
        }
        shown = {node["uri"]: node["identity"] for node in (await desk.ask(LOOK, resource=site))["lookup"]["nodes"]}
        assert shown["acct:person4@s4.example"] == {"id": one["id"], "claim": one["claim"]}
        other = await Household.open(database, "u_other")
        assert await nodes.get(Operation(desk.services, other.viewer, SCOPES), one["id"]) is None


async def test_a_page_that_many_people_carry_says_nothing_of_any_of_them(database: Database) -> None:
    company, feed = "https://company.example/", "https://n.example/company"
    sites = Sites({company: page(("me", feed)), feed: page(("me", company))})
    async with looking(database, sites) as desk:
        book = await desk.household.account("vcard", "cards")
        await desk.household.take(
            book, *(card(f"c-{n}", f"Person {name}", urls=[company, f"https://p{n}.example/"]) for n, name in enumerate(NAMES))
        )
        await desk.household.resolve()
        await desk.ask(LOOK, resource=company)
        assert await identities(desk, "https://p0.example/") == {}


async def test_a_page_that_names_endless_addresses_is_read_all_the_same(database: Database) -> None:
    here, there = "https://a.example/", "https://b.example/"
    endless = f"https://c.example/{''.join(str(n) for n in range(480))}/"
    sites = Sites({here: page(("me", there), ("me", endless), ("me", f"{endless}{'x' * 500}")), there: page(("me", here))})
    sites.put(endless, page(("me", here)))
    async with looking(database, sites) as desk:
        await known(desk, "Ada", here)
        await desk.ask(LOOK, resource=here)
        await desk.ask(LOOK, resource=endless)
        found = await identities(desk, here)
        assert found[there]["claim"] == RECIPROCAL
