"""A Mastodon server's archive gives posts, direct messages of its owner, likes and follows. All people are invented."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exports as written
from benchmarks.universe import MY_NAME
from providers import records
from providers.mastodon.item import talk_key
from tests.providers import exports

KEY = "mastodon"
WORLD = written.World(people=30, talks=12)
MINE = f"robin@{written.MASTODON_HOST}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return written.mastodon(WORLD, tmp_path / "archive")


def outbox(archive: Path, into: Path, *items: Any) -> Path:
    """The archive with other acts in its outbox."""
    document = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": "outbox.json",
        "type": "OrderedCollection",
        "orderedItems": items,
    }
    return exports.respoiled(archive, into, "outbox.json", lambda data: json.dumps(document).encode())


def create(number: int, **note: Any) -> dict[str, Any]:
    public = ["https://www.w3.org/ns/activitystreams#Public"]
    thing = {"id": f"{written.MY_ACTOR}/statuses/{number}", "type": "Note", "content": "<p>x</p>", "to": public, "cc": [], **note}
    return {"id": f"{thing['id']}/activity", "type": "Create", "published": "2024-01-15T10:11:12Z", "object": thing}


def test_the_archive_is_read_whole_and_counted_twice(archive: Path, tmp_path: Path) -> None:
    exports.check(archive, KEY, tmp_path)


def test_it_says_whose_it_is(archive: Path) -> None:
    profile = exports.scan(archive, KEY).profile
    assert profile is not None
    assert (profile.user_id, profile.label) == (written.MY_ACTOR, f"@{MINE}")
    assert [(one.value, one.kind) for one in profile.own_addresses] == [(MINE, "HANDLE")]


def test_posts_repeats_and_likes_are_what_the_owner_did(archive: Path) -> None:
    acts = exports.items(archive, KEY, records.Activity)
    posts = [one for one in acts if one.verb == "CREATE"]
    assert [one.object.text for one in posts if one.object] == [written.post_text(n) for n in range(written.POSTS)]
    assert [one.occurred_at for one in posts] == [written.BEGIN + timedelta(seconds=n) for n in range(written.POSTS)]
    assert [one.key for one in posts] == [f"{written.MY_ACTOR}/statuses/{n}" for n in range(written.POSTS)]
    assert {one.visibility for one in posts} == {"PUBLIC"}
    assert [one.object.uri for one in acts if one.verb == "ANNOUNCE" and one.object] == [
        "https://toots.example.net/users/somebody/statuses/7"
    ]
    assert sum(one.verb == "LIKE" for one in acts) == 3
    assert {(one.actor.uri, one.actor.handle, one.actor.name) for one in acts} == {(written.MY_ACTOR, MINE, MY_NAME)}


def test_posts_for_some_alone_are_messages_with_those_whom_they_mention(archive: Path) -> None:
    messages = exports.items(archive, KEY, records.Message)
    talks = WORLD.conversations()
    assert len({talk.members for talk in talks}) == len(talks)
    for talk in talks:
        others = [written.mastodon_handle(WORLD.person(n)) for n in talk.members]
        mine = [one for one in messages if one.conversation_key == talk_key(others)]
        said = [one for one in talk.said() if one.sender is None]
        members = [WORLD.person(n) for n in talk.members]
        named = " ".join(f"@{written.handle(one)}" for one in members)
        texts = [" ".join(f"{named} {one.text}".split()).replace("\u200d", "") for one in said]  # what is invisible in HTML goes
        assert [(m.sent_at, m.text) for m in mine] == [(one.at, text) for one, text in zip(said, texts, strict=True)]
        for message in mine:
            assert [p.address for p in message.participants] == [MINE, *(written.mastodon_handle(one) for one in members)]
            assert message.conversation_kind == ("GROUP" if len(members) > 1 else "DIRECT")


def test_follows_come_from_the_list_beside_it(archive: Path) -> None:
    contacts = exports.items(archive, KEY, records.Contact)
    assert [one.handles[0].handle for one in contacts] == [written.mastodon_handle(person) for person in WORLD.everybody()]
    assert {one.relation for one in contacts} == {"FOLLOWING"}


def test_who_is_written_to_is_the_contact_that_the_list_of_follows_has(archive: Path) -> None:
    followed = {one.key for one in exports.items(archive, KEY, records.Contact)}
    messages = exports.items(archive, KEY, records.Message)
    assert {p.key for message in messages for p in message.participants if p.role == "TO"} <= followed


def test_a_direct_post_is_in_the_conversation_with_those_whom_it_mentions_at_the_domain_of_their_handles(
    archive: Path, tmp_path: Path
) -> None:
    """A server whose handles end with another domain than its addresses says so in its actor (FEP-2c59)."""

    def elsewhere(data: bytes) -> bytes:
        return json.dumps({**json.loads(data), "webfinger": "Robin@example.org"}).encode()

    tags = [
        {"type": "Mention", "name": name, "href": f"https://{host}/users/x"}
        for name, host in (("@Ada", written.MASTODON_HOST), ("@ada@example.org", written.MASTODON_HOST),
                           ("@robin", written.MASTODON_HOST), ("@cai@toots.example.net", "toots.example.net"))
    ]  # fmt: skip
    bare = exports.respoiled(archive, tmp_path / "bare.zip", "actor.json", elsewhere)
    answered = "https://toots.example.net/users/cai/statuses/7"
    path = outbox(bare, tmp_path / "a.zip", create(1, to=["x"], tag=tags, inReplyTo=answered), create(2, to=[], tag=tags[2:3]))
    together, alone = exports.items(path, KEY, records.Message)
    assert together.conversation_key == talk_key(["ada@example.org", "cai@toots.example.net"])
    assert [(one.role, one.key) for one in together.participants] == [
        ("FROM", "robin@example.org"), ("TO", "ada@example.org"), ("TO", "cai@toots.example.net"),
    ]  # fmt: skip
    assert (together.internet_message_id, together.references) == (together.key, (answered,))
    assert (alone.conversation_key, alone.conversation_kind) == (talk_key([]), "DIRECT")


def test_a_post_comes_with_what_it_says_to_whom(archive: Path, tmp_path: Path) -> None:
    tags = [
        {"type": "Hashtag", "name": "#Quay", "href": "x"},
        {"type": "Mention", "name": "@ada", "href": "https://toots.example.net/users/ada"},
    ]
    shown = '<span class="invisible">https://</span><span class="ellipsis">example.org/a</span>'
    link = f'<p>see <a href="https://example.org/a?b=1&amp;c=2">{shown}</a></p>'
    followers = f"{written.MY_ACTOR}/followers"
    path = outbox(
        archive,
        tmp_path / "a.zip",
        create(
            1,
            content=link,
            tag=tags,
            summary="boats",
            contentMap={"de": link},
            inReplyTo="https://toots.example.net/1",
            updated="2024-02-01T00:00:00Z",
        ),
        create(2, to=[followers], cc=[]),
        create(3, to=[followers], cc=["https://www.w3.org/ns/activitystreams#Public"]),
        {"id": "x", "type": "Announce", "published": "2024-01-15T10:11:12Z", "object": create(4)["object"], "to": ["as:Public"]},
    )
    first, limited, unlisted, own = [one for one in exports.items(path, KEY, records.Activity) if one.verb != "LIKE"]
    assert first.object is not None
    assert (first.object.text, first.object.summary, first.object.language) == (
        "see https://example.org/a?b=1&c=2",
        "boats",
        "de",
    )
    assert (first.object.hashtags, first.object.in_reply_to) == (("Quay",), "https://toots.example.net/1")
    assert [one.handle for one in first.mentions] == ["ada@toots.example.net"]
    assert first.edited_at is not None
    assert [one.visibility for one in (limited, unlisted, own)] == ["FOLLOWERS", "UNLISTED", "PUBLIC"]
    assert (own.verb, own.key) == ("ANNOUNCE", "x")


def test_what_cannot_be_read_is_named_with_its_place_and_what_to_do(archive: Path, tmp_path: Path) -> None:
    path = outbox(archive, tmp_path / "a.zip", {"type": "Create"}, "text", {**create(1), "type": "Move"}, create(2, id=None))
    found = [message for file, *_, message in exports.unreadable(path, KEY) if file == "outbox.json"]
    assert len(found) == 4
    assert all("/orderedItems/" in message for message in found)
    follows = tmp_path / "following_accounts.csv"
    follows.write_text(
        "Account address,Show boosts,Notify on new posts,Languages\nada@example.org,true,false,\nnobody,true,false,\n"
    )
    assert [reason for *_, reason, _ in exports.unreadable(follows, KEY)] == ["UNREADABLE"]


def test_without_its_actor_an_archive_says_what_is_missing(archive: Path, tmp_path: Path) -> None:
    bare = exports.respoiled(archive, tmp_path / "bare.zip", "actor.json", lambda data: b"{}")
    assert exports.scan(bare, KEY).profile is None
    assert all("actor.json" in message for *_, message in exports.unreadable(bare, KEY))


def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(archive: Path, tmp_path: Path) -> None:
    for cut in exports.cuts(archive, tmp_path, "outbox.json", 12):
        found = exports.pages(cut, KEY)
        seen = sum(row.place is not None and row.place.path == "outbox.json" for row in exports.rows(found))
        stated = {one.container: one.expected for one in found[-1].statements}
        assert stated.get("outbox.json", 0) == seen
