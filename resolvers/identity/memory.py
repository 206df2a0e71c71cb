"""What the engine remembers of the names, addresses and numbers that it has compared: faster over a file, too much for a worker.

`kith resolve` reads one book and ends. A worker goes on for weeks, over the books of many viewers, and forgets between steps; but not after a
handful, so that one contact that changes after another is not held against the same people as if they had never been read. The tables
that the engine reads from (nicknames, letters that look alike) stay.
"""

from __future__ import annotations

import functools
import sys
from typing import Final

PEOPLE: Final = 1_000  # that are compared until what is remembered of them is forgotten: some 50 MB
HANDFUL: Final = 50  # of whom a worker remembers what it read when it has nothing more to do: some 2 MB


class _Count:
    """How many people were compared since all was forgotten."""

    people = 0


def compared(people: int, *, most: int = PEOPLE) -> None:
    """So many more people were compared: forget, if that makes more than `most`."""
    _Count.people += people
    if _Count.people > most:
        forget()


def rest() -> None:
    """Nothing more is to be done."""
    compared(0, most=HANDFUL)


def forget() -> None:
    """Forget whatever was remembered of people; the engine works it out again when it is asked."""
    _Count.people = 0
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{__package__}."):
            for value in vars(module).values():
                # a cache of one entry, or without a limit, holds a table
                if isinstance(value, functools._lru_cache_wrapper) and (value.cache_info().maxsize or 0) > 1:
                    value.cache_clear()
