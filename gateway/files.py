"""Files over HTTP: attachments streamed from their source, pictures of other hosts fetched in the reader's place.

`/files/{token}`: the token says whose and what (`resolvers/links.py`) and is never logged. Whatever comes is a stranger's: it is
saved rather than opened (RFC 6266), not guessed at (nosniff), shut off from everything (CSP sandbox), told to nobody (no-referrer)
and kept by no cache. Ranges (RFC 9110 §14) are served where the exact size is known, which a first whole read finds out. Answers to
mistakes have the form of GraphQL errors. Knows no network and keeps no bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from gateway.accounts import Held
from gateway.signin import browser
from gateway.signin.principal import NotSignedIn
from providers.base import Parts, Provider
from providers.errors import ProviderError, RateLimited, Refused, Unavailable
from providers.formats import picture
from providers.session import Account, Secret
from resolvers import attachments, links
from store import viewers

if TYPE_CHECKING:
    from gateway.installation import Installation

log = structlog.get_logger("kith.files")
PATIENCE: Final = 30.0  # seconds for a source to begin, and for a picture of another host altogether
MAX_PICTURE: Final = 5 * 1024 * 1024  # bytes
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "sandbox; default-src 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
#: Types that a browser shows without running anything; all others are saved whatever was asked.
SHOWN: Final = re.compile(r"(?:image/(?:png|jpeg|gif|webp)|audio/[\w.+-]+|video/[\w.+-]+|text/plain)\Z")
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,80}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}\Z")  # RFC 6838 §4.2
_ACTIVE: Final = re.compile(r"html|xml|svg|script|css|flash|multipart|message|manifest")
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})\Z")
_ANY: Final = Provider(key="picture", name="Pictures", kind="FEED", mode="LIVE", capabilities=frozenset())


class Wrong(Exception):
    """A request that gets no file, with the reason."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


