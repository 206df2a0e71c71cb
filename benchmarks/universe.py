"""Invented people, their address cards (RFC 6350) and mail with them (RFC 4155, RFC 5322), in any number, from one seed.

The same seed gives the same bytes. Everything is streamed to disk: what is kept in memory is one line for each person and the
threads that are still open. While writing, it keeps its own book of what an honest reader must find (`Written`); `count_mails`
and `count_cards` count once more from the bytes alone. Knows nothing of Kith, so that the two can be compared.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Final

ME: Final = "robin@example.org"
MY_NAME: Final = "Robin Vale"
BEGIN: Final = datetime(2021, 1, 4, 8, tzinfo=UTC)
OPEN_THREADS: Final = 40  # at a time, so that threads interleave as they do in a mailbox
LONGEST_THREAD: Final = 7
LATEST: Final = 3  # conversations of each person that the book remembers
MOBILES: Final = 1000  # Ofcom keeps +44 7700 900000 to 900999 for drama


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN: Final = _words("""
    Ada Bruno Chiara Dilan Edda Farid Greta Hugo Ines Jonas Kaya Levi Mira Nils Oona Pavel Quinn Rosa Sunniva
    Tamsin Ulla Viktor Wren Yusuf Zelda
""")
ONSETS: Final = _words("""
    Ar Bel Cor Dal El Fen Gor Hal Is Jar Kel Lun Mor Nor Or Pel Ros Sel Tor Ul Var Wes Yar Zan
""")
MIDDLES: Final = ("a", "en", "i", "o", "ul", "eb", "ov", "id", "an", "es")
CODAS: Final = ("berg", "dahl", "field", "gaard", "holm", "kowski", "mann", "nen", "quist", "rata", "sen", "ton", "vale", "wick")
HOSTS: Final = ("example.org", "example.com", "example.net")
TOPICS: Final = ("Boathouse", "Choir", "Roof", "Garden", "Harvest", "Map", "Library", "Ferry", "Bicycle", "Kitchen", "Orchard",
          "Überraschung", "Été", "Concert")  # fmt: skip
WORDS: Final = _words("""
    the keys are with Greta until Thursday and we meet at ten by quay bring measure of slipway snow load roof
    beams is fine see you soon naïve café straße offer for panels reads well boat sorted
""")


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist."""

    number: int
    given: str
    family: str
    email: str
    mobile: str | None

    @property
    def name(self) -> str:
        """As it is displayed."""
        return f"{self.given} {self.family}"

    @property
    def sort_key(self) -> str:
        """How an address book orders them: family name first, case aside."""
        return f"{self.family} {self.given}".casefold()


@dataclass
class Conversation:
    """A thread as its latest message left it."""

    subject: str
    messages: int
    last_at: datetime
    last_text: str
    last_sender: str


@dataclass(frozen=True)
class Written:
    """What is on disk, by the writer's own book."""

    cards: Path
    mail: Path
    people: list[Person]
    messages: int
    threads: int
    sent: int  # of the messages: how many are the viewer's own
    latest: dict[int, list[Conversation]]  # person → latest conversations, latest first

    def page(self, size: int) -> list[Person]:
        """The first people in the order of their names."""
        return sorted(self.people, key=lambda person: person.sort_key)[:size]


