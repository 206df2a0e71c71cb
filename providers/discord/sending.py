"""Writing into Discord's channels (Create Message), finding out whether a message is there, editing and deleting it, and reacting
(Create Reaction).

A message carries a `nonce` of ours, which Discord holds unique for some minutes (`enforce_nonce`): told again after a cut, it is the same
message. Later the channel itself is read from the moment of sending on. An answer is a reply to its message, in whichever channel or
thread that is. Before an edit is told again, the message is asked what it says. Nothing that is written calls anybody together
(`allowed_mentions`): only whom is answered is told. Knows nothing of reading histories.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx2 as httpx
import msgspec

from providers.discord.api import HOME, ask, call, snowflake
from providers.discord.message import Emoji, Post, User, id_at
from providers.errors import Conflict, Malformed, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingEdit, OutgoingFile, OutgoingReaction, Submitted

LONGEST: Final = 2_000  # characters
MOST: Final = 10  # files of a message
LARGEST: Final = 10 * 1024 * 1024  # bytes of a file; servers that are paid for may have more ("Uploading Files")
NONCE: Final = 25  # characters
TRIES: Final = 3  # with one nonce, within seconds
SURE: Final = timedelta(minutes=10)  # after which what Discord was told shows
AROUND: Final = timedelta(minutes=2)  # that clocks may differ
LOOK, LOOKS = 100, 10  # messages a page and pages that are looked through for one


async def say(session: Session, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write into a channel. Raises ProviderError when it was certainly not taken."""
    _check_length(message.text)
    for file in message.files:
        if len(file.data) > LARGEST:
            text = f"Discord takes files of at most {LARGEST // 2**20} MB: “{file.name}” is larger."
            raise Refused(text, provider_code="too-large")
    channel = str(snowflake(message.conversation))
    said: dict[str, Any] = {
        "content": message.text,
        "nonce": message.id[:NONCE],
        "enforce_nonce": True,
        "allowed_mentions": {"parse": [], "replied_user": True},
    }
    if message.answers is not None:
        said["message_reference"] = {"message_id": message.answers, "fail_if_not_exists": False}
    body = _form(said, message.files) if message.files else {"json": said}
    await note(str(int(session.clock.now().timestamp())).encode())
    trouble: Unavailable | Malformed | None = None
    for _ in range(TRIES):
        try:
            answer = await call(session, "POST", f"/channels/{channel}/messages", major=channel, **body)
            return Submitted(fate="TAKEN", key=msgspec.json.decode(answer.content, type=Post).id)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            trouble = Malformed("Its answer cannot be read.")
        except (Unavailable, Malformed) as error:
            trouble = error
    assert trouble is not None
    return Submitted(fate="UNKNOWN", evidence=f"Discord did not say whether it took the message. ({trouble.message})")


async def was_said(session: Session, message: OutgoingChat, step: bytes) -> Submitted:
    """Whether a message is in its channel, from the moment at which it was sent. Raises ProviderError."""
    since = datetime.fromtimestamp(int(step) if step.isdigit() and len(step) < 12 else 0, UTC)
    channel = str(snowflake(message.conversation))
    me = (await ask(session, "/users/@me", User)).id
    after = str(id_at(since - AROUND))
    for _ in range(LOOKS):
        page = await ask(session, f"/channels/{channel}/messages", list[Post], major=channel, limit=str(LOOK), after=after)
        for post in page:
            if (
                post.author.id == me
                and post.content.strip() == message.text.strip()
                and _names(post) == sorted(_bare(file.name) for file in message.files)
            ):
                return Submitted(fate="TAKEN", key=post.id)
        if len(page) < LOOK:
            break
        after = str(max(post.number for post in page))
    else:
        return Submitted(fate="UNKNOWN", evidence="Too much was written there since to find the message.")
    if session.clock.now() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not in the channel.")
    return Submitted(fate="UNKNOWN", evidence="The message is not in the channel, where it may still appear.")


