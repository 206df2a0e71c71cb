"""What an operator has agreed with paid sources of facts, from the settings; and what is missing, for `kith doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from gateway.settings import Settings, variable
from providers.enrichment.offer import MILLION, SOURCES, Terms


def of(settings: Settings) -> dict[str, Terms]:
    """The terms of each source that has a key and a price."""
    found: dict[str, Terms] = {}
    for source in SOURCES:
        prefix = source.key.lower()
        secret = getattr(settings, f"{prefix}_key", None)
        price = getattr(settings, f"{prefix}_price", None)
        if source.paid and secret is not None and secret.reveal() and price is not None:
            url = str(getattr(settings, f"{prefix}_url"))
            found[source.key] = Terms(key=secret.reveal(), price=micros(price), url=url)
    return found


def half_set(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """(name, variable that is missing, page) of each source of which only half is set."""
    for source in SOURCES:
        prefix = source.key.lower()
        if not source.paid:
            continue
        keyed = bool(getattr(settings, f"{prefix}_key").reveal())
        priced = getattr(settings, f"{prefix}_price") is not None
        if keyed != priced:
            yield source.name, variable(f"{prefix}_price" if keyed else f"{prefix}_key"), source.docs_path


def micros(dollars: Decimal) -> int:
    """An amount in millionths of a US dollar."""
    return int(dollars * MILLION)
