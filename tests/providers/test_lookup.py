"""Look-ups on a web whose every edge was planted: what is found is the book's, and no stranger's word makes anybody somebody else."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from providers.lookup import documents, nostr, resources, walk
from providers.lookup.crawl import Web
from providers.lookup.graph import Link
from providers.lookup.reading import Ask, Reading
from tests.planted_web import PlantedWeb
from tests.providers.conftest import HandClock
from tests.sites import CLAIMED, RECIPROCAL, VERIFIED, Document, Sites, page

RANK = {CLAIMED: 0, RECIPROCAL: 1, VERIFIED: 2}


class Visitor:
    """Looks things up in a planted web; keeps what it has read."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.read: dict[tuple[str, str, str], asyncio.Task[Reading]] = {}

    async def library(self, ask: Ask) -> Reading:
        key = (ask.protocol, ask.url, ask.subject)
        if key not in self.read:
            until = self.web.clock.now() + timedelta(days=1)
            self.read[key] = asyncio.create_task(documents.read(ask, self.web, until))
        return await self.read[key]

    async def look_up(
        self, uri: str, *, consented: frozenset[str] = frozenset(), budget: walk.Budget = walk.BUDGET
    ) -> walk.Found:
        return await walk.look_up(resources.read(uri), self.library, consented=consented, budget=budget)


@asynccontextmanager
async def visiting(planted: Sites, clock: HandClock | None = None) -> AsyncIterator[Visitor]:
    async with planted.serving(patience=0.5) as transport:
        yield Visitor(Web(transport, clock or HandClock(), seconds=60.0))


def book(links: list[Link]) -> dict[tuple[str, str, str], str]:
    return {(link.from_, link.to, link.relation): link.claim for link in links}


@pytest.mark.parametrize("seed", [6, 11, 2026])
async def test_everything_that_was_planted_is_found_and_nothing_else(seed: int) -> None:
    planted = PlantedWeb(seed)
    found: dict[tuple[str, str, str], str] = {}
    async with visiting(planted) as visitor:
        for start in planted.starts:
            links = book((await visitor.look_up(start)).graph.links())
            for edge, claim in links.items():
                assert edge in planted.edges, (start, edge)
                assert RANK[claim] <= RANK[planted.edges[edge]], (start, edge, claim)
                found[edge] = max(found.get(edge, CLAIMED), claim, key=RANK.__getitem__)
    assert found == planted.edges
    assert [ask for ask, count in planted.asked.items() if count > 1] == []


async def test_what_a_site_says_of_its_profiles_is_returned_or_claimed_as_they_link_back_or_not() -> None:
    planted = PlantedWeb(hanging=0)
    async with visiting(planted) as visitor:
        for site in planted.sites:
            links = book((await visitor.look_up(site)).graph.links())
            said = {edge: claim for edge, claim in links.items() if edge[0] == site}
            assert said == {edge: claim for edge, claim in planted.edges.items() if edge[0] == site}


async def test_a_ring_of_impostors_attaches_to_nobody_who_does_not_link_back() -> None:
    planted = PlantedWeb(hanging=0)
    async with visiting(planted) as visitor:
        for site in planted.ring:
            graph = (await visitor.look_up(site)).graph
            theirs = set(graph.distances([site]))
            assert theirs <= {resources.key(one) for one in planted.ring}
        graph = (await visitor.look_up(planted.victim)).graph
        assert not {resources.key(one) for one in planted.ring} & graph.distances([planted.victim]).keys()


async def test_a_host_that_says_it_is_somebody_elsewhere_is_only_itself() -> None:
    planted = PlantedWeb(hanging=0)
    async with visiting(planted) as visitor:
        graph = (await visitor.look_up("acct:person0@l0.example")).graph
        assert set(graph.distances(["acct:person0@l0.example"])) == {"acct:person0@l0.example", "l0.example/users/person0"}
        graph = (await visitor.look_up("https://l1.example/")).graph
        assert resources.key(planted.victim) not in graph.distances(["https://l1.example/"])


