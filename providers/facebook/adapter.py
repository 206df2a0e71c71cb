"""Facebook, mirrored: friends who use the same app, the inboxes of the pages that one manages (Messenger and Instagram), posts.

Speaks the Graph API with a user's token and, for pages, with tokens of theirs that come with the list of them and are kept nowhere. What
was not granted is left out and said. Friends are read in `friends.py`, posts in `meta/feed.py`, inboxes in `meta/inbox.py`;
sending is in `meta/sending.py`, signing in in `signin.py`, errors and limits in `meta/api.py`, field maps in `item.py`.
What was before comes from the export that Facebook makes (`archives/facebook.py`). Knows nothing of personal inboxes, groups, events and
advertising: there is no interface to them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec

from providers import cursors
from providers.archives.facebook import FacebookArchive
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.entries import readable
from providers.errors import Malformed, RateLimited, ReauthRequired, Refused
from providers.facebook import friends as facebook_friends
from providers.facebook import item as facebook_item
from providers.facebook import signin as facebook_signin
from providers.facebook.friends import Census
from providers.facebook.item import FRIENDS, KEY, POSTS, OwnPage, Person, Whose, address, name
from providers.facebook.signin import FACEBOOK, INSTAGRAM, MESSENGER, SCOPES
from providers.http import Session
from providers.meta import feed as meta_feed
from providers.meta import inbox as meta_inbox
from providers.meta import sending as meta_sending
from providers.meta import signin as meta_signin
from providers.meta import webhook as meta_webhook
from providers.meta.api import CONSOLE, GRAPH, PARTIAL, Edge, Graph, Success, short
from providers.meta.feed import Reading
from providers.meta.inbox import Walk
from providers.meta.item import Inbox
from providers.push import Line, Subscription, Switchboard
from providers.quota import Quota
from providers.records import (
    Contact,
    OutgoingChat,
    OwnAddress,
    Page,
    Photo,
    Profile,
    Row,
    Submitted,
    Unreadable,
)

#: Which permission each part takes; pages are a part, too.
PAGES: Final = "pages"
NEEDED: Final = {
    FRIENDS: "user_friends", POSTS: "user_posts", PAGES: "pages_show_list", "page posts": "pages_read_engagement",
    "Messenger messages": MESSENGER, "Instagram messages": INSTAGRAM,
}  # fmt: skip
#: What is called for (webhooks/reference/page).
CALLED_FOR: Final = "messages,message_echoes,message_edits,message_reactions,feed"
PAGES_LISTED, MAX_PAGES = 50, 200
#: How the tasks end that let somebody read a page's messages: pages of the new kind put a word before.
READERS: Final = ("MESSAGING", "MODERATE", "MANAGE", "FULL_CONTROL")
ME_FIELDS: Final = "id,name,first_name,last_name,email,picture.width(256)"
PAGE_FIELDS: Final = "id,name,access_token,tasks,link,instagram_business_account{id,username}"


class Position(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The cursor. `until` (POSIX seconds) is when Facebook takes calls again."""

    version: int = 1
    until: float = 0.0
    friends: Census = msgspec.field(default_factory=Census)
    inboxes: dict[str, Walk] = {}
    posts: dict[str, Reading] = {}

    def next_run(self) -> None:
        """Every part is to be looked at again."""
        for walk in self.inboxes.values():
            walk.over = False
        for reading in self.posts.values():
            reading.over = False


