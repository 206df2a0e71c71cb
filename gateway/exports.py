"""Contacts as files over HTTP: `/export/contacts.vcf` and `/export/contacts.json` (all of them), `/export/contacts/{id}.vcf` and `.json` (one).

Sent as they are read: a client that falls behind makes the reading wait, and an answer that breaks off has no end (RFC 9112 §7.1), so that nobody
takes a part for the whole. A key is needed as Bearer: the scope `admin` for all, `read` for one. Cookies open nothing here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from gateway.execution.rate import Rate
from gateway.signin import browser
from gateway.signin.principal import NotSignedIn, Principal
from resolvers import exporting
from resolvers.exporting import MEDIA_TYPES, SUFFIXES, Form
from resolvers.operation import Operation

if TYPE_CHECKING:
    from gateway.installation import Installation

HEADERS: Final = {"cache-control": "no-store"}
CHALLENGE: Final = {**HEADERS, "www-authenticate": 'Bearer realm="kith"'}
WHOLE_COST: Final = 10_000  # as many contacts as a page of GraphQL would cost
ONE_COST: Final = 10


class Exports:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._rate = Rate(installation.cache, installation.settings.rate_cost, installation.clock)

    def routes(self) -> list[BaseRoute]:
        forms: tuple[Form, ...] = ("vcard", "jscontact")
        return [
            route
            for form in forms
            for route in (
                Route(f"/export/contacts.{SUFFIXES[form]}", _of(self._all, form), methods=["GET"]),
                Route(f"/export/contacts/{{id}}.{SUFFIXES[form]}", _of(self._one, form), methods=["GET"]),
            )
        ]

    async def _all(self, request: Request, form: Form) -> Response:
        operation = await self._asked(request, "ADMIN", WHOLE_COST)
        if isinstance(operation, Response):
            return operation
        pieces: AsyncIterator[bytes] = exporting.contacts(operation, form)
        return StreamingResponse(pieces, 200, _named(form, f"contacts-{_today(self._installation)}"), MEDIA_TYPES[form])

    async def _one(self, request: Request, form: Form) -> Response:
        operation = await self._asked(request, "READ", ONE_COST)
        if isinstance(operation, Response):
            return operation
        found = await exporting.contact_of(operation, str(request.path_params["id"])[:200], form)
        if found is None:
            return JSONResponse({"error": "there is no contact of this id"}, 404, HEADERS)
        return Response(found, 200, _named(form, "contact"), MEDIA_TYPES[form])

    async def _asked(self, request: Request, scope: str, cost: int) -> Operation | Response:
        try:
            principal: Principal = await self._installation.door.bearer(
                browser.bearer_token(request.headers.get("authorization", ""))
            )
        except NotSignedIn as error:
            return JSONResponse({"error": str(error)}, 401, CHALLENGE)
        if scope not in principal.scopes:
            return JSONResponse({"error": f"this key lacks the scope {scope.lower()}"}, 403, HEADERS)
        if wait := await self._rate.take(principal.viewer, principal.credential, cost):
            answer = {"error": "this key has spent its allowance for this minute"}
            return JSONResponse(answer, 429, {**HEADERS, "retry-after": str(wait)})
        scopes = frozenset(one.lower() for one in principal.scopes)
        return Operation(self._installation.services, principal.viewer, scopes, credential=principal.credential)


def _of(serve: Callable[[Request, Form], Awaitable[Response]], form: Form) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await serve(request, form)

    return answer


def _today(installation: Installation) -> date:
    return installation.clock.now().date()


def _named(form: Form, name: str) -> dict[str, str]:
    return {**HEADERS, "content-disposition": f'attachment; filename="{name}.{SUFFIXES[form]}"'}
