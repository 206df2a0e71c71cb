"""Employers and places, as far as they can be told alike: a company by its own word, a street without its punctuation."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from resolvers.identity.mailboxes import site
from resolvers.identity.spelling import latin
from resolvers.identity.tables import sections
from store.words import fold

_LEGAL: Final = sections("words.txt")["companies"] | {"z", "o", "s", "p", "a", "b", "v", "k", "r", "l", "the"}


@lru_cache(100_000)
def organization(name: str) -> str:
    """The word that an organisation is known by, legal form left out."""
    words = [w for w in fold(name).split() if w not in _LEGAL] or fold(name).split()
    return latin("".join(words)) or "".join(words)


@lru_cache(100_000)
def of_domain(domain: str) -> str:
    """The word that a company's domain is known by."""
    return latin(site(domain).partition(".")[0])


@lru_cache(100_000)
def street(line: str, city: str) -> str:
    """A street with its number and town."""
    return f"{fold(line)}|{fold(city)}" if line and any(c.isdigit() for c in line) else ""
