"""Standing and acquaintances as they are shown: of the picture that was drawn last, everybody on a page in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import messages, nodes, paging
from resolvers.influence.meeting import Sight
from resolvers.influence.weighing import Part, Standing, sentence
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order
from store.tables import acquaintance, person, standing, standing_run

_S, _R, _K = standing.c, standing_run.c, acquaintance.c
ORDER: Final = Order((_K.strength, _K.other_id), descending=True)
MAX_EVIDENCE: Final = 10
_standing: Final = msgspec.msgpack.Decoder(Standing).decode
_sights: Final = msgspec.msgpack.Decoder(tuple[Sight, ...]).decode


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody speaks about, and the nodes where."""

    name: str
    score: int
    node_ids: tuple[str, ...]


class Influence(msgspec.Struct, frozen=True, kw_only=True):
    """How much somebody is heard."""

    score: int
    percentile: float
    parts: tuple[Part, ...]
    topics: tuple[Topic, ...]
    sentence: str
    computed_at: datetime


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to think that two people know each other; `weight` is its share in the strength."""

    strength: str = "HINT"
    weight: float
    sentence: str
    count: int
    contact_ids: tuple[str, ...] = ()
    node_id: str
    observed_at: datetime


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An edge of a list of acquaintances."""

    cursor: str
    person_id: str
    strength: float
    evidence: tuple[Seen, ...]


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, Any]:
    """The influence of each person who was weighed."""
    query = (
        select(_S.person_id, _S.parts, _R.computed_at)
        .join(standing_run, sa.and_(_R.viewer_id == _S.viewer_id, _R.run == _S.run))
        .where(_S.viewer_id == viewer, _S.person_id.in_(person_ids))
    )
    return {row.person_id: paging.readable(row, _influence) for row in conn.execute(query)}


def _influence(row: Any) -> Influence:
    found = _standing(row.parts)
    return Influence(
        score=found.score,
        percentile=found.percentile,
        parts=found.parts,
        topics=tuple(Topic(name=topic.name, score=topic.score, node_ids=topic.evidence) for topic in found.topics),
        sentence=sentence(found),
        computed_at=row.computed_at,
    )


async def of_person(operation: Operation, person_id: str) -> Influence | None:
    """Somebody's influence; None until they were weighed, which is some minutes after they came."""
    return await load(operation, of_people, person_id)


async def messages_of(operation: Operation, part: Part, first: int) -> list[messages.Message]:
    """The messages that a part was read from, latest first, without those that are gone."""
    found = [await messages.get(operation, message_id) for message_id in part.message_ids[: Ask(first=first).size]]
    return [message for message in found if message is not None]


async def evidence(operation: Operation, topic: Topic, first: int) -> list[Any]:
    """The messages and posts of a topic, weightiest first, without those that are gone."""
    found = await nodes.many(operation, topic.node_ids[: Ask(first=first).size])
    return [node for node in found if node is not None and not isinstance(node, Exception)]


async def acquaintances(operation: Operation, person_id: str, ask: Ask) -> Listing:
    """Whom somebody knows among the viewer's people, closest first. First pages of many people are read at once."""
    scope = paging.bound("acquaintances", person_id)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[float, str])

    async def batch(person_ids: list[str]) -> Mapping[str, Cut]:
        return await operation.read(_firsts, person_ids, size, after)

    cut = await batched(operation, ("acquaintances", size, after), batch, person_id) or paging.EMPTY

    async def count() -> int:
        return (await load(operation, _counts, person_id)) or 0

    page = paging.listing(operation, scope, cut, key=lambda row: (row.strength, row.other_id), node=_known, count=count)
    return msgspec.structs.replace(
        page,
        edges=[msgspec.structs.replace(edge.node, cursor=edge.cursor) for edge in page.edges if isinstance(edge.node, Known)],
    )


def _known(row: Any) -> Known:
    sights = _sights(row.sights)[:MAX_EVIDENCE]
    whole = sum(one.weight for one in sights)
    evidence = tuple(
        Seen(
            weight=round(one.weight / whole, 4),
            sentence=one.sentence,
            count=one.times,
            node_id=one.node_id,
            observed_at=row.computed_at - timedelta(days=one.days),
        )
        for one in sights
    )
    return Known(cursor="", person_id=row.other_id, strength=row.strength, evidence=evidence)


def _shown(viewer: str, person_ids: Sequence[str]) -> sa.Select[Any]:
    """The acquaintances of people, of those who are still there."""
    there = sa.and_(person.c.viewer_id == _K.viewer_id, person.c.id == _K.other_id, person.c.redirect_to.is_(None))
    return (
        select(_K.person_id, _K.other_id, _K.strength, _K.sights, _R.computed_at)
        .join(standing_run, sa.and_(_R.viewer_id == _K.viewer_id, _R.run == _K.run))
        .join(person, there)
        .where(_K.viewer_id == viewer, _K.person_id.in_(person_ids))
    )


def _firsts(
    conn: Connection, viewer: str, person_ids: Sequence[str], size: int, after: tuple[float, str] | None
) -> dict[str, Cut]:
    beyond = [] if after is None else [paging.beyond(ORDER, after, forwards=True)]
    return paging.tops(conn, _shown(viewer, person_ids).where(*beyond), _K.person_id, ORDER, size)


def _counts(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, int]:
    query = _shown(viewer, person_ids).with_only_columns(_K.person_id, sa.func.count().label("n")).group_by(_K.person_id)
    return {row.person_id: row.n for row in conn.execute(query)}
