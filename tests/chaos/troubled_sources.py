"""Five linked servers, of which one hangs, one answers 500 and one 429: the page arrives by its deadline with the others' data.

Every server is a real process of its own with its own people. Trouble with a source is data (`sources`), never a failed query.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests import servers
from tests.chaos.clients import ask
from tests.chaos.linking import link_mastodon
from tests.chaos.report import Report
from tests.gateway_process import kith_serve

DEADLINE = 1.5  # seconds
TROUBLE: tuple[dict[str, Any] | None, ...] = (
    {"type": "latency", "delay_ms": 20_000},
    {"type": "status", "status": 500},
    {"type": "ratelimit"},
    None,
    None,
)
STATES = ({"TIMED_OUT"}, {"UNAVAILABLE"}, {"RATE_LIMITED"}, {"FRESH"}, {"FRESH"})
PAGE = """query Page($deadline: Int!) { viewer { conversations(first: 50, freshness: { maxAgeSeconds: 0, deadlineMs: $deadline }) {
  complete sources { account { id label } state message retryAt servedFrom }
  edges { node { id subject accounts { id } lastMessage { snippet } } } } } }"""


def ask_beside_trouble(home: Path, *, asked: int, deadline: float = DEADLINE) -> Report:
    """Ask `asked` times for a page within `deadline` seconds; figures are how long the page took and what each source was said to be."""
    report = Report()
    with ExitStack() as stack:
        mastodons = [stack.enter_context(servers.mastodon()) for _ in TROUBLE]
        places = ",".join(f"127.0.0.1/32:{urlsplit(m.url).port}" for m in mastodons)
        gateway = stack.enter_context(kith_serve(home, KITH_ALLOW_PRIVATE_HOSTS=places, KITH_RATE_COST="0"))
        key = gateway.token("owner", "read", "write", "admin")
        for n, mastodon in enumerate(mastodons):
            talk(mastodon, n)
            link_mastodon(gateway, key, mastodon)
        for mastodon, effect in zip(mastodons, TROUBLE, strict=True):
            if effect is not None:
                mastodon.fault(effect, path="/api/*")
        took = []
        for _ in range(asked):
            began = time.monotonic()
            answer = ask(gateway, key, PAGE, {"deadline": int(deadline * 1000)})
            took.append(time.monotonic() - began)
            _judge(report, answer["data"]["viewer"]["conversations"], mastodons)
        report.figures |= {"asked": asked, "deadline, s": deadline, "median, s": round(statistics.median(took), 2)}
        report.figures["slowest, s"] = round(max(took), 2)
    return report


def talk(mastodon: servers.Mastodon, number: int) -> None:
    """One direct conversation on a server, told apart by its number."""
    tokens = mastodon.tokens()
    other = next((token for name, token in tokens.items() if name != mastodon.username), None)
    if other is None:
        mastodon.sample("small")
        tokens = mastodon.tokens()
        other = next(token for name, token in tokens.items() if name != mastodon.username)
    mastodon.post(
        "/api/v1/statuses", {"status": f"@{mastodon.username} hello from {number}", "visibility": "direct"}, token=other
    )


def _judge(report: Report, page: dict[str, Any], mastodons: list[servers.Mastodon]) -> None:
    by_port = {str(urlsplit(m.url).port): n for n, m in enumerate(mastodons)}
    accounts = {}
    states: dict[int, str] = {}
    for source in page["sources"]:
        number = next((n for port, n in by_port.items() if port in source["account"]["label"]), None)
        if number is not None:
            accounts[source["account"]["id"]] = number
            states[number] = source["state"]
    for number, allowed in enumerate(STATES):
        report.figures[f"source {number + 1}, {TROUBLE[number] or 'well'}"] = states.get(number)
        report.hold(f"source {number + 1} is said to be {states.get(number)}, not {allowed}", states.get(number) in allowed)
    shown = {accounts.get(account["id"]) for edge in page["edges"] for account in edge["node"]["accounts"]}
    report.hold(f"the well sources' data is there: {shown}", {3, 4} <= shown)
    report.hold("a page with troubled sources is not called complete", not page["complete"])
