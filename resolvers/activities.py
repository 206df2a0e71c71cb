"""Activities as they are shown: lists of a person or of everybody, and the same act in several places counted once.

A row is a copy of an earlier one when both have the same `same_key`, lie within COPIED of each other, and are either the same object
of the same actor (two accounts show it) or of two actors who are one person (posted on two networks). Lists show the earliest of
them; `copies` tells the others. Who is one person is asked when a list is read, so that joining and parting people needs no upkeep.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import BigInteger, ColumnElement, Connection, select

from providers import records
from providers.formats import safe_html
from resolvers import changes, contacts, freshness, paging, people, photos, web
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order
from resolvers.refusals import ItemUnreadable
from resolvers.sources import Answered, Freshness
from store import ids, streams
from store.among import among
from store.tables import account, activity, contact

COPIED: Final = timedelta(days=1)
REACH: Final = 7 * COPIED  # how far from an act its copies are looked for: each lies within COPIED of the one before
NEAR: Final = 3  # pages of a person's latest that are looked through for one
MAX_COPIES: Final = 200  # of one act that are looked through
MAX_HASHTAGS: Final = 50
MAX_ORIGINAL: Final = 4 * 1024 * 1024  # bytes that a stored record may unpack to
SAID: Final = 120  # characters of a post that its summary quotes
#: What somebody did, where the network does not say it in words.
PHRASES: Final[dict[str, str]] = {
    "ACCEPT": "accepted", "ADD": "added", "ANNOUNCE": "shared", "ARRIVE": "arrived at", "BLOCK": "blocked", "CREATE": "posted",
    "DELETE": "deleted", "DISLIKE": "disliked", "FLAG": "reported", "FOLLOW": "followed", "IGNORE": "ignored", "INVITE": "invited to",
    "JOIN": "joined", "LEAVE": "left", "LIKE": "liked", "LISTEN": "listened to", "MOVE": "moved", "OFFER": "offered",
    "QUESTION": "asked", "READ": "read", "REJECT": "rejected", "REMOVE": "removed", "TENTATIVE_ACCEPT": "might come to",
    "TENTATIVE_REJECT": "might not come to", "TRAVEL": "travelled to", "UNDO": "took back", "UPDATE": "changed", "VIEW": "watched",
}  # fmt: skip
ORDER: Final = Order((activity.c.occurred_at, activity.c.id), descending=True)
COLUMNS: Final = tuple(c for c in activity.c if c.name not in ("viewer_id", "original", "fingerprint"))
_decode = msgspec.msgpack.Decoder(records.Activity).decode
_earlier, _earlier_contact = activity.alias("earlier"), contact.alias("earlier_contact")


class ActivityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which activities; what is None does not count."""

    account_ids: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    person_ids: tuple[str, ...] | None = None
    verbs: tuple[str, ...] | None = None
    object_kinds: tuple[str, ...] | None = None
    stream_id: str | None = None
    after: datetime | None = None
    before: datetime | None = None


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did something; `contact_id` is where the account would know them."""

    uri: str
    kind: str
    name: str
    handle: str | None
    contact_id: str | None


class Media(msgspec.Struct, frozen=True, kw_only=True):
    media_type: str
    url: str
    alt: str | None


class ActivityObject(msgspec.Struct, frozen=True, kw_only=True):
    """What an activity is about; `source` is its content as HTML, as it was sent."""

    uri: str | None
    kind: str
    name: str | None
    summary: str | None
    text: str | None
    source: str | None
    language: str | None
    url: str | None
    attributed_to: Actor | None
    in_reply_to: str | None
    media: tuple[Media, ...]
    hashtags: Sequence[str]
    published_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    location: str | None
    like_count: int | None
    repost_count: int | None
    reply_count: int | None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """An activity without its original."""

    id: str
    version: int
    account_id: str
    verb: str
    occurred_at: datetime
    edited_at: datetime | None
    visibility: str
    summary: str
    url: str | None
    actor: Actor
    object: ActivityObject | None
    target: ActivityObject | None
    mentioned: tuple[Actor, ...]


def of_row(row: Any) -> Activity:
    """The activity of a row with `COLUMNS`."""
    record = _decode(row.record)
    who = _actor(record.actor, row.account_id)
    return Activity(
        id=row.id,
        version=row.version,
        account_id=row.account_id,
        verb=row.verb,
        occurred_at=row.occurred_at,
        edited_at=row.edited_at,
        visibility=record.visibility,
        summary=record.summary or _in_words(record, who),
        url=web.safe(record.url),
        actor=msgspec.structs.replace(who, contact_id=row.contact_id),
        object=_object(record.object, row.account_id),
        target=_object(record.target, row.account_id),
        mentioned=tuple(_actor(one, row.account_id) for one in record.mentions),
    )


def _actor(record: records.Actor, account_id: str) -> Actor:
    return Actor(
        uri=record.uri,
        kind=record.kind,
        name=record.name or record.handle or record.uri,
        handle=record.handle,
        contact_id=ids.derive("CONTACT", account_id, record.key or record.uri),
    )


def _object(record: records.ActivityObject | None, account_id: str) -> ActivityObject | None:
    if record is None:
        return None
    return ActivityObject(
        uri=record.uri,
        kind=record.kind,
        name=record.name,
        summary=record.summary,
        text=record.text,
        source=record.html,
        language=record.language,
        url=web.safe(record.url),
        attributed_to=None if record.attributed_to is None else _actor(record.attributed_to, account_id),
        in_reply_to=record.in_reply_to,
        media=tuple(
            Media(media_type=one.media_type, url=one.url, alt=one.alt) for one in record.media if web.safe(one.url) is not None
        ),
        hashtags=record.hashtags[:MAX_HASHTAGS],
        published_at=record.published_at,
        starts_at=record.starts_at,
        ends_at=record.ends_at,
        location=record.location,
        like_count=record.likes,
        repost_count=record.reposts,
        reply_count=record.replies,
    )


def _in_words(record: records.Activity, who: Actor) -> str:
    said = f"{who.name} {PHRASES.get(record.verb, record.verb.lower())}"
    thing = record.object or record.target
    what = "" if thing is None else thing.name or thing.summary or thing.text or thing.url or ""
    what = " ".join(what[: SAID * 4].split())
    if not what:
        return f"{said}."
    return f"{said}: {what}" if len(what) <= SAID else f"{said}: {what[: SAID - 1].rstrip()}…"


# --- one ------------------------------------------------------------------------------------------------------------------


def by_id(conn: Connection, viewer: str, activity_ids: Sequence[str]) -> dict[str, Any]:
    """Activities by id, copies too."""
    rows = conn.execute(select(*COLUMNS).where(activity.c.viewer_id == viewer, activity.c.id.in_(activity_ids)))
    return {row.id: paging.readable(row, of_row) for row in rows}


def originals(conn: Connection, viewer: str, activity_ids: Sequence[str]) -> dict[str, Any]:
    """The networks' own records of activities, of those that gave one."""
    rows = conn.execute(
        select(activity.c.id, activity.c.original).where(
            activity.c.viewer_id == viewer, activity.c.id.in_(activity_ids), activity.c.original.is_not(None)
        )
    )
    found: dict[str, Any] = {}
    for row in rows:
        try:
            found[row.id] = msgspec.json.decode(zlib.decompressobj().decompress(row.original, MAX_ORIGINAL))
        except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found[row.id] = ItemUnreadable(row.id)
    return found


