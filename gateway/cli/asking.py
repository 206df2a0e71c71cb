"""query, schema: GraphQL from the command line, by the same way in as everybody else's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.app import open_installation
from gateway.cli.frame import ViewerOption, app, load, run, show_json
from gateway.execution.request import GraphQLRequest
from gateway.mistakes import MISUSE, CommandFailed
from gateway.people import named
from gateway.signin.door import command


@app.command()
def query(
    file: Annotated[str, typer.Argument(help="A file with the operation; - reads it from standard input.")] = "-",
    variables: Annotated[str, typer.Option(help="The variables as JSON, or @FILE.")] = "{}",
    operation: Annotated[str | None, typer.Option(help="Which operation, if the file has several.")] = None,
    viewer: ViewerOption = None,
) -> None:
    """Run a GraphQL operation and print the answer."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        given = orjson.loads(Path(variables[1:]).read_bytes() if variables.startswith("@") else variables)
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}", MISUSE) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is no text in UTF-8", MISUSE) from None
    except orjson.JSONDecodeError as error:
        raise CommandFailed(f"--variables is no JSON: {error}", MISUSE) from None
    if not isinstance(given, dict):
        raise CommandFailed("--variables must be a JSON object", MISUSE)

    async def work() -> bool:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            request = GraphQLRequest(query=text, operation_name=operation, variables=given)
            failed = False
            async for answer in installation.execution.stream(request, command(whose)):
                show_json(answer.body())
                failed = failed or bool(answer.errors)
            return failed

    if run(work):
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from schema.sdl import printed

    print(printed(), end="")
