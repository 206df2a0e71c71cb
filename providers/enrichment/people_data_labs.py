"""People Data Labs Person Enrichment, v5: one identifier, the record that they hold of whose it is.

Speaks `GET /v5/person/enrich` as their OpenAPI description has it (pdl-specs 5.0 of 2024-10-30). `data_include` asks for the fields that are
read and for no others, so that neither sex nor birth, salary or skills cross the wire; `min_likelihood` keeps namesakes away: on their
logarithmic scale of 1 to 10 everything below 6 often is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from providers.enrichment.answer import Fact, Facts, inner, items, texts
from providers.http import Response, Session

PATH: Final = "v5/person/enrich"
LIKELY: Final = 6
HIGHEST: Final = 10
PARAMETERS: Final[Mapping[str, str]] = {"EMAIL": "email", "PHONE": "phone", "URL": "profile"}
INCLUDED: Final = (
    "full_name", "linkedin_url", "github_url", "twitter_url", "facebook_url", "work_email", "personal_emails", "mobile_phone", "emails",
    "phone_numbers", "job_title", "job_company_name", "job_company_website", "location_name", "profiles",
)  # fmt: skip
PAGES: Final = {"linkedin_url": "linkedin", "github_url": "github", "twitter_url": "twitter", "facebook_url": "facebook"}
CREDITS: Final = "x-call-credits-spent"


def parameters(kind: str, value: str) -> dict[str, str]:
    """What is sent of an identifier."""
    return {PARAMETERS[kind]: value, "min_likelihood": str(LIKELY), "data_include": ",".join(INCLUDED)}


async def call(session: Session, key: str, kind: str, value: str) -> Response:
    """The answer, whatever its status. Raises what `Session.request` does for what is no answer."""
    return await session.request(
        "GET", PATH, params=parameters(kind, value), auth=False, once=True, follow=False, accept_statuses=range(200, 600),
        headers={"X-Api-Key": key, "Accept": "application/json"},
    )  # fmt: skip


def charged(response: Response) -> float:
    """The credits that this call has cost, by its own header (docs.peopledatalabs.com, Usage Limits); else one a match."""
    text = response.headers.get(CREDITS, "").strip()
    try:
        return min(max(float(text), 0.0), 100.0) if text else float(response.status == 200)
    except ValueError:
        return float(response.status == 200)


def facts(document: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What an answer of status 200 says; how sure they are stands beside the record."""
    likelihood = document.get("likelihood")
    sure = likelihood / HIGHEST if isinstance(likelihood, int | float) and 0 <= likelihood <= HIGHEST else None
    person = inner(document, "data")
    said = Facts(sure)
    said.say("NAME", person.get("full_name"))
    said.say("ORGANIZATION", person.get("job_company_name"))
    said.say("JOB_TITLE", person.get("job_title"))
    said.say("ADDRESS", person.get("location_name"))
    said.say("EMAIL", person.get("work_email"), label="work")
    for address in texts(person.get("personal_emails")):
        said.say("EMAIL", address, label="home")
    for one in items(person.get("emails")):
        said.say("EMAIL", one.get("address"), label=one.get("type"))
    said.say("PHONE", person.get("mobile_phone"), label="cell")
    for number in texts(person.get("phone_numbers")):
        said.say("PHONE", number)
    for name, label in PAGES.items():
        said.say("URL", person.get(name), label=label)
    said.say("URL", person.get("job_company_website"), label="work")
    for one in items(person.get("profiles")):
        said.say("URL", one.get("url"), label=one.get("network"))
    return said.all()
