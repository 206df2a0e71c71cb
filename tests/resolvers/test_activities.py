"""What people did on their networks: taken in once, corrected, taken back, and folded onto those who did it."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from sqlalchemy import Connection, select

from providers import records
from resolvers.changes import ChangeFilter, Place, take
from resolvers.ingest.activities import same_key
from store.tables import activity, contact
from tests.household import NOW, Household
from tests.posts import DAY, actor, post


async def rows(household: Household) -> list[Any]:
    def read(conn: Connection, viewer: str) -> list[Any]:
        return list(conn.execute(select(activity).where(activity.c.viewer_id == viewer).order_by(activity.c.occurred_at)))

    return await household.database.read(household.viewer, read)


async def contacts(household: Household) -> dict[str, Any]:
    def read(conn: Connection, viewer: str) -> dict[str, Any]:
        return {row.id: row for row in conn.execute(select(contact).where(contact.c.viewer_id == viewer))}

    return await household.database.read(household.viewer, read)


async def test_a_post_is_taken_in_once_and_told_once(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    first = await household.take(account, post(1, original=b'{"id": "1"}'))
    assert [result.outcome for result in first] == ["CREATED"]
    head = await household.head()
    again = await household.take(account, post(1, original=b'{"id": "1"}'))
    assert [(result.outcome, result.node_id) for result in again] == [("UNCHANGED", first[0].node_id)]
    assert await household.head() == head
    (row,) = await rows(household)
    assert (row.verb, row.object_kind, row.version) == ("CREATE", "NOTE", 1)
    assert zlib.decompress(row.original) == b'{"id": "1"}'
    told = [change for change in await household.changes() if change.kind == "ACTIVITY"]
    assert [(change.op, change.node_id, change.created) for change in told] == [("UPSERT", row.id, True)]


async def test_who_posts_is_a_person_and_the_one_the_account_lists(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    listed = records.Contact(key=actor().key or "", relation="FOLLOWING", names=(records.Name(full="Ada Ray"),))
    (known,) = await household.take(account, listed)
    await household.take(account, post(1), post(2, by=actor("cai@social.example", "Cai Low")))
    first, second = await rows(household)
    people = await contacts(household)
    assert first.contact_id == known.node_id
    assert people[known.node_id or ""].relation == "FOLLOWING"
    assert (people[second.contact_id].name, people[second.contact_id].relation) == ("Cai Low", "CORRESPONDENT")
    assert people[second.contact_id].person_id is not None


async def test_what_the_viewer_did_makes_no_contact(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example", own=["robin@social.example"])
    await household.take(account, post(1, by=actor("robin@social.example", "Robin")))
    (row,) = await rows(household)
    assert row.contact_id is None
    assert await contacts(household) == {}


@pytest.mark.parametrize("kind", ["SERVICE", "APPLICATION", "GROUP"])
async def test_a_machine_that_posts_is_nobody(household: Household, kind: records.ActorKind) -> None:
    account = await household.account("mastodon", "robin@social.example")
    await household.take(account, post(1, by=actor("news@social.example", "News", kind=kind)))
    (one,) = (await contacts(household)).values()
    assert (one.nature, one.person_id) == ("AUTOMATED", None)


async def test_an_edited_post_is_the_same_post_and_what_was_read_before_the_edit_is_not_taken(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    await household.take(account, post(1))
    edited = post(1, "Another text, with the dogs left at home.", edited_at=NOW)
    assert [r.outcome for r in await household.take(account, edited)] == ["UPDATED"]
    assert [r.outcome for r in await household.take(account, post(1))] == ["UNCHANGED"]
    (row,) = await rows(household)
    assert (row.version, row.edited_at) == (2, NOW)
    told = [change.node_version for change in await household.changes() if change.kind == "ACTIVITY"]
    assert told == [1, 2]


async def test_the_last_of_two_records_in_one_slice_counts(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    found = await household.take(account, post(1), post(1), post(1, "Edited at once.", edited_at=NOW))
    assert [result.outcome for result in found] == ["CREATED", "UNCHANGED", "UPDATED"]
    (row,) = await rows(household)
    assert row.edited_at == NOW


async def test_what_was_taken_back_is_gone_and_told_with_whose_it_was(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    await household.take(account, post(1), post(2))
    first, second = await rows(household)
    gone = records.Gone(kind="ACTIVITY", key=first.key)
    assert [r.outcome for r in await household.take(account, gone)] == ["UPDATED"]
    assert [r.outcome for r in await household.take(account, gone)] == ["UNCHANGED"]
    assert [row.id for row in await rows(household)] == [second.id]
    (deleted,) = [change for change in await household.changes() if change.op == "DELETE"]
    person = (await contacts(household))[first.contact_id].person_id
    assert (deleted.kind, deleted.node_id, deleted.parent_id) == ("ACTIVITY", first.id, person)


async def test_an_act_without_a_moment_happened_when_it_was_first_seen_and_none_happens_tomorrow(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    await household.take(account, post(1, occurred_at=None))
    seen = household.now
    await household.take(account, post(1, "Edited.", occurred_at=None, edited_at=NOW))
    await household.take(account, post(2, occurred_at=NOW + 9 * DAY))
    first, second = await rows(household)
    assert first.occurred_at == seen
    assert second.occurred_at == household.now


async def test_unlinking_an_account_takes_its_activities_and_no_others(household: Household) -> None:
    one = await household.account("mastodon", "robin@social.example")
    other = await household.account("mastodon", "robin@elsewhere.example")
    await household.take(one, *(post(n) for n in range(3)))
    (kept,) = await household.take(other, post(1))
    await household.forget(one)
    assert [row.id for row in await rows(household)] == [kept.node_id]
    gone = [change for change in await household.changes() if change.op == "DELETE" and change.kind == "ACTIVITY"]
    assert [change.reason for change in gone] == ["UNLINKED"] * 3


async def test_a_person_who_is_listed_no_more_keeps_what_they_did(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    key = actor().key or ""
    listed = records.Contact(key=key, relation="FOLLOWING", names=(records.Name(full="Ada Ray"),))
    (known,) = await household.take(account, listed)
    await household.take(account, post(1), records.Gone(kind="CONTACT", key=key))
    await household.take(account, listed)
    (row,) = await rows(household)
    assert row.contact_id == known.node_id  # followed again, and they are theirs again


async def test_an_account_that_is_only_read_live_keeps_none(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example", mode="LIVE")
    (result,) = await household.take(account, post(1), live=True)
    assert (result.outcome, result.reason) == ("SKIPPED", "UNSUPPORTED")
    assert await rows(household) == []


def key_of(text: str, **more: Any) -> str | None:
    return same_key(post(1, text, **more))


def test_a_text_is_the_same_however_networks_write_addresses_mentions_case_and_marks() -> None:
    key = key_of("Über die Brücke mit @cai@social.example: https://walks.example/17 und heim am Abend")
    assert key is not None
    assert key == key_of("über die brücke mit @cai.bsky.example: https://short.example/x und heim am Abend!")
    assert key != key_of("Über die Wiese mit @cai@social.example: https://walks.example/17 und heim am Abend")


def test_a_text_that_a_network_cut_is_the_same_where_enough_of_it_is_left() -> None:
    text = "word and " * 60
    assert key_of(text) == key_of(text[:260] + "…")


def test_short_texts_are_known_by_their_object_alone() -> None:
    one, two = post(1, "Good morning"), post(2, "Good morning")
    assert same_key(one) != same_key(two)
    assert same_key(one) == same_key(post(1, "Good morning"))


async def test_a_client_with_a_window_is_not_told_of_older_acts_but_of_their_deletion(household: Household) -> None:
    account = await household.account("mastodon", "robin@social.example")
    await household.take(account, post(1, occurred_at=NOW - 9 * DAY), post(2))
    _, new = await rows(household)
    gone, _ = await household.take(account, post(3, occurred_at=NOW - 8 * DAY), post(1, occurred_at=NOW - 9 * DAY))
    await household.take(account, records.Gone(kind="ACTIVITY", key=post(3).key))

    def read(conn: Connection, viewer: str) -> list[tuple[str, str]]:
        where = ChangeFilter(kinds=("ACTIVITY",), messages_after=NOW - 2 * DAY)
        taken = take(conn, viewer, Place(0, 0), 50, where, True)
        return [(row.op, row.node_id) for _, row in taken.rows]

    assert await household.database.read(household.viewer, read) == [("UPSERT", new.id), ("DELETE", gone.node_id)]
