"""What is stored, as acts, items and meetings: a walk in slices, each one short read.

Only what is younger than HORIZON counts, and of that the latest MOST, so that a walk takes memory that is bounded. Of messages only
those between people: newsletters, lists, robots and mail that failed authentication say nothing of who hears whom. Counts that networks
tell (likes, followers) are left out: nobody can tell who made them.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.influence.meeting import FADES, Meetings
from resolvers.influence.topics import terms
from resolvers.influence.weighing import VIEWER, Act, Item
from store import ids
from store.among import among, asked
from store.database import Database
from store.tables import (
    activity,
    contact,
    conversation,
    conversation_member,
    message,
    message_participant,
    message_source,
    person,
    reaction,
)

HORIZON: Final = timedelta(days=730)
MOST: Final = 200_000  # messages, and as many activities
SLICE: Final = 2_000  # rows that are read at once
CROWD: Final = 12  # people of a message from which on it says nothing of who knows whom
HALL: Final = 50  # and members of a group
TOGETHER: Final = 3.0  # messages to all of its members that a group counts as
DAY: Final = timedelta(days=1)
_RECIPIENTS: Final = ("TO", "CC", "BCC")
_ENGAGING: Final[dict[str, str]] = {"LIKE": "LIKE", "ANNOUNCE": "SHARE", "FOLLOW": "FOLLOW"}
_M: Final = message.c
_P: Final = message_participant.c
_A: Final = activity.c
_PEOPLE: Final = (
    select(_P.message_id, _P.role, _P.kind, _P.contact_id).where(among(_P.message_id)).order_by(_P.message_id, _P.position)
)
_WRITERS: Final = (
    select(_M.internet_message_id, _M.id, _M.direction, _P.contact_id)
    .join(message_participant, sa.and_(_P.viewer_id == _M.viewer_id, _P.message_id == _M.id, _P.role == "FROM"))
    .where(among(_M.internet_message_id))
    .order_by(_M.internet_message_id, _M.id)
)
_IN_ROOMS: Final = select(conversation_member.c.conversation_id, conversation_member.c.contact_id).where(
    among(conversation_member.c.conversation_id), conversation_member.c.contact_id.is_not(None)
)
T = TypeVar("T")


class _Actor(msgspec.Struct, frozen=True):
    """As much of records.Actor as is needed."""

    uri: str
    key: str | None = None


class _Thing(msgspec.Struct, frozen=True):
    """As much of records.ActivityObject as is needed."""

    uri: str | None = None
    name: str | None = None
    summary: str | None = None
    text: str | None = None
    attributed_to: _Actor | None = None
    in_reply_to: str | None = None
    hashtags: tuple[str, ...] = ()


class _Done(msgspec.Struct, frozen=True):
    """As much of records.Activity as is needed."""

    actor: _Actor
    object: _Thing | None = None
    mentions: tuple[_Actor, ...] = ()


_done: Final = msgspec.msgpack.Decoder(_Done).decode


class Room(msgspec.Struct, frozen=True):
    """A group: its name, empty where it has none, who is in it besides the viewer, and what it says of each two of them."""

    id: str
    name: str
    people: tuple[str, ...]
    weight: float


class Facts:
    """What was found: who is weighed, what they did, what they said, who met, which groups there are."""

    def __init__(self) -> None:
        self.people: set[str] = set()
        self.acts: list[Act] = []
        self.items: dict[str, Item] = {}
        self.meetings = Meetings()
        self.rooms: list[Room] = []


class _Waiting(msgspec.Struct, frozen=True, array_like=True):
    """An act upon a post whose author may be told by a later row."""

    source: str
    kind: str
    days: float
    item: str
    target: str | None
    node_id: str


async def read(database: Database, viewer: str, now: datetime) -> Facts:
    """Everything that counts at `now`."""
    return await _Walk(database, viewer, now).facts()


class _Walk:
    def __init__(self, database: Database, viewer: str, now: datetime) -> None:
        self._database, self._viewer, self._now = database, viewer, now
        self._found = Facts()
        self._owner: dict[str, str] = {}  # of contacts: their person, else themselves; VIEWER for the viewer's own
        self._known: dict[str, str] = {}  # of addresses of actors, in the same names
        self._waiting: list[_Waiting] = []

    async def facts(self) -> Facts:
        async for rows in self._slices(_contacts, ""):
            for row in rows:
                self._contact(row)
        self._found.people = set(await self._database.read(self._viewer, _people))
        async for rows in self._slices(_activities, await self._since(_A.occurred_at, _A.viewer_id)):
            for row in rows:
                self._activity(row)
        self._settle()
        async for rows in self._slices(_messages, await self._since(_M.sent_at, _M.viewer_id)):
            answered = [row.in_reply_to for row in rows if row.in_reply_to]
            around = await self._database.read(self._viewer, _around, [row.id for row in rows], answered)
            for row in rows:
                self._message(row, *around)
        async for rows in self._slices(_rooms, ""):
            members = await self._database.read(self._viewer, _members, [row.id for row in rows])
            for row in rows:
                self._room(row, members.get(row.id, []))
        async for rows in self._slices(_reactions, ("", "")):
            for row in rows:
                self._reaction(row)
        return self._found

    async def _since(self, at: sa.Column[Any], viewer_id: sa.Column[Any]) -> tuple[datetime, str]:
        """Where the walk over a table begins."""
        first = await self._database.read(self._viewer, _latest, at, viewer_id)
        return max(self._now - HORIZON, first or self._now - HORIZON), ""

    async def _slices(
        self, page: Callable[[Connection, str, Any], tuple[Sequence[Any], Any]], start: Any
    ) -> AsyncIterator[Sequence[Any]]:
        after = start
        while after is not None:
            rows, after = await self._database.read(self._viewer, page, after)
            yield rows

    # --- contacts -----------------------------------------------------------------------------------------------------

    def _contact(self, row: Any) -> None:
        mine = row.relation == "PROFILE"
        self._owner[row.id] = VIEWER if mine else row.person_id or row.id
        if row.person_id is None or mine:
            return
        # a follow is as good as new for as long as it is there
        if row.relation in ("FOLLOWING", "CONNECTION"):
            self._found.acts.append(Act(VIEWER, row.person_id, "FOLLOW", 0.0))
        if row.relation in ("FOLLOWER", "CONNECTION"):
            self._found.acts.append(Act(row.person_id, VIEWER, "FOLLOW", 0.0))

    # --- activities ---------------------------------------------------------------------------------------------------

    def _activity(self, row: Any) -> None:
        try:
            done = _done(row.record)
        except msgspec.MsgspecError:
            return  # a list shows it as damaged; nothing can be read of it here
        source = VIEWER if row.contact_id is None else self._named(row.contact_id, row.actor_uri)
        self._known.setdefault(row.actor_uri, source)
        days = self._days(row.occurred_at)
        thing = done.object
        for one in done.mentions:
            target = self._actor(one, row.account_id)
            self._found.acts.append(Act(source, target, "MENTION", days))
            self._found.meetings.add(source, target, "MENTION", days, row.id)
        if thing is None:
            return
        about = row.uri or thing.uri
        author = None if thing.attributed_to is None else self._actor(thing.attributed_to, row.account_id)
        if row.verb == "CREATE" and about is not None:
            text = " ".join(part for part in (thing.name, thing.summary, thing.text) if part)
            said = terms(text, thing.hashtags)
            self._found.items.setdefault(about, Item(source, about, row.id, days, said))
            if thing.in_reply_to is not None:
                self._waiting.append(_Waiting(source, "REPLY", days, thing.in_reply_to, None, row.id))
        elif row.verb in _ENGAGING and about is not None:
            self._waiting.append(_Waiting(source, _ENGAGING[row.verb], days, about, author, row.id))

    def _settle(self) -> None:
        """Acts upon posts, now that all posts are known; a follow is upon the one whose address it names."""
        for act in self._waiting:
            written = self._found.items.get(act.item)
            if act.kind == "FOLLOW":
                target = act.target or self._known.get(act.item)
            else:
                target = written.author if written is not None else act.target
            if target is None or target == act.source:
                continue
            self._found.acts.append(Act(act.source, target, act.kind, act.days, None if act.kind == "FOLLOW" else act.item))
            if act.kind in ("FOLLOW", "REPLY"):
                self._found.meetings.add(act.source, target, act.kind, act.days, act.node_id)
        self._waiting.clear()

    def _actor(self, actor: _Actor, account_id: str) -> str:
        return self._named(ids.derive("CONTACT", account_id, actor.key or actor.uri), actor.uri)

    def _named(self, contact_id: str, uri: str) -> str:
        """The person of a contact, else whoever is known by the address, else the address itself."""
        return self._owner.get(contact_id) or self._known.get(uri) or (VIEWER if contact_id in self._owner else uri)

    # --- messages -----------------------------------------------------------------------------------------------------

    def _message(self, row: Any, people: dict[str, list[Any]], parents: dict[str, tuple[str, str]]) -> None:
        days = self._days(row.sent_at)
        writer, others = VIEWER if row.direction == "OUTBOUND" else None, []
        for one in people.get(row.id, ()):
            name = self._owner.get(one.contact_id or "", "" if one.contact_id is None else one.contact_id)
            if one.role == "FROM":
                writer = name if writer is None else writer
            elif one.role in _RECIPIENTS:
                others.append(name)
        if writer is None:
            return
        others = [name for name in dict.fromkeys(others) if name != writer]
        if len(others) < CROWD:
            for name in others:
                self._found.acts.append(Act(writer, name, "WROTE", days, None, row.id))
            self._found.meetings.among([writer, *others], days, row.id)
        parent = parents.get(row.in_reply_to or "")
        if parent is not None:
            message_id, contact_id = parent
            target = self._owner.get(contact_id, contact_id) if contact_id else VIEWER
            if target != writer:
                self._found.acts.append(Act(writer, target, "REPLY", days, message_id, row.id))
        said = row.subject or row.snippet
        if writer != VIEWER and said:
            self._found.items[row.id] = Item(writer, row.id, row.id, days, terms(said), post=False)

    def _room(self, row: Any, members: Sequence[str]) -> None:
        """A group in which something was said of late, unless it is a hall."""
        days = self._days(row.last_activity_at)
        people = sorted({self._owner.get(contact_id, VIEWER) for contact_id in members} - {VIEWER})
        if 2 <= len(people) < HALL and days * DAY < HORIZON:
            weight = TOGETHER * math.exp(-days / FADES) / len(people)  # the viewer is one of those whom a message there reaches
            self._found.rooms.append(Room(row.id, row.subject or "", tuple(people), weight))

    def _reaction(self, row: Any) -> None:
        if not row.contact_key:
            return  # a network that only counts, or the viewer
        contact_id = ids.derive("CONTACT", row.account_id, row.contact_key)
        source = self._owner.get(contact_id, contact_id)
        item = self._found.items.get(row.message_id)
        if item is not None and source != item.author:
            self._found.acts.append(
                Act(source, item.author, "LIKE", self._days(row.at or row.sent_at), row.message_id, row.message_id)
            )

    def _days(self, at: datetime) -> float:
        return max(0.0, (self._now - at) / DAY)


# --- the reads ------------------------------------------------------------------------------------------------------------


def _people(conn: Connection, viewer: str) -> list[str]:
    query = select(person.c.id).where(
        person.c.viewer_id == viewer,
        person.c.redirect_to.is_(None),
        person.c.projection.is_not(None),
        person.c.nature != "AUTOMATED",
    )
    return list(conn.execute(query).scalars())


def _latest(conn: Connection, viewer: str, at: sa.Column[Any], viewer_id: sa.Column[Any]) -> datetime | None:
    """When the latest MOST rows begin; None where there are no more."""
    found: datetime | None = conn.execute(
        select(at).where(viewer_id == viewer).order_by(at.desc()).offset(MOST).limit(1)
    ).scalar_one_or_none()
    return found


def _contacts(conn: Connection, viewer: str, after: str) -> tuple[Sequence[Any], str | None]:
    c = contact.c
    query = select(c.id, c.person_id, c.relation).where(c.viewer_id == viewer, c.id > after).order_by(c.id)
    rows = conn.execute(query.limit(SLICE)).all()
    return rows, rows[-1].id if len(rows) == SLICE else None


def _activities(conn: Connection, viewer: str, after: tuple[datetime, str]) -> tuple[Sequence[Any], tuple[datetime, str] | None]:
    query = (
        select(_A.id, _A.account_id, _A.contact_id, _A.actor_uri, _A.verb, _A.uri, _A.occurred_at, _A.record)
        .where(_A.viewer_id == viewer, _behind(_A.occurred_at, _A.id, after))
        .order_by(_A.occurred_at, _A.id)
    )
    rows = conn.execute(query.limit(SLICE)).all()
    return rows, (rows[-1].occurred_at, rows[-1].id) if len(rows) == SLICE else None


def _messages(conn: Connection, viewer: str, after: tuple[datetime, str]) -> tuple[Sequence[Any], tuple[datetime, str] | None]:
    query = (
        select(_M.id, _M.sent_at, _M.subject, _M.snippet, _M.direction, _M.in_reply_to, _M.category, _M.authentication)
        .where(_M.viewer_id == viewer, _behind(_M.sent_at, _M.id, after))
        .order_by(_M.sent_at, _M.id)
    )
    rows = conn.execute(query.limit(SLICE)).all()
    following = (rows[-1].sent_at, rows[-1].id) if len(rows) == SLICE else None
    return [row for row in rows if row.category == "PERSONAL" and row.authentication != "FAILED"], following


def _around(
    conn: Connection, viewer: str, message_ids: Sequence[str], answered: Sequence[str]
) -> tuple[dict[str, list[Any]], dict[str, tuple[str, str]]]:
    """The people of each message; of each Message-ID that was answered the message and its writer's contact, empty for the viewer."""
    people: dict[str, list[Any]] = {}
    for row in conn.execute(_PEOPLE, asked(viewer, message_ids)):
        people.setdefault(row.message_id, []).append(row)
    parents: dict[str, tuple[str, str]] = {}
    if answered:
        for row in conn.execute(_WRITERS, asked(viewer, answered)):
            parents.setdefault(row.internet_message_id, (row.id, "" if row.direction == "OUTBOUND" else row.contact_id or ""))
    return people, parents


