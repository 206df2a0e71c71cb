"""Likenesses weighed by the file itself, for `--accept` on a plain list: one table of people with copies that were mistyped.

The frozen weights know how one person stands in many networks. A list that names neither account nor network has another kind of
doubles, and how often its fields are mistyped or empty only the list can tell. So this is the model of Fellegi and Sunter (A Theory
for Record Linkage, 1969): each field has levels of agreement, each level the chance `m` of occurring between two cards of one
person and `u` between two people's. `u` is counted over pairs drawn at random, `m` estimated by expectation and maximisation over
pairs that share a key, whose fields are left out of that round; an agreement on a rare value counts more than on a common one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from resolvers.identity.cards import Card
from resolvers.identity.lines import number
from resolvers.identity.mailboxes import mailbox
from resolvers.identity.scoring import Suggestion
from resolvers.identity.spelled_alike import similarity, slips
from resolvers.identity.spelling import latin
from resolvers.identity.tables import pet_forms
from store.words import fold

FIELDS: Final = ("given", "family", "birthday", "email", "phone", "street", "city", "postcode", "work")
BLOCK: Final = 300  # cards with one key beyond which the key says too little
DRAWN: Final = 300_000  # pairs drawn to see how strangers agree
STEPS: Final = 30
EACH: Final = 100  # of them for each card
STRIDE: Final = 7919
FLOOR: Final = -6.0  # log-odds below which a pair is not worth showing
AGAINST: Final = -3.0  # mean log-odds (one in twenty) below which two groups stay apart
LOUDEST: Final = 12.0  # log-odds beyond which one pair says no more in that mean
LOOKED_AT: Final = 8  # contacts of each group that are looked at for it
LEAST: Final = 1e-5  # no level is impossible
_GIVEN, _FAMILY, _BIRTHDAY, _EMAIL, _PHONE, _STREET, _CITY, _POSTCODE, _WORK = range(9)
_RARE: Final = (_GIVEN, _FAMILY, _CITY, _POSTCODE, _WORK)  # whose values are common or rare

Row = tuple[str, ...]  # the values of FIELDS, empty where nothing is said
Levels = tuple[int, ...]  # for each field: 0 not told, 1 other, and up to equal


def is_plain(cards: Iterable[Card]) -> bool:
    """Whether a file is one list: no contact says which account or network it is of."""
    return not any(card.account or card.network for card in cards)


def row(card: Card, region: str | None = None) -> Row:
    """A card's fields as they are compared."""
    name = card.names[0] if card.names else None
    given, family = (name.given or "", name.family or "") if name is not None else ("", "")
    if name is not None and not given and not family:
        *before, family = fold(name.full).split() or [""]
        given = " ".join(before)
    address = card.addresses[0] if card.addresses else None
    box = mailbox(card.emails[0]) if card.emails else None
    phone = number(card.phones[0], region) if card.phones else None
    return (
        _plain(given), _plain(family), card.birthday or "", box.key if box else "", phone.key if phone else "".join(card.phones[:1]),
        fold(address.street or "") if address else "", fold(address.city or "") if address else "",
        _plain(address.postcode or "", digits=True) if address else "", fold(card.organizations[0].name) if card.organizations else "",
    )  # fmt: skip


def _plain(text: str, *, digits: bool = False) -> str:
    return "".join(fold(text).split()) if digits else " ".join(filter(None, map(latin, fold(text).split())))


# --- levels -------------------------------------------------------------------------------------------------------------------


def levels(a: Row, b: Row) -> Levels:
    """How far two rows agree, field by field."""
    given, family = _names(a, b)
    return (
        given, family, _level(a[_BIRTHDAY], b[_BIRTHDAY], _date), _level(a[_EMAIL], b[_EMAIL], _mail), _level(a[_PHONE], b[_PHONE], _digits),
        _level(a[_STREET], b[_STREET], _text), _level(a[_CITY], b[_CITY], _text), _level(a[_POSTCODE], b[_POSTCODE], _digits),
        _level(a[_WORK], b[_WORK], _text),
    )  # fmt: skip


def _level(x: str, y: str, compare: Callable[[str, str], int]) -> int:
    if not x or not y:
        return 0
    return 5 if x == y else compare(x, y)


def _names(a: Row, b: Row) -> tuple[int, int]:
    straight = _level(a[_GIVEN], b[_GIVEN], _name), _level(a[_FAMILY], b[_FAMILY], _name)
    if max(straight) > 1:
        return straight
    swapped = _level(a[_GIVEN], b[_FAMILY], _name), _level(a[_FAMILY], b[_GIVEN], _name)
    return (min(swapped[0], 4), min(swapped[1], 4)) if min(swapped) > 2 or sum(swapped) > 6 else straight


def _name(x: str, y: str) -> int:
    near = similarity(x, y)
    if near >= 0.92 or y in pet_forms().get(x, ()):
        return 4
    return 3 if near >= 0.85 or (len(x) == 1 or len(y) == 1) * (x[0] == y[0]) else 2 if near >= 0.75 else 1


