"""Contacts with everything that Kith stores of one, exported and taken in again: as vCard, as JSContact, as vCard, each time by a fresh viewer.

What comes back is compared with what was made, field by field, and with what cards say beyond the fields. The command that exports is run too, for
what it takes and for its file, which has to be the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from benchmarks import any_contact
from benchmarks.processes import rss_mib
from providers import records
from resolvers import exporting
from resolvers.exporting import Form
from store.tables import contact, photo
from tests import servers
from tests.chaos.report import Report
from tests.gateway_process import Gateway
from tests.household import Household, open_postgresql, open_sqlite
from tests.workshop import Workshop, workshop

WAYS: Final[tuple[Form, ...]] = ("vcard", "jscontact", "vcard")
SLICE: Final = 50
LOOK_AGAIN: Final = 0.02  # seconds


async def there_and_back(home: Path, *, contacts: int) -> Report:
    """So many contacts, on both databases."""
    report = Report()
    made = any_contact.contacts(contacts)
    await asyncio.to_thread(home.mkdir, parents=True)
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(servers.postgres())
        databases = {
            "SQLite": await stack.enter_async_context(open_sqlite(home)),
            "PostgreSQL": await stack.enter_async_context(open_postgresql(cluster)),
        }
        for name, database in databases.items():
            shop = await stack.enter_async_context(workshop(database, home))
            household = await Household.open(database)
            await fill(household, made)
            for promise, found in (await travel(shop, household, made, home)).items():
                report.figures[f"{name}: {promise}"] = found
                report.hold(f"{name}: {promise}: {found}", not promise.endswith("lost or changed") or found == 0)
        await _by_command(report, home)
    return report


async def fill(household: Household, made: Sequence[records.Contact]) -> None:
    """Take them in, as an adapter would hand them over."""
    account = await household.account("google", "cards")
    for at in range(0, len(made), SLICE):
        await household.take(account, *made[at : at + SLICE])


async def travel(shop: Workshop, first: Household, made: Sequence[records.Contact], folder: Path) -> dict[str, Any]:
    """From viewer to viewer; how many were lost or changed on each way, and the seconds that exporting took."""
    found: dict[str, Any] = {}
    before = first
    for n, form in enumerate(WAYS, 1):
        path = folder / f"{n}.{exporting.SUFFIXES[form]}"
        began = time.monotonic()
        await written(shop, before, form, path)
        found[f"way {n}, by {form}: exported, s"] = round(time.monotonic() - began, 1)
        after = await Household.open(first.database, f"u_after{n}")
        (report,) = await shop.bring(after.viewer, path)
        found[f"way {n}, by {form}: taken in"] = report.created
        found[f"way {n}, by {form}: lost or changed"] = different(await stored(after), made)
        before = after
    return found


async def written(shop: Workshop, household: Household, form: Form, path: Path) -> Path:
    """The export of a viewer as a file."""
    with path.open("wb") as file:
        async for piece in exporting.contacts(shop.operation(household.viewer), form):
            file.write(piece)
    return path


async def stored(household: Household) -> dict[str, records.Contact]:
    """What is kept of the viewer's contacts, their pictures in them, by their first names."""

    def read(conn: Connection, viewer: str) -> list[records.Contact]:
        decode = msgspec.msgpack.Decoder(records.Contact).decode
        kept = conn.execute(select(photo.c.hash, photo.c.data).where(photo.c.viewer_id == viewer))
        pictures = {row.hash: row.data for row in kept}
        found = []
        for row in conn.execute(select(contact.c.record, contact.c.photo_hash).where(contact.c.viewer_id == viewer)):
            one = decode(row.record)
            if row.photo_hash is not None and one.photo is not None:
                picture = records.Photo(media_type=one.photo.media_type, data=pictures[row.photo_hash])
                one = msgspec.structs.replace(one, photo=picture)
            found.append(one)
        return found

    return {one.names[0].full: one for one in await household.database.read(household.viewer, read)}


def different(found: Mapping[str, records.Contact], wanted: Sequence[records.Contact]) -> int:
    """How many are not there, are not as they were, or were never made."""
    same = 0
    for one in wanted:
        here = found.get(one.names[0].full)
        same += (
            here is not None
            and any_contact.comparable(here) == any_contact.comparable(one)
            and any_contact.beyond(here) == any_contact.beyond(one)
        )
    return len(wanted) - same + len(found) - len(wanted)


async def _by_command(report: Report, home: Path) -> None:
    """`kith export contacts` as a process of its own: what it takes, and that it writes the same."""
    for form in dict.fromkeys(WAYS):
        status, peak, written = await asyncio.to_thread(_run, home, form)
        report.expect(f"kith export contacts --format {form}: status", status, 0)
        report.figures[f"kith export contacts --format {form}: RSS at most, MiB"] = peak
        report.figures[f"kith export contacts --format {form}: file, MB"] = round(len(written) / 1e6, 1)
        if form == "vcard":
            report.hold("the command wrote another file", hashlib.sha256(written).digest() == _digest(home / "1.vcf"))


def _run(home: Path, form: Form) -> tuple[int, int, bytes]:
    path = home / f"by-command.{exporting.SUFFIXES[form]}"
    process = Gateway(home, 1, {}).begin("export", "contacts", "--format", form, "--to", str(path), "--viewer", "robin")
    peak = 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, RuntimeError):  # it has just ended
            peak = max(peak, rss_mib(process.pid))
        time.sleep(LOOK_AGAIN)
    return process.returncode, int(peak), path.read_bytes()


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
