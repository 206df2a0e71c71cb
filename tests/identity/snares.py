"""Scenes that invite a wrong join, each of a kind that address books and mailboxes really hold, with the truth beside them.

The towns of `town.py` are what an address book is like on the whole; here stands what goes wrong in it: what somebody sends to deceive,
what families and offices share, what changed hands, what was copied into the wrong row. Each scene can be decided by a careful reader.
Cards of one word for a person are one person's, and nobody else's. Nobody here exists: hosts are example domains.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from resolvers.identity.cards import Card, CardName, CardOrganization, Kind

_GIVEN: Final = (
    "Ada", "Bruno", "Carla", "Dora", "Emil", "Fanny", "Gustav", "Helga", "Igor", "Konrad", "Leonie", "Nadia", "Oskar", "Petra", "Quentin",
    "Rosa", "Stefan", "Tilda", "Ulrich", "Vera", "Walter", "Xenia", "Yvonne", "Zoltan",
)  # fmt: skip
_FAMILY: Final = (
    "Abel", "Brandt", "Castellano", "Drexler", "Eriksen", "Fontaine", "Grabowski", "Halloran", "Iglesias", "Jankowski", "Kellermann",
    "Lindqvist", "Moreau", "Novotny", "Oberholzer", "Petrescu", "Quintana", "Rasmussen", "Schneider", "Thorvaldsen", "Urbanek", "Vasquez",
)  # fmt: skip
_TWINS: Final = (
    ("Anna", "Hanna"),
    ("Jan", "Jana"),
    ("Christian", "Christina"),
    ("Lena", "Lina"),
    ("Tim", "Tom"),
    ("Marc", "Marie"),
)
_SPELLINGS: Final = (("Carl", "Karl"), ("Filip", "Phillip"), ("Mohamed", "Mohammad"), ("Sofia", "Sophia"))
_SCRIPTS: Final = (
    ("Дмитрий Соколов", "Dmitry Sokolov", "+7916", "007 (916) "), ("محمد حداد", "Mohamed Haddad", "+20100", "0020-100-"),
    ("佐藤 花子", "Hanako Sato", "+8190", "0081 90 "), ("Γιώργος Παπαδόπουλος", "Giorgos Papadopoulos", "+30694", "0030 694 "),
)  # fmt: skip
_ROLES: Final = ("buchhaltung", "reception", "frontdesk", "einkauf", "bookings", "hausverwaltung", "orders.north", "team-west")
_PLACEHOLDERS: Final = (
    "none@none.example",
    "noemail@example.org",
    "unknown@example.com",
    "no.email@example.org",
    "test@test.example",
    "na@example.org",
)
_JOINTS: Final = ("{0} & {1} {2}", "{0} and {1} {2}", "{0} + {1}", "{0} / {1} {2}", "{0} u. {1} {2}", "{2}, {0} & {1}", "{0} {2} & {1} {2}",
           "The {2} family", "Mr & Mrs {2}", "{0} y {1}", "Familie {2}", "{0} és {1} {2}", "{0} ve {1} {2}", "{0} {2}, {1} {2}",
           "{0} {2} | {1} {2}", "{0} {2} (and {1})", "{0} {2} with {1}", "The {2}s", "Fam. {2}")  # fmt: skip
_LIKE: Final = (("a", "а"), ("o", "0"), ("l", "1"), ("e", "е"), ("i", "í"), ("m", "rn"))


@dataclass
class Scene:
    """The cards of one scene, and who each of them is."""

    number: int
    dice: random.Random
    cards: list[Card] = field(default_factory=list)
    who: dict[str, str] = field(default_factory=dict)

    def given(self) -> tuple[str, str]:
        """Two given names."""
        one, other = self.dice.sample(_GIVEN, 2)
        return one, other

    def family(self) -> tuple[str, str]:
        """Two family names."""
        one, other = self.dice.sample(_FAMILY, 2)
        return one, other

    def mobile(self, which: int = 0) -> str:
        """A mobile number of this scene."""
        return f"+491512{self.number:05d}{which:02d}"

    def house(self, which: int = 0) -> str:
        """A fixed line of this scene."""
        return f"+49305{self.number:05d}{which:02d}"

    def host(self, word: str = "works") -> str:
        """A domain of this scene."""
        return f"{word}{self.number}.example"

    def add(
        self, person: str, name: str, kind: Kind = "ADDRESS_BOOK", account: str = "", *, work: str = "", **values: Any
    ) -> None:
        """A card; the account is the mailbox or the first address book unless another is named."""
        where = account or {"ADDRESS_BOOK": "book-home", "CORRESPONDENT": "mail-home"}.get(kind, "linkedin")
        contact_id = f"{self.number:05d}-{len(self.cards):02d}"
        names = (CardName(full=name),) if name else ()
        employers = (CardOrganization(name=work),) if work else ()
        network = where.partition("-")[0]
        self.cards.append(
            Card(id=contact_id, account=where, network=network, kind=kind, names=names, organizations=employers, **values)
        )
        self.who[contact_id] = f"{self.number} {person}"


# --- families ---------------------------------------------------------------------------------------------------------------------


def initials_on_a_house_line(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    other = f"{one[0]}{'ib' if one[1] in 'aeou' else 'ab'}ert"
    for n, first in enumerate((one, other)):
        s.add(
            first,
            f"{first[0]}. {family}",
            account=("book-home", "book-work")[n],
            phones=(s.house(),),
            emails=(f"{first}.{family}{s.number}@example.org".lower(),),
        )
        s.add(first, f"{first} {family}", "CORRESPONDENT", emails=(f"{first}.{family}{s.number}@example.org".lower(),))


def initials_on_an_american_line(s: Scene) -> None:
    _, (family, _) = s.given(), s.family()
    for n, first in enumerate(("Julia", "Jonas")):
        s.add(
            first,
            f"J. {family}",
            account=("book-home", "book-work")[n],
            phones=(f"+1 201 555 {s.number % 10_000:04d}",),
            emails=(f"{first}.{family}@{s.host()}".lower(),),
        )


def son_who_says_junior(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    home = f"{family}.home{s.number}@example.org".lower()
    for n, suffix in enumerate(("", " Jr.")):
        own = f"{one}{n}{s.number}@{s.host('mail')}".lower()
        s.add(
            f"generation {n}",
            f"{one} {family}{suffix}",
            account=("book-home", "book-work")[n],
            emails=(home, own),
            phones=(s.mobile(n),),
        )
        s.add(f"generation {n}", f"{one} {family}", "CORRESPONDENT", emails=(own,))


def one_mailbox_for_a_family(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    home = s.dice.choice(
        (f"the{family}s{s.number}@gmail.com", f"family{family}{s.number}@example.org", f"{family}home@{s.host('mail')}")
    ).lower()
    own = f"{one}.{family}{s.number}@example.org".lower()
    s.add(one, f"{one} {family}", emails=(home, own), phones=(s.mobile(),))
    s.add(one, one, "CORRESPONDENT", emails=(own,))
    s.add("household", s.dice.choice(("", f"The {family}s", f"{family} Family")), "CORRESPONDENT", emails=(home,))


def telephone_of_a_parent(s: Scene) -> None:
    (parent, child), (family, _) = s.given(), s.family()
    s.add(parent, f"{parent} {family}", phones=(s.mobile(),))
    s.add(child, s.dice.choice((child, f"{child} {family}", f"{child} (school)")), account="book-work", phones=(s.mobile(),))
    s.add(parent, f"{parent} {family[0]}.", "CORRESPONDENT", account="whatsapp", phones=(s.mobile(),))


def father_and_son_with_one_mailbox(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    home = f"{family}.home{s.number}@example.org".lower()
    for n, born in enumerate(("1948-02-03", "1979-05-06")):
        own = f"{one}{n}{s.number}@{s.host('mail')}".lower()
        s.add(
            f"born {born}",
            f"{one} {family}",
            account=("book-home", "book-work")[n],
            emails=(home, own),
            birthday=born,
            phones=(s.mobile(n),),
        )
        s.add(f"born {born}", f"{one} {family}", "CORRESPONDENT", emails=(own,))
    s.add("whoever writes from it", f"{one} {family}", "CORRESPONDENT", emails=(home,))


def twins(s: Scene) -> None:
    (family, _), born = s.family(), "1991-07-04"
    for n, first in enumerate(s.dice.choice(_TWINS)):
        s.add(
            first,
            f"{first} {family}",
            account=("book-home", "book-work")[n],
            birthday=born,
            phones=(s.house(), s.mobile(5)),
            work="Harbour Ltd",
            photo_sha256=f"{s.number:064d}",
        )
        s.add(first, f"{first} {family}", emails=(f"{first}.{family}{s.number}@example.org".lower(),), birthday=born)
        s.add(first, first, "CORRESPONDENT", emails=(f"{first}.{family}{s.number}@example.org".lower(),))


def spouse_on_the_card_of_the_other(s: Scene) -> None:
    (one, other), (family, _) = s.given(), s.family()
    theirs = f"{other}{family}{s.number}@gmail.com".lower()
    s.add(one, f"{one} {family}", emails=(f"{one}.{family}{s.number}@example.org".lower(), theirs), phones=(s.mobile(),))
    s.add(other, s.dice.choice(("", f"{other} {family}", other)), "CORRESPONDENT", emails=(theirs,))


def parents_of_a_friend(s: Scene) -> None:
    numbers = (s.mobile(),)
    s.add("mother", "Mum", phones=numbers)
    s.add("father", "Dad", account="book-work", phones=numbers)


def married_since(s: Scene) -> None:
    (one, _), (before, after) = s.given(), s.family()
    mail = f"{one}{s.number}.{s.dice.choice((before, after))}@gmail.com".lower()
    s.add(one, f"{one} {before}", emails=(mail,))
    s.add(one, f"{one} {after}", "CORRESPONDENT", emails=(mail,))


def two_on_one_card(s: Scene) -> None:
    (one, other), (family, _) = s.given(), s.family()
    mails = [f"{first}.{family}{s.number}@example.org".lower() for first in (one, other)]
    for n, first in enumerate((one, other)):
        s.add(first, f"{first} {family}", emails=(mails[n],), phones=(s.mobile(n),))
        s.add(first, first, "CORRESPONDENT", account="whatsapp", phones=(s.mobile(n),))
    joint = s.dice.choice(_JOINTS).format(one, other, family)
    s.add("both", joint, account="book-work", emails=tuple(mails), phones=(s.mobile(0), s.mobile(1)))


def card_without_a_name_that_two_could_have(s: Scene) -> None:
    people = tuple(zip(s.given(), s.family(), strict=True))
    mails = tuple(f"{first}.{last}{s.number}@example.org".lower() for first, last in people)
    for n, (first, last) in enumerate(people):
        s.add(first, f"{first} {last}", emails=(mails[n],))
        s.add(first, f"{last}, {first}", "CORRESPONDENT", emails=(mails[n],))
    s.add("either", s.dice.choice(("", "?", "-", "Skiing 2024")), account="book-old", emails=mails)


def number_that_a_father_and_a_son_of_one_name_share(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    for n, born in enumerate(("1948-02-03", "1979-05-06")):
        s.add(f"born {born}", f"{one} {family}", account=f"book-{n}", birthday=born, phones=(s.mobile(9), s.mobile(n)))
        s.add(f"born {born}", f"{one} {family}", "CORRESPONDENT", account="signal", birthday=born, phones=(s.mobile(n),))
    s.add("one of them", f"{one} {family}", "CORRESPONDENT", account="whatsapp", phones=(s.mobile(9),))


def mother_who_is_known_by_her_child(s: Scene) -> None:
    (child, mother), (family, _) = s.given(), s.family()
    said = s.dice.choice(
        ("{0}'s Mum", "{0}’s mum", "Mum of {0}", "maman de {0}", "Mama von {0}", "{0} {1}'s assistant", "{0} {1} Secretary")
    )
    s.add(child, f"{child} {family}", phones=(s.mobile(),), emails=(f"{child}.{family}{s.number}@example.org".lower(),))
    s.add(child, child, "CORRESPONDENT", emails=(f"{child}.{family}{s.number}@example.org".lower(),))
    s.add(f"{mother}, as a parent", said.format(child, family), account="book-work", phones=(s.mobile(),))


# --- offices ----------------------------------------------------------------------------------------------------------------------


def address_of_a_predecessor(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    desk = f"{one[0]}.{family}@{s.host()}".lower()
    other = f"{one[0]}{'ib' if one[1] in 'aeou' else 'ab'}ert"  # the successor has the same initial
    s.add(one, f"{one} {family}", emails=(desk, f"{one}{s.number}@example.org".lower()), phones=(s.mobile(0),))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(f"{one}{s.number}@example.org".lower(),))
    s.add(other, f"{other} {family}", "CORRESPONDENT", account="mail-work", emails=(desk,))


def secretary_on_the_card_of_the_boss(s: Scene) -> None:
    (boss, aide), (one, other) = s.given(), s.family()
    s.add(
        boss,
        f"Dr. {boss} {one}",
        emails=(f"{boss}.{one}@{s.host()}".lower(), f"{aide}.{other}@{s.host()}".lower()),
        phones=(s.mobile(0), s.mobile(1)),
    )
    s.add(boss, boss, "CORRESPONDENT", account="signal", phones=(s.mobile(0),))
    s.add(aide, aide, "CORRESPONDENT", account="whatsapp", phones=(s.mobile(1),))
    s.add(aide, s.dice.choice(("", f"{aide} {other}")), "CORRESPONDENT", emails=(f"{aide}.{other}@{s.host()}".lower(),))


def namesakes_of_one_employer(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    for n in range(2):
        mail = f"{one}.{family}{n or ''}@{s.host()}".lower()
        s.add(
            f"no. {n}",
            f"{one} {family}",
            account=("book-home", "book-work")[n],
            work="Works Ltd",
            emails=(mail,),
            phones=(s.mobile(n), s.house()),
        )
        s.add(f"no. {n}", f"{one} {family}", "CORRESPONDENT", emails=(mail,))


def function_spelled_as_somebody(s: Scene) -> None:
    (one, other), (family, stranger) = s.given(), s.family()
    box = f"{s.dice.choice(_ROLES)}@{s.host()}"
    s.add(one, f"{one} {family}", emails=(box,), phones=(s.mobile(0),))
    s.add(one, f"{one} {family}", account="signal", kind="CORRESPONDENT", phones=(s.mobile(0),))
    s.add("desk", s.dice.choice((f"{one} {family}", "", f"{one} at {s.host()}")), "CORRESPONDENT", emails=(box,))
    s.add(other, f"{other} {stranger}", account="book-work", emails=(box,))


def list_spelled_as_somebody(s: Scene) -> None:
    (one, other), (family, stranger) = s.given(), s.family()
    box = s.dice.choice(
        (f"sailing{s.number}@groups.io", f"climbers{s.number}-announce@clubs.example", f"choir@lists.{s.host('club')}")
    )
    s.add(one, f"{one} {family}", emails=(box, f"{one}.{family}{s.number}@example.org".lower()))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(f"{one}.{family}{s.number}@example.org".lower(),))
    s.add("list", s.dice.choice((f"{one} {family}", "", f"{other} {stranger}")), "CORRESPONDENT", emails=(box,))


def page_of_an_employer(s: Scene) -> None:
    (one, other), (family, stranger) = s.given(), s.family()
    page = s.dice.choice((f"https://x.com/works{s.number}", f"https://linkedin.com/company/works{s.number}", f"https://www.works{s.number}.example/",
                          f"https://facebook.com/works{s.number}"))  # fmt: skip
    work = f"Works{s.number} Ltd"
    s.add(one, f"{one} {family}", urls=(page,), work=work, emails=(f"{one}.{family}@{s.host()}".lower(),))
    s.add("namesake", one, account="book-work", urls=(page,), work=work, emails=(f"{one}.{stranger}@{s.host()}".lower(),))
    s.add(other, f"{other} {stranger}", account="book-old", urls=(page,), work=work)
    s.add("works", f"Works{s.number}", "FOLLOWING", "x", handles=(f"x:works{s.number}",))


def club_that_rewrites_its_senders(s: Scene) -> None:
    people = tuple(zip(s.given(), s.family(), strict=True))
    box = s.dice.choice(
        (f"bluebird{s.number}@club.example", f"bluebird+unsubscribe@{s.host('club')}", f"bluebird@ml.{s.host('club')}")
    )
    said = tuple(
        s.dice.choice(("{0} via Bluebird", "'{0}' via Bluebird", "{0} (via Bluebird)")).format(" ".join(p)) for p in people
    )
    own = tuple(f"{first}.{last}{s.number}@example.org".lower() for first, last in people)
    for n, (first, last) in enumerate(people):
        s.add(first, f"{first} {last}", emails=(own[n], *((box,) if n == 0 else ())))
        s.add(first, f"{first} {last}", "CORRESPONDENT", emails=(own[n],))
    s.add("club", "", "CORRESPONDENT", "mail-club", emails=())
    s.cards[-1] = msgspec.structs.replace(
        s.cards[-1], names=tuple(CardName(full=one) for one in said[: 1 + s.number % 2]), emails=(box,)
    )


def one_given_name_for_a_whole_team(s: Scene) -> None:
    (one, other), (family, _) = s.given(), s.family()
    box = f"{one}@{s.host()}".lower()
    s.add(one, f"{one} {family}", emails=(box, f"{one}.{family}{s.number}@example.org".lower()))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(f"{one}.{family}{s.number}@example.org".lower(),))
    s.add("team", f"{other} from Works", "CORRESPONDENT", emails=(box,))
    s.add("team", f"{other} at Works", "CORRESPONDENT", "mail-work", emails=(box,))


def service_that_signs_with_its_users(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    box = s.dice.choice((f"envelope{s.number}@docusign.net", f"c{s.number}x@group.calendar.google.com", f"ticket{s.number}@works.zendesk.com",
                         f"request{s.number}@works.atlassian.net"))  # fmt: skip
    own = f"{one}.{family}{s.number}@example.org".lower()
    s.add(one, f"{one} {family}", emails=(box, own))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(own,))
    s.add("service", f"{one} {family}", "CORRESPONDENT", emails=(box,))


def club_that_names_its_people_and_is_named_by_them(s: Scene) -> None:
    (one, other), club = s.given(), f"bluebird{s.number}"
    pages = tuple(f"https://social{n}.example/@{first}{s.number}".lower() for n, first in enumerate((one, other)))
    for n, first in enumerate((one, other)):
        s.add(
            first, s.dice.choice((first, f"{first} {s.family()[0]}")), "FOLLOWER", "mastodon",
            handles=(f"mastodon:@{first}{s.number}@social{n}.example".lower(),), urls=(f"https://x.com/{club}",),
        )  # fmt: skip
    s.add("club", s.dice.choice(("Bluebird", club)), "FOLLOWING", "x", handles=(f"x:{club}",), urls=pages)


def partners_who_name_each_other(s: Scene) -> None:
    (one, other), (family, stranger) = s.given(), s.family()
    s.add(
        one, one, "FOLLOWER", "x", handles=(f"x:{one}{family}{s.number}".lower(),),
        urls=(f"https://github.com/{other}{stranger}{s.number}".lower(),),
    )  # fmt: skip
    s.add(
        other, f"{other} {stranger}", "FOLLOWING", "github", handles=(f"github:{other}{stranger}{s.number}".lower(),),
        urls=(f"https://x.com/{one}{family}{s.number}".lower(),),
    )  # fmt: skip


# --- what changed hands, and what was copied ---------------------------------------------------------------------------------------


def machine_that_writes_in_their_names(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    box = s.dice.choice(
        (f"hit-reply@network{s.number}.example", f"reply+{s.number}abc@tracker.example", f"invitations@network{s.number}.example")
    )
    own = f"{one}.{family}{s.number}@example.org".lower()
    s.add(one, f"{one} {family}", emails=(box, own))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(own,))
    s.add("machine", f"{one} {family}", "CORRESPONDENT", emails=(box,))


def page_of_an_employer_on_two_cards(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    work = f"Works{s.number} Ltd"
    s.add(
        one,
        f"{one} {family}",
        urls=(f"https://x.com/works{s.number}",),
        work=work,
        emails=(f"{one}.{family}@{s.host()}".lower(),),
    )
    s.add("namesake", one, account="book-work", handles=(f"x:works{s.number}",), work=work, phones=(s.mobile(),))
    s.add("works", f"Works{s.number}", "FOLLOWING", "x", handles=(f"x:works{s.number}",))


def number_that_changed_hands(s: Scene) -> None:
    (one, other), (family, stranger) = s.given(), s.family()
    mail = f"{one}.{family}{s.number}@example.org".lower()
    s.add(one, f"{one} {family}", phones=(s.mobile(),), emails=(mail,))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(mail,))
    s.add(
        other,
        s.dice.choice((other, f"{other} {stranger}", f"{other} 🌻")),
        "CORRESPONDENT",
        account="whatsapp",
        phones=(s.mobile(),),
    )


def two_who_sound_alike_on_one_value(s: Scene) -> None:
    """A number that changed hands, or an address pasted on the wrong card, whose owners' given names are spellings of one another."""
    (one, other), (family, stranger) = s.dice.choice(_SPELLINGS), s.family()
    theirs = f"{other}.{stranger}{s.number}@example.org".lower()
    shared = s.dice.random() < 0.5
    s.add(
        one,
        f"{one} {family}",
        emails=(f"{one}{s.number}@example.org".lower(), *(() if shared else (theirs,))),
        phones=(s.mobile(),),
    )
    s.add(other, f"{other} {stranger}", "CORRESPONDENT", emails=(theirs,))
    s.add(other, f"{other} {stranger}", account="book-work", emails=(theirs,), phones=(s.mobile(),) if shared else ())


