"""Files into Matrix's content repository (Client-Server API v1.15, "Content repository"), and what an event says of one.

What the server takes is asked before anything is put up. A file has no room: one that was put up by a process that died before the event
left is named nowhere, and nobody sees it. Encrypted rooms get none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from providers.errors import Malformed, Refused
from providers.formats import picture
from providers.http import Session
from providers.matrix.api import ANSWERED, decoded, get, origin, refusal
from providers.matrix.event import media
from providers.records import OutgoingFile

_KINDS: Final = {"image": "m.image", "video": "m.video", "audio": "m.audio"}


class Config(msgspec.Struct, frozen=True):
    """/media/config: the most bytes of a file; None where the server does not say."""

    size: int | None = msgspec.field(default=None, name="m.upload.size")


class Uploaded(msgspec.Struct, frozen=True):
    content_uri: str


async def check(session: Session, files: Sequence[OutgoingFile]) -> None:
    """That the server takes files of these sizes. Raises Refused (`size`), and ProviderError."""
    most = (await _config(session)).size
    for file in files:
        if most is not None and len(file.data) > most:
            host = urlsplit(session.account.base_url).hostname
            text = f"{host} takes files of at most {most:,} bytes, and {file.name} has {len(file.data):,}."
            raise Refused(text, provider_code="size")


async def put_up(session: Session, file: OutgoingFile) -> str:
    """The `mxc:` URI of a file that is there from now on. Raises ProviderError."""
    answer = await session.request(
        "POST",
        f"{origin(session.account.base_url)}/_matrix/media/v3/upload",
        params={"filename": file.name},
        headers={"Content-Type": file.media_type},
        content=file.data,
        accept_statuses={*ANSWERED, 413},
        follow=False,
    )
    if answer.status != 200:
        raise refusal(session, answer)
    uri = decoded(answer, Uploaded).content_uri
    if media(uri) is None:
        raise Malformed("The server gave a file an address that is none.", provider_code="mxc")
    return uri


def content(file: OutgoingFile, uri: str) -> dict[str, Any]:
    """The content of an event that shows a file; its body may become a caption, since it says the file's name beside (v1.10)."""
    info: dict[str, Any] = {"mimetype": file.media_type, "size": len(file.data)}
    kind = _KINDS.get(file.media_type.partition("/")[0], "m.file")
    if kind == "m.image" and (size := picture.size(file.data[: picture.HEADER])) is not None:
        info |= {"w": size[0], "h": size[1]}
    return {"msgtype": kind, "body": file.name, "filename": file.name, "url": uri, "info": info}


async def _config(session: Session) -> Config:
    """v1.11 asks who wants to know; older servers know the older path."""
    try:
        return await get(session, "/_matrix/client/v1/media/config", Config)
    except Refused as error:
        if error.provider_code not in ("M_UNRECOGNIZED", "not-found"):
            raise
    return await get(session, "/_matrix/media/v3/config", Config)
