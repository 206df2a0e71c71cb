"""Writing to the viewer: their profile and their API keys."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import tokens, viewers
from store.feed import Recorder
from store.tables import api_key
from store.tables import viewer as viewer_table

MAX_NAME: Final = 100
MAX_KEYS: Final = 200  # alive at a time
_REGION: Final = re.compile(r"[A-Z]{2}")  # ISO 3166-1 alpha-2


async def update(
    operation: Operation, name: str | None, locale: str | None, time_zone: str | None, region: str | None, key: str | None
) -> Payload:
    """Change name, language, time zone or region; what is None stays, an empty region is none."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = _name(name, "name")
            taken = select(viewer_table.c.id).where(viewer_table.c.name == values["name"], viewer_table.c.id != viewer)
            if conn.execute(taken).first() is not None:
                text = "This name cannot be used; choose another one."
                raise Mistaken(Mistake(code="CONFLICT", message=text, field=("name",)))
        if locale is not None:
            values["locale"] = locale
        if time_zone is not None:
            values["time_zone"] = time_zone
        if region is not None:
            values["region"] = region_of(region)
        if values:
            conn.execute(sa.update(viewer_table).where(viewer_table.c.id == viewer).values(**values))
        return Answer(node_id=viewer)

    done = await perform(operation, "updateViewer", key, [name, locale, time_zone, region], write)
    return payload(operation, done)


def region_of(given: str) -> str | None:
    """A region as it is kept; an empty one is none. Raises Mistaken."""
    if given and not _REGION.fullmatch(given.upper()):
        raise Mistaken(Mistake(code="INVALID", message="A region is two letters, such as DE.", field=("region",)))
    return given.upper() or None


async def create_key(
    operation: Operation, name: str, scopes: tuple[str, ...], expires_at: datetime | None, key: str | None
) -> Payload:
    """Make an API key; it may do no more than who makes it."""
    now = operation.now()
    wanted = sorted({scope.lower() for scope in scopes})

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        named = _name(name, "name")
        if not wanted:
            raise Mistaken(Mistake(code="REQUIRED", message="A key needs at least one scope.", field=("scopes",)))
        beyond = [scope for scope in wanted if scope not in operation.scopes]
        if beyond:
            text = f"You cannot give what you may not do yourself: {', '.join(beyond).upper()}."
            raise Mistaken(Mistake(code="INVALID", message=text, field=("scopes",)))
        if expires_at is not None and expires_at <= now:
            raise Mistaken(Mistake(code="INVALID", message="The key would have ended already.", field=("expiresAt",)))
        alive = select(sa.func.count()).where(api_key.c.viewer_id == viewer, api_key.c.revoked_at.is_(None))
        if int(conn.execute(alive).scalar_one()) >= MAX_KEYS:
            text = f"You have {MAX_KEYS} keys; revoke one first."
            raise Mistaken(Mistake(code="LIMIT_REACHED", message=text))
        token, prefix = tokens.mint()
        made = viewers.add_key(conn, viewer, named, prefix, tokens.digest(token), wanted, now, expires_at)
        recorder.upsert("API_KEY", made.id, 1, created=True)
        return Answer(node_id=made.id, secret=token)

    done = await perform(operation, "createApiKey", key, [name, wanted, expires_at], write)
    return payload(operation, done, api_key_id="node_id", secret="secret")  # noqa: S106 - the name of a field


async def revoke_key(operation: Operation, key_id: str, key: str | None) -> Payload:
    """End a key at once; open subscriptions of it end within seconds."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = conn.execute(
            select(api_key.c.version, api_key.c.revoked_at).where(api_key.c.viewer_id == viewer, api_key.c.id == key_id)
        ).one_or_none()
        if row is None:
            raise Mistaken(not_found(key_id, "apiKeyId"))
        if not viewers.revoke_key(conn, viewer, key_id, now):
            text = "This key was revoked before."
            raise Mistaken(NodeMistake(code="ALREADY_DONE", message=text, field=("apiKeyId",), node_id=key_id))
        recorder.upsert("API_KEY", key_id, row.version + 1, fields=("revokedAt",))
        return Answer(node_id=key_id)

    done = await perform(operation, "revokeApiKey", key, [key_id], write)
    return payload(operation, done, api_key_id="node_id")


def _name(name: str, field: str) -> str:
    text = " ".join(name.split())
    if not text:
        raise Mistaken(Mistake(code="REQUIRED", message="A name needs at least one letter.", field=(field,)))
    if len(text) > MAX_NAME:
        raise Mistaken(Mistake(code="TOO_LONG", message=f"A name has at most {MAX_NAME} characters.", field=(field,)))
    return text
