"""Somebody in front of a PDS's sign-in page, with what their browser would send: cookies, where it comes from, and clicks.

The page itself is a program of Bluesky's in JavaScript; this speaks to the same interface behind it (`@atproto/oauth-provider`).
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from tests.atproto_servers import AtUser
from tests.patience import PATIENCE

API = "/@atproto/oauth-provider/~api"


class SignInPage:
    """The page that `url` leads to, opened."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._place = parts.netloc
        self._cookies: dict[str, str] = {}
        status, _, body = self._send("GET", f"{parts.path}?{parts.query}", site="cross-site")
        assert status == 200, body[:500]

    def allow(self, user: AtUser) -> dict[str, str]:
        """Sign in and say yes: what the browser brings back to the program that sent it."""
        given = {"locale": "en", "username": user.handle, "password": user.password, "remember": False}
        signed_in = self._api("sign-in", given)
        bearer = {"Authorization": f"Bearer {signed_in['ephemeralToken']}"}
        return self._back(self._api("consent", {"did": user.did}, bearer)["url"])

    def refuse(self) -> dict[str, str]:
        """Say no."""
        return self._back(self._api("reject", {})["url"])

    def _api(self, name: str, body: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Any:
        headers = {"Content-Type": "application/json", "X-CSRF-Token": self._cookies["csrf-token"], **(more or {})}
        status, _, said = self._send("POST", f"{API}/{name}", json.dumps(body), headers, mode="same-origin", dest="empty")
        assert status == 200, said
        return json.loads(said)

    def _back(self, url: str) -> dict[str, str]:
        parts = urlsplit(url)
        status, location, body = self._send("GET", f"{parts.path}?{parts.query}")
        assert status in (302, 303), body[:500]
        return {"": location.partition("?")[0], **dict(parse_qsl(urlsplit(location).query))}

    def _send(
        self,
        method: str,
        target: str,
        body: str | None = None,
        more: Mapping[str, str] | None = None,
        *,
        mode: Literal["navigate", "same-origin"] = "navigate",
        dest: Literal["document", "empty"] = "document",
        site: Literal["same-origin", "cross-site"] = "same-origin",
    ) -> tuple[int, str, str]:
        headers = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": site, **(more or {})}
        if site == "same-origin":
            headers["Referer"] = self.url
        if method == "POST":
            headers["Origin"] = self._origin
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        connection = http.client.HTTPConnection(self._place, timeout=PATIENCE)
        try:
            connection.request(method, target, body, headers)
            said = connection.getresponse()
            for cookie in said.headers.get_all("set-cookie") or ():
                name, _, value = cookie.partition(";")[0].partition("=")
                self._cookies[name] = value
            return said.status, said.headers.get("location") or "", said.read().decode()
        finally:
            connection.close()
