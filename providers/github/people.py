"""The people of a GitHub account, by GraphQL: whom one follows, who follows one, who shares a small organisation or a repository.

The four lists are walked one after the other, resumable at every page; a walk that was not interrupted ends with all its keys. What one
list does not show says nothing about another. Pages are as large as one point of GitHub's budget allows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from providers.entries import readable
from providers.errors import Malformed, ReauthRequired, Refused
from providers.github.api import Problem, failure, query
from providers.github.person import PERSON, Count, User, contact
from providers.github.run import MAX_PAGES, PARTIAL, Run, skipped
from providers.github.thread import PageInfo
from providers.http import Session
from providers.records import Page, Relation, Row, Statement, Unreadable

FOLLOWS: Final = "follows"
#: 1 + 49 lists of social accounts + 49 counts of followers: 99 requests, one point.
LISTED: Final = 49
ORGANIZATIONS_PAGE: Final = 50
REPOSITORIES_PAGE: Final = 98
COLLABORATORS: Final = 100
#: Whoever shares an organisation with more people than this is no acquaintance for it.
KNOWN: Final = 100
#: The lists of people in the order of a walk.
FOLLOWING, FOLLOWERS, ORGANIZATIONS, REPOSITORIES = "following", "followers", "organizations", "repositories"
LISTS: Final = (FOLLOWING, FOLLOWERS, ORGANIZATIONS, REPOSITORIES)
#: A walk that was taken up in the middle has ended: the rest of the run comes first, then everybody is listed once more.
ENDED: Final = "ended"
#: Where the contacts of each list are kept: what GitHub withholds of one says nothing about another.
CONTAINERS: Final = {FOLLOWING: FOLLOWS, FOLLOWERS: FOLLOWS, ORGANIZATIONS: ORGANIZATIONS, REPOSITORIES: REPOSITORIES}

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

Each = TypeVar("Each")


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


class Nodes(msgspec.Struct, frozen=True):
    nodes: list[msgspec.Raw]


async def people(run: Run, etag: str) -> AsyncIterator[Page]:
    """All lists of people; a walk that was not interrupted ends with all their keys, any other is followed by one."""
    place = run.place
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
        async for users, broken, count, after in _list(run, walk, place.after):
            rows: list[Row] = []
            for row in broken:
                withheld.add(container)
                if isinstance(row.item, Unreadable) and row.item.reason == "FORBIDDEN":
                    place.withheld[row.item.key] = row.item.message
                else:
                    rows.append(row)
            total += count
            for user in users:
                if user.key in run.met or user.is_viewer or not _belongs(user, walk):
                    continue
                keys[container].add(user.key)
                run.met.add(user.key)
                rows.append(Row(item=contact(user, relation(user), container)))
                if container != FOLLOWS:
                    place.colleagues.append(user.key)
            place.after = after
            if rows:
                yield Page(rows=tuple(rows), cursor=run.cursor(), total=total or None)
    statements: tuple[Statement, ...] = ()
    place.walk, place.after = ENDED, ""
    if whole:
        place.walk, place.user, place.listed = "", etag, run.now()
        statements = tuple(
            Statement(container=container, kind="CONTACT", expected=len(some), keys=frozenset(some))
            for container, some in keys.items()
            if container not in withheld
        )
    yield Page(cursor=run.cursor(), statements=statements)


async def _list(run: Run, walk: str, after: str) -> AsyncIterator[tuple[list[User], list[Row], int, str]]:
    """A list of people from `after` on, page by page: them, what could not be read, how many more there are, and the next run.place."""
    match walk:
        case "organizations":
            organizations, broken = await _allowed(run, walk, _organizations(run))
            if broken:
                yield [], broken, 0, after
            for number, organization in enumerate(organizations):
                if number >= _done(after):  # one organisation's own rules are no reason to stop
                    some, broken = await _allowed(run, f"{walk}/{organization.login}", _members(run, organization))
                    users, unread = readable(some, User, ORGANIZATIONS)
                    yield users, broken + unread, len(users), str(number + 1)
        case "repositories":
            ids, broken = await _allowed(run, walk, _collaborators(run))
            if broken:
                yield [], broken, 0, after
            for start in range(_done(after), len(ids), LISTED):
                users, broken = await profiles(run, ids[start : start + LISTED])
                yield users, broken, len(users), str(start + LISTED)
        case _:
            first = True
            async for page in _connection(run, FOLLOWS_OF[walk], {}, after):
                users, broken = readable(page.nodes or (), User, FOLLOWS)
                yield users, broken, page.total_count if first else 0, page.page_info.end_cursor or ""
                first = False


async def _connection(run: Run, document: str, variables: dict[str, str], after: str) -> AsyncIterator[Users]:
    """A list of users from `after` on."""
    known = {after}
    for _ in range(MAX_PAGES):
        asked = {**variables, "first": LISTED, "after": after or None}
        if "$id" in document:
            answer, problems = await query(run.session, document, asked, Node)
            listed = answer.node
        else:
            found, problems = await query(run.session, document, asked, Viewer)
            listed = found.viewer
        check(run.session, problems)
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


async def _allowed(run: Run, key: str, asked: Awaitable[list[Each]]) -> tuple[list[Each], list[Row]]:
    """What was asked for, or a row that says why the token does not get it."""
    try:
        return await asked, []
    except (Refused, ReauthRequired) as error:
        if error.provider_code not in PARTIAL:
            raise
        return [], [skipped(key, error.message)]


async def _organizations(run: Run) -> list[Organization]:
    """The viewer's organisations that are small enough for their members to know each other."""
    found: list[Organization] = []
    after: str | None = None
    while True:
        asked = {"first": ORGANIZATIONS_PAGE, "after": after}
        answer, problems = await query(run.session, ORGANIZATIONS_OF, asked, Viewer)
        page = answer.viewer.organizations
        if page is None or not page.nodes:
            check(run.session, problems)
            return found
        for each in page.nodes:
            if each is not None and each.members_with_role is not None and each.members_with_role.total_count <= KNOWN:
                found.append(each)
        if not page.page_info.has_next_page or page.page_info.end_cursor in (None, after):
            return found
        after = page.page_info.end_cursor


