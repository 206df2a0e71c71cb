"""Loaders over again: what was loaded already, given in the turns of the event loop in which a loader would give it that was asked now.

Whoever does a second time what was done already (graphql-core, after a plan that could not go on: gateway/execution/compiled/replay.py)
asks for keys in another order, and in other turns, than they were asked for at first. Which of them come together, and before or
after what else, follows from that order; so an echo keeps a loader's rules and asks it for nothing: a batch of an echo is
there when the loader has what it consists of. What is there already never waits for what is not, though it is asked for in the same turns:
it was asked for, and came, before. Knows nothing of operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolvers.loaders import Batch, Loader
from resolvers.loading import Loading


class Echoes:
    """Of all loaders that are met while something is done a second time."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[Loader, tuple[Echo, Echo]] = {}  # of what is still to come, and of what is there

    def again(self, loading: Loading[Any]) -> Loading[Any]:
        """The same value, as its loader would bring it to somebody who asks now."""
        both = self._of.get(loading.loader)
        if both is None:
            coming = Echo(loading.loader)
            both = self._of[loading.loader] = (coming, Echo(loading.loader, coming))
        return both[loading.there].again(loading)


class Echo(Loader):
    """A loader that takes from another what that has brought, or is bringing; it knows what `beside` knows."""

    __slots__ = ("_original", "_originals")

    def __init__(self, original: Loader, beside: Echo | None = None) -> None:
        super().__init__(original._batch, max_batch_size=original._size)
        self._original = original
        self._originals: dict[Any, Loading[Any]] = {}
        if beside is not None:
            self._found, self._coming, self._originals = beside._found, beside._coming, beside._originals

    def again(self, loading: Loading[Any]) -> Loading[Any]:
        """The same loading as the original was asked for, at this moment."""
        key = loading.key
        if key not in self.asked and key not in self._coming:
            self._originals[key] = loading
        return self.load(key)

    async def _bring(self, keys: list[Any], batch: Batch) -> None:
        brought: dict[Any, Any] = {}
        awaited: list[Batch | Loading[Any]] = []
        for key in keys:
            loading = self._originals[key]
            known = self._original.so_far(loading)
            if isinstance(known, tuple):
                brought[key] = known[0]
            elif known is None:
                awaited.append(loading)
            elif known not in awaited:
                awaited.append(known)
        left = len(awaited)

        def came(values: Mapping[Any, Any]) -> None:  # in the turn in which a batch of the loader's own would be told of
            nonlocal left
            left -= 1
            brought.update({key: values[key] for key in keys if key in values})
            if not left:
                self._brought(keys, batch, brought)

        if not awaited:
            self._loop.call_soon(self._brought, keys, batch, brought)
        for one in awaited:
            if isinstance(one, Batch):
                one.listeners.append(came)
            else:
                one.note(self, came)

    def loaded(self, loading: Loading[Any], notes: list[Any]) -> None:
        """What is awaited by itself has come (`resolvers.loading.Listener`)."""
        known = self._original.so_far(loading)
        assert isinstance(known, tuple)
        for came in notes:
            came({loading.key: known[0]})
