"""What a page means: contacts, mails, threads and people, once, in any order, on both databases."""

from __future__ import annotations

import itertools
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from store.tables import contact, contact_key, conversation, message, message_source, person, thread_reference
from tests.household import ME, NOW, Household, card, follower, mail


async def rows(household: Household, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
    def read(conn: Connection, viewer: str) -> list[tuple[Any, ...]]:
        query = select(*(table.c[c] for c in columns)).where(table.c.viewer_id == viewer)
        return sorted((tuple(r) for r in conn.execute(query)), key=str)

    return await household.database.read(household.viewer, read)


async def people(household: Household) -> list[str]:
    """The names of those who live."""
    return [name for name, led in await rows(household, person, "name", "redirect_to") if led is None]


async def test_a_contact_has_a_person_from_its_first_moment(household: Household) -> None:
    book = await household.account("vcard")
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    assert await people(household) == ["Ada Lovelace"]
    ((person_id,),) = await rows(household, contact, "person_id")
    assert person_id is not None


async def test_taking_the_same_in_again_changes_nothing_and_tells_the_feed_nothing(household: Household) -> None:
    book = await household.account("vcard")
    box = await household.account("mbox", ME, own=[ME])
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    await household.take(box, mail(1, "ada@example.org"), mail(2, ME, "ada@example.org", answers=[1]))
    await household.resolve()
    head = await household.head()
    again = await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    again += await household.take(box, mail(1, "ada@example.org"), mail(2, ME, "ada@example.org", answers=[1]))
    await household.resolve()
    assert {r.outcome for r in again} == {"UNCHANGED"}
    assert await household.head() == head


async def test_a_person_known_from_cards_and_mail_is_one_and_says_by_what(household: Household) -> None:
    book = await household.account("vcard")
    box = await household.account("mbox", ME, own=[ME])
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    await household.take(box, mail(1, "ada@example.org", name="Ada L."))
    await household.resolve()
    assert await people(household) == ["Ada Lovelace"]
    merged = [c for c in await household.changes() if c.op == "MERGE"]
    assert [c.kind for c in merged] == ["PERSON"]


async def test_own_addresses_are_nobodys_contact(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "ada@example.org"), mail(2, ME, "bob@example.com"))
    assert await rows(household, contact, "key") == [("email:ada@example.org",), ("email:bob@example.com",)]
    assert await rows(household, message, "direction") == [("INBOUND",), ("OUTBOUND",)]


async def test_a_thread_is_one_conversation_whatever_the_order_of_arrival(household: Household) -> None:
    mails = {
        1: mail(1, "a@example.org"),
        2: mail(2, ME, "a@example.org", answers=[1]),
        3: mail(3, "a@example.org", answers=[1, 2]),
    }
    for n, order in enumerate(itertools.permutations([1, 2, 3])):
        viewer = await Household.open(household.database, f"u_{n}")
        box = await viewer.account("mbox", ME, own=[ME])
        for number in order:
            await viewer.take(box, mails[number])
        living = [r for r in await rows(viewer, conversation, "id", "redirect_to", "message_count", "subject") if r[1] is None]
        assert [(r[2], r[3]) for r in living] == [(3, "Subject 1")], order
        assert {r[0] for r in await rows(viewer, message, "conversation_id")} == {living[0][0]}


async def test_a_late_parent_joins_its_answers_and_the_older_conversation_keeps_its_id(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(2, "a@example.org", answers=[1]))
    await household.take(box, mail(3, "a@example.org", answers=[4]))
    homes = {mid: home for home, mid in await rows(household, message, "conversation_id", "internet_message_id")}
    first = homes["2@mail.example"]
    await household.take(box, mail(4, ME, "a@example.org", answers=[1]))
    living = [r[0] for r in await rows(household, conversation, "id", "redirect_to") if r[1] is None]
    assert living == [first]


async def test_the_same_mail_in_two_accounts_is_one_message_with_two_sources(household: Household) -> None:
    one = await household.account("mbox", ME, own=[ME])
    two = await household.account("maildir", ME, own=[ME])
    await household.take(one, mail(1, "a@example.org"))
    await household.take(two, mail(1, "a@example.org", key="elsewhere"))
    assert len(await rows(household, message, "id")) == 1
    assert len(await rows(household, message_source, "account_id")) == 2


