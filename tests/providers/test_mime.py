"""One mail's bytes become a Message: header, addresses, dates, references, marks, key. All people are invented."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import records
from providers.formats import address_list, mail_header, mail_state, mime


def mail(*lines: str | bytes, body: str | bytes = "Hello\r\n") -> bytes:
    head = b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return head + b"\r\n\r\n" + (body if isinstance(body, bytes) else body.encode())


def read(*lines: str | bytes, body: str | bytes = "Hello\r\n", envelope: datetime | None = None) -> records.Message:
    return mime.message(mail(*lines, body=body), container="in", envelope=envelope)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


# --- header ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"folded\r\n  over lines", "folded over lines"),
        (b"=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?ISO-8859-1?Q?Gr=FC=DFe?= from =?utf-8?q?here?=", "Grüße from here"),
        (b"=?utf-8?Q?a?=\r\n =?utf-8?Q?b?=", "ab"),  # RFC 2047 §6.2
        (b"=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),  # cut inside a character
        (b"=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),
        (b"=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),  # RFC 2231 §5
        (b"=?utf-8?Q?with blanks inside?=", "with blanks inside"),
        (b"=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),  # padding forgotten
        (b"=?no-such-charset?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?gb2312?B?1tDOxA==?=", "中文"),
        (b"=?broken", "=?broken"),
        ("Grüße".encode(), "Grüße"),  # raw UTF-8, RFC 6532
        (b"Gr\xfc\xdfe", "Grüße"),  # raw windows-1252
        (b"a\x00b", "ab"),
    ],
)
def test_a_subject_is_decoded_as_it_was_meant(value: bytes, text: str) -> None:
    found = read(b"From: ada@example.org", b"Subject: " + value)
    assert found.subject == text
    assert records.Header(name="Subject", value=text) in found.headers


def test_raw_text_in_the_header_is_read_in_the_charset_of_the_mail() -> None:
    assert read("Content-Type: text/plain; charset=windows-1251", b"Subject: \xcf\xf0\xe8\xe2\xe5\xf2").subject == "Привет"


def test_a_line_that_is_no_field_is_skipped_when_fields_follow() -> None:
    found = read("From: ada@example.org", "broken line", ">From nobody Mon Jan  1 00:00:00 2024", "Subject: Here")
    assert (found.subject, found.text) == ("Here", "Hello")


def test_without_an_empty_line_the_body_begins_where_the_fields_end() -> None:
    assert mime.message(b"From: ada@example.org\nSubject: x\nHello there\nsecond").text == "Hello there\nsecond"


def test_at_most_five_hundred_fields_are_kept() -> None:
    assert len(read("From: ada@example.org", *(f"X-{n}: {n}" for n in range(2000))).headers) == 500


def test_parameters_are_joined_and_decoded() -> None:
    """RFC 2231 §3 and §4."""
    value = 'application/x; name*0*=utf-8\'\'Gr%C3%BC; name*1*=%C3%9Fe; name*2=" a;b"; charset="utf-8"; odd; =x; q="un\\"q"'
    assert mail_header.parameters(value) == (
        "application/x",
        {"name": "Grüße a;b", "charset": "utf-8", "q": 'un"q'},
    )


# --- addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ("ada@example.org", [("", "ada@example.org")]),
        ("Ada <Ada@Example.org>", [("Ada", "Ada@example.org")]),
        (
            '"Example, Ada" <ada@example.org>, Bob <bob@example.org>',
            [("Example, Ada", "ada@example.org"), ("Bob", "bob@example.org")],
        ),
        ("ada@example.org (Ada (the first) Example)", [("Ada the first Example", "ada@example.org")]),
        (
            "Friends: Ada <ada@example.org>, bob@example.org; eve@example.org",
            [("Ada", "ada@example.org"), ("", "bob@example.org"), ("", "eve@example.org")],
        ),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?Q?Ada=2C_the_first?= <ada@example.org>", [("Ada, the first", "ada@example.org")]),
        ('"=?utf-8?Q?Zo=C3=AB?=" <zoe@example.org>', [("Zoë", "zoe@example.org")]),
        ("=?utf-8?Q?Zo=C3=AB_=3Czoe=40example=2Eorg=3E?=", [("Zoë", "zoe@example.org")]),
        ("Ada Example ada@example.org", [("Ada Example", "ada@example.org")]),
        ("'Ada' <ada@example.org>", [("Ada", "ada@example.org")]),
        ('"Ada \\"A\\" Example" <ada@example.org>', [('Ada "A" Example', "ada@example.org")]),
        ("<@relay.example.org:ada@example.org>", [("", "ada@example.org")]),
        ("Ada <ada@example.org", [("Ada", "ada@example.org")]),
        ('"Ada <ada@example.org>', [("Ada", "ada@example.org")]),
        ("ada@example.org; bob@example.org", [("", "ada@example.org"), ("", "bob@example.org")]),
        ("nobody", []),
        ('"quoted local"@example.org', [("", '"quoted local"@example.org')]),
        ('"ada"@example.org', [("", "ada@example.org")]),
    ],
)
def test_an_address_field_names_these_people(value: str, people: list[tuple[str, str]]) -> None:
    assert list(address_list.mailboxes(value)) == people


def test_everybody_on_a_mail_has_a_role() -> None:
    found = read(
        "From: Ada <ada@example.org>",
        "Sender: bot@example.org",
        "To: me@example.com, me@EXAMPLE.com",
        "Cc: Bob <bob@example.org>",
        "Bcc: eve@example.org",
        "Reply-To: list@example.org",
    )
    assert [(item.role, item.address) for item in found.participants] == [
        ("FROM", "ada@example.org"),
        ("SENDER", "bot@example.org"),
        ("TO", "me@example.com"),
        ("CC", "bob@example.org"),
        ("BCC", "eve@example.org"),
        ("REPLY_TO", "list@example.org"),
    ]
    assert found.participants[0].name == "Ada"


# --- dates ----------------------------------------------------------------------------------------------------------------

RECEIVED = "Received: by mx.example.com; Mon, 6 May 2024 10:00:05 +0200"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Mon, 6 May 2024 10:00:00 +0200", at(2024, 5, 6, 8)),
        ("6 May 2024 10:00 +0200 (CEST)", at(2024, 5, 6, 8)),
        ("Mon, 6 May 2024 10:00:00 EST", at(2024, 5, 6, 15)),
        ("Mon, 06 May 99 10:00:00 GMT", at(1999, 5, 6, 10)),
        ("Mon May  6 10:00:00 2024", at(2024, 5, 6, 10)),
        ("2024-05-06T10:00:00Z", at(2024, 5, 6, 10)),
        ("2024-05-06 10:00:00+02:00", at(2024, 5, 6, 8)),
        ("Mon, 6 May 2024 23:59:60 +0000", at(2024, 5, 6, 23, 59, 59)),
    ],
)
def test_a_date_is_read_in_the_forms_that_occur(value: str, moment: datetime) -> None:
    assert read(f"Date: {value}").sent_at == moment


@pytest.mark.parametrize(
    "line",
    [
        "X-None: 1",
        "Date: yesterday",
        "Date: Thu, 1 Jan 1970 00:00:00 +0000",
        "Date: Mon, 6 May 2099 10:00:00 +0000",
        "Date: Sat, 1 Jan 2000 00:00:00 +0000",
        "Date:",
        "Date: Mon, 36 May 2024 99:00:00 +9999",
    ],
)
def test_a_date_that_is_missing_or_absurd_gives_way_to_the_arrival(line: str) -> None:
    found = read(line, RECEIVED)
    assert (found.sent_at, found.received_at) == (at(2024, 5, 6, 8, 0, 5), at(2024, 5, 6, 8, 0, 5))


def test_without_arrival_the_separator_of_the_mbox_stands_in() -> None:
    assert read("X-None: 1", envelope=at(2024, 5, 6)).sent_at == at(2024, 5, 6)
    assert read("Date: Mon, 6 May 2099 10:00:00 +0000", envelope=at(2024, 5, 6)).sent_at == at(2024, 5, 6)
    assert read("X-None: 1").sent_at == at(1970, 1, 1)


def test_a_separator_that_a_converter_made_up_is_not_held_against_the_date() -> None:
    found = read("Date: Mon, 6 May 2024 10:00:00 +0000", envelope=at(1998, 1, 1))
    assert (found.sent_at, found.received_at) == (at(2024, 5, 6, 10), None)


def test_mail_that_was_fetched_years_later_keeps_its_date() -> None:
    found = read("Received: by pop.example.com; Sat, 6 May 2034 10:00:00 +0000", RECEIVED, "Date: Mon, 6 May 2024 09:59:00 +0200")
    assert found.sent_at == at(2024, 5, 6, 7, 59)


# --- threads --------------------------------------------------------------------------------------------------------------


def test_references_are_oldest_first_once_each_and_never_itself() -> None:
    found = read(
        "Message-ID: <3@example.org>",
        "References: <1@example.org>\r\n <2@example.org> <1@example.org> <3@example.org>",
        "In-Reply-To: <2b@example.org> from ada@example.org, <x@example.org>",
    )
    assert found.internet_message_id == "3@example.org"
    assert found.references == ("1@example.org", "2@example.org", "2b@example.org")


def test_ids_without_brackets_count_when_they_look_like_ids() -> None:
    found = read("Message-ID: 3@example.org", "In-Reply-To: Your message of Monday 2@example.org")
    assert (found.internet_message_id, found.references) == ("3@example.org", ("2@example.org",))


@pytest.mark.parametrize("line", ["Message-ID: <>", "Message-ID:", "X-None: 1", "Message-ID: <" + "x" * 5000 + ">"])
def test_an_id_that_says_nothing_is_none(line: str) -> None:
    assert read(line).internet_message_id is None


def test_of_too_many_references_the_first_and_the_latest_are_kept() -> None:
    found = read("References: " + " ".join(f"<{n}@e.org>" for n in range(2500)))
    assert len(found.references) == 1000
    assert (found.references[0], found.references[-1]) == ("0@e.org", "2499@e.org")


def test_outlooks_thread_index_joins_mails_that_refer_to_nothing() -> None:
    root = bytes(range(22))
    first = read("Message-ID: <1@example.org>", "Thread-Index: " + base64.b64encode(root).decode())
    reply = read("Message-ID: <2@example.org>", "Thread-Index: " + base64.b64encode(root + b"12345").decode())
    other = read("Message-ID: <3@example.org>", "Thread-Index: " + base64.b64encode(b"other" + root[5:]).decode())
    assert first.references == reply.references != other.references
    assert read("References: <1@example.org>", "Thread-Index: " + base64.b64encode(root).decode()).references == (
        "1@example.org",
    )


# --- marks and keys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ((), mail_state.State()),
        (("Status: RO",), mail_state.State(unread=False)),
        (("Status: O",), mail_state.State(unread=True)),
        (("Status: RO", "X-Status: AF"), mail_state.State(unread=False, answered=True, flagged=True)),
        (("X-Status: T",), mail_state.State(draft=True)),
        (("Status: resolved",), mail_state.State()),
        (("X-Mozilla-Status: 0007",), mail_state.State(unread=False, answered=True, flagged=True)),
        (("X-Mozilla-Status: 0000",), mail_state.State(unread=True)),
        (("X-Mozilla-Status: 0009",), mail_state.State(unread=False, deleted=True)),
        (('X-Gmail-Labels: Inbox,"Work, old",Unread,Starred',), mail_state.State(unread=True, flagged=True)),
        (("X-Gmail-Labels: =?UTF-8?Q?Drafts,Opened,Gr=C3=BC=C3=9Fe?=",), mail_state.State(unread=False, draft=True)),
        (("X-Unsent: 1",), mail_state.State(draft=True)),
    ],
)
def test_the_marks_of_each_mail_program_are_read(lines: tuple[str, ...], state: mail_state.State) -> None:
    fields, _ = mail_header.split(mail("From: ada@example.org", *lines))
    assert mail_state.from_header(fields) == state


@pytest.mark.parametrize(
    ("name", "new", "state"),
    [
        ("1.a:2,S", False, mail_state.State(unread=False)),
        ("1.a:2,", False, mail_state.State(unread=True)),
        ("1.a;2,FRS", False, mail_state.State(unread=False, flagged=True, answered=True)),
        ("1.a:2,DT", False, mail_state.State(unread=True, draft=True, deleted=True)),
        ("1.a", True, mail_state.State(unread=True)),
    ],
)
def test_the_marks_in_a_maildir_name_are_read(name: str, new: bool, state: mail_state.State) -> None:
    assert mail_state.from_maildir(name, new) == state


ID = ("From: ada@example.org", "Date: Mon, 6 May 2024 10:00:00 +0000", "Message-ID: <1@example.org>", "Subject: x")


def test_the_same_mail_in_two_places_has_one_key() -> None:
    plain = mail(*ID, body="Hello\r\nFrom here\r\n")
    marked = mail("X-Mozilla-Status: 0001", *ID, "Status: RO", body="Hello\n>From here\n\n")
    assert mime.message_key(plain) == mime.message_key(marked) == mime.message(plain).key


def test_two_mails_that_share_an_id_have_two_keys() -> None:
    assert mime.message_key(mail(*ID, body="one")) != mime.message_key(mail(*ID, body="two"))
    assert mime.message_key(mail(*ID)) != mime.message_key(mail("From: bob@example.org", *ID[1:]))


def test_a_mail_without_id_is_known_by_its_content() -> None:
    assert mime.message_key(mail("Subject: x")) == mime.message_key(mail("Subject: x"))
    assert mime.message_key(mail("Subject: x")) != mime.message_key(mail("Subject: y"))


def test_in_a_file_nobody_can_tell_whether_the_sender_is_who_it_says() -> None:
    found = read("From: ada@example.org", "Authentication-Results: mx.example.com; dkim=pass", "DKIM-Signature: v=1")
    assert found.authentication == "UNKNOWN"


# --- whatever comes -------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        b"From: ",
        b"To: ",
        b"Date: ",
        b"Content-Type: ",
        b"multipart/mixed; boundary=",
        b"b",
        b"--b",
        b"--b--",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"=?utf-8?B?",
        b"?=",
        b"text/html",
        b"; charset=utf-16",
        b"<",
        b">",
        b'"',
        b"(",
        b")",
        b"@",
        b",",
        b":",
        b";",
        b"\xff",
        b"\x00",
        b"Content-Transfer-Encoding: base64",
        b"=E4",
        b"&#xd800;",
        b"<!--",
        b"Message-ID: <a@b>",
        b"References: ",
        b"+2AA-",
        b"utf-7",
    ]
)


@given(st.lists(WORDS, max_size=40))
def test_any_mail_becomes_a_message_that_can_be_stored(words: list[bytes]) -> None:
    found = mime.message(b"".join(words), container="x")
    texts = [
        found.text,
        found.subject or "",
        *(item.value for item in found.headers),
        *(item.name for item in found.participants),
    ]
    for text in texts:
        text.encode()
        assert "\x00" not in text


@given(st.binary(max_size=300))
def test_any_bytes_become_a_message(data: bytes) -> None:
    assert mime.message(data) == mime.message(data)
