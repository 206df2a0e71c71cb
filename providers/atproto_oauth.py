"""Signing in by the page of an account's own server: the AT Protocol's profile of OAuth (atproto.com/specs/oauth).

The way there: handle → DID → server → who signs people in for it (protected resource metadata, RFC 9728) → how (RFC 8414). There is no
registration: our client is named by the address of a document of this installation, or, on one that only its own machine reaches, by
`http://localhost`. Every request is pushed (PAR) and every token bound to a key (DPoP). Back again, only the DID in the token's answer is
believed, and only if the DID's own server names the issuer that gave it. Knows nothing of the application's records.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from providers import atproto, client_assertion, dpop, oauth
from providers.atproto import typed_name
from providers.base import Authorization, SignedIn
from providers.errors import Malformed, ReauthRequired, Refused
from providers.formats.at_identifier import DID, HANDLE
from providers.http import Session
from providers.server_address import origin
from providers.session import Secret

#: `transition:generic` is what an app password may do, chat is asked for beside it (atproto.com/specs/oauth#authorization-scopes).
SCOPES: Final = ("atproto", "transition:generic", atproto.CHAT_SCOPE)
#: A client without a key is signed out after so long, whatever it does (atproto.com/specs/oauth#tokens-and-session-lifetime).
PUBLIC_LIFE: Final = timedelta(days=14)
BEFORE: Final = timedelta(hours=1)  # its last token may end so long before
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


class Resource(msgspec.Struct, frozen=True):
    """RFC 9728 §2, as far as it is used."""

    resource: str
    authorization_servers: list[str] = []


class Issuer(msgspec.Struct, frozen=True):
    """RFC 8414 §2 with RFC 9126 §5, RFC 9207 §3, RFC 9449 §5.1."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    pushed_authorization_request_endpoint: str
    authorization_response_iss_parameter_supported: bool = False
    dpop_signing_alg_values_supported: list[str] = []
    token_endpoint_auth_methods_supported: list[str] = []
    scopes_supported: list[str] = []
    revocation_endpoint: str | None = None


async def authorize(session: Session, values: Mapping[str, str], redirect_uri: str) -> Authorization:
    """Where a handle's owner signs in, and who we are there. Raises Refused for a name that leads nowhere and a server without such a page."""
    name, server = typed_name(values.get("username", "")), origin(session.account.base_url)
    if not values.get("server", "").strip():
        server = (await atproto.identify(session, name)).server
    issuer = await _issuer(session, server)
    own = await session.credentials()
    client_id = own.client_id or _loopback(redirect_uri)
    extra = {"login_hint": name} if name else {}
    if issuer.revocation_endpoint is not None:
        extra["revocation_endpoint"] = issuer.revocation_endpoint
    signs = own.client_secret is not None and client_assertion.METHOD in issuer.token_endpoint_auth_methods_supported
    extra["token_endpoint_auth_method"] = client_assertion.METHOD if signs else "none"
    offered = issuer.scopes_supported
    return Authorization(
        authorization_endpoint=issuer.authorization_endpoint,
        token_endpoint=issuer.token_endpoint,
        client_id=client_id,
        client_secret=own.client_secret if signs else None,
        scopes=tuple(scope for scope in SCOPES if not offered or scope in offered),
        issuer=issuer.issuer,
        pushed_endpoint=issuer.pushed_authorization_request_endpoint,
        dpop_key=dpop.new_key(),
        base_url=server,
        lasting=False,  # whoever signs in next has another server, and another key in any case
        extra=extra,
    )


async def proven(session: Session) -> SignedIn:
    """The grant that a sign-in gave, held against the account's own documents. Raises Refused where somebody else signed in than was typed."""
    secret = await session.credentials()
    did = secret.extra.get("sub", "")
    if not DID.fullmatch(did):
        raise Malformed("The server did not say whose sign-in it was.", provider_code="sub")
    identity = await atproto.identify(session, did)
    typed = typed_name(session.account.settings.get("username", ""))
    if (HANDLE.fullmatch(typed) or DID.fullmatch(typed)) and typed not in (identity.did, identity.handle):
        signed = identity.handle or did
        raise Refused(f"You signed in as {signed}, and typed {typed}. Begin again with the one you mean.", provider_code="sub")
    issuer = await _issuer(session, identity.server)
    if issuer.issuer != secret.extra.get("issuer"):
        raise Refused(
            f"{urlsplit(secret.extra.get('issuer', '')).hostname} does not sign people in for {identity.handle or did}.",
            provider_code="issuer",
        )
    if "atproto" not in (secret.scope or "").split():
        raise Refused("The server gave a sign-in that is good for nothing. Begin again and allow access.", provider_code="scope")
    extra = {**secret.extra, "did": did}
    if secret.client_secret is None:
        extra["grant_ends_at"] = (session.clock.now() + PUBLIC_LIFE).isoformat()
    return SignedIn(secret=msgspec.structs.replace(secret, extra=extra), base_url=identity.server)


