"""A full mailbox is searched: every kind of query, again and again, on both databases; and the same mail from two accounts is one mail.

    letters ──mbox──▶ kith import ──▶ index ◀── the same letters from a second account
                                        │
                     queries of every kind, timed as whole operations

What a query has to find is known from the letters themselves, not from the index. Operations run in this process, against the
database that real commands filled.
"""

from __future__ import annotations

import contextlib
import mailbox
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from benchmarks.mailbox import CHARSETS, Letter, Mailbox
from benchmarks.universe import ME, TOPICS, WORDS, Universe
from store.database import Database
from store.tables import message, message_source
from tests import servers
from tests.asking import Desk
from tests.chaos.report import Report
from tests.gateway_process import Gateway
from tests.household import Household

SEARCH: Final = """query($query: String!, $order: SearchOrder, $first: Int) { viewer { search(query: $query, orderBy: $order, first: $first) {
  interpretation { canonical } pageInfo { hasNextPage endCursor }
  edges { cursor score node { __typename ... on Person { id name } ... on Conversation { id subject }
    ... on Message { id snippet sentAt conversation { id subject } } ... on Attachment { id name message { id } } } } } } }"""
FOUND: Final = """query($query: String!) { viewer { search(query: $query, scopes: [MESSAGES], first: 200) { totalCount
  edges { node { ... on Message { subject } } } } } }"""
#: What somebody types → a text that has to be found, in a mail of its own.
SCRIPTS: Final = {
    "hauptstrasse": "Wir wohnen in der Hauptstraße neben der STRAẞE zum See", "lodz piekna": "Pozdrowienia z Łodzi: ŁÓDŹ jest piękna",
    "京都": "来月東京都庁で会いましょう", "مدرسه": "هذه مَدْرَسَة قديمة", "회의": "내일회의는열시입니다",
}  # fmt: skip
NEEDLE: Final = "quincunx"
#: Of 100,000 mails, how many have each of some words that are nowhere else, and how many such words there are.
SPREAD: Final = {1: 20, 10: 20, 100: 10, 1_000: 10, 10_000: 5, 50_000: 2}
LATELY_SILENT: Final = "vetusta"  # stands in every plain letter of the older two fifths, and in none since
PLAIN: Final = ("thread", "list", "notification")  # what a line can be added to
PLAIN_SHARE: Final = 0.75


@dataclass(frozen=True)
class Query:
    """One kind of query, and how it is made anew each time."""

    kind: str
    text: str


