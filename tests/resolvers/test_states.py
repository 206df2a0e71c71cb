"""A message shows one state, however many places it is at; what a source says anew changes that place only."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from providers import records
from store.tables import message, message_source
from tests.household import ME, Household, mail

ADA = "ada@example.org"


async def flags(household: Household) -> dict[str, set[str]]:
    def read(conn: Connection, viewer: str) -> dict[str, set[str]]:
        rows = conn.execute(select(message.c.subject, message.c.flags).where(message.c.viewer_id == viewer))
        return {row.subject: set(row.flags.split()) for row in rows}

    return await household.database.read(household.viewer, read)


async def places(household: Household) -> list[tuple[str, str]]:
    def read(conn: Connection, viewer: str) -> list[tuple[str, str]]:
        rows = conn.execute(select(message_source.c.container, message_source.c.key).where(message_source.c.viewer_id == viewer))
        return sorted((row.container, row.key) for row in rows)

    return await household.database.read(household.viewer, read)


def at(item: records.Message, container: str, uid: int, **state: object) -> records.Message:
    return msgspec.structs.replace(item, container=container, key=f"{container}/1/{uid}", **state)


async def test_an_archive_taken_in_again_does_not_undo_what_the_mailbox_says(household: Household) -> None:
    box, files = await household.account("imap", ME, own=[ME]), await household.account("mbox", "files")
    await household.take(box, at(mail(1, ADA), "INBOX", 1, flagged=True, unread=True))
    await household.take(files, mail(1, ADA))
    await household.take(files, msgspec.structs.replace(mail(1, ADA), container="other.mbox"))
    assert await flags(household) == {"Subject 1": {"FLAGGED", "UNREAD"}}


async def test_a_changed_flag_is_an_event_and_an_unchanged_one_is_none(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, at(mail(1, ADA), "INBOX", 1, unread=True))
    head = await household.head()
    read = records.MessageState(key="INBOX/1/1", container="INBOX", unread=False, flagged=True)
    assert [r.outcome for r in await household.take(box, read)] == ["UPDATED"]
    assert await flags(household) == {"Subject 1": {"FLAGGED"}}
    assert {c.kind for c in await household.changes(head)} == {"MESSAGE", "CONVERSATION"}
    head = await household.head()
    assert [r.outcome for r in await household.take(box, read)] == ["UNCHANGED"]
    assert await household.head() == head


async def test_the_state_of_a_message_that_was_never_taken_in_is_reported(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    [result] = await household.take(box, records.MessageState(key="INBOX/1/9", unread=False))
    assert result.outcome == "FAILED"
    assert result.message


async def test_a_message_read_in_one_place_is_read(household: Household) -> None:
    box, other = await household.account("imap", ME, own=[ME]), await household.account("imap", "robin@work.example")
    await household.take(box, at(mail(1, ADA), "INBOX", 1, unread=True))
    await household.take(other, at(mail(1, ADA), "INBOX", 7, unread=True))
    assert await flags(household) == {"Subject 1": {"UNREAD"}}
    await household.take(other, records.MessageState(key="INBOX/1/7", container="INBOX", unread=False))
    assert await flags(household) == {"Subject 1": set()}


async def test_two_places_in_one_slice_are_one_message(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    copies = [at(mail(1, ADA), "INBOX", 1, unread=True), at(mail(1, ADA), "Archive", 1, unread=False, flagged=True)]
    await household.take(box, *copies)
    assert await flags(household) == {"Subject 1": {"FLAGGED"}}
    assert len(await places(household)) == 2


async def test_a_message_that_moved_is_never_gone(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, at(mail(1, ADA), "INBOX", 1, unread=True))
    head = await household.head()
    await household.take(box, records.Gone(kind="MESSAGE", key="INBOX/1/1"), at(mail(1, ADA), "Archive", 1, unread=True))
    assert await places(household) == [("Archive", "Archive/1/1")]
    assert {c.op for c in await household.changes(head)} == {"UPSERT"}


async def test_a_folder_that_is_numbered_anew_loses_no_message_makes_no_second_one_and_tells_nobody(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, *(at(mail(n, ADA), "100%_", n, unread=True) for n in (1, 2, 3)))
    head = await household.head()
    again = [
        msgspec.structs.replace(mail(n, ADA), container="100%_", key=f"100%_/2/{n}", unread=True) for n in (1, 2, 3)
    ]  # fmt: skip
    await household.take(box, *again)
    gone = records.Voided(container="100%_", prefix="100%_/1/")
    assert [r.outcome for r in await household.take(box, gone)] == ["UPDATED"]
    assert [r.outcome for r in await household.take(box, gone)] == ["UNCHANGED"]
    assert [key for _, key in await places(household)] == ["100%_/2/1", "100%_/2/2", "100%_/2/3"]
    assert await household.changes(head) == []  # the same messages at the same places: no news to anybody


async def test_a_folder_that_is_numbered_anew_tells_of_what_changed_meanwhile(household: Household) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, *(at(mail(n, ADA), "INBOX", n, unread=True) for n in (1, 2)))
    head = await household.head()
    again = [msgspec.structs.replace(mail(n, ADA), container="INBOX", key=f"INBOX/2/{n}", unread=n == 1) for n in (1, 2)]
    await household.take(box, *again)
    await household.take(box, records.Voided(container="INBOX", prefix="INBOX/1/"))
    told = {(c.op, c.kind) for c in await household.changes(head)}
    assert ("UPSERT", "MESSAGE") in told
    assert len({c.node_id for c in await household.changes(head) if c.kind == "MESSAGE"}) == 1
