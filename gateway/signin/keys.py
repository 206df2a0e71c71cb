"""API keys: `kith_<prefix>_<secret>`. The prefix recognises a key in lists and leaks, the secret (256 bits) opens.

Only the SHA-256 of the whole key is kept; a secret of that length needs neither salt nor stretching.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gateway.signin.principal import read_scopes
from store import viewers

SHAPE: Final = re.compile(r"kith_[a-z2-7]{6}_[a-z2-7]{52}")


def mint() -> tuple[str, str]:
    """A new key and its prefix."""
    prefix = _letters(4)[:6]
    return f"kith_{prefix}_{_letters(32)}", prefix


def digest(token: str) -> bytes:
    """What is kept of a key, or of a session's secret."""
    return hashlib.sha256(token.encode()).digest()


def create(
    conn: Connection, viewer_id: str, name: str, scopes: Iterable[str], now: datetime, expires_at: datetime | None = None
) -> tuple[str, viewers.ApiKey]:
    """Make a key: (the key itself, shown this once; what is kept). Raises ValueError for an unknown scope."""
    wanted = sorted(scope.lower() for scope in read_scopes(scopes))
    if not wanted:
        raise ValueError("a key needs at least one scope")
    token, prefix = mint()
    return token, viewers.add_key(conn, viewer_id, name, prefix, digest(token), wanted, now, expires_at)


def _letters(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()
