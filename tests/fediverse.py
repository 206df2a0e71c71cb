"""People with accounts of their own at a Mastodon-compatible server, seen from their side."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests import servers

_NUMBER = count(1)


class Person:
    """Somebody with an account of their own."""

    def __init__(self, server: servers.Mastodon, name: str, shown: str = "") -> None:
        self.server = server
        self.name = f"{name}{next(_NUMBER)}"
        made = server.control("POST", "dev_user", {"username": self.name, "display_name": shown or name.title()})
        self.token = str(made["access_token"])
        self.id = str(server.get("/api/v1/accounts/verify_credentials", self.token)["id"])

    def does(self, method: str, path: str, **body: Any) -> Any:
        return self.server.call(method, f"/api/v1/{path}", body, self.token)

    def posts(self, text: str, **more: Any) -> Any:
        return self.does("POST", "statuses", status=text, **more)

    def follows(self, other: Person) -> None:
        self.does("POST", f"accounts/{other.id}/follow")
