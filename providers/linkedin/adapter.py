"""LinkedIn, mirrored: a member's connections, messages and what the member did, as far as LinkedIn hands them to programs.

Signs in with OpenID Connect, which gives the profile alone, or with a grant of the Member Data Portability API, which the Digital Markets
Act (Regulation (EU) 2022/1925, Article 6(9)) has LinkedIn offer to members in the EEA and Switzerland. That interface has two parts. The
snapshot gives the rows of LinkedIn's archive as JSON, so that they are read by the archive's tables (`archives/linkedin.py`) and have its
keys: archive and account of one member are one account. The change log tells what the member did in the last 28 days, by ids that
nothing else has: so it is a hint in which part of the snapshot to look again. Everybody else imports the archive. Knows nothing of posting,
searches and other members' profiles.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from providers import cursors
from providers.archives import export, files
from providers.archives import linkedin as archive
from providers.archives.linkedin import About, LinkedInArchive, address_of, profile_url, slug_of
from providers.archives.table_part import TablePart
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.errors import Malformed, RateLimited, Refused
from providers.formats import charset, email_address
from providers.formats.vcard import web_address
from providers.http import Session
from providers.linkedin import api as linkedin_api
from providers.linkedin.api import APPS, HOME, KEY, PORTABILITY, SCOPES, THIRD_PARTY, ask, granted, tell
from providers.quota import Quota
from providers.records import (
    Contact,
    ConversationHead,
    Email,
    Handle,
    Message,
    Name,
    OwnAddress,
    Page,
    Photo,
    Profile,
    Row,
    Statement,
    Unreadable,
)

#: The snapshot's domains (learn.microsoft.com/linkedin/dma, "Snapshot Domain") and the archive's tables that read their rows: who is
#: known comes before what they said.
PROFILE: Final = "PROFILE"
TABLES: Final[dict[str, TablePart[About]]] = {
    PROFILE: archive.PROFILE, "EMAIL_ADDRESSES": archive.EMAILS, "CONNECTIONS": archive.CONNECTIONS, "INVITATIONS": archive.INVITATIONS,
    "INBOX": archive.MESSAGES, "MEMBER_SHARE_INFO": archive.SHARES, "ALL_LIKES": archive.REACTIONS, "ALL_COMMENTS": archive.COMMENTS,
}  # fmt: skip
#: Where a change of a resource shows, by how its name begins in the change log.
SHOWN_IN: Final[dict[str, tuple[str, ...]]] = {
    "messages": ("INBOX",), "conversations": ("INBOX",), "invitations": ("INVITATIONS", "CONNECTIONS"), "connections": ("CONNECTIONS",),
    "socialActions/likes": ("ALL_LIKES",), "reactions": ("ALL_LIKES",), "socialActions/comments": ("ALL_COMMENTS",),
    "ugcPosts": ("MEMBER_SHARE_INFO",), "shares": ("MEMBER_SHARE_INFO",), "posts": ("MEMBER_SHARE_INFO",),
}  # fmt: skip
#: Refusals of one domain that leave the others as they are.
PARTIAL: Final = frozenset({"400", "403", "422"})
#: What is learned from a domain though it is not due.
FACTS: Final = (PROFILE, "CONNECTIONS")
WHOLE: Final = timedelta(days=1)  # after which everything is read again
HISTORY: Final = timedelta(days=28)  # that the change log reaches back
LISTED: Final = 50  # changes at a time, the most that there are
PREPARED: Final = timedelta(minutes=30)  # until LinkedIn is asked again whether it has the data ready
MAX_PAGES: Final = 10_000
AGAIN: Final = 50  # pages that are looked at once more for what they say together; more would use up a day's calls
KEPT: Final = 200  # changes of one moment that are known by their ids, since that moment is told again
SOON: Final = timedelta(days=10)  # before its end a sign-in is asked for again
EXPORT: Final = "https://www.linkedin.com/mypreferences/d/download-my-data"
IMPORT: Final = f"ask for your archive at {EXPORT} (the larger one) and import it: it becomes part of this account."


class UserInfo(msgspec.Struct, frozen=True):
    """OpenID Connect Core 1.0 §5.3.2."""

    sub: str
    name: str = ""
    given_name: str | None = None
    family_name: str | None = None
    picture: str | None = None
    email: str | None = None
    email_verified: bool | str = False


class Link(msgspec.Struct, frozen=True):
    rel: str = ""


class Paging(msgspec.Struct, frozen=True):
    links: list[Link] = []


class Part(msgspec.Struct, frozen=True):
    """Rows of one domain, as the archive has them: by the names of its columns."""

    data: list[dict[str, Any]] = msgspec.field(default=[], name="snapshotData")


class Snapshot(msgspec.Struct, frozen=True):
    """GET /rest/memberSnapshotData."""

    elements: list[Part]
    paging: Paging = Paging()

    @property
    def more(self) -> bool:
        return any(link.rel == "next" for link in self.paging.links)


class Change(msgspec.Struct, frozen=True):
    id: int
    at: int = msgspec.field(name="processedAt")  # milliseconds
    resource: str = msgspec.field(default="", name="resourceName")


class Changes(msgspec.Struct, frozen=True):
    """GET /rest/memberChangeLogs."""

    elements: list[Change]


class Registered(msgspec.Struct, frozen=True):
    """GET /rest/memberAuthorizations."""

    elements: list[dict[str, Any]]


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor. `walk` are the domains that are being read, from page `start` of the first one on; `read` (POSIX seconds) is when all of
    them last were. `mark` (milliseconds) is the time of the latest change that was told, `known` are those of that time.
    """

    version: int = 1
    walk: list[str] = []
    start: int = 0
    whole: bool = False  # whether all domains are being read
    read: float = 0.0
    mark: int = 0
    known: list[int] = []
    sizes: dict[str, int] = {}  # of domains, in pages
    refused: dict[str, str] = {}  # domains that were refused when they were last asked for, with LinkedIn's words