class Facebook:
    """A person's account at Facebook."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._me = Person(id="")
        self._withheld: list[Row] = []

    async def profile(self) -> Profile:
        """Whose token it is, and what was granted."""
        graph = Graph(self._session, FACEBOOK)
        me = await self._who(graph, ME_FIELDS)
        own = [OwnAddress(value=address(me.id), kind="HANDLE", primary=True)]
        own += [OwnAddress(value=address(short(me.name)), kind="HANDLE")] if me.name else []  # as its exports name them
        own += [OwnAddress(value=me.email)] if me.email else []
        picture = me.picture.data
        return Profile(
            user_id=me.id,
            label=short(me.name) or me.id,
            own_addresses=tuple(own),
            base_url=self._session.account.base_url.rstrip("/"),
            granted_scopes=tuple(sorted(me.granted)),
            contact=Contact(
                key=me.id, relation="PROFILE", names=(name(me),) if me.name else (),
                photo=Photo(url=picture.url) if picture.url and not picture.is_silhouette else None,
            ),
        )  # fmt: skip

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What is new in inboxes, then posts, then friends where they are due.

        Raises ReauthRequired once the sign-in has ended, RateLimited where Facebook takes no more calls.
        """
        place = cursors.read(cursor, Position) or Position()
        ending = meta_signin.check_end(await self._session.credentials(), self._session.clock.now(), "Facebook")
        graph = Graph(self._session, FACEBOOK, until=place.until)
        self._withheld = [] if ending is None else [ending]

        def position() -> bytes:
            place.until = graph.until
            return cursors.written(place)

        trouble: RateLimited | None = None
        try:
            granted = (await self._who(graph)).granted
            pages = await self._managed(graph) if self._allowed(PAGES, granted) else []
            for inbox, token in self._inboxes(pages, granted):
                walk = place.inboxes.setdefault(inbox.container, Walk())
                if not walk.over:
                    async for page in self._part(meta_inbox.walk(graph, inbox, walk, position, token=token), inbox.container):
                        yield page
            for feed in self._feeds(pages, granted):
                reading = place.posts.setdefault(feed.container, Reading())
                if not reading.over:
                    async for page in self._part(meta_feed.walk(graph, feed, reading, position), feed.container):
                        yield page
            if self._allowed(FRIENDS, granted):
                async for page in self._part(facebook_friends.walk(graph, place.friends, position), FRIENDS):
                    yield page
            place.next_run()
        except RateLimited as error:
            trouble = error
        yield Page(rows=tuple(self._withheld), cursor=position(), done=trouble is None)
        if trouble is not None:
            raise trouble

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write into a conversation of a page's inbox (meta/sending.py)."""
        graph, inbox, token = await self._inbox(message.conversation)
        human = meta_signin.ticked(self._session.account.settings, "human_agent")
        return await meta_sending.say(graph, inbox, message, note, token=token, human=human)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Whether a message is in its conversation."""
        graph, inbox, token = await self._inbox(message.conversation)
        return await meta_sending.was_said(graph, inbox, message, step, token=token)

    async def join(self, line: Line) -> Subscription:
        """Have each page called for. Raises Refused where there is none."""
        graph = Graph(self._session, FACEBOOK)
        pages = [page for page in await self._managed(graph) if page.access_token]
        if not pages:
            raise Refused("There is no page to be called for.", provider_code="no-page")
        for page in pages:
            fields = [("subscribed_fields", CALLED_FOR)]
            await graph.tell(f"{page.id}/subscribed_apps", Success, {}, token=page.access_token, params=fields)
        ends = self._session.clock.now() + timedelta(days=1)
        return Subscription(key=pages[0].id, more=tuple(page.id for page in pages[1:]), expires_at=ends)

    async def leave(self) -> None:
        """Have no page called for any more."""
        graph = Graph(self._session, FACEBOOK)
        for page in await self._managed(graph):
            if page.access_token:
                await graph.drop(f"{page.id}/subscribed_apps", token=page.access_token)

    # --- what there is ----------------------------------------------------------------------------------------------

    async def _who(self, graph: Graph, fields: str = "id,name") -> Person:
        """Whose token it is, and what was allowed."""
        me = await graph.ask("me", Person, [("fields", f"{fields},permissions{{permission,status}}")])
        if not (me.id.isascii() and me.id.isdigit()) or me.permissions is None:
            raise Malformed("Facebook does not say whose token this is.", provider_code="me")
        self._me = me
        return me

    def _allowed(self, part: str, granted: frozenset[str]) -> bool:
        """Whether a part may be read; where not, the account says so."""
        if NEEDED[part] in granted:
            return True
        text = f"You did not allow {NEEDED[part]}: Facebook shows no {part}. Link the account again and allow it."
        self._withhold(part, text)
        return False

    def _withhold(self, part: str, text: str) -> None:
        item = Unreadable(key=part, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=part)
        self._withheld.append(Row(item=item))

    async def _part(self, pages: AsyncIterator[Page], part: str) -> AsyncIterator[Page]:
        """A part's pages; one that is refused is said, and leaves the others as they are."""
        try:
            async for page in pages:
                yield page
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            self._withhold(part, f"{error.message} ({part}) Link the account again and allow all of it.")

    async def _managed(self, graph: Graph) -> list[OwnPage]:
        """The pages that the user manages, with their tokens."""
        found: list[OwnPage] = []
        after = ""
        for _ in range(MAX_PAGES):
            asked = [("fields", PAGE_FIELDS), ("limit", str(PAGES_LISTED)), *([("after", after)] if after else [])]
            try:
                answer = await graph.ask("me/accounts", Edge, asked)
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                self._withhold(PAGES, f"{error.message} (pages) Link the account again and allow {NEEDED[PAGES]}.")
                return found
            pages, broken = readable(answer.data, OwnPage, PAGES)
            found += [page for page in pages if page.id.isascii() and page.id.isdigit()]
            self._withheld += broken
            if not answer.after:
                return found
            if answer.after == after:
                break
            after = answer.after
        raise Malformed("Facebook's list of pages does not end, or goes in circles.", provider_code="paging")

    def _inboxes(self, pages: list[OwnPage], granted: frozenset[str]) -> list[tuple[Inbox, str]]:
        """The inboxes that may be read, each with the token of its page."""
        readers = [page for page in pages if page.access_token and reads(page)]
        for page in pages:
            if page not in readers:
                text = f"You may not read the messages of the page {short(page.name) or page.id}: ask its owner for the task Messages."
                self._withhold(f"messages of {page.id}", text)
        found = []
        if readers and self._allowed("Messenger messages", granted):
            found += [(inbox_of(page, "messenger", self._me.id), page.access_token) for page in readers]
        linked = [page for page in readers if page.instagram_business_account is not None]
        if (
            linked
            and not meta_signin.ticked(self._session.account.settings, "leave_instagram")
            and self._allowed("Instagram messages", granted)
        ):
            found += [(inbox_of(page, "instagram", self._me.id), page.access_token) for page in linked]
        return found

    def _feeds(self, pages: list[OwnPage], granted: frozenset[str]) -> list[meta_feed.Feed]:
        """Whose posts are read, where, and with which token."""
        me = address(self._me.id)
        found: list[meta_feed.Feed] = []
        if self._allowed(POSTS, granted):
            found.append(facebook_item.feed(Whose(owner=self._me.id, name=self._me.name, me=me), "me/posts", None))
        mine = [page for page in pages if page.access_token]
        if mine and self._allowed("page posts", granted):
            found += [
                facebook_item.feed(
                    Whose(owner=page.id, name=page.name, me=me, page=page.id), f"{page.id}/feed", page.access_token
                )
                for page in mine
            ]
        return found

    async def _inbox(self, conversation: str) -> tuple[Graph, Inbox, str]:
        """The inbox that a conversation is in. Raises ReauthRequired (`scope`) where writing was not allowed, Refused without the page."""
        graph = Graph(self._session, FACEBOOK)
        owner, _, thread = conversation.partition("/")
        granted = (await self._who(graph)).granted
        page = next((page for page in await self._managed(graph) if page.id == owner and page.access_token), None)
        if page is None:
            raise Refused("You do not manage the page of this conversation any more.", provider_code="not-found")
        # a Messenger conversation is called t_ and a number (graph-api/reference/conversation)
        platform = "messenger" if thread.startswith("t_") else "instagram"
        needed = MESSENGER if platform == "messenger" else INSTAGRAM
        if needed not in granted:
            raise ReauthRequired(
                f"Facebook was not allowed to send: link the account again and allow {needed}.", provider_code="scope"
            )
        return graph, inbox_of(page, platform, self._me.id), page.access_token


