"""Mastodon-compatible servers, live: follows and followers as contacts, direct posts as conversations.

Speaks the Mastodon client API (accounts, conversations, statuses, apps; OAuth 2 with PKCE), which Pleroma, Akkoma, GoToSocial
and Friendica share in large part. Lists are followed by their Link headers alone, because their page ids are in no body
(docs.joinmastodon.org/api/guidelines#pagination). An account is known by its ActivityPub id, since local ids mean nothing
elsewhere. Knows nothing of federation, timelines or sending.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

import httpx2 as httpx
import msgspec

from providers import cursors, oauth
from providers.base import Authorization, FormField, LinkForm, LiveAdapter, Provider
from providers.errors import CursorExpired, Malformed, ReauthRequired, Refused
from providers.formats.html_text import text_of
from providers.formats.vcard import web_address
from providers.http import SUCCESS, Response, Session
from providers.quota import Quota
from providers.records import (
    Contact,
    ConversationHead,
    Handle,
    Heads,
    Message,
    Messages,
    Name,
    Nature,
    OwnAddress,
    Page,
    Participant,
    Photo,
    Profile,
    Relation,
    Role,
    Row,
    Statement,
    Unreadable,
    Url,
)

KEY = "mastodon"
CONTAINER = "follows"
#: The largest pages: docs.joinmastodon.org/methods/accounts#following, /methods/conversations#get.
FOLLOWS_PAGE = 80
CONVERSATIONS_PAGE = 40
RELATIONSHIPS_PAGE = 40
#: 800,000 followers, or a server that never ends.
MAX_PAGES = 10_000
#: How far down the list a conversation is looked for: there is no call for a single one.
MAX_CONVERSATION_PAGES = 10
PAGE_BYTES = 8 * 1024 * 1024
MAX_TEXT = 100_000
MAX_SHORT = 1_000
MAX_FIELDS = 50
#: What Kith reads. Servers before 2.4.3, and some that are no Mastodon, know only the wide scope.
SCOPES = ("read:accounts", "read:follows", "read:statuses")
WIDE_SCOPES = ("read",)
#: The two lists in the order of a walk, and what follows the last page.
FOLLOWING, FOLLOWERS, END = "following", "followers", "end"


class Emoji(msgspec.Struct, frozen=True):
    shortcode: str = ""


class Field(msgspec.Struct, frozen=True):
    """A line of a profile; `verified_at` when the server has seen the target link back (rel=me)."""

    name: str | None = None
    value: str | None = None
    verified_at: str | None = None


class Account(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Account, as far as it is used."""

    id: str
    acct: str
    username: str | None = None
    uri: str | None = None  # 4.2
    url: str | None = None
    display_name: str | None = None
    note: str | None = None
    avatar: str | None = None
    avatar_static: str | None = None
    bot: bool | None = None
    group: bool | None = None
    created_at: str | None = None
    followers_count: int | None = None
    following_count: int | None = None
    emojis: list[Emoji] | None = None
    fields: list[Field] | None = None
    moved: Account | None = None


