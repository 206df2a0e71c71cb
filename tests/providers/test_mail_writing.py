"""What leaves is a mail that every program reads back as it was meant, and nobody can write a header through it."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.formats import flowed, mail_writing, mime
from providers.formats.mail_writing import File, Letter, Mailbox, Unwritable, compose

DATE = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
PLAIN = Letter(
    message_id="1@example.org", date=DATE, sender=Mailbox(address="robin@example.org", name="Robin"),
    to=(Mailbox(address="ada@example.org"),), subject="Hello", text="Hello Ada",
)  # fmt: skip


def letter(**more: Any) -> Letter:
    return msgspec.structs.replace(PLAIN, **more)


def test_a_letter_comes_back_as_it_was_written() -> None:
    full = letter(
        cc=(Mailbox(address="zoë@example.org", name="Zoë Ünal, Dr."),), subject="Grüße aus Łódź 🎉 " * 12, in_reply_to="p@x",
        references=("r@x", "p@x"), text="Grüße\n\n  eingerückt\n> zitiert\nFrom here on", html="<p>Grüße</p>",
    )  # fmt: skip
    read = mime.message(compose(full))
    assert (read.internet_message_id, read.sent_at, read.references) == ("1@example.org", DATE, ("r@x", "p@x"))
    assert read.subject == full.subject.strip()
    assert (read.text, read.html) == (full.text, full.html)
    assert [(p.role, p.name, p.address) for p in read.participants] == [
        ("FROM", "Robin", "robin@example.org"),
        ("TO", "", "ada@example.org"),
        ("CC", "Zoë Ünal, Dr.", "zoë@example.org"),
    ]


def test_python_s_own_parser_agrees_and_finds_no_defect() -> None:
    files = [File(name="résumé 2026.pdf", media_type="application/pdf", data=bytes(range(256)) * 9)]
    data = compose(letter(subject="Grüße", html="<b>x</b>"), files)
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    assert [part.defects for part in parsed.walk()] == [[]] * 5
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip
    (file,) = parsed.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("résumé 2026.pdf", files[0].data)
    assert parsed["subject"] == "Grüße"


def test_everything_is_seven_bit_and_no_line_is_longer_than_a_line_may_be() -> None:
    long = letter(
        subject="ü" * 400, to=tuple(Mailbox(address=f"p{n}@example.org", name=f"Përson {n} " * 10) for n in range(60)),
        references=tuple(f"{n:060}@example.org" for n in range(99)), text="x" * 5000 + "\n" + "wörd " * 3000, html="<p>" + "ü" * 9000,
    )  # fmt: skip
    data = compose(long, [File(name="ü" * 60, media_type="text/plain", data=b"\x00\xff" * 5000)])
    assert data.isascii()
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")


def test_nobody_sees_who_was_copied_unseen() -> None:
    secret = letter(bcc=(Mailbox(address="eve@example.org", name="Eve"),))
    assert b"eve@example.org" not in compose(secret)
    assert mail_writing.blind(secret) == b"Bcc: Eve <eve@example.org>\r\n"


def test_a_domain_in_another_script_is_written_so_that_every_server_finds_it() -> None:
    data = compose(letter(to=(Mailbox(address="ada@bücher.example"),)))
    assert b"To: ada@xn--bcher-kva.example\r\n" in data
    assert not mail_writing.needs_utf8(["ada@bücher.example"])
    assert mail_writing.needs_utf8(["adä@example.org"])


def test_a_file_is_never_sent_as_a_message_or_a_type_that_is_none() -> None:
    kinds = ["message/rfc822", "multipart/mixed", "text/html; charset=x\r\nX: y", "", "no type", "image/png"]
    data = compose(PLAIN, [File(name="f", media_type=kind, data=b"x") for kind in kinds])
    found = [part.get_content_type() for part in email.message_from_bytes(data).walk()][2:]
    assert found == ["application/octet-stream"] * 5 + ["image/png"]


@pytest.mark.parametrize("evil", ["a\r\nBcc: eve@example.org", "a\nX: y", "a\rX: y", "a\x00b", "a\u2028b", "a\x85b", "\ud800"])
@pytest.mark.parametrize("where", ["subject", "name", "address", "file", "message_id", "references", "in_reply_to"])
def test_a_line_break_in_any_value_is_refused(evil: str, where: str) -> None:
    files = [File(name=evil, media_type="text/plain", data=b"")] if where == "file" else []
    values: dict[str, dict[str, Any]] = {
        "name": {"to": (Mailbox(address="ada@example.org", name=evil),)},
        "address": {"to": (Mailbox(address=f"{evil}@example.org"),)},
        "file": {},
        "references": {"references": (evil,)},
    }
    with pytest.raises(Unwritable):
        compose(letter(**values.get(where, {where: evil})), files)


def test_a_text_cannot_end_the_message_or_begin_another_part() -> None:
    data = compose(letter(text="a\n.\nQUIT\n--boundary\nFrom x\r\n\r\nContent-Type: x", html="<p>x"))
    assert len(list(email.message_from_bytes(data).walk())) == 3
    assert mime.message(data).text == "a\n.\nQUIT\n--boundary\nFrom x\n\nContent-Type: x"


def test_a_subject_that_looks_encoded_stays_what_was_typed() -> None:
    assert mime.message(compose(letter(subject="=?utf-8?q?Hidden?="))).subject == "=?utf-8?q?Hidden?="


@given(
    st.text(alphabet=st.sampled_from("ab >\n-é漢 ") | st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=400)
)
def test_flowed_text_unflows_to_itself(text: str) -> None:
    lines = []
    for line in text.split("\n"):
        quote = line[: len(line) - len(line.lstrip(">"))]
        content = line[len(quote) :].removeprefix(" ") if quote else line
        content = content if content == "-- " else content.rstrip(" ")
        lines.append(f"{quote} {content}" if quote and content else quote + content)
    assert flowed.unflowed(mail_writing.flowed(text)) == "\n".join(lines)


def test_lines_that_flow_are_short_enough_to_be_quoted() -> None:
    assert max(len(line) for line in mail_writing.flowed("some words that go on " * 50).split("\n")) <= 78
