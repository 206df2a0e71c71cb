"""One turn of the job that checks claims again, in a process of its own, which may be killed: `recheck_once DATABASE PORT MOMENT`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.base import LiveAdapter
from providers.errors import Unavailable
from providers.lookup.crawl import Web
from resolvers import rechecking
from resolvers.operation import Services
from store.cache import Cache
from store.database import Database
from store.vault import Vault
from tests.sites import ToLoopback


@dataclass
class Moment:
    time: datetime

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


async def nobody(viewer: str, account_id: str, *, deadline: float | None) -> LiveAdapter:
    raise Unavailable("There is no network.")


async def main(url: str, port: int, clock: Moment) -> None:
    services = Services(
        database=Database(url), cache=Cache(None), vault=Vault([b"a key of the tests that is long enough"]), clock=clock, providers={},
        open_account=nobody, public_url="https://kith.example.org",
        web=Web(ToLoopback({"a.example", "b.example"}, port, {}), clock, seconds=30.0),
    )  # fmt: skip
    await rechecking.run(services, "u_robin")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Moment(datetime.fromisoformat(sys.argv[3]))))
