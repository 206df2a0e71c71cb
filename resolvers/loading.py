"""A value that a loader will bring: one for each key of a batch, however many ask for it.

Whoever waits for it in a coroutine awaits it, and by being cancelled takes it from nobody else. Who has a whole list to go on with
(a running operation has) leaves that list with it, and is told once for all, in the turn of the event loop in which the value comes: a
future of their own for each, and a callback for each of these, would cost more than most values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Generic, Protocol, TypeVar

V_co = TypeVar("V_co", covariant=True)


class Waiting(asyncio.Future[None]):
    """What a coroutine waits for that awaits a value of a loader, and of which."""

    __slots__ = ("loading",)

    loading: Loading[Any]


class Listener(Protocol):
    """Who is told. Compared by identity."""

    def loaded(self, loading: Loading[Any], notes: list[Any]) -> None:
        """It is there; `notes` are what the listener left with it, in their order. Raises nothing."""
        ...


class Loading(Generic[V_co]):
    """Belongs to the loop it was made in."""

    __slots__ = ("_error", "_futures", "_value", "key", "listeners", "loader", "there")

    def __init__(self, loader: Any, key: Any) -> None:
        self.loader = loader
        self.key = key
        self.there = False
        self._error: BaseException | None = None
        self._futures: list[Waiting] = []
        self.listeners: dict[Listener, list[Any]] = {}  # with their notes, until they are told

    def note(self, listener: Listener, note: Any) -> None:
        """Tell this listener, and give it this note back, when the value is there, which it is not yet."""
        notes = self.listeners.get(listener)
        if notes is None:
            self.listeners[listener] = [note]
        else:
            notes.append(note)

    @property
    def error(self) -> BaseException | None:
        """What the loader brought instead of a value."""
        return self._error

    def result(self) -> V_co:
        """The value that is there. Raises what the loader brought instead; CancelledError when it brought nothing."""
        if self._error is not None:
            raise self._error
        value: V_co = self._value
        return value

    def give(self, value: Any) -> None:
        """The loader brings it; what is an exception will be raised."""
        if isinstance(value, BaseException):
            self._error = value
        else:
            self._value = value
        self.there = True
        for future in self._futures:
            if not future.done():  # else cancelled
                future.set_result(None)
        self._futures.clear()
        listeners, self.listeners = self.listeners, {}
        for listener, notes in listeners.items():
            listener.loaded(self, notes)

    def __await__(self) -> Generator[Any, None, V_co]:
        if not self.there:
            future = Waiting()
            future.loading = self
            self._futures.append(future)
            yield from future
        return self.result()
