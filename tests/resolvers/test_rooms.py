"""Conversations that are no mail: what a network says of them as a whole, and messages that their writers change."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from providers import records
from resolvers import sending
from resolvers.reactions import of_messages
from store import ids, outbox, search_index
from store.feed import Recorder
from store.tables import conversation, conversation_member, message, message_source, reaction
from tests.household import NOW, Household


def said(number: int, text: str, **more: Any) -> records.Message:
    return records.Message(
        key=f"$e{number}", sent_at=NOW + timedelta(minutes=number), container="!r", conversation_key="!r", conversation_kind="GROUP",
        text=text, participants=(member("@bob:example.org", "FROM", "Bob Ray"),), unread=True, **more,
    )  # fmt: skip


def member(address: str, role: records.Role = "MEMBER", name: str = "") -> records.Participant:
    return records.Participant(role=role, address=address, kind="HANDLE", name=name, provider="matrix", key=address)


def room(*members: str, subject: str | None = "Boat club", kind: records.ConversationKind = "GROUP") -> records.ConversationHead:
    people = tuple(member(address) for address in members)
    return records.ConversationHead(key="!r", kind=kind, last_activity_at=NOW, subject=subject, participants=people)


async def shown(household: Household) -> list[Any]:
    def read(conn: Connection, viewer: str) -> list[Any]:
        return list(conn.execute(select(message).where(message.c.viewer_id == viewer).order_by(message.c.sent_at)))

    return await household.database.read(household.viewer, read)


async def conversations(household: Household) -> dict[str, Any]:
    def read(conn: Connection, viewer: str) -> dict[str, Any]:
        found = {}
        for row in conn.execute(select(conversation).where(conversation.c.viewer_id == viewer)):
            mine = conversation_member.c
            people = select(mine.address).where(mine.viewer_id == viewer, mine.conversation_id == row.id)
            found[row.subject] = (row.kind, row.version, set(conn.execute(people).scalars()))
        return found

    return await household.database.read(household.viewer, read)


async def test_a_room_is_called_and_has_whom_its_network_says(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org", own=["@ada:example.org"])
    await household.take(account, room("@bob:example.org", "@cai:example.org"))
    assert await conversations(household) == {}  # nobody has said anything there
    await household.take(account, said(1, "hello"), room("@ada:example.org", "@bob:example.org", "@cai:example.org"))
    kind, version, people = (await conversations(household))["Boat club"]
    assert (kind, people) == ("GROUP", {"@bob:example.org", "@cai:example.org"})
    head = await household.head()
    results = await household.take(account, room("@ada:example.org", "@bob:example.org", "@cai:example.org"))
    assert [result.outcome for result in results] == ["UNCHANGED"]
    assert await household.head() == head
    await household.take(account, room("@bob:example.org", "@dee:example.org", subject="Yacht club", kind="CHANNEL"))
    later = await conversations(household)
    assert later == {"Yacht club": ("CHANNEL", version + 1, {"@bob:example.org", "@dee:example.org"})}
    await household.take(account, said(2, "more"), records.Gone(kind="MESSAGE", key="$e1"))
    assert (await conversations(household))["Yacht club"][2] == {"@bob:example.org", "@dee:example.org"}


async def test_somebody_whose_handle_is_another_now_takes_part_once(household: Household) -> None:
    account = await household.account("x", "10", own=["ada@x.com"])

    def bob(handle: str, role: records.Role = "MEMBER") -> records.Participant:
        return records.Participant(role=role, address=handle, kind="HANDLE", name="Bob Ray", provider="x", key="100")

    def by(number: int, handle: str) -> records.Message:
        return msgspec.structs.replace(said(number, "hello"), participants=(bob(handle, "FROM"), member("cai@x.com", "TO")))

    head = msgspec.structs.replace(room(), participants=(bob("bob@x.com"), member("cai@x.com")))
    await household.take(account, by(1, "100@x.com"), head)
    assert (await conversations(household))["Boat club"][2] == {"bob@x.com", "cai@x.com"}
    await household.take(account, by(2, "bobby@x.com"))
    assert (await conversations(household))["Boat club"][2] == {"bobby@x.com", "cai@x.com"}
    await household.take(
        account, records.Gone(kind="MESSAGE", key="$e2")
    )  # whoever is known by another handle now still wrote it
    assert (await conversations(household))["Boat club"][2] == {"bobby@x.com", "cai@x.com"}
    await household.take(account, msgspec.structs.replace(head, whole=True))
    assert (await conversations(household))["Boat club"][2] == {"bob@x.com", "cai@x.com"}


async def test_an_edited_message_is_the_same_message_with_another_text(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org", own=["@ada:example.org"])
    await household.take(account, said(1, "helo"), said(2, "second"))
    (first, _) = await shown(household)
    head = await household.head()
    at = NOW + timedelta(hours=1)
    await household.take(account, said(1, "hello there", edited_at=at, html="<b>hello</b>"))
    (mended, second) = await shown(household)
    assert (mended.id, mended.snippet, mended.edited_at) == (first.id, "hello there", at)
    assert second.snippet == "second"
    assert mended.version > first.version
    assert ("UPSERT", "MESSAGE", first.id) in {(c.op, c.kind, c.node_id) for c in await household.changes(head)}
    found = await household.database.read(household.viewer, _found, "there")
    assert found == [first.id]
    assert await household.database.read(household.viewer, _found, "helo") == []


async def test_an_older_text_never_comes_back_over_a_newer_one(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org")
    at = NOW + timedelta(hours=1)
    await household.take(account, said(1, "third", edited_at=at))
    for stale in (said(1, "first"), said(1, "second", edited_at=at - timedelta(minutes=1))):
        await household.take(account, stale)
    (row,) = await shown(household)
    assert (row.snippet, row.edited_at) == ("third", at)


async def test_taking_an_edit_in_again_changes_nothing(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org")
    edited = said(1, "hello", edited_at=NOW + timedelta(hours=1))
    await household.take(account, said(1, "helo"))
    await household.take(account, edited)
    head = await household.head()
    assert [result.outcome for result in await household.take(account, edited)] == ["UNCHANGED"]
    assert await household.head() == head


async def test_a_mail_with_another_text_stays_another_mail(household: Household) -> None:
    account = await household.account("imap")
    one = records.Message(key="k", sent_at=NOW, participants=(), text="one")
    await household.take(account, one)
    await household.take(account, msgspec.structs.replace(one, text="two"))
    assert {row.snippet for row in await shown(household)} == {"one", "two"}
    assert ids.derive("MESSAGE", account, "k") in {row.id for row in await shown(household)}


def _found(conn: Connection, viewer: str, words: str) -> list[str]:
    return [hit.node_id for hit in search_index.match(conn, viewer, words, kinds=["MESSAGE"], limit=10)]


# --- reactions, and what is taken back --------------------------------------------------------------------------------------


def reacted(number: int, emoji: str, address: str = "@cai:example.org", message: int = 1) -> records.Reacted:
    who = member(address, name=address[1:4].title())
    return records.Reacted(message=f"$e{message}", reaction=records.Reaction(emoji=emoji, participant=who, key=f"$r{number}"))


async def signs(household: Household, key: str = "$e1") -> list[tuple[str, int]]:
    def read(conn: Connection, viewer: str) -> list[tuple[str, int]]:
        s = message_source.c
        message_id = conn.execute(select(s.message_id).where(s.viewer_id == viewer, s.key == key)).scalar_one()
        return [(each.emoji, each.count) for each in of_messages(conn, viewer, [message_id]).get(message_id, [])]

    return await household.database.read(household.viewer, read)


async def test_reactions_may_be_told_before_their_message_and_are_counted_by_sign(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org", own=["@ada:example.org"])
    head = await household.head()
    await household.take(account, reacted(1, "👍"), reacted(2, "🎉", "@dee:example.org"))
    assert await household.head() == head  # nobody has seen the message yet
    await household.take(account, said(1, "hello"))
    await household.take(account, reacted(3, "🎉"), reacted(4, "🎉", "@ada:example.org"))
    assert await signs(household) == [("🎉", 3), ("👍", 1)]
    head = await household.head()
    again = await household.take(account, reacted(3, "🎉"))
    assert ([result.outcome for result in again], await household.head()) == (["UNCHANGED"], head)
    await household.take(account, records.Gone(kind="REACTION", key="$r1"), records.Gone(kind="REACTION", key="$none"))
    assert await signs(household) == [("🎉", 3)]
    told = [c for c in await household.changes(head) if c.kind == "MESSAGE"]
    assert [(c.op, c.fields) for c in told] == [("UPSERT", ("reactions",))]


async def test_reactions_that_come_with_their_message_replace_those_before(household: Household) -> None:
    account = await household.account("slack", "U1")
    thumbs = records.Reaction(emoji="thumbsup", participant=member("U2"))
    await household.take(account, said(1, "hello", reactions=(thumbs, records.Reaction(emoji="tada", count=7))))
    assert await signs(household) == [("tada", 7), ("thumbsup", 1)]
    await household.take(account, said(1, "hello"))  # nothing is said of them
    assert await signs(household) == [("tada", 7), ("thumbsup", 1)]
    await household.take(account, said(1, "hello", reactions=(thumbs,)))
    assert await signs(household) == [("thumbsup", 1)]
    head = await household.head()
    await household.take(account, said(1, "hello", reactions=(thumbs,)))
    assert await household.head() == head
    await household.take(account, said(1, "hello", reactions=()))
    assert await signs(household) == []


async def test_a_message_that_was_taken_back_stays_as_an_empty_place(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org", own=["@ada:example.org"])
    await household.take(account, said(1, "a secret", html="<b>a secret</b>"), said(2, "second"), reacted(1, "👍"))
    at = NOW + timedelta(hours=1)
    gone = records.Gone(kind="MESSAGE", key="$e1", deleted_at=at)
    head = await household.head()
    assert [result.outcome for result in await household.take(account, gone)] == ["UPDATED"]
    (first, second) = await shown(household)
    assert (first.deleted_at, first.body_state, first.body, first.snippet, first.flags) == (at, "DELETED", None, "", "")
    assert (second.snippet, second.flags) == ("second", "UNREAD")
    assert await signs(household) == []
    assert await household.database.read(household.viewer, _found, "secret") == []
    assert ("UPSERT", first.id) in {(c.op, c.node_id) for c in await household.changes(head)}
    assert [result.outcome for result in await household.take(account, gone)] == ["UNCHANGED"]
    await household.take(account, said(1, "a secret"), said(1, "mended", edited_at=at))
    (first, _) = await shown(household)
    assert (first.body_state, first.snippet) == ("DELETED", "")


@pytest.mark.parametrize("quicker", ["the network", "a sync"])
async def test_what_was_sent_says_what_its_network_shows_whoever_was_quicker(household: Household, quicker: str) -> None:
    account = await household.account("matrix", "@ada:example.org", own=["@ada:example.org"])
    mine = (member("@ada:example.org", "FROM", "Ada"), member("@bob:example.org", "TO", "Bob Ray"))
    sent = msgspec.structs.replace(said(1, "hello"), participants=mine)
    await household.take(account, msgspec.structs.replace(sent, key="outbox:1", container=outbox.CONTAINER))
    (ours,) = await shown(household)
    copy = msgspec.structs.replace(sent, text="@bob hello", edited_at=NOW + timedelta(hours=1), unread=False)

    def named(conn: Connection, viewer: str) -> None:
        recorder = Recorder(household.now)
        sending.filed(conn, viewer, account, ours.id, "$e1", recorder, household.now)
        recorder.flush(conn, viewer)

    seen = household.take(account, copy), household.take(account, reacted(1, "👍"))
    if quicker == "the network":
        await household.database.write(household.viewer, named)
        await seen[0]
        await seen[1]
    else:
        await seen[0]
        await seen[1]
        assert len(await shown(household)) == 2
        await household.database.write(household.viewer, named)
    (row,) = await shown(household)
    assert (row.id, zlib.decompress(row.body).decode(), row.edited_at) == (ours.id, "@bob hello", copy.edited_at)
    assert await signs(household) == [("👍", 1)]
    assert await household.database.read(household.viewer, _found, "bob") == [ours.id]
    (room_,) = (await conversations(household)).values()
    assert room_[2] == {"@bob:example.org"}
    assert await household.database.read(household.viewer, _places) == [("$e1", ours.id)]
    results = await household.take(account, copy)
    assert [one.outcome for one in results] == ["UNCHANGED"]


def _places(conn: Connection, viewer: str) -> list[tuple[str, str]]:
    mine = message_source.c
    return [(row.key, row.message_id) for row in conn.execute(select(message_source).where(mine.viewer_id == viewer))]


async def test_unlinking_takes_reactions_along(household: Household) -> None:
    account = await household.account("matrix", "@ada:example.org")
    await household.take(account, said(1, "hello"), reacted(1, "👍"), reacted(2, "👍", message=9))
    await household.forget(account)

    def left(conn: Connection, viewer: str) -> int:
        return len(conn.execute(select(reaction.c.key).where(reaction.c.viewer_id == viewer)).all())

    assert await household.database.read(household.viewer, left) == 0
