"""A real server of the AT Protocol for tests, as tests/servers.py starts the others: Bluesky's own PDS and a directory of DIDs.

Both come from npm (MIT or Apache-2.0) by the lock file in tests/atproto/. What a PDS only passes on, profiles and chat, is not in it:
tests/providers/bluesky_stub.py stands for that.
"""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests import fetched
from tests.ports import free_port
from tests.servers import Command, Running, _local, exercised, recorded, running, scratch

PROJECT = Path(__file__).parent / "atproto"
NAME = "AT Protocol (PDS)"


@dataclass(frozen=True)
class AtUser:
    """An account, with another client's way to do things there."""

    url: str
    did: str
    handle: str
    password: str
    token: str
    refresh_token: str

    def call(self, method: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """One call, a procedure where there is a body. Raises urllib.error.HTTPError for a refusal."""
        return _call(self.url, method, body, self.token, query)

    def follow(self, did: str, at: str = "2026-01-02T03:04:05Z") -> str:
        """Follow somebody; the key of the record."""
        return self.create("app.bsky.graph.follow", {"subject": did, "createdAt": at})

    def post(self, text: str, at: str = "2026-01-02T03:04:05Z", **more: Any) -> str:
        return self.create("app.bsky.feed.post", {"text": text, "createdAt": at, **more})

    def create(self, collection: str, record: Mapping[str, Any]) -> str:
        body = {"repo": self.did, "collection": collection, "record": {"$type": collection, **record}}
        return str(self.call("com.atproto.repo.createRecord", body)["uri"]).rpartition("/")[2]

    def delete(self, collection: str, key: str) -> None:
        self.call("com.atproto.repo.deleteRecord", {"repo": self.did, "collection": collection, "rkey": key})

    def records(self, collection: str) -> dict[str, Any]:
        """What is in a collection, by key."""
        found: dict[str, Any] = {}
        asked = {"repo": self.did, "collection": collection, "limit": "100"}
        while True:
            page = _call(self.url, "com.atproto.repo.listRecords", None, self.token, asked)
            found |= {record["uri"].rpartition("/")[2]: record["value"] for record in page["records"]}
            if "cursor" not in page:
                return found
            asked["cursor"] = page["cursor"]

    def app_password(self, name: str, *, privileged: bool) -> str:
        """A password for a program; `privileged` allows direct messages."""
        made = self.call("com.atproto.server.createAppPassword", {"name": name, "privileged": privileged})
        return str(made["password"])

    def renews(self, refresh_token: str) -> bool:
        """Whether a session of this account is still open."""
        request = urllib.request.Request(f"{self.url}/xrpc/com.atproto.server.refreshSession", method="POST")
        request.add_header("Authorization", f"Bearer {refresh_token}")
        try:
            with _local(request) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    def revoke(self, name: str) -> None:
        self.call("com.atproto.server.revokeAppPassword", {"name": name})


@dataclass(frozen=True)
class AtProto:
    """A server and its directory. `new_user()` makes somebody whom nobody else has met."""

    server: Running
    url: str
    directory: str

    def new_user(self, name: str = "ada") -> AtUser:
        handle, password = f"{name}{next(_numbers)}.test", "correct horse battery"
        asked = {"email": f"{handle.partition('.')[0]}@example.org", "handle": handle, "password": password}
        said = _call(self.url, "com.atproto.server.createAccount", asked)
        return AtUser(self.url, said["did"], handle, password, said["accessJwt"], said["refreshJwt"])

    def publish(self, url: str, document: Mapping[str, Any]) -> None:
        """Let the server find a document at an address of the web that it has never been in."""
        file = self.server.folder / "web.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps({**known, url: document}))
        fresh.replace(file)


_numbers = itertools.count(1)


def exported(user: AtUser, folder: Path) -> Path:
    """The repository as its owner downloads it."""
    request = urllib.request.Request(f"{user.url}/xrpc/com.atproto.sync.getRepo?did={user.did}")
    file = folder / "anything.bin"
    with _local(request) as answer:
        file.write_bytes(answer.read())
    return file


def _call(url: str, method: str, body: Mapping[str, Any] | None, token: str = "", query: Mapping[str, str] | None = None) -> Any:
    target = f"{url}/xrpc/{method}" + (f"?{urlencode(query)}" if query else "")
    request = urllib.request.Request(target, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with _local(request) as answer:
        return json.loads(answer.read() or b"null")


@contextmanager
def pds() -> Iterator[AtProto]:
    """A PDS of its own, with empty SQLite databases and without limits, in whose directory every new account is entered."""
    with recorded(NAME):
        program = fetched.node()
        modules = fetched.npm("atproto", PROJECT, native=("better-sqlite3",))
        (modules / "run.mjs").write_bytes((PROJECT / "run.mjs").read_bytes())
    with scratch() as folder:
        port, plc_port = free_port(), free_port()
        url = f"http://localhost:{port}"
        command: Command = [program, modules / "run.mjs", folder, str(port), str(plc_port)]
        with running(Running(command, port, folder, url)) as server:
            version = json.loads((modules / "node_modules/@atproto/pds/package.json").read_text())["version"]
            exercised[NAME] = f"{version}, fetched"
            yield AtProto(server, url, f"http://localhost:{plc_port}")
