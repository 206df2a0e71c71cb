"""The command `kith`: every group of commands, and what becomes of mistakes: a sentence and an exit status, never a traceback."""

from __future__ import annotations

import importlib
import sys
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.frame import FAILED, MISUSE, CommandFailed, app, tell
from gateway.people import BadName
from gateway.settings import SettingsError
from providers.errors import ProviderError
from store.database import DatabaseUnavailable

GROUPS: Final = ("accounts", "asking", "exporting", "importing", "keeping", "resolving", "serving", "signin")


def register() -> None:
    """Import every group of commands: each adds its own to `app`."""
    for group in GROUPS:
        importlib.import_module(f"gateway.cli.{group}")


def main() -> None:
    """The command `kith`."""
    register()
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
