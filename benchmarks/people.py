"""How well and how fast `kith resolve` tells who is who: against universes with the truth beside them.

Folders with `contacts.jsonl` and `truth.csv` (contact_id, person_id, auto_group, traps) are named by the variable UNIVERSE,
separated by blanks: `make proof LINE=people-1 UNIVERSE="one two"`. Without it a town of our own (tests/identity/town.py) is
resolved, whose truth knows persons and traps only. `python -m benchmarks.people FOLDER` measures one in a process of its own.
"""

from __future__ import annotations

import csv
import gc
import json
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from resolvers.identity import files
from resolvers.identity.blocking import candidates
from resolvers.identity.cards import read
from resolvers.identity.grouping import Users, component, group
from resolvers.identity.meeting_keys import keys_of
from resolvers.identity.scoring import suggest
from resolvers.identity.wholes import Whole, wholes
from tests.chaos.report import Report
from tests.identity import town

REGION: Final = "GB"
PRECISION: Final = 0.9995
AUTOMATIC: Final = 0.95
AT_ONCE: Final = 0.88
AT_TWICE: Final = 0.96
SECONDS: Final = 120.0
STEPS: Final = ("normalising", "joining", "finding candidates", "suggesting")
MIB: Final = 1024.0
CHANGE_MS: Final = 20.0
CHANGES: Final = 200
MANY: Final = 90_000  # contacts from which on the growth of pairs is judged: all that few share something with are compared
SLACK: Final = 0.05  # by which universes of one size differ
FEW: Final = 60  # groups that share something: two of more are not told apart by it
SAMPLE: Final = 20_000  # true pairs of which it is asked whether anything tells them


class Truth(msgspec.Struct, frozen=True):
    """Who each contact is, which must be found without asking (null where that is not known), and which traps it stands in."""

    person: dict[str, str]
    certain: dict[str, str] | None
    traps: dict[str, list[str]]


def truth_of(folder: Path) -> Truth:
    """The truth beside a universe."""
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    certain = {r["contact_id"]: r["auto_group"] for r in rows} if rows and rows[0].get("auto_group") else None
    return Truth(
        person={r["contact_id"]: r["person_id"] for r in rows},
        certain=certain,
        traps={r["contact_id"]: [t for t in (r.get("traps") or "").split(";") if t] for r in rows},
    )


def _pairs(sizes: Iterable[int]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes)


def wrong_joins(truth: Truth, labels: Mapping[str, str]) -> tuple[int, int, int]:
    """Joins made, those among them that brought two persons together, and traps that were walked into."""
    persons: dict[str, set[str]] = defaultdict(set)
    for contact_id, label in labels.items():
        persons[label].add(truth.person[contact_id])
    walked = set()
    seen: dict[tuple[str, str], str] = {}
    for contact_id, traps in truth.traps.items():
        for trap in traps:
            other = seen.setdefault((labels[contact_id], trap), truth.person[contact_id])
            if other != truth.person[contact_id]:
                walked.add(trap)
    return len(labels) - len(persons), sum(len(p) - 1 for p in persons.values()), len(walked)


def certain_found(truth: Truth, labels: Mapping[str, str]) -> float | None:
    """The share of the pairs that hang together by private values which were joined."""
    if truth.certain is None:
        return None
    keyed = [(truth.person[c], truth.certain[c], labels[c]) for c in labels]
    wanted = _pairs(Counter(k[:2] for k in keyed).values())
    return _pairs(Counter(keyed).values()) / wanted if wanted else 1.0


def found_by_asking(truth: Truth, labels: Mapping[str, str], asked: Sequence[tuple[str, str]], times: float) -> float:
    """Of the joins still missing those made by somebody who answers truly, after `times` as many questions as are missing."""
    pieces = {(labels[c], truth.person[c]) for c in labels}
    missing = len(pieces) - len(set(truth.person.values()))
    above = {piece: piece for piece in pieces}

    def root(piece: tuple[str, str]) -> tuple[str, str]:
        while above[piece] != piece:
            piece = above[piece]
        return piece

    shown = made = 0
    refused: set[frozenset[tuple[str, str]]] = set()
    for left, right in asked:
        if shown >= int(times * missing):
            break
        one, other = (root((labels[c], truth.person[c])) for c in (left, right))
        if one == other or frozenset((one, other)) in refused:
            continue
        shown += 1
        if truth.person[left] == truth.person[right]:
            above[one] = other
            made += 1
        else:
            refused.add(frozenset((one, other)))
    return made / missing if missing else 1.0


