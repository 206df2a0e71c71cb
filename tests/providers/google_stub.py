"""Stubs of Google's interfaces, held to the discovery documents in tests/contracts/google.

`Contract` refuses requests that a document does not allow (path, parameters, their types and values, scopes) and answers that it
does not describe. `Google` adds what all interfaces share: tokens, batches, throttling, errors in their real form, and optional
fields left out at random (seeded). `Mailbox` is a Gmail that keeps messages, labels and history.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from email.message import Message as Mime
from pathlib import Path
from typing import Any

from tests.providers.stub_http import Answer, Request

CONTRACTS = Path(__file__).parent.parent / "contracts" / "google"
SCOPE = "https://www.googleapis.com/auth/"
#: What the description of otherContacts.list allows in its mask.
OTHER_FIELDS = frozenset({"emailAddresses", "metadata", "names", "phoneNumbers", "photos"})


class Contract:
    """One discovery document."""

    def __init__(self, name: str) -> None:
        document = json.loads((CONTRACTS / f"{name}.v1.json").read_text())
        self.methods: dict[str, Any] = document["methods"]
        self.schemas: dict[str, Any] = document["schemas"]
        self.common: dict[str, Any] = document["parameters"]
        self.batch_path: str = document["batchPath"]
        self._paths = {
            id_: (
                method["httpMethod"],
                re.compile("(?:/upload)?/" + re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(method["flatPath"])) + r"\Z"),
            )
            for id_, method in self.methods.items()
        }

    def method(self, request: Request) -> tuple[str, list[str]] | None:
        """The id of the method that a request calls, and what stands in its path."""
        for id_, (verb, path) in self._paths.items():
            found = path.match(request.path)
            if verb == request.method and found is not None:
                return id_, list(found.groups())
        return None

    def faults(self, id_: str, request: Request) -> list[str]:
        """What a request does that the document does not allow."""
        method = self.methods[id_]
        if request.path.startswith("/upload/"):
            simple = method.get("mediaUpload", {}).get("protocols", {}).get("simple", {})
            known_path = simple.get("path", "").replace("{userId}", "me")
            if request.path != known_path or request.one("uploadType") != "multipart":
                return [f"{id_} takes no upload at {request.target}"]
            request.query = [one for one in request.query if one[0] != "uploadType"]
        known = {name: spec for name, spec in method["parameters"].items() if spec["location"] == "query"}
        faults = []
        for name, value in request.query:
            spec = known.get(name) or self.common.get(name)
            if spec is None:
                faults.append(f"{id_} has no parameter {name}")
            elif not spec.get("repeated") and len(request.all(name)) > 1:
                faults.append(f"{name} is given twice")
            elif (spec["type"] == "integer" and not value.isdigit()) or (
                spec["type"] == "boolean" and value not in ("true", "false")
            ):
                faults.append(f"{name}={value} is no {spec['type']}")
            elif "enum" in spec and value not in spec["enum"]:
                faults.append(f"{name}={value} is none of {spec['enum']}")
        faults += [f"{name} is required" for name, spec in known.items() if spec.get("required") and not request.all(name)]
        if request.method in ("GET", "DELETE") and request.body:
            faults.append(f"a {request.method} has a body")
        if "request" in method and not request.path.startswith("/upload/"):
            try:
                self._check(method["request"], json.loads(request.body), f"{id_} is sent")
            except (ValueError, AssertionError) as error:
                faults.append(str(error) or "no JSON")
        return faults

    def check(self, id_: str, body: Any) -> None:
        """That an answer is as the document describes it."""
        if "response" not in self.methods[id_]:
            assert body in (None, {}), id_
            return
        self._check({"$ref": self.methods[id_]["response"]["$ref"]}, body, id_)

    def _check(self, schema: Mapping[str, Any], value: Any, where: str) -> None:
        if "$ref" in schema:
            known = self.schemas[schema["$ref"]]["properties"]
            assert isinstance(value, dict), where
            for name, inner in value.items():
                assert name in known, f"{where}.{name}"
                self._check(known[name], inner, f"{where}.{name}")
        elif schema["type"] == "array":
            assert isinstance(value, list), where
            for each in value:
                self._check(schema["items"], each, where)
        else:
            kinds = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}
            assert isinstance(value, kinds[schema["type"]]), f"{where}: {value!r}"  # type: ignore[arg-type]
            assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r}"


def refusal(status: int, reason: str, message: str = "No.", *, details: Iterable[str] = (), old: bool = True) -> Answer:
    """An error as Google sends it, with the old list of reasons or the new details."""
    names = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
    }
    error: dict[str, Any] = {"code": status, "message": message, "status": names.get(status, "INTERNAL")}
    if old:
        error["errors"] = [{"message": message, "domain": "global", "reason": reason}]
    found = [*details, *([] if old else [reason])]
    if found:
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": each, "domain": "googleapis.com"} for each in found
        ]
    return Answer(status, {"error": error})


class Google:
    """What Google's interfaces share. `violations` must stay empty."""

    name = ""
    #: Fields that answers may lack; some are left out at random.
    optional: frozenset[str] = frozenset()
    #: What a call of each method costs.
    units: Mapping[str, int] = {}

    def __init__(self, seed: int = 0) -> None:
        self.url = ""
        self.contract = Contract(self.name)
        self.random = random.Random(seed)
        self.tokens = {"token-1": frozenset({SCOPE + "gmail.readonly", SCOPE + "gmail.modify"})}
        self.violations: list[str] = []
        self.asked: list[str] = []
        self.spent = 0
        self.forgetful = 0.0
        self.throttled: list[Answer] = []
        self.troubled: dict[str, list[Answer]] = {}
        # the guide to batches names the second, which no document describes
        self.batch_paths = ["/" + self.contract.batch_path, f"/batch/{self.name}/v1"]

    def answer(self, request: Request) -> Answer:
        if self.throttled:
            return self.throttled.pop(0)
        if request.path in self.batch_paths:
            return self._batch(request)
        return self._one(request, request.headers.get("authorization", ""))

    def call(self, id_: str, segments: list[str], request: Request) -> Answer:
        """The answer of a method, to a request that the contract allows."""
        raise AssertionError(id_)

    def _one(self, request: Request, authorization: str) -> Answer:
        found = self.contract.method(request)
        if found is None:
            self.violations.append(f"no method for {request.method} {request.target}")
            return refusal(404, "notFound")
        id_, segments = found
        self.asked.append(id_)
        self.spent += self.units.get(id_, 1)
        for mark, answers in self.troubled.items():
            if mark in request.target and answers:
                return answers.pop(0)
        granted = self.tokens.get(authorization.removeprefix("Bearer "))
        if granted is None:
            return refusal(401, "authError", "Invalid Credentials")
        if not granted & set(self.contract.methods[id_]["scopes"]):
            return refusal(403, "insufficientPermissions", details=["ACCESS_TOKEN_SCOPE_INSUFFICIENT"])
        if faults := self.contract.faults(id_, request):
            self.violations += faults
            return refusal(400, "invalidArgument", "; ".join(faults))
        answer = self.call(id_, segments, request)
        if answer.status == 200:
            body = json.loads(answer.content or b"null")
            self.contract.check(id_, body)
            answer = Answer(200, self._thinned(body))
        return answer

    def _thinned(self, value: Any) -> Any:
        """The answer without some of the fields that it may lack."""
        if isinstance(value, list):
            return [self._thinned(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            name: self._thinned(inner)
            for name, inner in value.items()
            if not (name in self.optional and self.random.random() < self.forgetful)
        }

    def _batch(self, request: Request) -> Answer:
        """Each part is a request of its own; the answers come in another order."""
        content_type = request.headers["content-type"]
        whole = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + request.body)
        parts = whole.get_payload()
        if not isinstance(parts, list) or not 1 <= len(parts) <= 100:
            self.violations.append("a batch has 1 to 100 parts")
            return refusal(400, "badRequest")
        answers = []
        for part in parts:
            assert isinstance(part, Mime)
            assert part.get_content_type() == "application/http"
            head, _, body = str(part.get_payload()).partition("\r\n\r\n")
            method, target, version = head.split("\r\n")[0].split(" ")
            assert version == "HTTP/1.1"
            inner = Request(method, target, {}, body.strip().encode())
            answer = self._one(inner, request.headers.get("authorization", ""))
            identity = str(part["Content-ID"]).strip("<>")
            answers.append(
                f"\r\n--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-{identity}>\r\n\r\n".encode()
                + f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode()
                + answer.content
            )
        self.random.shuffle(answers)
        return Answer(200, b"".join([*answers, b"\r\n--batch_x--\r\n"]), Content_Type="multipart/mixed; boundary=batch_x")


