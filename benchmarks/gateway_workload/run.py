"""All gateways on the workload in one run: answers compared first, then in turns, each alone at work.

The server has one processor to itself, clients and upstream share another (where there are two). What counts is requests per second of
the *server's* processor time, which other work on the machine disturbs least; how much of that there was is beside each row.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import figures
from benchmarks.gateway_workload.rivals import RIVALS, Command, Unavailable
from benchmarks.gateway_workload.workload import QUERIES, answers
from benchmarks.processes import cpu_seconds, rss_mib
from tests.gateway_process import Gateway
from tests.ports import free_port

KITH: Final = "Kith"
CONNECTIONS: Final = 50
READY_SECONDS: Final = 30.0
_TICK: Final = os.sysconf("SC_CLK_TCK")
_CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE: Final = _CORES[0]
CLIENTS_CORE: Final = _CORES[-1]


@dataclass(frozen=True)
class Sizes:
    """How long each is asked, and how often in turn."""

    rounds: int = 3
    seconds: float = 2.0
    warm_up: float = 2.0


@dataclass
class Seen:
    """One round of one operation at one server."""

    per_cpu_second: float
    per_second: float
    p50: float
    p99: float
    calls: float
    bad: int
    others: float  # processors that other work took


@dataclass
class Server:
    """One gateway that runs."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    rss: float = 0.0  # MiB, after everything
    seen: dict[str, list[Seen]] = field(default_factory=lambda: {name: [] for name in QUERIES})

    def request(self, query: str) -> bytes:
        """One HTTP request, whole."""
        body = json.dumps({"query": query}).encode()
        headers = {
            "host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **self.headers,
        }
        return b"POST /graphql HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()).encode() + b"\r\n" + body

    def ask(self, query: str) -> Any:
        """The answer to one operation."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "POST", "/graphql", json.dumps({"query": query}), {"content-type": "application/json", **self.headers}
            )
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def run(folder: Path, sizes: Sizes, names: tuple[str, ...] = ()) -> tuple[dict[str, Server], dict[str, str]]:
    """The servers with what was seen of them, and why others are not among them. Raises AssertionError when Kith answers wrongly."""
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        upstream = free_port()
        process = stack.enter_context(
            _running(
                Command((sys.executable, "-m", "benchmarks.gateway_workload.upstream", str(upstream))),
                folder / "upstream",
                CLIENTS_CORE,
            )
        )
        _wait(process, upstream, "/calls", folder / "upstream")
        servers = {}
        for name, start in {KITH: _kith, **RIVALS}.items():
            if names and name not in names:
                continue
            try:
                server = _start(stack, name, start(port := free_port(), upstream, folder), port, folder)
                _compare(server)
            except (Unavailable, Wrong) as error:
                if name == KITH:
                    raise
                missing[name] = str(error)
            else:
                servers[name] = server
        for number in range(sizes.rounds):
            for query in QUERIES:
                for server in servers.values():
                    if number == 0:
                        _asked(server, query, sizes.warm_up)
                    server.seen[query].append(_measured(server, query, sizes.seconds, process, upstream))
        for server in servers.values():
            server.rss = rss_mib(server.process.pid)
    return servers, missing


class Wrong(Exception):
    """A server does not answer what it should."""


def _compare(server: Server) -> None:
    for name, wanted in answers().items():
        found = server.ask(QUERIES[name])
        if found.get("errors") or found.get("data") != wanted:
            raise Wrong(f"answers {name} with {json.dumps(found)[:200]}")


def _measured(server: Server, query: str, seconds: float, upstream: subprocess.Popen[bytes], upstream_port: int) -> Seen:
    before, calls, ours = cpu_seconds(server.process.pid), _calls(upstream_port), cpu_seconds(upstream.pid)
    busy, children, began = _busy(), os.times(), time.monotonic()
    told = _asked(server, query, seconds)
    used, took = cpu_seconds(server.process.pid) - before, time.monotonic() - began
    after = os.times()
    clients = after.children_user + after.children_system - children.children_user - children.children_system
    others = _busy() - busy - used - clients - (cpu_seconds(upstream.pid) - ours)
    return Seen(
        per_cpu_second=told["answers"] / max(used, 1 / _TICK), per_second=told["answers"] / told["seconds"], p50=told["p50"],
        p99=told["p99"], calls=(_calls(upstream_port) - calls) / max(1, told["answers"]), bad=int(told["bad"]),
        others=max(0.0, others / took),
    )  # fmt: skip


def _asked(server: Server, query: str, seconds: float) -> dict[str, float]:
    words = (sys.executable, "-m", "benchmarks.gateway_workload.load", str(server.port), str(seconds), str(CONNECTIONS))
    done = subprocess.run(
        words, input=server.request(QUERIES[query]), cwd=figures.ROOT, capture_output=True, check=True, timeout=seconds + 60,
        preexec_fn=lambda: _pin(CLIENTS_CORE),
    )  # fmt: skip
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _kith(port: int, upstream: int, folder: Path) -> Command:
    home = folder / "home"
    home.mkdir()
    settings = {"KITH_RATE_COST": "0", "KITH_ALLOW_PRIVATE_HOSTS": f"127.0.0.1/32:{upstream}"}
    installation = Gateway(home, port, settings)
    installation.kith("migrate")
    key = installation.token("owner", "read")
    words = (sys.executable, "-m", "benchmarks.gateway_workload.kith", str(port), str(upstream))
    return Command(words, {**settings, "KITH_HOME": str(home), "KEY": key})


def _start(stack: ExitStack, name: str, command: Command, port: int, folder: Path) -> Server:
    log = folder / name.replace(" ", "-")
    process = stack.enter_context(_running(command, log, SERVER_CORE))
    key = command.environment.get("KEY")
    server = Server(name, process, port, {"authorization": f"Bearer {key}"} if key else {})
    _wait(process, port, "/graphql", log)
    return server


@contextmanager
def _running(command: Command, log: Path, core: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")} | command.environment
    with log.open("wb") as out:
        process = subprocess.Popen(
            command.words, cwd=figures.ROOT, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out,
            preexec_fn=lambda: _pin(core),
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()


def _wait(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            connection.getresponse().read()
            return
        time.sleep(0.05)
    raise Unavailable(f"does not start: {log.read_text(errors='replace').strip()[-300:]}")


def _calls(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/calls")
        return int(connection.getresponse().read())
    finally:
        connection.close()


def _busy() -> float:
    """Seconds that all processors have worked; proc(5), the first line of /proc/stat without idle and iowait."""
    with open("/proc/stat") as file:
        times = [int(word) for word in file.readline().split()[1:9]]
    worked: int = sum(times) - times[3] - times[4]
    return worked / _TICK


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def median(seen: list[Seen], name: str) -> float:
    """Of the rounds."""
    return float(statistics.median(getattr(one, name) for one in seen))
