"""Clients of the change feed whose connections are cut while two accounts of one viewer are written to at once.

Three clients follow one feed: over WebSocket, over an event stream resumed by `since`, and over one resumed by Last-Event-ID.
Whenever one has seen so many changes its connection is aborted and it comes back with the last cursor it read. In the end each
must hold exactly the rows of the feed, in their order: none missing, none twice.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

from benchmarks.universe import ME, Universe
from tests.chaos import processes, raw
from tests.chaos.clients import Event, ask, by_event_source, by_event_stream, by_websocket
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

Stream = Callable[[Gateway, str, str | None], AsyncIterator[Event]]
Row = tuple[object, ...]
STREAMS: dict[str, Stream] = {"WebSocket": by_websocket, "SSE by since": by_event_stream, "SSE by Last-Event-ID": by_event_source}
AFTERWARDS = 1.5  # seconds in which something might still come twice


async def follow_through_cuts(home: Path, *, events: int, reconnects: int, seed: int = 3) -> Report:
    """At least `events` changes, `reconnects` cuts of each connection."""
    # a card gives a contact and a person; a mail gives a conversation each time it moves, and its people
    written = Universe(events * 2 // 5, events * 2 // 5).write(home.parent / f"{home.name}-files")
    report = Report()
    with kith_serve(home, "--no-worker", KITH_RATE_COST="0") as gateway:
        key = gateway.token("owner", "read")
        start = str(ask(gateway, key, "{ viewer { feed { head } } }")["data"]["viewer"]["feed"]["head"])
        before = raw.count(home, "select max(position) from feed")
        dice = random.Random(seed)
        clients = {
            name: Client(gateway, key, stream, start, sorted(dice.sample(range(1, events), reconnects)))
            for name, stream in STREAMS.items()
        }
        tasks = [asyncio.create_task(client.follow()) for client in clients.values()]
        gateway.kith("import", str(written.cards), str(written.mail), "--me", ME, "--no-wait")
        worker = gateway.begin("worker")  # takes both at once, a slice of the one, a slice of the other
        try:
            await asyncio.to_thread(
                processes.wait_until, "the end of both imports", lambda: not raw.open_jobs(home, "import", "identity")
            )
            rows = _rows(home, before)
            await _all_seen(list(clients.values()), len(rows), tasks)
        finally:
            worker.terminate()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(worker.wait)
        for name, how in zip(clients, ended, strict=True):
            report.hold(f"{name} failed: {how!r}", isinstance(how, asyncio.CancelledError))
        report.figures["changes"] = len(rows)
        report.hold(f"only {len(rows)} changes came about, not {events}", len(rows) >= events)
        writers = {account for (account,) in raw.rows(home, "select distinct account_id from feed where account_id is not null")}
        report.expect("accounts that wrote", len(writers), 2)
        report.figures["turns between the writers"] = _turns(home)
        report.hold("the two accounts wrote at the same time", _turns(home) > 1)
        for name, client in clients.items():
            report.expect(f"{name}: forced reconnects", client.cut, reconnects)
            report.expect(f"{name}: changes received", len(client.seen), len(rows))
            report.expect(f"{name}: missing", len(set(rows) - set(client.seen)), 0)
            report.expect(f"{name}: received twice", len(client.seen) - len(set(client.seen)), len(rows) - len(set(rows)))
            report.hold(f"{name}: the order differs from the feed's", client.seen == rows)
    return report


class Client:
    """Somebody who follows the changes and remembers the last cursor."""

    def __init__(self, gateway: Gateway, key: str, stream: Stream, since: str, cuts: list[int]) -> None:
        self._gateway = gateway
        self._key = key
        self._stream = stream
        self._cursor = since
        self._cuts = cuts
        self.cut = 0
        self.seen: list[Row] = []

    async def follow(self) -> None:
        """Until it is cancelled. Raises what broke the stream."""
        while True:
            async with aclosing(self._stream(self._gateway, self._key, self._cursor)) as events:  # type: ignore[type-var]
                async for event in events:
                    self._cursor = event["cursor"]
                    row = _row(event)
                    if row is None:
                        continue
                    self.seen.append(row)
                    if self.cut < len(self._cuts) and len(self.seen) >= self._cuts[self.cut]:
                        self.cut += 1
                        break


def _row(event: Event) -> Row | None:
    match event["__typename"]:
        case "NodeUpserted":
            changed = tuple(sorted(event["changedFields"]))
            return ("UPSERT", event["nodeKind"], event["nodeId"], event["nodeVersion"], event["created"], changed)
        case "NodeDeleted":
            return ("DELETE", event["nodeKind"], event["nodeId"], event["reason"])
        case "NodesMerged":
            return ("MERGE", event["survivorId"], tuple(sorted(event["absorbedIds"])))
        case "NodeSplit":
            return ("SPLIT", event["originId"], tuple(sorted(event["partIds"])))
        case "FeedAdvanced":
            return None
    raise AssertionError(f"nobody asked for {event}")


def _rows(home: Path, after: int) -> list[Row]:
    """The feed as the database file has it, in the form of `_row`."""
    columns = "op, kind, node_id, node_version, created, fields, names, reason"
    found: list[Row] = []
    for op, kind, node, version, created, fields, names, reason in raw.rows(
        home, f"select {columns} from feed where position > ? order by position", after
    ):
        if op == "UPSERT":
            found.append((op, kind, node, version, bool(created), tuple(sorted(str(fields).split()))))
        elif op == "DELETE":
            found.append((op, kind, node, reason))
        else:
            found.append((op, node, tuple(sorted(str(names or "").split()))))
    return found


def _turns(home: Path) -> int:
    """How often the feed goes from one account's rows to the other's."""
    order = [a for (a,) in raw.rows(home, "select account_id from feed where account_id is not null order by position")]
    return sum(one != other for one, other in itertools.pairwise(order))


async def _all_seen(clients: list[Client], wanted: int, tasks: list[asyncio.Task[None]]) -> None:
    """Until everybody has everything, or nobody gets anything any more; then a moment more."""
    loop = asyncio.get_running_loop()
    last, at = -1, loop.time()
    while any(len(c.seen) < wanted for c in clients) and not any(t.done() for t in tasks):
        seen = sum(len(c.seen) for c in clients)
        if seen != last:
            last, at = seen, loop.time()
        elif loop.time() - at > PATIENCE:
            return
        await asyncio.sleep(0.05)
    await asyncio.sleep(AFTERWARDS)