@dataclass(frozen=True)
class Universe:
    """So many people and mails, the same for the same seed."""

    people: int
    messages: int
    seed: int = 7

    def person(self, number: int) -> Person:
        """The person of a number; all names and addresses differ."""
        given = GIVEN[number % len(GIVEN)]
        rest = number // len(GIVEN)
        onset = ONSETS[(number + rest) % len(ONSETS)]
        coda = CODAS[rest % len(CODAS)]
        round_, generation = rest // len(CODAS) % len(MIDDLES), rest // len(CODAS) // len(MIDDLES)
        family = f"{onset}{MIDDLES[round_]}{coda}" + ("" if not generation else "-" + CODAS[generation % len(CODAS)].title())
        if generation >= len(CODAS):
            raise ValueError(f"no more than {len(GIVEN) * len(CODAS) ** 2 * len(MIDDLES)} people can be told apart")
        host = HOSTS[number % len(HOSTS)]
        mobile = f"+447700900{number:03d}" if number < MOBILES else None
        return Person(number, given, family, f"{given}.{family}@{host}".lower(), mobile)

    def write(self, folder: Path) -> Written:
        """Write `people.vcf` and `mail.mbox` into a folder. At least one person is needed for a mail."""
        folder.mkdir(parents=True, exist_ok=True)
        people = [self.person(n) for n in range(self.people)]
        cards, mail = folder / "people.vcf", folder / "mail.mbox"
        with cards.open("w", encoding="utf-8", newline="") as out:
            for person in people:
                out.write(card(person, self.seed))
        book = _Book()
        with mail.open("wb") as out_mail:
            for entry in self._mails(people, book):
                out_mail.write(entry)
        latest = {n: sorted(kept.values(), key=lambda c: c.last_at, reverse=True) for n, kept in book.latest.items()}
        return Written(cards, mail, people, book.messages, book.threads, book.sent, latest)

    def _mails(self, people: list[Person], book: _Book) -> Iterator[bytes]:
        dice = random.Random(self.seed)
        order = list(range(len(people)))
        dice.shuffle(order)
        opened: list[_Thread] = []
        begun = 0
        now = BEGIN
        for number in range(self.messages):
            while len(opened) < min(OPEN_THREADS, self.messages - number):
                # each in turn, so that everybody has conversations however few there are
                others = [people[order[begun % len(order)]]]
                if dice.random() < 0.1 and len(people) > 1:
                    others.append(
                        people[dice.choice([n for n in (0, len(people) // 2, len(people) - 1) if n != others[0].number])]
                    )
                opened.append(_Thread(begun, others, dice))
                begun += 1
            thread = dice.choice(opened)
            now += timedelta(seconds=dice.randrange(60, 3600))
            yield thread.next(number, now, self.seed, dice, book)
            if not thread.left:
                opened.remove(thread)


@dataclass
class _Book:
    messages: int = 0
    threads: int = 0
    sent: int = 0
    latest: dict[int, dict[int, Conversation]] = field(default_factory=lambda: defaultdict(dict))

    def note(self, thread: _Thread, conversation: Conversation, mine: bool) -> None:
        self.messages += 1
        self.threads += conversation.messages == 1
        self.sent += mine
        for person in thread.others:
            kept = self.latest[person.number]
            kept[thread.number] = conversation
            if len(kept) > LATEST:
                # one that is pushed out comes back with its next mail
                del kept[min(kept, key=lambda n: kept[n].last_at)]


class _Thread:
    """A thread that is still being written."""

    def __init__(self, number: int, others: list[Person], dice: random.Random) -> None:
        self.number = number
        self.others = others
        self.left = dice.randrange(1, LONGEST_THREAD + 1)
        self.subject = f"{TOPICS[number % len(TOPICS)]} {number}"
        self._references: list[str] = []

    def next(self, number: int, now: datetime, seed: int, dice: random.Random, book: _Book) -> bytes:
        first = not self._references
        mine = dice.random() < 0.45
        sender = self.others[dice.randrange(len(self.others))]
        text = " ".join(dice.choice(WORDS) for _ in range(dice.randrange(6, 90))).capitalize() + "."
        subject = self.subject if first else f"Re: {self.subject}"
        me, them = f"{MY_NAME} <{ME}>", [f"{p.name} <{p.email}>" for p in self.others]
        author = f"{sender.name} <{sender.email}>"
        header = [f"From: {me if mine else author}"]
        header.append(f"To: {', '.join(them) if mine else ', '.join([me, *(t for t in them if t != author)])}")
        if not mine:
            header.append(f"Delivered-To: {ME}")
        message_id = f"<{number}.{seed}@mail.example>"
        header += [f"Subject: {_encoded(subject)}", f"Date: {format_datetime(now)}", f"Message-ID: {message_id}"]
        if self._references:
            header += [f"In-Reply-To: {self._references[-1]}", "References: " + "\n ".join(self._references)]
        header.append("MIME-Version: 1.0")
        self._references.append(message_id)
        self.left -= 1
        book.note(self, Conversation(self.subject, len(self._references), now, text, ME if mine else sender.email), mine)
        body = _body(number, text, quoting=not first)
        return _mbox_entry(sender.email if not mine else ME, now, "\n".join(header) + "\n" + body)


def _body(number: int, text: str, *, quoting: bool) -> str:
    """Mostly plain UTF-8, now and then with an HTML alternative, a quotation, or a line that looks like a separator."""
    if number % 11 == 3:
        text += "\n\nFrom the window one sees the quay."
    if quoting:
        text += "\n\n> " + "what was said before"
    plain = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    if number % 7 != 5:
        return plain
    html = f"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n<p>{text}</p>\n"
    return (
        f'Content-Type: multipart/alternative; boundary="=_{number}"\n\n--=_{number}\n{plain}--=_{number}\n{html}--=_{number}--\n'
    )


def _mbox_entry(sender: str, at: datetime, mail: str) -> bytes:
    """RFC 4155 appendix A, and a `>` before each body line that begins with From, as mboxrd does."""
    lines = (">" + line if line.lstrip(">").startswith("From ") else line for line in mail.split("\n"))
    return f"From {sender} {at:%a %b %d %H:%M:%S %Y}\n{chr(10).join(lines)}\n".encode()


def _encoded(words: str) -> str:
    """RFC 2047 where ASCII does not do."""
    if words.isascii():
        return words
    return "=?utf-8?q?" + "".join(c if c.isascii() and c.isalnum() else _quoted(c) for c in words) + "?="


def _quoted(character: str) -> str:
    return "_" if character == " " else "".join(f"={byte:02X}" for byte in character.encode())


def card(person: Person, seed: int) -> str:
    lines = [
        "BEGIN:VCARD",
        "VERSION:4.0",
        f"UID:urn:uuid:{seed:08x}-0000-4000-8000-{person.number:012x}",
        f"FN:{person.name}",
        f"N:{person.family};{person.given};;;",
        f"EMAIL;TYPE=home:{person.email}",
    ]
    if person.mobile:
        lines.append(f"TEL;VALUE=uri;TYPE=cell:tel:{person.mobile}")
    return "\r\n".join([*lines, "END:VCARD", ""])


def count_mails(mbox: Path) -> int:
    """Separator lines of an mbox: `From ` at the beginning or after an empty line."""
    count, after_blank = 0, True
    with mbox.open("rb") as lines:
        for line in lines:
            count += after_blank and line.startswith(b"From ")
            after_blank = line in (b"\n", b"\r\n")
    return count


def count_cards(file: Path) -> int:
    """BEGIN lines of a vCard file."""
    with file.open("rb") as lines:
        return sum(line.strip().upper() == b"BEGIN:VCARD" for line in lines)
