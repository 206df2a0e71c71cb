"""A stub of Discord: its HTTP API, held to its official OpenAPI description in tests/contracts/discord, and its Gateway.

It keeps servers, channels, threads, members and messages, tells in each answer's headers what is left of its bucket, and takes a call that
an empty bucket, the fifty a second or a channel's lock would have stopped for a violation. Whatever is said, edited, deleted or reacted
with is told on the Gateway's lines, as far as their intents go, and repeated to who takes a session up.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from tests.ports import free_port
from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "discord" / "openapi.json"
ME = "900000000000000001"
GUILD = "800000000000000001"
EPOCH = 1_420_070_400.0
PEOPLE, CONTENT = 1 << 15, 1 << 19
#: The path without variables → calls in five seconds of each channel or server.
ALLOWED = {"/channels/{channel_id}/messages": 5, "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me": 2}
EVERY, SECONDS = 10, 5.0
#: What each event takes ("List of Intents").
NEEDED = {"GUILD_MEMBER_ADD": 1 << 1, "GUILD_MEMBER_REMOVE": 1 << 1, "MESSAGE": 1 << 9, "MESSAGE_REACTION": 1 << 10}

Item = dict[str, Any]


def problem(status: int, code: int, message: str = "No.", **more: Any) -> Answer:
    return Answer(status, {"code": code, "message": message, **more})


class Discord:
    """A bot's Discord. `now` tells the time (POSIX seconds)."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.url = ""
        self.now = now
        self.description = Description(CONTRACT)
        self.token = "token-1"
        self.flags = PEOPLE | CONTENT
        self.users: dict[str, Item] = {}
        self.me = self.user(ME, "kithbot", bot=True)
        self.guilds: dict[str, str] = {}
        self.channels: dict[str, Item] = {}
        self.members: dict[str, dict[str, Item]] = {}
        self.messages: dict[str, list[Item]] = {}
        self.signs: dict[tuple[str, str], list[str]] = {}  # (message, sign) → users
        self.closed: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.nonces: dict[str, Item] = {}
        self.troubled: dict[str, list[Answer]] = {}
        self.calls: list[tuple[float, str, str]] = []
        self.violations: list[str] = []
        self.lenient = False
        self._spent: dict[tuple[str, str], list[float]] = {}
        self._numbers = 0
        self.gateway = Gateway(self)

    # --- what it holds ----------------------------------------------------------------------------------------------

    def user(self, number: str, name: str, **more: Any) -> Item:
        self.users[number] = {
            "id": number, "username": name, "discriminator": "0", "global_name": None, "avatar": None, "public_flags": 0, "flags": 0,
            "primary_guild": None, **more,
        }  # fmt: skip
        return self.users[number]

    def guild(self, number: str = GUILD, name: str = "Boats") -> str:
        self.guilds[number] = name
        self.members.setdefault(number, {})
        self.member(ME, guild=number)
        return number

    def member(self, user: str, name: str | None = None, *, guild: str = GUILD, nick: str | None = None, **more: Any) -> str:
        if user not in self.users:
            self.user(user, name or f"user{user[-4:]}", **more)
        self.members[guild][user] = {
            "avatar": None, "banner": None, "communication_disabled_until": None, "flags": 0, "joined_at": "2024-05-01T10:00:00+00:00",
            "nick": nick, "pending": False, "premium_since": None, "roles": [], "user": self.users[user], "mute": False, "deaf": False,
        }  # fmt: skip
        return user

    def channel(self, number: str, name: str = "general", *, kind: int = 0, guild: str = GUILD, **more: Any) -> str:
        made: Item = {"id": number, "type": kind, "flags": 0, "last_message_id": None}
        if kind == 1:
            made |= {"recipients": [self.users[more.pop("user")]]}
        else:
            made |= {"guild_id": guild, "name": name, "position": len(self.channels), "permission_overwrites": [], **more}
        self.channels[number] = made
        self.messages.setdefault(number, [])
        return number

    def thread(self, number: str, parent: str, name: str = "A thread", *, archived: float | None = None) -> str:
        state = {
            "archived": archived is not None,
            "archive_timestamp": stamp(archived or self.now()),
            "auto_archive_duration": 60,
            "locked": False,
        }
        self.channel(
            number,
            name,
            kind=11,
            parent_id=parent,
            owner_id=ME,
            thread_metadata=state,
            message_count=0,
            member_count=1,
            total_message_sent=0,
        )
        del self.channels[number]["position"], self.channels[number]["permission_overwrites"]
        return number

    def say(self, channel: str, user: str, text: str, at: float | None = None, **more: Any) -> str:
        self._numbers += 1
        moment = self.now() if at is None else at
        number = str((int((moment - EPOCH) * 1000) << 22) + self._numbers)
        said: Item = {
            "id": number, "channel_id": channel, "author": self.users[user], "type": 0, "content": text, "mentions": [], "mention_roles": [],
            "attachments": [], "embeds": [], "timestamp": stamp(moment), "edited_timestamp": None, "flags": 0, "components": [],
            "pinned": False, "mention_everyone": False, "tts": False, **more,
        }  # fmt: skip
        self.messages[channel].append(said)
        self.messages[channel].sort(key=lambda each: int(each["id"]))
        self.channels[channel]["last_message_id"] = self.messages[channel][-1]["id"]
        self._tell("MESSAGE_CREATE", channel, {**said})
        return number

    def edit(self, channel: str, number: str, text: str) -> None:
        said = self._message(channel, number)
        assert said is not None
        said |= {"content": text, "edited_timestamp": stamp(self.now())}
        self._tell("MESSAGE_UPDATE", channel, {**said})

    def delete(self, channel: str, number: str) -> None:
        said = self._message(channel, number)
        if said is not None:
            self.messages[channel].remove(said)
            self._tell("MESSAGE_DELETE", channel, {"id": number, "channel_id": channel})

    def react(self, channel: str, number: str, user: str, name: str, emoji: str | None = None) -> None:
        sign = name if emoji is None else f"{name}:{emoji}"
        users = self.signs.setdefault((number, sign), [])
        if user not in users:
            users.append(user)
        self._tell(
            "MESSAGE_REACTION_ADD",
            channel,
            {"user_id": user, "channel_id": channel, "message_id": number, "emoji": {"name": name}},
        )

    def close(self, channel: str) -> None:
        self.closed.add(channel)

    def _tell(self, name: str, channel: str, said: Item) -> None:
        guild = self.channels[channel].get("guild_id")
        self.gateway.push(name, said | ({"guild_id": guild} if guild else {}), direct=not guild)

    def _message(self, channel: str, number: str) -> Item | None:
        return next((each for each in self.messages.get(channel, ()) if each["id"] == number), None)

    def keys(self) -> set[str]:
        """The keys of all that a mirror should hold."""
        people = {user for guild in self.guilds for user, each in self.members[guild].items() if not each["user"].get("bot")}
        said = {
            each["id"]
            for channel, all_ in self.messages.items()
            if channel not in self.closed
            for each in all_
            if each["type"] == 0
        }
        return people | said

    # --- answers ----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/cdn/"):
            return Answer(200, self.files[request.path])
        template, values = self._template(request)
        operation = self.description.operation(request.method, template)
        if operation is None:
            self.violations.append(f"{request.method} {request.path} is no call that the description has")
            return problem(404, 0)
        self.violations += self.description.faults(operation, request)
        if not re.fullmatch(r"DiscordBot \([^,()]+, [^,()]+\)", request.headers.get("user-agent", "")):
            self.violations.append("the user agent is not as it must be")
        if "requestBody" in operation:
            self.description.check(
                operation["requestBody"]["content"]["application/json"]["schema"], self._body(request)[0], "body"
            )
        if self.troubled.get(template):
            return self.troubled[template].pop(0)
        now, major = self.now(), values[0] if template.startswith(("/channels/{", "/guilds/{")) else ""
        self.calls.append((now, f"{request.method} {template}", major))
        if not self.lenient and sum(1 for at, *_ in self.calls if now - at < 1.0) > 50:
            self.violations.append("more than fifty calls in a second")
        rates = self._rates(f"{request.method} {template}", template, major, now)
        if int(rates["X-RateLimit-Remaining"]) < 0:
            self.violations.append(f"{request.method} {template} was called though its bucket was empty")
            return problem(429, 0, "You are being rate limited.", retry_after=1.0, **{"global": False})
        if request.headers.get("authorization") != f"Bot {self.token}":
            return problem(401, 0, "401: Unauthorized")
        if major in self.closed:
            return problem(403, 50001, "Missing Access")
        said: Answer = getattr(self, "_" + operation["operationId"])(request, values)
        said.headers.update(rates)
        if said.status == 200:
            self.description.check(self.description.schema(operation), json.loads(said.content), template)
        return said

    def _rates(self, kind: str, template: str, major: str, now: float) -> dict[str, str]:
        limit = 10**6 if self.lenient else ALLOWED.get(template, EVERY)
        spent = self._spent.setdefault((kind, major), [])
        spent[:] = [at for at in spent if now - at < SECONDS] + [now]
        return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(limit - len(spent)), "X-RateLimit-Reset": str(spent[0] + SECONDS),
                "X-RateLimit-Reset-After": f"{spent[0] + SECONDS - now:.3f}", "X-RateLimit-Bucket": f"bucket-{abs(hash(kind))}"}  # fmt: skip

    def _get_my_user(self, request: Request, values: list[str]) -> Answer:
        return Answer(200, {**self.me, "mfa_enabled": False, "locale": "en-US"})

    def _get_my_application(self, request: Request, values: list[str]) -> Answer:
        return Answer(200, {
            "id": ME, "name": "Kith", "icon": None, "description": "", "type": None, "verify_key": "x", "flags": self.flags,
            "flags_new": str(self.flags), "redirect_uris": [], "interactions_endpoint_url": None, "role_connections_verification_url": None,
            "owner": self.me, "approximate_guild_count": 1, "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0, "team": None, "eligible_oauth2_scopes": [],
        })  # fmt: skip

    def _list_my_guilds(self, request: Request, values: list[str]) -> Answer:
        found: list[Item] = [
            {"id": number, "name": name, "icon": None, "banner": None, "owner": False, "permissions": "1024", "features": []}
            for number, name in sorted(self.guilds.items(), key=lambda one: int(one[0]))
        ]
        return Answer(200, self._after(found, request, 200))

    def _list_guild_channels(self, request: Request, values: list[str]) -> Answer:
        return Answer(200, [each for each in self._of(values[0]) if each["type"] != 11])

    def _get_active_guild_threads(self, request: Request, values: list[str]) -> Answer:
        found = [each for each in self._threads(values[0]) if not each["thread_metadata"]["archived"]]
        return Answer(200, {"threads": found, "members": [], "has_more": False})

    def _list_public_archived_threads(self, request: Request, values: list[str]) -> Answer:
        found = [
            each
            for each in self._threads(self.channels[values[0]]["guild_id"])
            if each["parent_id"] == values[0] and each["thread_metadata"]["archived"]
        ]
        found.sort(key=lambda each: each["thread_metadata"]["archive_timestamp"], reverse=True)
        found = [
            each
            for each in found
            if not request.one("before") or each["thread_metadata"]["archive_timestamp"] < request.one("before")
        ]
        limit = int(request.one("limit", "50"))
        return Answer(200, {"threads": found[:limit], "members": [], "has_more": len(found) > limit})

    def _list_my_private_archived_threads(self, request: Request, values: list[str]) -> Answer:
        return Answer(200, {"threads": [], "members": [], "has_more": False})

    def _list_guild_members(self, request: Request, values: list[str]) -> Answer:
        if not self.flags & PEOPLE:
            self.violations.append("members were asked for without the intent")
            return problem(403, 50001, "Missing Access")
        found = [{**each, "id": number} for number, each in sorted(self.members[values[0]].items(), key=lambda one: int(one[0]))]
        return Answer(200, [{name: each[name] for name in each if name != "id"} for each in self._after(found, request, 1)])

    def _get_channel(self, request: Request, values: list[str]) -> Answer:
        found = self.channels.get(values[0])
        return Answer(200, found) if found is not None else problem(404, 10003, "Unknown Channel")

    def _list_messages(self, request: Request, values: list[str]) -> Answer:
        if values[0] not in self.channels:
            return problem(404, 10003, "Unknown Channel")
        if sum(1 for name in ("before", "after", "around") if request.one(name)) > 1:
            self.violations.append("only one of before, after and around may be given")
        limit, after = int(request.one("limit", "50")), request.one("after")
        before = int(request.one("before") or 2**64)
        found = [each for each in self.messages[values[0]] if int(after or "0") < int(each["id"]) < before]
        return Answer(200, [self._shown(each) for each in reversed(found[:limit] if after else found[-limit:])])

    def _get_message(self, request: Request, values: list[str]) -> Answer:
        said = self._message(values[0], values[1])
        return Answer(200, self._shown(said)) if said is not None else problem(404, 10008, "Unknown Message")

    def _create_message(self, request: Request, values: list[str]) -> Answer:
        body, files = self._body(request)
        if not (files or body["content"]) or len(body["content"]) > 2000 or body["allowed_mentions"].get("parse") != []:
            self.violations.append(f"a message of {body}")
        known = self.nonces.get(body["nonce"]) if body["enforce_nonce"] else None
        if known is None:
            reference = body.get("message_reference")
            more: Item = {}
            if reference is not None:
                more = {
                    "type": 19,
                    "message_reference": {"type": 0, "channel_id": values[0], "message_id": reference["message_id"]},
                }
            more["attachments"] = [self._put(name, data) for name, data in files]
            number = self.say(values[0], ME, body["content"], **more)
            known = self.nonces[body["nonce"]] = self._message(values[0], number) or {}
        cut = self.troubled.get("after sending")
        return cut.pop(0) if cut else Answer(200, {**self._shown(known), "nonce": body["nonce"]})

    def _body(self, request: Request) -> tuple[Item, list[tuple[str, bytes]]]:
        """The JSON of a request, and the files of a form (RFC 7578) with it."""
        kind = request.headers["content-type"]
        if kind == "application/json":
            return json.loads(request.body), []
        form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body, policy=HTTP)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.iter_parts()}
        operation = self.description.operation("POST", "/channels/{channel_id}/messages") or {}
        known = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["allOf"][1]["properties"]
        self.violations += [f"a form has no part {name}" for name in parts if name not in known and name != "payload_json"]
        said = json.loads(parts.pop("payload_json").get_content())
        return said, [(str(part.get_filename()), bytes(part.get_payload(decode=True))) for part in parts.values()]

    def _put(self, name: str, data: bytes) -> Item:
        number = str(len(self.files) + 1)
        shown = name.replace(" ", "_")
        self.files[f"/cdn/{number}"] = data
        return {"id": number, "filename": shown, "size": len(data), "url": f"{self.url}/cdn/{number}", "proxy_url": "x"}

    def _update_message(self, request: Request, values: list[str]) -> Answer:
        said = self._message(values[0], values[1])
        if said is None:
            return problem(404, 10008, "Unknown Message")
        if said["author"]["id"] != ME:
            return problem(403, 50005, "Cannot edit a message authored by another user")
        self.edit(values[0], values[1], json.loads(request.body)["content"])
        return Answer(200, self._shown(said))

    def _delete_message(self, request: Request, values: list[str]) -> Answer:
        said = self._message(values[0], values[1])
        if said is None:
            return problem(404, 10008, "Unknown Message")
        if said["author"]["id"] != ME:
            return problem(403, 50003, "Cannot execute action on this")
        self.delete(values[0], values[1])
        return Answer(204)

    def _list_message_reactions_by_emoji(self, request: Request, values: list[str]) -> Answer:
        found = [self.users[user] for user in self.signs.get((values[1], values[2]), ())]
        return Answer(200, self._after(sorted(found, key=lambda each: int(each["id"])), request, 25))

    def _add_my_message_reaction(self, request: Request, values: list[str]) -> Answer:
        name, _, emoji = values[2].partition(":")
        if name.isascii() and not emoji:
            return problem(400, 10014, "Unknown Emoji")
        self.react(values[0], values[1], ME, name, emoji or None)
        return Answer(204)

    def _delete_my_message_reaction(self, request: Request, values: list[str]) -> Answer:
        if self._message(values[0], values[1]) is None:
            return problem(404, 10008, "Unknown Message")
        users = self.signs.get((values[1], values[2]), [])
        if ME in users:
            users.remove(ME)
        return Answer(204)

    def _get_bot_gateway(self, request: Request, values: list[str]) -> Answer:
        limit = {"total": 1000, "remaining": self.gateway.starts, "reset_after": 3_600_000, "max_concurrency": 1}
        return Answer(200, {"url": self.url.replace("http", "ws") + "/gateway", "shards": 1, "session_start_limit": limit})

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _template(self, request: Request) -> tuple[str, list[str]]:
        """The path as the description has it, and what stands in the place of its variables."""
        for template in sorted(self.description.paths(), key=lambda each: each.count("{")):
            found = re.fullmatch(re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(template)), request.path)
            if found is not None:
                return template, list(found.groups())
        return request.path, []

    def _of(self, guild: str) -> list[Item]:
        return [each for each in self.channels.values() if each.get("guild_id") == guild]

    def _threads(self, guild: str) -> list[Item]:
        return [each for each in self._of(guild) if each["type"] == 11]

    def _after(self, items: list[Item], request: Request, default: int) -> list[Item]:
        """A page of a list in the order of ids."""
        return [each for each in items if int(each["id"]) > int(request.one("after", "0"))][
            : int(request.one("limit", str(default)))
        ]

    def _shown(self, said: Item) -> Item:
        """A message as the bot sees it: its text and files where it may, and its reactions counted."""
        signs = []
        for (number, sign), users in self.signs.items():
            if number == said["id"] and users:
                name, _, emoji = sign.partition(":")
                signs.append({"emoji": {"id": emoji or None, "name": name}, "count": len(users), "count_details": {"burst": 0, "normal": len(users)},
                              "burst_colors": [], "me_burst": False, "me": ME in users})  # fmt: skip
        direct = self.channels[said["channel_id"]]["type"] == 1
        seen = self.flags & CONTENT or direct or said["author"]["id"] == ME or any(each["id"] == ME for each in said["mentions"])
        hidden: Item = {} if seen else {"content": "", "attachments": [], "embeds": [], "components": []}
        return {**said, **hidden, **({"reactions": signs} if signs else {})}


