"""Loaders over again: what was loaded already, given in the turns of the event loop in which a loader would give it that was asked now.

Whoever does a second time what was done already (graphql-core, after a plan that could not go on: gateway/execution/compiled/replay.py)
asks for keys in another order, and in other turns, than they were asked for at first. Which of them come together, and before or
after what else, follows from that order. So an echo keeps a loader's rules and stands in its place from then on: a batch of an echo is
there at the moment (`moments.py`) when all that it consists of had come, is on its way while the loader is still bringing some of it, and
asks only for what nobody has asked for. Knows nothing of operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolvers.loaders import Batch, Loader
from resolvers.loading import Loading
from resolvers.moments import Moments


class Echoes:
    """Of all loaders that are met while something is done a second time."""

    __slots__ = ("_moments", "_of")

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._of: dict[Loader, Echo] = {}

    def again(self, loading: Loading[Any]) -> Loading[Any]:
        """The same value, as its loader would bring it to somebody who asks now."""
        loader = loading.loader
        if loader in self._of.values():
            return loading
        echo = self._of.get(loader)
        if echo is None:
            echo = self._of[loader] = Echo(loader, self._moments)
        return echo.again(loading)

    @staticmethod
    def come(loading: Loading[Any], again: Loading[Any]) -> None:
        """Give what is waited for what has come again, though its loader may be waiting for more."""
        if not loading.there:
            try:
                loading.give(again.result())
            except BaseException as error:
                loading.give(error)


class Echo(Loader):
    """A loader that takes from another what that has brought, or is bringing."""

    __slots__ = ("_begun", "_moments", "_original", "_originals", "_whole")

    def __init__(self, original: Loader, moments: Moments) -> None:
        super().__init__(original._batch, max_batch_size=original._size)
        self._original = original
        self._moments = moments
        self._originals: dict[Any, Loading[Any]] = {}
        self._begun = 0
        self._whole: list[tuple[int, list[Any], Batch, dict[Any, Any]]] = []
        original.echo = self

    def again(self, loading: Loading[Any]) -> Loading[Any]:
        """The same loading as the original was asked for, at this moment."""
        key = loading.key
        if key not in self.asked and key not in self._coming:
            self._originals[key] = loading
        return self.load(key)

    async def _bring(self, keys: list[Any], batch: Batch) -> Mapping[Any, Any]:
        self._begun += 1
        whole = (self._begun, keys, batch, brought := dict[Any, Any]())
        came_at, missing, awaited = 0.0, [], dict[Batch, None]()
        for key in keys:
            known = self._known(key)
            if known is not None:
                moment, brought[key] = known
                came_at = max(came_at, moment)
            elif (coming := self._original.coming(key)) is not None:
                awaited[coming] = None
            else:
                missing.append(key)
        left = len(awaited) + 1

        def came(values: Mapping[Any, Any]) -> None:
            nonlocal left
            left -= 1
            brought.update({key: values[key] for key in keys if key in values})
            if not left:
                if not self._whole:
                    self._loop.call_soon(self._tell)
                self._whole.append(whole)

        for one in awaited:
            if one.brought is None:
                one.early.append(came)
            else:  # in this turn
                came(one.brought)
        asked: Mapping[Any, Any] = {}
        try:
            await self._moments.until(came_at)
            if missing:
                asked = await self._original.bring(missing)
        finally:
            came(asked)
        return brought

    def _tell(self) -> None:
        """What became whole in one turn of the loop comes in the order in which it was begun: for a loader it would all have taken as long."""
        whole, self._whole = sorted(self._whole, key=lambda one: one[0]), []
        for _, keys, batch, brought in whole:
            self._brought(keys, batch, brought)

    def _known(self, key: Any) -> tuple[float, Any] | None:
        """The moment when the original brought this, and what; an exception only for who was given that at first."""
        loading = self._originals.pop(key, None)
        failed = None
        for moment, brought in self._original.history:
            if key in brought:
                value = brought[key]
                if not isinstance(value, BaseException) or (loading is not None and loading.error is value):
                    return moment, value
                failed = moment, value
        if loading is None or self._original.coming(key) is not None:
            return None
        if loading.there:
            return 0.0, loading.error  # its batch was cancelled
        return failed  # there, and what was asked for together with it is awaited
