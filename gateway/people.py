"""Viewers as commands name them: the owner when they name nobody, a new one when the name is not known yet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import IntegrityError

from store import ids, viewers
from store.viewers import OWNER_NAME, Viewer

if TYPE_CHECKING:
    from gateway.installation import Installation

NAME: Final = re.compile(r"[^\s/\\\x00-\x1f](?:[^/\\\x00-\x1f]{0,62}[^\s/\\\x00-\x1f])?")


class BadName(ValueError):
    """The name cannot be one; the message says what can."""


async def owner(installation: Installation) -> Viewer:
    """The owner, made at the first start."""
    found = await installation.database.system_read(viewers.owner)
    return found or await add(installation, OWNER_NAME, owner=True)


async def named(installation: Installation, name: str | None) -> Viewer:
    """The viewer of that name, made when there is none; the owner without a name. Raises BadName."""
    first = await owner(installation)
    if name is None:
        return first
    found = await installation.database.system_read(viewers.find, name)
    return found or await add(installation, name)


async def add(installation: Installation, name: str, *, owner: bool = False) -> Viewer:
    """Make a viewer; when somebody else was faster, theirs. Raises BadName."""
    if NAME.fullmatch(name) is None:
        raise BadName(f"{name[:70]!r} cannot be a name: 1 to 64 characters, no slashes, no spaces at its ends")
    try:
        return await installation.database.write(
            ids.mint("VIEWER"), lambda conn, viewer: viewers.add(conn, viewer, name, installation.clock.now(), owner=owner)
        )
    except IntegrityError:
        found = await installation.database.system_read(viewers.find, name)
        if found is None:
            raise
        return found
