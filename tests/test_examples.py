"""What the explorer offers to a new visitor is answered by the schema as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

_ROOT = Path(__file__).parent.parent
_EXAMPLES = sorted((_ROOT / "web/src/examples").glob("*.graphql"))


@pytest.mark.parametrize("file", _EXAMPLES, ids=lambda file: file.stem)
def test_an_example_tab_asks_only_for_what_the_schema_has(file: Path) -> None:
    schema = build_schema((_ROOT / "schema/schema.graphql").read_text())
    assert [error.message for error in validate(schema, parse(file.read_text()))] == []


@pytest.mark.parametrize("page", ["relationship", "notes", "agenda"])
def test_an_example_of_the_manual_asks_only_for_what_the_schema_has(page: str) -> None:
    schema = build_schema((_ROOT / "schema/schema.graphql").read_text())
    found = re.findall(r"```graphql\n(.*?)```", (_ROOT / f"docs/{page}.md").read_text(), re.DOTALL)
    assert found and [error.message for text in found for error in validate(schema, parse(text))] == []


def test_every_example_has_its_tab() -> None:
    tabs = (_ROOT / "web/src/examples.ts").read_text()
    assert [file.name for file in _EXAMPLES if f"./examples/{file.name}?raw" not in tabs] == []