async def _members(run: Run, organization: Organization) -> list[msgspec.Raw]:
    pages = _connection(run, MEMBERS, {"id": organization.id}, "")
    return [each async for page in pages for each in page.nodes or ()]


async def _collaborators(run: Run) -> list[str]:
    """The node ids of those who may write to the viewer's own repositories, and are in no list of follows."""
    ids: set[str] = set()
    after: str | None = None
    while True:
        asked = {"first": REPOSITORIES_PAGE, "after": after, "most": COLLABORATORS}
        answer, problems = await query(run.session, COLLABORATORS_OF, asked, Viewer)
        page = answer.viewer.repositories
        if page is None or not page.nodes:
            check(run.session, problems)
            return sorted(ids)
        for repository in page.nodes:
            if repository is not None and repository.collaborators is not None:
                for each in repository.collaborators.nodes or ():
                    if each is not None and not (each.is_viewer or each.viewer_is_following or each.is_following_viewer):
                        ids.add(each.id)
        if not page.page_info.has_next_page or page.page_info.end_cursor in (None, after):
            return sorted(ids)
        after = page.page_info.end_cursor


async def profiles(run: Run, ids: Sequence[str]) -> tuple[list[User], list[Row]]:
    """The records of these users (node ids), and of those that cannot be read the reasons."""
    users: list[User] = []
    broken: list[Row] = []
    for start in range(0, len(ids), LISTED):
        answer, _ = await query(run.session, PROFILES, {"ids": list(ids[start : start + LISTED])}, Nodes)
        some, unread = readable(answer.nodes, User, REPOSITORIES)
        users += some
        broken += unread
    return users, broken


def check(session: Session, problems: Iterable[Problem]) -> None:
    """A list of people that is not shown in full is no list to compare with. Raises ReauthRequired."""
    for problem in problems:
        if problem.narrow or problem.single_sign_on:
            raise failure(session, problem)


def _belongs(user: User, walk: str) -> bool:
    """Who is in several lists comes with the first one: each user says whether they are in a list of follows."""
    if walk == FOLLOWING:
        return True
    return not user.viewer_is_following and (walk == FOLLOWERS or not user.is_following_viewer)


def relation(user: User) -> Relation:
    """What a user is to the viewer, by who follows whom."""
    if user.viewer_is_following:
        return "CONNECTION" if user.is_following_viewer else "FOLLOWING"
    return "FOLLOWER" if user.is_following_viewer else "MEMBER"


def _done(after: str) -> int:
    return int(after[:9]) if after.isascii() and after.isdigit() else 0
