"""A stub of Microsoft Graph, held to the paths and types in tests/contracts/microsoft.

It keeps folders, messages with their MIME texts, and contacts; tells changes as Graph has been seen to (in part, with replays, in any
order); forgets marks, throttles whole calls and parts of batches, and leaves fields out at random (seeded).
"""

from __future__ import annotations

import base64
import email
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.providers.stub_http import Answer, Request

CONTRACT = Path(__file__).parent.parent / "contracts" / "microsoft" / "graph.v1.json"
IMMUTABLE = 'IdType="ImmutableId"'
WELL_KNOWN = {
    "inbox": "Posteingang", "sentitems": "Gesendete Elemente", "drafts": "Entwürfe", "junkemail": "Junk-E-Mail",
    "deleteditems": "Gelöschte Elemente",
}  # fmt: skip
#: What Graph documents of paging that no type says.
LIMITS = {"/me/mailFolders/{mailFolder-id}/messages": 1000}


class Contract:
    """The paths with their options, and the types with their properties."""

    def __init__(self) -> None:
        document = json.loads(CONTRACT.read_text())
        self.paths: dict[str, Any] = document["paths"]
        self.types: dict[str, dict[str, str]] = document["types"]
        self._patterns = [
            (template, re.compile(re.sub(r"\\\{[\w\\-]+\\\}", "([^/]+)", re.escape(template)) + r"\Z"))
            # a literal segment outranks an id
            for template in sorted(self.paths, key=lambda path: path.count("{"))
        ]

    def template(self, path: str) -> tuple[str, list[str]] | None:
        for template, pattern in self._patterns:
            if (found := pattern.match(path)) is not None:
                return template, list(found.groups())
        return None

    def faults(self, template: str, request: Request) -> list[str]:
        """What a request does that the contract does not allow. A mark's own token is Graph's."""
        known = {*self.paths[template]["query"], "$deltatoken", "$skiptoken"}
        faults = [f"{template} has no option {name}" for name, _ in request.query if name not in known]
        kind = self.paths[template]["answer"].strip("[]")
        for name in request.one("$select").split(","):
            if name and name not in self.types[kind]:
                faults.append(f"{kind} has no property {name}")
        order = request.one("$orderby").split(" ")[0]
        if order and order not in self.types[kind]:
            faults.append(f"{kind} is not ordered by {order}")
        top = request.one("$top")
        if top and not (top.isdigit() and 1 <= int(top) <= 1000):
            faults.append(f"$top={top}")
        return faults

    def check(self, kind: str, value: Any, where: str) -> None:
        """That an entity is as the contract describes it."""
        assert isinstance(value, dict), where
        for name, inner in value.items():
            if not name.startswith("@"):
                assert name in self.types[kind], f"{where}: {kind} has no {name}"
                self._check(self.types[kind][name], inner, f"{where}.{name}")

    def _check(self, kind: str, value: Any, where: str) -> None:
        if value is None:
            return
        if kind.startswith("["):
            assert isinstance(value, list), where
            for each in value:
                self._check(kind[1:-1], each, where)
        elif kind in self.types:
            self.check(kind, value, where)
        else:
            kinds: dict[str, type | tuple[type, ...]] = {"boolean": bool, "integer": int, "number": (int, float)}
            assert isinstance(value, kinds.get(kind, str)), f"{where}: {value!r} is no {kind}"


