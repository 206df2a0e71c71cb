"""The evidence for and against two contacts, in sentences: what `kith resolve --explain` prints, and why a suggestion is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from resolvers.identity import joined, vetoes
from resolvers.identity.cards import Facts, Value
from resolvers.identity.features import NAMES, Frequencies, features, look_alikes
from resolvers.identity.grouping import Groups
from resolvers.identity.names import Likeness
from resolvers.identity.proof import Edge
from resolvers.identity.scoring import Weights, dot
from resolvers.identity.wholes import Whole

_WHY: Final = {
    "NAMES": "their names contradict each other", "BIRTHDAY": "their birthdays differ",
    "GENERATION": "one is the elder and one the younger of a name", "NEVER": "you said that they are not one person",
    "COUPLE": "one is a card of several people", "LIST": "one is a mailing list", "ROLE": "one is a function's address and no person's",
    "MACHINE": "one is a machine", "SEVERAL": "several people write from one of the addresses",
}  # fmt: skip
_NAMES: Final = {
    Likeness.CONTRADICTS: "The names contradict each other.", Likeness.UNSURE: "Whether the names are one person's cannot be told.",
    Likeness.SILENT: "At least one has no name.", Likeness.PARTLY: "The given names agree, the family names do not.",
    Likeness.COMPATIBLE: "One name may be short for the other.", Likeness.AGREES: "The names are spellings of one name.",
    Likeness.SAME: "The names are the same.",
}  # fmt: skip
_FEATURES: Final = {
    "same": "same name", "agrees": "one name in two spellings", "compatible": "one name may be short for the other",
    "single": "a single name that fits", "partly": "same given name, other family name", "contradicts": "names that contradict",
    "rarity": "a rare name", "namesakes": "others have this name", "employer": "same employer", "employer_rarity": "a small employer",
    "employer_differs": "different employers", "employer_same": "same name and employer", "stem": "same user name",
    "stem_rarity": "a rare user name", "stem_near": "user names much alike", "user_says_name": "a user name that says the name",
    "says_initial": "a user name that says initial and name", "photo": "same photo", "photo_rarity": "a photo nobody else has",
    "birthday": "same birthday", "birthday_differs": "different birthdays", "street": "same street", "city": "same town",
    "city_differs": "different towns", "value_shared": "an address or number in common that others use too",
    "line_shared": "a fixed line in common", "role_shared": "a function's address in common",
    "claim": "a link that the other side does not return", "claim_mail": "an address claimed in a profile",
    "network_twice": "two profiles of one network", "book_twice": "two cards of one address book",
    "phones_differ": "different mobile numbers", "nobody": "a list, a machine or a card of several",
    "lookalike": "addresses or handles that only look alike", "lookalike_same_name": "a look-alike with the same name",
    "size": "much known of both already",
}  # fmt: skip


class Reason(msgspec.Struct, frozen=True):
    """One piece of evidence of a suggestion: what it is, and the log-odds it brings."""

    feature: str
    sentence: str
    weight: float


def between(facts: Mapping[str, Facts], groups: Groups, one: str, other: str) -> list[str]:
    """All that speaks for and against two contacts being one person."""
    a, b = facts[one], facts[other]
    labels = groups.labels()
    together = labels[one] == labels[other]
    lines = [f"{one} and {other} are {'one person' if together else 'not joined'}."]
    lines.append(_NAMES[vetoes.likeness(a, b)] + f" ({_spoken(a)}; {_spoken(b)})")
    for f in (a, b):
        if f.nobody:
            lines.append(f"{f.id}: {_WHY[f.nobody]}.".replace("one is", "this is"))
    direct = [e for e in groups.edges if {e.left, e.right} == {one, other}]
    if direct:
        lines.append(joined.why(direct, facts))
    elif together:
        lines += [f"By way of others: {joined.why([e], facts)}" for e in _path(groups, one, other)]
    lines += [f"{joined.why([e], facts)} Yet {_WHY[why]}." for e, why in groups.refused if {e.left, e.right} == {one, other}]
    proven = {(e.kind, e.value) for e in direct}
    theirs = {(v.kind, v.key): v for v in b.values}
    for v in a.values:
        match = theirs.get((v.kind, v.key))
        if match is not None and (v.kind, v.key) not in proven:
            lines.append(_hint(v, match, groups))
    why = vetoes.apart(a, b)
    if why and not together and not a.nobody and not b.nobody and why != "NAMES":
        lines.append(f"Against it: {_WHY[why]}.")
    return lines


def suggested(a: Whole, b: Whole, seen: Frequencies, learnt: Weights) -> list[Reason]:
    """What a suggestion rests on, what counts most first; what speaks against it has negative weight."""
    values = features(a, b, seen)
    found = [
        Reason(name, _FEATURES[name], round(dot(learnt.pair, [name], [value]), 3))
        for name, value in zip(NAMES, values, strict=True)
        if value and name in _FEATURES
    ]
    return sorted((r for r in found if abs(r.weight) >= 0.05), key=lambda r: (-abs(r.weight), r.feature))


def alike(a: Whole, b: Whole) -> list[str]:
    """The warning where one may pose as the other."""
    return [f"{one} and {other} only look alike: one may pose as the other." for one, other in look_alikes(a, b)]


def _spoken(facts: Facts) -> str:
    return ", ".join(n.text for n in facts.names) or "no name"


def _hint(v: Value, match: Value, groups: Groups) -> str:
    what = {"EMAIL": "address", "PHONE": "number", "PROFILE": "profile"}[v.kind]
    if "CLAIMED" in (v.basis, match.basis):
        return f"The {what} {v.key} is in both, but one only claims it: that proves nothing."
    if any(s.kind == v.kind and s.value == v.key for s in groups.shared):
        return f"The {what} {v.key} is in both, but people use it whose names contradict, or too many: it joins nobody by itself."
    return f"The {what} {v.key} is in both; it is one that several people may share."


def _path(groups: Groups, one: str, other: str) -> list[Edge]:
    """The shortest chain of proof between two contacts."""
    came: dict[str, tuple[str, Edge] | None] = {one: None}
    queue = [one]
    while queue and other not in came:
        here = queue.pop(0)
        for edge in groups.edges:
            there = edge.right if edge.left == here else edge.left if edge.right == here else None
            if there is not None and there not in came:
                came[there] = (here, edge)
                queue.append(there)
    chain: list[Edge] = []
    while (step := came.get(other)) is not None:
        other, edge = step
        chain.insert(0, edge)
    return chain
