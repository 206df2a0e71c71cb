"""Gmail's push: `users.watch` publishes to a Cloud Pub/Sub topic of the operator's, whose push subscription calls us for every mailbox.

Speaks Pub/Sub's wrapped push (`{"message": {"data": …}, "subscription": …}`) with OIDC authentication, and Gmail's data in it
(`emailAddress`, `historyId`). Which mailbox it is, is a hint; the history id is not read. Knows nothing of accounts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from providers.errors import Malformed
from providers.google.api import base64url, decoded, tell
from providers.google.identity import Keys
from providers.http import Session
from providers.push import Call, Line, Subscription, Switchboard

USER: Final = "/gmail/v1/users/me"
UNITS: Final = {"watch": 100, "stop": 50}  # units a call
#: Gmail promises seven days; more than that is not believed.
LONGEST: Final = timedelta(days=7)
MAX_DATA: Final = 4_096  # characters of a message's data


class _Watch(msgspec.Struct, rename="camel"):
    expiration: str


class _Data(msgspec.Struct, rename="camel"):
    email_address: str


class _Message(msgspec.Struct):
    data: str


class _Wrapped(msgspec.Struct):
    message: _Message
    subscription: str


async def watch(session: Session, line: Line, mailbox: str) -> Subscription:
    """Have everything that happens in the mailbox published; a watch that is there already goes on for seven days more."""
    answer = await tell(session, "POST", USER + "/watch", body={"topicName": line.topic}, calls=UNITS["watch"])
    text, now = decoded(answer.content, _Watch).expiration, session.clock.now()
    if not (text.isascii() and text.isdigit()):
        raise Malformed("Gmail did not say until when it calls.", provider_code="watch")
    ends = min(int(text[:15]) / 1000, (now + LONGEST).timestamp())
    return Subscription(key=named(mailbox), expires_at=datetime.fromtimestamp(ends, UTC))


async def stop(session: Session) -> None:
    """Have nothing of the mailbox published any more."""
    await tell(session, "POST", USER + "/stop", calls=UNITS["stop"])


class Operator:
    """Who answers the line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._keys = Keys()

    async def answer(self, session: Session, call: Call) -> frozenset[str]:
        """The mailbox of a notification, once Google's token has shown that the operator's service account sends it."""
        token = call.headers.get("authorization", "")
        await self._keys.check(session, token, caller=self._line.caller, audience=self._line.audience)
        try:
            data = msgspec.json.decode(call.body, type=_Wrapped).message.data
            if len(data) > MAX_DATA:
                raise Malformed("A notification of Gmail's is not that long.", provider_code="push")
            mailbox = msgspec.json.decode(base64url(data), type=_Data).email_address
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("This is no notification of Gmail's.", provider_code="push") from None
        return frozenset({named(mailbox)})


def named(mailbox: str) -> str:
    """A mailbox as notifications name it, whatever its spelling."""
    return mailbox.strip().lower()


def switchboard(line: Line) -> Switchboard:
    return Operator(line)
