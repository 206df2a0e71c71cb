"""A look at processes through /proc, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.patience import PATIENCE


def children(pid: int) -> dict[int, str]:
    """Living processes that a process started: id → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def worker_of(pid: int) -> int | None:
    """The worker that a serving process supervises."""
    return next((child for child, line in children(pid).items() if "worker" in line), None)


def wait_until(what: str, reached: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Look again and again. Raises TimeoutError that says what did not come about."""
    deadline = time.monotonic() + patience
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about within {patience:.0f} s")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
