"""Databases of Apple's Messages, of three ages and spoiled ones, read against what was said. All people are invented."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.chat_exports import IMESSAGE_AGES, MY_NUMBER, archived_text, imessage, number
from benchmarks.exports import World
from benchmarks.universe import ME
from providers import records
from providers.archives import imessage as archive
from providers.archives.recognition import recognise
from providers.formats import typedstream
from tests.providers.exports import items, pages, rows, scan, unreadable

WORLD = World(people=30, talks=20, messages=12)
SAID = [(talk, one) for talk in WORLD.conversations() for one in talk.said()]


def read(path: Path) -> list[records.Message]:
    return items(path, "imessage", records.Message)


def changed(folder: Path, *statements: str, age: str = "macos13") -> Path:
    """A database with one conversation of four messages, changed."""
    path = imessage(World(people=1, talks=1, messages=4), folder / "chat.db", age=age)
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path


@pytest.mark.parametrize("age", IMESSAGE_AGES)
def test_everything_that_was_said_is_read_and_counted_twice(tmp_path: Path, age: str) -> None:
    path = imessage(WORLD, tmp_path / "a database", age=age)
    found = read(path)
    assert [one.text for one in found] == [one.text.strip() for _, one in SAID]
    for item, (talk, one) in zip(found, SAID, strict=True):
        assert abs(item.sent_at - one.at) < timedelta(seconds=1)
        assert item.conversation_kind == ("GROUP" if talk.title else "DIRECT")
        sender = MY_NUMBER if one.sender is None else number(WORLD.person(one.sender)).replace(" ", "")
        assert item.participants[0].address == (
            sender if age != "ios6" or one.sender is not None else item.participants[0].address
        )
        assert item.attachment_count == (one.number % 1_000_000 % 5 == 1)
    whole = pages(path, "imessage")
    assert scan(path, "imessage").expected == {"a database": len(found)}
    placed = [row for row in rows(whole) if row.place]
    for page in whole[:-1]:
        again = [row for row in rows(pages(path, "imessage", page.cursor)) if row.place]
        assert again == placed[len(placed) - len(again) :]
    heads = {head.key: head for head in items(path, "imessage", records.ConversationHead)}
    assert {head.subject for head in heads.values() if head.kind == "GROUP"} == {
        talk.title for talk in WORLD.conversations() if talk.title
    }


def test_whose_it_is_is_under_what_it_sends(tmp_path: Path) -> None:
    profile = scan(imessage(WORLD, tmp_path / "chat.db"), "imessage").profile
    assert profile is not None
    assert {(one.kind, one.value, one.primary) for one in profile.own_addresses} == {
        ("PHONE", MY_NUMBER, True),
        ("EMAIL", ME, False),
    }


@pytest.mark.parametrize("text", ["x", "é" * 63, "y" * 127, "y" * 128, "🐢" * 200, "long " * 20_000, "a+b NSString + c"])
def test_a_text_in_an_archived_string_is_read(text: str) -> None:
    assert typedstream.text(archived_text(text)) == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"streamtyped",
        b"NSString",
        b"NSString+",
        b"NSString\x01+\x05ab",
        b"NSString+\x82\xff\xff\xff\x7fa",
        b"NSString+\x02\xff\xff",
    ],
)
def test_what_holds_no_text_is_none(data: bytes) -> None:
    assert typedstream.text(data) is None


def test_reactions_stand_as_the_last_word_left_them(tmp_path: Path) -> None:
    def tapback(n: int, kind: int, emoji: str = "NULL", mine: int = 0) -> str:
        return (
            "INSERT INTO message (guid, handle_id, is_from_me, date, associated_message_guid, associated_message_type, associated_message_emoji) "
            f"VALUES ('R{n}', 1, {mine}, 7, 'p:0/GUID-0', {kind}, {emoji})"
        )

    path = changed(
        tmp_path, tapback(1, 2000), tapback(2, 2001, mine=1), tapback(3, 3000), tapback(4, 2006, "'🐢'"), tapback(5, 3004)
    )
    first = read(path)[0]
    assert {(one.emoji, one.participant and one.participant.address) for one in first.reactions or ()} == {
        ("👍", MY_NUMBER), ("🐢", number(WORLD.person(0)).replace(" ", "")),
    }  # fmt: skip
    assert scan(path, "imessage").expected == {"chat.db": len(read(path))}


def test_answers_changes_and_what_was_taken_back_say_so(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        "UPDATE message SET date_edited = date + 60000000000, thread_originator_guid = 'GUID-0' WHERE ROWID = 2",
        "UPDATE message SET date_retracted = date + 60000000000, text = NULL, attributedBody = NULL WHERE ROWID = 1",
    )
    first, second, *_ = read(path)
    assert (first.body_state, first.text) == ("DELETED", "")
    assert first.deleted_at == first.sent_at + timedelta(minutes=1)
    assert second.edited_at == second.sent_at + timedelta(minutes=1)
    assert second.references == (first.internet_message_id,)


def test_what_is_no_message_or_says_nothing_is_named_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        "INSERT INTO message (guid, item_type, date) VALUES ('a', 2, 7)",
        "INSERT INTO message (guid, date, attributedBody) VALUES ('b', 7, x'00ff')",
        "INSERT INTO message (guid, date, text) VALUES ('c', 'never', 'x')",
        "INSERT INTO message (guid, date, text, handle_id) VALUES ('d', 7, 'alone', 99)",
    )
    assert [reason for _, _, reason, _ in unreadable(path, "imessage")] == ["EXCLUDED", "EMPTY", "UNREADABLE"]
    assert read(path)[-1].text == "alone"


def test_national_numbers_services_and_mail_addresses_are_people_of_their_kind(tmp_path: Path) -> None:
    path = changed(tmp_path, "UPDATE handle SET id = '07700 900123'", "UPDATE message SET is_from_me = 0")
    found = archive.IMessageArchive().pages([path], None, own=frozenset(), region="GB")
    assert {row.item.participants[0].address for page in found for row in page.rows if isinstance(row.item, records.Message)} == {
        "+447700900123"
    }
    for said, kind in (("Ada@Example.org", "EMAIL"), ("22333", "PHONE"), ("MyBank", "HANDLE")):
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE handle SET id = ?", (said,))
            database.commit()
        assert {item.participants[0].kind for item in read(path)} == {kind}


def test_a_damaged_database_gives_what_can_be_read_and_says_what_to_do(tmp_path: Path) -> None:
    path = imessage(WORLD, tmp_path / "chat.db")
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 2 // 4096 * 4096, len(data) - 4096, 4096):
        data[at : at + 64] = b"\xff" * 64
    broken = tmp_path / "broken.db"
    broken.write_bytes(data)
    if recognise([broken]).groups:
        found = unreadable(broken, "imessage")
        assert any("copy chat.db together with" in message for *_, message in found)


def test_a_schema_that_works_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_STEPS", 2)
    monkeypatch.setattr(archive, "STEPS", 10_000)
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n AS chat_id, n AS message_id FROM r"
    path = changed(tmp_path, f"CREATE VIEW v AS {endless}")
    with archive._opened(path) as database, pytest.raises(sqlite3.OperationalError, match="interrupted"):
        database.execute("SELECT count(*) FROM v").fetchone()


def test_other_databases_are_none_and_the_log_comes_with_its_database(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE message (x)")
    assert recognise([other]).groups == []
    folder = tmp_path / "Messages"
    folder.mkdir()
    path = imessage(WORLD, folder / "chat.db")
    (folder / "chat.db-wal").write_bytes(b"x")
    (folder / "chat.db-shm").write_bytes(b"x")
    found = recognise([folder])
    assert [paths for _, paths in found.groups] == [[path]]
    assert found.unrecognised == []
    assert [one.name for one in archive.IMessageArchive().beside(path)] == ["chat.db-wal", "chat.db-shm"]


def test_the_latest_messages_are_those_in_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    path = imessage(World(people=1, talks=1, messages=4), folder / "chat.db")
    before = len(read(path))
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO message (guid, date, text, is_from_me) VALUES ('new', 7000000000000000, 'just now', 1)")
        database.commit()
        copied = tmp_path / "copied"
        shutil.copytree(folder, copied)
        assert len(read(copied / "chat.db")) == before + 1
