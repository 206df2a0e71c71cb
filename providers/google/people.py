"""Google contacts, mirrored: the address book, the "other contacts" that Google collects, a Workspace's directory, with groups.

Speaks the People API v1 (connections, otherContacts, listDirectoryPeople, contactGroups) with its sync tokens, which end seven days
after the listing that began them: each list is then read whole again and compared by its ids, which changes nothing that is the
same. A contact is known by its number in the address book, which outlives the resource name. Only the address book is written, one
call after the other, as Google wants it; what is written bears the etag of the version that it was made from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from providers import cursors
from providers.base import Adapter, LinkForm, Provider
from providers.errors import Conflict, CursorExpired, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.google.api import CONSOLE, SCOPE, ask, authorizer, decoded, tell
from providers.google.person import FIELDS, OTHER_FIELDS, Person, contact, keys_of
from providers.google.writing import PERSON_FIELDS, body, fields_of, holds, is_marked, marked
from providers.http import Session
from providers.quota import Quota
from providers.records import Contact, ContactField, Gone, OwnAddress, Page, Profile, Relation, Row, Statement, Unreadable

KEY = "google"
#: People in one answer, and in one look-up by name.
LISTED = 500
LOOKED_UP = 200
PAGE_BYTES = 24 * 1024 * 1024
MAX_PAGES = 10_000
#: Tokens end seven days after the listing that began them, whether they are used or not.
TOKEN_SECONDS = 6 * 86_400
#: What a write and the look at a contact before it give back.
WHOLE = (("personFields", FIELDS + ",clientData"), ("sources", "READ_SOURCE_TYPE_CONTACT"))
#: How often a change that is to win is made anew, when others write in between.
WINNING_TRIES = 3
#: A list that this account may not see (a directory outside of a Workspace) is asked for again so often.
CLOSED_SECONDS = 86_400
SCOPES = (
    "openid",
    SCOPE + "userinfo.email",
    SCOPE + "userinfo.profile",
    SCOPE + "contacts.readonly",
    SCOPE + "contacts",
    SCOPE + "contacts.other.readonly",
    SCOPE + "directory.readonly",
)

WRITING = frozenset({SCOPE + "contacts"})


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One of Google's lists: where it is, what is asked of it, and by which of these scopes it may be seen."""

    key: str
    container: str
    path: str
    params: tuple[tuple[str, str], ...]
    listed: str
    scopes: frozenset[str]
    relation: Relation
    optional: bool = False

    @property
    def mask(self) -> str:
        return self.params[0][0]


BOOKS = (
    Book(
        key="contacts",
        container="Contacts",
        path="/v1/people/me/connections",
        params=(("personFields", FIELDS), ("sources", "READ_SOURCE_TYPE_CONTACT")),
        listed="connections",
        scopes=frozenset({SCOPE + "contacts.readonly", SCOPE + "contacts"}),
        relation="ADDRESS_BOOK",
    ),
    Book(
        key="other",
        container="Other contacts",
        path="/v1/otherContacts",
        params=(("readMask", OTHER_FIELDS),),
        listed="otherContacts",
        scopes=frozenset({SCOPE + "contacts.other.readonly"}),
        relation="CONNECTION",  # nobody wrote these down
        optional=True,
    ),
    Book(
        key="directory",
        container="Directory",
        path="/v1/people:listDirectoryPeople",
        params=(
            ("readMask", FIELDS),
            ("sources", "DIRECTORY_SOURCE_TYPE_DOMAIN_PROFILE"),
            ("sources", "DIRECTORY_SOURCE_TYPE_DOMAIN_CONTACT"),
        ),
        listed="people",
        scopes=frozenset({SCOPE + "directory.readonly"}),
        relation="MEMBER",
        optional=True,
    ),
)


