"""Exports as zip archives: read where they lie, whatever is in them, and bombs cost nothing. All people are invented."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from benchmarks import address_book
from providers import records
from providers.archives import files, zipped
from providers.archives.recognition import Recognised, recognise
from tests.providers.test_archives import CARDS, mail, mbox_of
from tests.providers.test_picture import painted


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


def keys(found: Recognised, root: Path) -> dict[str, list[str]]:
    return {provider.key: [path.relative_to(root).as_posix() for path in paths] for provider, paths in found.groups}


def reasons(found: Recognised) -> dict[str, str]:
    return {path.name: reason for path, reason in found.unrecognised}


@pytest.fixture
def takeout(tmp_path: Path) -> Path:
    """A Google Takeout in German, as it is downloaded, beside an archive of single mails and one that holds a Maildir."""
    cards = b"".join(
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Person %d\r\nPHOTO:https://example.org/%d.jpg\r\nEND:VCARD\r\n" % (n, n)
        for n in range(120)
    )
    archive(
        tmp_path / "takeout-20240506T070809Z-001.zip",
        {
            "Takeout/archive_browser.html": b"<html>",
            "Takeout/Kontakte/Alle Kontakte/Alle Kontakte.vcf": cards,
            "Takeout/Kontakte/Alle Kontakte/Person 7.jpg": painted(8, 8),
            "Takeout/Kontakte/Meine/contacts.csv": address_book.WRITERS["google"](address_book.people(5)).encode(),
            "Takeout/E-Mail/Alle Nachrichten.mbox": mbox_of(range(250)),
            "Takeout/E-Mail/Einstellungen.json": b'{"a": 1}',
        },
    )
    archive(tmp_path / "mails", {f"Posteingang/{n}.eml": mail(n) for n in range(30)})
    archive(
        tmp_path / "maildir.zip",
        {"M/cur/1700000000.M1.h:2,S": mail(1), "M/cur/1700000001.M1.h:2,": mail(2), "M/new/1700000002.M1.h": mail(3)},
    )
    return tmp_path


def test_an_archive_is_a_folder_whatever_it_is_called(takeout: Path) -> None:
    found = recognise([takeout])
    top = "takeout-20240506T070809Z-001.zip/Takeout"
    assert keys(found, takeout) == {
        "maildir": ["maildir.zip/M"],
        "mbox": [f"{top}/E-Mail/Alle Nachrichten.mbox"],
        "vcard": [f"{top}/Kontakte/Alle Kontakte/Alle Kontakte.vcf"],
        "csv": [f"{top}/Kontakte/Meine/contacts.csv"],
        "eml": ["mails"],
    }
    assert set(reasons(found)) == {"Einstellungen.json", "Person 7.jpg"}


def test_everything_in_an_archive_is_counted_twice_and_read_on_from_any_page(takeout: Path) -> None:
    total = 0
    for provider, paths in recognise([takeout]).groups:
        assert provider.archive is not None
        pages = list(provider.archive.pages(paths, None, own=frozenset(), region=None))
        rows = [row for page in pages for row in page.rows]
        stated = {statement.container: statement.expected for statement in pages[-1].statements}
        assert sum(expected or 0 for expected in stated.values()) == len(rows)
        assert provider.archive.scan(paths, frozenset()).expected == stated
        done = 0
        for page in pages:
            done += len(page.rows)
            rest = provider.archive.pages(paths, page.cursor, own=frozenset(), region=None)
            assert [row for later in rest for row in later.rows] == rows[done:]
        total += len(rows)
    assert total == 120 + 5 + 250 + 30 + 3


def test_flags_in_a_zipped_maildir_and_pictures_beside_cards_are_found(takeout: Path) -> None:
    groups = {provider.key: (provider, paths) for provider, paths in recognise([takeout]).groups}

    def items(key: str) -> list[object]:
        provider, paths = groups[key]
        assert provider.archive is not None
        return [r.item for page in provider.archive.pages(paths, None, own=frozenset(), region=None) for r in page.rows]

    assert [item.unread for item in items("maildir") if isinstance(item, records.Message)] == [False, True, True]
    people = [item for item in items("vcard") if isinstance(item, records.Contact)]
    assert people[7].photo == records.Photo(media_type="image/png", data=painted(8, 8))
    assert people[8].photo == records.Photo(url="https://example.org/8.jpg")


def _bomb(path: Path, size: int) -> Path:
    """An archive that says it holds `size` bytes: an honest stream of zeros' length, a thousandfold smaller."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeezer.compress(b"BEGIN:VCARD\nNOTE:" + b"A" * 1_000_000) + squeezer.flush()
    name = b"contacts.vcf"
    claimed = size // 1030 if size < 2**32 else 10_400_000
    extra = struct.pack("<HHQQ", 1, 16, size, claimed)
    local = (
        struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 8, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra)) + name + extra
    )
    body = packed.ljust(claimed, b"\0")
    central = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 45, 45, 0, 8, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra), 0, 0, 0, 0, 0
    )
    central += name + extra
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + len(body), 0)
    path.write_bytes(local + body + central + end)
    return path


