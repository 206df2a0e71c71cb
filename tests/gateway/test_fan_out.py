"""Five sources, three of them in trouble: the page comes by its deadline with the others' data and each one's state."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.session import Secret
from resolvers.operation import Operation
from schema import build_schema
from tests import servers
from tests.asking import Context, nodes
from tests.household import Household, open_sqlite
from tests.workshop import Workshop, workshop

HANGS = 120  # seconds that a source takes which hangs
PATIENT = 90_000  # milliseconds: a busy machine takes its time, and sources that answer are not waited for longer
CONVERSATIONS = """
query ($age: Int!, $deadline: Int!) {
  viewer { conversations(first: 20, freshness: {maxAgeSeconds: $age, deadlineMs: $deadline}) {
    complete
    sources { state servedFrom message retryAt account { id label } }
    edges { node { id kind unreadCount lastMessage { text sender { name person { name } } } participants { edges { node { name } } } } }
  } }
}
"""
TIMELINE = """
query ($id: ID!) { person(by: {id: $id}) { name timeline(first: 20) {
  sources { state } edges { node { __typename ... on Message { text direction } ... on TimelineGap { state message } } } } } }
"""


@pytest.fixture(scope="module")
def networks() -> Iterator[list[servers.Mastodon]]:
    """Four servers: one that behaves, and one each for a fault."""
    with ExitStack() as stack:
        started = [stack.enter_context(servers.mastodon()) for _ in range(4)]
        yield started
        started[1].server.kill()  # it would wait for those who still wait for it


@dataclass
class Scene:
    shop: Workshop
    household: Household
    accounts: dict[str, str]
    networks: list[servers.Mastodon]

    async def ask(self, query: str, *, deadline_ms: int = PATIENT, **variables: Any) -> tuple[Any, Operation]:
        operation = self.shop.operation(self.household.viewer, deadline_ms=deadline_ms)
        result = await build_schema().execute(query, variable_values=variables, context_value=Context(operation))
        assert not result.errors, result.errors
        return result.data, operation

    async def conversations(self, *, age: int = 300, deadline_ms: int = PATIENT) -> tuple[Any, Operation]:
        data, operation = await self.ask(CONVERSATIONS, deadline_ms=deadline_ms, age=age, deadline=deadline_ms)
        return data["viewer"]["conversations"], operation


@pytest.fixture
async def scene(networks: list[servers.Mastodon], tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_sqlite(tmp_path) as database:
        household = await Household.open(database)
        allow = [f"127.0.0.1/32:{n.url.rsplit(':', 1)[1].rstrip('/')}" for n in networks]
        async with workshop(database, tmp_path, *allow) as shop:
            shop.services.max_deadline_ms = PATIENT
            linked: dict[str, str] = {}
            for name, network in zip(("good", "hangs", "fails", "limits"), networks, strict=True):
                network.clear_faults()
                network.reset()
                me = user(network, "robin")
                friend = user(network, "mira")
                network.post("/api/v1/statuses", {"status": f"@robin hello from {name}", "visibility": "direct"}, friend)
                linked[name] = await shop.link(household.viewer, "mastodon", network.url, Secret(access_token=me), mode="LIVE")
                if name == "good":
                    linked["other"] = await shop.link(
                        household.viewer, "mastodon", network.url, Secret(access_token=friend), mode="LIVE"
                    )
            yield Scene(shop, household, linked, networks)
            for network in networks:
                network.clear_faults()


def user(network: servers.Mastodon, name: str) -> str:
    made = network.control("POST", "dev_user", {"username": name, "display_name": name.title()})
    return str(made["access_token"])


def states(scene: Scene, found: Any) -> dict[str, str]:
    names = {account_id: name for name, account_id in scene.accounts.items()}
    return {names[s["account"]["id"]]: s["state"] for s in found["sources"]}


def break_three(scene: Scene) -> None:
    _, hangs, fails, limits = scene.networks
    hangs.fault({"type": "latency", "delay_ms": HANGS * 1000}, path="/api/v1/conversations")
    fails.fault({"type": "status", "status": 500}, path="/api/v1/conversations")
    limits.fault({"type": "ratelimit"}, path="/api/v1/conversations")


async def test_all_sources_answer_with_their_content(scene: Scene) -> None:
    found, operation = await scene.conversations()
    assert set(states(scene, found).values()) == {"FRESH"}
    assert found["complete"]
    texts = sorted(node["lastMessage"]["text"] for node in nodes(found))
    assert [t for t in texts if "hello from hangs" in t]
    assert operation.spending.made == 5


async def test_the_page_comes_by_its_deadline_whatever_three_sources_do(scene: Scene) -> None:
    break_three(scene)
    started = time.monotonic()
    found, _ = await scene.conversations(deadline_ms=10_000)  # nobody waits as long but for the one that hangs
    took = time.monotonic() - started
    assert states(scene, found) == {
        "good": "FRESH", "other": "FRESH", "hangs": "TIMED_OUT", "fails": "UNAVAILABLE", "limits": "RATE_LIMITED",
    }  # fmt: skip
    assert not found["complete"]
    assert len(nodes(found)) == 2
    assert took < HANGS, "the source that hangs held the page up to its own end"
    troubled = [s for s in found["sources"] if s["state"] != "FRESH"]
    assert all(s["message"] for s in troubled)
    assert [s["retryAt"] is not None for s in troubled if s["state"] == "RATE_LIMITED"] == [True]


async def test_what_was_seen_before_is_shown_as_stale_when_the_network_fails(scene: Scene) -> None:
    await scene.conversations()
    scene.networks[2].fault({"type": "status", "status": 503})
    found, _ = await scene.conversations(age=0)
    assert states(scene, found)["fails"] == "STALE"
    assert [n for n in nodes(found) if "hello from fails" in n["lastMessage"]["text"]]


async def test_a_young_answer_is_served_from_the_cache_without_a_call(scene: Scene) -> None:
    await scene.conversations()
    found, operation = await scene.conversations()
    assert operation.spending.made == 0
    assert {s["servedFrom"] for s in found["sources"]} <= {"CACHE", "LIVE"}
    assert len(nodes(found)) == 5


async def test_ten_readers_at_once_ask_each_network_once(scene: Scene) -> None:
    import asyncio

    answers = await asyncio.gather(*(scene.conversations() for _ in range(10)))
    assert sum(operation.spending.made for _, operation in answers) == 5
    assert {len(nodes(found)) for found, _ in answers} == {5}


async def test_a_persons_timeline_tells_live_messages(scene: Scene) -> None:
    found, _ = await scene.conversations()
    data, _ = await scene.ask("{ viewer { people(first: 20) { edges { node { id name } } } } }")
    mira = next(p for p in nodes(data["viewer"]["people"]) if p["name"] == "Mira")
    told, _ = await scene.ask(TIMELINE, id=mira["id"])
    texts = [n.get("text") or "" for n in nodes(told["person"]["timeline"])]
    assert any("hello from" in t for t in texts)
    assert len(nodes(found)) == 5
