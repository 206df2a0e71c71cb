"""Linking in a browser: the page with each network's forms, the way to a network and back, and the question who is meant.

Forms are made from `Provider.link_forms`. The cookie `kith-link` binds an OAuth sign-in to the browser that began it. When that
browser is not signed in as the viewer who gets the account, a page names them and waits for a yes.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.html import Markup, page, render
from gateway.linking.service import LIFETIME, LinkService
from gateway.pages import read_form, signed_in_as, visitor, wrong
from gateway.signin import browser
from gateway.signin.principal import Forbidden
from providers.base import FormField, LinkForm, LinkMethod, Provider
from resolvers.linking import DeviceCode, LinkRefused, LinkSession, OAuthRedirect
from store import viewers
from store.links import Link

if TYPE_CHECKING:
    from gateway.installation import Installation

TITLE: Final = "Link an account"
INPUTS: Final[Mapping[str, str]] = {"EMAIL": "email", "PASSWORD": "password", "URL": "url", "NUMBER": "number"}
NO_STORE: Final = {"cache-control": "no-store"}
#: So many settings that may stay empty are shown with the others; more are folded away.
FEW: Final = 2


class LinkPages:
    """One per process."""

    def __init__(self, installation: Installation, service: LinkService) -> None:
        self._installation = installation
        self._service = service
        self._cookie = "__Host-kith-link" if installation.settings.secure else "kith-link"

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/link", self.link, methods=["GET", "POST"]),
            Route("/link/start/{ticket}", self.start),
            Route("/link/callback", self.callback),
            Route("/link/confirm", self.confirm, methods=["POST"]),
        ]

    async def link(self, request: Request) -> Response:
        """All networks; a posted form is tried at once."""
        signed_in = await visitor(request, self._installation)
        if signed_in is None:
            return wrong(TITLE, "Sign in first: open a sign-in link (`kith login` prints one)", 401)
        principal, cookie = signed_in
        note = Markup("")
        if request.method == "POST":
            try:
                browser.check_origin(request, self._installation.settings)
                form = await read_form(request)
                browser.check_form(cookie, form.pop("form", ""))
            except Forbidden as error:
                return wrong(TITLE, str(error), 403)
            outcome = await self._try(principal.viewer, form, browser.form_token(cookie))
            if isinstance(outcome, Response):
                return outcome
            note = outcome
        sections = [
            _section(provider, browser.form_token(cookie))
            for provider in self._installation.providers.values()
            if provider.open is not None and provider.link_forms and self._installation.services.configured(provider.key)
        ]
        sections += [
            _steps(provider, self._installation.redirect_uri())
            for provider in self._installation.providers.values()
            if provider.link_forms and not self._installation.services.configured(provider.key)
        ]
        body = render("<h1>{title}</h1>{note}{sections}", title=TITLE, note=note, sections=sections)
        return page(TITLE, body, aside=signed_in_as(principal, cookie))

    async def start(self, request: Request) -> Response:
        """Use the ticket up, bind this browser, and go to the network."""
        try:
            found = await self._service.start(str(request.path_params["ticket"]))
        except LinkRefused as error:
            return wrong(TITLE, error.mistake.message, 502)
        if found is None:
            return wrong(TITLE, "This address was used already or is too old: begin to link again", 410)
        target, cookie = found
        response = RedirectResponse(target, 303, NO_STORE)
        response.set_cookie(
            self._cookie, cookie, max_age=int(LIFETIME.total_seconds()), path="/", secure=self._installation.settings.secure,
            httponly=True, samesite="lax",
        )  # fmt: skip
        return response

    async def callback(self, request: Request) -> Response:
        """The browser comes back from the network (RFC 6749 §4.1.2)."""
        try:
            link = await self._service.returned(dict(request.query_params), request.cookies.get(self._cookie))
            if link.state == "FAILED":
                return self._done(link, await self._service.get(link.viewer_id, link.id))
            signed_in = await visitor(request, self._installation)
            if signed_in is not None and signed_in[0].viewer == link.viewer_id:
                return self._done(link, await self._service.finish(link))
        except LinkRefused as error:
            return wrong(TITLE, error.mistake.message, 400)
        return await self._ask(link, request)

    async def confirm(self, request: Request) -> Response:
        """Somebody has seen whom the account will belong to, and said yes."""
        cookie = request.cookies.get(self._cookie)
        try:
            browser.check_origin(request, self._installation.settings)
            form = await read_form(request)
            state = form.get("state", "")
            if cookie is None or not hmac.compare_digest(form.get("form", "").encode(), browser.form_token(cookie).encode()):
                raise Forbidden("this page belongs to another browser: begin to link again")
            link = await self._service.pending(state, cookie)
            return self._done(link, await self._service.finish(link))
        except Forbidden as error:
            return wrong(TITLE, str(error), 403)
        except LinkRefused as error:
            return wrong(TITLE, error.mistake.message, 400)

    async def _try(self, viewer: str, form: dict[str, str], token: str) -> Response | Markup:
        key, method, link_id = form.pop("provider", ""), form.pop("method", ""), form.pop("link", "")
        try:
            if link_id:  # somebody says that they have typed the code in
                session = await self._service.complete(viewer, link_id)
            else:
                server = form.get("server") if method == "DEVICE_CODE" else None
                chosen = cast(LinkMethod, method)  # a form may say anything: the service refuses what the provider does not offer
                session = await self._service.begin(viewer, provider=key, method=chosen, address=server or None)
            if not link_id and not isinstance(session.step, OAuthRedirect | DeviceCode):
                session = await self._service.complete(viewer, session.id, form=form)
        except LinkRefused as error:
            return render('<p class="note wrong">{message}</p>', message=error.mistake.message)
        if isinstance(session.step, OAuthRedirect):
            # a link and no redirect: form-action 'self' holds for where a posted form is redirected to as well (CSP3 §6.4.1)
            body = render(
                '<h1>{title}</h1>{known}<p>Sign in at {name} and allow Kith to read. You come back here.</p><p><a class="button" href="{url}">'
                "Go on to {name}</a></p>",
                title=TITLE,
                known=[render("<p>{message}</p>", message=one.message) for one in session.attempts],
                name=self._installation.providers[key].name,
                url=session.step.authorization_url,
            )
            return page(TITLE, body)
        if isinstance(session.step, DeviceCode):
            return _code_page(self._installation.providers[session.provider or key], session, session.step, token)
        if session.state == "LINKED":
            return RedirectResponse("/", 303, NO_STORE)
        tries = [
            render("<li>{method}: {target}: {message}</li>", method=one.method, target=one.target, message=one.message)
            for one in session.attempts
        ]
        return render(
            '<p class="note wrong">{message}</p>{tries}',
            message=session.error_message or "Linking failed: try again.",
            tries=render("<p>What was tried:</p><ul>{items}</ul>", items=tries) if tries else "",
        )

    def _done(self, link: Link, session: LinkSession | None) -> Response:
        if session is None or session.state != "LINKED":
            message = (session.error_message if session else None) or link.error_message or "Linking failed: begin again."
            response = wrong(TITLE, message, 502)
        elif link.return_url:
            joint = "&" if "?" in link.return_url else "?"
            target = f"{link.return_url}{joint}{urlencode({'linkId': link.id})}"
            body = render('<h1>Linked</h1><p><a class="button" href="{url}">Go back to where you came from</a></p>', url=target)
            response = page("Linked", body)
        else:
            response = page(
                "Linked", Markup("<h1>Linked</h1><p>The account is being synchronised already. You may close this page.</p>")
            )
        response.delete_cookie(self._cookie, path="/", secure=self._installation.settings.secure, httponly=True, samesite="lax")
        return response

    async def _ask(self, link: Link, request: Request) -> Response:
        whose = await self._installation.database.system_read(viewers.get, link.viewer_id)
        provider = self._installation.providers[link.provider or ""]
        body = render(
            "<h1>Whose account is this?</h1><p class=note>Your {provider} account will be linked to <strong>{name}</strong> at "
            "{url}, who will be able to read its contacts and conversations.</p><p>Go on only if that is you.</p>"
            '<form method="post" action="/link/confirm"><input type="hidden" name="state" value="{state}">'
            '<input type="hidden" name="form" value="{token}"><button>Link it to {name}</button></form>',
            provider=provider.name,
            name=whose.name if whose else "nobody",
            url=self._installation.settings.url,
            state=request.query_params.get("state", ""),
            token=browser.form_token(request.cookies.get(self._cookie, "")),
        )
        return page("Whose account is this?", body)


def _code_page(provider: Provider, session: LinkSession, step: DeviceCode, token: str) -> Response:
    """The code to type in at the network, and the way on once that is done."""
    body = render(
        '<h1>Link an account</h1><p>Open <a href="{url}" target="_blank" rel="noreferrer">{url}</a>, type in the code '
        "<strong>{code}</strong> and allow Kith to read. It is good until {until} UTC.</p>"
        '<form method="post" action="/link"><input type="hidden" name="form" value="{token}">'
        '<input type="hidden" name="link" value="{link}"><button>I have typed it in at {name}</button></form>',
        url=step.verification_url,
        code=step.user_code,
        until=f"{step.expires_at:%H:%M}",
        token=token,
        link=session.id,
        name=provider.name,
    )
    return page("Link an account", body)


def _section(provider: Provider, token: str) -> Markup:
    return render(
        "<section><h2>{name}</h2>{forms}</section>",
        name=provider.name,
        forms=[_form(provider, form, token) for form in provider.link_forms],
    )


def _steps(provider: Provider, redirect_uri: str) -> Markup:
    """What the operator does once, so that a network that wants to know its programs can be linked."""
    name = f"KITH_{provider.key.upper()}"
    where = provider.link_forms[0].help_url
    return render(
        "<section><h2>{name}</h2><p>{name} wants to know this installation first. {help}</p><ol><li>Make a client id{where}."
        "</li><li>As its redirect address give exactly <code>{uri}</code></li><li>Set <code>{id}</code> and <code>{secret}</code>, "
        "and start Kith again.</li></ol><p>Until then, any mailbox can be linked with an app password, and an address book by CardDAV.</p>"
        "</section>",
        name=provider.name,
        help=provider.link_forms[0].help or "",
        where=render(' at <a href="{url}">{url}</a>', url=where) if where else "",
        uri=redirect_uri,
        id=f"{name}_CLIENT_ID",
        secret=f"{name}_CLIENT_SECRET",
    )


def _form(provider: Provider, form: LinkForm, token: str) -> Markup:
    spare = [field for field in form.fields if not field.required and not field.secret]
    if len(spare) <= FEW:
        spare = []
    return render(
        '<form class="stacked" method="post" action="/link">{help}<input type="hidden" name="form" value="{token}">'
        '<input type="hidden" name="provider" value="{key}"><input type="hidden" name="method" value="{method}">{fields}{more}'
        "<button>{label}</button></form>",
        help=render("<p>{text}</p>", text=form.help) if form.help else "",
        token=token,
        key=provider.key,
        method=form.method,
        fields=[_field(field) for field in form.fields if field not in spare],
        more=render("<details><summary>More settings</summary>{fields}</details>", fields=[_field(field) for field in spare])
        if spare
        else "",
        label=form.label if form.method in ("OAUTH_REDIRECT", "DEVICE_CODE") else f"Link by {form.label.lower()}",
    )


def _field(field: FormField) -> Markup:
    return render(
        '<label>{label}<input name="{name}" type="{kind}" value="{value}" placeholder="{placeholder}"{required} '
        'autocomplete="{auto}">{help}</label>',
        label=field.label,
        name=field.name,
        kind="password" if field.secret else INPUTS.get(field.kind, "text"),
        value=field.default or "",
        placeholder=field.placeholder or "",
        required=Markup(" required") if field.required else "",
        auto="off" if field.secret else "on",
        help=render("<small>{text}</small>", text=field.help) if field.help else "",
    )
