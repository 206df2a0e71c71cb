"""IMAP at real servers: Dovecot (QRESYNC, NOTIFY) and Cyrus (OBJECTID), driven by another mail program beside the adapter."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from providers import imap
from providers.addresses import Guard
from providers.errors import CursorExpired, ForbiddenAddress, ReauthRequired, Refused, Unavailable
from providers.http import Transport
from providers.imap import Imap
from providers.imap4 import mirror as mirroring
from providers.records import Gone, Message, MessageState, Row, Voided
from providers.session import Secret
from tests.mail_servers import PASSWORD, Mailbox, MailServer, mail
from tests.patience import PATIENCE
from tests.providers.conftest import SessionMaker
from tests.providers.contract import Mirror

Open = Callable[..., Imap]


@dataclass
class Account:
    """One user at a server, with another mail program signed in beside us."""

    server: MailServer
    user: str
    box: Mailbox
    base_url: str

    def deliver(self, subject: str, **more: Any) -> None:
        """By LMTP, as the world does."""
        self.server.deliver(mail(subject, **more), self.user)


@pytest.fixture(params=["dovecot", "cyrus"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    server: MailServer = request.getfixturevalue(f"{request.param}_server")
    user = server.new_user()
    with server.mailbox(user) as box:
        yield Account(server, user, box, f"imap-plain://127.0.0.1:{server.port}")


@pytest.fixture
def dovecot(dovecot_server: MailServer) -> Iterator[Account]:
    user = dovecot_server.new_user()
    with dovecot_server.mailbox(user) as box:
        yield Account(dovecot_server, user, box, f"imap-plain://127.0.0.1:{dovecot_server.port}")


@pytest.fixture
def opened(new_session: SessionMaker) -> Open:
    """Opens an account: `opened(account, base_url=…, secret=…, …)`."""

    def open_(account: Account, **more: Any) -> Imap:
        secret = more.pop("secret", None) or Secret(username=account.user, password=PASSWORD)
        more.setdefault("user_id", account.user)
        session = new_session(more.pop("base_url", account.base_url), provider="imap", secret=secret, **more)
        return Imap(session)

    return open_


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several windows and pages where a real mailbox has hundreds of them."""
    monkeypatch.setattr(mirroring, "FIRST_WINDOW", 5)
    monkeypatch.setattr(mirroring, "WINDOW", 10)
    monkeypatch.setattr(mirroring, "PAGE", 4)


def subjects(mirror: Mirror, container: str | None = None) -> list[str]:
    return sorted(m.subject for m in mirror.contacts.values() if container is None or m.container == container)


async def rows(adapter: Imap, cursor: bytes | None) -> tuple[list[Row], bytes]:
    """What one run hands over, and its last cursor."""
    found: list[Row] = []
    async with aclosing(adapter.pages(cursor)) as pages:
        async for page in pages:
            found += page.rows
            cursor = page.cursor
    assert cursor is not None
    return found, cursor


# --- everything, once, newest first ---------------------------------------------------------------------------------------


async def test_a_whole_mailbox_arrives_once_with_folders_flags_and_what_the_server_states(account: Account, opened: Open) -> None:
    account.box.create("Projects")
    account.box.create("Projects/Kith & Kin".replace("&", "&-"))
    for number in range(23):
        account.box.append("INBOX", mail(f"inbox {number}"), "\\Seen" if number % 2 else "")
    account.box.append("Sent", mail("sent", sender=f"Ada <{account.user}>", to="bob@example.com"), "\\Seen \\Answered")
    account.box.append("Drafts", mail("draft"))
    account.box.append("Junk", mail("junk"))
    account.box.append("Projects/Kith &- Kin", mail("deep"), "\\Flagged urgent")
    pages = [page async for page in opened(account).pages(None)]
    found = [row.item for page in pages for row in page.rows]
    messages = {m.subject: m for m in found if isinstance(m, Message)}
    assert len(found) == len(messages) == 27
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
    assert {m.container for m in messages.values()} == {"INBOX", "Sent", "Drafts", "Junk", "Projects/Kith & Kin"}
    assert (messages["inbox 0"].unread, messages["inbox 1"].unread) == (True, False)
    assert messages["sent"].answered and messages["draft"].draft and messages["deep"].flagged
    assert "urgent" in messages["deep"].labels
    assert messages["junk"].category == "SPAM"
    stated = {s.container: s.expected for page in pages for s in page.statements}
    assert {name: n for name, n in stated.items() if n} == {
        "INBOX": 23, "Sent": 1, "Drafts": 1, "Junk": 1, "Projects/Kith & Kin": 1,
    }  # fmt: skip


