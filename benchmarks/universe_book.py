"""The book of a universe: what each network says of each person, by the rules of its layout, counted without reading any file but the mail.

    World ──writers──▶ archives ──▶ (whoever reads them)
      └────────────── Book: contacts, conversations, messages, acts; who is one person

Contacts are one person where they carry the same e-mail address, mobile number or handle, and otherwise not: a name proves nothing. What
a layout leaves out (who was in a group, what others answered) is left out here too. Knows nothing of Kith.
"""

from __future__ import annotations

import email.parser
import email.policy
import mailbox
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from benchmarks import chat_exports, exports
from benchmarks.exports import Said, Talk, World
from benchmarks.universe import ME, MY_NAME, TOPICS, Person, Universe

#: How archives are called that the book knows, in the order in which they are taken in.
NETWORKS: Final = (
    "vcard", "mbox", "linkedin", "x", "facebook", "instagram", "mastodon", "whatsapp", "android_sms", "telegram", "discord",
    "imessage", "slack", "evernote",
)  # fmt: skip
PHONE: Final = chat_exports.PHONES[9]
#: Letters of a post that is one wherever it was posted: what is shorter, anybody may say twice.
TELLING: Final = 24
Reach = Literal["ALL", "AUTHOR", "NOBODY"]


@dataclass(frozen=True)
class Card:
    """A contact as a client sees it. `handle` says nothing but whose it is."""

    network: str
    key: str
    relation: str
    names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    url: str | None = None
    handle: str | None = None

    @property
    def proofs(self) -> frozenset[str]:
        """What no two people have in common. An address on the page of somebody who is followed is what they say of themselves."""
        emails = () if self.relation in ("FOLLOWER", "FOLLOWING") else self.emails
        return frozenset({*emails, *self.phones, *([self.handle] if self.handle else [])})

    @property
    def shown(self) -> Hashable:
        return self.network, self.relation, self.names, self.emails, self.phones, self.url


@dataclass(frozen=True)
class Letter:
    """A message: when, which way, what it says, and the keys of the contacts that it names."""

    at: datetime
    way: str
    text: str
    cards: frozenset[str]


@dataclass
class Room:
    """A conversation; `members` are the contacts who are in it without a message that says so."""

    network: str
    kind: str
    subject: str | None
    members: set[str] = field(default_factory=set)
    letters: list[Letter] = field(default_factory=list)

    @property
    def cards(self) -> set[str]:
        return self.members.union(*(letter.cards for letter in self.letters))

    @property
    def shown(self) -> Hashable:
        return self.network, self.kind, self.subject, len(self.letters), max(letter.at for letter in self.letters)


@dataclass(frozen=True)
class Act:
    """Something that a contact did, or the owner (None); `at` is None where nobody says when."""

    network: str
    card: str | None
    verb: str
    text: str
    at: datetime | None


@dataclass(frozen=True)
class Life:
    """The lists of one person, each item as often as it is there."""

    contacts: Counter[Hashable]
    conversations: Counter[Hashable]
    timeline: Counter[Hashable]
    activities: Counter[Hashable]


@dataclass
class Page:
    """What one network says."""

    network: str
    cards: dict[str, Card] = field(default_factory=dict)
    rooms: dict[Hashable, Room] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)

    def knows(self, key: str, relation: str, *names: str, **more: Any) -> str:
        """Somebody whom the network lists."""
        self.cards[key] = Card(self.network, key, relation, names, **more)
        return key

    def met(self, key: str, name: str = "", **more: object) -> str:
        """Somebody in a message: who is not listed is known by it alone, and by all the names that messages give."""
        old = self.cards.get(key)
        if old is None:
            return self.knows(key, "CORRESPONDENT", *([name] if name else []), **more)
        if old.relation == "CORRESPONDENT" and name and name not in old.names:
            self.cards[key] = replace(old, names=(*old.names, name))
        return key


