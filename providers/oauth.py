"""Being an OAuth 2 client: authorization code with PKCE, refresh and revocation, through a Session.

RFC 6749 §4.1 and §6, PKCE S256 (RFC 7636), issuer identification (RFC 9207), server metadata (RFC 8414), revocation (RFC
7009), and where a network wants them pushed requests (PAR, RFC 9126), tokens bound to a key (`dpop.py`) and a client that signs
(`client_assertion.py`, whose private JWK stands in the place of the client's secret). Authlib speaks
the protocol; the bytes go through the Session, so that budgets, the guard, size limits and error names hold here too. Knows
nothing of browsers, states, tickets or where tokens are kept.

`Authorization.extra` holds three keys of ours, `token_endpoint_auth_method` (RFC 7591 §2; `client_secret_basic` without it),
`revocation_endpoint`, and `token_member`, under which a network puts a person's token, or a list of one, within its answer; everything
else in it is added to the authorization request. `Secret.extra` gets what a renewal needs later (`renewal` reads it: `token_endpoint`,
those three, and of a bound grant `dpop_key` and `issuer`), whose it is where the network says so (`sub`), when the grant was given
(`granted_at`) and, where the network says so, when it ends (`grant_ends_at`), both ISO 8601.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2 as httpx
import msgspec

from providers import client_assertion, dpop
from providers.base import Authorization
from providers.errors import Malformed, ProviderError, ReauthRequired, Refused, Unavailable
from providers.http import Response, Session
from providers.session import Secret

MAX_BYTES = 256 * 1024
#: RFC 6749 §5.2: 400, and 401 for a client it does not know; 403 and 404 of a revocation endpoint mean no more than that.
ANSWERS = frozenset({200, 201, 400, 401})
#: RFC 6749 §5.2 and §4.1.2.1: what an error code asks of whom.
GRANT_GONE = frozenset({"invalid_grant", "access_denied", "login_required", "consent_required", "interaction_required"})
OURS_TO_MEND = frozenset({"invalid_client", "unauthorized_client"})
PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down", "use_dpop_nonce"})
MEND = {
    "invalid_client_metadata": "The network cannot read what this installation says of itself: its public address (KITH_PUBLIC_URL) "
    "must be reachable from outside.",
    "invalid_dpop_proof": "The network does not take what this machine signs: check that its clock is right.",
}
OUR_EXTRA = frozenset({"token_endpoint_auth_method", "revocation_endpoint", "token_member"})


def authorization_url(authorization: Authorization, redirect_uri: str, state: str, verifier: str) -> str:
    """Where to send the browser. `verifier` is the PKCE code verifier: 43 to 128 unreserved characters (RFC 7636 §4.1)."""
    parameters = {name: value for name, value in authorization.extra.items() if name not in OUR_EXTRA}
    client = _client(authorization, None, redirect_uri=redirect_uri, scope=" ".join(authorization.scopes) or None)
    url, _ = client.create_authorization_url(
        authorization.authorization_endpoint,
        state=state,
        code_verifier=verifier if authorization.pkce else None,
        **parameters,
    )
    return str(url)


async def destination(session: Session, authorization: Authorization, redirect_uri: str, state: str, verifier: str) -> str:
    """Where to send the browser: what is asked for is in the address, or went ahead of it and has a name there (RFC 9126 §2, §4).

    Raises ProviderError.
    """
    url = authorization_url(authorization, redirect_uri, state, verifier)
    if authorization.pushed_endpoint is None:
        return url
    form = {**dict(parse_qsl(urlsplit(url).query)), **_identified(session, authorization)}
    answer = await _posted(session, authorization, authorization.pushed_endpoint, form)
    said = answer.json()
    if isinstance(said, dict) and "error" in said:
        raise named(str(said["error"]))
    name = said.get("request_uri") if isinstance(said, dict) else None
    if not isinstance(name, str) or answer.status not in (200, 201):
        raise Malformed("The network's sign-in took what was asked for and gave it no name.", provider_code="request-uri")
    joint = "&" if urlsplit(authorization.authorization_endpoint).query else "?"
    asked = urlencode({"client_id": authorization.client_id, "request_uri": name})
    return f"{authorization.authorization_endpoint}{joint}{asked}"


def check_issuer(authorization: Authorization, iss: str | None) -> None:
    """RFC 9207 §2.4: the redirect must come from the server that the browser was sent to. Raises Refused."""
    if authorization.issuer is not None and iss != authorization.issuer:
        raise Refused(
            "The sign-in came back from another server than the one it was sent to. Start linking again.", provider_code="iss"
        )


async def exchange(session: Session, authorization: Authorization, redirect_uri: str, code: str, verifier: str) -> Secret:
    """The tokens for an authorization code. Raises ReauthRequired when the code is used up, expired or not ours."""
    async with _client(authorization, session, redirect_uri=redirect_uri) as client:
        token = await _asked(
            lambda: client.fetch_token(
                authorization.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier if authorization.pkce else None,
                **_signed(session, authorization),
            )
        )
    return granted(session, authorization, token, None)


async def refresh(session: Session, authorization: Authorization, old: Secret) -> Secret:
    """A newer secret; a server that rotates refresh tokens gives a new one, others leave the old one valid (RFC 6749 §6).

    Raises ReauthRequired when the grant is gone.
    """
    if not old.refresh_token:
        raise ReauthRequired("This sign-in cannot be renewed. Link the account again.", provider_code="no-refresh-token")
    async with _client(authorization, session) as client:
        token = await _asked(
            lambda: client.refresh_token(
                authorization.token_endpoint, refresh_token=old.refresh_token, **_signed(session, authorization)
            )
        )
    return granted(session, authorization, token, old)


def renewal(secret: Secret) -> Authorization:
    """The authorization that a stored grant came from, as far as renewing and giving back need it."""
    kept = dict(secret.extra)
    return Authorization(
        authorization_endpoint="",
        token_endpoint=kept.get("token_endpoint", ""),
        client_id=secret.client_id or "",
        client_secret=secret.client_secret,
        scopes=(),
        issuer=kept.get("issuer"),
        dpop_key=kept.get("dpop_key"),
        extra={name: value for name, value in kept.items() if name in OUR_EXTRA},
    )


async def revoke(session: Session, authorization: Authorization, secret: Secret) -> bool:
    """Gives the grant back where the network takes it back (RFC 7009 §2.1); whether it did. Its refusals are no errors."""
    endpoint = authorization.extra.get("revocation_endpoint")
    token = secret.refresh_token or secret.access_token
    if not endpoint or not token:
        return False
    hint = "refresh_token" if secret.refresh_token else "access_token"
    form = {"token": token, "token_type_hint": hint, **_identified(session, authorization)}
    try:
        answer = await _posted(session, authorization, endpoint, form)
    except (Refused, ReauthRequired):
        return False
    return answer.status == 200


async def metadata(session: Session, issuer: str) -> dict[str, Any] | None:
    """The server's own description (RFC 8414 §3), or None where it gives none. Raises Malformed when it speaks for another."""
    try:
        answer = await session.request(
            "GET", issuer.rstrip("/") + "/.well-known/oauth-authorization-server", auth=False, max_bytes=MAX_BYTES
        )
        found = answer.json()
    except (Refused, Malformed):
        return None
    if not isinstance(found, dict):
        return None
    said = found.get("issuer")
    if not isinstance(said, str) or said.rstrip("/") != issuer.rstrip("/"):  # RFC 8414 §3.3
        raise Malformed(f"{issuer} describes the sign-in of another server.", provider_code="issuer")
    return found


