"""One invented address book, taken in from every form that programs export it in, then again, then with broken rows.

Each form has a viewer of its own. What is stored is compared with the writer's book, field by field, as far as the form can hold
it; the second import may write no change that clients see; each spoiled row must be named by its number, with advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from benchmarks import address_book
from gateway.imports import Report as Import
from gateway.imports import failed_rows
from providers import records
from store.tables import contact
from tests.chaos.report import Report
from tests.household import Household, open_sqlite
from tests.workshop import Workshop, workshop

BOOKKEEPING = ("IMPORT", "ACCOUNT")  # an import is itself a change, and its account says when it was last filled


async def take_in_every_form(home: Path, *, contacts: int, broken: int) -> Report:
    """All forms with so many contacts, then with so many broken rows among them."""
    report = Report()
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody else waits
    cards = address_book.people(contacts)
    spoiled = [n * contacts // broken for n in range(broken)]
    async with open_sqlite(home) as database, workshop(database, home) as shop:
        for form in address_book.WRITERS:
            household = await Household.open(database, f"u_{form}")
            path = address_book.write(cards, form, home / f"{form}.export")
            (first,) = await shop.bring(household.viewer, path)
            report.expect(f"{form}: contacts taken in", first.created, contacts)
            stored = await _stored(household)
            same = sum(address_book.seen(one) == address_book.held(card, form) for one, card in zip(stored, cards, strict=False))
            report.expect(f"{form}: equal to the book", same, contacts)
            before = await _changes(household)
            (again,) = await shop.bring(household.viewer, path)
            report.expect(f"{form}: unchanged by the second import", again.unchanged, contacts)
            report.expect(f"{form}: changes it made", await _changes(household) - before, 0)
            path.write_bytes(address_book.break_rows(cards, form, spoiled))
            (third,) = await shop.bring(household.viewer, path)
            named = await _named(shop, household, third, spoiled)
            report.expect(f"{form}: broken rows named", named, broken)
            report.expect(f"{form}: neighbours unchanged", third.unchanged, contacts - broken)
    return report


async def _stored(household: Household) -> list[records.Contact]:
    """The contacts in the order of the book, which numbers everybody's first address."""

    def read(conn: Connection, viewer: str) -> list[records.Contact]:
        decode = msgspec.msgpack.Decoder(records.Contact).decode
        return [decode(row.record) for row in conn.execute(select(contact.c.record).where(contact.c.viewer_id == viewer))]

    found = await household.database.read(household.viewer, read)
    return sorted(
        found, key=lambda one: min(int(e.raw.partition("@")[0].strip("abcdefghijklmnopqrstuvwxyz.")) for e in one.emails)
    )


async def _changes(household: Household) -> int:
    return sum(change.kind not in BOOKKEEPING for change in await household.changes())


async def _named(shop: Workshop, household: Household, found: Import, spoiled: Sequence[int]) -> int:
    """How many of the spoiled rows are listed at their number with a sentence on what to do."""
    rows = await shop.database.read(household.viewer, failed_rows, found.import_id, 10_000)
    told = {row.position - 1 for row in rows if row.message and row.message.endswith(".") and row.reason and row.line}
    return len(told & set(spoiled)) if len(rows) == len(spoiled) else -len(rows)
