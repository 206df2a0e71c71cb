"""What a Mastodon-compatible server says, as records: accounts as contacts and actors, posts as messages or activities.

Somebody is known by their handle with its server, a post by its ActivityPub id, since local ids mean nothing elsewhere. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from providers.errors import Refused
from providers.formats.vcard import web_address
from providers.mastodon.entity import (
    MAX_FIELDS,
    MAX_SHORT,
    MAX_TEXT,
    Account,
    Attachment,
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
    ConversationKind,
    Handle,
    Media,
    Message,
    Name,
    Nature,
    Participant,
    Photo,
    Reaction,
    Relation,
    Role,
    Visibility,
)

KEY = "mastodon"
CONTAINER = "follows"
DIRECT = "direct"
#: The one sign that people can answer a post with: the favourite, as Mastodon draws it.
FAVOURITE = "\u2b50"
#: docs.joinmastodon.org/entities/Status#visibility
VISIBILITY: dict[str, Visibility] = {"public": "PUBLIC", "unlisted": "UNLISTED", "private": "FOLLOWERS", "direct": "LIMITED"}
#: docs.joinmastodon.org/entities/Notification#type: what others did to us
NOTICES: dict[str, ActivityVerb] = {"follow": "FOLLOW", "favourite": "LIKE", "reblog": "ANNOUNCE", "mention": "CREATE"}
MEDIA = {"image": "image/*", "gifv": "video/mp4", "video": "video/*", "audio": "audio/*"}
MAX_MEDIA = 20
MAX_PEOPLE = 500  # letters of handles that a key holds


class Items:
    """Records of the entities of the server at `base`; `domain` is what a bare name stands for there, `me` whose account it is.

    Of a mention a server tells neither name nor ActivityPub id, and of an answered post only its number: they are filled in from the
    accounts and posts that were met before.
    """

    def __init__(self, domain: str, base: str = "", me: Account | None = None) -> None:
        self._domain = domain
        self._base = base
        self.own = "" if me is None else self.handle(me.acct)
        self._me = self.own.casefold()
        self._met: dict[str, Account] = {}
        self._posts: dict[str, str] = {}

    def meet(self, accounts: Iterable[Account], posts: Iterable[Status] = ()) -> None:
        """Remember accounts, and posts with their authors."""
        for post in posts:
            self._posts[post.id] = key_of(post)
            self._met[self.handle(post.account.acct)] = post.account
        self._met.update((self.handle(account.acct), account) for account in accounts)

    def local(self, handle: str) -> str:
        """A handle as the server itself writes it, and finds it: without its own domain."""
        return handle.removesuffix(f"@{self._domain}")

    def others(self, status: Status) -> list[Account | Mention]:
        """Who has a direct post besides the user: whom it mentions and who wrote it, each once."""
        people = {self.handle(one.acct).casefold(): one for one in (*(status.mentions or ()), status.account)}
        return [one for handle, one in people.items() if handle != self._me]

    def talk(self, status: Status) -> str:
        """The key of the conversation that a direct post is in."""
        return talk_key(self.handle(one.acct) for one in self.others(status))

    def handle(self, acct: str) -> str:
        """`user@host`: the server leaves its own domain out."""
        name = short(acct).lstrip("@")
        return name if "@" in name else f"{name}@{self._domain}"

    def actor_id(self, account: Account) -> str:
        """The actor's ActivityPub id; before 4.2 servers do not tell it."""
        uri = web_address(account.uri) if account.uri else None
        return uri if uri and len(uri) <= MAX_SHORT else self.handle(account.acct)

    def key(self, account: Account | Mention) -> str:
        """What a contact is known by: the handle, which is all that a mention, and the list of follows in an archive, say of somebody."""
        return self.handle(account.acct).casefold()

    def contact(self, account: Account, relation: Relation, known: Relationship | None, lists: Iterable[str] = ()) -> Contact:
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
            groups=tuple(sorted(set(lists))),
            container=CONTAINER,
        )

    def participant(self, account: Account | Mention, role: Role) -> Participant:
        if isinstance(account, Mention):
            return Participant(
                role=role,
                address=self.handle(account.acct),
                kind="HANDLE",
                provider=KEY,
                key=self.key(account),
                url=web(account.url),
            )
        return Participant(
            role=role,
            address=self.handle(account.acct),
            kind="HANDLE",
            name=display_name(account),
            provider=KEY,
            key=self.key(account),
            url=web(account.url),
        )

    def head(self, last: Status, unread: bool | None) -> ConversationHead:
        """The conversation whose latest post this is."""
        message = self.message(last)
        return ConversationHead(
            key=self.talk(last),
            kind=message.conversation_kind,
            last_activity_at=message.sent_at,
            participants=tuple(self._participant(one, "MEMBER") for one in self.others(last)),
            last_message=message,
            unread=unread,
            url=message.url,
        )

    def message(self, status: Status, unread: bool | None = None, reactions: Iterable[Account] | None = None) -> Message:
        """A direct post; `reactions` are all whose favourite it is, None where that was not asked."""
        text = post_text(status.content)
        attachments = len(status.media_attachments or ())
        answered = self._posts.get(status.in_reply_to_id or "")
        key = key_of(status)
        return Message(
            key=key,
            container=DIRECT,
            unread=unread,
            sent_at=instant(status.created_at) or datetime.fromtimestamp(0, UTC),
            conversation_key=self.talk(status),
            conversation_kind=kind_of(len(self.others(status))),
            internet_message_id=key,  # the same on every server, and what answers name
            references=(answered,) if answered else (),
            edited_at=instant(status.edited_at),
            subject=short(status.spoiler_text) or None,
            text=text,
            body_state="AVAILABLE" if text or attachments else "EMPTY",
            participants=(
                self.participant(status.account, "FROM"),
                *(self._participant(mention, "TO") for mention in status.mentions or ()),
            ),
            authentication="NOT_CHECKED",
            attachment_count=attachments,
            url=web(status.url),
            reactions=None if reactions is None else tuple(self.reaction(account) for account in reactions),
        )

    def _participant(self, one: Account | Mention, role: Role) -> Participant:
        return self.participant(self._met.get(self.handle(one.acct), one), role)

    def reaction(self, account: Account) -> Reaction:
        """Somebody's favourite. It is known by message and person, as nobody has two; when it was made servers seldom say."""
        return Reaction(emoji=FAVOURITE, participant=self.participant(account, "MEMBER"))

    # --- activities ---

    def actor(self, account: Account | Mention) -> Actor:
        """Somebody in the words of ActivityStreams; of a mention only the page is known."""
        page = web(account.url)
        handle = self.handle(account.acct)
        if isinstance(account, Mention):
            uri, name = page or f"acct:{handle}", handle.partition("@")[0]
            return Actor(uri=uri, name=name, handle=handle, provider=KEY, key=self.key(account), url=page)
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
        if told.status is not None and told.status.visibility == DIRECT:  # it is in a conversation
            return None
        if told.type == "mention" and told.status is not None:
            return self.post(told.status, original, container)
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


def talk_key(handles: Iterable[str]) -> str:
    """A conversation of direct posts by who is in it besides the user: the number that it has is its server's own.

    So an archive, in which there are no such numbers, has it under the same key.
    """
    people = " ".join(sorted({handle.casefold() for handle in handles}))
    if len(people) > MAX_PEOPLE:
        people = blake2b(people.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
    return f"with:{people}"


def handles_of(key: str) -> list[str]:
    """Who is in the conversation with this key. Raises Refused where they were too many to be written out."""
    people = key.removeprefix("with:").split()
    if not key.startswith("with:") or any("@" not in handle for handle in people):
        raise Refused("The server no longer lists this conversation.", provider_code="not-found")
    return people


def kind_of(others: int) -> ConversationKind:
    """What a conversation with so many others is."""
    return "DIRECT" if others < 2 else "GROUP"
