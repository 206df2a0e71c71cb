"""A worker that is killed with -9 between matching a stream and delivering it: every match arrives, and what arrives twice has one id.

    posts ──feed──▶ job "streams" ──▶ matches ──▶ job "webhook" ──▶ receiver
                    └───────── one process, SIGKILL ────────┘
                                         └──▶ changes(filter: {streamId}) ──▶ a client that is cut off and comes back with its cursor

The receiver takes a few events and then keeps the line waiting until the worker is dead: each kill falls between a match and its delivery, and on
an event that has arrived and was not answered. What has to arrive is read from the database file.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2 as httpx

from tests.chaos import processes, raw
from tests.chaos.clients import by_stream
from tests.chaos.report import Report
from tests.gateway import running as here
from tests.gateway_process import Gateway
from tests.household import Household
from tests.patience import PATIENCE
from tests.posts import post
from tests.providers.stub_http import Answer, Request, running

CREATE: Final = 'mutation { createStream(input: { name: "Birds", rule: "heron" }) { stream { id matchedTo } } }'
HOOK: Final = (
    "mutation ($url: URL!, $id: ID!) { createWebhook(input: { targetUrl: $url, streamId: $id }) { errors { message } } }"
)
MATCHED: Final = "select count(*) from stream_match where ended = 0"
DELIVERED: Final = "select count(*) from webhook_delivery where outcome = 'DELIVERED'"
SLICE: Final = 10
TAKEN: Final = 2  # events between two kills that the receiver answers
AFTERWARDS: Final = 0.5  # seconds in which something might still come twice


class Receiver:
    """Somebody's server; it keeps ids and nodes in the order in which they came. From `holds_from` different ones on it answers late."""

    url = ""
    holds_from: int | None = None

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Answer:
        data = httpx.Response(200, content=request.body).json()["data"]
        self.came.append((request.headers["webhook-id"], data["nodeId"]))
        answer = Answer(204)
        if self.holds_from is not None and self.different > self.holds_from:
            answer.after = PATIENCE  # whoever asked is killed before that
        return answer

    @property
    def different(self) -> int:
        return len(set(self.came))