class _Through(httpx.AsyncBaseTransport):
    """Authlib's httpx client on a Session: what the Session refuses is refused here, under the same names."""

    def __init__(self, session: Session, dpop_key: str | None) -> None:
        self._session = session
        self._dpop_key = dpop_key

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await _sent(
            self._session,
            self._dpop_key,
            request.method,
            str(request.url),
            headers={
                name: value
                for name, value in request.headers.items()
                if name.lower() in ("authorization", "accept", "content-type")
            },
            content=await request.aread(),
        )
        return httpx.Response(answer.status, headers={"Content-Type": answer.media_type}, content=answer.content, request=request)


async def _sent(session: Session, dpop_key: str | None, method: str, url: str, **more: Any) -> Response:
    """A call of an endpoint, with a proof where the grant is bound to a key."""
    more |= {"accept_statuses": ANSWERS, "max_bytes": MAX_BYTES, "follow": False}
    if dpop_key is None:
        return await session.request(method, url, auth=False, **more)
    return await dpop.request(session, dpop_key, method, url, **more)


async def _posted(session: Session, authorization: Authorization, url: str, form: dict[str, str]) -> Response:
    return await _sent(session, authorization.dpop_key, "POST", url, form=form)


def _identified(session: Session, authorization: Authorization) -> dict[str, str]:
    """Who our client is, in a form (RFC 6749 §2.3.1)."""
    form = {"client_id": authorization.client_id, **_signed(session, authorization)}
    if authorization.client_secret is not None and _method(authorization) not in (client_assertion.METHOD, "none"):
        form["client_secret"] = authorization.client_secret
    return form


def _method(authorization: Authorization) -> str:
    """RFC 7591 §2, `token_endpoint_auth_method`."""
    return authorization.extra.get("token_endpoint_auth_method", "client_secret_basic")


def _signed(session: Session, authorization: Authorization) -> dict[str, str]:
    """The signature of a client that has a key, for the server that issues (draft-ietf-oauth-rfc7523bis: its issuer, not its endpoint)."""
    if _method(authorization) != client_assertion.METHOD or authorization.client_secret is None:
        return {}
    server = authorization.issuer or authorization.token_endpoint
    now = session.clock.now().timestamp()
    return client_assertion.assertion(authorization.client_secret, authorization.client_id, server, now)


