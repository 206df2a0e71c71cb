"""The text of a mail is what a person wrote, whatever it came wrapped in; attachments are counted; the cost is linear."""

from __future__ import annotations

import base64
import email.mime.application
import email.mime.multipart
import email.mime.text
import email.policy
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import records
from providers.formats import address_list, flowed, html_text, mail_header, mime


def read(content_type: str, body: str | bytes, *more: str) -> records.Message:
    head = "\r\n".join(("From: ada@example.org", f"Content-Type: {content_type}", *more))
    return mime.message(head.encode() + b"\r\n\r\n" + (body if isinstance(body, bytes) else body.encode()))


def parts(kind: str, *contents: str, boundary: str = "b1") -> str:
    inside = "".join(f"--{boundary}\r\n{content}\r\n" for content in contents)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\npreamble\r\n{inside}--{boundary}--\r\nepilogue"


def whole(text: str) -> records.Message:
    return mime.message(b"From: ada@example.org\r\n" + text.encode())


PLAIN = "Content-Type: text/plain; charset=utf-8\r\n\r\nplain text"
HTML = "Content-Type: text/html; charset=utf-8\r\n\r\n<p>html text</p>"
BLANK = "Content-Type: text/plain\r\n\r\n \r\n"
PDF = "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"
LOGO = "Content-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"
TEXT_FILE = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nfile"
FORWARDED = "Content-Type: message/rfc822\r\n\r\nFrom: bob@example.org\r\nSubject: inner\r\n\r\ninner text"


@pytest.mark.parametrize(
    ("text", "body", "attachments"),
    [
        (PLAIN, "plain text", 0),
        (HTML, "html text", 0),
        (parts("alternative", PLAIN, HTML), "plain text", 0),
        (parts("alternative", HTML, PLAIN), "plain text", 0),
        (parts("alternative", BLANK, HTML), "html text", 0),
        (parts("mixed", PLAIN, PDF), "plain text", 1),
        (parts("mixed", PLAIN, PDF, PLAIN), "plain text\n\nplain text", 1),
        (parts("mixed", PLAIN, TEXT_FILE), "plain text", 1),
        (parts("related", HTML, LOGO), "html text", 0),
        (
            parts("mixed", parts("alternative", PLAIN, parts("related", HTML, LOGO, boundary="b3"), boundary="b2"), PDF),
            "plain text",
            1,
        ),
        (parts("mixed", PLAIN, FORWARDED), "plain text", 1),
        (parts("mixed", PDF), "", 1),
        (parts("digest", "\r\nFrom: bob@example.org\r\n\r\ninner"), "", 1),
        (parts("signed", PLAIN, "Content-Type: application/pgp-signature\r\n\r\nxx"), "plain text", 0),
    ],
)
def test_the_plainest_text_is_taken_and_attachments_are_counted(text: str, body: str, attachments: int) -> None:
    found = whole(text)
    assert (found.text, found.attachment_count) == (body, attachments)
    assert found.body_state == ("AVAILABLE" if body else "EMPTY")


