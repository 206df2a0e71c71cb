"""Writing into direct conversations (docs.joinmastodon.org/methods/statuses#create), editing, deleting, favourites, and saying what was read.

A direct post goes to those whom it mentions, so that an answer mentions everybody who is in its conversation, and stands below the post
that it answers, or the latest. It goes out under our own id as `Idempotency-Key`, under which servers take a post once within an hour.
After a cut the account's own posts are read back to the moment of sending: one that says the same at the same place is the one.
Knows nothing of reading lists.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from providers.errors import Conflict, Malformed, ReauthRequired, Refused, Unavailable
from providers.mastodon.entity import Account, Attachment, Context, Conversation, Status, instant, post_text, segment
from providers.mastodon.item import DIRECT, FAVOURITE, Items, handles_of, key_of
from providers.mastodon.server import Instance, Server, decoded, readable
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingEdit, OutgoingReaction, Submitted

#: docs.joinmastodon.org/api/oauth-scopes
SENDING: Final = "write:statuses"
REACTING: Final = "write:favourites"
MARKING: Final = "write:conversations"
SURE: Final = 600.0  # seconds after which what a server was told shows
AROUND: Final = 120.0  # seconds that clocks may differ
LOOK: Final = 40
LOOKS: Final = 5  # so many pages of own posts are looked through
#: What a link and a mention count for (app/validators/status_length_validator.rb): the domain of a mention counts nothing.
_LINK: Final = re.compile(r"https?://[^\s<>\"]+")
_MENTION: Final = re.compile(r"(@[\w.-]+)@[\w.-]+\w")
#: app/models/account.rb, MENTION_RE: who is meant by a text.
_MENTIONED: Final = re.compile(r"(?<![=/\w])@(\w+(?:[\w.-]*\w)?(?:@[\w.:-]*\w)?)")
_ADDRESSED: Final = re.compile(r"\A(?:\s*@[\w.-]+(?:@[\w.:-]+)?)+\s*")


async def say(
    server: Server, items: Items, talks: Sequence[Conversation], message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]
) -> Submitted:
    """Write to those whom a conversation is with; `talks` are what the server lists of it. Raises ProviderError when it was certainly not taken."""
    await _check(server, SENDING, "send")
    reply = await _answered(server, talks, message.answers)
    text = _addressed(items, talks, message.conversation, message.text)
    _check_length(text, await server.instance())
    form = [("status", text), ("visibility", DIRECT), *([("in_reply_to_id", reply)] if reply else [])]
    await note(f"{int(server.session.clock.now().timestamp())} {reply}".encode())
    try:
        answer = await server.tell("POST", "/api/v1/statuses", form, key=message.id, once=True)
        return Submitted(fate="TAKEN", key=key_of(decoded(answer, Status)))
    except Refused as error:
        raise _narrow(error, "send") from error
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"The server did not say whether it took the message. ({error.message})")


async def was_said(server: Server, me: Account, message: OutgoingChat, step: bytes) -> Submitted:
    """Whether a message is among the account's own posts, read back to the moment of sending. Raises ProviderError."""
    began, _, reply = step.decode().partition(" ")
    since = int(began) if began.isdigit() else 0
    path = f"/api/v1/accounts/{segment(me.id)}/statuses"
    wanted, pages = _said(message.text), 0
    async for posts, _, _ in server.listed(path, "", (("limit", str(LOOK)), ("exclude_reblogs", "true")), Status):
        for post in posts:
            alike = (
                post.visibility == DIRECT and (post.in_reply_to_id or "") == reply and _said(post_text(post.content)) == wanted
            )
            if alike and _moment(post) >= since - AROUND:
                return Submitted(fate="TAKEN", key=key_of(post))
        pages += 1
        if not posts or any(_moment(post) < since - AROUND for post in posts):
            break
        if pages == LOOKS:
            return Submitted(fate="UNKNOWN", evidence="Too much was posted since to find the message.")
    if server.session.clock.now().timestamp() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not among your posts.")
    return Submitted(fate="UNKNOWN", evidence="The message is not among your posts, where it may still appear.")


