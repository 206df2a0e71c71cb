"""What a PDS passes on, stood in for: an AppView and the chat service in front of a real PDS, held to the official lexicons.

`com.atproto.*` goes to the PDS as it is. The rest is answered from people, follows, posts and conversations kept here; every request and
every answer is judged by tests/providers/lexicon.py, and fields that may be absent are absent at random (seeded).
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.atproto_servers import AtUser
from tests.patience import PATIENCE
from tests.providers import lexicon
from tests.providers.conftest import Exchange, http_answer
from tests.providers.stub_http import Answer, Request

CHAT = "did:web:api.bsky.chat#bsky_chat"
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
HELD = 60.0  # seconds until somebody hears of an answer that is held back
REACTIONS = 5  # of one person to one message
_B32 = "abcdefghijklmnopqrstuvwxyz234567"
CONVO = "chat.bsky.convo.defs#"


def did(number: int) -> str:
    """The DID of an invented person."""
    tail = "".join(_B32[number // 32**place % 32] for place in range(8))
    return f"did:plc:{tail:z<24}"


class Convo:
    def __init__(self, id_: str, members: list[str], name: str | None) -> None:
        self.id = id_
        self.members = members
        self.name = name
        self.messages: list[dict[str, Any]] = []
        self.unread = 0
        self.left = False


class Bluesky:
    """The services as one account's PDS shows them. `passed` are tests' own numbers; pages hold `page` entries."""

    def __init__(self, user: AtUser) -> None:
        self.user = user
        self.url = ""
        self.beyond = ""  # where the PDS is, for those who listen to it
        self.page = 5
        self.people: dict[str, dict[str, Any]] = {}
        self.followers: list[str] = []
        self.timeline: list[dict[str, Any]] = []
        self.convos: dict[str, Convo] = {}
        self.log: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self.asked: list[str] = []
        self.away = False  # the AppView does not answer
        self.chat_away = False
        self.signed_out = False  # no access token is good any more
        self.forgetful = False  # the next message is taken, and nobody is told
        self.once = False  # a refresh token is good for one use, without the hours of grace that the PDS gives
        self.renewing: Literal["", "unheard", "unanswered"] = ""  # what is said to a renewal gets lost on its way there, or back
        self.held = 0  # renewals whose answer is held back
        self._given: set[str] = set()
        self._over: set[str] = set()
        self._random = random.Random(7)
        self._pds = http.client.HTTPConnection(urlsplit(user.url).netloc, timeout=PATIENCE)
        self._pds.connect()
        self._ids = itertools.count(1)

    # --- what tests put there ---------------------------------------------------------------------------------------

    def person(self, number: int, **more: Any) -> str:
        """Somebody with a profile; the DID."""
        key = did(number)
        self.people[key] = {"did": key, "handle": f"person{number}.example.org", "displayName": f"Person {number}", **more}
        return key

    def convo(self, *members: str, name: str | None = None) -> Convo:
        made = Convo(f"convo{next(self._ids):03}", [self.user.did, *members], name)
        self.convos[made.id] = made
        self._logged("logBeginConvo", made)
        return made

    def say(self, convo: Convo, sender: str, text: str, **more: Any) -> dict[str, Any]:
        number = next(self._ids)
        made = {
            "$type": CONVO + "messageView",
            "id": _tid(number),
            "rev": _tid(number),
            "text": text,
            "sender": {"did": sender},
            "sentAt": _at(number),
            **more,
        }
        convo.messages.insert(0, made)
        convo.unread = 0 if sender == self.user.did else convo.unread + 1
        self._logged("logCreateMessage", convo, message=made)
        return made

    def unsay(self, convo: Convo, message: dict[str, Any]) -> None:
        """What `deleteMessageForSelf` leaves."""
        kept = {name: message[name] for name in ("id", "rev", "sender", "sentAt")}
        convo.messages[convo.messages.index(message)] = gone = {"$type": CONVO + "deletedMessageView", **kept}
        self._logged("logDeleteMessage", convo, message=gone)

    def read(self, convo: Convo, message: dict[str, Any]) -> None:
        convo.unread = 0
        self._logged("logReadConvo", convo, message=message)

    def react(self, convo: Convo, message: dict[str, Any], value: str, sender: str) -> None:
        reaction = {"value": value, "sender": {"did": sender}, "createdAt": _at(next(self._ids))}
        message.setdefault("reactions", []).append(reaction)
        self._logged("logAddReaction", convo, message=message, reaction=reaction)

    def rename(self, convo: Convo, name: str) -> None:
        convo.name = name
        number = next(self._ids)
        data = {"$type": CONVO + "systemMessageDataEditGroup", "newName": name}
        said = {
            "$type": CONVO + "systemMessageView",
            "id": _tid(number),
            "rev": _tid(number),
            "sentAt": _at(number),
            "data": data,
        }
        convo.messages.insert(0, said)
        self._logged("logEditGroup", convo, message=said)

    def leave(self, convo: Convo) -> None:
        convo.left = True
        self._logged("logLeaveConvo", convo)

    def show(self, author: str, text: str, *, by: str | None = None, **record: Any) -> str:
        """A post in the timeline, or its repost; the post's URI."""
        number = next(self._ids)
        uri = f"at://{author}/app.bsky.feed.post/{_tid(number)}"
        value = {"$type": "app.bsky.feed.post", "text": text, "createdAt": _at(number), **record}
        lexicon.check_record("app.bsky.feed.post", value)
        item: dict[str, Any] = {
            "post": {
                "uri": uri, "cid": "bafyreib2rxk3rh6kzwq", "author": self._basic(author), "record": value,
                "indexedAt": _at(number), "likeCount": 3,
            }
        }  # fmt: skip
        if by is not None:
            item["reason"] = {
                "$type": "app.bsky.feed.defs#reasonRepost", "by": self._basic(by), "indexedAt": _at(number),
                "uri": f"at://{by}/app.bsky.feed.repost/{_tid(number)}",
            }  # fmt: skip
        self.timeline.insert(0, item)
        return uri

    def _logged(self, kind: str, convo: Convo, **more: Any) -> None:
        rev = _tid(next(self._ids))
        self.log.append({"$type": CONVO + kind, "rev": rev, "convoId": convo.id, **json.loads(json.dumps(more))})

    def expire(self) -> None:
        """Every access token that was given out until now is over."""
        self._over |= self._given

    # --- what is asked ----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        method = request.segments[-1]
        self.asked.append(method)
        try:
            if method in lexicon.LEXICONS and request.method == "GET":
                lexicon.check_query(method, request.query)
            elif method in lexicon.LEXICONS and "input" in lexicon.LEXICONS[method]["main"]:
                lexicon.check_input(method, json.loads(request.body))
            token = request.headers.get("authorization", "")
            if method == "com.atproto.server.refreshSession":
                return self._renewed(request, token)
            if self.signed_out or token in self._over:
                return _refusal(400, "ExpiredToken", "Token has expired")
            if method.startswith("com.atproto."):
                return self._passed_on(request)
            return self._served(method, request)
        except lexicon.NotByLexicon as error:
            self.violations.append(str(error))
            return _refusal(400, "InvalidRequest", str(error))

    def _renewed(self, request: Request, token: str) -> Answer:
        if self.renewing == "unheard":
            said = Answer(502)
        elif self.once and token in self._over:
            return _refusal(400, "ExpiredToken", "Token has been revoked")
        else:
            self._over.add(token)
            said = self._passed_on(request)
        if self.renewing:
            said.after = HELD
            self.held += 1
        return said

    def _passed_on(self, request: Request) -> Answer:
        """To the real PDS, as it came, by a connection that stays open."""
        names = ("authorization", "content-type", "atproto-proxy")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        try:
            self._pds.request(request.method, request.target, request.body or None, headers)
            said = self._pds.getresponse()
        except (http.client.HTTPException, ConnectionError):
            self._pds.close()
            self._pds.request(request.method, request.target, request.body or None, headers)
            said = self._pds.getresponse()
        body = said.read()
        if (
            request.segments[-1] in ("com.atproto.server.createSession", "com.atproto.server.refreshSession")
            and said.status == 200
        ):
            self._given.add(f"Bearer {json.loads(body)['accessJwt']}")
        return Answer(said.status, body, Content_Type="application/json")

    def _served(self, method: str, request: Request) -> Answer:
        claims = _claims(request.headers.get("authorization", ""))
        if claims.get("sub") != self.user.did:
            return _refusal(401, "AuthMissing", "Authentication Required")
        chat = method.startswith("chat.")
        if self.chat_away if chat else self.away:
            return _refusal(502, "UpstreamFailure", "Upstream service unreachable")
        if chat and request.headers.get("atproto-proxy") != CHAT:
            return _refusal(501, "MethodNotImplemented", "Method Not Implemented")
        if chat and claims.get("scope") == "com.atproto.appPass":
            return _refusal(400, "InvalidToken", "Bad token method")
        ways = {
            "app.bsky.actor.getProfiles": self._profiles,
            "app.bsky.graph.getFollowers": self._followers,
            "app.bsky.feed.getTimeline": self._timeline,
            "chat.bsky.convo.getLog": self._log,
            "chat.bsky.convo.listConvos": self._convos,
            "chat.bsky.convo.getConvo": self._convo,
            "chat.bsky.convo.getConvoMembers": self._members,
            "chat.bsky.convo.getMessages": self._messages,
            "chat.bsky.convo.sendMessage": self._send,
            "chat.bsky.convo.updateRead": self._update_read,
            "chat.bsky.convo.addReaction": self._add_reaction,
            "chat.bsky.convo.removeReaction": self._remove_reaction,
            "chat.bsky.convo.deleteMessageForSelf": self._delete,
        }
        body = ways[method](request)
        if isinstance(body, Answer):
            return body
        lexicon.check_answer(method, body)
        return Answer(200, body)

    def _profiles(self, request: Request) -> Any:
        wanted = [self._detailed(one) for one in request.all("actors") if one in self.people]
        return {"profiles": wanted}

    def _followers(self, request: Request) -> Any:
        found, cursor = self._paged(request, self.followers)
        return {"subject": self._basic(self.user.did), "followers": [self._basic(one) for one in found], **cursor}

    def _timeline(self, request: Request) -> Any:
        found, cursor = self._paged(request, self.timeline)
        return {"feed": found, **cursor}

    def _log(self, request: Request) -> Any:
        place = request.one("cursor")
        if place and len(place) != 13:
            return _refusal(400, "InvalidRequest", "Invalid cursor")
        end = self.log[-1]["rev"] if self.log else _tid(0)
        if not place:
            return {"logs": [], "cursor": end}
        found = [entry for entry in self.log if entry["rev"] > place][: self.page]
        return {"logs": found, "cursor": found[-1]["rev"] if found else place}

    def _convos(self, request: Request) -> Any:
        mine = [convo for convo in self.convos.values() if not convo.left]
        found, cursor = self._paged(request, mine)
        return {"convos": [self._view(convo) for convo in found], **cursor}

    def _convo(self, request: Request) -> Any:
        convo = self.convos.get(request.one("convoId"))
        if convo is None or convo.left:
            return _refusal(400, "InvalidConvo", "Convo not found")
        return {"convo": self._view(convo)}

    def _members(self, request: Request) -> Any:
        return {"members": [self._basic(one) for one in self.convos[request.one("convoId")].members]}

    def _messages(self, request: Request) -> Any:
        convo = self.convos.get(request.one("convoId"))
        if convo is None or convo.left:
            return _refusal(400, "InvalidConvo", "Convo not found")
        found, cursor = self._paged(request, convo.messages)
        return {"messages": found, **cursor}

    def _send(self, request: Request) -> Any:
        asked = json.loads(request.body)
        convo = self.convos.get(asked["convoId"])
        if convo is None or convo.left:
            return _refusal(400, "InvalidConvo", "Convo not found")
        message = dict(asked["message"])
        answered = message.pop("replyTo", None)
        if answered is not None:
            message["replyTo"] = next(one for one in convo.messages if one["id"] == answered["messageId"])
        made = self.say(convo, self.user.did, message.pop("text"), **message)
        if self.forgetful:
            self.forgetful = False
            return _refusal(502, "UpstreamFailure", "Upstream service unreachable")
        return made

    def _update_read(self, request: Request) -> Any:
        asked = json.loads(request.body)
        convo = self.convos.get(asked["convoId"])
        if convo is None or convo.left:
            return _refusal(400, "InvalidConvo", "Convo not found")
        self.read(convo, next(one for one in convo.messages if one["id"] == asked["messageId"]))
        convo.unread = sum(
            one["id"] > asked["messageId"] and one["sender"]["did"] != self.user.did for one in convo.messages if "sender" in one
        )
        return {"convo": self._view(convo)}

    def _add_reaction(self, request: Request) -> Any:
        convo, message, value = self._target(request)
        if message is None:
            return _refusal(400, "InvalidConvo", "Convo not found")
        if message["$type"] != CONVO + "messageView":
            return _refusal(400, "ReactionMessageDeleted", "Message deleted")
        if value.isascii():
            return _refusal(400, "ReactionInvalidValue", "Invalid reaction value")
        mine = [one["value"] for one in message.get("reactions", []) if one["sender"]["did"] == self.user.did]
        if value not in mine:
            if len(mine) >= REACTIONS:
                return _refusal(400, "ReactionLimitReached", "Reaction limit reached")
            self.react(convo, message, value, self.user.did)
        return {"message": message}

    def _remove_reaction(self, request: Request) -> Any:
        convo, message, value = self._target(request)
        if message is None:
            return _refusal(400, "InvalidConvo", "Convo not found")
        before = message.get("reactions", [])
        left = [one for one in before if (one["value"], one["sender"]["did"]) != (value, self.user.did)]
        if left != before:
            message["reactions"] = left
            reaction = {"value": value, "sender": {"did": self.user.did}, "createdAt": _at(next(self._ids))}
            self._logged("logRemoveReaction", convo, message=message, reaction=reaction)
        return {"message": message}

    def _delete(self, request: Request) -> Any:
        convo, message, _ = self._target(request)
        if message is None:
            return _refusal(400, "InvalidConvo", "Convo not found")
        if message["$type"] == CONVO + "systemMessageView":
            return _refusal(400, "MessageDeleteNotAllowed", "Cannot delete system message")
        if message["$type"] == CONVO + "messageView":
            self.unsay(convo, message)
        return next(one for one in convo.messages if one["id"] == message["id"])

    def _target(self, request: Request) -> tuple[Convo, dict[str, Any] | None, str]:
        asked = json.loads(request.body)
        convo = self.convos[asked["convoId"]]
        found = (one for one in convo.messages if one["id"] == asked["messageId"])
        return convo, None if convo.left else next(found, None), asked.get("value", "")

    def _paged(self, request: Request, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """A page, which may be shorter than asked for; a place beyond the end is an empty one without a cursor."""
        token = request.one("cursor", "p0")
        start = int(token[1:]) if token[:1] == "p" and token[1:].isdigit() else 0
        end = start + min(self.page, int(request.one("limit", "50")))
        return items[start:end], {"cursor": f"p{end}"} if end <= len(items) and items else {}

    def _view(self, convo: Convo) -> dict[str, Any]:
        kind: dict[str, Any] = {"$type": CONVO + "directConvo"}
        if convo.name is not None:
            kind = {
                "$type": CONVO + "groupConvo", "name": convo.name, "createdAt": _at(0), "lockStatus": "unlocked",
                "lockStatusModerationOverride": False, "memberCount": len(convo.members), "memberLimit": 50,
            }  # fmt: skip
        view = {
            "id": convo.id,
            "rev": _tid(next(self._ids)),
            "members": [self._basic(one) for one in convo.members[:2]],
            "muted": False,
            "unreadCount": convo.unread,
            "kind": kind,
        }
        if convo.messages:
            view["lastMessage"] = convo.messages[0]
        return view

    def _basic(self, key: str) -> dict[str, Any]:
        person = self.people.get(key) or {"did": key, "handle": self.user.handle if key == self.user.did else "handle.invalid"}
        return {name: value for name, value in person.items() if name not in ("website", "followersCount", "followsCount")}

    def _detailed(self, key: str) -> dict[str, Any]:
        viewer = {"followedBy": f"at://{key}/app.bsky.graph.follow/{_tid(1)}"} if key in self.followers else {}
        person = {**self.people[key], **({"viewer": viewer} if viewer or self._random.random() < 0.5 else {})}
        return person


def quiet_chat(exchange: Exchange, port: int) -> bytes:
    """A chat service at a port, found as every service is (did:web) by the server that asks it in somebody's name; nothing has happened there."""
    body: dict[str, Any] = {"logs": [], "cursor": "here"}
    if exchange.path == "/.well-known/did.json":
        found = {"id": "#bsky_chat", "type": "BskyChatService", "serviceEndpoint": f"http://localhost:{port}"}
        body = {"@context": ["https://www.w3.org/ns/did/v1"], "id": f"did:web:localhost%3A{port}", "service": [found]}
    return http_answer(200, json.dumps(body), Content_Type="application/json", Connection="close")


def _claims(header: str) -> dict[str, Any]:
    kind, _, token = header.partition(" ")
    if kind != "Bearer" or token.count(".") != 2:
        return {}
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _refusal(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": code, "message": message})


def _tid(number: int) -> str:
    """Thirteen signs, in the order of the numbers (atproto.com/specs/tid)."""
    signs = "234567abcdefghijklmnopqrstuvwxyz"
    return "3" + "".join(signs[number // 32**place % 32] for place in reversed(range(12)))


def _at(number: int) -> str:
    return (START + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")