def _date(x: str, y: str) -> int:
    off = slips(x, y)
    if off == 1:
        return 4
    if x[:4] == y[:4] or off == 2:
        return 3
    return 2 if x[4:] == y[4:] else 1


def _mail(x: str, y: str) -> int:
    local, other = x.partition("@")[0], y.partition("@")[0]
    if local == other or slips(x, y) <= 2:
        return 4
    return 3 if slips(local, other) <= 2 or similarity(x, y) >= 0.92 else 1


def _digits(x: str, y: str) -> int:
    off = slips(x, y)
    return 4 if off == 1 else 3 if off == 2 else 1


def _text(x: str, y: str) -> int:
    near = similarity(x, y)
    if near >= 0.92:
        return 4
    one, other = set(x.split()), set(y.split())
    return 3 if near >= 0.85 or len(one & other) * 2 >= max(len(one), len(other)) else 1


# --- which pairs --------------------------------------------------------------------------------------------------------------


def keys(one: Row) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """The keys of a row: kind, the fields it is made of, value."""
    given, family, birthday, email, phone, street, city, postcode, _ = one
    if family:
        yield "family", (_GIVEN, _FAMILY), f"{family} {given[:1]}"
    if birthday:
        yield "birthday", (_BIRTHDAY,), birthday
    if email:
        yield "email", (_EMAIL,), email
        yield "local", (_EMAIL,), email.partition("@")[0]
    if phone:
        yield "phone", (_PHONE,), phone
    if street:
        yield "street", (_STREET,), street
        yield "lane", (_STREET, _GIVEN), f"{street.partition(' ')[2]} {given[:2]}"
    if given:
        if postcode:
            yield "area", (_GIVEN, _POSTCODE), f"{postcode} {given}"
        if city:
            yield "town", (_GIVEN, _CITY), f"{city} {given}"
        if birthday:
            yield "year", (_GIVEN, _BIRTHDAY), f"{birthday[:4]} {given}"
    if family and birthday:
        yield "day", (_FAMILY, _BIRTHDAY), f"{birthday[4:]} {family[:3]}"
        yield "born", (_FAMILY, _BIRTHDAY), f"{birthday[:4]} {family[:4]}"
    if family and given:
        yield "name", (_GIVEN, _FAMILY), " ".join(sorted((given, family)))
    if family and postcode:
        yield "place", (_FAMILY, _POSTCODE), f"{postcode} {family[:4]}"
    if street and city:
        yield "house", (_STREET, _CITY), f"{street[:6]} {city[:6]}"


def _blocks(rows: Sequence[Row]) -> dict[str, tuple[tuple[int, ...], list[list[int]]]]:
    found: dict[str, tuple[tuple[int, ...], dict[str, list[int]]]] = {}
    for n, one in enumerate(rows):
        for kind, fields, value in keys(one):
            found.setdefault(kind, (fields, defaultdict(list)))[1][value].append(n)
    return {kind: (fields, [b for b in by.values() if 1 < len(b) <= BLOCK]) for kind, (fields, by) in found.items()}


# --- the model ----------------------------------------------------------------------------------------------------------------


