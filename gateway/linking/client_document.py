"""Who this installation is to networks that keep no list of programs: a document at the very address that is its client id.

OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document) with the members of RFC 7591 §2. Beside it goes the key with
which the installation signs for itself (RFC 7523): made at the first use, sealed like every secret, and kept, because a network ends the
grants of a client whose key has changed. An installation that only its own machine reaches has no such document.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.settings import Application
from providers import client_assertion, dpop
from providers.base import Provider
from store import links
from store.vault import SealBroken

if TYPE_CHECKING:
    from gateway.installation import Installation

#: How long a network may believe what it read.
CACHE_SECONDS: Final = 300
#: Top-level domains under which nobody outside finds an installation (RFC 6761, RFC 6762, RFC 8375).
NOWHERE: Final = frozenset({"localhost", "local", "internal", "home", "lan", "test", "invalid", "example", "arpa"})
log = structlog.get_logger("kith.linking")


class ClientDocuments:
    """The documents of an installation, one for each network that reads one."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def routes(self) -> list[BaseRoute]:
        return [Route("/oauth/{provider}/client-metadata.json", self.document)]

    async def document(self, request: Request) -> Response:
        """What a network reads."""
        provider = self._installation.providers.get(str(request.path_params["provider"]))
        if provider is None or not provider.client_metadata or not self._public():
            return JSONResponse({"error": "there is no such client"}, 404)
        url = self._installation.settings.url
        said = {
            "client_id": self._address(provider),
            "client_name": f"Kith at {urlsplit(url).hostname}",
            "client_uri": url,
            "application_type": "web",
            "redirect_uris": [self._installation.redirect_uri()],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "dpop_bound_access_tokens": True,
            "token_endpoint_auth_method": client_assertion.METHOD,
            "token_endpoint_auth_signing_alg": dpop.ALGORITHM,
            "jwks": {"keys": [client_assertion.public(await self._key(provider))]},
            **provider.client_metadata,
        }
        return JSONResponse(said, headers={"cache-control": f"max-age={CACHE_SECONDS}", "access-control-allow-origin": "*"})

    async def application(self, provider: Provider) -> Application:
        """Who we are at a network: what the operator says, else the document's client with its key, else nobody in particular."""
        own = self._installation.settings.application(provider.key)
        if own.client_id or not provider.client_metadata or not self._public():
            return own
        return Application(url=own.url, client_id=self._address(provider), client_secret=await self._key(provider))

    def _address(self, provider: Provider) -> str:
        return f"{self._installation.settings.url}/oauth/{provider.key}/client-metadata.json"

    def _public(self) -> bool:
        """Whether networks can read a document here: https, at a name."""
        host = urlsplit(self._installation.settings.url).hostname or ""
        if not self._installation.settings.secure or "." not in host or host.rpartition(".")[2] in NOWHERE:
            return False
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return True
        return False

    async def _key(self, provider: Provider) -> str:
        """The client's private JWK; whoever comes first makes it."""
        database, vault = self._installation.database, self._installation.vault
        place = (provider.key, self._address(provider), "")
        row = "|".join(place)
        blob = await database.system_read(links.client, *place)
        if blob is None:
            made = vault.seal(client_assertion.new_key().encode(), "", links.CLIENT_PLACE[0], row, links.CLIENT_PLACE[1])
            blob = await database.system(
                links.first_client, *place, self._address(provider), made, self._installation.clock.now()
            )
        try:
            return vault.open(blob, "", links.CLIENT_PLACE[0], row, links.CLIENT_PLACE[1]).decode()
        except SealBroken:
            # its grants are lost with it either way: they are sealed under the same key
            log.warning("the key of our client cannot be read and is made again", provider=provider.key)
            fresh = client_assertion.new_key()
            sealed = vault.seal(fresh.encode(), "", links.CLIENT_PLACE[0], row, links.CLIENT_PLACE[1])
            await database.system(links.put_client, *place, self._address(provider), sealed, self._installation.clock.now())
            return fresh
