"""Tags: put on people and conversations, called otherwise and taken off as any client would; borne by whoever their people are by now."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers import tags
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
  totalCount pageInfo { hasNextPage endCursor } edges { node { id name version tags { name } } } } } }"""
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
