"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) under an envelope key, bound to the place where they stand.

Associated data is `viewer|table|row|column`, so a ciphertext moved to another row, column or viewer does not open. A
sealed value is version ‖ key id ‖ nonce ‖ ciphertext. Keys come from `KITH_SECRET_KEY` or a key file; after a rotation the
former keys still open and only the first seals. Knows nothing of what it seals.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = b"\x01"
_NONCE: Final = 12  # SP 800-38D §8.2.2: 96 random bits
_KEY_ID: Final = 4


class SealBroken(Exception):
    """The value was not sealed here, for this place, with a key that we have."""


class Vault:
    """Seals with the first key, opens with any. `keys` are the operator's secrets, any length ≥ 16 bytes."""

    def __init__(self, keys: list[bytes]) -> None:
        if not keys or any(len(k) < 16 for k in keys):
            raise ValueError("the vault needs a secret key of at least 16 bytes")
        self._roots = [hashlib.blake2b(key, digest_size=32, person=b"kith-root").digest() for key in keys]
        self._derived: dict[str, list[bytes]] = {}  # purposes are few, and named in the source
        self._keys: dict[bytes, bytes] = {}
        self._ciphers: dict[bytes, AESGCM] = {}
        for key in keys:
            derived = hashlib.blake2b(key, digest_size=32, person=b"kith-vault").digest()
            self._keys[hashlib.blake2b(derived, digest_size=_KEY_ID, person=b"kith-keyid").digest()] = derived
        self._current = next(iter(self._keys))

    def seal(self, plain: bytes, viewer: str, table: str, row: str, column: str) -> bytes:
        """The ciphertext of `plain` for this place."""
        nonce = os.urandom(_NONCE)
        body = self._cipher(self._current).encrypt(nonce, plain, _place(viewer, table, row, column))
        return _VERSION + self._current + nonce + body

    def open(self, sealed: bytes, viewer: str, table: str, row: str, column: str) -> bytes:
        """The plain value; raises SealBroken when it was tampered with, moved, or sealed with an unknown key."""
        key_id = sealed[1 : 1 + _KEY_ID]
        if sealed[:1] != _VERSION or key_id not in self._keys:
            raise SealBroken(
                "sealed with a key that this installation does not have; put the former key back into KITH_SECRET_KEY"
            )
        from cryptography.exceptions import InvalidTag

        at = 1 + _KEY_ID
        try:
            return self._cipher(key_id).decrypt(
                sealed[at : at + _NONCE], sealed[at + _NONCE :], _place(viewer, table, row, column)
            )
        except InvalidTag as error:
            raise SealBroken("the stored secret was changed or moved; link the account again") from error

    def current(self, sealed: bytes) -> bool:
        """Whether the value was sealed with today's key."""
        return sealed[1 : 1 + _KEY_ID] == self._current

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for another purpose, such as signing cursors."""
        return self.derived(purpose)[0]

    def derived(self, purpose: str) -> list[bytes]:
        """The key for a purpose, then what it was under the former keys: for what was made with it and is still looked for."""
        found = self._derived.get(purpose)
        if found is None:
            found = self._derived[purpose] = [hmac.digest(root, purpose.encode(), "sha256") for root in self._roots]
        return found

    def _cipher(self, key_id: bytes) -> AESGCM:
        found = self._ciphers.get(key_id)
        if found is None:
            # loaded with the first secret: ten megabytes, which a process that answers from what is stored does without
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            found = self._ciphers[key_id] = AESGCM(self._keys[key_id])
        return found


def _place(viewer: str, table: str, row: str, column: str) -> bytes:
    return f"{viewer}|{table}|{row}|{column}".encode()
