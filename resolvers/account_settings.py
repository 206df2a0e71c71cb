"""Writing to accounts: label, pause, refresh, unlink, and which addresses are the viewer's own.

Nothing here waits for a network: what takes longer is a leased job (`sync`, `unlink`, `own`), asked for in the same
transaction.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import accounts, ids, leases, outbox
from store.feed import Recorder
from store.tables import account, contact, message_source, own_address

MAX_LABEL: Final = 200
MAX_ADDRESS: Final = 320


async def update(operation: Operation, account_id: str, label: str | None, paused: bool | None, key: str | None) -> Payload:
    """Change label or pause; what is None stays."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = _writable(conn, viewer, account_id)
        values: dict[str, Any] = {}
        if label is not None:
            values["label"] = _label(label)
        if paused is True and row.status != "PAUSED":
            values |= {"status": "PAUSED", "status_reason": "Paused by you.", "next_sync_at": None, "phase": None}
            leases.drop(conn, viewer, account_id)
        if paused is False and row.status == "PAUSED":
            values |= {"status": "SYNCING" if row.last_synced_at is None else "ACTIVE", "status_reason": None}
            provider = operation.services.providers.get(row.provider)
            if provider is not None and provider.follows(row.base_url):
                leases.enqueue(conn, viewer, "sync", account_id, now, every=provider.poll_seconds)
            outbox.wake(conn, viewer, account_id, now)
        if values:
            accounts.change(conn, viewer, account_id, recorder, **values)
        return Answer(node_id=account_id)

    done = await perform(operation, "updateAccount", key, [account_id, label, paused], write)
    return payload(operation, done, account_id="node_id")


async def refresh(operation: Operation, account_id: str, verify: bool, key: str | None) -> Payload:
    """Synchronise now; with `verify` also compare ids with what the network lists, or read all of it again."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = _writable(conn, viewer, account_id)
        provider = operation.services.providers.get(row.provider)
        if row.status == "REAUTH_REQUIRED":
            raise _refused("REAUTH_REQUIRED", "Sign in to this account again first; then it synchronises by itself.", account_id)
        if row.status == "PAUSED":
            raise _refused("NOT_WRITABLE", "This account is paused; let it go on first.", account_id)
        if provider is None or not provider.follows(row.base_url):
            raise _refused("UNSUPPORTED", "This account was imported from files; import a newer file to refresh it.", account_id)
        if verify:
            accounts.ask_to_verify(conn, viewer, account_id)
        leases.enqueue(conn, viewer, "sync", account_id, now, every=provider.poll_seconds)
        return Answer(node_id=account_id)

    done = await perform(operation, "refreshAccount", key, [account_id, verify], write)
    return payload(operation, done, account_id="node_id")


async def unlink(operation: Operation, account_id: str, key: str | None) -> Payload:
    """Begin to unlink: the account answers no more at once, a job erases what came only through it."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        _writable(conn, viewer, account_id)
        count = _only_here(conn, viewer, account_id)
        values = {"status": "UNLINKING", "status_reason": "Being erased.", "next_sync_at": None, "phase": None}
        accounts.change(conn, viewer, account_id, recorder, **values)
        leases.drop(conn, viewer, account_id)
        leases.enqueue(conn, viewer, "unlink", account_id, now)
        return Answer(node_id=account_id, count=count)

    done = await perform(operation, "unlinkAccount", key, [account_id], write)
    return payload(operation, done, account_id="node_id", erased_count="count")