async def edit(
    server: Server, items: Items, talks: Sequence[Conversation], change: OutgoingEdit, *, again: bool
) -> datetime | None:
    """Put another text in the place of a post's own. Raises ProviderError.

    What is not said again is taken off a post (methods/statuses#edit): so its warning, its language and its files are.
    """
    await _check(server, SENDING, "edit")
    post = await _standing(server, talks, change.message)
    if post is None:
        raise Refused("This message is gone from the server.", provider_code="not-found")
    edited = instant(post.edited_at)
    if again and edited is not None and edited >= change.at:
        if _said(post_text(post.content)) != _said(change.text):
            raise Conflict("This message was edited somewhere else meanwhile, and keeps that text.", provider_code="edited")
        return edited
    text = _addressed(items, talks, change.conversation, change.text)
    _check_length(text, await server.instance())
    files = [file.id for raw in post.media_attachments or () if (file := _file(raw)) is not None]
    form = [
        ("status", text),
        ("spoiler_text", post.spoiler_text or ""),
        ("sensitive", "true" if post.sensitive else "false"),
        *([("language", post.language)] if post.language else []),
        *(("media_ids[]", file) for file in files),
    ]
    try:
        answer = await server.tell("PUT", f"/api/v1/statuses/{segment(post.id)}", form)
    except Refused as error:
        raise _narrow(error, "edit") from error
    return instant(decoded(answer, Status).edited_at)


async def delete(server: Server, talks: Sequence[Conversation], deletion: OutgoingDeletion) -> Gone:
    """Delete a post for everybody. Raises ProviderError."""
    await _check(server, SENDING, "delete")
    if (post := await _local(server, talks, deletion.message)) is not None:
        try:
            await server.tell("DELETE", f"/api/v1/statuses/{segment(post)}")
        except Refused as error:
            if error.provider_code != "not-found":
                raise _narrow(error, "delete") from error
    return Gone(kind="MESSAGE", key=deletion.message)


async def react(server: Server, talks: Sequence[Conversation], reaction: OutgoingReaction) -> None:
    """Make a post a favourite, or no longer. Raises Refused for any other sign: the network has this one."""
    if reaction.emoji != FAVOURITE:
        raise Refused(f"Mastodon knows one reaction, the favourite ({FAVOURITE}).", provider_code="sign")
    await _check(server, REACTING, "mark favourites")
    post = await _local(server, talks, reaction.message)
    if post is None:
        if reaction.remove:
            return
        raise Refused("The server no longer lists this message.", provider_code="not-found")
    try:
        await server.tell("POST", f"/api/v1/statuses/{segment(post)}/{'unfavourite' if reaction.remove else 'favourite'}")
    except Refused as error:
        raise _narrow(error, "mark favourites") from error


async def read_up_to(
    server: Server, me: Account, listed: Mapping[str, Sequence[Conversation]], latest: Mapping[str, str]
) -> None:
    """Say of conversations (by key, as the server lists them) that they were read, where nothing came after what was. Raises ProviderError."""
    await _check(server, MARKING, "mark as read")
    for key, message in latest.items():
        lasts = [(talk, talk.last_status) for talk in listed.get(key, ()) if talk.last_status is not None]
        until = max((_moment(last) for _, last in lasts if key_of(last) == message), default=0.0)
        for talk, last in lasts:
            if talk.unread and (_moment(last) <= until or last.account.id == me.id):
                try:
                    await server.tell("POST", f"/api/v1/conversations/{segment(talk.id)}/read")
                except Refused as error:
                    if error.provider_code != "not-found":
                        raise _narrow(error, "mark as read") from error


# --- whom and where ---------------------------------------------------------------------------------------------------------


async def _standing(server: Server, talks: Sequence[Conversation], key: str) -> Status | None:
    """A post as it is now; None when it is gone."""
    post = await _local(server, talks, key)
    try:
        return None if post is None else decoded(await server.get(f"/api/v1/statuses/{segment(post)}"), Status)
    except Refused as error:
        if error.provider_code != "not-found":
            raise
        return None


