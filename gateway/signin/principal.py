"""Who is asking: every credential, of whatever kind, becomes one Principal, and nothing behind the door sees anything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

SCOPES: Final = ("READ", "WRITE", "SEND", "ADMIN")
ALL_SCOPES: Final = frozenset(SCOPES)
Kind = Literal["KEY", "BROWSER", "COMMAND"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is signed in. `credential` is the key's id or the session's hash in hex, `client` its label."""

    viewer: str
    name: str
    scopes: frozenset[str]
    credential: str
    client: str
    kind: Kind
    owner: bool = False


class NotSignedIn(Exception):
    """No credential, or one that opens nothing. The message says what to do; it never says what was almost right."""


class Forbidden(Exception):
    """Signed in, but not in this way: a foreign origin, a missing CSRF header, a scope that the key lacks."""


def read_scopes(names: Iterable[str]) -> frozenset[str]:
    """Scopes as the schema spells them, from any spelling. Raises ValueError for a name that is none."""
    found = frozenset(name.strip().upper() for name in names if name.strip())
    if not found <= ALL_SCOPES:
        unknown = ", ".join(sorted(found - ALL_SCOPES)).lower()
        raise ValueError(f"there is no scope {unknown}: choose from {', '.join(SCOPES).lower()}")
    return found
