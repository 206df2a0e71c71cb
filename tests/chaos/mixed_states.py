"""One installation with accounts of many networks, each twice: one is well, the other throttled, revoked, downgraded or only partly permitted.

The worker does what it always does, round after round of some hours each on a clock that is moved on here. What is compared is counted, never timed:
the looks and calls of the accounts that are well, with the others beside them and without, and the calls that came to a network although it
had said until when it takes none. What an account says of itself is read as a front-end reads it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock

from gateway import watch
from gateway.linking.service import LinkService
from gateway.people import named
from gateway.worker import WATCHES
from resolvers.linking import CredentialForm, OAuthRedirect
from schema import build_schema
from store import leases
from tests import atproto_servers, chat_servers, servers
from tests.asking import Context
from tests.chaos.mixed_networks import NETWORKS, Door, Network, served
from tests.chaos.mixed_troubles import TROUBLES, WAITS, Trouble
from tests.chaos.report import Report
from tests.gateway.running import opened
from tests.household import Household, open_sqlite
from tests.workshop import Workshop, workshop

#: A little more than six hours: what is due once a day or a week is due in one certain round, however few seconds the clock was moved on by waits.
STEP: Final = timedelta(hours=6, minutes=5)
VIEWERS: Final = ("ada", "bo", "cy", "di", "eve")  # nobody has two accounts of one network
ACCOUNTS: Final = """{ viewer { accounts(first: 50) { edges { node {
  id status statusReason nextSyncAt lastSyncedAt capabilities } } } } }"""


class Hours:
    """A clock that is moved on by whoever waits for it, and by the scenario."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.time + timedelta(seconds=seconds)
        await asyncio.sleep(0)
        self.time = max(self.time, until)


# --- the run ----------------------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What became of the accounts that are well: looks and calls by name; and of the others: what they say, and calls out of turn."""

    looks: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ended: str = ""


async def live_with_trouble(home: Path, *, rounds: int) -> Report:
    """So many rounds with the well accounts alone, and as many with the troubled ones beside them."""
    report = Report()
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody else waits
    with ExitStack() as begun:
        fediverse, books = begun.enter_context(servers.mastodon()), begun.enter_context(servers.radicale())
        homeserver, pds = begun.enter_context(chat_servers.synapse()), begun.enter_context(atproto_servers.pds())
        # how often a line is taken up again follows the machine's own time: here none is kept open
        begun.enter_context(mock.patch.object(watch, "AT_ONCE", 0))
        networks = {**NETWORKS, **served(fediverse, books, homeserver, pds)}
        alone = await _lived(home / "alone", rounds, networks, ())
        mixed = await _lived(home / "mixed", rounds, networks, TROUBLES)
    report.figures["accounts: well, in trouble"] = f"{len(networks)}, {len(TROUBLES)}"
    report.expect("looks of the well accounts beside the others", mixed.looks, dict.fromkeys(networks, rounds))
    report.expect("looks without the others", alone.looks, mixed.looks)
    report.expect("calls of the well accounts beside the others", mixed.calls, alone.calls)
    report.expect("calls before a network's Retry-After had passed", {name: n for name, n in mixed.early.items() if n}, {})
    report.expect("calls that the networks' contracts do not allow", [*alone.faults, *mixed.faults][:3], [])
    for name in networks:
        well = mixed.said[name]
        state, words = well["status"], well["statusReason"]
        says = networks[name].says
        right = all(one in (words or "") for one in says) if says else words is None
        report.hold(f"{name}, well, is {state}: {words}", state == "ACTIVE" and right)
        if not networks[name].watched:
            report.hold(f"{name}, well, says when it is looked at again", (well["nextSyncAt"] or "") > mixed.ended)
    for trouble in TROUBLES:
        said = mixed.said[trouble.name]
        report.figures[trouble.name] = f"{said['status']}: {said['statusReason']}"
        if trouble.says == WAITS:
            report.hold(f"{trouble.name} says when it goes on", (said["nextSyncAt"] or "") > mixed.ended)
        report.hold(f"{trouble.name} is {said['status']}, not {trouble.state}", said["status"] == trouble.state)
        words = (said["statusReason"] or "").casefold()
        report.hold(f"{trouble.name} says {words!r} and not {trouble.says}", all(one.casefold() in words for one in trouble.says))
    await _price(report, home / "price")
    return report


