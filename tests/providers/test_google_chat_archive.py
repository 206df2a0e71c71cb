"""Google Chat in a Takeout gives conversations and their members. All people are invented."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exports as written
from benchmarks.universe import ME, MY_NAME
from providers import records
from providers.archives import google_chat
from tests.providers import exports

KEY = "google_chat"
WORLD = written.World(people=30, talks=12)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return written.google_chat(WORLD, tmp_path / "archive")


def group(folder: Path, *messages: Any) -> Path:
    folder.mkdir()
    (folder / "group_info.json").write_text(
        json.dumps({"members": [{"name": "Ada Ray", "email": "Ada@example.org"}, {"name": ""}]})
    )
    (folder / "messages.json").write_text(json.dumps({"messages": messages}, indent=1))
    return folder


def said(number: int, **more: Any) -> dict[str, Any]:
    at = "Monday, January 15, 2024 at 10:11:12 AM UTC"
    return {
        "creator": {"name": "Ada Ray", "email": "ada@example.org"},
        "created_date": at,
        "text": "x",
        "message_id": f"g/t/{number}",
        **more,
    }


def test_the_takeout_is_read_whole_and_counted_twice(archive: Path, tmp_path: Path) -> None:
    exports.check(archive, KEY, tmp_path)


def test_it_says_whose_it_is(archive: Path) -> None:
    profile = exports.scan(archive, KEY).profile
    assert profile is not None
    assert (profile.user_id, [(one.value, one.kind) for one in profile.own_addresses]) == (ME, [(ME, "EMAIL")])


def test_members_have_the_addresses_of_ones_mail(archive: Path) -> None:
    found = {one.key: one for one in exports.items(archive, KEY, records.Contact)}
    everybody = {WORLD.person(n) for talk in WORLD.conversations() for n in talk.members}
    assert set(found) == {person.email for person in everybody}
    assert {reason for *_, reason, _ in exports.unreadable(archive, KEY)} == {"EXCLUDED"}  # the owner, who is no contact
    for person in everybody:
        assert (found[person.email].names[0].full, found[person.email].emails[0].address) == (person.name, person.email)


def test_conversations_have_all_their_messages_members_names_and_reactions(archive: Path) -> None:
    messages = exports.items(archive, KEY, records.Message)
    heads = {head.key: head for head in exports.items(archive, KEY, records.ConversationHead)}
    for talk in WORLD.conversations():
        mine = [one for one in messages if one.conversation_key == written.google_group(talk)]
        every = list(talk.said())
        assert [(m.sent_at, m.text) for m in mine] == [(one.at, one.text) for one in every]
        senders = [next(p.name for p in m.participants if p.role == "FROM") for m in mine]
        assert senders == [MY_NAME if one.sender is None else WORLD.person(one.sender).name for one in every]
        everybody = {ME, *(WORLD.person(n).email for n in talk.members)}
        assert all({p.address for p in m.participants} == everybody for m in mine)
        given = [[(one.emoji, one.participant.address) for one in m.reactions or () if one.participant] for m in mine]
        assert given == [[(written.REACTION, ME)]] * len(mine)
        head = heads[written.google_group(talk)]
        assert (head.kind, head.subject) == ("GROUP" if talk.title else "DIRECT", talk.title or None)


def test_what_was_taken_back_or_has_files_is_shown_so(tmp_path: Path) -> None:
    folder = group(
        tmp_path / "DM 1",
        said(1, text="", message_state="DELETED"),
        said(2, text="", attached_files=[{"original_name": "quay.pdf", "export_name": "File-quay.pdf"}]),
        said(3, updated_date="Tuesday, January 16, 2024 at 12:00:00 AM UTC"),
    )
    deleted, file, edited = exports.items(folder, KEY, records.Message)
    assert deleted.body_state == "DELETED"
    assert (file.body_state, file.attachments[0].name) == ("AVAILABLE", "quay.pdf")
    assert edited.edited_at == datetime(2024, 1, 16, tzinfo=UTC)


def test_what_cannot_be_read_is_named_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    folder = group(tmp_path / "DM 1", said(1, created_date="gestern"), said(2), {"creator": {}}, "text")
    found = exports.unreadable(folder, KEY)
    assert [path for path, *_ in found] == ["group_info.json", *["messages.json"] * 3]
    assert "gestern" in found[1][3] and "/messages/0" in found[1][3]
    assert [one.key for one in exports.items(folder, KEY, records.Message)] == ["g/t/2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Monday, January 15, 2024 at 10:11:12\u202fAM UTC", datetime(2024, 1, 15, 10, 11, 12, tzinfo=UTC)),
        ("Wednesday, May 1, 2024 at 12:00:00 PM UTC", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        ("Sunday, February 30, 2024 at 1:00:00 PM UTC", None),
        ("Montag, 15. Januar 2024 um 10:11:12 UTC", None),
        (None, None),
    ],
)
def test_times_are_read_as_takeout_writes_them(text: str | None, expected: datetime | None) -> None:
    assert google_chat.moment(text) == expected


@pytest.mark.parametrize("name", ["messages.json", "group_info.json"])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(archive: Path, tmp_path: Path, name: str) -> None:
    for cut in exports.cuts(archive, tmp_path, name, 6):
        found = exports.pages(cut, KEY)
        seen: dict[str, int] = {}
        for row in exports.rows(found):
            if row.place is not None:
                seen[row.place.path] = seen.get(row.place.path, 0) + 1
        assert {one.container: one.expected for one in found[-1].statements if one.expected} == seen
