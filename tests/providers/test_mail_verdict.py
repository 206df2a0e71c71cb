"""Who a mail is from is what the receiving host says; what came with the mail vouches for nothing."""

from __future__ import annotations

import pytest

from providers import records
from providers.formats import mime

RECEIVED = "Received: from mail.elsewhere.example by mx.example.org; Mon, 2 Mar 2026 10:00:00 +0000"
OTHER = "Received: from pc by mail.elsewhere.example; Mon, 2 Mar 2026 09:59:00 +0000"
PASS = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com"
FAIL = "Authentication-Results: mx.example.org; dmarc=fail header.from=example.com"


def said(*lines: str, host: str = "imap.example.org", sender: str = "ada@example.com") -> records.Authentication:
    return mime.message("\r\n".join((*lines, f"From: Ada <{sender}>", "", "text")).encode(), receiver=host).authentication


def test_what_stands_above_the_first_received_was_written_by_the_receiving_host() -> None:
    assert said(PASS, RECEIVED) == "PASSED"
    assert said(FAIL, RECEIVED) == "FAILED"
    assert said(RECEIVED) == "NOT_CHECKED"


def test_what_came_with_the_mail_vouches_for_nothing() -> None:
    assert said(RECEIVED, PASS) == "NOT_CHECKED"
    assert said(RECEIVED, PASS, OTHER) == "NOT_CHECKED"
    assert said(RECEIVED, OTHER, PASS) == "NOT_CHECKED"
    assert said(PASS) == "NOT_CHECKED"
    assert said(FAIL, RECEIVED, PASS) == "FAILED"


def test_a_receiving_host_that_writes_below_its_own_received_may_accuse() -> None:
    assert said(RECEIVED, FAIL, OTHER) == "FAILED"
    assert said(RECEIVED, FAIL.replace("mx.example.org", "lists.elsewhere.example"), OTHER) == "NOT_CHECKED"
    assert said(RECEIVED, OTHER, FAIL) == "NOT_CHECKED"


def test_networks_that_strip_forgeries_are_believed_by_their_name() -> None:
    gmail = RECEIVED.replace("mx.example.org", "mx.google.com")
    assert said(gmail, PASS.replace("mx.example.org", "mx.google.com"), host="imap.gmail.com") == "PASSED"
    assert said(gmail, PASS, host="imap.gmail.com") == "NOT_CHECKED"
    assert said(gmail, PASS.replace("mx.example.org", "mx.google.com.evil.example"), host="imap.gmail.com") == "NOT_CHECKED"
    icloud = ("Authentication-Results: bimi.icloud.com; bimi=none", "Authentication-Results: dmarc.icloud.com; dmarc=pass")
    assert said(*icloud, RECEIVED, host="imap.mail.me.com") == "PASSED"


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ("dmarc=none; dkim=pass header.d=example.com", "PASSED"),
        ("dkim=pass header.i=@mail.example.com", "PASSED"),
        ("spf=pass smtp.mailfrom=bounce@example.com", "PASSED"),
        ("dkim=pass header.d=elsewhere.example; spf=pass smtp.mailfrom=elsewhere.example", "NOT_CHECKED"),
        ("dkim=fail header.d=example.com; spf=softfail smtp.mailfrom=example.com", "NOT_CHECKED"),
        ("dmarc=fail header.from=example.com; dkim=pass header.d=example.com", "FAILED"),
        ("dmarc=pass header.from=elsewhere.example", "NOT_CHECKED"),
        ('spf=pass smtp.mailfrom="x; dmarc=pass"@elsewhere.example', "NOT_CHECKED"),
        ("spf=pass (domain of x; dmarc=pass) smtp.mailfrom=elsewhere.example", "NOT_CHECKED"),
        ("spf=pass (a (b; c) ; dmarc=pass) smtp.mailfrom=elsewhere.example", "NOT_CHECKED"),
        ('spf=pass (unclosed; dmarc=pass smtp.mailfrom="elsewhere.example', "NOT_CHECKED"),
        ("none", "NOT_CHECKED"),
        ("dkim=pass header.d=com", "NOT_CHECKED"),
    ],
)
def test_what_is_believed_is_read_as_it_is_written_and_not_as_the_sender_likes(results: str, verdict: str) -> None:
    assert said(f"Authentication-Results: mx.example.org; {results}", RECEIVED) == verdict


def test_a_mail_without_a_sender_is_vouched_for_by_nobody() -> None:
    assert mime.message(f"{PASS}\r\n{RECEIVED}\r\n\r\ntext".encode(), receiver="imap.example.org").authentication == "NOT_CHECKED"


def test_a_mail_from_a_file_is_unknown() -> None:
    assert mime.message(f"{PASS}\r\n{RECEIVED}\r\nFrom: ada@example.com\r\n\r\ntext".encode()).authentication == "UNKNOWN"


@pytest.mark.parametrize("piece", ["(", '"', ";", "\\", "dmarc=pass;", "by ", "a.", "="])
def test_any_long_field_is_read_in_one_pass(piece: str) -> None:
    said("Authentication-Results: mx.example.org;" + piece * 30_000, RECEIVED + piece * 30_000)
