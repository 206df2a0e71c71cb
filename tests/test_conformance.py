"""The specifications' own audits and their authors' clients find nothing to object to (tests/conformance)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import fetched, servers
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

_SCRIPTS = Path(__file__).parent / "conformance"
_CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:{n}\r\nFN:Person {n} Example\r\nEMAIL:person{n}@example.org\r\nEND:VCARD\r\n"
_FIRST_CHANGE = "{ viewer { changes(first: 1) { edges { cursor } } } }"


class Row(NamedTuple):
    """One line of a script's report."""

    level: str
    id: str
    name: str
    ok: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.level} [{self.id}] {self.name}: {self.reason}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An installation with a few people, all of whom are in its change feed."""
    cards = tmp_path_factory.mktemp("cards") / "people.vcf"
    cards.write_text("".join(_CARD.format(n=n) for n in range(8)), newline="")
    with kith_serve(tmp_path_factory.mktemp("kith")) as running:
        running.kith("import", str(cards), "--viewer", "ada")
        yield running


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts beside the packages they import."""
    try:
        modules = fetched.npm("conformance", _SCRIPTS) / "node_modules"
    except fetched.Missing as error:
        servers.missing["JavaScript clients"] = error.how
        raise
    folder = tmp_path_factory.mktemp("conformance")
    for script in _SCRIPTS.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(modules)
    return folder


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    """A key that may read."""
    return gateway.token("ada")


@pytest.fixture(scope="module")
def cursor(gateway: Gateway) -> str:
    """A place in the change feed after which there are several events."""
    answer = json.loads(gateway.kith("query", "-", "--viewer", "ada", stdin=_FIRST_CHANGE).stdout)
    return str(answer["data"]["viewer"]["changes"]["edges"][0]["cursor"])


@pytest.fixture
def report(gateway: Gateway, scripts: Path, key: str, cursor: str, request: pytest.FixtureRequest) -> list[Row]:
    """What the script named by the test's parameter says of the gateway."""
    command = [str(fetched.node()), str(scripts / f"{request.param}.mjs"), gateway.endpoint, key, cursor]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return [Row(**row) for row in json.loads(done.stdout)]


@pytest.mark.parametrize("report", ["http"], indirect=True)
def test_every_must_and_should_of_graphql_over_http_is_met(report: list[Row]) -> None:
    servers.exercised["graphql-http audits"] = f"{sum(row.ok for row in report)} of {len(report)} met"
    assert [str(row) for row in report if not row.ok and row.level in ("MUST", "SHOULD")] == []
    assert sum(row.level == "SHOULD" for row in report) > 20


@pytest.mark.parametrize(
    "report", ["websocket", "events", "urql"], indirect=True, ids=["graphql-ws", "graphql-sse", "@urql/core"]
)
def test_real_clients_find_what_their_protocol_promises(report: list[Row], request: pytest.FixtureRequest) -> None:
    servers.exercised[f"{request.node.callspec.id} client"] = f"{len(report)} checks"
    assert [str(row) for row in report if not row.ok] == []
    assert report