async def test_a_page_that_only_another_page_named_is_read_where_robots_may_and_asked_for_it_is_read() -> None:
    robots = Document(b"User-agent: Kith\nDisallow: /private\n", headers={"Content-Type": "text/plain"})
    planted = Sites(
        {
            "https://a.example/": page(("me", "https://b.example/private/ada"), ("me", "https://b.example/open")),
            "https://b.example/private/ada": page(("me", "https://a.example/")),
            "https://b.example/open": page(("me", "https://a.example/")),
            "https://b.example/robots.txt": robots,
        }
    )
    async with visiting(planted) as visitor:
        found = await visitor.look_up("https://a.example/")
        assert [r.ask.url for r in found.readings if r.state == "UNSUPPORTED"] == ["https://b.example/private/ada"]
        claims = book(found.graph.links())
        assert claims["https://a.example/", "https://b.example/private/ada", "ME"] == CLAIMED
        assert claims["https://a.example/", "https://b.example/open", "ME"] == RECIPROCAL
        assert planted.asked["b.example", "/private/ada"] == 0
        assert planted.asked["b.example", "/robots.txt"] == 1
    async with visiting(planted) as visitor:
        found = await visitor.look_up("https://b.example/private/ada")
        assert book(found.graph.links())["https://a.example/", "https://b.example/private/ada", "ME"] == RECIPROCAL


@pytest.mark.parametrize(("status", "read"), [(404, True), (403, True), (500, False), (503, False)])
async def test_robots_that_are_not_there_close_nothing_and_robots_that_fail_close_everything(status: int, read: bool) -> None:
    planted = Sites(
        {
            "https://a.example/": page(("me", "https://b.example/")),
            "https://b.example/": page(("me", "https://a.example/")),
            "https://b.example/robots.txt": Document(b"", status),
        }
    )
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("https://a.example/")).graph.links())
    assert links["https://a.example/", "https://b.example/", "ME"] == (RECIPROCAL if read else CLAIMED)
    assert planted.asked["b.example", "/"] == int(read)


async def test_a_host_is_asked_a_few_things_at_once_and_then_one_a_second(clock: HandClock) -> None:
    planted = Sites({f"https://a.example/{n}": page() for n in range(10)})
    async with visiting(planted, clock) as visitor:
        await asyncio.gather(*(visitor.look_up(f"https://a.example/{n}") for n in range(10)))
    assert sum(clock.slept) == pytest.approx(6.0)


async def test_an_account_whose_host_has_no_webfinger_is_found_by_its_host_meta() -> None:
    template = '<Link rel="lrdd" type="application/jrd+json" template="https://b.example/describe?q={uri}"/>'
    xrd = f'<?xml version="1.0"?><XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">{template}</XRD>'
    about = '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="me" href="https://c.example/"/></XRD>'
    planted = Sites(
        {
            "https://a.example/.well-known/host-meta": Document(xrd.encode(), headers={"Content-Type": "application/xrd+xml"}),
            "https://b.example/describe?q=acct%3Aada%40a.example": Document(about.encode()),
            "https://c.example/": page(("me", "https://d.example/")),
            "https://d.example/": page(),
        }
    )
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("acct:ada@a.example")).graph.links())
    assert links["acct:ada@a.example", "https://c.example/", "ME"] == CLAIMED


async def test_an_account_served_by_another_host_is_one_with_its_actor_only_if_that_host_names_it() -> None:
    actor = {"id": "https://s.example/users/ada", "type": "Person", "name": "Ada"}
    document = Document(msgspec.json.encode(actor), headers={"Content-Type": "application/activity+json"})
    planted = Sites({"https://s.example/users/ada": document})
    link = {"rel": "self", "type": "application/activity+json", "href": "https://s.example/users/ada"}
    planted.finger("a.example", "acct:ada@a.example", links=[link])
    planted.finger("evil.example", "acct:ada@evil.example", links=[link])
    planted.fingers["s.example", "https://s.example/users/ada"] = {"subject": "acct:ada@a.example", "links": [link]}
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("acct:ada@a.example")).graph.links())
        assert links["acct:ada@a.example", "https://s.example/users/ada", "ALIAS"] == RECIPROCAL
        graph = (await visitor.look_up("acct:ada@evil.example")).graph
        assert book(graph.links())["acct:ada@evil.example", "https://s.example/users/ada", "ALIAS"] == CLAIMED
        assert list(graph.distances(["acct:ada@evil.example"])) == ["acct:ada@evil.example"]


