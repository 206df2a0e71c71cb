"""A mirrored Mastodon account against a compatible server: what is posted, repeated, liked and said directly, edited and taken back.

Everybody has accounts of their own at the session's one server, so that no test sees another's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers.errors import Refused, Unavailable
from providers.mastodon import adapter as mastodon
from providers.mastodon import mirror as mastodon_mirror
from providers.mastodon import talks as mastodon_talks
from providers.mastodon.adapter import PROVIDER, Mastodon
from providers.mastodon.item import FAVOURITE, handles_of, talk_key
from providers.records import Activity, Contact, ConversationHead, Gone, Message, Reacted
from providers.session import Secret
from tests import servers
from tests.fediverse import Person
from tests.providers.conftest import Calls, Exchange, HandClock, SessionMaker, http_answer, scripted
from tests.providers.test_mastodon import Api, account, status


class Reader:
    """Takes an account's pages in, run by run."""

    def __init__(self, new_session: SessionMaker, me: Person, **more: Any) -> None:
        self._open: Callable[[], Mastodon] = lambda: Mastodon(
            new_session(me.server.url, provider="mastodon", secret=Secret(access_token=me.token), quota=PROVIDER.quota, **more)
        )
        self.cursor: bytes | None = None

    async def run(self) -> list[Any]:
        """The items of one run."""
        found = []
        async for page in self._open().pages(self.cursor):
            found += [row.item for row in page.rows]
            self.cursor = page.cursor or self.cursor
        return found


@pytest.fixture
def ada(mastodon_server: servers.Mastodon) -> Person:
    return Person(mastodon_server, "ada")


@pytest.fixture
def robin(ada: Person) -> Person:
    robin = Person(ada.server, "robin")
    robin.follows(ada)
    return robin


@pytest.fixture
def reader(new_session: SessionMaker, robin: Person) -> Reader:
    return Reader(new_session, robin)


def acts(items: list[Any]) -> list[Activity]:
    return [item for item in items if isinstance(item, Activity)]


def messages(items: list[Any]) -> list[Message]:
    return [item for item in items if isinstance(item, Message)]


async def test_what_those_who_are_followed_post_is_what_they_did(reader: Reader, ada: Person) -> None:
    made = ada.posts("A heron by the river. #birds", spoiler_text="nature", visibility="unlisted")
    (act,) = acts(await reader.run())
    assert (act.verb, act.visibility, act.container) == ("CREATE", "UNLISTED", "home")
    assert act.actor.handle is not None
    assert act.actor.handle.startswith(f"{ada.name}@")
    assert act.object is not None
    assert (act.object.kind, act.object.summary, act.object.hashtags) == ("NOTE", "nature", ("birds",))
    assert act.object.text == "A heron by the river. #birds"
    assert act.key == act.object.uri == made["uri"]
    assert act.original is not None
    assert msgspec.json.decode(act.original)["id"] == made["id"]


async def test_who_posts_is_the_contact_that_the_account_lists(reader: Reader, ada: Person) -> None:
    ada.posts("Hello")
    found = await reader.run()
    (contact,) = [item for item in found if isinstance(item, Contact)]
    assert [act.actor.key for act in acts(found)] == [contact.key]


async def test_a_boost_is_an_announce_of_the_post_by_who_boosted(reader: Reader, ada: Person) -> None:
    cai = Person(ada.server, "cai")
    made = cai.posts("A long way from home")
    ada.does("POST", f"statuses/{made['id']}/reblog")
    (act,) = acts(await reader.run())
    assert act.verb == "ANNOUNCE"
    assert (act.actor.handle or "").startswith(f"{ada.name}@")
    assert act.object is not None
    assert act.object.attributed_to is not None
    assert (act.object.attributed_to.handle or "").startswith(f"{cai.name}@")
    assert (act.object.uri, act.object.text) == (made["uri"], "A long way from home")
    assert act.key != made["uri"]


