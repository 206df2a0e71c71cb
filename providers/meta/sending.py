"""Writing into inboxes of Meta's (`POST …/messages`, the Send API), and finding out whether a message is there.

Meta lets an answer through within 24 hours of the other's last message; where the app has the feature Human Agent, a person may answer
within seven days by a tag (messenger-platform/send-messages, "Standard messaging window", "Message tags"). Nobody is written to first. It
takes no id of ours: after a cut the conversation is read back to the moment of sending; a message of the owner's that says the same, and
was not there before, is the one. Knows nothing of reading inboxes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from providers.entries import readable
from providers.errors import Malformed, Refused, Unavailable
from providers.meta.api import Edge, Graph, part
from providers.meta.item import Inbox, Party, Said, Thread, is_owner, when
from providers.records import OutgoingChat, Submitted

#: What a message may hold: in Messenger characters, in Instagram bytes (send-messages; instagram messaging-api).
MESSENGER_CHARACTERS, INSTAGRAM_BYTES = 2_000, 1_000
WINDOW: Final = timedelta(hours=24)
HUMAN: Final = timedelta(days=7)
TAG: Final = "HUMAN_AGENT"
LOOK: Final = 20  # messages that are looked through
AROUND: Final = 120.0  # seconds that clocks may differ
SURE: Final = 600.0  # seconds after which what Meta was told shows


class Sent(msgspec.Struct, frozen=True):
    """What the Send API answers with."""

    message_id: str
    recipient_id: str = ""


async def say(
    graph: Graph,
    inbox: Inbox,
    outgoing: OutgoingChat,
    note: Callable[[bytes], Awaitable[None]],
    *,
    token: str | None = None,
    path: str | None = None,
    human: bool = False,
) -> Submitted:
    """Write into a conversation; `human`: the app has the feature Human Agent. Raises ProviderError when it was certainly not taken."""
    check_length(outgoing.text, inbox)
    thread = outgoing.conversation.partition("/")[2]
    recipient = await _other(graph, thread, inbox, token)
    body: dict[str, Any] = {"recipient": {"id": recipient.id}, "message": {"text": outgoing.text}}
    latest = await _latest(graph, thread, token)
    body |= _marked(latest, inbox, graph.session.clock.now(), human=human)
    alike = [said.id for said in latest if _says(said, outgoing, inbox)]
    await note(" ".join((str(int(graph.session.clock.now().timestamp())), *alike)).encode())
    try:
        sent = await graph.tell(path or f"{inbox.owner}/messages", Sent, body, token=token)
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"Meta did not say whether it took the message. ({error.message})")
    return Submitted(fate="TAKEN", key=sent.message_id)


async def was_said(graph: Graph, inbox: Inbox, outgoing: OutgoingChat, step: bytes, *, token: str | None = None) -> Submitted:
    """Whether a message is in its conversation, back to the moment at which it was sent. Raises ProviderError."""
    began, *alike = step.decode("utf-8", "replace").split(" ")
    since = int(began) if began.isdigit() else 0
    found = await _latest(graph, outgoing.conversation.partition("/")[2], token)
    for said in found:
        at = when(said)
        if at is not None and at.timestamp() >= since - AROUND and said.id not in alike and _says(said, outgoing, inbox):
            return Submitted(fate="TAKEN", key=said.id)
    last = when(found[-1]) if len(found) >= LOOK else None
    if last is not None and last.timestamp() > since - AROUND:
        return Submitted(fate="UNKNOWN", evidence="Too much was written there since to find the message.")
    if graph.session.clock.now().timestamp() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not in the conversation.")
    return Submitted(fate="UNKNOWN", evidence="The message is not in the conversation, where it may still appear.")


def check_length(text: str, inbox: Inbox) -> None:
    """Raises Refused (`too-large`) for what the network would not take."""
    if inbox.platform == "instagram" and len(text.encode("utf-8", "surrogatepass")) > INSTAGRAM_BYTES:
        raise Refused(f"Instagram takes messages of at most {INSTAGRAM_BYTES:,} bytes. Write less.", provider_code="too-large")
    if len(text) > MESSENGER_CHARACTERS:
        raise Refused(
            f"Messenger takes messages of at most {MESSENGER_CHARACTERS:,} characters. Write less.", provider_code="too-large"
        )


async def _other(graph: Graph, thread: str, inbox: Inbox, token: str | None) -> Party:
    """The one person that a conversation is with."""
    found = await graph.ask(part(thread), Thread, [("fields", "id,updated_time,participants")], token=token)
    others = [one for one in found.participants.data if not is_owner(one, inbox)]
    if len(others) != 1:
        raise Refused("Meta takes messages to one person only, and this conversation has others.", provider_code="group")
    return others[0]


def _marked(latest: Sequence[Said], inbox: Inbox, now: datetime, *, human: bool) -> dict[str, str]:
    """How an answer has to be marked, from the latest messages. Raises Refused (`window`) where it comes too late for any mark."""
    theirs = [when(said) for said in latest if said.sender is not None and not is_owner(said.sender, inbox)]
    last = max((at for at in theirs if at is not None), default=None)
    since = None if last is None else now - last
    if since is not None and since <= WINDOW:
        return {"messaging_type": "RESPONSE"}
    if since is not None and since <= HUMAN and human:
        return {"messaging_type": "MESSAGE_TAG", "tag": TAG}
    name = "Instagram" if inbox.platform == "instagram" else "Messenger"
    when_last = f"theirs was on {last:%Y-%m-%d at %H:%M} UTC" if last is not None else "there is none among the latest"
    within = "seven days" if human else "24 hours"
    raise Refused(
        f"{name} takes an answer only within {within} of the other's last message, and {when_last}. Wait until they write again.",
        provider_code="window",
    )


def _says(said: Said, outgoing: OutgoingChat, inbox: Inbox) -> bool:
    """Whether a message is the owner's and says what is sent."""
    return said.sender is not None and is_owner(said.sender, inbox) and said.message.strip() == outgoing.text.strip()


async def _latest(graph: Graph, thread: str, token: str | None) -> list[Said]:
    """The latest messages of a conversation, newest first."""
    asked = [("fields", "id,created_time,from,message"), ("limit", str(LOOK))]
    page = await graph.ask(f"{part(thread)}/messages", Edge, asked, token=token)
    return readable(page.data, Said, thread)[0]
