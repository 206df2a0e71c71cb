"""Documents that are named instead of sent: registered by their hash (Apollo's protocol), or written down when a client was built."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx2 as httpx
import orjson
import pytest

from gateway import manifests
from gateway.settings import SettingsError, load
from tests.gateway.running import asking, key_of, opened

ME = "{ me }"
ITEMS = "query Items { items { name } }"
MODERN = {"accept": "application/graphql-response+json"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def by_hash(text: str, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text), **more}}}


def code(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["extensions"]["code"])


FORMS: dict[str, Any] = {
    "relay": {"6d5f4ea1": ITEMS},
    "graphql-codegen": {hashlib.sha1(ITEMS.encode()).hexdigest(): ITEMS},
    "apollo": {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": digest(ITEMS), "name": "Items", "type": "query", "body": ITEMS}],
    },
}


def written(folder: Path, name: str) -> tuple[str, str]:
    """A manifest of this form, and the id of its document."""
    path = folder / f"{name}.json"
    path.write_bytes(orjson.dumps(FORMS[name]))
    return str(path), next(iter(manifests.read([str(path)])))


async def test_a_document_sent_once_with_its_hash_is_known_by_the_hash(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation, (await key_of(installation))[0]) as client:
        unknown = await client.post("/graphql", json=by_hash(ITEMS))
        assert (unknown.status_code, code(unknown)) == (200, "PERSISTED_QUERY_NOT_FOUND")
        assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound"  # what clients look for
        registered = await client.post("/graphql", json={"query": ITEMS, **by_hash(ITEMS)})
        named = await client.post("/graphql", json=by_hash(ITEMS))
        extensions = orjson.dumps(by_hash(ITEMS)["extensions"]).decode()
        fetched = await client.get("/graphql", params={"extensions": extensions})
    assert (
        registered.json()["data"]
        == named.json()["data"]
        == fetched.json()["data"]
        == {"items": [{"name": str(n)} for n in range(3)]}
    )


async def test_a_hash_counts_only_for_the_document_that_has_it_and_one_that_is_valid(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation, (await key_of(installation))[0]) as client:
        swapped = await client.post("/graphql", json={"query": "{ touch }", **by_hash(ITEMS)})
        assert swapped.status_code == 400
        assert code(await client.post("/graphql", json=by_hash(ITEMS))) == "PERSISTED_QUERY_NOT_FOUND"
        broken = "{ nothing }"
        assert code(await client.post("/graphql", json={"query": broken, **by_hash(broken)})) == "GRAPHQL_VALIDATION_FAILED"
        assert code(await client.post("/graphql", json=by_hash(broken))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("asked", [{"version": 2}, {"sha256Hash": 5}, {"sha256Hash": ""}, {"version": "1"}])
async def test_another_protocol_is_refused(tmp_path: Path, asked: dict[str, Any]) -> None:
    async with opened(tmp_path) as installation, asking(installation, (await key_of(installation))[0]) as client:
        answer = await client.post("/graphql", json=by_hash(ME, **asked))
    assert answer.status_code == 400


async def test_registering_can_be_turned_off(tmp_path: Path) -> None:
    async with opened(tmp_path, automatic_documents=False) as installation:
        async with asking(installation, (await key_of(installation))[0]) as client:
            await client.post("/graphql", json={"query": ME, **by_hash(ME)})
            answer = await client.post("/graphql", json=by_hash(ME))
    assert answer.json()["errors"][0]["message"] == "PersistedQueryNotSupported"


@pytest.mark.parametrize("form", FORMS)
async def test_a_document_of_a_manifest_is_named_in_every_way_that_clients_have(tmp_path: Path, form: str) -> None:
    path, name = written(tmp_path, form)
    ways: list[dict[str, Any]] = [
        {"documentId": name},
        {"documentId": f"sha256:{name}"},
        {"doc_id": name},
        {"id": name, "query": None},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}},
    ]
    async with opened(tmp_path, documents=(path,)) as installation:
        async with asking(installation, (await key_of(installation))[0]) as client:
            answers = [await client.post("/graphql", json={**way, "variables": {}}) for way in ways]
            answers.append(await client.get("/graphql", params={"documentId": name}))
            missing = await client.post("/graphql", json={"documentId": "unheard-of"}, headers=MODERN)
            sent = await client.post("/graphql", json={"query": ME})
    assert [answer.json()["data"] for answer in answers] == [{"items": [{"name": str(n)} for n in range(3)]}] * 6
    assert (missing.status_code, code(missing)) == (400, "DOCUMENT_NOT_FOUND")
    assert sent.json()["data"]["me"]


async def test_where_only_persisted_documents_are_answered_nothing_else_is(tmp_path: Path) -> None:
    path, name = written(tmp_path, "apollo")
    async with opened(tmp_path, documents=(path,), documents_only=True) as installation:
        async with asking(installation, (await key_of(installation))[0]) as client:
            refused = [
                await client.post("/graphql", json=asked)
                for asked in (
                    {"query": ME},
                    {"query": ME, **by_hash(ME)},
                    by_hash(ME),
                    {"documentId": "x"},
                    {"query": ITEMS + " "},
                )
            ]
            taken = [await client.post("/graphql", json=asked) for asked in ({"query": ITEMS}, {"documentId": name})]
    assert [code(answer) for answer in refused] == ["PERSISTED_QUERY_NOT_IN_LIST"] * 5
    assert all(answer.json()["data"]["items"] for answer in taken)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no json", "no JSON"),
        (b"[]", "JSON object"),
        (b'{"a": 1}', "text of a document"),
        (b'{"format": "another", "version": 1, "operations": []}', "apollo-persisted-query-manifest"),
        (b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations": {}}', "list of objects"),
        (b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a"}]}', "list of objects"),
        (None, "No such file"),
    ],
)
def test_a_manifest_that_cannot_be_read_stops_the_start_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("KITH_DOCUMENTS", str(path))
    with pytest.raises(SettingsError, match=said):
        load()


def test_two_documents_under_one_id_are_a_mistake_that_is_told(tmp_path: Path) -> None:
    for name, text in (("one", ME), ("two", ITEMS)):
        (tmp_path / name).write_bytes(orjson.dumps({"a": text}))
    with pytest.raises(ValueError, match="another document"):
        manifests.read([str(tmp_path / "one"), str(tmp_path / "two")])


def test_only_persisted_documents_need_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_DOCUMENTS_ONLY", "true")
    with pytest.raises(SettingsError, match="KITH_DOCUMENTS"):
        load()
