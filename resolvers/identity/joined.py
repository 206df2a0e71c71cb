"""Why two contacts are one person, as one or two sentences that somebody understands who has never heard of identity resolution.

Both cards carry ada@example.org and the mobile number +447700900123.
The card in icloud carries ada@example.org, from which the messages in mail-home came.
The card in icloud and the member of slack share ada@harbour.example, which Slack has verified.
You wrote x.com/adab on the card in icloud, and that is the profile in x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from resolvers.identity.cards import CHATS, Facts, Value
from resolvers.identity.proof import Edge

_NETWORKS: Final = {
    "icloud": "iCloud", "github": "GitHub", "gitlab": "GitLab", "linkedin": "LinkedIn", "whatsapp": "WhatsApp", "x": "X", "youtube": "YouTube",
    "sms": "SMS", "tiktok": "TikTok",
}  # fmt: skip
_WHO: Final = {
    "ADDRESS_BOOK": "the card in", "CONNECTION": "your connection in", "MEMBER": "the member of", "FOLLOWER": "your follower in",
    "FOLLOWING": "the profile you follow in", "CORRESPONDENT": "the correspondent in",
}  # fmt: skip
_BOTH: Final = {"ADDRESS_BOOK": "Both cards", "MEMBER": "Both members"}


def why(edges: Sequence[Edge], facts: Mapping[str, Facts]) -> str:
    """All proof between two contacts, told together. `edges` are those between these two, at least one."""
    left, right = (facts[c] for c in (edges[0].left, edges[0].right))
    values = [e for e in edges if e.kind in ("EMAIL", "PHONE")]
    sentences = [_carried(values, left, right)] if values else []
    told: set[str] = set()
    for edge in edges:
        if edge.kind == "PROFILE":
            said = _profile(edge, left, right)
        elif edge.kind == "LINKS":
            said = "The profiles {} and {} link to each other, which no stranger can arrange.".format(*edge.value.split(" ", 1))
        else:
            continue
        if said not in told:
            told.add(said)
            sentences.append(said)
    return " ".join(sentences)


def network(name: str) -> str:
    """A network as it is written."""
    return _NETWORKS.get(name, name[:1].upper() + name[1:])


def _carried(edges: Sequence[Edge], left: Facts, right: Facts) -> str:
    """The addresses and numbers that both have."""
    one, other = sorted((left, right), key=lambda f: (f.kind != "ADDRESS_BOOK", f.id))
    addresses = _listed([e.value for e in edges])
    if _wrote(other) and all(e.kind == "EMAIL" for e in edges):
        if _wrote(one):
            if one.account == other.account:
                return f"Messages in {one.account or 'one account'} came from {addresses} under both names."
            return f"Messages in {one.account} and in {other.account} came from {addresses}."
        if one.kind == "ADDRESS_BOOK":
            return f"{_capital(_named(one))} carries {addresses}, from which the messages{f' in {other.account}' * bool(other.account)} came."
    return f"{_subject(left, right)} {_listed([_value(e, left, right) for e in edges])}."


def _wrote(facts: Facts) -> bool:
    """Whether a contact was read from the headers of mail."""
    return facts.kind == "CORRESPONDENT" and facts.network not in CHATS


def _subject(left: Facts, right: Facts) -> str:
    if left.kind == right.kind and left.kind in _BOTH:
        return f"{_BOTH[left.kind]} carry"
    one, other = sorted((left, right), key=lambda f: (f.kind != "ADDRESS_BOOK", f.id))
    return f"{_capital(_named(one))} and {_named(other)} share"


def _named(facts: Facts) -> str:
    """A contact by what it is and where."""
    place = _place(facts)
    if facts.kind == "CORRESPONDENT" and facts.network in CHATS:
        return f"the {network(facts.network)} contact"
    who, _, beside = _WHO[facts.kind].rpartition(" ")
    # in an account, on a network
    at = "on" if beside == "in" and facts.kind != "ADDRESS_BOOK" and place == network(facts.network) else beside
    return f"{who} {at} {place}" if place else who


def _place(facts: Facts) -> str:
    """Where a contact is: the account, or its network by name where the account is called by it."""
    return network(facts.network) if facts.account in ("", facts.network) else facts.account


def _value(edge: Edge, left: Facts, right: Facts) -> str:
    """An address or a number, with who vouches for it."""
    pairs = [(f, v) for f in (left, right) for v in f.values if (v.kind, v.key) == (edge.kind, edge.value)]
    clause = _clause(pairs)
    if edge.kind == "EMAIL":
        return f"{edge.value}{clause}"
    if any(v.detail == "MOBILE" for _, v in pairs):
        return f"the mobile number {edge.value}{clause}"
    return f"the number {edge.value}, under names that agree"


def _clause(pairs: Sequence[tuple[Facts, Value]]) -> str:
    checked = sorted({network(f.network) for f, v in pairs if v.basis == "CHECKED" and f.network})
    if checked:
        return f", which {' and '.join(checked)} {'has' if len(checked) == 1 else 'have'} verified"
    used = [f for f, v in pairs if v.basis == "USED"]
    if used and len(used) < len(pairs):
        chats = sorted({network(f.network) for f in used if f.network in CHATS})
        return f", in use on {' and '.join(chats)}" if chats else ", from which messages came"
    return ""


def _profile(edge: Edge, left: Facts, right: Facts) -> str:
    bases = {
        f.id: next((v.basis for v in f.values if (v.kind, v.key) == ("PROFILE", edge.value)), "CLAIMED") for f in (left, right)
    }
    written = [f for f in (left, right) if bases[f.id] == "WRITTEN"]
    if len(written) == 2:
        return f"You wrote {edge.value} on both cards."
    if written:
        other = right if written[0] is left else left
        return f"You wrote {edge.value} on {_named(written[0])}, and that is {_named(other)}."
    if _named(left) == _named(right):
        return f"{_capital(_place(left))} lists the profile {edge.value} twice."
    return f"{_capital(_named(left))} and {_named(right)} are one profile, {edge.value}."


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    # a clause before "and" is closed by a comma
    comma = "," if any("," in part for part in parts[:-1]) else ""
    return f"{', '.join(parts[:-1])}{comma} and {parts[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
