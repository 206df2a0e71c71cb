"""Accounts: state, progress, the ledger of what they hold, open gaps, own addresses."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import accounts as rows
from resolvers import catalogue, labels, writes
from resolvers.loaders import load
from resolvers.paging import Ask, Listing
from schema import loads
from schema.declare import UNSET, Info, argument, field, object_type
from schema.interfaces import Node, Versioned
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, plain
from schema.references import LabelRef, PendingWriteConnectionRef, ProviderRef
from schema.scalars import DateTime
from schema.vocabulary import (
    AccountMode,
    AccountStatus,
    AddressKind,
    Capability,
    CoverageUnit,
    NodeKind,
    OwnAddressOrigin,
    SkipReason,
)


def _provider(parent: Parent[rows.Account], info: Info) -> catalogue.Network:
    return catalogue.get(info.context.operation.services, parent.provider)


def _capabilities(parent: Parent[rows.Account], info: Info) -> list[str]:
    return catalogue.get(info.context.operation.services, parent.provider).capabilities


def _can_send(parent: Parent[rows.OwnAddress], info: Info) -> bool:
    network = catalogue.get(info.context.operation.services, parent.provider)
    return parent.mine and parent.address_kind == "EMAIL" and "SEND" in network.capabilities


async def _own_addresses(parent: Parent[rows.Account], info: Info) -> list[rows.OwnAddress]:
    return await load(info.context.operation, rows.own, parent.id) or []


async def _account_labels(parent: Parent[rows.Account], info: Info) -> list[labels.Label]:
    return await load(info.context.operation, labels.of_accounts, parent.id) or []


async def _account_coverage(
    parent: Parent[rows.Account],
    info: Info,
    by: Annotated[CoverageUnit | None, argument(description="How to find or count them.")] = CoverageUnit.ACCOUNT,
) -> list[rows.Coverage]:
    unit = CoverageUnit.ACCOUNT if by is None else by
    return await load(info.context.operation, rows.coverage, parent.id, unit.value) or []


async def _account_gaps(
    parent: Parent[rows.Account],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await rows.gaps(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


async def _account_writes(
    parent: Parent[rows.Account],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await writes.page(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


@object_type("Accounts.")
class AccountConnection(Connection):
    edges: list[AccountEdge] = field(ITEMS)


@object_type("An item of AccountConnection.")
class AccountEdge(Edge):
    node: Account | None = field(NODE, semantic=True)


@object_type("A linked or imported account.", of=rows.Account)
class Account(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    provider: ProviderRef = field("The network.", _provider)
    label: str = field("Name to show, such as ada@example.org.")
    status: AccountStatus = field("State of the link.")
    status_reason: str | None = field("Why it is not ACTIVE, as a sentence.")
    mode: AccountMode = field("Whether it is synchronised or only asked live; a LIVE account's data is not in the change feed.")
    capabilities: list[Capability] = field("What this account can do with the scopes it has.", _capabilities)
    granted_scopes: list[str] = field("Scopes granted by the network.")
    progress: SyncProgress | None = field("The synchronisation that runs now.")
    last_synced_at: DateTime | None = field("End of the last successful synchronisation.")
    next_sync_at: DateTime | None = field("When it is due again; null with push.")
    coverage: list[Coverage] | None = field(
        "The ledger: seen = stored + skipped; at most 500 units.", _account_coverage, semantic=True
    )
    gaps: GapConnection | None = field("Open gaps, oldest first.", _account_gaps, semantic=True)
    labels: list[LabelRef] = field("Folders and labels; at most 2000.", _account_labels)
    own_addresses: list[OwnAddress] | None = field(
        "Addresses and handles that are the viewer's in this account.", _own_addresses, semantic=True
    )
    writes: PendingWriteConnectionRef | None = field("Writes not yet settled with the network.", _account_writes, semantic=True)
    created_at: DateTime = field("When it was linked.")


@object_type("Progress of long work.")
class SyncProgress:
    account: Account | None = field("The account at work; null for imports and exports.", loads.account)
    phase: str = field("What is being done, as a short phrase.")
    done: int = field("Items done.")
    total: int | None = field("Items in all; null while unknown.")
    started_at: DateTime = field("Start.")
    last_progress_at: DateTime = field("Last step forward.")
    estimated_end_at: DateTime | None = field("Estimate; null while unknown.")


@object_type("One line of an account's ledger.")
class Coverage:
    unit: CoverageUnit = field("What is counted.")
    name: str = field("Name of the folder, kind or month.")
    kind: NodeKind | None = field("Kind of record, where the line counts one kind.")
    seen: int | None = field("Records seen at the network; null where it cannot be known.")
    stored: int = field("Records stored.")
    skipped: list[SkippedCount] = field("Records left out on purpose, by reason.")
    missing: int = field("seen - stored - skipped: the open gap.")
    verified_at: DateTime | None = field("Last comparison of ids with the network.")


@object_type("Records left out for one reason.")
class SkippedCount:
    reason: SkipReason = field("Why.")
    count: int = field("How many.")


@object_type("A record or range that is known and not yet stored.", of=rows.Gap)
class Gap(Node):
    id: strawberry.ID = field("Opaque global id.")
    container: str | None = field("Folder, label, address book or room.")
    count: int = field("Records missing.")
    reason: str = field("What went wrong, as a sentence.")
    since: DateTime = field("When it was noticed.")
    attempts: int = field("Tries so far.")
    retry_at: DateTime | None = field("Next try.")


@object_type("Open gaps.")
class GapConnection(Connection):
    edges: list[GapEdge] = field(ITEMS)


@object_type("An item of GapConnection.")
class GapEdge(Edge):
    node: Gap | None = field(NODE, semantic=True)


@object_type("An address or handle of the viewer.", of=rows.OwnAddress)
class OwnAddress(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    account: Account = field("The account it belongs to.", loads.account)
    address_kind: AddressKind = field("What it is.")
    value: str = field("Address, number or handle, normalised.")
    origin: OwnAddressOrigin = field("How it was found.")
    mine: bool = field("Whether it counts as the viewer's; false after a correction.")
    primary: bool = field("Whether new messages start from it.")
    can_send: bool = field("Whether messages can be sent from it.", _can_send)
    message_count: int | None = field("Messages sent from it; null where not counted.")
