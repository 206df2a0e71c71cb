"""What a viewer shows of themselves to everybody, by their own decision, and the name by which everybody finds it.

Names are a system table: whoever asks for one has no viewer. It says whose a name is, not what they show, nor whether they show anything;
that is theirs (`public_profile`). A name stays with its first bearer when they withdraw or take another one, so that nobody comes into
the links and proofs that others have tied to it. Knows no HTTP and no markup.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import public_name, public_profile, viewer
from store.upserts import insert_into

_P: Final = public_profile.c


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is shown; None or nothing: not shown. `photo_hash` is of a photo of the viewer's, `links` are web addresses."""

    display_name: str | None = None
    photo_hash: str | None = None
    note: str | None = None
    email: str | None = None
    organization: str | None = None
    job_title: str | None = None
    locality: str | None = None
    country: str | None = None
    links: tuple[str, ...] = ()


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer's profile; without `published` nobody but they see it."""

    published: bool = False
    name: str | None = None
    content: Content = Content()


_read = msgspec.msgpack.Decoder(Content).decode


def get(conn: Connection, viewer_id: str) -> Profile:
    """The viewer's profile; an empty one where they never said anything."""
    row = conn.execute(select(public_profile).where(_P.viewer_id == viewer_id)).one_or_none()
    return Profile() if row is None else Profile(published=row.published, name=row.name, content=_read(row.content))


def to_change(conn: Connection, viewer_id: str) -> Profile:
    """The same for whoever writes it anew: changes follow each other, so that none undoes a withdrawal that it has not seen."""
    conn.execute(select(viewer.c.id).where(viewer.c.id == viewer_id).with_for_update())  # a profile need not be there yet
    return get(conn, viewer_id)


def put(conn: Connection, viewer_id: str, profile: Profile, now: datetime) -> None:
    """Keep the viewer's profile, in place of what was there."""
    values = {
        "published": profile.published, "name": profile.name, "content": msgspec.msgpack.encode(profile.content), "changed_at": now,
    }  # fmt: skip
    wanted = _insert(conn, public_profile).values(viewer_id=viewer_id, **values)
    conn.execute(wanted.on_conflict_do_update(index_elements=["viewer_id"], set_=values))


def take_name(conn: Connection, viewer_id: str, name: str) -> bool:
    """Make a name the viewer's for good; False when it is another viewer's."""
    conn.execute(_insert(conn, public_name).values(name=name, viewer_id=viewer_id).on_conflict_do_nothing())
    whose = select(public_name.c.viewer_id).where(public_name.c.name == name)
    return bool(conn.execute(whose).scalar_one() == viewer_id)


def names_of(conn: Connection, viewer_id: str) -> list[str]:
    """All names that the viewer has ever taken."""
    mine = select(public_name.c.name).where(public_name.c.viewer_id == viewer_id).order_by(public_name.c.name)
    return list(conn.execute(mine).scalars())


def bearer(conn: Connection, name: str) -> str | None:
    """Whose name this is; None for nobody's and for that of a viewer who is shut out."""
    asked = (
        select(public_name.c.viewer_id)
        .join(viewer, viewer.c.id == public_name.c.viewer_id)
        .where(public_name.c.name == name, viewer.c.disabled_at.is_(None))
    )
    found: str | None = conn.execute(asked).scalar_one_or_none()
    return found


def _insert(conn: Connection, table: sa.Table) -> Any:
    return insert_into(table, conn.dialect.name)