@dataclass
class Book:
    """Everything that all networks say."""

    pages: dict[str, Page]

    def without(self, network: str) -> Book:
        """The book when the owner has left one network."""
        return Book({name: page for name, page in self.pages.items() if name != network})

    def lives(self) -> list[Life]:
        """The lists of everybody."""
        cards = [card for page in self.pages.values() for card in page.cards.values()]
        whose = _joined(cards)
        found = [Life(Counter(), Counter(), Counter(), Counter()) for _ in range(len(set(whose.values())))]
        for card in cards:
            found[whose[card.network, card.key]].contacts[card.shown] += 1
        for page in self.pages.values():
            for room in page.rooms.values():
                for one in {whose[room.network, key] for key in room.cards}:
                    found[one].conversations[room.shown] += 1
                for letter in room.letters:
                    for one in {whose[room.network, key] for key in letter.cards}:
                        found[one].timeline[room.network, letter.at, letter.way, letter.text] += 1
            for act in page.acts:
                if act.card is not None:
                    life = found[whose[act.network, act.card]]
                    life.activities[act.network, act.at, act.verb, act.text] += 1
                    life.timeline[act.network, act.at, act.verb, act.text] += 1
        return found

    def own_acts(self) -> Counter[Hashable]:
        """What the owner did: (verb, text, networks); a text that is long enough counts once, with all networks that have it."""
        found: Counter[Hashable] = Counter()
        places: dict[str, set[str]] = defaultdict(set)
        for page in self.pages.values():
            for act in page.acts:
                if act.card is None and act.verb == "CREATE" and sum(map(str.isalnum, act.text)) >= TELLING:
                    places[act.text].add(act.network)
                elif act.card is None:
                    found[act.verb, act.text, (act.network,)] += 1
        found.update(("CREATE", text, tuple(sorted(networks))) for text, networks in places.items())
        return found


def _joined(cards: Iterable[Card]) -> dict[tuple[str, str], int]:
    """(network, key) → number of the person: contacts with a proof in common are one."""
    parts: list[tuple[set[tuple[str, str]], set[str]]] = []
    for card in cards:
        ids, proofs = {(card.network, card.key)}, set(card.proofs)
        apart = []
        for part in parts:
            if part[1] & card.proofs:
                ids, proofs = ids | part[0], proofs | part[1]
            else:
                apart.append(part)
        parts = [*apart, (ids, proofs)]
    return {one: n for n, (ids, _) in enumerate(parts) for one in ids}


# --- writing it -------------------------------------------------------------------------------------------------------------


def write(world: World, folder: Path, *, mails: int) -> tuple[list[Path], Book]:
    """Archives of all networks, in the order of NETWORKS, and the book of what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    written = Universe(world.people, mails, world.seed).write(folder)
    chats = folder / "chats"
    chats.mkdir()
    for talk in world.conversations():
        chat_exports.whatsapp(world, talk, chats, PHONE)
    paths = [
        written.cards, written.mail, exports.linkedin(world, folder / "linkedin.zip"), exports.x_twitter(world, folder / "x.zip"),
        exports.facebook(world, folder / "facebook.zip"), exports.instagram(world, folder / "instagram.zip"),
        exports.mastodon(world, folder / "mastodon.zip"), chats, chat_exports.android_sms(world, folder / "sms.xml", others=False),
        chat_exports.telegram(world, folder / "result.json"), chat_exports.discord(world, folder / "discord.zip"),
        chat_exports.imessage(world, folder / "chat.db"), chat_exports.slack(world, folder / "slack.zip"),
        chat_exports.evernote(world, folder / "cards.enex"),
    ]  # fmt: skip
    pages = [
        address_book(written.people), _mail(written.mail), _linkedin(world), _x(world), _facebook(world), _instagram(world),
        _mastodon(world), _whatsapp(world), _android_sms(world), _telegram(world), _discord(world), _imessage(world), _slack(world),
        _evernote(world),
    ]  # fmt: skip
    assert tuple(page.network for page in pages) == NETWORKS
    return paths, Book({page.network: page for page in pages})


def words(text: str) -> str:
    """A text without what readers may lay out differently."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Manner:
    """How a network tells conversations: `who` gives the key of somebody's contact, the rest what of a group is in the files."""

    who: Callable[[Person, Talk], str]
    key: Callable[[Talk], Hashable] = lambda talk: talk.number
    kind: Callable[[Talk], str] = lambda talk: "GROUP" if talk.title else "DIRECT"
    subject: Callable[[Talk], str | None] = lambda talk: talk.title or None
    text: Callable[[Talk, Said], str] = lambda talk, said: said.text
    at: Callable[[Talk, Said], datetime] = lambda talk, said: said.at
    mine_only: bool = False
    heard: Reach = "ALL"  # whom a message of somebody else in a group names
    sent: Reach = "ALL"  # whom one of the owner names
    listed: bool = True  # whether a group's members are listed
    theirs: str = "INBOUND"  # which way a message of somebody else goes


