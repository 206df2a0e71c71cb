"""The identifiers of the AT Protocol: handles (atproto.com/specs/handle) and DIDs (atproto.com/specs/did), as whole strings.

Knows no network: whose they are `providers/atproto.py` finds out.
"""

from __future__ import annotations

import re
from typing import Final

HANDLE: Final = re.compile(r"(?=.{3,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
DID: Final = re.compile(r"did:(plc:[a-z2-7]{24}|web:[A-Za-z0-9.-]+(%3A\d{1,5})?)")
