"""Importing files that were put up."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import importing, imports
from resolvers.loaders import load
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import ImportRef
from schema.vocabulary import ArchiveFormat


@input_type("Exactly one way to give a file.", one_of=True)
class FileInput:
    upload_id: strawberry.ID | None = asked("A complete upload; the way for phones and large files.", default=UNSET)


async def _import(parent: Parent[Payload], info: Info) -> imports.Import | None:
    return None if parent.import_id is None else await load(info.context.operation, imports.by_id, parent.import_id)


@input_type("Input of importArchive.")
class ImportArchiveInput:
    file: FileInput = asked("The file.")
    file_name: str | None = asked("Name to show.", default=UNSET)
    format: ArchiveFormat | None = asked("Only to override what is recognised.", default=UNSET)
    account_id: strawberry.ID | None = asked("Account to fill; found or made by default.", default=UNSET)
    region: str | None = asked("ISO 3166 region of its phone numbers.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of importArchive.")
class ImportArchivePayload(Written):
    imported: ImportRef | None = field("The import, already running.", _import, name="import")


@input_type("Input of cancelImport.")
class CancelImportInput:
    import_id: strawberry.ID = asked("The import.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of cancelImport.")
class CancelImportPayload(Written):
    imported: ImportRef | None = field("The import.", _import, name="import")


async def cancel_import(info: Info, input: Annotated[CancelImportInput, argument(description=WHAT)]) -> Payload:
    """Ends an import."""
    return await importing.cancel(info.context.operation, input.import_id, plain(input.idempotency_key))


async def import_archive(info: Info, input: Annotated[ImportArchiveInput, argument(description=WHAT)]) -> Payload:
    """Imports a file that was put up."""
    return await importing.begin(
        info.context.operation,
        plain(input.file.upload_id) or "",
        name=plain(input.file_name),
        format=plain(input.format),
        account_id=plain(input.account_id),
        region=plain(input.region),
        key=plain(input.idempotency_key),
    )
