"""Exported files are recognised, read to the last item, counted twice, and read on from any page. All people are invented."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import records
from providers.archives import files
from providers.archives.recognition import recognise
from providers.base import Archive, Provider, catalogue
from providers.errors import CursorExpired

CARDS = "".join(
    f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Person {n}\r\nEMAIL:p{n}@example.org\r\n{'' if n % 50 == 7 else 'END:VCARD'}\r\n"
    for n in range(230)
).encode()
BROKEN_CARDS = (
    b"junk\nBEGIN:VCARD\nFN:Cut\nBEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1:M\xfcller;J\xf6rg\nAGENT:\nBEGIN:VCARD\nN:A\nEND:VCARD\n"
    b"TEL;CELL:0170 1234567\nPHOTO;JPEG;BASE64:\n /9j/4AAQ\n\nEND:VCARD\nEND:VCARD\nBEGIN:VCARD\nVERSION:4.0\nEND:VCARD\n"
)


def mail(number: int, *more: str) -> bytes:
    lines = (
        *("Delivered-To: me@example.com", f"From: Ada <{'me@example.com' if number % 3 == 0 else 'ada@example.org'}>"),
        *(f"To: {'ada@example.org' if number % 3 == 0 else 'me@example.com'}", f"Message-ID: <{number}@example.org>"),
        *(f"Subject: Letter {number}", f"Date: Mon, 6 May 2024 10:{number // 60 % 60:02}:{number % 60:02} +0000", *more),
        *("", f"Hello {number}", "", "From here on: nothing", ""),
    )
    return "\n".join(lines).encode()


def mbox_of(numbers: range, *more: str) -> bytes:
    return b"".join(b"From ada@example.org Mon May  6 10:00:00 2024\n" + mail(number, *more) + b"\n" for number in numbers)


def archive_of(key: str) -> Archive:
    archive = catalogue()[key].archive
    assert archive is not None
    return archive


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder as somebody would hand it over: four formats, names that say nothing, broken items, other files."""
    root = tmp_path / "export"
    for folder in ("Mail/cur", "Mail/new", "Mail/tmp", "Mail/.Sent/cur", "Mail/.Sent/new", "letters/old", "lists"):
        (root / folder).mkdir(parents=True)
    (root / "people").write_bytes(CARDS)
    (root / "broken.txt").write_bytes(BROKEN_CARDS)
    (root / "apple").write_bytes(BROKEN_CARDS.decode("cp1252").encode("utf-16"))
    (root / "lists/inbox").write_bytes(mbox_of(range(130)) + mbox_of(range(130, 140), "X-Mozilla-Status: 0008"))
    (root / "lists/second.vcf").write_bytes(mbox_of(range(5)))
    for number in range(120):
        (root / f"Mail/cur/17000{number:05}.M{number}.host:2,{'S' if number % 2 else ''}").write_bytes(mail(number))
    (root / "Mail/new/1700100000.M1.host").write_bytes(mail(999))
    (root / "Mail/new/1700100001.M1.host").write_bytes(b"")
    (root / "Mail/cur/1700100002.M1.host:2,ST").write_bytes(mail(998))
    (root / "Mail/tmp/1700100003.M1.host").write_bytes(b"half a ma")
    (root / "Mail/.Sent/cur/1700100004.M1.host:2,S").write_bytes(mail(3))
    for number in range(110):
        (root / f"letters/{number:03}.eml").write_bytes(mail(number))
    (root / "letters/old/one").write_bytes(mail(7))
    apple = mail(8)
    (root / "letters/old/two.emlx").write_bytes(
        b"%d     \n" % len(apple) + apple + b"<plist><key>flags</key><integer>17</integer></plist>"
    )
    (root / "letters/notes.txt").write_bytes(b"Dear diary")
    (root / "all.zip").write_bytes(b"PK\x03\x04....")
    (root / "empty").write_bytes(b"")
    (root / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (root / "link").symlink_to("/etc/passwd")
    (root / "Mail/cur/17001.link:2,S").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo")
    return root


def read(provider: Provider, paths: list[Path], cursor: bytes | None = None) -> list[records.Page]:
    assert provider.archive is not None
    return list(provider.archive.pages(paths, cursor, own=frozenset({"me@example.com"}), region="DE"))


def rows(pages: list[records.Page]) -> list[records.Row]:
    return [row for page in pages for row in page.rows]


def found_in(export: Path) -> Iterator[tuple[Provider, list[Path]]]:
    yield from recognise([export]).groups


def test_formats_are_told_by_content_whatever_the_files_are_called(export: Path) -> None:
    found = recognise([export])
    assert {provider.key: [path.relative_to(export).as_posix() for path in paths] for provider, paths in found.groups} == {
        "maildir": ["Mail"],
        "mbox": ["lists/inbox", "lists/second.vcf"],
        "vcard": ["apple", "broken.txt", "people"],
        "eml": ["letters"],
    }
    reasons = {path.relative_to(export).as_posix(): reason for path, reason in found.unrecognised}
    assert set(reasons) == {"all.zip", "empty", "letters/notes.txt", "link", "Mail/cur/17001.link:2,S", "fifo"}
    assert "a link, which is not followed" in reasons["link"]
    assert "no file: a device, pipe or socket" in reasons["fifo"]
    assert "archive is broken" in reasons["all.zip"]


def test_single_mails_beside_other_formats_are_taken_one_by_one(export: Path) -> None:
    (export / "one.eml").write_bytes(mail(1))
    (export / "letters/old/people.vcf").write_bytes(CARDS)
    (paths,) = [paths for provider, paths in recognise([export]).groups if provider.key == "eml"]
    assert len(paths) == 113
    assert all(path.is_file() for path in paths)


def test_single_files_are_recognised_and_missing_ones_named(export: Path) -> None:
    found = recognise([export / "letters/001.eml", export / "nothing", export / "fifo"])
    assert [(provider.key, paths) for provider, paths in found.groups] == [("eml", [export / "letters/001.eml"])]
    assert [path.name for path, _ in found.unrecognised] == ["nothing", "fifo"]


def test_every_item_is_stored_or_named_and_an_independent_count_agrees(export: Path) -> None:
    for provider, paths in found_in(export):
        pages = read(provider, paths)
        assert all(len(page.rows) <= 100 for page in pages)
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        seen: dict[str, int] = {}
        for row in rows(pages):
            assert not isinstance(row.item, records.Gone | records.ConversationHead)
            seen[row.item.container] = seen.get(row.item.container, 0) + 1
        stated = {statement.container: statement.expected for statement in pages[-1].statements}
        assert provider.archive is not None
        assert seen == stated == provider.archive.scan(paths, frozenset()).expected


def test_each_row_says_where_it_stood(export: Path) -> None:
    for provider, paths in found_in(export):
        for row in rows(read(provider, paths)):
            assert row.place is not None
            assert row.place.path.split("/")[0] in {"Mail", "people", "broken.txt", "apple", "letters", "inbox", "second.vcf"}
            assert row.place.position >= 1
            assert not isinstance(row.item, records.Gone | records.ConversationHead)
            assert f"{row.place.path}/".startswith(f"{row.item.container}/")


def test_positions_count_the_items_of_an_import_over_all_its_files(export: Path) -> None:
    for provider, paths in found_in(export):
        found = rows(read(provider, paths))
        assert [row.place.position for row in found if row.place] == list(range(1, len(found) + 1))


def test_a_broken_item_is_named_with_its_beginning_and_what_to_do(export: Path) -> None:
    found = rows(read(catalogue()["vcard"], [export / "broken.txt"]))
    outcomes = [
        (row.place.line if row.place else None, type(row.item).__name__, getattr(row.item, "reason", None)) for row in found
    ]
    assert outcomes == [
        (2, "Unreadable", "UNREADABLE"),
        (4, "Contact", None),
        (16, "Unreadable", "UNREADABLE"),
        (17, "Unreadable", "EMPTY"),
    ]
    for row in found:
        if isinstance(row.item, records.Unreadable):
            assert row.item.message.endswith(".")
            assert len(row.item.excerpt or "") <= 200
    assert found[1].item.names[0].full == "Jörg Müller"  # type: ignore[union-attr]


def test_reading_goes_on_from_every_page_as_if_it_had_never_stopped(export: Path) -> None:
    for provider, paths in found_in(export):
        whole = read(provider, paths)
        for index, page in enumerate(whole):
            again = read(provider, paths, page.cursor)
            assert rows(again) == rows(whole[index + 1 :])
            assert again[-1].statements == whole[-1].statements


def test_importing_twice_gives_the_same(export: Path) -> None:
    for provider, paths in found_in(export):
        assert read(provider, paths) == read(provider, paths)


def test_the_same_mail_in_two_places_has_one_key(export: Path) -> None:
    keys = {}
    for key, path in (("mbox", "lists/inbox"), ("maildir", "Mail"), ("eml", "letters")):
        for row in rows(read(catalogue()[key], [export / path])):
            if isinstance(row.item, records.Message) and row.item.subject == "Letter 8":
                keys[key, row.item.container] = row.item.key
    assert len(keys) == 4
    assert len(set(keys.values())) == 1


def test_marks_come_from_names_and_property_lists(export: Path) -> None:
    mails = {row.place.path: row.item for row in rows(read(catalogue()["maildir"], [export / "Mail"])) if row.place}
    unread = {path.rpartition("/")[2]: item.unread for path, item in mails.items() if isinstance(item, records.Message)}
    assert unread["1700000000.M0.host:2,"] is True
    assert unread["1700000001.M1.host:2,S"] is False
    assert unread["1700100000.M1.host"] is True
    (trashed,) = [item for path, item in mails.items() if path.endswith(":2,ST")]
    assert isinstance(trashed, records.Unreadable)
    assert (trashed.outcome, trashed.reason) == ("SKIPPED", "EXCLUDED")
    (apple,) = [
        row.item
        for row in rows(read(catalogue()["eml"], [export / "letters"]))
        if row.place and row.place.path.endswith("two.emlx")
    ]
    assert isinstance(apple, records.Message)
    assert (apple.unread, apple.flagged, apple.text) == (False, True, "Hello 8\n\nFrom here on: nothing")


@pytest.mark.parametrize(("key", "path"), [("mbox", "lists/inbox"), ("maildir", "Mail"), ("eml", "letters")])
def test_mail_says_whose_it_is(export: Path, key: str, path: str) -> None:
    scan = archive_of(key).scan([export / path], frozenset())
    assert scan.inferred == "me@example.com"
    assert scan.own_addresses[0] == ("me@example.com", 1.0)


def test_staged_files_are_called_as_the_user_knows_them(export: Path) -> None:
    staged = export / "people"
    archive = archive_of("vcard")
    (page, *_) = archive.pages([staged], None, own=frozenset(), region=None, names={staged: "Takeout/Contacts/All.vcf"})
    assert page.rows[0].place == records.Place(position=1, path="Takeout/Contacts/All.vcf", line=1)


def test_no_link_is_followed_out_of_a_folder(export: Path) -> None:
    for provider, paths in found_in(export):
        assert not any("link" in (row.place.path if row.place else "") for row in rows(read(provider, paths)))


def test_a_file_that_vanished_is_a_row_and_the_next_one_is_read(export: Path) -> None:
    for key, path in (("vcard", "people"), ("mbox", "lists/inbox"), ("eml", "letters/001.eml")):
        pages = read(catalogue()[key], [export / "gone", export / "fifo", export / path])
        first, second, third, *_ = rows(pages)
        assert isinstance(first.item, records.Unreadable)
        assert "cannot be read" in first.item.message
        assert isinstance(second.item, records.Unreadable)
        assert isinstance(third.item, records.Contact | records.Message)


def test_a_cursor_that_is_none_of_ours_is_refused(export: Path) -> None:
    for cursor in (b"", b"{}", b"[1]x", b"[-1,0,0,1]", b'["a"]'):
        with pytest.raises(CursorExpired):
            read(catalogue()["vcard"], [export / "people"], cursor)


def test_an_empty_list_of_files_is_an_empty_import() -> None:
    for key in ("vcard", "mbox", "maildir", "eml"):
        assert read(catalogue()[key], []) == [records.Page(cursor=files.Mark().encode(), done=True)]


@pytest.mark.parametrize(
    ("key", "data"), [("vcard", BROKEN_CARDS), ("mbox", mbox_of(range(3), "Content-Length: 40")), ("eml", mail(1))]
)
def test_a_file_cut_anywhere_is_read_and_adds_up(tmp_path: Path, key: str, data: bytes) -> None:
    path = tmp_path / "file"
    archive = archive_of(key)
    for size in range(len(data)):
        path.write_bytes(data[:size])
        archive.recognise(path)
        pages = read(catalogue()[key], [path])
        expected = pages[-1].statements[0].expected
        assert len(rows(pages)) == expected == archive.scan([path], frozenset()).expected[pages[-1].statements[0].container]


def test_pages_with_large_pictures_are_handed_over_early(tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\nPHOTO;ENCODING=b:" + b"A" * 4_000_000 + b"\r\nEND:VCARD\r\n"
    path.write_bytes(card * 6)
    pages = read(catalogue()["vcard"], [path])
    assert len(rows(pages)) == 6
    assert all(len(page.rows) <= 2 for page in pages)


def test_reader_and_witness_agree_that_a_time_without_a_sender_begins_no_mail(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(mbox_of(range(1)) + b"From 10:00:00 2024\nA: b\n\ntext\n\n" + mbox_of(range(1, 2)))
    pages = read(catalogue()["mbox"], [path])
    assert len(rows(pages)) == pages[-1].statements[0].expected == 2
