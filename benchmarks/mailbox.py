"""A seeded mailbox as mailboxes are: threads, lists, newsletters, replies in seven languages, every charset, broken MIME.

The same seed gives the same bytes (RFC 5322, RFC 2045-2049, RFC 2369, RFC 3834, RFC 3464, RFC 5545, RFC 1847), spread over any number
of folders. Letters come in the order in which they arrived, one at a time; nothing is kept but the threads that are still open.
Everybody is invented, at example domains. Knows nothing of Kith, so that the two can be compared.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from typing import Final

from benchmarks.universe import ME, MY_NAME, TOPICS, WORDS, Person, Universe

BEGIN: Final = datetime(2019, 1, 7, 8, tzinfo=UTC)
OPEN_THREADS: Final = 60
LONGEST_THREAD: Final = 9
#: How many of a hundred letters are of a kind, in the order in which they are drawn.
SHARES: Final = {
    "thread": 57, "list": 14, "newsletter": 10, "notification": 6, "charset": 4, "attachment": 3, "invitation": 1, "auto-reply": 1,
    "bounce": 1, "signed": 1, "encrypted": 1, "broken": 1,
}  # fmt: skip
#: (charset, a text that it can write)
CHARSETS: Final = (
    ("utf-8", "Grüße, Łódź, Straße, 東京, مرحبا, Ωmega"), ("iso-8859-1", "Café, naïve, Straße, señor"), ("iso-8859-15", "20 € für Grüße"),
    ("iso-8859-2", "Łódź, Kraków, žluťoučký kůň"), ("windows-1252", "“Smart quotes” – and a €"), ("windows-1250", "Příliš, Łukasz, őrült"),
    ("windows-1251", "Привет, встретимся в десять"), ("koi8-r", "Привет из старого ящика"), ("iso-8859-7", "Καλημέρα σας"),
    ("iso-8859-9", "İstanbul'da görüşürüz, şerefe"), ("windows-1255", "שלום לכולם"), ("windows-1256", "مرحبا بالجميع"),
    ("iso-2022-jp", "明日の会議は十時からです"), ("shift_jis", "写真を送ります"), ("euc-jp", "ありがとうございます"), ("gb18030", "明天十点见面"),
    ("gb2312", "谢谢你的邮件"), ("big5", "謝謝你的來信"), ("euc-kr", "내일 열 시에 만나요"), ("utf-16", "Zwei Bytes für jedes Zeichen"),
)  # fmt: skip
#: How mail programs write "On …, … wrote:" (language, line).
ATTRIBUTIONS: Final = (
    ("en", "On {day}, {name} wrote:"), ("de", "Am {day} schrieb {name}:"), ("fr", "Le {day}, {name} a écrit :"),
    ("es", "El {day}, {name} escribió:"), ("pt", "Em {day}, {name} escreveu:"), ("it", "Il giorno {day} {name} ha scritto:"),
    ("nl", "Op {day} schreef {name}:"), ("ja", "{day} {name}:"),
)  # fmt: skip
FOLDERS: Final = ("INBOX", "Sent", "Archive", "Junk", "Trash", "Drafts")


@dataclass(frozen=True)
class Letter:
    """One message as it lies in its folder. `content` with CRLF; `message_id` without brackets, None where it has none."""

    folder: str
    at: datetime
    content: bytes
    kind: str
    message_id: str | None
    seen: bool
    flagged: bool
    answered: bool


@dataclass
class _Thread:
    person: Person
    subject: str
    ids: list[str] = field(default_factory=list)
    last: str = ""
    last_name: str = ""
    left: int = 1


@dataclass(frozen=True)
class Mailbox:
    """So many letters in so many folders; `huge` of them carry an attachment of `huge_bytes`."""

    messages: int
    folders: int = 8
    people: int = 800
    seed: int = 11
    huge: int = 0
    huge_bytes: int = 30_000_000

    def names(self) -> list[str]:
        """The folders, INBOX first."""
        projects = [f"Projects/{TOPICS[n % len(TOPICS)]} {n}" for n in range(max(0, self.folders - len(FOLDERS)))]
        return [*FOLDERS[: max(2, self.folders)], *projects][: max(2, self.folders)]

    def letters(self) -> Iterator[Letter]:
        """Every letter, oldest first."""
        drawn = random.Random(self.seed)  # the same letters each time are wanted
        universe = Universe(self.people, 0, self.seed)
        folders = self.names()
        others = folders[2:] or ["INBOX"]
        kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
        open_threads: list[_Thread] = []
        at = BEGIN
        huge_at = set(drawn.sample(range(self.messages), self.huge)) if self.huge else set()
        for n in range(self.messages):
            at += timedelta(seconds=drawn.randrange(60, 4_000))
            person = universe.person(drawn.randrange(self.people))
            message_id: str | None
            kind = "huge" if n in huge_at else drawn.choice(kinds)
            mine = False
            if kind == "thread":
                if not open_threads or (len(open_threads) < OPEN_THREADS and drawn.random() < 0.4):
                    open_threads.append(_Thread(person, f"{drawn.choice(TOPICS)} {n}", left=drawn.randrange(1, LONGEST_THREAD)))
                thread = drawn.choice(open_threads)
                mine = bool(thread.ids) and drawn.random() < 0.45
                head, body, message_id = _reply(n, at, thread, mine, drawn)
                thread.left -= 1
                if thread.left <= 0:
                    open_threads.remove(thread)
            else:
                sender = f"{person.name} <{person.email}>"
                text = _paragraphs(drawn, drawn.randrange(1, 5))
                given = _Given(n, at, sender, drawn.choice(TOPICS), text, drawn, self.huge_bytes)
                head, body, message_id = _single(kind, given)
            folder = "Sent" if mine else "INBOX" if drawn.random() < 0.35 else drawn.choice(others)
            yield Letter(
                folder=folder, at=at, content=head.encode("utf-8", "surrogateescape") + b"\r\n" + body, kind=kind, message_id=message_id,
                seen=mine or drawn.random() < 0.8, flagged=drawn.random() < 0.05, answered=drawn.random() < 0.1,
            )  # fmt: skip


def _head(n: int, at: datetime, sender: str, to: str, subject: str, *more: str, message_id: str | None = None) -> str:
    lines = [
        f"Received: from mx.example.net by mail.example.org; {format_datetime(at)}",
        f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Date: {format_datetime(at)}",
    ]  # fmt: skip
    if message_id is not None:
        lines.append(f"Message-ID: <{message_id}>")
    return "\r\n".join([*lines, *more, ""])


def _paragraphs(drawn: random.Random, count: int) -> str:
    return "\r\n\r\n".join(" ".join(drawn.choice(WORDS) for _ in range(drawn.randrange(8, 40))) for _ in range(count))


def _reply(n: int, at: datetime, thread: _Thread, mine: bool, drawn: random.Random) -> tuple[str, bytes, str]:
    them, me = f"{thread.person.name} <{thread.person.email}>", f"{MY_NAME} <{ME}>"
    message_id = f"thread-{n}@mail.example.org"
    more = ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    text = _paragraphs(drawn, drawn.randrange(1, 4))
    subject = thread.subject
    if thread.ids:
        more += [f"In-Reply-To: <{thread.ids[-1]}>", "References: " + "\r\n ".join(f"<{i}>" for i in thread.ids[-10:])]
        subject = "Re: " + subject
        _, line = drawn.choice(ATTRIBUTIONS)
        quoted = "\r\n".join("> " + row for row in thread.last.split("\r\n"))
        text += f"\r\n\r\n{line.format(day=at.strftime('%d.%m.%Y %H:%M'), name=thread.last_name)}\r\n{quoted}"
    text += f"\r\n\r\n-- \r\n{MY_NAME if mine else thread.person.name}\r\n"
    thread.ids.append(message_id)
    thread.last, thread.last_name = text[:2_000], MY_NAME if mine else thread.person.name
    sender, to = (me, them) if mine else (them, me)
    return _head(n, at, sender, to, subject, *more, message_id=message_id), text.encode(), message_id


@dataclass(frozen=True)
class _Given:
    """What every kind of letter is made from."""

    n: int
    at: datetime
    them: str
    topic: str
    text: str
    drawn: random.Random
    huge_bytes: int


@dataclass(frozen=True)
class _Made:
    """What a kind of letter has of its own; the rest of the header is the same for all."""

    subject: str
    headers: tuple[str, ...] = ()
    body: bytes = b""
    sender: str | None = None
    to: str = f"{MY_NAME} <{ME}>"
    nameless: bool = False  # without a Message-ID
    date: str | None = None


PLAIN: Final = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8")


def _single(kind: str, given: _Given) -> tuple[str, bytes, str | None]:
    made = KINDS[kind](given)
    message_id = None if made.nameless else f"{kind}-{given.n}@mail.example.org"
    head = _head(given.n, given.at, made.sender or given.them, made.to, made.subject, *made.headers, message_id=message_id)
    if made.date is not None:
        head = head.replace(f"Date: {format_datetime(given.at)}", f"Date: {made.date}")
    return head, made.body, message_id


def _list(given: _Given) -> _Made:
    group = f"choir-{given.drawn.randrange(12)}"
    post = f"{group}@lists.example.org"
    headers = (f"List-Id: <{group}.lists.example.org>", f"List-Post: <mailto:{post}>", "Precedence: list", *PLAIN)
    return _Made(f"[{group}] {given.topic}", headers, given.text.encode(), to=post)


def _newsletter(given: _Given) -> _Made:
    pixel = f'<img src="https://pixel.example.com/{given.n}.gif" width=1 height=1>'
    html = f'<html><body><p>{given.text}</p>{pixel}<a href="https://shop.example.com/">Shop</a></body></html>'
    body = _parts("alt", ("text/plain; charset=utf-8", given.text), ("text/html; charset=utf-8", html))
    headers = ("List-Unsubscribe: <https://shop.example.com/out>", *_multipart("alternative", "alt"))
    return _Made(f"{given.topic}: this week", headers, body, "The Shop <news@shop.example.com>")


def _notification(given: _Given) -> _Made:
    headers = ("Auto-Submitted: auto-generated", *PLAIN)
    return _Made(f"Build {given.n} passed", headers, given.text.encode(), "Build <noreply@build.example.com>")


def _auto_reply(given: _Given) -> _Made:
    headers = ("Auto-Submitted: auto-replied", *PLAIN)
    return _Made(f"Out of office: {given.topic}", headers, b"I am away until Monday.\r\n")


def _bounce(given: _Given) -> _Made:
    report = (
        "Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; nobody@example.net\r\nAction: failed\r\n"
        "Status: 5.1.1\r\n"
    )
    body = _parts("r", ("text/plain", "Your message could not be delivered."), ("message/delivery-status", report))
    headers = _multipart("report; report-type=delivery-status", "r")
    return _Made("Undelivered Mail Returned to Sender", headers, body, "Mail Delivery System <mailer-daemon@example.net>")


def _charset(given: _Given) -> _Made:
    charset, words = given.drawn.choice(CHARSETS)
    wide = charset == "utf-16"
    text = f"{words}\r\n{words}"
    body = b"\xff\xfe" + text.encode("utf-16-le") if wide else text.encode(charset)
    subject = Header(words, "utf-8" if wide else charset).encode(linesep="\r\n")
    headers = ("MIME-Version: 1.0", f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: base64")
    return _Made(subject, headers, _base64(body))


def _attachment(given: _Given, size: int = 0) -> _Made:
    data = _base64(b"%PDF-1.4\n" + given.drawn.randbytes(size or given.drawn.randrange(1_000, 60_000)))
    name = given.drawn.choice(
        ('filename="plan.pdf"', "filename*=utf-8''%C3%9Cbersicht%20Dach.pdf", 'filename="../../etc/plan.pdf"')
    )
    kind = f"application/pdf\r\nContent-Disposition: attachment; {name}\r\nContent-Transfer-Encoding: base64"
    body = _parts("m", ("text/plain; charset=utf-8", given.text), (kind, data.decode()))
    return _Made(f"{given.topic}: the plan", _multipart("mixed", "m"), body)


def _huge(given: _Given) -> _Made:
    return _attachment(given, given.huge_bytes)


def _invitation(given: _Given) -> _Made:
    start = (given.at + timedelta(days=3)).strftime("%Y%m%dT%H%M%SZ")
    event = (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:event-{given.n}@example.org\r\n"
        f"DTSTART:{start}\r\nSUMMARY:{given.topic}\r\nATTENDEE:mailto:{ME}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    body = _parts("c", ("text/plain", "Please come."), ("text/calendar; method=REQUEST", event))
    return _Made(f"Invitation: {given.topic}", _multipart("alternative", "c"), body)


def _signed(given: _Given) -> _Made:
    signature = "-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----"
    body = _parts("s", ("text/plain", given.text), ("application/pgp-signature", signature))
    return _Made(given.topic, _multipart('signed; protocol="application/pgp-signature"; micalg=pgp-sha512', "s"), body)


def _encrypted(given: _Given) -> _Made:
    sealed = "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA0==\r\n-----END PGP MESSAGE-----"
    body = _parts("e", ("application/pgp-encrypted", "Version: 1"), ("application/octet-stream", sealed))
    return _Made("...", _multipart('encrypted; protocol="application/pgp-encrypted"', "e"), body)


def _broken(given: _Given) -> _Made:
    """What real programs have sent all the same."""
    text = given.text
    match given.n % 8:
        case 0:
            return _Made("A boundary that never comes", _multipart("mixed", "never"), text.encode())
        case 1:
            return _Made("Gr\udcfc\udcdfe without a charset", body=text.encode("latin-1", "replace"))
        case 2:
            return _Made("An unknown charset", ("Content-Type: text/plain; charset=x-unknown-8bit",), text.encode())
        case 3:
            return _Made("Base64, they said", ("Content-Transfer-Encoding: base64",), b"@@@ not base64 " + text.encode())
        case 4:
            return _Made(f"Nameless {given.n}", body=text.encode(), nameless=True)
        case 5:
            return _Made("Once upon a time", body=text.encode(), date="yesterday")
        case 6:
            return _Made("From nowhere", body=text.encode(), sender='"Nobody" <nobody at example>')
        case _:
            inner = f"Content-Type: text/plain\r\n\r\n{text}\r\n"
            for depth in range(60, 0, -1):
                inner = f'Content-Type: multipart/mixed; boundary="d{depth}"\r\n\r\n--d{depth}\r\n{inner}--d{depth}--\r\n'
            return _Made("Deep", _multipart("mixed", "d0"), f"--d0\r\n{inner}--d0--\r\n".encode())


def _multipart(kind: str, boundary: str) -> tuple[str, str]:
    return "MIME-Version: 1.0", f'Content-Type: multipart/{kind}; boundary="{boundary}"'


def _parts(boundary: str, *parts: tuple[str, str]) -> bytes:
    said = "".join(f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n" for kind, body in parts)
    return f"{said}--{boundary}--\r\n".encode()


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


KINDS: Final[dict[str, Callable[[_Given], _Made]]] = {
    "list": _list, "newsletter": _newsletter, "notification": _notification, "auto-reply": _auto_reply, "bounce": _bounce,
    "charset": _charset, "attachment": _attachment, "huge": _huge, "invitation": _invitation, "signed": _signed,
    "encrypted": _encrypted, "broken": _broken,
}  # fmt: skip
