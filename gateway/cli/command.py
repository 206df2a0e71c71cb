"""The command `kith`: every group of commands, and what becomes of mistakes: a sentence and an exit status, never a traceback."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.frame import FAILED, MISUSE, CommandFailed, app, tell
from gateway.people import BadName
from gateway.settings import SettingsError
from providers.errors import ProviderError
from store.database import DatabaseUnavailable

GROUPS: Final = ("accounts", "asking", "exporting", "importing", "keeping", "resolving", "serving", "signin")
#: Commands that run for weeks and are therefore given their own group alone: what others import would stay in memory.
LASTING: Final = {"serve": "serving", "worker": "serving"}


def register(asked: Sequence[str] = ()) -> None:
    """Import the groups of commands, each of which adds its own to `app`; all of them unless what is `asked` begins with a lasting one."""
    alone = LASTING.get(asked[0]) if asked else None
    for group in GROUPS if alone is None else (alone,):
        importlib.import_module(f"gateway.cli.{group}")


def main() -> None:
    """The command `kith`."""
    register(sys.argv[1:])
    try:
        app()
    except SettingsError as error:
        tell(f"kith: {error}")
        sys.exit(MISUSE)
    except (BadName, CommandFailed) as error:
        tell(f"kith: {error}")
        sys.exit(getattr(error, "status", MISUSE))
    except ProviderError as error:
        tell(f"kith: {error.message}")
        sys.exit(FAILED)
    except DatabaseUnavailable as error:
        tell(f"kith: {error}")
        sys.exit(FAILED)
    except SQLAlchemyError as error:
        tell(f"kith: the database refused: {str(error).splitlines()[0]}; `kith doctor` looks closer")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
