"""Nostr names: `ada@example.org` stands for a public key (NIP-05), which is written as npub (NIP-19).

The host names the key; whether the key names the host stands in an event that relays keep, which are not asked. So it is a claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from providers.errors import Malformed
from providers.lookup.crawl import Web
from providers.lookup.reading import Ask, Notes, Reading, nothing

PROTOCOL: Final = "nip-05"
MAX_BYTES: Final = 256 * 1024
_LETTERS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # BIP 173
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def ask(uri: str) -> Ask:
    """The question which key a name stands for."""
    name, _, host = uri.removeprefix("nostr:").rpartition("@")
    return Ask(PROTOCOL, f"https://{host}/.well-known/nostr.json?name={quote(name, safe='')}", uri)


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """The key that the host names. NIP-05 forbids redirects. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept="application/json", until=until, tls=True, follow=False, max_bytes=MAX_BYTES)
    now = web.clock.now()
    try:
        document: Any = fetched.response.json() if fetched.there else None
    except Malformed:
        document = None
    names = document.get("names") if isinstance(document, Mapping) else None
    wanted = ask.subject.removeprefix("nostr:").rpartition("@")[0]
    key = names.get(wanted) if isinstance(names, Mapping) else None
    if not isinstance(key, str) or not re.fullmatch(r"[0-9a-f]{64}", key):
        return nothing(ask, now, fetched)
    notes = Notes(ask, ask.subject)
    notes.says(f"nostr:{npub(bytes.fromhex(key))}", "ALIAS", PROTOCOL)
    return notes.done(fetched, now)


def npub(key: bytes) -> str:
    """A public key as people write it: bech32 (BIP 173) under `npub`."""
    bits = "".join(f"{byte:08b}" for byte in key)
    values = [int(bits[index : index + 5].ljust(5, "0"), 2) for index in range(0, len(bits), 5)]
    prefix = [ord(sign) >> 5 for sign in "npub"] + [0] + [ord(sign) & 31 for sign in "npub"]
    sum_ = _polymod([*prefix, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    return "npub1" + "".join(_LETTERS[value] for value in [*values, *((sum_ >> 5 * (5 - n)) & 31 for n in range(6))])


def _polymod(values: Sequence[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for n, generator in enumerate(_GENERATOR):
            check ^= generator if (top >> n) & 1 else 0
    return check
