"""Tags: put on people and conversations, called otherwise and taken off as any client would; borne by whoever their people are by now."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from resolvers import tags
from resolvers.ingest import categories
from store.feed import Recorder
from store.tables import contact
from tests.asking import Desk, nodes, pages, statements
from tests.household import ME, Household, card, mail

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
PUT = """mutation ($input: AnnotateInput!) { annotate(input: $input) { feedCursor annotation { __typename ... on Tag { id version name color } }
  about { __typename id tags { id name } } errors { __typename code field } } }"""
CHANGE = """mutation ($input: UpdateAnnotationInput!) { updateAnnotation(input: $input) { feedCursor
  annotation { ... on Tag { id version name color } } errors { code field } } }"""
REMOVE = """mutation ($input: RemoveAnnotationInput!) { removeAnnotation(input: $input) { annotationId about { id tags { name } }
  errors { code } } }"""
PEOPLE = """query ($filter: PersonFilter, $first: Int = 50, $after: Cursor) { viewer { people(filter: $filter, first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor } edges { node { id name version tags { id name } } } } } }"""
ALL = """query ($first: Int = 50, $after: Cursor) { viewer { tags { id name color people(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor } edges { node { id name } } } } } }"""
MERGE = "mutation ($ids: [ID!]) { mergePeople(input: { personIds: $ids }) { merge { id } errors { code } } }"
UNMERGE = "mutation ($id: ID) { unmerge(input: { mergeId: $id }) { errors { code } } }"
NAMES = ("Ada Lovelace", "Bob Ray", "Grace Hopper")


@pytest.fixture
async def desk(household: Household) -> Desk:
    book = await household.account("vcard", "cards")
    await household.take(book, *(card(name, name, f"{name.split()[0].lower()}@example.org") for name in NAMES))
    await household.resolve()
    return Desk(household)


async def people(desk: Desk, **where: Any) -> dict[str, Any]:
    found = nodes((await desk.ask(PEOPLE, filter=where or None))["viewer"]["people"])
    return {p["name"]: p for p in found}


async def ids_of(desk: Desk) -> list[str]:
    found = await people(desk)
    return [found[name]["id"] for name in NAMES]


async def put(desk: Desk, about: str, name: str, key: str | None = None, **more: Any) -> Any:
    add = {"tag": {"name": name, **more}}
    return (await desk.ask(PUT, input={"aboutId": about, "add": add, "idempotencyKey": key}))["annotate"]


def codes(done: Any) -> list[str]:
    return [error["code"] for error in done["errors"]]


async def test_a_tag_is_borne_by_whom_it_was_put_on_and_told_in_the_feed(desk: Desk) -> None:
    ada, bob, _ = await ids_of(desk)
    before = (await people(desk))["Ada Lovelace"]["version"]
    head = await desk.household.head()
    done = await put(desk, ada, "  Sailing\t week ", color="#AA00ff")
    tag = done["annotation"]
    assert tag | {"id": ""} == {"__typename": "Tag", "id": "", "version": 1, "name": "Sailing week", "color": "#aa00ff"}
    assert (done["errors"], done["about"]["tags"]) == ([], [{"id": tag["id"], "name": "Sailing week"}])
    told = [(c.kind, c.op, c.created, c.fields) for c in await desk.household.changes(head)]
    assert told == [("TAG", "UPSERT", True, ()), ("PERSON", "UPSERT", False, ("tags",))]
    assert (await people(desk))["Ada Lovelace"]["version"] == before + 1
    assert (await put(desk, bob, "SAILING WEEK"))["annotation"]["id"] == tag["id"], "one name, whatever its case"
    again = await put(desk, ada, "sailing week")
    assert (again["errors"], again["feedCursor"]) == ([], None), "it is there: nothing changed"
    assert list(await people(desk, tags=["sailing WEEK", "nobody's"])) == ["Ada Lovelace", "Bob Ray"]
    assert list(await people(desk, tags=["sailing week"], text="lovelace")) == ["Ada Lovelace"]
    assert (await people(desk, tags=[]), await people(desk, tags=["nobody's"])) == ({}, {})


async def test_the_viewers_tags_have_counts_and_pages_of_people(desk: Desk) -> None:
    everybody = await ids_of(desk)
    for person_id in everybody:
        await put(desk, person_id, "Friends")
    await put(desk, everybody[0], "école")
    found = (await desk.ask(ALL, first=2))["viewer"]["tags"]
    assert [(t["name"], t["people"]["totalCount"], len(nodes(t["people"]))) for t in found] == [
        ("Friends", 3, 2),
        ("école", 1, 1),
    ]
    query = """query ($id: ID!, $first: Int, $after: Cursor) { node(id: $id) { ... on Tag { people(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor } edges { node { name } } } } } }"""
    paged = await pages(desk, query, ("node", "people"), first=2, id=found[0]["id"])
    assert [[p["name"] for p in page] for page in paged] == [["Grace Hopper", "Ada Lovelace"], ["Bob Ray"]]


@ON_ONE
async def test_a_conversation_bears_tags_too_and_nothing_else_does(desk: Desk) -> None:
    box = await desk.household.account("imap", ME, own=[ME])
    (taken,) = await desk.household.take(box, mail(1, "ada@example.org"))
    found = (await desk.ask("{ viewer { conversations(first: 1) { edges { node { id version } } } } }"))["viewer"][
        "conversations"
    ]
    (conversation,) = nodes(found)
    done = await put(desk, conversation["id"], "Trip")
    assert done["about"]["tags"] == [{"id": done["annotation"]["id"], "name": "Trip"}]
    assert ((await desk.ask(ALL))["viewer"]["tags"][0]["people"]["totalCount"], await people(desk, tags=["trip"])) == (0, {})
    assert codes(await put(desk, str(taken.node_id), "Trip")) == ["WRONG_KIND"]
    assert codes(await put(desk, "p_aaaaaaaaaaaaaaaaaaaaaaaaaa", "Trip")) == ["NOT_FOUND"]


async def test_a_tag_that_is_called_otherwise_is_so_wherever_it_is(desk: Desk) -> None:
    ada, bob, _ = await ids_of(desk)
    tag = (await put(desk, ada, "Friends", color="#00ff00"))["annotation"]
    other = (await put(desk, bob, "Family"))["annotation"]

    async def change(tag_id: str, **wanted: Any) -> Any:
        return (await desk.ask(CHANGE, input={"annotationId": tag_id, "change": {"tag": wanted}}))["updateAnnotation"]

    changed = await change(tag["id"], name="friends")
    assert changed["annotation"] == {"id": tag["id"], "version": 2, "name": "friends", "color": "#00ff00"}
    assert (await change(tag["id"], name="friends"))["feedCursor"] is None
    assert (await change(tag["id"], name="Near", color=None))["annotation"] == {
        "id": tag["id"],
        "version": 3,
        "name": "Near",
        "color": None,
    }
    assert list(await people(desk, tags=["near"])) == ["Ada Lovelace"]
    assert codes(await change(other["id"], name="NEAR")) == ["INVALID"]
    assert codes(await change("T_aaaaaaaaaaaaaaaaaaaaaaaaaa", name="x")) == ["NOT_FOUND"]
    wrong = {"annotationId": tag["id"], "change": {"note": {"body": "x"}}}
    assert codes((await desk.ask(CHANGE, input=wrong))["updateAnnotation"]) == ["WRONG_KIND"]


async def test_a_tag_is_taken_off_one_or_everywhere_and_is_gone_with_the_last(desk: Desk) -> None:
    ada, bob, _ = await ids_of(desk)
    tag = (await put(desk, ada, "Friends"))["annotation"]["id"]
    await put(desk, bob, "Friends")

    async def remove(about: str | None = None) -> Any:
        return (await desk.ask(REMOVE, input={"annotationId": tag, "aboutId": about}))["removeAnnotation"]

    assert await remove(ada) == {"annotationId": tag, "about": {"id": ada, "tags": []}, "errors": []}
    assert list(await people(desk, tags=["friends"])) == ["Bob Ray"]
    head = await desk.household.head()
    assert await remove() == {"annotationId": tag, "about": None, "errors": []}
    assert [(c.kind, c.op) for c in await desk.household.changes(head)] == [("TAG", "DELETE")]
    assert (await desk.ask(ALL))["viewer"]["tags"] == []
    assert codes(await remove()) == ["NOT_FOUND"]


async def test_people_bring_their_tags_when_they_are_joined_and_take_them_along_when_parted(desk: Desk) -> None:
    ada, bob, _ = await ids_of(desk)
    for person_id, names in ((ada, ("Friends", "Sailing")), (bob, ("Friends", "Work"))):
        for name in names:
            await put(desk, person_id, name)
    merge = (await desk.ask(MERGE, ids=[ada, bob]))["mergePeople"]["merge"]["id"]
    joined = (await people(desk, tags=["work"]))["Ada Lovelace"]
    assert [t["name"] for t in joined["tags"]] == ["Friends", "Sailing", "Work"]
    counts = {t["name"]: t["people"]["totalCount"] for t in (await desk.ask(ALL))["viewer"]["tags"]}
    assert counts == {"Friends": 1, "Sailing": 1, "Work": 1}
    sailing = next(t["id"] for t in (await desk.ask(ALL))["viewer"]["tags"] if t["name"] == "Sailing")
    await desk.ask(REMOVE, input={"annotationId": sailing, "aboutId": bob})  # by a former id
    await desk.ask(UNMERGE, id=merge)
    found = await people(desk, tags=["friends", "work"])
    assert {name: [t["name"] for t in p["tags"]] for name, p in found.items()} == {
        "Ada Lovelace": ["Friends"], "Bob Ray": ["Friends", "Work"],
    }  # fmt: skip


@ON_ONE
@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ({"name": " \n "}, "REQUIRED"), ({"name": "x" * 101}, "TOO_LONG"), ({"name": "a\u0007b"}, "INVALID"),
        ({"name": "a", "color": "red"}, "INVALID"), ({"name": "a", "color": "#12345"}, "INVALID"),
    ],
)  # fmt: skip
async def test_what_is_no_tag_is_told_and_nothing_is_written(desk: Desk, tag: Any, code: str) -> None:
    ada, *_ = await ids_of(desk)
    head = await desk.household.head()
    assert codes(await put(desk, ada, **tag)) == [code]
    assert ((await desk.ask(ALL))["viewer"]["tags"], await desk.household.head()) == ([], head)


@ON_ONE
async def test_there_are_only_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob, _ = await ids_of(desk)
    monkeypatch.setattr(tags, "MAX_OF_ONE", 2)
    monkeypatch.setattr(tags, "MAX_TAGS", 3)
    for name in ("a", "b"):
        await put(desk, ada, name)
    assert codes(await put(desk, ada, "c")) == ["LIMIT_REACHED"]
    assert codes(await put(desk, bob, "c")) == []
    assert codes(await put(desk, bob, "d")) == ["LIMIT_REACHED"]


async def test_the_same_key_puts_it_on_once_and_another_input_is_a_conflict(desk: Desk) -> None:
    ada, bob, _ = await ids_of(desk)
    first = await put(desk, ada, "Friends", "key-1")
    await desk.ask(REMOVE, input={"annotationId": first["annotation"]["id"]})
    assert (await put(desk, ada, "Friends", "key-1"))["feedCursor"] == first["feedCursor"]
    assert await people(desk, tags=["friends"]) == {}
    assert codes(await put(desk, bob, "Friends", "key-1")) == ["IDEMPOTENCY_CONFLICT"]


async def test_tags_of_somebody_else_are_nobodys(desk: Desk) -> None:
    ada, *_ = await ids_of(desk)
    tag = (await put(desk, ada, "Friends"))["annotation"]["id"]
    stranger = Desk(await Household.open(desk.household.database, "u_morgan"))
    assert (await stranger.ask(ALL))["viewer"]["tags"] == []
    assert await stranger.ask("query ($id: ID!) { node(id: $id) { id } }", id=tag) == {"node": None}
    assert codes(await put(stranger, ada, "Friends")) == ["NOT_FOUND"]
    assert codes((await stranger.ask(REMOVE, input={"annotationId": tag}))["removeAnnotation"]) == ["NOT_FOUND"]
    assert list(await people(desk, tags=["friends"])) == ["Ada Lovelace"]


@ON_ONE
async def test_the_number_of_statements_does_not_depend_on_how_many_there_are(desk: Desk) -> None:
    async def cost(query: str) -> int:
        with statements() as counted:
            await desk.ask(query)
        return len(counted)

    everybody = await ids_of(desk)
    await put(desk, everybody[0], "a")
    before = [await cost(ALL), await cost(PEOPLE)]
    for person_id in everybody:
        for name in ("b", "c", "d"):
            await put(desk, person_id, name)
    assert [await cost(ALL), await cost(PEOPLE)] == before


# --- what contacts are filed under ----------------------------------------------------------------------------------------


def tags_of(found: dict[str, Any], name: str) -> list[str]:
    return [t["name"] for t in found[name]["tags"]]


async def test_what_a_card_is_filed_under_is_a_tag_of_its_person_for_as_long_as_the_card_says_so(household: Household) -> None:
    book = await household.account("carddav", "book")
    desk = Desk(household)
    ada = ("1", "Ada Lovelace", "ada@example.org")
    head = await household.head()
    await household.take(
        book, card(*ada, groups=("Sailing", "sailing ", "myContacts")), card("2", "Bob Ray", groups=("Sailing",))
    )
    told = [(c.kind, c.created) for c in await household.changes(head) if c.kind in ("TAG", "PERSON")]
    assert told == [("TAG", True), ("PERSON", True), ("PERSON", True)]
    found = await people(desk, tags=["SAILING"])
    assert (tags_of(found, "Ada Lovelace"), tags_of(found, "Bob Ray")) == (["Sailing"], ["Sailing"])
    (sailing,) = (await desk.ask(ALL))["viewer"]["tags"]
    assert (sailing["name"], sailing["people"]["totalCount"]) == ("Sailing", 2)
    head = await household.head()
    await household.take(book, card(*ada, groups=("Sailing", "Work")))
    newer = {c.kind for c in await household.changes(head) if c.kind != "PERSON" or "tags" in c.fields}
    assert newer == {"TAG", "CONTACT", "PERSON"}
    await household.take(book, card(*ada, groups=("Work",)), card("2", "Bob Ray"))
    assert [t["name"] for t in (await desk.ask(ALL))["viewer"]["tags"]] == ["Work"]
    assert await people(desk, tags=["sailing"]) == {}
    await household.forget(book)
    assert (await desk.ask(ALL))["viewer"]["tags"] == []


async def test_the_viewers_hand_goes_before_what_the_card_says(desk: Desk) -> None:
    household = desk.household
    book = await household.account("carddav", "book")
    grace = ("g", "Grace Hopper", "grace@example.org")

    async def sync(*groups: str) -> None:
        await household.take(book, card(*grace, groups=groups, note=f"{groups}"))
        await household.resolve()

    await sync("Navy", "Friends")
    _, bob, whom = await ids_of(desk)
    friends = next(t["id"] for t in (await people(desk))["Grace Hopper"]["tags"] if t["name"] == "Friends")
    navy = (await put(desk, whom, "navy"))["annotation"]["id"]
    await desk.ask(REMOVE, input={"annotationId": friends, "aboutId": whom})
    assert [t["name"] for t in (await desk.ask(ALL))["viewer"]["tags"]] == ["Navy"], "it is on nothing any more"
    await sync("Navy", "Friends", "Cobol")
    assert tags_of(await people(desk), "Grace Hopper") == ["Cobol", "Navy"], "what was taken off stays off"
    await sync("Cobol", "Friends")
    assert tags_of(await people(desk), "Grace Hopper") == ["Cobol", "Navy"], "what was put on by hand too stays on"
    cobol = next(t["id"] for t in (await people(desk))["Grace Hopper"]["tags"] if t["name"] == "Cobol")
    await desk.ask(CHANGE, input={"annotationId": cobol, "change": {"tag": {"name": "Compilers"}}})
    await household.take(book, card("b", "Bob Ray", "bob@example.org", groups=("Cobol",)))
    await household.resolve()
    assert tags_of(await people(desk, tags=["compilers"]), "Bob Ray") == ["Compilers"], "one who is filed under the old name"
    assert (await put(desk, bob, "Friends"))["errors"] == []
    assert tags_of(await people(desk), "Grace Hopper") == ["Compilers", "Navy"]
    await desk.ask(REMOVE, input={"annotationId": navy})
    assert tags_of(await people(desk), "Grace Hopper") == ["Compilers"]
    await sync("Cobol")
    await sync("Cobol", "Friends")
    assert tags_of(await people(desk), "Grace Hopper") == ["Compilers", "Friends"], "the source says it anew"


async def test_groups_that_are_cards_are_tags_of_their_members(household: Household) -> None:
    book = await household.account("carddav", "book")
    desk = Desk(household)

    def group(name: str, *members: str) -> records.Contact:
        return records.Contact(
            key="g", relation="ADDRESS_BOOK", nature="GROUP", names=(records.Name(full=name),), members=members
        )

    await household.take(book, card("1", "Ada Lovelace", uid="u1"), group("Family", "u1", "u2"))
    await household.take(book, card("2", "Bob Ray", uid="u2"))
    assert list(await people(desk, tags=["family"])) == ["Ada Lovelace", "Bob Ray"]
    await household.take(book, group("Relatives", "u2"))
    assert (list(await people(desk, tags=["family"])), list(await people(desk, tags=["relatives"]))) == ([], ["Bob Ray"])
    await household.take(book, records.Gone(kind="CONTACT", key="g"))
    assert (await desk.ask(ALL))["viewer"]["tags"] == []


async def test_tags_of_cards_follow_people_who_are_joined_and_parted(desk: Desk) -> None:
    book = await desk.household.account("carddav", "book")
    await desk.household.take(book, card("x", "Lord Byron", "byron@example.org", groups=("Poets",)))
    ada, *_ = await ids_of(desk)
    byron = (await people(desk))["Lord Byron"]["id"]
    merge = (await desk.ask(MERGE, ids=[ada, byron]))["mergePeople"]["merge"]["id"]
    (joined,) = (await people(desk, tags=["poets"])).values()
    assert joined["id"] == ada
    await desk.ask(UNMERGE, id=merge)
    assert list(await people(desk, tags=["poets"])) == ["Lord Byron"]


async def test_what_contacts_of_an_earlier_release_are_filed_under_is_read_once_more(household: Household) -> None:
    book = await household.account("carddav", "book")
    await household.take(book, card("1", "Ada Lovelace", groups=("Sailing",)), card("2", "Bob Ray"))

    def again(conn: Connection, viewer: str) -> str | None:
        recorder = Recorder(household.now)
        categories.forget(conn, viewer, conn.execute(sa.select(contact.c.id)).scalars().all(), recorder)
        place = categories.renew(conn, viewer, "", recorder)
        recorder.flush(conn, viewer)
        return place

    assert await household.database.write(household.viewer, again) is None
    assert list(await people(Desk(household), tags=["sailing"])) == ["Ada Lovelace"]


async def test_what_somebody_elses_contacts_are_filed_under_is_nobodys_tag(household: Household) -> None:
    await household.take(await household.account("carddav", "book"), card("1", "Ada Lovelace", groups=("Sailing",)))
    other = await Household.open(household.database, "u_morgan")
    await other.take(await other.account("carddav", "book"), card("1", "Ada Lovelace"), card("2", "Eve", groups=("Sailing",)))
    assert list(await people(Desk(other), tags=["sailing"])) == ["Eve"]
    (mine,), (theirs,) = [(await Desk(one).ask(ALL))["viewer"]["tags"] for one in (household, other)]
    assert (mine["id"] != theirs["id"], [p["name"] for p in nodes(mine["people"])]) == (True, ["Ada Lovelace"])


SEARCH = """query ($query: String!) { viewer { search(query: $query, scopes: [PEOPLE]) { edges { node { ... on Person { name } } } } } }"""


async def test_people_are_found_by_their_tags_wherever_these_lead(desk: Desk) -> None:
    async def found(query: str) -> list[str]:
        return [one["name"] for one in nodes((await desk.ask(SEARCH, query=query))["viewer"]["search"])]

    ada, bob, _ = await ids_of(desk)
    tag = (await put(desk, bob, "Met in Lisbon"))["annotation"]["id"]
    book = await desk.household.account("carddav", "book")
    await desk.household.take(book, card("x", "Lord Byron", groups=("Poets",)))
    assert (await found("met in lisb"), await found("bob lisbon"), await found("poets")) == (
        ["Bob Ray"],
        ["Bob Ray"],
        ["Lord Byron"],
    )
    merge = (await desk.ask(MERGE, ids=[ada, bob]))["mergePeople"]["merge"]["id"]
    assert await found("lisbon") == ["Ada Lovelace"]
    await desk.ask(UNMERGE, id=merge)
    assert await found("lisbon") == ["Bob Ray"]
    await desk.ask(CHANGE, input={"annotationId": tag, "change": {"tag": {"name": "Met in Porto"}}})
    assert (await found("lisbon"), await found("porto")) == ([], ["Bob Ray"])
    await desk.household.take(book, card("x", "Lord Byron"))
    await desk.ask(REMOVE, input={"annotationId": tag})
    assert (await found("porto"), await found("poets")) == ([], [])