class Mark(msgspec.Struct, omit_defaults=True):
    """How far one list is mirrored: its sync token, and when that began (POSIX seconds); or the next page of a whole listing.

    `uncounted` while its ids were not stated since it was last read whole. `closed`: when it was found that this account may not
    see it.
    """

    token: str = ""
    since: float = 0.0
    page: str = ""
    uncounted: bool = False
    closed: float = 0.0


class Marks(msgspec.Struct, omit_defaults=True):
    """The cursor: a mark for each list, and what the groups were called."""

    books: dict[str, Mark] = {}
    groups: str = ""
    version: int = 1


class Group(msgspec.Struct, frozen=True, rename="camel"):
    resource_name: str
    name: str | None = None
    formatted_name: str | None = None
    group_type: str | None = None


class Groups(msgspec.Struct, frozen=True, rename="camel"):
    contact_groups: list[Group] = []
    next_page_token: str | None = None


class Answers(msgspec.Struct, frozen=True, rename="camel"):
    """GetPeopleResponse: one answer for each name."""

    responses: list[Answered] = []


class Answered(msgspec.Struct, frozen=True, rename="camel"):
    person: msgspec.Raw = msgspec.Raw(b"")  # none of what is gone


class Listing(msgspec.Struct, frozen=True):
    """A page of any list. The token for the next sync comes on the last one only."""

    people: list[msgspec.Raw]
    next: str
    token: str
    total: int | None