async def test_a_run_after_another_brings_only_what_is_new_and_what_stands_at_the_top(
    reader: Reader, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mastodon_mirror, "PAGE", 4)
    made = [ada.posts(f"Post {n}")["uri"] for n in range(11)]
    assert [act.key for act in acts(await reader.run())] == made[::-1]
    assert [act.key for act in acts(await reader.run())] == made[:6:-1]
    made += [ada.posts(f"Post {n}")["uri"] for n in range(11, 17)]
    assert set(made[11:]) <= {act.key for act in acts(await reader.run())} <= set(made[8:])


async def test_a_walk_that_was_interrupted_goes_on_where_it_was_and_misses_nothing(
    reader: Reader, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mastodon_mirror, "PAGE", 3)
    made = {ada.posts(f"Post {n}")["uri"] for n in range(10)}
    found: set[str] = set()
    for _ in range(40):
        pages = reader._open().pages(reader.cursor)
        page = await anext(pages)
        found |= {act.key for act in acts([row.item for row in page.rows])}
        reader.cursor = page.cursor
        await pages.aclose()  # type: ignore[attr-defined]
        if page.done:
            break
        if len(found) == 6:  # somebody posts meanwhile
            made.add(ada.posts("Meanwhile")["uri"])
    found |= {act.key for act in acts(await reader.run())}
    assert found == made


async def test_an_edit_of_a_recent_post_comes_with_its_moment(reader: Reader, ada: Person) -> None:
    made = ada.posts("A herron")
    await reader.run()
    ada.does("PUT", f"statuses/{made['id']}", status="A heron")
    (act,) = acts(await reader.run())
    assert act.object is not None
    assert (act.object.text, act.edited_at is not None) == ("A heron", True)


async def test_a_post_or_boost_that_was_taken_back_is_gone(reader: Reader, ada: Person) -> None:
    cai = Person(ada.server, "cai")
    theirs = cai.posts("Boosted for a while")
    boost = ada.does("POST", f"statuses/{theirs['id']}/reblog")
    made = ada.posts("Posted too soon")
    ada.posts("This one stays")
    await reader.run()
    ada.does("DELETE", f"statuses/{made['id']}")
    ada.does("POST", f"statuses/{theirs['id']}/unreblog")
    gone = {item for item in await reader.run() if isinstance(item, Gone)}
    assert gone == {Gone(kind="ACTIVITY", key=made["uri"]), Gone(kind="ACTIVITY", key=boost["uri"])}


async def test_who_is_followed_no_more_has_deleted_nothing(reader: Reader, ada: Person, robin: Person) -> None:
    cai = Person(ada.server, "cai")
    robin.follows(cai)
    ada.posts("From somebody who was followed")
    await reader.run()
    robin.does("POST", f"accounts/{ada.id}/unfollow")
    cai.posts("Another")
    assert [item for item in await reader.run() if isinstance(item, Gone)] == []


async def test_what_others_do_to_us_is_theirs(reader: Reader, robin: Person) -> None:
    stranger = Person(robin.server, "stranger")
    mine = robin.posts("My own post")
    stranger.follows(robin)
    stranger.does("POST", f"statuses/{mine['id']}/favourite")
    stranger.does("POST", f"statuses/{mine['id']}/reblog")
    answer = stranger.posts(f"@{robin.name} well said", in_reply_to_id=mine["id"])
    found = [act for act in acts(await reader.run()) if (act.actor.handle or "").startswith(stranger.name)]
    assert sorted(act.verb for act in found) == ["ANNOUNCE", "CREATE", "FOLLOW", "LIKE"]
    by_verb = {act.verb: act for act in found}
    followed, liked, said = by_verb["FOLLOW"].object, by_verb["LIKE"].object, by_verb["CREATE"].object
    assert followed is not None
    assert liked is not None
    assert said is not None
    assert (followed.kind, liked.uri, said.uri) == ("PROFILE", mine["uri"], answer["uri"])
    assert said.in_reply_to == f"{robin.server.url}/api/v1/statuses/{mine['id']}"
    assert [mention.handle for mention in by_verb["CREATE"].mentions] != []


