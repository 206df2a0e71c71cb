"""Plain search: the same words are found on both databases, however they are written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from store import search_index
from store.search_index import Doc, Term
from tests.household import NOW, Household

KINDS = ["PERSON", "MESSAGE"]


async def find(household: Household, query: str) -> list[str]:
    hits = await household.database.read(household.viewer, search_index.match, query, kinds=KINDS, limit=10)
    return [hit.node_id for hit in hits]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("lodz", "Grüße aus Łódź"),
        ("strasse", "Lange Straße 4"),
        ("STRAßE", "lange strasse 4"),
        ("muller", "Jürgen Müller"),
        ("京都", "来月東京都庁で会いましょう"),
        ("прив", "Привет, Мир"),
        ("مرح", "مرحبا بالعالم"),
        ("김철", "안녕하세요 김철수입니다"),
        ("ada@example.org", "write to ada@example.org soon"),
        ("smorre", "Smørrebrød"),
    ],
)
async def test_a_mail_is_found_without_its_accents_case_or_word_breaks(household: Household, query: str, text: str) -> None:
    doc = Doc(node_id="m_1", kind="MESSAGE", title="", body=text, at=NOW)
    await household.database.write(household.viewer, search_index.put, [doc])
    assert await find(household, query) == ["m_1"]


async def test_every_word_must_be_there_and_the_last_may_be_unfinished(household: Household) -> None:
    docs = [Doc(node_id="m_1", kind="MESSAGE", title="boathouse plans", body="on thursday", at=NOW)]
    await household.database.write(household.viewer, search_index.put, docs)
    assert await find(household, "boathouse thurs") == ["m_1"]
    assert await find(household, "boathouse friday") == []
    assert await find(household, "boat plans") == []


async def test_people_come_first_then_the_latest_and_pages_do_not_overlap(household: Household) -> None:
    docs = [Doc(node_id=f"m_{n}", kind="MESSAGE", title="harbour", at=NOW + timedelta(minutes=n)) for n in range(5)]
    docs.append(Doc(node_id="p_1", kind="PERSON", title="Harbour Master"))
    await household.database.write(household.viewer, search_index.put, docs)
    terms = [Term(words=("harbour",))]
    first = await household.database.read(household.viewer, search_index.find, terms, kinds=KINDS, limit=3)
    last = first[-1]
    rest = await household.database.read(
        household.viewer, search_index.find, terms, kinds=KINDS, limit=9, before=(last.place, last.node_id)
    )
    assert [h.node_id for h in first + rest] == ["p_1", "m_4", "m_3", "m_2", "m_1", "m_0"]


async def test_a_changed_or_deleted_text_is_no_longer_found_by_its_old_words(household: Household) -> None:
    put, drop = search_index.put, search_index.drop
    await household.database.write(household.viewer, put, [Doc(node_id="m_1", kind="MESSAGE", title="apples", at=NOW)])
    await household.database.write(household.viewer, put, [Doc(node_id="m_1", kind="MESSAGE", title="pears", at=NOW)])
    assert (await find(household, "apples"), await find(household, "pears")) == ([], ["m_1"])
    await household.database.write(household.viewer, drop, ["m_1"])
    assert await find(household, "pears") == []


async def test_the_index_agrees_with_its_documents_whatever_is_written_and_in_whatever_order(household: Household) -> None:
    def doc(n: int, word: str, *facets: str, sender: str = "") -> Doc:
        at = NOW - timedelta(seconds=n % 7)  # several at one moment, and back and forth
        body = f"{word} boat"
        return Doc(node_id=f"m_{n}", kind="MESSAGE", title=word, sender=sender, body=body, facets=frozenset(facets), at=at)

    def write(conn: Connection, viewer: str) -> None:
        search_index.put(conn, viewer, [doc(n, "apples", "isunread") for n in range(40)])
        search_index.put(conn, viewer, [doc(n, "pears", "isread") for n in range(60, 20, -1)])
        search_index.put(conn, viewer, [doc(n, "pears", sender="Ada") for n in range(50, 56)], onto=True)
        search_index.put_facets(conn, viewer, {f"m_{n}": frozenset({"isread", "isflagged"}) for n in range(0, 70, 3)})
        search_index.drop(conn, viewer, [f"m_{n}" for n in range(10)])
        search_index.put(conn, viewer, [Doc(node_id=f"m_{n}", kind="MESSAGE", title="plums", at=NOW) for n in range(5, 15)])

    database, viewer = household.database, household.viewer
    await database.write(viewer, write)
    for word, many in {"apples": 6, "pears": 40, "plums": 10, "boat": 46, "ada": 6}.items():
        assert await database.read(viewer, search_index.count, search_index.plain_terms(word), kinds=KINDS) == many, word
    flagged = [Term(column="facets", words=("isflagged",))]
    assert await database.read(viewer, search_index.count, flagged, kinds=KINDS) == 16
    if database.sqlite:
        check = text("INSERT INTO search_fts(search_fts, rank) VALUES ('integrity-check', 1)")  # against the documents, too
        await database.write(viewer, lambda conn, viewer: conn.execute(check))


async def test_another_viewer_finds_nothing(household: Household) -> None:
    other = await Household.open(household.database, "u_other")
    await household.database.write(
        household.viewer, search_index.put, [Doc(node_id="m_1", kind="MESSAGE", title="secret", at=NOW)]
    )
    assert await find(other, "secret") == []


@pytest.mark.parametrize(
    "query", ['"', "a AND", "NEAR(", "viewer_id : x", "'; drop table search_doc; --", "*", "\x00", "🌱" * 50]
)
async def test_no_query_is_read_as_the_index_own_language(household: Household, query: str) -> None:
    await household.database.write(household.viewer, search_index.put, [Doc(node_id="m_1", kind="MESSAGE", title="calm", at=NOW)])
    await find(household, query)
    assert await find(household, "calm") == ["m_1"]


async def test_documents_that_grow_move_and_go_within_one_transaction_are_found_as_they_ended(household: Household) -> None:
    def doc(number: int, title: str, minutes: int = 0) -> Doc:
        return Doc(node_id=f"m_{number}", kind="MESSAGE", title=title, at=NOW + timedelta(minutes=minutes))

    def write(conn: Connection, viewer: str) -> None:
        with search_index.gathered(conn):
            search_index.put(conn, viewer, [doc(1, "harbour"), doc(2, "harbour"), doc(3, "harbour")])
            search_index.put(conn, viewer, [doc(1, "quay", minutes=5), doc(4, "ferry")])
            search_index.put(conn, viewer, [doc(1, "island", minutes=7)])
            search_index.drop(conn, viewer, ["m_2"])
            search_index.put(conn, viewer, [doc(0, "lighthouse"), doc(4, "ferry")])

    def check(conn: Connection, viewer: str) -> None:
        if conn.dialect.name == "sqlite":  # what the index has is what the documents say
            conn.execute(text("INSERT INTO search_fts(search_fts, rank) VALUES ('integrity-check', 1)"))

    await household.database.write(household.viewer, search_index.put, [doc(0, "harbour"), doc(4, "harbour")])
    await household.database.write(household.viewer, write)
    found = {word: await find(household, word) for word in ("harbour", "quay", "island", "ferry", "lighthouse")}
    assert found == {"harbour": ["m_3"], "quay": [], "island": ["m_1"], "ferry": ["m_4"], "lighthouse": ["m_0"]}
    await household.database.write(household.viewer, check)


async def test_of_a_transaction_that_fails_nothing_is_found(household: Household) -> None:
    def fail(conn: Connection, viewer: str) -> None:
        with search_index.gathered(conn):
            search_index.put(conn, viewer, [Doc(node_id="m_1", kind="MESSAGE", title="harbour", at=NOW)])
            raise OSError("the disk is full")

    with pytest.raises(OSError):
        await household.database.write(household.viewer, fail)
    await household.database.write(household.viewer, search_index.put, [Doc(node_id="m_2", kind="MESSAGE", title="quay", at=NOW)])
    assert (await find(household, "harbour"), await find(household, "quay")) == ([], ["m_2"])


async def test_an_index_that_many_transactions_wrote_is_in_few_pieces_and_has_all_of_them(household: Household) -> None:
    def pieces(conn: Connection, viewer: str) -> int:
        return int(conn.execute(text("SELECT count(DISTINCT segid) FROM search_fts_idx")).scalar_one())

    for n in range(50):
        doc = Doc(node_id=f"m_{n}", kind="MESSAGE", title=f"boat {n}", at=NOW + timedelta(minutes=n))
        await household.database.write(household.viewer, search_index.put, [doc])
    terms = search_index.plain_terms("boat")
    assert await household.database.read(household.viewer, search_index.count, terms, kinds=KINDS) == 50
    if household.database.sqlite:  # each transaction wrote one
        assert await household.database.read(household.viewer, pieces) < 32
