"""Instagram, mirrored: the inbox of a professional account, its posts and what is said about them.

Speaks the Instagram API with Instagram Login (graph.instagram.com), which needs no page of Facebook's. The token is good for 60 days and
is prolonged while it is. The inbox is read in `meta/inbox.py`, posts in `meta/feed.py`; sending is in `meta/sending.py`, errors and limits
in `meta/api.py`, field maps in `item.py`. What was before, and who follows whom, comes from the export that Instagram makes
(`archives/instagram.py`). Knows nothing of private accounts, of stories and of advertising.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import msgspec

from providers import cursors
from providers.archives.instagram import KEY, InstagramArchive
from providers.base import Adapter, Authorization, LinkForm, Provider, SignedIn
from providers.errors import Malformed, RateLimited, ReauthRequired, Refused
from providers.http import Session
from providers.instagram import item as instagram_item
from providers.instagram.item import ME_FIELDS, POSTS, Me, address, contact
from providers.meta import feed as meta_feed
from providers.meta import inbox as meta_inbox
from providers.meta import sending as meta_sending
from providers.meta import signin as meta_signin
from providers.meta import webhook as meta_webhook
from providers.meta.api import CONSOLE, PARTIAL, Dialect, Graph, Success, short
from providers.meta.feed import Reading
from providers.meta.inbox import Walk
from providers.meta.item import Inbox
from providers.push import Line, Subscription, Switchboard
from providers.quota import Quota
from providers.records import OutgoingChat, OwnAddress, Page, Profile, Row, Submitted, Unreadable
from providers.session import Secret

HOME: Final = "https://graph.instagram.com"
SIGN_IN: Final = "https://www.instagram.com/oauth/authorize"
TOKENS: Final = "https://api.instagram.com/oauth/access_token"
BASIC, MESSAGES, COMMENTS = "instagram_business_basic", "instagram_business_manage_messages", "instagram_business_manage_comments"
SCOPES: Final = (BASIC, MESSAGES, COMMENTS)
#: Which permission each part takes.
INBOX: Final = "messages"
NEEDED: Final = {INBOX: MESSAGES, POSTS: BASIC}
#: What is called for (webhooks, object instagram).
CALLED_FOR: Final = "messages,message_reactions,message_edit,messaging_seen,comments,mentions"
#: A token can be prolonged when it is a day old, and is when a week of it has passed.
PROLONGED: Final = timedelta(days=53)
#: appsecret_proof is described for graph.facebook.com alone.
INSTAGRAM: Final = Dialect(name="Instagram", proof=False)


class Position(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The cursor. `until` (POSIX seconds) is when Instagram takes calls again."""

    version: int = 1
    until: float = 0.0
    inbox: Walk = msgspec.field(default_factory=Walk)
    posts: Reading = msgspec.field(default_factory=Reading)


class Instagram:
    """A professional account at Instagram."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """Whose token it is."""
        me = await self._me(Graph(self._session, INSTAGRAM))
        own = [OwnAddress(value=address(me.username), kind="HANDLE", primary=True)]
        own += (
            [OwnAddress(value=address(short(me.name)), kind="HANDLE")] if me.name else []
        )  # as its exports name them in messages
        secret = await self._session.credentials()
        return Profile(
            user_id=me.user_id,
            label=f"@{me.username}",
            own_addresses=tuple(own),
            base_url=self._session.account.base_url.rstrip("/"),
            granted_scopes=tuple((secret.scope or "").split()),
            contact=contact(me),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What is new in the inbox, then posts.

        Raises ReauthRequired once the sign-in has ended, RateLimited where Instagram takes no more calls.
        """
        place = cursors.read(cursor, Position) or Position()
        ending = await self._prolonged()
        graph = Graph(self._session, INSTAGRAM, until=place.until)
        withheld = [] if ending is None else [ending]

        def position() -> bytes:
            place.until = graph.until
            return cursors.written(place)

        trouble: RateLimited | None = None
        try:
            me = await self._me(graph)
            granted = ((await self._session.credentials()).scope or "").split()
            parts = (
                (INBOX, place.inbox, meta_inbox.walk(graph, inbox_of(me), place.inbox, position)),
                (POSTS, place.posts, meta_feed.walk(graph, instagram_item.feed(me), place.posts, position)),
            )
            for part, state, pages in parts:
                if granted and NEEDED[part] not in granted:
                    withheld.append(_withheld(part, "it was not allowed."))
                if state.over or (granted and NEEDED[part] not in granted):
                    continue
                try:
                    async for page in pages:
                        yield page
                except Refused as error:
                    if error.provider_code not in PARTIAL:
                        raise
                    withheld.append(_withheld(part, error.message))
            place.inbox.over = place.posts.over = False
        except RateLimited as error:
            trouble = error
        yield Page(rows=tuple(withheld), cursor=position(), done=trouble is None)
        if trouble is not None:
            raise trouble

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a conversation (meta/sending.py)."""
        scope = (await self._session.credentials()).scope
        if scope and MESSAGES not in scope.split():
            raise ReauthRequired(
                f"Instagram was not allowed to send: link the account again and allow {MESSAGES}.", provider_code="scope"
            )
        graph = Graph(self._session, INSTAGRAM)
        human = meta_signin.ticked(self._session.account.settings, "human_agent")
        return await meta_sending.say(graph, inbox_of(await self._me(graph)), message, note, human=human)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its conversation."""
        graph = Graph(self._session, INSTAGRAM)
        return await meta_sending.was_said(graph, inbox_of(await self._me(graph)), message, step)

    async def join(self, line: Line) -> Subscription:
        """Have the account called for."""
        graph = Graph(self._session, INSTAGRAM)
        me = await self._me(graph)
        await graph.tell(f"{me.user_id}/subscribed_apps", Success, {}, params=[("subscribed_fields", CALLED_FOR)])
        return Subscription(key=me.user_id, expires_at=self._session.clock.now() + timedelta(days=1))

    async def leave(self) -> None:
        """Have it called for no more."""
        graph = Graph(self._session, INSTAGRAM)
        await graph.drop(f"{(await self._me(graph)).user_id}/subscribed_apps")

    async def _me(self, graph: Graph) -> Me:
        me = await graph.ask("me", Me, [("fields", ME_FIELDS)])
        if not (me.user_id.isascii() and me.user_id.isdigit() and me.username):
            raise Malformed("Instagram does not say whose token this is.", provider_code="me")
        return me

    async def _prolonged(self) -> Row | None:
        """See to it that the token lasts; what the account says where it does not. Raises ReauthRequired when it has ended."""
        secret, now = await self._session.credentials(), self._session.clock.now()
        if secret.expires_at is not None and now < secret.expires_at <= now + PROLONGED:
            with suppress(Refused):  # a token that is not a day old: it is good, and there is time
                secret = await self._session.refreshed(secret)
        return meta_signin.check_end(secret, now, "Instagram")


