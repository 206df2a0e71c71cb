"""The kinds of writes that this release can carry out (gateway/writes.py), by name."""

from __future__ import annotations

from gateway.writes import Kind


def kinds() -> dict[str, Kind]:
    """Every kind, wired."""
    return {}
