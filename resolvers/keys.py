"""API keys as their owner sees them: never the key itself, only what it may do and when it was used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.operation import Operation
from store.tables import api_key

SHOWN_REVOKED: Final = timedelta(days=90)
MAX_KEYS: Final = 200


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key; `scopes` in upper case as the schema writes them."""

    id: str
    version: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


def of_row(row: Any) -> ApiKey:
    """The key of a row."""
    return ApiKey(
        id=row.id,
        version=row.version,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes.upper().split(),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def by_id(conn: Connection, viewer: str, key_ids: Sequence[str]) -> dict[str, ApiKey]:
    """Keys by id. The table is nobody's own, so the viewer is asked for here."""
    rows = conn.execute(select(api_key).where(api_key.c.viewer_id == viewer, api_key.c.id.in_(key_ids)))
    return {row.id: of_row(row) for row in rows}


async def of_viewer(operation: Operation) -> list[ApiKey]:
    """The viewer's keys, latest first; revoked ones for 90 days."""
    since = operation.now() - SHOWN_REVOKED

    def read(conn: Connection, viewer: str) -> list[ApiKey]:
        query = select(api_key).where(
            api_key.c.viewer_id == viewer, sa.or_(api_key.c.revoked_at.is_(None), api_key.c.revoked_at > since)
        )
        return [of_row(row) for row in conn.execute(query.order_by(api_key.c.created_at.desc(), api_key.c.id).limit(MAX_KEYS))]

    return await operation.read(read)
