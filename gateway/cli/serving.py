"""serve, worker, migrate: the processes of an installation."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from gateway import secret_key
from gateway.cli.frame import app, load, run, tell
from gateway.memory import share_one_arena
from gateway.settings import SettingsError


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; KITH_HOST by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Web processes; more than one needs KITH_REDIS_URL.")] = 1,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start no worker beside the web process.")] = False,
    inherited: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Serve the API, with one worker beside it."""
    from gateway import serve as serving

    settings = load(serving=True, host=host, port=port)
    settings.check_bind()
    if workers > 1 and not settings.redis_url:
        raise SettingsError("--workers needs a cache that processes can share: set KITH_REDIS_URL, or serve with one")
    listener = socket.socket(fileno=inherited) if inherited >= 0 else serving.bind(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    run(lambda: serving.serve(settings, listener, workers=workers, worker=not no_worker, child=inherited >= 0))


@app.command()
def worker(supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False) -> None:
    """Do background work: synchronise, import, resolve people."""
    from gateway import worker_process

    share_one_arena()
    settings = load(serving=True)
    run(lambda: worker_process.run(settings, supervised=supervised))


@app.command()
def migrate() -> None:
    """Bring the database to this release."""
    from store import migrate as migrations

    settings = load()
    secret_key.prepare_home(settings.home)
    applied = run(lambda: migrations.migrate(settings.database))
    for revision in applied:
        tell(f"applied {revision}")
    tell("The database is at this release." if applied else "The database was at this release already.")
