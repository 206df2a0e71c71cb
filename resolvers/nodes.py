"""Any node by its id: the letter says where to look, and another viewer's id is found nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from resolvers import (
    accounts,
    activities,
    attachments,
    catalogue,
    contacts,
    conversations,
    disclosures,
    enrichment_runs,
    identities,
    imports,
    keys,
    labels,
    meetings,
    merges,
    messages,
    notes,
    people,
    profile_changes,
    suggestions,
    tags,
    uploads,
    viewers,
    webhooks,
    writes,
)
from resolvers.circles import answers as circles
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.refusals import Refusal
from resolvers.streams import reading as streams
from store import ids
from store.ids import Kind

MAX_NODES: Final = 100
_LOADED: Final[dict[Kind, Any]] = {
    "ACCOUNT": accounts.by_id,
    "PERSON": people.by_id,
    "CONTACT": contacts.by_id,
    "CONVERSATION": conversations.by_id,
    "MESSAGE": messages.by_id,
    "ACTIVITY": activities.by_id,
    "OWN_ADDRESS": accounts.own_by_id,
    "IMPORT": imports.by_id,
    "ATTACHMENT": attachments.by_id,
    "GAP": accounts.gaps_by_id,
    "WRITE": writes.by_id,
    "UPLOAD": uploads.by_id,
    "LABEL": labels.by_id,
    "IDENTITY": identities.by_id,
    "DISCLOSURE": disclosures.by_id,
    "ENRICHMENT_RUN": enrichment_runs.by_id,
    "STREAM": streams.by_id,
    "MERGE": merges.by_id,
    "ANNOTATION": notes.by_id,
    "CIRCLE": circles.by_id,
    "SUGGESTION": suggestions.by_id,
    "TAG": tags.by_id,
    "PROFILE_CHANGE": profile_changes.by_id,
    "MEETING": meetings.by_id,
}
# whose rows change without a revision of the viewer's (store/revision.py)
_PROGRESS: Final = frozenset(
    {"IMPORT", "GAP", "WRITE", "UPLOAD", "DISCLOSURE", "ENRICHMENT_RUN", "API_KEY", "WEBHOOK", "DELIVERY", "LINK"}
)
# as the change feed shows them: an id that was absorbed is nobody, never its survivor
_EXACT: Final[dict[Kind, Any]] = {**_LOADED, "PERSON": people.exactly, "CONVERSATION": conversations.exactly}


async def get(operation: Operation, node_id: str) -> Any:
    """The node of this viewer, former ids included; None when there is none."""
    return await _find(operation, node_id, _LOADED)


async def exactly(operation: Operation, node_id: str) -> Any:
    """The node that still has this very id."""
    return await _find(operation, node_id, _EXACT)


async def _find(operation: Operation, node_id: str, readers: Mapping[Kind, Any]) -> Any:
    kind = ids.kind_of(node_id)
    if kind in _PROGRESS:
        operation.passing = True
    if kind is not None and kind in readers:
        return await load(operation, readers[kind], node_id)
    if kind == "VIEWER":
        return await viewers.get(operation) if node_id == operation.viewer else None
    if kind == "PROVIDER":
        return catalogue.by_id(operation.services, node_id)
    if kind == "API_KEY":
        # keys are told only to those who may make them
        return await load(operation, keys.by_id, node_id) if "admin" in operation.scopes else None
    if kind in ("WEBHOOK", "DELIVERY"):
        found = webhooks.get if kind == "WEBHOOK" else webhooks.get_delivery
        return await found(operation, node_id) if "admin" in operation.scopes else None
    if kind == "LINK" and operation.services.linking is not None and "admin" in operation.scopes:
        return await operation.services.linking.get(operation.viewer, node_id)
    return None


async def many(operation: Operation, node_ids: Sequence[str]) -> list[Any]:
    """Nodes in the order of the ids; one that is damaged is an error in its place."""
    if len(node_ids) > MAX_NODES:
        raise Refusal("TOO_MANY_IDS", f"ask for at most {MAX_NODES} nodes at once")
    return list(await asyncio.gather(*(get(operation, node_id) for node_id in node_ids), return_exceptions=True))
