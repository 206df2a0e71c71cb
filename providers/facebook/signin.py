"""Signing in at Facebook: what is asked for, and the long grant for a short one, with what Facebook says of it.

Facebook Login (developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow) with the operator's own app. Knows nothing of what is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from providers.base import Authorization, SignedIn
from providers.errors import ReauthRequired
from providers.facebook.item import KEY
from providers.http import Session
from providers.meta import signin as meta_signin
from providers.meta.api import GRAPH, VERSION, Dialect, Graph
from providers.session import Secret

FACEBOOK: Final = Dialect(name="Facebook")
SIGN_IN: Final = f"https://www.facebook.com/{VERSION}/dialog/oauth"
READING: Final = (
    "public_profile", "email", "user_friends", "user_posts", "pages_show_list", "pages_read_engagement", "pages_read_user_content",
)  # fmt: skip
MESSENGER, INSTAGRAM = "pages_messaging", "instagram_manage_messages"
SCOPES: Final = (*READING, "pages_manage_metadata", MESSENGER, "instagram_basic", INSTAGRAM)


class Debug(msgspec.Struct, frozen=True):
    """GET /debug_token; times are seconds of POSIX time, zero for never."""

    class Data(msgspec.Struct, frozen=True):
        is_valid: bool = False
        expires_at: int = 0
        data_access_expires_at: int = 0
        scopes: list[str] = []

    data: Data


async def sign_in(session: Session) -> SignedIn:
    """A short grant for a long one (about 60 days), with what Facebook says of it (`GET /debug_token`, by the app's own token)."""
    old = await session.credentials()
    graph = Graph(session, FACEBOOK)
    base = session.account.base_url.rstrip("/")
    parameters = {
        "grant_type": "fb_exchange_token", "client_id": old.client_id or "", "client_secret": old.client_secret or "",
        "fb_exchange_token": old.access_token or "",
    }  # fmt: skip
    token = await meta_signin.traded(graph, "GET", f"{base}/{VERSION}/oauth/access_token", parameters)
    app = f"{old.client_id}|{old.client_secret}"
    said = (await graph.ask("debug_token", Debug, [("input_token", token.access_token)], token=app)).data
    if not said.is_valid:
        raise ReauthRequired("Facebook says that this sign-in is worth nothing. Begin again.", provider_code="190")
    ends = said.data_access_expires_at
    extra = {**old.extra, **({meta_signin.DATA_ENDS: datetime.fromtimestamp(ends, UTC).isoformat()} if 0 < ends < 2**33 else {})}
    secret = meta_signin.lasting(session, old, token, scope=" ".join(said.scopes) or old.scope, extra=extra)
    if secret.expires_at is None and 0 < said.expires_at < 2**33:
        secret = msgspec.structs.replace(secret, expires_at=datetime.fromtimestamp(said.expires_at, UTC))
    return SignedIn(secret=secret, base_url=base)


async def authorize(session: Session, values: Mapping[str, str], redirect_uri: str) -> Authorization:
    """Facebook Login with the operator's own app. What was declined before is asked for again. Raises Refused where no app is set."""
    mine = await session.credentials()
    if not mine.client_id or not mine.client_secret:
        raise meta_signin.no_client("Facebook", KEY, redirect_uri)
    base = session.account.base_url.rstrip("/")
    parts = urlsplit(base)
    real = base == GRAPH  # a server set by KITH_FACEBOOK_URL stands in for both hosts
    return Authorization(
        authorization_endpoint=SIGN_IN if real else f"{parts.scheme}://{parts.netloc}/{VERSION}/dialog/oauth",
        token_endpoint=f"{base}/{VERSION}/oauth/access_token",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=SCOPES,
        base_url=base,
        extra={"auth_type": "rerequest", "token_endpoint_auth_method": "client_secret_post"},
    )


async def give_back(session: Session, secret: Secret) -> bool:
    """Take the app off the user's account, with all that it was allowed (`DELETE /{user-id}/permissions`; graph-api/reference/user/permissions).

    Raises ProviderError where Facebook does not answer, or knows the token no more.
    """
    await Graph(session, FACEBOOK).drop("me/permissions")
    return True
