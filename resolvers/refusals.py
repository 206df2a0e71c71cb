"""Why a question is not answered, as an error that a client can branch on.

A `Refusal` is the caller's mistake, never ours: its `extensions` travel with the GraphQL error (`code` first of all), its
message says what to do instead. Everything else that is raised is a bug and is masked above. Knows nothing of GraphQL.
"""

from __future__ import annotations

from typing import Literal

Code = Literal["INVALID_CURSOR", "PAGE_SIZE", "TOO_MANY_IDS", "BAD_ARGUMENTS", "UNKNOWN_NODE", "FORBIDDEN", "NOT_AVAILABLE"]


class Refusal(Exception):
    """A question that cannot be answered as asked."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.extensions: dict[str, object] = {"code": code}


class ItemUnreadable(Exception):
    """One stored item is damaged: its place in a page is null, the page stays."""

    def __init__(self, node_id: str) -> None:
        super().__init__("this item is stored damaged and could not be read; synchronise or import its account again")
        self.node_id = node_id
        self.extensions: dict[str, object] = {"code": "ITEM_UNREADABLE"}
