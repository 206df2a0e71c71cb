"""Repositories of the AT Protocol as files, exported by a real PDS, whole and damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.exports import World
from benchmarks.repository import DID, repository
from benchmarks.universe import MY_NAME
from providers.archives.bluesky_car import CarArchive
from providers.archives.files import Mark, Source
from providers.archives.recognition import recognise
from providers.records import Activity, Unreadable
from tests.atproto_servers import AtProto, AtUser, exported
from tests.providers.bluesky_stub import did

OTHER = {"uri": f"at://{did(1)}/app.bsky.feed.post/3kxyz", "cid": "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454"}
AT = "2026-01-02T03:04:05Z"


@pytest.fixture
def user(atproto_server: AtProto) -> AtUser:
    user = atproto_server.new_user()
    user.call(
        "com.atproto.repo.putRecord",
        {
            "repo": user.did,
            "collection": "app.bsky.actor.profile",
            "rkey": "self",
            "record": {"$type": "app.bsky.actor.profile", "displayName": "Ada Ray"},
        },
    )
    for number in range(40):
        user.post(f"Post {number} 🎈", at=f"2026-01-02T03:04:{number:02}Z")
    gone = user.post("Taken back")
    user.delete("app.bsky.feed.post", gone)
    for number in range(3):
        user.follow(did(number))
    user.create("app.bsky.feed.like", {"subject": OTHER, "createdAt": AT})
    user.create("app.bsky.feed.repost", {"subject": OTHER, "createdAt": AT})
    return user


def rows(file: Path, cursor: bytes | None = None) -> list[Any]:
    pages = CarArchive().pages([file], cursor, own=frozenset(), region=None)
    return [row.item for page in pages for row in page.rows]


def test_a_repository_gives_posts_reposts_likes_and_follows(user: AtUser, tmp_path: Path) -> None:
    file = exported(user, tmp_path)
    found = recognise([file])
    assert [(provider.key, paths) for provider, paths in found.groups] == [("bluesky", [file])]
    scan = CarArchive().scan([file], frozenset())
    assert scan.profile is not None
    assert (scan.profile.user_id, scan.profile.label) == (user.did, "Ada Ray")
    assert list(scan.expected.values()) == [45]
    items = rows(file)
    assert len(items) == 45
    assert all(isinstance(item, Activity) for item in items)
    by_verb: dict[str, list[Activity]] = {}
    for item in items:
        by_verb.setdefault(item.verb, []).append(item)
    assert {one.object.text for one in by_verb["CREATE"] if one.object} == {f"Post {number} 🎈" for number in range(40)}
    assert {one.object.uri for one in by_verb["FOLLOW"] if one.object} == {did(number) for number in range(3)}
    assert [one.object and one.object.uri for one in (*by_verb["LIKE"], *by_verb["ANNOUNCE"])] == [OTHER["uri"]] * 2
    keys = {f"at://{user.did}/app.bsky.feed.post/{key}" for key in user.records("app.bsky.feed.post")}
    assert {one.key for one in by_verb["CREATE"]} == keys, "the same keys as the account's own, once it is linked"


def test_reading_goes_on_where_it_stopped(user: AtUser, tmp_path: Path) -> None:
    file = exported(user, tmp_path)
    archive = CarArchive()
    source = Source(file, "repo.car")
    about = archive.look([(archive.parts[0], source)], frozenset())
    everything = list(archive.parts[0].read(source, Mark(), about))
    stood, _, _ = everything[20]
    rest = list(archive.parts[0].read(source, Mark(offset=stood.end, position=stood.position), about))
    assert [item.key for _, item, _ in rest if isinstance(item, Activity)] == [
        item.key for _, item, _ in everything[21:] if isinstance(item, Activity)
    ]
    assert rest[-1][0].position == 45


def test_the_same_words_at_two_keys_are_two_records_wherever_reading_goes_on(user: AtUser, tmp_path: Path) -> None:
    for _ in range(3):  # byte for byte the same: one block of the file
        user.post("The same", at="2026-02-03T04:05:06Z")
    archive = CarArchive()
    source = Source(exported(user, tmp_path), "repo.car")
    about = archive.look([(archive.parts[0], source)], frozenset())
    everything = list(archive.parts[0].read(source, Mark(), about))
    assert len(everything) == 48
    for number, (stood, _, _) in enumerate(everything, 1):
        rest = archive.parts[0].read(source, Mark(offset=stood.end, position=stood.position), about)
        assert [(one.position, item.key) for one, item, _ in rest] == [
            (one.position, item.key) for one, item, _ in everything[number:]
        ]


def test_every_way_of_being_damaged_is_said_and_what_is_whole_is_taken(user: AtUser, tmp_path: Path) -> None:
    file = exported(user, tmp_path)
    whole = file.read_bytes()
    broken = tmp_path / "broken.car"
    place = whole.index("Post 7 🎈".encode())
    broken.write_bytes(whole[:place] + b"Pest" + whole[place + 4 :])
    items = rows(broken)
    assert [item.message for item in items if isinstance(item, Unreadable)] == [
        "The bytes of this record are not those that its name stands for: the file is damaged. Export the repository again."
    ]
    assert len(items) == 45
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        broken.write_bytes(whole[:length])
        items = rows(broken)
        assert length == 0 or len(items) == 45 or any(isinstance(item, Unreadable) for item in items)
    for at in range(40, len(whole), max(1, len(whole) // 60)):
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        rows(broken)
        CarArchive().scan([broken], frozenset())


def test_a_file_that_only_begins_like_one_is_no_repository(tmp_path: Path) -> None:
    file = tmp_path / "x.car"
    file.write_bytes(b"\x3a\xa2eroots\x81\xd8\x2a\x58\x25" + bytes(200))
    assert CarArchive().scan([file], frozenset()).profile is None
    assert [type(item) for item in rows(file)] == [Unreadable]


def test_a_repository_that_was_written_by_the_specification_alone_is_read_whole(tmp_path: Path) -> None:
    file = repository(World(people=30), tmp_path / "repo.car", records=4_000, filling=200_000)
    scan = CarArchive().scan([file], frozenset())
    assert scan.profile is not None
    assert (scan.profile.user_id, scan.profile.label) == (DID, MY_NAME)
    assert list(scan.expected.values()) == [4_000]
    items = rows(file)
    assert {type(item) for item in items} == {Activity}
    assert len({item.key for item in items}) == 4_000