async def test_a_forged_message_id_does_not_hide_the_real_mail(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "a@example.org", text="forged"), mail(1, "a@example.org", key="k2", text="real"))
    assert len(await rows(household, message, "id")) == 2


async def test_unread_means_unread_in_every_source(household: Household) -> None:
    one = await household.account("mbox", ME, own=[ME])
    two = await household.account("maildir", ME, own=[ME])
    await household.take(one, mail(1, "a@example.org", unread=True))
    assert await rows(household, conversation, "unread_count") == [(1,)]
    await household.take(two, mail(1, "a@example.org", unread=False, key="k2"))
    assert await rows(household, conversation, "unread_count") == [(0,)]


async def test_a_bulk_sender_is_a_contact_without_a_person_until_the_viewer_writes(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "news@shop.example", category="NEWSLETTER"))
    assert await people(household) == []
    await household.take(box, mail(2, ME, "news@shop.example"))
    assert len(await people(household)) == 1


async def test_mail_that_failed_authentication_makes_no_correspondent(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "ada@example.org", authentication="FAILED"))
    assert await rows(household, contact, "key") == []


async def test_a_deleted_contact_takes_its_person_and_leaves_the_others(household: Household) -> None:
    book = await household.account("vcard")
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"), card("2", "Bob Ray", "bob@example.org"))
    await household.take(book, records.Gone(kind="CONTACT", key="1"))
    assert await people(household) == ["Bob Ray"]
    deleted = [(c.op, c.kind) for c in await household.changes() if c.op == "DELETE"]
    assert deleted == [("DELETE", "CONTACT"), ("DELETE", "PERSON")]


async def test_unlinking_takes_everything_of_the_account_and_people_fall_apart(household: Household) -> None:
    book = await household.account("vcard")
    box = await household.account("mbox", ME, own=[ME])
    social = await household.account("mastodon", "robin", mode="LIVE")
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org", urls=["https://social.example/@ada"]))
    await household.take(box, mail(1, "ada@example.org", name="A. Lovelace"))
    await household.take(social, follower("ada", "ada 🌱"), live=True)
    await household.resolve()
    assert await people(household) == ["Ada Lovelace"]
    await household.forget(book)
    await household.resolve()
    assert sorted(await people(household)) == ["A. Lovelace", "ada 🌱"]
    await household.forget(box)
    await household.forget(social)
    await household.resolve()
    assert (await people(household), await rows(household, message, "id"), await rows(household, contact, "id")) == ([], [], [])


async def test_linking_again_restores_the_same_ids(household: Household) -> None:
    book = await household.account("vcard")
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    before = await rows(household, contact, "id", "person_id")
    await household.forget(book)
    assert await household.account("vcard") == book
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    assert await rows(household, contact, "id", "person_id") == before


async def test_of_a_live_account_only_keys_names_and_identifiers_are_kept(household: Household) -> None:
    social = await household.account("mastodon", "robin", mode="LIVE")
    someone = follower("ada", "Ada")
    await household.take(
        social,
        records.Contact(**{f: getattr(someone, f) for f in someone.__struct_fields__} | {"bio": "private words"}),
        live=True,
    )
    ((record, version),) = await rows(household, contact, "record", "version")
    assert b"private words" not in record
    assert version is None
    assert [c.kind for c in await household.changes() if c.kind == "CONTACT"] == []


