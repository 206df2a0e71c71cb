"""X (Twitter), mirrored: whom one follows and is followed by as contacts, direct messages, and posts and mentions as activities.

Speaks API v2 (OpenAPI description 2.167) with a user's token. X charges for all that it gives: an account has a monthly limit in money
(`purse.py`), and no call is made that could cost more than what is left of it. Posts have a delta (`since_id`); direct messages are walked
from the newest down to one that is known, lists of people whole, once a week and only where their counts have changed. Calls and errors
are in `api.py`, field maps in `item.py`, sending in `sending.py`. What was before comes from the archive that X makes
(`archives/x_twitter.py`), by the same keys. Knows nothing of searches, lists, likes and encrypted chat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec

from providers import cursors
from providers.archives.x_twitter import XArchive, instant
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.entries import readable
from providers.errors import Malformed, RateLimited, Refused
from providers.http import Session
from providers.quota import Quota
from providers.records import (
    Activity,
    Contact,
    OutgoingChat,
    OwnAddress,
    Page,
    Profile,
    Relation,
    Row,
    Statement,
    Submitted,
    Unreadable,
)
from providers.x import api as x_api
from providers.x import sending as x_sending
from providers.x.api import CONSOLE, HOME, KEY, PARTIAL, SCOPES, WRITING, Calls, Problem, Window
from providers.x.item import (
    MENTIONS,
    MESSAGES,
    PEOPLE,
    POSTS,
    Event,
    List,
    Person,
    Post,
    User,
    UserMetrics,
    activity,
    address,
    contact,
    head,
    members,
    message,
    person,
)
from providers.x.purse import EVENT, FOLLOW, POST, USER, Account, Purse, estimate, recalled

#: The largest pages (OpenAPI description), and the smallest that timelines take.
LISTED, TIMELINE, TIMELINE_LEAST, DIRECT = 1000, 100, 5, 100
#: What is read of timelines when an account is linked; what is older, the archive has for nothing.
FIRST: Final = {POSTS: 100, MENTIONS: 20}
#: A post may answer one and quote another, both of which come along.
ALONG: Final = 2 * POST
WEEK: Final = timedelta(days=7)
MONTH: Final = timedelta(days=28)  # after which people are listed though their numbers are as before
KEPT: Final = 20_000  # keys of a walk; of more people nobody is seen to be gone
CAST: Final = 2_000  # people whose handles are remembered
GROUPS: Final = 500
MAX_PAGES: Final = 10_000
FOLLOWING, FOLLOWERS = "following", "followers"
USER_FIELDS: Final = (
    "user.fields",
    "connection_status,created_at,description,entities,id,location,name,profile_image_url,protected,public_metrics,url,username,verified_type",
)
PEOPLE_FIELDS: Final = ("user.fields", "id,name,username,verified_type")
MEDIA_FIELDS: Final = ("media.fields", "alt_text,media_key,preview_image_url,type,url,variants")
POST_FIELDS: Final = "attachments,created_at,entities,id,lang,note_post,public_metrics,text"
EVENT_FIELDS: Final = ("dm_event.fields", "attachments,created_at,dm_conversation_id,entities,event_type,id,text")
#: Which scope each part takes.
NEEDED: Final = {MESSAGES: "dm.read", POSTS: "tweet.read", MENTIONS: "tweet.read", PEOPLE: "follows.read"}


class Own(msgspec.Struct, frozen=True):
    """GET /2/users/me."""

    data: User | None = None
    errors: list[Problem] = []


class Reading(msgspec.Struct, omit_defaults=True):
    """A list that is read down to `since`, the newest that is known; from `token` on, with `top` as the newest met on the way."""

    since: str = ""
    top: str = ""
    token: str = ""


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor. `walk` is the list of people that is being walked, from `token` on; `keys` those met so far, None when they are too many.
    `looked` and `walked` (POSIX seconds) are when the counts were looked at and when both lists were walked; `counts` what they were then.
    """

    version: int = 1
    money: Account = msgspec.field(default_factory=Account)
    windows: dict[str, Window] = {}
    messages: Reading = msgspec.field(default_factory=Reading)
    posts: Reading = msgspec.field(default_factory=Reading)
    mentions: Reading = msgspec.field(default_factory=Reading)
    groups: dict[str, list[str]] = {}
    cast: dict[str, Person] = {}
    walk: str = ""
    token: str = ""
    keys: list[str] | None = []
    looked: float = 0.0
    walked: float = 0.0
    counts: list[int] = []
    private: bool = False


