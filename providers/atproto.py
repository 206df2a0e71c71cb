"""The AT Protocol as a client speaks it: who somebody is and where their data lives, sessions, and calls (XRPC).

A handle leads to a DID by DNS or by its own host, the DID to a document that names the server of the account and must claim the handle
back (atproto.com/specs/handle, /specs/did). A session is a pair of tokens of which the refresh token is good for one use
(`com.atproto.server.createSession`, `refreshSession`), or a grant of OAuth bound to a key (`atproto_oauth.py`). Errors
have names (atproto.com/specs/xrpc), and an expired token of a session is a 400. Knows nothing of any application's records.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import httpx2 as httpx
import msgspec

from providers import dpop
from providers.errors import Malformed, ProviderError, ReauthRequired, Refused, Unavailable
from providers.formats.at_identifier import DID
from providers.http import Response, Session
from providers.server_address import origin
from providers.session import Secret

#: The directory of all did:plc (web.plc.directory/spec/v0.1/did-plc).
DIRECTORY: Final = "https://plc.directory"
ANSWER_BYTES: Final = 8 * 1024 * 1024
SMALL_BYTES: Final = 256 * 1024
#: What a token may do, by its `scope` claim: an app password made without direct messages, one made with them, the account's own.
NO_CHAT: Final = "com.atproto.appPass"
WITH_CHAT: Final = "com.atproto.appPassPrivileged"
FULL: Final = "com.atproto.access"
#: What a grant of OAuth needs for direct messages (atproto.com/specs/oauth#authorization-scopes).
CHAT_SCOPE: Final = "transition:chat.bsky"
#: Statuses whose body has an error with a name (atproto.com/specs/xrpc#error-responses).
NAMED: Final = frozenset({400, 401, 403, 404, 501})
GONE: Final = frozenset({"RepoDeactivated", "RepoTakendown", "RepoSuspended", "RepoNotFound", "AccountNotFound", "NotFound"})
CLOSED: Final = frozenset({"AccountTakedown", "AccountDeactivated", "AccountSuspended"})
EXPIRED: Final = "ExpiredToken"
#: Authentication that is no good any more; what else is InvalidRequest is a mistake in the request.
UNKNOWN_TOKEN: Final = frozenset({"InvalidToken", "AuthenticationRequired", "AuthMissing", "InvalidGrant", EXPIRED})

Entity = TypeVar("Entity")


class Service(msgspec.Struct, frozen=True):
    id: str = ""
    type: str = ""
    serviceEndpoint: Any = None


class Document(msgspec.Struct, frozen=True):
    """A DID document, as far as it is used (www.w3.org/TR/did-core)."""

    id: str
    alsoKnownAs: list[str] = []
    service: list[Service] = []


class Tokens(msgspec.Struct, frozen=True):
    """The answer to createSession and refreshSession."""

    accessJwt: str
    refreshJwt: str
    did: str
    handle: str = ""
    active: bool = True
    status: str | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who an account is, by its document: `handle` is None where it names none, or not the one that was asked for."""

    did: str
    server: str
    handle: str | None = None


# --- who and where --------------------------------------------------------------------------------------------------------


async def identify(session: Session, name: str) -> Identity:
    """The DID and the server of a handle or DID. Raises Refused where the handle and the document do not name each other."""
    did = name if DID.fullmatch(name) else await _did_of(session, name)
    document = await _document(session, did)
    handle = next((text[5:].lower() for text in document.alsoKnownAs if text.startswith("at://")), None)
    if name != did and f"at://{name}" not in (text.lower() for text in document.alsoKnownAs):
        raise Refused(
            f"The account that {name} names does not name it back. Check its handle in the settings of Bluesky.",
            provider_code="handle.invalid",
        )
    server = next((one for one in document.service if one.id in ("#atproto_pds", did + "#atproto_pds")), None)
    address = server_address(server.serviceEndpoint if server is not None else None)
    if address is None:
        raise Refused(f"The account {name} has no server: it may be deactivated.", provider_code="no-server")
    return Identity(did=did, server=address, handle=name if name != did else handle)


