"""Writing into Slack conversations (chat.postMessage), finding out whether a message is there, changing it (chat.update), deleting it
(chat.delete), and saying what was read. Files are in `files.py`.

Slack takes no id of ours with a message. After a cut the conversation itself is read back to the moment of sending: a message of the
user's that says the same is the one. What is answered in a thread stays in it. A read mark (conversations.mark) goes where it is put, backwards
too, so that one which is further on already is left there. So does an edit: before it is told again the message is asked what it says. Knows
nothing of reading histories.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from providers.errors import Conflict, Malformed, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingEdit, Submitted
from providers.slack import files as slack_files
from providers.slack.api import GONE, NARROW, PARTIAL, ask, tell
from providers.slack.message import Edited, Post, escaped, instant, plain, seconds

SENDING: Final = ("chat:write",)
#: docs.slack.dev/reference/methods/conversations.mark: one for each kind of conversation.
MARKING: Final = ("channels:write", "groups:write", "im:write", "mpim:write")
#: "Truncating really long messages": more than this is cut off.
LONGEST: Final = 40_000
SURE: Final = 600.0  # seconds after which what Slack was told shows
AROUND: Final = 120  # seconds that clocks may differ
LOOK: Final = 200
LOOKS: Final = 10  # so often a conversation is paged back to look for a message
_EMOJI: Final = re.compile(r":[a-z0-9_+'-]{1,100}:")


class _Who(msgspec.Struct, frozen=True):
    user_id: str


class _Posted(msgspec.Struct, frozen=True):
    channel: str
    ts: str


class _Updated(msgspec.Struct, frozen=True):
    """chat.update."""

    class Message(msgspec.Struct, frozen=True):
        edited: Edited | None = None

    message: Message = Message()


class _Posts(msgspec.Struct, frozen=True):
    messages: list[Post]
    has_more: bool = False


class _Marked(msgspec.Struct, frozen=True):
    class Channel(msgspec.Struct, frozen=True):
        last_read: str | None = None

    channel: Channel


class _Done(msgspec.Struct, frozen=True):
    pass


async def say(session: Session, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write into a conversation, in a thread where it answers in one. Raises ProviderError when it was certainly not taken."""
    text = escaped(message.text)
    if len(text) > LONGEST:
        raise Refused(f"Slack takes messages of at most {LONGEST:,} characters. Write less.", provider_code="too-large")
    root = await _root(session, message)
    if message.files:
        return await _say_with_files(session, message, text, root, note)
    form = {"channel": message.conversation, "text": text, "parse": "none", **({"thread_ts": root} if root else {})}
    await note(f"{int(session.clock.now().timestamp())} {root}".encode())
    try:
        posted = await tell(session, "chat.postMessage", _Posted, form)
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"Slack did not say whether it took the message. ({error.message})")
    return Submitted(fate="TAKEN", key=f"{posted.channel}/{posted.ts}")


async def _say_with_files(
    session: Session, message: OutgoingChat, text: str, root: str, note: Callable[[bytes], Awaitable[None]]
) -> Submitted:
    """Files first, which nobody sees; then the order to show them with the text, whose message is found by them."""
    ids = await slack_files.put_up(session, message.files)
    step = f"{int(session.clock.now().timestamp())} {root} {','.join(ids)}".encode()
    await note(step)
    try:
        named = [(id_, file.name) for id_, file in zip(ids, message.files, strict=True)]
        await slack_files.show(session, message.conversation, root, text, named)
        return await was_said(session, message, step)  # Slack shows them a moment later
    except (Unavailable, Malformed, RateLimited) as error:
        return Submitted(fate="UNKNOWN", evidence=f"Slack did not say whether it took the message. ({error.message})")


async def was_said(session: Session, message: OutgoingChat, step: bytes) -> Submitted:
    """Whether a message is in its conversation or thread, read back to the moment at which it was sent. Raises ProviderError."""
    began, _, rest = step.decode().partition(" ")
    root, _, ids = rest.partition(" ")
    since, files = int(began) if began.isdigit() else 0, frozenset(ids.split(",")) - {""}
    me = (await ask(session, "auth.test", _Who)).user_id
    asked = {"channel": message.conversation, "oldest": f"{max(0, since - AROUND)}.000000", "limit": str(LOOK)}
    for _ in range(LOOKS):
        if root:
            page = await ask(session, "conversations.replies", _Posts, **asked, ts=root)
        else:
            page = await ask(session, "conversations.history", _Posts, **asked)
        for post in page.messages:
            if post.user == me and post.ts != root and (post.shows_any(files) if files else says(post, message.text)):
                return Submitted(fate="TAKEN", key=f"{message.conversation}/{post.ts}")
        if not page.has_more or not page.messages:
            break
        stamps = sorted((post.ts for post in page.messages), key=seconds)
        asked |= {"oldest": stamps[-1]} if root else {"latest": stamps[0]}  # threads are told forwards, histories backwards
    else:
        return Submitted(fate="UNKNOWN", evidence="Too much was written there since to find the message.")
    if session.clock.now().timestamp() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not in the conversation.")
    return Submitted(fate="UNKNOWN", evidence="The message is not in the conversation, where it may still appear.")


