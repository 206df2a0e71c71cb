"""Files into Slack conversations: an address for each (files.getUploadURLExternal), its bytes there, and one order that shows them all
(files.completeUploadExternal).

Slack is asked for an address by a file's name and size, and says then what it does not take. Nobody sees a file before the order: those
of a process that died before it are in no conversation. Knows nothing of texts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from providers.errors import Malformed, ReauthRequired, Refused
from providers.http import Session
from providers.records import OutgoingFile
from providers.slack.api import NARROW, tell

SCOPES: Final = ("files:write",)
#: Files of one message, as Slack's own clients take them.
MOST: Final = 10
_WORDS: Final = {
    "file_upload_size_restricted": "Slack does not take a file as large as {name} in this workspace.",
    "file_uploads_disabled": "This workspace takes no files.",
    "file_uploads_except_images_disabled": "This workspace takes no files but pictures: {name} is none.",
    "file_type_restricted": "This workspace does not take files such as {name}.",
    "storage_limit_reached": "This workspace has no room for more files.",
}  # fmt: skip


class _Place(msgspec.Struct, frozen=True):
    """files.getUploadURLExternal."""

    upload_url: str
    file_id: str


class _Done(msgspec.Struct, frozen=True):
    pass


async def put_up(session: Session, files: Sequence[OutgoingFile]) -> list[str]:
    """Put files up; their ids. All are asked for before the first byte leaves. Raises Refused with what Slack does not take."""
    places = [await _place(session, file) for file in files]
    for file, place in zip(files, places, strict=True):
        where = session.absolute(place.upload_url)
        if where.scheme != "https" and not session.may_carry(where):
            raise Malformed("Slack wants a file at an address that is not encrypted.", provider_code="upload")
        headers = {"Content-Type": "application/octet-stream"}
        # the address is good for this file alone and needs no sign-in
        await session.request("POST", place.upload_url, headers=headers, content=file.data, auth=False, follow=False)
    return [place.file_id for place in places]


async def show(session: Session, channel: str, root: str, text: str, files: Sequence[tuple[str, str]]) -> None:
    """Show files (id, name) in a conversation, or in the thread of `root`, with a text. Raises ProviderError."""
    form = {
        "channel_id": channel,
        "files": msgspec.json.encode([{"id": id_, "title": name} for id_, name in files]).decode(),
        **({"initial_comment": text} if text else {}),
        **({"thread_ts": root} if root else {}),
    }
    await tell(session, "files.completeUploadExternal", _Done, form)


async def _place(session: Session, file: OutgoingFile) -> _Place:
    try:
        return await tell(
            session, "files.getUploadURLExternal", _Place, {"filename": file.name, "length": str(len(file.data))}
        )  # fmt: skip
    except Refused as error:
        if error.provider_code in NARROW:
            text = f"Sending files was not allowed: give the app the scope {SCOPES[0]}, install it again and link again."
            raise ReauthRequired(text, provider_code="scope") from error
        if (words := _WORDS.get(error.provider_code or "")) is None:
            raise
        raise Refused(words.format(name=file.name), provider_code=error.provider_code) from error
