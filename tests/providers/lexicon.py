"""Judges requests, answers and records by official lexicons (atproto.com/specs/lexicon), pinned under tests/contracts/atproto/."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

LEXICONS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "contracts" / "atproto" / "lexicons.json").read_text()
)
_FORMATS = {
    "did": re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]+"),
    "handle": re.compile(r"([a-z0-9-]+\.)+[a-z0-9-]+"),
    "at-identifier": re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]+|([a-z0-9-]+\.)+[a-z0-9-]+"),
    "at-uri": re.compile(r"at://[A-Za-z0-9._:%-]+(/[A-Za-z0-9.-]+(/[A-Za-z0-9._:~-]+)?)?"),
    "uri": re.compile(r"[a-z][a-z0-9+.-]*:\S+"),
    "cid": re.compile(r"[A-Za-z0-9+]{8,}"),
    "nsid": re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){2,}"),
    "tid": re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}"),
    "language": re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*"),
}


class NotByLexicon(AssertionError):
    """What the lexicons do not allow, and where."""


def check_query(method: str, query: list[tuple[str, str]]) -> None:
    """Whether these are parameters of a method, each as it has to be."""
    main = LEXICONS[method]["main"]
    schema = main.get("parameters", {"properties": {}})
    given: dict[str, list[str]] = {}
    for name, value in query:
        given.setdefault(name, []).append(value)
    for name in schema.get("required", ()):
        if name not in given:
            raise NotByLexicon(f"{method} wants {name}")
    for name, values in given.items():
        if name not in schema["properties"]:
            raise NotByLexicon(f"{method} has no parameter {name}")
        wanted = schema["properties"][name]
        many = wanted["type"] == "array"
        if not many and len(values) > 1:
            raise NotByLexicon(f"{method} takes one {name}")
        typed = [_typed((wanted["items"] if many else wanted)["type"], value) for value in values]
        _check(wanted, typed if many else typed[0], method, f"{method}?{name}")


def check_input(method: str, body: Any) -> None:
    """Whether a body may be given to a procedure, and has nothing that it does not know."""
    schema = LEXICONS[method]["main"]["input"]["schema"]
    _check(schema, body, method, method)
    if unknown := set(body) - set(schema["properties"]):
        raise NotByLexicon(f"{method} does not know {sorted(unknown)}")


def check_answer(method: str, body: Any) -> None:
    """Whether a body is an answer of a method."""
    _check(LEXICONS[method]["main"]["output"]["schema"], body, method, method)


def check_record(collection: str, value: Any) -> None:
    """Whether a record may be in a collection."""
    _check(LEXICONS[collection]["main"]["record"], value, collection, collection)


def _typed(kind: str, text: str) -> Any:
    if kind == "integer" and text.isdigit():
        return int(text)
    return text == "true" if kind == "boolean" else text


def _check(schema: dict[str, Any], value: Any, document: str, where: str) -> None:
    match schema["type"]:
        case "object":
            _object(schema, value, document, where)
        case "array":
            _is(isinstance(value, list), where, "a list")
            _is(len(value) <= schema.get("maxLength", len(value)), where, "a shorter list")
            for n, item in enumerate(value):
                _check(schema["items"], item, document, f"{where}[{n}]")
        case "string":
            _is(isinstance(value, str), where, "a text")
            _is(
                schema.get("minLength", 0) <= len(value.encode()) <= schema.get("maxLength", 10**9),
                where,
                "a text of that length",
            )
            _is(value in schema.get("enum", (value,)), where, "one of the known words")
            _format(schema.get("format"), value, where)
        case "integer":
            _is(isinstance(value, int) and not isinstance(value, bool), where, "a whole number")
            _is(schema.get("minimum", value) <= value <= schema.get("maximum", value), where, "within its bounds")
        case "boolean":
            _is(isinstance(value, bool), where, "true or false")
        case "ref":
            target, name = _resolved(schema["ref"], document)
            _check(LEXICONS[target][name], value, target, where)
        case "union":
            _is(isinstance(value, dict) and isinstance(value.get("$type"), str), where, "something with a $type")
            known = {"#".join(_resolved(ref, document)): ref for ref in schema["refs"]}
            document_, _, name = value["$type"].partition("#")
            chosen = f"{document_}#{name or 'main'}"
            _is(chosen in known or not schema.get("closed"), where, f"one of {sorted(known)}")
            if chosen in known:
                _check(LEXICONS[document_][name or "main"], value, document_, where)
        case "record":
            _check(schema["record"], value, document, where)
        case "blob":
            _is(isinstance(value, dict) and value.get("$type") == "blob", where, "a blob")
        case "token" | "unknown" | "bytes" | "cid-link":
            pass
        case other:
            raise NotByLexicon(f"{where}: nobody has written how to judge {other}")


def _object(schema: dict[str, Any], value: Any, document: str, where: str) -> None:
    _is(isinstance(value, dict), where, "an object")
    for name in schema.get("required", ()):
        _is(name in value, f"{where}.{name}", "there")
    for name, inner in schema.get("properties", {}).items():
        if name in value and not (value[name] is None and name in schema.get("nullable", ())):
            _check(inner, value[name], document, f"{where}.{name}")


def _format(name: str | None, value: str, where: str) -> None:
    if name == "datetime":
        try:
            _is(datetime.fromisoformat(value).tzinfo is not None, where, "a moment with its zone")
        except ValueError:
            raise NotByLexicon(f"{where}: {value!r} is no moment") from None
    elif name in _FORMATS:
        _is(_FORMATS[name].fullmatch(value) is not None, where, f"a {name}, not {value!r}")


def _resolved(ref: str, document: str) -> tuple[str, str]:
    target, _, name = ref.partition("#")
    return target or document, name or "main"


def _is(true: bool, where: str, what: str) -> None:
    if not true:
        raise NotByLexicon(f"{where} is not {what}")
