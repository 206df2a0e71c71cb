"""Importing a file that was put up: what is wanted is written down at once, the leased job `import` does the rest (gateway/imports.py).

The request neither opens the file nor waits for it: which format it is of, how many items it has and whose it is, the job finds out first.
Until then the import has no format and no account. The upload is held as long as the import is open (store/uploads.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.base import Provider
from providers.formats import file_name
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.profile import region_of
from resolvers.uploads import ready
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import accounts, ids, leases, uploads
from store.feed import Recorder
from store.tables import import_run

MAX_NAME: Final = 1_000  # characters that are looked at
MAX_ATTEMPTS: Final = 100  # of the job: each goes on where the last one was cut
#: Formats that are databases of a running program: `kith import` reads them where they lie, with what belongs to them.
COMMAND_LINE_ONLY: Final = frozenset({"IMESSAGE"})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an import has to take in: its row's plan until the file has been looked through."""

    upload_id: str
    format: str | None = None
    account_id: str | None = None
    region: str | None = None


def readable(providers: Mapping[str, Provider]) -> tuple[str, ...]:
    """The formats that files may be put up in."""
    return tuple(sorted({form for p in providers.values() if p.archive for form in p.archive_formats} - COMMAND_LINE_ONLY))


def unreadable(format: str, providers: Mapping[str, Provider]) -> str | None:
    """Why files of a format are not taken, as a sentence; None for those that are."""
    if format in COMMAND_LINE_ONLY:
        return f"Files of the format {format} are read by the command `kith import` only, on the machine where they are."
    known = readable(providers)
    return None if format in known else f"The format {format} cannot be imported; formats are {', '.join(known)}."


async def begin(
    operation: Operation,
    upload_id: str,
    *,
    name: str | None,
    format: str | None,
    account_id: str | None,
    region: str | None,
    key: str | None,
) -> Payload:
    """Import a file that is put up; what is None is found out, and so is an empty name."""
    now = operation.now()
    providers = operation.services.providers

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        if format is not None and (reason := unreadable(format, providers)) is not None:
            raise Mistaken(Mistake(code="UNSUPPORTED", message=reason, field=("format",)))
        if account_id is not None:
            _check_account(conn, viewer, account_id, format, providers)
        wanted = Wanted(upload_id=upload_id, format=format, account_id=account_id, region=region_of(region or ""))
        put_up = uploads.by_id(conn, viewer, [upload_id], lock=True).get(upload_id)
        file = ready(put_up, upload_id, ("file", "uploadId"), now)
        import_id = ids.mint("IMPORT")
        shown = file_name.safe((name or "")[:MAX_NAME]) or file.name
        queue(conn, viewer, recorder, import_id, shown, msgspec.json.encode(wanted), now)
        uploads.use(conn, viewer, import_id, [upload_id])
        return Answer(node_id=import_id)

    done = await perform(operation, "importArchive", key, [upload_id, name, format, account_id, region], write)
    return payload(operation, done, import_id="node_id")


async def cancel(operation: Operation, import_id: str, key: str | None) -> Payload:
    """End an import that is waiting or under way; what it has stored stays. The job puts its files away."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        run = import_run.c
        row = conn.execute(
            select(run.state, run.account_id).where(run.viewer_id == viewer, run.id == import_id).with_for_update()
        ).one_or_none()
        if row is None:
            if ids.kind_of(import_id) in (None, "IMPORT"):
                raise Mistaken(not_found(import_id, "importId"))
            raise Mistaken(NodeMistake(code="WRONG_KIND", message="This is no import.", field=("importId",), node_id=import_id))
        if row.state not in (*uploads.OPEN_IMPORTS, "CANCELLED"):
            text = "This import has ended already: what it brought is here."
            raise Mistaken(NodeMistake(code="ALREADY_DONE", message=text, field=("importId",), node_id=import_id))
        if row.state != "CANCELLED":
            ended = sa.update(import_run).where(run.viewer_id == viewer, run.id == import_id)
            version = conn.execute(
                ended.values(state="CANCELLED", finished_at=now, version=run.version + 1).returning(run.version)
            ).scalar_one()
            recorder.upsert("IMPORT", import_id, version)
            settle(conn, viewer, row.account_id, recorder, now)
        return Answer(node_id=import_id)

    return payload(operation, await perform(operation, "cancelImport", key, [import_id], write), import_id="node_id")


def settle(conn: Connection, viewer: str, account_id: str | None, recorder: Recorder, now: datetime) -> None:
    """An account has what an import brought; how one stands that is linked as well, its network says."""
    found = None if account_id is None else accounts.get(conn, viewer, account_id)
    if found is not None and not found.base_url:
        accounts.change(conn, viewer, found.id, recorder, status="ACTIVE", status_reason=None, last_synced_at=now, phase=None)


def queue(
    conn: Connection,
    viewer: str,
    recorder: Recorder,
    import_id: str,
    name: str,
    plan: bytes,
    now: datetime,
    *,
    format: str = "",
    account_id: str | None = None,
    total: int | None = None,
) -> None:
    """Write an import down and ask for its job. Without a format the job looks through the file first."""
    conn.execute(
        import_run.insert().values(
            viewer_id=viewer, id=import_id, file_name=name, format=format, state="QUEUED", account_id=account_id, plan=plan, total=total,
            created_at=now,
        )
    )  # fmt: skip
    recorder.upsert("IMPORT", import_id, 1, created=True)
    leases.enqueue(conn, viewer, "import", import_id, now, max_attempts=MAX_ATTEMPTS)


def _check_account(conn: Connection, viewer: str, account_id: str, format: str | None, providers: Mapping[str, Provider]) -> None:
    field = ("accountId",)
    account = accounts.get(conn, viewer, account_id)
    if account is None:
        raise Mistaken(not_found(account_id, *field))
    provider = providers.get(account.provider)
    formats = () if provider is None or provider.archive is None else provider.archive_formats
    if not set(formats) - COMMAND_LINE_ONLY:
        text = "There are no files that fill this account. Leave accountId out, and one is found or made."
        raise Mistaken(NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=account_id))
    if format is not None and format not in formats:
        text = f"This account is filled by files of the format {', '.join(formats)}, not {format}."
        raise Mistaken(NodeMistake(code="INVALID", message=text, field=field, node_id=account_id))
