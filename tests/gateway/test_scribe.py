"""Long runs are written in a process of their own: the same rows come of it, and nothing depends on its being there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from gateway import slices
from gateway.scribe import Scribe
from gateway.slices import Slice
from providers import records
from resolvers.ingest import Target, prepare
from store.feed import advance
from store.tables import account, contact, conversation, message, message_html, message_source
from tests.household import ME, NOW, Household, card, mail
from tests.patience import PATIENCE

BOOK = records.Row(item=card("ada", "Ada Lovelace", "ada@example.org"))


def letters(number: int, *, first: int = 0) -> tuple[records.Row, ...]:
    return tuple(
        records.Row(item=mail(n, "ada@example.org", key=f"m{n}", subject=f"Letter {n}")) for n in range(first, first + number)
    )


def part(account_id: str, rows: tuple[records.Row, ...], *, done: int, cursor: bytes | None = None) -> Slice:
    target = Target(account_id=account_id, own=frozenset([ME]))
    return Slice(target=target, rows=rows, now=NOW, done=done, total=99, cursor=cursor)


def stored(conn: Connection, viewer: str) -> dict[str, Any]:
    letters = select(message.c.subject).where(message.c.viewer_id == viewer).order_by(message.c.subject)
    people = select(contact.c.name).where(contact.c.viewer_id == viewer).order_by(contact.c.name)
    places = select(message_source.c.key).where(message_source.c.viewer_id == viewer).order_by(message_source.c.key)
    run = select(account.c.done, account.c.total, account.c.cursor).where(account.c.viewer_id == viewer)
    return {
        "subjects": list(conn.execute(letters).scalars()),
        "people": list(conn.execute(people).scalars()),
        "keys": list(conn.execute(places).scalars()),
        "run": tuple(conn.execute(run).one()),
    }


@pytest.fixture
async def account_id(household: Household) -> str:
    return await household.account("imap", own=[ME])


@pytest.fixture
async def scribe(household: Household) -> AsyncIterator[Scribe]:
    found = Scribe(household.database, long=0, idle=3_600, over=3_600)  # it stays for as long as the test does
    yield found
    await found.close()


async def started(scribe: Scribe, household: Household, account_id: str) -> int:
    """The process, which a first slice has it begin; that one is written here meanwhile."""
    await scribe.write(household.viewer, [part(account_id, letters(1), done=1)])
    await until(lambda: scribe.pid is not None)
    assert scribe.pid is not None
    return scribe.pid


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  a process that begins or ends gives no event here
            await asyncio.sleep(0.01)


async def test_a_short_run_needs_no_second_process(household: Household, account_id: str) -> None:
    scribe = Scribe(household.database, long=99)
    [taken] = await scribe.write(household.viewer, [part(account_id, letters(10), done=10)])
    assert [result.outcome for result in taken.results] == ["CREATED"] * 10
    assert scribe.pid is None
    await scribe.close()


async def test_a_run_of_which_its_source_says_that_it_is_long_has_a_second_process_from_its_beginning(
    household: Household, account_id: str
) -> None:
    scribe = Scribe(household.database, long=98)
    await started(scribe, household, account_id)  # one row of 99
    await scribe.close()


async def test_what_another_process_writes_is_what_this_one_would_have_written(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    pid = await started(scribe, household, account_id)
    rows = (*letters(3, first=1), BOOK, records.Row(item=records.Gone(kind="MESSAGE", key="m0")))
    [taken] = await scribe.write(household.viewer, [part(account_id, rows, done=6, cursor=b"\x00here")])
    assert scribe.pid == pid
    assert [result.outcome for result in taken.results] == ["CREATED", "CREATED", "CREATED", "CREATED", "UPDATED"]
    found = await household.database.read(household.viewer, stored)
    assert found["subjects"] == ["Letter 1", "Letter 2", "Letter 3"]
    assert found["keys"] == ["m1", "m2", "m3"]
    assert "Ada Lovelace" in found["people"]
    assert found["run"] == (6, 99, b"\x00here")
    [again] = await scribe.write(household.viewer, [part(account_id, rows[:4], done=10)])
    assert {result.outcome for result in again.results} == {"UNCHANGED"}


async def test_one_viewers_rows_are_no_other_viewers(household: Household, account_id: str, scribe: Scribe) -> None:
    other = await Household.open(household.database, "u_kim")
    theirs = await other.account("imap", own=[ME])
    await started(scribe, household, account_id)
    await asyncio.gather(
        scribe.write(household.viewer, [part(account_id, letters(3), done=4)]),
        scribe.write(other.viewer, [part(theirs, letters(2, first=7), done=4)]),
    )
    assert (await household.database.read(household.viewer, stored))["keys"] == ["m0", "m1", "m2"]
    assert (await household.database.read(other.viewer, stored))["keys"] == ["m7", "m8"]


async def test_a_slice_that_its_process_died_with_is_written_by_the_worker(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    pid = await started(scribe, household, account_id)
    os.kill(pid, signal.SIGSTOP)
    writing = asyncio.create_task(scribe.write(household.viewer, [part(account_id, letters(5), done=6, cursor=b"c")]))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    [taken] = await writing
    assert [result.outcome for result in taken.results] == ["UNCHANGED", *["CREATED"] * 4]
    await scribe.write(household.viewer, [part(account_id, letters(5, first=5), done=11, cursor=b"d")])
    found = await household.database.read(household.viewer, stored)
    assert len(found["keys"]) == len(found["subjects"]) == 10
    assert found["run"] == (11, 99, b"d")
    assert scribe.pid is None  # and no other one is begun at once


async def test_slices_that_come_together_are_written_in_their_order_with_the_last_ones_checkpoint(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    gone = records.Row(item=records.Gone(kind="MESSAGE", key="m2"))
    parts = [
        part(account_id, letters(3, first=1), done=4, cursor=b"first"),
        part(account_id, (gone, *letters(1, first=3)), done=6),
        part(account_id, letters(2, first=4), done=8, cursor=b"last"),
    ]
    taken = await scribe.write(household.viewer, parts)
    assert [[result.outcome for result in one.results] for one in taken] == [
        ["CREATED", "CREATED", "CREATED"], ["UPDATED", "UNCHANGED"], ["CREATED", "CREATED"],
    ]  # fmt: skip
    found = await household.database.read(household.viewer, stored)
    assert found["keys"] == ["m0", "m1", "m3", "m4", "m5"]
    assert found["run"] == (8, 99, b"last")


async def test_mail_of_several_slices_that_is_taken_as_one_is_what_it_would_be_slice_by_slice(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    [first, second] = letters(2, first=1)
    answer = records.Row(item=mail(5, "ada@example.org", key="m5", subject="Re: Letter 1", answers=[1]))
    assert isinstance(second.item, records.Message)
    read = records.Row(item=msgspec.structs.replace(second.item, unread=not second.item.unread))
    batches = [
        ((first, second), b"first"),
        ((answer, BOOK), None),
        ((read, first), b"second"),
        (letters(2, first=6), None),
        ((), b"end"),
    ]
    other = await Household.open(household.database, "u_kim")
    theirs = await other.account("imap", own=[ME])
    await household.database.write(other.viewer, slices.take, part(theirs, letters(1), done=1))

    def parts(account_id: str) -> list[Slice]:
        return [part(account_id, rows, done=n, cursor=cursor) for n, (rows, cursor) in enumerate(batches, 2)]

    taken = await scribe.write(household.viewer, parts(account_id))
    apart = [await household.database.write(other.viewer, slices.take, one) for one in parts(theirs)]
    assert [[r.outcome for r in one.results] for one in taken] == [[r.outcome for r in results] for results in apart]
    assert [[r.outcome for r in results] for results in apart] == [
        ["CREATED", "CREATED"], ["CREATED", "CREATED"], ["UPDATED", "UNCHANGED"], ["CREATED", "CREATED"], [],
    ]  # fmt: skip
    for found in (stored, threads):
        assert await household.database.read(household.viewer, found) == await household.database.read(other.viewer, found)


def threads(conn: Connection, viewer: str) -> list[tuple[Any, ...]]:
    c = conversation.c
    query = select(c.subject, c.message_count, c.unread_count, c.flags, c.last_activity_at).where(c.viewer_id == viewer)
    return sorted(tuple(row) for row in conn.execute(query))


def test_only_mail_is_taken_together_with_the_mail_beside_it() -> None:
    mails = part("account_1", letters(2), done=2, cursor=b"a")
    gone = part("account_1", (records.Row(item=records.Gone(kind="MESSAGE", key="m1")),), done=3)
    assert slices.alike(mails, mails) and slices.alike(mails, part("account_1", (), done=2))
    assert not slices.alike(mails, gone) and not slices.alike(gone, mails)
    assert not slices.alike(mails, part("account_2", letters(2), done=2))
    both = slices.joined([mails, part("account_1", letters(1, first=2), done=3)])
    assert (both.rows, both.done, both.cursor, both.ready) == (letters(3), 3, b"a", (None, None, None))


async def test_of_slices_that_come_together_those_before_a_refused_one_are_written_and_those_after_it_are_not(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    broken = msgspec.structs.replace(part(account_id, letters(1, first=3), done=4), done=2**70)  # no column holds that
    parts = [part(account_id, letters(2, first=1), done=3, cursor=b"here"), broken, part(account_id, letters(1, first=4), done=5)]
    with pytest.raises(Exception) as refused:
        await scribe.write(household.viewer, parts)
    assert "the process" not in str(refused.value)
    found = await household.database.read(household.viewer, stored)
    assert found["keys"] == ["m0", "m1", "m2"]
    assert found["run"] == (3, 99, b"here")


async def test_a_run_hands_slices_over_while_those_before_them_are_written_and_all_are_written_in_their_order(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    writing = scribe.writing(household.viewer)
    gone = records.Row(item=records.Gone(kind="MESSAGE", key="m2"))
    first = part(account_id, letters(60, first=1), done=61, cursor=b"first")
    second = part(account_id, (gone,), done=62)
    third = part(account_id, letters(1, first=61), done=63, cursor=b"last")
    done = [*await writing.put([first]), *await writing.put([second]), *await writing.put([third])]
    assert [len(taken.results) for _, taken in done] == [60, 1]  # the last one is under way
    done += await writing.rest()
    assert [(rows, len(taken.results)) for rows, taken in done] == [((None,) * 60, 60), ((gone,), 1), ((None,), 1)]
    found = await household.database.read(household.viewer, stored)
    assert sorted(found["keys"]) == sorted(f"m{n}" for n in range(62) if n != 2)
    assert found["run"] == (63, 99, b"last")
    assert await writing.rest() == []


async def test_what_was_handed_over_behind_a_refused_slice_is_not_written(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    writing = scribe.writing(household.viewer)
    good = part(account_id, letters(2, first=1), done=3, cursor=b"here")
    broken = part(account_id, letters(1, first=3), done=2**64 - 1, cursor=b"never")  # can be sent, and no column holds that
    await writing.put([good, broken])
    with pytest.raises(Exception) as refused:
        await writing.put([part(account_id, letters(1, first=4), done=5, cursor=b"beyond")])
    assert "the process" not in str(refused.value)
    [taken] = await scribe.write(household.viewer, [part(account_id, letters(2), done=6)])  # behind it, had it been written
    assert [result.outcome for result in taken.results] == ["UNCHANGED", "UNCHANGED"]
    found = await household.database.read(household.viewer, stored)
    assert found["keys"] == ["m0", "m1", "m2"]
    assert found["run"] == (6, 99, b"here")


async def test_everything_that_its_process_died_with_is_written_by_the_worker_in_its_order(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    pid = await started(scribe, household, account_id)
    writing = scribe.writing(household.viewer)
    os.kill(pid, signal.SIGSTOP)
    done = await writing.put([part(account_id, letters(3, first=1), done=4, cursor=b"c")])
    handing = asyncio.create_task(writing.put([part(account_id, letters(3, first=4), done=7, cursor=b"d")]))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    done += await handing
    done += await writing.put([part(account_id, letters(3, first=7), done=10, cursor=b"e")])
    done += await writing.rest()
    assert [[result.outcome for result in taken.results] for _, taken in done] == [["CREATED"] * 3] * 3
    assert {result.outcome for _, taken in done for result in taken.results} == {"CREATED"}
    found = await household.database.read(household.viewer, stored)
    assert found["keys"] == [f"m{n}" for n in range(10)]
    assert found["run"] == (10, 99, b"e")


async def test_who_wants_to_write_meanwhile_waits_for_one_slice_and_not_for_all_of_them(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    parts = [part(account_id, letters(100, first=1 + 100 * n), done=101 + 100 * n) for n in range(30)]
    writing = asyncio.create_task(scribe.write(household.viewer, parts))
    for _ in range(3):
        await household.database.write(household.viewer, lambda conn, viewer: advance(conn, viewer, 1))
    assert not writing.done()
    assert len(await writing) == 30


async def test_what_the_other_process_cannot_write_fails_as_it_would_here(
    household: Household, account_id: str, scribe: Scribe
) -> None:
    await started(scribe, household, account_id)
    broken = part(account_id, letters(1), done=2)
    broken = Slice(target=broken.target, rows=broken.rows, now=broken.now, done=2**70)  # no column holds that
    with pytest.raises(Exception) as refused:
        await scribe.write(household.viewer, [broken])
    assert "the process" not in str(refused.value)
    [taken] = await scribe.write(household.viewer, [part(account_id, letters(2), done=3)])
    assert [result.outcome for result in taken.results] == ["UNCHANGED", "CREATED"]


async def test_a_process_without_work_ends(household: Household, account_id: str) -> None:
    scribe = Scribe(household.database, long=0, idle=0.05)
    pid = await started(scribe, household, account_id)
    await until(lambda: scribe.pid is None)
    [taken] = await scribe.write(household.viewer, [part(account_id, letters(2), done=2)])  # a next one is begun when needed
    assert [result.outcome for result in taken.results] == ["UNCHANGED", "CREATED"]
    await scribe.close()
    assert scribe.pid != pid


async def test_the_process_ends_soon_after_the_last_run_and_not_before(household: Household, account_id: str) -> None:
    scribe = Scribe(household.database, long=0, over=0.0)
    run = scribe.writing(household.viewer)
    pid = await started(scribe, household, account_id)
    await scribe.write(household.viewer, [part(account_id, letters(2), done=2)])  # that is over, and the other run is not
    await run.put([part(account_id, letters(1, first=2), done=3)])
    await run.rest()
    assert scribe.pid == pid
    run.end()
    await until(lambda: scribe.pid is None)
    await scribe.close()


async def test_the_process_ends_with_the_worker_and_by_no_signal_that_is_meant_for_it(household: Household) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.scribe", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    url = household.database.url.render_as_string(hide_password=False).encode()
    process.stdin.write(len(url).to_bytes(4, "big") + url)
    assert await process.stdout.readexactly(4) == bytes(4)  # it is there
    for stop in (signal.SIGINT, signal.SIGTERM):  # a terminal or a service manager sends them to all of a group
        process.send_signal(stop)
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.parametrize(
    "item",
    [
        BOOK.item,
        letters(1)[0].item,
        records.MessageState(key="k", container="INBOX", unread=True, labels=("a", "b"), role="INBOX"),
        records.Gone(kind="CONTACT", key="k"),
        records.Voided(container="INBOX", prefix="INBOX:1:"),
        records.Unreadable(key="k", outcome="FAILED", reason="UNREADABLE", message="why"),
        records.ConversationHead(key="c", kind="DIRECT", subject="Ada", last_activity_at=NOW),
        card("pic", "Ada", photo=records.Photo(media_type="image/png", data=b"\x89PNG"), dates=(records.PartialDate(month=2),)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_every_kind_of_row_arrives_as_it_was_sent(item: Any) -> None:
    sent = part("account_1", (records.Row(item=item, place=records.Place(path="a.zip", position=3)),), done=1, cursor=b"\xff")
    arrived = slices.unpacked(slices.packed(sent))
    assert msgspec.structs.replace(arrived, ready=()) == sent


def test_what_was_prepared_where_mail_was_read_is_not_prepared_again_where_it_is_written() -> None:
    rows = (records.Row(item=mail(1, "ada@example.org", subject="Trip")), BOOK)
    ready = (prepare(rows[0].item), None) if isinstance(rows[0].item, records.Message) else ()
    sent = msgspec.structs.replace(part("account_1", rows, done=2), ready=ready)
    arrived = slices.unpacked(slices.packed(sent))
    assert arrived.ready == ready
    assert arrived.rows[1] == BOOK


async def test_mail_of_which_only_what_was_made_of_it_travels_is_stored_as_it_was_read(
    household: Household, account_id: str
) -> None:
    other = await Household.open(household.database, "u_kim")
    theirs = await other.account("imap", own=[ME])
    heads = (records.Header(name="Subject", value="Boats"), records.Header(name="List-Post", value="<mailto:rowers@example.org>"))
    items = [
        mail(1, "ada@example.org", text="See you at the quay", html="<p>See you</p>", headers=heads),
        mail(2, "ada@example.org", text="Nobody gave it a name", internet_message_id=None),
        mail(3, "ada@example.org", text="Nobody wrote it", participants=()),
        mail(3, "ada@example.org", text="Another text under the same name"),
    ]
    rows = tuple(records.Row(item=item) for item in items)
    whole = part(account_id, rows, done=4)
    sent = msgspec.structs.replace(part(theirs, rows, done=4), ready=tuple(prepare(item) for item in items))
    arrived = slices.unpacked(slices.packed(sent))
    first = arrived.rows[0].item
    assert isinstance(first, records.Message)
    assert (first.text, first.html, first.headers) == ("", None, ())

    def held(conn: Connection, viewer: str) -> list[Any]:
        m, h = message.c, message_html.c
        rows = conn.execute(
            select(m.subject, m.snippet, m.body, m.headers, m.fingerprint, m.subject_key, h.html)
            .select_from(message.outerjoin(message_html, (h.viewer_id == m.viewer_id) & (h.message_id == m.id)))
            .where(m.viewer_id == viewer).order_by(m.sent_at, m.snippet)
        )  # fmt: skip
        return [tuple(zlib.decompress(v) if isinstance(v, bytes) and len(v) != 16 else v for v in row) for row in rows]

    await household.database.write(household.viewer, slices.take, whole)
    await other.database.write(other.viewer, slices.take, arrived)
    stored_here = await household.database.read(household.viewer, held)
    assert len(stored_here) == 4
    assert await other.database.read(other.viewer, held) == stored_here
