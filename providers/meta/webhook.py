"""Meta's webhooks, whichever product they are of: one address for everybody who installed the app, and the proof that it is Meta that calls.

Each call is signed with the app's secret over its raw body (`X-Hub-Signature-256`; developers.facebook.com/docs/graph-api/webhooks,
"Validating Payloads"): over the bytes, since Meta escapes what is not ASCII in its own way. The address is proved to be ours by echoing a
challenge to whoever knows the verify token. A signature holds no time: a call that was seen too often or is older than Meta's own
repeating wakes nobody. Whom a call is about is a hint, what happened there is not read. Knows nothing of accounts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from typing import Final

import msgspec

from providers.errors import Malformed
from providers.http import Session
from providers.push import Call, Forged, Line

#: Meta repeats what was not acknowledged "with decreasing frequency over the next 36 hours"; an hour is for clocks that differ.
OLDEST: Final = 37 * 3600  # seconds
AHEAD: Final = 3600
#: So often the same call is heard: the first time may have come to nothing here.
REPEATS: Final = 3
REMEMBERED: Final = 10_000  # calls
MAX_CHALLENGE: Final = 200  # characters
MAX_NAMES: Final = 1000  # "batched in a single request with a maximum of 1000 updates"


class _Entry(msgspec.Struct, frozen=True):
    id: str
    time: int = 0  # seconds, of some products milliseconds


class _Notice(msgspec.Struct, frozen=True):
    object: str
    entry: list[_Entry] = []


class Operator:
    """Who answers the line of one kind of object (`page`, `instagram`, `whatsapp_business_account`). `line.audience` is the verify token."""

    def __init__(self, line: Line, kind: str) -> None:
        self._line = line
        self._kind = kind
        self._heard: OrderedDict[bytes, int] = OrderedDict()

    async def answer(self, session: Session, call: Call) -> frozenset[str] | str:
        """The ids that a call is about. Raises Forged for what the app's secret did not sign."""
        check(self._line.secret, call.body, call.headers.get("x-hub-signature-256", ""))
        try:
            notice = msgspec.json.decode(call.body, type=_Notice)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("This is no notification of Meta's.", provider_code="push") from None
        if notice.object != self._kind:
            raise Malformed("This notification is of another kind of object.", provider_code="push")
        now = session.clock.now().timestamp()
        if self._too_often(call.body):
            return frozenset()
        return frozenset(each.id for each in notice.entry[:MAX_NAMES] if each.id and _is_recent(each.time, now))

    def challenge(self, call: Call) -> str:
        """webhooks/getting-started, "Verification Requests": the number comes back to whoever says the token. Raises Forged."""
        said = call.query.get("hub.verify_token", "")
        if call.query.get("hub.mode") != "subscribe" or not _same(said, self._line.audience):
            raise Forged
        challenge = call.query.get("hub.challenge", "")
        if not (0 < len(challenge) <= MAX_CHALLENGE and challenge.isascii() and challenge.isalnum()):
            raise Malformed("This is no challenge of Meta's.", provider_code="push")
        return challenge

    def _too_often(self, body: bytes) -> bool:
        digest = hashlib.sha256(body).digest()
        times = self._heard.pop(digest, 0) + 1
        self._heard[digest] = times
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return times > REPEATS


def check(secret: str, body: bytes, signature: str) -> None:
    """That the app's secret signed these bytes. Raises Forged, also without a secret: nothing would be proved."""
    if not secret or not _same(signature, sign(secret, body)):
        raise Forged


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _same(said: str, known: str) -> bool:
    return hmac.compare_digest(said.encode("utf-8", "surrogatepass"), known.encode("utf-8", "surrogatepass"))


def _is_recent(time: int, now: float) -> bool:
    """Whether an entry is of the time in which Meta repeats; one without a time is."""
    seconds = time / 1000 if time > 10**11 else float(time)
    return not time or -AHEAD <= now - seconds <= OLDEST
