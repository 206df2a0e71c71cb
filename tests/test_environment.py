"""`make run` on a machine that lacks something says what to install, and installs nothing twice."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE

_ROOT = Path(__file__).parent.parent
_TOOLS = ("sh", "dirname", "cat", "cksum", "rm", "env")


class Machine:
    """A clone with a path on which only the programs given to `install` are found."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.bin = folder / "clone", folder / "bin"
        (self.clone / ".ci").mkdir(parents=True)
        self.bin.mkdir()
        for file in (".ci/environment", "pyproject.toml", "hatch_build.py"):
            shutil.copy(_ROOT / file, self.clone / file)
        for tool in _TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def install(self, name: str, script: str) -> None:
        """A program, as a shell script; it may write to $LOG."""
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def make_environment(self) -> subprocess.CompletedProcess[str]:
        """What `make run` does first."""
        return subprocess.run(
            ["sh", ".ci/environment", "demo"],
            cwd=self.clone,
            env={"PATH": str(self.bin), "LOG": str(self.log)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    @property
    def log(self) -> Path:
        return self.clone / "log"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# A Python that makes environments by copying itself, and whose pip succeeds.
_GOOD_PYTHON = """
case "$*" in
    "-m venv .venv") /bin/mkdir -p .venv/bin && /bin/cp "$0" .venv/bin/python ;;
    *"pip install"*) echo installed >> "$LOG"; /bin/cp "$0" .venv/bin/kith ;;
esac
"""


def test_without_a_recent_python_it_names_the_version_and_how_to_get_it(machine: Machine) -> None:
    machine.install("python3", "exit 1")
    done = machine.make_environment()
    assert done.returncode == 1
    assert "Python 3.11 or later" in done.stderr
    assert "apt install python3" in done.stderr
    assert not (machine.clone / ".venv").exists()


def test_without_ensurepip_it_names_the_package_to_install(machine: Machine) -> None:
    machine.install("python3", 'case "$*" in *ensurepip*) exit 1 ;; esac')
    done = machine.make_environment()
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_uv_may_make_the_environment_but_downloads_no_python(machine: Machine) -> None:
    machine.install("python3", "exit 1")
    machine.install("uv", 'echo "$UV_PYTHON_DOWNLOADS $*" >> "$LOG"; exit 1')
    done = machine.make_environment()
    assert done.returncode == 1
    assert machine.log.read_text().startswith("never venv")
    assert "uv python install" in done.stderr


def test_what_is_installed_is_not_installed_again_until_the_project_changes(machine: Machine) -> None:
    machine.install("python3", _GOOD_PYTHON)
    for _ in range(2):
        assert machine.make_environment().returncode == 0
    assert machine.log.read_text() == "installed\n"
    with (machine.clone / "pyproject.toml").open("a") as project:
        project.write("# another dependency\n")
    assert machine.make_environment().returncode == 0
    assert machine.log.read_text() == "installed\n" * 2


def test_an_installation_that_fails_is_tried_again(machine: Machine) -> None:
    machine.install("python3", _GOOD_PYTHON.replace('echo installed >> "$LOG"', "exit 1 #"))
    assert machine.make_environment().returncode == 1
    assert not (machine.clone / ".venv/.kith-installed").exists()
