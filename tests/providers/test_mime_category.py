"""Whether a person wrote a mail is told from its header, with the reason; whose mailbox a file is, from all of them."""

from __future__ import annotations

import pytest

from providers.formats import mime
from providers.formats.own_address import OwnAddressInference

PERSON = "From: Ada <ada@example.org>"


def category(*lines: str, own: frozenset[str] = frozenset()) -> tuple[str, str]:
    found = mime.message(("\r\n".join(lines) + "\r\n\r\nHello").encode(), own=own)
    return found.category, found.category_reason


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((PERSON,), "PERSONAL"),
        ((PERSON, "Auto-Submitted: no"), "PERSONAL"),
        ((PERSON, "List-Id: <talk.example.org>", "List-Post: <mailto:talk@example.org>"), "LIST"),
        ((PERSON, "List-Id: <talk.example.org>", "Precedence: list"), "LIST"),
        ((PERSON, "X-BeenThere: talk@example.org"), "LIST"),
        ((PERSON, "List-Id: <news.example.org>", "List-Post: NO"), "NEWSLETTER"),
        ((PERSON, "List-Unsubscribe: <https://example.org/u>"), "NEWSLETTER"),
        ((PERSON, "Precedence: bulk"), "NEWSLETTER"),
        ((PERSON, "X-Campaign-Id: 7"), "NEWSLETTER"),
        (("From: newsletter@example.org",), "NEWSLETTER"),
        ((PERSON, "Auto-Submitted: auto-generated"), "NOTIFICATION"),
        ((PERSON, "X-GitHub-Reason: mention", "List-Id: <repo.example.org>", "List-Post: <x>"), "NOTIFICATION"),
        (("From: no-reply@example.org",), "NOTIFICATION"),
        (("From: DoNotReply@example.org",), "NOTIFICATION"),
        (("From: bounce+ada=example.org@example.com",), "NOTIFICATION"),
        (("From: 6f1f5c1e-3a1b-4c63-9d7a-0a4f4cf6a111@example.org",), "NOTIFICATION"),
        ((PERSON, "Return-Path: <>"), "NOTIFICATION"),
        ((PERSON, "X-SES-Outgoing: 2024.05.06-192.0.2.1"), "NOTIFICATION"),
        (("From: info@example.org",), "PERSONAL"),
        ((PERSON, "Auto-Submitted: auto-replied (vacation)"), "AUTO_REPLY"),
        ((PERSON, "Precedence: auto_reply"), "AUTO_REPLY"),
        ((PERSON, "Subject: Automatic reply: Lunch", "In-Reply-To: <1@example.org>"), "AUTO_REPLY"),
        ((PERSON, "Subject: Abwesenheitsnotiz: Lunch", "In-Reply-To: <1@example.org>"), "AUTO_REPLY"),
        ((PERSON, "Subject: 自動応答: 昼食", "In-Reply-To: <1@example.org>"), "AUTO_REPLY"),
        ((PERSON, "Subject: Fuera de la oficina: comida", "In-Reply-To: <1@example.org>"), "AUTO_REPLY"),
        ((PERSON, "List-Help: <mailto:help@example.org>"), "NEWSLETTER"),
        ((PERSON, "Subject: Out of office next week, who covers?"), "PERSONAL"),
        ((PERSON, "Content-Type: multipart/report; report-type=disposition-notification; boundary=b"), "AUTO_REPLY"),
        (("From: x@example.org", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"), "BOUNCE"),
        (("From: MAILER-DAEMON@example.org",), "BOUNCE"),
        ((PERSON, "X-Spam-Flag: YES", "List-Id: <x>"), "SPAM"),
        ((PERSON, "X-MS-Exchange-Organization-SCL: 6"), "SPAM"),
        ((PERSON, "X-MS-Exchange-Organization-SCL: 1"), "PERSONAL"),
    ],
)
def test_the_header_tells_who_wrote_a_mail(lines: tuple[str, ...], expected: str) -> None:
    found, reason = category(*lines)
    assert found == expected
    assert reason.endswith(".") and reason[0].isupper()


def test_the_viewers_own_address_is_no_robot_whatever_it_is_called() -> None:
    assert category("From: news@example.org", own=frozenset({"news@example.org"}))[0] == "PERSONAL"


# --- whose mailbox it is --------------------------------------------------------------------------------------------------

ME, ADA, BOB = "me@example.com", "ada@example.org", "bob@example.org"


def mailbox(*mails: tuple[str, str] | tuple[str, str, str]) -> OwnAddressInference:
    found = OwnAddressInference()
    for sender, recipients, *delivered in mails:
        found.feed(sender, [recipients], list(delivered))
    return found


def test_the_address_that_sends_and_is_written_to_owns_the_mailbox() -> None:
    found = mailbox(
        (ME, ADA), (ADA, f"Me <{ME.upper()}>"), (BOB, f"x@example.org, {ME}"), ("list@example.org", "talk@example.org")
    )
    assert found.inferred() == ME
    assert found.candidates()[0] == (ME, 0.75)


def test_an_address_that_never_sends_owns_nothing() -> None:
    assert mailbox((ADA, ME), (BOB, ME)).inferred() is None


def test_below_sixty_percent_nobody_owns_the_mailbox() -> None:
    assert mailbox((ME, ADA), (BOB, "x@example.org"), ("y@example.org", "z@example.org")).inferred() is None


def test_of_two_the_one_known_elsewhere_owns_it_else_the_one_it_was_delivered_to_else_nobody() -> None:
    letters = ((ME, ADA), (ADA, ME))
    assert mailbox(*letters).inferred() is None
    assert mailbox(*letters).inferred(frozenset({"Me@example.com"})) == ME
    assert mailbox((ME, ADA), (ADA, ME, ME)).inferred() == ME
    assert mailbox((ME, ADA, ADA), (ADA, ME, ME)).inferred() is None


def test_a_folder_of_one_friends_letters_is_not_the_friends_mailbox() -> None:
    assert mailbox((ADA, ME, ME), (ADA, ME, ME)).inferred() is None


def test_an_address_counts_once_a_mail() -> None:
    assert mailbox((ME, f"{ME}, {ME}", ME)).candidates() == ((ME, 1.0),)


def test_an_empty_mailbox_is_nobodys() -> None:
    assert (mailbox().inferred(), mailbox().candidates()) == (None, ())
