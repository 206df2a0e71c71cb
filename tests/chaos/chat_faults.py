"""A day in Matrix rooms through a line that is cut again and again, and what arrives and leaves while it stands.

Other people write with a client of their own, more between two looks than a sync shows, so that gaps have to be filled; they edit,
react and take back. Moments are drawn from a seed. Afterwards Kith's own rows are compared with what the server tells another client.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import chat_servers
from tests.chaos import processes, raw
from tests.chaos.clients import Event, ask, by_websocket, position
from tests.chaos.report import Report
from tests.chat_servers import MatrixUser
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.tcp_proxy import Line, tcp_proxy

BURST: Final = 60  # messages of a room between two looks: a sync shows 50
CUT_WITHIN: Final = 0.4  # seconds after a connection is made
BEGIN: Final = """mutation { beginLink(input: { provider: "matrix", method: PASSWORD }) { link { id } errors { message } } }"""
COMPLETE: Final = """mutation Complete($link: ID!, $form: [FormValue!]!) {
  completeLink(input: { linkId: $link, credentials: { form: $form } }) {
    account { id } errors { message } link { state error { message } } } }"""
ROOMS: Final = "{ viewer { conversations(first: 9) { edges { node { id kind } } } } }"
SEND: Final = """mutation Send($key: String!, $account: ID!, $room: ID!, $text: String!) {
  sendMessage(input: { idempotencyKey: $key, undoSeconds: 0, text: $text,
    compose: { newMessage: { accountId: $account, to: [{ conversationId: $room }] } } }) { message { id } errors { message } } }"""
WATCHED: Final = "select count(*) from job where kind = 'watch' and lease_owner is not null"
UNSENT: Final = "select count(*) from outbox where state <> 'DONE'"


@dataclass
class Club:
    """Ada, whose account it is, and those who write to her."""

    ada: MatrixUser
    bob: MatrixUser
    cai: MatrixUser
    direct: str
    group: str
    dice: random.Random
    sent: list[str] = field(default_factory=list)

    def write(self, count: int, name: str) -> None:
        """So many messages in the group, and a little of everything else."""
        for n in range(count):
            self.sent.append(self.bob.send(self.group, f"{name}.{n}"))
        self.cai.send(self.direct, f"{name} aside")
        first, second, third = self.dice.sample(self.sent, 3)
        self.bob.edit(self.group, first, f"mended at {name}")
        self.cai.react(self.group, second, self.dice.choice("👍🎉👋"))
        self.bob.redact(self.group, third)
        self.sent.remove(third)


async def live_through_cuts(home: Path, *, messages: int, cuts: int, asked: int, seed: int = 5) -> Report:
    """So many messages before the account is linked, so many cuts while it follows, so many timed and sent in the end."""
    report = Report()
    port = free_port()
    with tcp_proxy(port) as line, chat_servers.synapse(port=port, called=f"http://127.0.0.1:{line.port}") as server:
        club = _club(server, random.Random(seed))
        club.write(messages, "before")
        settings = {"KITH_ALLOW_PRIVATE_HOSTS": f"127.0.0.1/32:{line.port}", "KITH_RATE_COST": "0"}
        with kith_serve(home, "--no-worker", **settings) as gateway:
            key = gateway.token("owner", "read", "write", "send", "admin")
            given = {"username": club.ada.user_id, "password": club.ada.password, "server": f"http://127.0.0.1:{line.port}"}
            account_id = linked(gateway, key, BEGIN, given)
            rounds = follow(report, gateway, line, cuts, club.dice, lambda name: club.write(BURST, name))
            report.figures["rounds in which a room grew by more than a sync shows"] = rounds
            worker = gateway.begin("worker")
            try:
                await asyncio.to_thread(processes.wait_until, "the watch", lambda: raw.count(home, WATCHED) == 1, PATIENCE)
                await _as_it_happens(report, gateway, key, club, asked)
                await asyncio.to_thread(_send, report, gateway, key, account_id, line, club, asked)
            finally:
                worker.terminate()
                worker.wait()
            gateway.kith("sync")
            _compare(report, home, club)
    return report


def _club(server: chat_servers.Matrix, dice: random.Random) -> Club:
    ada, bob, cai = (server.new_user(name) for name in ("ada", "bob", "cai"))
    direct = cai.create_room(ada, is_direct=True)
    ada.set_direct({cai.user_id: [direct]})
    return Club(ada, bob, cai, direct, bob.create_room(ada, cai, name="Boat club"), dice)


def linked(gateway: Gateway, key: str, begin: str, given: dict[str, str]) -> str:
    """Link an account by what a form asks; its id. Raises RuntimeError with what was said."""
    begun: dict[str, Any] = ask(gateway, key, begin)["data"]["beginLink"]
    form = [{"name": name, "value": value} for name, value in given.items()]
    done: dict[str, Any] = ask(gateway, key, COMPLETE, {"link": begun["link"]["id"], "form": form})["data"]["completeLink"]
    if not done["account"]:
        raise RuntimeError(f"the account could not be linked: {done}")
    return str(done["account"]["id"])


# --- what comes -------------------------------------------------------------------------------------------------------------


def follow(report: Report, gateway: Gateway, line: Line, cuts: int, dice: random.Random, go_on: Callable[[str], None]) -> int:
    """Looks at an account, each of which is cut, with something happening in between; how often it did."""
    began, done, written = time.monotonic(), 0, 0
    while done < cuts:
        look = gateway.begin("sync")
        done += _cut_once(line, look, dice)
        look.wait()
        if raw.count(gateway.home, "select count(*) from account where cursor is not null"):
            go_on(f"round {written}")
            written += 1
    gateway.kith("sync")
    report.expect("looks during which the line was cut", done, cuts)
    report.figures |= {"connections cut": line.cuts, "following took, s": round(time.monotonic() - began, 1)}
    return written


def _cut_once(line: Line, look: subprocess.Popen[bytes], dice: random.Random) -> bool:
    """Cut the line at some moment of a look; whether anything was cut before it ended."""
    before = line.connections
    while look.poll() is None:
        if line.connections == before:
            time.sleep(0.01)
            continue
        time.sleep(dice.random() * CUT_WITHIN)
        if line.cut():
            return True
        before = line.connections
    return False


async def _as_it_happens(report: Report, gateway: Gateway, key: str, club: Club, asked: int) -> None:
    """The seconds from an event there to its change in a client's feed."""
    queue: asyncio.Queue[Event] = asyncio.Queue()
    listening = asyncio.create_task(listen(gateway, key, position(gateway, key), queue))
    try:
        slowest = dict.fromkeys(("message", "edit", "reaction", "deletion"), 0.0)
        for n in range(asked):
            sent: list[str] = []
            things: dict[str, tuple[Callable[[], object], str]] = {
                "message": (lambda: sent.append(club.bob.send(club.group, "now")), "created"),  # noqa: B023  called in this very turn
                "edit": (lambda: club.bob.edit(club.group, sent[0], f"now {n}"), "editedAt"),  # noqa: B023  called in this very turn
                "reaction": (lambda: club.cai.react(club.group, sent[0], "👍"), "reactions"),  # noqa: B023  called in this very turn
                "deletion": (lambda: club.bob.redact(club.group, sent[0]), "deletedAt"),  # noqa: B023  called in this very turn
            }
            for name, (act, wanted) in things.items():
                while not queue.empty():
                    queue.get_nowait()
                began = time.monotonic()
                await asyncio.to_thread(act)
                await _change(queue, wanted)
                slowest[name] = max(slowest[name], time.monotonic() - began)
                await asyncio.sleep(0.3)  # what else belongs to it
        for name, seconds in slowest.items():
            report.figures[f"{name} in changes, s, at most of {asked}"] = round(seconds, 2)
    finally:
        listening.cancel()