class LinkedIn:
    """A member's account."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """Whose account it is: known by the address of the profile, as the archive knows it; LinkedIn tells programs none."""
        slug = _own_slug(self._session)
        scopes = await granted(self._session)
        found = await self._user_info() if not scopes or "openid" in scopes else None
        about = About(me=slug, name=charset.line(found.name) if found is not None else "")
        if found is None:
            await self._introduced(about)
        emails = list(about.emails)
        if found is not None and found.email and str(found.email_verified).lower() == "true":
            emails += [address] if (address := email_address.normalised(found.email)) else []
        handle = OwnAddress(value=address_of(slug), kind="HANDLE", primary=True)
        return Profile(
            user_id=slug,
            label=about.name or slug,
            own_addresses=(handle, *(OwnAddress(value=each) for each in dict.fromkeys(emails))),
            base_url=self._session.account.base_url.rstrip("/"),
            granted_scopes=tuple(sorted(scopes)),
            contact=_contact(slug, about.name, found, emails),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """All that LinkedIn hands out, once a day; between, the parts of it in which something was changed."""
        place = cursors.read(cursor, Position) or Position()
        scopes = await granted(self._session)
        if scopes and scopes.isdisjoint(PORTABILITY):
            await self._user_info()  # whether the sign-in is still good
            yield Page(rows=(_withheld(), *await self._ending()), cursor=cursors.written(place), done=True)
            return
        try:
            if not place.walk:
                await self._plan(place)
            async for page in self._read(place):
                yield page
        except Refused as error:
            if error.provider_code != "403":
                raise
            place = Position()
            yield Page(rows=(_withheld(error.message), *await self._ending()), cursor=cursors.written(place), done=True)
            return
        lacking = [
            _said(domain, f"LinkedIn does not give this part of your data ({domain}): {words} The archive has it: {IMPORT}")
            for domain, words in place.refused.items()
        ]
        yield Page(rows=(*lacking, *await self._ending()), cursor=cursors.written(place), done=True)

    # --- who --------------------------------------------------------------------------------------------------------

    async def _user_info(self) -> UserInfo | None:
        """What OpenID Connect says; None for a grant that is not for that."""
        try:
            return await ask(self._session, "/v2/userinfo", UserInfo)
        except Refused as error:
            if error.provider_code != "403":
                raise
            return None

    async def _introduced(self, about: About) -> None:
        """Name and addresses by the snapshot, where it is ready. Raises Refused for a grant that is for neither."""
        try:
            for domain in (PROFILE, "EMAIL_ADDRESSES"):
                async for _, rows in self._pages(domain):
                    _learn(domain, rows, about)
        except RateLimited as error:
            if error.provider_code != "preparing":
                raise
        except Refused as error:
            if error.provider_code == "403":
                text = f"This token may read nothing of your data: make one with the scope {THIRD_PARTY} or r_dma_portability_self_serve."
                raise Refused(text, provider_code="scope") from error
            raise

    # --- what there is ----------------------------------------------------------------------------------------------

    async def _plan(self, place: Position) -> None:
        """What is to be read in this run."""
        now = self._session.clock.now().timestamp()
        unheard = now - place.mark / 1000 >= HISTORY.total_seconds()
        place.whole = unheard or now - place.read >= WHOLE.total_seconds()
        changed = await self._changed(place)
        short = {domain for domain in changed if place.sizes.get(domain, 0) <= AGAIN}  # a long one waits for its day
        place.walk, place.start = [domain for domain in TABLES if place.whole or domain in short], 0

    async def _changed(self, place: Position) -> set[str]:
        """The domains in which something was changed since the last look."""
        found: set[str] = set()
        if not place.mark:
            place.mark = int(self._session.clock.now().timestamp() * 1000)
            return found
        for _ in range(MAX_PAGES):
            asked = [("q", "memberAndApplication"), ("startTime", str(place.mark)), ("count", str(LISTED))]
            page = (await ask(self._session, "/rest/memberChangeLogs", Changes, asked)).elements
            fresh = [each for each in page if each.at >= place.mark and each.id not in place.known]
            for each in fresh:
                found.update(next((domains for name, domains in SHOWN_IN.items() if each.resource.startswith(name)), ()))
            if not fresh and len(page) < LISTED:
                return found
            if not fresh:  # as many in one moment as there are at a time
                place.mark, place.known = place.mark + 1, []
                continue
            latest = max(each.at for each in fresh)
            place.known = [*(place.known if latest == place.mark else []), *(each.id for each in fresh if each.at == latest)][
                -KEPT:
            ]
            place.mark = latest
        raise Malformed("LinkedIn's change log does not end.", provider_code="paging")

    async def _read(self, place: Position) -> AsyncIterator[Page]:
        """The rows of the domains that are due, from where the last run was cut. What was read before is looked at once more, as far as that
        is not much: who is who, and who is in a conversation, is told by all rows together."""
        about = About(me=_own_slug(self._session))
        for domain in FACTS if place.walk else ():
            if domain not in place.walk:
                with contextlib.suppress(Refused):  # names are no reason to have no messages
                    async for _, rows in self._pages(domain, most=AGAIN):
                        _learn(domain, rows, about)
        while place.walk:
            domain, keys, readable = place.walk[0], set[str](), True
            first, number = 0 if place.start <= AGAIN else place.start, -1
            place.refused.pop(domain, None)
            try:
                async for number, rows in self._pages(domain, first):
                    _learn(domain, rows, about)
                    items = _taken(domain, rows, about, number)
                    keys.update(item.key for item in items if not isinstance(item, ConversationHead | Unreadable))
                    readable = readable and not any(isinstance(item, Unreadable) for item in items)
                    if number >= place.start:
                        place.start = number + 1
                        yield Page(rows=tuple(Row(item=item) for item in items), cursor=cursors.written(place))
            except Refused as error:
                if domain == PROFILE or error.provider_code not in PARTIAL:
                    raise
                place.refused[domain] = error.message
            stated = () if first or domain in place.refused else _stated(domain, keys, readable=readable)
            place.sizes[domain], place.walk, place.start = number + 1, place.walk[1:], 0
            if place.whole and not place.walk:
                place.read = self._session.clock.now().timestamp()
            yield Page(cursor=cursors.written(place), statements=stated)

    async def _pages(
        self, domain: str, first: int = 0, *, most: int = MAX_PAGES
    ) -> AsyncIterator[tuple[int, list[dict[str, str]]]]:
        """The rows of a domain, page by page with its number, which is what `start` counts. Where there is nothing, LinkedIn says so by an
        error, at the end of a list, too.

        Raises RateLimited as long as nothing at all is there: whoever has an account has a profile.
        """
        for number in range(first, first + most):
            asked = [("q", "criteria"), ("domain", domain), ("start", str(number))]
            try:
                page = await ask(self._session, "/rest/memberSnapshotData", Snapshot, asked)
            except Refused as error:
                if error.provider_code != "nothing":
                    raise
                if domain == PROFILE and not number:
                    await self._register()
                return
            yield number, [_row(row) for part in page.elements for row in part.data]
            if not page.more:
                return
        if most == MAX_PAGES:
            raise Malformed("LinkedIn's list does not end.", provider_code="paging")

    async def _register(self) -> None:
        """LinkedIn begins to prepare the data with the consent; where it did not, it is asked to. Raises RateLimited until they are
        there: nothing is wrong with the account, it waits."""
        if not (await ask(self._session, "/rest/memberAuthorizations", Registered, [("q", "memberAndApplication")])).elements:
            await tell(self._session, "/rest/memberAuthorizations")
        at = self._session.clock.now() + PREPARED
        text = "LinkedIn is still preparing your data, which takes minutes, up to a day. Kith asks again by itself."
        raise RateLimited(text, retry_at=at, provider_code="preparing")

    async def _ending(self) -> list[Row]:
        """A word ahead of the end of a sign-in, which LinkedIn does not renew."""
        ends = (await self._session.credentials()).expires_at
        if ends is None or ends - self._session.clock.now() > SOON:
            return []
        return [
            _said(
                "sign-in", f"Your sign-in at LinkedIn ends on {ends:%d %B %Y} and is not renewed: link the account again before."
            )
        ]


def _own_slug(session: Session) -> str:
    """The last part of the address of the member's profile. Raises Refused where none was given."""
    said = session.account.settings.get("profile", "").strip()
    slug = slug_of(said if "://" in said else f"https://{said}") or session.account.user_id
    if not slug:
        text = "Give the address of your profile as your browser shows it: https://www.linkedin.com/in/your-name"
        raise Refused(text, provider_code="profile")
    return slug


