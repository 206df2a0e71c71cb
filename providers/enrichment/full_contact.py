"""FullContact Person Enrich, v3: one identifier, what its graph knows of whose it is.

Speaks `POST /v3/person.enrich` as FullContact's own client library writes it (fullcontact-java-client 4.0.0, PersonRequest and
PersonResponse) and answers as docs.fullcontact.com lists them (Response Codes & Errors). `infer` is off: what they guess is no fact. Of the
answer neither gender nor age, household, demographics or what somebody buys is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from providers.enrichment.answer import Fact, Facts, inner, items
from providers.http import Response, Session

PATH: Final = "v3/person.enrich"
#: Least match that is believed, of LOW, MED, HIGH, MAX; and what an answer to it is worth here.
CONFIDENCE: Final = "HIGH"
WORTH: Final = 0.8
FIELDS: Final[Mapping[str, str]] = {"EMAIL": "emails", "PHONE": "phones"}
#: Pages that stand at the top of an answer.
PAGES: Final = ("twitter", "linkedin", "facebook", "website")


def body(kind: str, value: str) -> bytes:
    """What is sent of an identifier."""
    asked: Any = {"profiles": [{"url": value}]} if kind == "URL" else {FIELDS[kind]: [value]}
    return msgspec.json.encode({**asked, "confidence": CONFIDENCE, "infer": False})


async def call(session: Session, key: str, kind: str, value: str) -> Response:
    """The answer, whatever its status. Raises what `Session.request` does for what is no answer."""
    return await session.request(
        "POST", PATH, content=body(kind, value), auth=False, once=True, follow=False, accept_statuses=range(200, 600),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"},
    )  # fmt: skip


def charged(response: Response) -> float:
    """FullContact charges for matches; an answer does not say so."""
    return 1.0 if response.status == 200 else 0.0


def facts(document: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What an answer of status 200 says."""
    said = Facts(WORTH)
    details = inner(document, "details")
    said.say("NAME", document.get("fullName"))
    said.say("ORGANIZATION", document.get("organization"))
    said.say("JOB_TITLE", document.get("title"))
    said.say("ADDRESS", document.get("location"))
    said.say("BIO", document.get("bio"))
    said.say("PHOTO", document.get("avatar"))
    for page in PAGES:
        said.say("URL", document.get(page), label=page)
    for one in items(details.get("emails")):
        said.say("EMAIL", one.get("value"), label=one.get("label"))
    for one in items(details.get("phones")):
        said.say("PHONE", one.get("value"), label=one.get("label"))
    for service, profile in inner(details, "profiles").items():
        if isinstance(profile, Mapping):
            said.say("URL", profile.get("url"), label=service)
    for one in items(details.get("urls")):
        said.say("URL", one.get("value"), label=one.get("label"))
    for one in items(details.get("employment")):
        if one.get("current") is not False:
            said.say("ORGANIZATION", one.get("name"))
            said.say("JOB_TITLE", one.get("title"))
    for one in items(details.get("locations")):
        said.say("ADDRESS", one.get("formatted"), label=one.get("label"))
    for one in items(details.get("photos")):
        said.say("PHOTO", one.get("value"), label=one.get("label"))
    return said.all()