def _client(authorization: Authorization, session: Session | None, **more: Any) -> Any:
    # imported here: it takes a sixth of a second that starting without OAuth can do without
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    method = _method(authorization)
    shared = None if method == client_assertion.METHOD else authorization.client_secret  # a key signs and is not sent
    return AsyncOAuth2Client(
        client_id=authorization.client_id,
        client_secret=shared,
        token_endpoint_auth_method=method if shared is not None else "none",
        code_challenge_method="S256" if authorization.pkce else None,
        transport=_Through(session, authorization.dpop_key) if session is not None else httpx.MockTransport(_unreachable),
        trust_env=False,
        timeout=None,  # the Session's time is the one that counts
        **more,
    )


def _unreachable(request: httpx.Request) -> httpx.Response:
    """Building an address asks nobody."""
    raise httpx.ConnectError("no session", request=request)


async def _asked(ask: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """The token answer. Every way in which it is none gets its name."""
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.base_client import OAuthError

    try:
        token = await ask()
    except ProviderError:
        raise
    except OAuthError as error:
        raise named(str(error.error or "")) from None
    except (AuthlibBaseError, httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Malformed("The network's sign-in gave an answer that is no token.", provider_code="token") from error
    if not isinstance(token, dict):
        raise Malformed("The network's sign-in gave an answer that is no token.", provider_code="token")
    if "error" in token:
        said = token["error"]  # Meta's is an object with a type
        raise named(str(said.get("type", "error") if isinstance(said, dict) else said))
    return dict(token)


def named(code: str) -> ProviderError:
    """What an error code of a token endpoint means."""
    code = code[:60] if code.isascii() and code.isprintable() else "error"
    if code in GRANT_GONE:
        return ReauthRequired("The network no longer accepts this sign-in. Link the account again.", provider_code=code)
    if code in OURS_TO_MEND:
        return Refused(
            "The network does not know this installation any more: its operator has to register it again.", provider_code=code
        )
    if code in MEND:
        return Refused(MEND[code], provider_code=code)
    if code in PASSING:
        return Unavailable("The network's sign-in has trouble of its own. Try again later.", provider_code=code)
    return Refused(f"The network refused the sign-in ({code}).", provider_code=code)


def granted(session: Session, authorization: Authorization, token: dict[str, Any], old: Secret | None) -> Secret:
    """A token endpoint's answer as what is kept; with `old` it is a newer one. Raises Malformed."""
    if (name := authorization.extra.get("token_member")) is not None:
        found = token.get(name)
        member = found[0] if isinstance(found, list) and found else found
        # whose tokens they are, such a network calls their type; they are all borne alike (RFC 6750)
        token = {**(member if isinstance(member, dict) and "access_token" in member else token), "token_type": "bearer"}
    if "permissions" in token and "scope" not in token:  # as Instagram calls it, in a list or with commas
        allowed = token["permissions"] if isinstance(token["permissions"], list) else str(token["permissions"]).split(",")
        token = {**token, "scope": " ".join(each.strip() for each in allowed if isinstance(each, str))}
    access, renewal, scope = (_text(token.get(name)) for name in ("access_token", "refresh_token", "scope"))
    kind = "bearer" if authorization.dpop_key is None else "dpop"  # RFC 6749 §7.1, RFC 9449 §5
    if access is None or str(token.get("token_type", "bearer")).lower() != kind:
        raise Malformed("The network's sign-in gave a token of a kind that Kith does not know.", provider_code="token")
    fresh = Secret(
        access_token=access,
        refresh_token=renewal,
        expires_at=_expiry(session, token.get("expires_in")),
        scope=scope or " ".join(authorization.scopes) or None,  # RFC 6749 §5.1: absent means as asked for
        client_id=authorization.client_id,
        client_secret=authorization.client_secret,
    )
    if old is None:
        return msgspec.structs.replace(fresh, extra=_kept(session, authorization, token))
    if (subject := _text(token.get("sub"))) is not None and subject != old.extra.get("sub", subject):
        raise ReauthRequired("The network renewed this sign-in for another account. Link the account again.", provider_code="sub")
    return msgspec.structs.replace(
        fresh,
        refresh_token=fresh.refresh_token or old.refresh_token,
        scope=scope or old.scope,
        extra=old.extra,
    )


def _kept(session: Session, authorization: Authorization, token: dict[str, Any]) -> dict[str, str]:
    kept = {name: value for name, value in authorization.extra.items() if name in OUR_EXTRA}
    kept["token_endpoint"] = authorization.token_endpoint
    if authorization.dpop_key is not None:
        kept["dpop_key"] = authorization.dpop_key
        kept |= {"issuer": authorization.issuer} if authorization.issuer is not None else {}
    if (subject := _text(token.get("sub"))) is not None:
        kept["sub"] = subject
    kept["granted_at"] = session.clock.now().isoformat()
    ends = _expiry(session, token.get("refresh_token_expires_in"))  # Google, of projects in testing mode
    if ends is not None:
        kept["grant_ends_at"] = ends.isoformat()
    return kept


def _expiry(session: Session, value: Any) -> datetime | None:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        return None
    return session.clock.now() + timedelta(seconds=min(seconds, 10 * 365 * 86400)) if seconds > 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
