"""A small town of invented people as one address book, a mailbox and a few networks see them, with the truth beside it.

One seed, one town. It holds what invites wrong joins: namesakes, families with one telephone, a father and a son of one name,
couples on one card, role addresses, lists, a secretary who writes for others, impostors, numbers that changed hands;
and each scene of `snares.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final

from resolvers.identity.cards import Card, CardName, Kind
from tests.identity.snares import SCENES, Scene, scene


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN: Final = _words(
    "Ada Bruno Carla Dora Emil Fanny Gustav Hanna Igor Julia Konrad Leonie Mario Nadia Oskar Petra Quentin Rosa Stefan Tilda "
    "Ulrich Vera Walter Xenia Yvonne Zoltan"
)
_FAMILY: Final = _words(
    "Abel Brandt Castellano Drexler Eriksen Fontaine Grabowski Halloran Iglesias Jankowski Kellermann Lindqvist Moreau Novotny Oberholzer "
    "Petrescu Quintana Rasmussen Schneider Thorvaldsen Urbanek Vasquez Wachowski Ziegler"
)
_WORKS: Final = ("harbour", "orchard", "lantern", "granite", "meridian")


@dataclass
class Town:
    """Contacts, and who each of them is."""

    cards: list[Card] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)
    traps: dict[str, str] = field(default_factory=dict)  # persons who must stay apart, by the trap


def build(seed: int, people: int) -> Town:
    """The town of a seed."""
    chance = random.Random(seed)
    town = Town()
    for n in range(people):
        given, family = chance.choice(_GIVEN), chance.choice(_FAMILY)
        _person(town, chance, f"p{n}", given, family, mobile=f"+4915112{n:06d}", mail=f"{given}.{family}{n}@example.org".lower())
    for n in range(people // 10):
        _traps(town, chance, n)
    for n in range(people // 100):
        for k, kind in enumerate(SCENES):
            _scene(town, scene(kind, n * len(SCENES) + k, seed), kind.__name__)
    chance.shuffle(town.cards)
    return town


def _scene(town: Town, made: Scene, kind: str) -> None:
    for card in made.cards:
        town.cards.append(card)
        town.truth[card.id] = made.who[card.id]
        town.traps[card.id] = f"{kind}:{made.number}"


def _add(town: Town, person: str, kind: Kind, account: str, *names: str, trap: str = "", **values: Any) -> None:
    contact_id = f"c{len(town.cards):05d}"
    network = account.partition("-")[0]
    given = tuple(CardName(full=name) for name in names)
    town.cards.append(Card(id=contact_id, account=account, network=network, kind=kind, names=given, **values))
    town.truth[contact_id] = person
    if trap:
        town.traps[contact_id] = trap


def _person(
    town: Town, chance: random.Random, person: str, given: str, family: str, *, mobile: str, mail: str, trap: str = ""
) -> None:
    full = f"{given} {family}"
    written = chance.choice([full, f"{family}, {given}", full.upper(), f"Dr. {full}", f"{full} - Harbour Ltd"])
    _add(town, person, "ADDRESS_BOOK", "book-home", written, emails=(mail,), phones=(mobile,), trap=trap)
    _add(town, person, "CORRESPONDENT", "mail", chance.choice([full, "", given]), emails=(mail.upper(),), trap=trap)
    if chance.random() < 0.5:
        _add(town, person, "CORRESPONDENT", "whatsapp", given, phones=(mobile.replace("+49", "0049 "),), trap=trap)
    if chance.random() < 0.6:
        work = chance.choice(_WORKS)
        user = f"{given}{family}{person[1:]}".lower()
        _add(
            town,
            person,
            "MEMBER",
            "slack",
            full,
            emails=(f"{given[0]}{family}{person[1:]}@{work}.example".lower(),),
            handles=(f"slack:T1/{user}",),
            trap=trap,
        )
    if chance.random() < 0.4:
        _add(
            town,
            person,
            "FOLLOWING",
            "mastodon",
            full,
            handles=(f"mastodon:@{given}_{family}{person[1:]}@social.example".lower(),),
            trap=trap,
        )


def _traps(town: Town, chance: random.Random, n: int) -> None:
    given, other = chance.sample(_GIVEN, 2)
    family, stranger = chance.sample(_FAMILY, 2)
    key = f"t{n}"

    def person(who: str, first: str, last: str, trap: str, **more: str) -> None:
        mail = more.get("mail", f"{first}.{last}.{key}{who}@example.net".lower())
        mobile = more.get("mobile", f"+4917{len(town.cards):08d}")
        _person(town, chance, f"{key}-{trap}-{who}", first, last, mobile=mobile, mail=mail, trap=f"{trap}:{n}")

    home = f"+4930{n:07d}"
    for first in (given, other):
        person(first, first, family, "household")
        _add(
            town,
            f"{key}-household-{first}",
            "ADDRESS_BOOK",
            "book-work",
            f"{first} {family}",
            phones=(home,),
            trap=f"household:{n}",
        )
    for generation, born in (("Sr.", "1948-02-03"), ("Jr.", "1979-05-06")):
        who = f"{key}-generations-{generation}"
        _add(town, who, "ADDRESS_BOOK", "book-home", f"{given} {stranger} {generation}", phones=(home.replace("+4930", "+4940"),), birthday=born,
             emails=(f"{given}.{stranger}.{born[:4]}{n}@example.org".lower(),), trap=f"generations:{n}")  # fmt: skip
    person("a", given, stranger, "recycled", mobile=f"+4916022{n:05d}")
    person("b", other, family, "recycled", mobile=f"+4916022{n:05d}")
    victim = f"{given} {family}"
    address = f"{given}.{family}@orchard.example".lower()
    _add(
        town,
        f"{key}-victim",
        "ADDRESS_BOOK",
        "book-home",
        victim,
        emails=(f"{n}{address}",),
        urls=(f"https://x.com/{given}{n}v".lower(),),
        trap=f"spoof:{n}",
    )
    _add(town, f"{key}-spoof", "CORRESPONDENT", "mail", victim, emails=(f"{n}{address}.co",), trap=f"spoof:{n}")
    _add(town, f"{key}-liar", "FOLLOWER", "mastodon", victim, handles=(f"mastodon:@{given}{n}@liar.example".lower(),),
         urls=(f"https://x.com/{given}{n}v".lower(), f"mailto:{n}{address}"), trap=f"spoof:{n}")  # fmt: skip
    _add(
        town,
        f"{key}-couple",
        "ADDRESS_BOOK",
        "book-home",
        f"{given} & {other} {family}",
        phones=(home,),
        emails=(f"{n}{address}",),
        trap=f"spoof:{n}",
    )
    _add(
        town,
        f"{key}-role",
        "CORRESPONDENT",
        "mail",
        f"{given} {family}",
        emails=(f"info@{_WORKS[n % 5]}{n}.example",),
        trap=f"role:{n}",
    )
    _add(
        town,
        f"{key}-clerk",
        "ADDRESS_BOOK",
        "book-home",
        f"{given} {family}",
        emails=(f"info@{_WORKS[n % 5]}{n}.example",),
        trap=f"role:{n}",
    )
    _add(
        town,
        f"{key}-list",
        "CORRESPONDENT",
        "mail",
        f"{given} {family} via Sailing",
        emails=(f"sailing{n}@lists.example",),
        trap=f"list:{n}",
    )