async def test_the_latest_messages_of_every_folder_come_before_the_rest(dovecot: Account, opened: Open) -> None:
    dovecot.box.create("Lists")
    for number in range(30):
        dovecot.box.append("INBOX", mail(f"inbox {number}"), at=datetime(2026, 1, 1 + number % 28, tzinfo=UTC))
        dovecot.box.append("Lists", mail(f"list {number}"), at=datetime(2025, 1, 1 + number % 28, tzinfo=UTC))
    found, _ = await rows(opened(dovecot), None)
    order = [cast(Message, row.item).subject or "" for row in found]
    first = {subject.partition(" ")[0] for subject in order[:10]}
    assert first == {"inbox", "list"}
    assert set(order[:10]) == {f"{name} {n}" for name in ("inbox", "list") for n in range(25, 30)}
    assert all(subject.startswith("inbox") for subject in order[10:35])  # a year later than any of the list


async def test_a_run_is_taken_up_after_every_page_and_loses_nothing(account: Account, opened: Open) -> None:
    account.box.fill("INBOX", (mail(f"m {number}") for number in range(33)))
    mirror = Mirror()
    for _ in range(60):
        await mirror.follow(opened(account), pages=1)
        if mirror.done:
            break
    assert mirror.done
    assert subjects(mirror) == sorted(f"m {number}" for number in range(33))
    assert mirror.deleted == []
    assert mirror.rows == 33


async def test_a_second_run_over_an_unchanged_mailbox_has_nothing_to_tell(account: Account, opened: Open) -> None:
    account.box.fill("INBOX", (mail(f"m {number}") for number in range(12)))
    _, cursor = await rows(opened(account), None)
    found, again = await rows(opened(account), cursor)
    assert found == []
    assert again == cursor


async def test_an_empty_mailbox_is_a_whole_run(account: Account, opened: Open) -> None:
    mirror = await Mirror().follow(opened(account))
    assert mirror.done
    assert mirror.contacts == {}


@pytest.mark.parametrize("cursor", [b"", b"\x00\xff", b"[]", b"{", b"\x80", b"\x84", b"\xdd\xff\xff\xff\xff", b"[" * 100_000])
async def test_a_cursor_that_is_none_of_ours_is_expired(dovecot: Account, opened: Open, cursor: bytes) -> None:
    with pytest.raises(CursorExpired):
        await rows(opened(dovecot), cursor)


# --- changes --------------------------------------------------------------------------------------------------------------


async def test_flags_arrivals_moves_and_removals_arrive_alone(account: Account, opened: Open) -> None:
    account.box.create("Kept")
    account.box.fill("INBOX", (mail(f"m {number}") for number in range(20)))
    mirror = await Mirror().follow(opened(account))
    uids = account.box.uids("INBOX")
    account.box.flag("INBOX", uids[:1], "\\Seen \\Flagged")
    account.box.move("INBOX", uids[1:2], "Kept")
    account.box.expunge("INBOX", uids[2:3])
    account.deliver("new")
    found, mirror.cursor = await rows(opened(account), mirror.cursor)
    told = [type(row.item) for row in found]
    assert sorted(kind.__name__ for kind in told) == ["Gone", "Gone", "Message", "Message", "MessageState"]
    assert told.index(Message) < told.index(Gone)  # what has moved is there before it is gone
    for row in found:
        mirror._take(row)
    assert subjects(mirror, "INBOX") == sorted([*(f"m {n}" for n in range(20) if n not in (1, 2)), "new"])
    assert subjects(mirror, "Kept") == ["m 1"]
    changed = next(row.item for row in found if isinstance(row.item, MessageState))
    assert (changed.unread, changed.flagged) == (False, True)


async def test_what_is_marked_as_deleted_is_gone_and_comes_back_when_the_mark_is_taken_off(
    account: Account, opened: Open
) -> None:
    account.box.fill("INBOX", (mail(f"m {number}") for number in range(4)))
    mirror = await Mirror().follow(opened(account))
    uid = account.box.uids("INBOX")[0]
    account.box.flag("INBOX", [uid], "\\Deleted")
    await mirror.follow(opened(account))
    assert subjects(mirror) == ["m 1", "m 2", "m 3"]
    account.box.flag("INBOX", [uid], "\\Deleted", off=True)
    await mirror.follow(opened(account))
    assert subjects(mirror) == ["m 0", "m 1", "m 2", "m 3"]
    assert mirror.stated["INBOX"].expected == 4


