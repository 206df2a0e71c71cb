"""A stub of X's API v2, held to its official OpenAPI description in tests/contracts/x.

It keeps people, direct messages and posts, shows of them what was asked for, counts each endpoint's calls against its window (docs.x.com,
Rate limits: one too many is a violation), and what each answer costs as X's pricing page says: once a UTC day for the same thing.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "x" / "api.v2.json"
ME = "10"
EPOCH = 1_288_834_974.657
TALK = "/2/dm_conversations/{id}/dm_events"
#: Calls in 15 minutes of a user, and the scope that each needs.
ALLOWED = {
    "/2/users/me": (75, "users.read"), "/2/users/{id}/following": (300, "follows.read"), "/2/users/{id}/followers": (300, "follows.read"),
    "/2/users/{id}/tweets": (900, "tweet.read"), "/2/users/{id}/mentions": (300, "tweet.read"), "/2/dm_events": (15, "dm.read"),
    TALK: (15, "dm.read"), "/2/dm_conversations/with/{participant_id}/messages": (15, "dm.write"),
    "/2/dm_conversations/{dm_conversation_id}/messages": (15, "dm.write"),
}  # fmt: skip
SCOPES = frozenset({"users.read", "tweet.read", "follows.read", "dm.read", "dm.write", "offline.access"})
#: What stays though it is optional: what a record cannot be without, and what the reader needs to tell people apart.
KEPT = frozenset({"id", "text", "created_at", "dm_conversation_id", "event_type", "username", "connection_status", "sender_id",
                  "author_id", "referenced_posts", "public_metrics"})  # fmt: skip

Item = dict[str, Any]


def problem(status: int, kind: str, detail: str = "No.", **more: Any) -> Answer:
    said = {"type": f"https://api.x.com/2/problems/{kind}", "title": kind, "detail": detail, "status": status, **more}
    return Answer(status, said)


class X:
    """One user's X. `now` tells the time (POSIX seconds); `page` is the most that a list gives at a time."""

    def __init__(self, now: Callable[[], float], seed: int = 0, *, me: str = ME) -> None:
        self.url = ""
        self.me = me
        self.now = now
        self.description = Description(CONTRACT)
        self.random = random.Random(seed)
        self.forgetful = 0.0
        self.tokens: dict[str, frozenset[str]] = {"token-1": SCOPES}
        self.renewals = {"renewal-1"}
        self.client: tuple[str, str | None] = ("client", "secret")
        self.owned = False  # whether the user owns the developer app
        self.people: dict[str, Item] = {}
        self.following: list[str] = []
        self.followers: list[str] = []
        self.suspended: set[str] = set()
        self.events: list[Item] = []
        self.posts: list[Item] = []
        self.media: dict[str, Item] = {}
        self.page = 1000
        self.calls: list[tuple[float, str]] = []
        self.spent = 0  # mills
        self.paid: set[tuple[str, str, str]] = set()
        self.troubled: dict[str, list[Answer]] = {}
        self.cuts: list[Answer] = []  # in the place of the answer to a message that was taken
        self.violations: list[str] = []
        self._numbers = 0
        self.person(self.me, "ada", name="Ada Byron")

    # --- what there is ----------------------------------------------------------------------------------------------

    def person(self, number: str, username: str, **more: Any) -> str:
        self.people[number] = {"id": number, "username": username, "name": username.title(), "protected": False, **more}
        return number

    def number(self, at: float) -> str:
        """An id of something made then."""
        self._numbers += 1
        return str((int((at - EPOCH) * 1000) << 22) + self._numbers)

    def event(self, conversation: str, sender: str, text: str, at: float, **more: Any) -> str:
        number = self.number(at)
        self.events.append(
            {"id": number, "event_type": "MessageCreate", "text": text, "sender_id": sender, "dm_conversation_id": conversation,
             "created_at": stamp(at), **more}
        )  # fmt: skip
        return number

    def post(self, author: str, text: str, at: float, **more: Any) -> str:
        number = self.number(at)
        self.posts.append({"id": number, "author_id": author, "text": text, "created_at": stamp(at), "lang": "en", **more})
        return number

    def keys(self) -> set[str]:
        """The keys of all contacts and messages."""
        return {*self.following, *self.followers, *(event["id"] for event in self.events)}

    # --- answering --------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.path == "/2/oauth2/token":
            return self._token(request)
        template, values = self._template(request)
        operation = self.description.operation(request.method, template)
        if operation is None or template not in ALLOWED:
            self.violations.append(f"{request.method} {request.path} is not in the description")
            return problem(404, "resource-not-found")
        self.violations += self.description.faults(operation, request) + self._misread(operation, request)
        if self.troubled.get(template):
            return self.troubled[template].pop(0)
        now = self.now()
        window = int(now // 900)
        self.calls.append((now, template))
        used = sum(1 for at, each in self.calls if each == template and int(at // 900) == window)
        limit, scope = ALLOWED[template]
        if used > limit:
            self.violations.append(f"{template} was called more often than its window allows")
        rates = {"x_rate_limit_limit": limit, "x_rate_limit_remaining": limit - used, "x_rate_limit_reset": (window + 1) * 900}
        scopes = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            return Answer(401, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"})
        if scope not in scopes:
            return problem(403, "insufficient-scope", "Missing a scope.")
        said: Answer = getattr(self, "_" + operation["operationId"])(request, values)
        said.headers.update({name.replace("_", "-"): str(value) for name, value in rates.items()})
        if said.status < 300:
            self.description.check(self.description.schema(operation, str(said.status)), json.loads(said.content), template)
        return said

    def _getUsersMe(self, request: Request, values: list[str]) -> Answer:
        if ME in self.suspended:
            return problem(403, "not-authorized-for-resource", "Your account is suspended.")
        self._bill("user", [self.me], 10)
        return Answer(200, {"data": self._user(self.people[self.me], request)})

    def _getUsersFollowing(self, request: Request, values: list[str]) -> Answer:
        return self._people(self.following, request, values)

    def _getUsersFollowers(self, request: Request, values: list[str]) -> Answer:
        return self._people(self.followers, request, values)

    def _people(self, numbers: list[str], request: Request, values: list[str]) -> Answer:
        self._mine(values)
        shown = [number for number in numbers if number not in self.suspended]
        found = self._paged(shown, request, 100)
        if isinstance(found, Answer):
            return found
        self._bill("follow", found[0], 1 if self.owned else 10)
        return self._list([self._user(self.people[number], request) for number in found[0]], {}, found[1])

    def _getDirectMessagesEvents(self, request: Request, values: list[str]) -> Answer:
        return self._direct(self.events, request)

    def _getDirectMessagesEventsByConversationId(self, request: Request, values: list[str]) -> Answer:
        return self._direct([event for event in self.events if event["dm_conversation_id"] == values[0]], request)

    def _direct(self, events: list[Item], request: Request) -> Answer:
        recent = [each for each in events if self.now() - moment(each) <= 30 * 86_400]
        found = self._paged(newest(recent), request, 100)
        if isinstance(found, Answer):
            return found
        self._bill("event", [each["id"] for each in found[0]], 10)
        shown = [self._fields(each, request, "dm_event.fields", ("sender_id",)) for each in found[0]]
        return self._list(shown, self._includes(found[0], request, "sender_id"), found[1], self._missing(found[0], "sender_id"))

    def _getUsersPosts(self, request: Request, values: list[str]) -> Answer:
        return self._posts([each for each in self.posts if each["author_id"] == ME], request, values)

    def _getUsersMentions(self, request: Request, values: list[str]) -> Answer:
        return self._posts(
            [each for each in self.posts if "@" + self.people[self.me]["username"] in each["text"]], request, values
        )

    def _posts(self, posts: list[Item], request: Request, values: list[str]) -> Answer:
        self._mine(values)
        since = int(request.one("since_id", "0"))
        found = self._paged(newest([each for each in posts if int(each["id"]) > since]), request, 10)
        if isinstance(found, Answer):
            return found
        self._bill("post", [each["id"] for each in found[0]], 1 if self.owned else 5)
        shown = [self._fields(each, request, "post.fields", ("author_id", "referenced_posts")) for each in found[0]]
        return self._list(shown, self._includes(found[0], request, "author_id"), found[1], self._missing(found[0], "author_id"))

    def _createDirectMessagesByParticipantId(self, request: Request, values: list[str]) -> Answer:
        return self._said(request, "-".join(sorted([self.me, values[0]], key=int)))

    def _createDirectMessagesByConversationId(self, request: Request, values: list[str]) -> Answer:
        return self._said(request, values[0])

    def _said(self, request: Request, conversation: str) -> Answer:
        body = json.loads(request.body)
        if set(body) != {"text"} or not body["text"]:
            self.violations.append(f"a message of {body}")
        text = body["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        links = re.findall(r"https?://\S+", text)
        entities = {
            "urls": [{"start": 0, "end": 23, "url": f"https://t.co/{n}", "expanded_url": link} for n, link in enumerate(links)]
        }
        for n, link in enumerate(links):
            text = text.replace(link, f"https://t.co/{n}")
        number = self.event(conversation, self.me, text, self.now(), entities=entities)
        self.spent += 15
        return (
            self.cuts.pop(0) if self.cuts else Answer(201, {"data": {"dm_conversation_id": conversation, "dm_event_id": number}})
        )

    def _token(self, request: Request) -> Answer:
        """RFC 6749 §6: a confidential client says who it is by Basic, a public one by its id in the form."""
        form = dict(parse_qsl(request.body.decode()))
        client, secret = self.client
        basic = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        right = basic == f"{client}:{secret}" if secret is not None else form.get("client_id") == client and not basic
        if not right or form.get("grant_type") != "refresh_token":
            return Answer(401, {"error": "invalid_client"})
        if form.get("refresh_token") not in self.renewals:
            return Answer(400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."})
        self.renewals = {f"renewal-{len(self.tokens) + 1}"}  # each is good for once
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = SCOPES
        return Answer(200, {"token_type": "bearer", "expires_in": 7200, "access_token": token, "scope": " ".join(sorted(SCOPES)),
                            "refresh_token": next(iter(self.renewals))})  # fmt: skip

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _template(self, request: Request) -> tuple[str, list[str]]:
        """The path as the description has it, and what stands in the place of its variables."""
        for template in sorted(ALLOWED, key=lambda each: each.count("{")):
            found = re.fullmatch(re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(template)), request.path)
            if found is not None:
                return template, list(found.groups())
        return request.path, []

    def _misread(self, operation: Item, request: Request) -> list[str]:
        """What of lists (`form`, not exploded) and lengths is not as described."""
        known = {each["name"]: each["schema"] for each in operation["parameters"]}
        faults = []
        for name, value in request.query:
            schema = known.get(name, {})
            if schema.get("type") == "array":
                parts = value.split(",")
                faults += [f"{name} has {part}" for part in parts if part not in schema["items"].get("enum", [part])]
                faults += [f"{name} has something twice"] if len(parts) != len(set(parts)) else []
            if len(value) < schema.get("minLength", 0) or not re.search(schema.get("pattern", ""), value):
                faults.append(f"{name}={value} is not as described")
        return faults

    def _mine(self, values: list[str]) -> None:
        if values != [self.me]:
            self.violations.append(f"asked for {values}")

    def _paged(self, items: list[Any], request: Request, default: int) -> tuple[list[Any], str] | Answer:
        token = request.one("pagination_token")
        if token and not token.startswith("page-token-at-"):
            detail = f"The `pagination_token` query parameter value [{token}] is not valid"
            return Answer(400, {"errors": [{"message": detail, "parameters": {"pagination_token": [token]}}],
                                "title": "Invalid Request", "type": "https://api.twitter.com/2/problems/invalid-request"})  # fmt: skip
        start = int(token.removeprefix("page-token-at-")) if token else 0
        end = start + min(int(request.one("max_results", str(default))), self.page)
        return items[start:end], f"page-token-at-{end:04}" if end < len(items) else ""

    def _list(self, data: list[Item], includes: Item, after: str, errors: Iterable[Item] = ()) -> Answer:
        body: Item = {"meta": {"result_count": len(data), **({"next_token": after} if after else {})}}
        body |= {"data": data} if data else {}  # left out where there is none
        body |= {"includes": includes} if includes else {}
        problems = list(errors)
        return Answer(200, body | ({"errors": problems} if problems else {}))

    def _user(self, user: Item, request: Request) -> Item:
        number = user["id"]
        metrics = {"followers_count": 3, "following_count": 4, "post_count": 1, "listed_count": 0}
        if number == ME:
            metrics |= {"followers_count": len(self.followers), "following_count": len(self.following)}
        status = ["following"] * (number in self.following) + ["followed_by"] * (number in self.followers)
        return self._fields({"public_metrics": metrics, "connection_status": status, **user}, request, "user.fields", ())

    def _fields(self, item: Item, request: Request, name: str, expanded: tuple[str, ...]) -> Item:
        """What was asked for; of what is optional some is left out at random."""
        wanted = set(request.one(name).split(",")) | {"id", "text" if "text" in item else "username", "name"}
        wanted |= set(expanded) & set(request.one("expansions").split(","))
        kept = {key: value for key, value in item.items() if key in wanted}
        return {key: value for key, value in kept.items() if key in KEPT or self.random.random() >= self.forgetful}

    def _includes(self, items: list[Item], request: Request, who: str) -> Item:
        """What expansions bring along, which costs as if it was asked for."""
        asked = request.one("expansions").split(",")
        users = dict.fromkeys(each[who] for each in items if who in asked and each[who] not in self.suspended)
        self._bill("user", users, 10)
        known = {each["id"]: each for each in self.posts}
        references = [each["id"] for item in items for each in item.get("referenced_posts", ()) if "referenced_posts" in asked]
        posts = [known[number] for number in dict.fromkeys(references) if number in known]
        self._bill("post", [each["id"] for each in posts], 5)
        keys = [key for item in (*items, *posts) for key in item.get("attachments", {}).get("media_keys", ())]
        found = {
            "users": [self._user(self.people[number], request) for number in users],
            "posts": [self._fields(each, request, "post.fields", ("author_id", "referenced_posts")) for each in posts],
            "media": [self.media[key] for key in dict.fromkeys(keys) if key in self.media and "attachments.media_keys" in asked],
        }
        return {name: value for name, value in found.items() if value}

    def _missing(self, items: list[Item], who: str) -> list[Item]:
        """Partial errors: of those who are suspended no more than that is told."""
        return [
            {"type": "https://api.x.com/2/problems/not-authorized-for-resource", "title": "Forbidden", "resource_type": "user",
             "detail": f"User has been suspended: [{number}].", "resource_id": number, "parameter": who, "value": number}
            for number in dict.fromkeys(each[who] for each in items) if number in self.suspended
        ]  # fmt: skip

    def _bill(self, kind: str, numbers: Iterable[str], price: int) -> None:
        day = datetime.fromtimestamp(self.now(), UTC).date().isoformat()
        for number in numbers:
            if (day, kind, number) not in self.paid:
                self.paid.add((day, kind, number))
                self.spent += price


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(item: Item) -> float:
    return datetime.fromisoformat(item["created_at"]).timestamp()


def newest(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda each: int(each["id"]), reverse=True)
