"""A TCP proxy that counts bytes and cuts lines: what lies between a program and a server, in the hand of a test.

    with tcp_proxy(port) as line: ... line.port ... line.cut() ... line.bytes

Runs in a thread of its own, so that tests which only wait can use it too. Knows no protocol.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.patience import PATIENCE
from tests.ports import free_port

PIECE = 64 * 1024


class Line:
    """`bytes` went through in both directions so far, over `connections`; `cut()` resets all that are open and counts them."""

    def __init__(self, upstream: int) -> None:
        self.bytes = 0
        self.connections = 0
        self.cuts = 0
        self._upstream = upstream
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", free_port()), backlog=64)
        self.port = int(self._listener.getsockname()[1])

    def cut(self) -> int:
        """Ends every connection as a network does, without a goodbye; how many there were."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.cuts += len(ends) // 2
        return len(ends) // 2

    def serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._upstream), timeout=PATIENCE)
                far.settimeout(None)
            except OSError:  # the server is down: so are we
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(PIECE):
                self.bytes += len(piece)
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {one}
        one.close()


@contextmanager
def tcp_proxy(upstream: int) -> Iterator[Line]:
    """A running `Line` to a port of this machine."""
    line = Line(upstream)
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join(timeout=5)
