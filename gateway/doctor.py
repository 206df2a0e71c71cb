"""`kith doctor`: looks at everything that can be wrong with an installation, and says of each finding what to do.

Works where nothing else does: each look stands alone, and one that fails is a finding itself. Changes nothing; retrying dead jobs
is asked for.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from gateway import enriching_terms, pushing, secret_key
from gateway.clock import SystemClock
from gateway.explorer import PAGE
from gateway.settings import Settings, SettingsError, unknown, variable
from providers.base import broken, catalogue
from providers.enrichment.offer import BY_KEY, dollars
from store import enrichment, leases, links, migrate, viewers, web_checks
from store.cache import Cache
from store.database import Database, DatabaseUnavailable
from store.tables import account, client_registration, gap, secret
from store.vault import SealBroken, Vault

Level = Literal["ok", "note", "wrong"]
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
LISTED: Final = 20  # findings of one kind that are named
STEPS: Final = "the steps are in"
WAITS: Final = timedelta(days=2)  # longer than claims wait for their check where a worker runs


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found. `wrong` needs somebody; `note` may be as it is."""

    check: str
    level: Level
    message: str


async def examine(settings: Settings, *, retry: bool = False) -> list[Finding]:
    """Every look, in the order in which things depend on each other."""
    found = [
        *_variables(settings),
        *_files(settings),
        _shadowing(),
        *_third_parties(),
        *_lines(settings),
        *_sources(settings),
        _explorer(),
    ]
    database_findings, usable = await _database(settings)
    found += database_findings
    found.append(await _cache(settings))
    if usable:
        database = Database(settings.database)
        try:
            for look in (_jobs, _ledger, _accounts, _questions, _claims):
                found += await _guarded(look.__name__.strip("_"), lambda look=look: look(database, retry))  # type: ignore[misc]
            found += await _guarded("secrets", lambda: _secrets(settings, database))
        finally:
            await database.close()
    return found


