"""A small web of our own on loopback: some sixty sites out of a seed, and the book of every edge that was planted in them.

People with pages and profiles that link back or do not, account servers (WebFinger, ActivityPub), Mastodon-compatible ones among them, a ring
of impostors who all claim one of them, hosts that lie, redirect, hang, and never end.
"""

from __future__ import annotations

import gzip
import html
import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests import planted_mastodon
from tests.sites import CLAIMED, RECIPROCAL, VERIFIED, Document, Sites

Edge = tuple[str, str, str]
PEOPLE, SERVERS, NETWORKS, RING, HANGING = 18, 6, 8, 8, 10
FRIENDS = ("friend met", "co-worker", "acquaintance", "sibling")


@dataclass
class Page:
    """A page that is being written: links by relation, then whatever else stands in its body."""

    title: str
    links: list[tuple[str, str]] = field(default_factory=list)
    head: str = ""
    body: str = ""

    def written(self) -> bytes:
        anchors = "".join(f'<li><a rel="{rel}" href="{html.escape(url)}">{rel}</a>' for rel, url in self.links)
        return f"<!doctype html><title>{self.title}</title>{self.head}<body>{self.body}<ul>{anchors}</ul>".encode()


class PlantedWeb(Sites):
    """The sites of one seed. `edges` is the book, `starts` are addresses from which together everything planted is found."""

    def __init__(self, seed: int = 6, *, hanging: int = HANGING) -> None:
        super().__init__(hanging=[f"h{n}.example" for n in range(hanging)])
        self.random = random.Random(seed)
        self.pages: dict[str, Page] = {}
        self.edges: dict[Edge, str] = {}
        self.starts: list[str] = []
        self.sites = [self._page(f"https://p{n:02}.example/", f"Person {n}") for n in range(PEOPLE)]
        self.accounts: dict[int, str] = {}
        for n in range(PEOPLE):
            self._profiles(n)
            self._account(n)
            self._card(n)
        self._friends()
        self._impostors()
        self._liars()
        self._moved()
        self._handles()
        planted_mastodon.plant(self)
        self._trouble()
        for url, page in self.pages.items():
            self.put(url, Document(page.written(), headers={"Content-Type": "text/html; charset=utf-8"}))

    # --- planting -------------------------------------------------------------------------------------------------------

    def _page(self, url: str, title: str) -> str:
        self.pages[url] = Page(title)
        self.hosts.add(urlsplit(url).netloc)
        self.starts.append(url)
        return url

    def says(self, speaker: str, target: str, relation: str, claim: str) -> None:
        self.edges[speaker, target, relation] = claim

    def link(self, left: str, right: str, *, back: bool) -> None:
        """A rel=me from one page to another, and one back."""
        claim = RECIPROCAL if back else CLAIMED
        self.pages[left].links.append(("me", right))
        self.says(left, right, "ME", claim)
        if back:
            self.pages[right].links.append(("nofollow me", left))
            self.says(right, left, "ME", claim)

    def _profiles(self, n: int) -> None:
        """Three profiles at networks, some of which link back; some are asked with other spellings of the same address."""
        for place in self.random.sample(range(NETWORKS), 3):
            profile = self._page(f"https://n{place}.example/u/person{n}", f"person{n}")
            self.link(self.sites[n], profile, back=self.random.random() < 0.6)

    def _account(self, n: int) -> None:
        """An account at a server: WebFinger, an actor, a page that names the actor; its fields link to the person's site."""
        host, name = f"s{n % SERVERS}.example", f"person{n}"
        acct, actor, page = f"acct:{name}@{host}", f"https://{host}/users/{name}", self._page(f"https://{host}/@{name}", name)
        self.accounts[n] = acct
        back = n % 3 != 2
        self.pages[page].head = f'<link rel="alternate" type="application/activity+json" href="{actor}">'
        document: dict[str, Any] = {
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": actor,
            "type": "Person",
            "preferredUsername": name,
            "name": f"Person {n}",
            "url": page,
            "attachment": [],
        }
        site = self.sites[n]
        self.pages[site].links.append(("me", page))
        self.says(site, page, "ME", RECIPROCAL if back else CLAIMED)
        if back:
            value = f'<a href="{site}" rel="me nofollow noopener" target="_blank">{site}</a>'
            document["attachment"].append({"type": "PropertyValue", "name": "Web", "value": value})
            self.says(actor, site, "ME", RECIPROCAL)
        elif n % 2:
            document["alsoKnownAs"] = [f"https://s{(n + 1) % SERVERS}.example/users/nobody"]
            self.says(actor, document["alsoKnownAs"][0], "ME", CLAIMED)
        self.put(actor, Document(json.dumps(document).encode(), headers={"Content-Type": "application/activity+json"}))
        finger = {
            "subject": acct,
            "aliases": [page, actor],
            "links": [
                {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": page},
                {"rel": "self", "type": "application/activity+json", "href": actor},
            ],
        }
        for resource in (acct, actor):
            self.fingers[host, resource] = finger
        for target in (actor, page):
            self.says(acct, target, "ALIAS", VERIFIED)
        self.says(actor, acct, "ALIAS", VERIFIED)
        self.says(actor, page, "ALIAS", VERIFIED)
        self.says(page, actor, "ALIAS", RECIPROCAL)
        self.starts.append(acct)

    def _card(self, n: int) -> None:
        """A card of one kind or another; those that are broken or not about the page say nothing."""
        site = self.sites[n]
        page, mail = self.pages[site], f"mailto:person{n}@p{n:02}.example"
        match n % 6:
            case 0:
                page.body = f'<div class="h-card"><a class="u-url u-uid p-name" href="/">Person {n}</a><a class="u-email" href="{mail}">m</a></div>'
                self.says(site, mail, "ME", CLAIMED)
            case 1:
                page.body = f'<div class="vcard"><a class="url fn" rel="me" href="{site}">Person {n}</a><a class="email" href="{mail}">m</a></div>'
                self.says(site, mail, "ME", CLAIMED)
            case 2:  # of somebody else: two cards, neither of which is about the page
                page.body = '<div class="h-card"><a class="u-url" href="https://p00.example/">A</a></div>' * 2
            case 3:
                page.body = "<div class=h-card>" * 400 + '<a class="u-url" href="/">' + "<b>" * 900
            case 4:
                same = f"https://n0.example/data/person{n}"
                data = '<script type="application/ld+json">'
                page.head = f'{data}{{"@type":"Person","sameAs":["{same}"]}}</script>{data}{{</script>'
                self.says(site, same, "ME", CLAIMED)
                feed = f"{site}feed.xml"
                page.head += f'<link rel="alternate" type="application/atom+xml" href="{feed}">'
                self.says(site, feed, "PUBLISHES", CLAIMED)
            case _:
                self._foaf(n, page)

    def _foaf(self, n: int, page: Page) -> None:
        site, url = self.sites[n], f"{self.sites[n]}foaf.rdf"
        page.head = f'<link rel="meta" type="application/rdf+xml" href="{url}">'
        friend, account = self.sites[(n + 1) % PEOPLE], f"https://n1.example/foaf/person{n}"
        self.put(
            url,
            Document(
                f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:foaf="http://xmlns.com/foaf/0.1/">
                <foaf:Person><foaf:name>Person {n}</foaf:name><foaf:homepage rdf:resource="{site}"/>
                <foaf:account><foaf:OnlineAccount><foaf:accountProfilePage rdf:resource="{account}"/></foaf:OnlineAccount></foaf:account>
                <foaf:knows><foaf:Person><foaf:homepage rdf:resource="{friend}"/></foaf:Person></foaf:knows>
                </foaf:Person></rdf:RDF>""".encode(),
                headers={"Content-Type": "application/rdf+xml"},
            ),
        )
        self.says(site, url, "PUBLISHES", CLAIMED)
        self.says(site, account, "ME", CLAIMED)
        self.edges.setdefault((site, friend, "KNOWS"), CLAIMED)

    def _friends(self) -> None:
        """Who knows whom: whether the other says so too is not asked, since that is another person."""
        for n in range(0, PEOPLE, 2):
            one, other = self.sites[n], self.sites[(n + 3) % PEOPLE]
            self.pages[one].links.append((self.random.choice(FRIENDS), other))
            self.says(one, other, "KNOWS", CLAIMED)

    def _impostors(self) -> None:
        """A ring of sites that are all each other, and all person 0, who knows nothing of it."""
        ring = [self._page(f"https://x{n}.example/", "Person 0") for n in range(RING)]
        self.ring, self.victim = ring, self.sites[0]
        for n, site in enumerate(ring):
            self.link(site, ring[(n + 1) % RING], back=True)
            self.link(site, self.victim, back=False)
            self.pages[site].body = f'<div class="h-card"><a class="u-url u-uid p-name" href="{self.victim}">Person 0</a></div>'

    def _liars(self) -> None:
        """A host whose WebFinger and actor say that they are person 0 elsewhere; one that leads for good to person 0's page."""
        host, name = "l0.example", "person0"
        acct, actor = f"acct:{name}@{host}", f"https://{host}/users/{name}"
        theirs, page = self.accounts[0], "https://s0.example/@person0"
        self.fingers[host, acct] = {
            "subject": theirs,
            "aliases": [self.victim],
            "links": [
                {"rel": "self", "type": "application/activity+json", "href": actor},
                {"rel": "http://webfinger.net/rel/profile-page", "href": page},
            ],
        }
        truth = "https://s0.example/users/person0"
        field = {"type": "PropertyValue", "value": f'<a rel="me" href="https://{host}/">{host}</a>'}
        lie = {"id": truth, "type": "Person", "attachment": [field]}
        self.put(actor, Document(json.dumps(lie).encode(), headers={"Content-Type": "application/activity+json"}))
        self.says(acct, theirs, "ALIAS", CLAIMED)
        self.says(acct, self.victim, "ALIAS", CLAIMED)
        self.says(acct, actor, "ALIAS", VERIFIED)
        self.says(acct, page, "ME", CLAIMED)
        self.says(actor, truth, "ALIAS", CLAIMED)
        self.starts.append(acct)
        self.put("https://l1.example/", Document(status=301, headers={"Location": self.victim}))
        self.says("https://l1.example/", self.victim, "ALIAS", CLAIMED)
        self.starts.append("https://l1.example/")

    def _moved(self) -> None:
        """Person 1 has moved: what links to the old address means the new one. And two hosts that send each other away."""
        old, new = "https://r0.example/", self.sites[1]
        self.put(old, Document(status=308, headers={"Location": new}))
        profile = self._page("https://n2.example/u/moved", "moved")
        self.pages[profile].links.append(("me", old))
        self.pages[new].links.append(("me", profile))
        self.says(profile, old, "ME", RECIPROCAL)
        self.says(new, profile, "ME", RECIPROCAL)
        self.says(old, new, "ALIAS", CLAIMED)
        self.put("https://r1.example/", Document(status=302, headers={"Location": "https://r1.example/again"}))
        self.put("https://r1.example/again", Document(status=302, headers={"Location": "https://r1.example/"}))

    def _handles(self) -> None:
        """A handle whose DID names it back, and one whose DID names another."""
        for n, named in enumerate(("a0.example", "p03.example")):
            handle, did = f"a{n}.example", f"did:web:d{n}.example"
            self.put(f"https://{handle}/.well-known/atproto-did", Document(did.encode(), headers={"Content-Type": "text/plain"}))
            document = {"id": did, "alsoKnownAs": [f"at://{named}"]}
            self.put(
                f"https://d{n}.example/.well-known/did.json",
                Document(json.dumps(document).encode(), headers={"Content-Type": "application/json"}),
            )
            good = named == handle
            self.says(f"at://{handle}", did, "ALIAS", RECIPROCAL if good else CLAIMED)
            self.says(did, f"at://{named}", "ALIAS", RECIPROCAL if good else CLAIMED)
            self.starts.append(f"at://{handle}")

    def _trouble(self) -> None:
        bomb = gzip.compress(b"\0" * 20_000_000, 9)
        self.put("https://g0.example/", Document(headers={"Content-Type": "text/html"}, endless=True))
        self.put("https://g1.example/", Document(bomb, headers={"Content-Type": "text/html", "Content-Encoding": "gzip"}))
        for url in ("https://g0.example/", "https://g1.example/", "https://r1.example/"):
            self.pages[self.sites[7]].links.append(("me", url))
            self.says(self.sites[7], url, "ME", CLAIMED)