def telling(all_: Sequence[Whole], two: Iterable[tuple[int, int]]) -> list[bool]:
    """Of each two groups whether they share what few do: no more than FEW groups have all the keys that these two have in common.

    Two Ada Bergs of whom nothing else is known among a hundred of the name are one person whom nobody could point at.
    """

    def keys(n: int) -> frozenset[int]:
        return frozenset(map(hash, keys_of(all_[n])))

    counts = Counter(key for n in range(len(all_)) for key in keys(n))
    shared = [sorted(keys(a) & keys(b), key=lambda key: counts[key]) for a, b in two]
    crowds: dict[int, list[frozenset[int]]] = {both[0]: [] for both in shared if both and counts[both[0]] > FEW}
    for n in range(len(all_)) if crowds else ():
        mine = keys(n)
        for key in crowds.keys() & mine:
            crowds[key].append(mine)
    return [
        bool(both) and (counts[both[0]] <= FEW or sum(mine.issuperset(both) for mine in crowds[both[0]]) <= FEW)
        for both in shared
    ]


def measure(folder: Path) -> dict[str, Any]:
    """Resolve a universe in this process, the steps timed apart; processor seconds, as the machine is shared."""
    gc.disable()
    clock = time.process_time
    began = clock()
    facts = {card.id: read(card, REGION) for card in files.cards(folder / "contacts.jsonl")}
    normalised = clock()
    groups = group(facts)
    grouped = clock()
    all_ = wholes(facts, groups.groups)
    pairs = candidates(all_)
    found = clock()
    listed = suggest(all_, pairs=pairs)
    scored = clock()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    truth, labels = truth_of(folder), groups.labels()
    people: dict[str, list[int]] = defaultdict(list)
    for n, w in enumerate(all_):
        people[truth.person[w.label]].append(n)
    true = [two for groups_ in people.values() for two in combinations(groups_, 2)]
    asked_about = random.Random(2).sample(true, min(SAMPLE, len(true)))
    told = {two for two, tells in zip(asked_about, telling(all_, asked_about), strict=True) if tells}
    held = sum(truth.person[all_[a].label] == truth.person[all_[b].label] for a, b in pairs)
    users = Users(facts)
    took = []
    for contact_id in random.Random(1).sample(sorted(facts), min(CHANGES, len(facts))):
        start = clock()
        part = component(facts, [contact_id], users)
        group({c: facts[c] for c in part})
        took.append(1000 * (clock() - start))
    made, wrong, walked = wrong_joins(truth, labels)
    asked = [(s.left, s.right) for s in listed]
    return {
        "contacts": len(facts), "people found": len(groups.groups), "joins": made, "wrong joins": wrong, "traps walked into": walked,
        "precision of joins": round(1 - wrong / made, 5) if made else 1.0, "automatic recall": certain_found(truth, labels),
        "suggestions, recall at 1x": round(found_by_asking(truth, labels, asked, 1), 4),
        "suggestions, recall at 2x": round(found_by_asking(truth, labels, asked, 2), 4),
        "candidate pairs": len(pairs), "candidate pairs a contact": round(len(pairs) / max(1, len(facts)), 2),
        "true pairs among the candidates": round(held / max(1, len(true)), 4),
        "true pairs that share what few do": round(len(told) / max(1, len(asked_about)), 4),
        "these among the candidates": round(sum(two in told for two in pairs) / max(1, len(told)), 4),
        "normalising, s": round(normalised - began, 1), "joining, s": round(grouped - normalised, 1),
        "finding candidates, s": round(found - grouped, 1), "suggesting, s": round(scored - found, 1),
        "RSS at most, MiB": round(memory), "one changed contact, median ms": round(sorted(took)[len(took) // 2], 2),
        "one changed contact, slowest ms": round(max(took), 2),
    }  # fmt: skip


def resolve(home: Path, *, people: int, seeds: Sequence[int]) -> Report:
    """Resolve what UNIVERSE names, or a town of each seed. No join may be wrong, no trap walked into."""
    report = Report()
    for folder in folders(home, people, seeds):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.people", str(folder)], capture_output=True, text=True, check=False
        )
        report.hold(f"{folder.name} was resolved: {done.stderr[-300:]}", done.returncode == 0)
        if done.returncode == 0:
            report.figures.update({f"{folder.name}: {name}": value for name, value in json.loads(done.stdout).items()})
            report.hold(f"{folder.name}: a trap was walked into", report.figures[f"{folder.name}: traps walked into"] == 0)
            precision = report.figures[f"{folder.name}: precision of joins"]
            report.hold(
                f"{folder.name}: {precision} of the joins are right, not {PRECISION} at least", _number(precision) >= PRECISION
            )
    return report


def judge_recall(report: Report) -> None:
    """What must be found in a universe whose truth says so."""
    for name, value in report.figures.items():
        where, _, what = name.rpartition(": ")
        if report.figures.get(f"{where}: automatic recall") is None:
            continue
        least = {"automatic recall": AUTOMATIC, "suggestions, recall at 1x": AT_ONCE, "suggestions, recall at 2x": AT_TWICE}.get(
            what
        )
        if least is not None:
            report.hold(f"{name}: {value}, not {least} at least", _number(value) >= least)


def judge_pace(report: Report) -> None:
    """What a hundred thousand contacts may cost, and one that changes."""
    for name, value in report.figures.items():
        where, _, what = name.rpartition(": ")
        if what == "contacts":
            spent = sum(_number(report.figures[f"{where}: {step}, s"]) for step in STEPS)
            report.hold(
                f"{where}: {spent:.0f} s for {value} contacts, not {SECONDS} at most",
                spent < SECONDS * max(1.0, _number(value) / 1e5),
            )
        elif what == "RSS at most, MiB":
            contacts = _number(report.figures[f"{where}: contacts"])
            report.hold(f"{name}: {value}, not less than {MIB}", _number(value) < MIB * max(1.0, contacts / 1e5))
        elif what == "one changed contact, slowest ms":
            report.hold(f"{name}: {value}, not less than {CHANGE_MS}", _number(value) < CHANGE_MS)


def judge_growth(report: Report) -> None:
    """Whether pairs grow no faster than n log n from MANY contacts on, where the universes are of several sizes."""
    sizes = sorted(
        (_number(value), _number(report.figures[f"{name.rpartition(': ')[0]}: candidate pairs"]))
        for name, value in report.figures.items()
        if name.endswith(": contacts") and _number(value) >= MANY
    )
    for (fewer, their), (more, our) in pairwise(sizes):
        most = their * (more * math.log(more)) / (fewer * math.log(fewer)) * (1 + SLACK)
        report.hold(
            f"{our:.0f} pairs of {more:.0f} contacts, not {most:.0f} at most as {their:.0f} of {fewer:.0f} let expect",
            our <= most,
        )


def judge_size(report: Report) -> None:
    """What large universes may cost, and how that grows."""
    judge_pace(report)
    judge_growth(report)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def folders(home: Path, people: int, seeds: Sequence[int]) -> list[Path]:
    """What UNIVERSE names, or towns made in `home`, one for each seed."""
    named = os.environ.get("UNIVERSE", "").split()
    if named:
        return [Path(name) for name in named]
    made = []
    for seed in seeds:
        folder = home / f"town-{seed}"
        folder.mkdir(parents=True)
        one = town.build(seed, people)
        (folder / "contacts.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, one.cards)))
        rows = ((c, one.truth[c], one.traps.get(c, "")) for c in sorted(one.truth))
        files.write(folder / "truth.csv", ("contact_id", "person_id", "traps"), rows)
        made.append(folder)
    return made


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
