"""Files of a mail are listed as IMAP numbers them, under names that are safe anywhere; its HTML is kept as it was sent."""

from __future__ import annotations

import base64
import email
import email.message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import records
from providers.formats import file_name
from tests.providers.test_mime_body import HTML, LOGO, PDF, PLAIN, TEXT_FILE, parts, read, whole

INVITATION = "Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR"
SHOWN = 'Content-Type: text/html\r\n\r\n<p>Look:</p><img src="cid:logo">'
MAIL = "Content-Type: message/rfc822\r\n\r\nFrom: bob@example.org\r\nSubject: A/B: the plan\r\n\r\ninner"


def listed(text: str) -> list[tuple[str, str, str]]:
    return [(one.part, one.name, one.media_type) for one in whole(text).attachments]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (PLAIN, []),
        (PDF, [("1", "a.pdf", "application/pdf")]),
        (parts("mixed", PLAIN, PDF), [("2", "a.pdf", "application/pdf")]),
        (parts("mixed", parts("alternative", PLAIN, HTML, boundary="b2"), TEXT_FILE, PDF),
         [("2", "a.txt", "text/plain"), ("3", "a.pdf", "application/pdf")]),
        (parts("mixed", parts("alternative", PLAIN, parts("related", SHOWN, LOGO, boundary="b3"), boundary="b2"), PDF),
         [("1.2.2", "attachment.png", "image/png"), ("2", "a.pdf", "application/pdf")]),
        (parts("mixed", PLAIN, MAIL), [("2", "B_ the plan.eml", "message/rfc822")]),
        (parts("alternative", PLAIN, HTML, INVITATION), [("3", "invitation.ics", "text/calendar")]),
        (parts("signed", PLAIN, "Content-Type: application/pgp-signature; name=signature.asc\r\n\r\nxx"), []),
        (parts("encrypted", "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1",
               "Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n-----BEGIN PGP MESSAGE-----"),
         [("2", "encrypted.asc", "application/octet-stream")]),
    ],
)  # fmt: skip
def test_files_are_listed_by_the_section_numbers_of_imap(text: str, files: list[tuple[str, str, str]]) -> None:
    assert listed(text) == files


def numbers(message: email.message.Message, above: str = "") -> list[tuple[str, str]]:
    """RFC 9051 §6.4.5.1, by the standard library's tree."""
    if not message.is_multipart() or message.get_content_maintype() == "message":
        return [(above or "1", message.get_content_type())]
    found: list[tuple[str, str]] = []
    for n, part in enumerate(message.get_payload(), 1):
        assert isinstance(part, email.message.Message)
        found += numbers(part, f"{above}.{n}" if above else str(n))
    return found


def test_the_numbers_are_those_of_another_parser() -> None:
    text = parts(
        "mixed", parts("alternative", PLAIN, parts("related", SHOWN, LOGO, LOGO, boundary="b3"), boundary="b2"), PDF, MAIL, PDF
    )
    theirs = dict(numbers(email.message_from_string(text)))
    ours = whole(text).attachments
    assert len(ours) == 5
    assert [theirs[one.part] for one in ours] == [one.media_type for one in ours]


@pytest.mark.parametrize(
    ("head", "body", "size"),
    [
        ("Content-Transfer-Encoding: base64", base64.encodebytes(b"x" * 1_000).decode().replace("\n", "\r\n"), 1_000),
        ("Content-Transfer-Encoding: base64", base64.encodebytes(b"x" * 1_001).decode(), 1_001),
        ("Content-Transfer-Encoding: base64", base64.encodebytes(b"x" * 1_002).decode(), 1_002),
        ("Content-Transfer-Encoding: quoted-printable", "a=3Db=\r\nc", 4),
        ("X: y", "plain", 5),
        ("Content-Transfer-Encoding: base64", "", 0),
    ],
)
def test_a_size_is_that_of_the_decoded_file(head: str, body: str, size: int) -> None:
    text = parts("mixed", PLAIN, f"Content-Type: application/x-thing; name=a\r\n{head}\r\n\r\n{body}")
    assert [one.size for one in whole(text).attachments] == [size]


