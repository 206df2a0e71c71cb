"""Where a Matrix account is, and signing in there: by password, which is not kept, or by a token that somebody has.

Client-Server API "Login", "Refreshing access tokens", "Well-known URI". Knows nothing of rooms.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import msgspec

from providers import server_address
from providers.base import FormField, LinkForm, SignedIn
from providers.errors import Malformed, ReauthRequired, Refused
from providers.http import Session
from providers.matrix.api import decoded, origin, refusal, said
from providers.session import Secret

DEVICE: Final = "Kith"
_SERVER = FormField(
    name="server",
    label="Homeserver",
    required=False,
    placeholder="matrix.example.org",
    help="Only where it is not found by the domain of your Matrix id.",
)
FORMS: Final = (
    LinkForm(
        method="PASSWORD",
        label="Matrix id and password",
        fields=(
            FormField(name="username", label="Matrix id", placeholder="@ada:example.org"),
            FormField(name="password", label="Password", kind="PASSWORD", secret=True),
            _SERVER,
        ),
        help="The password is used once, for a sign-in named Kith among your sessions, and not kept.",
    ),
    LinkForm(
        method="TOKEN",
        label="Access token",
        fields=(
            FormField(
                name="server", label="Homeserver or Matrix id", placeholder="@ada:example.org", help="Where your account is."
            ),
            FormField(
                name="access_token",
                label="Access token",
                kind="PASSWORD",
                secret=True,
                help="For servers that sign people in on a page of their own. In Element: Settings → Help & About → Advanced.",
            ),
        ),
    ),
)


class Versions(msgspec.Struct, frozen=True):
    versions: list[str]


class Tokens(msgspec.Struct, frozen=True):
    """The answer to /login and /refresh."""

    access_token: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None
    user_id: str | None = None
    device_id: str | None = None


async def sign_in(session: Session) -> SignedIn:
    """Tokens for a name and password ("Password-based"), or a token that somebody has; with the server's real address.

    Raises ReauthRequired for a wrong password, Refused where a server has no sign-in by password or is none.
    """
    typed = await session.credentials()
    base = await _homeserver(session)
    if typed.access_token:
        return SignedIn(secret=Secret(access_token=typed.access_token.strip()), base_url=base)
    flows = (await session.request("GET", f"{base}/_matrix/client/v3/login", auth=False)).json()
    offered = flows.get("flows") if isinstance(flows, dict) else None
    kinds = {flow.get("type") for flow in offered if isinstance(flow, dict)} if isinstance(offered, list) else set()
    host = urlsplit(base).hostname
    if "m.login.password" not in kinds:
        raise Refused(
            f"{host} signs people in on a page of its own. Link it with an access token instead.", provider_code="no-password"
        )
    answer = await session.request(
        "POST",
        f"{base}/_matrix/client/v3/login",
        json={
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": (typed.username or "").strip()},
            "password": typed.password or "",
            "initial_device_display_name": DEVICE,
            "refresh_token": True,
        },
        auth=False,
        accept_statuses={200, 400, 401, 403, 429},
        follow=False,
    )
    if answer.status in (401, 403) and said(answer)[0] in ("M_FORBIDDEN", "M_UNAUTHORIZED", ""):
        raise ReauthRequired(f"{host} does not know this name and password together.", provider_code="M_FORBIDDEN")
    if answer.status != 200:
        raise refusal(session, answer)
    return SignedIn(secret=_secret(session, decoded(answer, Tokens), None), base_url=base)


async def renew(session: Session, old: Secret) -> Secret:
    """A new pair of tokens ("Refreshing access tokens"). Raises ReauthRequired when the device was signed out."""
    if not old.refresh_token:
        raise ReauthRequired("The server no longer accepts this token. Link the account again.", provider_code="M_UNKNOWN_TOKEN")
    answer = await session.request(
        "POST",
        f"{origin(session.account.base_url)}/_matrix/client/v3/refresh",
        json={"refresh_token": old.refresh_token},
        auth=False,
        accept_statuses={200, 400, 401, 403, 429},
        follow=False,
    )
    if answer.status in (400, 401, 403):
        raise ReauthRequired(
            f"{urlsplit(answer.url).hostname} has signed Kith out. Link the account again.", provider_code=said(answer)[0]
        )
    if answer.status != 200:
        raise refusal(session, answer)
    return _secret(session, decoded(answer, Tokens), old)


async def sign_out(session: Session, old: Secret) -> bool:
    """End the session that a password opened, and its device ("POST /_matrix/client/v3/logout"); a token that somebody had stays theirs."""
    if "device_id" not in old.extra:
        return False
    answer = await session.request(
        "POST",
        f"{origin(session.account.base_url)}/_matrix/client/v3/logout",
        json={},
        accept_statuses={200, 400, 403, 429},
        follow=False,
    )
    return answer.status == 200


async def _homeserver(session: Session) -> str:
    """The server's address for clients ("Well-known URI"): what the domain says, else the domain itself. Raises Refused."""
    home = origin(session.account.base_url)
    base = home
    try:
        answer = await session.request("GET", f"{home}/.well-known/matrix/client", auth=False, max_bytes=64 * 1024)
        said = answer.json()
        named = said.get("m.homeserver") if isinstance(said, dict) else None
        found = named.get("base_url") if isinstance(named, dict) else None
        if isinstance(found, str) and found:
            base = origin(found)
    except (Refused, Malformed):
        pass  # 404, or a web page at the domain: then it is asked itself
    if home.startswith("https:") and not base.startswith("https:"):
        raise Refused(f"{urlsplit(home).hostname} names an unencrypted server. Ask whoever runs it.", provider_code="downgrade")
    try:
        versions = await session.request("GET", f"{base}/_matrix/client/versions", auth=False, max_bytes=256 * 1024)
        decoded(versions, Versions)
    except (Refused, Malformed) as error:
        raise no_server(base) from error
    return base


def base_url(values: dict[str, str]) -> str:
    """The place where a form's homeserver is looked for: the named one, or the domain of the Matrix id. Raises Refused."""
    text = values.get("server", "").strip() or values.get("username", "").strip()
    if "://" not in text and text.startswith("@"):
        text = text.partition(":")[2]
    advice = "Enter your whole Matrix id, such as @ada:example.org, or the name of your server."
    return origin(server_address.typed(text, advice))


def _secret(session: Session, tokens: Tokens, old: Secret | None) -> Secret:
    expires_at = None
    if tokens.expires_in_ms is not None and 0 < tokens.expires_in_ms < 10**12:
        expires_at = session.clock.now() + timedelta(milliseconds=tokens.expires_in_ms)
    extra = dict(old.extra) if old is not None else {}
    if tokens.device_id:
        extra["device_id"] = tokens.device_id
    kept = old.refresh_token if old is not None else None
    return Secret(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token or kept, expires_at=expires_at, extra=extra
    )


def no_server(base: str) -> Refused:
    """Nobody who speaks Matrix is there."""
    return Refused(
        f"There is no Matrix server at {urlsplit(base).hostname}. Name your homeserver as your client shows it.",
        provider_code="no-server",
    )
