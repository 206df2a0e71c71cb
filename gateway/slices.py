"""A slice of a sync: at most a hundred rows with their checkpoint, one transaction; and how it travels to another process.

`take` is all that is done with a slice, wherever it is done; `joined` makes one of several. `packed` and `unpacked` are its form
between processes, MessagePack with each record under the name of its kind, and of a mail what is not `Prepared` already. Knows no
process and no adapter.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from providers import records
from resolvers.ingest import Prepared, Result, Target, remainder, take_in
from store import accounts, leases
from store.feed import Recorder

LONG: Final = 1_000  # rows of a run after which it counts as long
RESOLVED: Final = timedelta(
    seconds=5
)  # until whom a long run brought are looked at: who is who is asked for all of them together


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Rows for an account. `done` are the run's rows up to these; `cursor` is stored with them where they end a page."""

    target: Target
    rows: tuple[records.Row, ...]
    now: datetime
    done: int
    total: int | None = None
    cursor: bytes | None = None
    ready: tuple[Prepared | None, ...] = ()  # what is prepared of the rows, one each, where anything is


class _Carried(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A row on its way: what kind of record, and the record."""

    kind: str
    item: msgspec.Raw
    place: records.Place | None = None
    ready: Prepared | None = None


class _Bundle(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    target: Target
    rows: list[_Carried]
    now: datetime
    done: int
    total: int | None
    cursor: bytes | None


_KINDS: Final[tuple[type[Any], ...]] = typing.get_args(typing.get_type_hints(records.Row)["item"])
_DECODERS: Final = {kind.__name__: msgspec.msgpack.Decoder(kind) for kind in _KINDS}
_encode: Final = msgspec.msgpack.Encoder().encode
_bundle: Final = msgspec.msgpack.Decoder(_Bundle)


def take(conn: Connection, viewer: str, part: Slice) -> list[Result]:
    """Write a slice and its checkpoint; one result a row, in order."""
    recorder = Recorder(part.now, account_id=part.target.account_id)
    results = take_in(conn, viewer, part.target, part.rows, recorder, part.now, ready=part.ready)
    values: dict[str, Any] = {"done": part.done, "progress_at": part.now}
    if part.total is not None:
        values["total"] = part.total
    if part.cursor is not None:
        values["cursor"] = part.cursor
    accounts.change(conn, viewer, part.target.account_id, None, **values)
    if changed(results):
        due = part.now if part.done <= LONG else part.now + RESOLVED
        leases.enqueue(conn, viewer, "identity", viewer, part.now, due=due)
    recorder.flush(conn, viewer)
    return results


def alike(one: Slice, other: Slice) -> bool:
    """Whether these two may be taken as one: mail alone, of the same run. Rows of other kinds have their turns within a slice, and
    in one with what came after them what goes would go after what comes back."""
    return one.target == other.target and _is_mail(one) and _is_mail(other)


def joined(parts: Sequence[Slice]) -> Slice:
    """Slices that are all `alike`, as one: what many mails have in common, their threads and people, is looked up and written once."""
    if len(parts) == 1:
        return parts[0]
    last = parts[-1]
    cursors = [part.cursor for part in parts if part.cursor is not None]
    totals = [part.total for part in parts if part.total is not None]
    ready = tuple(one for part in parts for one in (part.ready or (None,) * len(part.rows)))
    return Slice(
        target=last.target, rows=tuple(row for part in parts for row in part.rows), now=last.now, done=last.done,
        total=totals[-1] if totals else None, cursor=cursors[-1] if cursors else None, ready=ready,
    )  # fmt: skip


def _is_mail(part: Slice) -> bool:
    return all(isinstance(row.item, records.Message) for row in part.rows)


def changed(results: list[Result]) -> bool:
    """Whether anything is different from before."""
    return any(result.outcome in ("CREATED", "UPDATED") for result in results)


def packed(part: Slice) -> bytes:
    """A slice as bytes.

    Raises UnicodeEncodeError for text that no UTF-8 can hold (a lone surrogate), OverflowError for a number beyond 64 bits.
    """
    rows = [
        _Carried(
            kind=type(row.item).__name__, place=row.place, ready=ready,
            item=msgspec.Raw(_encode(row.item if ready is None or not isinstance(row.item, records.Message) else remainder(row.item))),
        )
        for row, ready in zip(part.rows, part.ready or [None] * len(part.rows), strict=True)
    ]  # fmt: skip
    return _encode(_Bundle(target=part.target, rows=rows, now=part.now, done=part.done, total=part.total, cursor=part.cursor))


def unpacked(data: bytes) -> Slice:
    """The slice in `data`. Raises msgspec.DecodeError."""
    found = _bundle.decode(data)
    rows = tuple(records.Row(item=_DECODERS[row.kind].decode(row.item), place=row.place) for row in found.rows)
    ready = tuple(row.ready for row in found.rows)
    return Slice(
        target=found.target, rows=rows, now=found.now, done=found.done, total=found.total, cursor=found.cursor, ready=ready
    )
