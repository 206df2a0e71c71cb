"""An import whose worker, or whose own command, is killed with -9 again and again: nothing is lost and nothing comes twice.

    file ──stage──▶ job ──slice──▶ rows + checkpoint in one transaction ──▶ … ──▶ ledger closed
                     ▲                   │ SIGKILL
                     └────── lease ◀─────┘

Kills follow the import's own progress, so each hits it at work. Afterwards the database file is counted by plain SQL and compared
with the book of who wrote the mails.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.universe import ME, Universe, Written, count_mails
from tests.chaos import processes, raw
from tests.chaos.clients import ask
from tests.chaos.report import Report
from tests.gateway_process import Gateway, kith_serve

IMPORTS = """{ viewer { imports { edges { node { state counts { created updated unchanged skipped failed } } } }
  accounts { edges { node { label coverage(by: CONTAINER) { name seen stored missing skipped { count } } } } } } }"""
DONE = "select coalesce(max(done), 0) from import_run"


def kill_the_worker(home: Path, *, messages: int, kills: int, supervised: bool = True, within: float = 1.0) -> Report:
    """Whichever worker holds the import is killed. `supervised`: it is the one beside `kith serve`, which is started again by
    its parent, later each time; otherwise `kith worker`, started again here at once. All kills fall `within` this part of
    the import: the smaller it is, the surer it still goes on when somebody is killed, however late a busy machine gets to that."""
    written = Universe(max(20, messages // 20), messages).write(home.parent / f"{home.name}-files")
    report = Report()
    workers: list[subprocess.Popen[bytes]] = []
    flags = () if supervised else ("--no-worker",)
    with kith_serve(home, *flags) as gateway:
        began = time.monotonic()
        gateway.kith("import", str(written.mail), "--me", ME, "--no-wait")
        killed: set[int] = set()
        try:
            for n in range(kills):
                if not supervised:
                    workers.append(gateway.begin("worker"))
                wanted = int(within * messages * (n + 1) / (kills + 2))
                found: list[int] = []

                def reached(wanted: int = wanted, found: list[int] = found) -> bool:
                    holder = _holder(home)
                    # nobody has it between two turns, and somebody who was killed until that is noticed
                    if holder is not None and holder not in killed and raw.count(home, DONE) >= wanted:
                        found.append(holder)
                    return bool(found) or not raw.open_jobs(home, "import")

                processes.wait_until(f"row {wanted} of the import", reached)
                for holder in found:
                    os.kill(holder, signal.SIGKILL)
                    killed.add(holder)
            if not supervised:
                workers.append(gateway.begin("worker"))
            processes.wait_until("the end of all jobs", lambda: not raw.open_jobs(home, "import", "identity"))
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
        report.expect("workers killed while they held the import", len(killed), kills)
        report.figures["seconds"] = round(time.monotonic() - began, 1)
        _count(report, gateway, written)
    return report


def kill_the_command(home: Path, *, messages: int, kills: int, within: float = 1.0) -> Report:
    """Without a server `kith import` does its own work; it is killed and begun anew `kills` times, then a server finishes. `within` as of
    `kill_the_worker`."""
    written = Universe(max(20, messages // 20), messages).write(home.parent / f"{home.name}-files")
    report = Report()
    home.mkdir(parents=True, exist_ok=True)
    gateway = Gateway(home, 1, {})
    gateway.kith("migrate")
    began = time.monotonic()
    for n in range(kills):
        wanted = int(within * messages * (n + 1) / (kills + 1)) - 1
        before = raw.count(home, "select count(*) from import_run")
        command = gateway.begin("import", str(written.mail), "--me", ME)
        newest = "select done from import_run order by created_at desc, id desc limit 1"
        try:
            processes.wait_until(
                f"row {wanted} of import {n + 1}",
                lambda: (
                    command.poll() is not None  # noqa: B023
                    or (raw.count(home, "select count(*) from import_run") > before and raw.count(home, newest) >= wanted)  # noqa: B023
                ),
            )
            report.hold(f"import {n + 1} was still at work when its command was killed", command.poll() is None)
        finally:
            command.kill()
            command.wait()
    report.figures["commands killed at work"] = kills
    with kith_serve(home) as server:
        processes.wait_until("the end of all jobs", lambda: not raw.open_jobs(home, "import", "identity"))
        report.figures["seconds"] = round(time.monotonic() - began, 1)
        _count(report, server, written, imports=kills)
    return report


def _holder(home: Path) -> int | None:
    """The process that holds the lease of an import: owners are named host/process/start/word."""
    for (owner,) in raw.rows(home, "select lease_owner from job where kind = 'import' and lease_owner is not null"):
        return int(str(owner).split("/")[1])
    return None


def _count(report: Report, gateway: Gateway, written: Written, *, imports: int = 1) -> None:
    """The database file by plain SQL, then what GraphQL says, each against the book of the writer."""
    home, messages = gateway.home, written.messages
    report.expect("mails in the file, by its separators", count_mails(written.mail), messages)
    report.expect("messages stored", raw.count(home, "select count(*) from message"), messages)
    distinct = raw.count(home, "select count(distinct internet_message_id) from message")
    report.expect("messages stored, by Message-ID", distinct, messages)
    report.expect("places of messages", raw.count(home, "select count(*) from message_source"), messages)
    report.expect(
        "conversations", raw.count(home, "select count(*) from conversation where redirect_to is null"), written.threads
    )
    in_threads = raw.count(home, "select sum(message_count) from conversation where redirect_to is null")
    report.expect("messages counted by their conversations", in_threads, messages)
    met = len(written.latest)
    report.expect("correspondents", raw.count(home, "select count(*) from contact"), met)
    people = raw.count(home, "select count(*) from person where redirect_to is null")
    report.expect("people", people, met)
    twice = "select count(*) from (select 1 from feed where created group by viewer_id, node_id having count(*) > 1)"
    report.expect("nodes that the feed calls new twice", raw.count(home, twice), 0)
    report.expect("jobs given up", raw.count(home, "select count(*) from job where dead_reason is not null"), 0)
    states = raw.rows(home, "select state, count(*) from import_run group by state")
    report.expect("imports by state", {str(s): n for s, n in states}, {"DONE": imports})
    for created, other, done in raw.rows(
        home, "select created, updated + unchanged + skipped + failed, done from import_run order by created_at, id"
    ):
        report.hold(f"an import tells {created} + {other} = {done} of {messages} rows", _sum(created, other) == done == messages)
    report.expect("rows told as created, over all imports", raw.count(home, "select sum(created) from import_run"), messages)
    told = raw.count(home, "select count(*) from import_row")
    report.expect("rows told", told, messages * imports)
    ledger = raw.rows(home, "select expected, stored from container where kind = 'MESSAGE'")
    report.expect("ledger: expected, stored", ledger, [(messages, messages)])
    answer = ask(gateway, gateway.token("owner", "read"), IMPORTS)
    viewer: dict[str, Any] = answer["data"]["viewer"]
    nodes = [edge["node"] for edge in viewer["imports"]["edges"]]
    report.expect("imports done, by GraphQL", sum(node["state"] == "DONE" for node in nodes), imports)
    report.expect("rows created, by GraphQL", sum(node["counts"]["created"] for node in nodes), messages)
    coverage = [
        (one["seen"], one["stored"], one["missing"]) for edge in viewer["accounts"]["edges"] for one in edge["node"]["coverage"]
    ]
    report.expect("coverage by GraphQL: seen, stored, missing", coverage, [(messages, messages, 0)])


def _sum(*values: object) -> int:
    return sum(int(str(value)) for value in values)
