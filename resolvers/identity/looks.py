"""Looks of pictures (`providers/formats/picture.py`, 16 hexadecimal digits) beside each other: which are one picture's, and by what these meet.

What nearly equal looks mean is a hint like any other (`features.py`): whoever poses as somebody has their picture too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

NEAR: Final = 3  # bits in which two looks of one picture differ at most: one less than BANDS
BANDS: Final = 4  # parts of a look, of which any two that are near have one in common


def near(one: str, other: str) -> bool:
    """Whether two looks are one picture's."""
    return one == other or (int(one, 16) ^ int(other, 16)).bit_count() <= NEAR


def bands(look: str) -> Iterator[str]:
    """By what looks meet that are near."""
    size = len(look) // BANDS
    return (f"{n}{look[n * size : (n + 1) * size]}" for n in range(BANDS))
