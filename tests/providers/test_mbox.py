"""Where one mail of an mbox file ends and the next begins, in every dialect (RFC 4155 and its elders)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.archives import mbox as archive
from providers.formats import mbox

SEPARATOR = b"From ada@example.org Mon May  6 10:00:00 2024\n"
MAIL = b"From: Ada <ada@example.org>\nSubject: x\n\nHello\n"


def split(tmp_path: Path, data: bytes) -> list[mbox.RawMail]:
    path = tmp_path / "mail"
    path.write_bytes(data)
    with path.open("rb") as handle:
        found = list(mbox.split_mails(handle))
    assert archive._witness(path, None) == len(found)
    assert [raw.position for raw in found] == list(range(1, len(found) + 1))
    for raw in found:
        assert data[: raw.start].count(b"\n") + 1 == raw.line
        assert data[raw.start : raw.end].startswith(raw.envelope)
    return found


def bodies(tmp_path: Path, data: bytes) -> list[bytes]:
    return [raw.data for raw in split(tmp_path, data)]


@pytest.mark.parametrize(
    "separator",
    [
        b"From ada@example.org Mon May  6 10:00:00 2024",
        b"From ada@example.org  Mon May 06 10:00:00 +0200 2024",
        b"From 1790000000000000001@xxx Mon May 06 10:00:00 +0000 2024",  # Google Takeout
        b"From - Mon May  6 10:00:00 2024",  # Thunderbird
        b"From ???@??? Mon May 06 10:00:00 2024",  # Eudora
        b"From MAILER-DAEMON Mon May  6 10:00:00 2024",
        b"From ada@example.org Mon May  6 10:00 CEST 2024 remote from relay",
        b"From ",  # Thunderbird, lately
        b"From -",
        b"From ada@example.org",
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_every_dialects_separator_separates(tmp_path: Path, separator: bytes, newline: bytes) -> None:
    data = (separator + b"\n" + MAIL + b"\n").replace(b"\n", newline) * 3
    assert bodies(tmp_path, data) == [MAIL.replace(b"\n", newline)] * 3


@pytest.mark.parametrize(
    "line",
    [
        b"From here it goes on: nothing 2024",
        b"From Monday at 10:30 in 2024 we meet\nthere and then",
        b"From ",
        b"From ada@example.org Mon May  6 10:00:00 2024\nwithout a header",
        b"From ada@example.org\nX-Odd: field",
        b"From: Ada",
    ],
)
def test_a_line_of_the_text_that_begins_with_from_separates_nothing(tmp_path: Path, line: bytes) -> None:
    data = SEPARATOR + MAIL + b"\n" + line + b"\n\nbye\n\n" + SEPARATOR + MAIL
    assert len(split(tmp_path, data)) == 2


def test_a_quoted_mail_without_empty_line_before_it_separates_nothing(tmp_path: Path) -> None:
    assert len(split(tmp_path, SEPARATOR + b"Subject: x\n\nsee:\n" + SEPARATOR + MAIL)) == 1


@pytest.mark.parametrize(
    ("stored", "meant"),
    [
        (b">From here\n>>From there\n> From nowhere\n", b"From here\n>From there\n> From nowhere\n"),  # mboxrd, mboxo
        (b"From here\n>From there\n", b"From here\n>From there\n"),  # written by somebody who does not quote
    ],
)
def test_quoting_is_undone_where_there_was_any(tmp_path: Path, stored: bytes, meant: bytes) -> None:
    (data,) = bodies(tmp_path, SEPARATOR + b"Subject: x\n\n" + stored)
    assert data == b"Subject: x\n\n" + meant


def test_content_length_counts_where_it_leads_to_a_separator(tmp_path: Path) -> None:
    """mboxcl2: the body quotes a whole mbox and is not quoted itself."""
    body = b"see\n\n" + SEPARATOR + MAIL
    mail = b"Subject: x\nContent-Length: %d\n\n" % len(body) + body
    assert bodies(tmp_path, (SEPARATOR + mail + b"\n") * 2) == [mail, mail]


@pytest.mark.parametrize("stated", [0, 3, 10_000, 10**11])
def test_content_length_that_leads_nowhere_is_ignored(tmp_path: Path, stated: int) -> None:
    mail = b"Subject: x\nContent-Length: %d\n\nHello\n" % stated
    assert bodies(tmp_path, (SEPARATOR + mail + b"\n") * 2) == [mail, mail]


def test_what_stands_before_the_first_mail_is_an_item_of_its_own(tmp_path: Path) -> None:
    found = split(tmp_path, b"\n\nexported by a program\n\n" + SEPARATOR + MAIL)
    assert [raw.envelope for raw in found] == [b"", SEPARATOR.rstrip()]


def test_a_byte_order_mark_and_empty_lines_before_the_first_mail_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(b"\xef\xbb\xbf\r\n\n" + SEPARATOR + MAIL)
    assert archive.PROVIDER.archive is not None
    assert archive.PROVIDER.archive.recognise(path)
    assert archive._witness(path, None) == 1


def test_separators_are_found_across_the_edge_of_what_is_held_in_memory(tmp_path: Path) -> None:
    for shift in range(-70, 10, 3):
        filling = MAIL + b"x" * (mbox.WINDOW + mbox.AHEAD + shift - len(SEPARATOR) - len(MAIL)) + b"\n"
        data = (SEPARATOR + filling + b"\n") * 3
        assert bodies(tmp_path, data) == [filling] * 3


def test_of_a_huge_mail_the_beginning_is_handed_over(tmp_path: Path) -> None:
    huge = MAIL + b"A" * (mbox.MAX_MAIL + 1000) + b"\n"
    found = bodies(tmp_path, SEPARATOR + huge + b"\n" + SEPARATOR + MAIL)
    assert [len(data) for data in found] == [mbox.MAX_MAIL, len(MAIL)]


LINES = st.sampled_from(
    [
        *(SEPARATOR, b"From \n", b"From -\n", b"From x@y\n", b"From a b 10:00 2024\n", b"\n", b"\r\n", b"text\n", b">From x\n"),
        *(
            b"Subject: x\n",
            b"Content-Length: 5\n",
            b"Content-Length: 0\n",
            b"a b: c\n",
            b"From",
            b"X-Mozilla-Status: 1\r\n",
            b"\xff\x00",
        ),
    ]
)


@given(lines=st.lists(LINES, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_two_ways_of_counting_agree_and_reading_goes_on_after_any_mail(tmp_path: Path, lines: list[bytes]) -> None:
    data = b"".join(lines)
    path = tmp_path / "mail"
    path.write_bytes(data)
    with path.open("rb") as handle:
        found = list(mbox.split_mails(handle))
        for index, raw in enumerate(found):
            rest = list(mbox.split_mails(handle, offset=raw.end, position=raw.position, line=raw.end_line))
            assert rest == found[index + 1 :]
    assert archive._witness(path, None) == len(found)