async def _guarded(check: str, look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    try:
        return await look()
    except (SQLAlchemyError, DatabaseUnavailable, OSError) as error:
        return [Finding(check=check, level="wrong", message=f"could not look: {str(error).splitlines()[0]}")]


def _variables(settings: Settings) -> list[Finding]:
    found = [
        Finding(check="settings", level="note", message=f"{name} is no setting of Kith: is it misspelt?")
        for name in unknown(os.environ, frozenset(catalogue()))
    ]
    try:
        settings.check_bind()
    except SettingsError as error:
        found.append(Finding(check="settings", level="wrong", message=str(error)))
    return found or [Finding(check="settings", level="ok", message=f"data in {settings.home}, served at {settings.url}")]


def _files(settings: Settings) -> list[Finding]:
    found = []
    home = settings.home
    if not home.exists():
        return [Finding(check="files", level="note", message=f"{home} is not there yet: the first start makes it")]
    if stat.S_IMODE(home.stat().st_mode) & OTHERS:
        found.append(Finding(check="files", level="wrong", message=f"{home} can be read by others: `chmod 700 {home}`"))
    for path in _own_files(settings, home):
        info = path.stat()
        if stat.S_IMODE(info.st_mode) & OTHERS and path.name == secret_key.FILE:
            found.append(Finding(check="files", level="wrong", message=f"{path} can be read by others: `chmod 600 {path}`"))
        if info.st_uid != os.geteuid():
            found.append(Finding(check="files", level="wrong", message=f"{path} belongs to another user: `chown` it to yours"))
    if not os.access(home, os.W_OK):
        found.append(Finding(check="files", level="wrong", message=f"{home} cannot be written to"))
    return found or [Finding(check="files", level="ok", message="the data folder is yours alone")]


def _own_files(settings: Settings, home: Path) -> list[Path]:
    files = [home / secret_key.FILE]
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database:
        files.append(Path(url.database))
    return [path for path in files if path.exists()]


def _shadowing() -> Finding:
    """PyPI has a package `schema`, which wins over our folder in an editable install."""
    spec = importlib.util.find_spec("schema")
    ours = Path(__file__).parent.parent / "schema" / "__init__.py"
    if spec is None or spec.origin is None or not Path(spec.origin).samefile(ours):
        where = spec.origin if spec else "nowhere"
        return Finding(
            check="packages", level="wrong", message=f"the package `schema` comes from {where}: `pip uninstall schema`"
        )
    try:
        importlib.metadata.distribution("schema")
    except importlib.metadata.PackageNotFoundError:
        return Finding(check="packages", level="ok", message="no other package stands in the way")
    return Finding(
        check="packages", level="note", message="the package `schema` from PyPI is installed and may hide ours: uninstall it"
    )


def _third_parties() -> list[Finding]:
    failed = [
        Finding(check="providers", level="wrong", message=f"{name} could not be loaded: {reason}")
        for name, reason in broken().items()
    ]
    return failed or [Finding(check="providers", level="ok", message=f"{len(catalogue())} providers: {', '.join(catalogue())}")]


def _lines(settings: Settings) -> list[Finding]:
    """What is set of the lines by which networks call one address for all accounts."""
    found = []
    for provider in catalogue().values():
        if provider.switchboard is None:
            continue
        topic, by_name, by_secret = (variable(f"{provider.line}_{part}") for part in pushing.LINE_PARTS[:3])
        caller = by_name if hasattr(settings, f"{provider.line}_email") else by_secret
        given = {topic} if getattr(settings, f"{provider.line}_topic", "") else set()
        if getattr(settings, f"{provider.line}_email", "") or pushing.proof(settings, provider):
            given.add(caller)
        line = pushing.line(settings, provider)
        if line is not None:
            how = f"in the name of {line.caller}, for {line.audience}" if line.caller else "signed with the secret of its app"
            message = f"{provider.name} calls {line.url} {how}"
            found.append(Finding(check="push", level="ok", message=message))
        elif given == {topic}:
            message = f"{topic} is set, {caller} is not: nobody could tell who calls, so {provider.name} is polled; {STEPS} {provider.docs_path}"
            found.append(Finding(check="push", level="wrong", message=message))
        elif given == {caller}:
            message = f"{caller} is set, {topic} is not: {provider.name} is polled; {STEPS} {provider.docs_path}"
            found.append(Finding(check="push", level="wrong", message=message))
        if topic in given and not settings.secure:
            message = (
                f"{topic} is set, but {provider.name} calls by https only: set KITH_PUBLIC_URL=https://…; until then it is polled"
            )
            found.append(Finding(check="push", level="wrong", message=message))
    return found


def _sources(settings: Settings) -> list[Finding]:
    """What is set of the paid sources that viewers may allow to be asked about people."""
    found = [
        Finding(check="enrichment", level="wrong", message=f"{name} cannot be asked without {missing}; {STEPS} {page}")
        for name, missing, page in enriching_terms.half_set(settings)
    ]
    terms = enriching_terms.of(settings)
    for key, each in terms.items():
        message = f"{BY_KEY[key].name} may be asked for whoever allows it: {dollars(each.price)} a match, at {each.url}"
        found.append(Finding(check="enrichment", level="ok", message=message))
    if any(each.price for each in terms.values()) and not settings.enrichment_budget:
        message = "KITH_ENRICHMENT_BUDGET is 0: paid sources are never asked"
        found.append(Finding(check="enrichment", level="note", message=message))
    return found or [Finding(check="enrichment", level="ok", message="no paid source is set up; free ones wait for consent")]


def _explorer() -> Finding:
    if PAGE.exists():
        return Finding(check="explorer", level="ok", message="GraphiQL is built in")
    return Finding(check="explorer", level="note", message="GraphiQL was not built: `make web`; the API works without")


async def _database(settings: Settings) -> tuple[list[Finding], bool]:
    url = make_url(settings.database)
    shown = url.render_as_string(hide_password=True)
    if _missing(settings):
        return [Finding(check="database", level="note", message=f"{shown} is not there yet: the first start makes it")], False
    try:
        behind = await migrate.pending(settings.database)
    except (SQLAlchemyError, DatabaseUnavailable, OSError) as error:
        message = f"{shown} does not answer ({str(error).splitlines()[0]}): is it running, are name and password right?"
        return [Finding(check="database", level="wrong", message=message)], False
    if behind:
        message = "the database is not at this release: run `kith migrate`"
        return [Finding(check="migrations", level="wrong", message=message)], False
    return [Finding(check="database", level="ok", message=f"{shown} answers and is at this release")], True


def _missing(settings: Settings) -> bool:
    """Whether a file is meant that is not there: looking for its migrations would make it."""
    url = make_url(settings.database)
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


async def _cache(settings: Settings) -> Finding:
    if not settings.redis_url:
        return Finding(check="cache", level="ok", message="inside the web process")
    cache = Cache(settings.redis_url)
    try:
        if await cache.ping():
            return Finding(check="cache", level="ok", message="Redis answers")
        return Finding(
            check="cache", level="wrong", message="Redis does not answer: Kith works without it, slower; check KITH_REDIS_URL"
        )
    finally:
        await cache.close()


async def _jobs(database: Database, retry: bool) -> list[Finding]:
    dead = await database.system_read(leases.listed, dead=True)
    if not dead:
        return [Finding(check="jobs", level="ok", message="no job was given up")]
    if retry:
        for job in dead:
            await database.system(leases.retry, job.id, SystemClock().now())
        return [Finding(check="jobs", level="note", message=f"{len(dead)} jobs are tried again")]
    return [
        Finding(
            check="jobs",
            level="wrong",
            message=f"{job.kind} {job.subject} was given up: {job.dead_reason}; `kith doctor --retry`",
        )
        for job in dead[:LISTED]
    ]


async def _ledger(database: Database, retry: bool) -> list[Finding]:
    found = []
    for viewer in await database.system_read(viewers.listed):
        for label, count, reason in await database.read(viewer.id, _gaps):
            message = f"{count} items of {label} ({viewer.name}) are missing: {reason}; they are fetched again by themselves"
            found.append(Finding(check="ledger", level="wrong", message=message))
    return found[:LISTED] or [Finding(check="ledger", level="ok", message="everything that networks say they have is stored")]


async def _accounts(database: Database, retry: bool) -> list[Finding]:
    found = []
    for viewer in await database.system_read(viewers.listed):
        for label, status, reason in await database.read(viewer.id, _troubled):
            message = f"{label} ({viewer.name}) is {status.replace('_', ' ').lower()}{': ' + reason if reason else ''}"
            found.append(Finding(check="accounts", level="wrong", message=message))
    return found[:LISTED] or [Finding(check="accounts", level="ok", message="all accounts are in order")]


async def _questions(database: Database, retry: bool) -> list[Finding]:
    now = SystemClock().now()
    found = []
    for viewer in await database.system_read(viewers.listed):
        for answer in await database.read(viewer.id, enrichment.unconfirmed, now):
            name = BY_KEY[answer.question.source].name
            message = (
                f"a question to {name} of {answer.asked_at:%Y-%m-%d %H:%M} ({viewer.name}) may have cost {dollars(answer.price)} and was "
                "not answered: compare it with their bill; it is not put again by itself"
            )
            found.append(Finding(check="questions", level="note", message=message))
    return found[:LISTED] or [Finding(check="questions", level="ok", message="every paid question has its answer")]


async def _claims(database: Database, retry: bool) -> list[Finding]:
    """What look-ups have read of people and nobody can confirm any more, and what waits for a worker."""
    found = []
    now = SystemClock().now()
    for viewer in await database.system_read(viewers.listed):
        seen = await database.read(viewer.id, web_checks.troubled, now - WAITS)
        if seen.waiting:
            message = f"{seen.waiting} links of people ({viewer.name}) should have been checked two days ago: does a worker run?"
            found.append(Finding(check="claims", level="wrong", message=message))
        if seen.failing and seen.since is not None:
            message = (
                f"{seen.failing} links of people ({viewer.name}) could not be confirmed, the first since {seen.since:%Y-%m-%d}"
            )
            found.append(Finding(check="claims", level="note", message=f"{message}; after a week they are proof no more"))
        if seen.lapsed:
            message = (
                f"{seen.lapsed} links of people ({viewer.name}) are proof no more, since nobody could confirm them for a week"
            )
            found.append(Finding(check="claims", level="note", message=f"{message}; look them up again to see what is there now"))
    return found[:LISTED] or [Finding(check="claims", level="ok", message="no link of a person is in doubt")]


async def _secrets(settings: Settings, database: Database) -> list[Finding]:
    try:
        keys = secret_key.stored_keys(settings)
    except SettingsError as error:
        return [Finding(check="secrets", level="wrong", message=str(error))]
    whose = await database.system_read(viewers.listed)
    if not keys:
        count = sum([len(await database.read(v.id, sealed_secrets)) for v in whose])
        if count:
            return [
                Finding(
                    check="secrets", level="wrong", message=f"{count} secrets are stored but their key is missing: restore it"
                )
            ]
        return [Finding(check="secrets", level="note", message="no key yet: the first start makes one")]
    vault = Vault(keys)
    unreadable, old = 0, 0
    for viewer in whose:
        for table, row, column, blob in await database.read(viewer.id, sealed_secrets):
            try:
                vault.open(blob, viewer.id, table, row, column)
                old += not vault.current(blob)
            except SealBroken:
                unreadable += 1
    for place, blob in await database.system_read(sealed_clients):
        try:
            vault.open(blob, "", links.CLIENT_PLACE[0], place, links.CLIENT_PLACE[1])
            old += not vault.current(blob)
        except SealBroken:
            unreadable += 1
    found = []
    if unreadable:
        message = (
            f"{unreadable} secrets cannot be opened with the keys there are: restore the former key, or link those accounts again"
        )
        found.append(Finding(check="secrets", level="wrong", message=message))
    if old:
        found.append(
            Finding(check="secrets", level="note", message=f"{old} secrets are sealed with a former key: `kith keys rotate`")
        )
    return found or [Finding(check="secrets", level="ok", message="every secret opens")]


def sealed_secrets(conn: Connection, viewer: str) -> list[tuple[str, str, str, bytes]]:
    """A viewer's sealed values with their places (table, row, column)."""
    c = secret.c
    rows = conn.execute(select(c.table_name, c.row_id, c.column_name, c.sealed).where(c.viewer_id == viewer))
    return [(row.table_name, row.row_id, row.column_name, row.sealed) for row in rows]


def sealed_clients(conn: Connection) -> list[tuple[str, bytes]]:
    """Our registrations at networks: (row, sealed value)."""
    c = client_registration.c
    rows = conn.execute(select(c.provider, c.base_url, c.redirect_uri, c.sealed).where(c.sealed.is_not(None)))
    return [("|".join((row.provider, row.base_url, row.redirect_uri)), row.sealed) for row in rows]


def _gaps(conn: Connection, viewer: str) -> list[tuple[str, int, str]]:
    joined = gap.join(account, sa.and_(account.c.viewer_id == gap.c.viewer_id, account.c.id == gap.c.account_id))
    rows = conn.execute(select(account.c.label, gap.c.count, gap.c.reason).select_from(joined).where(gap.c.viewer_id == viewer))
    return [(str(label), int(count), str(reason)) for label, count, reason in rows]


def _troubled(conn: Connection, viewer: str) -> list[tuple[str, str, str | None]]:
    c = account.c
    rows = conn.execute(
        select(c.label, c.status, c.status_reason).where(
            c.viewer_id == viewer, c.status.in_(("REAUTH_REQUIRED", "ERROR", "FAILED"))
        )
    )
    return [(row.label, row.status, row.status_reason) for row in rows]
