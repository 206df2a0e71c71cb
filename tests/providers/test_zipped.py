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


def directory(path: Path, count: int, *, said: int | None = None) -> Path:
    """An archive of empty files whose end record says that there are `said`."""
    with zipfile.ZipFile(path, "w") as out:
        for n in range(count):
            out.writestr(f"{n}.vcf", b"")
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<HH", data, end + 8, said or count, said or count)
    path.write_bytes(data)
    return path


def test_more_files_than_an_archive_may_have_are_counted_and_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "MAX_MEMBERS", 20)
    assert "more than 200,000 files" in reasons(recognise([directory(tmp_path / "honest.zip", 21)]))["honest.zip"]
    assert "more than 200,000 files" in reasons(recognise([directory(tmp_path / "modest.zip", 21, said=3)]))["modest.zip"]
    assert len(reasons(recognise([directory(tmp_path / "right.zip", 20)]))) == 20


def test_folders_within_folders_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "MAX_FOLDERS", 30)
    path = archive(tmp_path / "deep.zip", {f"{n}/a/b/c/d.vcf": CARDS for n in range(10)})
    assert "more than 100,000 folders" in reasons(recognise([path]))["deep.zip"]


def test_of_many_refused_files_the_first_are_named_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "MAX_REFUSED", 5)
    path = archive(tmp_path / "out.zip", {"people.vcf": CARDS, **{f"../{n}.vcf": CARDS for n in range(9)}})
    found = recognise([path])
    assert keys(found, tmp_path) == {"vcard": ["out.zip/people.vcf"]}
    assert [reason for _, reason in found.unrecognised][-1] == "4 more files of the archive are refused for reasons like these."
    assert len(found.unrecognised) == 6


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\nexec unzip $0\n"])
def test_sizes_and_places_beyond_four_gigabytes_are_read_from_where_they_stand(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as out, out.open("people.vcf", "w", force_zip64=True) as member:
        member.write(CARDS)
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    count, length, begin = struct.unpack_from("<HII", data, end + 10)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, begin)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(before + data[:end] + record + locator + last)
    assert zipped.listing(path).members["people.vcf"].size == len(CARDS)
    with zipped.open_member(path, "people.vcf") as handle:
        assert handle.read() == CARDS


def test_a_folder_with_more_entries_than_can_be_held_is_refused_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ENTRIES", 10)
    for folder in ("few", "many", "M/cur", "M/new"):
        (tmp_path / folder).mkdir(parents=True)
    for n in range(11):
        (tmp_path / "many" / f"{n}.vcf").write_bytes(CARDS)
        (tmp_path / "M/new" / f"170000000{n}.M1.h").write_bytes(mail(n))
    (tmp_path / "few/people.vcf").write_bytes(CARDS)
    found = recognise([tmp_path])
    assert keys(found, tmp_path) == {"vcard": ["few/people.vcf"]}
    assert {path.name for path, reason in found.unrecognised if "more than 500,000 entries" in reason} == {"many", "new"}
