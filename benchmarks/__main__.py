"""`make bench`: the public gateway workload beside other gateways (gateway_workload/), doubles in public lists beside splink
(linkage/), Kith's own pages as what is stored grows (growth.py), then the people page, Kith beside a bare Strawberry app, in one run on
one machine.

    python -m benchmarks [--people N] [--messages N] [--requests N] [--starts N] [--most N] [--no-record]

Both serve the same invented people; that they answer the same is checked before anything is timed. Kith reads them from SQLite,
where its own import put them; the bare app has them in dicts. Cold: the first page after a start, so without anything parsed,
planned or cached (the kernel's file cache stays warm). Warm: one client, one page after another. CPU is that of the process that
answers; memory is named by process.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import bare, figures, growth, people_page
from benchmarks.gateway_workload import __main__ as gateway_workload
from benchmarks.linkage import __main__ as linkage
from benchmarks.people_page import QUERY, Shown
from benchmarks.processes import cpu_seconds, load, rss_mib
from benchmarks.universe import ME, Universe, Written
from tests.chaos.processes import worker_of
from tests.gateway_process import kith_serve
from tests.ports import free_port

WARM_UP: Final = 20
BODY: Final = json.dumps({"query": QUERY}).encode()


@dataclass(frozen=True)
class Sizes:
    """How much there is and how often it is asked for."""

    people: int = 300
    messages: int = 4_000
    requests: int = 200
    starts: int = 3


@dataclass
class Server:
    """One of the two, running: where, as which process, and how it is started again."""

    name: str
    port: int
    headers: dict[str, str]
    pid: Callable[[], int]
    restart: Callable[[], None]


def main() -> None:
    """Measure, print, record."""
    sizes = Sizes()
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description="The people page beside a bare Strawberry app.")
    arguments.add_argument("--people", type=int, default=sizes.people)
    arguments.add_argument("--messages", type=int, default=sizes.messages)
    arguments.add_argument("--requests", type=int, default=sizes.requests, help="warm requests to each server")
    arguments.add_argument("--starts", type=int, default=sizes.starts, help="cold starts of each server")
    arguments.add_argument("--most", type=int, default=10**9, help="where the curves of growth end")
    arguments.add_argument("--no-record", action="store_true", help="leave docs/figures.md alone")
    given = arguments.parse_args()
    sizes = Sizes(given.people, given.messages, given.requests, given.starts)
    gateway_workload.main(["--no-record"] if given.no_record else [])
    linkage.main(["--no-record"] if given.no_record else [])
    growth.main(["--most", str(given.most), *(["--no-record"] if given.no_record else [])])
    with tempfile.TemporaryDirectory(prefix="kith-bench-") as folder:
        rows = run(Path(folder), sizes)
    title = "People page: 50 people with e-mails and 3 conversations each"
    note = (
        f"{sizes.people:,} people, {sizes.messages:,} messages; {sizes.requests} warm requests one after another, {sizes.starts} "
        f"cold starts; answers were equal. Latency in ms, CPU in ms of the answering process a request, memory in MiB."
    )
    figures.show(title, rows)
    if not given.no_record:
        figures.record(title, rows, note)


def run(folder: Path, sizes: Sizes) -> list[dict[str, object]]:
    """One row for each server. Raises AssertionError when the answers differ."""
    written = Universe(sizes.people, sizes.messages).write(folder / "files")
    wanted = people_page.expected(written)
    with _kith(folder / "home", written) as kith:
        with _bare(folder, written) as plain, _bare(folder, written, "--caches") as cached:
            rows = [_measure(server, wanted, sizes) for server in (plain, cached, kith)]
        worker = worker_of(kith.pid())
        rows.append({"process": "kith worker", "RSS": None if worker is None else rss_mib(worker)})
    return rows


def _measure(server: Server, wanted: Shown, sizes: Sizes) -> dict[str, object]:
    cold = []
    for _ in range(sizes.starts):
        server.restart()
        with _connection(server) as connection:
            milliseconds, answer = _ask(connection, server)
        cold.append(milliseconds)
        found = people_page.shown(answer)
        assert found == wanted, f"{server.name} answers something else: {_difference(found, wanted)}"
    with _connection(server) as connection:
        for _ in range(WARM_UP):
            _ask(connection, server)
        busy, before = load(), cpu_seconds(server.pid())
        warm = [_ask(connection, server)[0] for _ in range(sizes.requests)]
        used = cpu_seconds(server.pid()) - before
    statements = answer.get("extensions", {}).get("kith", {}).get("statements")
    row: dict[str, object] = {
        "process": server.name,
        "cold": statistics.median(cold),
        "warm p50": statistics.median(warm),
        "warm p99": sorted(warm)[min(len(warm) - 1, int(len(warm) * 0.99))],
        "CPU": used / sizes.requests * 1000,
        "RSS": rss_mib(server.pid()),
        "load": busy,
    }
    return row if statements is None else {**row, "SQL statements": statements}


def _difference(found: Shown, wanted: Shown) -> str:
    if len(found) != len(wanted):
        return f"{len(found)} people, not {len(wanted)}"
    return next(f"{one} instead of {other}" for one, other in zip(found, wanted, strict=True) if one != other)


@contextmanager
def _connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    try:
        yield connection
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, server: Server) -> tuple[float, dict[str, Any]]:
    """Milliseconds until the whole answer was there, and the answer."""
    began = time.perf_counter()
    connection.request("POST", "/graphql", BODY, {"content-type": "application/json", **server.headers})
    body = connection.getresponse().read()
    took = (time.perf_counter() - began) * 1000
    answer: dict[str, Any] = json.loads(body)
    assert not answer.get("errors"), f"{server.name} answers with errors: {answer['errors']}"
    return took, answer


@contextmanager
def _kith(home: Path, written: Written) -> Iterator[Server]:
    with kith_serve(home, KITH_RATE_COST="0") as gateway:
        gateway.kith("import", str(written.cards), str(written.mail), "--me", ME)
        key = gateway.token("owner", "read")

        def pid() -> int:
            assert gateway.process is not None
            return gateway.process.pid

        def restart() -> None:
            gateway.stop()
            gateway.start()

        yield Server("kith web", gateway.port, {"authorization": f"Bearer {key}"}, pid, restart)


@contextmanager
def _bare(folder: Path, written: Written, *flags: str) -> Iterator[Server]:
    file = folder / "bare.json"
    file.write_text(json.dumps(bare.people_of(written)))
    port = free_port()
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(port), str(file), *flags], cwd=figures.ROOT)
        running.append(process)
        for _ in range(600):
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
                return
            except OSError:
                assert process.poll() is None, "the bare app ended"
                time.sleep(0.05)
        raise TimeoutError("the bare app did not start")

    def stop() -> None:
        while running:
            process = running.pop()
            process.terminate()
            process.wait(30)

    def restart() -> None:
        stop()
        start()

    name = "bare Strawberry" + (" with its caches" if flags else "")
    start()
    try:
        yield Server(name, port, {}, lambda: running[-1].pid, restart)
    finally:
        stop()


if __name__ == "__main__":
    os.chdir(figures.ROOT)
    main()
