"""Linked and imported accounts as rows, with their sealed grants.

The account's secret stands in `secret` under (account, id, grant), sealed for exactly that place. A refresh holds the row: a
`refreshing` mark is written before the network is asked and a fence counts the holders, so that of two refreshers only one asks
and a late one cannot overwrite a newer secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids
from store.among import VIEWER
from store.feed import Recorder
from store.prepared import Prepared
from store.revision import UNSHOWN_COLUMNS
from store.tables import account, container, gap, own_address, secret

PLACE: Final = ("account", "grant")  # table and column of the vault's associated data
REFRESH_LEASE: Final = timedelta(seconds=60)
#: How long after a gap was seen again what is missing is asked for once more: doubling, from the first to the longest.
GAP_FIRST: Final = timedelta(minutes=1)
GAP_LONGEST: Final = timedelta(hours=6)
VERIFY: Final = "verify"  # the account's setting that asks for a comparison of ids at the next run


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account row, without its secret."""

    id: str
    provider: str
    user_id: str
    label: str
    base_url: str
    mode: str
    status: str
    status_reason: str | None
    settings: dict[str, str]
    cursor: bytes | None
    last_synced_at: datetime | None
    next_sync_at: datetime | None
    retry_at: datetime | None
    version: int


#: In a mark, that nobody refreshes any more and the answer was lost.
NOBODY: Final = "nobody"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed grant with its fence and, while somebody refreshes it, since when and who.

    `holder` is NOBODY where a refresh began then, and whether the network has carried it out is not known.
    """

    blob: bytes
    fence: int
    refreshing: datetime | None
    holder: str = ""


def put(
    conn: Connection,
    viewer: str,
    recorder: Recorder,
    now: datetime,
    *,
    provider: str,
    user_id: str,
    label: str,
    mode: str,
    base_url: str = "",
    scopes: Iterable[str] = (),
    settings: dict[str, str] | None = None,
    status: str = "SYNCING",
) -> str:
    """Make the account, or bring a known one (the same user at the same provider) back to life; its id.

    A known one keeps its mode: what is stored of it was stored in that mode. One that is linked to its network stays as it is when a
    file of the same user comes, which has no `base_url`.
    """
    account_id = ids.derive("ACCOUNT", viewer, provider, user_id)
    # one that its network's files made while these were a provider of their own has another id; a linked one comes before it
    same = (account.c.viewer_id == viewer, account.c.provider == provider, account.c.user_id == user_id)
    first = (account.c.base_url == "", account.c.id != account_id, account.c.created_at, account.c.id)
    known = conn.execute(select(account.c.id, account.c.version, account.c.base_url).where(*same).order_by(*first)).first()
    if known is not None:
        account_id = known.id
    mine = (account.c.viewer_id == viewer, account.c.id == account_id)
    if known is not None and known.base_url and not base_url:
        return account_id
    values = {"label": label, "base_url": base_url, "status": status, "status_reason": None, "retry_at": None,
              "granted_scopes": " ".join(scopes), "settings": msgspec.json.encode(settings or {})}  # fmt: skip
    if known is None:
        conn.execute(
            account.insert().values(
                viewer_id=viewer, id=account_id, provider=provider, user_id=user_id, mode=mode, created_at=now, **values
            )
        )
        recorder.upsert("ACCOUNT", account_id, 1, created=True)
    else:
        conn.execute(sa.update(account).where(*mine).values(version=known.version + 1, **values))
        recorder.upsert("ACCOUNT", account_id, known.version + 1)
    return account_id


def get(conn: Connection, viewer: str, account_id: str) -> Account | None:
    row = conn.execute(select(account).where(account.c.viewer_id == viewer, account.c.id == account_id)).one_or_none()
    return None if row is None else _account(row)


def listed(conn: Connection, viewer: str) -> list[Account]:
    """All accounts, oldest first."""
    return [_account(row) for row in _all.rows(conn, viewer=viewer)]


@Prepared
def _all() -> sa.Select[Any]:
    return select(account).where(account.c.viewer_id == VIEWER).order_by(account.c.created_at, account.c.id)


def change(conn: Connection, viewer: str, account_id: str, recorder: Recorder | None, **values: Any) -> None:
    """Change columns; with a recorder the version grows and the feed says so, without (progress) it does not.

    What answers show is then written only where it differs: a run that found nothing new changes no answer (store/revision.py).
    """
    if recorder is not None:
        row = conn.execute(
            sa.update(account).where(account.c.viewer_id == viewer, account.c.id == account_id)
            .values(version=account.c.version + 1, **values).returning(account.c.version)
        ).one_or_none()  # fmt: skip
        if row is not None:
            recorder.upsert("ACCOUNT", account_id, row.version)
        return
    mine = (account.c.viewer_id == viewer, account.c.id == account_id)
    quiet = {name: value for name, value in values.items() if name in UNSHOWN_COLUMNS["account"]}
    shown = {name: value for name, value in values.items() if name not in quiet}
    if quiet:
        conn.execute(_quietly(tuple(quiet)), {"viewer": viewer, "whose": account_id, **{f"new_{n}": v for n, v in quiet.items()}})
    if shown:
        differs = sa.or_(*(account.c[name].is_distinct_from(value) for name, value in shown.items()))
        conn.execute(sa.update(account).where(*mine, differs).values(**shown))


@lru_cache(50)
def _quietly(names: tuple[str, ...]) -> sa.Update:
    """Set these columns; every slice of a sync sets some of the same few."""
    mine = (account.c.viewer_id == sa.bindparam("viewer"), account.c.id == sa.bindparam("whose"))
    return sa.update(account).where(*mine).values({name: sa.bindparam(f"new_{name}") for name in names})


def seal(conn: Connection, viewer: str, account_id: str, blob: bytes) -> None:
    """Store a grant, replacing any; nobody's refresh may overwrite it."""
    row = conn.execute(select(secret.c.fence).where(*_grant(viewer, account_id))).one_or_none()
    if row is None:
        conn.execute(
            secret.insert().values(
                viewer_id=viewer, table_name=PLACE[0], row_id=account_id, column_name=PLACE[1], sealed=blob, fence=0
            )
        )
    else:
        conn.execute(
            sa.update(secret).where(*_grant(viewer, account_id)).values(sealed=blob, fence=row.fence + 1, refreshing=None)
        )