def inbox_of(me: Me) -> Inbox:
    return Inbox(
        owner=me.user_id, platform="instagram", name=short(me.name) or me.username, me=address(me.username),
        own=frozenset({me.user_id, me.id, me.username} - {""}),
    )  # fmt: skip


def _withheld(part: str, why: str) -> Row:
    text = f"Instagram does not show your {part}: {why} Link the account again and allow {NEEDED[part]}."
    return Row(item=Unreadable(key=part, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=part))


async def sign_in(session: Session) -> SignedIn:
    """A grant of an hour for one of 60 days (`GET /access_token`)."""
    old = await session.credentials()
    base = session.account.base_url.rstrip("/")
    parameters = {
        "grant_type": "ig_exchange_token",
        "client_secret": old.client_secret or "",
        "access_token": old.access_token or "",
    }
    token = await meta_signin.traded(Graph(session, INSTAGRAM), "GET", f"{base}/access_token", parameters)
    return SignedIn(secret=meta_signin.lasting(session, old, token), base_url=base)


async def renew(session: Session, old: Secret) -> Secret:
    """The same grant for 60 days more (`GET /refresh_access_token`). Raises ReauthRequired when it is gone."""
    base = session.account.base_url.rstrip("/")
    parameters = {"grant_type": "ig_refresh_token", "access_token": old.access_token or ""}
    token = await meta_signin.traded(Graph(session, INSTAGRAM), "GET", f"{base}/refresh_access_token", parameters)
    return meta_signin.lasting(session, old, token)


async def authorize(session: Session, values: Mapping[str, str], redirect_uri: str) -> Authorization:
    """Business Login for Instagram with the operator's own app. Raises Refused where none is set."""
    mine = await session.credentials()
    if not mine.client_id or not mine.client_secret:
        raise meta_signin.no_client("Instagram", KEY, redirect_uri)
    base = session.account.base_url.rstrip("/")
    parts = urlsplit(base)
    real = base == HOME  # a server set by KITH_INSTAGRAM_URL stands in for all hosts
    local = f"{parts.scheme}://{parts.netloc}"
    return Authorization(
        authorization_endpoint=SIGN_IN if real else f"{local}/oauth/authorize",
        token_endpoint=TOKENS if real else f"{local}/oauth/access_token",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=SCOPES,
        pkce=False,
        base_url=base,
        # the answer may lie in a list of one (instagram-api-with-instagram-login/business-login)
        extra={"token_endpoint_auth_method": "client_secret_post", "token_member": "data"},
    )


def switchboard(line: Line) -> Switchboard:
    return meta_webhook.Operator(line, "instagram")


def _open(session: Session) -> Adapter:
    return Instagram(session)


PROVIDER = Provider(
    key=KEY,
    name="Instagram",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "SEND", "ACTIVITIES", "PUSH", "IMPORT", "MIRROR"}),
    limitations=(
        "Only professional accounts (business, creator) can be linked. Of private ones there is the export.",
        "Instagram shows the 20 latest messages of a conversation, and neither followers nor whom you follow: the export has these.",
        "An answer can be sent within 24 hours of the other's last message, and nobody is written to first.",
        "What was edited or taken back is seen where its conversation has news, or is one of the latest ten of the last day.",
        "Files of messages are named, not kept.",
        "In an export followers have a user name, people in messages what they are called: it does not say who is who.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with Instagram",
            fields=(meta_signin.HUMAN_AGENT,),
            help="For professional accounts. Needs an app of this installation's own.",
            help_url=CONSOLE,
            scopes=SCOPES,
        ),
    ),
    archive_formats=("INSTAGRAM",),
    quota=Quota(
        calls=200,
        seconds=3600.0,
        concurrency=2,
        sentence="Instagram allows an app 200 calls an hour for each account at least, and two looks at messages a second.",
    ),
    docs_path="docs/providers/instagram.md",
    poll_seconds=900,
    default_url=HOME,
    open=_open,
    authorize=authorize,
    own_client=True,
    send_scopes=frozenset({MESSAGES}),
    sign_in=sign_in,
    renew=renew,
    switchboard=switchboard,
    line="instagram_webhooks",
    archive=InstagramArchive(),
    files_by_name=True,
)
