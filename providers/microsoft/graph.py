"""Microsoft Graph as adapters speak it: its errors by our names, lists that go on, changes since a mark, twenty calls in one.

Speaks Graph v1.0: OData JSON (`value`, `@odata.nextLink`, `@odata.deltaLink`), JSON batches, immutable ids, and the sign-in of
Microsoft's identity platform (OAuth 2 with PKCE). Links are kept as Graph made them and followed below our own base address, so
that a token goes nowhere else. Knows nothing of mail or contacts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from providers.base import Authorization
from providers.errors import CursorExpired, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import SUCCESS, Response, Session

SIGN_IN = "https://login.microsoftonline.com/common/oauth2/v2.0"
PORTAL = "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade"
HOST = "graph.microsoft.com"
#: offline_access is what makes Microsoft give a refresh token.
SCOPES = ("offline_access", "openid", "profile", "email", "User.Read", "Mail.ReadWrite", "Mail.Send", "Contacts.ReadWrite")
PAGE_BYTES = 16 * 1024 * 1024
#: learn.microsoft.com/graph/json-batching
MAX_BATCH = 20
BATCH_ROUNDS = 3
MAX_PAGES = 20_000
#: The statuses whose bodies say what they mean.
TELLING = frozenset({400, 403, 404, 409, 410, 412})
#: The mark of a delta is no longer known: seen as 410, and with these codes as 400 and 404, in any case of letters.
RESYNC = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncchangesapplydifferences"})
NO_MAILBOX = frozenset({"mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi"})
DENIED = frozenset({"erroraccessdenied", "authorization_requestdenied", "accessdenied"})
PAUSE = timedelta(seconds=30)

Entity = TypeVar("Entity")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One answer within a batch; `body` is JSON, or base64 of anything else."""

    id: str
    status: int
    headers: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw(b"null")


class Parts(msgspec.Struct, frozen=True):
    responses: list[Part]


class Page(msgspec.Struct, frozen=True):
    """A page of a list: its items, and where it goes on: `next` while there is more, `delta` at the end of a round."""

    items: list[msgspec.Raw]
    next: str
    delta: str


class Removed(msgspec.Struct, frozen=True):
    reason: str | None = None


class Item(msgspec.Struct, frozen=True, rename={"removed": "@removed"}):
    """What every item of a round has: its id, and whether it left the list."""

    id: str
    removed: Removed | None = None


async def ask(session: Session, path: str, *, page_size: int | None = None, max_bytes: int = PAGE_BYTES) -> Response:
    """One GET of `path` (with its query) below the account's base URL. Raises what Graph's error means."""
    answer = await session.request(
        "GET",
        session.account.base_url.rstrip("/") + path,
        headers=_headers(page_size),
        accept_statuses=frozenset(SUCCESS) | TELLING,
        max_bytes=max_bytes,
    )
    if answer.status in SUCCESS:
        return answer
    raise failure(session, answer.status, answer.content)


async def post(session: Session, path: str, body: bytes = b"", *, content_type: str = "application/json") -> Response:
    """One POST below the account's base URL, never repeated by itself. Raises what Graph's error means."""
    answer = await session.request(
        "POST",
        session.account.base_url.rstrip("/") + path,
        headers={**_headers(None), "Content-Type": content_type},
        content=body,
        accept_statuses=frozenset(SUCCESS) | TELLING,
    )
    if answer.status in SUCCESS:
        return answer
    raise failure(session, answer.status, answer.content)


async def tell(
    session: Session, method: str, path: str, body: Any = None, *, etag: str | None = None, accept: frozenset[int] = frozenset()
) -> Response:
    """One call that writes, only over the version `etag` where one is named; the statuses in `accept` are answers too.

    Raises what Graph's error means, Refused (`conflict`) for another version.
    """
    answer = await session.request(
        method,
        session.account.base_url.rstrip("/") + path,
        headers=_headers(None) | ({} if etag is None else {"If-Match": etag}),
        json=body,
        accept_statuses=frozenset(SUCCESS) | TELLING,
    )
    if answer.status in SUCCESS or answer.status in accept:
        return answer
    raise failure(session, answer.status, answer.content)


