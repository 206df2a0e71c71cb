"""The declarations hold together: every field finds its value, every weight and scope its field, nothing is wrapped in vain."""

from __future__ import annotations

import pytest
from graphql import GraphQLObjectType, get_named_type

from resolvers.paging import Listing
from schema import build_schema, policy
from schema.declare import SHOWN_AS

SCHEMA = build_schema()._schema
RECORDS = sorted(SHOWN_AS.items(), key=lambda one: one[1])


@pytest.mark.parametrize(("record", "name"), RECORDS, ids=[name for _, name in RECORDS])
def test_a_field_without_a_resolver_is_an_attribute_of_the_record(record: type, name: str) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    declared = [field.extensions["strawberry-definition"] for field in kind.fields.values()]
    missing = [one.python_name for one in declared if one.base_resolver is None and not hasattr(record, one.python_name)]
    assert missing == []


def test_connections_show_listings() -> None:
    connections = [k for k in SCHEMA.type_map.values() if k.name.endswith("Connection") and isinstance(k, GraphQLObjectType)]
    assert len(connections) > 10
    for kind in connections:
        extra = set(kind.fields) - {"edges", "pageInfo", "totalCount", "complete", "sources", "upToDate", "interpretation"}
        assert extra == set(), kind.name
    assert {"edges", "page_info", "complete", "sources"} <= set(Listing.__struct_fields__)


@pytest.mark.parametrize(("type_name", "field"), sorted({**policy.WEIGHTS, **policy.SCOPES}))
def test_weights_and_scopes_are_of_fields_that_there_are(type_name: str, field: str) -> None:
    kind = SCHEMA.type_map[type_name]
    assert isinstance(kind, GraphQLObjectType)
    assert field in kind.fields


def test_every_mutation_says_which_scope_it_needs() -> None:
    mutation = SCHEMA.mutation_type
    assert mutation is not None
    assert [name for name in mutation.fields if ("Mutation", name) not in policy.SCOPES] == []


def test_reading_needs_the_read_scope_and_keys_the_admin_scope() -> None:
    assert policy.scope_of("Query", "viewer") == "READ"
    assert policy.scope_of("Subscription", "changes") == "READ"
    assert policy.scope_of("Viewer", "apiKeys") == "ADMIN"
    assert policy.scope_of("Person", "name") is None
    assert policy.cost_of("Viewer", "people") == 2
    assert policy.cost_of("Person", "name") is None


def test_no_payload_leads_back_to_the_viewer_without_the_read_scope() -> None:
    back = [
        (kind.name, name)
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType) and kind.name.endswith("Payload")
        for name, field in kind.fields.items()
        if str(get_named_type(field.type))
        in {
            "Viewer",
            "Person",
            "Contact",
            "Conversation",
            "Message",
            "EnrichmentRun",
            "Stream",
            "Merge",
            "MergeSuggestion",
            "Annotation",
            "Annotatable",
        }
    ]
    assert set(back) == set(policy.BACK)
    assert {policy.scope_of(*one) for one in back} == {"READ"}
