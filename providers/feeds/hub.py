"""WebSub, the subscriber's side (W3C Recommendation of 23 January 2018): a feed that names a hub has us called when it changes.

A hub is found each time before it is asked (§4, §6.1), asked by a form (§5.1), and has promised nothing until it has asked back (§5.3). Who we
are is the address that it is given, which nobody can guess, and what it delivers is signed with a secret that no other hub has (§7.1). The
body of a delivery is not read: it is a hint, and what the feed says is asked of the feed. A hub that is dead, silent or lies costs a
request now and then, and nothing else: the feed is looked at all the same. Knows nothing of entries and of when they are looked at.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx2 as httpx
import msgspec

from providers.errors import Malformed, ProviderError
from providers.feeds.document import web
from providers.feeds.fetch import redirected
from providers.feeds.schedule import postponed
from providers.http import MAX_REDIRECTS, SUCCESS, Response, Session, all_links
from providers.push import Call, Heard, Subscription, Unasked

#: What is asked for; hubs give what they like (§5.1).
LEASE: Final = timedelta(days=10)
#: What is believed of a hub, and what is taken for said by one that says nothing.
LONGEST_LEASE: Final = timedelta(days=30)
UNSAID_LEASE: Final = timedelta(days=1)
#: A promise is prolonged at half its time, however short it is not sooner than that.
SOONEST: Final = timedelta(hours=1)
#: Until a feed without a hub, or one whose hub has said no, is asked whether it has another one.
MUCH_LATER: Final = timedelta(days=7)
MAX_HUBS: Final = 4
MAX_TOPIC: Final = 2_000  # characters
MAX_CHALLENGE: Final = 1_000
MAX_ANSWER: Final = 64 * 1024  # bytes; nothing of it is read
FORWARDS: Final = frozenset({307, 308})  # §5.1.2
#: §7.1.1. Most hubs sign with SHA-1; a hint can be no worse than useless.
ALGORITHMS: Final = frozenset({"sha1", "sha256", "sha384", "sha512"})


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed says of itself: its hubs, the preferred first, and the address that they know it by."""

    hubs: tuple[str, ...]
    topic: str


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of the account: what was asked of which hub, until when that has promised to call, and when to see to it `again`.

    `tries` have come to nothing since a hub last asked back.
    """

    hub: str = ""
    topic: str = ""
    until: datetime | None = None
    again: datetime | None = None
    tries: int = 0


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Our name for a subscription, as JSON: §1 knows it by topic and callback. Without a hub there is none."""

    callback: str
    hub: str = ""
    topic: str = ""


def named(response: Response, hubs: Iterable[str], topic: str | None) -> Named | None:
    """What the answer with a feed names, its Link header first, then the document (§4); None where either is missing."""
    said = all_links(response.headers.get("link", ""), response.url)
    in_header = [target for relation, target in said if relation == "hub"]
    itself = next((target for relation, target in said if relation == "self"), topic)
    found = [hub for each in in_header or hubs if (hub := web(each))][:MAX_HUBS]
    if not found or itself is None or web(itself) is None or len(itself) > MAX_TOPIC:
        return None
    return Named(hubs=tuple(dict.fromkeys(each for hub in found for each in _ways(hub))), topic=itself)


async def subscribe(session: Session, found: Named | None, url: str, secret: str) -> Subscription:
    """Ask a hub of the feed to call `url`. It has promised nothing yet: that it does when it asks back, at once or later (`hear`).

    Raises ProviderError where it did not take the request, with the time of the next try.
    """
    asked, now = await recalled(session), session.clock.now()
    if found is None:
        again = now + MUCH_LATER
        await _remember(session, Asked(again=again))
        return Subscription(key=_name(Known(callback=url)), expires_at=now, again=again)
    # one that has kept its word is asked again; of several that have not, each in its turn
    kept = asked.hub in found.hubs and not asked.tries
    hub = asked.hub if kept else found.hubs[asked.tries % len(found.hubs)]
    tries = asked.tries + 1
    again = postponed(now, tries)
    until = asked.until if (hub, found.topic) == (asked.hub, asked.topic) else None
    # it may ask back before it answers
    await _remember(session, Asked(hub=hub, topic=found.topic, until=until, again=again, tries=tries))
    form = {
        "hub.callback": url, "hub.mode": "subscribe", "hub.topic": found.topic,
        "hub.lease_seconds": str(int(LEASE.total_seconds())), "hub.secret": given(secret, hub, found.topic),
    }  # fmt: skip
    try:
        await _tell(session, hub, form)
    except ProviderError as error:
        error.retry_at = again if error.retry_at is None else max(error.retry_at, again)
        raise
    asked = await recalled(session)
    name = _name(Known(callback=url, hub=hub, topic=found.topic))
    return Subscription(key=name, expires_at=asked.until or now, again=asked.again or again)


async def standing(session: Session, url: str, known: str | None) -> Subscription | None:
    """The subscription to `url` as it stands; None when it is to be seen to."""
    asked, now = await recalled(session), session.clock.now()
    held = _held(known)
    if known is None or held is None or held.callback != url or asked.again is None or now >= asked.again:
        return None
    return Subscription(key=known, expires_at=asked.until or now, again=asked.again)