async def test_a_favourite_is_ours_and_its_end_too(reader: Reader, ada: Person, robin: Person, clock: HandClock) -> None:
    old, new = ada.posts("Liked before linking"), ada.posts("Liked later")
    robin.does("POST", f"statuses/{old['id']}/favourite")
    (like,) = [act for act in acts(await reader.run()) if act.verb == "LIKE"]
    assert (like.key, (like.actor.handle or "").startswith(robin.name)) == (f"like:{old['uri']}", True)
    assert like.object is not None
    assert like.occurred_at == like.object.published_at
    robin.does("POST", f"statuses/{new['id']}/favourite")
    assert [act for act in acts(await reader.run()) if act.verb == "LIKE"] == []  # nobody tells of it: it is found by looking
    clock.time += timedelta(seconds=mastodon.UNTOLD_SECONDS)
    (later,) = [act for act in acts(await reader.run()) if act.verb == "LIKE"]
    assert (later.key, later.occurred_at) == (f"like:{new['uri']}", None)
    robin.does("POST", f"statuses/{old['id']}/unfavourite")
    clock.time += timedelta(seconds=mastodon.UNTOLD_SECONDS)
    found = await reader.run()
    assert [item for item in found if isinstance(item, Gone)] == [Gone(kind="ACTIVITY", key=f"like:{old['uri']}")]


async def test_a_direct_post_is_a_message_and_no_activity(reader: Reader, ada: Person, robin: Person) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=first["id"])
    last = ada.posts(f"@{robin.name} At one then", visibility="direct", in_reply_to_id=first["id"])
    found = await reader.run()
    assert acts(found) == []
    texts = {message.key: (message.text, message.unread) for message in messages(found)}
    assert len(texts) == 3
    assert texts[first["uri"]] == (f"@{robin.name} Lunch?", False)
    assert texts[last["uri"]][0] == f"@{robin.name} At one then"
    assert {message.conversation_kind for message in messages(found)} == {"DIRECT"}
    (head,) = [item for item in found if isinstance(item, ConversationHead)]
    assert {message.conversation_key for message in messages(found)} == {head.key}


async def test_a_direct_post_that_is_edited_or_deleted_is_noticed(reader: Reader, ada: Person, robin: Person) -> None:
    made = ada.posts(f"@{robin.name} Lunhc?", visibility="direct")
    await reader.run()
    ada.does("PUT", f"statuses/{made['id']}", status=f"@{robin.name} Lunch?")
    (message,) = messages(await reader.run())
    assert (message.text, message.edited_at is not None) == (f"@{robin.name} Lunch?", True)
    ada.does("DELETE", f"statuses/{made['id']}")
    found = await reader.run()
    assert Gone(kind="MESSAGE", key=made["uri"]) in found


async def test_a_conversation_is_known_by_who_is_in_it_however_it_goes_on(reader: Reader, ada: Person, robin: Person) -> None:
    cai = Person(ada.server, "cai")
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    (message,) = messages(await reader.run())
    assert message.conversation_key == talk_key([f"{ada.name}@{domain_of(ada)}"])
    answer = robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=first["id"])
    ada.posts(f"@{robin.name} @{cai.name} All three?", visibility="direct", in_reply_to_id=answer["id"])
    ada.posts(f"@{robin.name} Something else", visibility="direct")
    told = {item.text: item for item in [message, *messages(await reader.run())]}
    assert {text.split()[-1]: item.conversation_kind for text, item in told.items()} == {
        "Lunch?": "DIRECT", "Yes": "DIRECT", "three?": "GROUP", "else": "DIRECT",
    }  # fmt: skip
    assert len({item.conversation_key for item in told.values()}) == 2
    assert told[f"@{ada.name} Yes"].references == (first["uri"],)
    assert told[f"@{ada.name} Yes"].internet_message_id == answer["uri"]


async def test_of_a_public_post_that_is_answered_directly_only_the_answer_is_a_message(
    reader: Reader, ada: Person, robin: Person
) -> None:
    public = robin.posts("Anybody at the lake?")
    answer = ada.posts(f"@{robin.name} I am", visibility="direct", in_reply_to_id=public["id"])
    found = await reader.run()
    assert [item.key for item in messages(found)] == [answer["uri"]]
    assert [act.key for act in acts(found)] == [public["uri"]]


