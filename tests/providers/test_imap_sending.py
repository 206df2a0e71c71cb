"""Sending from a mailbox: once by its submission server, one copy in Sent, and Sent alone is asked when a line was cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from providers.errors import Refused
from providers.imap import Imap
from providers.imap4 import sending
from providers.records import Outgoing, Submitted
from providers.session import Secret
from tests.mail_servers import PASSWORD, MailServer
from tests.providers.conftest import SessionMaker
from tests.submission import Submission, submission

MAIL = Outgoing(
    message_id="abc@example.org", sender="robin@example.org", recipients=("ada@example.org",),
    data=b"Message-ID: <abc@example.org>\r\nFrom: robin@example.org\r\nTo: ada@example.org\r\nSubject: Tea\r\n\r\nAt four?\r\n",
)  # fmt: skip


@dataclass
class Post:
    """A user's mailbox with a submission server beside it."""

    imap: Imap
    server: Submission
    mail_server: MailServer
    user: str
    steps: list[bytes] = field(default_factory=list)

    async def note(self, step: bytes) -> None:
        self.steps.append(step)

    async def send(self) -> Submitted:
        return await self.imap.send(MAIL, self.note)

    def sent(self) -> list[bytes]:
        """What another mail program finds in Sent."""
        with self.mail_server.mailbox(self.user) as box:
            return [box.body("Sent", uid) for uid in box.uids("Sent")]


@pytest.fixture(params=["dovecot", "cyrus"])
async def post(request: pytest.FixtureRequest, new_session: SessionMaker) -> AsyncIterator[Post]:
    mail_server: MailServer = request.getfixturevalue(f"{request.param}_server")
    user = mail_server.new_user()
    async with submission() as server:
        server.password = PASSWORD
        settings = {"smtp_host": "127.0.0.1", "smtp_port": str(server.port), "smtp_security": "NONE", "smtp_user": "robin"}
        yield Post(_imap(new_session, mail_server, user, settings), server, mail_server, user)


def _imap(new_session: SessionMaker, mail_server: MailServer, user: str, settings: dict[str, Any]) -> Imap:
    secret = Secret(username=user, password=PASSWORD)
    session = new_session(f"imap-plain://127.0.0.1:{mail_server.port}", provider="imap", secret=secret, user_id=user)
    session.account = msgspec.structs.replace(session.account, settings=settings)
    return Imap(session)


async def test_a_message_is_sent_once_and_filed_as_read(post: Post) -> None:
    assert (await post.send()).fate == "TAKEN"
    assert [letter.data for letter in post.server.taken] == [MAIL.data]
    assert post.sent() == [MAIL.data]
    with post.mail_server.mailbox(post.user) as box:
        assert box.status("Sent")["UNSEEN"] == 0
    assert post.steps == [b"data", sending.TAKEN]


async def test_what_the_server_files_itself_is_not_filed_again(post: Post) -> None:
    with post.mail_server.mailbox(post.user) as box:
        box.append("Sent", MAIL.data, "\\Seen")
    await post.send()
    assert post.sent() == [MAIL.data]


async def test_after_a_cut_sent_is_asked_and_its_silence_proves_nothing(post: Post) -> None:
    post.server.cut = ["taken"]
    assert (await post.send()).fate == "UNKNOWN"
    silent = await post.imap.look_up(MAIL, post.steps[-1])
    assert silent.fate == "UNKNOWN"
    assert "not in Sent" in silent.evidence
    with post.mail_server.mailbox(post.user) as box:
        box.append("Sent", MAIL.data, "\\Seen")
    assert (await post.imap.look_up(MAIL, post.steps[-1])).fate == "TAKEN"
    assert post.sent() == [MAIL.data]


async def test_a_crash_between_sending_and_filing_files_one_copy_and_sends_none(post: Post) -> None:
    for _ in range(2):
        assert (await post.imap.look_up(MAIL, sending.TAKEN)).fate == "TAKEN"
    assert post.sent() == [MAIL.data]
    assert post.server.taken == []


async def test_a_mailbox_without_a_folder_for_sent_mail_sends_all_the_same(post: Post) -> None:
    with post.mail_server.mailbox(post.user) as box:
        box.append("Sent", MAIL.data)  # Dovecot makes it at its first use
        box.rename("Sent", "Elsewhere")
    sent = await post.send()
    assert sent.fate == "TAKEN"
    assert len(post.server.taken) == 1


async def test_a_mailbox_whose_way_out_nobody_knows_says_so_and_sends_nothing(post: Post, new_session: SessionMaker) -> None:
    lost = _imap(new_session, post.mail_server, post.user, {"address": "robin@nowhere.invalid"})
    with pytest.raises(Refused, match="SMTP server"):
        await lost.send(MAIL, post.note)
    assert post.steps == []
