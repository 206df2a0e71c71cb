"""Stored contacts as the engine reads them for suggestions: all that a record says, not only its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from providers import records
from resolvers.identity.cards import Card, CardAddress, CardName, CardOrganization, Facts, Kind, read
from resolvers.identity.clusters import KINDS

_BOOK: Final[Kind] = "ADDRESS_BOOK"


def facts_of(row: Any, record: records.Contact) -> Facts:
    """The facts of a contact; `row` has id, account_id, provider, photo_hash and look."""
    kind = KINDS.get(record.relation, _BOOK)
    urls = [url.url for url in record.urls]
    own = [h for h in record.handles if not h.claimed]
    urls += [h.url for h in record.handles if h.claimed and h.url]
    return read(
        Card(
            id=row.id, account=row.account_id, network=row.provider, kind=kind,
            names=tuple(CardName(full=n.full, given=n.given, family=n.family) for n in record.names),
            emails=tuple(e.address for e in record.emails if e.address), phones=tuple(p.number for p in record.phones if p.number),
            urls=tuple(urls), handles=tuple(f"{h.provider}:{h.handle}" for h in own),
            organizations=tuple(CardOrganization(name=o.name, title=o.title) for o in record.organizations),
            addresses=tuple(CardAddress(street=a.street, city=a.locality, postcode=a.postal_code) for a in record.addresses),
            birthday=next(_birthdays(record), None), photo_sha256=row.photo_hash,
            photo_dhash=row.look,
        )
    )  # fmt: skip


def _birthdays(record: records.Contact) -> Iterator[str]:
    for day in record.dates:
        if day.label == "birthday" and day.month is not None and day.day is not None:
            yield f"{'-' if day.year is None else f'{day.year:04d}'}-{day.month:02d}-{day.day:02d}"
