"""login, viewers, token: who may come in."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from gateway.app import open_installation
from gateway.cli.frame import JsonOption, ViewerOption, app, load, run, show, tell
from gateway.mistakes import MISUSE, CommandFailed
from gateway.people import add, named
from gateway.signin import keys
from store import viewers

viewers_app = typer.Typer(help="The people who use this installation.", no_args_is_help=True)
token_app = typer.Typer(help="Keys for programs.", no_args_is_help=True)
app.add_typer(viewers_app, name="viewers")
app.add_typer(token_app, name="token")
DEFAULT_SCOPES = ["read", "write"]


@app.command()
def login(viewer: ViewerOption = None) -> None:
    """Print a sign-in link for a browser; it works once, for 15 minutes."""

    async def work() -> str:
        settings = load()
        async with open_installation(settings) as installation:
            whose = await named(installation, viewer)
            return f"{settings.url}/login/{await installation.door.login_link(whose.id)}"

    print(run(work))


@viewers_app.command("list")
def list_viewers(json: JsonOption = False) -> None:
    """Everybody, the oldest first."""

    async def work() -> list[dict[str, Any]]:
        async with open_installation(load()) as installation:
            found = await installation.database.system_read(viewers.listed)
            return [
                {"id": v.id, "name": v.name, "owner": v.owner, "createdAt": v.created_at, "disabledAt": v.disabled_at}
                for v in found
            ]

    columns = {"name": "name", "owner": "owner", "createdAt": "since", "disabledAt": "disabled"}
    show(run(work), columns, as_json=json, empty="Nobody yet: the owner is made at the first start.")


@viewers_app.command("add")
def add_viewer(name: Annotated[str, typer.Argument(help="The name; 1 to 64 characters.")]) -> None:
    """Make a viewer and print a sign-in link for them."""

    async def work() -> str:
        settings = load()
        async with open_installation(settings) as installation:
            if await installation.database.system_read(viewers.find, name):
                raise CommandFailed(f"there is a viewer {name!r} already: `kith login --viewer {name}` makes a sign-in link")
            await named(installation, None)  # the first of all is the owner
            whose = await add(installation, name)
            return f"{settings.url}/login/{await installation.door.login_link(whose.id)}"

    print(run(work))


@viewers_app.command("disable")
def disable_viewer(
    name: Annotated[str, typer.Argument(help="Whom.")],
    enable: Annotated[bool, typer.Option("--enable", help="Let them in again.")] = False,
) -> None:
    """Shut a viewer out: keys, sessions and open subscriptions end within 5 seconds. Nothing of theirs is erased."""

    async def work() -> None:
        async with open_installation(load()) as installation:
            whose = await installation.database.system_read(viewers.find, name)
            if whose is None:
                raise CommandFailed(f"there is no viewer {name!r}: `kith viewers list` names them")
            await installation.database.system(viewers.disable, whose.id, None if enable else installation.clock.now())

    run(work)
    tell(f"{name} may come in again." if enable else f"{name} is shut out.")


@token_app.command("create")
def create_token(
    viewer: ViewerOption = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write, send or admin; again for more. Default: read, write.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for, to recognise it.")] = "command line",
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Ends after so many days; never by default.")] = None,
) -> None:
    """Make an API key and print it, alone, on stdout. It is shown this once."""
    wanted = [part for text in scope or DEFAULT_SCOPES for part in text.split(",")]

    async def work() -> tuple[str, str]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            now = installation.clock.now()
            expires = None if days is None else now + timedelta(days=days)

            def make(conn: Connection) -> tuple[str, viewers.ApiKey]:
                return keys.create(conn, whose.id, name, wanted, now, expires)

            try:
                token, made = await installation.database.system(make)
            except ValueError as error:
                raise CommandFailed(str(error), MISUSE) from None
            return token, f"A key for {whose.name}: {', '.join(made.scopes)}. Send it as `Authorization: Bearer …`."

    token, sentence = run(work)
    tell(sentence)
    print(token)
