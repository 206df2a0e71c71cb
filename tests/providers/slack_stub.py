"""A stub of Slack, held to the official description of its Web API in tests/contracts/slack.

It keeps members, conversations with threads, files and a search, refuses what a token may not, and counts each method's calls against
its tier (docs.slack.dev/apis/web-api/rate-limits): one call too many, or one before `Retry-After` has passed, is a violation.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "slack" / "web_api.json"
SCOPES = frozenset(
    {"users:read", "users:read.email", "channels:read", "channels:history", "groups:read", "groups:history", "im:read", "im:history",
     "mpim:read", "mpim:history", "search:read", "files:read", "chat:write",
     "channels:write", "groups:write", "im:write", "mpim:write", "files:write"}
)  # fmt: skip
#: Kinds of conversations: the word of each in `types`, and the beginning of its scopes.
KINDS = {"public_channel": "channels", "private_channel": "groups", "mpim": "mpim", "im": "im"}
#: Which scope of a conversation's kind a method takes (docs.slack.dev/reference/methods).
PARTS = {
    "conversations.info": "read",
    "conversations.members": "read",
    "conversations.history": "history",
    "conversations.replies": "history",
}
#: Calls a minute by method, and of these the scope that each needs besides.
ALLOWED = {
    "auth.test": (100, ""), "auth.revoke": (50, ""), "users.list": (20, "users:read"), "users.info": (100, "users:read"),
    "users.conversations": (50, ""), "conversations.info": (50, ""), "conversations.members": (100, ""),
    "conversations.history": (50, ""), "conversations.replies": (50, ""),
    "conversations.mark": (50, ""), "search.messages": (20, "search:read"), "chat.postMessage": (60, "chat:write"),
    "chat.update": (50, "chat:write"), "chat.delete": (50, "chat:write"), "files.info": (100, "files:read"),
    "files.getUploadURLExternal": (100, "files:write"), "files.completeUploadExternal": (100, "files:write"),
}  # fmt: skip
TEAM = "T00000001"
ME = "U00000077"

Item = dict[str, Any]


def named(text: str) -> str:
    """Emoji as Slack keeps them: by their names."""
    return text.replace("👋", ":wave:").replace("🎉", ":tada:")


def denied(error: str, **more: Any) -> Answer:
    return Answer(200, {"ok": False, "error": error, **more})


class Slack:
    """One workspace. `now` tells the time (POSIX seconds); `page` is the most that a list gives at a time, `few` that of histories."""

    def __init__(self, now: Callable[[], float], seed: int = 0, *, team: str = TEAM, host: str = "acme", me: str = ME) -> None:
        self.url = ""
        self.team = team
        self.host = f"{host}.slack.com"
        self.me = me
        self.now = now
        self.description = Description(CONTRACT)
        self.random = random.Random(seed)
        self.forgetful = 0.0
        self.tokens: dict[str, frozenset[str]] = {"xoxp-1": SCOPES}
        self.members: dict[str, Item] = {}
        self.channels: dict[str, Item] = {}
        self.posts: dict[str, list[Item]] = {}
        self.files: dict[str, bytes] = {}
        self.reserved: dict[str, tuple[str, int]] = {}  # names and sizes of files that are being put up
        self.largest = 1_000_000
        self.lazy = False  # whether what is to be shown shows later, by `hurry`
        self.waiting: list[Callable[[], str]] = []
        self.page = 1000
        self.few = 0  # as for apps outside of the Marketplace
        self.unsearched: set[str] = set()  # texts that the search does not know yet
        self.calls: list[tuple[float, str]] = []
        self.closed: dict[str, float] = {}
        self.troubled: list[Callable[[], Answer]] = []
        self.violations: list[str] = []
        self.member(77, "ada", id_=me, real_name="Ada Byron")

    # --- what there is ----------------------------------------------------------------------------------------------

    def member(self, number: int, name: str, *, id_: str = "", **profile: Any) -> str:
        """A member; what is no field of a profile is one of the user."""
        id_ = id_ or f"U{number:08}"
        own: Item = {key: profile.pop(key) for key in ("deleted", "is_bot") if key in profile}
        names = {"real_name": name.title(), "display_name": name}
        self.members[id_] = {
            "id": id_, "name": name, "team_id": self.team, "is_bot": False, "is_app_user": False, "updated": 1, **own,
            "profile": {
                **names, "avatar_hash": "x", "real_name_normalized": "x", "display_name_normalized": "x", "title": "", "phone": "",
                "skype": "", "status_text": "", "status_emoji": "", "fields": [], **profile,
            },
        }  # fmt: skip
        return id_

    def channel(
        self, number: int, name: str = "", *, user: str = "", members: tuple[str, ...] = (), id_: str = "", **more: Any
    ) -> str:
        """A channel, a group (with `members`) or a direct conversation (with `user`)."""
        id_ = id_ or f"{'D' if user else 'G' if members else 'C'}{number:08}"
        if user:
            found: Item = {"id": id_, "created": 1, "is_im": True, "is_org_shared": False, "priority": 0, "user": user}
        else:
            words = {"creator": self.me, "last_set": 0, "value": ""}
            found = {
                "id": id_, "name": name or "mpdm-x-1", "name_normalized": "x", "created": 1, "creator": self.me, "is_archived": False,
                "is_channel": not members, "is_general": False, "is_group": False, "is_im": False, "is_mpim": bool(members),
                "is_org_shared": False, "is_private": bool(members), "is_shared": False, "purpose": words, "topic": words,
            }  # fmt: skip
        self.channels[id_] = {**found, **more, "people": [user, self.me] if user else list(members)}
        self.posts[id_] = []
        return id_

    def post(self, channel: str, user: str | None, text: str, at: float, **more: Any) -> str:
        """A message; with `thread_ts` in a thread, whose first message then knows of it."""
        ts = f"{at:.6f}"
        found: Item = {"type": "message", "ts": ts, "text": text, **({"user": user} if user else {}), **more}
        root = more.get("thread_ts")
        if root and root != ts:
            parent = next(each for each in self.posts[channel] if each["ts"] == root)
            parent |= {"thread_ts": root, "reply_count": parent.get("reply_count", 0) + 1, "latest_reply": ts}
        self.posts[channel].append(found)
        return ts

    def keys(self) -> set[str]:
        """The keys of all contacts and messages that the user has."""
        people = {id_ for id_, each in self.members.items() if not each["is_bot"] and not each.get("deleted") and id_ != self.me}
        return people | {f"{channel}/{post['ts']}" for channel, posts in self.posts.items() for post in posts}

    # --- answering --------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/files/"):
            return self._file(request)
        if request.path.startswith("/upload/v1/"):
            return self._upload(request)
        method = request.path.removeprefix("/api/")
        if request.method == "POST":
            request.query = parse_qsl(request.body.decode(), keep_blank_values=True)
        operation = self.description.operation(request.method, f"/{method}")
        if operation is None or method not in ALLOWED:
            self.violations.append(f"{request.method} {request.path} is not in the description")
            return denied("unknown_method")
        place = "formData" if request.method == "POST" else "query"
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        faults = self.description.faults(operation, request, place=place)
        self.violations += [f"{method}: {fault}" for fault in faults if fault != "token is missing"]  # it is in the header
        now = self.now()
        if now < self.closed.get(method, 0.0):
            self.violations.append(f"{method} was called before Retry-After had passed")
        if self.troubled:
            return self.troubled.pop(0)()
        self.calls.append((now, method))
        if sum(1 for at, each in self.calls if each == method and at > now - 60) > ALLOWED[method][0]:
            self.violations.append(f"{method} was called more often than its tier allows")
        scopes = self.tokens.get(token)
        if scopes is None:
            return denied("invalid_auth")
        if ALLOWED[method][1] and ALLOWED[method][1] not in scopes:
            return denied("missing_scope", needed=ALLOWED[method][1], provided=",".join(sorted(scopes)))
        lacking = sorted(self._needed(method, request) - scopes)
        if lacking:
            return denied("missing_scope", needed=lacking[0], provided=",".join(sorted(scopes)))
        said: Answer = getattr(self, "_" + method.replace(".", "_"))(request)
        body = json.loads(said.content)
        said.headers["X-OAuth-Scopes"] = ",".join(sorted(scopes))
        if body["ok"]:
            self.description.check(self.description.schema(operation), body, method)
        return said

    def _needed(self, method: str, request: Request) -> set[str]:
        """What the kinds of the conversations take that are asked for: a list is refused whole where one is not allowed."""
        if method == "users.conversations":
            return {f"{KINDS[word]}:read" for word in request.one("types", "public_channel").split(",")}
        part, channel = PARTS.get(method), self.channels.get(request.one("channel"))
        return {f"{KINDS[self._kind(channel)]}:{part}"} if part and channel else set()

    def _kind(self, channel: Item) -> str:
        if channel.get("is_im") or channel.get("is_mpim"):
            return "im" if channel.get("is_im") else "mpim"
        return "private_channel" if channel.get("is_private") else "public_channel"

    def close(self, method: str, seconds: int) -> Answer:
        """The answer 429 with which a method is closed for so long."""
        self.closed[method] = self.now() + seconds
        return Answer(429, {"ok": False, "error": "ratelimited"}, Retry_After=str(seconds))

    def _auth_test(self, request: Request) -> Answer:
        return self._ok(url=f"https://{self.host}/", team="Acme", user="ada", team_id=self.team, user_id=self.me)

    def _auth_revoke(self, request: Request) -> Answer:
        self.tokens.pop(request.headers["authorization"].removeprefix("Bearer "))
        return self._ok(revoked=True)

    def _users_list(self, request: Request) -> Answer:
        shown, following = self._paged([self._shown(each) for each in self.members.values()], request)
        return self._ok(members=shown, cache_ts=1, response_metadata=following) if shown is not None else denied("invalid_cursor")

    def _users_info(self, request: Request) -> Answer:
        found = self.members.get(request.one("user"))
        return denied("user_not_found") if found is None else self._ok(user=self._shown(found))

    def _users_conversations(self, request: Request) -> Answer:
        wanted = request.one("types", "public_channel").split(",")
        bare = [
            {key: value for key, value in each.items() if key not in ("people", "last_read")}
            for each in self.channels.values()
            if self._kind(each) in wanted
        ]
        shown, following = self._paged(bare, request)
        return self._ok(channels=shown, response_metadata=following) if shown is not None else denied("invalid_cursor")

    def _conversations_info(self, request: Request) -> Answer:
        found = self.channels.get(request.one("channel"))
        if found is None:
            return denied("channel_not_found")
        return self._ok(channel={key: value for key, value in found.items() if key != "people"})

    def _conversations_members(self, request: Request) -> Answer:
        return self._ok(members=self.channels[request.one("channel")]["people"], response_metadata={"next_cursor": ""})

    def _conversations_history(self, request: Request) -> Answer:
        channel = request.one("channel")
        if channel not in self.posts:
            return denied("channel_not_found")
        tops = [each for each in self.posts[channel] if each.get("thread_ts", each["ts"]) == each["ts"]]
        found = sorted((each for each in tops if self._within(each, request)), key=lambda each: each["ts"], reverse=True)
        size = self._size(request)
        body = {"messages": found[:size], "has_more": len(found) > size, "pin_count": 0, "channel_actions_ts": None}
        return self._ok(**body, channel_actions_count=0)

    def _conversations_replies(self, request: Request) -> Answer:
        channel, root = request.one("channel"), request.one("ts")
        posts = self.posts.get(channel, [])
        asked = next((each for each in posts if each["ts"] == root), None)
        if asked is None:
            return denied("thread_not_found")
        if asked.get("thread_ts", root) != root:
            return self._ok(messages=[self._reply(asked)], has_more=False)
        inside = [each for each in posts if each.get("thread_ts") == root and each["ts"] != root and self._within(each, request)]
        inside.sort(key=lambda each: each["ts"])
        size = self._size(request)
        return self._ok(messages=[self._reply(asked), *map(self._reply, inside[: size - 1])], has_more=len(inside) > size - 1)

    def _search_messages(self, request: Request) -> Answer:
        word, _, day = request.one("query").partition(":")
        if word != "after" or request.one("sort") != "timestamp" or request.one("sort_dir") != "desc":
            self.violations.append(f"search: {request.target}")
        since = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() + 86_400
        found = [
            (channel, post) for channel, posts in self.posts.items() for post in posts
            if float(post["ts"]) >= since and post["text"] not in self.unsearched
        ]  # fmt: skip
        found.sort(key=lambda one: one[1]["ts"], reverse=True)
        size, number = min(int(request.one("count", "20")), 100, self.page), int(request.one("page", "1"))
        matches = []
        for channel, post in found[(number - 1) * size : number * size]:
            root = post.get("thread_ts")
            link = f"https://{self.host}/archives/{channel}/p{post['ts'].replace('.', '')}" + (
                f"?thread_ts={root}" if root else ""
            )
            matches.append({"ts": post["ts"], "channel": {"id": channel}, "permalink": link, "text": post["text"]})
        pages = max(1, -(-len(found) // size))
        return self._ok(
            messages={"matches": matches, "paging": {"count": size, "total": len(found), "page": number, "pages": pages}}
        )

    def _chat_postMessage(self, request: Request) -> Answer:
        channel, text = request.one("channel"), request.one("text")
        if channel not in self.posts:
            return denied("channel_not_found")
        root, text = request.one("thread_ts"), named(text)
        ts = self.post(channel, self.me, text, self.now(), **({"thread_ts": root} if root else {}))
        return self._ok(channel=channel, ts=ts, message={"type": "message", "text": text, "ts": ts, "user": self.me})

    def _chat_update(self, request: Request) -> Answer:
        found = self._own(request, "cant_update_message")
        if isinstance(found, Answer):
            return found
        found |= {"text": named(request.one("text")), "edited": {"user": self.me, "ts": f"{self.now():.6f}"}}
        return self._ok(channel=request.one("channel"), ts=found["ts"], text=found["text"], message=found)

    def _chat_delete(self, request: Request) -> Answer:
        """What answers it in a thread stays."""
        found = self._own(request, "cant_delete_message")
        if isinstance(found, Answer):
            return found
        self.posts[request.one("channel")].remove(found)
        return self._ok(channel=request.one("channel"), ts=found["ts"])

    def _own(self, request: Request, refusal: str) -> Item | Answer:
        """The message that is meant, where the user wrote it."""
        posts = self.posts.get(request.one("channel"))
        if posts is None:
            return denied("channel_not_found")
        found = next((post for post in posts if post["ts"] == request.one("ts")), None)
        if found is None:
            return denied("message_not_found")
        return found if found.get("user") == self.me else denied(refusal)

    def _conversations_mark(self, request: Request) -> Answer:
        """The mark goes where it is put, backwards too; each kind of conversation has a scope of its own."""
        channel, ts = request.one("channel"), request.one("ts")
        if channel not in self.posts:
            return denied("channel_not_found")
        need = {"C": "channels:write", "G": "mpim:write", "D": "im:write"}[channel[0]]
        if need not in self.tokens[request.headers["authorization"].removeprefix("Bearer ")]:
            return denied("missing_scope", needed=need, provided="")
        if ts not in {post["ts"] for post in self.posts[channel]}:
            return denied("invalid_timestamp")
        self.channels[channel]["last_read"] = ts
        return self._ok()

    def _files_info(self, request: Request) -> Answer:
        id_ = request.one("file")
        if id_ not in self.files:
            return denied("file_not_found")
        return self._ok(file={"id": id_, "url_private": f"{self.url}/files/{id_}"}, comments=[])

    def _files_getUploadURLExternal(self, request: Request) -> Answer:
        if int(request.one("length")) > self.largest:
            return denied("file_upload_size_restricted")
        id_ = f"F{len(self.reserved) + 1:08}"
        self.reserved[id_] = (request.one("filename"), int(request.one("length")))
        return self._ok(upload_url=f"{self.url}/upload/v1/{id_}", file_id=id_)

    def _upload(self, request: Request) -> Answer:
        """The address is the right to use it: a token has no business here."""
        name, size = self.reserved.get(request.segments[-1], ("", -1))
        if request.method != "POST" or "authorization" in request.headers or len(request.body) != size:
            self.violations.append(f"upload of {name or request.path}: {request.method}, {len(request.body)} bytes of {size}")
            return Answer(400, b"no")
        self.files[request.segments[-1]] = request.body
        return Answer(200, b"OK")

    def _files_completeUploadExternal(self, request: Request) -> Answer:
        wanted = json.loads(request.one("files"))
        if any(each["id"] not in self.files for each in wanted):
            return denied("file_not_found")
        channel, text = request.one("channel_id"), named(request.one("initial_comment"))
        if channel not in self.posts:
            return denied("channel_not_found")
        root = request.one("thread_ts")
        shown = [{"id": each["id"], "name": each["title"], "size": len(self.files[each["id"]])} for each in wanted]
        more = {"files": shown, **({"thread_ts": root} if root else {})}
        self.waiting.append(lambda: self.post(channel, self.me, text, self.now(), **more))
        if not self.lazy:
            self.hurry()
        return self._ok(files=[{"id": each["id"], "title": each["title"]} for each in wanted])

    def hurry(self) -> None:
        """Show what waits."""
        while self.waiting:
            self.waiting.pop(0)()

    def _file(self, request: Request) -> Answer:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            page = Answer(200, b"<!DOCTYPE html><title>Slack</title>")
            page.headers["Content-Type"] = "text/html"
            return page
        return Answer(200, self.files[request.segments[-1]])

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _ok(self, **body: Any) -> Answer:
        return Answer(200, {"ok": True, **body})

    def _shown(self, user: Item) -> Item:
        """A user, some of what is optional left out at random."""
        profile = {
            key: value for key, value in user["profile"].items()
            if key not in ("email", "image_512", "first_name", "last_name") or self.random.random() >= self.forgetful
        }  # fmt: skip
        return {**user, "profile": profile}

    def _reply(self, post: Item) -> Item:
        """In a thread each message says which one, and whose."""
        root = post.get("thread_ts", post["ts"])
        if root == post["ts"]:
            bare = {key: value for key, value in post.items() if key not in ("reactions", "files", "attachments")}
            return {"thread_ts": root, "reply_count": 0, "subscribed": False, **bare}
        return {
            "parent_user_id": next(each["user"] for posts in self.posts.values() for each in posts if each["ts"] == root),
            **post,
        }

    def _size(self, request: Request) -> int:
        asked = int(request.one("limit", "100"))
        if asked > 999:
            self.violations.append(f"limit={asked}")
        return min(asked, self.page, self.few or 999)

    def _within(self, post: Item, request: Request) -> bool:
        """Without `inclusive` both ends are left out; they are times as text of the same length."""
        oldest, latest = request.one("oldest", "0"), request.one("latest", "9")
        return oldest < post["ts"] < latest or (request.one("inclusive") == "true" and post["ts"] in (oldest, latest))

    def _paged(self, items: list[Item], request: Request) -> tuple[list[Item] | None, Item]:
        cursor = request.one("cursor")
        if cursor and not cursor.startswith("at"):
            return None, {}
        start = int(cursor.removeprefix("at")) if cursor else 0
        end = start + min(int(request.one("limit", "100")), self.page)
        return items[start:end], {"next_cursor": f"at{end}" if end < len(items) else ""}