async def postpone(session: Session, error: ProviderError) -> None:
    """The feed could not be asked for its hub: so `error` says when to do so again."""
    asked, now = await recalled(session), session.clock.now()
    later = postponed(now, asked.tries + 1)
    await _remember(session, msgspec.structs.replace(asked, tries=asked.tries + 1, again=later))
    error.retry_at = later if error.retry_at is None else max(error.retry_at, later)


async def leave(session: Session) -> None:
    """Ask the hub to call no more (§5.1). It asks back: then, and ever after, that is agreed to. Raises ProviderError."""
    held = _held(await session.inbox.subscription())
    await _remember(session, Asked())
    if held is not None and held.hub:
        await _tell(
            session, held.hub, {"hub.callback": held.callback, "hub.mode": "unsubscribe", "hub.topic": held.topic}
        )  # fmt: skip


async def hear(session: Session, call: Call, secret: str) -> Heard:
    """What a hub says: that it asks whether we asked (§5.3), that it will not call (§5.2), or that the feed has changed (§7).

    A delivery that our secret did not sign is acknowledged and ignored (§7.1.2). Its Link headers are not signed, and say nothing of whom it is
    meant for (§7). Raises Unasked for what we did not ask for, Malformed for what is no call of a hub.
    """
    asked = await recalled(session)
    mode = call.query.get("hub.mode")
    if mode is None:
        if not asked.hub or not _is_signed(call, given(secret, asked.hub, asked.topic)):
            return Heard()
        return Heard(hint=True, keep=hashlib.blake2b(call.body, digest_size=8).digest())
    now, topic = session.clock.now(), call.query.get("hub.topic", "")
    ours = bool(asked.hub) and topic == asked.topic
    if mode == "denied":
        if not ours:
            return Heard()
        await _remember(session, msgspec.structs.replace(asked, until=None, again=now + MUCH_LATER, tries=asked.tries or 1))
        return Heard(until=now)
    if mode == "unsubscribe":
        if ours:
            raise Unasked
        return Heard(echo=_challenge(call))
    if mode != "subscribe":
        raise Malformed("A hub subscribes, unsubscribes or denies.", provider_code="push")
    if not ours:
        raise Unasked
    echo, lease = _challenge(call), _lease(call.query.get("hub.lease_seconds", ""))
    until = now + lease
    await _remember(session, msgspec.structs.replace(asked, until=until, again=now + max(lease / 2, SOONEST), tries=0))
    return Heard(echo=echo, until=until)


def unheard(call: Call) -> str | None:
    """What a hub is answered at an address that is nobody's any more: that it is not to call there is agreed to whatever its topic."""
    try:
        return _challenge(call) if call.query.get("hub.mode") == "unsubscribe" else None
    except Malformed:
        return None


async def recalled(session: Session) -> Asked:
    try:
        return msgspec.json.decode(await session.memory.read() or b"{}", type=Asked)
    except msgspec.MsgspecError:
        return Asked()  # it is asked for anew


def given(secret: str, hub: str, topic: str) -> str:
    """The secret of one hub for one topic, of 64 characters (§5.1: less than 200 bytes): who called before cannot sign what this one does."""
    return hmac.new(secret.encode(), f"{hub}\n{topic}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


async def _remember(session: Session, asked: Asked) -> None:
    await session.memory.keep(msgspec.json.encode(asked))


async def _tell(session: Session, hub: str, form: Mapping[str, str]) -> None:
    """A request to a hub, along those that it leads to (§5.1.2)."""
    for _ in range(MAX_REDIRECTS):
        response = await session.request(
            "POST",
            hub,
            form=form,
            auth=False,
            accept_statuses={*SUCCESS, *FORWARDS},
            max_bytes=MAX_ANSWER,
            follow=False,
            stranger=True,
        )
        if response.status not in FORWARDS:
            return
        hub = redirected(hub, response)
    raise Malformed(f"{httpx.URL(hub).host} redirects in circles.", provider_code="redirects")


def _ways(hub: str) -> Iterable[str]:
    """§8.2: by TLS where there may be some, although the feed does not say so."""
    if hub.startswith("http://") and httpx.URL(hub).port is None:
        yield "https" + hub.removeprefix("http")
    yield hub


def _is_signed(call: Call, secret: str) -> bool:
    """§7.1: `method=signature`, the HMAC of the body as it came, in hexadecimal."""
    method, _, signature = call.headers.get("x-hub-signature", "").strip().partition("=")
    if method.lower() not in ALGORITHMS:
        return False
    right = hmac.new(secret.encode(), call.body, method.lower()).hexdigest()
    return hmac.compare_digest(signature.strip().lower().encode("utf-8", "surrogatepass"), right.encode())


def _challenge(call: Call) -> str:
    challenge = call.query.get("hub.challenge", "")
    if not 0 < len(challenge) <= MAX_CHALLENGE or not challenge.isprintable():
        raise Malformed("This is no challenge of a hub's.", provider_code="push")
    return challenge


def _lease(said: str) -> timedelta:
    """How long a hub will call, from now on (§5.3)."""
    if not (said.isascii() and said.isdigit()):
        return UNSAID_LEASE
    return min(timedelta(seconds=int(said[:9])), LONGEST_LEASE)


def _name(known: Known) -> str:
    return msgspec.json.encode(known).decode()


def _held(known: str | None) -> Known | None:
    try:
        return None if known is None else msgspec.json.decode(known, type=Known)
    except msgspec.MsgspecError:
        return None
