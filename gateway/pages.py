"""The pages of a browser: the start page, which says what to do next, signing in and out.

Rendered here, styled by one file of our own, without a script. A sign-in link shows whom it signs in and waits for a click: mail
scanners and previews open links too, and nobody should be signed in as somebody else without seeing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.html import Markup, page, render, style, style_address
from gateway.portable_contacts import DESCRIPTION
from gateway.signin import browser
from gateway.signin.principal import Forbidden, NotSignedIn, Principal
from store import accounts

if TYPE_CHECKING:
    from gateway.installation import Installation

MAX_FORM: Final = 65_536
FIRST_QUERY: Final = (
    "{ viewer { people(first: 10) { edges { node { name conversations(first: 3) { edges { node { subject } } } } } } } }"
)


class Pages:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._settings = installation.settings

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.start),
            Route("/login/{secret}", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route(style_address(), style),
        ]

    async def start(self, request: Request) -> Response:
        """What there is to do, and the accounts once somebody is signed in. Its header leads address books to the contacts (XRDS-Simple)."""
        answer = await self._started(request)
        answer.headers["x-xrds-location"] = f"{self._settings.url}{DESCRIPTION}"
        return answer

    async def _started(self, request: Request) -> Response:
        signed_in = await visitor(request, self._installation)
        if signed_in is None:
            return page("Welcome", _WELCOME)
        principal, cookie = signed_in
        found = await self._installation.database.read(principal.viewer, accounts.listed)
        rows = [
            render(
                "<tr><td>{label}</td><td>{provider}</td><td>{status}</td><td>{when}</td></tr>",
                label=account.label,
                provider=account.provider,
                status=account.status.replace("_", " ").lower() + (f": {account.status_reason}" if account.status_reason else ""),
                when="" if account.last_synced_at is None else f"{account.last_synced_at:%Y-%m-%d %H:%M} UTC",
            )
            for account in found
        ]
        table = render(
            "<table><tr><th>Account</th><th>Network</th><th>State</th><th>Up to date as of</th></tr>{rows}</table>", rows=rows
        )
        body = render(
            "<h1>Hello, {name}</h1>{accounts}<p><a class=button href=/link>Link an account</a></p>{next}",
            name=principal.name,
            accounts=table if rows else Markup("<p class=note>Nothing is linked yet.</p>"),
            next=_NEXT,
        )
        return page("Start", body, aside=signed_in_as(principal, cookie))

    async def login(self, request: Request) -> Response:
        """Sign in by a link that somebody opened; one that another site leads to says first whom it signs in."""
        secret = str(request.path_params["secret"])
        door = self._installation.door
        try:
            if request.method == "POST":
                browser.check_origin(request, self._settings)
            if request.method == "POST" or _opened_by_hand(request):
                cookie = await door.sign_in(secret)
                response = RedirectResponse("/", 303)
                browser.set_session(response, self._settings, cookie)
                return response
            whose = await door.whose_link(secret)
        except NotSignedIn as error:
            return wrong("Sign in", str(error), 410)
        except Forbidden as error:
            return wrong("Sign in", str(error), 403)
        return page(
            "Sign in",
            render(
                "<h1>Sign in</h1><p>This link signs this browser in as <strong>{name}</strong>.</p>"
                '<form method="post"><button autofocus>Sign in as {name}</button></form>',
                name=whose.name,
            ),
        )

    async def logout(self, request: Request) -> Response:
        signed_in = await visitor(request, self._installation)
        response = RedirectResponse("/", 303)
        if signed_in is not None:
            try:
                browser.check_origin(request, self._settings)
                browser.check_form(signed_in[1], (await read_form(request)).get("form", ""))
            except Forbidden as error:
                return wrong("Sign out", str(error), 403)
            await self._installation.door.sign_out(signed_in[1])
            browser.clear_session(response, self._settings)
            response.headers["clear-site-data"] = '"cache"'  # W3C Clear Site Data §3.1: answers that the browser kept go too
        return response


def _opened_by_hand(request: Request) -> bool:
    """Whether a link was typed, pasted or clicked outside the web: no other site can sign this browser in as somebody else.

    Fetch Metadata: `none` is a navigation that the user began. Programs send nothing, and nobody can lead them anywhere.
    """
    ahead = "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", ""))
    return request.method == "GET" and not ahead and request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


async def visitor(request: Request, installation: Installation) -> tuple[Principal, str] | None:
    """Whose browser this is, and its cookie; None when it is nobody's."""
    cookie = request.cookies.get(browser.cookie_name(installation.settings))
    if cookie is None:
        return None
    try:
        return await installation.door.browser(cookie), cookie
    except NotSignedIn:
        return None


async def read_form(request: Request) -> dict[str, str]:
    """An urlencoded form of ours: at most `MAX_FORM` bytes, no files. Raises Forbidden for anything longer."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM:
            raise Forbidden("this form is too long")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Forbidden("this form cannot be read") from None


def wrong(title: str, message: str, status: int) -> Response:
    """A page that says what went wrong and what to do."""
    sentence = f"{message[:1].upper()}{message[1:]}{'' if message.endswith(('.', '!', '?')) else '.'}"
    return page(
        title, render('<h1>{title}</h1><p class="note wrong">{message}</p>', title=title, message=sentence), status=status
    )


def signed_in_as(principal: Principal, cookie: str) -> Markup:
    """Who is signed in, and the way out."""
    return render(
        '{name} <form method="post" action="/logout"><input type="hidden" name="form" value="{token}">'
        '<button class="quiet">Sign out</button></form>',
        name=principal.name,
        token=browser.form_token(cookie),
    )


_WELCOME: Final = Markup(
    "<h1>Kith</h1><p>One GraphQL API for the people you know.</p>"
    "<h2>Sign in</h2><p>Open the sign-in link that <code>kith serve</code> printed when it started. It works once, for 15 "
    "minutes; <code>kith login</code> prints another.</p>"
    "<h2>For programs</h2><p><code>kith token create</code> prints a key; send it as <code>Authorization: Bearer …</code> to "
    "<code>/graphql</code>.</p>"
)
_NEXT: Final = render(
    "<section><h2>Ask</h2><p><a href=/graphiql>GraphiQL</a> explores the schema, with examples. The first query:</p>"
    "<pre>{query}</pre></section>"
    "<section><h2>Take in files</h2><p>vCards and mail archives, from the command line:</p>"
    "<pre>kith import ~/contacts.vcf ~/mail.mbox</pre></section>"
    "<section><h2>Look around</h2><p>Invented people with contacts, mail and a social network:</p><pre>kith demo</pre></section>"
    "<section><h2>Write a program</h2><p>A key for <code>/graphql</code>:</p><pre>kith token create</pre></section>",
    query=FIRST_QUERY,
)