def tell(page: Page, world: World, talk: Talk, manner: Manner, known: Iterable[int] | None = None) -> None:
    """A conversation as a network tells it; `known` are those in it of whom the network says so, all by default."""
    said = [one for one in talk.said() if one.sender is None or not manner.mine_only]
    if not said:
        return
    everybody = frozenset(manner.who(world.person(n), talk) for n in (talk.members if known is None else known))
    room = page.rooms.setdefault(manner.key(talk), Room(page.network, manner.kind(talk), manner.subject(talk)))
    if manner.listed:
        room.members |= everybody
    for one in said:
        reach: Reach = "ALL" if not talk.title else manner.sent if one.sender is None else manner.heard
        author = frozenset() if one.sender is None else frozenset({manner.who(world.person(one.sender), talk)})
        cards = {"ALL": everybody, "AUTHOR": author, "NOBODY": frozenset[str]()}[reach]
        way = "OUTBOUND" if one.sender is None else manner.theirs
        room.letters.append(Letter(manner.at(talk, one).replace(microsecond=0), way, words(manner.text(talk, one)), cards))


def _tell_all(page: Page, world: World, manner: Manner) -> Page:
    for talk in world.conversations():
        tell(page, world, talk, manner)
    return page


# --- address book and mail --------------------------------------------------------------------------------------------------


def address_book(people: Iterable[Person], network: str = "vcard") -> Page:
    """What cards say."""
    page = Page(network)
    for person in people:
        page.knows(str(person.number), "ADDRESS_BOOK", person.name, emails=(person.email,), phones=_numbers(person))
    return page


def _numbers(person: Person) -> tuple[str, ...]:
    """As E.164 writes it."""
    return (chat_exports.number(person).replace(" ", ""),)


def _mail(file: Path) -> Page:
    """Read with the standard library: a thread is the mails whose references begin with the same one."""
    page = Page("mbox")
    parse = email.parser.BytesParser(EmailMessage, policy=email.policy.default).parsebytes
    box = mailbox.mbox(file)
    for key in box.iterkeys():
        mail = parse(box.get_bytes(key))
        sender, *to = getaddresses([str(mail["From"]), str(mail["To"])])
        cards = frozenset(page.met(address, name, emails=(address,)) for name, address in (sender, *to) if address != ME)
        root = str(mail["References"] or mail["Message-ID"]).split()[0]
        room = page.rooms.setdefault(root, Room(page.network, "EMAIL_THREAD", str(mail["Subject"])))
        body = mail.get_body(("plain",))
        assert body is not None
        text = re.sub(r"^>(>*From )", r"\1", str(body.get_content()), flags=re.MULTILINE)
        at = parsedate_to_datetime(str(mail["Date"])).astimezone(UTC)
        room.letters.append(Letter(at, "OUTBOUND" if sender[1] == ME else "INBOUND", words(text), cards))
    box.close()
    return page


# --- networks ---------------------------------------------------------------------------------------------------------------


def _linkedin(world: World) -> Page:
    page = Page("linkedin")
    for person in world.everybody():
        url = f"https://www.linkedin.com/in/{quote(exports.slug(person))}"
        emails = (person.email,) if person.number % 4 == 0 else ()
        page.knows(str(person.number), "CONNECTION", person.name, emails=emails, url=url)
    for person in world.everybody()[:3]:
        page.acts += [
            Act(page.network, None, "INVITE", "", datetime(2022, 1, 15, 10, 11, tzinfo=UTC)),
            Act(page.network, str(person.number), "INVITE", "Do you remember me?", datetime(2021, 12, 3, 21, 1, tzinfo=UTC)),
            Act(page.network, None, "CREATE", "Well sailed, “all” of you", exports.BEGIN + timedelta(days=person.number)),
            Act(page.network, None, "LIKE", "", exports.BEGIN + timedelta(days=person.number)),
        ]
    page.acts += posts(page.network)
    return _tell_all(page, world, Manner(by_number))


def by_number(person: Person, talk: Talk) -> str:
    return str(person.number)


def posts(network: str) -> list[Act]:
    return [
        Act(network, None, "CREATE", words(exports.post_text(n)), exports.BEGIN + timedelta(seconds=n))
        for n in range(exports.POSTS)
    ]


def _comments(network: str, world: World) -> list[Act]:
    return [
        Act(network, None, "CREATE", words(exports.comment_text(one)), exports.BEGIN + timedelta(seconds=one.number))
        for one in world.everybody()[:3]
    ]


def _follows(page: Page, world: World, card: Callable[[Person, str], object]) -> None:
    following, followers = ({one.number for one in some} for some in exports.x_follows(world))
    for person in world.everybody():
        n = person.number
        both = n in following and n in followers
        card(person, "CONNECTION" if both else "FOLLOWING" if n in following else "FOLLOWER")


