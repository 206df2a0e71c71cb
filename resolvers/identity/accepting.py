"""`--accept`: join suggestions above a probability, best first, for those who would rather have one list than be asked.

The product never does this by itself. Birthdays that differ by more than a slip of the hand keep groups apart here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resolvers.identity import vetoes
from resolvers.identity.cards import Facts
from resolvers.identity.scoring import Suggestion


def accept(
    facts: Mapping[str, Facts], groups: Sequence[tuple[str, ...]], suggestions: Sequence[Suggestion], least: float
) -> tuple[tuple[str, ...], ...]:
    """The groups after every suggestion of at least that probability is taken."""
    at = {group[0]: list(group) for group in groups}
    birthdays = {group[0]: {facts[c].birthday for c in group} - {""} for group in groups}
    moved: dict[str, str] = {}

    def root(label: str) -> str:
        while label in moved:
            label = moved[label]
        return label

    for one in suggestions:
        left, right = sorted((root(one.left), root(one.right)))
        if left == right or one.probability < least:
            continue
        if any(vetoes.birthdays_far(a, b) for a in birthdays[left] for b in birthdays[right]):
            continue
        moved[right] = left
        at[left] += at.pop(right)
        birthdays[left] |= birthdays.pop(right)
    return tuple(tuple(sorted(group)) for _, group in sorted(at.items()))
