"""Writing to accounts: label, pause, refresh, unlink, own addresses."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import account_settings, accounts
from resolvers.loaders import load
from resolvers.writing import Payload
from schema import loads
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import AccountRef, OwnAddressRef
from schema.vocabulary import AddressKind


async def _own_address(parent: Parent[Payload], info: Info) -> accounts.OwnAddress | None:
    if parent.own_address_id is None:
        return None
    return await load(info.context.operation, accounts.own_by_id, parent.own_address_id)


@input_type("Input of updateAccount.")
class UpdateAccountInput:
    account_id: strawberry.ID = asked("The account.")
    label: str | None = asked("New label.", default=UNSET)
    paused: bool | None = asked("Pause or go on.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updateAccount.")
class UpdateAccountPayload(Written):
    account: AccountRef | None = field("The account.", loads.account)


@input_type("Input of refreshAccount.")
class RefreshAccountInput:
    account_id: strawberry.ID = asked("The account.")
    verify: bool | None = asked("Also compare ids with the network and repair.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of refreshAccount.")
class RefreshAccountPayload(Written):
    account: AccountRef | None = field("The account.", loads.account)


@input_type("Input of unlinkAccount.")
class UnlinkAccountInput:
    account_id: strawberry.ID = asked("The account.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of unlinkAccount.")
class UnlinkAccountPayload(Written):
    account_id: strawberry.ID | None = field("The account that goes.")
    erased_count: int | None = field("Records to be erased.")


@input_type("Input of setOwnAddress.")
class SetOwnAddressInput:
    account_id: strawberry.ID = asked("The account.")
    value: str = asked("Address, number or handle.")
    address_kind: AddressKind = asked("What it is.")
    mine: bool = asked("Whether it is the viewer's.")
    primary: bool | None = asked("Whether new messages start from it.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of setOwnAddress.")
class SetOwnAddressPayload(Written):
    own_address: OwnAddressRef | None = field("The address.", _own_address)


async def update_account(info: Info, input: Annotated[UpdateAccountInput, argument(description=WHAT)]) -> Payload:
    """Changes label or pause."""
    return await account_settings.update(
        info.context.operation, input.account_id, plain(input.label), plain(input.paused), plain(input.idempotency_key)
    )


async def refresh_account(info: Info, input: Annotated[RefreshAccountInput, argument(description=WHAT)]) -> Payload:
    """Synchronises now."""
    return await account_settings.refresh(
        info.context.operation, input.account_id, input.verify is True, plain(input.idempotency_key)
    )


async def unlink_account(info: Info, input: Annotated[UnlinkAccountInput, argument(description=WHAT)]) -> Payload:
    """Erases what came only through the account."""
    return await account_settings.unlink(info.context.operation, input.account_id, plain(input.idempotency_key))


async def set_own_address(info: Info, input: Annotated[SetOwnAddressInput, argument(description=WHAT)]) -> Payload:
    """Says whether an address is the viewer's own."""
    return await account_settings.set_own(
        info.context.operation,
        input.account_id,
        input.address_kind.value,
        input.value,
        input.mine,
        plain(input.primary),
        plain(input.idempotency_key),
    )
