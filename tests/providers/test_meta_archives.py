"""The exports of Facebook and Instagram give people, threads and posts, in every age of their layout. All people are invented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exports as written
from benchmarks.universe import ME, MY_NAME, TOPICS
from providers import records
from providers.archives.recognition import recognise
from tests.providers import exports

WORLD = written.World(people=30, talks=12)
NETWORKS = {"facebook": written.facebook, "instagram": written.instagram}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def archive(tmp_path: Path, network: str) -> Path:
    return NETWORKS[network](WORLD, tmp_path / "archive")


@pytest.fixture
def facebook(tmp_path: Path) -> Path:
    return written.facebook(WORLD, tmp_path / "archive")


@pytest.fixture
def instagram(tmp_path: Path) -> Path:
    return written.instagram(WORLD, tmp_path / "archive")


def contacts(path: Path, key: str, relation: str | None = None) -> list[records.Contact]:
    return [one for one in exports.items(path, key, records.Contact) if relation is None or one.relation == relation]


def thread(path: Path, *messages: Any, participants: Any = (), **more: Any) -> Path:
    path.write_text(json.dumps({"participants": [{"name": name} for name in participants], "messages": messages, **more}))
    return path


def said(text: str, sender: str = "Ada Ray", **more: Any) -> dict[str, Any]:
    return {"sender_name": sender, "timestamp_ms": 1705313472345, "content": text, **more}


def test_the_export_is_read_whole_and_counted_twice(archive: Path, network: str, tmp_path: Path) -> None:
    exports.check(archive, network, tmp_path)


def test_facebook_says_whose_it_is(facebook: Path) -> None:
    profile = exports.scan(facebook, "facebook").profile
    assert profile is not None
    assert (profile.user_id, profile.label) == (MY_NAME.casefold(), MY_NAME)
    assert {one.value for one in profile.own_addresses} == {f"{MY_NAME}@facebook.com", ME}


def test_instagram_says_whose_it_is_in_the_words_of_its_language(instagram: Path) -> None:
    profile = exports.scan(instagram, "instagram").profile
    assert profile is not None
    assert (profile.user_id, profile.label) == (written.MY_INSTAGRAM, MY_NAME)
    assert {one.value for one in profile.own_addresses} == {
        f"{written.MY_INSTAGRAM}@instagram.com",
        f"{MY_NAME}@instagram.com",
        ME,
    }


def test_friends_have_a_name_and_a_day(facebook: Path) -> None:
    found = {one.names[0].full: one for one in contacts(facebook, "facebook", "CONNECTION")}
    assert set(found) == {person.name for person in WORLD.everybody()}
    for person in WORLD.everybody():
        assert found[person.name].created_at == written.BEGIN - timedelta(seconds=person.number)
    assert {one.names[0].full for one in contacts(facebook, "facebook", "FOLLOWING")} == {f"{topic} Club" for topic in TOPICS[:3]}


def test_followers_are_told_by_user_name_wherever_it_stands(instagram: Path) -> None:
    following, followers = written.x_follows(WORLD)
    found = {one.key: one for one in contacts(instagram, "instagram") if one.relation != "ADDRESS_BOOK"}
    assert set(found) == {written.handle(person) for person in [*following, *followers]}
    for person in WORLD.everybody():
        both = person in following and person in followers
        relation = "CONNECTION" if both else "FOLLOWING" if person in following else "FOLLOWER"
        assert found[written.handle(person)].relation == relation
        assert found[written.handle(person)].url == f"https://www.instagram.com/{written.handle(person)}"


def test_uploaded_contacts_are_address_book_entries(archive: Path, network: str) -> None:
    uploaded = contacts(archive, network, "ADDRESS_BOOK")
    assert [(one.names[0].full, one.emails[0].address) for one in uploaded] == [(p.name, p.email) for p in WORLD.everybody()[:2]]


def test_threads_have_all_their_messages_from_all_their_files_and_folders(archive: Path, network: str) -> None:
    messages = exports.items(archive, network, records.Message)
    heads = {head.key: head for head in exports.items(archive, network, records.ConversationHead)}
    assert len(messages) == sum(talk.messages for talk in WORLD.conversations())
    for talk in WORLD.conversations():
        key = written.meta_thread(talk)
        mine = sorted((m for m in messages if m.conversation_key == key), key=lambda m: m.sent_at)
        every = list(talk.said())
        assert [(m.sent_at, m.text) for m in mine] == [(one.at, one.text) for one in every]
        senders = [next(p.name for p in m.participants if p.role == "FROM") for m in mine]
        assert senders == [MY_NAME if one.sender is None else WORLD.person(one.sender).name for one in every]
        everybody = {MY_NAME, *(WORLD.person(n).name for n in talk.members)}
        assert all({p.name for p in m.participants} == everybody for m in mine)
        assert (heads[key].kind, heads[key].subject) == ("GROUP" if talk.title else "DIRECT", talk.title or None)
        assert {p.name for p in heads[key].participants} == everybody


def test_reactions_are_those_of_whoever_gave_them(archive: Path, network: str) -> None:
    for message in exports.items(archive, network, records.Message):
        assert [(one.emoji, one.participant.name) for one in message.reactions or () if one.participant] == [
            (written.REACTION, MY_NAME)
        ]


def acts(path: Path, network: str, *verbs: str) -> list[records.Activity]:
    return [one for one in exports.items(path, network, records.Activity) if one.verb in verbs]


def test_posts_and_comments_are_what_the_owner_did(archive: Path, network: str) -> None:
    posts = acts(archive, network, "CREATE")
    texts = {one.object.text: one.occurred_at for one in posts if one.object}
    comments = {written.comment_text(p): written.BEGIN + timedelta(seconds=p.number) for p in WORLD.everybody()[:3]}
    assert texts == {written.post_text(n): written.BEGIN + timedelta(seconds=n) for n in range(written.POSTS)} | comments
    assert len(posts) == len(texts)
    profile = exports.scan(archive, network).profile
    assert profile is not None
    assert {one.actor.handle for one in posts} <= {address.value for address in profile.own_addresses}


def test_likes_and_comments_say_whose_post_it_is(instagram: Path) -> None:
    likes = acts(instagram, "instagram", "LIKE")
    authors = [one.object.attributed_to.key for one in likes if one.object and one.object.attributed_to]
    assert authors == [written.handle(person) for person in WORLD.everybody()[:3]]
    commented = [
        one.target.attributed_to.key for one in acts(instagram, "instagram", "CREATE") if one.target and one.target.attributed_to
    ]
    assert commented == authors


def test_reactions_and_answers_to_events_are_acts_of_the_owner(tmp_path: Path) -> None:
    for n, places in enumerate((written.FACEBOOK_NOW, written.FACEBOOK_2018)):
        archive = written.facebook(WORLD, tmp_path / str(n), places=places)
        likes = acts(archive, "facebook", "LIKE")
        assert [one.occurred_at for one in likes] == [written.BEGIN + timedelta(seconds=p.number) for p in WORLD.everybody()[:3]]
        assert all(p.name in one.summary for p, one in zip(WORLD.everybody(), likes, strict=False))
        answers = acts(archive, "facebook", "ACCEPT", "REJECT", "TENTATIVE_ACCEPT")
        assert {(one.verb, one.object.name, one.object.starts_at) for one in answers if one.object} == {
            (verb, written.party(n), written.BEGIN + timedelta(hours=n))
            for n, verb in enumerate(("ACCEPT", "REJECT", "TENTATIVE_ACCEPT"))
        }
        assert [one.object.ends_at for one in answers if one.object and one.object.ends_at] == [
            written.BEGIN + timedelta(minutes=30)
        ]


def test_acts_are_told_apart_in_whatever_order_their_members_stand(tmp_path: Path) -> None:
    lists: dict[str, Any] = {
        "a.json": [{"title": "Robin likes it.", "data": [{"reaction": {"actor": "Robin", "reaction": "HAHA"}}], "timestamp": 5}],
        "b.json": [{"title": "Robin wrote.", "data": [{"post": "Ahoy"}], "timestamp": 5}],
        "c.json": {"comments_v2": [{"data": [{"comment": {"comment": "Fine", "timestamp": 5}}], "title": "", "timestamp": 5}]},
        "d.json": {"group_posts_v2": [{"title": "Robin posted in Boats.", "data": [{"post": "To all"}], "timestamp": 5}]},
        "e.json": [{"attachments": [{"data": [{"place": {"name": "Quay"}}]}], "timestamp": 5}],
    }
    for name, value in lists.items():
        (tmp_path / name).write_text(json.dumps(value))
    found = {name: exports.items(tmp_path / name, "facebook", records.Activity) for name in lists}
    assert {name: [(one.verb, one.object and one.object.text) for one in some] for name, some in found.items()} == {
        "a.json": [("LIKE", None)], "b.json": [("CREATE", "Ahoy")], "c.json": [("CREATE", "Fine")], "d.json": [("CREATE", "To all")],
        "e.json": [("CREATE", None)],
    }  # fmt: skip
    assert all(exports.unreadable(tmp_path / name, "facebook") == [] for name in lists)


def test_followers_of_every_age_of_the_export_are_read(tmp_path: Path) -> None:
    entry = {
        "string_list_data": [{"timestamp": 9, "href": "https://www.instagram.com/ada_ray"}],
        "media_list_data": [],
        "title": "",
    }
    for name, value in {"old.json": {"relationships_followers": [entry]}, "now.json": [entry]}.items():
        (tmp_path / name).write_text(json.dumps(value))
        assert [(one.key, one.relation) for one in contacts(tmp_path / name, "instagram")] == [("ada_ray", "FOLLOWER")]


def test_comments_of_the_old_layout_and_on_own_posts_are_read(tmp_path: Path) -> None:
    old = {"title": "ada_ray", "media_list_data": [], "string_list_data": [{"href": "", "value": "Fine", "timestamp": 9}]}
    (tmp_path / "old.json").write_text(json.dumps({"comments_media_comments": [old]}))
    own = {"string_map_data": {"Comment": {"value": "nice"}, "Time": {"timestamp": 9}}, "media_list_data": []}
    liked = {"title": "ada_ray", "string_list_data": [{"href": "https://www.instagram.com/p/1/", "value": "👍", "timestamp": 9}]}
    (tmp_path / "own.json").write_text(json.dumps([own]))
    (tmp_path / "liked.json").write_text(json.dumps({"likes_comment_likes": [liked]}))
    said = [exports.items(tmp_path / name, "instagram", records.Activity)[0] for name in ("old.json", "own.json", "liked.json")]
    assert [one.object.text for one in said if one.object] == ["Fine", "nice", None]
    assert [one.target.attributed_to.key for one in said if one.target and one.target.attributed_to] == ["ada_ray"]
    assert said[2].verb == "LIKE" and said[2].object and said[2].object.uri is None  # a comment has no address of its own


def test_the_layout_of_2018_is_read_too(tmp_path: Path) -> None:
    old = written.facebook(WORLD, tmp_path / "old", places=written.FACEBOOK_2018)
    exports.check(old, "facebook", tmp_path)
    assert len(contacts(old, "facebook", "CONNECTION")) == WORLD.people
    assert len(exports.items(old, "facebook", records.Message)) == sum(talk.messages for talk in WORLD.conversations())


def test_an_export_in_several_archives_is_one(facebook: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    first = exports.respoiled(facebook, folder / "facebook-1.zip", "message_2.json", lambda data: b"")
    ((_, paths),) = recognise([folder]).groups
    whole = len(exports.items(facebook, "facebook", records.Message))
    assert len(exports.items(first, "facebook", records.Message)) < whole
    facebook.rename(folder / "facebook-2.zip")
    ((provider, both),) = recognise([folder]).groups
    assert len(both) > len(paths)
    assert provider.archive is not None
    pages = provider.archive.pages(both, None, own=frozenset(), region=None)
    keys = {row.item.key for page in pages for row in page.rows if isinstance(row.item, records.Message)}
    assert len(keys) == whole


def test_which_network_a_thread_is_of_what_lies_beside_it_tells(tmp_path: Path) -> None:
    for name, key in (("a/messages/inbox/x_1", "facebook"), ("a/your_instagram_activity/messages/inbox/x_1", "instagram")):
        (tmp_path / name).mkdir(parents=True)
        thread(tmp_path / name / "message_1.json", said("hello"), participants=("Ada Ray", "Robin Vale"))
        (found,) = recognise([tmp_path / name / "message_1.json"]).groups
        assert found[0].key == key


def garbled(text: str) -> str:
    return text.encode().decode("latin-1")


@pytest.mark.parametrize("text", ["é", "🐢👩‍👩‍👧", "שלום, מה נשמע?", "plain", 'a\nb "c" {d}', "Ã© is no é", "ﬁ"])
def test_texts_are_put_right_and_those_that_are_right_stay(tmp_path: Path, text: str) -> None:
    path = thread(tmp_path / "message_1.json", said(garbled(text)), said(text, timestamp_ms=1), participants=("Ada Ray",))
    first, second = exports.items(path, "facebook", records.Message)
    assert first.text == text
    assert second.text == text or garbled(second.text) == text


def test_people_who_left_are_told_apart_by_thread(tmp_path: Path) -> None:
    left = [
        exports.items(
            thread(
                tmp_path / f"{n}.json",
                said("hello", "Facebook user"),
                participants=("Facebook user", "Robin"),
                thread_path=f"inbox/x_{n}",
            ),
            "facebook",
            records.Message,
        )[0].participants[0]
        for n in range(2)
    ]
    assert left[0].key != left[1].key
    assert left[0].address != left[1].address


def test_two_friends_of_one_name_are_two(tmp_path: Path) -> None:
    path = tmp_path / "friends"
    path.write_text(json.dumps({"friends_v2": [{"name": "Ada Ray", "timestamp": 200}, {"name": "Ada Ray", "timestamp": 100}]}))
    later, first = contacts(path, "facebook")
    assert first.key == "name:ada ray"
    assert later.key != first.key


def test_what_comes_with_a_text_is_named(tmp_path: Path) -> None:
    path = thread(
        tmp_path / "m.json",
        said("look", share={"link": "https://example.org/quay"}),
        said("see https://example.org/a", share={"link": "https://example.org/a"}, timestamp_ms=2),
        said(
            "",
            photos=[{"uri": "messages/inbox/x_1/photos/quay.jpg"}],
            sticker={"uri": "messages/stickers_used/boat.png"},
            timestamp_ms=3,
        ),
        {"sender_name": "Ada Ray", "timestamp_ms": 4, "is_unsent": True},
    )
    link, within, files, unsent = exports.items(path, "facebook", records.Message)
    assert (link.text, within.text) == ("look\nhttps://example.org/quay", "see https://example.org/a")
    assert [one.name for one in files.attachments] == ["quay.jpg", "boat.png"]
    assert unsent.body_state == "DELETED" and unsent.deleted_at == unsent.sent_at


def test_encrypted_chats_downloaded_from_messenger_are_read(tmp_path: Path) -> None:
    message = {
        "senderName": "Ada Żółć",
        "text": "Grüße",
        "timestamp": 1705313472345,
        "type": "text",
        "media": [{"uri": "./media/a.jpg"}],
        "isUnsent": False,
    }
    path = tmp_path / "Ada_12.json"
    path.write_text(
        json.dumps(
            {"participants": ["Ada Żółć", "Robin Vale"], "threadName": "Ada Żółć_12", "messages": [message]}, ensure_ascii=False
        )
    )
    (found,) = exports.items(path, "facebook", records.Message)
    assert (found.text, found.conversation_key, found.attachments[0].name) == ("Grüße", "e2ee:Ada Żółć_12", "a.jpg")
    assert [(p.role, p.name) for p in found.participants] == [("FROM", "Ada Żółć"), ("TO", "Robin Vale")]
    assert found.sent_at == datetime(2024, 1, 15, 10, 11, 12, 345000, tzinfo=UTC)


def test_what_cannot_be_read_is_named_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    path = thread(tmp_path / "m.json", said("a", timestamp_ms="soon"), "text", {}, said("b"), participants=("Ada Ray",))
    found = exports.unreadable(path, "facebook")
    assert [reason for *_, reason, _ in found] == ["UNREADABLE"] * 3
    assert "soon" in found[0][3] and "/messages/0" in found[0][3]
    friends = tmp_path / "friends"
    friends.write_text(
        '{"friends_v2": [{"name": "", "timestamp": 1}, {"name": "Ada", "timestamp": }, {"name": "Bob", "timestamp": 9}]}'
    )
    assert len(exports.unreadable(friends, "facebook")) == 2
    assert [one.names[0].full for one in contacts(friends, "facebook")] == ["Bob"]


@pytest.mark.parametrize("name", ["message_1.json", "your_friends.json", "your_posts__check_ins__photos_and_videos_1.json"])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(facebook: Path, tmp_path: Path, name: str) -> None:
    for cut in exports.cuts(facebook, tmp_path, name, 10):
        found = exports.pages(cut, "facebook")
        stated = {one.container: one.expected for one in found[-1].statements}
        seen: dict[str, int] = {}
        for row in exports.rows(found):
            if row.place is not None:
                seen[row.place.path] = seen.get(row.place.path, 0) + 1
        assert {place: count for place, count in stated.items() if count} == seen


def test_an_export_as_web_pages_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "messages.html").write_text("<html><body>3. Mai 2024, 10:11</body></html>")
    found = recognise([tmp_path / "messages.html"])
    assert found.groups == []
    assert "choose JSON" in found.unrecognised[0][1]


def test_whose_threads_they_are_is_told_by_who_is_in_all_of_them(tmp_path: Path) -> None:
    def write(other: str) -> Path:
        return thread(
            tmp_path / f"{other}.json",
            said("x", other),
            participants=(other, "Robin Vale"),
            thread_path=f"inbox/{other}_{len(other)}",
        )

    write("Ada")
    assert exports.scan(tmp_path, "facebook").profile is None
    write("Bobby")
    profile = exports.scan(tmp_path, "facebook").profile
    assert profile is not None
    assert profile.label == "Robin Vale"
