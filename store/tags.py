"""Who and what bears the viewer's tags by now, whatever became of the ids under which these were put on. Knows not what a tag says."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import select

from store.tables import conversation, person, tag, tagged

_T, _ON = tag.c, tagged.c
ABOUT: Final[dict[str, sa.Table]] = {"PERSON": person, "CONVERSATION": conversation}


def folded(name: str) -> str:
    """What makes two names the same one."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).split())


def bearing(viewer: str | sa.BindParameter[str], about: str = "PERSON") -> tuple[sa.Select[Any], sa.ColumnElement[str]]:
    """(tag_id, whose) of every person or conversation that bears a tag now, each once; and `whose`, to narrow it by."""
    thing = ABOUT[about].alias("borne")
    whose = sa.func.coalesce(thing.c.redirect_to, thing.c.id)
    query = (
        select(_ON.tag_id, whose.label("whose"))
        .join(thing, sa.and_(thing.c.viewer_id == _ON.viewer_id, thing.c.id == _ON.about_id))
        .where(_ON.viewer_id == viewer)
        .distinct()
    )
    return query, whose


def borne(viewer: str | sa.BindParameter[str], names: Collection[str]) -> sa.Select[Any]:
    """The ids of the people who bear any of these tags."""
    query, whose = bearing(viewer)
    called = select(_T.id).where(_T.viewer_id == viewer, _T.folded.in_(sorted({folded(name) for name in names})))
    return query.where(_ON.tag_id.in_(called)).with_only_columns(whose)
