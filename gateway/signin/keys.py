"""Making an API key for a viewer. What keys look like and what is kept of them: store/tokens.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from gateway.signin.principal import read_scopes
from store import viewers
from store.tokens import SHAPE, digest, mint

__all__ = ["SHAPE", "create", "digest", "mint"]


def create(
    conn: Connection, viewer_id: str, name: str, scopes: Iterable[str], now: datetime, expires_at: datetime | None = None
) -> tuple[str, viewers.ApiKey]:
    """Make a key: (the key itself, shown this once; what is kept). Raises ValueError for an unknown scope."""
    wanted = sorted(scope.lower() for scope in read_scopes(scopes))
    if not wanted:
        raise ValueError("a key needs at least one scope")
    token, prefix = mint()
    return token, viewers.add_key(conn, viewer_id, name, prefix, digest(token), wanted, now, expires_at)
