"""The way in that the README shows: `kith demo` beside a running server, then its first query, word for word."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.clients import ask
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

_README = (Path(__file__).parent.parent / "README.md").read_text()
# reads the store alone: to read live conversations is to learn of who takes part in them
_STORED = "{ viewer { feed { head } people(first: 50) { edges { node { id version contacts(first: 20) { edges { node { id } } } } } } } }"
_SINCE = """query Since($since: Cursor!) { viewer { changes(since: $since) { edges { node {
  __typename ... on NodeUpserted { nodeKind } } } } } }"""
pytest.importorskip("mastodon_mock", reason="the extra `demo` is not installed")


@contextmanager
def _demo(home: Path) -> Iterator[Gateway]:
    with kith_serve(home) as gateway:
        try:
            gateway.kith("demo")
            yield gateway
        finally:
            gateway.kith("demo", "--stop", check=False)


def _first_query(gateway: Gateway, key: str) -> dict[str, Any]:
    """What the README's curl sends, sent by curl's own words to this server."""
    found = re.search(r"^curl (.*?) -d @- <<'JSON'\n(.*?)\nJSON$", _README, re.MULTILINE | re.DOTALL)
    assert found is not None
    words = shlex.split(found[1].replace("http://127.0.0.1:8000", gateway.url).replace("$KEY", key))
    done = subprocess.run(["curl", *words, "-d", found[2]], capture_output=True, text=True, check=True, timeout=PATIENCE)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert "errors" not in answer
    people: dict[str, Any] = answer["data"]["viewer"]["people"]
    return people


def test_after_the_demo_the_first_query_of_the_readme_returns_unified_people_with_their_conversations(tmp_path: Path) -> None:
    with _demo(tmp_path / "home") as gateway:
        key = gateway.token("owner")
        people = _first_query(gateway, key)
        while any(source["state"] == "TIMED_OUT" for source in people["sources"]):
            people = _first_query(
                gateway, key
            )  # a busy machine may miss the deadline: what comes after it is there for who asks again
        assert people["totalCount"] > 10
        assert {source["state"] for source in people["sources"]} == {"FRESH"}
        assert len(people["sources"]) == 3
        shown = [edge["node"] for edge in people["edges"]]
        unified = [person for person in shown if person["why"] and person["conversations"]["edges"]]
        assert unified, "somebody of the first page is known from cards and from mail"
        assert "e-mail address" in unified[0]["why"][0]["sentence"]


def test_a_second_demo_changes_nothing_but_when_its_accounts_were_looked_at(tmp_path: Path) -> None:
    with _demo(tmp_path / "home") as gateway:
        key = gateway.token("owner", "read")
        before = ask(gateway, key, _STORED)["data"]["viewer"]
        gateway.kith("demo")
        after = ask(gateway, key, _STORED)["data"]["viewer"]
        assert after["people"] == before["people"]
        edges = ask(gateway, key, _SINCE, {"since": before["feed"]["head"]})["data"]["viewer"]["changes"]["edges"]
        told = {(e["node"]["__typename"], e["node"].get("nodeKind")) for e in edges}
        assert told - {("FeedAdvanced", None)} == {("NodeUpserted", "IMPORT"), ("NodeUpserted", "ACCOUNT")}