class X:
    """A person's account at X."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._me = ""

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused for an account that X has suspended."""
        user = await self._own(Calls(self._session, {}))
        secret = await self._session.credentials()
        return Profile(
            user_id=user.id,
            label=f"@{user.username}",
            own_addresses=(OwnAddress(value=address(user.id, person(user)), kind="HANDLE", primary=True),),
            base_url=self._session.account.base_url.rstrip("/"),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=msgspec.structs.replace(contact(user, "PROFILE"), container=""),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Messages, posts and mentions since the cursor, then people where they are due.

        A part whose window is closed keeps no other waiting. Raises RateLimited (`spending-limit`) where the month's money is used up.
        """
        place = cursors.read(cursor, Position) or Position()
        memory = self._session.memory
        place.money = await recalled(memory, place.money)
        purse = Purse(place.money, self._session.account.settings, self._session.clock.now(), memory)
        calls = Calls(self._session, place.windows)
        known = self._session.account.user_id or ""
        self._me = known if known.isascii() and known.isdigit() else ""
        if self._me not in place.cast:
            await self._look(place, purse, calls)
        granted = ((await self._session.credentials()).scope or "").split()
        trouble: RateLimited | None = None
        withheld: list[Row] = []
        for part in (MESSAGES, POSTS, MENTIONS, PEOPLE):
            try:
                if granted and NEEDED[part] not in granted:
                    raise Refused(f"The sign-in lacks {NEEDED[part]}.", provider_code="403")
                async for page in self._part(part, place, purse, calls):
                    yield page
            except RateLimited as error:
                trouble = error
                if error.provider_code == "usage-capped":
                    break
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                withheld.append(_withheld(part, error))
        if trouble is not None:
            yield Page(rows=tuple(withheld), cursor=cursors.written(place))
            raise trouble
        yield Page(rows=tuple(withheld), cursor=cursors.written(place), done=True)

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a conversation (sending.py)."""
        return await x_sending.say(self._session, message, await self._who(), note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its conversation."""
        return await x_sending.was_said(self._session, message, await self._who(), step)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _part(self, part: str, place: Position, purse: Purse, calls: Calls) -> AsyncIterator[Page]:
        if part == MESSAGES:
            return self._messages(place, purse, calls)
        if part == PEOPLE:
            return self._people(place, purse, calls)
        return self._timeline(part, place, purse, calls)

    async def _messages(self, place: Position, purse: Purse, calls: Calls) -> AsyncIterator[Page]:
        """Direct messages of all conversations, newest first, down to the newest that is known. X keeps thirty days."""
        reading = place.messages
        if reading.since and not reading.token:
            newest = await self._events(place, purse, calls, 1)
            if not any(newer(event.id, reading.since) for event in newest[0]):
                return
        for _ in range(MAX_PAGES):
            events, page, broken = await self._events(place, purse, calls, DIRECT)
            fresh = [event for event in events if newer(event.id, reading.since)]
            rows = [*broken, *self._told(place, fresh, page)]
            for event in fresh:
                reading.top = event.id if newer(event.id, reading.top) else reading.top
            after = page.meta.next_token if page.meta is not None and len(fresh) == len(events) else ""
            if after and after == reading.token:
                raise Malformed("X's list of messages goes in circles.", provider_code="paging")
            reading.token = after
            if not after:
                reading.since, reading.top = reading.top or reading.since, ""
            # X does not count messages: down to the newest that was known they are complete
            statements = () if after else (Statement(container=MESSAGES, kind="MESSAGE", expected=None),)
            if rows or not after:
                yield Page(rows=tuple(rows), cursor=cursors.written(place), statements=statements)
            if not after:
                return
        raise Malformed("X's list of messages does not end.", provider_code="paging")

    async def _events(self, place: Position, purse: Purse, calls: Calls, most: int) -> tuple[list[Event], List, list[Row]]:
        asked = [
            ("max_results", str(purse.room(EVENT + USER, most))), ("event_types", "MessageCreate"), EVENT_FIELDS,
            ("expansions", "sender_id,attachments.media_keys"), PEOPLE_FIELDS, MEDIA_FIELDS,
        ]  # fmt: skip
        page = await self._page(calls, MESSAGES, "/dm_events", asked, place.messages)
        events, broken = readable(page.data, Event, MESSAGES)
        purse.charge("d", (event.id for event in events), EVENT)
        self._met(place, purse, page)
        await purse.settle()
        return events, page, [*broken, *_lacking(page, MESSAGES, "dm_event")]

    def _told(self, place: Position, events: list[Event], page: List) -> list[Row]:
        """Messages, and of each conversation among them its head. Of a group those are known who have written."""
        rows: list[Row] = []
        latest: dict[str, Event] = {}
        media = {each.media_key: each for each in page.includes.media}
        for event in events:
            group = (
                place.groups.setdefault(event.dm_conversation_id, [self._me]) if not members(event.dm_conversation_id) else None
            )
            if group is not None and event.sender_id and event.sender_id not in group:
                group.append(event.sender_id)
        for event in events:
            at = instant(event.created_at)
            if at is None or not event.sender_id:
                text = "X shows this message without its time or its author. It is left out."
                item = Unreadable(key=event.id, outcome="FAILED", message=text, reason="UNREADABLE", container=MESSAGES)
                rows.append(Row(item=item))
                continue
            others = members(event.dm_conversation_id) or tuple(place.groups[event.dm_conversation_id])
            rows.append(Row(item=message(event, at, place.cast, others, media)))
            if newer(event.id, latest[event.dm_conversation_id].id if event.dm_conversation_id in latest else ""):
                latest[event.dm_conversation_id] = event
        for key, event in latest.items():
            at = instant(event.created_at)
            if at is not None:
                rows.append(Row(item=head(key, at, place.cast, members(key) or place.groups[key])))
        while len(place.groups) > GROUPS:
            place.groups.pop(next(iter(place.groups)))
        return rows

    async def _timeline(self, part: str, place: Position, purse: Purse, calls: Calls) -> AsyncIterator[Page]:
        """One's own posts, or those that mention one, since the newest that is known."""
        reading = place.posts if part == POSTS else place.mentions
        first = not reading.since
        price = purse.own(POST) + ALONG + (USER if part == MENTIONS else 0)
        path = f"/users/{self._me}/{'tweets' if part == POSTS else 'mentions'}"
        for _ in range(MAX_PAGES):
            most = FIRST[part] if first else TIMELINE
            asked = [
                ("max_results", str(purse.room(price, most, TIMELINE_LEAST))), ("post.fields", POST_FIELDS), MEDIA_FIELDS,
                ("expansions", "attachments.media_keys,author_id,referenced_posts"), PEOPLE_FIELDS,
                *([("since_id", reading.since)] if reading.since else []),
            ]  # fmt: skip
            page = await self._page(calls, part, path, asked, reading)
            rows = self._posted(part, place, purse, page)
            await purse.settle()
            after = page.meta.next_token if page.meta is not None and not first else ""
            if after and after == reading.token:
                raise Malformed("X's list of posts goes in circles.", provider_code="paging")
            for row in rows:
                if isinstance(row.item, Activity) and newer(row.item.key, reading.top):
                    reading.top = row.item.key
            reading.token = after
            if not after:
                reading.since, reading.top = reading.top or reading.since, ""
            if rows:
                yield Page(rows=tuple(rows), cursor=cursors.written(place))
            if not after:
                return
        raise Malformed("X's list of posts does not end.", provider_code="paging")

    def _posted(self, part: str, place: Position, purse: Purse, page: List) -> list[Row]:
        self._met(place, purse, page)
        purse.charge("p", (each.id for each in (*page.includes.posts, *page.includes.tweets)), POST)
        rows: list[Row] = []
        for raw in page.data:
            posts, broken = readable([raw], Post, part)
            rows += broken
            for post in posts:
                purse.charge("p", [post.id], purse.own(POST))
                if part == MENTIONS and post.author_id == self._me:
                    continue  # it is among one's own
                if not post.author_id:
                    post = msgspec.structs.replace(post, author_id=self._me if part == POSTS else "")
                if not post.author_id:
                    text = "X shows this post without its author. It is left out."
                    item = Unreadable(key=post.id, outcome="FAILED", message=text, reason="UNREADABLE", container=part)
                    rows.append(Row(item=item))
                    continue
                private = place.private and part == POSTS
                rows.append(Row(item=activity(post, bytes(raw), page.includes, place.cast, part, private=private)))
        return rows

    async def _people(self, place: Position, purse: Purse, calls: Calls) -> AsyncIterator[Page]:
        """Both lists of people, whole, where they are due; who is in neither any more is gone."""
        now = self._session.clock.now().timestamp()
        if not place.walk:
            if now - place.looked < WEEK.total_seconds():
                return
            metrics = await self._look(place, purse, calls)
            counts = [metrics.following_count or 0, metrics.followers_count or 0]
            place.looked = now
            if counts == place.counts and now - place.walked < MONTH.total_seconds():
                return
            place.counts, place.walk, place.token, place.keys = counts, FOLLOWING, "", []
        whole = True
        for _ in range(MAX_PAGES):
            users, after, broken = await self._listed(place, purse, calls)
            whole = whole and not broken
            fresh = self._new(place, users)
            rows = [*broken, *(Row(item=each) for each in fresh)]
            place.token = after
            statements: tuple[Statement, ...] = ()
            if not after:
                ended = place.walk == FOLLOWERS
                place.walk = "" if ended else FOLLOWERS
                if ended:
                    place.walked = now
                    keys = frozenset(place.keys) if place.keys is not None and whole else None
                    statements = (
                        Statement(container=PEOPLE, kind="CONTACT", expected=len(keys) if keys is not None else None, keys=keys),
                    )
                    place.keys = []
            yield Page(rows=tuple(rows), cursor=cursors.written(place), statements=statements)
            if not place.walk:
                return
        raise Malformed("X's list of people does not end.", provider_code="paging")

    async def _listed(self, place: Position, purse: Purse, calls: Calls) -> tuple[list[User], str, list[Row]]:
        price = purse.own(FOLLOW)
        asked = [("max_results", str(purse.room(price, LISTED))), USER_FIELDS]
        reading = Reading(token=place.token)
        page = await self._page(calls, place.walk, f"/users/{self._me}/{place.walk}", asked, reading)
        if place.token and not reading.token:  # X did not know the place: from the beginning of this list
            place.token = ""
        users, broken = readable(page.data, User, PEOPLE)
        purse.charge("f", (user.id for user in users), price)
        await purse.settle()
        after = page.meta.next_token if page.meta is not None else ""
        if after and after == place.token:
            raise Malformed("X's list of people goes in circles.", provider_code="paging")
        return users, after, [*broken, *_lacking(page, PEOPLE, "user")]

    def _new(self, place: Position, users: list[User]) -> list[Contact]:
        """Who was not met on this walk."""
        met = frozenset(place.keys or ())
        found: dict[str, Contact] = {}
        for user in users:
            status = user.connection_status or ()
            mutual = {"following", "followed_by"} <= set(status)
            if user.id in met or (place.keys is None and place.walk == FOLLOWERS and "following" in status):
                continue
            relation: Relation = "CONNECTION" if mutual else "FOLLOWING" if place.walk == FOLLOWING else "FOLLOWER"
            found[user.id] = contact(user, relation)
            if user.id in place.cast:
                place.cast[user.id] = person(user)
        if place.keys is not None:
            place.keys += found
            if len(place.keys) > KEPT:
                place.keys = None
        return list(found.values())

    # --- pieces -----------------------------------------------------------------------------------------------------

    async def _page(self, calls: Calls, name: str, path: str, asked: list[tuple[str, str]], reading: Reading) -> List:
        """A page from `reading.token` on; from the beginning, and the token forgotten, where X does not know it any more."""
        place = [("pagination_token", reading.token)] if reading.token else []
        try:
            page = await calls.ask(name, path, List, [*asked, *place])
        except Refused as error:
            if not place or error.provider_code not in ("invalid-request", "400"):
                raise
            reading.token = ""
            page = await calls.ask(name, path, List, asked)
        if page.meta is None:
            if page.errors:
                raise x_api.refused_whole(page.errors)
            raise Malformed("X answered with something else than its interface describes.", provider_code="not-json")
        return page

    def _met(self, place: Position, purse: Purse, page: List) -> None:
        """Those who came along."""
        users = page.includes.users
        purse.charge("u", (user.id for user in users), USER)
        for user in users:
            place.cast.pop(user.id, None)
            place.cast[user.id] = person(user)
        for key in list(place.cast)[: max(0, len(place.cast) - CAST)]:
            if key != self._me:
                place.cast.pop(key)

    async def _look(self, place: Position, purse: Purse, calls: Calls) -> UserMetrics:
        """One's own profile, as it is by now."""
        purse.room(USER, 1)
        user = await self._own(calls)
        purse.charge("u", [user.id], USER)
        await purse.settle()
        self._me = user.id
        place.cast[user.id], place.private = person(user), user.protected
        return user.public_metrics or UserMetrics()

    async def _own(self, calls: Calls) -> User:
        found = await calls.ask("me", "/users/me", Own, [USER_FIELDS])
        if found.data is None:
            raise (
                x_api.refused_whole(found.errors)
                if found.errors
                else Malformed("X does not say whose token this is.", provider_code="me")
            )
        return found.data

    async def _who(self) -> str:
        known = self._session.account.user_id or ""
        return known if known.isascii() and known.isdigit() else (await self._own(Calls(self._session, {}))).id


def newer(number: str, than: str) -> bool:
    """Ids grow with time; they are numbers of any length."""
    return (len(number), number) > (len(than), than)


def _lacking(page: List, container: str, kind: str) -> list[Row]:
    """Entries that X names as not to be had. What is lacking of those who came along (suspended, protected, deleted) is no entry."""
    return [
        Row(
            item=Unreadable(
                key=each.resource_id or each.value, outcome="SKIPPED", message=each.said, reason="UNREADABLE", container=container
            )
        )
        for each in page.errors
        if each.resource_type == kind
    ]


def _withheld(part: str, error: Refused) -> Row:
    text = f"X does not show your {part}: {error.message} Link the account again and grant {NEEDED[part]}."
    return Row(item=Unreadable(key=part, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=part))


def _open(session: Session) -> Adapter:
    return X(session)


PROVIDER = Provider(
    key=KEY,
    name="X",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "SEND", "ACTIVITIES", "IMPORT", "MIRROR"}),
    limitations=(
        "X charges for all that is read: an account has a monthly limit, at which reading stops until the next month.",
        "X gives direct messages of the last 30 days, and no encrypted ones; who is silent in a group is not known.",
        "Who was unfollowed is seen within a week, deleted posts and messages are not.",
        "Older posts and messages come with the archive that X makes: it costs nothing, and is one account with the linked one.",
        "Of most people an archive gives an id only. Pictures of messages are named, not kept.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with X",
            fields=(
                FormField(
                    name="monthly_limit",
                    label="Monthly limit in US dollars",
                    kind="NUMBER",
                    placeholder="5",
                    help="Kith reads for no more than this in a calendar month.",
                ),
                FormField(
                    name="own_app",
                    label="This account owns the developer app",
                    kind="CHECKBOX",
                    required=False,
                    help="Then X takes a tenth for your own lists and less for your own posts.",
                ),
                *(
                    FormField(name=name, label=label, kind="NUMBER", required=False, help="For the estimate of a month's price.")
                    for name, label in (
                        ("following", "People you follow, about"),
                        ("followers", "Followers, about"),
                        ("posts", "Posts you write a month"),
                        ("mentions", "Posts that mention you a month"),
                        ("messages", "Direct messages a month"),
                    )
                ),
            ),
            help="Billed by X to the operator's app. The estimate is shown before you sign in.",
            help_url=CONSOLE,
            scopes=SCOPES,
        ),
    ),
    archive_formats=("X_TWITTER",),
    quota=Quota(
        calls=75,
        seconds=900.0,
        concurrency=2,
        sentence="X allows 15 looks at direct messages and 75 to 900 other calls in 15 minutes, and charges for each thing that it shows.",
    ),
    docs_path="docs/providers/x.md",
    poll_seconds=1800,
    default_url=HOME,
    open=_open,
    authorize=x_api.authorize,
    own_client=True,
    send_scopes=frozenset({WRITING}),
    renew=x_api.renew,
    estimate=estimate,
    archive=XArchive(),
    network_first=True,  # an archive has the ids of people and not their names
)
