"""The word lists beside this package: titles, particles, pet forms, family names in Chinese characters, role addresses. Read once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from nicknames import NickNamer

from store.words import fold

_DATA: Final = files("resolvers.identity") / "data"


def text(name: str) -> str:
    """One file of the data."""
    return (_DATA / name).read_text(encoding="utf-8")


@cache
def sections(name: str) -> dict[str, frozenset[str]]:
    """A file of `[section]` headings and words, in lower case."""
    found: dict[str, set[str]] = {}
    section: set[str] = set()
    for line in _lines(name):
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), set())
        else:
            section.update(line.casefold().split())
    return {heading: frozenset(words) for heading, words in found.items()}


@cache
def readings(name: str) -> dict[str, tuple[str, ...]]:
    """What each name written in another script is read as, most usual first."""
    return {native: tuple(spelled) for native, *spelled in (line.split() for line in _lines(name))}


@cache
def names_apart() -> frozenset[frozenset[str]]:
    """Pairs of names, folded, that are two names however alike they are."""
    return frozenset(frozenset(line.split()) for line in _lines("names_apart.txt"))


@cache
def pet_forms() -> dict[str, frozenset[str]]:
    """For each given name, folded, the names that it may stand beside: what it is short for, and what is short for it."""
    found: dict[str, set[str]] = {}

    def relate(name: str, short: str) -> None:
        if name and short and name != short:
            found.setdefault(name, set()).add(short)
            found.setdefault(short, set()).add(name)

    for line in _lines("nicknames.txt"):
        if "=" in line:
            spellings = [fold(word) for word in line.replace("=", " ").split()]
            for n, one in enumerate(spellings):
                for other in spellings[:n]:
                    relate(one, other)
            continue
        name, _, shorts = line.partition(":")
        for short in shorts.split():
            relate(fold(name), fold(short))
    for known, forms in NickNamer.default_lookup().items():
        for form in forms:
            if frozenset((fold(known), fold(form))) not in names_apart():
                relate(fold(known), fold(form))
    return {name: frozenset(others) for name, others in found.items()}


def _lines(name: str) -> Iterator[str]:
    return (line for raw in text(name).splitlines() if (line := raw.strip()) and not line.startswith("#"))
