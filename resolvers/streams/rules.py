"""The rule language of streams: words, phrases and operators, put together with AND, OR, NOT and parentheses.

    rule    = all *( "OR" all )                 ; OR binds loosest
    all     = one *( [ "AND" ] one )            ; a blank is AND
    one     = *( "-" / "NOT" ) ( "(" rule ")" / operator ":" value / "#" tag / value )
    value   = word / DQUOTE *char DQUOTE        ; in quotes \" and \\ stand for themselves

A rule that is pasted from Gnip's PowerTrack reads as it did there, as far as it uses what there is here; what there is not is a mistake with
its place, never a word to look for. Words are folded as the search folds them (store/words.py). A rule names something that has to be there
in each of its alternatives: what only excludes would match nearly everything. `tokens.py` knows its words, `tree.py` what it becomes.
Knows no activity, no index, no database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from resolvers.streams.tokens import OPERATORS, BadRule, Circles, Reader, RuleError, Token
from resolvers.streams.tree import Every, Node, Not, Some

MAX_RULE: Final = 2_048  # characters, as in PowerTrack
MAX_DEPTH: Final = 16  # parentheses within parentheses
MAX_PARTS: Final = 128  # words, phrases and operators


def parse(text: str, networks: Collection[str] | None = None, circles: Circles | None = None) -> Node:
    """The rule that `text` says. `networks` and `circles` are those that `on:` and `in-circle:` may name, any without. Raises BadRule."""
    if len(text) > MAX_RULE:
        raise BadRule(
            [RuleError(f"A rule has at most {MAX_RULE:,} characters; this one has {len(text):,}.", MAX_RULE, len(text))]
        )
    reader = Reader(text, networks, circles)
    reader.read()
    tokens = reader.tokens
    if reader.errors:
        raise BadRule(reader.errors)
    leaves = [token for token in tokens if token.leaf is not None]
    if len(leaves) > MAX_PARTS:
        raise BadRule(
            [RuleError(f"A rule has at most {MAX_PARTS} words, phrases and operators.", leaves[MAX_PARTS].start, len(text))]
        )
    rule = _Parser(text, tokens).rule()
    if (loose := _loose(rule, negated=False)) is not None:
        raise BadRule([_only_excludes(rule, loose)])
    return rule


class _Parser:
    """Recursive descent over the tokens; the first mistake ends it."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.n = 0
        self.depth = 0

    def rule(self) -> Node:
        if not self.tokens:
            raise BadRule([RuleError("A rule needs at least one word, phrase or operator.", 0, len(self.text), _expected())])
        found = self._some()
        if (token := self._next()) is not None:
            raise BadRule([RuleError("This ) closes nothing: there is no ( before it.", token.start, token.end)])
        return found

    def _next(self) -> Token | None:
        return self.tokens[self.n] if self.n < len(self.tokens) else None

    def _some(self) -> Node:
        parts = [self._every()]
        while (token := self._next()) is not None and token.kind == "OR":
            self.n += 1
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Some(tuple(_flat(parts, Some)), (parts[0].at[0], parts[-1].at[1]))

    def _every(self) -> Node:
        parts = [self._one()]
        while (token := self._next()) is not None and token.kind not in (")", "OR"):
            if token.kind == "AND":
                self.n += 1
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Every(tuple(_flat(parts, Every)), (parts[0].at[0], parts[-1].at[1]))

    def _one(self) -> Node:
        start, negated = None, False
        while (token := self._next()) is not None and token.kind == "NOT":
            start = token.start if start is None else start
            negated = not negated
            self.n += 1
        if token is None or token.kind not in ("LEAF", "("):
            raise BadRule([self._missing(token)])
        self.n += 1
        inner = self._group(token) if token.leaf is None else token.leaf
        if not negated:
            return inner
        return inner.part if isinstance(inner, Not) else Not(inner, (inner.at[0] if start is None else start, inner.at[1]))

    def _group(self, opening: Token) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadRule([RuleError(f"Parentheses stand at most {MAX_DEPTH} within each other.", opening.start, opening.end)])
        inner = self._some()
        if self._next() is None:
            raise BadRule(
                [RuleError("This ( is never closed: put a ) where its group ends.", opening.start, len(self.text), (")",))]
            )
        self.n += 1
        self.depth -= 1
        return inner

    def _missing(self, token: Token | None) -> RuleError:
        before = self.tokens[self.n - 1] if self.n else None
        what = "the beginning" if before is None else self.text[before.start : before.end]
        if token is None:
            assert before is not None  # an empty rule is another mistake
            return RuleError(f"Something has to follow {what}.", before.start, before.end, _expected())
        written = self.text[token.start : token.end]
        if token.kind == ")" and before is not None and before.kind == "(":
            return RuleError("There is nothing in these parentheses.", before.start, token.end, _expected())
        return RuleError(f"Between {what} and {written} something is missing.", token.start, token.end, _expected())


def _expected() -> tuple[str, ...]:
    return (*(f"{name}:" for name in OPERATORS), "(", '"')


def _flat(parts: list[Node], kind: type[Every] | type[Some]) -> Iterator[Node]:
    """The parts, with those of groups that parentheses made for nothing in place of these."""
    for part in parts:
        if isinstance(part, kind):
            yield from part.parts
        else:
            yield part


def _loose(rule: Node, *, negated: bool) -> Node | None:
    """A part in which nothing has to be there; None when every alternative names something."""
    if isinstance(rule, Not):
        return _loose(rule.part, negated=not negated)
    if isinstance(rule, Every | Some):
        found = [_loose(part, negated=negated) for part in rule.parts]
        if isinstance(rule, Every) != negated:  # one part that names something is enough
            return rule if all(one is not None for one in found) else None
        return next((part for part, one in zip(rule.parts, found, strict=True) if one is not None), None)
    return rule if negated else None


def _only_excludes(rule: Node, loose: Node) -> RuleError:
    start, end = loose.at
    if isinstance(rule, Some) and loose is not rule:
        text = "This alternative only excludes, so that nearly everything would meet the rule. Put what has to be there beside it"
    else:
        start, end = rule.at
        text = "This only excludes, so that nearly everything would meet the rule. Add a word or operator that has to be there"
    return RuleError(f"{text}; to exclude several things, write: word -(a OR b).", start, end, _expected())
