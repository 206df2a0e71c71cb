"""`kith serve` as its own process, for tests that look at Kith from outside: HTTP, sockets, signals, the command line.

    with kith_serve(tmp_path) as gateway:
        key = gateway.token("ada")

Settings of the surrounding environment are not inherited; what a test needs it names. Knows only what the README tells.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.patience import PATIENCE
from tests.ports import free_port

_ROOT = Path(__file__).parent.parent
_KITH = (sys.executable, "-c", "import sys; from gateway.cli import main; sys.exit(main())")


@dataclass
class Gateway:
    """A running installation. Ports and data stay the same when it is stopped and started again."""

    home: Path
    port: int
    settings: dict[str, str]
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """The GraphQL endpoint."""
        return f"{self.url}/graphql"

    @property
    def log(self) -> str:
        """Everything it has printed so far."""
        return (self.home / "serve.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait for /readyz. Raises RuntimeError with the end of the log when it does not get ready."""
        command = [*_KITH, "serve", "--host", "127.0.0.1", "--port", str(self.port), *self.flags]
        with (self.home / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=PATIENCE):
                return
            time.sleep(0.05)
        self.stop(signal.SIGKILL)
        raise RuntimeError(f"kith serve did not get ready: {self.log[-3000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End it; its exit status, or None when it was not running. SIGKILL takes its worker along."""
        process, self.process = self.process, None
        if process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            if how is signal.SIGKILL:
                os.killpg(process.pid, how)
            else:
                process.send_signal(how)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def kith(self, *arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another `kith` command beside it. Raises RuntimeError with what it printed when it fails and `check` is set."""
        done = subprocess.run(
            [*_KITH, *arguments],
            cwd=_ROOT,
            env=self._environment(),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if check and done.returncode:
            raise RuntimeError(f"kith {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start another `kith` command beside it and do not wait for it: the caller does, or kills it."""
        with (self.home / "commands.log").open("ab") as log:
            return subprocess.Popen(
                [*_KITH, *arguments], cwd=_ROOT, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def token(self, viewer: str, *scopes: str) -> str:
        """A new API key of a viewer, who is created when the name is new."""
        wanted = [word for scope in scopes for word in ("--scope", scope)]
        return self.kith("token", "create", "--viewer", viewer, *wanted).stdout.strip()

    def login_link(self) -> str:
        """A new one-time link that signs a browser in as the owner."""
        return self.kith("login").stdout.split()[-1]

    def sign_in_link(self) -> str:
        """The last one-time link that it printed for its owner."""
        found = re.findall(re.escape(self.url) + r"/\S+", self.log)
        if not found:
            raise RuntimeError(f"no link was printed: {self.log[-2000:]}")
        return str(found[-1])

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "KITH_HOME": str(self.home),
            "KITH_PORT": str(self.port),  # links that other commands print lead here too
            **self.settings,
        }


@contextmanager
def kith_serve(home: Path, *flags: str, owner_url: str | None = None, **settings: str) -> Iterator[Gateway]:
    """Migrate and serve from `home` on a free port; settings as KITH_…="value". `owner_url`: who migrates on PostgreSQL."""
    home.mkdir(parents=True, exist_ok=True)
    gateway = Gateway(home, free_port(), dict(settings), flags)
    migrating = Gateway(home, gateway.port, {**settings, "KITH_DATABASE_URL": owner_url} if owner_url else dict(settings))
    migrating.kith("migrate")
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()