def refusal(status: int, code: str, **headers: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": "No.", "innerError": {"request-id": "r1"}}}, **headers)


class Held:
    """A message: its folder, its text, and its properties."""

    def __init__(self, folder: str, raw: bytes, properties: dict[str, Any]) -> None:
        self.folder = folder
        self.raw = raw
        self.properties = properties


class Graph:
    """One account. `log` is what happened: (list, id); a mark remembers a place in it and the parameters of its first call."""

    def __init__(self, seed: int = 0) -> None:
        self.url = ""
        self.base = "/v1.0"
        self.contract = Contract()
        self.random = random.Random(seed)
        self.tokens = {"token-1": {"Mail.Read", "Mail.ReadWrite", "Contacts.Read", "User.Read"}}
        self.user: dict[str, Any] = {
            "id": "u-1", "displayName": "Ada Byron", "mail": None, "userPrincipalName": "ada@outlook.example",
        }  # fmt: skip
        self.folders: dict[str, dict[str, Any]] = {}
        self.well_known: dict[str, str] = {}
        self.messages: dict[str, Held] = {}
        self.books: dict[str, dict[str, Any]] = {"": {"id": "", "displayName": ""}}
        self.contacts: dict[str, tuple[str, dict[str, Any]]] = {}
        self.log: list[tuple[str, str]] = []
        self.marks: dict[str, tuple[str, str, int]] = {}
        self.pages: dict[str, tuple[str, list[Any], str]] = {}
        self.subscriptions: list[dict[str, Any]] = []
        self.prolonged = 0
        self.violations: list[str] = []
        self.asked: list[str] = []
        self.throttled: list[Answer] = []
        self.troubled: dict[str, list[Answer]] = {}
        self.sent: list[bytes] = []
        self.cuts: list[Answer] = []  # said after a message was sent
        self.sending_fails: list[Answer] = []  # said instead of sending
        self.files: dict[str, list[tuple[str, str, bytes]]] = {}  # attached to drafts one by one
        self.uploads: dict[
            str, tuple[str, dict[str, Any], bytearray]
        ] = {}  # large files on their way, by the end of their address
        self.pieces_fail: list[Answer] = []
        self.lost: list[Answer] = []  # said in place of the answer to a write of a contact, which took place
        self.intruders: list[Callable[[str], None]] = []  # what others do just before a contact is changed
        self.page = 10
        self.forgetful = 0.0
        self.replays = False
        self.text_in_batches = False
        self.count = 0
        for name, shown in WELL_KNOWN.items():
            self.well_known[name] = self.add_folder(shown)

    # --- what happens in the account

    def add_folder(self, name: str, parent: str = "", **properties: Any) -> str:
        id_ = f"AAMkF{len(self.folders):04}="
        self.folders[id_] = {"id": id_, "displayName": name, "parentFolderId": parent, "isHidden": False, **properties}
        return id_

    def deliver(self, raw: bytes, folder: str = "inbox", *, received: str | None = None, **properties: Any) -> str:
        self.count += 1
        id_ = f"AAkALg{self.count:05}-_="
        parsed = email.message_from_bytes(raw)
        self.messages[id_] = Held(self._folder(folder), raw, {
            "id": id_, "receivedDateTime": received or f"2026-04-{1 + self.count // 1440:02}T{self.count // 60 % 24:02}:{self.count % 60:02}:00Z",
            "isRead": False, "isDraft": False, "flag": {"flagStatus": "notFlagged"}, "categories": [],
            "hasAttachments": b"attachment" in raw, "webLink": f"https://outlook.example/owa/?ItemID={self.count}",
            "subject": str(parsed["Subject"] or ""), "internetMessageId": str(parsed["Message-ID"] or ""),
            "internetMessageHeaders": [{"name": name, "value": str(value)} for name, value in parsed.items()],
            **properties,
        })  # fmt: skip
        self._note(self.messages[id_].folder, id_)
        return id_

    def change(self, id_: str, **properties: Any) -> None:
        self.messages[id_].properties.update(properties)
        self._note(self.messages[id_].folder, id_)

    def move(self, id_: str, folder: str) -> None:
        """An immutable id stays the same."""
        held = self.messages[id_]
        self._note(held.folder, id_)
        held.folder = self._folder(folder)
        self._note(held.folder, id_)

    def delete(self, id_: str) -> None:
        self._note(self.messages.pop(id_).folder, id_)

    def put_contact(self, number: int, book: str = "", **properties: Any) -> str:
        id_ = f"AAkCon{number:05}="
        base = {
            "id": id_, "displayName": f"Person {number}", "givenName": "Person", "surname": str(number), "businessPhones": [], "homePhones": [],
            "emailAddresses": [{"name": f"Person {number}", "address": f"person{number}@example.org"}], "categories": [],
            "parentFolderId": book or "AAMkDefault=",
        }  # fmt: skip
        self._hold(id_, book, {**base, **properties})
        return id_

    def _hold(self, id_: str, book: str, properties: dict[str, Any]) -> None:
        """Keep a contact as a new version."""
        version = f"EQAAABYAAAC{len(self.log):05}"
        self.contacts[id_] = (book, {**properties, "changeKey": version, "@odata.etag": f'W/"{version}"'})
        self._note(f"book:{book}", id_)

    def drop_contact(self, id_: str) -> None:
        self._note(f"book:{self.contacts.pop(id_)[0]}", id_)

    def forget_marks(self) -> None:
        self.marks.clear()
        self.pages.clear()

    def _folder(self, name: str) -> str:
        return self.well_known.get(name, name)

    def _note(self, list_: str, id_: str) -> None:
        self.log.append((list_, id_))

    # --- the interface

    def answer(self, request: Request) -> Answer:
        if self.throttled:
            return self.throttled.pop(0)
        if request.path.startswith("/upload/"):
            return self._take_piece(request)
        if not request.path.startswith(self.base + "/"):
            self.violations.append(f"nothing at {request.path}")
            return refusal(404, "UnknownError")
        request.path = request.path.removeprefix(self.base)
        if request.path == "/$batch":
            return self._batch(request)
        if request.path.startswith("/subscriptions"):
            troubles = self.troubled.get("/subscriptions")
            answer = self._subscription(request)
            return troubles.pop(0) if troubles else answer
        return self._one(request, request.headers.get("authorization", ""), request.headers.get("prefer", ""))

    def _subscription(self, request: Request) -> Answer:
        """The subscription resource, as learn.microsoft.com/graph/api/resources/subscription describes it."""
        body = json.loads(request.body)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "InvalidAuthenticationToken")
        if request.method == "PATCH":
            known = next((each for each in self.subscriptions if each["id"] == request.segments[-1]), None)
            if known is None:
                return refusal(404, "ResourceNotFound")
            if set(body) != {"expirationDateTime"}:
                self.violations.append(f"a subscription is prolonged, not changed: {sorted(body)}")
            known |= body
            self.prolonged += 1
            return Answer(200, known)
        wanted = {"changeType", "notificationUrl", "lifecycleNotificationUrl", "resource", "expirationDateTime", "clientState"}
        if request.method != "POST" or set(body) != wanted:
            self.violations.append(f"{request.method} {request.path} with {sorted(body)}")
            return refusal(400, "InvalidRequest")
        if (
            not body["notificationUrl"].startswith("https://")
            or len(body["clientState"]) > 128
            or IMMUTABLE not in request.headers.get("prefer", "")
        ):
            self.violations.append(f"a subscription that Graph would refuse: {body}")
            return refusal(400, "InvalidRequest")
        made = {"id": f"sub-{len(self.subscriptions) + self.random.getrandbits(40)}", "applicationId": "a-1", **body}
        self.subscriptions.append(made)
        return Answer(201, made)

    def _one(self, request: Request, authorization: str, prefer: str) -> Answer:
        found = self.contract.template(request.path)
        allowed = {"GET"}
        if found is not None:
            path = self.contract.paths[found[0]]
            allowed |= {"POST"} if "made" in path or path["answer"] == "nothing" else set()
            allowed |= {"PATCH"} if "changed" in path else set()
            allowed |= {"DELETE"} if path.get("deleted") else set()
        if found is None or request.method not in allowed:
            self.violations.append(f"no path for {request.method} {request.path}")
            return refusal(404, "UnknownError")
        template, ids = found
        self.asked.append(template)
        for mark, answers in self.troubled.items():
            if mark in request.path and answers:
                return answers.pop(0)
        scopes = self.tokens.get(authorization.removeprefix("Bearer "))
        if scopes is None:
            return refusal(401, "InvalidAuthenticationToken")
        needed = "Contacts.Read" if "contact" in template else "User.Read" if template == "/me" else "Mail.Read"
        kind = "Contacts" if "contact" in template else "Mail"
        if request.method in ("POST", "PATCH", "DELETE"):
            needed = "Mail.Send" if template.endswith("/send") else f"{kind}.ReadWrite"
        if kind == "Contacts" and request.method in ("POST", "PATCH"):
            self._check_contact(json.loads(request.body), f"{request.method} {template}")
        if request.method == "PATCH":
            self.contract.check(self.contract.paths[template]["changed"], json.loads(request.body), f"PATCH {template}")
        if needed not in scopes and f"{needed}Write" not in scopes:
            return refusal(403, "ErrorAccessDenied")
        if template != "/me" and IMMUTABLE not in prefer:
            self.violations.append(f"{template} without immutable ids")
        if faults := self.contract.faults(template, request):
            self.violations += faults
            return refusal(400, "BadRequest")
        answer = self._called(template, ids, request, prefer)
        if answer.status == 201:
            self.contract.check(self.contract.paths[template]["made"], json.loads(answer.content), template)
        if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("application/json"):
            body = json.loads(answer.content)
            kind = self.contract.paths[template]["answer"].strip("[]")
            for each in body.get("value", [body]):
                self.contract.check(kind if kind != "Attachment" else "FileAttachment", each, template)
        return answer

    def _check_contact(self, body: dict[str, Any], where: str) -> None:
        """What a contact says; of a structured property told in part nobody knows what becomes of the rest."""
        self.contract.check("Contact", body, where)
        for name, value in body.items():
            if self.contract.types["Contact"][name] == "PhysicalAddress" and value is not None:
                missing = self.contract.types["PhysicalAddress"].keys() - value.keys() - {"@odata.type"}
                if missing:
                    self.violations.append(f"{where}: {name} without {sorted(missing)}")

    def _write_contact(self, template: str, ids: list[str], request: Request) -> Answer:
        """POST, PATCH and DELETE of contacts (learn.microsoft.com/graph/api/resources/contact)."""
        body = json.loads(request.body) if request.body else {}
        if len(body.get("emailAddresses") or ()) > 3:
            return refusal(400, "ErrorInvalidRequest")
        if request.method == "POST":
            book = ids[0] if ids else ""
            if book not in self.books:
                return refusal(404, "ErrorItemNotFound")
            id_ = self.put_contact(90_000 + len(self.log), book, **body)
            return self.lost.pop(0) if self.lost else Answer(201, self._selected(self._bare(id_), ""))
        if self.intruders and ids[0] in self.contacts:
            self.intruders.pop(0)(ids[0])
        if ids[0] not in self.contacts:
            return refusal(404, "ErrorItemNotFound")
        book, held = self.contacts[ids[0]]
        if request.headers.get("if-match") not in (None, held["@odata.etag"]):
            return refusal(412, "ErrorIrresolvableConflict")
        if request.method == "DELETE":
            self.drop_contact(ids[0])
            return self.lost.pop(0) if self.lost else Answer(204)
        self._hold(ids[0], book, {**held, **body})
        return self.lost.pop(0) if self.lost else Answer(200, self._selected(self._bare(ids[0]), ""))

    def _bare(self, id_: str) -> dict[str, Any]:
        """A contact as it is told where nothing was expanded."""
        return {name: value for name, value in self.contacts[id_][1].items() if name != "singleValueExtendedProperties"}

    def _marked(self, wanted: str) -> list[dict[str, Any]]:
        """The contacts that a filter on an extended property finds, in the whole mailbox."""
        form = (
            r"singleValueExtendedProperties/Any\(ep: ep/id eq '(String \{[0-9a-f-]{36}\} Name \w+)' and ep/value eq '([^']*)'\)"
        )
        found = re.fullmatch(form, wanted)
        if found is None:
            self.violations.append(f"no filter of contacts: {wanted}")
            return []
        mark = {"id": found[1], "value": found[2]}
        return [self._bare(i) for i, (_, each) in self.contacts.items() if mark in each.get("singleValueExtendedProperties", ())]

    def _called(self, template: str, ids: list[str], request: Request, prefer: str) -> Answer:
        match template.removeprefix("/me"):
            case "":
                return self._shown(self.user, request)
            case "/mailFolders":
                return self._listed(
                    template, [self._folder_shown(each) for each in self.folders.values() if not each["parentFolderId"]], request
                )
            case "/mailFolders/{mailFolder-id}":
                folder = self.folders.get(self._folder(ids[0]))
                return self._shown(self._folder_shown(folder), request) if folder else refusal(404, "ErrorItemNotFound")
            case "/mailFolders/{mailFolder-id}/childFolders":
                return self._listed(
                    template,
                    [self._folder_shown(each) for each in self.folders.values() if each["parentFolderId"] == ids[0]],
                    request,
                )
            case "/mailFolders/{mailFolder-id}/messages":
                if ids[0] not in self.folders:
                    return refusal(404, "ErrorItemNotFound")
                inside = [self._told(id_) for id_, held in self.messages.items() if held.folder == ids[0]]
                inside.sort(key=lambda each: (each["receivedDateTime"], each["id"]), reverse=True)
                return self._listed(request.path, inside, request)
            case "/mailFolders/{mailFolder-id}/messages/delta":
                return self._round(ids[0], request, prefer)
            case "/messages" if request.method == "POST":
                if request.headers.get("content-type") != "text/plain":
                    return refusal(400, "BadRequest")
                id_ = self.deliver(base64.b64decode(request.body, validate=True), "drafts", isDraft=True)
                return Answer(201, self._told(id_))
            case "/messages":
                wanted = request.one("$filter").removeprefix("internetMessageId eq '").removesuffix("'")
                found = [self._told(i) for i, held in self.messages.items() if held.properties["internetMessageId"] == wanted]
                return self._listed(template, found, request)
            case "/messages/{message-id}/move":
                to = json.loads(request.body)["destinationId"]
                if ids[0] not in self.messages or self._folder(to) not in self.folders:
                    return refusal(404, "ErrorItemNotFound")
                self.move(ids[0], to)
                return Answer(201, self._told(ids[0]))
            case "/messages/{message-id}/send":
                if ids[0] not in self.messages:
                    return refusal(404, "ErrorItemNotFound")
                if self.sending_fails:
                    return self.sending_fails.pop(0)
                self.sent.append(self.messages[ids[0]].raw)
                self.change(ids[0], isDraft=False)
                self.move(ids[0], "sentitems")
                return self.cuts.pop(0) if self.cuts else Answer(202)
            case "/messages/{message-id}" if request.method == "DELETE":
                if ids[0] not in self.messages:
                    return refusal(404, "ErrorItemNotFound")
                self.delete(ids[0])
                return Answer(204)
            case "/messages/{message-id}" if request.method == "PATCH":
                if ids[0] not in self.messages:
                    return refusal(404, "ErrorItemNotFound")
                self.change(ids[0], **json.loads(request.body))
                return self._shown(self._told(ids[0]), request)
            case "/messages/{message-id}":
                return self._shown(self._told(ids[0]), request) if ids[0] in self.messages else refusal(404, "ErrorItemNotFound")
            case "/messages/{message-id}/$value":
                held = self.messages.get(ids[0])
                return Answer(200, held.raw, Content_Type="text/plain") if held else refusal(404, "ErrorItemNotFound")
            case "/messages/{message-id}/attachments/createUploadSession":
                return self._upload_session(ids[0], json.loads(request.body))
            case "/messages/{message-id}/attachments" if request.method == "POST":
                return self._attach(ids[0], json.loads(request.body))
            case "/messages/{message-id}/attachments":
                return self._attachments(ids[0], request)
            case "/contactFolders":
                return self._listed(template, [each for id_, each in self.books.items() if id_], request)
            case "/contactFolders/{contactFolder-id}":
                return self._shown(self.books[ids[0]], request) if ids[0] in self.books else refusal(404, "ErrorItemNotFound")
            case "/contactFolders/{contactFolder-id}/childFolders":
                return self._listed(template, [], request)
            case "/contacts" | "/contactFolders/{contactFolder-id}/contacts" | "/contacts/{contact-id}" if (
                request.method != "GET"
            ):
                return self._write_contact(template, ids, request)
            case "/contacts" | "/contactFolders/{contactFolder-id}/contacts" if request.one("$filter"):
                return self._listed(request.path, self._marked(request.one("$filter")), request)
            case "/contacts/{contact-id}":
                return self._shown(self._bare(ids[0]), request) if ids[0] in self.contacts else refusal(404, "ErrorItemNotFound")
            case "/contacts" | "/contactFolders/{contactFolder-id}/contacts":
                book = ids[0] if ids else ""
                return self._listed(request.path, [each for where, each in self.contacts.values() if where == book], request)
            case "/contacts/delta" | "/contactFolders/{contactFolder-id}/contacts/delta":
                return self._round("book:" + (ids[0] if ids else ""), request, prefer)
        raise AssertionError(template)

    def _folder_shown(self, folder: Mapping[str, Any]) -> dict[str, Any]:
        children = sum(each["parentFolderId"] == folder["id"] for each in self.folders.values())
        inside = [held for held in self.messages.values() if held.folder == folder["id"]]
        return {
            **folder,
            "childFolderCount": children,
            "totalItemCount": len(inside),
            "unreadItemCount": sum(not each.properties["isRead"] for each in inside),
        }

    def _told(self, id_: str) -> dict[str, Any]:
        held = self.messages[id_]
        return {**held.properties, "parentFolderId": held.folder}

    def _selected(self, entity: Mapping[str, Any], select: str) -> dict[str, Any]:
        wanted = {"id", "@odata.type", "@odata.etag", *select.split(",")} if select else set(entity)
        found = {name: value for name, value in entity.items() if name in wanted}
        for name in ("totalItemCount", "webLink", "hasAttachments"):
            if name in found and self.random.random() < self.forgetful:
                del found[name]
        return {"@odata.etag": 'W/"e' + str(len(self.log)) + '"', **found}

    def _shown(self, entity: Mapping[str, Any], request: Request) -> Answer:
        return Answer(200, self._selected(entity, request.one("$select")))

    def _listed(self, place: str, entities: Iterable[Mapping[str, Any]], request: Request) -> Answer:
        """A list by pages. The token of a page stands for what was there when the first one was made."""
        select = request.one("$select")
        token = request.one("$skiptoken")
        if token:
            if token not in self.pages or self.pages[token][0] != place:
                return refusal(400, "BadRequest")
            rest, select = self.pages[token][1], self.pages[token][2]
        else:
            rest = [self._selected(each, select) for each in entities]
        size = min(int(request.one("$top", "10")), self.page)
        return self._page(request, place, rest, size, select, "")

    def _page(self, request: Request, place: str, rest: list[Any], size: int, select: str, delta: str) -> Answer:
        body: dict[str, Any] = {"@odata.context": f"{self.url}{self.base}/$metadata", "value": rest[:size]}
        here = f"https://graph.microsoft.com{self.base}{request.target.removeprefix(self.base).partition('?')[0]}"
        if rest[size:]:
            token = f"n{self.random.getrandbits(60)}"
            self.pages[token] = (place, rest[size:], delta or select)
            options = (
                ""
                if delta
                else "".join(
                    f"&{name}={value.replace(' ', '%20')}"
                    for name, value in request.query
                    if name in ("$top", "$select", "$orderby")
                )
            )
            body["@odata.nextLink"] = f"{here}?$skiptoken={token}{options}"
        elif delta:
            body["@odata.deltaLink"] = f"{here}?$deltatoken={delta}"
        return Answer(200, body)

    def _round(self, list_: str, request: Request, prefer: str) -> Answer:
        """Changes of a list. The first round is everything; later ones are told in part, some twice."""
        size = min(int((re.search(r"odata\.maxpagesize=(\d+)", prefer) or ["", "10"])[1]), self.page)
        if token := request.one("$skiptoken"):
            if token not in self.pages or self.pages[token][0] != list_:
                return refusal(410, "SyncStateNotFound")
            _, rest, delta = self.pages[token]
            return self._page(request, list_, rest, size, "", delta)
        known = request.one("$deltatoken")
        if known:
            if known not in self.marks or self.marks[known][0] != list_:
                return refusal(410, "syncStateNotFound")
            _, select, position = self.marks[known]
            changed = list(dict.fromkeys(id_ for where, id_ in self.log[position:] if where == list_))
        else:
            select, changed, position = request.one("$select"), self._inside(list_), len(self.log)
        rest = []
        for id_ in changed:
            entity = self._inside_of(list_, id_)
            if entity is None:
                rest.append({"id": id_, "@removed": {"reason": "deleted" if id_ not in self.messages else "changed"}})
                continue
            told = self._selected(entity, select)
            before = [seen for where, seen in self.log[:position] if where == list_]
            if known and id_ in before and list_ != self._left(id_, position):  # a change of what was there, told in part
                told = {name: told[name] for name in ("@odata.etag", "id", "isRead", "flag", "displayName") if name in told}
            rest.append(told)
        if self.replays and rest:
            rest += rest[:3]
            self.random.shuffle(rest)
        delta = f"d{self.random.getrandbits(60)}"
        self.marks[delta] = (list_, select, len(self.log))
        return self._page(request, list_, rest, size, select, delta)

    def _left(self, id_: str, position: int) -> str:
        """The list that an item came back to since `position`, for then it is told whole."""
        lists = [where for where, seen in self.log[position:] if seen == id_]
        return lists[-1] if len(set(lists)) > 1 else ""

    def _inside(self, list_: str) -> list[str]:
        if list_.startswith("book:"):
            return [id_ for id_, (book, _) in self.contacts.items() if f"book:{book}" == list_]
        return [id_ for id_, held in self.messages.items() if held.folder == list_]

    def _inside_of(self, list_: str, id_: str) -> dict[str, Any] | None:
        if id_ not in self._inside(list_):
            return None
        return self.contacts[id_][1] if list_.startswith("book:") else self._told(id_)

    def _attach(self, id_: str, body: dict[str, Any]) -> Answer:
        """A file under 3 MB (learn.microsoft.com/graph/api/message-post-attachments)."""
        if id_ not in self.messages:
            return refusal(404, "ErrorItemNotFound")
        self.contract.check("FileAttachment", body, "attachments")
        content = base64.b64decode(body["contentBytes"], validate=True)
        if body["@odata.type"] != "#microsoft.graph.fileAttachment" or len(content) >= 3_000_000:
            self.violations.append(f"{len(content)} bytes do not go up in one call")
            return refusal(413, "ErrorMessageSizeExceeded")
        self.files.setdefault(id_, []).append((body["name"], body["contentType"], content))
        return Answer(201, {name: value for name, value in body.items() if name != "contentBytes"} | {"id": f"att{len(content)}"})

    def _upload_session(self, id_: str, body: dict[str, Any]) -> Answer:
        """Room for a file over 3 MB (learn.microsoft.com/graph/api/attachment-createuploadsession)."""
        if id_ not in self.messages:
            return refusal(404, "ErrorItemNotFound")
        item = body["AttachmentItem"]
        self.contract.check("AttachmentItem", item, "createUploadSession")
        if set(body) != {"AttachmentItem"} or item["attachmentType"] != "file" or not 2_900_000 <= item["size"] <= 150_000_000:
            self.violations.append(f"no upload session for {body}")
            return refusal(400, "ErrorInvalidRequest")
        token = f"{self.random.getrandbits(60)}"
        self.uploads[token] = (id_, item, bytearray())
        return Answer(
            201,
            {
                "uploadUrl": f"{self.url}/upload/{token}",
                "nextExpectedRanges": ["0-"],
                "expirationDateTime": "2026-05-01T00:00:00Z",
            },
        )

    def _take_piece(self, request: Request) -> Answer:
        """A piece of a large file, each behind the one before, at an address that takes no sign-in."""
        id_, item, came = self.uploads[request.path.removeprefix("/upload/")]
        wanted = f"bytes {len(came)}-{len(came) + len(request.body) - 1}/{item['size']}"
        if request.method != "PUT" or "authorization" in request.headers or request.headers.get("content-range") != wanted:
            self.violations.append(f"{request.method} of {request.headers.get('content-range')} instead of {wanted}")
            return refusal(400, "InvalidContentRange")
        if len(request.body) > 4 * 1024 * 1024:
            self.violations.append("a piece has at most 4 MB")
        if self.pieces_fail:
            return self.pieces_fail.pop(0)
        came += request.body
        if len(came) < item["size"]:
            return Answer(200, {"nextExpectedRanges": [f"{len(came)}-"], "expirationDateTime": "2026-05-01T00:00:00Z"})
        self.files.setdefault(id_, []).append((item["name"], item["contentType"], bytes(came)))
        return Answer(201, None, Location=f"{self.url}{self.base}/me/messages/{id_}/attachments/1")

    def _attachments(self, id_: str, request: Request) -> Answer:
        parts = [part for part in email.message_from_bytes(self.messages[id_].raw).walk() if part.get_filename()]
        found = []
        for n, part in enumerate(parts):
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append({
                "@odata.type": "#microsoft.graph.fileAttachment", "id": f"att{n}", "name": part.get_filename(), "size": len(content),
                "contentType": part.get_content_type(), "isInline": False,
            })  # fmt: skip
        for n, (name, kind, content) in enumerate(self.files.get(id_, ()), len(found)):
            found.append(
                {
                    "@odata.type": "#microsoft.graph.fileAttachment",
                    "id": f"att{n}",
                    "name": name,
                    "size": len(content),
                    "contentType": kind,
                }
            )
        return self._listed(f"attachments:{id_}", found, request)

    def _batch(self, request: Request) -> Answer:
        """Each part on its own: 200 outside, statuses inside, in another order."""
        wanted = json.loads(request.body)["requests"]
        if not 1 <= len(wanted) <= 20 or len({each["id"] for each in wanted}) != len(wanted):
            self.violations.append("a batch has 1 to 20 requests with ids of their own")
            return refusal(400, "BadRequest")
        answers = []
        for each in wanted:
            sent = json.dumps(each["body"]).encode() if "body" in each else b""
            if sent and each.get("headers", {}).get("Content-Type") != "application/json":
                self.violations.append("a body in a batch needs its type")
            inner = Request(each["method"], each["url"], {}, sent)
            answer = self._one(inner, request.headers.get("authorization", ""), each.get("headers", {}).get("Prefer", ""))
            json_body = answer.headers.get("Content-Type", "").startswith("application/json")
            text = (
                answer.content.decode("utf-8", "replace") if self.text_in_batches else base64.b64encode(answer.content).decode()
            )
            body = json.loads(answer.content) if json_body and answer.content else text
            answers.append({"id": each["id"], "status": answer.status, "headers": answer.headers, "body": body})
        self.random.shuffle(answers)
        return Answer(200, {"responses": answers})
