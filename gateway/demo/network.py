"""The demo's social network: a Mastodon-compatible server of invented people on loopback, filled through its own API.

The server (package mastodon-mock, extra `demo`) runs as a process of its own, keeps its data in the demo folder and goes on after
the command, since a live account is asked when it is read. `server.json` says where it is; `stop` ends it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
import msgspec

from gateway.demo.people import CHATS, MY_HANDLE, MY_NAME, PEOPLE
from gateway.demo.place import RECORD, Server, known

START_SECONDS: Final = 30.0
USABLE: Final = "mastodon_mock"


def installed() -> bool:
    """Whether the extra `demo` is."""
    return importlib.util.find_spec(USABLE) is not None


def start(folder: Path) -> Server:
    """The running server; started, on the port it had before, where it is not. Raises RuntimeError with its last words."""
    before = known(folder)
    if before is not None and _answers(before.url):
        return before
    port = before.port if before is not None else _free_port()
    config = folder / "social.toml"
    config.write_text(
        f'[tool.mastodon_mock]\n[tool.mastodon_mock.database]\npath = "{folder / "social.db"}"\nin_memory = false\n'
    )
    with (folder / "social.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter, with arguments of ours
            [sys.executable, "-m", USABLE, "serve", "--config", str(config), "--host", "127.0.0.1", "--port", str(port),
             "--domain", f"127.0.0.1:{port}"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    server = Server(port=port, pid=process.pid, token=before.token if before is not None else "")
    end = time.monotonic() + START_SECONDS
    while not _answers(server.url):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the demo's server did not start: {(folder / 'social.log').read_text()[-500:]}")
        time.sleep(0.1)
    _remember(folder, server)
    return server


def fill(folder: Path, server: Server) -> Server:
    """Make the people, who follow each other and write to the viewer; what is there already stays."""
    if server.token:
        return server
    with httpx.Client(base_url=server.url, timeout=20.0, trust_env=False) as client:
        mine = _user(client, MY_HANDLE, MY_NAME)
        tokens = {p.handle: _user(client, p.handle, p.name) for p in PEOPLE if p.handle}
        ids = {handle: _me(client, token)["id"] for handle, token in tokens.items()}
        my_id = _me(client, mine)["id"]
        for handle, token in tokens.items():
            _post(client, f"/api/v1/accounts/{ids[handle]}/follow", mine)
            if handle not in ("haruka", "dev"):
                _post(client, f"/api/v1/accounts/{my_id}/follow", token)
        for chat in CHATS:
            last: str | None = None
            for is_mine, text in chat.turns:
                to = chat.handle if is_mine else MY_HANDLE
                body: dict[str, Any] = {"status": f"@{to} {text}", "visibility": "direct"}
                if last is not None:
                    body["in_reply_to_id"] = last
                last = str(_post(client, "/api/v1/statuses", mine if is_mine else tokens[chat.handle], body)["id"])
    filled = msgspec.structs.replace(server, token=mine)
    _remember(folder, filled)
    return filled


def stop(folder: Path) -> bool:
    """End the server of an earlier run; whether there was one."""
    server = known(folder)
    if server is None or not _answers(server.url):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
    return True


def _user(client: httpx.Client, username: str, name: str) -> str:
    answer = client.post("/api/v1/_mock/dev_user", json={"username": username, "display_name": name})
    if answer.status_code == 422:  # made by a run that was interrupted
        answer = client.post("/api/v1/_mock/login", json={"username": username})
    return str(answer.raise_for_status().json()["access_token"])


def _me(client: httpx.Client, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    found: dict[str, Any] = client.get("/api/v1/accounts/verify_credentials", headers=headers).raise_for_status().json()
    return found


def _post(client: httpx.Client, path: str, token: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    found: dict[str, Any] = client.post(path, json=body, headers=headers).raise_for_status().json()
    return found


def _remember(folder: Path, server: Server) -> None:
    path = folder / RECORD
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(server))


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/instance", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