def copies(conn: Connection, viewer: str, activity_ids: Sequence[str], first: int) -> dict[str, list[Any]]:
    """The other appearances of each activity, earliest first."""
    asked = conn.execute(_shown(viewer).where(activity.c.id.in_(activity_ids), activity.c.same_key.is_not(None))).all()
    if not asked:
        return {}
    keys = sorted({row.same_key for row in asked})
    moments = [row.occurred_at for row in asked]
    alike: dict[str, list[Any]] = {key: [] for key in keys}
    for row in conn.execute(
        _shown(viewer)
        .where(activity.c.same_key.in_(keys), activity.c.occurred_at.between(min(moments) - REACH, max(moments) + REACH))
        .order_by(activity.c.occurred_at, activity.c.id)
        .limit(MAX_COPIES * len(keys))
    ):
        alike[row.same_key].append(row)
    found: dict[str, list[Any]] = {}
    for row in asked:
        group = next((g for g in _groups(alike[row.same_key]) if any(one.id == row.id for one in g)), [])
        found[row.id] = [paging.readable(one, of_row) for one in group if one.id != row.id][:first]
    return found


def _groups(rows: Sequence[Any]) -> list[list[Any]]:
    """Rows of one key, earliest first, each with its copies: the same rule as `_copies_another`, which lists ask the database."""
    groups: list[list[Any]] = []
    for row in rows:
        home = next((group for group in groups if any(_is_copy(row, other) for other in group)), None)
        if home is None:
            groups.append([row])
        else:
            home.append(row)
    return groups


def _is_copy(row: Any, other: Any) -> bool:
    if row.occurred_at - other.occurred_at > COPIED:
        return False
    if row.actor_uri == other.actor_uri:
        return bool(row.uri == other.uri)
    if row.contact_id is None or other.contact_id is None:
        return row.contact_id is None and other.contact_id is None  # both are the viewer's
    return row.person_id is not None and row.person_id == other.person_id


