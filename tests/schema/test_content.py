"""What a message holds is shown as its author meant it, and as nothing else."""

from __future__ import annotations

from typing import Any

from tests.asking import Desk, nodes
from tests.household import ME, mail

NEWEST = "query ($id: ID!) { node(id: $id) { ... on Message { %s } } }"


async def shown(desk: Desk, fields: str, **message: Any) -> Any:
    """Some fields of a mail that somebody sent."""
    household = desk.household
    box = await household.account("mbox", ME, own=[ME])
    (result,) = await household.take(box, mail(1, "ada@example.org", **message))
    return (await desk.ask(NEWEST % fields, id=result.node_id))["node"]


async def test_a_reply_is_shown_with_and_without_what_it_quotes(desk: Desk) -> None:
    text = "Tomorrow at ten.\n\nAda wrote:\n> Shall we meet?\n\n-- \nRobin"
    assert await shown(desk, "text newText", text=text) == {"text": text, "newText": "Tomorrow at ten."}


async def test_a_message_without_a_text_has_no_new_text_to_invent(desk: Desk) -> None:
    assert await shown(desk, "text newText bodyState", text="> Shall we meet?") == {
        "text": "> Shall we meet?",
        "newText": "> Shall we meet?",
        "bodyState": "AVAILABLE",
    }
    conversations = await desk.ask("{ viewer { conversations { edges { node { lastMessage { newText } } } } } }")
    assert nodes(conversations["viewer"]["conversations"])[0]["lastMessage"]["newText"] == "> Shall we meet?"
