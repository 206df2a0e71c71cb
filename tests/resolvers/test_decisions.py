"""Who is who by the viewer's word: joined, parted, kept apart for good, taken back, and told afterwards. On both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from providers import records
from resolvers.identity.resolve import read_component, write_groups
from tests.asking import Desk, nodes, statements
from tests.household import Household, card

MERGE = """mutation($ids: [ID!], $override: Boolean, $key: String) {
  mergePeople(input: { personIds: $ids, override: $override, idempotencyKey: $key }) {
    person { id name formerIds } absorbedIds merge { id action sentence undoable undone survivor { id } } feedCursor
    errors { code message field ... on NodeError { nodeId } } } }"""
UNMERGE = """mutation($merge: ID, $person: ID, $contacts: [ID!], $key: String) {
  unmerge(input: { mergeId: $merge, personId: $person, contactIds: $contacts, idempotencyKey: $key }) {
    people { id name contacts { edges { node { id } } } } merge { id action sentence undone undoable } errors { code field } } }"""
REJECT = """mutation($ids: [ID!]) {
  rejectSuggestion(input: { personIds: $ids }) { merge { id action sentence } errors { code field } } }"""
PEOPLE = """{ viewer { people(filter: { natures: null }) { totalCount edges { node {
  id name emails { address } contacts { edges { node { id } } } formerIds } } } } }"""


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


def nameless(key: str, *emails: str) -> records.Contact:
    return msgspec.structs.replace(card(key, "?", *emails), names=())


async def book(household: Household, *people: Any) -> str:
    account = await household.account("vcard", "cards")
    await household.take(account, *people)
    await household.resolve()
    return account


async def ids(desk: Desk) -> dict[str, str]:
    """The id of each person by name."""
    return {p["name"]: p["id"] for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"])}


async def groups(desk: Desk) -> set[frozenset[str]]:
    """The addresses of each person."""
    found = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    return {frozenset(e["address"].partition("@")[0] for e in p["emails"]) for p in found}


async def merge(desk: Desk, *people: str, **more: Any) -> Any:
    done = (await desk.ask(MERGE, ids=list(people), **more))["mergePeople"]
    assert done["errors"] == []
    return done


async def unmerge(desk: Desk, **what: Any) -> Any:
    done = (await desk.ask(UNMERGE, **what))["unmerge"]
    assert done["errors"] == []
    return done


BYRON, KING, BOB = (card(k, n, f"{k}@example.org") for k, n in (("byron", "Ada Byron"), ("king", "Ada King"), ("bob", "Bob Ray")))


async def test_people_are_joined_whatever_their_names_and_the_first_keeps_its_id(desk: Desk) -> None:
    await book(desk.household, BYRON, KING, BOB)
    known = await ids(desk)
    done = await merge(desk, known["Ada King"], known["Ada Byron"])
    assert done["person"]["id"] == known["Ada King"]
    assert done["absorbedIds"] == [known["Ada Byron"]] == done["person"]["formerIds"]
    assert done["merge"]["action"] == "MERGED"
    assert done["merge"]["sentence"] == "You said that Ada King and Ada Byron are one person."
    assert (done["merge"]["undoable"], done["merge"]["undone"]) == (True, False)
    assert await groups(desk) == {frozenset({"byron", "king"}), frozenset({"bob"})}
    old = await desk.ask("query($id: ID!) { node(id: $id) { id } person(by: { id: $id }) { id } }", id=known["Ada Byron"])
    assert old == {"node": {"id": known["Ada King"]}, "person": {"id": known["Ada King"]}}


async def test_what_was_joined_stays_so_when_everything_is_looked_at_again_and_takes_in_whoever_comes(desk: Desk) -> None:
    account = await book(desk.household, BYRON, KING)
    known = await ids(desk)
    await merge(desk, *known.values())
    other = await desk.household.account("vcard", "phone")
    await desk.household.take(other, card("k2", "Ada King", "king@example.org", "k2@example.org"))
    await desk.household.take(account, msgspec.structs.replace(BYRON, bio="Writes programs."))
    await desk.household.resolve()
    assert await groups(desk) == {frozenset({"byron", "king", "k2"})}


async def test_parted_records_are_never_joined_again_by_themselves(desk: Desk) -> None:
    household = desk.household
    account = await book(
        household, card("a", "Ada", "a@example.org", "x@example.org"), card("b", "Ada Byron", "b@example.org", "x@example.org")
    )
    (person,) = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    contacts = [c["id"] for c in nodes(person["contacts"])]
    done = await unmerge(desk, person=person["id"], contacts=contacts[1:])
    assert done["people"][0]["id"] == person["id"]
    assert {len(nodes(p["contacts"])) for p in done["people"]} == {1}
    assert done["merge"]["action"] == "UNMERGED"
    parted = {frozenset({"a", "x"}), frozenset({"b", "x"})}
    await household.take(account, card("a", "Ada", "a@example.org", "x@example.org", phones=["+491711234567"]))
    await household.take(account, card("b", "Ada Byron", "b@example.org", "x@example.org", phones=["+491711234567"]))
    await household.resolve()
    assert await groups(desk) == parted
    # a third record that has something of both belongs to one of them at most, and brings them together on no way
    await household.take(account, card("c", "Ada Byron", "a@example.org", "b@example.org"))
    await household.resolve()
    assert not any({"a", "b"} <= group and len(group) > 3 for group in await groups(desk))
    people = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    assert len({p["id"] for p in people if set(contacts) & {c["id"] for c in nodes(p["contacts"])}}) == 2


async def test_a_newcomer_with_an_address_of_two_who_were_parted_goes_to_the_one_whose_name_it_has_or_to_nobody(
    desk: Desk,
) -> None:
    household = desk.household
    account = await book(household, card("a", "Grace Hopper", "bluebird@example.org"), nameless("b", "bluebird@example.org"))
    (person,) = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    await unmerge(desk, person=person["id"], contacts=[nodes(person["contacts"])[1]["id"]])
    await household.take(account, nameless("c", "bluebird@example.org"), card("d", "Hopper, Grace", "bluebird@example.org"))
    await household.resolve()
    people = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    assert sorted((p["name"], len(nodes(p["contacts"]))) for p in people) == [
        ("Grace Hopper", 2), ("bluebird@example.org", 1), ("bluebird@example.org", 1),
    ]  # fmt: skip


async def test_taking_a_join_back_gives_the_answers_of_before(desk: Desk) -> None:
    await book(desk.household, BYRON, KING, BOB)
    before, known = await desk.ask(PEOPLE), await ids(desk)
    done = await merge(desk, known["Bob Ray"], known["Ada King"], known["Ada Byron"])
    parted = await unmerge(desk, merge=done["merge"]["id"])
    assert parted["people"][0]["id"] == known["Bob Ray"]
    assert await desk.ask(PEOPLE) == before
    history = await desk.ask(
        "query($id: ID!) { node(id: $id) { ... on Merge { undone undoable action } } }", id=done["merge"]["id"]
    )
    assert history["node"] == {"undone": True, "undoable": False, "action": "MERGED"}
    again = (await desk.ask(UNMERGE, merge=done["merge"]["id"]))["unmerge"]
    assert again["errors"] == [{"code": "ALREADY_DONE", "field": ["mergeId"]}]


async def test_a_parting_that_is_taken_back_lets_the_earlier_word_hold_again(desk: Desk) -> None:
    await book(desk.household, BYRON, KING)
    known = await ids(desk)
    joined = await merge(desk, *known.values())
    contacts = [c["id"] for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"]) for c in nodes(p["contacts"])]
    parted = await unmerge(desk, person=joined["person"]["id"], contacts=contacts[:1])
    undone = "query($id: ID!) { node(id: $id) { ... on Merge { undone } } }"
    assert (await desk.ask(undone, id=joined["merge"]["id"]))["node"]["undone"] is True
    back = await unmerge(desk, merge=parted["merge"]["id"])
    assert back["merge"]["undone"] is True
    assert len(back["people"]) == 1
    assert await groups(desk) == {frozenset({"byron", "king"})}
    assert (await desk.ask(undone, id=joined["merge"]["id"]))["node"]["undone"] is False


async def test_people_who_were_said_to_be_different_are_joined_by_nothing_but_the_word_override(desk: Desk) -> None:
    household = desk.household
    account = await book(household, BYRON, card("two", "Ada Byron", "two@example.org"))
    (one, two) = [p["id"] for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"])]
    done = (await desk.ask(REJECT, ids=[one, two]))["rejectSuggestion"]
    assert done["errors"] == []
    assert done["merge"]["sentence"] == "You said that Ada Byron and Ada Byron are different people."
    await household.take(account, card("two", "Ada Byron", "two@example.org", "byron@example.org"))
    await household.resolve()
    assert len(await groups(desk)) == 2
    refused = (await desk.ask(MERGE, ids=[one, two]))["mergePeople"]
    assert [e["code"] for e in refused["errors"]] == ["NEVER_MERGE"]
    assert refused["person"] is None
    assert (await desk.ask(REJECT, ids=[one, two]))["rejectSuggestion"]["errors"] == [
        {"code": "ALREADY_DONE", "field": ["personIds"]}
    ]
    assert (await merge(desk, one, two, override=True))["person"]["id"] == one
    assert len(await groups(desk)) == 1


async def test_a_rejection_can_be_taken_back(desk: Desk) -> None:
    account = await book(desk.household, BYRON, card("two", "Ada Byron", "two@example.org"))
    people = [p["id"] for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"])]
    rejected = (await desk.ask(REJECT, ids=people))["rejectSuggestion"]["merge"]["id"]
    await desk.household.take(account, card("two", "Ada Byron", "two@example.org", "byron@example.org"))
    await desk.household.resolve()
    assert len(await groups(desk)) == 2
    assert len((await unmerge(desk, merge=rejected))["people"]) == 1
    assert len(await groups(desk)) == 1


MISTAKES: list[tuple[str, dict[str, Any], str, list[str]]] = [
    (MERGE, {"ids": []}, "REQUIRED", ["personIds"]),
    (MERGE, {}, "REQUIRED", ["personIds"]),
    (MERGE, {"ids": ["ADA"]}, "REQUIRED", ["personIds"]),
    (MERGE, {"ids": ["ADA", "ADA"]}, "ALREADY_DONE", ["personIds"]),
    (MERGE, {"ids": ["ADA", "p_aaaaaaaaaaaaaaaaaaaaaaaaaa"]}, "NOT_FOUND", ["personIds", "1"]),
    (MERGE, {"ids": ["ADA", "CARD"]}, "WRONG_KIND", ["personIds", "1"]),
    (MERGE, {"ids": ["ADA", "nonsense"]}, "NOT_FOUND", ["personIds", "1"]),
    (MERGE, {"ids": ["ADA"] * 21}, "TOO_LONG", ["personIds"]),
    (UNMERGE, {}, "REQUIRED", ["mergeId"]),
    (UNMERGE, {"merge": "ADA"}, "WRONG_KIND", ["mergeId"]),
    (UNMERGE, {"merge": "q_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, "NOT_FOUND", ["mergeId"]),
    (UNMERGE, {"merge": "q_aaaaaaaaaaaaaaaaaaaaaaaaaa", "person": "ADA"}, "INVALID", ["mergeId"]),
    (UNMERGE, {"person": "ADA"}, "REQUIRED", ["contactIds"]),
    (UNMERGE, {"person": "ADA", "contacts": ["CARD"]}, "INVALID", ["contactIds"]),
    (UNMERGE, {"person": "ADA", "contacts": ["OTHER"]}, "NOT_FOUND", ["contactIds", "0"]),
    (UNMERGE, {"person": "ADA", "contacts": ["ADA"]}, "WRONG_KIND", ["contactIds", "0"]),
    (UNMERGE, {"person": "p_aaaaaaaaaaaaaaaaaaaaaaaaaa", "contacts": ["CARD"]}, "NOT_FOUND", ["personId"]),
    (REJECT, {"ids": ["ADA", "ADA"]}, "ALREADY_DONE", ["personIds"]),
]  # fmt: skip


async def test_what_cannot_be_decided_is_said_and_changes_nothing(desk: Desk) -> None:
    await book(desk.household, BYRON, BOB)
    people = {p["name"]: p for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"])}
    ada, bob = people["Ada Byron"], people["Bob Ray"]
    words = {"ADA": ada["id"], "CARD": nodes(ada["contacts"])[0]["id"], "OTHER": nodes(bob["contacts"])[0]["id"]}

    def put(value: Any) -> Any:
        return [put(one) for one in value] if isinstance(value, list) else words.get(value, value)

    head = await desk.household.head()
    for ask, variables, code, field in MISTAKES:
        (done,) = (await desk.ask(ask, **{name: put(value) for name, value in variables.items()})).values()
        assert [(e["code"], e["field"]) for e in done["errors"]] == [(code, field)], variables
    assert await desk.household.head() == head


async def test_another_viewer_can_neither_join_nor_part_nor_read_these_people(desk: Desk) -> None:
    await book(desk.household, BYRON, KING)
    people = list((await ids(desk)).values())
    stranger = Desk(await Household.open(desk.household.database, "u_morgan"))
    assert [e["code"] for e in (await stranger.ask(MERGE, ids=people))["mergePeople"]["errors"]] == ["NOT_FOUND"]
    assert [e["code"] for e in (await stranger.ask(REJECT, ids=people))["rejectSuggestion"]["errors"]] == ["NOT_FOUND"]
    joined = await merge(desk, *people)
    assert [e["code"] for e in (await stranger.ask(UNMERGE, merge=joined["merge"]["id"]))["unmerge"]["errors"]] == ["NOT_FOUND"]
    assert (await stranger.ask("query($id: ID!) { node(id: $id) { id } }", id=joined["merge"]["id"]))["node"] is None


async def test_the_same_key_joins_once_and_is_given_the_first_answer_again(desk: Desk) -> None:
    await book(desk.household, BYRON, KING)
    people = list((await ids(desk)).values())
    first = await merge(desk, *people, key="once")
    head = await desk.household.head()
    assert await merge(desk, *people, key="once") == first
    assert await desk.household.head() == head


async def test_joins_of_overlapping_people_at_the_same_time_are_both_right(desk: Desk) -> None:
    names = [card(str(n), f"Person{n} Number{n}", f"p{n}@example.org") for n in range(5)]
    await book(desk.household, *names)
    people = sorted((await ids(desk)).values())
    pairs = [(0, 1), (1, 2), (3, 4), (2, 3)]
    answers = await asyncio.gather(*(desk.ask(MERGE, ids=[people[a], people[b]]) for a, b in pairs))
    assert [a["mergePeople"]["errors"] for a in answers] == [[]] * 4
    (person,) = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    assert len(nodes(person["contacts"])) == 5
    assert sorted([person["id"], *person["formerIds"]]) == people


async def test_a_word_said_while_the_rules_are_at_work_is_not_overwritten(desk: Desk) -> None:
    household = desk.household
    account = await book(household, BYRON, card("two", "Ada Byron", "two@example.org"))
    people = [p["id"] for p in nodes((await desk.ask(PEOPLE))["viewer"]["people"])]
    await household.take(account, card("two", "Ada Byron", "two@example.org", "byron@example.org"))
    component = await household.database.read(household.viewer, read_component, 10)
    assert len(component.groups().groups) == 1
    assert (await desk.ask(REJECT, ids=people))["rejectSuggestion"]["errors"] == []
    assert await household.database.write(household.viewer, write_groups, component, component.groups(), household.now) is False
    await household.resolve()
    assert len(await groups(desk)) == 2


async def test_the_feed_tells_joins_and_partings_with_their_decision(desk: Desk) -> None:
    await book(desk.household, BYRON, KING)
    known = await ids(desk)
    joined = await merge(desk, known["Ada Byron"], known["Ada King"])
    changes = """query($since: Cursor) { viewer { changes(since: $since, filter: { kinds: [PERSON, MERGE] }) { edges { cursor node { __typename origin
      ... on NodeUpserted { nodeKind nodeId node { ... on Merge { sentence } } } ... on NodesMerged { survivorId absorbedIds merge { id } }
      ... on NodeSplit { originId partIds merge { id action } } } } } } }"""
    found = (await desk.ask(changes))["viewer"]["changes"]["edges"]
    merged = [e["node"] for e in found if e["node"]["__typename"] == "NodesMerged"]
    assert merged == []  # an empty store is filled with what there is
    kinds = {(e["node"]["nodeKind"], e["node"]["nodeId"]) for e in found if e["node"]["__typename"] == "NodeUpserted"}
    assert {("PERSON", known["Ada Byron"]), ("MERGE", joined["merge"]["id"])} <= kinds
    parted = await unmerge(desk, merge=joined["merge"]["id"])
    new = [e["node"] for e in (await desk.ask(changes, since=joined["feedCursor"]))["viewer"]["changes"]["edges"]]
    (split,) = [n for n in new if n["__typename"] == "NodeSplit"]
    assert split["originId"] == known["Ada Byron"]
    assert set(split["partIds"]) == set(known.values())
    assert split["merge"] == {"id": parted["merge"]["id"], "action": "UNMERGED"}
    assert {n["origin"] for n in new if n["__typename"] != "FeedAdvanced"} == {"CLIENT"}
    raw = await desk.household.changes()
    assert [c.reason for c in raw if c.op == "MERGE"] == [joined["merge"]["id"]]


async def test_a_person_tells_every_decision_about_them_who_made_it_on_what_and_how_it_was_before(desk: Desk) -> None:
    household = desk.household
    account = await book(household, card("a", "Ada Byron", "byron@example.org"), KING)
    other = await household.account("vcard", "phone")
    await household.take(other, card("p", "A. Byron", "byron@example.org"))
    await household.resolve()
    people = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    await merge(desk, *sorted(p["id"] for p in people))
    await household.take(account, msgspec.structs.replace(KING, names=card("k", "Ada of Ockham").names))
    await household.resolve()
    asked = """{ viewer { people { edges { node { why { __typename strength sentence ... on DecisionEvidence { verdict merge { action } } }
      merges(first: 1) { totalCount pageInfo { hasNextPage endCursor } edges { node { action } } }
      all: merges { edges { node { action ruleName decidedBy { kind name } sentence undoable occurredAt survivor { id }
        evidence { __typename sentence } before { personId name emails contactIds } } } } } } } } }"""
    (person,) = nodes((await desk.ask(asked))["viewer"]["people"])
    assert person["merges"]["totalCount"] == 2
    assert person["merges"]["pageInfo"]["hasNextPage"] is True
    hand, rule = nodes(person["all"])
    assert (hand["action"], hand["ruleName"], hand["decidedBy"]) == ("MERGED", None, {"kind": "VIEWER", "name": "You"})
    assert {b["name"] for b in hand["before"]} == {"Ada Byron", "Ada King"}  # as she was called then
    assert [e["__typename"] for e in hand["evidence"]] == ["DecisionEvidence"]
    assert rule["decidedBy"] == {"kind": "RULE", "name": "same private e-mail address"}
    assert rule["sentence"].startswith("Ada Byron and A. Byron became one person. Contacts of")
    assert "byron@example.org" in rule["evidence"][0]["sentence"]
    assert [b["emails"] for b in rule["before"]] == [["byron@example.org"]] * 2
    assert person["why"][0]["__typename"] == "DecisionEvidence"
    assert person["why"][0]["merge"]["action"] == "MERGED"


async def test_what_falls_apart_by_itself_is_told_and_cannot_be_taken_back(desk: Desk) -> None:
    household = desk.household
    account = await book(household, card("a", "Ada Byron", "x@example.org"), card("b", "Ada", "x@example.org", "b@example.org"))
    await household.take(account, card("b", "Ada", "b@example.org"))
    await household.resolve()
    asked = "{ viewer { people { edges { node { merges { edges { node { id action undoable sentence ruleName } } } } } } } }"
    for person in nodes((await desk.ask(asked))["viewer"]["people"]):
        apart, joined = nodes(person["merges"])
        assert (apart["action"], joined["action"]) == ("FELL_APART", "MERGED")
        assert (apart["undoable"], joined["undoable"]) == (False, False)
        assert (await desk.ask(UNMERGE, merge=apart["id"]))["unmerge"]["errors"][0]["code"] == "TOO_LATE"


async def test_a_decision_holds_when_an_account_goes_and_when_it_comes_back(desk: Desk) -> None:
    household = desk.household
    await book(household, BYRON)
    phone = await household.account("vcard", "phone")
    await household.take(phone, KING, card("w", "Ada William", "w@example.org"))
    await household.resolve()
    known = await ids(desk)
    joined = await merge(desk, known["Ada King"], known["Ada Byron"])
    await desk.ask(REJECT, ids=[known["Ada William"], known["Ada King"]])
    await household.forget(phone)
    await household.resolve()
    alone = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    assert [(p["id"], p["name"], p["formerIds"]) for p in alone] == [(known["Ada Byron"], "Ada Byron", [known["Ada King"]])]
    before = "query($id: ID!) { node(id: $id) { ... on Merge { sentence before { name emails contactIds } undoable survivor { id } } } }"
    told = (await desk.ask(before, id=joined["merge"]["id"]))["node"]
    assert told["undoable"] is False
    assert {b["name"] for b in told["before"]} == {"Ada Byron", "somebody who is erased since"}
    assert "king@example.org" not in str(told)
    again = await household.account("vcard", "phone")
    await household.take(again, KING, card("w", "Ada William", "w@example.org", "byron@example.org"))
    await household.resolve()
    assert await groups(desk) == {frozenset({"byron", "king"}), frozenset({"w", "byron"})}


async def test_the_history_of_many_people_takes_no_more_statements_than_that_of_one(desk: Desk) -> None:
    await book(
        desk.household,
        *(card(f"{n}", f"Person{n // 2} Number{n}", f"p{n // 2}@example.org", f"q{n}@example.org") for n in range(20)),
    )
    people = list((await ids(desk)).values())
    assert len(people) > 8
    await merge(desk, *people[:2])
    await merge(desk, *people[2:4])
    asked = """query($first: Int) { viewer { people(first: $first) { edges { node { id why { sentence ... on DecisionEvidence { merge { sentence } } }
      merges(first: 5) { totalCount edges { node { sentence undoable decidedBy { kind name } survivor { id name } before { name emails }
        evidence { sentence contacts { id } } } } } } } } } }"""
    counts = []
    for first in (1, 20):
        with statements() as sent:
            await desk.ask(asked, first=first)
        counts.append(len(sent))
    # two fields may ask for the same at two depths: one read or two, as the database answers
    assert counts[1] <= counts[0] + 8, counts
