"""People are found by what they speak about: the topics of the picture that is shown are among the words of their documents.

Whoever's topics are others than those that they are found by is written anew. Knows not how topics are reckoned, nor any query.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity import documents
from resolvers.influence.weighing import Standing
from store.among import VIEWER
from store.tables import person, standing, standing_run

STEP: Final = 200  # people whom one transaction looks at
_P, _S, _R = person.c, standing.c, standing_run.c
_standing: Final = msgspec.msgpack.Decoder(Standing).decode
_FOUND_BY: Final = (
    sa.update(person).where(_P.viewer_id == VIEWER, _P.id == sa.bindparam("whose")).values(topics=sa.bindparam("words"))
)  # fmt: skip


def follow_picture(conn: Connection, viewer: str, after: str) -> str | None:
    """Have the next people behind this id found by their topics of the picture that is shown, by none without one; where to go on, None
    at the end. Raises nothing of its own: a standing that is stored damaged has no topics."""
    shown = select(_S.person_id, _S.parts).join(standing_run, sa.and_(_R.viewer_id == _S.viewer_id, _R.run == _S.run))
    parts = shown.where(_S.viewer_id == viewer).subquery("shown")
    query = (
        select(_P.id, _P.topics, parts.c.parts)
        .outerjoin(parts, parts.c.person_id == _P.id)
        .where(_P.viewer_id == viewer, _P.id > after, _P.redirect_to.is_(None))
    )
    rows: list[Any] = list(conn.execute(query.order_by(_P.id).limit(STEP)))
    others = [{"viewer": viewer, "whose": row.id, "words": words} for row in rows if (words := _words(row.parts)) != row.topics]
    if others:
        conn.execute(_FOUND_BY, others)
        documents.renew(conn, viewer, [str(one["whose"]) for one in others])
    return rows[-1].id if len(rows) == STEP else None


def _words(parts: bytes | None) -> str:
    try:
        return "" if parts is None else " ".join(topic.name for topic in _standing(parts).topics)
    except msgspec.MsgspecError:
        return ""