async def _price(report: Report, home: Path) -> None:
    """What X would charge for a month is said before the browser goes there."""
    home.mkdir()  # noqa: ASYNC240 - nobody else waits
    with mock.patch.dict(os.environ, {"KITH_X_CLIENT_ID": "client"}):
        async with opened(home) as there:
            viewer = (await named(there, "ada")).id
            begun = await LinkService(there).begin(viewer, provider="x", method="OAUTH_REDIRECT")
            form = {"monthly_limit": "20", "following": "100", "followers": "50", "own_app": "true"}
            estimated = await LinkService(there).complete(viewer, begun.id, form=form)
    said = [one.message for one in estimated.attempts if one.method == "price"]
    report.figures["a month's price on X, before it is linked"] = said
    report.hold(f"the price is said once, beside the limit: {said}", len(said) == 1 and "limit of $20.00" in said[0])
    before = isinstance(begun.step, CredentialForm) and isinstance(estimated.step, OAuthRedirect)
    report.hold("the browser has not gone to X before", before)


async def _lived(home: Path, rounds: int, networks: Mapping[str, Network], troubles: Sequence[Trouble]) -> Seen:
    home.mkdir()  # noqa: ASYNC240 - nobody else waits
    clock, seen = Hours(), Seen()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_sqlite(home))
        households = [await Household.open(database, f"u_{name}") for name in VIEWERS]
        shop = await stack.enter_async_context(workshop(database, home, "127.0.0.0/8:*", clock=clock))
        doors: dict[str, Door] = {}
        ids: dict[str, str] = {}
        for name, network, household in _shared(households, networks, troubles):
            kind = networks[network]
            door = doors[name] = kind.door(clock)
            url = await stack.enter_async_context(door.opened())
            befallen = next((one for one in troubles if one.name == name and one.at_first), None)
            secret = kind.secret
            if befallen is not None:
                befallen.befall(door)
                secret = befallen.secret or secret
            ids[name] = await shop.link(
                household.viewer,
                kind.provider,
                url + kind.path,
                secret(door.stub),
                sync=False,
                mode=kind.mode,
                settings=dict(kind.settings),
            )
            clock.time += timedelta(seconds=1)
        for number in range(rounds):
            await _round(shop, clock)
            looked = await _accounts(shop, households)
            for name in networks:
                at = looked[ids[name]]["lastSyncedAt"]
                fresh = at is not None and clock.now() - datetime.fromisoformat(at) < STEP
                seen.looks[name] = seen.looks.get(name, 0) + fresh
            if number == 0:
                for one in troubles:
                    if not one.at_first:
                        one.befall(doors[one.name])
        found = await _accounts(shop, households)
        seen.said = {name: found[id_] for name, id_ in ids.items()}
        seen.ended = clock.now().isoformat()
        seen.calls = {name: doors[name].calls for name in networks}
        seen.early = {name: door.early for name, door in doors.items()}
        seen.faults = [f"{name}: {fault}" for name, door in doors.items() for fault in getattr(door.stub, "violations", ())]
    return seen


async def _round(shop: Workshop, clock: Hours) -> None:
    """Some six hours pass, and the worker does all that is due then."""
    clock.time += STEP
    stop = asyncio.Event()
    working = asyncio.create_task(shop.worker.work(stop))
    try:
        while await _busy(shop, clock):  # noqa: ASYNC110 - a worker tells nobody that it has nothing to do
            await asyncio.sleep(0.05)
    finally:
        stop.set()
        await working


async def _busy(shop: Workshop, clock: Hours) -> bool:
    """Whether a job is at work or due; a line that is only kept open is neither."""
    jobs: list[leases.Job] = await shop.database.system_read(leases.listed)
    alive = [job for job in jobs if job.dead_reason is None and job.kind not in WATCHES]
    return any(job.lease_owner is not None or job.due <= clock.now() for job in alive)


def _shared(
    households: Sequence[Household], networks: Mapping[str, Network], troubles: Sequence[Trouble]
) -> Iterator[tuple[str, str, Household]]:
    """Who has which account: everybody at most one of a network, of which some are well and some are not."""
    for n, network in enumerate(networks):
        names = [network, *(one.name for one in troubles if one.network == network)]
        for m, name in enumerate(names):
            yield name, network, households[(n + m) % len(households)]


async def _accounts(shop: Workshop, households: Sequence[Household]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for household in households:
        result = await build_schema().execute(ACCOUNTS, context_value=Context(shop.operation(household.viewer)))
        assert not result.errors, result.errors
        assert result.data is not None
        found |= {edge["node"]["id"]: edge["node"] for edge in result.data["viewer"]["accounts"]["edges"]}
    return found