async def test_a_renamed_folder_keeps_its_messages(account: Account, opened: Open) -> None:
    account.box.create("Old")
    account.box.fill("Old", (mail(f"m {number}") for number in range(7)))
    mirror = await Mirror().follow(opened(account))
    account.box.rename("Old", "New")
    await mirror.follow(opened(account))
    assert subjects(mirror, "New") == [f"m {number}" for number in range(7)]
    assert subjects(mirror, "Old") == []
    assert len(mirror.contacts) == 7


async def test_a_folder_made_anew_under_its_old_name_is_read_anew_and_its_old_numbers_are_void(
    account: Account, opened: Open
) -> None:
    account.box.create("Lists")
    account.box.fill("Lists", (mail(f"old {number}") for number in range(9)))
    mirror = await Mirror().follow(opened(account))
    account.box.delete("Lists")
    account.box.create("Lists")
    account.box.fill("Lists", (mail(f"old {number}") for number in range(3)))
    account.box.append("Lists", mail("new"))
    found, _ = await rows(opened(account), mirror.cursor)
    kinds = [type(row.item) for row in found]
    assert kinds.count(Message) == 4
    assert kinds.index(Message) < kinds.index(Voided)  # the new numbers come first: no message seems gone meanwhile
    for row in found:
        mirror._take(row)
    assert subjects(mirror, "Lists") == ["new", "old 0", "old 1", "old 2"]


async def test_a_deleted_folder_takes_its_messages_along(account: Account, opened: Open) -> None:
    account.box.create("Lists")
    account.box.fill("Lists", (mail(f"m {number}") for number in range(5)))
    account.box.append("INBOX", mail("stays"))
    mirror = await Mirror().follow(opened(account))
    account.box.delete("Lists")
    await mirror.follow(opened(account))
    assert subjects(mirror) == ["stays"]


async def test_many_messages_removed_at_once_are_believed_after_a_second_look(account: Account, opened: Open) -> None:
    account.box.fill("INBOX", (mail(f"m {number}") for number in range(80)))
    mirror = await Mirror().follow(opened(account))
    account.box.expunge("INBOX", account.box.uids("INBOX")[:70])
    await mirror.follow(opened(account))
    assert len(mirror.contacts) == 10


async def test_what_is_missing_is_fetched_again_by_its_keys(account: Account, opened: Open) -> None:
    account.box.fill("INBOX", (mail(f"m {number}") for number in range(15)))
    mirror = await Mirror().follow(opened(account))
    lost = sorted(mirror.contacts)[3:7]
    before = {key: mirror.contacts.pop(key) for key in lost}
    await mirror.verify(opened(account))
    assert {key: mirror.contacts[key] for key in lost} == before
    assert len(mirror.contacts) == 15


async def test_threads_of_the_server_are_known_where_it_tells_them(account: Account, opened: Open) -> None:
    account.box.append("INBOX", mail("Question", message_id="one@example.com"))
    account.box.append("INBOX", mail("Re: Question", headers="In-Reply-To: <one@example.com>\r\n"))
    mirror = await Mirror().follow(opened(account))
    keys = {m.conversation_key for m in mirror.contacts.values()}
    assert len(keys) == 1
    assert (keys != {None}) == (account.server.certificate is None)  # Cyrus has OBJECTID, Dovecot has not


# --- hints ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["INBOX", "Lists"])
async def test_news_of_any_folder_is_hinted_at_once(dovecot: Account, opened: Open, folder: str) -> None:
    dovecot.box.create("Lists")
    async with aclosing(opened(dovecot).watch()) as hints, asyncio.timeout(PATIENCE):
        await anext(hints)  # the line stands
        await asyncio.to_thread(dovecot.box.append, folder, mail("new"))
        await anext(hints)


async def test_a_server_with_idle_alone_hints_at_the_inbox(account: Account, opened: Open) -> None:
    async with aclosing(opened(account).watch()) as hints, asyncio.timeout(PATIENCE):
        await anext(hints)
        await asyncio.to_thread(account.deliver, "new")
        await anext(hints)


# --- large messages and parts ---------------------------------------------------------------------------------------------


