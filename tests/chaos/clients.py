"""GraphQL clients written from the protocols' texts: HTTP, graphql-transport-ws, and event streams that can be cut at any byte.

The two streams have the same face: `stream(gateway, key, since)` yields events and its connection dies, without a word, when the
iteration is left.
"""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp

from tests.gateway_process import Gateway
from tests.patience import PATIENCE

CHANGES = """subscription Changes($since: Cursor) { changes(since: $since) { __typename cursor
  ... on NodeUpserted { nodeId nodeKind nodeVersion created changedFields }
  ... on NodeDeleted { nodeId nodeKind reason }
  ... on NodesMerged { survivorId absorbedIds }
  ... on NodeSplit { originId partIds }
  ... on ResyncRequired { cause } } }"""
HERE = """mutation Here($name: String!) {
  createStream(input: { name: $name, rule: "from:nobody.at.all@example.org" }) { feedCursor errors { message } } }"""
_ids = itertools.count(1)
Event = dict[str, Any]


def ask(gateway: Gateway, key: str, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """One POST, waited for. Raises RuntimeError when the answer has errors."""
    request = urllib.request.Request(
        gateway.endpoint,
        json.dumps({"query": query, "variables": variables or {}}).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {key}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as response:
        answer: dict[str, Any] = json.load(response)
    if answer.get("errors"):
        raise RuntimeError(f"the query failed: {answer['errors']}")
    return answer


def position(gateway: Gateway, key: str) -> str:
    """The end of the feed: whoever follows it from there misses nothing of what happens from now on, however late they begin."""
    done = ask(gateway, key, HERE, {"name": f"from here {next(_ids)}"})["data"]["createStream"]
    assert not done["errors"], done
    return str(done["feedCursor"])


async def by_websocket(gateway: Gateway, key: str, since: str | None) -> AsyncIterator[Event]:
    """The changes over graphql-transport-ws."""
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(gateway.endpoint, protocols=("graphql-transport-ws",), max_msg_size=0)
        try:
            await socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}})
            acknowledged = await socket.receive_json()
            assert acknowledged["type"] == "connection_ack", acknowledged
            name = str(next(_ids))
            payload = {"query": CHANGES, "variables": {"since": since}}
            await socket.send_json({"id": name, "type": "subscribe", "payload": payload})
            async for received in socket:
                message = json.loads(received.data)
                if message["type"] == "ping":
                    await socket.send_json({"type": "pong"})
                elif message["type"] == "next" and message["id"] == name:
                    yield message["payload"]["data"]["changes"]
                else:
                    raise AssertionError(f"unexpected message {message}")
            raise ConnectionError(f"the server closed the socket with {socket.close_code}")
        finally:
            _cut(socket._response)


async def by_event_stream(gateway: Gateway, key: str, since: str | None) -> AsyncGenerator[Event, None]:
    """The changes over Server-Sent Events, resumed as graphql-sse clients do: by `since`."""
    async for event in _events(gateway, key, {"query": CHANGES, "variables": {"since": since}}, {}):
        yield event


async def by_stream(gateway: Gateway, key: str, since: str | None, stream_id: str) -> AsyncGenerator[Event, None]:
    """What meets a stream's rule, over Server-Sent Events resumed by `since`."""
    query = CHANGES.replace("($since: Cursor)", "($since: Cursor, $id: ID!)")
    query = query.replace("(since: $since)", "(since: $since, filter: { streamId: $id })")
    async for event in _events(gateway, key, {"query": query, "variables": {"since": since, "id": stream_id}}, {}):
        yield event


async def by_event_source(gateway: Gateway, key: str, since: str | None) -> AsyncIterator[Event]:
    """The changes over Server-Sent Events, resumed as a browser's EventSource does: by Last-Event-ID."""
    headers = {} if since is None else {"last-event-id": since}
    async for event in _events(gateway, key, {"query": CHANGES, "variables": {}}, headers):
        yield event


async def _events(gateway: Gateway, key: str, body: dict[str, Any], headers: dict[str, str]) -> AsyncIterator[Event]:
    wanted = {"accept": "text/event-stream", "authorization": f"Bearer {key}", **headers}
    no_limit = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=no_limit) as session:
        response = await session.post(gateway.endpoint, json=body, headers=wanted)
        try:
            assert response.status == 200, await response.text()
            name = ""
            seen = ""
            while line := await response.content.readuntil(b"\n"):
                text = line.decode().rstrip("\r\n")
                if text.startswith("id:"):
                    seen = text[3:].strip()
                elif text.startswith("event:"):
                    name = text[6:].strip()
                elif text.startswith("data:") and name == "next":
                    event = json.loads(text[5:])["data"]["changes"]
                    assert event["cursor"] == seen, "the event's id is not its cursor"
                    yield event
            raise ConnectionError("the server ended the stream")
        finally:
            _cut(response)


def _cut(response: aiohttp.ClientResponse) -> None:
    """As a network does it: the peer hears nothing but a reset."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()
