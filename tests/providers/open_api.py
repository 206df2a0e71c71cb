"""Official descriptions of interfaces (OpenAPI 3, and Swagger 2 before it), as far as the stubs of networks are held to them.

`faults` says what a request does that the description does not allow, `check` that an answer is as described, `example` makes an answer
with all that is required, to be filled with what a test is about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.providers.stub_http import Request

_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict, "null": type(None),
}  # fmt: skip


class Description:
    """One document."""

    def __init__(self, path: Path) -> None:
        self._document: dict[str, Any] = json.loads(path.read_text())

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """What the document says of a method at a path without variables."""
        found = self._document["paths"].get(path, {}).get(method.lower())
        return found if isinstance(found, dict) else None

    def paths(self) -> list[str]:
        """The paths that the document knows."""
        return list(self._document["paths"])

    def faults(self, operation: dict[str, Any], request: Request, *, place: str = "query") -> list[str]:
        """What the parameters of a request do that is not allowed; `place` is where the document says that they stand."""
        known = {spec["name"]: spec for spec in operation["parameters"] if spec["in"] == place}
        faults = [f"{name} is missing" for name, spec in known.items() if spec.get("required") and not request.all(name)]
        for name, value in request.query:
            if name not in known:
                faults.append(f"{request.path} has no parameter {name}")
            else:
                faults += self._misread(known[name].get("schema", known[name]), name, value)
        return faults

    def schema(self, operation: dict[str, Any], status: str = "200") -> dict[str, Any]:
        """The schema of an answer."""
        answer = operation["responses"][status]
        found: dict[str, Any] = answer["schema"] if "schema" in answer else answer["content"]["application/json"]["schema"]
        return found

    def check(self, schema: Any, value: Any, where: str) -> None:
        """That a value is as its schema describes it. Raises AssertionError with its place."""
        schema = self._resolved(schema)
        if value is None and (schema.get("nullable") or not schema):
            return
        for each in schema.get("allOf", ()):
            self.check(each, value, where)
        choices = schema.get("oneOf", ()) or schema.get("anyOf", ())
        if not choices and isinstance(schema.get("items"), list) and schema.get("type") != "array":
            choices = schema["items"]  # how Slack's description writes a choice
        if choices:
            assert any(self._fits(each, value, where) for each in choices), (
                f"{where}: {str(value)[:200]} is none of what may be here"
            )
        kinds = schema.get("type")
        if kinds is not None:
            allowed = [kinds] if isinstance(kinds, str) else kinds
            countable = not isinstance(value, bool) or "boolean" in allowed
            assert countable and any(isinstance(value, _KINDS[kind]) for kind in allowed), f"{where}: {value!r} is no {kinds}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r} is not in {schema['enum']}"
        if isinstance(value, dict):
            for name in schema.get("required", ()):
                assert name in value, f"{where} has no {name}"
            known = schema.get("properties", {})
            for name, inner in value.items():
                if name in known:
                    self.check(known[name], inner, f"{where}.{name}")
                else:
                    assert schema.get("additionalProperties", True) is not False, f"{where} may have no {name}"
        elif isinstance(value, list) and schema.get("type") == "array" and "items" in schema:
            for number, inner in enumerate(value):
                each = schema["items"]
                self.check({"oneOf": each} if isinstance(each, list) else each, inner, f"{where}[{number}]")

    def example(self, schema: Any) -> Any:
        """A value with all that is required and nothing else."""
        schema = self._resolved(schema)
        if choices := schema.get("oneOf") or schema.get("anyOf"):
            return self.example(choices[0])
        if schema.get("nullable"):
            return None
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                return {name: self.example(schema["properties"][name]) for name in schema.get("required", ())}
            case "array":
                return []
            case "integer" | "number":
                return 1
            case "boolean":
                return False
        return {"uri": "https://example.org/x", "date-time": "2026-05-01T00:00:00Z"}.get(schema.get("format", ""), "x")

    def _fits(self, schema: Any, value: Any, where: str) -> bool:
        try:
            self.check(schema, value, where)
        except AssertionError:
            return False
        return True

    def _misread(self, schema: dict[str, Any], name: str, value: str) -> list[str]:
        kind = schema.get("type")
        right: dict[str, bool] = {
            "integer": value.lstrip("-").isdigit(),
            "number": value.replace(".", "", 1).isdigit(),
            "boolean": value in ("true", "false"),
        }
        if not right.get(str(kind), True):
            return [f"{name}={value} is no {kind}"]
        if kind == "integer" and not schema.get("minimum", -(2**63)) <= int(value) <= schema.get("maximum", 2**63):
            return [f"{name}={value} is out of its bounds"]
        return [] if value in schema.get("enum", [value]) else [f"{name}={value} is not one of {schema['enum']}"]

    def _resolved(self, schema: Any) -> dict[str, Any]:
        while "$ref" in schema:
            found: Any = self._document
            for part in schema["$ref"].split("/")[1:]:
                found = found[part]
            schema = found
        return dict(schema)
