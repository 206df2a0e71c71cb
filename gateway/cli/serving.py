"""serve, worker, migrate: the processes of an installation."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import settings as configuration
from gateway.cli.frame import app, load, run, tell
from gateway.lasting import Serving, Working, become
from gateway.settings import SettingsError


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; KITH_HOST by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Web processes; more than one needs KITH_REDIS_URL.")] = 1,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start no worker beside the web process.")] = False,
) -> None:
    """Serve the API, with one worker beside it."""
    from gateway.listener import bind

    settings = configuration.load(host=host, port=port)
    settings.check_bind()
    if workers > 1 and not settings.redis_url:
        raise SettingsError("--workers needs a cache that processes can share: set KITH_REDIS_URL, or serve with one")
    listener = bind(settings)
    become(
        Serving(listener=listener.fileno(), processes=workers, beside=not no_worker),
        {configuration.variable("host"): settings.host, configuration.variable("port"): str(listener.getsockname()[1])},
    )


@app.command()
def worker() -> None:
    """Do background work: synchronise, import, resolve people."""
    configuration.load()  # what is wrong with them is said before
    become(Working())


@app.command()
def migrate() -> None:
    """Bring the database to this release."""
    from gateway import secret_key
    from store import migrate as migrations

    settings = load()
    secret_key.prepare_home(settings.home)
    applied = run(lambda: migrations.migrate(settings.database))
    for revision in applied:
        tell(f"applied {revision}")
    tell("The database is at this release." if applied else "The database was at this release already.")
