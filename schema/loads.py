"""Resolvers of fields that lead from a record to another one by its id: each asks the operation's loader."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from strawberry import Parent

from resolvers import accounts, contacts, nodes, people
from schema.declare import Info


def account(parent: Parent[Any], info: Info) -> Awaitable[accounts.Account | None] | None:
    """The account named by `account_id`."""
    if parent.account_id is None:
        return None
    return accounts.get(info.context.operation, parent.account_id)


def contact(parent: Parent[Any], info: Info) -> Awaitable[contacts.Contact | None] | None:
    """The contact named by `contact_id`."""
    if parent.contact_id is None:
        return None
    return contacts.get(info.context.operation, parent.contact_id)


def person(parent: Parent[Any], info: Info) -> Awaitable[people.Person | None] | None:
    """The person named by `person_id`."""
    if parent.person_id is None:
        return None
    return people.get(info.context.operation, parent.person_id)


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
