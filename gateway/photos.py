"""Photos over HTTP: small squares of what address books hold, at addresses that a browser may keep for good.

`/photos/{viewer}/{hash}/{edge}/{mark}`: the mark signs viewer and hash (`resolvers/photos.py`), so that an `img` needs no key. A square
is made once and kept in the viewer's cache; two are made at a time, beside the loop. Answers to mistakes have the form of GraphQL
errors.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.files import Wrong, answer, check_visitor
from providers.formats import picture
from resolvers import photos

if TYPE_CHECKING:
    from gateway.installation import Installation

KEPT: Final = 86_400.0  # seconds that a square stays in the cache
AT_ONCE: Final = 2
HEADERS: Final = {
    "cache-control": "private, max-age=31536000, immutable",  # RFC 8246: the address changes when the picture does
    "content-security-policy": "sandbox; default-src 'none'",
    "content-type": "image/webp",
    "cross-origin-resource-policy": "cross-origin",  # front-ends live elsewhere
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")


class Photos:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._room = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[BaseRoute]:
        return [Route("/photos/{viewer}/{hash}/{edge:int}/{mark}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        """A square of a photo, or why not."""
        try:
            return await self._serve(request)
        except Wrong as error:
            return answer(error)

    async def _serve(self, request: Request) -> Response:
        viewer, hashed, mark = (str(request.path_params[name]) for name in ("viewer", "hash", "mark"))
        edge = int(request.path_params["edge"])
        signed = photos.mark(self._installation.vault, viewer, hashed)
        if edge not in picture.EDGES or not _HASH.match(hashed) or not hmac.compare_digest(signed.encode(), mark.encode()):
            raise Wrong(404, "NOT_FOUND", "There is no such picture. Ask for its address again.")
        await check_visitor(request, self._installation, viewer)
        tag = f'"{hashed[:32]}-{edge}"'
        headers = {**HEADERS, "etag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(await self.square(viewer, hashed, edge), 200, headers)

    async def square(self, viewer: str, hashed: str, edge: int) -> bytes:
        """A square of a viewer's photo as WebP, for whoever may see it. Raises Wrong where there is none."""
        if not await self._installation.database.read(
            viewer, photos.is_there, hashed
        ):  # a square may outlive its photo in the cache
            raise Wrong(404, "NOT_FOUND", "This picture is no longer here.")
        cache = self._installation.cache.for_viewer(viewer)
        kept = await cache.get("photo", hashed, str(edge))
        if kept is not None:
            return kept
        async with self._room:
            data = await self._installation.database.read(viewer, photos.original, hashed)
            if data is None:
                raise Wrong(404, "NOT_FOUND", "This picture is no longer here.")
            try:
                made = await asyncio.to_thread(picture.square, data, edge)
            except picture.NoPicture as error:
                raise Wrong(415, "UNSUPPORTED_MEDIA_TYPE", f"This picture cannot be shown: {error}.") from None
        await cache.set(made, KEPT, "photo", hashed, str(edge))
        return made
