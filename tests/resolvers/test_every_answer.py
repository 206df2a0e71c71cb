"""What is undone leaves no trace in any answer: every field that can be asked is asked before and after, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from providers import records
from resolvers.influence import drawing
from resolvers.ingest import forget_account
from resolvers.relationship import placing, tallying
from store import standings
from store.feed import Recorder
from tests.asking import Desk, nodes
from tests.household import ME, NOW, Household, card, follower, mail
from tests.resolvers.every_answer import HISTORY, differences, everything, settled
from tests.schema.village import settle

PEOPLE = "{ viewer { people(filter: { natures: null }) { edges { node { id name } } } } }"
MERGE = "mutation($ids: [ID!]) { mergePeople(input: { personIds: $ids, override: true }) { merge { id } errors { code } } }"
UNMERGE = "mutation($merge: ID) { unmerge(input: { mergeId: $merge }) { errors { code } } }"
ANNOTATE = "mutation($id: ID!, $add: AnnotationInput!) { annotate(input: { aboutId: $id, add: $add }) { errors { code } } }"
#: What lists are asked by, where a field's place in them is all that it says.
LISTS = (
    "{ viewer {"
    + " ".join(
        f"{by.lower()}: people(orderBy: {{ by: {by}, direction: DESC }}) {{ edges {{ node {{ id }} }} }}"
        for by in ("NAME", "RELATIONSHIP", "LAST_CONTACT", "INFLUENCE")
    )
    + """ lately: people(filter: { contactedAfter: "2026-05-04T15:30:00Z" }) { edges { node { id } } }
  unread: people(filter: { hasUnread: true }) { edges { node { id } } }
  said: search(query: "engine") { edges { node { __typename ... on Person { id } ... on Message { id } ... on Conversation { id } } } }
  named: search(query: "ada") { edges { node { __typename ... on Person { id } ... on Message { id } ... on Conversation { id } } } } } }"""
)
DEPTH = 2


@pytest.fixture
async def desk(household: Household) -> Desk:
    """A household in which there is something of everything, and somebody has notes, tags and reminders."""
    village = await settle(household)
    await household.take(
        village.box, mail(3000, "zoe@example.org", name="Zoe Zed"), mail(3001, ME, "zoe@example.org", answers=[3000])
    )
    await reckon(household)
    desk = Desk(household)
    for name in ("Ada Lovelace", "Grace Hopper"):
        for add in (
            {"note": {"body": "Likes ale"}},
            {"tag": {"name": "Rowing"}},
            {"reminder": {"body": "Call", "dueAt": "2026-05-09T10:00:00Z"}},
        ):
            assert (await desk.ask(ANNOTATE, id=(await ids(desk))[name], add=add))["annotate"]["errors"] == []
    return desk


async def reckon(household: Household) -> None:
    """Do what is done behind the answers."""
    now = NOW + timedelta(days=1)
    await household.resolve()
    await tallying.tally(household.database, household.viewer)
    await placing.place_everybody(household.database, household.viewer, now)
    await drawing.draw(household.database, household.viewer, now)


async def ids(desk: Desk) -> dict[str, str]:
    return {p["name"]: p["id"] for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"])}


async def answers(desk: Desk, *besides: str) -> Any:
    told = [(await desk.execute(query)).data for query in (everything(DEPTH, HISTORY | frozenset(besides)), LISTS)]
    return settled(told)


async def unlink(household: Household, account_id: str) -> None:
    await household.forget(account_id)
    await household.database.write(household.viewer, standings.forget_all)
    await drawing.place(household.database, household.viewer)


async def test_a_join_that_is_taken_back_leaves_every_answer_as_it_was(desk: Desk) -> None:
    people = await ids(desk)
    before = await answers(desk)
    for one, other in (("Grace Hopper", "Ada Lovelace"), ("Zoe Zed", "Grace Hopper")):
        done = (await desk.ask(MERGE, ids=[people[one], people[other]]))["mergePeople"]
        assert done["errors"] == []
        await reckon(desk.household)  # what is reckoned of the two as one goes too
        assert differences(before, await answers(desk)) != []
        assert (await desk.ask(UNMERGE, merge=done["merge"]["id"]))["unmerge"]["errors"] == []
        await reckon(desk.household)
        assert differences(before, await answers(desk)) == []


async def test_an_account_that_goes_leaves_every_answer_as_if_it_had_never_been_there(desk: Desk) -> None:
    household = desk.household
    before = await answers(desk, "observedAt")  # evidence that comes back is noticed then
    book = await household.account("vcard", "more cards")
    box = await household.account("gmail", "robin2@example.org", own=["robin2@example.org"])
    net = await household.account("mastodon", "robin@other.example")
    await household.take(
        book,
        card("1", "Ada King", "ada@example.org", phones=["+4915112345001"], groups=("Friends", "Rowing")),
        card("2", "Grace B. Hopper", "grace@example.org", organizations=(records.Organization(name="Navy", title="Admiral"),)),
        card("3", "Bob Ray", "ida@example.org"),  # whose address is proof no more
        card("4", "New Person", "new@example.org", bio="Rows."),
    )
    await household.take(net, follower("zoe", "Zoe", urls=[records.Url(url="mailto:zoe@example.org")]))
    await household.take(
        box,
        *(mail(4000 + n, "ada@example.org", "robin2@example.org", name="Ada K.", answers=[100]) for n in range(2)),
        mail(4010, "new@example.org", "robin2@example.org", text="The engine again"),
        mail(4020, "robin2@example.org", "grace@example.org", answers=[200]),
        mail(
            900, "news@example.com", category="NEWSLETTER", headers=(records.Header(name="List-Id", value="<news.example.com>"),)
        ),
        mail(101, ME, "ada@example.org", answers=[100], name="Robin", unread=False, subject="Re: Engine 0"),
    )
    await reckon(household)
    assert differences(before, await answers(desk, "observedAt")) != []
    for account_id in (box, book, net):
        await unlink(household, account_id)
    await reckon(household)
    assert differences(before, await answers(desk, "observedAt")) == []


async def test_whoever_is_on_mails_of_two_accounts_stays_who_they_are_when_the_first_goes(household: Household) -> None:
    first = await household.account("imap", "robin@first.example", own=["robin@first.example"])
    second = await household.account("imap", "robin@second.example", own=["robin@second.example"])
    thread = (
        mail(1, "zoe@example.org", "robin@first.example", name="Zoe Zed"),
        mail(2, "robin@first.example", "zoe@example.org", answers=[1]),
        mail(3, "news@shop.example", "robin@first.example", category="NEWSLETTER", category_reason="It says List-Id."),
    )
    desk = Desk(household)
    await household.take(first, *thread)
    await reckon(household)
    zoe = (await ids(desk))["Zoe Zed"]
    await desk.ask(ANNOTATE, id=zoe, add={"note": {"body": "Likes ale"}})
    await household.take(second, *thread)
    await reckon(household)
    known = (
        "query($id: ID!) { node(id: $id) { ... on Person { name notes { body } conversations { edges { node { subject } } } } } }"
    )
    before = await desk.ask(known, id=zoe)
    assert before["node"]["notes"] and before["node"]["conversations"]["edges"]
    await unlink(household, first)
    await reckon(household)
    assert await desk.ask(known, id=zoe) == before
    assert list(await ids(desk)) == ["Zoe Zed"]  # and the newsletter is nobody still


class Died(Exception):
    """The process ends before it commits."""


async def test_an_unlinking_that_dies_within_every_step_ends_as_one_that_does_not_and_touches_nobody_else(
    household: Household,
) -> None:
    thread = (mail(1, "zoe@example.org", ME, name="Zoe Zed"), mail(2, ME, "zoe@example.org", answers=[1]))
    other = await Household.open(household.database, "u_morgan")
    for one in (household, other):
        for label in ("first", "second"):
            await one.take(await one.account("imap", label, own=[ME]), *thread)
        await reckon(one)
    known = "{ viewer { accounts { edges { node { id } } } people { edges { node { id name conversations { totalCount } } } } } }"
    before, theirs = await Desk(household).ask(known), await Desk(other).ask(known)
    first = nodes(before["viewer"]["accounts"])[0]["id"]

    def step(conn: sa.Connection, viewer: str, dies: bool) -> bool:
        recorder = Recorder(household.now, account_id=first)
        done = forget_account(conn, viewer, first, recorder, household.now)
        recorder.flush(conn, viewer)
        if dies:
            raise Died
        return done

    done = False
    while not done:
        with pytest.raises(Died):
            await household.database.write(household.viewer, step, True)
        done = await household.database.write(household.viewer, step, False)
    await reckon(household)
    after = await Desk(household).ask(known)
    assert [p["name"] for p in nodes(after["viewer"]["people"])] == ["Zoe Zed"]
    assert nodes(after["viewer"]["people"])[0]["conversations"] == {"totalCount": 1}
    for person in nodes(before["viewer"]["people"]):
        led = (await Desk(household).ask("query($id: ID!) { node(id: $id) { id } }", id=person["id"]))["node"]
        assert led == {"id": nodes(after["viewer"]["people"])[0]["id"]}
    assert await Desk(other).ask(known) == theirs
