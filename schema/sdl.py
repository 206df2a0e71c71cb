"""The schema as text: what is committed as `schema/schema.graphql` and what `server { schemaHash }` stands for.

Two things that Strawberry's printer leaves to be done: descriptions of the arguments of directives, and the definition of
`@oneOf`, which the specification brings along itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import Final

from graphql import DirectiveDefinitionNode, DocumentNode, InputValueDefinitionNode, StringValueNode, parse, print_ast

from schema.build import build_schema

HEADER: Final = "# The schema of this release, printed by `kith schema`; a test compares the two.\n"
ARGUMENTS: Final = {
    ("semanticNonNull", "levels"): "List levels that are meant; 0 is the field itself.",
    ("cost", "weight"): "The weight, a decimal number.",
    ("requiresScope", "scope"): "The scope needed.",
}
BUILT_IN: Final = frozenset({"oneOf", "specifiedBy", "deprecated", "skip", "include"})


@cache
def printed() -> str:
    """The schema in the schema definition language, descriptions included."""
    document = parse(build_schema().as_str(), no_location=True)
    kept = []
    for definition in document.definitions:
        if isinstance(definition, DirectiveDefinitionNode):
            if definition.name.value in BUILT_IN:
                continue
            definition = replace(
                definition, arguments=tuple(_described(definition.name.value, a) for a in definition.arguments or ())
            )
        kept.append(definition)
    return HEADER + print_ast(DocumentNode(definitions=tuple(kept))) + "\n"


def _described(directive: str, argument: InputValueDefinitionNode) -> InputValueDefinitionNode:
    told = ARGUMENTS.get((directive, argument.name.value))
    return argument if told is None else replace(argument, description=StringValueNode(value=told, block=True))


@cache
def schema_hash() -> str:
    """A digest of all that is printed, to notice a change.

    Of Strawberry's text: to read and print it again as `printed` does takes eight megabytes, which a process would keep.
    """
    return hashlib.sha256(f"{build_schema().as_str()}\n{sorted(ARGUMENTS.items())}".encode()).hexdigest()[:16]
