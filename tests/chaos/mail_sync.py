"""A whole mailbox mirrored: how soon the first conversations are there, whether all of it is, and what it costs.

The server's own statement is asked for by another client; memory is that of the worker and of what it started; isync's mbsync copies
the same mailbox beside it.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.processes import rss_mib
from tests.chaos import mailboxes, processes, raw
from tests.chaos.clients import ask
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve

FIRST = "{ viewer { conversations(first: 50) { edges { node { id subject } } } } }"
LEDGER = """query Ledger($id: ID!) { node(id: $id) { ... on Account { status statusReason
  coverage(by: CONTAINER) { name seen stored missing } gaps(first: 50) { edges { node { reason } } } } } }"""
DONE = "select count(*) from account where last_synced_at is not null and phase is null"


def mirror(home: Path, *, messages: int, folders: int, huge: int = 0, compare: bool = False) -> Report:
    """Link a mailbox of so many letters and wait until all of it is here. `compare`: have mbsync copy it too, both ways."""
    report = Report()
    with mailboxes.maildir_server() as server:
        filled = mailboxes.fill(server, mailboxes.of(messages, folders, huge=huge))
        theirs = mailboxes.server_keys(server)  # also has Dovecot index it, for everybody who asks afterwards
        report.figures |= {"messages": messages, "folders": len(theirs), "MB": round(filled.bytes / 1e6)}
        if compare:
            for fsync in (True, False):
                seconds = mailboxes.mbsync(server, home.parent / f"mbsync-{fsync}", fsync=fsync)
                report.figures[f"mbsync, FSync {'yes' if fsync else 'no'}, s"] = None if seconds is None else round(seconds, 1)
        with kith_serve(home, **mailboxes.settings(server.port)) as gateway:
            key = gateway.token("owner", "read", "write", "admin")
            began = time.monotonic()
            account_id = mailboxes.link(gateway, key, server.port)
            first, whole, peak = _wait(gateway, key, home, began, min(50, messages // 4))
            report.figures |= {
                "first 50 conversations, s": round(first, 1),
                "whole mailbox, s": round(whole, 1),
                "worker RSS at most, MiB": round(peak),
            }
            _compare(report, gateway, key, account_id, home, mailboxes.server_keys(server), filled)
    return report


def _wait(gateway: Gateway, key: str, home: Path, began: float, wanted: int) -> tuple[float, float, float]:
    """Seconds until `wanted` conversations are answered and until the mailbox is here, and the most memory of the worker with its children."""
    assert gateway.process is not None
    first = peak = 0.0
    deadline = time.monotonic() + 3_600
    while time.monotonic() < deadline:
        worker = processes.worker_of(gateway.process.pid)
        if worker is not None:
            peak = max(peak, sum(map(rss_mib, [worker, *processes.children(worker)])))
        if not first and len(ask(gateway, key, FIRST)["data"]["viewer"]["conversations"]["edges"]) >= wanted:
            first = time.monotonic() - began
        if raw.count(home, DONE):
            return first or time.monotonic() - began, time.monotonic() - began, peak
        time.sleep(0.1)
    raise TimeoutError("the mailbox was not mirrored within an hour")


def _compare(
    report: Report, gateway: Gateway, key: str, account_id: str, home: Path, theirs: dict[str, set[int]], filled: mailboxes.Filled
) -> None:
    missing, extra = mailboxes.difference(mailboxes.stored_keys(home), theirs)
    report.expect("UIDs that the server has and Kith has not", missing, 0)
    report.expect("UIDs that Kith has and the server has not", extra, 0)
    report.expect("places of messages", raw.count(home, "select count(*) from message_source"), filled.total)
    found = {
        str(row[0]) for row in raw.rows(home, "select internet_message_id from message where internet_message_id is not null")
    }
    report.expect("Message-IDs that are missing", len(filled.ids - found), 0)
    account = ask(gateway, key, LEDGER, {"id": account_id})["data"]["node"]
    short = [one for one in account["coverage"] if one["missing"] or one["seen"] != one["stored"]]
    report.expect("folders whose ledger does not agree", len(short), 0)
    report.expect("open gaps", len(account["gaps"]["edges"]), 0)
    report.expect("the account is", account["status"], "ACTIVE")