def _contact(slug: str, name: str, found: UserInfo | None, emails: list[str]) -> Contact:
    picture = web_address(found.picture) if found is not None and found.picture else None
    given, family = (
        charset.line(each or "") or None for each in ((found.given_name, found.family_name) if found else (None, None))
    )
    return Contact(
        key=profile_url(slug),
        relation="PROFILE",
        names=(Name(full=name or slug, given=given, family=family),),
        emails=tuple(Email(raw=each, address=each, verified=True) for each in dict.fromkeys(emails)),
        handles=(Handle(provider=KEY, handle=address_of(slug), url=profile_url(slug)),),
        photo=Photo(url=picture) if picture else None,
        url=profile_url(slug),
    )


def _row(said: dict[str, Any]) -> dict[str, str]:
    """A row by the names of its columns, in lower case, as the archive's tables take it."""
    return {name.strip().lower(): charset.storable(str(value)) for name, value in said.items() if value is not None}


def _learn(domain: str, rows: list[dict[str, str]], about: About) -> None:
    """What rows say of the member, of people's names and of conversations; what is lacking in one, it does not say."""
    table = TABLES[domain]
    for row in rows:
        with contextlib.suppress(KeyError):
            archive.learn(table, row, about, Counter())
    if about.me is not None and about.name:
        about.names[about.me] = about.name


