"""Links of the open web that are returned join people, and part them when they are returned no more. On both databases."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from providers import records
from resolvers import web_claims
from resolvers.identity.resolve import read_component, resolve, write_groups
from resolvers.web_claims import Heard
from store import leases, web_links
from store.database import Database
from store.web_links import WebLink
from tests.asking import nodes
from tests.household import NOW, Household, card, follower, open_sqlite
from tests.resolvers.test_rechecking import DAY, Home, at_home
from tests.sites import Document, Sites, page

SITE, PROFILE = "https://ada.example/", "https://social.example/@ada"
PEOPLE = """{ viewer { people(filter: { natures: null }) { edges { node { id name contacts { edges { node { id } } }
  why { sentence strength contacts { id } ... on ProfileLinkEvidence { from to claim checkedAt validUntil } }
  merges { edges { node { id action ruleName sentence evidence { strength sentence } } } } } } } } }"""
UNMERGE = "mutation($merge: ID!) { unmerge(input: { mergeId: $merge }) { errors { code } } }"


def ada() -> Sites:
    """Her site and her profile, which name each other."""
    return Sites({SITE: page(("me", PROFILE)), PROFILE: page(("me", SITE))})


async def follows(home: Home, *people: records.Contact) -> str:
    account = await home.desk.household.account("mastodon", "robin")
    await home.desk.household.take(account, *people)
    await home.desk.household.resolve()
    return account


async def people(home: Home) -> list[dict[str, Any]]:
    return [dict(one) for one in nodes((await home.desk.ask(PEOPLE))["viewer"]["people"])]


async def names(home: Home) -> list[str]:
    return sorted(one["name"] for one in await people(home))


async def settled(home: Home) -> None:
    """The job that says who is who runs, as a worker would have it."""
    home.desk.household.now = max(home.desk.household.now, home.now)
    await home.desk.household.resolve()


@asynccontextmanager
async def known(database: Database, sites: Sites, viewer: str = "u_robin", way: Any = None) -> AsyncIterator[Home]:
    """Somebody who has Ada on a card and follows a profile of hers."""
    async with at_home(database, sites, viewer, way) as home:
        await home.knows("Ada Lovelace", SITE)
        await follows(home, follower("ada", "ada"))
        await home.allows()
        yield home


async def test_a_site_and_a_profile_that_link_to_each_other_join_whom_they_belong_to_and_say_so(database: Database) -> None:
    async with known(database, ada()) as home:
        assert await names(home) == ["Ada Lovelace", "ada"]
        await home.look(SITE)
        await home.told()
        await settled(home)
        (person,) = await people(home)
        (why,) = person["why"]
        assert why["sentence"] == "ada.example and social.example/@ada link to each other, seen on 2026-05-05."
        assert (why["strength"], why["claim"], len(why["contacts"])) == ("PROOF", "RECIPROCAL", 2)
        assert {why["from"], why["to"]} == {"https://ada.example", PROFILE} and why["validUntil"] and why["checkedAt"]
        (merge,) = nodes(person["merges"])
        assert (merge["action"], merge["ruleName"]) == ("MERGED", "addresses that link to each other")
        assert merge["sentence"] == f"Ada Lovelace and ada became one person. {why['sentence']}"
        assert {"PERSON", "MERGE"} <= {kind for kind, _, _ in await home.told()}
        await home.later(31 * DAY)
        (person,) = await people(home)
        assert person["why"][0]["sentence"].endswith("seen on 2026-06-01.")  # when it was checked again
        assert nodes(person["merges"])[0]["sentence"] == merge["sentence"]


async def test_who_links_back_no_more_is_somebody_else_again_and_it_is_told_why(database: Database) -> None:
    async with known(database, ada()) as home:
        before = await people(home)
        await home.look(SITE)
        await settled(home)
        home.sites.put(PROFILE, page())
        await home.later(31 * DAY)
        await settled(home)
        after = await people(home)
        assert sorted(one["id"] for one in after) == sorted(one["id"] for one in before)
        assert all(one["why"] == [] for one in after)
        latest = nodes(after[0]["merges"])[0]
        assert (latest["action"], latest["sentence"]) == (
            "FELL_APART",
            "Ada Lovelace and ada fell apart, as what had joined them is no proof any more: "
            "ada.example and social.example/@ada linked to each other, seen last on 2026-05-05.",
        )
        assert [one["strength"] for one in latest["evidence"]] == ["HINT"]
        assert "PERSON" in {kind for kind, _, _ in await home.told()}


async def test_a_host_that_is_away_for_a_day_parts_nobody_and_one_for_weeks_does_until_it_is_there_again(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database, known(database, ada()) as home:
        await home.look(SITE)
        await settled(home)
        home.sites.hosts.discard("social.example")
        await home.later(31 * DAY)
        await settled(home)
        assert await names(home) == ["Ada Lovelace"]
        await home.later(15 * DAY)
        await settled(home)
        assert await names(home) == ["Ada Lovelace", "ada"]
        home.sites.hosts.add("social.example")
        await home.later(62 * DAY)
        await settled(home)
        assert await names(home) == ["Ada Lovelace"]


async def test_other_proof_holds_when_a_link_is_gone(tmp_path: Path) -> None:
    sites = ada()
    async with open_sqlite(tmp_path) as database, known(database, sites) as home:
        await home.look(SITE)
        await settled(home)
        account = await home.desk.household.account("vcard", "cards")
        both = card("ada lovelace", "Ada Lovelace", urls=[SITE, PROFILE])
        await home.desk.household.take(account, both)
        sites.put(PROFILE, page())
        await home.later(31 * DAY)
        await settled(home)
        assert await names(home) == ["Ada Lovelace"]


async def test_whom_the_viewer_has_parted_no_link_joins_again(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database, known(database, ada()) as home:
        await home.look(SITE)
        await settled(home)
        ((merge,),) = [nodes(one["merges"]) for one in await people(home)]
        assert not (await home.desk.ask(UNMERGE, merge=merge["id"]))["unmerge"]["errors"]
        await home.later(31 * DAY)
        await home.look(PROFILE)
        await settled(home)
        assert await names(home) == ["Ada Lovelace", "ada"]


async def test_what_one_viewer_has_looked_up_joins_nobody_of_anothers(database: Database) -> None:
    sites = ada()
    async with known(database, sites) as home, known(database, sites, "u_kim", home.way) as other:
        await home.look(SITE)
        for each in (home, other):
            await settled(each)
        assert await names(home) == ["Ada Lovelace"]
        assert await names(other) == ["Ada Lovelace", "ada"]
        assert not await database.read("u_kim", web_links.any_proven)


IMPOSTOR = "https://impostor.example/"
CELEBRITY = follower("star", "Stella Star")


@pytest.mark.parametrize("looked", [IMPOSTOR, "https://social.example/@star"])
async def test_a_page_that_calls_itself_a_celebrity_is_not_the_celebrity(tmp_path: Path, looked: str) -> None:
    star = "https://social.example/@star"
    sites = Sites({IMPOSTOR: page(("me", star)), star: page(("me", "https://star.example/")), "https://star.example/": page()})
    async with open_sqlite(tmp_path) as database, at_home(database, sites) as home:
        await home.knows("Stella Star", IMPOSTOR)
        await follows(home, CELEBRITY)
        await home.look(looked)
        await settled(home)
        assert await names(home) == ["Stella Star", "Stella Star"]


async def test_a_ring_of_sites_stays_a_ring_whoever_it_names(tmp_path: Path) -> None:
    ring = [f"https://x{n}.example/" for n in range(5)]
    star = "https://social.example/@star"
    documents = {
        site: page(("me", ring[n - 1]), ("me", ring[(n + 1) % 5]), ("me", star), ("me", "https://social.example/@fan"))
        for n, site in enumerate(ring)
    }
    fan = "https://social.example/@fan"
    sites = Sites({**documents, star: page(), fan: page(("me", ring[3]))})
    async with open_sqlite(tmp_path) as database, at_home(database, sites) as home:
        await home.knows("Stella", ring[0])
        await follows(home, CELEBRITY, follower("fan", "stella"))
        for site in (*ring, star, fan):
            await home.look(site)
        await settled(home)
        found = {frozenset(c["id"] for c in nodes(one["contacts"])): one["name"] for one in await people(home)}
        assert sorted((len(contacts), name) for contacts, name in found.items()) == [(1, "Stella Star"), (2, "Stella")]


async def test_a_companys_page_and_account_are_none_of_who_works_there(tmp_path: Path) -> None:
    company, account = "https://acme.example/", "https://social.example/@acme"
    sites = Sites({company: page(("me", account)), account: page(("me", company))})
    async with open_sqlite(tmp_path) as database, at_home(database, sites) as home:
        book = await home.desk.household.account("vcard", "cards")
        works = (records.Organization(name="Acme GmbH"),)
        await home.desk.household.take(book, card("b", "Bob Miller", urls=[company], organizations=works))
        await follows(home, follower("acme", "We build things"))
        await home.look(company)
        await settled(home)
        assert len(await people(home)) == 2
        # of two who have it on their cards neither is it, and of three
        await home.desk.household.take(book, card("c", "Carol Jones", urls=[company]))
        await settled(home)
        assert len(await people(home)) == 3


async def test_who_shows_that_a_page_is_shared_parts_whom_it_joined_and_joins_them_again_by_going(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database, known(database, ada()) as home:
        await home.look(SITE)
        await settled(home)
        book = await home.desk.household.account("vcard", "cards")
        await home.desk.household.take(book, card("c", "Grace Hopper", urls=[SITE]))
        await settled(home)
        assert await names(home) == ["Ada Lovelace", "Grace Hopper", "ada"]
        await home.desk.household.take(book, card("c", "Grace Hopper"))
        await settled(home)
        assert await names(home) == ["Ada Lovelace", "Grace Hopper"]
        await home.desk.household.take(book, card("c", "Grace Hopper", urls=[SITE]))
        await settled(home)
        await home.desk.household.take(book, records.Gone(kind="CONTACT", key="c"))
        await settled(home)
        assert await names(home) == ["Ada Lovelace"]


async def test_who_takes_the_address_off_the_card_or_the_account_away_takes_the_reason_away(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database, known(database, ada()) as home:
        await home.look(SITE)
        await settled(home)
        household = home.desk.household
        book = await household.account("vcard", "cards")
        await household.take(book, card("ada lovelace", "Ada Lovelace"))
        await settled(home)
        assert await names(home) == ["Ada Lovelace", "ada"]
        await household.take(book, card("ada lovelace", "Ada Lovelace", urls=[SITE]))
        await settled(home)
        assert await names(home) == ["Ada Lovelace"]
        await household.forget(await household.account("mastodon", "robin"))
        await settled(home)
        ((only,),) = [nodes(one["contacts"]) for one in await people(home)]
        assert only["id"]


async def test_an_address_of_ones_own_that_a_stranger_writes_into_a_profile_is_not_the_strangers(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database, at_home(database, ada()) as home:
        await follows(home, follower("ada", "ada"), follower("thief", "Ada Lovelace", urls=[records.Url(url=SITE)]))
        await home.look(SITE)
        await settled(home)
        assert len(await people(home)) == 2


# --- in any order, and through death -----------------------------------------------------------------------------------------


def link(speaker: str, target: str, claim: str = "RECIPROCAL") -> list[WebLink]:
    return [
        WebLink(speaker=one, target=other, relation="ME", claim=claim, protocols="rel-me", url=f"https://{one}",
                speaker_uri=f"https://{one}", target_uri=f"https://{other}", read_at=NOW)
        for one, other in ((speaker, target), (target, speaker))
    ]  # fmt: skip


def hears(conn: Connection, viewer: str, links: Sequence[WebLink]) -> None:
    """What a look-up does with what it has read."""
    by_speaker: dict[str, list[WebLink]] = {}
    for one in links:
        by_speaker.setdefault(one.speaker, []).append(one)
    everything = Heard(by_speaker=by_speaker, urls=frozenset(), heard=frozenset())
    web_claims.put(conn, viewer, everything, sorted(by_speaker), NOW)


CARDS = (
    card("a", "Ada Lovelace", urls=[SITE]), card("b", "Grace Hopper", urls=["https://grace.example"]),
    card("t", "Ida Rhodes", urls=["https://team.example"]), card("m", "Ada L.", "ada@example.org"),
)  # fmt: skip
PROFILES = (follower("ada", "ada"), follower("grace", "Grace"), follower("ida", "Ida"), follower("mary", "Mary Keller"))
LINKS = (
    link("ada.example", "social.example/@ada"), link("grace.example", "social.example/@grace"),
    link("team.example", "social.example/@ida"), link("team.example", "social.example/@mary"),
    link("ada.example", "ada.blog.example"), link("ada.blog.example", "mailto:ada@example.org"),
)  # fmt: skip


async def test_the_same_facts_in_any_order_and_any_batches_are_the_same_people(database: Database) -> None:
    outcomes = set()
    for seed in range(4):
        order = random.Random(seed)
        house = await Household.open(database, f"u_{seed}")
        book, network = await house.account("vcard", "cards"), await house.account("mastodon", "robin")
        events: list[tuple[str, Any]] = [("book", one) for one in CARDS] + [("net", one) for one in PROFILES]
        events += [("web", one) for one in LINKS]
        order.shuffle(events)
        for kind, what in events:
            if kind == "web":
                await database.write(house.viewer, hears, what)
            else:
                await house.take(book if kind == "book" else network, what)
            if order.random() < 0.5:
                await resolve(database, house.viewer, house.now)
        await resolve(database, house.viewer, house.now)
        outcomes.add(await database.read(house.viewer, _partition))
    (only,) = outcomes
    assert only == frozenset({
        frozenset({"a", "m", "ada@social.example"}), frozenset({"b", "grace@social.example"}),
        frozenset({"t"}), frozenset({"ida@social.example"}), frozenset({"mary@social.example"}),
    })  # fmt: skip


def _partition(conn: Connection, viewer: str) -> frozenset[frozenset[str]]:
    rows = conn.exec_driver_sql(f"SELECT person_id, key FROM contact WHERE viewer_id = '{viewer}'").all()
    found: dict[str, set[str]] = {}
    for person_id, key in rows:
        found.setdefault(person_id, set()).add(key)
    return frozenset(frozenset(keys) for keys in found.values())


async def test_what_is_read_is_marked_with_it_so_that_a_process_that_dies_loses_neither_or_both(database: Database) -> None:
    house = await Household.open(database)
    await house.take(await house.account("vcard", "cards"), CARDS[0])
    await house.take(await house.account("mastodon", "robin"), PROFILES[0])
    await house.resolve()

    def dies(conn: Connection, viewer: str) -> None:
        hears(conn, viewer, LINKS[0])
        raise RuntimeError("killed before the end of the transaction")

    with pytest.raises(RuntimeError):
        await database.write(house.viewer, dies)
    assert not await database.read(house.viewer, web_links.any_proven)
    assert (await database.read(house.viewer, read_component, 10)).dirty == ()
    await database.write(house.viewer, hears, LINKS[0])  # and killed here: the next worker finds what is to be done
    assert "identity" in {job.kind for job in await database.system_read(leases.listed, kind="identity")}
    assert len((await database.read(house.viewer, read_component, 10)).dirty) == 2
    await house.resolve()
    assert len(await database.read(house.viewer, _partition)) == 1


async def test_a_link_that_goes_while_it_is_weighed_joins_nobody(database: Database) -> None:
    house = await Household.open(database)
    await house.take(await house.account("vcard", "cards"), CARDS[0])
    await house.take(await house.account("mastodon", "robin"), PROFILES[0])
    await database.write(house.viewer, hears, LINKS[0])
    component = await database.read(house.viewer, read_component, 10)
    gone = [msgspec.structs.replace(one, claim="CLAIMED") for one in LINKS[0]]

    def withdrawn(conn: Connection, viewer: str) -> None:
        heard = frozenset(one.target for one in gone)
        by_speaker = {one.speaker: [one] for one in gone}
        web_claims.put(conn, viewer, Heard(by_speaker=by_speaker, urls=frozenset(), heard=heard), sorted(by_speaker), NOW)

    await database.write(house.viewer, withdrawn)
    assert not await database.write(house.viewer, write_groups, component, component.groups(), NOW + timedelta(seconds=1))
    await house.resolve()
    assert len(await database.read(house.viewer, _partition)) == 2


async def test_a_broken_page_is_no_word_against_anybody(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database, known(database, ada()) as home:
        await home.look(SITE)
        await settled(home)
        home.sites.put(PROFILE, Document(b"", 503))
        home.desk.clock.time += 31 * DAY
        await home.look(SITE)
        await settled(home)
        assert await names(home) == ["Ada Lovelace"]
