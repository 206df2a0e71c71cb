"""Exports of Telegram Desktop, read against what was said. All people are invented."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from benchmarks.chat_exports import TELEGRAM_ME, number, telegram, telegram_id, telegram_text
from benchmarks.exports import World
from providers import records
from providers.archives.recognition import recognise
from providers.archives.telegram import TelegramArchive
from tests.providers.exports import check, items, pages, rows, scan, unreadable

WORLD = World(people=30, talks=20, messages=12)
TALKS = WORLD.conversations()


def chat(folder: Path, *messages: Any, kind: str = "personal_chat", **more: Any) -> Path:
    path = folder / "result.json"
    path.write_text(json.dumps({"name": "Ada Quay", "type": kind, "id": 123, **more, "messages": messages}))
    return path


def message(**more: Any) -> dict[str, Any]:
    return {
        "id": 1, "type": "message", "date": "2023-07-13T10:00:00", "date_unixtime": "1689238800", "from": "Ada Quay", "from_id": "user123",
        "text": "x", **more,
    }  # fmt: skip


def read(path: Path) -> list[records.Message]:
    return items(path, "telegram", records.Message)


def test_everything_that_was_said_is_read_and_counted_twice(tmp_path: Path) -> None:
    path = telegram(WORLD, tmp_path / "result.json")
    zipped = tmp_path / "export.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(path, "DataExport_2024-05-06/result.json")
    check(zipped, "telegram", tmp_path)
    found = read(path)
    said = [(talk, one) for talk in (*TALKS[::2], *TALKS[1::2]) for one in talk.said()]
    assert [one.text for one in found] == [telegram_text(one) for _, one in said]
    for item, (talk, one) in zip(found, said, strict=True):
        assert item.sent_at == one.at.replace(microsecond=0)
        assert item.conversation_kind == ("GROUP" if talk.title else "DIRECT")
        sender = TELEGRAM_ME if one.sender is None else telegram_id(WORLD.person(one.sender))
        assert item.participants[0].key == f"user{sender}"
        to = [participant.key for participant in item.participants[1:]]
        if one.sender is not None:
            assert to == [f"user{TELEGRAM_ME}"]
        else:
            assert to == ([] if talk.title else [item.conversation_key])
    assert len({item.key for item in found}) == len(found)
    heads = items(path, "telegram", records.ConversationHead)
    assert sorted(head.subject for head in heads if head.subject) == sorted(talk.title for talk in TALKS if talk.title)


def test_contacts_have_numbers_and_are_those_who_write(tmp_path: Path) -> None:
    found = items(telegram(WORLD, tmp_path / "x"), "telegram", records.Contact)
    assert {one.names[0].full: one.phones[0].number for one in found} == {
        person.name: number(person).replace(" ", "") for person in WORLD.everybody()
    }
    assert {one.key.partition(":")[0] for one in found if not one.handles} == {"phone"}
    written = {item.participants[0].key for item in read(tmp_path / "x")} - {f"user{TELEGRAM_ME}"}
    assert {one.key for one in found if one.handles} >= {key for key in written if key and int(key[-2:]) % 5 != 4}


def test_whose_export_it_is_is_said_or_shown_by_a_chat_of_two(tmp_path: Path) -> None:
    whole = scan(telegram(WORLD, tmp_path / "x"), "telegram").profile
    assert whole is not None
    assert (whole.user_id, whole.label) == (str(TELEGRAM_ME), "Robin Vale")
    assert {(one.kind, one.value) for one in whole.own_addresses} == {
        ("HANDLE", f"user{TELEGRAM_ME}@t.me"),
        ("PHONE", "+447700900999"),
    }
    talk = next(talk for talk in TALKS if not talk.title and {one.sender is None for one in talk.said()} == {True, False})
    alone = scan(telegram(WORLD, tmp_path / "y", only=talk), "telegram").profile
    assert alone is not None
    assert alone.user_id == str(TELEGRAM_ME)
    group = scan(chat(tmp_path, message(), kind="private_group"), "telegram")
    assert group.profile is None
    assert any("does not say whose it is" in remark for remark in group.remarks)


def test_a_single_chat_and_the_whole_export_give_messages_the_same_keys(tmp_path: Path) -> None:
    talk = next(talk for talk in TALKS if not talk.title)
    whole = {item.key for item in read(telegram(WORLD, tmp_path / "x"))}
    assert {item.key for item in read(telegram(WORLD, tmp_path / "y", only=talk))} <= whole


def test_answers_and_changes_are_told(tmp_path: Path) -> None:
    first, second = read(
        chat(
            tmp_path, message(), message(id=2, reply_to_message_id=1, edited="2023-07-13T11:00:00", edited_unixtime="1689242400")
        )
    )
    assert second.references == (first.internet_message_id,)
    assert second.edited_at == datetime(2023, 7, 13, 10, tzinfo=UTC)


def test_reactions_have_signs_and_those_who_are_named(tmp_path: Path) -> None:
    recent = [{"from": "Ada Quay", "from_id": "user123", "date": "2023-07-13T11:00:00"}]
    (item,) = read(chat(tmp_path, message(reactions=[{"type": "emoji", "count": 3, "emoji": "🐢", "recent": recent}])))
    named, others = item.reactions or ()
    assert (named.emoji, named.participant and named.participant.key, named.at) == (
        "🐢",
        "user123",
        datetime(2023, 7, 13, 11, tzinfo=UTC),
    )
    assert (others.emoji, others.participant, others.count) == ("🐢", None, 2)


def test_local_times_of_older_exports_are_read_in_the_users_zone(tmp_path: Path) -> None:
    old = message()
    del old["date_unixtime"]
    path = chat(tmp_path, old)
    (page,) = TelegramArchive().in_zone(ZoneInfo("Europe/Berlin")).pages([path], None, own=frozenset(), region=None)
    assert isinstance(page.rows[0].item, records.Message)
    assert page.rows[0].item.sent_at == datetime(2023, 7, 13, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"text": ["a ", {"type": "bold", "text": "b"}, {"type": "link", "text": "https://x.example"}]}, "a bhttps://x.example"),
        ({"text": [{"type": "text_link", "text": "here", "href": "https://x.example"}]}, "here (https://x.example)"),
        ({"text": "", "sticker_emoji": "🐢"}, "🐢"),
        ({"text": "", "poll": {"question": "When?", "answers": [{"text": "now"}, {"text": "then"}]}}, "When?\n- now\n- then"),
        ({"text": "", "location_information": {"latitude": 1.5, "longitude": 2}}, "1.5, 2"),
        ({"text": "", "contact_information": {"first_name": "Ada", "last_name": "Quay", "phone_number": "+44 1"}}, "Ada Quay +44 1"),
        ({"text": "a\x00b"}, "ab"), ({"text": None}, ""),
    ],
)  # fmt: skip
def test_what_is_shown_is_the_text(tmp_path: Path, said: dict[str, Any], text: str) -> None:
    assert [item.text for item in read(chat(tmp_path, message(**said)))] == [text]


def test_files_are_named_whether_they_are_there_or_not(tmp_path: Path) -> None:
    (item,) = read(
        chat(
            tmp_path,
            message(photo="(File not included.)", photo_file_size=7, file="../../files/a b.pdf", mime_type="application/pdf"),
        )
    )
    assert [(one.name, one.media_type, one.size) for one in item.attachments] == [
        ("photo", "image/jpeg", 7), ("a b.pdf", "application/pdf", None)
    ]  # fmt: skip


def test_bots_and_channels_are_no_people(tmp_path: Path) -> None:
    (bot,) = read(chat(tmp_path, message(), kind="bot_chat"))
    (post,) = read(chat(tmp_path, message(from_id="channel123"), kind="public_channel"))
    assert (bot.category, post.category, post.conversation_kind) == ("NOTIFICATION", "NEWSLETTER", "CHANNEL")


@pytest.mark.parametrize("author", [123 + (1 << 32), 123, "user123"])
def test_older_ids_are_those_of_today(tmp_path: Path, author: object) -> None:
    assert read(chat(tmp_path, message(from_id=author)))[0].participants[0].key == "user123"


def test_a_deleted_account_is_somebody_without_a_name(tmp_path: Path) -> None:
    (item,) = read(chat(tmp_path, message(**{"from": None}), kind="private_group", name="Boats"))
    assert item.participants[0].name == ""


def test_what_is_broken_is_named_with_its_line_and_place_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = chat(
        tmp_path, message(), {"id": 2, "type": "service", "action": "phone_call"}, {"id": 3, "type": "hologram"},
        message(date=None, date_unixtime="x"), message(id="4"), [], message(id=5),
    )  # fmt: skip
    path.write_text(path.read_text().replace('{"id": 5', '\n{"id": 5'))
    assert [reason for _, _, reason, _ in unreadable(path, "telegram")] == [
        "EXCLUDED",
        "UNSUPPORTED",
        "UNREADABLE",
        "UNREADABLE",
        "UNREADABLE",
    ]
    assert "/messages/3" in unreadable(path, "telegram")[2][3]
    assert [item.key for item in read(path)] == ["user123/1", "user123/5"]


def test_a_chat_that_does_not_say_what_it_is_borrows_nothing_from_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    known = {"name": "Ada", "type": "personal_chat", "id": 123, "messages": [message()]}
    path.write_text(
        json.dumps({"chats": {"list": [known, {"name": None, "messages": [message(id=2)]}, {**known, "name": None, "id": 5}]}})
    )
    assert [item.conversation_key for item in read(path)] == ["user123", "user5"]
    assert len(unreadable(path, "telegram")) == 1


def test_an_export_cut_anywhere_is_read_and_adds_up(tmp_path: Path) -> None:
    data = telegram(World(people=4, talks=5, messages=1), tmp_path / "whole").read_bytes()
    path = tmp_path / "cut.json"
    for size in range(200, len(data), 211):
        path.write_bytes(data[:size])
        if recognise([path]).groups:
            found = pages(path, "telegram")
            assert sum(1 for row in rows(found) if row.place) == found[-1].statements[0].expected


@pytest.mark.parametrize("text", ['{"type": "message"}', '[{"type": "personal_chat"}]', "{}", '{"about": "me"}'])
def test_other_json_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    assert recognise([path]).groups == []
