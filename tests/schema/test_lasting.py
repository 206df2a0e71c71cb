"""Every field says whether its answers are kept; what nobody has thought of is not."""

from __future__ import annotations

import pytest
from graphql import OperationDefinitionNode, is_interface_type, is_object_type, parse, validate

from gateway.execution.keeping import lasts
from schema import build_schema
from schema.lasting import PASSING, STORED, passing, stored

SCHEMA = build_schema()._schema
FIELDS = [
    (kind.name, name)
    for kind in SCHEMA.type_map.values()
    if (is_object_type(kind) or is_interface_type(kind)) and not kind.name.startswith("__")
    for name in kind.fields
]


def test_each_field_is_kept_or_says_why_not() -> None:
    """A new field: is it read from the store alone? Then it belongs in STORED of schema/lasting.py, else in PASSING."""
    undecided = [f"{kind}.{name}" for kind, name in FIELDS if stored(kind, name) == (passing(kind, name) is not None)]
    assert not undecided


def test_nothing_is_listed_that_is_no_field() -> None:
    known = {*(kind for kind, _ in FIELDS), *(f"{kind}.{name}" for kind, name in FIELDS)}
    listed = {*PASSING, *(f"{kind}.{name}" for kind, names in STORED.items() for name in names)}
    assert listed <= known


def kept(query: str) -> bool:
    document = parse(query)
    assert not validate(SCHEMA, document)
    first = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return lasts(SCHEMA, stored, document, first)


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename viewer { __typename id } }",
        "{ viewer { people(first: 5) { edges { node { name conversations(first: 3) { edges { node { subject } } } } } } } }",
        "query Q($id: ID!) { node(id: $id) { __typename id ... on Versioned { version } ... on Message { text html } } }",
        "{ viewer { timeline(first: 5) { edges { node { occurredAt ...M ... on TimelineGap { closesAt } } } } } } "
        "fragment M on Message { snippet sender { person { ...P } } } fragment P on Person { name photo { url } }",
        "{ viewer { search(query: \"x\", first: 5) { edges { node { ... on Person { name } } highlights { text } } } feed { head } } }",
        "query Q($off: Boolean!) { viewer { id @skip(if: $off) } }",
    ],
)  # fmt: skip
def test_what_the_store_answers_is_kept(query: str) -> None:
    assert kept(query)


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { accounts(first: 5) { edges { node { progress { done } } } } } }",
        "{ viewer { people(first: 5) { sources { asOf } } } }",
        "{ viewer { ...V } } fragment V on Viewer { changes(first: 5) { upToDate } }",
        "query Q($off: Boolean!) { viewer { apiKeys @include(if: $off) { id } } }",
        "query Q($id: ID!) { node(id: $id) { ... on Attachment { download { url } } } }",
        "query Q($id: ID!) { node(id: $id) { ... on Import { state } } }",
        "{ lookup(resource: \"acct:a@example.org\") { resource } }",
        "{ __schema { types { name } } }",
        "mutation { deleteStream(input: {streamId: \"k_1\"}) { errors { code } } }",
        "subscription { changes { cursor } }",
    ],
)  # fmt: skip
def test_what_passes_is_not(query: str) -> None:
    assert not kept(query)
