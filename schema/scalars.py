"""Custom scalars: what a string has to look like to be let in, and how a value goes out. Pure functions, no look-ups.

A value that does not have its form is refused with a sentence that says which form that is; graphql-core puts the variable
or argument in front of it.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final, NewType
from urllib.parse import urlsplit, urlunsplit

import msgspec
import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from providers.formats import email_address

DateTime = NewType("DateTime", datetime)
Date = NewType("Date", date)
URL = NewType("URL", str)
EmailAddress = NewType("EmailAddress", str)
PhoneNumber = NewType("PhoneNumber", str)
LanguageTag = NewType("LanguageTag", str)
TimeZone = NewType("TimeZone", str)
Duration = NewType("Duration", str)
ByteCount = NewType("ByteCount", int)
Cursor = NewType("Cursor", str)
JSON = NewType("JSON", object)

MAX_CURSOR: Final = 1_000
MAX_URL: Final = 8_000
_PHRASE: Final = re.compile(r"[\s<>:]")  # a display name, a list or a mailto: link
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")  # RFC 5646 §2.1, well-formed
_DURATION: Final = re.compile(r"P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")  # RFC 3339 §5.6
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_LONGEST: Final = len("2026-01-31T09:30:00.123456Z")


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be a string")
    return value


def read_instant(value: object) -> datetime:
    """An RFC 3339 instant, in UTC. Raises ValueError."""
    text = _string(value, "a DateTime")
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("a DateTime is written as in RFC 3339, with its offset: 2026-01-31T09:30:00Z")


def write_instant(value: datetime) -> str:
    """UTC with milliseconds. Written by msgspec: a page has hundreds, and isoformat takes ten times as long."""
    text: str = msgspec.to_builtins(value if value.tzinfo is UTC else value.astimezone(UTC))
    return f"{text[:23]}Z" if len(text) == _LONGEST else f"{text[:19]}.000Z"  # without a fraction where there is none


def read_day(value: object) -> date:
    """A calendar day. Raises ValueError."""
    text = _string(value, "a Date")
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError("a Date is written YYYY-MM-DD: 2026-01-31")


def read_url(value: object) -> str:
    """An absolute URL in its serialised form (host in lower case). Raises ValueError."""
    text = _string(value, "a URL").strip()
    if len(text) <= MAX_URL and not any(c.isspace() or unicodedata.category(c) == "Cc" for c in text):
        try:
            parts = urlsplit(text)
            host = parts.netloc.rpartition("@")
            if parts.scheme and (parts.netloc or parts.path):
                return urlunsplit(parts._replace(netloc=host[0] + host[1] + host[2].lower()))
        except ValueError:
            pass
    raise ValueError("a URL is absolute, with its scheme: https://example.org/")


def read_email(value: object) -> str:
    """An address in the form by which addresses are compared. Raises ValueError."""
    text = _string(value, "an EmailAddress").strip()
    address = None if _PHRASE.search(text) else email_address.normalised(text)
    if address is None:
        raise ValueError("an EmailAddress has the form name@example.org, without a display name")
    return address


def read_phone(value: object) -> str:
    """A number in E.164. Raises ValueError."""
    text = re.sub(r"[\s().-]", "", _string(value, "a PhoneNumber"))
    if not _E164.fullmatch(text):
        raise ValueError("a PhoneNumber begins with + and the country: +4930123456")
    return text


def read_language(value: object) -> str:
    """A well-formed language tag. Raises ValueError."""
    text = _string(value, "a LanguageTag")
    if len(text) > 35 or not _LANGUAGE.fullmatch(text):
        raise ValueError("a LanguageTag is written as in BCP 47: en or pt-BR")
    return text


def read_time_zone(value: object) -> str:
    """A time zone that this installation knows. Raises ValueError."""
    text = _string(value, "a TimeZone")
    try:
        zoneinfo.ZoneInfo(text)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError("a TimeZone is a name of the IANA database: Europe/Berlin") from None
    return text


def read_duration(value: object) -> str:
    """An ISO 8601 duration. Raises ValueError."""
    text = _string(value, "a Duration")
    if len(text) > 64 or not _DURATION.fullmatch(text):
        raise ValueError("a Duration is written as in ISO 8601: PT15M or P90D")
    return text


def read_byte_count(value: object) -> int:
    """0 to 2^53 - 1. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("a ByteCount is a whole number from 0 to 2^53 - 1")
    return value


def read_cursor(value: object) -> str:
    """A cursor as it came; whether it is one of ours is asked where it is used. Raises ValueError."""
    text = _string(value, "a Cursor")
    if not 0 < len(text) <= MAX_CURSOR:
        raise ValueError("a Cursor is a string that a page or a change gave")
    return text


def unchanged(value: Any) -> Any:
    """How most scalars go out; a compiled operation knows it and does not ask for it."""
    return value


def _scalar(
    name: str, description: str, url: str | None, parse: Callable[[object], Any], serialize: Any = unchanged
) -> ScalarDefinition:
    def read(value: object) -> Any:
        try:
            return parse(value)
        except (
            ValueError
        ) as refused:  # an error of GraphQL's own is the client's mistake, any other one would pass for a bug of ours
            raise GraphQLError(str(refused)) from None

    definition: ScalarDefinition = strawberry.scalar(
        name=name, description=description, specified_by_url=url, parse_value=read, serialize=serialize
    )
    return definition


SCALARS: Final[dict[object, ScalarDefinition]] = {
    DateTime: _scalar(
        "DateTime",
        "Instant with offset, RFC 3339; answered in UTC with milliseconds.",
        "https://scalars.graphql.org/andimarek/date-time.html",
        read_instant,
        write_instant,
    ),
    Date: _scalar(
        "Date",
        "Calendar day without time zone, YYYY-MM-DD.",
        "https://scalars.graphql.org/andimarek/local-date.html",
        read_day,
        date.isoformat,
    ),
    URL: _scalar("URL", "Absolute URL; answered in its serialised form.", "https://url.spec.whatwg.org/", read_url),
    EmailAddress: _scalar(
        "EmailAddress",
        "E-mail address without display name, normalised to NFC with a lower-case domain.",
        "https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address",
        read_email,
    ),
    PhoneNumber: _scalar(
        "PhoneNumber", "Phone number in E.164 form: + and up to 15 digits.", "https://www.itu.int/rec/T-REC-E.164", read_phone
    ),
    LanguageTag: _scalar("LanguageTag", "BCP 47 language tag.", "https://www.rfc-editor.org/rfc/rfc5646", read_language),
    TimeZone: _scalar("TimeZone", "IANA time zone name.", "https://www.iana.org/time-zones", read_time_zone),
    Duration: _scalar("Duration", "ISO 8601 duration.", "https://www.rfc-editor.org/rfc/rfc3339#appendix-A", read_duration),
    ByteCount: _scalar(
        "ByteCount", "Size in bytes as a JSON number up to 2^53 - 1; map it to a 64-bit integer.", None, read_byte_count
    ),
    JSON: _scalar("JSON", "Any JSON value, passed through unchanged.", "https://www.rfc-editor.org/rfc/rfc8259", unchanged),
    Cursor: _scalar(
        "Cursor",
        "Opaque, signed position in a list or in the change feed; bound to the viewer and never to be parsed.",
        None,
        read_cursor,
    ),
}
