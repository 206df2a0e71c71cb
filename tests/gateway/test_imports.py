"""Importing files: staged, counted by two methods, reported by row, resumable, and the second time nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from gateway.imports import ImportRefused, failed_rows
from store.tables import container, own_address
from tests.household import ME, Household
from tests.workshop import workshop

CARDS = """BEGIN:VCARD
VERSION:3.0
UID:1
FN:Ada Lovelace
EMAIL:ada@example.org
END:VCARD
BEGIN:VCARD
VERSION:3.0
UID:2
FN:Bob Ray
EMAIL:bob@example.org
END:VCARD
"""


def mails(count: int, *, first: int = 0) -> str:
    parts = []
    for n in range(first, first + count):
        mine = n % 3 == 0
        other = "Ada Lovelace <ada@example.org>" if n % 2 else "Bob Ray <bob@example.org>"
        sender, to = (ME, other) if mine else (other, ME)
        parts.append(
            f"From x@example.org Mon Mar  2 10:00:00 2026\nFrom: {sender}\nTo: {to}\nSubject: Plan {n}\n"
            f"Date: Mon, 02 Mar 2026 10:{n // 60 % 60:02}:{n % 60:02} +0000\nMessage-ID: <{n}@example.org>\n\nText {n}\n\n"
        )
    return "".join(parts)


def folder(tmp_path: Path) -> Path:
    there = tmp_path / "export"
    there.mkdir()
    (there / "people.vcf").write_text(CARDS)
    (there / "mail.mbox").write_text(mails(12))
    return there


async def ledger(household: Household) -> dict[str, tuple[int | None, int]]:
    def read(conn: Connection, viewer: str) -> dict[str, tuple[int | None, int]]:
        rows = conn.execute(select(container).where(container.c.viewer_id == viewer))
        return {row.name: (row.expected, row.stored) for row in rows}

    return await household.database.read(household.viewer, read)


async def test_a_folder_of_cards_and_mail_becomes_people_who_carry_both(household: Household, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        reports = await shop.bring(household.viewer, folder(tmp_path))
        assert [(r.format, r.state, r.created, r.failed) for r in reports] == [("MBOX", "DONE", 12, 0), ("VCARD", "DONE", 2, 0)]
        living = "select count(*) from person where redirect_to is null"
        assert await shop.count(household.viewer, living) == 2
        assert await shop.count(household.viewer, "select count(*) from evidence where strength = 'PROOF'") == 2
        assert await ledger(household) == {"mail.mbox": (12, 12), "people.vcf": (2, 2)}


async def test_whose_mail_it_is_is_inferred_and_noted(household: Household, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        staged, _ = await shop.imports.stage(household.viewer, [folder(tmp_path)])
        assert [s.own_address for s in staged] == [ME, None]

        def own(conn: Connection, viewer: str) -> list[str]:
            return list(conn.execute(select(own_address.c.value).where(own_address.c.viewer_id == viewer)).scalars())

        assert await household.database.read(household.viewer, own) == [ME]


async def test_importing_again_changes_nothing(household: Household, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        source = folder(tmp_path)
        await shop.bring(household.viewer, source)
        before = [c for c in await household.changes() if c.kind not in ("IMPORT", "ACCOUNT")]
        reports = await shop.bring(household.viewer, source)
        assert [(r.created, r.updated, r.unchanged) for r in reports] == [(0, 0, 12), (0, 0, 2)]
        assert [c for c in await household.changes() if c.kind not in ("IMPORT", "ACCOUNT")] == before


async def test_broken_rows_are_named_and_stop_nobody(household: Household, tmp_path: Path) -> None:
    broken = tmp_path / "broken.vcf"
    broken.write_text(CARDS + "BEGIN:VCARD\nVERSION:3.0\nFN:Nobody ends this\n")
    async with workshop(household.database, tmp_path) as shop:
        (report,) = await shop.bring(household.viewer, broken)
        assert (report.created, report.failed + report.skipped) == (2, 1)
        (row,) = await household.database.read(household.viewer, failed_rows, report.import_id, 10)
        assert (row.path, row.position) == ("broken.vcf", 3)
        assert row.message
        expected, stored = (await ledger(household))["broken.vcf"]
        assert (expected, stored) == (3, 2)


async def test_a_mail_that_stands_twice_in_a_file_is_counted_as_a_duplicate(household: Household, tmp_path: Path) -> None:
    box = tmp_path / "twice.mbox"
    box.write_text(mails(3) + mails(1))
    async with workshop(household.database, tmp_path) as shop:
        (report,) = await shop.bring(household.viewer, box)
        assert (report.created, report.skipped) == (3, 1)


async def test_an_import_that_was_cut_goes_on_from_its_checkpoint(household: Household, tmp_path: Path) -> None:
    box = tmp_path / "mail.mbox"
    box.write_text(mails(450))
    async with workshop(household.database, tmp_path) as shop:
        report = await shop.bring_with_a_crash(household.viewer, box, after=100)
        assert (report.state, report.done, report.created + report.unchanged) == ("DONE", 450, 450)
        assert await shop.count(household.viewer, "select count(*) from message") == 450
        assert await shop.count(household.viewer, "select count(distinct position) from import_row") == 450
        assert await ledger(household) == {"mail.mbox": (450, 450)}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x00\x01 nothing we know"])
async def test_what_is_not_recognised_is_refused_with_what_to_do(household: Household, tmp_path: Path, content: bytes) -> None:
    there = tmp_path / "thing"
    there.write_bytes(content)
    async with workshop(household.database, tmp_path) as shop:
        with pytest.raises(ImportRefused, match="formats are"):
            await shop.imports.stage(household.viewer, [there])
        with pytest.raises(ImportRefused, match="no file"):
            await shop.imports.stage(household.viewer, [tmp_path / "missing"])


async def test_two_viewers_importing_the_same_file_share_nothing(household: Household, tmp_path: Path) -> None:
    other = await Household.open(household.database, "u_other")
    async with workshop(household.database, tmp_path) as shop:
        source = folder(tmp_path)
        (mine, _), (theirs, _) = await shop.bring(household.viewer, source), await shop.bring(other.viewer, source)
        assert mine.created == theirs.created == 12
        assert mine.account_id != theirs.account_id
        assert await shop.imports.reports(other.viewer, [mine.import_id]) == []


async def test_the_same_items_in_several_files_of_one_import_count_once_and_stay(household: Household, tmp_path: Path) -> None:
    there = tmp_path / "export"
    there.mkdir()
    for name in ("a.vcf", "b.vcf"):
        (there / name).write_text(CARDS)
    async with workshop(household.database, tmp_path) as shop:
        (first,) = await shop.bring(household.viewer, there)
        (again,) = await shop.bring(household.viewer, there)
        assert (first.created, first.skipped) == (2, 2)
        assert (again.created, again.updated, again.unchanged, again.skipped) == (0, 0, 2, 2)
        assert await shop.count(household.viewer, "select count(*) from gap") == 0
        assert set(await ledger(household)) == {"a.vcf", "b.vcf"}


async def test_a_maildir_is_one_line_of_the_ledger(household: Household, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    for name in ("cur", "new", "tmp"):
        (box / name).mkdir(parents=True)
    for n, text in enumerate(mails(5).split("From x@example.org Mon Mar  2 10:00:00 2026\n")[1:]):
        (box / "cur" / f"{n}.host:2,S").write_text(text)
    async with workshop(household.database, tmp_path) as shop:
        (report,) = await shop.bring(household.viewer, box)
        assert (report.format, report.created) == ("MAILDIR", 5)
        assert list((await ledger(household)).values()) == [(5, 5)]


async def test_an_archive_is_imported_where_it_lies_and_again_changes_nothing(household: Household, tmp_path: Path) -> None:
    there = tmp_path / "takeout.zip"
    with zipfile.ZipFile(there, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("Takeout/Contacts/All/All.vcf", CARDS)
        out.writestr("Takeout/Contacts/Friends/Friends.vcf", CARDS)
        out.writestr("Takeout/Contacts/contacts.csv", "Name,E-mail 1 - Value\nCid,cid@example.org\n,\n")
        out.writestr("Takeout/Mail/All mail.mbox", mails(150))
    async with workshop(household.database, tmp_path / "home") as shop:
        reports = await shop.bring(household.viewer, there)
        assert [(r.format, r.state, r.created, r.skipped, r.failed) for r in reports] == [
            ("MBOX", "DONE", 150, 0, 0),
            ("VCARD", "DONE", 2, 2, 0),
            ("CSV", "DONE", 1, 1, 0),
        ]
        assert set(await ledger(household)) == {"All/All.vcf", "Friends/Friends.vcf", "contacts.csv", "All mail.mbox"}
        before = [c for c in await household.changes() if c.kind not in ("IMPORT", "ACCOUNT")]
        again = await shop.bring(household.viewer, there)
        assert [(r.created, r.updated, r.unchanged) for r in again] == [(0, 0, 150), (0, 0, 2), (0, 0, 1)]
        assert [c for c in await household.changes() if c.kind not in ("IMPORT", "ACCOUNT")] == before
        assert list((tmp_path / "home" / "imports").iterdir()) == []


async def test_an_import_from_an_archive_that_was_cut_goes_on_from_its_checkpoint(household: Household, tmp_path: Path) -> None:
    there = tmp_path / "mail.zip"
    with zipfile.ZipFile(there, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("Mail/All mail.mbox", mails(450))
    async with workshop(household.database, tmp_path / "home") as shop:
        report = await shop.bring_with_a_crash(household.viewer, there, after=100)
        assert (report.state, report.done, report.created + report.unchanged) == ("DONE", 450, 450)
        assert await shop.count(household.viewer, "select count(*) from message") == 450
