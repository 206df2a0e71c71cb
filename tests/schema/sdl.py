"""What a schema text says, part by part, so that two texts can be compared without regard to order."""

from __future__ import annotations

from typing import Any

from graphql import DirectiveDefinitionNode, parse, print_ast


def parts(text: str) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """(type), (type, member) and (type, member, argument) → what is said of it: type, default, description, directives."""
    found: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for definition in parse(text, no_location=True).definitions:
        name = getattr(definition, "name", None)
        if name is None:
            continue
        key = f"@{name.value}" if isinstance(definition, DirectiveDefinitionNode) else name.value
        found[key,] = (definition.kind, _words(definition))
        for interface in getattr(definition, "interfaces", None) or ():
            found[key, f"implements {interface.name.value}"] = ()
        for member in getattr(definition, "types", None) or ():
            found[key, f"| {member.name.value}"] = ()
        for location in getattr(definition, "locations", None) or ():
            found[key, f"on {location.value}"] = ()
        for value in getattr(definition, "values", None) or ():
            found[key, value.name.value] = (_words(value),)
        for argument in getattr(definition, "arguments", None) or ():
            found[key, argument.name.value] = _value(argument)
        for field in getattr(definition, "fields", None) or ():
            found[key, field.name.value] = _value(field)
            for argument in getattr(field, "arguments", None) or ():
                found[key, field.name.value, argument.name.value] = _value(argument)
    return found


def _value(node: Any) -> tuple[Any, ...]:
    default = getattr(node, "default_value", None)
    return (
        print_ast(node.type),
        None if default is None else print_ast(default),
        _words(node),
        sorted(print_ast(d) for d in node.directives or ()),
    )


def _words(node: Any) -> str | None:
    description = getattr(node, "description", None)
    return None if description is None else " ".join(description.value.split())
