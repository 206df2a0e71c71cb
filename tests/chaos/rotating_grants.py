"""Networks whose refresh tokens work once: a web process and two workers renew the same grants, and none is lost.

    access token dies ──▶ whoever notices takes the fence ──▶ refresh token used up, new one stored ──▶ the others read it
                                                        │ SIGKILL here: the answer may be lost, and the account says so

The network is a server of our own that rotates (RFC 6749 §6) and takes a used refresh token for a theft: it then ends the whole grant
(RFC 9700 §4.14.2).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from gateway.app import open_installation
from gateway.settings import load
from providers.records import Profile
from providers.session import Secret
from store import leases
from store.database import Database
from tests.chaos import raw
from tests.chaos.clients import ask
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE
from tests.ports import free_port

LIFE = 1.0  # seconds that an access token lives from its first use: an hour of them passes in a minute
THINKING = 0.1  # seconds that the token endpoint takes, so that there is a middle to be killed in
ASKERS = 2  # who ask the web process live; none while workers are killed, so that it is they who renew
LIVE = "{ viewer { conversations(first: 5, freshness: { maxAgeSeconds: 0, deadlineMs: 400 }) { sources { state } } } }"


@dataclass
class Grant:
    """One account's grant as the network keeps it."""

    number: int
    access: str = ""
    refresh: str = ""
    used: float | None = None  # since when its access token is
    renewed: int = 0
    ended: bool = False

    def renew(self) -> None:
        self.access, self.refresh = (f"{self.number}-{secrets.token_urlsafe(12)}" for _ in range(2))
        self.used = None


@dataclass
class Network:
    """The server's memory."""

    grants: list[Grant]
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def token(self, refresh: str) -> dict[str, Any] | None:
        """Rotate; a refresh token that was used before ends its grant."""
        with self.lock:
            grant = next((g for g in self.grants if refresh.startswith(f"{g.number}-")), None)
            if grant is None or grant.ended:
                return None
            if grant.refresh != refresh:
                grant.ended = True
                return None
            grant.renew()
            grant.renewed += 1
            return {"access_token": grant.access, "refresh_token": grant.refresh, "token_type": "Bearer"}

    def admits(self, access: str) -> Grant | None:
        """Whose call this is; None when the token is unknown, ended or too old."""
        with self.lock:
            for grant in self.grants:
                if grant.access == access and not grant.ended:
                    now = time.monotonic()
                    # one that was just renewed is good for a call, however long a busy machine takes until that
                    grant.used = now if grant.used is None else grant.used
                    return grant if now - grant.used < LIFE else None
        return None


class _Handler(BaseHTTPRequestHandler):
    network: Network

    def log_message(self, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers.get("content-length", "0"))).decode())
        if self.path != "/oauth/token":
            self._answer(404, {"error": "not found"})
            return
        refresh = sent.get("refresh_token", [""])[0]
        time.sleep(THINKING / 2)
        token = self.network.token(refresh)
        time.sleep(THINKING / 2)
        self._answer(400 if token is None else 200, token or {"error": "invalid_grant"})

    def do_GET(self) -> None:
        if self.path in ("/api/v2/instance", "/api/v1/instance"):
            self._answer(200, {"domain": "social.example"})
            return
        grant = self.network.admits(self.headers.get("authorization", "").removeprefix("Bearer "))
        if grant is None:
            self._answer(401, {"error": "The access token expired"})
        elif self.path.startswith("/api/v1/accounts/verify_credentials"):
            name = f"robin{grant.number}"
            self._answer(200, {"id": str(grant.number), "username": name, "acct": name, "url": f"{self.network.url}/@{name}"})
        else:
            self._answer(200, [])

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        with suppress(OSError):  # whoever asked was killed
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


