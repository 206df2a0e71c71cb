"""GitHub, mirrored: whom you follow, who follows you and with whom you work as contacts; issues, pull requests and discussions that
you take part in as conversations.

People come by GraphQL in whole walks (`people.py`), which begin when the viewer's own record says that something changed (a
conditional request, which GitHub does not count) and once a day. Threads come latest updated first by search (`search.py`) and whole
(`whole.py`). What is unread comes from the notifications (`inbox.py`), what people do from their events
(`feed.py`). What is remembered between runs is in `run.py`. Knows nothing of repositories' contents or writing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Final

import msgspec

from providers import cursors
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.errors import CursorExpired, Refused
from providers.github import events as github_events
from providers.github.api import HOME, KEY, SCOPES, TOKENS, authorize, base_url, decoded, get, give_back, query
from providers.github.feed import events
from providers.github.inbox import inbox, read_up_to, remember
from providers.github.people import ENDED, LISTS, check, people
from providers.github.person import PERSON, User, contact, short
from providers.github.run import Position, Run, skipped
from providers.github.search import SEARCHES, threads
from providers.http import Response, Session
from providers.quota import Quota
from providers.records import OwnAddress, Page, Profile

#: Everybody is listed anew so often, though nothing seems to have changed.
CENSUS: Final = timedelta(days=1)
ME: Final = "query Me { viewer { ...Person } }" + PERSON


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


class Own(msgspec.Struct, frozen=True):
    viewer: User


class GitHub:
    """An account at github.com or at an Enterprise Server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """Whose token it is, and what it may. Raises Refused where there is no GitHub, or the token is not a person's."""
        answer = await self._user({})
        assert answer is not None  # only a conditional request has no answer
        me = decoded(answer, Me)
        if me.type != "User":
            raise Refused("This token belongs to a program or an organisation, not to a person.", provider_code="not-a-person")
        own, problems = await query(self._session, ME, {}, Own)
        check(self._session, problems)
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
        run = Run(self._session, place)
        known = {"If-None-Match": place.user} if place.user and place.login and not place.walk else {}
        answer = await self._user(known)
        if answer is not None:
            place.login = short(decoded(answer, Me).login)
        due = answer is not None or run.now() - place.listed > CENSUS.total_seconds()
        if due and place.walk != ENDED:
            etag = place.user if answer is None else answer.headers.get("etag", "")
            async for page in people(run, etag):
                yield page
        async for page in inbox(run):
            yield page
        for name in SEARCHES:
            async for page in threads(run, name):
                yield page
        for name in github_events.FEEDS:
            async for page in events(run, name):
                yield page
        await remember(run)
        place.walk = ""
        rows = tuple(skipped(key, text) for key, text in place.withheld.items())
        yield Page(rows=rows, cursor=run.cursor(), done=True)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Mark notifications of threads as read (inbox.py). Raises ProviderError."""
        await read_up_to(self._session, latest)

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
    marks=frozenset({"READ"}),
    limitations=(
        "GitHub has no private messages, and does not tell since when somebody follows you.",
        "E-mail addresses are shown only where their owners made them public.",
        "GitHub checks none of the links in a profile.",
        "Private repositories are shown only to a token that may read them.",
        "What is unread is told neither to fine-grained tokens nor of discussions. Threads are marked as read whole, and cannot be unread again.",
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
        LinkForm(
            method="DEVICE_CODE",
            label="Sign in with a code",
            fields=(_SERVER,),
            help="For an installation that GitHub cannot send your browser back to. Needs its own client, too, with the device flow enabled.",
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
    write_scopes={"READ_STATE": frozenset({"notifications", "repo"})},
    poll_seconds=900,
    open=_open,
    authorize=authorize,
    give_back=give_back,
    base_url=base_url,
)