async def _did_of(session: Session, handle: str) -> str:
    """Both ways of asking, at the same time; DNS comes first where they differ (atproto.com/specs/handle#handle-resolution)."""
    texts, hosted = await asyncio.gather(session.texts(f"_atproto.{handle}"), _hosted(session, handle))
    named = {text.removeprefix("did=") for text in texts if text.startswith("did=")}
    if len(named) > 1:
        raise Refused(
            f"DNS names several accounts for {handle}: whoever runs the domain has to keep one.", provider_code="handle"
        )
    for did in (*named, hosted):
        if did is not None and DID.fullmatch(did):
            return did
    raise Refused(f"There is no account called {handle}. Enter the handle as your profile shows it.", provider_code="handle")


async def _hosted(session: Session, handle: str) -> str | None:
    try:
        answer = await session.request("GET", f"https://{handle}/.well-known/atproto-did", auth=False, max_bytes=SMALL_BYTES)
    except (Refused, Malformed, Unavailable):
        return None  # most handles are known to DNS alone
    return answer.content.decode("ascii", "replace").strip()


async def _document(session: Session, did: str) -> Document:
    """did:plc by the directory, did:web by the host that it names, without a path (atproto.com/specs/did)."""
    if did.startswith("did:plc:"):
        url = f"{DIRECTORY}/{did}"
    else:
        url = f"https://{unquote(did.removeprefix('did:web:'))}/.well-known/did.json"
    try:
        answer = await session.request("GET", url, auth=False, max_bytes=SMALL_BYTES)
    except Refused as error:
        if error.provider_code != "not-found":
            raise
        raise Refused(f"There is no account {did}, or it was deleted.", provider_code="did") from error
    document = decoded(answer, Document)
    if document.id != did:
        raise Malformed(f"{urlsplit(url).hostname} gave the document of another account.", provider_code="did")
    return document


def server_address(endpoint: Any) -> str | None:
    """An origin, or None: what an account's server has to be (atproto.com/specs/did#did-documents); unencrypted only on this machine."""
    try:
        url = httpx.URL(endpoint)
    except (httpx.InvalidURL, TypeError, ValueError):
        return None
    here = url.host in ("localhost", "127.0.0.1", "::1")
    if url.scheme != "https" and not (url.scheme == "http" and here):
        return None
    return origin(str(url)) if url.host else None


def typed_name(text: str) -> str:
    """A handle or DID out of what people type: `@ada.example.org`, a link to a profile, any case."""
    name = text.strip()
    for prefix in ("https://bsky.app/profile/", "at://", "@"):
        name = name.removeprefix(prefix)
    name = name.partition("/")[0]
    return name if name.startswith("did:") else name.lower().rstrip(".")


# --- sessions -------------------------------------------------------------------------------------------------------------


async def create_session(session: Session, server: str, identifier: str, password: str) -> Tokens:
    """Tokens for a password. Raises ReauthRequired for a wrong one."""
    answer = await session.request(
        "POST",
        f"{server}/xrpc/com.atproto.server.createSession",
        json={"identifier": identifier, "password": password},
        auth=False,
        accept_statuses={200, *NAMED},
        follow=False,
        max_bytes=SMALL_BYTES,
    )
    if answer.status == 200:
        return _open(decoded(answer, Tokens), server)
    code, _ = said(answer)
    host = urlsplit(server).hostname
    if code == "AuthFactorTokenRequired":
        raise ReauthRequired(
            "This is the password of your account, which is protected by a code. Make an app password and enter that.",
            provider_code=code,
        )
    if answer.status == 401:
        raise ReauthRequired(f"{host} does not know this handle and app password together.", provider_code=code or "401")
    if answer.status == 404:
        raise Refused(f"There is no AT Protocol server at {host}.", provider_code="no-server")
    raise refusal(answer)


async def refresh_session(session: Session, old: Secret) -> Tokens:
    """A new pair for a refresh token, which is used up by that. Raises ReauthRequired, naming where the account has moved to."""
    server = origin(session.account.base_url)
    answer = await _by_refresh_token(session, old, "com.atproto.server.refreshSession")
    if answer.status == 200:
        return _open(decoded(answer, Tokens), server)
    code, _ = said(answer)
    host = urlsplit(server).hostname
    if answer.status == 501:
        raise refusal(answer)
    await moved(session, old.extra.get("did", ""), server)
    if code in CLOSED:
        raise ReauthRequired(f"{host} has closed this account. Sign in there to see why.", provider_code=code)
    raise ReauthRequired(f"{host} has signed Kith out. Link the account again with a new app password.", provider_code=code)


