"""One run of a plan: resolvers called, those that wait waited for, the answer filled in as values come.

A resolver's coroutine is begun at once (gateway/eager.py): most that find their data loaded never wait, and cost no task. One that
waits becomes a task which, when it has its value, completes what hangs from it and writes it into the answer; a future does so by
itself. What a loader brings (resolvers/loading.py) is noted there with all fields that want it, and completed for them together; of a
field that says which loader brings it (schema/marks.py) no more is kept until then than where it stands.
Nothing else waits for it, and all that a loader can take together is asked within one turn of the event loop.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from graphql.execution.values import VariableValues
from graphql.pyutils import Path, gather_with_cancel
from graphql.type.definition import GraphQLResolveInfoHelpers

from gateway.eager import Starting, enter_task, leave_task
from gateway.execution.compiled.leading import Begun
from gateway.execution.compiled.values import Classes, is_awaitable
from resolvers.loaders import Loader
from resolvers.loading import Loading
from schema.marks import Loads

if TYPE_CHECKING:
    from gateway.execution.compiled.plan import Field, Plan

WAITS: Final = object()  # instead of a value: it will be filled in
NOTHING: Final = object()  # instead of a value: none has come
HOLE: Final = -1  # in a field's way: the index of an item
Place = tuple[dict[str, Any], "Call | None", tuple[int, ...]]


class Call(msgspec.Struct, eq=False):
    """A field of one object being resolved; what its resolver gets as `info` (graphql-core's GraphQLResolveInfo).

    `out` is the part of the answer that it goes into. `value`, `error`, and `begun`, `future` or `loading` are what has come of it so far,
    `later` whether the resolver answered with an awaitable, `came_at` when the future was done, by the loop's clock.
    """

    field: Field
    run: Run
    parent: Call | None
    indexes: tuple[int, ...]
    context: Any
    out: dict[str, Any]
    later: bool = False
    value: Any = NOTHING
    error: Exception | None = None
    begun: Begun | None = None
    future: asyncio.Future[Any] | None = None
    loading: Loading[Any] | None = None
    came_at: float = 0.0

    @property
    def path(self) -> Path:
        path = None if self.parent is None else self.parent.path
        indexes = iter(self.indexes)
        for key, type_name in self.field.way:
            path = Path(path, next(indexes) if key == HOLE else key, type_name)
        assert path is not None
        return path

    @property
    def field_name(self) -> str:
        return self.field.name

    @property
    def field_nodes(self) -> list[Any]:
        return self.field.nodes

    @property
    def return_type(self) -> Any:
        return self.field.definition.type

    @property
    def parent_type(self) -> Any:
        return self.field.parent_type

    @property
    def schema(self) -> Any:
        return self.run.plan.schema

    @property
    def fragments(self) -> Any:
        return self.run.plan.fragment_definitions

    @property
    def root_value(self) -> Any:
        return self.run.root

    @property
    def operation(self) -> Any:
        return self.run.plan.operation

    @property
    def variable_values(self) -> VariableValues:
        return self.run.variables

    @property
    def is_awaitable(self) -> Callable[[Any], bool]:
        return is_awaitable

    @property
    def abort_signal(self) -> None:
        return None

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        return GraphQLResolveInfoHelpers(gather=lambda values: gather_with_cancel(*values), track=self.run.track)


class Awaited(ABC):
    """What one field loads, for all the objects that it is a field of, where its resolver says from where (`schema.marks.Loads`): told
    of each value once. Its notes say where the value belongs.
    """

    __slots__ = ("_run", "field", "loader", "noted")

    def __init__(self, run: Run, field: Field, loader: Loader) -> None:
        self._run = run
        self.field = field
        self.loader = loader
        self.noted: list[tuple[Loading[Any], list[Any]]] = []

    def ask(self, key: Any, note: Any) -> None:
        """The first time of each key, and of each batch."""
        if key is None:
            self._put(None, [note], None)
            return
        loading = self.loader.load(key)
        notes = [note]
        loading.listeners[self] = notes
        self.noted.append((loading, notes))
        self._run.pending += 1

    def loaded(self, loading: Loading[Any], notes: list[Any]) -> None:
        """It has come (`resolvers.loading.Listener`), in a callback of the loop."""
        run = self._run
        run.began_by_loop()
        try:
            value = loading.result()
            if not run.irregular:
                self._put(value, notes, loading)
        except Exception:
            run.irregular = True
        except asyncio.CancelledError:
            run.irregular = True
        run.ended()

    @abstractmethod
    def calls(self) -> Iterator[Call]:
        """All that was asked for, as resolvers are that were called."""

    @abstractmethod
    def _put(self, value: Any, notes: list[Any], loading: Loading[Any] | None) -> None:
        """Into the answer."""

    def _call(self, place: Place, loading: Loading[Any] | None) -> Call:
        out, parent, indexes = place
        return Call(self.field, self._run, parent, indexes, self._run.context, out, later=True, loading=loading)


class AwaitedOneByOne(Awaited):
    """Of objects here and there: each note is a place, an object's part of the answer with the call above it and the indexes since then."""

    __slots__ = ()

    def calls(self) -> Iterator[Call]:
        return (self._call(place, loading) for loading, places in self.noted for place in places)

    def _put(self, value: Any, notes: list[Place], loading: Loading[Any] | None) -> None:
        field, run = self.field, self._run
        key, complete = field.key, field.complete
        if value is None or field.plain:
            made = complete(value, None, run)
            for place in notes:
                place[0][key] = made
        else:
            for place in notes:
                place[0][key] = complete(value, self._call(place, loading), run)


class AwaitedInLists(Awaited):
    """Of the objects of lists, where the value alone decides what goes into the answer: each note is an object's part of that, which has its
    place in a list whose place is known.
    """

    __slots__ = ("_lists", "_read")

    def __init__(self, run: Run, field: Field, loader: Loader, read: Callable[[Any], Any]) -> None:
        super().__init__(run, field, loader)
        self._read = read
        self._lists: list[tuple[list[Any], Call | None, tuple[int, ...]]] = []

    def ask_all(self, items: Collection[Any], made: list[Any], parent: Call | None, indexes: tuple[int, ...]) -> None:
        """Of each item what is loaded, for what was made of it."""
        self._lists.append((made, parent, indexes))
        asked, read = self.loader.asked, self._read
        for item, out in zip(items, made, strict=True):
            if out is not None:
                key = read(item)
                try:
                    asked[key].listeners[self].append(out)
                except KeyError:
                    self.ask(key, out)

    def calls(self) -> Iterator[Call]:
        places = {
            id(out): (out, parent, (*indexes, index))
            for made, parent, indexes in self._lists
            for index, out in enumerate(made)
            if out is not None
        }
        return (self._call(places[id(out)], loading) for loading, outs in self.noted for out in outs)

    def _put(self, value: Any, notes: list[dict[str, Any]], loading: Loading[Any] | None) -> None:
        key = self.field.key
        made = self.field.complete(value, None, self._run)
        for out in notes:
            out[key] = made


class Run:
    """One operation, or one event of a subscription, going through its plan."""

    __slots__ = (
        "_arguments", "_background", "_current", "_done", "_loop", "_starting", "awaited", "began_at", "calls", "classes", "context",
        "irregular", "pending", "plan", "root", "tasks", "variables",
    )  # fmt: skip

    def __init__(self, plan: Plan, classes: Classes, root: Any, context: Any, variables: VariableValues) -> None:
        self.plan = plan
        self.classes = classes
        self.root = root
        self.context = context
        self.variables = variables
        self.calls: list[Call] = []
        self.awaited: dict[int, Awaited] = {}  # by the number of the field
        self.tasks: list[asyncio.Future[Any]] = []
        self.pending = 0
        self.irregular = False
        self._done: asyncio.Future[None] | None = None
        self._arguments: dict[int, dict[str, Any]] = {}
        self._background: set[asyncio.Future[Any]] = set()
        self._loop = loop = asyncio.get_running_loop()
        self.began_at = loop.time()
        current = asyncio.current_task(loop)
        assert current is not None
        self._current: asyncio.Task[Any] | None = current  # None in a callback of the loop
        self._starting = Starting()

    async def through(self, source: Any) -> dict[str, Any] | None:
        """The data; None when something was irregular, and resolvers that wait may still be at work."""
        data: dict[str, Any] = {}
        main = self._current
        try:
            for part in self.plan.roots:  # one for a query; a mutation's fields one after the other (GraphQL §6.2.2)
                self._current = main
                answered = part(source, self, None, ())
                if self.pending:
                    self._done = self._loop.create_future()
                    await self._done
                if self.irregular:
                    return None
                data.update(answered)
        except Exception:
            self.irregular = True
            return None
        except BaseException:
            await self.end(self.tasks)
            raise
        return data

    def arguments(self, field: Field) -> dict[str, Any]:
        """What the field's resolver is called with. Raises what graphql-core would put under the field."""
        known = self._arguments.get(field.number)
        if known is None:
            known = field.arguments(self.variables)
            if not field.shares(known):
                return known
            self._arguments[field.number] = known
        return known

    def load(self, field: Field, key: Any, place: Place) -> None:
        """What the field's resolver says it loads. (Where its key is being asked for already the source does so itself.)"""
        awaited = self.awaited.get(field.number)
        if awaited is None:
            awaited = self.awaited[field.number] = AwaitedOneByOne(self, field, _says(field).loader(self.context))
        awaited.ask(key, place)

    def listed(
        self, items: Collection[Any], made: list[Any], parent: Call | None, indexes: tuple[int, ...], fields: Sequence[Field]
    ) -> list[Any]:
        """What was made of the items of a list, into which these fields, of each item, are still to be loaded."""
        for field in fields:
            awaited = self.awaited.get(field.number)
            if awaited is None:
                says = _says(field)
                awaited = self.awaited[field.number] = AwaitedInLists(self, field, says.loader(self.context), says.read)
            assert isinstance(awaited, AwaitedInLists)
            awaited.ask_all(items, made, parent, indexes)
        return made

    def begin(self, awaitable: Any, call: Call) -> Any:
        """The value if it is there without waiting, else WAITS, and what the field makes of it goes into the answer when it is there."""
        call.later = True
        if type(awaitable) is not CoroutineType:
            if isinstance(awaitable, Loading):
                return self._loaded_later(awaitable, call)
            if isinstance(awaitable, asyncio.Future):
                return self._later(awaitable, call)
            awaitable = _awaited(awaitable)
        loop, current, stand_in = self._loop, self._current, self._starting
        context = copy_context()
        if current is not None:
            leave_task(loop, current)
        enter_task(loop, stand_in)
        try:
            waits_for = context.run(awaitable.send, None)
        except StopIteration as stop:
            call.value = stop.value
            return stop.value
        except Exception as error:
            call.error = error
            raise
        finally:
            leave_task(loop, stand_in)
            if current is not None:
                enter_task(loop, current)
        self.pending += 1
        call.begun = begun = Begun(awaitable, waits_for, context, loop)
        begun.task = task = asyncio.Task(self._follow(begun, call), loop=loop, context=context)
        stand_in.become(task)
        self._starting = Starting()
        self.tasks.append(task)
        return WAITS

    def _later(self, future: asyncio.Future[Any], call: Call) -> Any:
        """As `begin`: a future costs no task."""
        if future.done() and not future.cancelled():
            try:
                call.value = value = future.result()
            except Exception as error:
                call.error = error
                raise
            return value
        self.pending += 1
        call.future = future
        self.tasks.append(future)
        future.add_done_callback(partial(self._came, call))
        return WAITS

    def _loaded_later(self, loading: Loading[Any], call: Call) -> Any:
        """As `begin`: what a loader brings is noted with it, and all that wait for the same are told together. (Where it is still to come
        the source does so itself.)
        """
        call.loading = loading
        if loading.there:
            try:
                call.value = value = loading.result()
            except Exception as error:
                call.error = error
                raise
            return value
        self.pending += 1
        loading.note(self, call)
        return WAITS

    def loaded(self, loading: Loading[Any], notes: list[Call]) -> None:
        """What was noted there has come (`resolvers.loading.Listener`), in a callback of the loop."""
        self._current = None
        try:
            value = loading.result()
        except Exception as error:
            self.irregular = True
            for call in notes:
                call.error = error
        except asyncio.CancelledError:
            self.irregular = True
        else:
            self._complete(value, notes)
        self.pending -= len(notes)
        self._told()

    def began_by_loop(self) -> None:
        """What follows is done in a callback of the loop, and in no task."""
        self._current = None

    def _complete(self, value: Any, notes: list[Call]) -> None:
        same, made = None, None
        for call in notes:
            call.value = value
            if self.irregular:
                continue
            field = call.field
            try:
                # where nothing but the record decides, the same field of another object says the same of it
                if field is not same:
                    made = field.complete(value, call, self)
                    same = field if field.plain else None
                call.out[field.key] = made
            except Exception:
                self.irregular = True

    def _came(self, call: Call, future: asyncio.Future[Any]) -> None:
        call.came_at = self._loop.time()
        try:
            call.value = value = future.result()
            if not self.irregular:
                self._current = None
                self._put(value, call)
        except Exception as error:
            if call.value is NOTHING:
                call.error = error
            self.irregular = True
        except asyncio.CancelledError:
            self.irregular = True
        finally:
            self.ended()

    async def _follow(self, begun: Begun, call: Call) -> None:
        try:
            call.value = value = await begun
            if not self.irregular:
                self._current = begun.task
                self._put(value, call)
        except Exception as error:
            if call.value is NOTHING:
                call.error = error
            self.irregular = True
        except BaseException:
            self.irregular = True
            raise
        finally:
            self.ended()

    def _put(self, value: Any, call: Call) -> None:
        field = call.field
        call.out[field.key] = field.complete(value, call, self)

    def ended(self) -> None:
        """Something that was waited for has come."""
        self.pending -= 1
        self._told()

    def _told(self) -> None:
        if (not self.pending or self.irregular) and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def track(self, values: Any) -> None:
        """`info.async_helpers.track`: what is given up is still run to its end."""
        awaitables = [value for value in values if is_awaitable(value)]
        if awaitables:
            future = asyncio.gather(*awaitables, return_exceptions=True)
            self._background.add(future)
            future.add_done_callback(self._background.discard)

    def close(self) -> None:
        """Let go of the calls, which know the run: no cycle is left, and what the answer was made of is freed at once."""
        self.calls.clear()
        self.awaited.clear()
        self.tasks.clear()
        self._arguments.clear()

    @staticmethod
    async def end(tasks: Sequence[asyncio.Future[Any]]) -> None:
        """Cancel what is still at work, and see it end."""
        at_work = [task for task in tasks if not task.done()]
        for task in at_work:
            task.cancel()
        if at_work:
            await asyncio.gather(*at_work, return_exceptions=True)


def _says(field: Field) -> Loads:
    resolver = field.definition.resolve
    assert isinstance(resolver, Loads)
    return resolver


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
