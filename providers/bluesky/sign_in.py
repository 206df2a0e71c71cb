"""Where a Bluesky account is, and signing in there: by handle and app password, or by a grant of OAuth (`atproto_oauth.py`)."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from providers import atproto, atproto_oauth, server_address
from providers.atproto import typed_name
from providers.base import FormField, LinkForm, SignedIn
from providers.errors import ReauthRequired, Refused
from providers.formats.at_identifier import DID, HANDLE
from providers.http import Session
from providers.server_address import origin
from providers.session import Secret

HANDLE_FIELD: Final = FormField(name="username", label="Handle", placeholder="ada.bsky.social")
SERVER_FIELD: Final = FormField(
    name="server",
    label="Server",
    required=False,
    placeholder="bsky.social",
    help="Only where it is not found by your handle.",
)
FORMS: Final = (
    LinkForm(
        method="OAUTH_REDIRECT",
        label="Sign in at your server",
        fields=(HANDLE_FIELD, SERVER_FIELD),
        help="You sign in at your own server, and Kith sees no password.",
        help_url="https://bsky.app/settings",
        scopes=atproto_oauth.SCOPES,
    ),
    LinkForm(
        method="APP_PASSWORD",
        label="Handle and app password",
        fields=(
            HANDLE_FIELD,
            FormField(
                name="password",
                label="App password",
                kind="PASSWORD",
                secret=True,
                placeholder="xxxx-xxxx-xxxx-xxxx",
                help="From Settings → Privacy and security → App passwords; allow access to direct messages to see your chats.",
            ),
            SERVER_FIELD,
        ),
        help="The app password is used once, for a session, and not kept.",
        help_url="https://bsky.app/settings/app-passwords",
    ),
)


async def sign_in(session: Session) -> SignedIn:
    """A session for a handle and an app password, at the server that the handle leads to unless one was named; or a grant of OAuth, proven.

    Raises ReauthRequired for a wrong password, Refused where nobody is called so.
    """
    typed = await session.credentials()
    if atproto_oauth.bound(typed):
        return await atproto_oauth.proven(session)
    name, server, did = typed_name(typed.username or ""), origin(session.account.base_url), None
    if (HANDLE.fullmatch(name) or DID.fullmatch(name)) and server == _place_of(name):
        identity = await atproto.identify(session, name)
        server, did = identity.server, identity.did
    tokens = await atproto.create_session(session, server, name, (typed.password or "").strip())
    if did is not None and tokens.did != did:
        raise Refused(f"{urlsplit(server).hostname} answered for another account.", provider_code="did")
    return SignedIn(secret=atproto.secret_of(tokens), base_url=server)


async def renew(session: Session, old: Secret) -> Secret:
    """A new pair of tokens. Raises ReauthRequired when the app password or grant was revoked or the account has moved."""
    if atproto_oauth.bound(old):
        return await atproto_oauth.renew(session, old)
    if not old.refresh_token:
        raise ReauthRequired("This sign-in cannot be renewed. Link the account again.", provider_code="no-refresh-token")
    return atproto.secret_of(await atproto.refresh_session(session, old))


async def sign_out(session: Session, old: Secret) -> bool:
    """End the session that an app password opened."""
    return bool(old.refresh_token) and await atproto.delete_session(session, old)


def base_url(values: dict[str, str]) -> str:
    """Where a form's account is looked for: the named server, else the place that knows the handle or DID. Raises Refused."""
    server, name = values.get("server", "").strip(), typed_name(values.get("username", ""))
    if not server:
        if not (HANDLE.fullmatch(name) or DID.fullmatch(name)):
            raise Refused("Enter your whole handle, such as ada.bsky.social, or name your server.", provider_code="handle")
        return _place_of(name)
    return origin(server_address.typed(server, "This is no address of a server: give one like bsky.social."))


def _place_of(name: str) -> str:
    if name.startswith("did:plc:"):
        return atproto.DIRECTORY
    return "https://" + unquote(name.removeprefix("did:web:"))