async def delete_session(session: Session, old: Secret) -> bool:
    """End a session by its refresh token (com.atproto.server.deleteSession); its access token goes on until it expires, minutes or hours later."""
    return (await _by_refresh_token(session, old, "com.atproto.server.deleteSession")).status == 200


async def _by_refresh_token(session: Session, old: Secret, method: str) -> Response:
    """What a server answers to one of the two calls for which the refresh token stands in place of the access token."""
    return await session.request(
        "POST",
        f"{origin(session.account.base_url)}/xrpc/{method}",
        headers={"Authorization": f"Bearer {old.refresh_token}"},
        auth=False,
        accept_statuses={200, *NAMED},
        follow=False,
        max_bytes=SMALL_BYTES,
    )


async def moved(session: Session, did: str, server: str) -> None:
    """Raises ReauthRequired where an account lives on another server by now (atproto.com/guides/account-migration)."""
    try:
        found = await identify(session, did) if DID.fullmatch(did) else None
    except ProviderError:
        return
    if found is not None and found.server != server:
        host = urlsplit(found.server).hostname
        raise ReauthRequired(f"This account has moved to {host}. Link it again there.", provider_code="moved")


def _open(tokens: Tokens, server: str) -> Tokens:
    if not tokens.active:
        host = urlsplit(server).hostname
        raise ReauthRequired(
            f"This account is closed at the moment ({tokens.status or 'inactive'}). Sign in at {host} to open it.",
            provider_code="AccountDeactivated",
        )
    return tokens


def may_chat(scope: str | None) -> bool:
    """Whether a sign-in shows direct messages: an app password's is called so, a grant of OAuth has the scope."""
    words = (scope or "").split()
    return CHAT_SCOPE in words if "atproto" in words else NO_CHAT not in words


def secret_of(tokens: Tokens) -> Secret:
    """What is kept of a session."""
    claims = _claims(tokens.accessJwt)
    ends, scope = claims.get("exp"), claims.get("scope")
    expires_at = datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) and 0 < ends < 2**33 else None
    return Secret(
        access_token=tokens.accessJwt,
        refresh_token=tokens.refreshJwt,
        expires_at=expires_at,
        scope=scope[:200] if isinstance(scope, str) else None,
        extra={"did": tokens.did},
    )


def _claims(token: str) -> dict[str, Any]:
    """What a token says of itself; it is the server's business to check it (RFC 7519 §3)."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# --- calls ----------------------------------------------------------------------------------------------------------------


class Xrpc:
    """Calls to an account's own server with its token, which is renewed once where it has expired."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._base = origin(session.account.base_url)

    async def query(
        self, method: str, kind: type[Entity], parameters: Sequence[tuple[str, str]] = (), *, proxy: str | None = None
    ) -> Entity:
        """A query's answer; `proxy` names the service that the server passes it on to (atproto.com/specs/xrpc#service-proxying)."""
        return await self._asked("GET", method, kind, parameters, None, proxy)

    async def procedure(self, method: str, kind: type[Entity], body: Mapping[str, Any], *, proxy: str | None = None) -> Entity:
        """A procedure's answer. It is repeated only where a token had expired, so that nothing was done."""
        return await self._asked("POST", method, kind, (), body, proxy)

    async def _asked(
        self,
        verb: str,
        method: str,
        kind: type[Entity],
        parameters: Sequence[tuple[str, str]],
        body: Mapping[str, Any] | None,
        proxy: str | None,
    ) -> Entity:
        secret = await self._session.credentials()
        answer = await self._sent(verb, method, parameters, body, proxy, secret)
        if answer.status == 401 or (answer.status == 400 and said(answer)[0] == EXPIRED):
            if not secret.refresh_token:
                raise refusal(answer)
            answer = await self._sent(verb, method, parameters, body, proxy, await self._session.refreshed(secret))
        if answer.status != 200:
            raise refusal(answer)
        return decoded(answer, kind)

    async def _sent(
        self,
        verb: str,
        method: str,
        parameters: Sequence[tuple[str, str]],
        body: Mapping[str, Any] | None,
        proxy: str | None,
        secret: Secret,
    ) -> Response:
        token = secret.access_token or ""
        if not token or not token.isascii() or not token.isprintable():
            raise ReauthRequired("There is no token for this account. Link it again.", provider_code="token")
        headers = {} if proxy is None else {"atproto-proxy": proxy}
        url = f"{self._base}/xrpc/{method}"
        how: dict[str, Any] = {
            "params": list(parameters), "json": body, "accept_statuses": {200, *NAMED}, "follow": False, "max_bytes": ANSWER_BYTES,
        }  # fmt: skip
        if (key := secret.extra.get("dpop_key")) is not None:
            return await dpop.request(self._session, key, verb, url, token=token, headers=headers, **how)
        headers["Authorization"] = f"Bearer {token}"
        # an expired token is a 400 here, which the Session would not renew
        return await self._session.request(verb, url, headers=headers, auth=False, **how)


