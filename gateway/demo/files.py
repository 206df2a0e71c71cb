"""The demo's files: one vCard file (RFC 6350) and one mbox (RFC 4155) of invented people, written once and kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Final

from gateway.demo.people import ME, MY_NAME, NEWSLETTERS, PEOPLE, THREADS, Thread

CARDS: Final = "people.vcf"
MAIL: Final = "mail.mbox"


def write(folder: Path, now: datetime, social_url: str) -> list[Path]:
    """Write both files where they are missing; what is there stays, so that a second run imports the same."""
    cards, mail = folder / CARDS, folder / MAIL
    if not cards.exists():
        cards.write_text(_cards(social_url), encoding="utf-8", newline="")
    if not mail.exists():
        mail.write_bytes(_mbox(now))
    return [cards, mail]


def _cards(social_url: str) -> str:
    lines: list[str] = []
    for n, person in enumerate((p for p in PEOPLE if p.in_address_book), 1):
        given, _, family = person.name.partition(" ")
        lines += ["BEGIN:VCARD", "VERSION:4.0", f"UID:urn:uuid:00000000-0000-4000-8000-{n:012d}", f"FN:{person.name}",
                  f"N:{family};{given};;;", f"EMAIL;TYPE=home:{person.email}"]  # fmt: skip
        if person.phone:
            lines.append(f"TEL;VALUE=uri;TYPE=cell:tel:{person.phone}")
        if person.organization:
            lines.append(f"ORG:{person.organization}")
        if person.title:
            lines.append(f"TITLE:{person.title}")
        if person.birthday:
            lines.append(f"BDAY:{person.birthday.replace('-', '')}")
        if person.handle:
            lines.append(f"URL:{social_url}/@{person.handle}")
        lines.append("END:VCARD")
    return "\r\n".join(lines) + "\r\n"


def _mbox(now: datetime) -> bytes:
    mails: list[tuple[datetime, EmailMessage]] = []
    for n, thread in enumerate(THREADS):
        mails += _thread(n, thread, now)
    for n, (sender, subject) in enumerate(NEWSLETTERS):
        at = now - timedelta(days=7 * n + 1)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, formataddr((MY_NAME, ME)), subject
        mail["Date"], mail["Message-ID"] = format_datetime(at), f"<weekly-{n}@example.com>"
        mail["List-Id"], mail["List-Unsubscribe"] = "Harbour Weekly <weekly.example.com>", "<mailto:leave@example.com>"
        mail["Delivered-To"] = ME
        mail.set_content("All that moves between the cranes, every week.\n")
        mails.append((at, mail))
    mails.sort(key=lambda pair: pair[0])
    parts = []
    for at, mail in mails:
        body = b"\n".join(b">" + line if line.startswith(b"From ") else line for line in mail.as_bytes().split(b"\n"))
        parts.append(f"From kith@example.org {at:%a %b %d %H:%M:%S %Y}\n".encode() + body + b"\n")
    return b"".join(parts)


def _thread(number: int, thread: Thread, now: datetime) -> list[tuple[datetime, EmailMessage]]:
    name = next(p.name for p in PEOPLE if p.email == thread.other)
    other, me = formataddr((name, thread.other)), formataddr((MY_NAME, ME))
    found: list[tuple[datetime, EmailMessage]] = []
    seen: list[str] = []
    for n, (mine, text) in enumerate(thread.turns):
        at = now - timedelta(days=thread.days_ago) + timedelta(hours=2 * n, minutes=number)
        mail = EmailMessage()
        mail["From"], mail["To"] = (me, other) if mine else (other, me)
        mail["Subject"] = thread.subject if n == 0 else f"Re: {thread.subject}"
        mail["Date"], mail["Message-ID"] = format_datetime(at), f"<demo-{number}-{n}@example.org>"
        if seen:
            mail["In-Reply-To"], mail["References"] = seen[-1], " ".join(seen)
        if not mine:
            mail["Delivered-To"] = ME
        mail["Status"] = "O" if n == len(thread.turns) - 1 and thread.days_ago < 7 and not mine else "RO"
        mail.set_content(text + "\n")
        seen.append(str(mail["Message-ID"]))
        found.append((at, mail))
    return found