def phone_of_the_row_below(s: Scene) -> None:
    (one, other), (family, stranger) = s.given(), s.family()
    people = ((one, family), (other, stranger), (f"{other[:2]}berta", family))
    for n, (first, last) in enumerate(people):
        mail = f"{first}.{last}{s.number}@example.org".lower()
        s.add(f"{first} {last}", f"{first} {last}", emails=(mail,), phones=(s.mobile(n), s.mobile((n + 1) % 3)))
        s.add(f"{first} {last}", f"{first} {last}", "CORRESPONDENT", emails=(mail,))


def own_address_of_the_viewer_on_every_card(s: Scene) -> None:
    own = f"robin{s.number}@example.org"
    for n in range(s.dice.choice((3, 8, 30))):
        first, last = s.dice.choice(_GIVEN), f"{s.dice.choice(_FAMILY)}{'abcdefghijklmnopqrstuvwxyzåäöü'[n]}"
        s.add(f"{first} {last}", f"{first} {last}", emails=(f"{first}.{last}{s.number}@example.com".lower(), own))
        s.add(f"{first} {last}", "", "CORRESPONDENT", emails=(f"{first}.{last}{s.number}@example.com".lower(),))
    s.add("viewer", "Robin", "CORRESPONDENT", emails=(own,))


