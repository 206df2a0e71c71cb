"""Linking an account, step by step: what `resolvers/linking.py` promises the API, for the browser pages and the command line too.

A form is tried by asking the network whose account it is, before anything is stored. OAuth goes through a browser: the API gives
out a one-time ticket (`/link/start/…`), which binds the session to the browser that opens it. The network's answer counts only
with that browser's cookie, our state, PKCE (RFC 7636) and the issuer (RFC 9207), and stores a token only for a viewer who is
signed in there or has confirmed a page that names them: else somebody could be led to link their account to a stranger. A
code that is typed in elsewhere (RFC 8628) needs no browser here: whoever asks how the session stands has the network asked, and no
more often than it said.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
import structlog

from gateway.accounts import Held
from gateway.linking.client_document import ClientDocuments
from providers import device, oauth
from providers.base import Authorization, FormField, Found, LinkForm, LinkMethod, Provider
from providers.device import Codes
from providers.errors import ForbiddenAddress, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.session import Account as SessionAccount
from providers.session import Secret
from resolvers.linking import CredentialForm, DeviceCode, DiscoveryAttempt, LinkRefused, LinkSession, LinkState, OAuthRedirect
from resolvers.mistakes import Mistake
from store import accounts, ids, links
from store.links import Link
from store.vault import SealBroken

if TYPE_CHECKING:
    from gateway.installation import Installation

LIFETIME: Final = timedelta(minutes=15)
DISCOVERY: Final = timedelta(seconds=12)  # that somebody waits for settings to be found
OPEN_SESSIONS: Final = 20  # a viewer may have under way at once
MAX_VALUE: Final = 4_096  # characters of one form value
ATTEMPTS: Final = 50
OPEN: Final = ("AWAITING_REDIRECT", "AWAITING_DEVICE", "AWAITING_CREDENTIALS")
CODES: Final[tuple[tuple[type[ProviderError], str], ...]] = (
    (ReauthRequired, "REAUTH_REQUIRED"),
    (ForbiddenAddress, "FORBIDDEN_ADDRESS"),
    (Refused, "PROVIDER_REFUSED"),
    (RateLimited, "PROVIDER_UNAVAILABLE"),
    (Unavailable, "PROVIDER_UNAVAILABLE"),
)
log = structlog.get_logger("kith.linking")


class Draft(msgspec.Struct, kw_only=True):
    """What a session keeps sealed: enough to go on, nothing longer than it lasts."""

    method: LinkMethod
    values: dict[str, str] = {}
    base_url: str = ""
    ticket: str = ""
    verifier: str = ""
    authorization: Authorization | None = None
    code: str = ""
    codes: Codes | None = None
    ask_after: datetime | None = None  # when the network may be asked again whether the code was typed in
    attempts: list[DiscoveryAttempt] = []
    account_id: str | None = None  # the account that is authorised again
    live: bool = False  # the viewer wants it read live, not mirrored


class LinkService:
    """One per process. Implements `resolvers.linking.Linking`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._database = installation.database
        self._vault = installation.vault
        self._clock = installation.clock
        self._redirect_uri = installation.redirect_uri()
        self._clients = ClientDocuments(installation)

    # --- the API --------------------------------------------------------------------------------------------------------

    async def begin(
        self,
        viewer: str,
        *,
        provider: str | None = None,
        address: str | None = None,
        account_id: str | None = None,
        method: LinkMethod | None = None,
        scopes: tuple[str, ...] | None = None,
        return_url: str | None = None,
    ) -> LinkSession:
        """Begin to link, or to authorise `account_id` again. Raises LinkRefused."""
        known = None
        if account_id is not None:
            known = await self._database.read(viewer, accounts.get, account_id)
            if known is None:
                raise _refused("NOT_FOUND", "There is no such account; read the list again.", "accountId")
            provider = known.provider
        key = provider or self._network_of(address)
        if key is None:
            raise _refused("REQUIRED", "Name a provider, or give an e-mail address or handle.", "provider")
        found = self._installation.providers.get(key)
        if found is None or found.open is None or not found.link_forms:
            raise _refused("UNSUPPORTED", f"There is no network {key[:50]!r} that can be linked here.", "provider")
        form = _form(found, method)
        self._check_return(return_url)
        now = self._clock.now()
        if await self._database.system_read(links.count, viewer, now) >= OPEN_SESSIONS:
            raise _refused("LIMIT_REACHED", "Too many links are under way: finish or cancel one, or wait a quarter of an hour.")
        held = Draft(
            method=form.method,
            values=self._prefilled(found, form, address, None if known is None else known.base_url),
            account_id=account_id,
        )
        if form.method != "OAUTH_REDIRECT":
            await self._discover(found, held)
        link = Link(
            id=ids.mint("LINK"), viewer_id=viewer, provider=key, state="AWAITING_CREDENTIALS", state_hash=None, browser_hash=None,
            sealed=None, account_id=None, error_code=None, error_message=None, return_url=return_url, created_at=now,
            expires_at=now + LIFETIME,
        )  # fmt: skip
        ready = all(field.name in held.values for field in form.fields if field.required)
        ticket_hash = None
        if form.method == "OAUTH_REDIRECT" and ready:
            try:
                await self._prepare_oauth(found, held)
            except ProviderError as error:
                raise LinkRefused(Mistake(code=_code(error), message=error.message, field=("address",))) from None
            link = msgspec.structs.replace(link, state="AWAITING_REDIRECT")
            ticket_hash = _hash(held.ticket)
        if form.method == "DEVICE_CODE":
            try:
                await self._prepare_code(found, held)
            except ProviderError as error:
                raise LinkRefused(Mistake(code=_code(error), message=error.message, field=("provider",))) from None
            link = msgspec.structs.replace(link, state="AWAITING_DEVICE", expires_at=min(link.expires_at, _end(held, now)))
        link = msgspec.structs.replace(link, sealed=self._seal(link, held))
        await self._database.system(links.add, link, ticket_hash, now - timedelta(seconds=links.KEPT_SECONDS))
        return self._session(link, held)

    async def complete(
        self,
        viewer: str,
        link_id: str,
        *,
        callback_url: str | None = None,
        form: Mapping[str, str] | None = None,
        mode: Literal["MIRRORED", "LIVE"] = "MIRRORED",
    ) -> LinkSession:
        """Give what the session waits for; without credentials, poll. Raises LinkRefused."""
        link, held = await self._known(viewer, link_id)
        if callback_url is None and form is None:
            held.live = held.live or mode == "LIVE"
            return await self._poll(link, held) if link.state == "AWAITING_DEVICE" else self._session(link, held)
        if link.expires_at <= self._clock.now():
            raise _refused("EXPIRED", "This link took longer than a quarter of an hour: begin again.", "linkId")
        if link.state not in OPEN:
            raise _refused("ALREADY_DONE", f"This link has ended ({link.state.lower()}): begin again.", "linkId")
        provider = self._provider(link)
        if mode == "LIVE" and "LIVE" not in provider.capabilities:
            raise _refused("UNSUPPORTED", f"{provider.name} can only be mirrored.", "mode")
        held.live = mode == "LIVE"
        if callback_url is not None:
            return await self._returned_to_app(link, held, callback_url)
        if link.state != "AWAITING_CREDENTIALS":
            where = "a code to be typed in there" if link.state == "AWAITING_DEVICE" else "the browser to come back"
            raise _refused("WRONG_KIND", f"This link waits for {where}, not for a form.", "credentials")
        held.values = _checked(_form(provider, held.method).fields, {**held.values, **(form or {})})
        if held.method == "OAUTH_REDIRECT":
            return await self._go_to_network(link, held, provider)
        return await self._try_form(link, held, provider)

    async def cancel(self, viewer: str, link_id: str) -> LinkSession:
        """End the session. Raises LinkRefused (NOT_FOUND)."""
        link, _ = await self._known(viewer, link_id)
        if link.state in OPEN:
            await self._database.system(links.move, link.id, link.state, state="CANCELLED", sealed=None, state_hash=None)
        return await self.get(viewer, link_id) or self._session(link, None)

    async def get(self, viewer: str, link_id: str) -> LinkSession | None:
        """The session as it is now; None when there is none of this viewer."""
        link = await self._database.system_read(links.get, viewer, link_id)
        return None if link is None else self._session(link, self._unseal(link))

    # --- the browser ----------------------------------------------------------------------------------------------------

    async def start(self, ticket: str) -> tuple[str, str] | None:
        """Use a ticket up: (where to send the browser, the cookie that binds it); None when it is used or too old.

        Raises LinkRefused where the network wants to know first who comes, and does not let them in.
        """
        cookie, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        link = await self._database.system(links.use_ticket, _hash(ticket), _hash(state), _hash(cookie), self._clock.now())
        held = None if link is None else self._unseal(link)
        if link is None or held is None or held.authorization is None:
            return None
        base_url = held.authorization.base_url or held.base_url
        try:
            session = await self._open(self._provider(link), base_url, Secret(), held)
            return await oauth.destination(session, held.authorization, self._redirect_uri, state, held.verifier), cookie
        except ProviderError as error:
            await self._fail(link, held, error, base_url, expected="AWAITING_REDIRECT")
            raise LinkRefused(Mistake(code=_code(error), message=error.message)) from None

    async def returned(self, parameters: Mapping[str, str], cookie: str | None) -> Link:
        """What the network's answer belongs to, checked. The session keeps the code until `finish`. Raises LinkRefused."""
        link = await self._by_state(parameters.get("state", ""))
        if cookie is None or link.browser_hash is None or not secrets.compare_digest(_hash(cookie), link.browser_hash):
            raise _refused("WRONG_KIND", "This sign-in was begun in another browser: begin again in this one.")
        return await self._accept(link, parameters)

    async def finish(self, link: Link) -> LinkSession:
        """Exchange the code and store the account: the browser's owner is known to be the viewer, or has said so."""
        held = self._unseal(link)
        if held is None or held.authorization is None or not held.code:
            raise _refused("EXPIRED", "This link has ended: begin again.")
        provider = self._provider(link)
        if not await self._database.system(links.move, link.id, "AWAITING_REDIRECT", state="VERIFYING"):
            raise _refused("ALREADY_DONE", "This link has ended: begin again.")
        base_url = held.authorization.base_url or held.base_url
        try:
            session = await self._open(provider, base_url, Secret(), held)
            secret = await oauth.exchange(session, held.authorization, self._redirect_uri, held.code, held.verifier)
            return await self._prove(link, held, provider, base_url, secret)
        except ProviderError as error:
            return await self._fail(link, held, error, base_url)

    async def pending(self, state: str, cookie: str | None) -> Link:
        """The session that a confirmation belongs to. Raises LinkRefused."""
        link = await self._by_state(state)
        if cookie is None or link.browser_hash is None or not secrets.compare_digest(_hash(cookie), link.browser_hash):
            raise _refused("WRONG_KIND", "This sign-in was begun in another browser: begin again in this one.")
        return link

    # --- steps ----------------------------------------------------------------------------------------------------------

    async def _returned_to_app(self, link: Link, held: Draft, callback_url: str) -> LinkSession:
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(callback_url).query).items()}
        state = parameters.get("state", "")
        if link.state_hash is None or not secrets.compare_digest(_hash(state), link.state_hash):
            raise _refused("INVALID", "This address does not belong to this link.", "credentials", "callbackUrl")
        accepted = await self._accept(link, parameters)
        return self._session(accepted, held) if accepted.state == "FAILED" else await self.finish(accepted)

    async def _accept(self, link: Link, parameters: Mapping[str, str]) -> Link:
        held = self._unseal(link)
        if held is None or held.authorization is None or link.state != "AWAITING_REDIRECT":
            raise _refused("ALREADY_DONE", "This link has ended: begin again.")
        try:
            if error := parameters.get("error"):  # RFC 6749 §4.1.2.1
                said = parameters.get("error_description", "")[:200]
                raise Refused(f"{self._provider(link).name} said no ({error[:60]}). {said}".strip())
            oauth.check_issuer(held.authorization, parameters.get("iss"))
            if not parameters.get("code"):
                raise Refused("The network sent no code back. Begin again.")
        except ProviderError as error:
            await self._fail(link, held, error, held.base_url, expected="AWAITING_REDIRECT")
            return msgspec.structs.replace(link, state="FAILED", error_code=_code(error), error_message=error.message)
        held.code = parameters["code"]
        sealed = self._seal(link, held)
        await self._database.system(links.move, link.id, "AWAITING_REDIRECT", sealed=sealed)
        return msgspec.structs.replace(link, sealed=sealed)

    async def _go_to_network(self, link: Link, held: Draft, provider: Provider) -> LinkSession:
        try:
            await self._prepare_oauth(provider, held)
        except ProviderError as error:
            return await self._fail(link, held, error, held.base_url, expected="AWAITING_CREDENTIALS")
        if provider.estimate is not None:
            self._tried(held, "price", provider.name, True, provider.estimate(held.values))
        link = msgspec.structs.replace(link, state="AWAITING_REDIRECT", sealed=self._seal(link, held))
        await self._database.system(_begin_redirect, link.id, sealed=link.sealed or b"", ticket_hash=_hash(held.ticket))
        return self._session(link, held)

    async def _try_form(self, link: Link, held: Draft, provider: Provider) -> LinkSession:
        if not await self._database.system(links.move, link.id, "AWAITING_CREDENTIALS", state="VERIFYING"):
            raise _refused("ALREADY_DONE", "This link has ended: begin again.", "linkId")
        base_url = held.base_url
        try:
            if (hint := await self._discover(provider, held)) is not None:
                # nobody has seen this name yet, and the secret is already here
                raise Refused(f"{hint.message} If you do, name it as the host.", provider_code="foreign-host")
            base_url = self._base_url(provider, held.values)
            return await self._prove(link, held, provider, base_url, _secret(_form(provider, held.method), held.values))
        except ProviderError as error:
            return await self._fail(link, held, error, base_url)

    async def _discover(self, provider: Provider, held: Draft) -> Found | None:
        """Find what the form still lacks, each try kept to be shown. The find, when it is one to be looked at first."""
        if provider.discover is None:
            return None
        fields = {field.name for field in _form(provider, held.method).fields}
        account = SessionAccount(provider=provider.key, base_url="")
        deadline = self._clock.now() + DISCOVERY
        session = self._installation.accounts.session(account, Held(Secret()), provider, deadline=deadline.timestamp())
        try:
            async with asyncio.timeout(DISCOVERY.total_seconds()):
                async for found in provider.discover(session, dict(held.values)):
                    self._tried(held, found.method, found.target, found.succeeded, found.message)
                    if found.succeeded:
                        held.values = {**{n: v for n, v in found.values.items() if n in fields}, **held.values}
                        return found if found.foreign else None
        except TimeoutError:
            self._tried(held, "search", provider.name, False, "The search took too long: type in what you know.")
        return None

    def _network_of(self, address: str | None) -> str | None:
        """Which network an address belongs to: by its form, by its domain, else the mailbox that anybody can have."""
        text = (address or "").strip()
        if text.startswith("@") and text.count("@") == 2:
            return "mastodon"  # a fediverse handle
        if text.startswith("@") and ":" in text:
            return "matrix"  # @user:server
        if text.startswith("did:") or (text.startswith("@") and "." in text):
            return "bluesky"  # a DID, or @ada.example.org
        if "@" not in text.strip("@"):
            return None
        domain = text.rpartition("@")[2].lower()
        able = [p for p in self._installation.providers.values() if p.open is not None and p.link_forms]
        own = [p.key for p in able if domain in p.domains and self._installation.services.configured(p.key)]
        return next(iter([*own, *(p.key for p in able if p.discover is not None)]), "carddav")

    async def _prove(self, link: Link, held: Draft, provider: Provider, base_url: str, secret: Secret) -> LinkSession:
        """Ask the network whose account it is; only then is anything stored."""
        assert provider.open is not None
        if provider.sign_in is not None:
            signed_in = await provider.sign_in(await self._open(provider, base_url, secret, held))
            secret, base_url = signed_in.secret, signed_in.base_url
        adapter = provider.open(await self._open(provider, base_url, secret, held))
        profile = await adapter.profile()
        self._attempted(held, base_url, True, f"Signed in as {profile.label}.")
        account_id = await self._installation.accounts.add(
            link.viewer_id, provider, profile, secret, base_url=base_url, settings=_settings(provider, held),
            mode="LIVE" if held.live else None,
        )  # fmt: skip
        await self._database.system(
            links.move, link.id, "VERIFYING", state="LINKED", account_id=account_id, sealed=None, state_hash=None
        )
        log.info("linked", provider=provider.key, account=account_id)
        return self._session(msgspec.structs.replace(link, state="LINKED", account_id=account_id), held)

    async def _fail(
        self, link: Link, held: Draft, error: ProviderError, base_url: str, expected: str = "VERIFYING"
    ) -> LinkSession:
        self._attempted(held, base_url, False, error.message)
        values = {"state": "FAILED", "error_code": _code(error), "error_message": error.message[:500]}
        await self._database.system(links.move, link.id, expected, **values, sealed=None, state_hash=None)
        return self._session(msgspec.structs.replace(link, **values), held)

    async def _prepare_oauth(self, provider: Provider, held: Draft) -> None:
        """Our client at the network: the operator's, one registered before, or registered now."""
        held.base_url = self._base_url(provider, held.values)
        held.ticket, held.verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        held.authorization = await self._client(provider, held)

    async def _prepare_code(self, provider: Provider, held: Draft) -> None:
        """A code that somebody types in at the network (RFC 8628 §3.2)."""
        held.base_url = self._base_url(provider, held.values)
        held.authorization = await self._client(provider, held)
        held.codes = await device.codes(await self._open(provider, held.base_url, Secret(), held), held.authorization)

    async def _poll(self, link: Link, held: Draft) -> LinkSession:
        """Ask the network whether the code was typed in, no more often than it said; one of several who ask at once does."""
        now = self._clock.now()
        early = held.ask_after is not None and now < held.ask_after
        if held.codes is None or held.authorization is None or early or link.expires_at <= now:
            return self._session(link, held)
        if not await self._database.system(links.move, link.id, "AWAITING_DEVICE", state="VERIFYING"):
            return await self.get(link.viewer_id, link.id) or self._session(link, held)
        provider = self._provider(link)
        base_url = held.authorization.base_url or held.base_url
        try:
            session = await self._open(provider, base_url, Secret(), held)
            try:
                found = await device.ask(session, held.authorization, held.codes)
            except (Unavailable, RateLimited):
                found = held.codes.interval * 2  # §3.5: a question that timed out is asked less often
            if isinstance(found, Secret):
                return await self._prove(link, held, provider, base_url, found)
        except ProviderError as error:
            return await self._fail(link, held, error, base_url)
        held.codes = msgspec.structs.replace(held.codes, interval=found)
        held.ask_after = now + timedelta(seconds=found)
        await self._database.system(links.move, link.id, "VERIFYING", state="AWAITING_DEVICE", sealed=self._seal(link, held))
        return self._session(link, held)

    async def _client(self, provider: Provider, held: Draft) -> Authorization:
        place = (provider.key, held.base_url, self._redirect_uri)
        blob = await self._database.system_read(links.client, *place)
        if blob is not None:
            try:
                plain = self._vault.open(blob, "", links.CLIENT_PLACE[0], "|".join(place), links.CLIENT_PLACE[1])
                known = msgspec.json.decode(plain, type=Authorization)
                if held.method != "DEVICE_CODE" or known.device_endpoint is not None:
                    return known
            except (SealBroken, msgspec.DecodeError):
                log.warning("a client registration cannot be read and is made again", provider=provider.key)
        if provider.authorize is None:
            raise Refused(f"{provider.name} has no sign-in page that Kith knows.", provider_code="no-authorize")
        session = await self._open(provider, held.base_url, Secret(), held)
        made = await cast("Awaitable[Authorization]", provider.authorize(session, held.values, self._redirect_uri))
        own = self._installation.settings.application(provider.key)
        if own.client_id:
            made = msgspec.structs.replace(made, client_id=own.client_id, client_secret=own.client_secret)
        if not made.lasting:
            return made
        sealed = self._vault.seal(msgspec.json.encode(made), "", links.CLIENT_PLACE[0], "|".join(place), links.CLIENT_PLACE[1])
        await self._database.system(links.put_client, *place, made.client_id, sealed, self._clock.now())
        return made

    async def _open(self, provider: Provider, base_url: str, secret: Secret, held: Draft) -> Session:
        own = await self._clients.application(provider)
        if own.client_id and held.method in ("OAUTH_REDIRECT", "DEVICE_CODE") and secret.client_id is None:
            secret = msgspec.structs.replace(secret, client_id=own.client_id, client_secret=own.client_secret)
        account = SessionAccount(provider=provider.key, base_url=base_url, settings=_settings(provider, held) or {})
        return self._installation.accounts.session(account, Held(secret), provider)

    def _base_url(self, provider: Provider, values: dict[str, str]) -> str:
        if provider.base_url is not None:
            return provider.base_url(values)
        return self._installation.settings.application(provider.key).url or provider.default_url or ""

    # --- pieces ---------------------------------------------------------------------------------------------------------

    async def _known(self, viewer: str, link_id: str) -> tuple[Link, Draft]:
        link = await self._database.system_read(links.get, viewer, link_id)
        if link is None:
            raise _refused("NOT_FOUND", "There is no such link; begin again.", "linkId")
        return link, self._unseal(link) or Draft(method="NO_SECRET")

    async def _by_state(self, state: str) -> Link:
        link = await self._database.system_read(links.by_state, _hash(state), self._clock.now()) if state else None
        if link is None:
            raise _refused("EXPIRED", "This sign-in is not known here, was used already or took too long: begin again.")
        return link

    def _provider(self, link: Link) -> Provider:
        found = self._installation.providers.get(link.provider or "")
        if found is None or found.open is None:
            raise _refused("UNSUPPORTED", "The provider is no longer installed.", "linkId")
        return found

    def _prefilled(self, provider: Provider, form: LinkForm, address: str | None, base_url: str | None) -> dict[str, str]:
        """What is known before the user types: the operator's server, the account's, or what an address tells."""
        values = {}
        own = self._installation.settings.application(provider.key).url
        for field in form.fields:
            if field.name == "server" and (server := base_url or (address if field.required else None) or own):
                values[field.name] = server
            elif field.name in ("username", "address") and address and ("@" in address or ":" in address):
                values[field.name] = address
        return values

    def _check_return(self, return_url: str | None) -> None:
        """Where the browser may be sent afterwards: our own pages and the operator's front-ends, or it is an open redirect."""
        if return_url is None:
            return
        parts = urlsplit(return_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in (self._installation.settings.url, *self._installation.settings.cors_origins):
            raise _refused("INVALID", "The return address must be on this installation or in KITH_CORS_ORIGINS.", "returnUrl")

    def _session(self, link: Link, held: Draft | None) -> LinkSession:
        state = cast("LinkState", link.state)
        if link.state in OPEN and link.expires_at <= self._clock.now():
            state = "EXPIRED"
        step: OAuthRedirect | DeviceCode | CredentialForm | None = None
        provider = self._installation.providers.get(link.provider or "")
        if state == "AWAITING_REDIRECT" and held is not None:
            url = f"{self._installation.settings.url}/link/start/{held.ticket}"
            step = OAuthRedirect(authorization_url=url, redirect_uri=self._redirect_uri)
        elif state == "AWAITING_DEVICE" and held is not None and held.codes is not None:
            step = DeviceCode(
                user_code=held.codes.user_code, verification_url=held.codes.verification_uri, expires_at=link.expires_at,
                poll_seconds=held.codes.interval, verification_url_complete=held.codes.verification_uri_complete,
            )  # fmt: skip
        elif state == "AWAITING_CREDENTIALS" and held is not None and provider is not None:
            form = _form(provider, held.method)
            step = CredentialForm(
                method="NO_SECRET" if form.method == "OAUTH_REDIRECT" else form.method,
                fields=tuple(msgspec.structs.replace(f, default=held.values.get(f.name, f.default)) for f in form.fields),
                help=form.help, help_url=form.help_url,
            )  # fmt: skip
        return LinkSession(
            id=link.id, state=state, expires_at=link.expires_at, provider=link.provider, step=step,
            attempts=() if held is None else tuple(held.attempts), account_id=link.account_id, error_code=link.error_code,
            error_message=link.error_message,
        )  # fmt: skip

    def _attempted(self, held: Draft, base_url: str, succeeded: bool, message: str) -> None:
        target = urlsplit(base_url).netloc.rpartition("@")[2] or base_url
        self._tried(held, "sign in", target, succeeded, message)

    def _tried(self, held: Draft, method: str, target: str, succeeded: bool, message: str) -> None:
        held.attempts = held.attempts[-ATTEMPTS + 1 :]
        now: datetime = self._clock.now()
        held.attempts.append(DiscoveryAttempt(method=method, target=target, succeeded=succeeded, message=message, at=now))

    def _seal(self, link: Link, held: Draft) -> bytes:
        return self._vault.seal(msgspec.json.encode(held), link.viewer_id, links.PLACE[0], link.id, links.PLACE[1])

    def _unseal(self, link: Link) -> Draft | None:
        if link.sealed is None:
            return None
        try:
            plain = self._vault.open(link.sealed, link.viewer_id, links.PLACE[0], link.id, links.PLACE[1])
            return msgspec.json.decode(plain, type=Draft)
        except (SealBroken, msgspec.DecodeError):
            return None


def _begin_redirect(conn: Any, link_id: str, *, sealed: bytes, ticket_hash: bytes) -> bool:
    return links.move(conn, link_id, "AWAITING_CREDENTIALS", state="AWAITING_REDIRECT", sealed=sealed, ticket_hash=ticket_hash)


def _end(held: Draft, now: datetime) -> datetime:
    """When the code that was given out ends."""
    return now + timedelta(seconds=held.codes.expires_in if held.codes is not None else 0)


def _refused(code: str, message: str, *field: str) -> LinkRefused:
    return LinkRefused(Mistake(code=code, message=message, field=field))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _code(error: ProviderError) -> str:
    return next((code for kind, code in CODES if isinstance(error, kind)), "PROVIDER_UNAVAILABLE")


def _form(provider: Provider, method: LinkMethod | None) -> LinkForm:
    if method is None:
        return provider.link_forms[0]
    for form in provider.link_forms:
        if form.method == method:
            return form
    offered = ", ".join(form.method for form in provider.link_forms)
    raise _refused("UNSUPPORTED", f"{provider.name} is not linked by {method}: choose from {offered}.", "method")


def _checked(fields: tuple[FormField, ...], values: Mapping[str, str]) -> dict[str, str]:
    """The form's values. Raises LinkRefused with the field's place."""
    known = {field.name: field for field in fields}
    for name in values:
        if name not in known:
            raise _refused("INVALID", f"This form has no field {name[:60]!r}.", "credentials", "form")
    found = {}
    for name, field in known.items():
        value = values.get(name, field.default or "")
        if field.required and not value.strip():
            raise _refused("REQUIRED", f"{field.label} is missing.", "credentials", "form", name)
        if len(value) > MAX_VALUE:
            raise _refused("TOO_LONG", f"{field.label} is longer than {MAX_VALUE} characters.", "credentials", "form", name)
        if any(sign in value for sign in "\r\n\x00"):
            raise _refused("INVALID", f"{field.label} has a line break or control character in it.", "credentials", "form", name)
        if value:
            found[name] = value if field.secret else value.strip()
    return found


def _secret(form: LinkForm, values: Mapping[str, str]) -> Secret:
    """The secret fields, and the user name that belongs to them."""
    named = {"username", "password", "access_token"}
    extra = {
        field.name: values[field.name]
        for field in form.fields
        if field.secret and field.name not in named and field.name in values
    }
    return Secret(
        username=values.get("username"), password=values.get("password"), access_token=values.get("access_token"), extra=extra
    )


def _settings(provider: Provider, held: Draft) -> dict[str, str] | None:
    """What was typed and is no secret, for an adapter that needs it again."""
    shown = {f.name: held.values[f.name] for f in _form(provider, held.method).fields if not f.secret and f.name in held.values}
    return shown or None