class Stored:
    """A message at Gmail."""

    def __init__(self, id_: str, raw: bytes, labels: Iterable[str], date: int, thread: str) -> None:
        self.id = id_
        self.raw = raw
        self.labels = set(labels)
        self.date = date
        self.thread = thread


class Mailbox(Google):
    """A Gmail mailbox. `history_floor`: what begins before it is forgotten (404)."""

    name = "gmail"
    optional = frozenset({
        "resultSizeEstimate", "snippet", "sizeEstimate", "threadsTotal", "messagesTotal", "messagesUnread", "threadsUnread", "messages_",
        "messageListVisibility", "labelListVisibility", "verificationStatus", "isPrimary", "filename", "threadId",
    })  # fmt: skip
    units = {
        "gmail.users.messages.get": 20, "gmail.users.messages.list": 5, "gmail.users.history.list": 2,
        "gmail.users.messages.attachments.get": 20,
    }  # fmt: skip

    def __init__(self, address: str = "ada@example.org", seed: int = 0) -> None:
        super().__init__(seed)
        self.address = address
        self.messages: dict[str, Stored] = {}
        self.labels = {
            name: name for name in ("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT", "CHAT")
        }
        self.history: list[tuple[int, str, str, tuple[str, ...], tuple[str, ...]]] = []
        self.position = 1000
        self.history_floor = 0
        self.page = 10
        self.says_labels = True  # whether history tells a message's labels
        self.page_tokens: dict[str, list[str]] = {}
        self.clock: Callable[[], float] = lambda: 1_777_000_000.0
        self.cuts: list[Answer] = []  # said after a message was taken
        self.identities: list[dict[str, Any]] = [{"sendAsEmail": address, "isPrimary": True}]
        self.watched: tuple[str, float] | None = None  # the topic, and until when

    # --- what happens in the mailbox

    def deliver(
        self, raw: bytes, labels: Iterable[str] = ("INBOX", "UNREAD"), *, date: int | None = None, thread: str = ""
    ) -> str:
        number = len(self.history) + 17
        id_ = f"18f{number:013x}"
        when = date if date is not None else 1_777_000_000_000 + number * 60_000
        self.messages[id_] = Stored(id_, raw, labels, when, thread or id_)
        self._note("messagesAdded", id_)
        return id_

    def delete(self, id_: str) -> None:
        """For ever, as from the trash."""
        self._note("messagesDeleted", id_)
        del self.messages[id_]

    def relabel(self, id_: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        if added := tuple(set(add) - self.messages[id_].labels):
            self.messages[id_].labels |= set(added)
            self._note("labelsAdded", id_, added)
        if removed := tuple(set(remove) & self.messages[id_].labels):
            self.messages[id_].labels -= set(removed)
            self._note("labelsRemoved", id_, removed)

    def forget_history(self, *, all_of_it: bool = False) -> None:
        """`all_of_it`: even what the profile says is the latest (seen of mailboxes where nothing happens)."""
        self.history_floor = self.position + all_of_it

    def _note(self, kind: str, id_: str, labels: tuple[str, ...] = ()) -> None:
        self.position += self.random.randint(1, 40)  # ids increase with gaps
        self.history.append((self.position, kind, id_, labels, tuple(sorted(self.messages[id_].labels))))

    # --- the interface

    def call(self, id_: str, segments: list[str], request: Request) -> Answer:
        if segments[0] != "me":
            return refusal(403, "delegationDenied")
        match id_.removeprefix("gmail.users."):
            case "getProfile":
                return Answer(
                    200, {"emailAddress": self.address, "messagesTotal": len(self.messages), "historyId": str(self.position)}
                )
            case "labels.list":
                return Answer(200, {"labels": [self._label(each) for each in self.labels]})
            case "labels.get":
                return self._counted(segments[1])
            case "settings.sendAs.list":
                return Answer(200, {"sendAs": self.identities})
            case "watch":
                self.watched = (json.loads(request.body)["topicName"], self.clock() + 7 * 86_400)
                return Answer(200, {"historyId": str(self.position), "expiration": str(int(self.watched[1] * 1000))})
            case "stop":
                self.watched = None
                return Answer(204)
            case "messages.batchModify":
                wanted = json.loads(request.body)
                if not 1 <= len(wanted["ids"]) <= 1000:
                    return refusal(400, "invalidArgument")
                for each in wanted["ids"]:
                    if each in self.messages:
                        self.relabel(each, add=wanted.get("addLabelIds", ()), remove=wanted.get("removeLabelIds", ()))
                return Answer(204)
            case "messages.list":
                return self._listed(request)
            case "messages.get":
                return self._got(segments[1], request.one("format", "full"))
            case "messages.attachments.get":
                return self._attachment(segments[1], segments[2])
            case "history.list":
                return self._changed(request)
            case "messages.send":
                return self._sent(request)
        raise AssertionError(id_)

    def _sent(self, request: Request) -> Answer:
        """Recipients are read from the header; Bcc is what only the sender's copy keeps."""
        if request.path.startswith("/upload/"):
            whole = email.message_from_bytes(
                b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n" + request.body
            )
            parts = whole.get_payload()
            assert isinstance(parts, list)
            about, content = parts
            assert isinstance(about, Mime)
            assert isinstance(content, Mime)
            assert content.get_content_type() == "message/rfc822"
            thread = json.loads(str(about.get_payload())).get("threadId", "")
            raw = request.body.split(b"Content-Type: message/rfc822\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        else:
            body = json.loads(request.body)
            raw, thread = base64.urlsafe_b64decode(body["raw"] + "=="), body.get("threadId", "")
        now = int(self.clock() * 1000)
        id_ = self.deliver(raw, ["SENT"], date=now, thread=thread)
        if self.cuts:
            return self.cuts.pop(0)
        return Answer(200, {"id": id_, "threadId": self.messages[id_].thread, "labelIds": ["SENT"]})

    def _label(self, id_: str) -> dict[str, Any]:
        return {"id": id_, "name": self.labels[id_], "type": "system" if id_ == self.labels[id_] else "user"}

    def _counted(self, id_: str) -> Answer:
        if id_ not in self.labels:
            return refusal(404, "notFound")
        return Answer(200, {**self._label(id_), "messagesTotal": sum(id_ in each.labels for each in self.messages.values())})

    def _listed(self, request: Request) -> Answer:
        token = request.one("pageToken")
        if token:
            if token not in self.page_tokens:
                return refusal(400, "invalidArgument", "Invalid pageToken")
            rest = self.page_tokens[token]
        else:
            rest = [
                each.id
                for each in sorted(self.messages.values(), key=lambda m: (m.date, m.id), reverse=True)
                if self._fits(each, request)
            ]
        size = min(int(request.one("maxResults", "100")), self.page)
        body: dict[str, Any] = {"resultSizeEstimate": len(rest)}
        if rest[:size]:
            body["messages"] = [
                {"id": each, "threadId": self.messages[each].thread} for each in rest[:size] if each in self.messages
            ]
        if rest[size:]:
            body["nextPageToken"] = f"p{self.random.getrandbits(60)}"
            self.page_tokens[body["nextPageToken"]] = rest[size:]
        return Answer(200, body)

    def _fits(self, message: Stored, request: Request) -> bool:
        wanted = request.all("labelIds")
        if request.one("includeSpamTrash") != "true" and message.labels & {"SPAM", "TRASH"} and not message.labels & set(wanted):
            return False
        for word in request.one("q").split():
            name, _, value = word.partition(":")
            if (name == "larger" and len(message.raw) <= int(value)) or (name == "after" and message.date // 1000 < int(value)):
                return False
            if name == "rfc822msgid" and f"<{value}>".encode() not in message.raw.split(b"\r\n\r\n")[0]:
                return False
            if name not in ("larger", "after", "rfc822msgid"):
                self.violations.append(f"the stub knows no search {word}")
        return set(wanted) <= message.labels

    def _got(self, id_: str, form: str) -> Answer:
        message = self.messages.get(id_)
        if message is None:
            return refusal(404, "notFound", "Requested entity was not found.")
        body: dict[str, Any] = {
            "id": id_, "threadId": message.thread, "historyId": "7", "internalDate": str(message.date),
            "sizeEstimate": len(message.raw), "snippet": "…",
        }  # fmt: skip
        if message.labels:
            body["labelIds"] = sorted(message.labels)
        if form == "raw":
            body["raw"] = _encoded(message.raw)
        elif form != "minimal":
            body["payload"] = _payload(email.message_from_bytes(message.raw, policy=email.policy.compat32), "")
        return Answer(200, body)

    def _attachment(self, id_: str, attachment: str) -> Answer:
        message = self.messages.get(id_)
        if message is None:
            return refusal(404, "notFound")
        for part in email.message_from_bytes(message.raw).walk():
            content = part.get_payload(decode=True)
            if isinstance(content, bytes) and part.get_filename() and attachment == f"ANGjdJ_{part.get_filename()}":
                return Answer(200, {"size": len(content), "data": _encoded(content)})
        return refusal(404, "notFound")

    def _changed(self, request: Request) -> Answer:
        start = request.one("startHistoryId")
        if not start.isdigit():
            return refusal(400, "invalidArgument", "Invalid value for startHistoryId")
        if int(start) < self.history_floor or int(start) > self.position:
            return refusal(404, "notFound", "Requested entity was not found.")
        rest = [each for each in self.history if each[0] > int(start)]
        skipped = int(request.one("pageToken", "0") or 0)
        size = min(int(request.one("maxResults", "100")), self.page)
        body: dict[str, Any] = {"historyId": str(self.position)}
        if rest[skipped + size :]:
            body["nextPageToken"] = str(skipped + size)
        records = []
        for position, kind, id_, labels, then in rest[skipped : skipped + size]:
            message: dict[str, Any] = {"id": id_, "threadId": id_}
            now = self.messages.get(id_)
            if self.says_labels and (now.labels if now else then):
                message["labelIds"] = sorted(now.labels) if now else list(then)
            change: dict[str, Any] = {"message": message}
            if labels:
                change["labelIds"] = list(labels)
            records.append({"id": str(position), "messages": [{"id": id_, "threadId": id_}], kind: [change]})
        if records:
            body["history"] = records
        return Answer(200, body)


def _encoded(content: bytes) -> str:
    """base64url, padding left out as is often seen."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _payload(part: Mime, number: str) -> dict[str, Any]:
    """MessagePart: texts in UTF-8 whatever they were sent in, files by an id."""
    body: dict[str, Any] = {"size": 0}
    inner: list[dict[str, Any]] = []
    if part.is_multipart():
        for n, each in enumerate(part.get_payload()):
            assert isinstance(each, Mime)
            inner.append(_payload(each, f"{number}.{n}" if number else str(n)))
    else:
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        body = {"size": len(content)}
        if part.get_filename():
            body["attachmentId"] = f"ANGjdJ_{part.get_filename()}"
        else:
            body["data"] = _encoded(content.decode(part.get_content_charset("utf-8"), "replace").encode())
    found: dict[str, Any] = {
        "partId": number, "mimeType": part.get_content_type(), "filename": part.get_filename() or "", "body": body,
        "headers": [{"name": name, "value": str(value)} for name, value in part.items()],
    }  # fmt: skip
    return {**found, "parts": inner} if inner else found


class People(Google):
    """A Google account's contacts. `now` (POSIX seconds) is turned by hand: sync tokens end seven days after their listing."""

    name = "people"
    optional = frozenset({
        "totalItems", "totalPeople", "totalSize", "formattedType", "displayNameLastFirst", "unstructuredName", "formattedName",
        "canonicalForm", "objectType", "updateTime", "memberCount", "groupType_", "sourcePrimary",
    })  # fmt: skip
    lifetime = 7 * 86_400.0

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        scopes = (
            "contacts.readonly",
            "contacts",
            "contacts.other.readonly",
            "directory.readonly",
            "userinfo.email",
            "userinfo.profile",
        )
        self.tokens = {"token-1": frozenset({SCOPE + scope for scope in scopes})}
        self.now = 0.0
        self.page = 10
        self.lists: dict[str, dict[str, dict[str, Any]]] = {"connections": {}, "otherContacts": {}, "people": {}}
        self.log: list[tuple[str, str]] = []
        self.groups = {"contactGroups/myContacts": "myContacts", "contactGroups/starred": "starred"}
        self.sync_tokens: dict[str, tuple[str, tuple[tuple[str, str], ...], int, float]] = {}
        self.page_tokens: dict[str, tuple[tuple[tuple[str, str], ...], list[dict[str, Any]], float]] = {}
        self.workspace = True
        self.lost: list[Answer] = []  # answers that stand in for those of writes that took place
        self.intruders: list[Callable[[str], object]] = []  # who writes right before us
        self.gives_tokens = True

    # --- what happens in the account

    def put(self, list_: str, number: int, **fields: Any) -> str:
        """A new or changed person; the resource name."""
        prefix = {"connections": "people/c", "otherContacts": "otherContacts/c", "people": "people/"}[list_]
        name = f"{prefix}{number}"
        kind = {"connections": "CONTACT", "otherContacts": "OTHER_CONTACT", "people": "DOMAIN_PROFILE"}[list_]
        source = {"type": kind, "id": f"{number:x}", "etag": f"#e{len(self.log)}", "updateTime": "2026-05-01T10:00:00.123Z"}
        person = {
            "resourceName": name,
            "etag": f"%whole{len(self.log)}",
            "metadata": {"sources": [source], "objectType": "PERSON"},
            "names": [
                {
                    "displayName": f"Person {number}",
                    "givenName": "Person",
                    "familyName": str(number),
                    "metadata": {"primary": True},
                }
            ],
            "emailAddresses": [{"value": f"person{number}@example.org", "type": "home", "metadata": {"primary": True}}],
            **fields,
        }
        self.lists[list_][name] = person
        self.log.append((list_, name))
        return name

    def drop(self, list_: str, name: str) -> None:
        self.lists[list_].pop(name)
        self.log.append((list_, name))

    def rename(self, old: str, new: str) -> None:
        """What a linked profile does to a contact's resource name."""
        person = self.lists["connections"].pop(old)
        metadata = {**person["metadata"], "previousResourceNames": [old]}
        self.lists["connections"][new] = {**person, "resourceName": new, "metadata": metadata}
        self.log.append(("connections", new))

    # --- the interface

    def call(self, id_: str, segments: list[str], request: Request) -> Answer:
        match id_.removeprefix("people."):
            case "people.get" if segments[0] != "me":
                return self._one_person(f"people/{segments[0]}", request)
            case "people.createContact":
                return self._made(request)
            case "people.updateContact":
                return self._updated(f"people/{segments[0]}", request)
            case "people.deleteContact":
                if f"people/{segments[0]}" not in self.lists["connections"]:
                    return refusal(404, "notFound")
                self.drop("connections", f"people/{segments[0]}")
                return self._written() or Answer(200, {})
            case "people.get":
                return Answer(200, {
                    "resourceName": "people/77", "etag": "%me", "emailAddresses": [{"value": "ada@example.org", "metadata": {"primary": True}}],
                    "names": [{"displayName": "Ada Byron"}],
                })  # fmt: skip
            case "people.connections.list":
                return self._listed("connections", request, "totalItems")
            case "otherContacts.list":
                return self._listed("otherContacts", request, "totalSize")
            case "people.listDirectoryPeople":
                if not self.workspace:
                    return refusal(403, "forbidden", "Must be a G Suite domain user.")
                return self._listed("people", request, None)
            case "people.getBatchGet":
                return self._looked_up(request)
            case "contactGroups.list":
                kind = {"contactGroups/myContacts": "SYSTEM_CONTACT_GROUP", "contactGroups/starred": "SYSTEM_CONTACT_GROUP"}
                groups = [
                    {"resourceName": name, "name": shown, "formattedName": shown.title() if name in kind else shown,
                     "groupType": kind.get(name, "USER_CONTACT_GROUP"), "memberCount": 3}
                    for name, shown in self.groups.items()
                ]  # fmt: skip
                return Answer(200, {"contactGroups": groups, "totalItems": len(groups)})
        raise AssertionError(id_)

    def _written(self) -> Answer | None:
        """The answer to a write, when it gets lost on its way."""
        return self.lost.pop(0) if self.lost else None

    def _one_person(self, name: str, request: Request) -> Answer:
        person = self.lists["connections"].get(name)
        if person is None:
            return refusal(404, "notFound")
        wanted = {"resourceName", "etag", "metadata", *request.one("personFields").split(",")}
        return Answer(200, {field: value for field, value in person.items() if field in wanted})

    def _made(self, request: Request) -> Answer:
        fields: dict[str, Any] = {"names": [], "emailAddresses": [], **self._stored(json.loads(request.body))}
        name = self.put("connections", 5000 + len(self.log), **fields)
        return self._written() or self._one_person(name, request)

    def _updated(self, name: str, request: Request) -> Answer:
        """What updateContact's page says: the source's etag, singletons, a contact without any group."""
        person, mine = json.loads(request.body), self.lists["connections"].get(name)
        if mine is None:
            return refusal(404, "notFound")
        fields = request.one("updatePersonFields").split(",")
        if not set(fields) <= {"addresses", "biographies", "birthdays", "emailAddresses", "memberships", "names", "nicknames",
                               "organizations", "phoneNumbers", "urls"}:  # fmt: skip
            return refusal(400, "invalidArgument", "updatePersonFields")
        if self.intruders:
            self.intruders.pop(0)(name)
            mine = self.lists["connections"][name]
        sent = [each for each in person.get("metadata", {}).get("sources", ()) if each["type"] == "CONTACT"]
        (held,) = mine["metadata"]["sources"]
        if [each.get("etag") for each in sent] != [held["etag"]]:
            answer = refusal(400, "failedPrecondition", "Request person.etag is different than the current person.etag.")
            return Answer(400, json.loads(answer.content.replace(b"INVALID_ARGUMENT", b"FAILED_PRECONDITION")))
        if any(len(person.get(field, ())) > 1 for field in ("names", "biographies", "birthdays")):
            return refusal(400, "invalidArgument", "singleton")
        if "memberships" in fields and not person.get("memberships"):
            return refusal(400, "invalidArgument", "a contact is in a group")
        kept = {field: value for field, value in mine.items() if field not in (*fields, "resourceName", "etag", "metadata")}
        changed = {field: value for field, value in person.items() if field in fields}
        number = int(name.removeprefix("people/c"))
        self.put("connections", number, **{"names": [], "emailAddresses": [], **kept, **self._stored(changed)})
        return self._written() or self._one_person(name, request)

    def _stored(self, person: dict[str, Any]) -> dict[str, Any]:
        """The fields as Google gives them back: with names put together, and each item with its source."""
        stored: dict[str, Any] = {}
        for field, items in person.items():
            if field in ("resourceName", "etag", "metadata"):
                continue
            stored[field] = [
                {**each, "metadata": {"source": {"type": "CONTACT", "id": "1"}, "primary": n == 0}}
                for n, each in enumerate(items)
            ]
        for name in stored.get("names", ()):
            parts = [
                name.get(part, "") for part in ("honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix")
            ]
            name["displayName"] = " ".join(filter(None, parts)) or name.get("unstructuredName", "")
        return stored

    def _looked_up(self, request: Request) -> Answer:
        wanted = request.all("resourceNames")
        if not 1 <= len(wanted) <= 200:
            return refusal(400, "invalidArgument")
        answers = []
        for name in wanted:
            found = self.lists["connections"].get(name)
            answer: dict[str, Any] = {"requestedResourceName": name, "httpStatusCode": 200 if found else 404}
            answers.append({**answer, "person": found} if found else {**answer, "status": {"code": 5, "message": "Not found"}})
        return Answer(200, {"responses": answers})

    def _listed(self, list_: str, request: Request, total: str | None) -> Answer:
        rest = tuple(sorted((name, value) for name, value in request.query if name not in ("pageToken", "syncToken")))
        mask = next((name for name in ("personFields", "readMask") if request.one(name)), "")
        if list_ == "otherContacts" and not set(request.one(mask).split(",")) <= OTHER_FIELDS:
            return refusal(400, "invalidArgument", "readMask")
        size = min(int(request.one("pageSize", "100")), self.page)
        token, page = request.one("syncToken"), request.one("pageToken")
        began, people = self.now, list(self.lists[list_].values())
        if token:
            known = self.sync_tokens.get(token)
            if known is None or known[0] != list_ or self.now - known[3] > self.lifetime:
                return refusal(400, "EXPIRED_SYNC_TOKEN", "Sync token is expired. Clear local cache and retry.", old=False)
            if known[1] != rest:
                return refusal(400, "invalidArgument", "Request parameters must match the first call.")
            began = known[3]
            changed = dict.fromkeys(name for where, name in self.log[known[2] :] if where == list_)
            gone = {"metadata": {"deleted": True, "objectType": "PERSON"}}
            people = [self.lists[list_].get(name) or {"resourceName": name, **gone} for name in changed]
        else:  # what was merged is told in answers to sync tokens only
            people = [
                {**each, "metadata": {name: value for name, value in each["metadata"].items() if name != "previousResourceNames"}}
                for each in people
            ]
        if page:
            held = self.page_tokens.get(page)
            if held is None:
                return refusal(400, "invalidArgument", "Invalid page token.")
            if held[0] != rest:
                return refusal(400, "invalidArgument", "Request parameters must match the first call.")
            people, began = held[1], held[2]
        fields = set(request.one(mask).split(","))
        shown = [
            {name: value for name, value in each.items() if name in fields | {"resourceName", "etag", "metadata"}}
            for each in people[:size]
        ]
        body: dict[str, Any] = {}
        if shown:
            body[list_] = shown
        if total and not token:
            body[total] = len(self.lists[list_])
        if people[size:]:
            body["nextPageToken"] = f"p{self.random.getrandbits(60)}"
            self.page_tokens[body["nextPageToken"]] = (rest, people[size:], began)
        elif request.one("requestSyncToken") == "true" and self.gives_tokens:
            body["nextSyncToken"] = f"s{self.random.getrandbits(60)}"
            self.sync_tokens[body["nextSyncToken"]] = (list_, rest, len(self.log), began)
        return Answer(200, body)
