"""What becomes of what a process cannot do: a sentence on stderr and an exit status, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

MISUSE: Final = 2  # exit status for settings and arguments that cannot be used
FAILED: Final = 1
INTERRUPTED: Final = 130  # 128 and the number of SIGINT, as shells say it


class CommandFailed(Exception):
    """A command could not do its work; the message says why and what to do."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def answered(work: Callable[[], object]) -> None:
    """Do `work`. Raises SystemExit after a mistake that has a sentence, and what is no mistake of people as it is."""
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        said = _said(error)
        if said is None:
            raise
        sentence, status = said
        sys.stderr.write(f"kith: {sentence}\n")
        sys.exit(status)


def _said(error: Exception) -> tuple[str, int] | None:
    from sqlalchemy.exc import SQLAlchemyError  # only here: `kith serve` begins without them

    from gateway.people import BadName
    from gateway.settings import SettingsError
    from providers.errors import ProviderError
    from store.database import DatabaseUnavailable

    if isinstance(error, SettingsError | BadName):
        return str(error), MISUSE
    if isinstance(error, CommandFailed):
        return str(error), error.status
    if isinstance(error, ProviderError):
        return error.message, FAILED
    if isinstance(error, DatabaseUnavailable):
        return str(error), FAILED
    if isinstance(error, SQLAlchemyError):
        return f"the database refused: {str(error).splitlines()[0]}; `kith doctor` looks closer", FAILED
    return None
