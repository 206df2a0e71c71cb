"""What a Mastodon-compatible server says, as records: accounts as contacts and actors, posts as messages or activities.

An account is known by its ActivityPub id and a post by its own, since local ids mean nothing elsewhere. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from providers.formats.vcard import web_address
from providers.mastodon_entity import (
    MAX_FIELDS,
    MAX_SHORT,
    MAX_TEXT,
    Account,
    Attachment,
    Conversation,
    Mention,
    Notification,
    Relationship,
    Status,
    count,
    display_name,
    instant,
    language,
    links,
    long,
    post_text,
    short,
    web,
)
from providers.records import (
    Activity,
    ActivityObject,
    ActivityVerb,
    Actor,
    ActorKind,
    Contact,
    ConversationHead,
    Handle,
    Media,
    Message,
    Name,
    Nature,
    Participant,
    Photo,
    Relation,
    Role,
    Visibility,
)

KEY = "mastodon"
CONTAINER = "follows"
DIRECT = "direct"
#: docs.joinmastodon.org/entities/Status#visibility
VISIBILITY: dict[str, Visibility] = {"public": "PUBLIC", "unlisted": "UNLISTED", "private": "FOLLOWERS", "direct": "LIMITED"}
#: docs.joinmastodon.org/entities/Notification#type: what others did to us
NOTICES: dict[str, ActivityVerb] = {"follow": "FOLLOW", "favourite": "LIKE", "reblog": "ANNOUNCE", "mention": "CREATE"}
MEDIA = {"image": "image/*", "gifv": "video/mp4", "video": "video/*", "audio": "audio/*"}
MAX_MEDIA = 20


class Items:
    """Records of the entities of the server at `base`; `domain` is what a bare name stands for there."""

    def __init__(self, domain: str, base: str = "") -> None:
        self._domain = domain
        self._base = base

    def handle(self, acct: str) -> str:
        """`user@host`: the server leaves its own domain out."""
        name = short(acct).lstrip("@")
        return name if "@" in name else f"{name}@{self._domain}"

    def key(self, account: Account) -> str:
        """The actor's ActivityPub id; before 4.2 servers do not tell it."""
        uri = web_address(account.uri) if account.uri else None
        return uri if uri and len(uri) <= MAX_SHORT else self.handle(account.acct)

    def contact(self, account: Account, relation: Relation, known: Relationship | None) -> Contact:
        handle = self.handle(account.acct)
        page = web(account.url)
        handles = [Handle(provider=KEY, handle=handle, url=page)]
        if account.moved is not None:  # the old account says where its owner went
            handles.append(Handle(provider=KEY, handle=self.handle(account.moved.acct), url=web(account.moved.url)))
        picture = web(account.avatar_static or account.avatar)
        nature: Nature = "AUTOMATED" if account.bot else "GROUP" if account.group else "INDIVIDUAL"
        return Contact(
            key=self.key(account),
            relation=relation,
            nature=nature,
            names=(Name(full=display_name(account) or handle.partition("@")[0], nickname=short(account.username) or None),),
            urls=tuple(links(account.fields or [])),
            handles=tuple(handles),
            bio=post_text(account.note) or None,
            note=long(known.note) or None if known is not None else None,
            photo=Photo(url=picture) if picture and not picture.endswith("/missing.png") else None,
            url=page,
            followers=count(account.followers_count),
            following=count(account.following_count),
            created_at=instant(account.created_at),
            container=CONTAINER,
        )

    def participant(self, account: Account | Mention, role: Role) -> Participant:
        if isinstance(account, Mention):
            return Participant(role=role, address=self.handle(account.acct), kind="HANDLE", provider=KEY, url=web(account.url))
        return Participant(
            role=role,
            address=self.handle(account.acct),
            kind="HANDLE",
            name=display_name(account),
            provider=KEY,
            key=self.key(account),
            url=web(account.url),
        )

    def head(self, conversation: Conversation, last: Status) -> ConversationHead:
        kind = kind_of(conversation)
        message = self.message(last, conversation, kind)
        return ConversationHead(
            key=conversation.id,
            kind=kind,
            last_activity_at=message.sent_at,
            participants=tuple(self.participant(account, "MEMBER") for account in conversation.accounts),
            last_message=message,
            unread=conversation.unread,
            url=message.url,
        )

    def message(self, status: Status, conversation: Conversation, kind: Any, unread: bool | None = None) -> Message:
        # of a mention the server tells no ActivityPub id; most are those whom the conversation is with
        known = {self.handle(account.acct): account for account in conversation.accounts}
        text = post_text(status.content)
        attachments = len(status.media_attachments or ())
        return Message(
            key=key_of(status),
            container=DIRECT,
            unread=unread,
            sent_at=instant(status.created_at) or datetime.fromtimestamp(0, UTC),
            conversation_key=conversation.id,
            conversation_kind=kind,
            edited_at=instant(status.edited_at),
            subject=short(status.spoiler_text) or None,
            text=text,
            body_state="AVAILABLE" if text or attachments else "EMPTY",
            participants=(
                self.participant(status.account, "FROM"),
                *(self.participant(known.get(self.handle(mention.acct), mention), "TO") for mention in status.mentions or ()),
            ),
            authentication="NOT_CHECKED",
            attachment_count=attachments,
            url=web(status.url),
        )

    # --- activities ---

    def actor(self, account: Account | Mention) -> Actor:
        """Somebody in the words of ActivityStreams; of a mention only the page is known."""
        page = web(account.url)
        handle = self.handle(account.acct)
        if isinstance(account, Mention):
            return Actor(uri=page or f"acct:{handle}", name=handle.partition("@")[0], handle=handle, provider=KEY, url=page)
        kind: ActorKind = "SERVICE" if account.bot else "GROUP" if account.group else "PERSON"
        key = self.key(account)
        return Actor(
            uri=web(account.uri) or page or f"acct:{handle}",
            kind=kind,
            name=display_name(account) or handle.partition("@")[0],
            handle=handle,
            provider=KEY,
            key=key,
            url=page,
            photo_url=web(account.avatar_static or account.avatar),
        )

    def note(self, status: Status) -> ActivityObject:
        """A post as an object; `in_reply_to` is told by its address at this server, since its own is not in the answer."""
        return ActivityObject(
            kind="NOTE",
            uri=key_of(status),
            summary=short(status.spoiler_text) or None,
            text=post_text(status.content) or None,
            html=(status.content or "")[:MAX_TEXT].replace("\x00", "\ufffd") or None,
            language=language(status.language),
            url=web(status.url),
            attributed_to=self.actor(status.account),
            in_reply_to=f"{self._base}/api/v1/statuses/{status.in_reply_to_id}" if status.in_reply_to_id else None,
            media=tuple(_media(status.media_attachments or ())),
            hashtags=tuple(short(tag.name) for tag in (status.tags or ())[:MAX_FIELDS] if tag.name),
            published_at=instant(status.created_at),
            likes=count(status.favourites_count),
            reposts=count(status.reblogs_count),
            replies=count(status.replies_count),
        )

    def post(self, status: Status, original: bytes, container: str) -> Activity:
        """A post, or the repeating of one: then the outer account did it."""
        shown = status.reblog or status
        return Activity(
            key=key_of(status),
            actor=self.actor(status.account),
            verb="CREATE" if status.reblog is None else "ANNOUNCE",
            object=self.note(shown),
            occurred_at=instant(status.created_at),
            edited_at=instant(status.edited_at),
            visibility=VISIBILITY.get(status.visibility or "public", "LIMITED"),
            mentions=tuple(self.actor(mention) for mention in (shown.mentions or ())[:MAX_FIELDS]),
            original=original,
            url=web(status.url) or web(shown.url),
            container=container,
        )

    def liking(self, status: Status, me: Account, original: bytes, container: str, at: datetime | None) -> Activity:
        """What this account has marked as a favourite; the server does not tell when."""
        return Activity(
            key=liking_key(status),
            actor=self.actor(me),
            verb="LIKE",
            object=self.note(status),
            occurred_at=at,
            visibility="PUBLIC",
            original=original,
            url=web(status.url),
            container=container,
        )

    def notice(self, told: Notification, me: Account, original: bytes, container: str) -> Activity | None:
        """What somebody did to this account; None for what is told elsewhere or is no act of a person."""
        verb = NOTICES.get(told.type)
        if verb is None or (told.type != "follow" and told.status is None):
            return None
        if told.type == "mention" and told.status is not None:
            return None if told.status.visibility == "direct" else self.post(told.status, original, container)
        page = web(me.url)
        mine = ActivityObject(kind="PROFILE", uri=web(me.uri) or page, name=display_name(me) or self.handle(me.acct), url=page)
        return Activity(
            key=f"notification:{told.id}",
            actor=self.actor(told.account),
            verb=verb,
            object=mine if told.status is None else self.note(told.status),
            occurred_at=instant(told.created_at),
            original=original,
            url=page if told.status is None else web(told.status.url),
            container=container,
        )


def key_of(status: Status) -> str:
    """The post's ActivityPub id, which is the same on every server."""
    return web(status.uri) or status.id


def liking_key(status: Status) -> str:
    return f"like:{key_of(status)}"


def _media(attachments: Sequence[msgspec.Raw]) -> Iterator[Media]:
    for item in attachments[:MAX_MEDIA]:
        try:
            found = msgspec.json.decode(item, type=Attachment)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # the post is shown without it; the original has it
        if address := web(found.url):
            kind = MEDIA.get(found.type, "application/octet-stream")
            yield Media(media_type=kind, url=address, preview_url=web(found.preview_url), alt=long(found.description) or None)


def kind_of(conversation: Conversation) -> Any:
    return "DIRECT" if len(conversation.accounts) < 2 else "GROUP"