async def test_positions_in_the_feed_have_no_hole(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    for n in range(1, 20):
        await household.take(box, mail(n, f"p{n % 3}@example.org", answers=[n - 1] if n % 4 else []))
    await household.resolve()
    positions = [c.position for c in await household.changes()]
    assert positions == list(range(1, len(positions) + 1))


def _lost(
    number: int, sender: str, to: str, subject: str, *, later: timedelta = timedelta(0), category: str = "PERSONAL"
) -> records.Message:
    return mail(number, sender, to, subject=subject, category=category, sent_at=NOW + timedelta(minutes=number) + later)


async def _threads(viewer: Household) -> list[set[str]]:
    found: dict[str, set[str]] = {}
    for home, internet_id in await rows(viewer, message, "conversation_id", "internet_message_id"):
        found.setdefault(home, set()).add(internet_id.split("@")[0])
    return sorted(found.values(), key=lambda ids: sorted(ids))


async def test_answers_without_references_join_by_a_telling_subject_whatever_the_order_of_arrival(household: Household) -> None:
    mails = [
        _lost(1, "a@example.org", ME, "Lantern walk on Saturday"),
        _lost(2, ME, "a@example.org", "AW: Lantern walk on Saturday"),
        _lost(3, "a@example.org", ME, "RE: AW: Lantern walk on Saturday"),
        mail(4, ME, "a@example.org", answers=[3], subject="Re: Lantern walk on Saturday"),
        _lost(5, "stranger@example.com", ME, "Re: Lantern walk on Saturday"),
    ]
    for n, order in enumerate(itertools.permutations(mails)):
        if n % 7:
            continue
        viewer = await Household.open(household.database, f"u_{n}")
        box = await viewer.account("mbox", ME, own=[ME])
        half = n % 5
        for part in (order[:half], order[half:]):
            await viewer.take(box, *part)
        assert await _threads(viewer) == [{"1", "2", "3", "4"}, {"5"}], order


@pytest.mark.parametrize(
    "second",
    [
        _lost(2, ME, "a@example.org", "Re: Invoice 4711"),
        _lost(2, ME, "b@example.org", "Re: Lantern walk on Saturday"),
        _lost(2, ME, "a@example.org", "Lantern walk on Saturday"),
        _lost(2, ME, "a@example.org", "Fwd: Lantern walk on Saturday"),
        _lost(2, ME, "a@example.org", "Re: Lantern walk on Saturday", later=timedelta(days=60)),
        _lost(2, ME, "a@example.org", "Re: Lantern walk on Saturday", later=-timedelta(days=1)),
        _lost(2, ME, "a@example.org", "Re: Lantern walk on Saturday", category="NOTIFICATION"),
        mail(2, ME, "a@example.org", answers=[99], subject="Re: Lantern walk on Saturday"),
    ],
)
async def test_nothing_joins_by_subject_where_something_speaks_against_it(household: Household, second: records.Message) -> None:
    box = await household.account("mbox", ME, own=[ME])
    first = "Invoice 4711" if second.subject == "Re: Invoice 4711" else "Lantern walk on Saturday"
    await household.take(box, mail(1, "a@example.org", subject=first))
    await household.take(box, second)
    assert len(await _threads(household)) == 2


async def test_a_networks_own_thread_and_references_join_across_accounts(household: Household) -> None:
    near = {
        "gmail": [mail(1, "a@example.org", conversation_key="t1"), mail(2, ME, "a@example.org", conversation_key="t1")],
        "mbox": [mail(3, "a@example.org", answers=[2]), mail(4, "b@example.org")],
    }
    for n, order in enumerate((("gmail", "mbox"), ("mbox", "gmail"))):
        viewer = await Household.open(household.database, f"u_{n}")
        for name in order:
            await viewer.take(await viewer.account(name, ME, own=[ME]), *near[name])
        assert await _threads(viewer) == [{"1", "2", "3"}, {"4"}]


async def test_a_thread_of_one_account_is_not_anothers_of_the_same_name(household: Household) -> None:
    for name in ("gmail", "other"):
        box = await household.account(name, ME, own=[ME])
        number = 1 if name == "gmail" else 2
        await household.take(box, mail(number, "a@example.org", conversation_key="t1"))
    assert len(await _threads(household)) == 2


async def test_unlinking_forgets_which_ids_belonged_together(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(2, "a@example.org", answers=[1]))
    await household.forget(box)
    assert await rows(household, thread_reference, "internet_id") == []


async def test_a_link_that_no_database_could_index_is_kept_and_is_nobodys_key(household: Household) -> None:
    # letters that do not pack: PostgreSQL refuses rows of an index above 2,704 bytes as they are stored
    endless = "https://ada.example.org/" + "".join(sha256(str(n).encode()).hexdigest() for n in range(100))
    book = await household.account("vcard", "cards")
    await household.take(book, card("a", "Ada", "ada@example.org", urls=[endless]), card("b", "Ada", urls=[endless]))
    await household.resolve()
    kept = [msgspec.msgpack.decode(record, type=records.Contact) for (record,) in await rows(household, contact, "record")]
    assert [[url.url for url in one.urls] for one in kept] == [[endless], [endless]]
    assert [value for (value,) in await rows(household, contact_key, "value")] == ["ada@example.org"]
