"""Short-lived addresses of files: what a link opens and for whom is sealed into it, so that it can be neither read nor made.

A link opens one thing of one viewer for ten minutes. Whoever holds it may fetch: pictures in a page carry no key. It says nothing
by itself and is not stored anywhere. Knows nothing of HTTP.
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
MAX_TOKEN: Final = 6_000  # characters
_PLACE: Final = ("", "link", "file", "token")
What = Literal["ATTACHMENT", "PICTURE"]


class Claim(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a link opens: an attachment by its id, or a picture on another host by its address; `until` in POSIX seconds."""

    viewer: str
    what: What
    which: str
    until: int
    inline: bool = False


class SignedUrl(msgspec.Struct, frozen=True, kw_only=True):
    """An address that ends by itself."""

    url: str
    expires_at: datetime


class Forged(Exception):
    """No link of this installation."""


class Expired(Exception):
    """A link of this installation whose time is over."""


_decode = msgspec.msgpack.Decoder(Claim).decode


def link(operation: Operation, what: What, which: str, *, inline: bool = False) -> SignedUrl:
    """A link for the operation's viewer. Who may see what it opens has to be known before."""
    until = int((operation.now() + LIFETIME).timestamp())
    claim = Claim(viewer=operation.viewer, what=what, which=which, until=until, inline=inline)
    sealed = operation.services.vault.seal(msgspec.msgpack.encode(claim), *_PLACE)
    token = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    return SignedUrl(url=f"{operation.services.public_url}/files/{token}", expires_at=datetime.fromtimestamp(until, UTC))


def opened(vault: Vault, token: str, now: datetime) -> Claim:
    """What a link opens. Raises Forged or Expired."""
    if len(token) > MAX_TOKEN:
        raise Forged
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        claim = _decode(vault.open(sealed, *_PLACE))
    except (SealBroken, binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise Forged from error
    if now.timestamp() >= claim.until:
        raise Expired
    return claim
