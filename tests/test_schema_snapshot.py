"""The committed schema is the schema of this release; what breaks clients is named."""

from __future__ import annotations

from pathlib import Path

from graphql import build_schema as read_schema
from graphql import find_breaking_changes

from schema import build_schema
from schema.sdl import printed

SNAPSHOT = Path(__file__).parents[1] / "schema" / "schema.graphql"


def test_the_committed_schema_is_the_schema_of_this_release() -> None:
    committed = SNAPSHOT.read_text()
    breaking = [change.description for change in find_breaking_changes(read_schema(committed), build_schema()._schema)]
    assert breaking == [], "clients break; deprecate instead, and keep it for 12 months"
    assert committed == printed(), "write it anew with `kith schema > schema/schema.graphql`"
