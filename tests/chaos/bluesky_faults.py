"""A day at Bluesky through a line that is cut again and again, and what arrives and leaves while it stands.

A real PDS keeps posts and follows, which somebody writes with another client; chat, profiles and followers are answered by a stub that is held to
the official lexicons (tests/providers/bluesky_stub.py). Moments are drawn from a seed. Afterwards Kith's own rows are compared with what
the PDS and the stub have.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import atproto_servers
from tests.chaos import processes, raw
from tests.chaos.chat_faults import SEND, UNSENT, WATCHED, follow, linked, listen
from tests.chaos.clients import Event, ask, position
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE
from tests.providers.bluesky_stub import Bluesky, Convo
from tests.providers.stub_http import running, served
from tests.tcp_proxy import tcp_proxy

RECENT: Final = 50  # posts of which one is deleted: of older ones Kith does not notice it
BURST: Final = 6  # posts between two looks; a message and a follow for each
POST, FOLLOW = "app.bsky.feed.post", "app.bsky.graph.follow"
BEGIN: Final = (
    """mutation { beginLink(input: { provider: "bluesky", method: APP_PASSWORD }) { link { id } errors { message } } }"""
)
CONVERSATIONS: Final = "{ viewer { conversations(first: 9) { edges { node { id } } } } }"


@dataclass
class Life:
    """Ada, whose account it is, and Bob, who writes to her. `posts` are keys of those that stand."""

    network: Bluesky
    bob: str
    convo: Convo
    dice: random.Random
    posts: list[str] = field(default_factory=list)
    people: int = 100

    def go_on(self, count: int, name: str) -> None:
        """So many posts, messages and follows, and a little of everything else."""
        user, network = self.network.user, self.network
        for n in range(count):
            self.posts.append(user.post(f"{name}.{n}"))
            network.say(self.convo, self.dice.choice((self.bob, user.did)), f"{name}.{n}")
            self.people += 1
            user.follow(network.person(self.people))
        user.delete(POST, self.posts.pop(-self.dice.randint(1, min(RECENT, len(self.posts)))))
        user.delete(FOLLOW, self.dice.choice(sorted(user.records(FOLLOW))))
        shown = [one for one in self.convo.messages if "text" in one]
        network.react(self.convo, self.dice.choice(shown), self.dice.choice("👍🎉👋"), self.bob)
        network.unsay(self.convo, self.dice.choice(shown))


async def live_through_cuts(home: Path, *, messages: int, cuts: int, asked: int, quiet: float = 0.0, seed: int = 5) -> Report:
    """So many posts and messages before the account is linked, so many cuts while it follows, so many timed and sent in the end.

    `quiet`: so many seconds in which nothing happens come before one more message, and again before one more post.
    """
    report = Report()
    with atproto_servers.pds() as server:
        network = Bluesky(server.new_user())
        network.page, network.beyond = 50, server.url
        network.people[network.user.did] = {"did": network.user.did, "handle": network.user.handle, "displayName": "Ada"}
        bob = network.person(1)
        with served(running(network)), tcp_proxy(int(network.url.rpartition(":")[2])) as line:
            life = Life(network, bob, network.convo(bob), random.Random(seed))
            life.go_on(messages, "before")
            settings = {"KITH_ALLOW_PRIVATE_HOSTS": f"127.0.0.1/32:{line.port}", "KITH_RATE_COST": "0"}
            with kith_serve(home, "--no-worker", **settings) as gateway:
                key = gateway.token("owner", "read", "write", "send", "admin")
                password = network.user.app_password("kith", privileged=True)
                given = {"username": network.user.handle, "password": password, "server": f"http://127.0.0.1:{line.port}"}
                account_id = linked(gateway, key, BEGIN, given)
                follow(report, gateway, line, cuts, life.dice, lambda name: life.go_on(BURST, name))
                worker = gateway.begin("worker")
                try:
                    await asyncio.to_thread(processes.wait_until, "the watch", lambda: raw.count(home, WATCHED) == 1, PATIENCE)
                    await _as_it_happens(report, gateway, key, life, asked, quiet)
                    await asyncio.to_thread(_send, report, gateway, key, account_id, life, asked)
                finally:
                    worker.terminate()
                    worker.wait()
                gateway.kith("sync")
                _compare(report, home, life)
        report.hold(f"every request was as the lexicons have it: {network.violations[:3]}", not network.violations)
    return report


async def _as_it_happens(report: Report, gateway: Gateway, key: str, life: Life, asked: int, quiet: float) -> None:
    """The seconds from what is done there to its change in a client's feed, while something goes on and after a quiet time."""
    queue: asyncio.Queue[Event] = asyncio.Queue()
    listening = asyncio.create_task(listen(gateway, key, position(gateway, key), queue))
    network, user = life.network, life.network.user
    try:
        await _timed(queue, lambda: network.say(life.convo, life.bob, "wake up"), "MESSAGE", "created")
        slowest = dict.fromkeys(("message", "reaction", "deletion", "post", "follow"), 0.0)
        for n in range(asked):
            said: list[dict[str, Any]] = []
            things: dict[str, tuple[Callable[[], object], str, str]] = {
                "message": (lambda: said.append(network.say(life.convo, life.bob, f"now {n}")), "MESSAGE", "created"),  # noqa: B023  called in this very turn
                "reaction": (lambda: network.react(life.convo, said[0], "👍", life.bob), "MESSAGE", "reactions"),  # noqa: B023  called in this very turn
                "deletion": (lambda: network.unsay(life.convo, said[0]), "MESSAGE", "deleted"),  # noqa: B023  called in this very turn
                "post": (lambda: life.posts.append(user.post(f"now {n}")), "ACTIVITY", "created"),  # noqa: B023  called in this very turn
                "follow": (lambda: user.follow(network.person(900 + n)), "CONTACT", "created"),  # noqa: B023  called in this very turn
            }
            for name, (act, kind, wanted) in things.items():
                slowest[name] = max(slowest[name], await _timed(queue, act, kind, wanted))
                await asyncio.sleep(0.3)  # what else belongs to it
        if quiet:
            await asyncio.sleep(quiet)
            slowest["message after a quiet time"] = await _timed(
                queue, lambda: network.say(life.convo, life.bob, "after long"), "MESSAGE", "created"
            )
            await asyncio.sleep(quiet)
            slowest["post after a quiet time"] = await _timed(
                queue, lambda: life.posts.append(user.post("after long")), "ACTIVITY", "created"
            )
        for name, seconds in slowest.items():
            report.figures[f"{name} in changes, s, at most of {asked}"] = round(seconds, 2)
    finally:
        listening.cancel()


