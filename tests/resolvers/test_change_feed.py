"""The change feed as clients read it: it fills an empty store, brings it up to date, goes on live, and never leaves a hole."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from resolvers import changes
from store import feed
from store.tables import feed as feed_table
from store.tables import feed_head
from tests.asking import Desk, nodes
from tests.household import ME, NOW, Household, card, mail
from tests.schema.village import settle

PAGE = """query($since: Cursor, $after: Cursor, $first: Int, $filter: ChangeFilter, $coalesce: Boolean) {
  viewer { changes(since: $since, after: $after, first: $first, filter: $filter, coalesce: $coalesce) {
    upToDate pageInfo { hasNextPage endCursor } edges { cursor node { __typename cursor occurredAt origin accountId idempotencyKey
      ... on NodeUpserted { nodeId nodeKind nodeVersion created changedFields node { id ... on Versioned { version } } }
      ... on NodeDeleted { nodeId nodeKind parentId reason }
      ... on NodesMerged { survivorId absorbedIds survivor { id } }
      ... on NodeSplit { originId partIds parts { id } }
      ... on ResyncRequired { cause restart } } } } } }"""
FOLLOW = """subscription($since: Cursor, $filter: ChangeFilter) { changes(since: $since, filter: $filter) {
  __typename cursor ... on NodeUpserted { nodeId nodeKind node { id } } } }"""


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


class Phone:
    """A client's store: nodes by id with their versions, and the last cursor applied."""

    def __init__(self, desk: Desk, first: int = 7, **asked: Any) -> None:
        self.desk, self.first, self.asked = desk, first, asked
        self.nodes: dict[str, int] = {}
        self.cursor: str | None = None
        self.resyncs = 0

    async def sync(self) -> int:
        """Read to the head; how many pages that took."""
        pages = 0
        while True:
            data = await self.desk.ask(PAGE, since=self.cursor, first=self.first, **self.asked)
            page = data["viewer"]["changes"]
            pages += 1
            assert pages < 500
            for change in nodes(page):
                self.apply(change)
            if page["upToDate"]:
                return pages

    def apply(self, change: Any) -> None:
        kind = change["__typename"]
        if kind == "ResyncRequired":
            self.nodes, self.cursor = {}, change["restart"]
            self.resyncs += 1
            return
        self.cursor = change["cursor"]
        if kind == "NodeUpserted" and change["node"] is not None:
            self.nodes[change["nodeId"]] = change["node"]["version"]
        elif kind == "NodeDeleted":
            self.nodes.pop(change["nodeId"], None)
        elif kind == "NodesMerged":
            for gone in change["absorbedIds"]:
                self.nodes.pop(gone, None)


async def everything(desk: Desk) -> set[str]:
    """The ids of all versioned nodes, read from the lists."""
    data = await desk.ask(
        """{ viewer { accounts { edges { node { id } } } ownAddresses { id version } tags { id }
        people(first: 200, filter: { natures: null }) { edges { node { id merges(first: 200) { edges { node { id } } } } } }
        contacts(first: 200) { edges { node { id version } } }
        open: mergeSuggestions(first: 200) { edges { node { id } } }
        accepted: mergeSuggestions(first: 200, decision: ACCEPTED) { edges { node { id } } }
        rejected: mergeSuggestions(first: 200, decision: REJECTED) { edges { node { id } } }
        outdated: mergeSuggestions(first: 200, decision: OUTDATED) { edges { node { id } } }
        meetings(first: 200, from: "2026-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") { edges { node { id } } }
        conversations(first: 200, filter: { withoutFlags: null }) {
          edges { node { id messages(last: 200) { edges { node { id } } } } } }
        } }"""
    )
    viewer = data["viewer"]
    listed = ("accounts", "people", "meetings", "open", "accepted", "rejected", "outdated")
    found = {n["id"] for name in listed for n in nodes(viewer[name])}
    found |= {merge["id"] for person in nodes(viewer["people"]) for merge in nodes(person["merges"])}
    found |= {n["id"] for n in nodes(viewer["contacts"]) if n["version"] is not None}
    found |= {n["id"] for name in ("ownAddresses", "tags") for n in viewer[name]}
    for conversation in nodes(viewer["conversations"]):
        found |= {conversation["id"], *(m["id"] for m in nodes(conversation["messages"]))}
    return found


