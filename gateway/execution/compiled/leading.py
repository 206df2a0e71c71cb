"""Coroutines of resolvers that were begun by a plan and are gone on with by graphql-core.

What a plan began ran ahead of graphql-core by some turns of the event loop. So when graphql-core comes to a resolver that was asked already, it first
passes what the coroutine has waited for, each thing in as many turns and at the moment (resolvers/moments.py) as it would have taken, and
from where the coroutine stands leads it itself, in its own turns, and cancels it there. The coroutine notices nothing: it keeps its context
variables and its current task, which time limits and task groups speak with.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

from gateway.eager import enter_task, leave_task
from resolvers.echoes import Echoes
from resolvers.loading import Waiting
from resolvers.moments import Moments


class Begun:
    """The rest of a coroutine after its first step, for its task to await; what it has waited for since, and when that had come. Once it is
    held, its task does nothing but wait until it is over, and whoever is its `leader` leads it.
    """

    __slots__ = ("cancelled", "context", "coroutine", "leader", "left_at", "loop", "over", "task", "waited_for")

    def __init__(self, coroutine: Any, waits_for: Any, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self.coroutine = coroutine
        self.context = context
        self.loop = loop
        self.waited_for = [waits_for]
        self.left_at: list[float] = []  # by the loop's clock; the coroutine stands at what it has not left
        self.task: asyncio.Task[None]
        self.over: Over | None = None  # when it is held
        self.leader: Leading | None = None
        self.cancelled = False

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, left_at, waited_for, time = self.coroutine, self.left_at, self.waited_for, self.loop.time
        waits_for = waited_for[0]
        try:
            while True:
                go, given = coroutine.send, None
                try:
                    yield waits_for
                except GeneratorExit:
                    if self.leader is None:
                        coroutine.close()
                    raise
                except BaseException as error:
                    go, given = coroutine.throw, error
                over = self.over
                if over is not None:
                    if isinstance(given, asyncio.CancelledError) and (waits_for is None or not waits_for.cancelled()):
                        over.cancel()  # it is meant for the coroutine
                    try:
                        yield from over
                    except asyncio.CancelledError as error:
                        if not over.cancelled():
                            return None
                        go, given = coroutine.throw, error
                    else:
                        return None
                left_at.append(time())
                waits_for = go(given)
                waited_for.append(waits_for)
        except StopIteration as stop:
            return stop.value

    def hold(self) -> bool:
        """Take no further step, but for a leader. False when there is none to take."""
        if self.task.done():
            return False
        self.over = Over(self)
        return True

    def let_go(self) -> asyncio.Task[None]:
        """Take further steps after all, and be cancelled like any other task."""
        self.over = self.leader = None
        return self.task

    def end(self) -> None:
        """The leader has led it to its end."""
        assert self.over is not None
        if not self.over.done():
            self.over.set_result(None)
        self.task.cancel()  # it may be waiting for what nobody needs any more


class Over(asyncio.Future[None]):
    """What the task of a coroutine waits for while that is held; being cancelled is for whoever leads."""

    def __init__(self, begun: Begun) -> None:
        super().__init__(loop=begun.loop)
        self._begun = begun

    def cancel(self, msg: Any = None) -> bool:
        begun = self._begun
        if self.done() or begun.over is not self:
            return super().cancel(msg)
        begun.cancelled = True
        if begun.leader is not None:
            begun.leader.wake(msg)
        return True


class Leading:
    """Leads a coroutine for whoever awaits this: one that was begun, from the beginning of what it waited for, or one that begins now. What
    loaders bring comes by their echoes.
    """

    __slots__ = ("_begun", "_coroutine", "_loads", "_moments", "_task")

    def __init__(self, coroutine: Any, loads: Echoes, moments: Moments, begun: Begun | None = None) -> None:
        self._coroutine = coroutine
        self._loads = loads
        self._moments = moments
        self._begun = begun
        self._task: Any = None  # of whoever awaits it

    def wake(self, msg: Any) -> None:
        """Wait no longer where the coroutine stands."""
        waits_for = None if self._task is None else self._task._fut_waiter
        if waits_for is not None:
            waits_for.cancel(msg)

    def __await__(self) -> Generator[Any, Any, Any]:
        begun = self._begun
        if begun is None:
            return (yield from self._led())
        if begun.over is None:  # it came to its end by itself
            yield from self._passed(begun)
            return None
        begun.leader = self
        try:
            yield from self._passed(begun)
        except BaseException:  # cancelled where the coroutine no longer stands
            begun.let_go().cancel()
            raise
        try:
            return (yield from self._led())
        finally:
            begun.end()

    def _passed(self, begun: Begun) -> Generator[Any, Any, None]:
        """All that it has left: what a loader brought comes by its echo, a turn is a turn, and everything else at its moment."""
        for waited_for, left_at in zip(begun.waited_for, begun.left_at, strict=False):
            if isinstance(waited_for, Waiting):
                with contextlib.suppress(Exception):  # the coroutine has seen what came of it
                    yield from self._loads.again(waited_for.loading).__await__()
            elif waited_for is None:
                yield
            else:
                yield from self._moments.until(left_at).__await__()

    def _led(self) -> Generator[Any, Any, Any]:
        coroutine, begun = self._coroutine, self._begun
        self._task = asyncio.current_task()
        try:
            waits_for = coroutine.send(None) if begun is None else begun.waited_for[-1]
            while True:
                go, given = coroutine.send, None
                if begun is None or not begun.cancelled:
                    try:
                        yield from self._waited(waits_for)
                    except GeneratorExit:
                        coroutine.close()
                        raise
                    except BaseException as error:
                        go, given = coroutine.throw, error
                if begun is None:
                    waits_for = go(given)
                    continue
                if begun.cancelled and given is None:
                    go, given = coroutine.throw, asyncio.CancelledError()
                begun.cancelled = False
                waits_for = self._step(begun, go, given)
        except StopIteration as stop:
            return stop.value

    def _waited(self, waits_for: Any) -> Generator[Any, Any, None]:
        if waits_for is None:
            yield
            return
        if isinstance(waits_for, Waiting):
            loading = waits_for.loading
            again = self._loads.again(loading)
            if again is not loading:
                with contextlib.suppress(Exception):  # the coroutine gets it from what it awaits
                    yield from again.__await__()
                self._loads.come(loading, again)
                return
        if waits_for.done():
            yield from self._moments.until_now().__await__()
        waits_for._asyncio_future_blocking = True  # by this asyncio knows what may be awaited
        yield waits_for

    def _step(self, begun: Begun, go: Callable[[Any], Any], given: Any) -> Any:
        loop, own = begun.loop, self._task
        leave_task(loop, own)
        enter_task(loop, begun.task)
        try:
            return begun.context.run(go, given)
        finally:
            leave_task(loop, begun.task)
            enter_task(loop, own)
