"""Discord, mirrored for a bot: the members of the servers that it is in, and the channels, threads and direct messages that it may read.

Speaks the HTTP API v10 with a bot's token, the only program that Discord lets read messages: one that signs in as a person is forbidden and
costs the account. A list of channels says in which something was said, which is then asked for by ids, upwards; history is read
downwards. Edits, deletions and reactions are told by the line alone (`line.py`): what it missed, a look at the latest messages of
lively channels finds. A person's own side is the data package (`archives/discord.py`), which is another account: that of the person.
Limits are kept in `api.py`, field maps in `message.py`, sending in `sending.py`. Knows nothing of moderation,
commands and voice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from providers import cursors
from providers.archives.discord import DiscordArchive
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.discord import line as discord_line
from providers.discord import sending as discord_sending
from providers.discord.api import CLOSED, GONE, HOME, KEY, PARTIAL, PORTAL, ask, bot_of, snowflake
from providers.discord.line import CONTENT, PEOPLE, Application
from providers.discord.message import (
    DIRECT,
    MEMBERS,
    TEXT,
    THREADS,
    Channel,
    Member,
    Place,
    Post,
    Sign,
    User,
    address,
    contact,
    conversation_kind,
    counted,
    head,
    known_people,
    message,
    moment,
    named,
    profile_url,
)
from providers.discord.news import CHANNELS, DELETED, RENEWED, Event
from providers.discord.rooms import LOOK, Position, Room, Shelf, parents
from providers.entries import readable
from providers.errors import CursorExpired, Malformed, Refused
from providers.formats import charset
from providers.http import Session
from providers.quota import Quota
from providers.records import (
    Contact,
    Gone,
    Handle,
    Name,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingReaction,
    OwnAddress,
    Page,
    Profile,
    Reaction,
    Row,
    Statement,
    Submitted,
    Unreadable,
)

#: The largest pages (OpenAPI description).
SERVERS, LISTED, SAID, SHELF, SIGNED = 200, 1000, 100, 100, 100
RECENT: Final = 50  # messages of a channel that are known by id, to see which went
MAX_PAGES: Final = 10_000
#: Channels are listed so often though the line is open (seconds); members and archived threads where nobody tells of them.
LISTING: Final = 900.0
CENSUS: Final = 6 * 3_600.0
ENDED: Final = "-"  # a walk that is over in this run
STIRRED: Final = 600.0  # where the line tells of members
NAMED: Final = 7 * 86_400.0  # seconds for which it is asked who made reactions, and up to how many of one sign
NAMED_COUNT: Final = 50
BATCH: Final = 25  # messages that are asked for one by one, a page
FILE_BYTES: Final = 64 * 1024 * 1024
PIECE: Final = 256 * 1024
SHOWN: Final = 5  # names in a sentence


class Server(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class Threads(msgspec.Struct, frozen=True):
    threads: list[Channel]
    has_more: bool = False


class Discord:
    """A bot's account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._people: dict[str, User] = {}

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused where it is no bot's."""
        me = await ask(self._session, "/users/@me", User)
        if not me.bot:
            raise Refused(
                "This is not the token of a bot. Discord forbids programs that sign in as a person.", provider_code="no-bot"
            )
        return Profile(
            user_id=me.id,
            label=f"{me.shown} (bot)",
            own_addresses=(OwnAddress(value=address(me), kind="HANDLE", primary=True),),
            base_url=self._session.account.base_url,
            contact=Contact(
                key=me.id,
                relation="PROFILE",
                nature="AUTOMATED",
                names=(Name(full=me.shown),),
                handles=(Handle(provider=KEY, handle=address(me), url=profile_url(me.id)),),
                url=profile_url(me.id),
            ),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What is new, what changed, members, then the history that is still missing, the latest first."""
        place = cursors.read(cursor, Position) or Position()
        line = (await bot_of(self._session)).news
        heard = (line.session, line.number)
        known, now = line.after(place.session, place.number), self._now()
        news = known or []
        if known is None and line.session:  # what happened before the line was open, it will not tell
            place.due = [id_ for id_, room in place.rooms.items() if room.lively(now)]
        place.stirred = place.stirred or any(event.what == MEMBERS for event in news)
        told = known is not None and not any(event.what == CHANNELS for event in news)
        if now - place.listed >= LISTING or not (told or place.under_way):
            async for page in self._list(place, now):
                yield page
        async for page in self._new(place, news, now):
            yield page
        async for page in self._changed(place, news):
            yield page
        if line.session:  # where another process has the line, it goes on from where it was
            place.session, place.number = heard
        async for page in self._looks(place, now, watched=bool(line.session)):
            yield page
        census = now - place.counted >= (STIRRED if place.stirred else CENSUS)
        if place.walk != ENDED and (place.walk or census):
            async for page in self._members(place, now):
                yield page
        async for page in self._archived(place, now):
            yield page
        while (channel := self._unfinished(place, now)) is not None:
            yield await self._older(place, channel, now)
        place.walk, place.under_way = "", False
        yield Page(rows=tuple(self._withheld(place, now)), cursor=cursors.written(place), done=True)

    def watch(self) -> AsyncGenerator[None]:
        """Hints that `pages` has something to tell (line.py). Raises ProviderError."""
        return discord_line.watch(self._session)

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The bytes of a file, named by its channel and its id; its address is asked for anew, since it ends within a day.

        Raises Refused when it is gone."""
        channel, _, number = part.partition("/")
        post = await ask(self._session, f"/channels/{snowflake(channel)}/messages/{snowflake(key)}", Post, major=channel)
        files = [*post.attachments, *(file for each in post.message_snapshots for file in each.message.attachments)]
        url = next((file.url for file in files if file.id == number), "")
        if not url:
            raise Refused("This file is not there any more.", provider_code="not-found")
        answer = await self._session.request("GET", url, auth=False, max_bytes=FILE_BYTES)
        for start in range(0, len(answer.content), PIECE):
            yield answer.content[start : start + PIECE]

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a channel. Raises ProviderError when it was certainly not taken."""
        return await discord_sending.say(self._session, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its channel. Raises ProviderError."""
        return await discord_sending.was_said(self._session, message, step)

    async def edit(self, change: OutgoingEdit, *, again: bool) -> datetime | None:
        """Put another text in the place of a message's own (sending.py). Raises ProviderError."""
        return await discord_sending.edit(self._session, change, again=again)

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Delete a message for everybody. Raises ProviderError."""
        return await discord_sending.delete(self._session, deletion)

    async def react(self, reaction: OutgoingReaction) -> None:
        """Make a reaction or take it back: Discord knows it by message, sign and person. Raises ProviderError."""
        await discord_sending.react(self._session, reaction)

    # --- where there are messages -----------------------------------------------------------------------------------

    async def _list(self, place: Position, now: float) -> AsyncIterator[Page]:
        """The servers, their channels and the threads that are not archived; channels that were deleted go, with what was said in them."""
        place.me = await ask(self._session, "/users/@me", User)
        flags = (await ask(self._session, "/applications/@me", Application)).flags
        if place.listed and flags & CONTENT and not place.flags & CONTENT:
            place.read_again()
        if flags & PEOPLE and not place.flags & PEOPLE:
            place.counted = 0.0
        place.flags = flags
        servers = [server async for server in self._servers()]
        place.guilds = {server.id: charset.line(server.name) for server in servers}
        place.unseen = []
        found: list[Channel] = []
        for server in servers:
            try:
                channels = await ask(self._session, f"/guilds/{snowflake(server.id)}/channels", list[Channel], major=server.id)
                active = await ask(self._session, f"/guilds/{server.id}/threads/active", Threads, major=server.id)
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                place.unseen.append(server.id)
                continue
            for channel in (*channels, *active.threads):
                place.meet(channel, server.id)
            found += [*channels, *active.threads]
        for id_ in parents(found):
            place.shelves.setdefault(id_, Shelf())
        rows = [row for id_ in place.keep({channel.id for channel in found}) for row in await self._deleted(id_)]
        for room in place.rooms.values():
            room.recent = room.recent if room.lively(now) else []  # no more than is looked at again
        for id_ in [id_ for id_, room in place.rooms.items() if room.type == DIRECT]:
            await self._meet(place, id_)  # which is in no list, either
        place.listed, place.under_way = now, True
        yield Page(rows=tuple(rows), cursor=cursors.written(place))

    async def _servers(self) -> AsyncIterator[Server]:
        after = "0"
        for _ in range(MAX_PAGES):
            page = await ask(self._session, "/users/@me/guilds", list[Server], limit=str(SERVERS), after=after)
            for server in page:
                yield server
            if len(page) < SERVERS:
                return
            after = _further(after, (server.id for server in page))
        raise Malformed("Discord's list of servers does not end.", provider_code="paging")

    async def _deleted(self, id_: str) -> list[Row]:
        """A channel that is not listed any more: deleted, or only closed to the bot, whose copy of it stays."""
        try:
            await ask(self._session, f"/channels/{id_}", Channel, major=id_)
        except Refused as error:
            if error.provider_code in GONE:
                return [Row(item=Gone(kind="CONVERSATION", key=id_))]
            if error.provider_code not in CLOSED:
                raise
        return []

    async def _archived(self, place: Position, now: float) -> AsyncIterator[Page]:
        """Threads that were archived, which are in no other list: of each channel once whole, later down to those that are known."""
        for id_, shelf in place.shelves.items():
            if now - shelf.looked < CENSUS:
                continue
            home = place.rooms.get(id_)
            if home is None or not home.shut(now):
                try:
                    await self._shelf(place, id_, shelf)
                except Refused as error:
                    if error.provider_code not in PARTIAL:
                        raise
            shelf.looked = now
            yield Page(cursor=cursors.written(place))

    async def _shelf(self, place: Position, id_: str, shelf: Shelf) -> None:
        known, newest, before = shelf.mark, shelf.mark, ""
        for _ in range(MAX_PAGES):
            asked = {"limit": str(SHELF), **({"before": before} if before else {})}
            page = await ask(self._session, f"/channels/{snowflake(id_)}/threads/archived/public", Threads, major=id_, **asked)
            times = [
                thread.thread_metadata.archive_timestamp or "" for thread in page.threads if thread.thread_metadata is not None
            ]
            for thread in page.threads:
                place.meet(thread, thread.guild_id)
            newest = max([newest, *times])  # ISO 8601 in one zone: as texts in their order
            if not page.has_more or not times or min(times) <= known or min(times) == before:
                break
            before = min(times)
        home = place.rooms.get(id_)
        if home is not None and home.type == TEXT:  # private ones that the bot has joined; there are few
            page = await ask(
                self._session, f"/channels/{id_}/users/@me/threads/archived/private", Threads, major=id_, limit=str(SHELF)
            )
            for thread in page.threads:
                place.meet(thread, thread.guild_id)
        shelf.mark = newest

    # --- what was said ----------------------------------------------------------------------------------------------

    async def _new(self, place: Position, news: Sequence[Event], now: float) -> AsyncIterator[Page]:
        """New messages of channels that have some, by a listing or by the line."""
        told = {event.channel for event in news if event.channel and not event.message and not event.what}
        for id_ in sorted(told - set(place.rooms) | {event.channel for event in news if event.what == RENEWED}):
            await self._meet(place, id_)
        for id_, room in place.rooms.items():
            if id_ in told and not room.top:
                room.whole = False  # it was empty
            if room.top and (room.news or id_ in told) and not room.shut(now):
                async for page in self._latest(place, id_, room, now):
                    yield page

    async def _meet(self, place: Position, id_: str) -> None:
        """A channel that only the line tells of: a direct conversation with the bot, or a new one."""
        try:
            channel = await ask(self._session, f"/channels/{snowflake(id_)}", Channel, major=id_)
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            return
        place.meet(channel, channel.guild_id)

    async def _latest(self, place: Position, id_: str, room: Room, now: float) -> AsyncIterator[Page]:
        for _ in range(MAX_PAGES):
            page = await self._history(place, id_, now, after=room.top)
            if page is None:
                return
            posts, broken, more = page
            room.top = _highest([room.top, *(post.id for post in posts)])
            if not more:
                room.top = _highest([room.top, room.last])  # what was newest may be deleted
            rows = [*broken, *await self._rows(place, id_, posts)]
            if posts:
                rows.append(Row(item=head(self._place(place, id_), _highest(post.id for post in posts))))
            room.recent = [*(post.id for post in posts), *room.recent][:RECENT]
            yield Page(rows=tuple(rows), cursor=cursors.written(place))
            if not more:
                return
        raise Malformed("Discord's channel does not end.", provider_code="paging")

    async def _changed(self, place: Position, news: Sequence[Event]) -> AsyncIterator[Page]:
        """Messages of which the line says that they changed, each as it is now, or that it is gone."""
        rows: list[Row] = []
        for id_ in dict.fromkeys(event.channel for event in news if event.what == DELETED):
            if place.rooms.pop(id_, None) is not None:
                rows += await self._deleted(id_)
        told = dict.fromkeys((event.channel, event.message) for event in news if event.message)
        wanted = [(id_, number) for id_, number in told if id_ in place.rooms and place.rooms[id_].read(number)]
        for id_, number in wanted:
            try:
                post = await ask(self._session, f"/channels/{id_}/messages/{number}", Post, major=id_)
                rows += await self._rows(place, id_, [post], naming=True)
            except Refused as error:
                if error.provider_code in GONE:
                    rows.append(Row(item=Gone(kind="MESSAGE", key=number)))
                elif error.provider_code not in CLOSED:
                    raise
            if len(rows) >= BATCH:
                yield Page(rows=tuple(rows), cursor=cursors.written(place))
                rows = []
        if rows:
            yield Page(rows=tuple(rows), cursor=cursors.written(place))

    async def _looks(self, place: Position, now: float, *, watched: bool) -> AsyncIterator[Page]:
        """The latest messages of lively channels as they are by now, and which of them are gone; where no line told."""
        for id_, room in place.rooms.items():
            missed = id_ in place.due or (not watched and now - room.looked >= LOOK)
            if not missed or not room.lively(now) or room.shut(now):
                continue
            place.due = [each for each in place.due if each != id_]
            page = await self._history(place, id_, now)
            if page is None:
                continue
            posts, broken, more = page
            there = [post.id for post in posts]
            end = min(map(int, there), default=0) if more else 0
            gone = [number for number in room.recent if number not in there and int(number) >= end]
            rows = [
                *broken,
                *await self._rows(place, id_, posts),
                *(Row(item=Gone(kind="MESSAGE", key=number)) for number in gone),
            ]
            room.recent, room.looked = there[:RECENT], now
            yield Page(rows=tuple(rows), cursor=cursors.written(place))

    async def _older(self, place: Position, id_: str, now: float) -> Page:
        """One step back in one channel."""
        room = place.rooms[id_]
        began = not room.low
        page = await self._history(place, id_, now, **({"before": room.low} if room.low else {}))
        if page is None:
            return Page(cursor=cursors.written(place))
        posts, broken, more = page
        rows = [*broken, *await self._rows(place, id_, posts)]
        if began:
            room.top = _highest([room.top, room.last, *(post.id for post in posts)])
            room.recent, room.looked = [post.id for post in posts if room.lively(now)][:RECENT], now
            if posts:
                rows.append(Row(item=head(self._place(place, id_), _highest(post.id for post in posts))))
        room.low = str(min((post.number for post in posts), default=int(room.low or "0")))
        room.whole = not more
        # Discord counts nothing: a history is known to be whole when its beginning was reached
        statements = (Statement(container=id_, kind="MESSAGE", expected=None),) if room.whole else ()
        return Page(rows=tuple(rows), cursor=cursors.written(place), statements=statements)

    async def _history(self, place: Position, id_: str, now: float, **where: str) -> tuple[list[Post], list[Row], bool] | None:
        """A page of a channel, the latest first, and whether there is more; None where the bot may not read it."""
        room = place.rooms[id_]
        try:
            page = await ask(self._session, f"/channels/{id_}/messages", list[msgspec.Raw], major=id_, limit=str(SAID), **where)
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            room.closed = now  # each call that is refused counts towards the ban of the address
            return None
        room.closed = 0.0
        posts, broken = readable(page, Post, id_)
        posts.sort(key=lambda post: post.number, reverse=True)
        return posts, broken, len(page) >= SAID and bool(posts)

    async def _rows(self, place: Position, id_: str, posts: Sequence[Post], *, naming: bool = False) -> list[Row]:
        self._people.update(known_people(posts))
        where, now = self._place(place, id_), self._now()
        rows = []
        for post in posts:
            if post.said:
                ask_whom = naming or now - moment(post.id).timestamp() < NAMED
                signs = [each for sign in post.reactions for each in await self._signs(post, sign, where, naming=ask_whom)]
                rows.append(Row(item=message(post, where, signs)))
        return rows

    async def _signs(self, post: Post, sign: Sign, where: Place, *, naming: bool) -> tuple[Reaction, ...]:
        """The reactions with one sign: by whom, where they are few and it is not long ago."""
        if not naming or not 0 < sign.count <= NAMED_COUNT or not sign.emoji.name:
            return counted(sign, where.me)
        emoji = quote(sign.emoji.name if sign.emoji.id is None else f"{sign.emoji.name}:{sign.emoji.id}", safe="")
        path = f"/channels/{post.channel_id}/messages/{post.id}/reactions/{emoji}"
        try:
            return named(sign, await ask(self._session, path, list[User], major=post.channel_id, limit=str(SIGNED)))
        except Refused as error:
            if error.provider_code not in (*PARTIAL, "10014"):  # a sign that its server has deleted meanwhile
                raise
            return counted(sign, where.me)

    def _place(self, place: Position, id_: str) -> Place:
        room = place.rooms[id_]
        assert place.me is not None
        return Place(
            channel=id_, kind=conversation_kind(room.type), guild=room.guild, title=place.title(id_), me=place.me, other=room.other,
            people=self._people, channels={key: each.name for key, each in place.rooms.items() if each.guild == room.guild},
            readable=bool(place.flags & CONTENT),
        )  # fmt: skip

    def _unfinished(self, place: Position, now: float) -> str | None:
        """The channel whose history goes on next: one that was never looked at, else that whose unread part is the newest."""
        waiting = [(id_, room) for id_, room in place.rooms.items() if not room.whole and not room.shut(now)]
        return max(waiting, key=lambda one: int(one[1].low or one[1].last or 2**63), default=("", None))[0] or None

    # --- people -----------------------------------------------------------------------------------------------------

    async def _members(self, place: Position, now: float) -> AsyncIterator[Page]:
        """Everybody in the bot's servers, programs aside; a walk from the beginning ends with all their keys."""
        if not place.flags & PEOPLE:
            place.walk, place.counted = ENDED, now
            return
        began = not place.walk
        whole = began and not place.unseen
        reached, _, after = place.walk.partition("/")
        if not (reached + after).isdecimal() and place.walk:
            raise CursorExpired("The stored place in the list of members is none: everything is listed again.")
        met: dict[str, None] = {}
        for guild in sorted(place.guilds, key=int):
            if reached and int(guild) < int(reached):
                continue
            after = after if guild == reached else "0"
            for _ in range(MAX_PAGES):
                try:
                    page = await ask(
                        self._session, f"/guilds/{guild}/members", list[msgspec.Raw], major=guild, limit=str(LISTED), after=after
                    )
                except Refused as error:
                    if error.provider_code not in PARTIAL:
                        raise
                    whole = False
                    break
                members, broken = readable(page, Member, MEMBERS)
                whole = whole and not broken  # whoever cannot be read is not gone
                people = [each for each in members if not each.user.bot and each.user.id not in met]
                met.update((each.user.id, None) for each in people)
                after = _further(after, (each.user.id for each in members)) if len(page) >= LISTED else "0"
                place.walk = f"{guild}/{after}" if after != "0" else f"{int(guild) + 1}/0"
                yield Page(rows=(*broken, *(Row(item=contact(each)) for each in people)), cursor=cursors.written(place))
                if after == "0":
                    break
        # one that was taken up in the middle has not seen everybody: the next run begins a whole one
        place.walk, place.counted, place.stirred = ENDED, now if began else 0.0, False
        statements = (Statement(container=MEMBERS, kind="CONTACT", expected=len(met), keys=frozenset(met)),) if whole else ()
        yield Page(cursor=cursors.written(place), statements=statements)

    # --- what is withheld -------------------------------------------------------------------------------------------

    def _withheld(self, place: Position, now: float) -> list[Row]:
        """What the bot was not given, each with what to do about it."""
        said = {}
        if not place.guilds:
            said["servers"] = (
                f"The bot is in no server (any more): invite it, or have it invited, by the address that {PORTAL} → OAuth2 → URL Generator makes "
                "with the scope bot. What was read stays."
            )
        if not place.flags & CONTENT:
            said["content"] = (
                "Discord does not show the bot what others write, but in direct messages and where it is mentioned: switch on "
                f"“Message Content Intent” at {PORTAL} → Bot. Everything is read again then."
            )
        if not place.flags & PEOPLE:
            said[MEMBERS] = (
                f"Discord does not list the members of your servers to the bot: switch on “Server Members Intent” at {PORTAL} → Bot."
            )
        closed = [place.title(id_) or id_ for id_, room in place.rooms.items() if room.shut(now) and room.type not in THREADS]
        if closed:
            names = ", ".join(closed[:SHOWN]) + (f" and {len(closed) - SHOWN} more" if len(closed) > SHOWN else "")
            said["channels"] = (
                f"The bot may not read {names}: to have them, give its role “View Channel” and “Read Message History” there. "
                "Kith tries again within a day."
            )
        return [
            Row(item=Unreadable(key=key, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=key))
            for key, text in said.items()
        ]

    def _now(self) -> float:
        return self._session.clock.now().timestamp()


def _highest(numbers: Iterable[str]) -> str:
    return max((number for number in numbers if number), key=snowflake, default="")


def _further(after: str, numbers: Iterable[str]) -> str:
    """The place in a list after these. Raises Malformed for a list that goes in circles."""
    highest = _highest(numbers)
    if not highest or snowflake(highest) <= int(after):
        raise Malformed("Discord's list goes in circles.", provider_code="paging")
    return highest


def _open(session: Session) -> Adapter:
    return Discord(session)


PROVIDER = Provider(
    key=KEY,
    name="Discord",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "SEND",
            "REPLY",
            "EDIT_MESSAGE",
            "DELETE_MESSAGE",
            "REACT",
            "PUSH",
            "IMPORT",
            "MIRROR",
            "ATTACHMENTS",
        }
    ),
    moderates=True,
    files=discord_sending.MOST,
    limitations=(
        "Linked, it is a bot in servers of your own: your direct messages with others are not seen by it, and what it sends is the bot's.",
        "What others write, and who is in a server, Discord shows to bots that were given the privileged intents.",
        "Edits, deletions and reactions of older messages arrive while the line is open; what it missed is looked for in the latest hundred.",
        "The data package holds what you wrote, not what others answered, and is a snapshot: newer messages arrive with the next one.",
        "Of a package, people who are no friends are known only where a conversation is called after them; files are named, not kept.",
    ),
    link_forms=(
        LinkForm(
            method="TOKEN",
            label="Bot token",
            fields=(FormField(name="access_token", label="Token of the bot", kind="PASSWORD", secret=True),),
            help="Of a bot of your own, in servers of your own: Developer Portal → your application → Bot → Reset Token.",
            help_url=PORTAL,
        ),
    ),
    archive_formats=("DISCORD",),
    quota=Quota(
        calls=25,  # a full bucket and what flows in within the same second are fifty
        seconds=1.0,
        by_route=True,
        sentence="Discord allows a bot 50 calls a second, and of each kind in each channel as many as it says with each answer.",
    ),
    docs_path="docs/providers/discord.md",
    poll_seconds=300,
    default_url=HOME,
    open=_open,
    archive=DiscordArchive(),
)
