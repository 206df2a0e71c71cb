"""The change feed: one entry type for each thing that can happen to a node."""

from __future__ import annotations

import asyncio
from typing import Any

import strawberry
from strawberry import Parent

from resolvers import changes, merges, nodes, writes
from resolvers.loaders import load
from schema.declare import UNSET, Info, asked, field, input_type, interface_type, object_type
from schema.lists import ITEMS, NODE, Connection, Edge
from schema.references import MergeRef, NodeRef, UserErrorRef
from schema.scalars import Cursor, DateTime
from schema.vocabulary import ChangeOrigin, DeletionReason, NodeKind, ResyncCause, WriteState


async def _node(parent: Parent[changes.NodeUpserted], info: Info) -> Any:
    return await nodes.exactly(info.context.operation, parent.node_id)


async def _survivor(parent: Parent[changes.NodesMerged], info: Info) -> Any:
    return await nodes.exactly(info.context.operation, parent.survivor_id)


async def _parts(parent: Parent[changes.NodeSplit], info: Info) -> list[Any]:
    operation = info.context.operation
    return list(await asyncio.gather(*(nodes.exactly(operation, i) for i in parent.part_ids), return_exceptions=True))


async def _merge(parent: Parent[changes.NodesMerged | changes.NodeSplit], info: Info) -> merges.Merge | None:
    return await merges.get(info.context.operation, parent.merge_id)


async def _write_error(parent: Parent[changes.WriteSettled], info: Info) -> Any:
    write = await load(info.context.operation, writes.by_id, parent.write_id)
    return None if write is None else write.error


@object_type("The change feed as one operation sees it.")
class FeedState:
    head: Cursor = field("Position when this operation began: what it did not see yet comes after it.")
    oldest: DateTime = field("Deletions and single events are kept from here; an older cursor gets ResyncRequired.")


@interface_type("One entry of the change feed; the same in queries, subscriptions and webhooks.")
class Change:
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")


@object_type("A node is new or changed: store it.", of=changes.NodeUpserted)
class NodeUpserted(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")
    node_id: strawberry.ID = field("Id of the node.")
    node_kind: NodeKind = field("Kind of the node.")
    node_version: int = field("Version of the node at this change; skip what is not newer.")
    created: bool = field("Whether it is new.")
    changed_fields: list[str] = field("Fields that changed, schema names; empty when all may have.")
    node: NodeRef | None = field(
        "The node as it is now, never another one by redirect; null when gone or absorbed since, and a later change says so.",
        _node,
    )


@object_type("A node is gone: drop it and what hangs on it.", of=changes.NodeDeleted)
class NodeDeleted(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")
    node_id: strawberry.ID = field("Id of the node.")
    node_kind: NodeKind = field("Kind of the node.")
    parent_id: strawberry.ID | None = field("Conversation of a message, person of a contact: the list to shorten.")
    reason: DeletionReason = field("Why.")


@object_type("Nodes became one: move references, then drop the absorbed ids.", of=changes.NodesMerged)
class NodesMerged(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")
    node_kind: NodeKind = field("Kind: people, conversations or messages.")
    survivor_id: strawberry.ID = field("Id that stays.")
    absorbed_ids: list[strawberry.ID] = field("Ids that now lead to survivorId.")
    survivor: NodeRef | None = field("The survivor as it is now; null when gone or absorbed since.", _survivor)
    merge: MergeRef | None = field("The decision, for people.", _merge)


@object_type(
    "A node fell apart: replace it and fetch the parts; an id absorbed before may stand on its own again.", of=changes.NodeSplit
)
class NodeSplit(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")
    node_kind: NodeKind = field("Kind: people, conversations or messages.")
    origin_id: strawberry.ID = field("Id that fell apart; among partIds when it stays.")
    part_ids: list[strawberry.ID] = field("Ids of the parts.")
    parts: list[NodeRef | None] = field("The parts as they are now, in the order of partIds.", _parts)
    merge: MergeRef | None = field("The decision, for people.", _merge)


@object_type("A write was accepted or refused by the network: end the optimistic state.", of=changes.WriteSettled)
class WriteSettled(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")
    mutation: str = field("Name of the mutation.")
    state: WriteState = field("DONE or REFUSED.")
    node_ids: list[strawberry.ID] = field("Nodes it changed; refused changes are undone by changes of their own.")
    error: UserErrorRef | None = field("Why it was refused.", _write_error)


@object_type("The feed cannot bring this client up to date: drop the scope and fill it again.", of=changes.ResyncRequired)
class ResyncRequired(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")
    cause: ResyncCause = field("Why.")
    scope_account_id: strawberry.ID | None = field("Only this account's nodes; null means everything.")
    scope_kinds: list[NodeKind] | None = field("Only these kinds; null means all.")
    restart: Cursor | None = field("Where changes must start again, read with the scope as filter; null means without since.")


@object_type("Nothing for this filter up to here: store the cursor.", of=changes.FeedAdvanced)
class FeedAdvanced(Change):
    cursor: Cursor = field("Position; store it only after applying the change.")
    occurred_at: DateTime = field("When it was recorded.")
    origin: ChangeOrigin = field("What caused it.")
    account_id: strawberry.ID | None = field("The account it came through.")
    idempotency_key: str | None = field("Key of the mutation that caused it, to recognise one's own.")


@input_type("Which changes; merges, splits, resyncs and settled writes of the kinds come too.")
class ChangeFilter:
    kinds: list[NodeKind] | None = asked("Of any of these kinds.", default=UNSET)
    account_ids: list[strawberry.ID] | None = asked("Through any of these accounts.", default=UNSET)
    stream_id: strawberry.ID | None = asked(
        "Only activities that meet the rule of this stream, once they have been matched; one that no longer does comes once more.",
        default=UNSET,
    )
    messages_after: DateTime | None = asked("Messages and activities only from here on, for stores with a window.", default=UNSET)


@object_type("Changes, oldest first.")
class ChangeConnection(Connection):
    edges: list[ChangeEdge] = field(ITEMS)
    up_to_date: bool = field("Whether the page reaches the head: the moment to subscribe from endCursor.")


@object_type("An item of ChangeConnection.")
class ChangeEdge(Edge):
    node: Change | None = field(NODE, semantic=True)
