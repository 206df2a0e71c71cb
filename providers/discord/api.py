"""One call of Discord's HTTP API v10: how it is signed, what its errors mean, and how its limits are kept.

A bot may make fifty calls a second, and of each kind in each channel or server as many as the answers' headers say (Developer Docs, "Rate
Limits"): calls of one bucket count together, and one that is empty is not knocked at. Ten thousand refused calls in ten minutes close
Discord to a whole address, so that long before nothing is asked any more. What this process knows of a bot (`Bot`) is the bot's, not a
run's: its limits, and what its line has heard. Knows nothing of messages.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVar

import msgspec

from providers.discord.news import News
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused
from providers.http import Response, Session

KEY: Final = "discord"
HOST: Final = "discord.com"
HOME: Final = "https://discord.com/api/v10"
PORTAL: Final = "https://discord.com/developers/applications"
#: "Clients using the HTTP API must provide a valid User Agent" (Developer Docs, "Reference").
USER_AGENT: Final = "DiscordBot (kithgraph, 10)"
ANSWER_BYTES: Final = 16 * 1024 * 1024
PATIENCE: Final = 30.0  # seconds that a limit is waited out; what is longer ends the run
ATTEMPTS: Final = 5
#: "10,000 invalid requests per 10 minutes": of these only so many, since others may share the address.
INVALID, WINDOW = 1_000, timedelta(minutes=10)
LONGEST: Final = 86_400.0  # seconds; no limit is believed to last longer
BOTS: Final = 1_000  # that a process remembers
ANSWERS: Final = frozenset({200, 201, 204, 400, 401, 403, 404, 429})
#: Discord's JSON error codes (Developer Docs, "Opcodes and Status Codes"): what the bot may not see, and what is gone.
CLOSED: Final = frozenset({"50001", "50013", "50024"})
GONE: Final = frozenset({"10003", "10004", "10008"})
PARTIAL: Final = CLOSED | GONE

Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Entity = TypeVar("Entity")


class Problem(msgspec.Struct, frozen=True):
    """What an answer that is an error says; a limit says how long it lasts, and whether it is that of all calls."""

    code: int = 0
    message: str = ""
    retry_after: float | None = None
    is_global: bool = msgspec.field(default=False, name="global")


class Window(msgspec.Struct):
    """What is left of a bucket until a moment (POSIX seconds)."""

    left: int
    until: float


class Limits:
    """How many calls of each kind a bot has left. A kind is a method and a path without its parts; `major` is the channel or server that
    it is counted for."""

    def __init__(self) -> None:
        self._buckets: dict[str, str] = {}
        self._windows: OrderedDict[tuple[str, str], Window] = OrderedDict()
        self._refused: deque[datetime] = deque()
        self._closed_until = 0.0

    def wait(self, kind: str, major: str, now: float) -> float:
        """Seconds until a call of this kind may be made, 0 when one may be now: it is counted then."""
        if now < self._closed_until:
            return self._closed_until - now
        window = self._windows.get((self._buckets.get(kind, kind), major))
        if window is None or now >= window.until:
            return 0.0
        if window.left <= 0:
            return window.until - now
        window.left -= 1
        return 0.0

    def until_forgiven(self, now: datetime) -> datetime | None:
        """When calls may be made again, where too many were refused."""
        while self._refused and now - self._refused[0] > WINDOW:
            self._refused.popleft()
        return self._refused[0] + WINDOW if len(self._refused) >= INVALID else None

    def told(self, kind: str, major: str, answer: Response, now: datetime) -> None:
        """What an answer's headers say is left."""
        if answer.status in (401, 403) or (answer.status == 429 and answer.headers.get("x-ratelimit-scope") != "shared"):
            self._refused.append(now)
        bucket = str(answer.headers.get("x-ratelimit-bucket", ""))[:200]
        left, after = _number(answer, "x-ratelimit-remaining"), _number(answer, "x-ratelimit-reset-after")
        if bucket and left is not None and after is not None:
            self._buckets[kind] = bucket
            self._put(bucket, major, Window(left=int(left), until=now.timestamp() + after))

    def close(self, kind: str, major: str, until: float, *, everything: bool) -> None:
        """Nothing of this kind, or nothing at all, may be asked before `until` (POSIX seconds)."""
        if everything:
            self._closed_until = max(self._closed_until, until)
        else:
            self._put(self._buckets.get(kind, kind), major, Window(left=0, until=until))

    def _put(self, bucket: str, major: str, window: Window) -> None:
        self._windows[bucket, major] = window
        self._windows.move_to_end((bucket, major))
        while len(self._windows) > 10_000:
            self._windows.popitem(last=False)


