"""Pages: signed cursors, keyset queries and what every connection is made of.

A cursor is the global (sort key, id) of an edge, signed and bound to the viewer, the list and its arguments, so that it
cannot be forged, handed to somebody else or used on another list. A page is read with one row more than asked, forwards or
backwards; offsets do not exist. Knows nothing of what the rows mean.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import BindParameter, ColumnElement, Connection, Select

from resolvers.operation import Operation
from resolvers.refusals import ItemUnreadable, Refusal
from resolvers.sources import Answered, SourceReport

R = TypeVar("R")

MAX_PAGE: Final = 200
#: How many rows a statement gives that is made once for pages of all sizes: one more than the page has.
MOST: Final[BindParameter[int]] = sa.bindparam("most", type_=sa.Integer)
_TAG: Final = 16  # bytes of HMAC-SHA-256 kept: 128 bits, RFC 2104 §5

Position = tuple[Any, ...]


class Scope:
    """The name of a list with the arguments that decide what is in it. Written out only where a cursor is."""

    __slots__ = ("_arguments", "_name", "_written")

    def __init__(self, name: str, arguments: tuple[object, ...]) -> None:
        self._name = name
        self._arguments = arguments
        self._written: str | None = None

    def __str__(self) -> str:
        if self._written is None:
            arguments = msgspec.json.encode(self._arguments, enc_hook=str, order="sorted")
            self._written = f"{self._name}/{hashlib.blake2b(arguments, digest_size=12).hexdigest()}"
        return self._written


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The contract's PageInfo."""

    has_next_page: bool = False
    has_previous_page: bool = False
    start_cursor: str | None = None
    end_cursor: str | None = None


class Edge(msgspec.Struct, frozen=True):
    """An item with its place. A `node` that is an exception becomes null with that error."""

    cursor: str
    node: Any


class Placed:
    """An `Edge` of a row, whose cursor is signed when it is asked for: a page has hundreds, and most clients want the last one."""

    __slots__ = ("_mark", "_row", "node")

    def __init__(self, row: Any, node: Any, mark: Callable[[Any], str]) -> None:
        self.node = node
        self._row = row
        self._mark = mark

    @property
    def cursor(self) -> str:
        return self._mark(self._row)


class Ends:
    """A `PageInfo` whose cursors are those of the first and the last edge, signed when they are asked for."""

    __slots__ = ("_edges", "has_next_page", "has_previous_page")

    def __init__(self, edges: Sequence[Placed], *, has_next_page: bool, has_previous_page: bool) -> None:
        self._edges = edges
        self.has_next_page = has_next_page
        self.has_previous_page = has_previous_page

    @property
    def start_cursor(self) -> str | None:
        return self._edges[0].cursor if self._edges else None

    @property
    def end_cursor(self) -> str | None:
        return self._edges[-1].cursor if self._edges else None


async def uncounted() -> int | None:
    """The count of a list whose length nobody can tell."""
    return None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a connection. `count` is only called when the client asks for totalCount."""

    edges: Sequence[Any]
    page_info: PageInfo | Ends = PageInfo()
    count: Callable[[], Awaitable[int | None]] = uncounted
    complete: bool = True
    sources: tuple[SourceReport, ...] = ()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants of a list: `first` after `after`, or `last` before `before`."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def size(self) -> int:
        """The size of the page, checked. Raises Refusal."""
        size = self.last if self.last is not None else self.first
        if size is None:
            raise Refusal("PAGE_SIZE", "say how many items you want with first or last")
        if not 0 <= size <= MAX_PAGE:
            raise Refusal("PAGE_SIZE", f"a page holds 0 to {MAX_PAGE} items, not {size}; ask for fewer and page on")
        return size


class Order(msgspec.Struct, frozen=True):
    """A documented order: key columns, the unique id last, all in one direction."""

    columns: tuple[ColumnElement[Any], ...]
    descending: bool = False


class Cut(msgspec.Struct, frozen=True):
    """Rows of one page in the list's own order, and what lies around them."""

    rows: list[Any]
    has_next: bool
    has_previous: bool


