"""Mastodon-compatible servers: follows and followers as contacts, direct posts as conversations, posts and reactions as activities.

Speaks the Mastodon client API (accounts, conversations, statuses, timelines, notifications, apps; OAuth 2 with PKCE), which Pleroma, Akkoma,
GoToSocial and Friendica share in large part. Mirrored it takes everything in (`mastodon_mirror.py`); read live it lists contacts, and
conversations when somebody asks. Knows nothing of federation or sending.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx2 as httpx
import msgspec

from providers import cursors, oauth
from providers.base import Authorization, FormField, LinkForm, LiveAdapter, Provider
from providers.errors import CursorExpired, Refused
from providers.http import SUCCESS, Session
from providers.mastodon_entity import Account, Context, Conversation, Relationship, Status, segment
from providers.mastodon_item import CONTAINER, KEY, Items, kind_of
from providers.mastodon_mirror import WALKS, Mark, Mirrored
from providers.mastodon_server import PAGE_BYTES, Server, decoded, no_server, origin, readable
from providers.quota import Quota
from providers.records import ConversationHead, Heads, Messages, OwnAddress, Page, Profile, Relation, Row, Statement, Unreadable

#: The largest pages: docs.joinmastodon.org/methods/accounts#following, /methods/conversations#get.
FOLLOWS_PAGE = 80
CONVERSATIONS_PAGE = 40
RELATIONSHIPS_PAGE = 40
#: How far down the list a conversation is looked for: there is no call for a single one.
MAX_CONVERSATION_PAGES = 10
#: What Kith reads. Servers before 2.4.3, and some that are no Mastodon, know only the wide scope.
SCOPES = ("read:accounts", "read:follows", "read:statuses", "read:notifications", "read:favourites")
WIDE_SCOPES = ("read",)
#: The lists of contacts, then all others in the order of a walk, and what follows the last page.
FOLLOWING, FOLLOWERS, END = "following", "followers", "end"
ORDER = (FOLLOWING, FOLLOWERS, *WALKS)


class Application(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Application: our client at one server."""

    client_id: str
    client_secret: str


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor: which list, and the query of its next page; how far the lists with an order were taken in, and the mark of the one
    that is on its way. Without a place the walk starts again.
    """

    walk: str = FOLLOWING
    query: str = ""
    marks: dict[str, Mark] = {}
    begun: Mark = Mark()
    version: int = 1


class Mastodon:
    """An account at one server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._server = Server(session)
        self._items = Items("")
        self._conversations: dict[str, Conversation] = {}

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no such server at the address."""
        me = await self._me()
        secret = await self._session.credentials()
        handle = self._items.handle(me.acct)
        return Profile(
            user_id=self._items.key(me),
            label=f"@{handle}",
            own_addresses=(OwnAddress(value=handle, kind="HANDLE", primary=True),),
            base_url=origin(self._session.account.base_url),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=self._items.contact(me, "PROFILE", None),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Everybody the account follows, then its followers; a walk that was not interrupted ends with all their keys. Then, unless the
        account is only read live, what is new in its other lists.

        Follows have no delta, so every run is a whole walk of them. Raises CursorExpired when the server does not know the place
        to go on from.
        """
        position = _position(cursor)
        resumed = bool(position.query) or position.walk != FOLLOWING
        me = await self._me()
        keys: set[str] = set()
        followed: set[str] | None = None if resumed else set()
        total = (me.following_count or 0) + (me.followers_count or 0) or None
        for walk in _rest((FOLLOWING, FOLLOWERS), position.walk):
            path = f"/api/v1/accounts/{me.id}/{walk}"
            query = position.query if walk == position.walk else ""
            async for accounts, broken, following in self._server.listed(path, query, _size(FOLLOWS_PAGE), Account):
                rows = broken + await self._related(accounts, walk, followed)
                keys.update(self._items.key(account) for account in accounts)
                keys.update(row.item.key for row in broken if isinstance(row.item, Unreadable))
                place = Position(walk=walk, query=following) if following else Position(walk=_after(walk))
                place.marks = position.marks
                yield Page(rows=tuple(rows), cursor=msgspec.json.encode(place), total=total)
        if not self._session.account.live:
            async for page in self._news(position, me):
                yield page
        statements: tuple[Statement, ...] = ()
        if not resumed and (keys or not total):  # an empty list beside a count is not believed
            statements = (Statement(container=CONTAINER, kind="CONTACT", expected=len(keys), keys=frozenset(keys)),)
        yield Page(statements=statements, cursor=msgspec.json.encode(Position(marks=position.marks)), done=True)

    async def _news(self, position: Position, me: Account) -> AsyncIterator[Page]:
        """What is new in the lists that are kept in an order, each down to its mark; `position.marks` are those reached."""
        mirrored = Mirrored(self._server, self._items, me)
        for walk in _rest(WALKS, position.walk):
            on_its_way = walk == position.walk
            query, begun = (position.query, position.begun) if on_its_way else ("", Mark())
            seen = position.marks.get(walk, Mark())
            async for step in mirrored.walk(walk, query, seen, begun):
                if step.query:
                    place = Position(walk=walk, query=step.query, marks=position.marks, begun=step.mark)
                else:
                    position.marks = {**position.marks, walk: step.mark}
                    place = Position(walk=_after(walk), marks=position.marks)
                yield Page(rows=tuple(step.rows), cursor=msgspec.json.encode(place))

    async def heads(self, token: str | None, limit: int) -> Heads:
        """Conversations by their latest post. Those whose posts are all gone are left out."""
        await self._know()
        items: list[ConversationHead] = []
        async for found, _, following in self._server.listed(
            "/api/v1/conversations", token or "", _size(max(1, min(limit, CONVERSATIONS_PAGE))), Conversation
        ):
            for each in found:
                if each.last_status is not None:
                    self._conversations[each.id] = each
                    items.append(self._items.head(each, each.last_status))
            return Heads(items=tuple(items), next_token=following or None)
        return Heads()

    async def messages(self, conversation_key: str) -> Messages:
        """The thread around a conversation's latest post. Raises Refused (`not-found`) when it is no longer listed."""
        await self._know()
        conversation = self._conversations.get(conversation_key) or await self._conversation(conversation_key)
        last = conversation.last_status
        if last is None:
            raise Refused("This conversation has no posts any more.", provider_code="not-found")
        answer = await self._server.get(f"/api/v1/statuses/{segment(last.id)}/context")
        context = decoded(answer, Context)
        before, after = readable(context.ancestors, Status)[0], readable(context.descendants, Status)[0]
        kind = kind_of(conversation)
        thread = {status.id: status for status in (*before, last, *after)}
        items = [self._items.message(status, conversation, kind) for status in thread.values()]
        items.sort(key=lambda message: message.sent_at)
        first = before[0] if before else last
        unread = len(context.ancestors) + len(context.descendants) > len(before) + len(after)
        return Messages(items=tuple(items), complete=first.in_reply_to_id is None and not unread)

    async def _me(self) -> Account:
        await self._know()
        return await self._server.me()

    async def _know(self) -> None:
        self._items = Items(await self._server.domain(), origin(self._session.account.base_url))

    async def _related(self, accounts: Iterable[Account], walk: str, followed: set[str] | None) -> list[Row]:
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
            rows.append(Row(item=self._items.contact(account, "CONNECTION" if both else one_way, known)))
        return rows

    async def _conversation(self, key: str) -> Conversation:
        pages = 0
        async for found, _, _ in self._server.listed("/api/v1/conversations", "", _size(CONVERSATIONS_PAGE), Conversation):
            for each in found:
                if each.id == key:
                    return each
            pages += 1
            if pages >= MAX_CONVERSATION_PAGES:
                break
        raise Refused("The server no longer lists this conversation.", provider_code="not-found")


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
    scheme, separator, _ = text.partition("://")
    if not separator:
        text = "https://" + text.rpartition("@")[2]
    try:
        if separator and scheme.lower() not in ("http", "https"):
            raise ValueError(scheme)
        url = httpx.URL(text)
        if not url.host or any(sign.isspace() for sign in text) or (url.port is not None and not 0 < url.port < 65536):
            raise ValueError(text)
    except (httpx.InvalidURL, ValueError):
        raise Refused(
            "This is no address of a server: give one like social.example.org, or your full handle.", provider_code="not-a-url"
        ) from None
    return origin(str(url))


def _position(cursor: bytes | None) -> Position:
    found = cursors.read(cursor, Position) or Position()
    if found.walk not in (*ORDER, END):
        raise CursorExpired("The stored position is of another version: everything is listed again.")
    return found


def _rest(walks: tuple[str, ...], start: str) -> list[str]:
    """Those of the walks that are not behind the one to go on with."""
    return [walk for walk in walks if start in ORDER and ORDER.index(walk) >= ORDER.index(start)]


def _after(walk: str) -> str:
    return (*ORDER, END)[ORDER.index(walk) + 1]


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
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "ACTIVITIES", "MIRROR", "LIVE"}),
    limitations=(
        "Direct messages are posts with a restricted audience: whoever is mentioned in one can read it.",
        "The network tells nobody's e-mail address or phone number.",
        "There is no list of changes: who was unfollowed is seen when all follows have been listed again.",
        "Of the home timeline the server keeps the latest few hundred posts: what was posted before the account was linked is in no list.",
        "An edit or deletion is noticed where the post is among the latest 40 of its list.",
        "Nobody tells when a post became a favourite.",
    ),
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
