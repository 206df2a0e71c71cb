"""Who holds a lease or a renewal, and whether that process is no more.

A holder that died on this very machine is seen to be dead and loses what it held at once; one on another machine loses it when
its time is over.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path


def holder_name() -> str:
    """Who holds a lease: host, process and its start, and a word that is new each time."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}/{secrets.token_hex(4)}"


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks, so that a reused number is not taken for it; empty where unknown."""
    return _stat(pid, 19)


def _state(pid: int) -> str:
    """What a process is doing, in the kernel's letter; empty where unknown."""
    return _stat(pid, 0)


def _stat(pid: int, field: int) -> str:
    """A field of /proc/PID/stat, counted from the one behind the name (proc(5): state is 0, starttime 19)."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[field]
    return ""


def is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that is no more."""
    parts = owner.split("/")
    if len(parts) != 4 or parts[0] != socket.gethostname():
        return False
    pid = int(parts[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    if _state(pid) in ("Z", "X"):  # ended, but its parent has not asked how: it holds nothing any more
        return True
    began = _started(pid)
    return bool(parts[2] and began and began != parts[2])