async def listed(session: Session, path: str, *, page_size: int | None = None) -> AsyncIterator[Page]:
    """A list page by page, from a path or from a link of an earlier page. Raises Malformed when it goes in circles."""
    seen = {path}
    for _ in range(MAX_PAGES):
        answer = await ask(session, path, page_size=page_size)
        body = decoded(answer.content, dict[str, msgspec.Raw])
        if "value" not in body:
            raise Malformed("Microsoft gave a list without its items.", provider_code="no-value")
        links = [
            _below(session, decoded(bytes(body[name]), str)) if name in body else ""
            for name in ("@odata.nextLink", "@odata.deltaLink")
        ]
        yield Page(decoded(bytes(body["value"]), list[msgspec.Raw]), *links)
        if not links[0]:
            return
        if links[0] in seen:
            break
        seen.add(links[0])
        path = links[0]
    raise Malformed("Microsoft's list goes in circles.", provider_code="paging")


async def batch(session: Session, paths: Sequence[str], *, max_bytes: int) -> list[Part]:
    """GETs of `paths` in calls of twenty, answered in their order.

    A part that is throttled or in trouble is asked for again, alone with its like, as late as Graph says. Raises RateLimited
    when some still are, Malformed (`too-large`) when the answers of one call are larger than `max_bytes`.
    """
    return await _all(session, [{"method": "GET", "url": path} for path in paths], max_bytes)


async def patch(session: Session, paths: Sequence[str], change: Mapping[str, Any]) -> list[Part]:
    """The same change to many items, in calls of twenty, as `batch`; doing it twice is doing it once."""
    requests = [{"method": "PATCH", "url": path, "body": dict(change)} for path in paths]
    return await _all(session, requests, PAGE_BYTES)


async def posted(session: Session, paths: Sequence[str], body: Mapping[str, Any]) -> list[Part]:
    """The same POST to many items, in calls of twenty, as `batch`: only for what may be done twice."""
    return await _all(session, [{"method": "POST", "url": path, "body": dict(body)} for path in paths], PAGE_BYTES)


def failure(session: Session, status: int, content: bytes, retry_after: str = "") -> ProviderError:
    """The error that an answer stands for."""
    code, said = _told(content)
    host = session.home.host
    if code in RESYNC or status == 410:
        return CursorExpired("Microsoft no longer knows this mark.", provider_code="resync")
    if status == 429:
        return RateLimited(
            f"{host} takes no more calls at the moment.",
            retry_at=session.clock.now() + _seconds(retry_after),
            provider_code="429",
        )
    if status == 401:
        return ReauthRequired(f"{host} no longer accepts your sign-in. Link the account again.", provider_code="401")
    if code in NO_MAILBOX:
        return Refused(
            "This Microsoft account has no mailbox in the cloud: link its mail server by IMAP instead.",
            provider_code="no-mailbox",
        )
    if status == 403 and code in DENIED:
        return ReauthRequired(
            "Microsoft was not allowed to show this: link the account again and allow everything that is asked for. In an "
            "organisation its administrator may have to allow it first.",
            provider_code="scope",
        )
    if status == 412 or code == "errorirresolvableconflict":
        return Refused(f"It was changed at {host} meanwhile.", provider_code="conflict")
    if status == 404:
        return Refused(f"There is nothing (any more) at this address of {host}.", provider_code="not-found")
    if status >= 500 or status == 408:
        return Unavailable(f"{host} has trouble of its own (status {status}).", provider_code=str(status))
    return Refused(f"{host} refused the request ({code or status}): {said or 'it gave no reason'}.", provider_code=str(status))


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """`Provider.authorize`, for the operator's own application. Raises Refused with the steps when there is none."""
    mine = await session.credentials()
    if not mine.client_id:
        raise Refused(
            f"Microsoft needs an application of this installation's own, made once by its operator: at {PORTAL} register one for "
            f"'any organizational directory and personal Microsoft accounts' with the Web redirect URI {redirect_uri} , then set "
            "KITH_MICROSOFT_CLIENT_ID and KITH_MICROSOFT_CLIENT_SECRET. docs/providers/microsoft.md has the steps.",
            provider_code="no-client",
        )
    base = session.account.base_url.rstrip("/")
    parts = urlsplit(base)
    # a server set by KITH_MICROSOFT_URL stands in for all of Microsoft's hosts
    start = SIGN_IN if parts.hostname == HOST else f"{parts.scheme}://{parts.netloc}/common/oauth2/v2.0"
    return Authorization(
        authorization_endpoint=f"{start}/authorize",
        token_endpoint=f"{start}/token",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=SCOPES,
        base_url=base,
        extra={"prompt": "select_account", "token_endpoint_auth_method": "client_secret_post"},
    )


