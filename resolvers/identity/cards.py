"""What identity knows of one contact: the card as it came, and the card read.

`Card` is the line of a `kith resolve` file. `read` turns it into `Facts`: names parsed, values in their one spelling, each with
who says it. Everything after this module works on Facts alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Final, Literal

import msgspec

from providers.formats.picture import is_rough
from resolvers.identity import lines, mailboxes, profiles
from resolvers.identity.mailboxes import Mailbox, speaks_for, stem
from resolvers.identity.names import Likeness, Name, at_work, compare, mediated, parse, parties
from resolvers.identity.organizations import of_domain, organization, street
from resolvers.identity.tables import sections

Kind = Literal["ADDRESS_BOOK", "CONNECTION", "MEMBER", "FOLLOWER", "FOLLOWING", "CORRESPONDENT"]
# how a contact came by a value: it is the profile itself; its network checked it; the viewer wrote it; mail or calls went there;
# its owner says so and nobody checked
Basis = Literal["OWN", "CHECKED", "WRITTEN", "USED", "CLAIMED"]
ValueKind = Literal["EMAIL", "PHONE", "PROFILE"]


class CardName(msgspec.Struct, frozen=True):
    """A display name."""

    full: str = ""
    given: str | None = None
    family: str | None = None


class CardOrganization(msgspec.Struct, frozen=True):
    """An employer."""

    name: str = ""
    title: str | None = None


class CardAddress(msgspec.Struct, frozen=True):
    """A postal address."""

    street: str | None = None
    city: str | None = None
    postcode: str | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One contact as it came."""

    id: str
    account: str = ""
    network: str = ""
    kind: Kind = "ADDRESS_BOOK"
    names: tuple[CardName, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    organizations: tuple[CardOrganization, ...] = ()
    addresses: tuple[CardAddress, ...] = ()
    birthday: str | None = None
    photo_sha256: str | None = None
    photo_dhash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")] | None = None
    updated_at: str | None = None


class Value(msgspec.Struct, frozen=True, order=True, gc=False):
    """One identifier on one contact. `private` says that one person can own it, as far as the value itself shows."""

    kind: ValueKind
    key: str
    basis: Basis
    private: bool
    detail: str = ""  # of a phone: its line; of a profile: its network


class Address(msgspec.Struct, frozen=True, order=True, gc=False):
    """An address on the open web that a contact has (resolvers/identity/addresses.py). `doubt`: 0 it is one person's by its kind, 1 a site
    that the viewer wrote down, 2 a page that seems to be their employer's."""

    key: str
    doubt: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One contact read."""

    id: str
    account: str
    network: str
    kind: Kind
    names: tuple[Name, ...]
    values: tuple[Value, ...]
    mailboxes: tuple[Mailbox, ...]
    users: tuple[tuple[str, str], ...]  # (network, user name) of the contact's own profiles
    employers: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[str, ...]
    birthday: str
    photo: str  # the digest of its bytes; empty where it has a look
    relations: tuple[str, ...] = ()  # what the viewer calls them for want of a name: mother, plumber
    nobody: str  # why this is no single person's card: COUPLE, LIST, ROLE, MACHINE, SEVERAL; empty when it may be
    addresses: tuple[Address, ...] = ()  # of those of which the web says anything
    look: str = ""  # of the photo (pictures.py)


_CHECKED: Final[dict[str, Basis]] = {
    "ADDRESS_BOOK": "WRITTEN",
    "MEMBER": "CHECKED",
    "CONNECTION": "CHECKED",
    "CORRESPONDENT": "USED",
}
CHATS: Final = frozenset({"whatsapp", "signal", "telegram", "viber", "sms"})  # a number there is a phone in one hand


def read(card: Card, region: str | None = None) -> Facts:
    """A contact's facts; `region` (ISO 3166) is where national numbers belong."""
    values: dict[tuple[str, str], Value] = {}
    boxes: dict[str, Mailbox] = {}
    said: Basis = _CHECKED.get(card.kind, "CLAIMED")

    def add(kind: ValueKind, key: str, basis: Basis, private: bool, detail: str = "") -> None:
        old = values.get((kind, key))
        if old is None or _RANK[basis] < _RANK[old.basis]:
            values[kind, key] = Value(kind, key, basis, private, detail)

    def add_email(address: str, basis: Basis) -> None:
        box = mailboxes.mailbox(address)
        if box is not None:
            add("EMAIL", box.key, basis, box.owner == "PERSON" and not box.disposable)
            if basis != "CLAIMED":
                boxes.setdefault(box.key, box)

    for address in card.emails:
        add_email(address, said)
    # a number on a profile is what its owner says, unless the network itself works by the number
    rung: Basis = "CLAIMED" if said == "CHECKED" and card.network not in CHATS else said
    for text in card.phones:
        number = lines.number(text, region)
        if number is not None:
            line = "MOBILE" if card.network in CHATS else number.line
            add("PHONE", number.key, rung, line in ("MOBILE", "EITHER"), line)
    users = []
    written = card.kind == "ADDRESS_BOOK"
    for handle in card.handles:
        profile = profiles.of_handle(handle)
        if profile is not None:
            # a network vouches for its own profiles; what its members say of other networks is their word
            basis: Basis = "WRITTEN" if written else "CLAIMED" if profiles.is_foreign(card.network, profile) else "OWN"
            add("PROFILE", profile.key, basis, True, profile.network)
            if basis != "CLAIMED":
                users.append((profile.network, profile.user))
    for url in card.urls:
        scheme, _, rest = url.partition(":")
        if scheme.casefold() == "mailto":
            add_email(rest.partition("?")[0], "WRITTEN" if written else "CLAIMED")
        elif scheme.casefold() == "tel":
            number = lines.number(rest, region)
            if number is not None:
                add("PHONE", number.key, "WRITTEN" if written else "CLAIMED", number.line in ("MOBILE", "EITHER"), number.line)
        else:
            profile = profiles.of_url(url)
            if profile is not None:
                # a site of one's own may be a company's: only a network's profile is surely one person's
                add("PROFILE", profile.key, "WRITTEN" if written else "CLAIMED", bool(profile.network), profile.network)
                if written and profile.network:
                    users.append((profile.network, profile.user))
    look = card.photo_dhash if card.photo_dhash is not None and is_rough(card.photo_dhash) else ""
    names = names_of(card.names, card.kind, list(boxes.values()), frozenset(stem(user) for _, user in users))
    employers = [organization(o.name) for o in card.organizations if o.name]
    employers += [of_domain(b.domain) for b in boxes.values() if not b.free and b.owner == "PERSON"]
    if written:
        theirs = {user for _, user in users if stem(user) in employers and all(speaks_for(user, name) < 2 for name in names)}
        users = [(network, user) for network, user in users if user not in theirs]
        for value in list(values.values()):
            if value.kind == "PROFILE" and any(value.key.endswith(user) for user in theirs):
                values[value.kind, value.key] = msgspec.structs.replace(value, basis="CLAIMED")  # the profile of an employer
    return Facts(
        id=card.id,
        account=card.account,
        network=card.network,
        kind=card.kind,
        names=tuple(n for n in names if n.kind == "PERSON"),
        values=tuple(sorted(values.values())),
        mailboxes=tuple(boxes[key] for key in sorted(boxes)),
        users=tuple(dict.fromkeys(users)),
        employers=tuple(dict.fromkeys(e for e in employers if e)),
        streets=tuple(s for a in card.addresses if (s := street(a.street or "", a.city or ""))),
        cities=tuple(c.casefold() for a in card.addresses if (c := a.city)),
        birthday=birthday(card.birthday or ""),
        photo="" if look else card.photo_sha256 or "",
        look=look,
        relations=relations_of(names),
        nobody=nobody_of(card.kind, names, list(boxes.values()), has_phone=bool(card.phones), written=card.names),
    )


_WORDS: Final = sections("words.txt")
_KIN: Final = ("mother", "father", "grandmother", "grandfather")
_NO_DAYS: Final = frozenset({"0001-01-01", "1601-01-01", "1900-01-01", "1970-01-01", "4501-01-01"})
_NO_YEAR: Final = 1604  # Apple's address book keeps days without a year in this one
_RANK: Final[dict[Basis, int]] = {"OWN": 0, "CHECKED": 1, "WRITTEN": 2, "USED": 3, "CLAIMED": 4}


def names_of(
    given: Sequence[CardName], kind: Kind, boxes: Sequence[Mailbox], users: Collection[str] = frozenset()
) -> tuple[Name, ...]:
    """The names that are the contact's own: not those of others who write through it, nor user names shown for want of a name."""
    found: dict[tuple[str, str], Name] = {}
    for one in given:
        if mediated(one.full):
            continue
        for name in parse(one.full, one.given or "", one.family or ""):
            found.setdefault((name.kind, name.text), name)
    if not found:
        found = {(name.kind, name.text): name for one in given for name in at_work(one.full)}
    names = tuple(found.values())
    if kind == "CORRESPONDENT":
        return _speaking(names, boxes)
    if kind in ("FOLLOWER", "FOLLOWING"):
        return tuple(n for n in names if n.full or "".join(w.text for w in n.words) not in users)
    return names


def birthday(day: str) -> str:
    """A birthday without what programs write where nobody said a year, or a day at all."""
    if day in _NO_DAYS:
        return ""
    return f"-{day[4:]}" if day[:4].isdigit() and int(day[:4]) <= _NO_YEAR else day


def relations_of(names: Iterable[Name]) -> tuple[str, ...]:
    """Who somebody is to the viewer where no name is given, each in one word however it is said."""
    said = (name.text.casefold().split() for name in names if name.kind == "RELATION")
    return tuple(dict.fromkeys(next((kin for kin in _KIN if words[0] in _WORDS[kin]), " ".join(words)) for words in said))


def _speaking(names: tuple[Name, ...], boxes: Sequence[Mailbox]) -> tuple[Name, ...]:
    """Of the contradicting names of one sender those that the address itself says: others sent through it."""
    if not _several(names) or len(boxes) != 1:
        return names
    said = [speaks_for(boxes[0].local, n) if n.kind == "PERSON" else 0 for n in names]
    best = max(said)
    kept = tuple(n for n, much in zip(names, said, strict=True) if much == best)
    return names if best < 2 or _several(kept) else kept


def nobody_of(
    kind: Kind, names: Sequence[Name], boxes: Sequence[Mailbox], *, has_phone: bool, written: Sequence[CardName] = ()
) -> str:
    """Why this is no single person's card; empty when it may be one. `written` are the names as they came, with those of others who
    speak through it."""
    if any(n.kind == "COUPLE" for n in names):
        return "COUPLE"
    if boxes and all(b.owner != "PERSON" for b in boxes) and kind in ("CORRESPONDENT", "ADDRESS_BOOK") and not has_phone:
        return boxes[0].owner
    if names and all(n.kind == "ROLE" for n in names):
        return "ROLE"
    if kind == "CORRESPONDENT" and (_several(names) or _lent(names, boxes, [one.full for one in written if mediated(one.full)])):
        return "SEVERAL"
    return ""


def _lent(names: Sequence[Name], boxes: Sequence[Mailbox], texts: Sequence[str]) -> bool:
    """Whether a sender is a list, an office or a program that writes in the names of others: two of them, or one whom the address does
    not say."""
    if not texts:
        return False
    through = [parties(text) for text in texts]
    senders = [name for before, _ in through for name in before] + [name for text in texts for name in at_work(text)]
    if any(compare(a, b) == Likeness.CONTRADICTS for n, a in enumerate(senders) for b in senders[:n]):
        return True
    involved = [name for before, behind in through for name in (*before, *behind)]
    return bool(involved) and not names and all(speaks_for(box.local, name) < 2 for box in boxes for name in involved)


def _several(names: Sequence[Name]) -> bool:
    people = [n for n in names if n.kind == "PERSON" and n.full]
    return any(compare(a, b) == Likeness.CONTRADICTS for n, a in enumerate(people) for b in people[:n])
