"""Global ids: how they are derived and what they look like.

An id is a letter for the kind, an underscore and 26 characters of base 32. Account ids derive from (viewer, provider, the
provider's user id), contact ids from (account, the provider's key), message ids from what makes two mails the same mail, so
that linking or importing again gives the same ids. Other ids are random. Ids are opaque to clients; the letter only spares
us a table of ids.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import Final, Literal

Kind = Literal[
    "VIEWER", "ACCOUNT", "PERSON", "CONTACT", "CONVERSATION", "MESSAGE", "OWN_ADDRESS", "IMPORT", "API_KEY", "GAP", "LINK", "JOB",
    "PROVIDER", "ATTACHMENT", "WRITE", "WEBHOOK", "DELIVERY", "UPLOAD", "LABEL", "ACTIVITY", "IDENTITY",
    "DISCLOSURE", "ENRICHMENT_RUN", "STREAM", "MERGE", "ANNOTATION", "CIRCLE", "SUGGESTION", "TAG",
    "PROFILE_CHANGE", "MEETING",
]  # fmt: skip
LETTERS: Final[dict[Kind, str]] = {
    "VIEWER": "u", "ACCOUNT": "a", "PERSON": "p", "CONTACT": "c", "CONVERSATION": "v", "MESSAGE": "m", "OWN_ADDRESS": "o",
    "IMPORT": "i", "API_KEY": "k", "GAP": "g", "LINK": "l", "JOB": "j", "PROVIDER": "n", "ATTACHMENT": "f",
    "WRITE": "w", "WEBHOOK": "h", "DELIVERY": "d", "UPLOAD": "b", "LABEL": "e", "ACTIVITY": "t", "IDENTITY": "y",
    "DISCLOSURE": "x", "ENRICHMENT_RUN": "z", "STREAM": "s", "MERGE": "q", "ANNOTATION": "r", "CIRCLE": "C", "SUGGESTION": "M",
    "TAG": "T", "PROFILE_CHANGE": "P", "MEETING": "E",
}  # fmt: skip
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_ORDER: Final = {letter: n for n, letter in enumerate(sorted(_LETTERS))}  # as texts are ordered: figures before letters
_PLACES: Final = 10  # letters of an id that say where it stands, 50 bits
_PAIRS: Final = [left + right for left in _LETTERS for right in _LETTERS]
_SHIFTS: Final = range(120, -1, -10)
_KINDS: Final = {letter: kind for kind, letter in LETTERS.items()}


def derive(kind: Kind, *parts: str) -> str:
    """The id of `kind` that follows from `parts`, always the same one."""
    digest = hashlib.blake2b("\x00".join(parts).encode("utf-8", "surrogatepass"), digest_size=16, person=LETTERS[kind].encode())
    return f"{LETTERS[kind]}_{_base32(digest.digest())}"


@lru_cache(4_000)
def derive_again(kind: Kind, *parts: str) -> str:
    """`derive` for what comes again with every mail: who is on it, and the labels that it bears."""
    return derive(kind, *parts)


def mint(kind: Kind) -> str:
    """A new random id of `kind` (128 bits)."""
    return f"{LETTERS[kind]}_{_base32(secrets.token_bytes(16))}"


def place(node_id: str) -> float:
    """Where an id stands among all ids of its kind in their order, from 0 to 1: being hashes or random, they stand evenly."""
    found = 0
    for letter in node_id[2 : 2 + _PLACES]:
        found = found * 32 + _ORDER[letter]
    return float(found + 1) / 32**_PLACES


def kind_of(node_id: str) -> Kind | None:
    """The kind that an id claims to be of; None when it is no id of ours."""
    if len(node_id) < 3 or node_id[1] != "_":
        return None
    return _KINDS.get(node_id[0])


def _base32(raw: bytes) -> str:
    """16 bytes in lower case without padding (RFC 4648 §6), two characters at a time: ids are made by the million."""
    number = int.from_bytes(raw, "big") << 2  # 130 bits, 26 characters
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])
