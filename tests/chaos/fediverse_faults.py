"""A day on a Mastodon-compatible server through a line that is cut again and again, and what arrives and leaves while it stands.

Others post, write directly, edit, mark as favourites and delete with clients of their own, more between two looks than a page shows.
Moments are drawn from a seed. Afterwards Kith's own rows are compared with what the server has of each post.
"""

from __future__ import annotations

import asyncio
import random
import time
import urllib.error
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from providers.mastodon.entity import post_text
from providers.mastodon.sending import SURE
from providers.mastodon.streaming import BURST, EVERY
from tests import servers
from tests.chaos import processes, raw
from tests.chaos.chat_faults import SEND, UNSENT, WATCHED, follow, listen
from tests.chaos.clients import Event, ask, position
from tests.chaos.linking import link_mastodon
from tests.chaos.report import Report
from tests.fediverse import Person
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE
from tests.tcp_proxy import Line, tcp_proxy

#: Something that is done there, and how its change is known here.
Thing = tuple[Callable[[], object], Callable[[Event], bool]]
POSTS: Final = 45  # between two looks: a page of the home timeline has 40
HINTS: Final = BURST - 2  # things in a row that are told at once: opening the lines has taken hints too
SAID: Final = 6  # direct posts between two looks
ROOMS: Final = "{ viewer { conversations(first: 9) { edges { node { id kind } } } } }"


@dataclass
class Town:
    """Ada, whose account it is, whom she follows, and those who write to her."""

    ada: Person
    bob: Person
    cai: Person
    dice: random.Random
    posts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asides: list[str] = field(default_factory=list)
    mine: str = ""

    def write(self, posts: int, said: int, name: str) -> None:
        """So many posts and direct posts, and a little of everything else, among the latest of them."""
        for n in range(posts):
            self.posts.append(self.bob.posts(f"{name}.{n}")["id"])
        for n in range(said):
            self.say(f"{name} aside {n}")
        self.mine = self.ada.posts(f"@{self.bob.name} so be it, {name}", visibility="direct", in_reply_to_id=self.said[-1])["id"]
        self.said.append(self.mine)
        self.cai.does("POST", f"statuses/{self.mine}/favourite")
        for latest, mention in ((self.posts[-10:], ""), (self.asides[-6:], f"@{self.ada.name} ")):
            first, second = self.dice.sample(latest, 2)
            self.bob.does("PUT", f"statuses/{first}", status=f"{mention}mended at {name}")
            self.bob.does("DELETE", f"statuses/{second}")

    def say(self, text: str) -> None:
        """One direct post from Bob to Ada, below the latest one."""
        below = {"in_reply_to_id": self.said[-1]} if self.said else {}
        self.asides.append(self.bob.posts(f"@{self.ada.name} {text}", visibility="direct", **below)["id"])
        self.said.append(self.asides[-1])


async def live_through_cuts(home: Path, *, posts: int, cuts: int, asked: int, seed: int = 5) -> Report:
    """So many posts before the account is linked, so many cuts while it follows, so many timed and sent in the end."""
    report = Report()
    with servers.mastodon() as server, tcp_proxy(server.server.port) as line:
        ada, bob, cai = (Person(server, name) for name in ("ada", "bob", "cai"))
        ada.follows(bob)
        town = Town(ada, bob, cai, random.Random(seed))
        town.write(posts, SAID, "before")
        settings = {"KITH_ALLOW_PRIVATE_HOSTS": f"127.0.0.1/32:{line.port}", "KITH_RATE_COST": "0"}
        with kith_serve(home, "--no-worker", **settings) as gateway:
            key = gateway.token("owner", "read", "write", "send", "admin")
            near = replace(server, url=f"http://127.0.0.1:{line.port}")
            account_id = link_mastodon(gateway, key, near, token=ada.token, mode="MIRRORED")
            rounds = follow(report, gateway, line, cuts, town.dice, lambda name: town.write(POSTS, SAID, name))
            report.figures["rounds in which more was posted than a page shows"] = rounds
            worker = gateway.begin("worker")
            try:
                await asyncio.to_thread(processes.wait_until, "the watch", lambda: raw.count(home, WATCHED) == 1, PATIENCE)
                await _as_it_happens(report, gateway, key, town, asked)
                await asyncio.to_thread(_send, report, gateway, key, account_id, line, town, asked)
            finally:
                worker.terminate()
                worker.wait()
            gateway.kith("sync")
            _compare(report, home, town)
    return report


