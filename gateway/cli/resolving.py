"""resolve: who is who in a file of contacts, with the rules by which Kith joins its own. Needs no installation and no database."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.frame import app, out, tell
from gateway.mistakes import MISUSE, CommandFailed
from resolvers.identity import files, reasons
from resolvers.identity.accepting import Apart, born_apart
from resolvers.identity.accepting import accept as accepted
from resolvers.identity.cards import Card, Facts, read
from resolvers.identity.estimating import Estimate, is_plain
from resolvers.identity.features import Frequencies
from resolvers.identity.files import BadFile
from resolvers.identity.grouping import Groups, group
from resolvers.identity.scoring import suggest, weights
from resolvers.identity.wholes import wholes


@app.command()
def resolve(
    contacts: Annotated[
        Path, typer.Argument(metavar="CONTACTS.jsonl", help="One contact a line; docs/identity.md has the format.")
    ],
    clusters: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="Write contact_id,person_id here.")] = None,
    suggestions: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="Write a,b,score here, surest first.")] = None,
    accept: Annotated[
        float | None, typer.Option(metavar="P", min=0.0, max=1.0, help="Also join suggestions of at least this probability.")
    ] = None,
    region: Annotated[str, typer.Option(help="ISO 3166 code of the country whose phone numbers are written without one.")] = "GB",
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Say what speaks for and against these two contacts, and write nothing else."),
    ] = None,
) -> None:
    """Find out which contacts of a file are one person."""
    gc.disable()  # a file's contacts are all kept until the end, and looking at each again and again costs a third of the time
    try:
        cards: list[Card] = []
        facts = {
            card.id: read(card, region.upper()) for card in _kept(files.cards(contacts), cards if accept is not None else None)
        }
        groups = group(facts)
        if explain is not None:
            _explain(facts, groups, *explain)
            return
        apart: Apart
        if accept is not None and is_plain(cards):
            weighed = Estimate(cards, region.upper())
            listed, apart = weighed.suggestions(), weighed.apart
        else:
            listed = suggest(wholes(facts, groups.groups)) if suggestions is not None or accept is not None else []
            apart = born_apart(facts)
        found = groups.groups if accept is None else accepted(groups.groups, listed, accept, apart)
        if clusters is not None:
            files.write(clusters, ("contact_id", "person_id"), ((c, g[0]) for g in found for c in g))
        if suggestions is not None:
            files.write(suggestions, ("a", "b", "score"), ((s.left, s.right, f"{s.score:.6f}") for s in listed))
    except BadFile as error:
        raise CommandFailed(str(error), MISUSE) from None
    joined = len(facts) - len(found)
    tell(
        f"{len(facts)} contacts are {len(found)} people: {joined} joined, {len(groups.shared)} shared values, {len(listed)} suggestions."
    )


def _kept(cards: Iterable[Card], kept: list[Card] | None) -> Iterator[Card]:
    for card in cards:
        if kept is not None:
            kept.append(card)
        yield card


def _explain(facts: dict[str, Facts], groups: Groups, one: str, other: str) -> None:
    missing = [c for c in (one, other) if c not in facts]
    if missing:
        raise CommandFailed(f"no contact in the file has the id {missing[0]}", MISUSE)
    lines = reasons.between(facts, groups, one, other)
    all_ = {w.label: w for w in wholes(facts, groups.groups)}
    labels = groups.labels()
    if labels[one] != labels[other]:
        a, b = all_[labels[one]], all_[labels[other]]
        lines += reasons.alike(a, b)
        found = reasons.suggested(a, b, Frequencies(all_.values()), weights())
        lines += [f"{r.weight:+.2f}  {r.sentence}" for r in found]
    for line in lines:
        out().print(line)
