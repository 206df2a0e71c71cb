"""Archives of networks and phones as large as they come: bounded memory, a worker killed again and again, twice the same as once.

What an archive holds is known from its generator (`benchmarks/exports.py`), which shares nothing with the readers; what has been
taken in is counted by plain SQL. Most of a large archive are pictures, as in real ones: beside the chats in a zip, inside them in XML.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks import chat_exports, exports
from benchmarks.exports import Talk, World
from benchmarks.processes import rss_mib
from benchmarks.repository import repository
from benchmarks.universe import ME
from tests.chaos import processes, raw
from tests.chaos.clients import ask
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve

PATIENCE: Final = 3_600.0  # seconds for one archive
#: Where a conversation is who takes part in it.
BY_PEOPLE: Final = frozenset({"android_sms", "imessage", "mastodon"})
#: Where that holds for two people only.
BY_PAIR: Final = frozenset({"telegram", "x"})
EACH: Final = 8  # messages of a conversation, about
DONE: Final = "select done from import_run order by created_at desc, id desc limit 1"
TOTAL: Final = "select total from import_run order by created_at desc, id desc limit 1"
STATE: Final = "select state from import_run order by created_at desc, id desc limit 1"
CHANGED: Final = "select created + updated from import_run order by created_at desc, id desc limit 1"
FAILED: Final = "select failed from import_run order by created_at desc, id desc limit 1"
#: Containers in which items are neither stored nor left out with a reason.
SHORT: Final = """select count(*) from container where expected is null or expected != stored
  + coalesce((select sum(value) from json_each(container.skipped)), 0)"""


@dataclass(frozen=True)
class Form:
    """An archive that can be written: `write(world, folder, bytes)`, as large as asked for, with what `holds` says, messages in most.

    `mine_only`: what others wrote is not in it. `me`: what has to be said of whose it is.
    """

    provider: str
    write: Callable[[World, Path, int], Path]
    holds: Literal["message", "contact", "activity"] = "message"
    mine_only: bool = False
    me: tuple[str, ...] = ()

    def said(self, talk: Talk) -> int:
        """How many messages of a conversation are in it."""
        return sum(one.sender is None or not self.mine_only for one in talk.said())

    def world(self, items: int) -> World:
        """Those who have about so many items in such an archive."""
        if self.holds == "contact":
            return World(people=items, talks=0)
        # a chat of WhatsApp is a file of its own: fewer and longer ones
        each = EACH if self.provider != "whatsapp" else max(EACH, items // 40)
        return World(people=200, talks=max(5, items // each), messages=each)

    def held(self, world: World) -> tuple[int, int]:
        """How many items it has of what it holds, and how many conversations: by its generator alone."""
        if self.holds == "contact":
            return world.people, 0
        if self.holds == "activity":
            return _records(world), 0
        held = {talk: number for talk in world.conversations() if (number := self.said(talk))}
        # a phone knows one thread with the same people, most networks as many as were begun
        return sum(held.values()), len({talk.members if self._is_of_its_people(talk) else talk for talk in held})

    def _is_of_its_people(self, talk: Talk) -> bool:
        return self.provider in BY_PEOPLE or (self.provider in BY_PAIR and not talk.title)


def _zipped(write: Callable[[World, Path], Path]) -> Callable[[World, Path, int], Path]:
    return lambda world, folder, size: _with_media(write(world, folder / "export.zip"), size, "media/{:05}.jpg")


def _with_media(archive: Path, size: int, name: str) -> Path:
    """Fills a zip archive up to `size` bytes with pictures that no compression makes smaller."""
    picture = b"\xff\xd8\xff\xe0" + os.urandom(min(2_000_000, max(1, size // 4)))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as out:
        for number in range(100, 100 + max(0, size - archive.stat().st_size) // len(picture)):
            out.writestr(name.format(number), picture)
    return archive


def _sms(world: World, folder: Path, size: int) -> Path:
    """The backup of an Android phone, its pictures in base64 within the XML."""
    pictures = max(1, sum(talk.messages for talk in world.conversations() if talk.title) // 3)
    picture = b"\xff\xd8\xff\xe0" + os.urandom(max(600, size * 3 // 4 // pictures))
    return chat_exports.android_sms(world, folder / "sms-20240307.xml", picture=picture, others=False)


def _whatsapp(world: World, folder: Path, size: int) -> Path:
    """The chats of an iPhone, one archive each; the first one holds all the pictures."""
    first: Path | None = None
    for talk in world.conversations():
        path = chat_exports.whatsapp(world, talk, folder, chat_exports.PHONES[9])
        first = first or path
    assert first is not None
    _with_media(first, size, "{:08}-PHOTO-2022-03-07-08-00-00.jpg")
    return folder


def _telegram(world: World, folder: Path, size: int) -> Path:
    """All chats in one file, with bots' buttons below the messages: of all that can be in a message, what is longest."""
    buttons = size // max(1, _messages(world)) // 180
    return chat_exports.telegram(world, folder / "result.json", buttons=buttons)


