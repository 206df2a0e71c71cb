"""What befalls accounts in `mixed_states.py`, in the words of each network: throttled, revoked, downgraded, partly permitted.

A trouble is a row of TROUBLES. Knows nothing of what becomes of the others meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from providers.session import Secret
from tests.chaos.mixed_networks import BAN, GRANTED, Door, MailDoor, app_password, given
from tests.providers.github_stub import SCOPES as GITHUB_SCOPES
from tests.providers.stub_http import Answer
from tests.providers.x_stub import SCOPES as X_SCOPES


@dataclass(frozen=True)
class Trouble:
    """What befalls an account after its first look, or before it is linked (`at_first`), and what it then says.

    `state` is the account's status; `says` are words of its reason: what is the matter, and what to do.
    """

    name: str
    network: str
    befall: Callable[[Door], None]
    state: str
    says: tuple[str, ...]
    at_first: bool = False
    secret: Callable[[Any], Secret] | None = None  # where it is linked by another one than is usual


def _throttle(*, status: int = 429, body: object = None, **headers: str) -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        door.bans = True
        door.refusal = lambda: Answer(status, body if body is not None else {}, Retry_After=str(BAN), **headers)

    return befall


def _revoke(door: Door) -> None:
    door.stub.tokens.clear()


def _narrow(token: str, scopes: frozenset[str]) -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        door.stub.tokens[token] = scopes

    return befall


def _unenrol(door: Door) -> None:
    """X answers so to apps whose plan no longer has an interface (`client-not-enrolled`)."""
    detail = "When authenticating requests to the X API v2 endpoints, you must use keys of an App that is attached to a Project."
    kind = "https://api.x.com/2/problems/client-forbidden"
    said = {"type": kind, "title": "Client Forbidden", "status": 403, "reason": "client-not-enrolled", "detail": detail}
    door.refusal = lambda: Answer(403, said)


def _end(door: Door) -> None:
    door.stub.pages["/feed.xml"] = Answer(410, b"")


def _refuse(status: int, body: object = b"") -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        door.refusal = lambda: Answer(status, body)

    return befall


def _take(token: str, *gone: str) -> Callable[[Door], None]:
    """Scopes that a token had are taken away from it."""

    def befall(door: Door) -> None:
        door.stub.tokens[token] = door.stub.tokens[token] - set(gone)

    return befall


def _refuse_part(path: str, status: int, body: object) -> Callable[[Door], None]:
    """One part is not shown any more, all else is."""

    def befall(door: Door) -> None:
        honest = door.stub.answer
        door.stub.answer = lambda request: Answer(status, body) if path in request.path else honest(request)

    return befall


def _decline(door: Door) -> None:
    door.stub.declined = frozenset({"pages_messaging"})


def _expel(door: Door) -> None:
    """The bot is thrown out of its only server."""
    door.stub.guilds.clear()


def _reset(door: Door) -> None:
    """The token is another one from now on."""
    door.stub.token = "another"


def _unprivilege(door: Door) -> None:
    """Discord's privileged intents are off."""
    door.stub.flags = 0


def _at_login(said: bytes) -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        assert isinstance(door, MailDoor)
        door.refusals = dict.fromkeys(("LOGIN", "AUTHENTICATE"), b"TAG NO " + said + b"\r\n")

    return befall


def _close(door: Door) -> None:
    """One folder is shown and not opened (RFC 4314: the right `r` is missing)."""
    assert isinstance(door, MailDoor)
    honest = door.stub.tamper
    assert honest is not None

    def tamper(words: str, answer: bytes) -> Any:
        found = honest(words, answer)
        return b"TAG NO [NOPERM] no right to read\r\n" if words.startswith("EXAMINE") and "Projects" in words else found

    door.stub.tamper = tamper


def _graph_says(code: int, message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}}


