"""A hundred automatic merges of a town, each with its reason as it is told, to be read by somebody who was not there.

What a program can hold is held of each: a sentence, whole, that names what both contacts have. Whether it makes sense is for the
reader: one of every kind of evidence between every two kinds of contacts stands in docs/figures.md.
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

from benchmarks.people import REGION, folders
from resolvers.identity import files
from resolvers.identity.cards import read
from resolvers.identity.grouping import group
from resolvers.identity.joined import why
from resolvers.identity.proof import Edge
from tests.chaos.report import Report


def sample(home: Path, *, people: int, seed: int, samples: int) -> Report:
    """Tell why contacts of a town (or of the folder that UNIVERSE names) were joined: all kinds of evidence in turn."""
    report = Report()
    folder = folders(home, people, (seed,))[0]
    facts = {card.id: read(card, REGION) for card in files.cards(folder / "contacts.jsonl")}
    edges: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in group(facts).edges:
        edges[edge.left, edge.right].append(edge)
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for pair in sorted(edges):
        sides = sorted(f"{facts[c].kind.lower()} {facts[c].network}".strip() for c in pair)
        alike[f"{' and '.join(sides)}: {' and '.join(sorted({e.kind.lower() for e in edges[pair]}))}"].append(pair)
    draw = random.Random(seed)
    for pairs in alike.values():
        draw.shuffle(pairs)
    chosen: list[tuple[str, str]] = []
    while len(chosen) < samples and any(alike.values()):
        for shape, pairs in sorted(alike.items()):
            if pairs and len(chosen) < samples:
                chosen.append(pairs.pop())
                report.figures.setdefault(shape, why(edges[chosen[-1]], facts))
    for pair in chosen:
        said = why(edges[pair], facts)
        whole = said[:1].isupper() and said.endswith(".") and "  " not in said and "None" not in said
        report.hold(f"no whole sentence: {said}", whole)
        named = all(part in said for e in edges[pair] for part in e.value.split(" "))
        report.hold(f"does not say what both have: {said}", named)
    report.figures["merges told"] = len(chosen)
    report.hold(f"{len(chosen)} merges were told, not {samples}", len(chosen) == samples)
    return report