async def _as_it_happens(report: Report, gateway: Gateway, key: str, town: Town, asked: int) -> None:
    """The seconds from an act there to its change in a client's feed, no more often than the server can be looked at."""
    own = [town.ada.posts(f"@{town.bob.name} mine {n}", visibility="direct", in_reply_to_id=town.said[-1]) for n in range(asked)]
    mine = [post["id"] for post in own]
    town.said += mine
    uris = {post["uri"] for post in own}
    # what comes late would be taken for what is done next
    await asyncio.to_thread(processes.wait_until, "what was just written", lambda: _known(gateway.home) >= uris, PATIENCE)
    doomed = [post for post in town.posts[-15:] if _status(town.bob, post) is not None]

    def message(n: int) -> Thing:
        return lambda: town.say(f"now {n}"), _is_new_message

    def edit(n: int) -> Thing:
        text = f"@{town.ada.name} now, mended {n}"
        return lambda: town.bob.does("PUT", f"statuses/{town.asides[-1]}", status=text), _says("editedAt")

    def favourite(n: int) -> Thing:
        return lambda: town.bob.does("POST", f"statuses/{mine[n]}/favourite"), _says("reactions")

    def deletion(n: int) -> Thing:
        return lambda: town.bob.does("DELETE", f"statuses/{doomed.pop()}"), _is_gone

    things = {"message": message, "edit": edit, "favourite": favourite, "deletion": deletion}
    queue: asyncio.Queue[Event] = asyncio.Queue()
    listening = asyncio.create_task(listen(gateway, key, position(gateway, key), queue))
    try:
        slowest = dict.fromkeys(things, 0.0)
        done = 0
        for n in range(asked):
            for name, make in things.items():
                slowest[name] = max(slowest[name], await _timed(queue, *make(n)))
                done += 1
                await asyncio.sleep(EVERY if done >= HINTS else 0.3)  # what else belongs to it
        for name, seconds in slowest.items():
            report.figures[f"{name} in changes, s, at most of {asked}"] = round(seconds, 2)
    finally:
        listening.cancel()


def _known(home: Path) -> set[str]:
    return {str(key) for (key,) in raw.rows(home, "select key from message_source")}


async def _timed(queue: asyncio.Queue[Event], act: Callable[[], object], is_it: Callable[[Event], bool]) -> float:
    while not queue.empty():
        queue.get_nowait()
    began = time.monotonic()
    await asyncio.to_thread(act)
    async with asyncio.timeout(PATIENCE):
        while not is_it(await queue.get()):
            pass
    return time.monotonic() - began


def _is_new_message(event: Event) -> bool:
    return _is_message(event) and bool(event["created"])


def _says(field: str) -> Callable[[Event], bool]:
    """Whether a message is told whose field is another."""
    return lambda event: _is_message(event) and field in (event.get("changedFields") or [])


def _is_message(event: Event) -> bool:
    return event["__typename"] == "NodeUpserted" and event.get("nodeKind") == "MESSAGE"


def _is_gone(event: Event) -> bool:
    return event["__typename"] == "NodeDeleted" and event.get("nodeKind") == "ACTIVITY"


def _send(report: Report, gateway: Gateway, key: str, account_id: str, line: Line, town: Town, count: int) -> None:
    rooms = [edge["node"] for edge in ask(gateway, key, ROOMS)["data"]["viewer"]["conversations"]["edges"]]

    def there() -> list[str]:
        path = f"/api/v1/accounts/{town.ada.id}/statuses?limit=40"
        found = town.ada.server.get(path, town.ada.token)
        town.said.extend(post["id"] for post in found if "from Kith" in post["content"])
        return [post_text(post["content"]).partition(" ")[2] for post in found if post["visibility"] == "direct"]

    for n in range(count):
        given = {"key": f"send-{n}", "account": account_id, "room": rooms[0]["id"], "text": f"from Kith {n}"}
        done: dict[str, Any] = ask(gateway, key, SEND, given)["data"]["sendMessage"]
        assert not done["errors"], done
        time.sleep(town.dice.random() * 0.2)
        if n % 2:
            line.cut()
    # one that was cut before the server had it is sent again when it is sure that it will not show any more
    processes.wait_until("the last send", lambda: raw.count(gateway.home, UNSENT) == 0, 2 * SURE)
    said = there()
    report.expect(
        "messages that Kith sent and the server has once", sum(said.count(f"from Kith {n}") == 1 for n in range(count)), count
    )


# --- what is there afterwards -----------------------------------------------------------------------------------------------


def _compare(report: Report, home: Path, town: Town) -> None:
    theirs = {post["uri"]: post_text(post["content"]) for one in town.said if (post := _status(town.ada, one)) is not None}
    ours = {
        str(key): zlib.decompress(body).decode() if isinstance(body, bytes) else ""
        for key, body in raw.rows(
            home,
            "select s.key, m.body from message_source s join message m on m.viewer_id = s.viewer_id and m.id = s.message_id",
        )
    }
    report.figures["direct posts that the server has"] = len(theirs)
    report.expect("direct posts that Kith has", len(ours), len(theirs))
    report.expect("direct posts that are missing, too many or say something else", len(theirs.items() ^ ours.items()), 0)
    report.expect("direct posts that are there twice", raw.count(home, "select count(*) from message") - len(ours), 0)
    report.expect("conversations", raw.count(home, "select count(*) from conversation"), 1)
    posted = {post["uri"] for one in town.posts if (post := _status(town.ada, one)) is not None}
    kept = {str(key) for (key,) in raw.rows(home, "select key from activity where verb = 'CREATE'")}
    report.figures["posts that the server has"] = len(posted)
    report.expect("posts that are missing or too many", len(posted ^ kept), 0)
    fans = sum(len(_fans(town.ada, one)) for one in town.said)
    report.expect("favourites of direct posts", raw.count(home, "select count(*) from reaction"), fans)
    report.expect("jobs given up", raw.count(home, "select count(*) from job where dead_reason is not null"), 0)


def _status(who: Person, post: str) -> Any:
    """A post as another client sees it; None when it is gone."""
    try:
        return who.does("GET", f"statuses/{post}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def _fans(who: Person, post: str) -> list[Any]:
    found = _status(who, post)
    return list(who.does("GET", f"statuses/{post}/favourited_by")) if found is not None and found["favourites_count"] else []
