"""Telegram, mirrored: what a bot is written and sees, in chats of two, groups, channels and the business chats of whoever attached it.

Speaks the Bot API 10.1 with a bot's token. Telegram tells a bot each thing once, in order, and forgets it when more is asked for (getUpdates) or
when it was called (setWebhook); either, never both. So a page is stored before the next one is asked for, and what is
called in is kept before it is acknowledged (`Session.inbox`). There is no history: what was before comes with Telegram Desktop's export
(`archives/telegram.py`). Calls are in `api.py`, field maps in `item.py`, sending in `sending.py`. Knows
nothing of MTProto, of buttons, payments and inline queries.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from providers import cursors
from providers.archives.telegram import TelegramArchive, address
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.errors import Malformed, Refused, Unavailable
from providers.formats import charset
from providers.http import Session
from providers.push import Call, Forged, Heard, Subscription
from providers.quota import Quota
from providers.records import (
    ConversationHead,
    ConversationKind,
    Gone,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingReaction,
    OwnAddress,
    Page,
    Participant,
    Profile,
    Role,
    Row,
    Submitted,
    Unreadable,
)
from providers.telegram import sending as telegram_sending
from providers.telegram.api import BOT_FATHER, HOME, KEY, ask, download
from providers.telegram.item import (
    ALLOWED,
    Business,
    Chat,
    Membership,
    MembershipChange,
    Post,
    Standing,
    Update,
    User,
    contact,
    counts,
    instant,
    message,
    participant,
    peer,
    reactions,
    says_something,
)
from providers.told_once import ToldOnce

LISTED: Final = 100  # updates at a time, the most
MAX_PAGES: Final = 10_000
#: Seconds that a hint is waited for: less than a quiet line is given.
WATCH_SECONDS: Final = 25
#: Seconds between two hints of the same thing, and after another asked in between.
SOON, LATER = 2.0, 15.0
#: So often in a row another one asks: then it is neither our own sync nor our own watch.
CONFLICTS, TRIES = 5, 3
#: "If there are no new updates for at least a week, then identifier of the next update will be chosen randomly".
QUIET: Final = timedelta(days=6)
SHOWN: Final = timedelta(days=7)  # so long it is said that something was lost
REMEMBERED: Final = 200  # updates by number, members of a group, groups' topics
ROOMS: Final = 2_000
COUNTED: Final = 500  # messages whose counts of reactions are remembered
PROMISED: Final = timedelta(days=1)  # a webhook stays; it is looked after so often
PIECE: Final = 256 * 1024
SHOWN_WITH: Final = "x-telegram-bot-api-secret-token"
OWN_USER: Final = "own_user_id"  # a field of the form

Entry = TypeVar("Entry")


class Numbered(msgspec.Struct, frozen=True):
    """What has to be readable of an update, whatever it is."""

    update_id: int


class Webhook(msgspec.Struct, frozen=True):
    """WebhookInfo."""

    url: str = ""
    pending_update_count: int = 0
    last_error_message: str = ""


class FileInfo(msgspec.Struct, frozen=True):
    """getFile."""

    file_path: str = ""


class Room(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A group or channel: its title, its topics by number, the members that are known by key, its conversations that have a message."""

    title: str = ""
    topics: dict[str, str] = {}
    members: dict[str, str] = {}
    known: list[str] = []
    asked: bool = False  # whether its administrators were