@pytest.mark.parametrize("first", [1, 7, 200])
async def test_an_empty_store_is_filled_with_every_live_node(desk: Desk, first: int) -> None:
    await settle(desk.household)
    phone = Phone(desk, first)
    await phone.sync()
    assert set(phone.nodes) == await everything(desk)
    assert await phone.sync() == 1


async def test_a_store_converges_however_it_reads(desk: Desk) -> None:
    household = desk.household
    book = await household.account("vcard")
    box = await household.account("mbox", ME, own=[ME])
    dice = random.Random(7)
    phones = [Phone(desk, 1), Phone(desk, 3, coalesce=False), Phone(desk, 50)]
    for step in range(25):
        n = dice.randrange(8)
        address = f"p{dice.randrange(4)}@example.org"
        await household.take(book, card(str(n), f"Person {n} {step}", address))
        sender = f"p{dice.randrange(6)}@example.org"
        invites = records.Invitation(method="REQUEST", uid="1", starts=(NOW + timedelta(days=step),), sequence=step)
        await household.take(box, mail(step, sender, invitations=(invites,) if step % 5 == 0 else ()))
        if step % 3 == 0:
            await household.resolve()
        if dice.random() < 0.5:
            await dice.choice(phones).sync()
    await household.resolve()
    truth = await everything(desk)
    for phone in phones:
        await phone.sync()
        assert set(phone.nodes) == truth
        assert phone.resyncs == 0


async def test_a_client_that_was_away_gets_only_what_it_missed(desk: Desk) -> None:
    await settle(desk.household)
    phone = Phone(desk)
    await phone.sync()
    book = await desk.household.account("vcard")
    await desk.household.take(book, card("late", "Late Comer"))
    page = (await desk.ask(PAGE, since=phone.cursor))["viewer"]["changes"]
    kinds = [(change["__typename"], change.get("nodeKind")) for change in nodes(page)]
    assert kinds == [("NodeUpserted", "ACCOUNT"), ("NodeUpserted", "CONTACT"), ("NodeUpserted", "PERSON")]
    assert page["upToDate"] is True


async def test_what_is_still_to_come_is_counted_when_asked(desk: Desk) -> None:
    await settle(desk.household)
    query = """query($since: Cursor, $filter: ChangeFilter) { viewer { changes(since: $since, first: 3, filter: $filter) {
      totalCount edges { cursor } } } }"""
    first = (await desk.ask(query))["viewer"]["changes"]
    whole = (await desk.ask(PAGE, first=200))["viewer"]["changes"]
    upserts = [c for c in nodes(whole) if c["__typename"] != "FeedAdvanced"]
    assert first["totalCount"] == len(upserts) > 20
    rest = (await desk.ask(query, since=first["edges"][-1]["cursor"]))["viewer"]["changes"]
    assert rest["totalCount"] == first["totalCount"] - 3
    window = {"messagesAfter": "2026-01-01T00:00:00Z"}
    assert (await desk.ask(query, filter=window))["viewer"]["changes"]["totalCount"] is None


async def test_the_later_of_since_and_after_counts(desk: Desk) -> None:
    await settle(desk.household)
    first = (await desk.ask(PAGE, first=3))["viewer"]["changes"]
    second = (await desk.ask(PAGE, since=first["pageInfo"]["endCursor"], first=3))["viewer"]["changes"]
    again = await desk.ask(PAGE, since=first["edges"][0]["cursor"], after=first["pageInfo"]["endCursor"], first=3)
    assert again["viewer"]["changes"] == second


async def test_coalescing_leaves_out_what_a_later_change_replaces(desk: Desk) -> None:
    book = await desk.household.account("vcard")
    start = (await desk.ask("{ viewer { feed { head } } }"))["viewer"]["feed"]["head"]
    for n in range(5):
        await desk.household.take(book, card("1", f"Name {n}"))
    whole = (await desk.ask(PAGE, since=start, coalesce=False))["viewer"]["changes"]
    short = (await desk.ask(PAGE, since=start))["viewer"]["changes"]
    assert len(nodes(whole)) == 10
    assert len(nodes(short)) == 2