def test_a_last_boundary_may_be_missing_and_a_boundary_may_begin_like_another() -> None:
    inner = "Content-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n" + PLAIN + "\r\n--bb--"
    assert whole("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + inner + "\r\n--b\r\n" + PDF).text == "plain text"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("base64", base64.encodebytes("Grüße\r\nAda".encode())),
        ("BASE64", base64.b64encode("Grüße\nAda".encode())[:-1]),
        ("quoted-printable", quopri.encodestring("Grüße\nAda".encode())),
        ("8bit", "Grüße\r\nAda".encode()),
        ("x-unknown", "Grüße\r\nAda".encode()),
        ("x-uuencode", b"begin 644 a.txt\n+1W+#O,.?90I!9&$ \n`\nend\n"),
    ],
)
def test_every_transfer_encoding_is_undone(encoding: str, data: bytes) -> None:
    assert read("text/plain; charset=utf-8", data, f"Content-Transfer-Encoding: {encoding}").text == "Grüße\nAda"


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("iso-8859-1", b"10 \x80 \x93quoted\x94", "10 € “quoted”"),  # says Latin-1, means windows-1252
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("us-ascii", b"Gr\xfc\xdfe", "Grüße"),
        ("utf-8", b"Gr\xfc\xdfe", "Grüße"),
        ("utf-8", "Grüße".encode()[:-1] + b"\xc3", "Grüß\ufffd"),
        ("gb2312", "中文€".encode("gb18030"), "中文€"),
        ("shift_jis", "①日本".encode("cp932"), "①日本"),
        ("iso-2022-jp", "日本".encode("iso2022_jp"), "日本"),
        ("ks_c_5601-1987", "한국".encode("cp949"), "한국"),
        ("koi8-r", "Привет".encode("koi8-r"), "Привет"),
        ("utf-7", b"Gr+APw-n", "Grün"),
        ("utf-16", "Grüße".encode("utf-16"), "Grüße"),
        ("unicode_escape", b"\\u0041 \xfc", "\\u0041 ü"),
        ("idna", b"x" * 50 + b"\xfc", "x" * 50 + "ü"),
        ("", b"Gr\xfc\xdfe", "Grüße"),
    ],
)
def test_text_is_read_in_the_charset_that_its_writer_meant(charset: str, data: bytes, text: str) -> None:
    assert read(f"text/plain; charset={charset}", data).text == text


def test_html_may_name_its_charset_inside() -> None:
    page = '<html><head><meta charset="windows-1251"></head><body>Привет</body></html>'.encode("cp1251")
    assert read("text/html", page).text == "Привет"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (parts("encrypted", "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", PDF), "ENCRYPTED"),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n\r\nMIIB", "ENCRYPTED"),
        ("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMIIB", "UNPARSABLE"),
        ("Content-Type: text/plain\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nxx", "ENCRYPTED"),
        ("Content-Type: multipart/mixed\r\n\r\nno boundary named", "UNPARSABLE"),
        ("Content-Type: multipart/mixed; boundary=x\r\n\r\nno boundary found", "UNPARSABLE"),
        ("Content-Type: text/plain\r\n\r\n\r\n", "EMPTY"),
    ],
)
def test_what_cannot_be_shown_says_why(text: str, state: str) -> None:
    found = whole(text)
    assert (found.text, found.body_state) == ("", state)


def test_bytes_without_any_header_are_a_message_that_cannot_be_understood() -> None:
    assert mime.message(b"\x00\x01\x02").body_state == "UNPARSABLE"


# --- flowed and HTML ------------------------------------------------------------------------------------------------------


def test_flowed_text_is_unwrapped() -> None:
    """RFC 3676 §4."""
    text = "one \r\ntwo\r\n\r\n> quoted \r\n> goes on\r\n>> deeper\r\n stuffed\r\n-- \r\nAda"
    assert read("text/plain; format=flowed", text).text == "one two\n\n> quoted goes on\n>> deeper\nstuffed\n-- \nAda"
    assert read("text/plain; format=flowed; delsp=yes", "日 \r\n本").text == "日本"
    assert read("text/plain", "one \r\ntwo").text == "one \ntwo"


@given(st.lists(st.sampled_from([" ", ">", "a", "\n", "-- ", "From "]), max_size=60))
def test_unwrapping_loses_no_word(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert flowed.unflowed(text).count("a") == text.count("a")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("one\n   two &amp; three&nbsp;&lt;4&gt; &#8364;", "one two & three <4> €"),
        ("<style>p{}</style><script>if (a<b) {'</p>'}</script>seen<!-- not > this -->", "seen"),
        ("<head><title>no</title></head><body>yes</body>", "yes"),
        ('<img alt="a > b" src="x">text', "text"),
        ("<a href='https://example.org'>link</a>", "link"),
        ("said<blockquote>quoted<blockquote>deeper</blockquote></blockquote>answer", "said\n\n> quoted\n\n> > deeper\n\nanswer"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a < b and c", "a < b and c"),
        ('<p title="never closed>text', "text"),
        ("<!-- never closed text", ""),
        ("zero\u200bwidth", "zerowidth"),
    ],
)
def test_html_becomes_the_text_that_a_reader_sees(source: str, text: str) -> None:
    assert html_text.text_of(source).strip() == text


