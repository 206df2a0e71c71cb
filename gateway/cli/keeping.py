"""doctor, keys, disclosures: keeping an installation well, and an eye on what leaves it."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import typer

from gateway import doctor as examining
from gateway import rotation, verification
from gateway.app import open_installation
from gateway.cli.frame import JsonOption, ViewerOption, app, load, out, run, show, show_json, tell
from gateway.installation import Installation
from gateway.mistakes import CommandFailed
from gateway.people import named
from gateway.settle import JobDead
from resolvers.disclosures import Shown, of
from store import accounts, disclosures

keys_app = typer.Typer(help="The keys that seal stored secrets.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
PAGE: Final = 500
COLUMNS: Final = (
    "sent_at", "source", "recipient", "purpose", "consented_at", "sent", "request", "body", "outcome", "http_status", "price", "answered_at",
)  # fmt: skip
SIGNS = {"ok": "  ok  ", "note": " note ", "wrong": "WRONG "}


@app.command()
def doctor(
    retry: Annotated[bool, typer.Option("--retry", help="Try jobs again that were given up.")] = False,
    verify: Annotated[
        str | None, typer.Option("--verify", metavar="ACCOUNT", help="Compare an account's ids with its network, and repair.")
    ] = None,
    viewer: ViewerOption = None,
    json: JsonOption = False,
) -> None:
    """Look at everything that can be wrong, and say what to do."""
    settings = load()
    if verify is not None:
        _verify(verify, viewer, as_json=json)
        return
    found = run(lambda: examining.examine(settings, retry=retry))
    if json:
        show_json([msgspec.structs.asdict(finding) for finding in found])
    else:
        for finding in found:
            out().print(f"{SIGNS[finding.level]} {finding.check}: {finding.message}", markup=False)
    if any(finding.level == "wrong" for finding in found):
        raise typer.Exit(1)


@app.command("disclosures")
def list_disclosures(viewer: ViewerOption = None, json: JsonOption = False) -> None:
    """Write out what was sent about people to outside sources, oldest first, as CSV."""

    async def work() -> None:
        table = csv.writer(sys.stdout)
        if not json:
            table.writerow(COLUMNS)
        async with open_installation(load()) as installation:
            async for shown in _log(installation, (await named(installation, viewer)).id):
                row = _cells(shown)
                if json:
                    show_json(dict(zip(COLUMNS, row, strict=True)))
                else:
                    table.writerow(row)

    run(work)


async def _log(installation: Installation, viewer: str) -> AsyncIterator[Shown]:
    after: tuple[datetime, str] | None = None
    while page := await installation.database.read(viewer, disclosures.following, after, PAGE):
        for kept in page:
            yield of(kept)
        after = (page[-1].sent_at, page[-1].id)


def _cells(shown: Shown) -> list[Any]:
    found = []
    for name in COLUMNS:
        value = getattr(shown, name)
        found.append(value.isoformat() if isinstance(value, datetime) else "; ".join(value) if isinstance(value, list) else value)
    return found


def _verify(account: str, viewer: str | None, *, as_json: bool) -> None:
    async def work() -> list[verification.Line]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            listed = await installation.database.read(whose.id, accounts.listed)
            chosen = next((a for a in listed if account in (a.id, a.label)), None)
            if chosen is None:
                raise CommandFailed(f"there is no account {account!r}: `kith accounts` names them")
            try:
                return await verification.verify(installation, whose.id, chosen.id)
            except verification.CannotVerify as error:
                raise CommandFailed(f"{chosen.label} cannot be compared. {error}") from None
            except JobDead as error:
                raise CommandFailed(f"{error}; `kith doctor --retry` tries again") from None

    lines = run(work)
    columns = {"container": "in", "kind": "", "expected": "stated", "before": "had", "stored": "has", "agrees": "agrees"}
    rows = [{**msgspec.structs.asdict(line), "agrees": line.agrees} for line in lines]
    show(rows, columns, as_json=as_json, empty="The network lists nothing, and nothing is stored.")
    if not all(line.agrees for line in lines):
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