def with_file(name: str, size: int, *, boundary: str = "=-x") -> tuple[bytes, bytes]:
    """A mail with a text and a file, and the file."""
    data = bytes(n * 7 % 251 for n in range(size))
    head = mail(name, headers="", text="").split(b"MIME-Version")[0]
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    body = (
        f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; '
        f"charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSee the file, J=C3=B6rg.\r\n--{boundary}\r\n"
        'Content-Type: application/pdf; name="plan.pdf"\r\nContent-Disposition: attachment; filename="plan.pdf"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head + body.encode() + encoded + f"--{boundary}--\r\n".encode(), data


@pytest.mark.parametrize("size", [3_000, 900_000], ids=["small", "large"])
async def test_a_mail_with_a_file_gives_its_text_at_once_and_the_file_when_it_is_opened(
    account: Account, opened: Open, size: int
) -> None:
    whole, data = with_file("plans", size)
    account.box.append("INBOX", whole)
    message: Message = next(iter((await Mirror().follow(opened(account))).contacts.values()))
    assert message.text.strip() == "See the file, Jörg."
    (file,) = message.attachments
    assert (file.name, file.media_type) == ("plan.pdf", "application/pdf")
    assert file.size is not None
    assert abs(file.size - size) < 100
    assert b"".join([piece async for piece in await opened(account).part(message.key, file.part)]) == data
    assert b"".join([piece async for piece in await opened(account).raw(message.key)]) == account.box.body("INBOX", 1)


async def test_a_file_of_a_message_that_is_gone_is_refused_in_words(account: Account, opened: Open) -> None:
    account.box.append("INBOX", with_file("plans", 100)[0])
    (key,) = (await Mirror().follow(opened(account))).contacts
    account.box.expunge("INBOX", [1])
    with pytest.raises(Refused, match="no longer where it was"):
        await opened(account).part(key, "2")
    for part in ("", "9", "../1", "1 BODY[]", "2.2.2"):
        with pytest.raises(Refused):
            await opened(account).part(key, part)


# --- signing in -----------------------------------------------------------------------------------------------------------


async def test_the_profile_is_the_address_and_the_server(account: Account, opened: Open) -> None:
    profile = await opened(account).profile()
    assert (profile.user_id, profile.label, profile.base_url) == (account.user, account.user, account.base_url)
    assert [own.value for own in profile.own_addresses] == [account.user]


async def test_a_wrong_password_asks_for_a_new_sign_in(account: Account, opened: Open) -> None:
    with pytest.raises(ReauthRequired) as refusal:
        await opened(account, secret=Secret(username=account.user, password="wr0ng-word")).profile()
    assert "wr0ng-word" not in refusal.value.message


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
async def test_a_connection_is_encrypted_by_tls_or_starttls(
    dovecot: Account, opened: Open, scheme: str, tls_transport: Transport
) -> None:
    port = dovecot.server.tls_port if scheme == "imaps" else dovecot.server.port
    adapter = opened(dovecot, base_url=f"{scheme}://localhost:{port}", transport=tls_transport)
    assert (await adapter.profile()).user_id == dovecot.user
    dovecot.box.append("INBOX", mail("hello"))
    assert subjects(await Mirror().follow(adapter)) == ["hello"]


@pytest.fixture
async def tls_transport(dovecot: Account) -> Any:
    """Knows the server's own authority."""
    transport = Transport(Guard(["127.0.0.0/8:*", "::1/128:*"]), tls=dovecot.server.trusting())
    yield transport
    await transport.aclose()


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
async def test_a_certificate_of_an_unknown_authority_is_refused(dovecot: Account, opened: Open, scheme: str) -> None:
    port = dovecot.server.tls_port if scheme == "imaps" else dovecot.server.port
    with pytest.raises(Unavailable, match="certificate"):
        await opened(dovecot, base_url=f"{scheme}://localhost:{port}").profile()


async def test_a_private_server_is_not_reached_unless_it_is_allowed(dovecot: Account, opened: Open) -> None:
    transport = Transport(Guard())
    with pytest.raises(ForbiddenAddress):
        await opened(dovecot, transport=transport).profile()
    await transport.aclose()


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"host": "imap.example.org"}, "imaps://imap.example.org:993"),
        ({"host": "imap.example.org", "security": "starttls"}, "imap://imap.example.org:143"),
        ({"host": "::1", "port": "1143", "security": "NONE"}, "imap-plain://[::1]:1143"),
    ],
)
def test_a_form_names_a_server(values: dict[str, str], url: str) -> None:
    assert imap.PROVIDER.base_url is not None
    assert imap.PROVIDER.base_url(values) == url


@pytest.mark.parametrize(
    "values",
    [
        {}, {"host": "https://imap.example.org"}, {"host": "a b"}, {"host": "imap.example.org", "port": "99999"},
        {"host": "imap.example.org", "port": "0"}, {"host": "imap.example.org", "security": "maybe"},
    ],
)  # fmt: skip
def test_a_form_that_names_no_server_says_what_to_enter(values: dict[str, str]) -> None:
    assert imap.PROVIDER.base_url is not None
    with pytest.raises(Refused):
        imap.PROVIDER.base_url(values)
