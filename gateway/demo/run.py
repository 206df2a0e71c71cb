"""`kith demo`: write the files, start the network, import, link and sync. No row is inserted but by what users do too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from gateway.accounts import Held
from gateway.demo import files, network
from gateway.demo.place import FOLDER
from gateway.settle import settle
from gateway.worker import Worker
from providers.session import Account, Secret

PROVIDER = "mastodon"


class DemoRefused(Exception):
    """The demo cannot run; the message says what to do."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo took in."""

    import_ids: tuple[str, ...]
    account_id: str
    server: str


async def run(
    worker: Worker, viewer: str, home: Path, *, wait: bool = True, tell: Callable[[str], None], progress: Callable[[], Awaitable[None]] | None = None
) -> Outcome:  # fmt: skip
    """Take the sample data in for a viewer; again changes nothing. Raises DemoRefused when the extra `demo` is missing."""
    if not network.installed():
        raise DemoRefused("The demo needs the extra `demo`: pip install 'kithgraph[demo]' (make run installs it).")
    provider = worker.imports.providers.get(PROVIDER)
    if provider is None or provider.open is None:
        raise DemoRefused("The provider 'mastodon' is not installed.")
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    tell("Starting a Mastodon-compatible server of invented people …")
    try:
        server = await asyncio.to_thread(network.start, folder)
    except RuntimeError as error:
        raise DemoRefused(str(error)) from error
    server = await asyncio.to_thread(network.fill, folder, server)
    tell("Writing address cards and mail of invented people …")
    paths = await asyncio.to_thread(files.write, folder, worker.clock.now(), server.url)
    staged, _ = await worker.imports.stage(viewer, paths)
    tell("Linking the account at the server …")
    secret = Secret(access_token=server.token)
    session = worker.accounts.session(Account(provider=PROVIDER, base_url=server.url), Held(secret), provider)
    profile = await provider.open(session).profile()
    account_id = await worker.accounts.add(viewer, provider, profile, secret, base_url=server.url)
    if wait:
        jobs = [("import", s.import_id) for s in staged] + [("sync", account_id), ("identity", viewer)]
        await settle(worker, viewer, jobs, progress)
    return Outcome(import_ids=tuple(s.import_id for s in staged), account_id=account_id, server=server.url)


def stop(home: Path) -> bool:
    """End the demo's server; whether it ran."""
    return network.stop(home / FOLDER)