async def _timed(queue: asyncio.Queue[Event], act: Callable[[], object], kind: str, wanted: str) -> float:
    while not queue.empty():
        queue.get_nowait()
    began = time.monotonic()
    await asyncio.to_thread(act)
    async with asyncio.timeout(PATIENCE):
        while not _is(await queue.get(), kind, wanted):
            pass
    return time.monotonic() - began


def _is(event: Event, kind: str, wanted: str) -> bool:
    if event.get("nodeKind") != kind:
        return False
    if event["__typename"] == "NodeDeleted":
        return wanted == "deleted"
    return bool(event["created"]) if wanted == "created" else wanted in (event.get("changedFields") or [])


def _send(report: Report, gateway: Gateway, key: str, account_id: str, life: Life, count: int) -> None:
    """Messages from Kith: there once, here once."""
    (room,) = [edge["node"]["id"] for edge in ask(gateway, key, CONVERSATIONS)["data"]["viewer"]["conversations"]["edges"]]
    for n in range(count):
        given = {"key": f"send-{n}", "account": account_id, "room": room, "text": f"from Kith {n}"}
        done: dict[str, Any] = ask(gateway, key, SEND, given)["data"]["sendMessage"]
        assert not done["errors"], done
    processes.wait_until("the last send", lambda: raw.count(gateway.home, UNSENT) == 0, PATIENCE)
    there = [one.get("text") for one in life.convo.messages if one["sender"]["did"] == life.network.user.did]
    report.expect(
        "messages that Kith sent and the chat has once", sum(there.count(f"from Kith {n}") == 1 for n in range(count)), count
    )


# --- what is there afterwards -----------------------------------------------------------------------------------------------


def _compare(report: Report, home: Path, life: Life) -> None:
    user = life.network.user
    theirs = {one["id"]: one["text"] for one in life.convo.messages if "text" in one}
    ours: dict[str, str] = {}
    query = "select s.key, m.body from message_source s join message m on m.viewer_id = s.viewer_id and m.id = s.message_id"
    for key, body in raw.rows(home, query):
        ours[str(key)] = zlib.decompress(body).decode() if isinstance(body, bytes) else ""
    report.figures["messages that the chat has"] = len(theirs)
    report.expect("messages that are missing, too many or say something else", len(theirs.items() ^ ours.items()), 0)
    report.expect("messages that are there twice", raw.count(home, "select count(*) from message") - len(ours), 0)
    posts = set(user.records(POST))
    stored = {str(key).rpartition("/")[2] for (key,) in raw.rows(home, "select key from activity where container = 'posts'")}
    report.figures["posts that the server has"] = len(posts)
    report.expect("posts that are missing or too many", len(posts ^ stored), 0)
    followed = {record["subject"] for record in user.records(FOLLOW).values()}
    people = "select key from contact where relation in ('FOLLOWING', 'CONNECTION')"
    report.figures["people followed"] = len(followed)
    report.expect("people that are missing or too many", len(followed ^ {str(key) for (key,) in raw.rows(home, people)}), 0)
    report.expect("jobs given up", raw.count(home, "select count(*) from job where dead_reason is not null"), 0)