async def test_a_filter_hides_and_the_cursor_moves_on(desk: Desk) -> None:
    await settle(desk.household)
    page = (await desk.ask(PAGE, filter={"kinds": ["API_KEY"]}))["viewer"]["changes"]
    assert [change["__typename"] for change in nodes(page)] == ["FeedAdvanced"]
    assert page["upToDate"] is True
    rest = (await desk.ask(PAGE, since=page["pageInfo"]["endCursor"]))["viewer"]["changes"]
    assert nodes(rest) == []


async def test_messages_before_the_window_stay_away(desk: Desk) -> None:
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(box, *(mail(n, "ada@example.org") for n in range(20)))
    data = await desk.ask(PAGE, first=4, filter={"kinds": ["MESSAGE"], "messagesAfter": "2026-05-04T12:15:00Z"})
    phone = Phone(desk, 4, filter={"kinds": ["MESSAGE"], "messagesAfter": "2026-05-04T12:15:00Z"})
    await phone.sync()
    assert len(phone.nodes) == 5
    assert data["viewer"]["changes"]["pageInfo"]["endCursor"] is not None


async def test_a_cursor_older_than_the_kept_deletions_starts_again(desk: Desk) -> None:
    household = desk.household
    book = await household.account("vcard")
    await household.take(book, card("1", "One"), card("2", "Two"))
    phone = Phone(desk)
    await phone.sync()
    await household.forget(book)
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "ada@example.org"))

    def cut(conn: Connection, viewer: str) -> int:
        return feed.compact(conn, viewer, household.now + timedelta(days=365))

    assert await household.database.write(household.viewer, cut) > 0
    page = (await desk.ask(PAGE, since=phone.cursor))["viewer"]["changes"]
    assert [(c["__typename"], c["cause"]) for c in nodes(page)] == [("ResyncRequired", "CURSOR_TOO_OLD")]
    await phone.sync()
    assert phone.resyncs == 1
    assert set(phone.nodes) == await everything(desk)


async def test_a_cursor_of_a_database_that_was_replaced_starts_again(desk: Desk) -> None:
    await settle(desk.household)
    phone = Phone(desk)
    await phone.sync()

    def restore(conn: Connection, viewer: str) -> None:
        conn.execute(sa.delete(feed_table).where(feed_table.c.viewer_id == viewer, feed_table.c.position > 10))
        conn.execute(sa.update(feed_head).where(feed_head.c.viewer_id == viewer).values(position=10))

    await desk.household.database.write(desk.household.viewer, restore)
    page = (await desk.ask(PAGE, since=phone.cursor))["viewer"]["changes"]
    assert [(c["__typename"], c["cause"]) for c in nodes(page)] == [("ResyncRequired", "RESTORED")]


async def test_an_absorbed_person_is_not_shown_as_its_survivor(desk: Desk) -> None:
    household = desk.household
    book = await household.account("vcard")
    other = await household.account("carddav", "other")
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    await household.take(other, card("2", "Ada Lovelace", "ada@example.org"))
    start = (await desk.ask("{ viewer { people { edges { node { id } } } feed { head } } }"))["viewer"]
    assert len(nodes(start["people"])) == 2
    await household.resolve()
    page = (await desk.ask(PAGE, since=start["feed"]["head"], coalesce=False))["viewer"]["changes"]
    merged = next(c for c in nodes(page) if c["__typename"] == "NodesMerged")
    assert merged["survivor"]["id"] == merged["survivorId"]
    absorbed = merged["absorbedIds"][0]
    whole = (await desk.ask(PAGE, coalesce=False, filter={"kinds": ["PERSON"]}))["viewer"]["changes"]
    assert [c["node"] for c in nodes(whole) if c.get("nodeId") == absorbed] in ([None], [])
    assert (await desk.ask("query($id: ID!) { node(id: $id) { id } }", id=absorbed))["node"]["id"] == merged["survivorId"]


async def test_a_list_and_its_feed_head_leave_no_hole(desk: Desk) -> None:
    await settle(desk.household)
    data = await desk.ask("{ viewer { people { totalCount } feed { head } } }")
    book = await desk.household.account("vcard")
    await desk.household.take(book, card("new", "New Comer"))
    events = await desk.follow(FOLLOW, 3, since=data["viewer"]["feed"]["head"])
    assert [e["changes"].get("nodeKind") for e in events] == ["ACCOUNT", "CONTACT", "PERSON"]


