"""Exports of Slack workspaces, read against what was said. All people are invented."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.chat_exports import SLACK_ME, SLACK_TEAM, slack, slack_id, slack_ts
from benchmarks.exports import World, handle
from benchmarks.universe import ME, MY_NAME
from providers import records
from tests.providers.exports import archive_of, check, items, of, pages, respoiled, rows, scan, unreadable

WORLD = World(people=30, talks=20, messages=12)
SAID = {one.number: (talk, one) for talk in WORLD.conversations() for one in talk.said()}
MINE = frozenset({ME})


def read(path: Path) -> dict[str, records.Message]:
    provider, paths = of(path, "slack")
    found = rows(list(archive_of(provider).pages(paths, None, own=MINE, region=None)))
    return {row.item.key: row.item for row in found if isinstance(row.item, records.Message)}


def export(folder: Path, *messages: Any) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("channels.json", json.dumps([{"id": "C012345", "name": "boats", "members": []}]))
        out.writestr(
            "users.json", json.dumps([{"id": "U012345", "team_id": SLACK_TEAM, "name": "ada", "profile": {"real_name": "Ada"}}])
        )
        out.writestr("boats/2024-05-06.json", json.dumps(messages))
    return path


def post(**more: Any) -> dict[str, Any]:
    return {"type": "message", "user": "U012345", "ts": "1714990000.000100", "text": "x", **more}


def test_everything_that_was_said_is_read_and_counted_twice(tmp_path: Path) -> None:
    path = slack(WORLD, tmp_path / "Boats Slack export.zip")
    check(path, "slack", tmp_path)
    found = read(path)
    assert len(found) == len(SAID)
    for talk, one in SAID.values():
        prefix = ("C" if talk.number % 2 else "G") if talk.title else "D"
        item = found[f"{prefix}0{talk.number:06}/{slack_ts(one)}"]
        assert item.text == (one.text.strip() + (f" @{MY_NAME}" if one.number % 1_000_000 % 4 == 1 else ""))
        assert abs(item.sent_at - one.at) < timedelta(seconds=1)
        assert item.conversation_kind == {"C": "CHANNEL", "G": "GROUP", "D": "DIRECT"}[prefix]
        sender = "robin" if one.sender is None else handle(WORLD.person(one.sender))
        assert item.participants[0].address == f"{sender}@boats.slack.com"
        if one.number % 1_000_000 % 3 == 2:
            assert item.references == (f"boats.slack.com/{item.conversation_key}/{slack_ts(next(talk.said()))}",)
            assert item.edited_at is not None
            mine, others = item.reactions or ()
            assert (mine.emoji, mine.participant and mine.participant.key, others.count) == ("turtle", SLACK_ME, 2)
        assert [file.name for file in item.attachments] == (["plan.pdf"] if one.number % 1_000_000 % 5 == 0 else [])


def test_members_have_addresses_and_programs_and_those_who_left_are_named(tmp_path: Path) -> None:
    path = slack(WORLD, tmp_path / "x.zip")
    found = items(path, "slack", records.Contact)
    assert {one.key: one.emails[0].address for one in found} == {
        SLACK_ME: ME,
        **{slack_id(one): one.email for one in WORLD.everybody()},
    }
    assert sum(1 for _, _, _, message in unreadable(path, "slack") if "program" in message) == 2


def test_who_the_user_is_is_the_member_with_their_address(tmp_path: Path) -> None:
    path = slack(WORLD, tmp_path / "x.zip")
    provider, paths = of(path, "slack")
    known = archive_of(provider).scan(paths, MINE).profile
    assert known is not None
    assert (known.user_id, {one.value for one in known.own_addresses}) == (
        f"{SLACK_TEAM}/{SLACK_ME}",
        {"robin@boats.slack.com", ME},
    )
    unknown = scan(path, "slack")
    assert unknown.profile is not None
    assert unknown.profile.user_id == SLACK_TEAM
    assert any("--me" in remark for remark in unknown.remarks)


def test_that_an_export_is_of_public_channels_only_is_said(tmp_path: Path) -> None:
    assert any(
        "no direct messages" in remark for remark in scan(slack(WORLD, tmp_path / "x.zip", public_only=True), "slack").remarks
    )


def test_what_is_broken_is_named_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        post(),
        post(ts="soon"),
        [],
        post(subtype="channel_topic"),
        post(ts="1714990001.000100", user=None, bot_id="B1", text="beep"),
    )
    assert [reason for _, _, reason, _ in unreadable(path, "slack")] == ["UNREADABLE", "UNREADABLE", "EXCLUDED"]
    assert {item.text: item.category for item in read(path).values()} == {"x": "PERSONAL", "beep": "NOTIFICATION"}
    (head,) = items(path, "slack", records.ConversationHead)
    assert (head.subject, head.kind) == ("#boats", "CHANNEL")  # as the live account calls it


def test_an_export_with_a_file_cut_anywhere_is_read_and_adds_up(tmp_path: Path) -> None:
    whole = export(tmp_path, *(post(ts=f"171499000{n}.000100") for n in range(5)))
    for n in range(1, 12):
        cut = respoiled(whole, tmp_path / "cut.zip", "06.json", lambda data, n=n: data[: 90 + len(data) * n // 12])  # type: ignore[misc]
        found = pages(cut, "slack")
        assert sum(1 for row in rows(found) if row.place) == sum(one.expected or 0 for one in found[-1].statements)
