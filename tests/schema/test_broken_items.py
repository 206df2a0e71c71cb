"""One broken item is null with an error in its place; the page around it stays."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from store.tables import contact, message, person
from tests.asking import Desk, nodes
from tests.schema.village import NAMES, Village


async def damage(desk: Desk, table: sa.Table, column: str, where: sa.ColumnElement[bool]) -> None:
    def write(conn: Connection, viewer: str) -> None:
        done = conn.execute(sa.update(table).where(table.c.viewer_id == viewer, where).values({column: b"\xc1 damaged"}))
        assert done.rowcount

    await desk.household.database.write(desk.household.viewer, write)


def codes(result: Any) -> list[Any]:
    return [(error.extensions or {}).get("code") for error in result.errors]


async def test_a_damaged_person_is_null_in_its_edge(desk: Desk, village: Village) -> None:
    await damage(desk, person, "projection", person.c.name == "Grace Hopper")
    result = await desk.execute("{ viewer { people { totalCount edges { cursor node { name } } } } }")
    people = result.data["viewer"]["people"]
    assert people["totalCount"] == 5
    assert sorted(p["name"] for p in nodes(people) if p) == sorted(set(NAMES) - {"Grace Hopper"})
    assert nodes(people).count(None) == 1
    assert codes(result) == ["ITEM_UNREADABLE"]
    assert result.errors[0].path[-1] == "node"


async def test_a_damaged_contact_is_null_in_every_list(desk: Desk, village: Village) -> None:
    await damage(desk, contact, "record", contact.c.name == "Ida Rhodes")
    result = await desk.execute("{ viewer { contacts { edges { node { names { full } } } } } }")
    assert None in nodes(result.data["viewer"]["contacts"])
    assert len([one for one in nodes(result.data["viewer"]["contacts"]) if one]) >= 5
    assert set(codes(result)) == {"ITEM_UNREADABLE"}


async def test_a_damaged_text_costs_that_text_only(desk: Desk, village: Village) -> None:
    await damage(desk, message, "body", message.c.subject == "Engine 0")
    result = await desk.execute(
        '{ viewer { conversations(filter: { text: "Engine" }) '
        "{ edges { node { messages { edges { node { subject text } } } } } } } }"
    )
    shown = [m for c in nodes(result.data["viewer"]["conversations"]) for m in nodes(c["messages"])]
    assert [m["subject"] for m in shown if m["text"] is None] == ["Engine 0"]
    assert len(shown) > 3
    assert codes(result) == ["ITEM_UNREADABLE"]


async def test_damaged_headers_cost_those_headers_only(desk: Desk, village: Village) -> None:
    await damage(desk, message, "headers", message.c.headers.is_not(None))
    result = await desk.execute(
        "{ viewer { timeline(first: 50) { edges { node { ... on Message { snippet headers { name } } } } } } }"
    )
    shown = [m for m in nodes(result.data["viewer"]["timeline"]) if m]
    assert [m.get("headers") for m in shown if "headers" in m].count(None) == 1
    assert codes(result) == ["ITEM_UNREADABLE"]


async def test_a_damaged_node_among_many_is_null_in_its_place(desk: Desk, village: Village) -> None:
    data = await desk.ask("{ viewer { people { edges { node { id name } } } } }")
    ids = [p["id"] for p in nodes(data["viewer"]["people"])]
    await damage(desk, person, "projection", person.c.id == ids[2])
    result = await desk.execute("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
    assert [n and n["id"] for n in result.data["nodes"]] == [*ids[:2], None, *ids[3:]]
    assert codes(result) == ["ITEM_UNREADABLE"]


@pytest.mark.parametrize("query", ["people(by: [%s])", "nodes(ids: [%s])"])
async def test_more_than_a_hundred_at_once_are_refused(desk: Desk, query: str) -> None:
    one = '{ id: "p_x" }' if query.startswith("people") else '"p_x"'
    assert await desk.refused(f"{{ {query % ' '.join([one] * 101)} {{ id }} }}") == "TOO_MANY_IDS"
    await desk.ask(f"{{ {query % ' '.join([one] * 100)} {{ id }} }}")
