"""One call of Slack's Web API: what it costs, what its errors mean, and how long its limits are waited out.

Slack answers 200 with `ok: false` and a word; a limit is 429 with `Retry-After` (docs.slack.dev/apis/web-api/rate-limits). Each method has
a tier of its own; one budget of units stands for all of them, so that no tier is ever exceeded. Knows nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Response, Session
from providers.session import Secret

KEY: Final = "slack"
HOME: Final = "https://slack.com/api"
#: Tiers 2, 3 and 4 allow 20, 50 and 100 calls a minute: of a hundred units a minute, what a call of each costs.
TIER_2, TIER_3, TIER_4 = 5, 2, 1
UNITS: Final = {
    "auth.test": TIER_4, "auth.revoke": TIER_3, "users.list": TIER_2, "users.info": TIER_4, "users.conversations": TIER_3,
    "conversations.info": TIER_3,
    "conversations.members": TIER_4, "conversations.history": TIER_3, "conversations.replies": TIER_3, "search.messages": TIER_2,
    "conversations.mark": TIER_3, "chat.postMessage": TIER_3, "chat.update": TIER_3, "chat.delete": TIER_3,
    "files.info": TIER_4, "files.getUploadURLExternal": TIER_4, "files.completeUploadExternal": TIER_4,
}  # fmt: skip
ANSWER_BYTES: Final = 16 * 1024 * 1024
PATIENCE: Final = 30.0  # seconds that a limit is waited out; what is longer ends the run
ATTEMPTS: Final = 4
#: The words of `error`, by what they ask of whom.
SIGNED_OUT: Final = frozenset(
    {"invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_authed", "org_login_required", "two_factor_setup_required"}
)  # fmt: skip
NARROW: Final = frozenset({"missing_scope", "not_allowed_token_type", "no_permission"})
GONE: Final = frozenset(
    {"channel_not_found", "not_in_channel", "thread_not_found", "message_not_found", "user_not_found", "users_not_found",
     "file_not_found", "file_deleted", "user_not_visible"}
)  # fmt: skip
PASSING: Final = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
#: Refusals of one part that leave the others as they are.
PARTIAL: Final = NARROW | GONE | {"restricted_action", "access_denied", "ekm_access_denied", "team_access_not_granted"}

Entity = TypeVar("Entity")


class Verdict(msgspec.Struct, frozen=True):
    """What every answer has."""

    ok: bool
    error: str = ""
    needed: str = ""


async def ask(session: Session, method: str, kind: type[Entity], **parameters: str) -> Entity:
    """A method that only reads. Raises what its error means; the word is the `provider_code`."""
    return (await _asked(session, method, kind, parameters))[0]


async def signed_in(session: Session, kind: type[Entity]) -> tuple[Entity, tuple[str, ...]]:
    """Whose token it is (auth.test), and what it may, as Slack says with every answer; empty where it does not. Raises as `ask`."""
    who, answer = await _asked(session, "auth.test", kind, {})
    said = answer.headers.get("x-oauth-scopes", "").split(",")
    return who, tuple(scope.strip() for scope in said if scope.strip())


async def _asked(session: Session, method: str, kind: type[Entity], parameters: Mapping[str, str]) -> tuple[Entity, Response]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = await _sent(session, "GET", method, params=parameters, max_bytes=ANSWER_BYTES)
            return _decoded(session, answer, kind), answer
        except RateLimited as error:
            now = session.clock.now()
            seconds = (error.retry_at - now).total_seconds() if error.retry_at is not None else PATIENCE + 1
            if session.interactive or attempt == ATTEMPTS or seconds > PATIENCE:
                raise
            await session.clock.sleep(max(0.1, seconds))
    raise AssertionError  # the last attempt returns or raises


class Revoked(msgspec.Struct, frozen=True):
    """auth.revoke."""

    revoked: bool


async def give_back(session: Session, secret: Secret) -> bool:
    """End the token. Raises ProviderError."""
    return (await ask(session, "auth.revoke", Revoked)).revoked


async def tell(session: Session, method: str, kind: type[Entity], form: Mapping[str, str]) -> Entity:
    """A method that changes something: never repeated here. Raises as `ask`."""
    return _decoded(session, await _sent(session, "POST", method, form=form, once=True), kind)


async def _sent(session: Session, verb: str, method: str, **more: Any) -> Response:
    url = f"{session.account.base_url.rstrip('/')}/{method}"
    return await session.request(verb, url, calls=UNITS[method], follow=False, **more)


def _decoded(session: Session, answer: Response, kind: type[Entity]) -> Entity:
    try:
        verdict = msgspec.json.decode(answer.content, type=Verdict)
        if verdict.ok:
            return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None
    raise refusal(session, verdict)


def refusal(session: Session, verdict: Verdict) -> ProviderError:
    """The error that a word stands for."""
    code = verdict.error[:60] if verdict.error.isascii() and verdict.error.isprintable() else "error"
    if code in ("ratelimited", "rate_limited"):
        return RateLimited("Slack takes no more calls at the moment.", provider_code=code)
    if code in SIGNED_OUT:
        return ReauthRequired(f"Slack no longer accepts this sign-in ({code}). Link the account again.", provider_code=code)
    if code in NARROW:
        needed = " ".join(verdict.needed.split())[:100]
        what = f"the scope {needed}" if needed else "a user token with more scopes"
        return Refused(
            f"Slack does not show this: it takes {what}. Add it to the app, install it again and link again.", provider_code=code
        )
    if code in PASSING:
        return Unavailable(f"Slack has trouble of its own ({code}).", provider_code=code)
    if code in ("invalid_cursor", "invalid_arguments", "invalid_ts_oldest", "invalid_ts_latest"):
        return Refused(f"Slack did not understand the question ({code}).", provider_code=code)
    return Refused(f"Slack refused this ({code or 'it gave no reason'}).", provider_code=code or "error")


def instant_text(ts: str) -> str:
    """A message's `ts`: its name in the conversation, and its time. Raises Malformed for what is none."""
    whole, _, part = ts.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 11 and part.isascii() and part.isdigit() and len(part) <= 6):
        raise Malformed("Slack gave a message a time that is none.", provider_code="ts")
    return ts
