"""What every mutation answers, and what all inputs have in common."""

from __future__ import annotations

from typing import Final

from schema.declare import field, interface_type, object_type
from schema.references import UserErrorRef
from schema.scalars import Cursor

KEY: Final = "Made by the client; the same key and input give the first answer again, kept 30 days."
WHAT: Final = "What to do."


@interface_type("What every mutation answers.")
class MutationPayload:
    errors: list[UserErrorRef] = field("Mistakes of the caller; empty when all went well.")
    feed_cursor: Cursor | None = field(
        "Position after the write, for Freshness.atLeast and changes(since:); null when nothing was written."
    )


@object_type()
class Written(MutationPayload):
    errors: list[UserErrorRef] = field("Mistakes of the caller; empty when all went well.")
    feed_cursor: Cursor | None = field("Position after the write; null when nothing was written.")