class Files:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def routes(self) -> list[BaseRoute]:
        return [Route("/files/{token}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        """The file that a link opens, or why not."""
        try:
            claim = await self._claim(request)
            if claim.what == "PICTURE":
                return await self._picture(claim.which)
            return await self._attachment(request, claim)
        except Wrong as error:
            return answer(error)

    async def _claim(self, request: Request) -> links.Claim:
        installation = self._installation
        try:
            claim = links.opened(installation.vault, str(request.path_params["token"]), installation.clock.now())
        except links.Forged:
            raise Wrong(404, "NOT_FOUND", "There is no such file. Ask for its address again.") from None
        except links.Expired:
            raise Wrong(403, "EXPIRED", "This address was good for ten minutes. Ask for a new one.") from None
        await check_visitor(request, installation, claim.viewer)
        return claim

    async def _attachment(self, request: Request, claim: links.Claim) -> Response:
        database = self._installation.database
        file = (await database.read(claim.viewer, attachments.by_id, [claim.which])).get(claim.which)
        if file is None:
            raise Wrong(404, "NOT_FOUND", "This file is no longer here: its message is gone.")
        found = await database.read(claim.viewer, attachments.places, [file.message_id])
        places = attachments.reachable(self._installation.providers, file, found.get(file.message_id, []))
        headers = {**HEADERS, **_described(file, inline=claim.inline)}
        if request.method == "HEAD":
            if not places:
                raise _gone()
            return Response(None, headers=headers | ({} if file.hash is None else {"content-length": str(file.size)}))
        wanted = _asked(request, file)
        if wanted is not None and file.hash is None:
            file = await self._measured(claim.viewer, file, places)
            headers = {**HEADERS, **_described(file, inline=claim.inline)}
        span = _span(wanted, file)
        pieces, place = await self._open(claim.viewer, file, places)
        if span is not None:
            first, last = span
            headers |= {"content-range": f"bytes {first}-{last}/{file.size}", "content-length": str(last - first + 1)}
            return StreamingResponse(_cut(pieces, first, last), 206, headers)
        if file.hash is not None:
            headers["content-length"] = str(file.size)
        log.debug("file", attachment=file.id, account=place.account_id)
        return StreamingResponse(self._whole(claim.viewer, file, pieces), 200, headers)

    async def _open(
        self, viewer: str, file: attachments.Attachment, places: list[attachments.Place]
    ) -> tuple[AsyncIterator[bytes], attachments.Place]:
        """The bytes of a file from the first place that has it, the first of them read already. Raises Wrong."""
        trouble: ProviderError | None = None
        for place in places:
            try:
                adapter = await self._installation.accounts.open(viewer, place.account_id, interactive=True)
                if not isinstance(adapter, Parts):
                    continue
                async with asyncio.timeout(PATIENCE):  # to begin; a large file may take longer
                    opening: Any = adapter.part(place.key, file.part)
                    if inspect.isawaitable(opening):  # an adapter may want to look before it hands over
                        opening = await opening
                    pieces: AsyncIterator[bytes] = aiter(opening)
                    return _begun(await anext(pieces, b""), pieces), place
            except TimeoutError:
                trouble = Unavailable("The source of this file does not answer. Try again in a while.")
            except ProviderError as error:
                if trouble is None or isinstance(trouble, Refused):
                    trouble = error
        if trouble is None or isinstance(trouble, Refused):
            raise _gone()
        headers = {}
        if trouble.retry_at is not None:
            seconds = (trouble.retry_at - self._installation.clock.now()).total_seconds()
            headers["retry-after"] = str(max(1, int(seconds) + 1))
        code = "RATE_LIMITED" if isinstance(trouble, RateLimited) else "PROVIDER_UNAVAILABLE"
        raise Wrong(503, code, trouble.message, headers)

    async def _measured(
        self, viewer: str, file: attachments.Attachment, places: list[attachments.Place]
    ) -> attachments.Attachment:
        """The file with its exact size: read once to the end, since sources tell sizes before decoding or not at all."""
        pieces, _ = await self._open(viewer, file, places)
        async for _ in self._whole(viewer, file, pieces):
            pass
        again = await self._installation.database.read(viewer, attachments.by_id, [file.id])
        return again.get(file.id, file)

    async def _whole(self, viewer: str, file: attachments.Attachment, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The bytes, counted: at the end their size and SHA-256 are known."""
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in pieces:
                digest.update(piece)
                size += len(piece)
                yield piece
        finally:
            await _close(pieces)
        if file.hash != digest.hexdigest():
            await self._installation.database.write(viewer, attachments.learned, file.id, size, digest.hexdigest())

    async def _picture(self, address: str) -> Response:
        """A picture of another host, fetched without a word about who wants it."""
        session = self._installation.accounts.session(
            Account(provider=_ANY.key, base_url=address),
            Held(Secret()),
            _ANY,
            deadline=self._installation.clock.now().timestamp() + PATIENCE,
        )
        try:
            got = await session.request("GET", address, headers={"accept": "image/*"}, auth=False, max_bytes=MAX_PICTURE)
        except ProviderError as error:
            raise Wrong(502, "PROVIDER_UNAVAILABLE", f"This picture cannot be had. {error.message}") from None
        media_type = picture.media_type(got.content[: picture.HEAD])
        if media_type is None:
            raise Wrong(415, "UNSUPPORTED_MEDIA_TYPE", "What stands there is no picture that is safe to show.")
        return Response(got.content, headers={**HEADERS, "content-type": media_type, "content-disposition": "inline"})


async def check_visitor(request: Request, installation: Installation, viewer: str) -> None:
    """Refuse whoever shows that they are somebody else, and links of viewers who may no longer come in. Raises Wrong."""
    whose = await installation.database.system_read(viewers.get, viewer)
    if whose is None or whose.disabled_at is not None:
        raise Wrong(404, "NOT_FOUND", "There is no such file.")
    if "authorization" in request.headers or browser.cookie_name(installation.settings) in request.cookies:
        try:
            principal, _ = await browser.identify(request, installation.settings, installation.door)
        except NotSignedIn:
            return  # the link itself is the credential; a stale session is nobody in particular
        if principal.viewer != viewer:
            raise Wrong(403, "FORBIDDEN", "This file belongs to another viewer.")


def answer(error: Wrong) -> Response:
    """A refusal, in the form of GraphQL errors."""
    body = {"errors": [{"message": str(error), "extensions": {"code": error.code}}]}
    return JSONResponse(body, error.status, {**HEADERS, **error.headers})


def disposition(name: str, *, inline: bool) -> str:
    """Content-Disposition (RFC 6266 §4.3, RFC 8187): the name in ASCII for old programs, then as it is."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _described(file: attachments.Attachment, *, inline: bool) -> dict[str, str]:
    media_type = (
        file.media_type if _TYPE.match(file.media_type) and not _ACTIVE.search(file.media_type) else "application/octet-stream"
    )
    headers = {
        "content-type": media_type,
        "content-disposition": disposition(file.name, inline=inline and bool(SHOWN.match(media_type))),
    }
    if file.hash is not None:
        headers |= {"accept-ranges": "bytes", "etag": f'"{file.hash}"'}
    return headers


def _gone() -> Wrong:
    return Wrong(410, "GONE", "This file is no longer at its source.")


def _asked(request: Request, file: attachments.Attachment) -> re.Match[str] | None:
    """The range that is asked for; several at once and unknown units are not served (RFC 9110 §14.2: ignored)."""
    condition = request.headers.get("if-range")
    if condition is not None and condition != f'"{file.hash}"':
        return None
    found = _RANGE.match(request.headers.get("range", "").strip())
    return found if found is not None and (found[1] or found[2]) else None


def _span(wanted: re.Match[str] | None, file: attachments.Attachment) -> tuple[int, int] | None:
    """First and last byte of a range (RFC 9110 §14.1.2). Raises Wrong when it lies beyond the end."""
    if wanted is None or file.hash is None or file.size is None:
        return None
    if wanted[1]:
        first, last = int(wanted[1]), min(int(wanted[2] or file.size - 1), file.size - 1)
        if wanted[2] and int(wanted[2]) < first:
            return None  # §14.1.2: invalid, so ignored
    else:
        first, last = max(0, file.size - int(wanted[2])), file.size - 1
    if first > last:
        headers = {"content-range": f"bytes */{file.size}"}
        raise Wrong(416, "RANGE_NOT_SATISFIABLE", f"The file has {file.size} bytes.", headers)
    return first, last


async def _begun(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in pieces:
            yield piece
    finally:
        await _close(pieces)


async def _cut(pieces: AsyncIterator[bytes], first: int, last: int) -> AsyncIterator[bytes]:
    """The bytes from `first` to `last` of a stream."""
    at = 0
    try:
        async for piece in pieces:
            wanted = piece[max(0, first - at) : last + 1 - at]
            at += len(piece)
            if wanted:
                yield wanted
            if at > last:
                break
    finally:
        await _close(pieces)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    """End a stream early: its connection is let go."""
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
