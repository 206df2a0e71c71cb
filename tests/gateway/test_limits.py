"""Hostile documents: refused for a named reason with figure and limit, in time linear in their size; honest ones pass."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query

from gateway.execution.documents import Documents, Refused
from gateway.limits import Limits, check, parse_bounded
from gateway.settings import Settings
from schema import build_schema, policy
from tests.gateway.running import TestClock, ask, asking, key_of, opened

LIMITS = Limits.of(Settings())


def bomb(levels: int) -> str:
    """Each fragment spreads the next one twice: 2^levels fields when written out."""
    middle = " ".join(f"fragment F{n} on Query{{...F{n + 1} ...F{n + 1}}}" for n in range(levels))
    return f"{{...F0}} {middle} fragment F{levels} on Query{{viewer{{id}}}}"


def aliased_bomb(levels: int) -> str:
    middle = " ".join(f"fragment F{n} on Person{{a:p{{...F{n + 1}}} b:p{{...F{n + 1}}}}}" for n in range(levels))
    return f"{{p{{...F0}}}} {middle} fragment F{levels} on Person{{id}}"


HOSTILE: dict[str, tuple[str, str]] = {
    "fragments that double 22 times": (bomb(22), "fields"),
    "fragments that double under aliases": (aliased_bomb(12), "aliases"),
    "a chain of 200 fragments": (bomb(100), "depth"),
    "450 times the same root field": ("{" + "viewer{id} " * 450 + "}", "repeated response names"),
    "20 by 20 nested repeats": ("{" + ("viewer{" + "feed{head} " * 20 + "} ") * 20 + "}", "repeated response names"),
    "21 different root fields": ("{" + " ".join(f"f{n}" for n in range(21)) + "}", "root fields"),
    "200 fragments with the same field": (
        "{viewer{"
        + " ".join(f"...F{n}" for n in range(200))
        + "}}"
        + "".join(f" fragment F{n} on Viewer{{id}}" for n in range(200)),
        "repeated response names",
    ),
    "17 levels": ("{" + "a{" * 16 + "b" + "}" * 17, "depth"),
    "1,000 levels": ("{" + "a{" * 1000 + "b" + "}" * 1001, "depth"),
    "1,000 inline fragments in each other": ("{" + "...{" * 900 + "viewer{id}" + "}" * 901, "depth"),
    "lists nested 1,500 times in an argument": ("{a(x:" + "[" * 1500 + "]" * 1500 + ")}", "depth"),
    "2,500 opening braces": ("{" * 2500, "depth"),
    "31 aliases": ("{viewer{" + " ".join(f"a{n}:id" for n in range(31)) + "}}", "aliases"),
    "900 directives": ("{viewer{id " + "@x " * 900 + "}}", "directives"),
    "20,000 directives": ("{viewer{id " + "@skip(if:false) " * 20_000 + "}}", "bytes"),
    "3,000 tokens": ("{viewer{" + "id " * 3_000 + "}}", "tokens"),
    "a comment of 5 MB": ("#" + "x" * 5_000_000, "bytes"),
    "two bytes a letter": ("#" + "é" * 70_000, "bytes"),
    "introspection that leads back to itself": (
        "{__schema{types{fields{type{fields{type{fields{name}}}}}}}}",
        "introspection lists",
    ),
}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(build_schema()._schema, LIMITS, policy)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_with_figure_and_limit(documents: Documents, name: str) -> None:
    query, what = HOSTILE[name]
    with pytest.raises(Refused) as refused:
        documents.prepare(query)
    (error,) = refused.value.errors
    assert error.extensions is not None
    assert error.extensions["code"] == "QUERY_TOO_COMPLEX"
    assert error.extensions["what"] == what
    assert error.extensions["actual"] > error.extensions["limit"] > 0


@pytest.mark.parametrize(
    "query",
    [
        "{...A} fragment A on Query{...A}",
        "{...A} fragment A on Query{viewer{...B}} fragment B on Viewer{feed{...C}} fragment C on FeedState{viewer{...B}}",
    ],
)
def test_a_fragment_cycle_is_named(documents: Documents, query: str) -> None:
    with pytest.raises(Refused, match="within itself"):
        documents.prepare(query)


def test_an_unknown_fragment_is_a_mistake_of_the_client_and_no_crash(documents: Documents) -> None:
    with pytest.raises(Refused, match="Unknown fragment 'Nope'"):
        documents.prepare("{...Nope}")


def test_the_walk_visits_no_more_than_twice_the_limit_of_fields_whatever_comes() -> None:
    """Work is counted, not timed: the linear bound is a property of the code, not of this machine."""
    import gateway.limits as limits

    document = parse_bounded(aliased_bomb(20), Limits(**{**_as_dict(LIMITS), "aliases": 10**9, "depth": 60}))
    seen: list[int] = []
    original = limits._Walk.collect

    def counting(self: Any, selection_sets: Any) -> Any:
        found = original(self, selection_sets)
        seen.append(len(found))
        return found

    limits._Walk.collect = counting  # type: ignore[method-assign]
    try:
        with pytest.raises(limits.LimitExceeded):
            check(document, Limits(**{**_as_dict(LIMITS), "aliases": 10**9, "depth": 60}))
    finally:
        limits._Walk.collect = original  # type: ignore[method-assign]
    assert sum(seen) <= LIMITS.fields * 2


def test_the_introspection_of_every_tool_passes(documents: Documents) -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    prepared = documents.prepare(query)
    assert documents.weigh(prepared, prepared.operation(None), {}).cost <= LIMITS.cost


def test_a_list_multiplies_what_it_holds(documents: Documents) -> None:
    def cost(first: int) -> int:
        prepared = documents.prepare(
            "query($n:Int){viewer{people(first:$n){edges{node{conversations(first:10){edges{node{id}}}}}}}}"
        )
        return documents.weigh(prepared, prepared.operation(None), {"n": first}).cost

    assert cost(20) - cost(10) == cost(30) - cost(20) > 10 * 10


def test_a_size_in_a_variable_counts_like_one_in_the_document(documents: Documents) -> None:
    written = documents.prepare("{viewer{people(first:37){edges{node{id}}}}}")
    given = documents.prepare("query($n:Int){viewer{people(first:$n){edges{node{id}}}}}")
    by_default = documents.prepare("query($n:Int=37){viewer{people(first:$n){edges{node{id}}}}}")
    figures = {
        documents.weigh(written, written.operation(None), {}).cost,
        documents.weigh(given, given.operation(None), {"n": 37}).cost,
        documents.weigh(by_default, by_default.operation(None), {}).cost,
    }
    assert len(figures) == 1


def test_an_abstract_type_costs_its_dearest_member_not_all_of_them(documents: Documents) -> None:
    def cost(query: str) -> int:
        prepared = documents.prepare(query)
        return documents.weigh(prepared, prepared.operation(None), {}).cost

    person = "... on Person{conversations(first:10){edges{node{id}}}}"
    conversation = "... on Conversation{messages(first:5){edges{node{id}}}}"
    assert cost(f'{{node(id:"x"){{{person} {conversation}}}}}') == cost(f'{{node(id:"x"){{{person}}}}}')


def test_a_refused_document_is_remembered_without_growing(documents: Documents) -> None:
    for n in range(2_000):
        with pytest.raises(Refused):
            documents.prepare("{" + f"unknown{n}" + "}")
    assert documents._tokens <= 60_000


async def test_an_operation_that_costs_too_much_names_its_cost(tmp_path: Path) -> None:
    async with opened(tmp_path, schema=None) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            dear = "{viewer{people(first:200){edges{node{conversations(first:200){edges{node{id}}}}}}}}"
            answer = await ask(client, dear)
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert error["extensions"]["what"] == "cost"
    assert error["extensions"]["actual"] > error["extensions"]["limit"] == 20_000


async def test_others_are_served_while_hostile_documents_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            hostile = [ask(client, query) for query, _ in HOSTILE.values() if len(query) < 1_000_000]
            honest = [ask(client, "{me}") for _ in hostile]
            answers = await asyncio.gather(*hostile, *honest)
    refused, served = answers[: len(hostile)], answers[len(hostile) :]
    assert {a.status_code for a in refused} == {400}
    assert all("data" not in a.json() for a in refused)
    assert {a.status_code for a in served} == {200}


async def test_a_key_that_spent_its_minute_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path, clock=TestClock(), rate_cost=2) as installation:
        key, _ = await key_of(installation)
        other, _ = await key_of(installation)
        async with asking(installation, key) as client, asking(installation, other) as somebody_else:
            assert [(await ask(client, "{me}")).status_code for _ in range(2)] == [200, 200]
            refused = await ask(client, "{me}")
            assert (await ask(somebody_else, "{me}")).status_code == 200
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


def _as_dict(limits: Limits) -> dict[str, int]:
    return {name: getattr(limits, name) for name in Limits.__slots__}
