"""Pictures: one hash, several sizes."""

from __future__ import annotations

from typing import Annotated

from strawberry import Parent

from resolvers import photos
from schema.declare import Info, argument, field, object_type
from schema.scalars import URL


def _image_url(
    parent: Parent[photos.Image],
    info: Info,
    size: Annotated[int | None, argument(description="Least edge in physical pixels.")] = 256,
) -> str:
    return photos.url(info.context.operation, parent, size)


async def _width(parent: Parent[photos.Image], info: Info) -> int | None:
    found = await photos.size(info.context.operation, parent)
    return found[0] if found else None


async def _height(parent: Parent[photos.Image], info: Info) -> int | None:
    found = await photos.size(info.context.operation, parent)
    return found[1] if found else None


@object_type("A picture in several sizes.", of=photos.Image)
class Image:
    hash: str = field("SHA-256 of the original: a key for image caches that stays when addresses change.")
    url: URL = field(
        "Address of a square variant with an edge of at least size pixels, rounded up to 64, 128, 256, 512 or 1024; stable and "
        "cacheable for the same hash.",
        _image_url,
    )
    width: int | None = field("Width of the original.", _width)
    height: int | None = field("Height of the original.", _height)
    alt: str | None = field("Text instead of the picture.")
