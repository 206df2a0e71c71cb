"""Groups of contacts that are one person: proof applied strongest first, unless any two whom it would bring together are kept apart.

Not a bare union-find, where one bad edge welds two families: before two groups become one, each member of one is held against
each member of the other. The order is that of strength, then of ids, and whoever hangs together by any value is decided at
once: so the same facts in any order and any batches give the same groups.

What the viewer said comes first. Groups that they joined stand side by side under one person: each still takes in whoever it
would have taken in alone, whatever names the other has (a maiden name, a pen name), and "never" holds between any two members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from resolvers.identity import vetoes
from resolvers.identity.cards import Facts
from resolvers.identity.names import Likeness, Name
from resolvers.identity.proof import Edge, Shared, edges_of
from resolvers.identity.ties import Tie
from resolvers.identity.verdicts import Decisions


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The partition: each group's contact ids in order, the first being its label; the proof within; what is shared; what was refused."""

    groups: tuple[tuple[str, ...], ...]
    edges: tuple[Edge, ...]
    shared: tuple[Shared, ...]
    refused: tuple[tuple[Edge, str], ...]

    def labels(self) -> dict[str, str]:
        """The label of each contact."""
        return {contact_id: group[0] for group in self.groups for contact_id in group}


class _Group:
    """A group under way: its members, and of their names and birthdays each one once, as that is what is compared."""

    __slots__ = ("beside", "birthdays", "generations", "members", "names", "nobody")

    def __init__(self, facts: Facts) -> None:
        self.members = [facts.id]
        self.names: set[tuple[Name, ...]] = {facts.names} if facts.names else set()
        self.birthdays = {facts.birthday} - {""}
        self.generations = vetoes.generations(facts.names)
        self.nobody = facts.nobody
        self.beside: list[_Group] | None = None  # all groups of one person that the viewer joined, this one among them

    def all_members(self) -> list[str]:
        return self.members if self.beside is None else [m for g in self.beside for m in g.members]

    def one_person_with(self, other: _Group) -> bool:
        return self is other or (self.beside is not None and self.beside is other.beside)

    def apart(self, other: _Group) -> str:
        if self.nobody or other.nobody:
            return self.nobody or other.nobody
        if any(vetoes.birthdays_differ(a, b) for a in self.birthdays for b in other.birthdays):
            return "BIRTHDAY"
        if len(self.generations | other.generations) > 1:
            return "GENERATION"
        if any(vetoes.of_names(a, b) == Likeness.CONTRADICTS for a in self.names for b in other.names if a != b):
            return "NAMES"
        return ""

    def stand_beside(self, other: _Group) -> None:
        if self.one_person_with(other):
            return
        joined = [*(self.beside or [self]), *(other.beside or [other])]
        for group in joined:
            group.beside = joined

    def absorb(self, other: _Group) -> None:
        if self.beside is not None or other.beside is not None:
            self.stand_beside(other)
        if self.beside is not None:
            self.beside.remove(other)
        self.members += other.members
        self.names |= other.names
        self.birthdays |= other.birthdays
        self.generations |= other.generations


def group(facts: Mapping[str, Facts], decisions: Decisions | None = None, ties: Iterable[Tie] = ()) -> Groups:
    """The groups that follow from these facts and decisions, and from what the open web proves."""
    said = decisions or Decisions()
    never = said.forbidden()
    edges, shared = edges_of(facts, said, ties)
    at = {contact_id: _Group(one) for contact_id, one in facts.items()}
    refused: list[tuple[Edge, str]] = []
    for left, right in said.always:
        if left in at and right in at and not _forbidden(at[left], at[right], never):
            at[left].stand_beside(at[right])
    for edge in edges:
        why = _join(at, edge.left, edge.right, never)
        if why:
            refused.append((edge, why))
    people = {id(g.beside or g): g for g in at.values()}
    return Groups(
        groups=tuple(sorted((tuple(sorted(g.all_members())) for g in people.values()), key=lambda members: members[0])),
        edges=tuple(e for e in edges if at[e.left].one_person_with(at[e.right])),
        shared=tuple(sorted(shared, key=lambda s: (s.kind, s.value))),
        refused=tuple(refused),
    )


def _forbidden(one: _Group, other: _Group, never: Mapping[str, frozenset[str]]) -> bool:
    """Whether the viewer said that any two of these people are never one."""
    if not never or one.one_person_with(other):
        return False
    theirs = other.all_members()
    return any(not never[contact_id].isdisjoint(theirs) for contact_id in one.all_members() if contact_id in never)


def _join(at: dict[str, _Group], left: str, right: str, never: Mapping[str, frozenset[str]]) -> str:
    """Bring two groups together; says why not, when not."""
    one, other = at[left], at[right]
    if one is other:
        return ""
    if _forbidden(one, other, never):
        return "NEVER"
    why = one.apart(other)
    if why:
        return "" if one.one_person_with(other) else why
    if len(one.members) < len(other.members):
        one, other = other, one
    one.absorb(other)
    for contact_id in other.members:
        at[contact_id] = one
    return ""


class Users:
    """Who has each value: by it one contact that changed finds whom it must be decided with."""

    def __init__(self, facts: Mapping[str, Facts]) -> None:
        self._by_value: dict[tuple[str, str], list[str]] = {}
        for one in facts.values():
            for value in one.values:
                self._by_value.setdefault((value.kind, value.key), []).append(one.id)

    def of(self, kind: str, key: str) -> Sequence[str]:
        """The contacts that have a value."""
        return self._by_value.get((kind, key), ())


def component(facts: Mapping[str, Facts], start: Sequence[str], users: Users | None = None) -> set[str]:
    """Whoever hangs together with `start` by any value: who must be decided together."""
    known = users or Users(facts)
    seen, queue = set(start), list(start)
    while queue:
        for value in facts[queue.pop()].values:
            if value.kind == "EMAIL" and not value.private:
                continue  # a role's, a list's: proof to nobody, whoever has it
            for other in known.of(value.kind, value.key):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
    return seen
