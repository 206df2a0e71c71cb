"""Real chat servers for tests, as tests/servers.py starts the others: Synapse for Matrix, with people and rooms made by its own API.

Synapse is under the AGPL: it is fetched apart from this project's environment, run as a program, and part of nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import fetched
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.servers import Command, Running, _local, exercised, recorded, running, scratch

SYNAPSE_VERSION = "1.163.2"
DOMAIN = "kith.test"
MOST = 1_000_000  # bytes of a file that it takes

_HOMESERVER = """
server_name: "{domain}"
public_baseurl: {url}/
pid_file: {folder}/hs.pid
listeners: [{{port: {port}, type: http, tls: false, bind_addresses: ['127.0.0.1'], resources: [{{names: [client]}}]}}]
database: {{name: sqlite3, args: {{database: {folder}/hs.db}}}}
media_store_path: {folder}/media
max_upload_size: {most}
signing_key_path: {folder}/signing.key
log_config: {folder}/log.yaml
enable_registration: true
enable_registration_without_verification: true
refreshable_access_token_lifetime: 5m
macaroon_secret_key: for tests only
form_secret: for tests only
bcrypt_rounds: 4
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
rc_message: {rate}
rc_registration: {rate}
rc_room_creation: {rate}
rc_invites: {{per_room: {rate}, per_user: {rate}, per_issuer: {rate}}}
rc_joins: {{local: {rate}, remote: {rate}}}
rc_login: {{address: {rate}, account: {rate}, failed_attempts: {rate}}}
"""
_LOG = "{version: 1, root: {level: ERROR}, disable_existing_loggers: false}"


@dataclass(frozen=True)
class MatrixUser:
    """Somebody at a homeserver, with another client's way to do things there."""

    url: str
    user_id: str
    password: str
    token: str

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One JSON request below `/_matrix/client`. Raises urllib.error.HTTPError for a refusal."""
        request = urllib.request.Request(
            f"{self.url}/_matrix/client{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {self.token}")
        with _local(request) as answer:
            return json.loads(answer.read() or b"null")

    def another_device(self) -> MatrixUser:
        """The same person with another client."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": self.password}
        return replace(self, token=self.call("POST", "/v3/login", body)["access_token"])

    def devices(self) -> list[str]:
        """What this person's sessions are called."""
        return sorted(str(each.get("display_name")) for each in self.call("GET", "/v3/devices")["devices"])

    def upload(self, data: bytes, media_type: str) -> str:
        """The `mxc:` URI of some bytes."""
        request = urllib.request.Request(f"{self.url}/_matrix/media/v3/upload", data, method="POST")
        request.add_header("Content-Type", media_type)
        request.add_header("Authorization", f"Bearer {self.token}")
        with _local(request) as answer:
            return str(json.loads(answer.read())["content_uri"])

    def create_room(self, *others: MatrixUser, **more: Any) -> str:
        """A room with these people in it; its id."""
        room: str = self.call(
            "POST", "/v3/createRoom", {"preset": "private_chat", "invite": [o.user_id for o in others], **more}
        )["room_id"]
        for other in others:
            other.join(room)
        return room

    def join(self, room: str) -> None:
        self.call("POST", f"/v3/join/{quote(room)}", {})

    def leave(self, room: str) -> None:
        self.call("POST", f"/v3/rooms/{quote(room)}/leave", {})

    def invite(self, room: str, other: MatrixUser) -> None:
        self.call("POST", f"/v3/rooms/{quote(room)}/invite", {"user_id": other.user_id})

    def send(self, room: str, content: Mapping[str, Any] | str, kind: str = "m.room.message") -> str:
        """Write an event; its id. Text alone is a plain message."""
        body = {"msgtype": "m.text", "body": content} if isinstance(content, str) else dict(content)
        return str(self.call("PUT", f"/v3/rooms/{quote(room)}/send/{kind}/t{next(_numbers)}", body)["event_id"])

    def edit(self, room: str, event: str, text: str) -> str:
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": event}
        return self.send(room, {"msgtype": "m.text", "body": f"* {text}", "m.new_content": new, "m.relates_to": relation})

    def react(self, room: str, event: str, sign: str) -> str:
        return self.send(room, {"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": sign}}, "m.reaction")

    def redact(self, room: str, event: str) -> None:
        self.call("PUT", f"/v3/rooms/{quote(room)}/redact/{quote(event)}/t{next(_numbers)}", {})

    def read(self, room: str, event: str) -> None:
        """Say that everything up to here was read."""
        self.call("POST", f"/v3/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {})

    def set_state(self, room: str, kind: str, content: Mapping[str, Any]) -> None:
        self.call("PUT", f"/v3/rooms/{quote(room)}/state/{kind}/", content)

    def set_direct(self, rooms: Mapping[str, list[str]]) -> None:
        """Keep rooms as direct ones, as clients do."""
        self.call("PUT", f"/v3/user/{quote(self.user_id)}/account_data/m.direct", rooms)

    def name(self, name: str, avatar: str | None = None) -> None:
        self.call("PUT", f"/v3/profile/{quote(self.user_id)}/displayname", {"displayname": name})
        if avatar is not None:
            self.call("PUT", f"/v3/profile/{quote(self.user_id)}/avatar_url", {"avatar_url": avatar})
        for room in self.call("GET", "/v3/joined_rooms")["joined_rooms"]:  # they learn of it in the background
            end = time.monotonic() + PATIENCE
            while self.call("GET", f"/v3/rooms/{quote(room)}/joined_members")["joined"][self.user_id]["display_name"] != name:
                if time.monotonic() > end:
                    raise RuntimeError(f"{room} never learned of the name {name}")
                time.sleep(0.05)

    def timeline(self, room: str) -> list[dict[str, Any]]:
        """Every event of a room, oldest first, as any other client reads it."""
        found: list[dict[str, Any]] = []
        start = ""
        while True:
            page = self.call("GET", f"/v3/rooms/{quote(room)}/messages?dir=f&limit=1000{start and '&from=' + quote(start)}")
            found += page["chunk"]
            if not page.get("end") or not page["chunk"]:
                return found
            start = page["end"]


@dataclass(frozen=True)
class Matrix:
    """A homeserver. `new_user()` makes somebody whom nobody else has met."""

    server: Running
    url: str

    def new_user(self, name: str = "ada") -> MatrixUser:
        username, password = f"{name}{next(_numbers)}", "correct horse battery"
        request = urllib.request.Request(
            f"{self.url}/_matrix/client/v3/register",
            json.dumps({"username": username, "password": password, "auth": {"type": "m.login.dummy"}}).encode(),
            method="POST",
        )
        with _local(request) as answer:
            said = json.loads(answer.read())
        return MatrixUser(self.url, said["user_id"], password, said["access_token"])


_numbers = itertools.count(1)


@contextmanager
def synapse(*, port: int | None = None, called: str | None = None) -> Iterator[Matrix]:
    """A Synapse of its own on SQLite, without limits, whose access tokens live for five minutes where one asks for that.

    `called` is the address that it gives to clients, where that is another one.
    """
    with recorded("Synapse (Matrix)"):
        packages = fetched.wheels("synapse", f"matrix-synapse=={SYNAPSE_VERSION}")
    with scratch() as folder:
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        rate = "{per_second: 10000, burst_count: 10000}"
        (folder / "log.yaml").write_text(_LOG)
        (folder / "homeserver.yaml").write_text(
            _HOMESERVER.format(domain=DOMAIN, url=called or url, folder=folder, port=port, rate=rate, most=MOST)
        )
        command: Command = [sys.executable, "-m", "synapse.app.homeserver", "-c", folder / "homeserver.yaml"]
        environment = {"PYTHONPATH": str(packages), "PYTHONNOUSERSITE": "1"}
        _generate_keys(command, environment, folder)
        with running(Running(command, port, folder, url, environment=environment)) as server:
            exercised["Synapse (Matrix)"] = f"{SYNAPSE_VERSION}, fetched"
            yield Matrix(server, url)


def _generate_keys(command: Command, environment: Mapping[str, str], folder: Path) -> None:
    subprocess.run(
        [str(word) for word in (*command, "--generate-keys")],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
