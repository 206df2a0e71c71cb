"""Discord's data packages of three ages, read against what was said. All people are invented."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chat_exports import DISCORD_AGES, DISCORD_ME, discord, discord_text, snowflake
from benchmarks.exports import World, handle
from benchmarks.universe import ME, MY_NAME
from providers import records
from tests.providers.exports import check, items, pages, respoiled, rows, scan, unreadable

WORLD = World(people=30, talks=20, messages=12)
MINE = {one.number: (talk, one) for talk in WORLD.conversations() for one in talk.said() if one.sender is None}
CHANNEL = "70000000000000555"


def package(folder: Path, *messages: Any, channel: dict[str, Any] | None = None, name: str | None = None) -> Path:
    """A package with one conversation."""
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("account/user.json", json.dumps({"id": str(DISCORD_ME), "username": "robin", "discriminator": "0"}))
        out.writestr("messages/index.json", json.dumps({CHANNEL: name}))
        if channel is not None:
            out.writestr(f"messages/c{CHANNEL}/channel.json", json.dumps({"id": CHANNEL, **channel}))
        out.writestr(f"messages/c{CHANNEL}/messages.json", json.dumps(messages))
    return path


def message(**more: Any) -> dict[str, Any]:
    return {"ID": 1155555555555555555, "Timestamp": "2023-09-24 16:00:00", "Contents": "x", "Attachments": "", **more}


def read(path: Path) -> list[records.Message]:
    return items(path, "discord", records.Message)


@pytest.mark.parametrize("age", DISCORD_AGES)
def test_everything_that_the_user_wrote_is_read_and_counted_twice(tmp_path: Path, age: str) -> None:
    path = discord(WORLD, tmp_path / "package.zip", age=age)
    check(path, "discord", tmp_path)
    found = {int(item.key): item for item in read(path)}
    assert found.keys() == {snowflake(one) for _, one in MINE.values()}
    for talk, one in MINE.values():
        item = found[snowflake(one)]
        assert item.text == discord_text(one)[1]
        assert abs(item.sent_at - one.at) < timedelta(milliseconds=1)
        assert item.conversation_kind == ("GROUP" if talk.title else "DIRECT")
        assert [who.address for who in item.participants] == [
            "robin@discord.com", *(f"{handle(WORLD.person(n))}@discord.com" for n in talk.members)
        ]  # fmt: skip
        names = ["boat plan.png", "b.pdf"] if one.number % 4 == 0 else []
        assert [attached.name for attached in item.attachments] == names


def test_friends_come_with_names_and_notes_and_others_are_named_and_left_out(tmp_path: Path) -> None:
    path = discord(WORLD, tmp_path / "package.zip")
    found = items(path, "discord", records.Contact)
    assert {one.names[0].full for one in found} == {person.name for person in WORLD.everybody()}
    assert [one.note for one in found if one.note] == ["sings"]
    assert found[0].names[0].nickname == "Nick"
    assert [(reason, message) for _, _, reason, message in unreadable(path, "discord")] == [
        ("EXCLUDED", "This is blocked, no friend. It is left out.")
    ]


def test_whose_package_it_is(tmp_path: Path) -> None:
    profile = scan(discord(WORLD, tmp_path / "package.zip"), "discord").profile
    assert profile is not None
    assert (profile.user_id, profile.label) == (str(DISCORD_ME), MY_NAME)
    assert {one.value for one in profile.own_addresses} == {"robin@discord.com", ME, "+447700900999"}


@pytest.mark.parametrize(
    ("channel", "name", "kind", "title"),
    [
        ({"type": 0, "name": "plans", "guild": {"id": "1", "name": "Boats"}}, "plans in Boats", "CHANNEL", "plans (Boats)"),
        ({"type": "PUBLIC_THREAD", "name": "roof"}, "roof in Boats", "THREAD", "roof"),
        ({"type": 3, "recipients": ["80351110224678912", "90000000000000007"]}, None, "GROUP", None),
        ({"type": 0}, "plans in Boats", "CHANNEL", "plans in Boats"),  # a server that was left
        (None, "plans in Boats", "CHANNEL", "plans in Boats"),
        (None, None, "CHANNEL", None),
        ({"type": "DM", "recipients": ["90000000000000007", "80351110224678912"]}, "Direct Message with ada.quay#0", "DIRECT", None),
    ],
)  # fmt: skip
def test_what_a_conversation_is(
    tmp_path: Path, channel: dict[str, Any] | None, name: str | None, kind: str, title: str | None
) -> None:
    path = package(tmp_path, message(), channel=channel, name=name)
    (item,) = read(path)
    (head,) = items(path, "discord", records.ConversationHead)
    assert (item.conversation_kind, head.kind, head.subject or None) == (kind, kind, title)
    if kind == "DIRECT":
        assert [who.address for who in item.participants] == ["robin@discord.com", "ada.quay@discord.com"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (f"<@{DISCORD_ME}>, <@!123>", "@robin, @123"), ("<@&90000000000000001>", "@role"), ("<a:wave:90000000000000001>", ":wave:"),
        (f"see <#{CHANNEL}>", "see #plans"), ("<t:1689242400:R>", "2023-07-13 10:00 UTC"), ("a < b > c", "a < b > c"), ("a\x00b", "ab"),
        ("<t:99999999999999999999>", "<t:99999999999999999999>"),
    ],
)  # fmt: skip
def test_mark_up_is_what_a_reader_sees(tmp_path: Path, written: str, meant: str) -> None:
    assert [item.text for item in read(package(tmp_path, message(Contents=written), name="plans in Boats"))] == [meant]


def test_what_is_broken_is_named_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = package(tmp_path, message(), message(ID="x"), [], message(ID=1155555555555555556))
    assert [reason for _, _, reason, _ in unreadable(path, "discord")] == ["UNREADABLE", "UNREADABLE"]
    assert len(read(path)) == 2


@pytest.mark.parametrize("age", ["json", "csv"])
def test_a_package_with_a_file_cut_anywhere_is_read_and_adds_up(tmp_path: Path, age: str) -> None:
    path = discord(World(people=3, talks=2, messages=4), tmp_path / "package.zip", age=age)
    for n in range(1, 12):
        cut = respoiled(path, tmp_path / "cut.zip", f"messages.{age}", lambda data, n=n: data[: 60 + len(data) * n // 12])  # type: ignore[misc]
        found = pages(cut, "discord")
        assert sum(1 for row in rows(found) if row.place) == sum(one.expected or 0 for one in found[-1].statements)


def test_recorded_activity_is_not_read(tmp_path: Path) -> None:
    path = discord(WORLD, tmp_path / "package.zip")
    assert not any("Activity" in (row.place.path if row.place else "") for row in rows(pages(path, "discord")))
