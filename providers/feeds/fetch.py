"""Getting a feed: conditionally (RFC 9110 §13.1), along redirects of which it is known which are for good, one at a time from a host.

Validators go back byte for byte as they came. A body that is the same as the last one is as good as a 304, whatever its ETag says: some
servers make a new one for each answer. Knows no formats.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

import httpx2 as httpx
import msgspec

from providers.errors import Malformed, ProviderError, ReauthRequired, Refused
from providers.http import MAX_REDIRECTS, REDIRECTS, Response, Session

MAX_BYTES: Final = 10 * 1024 * 1024
PERMANENT: Final = frozenset({301, 308})  # RFC 9110 §15.4.2, §15.4.9
GONE: Final = 410
UNCHANGED: Final = 304
ACCEPT: Final = (
    "application/atom+xml, application/feed+json, application/rss+xml, application/rdf+xml;q=0.9, application/xml;q=0.8, "
    "text/html;q=0.6, */*;q=0.5"
)
#: Whose turn it is at each host: many feeds of many accounts lie at one.
_turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


class Validators(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What says whether there is anything new: the server's own words, and the digest of the last body."""

    etag: str = ""
    modified: str = ""
    digest: str = ""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `moved` is where the address leads for good, empty where it stays; `changed` is false for what is known already."""

    response: Response
    validators: Validators
    changed: bool
    gone: bool = False
    moved: str = ""


async def fetch(session: Session, url: str, known: Validators = Validators()) -> Fetched:  # noqa: B008 - immutable
    """Asks for a feed or page. Raises what `Session.request` raises, Malformed for redirects in circles."""
    headers = {"Accept": ACCEPT}
    if known.etag:
        headers["If-None-Match"] = known.etag
    if known.modified:
        headers["If-Modified-Since"] = known.modified
    statuses = {200, GONE, *REDIRECTS} | ({UNCHANGED} if len(headers) > 1 else set())
    moved, for_good = "", True
    for _ in range(MAX_REDIRECTS + 1):
        async with _turn(session, url):
            try:
                response = await session.request(
                    "GET", url, headers=headers, auth=False, accept_statuses=statuses, max_bytes=MAX_BYTES, follow=False
                )
            except (ReauthRequired, Refused) as error:
                raise _closed(url, error) from error
        if response.status not in REDIRECTS:
            return _fetched(response, known, moved)
        url = redirected(url, response)
        for_good = for_good and response.status in PERMANENT
        moved = url if for_good else moved
    raise Malformed(f"{httpx.URL(url).host} redirects in circles.", provider_code="redirects")


def _closed(url: str, error: ProviderError) -> ProviderError:
    """What 401 and 403 mean where nobody signs in: the feed is not for everybody (any more)."""
    if error.provider_code not in ("401", "403"):
        return error
    return Refused(
        f"{httpx.URL(url).host} does not show this feed to everybody (status {error.provider_code}). If it has moved, follow its new address; "
        "if it is private, ask its site for an address with a key of your own.",
        retry_at=error.retry_at,
        provider_code=error.provider_code,
    )


def _fetched(response: Response, known: Validators, moved: str) -> Fetched:
    if response.status == UNCHANGED:  # RFC 9110 §15.4.5: it may leave out what has not changed
        said = _said(response)
        kept = Validators(etag=said.etag or known.etag, modified=said.modified or known.modified, digest=known.digest)
        return Fetched(response=response, validators=kept, changed=False, moved=moved)
    digest = hashlib.blake2b(response.content, digest_size=12).hexdigest()
    validators = msgspec.structs.replace(_said(response), digest=digest)
    gone = response.status == GONE
    return Fetched(response=response, validators=validators, changed=digest != known.digest, gone=gone, moved=moved)


def _said(response: Response) -> Validators:
    """What can be sent back as a header."""
    etag, modified = (response.headers.get(name, "")[:500].strip() for name in ("etag", "last-modified"))
    return Validators(etag=etag if etag.isprintable() else "", modified=modified if modified.isprintable() else "")


def redirected(url: str, response: Response) -> str:
    """Where a redirect leads. Raises Malformed for no web address, Refused from https to http."""
    try:
        target = httpx.URL(url).join(response.headers.get("location", ""))
    except (httpx.InvalidURL, ValueError, TypeError):
        target = httpx.URL("")
    host = httpx.URL(url).host
    if target.scheme not in ("http", "https") or not target.host or "location" not in response.headers:
        raise Malformed(f"{host} redirects to something that is no web address.", provider_code="redirects")
    if url.startswith("https:") and target.scheme != "https":
        raise Refused(f"{host} redirects to an unencrypted address ({target.host}).", provider_code="downgrade")
    return str(target.copy_with(username=None, password=None) if target.userinfo else target)


@asynccontextmanager
async def _turn(session: Session, url: str) -> AsyncIterator[None]:
    """The turn at a host. Whoever waits in person need not wait for the others."""
    if session.interactive:
        yield
        return
    place = id(asyncio.get_running_loop()), httpx.URL(url).netloc.decode("ascii", "replace")
    lock = _turns.get(place) or asyncio.Lock()
    _turns[place] = lock
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(lock)
        yield
