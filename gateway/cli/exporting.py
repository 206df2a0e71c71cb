"""export: what Kith has, as files that it takes in again without loss."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from gateway.app import open_installation
from gateway.cli.frame import ViewerOption, app, load, run
from gateway.mistakes import MISUSE, CommandFailed
from gateway.people import named
from resolvers import exporting
from resolvers.exporting import MEDIA_TYPES, Form
from resolvers.operation import Operation

export_app = typer.Typer(help="Files of what is here.", no_args_is_help=True)
app.add_typer(export_app, name="export")


@export_app.command()
def contacts(
    form: Annotated[str, typer.Option("--format", help="vcard (RFC 6350) or jscontact (RFC 9553).")] = "vcard",
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to; standard output by default.")] = None,
    viewer: ViewerOption = None,
) -> None:
    """Write all contacts, pictures and unknown properties included."""
    wanted = next((one for one in MEDIA_TYPES if one == form), None)
    if wanted is None:
        raise CommandFailed(f"--format is {' or '.join(MEDIA_TYPES)}", MISUSE)
    if to is None:
        run(lambda: _write(wanted, sys.stdout.buffer, viewer))
        return
    try:  # whole or not at all: what was there stays until the new file is
        handle, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                run(lambda: _write(wanted, file, viewer))
                os.fsync(file.fileno())
            Path(name).replace(to)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandFailed(f"{to}: {error.strerror}") from None


async def _write(form: Form, file: BinaryIO, viewer: str | None) -> None:
    async with open_installation(load()) as installation:
        whose = await named(installation, viewer)
        operation = Operation(installation.services, whose.id, frozenset({"read", "admin"}))
        async for piece in exporting.contacts(operation, form):
            file.write(piece)
        file.flush()
