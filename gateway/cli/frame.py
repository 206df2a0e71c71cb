"""What every command stands in: settings read, the installation opened, lists as table or JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
import typer
import uvloop
from msgspec.structs import replace

from gateway import settings as configuration
from gateway.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

app = typer.Typer(
    name="kith",
    help="One GraphQL API for the people you know.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ViewerOption = Annotated[str | None, typer.Option("--viewer", help="Whose; the owner by default. A new name makes a new viewer.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cache
def out() -> Console:
    """Where a command puts what it is for."""
    from rich.console import Console  # loaded for who says something: `serve` and `worker` do not, for weeks

    return Console(highlight=False, soft_wrap=True)


@cache
def err() -> Console:
    """Where it puts what it says to people."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def load(**given: Any) -> Settings:
    """The settings, with the log configured: commands that end by themselves say what matters on their own."""
    from gateway.log import configure_log  # `kith serve` becomes another process, which makes a log of its own

    settings = configuration.load(**given)
    configure_log(replace(settings, log_level="warning") if settings.log_level == "info" else settings)
    return settings


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a command's coroutine on uvloop."""

    async def main() -> T:
        return await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def show(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool, empty: str) -> None:
    """Rows as a table with these columns (key → heading), or as a JSON list with everything."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        out().print(empty, markup=False)
        return
    from rich.table import Table

    table = Table(*columns.values(), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    out().print(table, markup=False)


def show_json(value: Any) -> None:
    """JSON on stdout, nothing else beside it."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def tell(text: str) -> None:
    """A line for people, on stderr, so that stdout stays what the command is for."""
    err().print(text, markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
