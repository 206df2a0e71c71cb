"""One telephone number from the wild to E.164 (ITU-T E.164, RFC 3966), by Google's numbering plans.

A number without country code is read only when a region is known; nothing is invented. Whether it is a mobile number comes
from the numbering plan, and where the plan cannot tell (North America) from what the card says of it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Literal

from providers import records

LineType = Literal["MOBILE", "FIXED", "UNKNOWN"]
_LETTERS_ONLY = re.compile(r"[^\d\uff10-\uff19]*\Z")


def read(
    raw: str, region: str | None, *, label: str | None = None, line: LineType = "UNKNOWN", preferred: bool = False
) -> records.Phone:
    """`raw` as a Phone; `number` is None when unreadable. `region` is ISO 3166-1 alpha-2, `line` what its card calls it."""
    text = raw.strip()[:250]
    number, extension, planned = _parsed(text, region.upper() if region else None)
    mobile = planned
    if mobile is None and line != "UNKNOWN":
        mobile = line == "MOBILE"
    return records.Phone(raw=text, number=number, extension=extension, label=label, mobile=mobile, preferred=preferred)


def comparable(raw: str) -> str:
    """The digits that identify a number wherever it is read: with its plus sign where it has one, without formatting."""
    number = _parsed(raw.strip()[:250], None)[0]
    return number or "".join(character for character in raw if character.isdigit())


@cache
def _mobile_by_plan() -> dict[int, bool]:
    """Whether a kind of number is a mobile one; kinds of which the plan cannot tell are not in it."""
    from phonenumbers import PhoneNumberType as Kind

    told = (kind for kind in Kind.values() if kind not in (Kind.FIXED_LINE_OR_MOBILE, Kind.UNKNOWN))
    return {kind: kind in (Kind.MOBILE, Kind.PERSONAL_NUMBER) for kind in told}


@lru_cache(maxsize=16384)
def _parsed(text: str, region: str | None) -> tuple[str | None, str | None, bool | None]:
    """(E.164, extension, mobile by plan); all None when unreadable."""
    import phonenumbers  # a megabyte, with the first number that is read: stored ones are read already

    if _LETTERS_ONLY.match(text):
        return None, None, None
    if text[:2] == "00" and region is None:
        text = "+" + text[2:]  # ITU-T E.123 §2: the international prefix most of the world dials
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None, None, None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None, None, None
    planned = _mobile_by_plan().get(phonenumbers.number_type(number))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), number.extension or None, planned