def test_a_picture_is_inline_when_the_html_shows_it() -> None:
    found = whole(parts("related", SHOWN, LOGO, LOGO.replace("<logo>", "<other>")))
    assert [(one.content_id, one.inline) for one in found.attachments] == [("logo", True), ("other", False)]
    assert found.attachment_count == 0


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("filename=plan.pdf", "plan.pdf"),
        ('filename="../../../etc/passwd"', "passwd"),
        ('filename="C:\\\\Windows\\\\system32\\\\evil.dll"', "evil.dll"),
        ("filename*=utf-8''%2e%2e%2fGr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
        ("filename*0=\"very \"; filename*1=long.txt", "very long.txt"),
        ('filename="=?utf-8?q?Gr=C3=BC=C3=9Fe=2Etxt?="', "Grüße.txt"),
        ('filename="plan.txt\r\n X-Injected: yes"', "plan.txt X-Injected_ yes"),
        ('filename="=?utf-8?q?a=0D=0ASet-Cookie:_b?="', "a Set-Cookie_ b"),
        ('filename="=?utf-8?q?invoice=E2=80=AEfdp=2Eexe?="', "invoicefdp.exe"),
        ('filename=".bashrc"', "bashrc"),
        ('filename="con.txt"', "_con.txt"),
        ('filename=".."', "attachment.pdf"),
        ('filename=""', "attachment.pdf"),
        ('filename="' + "ü" * 500 + '.pdf"', "ü" * 98 + ".pdf"),
        ('filename="plan.pdf\x00.exe"', "plan.pdf.exe"),
    ],
)  # fmt: skip
def test_a_name_is_safe_to_show_and_to_save(written: str, name: str) -> None:
    text = parts("mixed", PLAIN, f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {written}\r\n\r\nx")
    assert [one.name for one in whole(text).attachments] == [name]


@given(st.text())
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    found = file_name.safe(name)
    assert not set(found) & set('/\\<>:"|?*\r\n\x00\u202e') and not found.startswith(".") and len(found.encode()) <= 200
    assert file_name.safe(found) == found


def test_html_is_kept_as_it_was_sent() -> None:
    assert whole(PLAIN).html is None
    assert read("text/html; charset=utf-8", "<p>Grüße<script>x</script>").html == "<p>Grüße<script>x</script>"
    assert whole(parts("alternative", PLAIN, HTML)).html == "<p>html text</p>"
    assert (
        whole(parts("alternative", PLAIN, parts("related", SHOWN, LOGO, boundary="b2"))).html
        == '<p>Look:</p><img src="cid:logo">'
    )
    assert whole(parts("mixed", PLAIN, PDF)).html is None


def test_plain_text_beside_html_is_shown_with_it_as_text() -> None:
    footer = "Content-Type: text/plain\r\n\r\n<b>list</b> & more"
    shown = whole(parts("mixed", HTML, PDF, footer)).html
    assert shown == '<p>html text</p>\n<div style="white-space: pre-wrap">&lt;b&gt;list&lt;/b&gt; &amp; more</div>'


def test_html_that_is_too_long_is_left_out_and_its_text_stays() -> None:
    found = read("text/html", "<p>begin</p>" + "<i></i>" * 200_000)
    assert (found.html, found.text) == (None, "begin")


def test_encrypted_mail_has_no_html_to_leak() -> None:
    found = whole(parts("encrypted", "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", HTML))
    assert (found.body_state, found.html, found.text) == ("ENCRYPTED", None, "")


def test_a_mail_with_too_many_files_lists_the_first() -> None:
    found: records.Message = whole("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + ("--b\r\n" + PDF + "\r\n") * 100_000)
    assert len(found.attachments) == 500
