"""What a process used, from Linux' /proc: CPU time, memory, and how busy the machine was meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, its threads included, its children not; proc(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def run_seconds(pid: int) -> float:
    """The same by the scheduler's own count, to the nanosecond where `cpu_seconds` has hundredths, of the threads that there are now."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def wait_seconds(pid: int) -> float:
    """How long the first thread of a process was ready to run and had no processor: the second figure of proc(5)'s schedstat."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def rss_mib(pid: int) -> float:
    """Resident memory of a process in MiB (VmRSS; pages shared with others are counted in each)."""
    return _status_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """The most that it ever was (VmHWM). getrusage's ru_maxrss would begin with what the process was started from had."""
    return _status_mib(pid, "VmHWM")


def _status_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def load() -> float:
    """Runnable processes, averaged over the last minute."""
    return os.getloadavg()[0]
