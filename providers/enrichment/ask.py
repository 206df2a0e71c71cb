"""Asking a source about one identifier: the way of each, its statuses by name, and what is left open when the line breaks.

A call is made once: whether it is made again is for somebody else to decide, who knows whether it was paid for. What fails before a
connection came about has told nobody anything and cost nothing; what fails after it may have, and is UNCONFIRMED.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, Final

import httpx2 as httpx

from providers.breaker import Breakers
from providers.budget import TokenBudget
from providers.disclosing import Log, Logged
from providers.enrichment import full_contact, offer, people_data_labs, places
from providers.enrichment.answer import Answer, Outcome
from providers.enrichment.offer import BY_KEY, Terms
from providers.errors import Malformed, ProviderError, RateLimited, Refused
from providers.http import Response, Session
from providers.lookup import documents, resources
from providers.lookup.crawl import NOBODY, Web
from providers.quota import Quota
from providers.session import Account, Clock, Observer

#: For one question, connection included; and for one that has to wait for its turn at a host, which nobody waits for.
SECONDS: Final = 30.0
BACKGROUND: Final = 120.0
#: How each paid source is spoken with.
SPOKEN: Final[Mapping[str, ModuleType]] = {offer.FULLCONTACT: full_contact, offer.PEOPLE_DATA_LABS: people_data_labs}
_SLOWLY: Final = "It is asked no faster than that."
#: How often each is asked at most: FullContact, Rate Limiting, has 6,000 a minute; People Data Labs, Usage Limits, 1,000, and 100 for nothing.
PACES: Final[Mapping[str, Quota]] = {
    offer.FULLCONTACT: Quota(calls=3_000, seconds=60.0, concurrency=4, interactive_reserve=0.2, sentence=_SLOWLY),
    offer.PEOPLE_DATA_LABS: Quota(calls=900, seconds=60.0, concurrency=4, interactive_reserve=0.2, sentence=_SLOWLY),
}
FREE: Final = Quota(calls=90, seconds=60.0, concurrency=4, interactive_reserve=0.2, sentence=_SLOWLY)
#: Where a profile stands that these know people by.
PROFILES: Final = frozenset({"linkedin.com", "twitter.com", "x.com", "facebook.com", "github.com"})
#: FullContact, Response Codes & Errors; People Data Labs, Person Enrichment API; 451 is RFC 7725.
STATUSES: Final[Mapping[int, Outcome]] = {
    200: "FOUND", 202: "PENDING", 400: "INVALID", 401: "REFUSED", 402: "OUT_OF_CREDIT", 403: "REFUSED", 404: "NOT_FOUND",
    422: "INVALID", 429: "RATE_LIMITED", 451: "OPTED_OUT",
}  # fmt: skip
SENTENCES: Final[Mapping[str, str]] = {
    "PENDING": "{name} is still looking: it is asked again later.",
    "OPTED_OUT": "{name} may not answer about this person, who asked for that: nobody asks again.",
    "INVALID": "{name} cannot read this identifier.",
    "RATE_LIMITED": "{name} takes no more questions at the moment.",
    "OUT_OF_CREDIT": "The credits at {name} are used up: the operator can buy more.",
    "REFUSED": "{name} refuses the installation's key or plan (status {status}): the operator has to look at it.",
    "UNAVAILABLE": "{name} has trouble of its own (status {status}).",
}
#: How long nobody is asked again after each, where the answer says nothing of it.
AGAIN: Final[Mapping[str, timedelta]] = {
    "PENDING": timedelta(minutes=2),
    "RATE_LIMITED": timedelta(minutes=1),
    "OUT_OF_CREDIT": timedelta(hours=1),
    "REFUSED": timedelta(hours=1),
    "UNAVAILABLE": timedelta(minutes=10),
}


class Enrichers:
    """Everybody's way to the sources. `terms` are those of paid sources that an operator has a contract with."""

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        web: Web,
        clock: Clock,
        terms: Mapping[str, Terms],
        observer: Observer | None = None,
    ) -> None:
        self._transport = transport
        self._web = web
        self._clock = clock
        self._terms = terms
        self._observer = observer
        self._breakers = Breakers(clock)
        self._budgets = {key: TokenBudget(PACES[key] if each.price else FREE, clock) for key, each in terms.items()}

    def available(self, source: str) -> bool:
        """Whether a source can be asked here at all."""
        return not BY_KEY[source].paid or source in self._terms

    def price(self, source: str) -> int:
        """What a match costs, in millionths of a US dollar."""
        terms = self._terms.get(source)
        return 0 if terms is None else terms.price

    def takes(self, source: str, kind: str, value: str) -> bool:
        """Whether an identifier says anything to a source."""
        if kind not in BY_KEY[source].kinds:
            return False
        if source not in SPOKEN:
            return bool(places.asks(source, kind, value))
        return kind != "URL" or resources.host(f"https://{value}") in PROFILES

    async def ask(self, source: str, kind: str, value: str, log: Log, *, waits: bool = False) -> Answer:
        """One question, asked once. `waits`: nobody does so in front of a screen."""
        now = self._clock.now()
        if source not in SPOKEN:
            web = self._web.logged(log)
            until = now + timedelta(seconds=BACKGROUND if waits else SECONDS)
            return places.answer([await documents.read(ask, web, until) for ask in places.asks(source, kind, value)])
        terms = self._terms.get(source)
        if terms is None:
            return Answer(outcome="REFUSED", message=BY_KEY[source].how, again_at=now)
        wire = Logged(self._transport, log)
        try:
            response = await SPOKEN[source].call(
                self._session(source, terms, wire, waits), terms.key, kind, _spelled(kind, value)
            )
        except ProviderError as error:
            return _trouble(source, error, left=wire.left > 0, now=self._clock.now())
        return _answer(source, response, self._clock.now())

    def _session(self, source: str, terms: Terms, wire: Logged, waits: bool) -> Session:
        budget = self._budgets[source]
        return Session(
            account=Account(provider=source.lower(), base_url=terms.url.rstrip("/") + "/"),
            credentials=NOBODY,
            clock=self._clock,
            transport=wire,
            budget=budget if waits else budget.interactive,
            breakers=self._breakers,
            observer=self._observer,
            interactive=not waits,
            deadline=self._clock.now().timestamp() + SECONDS,
        )


