"""A bare Strawberry app: the fields of the people page from dicts in memory, with no store, limits, sign-in or cursors.

What GraphQL in Python costs by itself, to hold Kith against. `python -m benchmarks.bare PORT FILE [--caches]` serves the
people of a JSON file; uvicorn is set as Kith sets it. `--caches` adds Strawberry's parser and validation caches.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from benchmarks.universe import Written

SERVER: Final[dict[str, Any]] = {
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_keep_alive": 30,
    "backlog": 2_048,
}
_people: list[dict[str, Any]] = []


def people_of(written: Written) -> list[dict[str, Any]]:
    """A universe as the JSON that this app serves, in the order of names."""
    return [
        {
            "id": f"p{person.number}",
            "name": person.name,
            "emails": [person.email],
            "conversations": [
                {
                    "id": f"v{person.number}-{n}",
                    "subject": c.subject,
                    "at": c.last_at.isoformat(),
                    "messageId": f"m{person.number}-{n}",
                    "snippet": c.last_text[:200],
                }
                for n, c in enumerate(written.latest.get(person.number, []))
            ],
        }
        for person in written.page(len(written.people))
    ]


@strawberry.type
class Email:
    address: str


@strawberry.type
class Message:
    id: strawberry.ID
    snippet: str
    sent_at: str


@strawberry.type
class Conversation:
    data: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def id(self) -> strawberry.ID:
        return strawberry.ID(self.data["id"])

    @strawberry.field
    def subject(self) -> str | None:
        found: str | None = self.data["subject"]
        return found

    @strawberry.field
    def last_activity_at(self) -> str:
        return str(self.data["at"])

    @strawberry.field
    def last_message(self) -> Message | None:
        return Message(id=strawberry.ID(self.data["messageId"]), snippet=self.data["snippet"], sent_at=self.data["at"])


@strawberry.type
class ConversationEdge:
    node: Conversation


@strawberry.type
class ConversationConnection:
    edges: list[ConversationEdge]


@strawberry.type
class Person:
    data: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def id(self) -> strawberry.ID:
        return strawberry.ID(self.data["id"])

    @strawberry.field
    def name(self) -> str:
        return str(self.data["name"])

    @strawberry.field
    def emails(self) -> list[Email]:
        return [Email(address=address) for address in self.data["emails"]]

    @strawberry.field
    async def conversations(self, first: int = 50) -> ConversationConnection:
        return ConversationConnection(
            edges=[ConversationEdge(node=Conversation(data=c)) for c in self.data["conversations"][:first]]
        )


@strawberry.type
class PersonEdge:
    node: Person


@strawberry.type
class PersonConnection:
    edges: list[PersonEdge]


@strawberry.type
class Viewer:
    @strawberry.field
    async def people(self, first: int = 50) -> PersonConnection:
        return PersonConnection(edges=[PersonEdge(node=Person(data=data)) for data in _people[:first]])


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self) -> Viewer:
        return Viewer()


def main() -> None:
    """Serve until SIGTERM."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--caches", action="store_true")
    given = arguments.parse_args()
    _people.extend(json.loads(given.file.read_text()))
    extensions = [ParserCache, ValidationCache] if given.caches else []
    schema = strawberry.Schema(Query, extensions=extensions, config=StrawberryConfig(auto_camel_case=True))
    app = Starlette(routes=[Route("/graphql", GraphQL(schema))])
    uvicorn.run(app, host="127.0.0.1", port=given.port, **SERVER)


if __name__ == "__main__":
    main()
