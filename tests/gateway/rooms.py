"""A Matrix account in Kith, linked and asked: what its tests share."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.session import Secret
from schema import build_schema
from store import accounts
from tests.asking import Context
from tests.chat_servers import Matrix, MatrixUser
from tests.household import Household
from tests.workshop import Workshop

CONVERSATIONS = """{ viewer { conversations(first: 20) { edges { node {
  subject kind unreadCount messageCount
  participants(first: 20) { edges { node { name person { name } } } }
  messages(last: 50) { edges { node { text editedAt direction bodyState inReplyTo { text } } } } } } } } }"""


async def ask(shop: Workshop, household: Household, query: str, /, **variables: Any) -> Any:
    """The data of an operation that makes no error."""
    context = Context(shop.operation(household.viewer))
    result = await build_schema().execute(query, variable_values=variables, context_value=context)
    assert not result.errors, result.errors
    assert result.data is not None
    return result.data


async def conversations(shop: Workshop, household: Household) -> dict[str | None, Any]:
    found = (await ask(shop, household, CONVERSATIONS))["viewer"]["conversations"]["edges"]
    return {edge["node"]["subject"]: edge["node"] for edge in found}


def texts(conversation: Any) -> list[str]:
    return [edge["node"]["text"] for edge in conversation["messages"]["edges"]]


async def linked(shop: Workshop, household: Household, user: MatrixUser) -> str:
    secret = Secret(username=user.user_id, password=user.password)
    return await shop.link(household.viewer, "matrix", user.url, secret)


def place(server: Matrix) -> str:
    return f"127.0.0.1/32:{server.server.port}"


async def stored(shop: Workshop, household: Household, account_id: str) -> Secret:
    held = await household.database.read(household.viewer, accounts.sealed, account_id)
    assert held is not None
    plain = shop.vault.open(held.blob, household.viewer, accounts.PLACE[0], account_id, accounts.PLACE[1])
    return msgspec.json.decode(plain, type=Secret)