async def test_a_move_is_proven_when_the_new_account_names_the_old_one() -> None:
    def actor(host: str, **more: object) -> Document:
        said = {"id": f"https://{host}/users/ada", "type": "Person", "name": "Ada", **more}
        return Document(msgspec.json.encode(said), headers={"Content-Type": "application/activity+json"})

    old, new, other = (f"https://{host}/users/ada" for host in ("old.example", "new.example", "other.example"))
    planted = Sites(
        {
            old: actor("old.example", movedTo=new),
            new: actor("new.example", alsoKnownAs=[old, other]),
            other: actor("other.example"),
        }
    )
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up(old)).graph.links())
    assert links[old, new, "MOVED_TO"] == RECIPROCAL
    assert links[new, old, "ME"] == RECIPROCAL
    assert links[new, other, "ME"] == CLAIMED


async def test_a_mailbox_is_no_account_of_its_spelling_until_their_host_says_so() -> None:
    planted = Sites({"https://ada.example/": page(("me", "https://n.example/ada"))})
    planted.put("https://n.example/ada", page(("me", "https://ada.example/")))
    link = {"rel": "http://webfinger.net/rel/profile-page", "href": "https://ada.example/"}
    planted.finger("ada.example", "acct:ada@ada.example", links=[link])
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("mailto:ada@ada.example")).graph.links())
    assert links["mailto:ada@ada.example", "acct:ada@ada.example", "ALIAS"] == CLAIMED
    assert links["https://ada.example/", "https://n.example/ada", "ME"] == RECIPROCAL
    planted.finger("ada.example", "acct:ada@ada.example", links=[link], aliases=["mailto:ada@ada.example"])
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("mailto:ada@ada.example")).graph.links())
    assert links["acct:ada@ada.example", "mailto:ada@ada.example", "ALIAS"] == VERIFIED


async def test_directories_are_asked_about_their_own_and_about_others_only_when_they_are_named() -> None:
    digest = hashlib.sha256(b"ada@example.org").hexdigest()
    planted = Sites(
        {
            f"https://api.gravatar.com/v3/profiles/{digest}": Document(
                msgspec.json.encode(
                    {
                        "display_name": "Ada",
                        "verified_accounts": [
                            {"service_type": "github", "url": "https://github.com/ada", "is_hidden": False},
                            {"service_type": "x", "url": "https://secret.example/", "is_hidden": True},
                        ],
                    }
                )
            ),
            "https://api.github.com/users/ada": Document(msgspec.json.encode({"login": "ada", "blog": "ada.example"})),
            "https://api.github.com/users/ada/social_accounts": Document(
                b'[{"provider":"mastodon","url":"https://s.example/@ada"}]'
            ),
            "https://ada.example/": page(("me", "https://github.com/ada")),
            "https://keybase.io/_/api/1.0/user/lookup.json?domain=ada.example&fields=basics,profile,proofs_summary": Document(
                msgspec.json.encode(
                    {
                        "them": [
                            {
                                "basics": {"username": "ada"},
                                "proofs_summary": {
                                    "all": [
                                        {"proof_type": "dns", "service_url": "https://ada.example/", "state": 1},
                                        {"proof_type": "x", "service_url": "https://n.example/ada", "state": 3},
                                    ]
                                },
                            }
                        ]
                    }
                )
            ),
            "https://github.com/ada": page(("me", "https://wrong.example/")),
        }
    )
    planted.hosts |= {"example.org", "s.example", "keybase.io"}
    async with visiting(planted) as visitor:
        await visitor.look_up("mailto:ada@example.org")
        await visitor.look_up("https://ada.example/")
        assert {host for host, _ in planted.asked} <= {"example.org", "ada.example", "api.github.com", "s.example"}
        links = book((await visitor.look_up("https://ada.example/", consented=frozenset({"keybase"}))).graph.links())
        assert links["https://keybase.io/ada", "https://ada.example/", "ME"] == VERIFIED
        assert ("https://keybase.io/ada", "https://n.example/ada", "ME") not in links
        assert links["https://ada.example/", "https://github.com/ada", "ME"] == RECIPROCAL
        assert links["https://github.com/ada", "https://s.example/@ada", "ME"] == CLAIMED
        links = book((await visitor.look_up("mailto:ada@example.org", consented=frozenset({"gravatar"}))).graph.links())
        assert links["mailto:ada@example.org", "https://github.com/ada", "ME"] == VERIFIED
        assert not any("secret.example" in target for _, target, _ in links)


