"""The web application: which address is served by what, and what every answer carries (security headers, CORS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import explorer
from gateway.endpoint import Endpoint
from gateway.exports import Exports
from gateway.figures import Figures
from gateway.files import Files
from gateway.front import Front
from gateway.health import Health
from gateway.hooks import Hooks
from gateway.host_meta import HostMeta
from gateway.linking.client_document import ClientDocuments
from gateway.linking.pages import LinkPages
from gateway.linking.service import LinkService
from gateway.pages import Pages
from gateway.photos import Photos
from gateway.portable_contacts import PortableContacts
from gateway.public_pages import PublicPages
from gateway.subscriptions import Subscriptions
from gateway.uploads import Uploads
from gateway.webfinger import WebFinger

if TYPE_CHECKING:
    from gateway.installation import Installation

#: What our pages may do: nothing but our own files, no frames, no forms to elsewhere. `data:` is for GraphiQL's icons.
CSP: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final[dict[str, str]] = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer browsers would send `Origin: null` with our own forms (Fetch §3.2)
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


PATH: Final = "/graphql"


def application(installation: Installation) -> ASGIApp:
    """The ASGI application of an opened installation."""
    endpoint = Endpoint(installation)
    health = Health(installation)
    photos = Photos(installation)
    routes: list[BaseRoute] = [
        Route(PATH, endpoint),
        WebSocketRoute(PATH, Subscriptions(installation)),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", Figures(installation).metrics),
        *Pages(installation).routes(),
        *LinkPages(installation, LinkService(installation)).routes(),
        *ClientDocuments(installation).routes(),
        *Files(installation).routes(),
        *photos.routes(),
        *Uploads(installation).routes(),
        *PortableContacts(installation).routes(),
        *HostMeta(installation).routes(),
        *WebFinger(installation).routes(),
        *PublicPages(installation, photos).routes(),
        *Exports(installation).routes(),
        *Hooks(installation).routes(),
        *explorer.routes(),
    ]
    middleware = [Middleware(Guarded, installation=installation)]
    if installation.settings.cors_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(installation.settings.cors_origins),
                allow_methods=["GET", "POST", "PUT"],
                allow_headers=["authorization", "content-range", "content-type", "if-none-match", "x-kith-csrf", "last-event-id"],
                expose_headers=["etag", "range", "retry-after"],  # which answer it is; where an upload stands
                allow_credentials=True,
                max_age=600,
            )
        )
    everything = Starlette(routes=routes, middleware=middleware)
    if installation.settings.cors_origins:
        return everything
    return Straight(PATH, Guarded(endpoint, installation), everything)


def front(installation: Installation) -> Front | None:
    """The way of whole GraphQL requests; None where pages of other origins need their answers' headers."""
    if installation.settings.cors_origins:
        return None
    return Front(PATH, Endpoint(installation), _carried(installation), installation.draining)


def _carried(installation: Installation) -> list[tuple[bytes, bytes]]:
    """What every answer carries."""
    fixed = dict(HEADERS)
    if installation.settings.secure:
        fixed["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in fixed.items()]


class Straight:
    """Takes requests for one path to where they go, past the list of all routes, which costs more than a short operation."""

    def __init__(self, path: str, app: ASGIApp, otherwise: ASGIApp) -> None:
        self._path = path
        self._app = app
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if scope["type"] == "http" and scope["path"] == self._path else self._otherwise
        await app(scope, receive, send)


class Guarded:
    """Adds the security headers; while the process drains, asks clients to connect anew, elsewhere."""

    def __init__(self, app: ASGIApp, installation: Installation) -> None:
        self._app = app
        self._draining = installation.draining
        self._headers = _carried(installation)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                added: list[Any] = [header for header in self._headers if header[0] not in present]
                if self._draining.is_set():
                    added.append((b"connection", b"close"))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_headers)
