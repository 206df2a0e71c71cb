"""A hub as the W3C Recommendation WebSub describes it (https://www.w3.org/TR/websub/), at /hub of a site whose feed names it.

What a subscriber does against §5.1 is refused, and stands in `violations`. It asks back, denies and delivers when a test tells it to: by a
client of the installation that it was given an address of.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2 as httpx
import msgspec

from tests.providers.feed_site import Site, atom, entry
from tests.providers.stub_http import Answer, Request

PARAMETERS = {"hub.callback", "hub.mode", "hub.topic", "hub.lease_seconds", "hub.secret"}


class Subscribed(msgspec.Struct, frozen=True):
    """What the hub knows of a topic and callback, once it has asked back (§5.3)."""

    secret: str
    lease: int


class Hub(Site):
    """A site and its hub. `refuses` is what it answers requests with instead of 202, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.named = True
        self.requests: list[dict[str, str]] = []
        self.subscriptions: dict[tuple[str, str], Subscribed] = {}
        self.violations: list[str] = []
        self.refuses: list[Answer] = []
        self.challenges = 0

    @property
    def topic(self) -> str:
        return f"{self.url}/feed.xml"

    @property
    def last(self) -> dict[str, str]:
        return self.requests[-1]

    @property
    def looks(self) -> int:
        """How often the feed was asked for."""
        return sum(request.path == "/feed.xml" for request in self.asked)

    def answer(self, request: Request) -> Answer:
        if request.path != "/hub":
            return super().answer(request)
        pairs = parse_qsl(request.body.decode("utf-8"), keep_blank_values=True, strict_parsing=True)
        form = dict(pairs)
        wrong = self._wrong(request, pairs, form)
        self.requests.append(form)
        if wrong:
            self.violations.append(wrong)
            return Answer(400, wrong.encode(), Content_Type="text/plain")
        return self.refuses.pop(0) if self.refuses else Answer(202, b"")

    def feed(self, page: int = 0) -> bytes:
        links = f'<link rel="hub" href="{self.url}/hub"/><link rel="self" href="{self.topic}"/>' if self.named else ""
        return atom("".join(entry(number, title) for number, title in reversed(list(enumerate(self.posts)))), links)

    def _wrong(self, request: Request, pairs: list[tuple[str, str]], form: dict[str, str]) -> str:
        """§5.1, and what §8.2 recommends."""
        callback, mode = urlsplit(form.get("hub.callback", "")), form.get("hub.mode")
        lease = form.get("hub.lease_seconds", "1")
        checks = {
            "method": request.method == "POST",
            "content-type": request.headers.get("content-type") == "application/x-www-form-urlencoded",
            "parameters": len(pairs) == len(form) and set(form) <= PARAMETERS,
            "mode": mode in ("subscribe", "unsubscribe"),
            "topic": form.get("hub.topic") == self.topic,
            "callback": callback.scheme == "https" and len(callback.path.rpartition("/")[2]) >= 32,
            "lease": lease.isdigit() and int(lease) > 0,
            "secret": ("hub.secret" in form) == (mode == "subscribe") and len(form.get("hub.secret", "").encode()) < 200,
            "known": mode == "subscribe" or (self.topic, form.get("hub.callback", "")) in self.subscriptions,
            "authorization": "authorization" not in request.headers and "cookie" not in request.headers,
        }
        return ", ".join(name for name, right in checks.items() if not right)

    async def ask_back(self, client: httpx.AsyncClient, **other: Any) -> int:
        """§5.3, of the last request; `other` parameters in place of what it says. Gives the status of the answer."""
        asked, self.challenges = self.last, self.challenges + 1
        challenge = f"challenge+{self.challenges}/é"
        query = {"hub.mode": asked["hub.mode"], "hub.topic": asked["hub.topic"], "hub.challenge": challenge}
        if asked["hub.mode"] == "subscribe":
            query["hub.lease_seconds"] = asked["hub.lease_seconds"]
        query |= {f"hub.{name}": str(value) for name, value in other.items()}
        answer = await client.get(urlsplit(asked["hub.callback"]).path, params=query)
        if answer.is_success and answer.content == challenge.encode():
            key = (query["hub.topic"], asked["hub.callback"])
            if query["hub.mode"] == "subscribe":
                self.subscriptions[key] = Subscribed(asked["hub.secret"], int(query["hub.lease_seconds"]))
            else:
                self.subscriptions.pop(key, None)
        return answer.status_code

    async def deny(self, client: httpx.AsyncClient) -> int:
        """§5.2."""
        asked = self.last
        query = {"hub.mode": "denied", "hub.topic": asked["hub.topic"], "hub.reason": "Not here."}
        self.subscriptions.pop((asked["hub.topic"], asked["hub.callback"]), None)
        return (await client.get(urlsplit(asked["hub.callback"]).path, params=query)).status_code

    async def deliver(self, client: httpx.AsyncClient, **headers: str) -> list[int]:
        """§7, to all subscribers: the feed as it is. Statuses of their answers."""
        found = []
        for (topic, callback), held in self.subscriptions.items():
            body = self.feed()
            given = {
                "content-type": "application/atom+xml",
                "link": f'<{self.url}/hub>; rel="hub", <{topic}>; rel="self"',
                "x-hub-signature": signed(held.secret, body),
                **headers,
            }
            found.append((await client.post(urlsplit(callback).path, content=body, headers=given)).status_code)
        return found


def signed(secret: str, body: bytes, method: str = "sha256") -> str:
    """§7.1."""
    return f"{method}={hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()}"
