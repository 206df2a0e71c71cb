"""Where to put a file that is to be sent."""

from __future__ import annotations

import strawberry
from strawberry import Parent

from resolvers import uploads
from schema.declare import Info, field, object_type
from schema.interfaces import Node
from schema.scalars import URL, ByteCount, DateTime


@object_type("One HTTP header.", of=uploads.HttpHeader)
class HttpHeader:
    name: str = field("Name.")
    value: str = field("Value.")


async def _url(parent: Parent[uploads.Ticket], info: Info) -> str:
    return uploads.url(info.context.operation, parent)


async def _upload_headers(parent: Parent[uploads.Ticket], info: Info) -> tuple[uploads.HttpHeader, ...]:
    return uploads.HEADERS


@object_type("A place to put one file, with plain or resumed HTTP PUT.", of=uploads.Ticket)
class UploadTicket(Node):
    id: strawberry.ID = field("Opaque global id, to be named as uploadId.")
    url: URL = field("Where to PUT the bytes.", _url)
    headers: list[HttpHeader] = field("Headers to send with them.", _upload_headers)
    received: ByteCount = field("Bytes received so far; resume with Content-Range.")
    complete: bool = field("Whether all bytes are there.")
    expires_at: DateTime = field("When an unused upload is erased.")
