"""What is to be found of messages, their files and their conversations: the documents of the search index.

States and places (read state, flags, folders, labels, accounts) are facets, written anew whenever a source says something else; the
words of a message change only where its writer changes it. A conversation is found by what holds of any of its messages.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from providers import records
from store import ids, search_index
from store.among import among, asked
from store.search_index import Doc, Heads, facet
from store.tables import attachment, conversation, message, message_participant, message_source
from store.words import BREAK

WRITERS: Final = ("FROM", "SENDER")
_CONVERSATIONS: Final = select(conversation.c.id, conversation.c.subject, conversation.c.last_activity_at, conversation.c.flags).where(
    among(conversation.c.id), conversation.c.redirect_to.is_(None)
)  # fmt: skip
_LETTERS_OF: Final = select(message.c.id, message.c.conversation_id, message.c.flags, message.c.attachment_count).where(
    among(message.c.conversation_id)
)
_PEOPLE: Final = (
    select(
        message_participant.c.message_id, message_participant.c.role, message_participant.c.name, message_participant.c.address
    )
    .where(among(message_participant.c.message_id))
    .order_by(message_participant.c.message_id, message_participant.c.position)
)
_PLACES: Final = select(
    message_source.c.message_id, message_source.c.account_id, message_source.c.container, message_source.c.labels, message_source.c.unread
).where(among(message_source.c.message_id))  # fmt: skip
_STATES: Final = select(message.c.id, message.c.flags, message.c.attachment_count).where(among(message.c.id))
_LETTERS: Final = select(message.c.id, message.c.subject, message.c.body, message.c.sent_at).where(among(message.c.id))
_FILES: Final = select(attachment.c.id, attachment.c.message_id, attachment.c.name).where(among(attachment.c.message_id))


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was not here before, at the places where it was just seen; `flags` as its row has them; `own`: we wrote it."""

    id: str
    item: records.Message
    places: Sequence[records.Message]
    flags: frozenset[str]
    own: bool
    heads: Heads  # of its conversation, as long as it is alone there


def documents(arrival: Arrival, words: str, heads: Heads, account_id: str) -> list[Doc]:
    """The documents of a message that was just seen in one account, and of its files; `words` are its text's, `heads` those above it."""
    node_id, item = arrival.id, arrival.item
    states = arrival.flags - {"UNREAD"}
    if any(place.unread is not None for place in arrival.places):
        states |= {"UNREAD" if "UNREAD" in arrival.flags else "READ"}
    facets = _facets(
        flags=states,
        attached=item.attachment_count > 0,
        accounts=[account_id],
        places=[name for place in arrival.places for name in (place.container, *place.labels)],
    )
    doc = Doc(node_id=node_id, kind="MESSAGE", folded=heads, words=words, facets=facets, at=item.sent_at)
    files = {found.part: found for found in item.attachments if found.name}
    if not files:
        return [doc]
    sender, receivers = named([(p.role, p.name, p.address) for p in item.participants])
    return [
        doc, *(_file(ids.derive("ATTACHMENT", node_id, part), found.name, sender, receivers, doc) for part, found in files.items())
    ]  # fmt: skip


def refresh_states(conn: Connection, viewer: str, message_ids: Collection[str]) -> None:
    """The states and places of these messages may be others now."""
    facets = _facets_of(conn, viewer, message_ids)
    all_of_them = dict(facets)
    for row in conn.execute(_FILES, asked(viewer, facets)):
        all_of_them[row.id] = facets[row.message_id]
    search_index.put_facets(conn, viewer, all_of_them)


def index_conversations(conn: Connection, viewer: str, conversation_ids: Collection[str]) -> None:
    """Write the documents of these conversations from their messages."""
    if not conversation_ids:
        return
    rows = conn.execute(_CONVERSATIONS, asked(viewer, conversation_ids)).all()
    # in steps: of a join SQLite, which knows no figures of the tables, walks through everything that the viewer has
    letters = {row.id: row for row in conn.execute(_LETTERS_OF, asked(viewer, conversation_ids))}
    people: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    said: dict[str, list[Any]] = defaultdict(list)
    for who in conn.execute(_PEOPLE, asked(viewer, letters)):
        people[letters[who.message_id].conversation_id].add((who.role, who.name, who.address))
    for place in conn.execute(_PLACES, asked(viewer, letters)):
        said[letters[place.message_id].conversation_id].append(place)
    attached = {letter.conversation_id for letter in letters.values() if letter.attachment_count > 0}
    shown: dict[str, set[str]] = defaultdict(set)
    for letter in letters.values():
        shown[letter.conversation_id].update(letter.flags.split())
    docs = []
    for row in rows:
        about = said[row.id]
        states = shown[row.id] - {"UNREAD"}
        if any(one.unread is not None for one in about):
            states.add("UNREAD" if "UNREAD" in row.flags.split() else "READ")
        facets = _facets(
            flags=states, attached=row.id in attached, accounts={one.account_id for one in about}, places=_places(about)
        )  # fmt: skip
        sender, receivers = named(sorted(people[row.id]))
        docs.append(
            Doc(node_id=row.id, kind="CONVERSATION", title=row.subject or "", sender=sender, receivers=receivers, facets=facets,
                at=row.last_activity_at)
        )  # fmt: skip
    search_index.put(conn, viewer, docs)


