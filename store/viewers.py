"""Who may come in: viewers, their API keys and sessions; system tables, so hashes, states and labels only.

A key's or session's secret is never here, only its SHA-256 (the secrets are 256 random bits: no salt, no stretching needed).
One viewer is the owner, the first of the installation. Knows nothing of HTTP or cookies.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import feed, ids
from store.tables import api_key, session, viewer

OWNER_NAME = "owner"
USE_RESOLUTION = timedelta(hours=1)  # how exactly `last_used_at` is kept


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """One user of the installation."""

    id: str
    name: str
    owner: bool
    created_at: datetime
    disabled_at: datetime | None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a viewer lives: how numbers and times are read that do not say it. An ISO 3166-1 alpha-2 region, an IANA time zone."""

    region: str | None = None
    time_zone: str = "UTC"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key for programs, without its secret. `scopes` in lower case."""

    id: str
    viewer_id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in link (`kind` login) or a signed-in browser (`browser`)."""

    hash: bytes
    viewer_id: str
    kind: str
    created_at: datetime
    expires_at: datetime


def place(conn: Connection, viewer_id: str) -> Place:
    """Where the viewer lives, as far as they have said."""
    row = conn.execute(select(viewer.c.region, viewer.c.time_zone).where(viewer.c.id == viewer_id)).one_or_none()
    return Place() if row is None else Place(region=row.region, time_zone=row.time_zone)


def add(conn: Connection, viewer_id: str, name: str, now: datetime, *, owner: bool = False) -> Viewer:
    """Make a viewer, feed included: run it in a transaction of that viewer (`database.write(ids.mint("VIEWER"), add, …)`).

    Raises IntegrityError when the name is taken.
    """
    conn.execute(viewer.insert().values(id=viewer_id, name=name, owner=owner, created_at=now))
    feed.begin(conn, viewer_id)
    return Viewer(id=viewer_id, name=name, owner=owner, created_at=now, disabled_at=None)


def find(conn: Connection, name: str) -> Viewer | None:
    """The viewer of that name."""
    return _viewer(conn.execute(select(viewer).where(viewer.c.name == name)).one_or_none())


def get(conn: Connection, viewer_id: str) -> Viewer | None:
    return _viewer(conn.execute(select(viewer).where(viewer.c.id == viewer_id)).one_or_none())


def owner(conn: Connection) -> Viewer | None:
    """The first viewer, whom commands mean when they name none."""
    return _viewer(conn.execute(select(viewer).where(viewer.c.owner).order_by(viewer.c.created_at).limit(1)).one_or_none())


def listed(conn: Connection) -> list[Viewer]:
    """All viewers, the oldest first."""
    rows = conn.execute(select(viewer).order_by(viewer.c.created_at, viewer.c.id)).all()
    return [found for row in rows if (found := _viewer(row)) is not None]


def disable(conn: Connection, viewer_id: str, at: datetime | None) -> None:
    """Shut a viewer out, sessions ended; None lets them in again."""
    conn.execute(sa.update(viewer).where(viewer.c.id == viewer_id).values(disabled_at=at))
    if at is not None:
        conn.execute(sa.delete(session).where(session.c.viewer_id == viewer_id))


# --- API keys -----------------------------------------------------------------------------------------------------------


