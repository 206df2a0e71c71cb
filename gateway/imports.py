"""Importing files: stage, look once through, then take in as the leased job `import`, resumable and reported by row.

Files are copied into the data folder first, so that the job can run in any process and after any crash; one that was put up
(resolvers/importing.py) is there already, and the job itself takes the first look, in a thread. The first look counts the items by a method
of its own (the ledger's `expected`) and tells whose they are: an export says so, of mail it is inferred. A file
account is (viewer, format, whose they are or `files`); its rows name what was created, left as it was, skipped or failed, and why.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.archives import zipped
from providers.archives.files import named as files_named
from providers.archives.recognition import Recognised, recognise
from providers.base import Accompanied, Archive, Provider, Scan, Zoneless
from providers.errors import ProviderError
from resolvers import importing
from resolvers.importing import Wanted
from resolvers.ingest import Target, take_in
from resolvers.ingest.intake import SLICE
from resolvers.ingest.target import Result
from store import accounts, ids, leases, viewers
from store.accounts import Account
from store.blobs import Blobs, lend
from store.database import Database
from store.feed import Recorder
from store.tables import import_row, import_run, message_participant, message_source, own_address
from store.uploads import OPEN_IMPORTS

MAX_MESSAGE: Final = 500  # characters of a row's message
FILES: Final = "files"
OUTCOMES: Final = ("created", "updated", "unchanged", "skipped", "failed")


class ImportRefused(Exception):
    """Nothing was imported; the message says why and what to do, `code` is a UserErrorCode."""

    def __init__(self, message: str, code: str = "UNSUPPORTED") -> None:
        super().__init__(message)
        self.code = code


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an import job works on."""

    provider: str
    folder: str
    paths: tuple[str, ...]
    names: tuple[str, ...]  # what the staged paths are called to people
    own: tuple[str, ...]
    region: str | None = None
    zone: str = "UTC"  # in which times are read that have none
    expected: dict[str, int] = {}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What the first look at files of one format has found: how they are to be taken in, and into which account."""

    provider: Provider
    plan: Plan
    profile: records.Profile
    label: str  # of the account
    address: str | None  # whose they are taken for, where that is an address
    scan: Scan

    @property
    def total(self) -> int:
        """Items by the independent count."""
        return sum(self.plan.expected.values())


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """An import that is queued: what was recognised and whose it seems to be."""

    import_id: str
    provider: str
    file_name: str
    total: int
    own_address: str | None
    candidates: tuple[tuple[str, float], ...] = ()
    remarks: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Where an import stands."""

    import_id: str
    file_name: str
    format: str
    state: str
    done: int
    total: int | None
    created: int
    updated: int
    unchanged: int
    skipped: int
    failed: int
    error: str | None
    account_id: str | None


