"""`kith serve`: the web process, the worker beside it, and how both come and go.

On SIGTERM: /readyz says 503 and answers ask clients to connect anew, while everything is still taken (`KITH_DRAIN_SECONDS`);
then the socket closes, what is in flight finishes (`KITH_SHUTDOWN_SECONDS`), open streams were closed before. With more than
one web process the parent only supervises; they share its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal, cast

import structlog
import uvicorn

from gateway import memory
from gateway.app import open_installation
from gateway.installation import Installation, kith_version
from gateway.lasting import Serving, Working
from gateway.listener import BACKLOG, shut
from gateway.people import owner
from gateway.settings import Settings, SettingsError
from gateway.stopping import beside, stop_signal
from gateway.supervisor import Child, parent_gone
from gateway.web import application, front

if TYPE_CHECKING:
    from strawberry import Schema

TIDY_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 0.1  # between looks for requests of connections that were just let in
SETTLE_MOST: Final = 3.0  # for those of them that a busy process has not heard yet
QUIET_LOOKS: Final = 3
log = structlog.get_logger("kith.serve")


class Server(uvicorn.Server):
    """uvicorn, but signals are ours: it would stop at once, without a drain."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    settings: Settings, listener: socket.socket, *, workers: int, worker: bool, child: bool, schema: Schema | None = None
) -> None:
    """Serve until told to stop. `child`: one of several web processes, which prints nothing and starts no worker. `schema`: another than
    Kith's own, for measurements.
    """
    if workers > 1 and not settings.redis_url:
        raise SettingsError("--workers needs a cache that processes can share: set KITH_REDIS_URL, or serve with one")
    stop = stop_signal()
    children = [Child("worker", Working(supervised=True))] if worker and not child else []
    async with open_installation(settings, schema=schema) as installation:
        if not child:
            await _greet(installation, worker)
        if workers > 1:
            number = listener.fileno()
            environment = {"KITH_HOST": settings.host, "KITH_PORT": str(settings.port)}
            children += [
                Child(f"web-{n}", Serving(listener=number, child=True), environment=environment, pass_fds=[number])
                for n in range(1, workers + 1)
            ]
        for process in children:
            process.start()
        try:
            if workers > 1:
                await stop.wait()
            else:
                await _serve_here(installation, listener, stop, child=child)
        finally:
            await asyncio.gather(*(process.stop() for process in children))


async def _serve_here(installation: Installation, listener: socket.socket, stop: asyncio.Event, *, child: bool) -> None:
    settings = installation.settings
    server = Server(
        uvicorn.Config(
            application(installation),
            http=protocol(installation),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ws="websockets-sansio",
            ws_max_size=settings.max_body_bytes,
            # RFC 7692 keeps a window for each direction of each socket: 300 KiB, to make messages of a kilobyte smaller
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
            timeout_keep_alive=30,
            backlog=BACKLOG,
        )
    )
    memory.settle()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with beside(_tidy(installation)), installation.prewarmed():
        ends = [serving, asyncio.create_task(stop.wait())]
        if child:
            ends.append(asyncio.create_task(parent_gone()))
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            log.info("stopping", drain=settings.drain_seconds)
            installation.draining.set()
            await asyncio.sleep(settings.drain_seconds)
            shut(listener)
            await _heard(server)
            server.should_exit = True
        await serving
        for task in ends[1:]:
            task.cancel()


async def _heard(server: Server) -> None:
    """Until everybody who was let in has said what they want, or had time to: uvicorn cuts those who have not, and who is not accepted yet.

    A busy process may come to its timers before it looks at its sockets, so that only several looks in a row with nothing new tell.
    """
    state, quiet, before = server.server_state, 0, -1
    for _ in range(round(SETTLE_MOST / SETTLE_SECONDS)):
        await asyncio.sleep(SETTLE_SECONDS)
        # a connection of HTTP has no `cycle` before its first request; one of WebSockets has another end
        silent = any(getattr(one, "cycle", one) is None for one in state.connections)
        known, before = before, state.total_requests + len(state.connections)
        quiet = quiet + 1 if not silent and before == known else 0
        if quiet == QUIET_LOOKS:
            return


def protocol(installation: Installation) -> type[asyncio.Protocol] | Literal["auto"]:
    """What uvicorn's setting `http` is: ours, where requests may go straight."""
    straight = front(installation)
    return "auto" if straight is None else cast("type[asyncio.Protocol]", straight.connection)  # called as a class is


async def _tidy(installation: Installation) -> None:
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        with contextlib.suppress(Exception):  # a cache that is down is no reason to stop serving
            await installation.cache.tidy()


async def _greet(installation: Installation, worker: bool) -> None:
    """Say where it is, how to come in, and what to do next."""
    whose = await owner(installation)
    link = await installation.door.login_link(whose.id)
    url = installation.settings.url
    lines = [
        f"Kith {kith_version()} is at {url}",
        "",
        f"  Sign in (works once, for 15 minutes):  {url}/login/{link}",
        "",
        "  What to do next:",
        "    kith link carddav        link an address book (or use the page above)",
        "    kith import PATH…        take in vCards and mail archives",
        "    kith demo                invented people, to look around",
        "    kith token create        a key for programs",
    ]
    if not worker:
        lines += ["", "  No worker was started here: run `kith worker` too."]
    print("\n".join(lines), flush=True)  # noqa: T201  the one thing that is meant for the terminal
