"""HTML, files and photos are kept with what they belong to, on either database, and go with it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from store.tables import attachment, message_html
from tests.asking import Desk, nodes, statements
from tests.household import ME, Household, card, mail
from tests.providers.test_picture import painted

FILES = (
    records.Attachment(part="2", name="plan.pdf", media_type="application/pdf", size=7),
    records.Attachment(part="3", name="logo.png", media_type="image/png", content_id="logo@example.org", inline=True),
)
QUERY = """{ viewer { conversations { edges { node { lastMessage { html attachmentCount
  attachments(first: 1) { name mediaType size inline state } } } } } } }"""


async def counts(household: Household) -> list[int]:
    def read(conn: Connection, viewer: str) -> list[int]:
        tables = (message_html, attachment)
        return [
            conn.execute(sa.select(sa.func.count()).select_from(table).where(table.c.viewer_id == viewer)).scalar_one()
            for table in tables
        ]

    return await household.database.read(household.viewer, read)


def written(number: int, **more: Any) -> records.Message:
    return mail(number, "ada@example.org", html="<p>Hello<script>x</script>", attachments=FILES, attachment_count=1, **more)


async def test_html_and_files_are_shown_with_their_message(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, written(1), written(2, references=("1@mail.example",)))
    (shown,) = nodes((await Desk(household).ask(QUERY))["viewer"]["conversations"])
    assert shown["lastMessage"] == {
        "html": "<p>Hello</p>",
        "attachmentCount": 1,
        "attachments": [{"name": "plan.pdf", "mediaType": "application/pdf", "size": 7, "inline": False, "state": "GONE"}],
    }


async def test_a_mail_that_is_seen_again_keeps_one_copy_of_everything(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    other = await household.account("mbox", "another", own=[ME])
    await household.take(box, written(1))
    await household.take(other, written(1, key="elsewhere"))
    await household.take(box, written(1))
    assert await counts(household) == [1, 2]
    await household.take(box, records.Gone(kind="MESSAGE", key="key-1"))
    assert await counts(household) == [1, 2]
    await household.take(other, records.Gone(kind="MESSAGE", key="elsewhere"))
    assert await counts(household) == [0, 0]


async def test_unlinking_an_account_leaves_nothing_of_its_mail(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, written(1), written(2))
    await household.forget(box)
    assert await counts(household) == [0, 0]


async def test_a_photo_has_the_size_of_its_original(household: Household) -> None:
    book = await household.account("vcard")
    photo = records.Photo(media_type="image/png", data=painted(30, 20))
    await household.take(
        book, card("1", "Ada Lovelace", photo=photo), card("2", "Bob Ray", photo=records.Photo(data=b"\x00\xff"))
    )
    data = await Desk(household).ask("{ viewer { people { edges { node { name photo { width height alt url } } } } } }")
    ada, bob = nodes(data["viewer"]["people"])
    assert (ada["photo"]["width"], ada["photo"]["height"], ada["photo"]["alt"]) == (30, 20, "Ada Lovelace")
    assert ada["photo"]["url"].startswith("https://kith.example.org/photos/") and "/256/" in ada["photo"]["url"]
    assert bob["photo"] is None


async def test_a_page_of_files_and_photos_costs_no_statement_for_each(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, *(written(n, internet_message_id=f"{n}@x", key=str(n)) for n in range(1, 12)))
    desk = Desk(household)
    few: list[str] = []
    many: list[str] = []
    for size, seen in ((2, few), (10, many)):
        with statements() as found:
            await desk.ask(QUERY.replace("conversations", f"conversations(first: {size})").replace("(first: 1)", "(first: 2)"))
        seen += found
    assert len(few) == len(many)
