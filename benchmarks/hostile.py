"""Hostile mails and files from one seed: each is named by what it tries, and every parser has bait of its own.

`MAILS` are whole mails; `mutated` spoils any bytes the way transport, editors and attackers do, with the words of their format
thrown in; `BAIT` are pieces that make a careless reader go back over what it has read. Knows nothing of how Kith reads.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Sequence
from typing import Final

ME: Final = "robin@example.org"


def _mail(
    body: str, *lines: str, kind: str = "text/plain; charset=utf-8", sender: str = "Eve <eve@evil.example>", number: int = 0
) -> bytes:
    head = (f"From: {sender}", f"To: {ME}", "Date: Mon, 04 May 2026 10:00:00 +0000", f"Content-Type: {kind}", *lines)
    own = (
        () if any(line.lower().startswith("message-id") for line in lines) else (f"Message-ID: <hostile-{number}@evil.example>",)
    )
    return "\r\n".join((*head, *own, "", body, "")).encode("utf-8", "surrogateescape")


def _parts(count: int) -> str:
    return "".join(f"--b\r\nContent-Type: text/plain; name=part{n}.txt\r\n\r\n{n}\r\n" for n in range(count)) + "--b--"


def _named(name: str) -> str:
    return f"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename={name}\r\n\r\nx\r\n--b--"


def mails() -> dict[str, bytes]:
    """Whole mails by what they try; none is larger than a few megabytes."""
    mixed = "multipart/mixed; boundary=b"
    html = "text/html; charset=utf-8"
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1000))
    garbage = random.Random(1)
    found = {
        "script in HTML": _mail(
            "<p>hi<script>alert(1)</script><img src=x onerror=alert(1)><a href=' java\tscript:alert(1)'>x</a>", kind=html
        ),
        "script behind broken markup": _mail(
            "<p title='</p><svg/onload=alert(1)>'><math><mi//xlink:href='javascript:1'><![CDATA[<script>]]>", kind=html
        ),
        "tracking pixels": _mail(
            "<img src=http://t.evil.example/o.gif width=1 height=1><div style='background:url(//t.evil.example)'>x", kind=html
        ),
        "header injection in a name": _mail(
            "x", "Subject: =?utf-8?q?a=0D=0ABcc:_v@example.org?=", sender="=?utf-8?q?E=0AX-Evil:_y?= <e@evil.example>"
        ),
        "header injection by lone returns": _mail("x", "Subject: a\rBcc: v@example.org", "X-A: b\x0bTo: c@example.org"),
        "a path as a file name": _mail(_named('"../../../../etc/cron.d/x"'), kind=mixed),
        "a path as an encoded file name": _mail(_named("*=utf-8''..%5C..%5CAUX.txt%00.exe"), kind=mixed),
        "a name that turns direction": _mail(_named('"invoice\u202efdp.exe"'), kind=mixed),
        "a forged sender": _mail("Send me money", "Authentication-Results: evil.example; dmarc=pass", sender=f"Robin <{ME}>"),
        "two senders": _mail("x", "From: Ada <ada@example.org>", "Sender: someone@evil.example"),
        "a real mail": _mail("See you at ten.", "Message-ID: <real@example.org>", sender="Ada <ada@example.org>"),
        "a forged Message-ID": _mail("Send me money.", "Message-ID: <real@example.org>", sender="Ada <ada@example.org>"),
        "MIME nested 1,000 deep": _mail("", number=3).replace(b"Content-Type: text/plain; charset=utf-8\r\n", b"").rstrip()
        + b"\r\n"
        + nested.encode(),
        "mails nested 1,000 deep": _mail("Content-Type: message/rfc822\r\n\r\n" * 1000, kind="message/rfc822"),
        "10,000 parts": _mail(_parts(10_000), kind=mixed),
        "a quotation of 180 kB on one line": _mail("Yes.\r\n\r\nAda wrote:\r\n> " + "On Mon, 4 Mar 2024 at 10:15, a " * 6_000),
        "100,000 quotation marks": _mail(">" * 100_000 + "\r\n" + "> " * 50_000),
        "100,000 recipients": _mail("x", "Cc: " + ", ".join(f"p{n}@example.org" for n in range(100_000))),
        "parentheses without end": _mail("x", "Cc: " + "(" * 200_000),
        "quotes without end": _mail("x", 'Cc: "' + '\\"' * 100_000),
        "100,000 fields": _mail("x", *(f"X-Field-{n}: y" for n in range(100_000))),
        "a field of a megabyte": _mail("x", "Subject: " + "=?utf-8?q?a?= " * 80_000),
        "a million references": _mail("x", "References: " + "<a@b>" * 200_000),
        "base64 of garbage": _mail(base64.b64encode(garbage.randbytes(300_000)).decode(), "Content-Transfer-Encoding: base64"),
        "base64 that is none": _mail("=?!" * 100_000, "Content-Transfer-Encoding: base64", kind=html),
        "quoted-printable that is none": _mail("=ZZ=" * 100_000, "Content-Transfer-Encoding: quoted-printable"),
        "uuencode as a transfer encoding": _mail("begin 644 x\r\nM" * 10_000, "Content-Transfer-Encoding: x-uuencode"),
        "a charset that is code": _mail("x", kind="text/plain; charset=unicode_escape"),
        "a charset that is a path": _mail("x", kind="text/plain; charset=../../../codecs/evil"),
        "a charset bomb": _mail("+2D/" * 60_000, kind="text/plain; charset=utf-7"),
        "escapes without end": _mail("\x1b$B" * 60_000, kind="text/plain; charset=iso-2022-jp"),
        "UTF-16 of one byte": _mail("x" * 33_333, kind="text/html; charset=utf-16"),
        "bytes of zero": _mail("a\x00b\x00" * 9_000, "Subject: a\x00b", kind=html),
        "lone surrogates": _mail("&#xD800;&#55357;&#x110000;&#99999999999;" * 900, kind=html),
        "a date before time": _mail("x", "Received: from x by y; Mon, 01 Jan 0001 00:00:00 +9999").replace(
            b"04 May 2026", b"99 Xxx -5000"
        ),
        "a date after time": _mail("x").replace(b"04 May 2026 10:00:00 +0000", b"31 Dec 999999 99:99:99 +999999"),
        "a boundary of nothing": _mail("--\r\n\r\nx\r\n----", kind='multipart/mixed; boundary=""'),
        "a boundary within itself": _mail("--b\r\n" * 50_000, kind=mixed),
        "tables 5,000 deep": _mail("<table><tr><td>" * 5_000 + "hello", kind=html),
        "100,000 open tags": _mail("<b><i><u>" * 33_000, kind=html),
        "an attribute of a megabyte": _mail(f'<a href="{"x" * 1_000_000}">y</a><p>z', kind=html),
        "a comment that never ends": _mail("<!--" * 60_000 + "text", kind=html),
        "entities without end": _mail("&" * 250_000 + "&amp;" * 60_000, kind=html),
        "a style that never ends": _mail("<style>" + "a{" * 100_000 + "<p>x", kind=html),
        "no header at all": b"\r\n\r\nnothing but text\r\n" * 500,
        "only a header": _mail("")[:-4],
        "encrypted": _mail(
            "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b--", kind="multipart/encrypted; boundary=b"
        ),
        "a calendar bomb": _mail("BEGIN:VCALENDAR\r\n" + "RRULE:FREQ=SECONDLY\r\n" * 9_000, kind="text/calendar; charset=utf-8"),
    }
    return found


WORDS: Final[dict[str, Sequence[bytes]]] = {
    "mail": (
        b"\r\n",
        b"\n\n",
        b": ",
        b"Content-Type: ",
        b"multipart/mixed; boundary=",
        b"--b",
        b"--b--",
        b"=?utf-8?b?",
        b"?=",
        b"\x00",
        b"charset=",
        b"message/rfc822",
        b"base64",
        b"=\r\n",
        b'"',
        b"<",
        b">",
        b"(",
        b"\\",
        b"\xff",
        b"From ",
        b"References: ",
        b"%s",
        b";",
    ),
    "text": (
        b"> ",
        b">>",
        b"\n-- \n",
        b"On ",
        b" wrote:\n",
        b"-----Original Message-----\n",
        b"From: ",
        b"Sent: ",
        b"\n",
        b"\r",
        b":",
        b"\xc2\xa0",
        b"_" * 40,
    ),
    "html": (
        b"<",
        b">",
        b"</",
        b"<!--",
        b"-->",
        b"<script>",
        b"<style>",
        b"<svg onload=",
        b"javascript:",
        b"&#",
        b"&lt;",
        b'"',
        b"'",
        b"<table>",
        b"<img src=",
        b" onerror=",
        b"<![CDATA[",
        b"<plaintext>",
        b"<noscript>",
        b"\x00",
        b"style='background:url(",
        b"<math>",
        b"<template>",
    ),
    "vcard": (
        b"BEGIN:VCARD\n",
        b"END:VCARD\n",
        b"AGENT:\n",
        b"\n ",
        b";",
        b":",
        b",",
        b"\\",
        b"ENCODING=QUOTED-PRINTABLE:",
        b"=\n",
        b"CHARSET=",
        b"N:",
        b"TEL:",
        b"PHOTO;BASE64:",
        b"item1.",
        b'"',
        b"^n",
        b"\x00",
        b"UID:",
        b"VERSION:2.1\n",
    ),
    "csv": (
        b",",
        b";",
        b"\t",
        b'"',
        b'""',
        b"\n",
        b"\r",
        b" ::: ",
        b"\x00",
        b"E-mail",
        b"0/0/00",
        b"sep=;\n",
        b"\xff\xfe",
        b"'",
        b"=",
    ),
    "ldif": (
        b"dn: ",
        b"dn:: ",
        b":",
        b"::",
        b":<",
        b"\n",
        b"\n\n",
        b"\n ",
        b"#",
        b"version: 1\n",
        b"changetype: modify\n",
        b"objectclass: person\n",
        b"-\n",
        b"\x00",
    ),
    "mbox": (
        b"\nFrom ",
        b"\n\nFrom a@b Mon May  6 10:00:00 2024\n",
        b">From ",
        b"Content-Length: 9\n",
        b"X-Mozilla-Status: 0008\n",
        b"\n\n",
        b"\r\n",
        b"\x00",
    ),
}

#: Pieces that are repeated to a given length: what one pass reads in time proportional to it must not be read again and again.
BAIT: Final[dict[str, Sequence[bytes]]] = {
    "mail": (
        b"(",
        b'"',
        b"<",
        b"\\",
        b",",
        b"=?utf-8?q?",
        b"a@b,",
        b"a: b\n",
        b" \n",
        b"--b\n",
        b";a=",
        b"\n\n",
        b"From: <",
        b"=?a?b?",
        b"=",
        b"\t",
    ),
    "text": (
        b">",
        b"> \n",
        b"On ",
        b"wrote:\n",
        b"-",
        b"_",
        b"From: a\n",
        b" ",
        b"\n",
        b"> On a\n",
        b"a wrote: ",
        b"-- \n",
        b":",
        b"*",
    ),
    "html": (
        b"<",
        b"<a ",
        b"<a b='",
        b"<!--",
        b"<![CDATA[",
        b"&",
        b"&#1",
        b"</p",
        b"<p>",
        b"<table><td>",
        b"<script>",
        b"<b style='a:url('>",
        b"<svg>",
        b"\x00",
        b"<img src=x>",
    ),
    "vcard": (
        b"\n ",
        b";",
        b",",
        b"\\",
        b'N;A="',
        b"BEGIN:VCARD\n",
        b"AGENT:BEGIN:VCARD\n",
        b"item1.",
        b"=\n",
        b"TEL:+1\n",
        b"EMAIL:a@b\n",
        b":",
        b"CATEGORIES:a,b\n",
    ),
    "csv": (b'"', b'""', b",", b'"\n', b"a,b\n", b'"a,', b"\n", b" ", b'",', b"a@b,", b"1/1/2000,"),
    "ldif": (b"\n ", b"a: b\n", b"a:: YQ==\n", b"#\n", b"\n\n", b"dn: a=b\n\n", b":", b" ", b"cn:: %\n"),
    "mbox": (
        b"From a@b Mon May  6 10:00:00 2024\n\n",
        b"\nFrom ",
        b"\n\nFrom \n",
        b">From \n",
        b"Content-Length: 99\n\n",
        b"From a@b Mon May  6 10:00:00 2024\nA: b\n\n",
        b"\n",
    ),
}


def mutated(whole: bytes, kind: str, dice: random.Random) -> bytes:
    """`whole` with a few changes: bytes turned, pieces cut, doubled, moved, and words of the format put in."""
    data = bytearray(whole)
    for _ in range(dice.randrange(1, 9)):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.randrange(1, 80))
        match dice.randrange(6):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:at] = data[at:end] * dice.randrange(1, 5)
            case 2:
                data[at:at] = dice.choice(WORDS[kind])
            case 3 if at < len(data):
                data[at] = dice.randrange(256)
            case 4:
                piece = bytes(data[at:end])
                data[at:end] = b""
                to = dice.randrange(len(data) + 1)
                data[to:to] = piece
            case _:
                data[at:at] = dice.randbytes(dice.randrange(1, 9))
    return bytes(data[: dice.randrange(len(data) + 1)]) if dice.random() < 0.1 else bytes(data)


def mutations(wholes: Sequence[bytes], kind: str, count: int, seed: int = 7) -> Iterator[bytes]:
    """So many spoiled pieces, the same for the same seed."""
    dice = random.Random(f"{seed}/{kind}")
    for number in range(count):
        yield mutated(wholes[number % len(wholes)], kind, dice)
