"""docs/adding-a-provider.md as a stranger walks it: the package is the page's own text, built, installed beside Kith, linked and kept up to date.

Its adapter then goes through the conformance kit as ours do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from providers.base import Provider
from providers.records import Contact
from providers.session import Secret
from tests import fetched
from tests.providers.conftest import Exchange
from tests.providers.contract import AdapterContract, Rig
from tests.providers.stub_http import Answer, Request, running, served

ROOT = Path(__file__).parent.parent.parent
TOKEN = "let-me-in"
PAGE = 5
ASK = "{ viewer { contacts(first: 50) { edges { node { names { full } } } } accounts(first: 5) { edges { node { provider { name } status } } } } }"


def files() -> dict[str, str]:
    """The files of the page, each from all the blocks that begin with its name."""
    found: dict[str, str] = {}
    for block in re.findall(
        r"^```\w+\n# ([\w.]+)\n(.*?)^```", (ROOT / "docs/adding-a-provider.md").read_text(), re.MULTILINE | re.DOTALL
    ):
        found[block[0]] = found[block[0]] + "\n\n" + block[1] if block[0] in found else block[1]
    return found


class GuestbookServer:
    """The network: a log of who signed and who was struck out, in pages."""

    def __init__(self) -> None:
        self.url = ""
        self.log: list[tuple[str, str, bool]] = []
        self.forgotten = 0  # of what stands before this in the log nothing is known any more

    def sign(self, key: str, name: str) -> None:
        self.log.append((key, name, False))

    def strike(self, key: str) -> None:
        self.log.append((key, "", True))

    def people(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, name, gone in self.log:
            found.pop(key, None)
            found |= {} if gone else {key: name}
        return found

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"error": "who are you?"})
        if request.path == "/me":
            return Answer(200, {"id": "ada", "name": "Ada's guestbook"})
        since = int(request.one("since"))
        if since > len(self.log):
            return Answer(410, {"error": "no such place"})
        part = [
            {"id": key, "name": name, "gone": gone}
            for key, name, gone in self.log[since : since + PAGE]
            if gone == (key not in self.people())
        ]
        after = min(since + PAGE, len(self.log))
        return Answer(200, {"entries": part, "position": after, "total": len(self.people()), "more": after < len(self.log)})


Kith = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def kith(tmp_path_factory: pytest.TempPathFactory) -> Kith:
    """`kith` in an environment of its own, into which the page's package was installed."""
    folder = tmp_path_factory.mktemp("third-party")
    package, venv = folder / "kith-guestbook", folder / "venv"
    package.mkdir()
    for name, text in files().items():
        (package / name).write_text(text)
    backend = fetched.wheels("hatchling", "hatchling>=1.27")
    fetched.run(sys.executable, "-m", "venv", "--without-pip", venv)
    ours = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages" / "kith.pth"
    ours.write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n{ROOT}\n")
    python, home = venv / "bin" / "python", folder / "home"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        str(package),
    ]
    done = subprocess.run(
        install, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(backend)}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def run(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
        command = [str(python), "-c", "import sys; from gateway.cli import main; sys.exit(main())", *arguments]
        environment = {**inherited, "KITH_HOME": str(home), **settings}
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=120, env=environment, cwd=folder, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def test_a_package_made_from_the_page_is_installed_linked_and_kept_up_to_date(kith: Kith) -> None:
    net = GuestbookServer()
    for n in range(PAGE + 2):
        net.sign(f"g{n}", f"Guest {n}")
    with served(running(net)):
        settings = {
            "KITH_GUESTBOOK_URL": net.url,
            "KITH_ALLOW_PRIVATE_HOSTS": net.url.removeprefix("http://").replace(":", "/32:"),
        }
        kith("link", "guestbook", "--token-stdin", stdin=TOKEN + "\n", **settings)
        net.sign("g99", "Late Guest")
        net.strike("g1")
        kith("sync", **settings)
        said = json.loads(kith("query", "-", stdin=ASK, **settings).stdout)["data"]["viewer"]
    assert [edge["node"] for edge in said["accounts"]["edges"]] == [{"provider": {"name": "Guestbook"}, "status": "ACTIVE"}]
    assert {edge["node"]["names"][0]["full"] for edge in said["contacts"]["edges"]} == set(net.people().values())


def guestbook() -> Any:
    module = types.ModuleType("kith_guestbook")
    sys.modules["kith_guestbook"] = module  # where structs look for what their annotations name
    exec(compile(files()["kith_guestbook.py"], "kith_guestbook.py", "exec"), module.__dict__)
    return module


class GuestbookRig:
    """Twenty-three guests."""

    path = ""
    secret = Secret(access_token=TOKEN)

    def __init__(self, net: GuestbookServer, module: Any) -> None:
        self.net, self._module = net, module
        self.server_url = net.url
        self.provider: Provider = module.PROVIDER

    def fill(self) -> None:
        for n in range(23):
            self.net.sign(f"g{n}", f"Guest {n}")

    def names(self) -> set[str]:
        return set(self.net.people().values())

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact)
        return contact.names[0].full or ""

    def remove(self) -> str:
        self.net.strike("g7")
        return "Guest 7"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return msgspec.json.encode({**msgspec.json.decode(cursor), "since": 10_000})


class TestGuestbookContract(AdapterContract):
    least = 1  # a later run has one thing to ask

    def kind_of(self, exchange: Exchange) -> str:
        """Each page is one of its own."""
        return exchange.path

    @pytest.fixture
    async def rig(self) -> Any:
        net = GuestbookServer()
        async with running(net):
            rig: Rig = GuestbookRig(net, guestbook())
            yield rig
