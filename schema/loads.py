"""Resolvers of fields that lead from a record to another one by its id: each asks the operation's loader."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final

from strawberry import Parent

from resolvers import accounts, contacts, nodes, people
from resolvers.loaders import loading
from schema.declare import Info, loaded

account: Final = loaded(loading(accounts.by_id), "account_id")
contact: Final = loaded(loading(contacts.by_id), "contact_id")
person: Final = loaded(loading(people.by_id), "person_id")


async def node(parent: Parent[Any], info: Info) -> Any:
    """Whatever `node_id` names; None when it is gone."""
    if parent.node_id is None:
        return None
    return await nodes.get(info.context.operation, parent.node_id)


async def all_contacts(parent: Parent[Any], info: Info) -> Sequence[Any]:
    """The contacts named by `contact_ids`, without those that are gone."""
    found = [await one for one in _contacts(info, parent.contact_ids)]
    return [one for one in found if one is not None]


def _contacts(info: Info, ids: Sequence[str]) -> list[Awaitable[Any]]:
    return [contacts.get(info.context.operation, contact_id) for contact_id in ids]
