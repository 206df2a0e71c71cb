"""The record of what was measured: a table on the terminal, and the same one in docs/figures.md, in place of the one before it.

Every entry says when, on which commit and machine, and how busy the machine was; figures of different entries compare only as far
as these do.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.processes import load

ROOT: Final = Path(__file__).parent.parent
FILE: Final = ROOT / "docs" / "figures.md"
Row = Mapping[str, object]


def commit() -> str:
    """The commit that is measured; `+` when the tree differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/figures.md")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def circumstances() -> str:
    """One line on when and where."""
    now = datetime.now(UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC · commit {commit()} · {os.cpu_count()} CPUs ({platform.machine()}) · "
        f"Python {platform.python_version()} · SQLite {sqlite3.sqlite_version} · load {load():.2f} at the end"
    )


def show(title: str, rows: Sequence[Row]) -> None:
    """A table on the terminal."""
    names = _names(rows)
    table = Table(*names, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    Console().print(table, markup=False)


def record(title: str, rows: Sequence[Row], note: str = "", file: Path = FILE) -> None:
    """Keep a table under `## title`: where an earlier one of that title stands, else at the end."""
    names = _names(rows)
    lines = [f"## {title}", "", circumstances(), ""]
    if note:
        lines += [note, ""]
    lines += ["| " + " | ".join(names) + " |", "| " + " | ".join("---" for _ in names) + " |"]
    lines += ["| " + " | ".join(_cell(row.get(name)).replace("|", "\\|") for name in names) + " |" for row in rows]
    opening, *entries = (part.strip("\n") for part in re.split(r"^(?=## )", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
    places = [place for place, entry in enumerate(entries) if entry.partition("\n")[0] == lines[0]]
    kept = [entry for place, entry in enumerate(entries) if place not in places]
    kept.insert(places[0] if places else len(kept), "\n".join(lines))
    file.write_text("\n\n".join([opening, *kept]) + "\n", encoding="utf-8")


def recorded(title: str, file: Path = FILE) -> list[dict[str, str]]:
    """The rows of the table under `## title`, their cells as they stand there; none where nothing is recorded."""
    entries = re.split(r"^## ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = next((entry for entry in entries if entry.partition("\n")[0] == title), "")
    names, _, *rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in found.splitlines() if line.startswith("|")
    ] or [[], []]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