class Owner(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Who has attached the bot."""

    user: int
    name: str = ""


class Position(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The cursor. `next` is the number of the first update that is not stored, `heard` the last call of the inbox that is, `seen` the latest
    updates by number. `moved` are groups by the supergroup that they have become, `owners` by business connection. `lost` updates were never seen,
    as was found out `lost_at`; `latest` is when there last was one (POSIX seconds).
    """

    version: int = 1
    next: int = 0
    heard: int = 0
    seen: list[int] = []
    latest: float = 0.0
    lost: int = 0
    lost_at: float = 0.0
    rooms: dict[str, Room] = {}
    moved: dict[str, str] = {}
    owners: dict[str, Owner] = {}
    counts: dict[str, list[str]] = {}


class Telegram(ToldOnce):
    """A bot."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._me = User(id=0)

    async def profile(self) -> Profile:
        """Which bot it is; and, where they said so, who its user is besides."""
        me = await ask(self._session, "getMe", User)
        mine = [OwnAddress(value=address(me.key), kind="HANDLE", primary=True)]
        person = self._session.account.settings.get(OWN_USER, "").strip()
        if person:
            if not (person.isascii() and person.isdigit() and len(person) < 20):
                raise Refused("Your user id is a number. Leave it out if you do not know it.", provider_code="user-id")
            mine.append(OwnAddress(value=address(f"user{person}"), kind="HANDLE"))
        return Profile(
            user_id=str(me.id),
            label=f"{me.name} (@{charset.line(me.username)})" if me.username else me.name or me.key,
            own_addresses=tuple(mine),
            base_url=self._session.account.base_url,
            contact=msgspec.structs.replace(contact(me), relation="PROFILE"),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What has come since, in its order; a page is Telegram's only copy. Raises Unavailable where somebody else gets this bot's updates."""
        place = cursors.read(cursor, Position) or Position()
        if place.heard:
            await self._session.inbox.forget(place.heard)
        self._me = await ask(self._session, "getMe", User)
        async for updates in self._news(place):
            rows = await self._rows(updates, place)
            yield Page(rows=tuple(rows), cursor=cursors.written(place), only_copy=True)
        yield Page(rows=tuple(self._losses(place)), cursor=cursors.written(place), done=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints, by a long poll that confirms nothing; none where Telegram calls. Raises Unavailable where another program asks as well."""
        if await self._session.inbox.subscription() is not None:
            return
        hinted, conflicts, pause = -1, 0, SOON
        while True:
            try:
                found = await self._updates(limit=1, timeout=WATCH_SECONDS)
            except Unavailable as error:
                conflicts += 1
                if error.provider_code != "conflict" or conflicts >= CONFLICTS:
                    raise
                await self._session.clock.sleep(SOON)  # the account's own sync asks, too, which ends this poll
                continue
            conflicts = 0
            if not found:
                continue
            pause = SOON if found[0][0] != hinted else min(LATER, pause * 2)
            hinted = found[0][0]
            yield None
            await self._session.clock.sleep(pause)  # it stays the first until the sync has stored it

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The bytes of a file, by its id. Raises Refused (`not-found`, `too-large`)."""
        try:
            found = await ask(self._session, "getFile", FileInfo, file_id=part)
        except Refused as error:
            if "too big" in error.message:
                text = "Telegram gives bots no files of more than 20 MB: open it in Telegram."
                raise Refused(text, provider_code="too-large") from error
            raise
        if not found.file_path:
            raise Refused("Telegram does not have this file any more.", provider_code="not-found")
        content = await download(self._session, found.file_path)
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a chat (sending.py)."""
        return await telegram_sending.say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Nobody can tell."""
        return await telegram_sending.was_said(self._session, message, step)

    async def edit(self, change: OutgoingEdit, *, again: bool) -> datetime | None:
        """Put another text in the place of one that the bot sent. Raises ProviderError."""
        return await telegram_sending.edit(self._session, change)

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Delete a message for everybody. Raises ProviderError."""
        return await telegram_sending.delete(self._session, deletion)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """React to a message, or take that back."""
        return await telegram_sending.react(self._session, reaction)

    async def subscribe(self, url: str, secret: str, known: str | None) -> Subscription:
        """Have Telegram call `url`, one call at a time, so that they come in their order. Raises Refused where it calls somebody else."""
        now = await ask(self._session, "getWebhookInfo", Webhook)
        if now.url not in ("", url, known):
            raise Refused(_elsewhere(now.url), provider_code="webhook")
        await ask(
            self._session, "setWebhook", bool, url=url, secret_token=secret, allowed_updates=ALLOWED, max_connections=1
        )  # what waits is called out, too
        return Subscription(key=url, expires_at=self._session.clock.now() + PROMISED)

    async def leave(self) -> None:
        """Have Telegram call no more, and keep what comes until it is asked for."""
        now = await ask(self._session, "getWebhookInfo", Webhook)
        if now.url and now.url == await self._session.inbox.subscription():
            await ask(self._session, "deleteWebhook", bool)

    # --- where news come from -----------------------------------------------------------------------------------------

    async def _news(self, place: Position) -> AsyncIterator[list[tuple[int, msgspec.Raw]]]:
        """What was called in, then what waits at Telegram, where it does not call."""
        while kept := await self._session.inbox.after(place.heard, LISTED):
            place.heard = kept[-1].position
            yield self._unseen([numbered for call in kept for numbered in _numbered([msgspec.Raw(call.body)])], place)
        ours = await self._session.inbox.subscription()
        if ours is not None:
            there = (await ask(self._session, "getWebhookInfo", Webhook)).url
            if there == ours:
                return
            if there:
                raise Unavailable(_elsewhere(there), provider_code="webhook")
        for _ in range(MAX_PAGES):
            found = await self._waiting(place.next)
            if not found:
                return
            self._note_loss(found[0][0], place)
            yield self._unseen(found, place)

    async def _waiting(self, after: int) -> list[tuple[int, msgspec.Raw]]:
        """The next updates. Raises Unavailable, in words, where somebody else gets them."""
        for _ in range(TRIES - 1):
            try:
                return await self._updates(limit=LISTED, timeout=0, after=after)
            except Unavailable as error:
                if error.provider_code == "webhook":
                    there = (await ask(self._session, "getWebhookInfo", Webhook)).url
                    raise Unavailable(_elsewhere(there), provider_code="webhook") from error
                if error.provider_code != "conflict":
                    raise
                await self._session.clock.sleep(SOON)  # the account's own watch may have begun to ask just then
        return await self._updates(limit=LISTED, timeout=0, after=after)

    async def _updates(self, *, limit: int, timeout: int, after: int = 0) -> list[tuple[int, msgspec.Raw]]:
        """getUpdates, by number: what is before `after` is forgotten at Telegram by being asked so."""
        place: dict[str, Any] = {"offset": after} if after else {}
        asked = {**place, "limit": limit, "timeout": timeout, "allowed_updates": ALLOWED}
        found = _numbered(await ask(self._session, "getUpdates", list[msgspec.Raw], **asked))
        return sorted((each for each in found if each[0] >= after), key=lambda each: each[0])

    def _unseen(self, found: Iterable[tuple[int, msgspec.Raw]], place: Position) -> list[tuple[int, msgspec.Raw]]:
        """What has not come before: Telegram calls again where it got no answer."""
        seen = set(place.seen)
        fresh = []
        for number, raw in found:
            if number in seen:
                continue
            seen.add(number)
            place.seen.append(number)
            fresh.append((number, raw))
        if fresh:
            place.next = max(place.next, *(number + 1 for number, _ in fresh))
            place.latest = self._now().timestamp()
        del place.seen[:-REMEMBERED]
        return fresh

    def _note_loss(self, first: int, place: Position) -> None:
        """Numbers grow one by one: those that are missing somebody else has got, or they waited for too long."""
        now = self._now().timestamp()
        if place.next and first > place.next and now - place.latest < QUIET.total_seconds():
            place.lost = first - place.next + (place.lost if now - place.lost_at < SHOWN.total_seconds() else 0)
            place.lost_at = now

    def _losses(self, place: Position) -> list[Row]:
        if not place.lost or self._now().timestamp() - place.lost_at >= SHOWN.total_seconds():
            return []
        found_out = datetime.fromtimestamp(place.lost_at, UTC)
        text = (
            f"{place.lost} updates of this bot never came (found out {found_out:%Y-%m-%d %H:%M} UTC): another program asks for them with "
            "the same token, or Kith did not run for more than a day. Give Kith a bot of its own, or stop the other program."
        )
        return [Row(item=Unreadable(key="updates", outcome="SKIPPED", reason="FORBIDDEN", message=text))]

    # --- what they say ------------------------------------------------------------------------------------------------

    async def _rows(self, updates: Iterable[tuple[int, msgspec.Raw]], place: Position) -> list[Row]:
        rows: list[Row] = []
        known: set[str] = set()
        for number, raw in updates:
            try:
                update = msgspec.json.decode(raw, type=Update)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                text = f"This update is not as the Bot API describes it: {str(error)[:200]}"
                excerpt = bytes(raw)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
                rows.append(
                    Row(item=Unreadable(key=str(number), outcome="FAILED", reason="UNREADABLE", message=text, excerpt=excerpt))
                )
                continue
            rows += await self._told(update, place, known)
        place.rooms, place.moved = _latest(place.rooms, ROOMS), _latest(place.moved, ROOMS)
        place.owners, place.counts = _latest(place.owners, ROOMS), _latest(place.counts, COUNTED)
        return rows

    async def _told(self, update: Update, place: Position, known: set[str]) -> list[Row]:
        if (post := update.post) is not None:
            return await self._posted(post, place, known)
        if (change := update.message_reaction) is not None:
            return [Row(item=item) for item in reactions(change, change.chat.key)]
        if (told := update.message_reaction_count) is not None:
            key = f"{told.chat.key}/{told.message_id}"
            items = list(counts(told, told.chat.key, place.counts.pop(key, ())))
            place.counts[key] = [each.type.shown for each in told.reactions if each.total_count > 0]
            return [Row(item=item) for item in items]
        if (deleted := update.deleted_business_messages) is not None:
            home = f"user{(await self._owner(deleted.business_connection_id, place)).user}/{deleted.chat.key}"
            return [Row(item=Gone(kind="MESSAGE", key=f"{home}/{number}")) for number in deleted.message_ids]
        if (business := update.business_connection) is not None:
            place.owners[business.id] = Owner(user=business.user.id, name=business.user.name)
            return [Row(item=contact(business.user))] if address(business.user.key) not in self._own else []
        if (change_of := update.chat_member or update.my_chat_member) is not None:
            return self._moved_in_or_out(change_of, place)
        return []

    async def _posted(self, post: Post, place: Position, known: set[str]) -> list[Row]:
        """A message with who wrote it, or what Telegram says of a chat; and what its conversation is, where that is news."""
        if post.migrate_to_chat_id is not None:
            _follow(post.chat.key, peer(post.migrate_to_chat_id), place)
        if post.migrate_from_chat_id is not None:
            _follow(peer(post.migrate_from_chat_id), post.chat.key, place)
        at = await self._standing(post, place)
        rows: list[Row] = []
        if post.message_id and says_something(post):
            writer = post.sender_chat or post.sender
            if writer is not None and writer.key not in known and address(writer.key) not in self._own:
                known.add(writer.key)
                rows.append(Row(item=contact(writer)))
            rows.append(Row(item=message(post, at)))
        if post.business_connection_id is None and post.chat.kind != "DIRECT":
            rows += await self._room_of(post, at, place, spoke=bool(rows))
        return rows

    async def _room_of(self, post: Post, at: Standing, place: Position, *, spoke: bool) -> list[Row]:
        """What a message says of the group or channel that it is in: told with the first one, and when it changes."""
        root = place.moved.get(post.chat.key, post.chat.key)
        room = place.rooms.pop(root, None) or Room()
        place.rooms[root] = room  # the latest last
        changed = self._learn(post, room)
        if spoke and post.chat.kind == "GROUP":
            if not room.asked:
                room.asked = True
                await self._ask_administrators(post.chat, room)
            if (writer := post.sender_chat or post.sender) is not None and writer.id != self._me.id:
                _enter(room, writer.key, writer.name)
        news = list(room.known) if changed else []
        if spoke and at.conversation not in room.known:
            room.known = [*room.known, at.conversation][-REMEMBERED:]
            news.append(at.conversation)
        return [Row(item=_head(each, room, post.chat.kind, instant(post.date))) for each in news]

    def _learn(self, post: Post, room: Room) -> bool:
        """Take in what Telegram says of a chat; whether that is news."""
        before = (room.title, dict(room.topics), dict(room.members))
        room.title = charset.line(post.new_chat_title) or post.chat.name or room.title
        for user in post.new_chat_members:
            if user.id != self._me.id:
                _enter(room, user.key, user.name)
        if post.left_chat_member is not None:
            room.members.pop(post.left_chat_member.key, None)
        named = post.forum_topic_created or post.forum_topic_edited
        if named is not None and post.message_thread_id is not None and (name := charset.line(named.name)):
            room.topics = dict([*room.topics.items(), (str(post.message_thread_id), name)][-REMEMBERED:])
        return before != (room.title, room.topics, room.members)

    async def _standing(self, post: Post, place: Position) -> Standing:
        chat = post.chat
        if post.business_connection_id is not None:
            owner = await self._owner(post.business_connection_id, place)
            other = participant(chat, "TO")
            sent = post.sender is not None and post.sender.id == owner.user
            to = other if sent else _person(f"user{owner.user}", owner.name, "TO")
            home = f"user{owner.user}/{chat.key}"
            return Standing(
                home=home, conversation=f"{chat.key}@{post.business_connection_id}", kind="DIRECT", container=home, other=to
            )
        root = place.moved.get(chat.key, chat.key)
        whose = "" if chat.key.startswith("channel") else f"{self._me.key}/"
        here = root if post.topic is None else f"{root}/{post.topic}"
        me = participant(self._me, "TO")
        if chat.kind == "DIRECT":
            other = participant(chat, "TO") if post.sender is not None and post.sender.id == self._me.id else me
            return Standing(home=chat.key, conversation=here, kind="DIRECT", container=root, whose=whose, other=other)
        kind = chat.kind if post.topic is None else "THREAD"
        return Standing(
            home=chat.key, conversation=here, kind=kind, container=root, whose=whose, other=None if kind == "CHANNEL" else me
        )

    def _moved_in_or_out(self, change: MembershipChange, place: Position) -> list[Row]:
        """Somebody is in a group now, or is not any more. Of the bot itself it only says whether more will come."""
        room = place.rooms.get(place.moved.get(change.chat.key, change.chat.key))
        who = change.new_chat_member.user
        if room is None or who.id == self._me.id or change.chat.kind != "GROUP":
            return []
        if change.new_chat_member.is_there:
            news = _enter(room, who.key, who.name)
        else:
            news = room.members.pop(who.key, None) is not None
        heads = [_head(each, room, change.chat.kind, instant(change.date)) for each in room.known] if news else []
        return [Row(item=head) for head in heads]

    async def _ask_administrators(self, chat: Chat, room: Room) -> None:
        """Who runs a group: besides those who write, the only members that a bot can ask for."""
        try:
            found = await ask(self._session, "getChatAdministrators", list[Membership], chat_id=chat.id)
        except Refused:
            return  # the bot is not in it any more, or may not
        for each in found:
            if each.user.id != self._me.id and each.is_there:
                _enter(room, each.user.key, each.user.name)

    async def _owner(self, connection: str, place: Position) -> Owner:
        """Whose business chats these are. They may be told before the connection."""
        if connection not in place.owners:
            try:
                found = await ask(self._session, "getBusinessConnection", Business, business_connection_id=connection)
            except Refused:
                return Owner(user=0)  # it has ended since
            place.owners[connection] = Owner(user=found.user.id, name=found.user.name)
        return place.owners[connection]

    @property
    def _own(self) -> frozenset[str]:
        return frozenset((address(self._me.key), *self._session.account.own_addresses))

    def _now(self) -> datetime:
        return self._session.clock.now()


def _numbered(found: Iterable[msgspec.Raw]) -> list[tuple[int, msgspec.Raw]]:
    """Updates by number. Raises Malformed: nothing is confirmed of what cannot be told apart."""
    try:
        return [(msgspec.json.decode(raw, type=Numbered).update_id, raw) for raw in found]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("Telegram's updates have no numbers.", provider_code="not-json") from None


def _enter(room: Room, key: str, name: str) -> bool:
    """Know somebody as a member; whether that is news. Of large groups not everybody is remembered."""
    if key in room.members or len(room.members) >= REMEMBERED:
        return False
    room.members[key] = name
    return True


def _person(key: str, name: str, role: Role) -> Participant:
    return Participant(role=role, kind="HANDLE", address=address(key), name=name, provider=KEY, key=key)


def _head(conversation: str, room: Room, kind: ConversationKind, when: datetime) -> ConversationHead:
    """A group, a channel, or a topic of a forum, which bears the forum's name before its own."""
    _, is_topic, number = conversation.partition("/")
    subject = " › ".join(part for part in (room.title, room.topics.get(number, "")) if part)
    members = () if kind == "CHANNEL" else tuple(_person(key, name, "MEMBER") for key, name in room.members.items())
    return ConversationHead(
        key=conversation,
        kind="THREAD" if is_topic else kind,
        last_activity_at=when,
        subject=subject or None,
        participants=members,
    )


def _follow(group: str, supergroup: str, place: Position) -> None:
    """A group has become a supergroup: its conversation goes on."""
    place.moved[supergroup] = place.moved.get(group, group)


def _latest(table: dict[str, Entry], most: int) -> dict[str, Entry]:
    """What is remembered has an end; the latest stay."""
    return dict(list(table.items())[-most:])


def _elsewhere(url: str) -> str:
    host = urlsplit(url).hostname or "another address"
    return (
        f"This bot's messages are called out to {host} (a webhook): they cannot be asked for, and Kith gets none. Remove that webhook "
        "(deleteWebhook), or make a bot of its own for Kith."
    )


async def hear(session: Session, call: Call, secret: str) -> Heard:
    """Judge a call by the secret that only Telegram was given (setWebhook, `secret_token`). Raises Forged, Malformed."""
    if not hmac.compare_digest(call.headers.get(SHOWN_WITH, "").encode("utf-8", "surrogatepass"), secret.encode()):
        raise Forged
    _numbered([msgspec.Raw(call.body)])
    return Heard(hint=True)


def _open(session: Session) -> Adapter:
    return Telegram(session)


PROVIDER = Provider(
    key=KEY,
    name="Telegram",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "ATTACHMENTS",
            "SEND",
            "REPLY",
            "REACT",
            "EDIT_MESSAGE",
            "DELETE_MESSAGE",
            "DELTA",
            "PUSH",
            "IMPORT",
            "MIRROR",
        }
    ),
    moderates=True,
    limitations=(
        "A bot sees what is written to it, the groups and channels that it is in, and the private chats of whoever attached it to their account.",
        "A bot reads nothing that was before it. Telegram Desktop's export has that; it is an account of its own, since a bot is not you.",
        "Only one program can get a bot's messages, and Telegram keeps them for a day.",
        "Deletions are told of business chats alone; reactions and members only where the bot is an administrator.",
        "An export is a snapshot: newer messages arrive with the next one. Files in it are named, not kept.",
        "Secret chats and read state are given by neither.",
    ),
    link_forms=(
        LinkForm(
            method="TOKEN",
            label="Bot token",
            fields=(
                FormField(name="access_token", label="Token", kind="PASSWORD", secret=True, placeholder="110201543:AAHdqTcv…"),
                FormField(
                    name=OWN_USER,
                    label="Your own user id",
                    kind="NUMBER",
                    required=False,
                    help="If you attach the bot to your account (Telegram Business): your messages there are then known as yours.",
                ),
            ),
            help="From @BotFather: /newbot, or /mybots → API Token.",
            help_url=BOT_FATHER,
        ),
    ),
    archive_formats=("TELEGRAM",),
    quota=Quota(
        calls=30,
        seconds=1.0,
        sentence="Telegram lets a bot send about 30 messages a second, one a second to each chat and 20 a minute to a group.",
    ),
    docs_path="docs/providers/telegram.md",
    poll_seconds=900,
    default_url=HOME,
    open=_open,
    hear=hear,
    keeps=True,
    single_reaction=True,
    call_bytes=1024 * 1024,
    archive=TelegramArchive(),
)
