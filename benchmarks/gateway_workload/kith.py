"""Kith on the workload: another schema in front of the product's own endpoint, sign-in, limits, execution, loaders and way out.

`python -m benchmarks.gateway_workload.kith PORT UPSTREAM_PORT` serves it as `kith serve` does, from the data folder that `KITH_HOME`
names. The upstream is called through a `Session`, so that every call is judged by the guard, counted by a budget and a breaker, read
within its bounds and shown in the metrics. Needs an API key like any other installation.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import msgspec
import uvloop

from benchmarks.gateway_workload.workload import GREETING
from gateway import settings as configuration
from gateway.accounts import Accounts, Held
from gateway.listener import bind
from gateway.serve import serve
from providers.base import Provider
from providers.http import Session
from providers.quota import Quota
from providers.session import Account, Secret
from resolvers.loaders import gathering
from resolvers.operation import Operation
from schema.build import Schema, shorten
from schema.declare import Info, field, loaded, object_type


class UserRecord(msgspec.Struct, frozen=True):
    """A user as the upstream tells it; what nobody asks for is not read."""

    id: int
    name: str
    username: str
    email: str
    phone: str | None = None
    website: str | None = None


class PostRecord(msgspec.Struct, frozen=True, rename="camel"):
    """A post as the upstream tells it."""

    id: int
    user_id: int
    title: str
    body: str


#: A source that sets no limit, as the other gateways know none: what bounds the calls of all are their connections.
UPSTREAM: Final = Provider(
    key="posts", name="Posts", kind="SOCIAL", mode="LIVE", capabilities=frozenset(),
    quota=Quota(calls=1_000_000_000, seconds=1.0, concurrency=1_000, interactive_reserve=0.0),
)  # fmt: skip
#: What a call may take: fifty clients at once wait longer than people do, and the others wait for ever.
SECONDS: Final = 10.0
ACCOUNT: Final = Account(
    provider=UPSTREAM.key, base_url=f"http://127.0.0.1:{sys.argv[2] if len(sys.argv) > 2 else 80}", live=True
)
_posts: Final = msgspec.json.Decoder(list[PostRecord])
_user: Final = msgspec.json.Decoder(UserRecord)


def _session(operation: Operation) -> Session:
    """One for the operation, as accounts are opened once for it."""
    found: Session | None = operation.loaders.get((UPSTREAM.key,))
    if found is None:
        found = operation.loaders[UPSTREAM.key,] = _opened(operation)
    return found


def _opened(operation: Operation) -> Session:
    accounts = operation.services.open_account
    assert isinstance(accounts, Accounts)
    deadline = operation.now().timestamp() + SECONDS
    return accounts.session(ACCOUNT, Held(Secret()), UPSTREAM, deadline=deadline, budget_key=UPSTREAM.key)


async def posts(info: Info) -> list[PostRecord]:
    """All of them."""
    answer = await _session(info.context.operation).request("GET", "/posts")
    return _posts.decode(answer.content)


async def user(operation: Operation, number: int) -> UserRecord:
    """One of them, by number."""
    answer = await _session(operation).request("GET", f"/users/{number}")
    return _user.decode(answer.content)


def _greeting() -> str:
    return GREETING


@object_type("Who writes.", of=UserRecord)
class User:
    id: int = field("Their number.")
    name: str = field("Their name.")
    username: str = field("What they sign in with.")
    email: str = field("Their address.")
    phone: str | None = field("Their number.")
    website: str | None = field("Their page.")


@object_type("What was written.", of=PostRecord)
class Post:
    id: int = field("Its number.")
    user_id: int = field("Whose it is.")
    title: str = field("Its heading.")
    body: str = field("Its text.")
    user: User | None = field("Whose it is.", loaded(gathering(user), "user_id"))


@object_type("The workload.")
class Query:
    posts: list[Post | None] | None = field("All posts.", posts)
    greet: str = field("A greeting.", _greeting)


def schema() -> Schema:
    """The workload's schema, put together as Kith's own is."""
    built = Schema(query=Query)
    shorten(built)
    return built


async def main() -> None:
    """Serve until the process is told to end."""
    settings = configuration.load(host="127.0.0.1", port=int(sys.argv[1]))
    await serve(settings, bind(settings), workers=1, worker=False, child=True, schema=schema())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
