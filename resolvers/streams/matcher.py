"""Which of many rules an activity meets, in time that grows with the activity and with what it meets, not with how many rules there are.

Every rule is entered in an index under keys of which at least one has to be there when it is met (rules.py sees to it that there are
some): of an AND those of one part, of an OR those of every part, and of these the rarest in what `frequencies` says of the past. An activity
looks its own keys up, and only rules found so are looked at: first whether the rest of the keys that have to be there are, then the
whole rule. Rules that say the same are one. Which keys a rule stands under changes how fast it is found, never whether. Knows no database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final

from resolvers.streams.documents import Document
from resolvers.streams.tree import CIRCLE, Address, Every, Fact, Leaf, Node, Not, Some, Words, is_letter

#: How common a key is taken to be of which nothing is known: there are few of these, and each holds for many activities.
_COMMON: Final = {"has:": 1_000_000, "lang:": 1_000_000, "on:": 1_000_000, CIRCLE: 1_000_000}
Meets = Callable[[Document], bool]
Keys = frozenset[str]


class _Plan:
    """A rule in the index: what it takes to meet it, and what it is called by those who have it."""

    __slots__ = ("alternatives", "meets", "names")

    def __init__(self, rule: Node, alternatives: list[tuple[str, Keys]]) -> None:
        self.names: dict[Hashable, None] = {}
        self.alternatives = alternatives
        self.meets = compiled(rule)


class Matcher:
    """Rules by name. `frequencies` says in how many activities of a sample each key was."""

    def __init__(self, frequencies: Mapping[str, int] | None = None) -> None:
        self._frequencies = frequencies or {}
        self._plans: dict[Node, _Plan] = {}
        self._named: dict[Hashable, Node] = {}
        self._index: dict[str, dict[tuple[Node, int], tuple[Keys, _Plan]]] = {}

    def __len__(self) -> int:
        return len(self._named)

    def add(self, name: Hashable, rule: Node) -> None:
        """Enter a rule, in place of the one that had the name."""
        self.remove(name)
        plan = self._plans.get(rule)
        if plan is None:
            alternatives = [(min(keys, key=self._rank), keys) for keys in self._cover(rule)]
            plan = self._plans[rule] = _Plan(rule, alternatives)
            for n, (anchor, keys) in enumerate(alternatives):
                self._index.setdefault(anchor, {})[rule, n] = (keys - {anchor}, plan)
        plan.names[name] = None
        self._named[name] = rule

    def remove(self, name: Hashable) -> None:
        """Take a rule out; nothing happens where there is none."""
        rule = self._named.pop(name, None)
        if rule is None:
            return
        plan = self._plans[rule]
        del plan.names[name]
        if plan.names:
            return
        del self._plans[rule]
        for n, (anchor, _) in enumerate(plan.alternatives):
            bucket = self._index[anchor]
            del bucket[rule, n]
            if not bucket:
                del self._index[anchor]

    def match(self, document: Document) -> list[Hashable]:
        """The names of all rules that the activity meets."""
        there = document.keys
        index = self._index
        tried: dict[_Plan, bool] = {}
        for key in there:
            bucket = index.get(key)
            if bucket is None:
                continue
            for others, plan in bucket.values():
                if others <= there and plan not in tried:
                    tried[plan] = plan.meets(document)
        return [name for plan, met in tried.items() if met for name in plan.names]

    def _cover(self, rule: Node, *, negated: bool = False) -> list[Keys]:
        """Sets of keys, one of which is there as a whole whenever the rule is met; empty where nothing has to be there."""
        if isinstance(rule, Not):
            return self._cover(rule.part, negated=not negated)
        if not isinstance(rule, Every | Some):
            return [] if negated else [_keys(rule)]
        parts = [self._cover(part, negated=negated) for part in rule.parts]
        if isinstance(rule, Every) == negated:  # one of the parts holds, and it may be any
            return [keys for part in parts for keys in part] if all(parts) else []
        # all of the parts hold: what is certain goes with the part that is found least often
        certain: Keys = frozenset().union(*(part[0] for part in parts if len(part) == 1))
        ways = [[keys | certain for keys in part] for part in parts if len(part) > 1] + ([[certain]] if certain else [])
        return min(ways, key=self._expected, default=[])

    def _expected(self, alternatives: list[Keys]) -> int:
        """How often one of these would be found."""
        return sum(self._rank(min(keys, key=self._rank))[0] for keys in alternatives)

    def _rank(self, key: str) -> tuple[int, int, str]:
        """Rare keys first; of those that are not known the long ones."""
        known = self._frequencies.get(key)
        if known is None:
            known = 0 if self._frequencies else max((n for start, n in _COMMON.items() if key.startswith(start)), default=0)
        return known, -len(key), key


def _keys(leaf: Leaf) -> Keys:
    """All of what is there whenever a leaf is met."""
    if isinstance(leaf, Fact):
        return frozenset((leaf.key,))
    if isinstance(leaf, Address):
        return frozenset((f"url={leaf.host}",))
    name = "" if leaf.column == "text" else f"{leaf.column}:"
    return frozenset(f"{name}{word}" for word in leaf.words)


def compiled(rule: Node) -> Meets:
    """A function that says whether an activity meets the rule."""
    if isinstance(rule, Not):
        part = compiled(rule.part)
        return lambda document: not part(document)
    if isinstance(rule, Every):
        parts = [compiled(one) for one in rule.parts]
        return lambda document: all(one(document) for one in parts)
    if isinstance(rule, Some):
        parts = [compiled(one) for one in rule.parts]
        return lambda document: any(one(document) for one in parts)
    if isinstance(rule, Address):
        return _address(rule)
    if isinstance(rule, Words) and len(rule.words) > 1:
        return _phrase(rule)
    (key,) = _keys(rule)
    return lambda document: key in document.keys


def _phrase(rule: Words) -> Meets:
    """Words side by side. A letter of a script without blanks, at either end, may be the border of a longer run."""
    first, last = rule.words[0], rule.words[-1]
    wanted = ("" if is_letter(first) else " ") + " ".join(rule.words) + ("" if is_letter(last) else " ")
    column = rule.column
    return lambda document: wanted in document.columns.get(column, "")


def _address(rule: Address) -> Meets:
    host, path, beneath = rule.host, rule.path, f".{rule.host}"

    def meets(document: Document) -> bool:
        return any(
            (link.host == host or link.host.endswith(beneath))
            and link.path.startswith(path)
            and link.path[len(path) : len(path) + 1] in ("", "/", "?", "#")
            for link in document.links
        )

    return meets