def test_a_quote_that_never_ends_does_not_swallow_the_page() -> None:
    assert "seen" in html_text.text_of('<p title="x>one</p><p>seen</p>')


# --- the standard library as a second opinion -----------------------------------------------------------------------------


@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=200),
    charset=st.sampled_from(["utf-8", "utf-16-le"]),
    files=st.integers(0, 3),
)
def test_what_the_standard_library_writes_is_read_back(text: str, charset: str, files: int) -> None:
    message = email.mime.multipart.MIMEMultipart("mixed")
    message["From"] = "ada@example.org"
    inner = email.mime.multipart.MIMEMultipart("alternative")
    inner.attach(email.mime.text.MIMEText(text, "plain", charset))
    message.attach(inner)
    for number in range(files):
        attachment = email.mime.application.MIMEApplication(b"x" * number)
        attachment.add_header("Content-Disposition", "attachment", filename=f"{number}.bin")
        message.attach(attachment)
    found = mime.message(message.as_bytes(policy=email.policy.compat32))
    assert found.text == text.strip("\n").rstrip()
    assert found.attachment_count == files


# --- hostile input --------------------------------------------------------------------------------------------------------


def test_parts_nested_a_thousand_deep_are_bounded() -> None:
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1000))
    assert whole(head + PLAIN).body_state == "UNPARSABLE"


def test_a_hundred_thousand_parts_are_bounded() -> None:
    found = whole("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + ("--b\r\n" + PDF + "\r\n") * 100_000)
    assert found.attachment_count <= 1000


@pytest.mark.parametrize(
    "piece",
    [
        *("<", "<a ", '<a href="', "<a b='", "<!--", "<style>", "<script", "</", "<pre>", "<blockquote>", "<td>", "&", "&#"),
        *("a ", "<svg>", "<a x=\"'", "<br>", "<p>", "\u00a0"),
    ],
)
def test_a_megabyte_of_any_piece_of_html_is_read_in_one_pass(piece: str) -> None:
    html_text.text_of(piece * (1_000_000 // len(piece)))


@pytest.mark.parametrize(
    "piece", [">", "(", ")", '"', "\\", "<", "a@b,", "=?utf-8?q?", "=?utf-8?q?a?= ", ":", ";", "a ", "=?", "(\\"]
)
def test_any_long_header_field_is_read_in_one_pass(piece: str) -> None:
    value = piece * (1_000_000 // len(piece))
    address_list.mailboxes(value[: mail_header.MAX_VALUE])
    mail_header.parameters("text/plain; " + value[: mail_header.MAX_VALUE])
    mail_header.parameters("text/plain" + '; a="' * 6000)
    mail_header.parameters("text/plain; a=" + '"\\' * 12_000)
    mime.message(f"To: {value}\nSubject: {value}\nReferences: {value}\nReceived: {value}\nDate: {value}\n\n".encode())


@pytest.mark.parametrize("line", [b"x\n", b"a:\n", b"x\na:\n", b" \n", b"\r\r\n", b"\n"])
def test_any_header_is_read_in_one_pass(line: bytes) -> None:
    mime.message(b"From: ada@example.org\n" + line * (1_000_000 // len(line)))


@pytest.mark.parametrize("piece", [">", "> ", "On ", "-", " ", "a ", "-- \n", ">\n", " \n", "\t"])
def test_any_long_text_is_read_in_one_pass(piece: str) -> None:
    read("text/plain; format=flowed", piece * (1_000_000 // len(piece)))


def test_text_is_cut_where_nobody_reads_on() -> None:
    assert len(read("text/plain", "a\n" * 2_000_000).text) <= 500_000
