"""The circles that a rule of a stream names: those that it may, and what has become of those that it does."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from resolvers.circles import answers
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.streams.rules import MAX_RULE
from resolvers.streams.tokens import Circles
from store import stream_circles
from store.tables import circle

GONE: Final = "There is no such circle any more, so that nobody is of it: name another one in the rule."
DRAWN: Final = "Circles are being drawn anew since an account was unlinked; until then those count who were of it."
NONE: Final = Circles(names={}, bound={})


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A circle that a rule names: as it is written there, the circle that it stands for, and what is wrong with it."""

    written: str
    circle_id: str
    circle: Any
    problem: str | None


async def nameable(operation: Operation, text: str, bound: Mapping[str, str]) -> Circles:
    """The circles that a rule may name, which are read only where it does; of those that it is bound to the ones that are there."""
    if "in-circle" not in unicodedata.normalize("NFKC", text[:MAX_RULE]).lower():
        return NONE
    return await operation.read(_nameable, bound)


def _nameable(conn: Connection, viewer: str, bound: Mapping[str, str]) -> Circles:
    if not stream_circles.there(conn, viewer):
        drawn = conn.execute(select(circle.c.id).where(circle.c.viewer_id == viewer).limit(1)).first() is None
        return Circles(names={}, bound={}, drawn=drawn)
    rows = conn.execute(select(circle.c.id, circle.c.name).where(circle.c.viewer_id == viewer))
    names = {row.id: row.name for row in rows}
    return Circles(names=names, bound={name: circle_id for name, circle_id in bound.items() if circle_id in names})


async def of_stream(operation: Operation, named: Mapping[str, str]) -> list[Named]:
    """The circles that a saved rule names, in its order."""
    return [
        Named(written=written, circle_id=circle_id, circle=found, problem=problem)
        for written, circle_id in named.items()
        for found, problem in [await load(operation, _states, circle_id) or (None, GONE)]
    ]


def _states(conn: Connection, viewer: str, circle_ids: Sequence[str]) -> dict[str, tuple[Any, str | None]]:
    found: dict[str, tuple[Any, str | None]] = {key: (one, None) for key, one in answers.by_id(conn, viewer, circle_ids).items()}
    if len(found) < len(circle_ids) and not stream_circles.there(conn, viewer):
        kept = select(circle.c.id).where(circle.c.viewer_id == viewer, circle.c.id.in_(circle_ids))
        found |= dict.fromkeys(conn.execute(kept).scalars(), (None, DRAWN))
    return found