async def set_own(
    operation: Operation, account_id: str, kind: str, value: str, mine: bool, primary: bool | None, key: str | None
) -> Payload:
    """Say whether an address is the viewer's own; a job corrects the direction of messages that name it."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        _writable(conn, viewer, account_id)
        address = _address(kind, value)
        address_id = ids.derive("OWN_ADDRESS", account_id, kind, address.casefold())
        o = own_address.c
        row = conn.execute(select(own_address).where(o.viewer_id == viewer, o.id == address_id)).one_or_none()
        first = mine and (primary if primary is not None else row is not None and row.primary)
        if first:
            others = sa.update(own_address).where(
                o.viewer_id == viewer, o.account_id == account_id, o.primary, o.id != address_id
            )
            for other in conn.execute(others.values(primary=False, version=o.version + 1).returning(o.id, o.version)).all():
                recorder.upsert("OWN_ADDRESS", other.id, other.version, fields=("primary",))
        if row is None:
            conn.execute(
                own_address.insert().values(
                    viewer_id=viewer,
                    id=address_id,
                    account_id=account_id,
                    kind=kind,
                    value=address,
                    origin="MANUAL",
                    mine=mine,
                    primary=first,
                )
            )
            recorder.upsert("OWN_ADDRESS", address_id, 1, created=True)
        else:
            conn.execute(
                sa.update(own_address)
                .where(o.viewer_id == viewer, o.id == address_id)
                .values(mine=mine, primary=first, origin="MANUAL", version=row.version + 1)
            )
            recorder.upsert("OWN_ADDRESS", address_id, row.version + 1, fields=("mine", "origin", "primary"))
        if row is None or row.mine != mine:
            leases.enqueue(conn, viewer, "own", address_id, now)
        return Answer(node_id=address_id)

    done = await perform(operation, "setOwnAddress", key, [account_id, kind, value, mine, primary], write)
    return payload(operation, done, own_address_id="node_id")


def _writable(conn: Connection, viewer: str, account_id: str) -> Any:
    """The row of an account that is there to stay."""
    row = conn.execute(select(account).where(account.c.viewer_id == viewer, account.c.id == account_id)).one_or_none()
    if row is None:
        if ids.kind_of(account_id) not in ("ACCOUNT", None):
            raise _refused("WRONG_KIND", "This is the id of something else than an account.", account_id)
        raise Mistaken(not_found(account_id, "accountId"))
    if row.status == "UNLINKING":
        raise _refused("NOT_WRITABLE", "This account is being unlinked.", account_id)
    return row


def _refused(code: str, message: str, account_id: str) -> Mistaken:
    return Mistaken(NodeMistake(code=code, message=message, field=("accountId",), node_id=account_id))


def _label(label: str) -> str:
    text = " ".join(label.split())
    if not text:
        raise Mistaken(Mistake(code="REQUIRED", message="A label needs at least one letter.", field=("label",)))
    if len(text) > MAX_LABEL:
        text = f"A label has at most {MAX_LABEL} characters."
        raise Mistaken(Mistake(code="TOO_LONG", message=text, field=("label",)))
    return text


def _address(kind: str, value: str) -> str:
    """The value as addresses of its kind are kept."""
    text = unicodedata.normalize("NFC", value.strip())
    if not text or len(text) > MAX_ADDRESS or any(c.isspace() for c in text):
        raise Mistaken(
            Mistake(code="INVALID", message="This is no address: it is empty, too long or holds spaces.", field=("value",))
        )
    if kind == "EMAIL":
        local, at, domain = text.rpartition("@")
        if not (local and at and domain):
            raise Mistaken(Mistake(code="INVALID", message="An e-mail address has the form name@example.org.", field=("value",)))
        return f"{local}@{domain.lower()}"
    return text


def _only_here(conn: Connection, viewer: str, account_id: str) -> int:
    """Contacts of the account, and messages that no other account holds."""
    contacts = select(sa.func.count()).where(contact.c.viewer_id == viewer, contact.c.account_id == account_id)
    here, other = message_source.alias("here"), message_source.alias("other")
    elsewhere = (
        select(sa.literal(1))
        .where(other.c.viewer_id == viewer, other.c.message_id == here.c.message_id, other.c.account_id != account_id)
        .exists()
    )
    messages = select(sa.func.count(here.c.message_id.distinct())).where(
        here.c.viewer_id == viewer, here.c.account_id == account_id, sa.not_(elsewhere)
    )
    return int(conn.execute(contacts).scalar_one()) + int(conn.execute(messages).scalar_one())
