"""Search: all words, in any order and case, with marks; people, conversations and messages; what is not understood is said."""

from __future__ import annotations

from typing import Any

import pytest

from providers import records
from resolvers import highlights, search_query
from resolvers.search_query import TextSpan
from store.search_index import Term
from tests.asking import Desk, nodes, pages
from tests.household import ME, card, mail
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


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("tchaikovsky", "Юрий Чайковский"), ("чайковский", "Yuri Tchaikovsky"), ("Bob", "Robert Hale"), ("Robert", "Bob Hale"),
        ("bob harbour", "Robert Hale"),
        ("wei wang", "王伟"), ("tchaik", "Юрий Чайковский"), ("sergei", "Sergey Volkov"), ("halle robert", "Robert Hale"),
        ("Rogert Hale", "Robert Hale"),
        ("quintna", "Thorvald Quintana"), ("quimtana", "Thorvald Quintana"), ("quintanna thorvlad", "Thorvald Quintana"),
        ("harbor works", "Robert Hale"),
    ],
)  # fmt: skip
async def test_people_are_found_by_sound_short_name_and_with_a_letter_amiss(desk: Desk, query: str, name: str) -> None:
    book = await desk.household.account("vcard", "cards")
    work = (records.Organization(name="Harbour Works"),)
    await desk.household.take(
        book, card("card-1", name, "one@example.org", organizations=work), card("card-2", "Ottilie Zweig", "two@example.org")
    )
    data = (await desk.ask(SEARCH, query=query, scopes=["PEOPLE"]))["viewer"]["search"]
    assert [n["name"] for n in nodes(data)] == [name]
    assert data["totalCount"] == 1


async def test_a_letter_amiss_counts_only_when_nobody_is_called_so(desk: Desk) -> None:
    book = await desk.household.account("vcard", "cards")
    await desk.household.take(
        book, card("card-1", "Marten Holm", "one@example.org"), card("card-2", "Maren Holm", "two@example.org")
    )
    assert await found(desk, "maren", scopes=["PEOPLE"]) == ["Maren Holm"]
    assert await found(desk, "marren", scopes=["PEOPLE"]) == ["Maren Holm", "Marten Holm"]  # the sound first, each once
    assert sorted(await found(desk, "marben", scopes=["PEOPLE"])) == ["Maren Holm", "Marten Holm"]


async def test_half_of_a_double_name_is_found_with_a_letter_amiss(desk: Desk) -> None:
    book = await desk.household.account("vcard", "cards")
    await desk.household.take(book, card("card-1", "Greta Rosovrata-Dahl", "one@example.org"))
    for query in ("greta rosovraa-dahl", "rosofrata", "rosovraqa"):
        assert await found(desk, query, scopes=["PEOPLE"]) == ["Greta Rosovrata-Dahl"]


async def test_pages_of_people_with_a_letter_amiss_go_on_where_they_were(desk: Desk) -> None:
    book = await desk.household.account("vcard", "cards")
    names = ("Ada Quintana", "Bea Quintaxa", "Cleo Quintara", "Dora Quintata")
    await desk.household.take(book, *(card(f"card-{n}", name, f"{n}@example.org") for n, name in enumerate(names)))
    found = await pages(desk, SEARCH, ["viewer", "search"], query="quintava", scopes=["PEOPLE"], first=1)
    assert sorted(node["name"] for page in found for node in page) == sorted(names)


async def test_people_are_found_by_where_they_live_and_what_they_say_of_themselves(desk: Desk) -> None:
    book = await desk.household.account("vcard", "cards")
    home = (records.Address(formatted="12 Quay, Aarhus", locality="Aarhus", country="Denmark"),)
    await desk.household.take(
        book, card("card-1", "Ada Byron", "one@example.org", addresses=home, bio="Met in Lisbon at the sailing week.")
    )
    for query in ("aarhus", "lisbon sailing"):
        assert await found(desk, query, scopes=["PEOPLE"]) == ["Ada Byron"]


@pytest.mark.parametrize(
    "query",
    ["quintana " * 1_200, "q" * 10_000, "?!*'\"(),;:%_\\-" * 600, "-" * 10_000, "a", "\u00e9\u0301" * 5_000,
     "\U0001f9ed" * 2_500, " ".join("abcdefghijklmnopqrst"),
     "NEAR(quintana OR *)"],
)  # fmt: skip
async def test_whatever_is_typed_is_answered(desk: Desk, query: str) -> None:
    book = await desk.household.account("vcard", "cards")
    await desk.household.take(book, card("card-1", "Thorvald Quintana", "one@example.org"))
    data = (await desk.ask(SEARCH, query=query, scopes=["PEOPLE"]))["viewer"]["search"]
    assert len(nodes(data)) == data["totalCount"] <= 1
    assert len(query) <= search_query.MAX_QUERY or data["interpretation"]["warnings"]
