"""Sending by the Gmail API v1 (users.messages.send), and finding out whether a message was sent.

Gmail takes a whole message and reads the recipients from its header, Bcc among them, which it takes out for all others. It answers
with its own id. After a cut, Sent is searched for our Message-ID; that nothing at all was sent since is believed only after a while,
for a search may lag behind. Knows nothing of reading a mailbox.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from providers.errors import Malformed, Unavailable
from providers.gmail.message import Listing
from providers.google.api import SCOPE, ask, decoded, post
from providers.http import Session
from providers.records import Outgoing, Submitted

SEND: Final = "/gmail/v1/users/me/messages/send"
LIST: Final = "/gmail/v1/users/me/messages"
#: Any of these lets us send; the first is what is asked for.
SENDING: Final = (SCOPE + "gmail.send", SCOPE + "gmail.compose", SCOPE + "gmail.modify", "https://mail.google.com/")
UNITS: Final = {"send": 100, "list": 5}
#: What is larger goes up as a file beside its description; both are one call.
LARGE: Final = 4 * 1024 * 1024
SURE: Final = 600.0  # seconds after which Gmail's lists and searches show what was sent before
AROUND: Final = 120  # seconds that clocks may differ
_BOUNDARY: Final = "message_and_its_thread"


class Sent(msgspec.Struct, frozen=True):
    """Message, as much of it as sending tells."""

    id: str


async def send(session: Session, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Hand a message to Gmail, into its thread. Raises ProviderError when it was certainly not taken."""
    raw = mail.blind + mail.data
    await note(b"%d" % session.clock.now().timestamp())
    try:
        answer = await post(session, *_request(raw, mail.thread), calls=UNITS["send"])
        return Submitted(fate="TAKEN", key=decoded(answer.content, Sent).id)
    except (Unavailable, Malformed) as error:  # even a failure of Google's own may come after the message has left
        return Submitted(fate="UNKNOWN", evidence=f"Gmail did not say whether it took the message. ({error.message})")


async def look_up(session: Session, mail: Outgoing, step: bytes) -> Submitted:
    """Whether the message is in Sent. Raises ProviderError."""
    found = await _listed(session, f"rfc822msgid:{mail.message_id}")
    if found.messages:
        return Submitted(fate="TAKEN", key=found.messages[0].id)
    began = int(step) if step.isdigit() else 0
    if session.clock.now().timestamp() - began >= SURE and not (await _listed(session, f"after:{began - AROUND}")).messages:
        return Submitted(fate="NOT_TAKEN", evidence="Nothing was sent by this account since.")
    return Submitted(
        fate="UNKNOWN", evidence="The message is not in Gmail's Sent, where it may be late or under another Message-ID."
    )


async def _listed(session: Session, query: str) -> Listing:
    params = [("labelIds", "SENT"), ("q", query), ("maxResults", "1")]
    return decoded((await ask(session, LIST, params, calls=UNITS["list"])).content, Listing)


def _request(raw: bytes, thread: str | None) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of the one call (developers.google.com/workspace/gmail/api/guides/uploads)."""
    about: dict[str, Any] = {"threadId": thread} if thread else {}
    if len(raw) <= LARGE:
        body = msgspec.json.encode({**about, "raw": base64.urlsafe_b64encode(raw).decode("ascii")})
        return SEND, {"Content-Type": "application/json"}, body
    head = f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode() + msgspec.json.encode(about)
    middle = f"\r\n--{_BOUNDARY}\r\nContent-Type: message/rfc822\r\n\r\n".encode()
    body = b"".join((head, middle, raw, f"\r\n--{_BOUNDARY}--\r\n".encode()))
    return f"/upload{SEND}?uploadType=multipart", {"Content-Type": f"multipart/related; boundary={_BOUNDARY}"}, body
