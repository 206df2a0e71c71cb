"""What speaks for and against two people being one, in sentences: the numbers of `features.py` gathered by what they are about.

A sentence has the weight of all numbers of its kind together, as a rare name is no reason beside the name but a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from resolvers.identity.features import NAMES, Frequencies, best_names
from resolvers.identity.names import Likeness
from resolvers.identity.scoring import Weights
from resolvers.identity.wholes import Whole

MAX_GROUNDS: Final = 20
LEAST: Final = 0.05  # log-odds below which a ground says nothing
_KINDS: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("same", "agrees", "compatible", "single", "partly", "unsure", "silent", "contradicts", "rarity", "namesakes", "same_rare", "unnamed"),
        "NAME",
    ),
    **dict.fromkeys(("employer", "employer_rarity", "employer_same", "same_employer_rare", "initial_employer", "employer_differs"), "WORK"),
    **dict.fromkeys(
        ("stem", "stem_rarity", "stem_near", "user_says_name", "says_initial", "says_word", "local_equal", "same_stem"), "USER"
    ),
    **dict.fromkeys(("photo", "photo_rarity"), "PHOTO"), **dict.fromkeys(("birthday", "birthday_differs"), "BIRTHDAY"),
    **dict.fromkeys(("street", "city", "same_city", "city_differs"), "HOME"), "value_shared": "VALUE", "line_shared": "LINE",
    "role_shared": "ROLE", "claim": "CLAIM", "claim_mail": "CLAIM", "network_twice": "NETWORK", "book_twice": "BOOK",
    "phones_differ": "PHONES", "both_mail": "MAIL", "nobody": "NOBODY", "lookalike": "DISGUISE", "lookalike_same_name": "DISGUISE",
    "generation": "GENERATION",
}  # fmt: skip


class Ground(msgspec.Struct, frozen=True):
    """One reason: the log-odds it brings and the sentence; what was compared (NAME or a field of a person), and how that stands."""

    weight: float
    sentence: str
    about: str = ""
    left: str = ""
    right: str = ""
    agreement: str = ""  # of names: EQUAL, VARIANT, SILENT, CONTRADICTS; of a field: AGREES, DIFFERS


def grounds(a: Whole, b: Whole, values: Sequence[float], seen: Frequencies, learnt: Weights) -> tuple[Ground, ...]:
    """What counts for and against two people being one, what counts most first. `values` are their features."""
    sums: dict[str, float] = {}
    for name, value in zip(NAMES, values, strict=True):
        if value and name in _KINDS:
            sums[_KINDS[name]] = sums.get(_KINDS[name], 0.0) + learnt.pair.get(name, 0.0) * value
    found = [
        Ground(round(weight, 3), _SENTENCES[kind](a, b), *_compared(kind, a, b))
        for kind, weight in sums.items()
        if abs(weight) >= LEAST
    ]
    return tuple(sorted(found, key=lambda g: (-abs(g.weight), g.sentence))[:MAX_GROUNDS])


_FIELDS: Final = {"WORK": "ORGANIZATION", "HOME": "ADDRESS", "BIRTHDAY": "BIRTHDAY"}
_AGREEMENT: Final = {
    Likeness.SAME: "EQUAL", Likeness.AGREES: "VARIANT", Likeness.COMPATIBLE: "VARIANT", Likeness.PARTLY: "SILENT", Likeness.SILENT: "SILENT",
    Likeness.UNSURE: "SILENT", Likeness.CONTRADICTS: "CONTRADICTS",
}  # fmt: skip


def _compared(kind: str, a: Whole, b: Whole) -> tuple[str, str, str, str]:
    """What was compared: about what, the two values, and how they stand; empty where two values do not tell."""
    if kind == "NAME":
        grade, pair = best_names(a.names, b.names)
        return ("NAME", pair[0].text, pair[1].text, _AGREEMENT[grade]) if pair is not None else ("", "", "", "")
    ours, theirs = {"WORK": (a.employers, b.employers), "HOME": (a.cities, b.cities), "BIRTHDAY": (a.birthdays, b.birthdays)}.get(
        kind, (frozenset[str](), frozenset[str]())
    )
    if not ours or not theirs:
        return "", "", "", ""
    common = ours & theirs
    return _FIELDS[kind], min(common or ours), min(common or theirs), "AGREES" if common else "DIFFERS"


def _name(a: Whole, b: Whole) -> str:
    grade, pair = best_names(a.names, b.names)
    if pair is None or grade == Likeness.SILENT:
        return "At least one of them has no name that says who it is."
    one, other = (n.text for n in pair)
    if one == other:
        return f"Both are called {one}."
    return {
        Likeness.CONTRADICTS: f"{one} and {other} are two people's names.",
        Likeness.UNSURE: f"Whether {one} and {other} are one name cannot be told.",
        Likeness.PARTLY: f"{one} and {other} have the given name in common, not the family name.",
        Likeness.COMPATIBLE: f"{one} and {other} may be one name, shorter and longer.",
        Likeness.AGREES: f"{one} and {other} are one name, spelled in two ways.",
        Likeness.SAME: f"{one} and {other} are the same name.",
    }[grade]


def _work(a: Whole, b: Whole) -> str:
    common = sorted(a.employers & b.employers)
    return f"Both work at {common[0]}." if common else "They work at different places."


def _user(a: Whole, b: Whole) -> str:
    common = sorted(a.stems & b.stems)
    return f"Both go by {common[0]} in an address or as a user name." if common else "A user name of one fits the other's name."


def _birthday(a: Whole, b: Whole) -> str:
    common = sorted(a.birthdays & b.birthdays)
    return f"Both were born on {common[0]}." if common else "Their birthdays are compared: " + _either(a.birthdays, b.birthdays)


def _either(ours: frozenset[str], theirs: frozenset[str]) -> str:
    return f"{min(ours, default='none')} and {min(theirs, default='none')}."


def _home(a: Whole, b: Whole) -> str:
    common = sorted(a.cities & b.cities)
    return f"Both live in {common[0].title()}." if common else "They live in different towns."


def _shared(a: Whole, b: Whole) -> str:
    return f"Both have {min(v for _, v in a.private & b.private)}, which others use too."


def _line(a: Whole, b: Whole) -> str:
    return f"Both have {min((v for k, v in a.common & b.common if k == 'PHONE'), default='a number')}, a line that several people may use."


def _role(a: Whole, b: Whole) -> str:
    return (
        f"Both have {min((v for k, v in a.common & b.common if k != 'PHONE'), default='an address')}, the address of a function."
    )


def _network(a: Whole, b: Whole) -> str:
    return f"Both are profiles in {min(a.networks & b.networks)}, and few have two."


def _photo(a: Whole, b: Whole) -> str:
    return f"Both show {'' if a.photos & b.photos or a.looks & b.looks else 'nearly '}the same picture."


def _say(sentence: str) -> Callable[[Whole, Whole], str]:
    return lambda a, b: sentence


_SENTENCES: Final[dict[str, Callable[[Whole, Whole], str]]] = {
    "NAME": _name, "WORK": _work, "USER": _user, "BIRTHDAY": _birthday, "HOME": _home, "VALUE": _shared, "LINE": _line, "ROLE": _role,
    "NETWORK": _network, "PHOTO": _photo, "CLAIM": _say("One names the other, which does not name it back."),
    "BOOK": _say("Both are cards of one address book, where few have two."), "PHONES": _say("They have different mobile numbers."),
    "MAIL": _say("Both have e-mail addresses, and none in common."), "NOBODY": _say("One is a list, a machine or a card of several people."),
    "DISGUISE": _say("They have addresses or handles that only look alike."), "GENERATION": _say("One is the elder and one the younger of a name."),
}  # fmt: skip