class Bot:
    """What a process knows of a bot, whichever run it is for."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.news = News()


_bots: OrderedDict[str, Bot] = OrderedDict()


async def bot_of(session: Session) -> Bot:
    """The bot whose token this is."""
    token = await token_of(session)
    name = hashlib.blake2b(f"{session.account.base_url}\n{token}".encode(), digest_size=16).hexdigest()
    bot = _bots.setdefault(name, Bot())
    _bots.move_to_end(name)
    while len(_bots) > BOTS:
        _bots.popitem(last=False)
    return bot


async def token_of(session: Session) -> str:
    """The bot's token. Raises ReauthRequired for what cannot be one."""
    token = ((await session.credentials()).access_token or "").strip().removeprefix("Bot ").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ReauthRequired("This is no token of a bot. Copy it from the Developer Portal again.", provider_code="token")
    return token


async def ask(session: Session, path: str, kind: type[Entity], *, major: str = "", **parameters: str) -> Entity:
    """What stands at a path, of which `major` is the channel or server. Raises what the error means; its number is the `provider_code`."""
    answer = await call(session, "GET", path, major=major, params=parameters)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


async def call(
    session: Session, verb: Verb, path: str, *, major: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """One call; what changes something is not repeated here but after a limit, which nothing gets past. Raises as `ask`."""
    bot, token = await bot_of(session), await token_of(session)
    kind = f"{verb} {route(path, major)}"
    for attempt in range(1, ATTEMPTS + 1):
        await _room(session, bot.limits, kind, major)
        answer = await session.request(
            verb,
            session.account.base_url.rstrip("/") + path,
            headers={"Authorization": f"Bot {token}", "User-Agent": USER_AGENT, **(headers or {})},
            auth=False,  # the header is another than a person's would be, and redirects are not followed
            follow=False,
            once=verb != "GET",
            accept_statuses=ANSWERS,
            max_bytes=ANSWER_BYTES,
            **more,
        )
        now = session.clock.now()
        bot.limits.told(kind, major, answer, now)
        if answer.status < 400:
            return answer
        error = failure(answer, now)
        if not isinstance(error, RateLimited):
            raise error
        until = (error.retry_at or now).timestamp()
        bot.limits.close(kind, major, until, everything=error.provider_code == "global")
        if attempt == ATTEMPTS or session.interactive or until - now.timestamp() > PATIENCE:
            raise error
    raise AssertionError  # the last attempt returns or raises


def route(path: str, major: str) -> str:
    """A path without its parts: ids and signs count together, the channel or server by itself."""
    parts = path.partition("?")[0].split("/")
    return "/".join("{major}" if part == major and major else "{}" if part.isdigit() or "%" in part else part for part in parts)


def failure(answer: Response, now: datetime) -> ProviderError:
    """The error that an answer stands for."""
    try:
        said = msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = Problem()
    status, code = answer.status, str(said.code) if said.code else str(answer.status)
    words = " ".join(said.message.split())[:200]
    if status == 429:
        everything = said.is_global or answer.headers.get("x-ratelimit-scope") == "global" or not said.message
        seconds = said.retry_after if said.retry_after is not None else _number(answer, "retry-after")
        known = seconds is not None and math.isfinite(seconds)
        at = now + timedelta(seconds=min(max(0.0, seconds or 0.0), LONGEST) if known else 60.0)
        # without a word of Discord's it is the wall before it that says no, for the whole address
        return RateLimited(
            "Discord takes no more calls at the moment.", retry_at=at, provider_code="global" if everything else "429"
        )
    if status == 401:
        return ReauthRequired(
            f"Discord no longer accepts this token: reset it at {PORTAL} → Bot, and link again.", provider_code="401"
        )
    if status == 404:
        return Refused(
            "There is nothing (any more) at this address of Discord.", provider_code=code if said.code else "not-found"
        )
    if code in CLOSED:
        return Refused(f"Discord does not let the bot do this ({words or code}).", provider_code=code)
    if status == 403:
        return Refused(f"Discord does not allow this to the bot ({words or 'it gave no reason'}).", provider_code=code)
    return Refused(f"Discord did not understand the question ({words or 'it gave no reason'}).", provider_code=code)


async def _room(session: Session, limits: Limits, kind: str, major: str) -> None:
    """Waits until a call of this kind may be made. Raises RateLimited where that takes too long."""
    now = session.clock.now()
    if (forgiven := limits.until_forgiven(now)) is not None:
        text = "Discord refused so many calls of this bot that it is left alone for ten minutes: it may close itself to the whole address."
        raise RateLimited(text, retry_at=forgiven, provider_code="refused-often")
    waited = 0.0
    while (seconds := limits.wait(kind, major, session.clock.now().timestamp())) > 0:
        if session.interactive or waited + seconds > PATIENCE:
            at = session.clock.now() + timedelta(seconds=seconds)
            raise RateLimited("Discord takes no more calls of this kind at the moment.", retry_at=at, provider_code="429")
        await session.clock.sleep(seconds)
        waited += seconds


def _number(answer: Response, name: str) -> float | None:
    try:
        number = float(str(answer.headers.get(name, ""))[:30])
    except ValueError:
        return None
    return number if 0.0 <= number < LONGEST else None


def snowflake(text: str) -> int:
    """The number of an id (Developer Docs, "Snowflakes"). Raises Malformed for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise Malformed("Discord gave something an id that is none.", provider_code="id")
    return int(text)
