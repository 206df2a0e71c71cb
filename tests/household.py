"""A viewer's data for tests, on either database: made by the product's own ingest, never by inserting rows."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from providers import records
from resolvers.identity.pairing import pair
from resolvers.identity.resolve import resolve
from resolvers.ingest import Result, Target, forget_account, put_list, take_in
from resolvers.ingest.removal import remove_keys
from store import accounts, feed, viewers
from store.database import Database
from store.feed import Recorder
from tests import fresh, servers

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ME = "robin@example.org"


@asynccontextmanager
async def open_sqlite(folder: Path) -> AsyncIterator[Database]:
    """An empty, migrated SQLite database."""
    servers.exercised["SQLite"] = f"{sqlite3.sqlite_version}, Python's own"
    await fresh.sqlite(folder / "kith.db")
    database = Database(f"sqlite:///{folder / 'kith.db'}")
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_postgresql(server: servers.Postgres) -> AsyncIterator[Database]:
    """An empty PostgreSQL database, migrated by its owner and opened as the role that row-level security binds."""
    place = await fresh.postgresql(server)
    database = Database(place.app_url)
    try:
        yield database
    finally:
        await database.close()
        place.drop()


class Household:
    """One viewer and what their accounts take in."""

    def __init__(self, database: Database, viewer: str) -> None:
        self.database = database
        self.viewer = viewer
        self.now = NOW

    @classmethod
    async def open(cls, database: Database, viewer: str = "u_robin") -> Household:
        await database.write(viewer, viewers.add, viewer.removeprefix("u_"), NOW)
        return cls(database, viewer)

    async def account(self, provider: str, user_id: str = "files", *, mode: str = "MIRRORED", own: Sequence[str] = ()) -> str:
        """A linked account, without a network behind it."""

        def write(conn: Connection, viewer: str) -> str:
            recorder = Recorder(self.now)
            account_id = accounts.put(
                conn, viewer, recorder, self.now, provider=provider, user_id=user_id, label=f"{provider} {user_id}", mode=mode,
                status="ACTIVE",
            )  # fmt: skip
            for value in own:
                accounts.put_own_address(conn, viewer, account_id, value, recorder)
            recorder.flush(conn, viewer)
            return account_id

        return await self.database.write(self.viewer, write)

    async def take(
        self,
        account_id: str,
        *items: records.Contact
        | records.Message
        | records.Reacted
        | records.MessageState
        | records.ConversationHead
        | records.Activity
        | records.Gone
        | records.Undelivered
        | records.Voided,
        live: bool = False,
    ) -> list[Result]:
        """Take records in as one slice."""

        def write(conn: Connection, viewer: str) -> list[Result]:
            recorder = Recorder(self.now, account_id=account_id)
            target = Target(account_id=account_id, live=live, own=accounts.own_values(conn, viewer))
            found = take_in(conn, viewer, target, [records.Row(item=i) for i in items], recorder, self.now)
            recorder.flush(conn, viewer)
            return found

        self.now += timedelta(seconds=1)
        return await self.database.write(self.viewer, write)

    async def unlist(self, account_id: str, keys: Sequence[str]) -> None:
        """Contacts that the account's network does not list any more."""

        def write(conn: Connection, viewer: str) -> None:
            recorder = Recorder(self.now, account_id=account_id)
            target = Target(account_id=account_id, own=accounts.own_values(conn, viewer))
            remove_keys(conn, viewer, target, "CONTACT", keys, recorder, self.now)
            recorder.flush(conn, viewer)

        self.now += timedelta(seconds=1)
        await self.database.write(self.viewer, write)

    async def list_labels(self, account_id: str, labels: Sequence[records.Label]) -> None:
        """Take in the account's list of folders and labels."""

        def write(conn: Connection, viewer: str) -> None:
            recorder = Recorder(self.now, account_id=account_id)
            put_list(conn, viewer, account_id, labels, recorder)
            recorder.flush(conn, viewer)

        await self.database.write(self.viewer, write)

    async def forget(self, account_id: str) -> None:
        """Unlink an account to the end."""

        def step(conn: Connection, viewer: str) -> bool:
            recorder = Recorder(self.now, account_id=account_id)
            done = forget_account(conn, viewer, account_id, recorder, self.now)
            recorder.flush(conn, viewer)
            return done

        while not await self.database.write(self.viewer, step):
            self.now += timedelta(seconds=1)

    async def resolve(self) -> int:
        """Run the identity job."""
        seen = await resolve(self.database, self.viewer, self.now)
        await pair(self.database, self.viewer, self.now)
        return seen

    async def changes(self, after: int = 0, **asked: object) -> list[feed.Change]:
        return await self.database.read(self.viewer, feed.read, after, 100_000, **asked)  # type: ignore[arg-type]

    async def head(self) -> int:
        return (await self.database.read(self.viewer, feed.head)).position


def card(
    key: str, name: str, *emails: str, phones: Sequence[str] = (), urls: Sequence[str] = (), **more: object
) -> records.Contact:
    """An address book's contact; `phones` are mobile numbers in E.164."""
    words = name.split()
    return records.Contact(
        key=key,
        relation="ADDRESS_BOOK",
        names=(records.Name(full=name, given=words[0], family=words[-1] if len(words) > 1 else None),),
        emails=tuple(records.Email(raw=e, address=e) for e in emails),
        phones=tuple(records.Phone(raw=p, number=p, mobile=True) for p in phones),
        urls=tuple(records.Url(url=u) for u in urls),
        **more,  # type: ignore[arg-type]
    )


def follower(handle: str, name: str, *, host: str = "social.example", urls: Sequence[records.Url] = ()) -> records.Contact:
    """Somebody on a social network."""
    url = f"https://{host}/@{handle}"
    return records.Contact(
        key=f"{handle}@{host}", relation="FOLLOWING", names=(records.Name(full=name),), url=url, urls=tuple(urls),
        handles=(records.Handle(provider="mastodon", handle=f"{handle}@{host}", url=url),),
    )  # fmt: skip


def mail(
    number: int, sender: str, to: str = ME, *, name: str = "", answers: Sequence[int] = (), text: str = "", **more: object
) -> records.Message:
    """A mail whose Message-ID is its number; `answers` are its References, oldest first."""
    values: dict[str, object] = {
        "key": f"key-{number}",
        "internet_message_id": f"{number}@mail.example",
        "references": tuple(f"{n}@mail.example" for n in answers),
        "sent_at": NOW + timedelta(minutes=number),
        "subject": f"Subject {number}",
        "text": text or f"Text of {number}",
        "participants": (
            records.Participant(role="FROM", address=sender, name=name),
            records.Participant(role="TO", address=to),
        ),
    }
    return records.Message(**(values | more))  # type: ignore[arg-type]
