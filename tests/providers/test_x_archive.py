"""X's archive gives who follows whom and conversations, with the names that it has. All people are invented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exports as written
from benchmarks.universe import ME, MY_NAME
from providers import records
from tests.providers import exports

WORLD = written.World(people=30, talks=12)
MINE = f"{written.MY_HANDLE}@x.com"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return written.x_twitter(WORLD, tmp_path / "archive")


def script(path: Path, kind: str, elements: Any) -> Path:
    path.write_text(f"window.YTD.{kind}.part0 = {json.dumps(elements, indent=1)}")
    return path


def message(number: int, text: str, **more: Any) -> dict[str, Any]:
    return {"messageCreate": {"id": str(number), "senderId": "7", "text": text, "createdAt": "2024-01-15T10:11:12.345Z", **more}}


def talk(path: Path, *messages: Any) -> Path:
    return script(path, "direct_messages", [{"dmConversation": {"conversationId": "7-8", "messages": list(messages)}}])


def test_the_archive_is_read_whole_and_counted_twice(archive: Path, tmp_path: Path) -> None:
    exports.check(archive, "x", tmp_path)


def test_it_says_whose_it_is(archive: Path) -> None:
    profile = exports.scan(archive, "x").profile
    assert profile is not None
    assert (profile.user_id, profile.label) == (written.MY_X_ID, f"@{written.MY_HANDLE}")
    assert {(one.value, one.kind, one.primary) for one in profile.own_addresses} == {(MINE, "HANDLE", True), (ME, "EMAIL", False)}


def test_people_are_those_who_follow_and_are_followed_with_the_names_that_posts_give_them(archive: Path) -> None:
    found = {
        contact.key: contact for contact in exports.items(archive, "x", records.Contact) if contact.relation != "ADDRESS_BOOK"
    }
    following, followers = written.x_follows(WORLD)
    assert set(found) == {written.x_id(person) for person in [*following, *followers]}
    for person in WORLD.everybody():
        contact = found[written.x_id(person)]
        both = person in following and person in followers
        assert contact.relation == ("CONNECTION" if both else "FOLLOWING" if person in following else "FOLLOWER")
        if written.x_named(person):
            assert contact.names[0].full == person.name
            assert contact.url == f"https://x.com/{written.handle(person)}"
        else:
            assert contact.names == ()
            assert contact.url == f"https://x.com/i/user/{written.x_id(person)}"


def test_uploaded_contacts_are_address_book_entries(archive: Path) -> None:
    uploaded = [contact for contact in exports.items(archive, "x", records.Contact) if contact.relation == "ADDRESS_BOOK"]
    assert [contact.emails[0].address for contact in uploaded] == [WORLD.person(0).email, WORLD.person(1).email]


def test_conversations_have_all_their_messages_members_and_latest_names(archive: Path) -> None:
    messages = exports.items(archive, "x", records.Message)
    heads = {head.key: head for head in exports.items(archive, "x", records.ConversationHead)}
    for one in WORLD.conversations():
        key = written.x_talk_id(WORLD, one)
        mine = sorted((m for m in messages if m.conversation_key == key), key=lambda m: int(m.key))
        said = list(one.said()) if one.title else [
            s for other in WORLD.conversations() if not other.title and other.members == one.members for s in other.said()
        ]  # fmt: skip
        assert [(m.sent_at, m.text) for m in mine] == [(s.at, s.text) for s in said]
        senders = [next(p for p in m.participants if p.role == "FROM") for m in mine]
        assert [p.key for p in senders] == [
            written.MY_X_ID if s.sender is None else written.x_id(WORLD.person(s.sender)) for s in said
        ]
        everybody = {written.MY_X_ID, *(written.x_id(WORLD.person(n)) for n in one.members)}
        assert all({p.key for p in m.participants} == everybody for m in mine)
        head = heads[key]
        assert (head.kind, head.subject) == ("GROUP" if one.title else "DIRECT", one.title or None)
        assert {p.key for p in head.participants} == everybody
        assert next(p for p in head.participants if p.key == written.MY_X_ID).address == MINE
        assert next(p for p in head.participants if p.key == written.MY_X_ID).name == MY_NAME


def test_reactions_are_those_of_whoever_gave_them(archive: Path) -> None:
    for message in exports.items(archive, "x", records.Message):
        assert [(one.emoji, one.participant.address) for one in message.reactions or () if one.participant] == [
            (written.REACTION, MINE)
        ]


def test_posts_are_what_the_account_did_and_repeated(archive: Path) -> None:
    acts = exports.items(archive, "x", records.Activity)
    posts = [one for one in acts if one.verb == "CREATE" and not one.mentions]
    assert [one.object.text for one in posts if one.object] == [written.post_text(n) for n in range(written.POSTS)]
    assert [one.occurred_at for one in posts] == [written.BEGIN + timedelta(seconds=n) for n in range(written.POSTS)]
    assert {one.actor.handle for one in acts} == {MINE}
    (repeated,) = [one.object for one in acts if one.verb == "ANNOUNCE"]
    assert repeated is not None and repeated.attributed_to is not None
    assert (repeated.attributed_to.handle, repeated.text) == ("quay_club@x.com", "The roof is tight, and so are we…")
    assert [one.object.text for one in acts if one.verb == "LIKE" and one.object] == ["5 & 6"] * 3
    mentioned = [one.mentions[0].key for one in acts if one.mentions]
    assert mentioned == [written.x_id(person) for person in WORLD.everybody() if written.x_named(person)]


def test_a_post_comes_with_what_it_shows_answers_and_says_in_full(tmp_path: Path) -> None:
    whole = "A long story about the slipway, " * 20
    video = {
        "variants": [
            {"content_type": "video/mp4", "bitrate": "1", "url": "https://v.example/s"},
            {"content_type": "video/mp4", "bitrate": "2", "url": "https://v.example/l"},
        ]
    }
    media = [{"media_url_https": "https://p.example/a.jpg"}, {"media_url_https": "https://p.example/b.jpg", "video_info": video}]
    post = {
        "id_str": "1", "full_text": whole[:270] + "…", "created_at": "Wed Oct 10 20:19:24 +0000 2018", "in_reply_to_status_id_str": "7",
        "entities": {"hashtags": [{"text": "quay"}]}, "extended_entities": {"media": media}, "favorite_count": "12", "lang": "und",
    }  # fmt: skip
    script(tmp_path / "tweets.js", "tweets", [{"tweet": post}, {"tweet": {**post, "created_at": "soon"}}, post])
    script(tmp_path / "note-tweet.js", "note_tweet", [{"noteTweet": {"core": {"text": whole, "urls": []}}}])
    first, old = exports.items(tmp_path, "x", records.Activity)
    assert first.object is not None
    assert (first.object.text, first.object.in_reply_to, first.object.hashtags) == (whole, "https://x.com/i/status/7", ("quay",))
    assert [(one.media_type, one.url) for one in first.object.media] == [
        ("image/jpeg", "https://p.example/a.jpg"),
        ("video/mp4", "https://v.example/l"),
    ]
    assert (first.object.likes, first.object.language, first.occurred_at) == (
        12,
        None,
        datetime(2018, 10, 10, 20, 19, 24, tzinfo=UTC),
    )
    assert old.object == first.object
    assert len(exports.unreadable(tmp_path, "x")) == 1


def test_what_happened_to_a_group_is_named_and_is_no_message(archive: Path) -> None:
    left_out = exports.unreadable(archive, "x")
    groups = [one for one in WORLD.conversations() if one.title]
    assert len(left_out) == 4 * len(groups)
    assert {(path, reason) for path, _, reason, _ in left_out} == {("direct-messages-group.js", "EXCLUDED")}


def test_texts_are_as_they_were_typed(tmp_path: Path) -> None:
    links = [{"url": "https://t.co/a", "expanded": "https://example.org/quay?a=1&b=2", "display": "example.org/quay"}]
    path = talk(
        tmp_path / "dm",
        message(1, "look https://t.co/a &amp; 5 &lt; 6", urls=links),
        message(2, "", mediaUrls=["https://ton.example/1/p.jpg"]),
    )
    first, second = exports.items(path, "x", records.Message)
    assert first.text == "look https://example.org/quay?a=1&b=2 & 5 < 6"
    assert first.sent_at == datetime(2024, 1, 15, 10, 11, 12, 345000, tzinfo=UTC)
    assert (second.text, second.body_state, second.attachments[0].name) == ("", "AVAILABLE", "p.jpg")


def test_halves_of_characters_and_zeros_are_no_reason_to_lose_a_message(tmp_path: Path) -> None:
    path = talk(tmp_path / "dm", message(1, "a\ud83db"), message(2, "c\x00d"))
    assert [m.text for m in exports.items(path, "x", records.Message)] == ["a\ufffdb", "cd"]


def test_what_cannot_be_read_is_named_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    path = talk(
        tmp_path / "dm",
        message(1, "x", createdAt="yesterday"),
        {"welcomeMessageCreate": {}},
        {"messageCreate": {"id": "3"}},
        [],
        message(4, "y"),
    )
    path.write_text(path.read_text().replace('"text": "y"', '"text": "y" oops'))
    found = exports.unreadable(path, "x")
    assert [reason for *_, reason, _ in found] == ["UNREADABLE", "UNSUPPORTED", "UNREADABLE", "UNREADABLE", "UNREADABLE"]
    assert "yesterday" in found[0][3] and "/0/dmConversation/messages/0" in found[0][3]
    assert "welcomeMessageCreate" in found[1][3]
    assert "no JSON" in found[4][3]
    assert [line for _, line, _, _ in found] == sorted({line for _, line, _, _ in found if line})
    follows = script(
        tmp_path / "f", "following", [{"following": {"accountId": "x"}}, {"following": {}}, {"following": {"accountId": "9"}}]
    )
    assert len(exports.unreadable(follows, "x")) == 2


def test_a_missing_file_is_named_by_the_archive_s_own_list(archive: Path, tmp_path: Path) -> None:
    assert exports.scan(archive, "x").remarks == (f"This is the export of @{written.MY_HANDLE}.",)
    emptied = exports.respoiled(archive, tmp_path / "part.zip", "follower.js", lambda data: b"")
    assert any("follower.js" in remark and "missing" in remark for remark in exports.scan(emptied, "x").remarks)


@pytest.mark.parametrize("name", ["direct-messages.js", "direct-messages-group.js", "following.js"])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(archive: Path, tmp_path: Path, name: str) -> None:
    for cut in exports.cuts(archive, tmp_path, name, 12):
        found = exports.pages(cut, "x")
        seen = [row for row in exports.rows(found) if row.place is not None and row.place.path.endswith(name)]
        stated = {statement.container: statement.expected for statement in found[-1].statements}
        assert stated.get(name, 0) == len(seen)


def test_archives_of_2018_are_read_too(tmp_path: Path) -> None:
    path = script(
        tmp_path / "direct-message.js",
        "direct_message",
        [{"dmConversation": {"conversationId": "7-8", "messages": [message(1, "x")]}}],
    )
    assert [m.text for m in exports.items(path, "x", records.Message)] == ["x"]
