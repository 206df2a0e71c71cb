"""A second viewer sees nothing: not by id, address, cursor, search, event or write, through no field and no loader."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Connection, Select

from providers import records
from resolvers import (
    accounts,
    contacts,
    conversation_messages,
    conversations,
    evidence,
    imports,
    keys,
    labels,
    messages,
    paging,
    participants,
    people,
    timeline,
)
from resolvers.conversation_filter import ConversationFilter
from tests.asking import Desk, nodes
from tests.household import NOW, Household, mail
from tests.schema.village import Village, settle

EVERYTHING = """{ viewer {
  accounts { edges { node { id labels { id } gaps { edges { node { id } } } ownAddresses { id } } } } ownAddresses { id }
  people(filter: { natures: null }) { totalCount edges { node { id } } }
  contacts { totalCount edges { node { id } } }
  conversations(filter: { withoutFlags: null }) { totalCount edges { node { id labels { id } messages { edges { node { id labels { id } } } } } } }
  meetings { totalCount edges { node { id title } } }
  timeline { totalCount edges { node { occurredAt } } }
  imports { totalCount edges { node { id } } } apiKeys { id }
  unread { conversations messages byAccount { account { id } } }
  changes { edges { node { __typename ... on NodeUpserted { nodeId } } } }
  search(query: "ada") { edges { node { __typename } } } suggest(text: "ada") { text } } }"""


@pytest.fixture
async def settled(household: Household) -> Village:
    village = await settle(household)
    await household.list_labels(village.box, [records.Label(key="INBOX", name="Inbox", place="INBOX", role="INBOX")])
    invites = records.Invitation(method="REQUEST", uid="1", starts=(NOW + timedelta(days=9),), title="Tea")
    labelled = mail(
        950, "ada@example.org", name="Ada Lovelace", unread=True, label_keys=("INBOX",), role="INBOX", invitations=(invites,)
    )
    await household.take(village.box, labelled)
    return village


@pytest.fixture
async def stranger(household: Household) -> Desk:
    return Desk(await Household.open(household.database, "u_morgan"))


def ids_in(data: Any) -> list[str]:
    """Every id in an answer."""
    if isinstance(data, dict):
        own = [data[name] for name in ("id", "nodeId") if isinstance(data.get(name), str)]
        return own + [i for value in data.values() for i in ids_in(value)]
    if isinstance(data, list):
        return [i for value in data for i in ids_in(value)]
    return []


async def test_an_empty_household_is_empty_beside_a_full_one(household: Household, settled: Village, stranger: Desk) -> None:
    assert len(ids_in(await Desk(household).ask(EVERYTHING))) > 50
    data = (await stranger.ask(EVERYTHING))["viewer"]
    assert ids_in({name: value for name, value in data.items() if name != "changes"}) == []
    assert [change["__typename"] for change in nodes(data["changes"])] == ["FeedAdvanced"]
    assert data["unread"] == {"conversations": 0, "messages": 0, "byAccount": []}


async def test_ids_of_somebody_else_are_nobody(household: Household, settled: Village, stranger: Desk) -> None:
    theirs = sorted({*ids_in(await Desk(household).ask(EVERYTHING)), settled.import_id, household.viewer})
    kinds = {i[0] for i in theirs}
    assert kinds >= set("apcvmoiueE"), kinds
    for at in range(0, len(theirs), 100):
        query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } people(by: []) { id } }"
        assert set(map(str, (await stranger.ask(query, ids=theirs[at : at + 100]))["nodes"])) == {"None"}
    for one in theirs:
        query = "query($id: ID!) { node(id: $id) { id } person(by: { id: $id }) { id } conversation(id: $id) { id } }"
        assert await stranger.ask(query, id=one) == {"node": None, "person": None, "conversation": None}


async def test_addresses_and_numbers_find_nobody_of_somebody_else(settled: Village, stranger: Desk) -> None:
    query = """{ people(by: [{ email: "ada@example.org" }, { phone: "+491511234500" }, { url: "https://ada.example.org/" },
      { handle: { provider: "mastodon", handle: "ada@social.example" } }]) { id } }"""
    assert (await stranger.ask(query))["people"] == [None] * 4


@pytest.mark.parametrize(
    "path", ["people", "contacts", "conversations", "timeline", "meetings", "accounts", "changes", "imports"]
)
async def test_cursors_of_somebody_else_are_refused(household: Household, settled: Village, stranger: Desk, path: str) -> None:
    query = f"query($after: Cursor) {{ viewer {{ {path}(first: 1, after: $after) {{ pageInfo {{ endCursor }} }} }} }}"
    cursor = (await Desk(household).ask(query))["viewer"][path]["pageInfo"]["endCursor"]
    assert await stranger.refused(query, after=cursor) == "INVALID_CURSOR"


async def test_a_filter_by_ids_of_somebody_else_finds_nothing(household: Household, settled: Village, stranger: Desk) -> None:
    query = """query($ids: [ID!]) { viewer {
      people(filter: { accountIds: $ids }) { totalCount } contacts(filter: { accountIds: $ids }) { totalCount }
      conversations(filter: { accountIds: $ids }) { totalCount } timeline(filter: { accountIds: $ids }) { totalCount }
      ahead: timeline(from: "2030-01-01T00:00:00Z", filter: { accountIds: $ids }) { totalCount } } }"""
    data = (await stranger.ask(query, ids=[settled.book, settled.box, settled.social]))["viewer"]
    assert {name: value["totalCount"] for name, value in data.items()} == dict.fromkeys(data, 0)


async def test_a_filter_by_labels_of_somebody_else_finds_nothing(household: Household, settled: Village, stranger: Desk) -> None:
    query = "query($ids: [ID!]) { viewer { conversations(filter: { labelIds: $ids }) { totalCount } } }"
    owner = Desk(household)
    accounts = nodes((await owner.ask(EVERYTHING))["viewer"]["accounts"])
    theirs = [label["id"] for account in accounts for label in account["labels"]]
    assert (await owner.ask(query, ids=theirs))["viewer"]["conversations"]["totalCount"] == 1
    assert (await stranger.ask(query, ids=theirs))["viewer"]["conversations"]["totalCount"] == 0


@pytest.mark.parametrize(
    "call",
    [
        'updateAccount(input: { accountId: "%s", label: "mine now" })',
        'refreshAccount(input: { accountId: "%s" })',
        'unlinkAccount(input: { accountId: "%s" })',
        'setOwnAddress(input: { accountId: "%s", value: "eve@example.org", addressKind: EMAIL, mine: true })',
    ],
)
async def test_writes_to_somebody_else_find_nothing_to_write_to(
    household: Household, settled: Village, stranger: Desk, call: str
) -> None:
    before = await household.head()
    data = await stranger.ask(f"mutation {{ done: {call % settled.book} {{ errors {{ code }} feedCursor }} }}")
    assert data["done"] == {"errors": [{"code": "NOT_FOUND"}], "feedCursor": None}
    assert await household.head() == before


async def test_subscriptions_to_work_of_somebody_else_are_refused(settled: Village, stranger: Desk) -> None:
    for field in (
        f'syncProgress(accountId: "{settled.box}") {{ phase }}',
        f'importProgress(importId: "{settled.import_id}") {{ id }}',
    ):
        with pytest.raises(AssertionError, match="there is no such"):
            await stranger.follow(f"subscription {{ {field} }}", 1)


def batch_readers() -> list[Any]:
    """Every function of these modules that reads many keys at once: (conn, viewer, keys, …) → mapping."""
    found = []
    modules: Sequence[ModuleType] = (
        accounts,
        contacts,
        conversation_messages,
        conversations,
        evidence,
        imports,
        keys,
        labels,
        messages,
        participants,
        people,
        timeline,
    )
    for module in modules:
        for _, f in inspect.getmembers(module, inspect.isfunction):
            if f.__module__ != module.__name__:
                continue
            parameters = list(inspect.signature(f).parameters)
            if parameters[:2] == ["conn", "viewer"] and len(parameters) > 2 and parameters[2].endswith(("_ids", "ids")):
                found.append(f)
    return found


async def test_no_batch_reads_rows_of_somebody_else(household: Household, settled: Village, stranger: Desk) -> None:
    theirs = sorted({*ids_in(await Desk(household).ask(EVERYTHING)), settled.import_id, "100@mail.example"})
    readers = batch_readers()
    assert len(readers) > 25
    for reader in readers:
        given: dict[str, Any] = {
            "first": 10, "unit": "ACCOUNT", "size": 10, "after": None, "last": True, "back": True, "start": None,
            "silent": frozenset(),
            "where": timeline.TimelineFilter() if reader.__module__.endswith("timeline") else ConversationFilter(),
        }  # fmt: skip
        more = {name: given[name] for name in list(inspect.signature(reader).parameters)[3:]}

        def read(conn: Connection, viewer: str, reader: Any = reader, more: Any = more) -> Any:
            found = reader(conn, viewer, theirs, **more)
            return conn.execute(found).all() if isinstance(found, Select) else found

        found = await household.database.read(stranger.household.viewer, read)
        values = list(found.values()) if isinstance(found, dict) else list(found)
        shown = [value for value in values if value and value != (paging.EMPTY, frozenset())]
        assert shown == [], f"{reader.__module__}.{reader.__name__}"
