"""Files that came with messages, and the short-lived addresses they are fetched from."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import attachments, links, messages
from schema.declare import Info, argument, field, object_type
from schema.interfaces import Node
from schema.references import MessageRef
from schema.scalars import URL, ByteCount, DateTime
from schema.vocabulary import AttachmentState, Disposition


@object_type("A short-lived address; not to be stored.", of=links.SignedUrl)
class SignedUrl:
    url: URL = field("Address.")
    expires_at: DateTime = field("When it stops working.")


async def _message(parent: Parent[attachments.Attachment], info: Info) -> messages.Message | None:
    return await messages.get(info.context.operation, parent.message_id)


async def _state(parent: Parent[attachments.Attachment], info: Info) -> str:
    return await attachments.state(info.context.operation, parent)


async def _attachment_download(
    parent: Parent[attachments.Attachment],
    info: Info,
    disposition: Annotated[Disposition | None, argument(description="How a browser shall treat it.")] = Disposition.ATTACHMENT,
) -> links.SignedUrl | None:
    return await attachments.download(info.context.operation, parent, inline=disposition is Disposition.INLINE)


@object_type("A file that came with a message.", of=attachments.Attachment)
class Attachment(Node):
    id: strawberry.ID = field("Opaque global id.")
    message: MessageRef | None = field("Its message.", _message)
    name: str = field("File name, safe to show and to save.")
    media_type: str = field("Media type, recognised from content where known.")
    size: ByteCount | None = field("Size; null where the network does not tell.")
    hash: str | None = field("SHA-256, once known; a key for stores.")
    inline: bool = field("Whether the HTML shows it.")
    state: AttachmentState = field("Whether it can be fetched.", _state)
    download: SignedUrl | None = field(
        "Where to fetch it, streamed from its source, with Range; null when it is gone.", _attachment_download
    )