async def test_a_subscription_resumes_where_it_was_cut_and_repeats_nothing(desk: Desk) -> None:
    household = desk.household
    book = await household.account("vcard")
    start = (await desk.ask("{ viewer { feed { head } } }"))["viewer"]["feed"]["head"]
    await household.take(book, *(card(str(n), f"Person {n}") for n in range(30)))
    seen: list[str] = []
    cursor = start
    while len(seen) < 60:
        events = await desk.follow(FOLLOW, 7 if len(seen) <= 53 else 60 - len(seen), since=cursor)
        seen += [e["changes"]["nodeId"] for e in events]
        cursor = events[-1]["changes"]["cursor"]
    assert len(set(seen)) == len(seen) == 60


async def test_an_event_source_resumes_from_its_last_event_id(desk: Desk) -> None:
    start = (await desk.ask("{ viewer { feed { head } } }"))["viewer"]["feed"]["head"]
    book = await desk.household.account("vcard")
    events = await desk.follow(FOLLOW, 1, desk.operation(last_event_id=start))
    assert events[0]["changes"]["nodeId"] == book


async def test_without_a_cursor_a_subscription_begins_now_and_still_tells_that_time_passes(desk: Desk) -> None:
    await settle(desk.household)
    before = desk.clock.now()
    events = await desk.follow(FOLLOW, 2)
    assert [e["changes"]["__typename"] for e in events] == ["FeedAdvanced", "FeedAdvanced"]
    assert desk.clock.now() - before <= timedelta(minutes=2)


async def test_a_filtered_subscription_moves_its_cursor(desk: Desk) -> None:
    start = (await desk.ask("{ viewer { feed { head } } }"))["viewer"]["feed"]["head"]
    await settle(desk.household)
    (event,) = await desk.follow(FOLLOW, 1, since=start, filter={"kinds": ["API_KEY"]})
    assert event["changes"]["__typename"] == "FeedAdvanced"
    page = (await desk.ask(PAGE, since=event["changes"]["cursor"]))["viewer"]["changes"]
    assert nodes(page) == []


async def test_a_revoked_credential_ends_the_subscription_within_seconds(desk: Desk) -> None:
    revoked_at = desk.clock.now() + timedelta(seconds=20)

    async def alive() -> bool:
        return desk.clock.now() < revoked_at

    assert await desk.follow(FOLLOW, 5, desk.operation(alive=alive)) == []
    assert desk.clock.now() - revoked_at <= timedelta(seconds=5)


async def test_each_event_shows_its_node_as_it_is_then(desk: Desk) -> None:
    book = await desk.household.account("vcard")
    start = (await desk.ask("{ viewer { feed { head } } }"))["viewer"]["feed"]["head"]
    await desk.household.take(book, card("1", "First Name"))
    await desk.household.take(book, card("1", "Second Name"))
    query = """subscription($since: Cursor) { changes(since: $since, filter: { kinds: [PERSON] }) {
      ... on NodeUpserted { nodeVersion node { ... on Person { name version } } } } }"""
    events = await desk.follow(query, 2, since=start)
    assert [e["changes"]["node"]["name"] for e in events] == ["Second Name", "Second Name"]
    assert [e["changes"]["nodeVersion"] for e in events] == sorted(e["changes"]["nodeVersion"] for e in events)


async def test_a_forged_cursor_opens_no_subscription(desk: Desk) -> None:
    with pytest.raises(AssertionError, match="does not belong"):
        await desk.follow(FOLLOW, 1, since="AAAAAAAAAAAAAAAAAAAAAAAAAAAAA")


async def test_who_follows_from_the_same_place_looks_together_and_only_with_the_same_viewer(desk: Desk) -> None:
    one, other = desk.operation(), desk.operation()
    stranger = desk.operation()
    stranger.viewer = "u_stranger"
    at, where = changes.Place(0, 0), changes.ChangeFilter()
    mine, again = asyncio.ensure_future(changes._look(one, at, where)), asyncio.ensure_future(changes._look(other, at, where))
    theirs = asyncio.ensure_future(changes._look(stranger, at, where))
    await asyncio.sleep(0)
    assert one.services is other.services
    assert len(one.services.looks) == 2  # one for both of mine, one for the stranger's
    assert await mine == await again
    assert (await theirs).rows == ()
    assert not one.services.looks
