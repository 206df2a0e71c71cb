"""A made-up year (benchmarks/year.py) taken in and counted on both databases: who is close, how long answers took, from which messages."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import sqlalchemy as sa

from benchmarks.year import ME, MY_HANDLE, Friend, Year
from providers import records
from resolvers.relationship.reading import duration
from resolvers.relationship.tallying import tally
from store.database import Database
from store.tables import exchange
from tests import servers
from tests.asking import Clock, Desk, nodes, statements
from tests.chaos.report import Report
from tests.household import Household, card, open_postgresql, open_sqlite

SLICE: Final = 100
ASKED: Final = """
  name emails { address }
  relationship {
    score trend sentence inboundCount outboundCount lastInboundAt lastOutboundAt theirResponseTime ownResponseTime
    parts { factor value weight sentence }
  }"""
PAGE: Final = f"query ($first: Int) {{ viewer {{ people(first: $first) {{ edges {{ node {{ {ASKED} }} }} }} }} }}"
ONE: Final = f"""query ($email: EmailAddress) {{ person(by: {{email: $email}}) {{ {ASKED}
  relationship {{ answers(first: 100) {{ waited direction answer {{ internetMessageId }} question {{ internetMessageId }} }}
    parts {{ factor messages(first: 100) {{ internetMessageId }} }} }} }} }}"""


async def remember(
    home: Path, *, close: int, acquaintances: int, bulk: int, groups: int, days: int = 365, traced: int = 5
) -> Report:
    """A year of so many people, newsletters and the like; of `traced` close people every number is followed to its messages."""
    report = Report()
    year = Year(close, acquaintances, bulk, groups, days)
    report.figures["messages"] = len(year.mails) + len(year.chats)
    async with open_sqlite(home) as database:
        await look_back(report, "SQLite", database, year, traced)
    with servers.postgres() as cluster:
        async with open_postgresql(cluster) as database:
            await look_back(report, "PostgreSQL", database, year, traced)
    return report


async def look_back(report: Report, name: str, database: Database, year: Year, traced: int) -> None:
    """Take the year in, in any order, and compare what is said of people with what is true."""
    household = await Household.open(database)
    book = await household.account("vcard", "cards")
    await household.take(book, *(_card(friend) for friend in year.friends))
    accounts = {
        "mail": (await household.account("imap", ME, own=[ME]), year.mails),
        "chat": (await household.account("matrix", MY_HANDLE, own=[MY_HANDLE]), year.chats),
    }
    chance = random.Random(name)
    spent = 0.0
    for account_id, known in accounts.values():
        items = chance.sample(known, len(known))
        for n in range(0, len(items), SLICE):
            await household.take(account_id, *items[n : n + SLICE])
            began = time.process_time()
            if chance.random() < 0.1:
                await tally(database, household.viewer)
            spent += time.process_time() - began
    await household.resolve()
    began = time.process_time()
    await tally(database, household.viewer)
    report.figures[f"{name}: counted, processor s"] = round(spent + time.process_time() - began, 2)
    report.figures[f"{name}: rows of counts"] = await database.read(
        household.viewer, lambda conn, viewer: conn.execute(sa.select(sa.func.count()).select_from(exchange)).scalar_one()
    )
    desk = Desk(household, clock=Clock(year.end + timedelta(days=10)))
    everybody = nodes((await desk.ask(PAGE, first=200))["viewer"]["people"])
    by_email = {address["address"]: person for person in everybody for address in person["emails"]}
    friends = [friend for friend in year.friends if friend.close]
    least = min(by_email[friend.email]["relationship"]["score"] for friend in friends)
    names = {friend.name for friend in friends}
    others = [person for person in everybody if person["name"] not in names]
    report.figures[f"{name}: least score of the close"] = least
    most = max((person["relationship"]["score"] for person in others), default=0)
    report.figures[f"{name}: highest score of anybody else"] = most
    report.hold(f"{name}: the close come before everybody else ({least} and {most})", least > most)
    loud = [p for p in others if {e["address"] for e in p["emails"]} & {*year.strangers}]
    report.expect(
        f"{name}: the loudest of those who never were answered", max((p["relationship"]["score"] for p in loud), default=0), 0
    )
    wrong = [said for friend in year.friends for said in _differences(friend, by_email[friend.email]["relationship"])]
    report.expect(f"{name}: counts and response times that are not the planted ones", wrong, [])
    untrue = [said for friend in friends[:traced] for said in await _trace(desk, friend)]
    report.expect(f"{name}: numbers that do not lead to their messages", untrue, [])
    counts = [await _statements(desk, first) for first in (2, 50)]
    report.expect(f"{name}: statements of a page of 50 more than of a page of 2", counts[1] - counts[0], 0)
    report.figures[f"{name}: statements of a page"] = counts[1]


def _card(friend: Friend) -> records.Contact:
    handle = records.Handle(provider="matrix", handle=friend.handle, url=None)
    return card(f"card-{friend.email}", friend.name, friend.email, handles=(handle,))


async def _statements(desk: Desk, first: int) -> int:
    with statements() as seen:
        await desk.ask(PAGE, first=first)
    return len(seen)


def _differences(friend: Friend, said: Any) -> list[str]:
    wanted = {
        "inboundCount": len(friend.from_them),
        "outboundCount": len(friend.from_me),
        "theirResponseTime": _median(friend.their_answers),
        "ownResponseTime": _median(friend.my_answers),
    }
    return [f"{friend.name}: {name} {said[name]}, not {value}" for name, value in wanted.items() if said[name] != value]


def _median(waits: dict[tuple[str, str], int]) -> str | None:
    return duration(timedelta(seconds=median(waits.values()))) if waits else None


async def _trace(desk: Desk, friend: Friend) -> list[str]:
    """What of a friend does not lead to the messages that were planted."""
    said = (await desk.ask(ONE, email=friend.email))["person"]["relationship"]
    planted = friend.their_answers | friend.my_answers
    found = {(one["question"]["internetMessageId"], one["answer"]["internetMessageId"]): one for one in said["answers"]}
    wrong = [f"{friend.name}: {pair} is no answer" for pair in found.keys() - planted.keys()]
    wrong += [f"{friend.name}: {pair} took {planted[pair]} s" for pair, one in found.items() if pair in planted
              and one["waited"] != duration(timedelta(seconds=planted[pair]))]  # fmt: skip
    if len(found) != min(len(planted), 100):
        wrong.append(f"{friend.name}: {len(found)} answers of {len(planted)}")
    everything = {*friend.from_them, *friend.from_me}
    for part in said["parts"]:
        shown = [message["internetMessageId"] for message in part["messages"]]
        of = {"RESPONSE_TIME": {answer for _, answer in planted}, "INITIATIVE": {*friend.openings}}.get(
            part["factor"], everything
        )
        if not {*shown} <= of or len(shown) != min(len(of), 100):
            wrong.append(f"{friend.name}: {part['factor']} leads to {len(shown)} messages of {len(of)}")
    return wrong
