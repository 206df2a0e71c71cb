"""Documents made to cost far more than their senders pay: each is refused at once, while others are served.

The shapes are those that have brought GraphQL servers down: fragments that double at each level, aliases by the hundred, repeated
names that validation compares with each other, cycles, megabytes of nothing, nestings and directives without end.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.universe import ME, Universe
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.gateway_process import kith_serve


def documents() -> Iterator[tuple[str, str]]:
    """(what it is, document)."""
    for levels in (20, 200):
        doubling = " ".join(f"fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
        yield (
            f"fragments that double, {levels} levels",
            f"{{ viewer {{ ...F0 }} }} {doubling} fragment F{levels} on Viewer {{ name }}",
        )
    yield "450 × viewer{name}", "{ " + "viewer { name } " * 450 + "}"
    yield "20 × 20 nested repeats", "{ viewer { " + ("people { edges { node { " + "name " * 20 + "} } } ") * 20 + "} }"
    yield "20 × 20 × 20 nested repeats", "{ viewer { " + ("feed { " + ("head " * 20 + "oldest ") * 20 + "} ") * 20 + "} }"
    yield "300 aliases", "{ viewer { " + " ".join(f"a{n}: name" for n in range(300)) + " } }"
    yield "aliased pages", "{ viewer { " + " ".join(f"a{n}: people(first: 100) {{ totalCount }}" for n in range(31)) + " } }"
    yield "a fragment in itself", "{ viewer { ...A } } fragment A on Viewer { name ...A }"
    ring = " ".join(f"fragment C{n} on Viewer {{ name ...C{(n + 1) % 50} }}" for n in range(50))
    yield "a ring of 50 fragments", "{ viewer { ...C0 } } " + ring
    yield "5 MB comment", "#" + "x" * 5_000_000 + "\n{ viewer { name } }"
    yield "5 MB of spaces", "{ viewer { name } }" + " " * 5_000_000
    yield "900 kB comment", "#" + "x" * 900_000 + "\n{ viewer { name } }"
    yield "1,000 nestings", "{ viewer " + "{ viewer " * 1_000 + "{ name }" + " }" * 1_001
    yield (
        "1,000 nested lists in an argument",
        "{ viewer { people(filter: { accountIds: " + "[" * 1_000 + "]" * 1_000 + " }) { totalCount } } }",
    )
    yield "60,000 opening brackets", "{" * 60_000
    yield "7,000 directives with arguments", "{ viewer { name " + "@skip(if: false) " * 7_000 + "} }"
    yield "20,000 directives", "{ viewer { name " + "@a " * 20_000 + "} }"
    yield "10,000 fields", "{ viewer { " + "name " * 10_000 + "} }"
    yield (
        "pages of pages of pages",
        (
            "{ viewer { people(first: 100) { edges { node { conversations(first: 100) { edges { node { messages(first: 100) "
            "{ edges { node { text } } } } } } } } } } }"
        ),
    )
    kinds = "fields { type { " * 8 + "name" + " } }" * 8
    yield "introspection of itself", "{ __schema { types { " + kinds + " } } }"
    yield "500 operations", " ".join(f"query Q{n} {{ viewer {{ name }} }}" for n in range(500))
    yield "an unclosed string", '{ viewer { name(a: "' + "x" * 100_000
    yield "50 different unknown fields", "{ viewer { " + " ".join(f"nothing{n}" for n in range(50)) + " } }"


async def send_hostile_queries(home: Path, *, times: int, others: int) -> Report:
    """Each document `times` times, while `others` clients ask for a page ten times a second each. Figures are medians in ms."""
    written = Universe(40, 300).write(home.parent / f"{home.name}-files")
    report = Report()
    with kith_serve(home, KITH_RATE_COST="0") as gateway:
        gateway.kith("import", str(written.cards), str(written.mail), "--me", ME)
        key = gateway.token("owner", "read")
        served = Load(gateway, key, others, pause=0.1)
        served.start()
        await served.answered(others * 5)
        alone = served.quantile(0.5)
        served.seconds.clear()
        slowest = 0.0
        async with aiohttp.ClientSession() as session:
            for what, document in documents():
                took = []
                for _ in range(times):
                    milliseconds, status, answer = await _send(session, gateway.endpoint, key, document)
                    took.append(milliseconds)
                    report.hold(f"{what} was answered with {status} and {str(answer)[:200]}", _refused(status, answer))
                report.figures[what] = round(statistics.median(took), 1)
                slowest = max(slowest, statistics.median(took))
        await served.stop()
        report.figures["slowest median, ms"] = round(slowest, 1)
        report.figures |= {"others": others, "answers to others": served.answers}
        report.figures |= {"others' p50 alone, ms": alone, "others' p50 beside, ms": served.quantile(0.5)}
        report.figures["others' p99 beside, ms"] = served.quantile(0.99)
        report.broken += served.failed[:5]
        report.expect("failed answers to others", len(served.failed) + served.refused, 0)
    return report


async def _send(session: aiohttp.ClientSession, url: str, key: str, document: str) -> tuple[float, int, Any]:
    body = json.dumps({"query": document}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    try:
        async with session.post(url, data=body, headers=headers) as response:
            answer = await response.read()
            status = response.status
    except aiohttp.ClientError as error:
        # a body that is refused from its announced length alone may find the connection closed while it is sent
        return (time.perf_counter() - began) * 1000, 413, {"errors": [str(error)]}
    return (time.perf_counter() - began) * 1000, status, json.loads(answer)


def _refused(status: int, answer: Any) -> bool:
    """Nothing was executed, and why is said."""
    return status in (200, 400, 413) and not answer.get("data") and bool(answer.get("errors"))