@dataclass(frozen=True)
class Spread:
    """Words by the number of mails that have them, each spread evenly over the years."""

    messages: int

    @property
    def plain(self) -> int:
        """How many letters can carry words, about."""
        return max(1, int(self.messages * PLAIN_SHARE))

    def words(self, mails: int) -> list[str]:
        """The words that about so many of 100,000 mails have."""
        return [f"{'abcdefgh'[len(str(mails))]}{mails}w{chr(97 + n)}" for n in range(SPREAD[mails])]

    def of(self, place: int) -> list[str]:
        """The words of the plain letter at this place, counted from the oldest."""
        found = [LATELY_SILENT] if place < self.plain * 2 // 5 else []
        for mails, count in SPREAD.items():
            times = max(1, mails * self.messages // 100_000)
            for n, word in enumerate(self.words(mails)):
                if (place + n * self.plain // count) * times % self.plain < times:
                    found.append(word)
        return found


async def search_a_full_mailbox(home: Path, *, messages: int, asked: int) -> Report:
    """Fill both databases with `messages` letters, ask `asked` queries of each kind, count what two accounts hold together."""
    report = Report()
    files = home.parent / f"{home.name}-files"
    files.mkdir(parents=True)
    held: Counter[str] = Counter()
    archive = _write(files / "archive.mbox", _letters(messages, held))
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(servers.postgres())
        for name, settings in (("SQLite", {}), ("PostgreSQL", {"KITH_DATABASE_URL": cluster.app_url})):
            gateway = Gateway(home / name.lower(), 1, dict(settings))
            gateway.home.mkdir(parents=True)
            owner = {"KITH_DATABASE_URL": cluster.owner_url} if settings else {}
            Gateway(gateway.home, 1, owner).kith("migrate")
            began = time.monotonic()
            _import(gateway, archive)
            report.figures[f"{name}: letters imported"] = messages
            report.figures[f"{name}: import, s"] = round(time.monotonic() - began, 1)
            url = settings.get("KITH_DATABASE_URL") or f"sqlite:///{gateway.home / 'kith.db'}"
            await _ask(report, name, url, messages, asked, held)
            await _count_twice(report, name, url, gateway, archive, messages)
    return report


def _import(gateway: Gateway, path: Path) -> None:
    """By the command itself, which takes as long as it takes."""
    command = gateway.begin("import", str(path), "--me", ME)
    if command.wait() != 0:
        raise RuntimeError(f"the import of {path.name} failed")


def _letters(messages: int, held: Counter[str] | None = None) -> Iterator[bytes]:
    """The letters of a mailbox, and among them one for each script and one needle in the oldest tenth; `held` counts the words."""
    spread, plain = Spread(messages), 0
    special = [*SCRIPTS.values(), f"There is one {NEEDLE} in the whole mailbox"]
    every = max(1, messages // 10 // len(special))
    letters = Mailbox(messages - len(special), folders=8).letters()
    for n, letter in enumerate(letters):
        if n % every == 0 and special:
            text = special.pop(0)
            yield _special(letter, text, len(special))
        if letter.kind not in PLAIN:
            yield letter.content
            continue
        words = spread.of(plain)
        plain += 1
        if held is not None:
            held.update(words)
        yield letter.content + "".join(f"\r\n{word}" for word in words).encode()


def _special(letter: Letter, text: str, n: int) -> bytes:
    head = (
        f"From: Greta Example <greta@example.net>\r\nTo: {ME}\r\nSubject: Special {n}\r\nDate: {format_datetime(letter.at)}\r\n"
        f"Message-ID: <special-{n}@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return (head + text + "\r\n").encode()


def _write(path: Path, letters: Iterator[bytes]) -> Path:
    box = mailbox.mbox(path)
    box.lock()
    for content in letters:
        box.add(content.replace(b"\r\n", b"\n"))
    box.flush()
    box.close()
    return path


def _queries(messages: int, asked: int) -> dict[str, list[str]]:
    """What is asked, by kind: frequent and rare words, phrases, people, operators, scripts, what there is not."""
    dice = random.Random(5)
    people, spread = Universe(800, 0, 11), Spread(messages)

    def some(make: Any) -> list[str]:
        return [make() for _ in range(asked)]

    def name() -> str:
        return people.person(dice.randrange(800)).family

    return {
        "frequent word": some(lambda: dice.choice(WORDS)),
        "two frequent words": some(lambda: f"{dice.choice(WORDS)} {dice.choice(WORDS)}"),
        "word, unfinished": some(lambda: dice.choice(TOPICS)[:3].lower()),
        "rare words": some(lambda: f"{dice.choice(TOPICS)} {dice.randrange(messages)}"),
        "one needle": some(lambda: NEEDLE),
        "phrase": some(lambda: f'"{dice.choice(WORDS)} {dice.choice(WORDS)}"'),
        "person": some(name),
        "from: and a word": some(lambda: f"from:{name()} {dice.choice(WORDS)}"),
        "with: and days": some(lambda: f"with:{name()} after:2019-03 before:2025"),
        "subject: and states": some(lambda: f"subject:{dice.choice(TOPICS)} has:attachment"),
        "in: and a negation": some(lambda: f"in:archive.mbox {dice.choice(WORDS)} -from:{name()}"),
        **{f"a word of {mails:,} mails": some(partial(dice.choice, spread.words(mails))) for mails in SPREAD},
        "a word of old": some(lambda: LATELY_SILENT),
        "old and new": some(lambda: f"{LATELY_SILENT} {dice.choice(spread.words(10_000))}"),
        "scripts": some(lambda: dice.choice(list(SCRIPTS))),
        "charsets": some(lambda: dice.choice(CHARSETS)[1].split()[-1]),
        "nothing": some(lambda: f"{dice.choice(WORDS)} zzyzx{dice.randrange(99)}"),
    }


async def _ask(report: Report, name: str, url: str, messages: int, asked: int, held: Counter[str]) -> None:
    database = Database(url)
    try:
        viewer = await _viewer(database)
        desk = Desk(Household(database, viewer))
        for typed in SCRIPTS:
            data = (await desk.ask(FOUND, query=typed))["viewer"]["search"]
            there = [edge["node"]["subject"] for edge in data["edges"]]
            report.hold(f"{name}: {typed} finds its mail", any(s and s.startswith("Special") for s in there))
        for word in (*(Spread(messages).words(mails)[0] for mails in SPREAD), LATELY_SILENT):
            data = (await desk.ask(FOUND, query=f'"{word}"'))["viewer"]["search"]
            report.expect(f"{name}: mails that have {word}", data["totalCount"], held[word])
        every: list[float] = []
        for kind, queries in _queries(messages, asked).items():
            taken: list[float] = []
            for n, query in enumerate(queries):
                began = time.perf_counter()
                await desk.ask(SEARCH, query=query, order="RECENCY" if n % 3 == 0 else "RELEVANCE", first=25)
                taken.append((time.perf_counter() - began) * 1_000)
            every += taken
            report.figures[f"{name}: {kind}, ms p50 / p95"] = f"{_share(taken, 50):.1f} / {_share(taken, 95):.1f}"
        report.figures[f"{name}: all kinds, ms p50"] = round(_share(every, 50), 1)
        report.figures[f"{name}: all kinds, ms p95"] = round(_share(every, 95), 1)
    finally:
        await database.close()


async def _count_twice(report: Report, name: str, url: str, gateway: Gateway, archive: Path, messages: int) -> None:
    """The same letters from a second account: each message is there once, at two places."""
    folder = archive.parent / f"{name.lower()}-maildir"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for n, content in enumerate(_letters(messages)):
        (folder / "cur" / f"{n}.M1.host:2,S").write_bytes(content)
    _import(gateway, folder)
    database = Database(url)
    try:
        viewer = await _viewer(database)

        def counts(conn: sa.Connection, viewer: str) -> tuple[int, int, int]:
            def count(table: sa.Table, what: Any) -> int:
                return int(conn.execute(sa.select(what).where(table.c.viewer_id == viewer)).scalar_one())

            accounts = sa.func.count(message_source.c.account_id.distinct())
            return (
                count(message, sa.func.count()), count(message_source, sa.func.count()), count(message_source, accounts)
            )  # fmt: skip

        stored, places, accounts = await database.read(viewer, counts)
        report.expect(f"{name}: messages, from two accounts", stored, messages)
        report.expect(f"{name}: places of messages", places, 2 * messages)
        report.expect(f"{name}: accounts that hold them", accounts, 2)
        data = (await Desk(Household(database, viewer)).ask(FOUND, query="subject:special"))["viewer"]["search"]
        report.expect(f"{name}: special letters found", data["totalCount"], len(SCRIPTS) + 1)
    finally:
        await database.close()


async def _viewer(database: Database) -> str:
    def owner(conn: sa.Connection) -> str:
        return str(conn.execute(sa.text("select id from viewer where owner")).scalar_one())

    return await database.system_read(owner)


def _share(taken: Sequence[float], percent: int) -> float:
    """A percentile; of few values the largest."""
    return statistics.quantiles(taken, n=100, method="inclusive")[percent - 1] if len(taken) > 1 else taken[0]
