"""Mistakes of a caller who writes, as data beside the answer.

`field` comes last in each class: from there on the name means the attribute.
"""

from __future__ import annotations

import strawberry

from resolvers import mistakes
from schema import loads
from schema.declare import field, interface_type, object_type
from schema.references import AccountRef
from schema.scalars import DateTime
from schema.search import TextSpan
from schema.vocabulary import UserErrorCode


@interface_type("A mistake of the caller, returned as data beside the untouched rest.")
class UserError:
    code: UserErrorCode = field("Stable code to branch on.")
    message: str = field("Sentence for people.")
    field: list[str] = field("Path into input, list positions as digits; empty when the whole input is meant.")


@object_type("A value that cannot be accepted.", of=mistakes.Mistake)
class InputError(UserError):
    code: UserErrorCode = field("Stable code to branch on.")
    message: str = field("Sentence for people.")
    field: list[str] = field("Path into input.")


@object_type("A node that is missing, of the wrong kind or not writable.", of=mistakes.NodeMistake)
class NodeError(UserError):
    code: UserErrorCode = field("Stable code to branch on.")
    message: str = field("Sentence for people.")
    node_id: strawberry.ID | None = field("The id in question.")
    field: list[str] = field("Path into input.")


@object_type("The network refused the write.", of=mistakes.NetworkMistake)
class ProviderError(UserError):
    code: UserErrorCode = field("Stable code to branch on.")
    message: str = field("Sentence for people.")
    account: AccountRef | None = field("The account whose network refused.", loads.account)
    provider_code: str | None = field("The network's own code.")
    retry_at: DateTime | None = field("When trying again makes sense.")
    field: list[str] = field("Path into input.")


@object_type("A mistake in a stream rule, with its place.", of=mistakes.RuleMistake)
class StreamRuleError(UserError):
    code: UserErrorCode = field("Always INVALID_RULE.")
    message: str = field("Sentence for people.")
    span: TextSpan = field("The offending part of the rule.")
    expected: list[str] = field("What could stand there, for completion; at most 20.")
    field: list[str] = field("Path into input.")
