"""IMAP at servers that can do little, lie, break off, or say what no server should: nothing is lost, deleted or believed by it."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from providers import imap
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.imap import Imap
from providers.imap4 import connection as wire
from providers.imap4 import mirror as mirroring
from providers.imap4.syntax import response, values
from providers.imap4.uid_set import UidSet
from providers.records import Message, Unreadable
from providers.session import Secret
from tests.mail_servers import mail
from tests.providers.conftest import NOON, HandClock, OpenCredentials, SessionMaker
from tests.providers.contract import Mirror
from tests.providers.imap_fake import BARE, GMAIL, PASSWORD, PLAIN, TOKEN, USER, Fake, Tamper, faked

Open = Callable[..., Imap]
QRESYNC = (*PLAIN, "CONDSTORE", "QRESYNC", "LIST-STATUS")


@pytest.fixture
def opened(new_session: SessionMaker) -> Open:
    def open_(fake: Fake, **more: Any) -> Imap:
        more.setdefault("secret", Secret(username=USER, password=PASSWORD))
        more.setdefault("user_id", USER)
        return Imap(new_session(more.pop("base_url", fake.url), provider="imap", **more))

    return open_


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "FIRST_WINDOW", 5)
    monkeypatch.setattr(mirroring, "WINDOW", 10)
    monkeypatch.setattr(mirroring, "PAGE", 4)


def filled(*can: str, count: int = 23) -> Fake:
    fake = Fake(*can, folders=("INBOX", "Lists", "Sent"))
    for number in range(count):
        fake.deliver(mail(f"m {number}"), ("INBOX", "Lists")[number % 4 == 3])
    return fake


def subjects(mirror: Mirror) -> list[str]:
    return sorted(message.subject for message in mirror.contacts.values())


def truth(fake: Fake) -> list[str]:
    """The subjects that the server holds."""
    return sorted(
        held.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
        for folder in fake.folders.values()
        for held in folder.mails.values()
    )


# --- signing in -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "can",
    [
        BARE, ("IMAP4rev1", "AUTH=PLAIN"), ("IMAP4rev1", "AUTH=PLAIN", "SASL-IR"), ("IMAP4rev1", "LOGINDISABLED", "AUTH=LOGIN"),
        ("IMAP4rev2", "AUTH=PLAIN"),
    ],
    ids=["LOGIN", "PLAIN", "PLAIN at once", "AUTH=LOGIN", "rev2"],
)  # fmt: skip
async def test_a_password_is_given_in_the_way_that_the_server_takes(opened: Open, can: tuple[str, ...]) -> None:
    async with faked(Fake(*can)) as fake:
        assert (await opened(fake).profile()).user_id == USER
        with pytest.raises(ReauthRequired):
            await opened(fake, secret=Secret(username=USER, password="wrong")).profile()


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("early", [True, False], ids=["at once", "when asked"])
async def test_a_token_signs_in_and_a_refused_one_is_renewed_once(opened: Open, mechanism: str, early: bool) -> None:
    async with faked(Fake("IMAP4rev1", f"AUTH={mechanism}", *(["SASL-IR"] if early else []))) as fake:
        assert (await opened(fake, secret=Secret(username=USER, access_token=TOKEN)).profile()).label == USER
        old = Secret(username=USER, access_token="old", refresh_token="r")
        held = OpenCredentials(old, Secret(username=USER, access_token=TOKEN, refresh_token="r"))
        assert (await opened(fake, credentials=held).profile()).label == USER
        assert held.refreshes == 1
        with pytest.raises(ReauthRequired):
            await opened(fake, secret=Secret(username=USER, access_token="gone")).profile()


async def test_a_server_that_takes_no_token_says_what_to_do(opened: Open) -> None:
    async with faked(Fake()) as fake:
        with pytest.raises(Refused, match="app password"):
            await opened(fake, secret=Secret(username=USER, access_token=TOKEN)).profile()


async def test_an_encryption_that_is_not_offered_is_never_done_without(opened: Open) -> None:
    async with faked(Fake()) as fake:
        with pytest.raises(Refused, match="no encryption"):
            await opened(fake, base_url=f"imap://127.0.0.1:{fake.port}").profile()
        assert [words for words in fake.seen if words != "LOGOUT"] == ["CAPABILITY"]  # no password left


@pytest.mark.parametrize("greeting", [b"* PREAUTH welcome\r\n", b"* OK ready\r\n"], ids=["signed in already", "injected"])
async def test_words_said_before_tls_are_not_taken_for_words_under_it(opened: Open, greeting: bytes) -> None:
    fake = Fake(*PLAIN, "STARTTLS")
    fake.greeting, fake.after_starttls = greeting, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nk3 OK welcome\r\n"
    async with faked(fake):
        with pytest.raises((Malformed, Unavailable)):
            await opened(fake, base_url=f"imap://127.0.0.1:{fake.port}").profile()
        assert not any("AUTHENTICATE" in words or "LOGIN" in words for words in fake.seen)


async def test_a_refusal_without_a_reason_is_tried_once_more_before_somebody_is_asked(opened: Open, clock: HandClock) -> None:
    fake = Fake()
    fake.refused = b"Login failed."
    async with faked(fake):
        with pytest.raises(ReauthRequired):
            await Mirror().follow(opened(fake, secret=Secret(username=USER, password="wrong")))
        assert sum("AUTHENTICATE" in words for words in fake.seen) == 2
        assert clock.slept == [90.0]


@pytest.mark.parametrize(
    ("said", "error", "pause"),
    [
        (b"* BYE Too many simultaneous connections\r\n", RateLimited, timedelta(minutes=1)),
        (b"* BYE [UNAVAILABLE] maintenance\r\n", Unavailable, None),
        (b"* NO what\r\n", Refused, None),
        (b"220 mx.example.org ESMTP\r\n", Malformed, None),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Malformed, None),
        (b"\x15\x03\x01\x00\x02\x02\x50\r\n", Malformed, None),
    ],
)  # fmt: skip
async def test_what_does_not_greet_is_told_apart(
    opened: Open, said: bytes, error: type[ProviderError], pause: timedelta | None
) -> None:
    fake = Fake()
    fake.greeting = said
    async with faked(fake):
        with pytest.raises(error) as refusal:
            await opened(fake).profile()
        assert refusal.value.retry_at == (None if pause is None else NOON + pause)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"TAG NO [AUTHENTICATIONFAILED] bad\r\n", ReauthRequired),
        (b"TAG NO [WEBALERT https://accounts.example.com/go] Please sign in in a browser\r\n", ReauthRequired),
        (b"TAG NO [UNAVAILABLE] back end\r\n", Unavailable),
        (b"TAG NO [LIMIT] too much\r\n", RateLimited),
        (b"TAG NO [ALERT] Account exceeded bandwidth limits\r\n", RateLimited),
        (b"TAG NO [INUSE] busy\r\n", Unavailable),
    ],
)  # fmt: skip
async def test_a_refused_sign_in_means_what_the_server_says(opened: Open, said: bytes, error: type[ProviderError]) -> None:
    fake = Fake()
    fake.tamper = lambda words, answer: said if words.startswith("AUTHENTICATE") else answer
    async with faked(fake):
        with pytest.raises(error) as refusal:
            await opened(fake).profile()
        assert ("https://accounts.example.com/go" in refusal.value.message) == (b"WEBALERT" in said)


# --- servers that can do little -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "can",
    [BARE, PLAIN, (*PLAIN, "CONDSTORE"), QRESYNC, ("IMAP4rev2", "AUTH=PLAIN", "LIST-STATUS", "ESEARCH")],
    ids=lambda can: can[-1],
)
async def test_a_mailbox_is_kept_in_step_with_whatever_the_server_can(opened: Open, can: tuple[str, ...]) -> None:
    async with faked(filled(*can)) as fake:
        mirror = await Mirror().follow(opened(fake))
        assert subjects(mirror) == truth(fake)
        fake.flag(1, "\\Seen", "\\Flagged")
        fake.remove(2)
        moved = fake.remove(3)
        fake.folders["Lists"].modseq += 1
        fake.deliver(moved.content, "Lists")
        fake.deliver(mail("new"))
        fake.seen.clear()
        await mirror.follow(opened(fake))
        assert subjects(mirror) == truth(fake)
        flags = {m.subject: (m.unread, m.flagged) for m in mirror.contacts.values()}
        assert flags["m 0"] == (False, True)
        assert sum("BODY.PEEK[]" in words for words in fake.seen) == 2  # the news of two folders, not the mailbox again


async def test_without_condstore_flags_of_old_mail_arrive_in_turn(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "SWEEP", 5)
    async with faked(filled(*PLAIN, count=40)) as fake:
        mirror = await Mirror().follow(opened(fake))
        fake.flag(2, "\\Seen")
        for _ in range(12):
            await mirror.follow(opened(fake))
        assert next(m.unread for m in mirror.contacts.values() if m.subject == "m 1") is False


async def test_a_server_that_offers_qresync_and_does_not_enable_it_is_compared_by_lists(opened: Open) -> None:
    fake = filled(*QRESYNC)
    fake.tells_enabled = False  # iCloud
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        fake.remove(5)
        fake.seen.clear()
        await mirror.follow(opened(fake))
        assert subjects(mirror) == truth(fake)
        assert not any("VANISHED" in words for words in fake.seen)


async def test_a_server_that_tells_too_little_of_what_vanished_is_not_believed(opened: Open) -> None:
    async with faked(filled(*QRESYNC)) as fake:
        mirror = await Mirror().follow(opened(fake))
        fake.remove(5)
        fake.folders["INBOX"].vanished.clear()
        await mirror.follow(opened(fake))
        assert subjects(mirror) == truth(fake)


async def test_a_server_that_says_that_everything_vanished_deletes_nothing_that_is_there(opened: Open) -> None:
    fake = filled(*QRESYNC, count=120)
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        fake.flag(1, "\\Seen")
        fake.tamper = lambda words, answer: b"* VANISHED (EARLIER) 1:4000\r\n" + answer if "VANISHED" in words else answer
        await mirror.follow(opened(fake))
        assert mirror.deleted == []
        assert subjects(mirror) == truth(fake)


async def test_a_folder_that_is_suddenly_empty_in_one_session_is_looked_at_in_another(opened: Open) -> None:
    fake = filled(*PLAIN, count=120)
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        fake.deliver(mail("new"))
        connections = fake.connections

        def lie(words: str, answer: bytes) -> bytes:
            if fake.connections > connections + 1 or "ALL" not in words:
                return answer
            return b'* ESEARCH (TAG "x") UID ALL 100\r\nTAG OK\r\n'

        fake.tamper = lambda words, answer: lie(words, answer.replace(b"* 91 EXISTS", b"* 1 EXISTS"))
        await mirror.follow(opened(fake))
        fake.tamper = None
        await mirror.follow(opened(fake))
        assert mirror.deleted == []
        assert subjects(mirror) == truth(fake)


async def test_a_host_that_shows_only_the_latest_messages_deletes_none_of_those_before(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "VISIBLE", {"127.0.0.1": 20})
    fake = Fake(*PLAIN)
    fake.folders["INBOX"].shown = 20
    for number in range(20):
        fake.deliver(mail(f"m {number}"))
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        for number in range(20, 35):
            fake.deliver(mail(f"m {number}"))
        await mirror.follow(opened(fake))
        assert mirror.deleted == []
        assert subjects(mirror) == truth(fake)
        statements = [statement async for statement in opened(fake).listing()]
        assert [s.keys for s in statements] == [None]  # what is not shown is not said to be gone


async def test_a_host_that_counts_more_than_it_shows_says_so_in_the_ledger(opened: Open) -> None:
    fake = Fake(*PLAIN)
    fake.folders["INBOX"].shown, fake.counts_hidden = 20, True
    for number in range(50):
        fake.deliver(mail(f"m {number}"))
    async with faked(fake):
        pages = [page async for page in opened(fake).pages(None)]
        assert sum(len(page.rows) for page in pages) == 20
        assert [s.expected for page in pages for s in page.statements] == [50]


async def test_a_message_that_is_listed_and_not_handed_over_is_named_and_stops_no_other(opened: Open) -> None:
    def drop(answer: bytes) -> bytes:
        start = answer.find(b"* 7 FETCH")
        end = answer.find(b"* 8 FETCH", start)
        return answer[:start] + answer[end if end > 0 else answer.rfind(b"TAG OK") :] if start >= 0 else answer

    fake = Fake(*PLAIN)
    for number in range(12):
        fake.deliver(mail(f"m {number}"))
    fake.tamper = lambda words, answer: drop(answer) if words.startswith("UID FETCH") else answer
    async with faked(fake):
        found = [row.item for page in [p async for p in opened(fake).pages(None)] for row in page.rows]
        assert len([one for one in found if isinstance(one, Message)]) == 11
        (bad,) = [one for one in found if isinstance(one, Unreadable)]
        assert "does not hand it over" in bad.message
        assert bad.container == "INBOX"


async def test_a_folder_that_cannot_be_opened_stops_no_other(opened: Open) -> None:
    fake = filled(*PLAIN)
    fake.tamper = lambda words, answer: b"TAG NO [NOPERM] not yours\r\n" if words.startswith('EXAMINE "Lists"') else answer
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        assert mirror.done
        assert {m.container for m in mirror.contacts.values()} == {"INBOX"}
        assert mirror.stated["Lists"].expected == 5  # the ledger shows what is missing
        told = [row.item for page in [p async for p in opened(fake).pages(mirror.cursor)] for row in page.rows]
        assert [(one.key, one.reason) for one in told if isinstance(one, Unreadable)] == [("Lists", "FORBIDDEN")]
        fake.tamper = None
        await mirror.follow(opened(fake))
        assert subjects(mirror) == truth(fake)


async def test_folders_that_show_messages_of_others_again_are_left_out(opened: Open) -> None:
    fake = Fake(*PLAIN, "SPECIAL-USE", folders=("INBOX", "Everything", "Starred", "Gone"))
    fake.folders["Everything"].attributes = "\\All"
    fake.folders["Starred"].attributes = "\\Flagged"
    fake.folders["Gone"].attributes = "\\Noselect"
    for name in fake.folders:
        fake.deliver(mail("m"), name)
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        assert [m.container for m in mirror.contacts.values()] == ["INBOX"]


@pytest.mark.parametrize("can", [PLAIN, QRESYNC], ids=["plain", "qresync"])
async def test_messages_that_are_numbered_anew_are_read_anew_once(opened: Open, can: tuple[str, ...]) -> None:
    async with faked(filled(*can)) as fake:
        mirror = await Mirror().follow(opened(fake))
        before = set(mirror.contacts)
        fake.renumber()
        await mirror.follow(opened(fake))
        assert subjects(mirror) == truth(fake)
        assert len(set(mirror.contacts) - before) == len(fake.folders["INBOX"].mails)
        mirror.rows = 0
        await mirror.follow(opened(fake))
        assert mirror.rows == 0


async def test_gmail_is_read_by_all_mail_with_its_threads_and_labels(opened: Open) -> None:
    fake = Fake(*GMAIL, folders=("INBOX", "[Gmail]/Alle Nachrichten", "[Gmail]/Spam", "[Gmail]/Papierkorb", "Reise"))
    fake.folders["[Gmail]/Alle Nachrichten"].attributes = "\\All"
    fake.folders["[Gmail]/Spam"].attributes = "\\Junk"
    fake.folders["[Gmail]/Papierkorb"].attributes = "\\Trash"
    everything = "[Gmail]/Alle Nachrichten"
    fake.deliver(mail("one"), everything, labels=('"\\\\Inbox"', "Reise", '"Caf&AOk-"'), thread="1278455344230334865")
    fake.deliver(mail("one"), "INBOX")
    fake.deliver(mail("spam"), "[Gmail]/Spam")
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        assert subjects(mirror) == ["one", "spam"]
        message = next(m for m in mirror.contacts.values() if m.subject == "one")
        assert message.conversation_key == "1278455344230334865"
        assert message.labels == ("\\Inbox", "Reise", "Café")
        held = fake.folders[everything].mails[1]
        held.labels = ("Reise",)
        fake.flag(1, "\\Seen", folder=everything)
        await mirror.follow(opened(fake))
        assert next(m.labels for m in mirror.contacts.values() if m.subject == "one") == ("Reise",)


async def test_a_server_that_cannot_push_says_so(opened: Open) -> None:
    async with faked(Fake()) as fake:
        with pytest.raises(Refused) as refusal:
            await anext(opened(fake).watch())
        assert refusal.value.provider_code == "no-push"


# --- lines that break, answers that are none ------------------------------------------------------------------------------

FAULTS: dict[str, Tamper] = {
    "cut": lambda words, answer: None,
    "bye": lambda words, answer: b"* BYE shutting down\r\n",
    "no": lambda words, answer: b"TAG NO not now\r\n",
    "unavailable": lambda words, answer: b"TAG NO [UNAVAILABLE] later\r\n",
    "bad": lambda words, answer: b"TAG BAD what\r\n",
    "empty": lambda words, answer: b"TAG OK\r\n",
    "another tag": lambda words, answer: answer.replace(b"TAG OK", b"x9 OK"),
    "rubbish": lambda words, answer: bytes(range(14, 256)) + b"\r\n" + answer,
    "no imap": lambda words, answer: b"HTTP/1.1 200 OK\r\n\r\n",
    "unclosed": lambda words, answer: b"* 1 FETCH (((UID 1\r\n" + answer,
    "quote": lambda words, answer: b'* LIST () "/" "abc\r\n' + answer,
    "zero": lambda words, answer: b"* 0 FETCH (UID 0 FLAGS ())\r\n* SEARCH 0\r\n" + answer,
    "others' data": lambda words, answer: b"* 3 EXPUNGE\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 9999 EXISTS\r\n" + answer,
    "huge literal": lambda words, answer: b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n",
    "deep": lambda words, answer: b"* 1 FETCH " + b"(" * 100_000 + b"\r\n",
}  # fmt: skip


def different(seen: list[str]) -> list[int]:
    """The positions of commands worth breaking: the first of each kind."""
    kinds: dict[str, int] = {}
    for n, words in enumerate(seen):
        kinds.setdefault(" ".join(words.split(" ")[:2] if words.startswith("UID") else words.split(" ")[:1]), n)
    return [n for words, n in kinds.items() if words != "LOGOUT"]


@pytest.mark.parametrize("can", [PLAIN, QRESYNC], ids=["plain", "qresync"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bad_answer_loses_nothing_and_deletes_nothing(
    opened: Open, clock: HandClock, fault: str, can: tuple[str, ...]
) -> None:
    """Each command in turn goes wrong, in a first run and in a later one: the run ends in a named error or goes on, and the
    next one makes it good.
    """
    async with faked(filled(*can)) as fake:
        whole = await Mirror().follow(opened(fake))
        first = different(fake.seen)
        before = {key: m.subject for key, m in whole.contacts.items()}
        fake.flag(1, "\\Seen")
        removed = fake.remove(2).content.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
        fake.deliver(mail("new"))
        fake.seen.clear()
        probe = Mirror()
        probe.contacts, probe.cursor = dict(whole.contacts), whole.cursor
        await probe.follow(opened(fake))
        later = different(fake.seen)
        for bad, cursor in [*((n, None) for n in first), *((n, whole.cursor) for n in later)]:
            mirror = Mirror()
            mirror.contacts, mirror.cursor = (dict(whole.contacts), cursor) if cursor else ({}, None)
            fake.seen.clear()
            tamper = FAULTS[fault]
            counter = itertools.count()
            fake.tamper = lambda words, answer, bad=bad, c=counter, t=tamper: t(words, answer) if next(c) == bad else answer
            with contextlib.suppress(ProviderError):
                await mirror.follow(opened(fake))
            fake.tamper = None
            lost = {before[key] for key in mirror.deleted if key in before}
            assert lost <= {removed}, f"command {bad} of {fake.seen[:20]}"
            clock.time += timedelta(days=2)
            for _ in range(3):
                await mirror.follow(opened(fake))
            await mirror.verify(opened(fake))
            assert subjects(mirror) == truth(fake), f"command {bad}"


@pytest.mark.parametrize("can", [PLAIN, QRESYNC], ids=["plain", "qresync"])
async def test_a_line_that_is_cut_again_and_again_is_taken_up_where_it_was(opened: Open, can: tuple[str, ...]) -> None:
    fake = filled(*can, count=60)
    dice = random.Random(4)

    def cut(words: str, answer: bytes) -> bytes | None:
        if words.startswith("UID FETCH") and dice.random() < 0.25:
            return answer[: len(answer) // 2].rpartition(b"* ")[0] + b"* BYE\r\n"
        return answer

    fake.tamper = cut
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        assert subjects(mirror) == truth(fake)
        assert fake.connections > 3
        assert mirror.deleted == []


async def test_answers_in_pieces_of_a_byte_are_put_together(opened: Open) -> None:
    fake = filled(*PLAIN, count=3)
    fake.piece = 1
    async with faked(fake):
        assert subjects(await Mirror().follow(opened(fake))) == truth(fake)


async def test_a_literal_that_is_larger_than_asked_for_is_not_kept(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_LITERAL", 4_000_000)
    fake = Fake(*PLAIN)
    fake.deliver(mail("large", text="x" * 3_000_000))
    fake.tamper = lambda words, answer: answer
    async with faked(fake):
        mirror = await Mirror().follow(opened(fake))
        (message,) = mirror.contacts.values()
        assert message.subject == "large"


@pytest.mark.parametrize(
    "line",
    [b"* " + b"[" * 200_000, b"* OK [" * 50_000, b"* LIST (" + b'"\\' * 100_000, b"* SEARCH " + b"1 " * 400_000, b"* 1 FETCH (" + b"a[" * 100_000],
)  # fmt: skip
def test_no_line_takes_long_to_read(line: bytes) -> None:
    with contextlib.suppress(Malformed):
        response([line])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'(\\Seen) "a b" NIL {3}', None),
        (b'("a" ("b" NIL) c) d', [[b"a", [b"b", None], "c"], "d"]),
        (b"BODY[HEADER.FIELDS (DATE FROM)]<0> x", ["BODY[HEADER.FIELDS (DATE FROM)]<0>", "x"]),
        (rb'"a\"b\\c"', [b'a"b\\c']),
    ],
)  # fmt: skip
def test_values_are_read_as_the_grammar_says(text: bytes, expected: list[object] | None) -> None:
    if expected is not None:
        assert values([text]) == expected


def test_sets_of_uids_are_what_sets_are() -> None:
    dice = random.Random(7)
    for _ in range(300):
        one, other = ({dice.randint(1, 60) for _ in range(dice.randint(0, 40))} for _ in "ab")
        a, b = UidSet.of(one), UidSet.of(other)
        assert set(a | b) == one | other
        assert set(a & b) == one & other
        assert set(a - b) == one - other
        assert len(a) == len(one)
        assert UidSet.unpack(a.pack()) == a
        assert not a or UidSet.read(a.text()) == a
        assert set(a.newest(5)) == set(sorted(one)[-5:])
        assert set(a.oldest(5)) == set(sorted(one)[:5])