def _taken(domain: str, rows: list[dict[str, str]], about: About, page: int) -> list[export.Taken]:
    """What the rows of a page mean, and beside messages what their conversations are."""
    source = files.Source(path=Path(domain), shown=domain)
    found: list[export.Taken] = []
    heads: dict[str, Message] = {}
    for number, row in enumerate(rows, 1):
        if not any(row.values()):
            continue  # of people who have left, or hide themselves
        for item in TABLES[domain].understood(row, source, about, page * 10_000 + number, msgspec.json.encode(row)):
            found.append(item)
            if isinstance(item, Message) and item.conversation_key:
                known = heads.get(item.conversation_key)
                heads[item.conversation_key] = item if known is None or item.sent_at > known.sent_at else known
    return [*found, *(archive.head_of(latest, about) for latest in heads.values())]


def _stated(domain: str, keys: set[str], *, readable: bool) -> tuple[Statement, ...]:
    """What a domain holds, all of which was seen. A connection that is not in it any more is none; whoever cannot be read may be any."""
    kind = TABLES[domain].kind
    if kind is None:
        return ()
    listed = frozenset(keys) if kind == "CONTACT" and readable else None
    return (Statement(container=domain, kind=kind, expected=len(keys), keys=listed),)


def _withheld(words: str = "") -> Row:
    text = (
        "LinkedIn gives programs your connections and messages only if you live in the EEA or Switzerland and granted the Member Data Portability "
        f"API. If you do, link the account again with it; if not, {IMPORT}"
    )
    return _said("portability", f"{text} ({words})" if words else text)


