"""Bluesky's renewals, in the middle of which the worker is killed: a real PDS, whose answers are held back until it is dead.

    account        how it signs in             what the kill cuts                     afterwards
    unheard        app password, one use       the question                           it goes on
    forgiven       app password                the answer; the PDS gives it again     it goes on
    lost           app password, one use       the answer                             signed out, and says why

A PDS forgives a second use of an app password's refresh token for some hours; servers of others need not, for which the stub before it stands.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from gateway.accounts import Held
from gateway.app import open_installation
from gateway.people import owner
from gateway.settings import load
from providers.records import Profile
from providers.session import Account, Secret
from tests.atproto_servers import AtProto
from tests.chaos import processes, raw
from tests.chaos.report import Report
from tests.gateway_process import Gateway
from tests.ports import free_port
from tests.providers.bluesky_stub import Bluesky
from tests.providers.stub_http import running, served

SETTINGS: Final = {"KITH_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8:*"}


def die_while_renewing(home: Path, server: AtProto) -> Report:
    """Kill the worker while each of the three accounts is being renewed, and look what they say when another works on."""
    report = Report()
    home.mkdir()
    nets = {name: Bluesky(server.new_user()) for name in ("unheard", "forgiven", "lost")}
    with ExitStack() as stack:
        for name, net in nets.items():
            net.people[net.user.did] = {"did": net.user.did, "handle": net.user.handle}
            net.once = name != "forgiven"
            stack.enter_context(served(running(net)))
        gateway = Gateway(home, free_port(), SETTINGS)
        ids = asyncio.run(_link(home, nets))
        for name, net in nets.items():
            net.expire()
            net.renewing = "unheard" if name == "unheard" else "unanswered"
        _kill_in_the_middle(home, gateway, {ids[name]: net for name, net in nets.items()})
        for net in nets.values():
            net.renewing = ""
            net.user.post("written meanwhile")
        worker = gateway.begin("worker")
        try:
            for name, account_id in ids.items():
                reached = partial(_signed_out if name == "lost" else _went_on, home, account_id)
                processes.wait_until(f"the end of {name}", reached)
        finally:
            worker.terminate()
            worker.wait()
        for name, account_id in ids.items():
            ((status, reason),) = raw.rows(home, "select status, status_reason from account where id = ?", account_id)
            report.figures[name] = f"{status}: {reason}"
            if name != "lost":
                report.expect(f"{name} goes on", (status, reason), ("ACTIVE", None))
            else:
                report.expect(f"{name} is signed out", status, "REAUTH_REQUIRED")
                report.hold(f"{name} says why: {reason}", "was interrupted and its answer lost" in str(reason))
                report.hold(f"{name} says what to do: {reason}", "Link the account again" in str(reason))
    return report


def _kill_in_the_middle(home: Path, gateway: Gateway, nets: Mapping[str, Bluesky]) -> None:
    """Let a worker run until it is renewing all of these accounts, and each network holds its answer back; kill it there.

    The worker's mark alone does not say that a network has heard of it, and of what none has heard, nothing is lost.
    """
    worker = gateway.begin("worker")
    try:
        processes.wait_until(
            "the renewals", lambda: _renewed_by(home, worker, set(nets)) and all(net.held for net in nets.values())
        )
    finally:
        worker.kill()
        worker.wait()


def _renewed_by(home: Path, worker: subprocess.Popen[bytes], account_ids: set[str]) -> bool:
    """Whether this process has begun to renew all of these and ended none (store/accounts.py: the mark names who)."""
    rows = raw.rows(home, "select row_id from secret where refreshing like ?", f"%/{worker.pid}/%")
    return {row_id for (row_id,) in rows} >= account_ids


def _went_on(home: Path, account_id: str) -> bool:
    """What was posted after the kill has arrived."""
    return raw.count(home, "select count(*) from activity where account_id = ?", account_id) == 1


def _signed_out(home: Path, account_id: str) -> bool:
    return raw.count(home, "select count(*) from account where id = ? and status = 'REAUTH_REQUIRED'", account_id) == 1


async def _link(home: Path, nets: Mapping[str, Bluesky]) -> dict[str, str]:
    """Link each account with an app password, as the link page would; their ids."""
    ids: dict[str, str] = {}
    settings = load(home=home, allow_private_hosts=(SETTINGS["KITH_ALLOW_PRIVATE_HOSTS"],))
    async with open_installation(settings) as installation:
        whose, provider = await owner(installation), installation.providers["bluesky"]
        assert provider.sign_in is not None
        for name, net in nets.items():
            typed = Secret(username=net.user.handle, password=net.user.app_password("kith", privileged=True))
            account = Account(provider="bluesky", base_url=net.url)
            made = await provider.sign_in(installation.accounts.session(account, Held(typed), provider))
            profile = Profile(user_id=net.user.did, label=f"@{net.user.handle}")
            ids[name] = await installation.accounts.add(whose.id, provider, profile, made.secret, base_url=net.url)
    return ids
