"""How long a test waits for what will come: longer than any machine takes. Who is not kept waiting does not use it."""

from __future__ import annotations

from typing import Final

PATIENCE: Final = 240.0  # seconds
