"""A message written here, sent through a real mailbox and mirrored back from it: one message all the time."""

from __future__ import annotations

from pathlib import Path

from gateway import writes
from gateway.kinds import kinds
from providers.records import OwnAddress, Profile
from providers.session import Secret
from tests.asking import Desk, nodes
from tests.household import Household
from tests.mail_servers import PASSWORD, MailServer
from tests.submission import submission
from tests.workshop import workshop

WRITE = """mutation($a: ID!) { sendMessage(input: { idempotencyKey: "k", undoSeconds: 0, text: "At four? Grüße", compose: {
    newMessage: { accountId: $a, to: [{ email: "ada@example.org" }], subject: "Tea" } } }) { message { id } errors { message } } }"""
SHOWN = """{ viewer { conversations { edges { node { messages { edges { node {
    id direction flags delivery { state } sources { container } } } } } } } } }"""


async def test_what_is_sent_by_a_mailbox_comes_back_from_its_sent_folder_as_the_same_message(
    household: Household, dovecot_server: MailServer, tmp_path: Path
) -> None:
    user = dovecot_server.new_user()
    async with submission() as server, workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        server.password = PASSWORD
        settings = {"smtp_host": "127.0.0.1", "smtp_port": str(server.port), "smtp_security": "NONE", "address": user}
        profile = Profile(user_id=user, label=user, own_addresses=(OwnAddress(value=user, primary=True),))
        account_id = await shop.accounts.add(
            household.viewer, shop.providers["imap"], profile, Secret(username=user, password=PASSWORD),
            base_url=f"imap-plain://127.0.0.1:{dovecot_server.port}", settings=settings,
        )  # fmt: skip
        await shop.sync(household.viewer, account_id)
        desk = Desk(household, clock=shop.clock, providers=shop.providers)  # type: ignore[arg-type]
        sent = (await desk.ask(WRITE, a=account_id))["sendMessage"]
        assert sent["errors"] == []
        await writes.run(
            shop.accounts, household.database, shop.clock, kinds(shop.accounts, shop.blobs), household.viewer, account_id
        )
        assert server.envelope() == [(user, ("ada@example.org",))]
        await shop.sync(household.viewer, account_id)
        (conversation,) = nodes((await desk.ask(SHOWN))["viewer"]["conversations"])
        (message,) = nodes(conversation["messages"])
        assert message == {
            "id": sent["message"]["id"], "direction": "OUTBOUND", "flags": [], "delivery": {"state": "SENT"},
            "sources": [{"container": "Sent"}],
        }  # fmt: skip