def add_key(
    conn: Connection,
    viewer_id: str,
    name: str,
    prefix: str,
    digest: bytes,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> ApiKey:
    """Keep a new key by its hash."""
    made = ApiKey(
        id=ids.mint("API_KEY"), viewer_id=viewer_id, name=name, prefix=prefix, scopes=tuple(sorted(scopes)), created_at=now,
        last_used_at=None, expires_at=expires_at, revoked_at=None,
    )  # fmt: skip
    conn.execute(
        api_key.insert().values(
            id=made.id, viewer_id=viewer_id, name=name, prefix=prefix, hash=digest, scopes=" ".join(made.scopes), created_at=now,
            expires_at=expires_at,
        )
    )  # fmt: skip
    return made


def key_by_hash(conn: Connection, digest: bytes) -> tuple[ApiKey, Viewer] | None:
    """The key whose secret has this hash, revoked ones too, with its viewer."""
    row = conn.execute(select(api_key).where(api_key.c.hash == digest)).one_or_none()
    whose = None if row is None else get(conn, row.viewer_id)
    return None if row is None or whose is None else (_key(row), whose)


def keys_of(conn: Connection, viewer_id: str) -> list[ApiKey]:
    """A viewer's keys, the oldest first."""
    return [
        _key(row) for row in conn.execute(select(api_key).where(api_key.c.viewer_id == viewer_id).order_by(api_key.c.created_at))
    ]


def revoke_key(conn: Connection, viewer_id: str, key_id: str, now: datetime) -> bool:
    """End a key; False when the viewer has no such key that is still alive."""
    alive = sa.update(api_key).where(api_key.c.viewer_id == viewer_id, api_key.c.id == key_id, api_key.c.revoked_at.is_(None))
    return conn.execute(alive.values(revoked_at=now, version=api_key.c.version + 1)).rowcount == 1


def used_key(conn: Connection, key_id: str, now: datetime) -> None:
    """Note that a key was used, to the hour."""
    stale = sa.or_(api_key.c.last_used_at.is_(None), api_key.c.last_used_at < now - USE_RESOLUTION)
    conn.execute(sa.update(api_key).where(api_key.c.id == key_id, stale).values(last_used_at=now))


def holds(conn: Connection, viewer_id: str, credential: str, now: datetime) -> bool:
    """Whether a key (by its id) or a session (by its hash in hex) of the viewer is still good."""
    if ids.kind_of(credential) == "API_KEY":
        good = select(api_key.c.id).where(
            api_key.c.viewer_id == viewer_id, api_key.c.id == credential, api_key.c.revoked_at.is_(None),
            sa.or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now),
        )  # fmt: skip
        return conn.execute(good).one_or_none() is not None
    found = session_by_hash(conn, bytes.fromhex(credential), now)
    return found is not None and found[1].id == viewer_id


# --- sessions -----------------------------------------------------------------------------------------------------------


def open_session(conn: Connection, digest: bytes, viewer_id: str, kind: str, now: datetime, lifetime: timedelta) -> None:
    """Keep a sign-in link or browser session by its hash; what has expired goes."""
    conn.execute(sa.delete(session).where(session.c.expires_at < now))
    conn.execute(session.insert().values(hash=digest, viewer_id=viewer_id, kind=kind, created_at=now, expires_at=now + lifetime))


def take_session(conn: Connection, digest: bytes, kind: str, now: datetime) -> Session | None:
    """Use up a session of that kind: it is gone afterwards, so that a link works once."""
    row = conn.execute(
        sa.delete(session).where(session.c.hash == digest, session.c.kind == kind, session.c.expires_at >= now)
        .returning(*session.c)
    ).one_or_none()  # fmt: skip
    return None if row is None else _session(row)


def session_by_hash(conn: Connection, digest: bytes, now: datetime, kind: str = "browser") -> tuple[Session, Viewer] | None:
    """A signed-in browser (or a sign-in link) that has not expired, with its viewer."""
    row = conn.execute(
        select(session).where(session.c.hash == digest, session.c.kind == kind, session.c.expires_at >= now)
    ).one_or_none()
    whose = None if row is None else get(conn, row.viewer_id)
    return None if row is None or whose is None else (_session(row), whose)


def close_session(conn: Connection, digest: bytes) -> None:
    conn.execute(sa.delete(session).where(session.c.hash == digest))


def _viewer(row: sa.Row[tuple[object, ...]] | None) -> Viewer | None:
    if row is None:
        return None
    return Viewer(id=row.id, name=row.name, owner=row.owner, created_at=row.created_at, disabled_at=row.disabled_at)


def _key(row: sa.Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id, viewer_id=row.viewer_id, name=row.name, prefix=row.prefix, scopes=tuple(row.scopes.split()),
        created_at=row.created_at, last_used_at=row.last_used_at, expires_at=row.expires_at, revoked_at=row.revoked_at,
    )  # fmt: skip


def _session(row: sa.Row[tuple[object, ...]]) -> Session:
    return Session(hash=row.hash, viewer_id=row.viewer_id, kind=row.kind, created_at=row.created_at, expires_at=row.expires_at)