def _file(raw: msgspec.Raw) -> Attachment | None:
    try:
        found = msgspec.json.decode(raw, type=Attachment)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.id else None


def _addressed(items: Items, talks: Sequence[Conversation], conversation: str, text: str) -> str:
    """The text, with everybody mentioned who is in the conversation, and nobody else: whom a post mentions gets it."""
    last = next((talk.last_status for talk in talks if talk.last_status is not None), None)
    # where all of its posts are gone, what it is known by says who was in it
    found = [items.handle(one.acct) for one in items.others(last)] if last is not None else handles_of(conversation)
    wanted = {handle.casefold(): items.local(handle) for handle in found}
    said = {items.handle(name).casefold(): name for name in _MENTIONED.findall(text)}
    if strangers := said.keys() - wanted.keys() - {items.own.casefold()}:
        raise Refused(
            f"@{said[min(strangers)]} is not in this conversation and would get what mentions them. Write the name without its @.",
            provider_code="mention",
        )
    return " ".join((*(f"@{name}" for handle, name in wanted.items() if handle not in said), text))


async def _answered(server: Server, talks: Sequence[Conversation], answers: str | None) -> str:
    """The server's number of the post that is answered, else of the latest one; empty where there is none."""
    found = None if answers is None else await _local(server, talks, answers)
    last = next((talk.last_status for talk in talks if talk.last_status is not None), None)
    return found or ("" if last is None else last.id)


async def _local(server: Server, talks: Sequence[Conversation], key: str) -> str | None:
    """The server's number of a post in one of these conversations."""
    lasts = [talk.last_status for talk in talks if talk.last_status is not None]
    for last in lasts:
        if key_of(last) == key:
            return last.id
    for last in lasts:
        context = decoded(await server.get(f"/api/v1/statuses/{segment(last.id)}/context"), Context)
        posts = readable((*context.ancestors, *context.descendants), Status)[0]
        if (found := next((post.id for post in posts if key_of(post) == key), None)) is not None:
            return found
        if posts and posts[0].in_reply_to_id is None:  # what answers an earlier post stands beside the latest one
            context = decoded(await server.get(f"/api/v1/statuses/{segment(posts[0].id)}/context"), Context)
            beside = readable(context.descendants, Status)[0]
            if (found := next((post.id for post in beside if key_of(post) == key), None)) is not None:
                return found
    return None


# --- what is allowed --------------------------------------------------------------------------------------------------------


def _check_length(text: str, instance: Instance) -> None:
    """As servers count: a link is of one length, a mention without its domain, what joins or modifies a sign is no sign."""
    counted = _MENTION.sub(r"\1", _LINK.sub("x" * instance.of_a_link, text))
    length = sum(1 for sign in counted if unicodedata.category(sign) not in ("Mn", "Me", "Cf"))
    if length > instance.longest:
        raise Refused(
            f"This server takes posts of at most {instance.longest:,} characters, the names of those who get it included. "
            f"This one has {length:,}: write less.",
            provider_code="too-large",
        )


async def _check(server: Server, scope: str, act: str) -> None:
    """Raises ReauthRequired where the grant says that it does not allow this; one that says nothing is tried."""
    granted = ((await server.session.credentials()).scope or "").split()
    if granted and not {scope, "write"} & set(granted):
        raise _closed(act)


def _narrow(error: Refused, act: str) -> Refused | ReauthRequired:
    return _closed(act) if error.provider_code == "scope" else error


def _closed(act: str) -> ReauthRequired:
    return ReauthRequired(f"Kith was not allowed to {act} there. Link the account again and allow it.", provider_code="scope")


def _said(text: str) -> str:
    """What a post says without those to whom it says it."""
    return " ".join(_ADDRESSED.sub("", text).split())


def _moment(post: Status) -> float:
    at = instant(post.created_at)
    return 0.0 if at is None else at.timestamp()
