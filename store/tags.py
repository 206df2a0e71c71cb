"""Who and what bears the viewer's tags by now, whatever became of the ids under which these were put on. Knows not what a tag says.

A tag is on somebody by the viewer's hand (`tagged`), or because a contact of theirs is filed under it at its source (`category`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids
from store.tables import category, contact, conversation, person, tag, tagged
from store.upserts import insert_into

MAX_TAGS: Final = 1_000  # of a viewer
MAX_OF_ONE: Final = 100  # on one person or conversation
MAX_NAME: Final = 100  # characters
_T, _ON, _OF = tag.c, tagged.c, category.c
ABOUT: Final[dict[str, sa.Table]] = {"PERSON": person, "CONVERSATION": conversation}
Some = Collection[str] | sa.Select[Any] | None  # ids, or the statement that gives them; None: all


def spelled(name: str) -> str:
    """A name as it is kept: composed (NFC), its words one space apart."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def is_name(spelled_name: str) -> bool:
    """Whether this can be a tag's name: 1 to 100 characters, none of them a control character."""
    return 0 < len(spelled_name) <= MAX_NAME and not any(unicodedata.category(c) in ("Cc", "Cs") for c in spelled_name)


def folded(name: str) -> str:
    """What makes two names the same one."""
    return spelled(unicodedata.normalize("NFC", name).casefold())


def make(conn: Connection, viewer: str, name: str, color: str | None = None) -> tuple[str, bool]:
    """The id of a tag that is missing, and whether it is new: of two who make the same one at once the later finds that of the other.

    The id follows from the name for this, unless a tag that is called otherwise by now has it.
    """
    own = ids.derive("TAG", viewer, folded(name))
    values = {"viewer_id": viewer, "name": name, "folded": folded(name), "color": color, "version": 1}
    new = insert_into(tag, conn.dialect.name).values(id=own, **values)
    if conn.execute(new.on_conflict_do_nothing(index_elements=["viewer_id", "id"])).rowcount:
        return own, True
    there = conn.execute(select(_T.folded).where(_T.viewer_id == viewer, _T.id == own)).scalar_one_or_none()
    if there == folded(name):
        return own, False
    other = ids.mint("TAG")
    conn.execute(tag.insert().values(id=other, **values))
    return other, True


def by_hand(
    viewer: str | sa.BindParameter[str], about: str = "PERSON", tag_ids: Some = None, whose: Some = None
) -> sa.Select[Any]:
    """(tag_id, whose) of every person or conversation on which the viewer put a tag, once for each id that it was put on."""
    thing = ABOUT[about].alias("borne")
    now = sa.func.coalesce(thing.c.redirect_to, thing.c.id)
    query = (
        select(_ON.tag_id, now.label("whose"))
        .join(thing, sa.and_(thing.c.viewer_id == _ON.viewer_id, thing.c.id == _ON.about_id))
        .where(_ON.viewer_id == viewer)
    )
    return _narrowed(query, _ON.tag_id, tag_ids, now, whose)


def _by_card(viewer: str | sa.BindParameter[str], tag_ids: Some, whose: Some) -> sa.Select[Any]:
    query = (
        select(_OF.tag_id, contact.c.person_id.label("whose"))
        .join(contact, sa.and_(contact.c.viewer_id == _OF.viewer_id, contact.c.id == _OF.contact_id))
        .where(_OF.viewer_id == viewer, _OF.tag_id.is_not(None), contact.c.person_id.is_not(None))
    )
    return _narrowed(query, _OF.tag_id, tag_ids, contact.c.person_id, whose)


def _narrowed(
    query: sa.Select[Any], tag_id: sa.ColumnElement[str], tag_ids: Some, borne_by: sa.ColumnElement[Any], whose: Some
) -> sa.Select[Any]:
    if tag_ids is not None:
        query = query.where(tag_id.in_(tag_ids))
    return query if whose is None else query.where(borne_by.in_(whose))


def bearing(viewer: str | sa.BindParameter[str], about: str = "PERSON", tag_ids: Some = None, whose: Some = None) -> sa.Subquery:
    """(tag_id, whose) of every person or conversation that bears a tag now, each once."""
    put_on = by_hand(viewer, about, tag_ids, whose)
    if about != "PERSON":
        return put_on.distinct().subquery("mine")
    return sa.union(put_on, _by_card(viewer, tag_ids, whose)).subquery("mine")


def borne(viewer: str | sa.BindParameter[str], names: Collection[str]) -> sa.Select[Any]:
    """The ids of the people who bear any of these tags."""
    called = select(_T.id).where(_T.viewer_id == viewer, _T.folded.in_(sorted({folded(name) for name in names})))
    return select(bearing(viewer, tag_ids=called).c.whose)


def unborne(viewer: str, tag_ids: Collection[str]) -> sa.Select[Any]:
    """Those of these tags that are on nothing any more, be it somebody who is gone and may come back."""
    put_on = select(_ON.tag_id).where(_ON.viewer_id == viewer, _ON.tag_id == _T.id).exists()
    filed = select(_OF.tag_id).where(_OF.viewer_id == viewer, _OF.tag_id == _T.id).exists()
    return select(_T.id).where(_T.viewer_id == viewer, _T.id.in_(sorted(tag_ids)), ~put_on, ~filed)
