"""What Kith writes into cards beyond RFC 6350 and RFC 9554, and finds there again: so that a contact of any network survives as a card.

Properties and parameters in the name space that RFC 6350 §6.10 leaves to programs. None of them is a proof of anything: a card is a stranger's
text, so what a network has verified is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from providers import records
from providers.formats.vcard_syntax import Card, Property

BIO: Final = "X-KITH-BIO"
PROFILE: Final = "X-KITH-PROFILE"
FOLLOWERS: Final = "X-KITH-FOLLOWERS"
FOLLOWING: Final = "X-KITH-FOLLOWING"
#: A value as its network wrote it, where the card has it in the form that other programs read.
WRITTEN: Final = "X-KITH-WRITTEN"
#: What kind of line a number is, where neither its plan nor its label tells: MOBILE or FIXED.
LINE: Final = "X-KITH-LINE"
#: The JSContact Card that a contact came as, where vCard has no words for all of it (`jscontact.py`).
JSCARD: Final = "X-KITH-JSCARD"
PROPERTIES: Final = frozenset({BIO, PROFILE, FOLLOWERS, FOLLOWING})
MAX_TEXT: Final = 100_000
MAX_SHORT: Final = 1_000
MAX_COUNT: Final = 10**12


def facts(card: Card) -> dict[str, Any]:
    """What of a contact stands in properties of our own."""
    found: dict[str, Any] = {}
    if (bio := card.first(BIO)) is not None and (text := bio.text.strip()):
        found["bio"] = text[:MAX_TEXT]
    if (profile := card.first(PROFILE)) is not None and (url := profile.text.strip())[:8].lower().startswith(
        ("http://", "https://")
    ):
        found["url"] = url[:MAX_SHORT]
    for name, field in ((FOLLOWERS, "followers"), (FOLLOWING, "following")):
        if (value := card.first(name)) is not None and value.text.isascii() and value.text.isdigit() and len(value.text) <= 12:
            found[field] = int(value.text)
    return found


def written(value: Property) -> str | None:
    """The value as its network wrote it."""
    return next((text[:MAX_SHORT].strip() for text in value.parameter(WRITTEN) if text.strip()), None)


def phone(value: Property, read: records.Phone) -> records.Phone:
    """A number with what its card says of it in parameters of our own."""
    told = next(iter(value.parameter(LINE)), "")
    mobile = {"MOBILE": True, "FIXED": False}.get(told, None if told == "UNKNOWN" else read.mobile)
    return msgspec.structs.replace(read, raw=written(value) or read.raw, mobile=mobile)


def titles(card: Card) -> tuple[dict[str, str], list[str]]:
    """Titles by the group that they share with an organisation, where all of them do; and those that stand alone."""
    groups = {value.group.lower() for value in card.all("ORG") if value.group}
    found = list(card.all("TITLE"))
    if found and all(value.group.lower() in groups for value in found):
        return {value.group.lower(): value.text for value in found}, []
    return {}, [value.text for value in found]


def further_names(
    card: Card, main: str, others: Sequence[str], parts: Callable[[Property | None], dict[str, str]]
) -> Iterator[records.Name]:
    """Names besides the main one; with ALTID (RFC 6350 §5.4) their parts and nicknames stand beside them."""
    by_altid = {altid: value for value in card.all("N") for altid in value.parameter("ALTID")}
    nicknames = {altid: value for value in card.all("NICKNAME") for altid in value.parameter("ALTID")}
    altids = {value.text.strip(): altid for value in card.all("FN") for altid in value.parameter("ALTID")}
    for full in others:
        altid = altids.get(full, "")
        nickname = nicknames[altid].text.strip() if altid in nicknames else None
        if full != main or altid:
            yield records.Name(full=full, nickname=nickname, **parts(by_altid.get(altid)))
