"""Files put up over HTTP, in one go or in pieces, however often the line breaks.

`PUT /uploads/{token}` speaks the resumable uploads of Google's APIs (docs.cloud.google.com/storage/docs/performing-resumable-uploads,
developers.google.com/workspace/drive/api/guides/manage-uploads), whose words are those of RFC 9110 §14.4 and §14.5:

- the whole file without Content-Range, or a piece of it with `Content-Range: bytes first-last/size`
- `Content-Range: bytes */size` without a body asks where it stands
- 308 says: not complete; `Range: bytes=0-last` is what is there, and without that header nothing is
- 200 says: complete, and what it was found to be

Other than there pieces may have any length, and bytes that are there already are compared, not ignored: two files do not become one. What
came before a cut is kept. Bytes go from the socket to the disk, a quarter of a megabyte at a time (store/blobs.py); of what a crash leaves
in a file, only what the row vouches for counts. The link says whose and which (resolvers/links.py) and is never logged; it ends with the
credential that asked for it. Answers to mistakes have the form of GraphQL errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.files import HEADERS, Wrong, answer, check_visitor
from providers.formats import file_kind
from resolvers import links
from store import uploads
from store.blobs import PIECE, Blob, Busy
from store.uploads import Upload

if TYPE_CHECKING:
    from gateway.installation import Installation

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger("kith.uploads")
PATIENCE: Final = 30.0  # seconds without a byte
KEEP_EVERY: Final = (
    4 * 1024 * 1024
)  # bytes after which what came is kept for sure: so much at the most is sent again after a crash
_PART: Final = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)\Z")  # RFC 9110 §14.4
_ASKED: Final = re.compile(r"bytes \*/([0-9]{1,15}|\*)\Z")


class Span(msgspec.Struct, frozen=True):
    """The bytes that a request brings, `end` not included."""

    first: int
    end: int


class Uploads:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def routes(self) -> list[BaseRoute]:
        return [Route("/uploads/{token}", self.put, methods=["PUT"])]

    async def put(self, request: Request) -> Response:
        """Take bytes in, or say where the upload stands."""
        try:
            claim = await self._claim(request)
            return await self._put(request, claim)
        except Wrong as error:
            return answer(error)
        except ClientDisconnect:
            return Response(status_code=400, headers=HEADERS)  # nobody is there to read it; what came is kept

    async def _claim(self, request: Request) -> links.UploadClaim:
        there = self._installation
        try:
            claim = links.opened_upload(there.vault, str(request.path_params["token"]), there.clock.now())
        except links.Forged:
            raise Wrong(404, "NOT_FOUND", "There is no such upload. Make one with createUpload.") from None
        except links.Expired:
            raise Wrong(403, "EXPIRED", "This address is over. Read the upload again for a new one.") from None
        await check_visitor(request, there, claim.viewer)
        await _check_credential(there, claim)
        return claim

    async def _put(self, request: Request, claim: links.UploadClaim) -> Response:
        there = self._installation
        found = await there.database.read(claim.viewer, uploads.get, claim.upload_id)
        if found is None or found.expires_at <= there.clock.now():
            raise _over()
        span = _span(request, found.size)
        if span is None and (found.complete or found.received < found.size):
            # who only asks stands in nobody's way
            return _stands(found, min(found.received, there.blobs.size(claim.viewer, claim.upload_id)))
        try:
            blob = there.blobs.open(claim.viewer, claim.upload_id)
        except Busy:
            text = "Another request is just writing this upload. Ask in a moment where it stands."
            raise Wrong(409, "CONFLICT", text, {"retry-after": "1"}) from None
        try:
            return await _Intake(there, claim, blob).take(request, span)
        except OSError as error:
            log.error("an upload cannot be written", error=str(error))
            raise Wrong(507, "NO_ROOM", "The file cannot be kept at the moment. Try again in a while.") from error
        finally:
            blob.close()


class _Intake:
    """One request that holds the file."""

    def __init__(self, installation: Installation, claim: links.UploadClaim, blob: Blob) -> None:
        self._installation = installation
        self._claim = claim
        self._blob = blob
        self._there = 0  # bytes from the beginning that are in the file, and of these how many the row vouches for
        self._kept = 0

    async def take(self, request: Request, span: Span | None) -> Response:
        """Take the request's bytes in. Raises Wrong, ClientDisconnect, OSError."""
        found = await self._found()
        self._there = self._kept = min(found.received, self._blob.size())
        if span is not None:
            if span.first > self._there:
                text = f"Bytes {self._there} to {span.first - 1} are still missing: begin there."
                raise Wrong(416, "RANGE_NOT_SATISFIABLE", text, _range(self._there))
            await self._stream(request, span)
        if not found.complete and self._there == found.size:
            found = await self._finish(found)
        return _stands(found, self._there)

    async def _stream(self, request: Request, span: Span) -> None:
        """The body to its end. What came before a cut is kept."""
        at, waiting = span.first, bytearray()
        try:
            async for piece in _patient(request):
                waiting += piece
                if at + len(waiting) > span.end:
                    raise Wrong(400, "BAD_REQUEST", "More bytes came than were announced.")
                if len(waiting) >= PIECE:
                    await self._write(at, bytes(waiting))
                    at += len(waiting)
                    waiting.clear()
                if self._there - self._kept >= KEEP_EVERY:
                    await self._keep()
        except (ClientDisconnect, TimeoutError) as error:
            await self._write(at, bytes(waiting))
            await self._keep()
            if isinstance(error, TimeoutError):
                raise Wrong(408, "TIMEOUT", f"Nothing came for {PATIENCE:.0f} seconds.", _range(self._there)) from None
            raise
        await self._write(at, bytes(waiting))
        await self._keep()

    async def _write(self, at: int, data: bytes) -> None:
        """Put bytes where they belong; those that are there already have to be the same."""
        known = data[: max(0, self._there - at)]
        if known and not await _in_thread(self._blob.holds, at, known):
            text = "Other bytes are there already: this is another file, or it has changed. Make a new upload for it."
            raise Wrong(409, "CONFLICT", text, _range(self._there))
        if len(data) > len(known):
            await _in_thread(self._blob.write, at + len(known), data[len(known) :])
            self._there = at + len(data)

    async def _keep(self) -> None:
        if self._there > self._kept:
            await _in_thread(self._blob.keep)
            await self._change(uploads.progressed, self._there)
            self._kept = self._there

    async def _finish(self, found: Upload) -> Upload:
        """All bytes are there: what they are, and whether they are what was announced."""
        await _check_credential(self._installation, self._claim)
        sha256, head = await _in_thread(self._blob.digest)
        if found.sha256 is not None and found.sha256 != sha256:
            await self._change(uploads.progressed, 0)
            raise Wrong(
                422, "HASH_MISMATCH", f"The bytes that came have the SHA-256 {sha256}, not the one announced. Begin again."
            )
        media_type = file_kind.media_type(head, found.name, found.media_type)
        await self._change(uploads.completed, sha256, media_type, self._installation.clock.now())
        return await self._found()

    async def _found(self) -> Upload:
        """The row, read while the file is held. Raises Wrong when it is gone, and the file with it."""
        found = await self._installation.database.read(self._claim.viewer, uploads.get, self._claim.upload_id)
        if found is None:
            raise self._gone()
        if found.expires_at <= self._installation.clock.now():
            raise _over()
        return found

    async def _change(self, change: Callable[..., bool], *values: object) -> None:
        if not await self._installation.database.write(self._claim.viewer, change, self._claim.upload_id, *values):
            raise self._gone()

    def _gone(self) -> Wrong:
        # the row went while this request made the file: nobody else looks for it any more
        self._installation.blobs.drop(self._claim.viewer, self._claim.upload_id)
        return _over()


