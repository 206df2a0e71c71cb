"""Claims whose time is over are read again where that is allowed: confirmed, taken back, or no proof after a week without an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from providers.lookup.crawl import Web
from resolvers import rechecking, web_claims
from resolvers.operation import Services
from store import leases, web_checks, web_links
from store.database import Database
from tests.asking import Desk
from tests.household import Household, card, open_sqlite
from tests.sites import CLAIMED, RECIPROCAL, Document, Sites, ToLoopback, page

A, B = "https://a.example/", "https://b.example/"
DAY = timedelta(days=1)
LOOK = "query Look($resource: String!) { lookup(resource: $resource) { links { from } } }"
WHO = """query Who($url: URL!) { person(by: { url: $url }) { id version identities { url claim evidence { sentence strength
  ... on ProfileLinkEvidence { claim validUntil checkedAt failingSince lapsedAt } } } } }"""
ALLOW = """mutation ($granted: Boolean!) { setEnrichmentConsent(input: {source: RECHECKS, granted: $granted}) {
  consent { granted sends } errors { message } } }"""
LOG = """{ viewer { disclosures(first: 200) { edges { node { request purpose outcome consentedAt person { id } } } } } }"""


@dataclass
class Home:
    """One viewer's desk, the web that they look at, and the way there."""

    desk: Desk
    sites: Sites
    way: ToLoopback
    heads: dict[str, int] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.desk.services

    @property
    def now(self) -> datetime:
        return self.desk.clock.time

    def gives(self, seconds: float) -> None:
        """From now on each document has so many seconds of the real clock."""
        self.services.web = Web(self.way, self.desk.clock, seconds=seconds)

    async def knows(self, name: str, *urls: str) -> None:
        book = await self.desk.household.account("vcard", "cards")
        await self.desk.household.take(book, card(name.lower(), name, urls=list(urls)))
        await self.desk.household.resolve()

    async def allows(self, granted: bool = True) -> None:
        assert not (await self.desk.ask(ALLOW, granted=granted))["setEnrichmentConsent"]["errors"]

    async def look(self, resource: str) -> None:
        await self.desk.ask(LOOK, resource=resource)

    async def runs(self) -> timedelta | None:
        return await rechecking.run(self.services, self.desk.household.viewer)

    async def later(self, by: timedelta) -> timedelta | None:
        """Time passes, and the job runs whenever it is due meanwhile, as a worker would have it; when it comes back."""
        end = self.now + by
        wait: timedelta | None = await self.runs()
        while wait is not None and self.now + wait <= end:
            self.desk.clock.time += wait
            wait = await self.runs()
        self.desk.clock.time = max(self.now, end)
        return wait

    async def identity(self, of: str = A, url: str = B) -> dict[str, Any] | None:
        person = (await self.desk.ask(WHO, url=of))["person"]
        return next((one for one in person["identities"] if one["url"] == url), None)

    async def evidence(self, of: str = A, url: str = B) -> dict[str, Any]:
        found = await self.identity(of, url)
        assert found is not None
        (one,) = found["evidence"]
        return dict(one)

    async def told(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """What clients are told since they were last: kind, id, fields."""
        rows = await self.desk.household.changes(self.heads.get("seen", 0))
        self.heads["seen"] = await self.desk.household.head()
        return [(row.kind, row.node_id, row.fields) for row in rows]

    async def log(self) -> list[dict[str, Any]]:
        return [edge["node"] for edge in (await self.desk.ask(LOG))["viewer"]["disclosures"]["edges"]]


@asynccontextmanager
async def at_home(
    database: Database, sites: Sites, viewer: str = "u_robin", way: ToLoopback | None = None
) -> AsyncIterator[Home]:
    if way is not None:
        home = Home(Desk(await Household.open(database, viewer)), sites, way)
        home.gives(60.0)  # nothing is silent unless a test makes it so, and a busy machine takes its time
        yield home
        return
    async with sites.serving() as transport, at_home(database, sites, viewer, transport) as home:
        yield home


def ring() -> Sites:
    """Two pages of one person that name each other."""
    return Sites({A: page(("me", B)), B: page(("me", A))})


@asynccontextmanager
async def ada(database: Database, sites: Sites, *, allowed: bool = True) -> AsyncIterator[Home]:
    """Somebody who knows Ada by one page, has looked her up, and wants that to stay true."""
    async with at_home(database, sites) as home:
        await home.knows("Ada", A)
        if allowed:
            await home.allows()
        await home.look(A)
        sites.asked.clear()
        await home.told()
        yield home


async def test_without_consent_nothing_leaves_when_a_claim_is_over_and_it_says_so(database: Database) -> None:
    async with ada(database, ring(), allowed=False) as home:
        over = (await home.evidence())["validUntil"]
        assert await home.later(400 * DAY) is None
        assert not home.sites.asked
        assert {row["purpose"] for row in await home.log()} == {"LOOKUP"}
        found = await home.evidence()
        assert (found["claim"], found["validUntil"], found["lapsedAt"]) == (RECIPROCAL, over, None)
        assert await database.system_read(leases.listed, kind=web_checks.JOB) == []


async def test_a_claim_that_is_confirmed_holds_as_long_again_and_the_log_is_what_was_asked(database: Database) -> None:
    async with ada(database, ring()) as home:
        before = await home.evidence()
        (job,) = await database.system_read(leases.listed, kind=web_checks.JOB)
        assert job.due <= home.now  # it was asked for when it was allowed: it finds out by itself when it is needed
        wait = await home.runs()
        assert wait is not None and 24 * DAY <= wait <= 30 * DAY
        assert not home.sites.asked
        await home.later(30 * DAY)
        after = await home.evidence()
        assert after["claim"] == RECIPROCAL and after["validUntil"] > before["validUntil"] and after["failingSince"] is None
        assert {ask: n for ask, n in home.sites.asked.items() if "robots" not in ask[1]} == {
            ("a.example", "/"): 1, ("b.example", "/"): 1,
        }  # fmt: skip
        rows = [row for row in await home.log() if row["purpose"] == "RECHECK"]
        assert sorted(row["request"] for row in rows) == sorted(f"GET https://{host}{path}" for host, path in home.sites.asked)
        assert all(
            row["consentedAt"] and row["outcome"] == "ANSWERED" and row["person"] for row in rows if "b." not in row["request"]
        )
        assert await home.told() == []  # nothing is otherwise than it was


async def test_a_link_that_the_other_side_took_out_makes_a_claim_of_it_at_once_and_clients_are_told(database: Database) -> None:
    async with ada(database, ring()) as home:
        person = (await home.desk.ask(WHO, url=A))["person"]
        home.sites.put(B, page())
        await home.later(31 * DAY)
        found = await home.evidence()
        assert (found["claim"], found["strength"], found["lapsedAt"]) == (CLAIMED, "HINT", None)
        assert await home.told() == [("PERSON", person["id"], ("identities",))]
        assert (await home.desk.ask(WHO, url=A))["person"]["version"] == person["version"] + 1


async def test_a_domain_that_somebody_else_has_bought_says_nothing_of_its_former_owner(database: Database) -> None:
    async with ada(database, ring()) as home:
        for url in (A, B):
            home.sites.put(url, page(("me", "https://casino.example/"), body="For sale"))
        await home.later(31 * DAY)
        assert await home.identity() is None
        found = (await home.desk.ask(WHO, url=A))["person"]["identities"]
        assert {one["claim"] for one in found} <= {CLAIMED}
        assert {kind for kind, _, _ in await home.told()} == {"PERSON"}


async def test_a_host_that_is_away_for_a_day_takes_nothing_away(database: Database) -> None:
    sites = ring()
    async with ada(database, sites) as home:
        await home.later(timedelta(hours=1))
        sites.put(B, Document(b"", 503))
        await home.later(30 * DAY)
        failing = await home.evidence()
        assert failing["claim"] == RECIPROCAL and failing["failingSince"] is not None
        assert await home.told() == []
        sites.put(B, page(("me", A)))
        await home.later(4 * DAY)
        found = await home.evidence()
        assert (found["claim"], found["failingSince"], found["lapsedAt"]) == (RECIPROCAL, None, None)
        assert await home.told() == []


async def test_a_host_that_is_gone_for_a_week_leaves_a_claim_behind_and_is_asked_ever_more_rarely_and_then_no_more(
    database: Database,
) -> None:
    sites = ring()
    async with ada(database, sites) as home:
        sites.hosts.clear()  # no name, no address
        begins = home.now
        await home.later(31 * DAY)
        failing = await home.evidence()
        assert failing["claim"] == RECIPROCAL
        await home.later(8 * DAY)
        found = await home.evidence()
        assert (found["claim"], found["strength"]) == (CLAIMED, "HINT")
        assert found["lapsedAt"] > failing["failingSince"] and "could not be confirmed" in found["sentence"]
        assert {kind for kind, _, _ in await home.told()} == {"PERSON"}
        (rest,) = await database.read("u_robin", web_links.said_by, ["a.example"])
        assert rest.failures == 4  # after one, two and four days
        assert await home.later(500 * DAY) is None
        assert home.now > begins + 500 * DAY
        assert await home.told() == []


async def test_who_comes_back_after_all_is_proof_again(database: Database) -> None:
    sites = ring()
    async with ada(database, sites) as home:
        known = set(sites.hosts)
        sites.hosts.discard("b.example")
        await home.later(45 * DAY)
        assert (await home.evidence())["claim"] == CLAIMED
        sites.hosts |= known
        await home.later(62 * DAY)
        found = await home.evidence()
        assert (found["claim"], found["failingSince"], found["lapsedAt"]) == (RECIPROCAL, None, None)


@pytest.mark.parametrize(
    "hostile",
    [
        Document(b"", 302, {"Location": "http://127.0.0.1:22/"}),
        Document(b"", 301, {"Location": "https://169.254.169.254/latest/"}),
        Document(endless=True, headers={"Content-Type": "text/html"}),
        Document(None),
        Document(b"\x1f\x8b" + bytes(200), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"}),
    ],
    ids=["loopback", "metadata", "endless", "silent", "broken"],
)
async def test_a_hostile_host_is_bounded_and_is_one_that_does_not_answer(tmp_path: Path, hostile: Document) -> None:
    async with open_sqlite(tmp_path) as database, ada(database, ring()) as home:
        home.sites.put(B, hostile)
        home.way.patience["b.example"] = 0.5
        await home.later(30 * DAY)
        found = await home.evidence()
        assert (found["claim"], found["failingSince"] is not None) == (RECIPROCAL, True)
        assert max(home.sites.asked.values()) <= 4  # about each of the two claims, and again days later
        left = [row["request"] for row in await home.log() if row["outcome"] != "NOT_SENT"]
        assert all(one.rpartition("//")[2].startswith(("a.example", "b.example")) for one in left)


async def test_that_one_of_their_two_places_is_silent_says_nothing_of_what_stands_at_the_other(database: Database) -> None:
    profile, actor = "https://b.example/@ada", "https://b.example/users/ada"
    face = Document(
        f'<!doctype html><link rel="alternate" type="application/activity+json" href="{actor}">'.encode(),
        headers={"Content-Type": "text/html"},
    )
    field_ = f'{{"type":"PropertyValue","name":"web","value":"<a rel=\\"me\\" href=\\"{A}\\">a</a>"}}'
    person = f'{{"@context":"https://www.w3.org/ns/activitystreams","type":"Person","id":"{actor}","url":"{profile}","preferredUsername":"ada","attachment":[{field_}]}}'
    sites = Sites({A: page(("me", profile)), profile: face})
    sites.put(actor, Document(person.encode(), headers={"Content-Type": "application/activity+json"}))
    async with ada(database, sites) as home:
        assert (await home.evidence(url=profile))["claim"] == RECIPROCAL
        sites.put(actor, Document(b"", 503))  # its page is there, and says nothing of Ada by itself
        await home.later(30 * DAY)
        found = await home.evidence(url=profile)
        assert found["claim"] == RECIPROCAL and found["failingSince"] is not None


async def test_one_viewers_consent_is_nobody_elses(database: Database) -> None:
    sites = ring()
    async with ada(database, sites) as home, at_home(database, sites, "u_kim", home.way) as other:
        await other.knows("Ada", A)
        await other.look(A)
        sites.put(B, page())
        logged = len(await other.log())
        for each in (home, other):
            await each.later(40 * DAY)
        assert (await home.evidence())["claim"] == CLAIMED
        assert (await other.evidence())["claim"] == RECIPROCAL
        assert len(await other.log()) == logged
        assert [job.viewer_id for job in await database.system_read(leases.listed, kind=web_checks.JOB)] == ["u_robin"]


async def test_consent_that_is_withdrawn_meanwhile_stops_it_before_the_next_request_and_counts_against_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ada(database, ring()) as home:
        home.desk.clock.time += 31 * DAY
        gone, withdrawn = asyncio.Event(), asyncio.Event()
        real = home.sites.answer

        def answer(host: str, target: str) -> Document:
            gone.set()
            return real(host, target) if target != "/robots.txt" else Document(status=404, held=withdrawn)

        monkeypatch.setattr(home.sites, "answer", answer)
        turn = asyncio.create_task(home.runs())
        await gone.wait()
        await home.allows(False)
        withdrawn.set()
        assert await turn is None
        found = await home.evidence()
        assert (found["claim"], found["failingSince"]) == (RECIPROCAL, None)
        assert ("b.example", "/") not in home.sites.asked


async def test_who_is_nobody_of_theirs_any_more_is_not_asked_about(database: Database) -> None:
    async with at_home(database, ring()) as home:
        await home.allows()
        await home.look(A)
        home.sites.asked.clear()
        wait = await home.later(90 * DAY)
        assert wait is not None and not home.sites.asked
        await home.knows("Ada", A)
        await home.later(31 * DAY)
        assert home.sites.asked["a.example", "/"] == 1


async def test_a_page_that_robots_may_not_read_is_not_read_by_one(database: Database) -> None:
    async with ada(database, ring()) as home:
        home.sites.put(
            "https://b.example/robots.txt", Document(b"User-agent: *\nDisallow: /", headers={"Content-Type": "text/plain"})
        )
        await home.later(30 * DAY)
        assert home.sites.asked["b.example", "/"] == 0
        assert (await home.evidence())["failingSince"] is not None


async def test_a_process_that_is_killed_while_it_asks_loses_nothing_and_does_not_ask_again_at_once(database: Database) -> None:
    async with ada(database, ring()) as home:
        rows = await database.read("u_robin", web_links.said_by, ["a.example", "b.example"])
        first, second = sorted(row.due_at for row in rows if row.due_at is not None)
        assert second - first > timedelta(hours=2)
        home.desk.clock.time = first
        home.sites.put(B, Document(None))
        url = database.url.render_as_string(hide_password=False)
        module = "tests.resolvers.recheck_once"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, url, str(home.sites.port), home.now.isoformat()
        )
        while not home.sites.asked["b.example", "/"]:
            assert child.returncode is None
            await asyncio.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        asked = home.sites.asked.total()
        home.sites.put(B, page(("me", A)))
        assert await home.runs() == rechecking.IN_HAND
        assert home.sites.asked.total() == asked
        assert (await home.evidence())["claim"] == RECIPROCAL
        await home.later(timedelta(hours=2))
        assert home.sites.asked.total() > asked
        found = await home.evidence()
        assert (found["claim"], found["failingSince"]) == (RECIPROCAL, None)
        outcomes = [row["outcome"] for row in await home.log() if row["purpose"] == "RECHECK"]
        assert outcomes.count("UNCONFIRMED") == 1  # what was under way: nobody knows how it ended


def test_how_long_a_claim_holds_depends_on_how_it_was_said_and_not_all_end_on_one_day() -> None:
    now = datetime.fromisoformat("2026-05-04T12:00:00+00:00")

    def days(*said: str, speaker: str = "a.example") -> float | None:
        until = web_claims.due("u_robin", speaker, said, now)
        return None if until is None else (until - now) / DAY

    assert days("gravatar") is None
    assert (days("at-protocol", "rel-me") or 99) <= 7
    spread = sorted(days("rel-me", speaker=f"{n}.example") or 0 for n in range(100))
    assert 24 <= spread[0] < 26 and 29 < spread[-1] <= 30
    assert max(right - left for left, right in pairwise(spread)) < 1