@dataclass(kw_only=True)
class Imports:
    """The imports of an installation; `home` is the data folder."""

    database: Database
    home: Path
    providers: dict[str, Provider]
    clock: Any
    blobs: Blobs

    async def stage(
        self, viewer: str, paths: Sequence[Path], *, me: str | None = None, format: str | None = None, region: str | None = None
    ) -> tuple[list[Staged], list[tuple[Path, str]]]:
        """Copy, recognise, count and queue: what was staged, and what was not recognised with the reason.

        Raises ImportRefused when nothing can be imported.
        """
        missing = [p for p in paths if not p.exists()]
        if missing:
            raise ImportRefused(f"There is no file or folder {missing[0]}. Check the path.")
        found = await asyncio.to_thread(recognise, list(paths))
        groups = [
            (p, files) for p, files in found.groups if format is None or format.upper() in p.archive_formats or format == p.key
        ]
        if not groups:
            known = ", ".join(sorted(p.key for p in self.providers.values() if p.archive))
            first = f" {found.unrecognised[0][0].name}: {found.unrecognised[0][1]}" if found.unrecognised else ""
            raise ImportRefused(f"Nothing here could be recognised; formats are {known}.{first}")
        own = await self.database.read(viewer, accounts.own_values)
        whose = await self.database.read(viewer, viewers.place)
        region = region or whose.region
        staged = [await self._stage(viewer, provider, files, own, me, region, whose.time_zone) for provider, files in groups]
        return staged, list(found.unrecognised)

    async def _stage(
        self,
        viewer: str,
        provider: Provider,
        files: list[Path],
        own: frozenset[str],
        me: str | None,
        region: str | None,
        zone: str,
    ) -> Staged:
        archive = provider.archive
        assert archive is not None
        import_id = ids.mint("IMPORT")
        folder = self._folder(import_id)
        paths = await asyncio.to_thread(_copy, files, folder, archive.beside if isinstance(archive, Accompanied) else _alone)
        names = [source.shown for source in files_named(files)]
        looked = await self._look(viewer, provider, folder, paths, names, own=own, me=me, region=region, zone=zone)
        name = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
        await self.database.write(viewer, _queue, import_id, name, looked, self.clock.now())
        return Staged(
            import_id=import_id, provider=provider.key, file_name=name, total=looked.total, own_address=looked.address,
            candidates=looked.scan.own_addresses, remarks=looked.scan.remarks,
        )  # fmt: skip

    async def _look(
        self,
        viewer: str,
        provider: Provider,
        folder: Path,
        paths: list[Path],
        names: list[str],
        *,
        own: frozenset[str],
        me: str | None,
        region: str | None,
        zone: str,
        chosen: Account | None = None,
    ) -> Looked:
        """The first look at staged files of one format, for the chosen account or the one that they turn out to be of."""
        archive = provider.archive
        assert archive is not None
        if chosen is not None and provider.kind == "ARCHIVE" and chosen.user_id != FILES:
            me = me or chosen.user_id  # such an account is called as the address, or the name, that is the user's in its files
        known = own | {me.casefold()} if me else own
        scan: Scan = await asyncio.to_thread(archive.scan, paths, known, names=dict(zip(paths, names, strict=True)))
        address = (me.casefold() if me else scan.inferred) if "CONVERSATIONS" in provider.capabilities else None
        profile = scan.profile
        if profile is not None and profile.user_id and provider.files_by_name:
            values = [one.value for one in profile.own_addresses]
            same = await self.database.read(viewer, accounts.same_user, provider.key, profile.user_id, values, linked=True)
            profile = msgspec.structs.replace(profile, user_id=same)
        if profile is not None and profile.user_id and chosen is not None and profile.user_id != chosen.user_id:
            text = f"This file says that it is of {profile.label}, and the account is {chosen.label}. Leave accountId out."
            raise ImportRefused(text, "INVALID")
        if profile is None or not profile.user_id:
            # a part of a network's export may not say whose it is; mail that does not may be anybody's
            only = await self.database.read(viewer, _only_account, provider.key) if provider.kind != "ARCHIVE" else None
            if profile is None:
                addresses = (records.OwnAddress(value=address, primary=True),) if address else ()
                profile = records.Profile(user_id=address or "", label=address or only or FILES, own_addresses=addresses)
            profile = msgspec.structs.replace(profile, user_id=profile.user_id or only or FILES)
        if chosen is not None:
            profile = msgspec.structs.replace(profile, user_id=chosen.user_id)
        if await self.database.read(viewer, _is_read_live, provider.key, profile.user_id):
            text = f"{profile.label} is linked to be read live, and nothing of it is kept. Unlink it, link it as a mirror, and import again."
            raise ImportRefused(text, "INVALID")
        mine = own | {one.value.casefold() for one in profile.own_addresses}
        plan = Plan(
            provider=provider.key, folder=str(folder), paths=tuple(str(p) for p in paths), names=tuple(names), own=tuple(sorted(mine)),
            region=region, zone=zone, expected=scan.expected,
        )  # fmt: skip
        label = chosen.label if chosen is not None else f"{provider.name} {profile.label}"
        return Looked(provider=provider, plan=plan, profile=profile, label=label, address=address, scan=scan)

    async def _look_through(self, viewer: str, import_id: str, name: str, wanted: Wanted) -> None:
        """The first look at a file that was put up. Of several formats in it the first is this import, each other one an import beside it.

        Raises ImportRefused when nothing of it is taken in. Again, after a crash, does the same again.
        """
        chosen = None if wanted.account_id is None else await self.database.read(viewer, accounts.get, wanted.account_id)
        if wanted.account_id is not None and chosen is None:
            raise ImportRefused("The account is not there any more. Import the file again.", "NOT_FOUND")
        folder = self._folder(import_id)
        file = folder / "0" / name
        try:
            await asyncio.to_thread(self.blobs.lend, viewer, wanted.upload_id, file)
        except FileNotFoundError:
            raise ImportRefused("The file is gone. Put it up again.", "EXPIRED") from None
        groups = self._chosen(await asyncio.to_thread(recognise, [file]), wanted.format, chosen)
        own = await self.database.read(viewer, accounts.own_values)
        whose = await self.database.read(viewer, viewers.place)
        looked = []
        for n, (provider, files) in enumerate(groups):
            place = folder if n == 0 else self._folder(f"{import_id}-{n}")  # each import erases its own when it ends
            await asyncio.to_thread(lend, file, place / "0" / name)
            looked.append(
                await self._look(
                    viewer, provider, place, [place / path.relative_to(folder) for path in files],
                    [source.shown for source in files_named(files)], own=own, me=None, region=wanted.region or whose.region,
                    zone=whose.time_zone, chosen=chosen if chosen is not None and chosen.provider == provider.key else None,
                )
            )  # fmt: skip
        await self.database.write(viewer, _recognised, import_id, name, looked, self.clock.now())

    def _chosen(self, found: Recognised, format: str | None, account: Account | None) -> list[tuple[Provider, list[Path]]]:
        """What of a file is taken in, by format. Raises ImportRefused when that is nothing."""
        taken = [group for group in found.groups if importing.unreadable(group[0].archive_formats[0], self.providers) is None]
        if not taken and found.groups:
            raise ImportRefused(str(importing.unreadable(found.groups[0][0].archive_formats[0], self.providers)))
        if not taken:
            known = ", ".join(importing.readable(self.providers))
            first = f" {found.unrecognised[0][1]}" if found.unrecognised else ""
            raise ImportRefused(f"The file is of no format that is known here; formats are {known}.{first}")
        of = ", ".join(provider.archive_formats[0] for provider, _ in taken)
        if format is not None:
            taken = [group for group in taken if format in group[0].archive_formats]
            if not taken:
                raise ImportRefused(f"There is nothing of the format {format} in this file: it is {of}.", "INVALID")
        if account is not None and all(provider.key != account.provider for provider, _ in taken):
            raise ImportRefused(f"This file does not fill the account {account.label}: it is {of}.", "INVALID")
        return taken

    def _folder(self, name: str) -> Path:
        return self.home / "imports" / name

    async def run(self, viewer: str, import_id: str) -> None:
        """The leased job: from the last checkpoint to the end. A file that cannot be read fails the import with the reason."""
        row = await self.database.read(viewer, _row, import_id)
        if row is None or row.state not in OPEN_IMPORTS:
            if row is not None:
                await self._put_away(import_id, row)
            return
        if not row.format:
            try:
                await self._look_through(viewer, import_id, row.file_name, msgspec.json.decode(row.plan, type=Wanted))
            except ImportRefused as error:
                await self._fail(viewer, import_id, error.code, str(error))
                await asyncio.to_thread(shutil.rmtree, self._folder(import_id), True)
                return
            row = await self.database.read(viewer, _row, import_id)
            if row is None or not row.format:
                await asyncio.to_thread(shutil.rmtree, self._folder(import_id), True)
                return
        plan = msgspec.json.decode(row.plan, type=Plan)
        provider = self.providers.get(plan.provider)
        if provider is None or provider.archive is None:
            await self._fail(viewer, import_id, "UNSUPPORTED", f"The format '{plan.provider}' is not installed here.")
            return
        own = frozenset(plan.own) | await self.database.read(viewer, accounts.own_values)
        account = await self.database.read(viewer, accounts.get, row.account_id)
        linked = account is not None and provider.follows(account.base_url)
        target = Target(
            account_id=row.account_id, own=own, beneath=linked and provider.network_first, gathers=provider.network_first
        )
        statements: list[records.Statement] = []
        try:
            pages = _pages(provider.archive, plan, row.cursor, own)
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                statements += page.statements
                if not await self._write_page(viewer, import_id, target, page):
                    await self._put_away(import_id, row)
                    return
        except ProviderError as error:
            await self._fail(viewer, import_id, "INVALID", error.message)
            return
        except FileNotFoundError:
            await self._fail(viewer, import_id, "EXPIRED", "The staged files are gone. Import them again.")
            return
        await self.database.write_behind(viewer, _end, import_id, target, plan, statements, self.clock.now())
        await asyncio.to_thread(shutil.rmtree, plan.folder, True)

    async def reports(self, viewer: str, import_ids: Sequence[str]) -> list[Report]:
        """Where these imports stand, in their order."""
        return await self.database.read(viewer, _reports, import_ids)

    async def _put_away(self, import_id: str, row: Any) -> None:
        """The staged files of an import that has ended."""
        folder = msgspec.json.decode(row.plan, type=Plan).folder if row.format else str(self._folder(import_id))
        await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _write_page(self, viewer: str, import_id: str, target: Target, page: records.Page) -> bool:
        """False when the import was cancelled."""
        rows = page.rows
        for n in range(0, max(len(rows), 1), SLICE):
            # a resumed page takes its first slices again, which changes nothing
            cursor = page.cursor if n + SLICE >= len(rows) else None
            args = (import_id, target, rows[n : n + SLICE], cursor, self.clock.now())
            if not await self.database.write_behind(viewer, _take, *args):
                return False
            await self.database.give_way()
        return True

    async def _fail(self, viewer: str, import_id: str, code: str, message: str) -> None:
        now = self.clock.now()

        def write(conn: Connection, viewer: str) -> None:
            if not _is_open(conn, viewer, import_id):
                return
            recorder = Recorder(now, origin="SYSTEM")
            _change(conn, viewer, import_id, recorder, state="FAILED", error_code=code, error_message=message, finished_at=now)
            recorder.flush(conn, viewer)

        await self.database.write_behind(viewer, write)