def _imessage(world: World, folder: Path, size: int) -> Path:
    """A database whose messages hold what their links lead to."""
    return chat_exports.imessage(world, folder / "chat.db", preview=max(1, size // max(1, _messages(world))))


def _evernote(world: World, folder: Path, size: int) -> Path:
    """A notebook of business cards, each with its picture in base64."""
    picture = b"\xff\xd8\xff\xe0" + os.urandom(max(600, size * 3 // 4 // world.people))
    return chat_exports.evernote(world, folder / "Cards.enex", picture=picture)


def _car(world: World, folder: Path, size: int) -> Path:
    """A repository in which other programs keep much beside what was posted."""
    return repository(world, folder / "repo.car", records=_records(world), filling=size)


def _messages(world: World) -> int:
    return sum(talk.messages for talk in world.conversations())


def _records(world: World) -> int:
    return world.talks * world.messages


FORMS: Final = (
    Form("linkedin", _zipped(exports.linkedin)),
    Form("x", _zipped(exports.x_twitter)),
    Form("facebook", _zipped(exports.facebook)),
    Form("instagram", _zipped(exports.instagram)),
    Form("mastodon", _zipped(exports.mastodon), mine_only=True),
    Form("google_chat", _zipped(exports.google_chat)),
    Form("slack", _zipped(chat_exports.slack), me=("--me", ME)),
    Form("discord", _zipped(chat_exports.discord), mine_only=True),
    Form("telegram", _telegram),
    Form("imessage", _imessage),
    Form("android_sms", _sms),
    Form("whatsapp", _whatsapp),
    Form("evernote", _evernote, holds="contact"),
    Form("bluesky", _car, holds="activity"),
)


def take_in_large(
    home: Path, *, messages: int, size: int, kills: int, forms: tuple[Form, ...] = FORMS, within: float = 1.0
) -> Report:
    """Import an archive of each form with about `messages` items and `size` bytes, the worker killed `kills` times, and once more.

    All kills fall `within` this part of the import: the smaller it is, the surer somebody is at work then.
    """
    report = Report()
    for form in forms:
        world = form.world(messages)
        folder = home.parent / f"{home.name}-{form.provider}-files"
        folder.mkdir(parents=True)
        archive = form.write(world, folder, size)
        _take_in(report, home.parent / f"{home.name}-{form.provider}", form, archive, world, kills, within)
    return report


def _take_in(report: Report, home: Path, form: Form, archive: Path, world: World, kills: int, within: float) -> None:
    name = form.provider
    wanted, talks = form.held(world)
    files = [archive] if archive.is_file() else list(archive.iterdir())
    report.figures[f"{name}: MB, {form.holds} items"] = f"{round(sum(f.stat().st_size for f in files) / 1e6)}, {wanted}"
    with kith_serve(home, "--no-worker") as gateway:
        # in national notation numbers say nothing of their country
        ask(
            gateway,
            gateway.token("owner", "read", "write"),
            'mutation { updateViewer(input: { region: "GB" }) { viewer { region } } }',
        )
        began = time.monotonic()
        gateway.kith("import", str(archive), *form.me, "--no-wait")
        peak, hit = _worked_off(gateway, kills, within)
        report.figures[f"{name}: taken in after, s"] = round(time.monotonic() - began, 1)
        report.expect(f"{name}: workers killed at work", hit, kills)
        report.figures[f"{name}: worker RSS at most, MiB"] = round(peak)
        report.expect(f"{name}: {form.holds} items stored", raw.count(home, f"select count(*) from {form.holds}"), wanted)
        report.expect(f"{name}: conversations", raw.count(home, "select count(*) from conversation"), talks)
        report.expect(f"{name}: rows that failed", raw.count(home, FAILED), 0)
        report.expect(f"{name}: rows done of all", raw.count(home, DONE), raw.count(home, TOTAL))
        report.expect(f"{name}: files whose ledger does not agree", raw.count(home, SHORT), 0)
        twice = "select count(*) from (select 1 from feed where created group by viewer_id, node_id having count(*) > 1)"
        report.expect(f"{name}: nodes that the feed calls new twice", raw.count(home, twice), 0)
        gateway.kith("import", str(archive), *form.me, "--no-wait")
        _worked_off(gateway, 0, within)
        report.expect(f"{name}: the second time created or changed", raw.count(home, CHANGED), 0)
        report.expect(f"{name}: states", {str(s) for (s,) in raw.rows(home, "select state from import_run")}, {"DONE"})
        report.expect(
            f"{name}: {form.holds} items after the second time", raw.count(home, f"select count(*) from {form.holds}"), wanted
        )


def _worked_off(gateway: Gateway, kills: int, within: float) -> tuple[float, int]:
    """Has workers do all imports, each killed but the last; the most memory of any with its children, and how many were at work."""
    home, total = gateway.home, raw.count(gateway.home, TOTAL)
    peak, hit = 0.0, 0
    for n in range(kills + 1):
        wanted = int(within * total * (n + 1) / (kills + 2)) + 1 if n < kills else None
        worker = gateway.begin("worker")

        def reached(worker: subprocess.Popen[bytes] = worker, wanted: int | None = wanted) -> bool:
            nonlocal peak
            peak = max(peak, _memory(worker))
            return not raw.open_jobs(home, "import", "identity") if wanted is None else raw.count(home, DONE) >= wanted

        try:
            processes.wait_until(f"row {wanted or total} of the import", reached, PATIENCE)
            hit += wanted is not None and raw.rows(home, STATE) == [("RUNNING",)]
        finally:
            os.kill(worker.pid, signal.SIGTERM if wanted is None else signal.SIGKILL)
            worker.wait()
    return peak, hit


def _memory(worker: subprocess.Popen[bytes]) -> float:
    found = 0.0
    for pid in (worker.pid, *processes.children(worker.pid)):
        with contextlib.suppress(OSError):  # it has just ended
            found += rss_mib(pid)
    return found
