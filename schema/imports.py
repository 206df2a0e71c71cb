"""Imported files, and what became of each of their rows."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import imports as rows
from resolvers.paging import Ask, Listing
from schema import loads
from schema.declare import UNSET, Info, argument, field, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, plain
from schema.references import AccountRef, NodeRef, SyncProgressRef, UserErrorRef
from schema.scalars import DateTime
from schema.vocabulary import ArchiveFormat, JobState, RowOutcome, SkipReason


async def _import_rows(
    parent: Parent[rows.Import],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    outcome: Annotated[RowOutcome | None, argument(description="Only items with this outcome.")] = UNSET,
) -> Listing:
    return await rows.rows(info.context.operation, parent.id, Ask(first=first, after=plain(after)), plain(outcome))


@object_type("Imports.")
class ImportConnection(Connection):
    edges: list[ImportEdge] = field(ITEMS)


@object_type("An item of ImportConnection.")
class ImportEdge(Edge):
    node: Import | None = field(NODE, semantic=True)


@object_type("One imported file.", of=rows.Import)
class Import(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    file_name: str = field("Name of the file.")
    format: ArchiveFormat | None = field("Recognised from content; null until recognised.")
    state: JobState = field("Where it stands.")
    progress: SyncProgressRef | None = field("Progress; null when done.")
    target_account: AccountRef | None = field("The account it fills; null until recognised.", loads.account)
    counts: ImportCounts = field("Rows by outcome.")
    rows: ImportRowConnection | None = field("Outcome of each row, in file order.", _import_rows, semantic=True)
    error: UserErrorRef | None = field("Why the whole file was refused.")
    created_at: DateTime = field("When it was given.")
    finished_at: DateTime | None = field("When it ended.")


@object_type("Rows by outcome.")
class ImportCounts:
    created: int = field("New records.")
    updated: int = field("Changed records.")
    unchanged: int = field("Already there.")
    skipped: int = field("Left out on purpose.")
    failed: int = field("Could not be read.")


@object_type("One card, line or message of an imported file.")
class ImportRow:
    position: int = field("Number in the file, from 1.")
    path: str | None = field("Path inside the archive.")
    line: int | None = field("Line, for text formats.")
    outcome: RowOutcome = field("What became of it.")
    reason: SkipReason | None = field("Why it was skipped.")
    message: str | None = field("What was wrong and what was done, as a sentence.")
    excerpt: str | None = field("Beginning of the row, at most 200 characters.")
    node: NodeRef | None = field("The record it became; null when none or erased since.", loads.node)


@object_type("Rows of an import.")
class ImportRowConnection(Connection):
    edges: list[ImportRowEdge] = field(ITEMS)


@object_type("An item of ImportRowConnection.")
class ImportRowEdge(Edge):
    node: ImportRow | None = field(NODE, semantic=True)
