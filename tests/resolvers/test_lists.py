"""Lists: complete, in their documented order, page by page, on both databases, with a number of statements that does not grow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import Desk, nodes, pages, statements
from tests.household import ME, Household, card, mail

PEOPLE = """query($first: Int, $after: Cursor, $filter: PersonFilter, $orderBy: PersonOrder) {
  viewer { people(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id name sortName } } } } }"""
MESSAGES = """query($id: ID!, $first: Int, $after: Cursor, $last: Int, $before: Cursor, $around: MessageAnchor) {
  conversation(id: $id) { messages(first: $first, after: $after, last: $last, before: $before, around: $around) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id text } } } } }"""


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


async def many_people(household: Household, count: int) -> None:
    """People of whom every third has the same name as the one before."""
    book = await household.account("vcard")
    names = [f"Person {chr(97 + (n - n % 3) % 26)}{n - n % 3}" for n in range(count)]
    await household.take(book, *(card(str(n), name, f"p{n}@example.org") for n, name in enumerate(names)))


async def thread(household: Household, count: int) -> None:
    """A conversation of so many mails; the last two are unread."""
    box = await household.account("mbox", ME, own=[ME])
    await household.take(
        box,
        *(
            mail(n, "ada@example.org", answers=range(1, n), text=f"number {n}", unread=n > count - 2, name="Ada")
            for n in range(1, count + 1)
        ),
    )


async def conversation_of(desk: Desk) -> str:
    data = await desk.ask("{ viewer { conversations(first: 1) { edges { node { id } } } } }")
    return str(nodes(data["viewer"]["conversations"])[0]["id"])


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_every_person_comes_once_in_the_order_of_the_sort_name(desk: Desk, direction: str) -> None:
    await many_people(desk.household, 11)
    order = {"by": "NAME", "direction": direction}
    found = [p for page in await pages(desk, PEOPLE, ["viewer", "people"], first=3, orderBy=order) for p in page]
    assert len({p["id"] for p in found}) == len(found) == 11
    keys = [(p["sortName"], p["id"]) for p in found]
    assert keys == sorted(keys, reverse=direction == "DESC")


async def test_names_with_spaces_hyphens_and_signs_stand_where_plain_text_puts_them(desk: Desk) -> None:
    book = await desk.household.account("vcard")
    names = ["Ann Lee", "Ann-Lee", "Ann_Lee", "AnnLee", "Ann 2", "(Ann)", "Łucja", "lucja z", "Müller", "Muller Z"]
    await desk.household.take(book, *(card(str(n), name) for n, name in enumerate(names)))
    found = [p for page in await pages(desk, PEOPLE, ["viewer", "people"], first=2) for p in page]
    keys = [(p["sortName"], p["id"]) for p in found]
    assert keys == sorted(keys)
    assert len(keys) == len(names)


@pytest.mark.parametrize("by", ["LAST_CONTACT", "CREATED"])
async def test_other_orders_page_through_everybody_too(desk: Desk, by: str) -> None:
    await many_people(desk.household, 7)
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(box, mail(1, "p3@example.org"), mail(2, "p5@example.org"))
    await desk.household.resolve()
    order = {"by": by, "direction": "DESC"}
    found = [p for page in await pages(desk, PEOPLE, ["viewer", "people"], first=2, orderBy=order) for p in page]
    assert len({p["id"] for p in found}) == len(found) == 7
    if by == "LAST_CONTACT":
        assert [p["name"] for p in found[:2]] == ["Person d3", "Person d3"]


async def test_a_person_added_while_paging_neither_hides_nor_repeats_anybody(desk: Desk) -> None:
    await many_people(desk.household, 6)
    first = (await desk.ask(PEOPLE, first=3))["viewer"]["people"]
    book = await desk.household.account("vcard")
    await desk.household.take(book, card("new", "A A"), card("newer", "Zzz Zzz"))
    second = (await desk.ask(PEOPLE, first=50, after=first["pageInfo"]["endCursor"]))["viewer"]["people"]
    seen = [p["name"] for p in nodes(first)] + [p["name"] for p in nodes(second)]
    assert len(seen) == 7
    assert "Zzz Zzz" in seen


async def test_page_info_says_what_lies_around(desk: Desk) -> None:
    await many_people(desk.household, 3)
    whole = (await desk.ask(PEOPLE, first=3))["viewer"]["people"]
    assert (whole["pageInfo"]["hasNextPage"], whole["pageInfo"]["hasPreviousPage"]) == (False, False)
    assert whole["pageInfo"]["startCursor"] == whole["edges"][0]["cursor"]
    rest = (await desk.ask(PEOPLE, first=1, after=whole["edges"][0]["cursor"]))["viewer"]["people"]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (True, True)
    none = (await desk.ask(PEOPLE, first=0))["viewer"]["people"]
    assert (none["edges"], none["pageInfo"]["endCursor"], none["pageInfo"]["hasNextPage"]) == ([], None, True)


@pytest.mark.parametrize("size", [-1, 201, 1_000_000])
async def test_a_page_has_a_size_that_can_be_served(desk: Desk, size: int) -> None:
    assert await desk.refused(PEOPLE, first=size) == "PAGE_SIZE"


async def test_a_cursor_works_on_its_own_list_only(desk: Desk) -> None:
    await many_people(desk.household, 3)
    cursor = (await desk.ask(PEOPLE, first=1))["viewer"]["people"]["pageInfo"]["endCursor"]
    other = "query($after: Cursor) { viewer { contacts(after: $after) { edges { cursor } } } }"
    assert await desk.refused(other, after=cursor) == "INVALID_CURSOR"
    assert await desk.refused(PEOPLE, after=cursor, filter={"text": "Person"}) == "INVALID_CURSOR"
    assert await desk.refused(PEOPLE, after=cursor, orderBy={"by": "CREATED"}) == "INVALID_CURSOR"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c[:-2] + "AA",
        lambda c: ("B" if c[0] == "A" else "A") + c[1:],
        lambda c: c[:10],
        lambda c: "x",
        lambda c: c + "AAAA",
    ],
)
async def test_a_forged_cursor_is_refused(desk: Desk, change: Any) -> None:
    await many_people(desk.household, 2)
    cursor = (await desk.ask(PEOPLE, first=1))["viewer"]["people"]["pageInfo"]["endCursor"]
    assert await desk.refused(PEOPLE, after=change(cursor)) == "INVALID_CURSOR"


async def test_a_cursor_of_another_installation_is_refused(desk: Desk) -> None:
    await many_people(desk.household, 2)
    cursor = (await desk.ask(PEOPLE, first=1))["viewer"]["people"]["pageInfo"]["endCursor"]
    elsewhere = Desk(desk.household, key=b"another key that is long enough too")
    assert await elsewhere.refused(PEOPLE, after=cursor) == "INVALID_CURSOR"


async def test_messages_come_oldest_first_and_page_both_ways(desk: Desk) -> None:
    await thread(desk.household, 9)
    place = await conversation_of(desk)
    last = (await desk.ask(MESSAGES, id=place, last=3))["conversation"]["messages"]
    assert [m["text"] for m in nodes(last)] == ["number 7", "number 8", "number 9"]
    assert (last["pageInfo"]["hasPreviousPage"], last["pageInfo"]["hasNextPage"], last["totalCount"]) == (True, False, 9)
    older = (await desk.ask(MESSAGES, id=place, last=4, before=last["pageInfo"]["startCursor"]))["conversation"]["messages"]
    assert [m["text"] for m in nodes(older)] == ["number 3", "number 4", "number 5", "number 6"]
    newer = (await desk.ask(MESSAGES, id=place, first=2, after=older["pageInfo"]["startCursor"]))["conversation"]["messages"]
    assert [m["text"] for m in nodes(newer)] == ["number 4", "number 5"]
    oldest = (await desk.ask(MESSAGES, id=place, last=4, before=older["pageInfo"]["startCursor"]))["conversation"]["messages"]
    assert [m["text"] for m in nodes(oldest)] == ["number 1", "number 2"]
    assert oldest["pageInfo"]["hasPreviousPage"] is False


@pytest.mark.parametrize(
    ("anchor", "size", "expected"),
    [
        ({"marker": "FIRST_UNREAD"}, 4, [6, 7, 8, 9]),
        ({"marker": "FIRST_UNREAD"}, 6, [4, 5, 6, 7, 8, 9]),
        ({"marker": "OLDEST"}, 3, [1, 2, 3]),
        ({"marker": "LATEST"}, 3, [7, 8, 9]),
        ({"at": "2026-05-04T12:05:00Z"}, 3, [4, 5, 6]),
        ({"at": "2026-05-04T12:01:00Z"}, 4, [1, 2, 3, 4]),
        ({"at": "2030-01-01T00:00:00Z"}, 2, [8, 9]),
    ],
)
async def test_a_conversation_opens_around_a_place(desk: Desk, anchor: Any, size: int, expected: list[int]) -> None:
    await thread(desk.household, 9)
    found = (await desk.ask(MESSAGES, id=await conversation_of(desk), first=size, around=anchor))["conversation"]["messages"]
    assert [int(m["text"].split()[1]) for m in nodes(found)] == expected
    assert found["pageInfo"]["hasPreviousPage"] == (expected[0] > 1)
    assert found["pageInfo"]["hasNextPage"] == (expected[-1] < 9)


async def test_a_conversation_opens_around_a_message_of_its_own_only(desk: Desk) -> None:
    await thread(desk.household, 5)
    place = await conversation_of(desk)
    third = nodes((await desk.ask(MESSAGES, id=place, first=5))["conversation"]["messages"])[2]["id"]
    found = (await desk.ask(MESSAGES, id=place, first=3, around={"messageId": third}))["conversation"]["messages"]
    assert [m["text"] for m in nodes(found)] == ["number 2", "number 3", "number 4"]
    assert await desk.refused(MESSAGES, id=place, around={"messageId": "m_elsewhere"}) == "UNKNOWN_NODE"
    cursor = found["pageInfo"]["endCursor"]
    assert await desk.refused(MESSAGES, id=place, after=cursor, around={"messageId": third}) == "BAD_ARGUMENTS"
    assert await desk.refused(MESSAGES, id=place, first=1, last=1) == "BAD_ARGUMENTS"


async def test_without_arguments_the_last_fifty_messages_come(desk: Desk) -> None:
    await thread(desk.household, 60)
    found = (await desk.ask(MESSAGES, id=await conversation_of(desk)))["conversation"]["messages"]
    assert len(nodes(found)) == 50
    assert nodes(found)[-1]["text"] == "number 60"


async def test_a_count_is_only_made_when_somebody_asks(desk: Desk) -> None:
    await many_people(desk.household, 4)
    with statements() as without:
        await desk.ask("{ viewer { people(first: 2) { edges { node { id } } } } }")
    with statements() as counted:
        data = await desk.ask("{ viewer { people(first: 2) { totalCount edges { node { id } } } } }")
    assert data["viewer"]["people"]["totalCount"] == 4
    assert len(counted) == len(without) + 1


PEOPLE_PAGE = """query($first: Int) { viewer { people(first: $first) { totalCount edges { node {
  id name formerIds unreadCount emails { address sources { account { label } contact { id } } } lastMessage { id snippet }
  why { sentence contacts { id } } contacts(first: 5) { totalCount edges { node { id names { full } } } }
  timeline(first: 3) { edges { node { occurredAt } } }
  conversations(first: 3) { totalCount edges { node { subject accounts { label } participants(first: 3) { totalCount edges {
    node { name person { name } } } } firstMessage { id }
    lastMessage { snippet text headers { name } sources { externalId account { label } } sender { name person { id } }
      recipients { name } recipientCount inReplyTo { id } conversation { id } } } } } } } } } }"""


async def test_a_page_of_people_takes_as_many_statements_however_long_it_is(desk: Desk) -> None:
    await many_people(desk.household, 50)
    box = await desk.household.account("mbox", ME, own=[ME])
    mails = [mail(3 * n + k, f"p{n}@example.org", name="P", unread=k == 2) for n in range(50) for k in range(3)]
    for at in range(0, len(mails), 50):
        await desk.household.take(box, *mails[at : at + 50])
    await desk.household.resolve()
    taken = []
    for first in (2, 50):
        with statements() as seen:
            data = await desk.ask(PEOPLE_PAGE, first=first)
        assert len(nodes(data["viewer"]["people"])) == first
        assert all(len(nodes(person["conversations"])) == 3 for person in nodes(data["viewer"]["people"]))
        taken.append(len(seen))
    # messages are asked for at two depths, of people and of their conversations: one read or two, as the database answers
    assert abs(taken[0] - taken[1]) <= 1, taken
    assert taken[0] < 60


async def test_every_list_of_a_viewer_pages_to_its_end(desk: Desk) -> None:
    await many_people(desk.household, 5)
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(box, *(mail(n, f"p{n}@example.org") for n in range(5)))
    for name, selection in [
        ("accounts", "id"), ("contacts", "id"), ("conversations", "id"), ("timeline", "occurredAt ... on Message { id }"),
    ]:  # fmt: skip
        query = f"""query($after: Cursor) {{ viewer {{ {name}(first: 2, after: $after) {{
            totalCount pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {selection} }} }} }} }} }}"""
        found = [one for page in await pages(desk, query, ["viewer", name]) for one in page]
        whole = (await desk.ask(f"{{ viewer {{ {name} {{ totalCount }} }} }}"))["viewer"][name]["totalCount"]
        ids = [one["id"] for one in found if "id" in one]
        assert len(ids) == len(set(ids)) == whole, name
