"""A stub of LinkedIn: the profile of OpenID Connect and a member's data by the portability interfaces, held to tests/contracts/linkedin.

It keeps the rows of the archive's tables by domain, hands them out page by page, tells changes, and counts calls against a day's allowance,
which the real one does not tell.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "linkedin" / "interfaces.json"
SLUG = "robin-ray"
VERSION = "202312"
DAY_CALLS = 500
OPENID = frozenset({"openid", "profile", "email"})
PORTABILITY = frozenset({"r_dma_portability_self_serve"})
EVERYTHING = OPENID | {"r_dma_portability_3rd_party"}

Row = dict[str, str]


def problem(status: int, message: str, **more: Any) -> Answer:
    return Answer(status, {"status": status, "message": message, **more})


def url(slug: str) -> str:
    return f"https://www.linkedin.com/in/{slug}"


def tables(path: Path) -> dict[str, list[dict[str, str]]]:
    """The tables of an archive as the interface hands them out: by the titles of their columns."""
    names = {
        "Connections": "CONNECTIONS", "messages": "INBOX", "Invitations": "INVITATIONS", "Shares": "MEMBER_SHARE_INFO",
        "Reactions": "ALL_LIKES", "Comments": "ALL_COMMENTS", "Profile": "PROFILE", "Email Addresses": "EMAIL_ADDRESSES",
    }  # fmt: skip
    found = {}
    with zipfile.ZipFile(path) as copy:
        for file in copy.namelist():
            domain = names.get(Path(file).stem)
            if domain is not None:
                text = copy.read(file).decode("utf-8-sig")
                text = text[text.index("First Name,") :] if domain == "CONNECTIONS" else text  # without the notes above it
                rows = csv.DictReader(io.StringIO(text))
                found[domain] = [{name: value or "" for name, value in row.items() if name} for row in rows]
    return found


class LinkedIn:
    """A member's LinkedIn. `now` tells the time (POSIX seconds); `page` is how many rows a page of a domain has."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.url = ""
        self.now = now
        self.page = 100
        self.description = Description(CONTRACT)
        self.tokens: dict[str, frozenset[str]] = {"token-1": EVERYTHING, "own-token": PORTABILITY}
        self.info: dict[str, Any] = {
            "sub": "abc123", "name": "Robin Ray", "given_name": "Robin", "family_name": "Ray", "picture": "https://media.example/r.jpg",
            "email": "robin@example.org", "email_verified": True, "locale": {"country": "IE", "language": "en"},
        }  # fmt: skip
        self.domains: dict[str, list[Row]] = {
            "PROFILE": [{"First Name": "Robin", "Last Name": "Ray", "Headline": "Sails", "Industry": "Boats"}],
            "EMAIL_ADDRESSES": [{"Email Address": "robin@example.org", "Confirmed": "Yes", "Primary": "Yes", "Updated On": ""}],
        }  # fmt: skip
        self.changes: list[dict[str, Any]] = []
        self.prepared = True
        self.registered = True
        self.version = VERSION
        self.lenient = False
        self.withheld: dict[str, Answer] = {}
        self.calls: list[tuple[float, str]] = []
        self.troubled: dict[str, list[Answer]] = {}
        self.violations: list[str] = []

    # --- what it holds ----------------------------------------------------------------------------------------------

    def connection(self, slug: str, first: str, last: str = "Ray", **more: str) -> str:
        row = {
            "First Name": first, "Last Name": last, "URL": url(slug), "Email Address": "", "Company": "Boats, Ltd", "Position": "Captain",
            "Connected On": "15 Jan 2024", **more,
        }  # fmt: skip
        self.domains.setdefault("CONNECTIONS", []).append(row)
        return slug

    def message(self, conversation: str, sender: str, name: str, to: tuple[str, ...], date: str, text: str, **more: str) -> None:
        row = {
            "CONVERSATION ID": conversation, "CONVERSATION TITLE": "", "FROM": name, "SENDER PROFILE URL": url(sender), "TO": "",
            "RECIPIENT PROFILE URLS": ",".join(map(url, to)), "DATE": date, "SUBJECT": "", "CONTENT": text, "FOLDER": "INBOX", **more,
        }  # fmt: skip
        self.domains.setdefault("INBOX", []).insert(0, row)

    def change(self, resource: str, at: float | None = None) -> None:
        moment = int((self.now() if at is None else at) * 1000)
        number = len(self.changes) + 1
        self.changes.append({
            "id": number, "capturedAt": moment - 500, "processedAt": moment, "configVersion": 1,
            "owner": "urn:li:person:abc", "actor": "urn:li:person:abc",
            "resourceName": resource, "resourceId": str(number), "resourceUri": f"/{resource}/{number}", "method": "CREATE", "methodName": "",
            "activity": {}, "processedActivity": {}, "siblingActivities": [], "parentSiblingActivities": [], "activityId": f"a-{number}",
            "activityStatus": "SUCCESS",
        })  # fmt: skip

    # --- answers ----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        operation = self.description.operation(request.method, request.path)
        if operation is None:
            self.violations.append(f"{request.method} {request.path} is no call that the description has")
            return problem(404, "Not found")
        self.violations += self.description.faults(operation, request)
        if request.path.startswith("/oauth/"):
            return self._token(request)
        if "requestBody" in operation:
            self.description.check(
                operation["requestBody"]["content"]["application/json"]["schema"], json.loads(request.body), "body"
            )
        if request.path.startswith("/rest/") and request.headers.get("x-restli-protocol-version") != "2.0.0":
            self.violations.append("the protocol's version is missing")
        if self.troubled.get(request.path):
            return self.troubled[request.path].pop(0)
        self.calls.append((self.now(), request.path))
        today = sum(1 for at, _ in self.calls if int(at // 86_400) == int(self.now() // 86_400))
        if today > DAY_CALLS and not self.lenient:
            return problem(429, "Resource level throttle APPLICATION_AND_MEMBER DAY limit for calls to this resource is reached.",
                           serviceErrorCode=101)  # fmt: skip
        scopes = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            return problem(401, "The token used in the request has expired", serviceErrorCode=65602, code="EXPIRED_ACCESS_TOKEN")
        if request.path.startswith("/rest/") and request.headers.get("linkedin-version") != self.version:
            return problem(
                426, f"Requested version {request.headers.get('linkedin-version')} is not active", code="NONEXISTENT_VERSION"
            )
        needed = operation["security"][0]["member"][0]
        if needed not in scopes and not any(needed in scope for scope in scopes):
            return problem(
                403,
                f"Not enough permissions to access: {request.method} {request.path}",
                serviceErrorCode=100,
                code="ACCESS_DENIED",
            )
        said: Answer = getattr(self, "_" + operation["operationId"])(request)
        if said.status == 200:
            self.description.check(self.description.schema(operation), json.loads(said.content), request.path)
        return said

    def _token(self, request: Request) -> Answer:
        """RFC 6749 §4.1.3, with the client's secret in the form; LinkedIn parts the scopes by commas."""
        form = dict(parse_qsl(request.body.decode()))
        if (form.get("client_id"), form.get("client_secret")) != ("client", "secret") or "authorization" in request.headers:
            return Answer(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if form.get("grant_type") != "authorization_code" or form.get("code") != "c0de" or not form.get("redirect_uri"):
            return Answer(400, {"error": "invalid_request"})
        scope = ",".join(sorted(self.tokens["token-1"]))
        return Answer(200, {"access_token": "token-1", "expires_in": 5_183_999, "scope": scope, "token_type": "Bearer"})

    def _userinfo(self, request: Request) -> Answer:
        return Answer(200, self.info)

    def _snapshot(self, request: Request) -> Answer:
        domain, start = request.one("domain"), int(request.one("start", "0"))
        if domain in self.withheld:
            return self.withheld[domain]
        rows = self.domains.get(domain, []) if self.prepared else []
        shown = rows[start * self.page : (start + 1) * self.page]
        if not shown:
            return problem(404, "No data found for this memberId")
        after = {
            "type": "application/json",
            "rel": "next",
            "href": f"/rest/memberSnapshotData?q=criteria&domain={domain}&start={start + 1}",
        }
        # whether there is a further page is not known before it is asked for
        paging = {"start": start, "count": 10, "total": len(rows), "links": [after]}
        return Answer(200, {"paging": paging, "elements": [{"snapshotDomain": domain, "snapshotData": shown}]})

    def _changes(self, request: Request) -> Answer:
        since = max(int(request.one("startTime", "0")), int((self.now() - 28 * 86_400) * 1000))
        found = sorted((each for each in self.changes if each["processedAt"] >= since), key=lambda each: each["processedAt"])
        count = int(request.one("count", "10"))
        return Answer(200, {"paging": {"start": 0, "count": count, "links": []}, "elements": found[:count]})

    def _authorizations(self, request: Request) -> Answer:
        key = {"developerApplication": "urn:li:developerApplication:1", "member": "urn:li:person:abc"}
        found = [{"memberComplianceAuthorizationKey": key, "regulatedAt": 1, "memberComplianceScopes": ["DMA"]}]
        return Answer(200, {"elements": found if self.registered else []})

    def _register(self, request: Request) -> Answer:
        self.registered = True
        return Answer(200, {})

    def keys(self) -> set[str]:
        """The keys of connections that a mirror should hold."""
        return {row["URL"] for row in self.domains.get("CONNECTIONS", ())}
