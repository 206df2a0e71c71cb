"""A mailbox from its address to the API: linked without a prompt, shown in GraphQL, kept in step, with every try told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import raw
from tests.chaos.clients import ask
from tests.gateway.running import asking, opened
from tests.gateway.test_sign_in import signed_in
from tests.gateway_process import Gateway, kith_serve
from tests.mail_servers import PASSWORD, Mailbox, MailServer, mail

MAIL = """{ viewer { conversations(first: 50) { edges { node { subject unreadCount messages(first: 9) {
  edges { node { text direction flags } } } } } } } }"""


@pytest.fixture(scope="module")
def user(dovecot_server: MailServer) -> str:
    """Somebody with mail."""
    name = dovecot_server.new_user()
    with dovecot_server.mailbox(name) as box:
        box.append("INBOX", mail("Lunch", text="Tomorrow at noon?\r\n", to=name, message_id="lunch@example.com"), "\\Flagged")
        box.append("INBOX", mail("Read already", to=name), "\\Seen")
        answer = mail(
            "Re: Lunch", text="Gladly.\r\n", sender=f"Ada <{name}>", to="bob@example.com", message_id="gladly@example.org",
            date="Mon, 04 May 2026 10:00:00 +0000", headers="In-Reply-To: <lunch@example.com>\r\n",
        )  # fmt: skip
        box.append("Sent", answer, "\\Seen")
    return name


@pytest.fixture(scope="module")
def gateway(dovecot_server: MailServer, user: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An installation whose owner links the mailbox from the command line."""
    home: Path = tmp_path_factory.mktemp("kith")
    with kith_serve(home, KITH_ALLOW_PRIVATE_HOSTS=f"127.0.0.1/32:{dovecot_server.port}") as running:
        yield running


def link(gateway: Gateway, server: MailServer, user: str, *more: str, password: str = PASSWORD, check: bool = True) -> Any:
    words = ("link", "imap", user, "--host", "127.0.0.1", "--port", str(server.port), "--security", "NONE", "--password-stdin")
    return gateway.kith(*words, *more, stdin=f"{password}\n", check=check)


def test_a_wrong_password_is_told_with_what_was_tried_and_stores_nothing(
    gateway: Gateway, dovecot_server: MailServer, user: str
) -> None:
    done = link(gateway, dovecot_server, user, password="wrong", check=False)
    assert done.returncode == 1
    assert "does not accept" in done.stdout + done.stderr
    assert raw.count(gateway.home, "select count(*) from account") == 0


def test_a_mailbox_linked_from_the_command_line_shows_in_the_api(gateway: Gateway, dovecot_server: MailServer, user: str) -> None:
    link(gateway, dovecot_server, user, "--user", user, "smtp_host=smtp.example.org", "smtp_port=587", "smtp_security=STARTTLS")
    answer = ask(gateway, gateway.token("owner"), MAIL)["data"]["viewer"]["conversations"]["edges"]
    found = {edge["node"]["subject"]: edge["node"] for edge in answer}
    assert set(found) == {"Lunch", "Read already"}
    lunch = found["Lunch"]
    assert (lunch["unreadCount"], found["Read already"]["unreadCount"]) == (1, 0)
    messages = [edge["node"] for edge in lunch["messages"]["edges"]]
    assert sorted((m["text"].strip(), m["direction"], sorted(m["flags"])) for m in messages) == [
        ("Gladly.", "OUTBOUND", []), ("Tomorrow at noon?", "INBOUND", ["FLAGGED", "UNREAD"]),
    ]  # fmt: skip
    (settings,) = raw.rows(gateway.home, "select settings from account")
    kept = json.loads(bytes(settings[0]) if isinstance(settings[0], bytes) else str(settings[0]))
    assert (kept["smtp_host"], kept["smtp_port"], kept["smtp_security"]) == ("smtp.example.org", "587", "STARTTLS")
    assert PASSWORD not in str(kept)


def test_a_flag_set_elsewhere_arrives(gateway: Gateway, dovecot_server: MailServer, user: str) -> None:
    box = Mailbox(dovecot_server.port, user)
    box.flag("INBOX", box.uids("INBOX"), "\\Seen")
    box.close()
    gateway.kith("sync")
    answer = ask(gateway, gateway.token("owner"), MAIL)["data"]["viewer"]["conversations"]["edges"]
    assert [edge["node"]["unreadCount"] for edge in answer] == [0, 0]


def test_an_address_without_servers_says_where_it_was_looked_for_and_what_to_do(gateway: Gateway) -> None:
    done = gateway.kith("link", "imap", "robin@nowhere.invalid", "--password-stdin", stdin="x\n", check=False)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    for place in ("known provider", "MX", "autoconfig", "IMAP server"):
        assert place in said


async def test_without_a_client_id_the_page_says_what_works_now_and_the_exact_redirect_address(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        await signed_in(installation, client, "ada")
        page = (await client.get("/link")).text
    assert "E-mail (IMAP)" in page
    assert 'name="smtp_host"' in page
    assert "any mailbox can be linked with an app password" in page
    assert f"<code>{installation.settings.url}/link/callback</code>" in page
    assert "KITH_GMAIL_CLIENT_ID" in page