async def test_an_earlier_post_of_a_conversation_that_is_edited_or_deleted_is_noticed(
    reader: Reader, ada: Person, robin: Person
) -> None:
    first = ada.posts(f"@{robin.name} Lunhc?", visibility="direct")
    second = ada.posts(f"@{robin.name} Or dinner?", visibility="direct", in_reply_to_id=first["id"])
    robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=second["id"])
    await reader.run()
    ada.does("PUT", f"statuses/{first['id']}", status=f"@{robin.name} Lunch?")
    ada.does("DELETE", f"statuses/{second['id']}")
    found = await reader.run()
    assert {item.text for item in messages(found) if item.edited_at} == {f"@{robin.name} Lunch?"}
    assert [item for item in found if isinstance(item, Gone)] == [Gone(kind="MESSAGE", key=second["uri"])]
    assert [item for item in await reader.run() if isinstance(item, Gone)] == []


async def test_an_edit_is_noticed_though_looks_were_cut_and_newer_posts_came_meanwhile(
    reader: Reader, ada: Person, robin: Person, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mastodon_talks, "RECENT", 2)
    first = ada.posts(f"@{robin.name} Lunhc?", visibility="direct")
    await reader.run()

    async def cut_at(path: str) -> None:
        ada.server.fault({"type": "status", "status": 503}, path)
        with pytest.raises(Unavailable):
            await reader.run()
        ada.server.clear_faults()

    await cut_at("/api/v1/notifications")
    ada.does("PUT", f"statuses/{first['id']}", status=f"@{robin.name} Lunch?")
    for hour in ("one", "two", "three"):  # each in a thread of its own, told by the notifications
        ada.posts(f"@{robin.name} At {hour}?", visibility="direct")
    clock.time += timedelta(seconds=mastodon.UNTOLD_SECONDS)
    await cut_at("/api/v1/accounts/*/statuses")
    found = [*await reader.run(), *await reader.run()]
    assert {item.text for item in messages(found) if item.edited_at} == {f"@{robin.name} Lunch?"}


async def test_a_favourite_among_direct_posts_is_a_reaction_and_is_taken_back(reader: Reader, ada: Person, robin: Person) -> None:
    asked = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    answer = robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=asked["id"])
    assert {item.key: item.reactions for item in messages(await reader.run())} == {asked["uri"]: (), answer["uri"]: ()}
    ada.does("POST", f"statuses/{answer['id']}/favourite")
    found = await reader.run()
    (told,) = [item.reactions for item in messages(found) if item.reactions]
    ((sign, who),) = [(each.emoji, each.participant) for each in told]
    assert sign == FAVOURITE
    assert who is not None
    assert who.address.startswith(f"{ada.name}@")
    assert [
        type(item) for item in found if isinstance(item, Reacted | Activity)
    ] == []  # the notification of it says nothing more
    assert messages(await reader.run()) == []
    ada.does("POST", f"statuses/{answer['id']}/unfavourite")
    assert [item.reactions for item in messages(await reader.run())] == [()]


async def test_a_favourite_of_an_older_direct_post_is_told_by_itself(
    reader: Reader, ada: Person, robin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mastodon_talks, "RECENT", 1)
    mine = robin.posts(f"@{ada.name} Lunch?", visibility="direct")
    ada.posts(f"@{robin.name} Yes", visibility="direct", in_reply_to_id=mine["id"])
    await reader.run()
    ada.does("POST", f"statuses/{mine['id']}/favourite")
    ((message, reaction),) = [(item.message, item.reaction) for item in await reader.run() if isinstance(item, Reacted)]
    assert (message, reaction.emoji) == (mine["uri"], FAVOURITE)
    assert [item for item in await reader.run() if isinstance(item, Reacted)] == []


