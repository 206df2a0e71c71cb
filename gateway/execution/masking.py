"""What of an error a client may see: its own mistakes in full, our bugs as a reference that the log holds.

An error made on purpose is a GraphQLError or a refusal of the resolvers (they say what to do). Anything else is a bug: its text
may hold addresses, paths or secrets, so it is logged under a reference id and the client gets the id.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import structlog
from graphql import GraphQLError

from providers.errors import ProviderError
from resolvers.refusals import ItemUnreadable, Refusal
from store.database import DatabaseUnavailable

log = structlog.get_logger("kith.execution")

PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
BAD_INPUT: Final = "BAD_USER_INPUT"
INTERNAL: Final = "INTERNAL_SERVER_ERROR"


def present(error: GraphQLError, *, operation: str | None, viewer: str, code: str = BAD_INPUT) -> dict[str, Any]:
    """The error as the response shows it. `code` is given to errors that have none of their own."""
    original = origin(error)
    if original is None:
        shown: dict[str, Any] = {"message": error.message}
        extensions = {"code": code, **(error.extensions or {})}
    elif isinstance(original, Refusal | ItemUnreadable):
        shown, extensions = {"message": str(original)}, dict(original.extensions)
    elif isinstance(original, ProviderError):
        # sources are data; where one still gets here its sentence is made for people
        shown, extensions = {"message": original.message}, {"code": "PROVIDER_ERROR"}
    elif isinstance(original, DatabaseUnavailable):
        reference = _noted("database unavailable", original, operation=operation, viewer=viewer, path=error.path)
        shown = {"message": "The database does not answer: try again in a moment."}
        extensions = {"code": "UNAVAILABLE", "reference": reference}
    else:
        reference = _noted("operation failed", original, operation=operation, viewer=viewer, path=error.path)
        shown = {"message": f"Something went wrong here, not with your request. The log has it under {reference}."}
        extensions = {"code": INTERNAL, "reference": reference}
    if error.locations:
        shown["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        shown["path"] = list(error.path)
    shown["extensions"] = extensions
    return shown


def origin(error: GraphQLError) -> BaseException | None:
    """The exception under an error that graphql-core located; None for one made on purpose."""
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _noted(event: str, error: BaseException, **known: Any) -> str:
    reference = secrets.token_hex(6)
    log.error(event, reference=reference, exc_info=error, **known)
    return reference
