"""The command `kith`: every group of commands."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from gateway.cli.frame import app
from gateway.mistakes import answered

GROUPS: Final = ("accounts", "asking", "exporting", "importing", "keeping", "resolving", "serving", "signin")
#: Commands that become another process at once: what all the groups import would be loaded for nothing.
LASTING: Final = {"serve": "serving", "worker": "serving"}


def register(asked: Sequence[str] = ()) -> None:
    """Import the groups of commands, each of which adds its own to `app`; all of them unless what is `asked` begins with a lasting one."""
    alone = LASTING.get(asked[0]) if asked else None
    for group in GROUPS if alone is None else (alone,):
        importlib.import_module(f"gateway.cli.{group}")


def main() -> None:
    """The command `kith`."""
    register(sys.argv[1:])
    answered(app)