def decoded(content: bytes, kind: type[Entity]) -> Entity:
    """JSON as the interface describes it. Raises Malformed."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise Malformed(
            "Microsoft answered with something else than its interface describes.", provider_code="not-json"
        ) from None


def path_of(*segments: str, **options: str) -> str:
    """A path of segments, ids escaped (they hold equals signs and slashes), with OData options by their bare names."""
    path = "/" + "/".join(quote(segment, safe="$") for segment in segments)
    query = {f"${name}": value for name, value in options.items()}
    return path + ("?" + urlencode(query, safe="$,", quote_via=quote) if query else "")


def raw_bytes(part: Part) -> bytes:
    """A part's body that is no JSON: base64, or as some servers send it, the text itself."""
    text = decoded(bytes(part.body), str)
    try:
        return base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogatepass")


_URL_SAFE = str.maketrans("-_", "+/")


async def _all(session: Session, requests: Sequence[Mapping[str, Any]], max_bytes: int) -> list[Part]:
    found: list[Part] = []
    for start in range(0, len(requests), MAX_BATCH):
        found += await _persistently(session, requests[start : start + MAX_BATCH], max_bytes)
    return found


async def _persistently(session: Session, requests: Sequence[Mapping[str, Any]], max_bytes: int) -> list[Part]:
    found: dict[int, Part] = {}
    wanted = list(range(len(requests)))
    for attempt in range(BATCH_ROUNDS):
        if attempt:
            longest = max(
                (_seconds(_header(found[n], "retry-after"), PAUSE / 10) for n in wanted if n in found), default=PAUSE / 10
            )
            if longest > PAUSE:
                break
            await session.clock.sleep(longest.total_seconds() * attempt)
        found.update(await _batch(session, {n: requests[n] for n in wanted}, max_bytes))
        wanted = [n for n in wanted if n not in found or _passing(found[n])]
        if not wanted:
            break
    refusals = [
        failure(session, found[n].status, bytes(found[n].body), _header(found[n], "retry-after")) for n in wanted if n in found
    ]
    for refusal in refusals:
        if isinstance(refusal, RateLimited):
            raise refusal
    if len(found) < len(requests):
        raise Malformed("Microsoft left some answers of a batch out.", provider_code="batch")
    if refusals and len(refusals) == len(requests):
        raise refusals[0]
    return [found[n] for n in range(len(requests))]


async def _batch(session: Session, wanted: Mapping[int, Mapping[str, Any]], max_bytes: int) -> dict[int, Part]:
    requests = [
        # a body needs its type to be read at all
        {"id": str(n), **one, "headers": _headers(None) | ({"Content-Type": "application/json"} if "body" in one else {})}
        for n, one in wanted.items()
    ]
    answer = await session.request(
        "POST",
        session.account.base_url.rstrip("/") + "/$batch",
        json={"requests": requests},
        headers={"Accept": "application/json"},
        accept_statuses=frozenset(SUCCESS) | TELLING,
        max_bytes=max_bytes,
        calls=len(requests),
        reads=True,
    )
    if answer.status not in SUCCESS:
        raise failure(session, answer.status, answer.content)
    parts = decoded(answer.content, Parts).responses
    return {int(part.id): part for part in parts if part.id.isascii() and part.id.isdigit() and int(part.id) in wanted}


def _passing(part: Part) -> bool:
    return part.status in (408, 424, 429) or part.status >= 500


def _header(part: Part, name: str) -> str:
    return next((value for found, value in part.headers.items() if found.lower() == name), "")


def _headers(page_size: int | None) -> dict[str, str]:
    """Ids that stay when an item moves. Both preferences have to be said with every call of a round."""
    preferences = 'IdType="ImmutableId"'
    return {"Prefer": preferences if page_size is None else f"{preferences}, odata.maxpagesize={page_size}"}


def _below(session: Session, link: str) -> str:
    """A link's path and query below our base address, unchanged. Raises Malformed when it leads to another interface."""
    parts, prefix = urlsplit(link), urlsplit(session.account.base_url).path.rstrip("/")
    if not parts.path.startswith(prefix + "/"):
        raise Malformed("Microsoft's list goes on at another address.", provider_code="paging")
    path = parts.path[len(prefix) :]
    return f"{path}?{parts.query}" if parts.query else path


def _told(content: bytes) -> tuple[str, str]:
    """The code of an error body in lower case, and its sentence."""
    try:
        body: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", ""
    code, said = error.get("code"), error.get("message")
    return (
        code.lower()[:60] if isinstance(code, str) else "",
        " ".join(said.split())[:200] if isinstance(said, str) else "",
    )


def _seconds(text: str, default: timedelta = PAUSE) -> timedelta:
    text = text.strip()
    return timedelta(seconds=min(int(text[:9]), 86_400)) if text.isascii() and text.isdigit() else default
