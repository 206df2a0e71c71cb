"""accounts, link, sync: the networks a viewer's data comes from."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from gateway import worker as working
from gateway.app import open_installation
from gateway.cli.frame import JsonOption, ViewerOption, app, load, run, show, show_json, tell
from gateway.linking.service import LinkService
from gateway.mistakes import MISUSE, CommandFailed
from gateway.people import named
from gateway.settle import JobDead, settle
from providers.base import FormField, LinkMethod
from resolvers.linking import CredentialForm, DeviceCode, LinkRefused, LinkSession, OAuthRedirect
from store import accounts as stored
from store import leases

POLL = 1.0
WAITING = ("AWAITING_REDIRECT", "AWAITING_DEVICE", "VERIFYING", "DISCOVERING")
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the work is queued.")]


@app.command()
def accounts(viewer: ViewerOption = None, json: JsonOption = False) -> None:
    """Linked and imported accounts."""

    async def work() -> list[dict[str, Any]]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            return [
                {
                    "id": a.id, "provider": a.provider, "label": a.label, "mode": a.mode, "status": a.status,
                    "statusReason": a.status_reason, "lastSyncedAt": a.last_synced_at, "baseUrl": a.base_url,
                }
                for a in await installation.database.read(whose.id, stored.listed)
            ]  # fmt: skip

    columns = {
        "label": "account", "provider": "provider", "mode": "mode", "status": "status", "lastSyncedAt": "synchronised",
        "statusReason": "", "id": "id",
    }  # fmt: skip
    show(
        run(work),
        columns,
        as_json=json,
        empty="No accounts yet: `kith link imap ADDRESS`, `kith link carddav URL`, `kith import PATH…` or `kith demo`.",
    )


@app.command()
def link(
    provider: Annotated[str, typer.Argument(help="Which network, such as imap, carddav or mastodon.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ADDRESS|URL] [NAME=VALUE]…", help="What the network asks; the first of it needs no name."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The server, where it is not to be found from the address.")] = None,
    port: Annotated[int | None, typer.Option(help="Its port.")] = None,
    security: Annotated[str | None, typer.Option(help="TLS or STARTTLS.")] = None,
    user: Annotated[str | None, typer.Option(help="The name to sign in with, where it is not the address.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read an access token from standard input.")] = False,
    device: Annotated[bool, typer.Option("--device", help="Sign in by a code that is typed in on another device.")] = False,
    viewer: ViewerOption = None,
    no_wait: NoWait = False,
    json: JsonOption = False,
) -> None:
    """Link an account: asks for what is missing; secrets never as arguments, where other users of the machine see them."""
    options = {"host": host, "port": None if port is None else str(port), "security": security, "username": user}

    async def work() -> dict[str, Any]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            service = LinkService(installation)
            found = installation.providers.get(provider)
            if found is None or not found.link_forms:
                known = ", ".join(key for key, p in installation.providers.items() if p.link_forms)
                raise CommandFailed(f"there is no network {provider!r} to link: choose from {known}", MISUSE)
            wanted: LinkMethod | None = "TOKEN" if token_stdin else "DEVICE_CODE" if device else None
            if password_stdin:
                wanted = next((f.method for f in found.link_forms if f.method in ("PASSWORD", "APP_PASSWORD")), None)
            try:
                where = host if device else None
                session = await service.begin(whose.id, provider=provider, method=wanted, address=where)
                if isinstance(session.step, CredentialForm):
                    given = _pairs(fields or [], session.step.fields[0].name)
                    given |= {name: value for name, value in options.items() if value is not None}
                    values = _fill(session.step.fields, given, from_stdin=password_stdin or token_stdin)
                    session = await service.complete(whose.id, session.id, form=values)
                told = 0
                if isinstance(session.step, OAuthRedirect):
                    told = _tell(session, 0)
                    tell(f"Open this in your browser, on this machine or signed in to Kith:\n{session.step.authorization_url}")
                    while session.state in WAITING:
                        await asyncio.sleep(POLL)
                        session = await service.get(whose.id, session.id) or session
                if isinstance(session.step, DeviceCode):
                    session = await _by_code(service, whose.id, session, session.step)
            except LinkRefused as error:
                raise CommandFailed(error.mistake.message) from None
            if not json:
                _tell(session, told)
            if session.state != "LINKED" or session.account_id is None:
                raise CommandFailed(session.error_message or f"linking ended as {session.state.lower()}: try again")
            if not no_wait:
                await _settle(working.of(installation), whose.id, [session.account_id])
            return _linked(session)

    outcome = run(work)
    if json:
        show_json(outcome)
    else:
        tell(f"Linked as {outcome['accountId']}. `kith accounts` shows how it stands.")


@app.command()
def sync(
    account: Annotated[str | None, typer.Argument(help="Id or label; all accounts by default.")] = None,
    viewer: ViewerOption = None,
    no_wait: NoWait = False,
    json: JsonOption = False,
) -> None:
    """Bring accounts up to date now."""

    async def work() -> list[dict[str, Any]]:
        async with open_installation(load()) as installation:
            whose = await named(installation, viewer)
            found = await installation.database.read(whose.id, stored.listed)
            chosen = [a for a in found if account is None or account in (a.id, a.label)]
            if account is not None and not chosen:
                raise CommandFailed(f"there is no account {account!r}: `kith accounts` names them")
            known = ((a, installation.providers.get(a.provider)) for a in chosen)
            able = [a.id for a, p in known if p is not None and p.open is not None and p.follows(a.base_url)]
            for account_id in able:
                await installation.database.system(leases.enqueue, whose.id, "sync", account_id, installation.clock.now())
            if not no_wait:
                await _settle(working.of(installation), whose.id, able)
            after = {a.id: a for a in await installation.database.read(whose.id, stored.listed)}
            return [
                {"id": i, "label": after[i].label, "status": after[i].status, "statusReason": after[i].status_reason}
                for i in able
                if i in after
            ]

    columns = {"label": "account", "status": "status", "statusReason": ""}
    show(run(work), columns, as_json=json, empty="Nothing to synchronise: files are imported again, networks are linked.")


async def _settle(worker: working.Worker, viewer: str, account_ids: list[str]) -> None:
    try:
        await settle(worker, viewer, [*(("sync", account_id) for account_id in account_ids), ("identity", viewer)])
    except JobDead as error:
        raise CommandFailed(f"{error}; `kith doctor --retry` tries again") from None


def _pairs(fields: list[str], first: str) -> dict[str, str]:
    """What was said, by name; the first word without a name is the form's first field."""
    given = {}
    for n, field in enumerate(fields):
        name, sign, value = field.partition("=")
        if n == 0 and (not sign or not name.isidentifier()):
            name, value = first, field
        elif not sign:
            raise CommandFailed(f"{field!r}: write fields as NAME=VALUE, such as server=https://dav.example.org", MISUSE)
        given[name] = value
    return given


