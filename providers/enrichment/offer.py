"""The sources that there are, as data: who learns what, at which price, and what an operator has to do before anybody can opt in.

Identifiers are sent one at a time, the strongest first, never a name: a name alone would give facts of somebody else, and would tell more than
it needs to. Knows no viewer and no consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

import msgspec

Key = Literal["FULLCONTACT", "PEOPLE_DATA_LABS", "GRAVATAR", "GITHUB", "PUBLIC_WEB", "RECHECKS"]
Kind = Literal["EMAIL", "PHONE", "URL"]

FULLCONTACT: Final = "FULLCONTACT"
PEOPLE_DATA_LABS: Final = "PEOPLE_DATA_LABS"
GRAVATAR: Final = "GRAVATAR"
GITHUB: Final = "GITHUB"
PUBLIC_WEB: Final = "PUBLIC_WEB"
RECHECKS: Final = "RECHECKS"
MILLION: Final = 1_000_000


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source. `kinds` are what may be sent to it, the strongest first, `usual` what consent covers where nothing else is said; `sends` is
    what leaves, in words; `asks_one` whether all questions go to one place, so that its no to one is a no to all; `stays` how long an
    answer is good for by itself, None for as long as nobody asks for a newer one."""

    key: Key
    name: str
    recipient: str
    kinds: tuple[Kind, ...]
    usual: tuple[Kind, ...]
    sends: str
    paid: bool
    asks_one: bool = True
    stays: timedelta | None
    nothing_stays: timedelta
    how: str = ""
    docs_path: str = "docs/enrichment.md"


SOURCES: Final[tuple[Source, ...]] = (
    Source(
        key="GRAVATAR",
        name="Gravatar",
        recipient="api.gravatar.com",
        kinds=("EMAIL",),
        usual=("EMAIL",),
        sends="the SHA-256 of an e-mail address, in the address of the request",
        paid=False,
        stays=timedelta(days=7),
        nothing_stays=timedelta(days=7),
    ),
    Source(
        key="GITHUB",
        name="GitHub",
        recipient="api.github.com",
        kinds=("URL",),
        usual=("URL",),
        sends="the login of a profile at GitHub that one of your contacts carries",
        paid=False,
        stays=timedelta(days=7),
        nothing_stays=timedelta(days=7),
    ),
    Source(
        key="PUBLIC_WEB",
        name="Public pages",
        recipient="the host of each page",
        kinds=("URL",),
        usual=("URL",),
        sends="a call of the page that one of your contacts carries, as a browser makes it",
        paid=False,
        asks_one=False,
        stays=timedelta(days=7),
        nothing_stays=timedelta(days=7),
    ),
    Source(
        key="FULLCONTACT",
        name="FullContact",
        recipient="api.fullcontact.com",
        kinds=("EMAIL", "PHONE", "URL"),
        usual=("EMAIL",),
        sends="one e-mail address, phone number or profile link in clear, the strongest first, until one is known there",
        paid=True,
        stays=None,
        nothing_stays=timedelta(days=30),
        how="Sign a contract at www.fullcontact.com (plans are sold by their sales team; there is no public price list), then set "
        "KITH_FULLCONTACT_KEY to the API key and KITH_FULLCONTACT_PRICE to what a match costs by it in US dollars.",
        docs_path="docs/providers/fullcontact.md",
    ),
    Source(
        key="PEOPLE_DATA_LABS",
        name="People Data Labs",
        recipient="api.peopledatalabs.com",
        kinds=("EMAIL", "PHONE", "URL"),
        usual=("EMAIL",),
        sends="one e-mail address, phone number or profile link in clear, the strongest first, until one is known there",
        paid=True,
        stays=None,
        nothing_stays=timedelta(days=30),
        how="Sign up at dashboard.peopledatalabs.com (a free plan has 100 credits a month), then set KITH_PEOPLE_DATA_LABS_KEY to the API "
        "key and KITH_PEOPLE_DATA_LABS_PRICE to what a match costs by your plan in US dollars (0 for the free one).",
        docs_path="docs/providers/people-data-labs.md",
    ),
)
#: No source of facts: that what a look-up has read of somebody is read again, by itself, when its time is over (docs/lookups.md).
AGAIN: Final = Source(
    key="RECHECKS",
    name="Checks of links",
    recipient="the hosts that your look-ups have asked",
    kinds=("EMAIL", "URL"),
    usual=("EMAIL", "URL"),
    sends="the requests of your look-ups once more, when what they have read of somebody you know has been read too long ago",
    paid=False,
    asks_one=False,
    stays=None,
    nothing_stays=timedelta(days=0),
    docs_path="docs/lookups.md",
)
#: Everything that a viewer may allow.
CONSENTS: Final[tuple[Source, ...]] = (*SOURCES, AGAIN)
BY_KEY: Final[Mapping[str, Source]] = {source.key: source for source in CONSENTS}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has agreed with a paid source. `price` of one match, in millionths of a US dollar."""

    key: str
    price: int
    url: str

    def __repr__(self) -> str:
        return f"Terms(price={self.price}, url={self.url!r})"


def dollars(micros: int) -> str:
    """An amount with its currency, such as `0.28 USD`: cents at least, and as many digits as it has."""
    whole, rest = divmod(micros, MILLION)
    digits = f"{rest:06}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits} USD"
