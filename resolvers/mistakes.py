"""Mistakes of a caller who writes: data beside the answer, never an exception of the operation.

They become the contract's UserError: `Mistake` an InputError, `NodeMistake` a NodeError, `NetworkMistake` a ProviderError,
`RuleMistake` a StreamRuleError. `field` is the path into the input, list positions as digits.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from resolvers.search_query import TextSpan


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A value that cannot be accepted. `code` is a UserErrorCode."""

    code: str
    message: str
    field: tuple[str, ...] = ()


class NodeMistake(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is missing, of the wrong kind or not writable."""

    code: str
    message: str
    field: tuple[str, ...] = ()
    node_id: str | None = None


class NetworkMistake(msgspec.Struct, frozen=True, kw_only=True):
    """The network refused the write."""

    code: str
    message: str
    field: tuple[str, ...] = ()
    account_id: str | None = None
    provider_code: str | None = None
    retry_at: datetime | None = None


class RuleMistake(msgspec.Struct, frozen=True, kw_only=True):
    """A stream rule that cannot be read: where, and what could stand there."""

    code: str = "INVALID_RULE"
    message: str
    field: tuple[str, ...] = ()
    span: TextSpan
    expected: tuple[str, ...] = ()


AnyMistake = Mistake | NodeMistake | NetworkMistake | RuleMistake


def not_found(node_id: str, *field: str) -> NodeMistake:
    """No such node for this viewer."""
    return NodeMistake(code="NOT_FOUND", message="There is no such node; read the list again.", field=field, node_id=node_id)