def _pages(archive: Archive, plan: Plan, cursor: bytes | None, own: frozenset[str]) -> Iterator[records.Page]:
    if isinstance(archive, Zoneless):
        archive = archive.in_zone(ZoneInfo(plan.zone))
    paths = [Path(p) for p in plan.paths]
    return archive.pages(paths, cursor, own=own, region=plan.region, names=dict(zip(paths, plan.names, strict=True)))


def _alone(path: Path) -> list[Path]:
    return []


def _copy(files: Sequence[Path], folder: Path, beside: Callable[[Path], list[Path]]) -> list[Path]:
    """Each file or folder into one of its own, under its own name, with what belongs to it; where each is now. Links are not followed.

    An archive is copied once, as it is: paths that lead into it lead into the copy.
    """
    folder.mkdir(mode=0o700, parents=True)
    copied: dict[Path, Path] = {}
    paths = []
    for source in files:
        archive, within = zipped.place(source) or (source, "")
        if archive not in copied:
            into = folder / str(len(copied))
            into.mkdir(mode=0o700)
            copied[archive] = into / archive.name
            if archive.is_dir():
                shutil.copytree(archive, copied[archive], symlinks=True)
            else:
                for file in (archive, *beside(archive)):
                    shutil.copyfile(file, into / file.name)
        paths.append(copied[archive] / within)
    return paths