def _x(world: World) -> Page:
    page = Page("x")

    def card(person: Person, relation: str) -> None:
        named = exports.x_named(person)
        place = exports.handle(person) if named else f"i/user/{exports.x_id(person)}"
        page.knows(str(person.number), relation, *([person.name] if named else []), url=f"https://x.com/{place}")

    _follows(page, world, card)
    for person in world.everybody()[:2]:
        page.knows(f"book {person.number}", "ADDRESS_BOOK", emails=(person.email,))
    page.acts += posts(page.network)
    page.acts.append(Act(page.network, None, "ANNOUNCE", "The roof is tight, and so are we…", exports.BEGIN))
    page.acts += [Act(page.network, None, "LIKE", "5 & 6", None) for _ in range(3)]
    for person in world.everybody():
        if exports.x_named(person):
            text = f"@{exports.handle(person)} 5 < 6"
            page.acts.append(Act(page.network, None, "CREATE", text, exports.BEGIN + timedelta(days=person.number)))
    return _tell_all(page, world, Manner(by_number, key=thread))


def _facebook(world: World) -> Page:
    page = Page("facebook")
    for person in world.everybody():
        page.knows(str(person.number), "CONNECTION", person.name)
    for n in range(3):
        page.knows(f"club {n}", "FOLLOWING", f"{TOPICS[n]} Club")
    for person in world.everybody()[:2]:
        page.knows(f"book {person.number}", "ADDRESS_BOOK", person.name, emails=(person.email,))
    page.acts += [*posts(page.network), *_comments(page.network, world)]
    for n, person in enumerate(world.everybody()[:3]):
        page.acts.append(Act(page.network, None, "LIKE", "", exports.BEGIN + timedelta(seconds=person.number)))
        verb = ("ACCEPT", "REJECT", "TENTATIVE_ACCEPT")[n]
        page.acts.append(Act(page.network, None, verb, "", exports.BEGIN + timedelta(hours=n)))
    return _tell_all(page, world, Manner(by_number))


def _instagram(world: World) -> Page:
    """Lists have user names, messages what people are called: nothing says who is who."""
    page = Page("instagram")
    _follows(
        page,
        world,
        lambda one, relation: page.knows(f"list {one.number}", relation, url=instagram_page(one), handle=instagram_page(one)),
    )
    for person in world.everybody()[:2]:
        page.knows(f"book {person.number}", "ADDRESS_BOOK", f"{person.given} {person.family}", emails=(person.email,))
        page.acts.append(Act(page.network, None, "LIKE", "", None))
    page.acts.append(Act(page.network, None, "LIKE", "", None))
    page.acts += [*posts(page.network), *_comments(page.network, world)]
    return _tell_all(page, world, Manner(lambda person, talk: page.met(f"name {person.number}", person.name)))


def instagram_page(person: Person) -> str:
    """By which Instagram knows somebody everywhere, as long as they keep their user name."""
    return f"https://www.instagram.com/{exports.handle(person)}"


def _mastodon(world: World) -> Page:
    """Of conversations, what the owner wrote, with those whom it names before. All that was written to the same people is one."""
    page = Page("mastodon")
    for person in world.everybody():
        at = exports.mastodon_handle(person)
        page.knows(str(person.number), "FOLLOWING", exports.handle(person), handle=at)
    page.acts += posts(page.network)
    page.acts.append(Act(page.network, None, "ANNOUNCE", "", exports.BEGIN))
    page.acts += [Act(page.network, None, "LIKE", "", None) for _ in range(3)]

    def text(talk: Talk, said: Said) -> str:
        named = [f"@{exports.handle(world.person(n))}" for n in talk.members]
        return " ".join([*named, said.text.replace("\u200d", "")])  # what is invisible in HTML goes

    manner = Manner(by_number, key=lambda talk: talk.members, subject=lambda talk: None, text=text, mine_only=True)
    return _tell_all(page, world, manner)


# --- phones and chats -------------------------------------------------------------------------------------------------------


def _whatsapp(world: World) -> Page:
    """A group is known by those who wrote in it. One in which nobody but the owner did looks like a chat with somebody of its name."""
    page = Page("whatsapp")

    def who(person: Person, talk: Talk) -> str:
        if person.number % 3 == 2:
            return page.met(f"{person.number}", phones=_numbers(person))
        return page.met(f"{person.number}", person.name)

    def said(talk: Talk, one: Said) -> str:
        return chat_exports.whatsapp_text(world, one, PHONE)[1]

    for talk in world.conversations():
        authors = {one.sender for one in talk.said() if one.sender is not None}
        if talk.title and not authors:
            page.met(talk.title, talk.title)
            alone = replace(talk, title="")
            tell(page, world, alone, Manner(lambda person, talk: f"{talk.number}", text=said))
            continue
        tell(page, world, talk, Manner(who, text=said, heard="AUTHOR", sent="NOBODY"), authors if talk.title else None)
    return page


