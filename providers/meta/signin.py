"""Grants of Meta's: short ones that are traded for long ones, and how long a long one is good for.

There are no refresh tokens: a token that ends is replaced only while it is good (Instagram), or when its user signs in again (Facebook;
developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived). Knows no product's scopes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from providers.base import FormField
from providers.errors import ReauthRequired, Refused
from providers.http import Session
from providers.meta.api import CONSOLE, Graph, instant
from providers.records import Row, Unreadable
from providers.session import Secret

ANSWER_BYTES: Final = 256 * 1024
#: Before the end of a sign-in that cannot be prolonged, the account says so.
NOTICE: Final = timedelta(days=7)
LONGEST: Final = timedelta(days=365)
#: Key in `Secret.extra`, ISO 8601: when Facebook stops showing data though the token is good (90 days after the last sign-in).
DATA_ENDS: Final = "data_access_ends_at"


#: What an account's owner says of the app, and is asked when linking.
HUMAN_AGENT: Final = FormField(
    name="human_agent",
    label="The app has the feature Human Agent",
    kind="CHECKBOX",
    required=False,
    help="Then a message can be answered within seven days.",
)


class Token(msgspec.Struct, frozen=True):
    """RFC 6749 §5.1, without a refresh token."""

    access_token: str
    expires_in: int | None = None

    def __repr__(self) -> str:
        return "Token(…)"


async def traded(graph: Graph, method: str, url: str, parameters: dict[str, str]) -> Token:
    """Another token for one that is good. Raises ReauthRequired when it is not, and ProviderError."""
    session = graph.session
    more: dict[str, Any] = {"form": parameters} if method == "POST" else {"params": parameters}
    answer = await session.request(
        method, url, auth=False, accept_statuses=frozenset({200, 400, 401, 403}), max_bytes=ANSWER_BYTES, follow=False, once=True, **more
    )  # fmt: skip
    if answer.status != 200:
        raise graph.refusal(answer)
    try:
        return msgspec.json.decode(answer.content, type=Token)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise answer.malformed("JSON") from None


def lasting(session: Session, old: Secret, token: Token, **more: Any) -> Secret:
    """A secret with another token in it."""
    seconds = token.expires_in or 0
    ends = session.clock.now() + min(timedelta(seconds=seconds), LONGEST) if seconds > 0 else None
    return msgspec.structs.replace(old, access_token=token.access_token, expires_at=ends, **more)


def check_end(secret: Secret, now: datetime, name: str) -> Row | None:
    """What an account says before its sign-in ends. Raises ReauthRequired when it has."""
    ends = min((end for end in (secret.expires_at, instant(secret.extra.get(DATA_ENDS))) if end is not None), default=None)
    if ends is None or ends - now > NOTICE:
        return None
    if ends <= now:
        raise ReauthRequired(f"{name} ended this sign-in on {ends:%Y-%m-%d}. Link the account again.", provider_code="expired")
    text = f"{name} ends this sign-in on {ends:%Y-%m-%d}. Link the account again before, so that nothing is interrupted."
    return Row(item=Unreadable(key="sign-in", outcome="SKIPPED", message=text, reason="FORBIDDEN", container="sign-in"))


def ticked(settings: Mapping[str, str], name: str) -> bool:
    """Whether a box of the form was ticked, by a browser or by a program."""
    return settings.get(name, "").strip().lower() in ("true", "on", "yes", "1")


def no_client(name: str, key: str, redirect_uri: str) -> Refused:
    """That there is no app, with the steps to one."""
    variable = f"KITH_{key.upper()}"
    return Refused(
        f"Signing in at {name} needs an app of this installation's own, made once by its operator at {CONSOLE} with the redirect URI "
        f"{redirect_uri} , then set {variable}_CLIENT_ID and {variable}_CLIENT_SECRET. docs/providers/{key}.md has the steps.",
        provider_code="no-client",
    )
