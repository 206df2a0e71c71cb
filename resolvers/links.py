"""Short-lived addresses of files: what a link opens and for whom is sealed into it, so that it can be neither read nor made.

A link opens one thing of one viewer: for ten minutes to fetch it, for an hour to put it up. Whoever holds it may: pictures in a page
carry no key. A link to fetch by is none to put up by, since each is sealed for its own place. It says nothing by itself and is not
stored anywhere. Knows nothing of HTTP.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from resolvers.operation import Operation
from store.vault import SealBroken, Vault

LIFETIME: Final = timedelta(minutes=10)
UPLOAD_LIFETIME: Final = timedelta(hours=1)  # to begin a request; a read of the upload gives another link
MAX_TOKEN: Final = 6_000  # characters
_PLACE: Final = ("", "link", "file", "token")
_UPLOAD_PLACE: Final = ("", "link", "upload", "token")
What = Literal["ATTACHMENT", "PICTURE"]


class Claim(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a link opens: an attachment by its id, or a picture on another host by its address; `until` in POSIX seconds."""

    viewer: str
    what: What
    which: str
    until: int
    inline: bool = False


class UploadClaim(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a link lets somebody put up, and by which credential it was given out: it ends with that one."""

    viewer: str
    upload_id: str
    credential: str
    until: int


class SignedUrl(msgspec.Struct, frozen=True, kw_only=True):
    """An address that ends by itself."""

    url: str
    expires_at: datetime


class Forged(Exception):
    """No link of this installation."""


class Expired(Exception):
    """A link of this installation whose time is over."""


_claim = msgspec.msgpack.Decoder(Claim).decode
_upload_claim = msgspec.msgpack.Decoder(UploadClaim).decode


def link(operation: Operation, what: What, which: str, *, inline: bool = False) -> SignedUrl:
    """A link for the operation's viewer. Who may see what it opens has to be known before."""
    until = int((operation.now() + LIFETIME).timestamp())
    token = _sealed(operation, _PLACE, Claim(viewer=operation.viewer, what=what, which=which, until=until, inline=inline))
    return SignedUrl(url=f"{operation.services.public_url}/files/{token}", expires_at=datetime.fromtimestamp(until, UTC))


def upload_link(operation: Operation, upload_id: str, end: datetime) -> str:
    """An address to PUT the bytes of one of the viewer's own uploads to, at the longest until its `end`."""
    until = int(min(operation.now() + UPLOAD_LIFETIME, end).timestamp())
    claim = UploadClaim(viewer=operation.viewer, upload_id=upload_id, credential=operation.credential, until=until)
    return f"{operation.services.public_url}/uploads/{_sealed(operation, _UPLOAD_PLACE, claim)}"


def opened(vault: Vault, token: str, now: datetime) -> Claim:
    """What a link opens. Raises Forged or Expired."""
    try:
        claim = _claim(_unsealed(vault, _PLACE, token))
    except msgspec.MsgspecError as error:
        raise Forged from error
    if now.timestamp() >= claim.until:
        raise Expired
    return claim


def opened_upload(vault: Vault, token: str, now: datetime) -> UploadClaim:
    """What a link lets somebody put up. Raises Forged or Expired."""
    try:
        claim = _upload_claim(_unsealed(vault, _UPLOAD_PLACE, token))
    except msgspec.MsgspecError as error:
        raise Forged from error
    if now.timestamp() >= claim.until:
        raise Expired
    return claim


def _sealed(operation: Operation, place: tuple[str, str, str, str], claim: Claim | UploadClaim) -> str:
    sealed = operation.services.vault.seal(msgspec.msgpack.encode(claim), *place)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _unsealed(vault: Vault, place: tuple[str, str, str, str], token: str) -> bytes:
    if len(token) > MAX_TOKEN:
        raise Forged
    try:
        return vault.open(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True), *place)
    except (SealBroken, binascii.Error, ValueError) as error:
        raise Forged from error
