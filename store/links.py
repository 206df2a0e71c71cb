"""Attempts to link an account, and our registrations at networks: system tables, so hashes, states and sealed values only.

A session is found by its id (the viewer's own), by the hash of its one-time ticket, or by the hash of the OAuth state that the
network gives back. Knows nothing of OAuth.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import client_registration, oauth_state
from store.upserts import insert_into

PLACE: Final = ("oauth_state", "sealed")  # table and column of the vault's associated data
CLIENT_PLACE: Final = ("client_registration", "sealed")
#: States in which nothing is under way any more; who failed may try once more within their time.
DONE: Final = ("LINKED", "CANCELLED")
KEPT_SECONDS: Final = 86_400  # after the end, so that a client can still read how it ended


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `state` is a LinkState."""

    id: str
    viewer_id: str
    provider: str | None
    state: str
    state_hash: bytes | None
    browser_hash: bytes | None
    sealed: bytes | None
    account_id: str | None
    error_code: str | None
    error_message: str | None
    return_url: str | None
    created_at: datetime
    expires_at: datetime


def add(conn: Connection, found: Link, ticket_hash: bytes | None, forget_before: datetime) -> None:
    """Keep a new session; what ended before `forget_before` goes."""
    conn.execute(sa.delete(oauth_state).where(oauth_state.c.expires_at < forget_before))
    conn.execute(oauth_state.insert().values(**msgspec.structs.asdict(found), ticket_hash=ticket_hash))


def count(conn: Connection, viewer: str, now: datetime) -> int:
    """How many sessions a viewer has under way."""
    c = oauth_state.c
    open_now = sa.and_(c.viewer_id == viewer, c.expires_at > now, c.state.not_in(DONE))
    return int(conn.execute(select(sa.func.count()).select_from(oauth_state).where(open_now)).scalar_one())


def get(conn: Connection, viewer: str, link_id: str) -> Link | None:
    """The viewer's session; None for anybody else's."""
    return _link(conn.execute(select(oauth_state).where(oauth_state.c.id == link_id, oauth_state.c.viewer_id == viewer)))


def by_state(conn: Connection, state_hash: bytes, now: datetime) -> Link | None:
    """The session that a network's answer belongs to."""
    return _link(conn.execute(select(oauth_state).where(oauth_state.c.state_hash == state_hash, oauth_state.c.expires_at > now)))


def use_ticket(conn: Connection, ticket_hash: bytes, state_hash: bytes, browser_hash: bytes, now: datetime) -> Link | None:
    """Use a ticket up: it binds the session to one browser and one OAuth state. None when it is unknown, used or too old."""
    updated = conn.execute(
        sa.update(oauth_state)
        .where(
            oauth_state.c.ticket_hash == ticket_hash, oauth_state.c.expires_at > now, oauth_state.c.state == "AWAITING_REDIRECT"
        )
        .values(ticket_hash=None, state_hash=state_hash, browser_hash=browser_hash)
        .returning(oauth_state.c.id, oauth_state.c.viewer_id)
    ).one_or_none()
    return None if updated is None else get(conn, updated.viewer_id, updated.id)


def move(conn: Connection, /, link_id: str, expected: str, **values: Any) -> bool:
    """Change a session that is still in the state `expected`; False when somebody else was faster."""
    held = sa.update(oauth_state).where(oauth_state.c.id == link_id, oauth_state.c.state == expected)
    return conn.execute(held.values(**values)).rowcount == 1


def client(conn: Connection, provider: str, base_url: str, redirect_uri: str) -> bytes | None:
    """Our sealed registration at a server."""
    c = client_registration.c
    found: bytes | None = conn.execute(
        select(c.sealed).where(c.provider == provider, c.base_url == base_url, c.redirect_uri == redirect_uri)
    ).scalar_one_or_none()
    return found


def put_client(
    conn: Connection, provider: str, base_url: str, redirect_uri: str, client_id: str, sealed: bytes, now: datetime
) -> None:
    """Keep a registration; a newer one replaces it."""
    insert = insert_into(client_registration, conn.dialect.name)
    values = {"client_id": client_id, "sealed": sealed, "created_at": now}
    conn.execute(
        insert.values(provider=provider, base_url=base_url, redirect_uri=redirect_uri, **values).on_conflict_do_update(
            index_elements=["provider", "base_url", "redirect_uri"], set_=values
        )
    )


def first_client(
    conn: Connection, provider: str, base_url: str, redirect_uri: str, client_id: str, sealed: bytes, now: datetime
) -> bytes:
    """Keep a registration unless there is one already; the sealed one that counts."""
    insert = insert_into(client_registration, conn.dialect.name)
    place = {"provider": provider, "base_url": base_url, "redirect_uri": redirect_uri}
    conn.execute(insert.values(**place, client_id=client_id, sealed=sealed, created_at=now).on_conflict_do_nothing())
    return client(conn, provider, base_url, redirect_uri) or sealed


def _link(result: sa.Result[Any]) -> Link | None:
    row = result.one_or_none()
    return None if row is None else Link(**{name: getattr(row, name) for name in Link.__struct_fields__})
