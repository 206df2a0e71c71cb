"""GraphQL over HTTP: what is answered in which media type with which status, and what never leaves."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import httpx2 as httpx
import orjson
import pytest
import structlog

from gateway.endpoint import LEGACY, MODERN, negotiate
from gateway.event_stream import MEDIA_TYPE as EVENT_STREAM
from gateway.execution.request import encoded
from tests.gateway.running import SECRET_TEXT, ask, asking, key_of, opened


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, LEGACY),
        ("", LEGACY),
        ("*/*", LEGACY),
        ("application/*", LEGACY),
        ("application/json", LEGACY),
        ("application/graphql-response+json", MODERN),
        ("application/graphql-response+json, application/json;q=0.9", MODERN),
        ("application/json;q=0.5, application/graphql-response+json;q=0.4", LEGACY),
        ("application/graphql-response+json;q=0, application/json", LEGACY),
        ("APPLICATION/GRAPHQL-RESPONSE+JSON; charset=UTF-8", MODERN),
        ("application/graphql-response+json; charset=utf-16", None),
        ("text/event-stream", EVENT_STREAM),
        ("text/html", None),
        ("application/json;q=nonsense", None),
        ("," * 1000, None),
    ],
)
def test_the_media_type_follows_the_accept_header(accept: str | None, answer: str | None) -> None:
    assert negotiate(accept) == answer


async def post(tmp_path: Path, content: bytes | None = None, method: str = "POST", **headers: str) -> httpx.Response:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            fixed = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
            return await client.request(method, "/graphql", content=content, headers=fixed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'[{"query":"{me}"}]',
        b"null",
        b'{"query":null}',
        b'{"query":1}',
        b'{"query":"{me}","variables":[1]}',
        b'{"query":"{me}","operationName":7}',
        b'{"query":"{me}","extensions":"x"}',
        b'{"query":"{me}"' + b"[" * 5_000,
        b"\xff\xfe",
    ],
)
async def test_what_is_no_graphql_request_is_a_bad_request_with_a_sentence(tmp_path: Path, body: bytes) -> None:
    answer = await post(tmp_path, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (405, {"method": "PUT"}),
        (405, {"method": "DELETE"}),
        (406, {"accept": "image/png"}),
        (415, {"content_type": "text/plain"}),
        (415, {"content_type": "multipart/form-data; boundary=x"}),
        (415, {"content_type": "application/json; charset=utf-16"}),
        (415, {"content_encoding": "gzip"}),
        (413, {"content": b'{"query":"' + b"x" * 1_100_000 + b'"}'}),
    ],
)
async def test_http_itself_is_answered_with_its_own_status(tmp_path: Path, status: int, arguments: dict[str, Any]) -> None:
    answer = await post(tmp_path, **{"content": b'{"query":"{me}"}', **arguments})
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


async def test_a_body_that_hides_its_length_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 50_000_000:
            sent += 65_536
            yield b"x" * 65_536

    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            answer = await client.post("/graphql", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "modern_status", "has_data"),
    [
        ({"query": "{me}"}, 200, True),
        ({"query": "{"}, 400, False),
        ({"query": "{nope}"}, 400, False),
        ({"query": "query($n:Int!){items(first:$n){name}}"}, 400, False),
        ({"query": "query($n:Int!){items(first:$n){name}}", "variables": {"n": "many"}}, 400, False),
        ({"query": "query A{me} query B{me}"}, 400, False),
        ({"query": "query A{me}", "operationName": "B"}, 400, False),
        ({"query": "fragment F on Query{me}"}, 400, False),
        ({"query": "{boom me}"}, 200, True),
    ],
)
async def test_a_request_error_has_no_data_and_says_so_by_its_status(
    tmp_path: Path, body: dict[str, Any], modern_status: int, has_data: bool
) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            modern = await client.post("/graphql", json=body, headers={"accept": MODERN})
            legacy = await client.post("/graphql", json=body, headers={"accept": LEGACY})
    assert (modern.status_code, legacy.status_code) == (modern_status, 200)
    assert modern.headers["content-type"].startswith(MODERN) and legacy.headers["content-type"].startswith(LEGACY)
    for answer in (modern, legacy):
        assert ("data" in answer.json()) is has_data
        assert all(error["extensions"]["code"] for error in answer.json().get("errors", []))


async def test_a_mutation_by_get_and_a_subscription_by_post_are_refused_clearly(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            query = await client.get("/graphql", params={"query": "query($n:Int){items(first:$n){name}}", "variables": '{"n":1}'})
            mutation = await client.get("/graphql", params={"query": "mutation{touch}"})
            subscription = await ask(client, "subscription{count}")
    assert query.json()["data"] == {"items": [{"name": "0"}]}
    assert mutation.status_code == 405 and mutation.headers["allow"] == "POST"
    assert subscription.status_code == 400
    assert subscription.json()["errors"][0]["extensions"]["code"] == "SUBSCRIPTION_NEEDS_STREAM"


async def test_a_bug_is_masked_and_the_log_holds_it_under_the_reference(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path) as installation:
            key, _ = await key_of(installation)
            async with asking(installation, key) as client:
                answer = await ask(client, "{me boom}")
    (error,) = answer.json()["errors"]
    assert answer.json()["data"]["me"] and answer.json()["data"]["boom"] is None
    assert SECRET_TEXT not in answer.text and "hunter2" not in answer.text
    assert error["path"] == ["boom"]
    (entry,) = [line for line in log if line.get("reference") == error["extensions"]["reference"]]
    assert SECRET_TEXT in str(entry["exc_info"])


async def test_a_mistake_of_the_client_is_no_error_in_the_log(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path) as installation:
            key, _ = await key_of(installation)
            async with asking(installation, key) as client:
                for query in ("{", "{nope}", "{...F}", "query($n:Int!){items(first:$n){name}}", "{a:" * 500):
                    await ask(client, query)
    assert [line for line in log if line["log_level"] in ("error", "warning", "critical")] == []


async def test_big_answers_are_compressed_for_who_can_read_that(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            packed = await client.post("/graphql", json={"query": "{long}"}, headers={"accept-encoding": "gzip"})
            plain = await client.post("/graphql", json={"query": "{long}"}, headers={"accept-encoding": "identity"})
            small = await client.post("/graphql", json={"query": "{me}"}, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and int(packed.headers["content-length"]) < 1_000
    assert "content-encoding" not in plain.headers and "content-encoding" not in small.headers
    assert packed.json()["data"] == plain.json()["data"]


def test_answers_hold_what_scalars_give_whatever_its_keys_are() -> None:
    assert encoded({"data": {"plain": "ä"}}) == '{"data":{"plain":"ä"}}'.encode()
    assert (
        encoded({"data": {"counts": {1: "one", date(2026, 5, 4): None}}}) == b'{"data":{"counts":{"1":"one","2026-05-04":null}}}'
    )
    with pytest.raises(TypeError):
        encoded({"data": {"plain": object()}})


async def test_an_answer_says_what_it_cost(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            answer = await ask(client, "{items{name}}")
    assert answer.json()["extensions"]["kith"] == {
        "cost": 1,
        "providerCalls": {"planned": 0, "made": 0, "avoided": 0},
        "cacheHits": 0,
        "sources": [],
    }


@pytest.mark.parametrize(
    ("query", "variables", "deadline"),
    [
        ("{deadline}", {}, 1500),
        ("{deadline(freshness:{deadlineMs:3000})}", {}, 3000),
        ("{a:deadline(freshness:{deadlineMs:3000}) b:deadline(freshness:{deadlineMs:4000}) deadline}", {}, 4000),
        ("query($f:JSON){deadline(freshness:$f)}", {"f": {"deadlineMs": 2500}}, 2500),
        ("query($f:JSON){deadline(freshness:$f)}", {"f": {"deadlineMs": 10**9}}, 5000),
        ("query($f:JSON){deadline(freshness:$f)}", {"f": {"deadlineMs": -5}}, 1500),
        ("query($f:JSON){deadline(freshness:$f)}", {"f": {"deadlineMs": True}}, 1500),
    ],
)
async def test_the_largest_deadline_asked_for_counts_up_to_the_operators(
    tmp_path: Path, query: str, variables: dict[str, Any], deadline: int
) -> None:
    async with opened(tmp_path, max_deadline=5.0) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            answer = await ask(client, query, variables=variables)
    assert answer.json()["data"]["deadline"] == deadline


async def test_many_operations_run_side_by_side(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            answers = await asyncio.gather(*(ask(client, "{slow(seconds:0.2)}") for _ in range(50)))
    assert [answer.json()["data"]["slow"] for answer in answers] == ["done"] * 50


async def test_an_event_stream_carries_cursors_as_ids_and_goes_on_from_the_last_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key, accept="text/event-stream") as client:
            first = await client.post("/graphql", json={"query": "subscription{changes{name}}"})
            resumed = await client.get(
                "/graphql", params={"query": "subscription{changes{name}}"}, headers={"last-event-id": "3"}
            )
            query = await client.post("/graphql", json={"query": "{me}"})
            invalid = await client.post("/graphql", json={"query": "subscription{nope}"})
    assert _ids(first) == ["1", "2", "3", "4", "5"]
    assert _ids(resumed) == ["4", "5"]
    assert first.text.endswith("event: complete\ndata:\n\n")
    assert first.headers["content-type"].startswith("text/event-stream")
    assert query.text.count("event: next") == 1 and query.text.count("event: complete") == 1
    assert "nope" in _data(invalid)[0]["errors"][0]["message"]


async def test_a_subscription_that_breaks_ends_with_a_reference(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key, accept="text/event-stream") as client:
            answer = await client.post("/graphql", json={"query": "subscription{breaks}"})
    first, last = _data(answer)
    assert first["data"] == {"breaks": 1}
    assert last["errors"][0]["extensions"]["reference"]
    assert "hunter2" not in answer.text


def _ids(answer: httpx.Response) -> list[str]:
    return [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]


def _data(answer: httpx.Response) -> list[dict[str, Any]]:
    return [orjson.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
