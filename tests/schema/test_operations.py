"""Every operation that front-ends send, cut to what there is, is valid and gives data on a household with a bit of everything."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, OperationType, parse, print_ast, validate

from gateway.execution.compiled import Ready
from gateway.execution.compiled.plans import Known
from schema import build_schema
from store import uploads
from tests.asking import Context, Desk, plans
from tests.schema.cutting import Cutter
from tests.schema.test_contract import CONTRACT
from tests.schema.village import Village

CUTS = Path(__file__).parent / "cuts.txt"
TEXT = (CONTRACT / "operations.graphql").read_text()
# operations of which nothing is left, until their day comes
GONE: set[str] = set()


def cutter() -> Cutter:
    return Cutter(build_schema()._schema, TEXT)


def operation(name: str) -> OperationDefinitionNode:
    return next(o for o in cutter().operations if o.name is not None and o.name.value == name)


NAMES = [o.name.value for o in cutter().operations if o.name is not None and o.name.value not in GONE]


def test_what_is_cut_stands_in_a_list_that_only_gets_shorter() -> None:
    cutting = cutter()
    for one in cutting.operations:
        cutting.cut(one)
    found = sorted(set(cutting.cuts))
    print("\n".join(found))
    committed = CUTS.read_text().splitlines()
    assert [cut for cut in found if cut not in committed] == [], "the schema has lost something that front-ends ask for"
    assert [cut for cut in committed if cut not in found] == [], "the schema has grown: take these lines out of cuts.txt"


def test_operations_of_which_nothing_is_left_are_known() -> None:
    cutting = cutter()
    assert {o.name.value for o in cutting.operations if o.name is not None and cutting.cut(o) is None} == GONE


@pytest.mark.parametrize("name", NAMES)
def test_the_operation_is_valid(name: str) -> None:
    document = cutter().cut(operation(name))
    if document is not None:
        assert validate(build_schema()._schema, document) == []


async def variables(desk: Desk, village: Village) -> dict[str, Any]:
    """Something for every variable that the operations have."""
    data = await desk.ask(
        "{ viewer { people(first: 1) { edges { node { id lastMessage { id conversation { id } } } } } feed { head } } }"
    )
    person = data["viewer"]["people"]["edges"][0]["node"]
    return {
        "person": person["id"],
        "conversation": person["lastMessage"]["conversation"]["id"],
        "message": person["lastMessage"]["id"],
        "head": data["viewer"]["feed"]["head"],
        "import": village.import_id,
        "upload": await put_up(desk),
    }


async def put_up(desk: Desk) -> str:
    """A complete upload; how its bytes come is tested in tests/gateway/test_uploads.py."""
    done = await desk.ask('mutation { createUpload(input: { name: "plan.pdf", size: 5 }) { upload { id } } }')
    upload_id = str(done["createUpload"]["upload"]["id"])
    await desk.household.database.write(
        desk.household.viewer, uploads.completed, upload_id, "0" * 64, "application/pdf", desk.clock.now()
    )
    return upload_id


@pytest.mark.parametrize("name", NAMES)
async def test_the_operation_gives_data(name: str, desk: Desk, village: Village) -> None:
    node = operation(name)
    document = cutter().cut(node)
    if document is None:
        return
    have = await variables(desk, village)
    given = {
        "PersonPage": {"id": have["person"]},
        "ConversationScreen": {"id": have["conversation"], "around": {"marker": "FIRST_UNREAD"}},
        "OlderMessages": {"id": have["conversation"], "before": await cursor_of_last(desk, have["conversation"])},
        "MarkRead": {"ids": [have["conversation"]], "key": "k-1"},
        "LinkMail": {"address": "robin@example.org"},
        "FinishLink": {"linkId": "l_nothing"},
        "LinkSteps": {"linkId": "l_nothing"},
        "ImportRuns": {"importId": have["import"]},
        "ImportFailures": {"importId": have["import"]},
        "OfflineDelta": {"since": None, "window": "2026-01-01T00:00:00Z"},
        "LiveChanges": {"since": have["head"]},
        "ReserveUpload": {"input": {"name": "plan.pdf", "size": 5}},
        "SendReply": {"key": "k-1", "messageId": have["message"], "text": "Yes.", "uploadId": have["upload"]},
        "AgendaToday": {"from": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z"},
        "CheckRule": {"text": "engine -lang:de"},
        "CreateStream": {"input": {"name": "Engines", "rule": "engine -lang:de"}},
        "UndoSend": {"messageId": have["message"]},
        "AcceptSuggestion": {"id": "M_nothing"},
        "RejectSuggestion": {"id": "M_nothing"},
        "Unmerge": {"mergeId": "q_nothing"},
        "SearchAsYouType": {"text": "eng"},
        "SearchFully": {"query": "engine before:2027-01-01", "scopes": ["PEOPLE", "MESSAGES"]},
    }.get(name, {})
    if node.operation is OperationType.SUBSCRIPTION:
        return  # followed in test_changes.py and test_progress.py
    data = await desk.ask(print_ast(document), **given)
    assert data is not None
    assert all(value is not None for value in data.values()), data


async def cursor_of_last(desk: Desk, conversation: str) -> str:
    data = await desk.ask("query($id: ID!) { conversation(id: $id) { messages { pageInfo { endCursor } } } }", id=conversation)
    return str(data["conversation"]["messages"]["pageInfo"]["endCursor"])


PAGE = """{ viewer { people(first: 5) { edges { node {
  name emails { address } contacts(first: 3) { edges { node { id } } }
  conversations(first: 3) { edges { node { id lastMessage { id } } } }
} } } } }"""


async def test_a_page_leaves_next_to_nothing_that_has_to_be_looked_for(desk: Desk, village: Village) -> None:
    document = parse(PAGE)
    node = document.definitions[0]
    assert isinstance(node, OperationDefinitionNode)
    ready = plans().ready(Known(), document, node, None, {})
    assert isinstance(ready, Ready)

    async def answer() -> None:
        asked = desk.operation()
        result, replayed = await plans().run(ready, Context(asked))
        assert result.errors is None and not replayed
        asked.close()

    await answer()
    gc.collect()
    gc.disable()  # what is left is counted by us
    try:
        await answer()
        assert gc.collect() < 200
    finally:
        gc.enable()