async def renew(session: Session, old: Secret) -> Secret:
    """A newer pair of tokens; the old renewal token is used up by that. Raises ReauthRequired, saying what to do."""
    try:
        return await oauth.refresh(session, oauth.renewal(old), old)
    except Refused as error:
        if error.provider_code != "invalid_client":
            raise
        raise ReauthRequired(
            "This installation no longer signs as it did when you linked the account. Link it again.",
            provider_code="invalid_client",
        ) from error
    except ReauthRequired as error:
        if error.provider_code != "invalid_grant":
            raise
        server = origin(session.account.base_url)
        await atproto.moved(session, old.extra.get("did", ""), server)
        text = f"{urlsplit(server).hostname} has signed Kith out. Link the account again."
        ends = atproto.instant(old.extra.get("grant_ends_at"))
        if ends is not None and session.clock.now() >= ends - BEFORE:
            text += (
                " Without a public address (KITH_PUBLIC_URL, by https) it does so every two weeks; an app password lasts longer."
            )
        raise ReauthRequired(text, provider_code=error.provider_code) from error


def bound(secret: Secret) -> bool:
    """Whether a secret is such a grant, and no app password's session."""
    return "dpop_key" in secret.extra


async def _issuer(session: Session, server: str) -> Issuer:
    """Who signs people in for the accounts of a server. One that only signs people in (an entryway) may be named itself."""
    host = urlsplit(server).hostname
    resource = await _well_known(session, server, "oauth-protected-resource")
    name = server
    if resource is not None:
        said: Resource = _converted(resource, Resource, server)
        if origin(said.resource) != server or len(said.authorization_servers) != 1:  # RFC 9728 §3.3; atproto.com/specs/oauth
            raise Malformed(f"{host} describes the sign-in of another server, or of several.", provider_code="resource")
        name = said.authorization_servers[0]
    if atproto.server_address(name) != name:
        raise Malformed(f"{host} names an address for signing in that is none.", provider_code="issuer")
    described = await oauth.metadata(session, name)
    if described is None:
        raise Refused(f"{host} has no page for signing in. Link with an app password.", provider_code="no-authorize")
    issuer: Issuer = _converted(described, Issuer, name)
    if (
        issuer.issuer != name
        or dpop.ALGORITHM not in issuer.dpop_signing_alg_values_supported
        or not issuer.authorization_response_iss_parameter_supported
    ):
        raise Refused(
            f"{host} signs in by a page that Kith does not know. Link with an app password.", provider_code="no-authorize"
        )
    return issuer


async def _well_known(session: Session, server: str, name: str) -> Any:
    try:
        answer = await session.request(
            "GET", f"{server}/.well-known/{name}", auth=False, follow=False, max_bytes=atproto.SMALL_BYTES
        )
    except Refused as error:
        if error.provider_code != "not-found":
            raise
        return None
    return answer.json()


def _converted(value: Any, kind: type[Any], server: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        host = urlsplit(server).hostname
        raise Refused(
            f"{host} signs in by a page that Kith does not know. Link with an app password.", provider_code="no-authorize"
        ) from None


def _loopback(redirect_uri: str) -> str:
    """The client that needs no document, for an installation that its own machine opens (atproto.com/specs/oauth#localhost-client-development)."""
    if urlsplit(redirect_uri).hostname not in LOOPBACK:
        raise Refused(
            "Signing in by Bluesky's page needs an installation that is reachable by https (KITH_PUBLIC_URL), or is opened as "
            "http://127.0.0.1. Link with an app password.",
            provider_code="no-client",
        )
    return "http://localhost?" + urlencode({"redirect_uri": redirect_uri, "scope": " ".join(SCOPES)})