#: Meta names no time in a header of HTTP's: how many minutes it takes is in its own.
_USED: Final = {
    "type": "pages",
    "call_count": 100,
    "total_cputime": 9,
    "total_time": 9,
    "estimated_time_to_regain_access": BAN // 60,
}
REGAINED: Final = {"X_Business_Use_Case_Usage": json.dumps({"1": [_USED]})}
#: How networks say that it was too much.
TOO_MANY: Final[dict[str, dict[str, object]]] = {
    "Slack": {"ok": False, "error": "ratelimited"},
    "GitHub": {"message": "You have exceeded a secondary rate limit."},
    "X": {"title": "Too Many Requests", "status": 429},
    "Gmail": {"error": {"code": 429, "message": "No.", "status": "RESOURCE_EXHAUSTED"}},
    "Google contacts": {"error": {"code": 429, "message": "No."}},
    "Microsoft": {"error": {"code": "TooManyRequests", "message": "No."}},
    "Mastodon": {"error": "Too many requests"},
    "Meta": _graph_says(4, "(#4) Application request limit reached"),
    "LinkedIn": {"status": 429, "message": "Resource level throttle"},
    "Discord": {"message": "You are being rate limited.", "retry_after": BAN, "global": True},
    "Telegram": {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry later",
        "parameters": {"retry_after": BAN},
    },
    "WhatsApp": _graph_says(80007, "Rate limit hit"),
    "Matrix": {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": BAN * 1000},
    "Bluesky": {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"},
}
#: How networks say that a sign-in is over, where their stubs do not.
SIGNED_OUT: Final[dict[str, dict[str, object]]] = {
    "Mastodon": {"error": "The access token was revoked"},
    "Telegram": {"ok": False, "error_code": 401, "description": "Unauthorized"},
    "Matrix": {"errcode": "M_UNKNOWN_TOKEN", "error": "Invalid access token passed."},
    "Bluesky": {"error": "InvalidToken", "message": "Token has been revoked"},
}
#: What Meta says of a permission that was taken away, Mastodon of one that was never given, and Telegram of a token that two programs use.
NARROWED: Final = _graph_says(10, "(#10) Application does not have permission for this action")
OUTSIDE: Final = {"error": "This action is outside the authorized scopes"}
TAKEN_OVER: Final = {
    "ok": False,
    "error_code": 409,
    "description": "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
}
#: Of a member of LinkedIn whose data is not given to programs.
PROFILE_ALONE: Final = frozenset({"openid", "profile", "email"})
WAITS: Final = ("nothing to do", "by itself")
TROUBLES: Final = (
    Trouble("Slack, revoked", "Slack", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Slack, throttled", "Slack", _throttle(body=TOO_MANY["Slack"]), "ACTIVE", WAITS),
    Trouble("GitHub, throttled", "GitHub", _throttle(body=TOO_MANY["GitHub"]), "ACTIVE", WAITS),
    Trouble("GitHub, partly permitted", "GitHub", _narrow("token-1", GITHUB_SCOPES - {"read:org"}), "ACTIVE", ("read:org",), at_first=True),
    Trouble("GitHub, revoked", "GitHub", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Slack, partly permitted", "Slack", _take("xoxp-1", "im:history"), "ACTIVE", ("direct messages", "im:history"), at_first=True),
    Trouble("Slack, downgraded", "Slack", _take("xoxp-1", "im:read", "mpim:read"), "ACTIVE", ("group messages, direct messages", "link again")),
    Trouble("GitHub, downgraded", "GitHub", _narrow("token-1", frozenset({"read:user"})), "ACTIVE", ("notifications",)),
    Trouble("X, revoked", "X", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("X, partly permitted", "X", _take("token-1", "dm.read"), "ACTIVE", ("grant dm.read",), at_first=True,
            secret=given(Secret(access_token="token-1", scope=" ".join(sorted(X_SCOPES - {"dm.read"}))))),
    Trouble("X, downgraded", "X", _unenrol, "DEGRADED", ("put the app into a project",)),
    Trouble("X, throttled", "X", _throttle(body=TOO_MANY["X"]), "ACTIVE", WAITS),
    Trouble("Gmail, revoked", "Gmail", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Gmail, throttled", "Gmail", _throttle(body=TOO_MANY["Gmail"]), "ACTIVE", WAITS),
    Trouble("Gmail, downgraded", "Gmail", _narrow("token-1", frozenset()), "REAUTH_REQUIRED", ("again", "ticked")),
    Trouble("Google contacts, revoked", "Google contacts", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Google contacts, downgraded", "Google contacts", _narrow("token-1", frozenset()), "REAUTH_REQUIRED", ("again", "ticked")),
    Trouble("Google contacts, throttled", "Google contacts", _throttle(body=TOO_MANY["Google contacts"]), "ACTIVE", WAITS),
    Trouble("Microsoft, partly permitted", "Microsoft", _narrow("token-1", frozenset({"Mail.Read", "User.Read"})), "REAUTH_REQUIRED",
            ("link the account again and allow everything",), at_first=True),
    Trouble("Microsoft, throttled", "Microsoft", _throttle(body=TOO_MANY["Microsoft"]), "ACTIVE", WAITS),
    Trouble("feed, ended", "feed", _end, "DEGRADED", ("ended (410)",)),
    Trouble("feed, closed", "feed", _refuse(401), "DEGRADED", ("does not show this feed to everybody", "new address")),
    Trouble("feed, throttled", "feed", _throttle(), "ACTIVE", WAITS),
    Trouble("Mastodon, revoked", "Mastodon", _refuse(401, SIGNED_OUT["Mastodon"]), "REAUTH_REQUIRED", ("again",)),
    Trouble("Mastodon, partly permitted", "Mastodon", _refuse_part("/api/v1/conversations", 403, OUTSIDE), "ACTIVE", ("again", "read:statuses")),
    Trouble("Mastodon, throttled", "Mastodon", _throttle(body=TOO_MANY["Mastodon"]), "ACTIVE", WAITS),
    Trouble("CardDAV, revoked", "CardDAV", _refuse(401), "REAUTH_REQUIRED", ("again",)),
    Trouble("CardDAV, throttled", "CardDAV", _throttle(), "ACTIVE", WAITS),
    Trouble("Facebook, revoked", "Facebook", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Facebook, throttled", "Facebook", _throttle(status=400, body=TOO_MANY["Meta"], **REGAINED), "ACTIVE", WAITS),
    Trouble("Facebook, partly permitted", "Facebook", _decline, "ACTIVE", ("allow pages_messaging",), at_first=True),
    Trouble("Facebook, downgraded", "Facebook", _decline, "ACTIVE", ("allow pages_messaging",)),
    Trouble("Instagram, partly permitted", "Instagram", lambda door: None, "ACTIVE", ("allow instagram_business_manage_messages",), at_first=True,
            secret=given(msgspec.structs.replace(GRANTED, scope="instagram_business_basic"))),
    Trouble("Instagram, downgraded", "Instagram", _refuse_part("/conversations", 403, NARROWED), "ACTIVE", ("messages", "Link the account again")),
    Trouble("Instagram, revoked", "Instagram", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Instagram, throttled", "Instagram", _throttle(status=400, body=TOO_MANY["Meta"], **REGAINED), "ACTIVE", WAITS),
    Trouble("LinkedIn, revoked", "LinkedIn", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("LinkedIn, throttled", "LinkedIn", _throttle(body=TOO_MANY["LinkedIn"]), "ACTIVE", WAITS),
    Trouble("LinkedIn, partly permitted", "LinkedIn", _narrow("token-1", PROFILE_ALONE), "ACTIVE", ("import it",),
            at_first=True, secret=given(Secret(access_token="token-1", scope=",".join(sorted(PROFILE_ALONE))))),
    Trouble("LinkedIn, downgraded", "LinkedIn", _narrow("token-1", PROFILE_ALONE), "ACTIVE", ("link the account again with it",)),
    Trouble("Discord, downgraded", "Discord", _expel, "ACTIVE", ("in no server", "invite it")),
    Trouble("Discord, revoked", "Discord", _reset, "REAUTH_REQUIRED", ("again",)),
    Trouble("Discord, throttled", "Discord", _throttle(body=TOO_MANY["Discord"]), "ACTIVE", WAITS),
    Trouble("Discord, partly permitted", "Discord", _unprivilege, "ACTIVE", ("intent",), at_first=True),
    Trouble("Telegram, revoked", "Telegram", _refuse(401, SIGNED_OUT["Telegram"]), "REAUTH_REQUIRED", ("again",)),
    Trouble("Telegram, throttled", "Telegram", _throttle(body=TOO_MANY["Telegram"]), "ACTIVE", WAITS),
    Trouble("Telegram, taken over", "Telegram", _refuse(409, TAKEN_OVER), "DEGRADED", ("another program", "stop it")),
    Trouble("WhatsApp, downgraded", "WhatsApp", _refuse(403, NARROWED), "DEGRADED", ("whatsapp_business_messaging", "link again")),
    Trouble("WhatsApp, revoked", "WhatsApp", _reset, "REAUTH_REQUIRED", ("again",)),
    Trouble("WhatsApp, throttled", "WhatsApp", _throttle(status=400, body=TOO_MANY["WhatsApp"], **REGAINED), "ACTIVE", WAITS),
    Trouble("IMAP, revoked", "IMAP", _at_login(b"[AUTHENTICATIONFAILED] no such user or password"), "REAUTH_REQUIRED", ("sign-in",)),
    Trouble("IMAP, throttled", "IMAP", _at_login(b"[LIMIT] Too many simultaneous connections"), "ACTIVE", WAITS),
    Trouble("IMAP, partly permitted", "IMAP", _close, "ACTIVE", ("Projects",), at_first=True),
    Trouble("Matrix, revoked", "Matrix", _refuse(401, SIGNED_OUT["Matrix"]), "REAUTH_REQUIRED", ("again",)),
    Trouble("Matrix, throttled", "Matrix", _throttle(body=TOO_MANY["Matrix"]), "ACTIVE", WAITS),
    Trouble("Matrix, downgraded", "Matrix", _refuse(403, {"errcode": "M_CONSENT_NOT_GIVEN", "error": "Terms."}), "DEGRADED", ("accept its terms",)),
    Trouble("Bluesky, revoked", "Bluesky", _refuse(401, SIGNED_OUT["Bluesky"]), "REAUTH_REQUIRED", ("again",)),
    Trouble("Bluesky, throttled", "Bluesky", _throttle(body=TOO_MANY["Bluesky"]), "ACTIVE", WAITS),
    Trouble("Bluesky, partly permitted", "Bluesky", lambda door: None, "ACTIVE", ("chat is not shown",), at_first=True,
            secret=partial(app_password, privileged=False)),
)  # fmt: skip