class Model:
    """The chances of each level of each field, for one person's cards and for two people's, and how common values are."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.seen = {f: Counter(r[f] for r in rows if r[f]) for f in _RARE}
        self.total = {f: max(1, sum(c.values())) for f, c in self.seen.items()}
        self.u = _shares(self._drawn())
        self.m: list[list[float]] = [[1.0] * 6 for _ in FIELDS]
        self.odds = 0.0  # log-odds that two cards are one person's, before anything is compared

    def _drawn(self) -> Counter[Levels]:
        """Pairs of strangers: each row beside others at ever other distances, the same ones in every run."""
        size = len(self.rows)
        pairs = (
            (n % size, (n + 1 + n * STRIDE % max(1, size - 1)) % size) for n in range(min(DRAWN, EACH * size, size * (size - 1)))
        )
        return Counter(levels(self.rows[a], self.rows[b]) for a, b in pairs)

    def learn(self, rounds: Sequence[tuple[tuple[int, ...], Counter[Levels]]]) -> None:
        """Estimate `m` from the pairs of each key, the key's own fields left out."""
        sums = [[0.0] * 6 for _ in FIELDS]
        for fields, patterns in rounds:
            told = [f for f in range(len(FIELDS)) if f not in fields]
            for f, level, weight in self._maximised(patterns, told):
                sums[f][level] += weight
        for f, counted in enumerate(sums):
            self.m[f] = _smoothed(counted)

    def _maximised(self, patterns: Mapping[Levels, int], told: Sequence[int]) -> Iterator[tuple[int, int, float]]:
        m = [_smoothed([0, 1, 2, 4, 8, 80]) for _ in FIELDS]
        share = 0.3
        for _ in range(STEPS):
            sums = [[0.0] * 6 for _ in FIELDS]
            mass = 0.0
            for pattern, count in patterns.items():
                odds = math.log(share / (1 - share))
                odds += sum(math.log(m[f][pattern[f]] / self.u[f][pattern[f]]) for f in told if pattern[f])
                chance = count / (1 + math.exp(-max(-50.0, min(50.0, odds))))
                mass += chance
                for f in told:
                    sums[f][pattern[f]] += chance
            share = min(0.999, max(1e-6, mass / max(1, sum(patterns.values()))))
            for f in told:
                m[f] = _smoothed(sums[f])
        return ((f, level, sums[f][level]) for f in told for level in range(1, 6))

    def settle(self, patterns: Mapping[Levels, int]) -> None:
        """Find how many of all pairs are one person's, given what the candidates look like."""
        size = len(self.rows)
        if size < 2:
            return
        every = size * (size - 1) / 2
        weighed = [(self.weight(pattern), count) for pattern, count in patterns.items()]
        share = min(0.5, size / every)
        for _ in range(STEPS):
            odds = math.log(share / (1 - share))
            share = sum(count / (1 + math.exp(-max(-50.0, min(50.0, odds + w)))) for w, count in weighed) / every
            share = min(0.5, max(0.1 / every, share))
        self.odds = math.log(share / (1 - share))

    def weight(self, pattern: Levels) -> float:
        """The log of how much likelier these levels are between one person's cards."""
        return sum(math.log(self.m[f][level] / self.u[f][level]) for f, level in enumerate(pattern) if level)

    def score(self, a: int, b: int, pattern: Levels) -> float:
        """The log-odds that two rows are one person's."""
        odds = self.odds + self.weight(pattern)
        for f in _RARE:
            if pattern[f] == 5:
                value = self.rows[a][f]
                odds += 0.5 * math.log(self.u[f][5] / max(LEAST, self.seen[f][value] / self.total[f]))
        return odds


def _shares(patterns: Mapping[Levels, int]) -> list[list[float]]:
    sums = [[0.0] * 6 for _ in FIELDS]
    for pattern, count in patterns.items():
        for f, level in enumerate(pattern):
            sums[f][level] += count
    return [_smoothed(s) for s in sums]


def _smoothed(counted: Sequence[float]) -> list[float]:
    whole = sum(counted[1:]) or 1.0
    return [1.0] + [max(LEAST, (count + 0.01) / (whole + 0.05)) for count in counted[1:]]


class Estimate:
    """A file weighed by itself: its suggestions by contact, surest first, and what keeps groups of its contacts apart."""

    def __init__(self, cards: Iterable[Card], region: str | None = None) -> None:
        order = sorted(cards, key=lambda card: card.id)
        self._ids = [card.id for card in order]
        self._at = {contact_id: n for n, contact_id in enumerate(self._ids)}
        self._rows = [row(card, region) for card in order]
        self._model = Model(self._rows)
        self._known: dict[int, Levels] = {}
        rounds = [(fields, self._compared(blocks)) for fields, blocks in _blocks(self._rows).values()]
        self._model.learn(rounds)
        self._model.settle(Counter(self._known.values()))

    def _compared(self, blocks: Iterable[Sequence[int]]) -> Counter[Levels]:
        """How often each pattern of levels occurs in the blocks of one key."""
        rows, known, size = self._rows, self._known, len(self._rows)
        patterns: Counter[Levels] = Counter()
        for block in blocks:
            for n, b in enumerate(block):
                for a in block[:n]:
                    pattern = known.get(a * size + b)
                    if pattern is None:
                        pattern = known[a * size + b] = levels(rows[a], rows[b])
                    patterns[pattern] += 1
        return patterns

    def suggestions(self, floor: float = FLOOR) -> list[Suggestion]:
        """Pairs of contacts whose log-odds are above `floor`, surest first, ties by id."""
        found = []
        for packed, pattern in self._known.items():
            a, b = divmod(packed, len(self._rows))
            score = self._model.score(a, b, pattern)
            if score > floor:
                found.append(Suggestion(left=self._ids[a], right=self._ids[b], score=score))
        return sorted(found, key=lambda s: (-s.score, s.left, s.right))

    def apart(self, left: Sequence[str], right: Sequence[str]) -> bool:
        """Whether the contacts of two groups, two by two, speak on average against their being one person's copies.

        One pair that agrees by chance therefore does not chain two groups together.
        """
        ours, theirs = ([self._at[c] for c in side[:LOOKED_AT]] for side in (left, right))
        odds = [
            self._model.score(a, b, levels(self._rows[a], self._rows[b]))
            for a, b in ((min(p), max(p)) for p in product(ours, theirs))
        ]
        return sum(max(-LOUDEST, min(LOUDEST, one)) for one in odds) / len(odds) < AGAINST
