"""A PortableContacts 1.0 (Draft C) endpoint as an address book, mirrored: anybody's, another Kith's too.

Everybody is walked through once by startIndex and count (§6.3.3), from then on by updatedSince (§6.3.1). That tells of no deletions, and pages
by number slip while contacts come and go: so ids alone are listed after each whole walk, whenever the server's own total is another one, and once a
day, and what is missing or too much is seen by them. A server that declines a parameter says so (§6.3.5) and is read whole. `discovery.py` finds an
endpoint, `entry.py` reads entries. Writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import httpx2 as httpx
import msgspec

from providers import cursors
from providers.base import Adapter, FormField, LinkForm, Provider
from providers.errors import ForbiddenAddress, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Response, Session
from providers.portable_contacts import discovery
from providers.portable_contacts.entry import CONTAINER, contact, key_of, moment
from providers.quota import Quota
from providers.records import Contact, Gone, OwnAddress, Page, Profile, Row, Statement, Unreadable

KEY: Final = "portable_contacts"
#: Entries asked for at a time; servers may give fewer (§6.3.3).
COUNT: Final = 200
#: Ids asked for at a time.
IDS: Final = 500
#: All ids are listed so often, though the server's total has not changed.
CENSUS: Final = timedelta(days=1)
#: By so much clocks and late writes of a server may differ from what it says.
OVERLAP: Final = timedelta(minutes=2)
#: Entries remembered by their digests, so that what was told within the overlap is not told again.
MAX_TOLD: Final = 1_000
#: How often ids are listed anew where they change meanwhile.
TRIES: Final = 2
#: Where a base address has its contacts: the draft's way (§6.2), the base itself, and OpenSocial's.
COLLECTIONS: Final = ("/@me/@all", "", "/people/@me/@all", "/people/@me/@friends")


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The cursor. `since` is from when on changes are asked for, by the server's clock; None while everybody is walked through.

    `start` is the next index of the walk under way and `begun` its `since` to be. `told` are digests of entries that changed since then,
    `before` those of the run before. `owed`: the walk has ended and the ids are still to be looked at. `total` is what the server counted
    when all ids were last listed, `listed` when that was by our clock.
    """

    version: int
    since: datetime | None = None
    begun: datetime | None = None
    start: int = 0
    told: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    owed: bool = False
    total: int | None = None
    listed: datetime | None = None


class Answer(msgspec.Struct, frozen=True):
    """A page of a collection: entries as they came, how many there are in all, when by the server's clock, and who is gone (another Kith says so)."""

    entries: list[Any]
    total: int | None
    at: datetime
    gone: frozenset[str] = frozenset()


