"""`--accept`: join suggestions above a probability, best first, for those who would rather have one list than be asked.

The product never does this by itself. What keeps two groups apart is asked before each join: in an address book birthdays that differ
by more than a slip of the hand, in a plain list (`estimating.py`) that their contacts, looked at two by two, are no one's copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from resolvers.identity import vetoes
from resolvers.identity.cards import Facts
from resolvers.identity.scoring import Suggestion

Apart = Callable[[Sequence[str], Sequence[str]], bool]


def accept(
    groups: Sequence[tuple[str, ...]], suggestions: Sequence[Suggestion], least: float, apart: Apart
) -> tuple[tuple[str, ...], ...]:
    """The groups after every suggestion of at least that probability is taken, unless its two sides are kept apart."""
    at = {contact_id: list(members) for members in groups for contact_id in members[:1]}
    whose = {contact_id: members[0] for members in groups for contact_id in members}
    moved: dict[str, str] = {}

    def root(contact_id: str) -> str:
        label = whose[contact_id]
        while label in moved:
            label = moved[label]
        return label

    for one in suggestions:
        if one.probability < least:
            continue
        left, right = sorted((root(one.left), root(one.right)))
        if left == right or apart(at[left], at[right]):
            continue
        moved[right] = left
        at[left] += at.pop(right)
    return tuple(tuple(sorted(group)) for _, group in sorted(at.items()))


def born_apart(facts: Mapping[str, Facts]) -> Apart:
    """Birthdays that differ by more than a slip of the hand."""

    def apart(left: Sequence[str], right: Sequence[str]) -> bool:
        ours, theirs = ({facts[c].birthday for c in side} - {""} for side in (left, right))
        return any(vetoes.birthdays_far(a, b) for a in ours for b in theirs)

    return apart