def _said(key: str, text: str) -> Row:
    return Row(item=Unreadable(key=key, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=key))


def _open(session: Session) -> Adapter:
    return LinkedIn(session)


_PROFILE_FIELD: Final = FormField(
    name="profile",
    label="Address of your profile",
    kind="URL",
    placeholder="https://www.linkedin.com/in/…",
    help="As your browser shows it. LinkedIn does not tell it to programs; by it your archive is known as the same account.",
)

PROVIDER = Provider(
    key=KEY,
    name="LinkedIn",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "ACTIVITIES", "IMPORT", "MIRROR"}),
    limitations=(
        "Connections, messages and activities come by a program only for members in the EEA and Switzerland; everybody else imports the archive.",
        "A sign-in ends after sixty days, and LinkedIn renews none.",
        "An archive is a snapshot: what happens afterwards arrives with the next one.",
        "E-mail addresses of connections are there only where they allow it.",
        "Messages have no ids: one that was edited arrives as another. Files of messages are named, not kept.",
        "Nothing can be sent from here: LinkedIn lets no program do that.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with LinkedIn",
            fields=(
                _PROFILE_FIELD,
                FormField(
                    name="portability",
                    label="I live in the EEA or Switzerland, and this installation's app has the Member Data Portability API",
                    kind="CHECKBOX",
                    required=False,
                ),
            ),
            help="Needs an app of this installation's own.",
            help_url=APPS,
            scopes=(*SCOPES, THIRD_PARTY),
        ),
        LinkForm(
            method="TOKEN",
            label="Token of your own app (EEA and Switzerland)",
            fields=(
                _PROFILE_FIELD,
                FormField(name="access_token", label="Access token", kind="PASSWORD", secret=True),
                FormField(
                    name="version",
                    label="Version of the interface",
                    required=False,
                    placeholder=linkedin_api.VERSION,
                    pattern=r"20\d{4}",
                ),
            ),
            help="Of an app with the product Member Data Portability API (Member): Docs and tools → OAuth Token Tools.",
            help_url=APPS,
            scopes=("r_dma_portability_self_serve",),
        ),
    ),
    archive_formats=("LINKEDIN",),
    quota=Quota(
        calls=60,
        seconds=60.0,
        concurrency=2,
        sentence="LinkedIn counts calls of a member and of an app by the day, and tells how many only in its Developer Portal.",
    ),
    docs_path="docs/providers/linkedin.md",
    poll_seconds=3600,
    default_url=HOME,
    open=_open,
    authorize=linkedin_api.authorize,
    archive=LinkedInArchive(),
)
