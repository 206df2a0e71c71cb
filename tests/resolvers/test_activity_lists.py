"""Activities as front-ends read them: of a person and of everybody, each act once however often it was posted, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers import records
from store.tables import activity
from tests.asking import Desk, nodes, pages, statements
from tests.household import ME, NOW, Household, mail
from tests.posts import DAY, WALK, actor, post

LIST = """query($first: Int = 50, $after: Cursor, $filter: ActivityFilter) { viewer {
  activities(first: $first, after: $after, filter: $filter) { totalCount complete pageInfo { hasNextPage endCursor }
    edges { cursor node { id verb summary occurredAt actor { name person { id } } object { kind uri } copies { id account { label } } } } } } }"""
OF_PEOPLE = """query($filter: ActivityFilter) { viewer { people { edges { node { id name
  activities(filter: $filter) { totalCount edges { node { id summary copies { id } } } } } } } } }"""
TIMELINE = """query($first: Int, $after: Cursor, $filter: TimelineFilter, $from: DateTime) { viewer {
  timeline(first: $first, after: $after, filter: $filter, from: $from) { totalCount pageInfo { hasNextPage endCursor }
    edges { cursor node { __typename occurredAt ... on Activity { id summary } ... on Message { id } } } } } }"""


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


async def two_networks(household: Household) -> tuple[str, str]:
    """Ada is on both, and each says that the other is hers too."""
    one = await household.account("mastodon", "robin@social.example")
    two = await household.account("bluesky", "robin.sky.example")
    here, there = actor(), actor("ada@sky.example")
    for account, mine, other in ((one, here, there), (two, there, here)):
        link = records.Url(url=other.url or "", verified=True)
        await household.take(
            account,
            records.Contact(
                key=mine.key or "", relation="FOLLOWING", names=(records.Name(full="Ada Ray"),), url=mine.url, urls=(link,)
            ),
        )
    await household.resolve()
    return one, two


async def everything(desk: Desk, **filter: Any) -> list[Any]:
    return nodes((await desk.ask(LIST, filter=filter or None))["viewer"]["activities"])


async def test_activities_come_latest_first_and_every_page_goes_on_where_the_last_ended(desk: Desk) -> None:
    account = await desk.household.account("mastodon")
    await desk.household.take(account, *(post(n, f"Post number {n}") for n in range(7)))
    found = [node for page in await pages(desk, LIST, ["viewer", "activities"], first=3) for node in page]
    assert [node["object"]["uri"].rpartition("/")[2] for node in found] == ["6", "5", "4", "3", "2", "1", "0"]


async def test_an_activity_tells_who_did_what_to_what_and_what_the_network_itself_said(desk: Desk) -> None:
    account = await desk.household.account("mastodon")
    thing = records.ActivityObject(
        kind="NOTE", uri="https://social.example/1", text="Look: a heron", html='<p onclick="x()">Look: <img src="http://spy.example/">a heron</p>',
        language="en", url="https://social.example/@ada/1", in_reply_to="https://social.example/0", hashtags=("birds",), likes=3,
        media=(records.Media(media_type="image/png", url="https://social.example/h.png", alt="a heron"),), attributed_to=actor(),
    )  # fmt: skip
    cai = actor("cai@social.example", "Cai Low")
    await desk.household.take(
        account,
        post(1, object=thing, verb="LIKE", by=cai, mentions=(actor(),), original=b'{"id":"1","big":12345678901234567890}'),
    )
    text = """{ viewer { activities(first: 1) { edges { node { id version verb summary visibility occurredAt editedAt url original
      account { label } actor { uri kind name handle photo { hash } person { name } } mentions { name }
      object { kind text html language url inReplyTo hashtags likeCount
        repostCount attributedTo { name } media { mediaType url alt } } target { kind } } } } } }"""
    (node,) = nodes((await desk.ask(text))["viewer"]["activities"])
    assert (node["verb"], node["summary"]) == ("LIKE", "Cai Low liked: Look: a heron")
    assert node["actor"] == {
        "uri": cai.uri, "kind": "PERSON", "name": "Cai Low", "handle": "cai@social.example", "photo": None, "person": {"name": "Cai Low"},
    }  # fmt: skip
    assert node["original"] == {"id": "1", "big": 12345678901234567890}
    assert node["mentions"] == [{"name": "Ada Ray"}]
    shown = node["object"]
    assert "onclick" not in shown["html"] and "spy.example" not in shown["html"] and "a heron" in shown["html"]
    assert (shown["inReplyTo"], shown["hashtags"], shown["likeCount"]) == ("https://social.example/0", ["birds"], 3)
    assert shown["media"] == [{"mediaType": "image/png", "url": "https://social.example/h.png", "alt": "a heron"}]
    assert (node["target"], node["visibility"]) == (None, "PUBLIC")
    data = await desk.ask("query($id: ID!) { node(id: $id) { ... on Activity { id summary } } }", id=node["id"])
    assert data["node"] == {"id": node["id"], "summary": node["summary"]}


async def test_what_one_person_posts_to_two_networks_counts_once_with_the_other_listed(desk: Desk) -> None:
    one, two = await two_networks(desk.household)
    await desk.household.take(one, post(1))
    await desk.household.take(
        two,
        post(2, by=actor("ada@sky.example")),
        post(3, "Only here, and long enough to tell apart.", by=actor("ada@sky.example")),
    )
    found = await everything(desk)
    assert [[copy["account"]["label"] for copy in node["copies"]] for node in found] == [[], ["bluesky robin.sky.example"]]
    (ada,) = nodes((await desk.ask(OF_PEOPLE))["viewer"]["people"])
    assert ada["activities"]["totalCount"] == 2
    assert [len(node["copies"]) for node in nodes(ada["activities"])] == [0, 1]
    (copy,) = nodes(ada["activities"])[1]["copies"]
    data = await desk.ask("query($id: ID!) { node(id: $id) { ... on Activity { copies { id } } } }", id=copy["id"])
    assert data["node"]["copies"] == [{"id": nodes(ada["activities"])[1]["id"]}]


async def test_the_same_words_of_two_people_are_two_posts(desk: Desk) -> None:
    one = await desk.household.account("mastodon", "robin@social.example")
    two = await desk.household.account("bluesky", "robin.sky.example")
    await desk.household.take(one, post(1))
    await desk.household.take(two, post(2, by=actor("bea@sky.example", "Bea Fox")))
    assert [node["copies"] for node in await everything(desk)] == [[], []]


async def test_people_who_turn_out_to_be_one_have_posted_once(desk: Desk) -> None:
    one = await desk.household.account("mastodon", "robin@social.example")
    two = await desk.household.account("bluesky", "robin.sky.example")
    await desk.household.take(one, post(1))
    await desk.household.take(two, post(2, by=actor("ada@sky.example")))
    assert len(await everything(desk)) == 2
    book = await desk.household.account("vcard")
    links = (records.Url(url=actor().url or ""), records.Url(url=actor("ada@sky.example").url or ""))
    card = records.Contact(key="1", relation="ADDRESS_BOOK", names=(records.Name(full="Ada Ray"),), urls=links)
    await desk.household.take(book, card)
    await desk.household.resolve()
    assert len(await everything(desk)) == 1


async def test_a_post_that_two_accounts_show_counts_once(desk: Desk) -> None:
    one = await desk.household.account("mastodon", "robin@social.example")
    two = await desk.household.account("mastodon", "robin@elsewhere.example")
    for account in (one, two):
        await desk.household.take(account, post(1, "Short."), post(2, by=actor("news@social.example", "News", kind="SERVICE")))
    found = await everything(desk)
    assert len(found) == 2
    assert all(len(node["copies"]) == 1 for node in found)
    for account in (one, two):
        assert len(await everything(desk, accountIds=[account])) == 2  # seen through that one, whichever was first


async def test_saying_the_same_again_in_the_same_place_is_another_post(desk: Desk) -> None:
    account = await desk.household.account("mastodon")
    await desk.household.take(account, post(1), post(2))
    found = await everything(desk)
    assert [node["copies"] for node in found] == [[], []]


async def test_the_same_text_days_later_is_another_post(desk: Desk) -> None:
    one, two = await two_networks(desk.household)
    await desk.household.take(one, post(1, occurred_at=NOW - 3 * DAY))
    await desk.household.take(two, post(2, by=actor("ada@sky.example")))
    assert len(await everything(desk)) == 2


async def test_the_viewers_own_posts_to_two_networks_count_once(desk: Desk) -> None:
    one = await desk.household.account("mastodon", own=["robin@social.example"])
    two = await desk.household.account("bluesky", own=["robin@sky.example"])
    await desk.household.take(one, post(1, by=actor("robin@social.example", "Robin")))
    await desk.household.take(two, post(2, by=actor("robin@sky.example", "Robin")))
    (node,) = await everything(desk)
    assert len(node["copies"]) == 1
    assert node["actor"]["person"] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"verbs": ["LIKE"]}, {"2"}),
        ({"objectKinds": ["ARTICLE"]}, {"3"}),
        ({"providers": ["bluesky"]}, {"4"}),
        ({"after": (NOW - DAY + timedelta(minutes=2)).isoformat()}, {"3", "4"}),
        ({"before": (NOW - DAY + timedelta(minutes=2)).isoformat()}, {"1"}),
        ({"verbs": []}, set()),
    ],
)
async def test_filters_say_which(desk: Desk, asked: dict[str, Any], found: set[str]) -> None:
    one = await desk.household.account("mastodon")
    two = await desk.household.account("bluesky")
    article = records.ActivityObject(kind="ARTICLE", uri="https://blog.example/posts/3", name="On herons")
    await desk.household.take(one, post(1, "one"), post(2, "two", verb="LIKE"), post(3, object=article))
    await desk.household.take(two, post(4, "four", by=actor("cai@sky.example", "Cai Low")))
    assert {node["object"]["uri"].rpartition("/")[2] for node in await everything(desk, **asked)} == found


async def test_the_activities_of_many_people_take_no_more_statements_than_those_of_one(desk: Desk) -> None:
    account = await desk.household.account("mastodon")
    await desk.household.take(account, post(1))
    with statements() as of_one:
        await desk.ask(OF_PEOPLE)
    for n in range(8):
        who = actor(f"p{n}@social.example", f"Person {n}")
        await desk.household.take(account, *(post(m, f"{WALK} {n} {m}", by=who) for m in range(3)))
    with statements() as of_many:
        people = nodes((await desk.ask(OF_PEOPLE))["viewer"]["people"])
    assert len(of_many) == len(of_one)
    assert sorted(person["activities"]["totalCount"] for person in people) == [1, *[3] * 8]
    chosen = people[1]["id"]
    assert {node["actor"]["person"]["id"] for node in await everything(desk, personIds=[chosen])} == {chosen}


async def test_the_timeline_holds_posts_and_messages_in_one_order_without_a_hole(desk: Desk) -> None:
    box = await desk.household.account("mbox", ME, own=[ME])
    account = await desk.household.account("mastodon")
    await desk.household.take(box, *(mail(n, "ada@example.org", text=f"number {n}", name="Ada") for n in range(5)))
    moment = NOW - timedelta(hours=1)
    await desk.household.take(account, *(post(n, f"Post {n}", occurred_at=moment + timedelta(minutes=17 * n)) for n in range(9)))
    both = {"kinds": ["MESSAGE", "ACTIVITY"]}
    whole = nodes((await desk.ask(TIMELINE, first=50, filter=both))["viewer"]["timeline"])
    assert len(whole) == 14
    assert [node["occurredAt"] for node in whole] == sorted((node["occurredAt"] for node in whole), reverse=True)
    for size in (1, 2, 3, 5):
        found = [node for page in await pages(desk, TIMELINE, ["viewer", "timeline"], first=size, filter=both) for node in page]
        assert [node["id"] for node in found] == [node["id"] for node in whole]
    data = await desk.ask(TIMELINE, first=3, filter={"kinds": ["ACTIVITY"]})
    assert data["viewer"]["timeline"]["totalCount"] == 9
    assert {node["__typename"] for node in nodes(data["viewer"]["timeline"])} == {"Activity"}
    data = await desk.ask(TIMELINE, first=50, filter=both, **{"from": moment.isoformat()})
    assert sum(node["__typename"] == "Activity" for node in nodes(data["viewer"]["timeline"])) == 1


async def test_a_damaged_activity_keeps_its_place_as_an_error(desk: Desk) -> None:
    account = await desk.household.account("mastodon")
    (first, _) = await desk.household.take(account, post(1, "one"), post(2, "two"))

    def spoil(conn: Any, viewer: str) -> None:
        conn.execute(activity.update().where(activity.c.id == first.node_id).values(record=msgspec.msgpack.encode("x")))

    await desk.household.database.write(desk.household.viewer, spoil)
    result = await desk.execute(LIST)
    good, bad = nodes(result.data["viewer"]["activities"])
    assert good["summary"] == "Ada Ray posted: two"
    assert bad is None
    assert len(result.errors) == 1


async def test_whoever_follows_gets_each_new_act_that_passes_the_filter_once(desk: Desk) -> None:
    account = await desk.household.account("mastodon", "robin@social.example")
    other = await desk.household.account("mastodon", "robin@elsewhere.example")
    await desk.household.take(account, post(1, "Before anybody followed"))
    start = (await desk.ask("{ viewer { feed { head } } }"))["viewer"]["feed"]["head"]
    text = "subscription { activities(filter: { verbs: [CREATE] }) { id summary } }"
    await desk.household.take(account, post(2, "First"), post(3, "Not asked for", verb="LIKE"))
    await desk.household.take(account, post(2, "First, edited", edited_at=NOW))
    await desk.household.take(other, post(2, "First, edited", edited_at=NOW), post(4, "Second"))
    # an EventSource that comes back
    events = await desk.follow(text, 2, desk.operation(last_event_id=start))
    said = [event["activities"]["summary"] for event in events]
    assert said == ["Ada Ray posted: First, edited", "Ada Ray posted: Second"]


async def test_a_person_whose_latest_posts_are_all_shown_by_several_accounts_has_the_older_ones_behind_them(desk: Desk) -> None:
    for n in range(9):  # each shows the same latest post, and copies of one act are one entry
        account = await desk.household.account("mastodon", f"robin@{n}.example")
        old = [post(1, "An older post of some length, about the weather")] if n == 0 else []
        await desk.household.take(account, *old, post(2))
        uri = actor().uri
        known = records.Contact(key=uri, relation="FOLLOWING", names=(records.Name(full="Ada Ray"),), url=actor().url)
        proved = records.Url(url=actor().url or "", verified=True)
        await desk.household.take(account, msgspec.structs.replace(known, urls=(proved,)))
    await desk.household.resolve()
    query = """query($first: Int!) { viewer { people { edges { node { activities(first: $first) {
      pageInfo { hasNextPage } edges { node { object { uri } copies { id } } } } } } } } }"""
    for first in (1, 2):
        (person,) = nodes((await desk.ask(query, first=first))["viewer"]["people"])
        shown = nodes(person["activities"])
        assert [(node["object"]["uri"].rpartition("/")[2], len(node["copies"])) for node in shown] == [("2", 8), ("1", 0)][:first]
        assert person["activities"]["pageInfo"]["hasNextPage"] == (first == 1)
