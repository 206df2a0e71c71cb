"""import, demo: data that is taken in at once. Both return when all of it is there, people included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway import worker as working
from gateway.app import open_installation
from gateway.cli.frame import JsonOption, ViewerOption, app, err, load, run, show, show_json, tell
from gateway.imports import ImportRefused, Staged, failed_rows, outcomes_by_file
from gateway.installation import Installation
from gateway.mistakes import CommandFailed
from gateway.people import named
from gateway.settle import JobDead, settle
from gateway.worker import Worker

SHOWN_ROWS = 20  # bad rows named on the terminal; all are in the API and in --json
SHOWN_ALIKE = 3  # files left out for one reason
SHOWN_FILES = 50  # of one import; a folder of single mails has thousands
KEPT_ROWS = 1_000
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the work is queued.")]
OUTCOMES = {
    "fileName": "file", "format": "format", "state": "state", "created": "new", "updated": "changed", "unchanged": "unchanged",
    "skipped": "skipped", "failed": "failed",
}  # fmt: skip


FILE_OUTCOMES = {
    "path": "file",
    **{name: title for name, title in OUTCOMES.items() if name not in ("fileName", "format", "state")},
}


@app.command("import")
def import_files(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…",
            help="Files, folders or zip archives: vCard, CSV, LDIF, mbox, Maildir, .eml, exports of networks, phones and chats.",
        ),
    ],
    viewer: ViewerOption = None,
    me: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Your own address in these mails, or your name in these chats.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Take only files of this format: VCARD, MBOX, WHATSAPP, TELEGRAM, LINKEDIN and so on.")
    ] = None,
    no_wait: NoWait = False,
    json: JsonOption = False,
) -> None:
    """Take in files: address books, mail, and exports of networks, phones and chats."""

    async def work() -> dict[str, Any]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            worker = working.of(installation)
            try:
                staged, unrecognised = await worker.imports.stage(whose.id, paths, me=me, format=format)
            except ImportRefused as error:
                raise CommandFailed(str(error)) from None
            if not json:
                _tell_whose(staged, me)
                _tell_left_out(unrecognised)
            if not no_wait:
                jobs = [("import", item.import_id) for item in staged] + [("identity", whose.id)]
                await _with_progress(worker, whose.id, [item.import_id for item in staged], jobs, quiet=json)
            return await _outcome(installation, worker, whose.id, [item.import_id for item in staged])

    _show(run(work), as_json=json)


@app.command()
def demo(
    viewer: ViewerOption = None,
    no_wait: NoWait = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the demo's server; what was taken in stays.")] = False,
    json: JsonOption = False,
) -> None:
    """Take in invented people: vCards, mail and a Mastodon-compatible server of their own. Again changes nothing."""
    from gateway.demo import run as sample

    if stop:
        ended = sample.stop(load().home)
        tell("The demo's server has ended." if ended else "The demo's server was not running.")
        return

    async def work() -> dict[str, Any]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            worker = working.of(installation)
            try:
                done = await sample.run(
                    worker, whose.id, installation.home, wait=not no_wait, tell=(lambda text: None) if json else tell
                )
            except sample.DemoRefused as error:
                raise CommandFailed(str(error)) from None
            except JobDead as error:
                raise CommandFailed(f"{error}; `kith doctor --retry` tries again") from None
            outcome = await _outcome(installation, worker, whose.id, done.import_ids)
            return {**outcome, "accountId": done.account_id, "server": done.server}

    _show(run(work), as_json=json)


async def _with_progress(
    worker: Worker, viewer: str, import_ids: Sequence[str], jobs: Sequence[tuple[str, str]], *, quiet: bool
) -> None:
    """Wait for the jobs with a bar for each import."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), disable=quiet or not err().is_terminal) as bars:
        tasks = {import_id: bars.add_task("import", total=None) for import_id in import_ids}

        async def progress() -> None:
            for report in await worker.imports.reports(viewer, import_ids):
                bars.update(tasks[report.import_id], description=report.file_name, completed=report.done, total=report.total)

        try:
            await settle(worker, viewer, jobs, progress)
        except JobDead as error:
            raise CommandFailed(f"{error}; `kith doctor --retry` tries again") from None


async def _outcome(installation: Installation, worker: Worker, viewer: str, import_ids: Sequence[str]) -> dict[str, Any]:
    imports = []
    for report in await worker.imports.reports(viewer, list(import_ids)):
        rows = await installation.database.read(viewer, failed_rows, report.import_id, KEPT_ROWS)
        by_file = await installation.database.read(viewer, outcomes_by_file, report.import_id, SHOWN_FILES)
        imports.append(
            {
                **{_camel(name): value for name, value in msgspec.structs.asdict(report).items()},
                "files": by_file,
                "rows": [
                    {"position": r.position, "path": r.path, "line": r.line, "outcome": r.outcome, "message": r.message}
                    for r in rows
                ],
            }
        )
    return {"imports": imports}


def _show(outcome: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(outcome)
    else:
        show(outcome["imports"], OUTCOMES, as_json=False, empty="Nothing was imported.")
        for item in outcome["imports"]:
            if len(item["files"]) > 1:
                show(item["files"], FILE_OUTCOMES, as_json=False, empty="")
            for row in item["rows"][:SHOWN_ROWS]:
                place = f"{row['path'] or item['fileName']}{':' + str(row['line']) if row['line'] else ''}"
                tell(f"  {row['outcome'].lower()} {place} (item {row['position']}): {row['message']}")
            if len(item["rows"]) > SHOWN_ROWS:
                tell(f"  … and {len(item['rows']) - SHOWN_ROWS} more: --json lists them")
            if item["error"]:
                tell(f"  {item['fileName']}: {item['error']}")
    if any(item["state"] == "FAILED" for item in outcome["imports"]):
        raise typer.Exit(1)


def _tell_whose(staged: Sequence[Staged], me: str | None) -> None:
    """Say how files were understood and whose mail it was taken for, so that a wrong guess is seen at once."""
    for item in staged:
        for remark in item.remarks:
            tell(remark)
        if item.own_address is not None and me is None:
            tell(f"{item.file_name}: taken as the mail of {item.own_address} (say --me if that is wrong)")
        elif item.own_address is None and item.candidates:
            likely = ", ".join(address for address, _ in item.candidates[:3])
            tell(f"{item.file_name}: could not tell which address is yours ({likely}?): import again with --me ADDRESS")


def _tell_left_out(unrecognised: Sequence[tuple[Path, str]]) -> None:
    """What is not imported and why; of many files with one reason, the first ones."""
    by_reason: dict[str, list[Path]] = {}
    for path, reason in unrecognised:
        by_reason.setdefault(reason, []).append(path)
    for reason, paths in by_reason.items():
        for path in paths[:SHOWN_ALIKE]:
            tell(f"Left out {path}: {reason}")
        if len(paths) > SHOWN_ALIKE:
            tell(f"  … and {len(paths) - SHOWN_ALIKE} more for the same reason")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