def refusal(answer: Response) -> ProviderError:
    """The error that a named one stands for."""
    code, text = said(answer)
    host = urlsplit(answer.url).hostname
    method = urlsplit(answer.url).path.rpartition("/")[2]
    match answer.status, code:
        case _, code if code in CLOSED:
            return ReauthRequired(f"{host} has closed this account. Sign in there to see why.", provider_code=code)
        case ((400 | 401 | 403), "InvalidToken") if "method" in text or "scope" in text:
            return Refused(f"{host} does not allow this to your app password ({method}).", provider_code="scope")
        case 403, _ if "missing required scope" in text:
            return Refused(
                f"{host} was not allowed to do this ({method}). Link the account again to allow it.", provider_code="scope"
            )
        case ((400 | 401), code) if code in UNKNOWN_TOKEN or answer.status == 401:
            return ReauthRequired(f"{host} no longer accepts your sign-in. Link the account again.", provider_code=code or "401")
        case (501, _) | (404, "") | (404, "XRPCNotSupported" | "MethodNotImplemented"):
            return Refused(f"{host} does not know {method}.", provider_code="not-found")
        case _, code if code in GONE:
            return Refused(f"{host} no longer has this ({code}).", provider_code="not-found")
        case 403, _:
            return Refused(f"{host} does not allow this to your account. {text}".strip(), provider_code=code or "403")
        case status, _:
            return Refused(f"{host} refused {method} ({code or status}). {text}".strip(), provider_code=code or str(status))


def said(answer: Response) -> tuple[str, str]:
    """The name of an error and its text in lower case, as far as there are any."""
    try:
        body = answer.json()
    except Malformed:
        return "", ""
    if not isinstance(body, Mapping):
        return "", ""
    code, text = body.get("error"), body.get("message")
    return (
        code[:60] if isinstance(code, str) and code.isascii() and code.isprintable() else "",
        " ".join(text.lower().split())[:200] if isinstance(text, str) else "",
    )


def decoded(answer: Response, kind: type[Entity]) -> Entity:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def readable(items: Iterable[msgspec.Raw], kind: type[Entity]) -> tuple[list[Entity], list[tuple[msgspec.Raw, str]]]:
    """Those that are what their lexicon says, and the others with the reason."""
    found: list[Entity] = []
    broken: list[tuple[msgspec.Raw, str]] = []
    for item in items:
        try:
            found.append(msgspec.json.decode(item, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            broken.append((item, str(error)[:200]))
    return found, broken


def instant(text: Any) -> datetime | None:
    """A moment (atproto.com/specs/lexicon#datetime), None for what is none."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is None:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def claimed(created: Any, indexed: Any) -> datetime | None:
    """When something was made: its author's word, unless that lies after its arrival or before there was anything to arrive at."""
    said_, seen = instant(created), instant(indexed)
    if said_ is None or said_ < BEGINNING:
        return seen
    return said_ if seen is None else min(said_, seen)


BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)


def within(now: datetime, moment: datetime | None) -> datetime:
    """A moment that is not later than now; nobody is believed who writes tomorrow."""
    return now if moment is None or moment > now + timedelta(minutes=5) else moment