def _fill(fields: tuple[FormField, ...], given: dict[str, str], *, from_stdin: bool) -> dict[str, str]:
    """The form's values: from the arguments, from stdin for the secret one, and asked where somebody sits there."""
    names = {field.name for field in fields}
    if unknown := sorted(set(given) - names):
        raise CommandFailed(f"there is no field {unknown[0]!r} here: {', '.join(sorted(names))}", MISUSE)
    values = {}
    for field in fields:
        if field.secret and field.name in given:
            raise CommandFailed(f"{field.name} is a secret: give it with --password-stdin or --token-stdin, or type it", MISUSE)
        if field.name in given:
            values[field.name] = given[field.name]
        elif field.secret and from_stdin:
            values[field.name] = sys.stdin.readline().rstrip("\r\n")
        elif field.required and sys.stdin.isatty() and not from_stdin:
            asked = typer.prompt(field.label, default=field.default, hide_input=field.secret)
            values[field.name] = str(asked)
        elif field.default is not None:
            values[field.name] = field.default
        elif field.required:
            hint = "use --password-stdin or --token-stdin" if field.secret else f"say {field.name}=…"
            raise CommandFailed(f"{field.label} is missing: {hint}", MISUSE)
    return values


async def _by_code(service: LinkService, viewer: str, session: LinkSession, step: DeviceCode) -> LinkSession:
    """Wait until the code was typed in at the network, or has ended."""
    tell(f"Open {step.verification_url} and type in this code: {step.user_code}")
    while session.state in WAITING:
        await asyncio.sleep(step.poll_seconds)
        session = await service.complete(viewer, session.id)
        step = session.step if isinstance(session.step, DeviceCode) else step
    return session


def _tell(session: LinkSession, told: int) -> int:
    """What was found out, from the one after `told` on; how many that are by now."""
    for attempt in session.attempts[told:]:
        tell(f"  {'✓' if attempt.succeeded else '·'} {attempt.method}: {attempt.target}: {attempt.message}")
    return len(session.attempts)


def _linked(session: LinkSession) -> dict[str, Any]:
    return {"linkId": session.id, "state": session.state, "provider": session.provider, "accountId": session.account_id}
