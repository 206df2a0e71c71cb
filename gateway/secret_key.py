"""The installation's own secret: from KITH_SECRET_KEY, else from a key file that only its owner may read.

The file is made at the first start. It is never made once secrets are stored: a new key could open none of them, and would
hide that the right one is missing.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from gateway.settings import Settings, SettingsError
from store.tables import client_registration, oauth_state, secret

FILE: Final = "secret.key"
_NONE_READABLE: Final = stat.S_IRWXG | stat.S_IRWXO


def prepare_home(home: Path) -> None:
    """Make the data folder, for its owner alone. Raises SettingsError when that cannot be."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(home.stat().st_mode) & _NONE_READABLE:
            home.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"KITH_HOME: the folder {home} cannot be used: {error.strerror or error}") from None


def stored_keys(settings: Settings) -> list[bytes]:
    """The keys there are, the sealing one first; empty at a first start. Raises SettingsError for a file that others can read."""
    keys = settings.secret_keys()
    path = settings.home / FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _NONE_READABLE:
            raise SettingsError(f"the key file {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")
        # a file that stays after KITH_SECRET_KEY was set still opens what it sealed
        keys.extend(line.encode() for line in path.read_text().split() if line.encode() not in keys)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SettingsError(f"the key file {path} cannot be read: {error.strerror or error}") from None
    return keys


def make(home: Path) -> bytes:
    """Write a new key file and return its key; when another process was faster, its key."""
    path = home / FILE
    key = secrets.token_hex(32)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().split()[0].encode()
    with os.fdopen(handle, "w") as file:
        file.write(key + "\n")
    return key.encode()


def prepend(home: Path) -> bytes:
    """Put a new key before those in the file (`kith keys rotate`); the former ones go on opening."""
    path = home / FILE
    former = path.read_text().split() if path.exists() else []
    key = secrets.token_hex(32)
    _replace(path, [key, *former])
    return key.encode()


def keep_only(home: Path, key: bytes) -> None:
    """Forget all keys of the file but one."""
    _replace(home / FILE, [key.decode()])


def sealed_values(conn: Connection, viewer: str = "") -> int:
    """How many sealed values `viewer` has; without one: those of system tables."""
    if viewer:
        return int(conn.execute(select(func.count()).select_from(secret).where(secret.c.viewer_id == viewer)).scalar_one())
    return sum(
        int(conn.execute(select(func.count()).select_from(table).where(table.c.sealed.is_not(None))).scalar_one())
        for table in (oauth_state, client_registration)
    )


def _replace(path: Path, keys: list[str]) -> None:
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
