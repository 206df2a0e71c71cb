"""What statements amount to: which addresses are one thing, and what each claim is worth.

A claim is returned when the other side, under any of its names, says that it is this one. Two names are one thing only where their common
host says so or each names the other; that one of them says so makes nothing one. So a ring of pages that name each other and a stranger
stays a ring, whatever its length: the stranger would have to name one of them. What a host says that it has seen of its own user's links
counts beside the answer, never for it: anybody may run a host. A link is followed to where its address leads for good.
Pure: the same statements in any order give the same graph.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from providers.lookup import resources
from providers.lookup.reading import Profile, Reading, Relation, Statement
from providers.lookup.resources import key

Claim = Literal["CLAIMED", "RECIPROCAL", "VERIFIED"]
#: What says that two addresses are one person's.
IDENTITY: Final = frozenset({"ME", "MOVED_TO"})


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of one address about another, weighed. `protocols` are the ways in which it was said, `url` where, `read_at` when.

    `verifier` is the host that vouches for it, or says that it has seen it returned, `verified_at` when by its own word.
    """

    from_: str
    to: str
    relation: Relation
    claim: Claim
    protocols: tuple[str, ...]
    url: str
    read_at: datetime
    verifier: str | None = None
    verified_at: datetime | None = None


class Graph:
    """All that was read, weighed anew with each `add`."""

    def __init__(self) -> None:
        self._said: dict[Statement, Reading] = {}
        self._leads: dict[str, str] = {}  # key of an address → key of where it leads for good
        self._today: dict[str, str] = {}  # the same, for good or not
        self._spelled: dict[str, str] = {}  # key → the first spelling of it
        self._profiles: dict[str, Profile] = {}
        self._parent: dict[str, str] | None = None

    def add(self, reading: Reading) -> None:
        """Takes in what a document says."""
        self._parent = None
        self._spell(reading.ask.subject)
        if reading.moved is not None:
            self._spell(reading.moved)
            if key(reading.moved) != key(reading.ask.url):
                self._leads[key(reading.ask.url)] = key(reading.moved)
        if reading.target is not None and key(reading.target) != key(reading.ask.url):
            self._spell(reading.target)
            self._today[key(reading.ask.url)] = key(reading.target)
        for statement in reading.statements:
            self._spell(statement.speaker)
            self._spell(statement.target)
            self._said.setdefault(statement, reading)
        for profile in reading.profiles:
            self._spell(profile.uri)
            known = self._profiles.get(key(profile.uri))
            if known is not None:
                profile = Profile(
                    uri=known.uri,
                    name=known.name or profile.name,
                    photo=known.photo or profile.photo,
                    bio=known.bio or profile.bio,
                )
            self._profiles[key(profile.uri)] = profile

    def led(self, uri: str) -> str:
        """Where an address leads for good; itself where it stays."""
        return self._spelled.get(_followed(self._leads, key(uri)), uri)

    def shown(self, uri: str) -> str:
        """What is shown today to whoever asks for an address."""
        return self._spelled.get(_followed({**self._leads, **self._today}, key(uri)), uri)

    def uris(self) -> list[str]:
        """Every address that speaks or is spoken of, sorted."""
        return sorted(self._spelled.values())

    def profile(self, uri: str) -> Profile:
        """What is shown at an address."""
        return self._profiles.get(key(uri), Profile(uri=uri))

    def has_account(self, uri: str) -> bool:
        """Whether it is known which account a page or actor is."""
        return any(each.startswith("acct:") and self._class(each) == self._class(key(uri)) for each in self._spelled)

    def identities(self, uri: str) -> list[tuple[str, Statement]]:
        """What an address, under this very spelling, says that it is: (target, statement) in the order in which it was said."""
        wanted = key(uri)
        return [(s.target, s) for s in self._said if key(s.speaker) == wanted and s.relation in IDENTITY]

    def links(self) -> list[Link]:
        """Every statement, weighed; the same one said in several ways is one link."""
        grouped: dict[tuple[str, str, Relation], list[Statement]] = defaultdict(list)
        for statement in self._said:
            grouped[key(statement.speaker), key(statement.target), statement.relation].append(statement)
        answered = self._answered()
        found = []
        for (speaker, target, relation), statements in sorted(grouped.items()):
            claim = self._weighed(statements, answered)
            evidence = min(statements, key=lambda s: (not s.vouched, not s.mutual, s.protocol))
            by, at = self._verified(statements)
            found.append(
                Link(
                    from_=self._spelled[speaker],
                    to=self._spelled[target],
                    relation=relation,
                    claim=claim,
                    protocols=tuple(sorted({s.protocol for s in statements})),
                    url=self._said[evidence].url,
                    read_at=self._said[evidence].read_at,
                    verifier=by,
                    verified_at=at,
                )
            )
        return found

    def distances(self, start: Iterable[str]) -> dict[str, int]:
        """The addresses that are proven to be one person's with `start`, by key, with how many proven steps away they are."""
        edges: dict[str, set[str]] = defaultdict(set)
        for link in self.links():
            if link.claim != "CLAIMED" and link.relation in IDENTITY:
                left, right = self._class(key(link.from_)), self._class(self._resolved(key(link.to)))
                edges[left].add(right)
                edges[right].add(left)
        reached = {self._class(key(uri)): 0 for uri in start}
        queue = deque(reached)
        while queue:
            here = queue.popleft()
            for there in edges[here] - reached.keys():
                reached[there] = reached[here] + 1
                queue.append(there)
        return {each: reached[self._class(each)] for each in self._spelled if self._class(each) in reached}

    # --- weighing -------------------------------------------------------------------------------------------------------

    def _verified(self, statements: list[Statement]) -> tuple[str | None, datetime | None]:
        """Who vouches for a link or has seen it returned, and when: of several the one who vouches, else the last to have looked."""
        told = max((s for s in statements if s.vouched or s.seen), key=lambda s: (s.vouched, s.seen, s.protocol), default=None)
        if told is None:
            return None, None
        reading = self._said[told]
        return resources.host(reading.url) or None, datetime.fromisoformat(told.seen) if told.seen else reading.read_at

    def _weighed(self, statements: list[Statement], answered: Mapping[str, set[tuple[str, str]]]) -> Claim:
        if any(s.vouched for s in statements):
            return "VERIFIED"
        first = statements[0]
        speaker, target = key(first.speaker), self._resolved(key(first.target))
        if first.relation == "ALIAS":
            back = (target, speaker) in answered["ALIAS"]
            return (
                "RECIPROCAL"
                if (back and any(s.mutual for s in statements)) or self._class(speaker) == self._class(target)
                else "CLAIMED"
            )
        if not any(s.mutual for s in statements):
            return "CLAIMED"
        kind = "IDENTITY" if first.relation in IDENTITY else first.relation
        if (self._class(target), self._class(speaker)) not in answered[kind]:
            return "CLAIMED"
        return "VERIFIED" if any(s.seen for s in statements) else "RECIPROCAL"

    def _answered(self) -> dict[str, set[tuple[str, str]]]:
        """(who says it, of whom) by kind of statement, of those that can answer another: aliases by address, others by what is one."""
        found: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for s in self._said:
            if not s.mutual:
                continue
            speaker, target = key(s.speaker), self._resolved(key(s.target))
            if s.relation == "ALIAS":
                found["ALIAS"].add((speaker, target))
            else:
                kind = "IDENTITY" if s.relation in IDENTITY else s.relation
                found[kind].add((self._class(speaker), self._class(target)))
        return found

    def _class(self, uri_key: str) -> str:
        """One of the names of what an address is a name of."""
        if self._parent is None:
            self._parent = {}
            said = {(key(s.speaker), self._resolved(key(s.target))) for s in self._said if s.relation == "ALIAS" and s.mutual}
            for s in sorted(self._said):
                left, right = key(s.speaker), key(s.target)
                if s.relation == "ALIAS" and (s.vouched or (s.mutual and (self._resolved(right), left) in said)):
                    one, other = sorted((self._root(left), self._root(self._resolved(right) if not s.vouched else right)))
                    self._parent[other] = one
        return self._root(uri_key)

    def _root(self, uri_key: str) -> str:
        assert self._parent is not None
        while (above := self._parent.get(uri_key, uri_key)) != uri_key:
            uri_key = above
        return uri_key

    def _resolved(self, uri_key: str) -> str:
        return _followed(self._leads, uri_key)

    def _spell(self, uri: str) -> None:
        self._spelled.setdefault(key(uri), uri)


def _followed(leads: Mapping[str, str], uri_key: str) -> str:
    """Where a chain ends; where it goes round, at its last new address."""
    seen = {uri_key}
    while (there := leads.get(uri_key)) is not None and there not in seen:
        seen.add(there)
        uri_key = there
    return uri_key
