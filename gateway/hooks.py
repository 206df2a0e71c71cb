"""`/hooks/{provider}/{random}` and `/hooks/{provider}`: where networks call to say that something happened.

The random part finds the account, the provider judges the raw body, a hint queues a sync, and the answer is given before anything is
done. What is forged, too long, or for nobody is answered alike for everybody and leaves no trace. At an address for all accounts the
network proves itself first, then names whom it means; that nobody is called so is no news to it. Nothing of a call is logged, and
nothing is stored but what a network tells by calling alone (`Provider.keeps`): that is kept before it is acknowledged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Route as Address

from gateway import pushing
from gateway.accounts import AccountMemory, Grant, Held
from gateway.inbox import opened
from providers.base import Provider
from providers.errors import Malformed, ProviderError
from providers.http import Session
from providers.push import Call, Challenged, Forged, Heard, Switchboard, Unasked
from providers.session import Account, Secret
from store import accounts, push_routes, viewers
from store.push_routes import Route

if TYPE_CHECKING:
    from gateway.installation import Installation

log = structlog.get_logger("kith.hooks")
MAX_BODY: Final = 64 * 1024  # bytes, at an address that is nobody's
SECONDS: Final = 10.0  # for a body to arrive
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
}


class Hooks:
    """The calls of one installation."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._switchboards: dict[str, Switchboard] = {}
        for key, line in installation.accounts.lines.items():
            make = installation.providers[key].switchboard
            if make is not None:
                self._switchboards[key] = make(line)

    def routes(self) -> list[BaseRoute]:
        return [
            Address("/hooks/{provider}", self.announce, methods=["POST"]),
            Address("/hooks/{provider}", self.prove, methods=["GET"]),
            # by GET some networks ask whether the address is ours
            Address("/hooks/{provider}/{token}", self.call, methods=["GET", "POST"]),
        ]

    async def call(self, request: Request) -> Response:
        """One call."""
        there = self._installation
        provider = there.providers.get(request.path_params["provider"])
        body = await _body(request, provider)
        if body is None:
            return Response(status_code=413, headers=HEADERS)
        route = await there.database.system_read(push_routes.find, request.path_params["token"][:200])
        if route is None and provider is not None and provider.unheard is not None:
            said = provider.unheard(_call(request, body))
            return PlainTextResponse(said, headers=HEADERS) if said is not None else Response(status_code=410, headers=HEADERS)
        if route is None or provider is None or provider.hear is None or route.provider != provider.key:
            return Response(status_code=404, headers=HEADERS)
        whose = await there.database.system_read(viewers.get, route.viewer_id)
        blob = await there.database.read(route.viewer_id, push_routes.sealed, route.account_id)
        account = await there.database.read(route.viewer_id, accounts.get, route.account_id)
        held = None if blob is None else opened(there.vault, route.viewer_id, route.account_id, blob)
        if whose is None or whose.disabled_at is not None or account is None or held is None:
            return Response(status_code=404, headers=HEADERS)
        asked = Account(provider=provider.key, base_url=account.base_url, user_id=account.user_id, settings=account.settings)
        grant = Grant(there.accounts, route.viewer_id, route.account_id, account.base_url, provider)
        memory = AccountMemory(there.database, route.viewer_id, route.account_id)
        session = there.accounts.session(asked, grant, provider, memory=memory)
        try:
            heard = await provider.hear(session, _call(request, body), held.secret)
        except Forged:
            log.warning("a call was forged", provider=provider.key)
            return Response(status_code=403, headers=HEADERS)
        except Unasked:
            return Response(status_code=404, headers=HEADERS)
        except ProviderError:
            return Response(status_code=400, headers=HEADERS)
        if heard.hint or heard.renew or heard.until is not None:
            keep = (body if heard.keep is None else heard.keep) if provider.keeps and heard.hint else None
            if not await self._heard(route, heard, keep):
                return Response(status_code=503, headers=HEADERS)
        if heard.echo is not None:
            return PlainTextResponse(heard.echo, headers=HEADERS)
        return Response(status_code=202, headers=HEADERS)

    async def announce(self, request: Request) -> Response:
        """One call at an address for all accounts. It is acknowledged whoever it means: networks repeat what is not."""
        there = self._installation
        provider = there.providers.get(request.path_params["provider"])
        switchboard = None if provider is None else self._switchboards.get(provider.key)
        body = await _body(request, provider)
        if body is None:
            return Response(status_code=413, headers=HEADERS)
        if provider is None or switchboard is None:
            return Response(status_code=404, headers=HEADERS)
        base_url = there.settings.application(provider.key).url or provider.default_url or ""
        try:
            names = await switchboard.answer(self._session(provider, base_url), _call(request, body))
        except Forged:
            log.warning("a call was forged", provider=provider.key)
            return Response(status_code=403, headers=HEADERS)
        except Malformed:
            return Response(status_code=400, headers=HEADERS)
        except ProviderError as error:
            log.warning("a call could not be judged", provider=provider.key, reason=error.message)
            return Response(status_code=503, headers=HEADERS)
        if isinstance(names, str):
            return PlainTextResponse(names, headers=HEADERS)
        kept = True
        for route in await pushing.meant(there.accounts, there.database, provider.key, names):
            kept &= await self._heard(route, Heard(hint=True), body if provider.keeps else None)
        return Response(status_code=204 if kept else 503, headers=HEADERS)

    async def _heard(self, route: Route, heard: Heard, keep: bytes | None) -> bool:
        """Queue what a call asks for, and keep it where nobody tells it again; False where that cannot be."""
        there = self._installation
        return await there.database.write(route.viewer_id, pushing.heard, route.account_id, there.clock.now(), heard, keep)

    async def prove(self, request: Request) -> Response:
        """A network asks whether the address is ours. One that does not ask so is told that there is nothing to be got."""
        switchboard = self._switchboards.get(request.path_params["provider"])
        if not isinstance(switchboard, Challenged):
            return Response(status_code=405, headers={**HEADERS, "allow": "POST"})
        try:
            return PlainTextResponse(switchboard.challenge(_call(request, b"")), headers=HEADERS)
        except Forged:
            log.warning("a challenge was forged", provider=request.path_params["provider"])
            return Response(status_code=403, headers=HEADERS)
        except Malformed:
            return Response(status_code=400, headers=HEADERS)

    def _session(self, provider: Provider, base_url: str) -> Session:
        """Nobody's way to the network."""
        return self._installation.accounts.session(Account(provider=provider.key, base_url=base_url), Held(Secret()), provider)


def _call(request: Request, body: bytes) -> Call:
    return Call(query=dict(request.query_params), headers=dict(request.headers), body=body)


async def _body(request: Request, provider: Provider | None) -> bytes | None:
    """The raw body; None when it is longer than any notification of its network, or does not arrive."""
    most = MAX_BODY if provider is None else provider.call_bytes
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return bytes(body)
