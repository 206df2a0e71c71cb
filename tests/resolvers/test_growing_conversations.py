"""A conversation that grew message by message is the one that is summed up from all of its messages, row and search document."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from benchmarks.mailbox import Mailbox
from providers import records
from providers.formats import mail_state, mime
from resolvers.ingest import conversations
from resolvers.ingest.findable import index_conversations, index_messages
from store.feed import Recorder
from store.tables import conversation, conversation_label, message, search_doc
from store.words import APART
from tests.household import ME, NOW, Household

MESSAGES = 160
ROLES = {"INBOX": "INBOX", "Sent": "SENT", "Archive": "ARCHIVE", "Junk": "SPAM", "Trash": "TRASH", "Drafts": "DRAFTS"}


def letters(seed: int) -> list[records.Message]:
    found = []
    for number, letter in enumerate(Mailbox(MESSAGES, folders=8, people=30, seed=seed).letters()):
        state = mail_state.State(unread=not letter.seen, flagged=letter.flagged, answered=letter.answered, draft=False)
        read = mime.message(
            letter.content, container=letter.folder, own=frozenset([ME]), key=f"{number}", arrived=letter.at, state=state
        )
        keys = (letter.folder, *(["starred"] if letter.flagged else []))
        found.append(msgspec.structs.replace(read, role=ROLES.get(letter.folder, "OTHER"), label_keys=keys))
    return found


def rows(conn: Connection, viewer: str) -> list[dict[str, Any]]:
    mine = select(conversation).where(conversation.c.viewer_id == viewer, conversation.c.redirect_to.is_(None))
    return [{**row._mapping, "version": None} for row in conn.execute(mine.order_by(conversation.c.id))]


def documents(conn: Connection, viewer: str) -> list[dict[str, Any]]:
    mine = select(search_doc).where(search_doc.c.viewer_id == viewer, search_doc.c.kind == "CONVERSATION")
    found = []
    for row in conn.execute(mine.order_by(search_doc.c.node_id)):
        people = {name: {p for p in getattr(row, name).split(f" {APART} ") if p} for name in ("sender", "receivers")}
        facets = set(row.facets.split())
        found.append({"id": row.node_id, "title": row.title, "at": row.at, **people, "facets": facets})
    return found


def labels(conn: Connection, viewer: str) -> list[tuple[str, str, int]]:
    mine = conversation_label.c
    query = select(mine.conversation_id, mine.label_id, mine.unread).where(mine.viewer_id == viewer)
    return sorted((row.conversation_id, row.label_id, row.unread) for row in conn.execute(query))


def sum_up_anew(conn: Connection, viewer: str) -> int:
    """Sum everything up from the messages; how many rows of the feed that wrote."""
    recorder = Recorder(NOW)
    everything = conn.execute(select(conversation.c.id).where(conversation.c.viewer_id == viewer)).scalars().all()
    conversations.rebuild(conn, viewer, everything, recorder, NOW)
    index_conversations(conn, viewer, everything)
    return 0 if recorder.flush(conn, viewer) is None else 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_in_any_order_and_any_slices_it_is_what_its_messages_sum_up_to(household: Household, seed: int) -> None:
    chance = random.Random(seed)
    boxes = [await household.account("imap", "home", own=[ME]), await household.account("mbox", "old")]
    waiting = letters(seed)
    chance.shuffle(waiting)
    again = chance.sample(waiting, 40)  # seen by the other account too
    in_a_file = [msgspec.structs.replace(item, role=None, label_keys=None) for item in again]
    places = [(boxes[0], item) for item in waiting]
    places += [(boxes[1], item) for item in in_a_file]
    chance.shuffle(places)
    while places:
        part, places = places[: (size := chance.choice([1, 3, 20, 60]))], places[size:]
        for box in boxes:
            await household.take(box, *(item for where, item in part if where == box))
    shown: tuple[Any, ...] = (rows, documents, labels)
    grown: list[Any] = [await household.database.read(household.viewer, each) for each in shown]
    assert len(grown[0]) == len(grown[1]) > 40
    assert await household.database.write(household.viewer, sum_up_anew) == 0
    summed = [await household.database.read(household.viewer, each) for each in shown]
    assert len(grown[2]) > 40
    assert grown == summed


async def test_a_message_that_just_arrived_is_found_by_the_words_that_it_has_when_it_is_indexed_anew(
    household: Household,
) -> None:
    box = await household.account("imap", "home", own=[ME])
    arrived = letters(4)
    for n in range(0, len(arrived), 50):
        await household.take(box, *arrived[n : n + 50])

    def found(conn: Connection, viewer: str) -> list[tuple[Any, ...]]:
        c = search_doc.c
        mine = select(c.node_id, c.kind, c.at, c.place, c.title, c.sender, c.receivers, c.body, c.facets).where(
            c.viewer_id == viewer, c.kind.in_(("MESSAGE", "ATTACHMENT"))
        )
        return sorted(tuple(row) for row in conn.execute(mine))

    def anew(conn: Connection, viewer: str) -> None:
        index_messages(conn, viewer, conn.execute(select(message.c.id).where(message.c.viewer_id == viewer)).scalars().all())

    before = await household.database.read(household.viewer, found)
    await household.database.write(household.viewer, anew)
    assert len(before) >= MESSAGES
    assert await household.database.read(household.viewer, found) == before