async def edit(session: Session, change: OutgoingEdit, *, again: bool) -> datetime | None:
    """Put another text in the place of a message's own. Raises ProviderError."""
    _check_length(change.text)
    channel, number = str(snowflake(change.conversation)), str(snowflake(change.message))
    path = f"/channels/{channel}/messages/{number}"
    if again:
        now = await ask(session, path, Post, major=channel)
        if now.edited_timestamp is not None and now.edited_timestamp >= change.at:
            if now.content.strip() != change.text.strip():
                raise Conflict("This message was edited somewhere else meanwhile, and keeps that text.", provider_code="edited")
            return now.edited_timestamp
    said = {"content": change.text, "allowed_mentions": {"parse": []}}
    try:
        answer = await call(session, "PATCH", path, major=channel, json=said)
    except Refused as error:
        if error.provider_code == "50005":
            raise Refused("Discord lets only those who wrote a message edit it.", provider_code="50005") from error
        raise
    try:
        return msgspec.json.decode(answer.content, type=Post).edited_timestamp
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise answer.malformed("JSON") from None


async def delete(session: Session, deletion: OutgoingDeletion) -> Gone:
    """Delete a message for everybody; one that is gone is deleted. Raises ProviderError."""
    channel, number = str(snowflake(deletion.conversation)), str(snowflake(deletion.message))
    try:
        await call(session, "DELETE", f"/channels/{channel}/messages/{number}", major=channel)
    except Refused as error:
        if error.provider_code in ("50003", "50013"):
            text = "The bot may not delete what others wrote there: give its role “Manage Messages”."
            raise Refused(text, provider_code=error.provider_code) from error
        if error.provider_code != "10008":
            raise
    return Gone(kind="MESSAGE", key=deletion.message)


async def react(session: Session, reaction: OutgoingReaction) -> None:
    """Make a reaction or take it back; both are as good twice as once. Raises ProviderError."""
    channel, number = str(snowflake(reaction.conversation)), str(snowflake(reaction.message))
    where = f"/channels/{channel}/messages/{number}"
    emoji = reaction.emoji
    if emoji.startswith(":") and emoji.endswith(":") and len(emoji) > 2:
        emoji = await _own_sign(session, where, channel, emoji)
    path = f"{where}/reactions/{quote(emoji, safe='')}/@me"
    try:
        await call(session, "DELETE" if reaction.remove else "PUT", path, major=channel)
    except Refused as error:
        if error.provider_code == "10014":
            raise Refused(
                "Discord does not know this sign. Use an emoji, or one that stands at the message.", provider_code="10014"
            ) from error
        if error.provider_code == "50013":
            text = "The bot may not add a new sign there: give its role “Add Reactions” and “Read Message History”."
            raise ReauthRequired(text, provider_code="scope") from error
        if not reaction.remove or error.provider_code != "10008":
            raise  # at a message that is gone there is nothing to take back


def _form(said: dict[str, Any], files: Sequence[OutgoingFile]) -> dict[str, Any]:
    """A message with files as Discord takes it: its JSON and each file as parts of a form (RFC 7578; "Uploading Files")."""
    request = httpx.Request(
        "POST",
        HOME,
        data={"payload_json": msgspec.json.encode(said).decode()},
        files=[(f"files[{n}]", (file.name, file.data, file.media_type)) for n, file in enumerate(files)],
    )
    return {"content": request.read(), "headers": {"Content-Type": request.headers["Content-Type"]}}


def _names(post: Post) -> list[str]:
    return sorted(_bare(file.filename) for file in post.attachments)


def _bare(name: str) -> str:
    """The letters and digits of a file's name: Discord writes others in its own way."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _check_length(text: str) -> None:
    if len(text) > LONGEST:
        raise Refused(f"Discord takes messages of at most {LONGEST:,} characters. Write less.", provider_code="too-large")


async def _own_sign(session: Session, where: str, channel: str, shown: str) -> str:
    """A server's own sign as calls name it: one that stands at the message."""
    post = await ask(session, where, Post, major=channel)
    found: Emoji | None = next((sign.emoji for sign in post.reactions if sign.emoji.shown == shown), None)
    if found is None or found.id is None:
        raise Refused("Of a server's own signs only those can be used that stand at the message.", provider_code="10014")
    return f"{found.name}:{found.id}"
