"""Ids of people that have lost the record which minted them: each follows another record since, its anchor.

An id whose own record is there has no row: it leads to whoever that record belongs to. A row stays when its anchor goes too and nobody
is left, so that the id leads somewhere again once the anchor comes back. Knows nothing of why a record was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import among, asked
from store.rows import insert
from store.tables import anchor
from store.upserts import insert_into

_A: Final = anchor.c
# locked: whoever gives an id its own record back, and whoever lets it lead elsewhere, wait for each other
_AT: Final = select(_A.person_id, _A.contact_id).where(among(_A.contact_id)).order_by(_A.person_id).with_for_update()
_FREE: Final = sa.delete(anchor).where(among(_A.person_id)).returning(_A.person_id)


@cache
def _putting(dialect: str) -> Any:
    new = insert_into(anchor, dialect)
    return new.on_conflict_do_update(index_elements=["viewer_id", "person_id"], set_={"contact_id": new.excluded.contact_id})


def at(conn: Connection, viewer: str, contact_ids: Iterable[str]) -> dict[str, str]:
    """The ids that follow these records, each with its record."""
    return {row.person_id: row.contact_id for row in conn.execute(_AT, asked(viewer, contact_ids))}


def put(conn: Connection, viewer: str, followed: Mapping[str, str]) -> None:
    """Let ids (keys) follow records from here on."""
    rows = [{"viewer_id": viewer, "person_id": p, "contact_id": followed[p]} for p in sorted(followed)]
    insert(conn, _putting(conn.dialect.name), rows)


def free(conn: Connection, viewer: str, person_ids: Iterable[str]) -> set[str]:
    """The records that minted these ids are there: they follow nobody else. Returns those that did."""
    return set(conn.execute(_FREE, asked(viewer, person_ids)).scalars())
