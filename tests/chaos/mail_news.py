"""What happens to a mirrored mailbox arrives as events, soon; and a look at a mailbox in which nothing happened costs always the same.

Another mail program sets a flag, moves, deletes; a delivery agent delivers. A client follows the changes over a WebSocket. Traffic
is counted between Kith and the server, at a small mailbox and at a larger one with the same folders.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.chaos import mailboxes, processes, raw
from tests.chaos.clients import Event, by_websocket, position
from tests.chaos.mail_sync import DONE
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve
from tests.mail_servers import Mailbox, MailServer, mail
from tests.patience import PATIENCE
from tests.tcp_proxy import Line, tcp_proxy

FOLDERS = 6
#: Digits in which the figures of a larger mailbox differ, and a line that the server says by itself.
SLACK_BYTES = 60 * FOLDERS
SYNCED = "select count(*) from job where kind = 'watch' and lease_owner is not null"


async def follow(home: Path, *, messages: int, more: int) -> Report:
    """The four changes at a mailbox of so many messages; the silent look there and at one of `more`."""
    report = Report()
    quiet = [await _at(home.parent / f"{home.name}-{n}", count, report) for n, count in enumerate((messages, more))]
    report.figures |= {f"bytes of a look at {messages} messages": quiet[0], f"bytes of a look at {more} messages": quiet[1]}
    report.hold(f"a silent look cost {quiet[0]} bytes, then {quiet[1]}", abs(quiet[0] - quiet[1]) <= SLACK_BYTES)
    return report


async def _at(home: Path, messages: int, report: Report) -> int:
    with mailboxes.maildir_server() as server, tcp_proxy(server.port) as line:
        mailboxes.fill(server, mailboxes.of(messages, FOLDERS, huge=0))
        with kith_serve(home, **mailboxes.settings(line.port)) as gateway:
            key = gateway.token("owner", "read", "write", "admin")
            mailboxes.link(gateway, key, line.port)
            await _until("the whole mailbox", lambda: raw.count(home, DONE) == 1)
            await _until("the line that is kept open", lambda: raw.count(home, SYNCED) == 1)
            await _settled(line)
            bytes_ = await _silent_look(gateway, line)
            await _four_changes(gateway, key, server, report, messages)
            return bytes_


async def _silent_look(gateway: Gateway, line: Line) -> int:
    before = line.bytes
    await asyncio.to_thread(gateway.kith, "sync")
    return line.bytes - before


async def _four_changes(gateway: Gateway, key: str, server: MailServer, report: Report, messages: int) -> None:
    box = await asyncio.to_thread(Mailbox, server.port)
    first, second, third = box.uids("INBOX")[:3]
    flagged = "\\Flagged"
    changes: dict[str, tuple[Callable[[], None], Callable[[Event], bool]]] = {
        "flag set": (lambda: box.flag("INBOX", [first], flagged), lambda e: _is(e, "NodeUpserted", "MESSAGE")),
        "message moved": (lambda: box.move("INBOX", [second], "Trash"), lambda e: _is(e, "NodeUpserted", "MESSAGE")),
        "message deleted": (lambda: box.expunge("INBOX", [third]), lambda e: _is(e, "NodeDeleted", "MESSAGE")),
        "message delivered": (
            lambda: server.deliver(mail("News")),
            lambda e: _is(e, "NodeUpserted", "MESSAGE") and bool(e["created"]),
        ),
    }
    events = by_websocket(gateway, key, await asyncio.to_thread(position, gateway, key))
    queue: asyncio.Queue[Event] = asyncio.Queue()
    listening = asyncio.create_task(_listen(events, queue))
    try:
        for name, (change, wanted) in changes.items():
            while not queue.empty():
                queue.get_nowait()
            began = time.monotonic()
            await asyncio.to_thread(change)
            async with asyncio.timeout(PATIENCE):
                while not wanted(await queue.get()):
                    pass
            report.figures[f"{name}, s, at {messages} messages"] = round(time.monotonic() - began, 2)
            await asyncio.sleep(1.0)  # what else belongs to it
    finally:
        listening.cancel()
        box.close()


async def _listen(events: AsyncIterator[Event], queue: asyncio.Queue[Event]) -> None:
    async for event in events:
        queue.put_nowait(event)


def _is(event: Event, kind: str, node: str) -> bool:
    return bool(event["__typename"] == kind and event.get("nodeKind") == node)


async def _until(what: str, reached: Callable[[], bool]) -> None:
    await asyncio.to_thread(processes.wait_until, what, reached, 1_200.0)


async def _settled(line: Line) -> None:
    """Until the line has been silent for two seconds."""
    before = -1
    while before != line.bytes:
        before = line.bytes
        await asyncio.sleep(2.0)