def _github(login: str, **said: object) -> dict[str, Document]:
    return {
        f"https://api.github.com/users/{login}": Document(msgspec.json.encode({"login": login, **said})),
        f"https://api.github.com/users/{login}/social_accounts": Document(b"[]"),
    }


SEARCH = "https://api.github.com/search/users?q=ada%40example.org%20in%3Aemail&per_page=3"


def _searched(*logins: str, total: int | None = None) -> dict[str, Document]:
    found = {"total_count": len(logins) if total is None else total, "items": [{"login": login} for login in logins]}
    return {SEARCH: Document(msgspec.json.encode(found))}


async def test_a_mailbox_is_the_users_at_github_who_shows_it_and_github_is_asked_only_when_it_is_named() -> None:
    shown, other = _github("ada", email="Ada@example.org", blog="ada.example"), _github("eve", email="eve@example.org")
    planted = Sites({**_searched("ada", "eve"), **shown, **other, "https://ada.example/": page(("me", "https://github.com/ada"))})
    planted.hosts.add("example.org")
    async with visiting(planted) as visitor:
        await visitor.look_up("mailto:ada@example.org")
        assert "api.github.com" not in {host for host, _ in planted.asked}
        graph = (await visitor.look_up("mailto:ada@example.org", consented=frozenset({"github"}))).graph
    claims = book(graph.links())
    assert claims["mailto:ada@example.org", "https://github.com/ada", "ME"] == RECIPROCAL
    assert claims["https://github.com/ada", "mailto:ada@example.org", "ME"] == VERIFIED
    assert claims["https://github.com/ada", "https://ada.example/", "ME"] == RECIPROCAL
    assert claims["mailto:ada@example.org", "https://github.com/eve", "ME"] == CLAIMED
    assert "github.com/eve" not in graph.distances(["mailto:ada@example.org"])
    assert max(planted.asked.values()) == 1
    assert not any("eve%40" in target for _, target in planted.asked)


@pytest.mark.parametrize(
    "found",
    [
        _searched(),
        _searched("ada", total=900),
        _searched("../x", "a b"),
        {SEARCH: Document(b"[]")},
        {SEARCH: Document(b"{", 422)},
    ],
    ids=["nobody", "too many", "no names", "no answer", "refused"],
)
async def test_a_search_that_names_nobody_in_particular_says_nothing(found: dict[str, Document]) -> None:
    planted = Sites({**found, **_github("ada", email="ada@example.org")})
    planted.hosts.add("example.org")
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("mailto:ada@example.org", consented=frozenset({"github"}))).graph.links())
    assert links == {}


async def test_a_directory_that_has_been_asked_enough_is_left_until_it_says(clock: HandClock) -> None:
    reset = int(clock.now().timestamp()) + 50
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
    planted = Sites({SEARCH: Document(b"{}", 403, headers), **_github("ada")})
    planted.hosts.add("example.org")
    async with visiting(planted, clock) as visitor:
        found = await visitor.look_up("mailto:ada@example.org", consented=frozenset({"github"}))
        assert [one.state for one in found.readings if one.ask.protocol == "github-search"] == ["RATE_LIMITED"]
        left = await visitor.look_up("https://github.com/ada")
        assert [one.state for one in left.readings] == ["RATE_LIMITED"]
        assert planted.asked["api.github.com", "/users/ada"] == 0
        clock.time += timedelta(seconds=51)
        visitor.read.clear()
        assert [one.state for one in (await visitor.look_up("https://github.com/ada")).readings] == ["FRESH"]


async def test_a_nostr_name_names_its_key_and_redirects_count_for_nothing() -> None:
    key = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"  # the example of NIP-19
    names = msgspec.json.encode({"names": {"ada": key}})
    planted = Sites(
        {
            "https://a.example/.well-known/nostr.json?name=ada": Document(names),
            "https://b.example/.well-known/nostr.json?name=ada": Document(
                status=302, headers={"Location": "https://a.example/.well-known/nostr.json?name=ada"}
            ),
        }
    )
    npub = "nostr:npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
    assert nostr.npub(bytes.fromhex(key)) == npub.removeprefix("nostr:")
    async with visiting(planted) as visitor:
        assert book((await visitor.look_up("nostr:ada@a.example")).graph.links()) == {
            ("nostr:ada@a.example", npub, "ALIAS"): CLAIMED
        }
        assert book((await visitor.look_up("nostr:ada@b.example")).graph.links()) == {}