async def test_what_is_in_no_thread_any_more_because_a_post_was_deleted_arrives_all_the_same(
    reader: Reader, ada: Person, robin: Person, clock: HandClock
) -> None:
    first = ada.posts(f"@{robin.name} one", visibility="direct")
    mine = robin.posts(f"@{ada.name} two", visibility="direct", in_reply_to_id=first["id"])
    gone = ada.posts(f"@{robin.name} three", visibility="direct", in_reply_to_id=mine["id"])
    ada.posts(f"@{robin.name} four", visibility="direct", in_reply_to_id=gone["id"])
    ada.does("DELETE", f"statuses/{gone['id']}")
    assert sorted(item.text.split()[-1] for item in messages(await reader.run())) == ["four", "one", "two"]
    assert messages(await reader.run()) == []
    robin.does("DELETE", f"statuses/{mine['id']}")
    assert [item for item in await reader.run() if isinstance(item, Gone)] == [Gone(kind="MESSAGE", key=mine["uri"])]


async def test_a_conversation_that_was_read_elsewhere_waits_no_more(reader: Reader, ada: Person, robin: Person) -> None:
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    await reader.run()
    second = ada.posts(f"@{robin.name} Or dinner?", visibility="direct", in_reply_to_id=first["id"])
    assert {item.key: item.unread for item in messages(await reader.run())} == {second["uri"]: True}  # the first one still waits
    (talk,) = robin.does("GET", "conversations")
    robin.does("POST", f"conversations/{talk['id']}/read")
    assert {item.key: item.unread for item in messages(await reader.run())} == {first["uri"]: False, second["uri"]: False}


