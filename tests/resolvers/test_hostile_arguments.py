"""Arguments that no honest client sends: each is refused with a code or answered, never a bug, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import Desk
from tests.household import Household
from tests.schema.village import settle

LONG = "x" * 100_000
TEXTS = ["", " ", "%", "_", "'", '"', "\\", "\n", LONG, "p_" + LONG, "ａ", "😀", "a\u0301", "\u202e", "p_x'; --"]
IDS = "query($v: ID!) { node(id: $v) { id } nodes(ids: [$v]) { id } conversation(id: $v) { id } person(by: { id: $v }) { id } }"
FILTERS = """query($v: String!, $ids: [ID!]) { viewer {
  people(filter: { text: $v, accountIds: $ids, providers: [$v] }) { totalCount }
  contacts(filter: { text: $v, accountIds: $ids }) { totalCount }
  conversations(filter: { text: $v, accountIds: $ids, personIds: $ids }) { totalCount }
  timeline(filter: { providers: [$v], accountIds: $ids }) { totalCount }
  search(query: $v) { totalCount } suggest(text: $v) { text } } }"""
MUTATION = """mutation($v: String!, $i: ID!) {
  a: updateAccount(input: { accountId: $i, label: $v }) { errors { code } }
  b: updateViewer(input: { name: $v, region: $v }) { errors { code } }
  c: setOwnAddress(input: { accountId: $i, value: $v, addressKind: EMAIL, mine: true }) { errors { code } } }"""
UNHOLDABLE = ["\x00", "a\x00b", "p_\x00", "\ud800", "x\udfff"]


@pytest.fixture
async def desk(household: Household) -> Desk:
    await settle(household)
    return Desk(household)


def codes(result: Any) -> set[str]:
    assert all((error.extensions or {}).get("code") for error in result.errors or ()), result.errors
    return {str((error.extensions or {})["code"]) for error in result.errors or ()}


async def test_strange_texts_find_nothing_and_break_nothing(desk: Desk) -> None:
    for text in TEXTS:
        assert codes(await desk.execute(IDS, v=text)) == set(), text[:20]
        assert codes(await desk.execute(FILTERS, v=text, ids=[text])) == set(), text[:20]
        assert codes(await desk.execute(MUTATION, v=text, i=text)) == set(), text[:20]


async def test_texts_that_no_text_can_hold_are_refused(desk: Desk) -> None:
    for text in UNHOLDABLE:
        assert codes(await desk.execute(IDS, v=text)) == {"BAD_ARGUMENTS"}
        assert codes(await desk.execute(FILTERS, v=text)) == {"BAD_ARGUMENTS"}
        assert codes(await desk.execute(MUTATION, v=text, i=text)) == {"BAD_ARGUMENTS"}


async def test_lists_have_an_end(desk: Desk) -> None:
    assert codes(await desk.execute(FILTERS, v="x", ids=["a_x"] * 1_000)) == set()
    assert codes(await desk.execute(FILTERS, v="x", ids=["a_x"] * 1_001)) == {"BAD_ARGUMENTS"}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_ends_of_time_are_moments_too(desk: Desk, moment: str) -> None:
    query = """query($m: DateTime!) { viewer { timeline(from: $m) { totalCount }
      people(filter: { contactedAfter: $m, contactedBefore: $m }) { totalCount } contacts(filter: { updatedAfter: $m }) { totalCount }
      conversations(filter: { activeAfter: $m, activeBefore: $m }) { totalCount } changes(filter: { messagesAfter: $m }) { upToDate }
      conversationsAround: conversations(first: 1) { edges { node { messages(around: { at: $m }) { totalCount } } } } } }"""
    assert codes(await desk.execute(query, m=moment)) == set()


@pytest.mark.parametrize("page", [{"first": 2**31 - 1}, {"first": -(2**31)}, {"first": None}])
async def test_sizes_beyond_reason_are_refused(desk: Desk, page: dict[str, Any]) -> None:
    lists = ["accounts", "people", "contacts", "conversations", "timeline", "changes", "imports"]
    for name in lists:
        query = f"query($first: Int) {{ viewer {{ {name}(first: $first) {{ edges {{ cursor }} }} }} }}"
        assert codes(await desk.execute(query, **page)) == {"PAGE_SIZE"}, name
