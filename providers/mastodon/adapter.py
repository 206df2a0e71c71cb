"""Mastodon-compatible servers: follows and followers as contacts, direct posts as conversations, posts and reactions as activities.

Speaks the Mastodon client API (accounts, conversations, statuses, timelines, notifications, apps; OAuth 2 with PKCE), which Pleroma, Akkoma,
GoToSocial and Friendica share in large part. Mirrored it takes everything in (`mirror.py`) and is told what happens
(`streaming.py`); read live it lists contacts, and conversations when somebody asks. Knows nothing of federation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import httpx2 as httpx
import msgspec

from providers import cursors, oauth, server_address
from providers.archives.mastodon import MastodonArchive
from providers.base import Authorization, FormField, LinkForm, LiveAdapter, Provider
from providers.errors import CursorExpired, Refused
from providers.http import SUCCESS, Session
from providers.mastodon.entity import Account, Context, Conversation, List, Relationship, Status, segment, short
from providers.mastodon.item import CONTAINER, DIRECT, KEY, Items
from providers.mastodon.mirror import CONVERSATIONS, FAVOURITES, LEFT_OUT, OWN, WALKS, Mark, Mirrored
from providers.mastodon.sending import MARKING, REACTING, SENDING, delete, edit, react, read_up_to, say, was_said
from providers.mastodon.server import PAGE_BYTES, Server, decoded, no_server, readable
from providers.mastodon.streaming import hints
from providers.mastodon.talks import Talks
from providers.quota import Quota
from providers.records import (
    ConversationHead,
    Gone,
    Heads,
    Messages,
    OutgoingChat,
    OutgoingDeletion,
    OutgoingEdit,
    OutgoingReaction,
    OwnAddress,
    Page,
    Profile,
    Relation,
    Row,
    Statement,
    Submitted,
    Unreadable,
)
from providers.server_address import origin

#: The largest pages: docs.joinmastodon.org/methods/accounts#following, /methods/conversations#get.
FOLLOWS_PAGE = 80
CONVERSATIONS_PAGE = 40
RELATIONSHIPS_PAGE = 40
#: How far down the list a conversation is looked for: there is no call for a single one.
MAX_CONVERSATION_PAGES = 10
MAX_LISTS = 100
#: What Kith reads and writes. Servers before 2.4.3, and some that are no Mastodon, know only the wide scopes.
SCOPES = (
    "read:accounts",
    "read:follows",
    "read:lists",
    "read:statuses",
    "read:notifications",
    "read:favourites",
    SENDING,
    REACTING,
    MARKING,
)
WIDE_SCOPES = ("read", "write")
#: The lists of contacts, and what follows the last page of a run.
FOLLOWING, FOLLOWERS, END = "following", "followers", "end"
FOLLOWS: Final = (FOLLOWING, FOLLOWERS)
#: Seconds after which all follows are listed again, where their number did not change before.
FOLLOWS_SECONDS: Final = 3600.0
#: Lists of which the streams tell nothing, and the seconds after which they are looked at.
UNTOLD: Final = frozenset({OWN, FAVOURITES})
UNTOLD_SECONDS: Final = 600.0
CONVERSATIONS_PATH: Final = "/api/v1/conversations"
#: What cursors are like now; before, people were known by their actor's address and conversations by their server's number.
FORM: Final = 2


class Application(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Application: our client at one server."""

    client_id: str
    client_secret: str


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor: which list, and the query of its next page; how far the lists with an order were taken in, and the mark of the one
    that is on its way. Without a list a run begins. Of the follows: when they were listed whole, and how many they were; when the lists were
    looked at of which nothing is told. `domain` is the server's.

    `tried`: this run has listed the follows, as far as it could. `renaming`: conversations are told by a new key, and go under the old one.
    """

    walk: str = ""
    query: str = ""
    marks: dict[str, Mark] = {}
    begun: Mark = Mark()
    listed_at: float = 0.0
    counts: tuple[int, int] = (0, 0)
    untold_at: float = 0.0
    domain: str = ""
    tried: bool = False
    renaming: bool = False
    form: int = 1
    version: int = 1

    def at(self, walk: str, query: str = "", **more: Any) -> Position:
        """This position, further on."""
        return msgspec.structs.replace(self, walk=walk, query=query, **{"begun": Mark(), **more})


class Mastodon:
    """An account at one server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._server = Server(session)
        self._items = Items("")
        self._account: Account | None = None
        self._talks: dict[str, list[Conversation]] = {}

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no such server at the address."""
        me = await self._me()
        secret = await self._session.credentials()
        handle = self._items.handle(me.acct)
        return Profile(
            user_id=self._items.actor_id(me),
            label=f"@{handle}",
            own_addresses=(OwnAddress(value=handle, kind="HANDLE", primary=True),),
            base_url=origin(self._session.account.base_url),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=self._items.contact(me, "PROFILE", None),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What is new in the account's lists, unless it is only read live; and everybody whom it follows or who follows it, where that is due.

        Raises CursorExpired when the server does not know the place to go on from.
        """
        place = _position(cursor)
        me = await self._me(place.domain if not self._is_due(place) else "")
        place = place.at(place.walk, place.query, begun=place.begun, domain=await self._server.domain())
        if place.walk in FOLLOWS or not (
            place.walk or place.marks or place.listed_at
        ):  # at first, people; then their news comes first
            async for page in self._follows(place, me):
                place = _position(page.cursor)
                yield page
        if not self._session.account.live:
            async for page in self._news(place, me):
                place = place if page.cursor is None else _position(page.cursor)
                yield page
        if not place.tried and (self._is_due(place) or place.counts != _counts(me)):
            async for page in self._follows(place.at(FOLLOWING), me):
                place = _position(page.cursor)
                yield page
        yield Page(cursor=msgspec.json.encode(place.at("", renaming=False, tried=False)), done=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints that `pages` has something to tell. Raises ProviderError."""
        async with aclosing(hints(self._session, (await self._server.instance()).streaming)) as told:
            async for hint in told:
                yield hint

    def _is_due(self, place: Position) -> bool:
        """Whether the follows were listed too long ago; how many there are may say so earlier."""
        return self._session.clock.now().timestamp() - place.listed_at >= FOLLOWS_SECONDS

    async def _follows(self, place: Position, me: Account) -> AsyncIterator[Page]:
        """Everybody the account follows, then its followers: there is no delta. A walk from its beginning ends with all their keys."""
        whole = place.walk != FOLLOWERS and not place.query
        keys: set[str] = set()
        followed: set[str] | None = set() if whole else None
        total = sum(_counts(me)) or None
        lists = await self._lists()
        for walk in FOLLOWS[FOLLOWS.index(place.walk) if place.walk in FOLLOWS else 0 :]:
            path = f"/api/v1/accounts/{me.id}/{walk}"
            query = place.query if walk == place.walk else ""
            async for accounts, broken, following in self._server.listed(path, query, _size(FOLLOWS_PAGE), Account):
                rows = broken + await self._related(accounts, walk, followed, lists)
                keys.update(self._items.key(account) for account in accounts)
                keys.update(row.item.key for row in broken if isinstance(row.item, Unreadable))
                if following:
                    place = place.at(walk, following)
                else:
                    place = place.at(FOLLOWERS) if walk == FOLLOWING else place.at(WALKS[0], tried=True)
                yield Page(rows=tuple(rows), cursor=msgspec.json.encode(place), total=total)
        if whole and (keys or not total):  # an empty list beside a count is not believed
            statement = Statement(container=CONTAINER, kind="CONTACT", expected=len(keys), keys=frozenset(keys))
            place = place.at(WALKS[0], listed_at=self._session.clock.now().timestamp(), counts=_counts(me))
            yield Page(statements=(statement,), cursor=msgspec.json.encode(place))

    async def _news(self, place: Position, me: Account) -> AsyncIterator[Page]:
        """What is new in the lists that are kept in an order, each down to its mark; `place.marks` are those reached."""
        known = place.marks.get(CONVERSATIONS, Mark())
        talks = Talks(self._server, self._items, me, known.newest, place.begun.posts or known.posts)
        mirrored = Mirrored(self._server, self._items, me, talks)
        now = self._session.clock.now().timestamp()
        untold = now - place.untold_at >= UNTOLD_SECONDS
        for walk in WALKS[WALKS.index(place.walk) if place.walk in WALKS else 0 :]:
            on_its_way = walk == place.walk and bool(place.query)
            if walk in UNTOLD and not (untold or on_its_way):
                continue
            query, begun = (place.query, place.begun) if on_its_way else ("", Mark())
            seen = place.marks.get(walk, Mark())
            async for step in mirrored.walk(walk, query, seen, begun):
                if step.query:
                    place = place.at(walk, step.query, begun=step.mark)
                else:
                    place = place.at(_after(walk), marks={**place.marks, walk: step.mark})
                    if place.walk == END:
                        place.untold_at = now
                if walk != CONVERSATIONS and CONVERSATIONS in place.marks:
                    place.marks[CONVERSATIONS] = msgspec.structs.replace(place.marks[CONVERSATIONS], posts=step.posts)
                if place.renaming and step.talks:
                    yield Page(rows=tuple(Row(item=Gone(kind="CONVERSATION", key=number)) for number in step.talks))
                yield Page(rows=tuple(step.rows), cursor=msgspec.json.encode(place))

    async def heads(self, token: str | None, limit: int) -> Heads:
        """Conversations by their latest post. Those whose posts are all gone are left out."""
        await self._me()
        size = _size(max(1, min(limit, CONVERSATIONS_PAGE)))
        async for found, _, following in self._server.listed(CONVERSATIONS_PATH, token or "", size, Conversation):
            items: dict[str, ConversationHead] = {}
            for each in found:
                if each.last_status is not None:
                    key = self._met(each, each.last_status)
                    items.setdefault(key, self._items.head(each.last_status, each.unread))
            return Heads(items=tuple(items.values()), next_token=following or None)
        return Heads()

    async def messages(self, conversation_key: str) -> Messages:
        """The threads around a conversation's latest posts. Raises Refused (`not-found`) when it is no longer listed."""
        await self._me()
        thread: dict[str, Status] = {}
        complete = True
        for conversation in self._talks.get(conversation_key) or await self._conversations(conversation_key):
            last = conversation.last_status
            if last is None:
                continue
            answer = await self._server.get(f"/api/v1/statuses/{segment(last.id)}/context")
            context = decoded(answer, Context)
            before, after = readable(context.ancestors, Status)[0], readable(context.descendants, Status)[0]
            thread |= {status.id: status for status in (*before, last, *after)}
            unread = len(context.ancestors) + len(context.descendants) > len(before) + len(after)
            complete = complete and (before[0] if before else last).in_reply_to_id is None and not unread
        self._items.meet((), thread.values())
        direct = [status for status in thread.values() if status.visibility == DIRECT]
        items = [self._items.message(status) for status in direct if self._items.talk(status) == conversation_key]
        items.sort(key=lambda message: message.sent_at)
        return Messages(items=tuple(items), complete=complete)

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write to those whom a conversation is with. Raises ProviderError when it was certainly not taken."""
        await self._me()
        return await say(self._server, self._items, await self._listed(message.conversation), message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is among the account's posts. Raises ProviderError."""
        return await was_said(self._server, await self._me(), message, step)

    async def edit(self, change: OutgoingEdit, *, again: bool) -> datetime | None:
        """Put another text in the place of a message's own. Raises ProviderError."""
        await self._me()
        return await edit(self._server, self._items, await self._listed(change.conversation), change, again=again)

    async def delete(self, deletion: OutgoingDeletion) -> Gone:
        """Delete a message for everybody. Raises ProviderError."""
        await self._me()
        return await delete(self._server, await self._listed(deletion.conversation), deletion)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """Make a message a favourite, or no longer. Raises ProviderError."""
        await self._me()
        await react(self._server, await self._listed(reaction.conversation), reaction)
        return None

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Say of conversations that they were read. Raises ProviderError."""
        me = await self._me()
        await read_up_to(self._server, me, {key: await self._listed(key) for key in latest}, latest)

    async def _me(self, domain: str = "") -> Account:
        """Whose account it is; then the account's records can be made. `domain` is the server's, where it is known."""
        if self._account is None:
            self._account = await self._server.me(domain)
            self._items = Items(await self._server.domain(), origin(self._session.account.base_url), self._account)
        return self._account

    def _met(self, conversation: Conversation, last: Status) -> str:
        """The key of a conversation, which is remembered by it."""
        self._items.meet(conversation.accounts, (last,))
        key = self._items.talk(last)
        self._talks.setdefault(key, []).append(conversation)
        return key

    async def _listed(self, key: str) -> list[Conversation]:
        """All that the server lists under a key; none where it lists none any more."""
        try:
            return self._talks.get(key) or await self._conversations(key)
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            return []

    async def _conversations(self, key: str) -> list[Conversation]:
        """All that the server lists under a key, down to the page with the latest of them. Raises Refused (`not-found`)."""
        pages = 0
        async for found, _, _ in self._server.listed(CONVERSATIONS_PATH, "", _size(CONVERSATIONS_PAGE), Conversation):
            for each in found:
                if each.last_status is not None:
                    self._met(each, each.last_status)
            pages += 1
            if key in self._talks:
                return self._talks[key]
            if pages >= MAX_CONVERSATION_PAGES:
                break
        raise Refused("The server no longer lists this conversation.", provider_code="not-found")

    async def _lists(self) -> dict[str, list[str]]:
        """The titles of the account's lists, by the ids of those who are in them; none where they are not shown."""
        found: dict[str, list[str]] = {}
        try:
            answer = await self._server.get("/api/v1/lists")
            for each in readable(decoded(answer, list[msgspec.Raw]), List)[0][:MAX_LISTS]:
                path = f"/api/v1/lists/{segment(each.id)}/accounts"
                async for accounts, _, _ in self._server.listed(path, "", _size(FOLLOWS_PAGE), Account):
                    for account in accounts:
                        found.setdefault(account.id, []).append(short(each.title))
        except Refused as error:
            if error.provider_code not in LEFT_OUT:
                raise
        return found

    async def _related(
        self, accounts: Iterable[Account], walk: str, followed: set[str] | None, lists: Mapping[str, Sequence[str]]
    ) -> list[Row]:
        """The contacts of one page. Who is in both lists comes once, with the first one.

        `followed` are the keys of the first list, None when this walk was taken up in the middle.
        """
        wanted = list(accounts)
        if walk == FOLLOWERS and followed is not None:
            wanted = [account for account in wanted if self._items.key(account) not in followed]
            return [Row(item=self._items.contact(account, "FOLLOWER", None)) for account in wanted]
        relationships: dict[str, Relationship] = {}
        for start in range(0, len(wanted), RELATIONSHIPS_PAGE):
            ids = [("id[]", account.id) for account in wanted[start : start + RELATIONSHIPS_PAGE]]
            answer = await self._server.get("/api/v1/accounts/relationships", [*ids, ("with_suspended", "true")])
            found, _ = readable(decoded(answer, list[msgspec.Raw]), Relationship)
            relationships.update((each.id, each) for each in found)
        rows = []
        for account in wanted:
            known = relationships.get(account.id)
            both = known is not None and bool(known.followed_by if walk == FOLLOWING else known.following)
            if followed is not None:
                followed.add(self._items.key(account))
            one_way: Relation = "FOLLOWING" if walk == FOLLOWING else "FOLLOWER"
            rows.append(
                Row(item=self._items.contact(account, "CONNECTION" if both else one_way, known, lists.get(account.id, ())))
            )
        return rows


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """Registers Kith at the server (docs.joinmastodon.org/methods/apps#create) for this redirect address.

    Raises Refused when there is no Mastodon-compatible server, or it takes no applications.
    """
    base = origin(session.account.base_url)
    described = await oauth.metadata(session, base) or {}
    supported = described.get("scopes_supported")
    choices = [SCOPES, WIDE_SCOPES]
    if isinstance(supported, list) and not set(SCOPES) <= {scope for scope in supported if isinstance(scope, str)}:
        choices = [WIDE_SCOPES]
    for scopes in choices:
        answer = await session.request(
            "POST",
            f"{base}/api/v1/apps",
            form={"client_name": "Kith", "redirect_uris": redirect_uri, "scopes": " ".join(scopes)},
            auth=False,
            accept_statuses={*SUCCESS, 400, 404, 405, 422},
            max_bytes=PAGE_BYTES,
        )
        if answer.status in SUCCESS:
            break
        if answer.status in (404, 405):
            raise no_server(session)
    else:
        raise Refused(
            f"{httpx.URL(base).host} does not register applications: link it with an access token.", provider_code="422"
        )
    application = decoded(answer, Application)
    endpoints = {name: _endpoint(described.get(f"{name}_endpoint"), base) for name in ("authorization", "token", "revocation")}
    issuer = described.get("issuer") if described.get("authorization_response_iss_parameter_supported") is True else None
    return Authorization(
        authorization_endpoint=endpoints["authorization"] or f"{base}/oauth/authorize",
        token_endpoint=endpoints["token"] or f"{base}/oauth/token",
        client_id=application.client_id,
        client_secret=application.client_secret,
        scopes=scopes,
        issuer=issuer if isinstance(issuer, str) else None,
        base_url=base,
        extra={
            "token_endpoint_auth_method": "client_secret_post",
            "revocation_endpoint": endpoints["revocation"] or f"{base}/oauth/revoke",
        },
    )


def base_url(values: dict[str, str]) -> str:
    """The server's origin from a host, a URL or a full handle such as `@ada@social.example.org`. Raises Refused."""
    text = values.get("server", "").strip()
    if "://" not in text:
        text = text.rpartition("@")[2]
    advice = "This is no address of a server: give one like social.example.org, or your full handle."
    return origin(server_address.typed(text, advice))


def _position(cursor: bytes | None) -> Position:
    found = cursors.read(cursor, Position)
    if found is None:
        return Position(form=FORM)
    if found.form < FORM:
        return Position(form=FORM, renaming=True)
    if found.walk not in ("", *FOLLOWS, *WALKS, END):
        raise CursorExpired("The stored position is of another version: everything is listed again.")
    return found


def _after(walk: str) -> str:
    return (*WALKS, END)[WALKS.index(walk) + 1]


def _counts(me: Account) -> tuple[int, int]:
    return me.following_count or 0, me.followers_count or 0


def _size(limit: int) -> tuple[tuple[str, str], ...]:
    return (("limit", str(limit)),)


def _endpoint(value: Any, base: str) -> str | None:
    """An endpoint from the server's own description, when it is on that server."""
    return value if isinstance(value, str) and origin(value) == base else None


def _open(session: Session) -> LiveAdapter:
    return Mastodon(session)


_SERVER = FormField(
    name="server",
    label="Server",
    placeholder="social.example.org",
    help="The server your account is on, or your full handle.",
)

PROVIDER = Provider(
    key=KEY,
    name="Mastodon",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset(
        {
            "CONTACTS",
            "CONVERSATIONS",
            "ACTIVITIES",
            "SEND",
            "REPLY",
            "EDIT_MESSAGE",
            "DELETE_MESSAGE",
            "REACT",
            "READ_STATE",
            "PUSH",
            "MIRROR",
            "LIVE",
            "IMPORT",
        }
    ),
    marks=frozenset({"READ"}),
    write_scopes={
        "EDIT_MESSAGE": frozenset({SENDING, "write"}),
        "DELETE_MESSAGE": frozenset({SENDING, "write"}),
        "READ_STATE": frozenset({MARKING, "write"}),
    },
    limitations=(
        "Direct messages are posts with a restricted audience: whoever is mentioned in one can read it.",
        "Messages go to conversations that are there, with everybody in them mentioned. They are no longer than posts may be. Files cannot be sent.",
        "There is one reaction, the favourite (\u2b50).",
        "The network tells nobody's e-mail address or phone number.",
        "There is no list of changes: who was unfollowed is seen when all follows have been listed again.",
        "Where the server's streaming address is at another domain than the server, it is not given your secret, and news come by the poll.",
        "Of the home timeline the server keeps the latest few hundred posts: what was posted before the account was linked is in no list.",
        "An edit or deletion is noticed where the post is among the latest 40 of its list, or the latest 20 of all direct conversations.",
        "Nobody tells when a post became a favourite.",
        "An archive is a snapshot. Of conversations it holds what its owner wrote, and no answers; files are named, not kept.",
    ),
    archive_formats=("MASTODON",),
    archive=MastodonArchive(),
    files_by_name=True,  # before 4.2 servers do not tell the actor's id, which an archive has
    network_first=True,
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in at your server",
            fields=(_SERVER,),
            help="Works with Mastodon, Pleroma, Akkoma, GoToSocial and others that speak Mastodon's interface.",
            scopes=SCOPES,
        ),
        LinkForm(
            method="TOKEN",
            label="Access token",
            fields=(
                _SERVER,
                FormField(
                    name="access_token",
                    label="Access token",
                    kind="PASSWORD",
                    secret=True,
                    help="From your server's page Preferences → Development → New application.",
                ),
            ),
            scopes=SCOPES,
        ),
    ),
    quota=Quota(
        calls=300,
        seconds=300.0,
        concurrency=4,
        sentence="Mastodon allows 300 calls in five minutes to an account.",
    ),
    docs_path="docs/providers/mastodon.md",
    poll_seconds=900,
    open=_open,
    authorize=authorize,
    base_url=base_url,
)