async def test_one_look_up_reads_no_more_than_its_budget() -> None:
    fan = {f"https://n{n}.example/": page(("me", "https://a.example/")) for n in range(9)}
    planted = Sites({"https://a.example/": page(*(("me", url) for url in fan)), **fan})
    async with visiting(planted) as visitor:
        found = await visitor.look_up("https://a.example/", budget=walk.Budget(documents=4))
    assert len(found.readings) == 4
    assert not found.within_budget


@pytest.mark.parametrize(
    "text",
    ["", "ada", "http://", "https://", "ftp://example.org/", "acct:@example.org", "mailto:nobody", "tel:x", "did:nonsense", "at://x",
     "acct:ada@example.org\nHost: x", "https://" + "a" * 3_000, "javascript:alert(1)", "nostr:npub1"],
)  # fmt: skip
def test_what_cannot_be_looked_up_is_said_with_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        resources.read(text)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("@Ada@Example.ORG", "acct:Ada@example.org"),
        ("acct:ada%2Bx@example.org", "acct:ada+x@example.org"),
        ("mailto:Ada@EXAMPLE.org", "mailto:Ada@example.org"),
        ("tel:+49 30 1234567", "tel:+49301234567"),
        ("HTTPS://user:secret@Example.org:443/a#b", "https://example.org/a"),
        ("https://example.org", "https://example.org/"),
        ("at://Ada.Example.org/app.bsky.feed.post/1", "at://ada.example.org"),
        ("at://did:web:example.org", "did:web:example.org"),
    ],
)
def test_a_resource_has_one_spelling(text: str, uri: str) -> None:
    assert resources.read(text).uri == uri


async def test_what_readers_of_a_page_put_there_and_a_long_list_of_friends_change_nothing_of_who_it_is() -> None:
    friends = [("friend", f"https://f{n}.example/") for n in range(150)]
    planted = Sites(
        {"https://a.example/": page(*friends, ("ugc me", "https://spam.example/"), ("me nofollow", "https://b.example/"))}
    )
    planted.put("https://b.example/", page(("me", "https://a.example/")))
    async with visiting(planted) as visitor:
        links = book((await visitor.look_up("https://a.example/")).graph.links())
    assert links["https://a.example/", "https://b.example/", "ME"] == RECIPROCAL
    assert not any(target == "https://spam.example/" for _, target, _ in links)


async def test_a_page_that_somebody_wrote_by_hand_says_what_a_browser_sees_in_it() -> None:
    home, other, script = "https://a.example/~ada/", "https://b.example/Ada", "https://c.example/"
    sites = Sites(
        {
            home: _written(
                """<!-- <script type="application/ld+json">{"@type": "Person", "sameAs": "https://casino.example/"}</script>
                <a rel=me href=https://casino.example/> --><template><a rel="me" href="https://casino.example/"></template>
                <a data_rel="me" href="https://casino.example/"> <iframe><a rel=me href=https://casino.example/></iframe>
                <A REL='nofollow&#x20;Me' HREF='HTTPS://B.EXAMPLE.:443/x/../Ada?#top'>b</A>
                <script type='application/ld+json; charset=utf-8'>{"@type": "Person", "sameAs": ["https://c.example"]}</script>""",
            ),
            other: _written(
                "", link='<https://casino.example/>; rel=me; anchor="/another", <http://www.A.example/~ada>; rel="me"'
            ),
            script: _written(f'<a rel="me" href="{home}">'),
        }
    )
    async with visiting(sites) as visitor:
        assert book((await visitor.look_up(home)).graph.links()) == {
            (home, other, "ME"): RECIPROCAL,
            (other, home, "ME"): RECIPROCAL,
            (home, script, "ME"): CLAIMED,
            (script, home, "ME"): CLAIMED,
        }
    assert "casino.example" not in str(sites.asked)


def _written(body: str, *, link: str = "") -> Document:
    more = {"Link": link} if link else {}
    return Document(f"<!doctype html>{body}".encode(), headers={"Content-Type": "text/html; charset=utf-8", **more})