def _answer(source: str, response: Response, now: datetime) -> Answer:
    spoken, name = SPOKEN[source], BY_KEY[source].name
    outcome = STATUSES.get(response.status, "UNAVAILABLE" if response.status >= 500 else "REFUSED")
    if outcome != "FOUND":
        sentence = SENTENCES.get(outcome)
        return Answer(
            outcome=outcome,
            message=None if sentence is None else sentence.format(name=name, status=response.status),
            charged=spoken.charged(response) if outcome in ("PENDING", "NOT_FOUND") else 0.0,
            again_at=_again(outcome, response, now),
        )
    try:
        document: Any = response.json()
        if not isinstance(document, Mapping):
            raise response.malformed("JSON")
    except Malformed:
        text = f"{name} answered with something that could not be read; it will have been charged."
        return Answer(outcome="UNCONFIRMED", message=text, charged=1.0)
    return Answer(outcome="FOUND", facts=spoken.facts(document), charged=spoken.charged(response))


def _trouble(source: str, error: ProviderError, *, left: bool, now: datetime) -> Answer:
    if left:
        text = f"{error.message} Whether the question was answered, and paid for, is not known."
        return Answer(outcome="UNCONFIRMED", message=text, charged=1.0)
    if isinstance(error, RateLimited):
        return Answer(outcome="RATE_LIMITED", message=error.message, again_at=error.retry_at or now + AGAIN["RATE_LIMITED"])
    if isinstance(error, Refused) and error.provider_code == "no-consent":
        return Answer(outcome="NO_CONSENT", message=error.message, again_at=now)
    return Answer(outcome="UNAVAILABLE", message=error.message, again_at=error.retry_at or now + AGAIN["UNAVAILABLE"])


def _again(outcome: str, response: Response, now: datetime) -> datetime | None:
    """From when on it may be asked again; None where that is the source's own lifetime."""
    usual = AGAIN.get(outcome)
    if usual is None:
        return None
    text = response.headers.get("retry-after", "").strip()  # RFC 9110 §10.2.3
    if text.isascii() and text.isdigit():
        return now + min(timedelta(seconds=int(text[:6])), timedelta(days=1))
    return now + usual


def _spelled(kind: str, value: str) -> str:
    """An identifier as sources read it."""
    return f"https://{value}" if kind == "URL" else value
