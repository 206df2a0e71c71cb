"""Microsoft Graph's change notifications (subscription resource, v1.0): a subscription for mail and one for contacts.

Graph calls the address at once with a `validationToken`, which has to come back as plain text; later with notifications that carry our
`clientState`, and with lifecycle notifications: reauthorizationRequired, subscriptionRemoved, missed. Both go to the same address. What
they say of items is not read.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import msgspec

from providers.errors import Malformed
from providers.http import Session
from providers.microsoft import graph
from providers.push import Call, Forged, Heard, Subscription

#: Less than the 4,230 minutes that Graph allows for messages and contacts.
LIFE: Final = timedelta(minutes=4_200)
MAIL: Final = "me/messages"
CONTACTS: Final = "me/contacts"
MAX_TOKEN: Final = 2_048  # characters of a validation token
MAX_NOTICES: Final = 1_000


class _Made(msgspec.Struct, rename="camel"):
    id: str
    expiration_date_time: datetime | None = None


class _Notice(msgspec.Struct, rename="camel"):
    client_state: str = ""
    lifecycle_event: str | None = None


class _Notices(msgspec.Struct):
    value: list[_Notice]


async def subscribe(session: Session, resources: tuple[str, ...], url: str, secret: str, known: str | None) -> Subscription:
    """One subscription for each resource, prolonged where it is known; `known` and the key are JSON: resource → id."""
    before = msgspec.json.decode(known, type=dict[str, str]) if known else {}
    until = (session.clock.now() + LIFE).replace(microsecond=0)
    made = {resource: await _one(session, resource, url, secret, before.get(resource), until) for resource in resources}
    return Subscription(
        key=msgspec.json.encode({resource: one.id for resource, one in made.items()}).decode(),
        expires_at=min((one.expiration_date_time or until for one in made.values()), default=until),
    )


async def _one(session: Session, resource: str, url: str, secret: str, known: str | None, until: datetime) -> _Made:
    ends = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    if known is not None:
        path = f"/subscriptions/{quote(known, safe='')}"
        answer = await graph.tell(session, "PATCH", path, {"expirationDateTime": ends}, accept=frozenset({404}))
        if answer.status != 404:
            return graph.decoded(answer.content, _Made)
    body = {
        "changeType": "created,updated,deleted", "notificationUrl": url, "lifecycleNotificationUrl": url, "resource": resource,
        "expirationDateTime": ends, "clientState": secret,
    }  # fmt: skip
    answer = await graph.tell(session, "POST", "/subscriptions", body)
    return graph.decoded(answer.content, _Made)


async def hear(session: Session, call: Call, secret: str) -> Heard:
    """What Graph says. Raises Forged for a notification without our client state, Malformed for none at all."""
    token = call.query.get("validationToken")
    if token is not None:
        if len(token) > MAX_TOKEN:
            raise Malformed("A validation token is not that long.")
        return Heard(echo=token)
    try:
        notices = msgspec.json.decode(call.body, type=_Notices).value
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed("This is no change notification of Microsoft Graph.") from None
    if not notices or len(notices) > MAX_NOTICES:
        raise Malformed("A change notification has between one and a thousand items.")
    for notice in notices:
        if not hmac.compare_digest(notice.client_state.encode(), secret.encode()):
            raise Forged
    events = {notice.lifecycle_event for notice in notices}
    return Heard(hint=bool(events & {None, "missed", "subscriptionRemoved"}), renew=bool(events - {None, "missed"}))
