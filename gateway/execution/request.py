"""A GraphQL request and its answer, whichever way they travel (GraphQL over HTTP §5.1, §6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import orjson

IDS: Final = ("documentId", "doc_id", "id")  # what names a persisted document: the draft's word, and Relay's two


class BadRequest(Exception):
    """The request is no GraphQL request: its shape is wrong, before anything of GraphQL was read."""


class GraphQLRequest(msgspec.Struct, frozen=True, kw_only=True):
    """§5.1: `query` is what the specification calls the document; empty where it is only named (persisted.py)."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    document_id: str | None = None

    @property
    def named(self) -> bool:
        """Whether its document is named instead of sent."""
        return not self.query


@dataclass(slots=True)
class Answer:
    """What becomes the response. `refused`: a request error (§6.4), execution never began, so there is no `data` entry.

    `status` is set where HTTP has a code of its own for what went wrong (405 for a mutation by GET, 429 for the rate limit).
    """

    data: Mapping[str, Any] | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[str, Any] = field(default_factory=dict)
    refused: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    event_id: str | None = None
    head: bytes | None = None  # the encoded response up to the end of `data`, where that is at hand: it stands for `data`

    def body(self) -> dict[str, Any]:
        """The response map: errors first where there are any, so that they stand out."""
        body: dict[str, Any] = {}
        if self.errors:
            body["errors"] = self.errors
        if not self.refused:
            body["data"] = self.data
        if self.extensions:
            body["extensions"] = self.extensions
        return body


def encoded(value: Any) -> bytes:
    """A response, or a part of one, as JSON. Scalars of a schema may have keys that are no strings; looking for them takes several times as
    long as encoding without, so it is done only where there is one. Raises TypeError for what is no JSON.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def read_request(payload: object) -> GraphQLRequest:
    """A request from decoded JSON. Raises BadRequest; null is the same as absent (§5.4)."""
    if isinstance(payload, list):
        raise BadRequest("batches of operations are not supported: send one operation a request")
    if not isinstance(payload, dict):
        raise BadRequest("the body must be a JSON object with the entry `query`")
    query = payload.get("query")
    if not isinstance(query, str | None):
        raise BadRequest("`query` must be a string")
    document_id = None if query else next((payload[name] for name in IDS if payload.get(name) is not None), None)
    if not isinstance(document_id, str | None):
        raise BadRequest("the id of a document must be a string")
    extensions = payload.get("extensions")
    if not query and document_id is None and not (isinstance(extensions, dict) and extensions.get("persistedQuery")):
        raise BadRequest("the entry `query` is missing" if query is None else "the entry `query` is empty")
    name = payload.get("operationName")
    if name is not None and not isinstance(name, str):
        raise BadRequest("`operationName` must be a string")
    for entry in ("variables", "extensions"):
        if not isinstance(payload.get(entry), dict | None):
            raise BadRequest(f"`{entry}` must be an object")
    return GraphQLRequest(
        query=query or "",
        operation_name=name or None,
        variables=payload.get("variables") or {},
        extensions=extensions or {},
        document_id=document_id,
    )


def refusal(message: str, code: str, *, status: int | None = None, **extensions: Any) -> Answer:
    """The answer to a request that is not executed, with one error."""
    return Answer(errors=[{"message": message, "extensions": {"code": code, **extensions}}], refused=True, status=status)
