"""A stub of FullContact and of People Data Labs, held to what tests/contracts/enrichment says of both.

It knows people by identifiers, answers others as it is told to, charges for matches, and keeps every request as it came: what else arrives than
a request that the contract allows is a violation.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACTS = Path(__file__).parent.parent / "contracts" / "enrichment"
KEY = "key-of-the-tests"
FULLCONTACT = "/v3/person.enrich"
PEOPLE_DATA_LABS = "/v5/person/enrich"
#: Everything that a request may carry: nothing else crosses the wire.
HEADERS = {"host", "accept", "accept-encoding", "user-agent", "authorization", "x-api-key", "content-type", "content-length"}


class Sources:
    """Both services. `says` is what is answered about an identifier instead of a person: a status, CUT, or the bytes of a body."""

    CUT = -1

    def __init__(self, seed: int = 1) -> None:
        self.url = ""
        self.fullcontact = Description(CONTRACTS / "fullcontact.v3.json")
        self.people_data_labs = Description(CONTRACTS / "people_data_labs.v5.json")
        self.random = random.Random(seed)
        self.people: dict[str, dict[str, Any]] = {}
        self.says: dict[str, int | bytes] = {}
        self.always: int | None = None  # what is answered whoever is asked about
        self.after = 0.0
        self.retry_after: str | None = None
        self.asked: Counter[tuple[str, str]] = Counter()
        self.received: list[tuple[str, str, bytes]] = []  # method, address, body
        self.violations: list[str] = []

    def knows(self, identifier: str, **person: Any) -> None:
        self.people[identifier] = person

    def answer(self, request: Request) -> Answer:
        self.received.append((request.method, f"{self.url}{request.target}", request.body))
        self.violations += [f"the header {name} was sent" for name in request.headers if name not in HEADERS]
        if request.path == FULLCONTACT and request.method == "POST":
            found = self._of_fullcontact(request)
        elif request.path == PEOPLE_DATA_LABS and request.method == "GET":
            found = self._of_people_data_labs(request)
        else:
            self.violations.append(f"there is no {request.method} {request.path}")
            found = Answer(405)
        found.after = self.after
        return found

    def _of_fullcontact(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"status": 401, "message": "Invalid access token."})
        operation = self.fullcontact.operation("POST", FULLCONTACT) or {}
        body = json.loads(request.body)
        self._held(self.fullcontact, operation["requestBody"]["content"]["application/json"]["schema"], body)
        identifiers = [*body.get("emails", []), *body.get("phones", []), *(one["url"] for one in body.get("profiles", []))]
        if (said := self._said("FULLCONTACT", identifiers)) is not None:
            return said
        person = self.people[identifiers[0]]
        document = {
            "fullName": person["name"],
            "gender": "Female",
            "ageRange": "25-34",
            "title": person.get("title"),
            "organization": person.get("organization"),
            "linkedin": person.get("linkedin"),
            "details": {
                "gender": "Female",
                "emails": [{"label": "work", "value": value} for value in person.get("emails", [])],
                "phones": [{"label": "cell", "value": value} for value in person.get("phones", [])],
                "employment": [{"name": person.get("organization", "Nobody"), "current": True}],
                "photos": [{"label": "other", "value": "https://img.example.org/1"}],
            },
        }
        document = {
            name: value for name, value in document.items() if name in ("fullName", "details") or self.random.random() < 0.9
        }
        self._held(self.fullcontact, self.fullcontact.schema(operation), document)
        return Answer(200, document)

    def _of_people_data_labs(self, request: Request) -> Answer:
        if request.headers.get("x-api-key") != KEY:
            return Answer(401, {"status": 401, "error": {"type": "authentication_error"}})
        operation = self.people_data_labs.operation("GET", PEOPLE_DATA_LABS) or {}
        self.violations += self.people_data_labs.faults(operation, request)
        identifiers = [value for name, value in request.query if name in ("email", "phone", "profile")]
        if (said := self._said("PEOPLE_DATA_LABS", identifiers)) is not None:
            return said
        person = self.people[identifiers[0]]
        wanted = set(request.one("data_include").split(","))
        record: dict[str, Any] = {
            "id": "x_0000",
            "full_name": person["name"],
            "sex": "female",
            "birth_year": "1990",
            "job_title": person.get("title"),
            "job_company_name": person.get("organization"),
            "linkedin_url": person.get("linkedin"),
            "emails": [{"address": value, "type": "professional"} for value in person.get("emails", [])] or True,
            "phone_numbers": person.get("phones") or True,
            "mobile_phone": True,
        }
        record = {name: value for name, value in record.items() if name in wanted or not wanted}
        document = {"status": 200, "likelihood": person.get("likelihood", 8), "data": record}
        self._held(self.people_data_labs, self.people_data_labs.schema(operation), document)
        return Answer(200, document, x_call_credits_spent="1")

    def _said(self, source: str, identifiers: list[str]) -> Answer | None:
        """What is answered instead of a person; None where somebody is known."""
        if len(identifiers) != 1:
            self.violations.append(f"{len(identifiers)} identifiers in one question")
            return Answer(400)
        (identifier,) = identifiers
        self.asked[source, identifier] += 1
        said = self.says.get(identifier, self.always)
        if said == self.CUT:
            answer = Answer()
            answer.cut = True
            return answer
        if isinstance(said, bytes):
            return Answer(200, said)
        if said is not None:
            return Answer(said, {"status": said}, **({} if self.retry_after is None else {"Retry_After": self.retry_after}))
        return None if identifier in self.people else Answer(404, {"status": 404})

    def _held(self, description: Description, schema: Any, value: Any) -> None:
        try:
            description.check(schema, value, "body")
        except AssertionError as error:
            self.violations.append(str(error))
