"""What came of asking a source, in one form for all of them: an outcome with a name, and facts field by field.

What is sensitive (sex, age, income, politics, religion, family, household) is no fact here whatever a source says: adapters read the fields
that they name, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from providers.formats import charset
from providers.lookup import resources

Outcome = Literal[
    "FOUND", "NOT_FOUND", "PENDING", "OPTED_OUT", "INVALID", "RATE_LIMITED", "OUT_OF_CREDIT", "REFUSED", "UNAVAILABLE",
    "UNCONFIRMED", "NO_CONSENT",
]  # fmt: skip
#: The words of what a fact is about (`PersonField` of the interface, and what a job is called besides).
Field = Literal["NAME", "PHOTO", "EMAIL", "PHONE", "URL", "ORGANIZATION", "JOB_TITLE", "ADDRESS", "BIO"]
MAX_FACTS: Final = 200
MAX_VALUE: Final = 2_000


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said. `confidence` is 0 to 1, None where the source says nothing of it."""

    field: Field
    value: str
    label: str | None = None
    confidence: float | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a question. `charged` is the share of a match's price that it cost; `again_at` from when on it may be put again."""

    outcome: Outcome
    facts: tuple[Fact, ...] = ()
    message: str | None = None
    charged: float = 0.0
    again_at: datetime | None = None


class Facts:
    """Facts while they are read; each (field, value) once, in the order in which they came."""

    def __init__(self, confidence: float | None = None) -> None:
        self._confidence = confidence
        self._found: dict[tuple[str, str], Fact] = {}

    def say(self, field: Field, value: Any, *, label: Any = None, confidence: float | None = None) -> None:
        """Takes a fact in, where it is one: text that can be kept, and addresses that may be followed."""
        text = line(value)
        if field in ("URL", "PHOTO") and text is not None:
            text = resources.web(text if "://" in text else f"https://{text}")
        if text is None or len(self._found) >= MAX_FACTS:
            return
        said = self._confidence if confidence is None else confidence
        self._found.setdefault((field, text.casefold()), Fact(field=field, value=text, label=line(label), confidence=said))

    def all(self) -> tuple[Fact, ...]:
        return tuple(self._found.values())


def line(value: Any) -> str | None:
    """Text in one line; None for anything else."""
    text = " ".join(charset.storable(value).split()) if isinstance(value, str) else ""
    return text[:MAX_VALUE] or None


def items(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; what is none of these is left out."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping):
            yield one


def texts(value: Any) -> Iterator[str]:
    """The texts of a list; plans that hide a field answer with true in its place."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, str):
            yield one


def inner(value: Any, name: str) -> Mapping[str, Any]:
    """An object within an object; an empty one where there is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