async def listen(gateway: Gateway, key: str, since: str, queue: asyncio.Queue[Event]) -> None:
    """Put every change after a position into a queue as it comes."""
    async for event in by_websocket(gateway, key, since):
        queue.put_nowait(event)


async def _change(queue: asyncio.Queue[Event], wanted: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not _is_message(event := await queue.get()) or not (
            event["created"] if wanted == "created" else wanted in _fields(event)
        ):
            pass


def _is_message(event: Event) -> bool:
    return event["__typename"] == "NodeUpserted" and event.get("nodeKind") == "MESSAGE"


def _fields(event: Event) -> list[str]:
    return event.get("changedFields") or []


# --- what leaves ------------------------------------------------------------------------------------------------------------


def _send(report: Report, gateway: Gateway, key: str, account_id: str, line: Line, club: Club, count: int) -> None:
    """Messages from Kith, some of them while the line is cut: there once, here once."""
    rooms = [edge["node"] for edge in ask(gateway, key, ROOMS)["data"]["viewer"]["conversations"]["edges"]]
    group = next(room["id"] for room in rooms if room["kind"] == "GROUP")
    for n in range(count):
        given = {"key": f"send-{n}", "account": account_id, "room": group, "text": f"from Kith {n}"}
        done: dict[str, Any] = ask(gateway, key, SEND, given)["data"]["sendMessage"]
        assert not done["errors"], done
        time.sleep(club.dice.random() * 0.2)
        if n % 2:
            line.cut()
    processes.wait_until("the last send", lambda: raw.count(gateway.home, UNSENT) == 0, PATIENCE)
    there = [str(e["content"].get("body")) for e in club.bob.timeline(club.group) if e["sender"] == club.ada.user_id]
    report.expect(
        "messages that Kith sent and the room has once", sum(there.count(f"from Kith {n}") == 1 for n in range(count)), count
    )


# --- what is there afterwards -----------------------------------------------------------------------------------------------


def _compare(report: Report, home: Path, club: Club) -> None:
    theirs, reactions = _there(club)
    ours: dict[str, str | None] = {}
    query = "select s.key, m.body, m.deleted_at from message_source s join message m on m.viewer_id = s.viewer_id and m.id = s.message_id"
    for key, body, deleted_at in raw.rows(home, query):
        said = zlib.decompress(body).decode() if isinstance(body, bytes) else ""
        ours[str(key)] = None if deleted_at is not None else said
    kept = {str(key) for (key,) in raw.rows(home, "select key from reaction")}
    alive = {key: text for key, text in theirs.items() if text is not None}
    shown = {key: text for key, text in ours.items() if text is not None}
    report.figures["messages that the server has"] = len(alive)
    report.expect("messages that Kith has", len(shown), len(alive))
    report.expect("messages that are missing, too many or say something else", len(alive.items() ^ shown.items()), 0)
    report.expect("deleted messages that say something", len({k for k, t in theirs.items() if t is None} & shown.keys()), 0)
    report.expect("reactions that differ", len(kept ^ reactions), 0)
    report.expect("messages that are there twice", raw.count(home, "select count(*) from message") - len(ours), 0)
    report.expect("jobs given up", raw.count(home, "select count(*) from job where dead_reason is not null"), 0)


def _there(club: Club) -> tuple[dict[str, str | None], set[str]]:
    """What another client reads: event id → text, None for what was taken back; and the reactions that stand."""
    texts: dict[str, str | None] = {}
    reactions: dict[str, str] = {}
    for room in (club.direct, club.group):
        for event in club.cai.timeline(room):
            content, key = event["content"], event["event_id"]
            if event["type"] == "m.reaction" and content:
                reactions[key] = content["m.relates_to"]["event_id"]
            elif event["type"] == "m.room.message" and content.get("m.relates_to", {}).get("rel_type") == "m.replace":
                texts[content["m.relates_to"]["event_id"]] = content["m.new_content"]["body"]
            elif event["type"] == "m.room.message":
                texts[key] = content.get("body")
    # an edit of what was taken back does not bring it back
    gone = {e["event_id"] for room in (club.direct, club.group) for e in club.cai.timeline(room) if not e["content"]}
    texts |= {key: None for key in gone if key in texts}
    return texts, {key for key, target in reactions.items() if texts.get(target) is not None}
