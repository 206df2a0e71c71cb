"""Learn the weights by which suggestions are ranked, from generated universes with the truth beside them.

    python -m benchmarks.identity_weights FOLDER… [--version TEXT] [--out resolvers/identity/data/weights.json]

Each folder holds `contacts.jsonl` and `truth.csv` (contact_id, person_id). Logistic regression by Newton's method with a ridge:
first over single pairs, then over how a pair stands to its rivals. Two halves of the universes are kept apart, so that the second
step learns from scores of universes that the first has not seen. Most features of a pair are zero, so that plain Python will do.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from resolvers.identity.blocking import candidates
from resolvers.identity.cards import Card, read
from resolvers.identity.features import NAMES, Frequencies, features
from resolvers.identity.grouping import group
from resolvers.identity.scoring import RIVAL_NAMES, Weights, rival_features
from resolvers.identity.wholes import wholes

RIDGE: Final = 2.0
STEPS: Final = 25
OUT: Final = Path("resolvers/identity/data/weights.json")

Row = list[tuple[int, float]]  # the features of one example that are not zero, by position
Examples = tuple[list[tuple[int, int]], list[Row], list[float]]


def examples(folder: Path, region: str | None) -> Examples:
    """The candidate pairs of one universe after its certain merges, their features, and whether they are one person."""
    with (folder / "contacts.jsonl").open("rb") as lines:
        cards = [msgspec.json.decode(line, type=Card) for line in lines if line.strip()]
    facts = {card.id: read(card, region) for card in cards}
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as lines:
        truth = {row["contact_id"]: row["person_id"] for row in csv.DictReader(lines)}
    all_ = wholes(facts, group(facts).groups)
    seen = Frequencies(all_)
    pairs = candidates(all_)
    rows = [_sparse(features(all_[a], all_[b], seen)) for a, b in pairs]
    same = [float(truth[all_[a].label] == truth[all_[b].label]) for a, b in pairs]
    print(f"{folder}: {len(cards)} contacts, {len(all_)} groups, {len(pairs)} pairs, {int(sum(same))} true")
    return list(pairs), rows, same


def fit(rows: Sequence[Row], same: Sequence[float], size: int) -> list[float]:
    """The weights that make `same` likeliest."""
    learnt = [0.0] * size
    for _ in range(STEPS):
        slope = [0.0] + [-RIDGE * w for w in learnt[1:]]
        curve = [[0.0] * size for _ in range(size)]
        for n in range(size):
            curve[n][n] = RIDGE if n else 1e-9
        for row, truth in zip(rows, same, strict=True):
            odds = sum(learnt[n] * value for n, value in row)
            chance = 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))
            bend = chance * (1 - chance)
            for k, (n, value) in enumerate(row):
                slope[n] += (truth - chance) * value
                line, weighed = curve[n], bend * value
                for m, other in row[: k + 1]:
                    line[m] += weighed * other
        step = _solve(curve, slope)
        learnt = [w + s for w, s in zip(learnt, step, strict=True)]
        if max(map(abs, step)) < 1e-5:
            break
    return learnt


def _solve(lower: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a symmetric positive definite system, of which the lower half is given (Cholesky)."""
    size = len(right)
    root = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = lower[i][j] - sum(root[i][k] * root[j][k] for k in range(j))
            root[i][j] = math.sqrt(max(rest, 1e-12)) if i == j else rest / root[j][j]
    half = [0.0] * size
    for i in range(size):
        half[i] = (right[i] - sum(root[i][k] * half[k] for k in range(i))) / root[i][i]
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (half[i] - sum(root[k][i] * found[k] for k in range(i + 1, size))) / root[i][i]
    return found


def learn(universes: Sequence[Examples], version: str) -> Weights:
    """Both steps' weights."""
    halves = universes[::2], universes[1::2] or universes[::2]
    rows: list[Row] = []
    same: list[float] = []
    for ours, theirs in (halves, halves[::-1]):
        pair = _fit_pairs(ours)
        for pairs, values, truth in theirs:
            scores = [sum(pair[n] * value for n, value in row) for row in values]
            rows += map(_sparse, rival_features(pairs, scores))
            same += truth
    pair = _fit_pairs(universes)
    rivals = fit(rows, same, len(RIVAL_NAMES))
    return Weights(
        version=version,
        pair={name: round(w, 4) for name, w in zip(NAMES, pair, strict=True)},
        rivals={name: round(w, 4) for name, w in zip(RIVAL_NAMES, rivals, strict=True)},
    )


def _fit_pairs(universes: Sequence[Examples]) -> list[float]:
    return fit(
        [row for _, rows, _ in universes for row in rows], [truth for _, _, same in universes for truth in same], len(NAMES)
    )


def _sparse(values: Sequence[float]) -> Row:
    return [(n, value) for n, value in enumerate(values) if value]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument("--region", default="GB")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    learnt = learn([examples(folder, given.region) for folder in given.folders], given.version)
    given.out.write_bytes(msgspec.json.format(msgspec.json.encode(learnt), indent=1) + b"\n")


if __name__ == "__main__":
    main()
