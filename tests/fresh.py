"""Empty databases of this release, copied from one that was migrated: a migration takes half a second, a copy none.

The migrations themselves are tested in tests/store/test_migrations.py.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from store import migrate
from tests import servers

_sqlite: dict[str, bytes] = {}  # by the release's last revision
_postgresql: dict[int, servers.Postgres] = {}  # by the cluster's port


async def sqlite(file: Path) -> None:
    """An empty, migrated SQLite database at `file`, unless one is there."""
    if (content := _sqlite.get(migrate.head())) is None:
        with tempfile.TemporaryDirectory(prefix="kt-fresh-") as folder:
            made = Path(folder) / "kith.db"
            await migrate.migrate(f"sqlite:///{made}")
            content = _sqlite[migrate.head()] = _content(made)
    _put(file, content)


async def postgresql(server: servers.Postgres) -> servers.Postgres:
    """An empty, migrated database in the cluster of `server`."""
    port = server.server.port
    if port not in _postgresql:
        first = server.fresh_database()
        await migrate.migrate(first.owner_url)
        _postgresql[port] = first
    return _postgresql[port].copied()


def _content(file: Path) -> bytes:
    return file.read_bytes()  # its last connection is closed: nothing is left in a log


def _put(file: Path, content: bytes) -> None:
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(file, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(content)
