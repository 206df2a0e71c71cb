"""Photos of people as they are shown: the hash of the original, and addresses of squares that stay the same for it.

A photo's address is signed for its viewer and never ends, so that browsers and phones may keep what they have fetched; it changes
only with the installation's key. Photos that no browser could show are none.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.formats import picture
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.refusals import Refusal
from store.tables import photo
from store.vault import Vault

_MARK: Final = 18  # bytes of the signature: 144 bits


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the viewer's; `alt` stands in for it."""

    hash: str
    alt: str | None = None


def known(conn: Connection, viewer: str, hashes: Sequence[str]) -> dict[str, bool]:
    """Which photos there are that can be shown."""
    head = sa.func.substr(photo.c.data, 1, picture.HEAD, type_=sa.LargeBinary)
    rows = conn.execute(select(photo.c.hash, head.label("head")).where(photo.c.viewer_id == viewer, photo.c.hash.in_(hashes)))
    return {row.hash: True for row in rows if picture.media_type(bytes(row.head)) is not None}


def sizes(conn: Connection, viewer: str, hashes: Sequence[str]) -> dict[str, Any]:
    """Width and height of photos, from the beginning of each."""
    header = sa.func.substr(photo.c.data, 1, picture.HEADER, type_=sa.LargeBinary)
    rows = conn.execute(select(photo.c.hash, header.label("header")).where(photo.c.viewer_id == viewer, photo.c.hash.in_(hashes)))
    found: dict[str, Any] = {row.hash: picture.size(bytes(row.header)) for row in rows}
    for hashed in [one for one, size in found.items() if size is None]:  # a camera put much before the picture: rare
        found[hashed] = picture.size(original(conn, viewer, hashed) or b"")
    return found


def is_there(conn: Connection, viewer: str, hashed: str) -> bool:
    """Whether a photo is still kept."""
    return conn.execute(select(photo.c.hash).where(photo.c.viewer_id == viewer, photo.c.hash == hashed)).one_or_none() is not None


def original(conn: Connection, viewer: str, hashed: str) -> bytes | None:
    """The bytes of a photo."""
    row = conn.execute(select(photo.c.data).where(photo.c.viewer_id == viewer, photo.c.hash == hashed)).one_or_none()
    return None if row is None else bytes(row.data)


async def get(operation: Operation, hashed: str | None, alt: str | None = None) -> Image | None:
    """The photo of this hash; None where there is none to show."""
    if hashed is None or not await load(operation, known, hashed):
        return None
    return Image(hash=hashed, alt=alt or None)


async def size(operation: Operation, shown: Image) -> tuple[int, int] | None:
    """Width and height of the original."""
    return await load(operation, sizes, shown.hash)


def url(operation: Operation, shown: Image, wanted: int | None) -> str:
    """The address of a square with an edge of at least `wanted` pixels. Raises Refusal."""
    if wanted is None or not 1 <= wanted <= 10_000:
        raise Refusal("BAD_ARGUMENTS", "size is the edge of the picture in pixels: 1 to 10,000")
    services = operation.services
    signed = mark(services.vault, operation.viewer, shown.hash)
    return f"{services.public_url}/photos/{operation.viewer}/{shown.hash}/{picture.edge_for(wanted)}/{signed}"


def mark(vault: Vault, viewer: str, hashed: str) -> str:
    """What shows that an address was given out for this viewer."""
    signature = hmac.digest(vault.derive("photo"), f"{viewer}\x00{hashed}".encode(), "sha256")
    return base64.urlsafe_b64encode(signature[:_MARK]).decode()