class Google:
    """One Google account's contacts."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._groups: dict[str, str] = {}
        self._keys: dict[str, set[str]] = {}

    async def profile(self) -> Profile:
        """Whose account it is. Raises ReauthRequired when not even the address book was allowed."""
        secret = await self._session.credentials()
        granted = frozenset((secret.scope or "").split())
        if granted and not granted & BOOKS[0].scopes:
            raise ReauthRequired(
                "Reading contacts was not allowed: link the account again and leave the box for it ticked.", provider_code="scope"
            )
        answer = await ask(self._session, "/v1/people/me", (("personFields", "names,emailAddresses,metadata,photos"),))
        me = decoded(answer.content, Person)
        found = contact(me, key=me.resource_name, container="", relation="PROFILE", groups={}, region=None)
        addresses = tuple(each.address for each in found.emails if each.address)
        return Profile(
            user_id=me.resource_name,
            label=addresses[0] if addresses else found.names[0].full if found.names else me.resource_name,
            own_addresses=tuple(OwnAddress(value=each, primary=n == 0) for n, each in enumerate(addresses)),
            granted_scopes=tuple(sorted(granted)),
            contact=found,
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """List by list: everything, or what changed. A list read whole has a Statement with all its ids.

        An expired token is dealt with here. Raises CursorExpired for a cursor that is none of ours.
        """
        marks = cursors.read(cursor, Marks) or Marks()
        allowed = await self._allowed()
        self._groups = await self._know_groups() if BOOKS[0] in allowed else {}
        names = _digest(self._groups)
        if marks.groups != names and "contacts" in marks.books:
            marks.books["contacts"] = Mark()  # a group's new name is no change of its members for Google
        marks.groups = names
        trouble: ProviderError | None = None
        for book in allowed:
            mark = marks.books.setdefault(book.key, Mark())
            if self._now() - mark.closed < CLOSED_SECONDS:
                continue
            try:
                async for page in self._book(book, mark):
                    yield msgspec.structs.replace(page, cursor=cursors.written(marks))
            except (RateLimited, Unavailable, Malformed):
                raise
            except (Refused, ReauthRequired) as error:
                if not book.optional or error.provider_code in ("401", "invalid_grant", "testing-mode"):
                    raise
                if error.provider_code in ("403", "400", "scope", "disabled", "not-found"):
                    mark.closed = self._now()
                else:
                    trouble = trouble or error
        if trouble is not None:
            raise trouble
        statements = [each async for each in self._statements(marks, allowed)]
        yield Page(statements=tuple(statements), cursor=cursors.written(marks), done=True)

    async def _statements(self, marks: Marks, books: Sequence[Book]) -> AsyncIterator[Statement]:
        """All ids of the lists that were read whole, with the last page: a run that does not get so far leaves them uncounted."""
        for book in books:
            mark = marks.books.get(book.key)
            if mark is None or not mark.uncounted or mark.closed or mark.page:
                continue
            known = self._keys.pop(book.key, None)
            keys = await self._keys_of(book) if known is None else known
            mark.uncounted = False
            if keys or (
                known is not None and mark.token
            ):  # an empty list without its token is an empty answer: it deletes nothing
                yield _statement(book, keys)

    async def listing(self) -> AsyncIterator[Statement]:
        """Every id of each list that this account may see."""
        for book in await self._allowed():
            try:
                yield _statement(book, await self._keys_of(book))
            except (Refused, ReauthRequired):
                if not book.optional:
                    raise

    async def fetch(self, container: str, keys: Sequence[str]) -> AsyncIterator[Page]:
        """These people again: contacts by name, of the other lists by reading them."""
        self._groups = await self._know_groups()
        book = next((each for each in BOOKS if each.container == container), None)
        if book is None:
            return
        if book.key == "contacts":
            for start in range(0, len(keys), LOOKED_UP):
                names = [("resourceNames", key) for key in keys[start : start + LOOKED_UP]]
                answer = await ask(self._session, "/v1/people:batchGet", [*names, *book.params], max_bytes=PAGE_BYTES)
                people = [each.person for each in decoded(answer.content, Answers).responses if bytes(each.person)]
                yield Page(rows=self._rows(book, people))
            return
        wanted = frozenset(keys)
        async for found in self._walk(book, ""):
            yield Page(rows=tuple(row for row in self._rows(book, found.people) if _keys_in((row,)) & wanted))

    # --- writing ----------------------------------------------------------------------------------------------------

    async def create_contact(self, wanted: Contact, *, again: bool) -> Contact:
        """Makes a contact that bears our mark, by which it is found again when an answer was lost."""
        await self._may_write()
        if again and (found := await self._made_before(wanted.uid or "")) is not None:
            return found
        every: frozenset[ContactField] = frozenset(name for name in fields_with(wanted))
        person = {**body({}, wanted, every, self._groups), **marked(wanted.uid or "")}
        answer = await tell(self._session, "POST", "/v1/people:createContact", WHOLE, person)
        return self._contact(decoded(answer.content, dict[str, Any]))

    async def update_contact(self, wanted: Contact, fields: frozenset[ContactField]) -> Contact:
        """Changes fields of a contact as Google has it now. Raises Conflict when that is another version than `wanted.etag`."""
        await self._may_write()
        for attempt in range(WINNING_TRIES):
            held = await self._person(wanted.key)
            now = self._contact(held)
            new = body(held, wanted, fields, self._groups)
            if holds(held, new):
                return now
            if wanted.etag is not None and now.etag != wanted.etag:
                raise Conflict("The contact was changed at Google meanwhile.", current=now, provider_code="FAILED_PRECONDITION")
            source = {name: value for name, value in _source(held).items() if name in ("type", "id", "etag")}
            person = {"resourceName": held["resourceName"], "etag": held.get("etag"), "metadata": {"sources": [source]}, **new}
            params = [("updatePersonFields", ",".join(fields_of(fields))), *WHOLE]
            try:
                answer = await tell(self._session, "PATCH", f"/v1/{_segment(held['resourceName'])}:updateContact", params, person)
                return self._contact(decoded(answer.content, dict[str, Any]))
            except Refused as error:  # somebody wrote in between: look again
                if error.provider_code != "FAILED_PRECONDITION" or attempt == WINNING_TRIES - 1:
                    raise
        raise AssertionError  # the last attempt raises or returns

    async def delete_contact(self, key: str, etag: str | None) -> None:
        """Deletes a contact of the address book. Raises Conflict when it is another one than `etag`."""
        await self._may_write()
        try:
            if etag is not None:
                now = self._contact(await self._person(key))
                if now.etag != etag:
                    raise Conflict(
                        "The contact was changed at Google meanwhile.", current=now, provider_code="FAILED_PRECONDITION"
                    )
            await tell(self._session, "DELETE", f"/v1/{_segment(key)}:deleteContact")
        except Refused as error:
            if error.provider_code != "not-found":
                raise

    async def _may_write(self) -> None:
        granted = frozenset(((await self._session.credentials()).scope or "").split())
        if granted and not granted & WRITING:
            raise ReauthRequired(
                "Changing contacts was not allowed: link the account again and leave the box for it ticked.",
                provider_code="scope",
            )
        self._groups = await self._know_groups()

    async def _person(self, key: str) -> dict[str, Any]:
        """A contact as Google has it, all of it, whatever of it we understand."""
        return decoded((await ask(self._session, f"/v1/{_segment(key)}", WHOLE, max_bytes=PAGE_BYTES)).content, dict[str, Any])

    async def _made_before(self, uid: str) -> Contact | None:
        page = ""
        for _ in range(MAX_PAGES):
            params = [
                ("personFields", "clientData,metadata"),
                WHOLE[1],
                ("pageSize", str(LISTED)),
                *([("pageToken", page)] if page else []),
            ]
            found = await self._listed(BOOKS[0], params)
            for raw in found.people:
                person: dict[str, Any] = decoded(bytes(raw), dict[str, Any])
                if is_marked(person, uid):
                    return self._contact(await self._person(str(person.get("resourceName"))))
            if not found.next or found.next == page:
                return None
            page = found.next
        return None

    def _contact(self, person: dict[str, Any]) -> Contact:
        (row,) = self._rows(BOOKS[0], [msgspec.Raw(msgspec.json.encode(person))])[-1:]
        if not isinstance(row.item, Contact):
            raise Malformed("Google answered a change with something else than a contact.", provider_code="not-json")
        return row.item

    # --- one list ---------------------------------------------------------------------------------------------------

    async def _book(self, book: Book, mark: Mark) -> AsyncIterator[Page]:
        """What changed in a list, `mark` moved along with every step."""
        if mark.token and self._now() - mark.since < TOKEN_SECONDS:
            try:
                async for page in self._delta(book, mark):
                    yield page
                return
            except CursorExpired:
                pass
        mark.token = ""
        async for page in self._whole(book, mark):
            yield page

    async def _delta(self, book: Book, mark: Mark) -> AsyncIterator[Page]:
        """What changed since the token. Raises CursorExpired when Google refuses it: what was told until then still holds."""
        token = ""
        try:
            async for found in self._walk(book, "", (("syncToken", mark.token),)):
                token = found.token
                if not found.next:
                    if not token:
                        raise Malformed("Google gave a list of changes without its token.", provider_code="sync-token")
                    mark.token = token
                if rows := self._rows(book, found.people):
                    yield Page(rows=rows)
        except Refused as error:
            # EXPIRED_SYNC_TOKEN; 400 and 410 are what it was before, and mean it still for tokens of other parameters
            if error.provider_code in ("EXPIRED_SYNC_TOKEN", "400", "not-found"):
                raise CursorExpired("Google no longer knows this sync token.") from error
            raise

    async def _whole(self, book: Book, mark: Mark) -> AsyncIterator[Page]:
        """The whole list, resumable at each page; the ids of all in it are kept for the end of the run."""
        keys: set[str] = set()
        resumed = bool(mark.page)
        began = self._now()
        token = ""
        try:
            async for found in self._walk(book, mark.page):
                rows = self._rows(book, found.people)
                keys |= _keys_in(rows)
                mark.page, token = found.next, found.token
                if found.next:
                    yield Page(rows=rows, total=found.total)
        except Refused as error:
            if not (resumed and error.provider_code in ("400", "EXPIRED_SYNC_TOKEN")):
                raise
            mark.page = ""  # the place in the list is too old: from the top
            async for page in self._whole(book, mark):
                yield page
            return
        if resumed or not token:  # without its token the last page may be an answer cut short
            keys = await self._keys_of(book)
        mark.token, mark.since, mark.uncounted = token, began, True
        self._keys[book.key] = keys
        yield Page(rows=rows, total=len(keys))

    async def _walk(self, book: Book, page: str, more: tuple[tuple[str, str], ...] = ()) -> AsyncIterator[Listing]:
        """Page by page. All parameters but the page's are those of the first call, or Google refuses."""
        for _ in range(MAX_PAGES):
            params = [*book.params, ("pageSize", str(LISTED)), ("requestSyncToken", "true"), *more]
            found = await self._listed(book, [*params, *([("pageToken", page)] if page else [])])
            yield found
            if not found.next:
                return
            if found.next == page:
                break
            page = found.next
        raise Malformed("Google's list of people does not end.", provider_code="paging")

    async def _keys_of(self, book: Book) -> set[str]:
        """The ids of a list. Raises Unavailable when it is another one each time it is read."""
        last: set[str] | None = None
        for _ in range(3):
            keys: set[str] = set()
            page, total = "", None
            for _ in range(MAX_PAGES):
                params = [
                    (book.mask, "metadata"),
                    *book.params[1:],
                    ("pageSize", str(LISTED)),
                    *([("pageToken", page)] if page else []),
                ]
                found = await self._listed(book, params)
                keys |= _keys_in(self._rows(book, found.people))
                page, total = found.next, found.total if total is None else total
                if not page:
                    break
            if keys == last or (total is not None and 0 < total == len(keys)):
                return keys
            last = keys
        raise Unavailable("Google's lists of contacts contradict each other. It is tried again.", provider_code="listing")

    async def _listed(self, book: Book, params: Sequence[tuple[str, str]]) -> Listing:
        answer = await ask(self._session, book.path, params, max_bytes=PAGE_BYTES)
        body: Any = decoded(answer.content, dict[str, msgspec.Raw])
        raw = body.get(book.listed)
        total = next((body[name] for name in ("totalItems", "totalSize", "totalPeople") if name in body), None)
        return Listing(
            people=decoded(bytes(raw), list[msgspec.Raw]) if raw is not None else [],
            next=decoded(bytes(body["nextPageToken"]), str) if "nextPageToken" in body else "",
            token=decoded(bytes(body["nextSyncToken"]), str) if "nextSyncToken" in body else "",
            total=decoded(bytes(total), int) if total is not None else None,
        )

    def _rows(self, book: Book, people: Sequence[msgspec.Raw]) -> tuple[Row, ...]:
        rows: list[Row] = []
        for raw in people:
            try:
                person = decoded(bytes(raw), Person)
            except Malformed as error:
                excerpt = bytes(raw)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
                name = _name_of(raw)
                broken = Unreadable(
                    key=name,
                    outcome="FAILED",
                    message=error.message,
                    reason="UNREADABLE",
                    excerpt=excerpt,
                    container=book.container,
                )
                rows.append(Row(item=broken))
                continue
            key, before = keys_of(person, book.key)
            rows += [Row(item=Gone(kind="CONTACT", key=old)) for old in before]
            if person.metadata is not None and person.metadata.deleted:
                rows.append(Row(item=Gone(kind="CONTACT", key=key)))
                continue
            found = contact(
                person,
                key=key,
                container=book.container,
                relation=book.relation,
                groups=self._groups,
                region=self._session.account.region,
            )
            rows.append(Row(item=found))
        return tuple(rows)

    async def _allowed(self) -> list[Book]:
        """The lists that the user allowed: boxes can be unticked when signing in."""
        granted = frozenset(((await self._session.credentials()).scope or "").split())
        return [book for book in BOOKS if not granted or granted & book.scopes]

    async def _know_groups(self) -> dict[str, str]:
        """The groups' names by resource name; being a contact at all is no group."""
        groups: dict[str, str] = {}
        page = ""
        for _ in range(MAX_PAGES):
            params = [("pageSize", "1000"), ("groupFields", "name,groupType"), *([("pageToken", page)] if page else [])]
            found = decoded((await ask(self._session, "/v1/contactGroups", params)).content, Groups)
            for group in found.contact_groups:
                name = (group.formatted_name or group.name or "").strip()
                if name and (group.group_type != "SYSTEM_CONTACT_GROUP" or group.resource_name == "contactGroups/starred"):
                    groups[group.resource_name] = name
            if not found.next_page_token or found.next_page_token == page:
                break
            page = found.next_page_token
        return groups

    def _now(self) -> float:
        return self._session.clock.now().timestamp()