def _queue(conn: Connection, viewer: str, import_id: str, name: str, looked: Looked, now: datetime) -> None:
    recorder = Recorder(now, origin="CLIENT")
    _put(conn, viewer, recorder, import_id, name, looked, now)
    recorder.flush(conn, viewer)


def _recognised(conn: Connection, viewer: str, import_id: str, name: str, looked: Sequence[Looked], now: datetime) -> None:
    """A file that was put up is of these formats: the import is of the first, and for each other one there is another."""
    run = conn.execute(
        select(import_run).where(import_run.c.viewer_id == viewer, import_run.c.id == import_id).with_for_update()
    ).one_or_none()
    if run is None or run.state != "QUEUED" or run.format:
        return  # somebody else was faster
    recorder = Recorder(now, origin="SYSTEM")
    first, *others = looked
    _change(
        conn, viewer, import_id, recorder, state="QUEUED", format=first.provider.archive_formats[0], total=first.total,
        plan=msgspec.json.encode(first.plan), account_id=_account(conn, viewer, recorder, first, now),
    )  # fmt: skip
    for one in others:
        _put(conn, viewer, recorder, ids.mint("IMPORT"), name, one, now)
    recorder.flush(conn, viewer)


def _put(conn: Connection, viewer: str, recorder: Recorder, import_id: str, name: str, looked: Looked, now: datetime) -> None:
    importing.queue(
        conn, viewer, recorder, import_id, name, msgspec.json.encode(looked.plan), now, format=looked.provider.archive_formats[0],
        account_id=_account(conn, viewer, recorder, looked, now), total=looked.total,
    )  # fmt: skip


