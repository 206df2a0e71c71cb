"""A first sync through everything that goes wrong: the worker killed with -9, the server started again, the line cut.

Moments are drawn from a seed. Afterwards Kith's own rows are compared with what the server tells another client: every UID, and
every message's bytes.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

from tests.chaos import mailboxes, processes, raw
from tests.chaos.mail_sync import DONE
from tests.chaos.report import Report
from tests.gateway_process import kith_serve
from tests.mail_servers import MailServer
from tests.tcp_proxy import Line, tcp_proxy

STORED = "select count(*) from message_source"
BODIES = "select m.internet_message_id, m.fingerprint, count(*) from message m group by 1, 2 having count(*) > 1"
TWICE = "select count(*) from (select 1 from feed where created group by viewer_id, node_id having count(*) > 1)"


def break_everything(home: Path, *, messages: int, kills: int, restarts: int, cuts: int, seed: int = 4) -> Report:
    """A mailbox of so many messages, taken in through so many faults of each kind, in a seeded order at seeded places."""
    report = Report()
    dice = random.Random(seed)
    faults = ["kill"] * kills + ["restart"] * restarts + ["cut"] * cuts
    dice.shuffle(faults)
    places = sorted(dice.randrange(messages * 95 // 100) for _ in faults)
    workers: list[subprocess.Popen[bytes]] = []
    done = {"kill": 0, "restart": 0, "cut": 0}
    with mailboxes.maildir_server() as server, tcp_proxy(server.port) as line:
        filled = mailboxes.fill(server, mailboxes.of(messages, 8, huge=0), texts=True)
        theirs = mailboxes.server_keys(server)
        with kith_serve(home, "--no-worker", **mailboxes.settings(line.port)) as gateway:
            key = gateway.token("owner", "read", "write", "admin")
            began = time.monotonic()
            mailboxes.link(gateway, key, line.port)
            workers.append(gateway.begin("worker"))
            try:
                for fault, place in zip(faults, places, strict=True):
                    processes.wait_until(f"message {place}", lambda: raw.count(home, STORED) >= place, 600.0)  # noqa: B023
                    if fault == "kill":
                        workers[-1].send_signal(signal.SIGKILL)
                        workers[-1].wait()
                        workers.append(gateway.begin("worker"))
                        done["kill"] += 1
                    else:
                        done[fault] += _disturb(fault, server, line)
                processes.wait_until("the end of the first sync", lambda: raw.count(home, DONE) == 1, 1_200.0)
            finally:
                for worker in workers:
                    worker.terminate()
                    worker.wait()
            report.figures |= {"messages": messages, "seconds": round(time.monotonic() - began, 1)}
            report.expect("workers killed with -9", done["kill"], kills)
            report.expect("servers started again", done["restart"], restarts)
            report.figures["moments at which lines were cut"] = done["cut"]
            report.figures["connections cut"] = line.cuts
            _compare(report, home, server, theirs, filled)
    return report


def _disturb(fault: str, server: MailServer, line: Line) -> int:
    if fault == "cut":
        line.cut()
        return 1
    server.server.stop()
    server.server.start()
    return 1


def _compare(report: Report, home: Path, server: MailServer, theirs: dict[str, set[int]], filled: mailboxes.Filled) -> None:
    missing, extra = mailboxes.difference(mailboxes.stored_keys(home), theirs)
    report.expect("UIDs that the server has and Kith has not", missing, 0)
    report.expect("UIDs that Kith has and the server has not", extra, 0)
    report.expect("places of messages", raw.count(home, STORED), filled.total)
    found = {
        str(row[0]) for row in raw.rows(home, "select internet_message_id from message where internet_message_id is not null")
    }
    report.expect("Message-IDs that are missing", len(filled.ids - found), 0)
    texts = mailboxes.stored_texts(home)
    report.expect("texts that differ from the server's", sum(((texts - filled.texts) + (filled.texts - texts)).values()), 0)
    report.expect("messages that are there twice", len(raw.rows(home, BODIES)), 0)
    report.expect("nodes that the feed calls new twice", raw.count(home, TWICE), 0)
    report.expect("open gaps", raw.count(home, "select count(*) from gap"), 0)
    report.expect("jobs given up", raw.count(home, "select count(*) from job where dead_reason is not null"), 0)
    wrong = raw.count(home, "select count(*) from container where kind = 'MESSAGE' and expected <> stored")
    report.expect("folders whose ledger does not agree", wrong, 0)
