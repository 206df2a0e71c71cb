"""The free sources: Gravatar, GitHub and people's own pages, read by the machinery of look-ups (providers/lookup), a document at a time.

Nothing is followed: what a page names is another question, that somebody asks or does not. Pages are read where their host lets robots in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from providers.enrichment.answer import Answer, Facts, Outcome
from providers.enrichment.offer import GITHUB, GRAVATAR, PUBLIC_WEB
from providers.lookup import directories, documents, pages, resources
from providers.lookup.reading import Ask, Reading

#: Signs of a local part that stand for themselves in mailto: (RFC 6068 §2).
MAIL: Final = "!#$&'*+-/=?^_`{|}~.%@"
OUTCOMES: Final[dict[str, Outcome]] = {"RATE_LIMITED": "RATE_LIMITED", "UNSUPPORTED": "REFUSED"}


def asks(source: str, kind: str, value: str) -> list[Ask]:
    """The documents in which a source says something about an identifier; none where it is none of its."""
    resource = resources.known(f"mailto:{quote(value, safe=MAIL)}" if kind == "EMAIL" else f"https://{value}")
    if resource is None:
        return []
    if source == GRAVATAR:
        return [
            ask for ask in directories.asks(resource, frozenset({directories.GRAVATAR})) if ask.protocol == directories.GRAVATAR
        ]
    if source == GITHUB:
        return [ask for ask in directories.asks(resource, frozenset()) if ask.protocol == directories.GITHUB]
    if source == PUBLIC_WEB and not directories.is_own(resource):
        return [ask for ask in documents.asks(resource, frozenset(), crawled=True) if ask.protocol == pages.PROTOCOL]
    return []


def answer(readings: Sequence[Reading]) -> Answer:
    """What the documents said, as facts. Where none was there and one did not answer, it is asked again when that one may be."""
    found = Facts()
    for reading in readings:
        for shown in reading.profiles:
            found.say("NAME", shown.name)
            found.say("PHOTO", shown.photo)
            found.say("BIO", shown.bio)
            found.say("ORGANIZATION", shown.organization)
            found.say("JOB_TITLE", shown.title)
            found.say("ADDRESS", shown.place)
        for said in reading.statements:
            if said.relation == "ME" and said.speaker == reading.ask.subject:
                found.say(
                    "URL", said.target if said.target.startswith("https://") else None, confidence=1.0 if said.vouched else None
                )
    if any(reading.found for reading in readings):
        return Answer(outcome="FOUND", facts=found.all())
    silent = [reading for reading in readings if reading.state != "FRESH"]
    if silent:
        first = silent[0]
        # what there was no time to ask may be asked at once
        again = first.read_at if first.state == "BUDGET_SPENT" else first.expires_at
        return Answer(outcome=OUTCOMES.get(first.state, "UNAVAILABLE"), message=first.message, again_at=again)
    return Answer(outcome="NOT_FOUND")