class PortableContacts:
    """An account at an endpoint; its base URL is that of a collection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """Whose contacts they are. Raises Refused (`no-contacts`) where nothing answers as PortableContacts does."""
        known = self._session.account.user_id is not None
        collection = self._session.account.base_url if known else await self._found()
        secret = await self._session.credentials()
        place = httpx.URL(collection)
        stand_in = f"{secret.username}@{place.host}" if secret.username else f"{place.host}{place.path}"
        owner = await self._owner(collection)
        name = owner.get("displayName")
        return Profile(
            user_id=key_of(owner) or stand_in,
            label=name.strip()[:200] if isinstance(name, str) and name.strip() else stand_in,
            own_addresses=tuple(
                OwnAddress(value=one.address, primary=one.preferred)
                for one in contact(owner, "", None).emails
                if one.address is not None
            ),
            base_url=collection,
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Everybody, or who changed since; then all ids where that is due. Raises CursorExpired for a cursor that is none of ours."""
        place = cursors.read(cursor, Position) or Position(version=1)
        total: int | None = None
        seen: set[str] = set()
        while not place.owed:
            answer = await self._ask(self._changed(place), start=place.start, count=COUNT)
            if place.start == 0 or place.begun is None:
                place.begun = answer.at - OVERLAP
            rows, keys = self._rows(place, answer.entries)
            ended = not keys - seen or (answer.total is not None and place.start + len(answer.entries) >= answer.total)
            seen |= keys
            place.start += len(answer.entries)
            if place.since is None:
                total = answer.total
            if ended:
                place.since, place.begun, place.start, place.owed = place.begun, None, 0, True
                place.before, place.told = place.told, ()
            gone = tuple(Row(item=Gone(kind="CONTACT", key=key)) for key in sorted(answer.gone - keys))
            yield Page(rows=(*gone, *rows), cursor=cursors.written(place), total=total)
        statements = await self._census(place)
        place.owed = False
        yield Page(statements=statements, cursor=cursors.written(place), done=True)

    async def listing(self) -> AsyncIterator[Statement]:
        """All ids, where the server's list of them agrees with its own total."""
        (statement,) = await self._listed()
        yield statement

    async def fetch(self, container: str, keys: Sequence[str]) -> AsyncIterator[Page]:
        """Contacts by their ids (§6.2), one by one."""
        for key in keys:
            try:
                answer = await self._ask({}, id_=key)
            except Refused as error:
                if error.provider_code != "not-found":
                    raise
                continue
            rows, _ = self._rows(None, answer.entries)
            yield Page(rows=rows)

    # --- what is told -------------------------------------------------------------------------------------------------

    def _changed(self, place: Position) -> dict[str, str]:
        if place.since is None:
            return {"fields": "@all"}
        return {"fields": "@all", "updatedSince": place.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _rows(self, place: Position | None, entries: Sequence[Any]) -> tuple[tuple[Row, ...], set[str]]:
        """The rows of a page, and by what its entries are known; what was told in the overlap already has no row."""
        rows: list[Row] = []
        keys: set[str] = set()
        for index, one in enumerate(entries):
            key = key_of(one) if isinstance(one, Mapping) else None
            digest = hashlib.blake2b(msgspec.json.encode(one, order="sorted"), digest_size=6).hexdigest()
            keys.add(key or digest)
            if place is not None:
                at = moment(one.get("updated")) if isinstance(one, Mapping) else None
                if (at is None or place.begun is None or at >= place.begun) and len(place.told) < MAX_TOLD:
                    place.told = (*place.told, digest)
                if digest in place.before:
                    continue
            rows.append(Row(item=self._item(one, key, (place.start if place else 0) + index)))
        return tuple(rows), keys

    def _item(self, one: Any, key: str | None, index: int) -> Contact | Unreadable:
        if key is not None:
            return contact(one, key, self._session.account.region)
        return Unreadable(
            key=f"{CONTAINER}#{index}",
            outcome="FAILED",
            reason="UNREADABLE",
            message="The server lists a contact without an id, which PortableContacts does not allow.",
            container=CONTAINER,
        )

    # --- who is there -------------------------------------------------------------------------------------------------

    async def _census(self, place: Position) -> tuple[Statement, ...]:
        """All ids where they are due; the position keeps what was found."""
        now = self._session.clock.now()
        if place.listed is not None and now - place.listed < CENSUS:
            counted = (await self._ask({"fields": "id"}, count=1)).total
            if counted is None or counted == place.total:
                return ()
        (statement,) = await self._listed()
        place.total, place.listed = statement.expected, now if statement.keys is not None else None
        return (statement,)

    async def _listed(self) -> tuple[Statement]:
        """What the server says that it has: with keys where its list is whole and agrees with its own total."""
        total: int | None = None
        for _ in range(TRIES):
            keys: set[str] = set()
            nameless, start, totals = 0, 0, set[int | None]()
            while True:
                answer = await self._ask({"fields": "id"}, start=start, count=IDS)
                found = [key_of(one) if isinstance(one, Mapping) else None for one in answer.entries]
                named = {key for key in found if key is not None}
                nameless += found.count(None)
                totals.add(answer.total)
                start += len(found)
                fresh = named - keys
                keys |= named
                if not fresh or (answer.total is not None and start >= answer.total):
                    break
            (total, *more) = totals
            if not more and (total is None or len(keys) + nameless == total):
                return (Statement(container=CONTAINER, kind="CONTACT", expected=len(keys) + nameless, keys=frozenset(keys)),)
        return (Statement(container=CONTAINER, kind="CONTACT", expected=total),)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _ask(
        self, asked: Mapping[str, str], *, at: str = "", start: int = 0, count: int = 0, id_: str | None = None
    ) -> Answer:
        """A part of the collection `at` (the account's own by default), or one of it. Raises RateLimited where a 503 says when to come back."""
        url = at or self._session.account.base_url
        params = {**asked, "format": "json"}
        if id_ is None:
            params |= {"startIndex": str(start), "count": str(count)}
        else:
            url = f"{url.rstrip('/')}/{quote(id_, safe='')}"
        answer = await self._got(url, params)
        body = answer.json()
        if not isinstance(body, Mapping) or not isinstance(found := body.get("entry"), list | Mapping):
            raise answer.malformed("PortableContacts")
        total = body.get("totalResults")
        if isinstance(total, str) and total.isascii() and total.isdigit() and len(total) < 10:
            total = int(total)
        counted = total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None
        gone = body.get("deleted")
        keys = {key for one in gone if (key := key_of({"id": one}))} if isinstance(gone, list) else set[str]()
        return Answer(found if isinstance(found, list) else [found], counted, self._at(answer), frozenset(keys))

    async def _got(self, url: str, params: Mapping[str, str]) -> Response:
        try:
            return await self._session.request("GET", url, params=params, headers={"Accept": "application/json"})
        except Unavailable as error:
            if error.provider_code == "503" and error.retry_at is not None:  # §6.5: also when the rate limit is reached
                raise RateLimited(error.message, retry_at=error.retry_at, provider_code="503") from None
            raise

    def _at(self, answer: Response) -> datetime:
        """When a server answered, by its own clock (RFC 9110 §6.6.1)."""
        try:
            found = parsedate_to_datetime(answer.headers.get("date", ""))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            return self._session.clock.now()

    async def _owner(self, collection: str) -> Mapping[str, Any]:
        """§6.2: `@self`; empty where a server has no such thing."""
        url = httpx.URL(collection)
        path = url.path.rstrip("/")
        root = (
            path.partition("/@me")[0] + "/@me" if "/@me" in path else path.rpartition("/@")[0] if "/@" in path else path + "/@me"
        )
        try:
            (owner, *_) = (await self._ask({}, at=str(url.copy_with(path=root + "/@self")), count=1)).entries or [{}]
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            return {}
        return owner if isinstance(owner, Mapping) else {}

    # --- finding ------------------------------------------------------------------------------------------------------

    async def _found(self) -> str:
        """The collection at the address that was typed, or where that leads."""
        start = self._session.account.base_url
        trouble: ProviderError | None = None
        async for place in self._places(start):
            for collection in _collections(place):
                try:
                    await self._ask({"fields": "id"}, at=collection, count=1)
                    return collection
                except (RateLimited, ForbiddenAddress):
                    raise
                except (ReauthRequired, Refused, Malformed) as error:
                    if trouble is None or _weight(error) > _weight(trouble):
                        trouble = error
        if trouble is not None and _weight(trouble):
            raise trouble
        raise Refused(
            f"{httpx.URL(start).host} has no PortableContacts at this address. {discovery.ADVICE}", provider_code="no-contacts"
        )

    async def _places(self, start: str) -> AsyncIterator[str]:
        yield start
        async for place in discovery.places(self._session, start):
            yield place


def _collections(place: str) -> list[str]:
    """Where the contacts of a base address can be. One with a query is none (§5): it is that of a description."""
    url = httpx.URL(place)
    if url.query:
        return []
    path = url.path.rstrip("/")
    if "/@" in path:
        return [str(url.copy_with(path=path))]
    return [str(url.copy_with(path=(path + tail) or "/")) for tail in COLLECTIONS]


def _weight(error: ProviderError) -> int:
    """Which of several failures says most: a sign-in that is not accepted, a host that is not given the secret, a broken answer."""
    if isinstance(error, ReauthRequired):
        return 3
    return 2 if error.provider_code == "other-host" else 1 if error.provider_code == "too-large" else 0


def _open(session: Session) -> Adapter:
    return PortableContacts(session)


_PLACE: Final = FormField(
    name="url",
    label="Address",
    kind="TEXT",
    placeholder="https://example.org/portablecontacts",
    help="Of the PortableContacts endpoint, of the site that has one, or your address there (name@example.org).",
)

PROVIDER = Provider(
    key=KEY,
    name="PortableContacts",
    kind="ADDRESS_BOOK",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "DELTA", "MIRROR"}),
    limitations=(
        "Deletions are seen when the server's total changes, at the latest once a day.",
        "Contacts cannot be changed here: PortableContacts 1.0 is for reading.",
        "OAuth 1, which the draft names, is not spoken: servers take a token or a password.",
    ),
    link_forms=(
        LinkForm(
            method="TOKEN",
            label="Token or key",
            fields=(_PLACE, FormField(name="access_token", label="Token", kind="PASSWORD", secret=True)),
            help="Of another Kith: a key with the scope read.",
        ),
        LinkForm(
            method="APP_PASSWORD",
            label="Name and password",
            fields=(
                _PLACE,
                FormField(name="username", label="User name"),
                FormField(name="password", label="Password", kind="PASSWORD", secret=True),
            ),
        ),
    ),
    quota=Quota(
        calls=120, seconds=60.0, concurrency=2, sentence="120 calls a minute; servers name no limit of their own beforehand."
    ),
    docs_path="docs/providers/portable_contacts.md",
    poll_seconds=900,
    base_url=discovery.base_url,
    open=_open,
)