def test_a_bomb_of_ten_gigabytes_named_vcf_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("nothing of a bomb is inflated")

    path = _bomb(tmp_path / "contacts.vcf", 10_737_418_240)
    monkeypatch.setattr(zipped._Inflated, "_reach", never)
    found = recognise([path])
    assert found.groups == []
    assert "would grow 1,032 times, to 10,737 MB" in reasons(found)["contacts.vcf"]


def test_a_member_larger_than_it_says_is_cut_where_it_said(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"people.vcf": CARDS * 50})
    data = path.read_bytes()
    size = struct.pack("<I", len(CARDS) * 50)
    path.write_bytes(data.replace(size, struct.pack("<I", len(CARDS) * 10)))
    ((provider, paths),) = recognise([path]).groups
    assert provider.archive is not None
    rows = [row for page in provider.archive.pages(paths, None, own=frozenset(), region=None) for row in page.rows]
    last = rows[-1].item
    assert isinstance(last, records.Unreadable) and "larger than the archive says" in last.message


@pytest.mark.parametrize(
    "name", ["../people.vcf", "/etc/people.vcf", "a/../../people.vcf", "a//people.vcf", "a\\people.vcf", "C:people.vcf"]
)
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    archive(path, {"X" * len(name): CARDS, "good.vcf": CARDS})
    path.write_bytes(path.read_bytes().replace(b"X" * len(name), name.encode()))
    found = recognise([path])
    assert [found_path.name for _, paths in found.groups for found_path in paths] == ["good.vcf"]
    ((_, reason),) = found.unrecognised
    assert "leads out of the archive" in reason


def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.zip", {"people.vcf": CARDS}).read_bytes()

    def variant(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        found = recognise([path])
        assert found.groups == []
        ((_, reason),) = found.unrecognised
        return reason

    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.index(b"PK\1\2") + 8] |= 1
    assert "password" in variant("locked.zip", bytes(locked))
    assert "broken" in variant("cut.zip", whole[: len(whole) // 2])
    assert "broken" in variant("garbage.zip", b"PK\3\4" + bytes(range(256)) * 9)
    crowded = bytearray(whole)
    end = whole.rindex(b"PK\5\6")
    crowded[end + 10 : end + 12] = b"\xff\xff"
    crowded[end + 12 : end + 16] = b"\xff\xff\xff\x0f"
    assert "more than 200,000 files" in variant("crowded.zip", bytes(crowded))
    lzma = archive(tmp_path / "lzma.zip", {"people.vcf": CARDS}, zipfile.ZIP_LZMA).read_bytes()
    assert "not read here" in variant("lzma.zip", lzma)
    inner = archive(tmp_path / "inner.zip", {"people.vcf": CARDS}).read_bytes()
    nested = archive(tmp_path / "nested.zip", {"inner.zip": inner}).read_bytes()
    assert "within another" in variant("nested.zip", nested)
    sheet = archive(tmp_path / "s.zip", {"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}).read_bytes()
    assert "Save its table as CSV" in variant("contacts.xlsx", sheet)
    with zipfile.ZipFile(io.BytesIO(), "w"):
        pass
    twice = archive(tmp_path / "t.zip", {"a.vcf": CARDS, "b.vcf": CARDS}).read_bytes()
    second = twice.rindex(b"PK\1\2")
    over = bytearray(twice)
    over[second + 42 : second + 46] = struct.pack("<I", 8)
    assert "on top of each other" in variant("over.zip", bytes(over))


def test_damage_within_a_member_is_named_and_what_came_before_is_taken(tmp_path: Path) -> None:
    deflated = archive(tmp_path / "b.zip", {"people.vcf": CARDS * 40})
    data = bytearray(deflated.read_bytes())
    data[len(data) // 2] ^= 0x55
    deflated.write_bytes(bytes(data))
    ((provider, paths),) = recognise([deflated]).groups
    assert provider.archive is not None
    rows = [row for page in provider.archive.pages(paths, None, own=frozenset(), region=None) for row in page.rows]
    assert isinstance(rows[-1].item, records.Unreadable) and len(rows) > 100


def test_seeking_in_a_member_gives_the_same_bytes_as_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "REMEMBER", 64 * 1024)
    dice = random.Random(3)
    data = b"".join(dice.choice((b"word ", b"other ", dice.randbytes(40))) for _ in range(60_000))
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        path = archive(tmp_path / f"{method}.zip", {"a/data": data}, method)
        with files.open_file(path / "a" / "data") as handle:
            assert handle.seek(0, 2) == len(data)
            for _ in range(200):
                at, size = dice.randrange(len(data)), dice.randrange(1, 50_000)
                handle.seek(at)
                assert handle.read(size) == data[at : at + size]


def test_an_archive_cut_or_changed_anywhere_harms_nobody(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.zip", {"people.vcf": CARDS[:400], "x/mail.eml": mail(1)}).read_bytes()
    dice = random.Random(11)
    path = tmp_path / "b.zip"
    for turn in range(400):
        data = bytearray(whole[: dice.randrange(len(whole))] if turn % 4 == 0 else whole)
        for _ in range(dice.randrange(1, 4)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(bytes(data))
        for provider, paths in recognise([path]).groups:
            assert provider.archive is not None
            list(provider.archive.pages(paths, None, own=frozenset(), region=None))