def _rooms(conn: Connection, viewer: str, after: str) -> tuple[Sequence[Any], str | None]:
    """Groups of mirrored accounts and archives: what is stored of the others is what somebody happened to look at."""
    c = conversation.c
    query = (
        select(c.id, c.subject, c.last_activity_at)
        .where(c.viewer_id == viewer, c.kind == "GROUP", c.redirect_to.is_(None), c.live.is_(False), c.id > after)
        .order_by(c.id)
    )
    rows = conn.execute(query.limit(SLICE)).all()
    return rows, rows[-1].id if len(rows) == SLICE else None


def _members(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, list[str]]:
    """The contacts of each group."""
    found: dict[str, list[str]] = {}
    for row in conn.execute(_IN_ROOMS, asked(viewer, conversation_ids)):
        found.setdefault(row.conversation_id, []).append(row.contact_id)
    return found


def _reactions(conn: Connection, viewer: str, after: tuple[str, str]) -> tuple[Sequence[Any], tuple[str, str] | None]:
    r, s = reaction.c, message_source.c
    query = (
        select(r.account_id, r.key, r.contact_key, r.at, s.message_id, _M.sent_at)
        .join(message_source, sa.and_(s.viewer_id == r.viewer_id, s.account_id == r.account_id, s.key == r.message_key))
        .join(message, sa.and_(_M.viewer_id == s.viewer_id, _M.id == s.message_id))
        .where(r.viewer_id == viewer, sa.tuple_(r.account_id, r.key) > after)
        .order_by(r.account_id, r.key)
    )
    rows = conn.execute(query.limit(SLICE)).all()
    return rows, (rows[-1].account_id, rows[-1].key) if len(rows) == SLICE else None


def _behind(at: sa.Column[Any], key: sa.Column[Any], after: tuple[datetime, str]) -> sa.ColumnElement[bool]:
    return sa.tuple_(at, key) > sa.tuple_(sa.literal(after[0], at.type), sa.literal(after[1]))