def _account(conn: Connection, viewer: str, recorder: Recorder, looked: Looked, now: datetime) -> str:
    """The account that an import fills, found or made, with the addresses that are the user's in its files."""
    profile = looked.profile
    account_id = accounts.put(
        conn, viewer, recorder, now, provider=looked.provider.key, user_id=profile.user_id, label=looked.label, mode="MIRRORED",
        status="SYNCING",
    )  # fmt: skip
    for one in profile.own_addresses:
        origin = "SENT_MAIL" if one.value == profile.user_id else "SETTINGS"
        accounts.put_own_address(conn, viewer, account_id, one.value, recorder, kind=one.kind, origin=origin, primary=one.primary)
    return account_id


def _take(
    conn: Connection,
    viewer: str,
    import_id: str,
    target: Target,
    rows: Sequence[records.Row],
    cursor: bytes | None,
    now: datetime,
) -> bool:
    """Write rows of an import; False when somebody has cancelled it."""
    recorder = Recorder(now, account_id=target.account_id)
    run = conn.execute(
        select(import_run).where(import_run.c.viewer_id == viewer, import_run.c.id == import_id).with_for_update()
    ).one()
    if run.state not in OPEN_IMPORTS:
        return False
    repeated = _repeated(conn, viewer, import_id, target, rows)
    taken = [row for n, row in enumerate(rows) if n not in repeated]
    results = take_in(conn, viewer, target, taken, recorder, now)
    outcomes = iter(results)
    reported = [repeated[n] if n in repeated else next(outcomes) for n in range(len(rows))]
    fresh = [  # what has no place says something of the items beside it and is none
        (row, result)
        for row, result in zip(rows, reported, strict=True)
        if row.place is not None and row.place.position > run.done
    ]
    if fresh:
        conn.execute(
            import_row.insert(),
            [
                {
                    "viewer_id": viewer, "import_id": import_id, "position": row.place.position, "path": row.place.path, "line": row.place.line,
                    "outcome": result.outcome, "reason": result.reason, "message": (result.message or "")[:MAX_MESSAGE] or None,
                    "excerpt": row.item.excerpt if isinstance(row.item, records.Unreadable) else None, "node_id": result.node_id,
                }
                for row, result in fresh
                if row.place is not None
            ],
        )  # fmt: skip
    counts = Counter(result.outcome.lower() for _, result in fresh)
    values: dict[str, Any] = {k: getattr(run, k) + counts[k] for k in ("created", "updated", "unchanged", "skipped", "failed")}
    values["done"] = max([run.done, *(row.place.position for row, _ in fresh if row.place)])
    if cursor is not None:
        values["cursor"] = cursor
    if run.state == "QUEUED":
        values |= {"state": "RUNNING", "started_at": now}
    _change(conn, viewer, import_id, recorder, progress_at=now, **values)
    accounts.change(conn, viewer, target.account_id, None, phase="importing", done=values["done"], total=run.total, progress_at=now,
                    progress_started_at=run.started_at or now)  # fmt: skip
    if any(r.outcome in ("CREATED", "UPDATED") for r in results):
        leases.enqueue(conn, viewer, "identity", viewer, now)
    recorder.flush(conn, viewer)
    return True


