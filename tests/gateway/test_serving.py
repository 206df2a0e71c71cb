"""`kith serve` as a process: its worker beside it, its end under load, and what it leaves behind (nothing)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest

from tests import fresh
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

CLIENTS = 20


def sockets_of(pid: int) -> set[str]:
    """The sockets that a process has open, by their inodes."""
    named = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            named.add(os.readlink(one))
    return {name for name in named if name.startswith("socket:")}


def worker_of(gateway: Gateway) -> int | None:
    """The worker's process, or None while there is none."""
    assert gateway.process is not None
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def until(true: object, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes through /proc")


@needs_proc
def test_the_worker_is_started_again_when_it_dies_and_ends_with_its_parent(tmp_path: Path) -> None:
    with kith_serve(tmp_path / "kith") as gateway:
        first = worker_of(gateway)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: worker_of(gateway) not in (None, first))
        second = worker_of(gateway)
        assert second is not None
        assert gateway.process is not None
        # or the port is taken for as long as it lives; until execve(2) it has them all, and its parent has the other end of its input
        pids = second, gateway.process.pid
        until(lambda: sockets_of(pids[0]).isdisjoint(sockets_of(pids[1])))
        os.kill(gateway.process.pid, signal.SIGKILL)  # no chance to say goodbye
        gateway.process.wait()
        until(lambda: not running(second))


@needs_proc
def test_no_worker_is_started_when_none_is_wanted(tmp_path: Path) -> None:
    with kith_serve(tmp_path / "kith", "--no-worker") as gateway:
        time.sleep(0.5)
        assert worker_of(gateway) is None
        assert "run `kith worker` too" in gateway.log


def test_the_first_lines_say_where_it_is_how_to_sign_in_and_what_to_do_next(tmp_path: Path) -> None:
    with kith_serve(tmp_path / "kith", "--no-worker") as gateway:
        for words in (gateway.url, "/login/", "kith import", "kith link", "kith demo", "kith token create"):
            assert words in gateway.log
        with httpx.Client(timeout=PATIENCE) as browser:
            browser.get(gateway.sign_in_link(), follow_redirects=True)
            assert "Hello, owner" in browser.get(gateway.url).text


async def test_sigterm_under_load_cuts_no_request(tmp_path: Path) -> None:
    with kith_serve(tmp_path / "kith", "--no-worker", KITH_DRAIN_SECONDS="4") as gateway:
        key = gateway.token("ada")
        assert gateway.process is not None
        answered, cut = [0] * CLIENTS, []
        states: list[int] = []

        async def client(n: int) -> None:
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE) as http:
                while True:
                    try:
                        answer = await http.post(gateway.endpoint, json={"query": "{viewer{people(first:5){edges{node{name}}}}}"})
                    except httpx.ConnectError:
                        return  # it has gone: refused before anything was sent, so nothing is lost
                    except httpx.HTTPError as error:
                        cut.append(f"{type(error).__name__}: {error}")
                        return
                    assert answer.status_code == 200 and "data" in answer.json()
                    answered[n] += 1

        async def watch() -> None:
            async with httpx.AsyncClient(timeout=PATIENCE) as http:
                while True:
                    try:
                        states.append((await http.get(f"{gateway.url}/readyz")).status_code)
                    except httpx.HTTPError:
                        return
                    await asyncio.sleep(0.05)

        clients = [asyncio.create_task(client(n)) for n in range(CLIENTS)]
        watching = asyncio.create_task(watch())
        async with asyncio.timeout(PATIENCE):
            while 200 not in states or not all(answered):  # noqa: ASYNC110  counts, not events
                await asyncio.sleep(0.05)
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients, watching)
        assert await asyncio.to_thread(gateway.process.wait, PATIENCE) == 0
    assert cut == []
    assert all(answered)
    assert 200 in states and 503 in states  # told not to be sent more work before the door closed