def reads(page: OwnPage) -> bool:
    """Whether the user may read the page's messages; where Facebook does not tell, it is tried."""
    return page.tasks is None or any(task.endswith(READERS) for task in page.tasks)


def inbox_of(page: OwnPage, platform: str, me: str) -> Inbox:
    """A page's inbox; that of Instagram is its linked account's."""
    linked = page.instagram_business_account
    own = {page.id} if platform == "messenger" or linked is None else {page.id, linked.id, linked.username} - {""}
    shown = short(page.name) if platform == "messenger" or linked is None else linked.username or short(page.name)
    return Inbox(owner=page.id, platform=platform, name=shown, me=address(me), own=frozenset(own))


def switchboard(line: Line) -> Switchboard:
    return meta_webhook.Operator(line, "page")


def _open(session: Session) -> Adapter:
    return Facebook(session)


PROVIDER = Provider(
    key=KEY,
    name="Facebook",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "SEND", "ACTIVITIES", "PUSH", "IMPORT", "MIRROR"}),
    limitations=(
        "Facebook gives no personal inbox, no friends but those who use the same app, and no groups or events: the export has these.",
        "Messages are those of pages that you manage, and of the Instagram accounts that belong to them.",
        "A page may answer within 24 hours of the other's last message, and writes to nobody first.",
        "What was edited or taken back is seen where its conversation has news, or is one of the latest ten of the last day.",
        "Files of messages are named, not kept.",
        "A sign-in ends after 60 days, or when its data access ends: sign in again when the account says so.",
        "An export is a snapshot: friends in it have a name and nothing else, and messages no ids.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with Facebook",
            fields=(
                FormField(
                    name="leave_instagram",
                    label="Leave out Instagram messages of my pages",
                    kind="CHECKBOX",
                    required=False,
                    help="Where the Instagram account is linked by itself, so that its messages are not here twice.",
                ),
                meta_signin.HUMAN_AGENT,
            ),
            help="Needs an app of this installation's own. You choose there which pages and what of them Kith may read.",
            help_url=CONSOLE,
            scopes=SCOPES,
        ),
    ),
    archive_formats=("FACEBOOK",),
    quota=Quota(
        calls=200,
        seconds=3600.0,
        concurrency=2,
        sentence="Facebook allows an app 200 calls an hour for each of its users, and more for pages.",
    ),
    docs_path="docs/providers/facebook.md",
    poll_seconds=900,
    default_url=GRAPH,
    open=_open,
    authorize=facebook_signin.authorize,
    own_client=True,
    send_scopes=frozenset({MESSENGER, INSTAGRAM}),
    sign_in=facebook_signin.sign_in,
    give_back=facebook_signin.give_back,
    switchboard=switchboard,
    line="facebook_webhooks",
    archive=FacebookArchive(),
    files_by_name=True,
)