def _repeated(conn: Connection, viewer: str, import_id: str, target: Target, rows: Sequence[records.Row]) -> dict[int, Result]:
    """Rows whose item this import has brought already, at an earlier place: the first one counts, the others are duplicates."""
    keys = [row.item.key for row in rows if isinstance(row.item, records.Message)]
    m, known = message_source.c, import_row.c
    held = select(m.key, m.message_id).where(
        m.viewer_id == viewer, m.account_id == target.account_id, m.key.in_(sorted(set(keys)))
    )
    ids_of: dict[tuple[str, str], str] = {("MESSAGE", row.key): row.message_id for row in conn.execute(held)}
    # the id of a contact or activity follows from its key; a mail's does not alone: another text under one Message-ID is another mail
    for row in rows:
        if isinstance(row.item, records.Contact | records.Activity):
            kind = _kind(row.item)
            ids_of[kind, row.item.key] = ids.derive(kind, target.account_id, row.item.key)
    query = (
        select(known.node_id, sa.func.min(known.position).label("position"))
        .where(known.viewer_id == viewer, known.import_id == import_id, known.node_id.in_(sorted(set(ids_of.values()))))
        .group_by(known.node_id)
    )
    first_of = {row.node_id: row.position for row in conn.execute(query)}
    seen = {key: first_of[node_id] for key, node_id in ids_of.items() if node_id in first_of}
    found: dict[int, Result] = {}
    for n, row in enumerate(rows):
        if not isinstance(row.item, records.Contact | records.Message | records.Activity):
            continue
        key = (_kind(row.item), row.item.key)
        position = row.place.position if row.place else n + 1
        if (first := seen.setdefault(key, position)) < position:
            message = f"The same as item {first} of this import, which was taken."
            found[n] = Result(outcome="SKIPPED", node_id=ids_of.get(key), reason="DUPLICATE", message=message)
    return found


def _kind(item: records.Contact | records.Message | records.Activity) -> Literal["CONTACT", "MESSAGE", "ACTIVITY"]:
    match item:
        case records.Contact():
            return "CONTACT"
        case records.Message():
            return "MESSAGE"
    return "ACTIVITY"


def _end(
    conn: Connection,
    viewer: str,
    import_id: str,
    target: Target,
    plan: Plan,
    statements: Sequence[records.Statement],
    now: datetime,
) -> None:
    """Close the ledger: by file, what an independent count expects against what became of each row."""
    if not _is_open(conn, viewer, import_id):
        return
    recorder = Recorder(now, account_id=target.account_id)
    expected = {s.container: s.expected for s in statements} or dict(plan.expected)
    stored: Counter[str] = Counter()
    skipped: dict[str, Counter[str]] = {}
    for row in conn.execute(
        select(import_row.c.path, import_row.c.outcome, import_row.c.reason, sa.func.count().label("n"))
        .where(import_row.c.viewer_id == viewer, import_row.c.import_id == import_id)
        .group_by(import_row.c.path, import_row.c.outcome, import_row.c.reason)
    ):
        name = _container(row.path or "", expected)
        if row.outcome in ("SKIPPED", "FAILED"):
            skipped.setdefault(name, Counter())[row.reason or "UNREADABLE"] += row.n
        else:
            stored[name] += row.n
    kinds: dict[str, str] = {s.container: s.kind for s in statements}
    for name in sorted({*expected, *stored, *skipped}):
        accounts.state(
            conn, viewer, target.account_id, kinds.get(name, "MESSAGE"), name, now, expected=expected.get(name), stored=stored[name],
            skipped=dict(skipped.get(name, {})),
        )  # fmt: skip
    _count_own(conn, viewer, target.account_id)
    _change(conn, viewer, import_id, recorder, state="DONE", finished_at=now)
    importing.settle(conn, viewer, target.account_id, recorder, now)
    leases.enqueue(conn, viewer, "identity", viewer, now)
    recorder.flush(conn, viewer)


def _is_open(conn: Connection, viewer: str, import_id: str) -> bool:
    """Whether an import is still to be done; it stays so until the transaction ends."""
    mine = select(import_run.c.state).where(import_run.c.viewer_id == viewer, import_run.c.id == import_id)
    return conn.execute(mine.with_for_update()).scalar_one_or_none() in OPEN_IMPORTS


