"""GitHub, mirrored: whom you follow, who follows you and with whom you work as contacts; issues, pull requests and discussions that
you take part in as conversations.

People come by GraphQL in whole walks, which begin when the viewer's own record says that something changed (a conditional request,
which GitHub does not count) and once a day. Threads come latest updated first by search, a stretch of time after the other, since a
search tells no more than its first thousand; later runs go down to where the last one began. What is unread comes from the
notifications, what people do from their events (`github_events.py`). Every GraphQL query here costs one point: the sizes of its pages
see to that. Knows nothing of repositories' contents or writing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from datetime import timedelta
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from providers import cursors, github_events, github_thread
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.entries import readable
from providers.errors import CursorExpired, Malformed, ReauthRequired, Refused, Unavailable
from providers.github_api import (
    HOME,
    KEY,
    SCOPES,
    TOKENS,
    Problem,
    authorize,
    base_url,
    decoded,
    failure,
    get,
    query,
    site,
)
from providers.github_person import PERSON, Actor, Count, User, contact, instant, short
from providers.github_thread import FEW, Connection, PageInfo, Post, Rest, Thread
from providers.http import Response, Session
from providers.quota import Quota
from providers.records import (
    Gone,
    MessageState,
    OwnAddress,
    Page,
    Profile,
    Relation,
    Row,
    Statement,
    Unreadable,
)

FOLLOWS: Final = "follows"
#: 1 + 49 lists of social accounts + 49 counts of followers: 99 requests, one point.
LISTED: Final = 49
ORGANIZATIONS_PAGE: Final = 50
REPOSITORIES_PAGE: Final = 98
COLLABORATORS: Final = 100
THREADS: Final = 8
NOTIFICATIONS: Final = 50  # the most that a page may have
#: Whoever shares an organisation with more people than this is no acquaintance for it.
KNOWN: Final = 100
MAX_PAGES: Final = 10_000
EVENTS: Final = 100
EVENT_PAGES: Final = 3  # GitHub keeps 300
INBOX_PAGES: Final = 20  # a thousand threads; what is older in the inbox counts as read
#: The lists of people in the order of a walk.
FOLLOWING, FOLLOWERS, ORGANIZATIONS, REPOSITORIES = "following", "followers", "organizations", "repositories"
LISTS: Final = (FOLLOWING, FOLLOWERS, ORGANIZATIONS, REPOSITORIES)
#: A walk that was taken up in the middle has ended: the rest of the run comes first, then everybody is listed once more.
ENDED: Final = "ended"
#: Where the contacts of each list are kept: what GitHub withholds of one says nothing about another.
CONTAINERS: Final = {FOLLOWING: FOLLOWS, FOLLOWERS: FOLLOWS, ORGANIZATIONS: ORGANIZATIONS, REPOSITORIES: REPOSITORIES}
#: Refusals of one part that leave the others as they are.
PARTIAL: Final = frozenset({"scope", "sso", "403", "FORBIDDEN", "not-found"})
SEARCHES: Final = {"issues": github_thread.ISSUES, "discussions": github_thread.DISCUSSIONS}
MINE: Final = "involves:@me sort:updated-desc"
#: GitHub's search runs behind its data; what was updated so shortly before the last one is looked for again.
OVERLAP: Final = timedelta(minutes=10)
#: Everybody is listed anew so often, though nothing seems to have changed.
CENSUS: Final = timedelta(days=1)
#: "X-Poll-Interval" of the notifications, where it is missing.
POLL_SECONDS: Final = 60

_PEOPLE_PAGE: Final = "{{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ ...Person }} }}"
FOLLOWS_OF: Final = {
    walk: f"query {walk.title()}($first: Int!, $after: String) {{ viewer {{ "
    f"people: {walk}(first: $first, after: $after) {_PEOPLE_PAGE.format()} }} }}" + PERSON
    for walk in (FOLLOWING, FOLLOWERS)
}
ORGANIZATIONS_OF: Final = (
    "query Organizations($first: Int!, $after: String) { viewer { organizations(first: $first, after: $after) { "
    "pageInfo { hasNextPage endCursor } nodes { id login membersWithRole(first: 1) { totalCount } } } } }"
)
MEMBERS: Final = (
    "query Members($id: ID!, $first: Int!, $after: String) { node(id: $id) { ... on Organization { "
    f"people: membersWithRole(first: $first, after: $after) {_PEOPLE_PAGE.format()} }} }} }}" + PERSON
)
COLLABORATORS_OF: Final = (
    "query Collaborators($first: Int!, $after: String, $most: Int!) { viewer { "
    "repositories(first: $first, after: $after, ownerAffiliations: [OWNER]) { pageInfo { hasNextPage endCursor } "
    "nodes { collaborators(first: $most) { nodes { id isViewer viewerIsFollowing isFollowingViewer } } } } } }"
)
PROFILES: Final = "query Profiles($ids: [ID!]!) { nodes(ids: $ids) { ...Person } }" + PERSON
ME: Final = "query Me { viewer { ...Person } }" + PERSON


Each = TypeVar("Each")


class Me(msgspec.Struct, frozen=True):
    """GET /user."""

    id: int
    login: str
    type: str


class OwnEmail(msgspec.Struct, frozen=True):
    """GET /user/emails."""

    email: str
    primary: bool = False
    verified: bool = False


class Subject(msgspec.Struct, frozen=True):
    type: str
    url: str | None = None


class Home(msgspec.Struct, frozen=True):
    full_name: str


class Notification(msgspec.Struct, frozen=True):
    """GET /notifications."""

    id: str
    updated_at: str
    subject: Subject
    repository: Home
    last_read_at: str | None = None

    @property
    def thread(self) -> tuple[str, str, int] | None:
        """Owner, repository and number, of an issue or a pull request; the others name no thread (a discussion's url is null)."""
        owner, _, name = self.repository.full_name.partition("/")
        number = (self.subject.url or "").rpartition("/")[2]
        if self.subject.type not in ("Issue", "PullRequest") or not name or not (number.isascii() and number.isdigit()):
            return None
        return owner, name, int(number[:9])


class Organization(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    login: str
    members_with_role: Count | None = None


class Organizations(msgspec.Struct, frozen=True, rename="camel"):
    page_info: PageInfo
    nodes: list[Organization | None] | None = None


class Collaborator(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    is_viewer: bool = False
    viewer_is_following: bool = False
    is_following_viewer: bool = False


class Collaborators(msgspec.Struct, frozen=True):
    nodes: list[Collaborator | None] | None = None


class Repository(msgspec.Struct, frozen=True):
    collaborators: Collaborators | None = None


class Repositories(msgspec.Struct, frozen=True, rename="camel"):
    page_info: PageInfo
    nodes: list[Repository | None] | None = None


class Users(msgspec.Struct, frozen=True, rename="camel"):
    total_count: int
    page_info: PageInfo
    nodes: list[msgspec.Raw] | None = None


class Listed(msgspec.Struct, frozen=True):
    people: Users | None = None
    organizations: Organizations | None = None
    repositories: Repositories | None = None


class Viewer(msgspec.Struct, frozen=True):
    viewer: Listed


class Node(msgspec.Struct, frozen=True):
    node: Listed | None = None


class Own(msgspec.Struct, frozen=True):
    viewer: User


class Nodes(msgspec.Struct, frozen=True):
    nodes: list[msgspec.Raw]


class Results(msgspec.Struct, frozen=True, rename="camel"):
    page_info: PageInfo
    nodes: list[msgspec.Raw] | None = None


class Found(msgspec.Struct, frozen=True):
    search: Results


class Search(msgspec.Struct, omit_defaults=True):
    """Where a search stands. All that was updated before `floor` has been read; a walk that goes on began at `top`, has come down to
    `at`, and to GitHub's own place `after` among the threads of that second. `recent` are the threads near the floor, as updated then."""

    floor: str = ""
    top: str = ""
    at: str = ""
    after: str = ""
    recent: dict[str, str] = {}


class Waiting(msgspec.Struct, omit_defaults=True):
    """A thread of the inbox: when it was updated, up to when it was read, and which messages of it are unread."""

    updated: str
    read: str = ""
    thread: str = ""
    keys: list[str] = []


class Feed(msgspec.Struct, omit_defaults=True):
    """A list of events: its ETag, the latest event of it, and when it may be asked for again (POSIX seconds)."""

    etag: str = ""
    latest: int = 0
    ask_after: float = 0.0


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor.

    `walk` is the list of people that goes on, `after` the place in it. `user` is the ETag of the viewer's own record and `listed` the
    time (POSIX seconds) of the last walk that saw everybody; `colleagues` are whom it met only in organisations and repositories.
    `inbox` is the notifications' Last-Modified, `ask_after` when they may be asked for again.
    """

    walk: str = ""
    after: str = ""
    user: str = ""
    login: str = ""
    listed: float = 0.0
    withheld: dict[str, str] = {}  # what the last walk was not shown, in sentences: said again with each run
    colleagues: list[str] = []
    searches: dict[str, Search] = {}
    inbox: str = ""
    ask_after: float = 0.0
    tells: bool = False  # whether the notifications are shown to us at all
    unread: dict[str, Waiting] = {}
    feeds: dict[str, Feed] = {}
    version: int = 1


class GitHub:
    """An account at github.com or at an Enterprise Server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._met: set[str] = set()  # users of whom this run has spoken
        self._seen: set[str] = set()  # threads likewise

    async def profile(self) -> Profile:
        """Whose token it is, and what it may. Raises Refused where there is no GitHub, or the token is not a person's."""
        answer = await self._user({})
        assert answer is not None  # only a conditional request has no answer
        me = decoded(answer, Me)
        if me.type != "User":
            raise Refused("This token belongs to a program or an organisation, not to a person.", provider_code="not-a-person")
        own, problems = await query(self._session, ME, {}, Own)
        self._check(problems)
        site = "" if self._session.account.base_url != HOME else f"{me.id}+{me.login}@users.noreply.github.com"
        addresses = [OwnAddress(value=me.login, kind="HANDLE", primary=True)]
        addresses += [OwnAddress(value=each.email, primary=each.primary) for each in await self._emails() if each.verified]
        if site:  # the sender of the viewer's commits where the real address is kept private
            addresses.append(OwnAddress(value=site))
        scopes = answer.headers.get("x-oauth-scopes", "")
        return Profile(
            user_id=str(me.id),
            label=f"@{short(me.login)}",
            own_addresses=tuple(addresses),
            base_url=self._session.account.base_url,
            granted_scopes=tuple(scope.strip() for scope in scopes.split(",") if scope.strip()),
            contact=contact(own.viewer, "PROFILE", ""),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """People where anybody may have changed, then the inbox, the threads that were updated since, latest first, and what people did.

        Raises CursorExpired when GitHub does not know the place to go on from.
        """
        place = cursors.read(cursor, Position) or Position()
        if place.walk not in ("", ENDED, *LISTS):
            raise CursorExpired("The stored position cannot be read: everything is listed again.")
        known = {"If-None-Match": place.user} if place.user and place.login and not place.walk else {}
        answer = await self._user(known)
        if answer is not None:
            place.login = short(decoded(answer, Me).login)
        due = answer is not None or self._now() - place.listed > CENSUS.total_seconds()
        if due and place.walk != ENDED:
            etag = place.user if answer is None else answer.headers.get("etag", "")
            async for page in self._people(place, etag):
                yield page
        async for page in self._inbox(place):
            yield page
        for name in SEARCHES:
            async for page in self._threads(place, name):
                yield page
        for name in github_events.FEEDS:
            async for page in self._events(place, name):
                yield page
        place.walk = ""
        rows = tuple(_skipped(key, text) for key, text in place.withheld.items())
        yield Page(rows=rows, cursor=cursors.written(place), done=True)

    # --- people -----------------------------------------------------------------------------------------------------

    async def _people(self, place: Position, etag: str) -> AsyncIterator[Page]:
        """All lists of people; a walk that was not interrupted ends with all their keys, any other is followed by one."""
        whole = not place.walk
        if whole:
            place.walk, place.after, place.colleagues, place.withheld = LISTS[0], "", [], {}
        place.user = ""
        keys: dict[str, set[str]] = {container: set() for container in CONTAINERS.values()}
        withheld: set[str] = set()
        total = 0
        for walk in LISTS[LISTS.index(place.walk) :]:
            container = CONTAINERS[walk]
            if walk != place.walk:
                place.walk, place.after = walk, ""
            async for users, broken, count, after in self._list(walk, place.after):
                rows: list[Row] = []
                for row in broken:
                    withheld.add(container)
                    if isinstance(row.item, Unreadable) and row.item.reason == "FORBIDDEN":
                        place.withheld[row.item.key] = row.item.message
                    else:
                        rows.append(row)
                total += count
                for user in users:
                    if user.key in self._met or user.is_viewer or not _belongs(user, walk):
                        continue
                    keys[container].add(user.key)
                    self._met.add(user.key)
                    rows.append(Row(item=contact(user, _relation(user), container)))
                    if container != FOLLOWS:
                        place.colleagues.append(user.key)
                place.after = after
                if rows:
                    yield Page(rows=tuple(rows), cursor=cursors.written(place), total=total or None)
        statements: tuple[Statement, ...] = ()
        place.walk, place.after = ENDED, ""
        if whole:
            place.walk, place.user, place.listed = "", etag, self._now()
            statements = tuple(
                Statement(container=container, kind="CONTACT", expected=len(some), keys=frozenset(some))
                for container, some in keys.items()
                if container not in withheld
            )
        yield Page(cursor=cursors.written(place), statements=statements)

    async def _list(self, walk: str, after: str) -> AsyncIterator[tuple[list[User], list[Row], int, str]]:
        """A list of people from `after` on, page by page: them, what could not be read, how many more there are, and the next place."""
        match walk:
            case "organizations":
                organizations, broken = await self._allowed(walk, self._organizations())
                if broken:
                    yield [], broken, 0, after
                for number, organization in enumerate(organizations):
                    if number >= _done(after):  # one organisation's own rules are no reason to stop
                        some, broken = await self._allowed(f"{walk}/{organization.login}", self._members(organization))
                        users, unread = readable(some, User, ORGANIZATIONS)
                        yield users, broken + unread, len(users), str(number + 1)
            case "repositories":
                ids, broken = await self._allowed(walk, self._collaborators())
                if broken:
                    yield [], broken, 0, after
                for start in range(_done(after), len(ids), LISTED):
                    users, broken = await self._profiles(ids[start : start + LISTED])
                    yield users, broken, len(users), str(start + LISTED)
            case _:
                first = True
                async for page in self._connection(FOLLOWS_OF[walk], {}, after):
                    users, broken = readable(page.nodes or (), User, FOLLOWS)
                    yield users, broken, page.total_count if first else 0, page.page_info.end_cursor or ""
                    first = False

    async def _connection(self, document: str, variables: dict[str, str], after: str) -> AsyncIterator[Users]:
        """A list of users from `after` on."""
        known = {after}
        for _ in range(MAX_PAGES):
            asked = {**variables, "first": LISTED, "after": after or None}
            if "$id" in document:
                answer, problems = await query(self._session, document, asked, Node)
                listed = answer.node
            else:
                found, problems = await query(self._session, document, asked, Viewer)
                listed = found.viewer
            self._check(problems)
            if listed is None or listed.people is None:
                return
            yield listed.people
            if not listed.people.page_info.has_next_page:
                return
            after = listed.people.page_info.end_cursor or ""
            if after in known:
                raise Malformed("GitHub's list goes in circles.", provider_code="paging")
            known.add(after)
        raise Malformed("GitHub's list does not end.", provider_code="paging")

    async def _allowed(self, key: str, asked: Awaitable[list[Each]]) -> tuple[list[Each], list[Row]]:
        """What was asked for, or a row that says why the token does not get it."""
        try:
            return await asked, []
        except (Refused, ReauthRequired) as error:
            if error.provider_code not in PARTIAL:
                raise
            return [], [_skipped(key, error.message)]

    async def _organizations(self) -> list[Organization]:
        """The viewer's organisations that are small enough for their members to know each other."""
        found: list[Organization] = []
        after: str | None = None
        while True:
            asked = {"first": ORGANIZATIONS_PAGE, "after": after}
            answer, problems = await query(self._session, ORGANIZATIONS_OF, asked, Viewer)
            page = answer.viewer.organizations
            if page is None or not page.nodes:
                self._check(problems)
                return found
            for each in page.nodes:
                if each is not None and each.members_with_role is not None and each.members_with_role.total_count <= KNOWN:
                    found.append(each)
            if not page.page_info.has_next_page or page.page_info.end_cursor in (None, after):
                return found
            after = page.page_info.end_cursor

    async def _members(self, organization: Organization) -> list[msgspec.Raw]:
        pages = self._connection(MEMBERS, {"id": organization.id}, "")
        return [each async for page in pages for each in page.nodes or ()]

    async def _collaborators(self) -> list[str]:
        """The node ids of those who may write to the viewer's own repositories, and are in no list of follows."""
        ids: set[str] = set()
        after: str | None = None
        while True:
            asked = {"first": REPOSITORIES_PAGE, "after": after, "most": COLLABORATORS}
            answer, problems = await query(self._session, COLLABORATORS_OF, asked, Viewer)
            page = answer.viewer.repositories
            if page is None or not page.nodes:
                self._check(problems)
                return sorted(ids)
            for repository in page.nodes:
                if repository is not None and repository.collaborators is not None:
                    for each in repository.collaborators.nodes or ():
                        if each is not None and not (each.is_viewer or each.viewer_is_following or each.is_following_viewer):
                            ids.add(each.id)
            if not page.page_info.has_next_page or page.page_info.end_cursor in (None, after):
                return sorted(ids)
            after = page.page_info.end_cursor

    async def _profiles(self, ids: Sequence[str]) -> tuple[list[User], list[Row]]:
        answer, _ = await query(self._session, PROFILES, {"ids": list(ids)}, Nodes)
        return readable(answer.nodes, User, REPOSITORIES)

    # --- the inbox --------------------------------------------------------------------------------------------------

    async def _inbox(self, place: Position) -> AsyncIterator[Page]:
        """What is unread. Threads that are new there are read; of those that are gone from it all is read."""
        if self._now() < place.ask_after:
            return
        known = {"If-Modified-Since": place.inbox} if place.inbox else {}
        try:
            answer = await get(self._session, "/notifications", {"per_page": str(NOTIFICATIONS)}, unless=known)
            if answer is None:
                return
            modified, pause = answer.headers.get("last-modified", ""), answer.headers.get("x-poll-interval", "")
            listed = await self._notifications(answer)
        except Refused as error:
            if error.provider_code not in PARTIAL:
                raise
            place.tells, place.inbox = False, ""
            text = f"Which threads are unread is not shown: {error.message} Fine-grained tokens never may; others need notifications."
            yield Page(rows=(_skipped("notifications", text),), cursor=cursors.written(place))
            return
        place.tells = True
        wanted = {f"{o}/{n}#{i}".casefold(): (note, (o, n, i)) for note in listed if (t := note.thread) for o, n, i in [t]}
        read = [place.unread.pop(name) for name in sorted(set(place.unread) - set(wanted))]
        rows = [Row(item=MessageState(key=key, container=one.thread, unread=False)) for one in read for key in one.keys]
        if rows:
            yield Page(rows=tuple(rows), cursor=cursors.written(place))
        new = [name for name, (note, _) in wanted.items() if not _same(place.unread.get(name), note)]
        for start in range(0, len(new), THREADS):
            some = new[start : start + THREADS]
            for name in some:
                note = wanted[name][0]
                place.unread[name] = Waiting(updated=note.updated_at, read=note.last_read_at or "")
            threads = await self._by_number([wanted[name][1] for name in some])
            page, statements = await self._rows(place, [thread for thread in threads if thread is not None])
            for name, thread in zip(some, threads, strict=True):
                if thread is None:
                    page.append(_skipped(name, "This thread is in your inbox, and the token may not read it."))
            yield Page(rows=tuple(page), statements=statements, cursor=cursors.written(place))
        place.inbox = modified
        place.ask_after = self._after(pause)

    async def _notifications(self, first: Response) -> list[Notification]:
        """All that are unread, from the first page on."""
        found: list[Notification] = []
        answer: Response | None = first
        for number in range(2, INBOX_PAGES + 2):
            if answer is None:
                break
            found += decoded(answer, list[Notification])
            if "next" not in answer.links() or number > INBOX_PAGES:
                break
            answer = await get(self._session, "/notifications", {"per_page": str(NOTIFICATIONS), "page": str(number)})
        return found

    async def _by_number(self, places: Sequence[tuple[str, str, int]]) -> list[Thread | None]:
        document, variables = github_thread.by_number(places)
        answer, _ = await query(self._session, document, variables, dict[str, github_thread.Named | None])
        named = [answer.get(f"t{n}") for n in range(len(places))]
        return [None if each is None else each.issue_or_pull_request for each in named]

    # --- threads ----------------------------------------------------------------------------------------------------

    async def _threads(self, place: Position, name: str) -> AsyncIterator[Page]:
        """The threads of one kind that were updated since the last run, all of them in the first one; resumable after each page."""
        search = place.searches.setdefault(name, Search())
        size = THREADS
        for _ in range(MAX_PAGES):
            asked = {"query": _words(search), "first": size, "after": search.after or None, "few": FEW}
            try:
                answer, _ = await query(self._session, SEARCHES[name], asked, Found)
            except Unavailable:
                if size == 1:
                    raise
                size //= 2  # GitHub gives up on a query after ten seconds: a smaller one may do
                continue
            found, broken = readable(answer.search.nodes or (), Thread, name)
            new = [t for t in found if t.id not in self._seen and search.recent.get(t.id) != t.updated_at]
            rows, statements = await self._rows(place, new)
            ended = not answer.search.page_info.has_next_page
            _advance(search, found, answer.search.page_info, ended=ended)
            if broken or rows:
                yield Page(rows=(*broken, *rows), statements=statements, cursor=cursors.written(place))
            if ended:
                return
        raise Malformed("GitHub's search does not end.", provider_code="paging")

    async def _rows(self, place: Position, threads: Sequence[Thread]) -> tuple[list[Row], tuple[Statement, ...]]:
        """Threads with all that is in them, and the profiles of whoever writes there."""
        rows: list[Row] = []
        statements: list[Statement] = []
        writers: dict[str, Actor] = {}
        for thread in threads:
            self._seen.add(thread.id)
            try:
                posts, reviews = await self._whole(thread)
            except Refused as error:
                if error.provider_code != "not-found":
                    raise
                rows.append(Row(item=Gone(kind="CONVERSATION", key=thread.id)))
                continue
            waiting = place.unread.get(thread.place.casefold())
            read = instant(waiting.read) if waiting is not None else None
            found = github_thread.messages(thread, posts, place.login, read, (waiting is not None) if place.tells else None)
            if waiting is not None:
                waiting.thread, waiting.keys = thread.id, [one.key for one in found if one.unread]
            rows += [Row(item=one) for one in found]
            rows.append(Row(item=github_thread.head(thread, found)))
            statements.append(github_thread.statement(thread, posts, reviews))
            writers |= {one.id: one for one in github_thread.people([thread, *posts]) if one.id is not None}
        strangers = [id_ for id_, one in writers.items() if one.key not in self._met and one.key not in place.colleagues]
        for start in range(0, len(strangers), LISTED):
            users, broken = await self._profiles(strangers[start : start + LISTED])
            rows += broken
            # of those in a list of follows the list itself speaks
            rows += [Row(item=contact(user, "CORRESPONDENT", "")) for user in users if _relation(user) == "MEMBER"]
            self._met.update(user.key for user in users)
        return rows, tuple(statements)

    async def _whole(self, thread: Thread) -> tuple[list[Post], list[Post]]:
        """All posts of a thread but the opening one, and those of them that are reviews. Raises Refused when it is gone meanwhile."""
        discussion = thread.reviews is None and _has_replies(thread.comments)
        document = github_thread.REST_OF_ANSWERED if discussion else github_thread.REST_OF_COMMENTS
        posts = await self._rest(thread.id, thread.comments, document)
        for comment in list(posts):
            posts += await self._rest(comment.id, comment.replies, github_thread.REST_OF_REPLIES)
        reviews = await self._rest(thread.id, thread.reviews, github_thread.REST_OF_REVIEWS)
        posts += reviews
        for review in reviews:
            if review.state != github_thread.UNSENT:
                posts += await self._rest(review.id, review.comments, github_thread.REST_OF_REMARKS)
        return posts, reviews

    async def _rest(self, id_: str, connection: Connection | None, document: str) -> list[Post]:
        """A list of posts to its end."""
        posts: list[Post] = []
        known: set[str] = set()
        while connection is not None:
            posts += [each for each in connection.nodes or () if each is not None]
            if not connection.page_info.has_next_page:
                break
            after = connection.page_info.end_cursor or ""
            if after in known:
                raise Malformed("GitHub's list goes in circles.", provider_code="paging")
            known.add(after)
            asked = {"id": id_, "after": after, **({"few": FEW} if "$few" in document else {})}
            answer, _ = await query(self._session, document, asked, Rest)
            if answer.node is None or answer.node.rest is None:
                raise Refused("This thread is not there any more.", provider_code="not-found")
            connection = answer.node.rest
        return posts

    # --- what people do ---------------------------------------------------------------------------------------------

    async def _events(self, place: Position, name: str) -> AsyncIterator[Page]:
        """The events of one list that are new, the latest first; the list is known up to there once all of them were handed over."""
        feed = place.feeds.setdefault(name, Feed())
        if self._now() < feed.ask_after or not place.login:
            return
        where = site(self._session.account.base_url)
        latest, etag, pause = feed.latest, "", ""
        for number in range(1, EVENT_PAGES + 1):
            asked = {"per_page": str(EVENTS), "page": str(number)}
            known = {"If-None-Match": feed.etag} if feed.etag and number == 1 else {}
            try:
                answer = await get(self._session, f"/users/{quote(place.login, safe='')}/{name}", asked, unless=known)
            except Refused as error:
                if error.provider_code not in PARTIAL:
                    raise
                yield Page(
                    rows=(_skipped(name, f"What people do was not shown: {error.message}"),), cursor=cursors.written(place)
                )
                return
            if answer is None:
                feed.ask_after = self._after("")
                return
            if number == 1:
                etag, pause = answer.headers.get("etag", ""), answer.headers.get("x-poll-interval", "")
            listed = decoded(answer, list[msgspec.Raw])
            rows: list[Row] = []
            old = False
            for raw in listed:
                events, broken = readable([raw], github_events.Event, name)
                rows += broken
                for event in events:
                    old = old or event.number <= feed.latest
                    if event.number > feed.latest:
                        latest = max(latest, event.number)
                        if (found := github_events.activity(event, where, name, bytes(raw))) is not None:
                            rows.append(Row(item=found))
            if rows:
                yield Page(rows=tuple(rows), cursor=cursors.written(place))
            if old or "next" not in answer.links():
                break
        feed.etag, feed.latest = etag, latest
        feed.ask_after = self._after(pause)

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _user(self, unless: dict[str, str]) -> Response | None:
        try:
            return await get(self._session, "/user", unless=unless)
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            raise Refused(
                f"There is no GitHub at {self._session.home.host}. Check the address.", provider_code="no-server"
            ) from error

    async def _emails(self) -> list[OwnEmail]:
        """The viewer's own addresses, where the token may see them."""
        try:
            answer = await get(self._session, "/user/emails", {"per_page": "100"})
            return [] if answer is None else decoded(answer, list[OwnEmail])
        except Refused:
            return []  # worth having, not worth failing for

    def _check(self, problems: Iterable[Problem]) -> None:
        """A list of people that is not shown in full is no list to compare with. Raises ReauthRequired."""
        for problem in problems:
            if problem.narrow or problem.single_sign_on:
                raise failure(self._session, problem)

    def _after(self, interval: str) -> float:
        """When a list may be asked for again: `X-Poll-Interval`, in seconds."""
        return self._now() + (int(interval[:4]) if interval.isascii() and interval.isdigit() else POLL_SECONDS)

    def _now(self) -> float:
        return self._session.clock.now().timestamp()


def _skipped(key: str, text: str) -> Row:
    return Row(item=Unreadable(key=key, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=key.partition("/")[0]))


def _belongs(user: User, walk: str) -> bool:
    """Who is in several lists comes with the first one: each user says whether they are in a list of follows."""
    if walk == FOLLOWING:
        return True
    return not user.viewer_is_following and (walk == FOLLOWERS or not user.is_following_viewer)


def _relation(user: User) -> Relation:
    if user.viewer_is_following:
        return "CONNECTION" if user.is_following_viewer else "FOLLOWING"
    return "FOLLOWER" if user.is_following_viewer else "MEMBER"


def _words(search: Search) -> str:
    """The search that a walk goes on with (search-github/searching-on-github/searching-issues-and-pull-requests)."""
    floor = instant(search.floor)
    lower = "" if floor is None else (floor - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
    if lower and search.at:
        return f"{MINE} updated:{lower}..{search.at}"
    if lower:
        return f"{MINE} updated:>={lower}"
    return f"{MINE} updated:<={search.at}" if search.at else MINE


def _advance(search: Search, found: Sequence[Thread], page: PageInfo, *, ended: bool) -> None:
    """Go down to the oldest thread of a page, whose second is asked for again, or within it where it fills the whole page."""
    search.top = max([search.top, *(thread.updated_at for thread in found)])
    search.recent |= {thread.id: thread.updated_at for thread in found}
    if ended:
        search.floor, search.top, search.at, search.after = max(search.floor, search.top), "", "", ""
    elif found and found[-1].updated_at != search.at:
        search.at, search.after = found[-1].updated_at, ""
    else:
        search.after = page.end_cursor or ""
    edge = instant(search.floor or search.top)
    if edge is not None:
        search.recent = {id_: at for id_, at in search.recent.items() if (instant(at) or edge) >= edge - OVERLAP}


def _same(waiting: Waiting | None, note: Notification) -> bool:
    return waiting is not None and (waiting.updated, waiting.read) == (note.updated_at, note.last_read_at or "")


def _has_replies(connection: Connection | None) -> bool:
    return any(each is not None and each.replies is not None for each in (connection.nodes if connection else None) or ())


def _done(after: str) -> int:
    return int(after[:9]) if after.isascii() and after.isdigit() else 0


def _open(session: Session) -> Adapter:
    return GitHub(session)


_SERVER = FormField(
    name="server",
    label="Server",
    required=False,
    placeholder="github.com",
    help="Only for GitHub Enterprise: its address, such as github.example.org.",
)

PROVIDER = Provider(
    key=KEY,
    name="GitHub",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "READ_STATE", "ACTIVITIES", "MIRROR"}),
    marks=frozenset(),
    limitations=(
        "GitHub has no private messages, and does not tell since when somebody follows you.",
        "E-mail addresses are shown only where their owners made them public.",
        "GitHub checks none of the links in a profile.",
        "Private repositories are shown only to a token that may read them.",
        "What is unread is told neither to fine-grained tokens nor of discussions. It is marked as read at GitHub only, not from here.",
        "There is no list of changes: who was unfollowed is seen when all follows have been listed again.",
    ),
    link_forms=(
        LinkForm(
            method="TOKEN",
            label="Access token",
            fields=(
                FormField(name="access_token", label="Access token", kind="PASSWORD", secret=True, placeholder="ghp_…"),
                _SERVER,
            ),
            help=f"A classic token with the scopes {', '.join(SCOPES)}; with repo it shows private repositories, too.",
            help_url=TOKENS,
            scopes=SCOPES,
        ),
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with GitHub",
            fields=(_SERVER,),
            help="Kith asks to read your profile, addresses, organisations and notifications. Needs a client of this installation's own.",
            help_url="https://github.com/settings/developers",
            scopes=SCOPES,
        ),
    ),
    quota=Quota(
        calls=5000,
        seconds=3600.0,
        concurrency=2,
        sentence="GitHub allows 5,000 calls an hour to a user; 49 people or 8 threads are one.",
    ),
    docs_path="docs/providers/github.md",
    poll_seconds=900,
    open=_open,
    authorize=authorize,
    base_url=base_url,
)
