"""Search: all words, in any order and case, with marks; people, conversations and messages; what is not understood is said."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers import highlights, search_query
from resolvers.search_query import TextSpan
from store.search_index import Term
from tests.asking import Desk, nodes, pages
from tests.household import ME, mail
from tests.schema.village import Village

SEARCH = """query($query: String!, $scopes: [SearchScope!], $first: Int, $after: Cursor, $orderBy: SearchOrder) {
  viewer { search(query: $query, scopes: $scopes, first: $first, after: $after, orderBy: $orderBy) {
    totalCount complete interpretation { canonical warnings { message span { start end line column } } }
    pageInfo { hasNextPage endCursor }
    edges { cursor score highlights { field text spans { start end } }
      node { __typename ... on Person { id name } ... on Conversation { id subject } ... on Message { id sentAt } } } } } }"""


async def found(desk: Desk, query: str, **more: Any) -> list[str]:
    data = (await desk.ask(SEARCH, query=query, **more))["viewer"]["search"]
    return [n.get("name") or n.get("subject") or n["__typename"] for n in nodes(data)]


@pytest.mark.parametrize("query", ["sparck", "SPÄRCK karen", "jones kar", "karen@example"])
async def test_people_are_found_by_their_words_in_any_form(desk: Desk, village: Village, query: str) -> None:
    assert await found(desk, query, scopes=["PEOPLE"]) == ["Karen Spärck Jones"]


async def test_the_best_come_first_and_people_before_what_they_wrote(desk: Desk, village: Village) -> None:
    data = (await desk.ask(SEARCH, query="ada"))["viewer"]["search"]
    assert nodes(data)[0]["name"] == "Ada Lovelace"
    scores = [edge["score"] for edge in data["edges"]]
    assert scores == sorted(scores, reverse=True)


async def test_every_result_comes_once_over_all_pages(desk: Desk, village: Village) -> None:
    for order in ("RELEVANCE", "RECENCY"):
        every = [
            n["id"]
            for page in await pages(desk, SEARCH, ["viewer", "search"], query="engine", first=4, orderBy=order)
            for n in page
        ]
        assert len(every) == len(set(every))
        whole = (await desk.ask(SEARCH, query="engine", orderBy=order))["viewer"]["search"]
        assert whole["totalCount"] == len(every) > 8


async def test_latest_first_when_asked(desk: Desk, village: Village) -> None:
    data = await desk.ask(SEARCH, query="engine", scopes=["MESSAGES"], orderBy="RECENCY")
    moments = [n["sentAt"] for n in nodes(data["viewer"]["search"])]
    assert moments == sorted(moments, reverse=True)


async def test_results_show_where_they_match(desk: Desk, village: Village) -> None:
    data = await desk.ask(SEARCH, query="about eng", scopes=["MESSAGES"])
    edge = data["viewer"]["search"]["edges"][0]
    by_field = {h["field"]: h for h in edge["highlights"]}
    text = by_field["text"]
    assert {text["text"][s["start"] : s["end"]] for s in text["spans"]} == {"about", "engine"}


async def test_days_narrow_the_search(desk: Desk) -> None:
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(box, *(mail(n * 1440, "ada@example.org", text="engine") for n in range(4)))
    assert len(await found(desk, "engine", scopes=["MESSAGES"])) == 4
    assert len(await found(desk, "engine before:2026-05-06", scopes=["MESSAGES"])) == 2
    assert len(await found(desk, "engine after:2026-05-06", scopes=["MESSAGES"])) == 2
    assert len(await found(desk, "after:2026-05-05 before:2026-05-06 engine", scopes=["MESSAGES"])) == 1


async def test_what_is_not_understood_is_said_and_left_out(desk: Desk, village: Village) -> None:
    data = await desk.ask(SEARCH, query='engine is:blueish "before:yesterday" before:yesterday', scopes=["MESSAGES"])
    read = data["viewer"]["search"]["interpretation"]
    assert [w["message"].split(":")[0] for w in read["warnings"]] == ["is", "before"]
    assert read["warnings"][0]["span"] == {"start": 7, "end": 17, "line": 1, "column": 8}


@pytest.mark.parametrize("query", ["", "   ", '"', "' OR 1=1 --", "*", "from:", "AND OR NOT", "()", "engine)" * 200])
async def test_no_query_breaks_the_search(desk: Desk, village: Village, query: str) -> None:
    await desk.ask(SEARCH, query=query)


async def test_completions_lead_to_people_and_conversations(desk: Desk, village: Village) -> None:
    query = """query($t: String!, $n: Int) { viewer { suggest(text: $t, first: $n) {
      text kind spans { start end } result { __typename } } } }"""
    shown = (await desk.ask(query, t="gra"))["viewer"]["suggest"]
    assert shown[0] == {
        "text": "Grace Hopper", "kind": "RESULT", "spans": [{"start": 0, "end": 5}], "result": {"__typename": "Person"},
    }  # fmt: skip
    assert len((await desk.ask(query, t="engine", n=2))["viewer"]["suggest"]) == 2
    assert (await desk.ask(query, t="", n=50))["viewer"]["suggest"] == []


def test_spans_count_as_editors_do() -> None:
    text = "a 😀\nwörd"
    assert highlights.matches(text, [Term(words=("word",))]) == [TextSpan(start=5, end=9, line=2, column=1)]
    assert search_query.span(text, 2, 3) == TextSpan(start=2, end=4, line=1, column=3)
