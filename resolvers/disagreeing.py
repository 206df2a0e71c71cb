"""Where the sources of a person disagree, and why what is shown first is shown first. Pure: it follows from the projection alone.

Only what a person has one of can be in conflict: a name, a birthday, an employer and, at home or at work, a town. That two records know two
addresses of e-mail is no conflict. Two records disagree when each says something and nothing that one says fits what the other says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from resolvers.identity.names import Likeness, compare, parse
from resolvers.identity.organizations import organization
from resolvers.projection import Projection, Sourced, SourcedAddress, SourcedDate, SourcedName, is_birthday
from store.words import fold

MAX_VALUES: Final = 20
MAX_COMPARED: Final = 50  # of one field: what is said more often than that says nothing
_CHOSEN: Final = "You chose it by hand."
_MORE: Final = "More of the records say so."
_FIRST: Final = {
    "NAME": "It stands in the record that you know them by best: a card that you wrote goes before what networks and messages say.",
    "BIRTHDAY": "It is the most complete date of the record that you know them by best.",
    "ORGANIZATION": "It is the latest that somebody says who knows them: your own cards and confirmed contacts go before strangers' words.",
    "ADDRESS": "It is the latest that somebody says who knows them: your own cards and confirmed contacts go before strangers' words.",
}


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A field (PersonField) of which records say different things; `values` best first."""

    field: str
    values: tuple[Sourced, ...]
    sentence: str


def conflicts(facts: Projection) -> list[Conflict]:
    """The fields where the sources of a person disagree."""
    return list(_found(facts))


def _found(facts: Projection) -> Iterator[Conflict]:
    names = sorted((n for n in facts.names if "@" not in n.full), key=lambda n: not n.preferred)
    births = [d for d in facts.dates if is_birthday(d)]
    asked: list[tuple[str, Sequence[Any], Callable[[Any, Any], bool]]] = [
        ("NAME", names, _one_name),
        ("BIRTHDAY", births, _one_day),
        ("ORGANIZATION", facts.organizations, _one_employer),
    ]
    asked += [("ADDRESS", _at(facts.addresses, label), _one_town) for label in dict.fromkeys(a.label for a in facts.addresses)]
    for field, values, fit in asked:
        told = _disagreeing(values[:MAX_COMPARED], fit)
        if told:
            yield Conflict(field=field, values=told[:MAX_VALUES], sentence=_sentence(field, told))


def _disagreeing(values: Sequence[Any], fit: Callable[[Any, Any], bool]) -> tuple[Any, ...]:
    """The first value with all that other records say instead; empty where none does."""
    if not values:
        return ()
    first, told = values[0], {s.contact_id for s in values[0].sources}
    agreeing = told | {s.contact_id for v in values[1:] if fit(first, v) for s in v.sources}
    others = [v for v in values[1:] if not fit(first, v) and any(s.contact_id not in agreeing for s in v.sources)]
    if first.chosen and not told:  # nobody says it any more: whatever is said is something else
        others = [v for v in values[1:] if not fit(first, v)]
    return (first, *others) if others else ()


def _sentence(field: str, values: Sequence[Sourced]) -> str:
    if values[0].chosen:
        return _CHOSEN
    if field == "BIRTHDAY" and len(values[0].sources) > max(len(v.sources) for v in values[1:]):
        return _MORE
    return _FIRST[field]


def _one_name(one: SourcedName, other: SourcedName) -> bool:
    return any(
        compare(a, b) not in (Likeness.CONTRADICTS, Likeness.PARTLY)
        for a in parse(one.full, one.given or "", one.family or "")
        for b in parse(other.full, other.given or "", other.family or "")
    )


def _one_day(one: SourcedDate, other: SourcedDate) -> bool:
    parts = ((one.year, other.year), (one.month, other.month), (one.day, other.day))
    return all(a is None or b is None or a == b for a, b in parts)


def _one_employer(one: Any, other: Any) -> bool:
    return organization(one.name) == organization(other.name)


def _at(addresses: Sequence[SourcedAddress], label: str | None) -> list[SourcedAddress]:
    return [a for a in addresses if a.label == label and a.locality]


def _one_town(one: SourcedAddress, other: SourcedAddress) -> bool:
    return fold(one.locality or "") == fold(other.locality or "")
