"""A stub of WhatsApp's Cloud API, held to Meta's official OpenAPI description in tests/contracts/whatsapp.

It keeps one business number, the chats of its customers with the 24 hours in which a text is taken, files for 30 days, and what it would call
out: `calls_out`, signed with the app's secret.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from providers.meta.api import VERSION, proof
from providers.meta.webhook import sign
from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "whatsapp" / "cloud_api.json"
NUMBER, ACCOUNT, TOKEN, APP_SECRET = "106540352242922", "102290129340398", "EAAtoken", "an app secret"
SHOWN, DIGITS = "+49 30 901820", "4930901820"
DAY = 86_400.0
MESSAGES = "/{Version}/{Phone-Number-ID}/messages"

Item = dict[str, Any]


def fault(status: int, code: int, message: str = "No.", **more: Any) -> Answer:
    return Answer(status, {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A", **more}})


class CloudApi:
    """One business's WhatsApp. `now` tells the time (POSIX seconds)."""

    def __init__(self, now: Callable[[], float], seed: int = 0) -> None:
        self.url = ""
        self.now = now
        self.description = Description(CONTRACT)
        self.random = random.Random(seed)
        self.forgetful = 0.0
        self.token = TOKEN
        self.callback: Item = {}
        self.subscribed = False
        self.heard: dict[str, float] = {}  # when somebody wrote last
        self.sent: list[Item] = []
        self.read: list[str] = []
        self.files: dict[str, tuple[bytes, float]] = {}
        self.late = False  # whether what comes too late fails only afterwards
        self.calls: list[str] = []
        self.troubled: dict[str, list[Answer]] = {}
        self.cuts: list[Answer] = []
        self.violations: list[str] = []
        self.bodies: list[bytes] = []  # what is called out, the oldest first
        self._numbers = 0

    # --- what happens -----------------------------------------------------------------------------------------------

    def wamid(self) -> str:
        self._numbers += 1
        return f"wamid.HBgL{self._numbers:06}="

    def notify(self, field: str, value: Item, *, official: bool = True) -> bytes:
        """Something is called out."""
        whole: Item = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": DIGITS, "phone_number_id": NUMBER},
            **value,
        }
        body = {"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT, "changes": [{"field": field, "value": whole}]}]}
        if official:
            operation = self.description.operation("POST", "/whatsapp/webhooks") or {}
            self.description.check(operation["requestBody"]["content"]["application/json"]["schema"], body, "webhook")
        self.bodies.append(json.dumps(body).encode())
        return self.bodies[-1]

    def says(self, who: str, name: str, *, at: float | None = None, official: bool = True, **said: Any) -> str:
        """A customer writes: `type` and what belongs to it."""
        moment = self.now() if at is None else at
        self.heard[who] = max(self.heard.get(who, 0.0), moment)
        message = {"from": who, "id": self.wamid(), "timestamp": str(int(moment)), **said}
        person = {"profile": {"name": name}, "wa_id": who}
        self.notify("messages", {"contacts": [person], "messages": [message]}, official=official)
        return str(message["id"])

    def writes(self, who: str, name: str, text: str, **more: Any) -> str:
        return self.says(who, name, type="text", text={"body": text}, **more)

    def becomes(self, number: str, status: str, who: str, *errors: Item) -> None:
        """What became of a message that was sent."""
        told = {"id": number, "status": status, "timestamp": str(int(self.now())), "recipient_id": who}
        self.notify("messages", {"statuses": [{**told, **({"errors": list(errors)} if errors else {})}]})

    def signed(self, body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
        return {"x-hub-signature-256": sign(secret, body), "content-type": "application/json"}

    # --- what is asked ----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return fault(401, 190, "Error validating access token", error_subcode=463)
        if request.segments[0] == "files":
            content, since = self.files.get(request.segments[1], (b"", -31 * DAY))
            return Answer(200, content) if self.now() - since < 30 * DAY else Answer(404, b"")
        where = self._operation(request)
        self.calls.append(where)
        if self.troubled.get(where):
            return self.troubled[where].pop(0)
        operation = self.description.operation(request.method, where)
        if operation is None:
            self.violations.append(f"there is no {request.method} {request.path}")
            return fault(404, 100)
        self._check(operation, where, request)
        body = json.loads(request.body) if request.body else {}
        answer = self._answered(where, request, body)
        if answer.status == 200:
            self._checked(operation, where, body, json.loads(answer.content))
            if where == MESSAGES and self.cuts and "status" not in body:
                return self.cuts.pop(0)
        return answer

    def _operation(self, request: Request) -> str:
        _, first, *rest = [*request.segments, ""]
        if rest and rest[0] == "messages":
            return MESSAGES
        if rest and rest[0] in ("subscribed_apps", "phone_numbers"):
            return "/{Version}/{WABA-ID}/" + rest[0]
        return "/{Version}/{Phone-Number-ID}" if first.isdigit() else "/{Version}/{Media-ID}"

    def _check(self, operation: Item, where: str, request: Request) -> None:
        if request.segments[0] != VERSION:
            self.violations.append(f"{request.path} has no version")
        if request.one("appsecret_proof") != proof(self.token, APP_SECRET):
            self.violations.append(f"{request.path} has no proof")
        request.query = [(name, value) for name, value in request.query if name != "appsecret_proof"]
        self.violations += self.description.faults(operation, request)
        if not request.body:
            return
        body = json.loads(request.body)
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if where == MESSAGES and "status" in body:
            schema = {"$ref": "#/components/schemas/MarkMessageRequestPayload"}
        try:
            self.description.check(schema, body, where)
        except AssertionError as error:
            self.violations.append(str(error))

    def _checked(self, operation: Item, where: str, body: Item, answer: Item) -> None:
        schema = self.description.schema(operation)
        if where == MESSAGES and "status" in body:
            schema = {"$ref": "#/components/schemas/MarkMessageResponsePayload"}
        self.description.check(schema, answer, where)

    def _answered(self, where: str, request: Request, body: Item) -> Answer:
        match where.rpartition("/")[2]:
            case "messages":
                return self._message(body)
            case "subscribed_apps":
                self.subscribed = True
                return Answer(200, {"success": True})
            case "phone_numbers":
                listed = {"id": NUMBER, "display_phone_number": SHOWN, "verified_name": "Harbour Bakery", "status": "LINKED"}
                return Answer(200, {"data": [listed], "paging": {"cursors": {"before": "a", "after": "b"}}})
            case "{Media-ID}":
                return self._file(request)
        if request.segments[1] != NUMBER:
            return fault(400, 100, "Unsupported get request.", error_subcode=33)
        if request.method == "GET":
            called = {
                "phone_number": self.callback.get("override_callback_uri", ""),
                "application": "https://app.example.com/hook",
            }
            shown: Item = {
                "id": NUMBER, "display_phone_number": SHOWN, "verified_name": "Harbour Bakery", "webhook_configuration": called,
            }  # fmt: skip
            return Answer(200, {k: v for k, v in shown.items() if k != "verified_name" or self.random.random() >= self.forgetful})
        if not self.subscribed:
            return fault(400, 100, "The app is not subscribed.")
        self.callback = body["webhook_configuration"]
        return Answer(200, {"success": True})

    def _message(self, body: Item) -> Answer:
        if body.get("status") == "read":
            self.read.append(body["message_id"])
            return Answer(200, {"success": True})
        to = body["to"]
        late = self.now() - self.heard.get(to, -DAY) >= DAY
        if late and not self.late:
            return fault(400, 131047, "Re-engagement message")
        if body["type"] == "text" and not 1 <= len(body["text"]["body"]) <= 4096:
            return fault(400, 100, "(#100) Param text['body'] must be at most 4096 characters long.")
        self.sent.append(body)
        number = self.wamid()
        if late:
            self.becomes(number, "failed", to, {"code": 131047, "title": "Re-engagement message"})
        return Answer(
            200,
            {"messaging_product": "whatsapp", "contacts": [{"input": to, "wa_id": to}], "messages": [{"id": number}]},
        )

    def _file(self, request: Request) -> Answer:
        number = request.segments[1]
        if number not in self.files:
            return fault(400, 100, "Unsupported get request.", error_subcode=33)
        return Answer(
            200, {"id": number, "messaging_product": "whatsapp", "mime_type": "image/jpeg", "url": f"{self.url}/files/{number}"}
        )