async def deliver_through_kills(home: Path, *, posts: int, kills: int, cuts: int, seed: int = 6) -> Report:
    """So many posts, every second of which meets the rule; the worker is killed and the client cut off so often meanwhile."""
    report = Report()
    receiver = Receiver()
    async with running(receiver) as url:
        place = f"127.0.0.1/32:{urlsplit(url).port}"
        async with (
            here.opened(home, schema=None, allow_private_hosts=(place,)) as installation,
            here.listening(installation) as at,
        ):
            key, kept = await here.key_of(installation, scopes=("read", "write", "admin"))
            async with here.asking(installation, key) as client:
                made = (await _ask(client, CREATE))["createStream"]["stream"]
                hook = (await _ask(client, HOOK, url=f"{url}/hook", id=made["id"]))["createWebhook"]
            report.expect("the webhook", hook["errors"], [])
            gateway = Gateway(installation.settings.home, int(at.rpartition(":")[2]), {"KITH_ALLOW_PRIVATE_HOSTS": place})
            household = Household(installation.database, kept.viewer_id)
            dice = random.Random(seed)
            reader = Reader(gateway, key, made["id"], made["matchedTo"], sorted(dice.sample(range(1, posts // 2), cuts)))
            following = asyncio.create_task(reader.follow())
            try:
                between = await _live(report, gateway, household, receiver, posts=posts, kills=kills)
                await reader.has(posts // 2)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        _judge(report, gateway.home, receiver, reader, posts=posts, kills=kills, between=between, cuts=cuts)
    return report


async def _live(report: Report, gateway: Gateway, household: Household, receiver: Receiver, *, posts: int, kills: int) -> int:
    """Have all posts taken in, matched and delivered, through so many kills; how many of these fell between a match and its delivery."""
    account = await household.account("mastodon")
    said = [post(n, f"{'Heron' if n % 2 else 'Boat'} {n}") for n in range(posts)]
    slices = [said[n : n + SLICE] for n in range(0, posts, SLICE)]
    between = 0
    worker = await asyncio.to_thread(gateway.begin, "worker")
    try:
        for n in range(kills):
            receiver.holds_from = receiver.different + TAKEN
            for part in slices[n * len(slices) // kills : (n + 1) * len(slices) // kills]:
                await household.take(account, *part)
            await _arrive(receiver, receiver.holds_from + 1)
            worker.kill()
            await asyncio.to_thread(worker.wait)
            receiver.holds_from = None
            between += raw.count(gateway.home, MATCHED) > raw.count(gateway.home, DELIVERED)
            worker = await asyncio.to_thread(gateway.begin, "worker")
        before, began = receiver.different, time.monotonic()
        await _arrive(receiver, posts // 2)
        rest, took = receiver.different - before, time.monotonic() - began
        report.figures["after the last kill: deliveries, s until all were there"] = f"{rest:,}, {took:.0f}"
        await asyncio.to_thread(
            processes.wait_until, "the end of it", lambda: not raw.open_jobs(gateway.home, "streams", "webhook"), PATIENCE
        )
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.wait)
    return between


async def _arrive(receiver: Receiver, wanted: int) -> None:
    """Returns when so many different ones have come to the receiver: on a busy machine late, as long as more come."""
    while (there := receiver.different) < wanted:
        await asyncio.to_thread(
            processes.wait_until,
            f"delivery {there + 1} of {wanted}",
            partial(_beyond, receiver, there),
            PATIENCE,
        )


def _beyond(receiver: Receiver, there: int) -> bool:
    return receiver.different > there


class Reader:
    """Somebody who follows a stream and remembers the last cursor."""

    def __init__(self, gateway: Gateway, key: str, stream_id: str, since: str, cuts: list[int]) -> None:
        self._gateway, self._key, self._stream_id, self._cursor = gateway, key, stream_id, since
        self._cuts = cuts
        self.cut = 0
        self.seen: list[str] = []
        self._came = asyncio.Event()

    async def follow(self) -> None:
        """Until it is cancelled. Raises what broke the line."""
        while True:
            async with aclosing(by_stream(self._gateway, self._key, self._cursor, self._stream_id)) as events:
                async for event in events:
                    self._cursor = event["cursor"]
                    if event["__typename"] == "NodeUpserted":
                        self.seen.append(event["nodeId"])
                        self._came.set()
                    if self.cut < len(self._cuts) and len(self.seen) >= self._cuts[self.cut]:
                        self.cut += 1
                        break

    async def has(self, wanted: int) -> None:
        """Returns when it has so many, or nothing more can come; then a moment later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(self.seen) < wanted:
                    self._came.clear()
                    await self._came.wait()
        await asyncio.sleep(AFTERWARDS)


def _judge(
    report: Report, home: Path, receiver: Receiver, reader: Reader, *, posts: int, kills: int, between: int, cuts: int
) -> None:
    wanted = [str(node) for (node,) in raw.rows(
        home, "select f.node_id from feed f join stream_match m on m.activity_id = f.node_id where m.ended = 0 order by f.position"
    )]  # fmt: skip
    report.expect("posts that meet the rule", len(wanted), posts // 2)
    report.figures["posts, deliveries, of which again"] = (
        f"{posts:,}, {len(receiver.came):,}, {len(receiver.came) - len(set(receiver.came)):,}"
    )
    report.expect("kills between a match and its delivery", between, kills)
    report.hold("fewer came again than were cut off", len(receiver.came) - len(set(receiver.came)) >= kills)
    once = list(dict.fromkeys(receiver.came))  # as a receiver does who knows an id again
    report.expect("matches that did not arrive", len(set(wanted) - {node for _, node in once}), 0)
    report.expect("matches that arrived under two ids", len(once) - len({node for _, node in once}), 0)
    report.expect("ids of two matches", len(once) - len({name for name, _ in once}), 0)
    report.hold("they came in another order than the feed's", [node for _, node in once] == wanted)
    report.expect("cuts of the client", reader.cut, cuts)
    report.expect("missed by the client", len(set(wanted) - set(reader.seen)), 0)
    report.hold("the client got some twice, or in another order", reader.seen == wanted)


async def _ask(client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    answer = (await here.ask(client, query, variables=variables)).json()
    if answer.get("errors"):
        raise RuntimeError(f"the query failed: {answer['errors']}")
    found: dict[str, Any] = answer["data"]
    return found
