"""A PortableContacts 1.0 endpoint as the draft has it (Draft C, 5 August 2008, §5 to §7): refuses what that does not define, declines what it may.

It keeps its contacts in the order in which they came. `declines` are parameters that it leaves undone and says so (§6.3.5), `total` what it
counts where that is not the truth.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from tests.providers.stub_http import Answer, Request

#: §6.3: what may be asked; anything else is ignored by servers, and a mistake of ours.
PARAMETERS: Final = frozenset(
    {"filterBy", "filterOp", "filterValue", "updatedSince", "sortBy", "sortOrder", "startIndex", "count", "fields", "format"}
)
TOKEN: Final = "token-1"
PASSWORD: Final = ("robin", "open sesame")
REL: Final = "http://portablecontacts.net/spec/1.0"


class Endpoint:
    """One account at `root`; `pages` is how many entries it gives at most."""

    def __init__(self, now: Callable[[], datetime], root: str = "/poco") -> None:
        self.url = ""
        self.root = root
        self.pages = 100
        self.now = now
        self.entries: dict[str, dict[str, Any]] = {}
        self.owner: dict[str, Any] | None = {"id": "robin", "displayName": "Robin Ray", "emails": {"value": "robin@example.org"}}
        self.declines: set[str] = set()
        self.total: int | None = None
        self.places: dict[str, Answer] = {}
        self.asked: list[Request] = []
        self.violations: list[str] = []
        self.trouble: Answer | None = None

    def put(self, key: str, name: str, **fields: Any) -> None:
        """A contact that changes now."""
        updated = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.entries[key] = {"id": key, "displayName": name, "updated": updated, **fields}

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.path in self.places:
            if "authorization" in request.headers and not request.one("count"):
                self.violations.append(f"a secret was sent to {request.path}")
            return self.places[request.path]
        collection = f"{self.root}/@me/@all"
        if not request.path.startswith(self.root or "/@me"):
            return Answer(404, {})
        if not self._is_welcome(request.headers.get("authorization", "")):
            return Answer(401, {"error": "who are you"}, WWW_Authenticate='Basic realm="contacts"')
        if self.trouble is not None:
            return self.trouble
        self.violations += [f"{name} is no parameter of the draft" for name, _ in request.query if name not in PARAMETERS]
        if request.path in (self.root, f"{self.root}/", collection):
            return self._listed(request)
        if request.path == f"{self.root}/@me/@self" and self.owner is not None:
            return self._said({"startIndex": 0, "totalResults": 1, "entry": self.owner})
        if (one := self.entries.get(request.path.removeprefix(f"{collection}/"))) is not None:
            return self._said({"startIndex": 0, "totalResults": 1, "entry": one})
        return Answer(404, {})

    def _is_welcome(self, header: str) -> bool:
        pair = base64.b64encode(":".join(PASSWORD).encode()).decode()
        return header in (f"Bearer {TOKEN}", f"Basic {pair}")

    def _listed(self, request: Request) -> Answer:
        start, count = (int(request.one(name, "0")) for name in ("startIndex", "count"))
        found = list(self.entries.values())
        body: dict[str, Any] = {}
        if since := request.one("updatedSince"):
            if "updatedSince" in self.declines:
                body["updatedSince"] = False
            else:
                moment = datetime.fromisoformat(since)
                found = [one for one in found if "updated" not in one or datetime.fromisoformat(one["updated"]) >= moment]
        page = found[start : start + min(count or self.pages, self.pages)]
        wanted = {name for name in request.one("fields").split(",") if name}
        if wanted and "@all" not in wanted and "fields" not in self.declines:
            page = [{name: value for name, value in one.items() if name in wanted | {"id", "displayName"}} for one in page]
        total = len(found) if self.total is None else self.total
        return self._said({"startIndex": start, "itemsPerPage": len(page), "totalResults": total, "entry": page, **body})

    def _said(self, body: dict[str, Any]) -> Answer:
        return Answer(200, body, Date=format_datetime(self.now(), usegmt=True))
