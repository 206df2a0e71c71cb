"""Notes and reminders: written, changed and removed as any client would, found on whom they are about, whatever became of their ids."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import Desk, nodes, pages, statements
from tests.household import ME, Household, card, mail

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
ADA, WORK = "ada@example.org", "ada@work.example"
SHOWN = """__typename ... on Note { id version body occurredAt editedAt about { id } }
  ... on Reminder { id version body dueAt doneAt about { id __typename } }"""
ADD = f"""mutation ($input: AnnotateInput!) {{ annotate(input: $input) {{ feedCursor annotation {{ {SHOWN} }}
  about {{ id reminders {{ body }} notes {{ body }} }} errors {{ __typename code message field }} }} }}"""
CHANGE = f"""mutation ($input: UpdateAnnotationInput!) {{ updateAnnotation(input: $input) {{ feedCursor annotation {{ {SHOWN} }}
  errors {{ __typename code field }} }} }}"""
REMOVE = """mutation ($input: RemoveAnnotationInput!) { removeAnnotation(input: $input) { annotationId about { id notes { body } }
  errors { __typename code field } } }"""
PERSON = """query ($email: EmailAddress) { person(by: {email: $email}) { id notes { id body } reminders { id body dueAt } } }"""
LIST = """query ($first: Int = 50, $after: Cursor, $before: DateTime, $done: Boolean) { viewer {
  reminders(first: $first, after: $after, dueBefore: $before, done: $done) { totalCount pageInfo { hasNextPage endCursor }
    edges { node { id body dueAt doneAt about { id } } } } } }"""

FIND = """query ($query: String!) { viewer { search(query: $query, scopes: [PEOPLE]) { edges { node { ... on Person { id } } } } } }"""


@pytest.fixture
async def desk(household: Household) -> Desk:
    book = await household.account("vcard", "cards")
    await household.take(book, card("ada", "Ada Lovelace", ADA), card("work", "Ada Lovelace", WORK))
    await household.resolve()
    return Desk(household)


async def person(desk: Desk, email: str = ADA) -> Any:
    return (await desk.ask(PERSON, email=email))["person"]


async def found(desk: Desk, query: str) -> list[str]:
    return [node["id"] for node in nodes((await desk.ask(FIND, query=query))["viewer"]["search"])]


async def note(desk: Desk, about: str, body: str, key: str | None = None) -> Any:
    return (await desk.ask(ADD, input={"aboutId": about, "add": {"note": {"body": body}}, "idempotencyKey": key}))["annotate"]


async def remind(desk: Desk, about: str, body: str, day: int = 9) -> Any:
    reminder = {"body": body, "dueAt": f"2026-05-{day:02}T08:00:00Z"}
    return (await desk.ask(ADD, input={"aboutId": about, "add": {"reminder": reminder}}))["annotate"]


async def test_a_note_and_a_reminder_are_shown_where_they_were_written_and_told_in_the_feed(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    head = await desk.household.head()
    made = await note(desk, ada, "  Likes *herons*.  ")
    assert made["errors"] == [] and made["feedCursor"]
    assert made["annotation"] | {"id": "", "occurredAt": ""} == {
        "__typename": "Note", "id": "", "version": 1, "body": "Likes *herons*.", "occurredAt": "", "editedAt": None, "about": {"id": ada},
    }  # fmt: skip
    await remind(desk, ada, "Send the book")
    found = await person(desk)
    assert [one["body"] for one in found["notes"] + found["reminders"]] == ["Likes *herons*.", "Send the book"]
    assert [(c.kind, c.op, c.created) for c in await desk.household.changes(head)] == [
        ("NOTE", "UPSERT", True), ("REMINDER", "UPSERT", True),
    ]  # fmt: skip


@ON_ONE
async def test_a_conversation_has_them_too_and_nothing_else_does(desk: Desk) -> None:
    box = await desk.household.account("imap", ME, own=[ME])
    (taken,) = await desk.household.take(box, mail(1, ADA))
    found = (await desk.ask("{ viewer { conversations(first: 1) { edges { node { id } } } } }"))["viewer"]["conversations"]
    conversation = nodes(found)[0]["id"]
    made = await remind(desk, conversation, "Answer")
    assert made["annotation"]["about"] == {"id": conversation, "__typename": "Conversation"}
    assert made["about"]["reminders"] == [{"body": "Answer"}]
    assert [e["code"] for e in (await remind(desk, str(taken.node_id), "Answer"))["errors"]] == ["WRONG_KIND"]
    for nobody in ("p_aaaaaaaaaaaaaaaaaaaaaaaaaa", "nonsense", ""):
        assert [e["code"] for e in (await remind(desk, nobody, "Answer"))["errors"]] == ["NOT_FOUND"]


@ON_ONE
async def test_what_is_changed_has_a_newer_version_and_what_is_done_is_no_longer_open(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    made = (await remind(desk, ada, "Send the book"))["annotation"]
    done = {"body": "Send both books", "dueAt": made["dueAt"], "doneAt": "2026-05-08T10:00:00Z"}
    changed = (await desk.ask(CHANGE, input={"annotationId": made["id"], "change": {"reminder": done}}))["updateAnnotation"]
    assert (changed["annotation"]["version"], changed["annotation"]["body"]) == (2, "Send both books")
    assert (await person(desk))["reminders"] == []
    assert nodes((await desk.ask(LIST, done=True))["viewer"]["reminders"])[0]["doneAt"] == "2026-05-08T10:00:00.000Z"
    again = (await desk.ask(CHANGE, input={"annotationId": made["id"], "change": {"reminder": done}}))["updateAnnotation"]
    assert (again["annotation"]["version"], again["feedCursor"]) == (2, None)
    reopened = {"body": "Send both books", "dueAt": made["dueAt"]}
    await desk.ask(CHANGE, input={"annotationId": made["id"], "change": {"reminder": reopened}})
    assert [one["body"] for one in (await person(desk))["reminders"]] == ["Send both books"]
    wrong = (await desk.ask(CHANGE, input={"annotationId": made["id"], "change": {"note": {"body": "x"}}}))["updateAnnotation"]
    assert [e["code"] for e in wrong["errors"]] == ["WRONG_KIND"]


async def test_people_are_found_by_what_is_noted_of_them_as_it_stands_now(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    made = (await note(desk, ada, "Met in Lisbon, at the sailing week."))["annotation"]
    await remind(desk, ada, "Send the barometer")
    assert (await found(desk, "lisbon sail"), await found(desk, "barometer")) == ([ada], [])
    again = {"annotationId": made["id"], "change": {"note": {"body": "Met in Porto."}}}
    await desk.ask(CHANGE, input=again)
    assert (await found(desk, "lisbon"), await found(desk, "porto")) == ([], [ada])
    await desk.ask(REMOVE, input={"annotationId": made["id"]})
    assert await found(desk, "porto") == []


@ON_ONE
async def test_what_is_removed_is_gone_once(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    made = (await note(desk, ada, "Likes herons"))["annotation"]
    removed = (await desk.ask(REMOVE, input={"annotationId": made["id"]}))["removeAnnotation"]
    assert removed == {"annotationId": made["id"], "about": {"id": ada, "notes": []}, "errors": []}
    again = (await desk.ask(REMOVE, input={"annotationId": made["id"]}))["removeAnnotation"]
    assert [e["code"] for e in again["errors"]] == ["NOT_FOUND"]
    assert [(c.kind, c.op) for c in (await desk.household.changes())[-1:]] == [("NOTE", "DELETE")]


@ON_ONE
async def test_the_same_key_writes_once_and_another_input_with_it_is_refused(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    first, second = [(await note(desk, ada, "Likes herons", key="k1"))["annotation"]["id"] for _ in range(2)]
    assert first == second
    assert len((await person(desk))["notes"]) == 1
    assert [e["code"] for e in (await note(desk, ada, "Likes storks", key="k1"))["errors"]] == ["IDEMPOTENCY_CONFLICT"]
    assert [e["code"] for e in (await note(desk, ada, "  "))["errors"]] == ["REQUIRED"]
    assert [e["code"] for e in (await note(desk, ada, "x" * 20_001))["errors"]] == ["TOO_LONG"]


async def test_people_that_are_joined_show_the_notes_of_both_and_parted_each_its_own(desk: Desk) -> None:
    household = desk.household
    ids = [(await person(desk, email))["id"] for email in (ADA, WORK)]
    assert ids[0] != ids[1]
    await note(desk, ids[0], "of the one")
    await note(desk, ids[1], "of the other")
    both = await household.account("vcard", "both")
    await household.take(both, card("both", "Ada Lovelace", ADA, WORK))
    await household.resolve()
    joined = [await person(desk, email) for email in (ADA, WORK)]
    assert joined[0] == joined[1]
    assert {one["body"] for one in joined[0]["notes"]} == {"of the one", "of the other"}
    assert await found(desk, "of the one") == await found(desk, "of the other") == [joined[0]["id"]]
    await household.forget(both)
    await household.resolve()
    assert [[one["body"] for one in (await person(desk, email))["notes"]] for email in (ADA, WORK)] == [
        ["of the one"],
        ["of the other"],
    ]
    assert (await found(desk, "of the one"), await found(desk, "of the other")) == ([ids[0]], [ids[1]])


async def test_reminders_come_by_due_date_page_by_page(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    for day in (20, 11, 15, 13):
        await remind(desk, ada, f"on {day}", day)
    found = await pages(desk, LIST, ["viewer", "reminders"], first=2)
    assert [[one["body"] for one in page] for page in found] == [["on 11", "on 13"], ["on 15", "on 20"]]
    early = (await desk.ask(LIST, before="2026-05-14T00:00:00Z"))["viewer"]["reminders"]
    assert (early["totalCount"], [one["body"] for one in nodes(early)]) == (2, ["on 11", "on 13"])
    assert await desk.refused(LIST, after="nonsense") == "INVALID_CURSOR"


@ON_ONE
async def test_what_a_person_was_about_who_is_gone_stays_and_is_theirs_again_when_they_come_back(desk: Desk) -> None:
    household = desk.household
    guests = await household.account("vcard", "guests")
    await household.take(guests, card("bo", "Bo", "bo@example.org"))
    await household.resolve()
    await remind(desk, (await person(desk, "bo@example.org"))["id"], "Ask about the boat")
    await household.forget(guests)
    (left,) = nodes((await desk.ask(LIST))["viewer"]["reminders"])
    assert (left["body"], left["about"]) == ("Ask about the boat", None)
    guests = await household.account("vcard", "guests")
    await household.take(guests, card("bo", "Bo", "bo@example.org"))
    await household.resolve()
    assert [one["body"] for one in (await person(desk, "bo@example.org"))["reminders"]] == ["Ask about the boat"]


@ON_ONE
async def test_a_page_of_people_takes_as_many_statements_with_their_notes_however_many_they_are(desk: Desk) -> None:
    for email in (ADA, WORK):
        await note(desk, (await person(desk, email))["id"], "Likes herons")
    page = "query ($first: Int) { viewer { people(first: $first) { edges { node { notes { body } reminders { body } } } } } }"
    counted = []
    for first in (1, 2):
        with statements() as seen:
            assert len(nodes((await desk.ask(page, first=first))["viewer"]["people"])) == first
        counted.append(len(seen))
    assert counted[0] == counted[1]


async def test_nobody_sees_changes_or_removes_what_another_viewer_wrote(desk: Desk) -> None:
    ada = (await person(desk))["id"]
    made = (await note(desk, ada, "Likes herons"))["annotation"]
    other = Desk(await Household.open(desk.household.database, "u_kim"))
    assert (await other.ask("query ($id: ID!) { node(id: $id) { id } }", id=made["id"]))["node"] is None
    assert [e["code"] for e in (await note(other, ada, "x"))["errors"]] == ["NOT_FOUND"]
    change = {"annotationId": made["id"], "change": {"note": {"body": "x"}}}
    assert [e["code"] for e in (await other.ask(CHANGE, input=change))["updateAnnotation"]["errors"]] == ["NOT_FOUND"]
    gone = (await other.ask(REMOVE, input={"annotationId": made["id"]}))["removeAnnotation"]
    assert [e["code"] for e in gone["errors"]] == ["NOT_FOUND"]
    assert len((await person(desk))["notes"]) == 1
