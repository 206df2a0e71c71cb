"""The other gateways: fetched from their registries into the cache folder of the tests, never into the repository, and how each starts.

Which releases is said by `rivals/package.json` and its lock file. What cannot be fetched or started here is no failure: its row says why.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from tests import fetched

HERE: Final = Path(__file__).parent / "rivals"
LIBC_FROM: Final = "trixie"  # Debian's first release with the C library that Tailcall's program wants (2.39)
#: name → command and environment, for (port, port of the upstream, folder for files of this run)
Start = Callable[[int, int, Path], "Command"]


@dataclass(frozen=True)
class Command:
    """A program that serves GraphQL at /graphql."""

    words: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


class Unavailable(Exception):
    """It cannot be had here; the message says why."""


@cache
def _packages() -> Path:
    """`node_modules` as the lock file pins them, with our servers beside it: modules are looked for from the file's own folder."""
    try:
        folder = fetched.npm("gateway-rivals", HERE)
    except fetched.Missing as error:
        raise Unavailable(error.how) from None
    for file in HERE.glob("*.mjs"):
        shutil.copy(file, folder)
    return folder


def _node(script: str) -> Start:
    def start(port: int, upstream: int, _: Path) -> Command:
        folder = _packages()
        try:
            node = fetched.node()
        except fetched.Missing as error:
            raise Unavailable(error.how) from None
        environment = {"NODE_ENV": "production", "PORT": str(port), "UPSTREAM": f"http://127.0.0.1:{upstream}"}
        return Command((str(node), str(folder / script)), environment)

    return start


def _python(what: str) -> Start:
    def start(port: int, upstream: int, _: Path) -> Command:
        return Command((sys.executable, "-m", "benchmarks.gateway_workload.plain", what, str(port), str(upstream)))

    return start


def _tailcall(port: int, upstream: int, scratch: Path) -> Command:
    program = _packages() / "node_modules/@tailcallhq/core-linux-x64-gnu/bin/tailcall"
    if not program.is_file():
        raise Unavailable("its program is for Linux on x86-64")
    text = (
        (HERE / "tailcall.graphql").read_text().replace("@PORT@", str(port)).replace("@UPSTREAM@", f"http://127.0.0.1:{upstream}")
    )
    config = scratch / "tailcall.graphql"
    config.write_text(text)
    quiet = {"TAILCALL_LOG_LEVEL": "error", "TAILCALL_TRACKER": "false", "TC_TRACKER": "false"}
    return Command((*_linked(program), "start", str(config)), quiet)


@cache
def _linked(program: Path) -> tuple[str, ...]:
    """How the program runs here: as it is, or with a newer C library beside it."""
    if subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0:
        return (str(program),)
    try:
        folder = fetched.part("newer-libc", (LIBC_FROM,), _unpack_libc) / "root/usr/lib/x86_64-linux-gnu"
    except fetched.Missing as error:
        raise Unavailable(f"this machine's C library is too old for it, and a newer one cannot be had: {error.how}") from None
    loader = (str(folder / "ld-linux-x86-64.so.2"), "--library-path", f"{folder}:/lib/x86_64-linux-gnu")
    if subprocess.run([*loader, program, "--version"], capture_output=True, check=False).returncode:
        raise Unavailable("this machine's C library is too old for it")
    return (*loader, str(program))


def _unpack_libc(folder: Path) -> None:
    """Debian's package, from wherever this machine gets its own; nothing is installed."""
    sources = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    found = re.search(
        r"^(?:URIs:|deb(?: \[.*\])?) *(\S+/debian/?)(?:\s|$)", "\n".join(s.read_text() for s in sources), re.MULTILINE
    )
    if found is None:
        raise FileNotFoundError("no Debian")
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    (folder / "sources.list").write_text(f"deb {key} {found[1]} {LIBC_FROM} main\n")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache", "APT::Sandbox::User": "root",
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    fetched.run("apt-get", *options, "--quiet", "update")
    fetched.run("apt-get", *options, "--quiet", "download", "libc6", cwd=folder)
    fetched.run("dpkg-deb", "--extract", next(folder.glob("libc6_*.deb")), folder / "root")
    shutil.rmtree(folder / "lists")


RIVALS: Final[dict[str, Start]] = {
    "Apollo Server": _node("apollo.mjs"),
    "GraphQL Yoga": _node("yoga.mjs"),
    "Mercurius with jit": _node("mercurius.mjs"),
    "Tailcall": _tailcall,
    "Strawberry with its caches": _python("strawberry"),
    "ready bytes (ceiling)": _python("ready"),
}
