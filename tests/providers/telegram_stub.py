"""A stub of Telegram's Bot API, held to its description in tests/contracts/telegram.

It keeps one bot's updates until they are confirmed or a day old, calls them out where a webhook is set, and counts what is sent against
Telegram's limits: one message a second to a chat, thirty a second in all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "telegram" / "bot_api.json"
TOKEN = "777000111:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_"
BOT = 777000111
DAY = 86_400.0
FILE_BYTES = 20 * 1024 * 1024
SIGNS = ("👍", "❤", "🔥")  # some of those that ReactionTypeEmoji lists
#: "receive all update types except chat_member, message_reaction, and message_reaction_count (default)".
NAMED_ALONE = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
#: What stays though it is optional: what a test is about.
KEPT = frozenset({
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection", "business_message", "edited_business_message",
    "deleted_business_messages", "message_reaction", "message_reaction_count", "my_chat_member", "chat_member", "from", "sender_chat", "text",
    "caption", "business_connection_id", "message_thread_id", "is_topic_message", "edit_date", "migrate_to_chat_id", "migrate_from_chat_id",
    "new_chat_members", "left_chat_member", "user", "document", "photo", "title", "rights", "can_reply", "file_path",
})  # fmt: skip

Item = dict[str, Any]


class Description:
    """The methods and types of the contract."""

    def __init__(self) -> None:
        said = json.loads(CONTRACT.read_text())
        self.methods: Item = said["methods"]
        self.types: Item = said["types"]

    def faults(self, kinds: list[str], value: Any, where: str) -> list[str]:
        """What is not as described; the least of all choices."""
        return min((self._fault(kind, value, where) for kind in kinds), key=len)

    def _fault(self, kind: str, value: Any, where: str) -> list[str]:
        if kind.startswith("Array of "):
            if not isinstance(value, list):
                return [f"{where}: {value!r} is no {kind}"]
            inner = [kind.removeprefix("Array of ")]
            return [fault for n, each in enumerate(value) for fault in self.faults(inner, each, f"{where}[{n}]")]
        match kind:
            case "Integer":
                right = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
            case "Float":
                right = isinstance(value, int | float) and not isinstance(value, bool)
            case "String":
                right = isinstance(value, str)
            case "Boolean":
                right = isinstance(value, bool)
            case _:
                return self._object(kind, value, where)
        return [] if right else [f"{where}: {value!r} is no {kind}"]

    def _object(self, kind: str, value: Any, where: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no {kind}"]
        described = self.types[kind]
        if "subtypes" in described:
            return self.faults(described["subtypes"], value, where)
        fields = described["fields"]
        faults = [f"{where}: {kind} needs {name}" for name, field in fields.items() if field["required"] and name not in value]
        for name, inner in value.items():
            if name not in fields:
                faults.append(f"{where}: {kind} has no {name}")
                continue
            faults += self.faults(fields[name]["types"], inner, f"{where}.{name}")
            if "always" in fields[name] and inner != fields[name]["always"]:
                faults.append(f"{where}.{name} is always {fields[name]['always']}")
        return faults

    def thinned(self, kinds: list[str], value: Any, drop: Callable[[], bool]) -> Any:
        """A value without some of what it may be without."""
        kind = next((kind for kind in kinds if not self._fault(kind, value, "")), "String")
        if isinstance(value, list):
            return [self.thinned([kind.removeprefix("Array of ")], each, drop) for each in value]
        if not isinstance(value, dict):
            return value
        described = self.types[kind]
        if "subtypes" in described:
            return self.thinned(described["subtypes"], value, drop)
        fields = described["fields"]
        return {
            name: self.thinned(fields[name]["types"], inner, drop)
            for name, inner in value.items()
            if fields[name]["required"] or name in KEPT or not drop()
        }


def refused(code: int, description: str, **parameters: Any) -> Answer:
    said: Item = {"ok": False, "error_code": code, "description": description}
    if parameters:
        said["parameters"] = parameters
    headers = {"Retry_After": str(parameters["retry_after"])} if "retry_after" in parameters else {}
    return Answer(code, said, **headers)


class BotApi:
    """One bot's Telegram. `now` tells the time (POSIX seconds). With `patient` it tells everything again that is asked for."""

    def __init__(self, now: Callable[[], float], seed: int = 0) -> None:
        self.url = ""
        self.now = now
        self.description = Description()
        self.random = random.Random(seed)
        self.forgetful = 0.0
        self.patient = False
        self.strange = False  # its answers need not be as described
        self.stored = 0  # what a test saw in Kith's database last
        self.token = TOKEN
        self.bot: Item = {
            "id": BOT, "is_bot": True, "first_name": "Harbour", "username": "harbour_bot", "can_join_groups": True,
            "can_read_all_group_messages": True, "can_connect_to_business": True,
        }  # fmt: skip
        self.updates: list[tuple[int, float, Item]] = []
        self.number = 900_000_000
        self.allowed: list[str] | None = None
        self.webhook: Item = {}
        self.connections: dict[str, Item] = {}
        self.administrators: dict[int, list[Item]] = {}
        self.migrated: dict[int, int] = {}
        self.blocked: set[int] = set()
        self.files: dict[str, bytes] = {}
        self.sent: list[Item] = []
        self.own: dict[tuple[int, int], Item] = {}  # what the bot wrote
        self.removed: list[int] = []  # in business chats
        self.reacted: list[Item] = []
        self.calls: list[str] = []
        self.stamps: list[tuple[float, int]] = []
        self.troubled: dict[str, list[Answer]] = {}
        self.cuts: list[Answer] = []  # in the place of the answer to a message that was taken
        self.asked_for_updates: Callable[[Item], None] = lambda asked: None
        self.violations: list[str] = []
        self._messages: dict[int, int] = {}

    # --- what happens -----------------------------------------------------------------------------------------------

    def push(self, kind: str, what: Item) -> int | None:
        """Something happens; its number, None where nobody is to be told."""
        allowed = set(self.allowed) if self.allowed else set(self.description.types["Update"]["fields"]) - NAMED_ALONE
        if kind not in allowed:
            return None
        self.number += 1
        update = {"update_id": self.number, kind: what}
        faults = self.description.faults(["Update"], update, "update")
        assert not faults, faults
        if self.forgetful:
            update = self.description.thinned(["Update"], update, lambda: self.random.random() < self.forgetful)
        self.updates.append((self.number, self.now(), update))
        return self.number

    def next_message(self, chat: int) -> int:
        self._messages[chat] = self._messages.get(chat, 0) + 1
        return self._messages[chat]

    def post(self, chat: Item, sender: Item | None, text: str | None = None, *, at: float | None = None, **more: Any) -> Item:
        """A message in a chat that the bot sees."""
        said: Item = {
            "message_id": self.next_message(chat["id"]), "date": int(self.now() if at is None else at), "chat": chat,
            **({"from": sender} if sender is not None else {"sender_chat": chat}), **({"text": text} if text is not None else {}), **more,
        }  # fmt: skip
        self.push(_kind(said, chat), said)
        return said

    def edit(self, said: Item, **changes: Any) -> Item:
        changed = {**said, "edit_date": int(self.now()), **changes}
        self.push("edited_" + _kind(said, said["chat"]), changed)
        return changed

    def attach(self, owner: Item, connection: str = "biz-1", *, can_reply: bool = True, enabled: bool = True) -> str:
        """A person attaches the bot to their account."""
        self.connections[connection] = {
            "id": connection, "user": owner, "user_chat_id": owner["id"], "date": int(self.now()), "is_enabled": enabled,
            "rights": {"can_reply": True} if can_reply else {},
        }  # fmt: skip
        self.push("business_connection", self.connections[connection])
        return connection

    def delete(self, connection: str, chat: Item, *numbers: int) -> None:
        self.push("deleted_business_messages", {"business_connection_id": connection, "chat": chat, "message_ids": list(numbers)})

    def react(self, said: Item, user: Item, old: list[str], new: list[str]) -> None:
        signs = [[{"type": "emoji", "emoji": each} for each in some] for some in (old, new)]
        self.push("message_reaction", {
            "chat": said["chat"], "message_id": said["message_id"], "user": user, "date": int(self.now()), "old_reaction": signs[0],
            "new_reaction": signs[1],
        })  # fmt: skip

    def join(self, chat: Item, user: Item, status: str = "member") -> None:
        """An administrator's bot is told who comes and goes."""
        before, after = ("member", "left") if status == "left" else ("left", "member")
        self.push("chat_member", {
            "chat": chat, "from": user, "date": int(self.now()), "old_chat_member": {"status": before, "user": user},
            "new_chat_member": {"status": after, "user": user},
        })  # fmt: skip

    def waiting(self) -> list[Item]:
        """What is called out next."""
        return [update for _, _, update in self.updates]

    def delivered(self, update: Item) -> None:
        self.updates = [each for each in self.updates if each[0] != update["update_id"]]

    # --- what is asked ----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.segments[0] == "file":
            return self._file(request)
        token, method = request.segments[0].removeprefix("bot"), request.segments[1]
        self.calls.append(method)
        if token != self.token:
            return refused(401, "Unauthorized")
        if self.troubled.get(method):
            return self.troubled[method].pop(0)
        asked = json.loads(request.body or b"{}")
        described = self.description.methods.get(method)
        if described is None:
            self.violations.append(f"there is no {method}")
            return refused(404, "Not Found")
        self.violations += self._wrong(method, described["fields"], asked)
        result = getattr(self, f"_{method}")(asked)
        if isinstance(result, Answer):
            return result
        if self.forgetful:
            result = self.description.thinned(described["returns"], result, lambda: self.random.random() < self.forgetful)
        faults = self.description.faults(described["returns"], result, method)
        assert self.strange or not faults, faults
        answer = Answer(200, {"ok": True, "result": result})
        return self.cuts.pop(0) if method == "sendMessage" and self.cuts else answer

    def _wrong(self, method: str, fields: Item, asked: Item) -> list[str]:
        faults = [f"{method} needs {name}" for name, field in fields.items() if field["required"] and name not in asked]
        for name, value in asked.items():
            if name not in fields:
                faults.append(f"{method} has no {name}")
            else:
                faults += self.description.faults(fields[name]["types"], value, f"{method}.{name}")
        return faults

    def _getMe(self, asked: Item) -> Any:
        return self.bot

    def _getUpdates(self, asked: Item) -> Any:
        self.asked_for_updates(asked)
        if self.webhook:
            return refused(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        if not 1 <= asked.get("limit", 100) <= 100:
            self.violations.append("getUpdates takes a limit from 1 to 100")
        self.allowed = asked.get("allowed_updates", self.allowed)
        offset = asked.get("offset", 0)
        if not self.patient:
            self.updates = [each for each in self.updates if each[0] >= offset and self.now() - each[1] < DAY]
        return [update for number, _, update in self.updates if number >= offset][: asked.get("limit", 100)]

    def _setWebhook(self, asked: Item) -> Any:
        if not asked["url"].startswith("https://"):
            return refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = {"url": asked["url"], "secret": asked.get("secret_token", ""), "most": asked.get("max_connections", 40)}
        self.allowed = asked.get("allowed_updates", self.allowed)
        return True

    def _deleteWebhook(self, asked: Item) -> Any:
        self.webhook = {}
        if asked.get("drop_pending_updates"):
            self.updates.clear()
        return True

    def _getWebhookInfo(self, asked: Item) -> Any:
        return {
            "url": self.webhook.get("url", ""), "has_custom_certificate": False, "pending_update_count": len(self.updates),
            **({"allowed_updates": list(self.allowed)} if self.allowed else {}),
        }  # fmt: skip

    def _getFile(self, asked: Item) -> Any:
        content = self.files.get(asked["file_id"])
        if content is None:
            return refused(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(content) > FILE_BYTES:
            return refused(400, "Bad Request: file is too big")
        return {
            "file_id": asked["file_id"], "file_unique_id": "u", "file_size": len(content), "file_path": f"documents/{asked['file_id']}",
        }  # fmt: skip

    def _getChatAdministrators(self, asked: Item) -> Any:
        found = self.administrators.get(asked["chat_id"])
        if found is None:
            return refused(400, "Bad Request: chat not found")
        return [{"status": "creator", "user": who, "is_anonymous": False} for who in found]

    def _getBusinessConnection(self, asked: Item) -> Any:
        found = self.connections.get(asked["business_connection_id"])
        return found if found is not None else refused(400, "Bad Request: business connection not found")

    def _sendMessage(self, asked: Item) -> Any:
        chat = asked["chat_id"]
        if chat in self.migrated:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            return refused(400, text, migrate_to_chat_id=self.migrated[chat])
        if chat in self.blocked:
            return refused(403, "Forbidden: bot was blocked by the user")
        if not 1 <= len(asked["text"].encode("utf-16-le")) // 2 <= 4096:
            return refused(400, "Bad Request: message is too long")
        self.stamps = [each for each in self.stamps if self.now() - each[0] < 1.0]
        if len(self.stamps) >= 30 or any(each[1] == chat for each in self.stamps):
            return refused(429, "Too Many Requests: retry after 3", retry_after=3)
        self.stamps.append((self.now(), chat))
        self.sent.append(asked)
        kind = "private" if chat > 0 else "supergroup" if chat < -(10**12) else "group"
        said = {
            "message_id": self.next_message(chat),
            "date": int(self.now()),
            "chat": {"id": chat, "type": kind},
            "text": asked["text"],
        }
        self.own[chat, said["message_id"]] = said | {"from": self.bot}
        return self.own[chat, said["message_id"]]

    def _editMessageText(self, asked: Item) -> Any:
        said = self.own.get((asked["chat_id"], asked["message_id"]))
        if said is None:
            return refused(400, "Bad Request: message can't be edited")
        if said["text"] == asked["text"]:
            return refused(400, "Bad Request: message is not modified: specified new message content is exactly the same")
        said |= {"text": asked["text"], "edit_date": int(self.now())}
        return said

    def _deleteMessage(self, asked: Item) -> Any:
        said = self.own.get((asked["chat_id"], asked["message_id"]))
        if said is None:
            return refused(400, "Bad Request: message to delete not found")
        if self.now() - said["date"] > 2 * DAY:
            return refused(400, "Bad Request: message can't be deleted for everyone")
        del self.own[asked["chat_id"], asked["message_id"]]
        return True

    def _deleteBusinessMessages(self, asked: Item) -> Any:
        if asked["business_connection_id"] not in self.connections:
            return refused(400, "Bad Request: business connection not found")
        self.removed += asked["message_ids"]
        return True

    def _setMessageReaction(self, asked: Item) -> Any:
        signs = asked.get("reaction", [])
        if any(sign["type"] == "emoji" and sign["emoji"] not in SIGNS for sign in signs):
            return refused(400, "Bad Request: REACTION_INVALID")
        if len(signs) > 1:  # "Bots can't use paid reactions", and no more than one
            return refused(400, "Bad Request: REACTIONS_TOO_MANY")
        self.reacted.append(asked)
        return True

    def _file(self, request: Request) -> Answer:
        if request.segments[1] != f"bot{self.token}":
            return refused(401, "Unauthorized")
        content = self.files.get(request.segments[-1])
        return Answer(404, b"") if content is None else Answer(200, content)


def user(number: int, name: str, **more: Any) -> Item:
    return {"id": number, "is_bot": False, "first_name": name, **more}


def private(who: Item) -> Item:
    return {"id": who["id"], "type": "private", "first_name": who["first_name"]}


def group(number: int, title: str) -> Item:
    return {"id": -number, "type": "group", "title": title}


def supergroup(number: int, title: str, **more: Any) -> Item:
    return {"id": -(10**12) - number, "type": "supergroup", "title": title, **more}


def channel(number: int, title: str) -> Item:
    return {"id": -(10**12) - number, "type": "channel", "title": title}


def _kind(said: Item, chat: Item) -> str:
    if "business_connection_id" in said:
        return "business_message"
    return "channel_post" if chat["type"] == "channel" else "message"