def fields_with(wanted: Contact) -> Iterator[ContactField]:
    """The fields in which a record says something."""
    for field in PERSON_FIELDS:
        if getattr(wanted, field):
            yield field


def _source(person: dict[str, Any]) -> dict[str, Any]:
    """The source CONTACT of a person: a write has to bear its etag."""
    sources = (person.get("metadata") or {}).get("sources") or ()
    return next((each for each in sources if isinstance(each, dict) and each.get("type") == "CONTACT"), {"type": "CONTACT"})


def _segment(name: str) -> str:
    """A resource name for a path: nothing that could lead elsewhere."""
    if not re.fullmatch(r"people/[A-Za-z0-9_-]{1,100}", name):
        raise Refused("This is no contact of the address book at Google.", provider_code="not-found")
    return name


def _statement(book: Book, keys: set[str]) -> Statement:
    return Statement(container=book.container, kind="CONTACT", expected=len(keys), keys=frozenset(keys))


def _keys_in(rows: Sequence[Row]) -> set[str]:
    return {row.item.key for row in rows if isinstance(row.item, Contact | Unreadable)}


def _name_of(raw: msgspec.Raw) -> str:
    """The resource name of what is otherwise unreadable."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    name = body.get("resourceName") if isinstance(body, dict) else None
    return name[:200] if isinstance(name, str) else ""


def _digest(names: Mapping[str, str]) -> str:
    return hashlib.blake2s(msgspec.json.encode(sorted(names.items())), digest_size=8).hexdigest()


def _open(session: Session) -> Adapter:
    return Google(session)


PROVIDER = Provider(
    key=KEY,
    name="Google contacts",
    kind="ADDRESS_BOOK",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONTACTS_WRITE", "DELTA", "MIRROR"}),
    limitations=(
        "Mail is another interface of Google's: link Gmail beside it.",
        "Google has no push for contacts: changes arrive with the next poll, and Google itself may take minutes to show them.",
        "Google ends sign-ins after seven days while the Google Cloud project is in testing mode.",
        "Of other contacts Google tells names, addresses, numbers and pictures only.",
        "A directory is there in Google Workspace only, and where its administrator shares it.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with Google",
            help="Kith asks to read and change your contacts, to read the ones Google collected, and your organisation's directory. "
            "Untick what it shall not do.",
            help_url=CONSOLE,
            scopes=SCOPES,
        ),
    ),
    quota=Quota(
        calls=90,
        seconds=60.0,
        concurrency=2,
        sentence="Google allows about 90 calls a minute for a user's contacts; a page of 500 people is one.",
    ),
    docs_path="docs/providers/google.md",
    write_scopes={"CONTACTS_WRITE": WRITING},
    poll_seconds=900,
    default_url="https://people.googleapis.com",
    open=_open,
    authorize=authorizer(KEY, "Google contacts", SCOPES, "People API"),
    own_client=True,
)