class Gateway:
    """Discord's Gateway: sessions with what was told in them, and the lines that are open."""

    def __init__(self, discord: Discord) -> None:
        self.discord = discord
        self.interval = 45_000.0
        self.deaf = False  # whether heartbeats are left without an answer
        self.starts = 1000
        self.sessions: dict[str, tuple[int, list[Item]]] = {}
        self.lines: dict[str, web.WebSocketResponse] = {}
        self.began = 0
        self.resumed = 0
        self.beats: list[Any] = []
        self.closed: list[int | None] = []
        self.told = asyncio.Event()

    def push(self, name: str, said: Item, *, direct: bool = False) -> None:
        """An event for every session that wants such."""
        for session, (intents, events) in self.sessions.items():
            needed = next((bit for word, bit in sorted(NEEDED.items(), reverse=True) if name.startswith(word)), 1)
            if intents & (needed << 3 if direct else needed):  # those of direct conversations are three bits further
                events.append({"op": 0, "t": name, "s": len(events) + 1, "d": said})
                line = self.lines.get(session)
                if line is not None and not line.closed:
                    task = asyncio.ensure_future(self._send(line, events[-1]))
                    task.add_done_callback(lambda _: None)

    async def order(self, op: int, d: Any = None) -> None:
        """Says the same on all lines."""
        for line in list(self.lines.values()):
            await self._send(line, {"op": op, "d": d})

    async def end(self, code: int) -> None:
        for line in list(self.lines.values()):
            await line.close(code=code)

    def cut(self) -> None:
        """As if the cable was pulled."""
        for line in list(self.lines.values()):
            transport = line._req.transport if line._req is not None else None
            if transport is not None:
                transport.abort()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        session = ""
        if dict(request.query) != {"v": "10", "encoding": "json"}:
            self.discord.violations.append(f"the line was opened with {dict(request.query)}")
        await self._send(line, {"op": 10, "d": {"heartbeat_interval": self.interval}})
        async for message in line:
            if message.type is not WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            if len(message.data) > 4096 or set(frame) != {"op", "d"}:
                self.discord.violations.append(f"the line was told {frame}")
            match frame["op"]:
                case 1:
                    self.beats.append(frame["d"])
                    if not self.deaf:
                        await self._send(line, {"op": 11})
                case 2:
                    session = await self._identify(line, frame["d"])
                case 6:
                    session = await self._resume(line, frame["d"])
                case other:
                    self.discord.violations.append(f"the line was told the unknown {other}")
            self.told.set()
        self.closed.append(line.close_code)
        if self.lines.get(session) is line:
            del self.lines[session]
        self.told.set()
        return line

    async def _identify(self, line: web.WebSocketResponse, said: Item) -> str:
        code = self._refused(said["token"], said["intents"])
        if not {"os", "browser", "device"} <= set(said["properties"]):
            self.discord.violations.append("the line was opened without its properties")
        if code:
            await line.close(code=code)
            return ""
        self.began += 1
        self.starts -= 1
        session = f"session-{self.began}"
        where = self.discord.url.replace("http", "ws") + "/gateway"
        ready = {"op": 0, "t": "READY", "s": 1, "d": {"v": 10, "session_id": session, "resume_gateway_url": where, "guilds": []}}
        self.sessions[session] = (said["intents"], [ready])
        self.lines[session] = line
        await self._send(line, ready)
        return session

    def _refused(self, token: str, intents: int) -> int:
        if token != self.discord.token:
            return 4004
        if intents & ~((1 << 22) - 1):
            return 4013
        return (
            4014
            if (intents & 1 << 1 and not self.discord.flags & PEOPLE) or (intents & 1 << 15 and not self.discord.flags & CONTENT)
            else 0
        )

    async def _resume(self, line: web.WebSocketResponse, said: Item) -> str:
        known = self.sessions.get(said["session_id"])
        if known is None or said["token"] != self.discord.token:
            await self._send(line, {"op": 9, "d": False})
            return ""
        self.resumed += 1
        self.lines[said["session_id"]] = line
        for event in known[1][said["seq"] :]:
            await self._send(line, event)
        await self._send(line, {"op": 0, "t": "RESUMED", "s": len(known[1]), "d": {}})
        return str(said["session_id"])

    async def _send(self, line: web.WebSocketResponse, frame: Item) -> None:
        with suppress(ConnectionError, RuntimeError):
            await line.send_json(frame)


@asynccontextmanager
async def running(stub: Discord) -> AsyncIterator[str]:
    """The address of `stub`, served with its Gateway until the end."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/gateway":
            return await stub.gateway.serve(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        said = stub.answer(Request(request.method, request.raw_path, headers, await request.read()))
        return web.Response(status=said.status, body=said.content, headers=said.headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", free_port())
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub.url
    finally:
        stub.gateway.cut()
        await runner.cleanup()


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