async def test_a_silent_look_asks_five_times(
    new_session: SessionMaker, robin: Person, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint costs so much: of three hundred calls in five minutes that is a look every five seconds."""
    calls = Calls()
    reader = Reader(new_session, robin, observer=calls)
    first = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=first["id"])
    await reader.run()
    calls.outcomes.clear()
    await reader.run()
    assert len(calls.outcomes) <= 5


async def test_who_was_mirrored_before_conversations_had_their_present_keys_keeps_none_twice(
    reader: Reader, ada: Person, robin: Person
) -> None:
    ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    (talk,) = robin.does("GET", "conversations")
    reader.cursor = b'{"marks":{"home":{"newest":"5"},"conversations":{"newest":"999999999999999999999"}}}'
    found = await reader.run()
    kinds = [(item.kind, item.key) if isinstance(item, Gone) else item.text for item in found if isinstance(item, Gone | Message)]
    assert kinds == [("CONVERSATION", talk["id"]), f"@{robin.name} Lunch?"]
    assert [item for item in await reader.run() if isinstance(item, Gone)] == []


def domain_of(person: Person) -> str:
    return str(person.server.get("/api/v2/instance")["domain"])


async def test_an_account_that_is_only_read_live_lists_its_contacts_alone(
    new_session: SessionMaker, ada: Person, robin: Person
) -> None:
    ada.posts("Hello")
    found = await Reader(new_session, robin, live=True).run()
    assert [type(item) for item in found] == [Contact]


def test_a_conversation_of_very_many_has_a_key_that_does_not_name_them() -> None:
    handles = [f"person-{n}@social.example.org" for n in range(60)]
    key = talk_key(handles)
    assert len(key) < 100
    assert key == talk_key(reversed(handles))
    with pytest.raises(Refused):
        handles_of(key)
    assert handles_of(talk_key(handles[:2])) == handles[:2]


# --- scripted servers -----------------------------------------------------------------------------------------------------


def lists(**answers: Any) -> Api:
    api = Api()
    for path in (
        "accounts/1/following",
        "accounts/1/followers",
        "conversations",
        "timelines/home",
        "notifications",
        "favourites",
    ):
        api.answers[f"/api/v1/{path}"] = answers.get(path.rpartition("/")[2], [])
    return api


async def read(new_session: SessionMaker, api: Any) -> list[Any]:
    async with scripted(api) as server:
        session = new_session(server.url, secret=Secret(access_token="t"))
        return [row.item async for page in Mastodon(session).pages(None) for row in page.rows]


@pytest.mark.parametrize(
    "refused",
    [
        http_answer(403, '{"error":"This action is outside the authorized scopes"}'),
        http_answer(404, '{"error":"Record not found"}'),
    ],
    ids=["not granted", "not there"],
)
async def test_a_list_that_is_not_to_be_had_costs_only_itself(new_session: SessionMaker, refused: bytes) -> None:
    api = lists(home=[status(5, account(2))], notifications=refused, favourites=refused, conversations=refused)
    assert [act.key for act in acts(await read(new_session, api))] == ["https://social.example.org/s/5"]


@pytest.mark.parametrize(
    "odd",
    [
        {
            "content": None,
            "mentions": None,
            "media_attachments": None,
            "visibility": None,
            "language": "not a tag!",
            "tags": None,
        },
        {"created_at": "never", "uri": None, "url": "javascript:alert(1)", "favourites_count": -1},
        {"media_attachments": [5, {"type": "image", "url": "https://cdn.example.org/a.png"}, {"type": "image", "url": "data:,"}]},
        {"visibility": "something new", "language": "de-AT"},
    ],
)
async def test_an_odd_post_is_still_an_activity(new_session: SessionMaker, odd: dict[str, Any]) -> None:
    (act,) = acts(await read(new_session, lists(home=[status(5, account(2), **odd)])))
    assert act.key in ("https://social.example.org/s/5", "5")
    assert act.url is None or act.url.startswith("https://")
    assert act.object is not None
    assert len(act.object.media) == (1 if "data:," in repr(odd) else 0)


async def test_a_post_that_cannot_be_read_is_reported_and_the_others_arrive(new_session: SessionMaker) -> None:
    api = lists(home=[status(7, account(2)), {"id": 6}, status(5, account(2))])
    found = await read(new_session, api)
    assert [act.key[-1] for act in acts(found)] == ["7", "5"]
    (broken,) = [item for item in found if not isinstance(item, Activity)]
    assert (broken.outcome, broken.container) == ("FAILED", "home")


async def test_ids_that_are_no_numbers_are_compared_by_length_and_text(new_session: SessionMaker) -> None:
    """As Pleroma's and GoToSocial's."""
    older, newer = status(1, account(2)) | {"id": "01HZZZ"}, status(2, account(2)) | {"id": "01J000"}
    api = lists(home=[older])
    async with scripted(api) as server:
        session = new_session(server.url, secret=Secret(access_token="t"))
        pages = [page async for page in Mastodon(session).pages(None)]
        link = '<http://{}/api/v1/timelines/home?max_id=x>; rel="next"'

        def home(exchange: Exchange) -> bytes:
            assert "max_id" not in exchange.path, "what is older was taken in before"
            return http_answer(200, msgspec.json.encode([newer, older]), Link=link.format(exchange.headers["host"]))

        api.answers["/api/v1/timelines/home"] = home
        again = [row.item async for page in Mastodon(session).pages(pages[-1].cursor) for row in page.rows]
    assert [act.key[-1] for act in acts(again)] == ["2", "1"]


async def test_where_several_posts_cannot_be_asked_for_at_once_a_few_of_the_latest_are_looked_at(
    new_session: SessionMaker,
) -> None:
    """As before Mastodon 4.3."""
    friend = account(2)
    direct = [status(n, friend, visibility="direct", mentions=[{"id": "1", "acct": "p1"}]) for n in range(1, 11)]
    talk = {"id": "7", "accounts": [friend], "unread": False, "last_status": direct[-1]}
    api = lists(conversations=[talk])
    for post in direct:
        api.answers[f"/api/v1/statuses/{post['id']}/context"] = {"ancestors": direct[:-1], "descendants": []}
        api.answers[f"/api/v1/statuses/{post['id']}"] = post
    del api.answers["/api/v1/statuses/8"]
    async with scripted(api) as server:
        session = new_session(server.url, secret=Secret(access_token="t"))
        pages = [page async for page in Mastodon(session).pages(None)]
        api.calls.clear()
        again = [row.item async for page in Mastodon(session).pages(pages[-1].cursor) for row in page.rows]
    assert [item.key for item in again if isinstance(item, Gone)] == ["https://social.example.org/s/8"]
    assert sum(call.startswith("/api/v1/statuses/") for call in api.calls) <= mastodon_talks.ONE_BY_ONE