def sealed(conn: Connection, viewer: str, account_id: str) -> Sealed | None:
    row = conn.execute(
        select(secret.c.sealed, secret.c.fence, secret.c.refreshing).where(*_grant(viewer, account_id))
    ).one_or_none()
    if row is None:
        return None
    since, _, holder = (row.refreshing or "").partition(" ")
    return Sealed(blob=row.sealed, fence=row.fence, refreshing=datetime.fromisoformat(since) if since else None, holder=holder)


def begin_refresh(
    conn: Connection, viewer: str, account_id: str, fence: int, now: datetime, holder: str, *, dead: bool = False
) -> bool:
    """Take the right to refresh the secret read under `fence`; False when somebody else has it or has done it.

    `dead`: whoever held it at that fence is known to be no more, and is not waited for.
    """
    stale = (now - REFRESH_LEASE).isoformat()
    mark = secret.c.refreshing
    free = sa.true() if dead else sa.or_(mark.is_(None), mark < stale, mark.endswith(f" {NOBODY}"))
    taken = sa.update(secret).where(*_grant(viewer, account_id), secret.c.fence == fence, free)
    return conn.execute(taken.values(refreshing=f"{now.isoformat()} {holder}", fence=fence + 1)).rowcount == 1


def end_refresh(
    conn: Connection, viewer: str, account_id: str, fence: int, blob: bytes | None, unanswered: datetime | None = None
) -> bool:
    """Store the refreshed secret (None: the old one stays) if nobody took over since `fence`.

    `unanswered`: when a refresh began that the network may have carried out without our knowing, so that the old secret may be worth nothing.
    """
    values: dict[str, Any] = {
        "refreshing": None if unanswered is None else f"{unanswered.isoformat()} {NOBODY}",
        "fence": fence + 1,
    }
    if blob is not None:
        values["sealed"] = blob
    return (
        conn.execute(sa.update(secret).where(*_grant(viewer, account_id), secret.c.fence == fence).values(**values)).rowcount == 1
    )


