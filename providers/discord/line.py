"""Discord's Gateway: a line that stays open and tells what happens where the bot is, as hints (Developer Docs, "Gateway").

A session outlives its connection for a while: it is taken up again with the number of the last event that came, and Discord repeats what
was missed. Where it takes none up again, a new one begins, and the next run looks for what was missed (`news.py`). Only where
something happened is noted, and in which message; what it says is asked for by calls. So the line needs no privileged intent but
that for members, where the bot has it: asking for one that it has not been given ends it (4014).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from providers.discord.api import PORTAL, ask, bot_of, token_of
from providers.discord.message import MEMBERS
from providers.discord.news import CHANNELS, DELETED, RENEWED, Event, News
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Session

if TYPE_CHECKING:
    from providers.web_socket import WebSocket

#: "Application Flags": the privileged intents, each as a verified bot has it and as one in fewer than a hundred servers has it.
PEOPLE: Final = 1 << 14 | 1 << 15
CONTENT: Final = 1 << 18 | 1 << 19
#: "List of Intents": guilds, messages and reactions in them and in direct conversations; members.
INTENTS: Final = 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13
MEMBERS_INTENT: Final = 1 << 1
REALM: Final = "discord.gg"  # where the line is, and the token may go
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
#: "Gateway Close Event Codes" after which no new connection is tried, and what to do.
FATAL: Final[dict[str, tuple[type[ProviderError], str]]] = {
    "4004": (ReauthRequired, f"Discord no longer accepts this token: reset it at {PORTAL} → Bot, and link again."),
    "4010": (Refused, "Discord does not know the part of the bot's servers that was asked for. The bot is polled."),
    "4011": (Refused, "The bot is in too many servers for one line. It is polled."),
    "4012": (Refused, "Discord has closed this version of its line: Kith needs an update. The bot is polled."),
    "4013": (Refused, "Discord does not know what the line was asked to tell. The bot is polled."),
    "4014": (
        Refused,
        f"The bot was not given what its line asked for: switch “Server Members Intent” off and on again at {PORTAL} → Bot.",
    ),
}
#: Codes after which a session is not taken up again.
OVER: Final = frozenset({"1000", "1001", "4003", "4007", "4009"})
OURS: Final = 4_000  # how we end a connection; with 1000 or 1001 Discord would end its session, too
HELLO_SECONDS: Final = 20.0
READY_SECONDS: Final = 60.0
SHORTEST, LONGEST = 0.02, 600.0  # seconds between heartbeats that are believed
JITTER: Final = 0.5  # of the first one: there are no thousands of us
INVALID_SECONDS: Final = 3.0  # "between 1 and 5 seconds" ("Invalid Session")
IDENTIFY_SECONDS: Final = 5.0  # between two sessions of a bot ("Rate Limiting")
TOGETHER: Final = 0.2  # seconds in which events that come together are one hint
EVERY: Final = 2.0  # seconds from one hint to the next
FAILURES: Final = 4  # connections in a row that came to nothing
CHANGED: Final = frozenset(
    {"MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE",
     "MESSAGE_REACTION_REMOVE_ALL", "MESSAGE_REACTION_REMOVE_EMOJI"}
)  # fmt: skip
LISTS: Final = frozenset({"GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "THREAD_LIST_SYNC"})
ONE_CHANNEL: Final = frozenset({"CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE"})
PEOPLE_CHANGED: Final = frozenset({"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_UPDATE"})


class Application(msgspec.Struct, frozen=True):
    flags: int = 0


class Starts(msgspec.Struct, frozen=True):
    """ "Session Start Limit": how often a session may begin; `reset_after` in milliseconds."""

    remaining: int = 1
    reset_after: int = 0


class Entrance(msgspec.Struct, frozen=True):
    url: str
    session_start_limit: Starts = Starts()


class Frame(msgspec.Struct, frozen=True):
    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    s: int | None = None
    t: str | None = None


class Hello(msgspec.Struct, frozen=True):
    heartbeat_interval: float


class Ready(msgspec.Struct, frozen=True):
    session_id: str
    resume_gateway_url: str


class Happened(msgspec.Struct, frozen=True):
    """What all events about messages have in common."""

    channel_id: str = ""
    id: str = ""
    ids: list[str] = []
    message_id: str = ""


async def watch(session: Session) -> AsyncGenerator[None]:
    """One hint when the line is open, and one whenever something happened. Raises ProviderError when it cannot be kept."""
    session.realm = (REALM,)
    flags = (await ask(session, "/applications/@me", Application)).flags
    line = Line(session, (await bot_of(session)).news, INTENTS | (MEMBERS_INTENT if flags & PEOPLE else 0))
    try:
        async with aclosing(line.hints()) as hints:
            async for hint in hints:
                yield hint
    finally:
        line.end()


class Line:
    """One bot's line, over as many connections as it takes."""

    def __init__(self, session: Session, news: News, intents: int) -> None:
        self._session = session
        self._news = news
        self._intents = intents
        self._id = ""  # of the session, empty where one has to begin
        self._number: int | None = None
        self._again = ""  # where it is taken up again
        self._failures = 0
        self._begun = 0  # sessions
        self._open = False

    async def hints(self) -> AsyncGenerator[None]:
        while True:
            try:
                async with self._session.web_socket(f"{await self._address()}?v=10&encoding=json", ended=OURS) as line:
                    async with aclosing(self._listen(line)) as hints:
                        async for hint in hints:
                            yield hint
            except Unavailable as error:
                code = error.provider_code or ""
                if code in FATAL:
                    kind, text = FATAL[code]
                    raise kind(text, provider_code=code) from error
                if code in OVER:
                    self.end()
                self._failures += 1
                if self._failures > FAILURES or code == "circuit-open":
                    raise
                if self._failures > 1:
                    await self._session.clock.sleep(2.0 ** (self._failures - 1))

    def end(self) -> None:
        """The session is over: what happens from now on is looked for."""
        self._news.end(self._id)
        self._id, self._number = "", None

    async def _address(self) -> str:
        """Where to connect. Raises RateLimited where no session may begin."""
        if self._id:
            return self._again
        if self._begun:
            await self._session.clock.sleep(IDENTIFY_SECONDS)
        self._begun += 1
        entrance = await ask(self._session, "/gateway/bot", Entrance)
        limit = entrance.session_start_limit
        if limit.remaining <= 0:
            at = self._session.clock.now() + timedelta(milliseconds=min(max(0, limit.reset_after), 86_400_000))
            raise RateLimited(
                "Discord begins no more sessions of this bot today. It is polled.", retry_at=at, provider_code="sessions"
            )
        return entrance.url

    async def _listen(self, line: WebSocket) -> AsyncGenerator[None]:
        """Hints from one connection. Raises Unavailable when it ends."""
        loop = asyncio.get_running_loop()
        interval = await self._hello(line)
        await line.send(await self._greeting())
        self._open = False
        beat, answered, hint, hinted = loop.time() + interval * JITTER, True, float("inf"), -EVERY
        ready = loop.time() + READY_SECONDS
        while True:
            now = loop.time()
            if now >= hint:
                hint, hinted = float("inf"), now
                yield None
                continue
            if now >= beat:
                if not answered:
                    raise Unavailable("Discord's line is dead.", provider_code="no-heartbeat")
                await self._beat(line)
                beat, answered = now + interval, False
            if now >= ready and not self._open:
                raise Unavailable("Discord's line does not begin.", provider_code="timeout")
            data = await line.receive(min(beat, hint) - now)
            if data is None:
                continue
            frame = _decoded(data, Frame)
            answered = answered or frame.op == ACK
            if frame.op == DISPATCH and self._dispatched(frame):
                hint = min(hint, max(now + TOGETHER, hinted + EVERY))
            elif frame.op == HEARTBEAT:
                await self._beat(line)
            elif frame.op == RECONNECT:
                raise Unavailable("Discord asks for a new connection.", provider_code="reconnect")
            elif frame.op == INVALID_SESSION:
                if bytes(frame.d) != b"true":
                    self.end()
                await self._session.clock.sleep(INVALID_SECONDS)
                raise Unavailable("Discord does not take the session up.", provider_code="invalid-session")

    async def _hello(self, line: WebSocket) -> float:
        """Seconds between heartbeats."""
        data = await line.receive(HELLO_SECONDS)
        frame = _decoded(data, Frame) if data is not None else None
        if frame is None or frame.op != HELLO:
            raise Unavailable("Discord's line does not begin.", provider_code="hello")
        hello: Hello = _decoded(frame.d, Hello)
        return min(max(SHORTEST, hello.heartbeat_interval / 1000), LONGEST)

    async def _greeting(self) -> bytes:
        token = await token_of(self._session)
        if self._id:
            return _said(RESUME, {"token": token, "session_id": self._id, "seq": self._number})
        properties = {"os": "linux", "browser": "kith", "device": "kith"}
        return _said(IDENTIFY, {"token": token, "intents": self._intents, "properties": properties})

    async def _beat(self, line: WebSocket) -> None:
        await line.send(_said(HEARTBEAT, self._number))

    def _dispatched(self, frame: Frame) -> bool:
        """Notes an event; whether it is worth a hint."""
        if frame.s is not None:
            self._number = frame.s
        number = self._number or 0
        if frame.t == "READY":
            ready = _decoded(frame.d, Ready)
            self._id, self._again, self._failures, self._open = ready.session_id, ready.resume_gateway_url, 0, True
            self._news.begin(self._id, number)
            return True
        if frame.t == "RESUMED":
            self._failures, self._open = 0, True
        found = list(_events(frame, number))
        for event in found:
            self._news.add(self._id, event)
        if not found:
            self._news.passed(self._id, number)
        return bool(found)


def _events(frame: Frame, number: int) -> list[Event]:
    kind = frame.t or ""
    if kind in LISTS:
        return [Event(number, what=CHANNELS)]
    if kind in PEOPLE_CHANGED:
        return [Event(number, what=MEMBERS)]
    if kind in ONE_CHANNEL:
        return [Event(number, _decoded(frame.d, Happened).id, what=RENEWED)]
    if kind in ("CHANNEL_DELETE", "THREAD_DELETE"):
        return [Event(number, _decoded(frame.d, Happened).id, what=DELETED)]
    if kind == "MESSAGE_CREATE":
        return [Event(number, _decoded(frame.d, Happened).channel_id)]
    if kind in CHANGED:
        said = _decoded(frame.d, Happened)
        return [Event(number, said.channel_id, id_) for id_ in (said.ids or [said.message_id or said.id])]
    return []


def _decoded(data: bytes | msgspec.Raw, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("Discord's line says something that it should not.", provider_code="line") from None


def _said(op: int, d: Any) -> bytes:
    return msgspec.json.encode({"op": op, "d": d})