async def html(shown: ActivityObject) -> str | None:
    """The content to show, sanitised, without pictures from elsewhere: they would tell who reads when."""
    if not shown.source:
        return None
    return await asyncio.to_thread(safe_html.sanitised, shown.source, part=_nothing, remote=_nothing)


def _nothing(address: str) -> str | None:
    return None


# --- who ------------------------------------------------------------------------------------------------------------------


async def person(operation: Operation, who: Actor) -> people.Person | None:
    """Who an actor is in the viewer's data."""
    known = await _contact(operation, who)
    return None if known is None or known.person_id is None else await people.get(operation, known.person_id)


async def photo(operation: Operation, who: Actor) -> photos.Image | None:
    """The picture of an actor, of those that are stored."""
    known = await _contact(operation, who)
    return None if known is None else await photos.get(operation, known.photo_hash, who.name)


async def _contact(operation: Operation, who: Actor) -> contacts.Contact | None:
    return None if who.contact_id is None else await contacts.get(operation, who.contact_id)


# --- lists ----------------------------------------------------------------------------------------------------------------


async def page(operation: Operation, ask: Ask, where: ActivityFilter, fresh: Freshness, person_id: str | None = None) -> Listing:
    """The activities of a person, or of everybody, latest first. First pages of many people are read at once."""
    scope = paging.bound("activities", person_id, where)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    answered = await sources_of(operation, where.account_ids, fresh)
    cut = await cut_of(operation, person_id, where, None, size, after)

    async def count() -> int:
        return await counted(operation, person_id, where)

    return paging.listing(
        operation, scope, cut, key=lambda row: (row.occurred_at, row.id), node=of_row, count=count, answered=answered
    )


async def follow(operation: Operation, where: ActivityFilter) -> AsyncIterator[Activity]:
    """Activities as they are taken in, of those that pass the filter; one that is a copy of another is none of its own."""
    wanted = changes.ChangeFilter(kinds=("ACTIVITY",), stream_id=where.stream_id)
    async for change in changes.follow(operation, None, wanted):
        if isinstance(change, changes.NodeUpserted) and change.created:
            found = await operation.read(_met, change.node_id, where)
            if found is not None:
                yield found


def _met(conn: Connection, viewer: str, activity_id: str, where: ActivityFilter) -> Activity | None:
    """The activity, if a list with this filter shows it."""
    row = conn.execute(_wanted(viewer, where).where(activity.c.id == activity_id)).one_or_none()
    return None if row is None else of_row(row)


async def sources_of(operation: Operation, account_ids: Sequence[str] | None, fresh: Freshness) -> Answered:
    """How those accounts answered whose networks have activities."""
    answered = await freshness.stored(operation, fresh, None if account_ids is None else frozenset(account_ids))
    return await freshness.having(operation, answered, "ACTIVITIES")


async def cut_of(
    operation: Operation,
    person_id: str | None,
    where: ActivityFilter,
    start: datetime | None,
    size: int,
    after: tuple[datetime, str] | None,
) -> Cut:
    """The rows of a page, those of many people in one statement; none is younger than `start`."""
    if person_id is None:

        def read(conn: Connection, viewer: str) -> Cut:
            return paging.cut(conn, _wanted(viewer, where, start), ORDER, size, after=after)

        return await operation.read(read)

    async def batch(person_ids: list[str]) -> Mapping[str, Cut]:
        return await operation.read(_firsts, person_ids, where, start, size, after)

    return await batched(operation, ("activities", where, start, size, after), batch, person_id) or paging.EMPTY


async def counted(operation: Operation, person_id: str | None, where: ActivityFilter, start: datetime | None = None) -> int:
    """How many activities of a person there are, or of everybody."""
    if person_id is None:
        return await paging.counted(operation, lambda viewer: _wanted(viewer, where, start))
    return (await load(operation, _counts, person_id, where, start)) or 0


def _wanted(viewer: str, where: ActivityFilter, start: datetime | None = None) -> sa.Select[Any]:
    """The rows that a list shows, each act once; of a stream each that meets it, since a rule may ask for one of several copies."""
    query = _passing(viewer, where, start)
    if where.stream_id is not None:
        return query
    return query.where(sa.not_(_copies_another(_seen_through(_earlier.c, viewer, where))))


def _passing(viewer: str, where: ActivityFilter, start: datetime | None) -> sa.Select[Any]:
    """The rows that pass a filter, copies of others too."""
    mine = activity.c
    query = _shown(viewer)
    if start is not None:
        query = query.where(mine.occurred_at <= start)
    if where.after is not None:
        query = query.where(mine.occurred_at > where.after)
    if where.before is not None:
        query = query.where(mine.occurred_at < where.before)
    if where.verbs is not None:
        query = query.where(mine.verb.in_(where.verbs))
    if where.object_kinds is not None:
        query = query.where(mine.object_kind.in_(where.object_kinds))
    if where.person_ids is not None:
        query = query.where(contact.c.person_id.in_(where.person_ids))
    if where.stream_id is not None:
        query = query.where(streams.holds(where.stream_id, mine.id))
    return query.where(*_seen_through(mine, viewer, where))


