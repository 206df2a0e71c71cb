"""GraphiQL at /graphiql and the assets it is built from at /static: files of this package, named by their hashes.

Built once, into `gateway/static` (web/): nothing is loaded from another host, and the page runs under `script-src 'self'`. Where
the assets were not built the page says so; the API does not need them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gateway.html import Markup, page

STATIC: Final = Path(__file__).with_name("static")
PAGE: Final = STATIC / "graphiql.html"
#: Monaco makes its editor's styles and its worker's blob by itself; scripts stay our own files.
CSP: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
IMMUTABLE: Final = "public, max-age=31536000, immutable"


def routes() -> list[BaseRoute]:
    """The page and its assets; without assets, a page that says how to get them."""
    if not PAGE.exists():
        return [Route("/graphiql", _missing)]
    return [Route("/graphiql", _explorer), Mount("/static", GZipMiddleware(_Assets(directory=STATIC), minimum_size=1_000))]


async def _explorer(request: Request) -> Response:
    headers = {"content-security-policy": CSP, "cache-control": "no-cache"}
    return HTMLResponse(PAGE.read_bytes(), headers=headers)


async def _missing(request: Request) -> Response:
    text = "<h1>GraphiQL</h1><p class=note>It was not built into this installation: run <code>make web</code>.</p>"
    return page("GraphiQL", Markup(text), status=503)


class _Assets(StaticFiles):
    """Files whose names change with their content may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200 and path.startswith("assets/"):
            response.headers["cache-control"] = IMMUTABLE
        return response