def _container(path: str, expected: Mapping[str, int | None]) -> str:
    """The file or folder that was counted as one and holds `path`; the path itself where none does."""
    holders = [name for name in expected if path == name or path.startswith(f"{name}/")]
    return max(holders, key=len, default=path)


def _count_own(conn: Connection, viewer: str, account_id: str) -> None:
    for row in conn.execute(
        select(own_address).where(own_address.c.viewer_id == viewer, own_address.c.account_id == account_id)
    ).all():
        p = message_participant.c
        query = select(sa.func.count(sa.distinct(p.message_id))).where(
            p.viewer_id == viewer, p.kind == row.kind, p.address == row.value
        )
        count = int(conn.execute(query).scalar_one())
        conn.execute(
            sa.update(own_address)
            .where(own_address.c.viewer_id == viewer, own_address.c.id == row.id)
            .values(message_count=count)
        )


def _change(conn: Connection, viewer: str, import_id: str, recorder: Recorder, **values: Any) -> None:
    row = conn.execute(
        sa.update(import_run).where(import_run.c.viewer_id == viewer, import_run.c.id == import_id)
        .values(version=import_run.c.version + 1, **values).returning(import_run.c.version)
    ).one()  # fmt: skip
    if "state" in values:  # progress alone is asked for, not told
        recorder.upsert("IMPORT", import_id, row.version)


def _is_read_live(conn: Connection, viewer: str, provider: str, user_id: str) -> bool:
    """Whether a provider's account of this user is one of which nothing is kept."""
    same = [each for each in accounts.listed(conn, viewer) if (each.provider, each.user_id) == (provider, user_id)]
    return any(each.mode == "LIVE" for each in same)


def _only_account(conn: Connection, viewer: str, provider: str) -> str | None:
    """Whose the only account of a format is: files that do not say whose they are belong to it."""
    found = {account.user_id for account in accounts.listed(conn, viewer) if account.provider == provider}
    return found.pop() if len(found) == 1 else None


def _row(conn: Connection, viewer: str, import_id: str) -> Any:
    return conn.execute(select(import_run).where(import_run.c.viewer_id == viewer, import_run.c.id == import_id)).one_or_none()


def _reports(conn: Connection, viewer: str, import_ids: Sequence[str]) -> list[Report]:
    rows = {
        r.id: r for r in conn.execute(select(import_run).where(import_run.c.viewer_id == viewer, import_run.c.id.in_(import_ids)))
    }
    return [
        Report(
            import_id=r.id, file_name=r.file_name, format=r.format, state=r.state, done=r.done, total=r.total, created=r.created,
            updated=r.updated, unchanged=r.unchanged, skipped=r.skipped, failed=r.failed, error=r.error_message, account_id=r.account_id,
        )
        for r in (rows[i] for i in import_ids if i in rows)
    ]  # fmt: skip


def outcomes_by_file(conn: Connection, viewer: str, import_id: str, limit: int) -> list[dict[str, Any]]:
    """The files of an import with their rows by outcome, in order; empty where there are more than `limit` (single mails)."""
    c = import_row.c
    query = (
        select(c.path, c.outcome, sa.func.count().label("n"), sa.func.min(c.position).label("first"))
        .where(c.viewer_id == viewer, c.import_id == import_id)
        .group_by(c.path, c.outcome)
        .order_by("first")
        .limit(limit * len(OUTCOMES) + 1)
    )
    found: dict[str, dict[str, Any]] = {}
    for row in conn.execute(query):
        file = found.setdefault(row.path or "", {"path": row.path, **dict.fromkeys(OUTCOMES, 0)})
        file[row.outcome.lower()] = row.n
    return list(found.values()) if len(found) <= limit else []


def failed_rows(conn: Connection, viewer: str, import_id: str, limit: int) -> list[Any]:
    """The first rows that were skipped or failed, with place and reason."""
    c = import_row.c
    query = select(import_row).where(c.viewer_id == viewer, c.import_id == import_id, c.outcome.in_(("SKIPPED", "FAILED")))
    return list(conn.execute(query.order_by(c.position).limit(limit)).all())
