"""doctor, keys: keeping an installation well."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from gateway import doctor as examining
from gateway import rotation
from gateway.app import open_installation
from gateway.cli.frame import JsonOption, app, load, out, run, show_json, tell

keys_app = typer.Typer(help="The keys that seal stored secrets.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
SIGNS = {"ok": "  ok  ", "note": " note ", "wrong": "WRONG "}


@app.command()
def doctor(
    retry: Annotated[bool, typer.Option("--retry", help="Try jobs again that were given up.")] = False, json: JsonOption = False
) -> None:
    """Look at everything that can be wrong, and say what to do."""
    settings = load()
    found = run(lambda: examining.examine(settings, retry=retry))
    if json:
        show_json([msgspec.structs.asdict(finding) for finding in found])
    else:
        for finding in found:
            out.print(f"{SIGNS[finding.level]} {finding.check}: {finding.message}", markup=False)
    if any(finding.level == "wrong" for finding in found):
        raise typer.Exit(1)


@keys_app.command()
def rotate(
    retire: Annotated[
        bool, typer.Option("--retire", help="Also forget the former keys; after processes were started anew.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Seal every stored secret with a new key (or the first of KITH_SECRET_KEY)."""

    async def work() -> rotation.Rotated:
        async with open_installation(load()) as installation:
            return await rotation.rotate(installation)

    done = run(work)
    if retire and not done.unreadable:
        rotation.retire(load())
    if json:
        show_json(msgspec.structs.asdict(done))
        return
    tell(f"{done.sealed} secrets are sealed with the {'new' if done.key_file else 'first'} key.")
    if done.unreadable:
        tell(f"{done.unreadable} could not be opened and were left as they are: `kith doctor` says more.")
    if done.key_file and not retire:
        tell("Running processes still seal with the former key: start them anew, then run `kith keys rotate --retire`.")