def cursor(operation: Operation, scope: str | Scope, position: Position) -> str:
    """The cursor of a position in the list named `scope`."""
    payload = msgspec.msgpack.encode(position)
    return base64.urlsafe_b64encode(_tag(operation, scope, payload) + payload).decode().rstrip("=")


def position(operation: Operation, scope: str | Scope, text: str, shape: type[R]) -> R:
    """The position that a cursor stands for. Raises Refusal when it is forged, another viewer's or another list's."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if not hmac.compare_digest(raw[:_TAG], _tag(operation, scope, raw[_TAG:])):
            raise ValueError
        return msgspec.msgpack.decode(raw[_TAG:], type=shape)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise Refusal(
            "INVALID_CURSOR", "this cursor does not belong to this list with these arguments; start again without it"
        ) from None


def bound(name: str, *arguments: object) -> Scope:
    """The scope of a list: its name and a digest of the arguments that decide what is in it."""
    return Scope(name, arguments)


def cut(
    conn: Connection,
    query: Select[Any],
    order: Order,
    size: int,
    *,
    after: Position | None = None,
    before: Position | None = None,
    back: bool = False,
) -> Cut:
    """One page of `query`: the first `size` rows after `after`, or with `back` the last ones before `before`."""
    if before is not None:
        query = query.where(beyond(order, before, forwards=False))
    rows = conn.execute(following(query, order, size + 1, after=after, back=back)).all()
    return page_of(rows, size, after=after, before=before, back=back)


def following(
    query: Select[Any], order: Order, most: int | BindParameter[int], *, after: Position | None = None, back: bool = False
) -> Select[Any]:
    """The first rows of `query` in order."""
    if after is not None:
        query = query.where(beyond(order, after, forwards=True))
    descending = order.descending != back
    return query.order_by(*(c.desc() if descending else c.asc() for c in order.columns)).limit(most)


def page_of(
    rows: Sequence[Any], size: int, *, after: Position | None = None, before: Position | None = None, back: bool = False
) -> Cut:
    """The page that `following` has found."""
    more = len(rows) > size
    kept = list(rows[:size])
    if back:
        kept.reverse()
        return Cut(kept, has_next=before is not None, has_previous=more)
    return Cut(kept, has_next=more, has_previous=after is not None)


def tops(
    conn: Connection, query: Select[Any], group: ColumnElement[str], order: Order, size: int, *, back: bool = False
) -> dict[str, Cut]:
    """The first page (or with `back` the last one) of many lists in one statement: `group` says whose list a row is in."""
    found = ranked(query, group, order, size + 1, back=back).subquery()
    return grouped(conn.execute(sa.select(found).order_by(found.c.group_key, found.c.place)).all(), size, back=back)


def ranked(
    query: Select[Any], group: ColumnElement[str], order: Order, most: int | BindParameter[int], *, back: bool = False
) -> Select[Any]:
    """The first rows of each list in `query`, with `group_key` and `place` added."""
    descending = order.descending != back
    place = sa.func.row_number().over(partition_by=group, order_by=[c.desc() if descending else c.asc() for c in order.columns])
    numbered = query.add_columns(group.label("group_key"), place.label("place")).subquery()
    return sa.select(numbered).where(numbered.c.place <= most)


def grouped(rows: Sequence[Any], size: int, *, back: bool = False) -> dict[str, Cut]:
    """The page of each list from its rows in order, which have a `group_key`, and one more than asked for where there are more."""
    lists: dict[str, list[Any]] = {}
    for row in rows:
        lists.setdefault(row.group_key, []).append(row)
    found = {}
    for key, mine in lists.items():
        more, kept = len(mine) > size, mine[:size]
        if back:
            kept.reverse()
        found[key] = Cut(kept, has_next=more and not back, has_previous=more and back)
    return found


def merged(rows: Sequence[Any], size: int, *, key: Callable[[Any], Position]) -> dict[str, Cut]:
    """The first page of each list, descending by `key`, from rows that come in any order and perhaps more than once."""
    lists: dict[str, dict[Position, Any]] = {}
    for row in rows:
        lists.setdefault(row.group_key, {})[key(row)] = row
    found = {}
    for name, mine in lists.items():
        places = sorted(mine, reverse=True)
        found[name] = Cut([mine[place] for place in places[:size]], has_next=len(places) > size, has_previous=False)
    return found


EMPTY: Final = Cut([], has_next=False, has_previous=False)


def beyond(order: Order, at: Position, *, forwards: bool, inclusive: bool = False) -> ColumnElement[bool]:
    """The condition for rows that follow (or precede) a position: one row-value comparison, which an index can serve."""
    if len(at) != len(order.columns):
        raise Refusal("INVALID_CURSOR", "this cursor does not belong to this list with these arguments; start again without it")
    left = sa.tuple_(*order.columns)
    right = sa.tuple_(*(_given(value, column) for value, column in zip(at, order.columns, strict=True)))
    ascending = order.descending != forwards
    if inclusive:
        return left >= right if ascending else left <= right
    return left > right if ascending else left < right


def _given(value: Any, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(value, sa.BindParameter):  # to come
        return sa.bindparam(value.key, type_=column.type)
    return sa.literal(value, column.type)


def listing(
    operation: Operation,
    scope: str | Scope,
    page: Cut,
    *,
    key: Callable[[Any], Position],
    node: Callable[[Any], Any],
    count: Callable[[], Awaitable[int | None]] = uncounted,
    answered: Answered | None = None,
) -> Listing:
    """The connection of a page. A row that cannot be turned into a node keeps its place, as an error."""

    def mark(row: Any) -> str:
        return cursor(operation, scope, key(row))

    edges = [Placed(row, readable(row, node), mark) for row in page.rows]
    return Listing(
        edges=edges,
        page_info=Ends(edges, has_next_page=page.has_next, has_previous_page=page.has_previous),
        count=count,
        complete=answered is None or answered.complete,
        sources=answered.reports if answered else (),
    )


async def rows(
    operation: Operation,
    scope: str | Scope,
    ask: Ask,
    order: Order,
    shape: type[Any],
    query: Callable[[str], Select[Any]],
    node: Callable[[Any], Any],
) -> Listing:
    """A page of the rows of `query(viewer)`, forwards, each made a node; `shape` is what a cursor of this order holds."""
    after: Position | None = None if ask.after is None else position(operation, scope, ask.after, shape)

    def read(conn: Connection, viewer: str) -> Cut:
        return cut(conn, query(viewer), order, ask.size, after=after)

    return listing(
        operation,
        scope,
        await operation.read(read),
        key=lambda row: tuple(getattr(row, column.key or "") for column in order.columns),
        node=node,
        count=lambda: counted(operation, query),
    )


async def counted(operation: Operation, query: Callable[[str], Select[Any]]) -> int:
    """How many rows `query(viewer)` has in all."""

    def read(conn: Connection, viewer: str) -> int:
        return int(conn.execute(sa.select(sa.func.count()).select_from(query(viewer).order_by(None).subquery())).scalar_one())

    return await operation.read(read)


def readable(row: Any, node: Callable[[Any], Any]) -> Any:
    """`node(row)`, or ItemUnreadable in its place when what is stored is damaged."""
    try:
        return node(row)
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError):
        return ItemUnreadable(str(getattr(row, "id", "")))


def _tag(operation: Operation, scope: str | Scope, payload: bytes) -> bytes:
    bound_to = f"{operation.viewer}\x00{scope}\x00".encode()
    return hmac.digest(operation.cursor_key, bound_to + payload, "sha256")[:_TAG]
