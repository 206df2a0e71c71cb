"""The socket that the web processes listen on: made before they are, and shut so that nobody who has knocked is sent away."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
from typing import Final

from gateway.settings import Settings, SettingsError

BACKLOG: Final = 2_048
SO_ATTACH_FILTER: Final = 26  # asm-generic/socket.h; the module `socket` does not name it


def bind(settings: Settings) -> socket.socket:
    """Listen where the settings say. Raises SettingsError when that place is taken or not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; choose another with --port"
        ) from None
    listener.setblocking(False)
    return listener


def shut(listener: socket.socket) -> None:
    """Let nobody new in, while those who have knocked already are still let in.

    Closing a listening socket resets the connections that wait in its queue, whose requests may be on their way. A socket filter
    (Linux: socket(7), SO_ATTACH_FILTER) that passes nothing drops what would be new ones before that, and leaves the queue alone.
    """
    if not sys.platform.startswith("linux"):
        return
    # one instruction of classic BPF, `ret #0`: keep none of the packet
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
