"""A list from a network, entry by entry: what is as its interface describes it, and of the rest that it is not. Knows no network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from providers.records import Row, Unreadable

Entity = TypeVar("Entity")


def readable(items: Iterable[msgspec.Raw], kind: type[Entity], container: str) -> tuple[list[Entity], list[Row]]:
    """The entries that are of this kind; the others as rows that say so. Nulls are what may not be seen."""
    found: list[Entity] = []
    broken: list[Row] = []
    for item in items:
        if bytes(item) == b"null":
            continue
        try:
            found.append(msgspec.json.decode(item, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            excerpt = bytes(item)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
            message = f"This entry is not as the interface describes it: {str(error)[:200]}"
            broken.append(
                Row(
                    item=Unreadable(
                        key="", outcome="FAILED", message=message, reason="UNREADABLE", excerpt=excerpt, container=container
                    )
                )
            )
    return found, broken