def _shown(viewer: str) -> sa.Select[Any]:
    of_actor = sa.and_(contact.c.viewer_id == activity.c.viewer_id, contact.c.id == activity.c.contact_id)
    return (
        select(*COLUMNS, contact.c.person_id.label("person_id"))
        .select_from(activity.outerjoin(contact, of_actor))
        .where(activity.c.viewer_id == viewer)
    )


def _seen_through(of: Any, viewer: str, where: ActivityFilter) -> list[ColumnElement[bool]]:
    """What account and provider have to be; it holds for the one that is shown and for the one that it would be a copy of."""
    conditions: list[ColumnElement[bool]] = []
    if where.account_ids is not None:
        conditions.append(of.account_id.in_(where.account_ids))
    if where.providers is not None:
        theirs = select(account.c.id).where(account.c.viewer_id == viewer, account.c.provider.in_(where.providers))
        conditions.append(of.account_id.in_(theirs))
    return conditions


def _copies_another(among: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether there is an earlier row of the same act: the rule of `_is_copy`."""
    mine, other = activity.c, _earlier.c
    both_viewer = sa.and_(mine.contact_id.is_(None), other.contact_id.is_(None))
    one_person = contact.c.person_id == _earlier_contact.c.person_id
    same = sa.or_(
        sa.and_(mine.actor_uri == other.actor_uri, mine.uri == other.uri),
        sa.and_(mine.actor_uri != other.actor_uri, sa.or_(both_viewer, one_person)),
    )
    moment = sa.type_coerce(mine.occurred_at, BigInteger) - COPIED // timedelta(microseconds=1)
    of_actor = sa.and_(_earlier_contact.c.viewer_id == other.viewer_id, _earlier_contact.c.id == other.contact_id)
    return (
        select(sa.literal(1))
        .select_from(_earlier.outerjoin(_earlier_contact, of_actor))
        .where(
            other.viewer_id == mine.viewer_id,
            other.same_key == mine.same_key,
            sa.type_coerce(other.occurred_at, BigInteger) >= moment,
            sa.tuple_(other.occurred_at, other.id) < sa.tuple_(mine.occurred_at, mine.id),
            same,
            *among,
        )
        .correlate(activity, contact)
        .exists()
    )


def _of_people(viewer: str, person_ids: Sequence[str], where: ActivityFilter, start: datetime | None) -> sa.Select[Any]:
    return _wanted(viewer, where, start).where(contact.c.person_id.in_(person_ids))


def _firsts(
    conn: Connection,
    viewer: str,
    person_ids: Sequence[str],
    where: ActivityFilter,
    start: datetime | None,
    size: int,
    after: tuple[datetime, str] | None,
) -> dict[str, Cut]:
    """First pages of many people. Whether a row copies another is asked of their latest ones only, and of all where these are not enough."""
    whose = contact.c.person_id
    beyond = [] if after is None else [paging.beyond(ORDER, after, forwards=True)]
    latest = _passing(viewer, where, start).where(whose.in_(person_ids), *beyond)
    place = sa.func.row_number().over(partition_by=whose, order_by=[c.desc() for c in ORDER.columns])
    ranked = latest.with_only_columns(activity.c.id, whose, place.label("place")).subquery()
    near: Counter[str] = Counter()
    candidates: list[str] = []
    for row in conn.execute(select(ranked.c.id, ranked.c.person_id).where(ranked.c.place <= NEAR * (size + 1))):
        near[row.person_id] += 1
        candidates.append(row.id)
    shown = _of_people(viewer, person_ids, where, start).where(among(activity.c.id, "near"))
    found = paging.tops(conn, shown.params(viewer=viewer, near=candidates), whose, ORDER, size)
    short = [
        person_id
        for person_id, count in near.items()
        if count == NEAR * (size + 1) and not found.get(person_id, paging.EMPTY).has_next
    ]
    if short:
        found |= paging.tops(conn, _of_people(viewer, short, where, start).where(*beyond), whose, ORDER, size)
    return found


def _counts(
    conn: Connection, viewer: str, person_ids: Sequence[str], where: ActivityFilter, start: datetime | None
) -> dict[str, int]:
    group = contact.c.person_id
    query = _of_people(viewer, person_ids, where, start)
    rows = conn.execute(query.with_only_columns(group.label("person_id"), sa.func.count().label("n")).group_by(group))
    return {row.person_id: row.n for row in rows}
