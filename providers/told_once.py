"""Networks that tell each thing once, and list nothing: there is nothing to compare with, and nothing is asked for from the beginning.

To be such an adapter is to answer `base.Verifiable` with nothing: an account that is to be verified keeps its cursor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from providers.records import Page, Statement


class ToldOnce:
    """What such an adapter says of what there is."""

    async def listing(self) -> AsyncIterator[Statement]:
        """Nobody can list what there is."""
        for nothing in list[Statement]():
            yield nothing

    async def fetch(self, container: str, keys: Sequence[str]) -> AsyncIterator[Page]:
        """Nothing is told twice."""
        for nothing in list[Page]():
            yield nothing
