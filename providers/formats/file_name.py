"""Names of files that strangers chose, made safe to show and to save on any system.

What is a path becomes its last part; what no system takes (control characters, reserved characters and device names of Windows),
what hides an ending (marks that turn the direction of writing) or hides the file itself (a
leading dot) goes. A name that nothing is left of is empty. Knows no media types.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_BYTES: Final = 200  # in UTF-8; file systems take 255
MAX_ENDING: Final = 16

_RESERVED: Final = re.compile(r'[<>:"|?*]')
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.I)
_BLANKS: Final = re.compile(r"\s+")


def safe(name: str) -> str:
    """The name without folders and traps; empty when nothing is left."""
    last = re.split(r"[/\\]", name[:4_000])[-1]
    # Cc controls, Cf directions and joiners, Cs surrogates, Co and Cn nobody's
    shown = "".join(c for c in unicodedata.normalize("NFC", last) if c == "\t" or unicodedata.category(c)[0] != "C")
    shown = _BLANKS.sub(" ", _RESERVED.sub("_", shown)).strip(" .~")
    if _DEVICES.match(shown):
        shown = f"_{shown}"
    return _shortened(shown)


def _shortened(name: str) -> str:
    """At most MAX_BYTES, the ending kept."""
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > MAX_ENDING:
        stem, ending = name, ""
    kept = stem.encode()[: MAX_BYTES - len(ending.encode()) - 1].decode("utf-8", "ignore").rstrip(" .")
    return f"{kept}.{ending}" if ending else kept
