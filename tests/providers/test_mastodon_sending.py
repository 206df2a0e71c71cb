"""Writing into direct conversations of a Mastodon-compatible server, favourites, and what was read; seen by those who get it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from providers.base import Deleter, Editor
from providers.errors import Conflict, ReauthRequired, Refused
from providers.mastodon.adapter import Mastodon
from providers.mastodon.entity import instant, post_text
from providers.mastodon.item import FAVOURITE, talk_key
from providers.mastodon.sending import SURE
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingEdit, OutgoingReaction, Submitted
from providers.session import Secret
from tests import servers
from tests.fediverse import Person
from tests.providers.conftest import NOON, Exchange, HandClock, SessionMaker, http_answer, scripted
from tests.providers.contract import proxied
from tests.providers.test_mastodon import Api, account, status


@pytest.fixture
def ada(mastodon_server: servers.Mastodon) -> Person:
    return Person(mastodon_server, "ada")


@pytest.fixture
def robin(ada: Person) -> Person:
    return Person(ada.server, "robin")


class Notes:
    """What was noted before a message left."""

    def __init__(self) -> None:
        self.steps: list[bytes] = []

    async def __call__(self, step: bytes) -> None:
        self.steps.append(step)


def of(person: Person, new_session: SessionMaker, url: str | None = None) -> Mastodon:
    return Mastodon(new_session(url or person.server.url, secret=Secret(access_token=person.token)))


async def talk_with(person: Person, adapter: Mastodon) -> str:
    return (await adapter.heads(None, 20)).items[0].key


def got(person: Person) -> list[Any]:
    """The direct posts that somebody is mentioned in, the latest first."""
    told = person.does("GET", "notifications?types[]=mention&limit=40")
    return [one["status"] for one in told if one["status"] and one["status"]["visibility"] == "direct"]


async def test_an_answer_goes_to_everybody_in_the_conversation_and_stands_below_what_it_answers(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    cai = Person(ada.server, "cai")
    asked = ada.posts(f"@{robin.name} @{cai.name} Lunch?", visibility="direct")
    cai.posts(f"@{robin.name} @{ada.name} I can", visibility="direct", in_reply_to_id=asked["id"])
    adapter, notes = of(robin, new_session), Notes()
    key = await talk_with(robin, adapter)
    done = await adapter.say(OutgoingChat(id="k1", conversation=key, text="At one", answers=asked["uri"]), notes)
    assert done.fate == "TAKEN"
    for other in (ada, cai):
        (post, *_) = got(other)
        assert (post["uri"], post["in_reply_to_id"], post["visibility"]) == (done.key, asked["id"], "direct")
        assert post_text(post["content"]).endswith(" At one")
        assert {one["username"] for one in post["mentions"]} == {ada.name, cai.name}
    assert len(notes.steps) == 1
    # and the sync tells of it by the same key, in the same conversation
    (message,) = [one for one in (await of(robin, new_session).messages(key)).items if one.text.endswith("At one")]
    assert (message.key, message.conversation_key) == (done.key, key)


async def test_one_message_is_taken_once_however_often_it_is_said(new_session: SessionMaker, ada: Person, robin: Person) -> None:
    ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    adapter = of(robin, new_session)
    message = OutgoingChat(id="once", conversation=await talk_with(robin, adapter), text="Gladly")
    first, second = await adapter.say(message, Notes()), await of(robin, new_session).say(message, Notes())
    assert first.key == second.key
    assert len(got(ada)) == 1


async def test_after_a_cut_the_message_is_found_among_the_own_posts(
    new_session: SessionMaker, ada: Person, robin: Person, clock: HandClock
) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    key = await talk_with(robin, of(robin, new_session))
    clock.time = instant(first["created_at"]) or clock.time
    notes = Notes()

    def cut(exchange: Exchange, answer: bytes) -> bytes | None:
        return None if exchange.method == "POST" else answer

    message = OutgoingChat(id="cut", conversation=key, text="Yes & gladly: https://example.org/lake")
    async with proxied(robin.server.url) as proxy:
        proxy.tamper = cut
        assert (await of(robin, new_session, proxy.url).say(message, notes)).fate == "UNKNOWN"
    (post,) = got(ada)
    (step,) = notes.steps
    again = of(robin, new_session)
    assert await again.was_said(message, step) == Submitted(fate="TAKEN", key=post["uri"])
    lost = OutgoingChat(id="lost", conversation=key, text="Never taken")
    assert (await again.was_said(lost, step)).fate == "UNKNOWN"
    clock.time += timedelta(seconds=SURE)
    assert (await again.was_said(lost, step)).fate == "NOT_TAKEN"


async def test_who_is_not_in_the_conversation_does_not_get_it(new_session: SessionMaker, ada: Person, robin: Person) -> None:
    eve = Person(ada.server, "eve")
    ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    adapter, notes = of(robin, new_session), Notes()
    key = await talk_with(robin, adapter)
    with pytest.raises(Refused) as refusal:
        await adapter.say(OutgoingChat(id="k", conversation=key, text=f"Not with @{eve.name}"), notes)
    assert refusal.value.provider_code == "mention"
    assert notes.steps == []
    done = await adapter.say(OutgoingChat(id="k2", conversation=key, text=f"@{ada.name}: write to eve@example.org"), notes)
    assert done.fate == "TAKEN"
    assert post_text(got(ada)[0]["content"]) == f"@{ada.name}: write to eve@example.org"
    assert got(eve) == []


async def test_what_is_longer_than_the_server_takes_is_refused_before_it_leaves(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    adapter, notes = of(robin, new_session), Notes()
    key = await talk_with(robin, adapter)
    room = 500 - len(f"@{ada.name} ")
    with pytest.raises(Refused) as refusal:
        await adapter.say(OutgoingChat(id="k", conversation=key, text="x" * (room + 1)), notes)
    assert (refusal.value.provider_code, "500" in refusal.value.message) == ("too-large", True)
    assert notes.steps == []
    assert (await adapter.say(OutgoingChat(id="k", conversation=key, text="x" * room), notes)).fate == "TAKEN"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * 100, True),
        ("x" * 101, False),
        ("x" * 76 + " " + "https://example.org/" + "y" * 300, True),
        ("x" * 77 + " " + "https://example.org/" + "y" * 300, False),
        ("e\u0301" * 100, True),  # a letter with its accent is one
    ],
    ids=["as long as may be", "one longer", "a long link", "a long link and one sign", "accents"],
)
async def test_length_is_counted_as_servers_count_it(new_session: SessionMaker, text: str, fits: bool) -> None:
    friend = account(2, acct="bo@far.example.net")
    last = status(5, friend, visibility="direct", mentions=[{"id": "1", "acct": "p1"}])
    api = Api()
    api.answers["/api/v1/conversations"] = [{"id": "7", "accounts": [friend], "last_status": last}]
    api.answers["/api/v2/instance"] = {"domain": "example.org", "configuration": {"statuses": {"max_characters": 104}}}
    api.answers["/api/v1/statuses"] = status(6, account(1), visibility="direct")
    async with scripted(api) as server:
        adapter = Mastodon(new_session(server.url, secret=Secret(access_token="t")))
        message = OutgoingChat(id="k", conversation=talk_key(["bo@far.example.net"]), text=text)
        if fits:
            assert (await adapter.say(message, Notes())).fate == "TAKEN"
        else:
            with pytest.raises(Refused):
                await adapter.say(message, Notes())


async def test_a_conversation_whose_posts_are_all_gone_is_written_to_by_who_was_in_it(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    key = await talk_with(robin, of(robin, new_session))
    ada.does("DELETE", f"statuses/{first['id']}")
    done = await of(robin, new_session).say(OutgoingChat(id="k", conversation=key, text="Still there?"), Notes())
    assert done.fate == "TAKEN"
    assert [post_text(post["content"]) for post in got(ada)] == [f"@{ada.name} Still there?"]


async def test_an_edit_keeps_all_but_the_text_and_goes_to_the_same_people(
    new_session: SessionMaker, ada: Person, robin: Person, clock: HandClock
) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    mine = robin.posts(f"@{ada.name} Yse", visibility="direct", in_reply_to_id=first["id"], spoiler_text="food", language="en")
    ada.posts(f"@{robin.name} Pardon?", visibility="direct", in_reply_to_id=mine["id"])
    adapter = of(robin, new_session)
    assert isinstance(adapter, Editor)
    key = await talk_with(robin, adapter)
    at = instant(mine["created_at"])
    assert at is not None
    change = OutgoingEdit(id="e", conversation=key, message=mine["uri"], text="Yes", at=at)
    edited_at = await adapter.edit(change, again=False)
    now = ada.does("GET", f"statuses/{mine['id']}")
    assert (post_text(now["content"]), now["spoiler_text"]) == (f"@{ada.name} Yes", "food")
    assert edited_at == instant(now["edited_at"])
    assert await of(robin, new_session).edit(change, again=True) == edited_at  # it is done already
    robin.does("PUT", f"statuses/{mine['id']}", status=f"@{ada.name} No")
    with pytest.raises(Conflict):
        await of(robin, new_session).edit(change, again=True)
    for wrong, code in ((f"Not with @{Person(ada.server, 'eve').name}", "mention"), ("x" * 600, "too-large")):
        with pytest.raises(Refused) as refusal:
            await adapter.edit(OutgoingEdit(id="e", conversation=key, message=mine["uri"], text=wrong, at=at), again=False)
        assert refusal.value.provider_code == code


async def test_files_stay_with_a_post_that_is_edited(new_session: SessionMaker) -> None:
    friend = account(2)
    mine = status(
        5, account(1), visibility="direct", mentions=[{"id": "2", "acct": "p2"}], media_attachments=[{"id": "77"}, {"id": 8}]
    )
    api = Api()
    api.answers["/api/v1/conversations"] = [{"id": "7", "accounts": [friend], "last_status": mine}]
    api.answers["/api/v1/statuses/5"] = mine
    change = OutgoingEdit(id="e", conversation=talk_key(["p2@example.org"]), message=mine["uri"], text="Hi", at=NOON)
    async with scripted(api) as server:
        await Mastodon(new_session(server.url, secret=Secret(access_token="t"))).edit(change, again=False)
        (put,) = [exchange for exchange in server.seen if exchange.method == "PUT"]
    assert parse_qs(put.body.decode())["media_ids[]"] == ["77"]


async def test_what_is_deleted_is_gone_for_everybody_and_deleting_it_twice_is_deleting_it_once(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    mine = robin.posts(f"@{ada.name} Yse", visibility="direct", in_reply_to_id=first["id"])
    key = await talk_with(robin, of(robin, new_session))
    deletion = OutgoingDeletion(id="d", conversation=key, message=mine["uri"], everyone=True)
    for _ in range(2):
        adapter = of(robin, new_session)
        assert isinstance(adapter, Deleter)
        assert await adapter.delete(deletion) == Gone(kind="MESSAGE", key=mine["uri"])
    assert [post["uri"] for post in got(ada)] == []
    change = OutgoingEdit(id="e", conversation=key, message=mine["uri"], text="Yes", at=NOON)
    with pytest.raises(Refused) as refusal:
        await of(robin, new_session).edit(change, again=False)
    assert refusal.value.provider_code == "not-found"


async def test_a_favourite_is_made_and_taken_back_and_no_other_sign_is_taken(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    ada.posts(f"@{robin.name} Or dinner?", visibility="direct", in_reply_to_id=first["id"])
    adapter = of(robin, new_session)
    key = await talk_with(robin, adapter)

    def wanted(emoji: str = FAVOURITE, **more: Any) -> OutgoingReaction:
        return OutgoingReaction(id="r", conversation=key, message=first["uri"], emoji=emoji, **more)

    for _ in range(2):
        await adapter.react(wanted())
        assert ada.does("GET", f"statuses/{first['id']}")["favourites_count"] == 1
    for _ in range(2):
        await adapter.react(wanted(remove=True))
        assert ada.does("GET", f"statuses/{first['id']}")["favourites_count"] == 0
    with pytest.raises(Refused) as refusal:
        await adapter.react(wanted("👍"))
    assert refusal.value.provider_code == "sign"


async def test_reading_up_to_the_latest_post_is_reading_the_conversation_there(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    second = ada.posts(f"@{robin.name} Or dinner?", visibility="direct", in_reply_to_id=first["id"])
    key = await talk_with(robin, of(robin, new_session))
    await of(robin, new_session).read_up_to({key: first["uri"]})
    assert robin.does("GET", "conversations")[0]["unread"]  # something came after what was read
    await of(robin, new_session).read_up_to({key: second["uri"], talk_key(["nobody@example.org"]): "x"})
    assert not robin.does("GET", "conversations")[0]["unread"]


@pytest.mark.parametrize("act", ["say", "react", "read"])
async def test_a_grant_that_does_not_allow_writing_asks_for_a_new_one(new_session: SessionMaker, act: str) -> None:
    friend = account(2)
    last = status(5, friend, visibility="direct", mentions=[{"id": "1", "acct": "p1"}])
    closed = http_answer(403, '{"error":"This action is outside the authorized scopes"}')
    api = Api()
    api.answers["/api/v1/conversations"] = [{"id": "7", "accounts": [friend], "unread": True, "last_status": last}]
    for path in ("statuses", "statuses/5/favourite", "conversations/7/read"):
        api.answers[f"/api/v1/{path}"] = closed
    key = talk_key(["p2@example.org"])
    for scope in ("read:statuses read:accounts", None):  # the second one says nothing of its scopes, and is tried
        async with scripted(api) as server:
            adapter = Mastodon(new_session(server.url, secret=Secret(access_token="t", scope=scope)))
            with pytest.raises(ReauthRequired) as refusal:
                if act == "say":
                    await adapter.say(OutgoingChat(id="k", conversation=key, text="Hello"), Notes())
                elif act == "react":
                    await adapter.react(
                        OutgoingReaction(id="r", conversation=key, message="https://social.example.org/s/5", emoji=FAVOURITE)
                    )
                else:
                    await adapter.read_up_to({key: "https://social.example.org/s/5"})
            assert refusal.value.provider_code == "scope"
            assert any(exchange.method == "POST" for exchange in server.seen) is (scope is None)
