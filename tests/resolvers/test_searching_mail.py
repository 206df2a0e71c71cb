"""The operators of the search, on both databases: what they find, what they leave out, and that pages stay stable meanwhile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, delete

from providers import records
from resolvers.ingest import reindexing
from store import search_index
from store.tables import search_doc
from tests.asking import Desk
from tests.household import ME, Household, card, mail

ADA, BOB, CARL = "ada@example.org", "bob@example.net", "carl@example.com"
SEARCH = """query($query: String!, $scopes: [SearchScope!], $first: Int, $after: Cursor, $orderBy: SearchOrder) {
  viewer { search(query: $query, scopes: $scopes, first: $first, after: $after, orderBy: $orderBy) {
    totalCount interpretation { canonical warnings { message } } pageInfo { hasNextPage endCursor }
    edges { cursor score highlights { field text spans { start end } } node { __typename
      ... on Person { name } ... on Conversation { subject } ... on Message { subject } ... on Attachment { name message { subject } } } } } } }"""


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


async def asked(desk: Desk, query: str, **more: Any) -> Any:
    return (await desk.ask(SEARCH, query=query, **more))["viewer"]["search"]


async def subjects(desk: Desk, query: str, *, scopes: tuple[str, ...] = ("MESSAGES",), **more: Any) -> list[str]:
    data = await asked(desk, query, scopes=list(scopes), **more)
    return sorted(edge["node"].get("subject") or edge["node"]["name"] for edge in data["edges"])


def file(name: str) -> records.Attachment:
    return records.Attachment(part="2", name=name, media_type="application/pdf", size=10)


async def box(household: Household) -> str:
    """Mail between three people, in folders, with labels, a file and states."""
    account = await household.account("imap", ME, own=[ME])
    offer = mail(
        1, ADA, name="Ada Lovelace", subject="Offer", text="The offer for the solar panels.", container="Work/Solar",
        attachments=(file("Angebot Müller.pdf"),), attachment_count=1, unread=True, labels=("Important",),
    )  # fmt: skip
    answer = mail(2, ME, ADA, subject="Re: Offer", text="Panels look solar enough.", container="Sent", answers=[1], unread=False)
    other = mail(
        3,
        BOB,
        name="Bob Ada Stone",
        subject="Boat",
        text="see you soon, then we sail",
        container="INBOX",
        flagged=True,
        unread=False,
    )
    last = mail(
        4, CARL, name="Carl", subject="Soon", text="you see soon enough", container="INBOX.Archive", unread=True,
        participants=(
            records.Participant(role="FROM", address=CARL, name="Carl"), records.Participant(role="TO", address=ME),
            records.Participant(role="CC", address=ADA, name="Ada Lovelace"),
        ),
    )  # fmt: skip
    await household.take(account, offer, answer, other, last)
    return account


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from:ada", ["Boat", "Offer"]),
        ("from:lovelace", ["Offer"]),
        (f"from:{ADA}", ["Offer"]),
        ("from:example.org", ["Offer", "Re: Offer"]),
        ('from:"ada lovelace"', ["Offer"]),
        ('from:"lovelace ada"', ["Offer"]),  # her name, then her address
        ('from:"stone ada"', []),
        ("to:ada", ["Re: Offer", "Soon"]),
        ("with:ada", ["Boat", "Offer", "Re: Offer", "Soon"]),
        (f"with:{CARL}", ["Soon"]),
        ("subject:offer", ["Offer", "Re: Offer"]),
        ("subject:panels", []),
        ("in:sent", ["Re: Offer"]),
        ("in:solar", ["Offer"]),
        ("in:work/solar", ["Offer"]),
        ("in:inbox", ["Boat"]),
        ("in:archive", ["Soon"]),
        ("in:imap", ["Boat", "Offer", "Re: Offer", "Soon"]),
        ("label:important", ["Offer"]),
        ("has:attachment", ["Offer"]),
        ("is:unread", ["Offer", "Soon"]),
        ("is:read", ["Boat", "Re: Offer"]),
        ("is:flagged", ["Boat"]),
        ("is:unread -from:carl", ["Offer"]),
        ("-has:attachment subject:offer", ["Re: Offer"]),
        ("solar -subject:re", ["Offer"]),
        ('"see you soon"', ["Boat"]),
        ("see you soon", ["Boat", "Soon"]),
        ('-"see you" soon', ["Soon"]),
        ('"solar panels"', ["Offer"]),
        ('"you so"', []),
        ("after:2026-05 is:read", ["Boat", "Re: Offer"]),
        ("before:2026 is:read", []),
    ],
)
async def test_an_operator_finds_what_it_says(desk: Desk, query: str, found: list[str]) -> None:
    await box(desk.household)
    assert await subjects(desk, query) == found
    assert (await asked(desk, query, scopes=["MESSAGES"]))["totalCount"] == len(found)


async def test_a_conversation_is_found_by_what_holds_of_any_of_its_messages(desk: Desk) -> None:
    await box(desk.household)
    everywhere = {
        "from:ada subject:offer": ["Offer"],
        f"from:{ME}": ["Offer"],
        "in:sent in:solar": ["Offer"],
        "is:flagged": ["Boat"],
    }
    for query, found in everywhere.items():
        assert await subjects(desk, query, scopes=("CONVERSATIONS",)) == found, query


async def test_files_are_found_by_their_names_and_lead_to_their_mail(desk: Desk) -> None:
    await box(desk.household)
    [edge] = (await asked(desk, "muller from:ada", scopes=["ATTACHMENTS"]))["edges"]
    assert edge["node"] == {"__typename": "Attachment", "name": "Angebot Müller.pdf", "message": {"subject": "Offer"}}
    [shown] = edge["highlights"]
    assert [shown["text"][s["start"] : s["end"]] for s in shown["spans"]] == ["Müller"]


async def test_what_a_source_says_anew_is_found_at_once(desk: Desk) -> None:
    account = await box(desk.household)
    read = records.MessageState(key="key-1", container="Work/Done", unread=False, flagged=True, labels=())
    await desk.household.take(account, read)
    assert await subjects(desk, "is:unread") == ["Soon"]
    assert await subjects(desk, "is:flagged in:done") == ["Offer"]
    assert await subjects(desk, "in:solar") == await subjects(desk, "label:important") == []
    assert await subjects(desk, "is:flagged", scopes=("ATTACHMENTS",)) == ["Angebot Müller.pdf"]


async def test_a_message_that_is_gone_is_not_found_nor_are_its_files(desk: Desk) -> None:
    account = await box(desk.household)
    await desk.household.take(account, records.Gone(kind="MESSAGE", key="key-1"))
    assert await subjects(desk, "solar", scopes=("MESSAGES", "ATTACHMENTS", "CONVERSATIONS")) == ["Re: Offer"]
    assert await subjects(desk, "angebot", scopes=("ATTACHMENTS",)) == []


async def test_words_inside_runs_without_spaces_are_found_side_by_side_only(desk: Desk) -> None:
    account = await desk.household.account("imap", ME, own=[ME])
    await desk.household.take(
        account,
        mail(1, ADA, subject="capital", text="来月東京都庁で会いましょう"),
        mail(2, ADA, subject="other", text="東京と京都と大会"),
    )
    assert await subjects(desk, "東京都庁") == ["capital"]
    assert await subjects(desk, "京都") == ["capital", "other"]
    assert await subjects(desk, "会") == ["capital", "other"]  # within a run, and at the end of one
    [edge] = (await asked(desk, "都庁", scopes=["MESSAGES"]))["edges"]
    [shown] = edge["highlights"]
    assert [shown["text"][s["start"] : s["end"]] for s in shown["spans"]] == ["都庁"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("strasse", "Hauptstraße und Straße"),
        ("Łódź", "Grusse aus Lodz"),
        ("مدرسه", "هذه مَدْرَسَة كبيرة"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("ﬁne", "fine"),
    ],
)
async def test_spelling_does_not_decide_what_is_found(desk: Desk, query: str, text: str) -> None:
    account = await desk.household.account("imap", ME, own=[ME])
    await desk.household.take(account, mail(1, ADA, subject="it", text=text), mail(2, ADA, subject="none", text="something else"))
    assert await subjects(desk, query) == ["it"]


async def test_the_best_are_the_people_then_who_it_is_about_then_where_it_is_mentioned(desk: Desk) -> None:
    book = await desk.household.account("vcard")
    await desk.household.take(book, card("1", "Ada Lovelace", ADA))
    await box(desk.household)
    account = await desk.household.account("imap", "second")
    await desk.household.take(account, mail(9, BOB, subject="Newest", text="lovelace is only mentioned"))
    data = await asked(desk, "lovelace", scopes=["PEOPLE", "MESSAGES"])
    kinds = [edge["node"].get("subject") or edge["node"]["name"] for edge in data["edges"]]
    assert kinds[0] == "Ada Lovelace"
    assert kinds[-1] == "Newest"
    scores = [edge["score"] for edge in data["edges"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("order", ["RELEVANCE", "RECENCY"])
async def test_pages_neither_skip_nor_repeat_while_mail_comes_in(desk: Desk, order: str) -> None:
    account = await desk.household.account("imap", ME, own=[ME])
    # many in one second, which only their ids tell apart
    letters = [mail(n, ADA, subject="harbour" if n % 2 else "else", text="harbour", key=f"k{n}") for n in range(40)]
    letters = [msgspec.structs.replace(one, sent_at=letters[0].sent_at) for one in letters]
    await desk.household.take(account, *letters)
    seen: list[str] = []
    after = None
    for n in range(20):
        data = await asked(desk, "harbour", scopes=["MESSAGES"], first=3, after=after, orderBy=order)
        seen += [edge["cursor"] for edge in data["edges"]]
        after = data["pageInfo"]["endCursor"]
        await desk.household.take(account, mail(100 + n, ADA, subject="harbour", text="new"))
        if not data["pageInfo"]["hasNextPage"]:
            break
    assert len(set(seen)) == len(seen)
    # by relevance the second tier begins after the newcomers' place in the first
    assert len(seen) == 40


async def test_nothing_is_lost_behind_a_limit(desk: Desk) -> None:
    account = await desk.household.account("imap", ME, own=[ME])
    for part in range(8):
        await desk.household.take(account, *(mail(part * 100 + n, ADA, text="frequent word") for n in range(100)))
    seen: set[str] = set()
    after = None
    while True:
        data = await asked(desk, "frequent", scopes=["MESSAGES"], first=200, after=after)
        seen |= {edge["cursor"] for edge in data["edges"]}
        after = data["pageInfo"]["endCursor"]
        if not data["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) == data["totalCount"] == 800


async def test_an_old_rare_mail_is_found_behind_many_new_ones(desk: Desk) -> None:
    account = await desk.household.account("imap", ME, own=[ME])
    for part in range(8):
        await desk.household.take(
            account, *(mail(part * 100 + n, ADA, text="needle in hay" if part + n == 0 else "hay") for n in range(100))
        )
    assert await subjects(desk, "needle") == ["Subject 0"]
    assert await subjects(desk, '"needle in hay"', orderBy="RECENCY") == ["Subject 0"]


async def test_another_viewer_finds_none_of_it(desk: Desk) -> None:
    await box(desk.household)
    other = Desk(await Household.open(desk.household.database, "u_other"))
    for query in ("solar", "is:unread", "from:ada", "in:imap", '"solar panels"', "-nothing"):
        assert (await asked(other, query))["edges"] == [], query


async def test_the_index_is_made_again_from_what_is_stored(desk: Desk) -> None:
    book = await desk.household.account("vcard")
    await desk.household.take(book, card("1", "Ada Lovelace", ADA))
    await box(desk.household)
    everything = ("MESSAGES", "ATTACHMENTS", "CONVERSATIONS", "PEOPLE")

    def documents(conn: Connection, viewer: str) -> list[tuple[Any, ...]]:
        columns = [c for c in search_doc.c if c.name not in ("n", "place")]
        rows = conn.execute(search_doc.select().with_only_columns(*columns).where(search_doc.c.viewer_id == viewer))
        return sorted((tuple(row) for row in rows), key=str)

    database, viewer = desk.household.database, desk.household.viewer
    before = await database.read(viewer, documents)
    await database.write(viewer, lambda conn, viewer: conn.execute(delete(search_doc).where(search_doc.c.viewer_id == viewer)))
    assert await subjects(desk, "ada", scopes=everything) == []
    place: reindexing.Place | None = reindexing.BEGINNING
    while place is not None:
        place = await database.write(viewer, reindexing.reindex, place)
    assert await database.read(viewer, documents) == before


async def test_a_query_is_shown_as_it_was_understood(desk: Desk) -> None:
    data = await asked(desk, '  FROM:ada  "see  you" is:blue -draft has:attachment before:soon to: http://example.org')
    assert data["interpretation"]["canonical"] == 'from:ada "see you" -draft has:attachment http://example.org'
    assert [w["message"].split(":")[0] for w in data["interpretation"]["warnings"]] == ["is", "before", "to"]


@pytest.mark.parametrize(
    "query",
    [
        'from:"',
        "-",
        "--",
        '"',
        '""',
        'from:""',
        "-from:",
        "from:%",
        'to:"%_"',
        "is:",
        "in:*",
        "a" * 5_000,
        "from:a " * 500,
        "🌱 from:🌱",
        "'",
    ],
)
async def test_no_query_breaks_the_search(desk: Desk, query: str) -> None:
    await box(desk.household)
    await asked(desk, query)


async def test_the_index_holds_no_word_that_somebody_could_use_to_see_more(household: Household) -> None:
    other = await Household.open(household.database, "u_other")
    await household.database.write(
        household.viewer,
        search_index.put,
        [search_index.Doc(node_id="m_1", kind="MESSAGE", title="secret", body="u_other urobinmessage")],
    )
    for query in ("urobinmessage", "u_robin", "~u_robin"):
        found = await household.database.read(other.viewer, search_index.match, query, kinds=["MESSAGE"], limit=5)
        assert found == [], query
