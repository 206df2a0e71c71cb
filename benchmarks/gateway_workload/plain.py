"""Two plain Python servers to hold gateways against, both on uvicorn with uvloop and httptools.

`python -m benchmarks.gateway_workload.plain strawberry|ready PORT UPSTREAM_PORT`

- `strawberry`: Strawberry's own view with its parser and validation caches, a loader a request, aiohttp to the upstream.
- `ready`: reads the request's JSON and answers with bytes that were made at its start. No gateway can be faster on this stack.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import aiohttp
import orjson
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks.gateway_workload.workload import GREETING, QUERIES, answers

CONNECTIONS: Final = 64
LISTENING: Final[dict[str, Any]] = {
    "host": "127.0.0.1", "loop": "uvloop", "http": "httptools", "log_config": None, "access_log": False, "server_header": False,
    "backlog": 2_048,
}  # fmt: skip


class Upstream:
    """The way there: one pool, made when the loop runs."""

    client: aiohttp.ClientSession | None = None
    port = 0

    @classmethod
    async def get(cls, path: str) -> Any:
        if cls.client is None:
            cls.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        async with cls.client.get(f"http://127.0.0.1:{cls.port}{path}") as answer:
            return orjson.loads(await answer.read())


async def _users(numbers: list[int]) -> list[Any]:
    return await asyncio.gather(*(Upstream.get(f"/users/{number}") for number in numbers))


async def _user(root: dict[str, Any], info: strawberry.Info[Any, Any]) -> User | None:
    found: User | None = await info.context["users"].load(root["userId"])
    return found


async def _posts() -> list[Post | None]:
    found: list[Post | None] = await Upstream.get("/posts")
    return found


def _read(root: Any, name: str) -> Any:
    return root[name]


@strawberry.type
class User:
    id: int
    name: str
    username: str
    email: str
    phone: str | None
    website: str | None

    @classmethod
    def is_type_of(cls, obj: object, _: object) -> bool:
        return isinstance(obj, dict)


@strawberry.type
class Post:
    id: int
    user_id: int = strawberry.field(name="userId", resolver=lambda root: root["userId"])
    title: str
    body: str
    user: User | None = strawberry.field(resolver=_user)

    @classmethod
    def is_type_of(cls, obj: object, _: object) -> bool:
        return isinstance(obj, dict)


@strawberry.type
class Query:
    posts: list[Post | None] | None = strawberry.field(resolver=_posts)

    @strawberry.field
    def greet(self) -> str:
        return GREETING


class View(GraphQL[Any, Any]):
    """With a loader for each request."""

    async def get_context(self, request: Any, response: Any) -> Any:
        return {"users": DataLoader(load_fn=_users)}


def with_strawberry() -> Starlette:
    config = strawberry.schema.config.StrawberryConfig(default_resolver=_read)
    parsed, validated = ParserCache(), ValidationCache()  # one for all requests
    schema = strawberry.Schema(query=Query, config=config, extensions=[lambda: parsed, lambda: validated])
    return Starlette(routes=[Route("/graphql", View(schema))])


def ready() -> Starlette:
    found = answers()
    ready = {query: orjson.dumps({"data": found[name]}) for name, query in QUERIES.items()}

    async def answer(request: Request) -> Response:
        return Response(ready[orjson.loads(await request.body())["query"]], media_type="application/json")

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


if __name__ == "__main__":
    made = {"strawberry": with_strawberry, "ready": ready}[sys.argv[1]]()
    Upstream.port = int(sys.argv[3])
    uvicorn.run(made, port=int(sys.argv[2]), **LISTENING)
