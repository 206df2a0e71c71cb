"""Ports of 127.0.0.1 for servers in tests: none is given twice by one process, and none is among those that the kernel gives to clients.

A port that comes back would bring with it what the process still knows of the server that had it before (limits, breakers, connections kept
alive), and one of the kernel's own may be taken by somebody's outgoing connection between its choice and its use.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Final

#: Below the ephemeral ports of Linux (ip_local_port_range begins at 32,768) and above what services are known by.
FIRST, LAST = 10_000, 32_000
#: Processes that begin one after the other begin far from each other.
APART: Final = 7_919


def _candidates() -> Iterator[int]:
    span = LAST - FIRST
    start = os.getpid() * APART
    yield from (FIRST + (start + step) % span for step in range(span))


_ports = _candidates()
_turn = threading.Lock()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that this process has not been given before. Raises RuntimeError without one."""
    with _turn:
        for port in _ports:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
    raise RuntimeError(f"this process has had every port from {FIRST:,} to {LAST:,}")