def _android_sms(world: World) -> Page:
    """A phone has one thread with the same people, however often it was begun."""
    page = Page("android_sms")

    def who(person: Person, talk: Talk) -> str:
        return page.met(str(person.number), "" if talk.title else person.name, phones=_numbers(person))

    def at(talk: Talk, said: Said) -> datetime:
        left = -1_500 if said.sender is not None and not talk.title else 0  # of an SMS that came, when it was sent
        return said.at + timedelta(milliseconds=said.number % 1000 + left)

    manner = Manner(who, key=lambda talk: talk.members, subject=lambda talk: None, at=at, heard="AUTHOR")
    return _tell_all(page, world, manner)


def _imessage(world: World) -> Page:
    page = Page("imessage")

    def who(person: Person, talk: Talk) -> str:
        return page.met(str(person.number), phones=_numbers(person))

    return _tell_all(page, world, Manner(who, key=thread, heard="AUTHOR"))


def thread(talk: Talk) -> Hashable:
    """With one person there is one conversation, however often it was begun."""
    return talk.number if talk.title else ("with", talk.members)


def telegram_handle(person: Person) -> str:
    """By which Telegram knows somebody everywhere."""
    return f"telegram:{chat_exports.telegram_id(person)}"


def _telegram(world: World) -> Page:
    """Who is no contact with an account is known by an id, which is no number. Groups are known by those who wrote."""
    page = Page("telegram")
    for person in world.everybody():
        key = str(person.number) if person.number % 5 != 4 else f"number {person.number}"
        known = {"handle": telegram_handle(person)} if person.number % 5 != 4 else {}
        page.knows(key, "ADDRESS_BOOK", person.name, phones=_numbers(person), **known)

    def who(person: Person, talk: Talk) -> str:
        return page.met(str(person.number), person.name, handle=telegram_handle(person))

    def text(talk: Talk, said: Said) -> str:
        return chat_exports.telegram_text(said)

    for talk in world.conversations():
        authors = {one.sender for one in talk.said() if one.sender is not None} if talk.title else None
        tell(page, world, talk, Manner(who, key=thread, text=text, heard="AUTHOR", sent="NOBODY"), authors)
    return page


def discord_handle(person: Person) -> str:
    """By which Discord knows somebody everywhere."""
    return f"https://discord.com/users/{chat_exports.discord_id(person)}"


def _discord(world: World) -> Page:
    page = Page("discord")
    for person in world.everybody():
        url = discord_handle(person)
        page.knows(str(person.number), "CONNECTION", person.name, url=url, handle=url)
    manner = Manner(by_number, text=lambda talk, said: chat_exports.discord_text(said)[1], mine_only=True)
    return _tell_all(page, world, manner)


def _slack(world: World) -> Page:
    """Everybody in the workspace is listed, the owner too. Of a channel those are known who wrote in it, to nobody in particular."""
    page = Page("slack")
    team = "https://boats.slack.com/team"
    page.knows("me", "MEMBER", MY_NAME, emails=(ME,), url=f"{team}/{chat_exports.SLACK_ME}")
    for person in world.everybody():
        url = f"{team}/{chat_exports.slack_id(person)}"
        page.knows(str(person.number), "MEMBER", person.name, emails=(person.email,), phones=_numbers(person), url=url)
    for talk in world.conversations():
        tell(page, world, talk, slack_manner(talk))
    return page


def slack_manner(talk: Talk) -> Manner:
    """How a workspace tells a conversation: groups and channels take turns."""

    def text(talk: Talk, said: Said) -> str:
        return f"{said.text} @{MY_NAME}" if said.number % 1_000_000 % 4 == 1 else said.text

    if not talk.title or not talk.number % 2:
        return Manner(by_number, subject=lambda talk: None, text=text)
    return Manner(
        by_number, kind=lambda talk: "CHANNEL", subject=lambda talk: f"#boats-{talk.number}", text=text, heard="AUTHOR", sent="NOBODY",
        listed=False, theirs="BETWEEN_OTHERS",
    )  # fmt: skip


def _evernote(world: World) -> Page:
    """A card of everybody, and what the owner noted behind every fifth."""
    page = Page("evernote")
    for person in world.everybody():
        page.knows(str(person.number), "ADDRESS_BOOK", person.name, emails=(person.email,), phones=_numbers(person))
        if person.number % 5 == 0:
            page.acts.append(Act(page.network, None, "CREATE", chat_exports.NOTE, chat_exports.NOTED))
    return page
