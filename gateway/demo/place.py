"""Where the demo's server is, for who has to let accounts be linked there: all that a serving process knows of the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = "demo"  # within the data folder
RECORD: Final = "server.json"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where the demo's server is, its process, and the viewer's token there."""

    port: int
    pid: int
    token: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def known(folder: Path) -> Server | None:
    """The server of an earlier run, running or not."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Server)
    except (OSError, msgspec.DecodeError):
        return None


def allowed(home: Path) -> list[str]:
    """The demo server's place as KITH_ALLOW_PRIVATE_HOSTS writes it, once an operator has run the demo."""
    server = known(home / FOLDER)
    return [] if server is None else [f"127.0.0.1/32:{server.port}"]
