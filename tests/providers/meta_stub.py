"""A stub of Meta's Graph API, held to what its SDK's models say of fields, edges and parameters (tests/contracts/meta).

It keeps a person with friends and pages, or an Instagram account; shows of them what was asked for, leaves optional fields out at random,
checks who asks and the proof that they send, counts calls against an allowance (one too many is a violation) and tells how much of it is
used. What it shows is checked, too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "meta" / "graph.json"
VERSION = "v26.0"
ME, APP, SECRET = "100200300", "4242", "app-secret"
FACEBOOK_SCOPES = frozenset({
    "public_profile", "email", "user_friends", "user_posts", "pages_show_list", "pages_read_engagement", "pages_read_user_content",
    "pages_manage_metadata", "pages_messaging", "instagram_basic", "instagram_manage_messages",
})  # fmt: skip
#: Which permission an edge takes, by the node that it is of.
NEEDED = {
    "friends": "user_friends", "accounts": "pages_show_list", "posts": "user_posts", "feed": "pages_read_engagement",
    "subscribed_apps": "pages_manage_metadata",
}  # fmt: skip
#: What stays though it is optional: what a record cannot be without.
KEPT = frozenset({"id", "created_time", "updated_time", "timestamp", "from", "participants", "message", "text", "username", "user_id",
                  "access_token", "permission", "status", "instagram_business_account", "caption", "comments", "tasks", "name"})  # fmt: skip
SHOWN = 20  # messages of an Instagram conversation

Item = dict[str, Any]
Fields = dict[str, tuple[dict[str, str], "Fields"]]


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def error(status: int, code: int, subcode: int = 0, text: str = "No.", **more: Any) -> Answer:
    said = {
        "message": text,
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "A1",
        **({"error_subcode": subcode} if subcode else {}),
    }
    return Answer(status, {"error": {**said, **more}})


class Graph:
    """One app's Graph. `now` tells the time (POSIX seconds), `page` is the most that a list gives at a time.

    With `instagram` it is that of the Instagram login: one account, no proofs.
    """

    def __init__(self, now: Callable[[], float], *, instagram: bool = False, seed: int = 0) -> None:
        contract = json.loads(CONTRACT.read_text())
        self.nodes: dict[str, Item] = contract["nodes"]
        for name, node in contract["documented"]["nodes"].items():
            known = self.nodes.setdefault(name, {"fields": {}, "edges": {}})
            known["fields"] |= node["fields"]
            known["edges"] |= node["edges"]
        self.params = frozenset(contract["documented"]["params"])
        self.modifiers = frozenset(contract["documented"]["modifiers"])
        self.url = ""
        self.now = now
        self.instagram = instagram
        self.random = random.Random(seed)
        self.forgetful = 0.0
        self.tokens = {"token-1": FACEBOOK_SCOPES}
        self.declined: frozenset[str] = frozenset()
        self.codes = {"code-1"}
        self.expires_in, self.data_ends = 60 * 86_400, 90 * 86_400
        self.me: Item = {"id": ME, "name": "Robin Vale", "first_name": "Robin", "last_name": "Vale", "email": "robin@example.org"}
        self.account: Item = {
            "id": "77",
            "user_id": "17841400000000001",
            "username": "robin.vale",
            "name": "Robin Vale",
            "account_type": "BUSINESS",
        }
        self.friends: list[Item] = []
        self.pages: dict[str, Item] = {}
        self.threads: dict[str, Item] = {}
        self.posts: dict[str, list[Item]] = {}
        self.subscribed: dict[str, str] = {}
        self.page = 1000
        self.allowance = 10**9
        self.regain = 0
        self.calls: list[tuple[float, str]] = []
        self.troubled: dict[str, list[Answer]] = {}
        self.cuts: list[Answer] = []  # in the place of the answer to a message that was taken
        self.sent: list[Item] = []
        self.violations: list[str] = []
        self._numbers = 1000

    # --- what there is ----------------------------------------------------------------------------------------------

    def number(self) -> str:
        self._numbers += 1
        return str(self._numbers)

    def friend(self, number: str, name: str) -> str:
        picture = {"data": {"url": f"https://cdn.example/{number}.jpg", "is_silhouette": False, "height": 256, "width": 256}}
        self.friends.append({"id": number, "name": name, "first_name": name.split()[0], "picture": picture})
        return number

    def own_page(self, number: str, name: str, *, instagram: str = "", tasks: tuple[str, ...] = ("MESSAGING", "MODERATE")) -> str:
        self.pages[number] = {"id": number, "name": name, "access_token": f"page-token-{number}", "tasks": list(tasks)}
        if instagram:
            self.pages[number]["instagram_business_account"] = {"id": f"178{number}", "username": instagram}
        return number

    def thread(self, owner: str, who: Item, platform: str = "messenger") -> str:
        number = f"t_{self.number()}" if platform == "messenger" else f"aWdf{self.number()}="
        self.threads[number] = {"id": number, "owner": owner, "platform": platform, "participants": {"data": [who, self.own(owner, platform)]},
                                "messages": [], "updated": 0.0, "link": f"/{owner}/inbox/{number}/"}  # fmt: skip
        return number

    def own(self, owner: str, platform: str) -> Item:
        if self.instagram:
            return {"id": self.account["user_id"], "username": self.account["username"]}
        linked = self.pages[owner].get("instagram_business_account")
        return dict(linked) if platform == "instagram" and linked else {"id": owner, "name": self.pages[owner]["name"]}

    def said(self, thread: str, text: str, at: float, *, mine: bool = False, **more: Any) -> str:
        talk = self.threads[thread]
        other, own = talk["participants"]["data"]
        sender, to = (own, other) if mine else (other, own)
        number = f"m_{self.number()}"
        item = {"id": number, "from": sender, "to": {"data": [to]}, "message": text, "created_time": stamp(at), "at": at, **more}
        talk["messages"].append(item)
        talk["updated"] = max(talk["updated"], at)
        return number

    def posted(self, owner: str, text: str, at: float, **more: Any) -> Item:
        if self.instagram:
            item = {"id": self.number(), "caption": text, "timestamp": stamp(at), "media_type": "IMAGE", "username": self.account["username"],
                    "media_url": "https://cdn.example/p.jpg", "permalink": "https://www.instagram.com/p/abc/", "like_count": 3}  # fmt: skip
        else:
            name = self.pages[owner]["name"] if owner in self.pages else self.me["name"]
            item = {
                "id": f"{owner}_{self.number()}",
                "message": text,
                "created_time": stamp(at),
                "from": {"id": owner, "name": name},
            }
        item |= {"at": at, "comments": [], "reactions": [], **more}
        self.posts.setdefault(owner, []).append(item)
        return item

    def commented(self, post: Item, who: Item, text: str, at: float, **more: Any) -> Item:
        if self.instagram:
            item = {"id": self.number(), "text": text, "timestamp": stamp(at), "username": who["username"], "from": who}
        else:
            item = {"id": f"{post['id']}_{self.number()}", "message": text, "created_time": stamp(at), "from": who}
        post["comments"].append(item | {"at": at, **more})
        return item

    def keys(self) -> set[str]:
        """The keys of all contacts and messages."""
        return {*(each["id"] for each in self.friends), *(m["id"] for talk in self.threads.values() for m in talk["messages"])}

    # --- answering --------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        path = request.path.strip("/").removeprefix(f"{VERSION}/")
        if path in ("oauth/access_token", "access_token", "refresh_access_token"):
            return self._trade(path, request)
        if not request.path.startswith(f"/{VERSION}/"):
            self.violations.append(f"{request.path} names no version, or another")
        now = self.now()
        self.calls.append((now, path))
        used = sum(1 for at, _ in self.calls if now - at < 3600)
        if used > self.allowance:
            self.violations.append(f"{path} was called though the allowance is used up")
        head = path.rpartition("/")[2] if "/" in path else path
        said = self.troubled[head].pop(0) if self.troubled.get(head) else self._judged(path, request)
        percent = used * 100 // self.allowance
        said.headers["X-App-Usage"] = json.dumps({"call_count": percent, "total_time": 1, "total_cputime": 0})
        if self.regain:
            line = {
                "type": "messenger",
                "call_count": percent,
                "total_cputime": 1,
                "total_time": 1,
                "estimated_time_to_regain_access": self.regain,
            }
            said.headers["X-Business-Use-Case-Usage"] = json.dumps({"1": [line]})
        return said

    def _judged(self, path: str, request: Request) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.one("access_token"):
            self.violations.append("a token stands in an address")
        if not self.instagram:
            right = hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
            if request.one("appsecret_proof") != right and "noproof" not in self.tokens:
                return error(400, 100, text="API calls from the server require an appsecret_proof argument")
        elif request.one("appsecret_proof"):
            self.violations.append("Instagram was sent a proof")
        if path == "debug_token" and token == f"{APP}|{SECRET}":
            scopes = self.tokens.get(request.one("input_token"))
            return Answer(200, {"data": {"is_valid": scopes is not None, "expires_at": int(self.now()) + self.expires_in, "app_id": APP,
                                         "data_access_expires_at": int(self.now()) + self.data_ends, "scopes": sorted(scopes or ())}})  # fmt: skip
        page = next((each for each in self.pages.values() if each["access_token"] == token), None)
        scopes = FACEBOOK_SCOPES - self.declined if page is not None else self.tokens.get(token)
        if scopes is None:
            return error(401, 190, 463, "Error validating access token: Session has expired.")
        owner, _, edge = path.partition("/")
        missing = NEEDED.get(edge)
        if not self.instagram and missing is not None and missing not in scopes - self.declined:
            return error(403, 200, text=f"Requires {missing} permission to manage the object")
        return self._edge(owner, edge, page, request)

    def _edge(self, owner: str, edge: str, page: Item | None, request: Request) -> Answer:
        """Whatever a path names, shown by whom the token is of."""
        me = self.account if self.instagram else self.me
        mine = owner in ("me", me.get("user_id", me["id"]))
        if page is not None and owner == page["id"]:
            node, mine = "Page", False
        elif self.instagram and mine:
            node = "IGUser"
        elif mine:
            node = "User"
        elif owner in self.threads and (self.instagram or (page is not None and self.threads[owner]["owner"] == page["id"])):
            node = "UnifiedThread"
        elif self._post(owner) is not None:
            node = "IGMedia" if self.instagram else "PagePost" if page is not None else "Post"
        else:
            return error(
                400,
                100,
                33,
                f"Unsupported get request. Object with ID '{owner}' does not exist, cannot be loaded due to missing permissions",
            )
        self._check(node, request.method, edge, request)
        if request.method == "GET" and not edge:
            item = {"UnifiedThread": lambda: self._thread(owner)}.get(node, lambda: me)()
            return Answer(200, self._shown(node, item, parsed(request.one("fields"))))
        found = getattr(self, f"_{request.method.lower()}_{edge}")(owner if not mine else me.get("user_id", me["id"]), request)
        if isinstance(found, Answer):
            return found
        kind, items = found
        return self._list(kind, items, request)

    def _get_friends(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        return "User", self.friends

    def _get_accounts(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        return "Page", list(self.pages.values())

    def _get_posts(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        return "Post", newest(self.posts.get(ME, []))

    def _get_feed(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        return "PagePost", newest(self.posts.get(owner, []))

    def _get_media(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        return "IGMedia", newest(self.posts.get(owner, []))

    def _get_comments(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        post = self._post(owner)
        assert post is not None
        return ("IGComment" if self.instagram else "Comment"), newest(post["comments"])

    def _get_conversations(self, owner: str, request: Request) -> tuple[str, list[Item]] | Answer:
        platform = request.one("platform", "messenger").lower()
        needed = "instagram_manage_messages" if platform == "instagram" else "pages_messaging"
        if not self.instagram and needed in self.declined:
            return error(403, 10, text=f"(#10) This endpoint requires the {needed} permission")
        found = [
            talk for talk in self.threads.values() if talk["owner"] == owner and talk["platform"] == platform and talk["messages"]
        ]
        return "UnifiedThread", [
            self._thread(each["id"]) for each in sorted(found, key=lambda each: each["updated"], reverse=True)
        ]

    def _get_messages(self, owner: str, request: Request) -> tuple[str, list[Item]]:
        talk = self.threads[owner]
        messages = newest(talk["messages"])
        if talk["platform"] == "instagram":
            if int(request.one("limit", "25")) + int(request.one("after", "after-0").removeprefix("after-")) > SHOWN:
                self.violations.append("more messages of an Instagram conversation were asked for than are shown")
            return "Message", [*messages[:SHOWN], *({"id": each["id"]} for each in messages[SHOWN:])]
        return "Message", messages

    def _post_messages(self, owner: str, request: Request) -> Answer:
        body = json.loads(request.body)
        self.violations += [
            f"messages has no {name}" for name in body if name not in ("recipient", "message", "messaging_type", "tag")
        ]
        other = body["recipient"]["id"]
        talk = next(
            (each for each in self.threads.values() if each["owner"] == owner and each["participants"]["data"][0]["id"] == other),
            None,
        )
        if talk is None:
            return error(400, 100, 2018001, "(#100) No matching user found")
        theirs = max((each["at"] for each in talk["messages"] if each["from"]["id"] == other), default=0.0)
        allowed = 7 * 86_400 if body["messaging_type"] == "MESSAGE_TAG" and body.get("tag") == "HUMAN_AGENT" else 86_400
        if self.now() - theirs > allowed:
            return error(400, 10, 2018278, "(#10) This message is sent outside of allowed window.")
        number = self.said(talk["id"], body["message"]["text"], self.now(), mine=True)
        self.sent.append(body)
        return self.cuts.pop(0) if self.cuts else Answer(200, {"recipient_id": other, "message_id": number})

    def _post_subscribed_apps(self, owner: str, request: Request) -> Answer:
        self.subscribed[owner] = request.one("subscribed_fields")
        return Answer(200, {"success": True})

    def _delete_subscribed_apps(self, owner: str, request: Request) -> Answer:
        self.subscribed.pop(owner, None)
        return Answer(200, {"success": True})

    def _delete_permissions(self, owner: str, request: Request) -> Answer:
        """The app is taken off the user's account; with `permission` only one of what it was allowed."""
        if one := request.one("permission"):
            self.tokens = {token: scopes - {one} for token, scopes in self.tokens.items()}
        else:
            self.tokens.clear()
        return Answer(200, {"success": True})

    def _trade(self, path: str, request: Request) -> Answer:
        """RFC 6749 §4.1.3 as Meta speaks it, and short tokens for long ones."""
        form = dict(parse_qsl(request.body.decode())) or dict(request.query)
        kind = form.get("grant_type")
        if kind == "ig_refresh_token":
            if form.get("access_token") not in self.tokens:
                return error(400, 190, 463, "Session has expired")
            return self._token("token-3")
        if form.get("client_secret") != SECRET:
            return error(400, 1, text="Error validating client secret.")
        if kind == "authorization_code":
            if form.get("code") not in self.codes:
                return error(400, 100, 36009, "This authorization code has been used.")
            self.codes.discard(form["code"])
            self.tokens["short-1"] = self.tokens["token-1"]
            if self.instagram:
                return Answer(
                    200,
                    {
                        "data": [
                            {
                                "access_token": "short-1",
                                "user_id": self.account["user_id"],
                                "permissions": "instagram_business_basic",
                            }
                        ]
                    },
                )
            return Answer(200, {"access_token": "short-1", "token_type": "bearer", "expires_in": 5_000})
        if form.get("fb_exchange_token", form.get("access_token")) not in self.tokens:
            return error(400, 190, 463, "Session has expired")
        return self._token("token-2")

    def _token(self, name: str) -> Answer:
        self.tokens[name] = self.tokens["token-1"]
        return Answer(200, {"access_token": name, "token_type": "bearer", "expires_in": self.expires_in})

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _thread(self, number: str) -> Item:
        talk = self.threads[number]
        return {"id": number, "updated_time": stamp(talk["updated"]), "participants": talk["participants"], "link": talk["link"]}

    def _permissions(self) -> list[Item]:
        granted = sorted(self.tokens["token-1"])
        return [{"permission": each, "status": "declined" if each in self.declined else "granted"} for each in granted]

    def _post(self, number: str) -> Item | None:
        return next((each for posts in self.posts.values() for each in posts if each["id"] == number), None)

    def _check(self, node: str, method: str, edge: str, request: Request) -> None:
        """That the request is one that the models allow."""
        known: Item = {"params": {}, "enums": {}, "returns": node}
        if edge:
            found = self.nodes[node]["edges"].get(f"{method} /{edge}")
            if found is None:
                self.violations.append(f"{node} has no {method} /{edge}")
            else:
                known = found
        given = dict(request.query)
        if method == "POST" and request.body:
            given |= {name: value for name, value in json.loads(request.body).items() if isinstance(value, str)}
        for name, value in given.items():
            if name in known["params"]:
                allowed = known["enums"].get(re.sub(r"^list<(.*)>$", r"\1", known["params"][name]))
                if allowed and not {each.upper() for each in value.split(",")} <= {each.upper() for each in allowed}:
                    self.violations.append(f"{name}={value} is none of {allowed}")
            elif name not in self.params:
                self.violations.append(f"{method} {node}/{edge} takes no {name}")

    def _list(self, kind: str, items: list[Item], request: Request) -> Answer:
        after = request.one("after")
        if after and not after.startswith("after-"):
            return error(400, 100, text="(#100) Invalid cursor.")
        fields = parsed(request.one("fields")) if request.one("fields") else {}
        size = min(int(request.one("limit", "25")), self.page)
        start = int(after.removeprefix("after-")) if after else 0
        shown = self._edge_of(kind, items, fields, start, size, request.target)
        return Answer(200, shown)

    def _edge_of(self, kind: str, items: list[Item], fields: Fields, start: int, size: int, target: str) -> Item:
        part = items[start : start + size]
        asked = fields or dict.fromkeys(self.nodes[kind]["fields"], ({}, {}))
        body: Item = {"data": [self._shown(kind, each, asked) for each in part]}
        if part:
            body["paging"] = {"cursors": {"before": f"after-{start}", "after": f"after-{start + size}"}}
            if start + size < len(items):
                body["paging"]["next"] = f"https://graph.example{target}&access_token=secret"
        return body

    def _shown(self, kind: str, item: Item, fields: Fields) -> Item:
        """What was asked for; of what is optional some is left out at random."""
        node = self.nodes[kind]
        shown: Item = {"id": item["id"]} if "id" in item else {}
        for name, (modifiers, inner) in fields.items():
            self.violations += [f"{kind}.{name} takes no .{each}()" for each in modifiers if each not in self.modifiers]
            edge = node["edges"].get(f"GET /{name}")
            if name not in node["fields"] and edge is None:
                self.violations.append(f"{kind} has no field {name}")
            elif name == "permissions" or (edge is not None and isinstance(item.get(name), list)):
                of = edge["returns"] if edge is not None else "Permission"
                items = self._permissions() if name == "permissions" else newest(item[name]) if name == "comments" else item[name]
                shown[name] = self._edge_of(of, items, inner, 0, int(modifiers.get("limit", "25")), "?")
                if "summary" in modifiers:
                    shown[name]["summary"] = {"total_count": len(items)}
            elif name in item and (name in KEPT or self.random.random() >= self.forgetful):
                shown[name] = item[name]
                self._check_type(kind, name, item[name])
        return shown

    def _check_type(self, kind: str, name: str, value: Any) -> None:
        wanted = {"string": str, "unsigned int": int, "int": int, "bool": bool, "datetime": str}.get(
            self.nodes[kind]["fields"].get(name, "")
        )
        assert wanted is None or isinstance(value, wanted), f"the stub shows {kind}.{name} as {value!r}"


def parsed(text: str) -> Fields:
    """`id,comments.limit(3){id,from}` as names with what stands behind them."""
    found: Fields = {}
    rest = text
    while rest:
        match = re.match(r"(\w+)((?:\.\w+\([^()]*\))*)", rest)
        assert match is not None, f"{rest!r} is no list of fields"
        rest = rest[match.end() :]
        inner: Fields = {}
        if rest.startswith("{"):
            depths = list(accumulate((letter == "{") - (letter == "}") for letter in rest))
            end = depths.index(0)
            inner, rest = parsed(rest[1:end]), rest[end + 1 :]
        found[match[1]] = (dict(re.findall(r"\.(\w+)\(([^()]*)\)", match[2])), inner)
        assert not rest or rest.startswith(","), f"{rest!r} does not go on a list of fields"
        rest = rest[1:]
    return found


def newest(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda each: each["at"], reverse=True)