@contextmanager
def rotating_network(accounts: int) -> Iterator[Network]:
    """A network with so many grants."""
    network = Network([Grant(n) for n in range(accounts)])
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), type("Handler", (_Handler,), {"network": network}))
    network.url = f"http://127.0.0.1:{server.server_port}"
    for grant in network.grants:
        grant.renew()
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield network
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def renew_side_by_side(home: Path, *, accounts: int, renewals: int, kill_every: float = 0.0, seed: int = 5) -> Report:
    """Until every grant was renewed `renewals` times. `kill_every`: seconds between two kills of a worker, none by default.

    A grant that a kill cost is given anew, as its user would, and counted with what the account said about it.
    """
    report = Report()
    drawn = random.Random(seed)
    with rotating_network(accounts) as network:
        allowed = network.url.removeprefix("http://").replace("127.0.0.1:", "127.0.0.1/32:")
        with kith_serve(home, "--no-worker", KITH_ALLOW_PRIVATE_HOSTS=allowed, KITH_RATE_COST="0") as gateway:
            ids = asyncio.run(_link(home, allowed, network))
            key = gateway.token("owner", "read")
            asking = threading.Event()
            askers = [
                threading.Thread(target=_keep_asking, args=(gateway, key, asking), daemon=True)
                for _ in range(0 if kill_every else ASKERS)
            ]
            for asker in askers:
                asker.start()
            workers = [gateway.begin("worker") for _ in range(2)]
            reasons: Counter[str] = Counter()
            kills = interrupted = 0
            try:
                last = time.monotonic()
                deadline = last + PATIENCE + renewals * accounts
                while min(grant.renewed for grant in network.grants) < renewals and time.monotonic() < deadline:
                    _ask_for_syncs(home, list(ids.values()))
                    time.sleep(0.05)
                    if kill_every and time.monotonic() - last > kill_every:
                        number = _renewing(home, workers)
                        if number is not None:
                            time.sleep(drawn.uniform(0, 1.5 * THINKING))  # before the network has renewed, or after
                            interrupted += _kill(home, workers[number])
                            workers[number] = gateway.begin("worker")
                            kills, last = kills + 1, time.monotonic()
                    if lost := _lost(home):
                        reasons.update(lost.values())
                        if not kill_every:
                            break
                        asyncio.run(_link(home, allowed, network, {number for number, one in ids.items() if one in lost}))
            finally:
                asking.set()
                for worker in workers:
                    worker.terminate()
                for worker in workers:
                    worker.wait()
                for asker in askers:
                    asker.join()
            report.figures["accounts"] = accounts
            report.figures["renewals of each grant"] = [grant.renewed for grant in network.grants]
            report.hold("every grant was renewed often enough", min(g.renewed for g in network.grants) >= renewals)
            report.figures["workers killed in the middle of a renewal"] = kills
            if kill_every:
                lost_to_kills = sum(reasons.values())
                report.figures["renewals that these kills interrupted"] = interrupted
                report.figures["grants lost to kills"] = lost_to_kills
                report.figures["what their accounts said"] = dict(Counter(_without_time(reason) for reason in reasons.elements()))
                report.hold(f"a lost grant says why: {dict(reasons)}", all("was interrupted" in reason for reason in reasons))
                report.hold("no grant is lost but by a renewal that a kill interrupted", lost_to_kills <= interrupted)
            else:
                report.expect("grants lost", sum(reasons.values()), 0)
                report.broken += list(reasons)
                report.expect("grants that the network ended", sum(g.ended for g in network.grants), 0)
    return report


async def _link(home: Path, allowed: str, network: Network, again: set[int] | None = None) -> dict[int, str]:
    """Link every account with a grant of its own, as the link page would; or those of the grants in `again`, which others may be renewing."""
    settings = load(home=home, allow_private_hosts=allowed)
    ids: dict[int, str] = {}
    async with open_installation(settings) as installation:
        from gateway.people import owner

        whose = await owner(installation)
        for grant in network.grants:
            if again is not None and grant.number not in again:
                continue
            with network.lock:
                if again is not None:
                    grant.renew()
                    grant.ended = False
                secret = Secret(
                    access_token=grant.access, refresh_token=grant.refresh, client_id="kith", client_secret="s",
                    extra={"token_endpoint": f"{network.url}/oauth/token"},
                )  # fmt: skip
            provider = installation.providers["mastodon"]
            profile = Profile(user_id=str(grant.number), label=f"@robin{grant.number}@social.example")
            account_id = await installation.accounts.add(whose.id, provider, profile, secret, base_url=network.url)
            ids[grant.number] = account_id
    return ids


def _ask_for_syncs(home: Path, account_ids: list[str]) -> None:
    """Every account is due again, as if its interval had passed."""

    async def ask_now() -> None:
        from gateway.clock import SystemClock

        database = Database(f"sqlite:///{home / 'kith.db'}")
        try:
            for viewer, account_id in raw.rows(home, "select viewer_id, id from account where status <> 'REAUTH_REQUIRED'"):
                if account_id in account_ids:
                    await database.system(leases.enqueue, viewer, "sync", account_id, SystemClock().now(), every=900)  # type: ignore[arg-type]
        finally:
            await database.close()

    asyncio.run(ask_now())


def _keep_asking(gateway: Gateway, key: str, stop: threading.Event) -> None:
    while not stop.is_set():
        ask(gateway, key, LIVE)


def _lost(home: Path) -> dict[str, str]:
    rows = raw.rows(home, "select id, status_reason from account where status = 'REAUTH_REQUIRED'")
    return {str(account_id): str(reason) for account_id, reason in rows}


def _renewing(home: Path, workers: list[subprocess.Popen[bytes]]) -> int | None:
    """A worker that has begun a renewal and not ended it, looked for a moment."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        for number, worker in enumerate(workers):
            if _begun(home, worker):
                return number
    return None


def _begun(home: Path, worker: subprocess.Popen[bytes]) -> int:
    """How many renewals this process has begun and not ended (store/accounts.py: the mark names who)."""
    return raw.count(home, "select count(*) from secret where refreshing like ?", f"%/{worker.pid}/%")


def _kill(home: Path, worker: subprocess.Popen[bytes]) -> int:
    """Kill a worker; how many renewals that interrupted. It is held still for the count, so that it neither ends nor begins one."""
    worker.send_signal(signal.SIGSTOP)
    interrupted = _begun(home, worker)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    return interrupted


def _without_time(reason: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "…", reason)