def test_the_log_holds_no_secrets(tmp_path: Path) -> None:
    with kith_serve(tmp_path / "kith", "--no-worker") as gateway:
        key = gateway.token("ada")
        link = gateway.sign_in_link()
        with httpx.Client(timeout=PATIENCE) as client:
            client.post(gateway.endpoint, json={"query": "{viewer{id}}"}, headers={"authorization": f"Bearer {key}"})
            client.get(f"{gateway.url}/link/start/s3cret-ticket")
            client.get(link)
        gateway.stop()
        log = gateway.log
    assert key not in log and "s3cret-ticket" not in log
    assert log.count(link.rpartition("/")[2]) == 1  # printed once, for whom it is meant


def test_metrics_are_for_operators(tmp_path: Path) -> None:
    with kith_serve(tmp_path / "kith", "--no-worker", KITH_METRICS_TOKEN="m3trics") as gateway:
        strangers = (
            {"authorization": "Bearer nonsense"},
            {"authorization": f"Bearer {gateway.token('ada', 'admin')}"},  # admin of her own data, not of the installation
            {"x-forwarded-for": "192.0.2.7"},
        )
        for headers in strangers:
            assert httpx.get(f"{gateway.url}/metrics", headers=headers, timeout=PATIENCE).status_code == 401
        operators: tuple[dict[str, str], ...] = (
            {},
            {"authorization": "Bearer m3trics"},
            {"authorization": f"Bearer {gateway.token('owner', 'admin')}"},
        )
        answers = [httpx.get(f"{gateway.url}/metrics", headers=headers, timeout=PATIENCE) for headers in operators]
    assert [answer.status_code for answer in answers] == [200] * 3
    names = set(re.findall(r"^# TYPE (\w+)", answers[0].text, re.MULTILINE))
    wanted = {
        "kith_operations_total", "kith_operation_seconds", "kith_provider_calls_total", "kith_job_lag_seconds", "kith_jobs_dead",
        "kith_sync_age_seconds", "kith_cache_answers_total", "kith_ledger_gaps", "kith_subscriptions_open", "kith_executions_total",
    }  # fmt: skip
    assert wanted <= names
    assert '"ada"' not in answers[0].text


def test_a_worker_loads_nothing_that_only_serving_needs() -> None:
    loaded = """
import sys
from gateway import lasting
lasting.prepare()
import gateway.worker_process
print(*sorted(sys.modules))
import greenlet, rich  # there for who asks all the same
"""
    names = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert "gateway.worker" in names
    assert {"gateway.web", "uvicorn", "strawberry", "graphql", "typer", "rich"}.isdisjoint(names)


#: What only some processes ever need, and tens of megabytes together: it comes with the first who needs it.
LATER = {
    "PIL", "aiohttp", "authlib", "cryptography", "dns", "fakeredis", "feedparser", "gateway.cli", "gateway.worker", "greenlet",
    "joserfc", "libipld", "mf2py", "nh3", "phonenumbers", "providers.sockets", "pydantic", "rapidfuzz", "redis",
    "resolvers.identity.files", "rich", "sqlalchemy.dialects.postgresql", "sqlalchemy.ext.asyncio", "typer",
}  # fmt: skip
_SERVING = """
import asyncio, sys
from pathlib import Path
from gateway import lasting
lasting.prepare()
from gateway import serve
from gateway.app import open_installation
from gateway.execution.request import GraphQLRequest
from gateway.people import owner
from gateway.settings import Settings
from gateway.signin.door import command

PAGE = "{ viewer { people(first: 5) { edges { node { id emails { address } } } } } }"

async def main():
    async with open_installation(Settings(home=Path(sys.argv[1]))) as installation:
        serve.application(installation)
        answer = await installation.execution.execute(GraphQLRequest(query=PAGE), command(await owner(installation)))
        assert answer.data is not None, answer.errors

asyncio.run(main())
print(*sorted(sys.modules))
"""


def test_a_process_that_serves_what_is_stored_loads_nothing_that_only_others_need(tmp_path: Path) -> None:
    asyncio.run(fresh.sqlite(tmp_path / "kith" / "kith.db"))  # migrating takes other libraries, in the process that does it
    script = [sys.executable, "-c", _SERVING, str(tmp_path / "kith")]
    names = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    assert "gateway.web" in names
    assert "graphql" in names
    assert LATER.isdisjoint(names), LATER & set(names)
