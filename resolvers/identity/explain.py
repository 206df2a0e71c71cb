"""Why contacts were joined, as a sentence that a person understands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from resolvers.identity.addresses import shown

_WHAT: Final = {
    "EMAIL": "the e-mail address {value}",
    "PHONE": "the mobile number {value}",
    "HANDLE": "the handle {value}",
    "URL": "the profile {value}",
}


def sentence(kind: str, value: str, places: Sequence[str], *, shared: bool, vouching: Sequence[str] = ()) -> str:
    """One sentence for one piece of evidence; `places` are the labels of the accounts whose contacts carry it, `vouching` of those
    whose network has verified it.
    """
    what = _WHAT[kind].format(value=value.partition(":")[2] if kind == "HANDLE" else value)
    where = _join(list(dict.fromkeys(places)))
    if shared:
        return f"Contacts of {where} carry {what}, which several people seem to share, so it does not join them by itself."
    if kind in ("EMAIL", "PHONE"):
        by = f" and which {_join(list(dict.fromkeys(vouching)))} has verified" if vouching else ""
        return f"Contacts of {where} carry {what}, which belongs to one person{by}."
    return f"Contacts of {where} point to {what}."


def mutual(one: str, other: str) -> str:
    """The sentence for two profiles that name each other."""
    return f"The profiles {one} and {other} name each other, which no stranger can arrange."


def tied(keys: Sequence[str], seen_at: datetime, *, vouched: bool, verifier: str | None = None, still: bool = True) -> str:
    """The sentence for what the open web proves: addresses, by their keys, each tied to the next. `vouched`: not by both of them;
    `still`: it is proof today."""
    chain = _join([shown(key) for key in keys])
    seen = f"seen{'' if still else ' last'} on {seen_at:%Y-%m-%d}"
    if vouched:
        word = "vouches" if still else "vouched"
        return f"{verifier or 'A host that can know it'} {word} that {chain} belong to one person, {seen}."
    how = "to each other" if len(keys) < 3 else "each to the next and back"
    return f"{chain} {'link' if still else 'linked'} {how}, {seen}."


def _join(names: list[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "your accounts"
    return f"{', '.join(names[:-1])} and {names[-1]}"