def memory(conn: Connection, viewer: str, account_id: str) -> bytes | None:
    """What an account's adapter remembers besides its cursor."""
    kept: bytes | None = conn.execute(
        select(account.c.memory).where(account.c.viewer_id == viewer, account.c.id == account_id)
    ).scalar_one_or_none()
    return kept


def remember(conn: Connection, viewer: str, account_id: str, remembered: bytes) -> None:
    """Keep that until the account is unlinked."""
    change(conn, viewer, account_id, None, memory=remembered)


def own_values(conn: Connection, viewer: str) -> frozenset[str]:
    """The viewer's own addresses and handles, case-folded, of all accounts."""
    return frozenset(row.value.casefold() for row in _own_values.rows(conn, viewer=viewer))


@Prepared
def _own_values() -> sa.Select[Any]:
    return select(own_address.c.value).where(own_address.c.viewer_id == VIEWER, own_address.c.mine)


def own_of(conn: Connection, viewer: str, account_id: str) -> frozenset[str]:
    """The viewer's own addresses and handles of one account, case-folded."""
    mine = own_address.c
    rows = conn.execute(select(mine.value).where(mine.viewer_id == viewer, mine.account_id == account_id, mine.mine))
    return frozenset(value.casefold() for value in rows.scalars())


def sharing(conn: Connection, viewer: str, account_id: str) -> list[Account]:
    """Other accounts that have an address of this one, but those that are being unlinked as well."""
    rows = conn.execute(
        select(own_address.c.account_id, own_address.c.value).where(own_address.c.viewer_id == viewer, own_address.c.mine)
    ).all()
    mine = {row.value.casefold() for row in rows if row.account_id == account_id}
    alike = {row.account_id for row in rows if row.value.casefold() in mine}
    return [one for one in listed(conn, viewer) if one.id in alike and one.id != account_id and one.status != "UNLINKING"]


def same_user(
    conn: Connection,
    viewer: str,
    provider: str,
    user_id: str,
    addresses: Collection[str],
    *,
    primary: str | None = None,
    linked: bool,
) -> str:
    """The user id under which a provider's account is kept already that has one of these addresses; `user_id` where none has, or several.

    Files of a network may call its user otherwise than the network does. They are of a `linked` account; one that is linked, of files
    that came before it, or of an account that has its `primary` address.
    """
    known = {each.id: each for each in listed(conn, viewer) if each.provider == provider}
    if any(each.user_id == user_id for each in known.values()):
        return user_id
    own = own_address.c
    rows = conn.execute(select(own.account_id, own.value).where(own.viewer_id == viewer, own.mine, own.account_id.in_(known)))
    wanted = {value.casefold() for value in addresses}
    held = {(row.account_id, row.value.casefold()) for row in rows}
    found = {
        known[account_id].user_id
        for account_id, value in held
        if value in wanted and (bool(known[account_id].base_url) is linked or value == (primary or "").casefold())
    }
    return found.pop() if len(found) == 1 else user_id


