"""Where networks call us: a hash → whose account is meant, and until when the network has promised to call.

A system table: whoever calls has no viewer. The hash is of an address's random part, which is one account's; the address itself, what the
network has to show and its own name for the subscription are sealed with the account's other secrets. Where a network calls one address
for all accounts, there is the hash of the name that it calls an account by instead, under a key of the installation's: names can be
guessed. Such a name may be several viewers' account, and an account may have several.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import push_route, secret, viewer

PLACE: Final = ("account", "push")  # table and column of the vault's associated data


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """An address's account."""

    viewer_id: str
    account_id: str
    provider: str
    expires_at: datetime | None


def digest(token: str) -> bytes:
    """What is kept of the random part of an address."""
    return hashlib.sha256(token.encode()).digest()


def digest_of_name(key: bytes, provider: str, name: str) -> bytes:
    """What is kept of the name that a network calls an account by."""
    return hmac.digest(key, f"{provider}|{name}".encode(), "sha256")


def find(conn: Connection, token: str) -> Route | None:
    """Whose address this is."""
    row = conn.execute(select(push_route).where(push_route.c.hash == digest(token))).one_or_none()
    if row is None:
        return None
    return Route(viewer_id=row.viewer_id, account_id=row.account_id, provider=row.provider, expires_at=row.expires_at)


def called(conn: Connection, provider: str, names: Collection[bytes]) -> list[Route]:
    """Whose accounts a network calls by these names (digests of them); those of disabled viewers are left out."""
    mine = push_route.c
    query = (
        select(push_route)
        .join(viewer, viewer.c.id == mine.viewer_id)
        .where(mine.name.in_(names), mine.provider == provider, viewer.c.disabled_at.is_(None))
        .order_by(mine.viewer_id, mine.account_id)
    )
    found = {(row.viewer_id, row.account_id): row for row in conn.execute(query)}  # an account may be meant by several names
    return [
        Route(viewer_id=row.viewer_id, account_id=row.account_id, provider=row.provider, expires_at=row.expires_at)
        for row in found.values()
    ]


def alone(conn: Connection, viewer: str, account_id: str) -> bool:
    """Whether no other account, whosever, is called as this one is, by a name or its address; False for one that nobody calls."""
    mine, other = push_route.alias("mine"), push_route.alias("other")
    own = (mine.c.viewer_id == viewer, mine.c.account_id == account_id)
    alike = sa.or_(other.c.name == mine.c.name, other.c.hash == mine.c.hash)
    query = select(other.c.viewer_id, other.c.account_id).join(mine, alike).where(*own).distinct()
    return len(conn.execute(query.limit(2)).all()) == 1


def put(conn: Connection, viewer: str, account_id: str, provider: str, token: str, sealed: bytes, now: datetime) -> None:
    """A new address for an account, in place of its former one."""
    drop(conn, viewer, account_id)
    conn.execute(
        push_route.insert().values(hash=digest(token), viewer_id=viewer, account_id=account_id, provider=provider, created_at=now)
    )
    _seal(conn, viewer, account_id, sealed)


def promised(conn: Connection, viewer: str, account_id: str, sealed: bytes, expires_at: datetime | None) -> None:
    """What the network has promised; None: nothing any more."""
    prolong(conn, viewer, account_id, expires_at)
    _seal(conn, viewer, account_id, sealed)


def prolong(conn: Connection, viewer: str, account_id: str, expires_at: datetime | None) -> None:
    """Until when the network calls; None: no more."""
    mine = sa.update(push_route).where(push_route.c.viewer_id == viewer, push_route.c.account_id == account_id)
    conn.execute(mine.values(expires_at=expires_at))


def put_name(
    conn: Connection,
    viewer: str,
    account_id: str,
    provider: str,
    name: bytes,
    expires_at: datetime,
    now: datetime,
    *,
    more: Collection[bytes] = (),
) -> None:
    """What a network calls an account by (the digest of it) and until when it has promised to call, in place of what was known.

    It has no address of its own: its hash is of nothing. `more` are further names that it calls the account by.
    """
    drop(conn, viewer, account_id)
    common = {"viewer_id": viewer, "account_id": account_id, "provider": provider, "expires_at": expires_at, "created_at": now}
    conn.execute(
        push_route.insert(), [{"hash": secrets.token_bytes(32), "name": each, **common} for each in dict.fromkeys((name, *more))]
    )


def sealed(conn: Connection, viewer: str, account_id: str) -> bytes | None:
    """The sealed half."""
    found: bytes | None = conn.execute(select(secret.c.sealed).where(*_mine(viewer, account_id))).scalar_one_or_none()
    return found


def live(conn: Connection, viewer: str, account_id: str, now: datetime) -> bool:
    """Whether the network calls at the moment."""
    p = push_route.c
    query = select(p.hash).where(p.viewer_id == viewer, p.account_id == account_id, p.expires_at > now)
    return conn.execute(query).first() is not None


def drop(conn: Connection, viewer: str, account_id: str) -> None:
    """Forget an account's address."""
    conn.execute(sa.delete(push_route).where(push_route.c.viewer_id == viewer, push_route.c.account_id == account_id))
    conn.execute(sa.delete(secret).where(*_mine(viewer, account_id)))


def _seal(conn: Connection, viewer: str, account_id: str, blob: bytes) -> None:
    if conn.execute(sa.update(secret).where(*_mine(viewer, account_id)).values(sealed=blob)).rowcount == 0:
        conn.execute(
            secret.insert().values(
                viewer_id=viewer, table_name=PLACE[0], row_id=account_id, column_name=PLACE[1], sealed=blob, fence=0
            )
        )


def _mine(viewer: str, account_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    s = secret.c
    return (s.viewer_id == viewer, s.table_name == PLACE[0], s.row_id == account_id, s.column_name == PLACE[1])