def no_address_at_all(s: Scene) -> None:
    (one, other), _ = s.given(), s.family()
    nothing = s.dice.choice(_PLACEHOLDERS)
    s.add("mother", "Mum", emails=(nothing,))
    s.add("plumber", "Plumber", account="book-work", emails=(nothing,), phones=(s.mobile(1),))
    s.add(one, one, emails=(nothing,), phones=(s.mobile(2),))
    s.add(other, "", account="book-old", emails=(nothing, f"{other}{s.number}@example.com".lower()))


# --- deceit ----------------------------------------------------------------------------------------------------------------------


def look_alike_with_the_same_picture(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    domain, local, photo = s.host("orchardline"), f"{one}.{family}".lower(), f"{s.number:064x}"
    s.add(one, f"{one} {family}", emails=(f"{local}@{domain}",), photo_sha256=photo, phones=(s.mobile(),))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(f"{local}@{domain}",))
    tricks = [f"{local}@{domain.replace(a, b, 1)}" for a, b in _LIKE if a in domain]
    tricks += [f"{local.replace(a, b, 1)}@{domain}" for a, b in _LIKE if a in local]
    tricks += [f"{local}@{domain}.login.example", f"{local}@mail-{domain}", f"{local}+{domain}@gmail.com",
               f"{local}@{domain.replace('.example', '-example.org')}",
               f"{local}@xn--orchardlin{s.number}-rnb.example", f"{local}\u200b@{domain}",
               f"{local}-{domain.partition('.')[0]}@outlook.com"]  # fmt: skip
    for n, trick in enumerate(s.dice.sample(tricks, 3)):
        s.add(f"impostor {n}", f"{one} {family}", "CORRESPONDENT", "mail-work", emails=(trick,), photo_sha256=photo)
    s.add("impostor online", f"{one} {family}", "FOLLOWER", "x", handles=(f"x:{one}_{family}{s.number}".lower(),), photo_sha256=photo,
          urls=(f"mailto:{local}@{domain}",))  # fmt: skip


