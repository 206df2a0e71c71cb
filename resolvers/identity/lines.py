"""Phone numbers as keys: E.164 by the region of whoever typed them, and whether one person or a house answers."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final, Literal

import msgspec

Line = Literal["MOBILE", "FIXED", "EITHER", "SERVICE"]

# ITU-T E.164 numbers by the plans that libphonenumber knows, by the names of its kinds; a plan that does not tell mobile from fixed says EITHER
_LINES: Final[dict[str, Line]] = {
    "MOBILE": "MOBILE",
    "PERSONAL_NUMBER": "MOBILE",
    "FIXED_LINE": "FIXED",
    "FIXED_LINE_OR_MOBILE": "EITHER",
    "VOIP": "FIXED",
    "PAGER": "EITHER",
    "UNKNOWN": "EITHER",
}
_EXTENSION: Final = re.compile(r"(?:;ext=|\bext\.?|\bx|#|\bDW|\bposte)\s*\d{1,6}\s*$", re.I)
_TRUNK: Final = re.compile(r"\(0\)")
_ASIDE: Final = re.compile(r"\(\D*\)\s*$")  # 07700 900123 (home)
_ABROAD: Final = re.compile(r"[1-9][\d ./()-]{10,20}")


class Number(msgspec.Struct, frozen=True, gc=False):
    """One phone number."""

    key: str
    line: Line


@cache
def _lines() -> dict[int, Line]:
    from phonenumbers import PhoneNumberType

    return {getattr(PhoneNumberType, kind): line for kind, line in _LINES.items()}


@lru_cache(200_000)
def number(text: str, region: str | None) -> Number | None:
    """What a number is; None for what cannot be one."""
    if len(text) > 60:
        return None
    import phonenumbers  # a megabyte, with the first number that is compared

    plain = _ASIDE.sub("", _TRUNK.sub("", text)).strip()
    try:
        parsed = phonenumbers.parse(plain, region)
        if not phonenumbers.is_possible_number(parsed) and _ABROAD.fullmatch(plain):
            # with its country's code and without the sign before it, as spreadsheets leave it
            parsed = phonenumbers.parse(f"+{plain}", None)
            if not phonenumbers.is_valid_number(parsed):
                return None
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    extension = bool(parsed.extension or _EXTENSION.search(plain))
    parsed.extension = None
    key = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return Number(key=key, line="FIXED" if extension else _lines().get(phonenumbers.number_type(parsed), "SERVICE"))
