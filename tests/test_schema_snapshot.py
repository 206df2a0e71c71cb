"""The committed schema is the schema of this release; what breaks clients is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import build_schema as read_schema
from graphql import find_breaking_changes

from schema import build_schema, sdl
from schema.sdl import printed, schema_hash

SNAPSHOT = Path(__file__).parents[1] / "schema" / "schema.graphql"


def test_the_committed_schema_is_the_schema_of_this_release() -> None:
    committed = SNAPSHOT.read_text()
    breaking = [change.description for change in find_breaking_changes(read_schema(committed), build_schema()._schema)]
    assert breaking == [], "clients break; deprecate instead, and keep it for 12 months"
    assert committed == printed(), "write it anew with `kith schema > schema/schema.graphql`"


def test_the_hash_is_another_one_whenever_something_else_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    anew = schema_hash.__wrapped__
    assert schema_hash() == anew()
    monkeypatch.setitem(sdl.ARGUMENTS, ("cost", "weight"), "Something else.")
    assert anew() != schema_hash()