class Relationship(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Relationship."""

    id: str
    following: bool | None = None
    followed_by: bool | None = None
    note: str | None = None


class Mention(msgspec.Struct, frozen=True):
    id: str
    acct: str
    username: str | None = None
    url: str | None = None


class Status(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Status."""

    id: str
    account: Account
    created_at: str
    uri: str | None = None
    url: str | None = None
    edited_at: str | None = None
    content: str | None = None
    spoiler_text: str | None = None
    in_reply_to_id: str | None = None
    mentions: list[Mention] | None = None
    media_attachments: list[msgspec.Raw] | None = None


class Conversation(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Conversation; no `last_status` once its posts are deleted."""

    id: str
    accounts: list[Account]
    last_status: Status | None = None
    unread: bool | None = None


class Context(msgspec.Struct, frozen=True):
    ancestors: list[msgspec.Raw]
    descendants: list[msgspec.Raw]


class Application(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Application: our client at one server."""

    client_id: str
    client_secret: str


class Instance(msgspec.Struct, frozen=True):
    """`domain` of v2, `uri` of v1: what follows the `@`, which may differ from the API's host."""

    domain: str | None = None
    uri: str | None = None


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor: which list, and the query of its next page. Without it the walk starts again."""

    walk: str = FOLLOWING
    query: str = ""
    version: int = 1


Entity = TypeVar("Entity")


class Mastodon:
    """An account at one server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._domain: str | None = None
        self._conversations: dict[str, Conversation] = {}

    async def profile(self) -> Profile:
        """Whose token it is. Raises Refused when there is no such server at the address."""
        me = await self._me()
        secret = await self._session.credentials()
        handle = self._handle(me.acct)
        return Profile(
            user_id=self._key(me),
            label=f"@{handle}",
            own_addresses=(OwnAddress(value=handle, kind="HANDLE", primary=True),),
            base_url=_origin(self._session.account.base_url),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=self._contact(me, "PROFILE", None),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Everybody the account follows, then its followers; a walk that was not interrupted ends with all their keys.

        Follows have no delta, so every run is a whole walk. Raises CursorExpired when the server does not know the place
        to go on from.
        """
        position = _position(cursor)
        resumed = bool(position.query) or position.walk != FOLLOWING
        me = await self._me()
        keys: set[str] = set()
        followed: set[str] | None = None if resumed else set()
        total = (me.following_count or 0) + (me.followers_count or 0) or None
        for walk in (FOLLOWING, FOLLOWERS):
            if (walk, position.walk) == (FOLLOWING, FOLLOWERS) or position.walk == END:
                continue
            query = position.query if walk == position.walk else ""
            async for accounts, broken, following in self._listed(
                f"/api/v1/accounts/{me.id}/{walk}", query, FOLLOWS_PAGE, Account
            ):
                rows = broken + await self._related(accounts, walk, followed)
                keys.update(self._key(account) for account in accounts)
                keys.update(row.item.key for row in broken if isinstance(row.item, Unreadable))
                after = FOLLOWERS if walk == FOLLOWING else END
                place = Position(walk=walk, query=following) if following else Position(walk=after)
                yield Page(rows=tuple(rows), cursor=msgspec.json.encode(place), total=total)
        statements: tuple[Statement, ...] = ()
        if not resumed and (keys or not total):  # an empty list beside a count is not believed
            statements = (Statement(container=CONTAINER, kind="CONTACT", expected=len(keys), keys=frozenset(keys)),)
        yield Page(statements=statements, cursor=msgspec.json.encode(Position()), done=True)

    async def heads(self, token: str | None, limit: int) -> Heads:
        """Conversations by their latest post. Those whose posts are all gone are left out."""
        await self._know_domain()
        items: list[ConversationHead] = []
        async for found, _, following in self._listed(
            "/api/v1/conversations", token or "", max(1, min(limit, CONVERSATIONS_PAGE)), Conversation
        ):
            for each in found:
                if each.last_status is not None:
                    self._conversations[each.id] = each
                    items.append(self._head(each, each.last_status))
            return Heads(items=tuple(items), next_token=following or None)
        return Heads()

    async def messages(self, conversation_key: str) -> Messages:
        """The thread around a conversation's latest post. Raises Refused (`not-found`) when it is no longer listed."""
        await self._know_domain()
        conversation = self._conversations.get(conversation_key) or await self._conversation(conversation_key)
        last = conversation.last_status
        if last is None:
            raise Refused("This conversation has no posts any more.", provider_code="not-found")
        answer = await self._get(f"/api/v1/statuses/{_segment(last.id)}/context")
        context = _decoded(answer, Context)
        before, after = _readable(context.ancestors, Status)[0], _readable(context.descendants, Status)[0]
        kind = _kind(conversation)
        thread = {status.id: status for status in (*before, last, *after)}
        items = [self._message(status, conversation.id, kind) for status in thread.values()]
        items.sort(key=lambda message: message.sent_at)
        first = before[0] if before else last
        unread = len(context.ancestors) + len(context.descendants) > len(before) + len(after)
        return Messages(items=tuple(items), complete=first.in_reply_to_id is None and not unread)

    # --- asking ----------------------------------------------------------------------------------------------------

    async def _get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Response:
        """One GET. 403 has three meanings, told apart by its text (app/controllers/api/base_controller.rb)."""
        answer = await self._session.request(
            "GET",
            _origin(self._session.account.base_url) + path,
            params=list(params),
            headers={"Accept": "application/json"},
            accept_statuses={*SUCCESS, 403},
            max_bytes=PAGE_BYTES,
        )
        if answer.status != 403:
            return answer
        host, said = urlsplit(answer.url).hostname, _error_text(answer)
        if "scope" in said:
            raise Refused(f"{host} was not allowed to show this. Link the account again to allow it.", provider_code="scope")
        if "login" in said or "pending" in said or "confirm" in said or "suspended" in said:
            raise ReauthRequired(f"{host} has closed this account for now. Sign in there to see why.", provider_code="403")
        raise Refused(f"{host} does not allow this to your account.", provider_code="403")

    async def _me(self) -> Account:
        await self._know_domain()
        try:
            answer = await self._get("/api/v1/accounts/verify_credentials")
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            raise _no_server(self._session) from error
        return _decoded(answer, Account)

    async def _know_domain(self) -> None:
        """The domain that a bare name stands for (entities/Instance)."""
        if self._domain is not None:
            return
        host = str(urlsplit(self._session.account.base_url).netloc.rpartition("@")[2])
        for path in ("/api/v2/instance", "/api/v1/instance"):
            try:
                instance = _decoded(await self._get(path), Instance)
            except (Refused, Malformed):
                continue
            named = (instance.domain or instance.uri or "").strip().lower().removeprefix("https://").strip("/")
            self._domain = named if named and len(named) < 256 and not set(named) & set(" /@\x00") else host
            return
        self._domain = host

    async def _listed(
        self, path: str, query: str, limit: int, kind: type[Entity]
    ) -> AsyncIterator[tuple[list[Entity], list[Row], str]]:
        """Page by page: the entities, rows for those that cannot be read, and the query of the next page (empty at the end)."""
        known: set[str] = set()
        for _ in range(MAX_PAGES):
            given = parse_qsl(query) or [("limit", str(limit))]
            try:
                answer = await self._get(path, given)
            except Refused as error:
                if query and error.provider_code in ("400", "404", "410", "422", "not-found"):
                    raise CursorExpired("The server no longer knows this place in the list.") from error
                raise
            found, broken = _readable(_decoded(answer, list[msgspec.Raw]), kind)
            known.add(query)
            query = _next(answer, path, self._session.account.base_url)
            yield found, broken, query
            if not query:
                return
            if query in known:
                raise Malformed("The server's list goes in circles.", provider_code="paging")
        raise Malformed("The server's list does not end.", provider_code="paging")

    async def _related(self, accounts: Iterable[Account], walk: str, followed: set[str] | None) -> list[Row]:
        """The contacts of one page. Who is in both lists comes once, with the first one.

        `followed` are the keys of the first list, None when this walk was taken up in the middle.
        """
        wanted = list(accounts)
        if walk == FOLLOWERS and followed is not None:
            wanted = [account for account in wanted if self._key(account) not in followed]
            return [Row(item=self._contact(account, "FOLLOWER", None)) for account in wanted]
        relationships: dict[str, Relationship] = {}
        for start in range(0, len(wanted), RELATIONSHIPS_PAGE):
            ids = [("id[]", account.id) for account in wanted[start : start + RELATIONSHIPS_PAGE]]
            answer = await self._get("/api/v1/accounts/relationships", [*ids, ("with_suspended", "true")])
            found, _ = _readable(_decoded(answer, list[msgspec.Raw]), Relationship)
            relationships.update((each.id, each) for each in found)
        rows = []
        for account in wanted:
            known = relationships.get(account.id)
            both = known is not None and bool(known.followed_by if walk == FOLLOWING else known.following)
            if followed is not None:
                followed.add(self._key(account))
            one_way: Relation = "FOLLOWING" if walk == FOLLOWING else "FOLLOWER"
            rows.append(Row(item=self._contact(account, "CONNECTION" if both else one_way, known)))
        return rows

    async def _conversation(self, key: str) -> Conversation:
        pages = 0
        async for found, _, _ in self._listed("/api/v1/conversations", "", CONVERSATIONS_PAGE, Conversation):
            for each in found:
                if each.id == key:
                    return each
            pages += 1
            if pages >= MAX_CONVERSATION_PAGES:
                break
        raise Refused("The server no longer lists this conversation.", provider_code="not-found")

    # --- fields ----------------------------------------------------------------------------------------------------

    def _handle(self, acct: str) -> str:
        """`user@host`: the server leaves its own domain out."""
        name = _short(acct).lstrip("@")
        return name if "@" in name else f"{name}@{self._domain}"

    def _key(self, account: Account) -> str:
        """The actor's ActivityPub id; before 4.2 servers do not tell it."""
        uri = web_address(account.uri) if account.uri else None
        return uri if uri and len(uri) <= MAX_SHORT else self._handle(account.acct)

    def _contact(self, account: Account, relation: Relation, known: Relationship | None) -> Contact:
        handle = self._handle(account.acct)
        page = _web(account.url)
        handles = [Handle(provider=KEY, handle=handle, url=page)]
        if account.moved is not None:  # the old account says where its owner went
            handles.append(Handle(provider=KEY, handle=self._handle(account.moved.acct), url=_web(account.moved.url)))
        picture = _web(account.avatar_static or account.avatar)
        nature: Nature = "AUTOMATED" if account.bot else "GROUP" if account.group else "INDIVIDUAL"
        return Contact(
            key=self._key(account),
            relation=relation,
            nature=nature,
            names=(Name(full=_display_name(account) or handle.partition("@")[0], nickname=_short(account.username) or None),),
            urls=tuple(_links(account.fields or [])),
            handles=tuple(handles),
            bio=post_text(account.note) or None,
            note=_long(known.note) or None if known is not None else None,
            photo=Photo(url=picture) if picture and not picture.endswith("/missing.png") else None,
            url=page,
            followers=_count(account.followers_count),
            following=_count(account.following_count),
            created_at=_instant(account.created_at),
            container=CONTAINER,
        )

    def _participant(self, account: Account | Mention, role: Role) -> Participant:
        if isinstance(account, Mention):
            return Participant(role=role, address=self._handle(account.acct), kind="HANDLE", provider=KEY, url=_web(account.url))
        return Participant(
            role=role,
            address=self._handle(account.acct),
            kind="HANDLE",
            name=_display_name(account),
            provider=KEY,
            key=self._key(account),
            url=_web(account.url),
        )

    def _head(self, conversation: Conversation, last: Status) -> ConversationHead:
        kind = _kind(conversation)
        message = self._message(last, conversation.id, kind)
        return ConversationHead(
            key=conversation.id,
            kind=kind,
            last_activity_at=message.sent_at,
            participants=tuple(self._participant(account, "MEMBER") for account in conversation.accounts),
            last_message=message,
            unread=conversation.unread,
            url=message.url,
        )

    def _message(self, status: Status, conversation_key: str, kind: Any) -> Message:
        text = post_text(status.content)
        attachments = len(status.media_attachments or ())
        return Message(
            key=_web(status.uri) or status.id,
            sent_at=_instant(status.created_at) or datetime.fromtimestamp(0, UTC),
            conversation_key=conversation_key,
            conversation_kind=kind,
            edited_at=_instant(status.edited_at),
            subject=_short(status.spoiler_text) or None,
            text=text,
            body_state="AVAILABLE" if text or attachments else "EMPTY",
            participants=(
                self._participant(status.account, "FROM"),
                *(self._participant(mention, "TO") for mention in status.mentions or ()),
            ),
            authentication="NOT_CHECKED",
            attachment_count=attachments,
            url=_web(status.url),
        )


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """Registers Kith at the server (docs.joinmastodon.org/methods/apps#create) for this redirect address.

    Raises Refused when there is no Mastodon-compatible server, or it takes no applications.
    """
    base = _origin(session.account.base_url)
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
            raise _no_server(session)
    else:
        raise Refused(
            f"{httpx.URL(base).host} does not register applications: link it with an access token.", provider_code="422"
        )
    application = _decoded(answer, Application)
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
    return _origin(str(url))


def post_text(source: str | None) -> str:
    """A post's or profile's HTML as text, links as their targets: servers shorten what they show of them.

    Mentions and hashtags stay as they are written.
    """
    if not source:
        return ""
    pieces = []
    *linked, rest = source[:MAX_TEXT].split("</a>")
    for piece in linked:
        start = piece.rfind("<a ")
        end = piece.find(">", start) if start >= 0 else -1
        target = _attribute(piece[start:end], "href") if end >= 0 else None
        if target and not {"mention", "hashtag"} & set((_attribute(piece[start:end], "class") or "").split()):
            piece = piece[:start] + target
        pieces.append(piece)
    return text_of("".join((*pieces, rest))).replace("\x00", "\ufffd")


def _links(fields: Iterable[Field]) -> Iterable[Url]:
    """The web addresses of a profile's lines; `verified_at` is the server's proof that the page links back (rel=me)."""
    for field in list(fields)[:MAX_FIELDS]:
        target = _attribute(field.value or "", "href")
        text = target.replace("&amp;", "&") if target else post_text(field.value)
        address = _web(text) if "://" in text else None
        if address:
            yield Url(url=address, label=_short(field.name) or None, verified=field.verified_at is not None)


def _attribute(markup: str, name: str) -> str | None:
    """The first attribute of this name, in double quotes as Mastodon's sanitiser writes it."""
    start = markup.find(f'{name}="')
    if start < 0:
        return None
    end = markup.find('"', start + len(name) + 2)
    return markup[start + len(name) + 2 : end] if end >= 0 else None


def _display_name(account: Account) -> str:
    """The name without the codes of custom emoji, which mean nothing outside of the server."""
    name = _short(account.display_name)
    for emoji in (account.emojis or ())[:MAX_FIELDS]:
        if emoji.shortcode:
            name = name.replace(f":{emoji.shortcode}:", "")
    return " ".join(name.split())


def _kind(conversation: Conversation) -> Any:
    return "DIRECT" if len(conversation.accounts) < 2 else "GROUP"


def _decoded(answer: Response, kind: type[Entity]) -> Entity:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def _readable(items: Iterable[msgspec.Raw], kind: type[Entity]) -> tuple[list[Entity], list[Row]]:
    """The entities that are what the documentation says; the others as rows that say so."""
    found: list[Entity] = []
    broken: list[Row] = []
    for item in items:
        try:
            found.append(msgspec.json.decode(item, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            excerpt = bytes(item)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
            broken.append(
                Row(
                    item=Unreadable(
                        key=_id_of(item),
                        outcome="FAILED",
                        message=f"This entry is not as the interface describes it: {str(error)[:200]}",
                        reason="UNREADABLE",
                        excerpt=excerpt,
                        container=CONTAINER,
                    )
                )
            )
    return found, broken


def _id_of(item: msgspec.Raw) -> str:
    try:
        value = msgspec.json.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    return next((_short(value[name]) for name in ("uri", "id") if isinstance(value.get(name), str)), "")


def _next(answer: Response, path: str, base: str) -> str:
    """The query of the next page. Only the query is taken, and only from a link to the same list of the same server."""
    target = answer.links().get("next")
    if target is None:
        return ""
    parts, home = urlsplit(target), urlsplit(base)
    if parts.hostname != home.hostname or parts.path != path:
        raise Malformed("The server's list goes on at another address.", provider_code="paging")
    return parts.query


def _position(cursor: bytes | None) -> Position:
    found = cursors.read(cursor, Position) or Position()
    if found.walk not in (FOLLOWING, FOLLOWERS, END):
        raise CursorExpired("The stored position is of another version: everything is listed again.")
    return found


def _endpoint(value: Any, base: str) -> str | None:
    """An endpoint from the server's own description, when it is on that server."""
    return value if isinstance(value, str) and _origin(value) == base else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _no_server(session: Session) -> Refused:
    host = httpx.URL(session.account.base_url).host
    return Refused(f"There is no Mastodon-compatible server at {host}. Check the address.", provider_code="no-server")


def _error_text(answer: Response) -> str:
    try:
        said: Any = answer.json()
    except Malformed:
        return ""
    text = cast(Mapping[str, Any], said).get("error") if isinstance(said, dict) else None
    return text.lower() if isinstance(text, str) else ""


def _segment(identifier: str) -> str:
    """An id for a path: nothing that could lead elsewhere."""
    if not identifier or not identifier.replace("-", "").replace("_", "").isalnum() or not identifier.isascii():
        raise Malformed("The server gave a post an id that is none.", provider_code="id")
    return identifier


def _instant(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the year 1 or 9999 in another time zone
        return None


def _web(text: str | None) -> str | None:
    return web_address(text) if text and len(text) <= 2_000 else None


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**31 else None  # GoToSocial: -1 when it is hidden


def _short(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:MAX_SHORT]


def _long(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:MAX_TEXT]


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
    mode="LIVE",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "READ_STATE", "LIVE"}),
    limitations=(
        "Direct messages are posts with a restricted audience: whoever is mentioned in one can read it.",
        "The network tells nobody's e-mail address or phone number.",
        "There is no list of changes: who was unfollowed is seen when all follows have been listed again.",
        "Conversations cannot be searched, and older ones are only reached by paging.",
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
    poll_seconds=3600,
    open=_open,
    authorize=authorize,
    base_url=base_url,
)
