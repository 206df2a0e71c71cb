"""How alike two spellings are, by rapidfuzz, which is loaded when the first two are compared: three megabytes, and a process that only
serves compares none. Knows no names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache


def slips(a: str, b: str) -> int:
    """Letters put in, left out, exchanged, or swapped with their neighbour, once each (optimal string alignment)."""
    return _measures()[0](a, b)


def similarity(a: str, b: str) -> float:
    """From 0 to 1, by Jaro and Winkler: the beginning counts most."""
    return _measures()[1](a, b)


@cache
def _measures() -> tuple[Callable[[str, str], int], Callable[[str, str], float]]:
    from rapidfuzz.distance import OSA, JaroWinkler

    return OSA.distance, JaroWinkler.similarity
