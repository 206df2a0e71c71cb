"""A Kith that reads another Kith's contacts by PortableContacts, both real processes: the same contacts, and then the same changes and deletions.

    vCards, LDIF ──import──▶ first Kith ──/portablecontacts──▶ account of the second Kith ──/portablecontacts──▶ compared, entry for entry

What is compared are the draft's own entries as both serve them, without what is each one's own (ids and moments). The second runs on either
database. It is linked from the first one's bare address, so that its endpoint has to be found.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks import address_book
from tests import servers
from tests.chaos.clients import ask
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

OWN: Final = ("id", "published", "updated")
PAGE: Final = 500
NUMBERS: Final = 1_000
UNLINK: Final = "mutation Unlink($id: ID!) { unlinkAccount(input: { accountId: $id }) { errors { message } } }"


def share(home: Path, *, contacts: int, changed: int) -> Report:
    """So many contacts, a tenth of which go again with their account; so many others change."""
    report = Report()
    # the book has a thousand mobile numbers: shared, they would make one person of several
    cards = [card if card.number < NUMBERS else replace(card, mobile="") for card in address_book.people(contacts)]
    leaving = contacts // 10
    files = home.parent / f"{home.name}-files"
    files.mkdir(parents=True)
    going = address_book.write(cards[:leaving], "ldif", files / "going.ldif")
    staying = address_book.write(cards[leaving:], "vcard4", files / "staying.vcf")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(kith_serve(home / "first", KITH_RATE_COST="0"))
        first.kith("import", str(going), str(staying))
        key = first.token("owner", "read", "write", "admin")
        cluster = stack.enter_context(servers.postgres())
        place = {"KITH_ALLOW_PRIVATE_HOSTS": f"127.0.0.1/32:{first.port}", "KITH_RATE_COST": "0"}
        seconds = {
            "SQLite": stack.enter_context(kith_serve(home / "sqlite", "--no-worker", **place)),
            "PostgreSQL": stack.enter_context(
                kith_serve(
                    home / "postgresql", "--no-worker", owner_url=cluster.owner_url, KITH_DATABASE_URL=cluster.app_url, **place
                )
            ),
        }
        report.figures["people of the first"] = len(_entries(first, key))
        keys = {name: second.token("owner", "read") for name, second in seconds.items()}
        for name, second in seconds.items():
            began = time.monotonic()
            second.kith("link", "portable_contacts", first.url, "--token-stdin", stdin=key)
            report.figures[f"{name}: linked and read, s"] = round(time.monotonic() - began, 1)
            _compare(report, f"{name}: entries that differ", _entries(first, key), _entries(second, keys[name]))
        _change(first, key, cards[leaving:], changed, files / "staying.vcf")
        report.figures["people of the first after changes"] = len(_entries(first, key))
        for name, second in seconds.items():
            began = time.monotonic()
            second.kith("sync")
            report.figures[f"{name}: read again, s"] = round(time.monotonic() - began, 1)
            _compare(
                report,
                f"{name}: entries that differ after changes, deletions and a merge",
                _entries(first, key),
                _entries(second, keys[name]),
            )
    return report


def _change(first: Gateway, key: str, cards: list[address_book.Card], changed: int, path: Path) -> None:
    """Some have another job, two become one by a card that has the addresses of both, an account goes with all its contacts."""
    one, other = cards[-2:]
    cards = [
        *cards,
        replace(one, number=10**6, given="Joined", emails=(one.emails[0], other.emails[0]), mobile="", work_phone=""),
    ]
    cards = [
        replace(card, company="Elsewhere", department="", title="Changed") if n < changed else card
        for n, card in enumerate(cards)
    ]
    first.kith("import", str(address_book.write(cards, "vcard4", path)))
    account = next(i for i, provider in _accounts(first, key).items() if provider == "ldif")
    gone = ask(first, key, UNLINK, {"id": account})["data"]["unlinkAccount"]
    if gone["errors"]:
        raise RuntimeError(f"the first Kith refused: {gone}")
    deadline = time.monotonic() + PATIENCE
    while account in _accounts(first, key):
        if time.monotonic() > deadline:
            raise RuntimeError("the account was not unlinked in time")
        time.sleep(0.1)


def _accounts(gateway: Gateway, key: str) -> dict[str, str]:
    """Accounts and their providers, those that are being unlinked too."""
    found = ask(gateway, key, "{ viewer { accounts { edges { node { id provider { key } } } } } }")["data"]["viewer"]["accounts"][
        "edges"
    ]
    return {one["node"]["id"]: one["node"]["provider"]["key"] for one in found}


def _compare(report: Report, promise: str, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    there, here = _seen(first), _seen(second)
    report.expect(promise, len(set(there) ^ set(here)) + abs(len(there) - len(here)), 0)


def _seen(entries: list[dict[str, Any]]) -> list[str]:
    """Entries as texts that can be compared: without what is the server's own, and their values in order."""
    return sorted(json.dumps(_sorted({k: v for k, v in one.items() if k not in OWN}), sort_keys=True) for one in entries)


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_sorted(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
    return {name: _sorted(one) for name, one in value.items()} if isinstance(value, dict) else value


def _entries(gateway: Gateway, key: str) -> list[dict[str, Any]]:
    """Everybody, as a client of the draft reads them."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    found: list[dict[str, Any]] = []
    while True:
        url = f"{gateway.url}/portablecontacts/@me/@all?count={PAGE}&startIndex={len(found)}"
        with opener.open(urllib.request.Request(url, headers={"authorization": f"Bearer {key}"}), timeout=PATIENCE) as answer:
            body = json.load(answer)
        found += body["entry"]
        if len(found) >= body["totalResults"] or not body["entry"]:
            return found
