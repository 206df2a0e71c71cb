"""Which accounts live from a grant to one client by one member of a network: keyed hashes, so that nobody is told who the others are.

A system table: whose accounts they are, only the installation knows. It answers one question, when an account is unlinked: whether a grant
that a network would end as a whole is needed by somebody else here. A mark is of client, place and member, under a key of the vault's.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import grant_mark

_mine = grant_mark.c


def digest(key: bytes, client: str, place: str, member: str) -> bytes:
    """The mark of a grant: `client` is our id at the network, `place` where the grant is from, `member` whose it is there."""
    return hmac.digest(key, "\n".join((client, place, member.casefold())).encode(), "sha256")


def put(conn: Connection, viewer: str, account_id: str, marks: Collection[bytes]) -> None:
    """The marks of an account, in place of what it had; none for one that lives from no grant of ours."""
    drop(conn, viewer, account_id)
    if marks:
        rows = [{"hash": mark, "viewer_id": viewer, "account_id": account_id} for mark in sorted(set(marks))]
        conn.execute(grant_mark.insert(), rows)


def drop(conn: Connection, viewer: str, account_id: str) -> None:
    """An account lives from no grant any more."""
    conn.execute(sa.delete(grant_mark).where(_mine.viewer_id == viewer, _mine.account_id == account_id))


def needed(conn: Connection, marks: Collection[bytes]) -> bool:
    """Whether any account, whosever, lives from one of these grants."""
    return conn.execute(select(_mine.account_id).where(_mine.hash.in_(marks)).limit(1)).first() is not None