def profile_that_claims_the_telephone_of_another(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    s.add(one, f"{one} {family}", phones=(s.mobile(),), emails=(f"{one}.{family}{s.number}@example.org".lower(),))
    s.add(one, one, "CORRESPONDENT", account="whatsapp", phones=(s.mobile(),))
    s.add("impostor", f"{one} {family}", *s.dice.choice((("MEMBER", "slack-oss"), ("CONNECTION", "linkedin"))), phones=(s.mobile(),),
          handles=(f"slack:T9/u{s.number}",))  # fmt: skip


# --- one person, written in two ways ------------------------------------------------------------------------------------------------


def one_name_in_two_scripts(s: Scene) -> None:
    native, latin, code, abroad = s.dice.choice(_SCRIPTS)
    rest = f"{1_000_000 + s.number:07d}"
    s.add(latin, native, phones=(f"{code}{rest}",))
    s.add(
        latin,
        latin,
        account="book-work",
        phones=(f"{abroad}{rest[:3]}-{rest[3:]}",),
        emails=(f"{latin.replace(' ', '.')}{s.number}@example.org".lower(),),
    )


def one_name_cut_short(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    for n, name in enumerate(
        (
            f"{one} {family}",
            f"{one} {family[0]}.",
            f"{one[0]}. {family}",
            f"{family}, {one}",
            f"{one} {family} (Harbour)",
            one.upper(),
        )
    ):
        s.add(one, name, account=f"book-{n}", phones=(s.mobile(),))


def one_name_with_an_initial_that_means_and_elsewhere(s: Scene) -> None:
    (one, _), (family, _), mail = s.given(), s.family(), f"a{s.number}@example.org"
    s.add(one, f"{one} {s.dice.choice('EIY')} {family}", emails=(mail,))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(mail,))


def one_sender_who_says_for_whom_she_works(s: Scene) -> None:
    (one, _), (family, _), mail = s.given(), s.family(), f"a{s.number}@{s.host()}"
    s.add(one, f"{one} {family}", emails=(mail,))
    s.add(one, f"{one} from Works", "CORRESPONDENT", emails=(mail,))


def one_card_imported_again_and_again(s: Scene) -> None:
    (one, _), (family, _), mail = s.given(), s.family(), f"a{s.number}@example.org"
    for n in range(30):
        s.add(one, (f"{one} {family}", f"{family}, {one}", f"Dr. {one} {family}")[n % 3], account=f"book-{n % 2}", emails=(mail,))


def one_number_as_a_table_leaves_it(s: Scene) -> None:
    (one, _), (family, _), number = s.given(), s.family(), s.mobile()
    s.add(one, f"{one} {family}", phones=(s.dice.choice((number[1:], f"{number} (home)")),))
    s.add(one, one, "CORRESPONDENT", account="whatsapp", phones=(number,))


def one_family_name_that_means_mother(s: Scene) -> None:
    (one, _), mail = s.given(), f"a{s.number}@example.org"
    s.add(one, f"{one} {s.dice.choice(('Mutter', 'Mutti', 'Papa'))}", emails=(mail,))
    s.add(one, one, "CORRESPONDENT", emails=(mail,))


def one_birthday_without_a_year(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    for n, born in enumerate(("1984-05-06", s.dice.choice(("--05-06", "1604-05-06", "1900-01-01", "0001-01-01")))):
        s.add(one, f"{one} {family}", account=f"book-{n}", phones=(s.mobile(),), birthday=born)


def one_address_with_its_name_around(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    mail = f"{one}.{family}{s.number}@example.org".lower()
    s.add(one, f"{one} {family}", emails=(s.dice.choice((f"{one} {family} <{mail}>", f"mailto:{mail}", f" {mail.upper()} ")),))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(mail,))


def one_domain_in_two_spellings(s: Scene) -> None:
    (one, _), (family, _) = s.given(), s.family()
    s.add(one, f"{one} {family}", emails=(f"{one}{s.number}@bücher.example".lower(),))
    s.add(one, f"{one} {family}", "CORRESPONDENT", emails=(f"{one}{s.number}@xn--bcher-kva.example".lower(),))


SCENES: Final[tuple[Callable[[Scene], None], ...]] = (
    initials_on_a_house_line, initials_on_an_american_line, son_who_says_junior, one_mailbox_for_a_family, telephone_of_a_parent,
    father_and_son_with_one_mailbox, twins, spouse_on_the_card_of_the_other, parents_of_a_friend, married_since, two_on_one_card,
    address_of_a_predecessor, secretary_on_the_card_of_the_boss, namesakes_of_one_employer, function_spelled_as_somebody,
    list_spelled_as_somebody, machine_that_writes_in_their_names, page_of_an_employer, page_of_an_employer_on_two_cards,
    number_that_changed_hands, two_who_sound_alike_on_one_value, phone_of_the_row_below, own_address_of_the_viewer_on_every_card, no_address_at_all,
    look_alike_with_the_same_picture, profile_that_claims_the_telephone_of_another, one_name_in_two_scripts, one_name_cut_short,
    one_birthday_without_a_year, one_address_with_its_name_around, one_domain_in_two_spellings, card_without_a_name_that_two_could_have,
    number_that_a_father_and_a_son_of_one_name_share, mother_who_is_known_by_her_child, club_that_rewrites_its_senders,
    one_given_name_for_a_whole_team, service_that_signs_with_its_users, club_that_names_its_people_and_is_named_by_them,
    partners_who_name_each_other, one_card_imported_again_and_again, one_number_as_a_table_leaves_it, one_family_name_that_means_mother,
    one_name_with_an_initial_that_means_and_elsewhere, one_sender_who_says_for_whom_she_works,
)  # fmt: skip


def scene(kind: Callable[[Scene], None], number: int, seed: int = 1) -> Scene:
    """One scene of a kind; the same numbers give the same scene."""
    made = Scene(number=number, dice=random.Random(f"{seed} {kind.__name__} {number}"))
    kind(made)
    return made
