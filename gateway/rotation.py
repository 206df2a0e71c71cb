"""`kith keys rotate`: every stored secret sealed anew under the first key, beside a running installation.

Order matters for a crash in between: the new key is in the key file before anything is sealed with it, and the former ones stay until
nothing needs them. A secret that is refreshed meanwhile is left to its refresher (the fence), which seals with what it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from gateway import secret_key
from gateway.doctor import sealed_clients, sealed_secrets
from gateway.settings import Settings
from store import links, viewers
from store.tables import client_registration, secret
from store.vault import SealBroken, Vault

if TYPE_CHECKING:
    from gateway.installation import Installation


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    sealed: int
    unreadable: int
    key_file: bool


async def rotate(installation: Installation) -> Rotated:
    """Seal everything with the first key; with a key file and no KITH_SECRET_KEY, with a new one that is made now."""
    settings = installation.settings
    by_file = not settings.secret_keys()
    if by_file:
        secret_key.prepend(settings.home)
    vault = Vault(secret_key.stored_keys(settings))
    done = unreadable = 0
    for viewer in await installation.database.system_read(viewers.listed):
        sealed, broken = await installation.database.write(viewer.id, _reseal, vault)
        done, unreadable = done + sealed, unreadable + broken
    sealed, broken = await installation.database.system(_reseal_clients, vault)
    return Rotated(sealed=done + sealed, unreadable=unreadable + broken, key_file=by_file)


def retire(settings: Settings) -> None:
    """Forget the former keys of the key file: after a rotation, once every process has been started anew."""
    first = secret_key.stored_keys(settings)[0]
    secret_key.keep_only(settings.home, first)


def _reseal(conn: Connection, viewer: str, vault: Vault) -> tuple[int, int]:
    done = broken = 0
    for table, row, column, blob in sealed_secrets(conn, viewer):
        if vault.current(blob):
            continue
        try:
            plain = vault.open(blob, viewer, table, row, column)
        except SealBroken:
            broken += 1
            continue
        c = secret.c
        done += conn.execute(
            sa.update(secret)
            .where(c.viewer_id == viewer, c.table_name == table, c.row_id == row, c.column_name == column, c.sealed == blob)
            .values(sealed=vault.seal(plain, viewer, table, row, column))
        ).rowcount
    return done, broken


def _reseal_clients(conn: Connection, vault: Vault) -> tuple[int, int]:
    done = broken = 0
    for place, blob in sealed_clients(conn):
        if vault.current(blob):
            continue
        try:
            plain = vault.open(blob, "", links.CLIENT_PLACE[0], place, links.CLIENT_PLACE[1])
        except SealBroken:
            broken += 1
            continue
        c = client_registration.c
        fresh = vault.seal(plain, "", links.CLIENT_PLACE[0], place, links.CLIENT_PLACE[1])
        done += conn.execute(sa.update(client_registration).where(c.sealed == blob).values(sealed=fresh)).rowcount
    return done, broken