async def edit(session: Session, change: OutgoingEdit, *, again: bool) -> datetime | None:
    """Put another text in the place of a message's own. Raises ProviderError."""
    text = escaped(change.text)
    if len(text) > LONGEST:
        raise Refused(f"Slack takes messages of at most {LONGEST:,} characters. Write less.", provider_code="too-large")
    ts = change.message.rpartition("/")[2]
    if again:
        now = await _one(session, change.conversation, ts)
        if now is not None and now.edited is not None and instant(now.edited.ts) >= change.at:
            if not says(now, change.text):
                raise Conflict("This message was edited somewhere else meanwhile, and keeps that text.", provider_code="edited")
            return instant(now.edited.ts)
    try:
        form = {"channel": change.conversation, "ts": ts, "text": text, "parse": "none"}
        edited = (await tell(session, "chat.update", _Updated, form)).message.edited
    except Refused as error:
        raise _said(error) from error
    return None if edited is None else instant(edited.ts)


async def delete(session: Session, deletion: OutgoingDeletion) -> Gone:
    """Delete a message for everybody, its answers aside. Raises ProviderError."""
    ts = deletion.message.rpartition("/")[2]
    try:
        await tell(session, "chat.delete", _Done, {"channel": deletion.conversation, "ts": ts})
    except Refused as error:
        if error.provider_code != "message_not_found":
            raise _said(error) from error
    return Gone(kind="MESSAGE", key=deletion.message)


async def read_up_to(session: Session, latest: Mapping[str, str]) -> None:
    """Put the read marks of conversations at these messages. Raises ReauthRequired (`scope`) where the token may not, and ProviderError."""
    for channel, key in latest.items():
        ts = key.rpartition("/")[2]
        try:
            there = (await ask(session, "conversations.info", _Marked, channel=channel)).channel.last_read
            if seconds(there or "") < seconds(ts):
                await tell(session, "conversations.mark", _Done, {"channel": channel, "ts": ts})
        except Refused as error:
            if error.provider_code in NARROW:
                raise ReauthRequired(
                    f"Marking as read was not allowed: give the app the scopes {', '.join(MARKING)}, install it again and link again.",
                    provider_code="scope",
                ) from error
            if error.provider_code not in GONE:
                raise  # one that was left has nobody who could read on


def says(post: Post, text: str) -> bool:
    """Whether a message says what was written here. Slack writes emoji by their names (docs.slack.dev/messaging/formatting-message-text)."""
    return _bare(plain(post.text or "", {})) == _bare(text)


def _bare(text: str) -> str:
    """A text without emoji, in either way of writing them."""
    signs = (sign for sign in _EMOJI.sub("", text) if unicodedata.category(sign) not in ("So", "Sk", "Mn", "Cf"))
    return " ".join("".join(signs).split())


def _said(error: Refused) -> Refused:
    """What Slack's word for a refusal means to the one who wanted it."""
    words = {
        "cant_update_message": "Slack lets only those who wrote a message edit it.",
        "edit_window_closed": "This workspace lets messages be edited only for a while, which is over.",
        "cant_delete_message": "Slack does not let you delete this message: its author may, or the workspace's administrators.",
        "compliance_exports_prevent_deletion": "This workspace keeps all messages: nothing can be deleted there.",
        "message_not_found": "This message is not at Slack any more.",
    }  # fmt: skip
    text = words.get(error.provider_code or "")
    return error if text is None else Refused(text, provider_code=error.provider_code)


async def _one(session: Session, channel: str, ts: str) -> Post | None:
    """A message as it is now; None where it is gone. What stands in a thread alone is in no history."""
    try:
        found = await ask(session, "conversations.history", _Posts, channel=channel, latest=ts, inclusive="true", limit="1")
        if not any(post.ts == ts for post in found.messages):
            found = await ask(session, "conversations.replies", _Posts, channel=channel, ts=ts, limit="1")
    except Refused as error:
        if error.provider_code not in GONE:
            raise
        return None
    return next((post for post in found.messages if post.ts == ts), None)


async def _root(session: Session, message: OutgoingChat) -> str:
    """The first message of the thread that an answer belongs to; empty where it stands in the conversation itself."""
    if message.answers is None:
        return ""
    ts = message.answers.rpartition("/")[2]
    try:
        found = await ask(session, "conversations.replies", _Posts, channel=message.conversation, ts=ts, limit="1")
    except Refused as error:
        if error.provider_code not in PARTIAL:
            raise
        return ts if message.in_thread else ""
    first = next(iter(found.messages), None)
    if first is not None and first.thread_ts and (first.answers or first.reply_count):
        return first.thread_ts
    return ts if message.in_thread else ""