def put_own_address(
    conn: Connection, viewer: str, account_id: str, value: str, recorder: Recorder, *, kind: str = "EMAIL", origin: str = "SETTINGS",
    primary: bool = False, mine: bool = True, count: int = 0,
) -> None:  # fmt: skip
    """Note an own address of an account. What the viewer decided by hand is not changed by what an import infers."""
    address_id = ids.derive("OWN_ADDRESS", account_id, kind, value.casefold())
    known = conn.execute(
        select(own_address).where(own_address.c.viewer_id == viewer, own_address.c.id == address_id)
    ).one_or_none()
    if known is None:
        conn.execute(
            own_address.insert().values(viewer_id=viewer, id=address_id, account_id=account_id, kind=kind, value=value, origin=origin,
                                        mine=mine, primary=primary, message_count=count)
        )  # fmt: skip
        recorder.upsert("OWN_ADDRESS", address_id, 1, created=True)
    elif known.origin != "MANUAL" and (known.mine, known.primary) != (mine, primary):
        conn.execute(
            sa.update(own_address).where(own_address.c.viewer_id == viewer, own_address.c.id == address_id)
            .values(mine=mine, primary=primary, version=known.version + 1)
        )  # fmt: skip
        recorder.upsert("OWN_ADDRESS", address_id, known.version + 1)


def state(
    conn: Connection, viewer: str, account_id: str, kind: str, name: str, now: datetime, *, expected: int | None, stored: int,
    skipped: dict[str, int],
) -> int:  # fmt: skip
    """Write a line of the ledger: what the source states against what is stored and skipped; returns what is missing.

    Something missing is an open gap until a later statement closes it.
    """
    keys = {"viewer_id": viewer, "account_id": account_id, "kind": kind, "name": name}
    conn.execute(sa.delete(container).where(*(container.c[k] == v for k, v in keys.items())))
    conn.execute(
        container.insert().values(**keys, expected=expected, stored=stored, skipped=msgspec.json.encode(skipped), verified_at=now)
    )
    missing = max(0, (expected or 0) - stored - sum(skipped.values())) if expected is not None else 0
    gap_id = ids.derive("GAP", account_id, kind, name)
    mine = (gap.c.viewer_id == viewer, gap.c.id == gap_id)
    if not missing:
        conn.execute(sa.delete(gap).where(*mine))
        return 0
    known = conn.execute(select(gap.c.attempts).where(*mine)).one_or_none()
    reason = f"The source states {expected}, {stored} are stored and {sum(skipped.values())} were left out."
    if known is None:
        conn.execute(
            gap.insert().values(viewer_id=viewer, id=gap_id, account_id=account_id, container=name, count=missing, reason=reason,
                                since=now, attempts=1, retry_at=now)
        )  # fmt: skip
    else:
        wait = min(GAP_LONGEST, GAP_FIRST * 2 ** min(known.attempts, 20))
        conn.execute(
            sa.update(gap).where(*mine)
            .values(count=missing, reason=reason, attempts=known.attempts + 1, retry_at=now + wait)
        )  # fmt: skip
    return missing


def ask_to_verify(conn: Connection, viewer: str, account_id: str) -> None:
    """Have the next run compare ids with what the network lists."""
    row = conn.execute(
        select(account.c.settings).where(account.c.viewer_id == viewer, account.c.id == account_id)
    ).one()  # fmt: skip
    settings = msgspec.json.decode(row.settings, type=dict[str, str]) if row.settings else {}
    change(conn, viewer, account_id, None, settings=msgspec.json.encode({**settings, VERIFY: "asked"}))


def has_due_gap(conn: Connection, viewer: str, account_id: str, now: datetime) -> bool:
    """Whether something that is missing should be asked for again by now."""
    due = sa.or_(gap.c.retry_at.is_(None), gap.c.retry_at <= now)
    return conn.execute(
        select(gap.c.id).where(gap.c.viewer_id == viewer, gap.c.account_id == account_id, due).limit(1)
    ).first() is not None  # fmt: skip


def _grant(viewer: str, account_id: str) -> tuple[Any, ...]:
    return (
        secret.c.viewer_id == viewer,
        secret.c.table_name == PLACE[0],
        secret.c.row_id == account_id,
        secret.c.column_name == PLACE[1],
    )


def _account(row: Any) -> Account:
    values = {name: getattr(row, name) for name in Account.__struct_fields__ if name != "settings"}
    return Account(**values, settings=msgspec.json.decode(row.settings, type=dict[str, str]) if row.settings else {})