async def _check_credential(installation: Installation, claim: links.UploadClaim) -> None:
    if not await installation.door.holds(claim.viewer, claim.credential):
        raise Wrong(403, "FORBIDDEN", "The key or session that asked for this address is no longer good.")


def _over() -> Wrong:
    return Wrong(410, "GONE", "This upload's time is over. Make a new one with createUpload.")


def _stands(found: Upload, there: int) -> Response:
    """Where an upload stands, of whose bytes so many are there."""
    if not found.complete:
        return Response(status_code=308, headers={**HEADERS, **_range(there)})
    return JSONResponse({"size": found.size, "mediaType": found.media_type, "sha256": found.sha256}, headers=HEADERS)


def _range(there: int) -> dict[str, str]:
    return {"range": f"bytes=0-{there - 1}"} if there else {}


def _span(request: Request, size: int) -> Span | None:
    """What a request brings; None when it only asks. Raises Wrong where its figures do not fit the upload's."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Wrong(415, "UNSUPPORTED_MEDIA_TYPE", "Send the bytes without content encoding.")
    said = request.headers.get("content-range")
    length = request.headers.get("content-length")
    if said is None:
        return _fitting(Span(0, size), size, length)
    if (asked := _ASKED.match(said.strip())) is not None:
        _check_total(asked[1], size)
        return None
    if (part := _PART.match(said.strip())) is None or int(part[2]) < int(part[1]):
        raise Wrong(400, "BAD_REQUEST", f"Write Content-Range as `bytes first-last/{size}`, or `bytes */{size}` to ask.")
    _check_total(part[3], size)
    return _fitting(Span(int(part[1]), int(part[2]) + 1), size, length)


def _check_total(said: str, size: int) -> None:
    if said != "*" and int(said) != size:
        raise Wrong(400, "SIZE_MISMATCH", f"createUpload was told {size} bytes, not {said}.")


def _fitting(span: Span, size: int, length: str | None) -> Span:
    if span.end > size:
        raise Wrong(413, "TOO_LARGE", f"createUpload was told {size} bytes.")
    if length is not None and int(length) != span.end - span.first:
        status = 413 if int(length) > size else 400
        raise Wrong(status, "SIZE_MISMATCH", f"{span.end - span.first} bytes were announced, {length} are sent.")
    return span


async def _patient(request: Request) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises TimeoutError when nothing comes, ClientDisconnect when the line is cut."""
    pieces = request.stream()
    while True:
        async with asyncio.timeout(PATIENCE):
            piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`asyncio.to_thread` that never returns before the work is done: the file must not be closed under it."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