def add_to_conversation(
    conversation_id: str, subject: str | None, at: datetime, account_id: str, *, unread: bool | None, arrivals: Sequence[Arrival]
) -> Doc:
    """What messages that have just arrived add to the document of their conversation; `unread`: the conversation's now."""
    states = {flag for one in arrivals for flag in one.flags} - {"UNREAD"}
    if unread is not None:
        states.add("UNREAD" if unread else "READ")
    facets = _facets(
        flags=states,
        attached=any(one.item.attachment_count > 0 for one in arrivals),
        accounts=[account_id],
        places=[name for one in arrivals for place in one.places for name in (place.container, *place.labels)],
    )
    if len(arrivals) == 1 and (subject or "") == (arrivals[0].item.subject or ""):
        return Doc(node_id=conversation_id, kind="CONVERSATION", folded=arrivals[0].heads, facets=facets, at=at)
    sender, receivers = named(sorted({(p.role, p.name, p.address) for one in arrivals for p in one.item.participants}))
    return Doc(
        node_id=conversation_id,
        kind="CONVERSATION",
        title=subject or "",
        sender=sender,
        receivers=receivers,
        facets=facets,
        at=at,
    )


def index_messages(conn: Connection, viewer: str, message_ids: Collection[str]) -> None:
    """Write the documents of messages and their files from what is stored."""
    facets = _facets_of(conn, viewer, message_ids)
    people: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in conn.execute(_PEOPLE, asked(viewer, message_ids)):
        people[row.message_id].append((row.role, row.name, row.address))
    docs: dict[str, Doc] = {}
    for found in conn.execute(_LETTERS, asked(viewer, message_ids)):
        sender, receivers = named(people[found.id])
        docs[found.id] = Doc(
            node_id=found.id, kind="MESSAGE", title=found.subject or "", sender=sender, receivers=receivers, body=_text(found.body),
            facets=facets[found.id], at=found.sent_at,
        )  # fmt: skip
    files = [
        _file(row.id, row.name, doc.sender, doc.receivers, doc)
        for row in conn.execute(_FILES, asked(viewer, docs))
        if row.name
        for doc in (docs[row.message_id],)
    ]
    search_index.put(conn, viewer, [*docs.values(), *files])


def _text(packed: bytes | None) -> str:
    if packed is None:
        return ""
    try:
        return zlib.decompress(packed).decode("utf-8", "replace")
    except zlib.error:
        return ""  # damaged: the message says so when it is shown


def _facets_of(conn: Connection, viewer: str, message_ids: Collection[str]) -> dict[str, frozenset[str]]:
    said: dict[str, list[Any]] = defaultdict(list)
    for row in conn.execute(_PLACES, asked(viewer, message_ids)):
        said[row.message_id].append(row)
    found = {}
    for letter in conn.execute(_STATES, asked(viewer, message_ids)):
        about = said[letter.id]
        flags = letter.flags.split()
        if "UNREAD" not in flags and any(one.unread is not None for one in about):
            flags.append("READ")
        found[letter.id] = _facets(
            flags=flags, attached=letter.attachment_count > 0, accounts={one.account_id for one in about}, places=_places(about)
        )
    return found


def _places(rows: Iterable[Any]) -> list[str]:
    return [name for row in rows for name in (row.container, *row.labels.split("\n"))]


def _facets(*, flags: Iterable[str], attached: bool, accounts: Iterable[str], places: Iterable[str]) -> frozenset[str]:
    return _words(frozenset(flags), attached, frozenset(accounts), frozenset(places))


@lru_cache(500)
def _words(flags: frozenset[str], attached: bool, accounts: frozenset[str], places: frozenset[str]) -> frozenset[str]:
    words = {facet("is", flag) for flag in flags} | {facet("at", account_id) for account_id in accounts}
    if attached:
        words.add(facet("is", "ATTACHMENT"))
    return frozenset(words.union(*map(_place_words, places)))


@lru_cache(1_000)
def _place_words(place: str) -> frozenset[str]:
    """A folder's or label's words: by its whole name and by its last part, Work/Trips is found as trips, INBOX.Archive as archive."""
    words = {facet("in", place), *(facet("in", place.rpartition(sign)[2]) for sign in "/.")}
    return frozenset(words - {"in"})


def _file(node_id: str, name: str, sender: str, receivers: str, of: Doc) -> Doc:
    return Doc(node_id=node_id, kind="ATTACHMENT", title=name, sender=sender, receivers=receivers, facets=of.facets, at=of.at)


def named(people: Iterable[tuple[str, str, str]]) -> tuple[str, str]:
    """Who wrote and who received, each person apart from the next."""
    wrote: dict[str, None] = {}
    received: dict[str, None] = {}
    for role, name, address in people:
        if role != "REPLY_TO":
            (wrote if role in WRITERS else received)[f"{name} {address}"] = None
    return BREAK.join(wrote), BREAK.join(received)
