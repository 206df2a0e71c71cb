"""Putting files up: reserving the room, which HTTP fills."""

from __future__ import annotations

from typing import Annotated

from strawberry import Parent

from resolvers import uploads
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import UploadTicketRef
from schema.scalars import ByteCount


async def _upload(parent: Parent[Payload], info: Info) -> uploads.Ticket | None:
    return None if parent.upload_id is None else await uploads.get(info.context.operation, parent.upload_id)


@input_type("Input of createUpload.")
class CreateUploadInput:
    name: str = asked("File name.")
    size: ByteCount = asked("Size.")
    media_type: str | None = asked("Media type.", default=UNSET)
    sha256: str | None = asked("Hash of the content, hex, to be checked.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of createUpload.")
class CreateUploadPayload(Written):
    upload: UploadTicketRef | None = field("Where and how to put the bytes.", _upload)


async def create_upload(info: Info, input: Annotated[CreateUploadInput, argument(description=WHAT)]) -> Payload:
    """Reserves a place for a file."""
    return await uploads.create(
        info.context.operation, input.name, input.size, plain(input.media_type), plain(input.sha256), plain(input.idempotency_key)
    )
