"""Slack's Events API: one address for everybody who installed the app, and the proof that it is Slack that calls.

A call is signed by the app's signing secret over its time and raw body (docs.slack.dev/authentication/verifying-requests-from-slack); one
that is older than five minutes may have been recorded. The first one is a challenge. Which workspace it is about is a hint, what
happened there is not read. Knows nothing of accounts.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec

from providers.errors import Malformed
from providers.http import Session
from providers.push import Call, Forged, Line, Switchboard

WINDOW: Final = 300  # seconds that a call may be old, or ahead of our clock
MAX_CHALLENGE: Final = 1_000  # characters


class _Authorization(msgspec.Struct, frozen=True):
    team_id: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    """docs.slack.dev/apis/events-api, "Callback field overview"."""

    type: str
    api_app_id: str = ""
    team_id: str = ""
    challenge: str = ""
    authorizations: list[_Authorization] | None = None


class Operator:
    """Who answers the line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def answer(self, session: Session, call: Call) -> frozenset[str] | str:
        """The workspaces of an event, or the challenge to give back. Raises Forged for what the app's secret did not sign."""
        stamp = call.headers.get("x-slack-request-timestamp", "")
        check(self._line.secret, stamp, call.body, call.headers.get("x-slack-signature", ""), now=session.clock.now().timestamp())
        try:
            envelope = msgspec.json.decode(call.body, type=_Envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("This is no event of Slack's.", provider_code="push") from None
        if envelope.type == "url_verification":
            if not 0 < len(envelope.challenge) <= MAX_CHALLENGE:
                raise Malformed("A challenge of Slack's is not that long.", provider_code="push")
            return envelope.challenge
        if envelope.api_app_id != self._line.topic:
            raise Forged
        # an event in a shared channel comes with the workspace that it is delivered to beside the one where it happened
        teams = {envelope.team_id, *(each.team_id for each in envelope.authorizations or ())}
        return frozenset(team for team in teams if team)


def check(secret: str, stamp: str, body: bytes, signature: str, *, now: float) -> None:
    """That Slack signed these bytes just now (v0, HMAC with SHA-256). Raises Forged."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11 and abs(now - int(stamp)) <= WINDOW):
        raise Forged
    if not hmac.compare_digest(sign(secret, stamp, body).encode(), signature.encode("utf-8", "surrogatepass")):
        raise Forged


def sign(secret: str, stamp: str, body: bytes) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def switchboard(line: Line) -> Switchboard:
    return Operator(line)
